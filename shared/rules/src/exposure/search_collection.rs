use serde_json::Value;

use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A data access policy of OpenSearch Serverless names a principal of another account (high), or a network policy lets
    /// the whole internet reach collections (low). A policy that does neither, and the end of the policy, settle it.
    /// ## Why it matters
    /// Such a policy alone decides who reads and writes a collection: a data access policy needs no allowance in IAM of the
    /// account that has the data.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, take the principal out of the policy. Where only machines of your
    /// own search the collection, give it a VPC endpoint and take the public access away.
    /// ## False positives
    /// Partners: name their accounts in the TrustedAccounts parameter. Most collections are reached over the internet by
    /// callers who sign their requests, and that is AWS's own default in the console: low, and only on record.
    SearchCollection {
        id: "exposure-search-collection-open",
        title: "A policy of OpenSearch Serverless lets outsiders in",
        severity: High,
        confidence: Medium,
        catalogue: ["PUB-16"],
        references: [
            attack(&["T1530"]),
            doc(&["OpenSearch Service developer guide: data access control and network access for OpenSearch Serverless"]),
        ],
        on: [On::Call("aoss.amazonaws.com", &[
            "CreateAccessPolicy", "UpdateAccessPolicy", "DeleteAccessPolicy", "CreateSecurityPolicy",
            "UpdateSecurityPolicy", "DeleteSecurityPolicy",
        ])],
    }
}

impl Rule for SearchCollection {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let [Some(name), Some(kind)] = ["name", "type"].map(|key| text_at(request, &[key])) else {
            return Ok(());
        };
        // Policies on encryption let nobody in.
        if !["data", "network"].contains(&kind) {
            return Ok(());
        }
        let event = record.event_name.or_empty();
        let arn = record.arn("aoss", &format!("policy/{kind}/{name}"));
        if event.starts_with("Delete") {
            cx.report(cx.passing(arn, format!("{who} deleted {kind} policy {name}")));
            return Ok(());
        }
        let Some(blocks) = blocks(request) else { return Ok(()) };
        let principals = blocks.iter().flat_map(|block| texts_at(block, &["Principal"]));
        let outside = principals.filter_map(|one| Some(Arn::parse(one)?.account.to_owned()));
        let outside =
            outside.filter(|account| is_account_id(account)).find(|account| !is_ours(account, record, cx));
        let public = blocks.iter().any(|block| flag_at(block, &["AllowFromPublic"]) == Some(true));
        let (severity, what, why) = match (outside, public) {
            (Some(account), _) => (
                Severity::High,
                format!("lets outside account {account} use collections"),
                "What the policy allows there, the account can do: read, write or delete documents.",
            ),
            (None, true) => (
                Severity::Low,
                "lets the whole internet reach collections".to_owned(),
                "Whoever has credentials that the data access policy names can use them from anywhere.",
            ),
            (None, false) => {
                if event.starts_with("Update") {
                    cx.report(cx.passing(arn, format!("{who} wrote {kind} policy {name} without outsiders")));
                }
                return Ok(());
            }
        };
        let read = if kind == "data" {
            "opensearchserverless get-access-policy"
        } else {
            "opensearchserverless get-security-policy"
        };
        let seen = cx
            .failing(arn, format!("{who} wrote {kind} policy {name}, which {what}"))
            .severity(severity)
            .because(why)
            .step("Read the policy", read, &[region_option(record), ("--name", name), ("--type", kind)]);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// The blocks of a policy, which CloudTrail writes as text or as they are.
fn blocks(request: &Value) -> Option<Vec<Value>> {
    let policy = value_at(request, &["policy"])?;
    let read = policy.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    match read.unwrap_or_else(|| policy.clone()) {
        Value::Array(blocks) => Some(blocks),
        Value::Object(one) => Some(vec![Value::Object(one)]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn write(name: &str, kind: &str, policy: Value) -> String {
        call("aoss", name, json!({"requestParameters": {"name": "logs", "type": kind, "policy": policy}}))
    }

    fn data(name: &str, account: &str) -> String {
        let rules =
            json!([{"ResourceType": "index", "Resource": ["index/logs/*"], "Permission": ["aoss:*"]}]);
        let policy = json!([{"Rules": rules, "Principal": [format!("arn:aws:iam::{account}:role/reader")]}]);
        write(name, "data", json!(policy.to_string()))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&SearchCollection, Severity::High, &data("CreateAccessPolicy", "999988887777"));
        assert_eq!(
            seen.title,
            "alice wrote data policy logs, which lets outside account 999988887777 use collections"
        );
        let rules = json!([{"ResourceType": "collection", "Resource": ["collection/logs"]}]);
        let public = json!([{"Rules": rules, "AllowFromPublic": true}]);
        let seen =
            fires_at(&SearchCollection, Severity::Low, &write("CreateSecurityPolicy", "network", public));
        assert_eq!(
            seen.title,
            "alice wrote network policy logs, which lets the whole internet reach collections"
        );
    }

    #[test]
    fn another_policy_or_none_settles_it() {
        let open = fired(&SearchCollection, &data("UpdateAccessPolicy", "999988887777"));
        let gone = write("DeleteAccessPolicy", "data", json!(null));
        for good in [data("UpdateAccessPolicy", "111122223333"), gone] {
            let good = observe(&SearchCollection, &good);
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, open.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &SearchCollection,
            &[
                data("CreateAccessPolicy", "111122223333"),
                write(
                    "CreateAccessPolicy",
                    "data",
                    json!([{"Rules": [], "Principal": ["saml/444455556666/idp/group/g"]}]),
                ),
                write("CreateSecurityPolicy", "network", json!([{"Rules": [], "SourceVPCEs": ["vpce-1"]}])),
                write("CreateSecurityPolicy", "encryption", json!({"Rules": [], "AWSOwnedKey": true})),
                write("CreateAccessPolicy", "data", json!("not JSON")),
                call("aoss", "CreateAccessPolicy", json!({"requestParameters": null})),
                failed_call("aoss", "CreateAccessPolicy", "ConflictException", json!({})),
            ],
        );
    }
}
