//! How much of a log is worked on at once.

/// What is read of a large file at once, in bytes.
pub(super) const PART: usize = 4 << 20;
