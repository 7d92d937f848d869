//! What the rules on compute share.

use crate::kit::prelude::*;

/// How many regions make a search.
pub(super) const MANY: usize = 5;

/// Reports a caller who asks one region after another the same within ten minutes. `title` is given who and how many.
pub(super) fn search(
    record: &Record<'_>,
    cx: &mut Cx<'_>,
    severity: Severity,
    title: impl FnOnce(&str, usize) -> String,
    why: &str,
) -> Outcome {
    let by = acting_principal(record);
    let Some(counted) = cx.many_distinct(MANY, by, region_option(record).1, TEN_MINUTES)? else {
        return Ok(());
    };
    let seen = cx
        .failing(by, title(&caller_name(record), counted.count))
        .aspect("search")
        .global()
        .severity(severity)
        .because(why);
    let seen = callers_calls(seen, record, "What else did the caller do? (repeat for every region in use)");
    cx.report(cx.tempered(stop_caller(seen, record)));
    Ok(())
}

/// Whoever makes a call for the first time that the account's callers are known of ([`Cx::first_time_of_caller`]) is worth a
/// look: what was seen is medium at least, and says since when it is known who makes the call.
pub(super) fn at_the_first_time(seen: Observation, since: Option<Timestamp>) -> Observation {
    match since {
        Some(since) if seen.severity < Severity::Medium => seen.severity(Severity::Medium).because(format!(
            "Nobody by this name is known to have made this call before; who makes it is known since {since}."
        )),
        _ => seen,
    }
}
