use std::time::Duration;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody ran `keepwatch test-alert`: a call that changes nothing, on a trail that does not exist, whose name nobody but
    /// that command makes up. It has come the way of every other event, and its mail goes the way of every other mail.
    /// ## Why it matters
    /// It does not: nothing happened. It shows that trail, event rules, queue, functions and topic work, and whom the mails
    /// reach.
    /// ## What to do
    /// Nothing. Whoever waits for the test can tell that the mail has come. The finding is resolved already.
    /// ## False positives
    /// Whoever may call `StartLogging` can have this mail sent. It takes no other mail's place, and nothing but a failed call
    /// on a trail that does not exist is a test.
    TestAlert {
        id: "self-test-alert",
        title: "TEST: an alert that was asked for; nothing happened",
        severity: Medium,
        confidence: High,
        // What is of SELF is told at once, and neither waits for its caller's other mails nor has those wait.
        catalogue: ["SELF-06"],
        references: [doc(&["CloudTrail user guide: error code and message log example"])],
        on: [On::Call("cloudtrail.amazonaws.com", &["StartLogging"])],
        failed_calls: true,
        // Or it would keep back the mail of a general rule on the same call, such as one by root.
        general: true,
    }
}

/// What follows the stack's name in the name of the trail that does not exist, before the number of the test.
const MARK: &str = "-test-alert-";

/// How many hexadecimal digits the number of a test has.
const DIGITS: usize = 16;

/// The name of the trail that a test is about, whose number is sixteen hexadecimal digits.
pub fn trail_of_test(stack: &str, number: &str) -> String {
    format!("{stack}{MARK}{number}")
}

/// What all tests of a stack are about, in each region: one finding, which is opened and resolved by each of them.
pub fn subject_of_tests(stack: &str) -> String {
    format!("{stack}-test-alert")
}

/// The label under which a witness tells the name of the trail.
pub const TEST: &str = "Test";

impl Rule for TestAlert {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let stack = cx.config.stack.as_str();
        let Some(name) = record.param(&["name"]) else { return Ok(()) };
        let Some(number) = name.strip_prefix(stack).and_then(|rest| rest.strip_prefix(MARK)) else {
            return Ok(());
        };
        let ours = !stack.is_empty()
            && number.len() == DIGITS
            && number.bytes().all(|byte| byte.is_ascii_hexdigit())
            // A trail of that name would be one that somebody has made.
            && record.error_code.or_empty() == "TrailNotFoundException";
        if !ours {
            return Ok(());
        }
        let about = subject_of_tests(stack);
        let seen = cx
            .failing(&about, "TEST: an alert that was asked for; nothing happened")
            .because("This mail was asked for by keepwatch test-alert. It shows that alerts get this far.")
            .detail(TEST, name)
            .step(
                "Nobody of you asked for it? This says who did",
                "cloudtrail lookup-events",
                &[
                    ("--lookup-attributes", "AttributeKey=EventName,AttributeValue=StartLogging"),
                    ("--region", region(record)),
                ],
            );
        let mut over = cx.passing(&about, "it was a test");
        // Of one moment the bad news would count, and this event says which of the two comes last.
        over.event.time = over.event.time.plus(Duration::from_millis(1));
        cx.report(seen);
        cx.report(over);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::finding::{AlertReason, Finding, Status};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn started(name: &str, error: &str) -> String {
        started_with(name, error, json!({}))
    }

    fn started_with(name: &str, error: &str, mut changes: Value) -> String {
        changes["requestParameters"] = json!({"name": name});
        failed_call("cloudtrail", "StartLogging", error, changes)
    }

    const NAME: &str = "keepwatch-test-alert-0123456789abcdef";
    const MISSING: &str = "TrailNotFoundException";

