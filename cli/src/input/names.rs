//! What the names of log files say.

/// The names of log files in a folder.
pub(super) const ENDINGS: [&str; 8] =
    [".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".csv", ".csv.gz"];

/// Whether this is the folder of CloudTrail's digest files, which say that log files are whole and hold no events.
pub(super) fn is_digest(folder: &str) -> bool {
    folder.eq_ignore_ascii_case("cloudtrail-digest")
}
