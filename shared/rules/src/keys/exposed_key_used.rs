use super::common::{EXPOSED, Owner, exposed};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A call was signed with an access key that has an open finding as exposed. Looked for in every event that other
    /// rules asked for, failed calls included; each new source address is told once. Stopping or deleting the key
    /// resolves its finding.
    /// ## Why it matters
    /// The key has not been stopped, and somebody works with it: the owner who has not heard yet, or the thief.
    /// ## What to do
    /// Stop the key now. If the source address is not yours, treat everything that the key may do as done.
    /// ## False positives
    /// Your own automation that still runs on the old key. It has to stop too.
    ExposedKeyUsed {
        id: "exposed-access-key-in-use",
        title: "An exposed access key is still in use",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-08"],
        references: [attack(&["T1078"])],
        on: [On::ExposedKey, On::Call("iam.amazonaws.com", &["DeleteAccessKey", "UpdateAccessKey"])],
        finding: EXPOSED,
        failed_calls: true,
        alerts_as_witness: true,
    }
}

impl Rule for ExposedKeyUsed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if let Some(key) = stopped(record)
            && is_exposed(cx, record, key)?
        {
            cx.report(
                cx.passing(key, format!("{} stopped access key {key}", caller_name(record)))
                    .global()
                    .confirm(Confirm::stopped(key)),
            );
            return Ok(());
        }
        let key = record.user_identity.access_key_id.or_empty();
        if !is_long_term_key(key) || !is_exposed(cx, record, key)? {
            return Ok(());
        }
        let from = record.source_ip_address.get().unwrap_or("an address not named");
        let call = record.event_name.or_empty();
        let tried = if record.failed() { "tried" } else { "made" };
        let title = format!("Exposed key {key} still in use from {from}: it {tried} {call}");
        let reason = "The key has an open finding as exposed, and this call was signed with it.";
        cx.report(
            exposed(cx, key, Owner::of(record), &title)
                .because(reason)
                .detail("Used from", from)
                .witnessed_by(from),
        );
        Ok(())
    }
}

/// The key that this call has stopped or deleted.
fn stopped<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let stops = match record.event_name.or_empty() {
        "DeleteAccessKey" => true,
        "UpdateAccessKey" => record.param(&["status"]) == Some("Inactive"),
        _ => false,
    };
    (stops && !record.failed()).then(|| record.param(&["accessKeyId"])).flatten()
}

/// Whether the key has an open finding. A table that cannot be read is no "no": the event is tried again.
fn is_exposed(cx: &Cx<'_>, record: &Record<'_>, key: &str) -> Result<bool, Interrupt> {
    match cx.facts.exposed_key(record.account(), key)? {
        Fact::Known(exposed) => Ok(exposed),
        Fact::Missing => Ok(false),
        Fact::Unavailable(why) => {
            Err(Interrupt::Failed(format!("cannot tell whether {key} is exposed: {why}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query, Value};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn used(error: serde_json::Value) -> String {
        call("iam", "CreateUser", json!({"errorCode": error, "userIdentity": {"accessKeyId": KEY}}))
    }

    fn open(exposed: bool) -> [(Query, Answer); 1] {
        let query = Query::ExposedKey { account: ACCOUNT.to_owned(), access_key_id: KEY.to_owned() };
        [(query, Fact::Known(Value::Flag(exposed)))]
    }

    #[test]
    fn fires() {
        let seen = fired_with(&ExposedKeyUsed, &used(json!(null)), &open(true));
        assert!(
            seen.title.contains("203.0.113.7") && seen.title.contains("made CreateUser"),
            "{}",
            seen.title
        );
        let refused = fired_with(&ExposedKeyUsed, &used(json!("AccessDenied")), &open(true));
        assert!(refused.title.contains("tried CreateUser"), "{}", refused.title);
    }

    #[test]
    fn stopping_the_key_resolves() {
        let stop = |name: &str, status: &str| {
            call(
                "iam",
                name,
                json!({"requestParameters": {"userName": "bob", "accessKeyId": KEY, "status": status}}),
            )
        };
        for event in [stop("UpdateAccessKey", "Inactive"), stop("DeleteAccessKey", "")] {
            let seen = observe_with(&ExposedKeyUsed, &event, &open(true));
            assert_eq!(seen.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing], "{event}");
            assert!(observe_with(&ExposedKeyUsed, &event, &open(false)).is_empty());
        }
        assert!(observe_with(&ExposedKeyUsed, &stop("UpdateAccessKey", "Active"), &open(true)).is_empty());
    }

    #[test]
    fn a_user_called_root_is_a_user() {
        let event =
            call("iam", "CreateUser", json!({"userIdentity": {"accessKeyId": KEY, "userName": "root"}}));
        let seen = fired_with(&ExposedKeyUsed, &event, &open(true));
        assert!(seen.steps.iter().any(|step| step.command.contains("update-access-key --user-name root")));
    }

    #[test]
    fn each_address_is_a_witness() {
        let from = |address: &str| {
            let event = call(
                "iam",
                "CreateUser",
                json!({"userIdentity": {"accessKeyId": KEY}, "sourceIPAddress": address}),
            );
            fired_with(&ExposedKeyUsed, &event, &open(true)).witness
        };
        assert_ne!(from("203.0.113.7"), from("198.51.100.9"));
    }

    #[test]
    fn stays_quiet() {
        assert!(observe_with(&ExposedKeyUsed, &used(json!(null)), &open(false)).is_empty());
        quiet(
            &ExposedKeyUsed,
            &[call("iam", "CreateUser", json!({})), call("iam", "CreateUser", json!({"userIdentity": null}))],
        );
    }
}
