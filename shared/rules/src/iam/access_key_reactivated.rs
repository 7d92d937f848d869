use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An access key was set to active. Keys are made active, so that this one was switched off before.
    /// Switching it off or deleting it settles the finding.
    /// ## Why it matters
    /// Keys are switched off because they leaked, because nobody used them, or because somebody is rotating
    /// them. An intruder who switches one on again has a key that everybody believes to be dead.
    /// ## What to do
    /// Ask the caller why the old key is needed. If nobody knows, switch it off again and delete it.
    /// ## False positives
    /// A rotation that broke something and is being taken back: finish it with a new key. The event does not
    /// say whether the key was off before; setting an active key to active looks the same.
    AccessKeyReactivated {
        id: "iam-access-key-reactivated",
        title: "An access key was switched on again",
        severity: Medium,
        confidence: Medium,
        catalogue: ["IAM-11"],
        references: [
            cis("3.0", &["1.12"]),
            cis("5.0", &["1.11"]),
            security_hub(&["IAM.8"]),
            attack(&["T1098.001"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["UpdateAccessKey", "DeleteAccessKey"])],
    }
}

impl Rule for AccessKeyReactivated {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(key) = record.param(&["accessKeyId"]) else { return Ok(()) };
        let (who, deleted) = (caller_name(record), record.event_name.or_empty() == "DeleteAccessKey");
        let status = record.param(&["status"]).unwrap_or_default();
        if deleted || status.eq_ignore_ascii_case("Inactive") {
            let did = if deleted { "deleted" } else { "switched off" };
            cx.report(cx.passing(key, format!("{who} {did} access key {key}")).global());
            return Ok(());
        }
        if !status.eq_ignore_ascii_case("Active") || record.by_root() {
            return Ok(());
        }
        let Some(user) = named_user(record) else { return Ok(()) };
        let used = lookup("AccessKeyId", key);
        let seen = cx
            .failing(key, format!("{who} switched access key {key} of user {user} on again"))
            .global()
            .because("A key that had been switched off works again, for whoever has kept a copy of it.")
            .detail("User", user)
            .step(
                "Switch it off again",
                "iam update-access-key",
                &[("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")],
            )
            .step(
                "What has the key done? (us-east-1 has its calls to IAM; repeat in every enabled region)",
                "cloudtrail lookup-events",
                &[region_option(record), ("--lookup-attributes", &used)],
            );
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn update(request: Value, changes: Value) -> String {
        let mut event: Value =
            serde_json::from_str(&call("iam", "UpdateAccessKey", changes)).unwrap_or_default();
        event["requestParameters"] = request;
        event.to_string()
    }

    fn to(status: &str) -> String {
        update(json!({"userName": "bob", "accessKeyId": KEY, "status": status}), json!({}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&AccessKeyReactivated, Severity::Medium, &to("Active"));
        assert_eq!(seen.title, format!("alice switched access key {KEY} of user bob on again"));
        let own = update(json!({"accessKeyId": KEY, "status": "Active"}), json!({}));
        assert!(fires_at(&AccessKeyReactivated, Severity::Medium, &own).title.contains("of user alice"));
    }

    #[test]
    fn switching_off_and_deleting_settle_it() {
        let id = fired(&AccessKeyReactivated, &to("Active")).finding_id();
        let deleted = call("iam", "DeleteAccessKey", json!({"requestParameters": {"accessKeyId": KEY}}));
        for event in [to("Inactive"), deleted] {
            let seen = observe(&AccessKeyReactivated, &event);
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing));
            assert_eq!(seen[0].finding_id(), id);
        }
    }

    #[test]
    fn stays_quiet() {
        let request = json!({"userName": "bob", "accessKeyId": KEY, "status": "Active"});
        quiet(
            &AccessKeyReactivated,
            &[
                update(request.clone(), json!({"errorCode": "AccessDenied"})),
                update(json!({"userName": "bob", "status": "Active"}), json!({})),
                update(json!({"userName": "bob", "accessKeyId": KEY, "status": true}), json!({})),
                update(json!(null), json!({})),
                root_call("iam", "UpdateAccessKey", json!({"requestParameters": request})),
            ],
        );
    }
}
