use crate::kit::prelude::*;

use super::shared::is_ours;

declare_rule! {
    /// ## What it detects
    /// A grant on a KMS key gives a principal of another account the use of the key: high where it may decrypt
    /// or pass the grant on, medium for the rest. Revoking or retiring the grant settles it.
    /// ## Why it matters
    /// A grant works beside the key's policy and is seen in neither the policy nor the console's first page. It
    /// lasts until somebody revokes it.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, revoke the grant and look what the key protects.
    /// ## False positives
    /// Grants to AWS services and to the account's own roles, which is what services make all day, are not
    /// reported. Accounts that start images or snapshots encrypted with your key need a grant: name them in the
    /// TrustedAccounts parameter.
    KeyGrant {
        id: "exposure-key-grant-outside",
        title: "A grant lets another account use a KMS key",
        severity: High,
        confidence: High,
        catalogue: ["PUB-09"],
        references: [
            attack(&["T1537", "T1098"]),
            doc(&["KMS developer guide: grants in AWS KMS"]),
        ],
        on: [On::Call("kms.amazonaws.com", &["CreateGrant", "RevokeGrant", "RetireGrant"])],
        alerts_as_witness: true,
    }
}

/// Operations that open what the key protects, or hand the use of the key on (KMS API reference, "CreateGrant").
const OPENING: [&str; 5] =
    ["Decrypt", "ReEncryptFrom", "CreateGrant", "DeriveSharedSecret", "GenerateDataKey"];

impl Rule for KeyGrant {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let answered = record.response_text(&["grantId"]);
        // A grant that is retired by a token is named beside the parameters (KMS developer guide, "RetireGrant").
        let beside = record.additional_text(&["grantId"]);
        // Without an answer a new grant has no id; it is told by whom it is for.
        let grantee = text_at(request, &["granteePrincipal"]);
        let grant = text_at(request, &["grantId"]).or(answered).or(beside);
        let Some(part) = grant.or(grantee) else { return Ok(()) };
        let keys = || items_at(record.whole(), &["resources"]).iter().find_map(|one| text_at(one, &["ARN"]));
        let named = text_at(request, &["keyId"]).or_else(|| record.response_text(&["keyId"]));
        let Some(id) = named.or_else(keys) else { return Ok(()) };
        let (arn, key) = kms_key(record, id);
        if record.event_name.or_empty() != "CreateGrant" {
            let title = format!("{who} ended a grant on KMS key {key}");
            cx.report(cx.passing(arn, title).aspect(part));
            return Ok(());
        }
        let Some(grantee) = grantee else { return Ok(()) };
        let account = Arn::parse(grantee).map_or(grantee, |arn| arn.account);
        if !is_account_id(account) || is_ours(account, record, cx) {
            return Ok(());
        }
        let operations = texts_at(request, &["operations"]);
        let opens = operations.iter().any(|one| OPENING.contains(one));
        let title = format!("{who} granted outside account {account} the use of KMS key {key}");
        let seen = cx
            .failing(arn, title)
            .severity(if opens { Severity::High } else { Severity::Medium })
            .aspect(part)
            .because("The grant counts whatever the key's policy says, until it is revoked.")
            .detail("Grantee", grantee)
            .detail("Operations", operations.join(", "))
            .step(
                "Revoke the grant",
                "kms revoke-grant",
                &[region_option(record), ("--key-id", key), ("--grant-id", grant.unwrap_or("GRANT_ID"))],
            )
            .step(
                "What else was given away?",
                "kms list-grants",
                &[region_option(record), ("--key-id", key)],
            );
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn grant(grantee: &str, operations: Value) -> String {
        let request = json!({"keyId": KEY, "granteePrincipal": grantee, "operations": operations});
        call(
            "kms",
            "CreateGrant",
            json!({"requestParameters": request, "responseElements": {"grantId": "g1", "keyId": KEY}}),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(
            &KeyGrant,
            Severity::High,
            &grant("arn:aws:iam::999988887777:role/reader", json!(["Decrypt"])),
        );
        assert_eq!(
            seen.title,
            "alice granted outside account 999988887777 the use of KMS key 1234abcd-12ab-34cd-56ef-1234567890ab"
        );
        fires_at(&KeyGrant, Severity::Medium, &grant("999988887777", json!(["Verify", "DescribeKey"])));
    }

    #[test]
    fn its_end_settles_it() {
        let open = fired(&KeyGrant, &grant("arn:aws:iam::999988887777:root", json!(["Decrypt"])));
        for name in ["RevokeGrant", "RetireGrant"] {
            let gone = call("kms", name, json!({"requestParameters": {"keyId": KEY, "grantId": "g1"}}));
            let gone = observe(&KeyGrant, &gone);
            assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        }
    }

    /// As the KMS developer guide shows it ("RetireGrant").
    #[test]
    fn a_grant_that_is_retired_by_a_token_is_settled() {
        let open = fired(&KeyGrant, &grant("arn:aws:iam::999988887777:role/reader", json!(["Decrypt"])));
        let retired = json!({"additionalEventData": {"grantId": "g1"},
            "resources": [{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": KEY}]});
        let gone = observe(&KeyGrant, &call("kms", "RetireGrant", retired));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &KeyGrant,
            &[
                grant("arn:aws:iam::111122223333:role/app", json!(["Decrypt"])),
                grant("arn:aws:iam::444455556666:role/app", json!(["Decrypt"])),
                grant("ec2.us-east-1.amazonaws.com", json!(["Decrypt", "CreateGrant"])),
                grant("AROAEXAMPLE", json!(["Decrypt"])),
                call("kms", "RetireGrant", json!({"requestParameters": null})),
                call(
                    "kms",
                    "CreateGrant",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"keyId": KEY, "granteePrincipal": "999988887777"}}),
                ),
            ],
        );
    }

    #[test]
    fn a_grant_counts_without_its_id() {
        let request = json!({"keyId": KEY, "granteePrincipal": "arn:aws:iam::999988887777:role/x", "operations": ["Decrypt"]});
        fires_at(&KeyGrant, Severity::High, &asked("kms", "CreateGrant", request));
    }
}
