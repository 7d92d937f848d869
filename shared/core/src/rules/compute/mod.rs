//! Machines and what runs on them: instances, functions, commands, and the services that thieves bill to others.

pub(crate) mod click_ops;
pub(crate) mod cloud_shell;
pub(crate) mod function_layer;
pub(crate) mod function_runtime;
pub(crate) mod hosts_reached;
pub(crate) mod instances_started;
pub(crate) mod key_pair;
pub(crate) mod mail_sending;
pub(crate) mod model_access;
pub(crate) mod quota;
pub(crate) mod serial_console;
pub(crate) mod user_data;

use crate::event::Record;
use crate::observation::Severity;
use crate::rules::admin::power;
use crate::rules::data::{TEN_MINUTES, calls_of, principal};
use crate::rules::network_access::region;
use crate::rules::{Cx, Outcome};

/// How many regions make a search.
const MANY: usize = 5;

/// Reports a caller who asks one region after another the same within ten minutes. `title` is given who and how many.
fn search(
    record: &Record<'_>,
    cx: &mut Cx<'_>,
    severity: Severity,
    title: impl FnOnce(&str, usize) -> String,
    why: &str,
) -> Outcome {
    let (by, place) = (principal(record), region(record));
    let crowd = cx.crowd_of(by, place.1, TEN_MINUTES)?;
    if crowd.count < cx.threshold(MANY) {
        return Ok(());
    }
    let seen = cx
        .failing(by, title(&power::who(record), crowd.count))
        .aspect("search")
        .global()
        .severity(severity)
        .because(why)
        .step(
            "What else did the caller do? (repeat for every region in use)",
            "cloudtrail lookup-events",
            &[place, ("--lookup-attributes", &calls_of(record))],
        );
    cx.report(cx.tempered(power::stop_caller(seen, record)));
    Ok(())
}
