//! `keepwatch scan --remote`: has the deployed function scan now, and shows what came of it.

use std::io::Write as _;
use std::process::ExitCode;

use keepwatch_aws::function::invoke;
use keepwatch_aws::profiles::SdkConfig;
use keepwatch_base::text::clean;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::progress;

/// Calls the function of this stack and prints its counts: as a person reads them, or as they come.
///
/// # Errors
/// A function that cannot be called or that failed.
pub(super) async fn run(config: &SdkConfig, stack: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let name = format!("{stack}-scan");
    let bar = progress::spinner("the function scans the account");
    let call = json!({"keepwatch": "scan"});
    let work = invoke(config, &name, &call);
    let answer = progress::while_shown(&bar, work).await.map_err(|error| {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Failure::of(&error, &name, &region)
    })?;
    let mut out = anstream::stdout().lock();
    if as_json {
        writeln!(out, "{answer}")?;
    } else {
        out.write_all(told(&answer).as_bytes())?;
    }
    Ok(exit_code(&answer))
}

/// As `keepwatch scan` itself: what is unknown makes it incomplete.
fn exit_code(answer: &Value) -> ExitCode {
    let failing = answer["failing"].as_object().is_some_and(|failing| !failing.is_empty());
    if answer["unknown"] != 0 || answer["finished"] != true {
        ExitCode::from(3)
    } else {
        ExitCode::from(u8::from(failing))
    }
}

fn told(answer: &Value) -> String {
    let counts = |name: &str| {
        let members = answer[name].as_object().into_iter().flatten();
        let parts: Vec<String> =
            members.map(|(word, count)| format!("{count} {}", clean(&word.to_lowercase(), 40))).collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    };
    let mut out = format!(
        "{} checks in {} regions; {} % could be seen\nFails: {}\nFindings: {}\n",
        answer["checks"],
        answer["regions"],
        answer["coverage_percent"],
        counts("failing"),
        counts("told"),
    );
    let refused: Vec<String> = answer["refused"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|action| Some(clean(action.as_str()?, 80)))
        .collect();
    if !refused.is_empty() {
        out.push_str(&format!("Refused: {}\n", refused.join(", ")));
    }
    if answer["unwritten"].as_u64().is_some_and(|count| count > 0) {
        out.push_str(&format!(
            "Not written: {} findings; the next scan tells them again\n",
            answer["unwritten"]
        ));
    }
    if answer["finished"] != true {
        out.push_str("There was no time for all checks; the function goes on with the rest by itself\n");
    }
    if answer["first"] == true {
        out.push_str("It was the first scan: one mail tells of everything\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_words() {
        let answer = json!({"keepwatch_scan": 1, "finished": false, "checks": 12, "regions": 2, "known": 9, "unknown": 1,
            "coverage_percent": 90, "refused": ["iam:ListUsers"], "failing": {"HIGH": 2}, "told": {"opened": 2},
            "unwritten": 0, "first": true});
        assert_eq!(
            told(&answer),
            "12 checks in 2 regions; 90 % could be seen\nFails: 2 high\nFindings: 2 opened\nRefused: iam:ListUsers\n\
             There was no time for all checks; the function goes on with the rest by itself\n\
             It was the first scan: one mail tells of everything\n"
        );
    }
}
