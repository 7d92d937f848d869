//! The one look of all tables.

use comfy_table::{ContentArrangement, Table, presets};

/// Without a terminal a table is this wide: what an editor or a mail shows without wrapping.
const WIDTH: u16 = 140;

/// An empty table with this header, as wide as the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    if !table.is_tty() {
        table.set_width(WIDTH);
    }
    table
}
