//! Whether Keepwatch's daily call comes back through CloudTrail and EventBridge (`keepwatch_core::canary`).

use std::time::Duration;

use keepwatch_base::time::Timestamp;
use keepwatch_collect::Fault;
use keepwatch_core::canary::{Canary, MISSES};

use super::line::{Line, known};

const CHECK: &str = "canary";

/// `scan` calls once a day. After so long without a call it does not run.
const OVERDUE: Duration = Duration::from_secs(36 * 3_600);

/// What the line is made from.
pub(super) struct Facts<'f> {
    /// What the journal has.
    pub(super) found: Result<&'f Option<Canary>, &'f Fault>,
    pub(super) stack: &'f str,
    pub(super) region: &'f str,
    /// The log group of `scan`.
    pub(super) logs: &'f str,
    pub(super) now: Timestamp,
}

pub(super) fn judge(facts: &Facts<'_>) -> Vec<Line> {
    let Facts { found, stack, region, logs, now } = *facts;
    let found = known!(found, CHECK, "whether the daily call comes back");
    let follow = format!("keepwatch test-alert --region {region} --stack {stack}");
    let Some((canary, call)) = found.as_ref().and_then(|canary| Some((canary, canary.waits.as_ref()?)))
    else {
        return vec![
            Line::warn(CHECK, "the daily call was never made; scan makes it at 04:23 UTC").mend(follow),
        ];
    };
    let last = match canary.last {
        Some(last) => {
            format!(
                "the last call that came back was of {} and took {} s",
                last.called,
                last.latency().as_secs()
            )
        }
        None => "none ever came back".to_owned(),
    };
    if now.since(call.at) >= OVERDUE {
        let text = format!("the last daily call was made at {}: scan does not run; {last}", call.at);
        let logs = format!("aws logs tail {logs} --region {region} --since 2d");
        return vec![Line::fail(CHECK, text).mend(logs)];
    }
    let why = match &call.refused {
        Some(why) => format!("AWS did not take the call of {}: {why}; {last}", call.at),
        None => last,
    };
    vec![match canary.misses {
        0 if canary.last.is_some() && call.refused.is_none() => Line::ok(CHECK, why),
        0 if call.refused.is_none() => {
            Line::warn(CHECK, format!("the first daily call, of {}, has not come back yet", call.at))
                .mend(follow)
        }
        0 => Line::warn(CHECK, why).mend(follow),
        misses if misses < MISSES => {
            Line::warn(CHECK, format!("the daily call before the latest did not come back; {why}"))
                .mend(follow)
        }
        misses => {
            Line::fail(CHECK, format!("{misses} daily calls in a row did not come back; {why}")).mend(follow)
        }
    }]
}

#[cfg(test)]
mod tests {
    use keepwatch_core::canary::{Call, Return};

    use super::*;
    use crate::doctor::line::Standing::{self, Fail, Ok as Well, Warn};
    use crate::doctor::line::tests::{only, refused};

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-05T12:00:00Z").unwrap()
    }

    fn ago(hours: u64) -> Timestamp {
        now().minus(Duration::from_secs(hours * 3_600))
    }

    fn called(hours: u64) -> Option<Call> {
        Some(Call { number: "00".to_owned(), at: ago(hours), refused: None })
    }

    fn back(hours: u64) -> Option<Return> {
        Some(Return { called: ago(hours), at: ago(hours).plus(Duration::from_secs(181)) })
    }

    fn judged(found: Result<&Option<Canary>, &Fault>) -> Vec<Line> {
        let logs = "keepwatch-ScanLogs-1A";
        judge(&Facts { found, stack: "keepwatch", region: "us-east-1", logs, now: now() })
    }

    fn line(canary: Option<Canary>, standing: Standing) -> Line {
        only(&judged(Ok(&canary)), standing).clone()
    }

    #[test]
    fn a_call_that_came_back_is_told_with_its_latency() {
        let well = Canary { waits: called(7), last: back(7), ..Canary::default() };
        let line = line(Some(well), Well);
        assert!(line.text.contains("of 2026-03-05T05:00:00Z and took 181 s"), "{}", line.text);
    }

    #[test]
    fn one_miss_warns_and_two_fail() {
        let missed = |misses| Canary { waits: called(7), last: back(55), misses, ..Canary::default() };
        assert!(line(Some(missed(0)), Well).mend.is_none());
        assert!(line(Some(missed(1)), Warn).text.contains("took 181 s"));
        let two = line(Some(missed(2)), Fail);
        assert!(two.text.starts_with("2 daily calls in a row did not come back"), "{}", two.text);
        assert_eq!(two.mend.as_deref(), Some("keepwatch test-alert --region us-east-1 --stack keepwatch"));
        // What the check on trails explains is missed all the same.
        line(Some(Canary { explained: 2, ..missed(2) }), Fail);
    }

    #[test]
    fn what_was_never_made_is_not_well() {
        line(None, Warn);
        assert!(
            line(Some(Canary { waits: called(1), ..Canary::default() }), Warn)
                .text
                .contains("has not come back")
        );
        // scan has stopped.
        let stopped = line(Some(Canary { waits: called(37), last: back(37), ..Canary::default() }), Fail);
        assert!(stopped.text.contains("scan does not run"), "{}", stopped.text);
        assert_eq!(
            stopped.mend.as_deref(),
            Some("aws logs tail keepwatch-ScanLogs-1A --region us-east-1 --since 2d")
        );
    }

    #[test]
    fn a_call_that_aws_refuses_is_told_with_its_answer() {
        let call =
            Call { refused: Some("cloudtrail:StartLogging: by a policy".to_owned()), ..called(7).unwrap() };
        for (misses, standing) in [(0, Warn), (1, Warn), (2, Fail)] {
            let canary = Canary { waits: Some(call.clone()), last: back(80), misses, ..Canary::default() };
            assert!(line(Some(canary), standing).text.contains("cloudtrail:StartLogging: by a policy"));
        }
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let fault = refused("dynamodb:GetItem");
        let lines = judged(Err(&fault));
        assert!(only(&lines, Warn).text.contains("dynamodb:GetItem"));
    }
}
