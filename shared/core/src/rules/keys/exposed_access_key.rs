use super::{exposed, is_access_key, of_user};
use crate::event::{Health, is_account_id};
use crate::observation::Severity;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::Fact;

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
    /// AWS's "suspected" notices can be wrong about a key that has been deleted already; check with the commands below.
    ExposedAccessKey {
        id: "exposed-access-key",
        title: "An access key is exposed",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-01", "KEY-02", "KEY-03"],
        references: ["CIS AWS v3.0 1.14", "ATT&CK T1552.001", "AWS Health: AWS_RISK_CREDENTIALS_EXPOSED and related codes"],
        on: [On::Health("AWS_RISK_")],
    }
}

impl Rule for ExposedAccessKey {
    fn health(&self, health: &Health<'_>, cx: &mut Cx<'_>) -> Outcome {
        let code = health.event_type_code.or_empty();
        let credentials = code.starts_with("AWS_RISK_CREDENTIALS_");
        // The key stands in one of three places; a code about something else names a key only if it looks like one.
        let named = (health.metadata.public_key.get().into_iter())
            .chain(health.entity_values())
            .chain(cx.event.envelope.resources.0.iter().filter_map(|resource| resource.get()))
            .filter(|value| {
                is_access_key(value) || credentials && !is_account_id(value) && !value.starts_with("arn:")
            });
        let mut keys: Vec<&str> = Vec::new();
        for key in named {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.is_empty() && credentials {
            keys.push("not named by AWS");
        }
        let suspected = code.ends_with("_SUSPECTED");
        for key in keys {
            let owner = match health.metadata.user_name.get() {
                Some(user) => Some(user.to_owned()),
                None => match cx.facts.key_owner(key)? {
                    Fact::Known(user) => Some(user),
                    _ => None,
                },
            };
            let says = if suspected { "may be exposed" } else { "is exposed" };
            let title = format!("Access key {key}{} {says}", of_user(owner.as_deref()));
            if health.status_code.get() == Some("closed") {
                cx.report(cx.passing(key, format!("AWS Health closed its notice about {key}")).global());
                continue;
            }
            let seen = exposed(cx, key, owner.as_deref(), &title)
                .severity(if suspected { Severity::High } else { Severity::Critical })
                .because(format!("AWS Health reports {code}."))
                .detail_if("Found at", health.metadata.exposed_url.get())
                .detail_if("AWS says", health.description());
            cx.report(seen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::finding::Finding;
    use crate::rules::testing::*;
    use crate::state::{Query, Value as Answer};

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
        let mut finding = Finding::open(&primary).into_iter().next();
        assert_eq!(finding.as_mut().map(|finding| finding.apply(&backup)), Some(false));
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
                health("AWS_RISK_IAM_QUARANTINE", json!({"affectedEntities": "none"})),
            ],
        );
    }
}
