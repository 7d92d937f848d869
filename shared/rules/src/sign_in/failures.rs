use std::time::Duration;

use super::common::{from, user, what_since, with_mfa};
use crate::kit::prelude::*;

/// How many failures within how long.
const MANY: usize = 5;
const SPAN: Duration = Duration::from_secs(15 * 60);

declare_rule! {
    /// ## What it detects
    /// Five console sign-ins of one user, or from one address, failed within fifteen minutes (medium). A user
    /// who gets in after so many failures is high, and medium if MFA was used.
    /// ## Why it matters
    /// It is what guessing looks like. Failures of one user from anywhere are somebody after that user;
    /// failures from one address with several names are somebody with a list of leaked passwords. A success
    /// at the end is the alarm.
    /// ## What to do
    /// Ask the user. If it was somebody else and the sign-in succeeded, take the password away, and look at
    /// what was done since. If it did not, see that every user has MFA.
    /// ## False positives
    /// People who have forgotten their password, and an office behind one address on the first working day of
    /// the year. CloudTrail hides names that do not exist, so that those count for the address alone. Root
    /// has a rule of its own, and sign-ins to Identity Center and at a SAML provider do not show here.
    Failures {
        id: "sign-in-failures",
        title: "Many console sign-ins failed",
        severity: Medium,
        confidence: Medium,
        catalogue: ["AUTH-02", "AUTH-03"],
        references: [
            cis("3.0", &["4.6"]),
            cis("5.0", &["4.6"]),
            security_hub(&["CloudWatch.6"]),
            attack(&["T1110.001", "T1110.003", "T1110.004"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["ConsoleLogin"])],
        failed_calls: true,
    }
}

impl Rule for Failures {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.user_identity.kind.or_empty() == "Root" {
            return Ok(());
        }
        let seen = match sign_in_result(record) {
            Some("Failure") => failed(record, cx)?,
            Some("Success") if !record.failed() => succeeded(record, cx)?,
            _ => None,
        };
        if let Some(seen) = seen {
            cx.report(seen);
        }
        Ok(())
    }
}

fn failed(record: &Record<'_>, cx: &Cx<'_>) -> Result<Option<Observation>, Interrupt> {
    let (many, user) = (cx.threshold(MANY), user(record));
    let address = record.source_ip_address.get();
    let count = |kind: &str, whose: Option<&str>| {
        let Some(whose) = whose else { return Ok(0) };
        // A success looks at failures in a window that it may enter itself; it must not count as one of them
        // here.
        cx.count(&format!("before {kind} {whose}"), SPAN)?;
        Ok(cx.count(&format!("failed {kind} {whose}"), SPAN)?.count)
    };
    let (of_user, of_address) = (count("user", user)?, count("address", address)?);
    let from = from(record);
    let seen = match (user, address) {
        // The user's failures, unless there are more of others from the same address.
        (Some(user), _) if of_user >= many && of_user >= of_address => cx
            .failing(
                record.iam_arn("user", user),
                format!(
                    "{of_user} console sign-ins of user {user} failed within 15 minutes, the last from {from}"
                ),
            )
            .because("Somebody does not know this user's password and tries again and again.")
            .step("Has the user MFA?", "iam list-mfa-devices", &[("--user-name", user)]),
        (_, Some(address)) if of_address >= many => cx
            .failing(
                address,
                format!("{of_address} console sign-ins from {address} failed within 15 minutes"),
            )
            .global()
            .because("Somebody at this address tries passwords."),
        _ => return Ok(None),
    };
    let region = region(record);
    Ok(Some(
        seen.detail("User", user.unwrap_or("a name that does not exist; CloudTrail hides it"))
            .detail_if("AWS says", record.error_message.get())
            .step(
                "Did one of the sign-ins succeed?",
                "cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=ConsoleLogin",
                &[("--region", region)],
            ),
    ))
}

