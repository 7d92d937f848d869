//! Which region a command must go to: most resources are looked for in vain anywhere else.

use keepwatch_core::event::Record;

/// The region of the call; where an event has none, the one that global services are logged in.
pub(crate) fn region<'r>(record: &'r Record<'_>) -> &'r str {
    record.aws_region.get().unwrap_or("us-east-1")
}

/// The same, as the option of a command.
pub(crate) fn region_option<'r>(record: &'r Record<'_>) -> (&'static str, &'r str) {
    ("--region", region(record))
}
