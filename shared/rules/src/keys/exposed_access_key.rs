use super::common::{Owner, exposed, is_access_key};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Health says that an access key of this account is exposed, compromised, or suspected to be. All keys that
    /// the event names are reported, from the primary and the backup region alike, and once.
    /// ## Why it matters
    /// Whoever found the key in a public place can use it until it is stopped. Scanners find keys on GitHub within
    /// minutes, and the first thing most of them try is to make an administrator.
    /// ## What to do
    /// Stop the key now, then see what it has done and undo that. Make a new key only for what still needs one, and take
    /// the old one out of the place where it was found, its history included.
    /// ## False positives
    /// AWS's "suspected" notices can be wrong about a key that has been deleted already; the commands above show whether it still exists.
    ExposedAccessKey {
        id: "exposed-access-key",
        title: "An access key is exposed",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-01", "KEY-02", "KEY-03"],
        references: [
            cis("3.0", &["1.14"]),
            attack(&["T1552.001"]),
            doc(&["AWS Health: AWS_RISK_CREDENTIALS_EXPOSED and related codes"]),
        ],
        on: [On::Health("AWS_RISK_")],
    }
}

impl Rule for ExposedAccessKey {
    fn health(&self, health: &Health<'_>, cx: &mut Cx<'_>) -> Outcome {
        let code = health.event_type_code.or_empty();
        // AWS closes a notice when it has said what it had to say; that the key is safe is for others to witness.
        if health.status_code.get() == Some("closed") {
            return Ok(());
        }
        let subjects = subjects(health, cx, code.starts_with("AWS_RISK_CREDENTIALS_"));
        let suspected = code.ends_with("_SUSPECTED");
        for subject in &subjects {
            let named = health.metadata.user_name.get();
            let of_this = subjects.len() == 1 || health.metadata.public_key.get() == Some(subject);
            let owner = match named.filter(|_| of_this) {
                Some(user) => Some(user.to_owned()),
                None if is_access_key(subject) => match cx.facts.key_owner(subject)? {
                    Fact::Known(user) => Some(user),
                    _ => None,
                },
                None => None,
            };
            let owner = Owner::by_name(owner.as_deref());
            let says = if suspected { "may be exposed" } else { "is exposed" };
            let seen = if subject.ends_with(":root") {
                let whose =
                    if matches!(Owner::by_name(named), Owner::Root) { "root user" } else { "account" };
                cx.failing(
                    subject,
                    format!("An access key of the {whose} {says}, and AWS does not say which"),
                )
                .global()
                .step("Which keys are there? Have a report made,", "iam generate-credential-report", &[])
                .step(
                    "then read it (it is base64)",
                    "iam get-credential-report",
                    &[("--query", "Content"), ("--output", "text")],
                )
            } else if subject.starts_with("arn:") {
                let user = subject.rsplit('/').next().unwrap_or(subject);
                cx.failing(subject, format!("An access key of {subject} {says}"))
                    .global()
                    .step("Which keys are there?", "iam list-access-keys", &[("--user-name", user)])
                    .step(
                        "Stop each",
                        "iam update-access-key",
                        &[("--user-name", user), ("--access-key-id", "THE_KEY"), ("--status", "Inactive")],
                    )
            } else {
                exposed(cx, subject, owner, &format!("Access key {subject}{} {says}", owner.phrase()))
            };
            cx.report(
                seen.severity(if suspected { Severity::High } else { Severity::Critical })
                    .because(format!("AWS Health reports {code}."))
                    .detail_if("Found at", health.metadata.exposed_url.get())
                    .detail_if("AWS says", health.description()),
            );
        }
        Ok(())
    }
}

