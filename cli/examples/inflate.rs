//! The least that reading a log costs: every file of a folder unpacked, and its JSON passed over. `make bench-replay` runs it
//! beside `keepwatch replay`.
//!
//!     cargo run --release -p keepwatch-cli --example inflate FOLDER

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;
use serde::de::IgnoredAny;

fn main() -> io::Result<()> {
    let mut bytes = 0;
    for folder in std::env::args_os().skip(1) {
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.sort();
        for file in files {
            let packed = fs::read(file)?;
            let mut text = Vec::with_capacity(packed.len() * 8);
            MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut text)?;
            let text = std::str::from_utf8(&text).map_err(io::Error::other)?;
            serde_json::from_str::<IgnoredAny>(text)?;
            bytes += text.len();
        }
    }
    writeln!(io::stdout(), "{bytes} bytes")
}