    #[test]
    fn fires_and_is_over_at_once() {
        assert_eq!(trail_of_test("keepwatch", "0123456789abcdef"), NAME);
        let both = fired_and_over(&TestAlert, &started(NAME, MISSING));
        assert_eq!(both[0].subject, both[1].subject);
        assert_eq!(both[0].severity, Severity::Medium);
        assert!(
            both[0].rule.is_core(),
            "or the test waits for ten minutes, and what its caller does for longer"
        );
        assert!(both[0].title.starts_with("TEST: "), "{}", both[0].title);
        assert_eq!(
            both[0].finding_id(),
            keepwatch_core::finding::finding_id("self-test-alert", &both[0].subject)
        );
        assert_eq!(both[0].subject.resource, subject_of_tests("keepwatch"));

        let mut finding = Finding::open(&both[0], None, None).unwrap();
        finding.apply(&both[1]);
        assert_eq!((finding.status, finding.alert.reason), (Status::Resolved, Some(AlertReason::New)));
        assert!(finding.alert.state.waits(), "the mail goes out all the same");
    }

    #[test]
    fn each_test_is_mailed() {
        let first =
            observe(&TestAlert, &started_with(NAME, MISSING, json!({"eventTime": "2026-03-01T12:00:00Z"})));
        let later = json!({"eventTime": "2026-03-01T12:05:00Z", "eventID": "another"});
        let second = observe(&TestAlert, &started_with(NAME, MISSING, later));
        let mut finding = Finding::open(&first[0], None, None).unwrap();
        for observation in [&first[1], &second[0], &second[1]] {
            finding.apply(observation);
        }
        assert_eq!((finding.alert.became_due, finding.status), (2, Status::Resolved));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TestAlert,
            &[
                started(NAME, "AccessDenied"),
                started("keepwatch-test-alert-0123456789abcde", MISSING),
                started("keepwatch-test-alert-0123456789abcdeg", MISSING),
                started("shop-test-alert-0123456789abcdef", MISSING),
                started("main", MISSING),
                call("cloudtrail", "StartLogging", json!({"requestParameters": {"name": NAME}})),
                failed_call(
                    "cloudtrail",
                    "StopLogging",
                    MISSING,
                    json!({"requestParameters": {"name": NAME}}),
                ),
                failed_call("cloudtrail", "StartLogging", MISSING, json!({"requestParameters": null})),
            ],
        );
    }

    /// The daily call of `scan` (`keepwatch_core::canary`), as CloudTrail tells of it, and as it would if AWS refused it.
    #[test]
    fn no_rule_says_anything_of_the_daily_call() {
        let name = keepwatch_core::canary::trail("keepwatch", "00112233445566778899aabbccddeeff");
        let role = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";
        let session = "arn:aws:sts::111122223333:assumed-role/keepwatch-ScanRole-A1B2C3/keepwatch-scan";
        let by_scan = json!({"userIdentity": {"type": "AssumedRole", "userName": null, "arn": session,
            "principalId": "AROAEXAMPLE:keepwatch-scan", "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role,
            "userName": "keepwatch-ScanRole-A1B2C3", "accountId": "111122223333"}}}});
        for error in [MISSING, "AccessDenied", "AccessDeniedException"] {
            let said = evaluate_all(&started_with(&name, error, by_scan.clone()));
            assert!(said.is_empty(), "{error}: {said:?}");
        }
    }

    /// Whoever marks a call as a test must not keep another mail back by it.
    #[test]
    fn a_test_hides_no_mail_of_another_rule() {
        let root = json!({"userIdentity": {"type": "Root", "accountId": "111122223333",
            "arn": "arn:aws:iam::111122223333:root", "principalId": "111122223333", "userName": null}});
        let with = evaluate_all(&started_with(NAME, MISSING, root.clone()));
        let without = evaluate_all(&started_with("main", MISSING, root));
        let mailed = |all: &[Observation]| -> Vec<&str> {
            let mailed =
                all.iter().filter(|one| one.covered_by.is_none() && one.rule.id != "self-test-alert");
            mailed.map(|one| one.rule.id).collect()
        };
        assert!(!mailed(&without).is_empty(), "root is told of");
        assert_eq!(mailed(&with), mailed(&without));
    }
}
