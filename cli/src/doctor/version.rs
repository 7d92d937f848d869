//! What is deployed, against what this program is of.

use keepwatch_collect::deployed::Stack;

use super::line::Line;

/// This program's version.
pub(super) const OWN: &str = env!("CARGO_PKG_VERSION");

/// Whether the stack is of this program's version.
pub(super) fn is_same(stack: &Stack) -> bool {
    stack.outputs.get("Version").is_some_and(|version| version == OWN)
}

pub(super) fn judge(stack: &Stack, name: &str, region: &str) -> Vec<Line> {
    let status = &stack.status;
    let events = format!(
        "aws cloudformation describe-stack-events --region {region} --stack-name {name} --max-items 20"
    );
    let stands = match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => {
            Line::ok("stack", format!("{name} in {region} is {status}"))
        }
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            Line::warn("stack", format!("{name} in {region} is {status}: the last deployment was taken back"))
                .mend(events)
        }
        other if other.ends_with("_IN_PROGRESS") => Line::warn(
            "stack",
            format!("{name} in {region} is being changed ({other}); look again when that has ended"),
        ),
        other => Line::fail("stack", format!("{name} in {region} is {other}")).mend(events),
    };
    let version = match stack.outputs.get("Version") {
        Some(version) if version == OWN => {
            Line::ok("version", format!("{version} is deployed, as this program is"))
        }
        Some(version) => Line::warn("version", format!("{version} is deployed, and this program is {OWN}"))
            .mend("make deploy"),
        None => {
            let text =
                format!("what is deployed does not say its version and is older than this program, {OWN}");
            Line::warn("version", text).mend("make deploy")
        }
    };
    vec![stands, version]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::standings;

    fn judged(status: &str, version: Option<&str>) -> Vec<Standing> {
        let version = version.map(|version| ("Version".to_owned(), version.to_owned()));
        let stack =
            Stack { status: status.to_owned(), outputs: version.into_iter().collect(), ..Stack::default() };
        assert_eq!(is_same(&stack), stack.outputs.values().any(|version| version == OWN));
        standings(&judge(&stack, "keepwatch", "us-east-1"))
    }

    #[test]
    fn another_version_or_none_is_a_warning() {
        assert_eq!(judged("CREATE_COMPLETE", Some(OWN)), [Well, Well]);
        assert_eq!(judged("UPDATE_COMPLETE", Some("0.0.9")), [Well, Warn]);
        assert_eq!(judged("UPDATE_COMPLETE", None), [Well, Warn]);
    }

    #[test]
    fn the_template_says_this_version() {
        let (_, version) = crate::doctor::template::HOME.split_once("\n  Version:\n").unwrap();
        let value = version.lines().find_map(|line| line.trim().strip_prefix("Value: "));
        assert_eq!(value, Some(format!("'{OWN}'").as_str()));
    }

    #[test]
    fn a_stack_that_did_not_come_about_is_named() {
        assert_eq!(judged("UPDATE_ROLLBACK_COMPLETE", Some(OWN)), [Warn, Well]);
        assert_eq!(judged("UPDATE_IN_PROGRESS", Some(OWN)), [Warn, Well]);
        assert_eq!(judged("UPDATE_ROLLBACK_FAILED", Some(OWN)), [Fail, Well]);
        assert_eq!(judged("ROLLBACK_COMPLETE", Some(OWN)), [Fail, Well]);
    }
}