/// What the event is about: its keys, each once, from the three places where they stand. A code about something else
/// names a key only if it looks like one; one about credentials may name it otherwise, but where one value looks like a
/// key, the others are no keys. A notice on credentials without a key is about the identity or the account.
fn subjects(health: &Health<'_>, cx: &Cx<'_>, credentials: bool) -> Vec<String> {
    let resources = cx.event.envelope.resources.0.iter().filter_map(|resource| resource.get());
    let user = health.metadata.user_name.get();
    let named: Vec<&str> =
        health.metadata.public_key.get().into_iter().chain(health.entity_values()).chain(resources).collect();
    let sure = named.iter().any(|value| is_access_key(value));
    // The user's own name is no key, nor is a word that stands for no entity.
    let no_key = |value: &str| ["AWS_ACCOUNT", "UNKNOWN"].contains(&value) || Some(value) == user;
    let may_be = |value: &str| !is_account_id(value) && !value.starts_with("arn:") && !no_key(value);
    let is_key = |value: &str| is_access_key(value) || credentials && !sure && may_be(value);
    let mut subjects: Vec<String> = Vec::new();
    for value in named.iter().filter(|value| is_key(value)) {
        if !subjects.iter().any(|subject| subject == value) {
            subjects.push((*value).to_owned());
        }
    }
    if subjects.is_empty() && credentials {
        let identity = named.iter().find(|value| value.starts_with("arn:")).map(|arn| (*arn).to_owned());
        let account = cx.event.account();
        subjects.push(identity.unwrap_or_else(|| match Owner::by_name(user) {
            Owner::User(user) => format!("arn:aws:iam::{account}:user/{user}"),
            Owner::Root | Owner::Unknown => format!("arn:aws:iam::{account}:root"),
        }));
    }
    subjects
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::finding::Finding;
    use keepwatch_core::state::{Query, Value as Answer};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn health(code: &str, changes: Value) -> String {
        let mut detail = json!({
            "eventArn": "arn:aws:health:us-east-1::event/RISK/X/1", "service": "RISK", "eventTypeCode": code,
            "communicationId": "c-1", "startTime": "Sun, 01 Mar 2026 11:59:00 GMT", "statusCode": "open",
            "affectedEntities": [{"entityValue": KEY}], "page": "1", "totalPages": "1",
        });
        if let (Some(detail), Value::Object(changes)) = (detail.as_object_mut(), changes) {
            detail.extend(changes);
        }
        envelope("aws.health", "AWS Health Event", detail)
    }

    #[test]
    fn fires() {
        let metadata = json!({"eventMetadata": {"userName": "bob", "exposedUrl": "https://github.com/x/y"}});
        let seen = fires_at(
            &ExposedAccessKey,
            Severity::Critical,
            &health("AWS_RISK_CREDENTIALS_EXPOSED", metadata),
        );
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), (KEY, "global"));
        assert!(seen.title.contains("bob"), "{}", seen.title);
        fires_at(
            &ExposedAccessKey,
            Severity::Critical,
            &health("AWS_RISK_CREDENTIALS_COMPROMISED", json!({})),
        );
        fires_at(
            &ExposedAccessKey,
            Severity::High,
            &health("AWS_RISK_CREDENTIALS_EXPOSURE_SUSPECTED", json!({})),
        );
        fires_at(&ExposedAccessKey, Severity::Critical, &health("AWS_RISK_IAM_QUARANTINE", json!({})));
        fires_at(
            &ExposedAccessKey,
            Severity::Critical,
            &health("AWS_RISK_CREDENTIALS_SOMETHING_NEW", json!({"affectedEntities": null})),
        );
    }

    #[test]
    fn every_key_of_the_event_is_one_finding() {
        let two = json!({"affectedEntities": [{"entityValue": KEY}, {"entityValue": "AKIAI44QH8DHBEXAMPLE"}, {"entityValue": KEY}]});
        assert_eq!(observe(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", two)).len(), 2);
    }

    #[test]
    fn the_copy_in_the_backup_region_is_no_second_occurrence() {
        let primary = fired(
            &ExposedAccessKey,
            &health("AWS_RISK_CREDENTIALS_EXPOSED", json!({"backupEvent": "false"})),
        );
        let backup =
            fired(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", json!({"backupEvent": "true"})));
        let mut finding = Finding::open(&primary, None, None).into_iter().next();
        assert_eq!(finding.as_mut().map(|finding| finding.apply(&backup)), Some(false));
    }

    #[test]
    fn the_user_of_one_key_is_not_the_user_of_another() {
        let two = json!({"affectedEntities": [{"entityValue": KEY}, {"entityValue": "AKIAI44QH8DHBEXAMPLE"}],
            "eventMetadata": {"publicKey": KEY, "userName": "bob"}});
        let seen = observe(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", two));
        assert_eq!(seen.iter().filter(|o| o.title.contains("bob")).count(), 1);
    }

    #[test]
    fn an_identity_without_a_key_is_told_as_such() {
        let user = json!({"affectedEntities": [{"entityValue": "arn:aws:iam::111122223333:user/bob"}]});
        let seen = fired(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", user));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/bob");
        assert!(seen.steps.iter().any(|step| step.command.contains("list-access-keys --user-name bob")));
    }

    #[test]
    fn what_is_no_key_is_not_told_as_one() {
        let subjects = |changes: Value| {
            let seen = observe(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", changes));
            seen.iter().map(|seen| seen.subject.resource.clone()).collect::<Vec<_>>()
        };
        let both = json!({"affectedEntities": [{"entityValue": "UNKNOWN"}, {"entityValue": "AWS_ACCOUNT"}, {"entityValue": "bob"}],
            "eventMetadata": {"publicKey": KEY, "userName": "bob"}});
        assert_eq!(subjects(both), [KEY]);
        let user =
            json!({"affectedEntities": [{"entityValue": "bob"}], "eventMetadata": {"userName": "bob"}});
        assert_eq!(subjects(user), ["arn:aws:iam::111122223333:user/bob"]);
        let nothing = json!({"affectedEntities": [{"entityValue": "UNKNOWN"}]});
        assert_eq!(subjects(nothing.clone()), ["arn:aws:iam::111122223333:root"]);
        let seen = fired(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", nothing));
        assert_eq!(seen.title, "An access key of the account is exposed, and AWS does not say which");
        assert!(seen.steps.iter().all(|step| !step.command.contains("--user-name")), "{:?}", seen.steps);
    }

    #[test]
    fn asks_whose_key_it_is() {
        let answer = (
            Query::KeyOwner { access_key_id: KEY.to_owned() },
            Fact::Known(Answer::Name("carol".to_owned())),
        );
        let seen =
            fired_with(&ExposedAccessKey, &health("AWS_RISK_CREDENTIALS_EXPOSED", json!({})), &[answer]);
        assert!(seen.title.contains("carol"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ExposedAccessKey,
            &[
                health(
                    "AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE",
                    json!({"affectedEntities": [{"entityValue": "111122223333"}]}),
                ),
                health("AWS_EC2_INSTANCE_ISSUE", json!({})),
                health("AWS_RISK_CREDENTIALS_EXPOSED", json!({"statusCode": "closed"})),
                health("AWS_RISK_IAM_QUARANTINE", json!({"affectedEntities": "none"})),
            ],
        );
    }
}