fn succeeded(record: &Record<'_>, cx: &Cx<'_>) -> Result<Option<Observation>, Interrupt> {
    let (many, from) = (cx.threshold(MANY), from(record));
    let Some(user) = user(record) else { return Ok(None) };
    // However often somebody gets in, it is one member of the window.
    let before = |kind: &str, whose: &str| {
        Ok(cx.count_distinct(&format!("before {kind} {whose}"), "success", SPAN)?.count.saturating_sub(1))
    };
    let (of_user, of_address) = (before("user", user)?, before("address", from)?);
    let (count, what) = match of_user >= many {
        true => (of_user, "of this user"),
        false => (of_address, "from this address"),
    };
    if count < many {
        return Ok(None);
    }
    let (severity, how) = match with_mfa(record) {
        Some(true) => (Severity::Medium, "with MFA"),
        Some(false) => (Severity::High, "WITHOUT MFA"),
        None => (Severity::High, "and AWS does not say that MFA was used"),
    };
    let title = format!("User {user} signed in {how}, from {from}, after {count} failures within 15 minutes");
    let seen = cx
        .failing(record.iam_arn("user", user), title)
        .severity(severity)
        .because(format!("There were {count} failures {what} first: somebody may have found the password."))
        .detail_if("MFA device", record.additional_text(&["MFAIdentifier"]));
    Ok(Some(what_since(seen, record).step(
        "If it was not the user, take the password away",
        "iam delete-login-profile",
        &[("--user-name", user)],
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::HIDDEN;
    use super::super::common::events::sign_in;
    use super::*;
    use crate::testing::log::{all, at, last_fired, quiet, repeated};

    fn failure(changes: Value) -> String {
        let mut event: Value = serde_json::from_str(&sign_in("Failure", changes)).unwrap_or_default();
        event["errorMessage"] = json!("Failed authentication");
        event.to_string()
    }

    fn by(user: &str) -> Value {
        json!({"userIdentity": {"userName": user, "arn": null}})
    }

    #[test]
    fn fires_at_the_fifth_failure() {
        let seen = last_fired(&Failures, &repeated(&failure(json!({})), 5, 200));
        assert_eq!(seen.severity, Severity::Medium);
        let title = "5 console sign-ins of user alice failed within 15 minutes, the last from 203.0.113.7";
        assert_eq!(seen.title, title);
        // From anywhere.
        let from: Vec<String> = (1..=5)
            .map(|i| at(&failure(json!({"sourceIPAddress": format!("198.51.100.{i}")})), &i.to_string(), i))
            .collect();
        let seen = last_fired(&Failures, &from);
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/alice");
    }

    #[test]
    fn one_address_with_many_names_is_one_finding() {
        let names: Vec<String> = ["a", "b", "c", "d", HIDDEN]
            .iter()
            .enumerate()
            .map(|(i, name)| at(&failure(by(name)), name, i))
            .collect();
        let seen = last_fired(&Failures, &names);
        assert_eq!(seen.title, "5 console sign-ins from 203.0.113.7 failed within 15 minutes");
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), ("203.0.113.7", "global"));
        let hidden = repeated(&failure(by(HIDDEN)), 5, 1);
        assert_eq!(last_fired(&Failures, &hidden).subject.resource, "203.0.113.7");
    }

    fn then(failures: usize, success: &str) -> Vec<String> {
        let mut events = repeated(&failure(json!({})), failures, 10);
        events.push(at(success, "success", 300));
        events
    }

    #[test]
    fn a_success_after_failures_is_high_without_mfa() {
        for (mfa, severity) in [("No", Severity::High), ("Yes", Severity::Medium)] {
            let success = sign_in("Success", json!({"additionalEventData": {"MFAUsed": mfa}}));
            let last = all(&Failures, &then(5, &success)).pop().unwrap_or_default();
            assert_eq!(last.iter().map(|seen| seen.severity).collect::<Vec<_>>(), [severity]);
            assert!(last[0].title.contains("after 5 failures"), "{}", last[0].title);
        }
        // Four of alice and one of bob from the same address; then bob gets in.
        let mut events = repeated(&failure(json!({})), 4, 10);
        events.push(at(&failure(by("bob")), "bob", 50));
        events.push(at(&sign_in("Success", by("bob")), "success", 60));
        let last = all(&Failures, &events).pop().unwrap_or_default();
        assert_eq!(last[0].subject.resource, "arn:aws:iam::111122223333:user/bob");
        assert!(last[0].reason.contains("from this address"), "{}", last[0].reason);
    }

    #[test]
    fn stays_quiet() {
        let success = sign_in("Success", json!({}));
        let root = json!({"userIdentity": {"type": "Root", "userName": null}});
        // A success is no failure, and many successes are not many failures.
        let mut mixed = repeated(&failure(json!({})), 4, 10);
        mixed.extend((0..9).map(|i| at(&success, &format!("success-{i}"), 100 + i)));
        for events in [
            then(4, &success),
            mixed,
            repeated(&failure(json!({})), 20, 226),
            repeated(&success, 40, 1),
            repeated(&failure(root.clone()), 20, 1),
            repeated(&sign_in("Failure", json!({"responseElements": null})), 20, 1),
            vec![failure(json!({})); 20],
        ] {
            quiet(&Failures, &events);
        }
        // Long after, and by a role.
        let role = sign_in("Success", json!({"userIdentity": {"type": "AssumedRole"}}));
        for late in
            [at(&success, "late", 3_000), at(&role, "role", 100), at(&sign_in("Success", root), "root", 100)]
        {
            let mut events = repeated(&failure(json!({})), 5, 1);
            events.push(late);
            assert!(all(&Failures, &events).pop().unwrap_or_default().is_empty());
        }
    }
}
