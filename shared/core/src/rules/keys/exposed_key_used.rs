use super::{EXPOSED, exposed};
use crate::event::Record;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::Fact;

declare_rule! {
    /// ## What it detects
    /// A call was signed with an access key that has an open finding as exposed. Looked for in every event that other
    /// rules asked for, failed calls included.
    /// ## Why it matters
    /// The key has not been stopped, and somebody works with it: the owner who has not heard yet, or the thief.
    /// ## What to do
    /// Stop the key now. If the address below is not yours, treat everything that the key may do as done.
    /// ## False positives
    /// Your own automation that still runs on the old key. It has to stop too.
    ExposedKeyUsed {
        id: "exposed-access-key-in-use",
        title: "An exposed access key is still in use",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-08"],
        references: ["ATT&CK T1078"],
        on: [On::LongTermKey],
        finding: EXPOSED,
        failed_calls: true,
        wakes: true,
    }
}

impl Rule for ExposedKeyUsed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(key) = record.user_identity.access_key_id.get() else { return Ok(()) };
        if cx.facts.exposed_key(record.account(), key)? != Fact::Known(true) {
            return Ok(());
        }
        let from = record.source_ip_address.get().unwrap_or("an address not named");
        let call = record.event_name.or_empty();
        let tried = if record.failed() { "tried" } else { "made" };
        let title = format!("Exposed access key {key} is still in use from {from}: it {tried} {call}");
        let user = record.user_identity.user_name.get();
        let reason = "The key has an open finding as exposed, and this call was signed with it.";
        cx.report(exposed(cx, key, user, &title).because(reason).detail("Used from", from));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::testing::*;
    use crate::state::{Answer, Query, Value};

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
    fn stays_quiet() {
        assert!(observe_with(&ExposedKeyUsed, &used(json!(null)), &open(false)).is_empty());
        quiet(
            &ExposedKeyUsed,
            &[
                used(json!(null)), // Nobody can say whether it is exposed: its own finding would.
                call("iam", "CreateUser", json!({})),
                call("iam", "CreateUser", json!({"userIdentity": null})),
            ],
        );
    }
}
