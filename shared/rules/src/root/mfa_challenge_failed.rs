use std::time::Duration;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A console sign-in got past the password and failed at the MFA question. For root it is medium, and high when it
    /// happens three times within ten minutes; for an IAM user low, and medium when five fail within fifteen minutes.
    /// `threshold` changes both numbers.
    /// ## Why it matters
    /// Whoever is asked for the code has already given the right password. If that was not its owner, the password is
    /// stolen and the device is all that is left.
    /// ## What to do
    /// Ask the owner. If it was somebody else, change the password (for root the mailbox's password too) and look where
    /// else it is used. MFA did its work: keep it.
    /// ## False positives
    /// Mistyped or outdated codes, a phone whose clock is wrong, a cancelled security-key prompt. A success from the
    /// same address minutes later is the usual sign of it.
    MfaChallengeFailed {
        id: "mfa-challenge-failed",
        title: "An MFA challenge at console sign-in failed",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ROOT-13"],
        references: [
            cis("3.0", &["4.6"]),
            cis("5.0", &["4.6"]),
            security_hub(&["CloudWatch.6"]),
            attack(&["T1621"]),
            attack(&["T1110"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["CheckMfa"])],
        failed_calls: true,
    }
}

impl Rule for MfaChallengeFailed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if sign_in_result(record) != Some("Failure") {
            return Ok(());
        }
        let who = caller_name(record);
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let (resource, severity, burst) = match record.user_identity.kind.or_empty() {
            "Root" if record.by_root() => (
                record.root_arn(),
                Severity::Medium,
                Burst { count: cx.threshold(3), window: minutes(10), severity: Severity::High },
            ),
            "IAMUser" => (
                record.iam_arn("user", &who),
                Severity::Low,
                Burst { count: cx.threshold(5), window: minutes(15), severity: Severity::Medium },
            ),
            _ => return Ok(()),
        };
        let from = record.source_ip_address.get().unwrap_or("an unknown address");
        let seen = cx
            .failing(resource, format!("{who} gave the right password and failed at MFA, from {from}"))
            .severity(severity)
            .because("The password was right. If it was not its owner who typed it, it is stolen.")
            .detail_if("Kind of MFA", record.additional_text(&["MfaType"]))
            .burst(burst)
            .step(
                "Did a sign-in succeed?",
                "cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=ConsoleLogin",
                &[region_option(record)],
            );
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_base::time::Timestamp;
    use keepwatch_core::engine::Config;
    use keepwatch_core::engine::dispatch::Index;
    use keepwatch_core::event::Event;
    use keepwatch_core::settings::Override;
    use keepwatch_core::state::Fact;

    fn check(result: Value, who: Value) -> String {
        root_sign_in(
            "CheckMfa",
            json!({"responseElements": {"CheckMfa": result}, "userIdentity": who,
            "additionalEventData": {"MfaType": "Virtual MFA"}}),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(&MfaChallengeFailed, Severity::Medium, &check(json!("Failure"), json!({})));
        assert_eq!(seen.title, "root gave the right password and failed at MFA, from 203.0.113.7");
        assert_eq!(seen.burst.map(|burst| burst.severity), Some(Severity::High));
        // As in CloudTrail's guide: a user without an ARN.
        let anaya = json!({"type": "IAMUser", "userName": "anaya", "arn": null, "accessKeyId": ""});
        let seen = fires_at(&MfaChallengeFailed, Severity::Low, &check(json!("Failure"), anaya));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/anaya");
        fires_at(&MfaChallengeFailed, Severity::Low, &check(json!("Failure"), json!({"type": "IAMUser"})));
    }

    #[test]
    fn the_owner_sets_the_number() {
        static RULES: &[&dyn Rule] = &[&MfaChallengeFailed];
        let set = Override { threshold: Some(7), ..Override::default() };
        let overrides = [("mfa-challenge-failed".to_owned(), set)].into();
        let text = check(json!("Failure"), json!({}));
        let Ok(event) = Event::parse(&text) else { return assert_eq!(text, "an event") };
        let config = Config { overrides, ..Config::default() };
        let nobody = |_: &_| Fact::Unavailable("nobody is asked".to_owned());
        let seen = Index::new(RULES).evaluate_answering(&event, &config, Timestamp::from_millis(0), nobody);
        let counts: Vec<_> =
            seen.observations.iter().map(|seen| seen.burst.map(|burst| burst.count)).collect();
        assert_eq!(counts, [Some(7)]);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &MfaChallengeFailed,
            &[
                check(json!("Success"), json!({})),
                check(json!({"CheckMfa": "Failure"}), json!({})),
                check(json!("Failure"), json!({"type": "AssumedRole"})),
                check(json!("Failure"), json!({"invokedBy": "signin.amazonaws.com"})),
                root_sign_in("CheckMfa", json!({"responseElements": null})),
                root_sign_in("ConsoleLogin", json!({"responseElements": {"ConsoleLogin": "Failure"}})),
            ],
        );
    }
}
