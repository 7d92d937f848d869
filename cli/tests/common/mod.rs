//! What the tests of the command line share: the compiled binary, what it prints, and folders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "each file of tests uses a part")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The binary with these arguments, to be started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepwatch"));
    command.args(arguments);
    command
}

pub(crate) fn keepwatch(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("errors are UTF-8")
}

/// What is on standard error beside what a command prints, where it ends with this code.
pub(crate) fn remarks(code: i32, output: &Output) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// The error with which it ends.
pub(crate) fn told(code: i32, output: &Output) -> String {
    let text = remarks(code, output);
    assert!(text.starts_with("error: "), "{text}");
    text
}

/// The objects of NDJSON that it prints.
pub(crate) fn objects(output: &Output) -> Vec<Value> {
    parsed(&stdout(output))
}

/// The objects of NDJSON.
pub(crate) fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// A folder for tests, as an earlier one has left it.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder for one test, which is empty.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let _ = fs::remove_dir_all(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    folder(name)
}

/// These bytes, packed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
