//! The one look of all tables.
//!
//! On a wide terminal columns, on a narrow one a card for each row, and in a file or a pipe a line for each row with a tab between
//! its cells, so that nothing is wrapped, padded or cut.

use std::fmt;

use comfy_table::{ColumnConstraint, ContentArrangement, presets};

use crate::screen::{NARROW, Screen, wrapped};

/// How many cells stand in the first line of a card.
const HEAD: usize = 2;

/// Rows under a header.
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    whole: Option<usize>,
    screen: Screen,
}

/// An empty table with this header.
pub(crate) fn table<const N: usize>(header: [&'static str; N]) -> Table {
    Table { header: header.to_vec(), rows: Vec::new(), whole: None, screen: Screen::of_output() }
}

impl Table {
    /// Adds a row, of as many cells as the header has.
    pub(crate) fn add_row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Has the cells of this column never wrapped: they are copied.
    pub(crate) fn keep_whole(&mut self, column: usize) {
        self.whole = Some(column);
    }

    fn lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
            let cells: Vec<String> = cells.map(|cell| cell.replace(['\n', '\t'], " ")).collect();
            cells.join("\t")
        };
        f.write_str(&line(&mut self.header.iter().copied()))?;
        for row in &self.rows {
            write!(f, "\n{}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    fn cards(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let label = self.header.iter().skip(HEAD).map(|name| name.len()).max().unwrap_or(0);
        for (i, row) in self.rows.iter().enumerate() {
            let head: Vec<&str> = row.iter().take(HEAD).map(String::as_str).collect();
            write!(f, "{}{}", if i > 0 { "\n" } else { "" }, head.join("  "))?;
            for (name, cell) in self.header.iter().zip(row).skip(HEAD).filter(|(_, cell)| !cell.is_empty()) {
                let room = width.saturating_sub(label + 4).max(20);
                let lines = cell.lines().flat_map(|line| wrapped(line, Some(room), 0));
                for (i, line) in lines.enumerate() {
                    write!(f, "\n  {:<label$}  {line}", if i == 0 { name } else { "" })?;
                }
            }
        }
        Ok(())
    }

    fn columns(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX))
            .set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        if let Some(column) = self.whole.and_then(|column| table.column_mut(column)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        write!(f, "{table}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.screen.width {
            None => self.lines(f),
            Some(width) if width < NARROW => self.cards(f, width),
            Some(width) => self.columns(f, width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(width: Option<usize>) -> String {
        let mut table = table(["SEVERITY", "STATUS", "WHAT", "ID"]);
        table.screen.width = width;
        table.add_row(["HIGH", "NEW", "User bob is now a full administrator of everything", "3f9a2c41"]);
        table.add_row(["LOW", "NEW", "One\ntwo", ""]);
        table.to_string()
    }

    #[test]
    fn a_pipe_gets_a_line_for_each_row() {
        let expected = "SEVERITY\tSTATUS\tWHAT\tID\n\
            HIGH\tNEW\tUser bob is now a full administrator of everything\t3f9a2c41\n\
            LOW\tNEW\tOne two\t";
        assert_eq!(printed(None), expected);
    }

    #[test]
    fn a_narrow_screen_gets_cards() {
        let expected = "HIGH  NEW\n  WHAT  User bob is now a full\n        administrator of everything\n  ID    3f9a2c41\n\
            LOW  NEW\n  WHAT  One\n        two";
        assert_eq!(printed(Some(40)), expected);
        assert!(printed(Some(60)).lines().all(|line| line.len() <= 60));
    }

    #[test]
    fn a_wide_screen_gets_columns() {
        let text = printed(Some(120));
        assert!(text.lines().next().is_some_and(|line| line.contains("SEVERITY  STATUS")), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120));
    }
}
