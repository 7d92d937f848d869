use keepwatch_policy::lockout::{Lockout, lockout};

use super::policed::{Policed, document};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The policy of a KMS key lets somebody outside the account use the key: everybody (critical) or another
    /// account (high). A policy that opens nothing settles the finding, unless it leaves the account itself out too:
    /// that is a finding of its own.
    /// ## Why it matters
    /// Whoever may use the key can decrypt what it protects as soon as he has the data; whoever may change
    /// its policy can lock you out of your own data for ransom.
    /// ## What to do
    /// Read the statement that is named and write the former policy back. If another account may administer
    /// the key, do that first: the next change of the policy may be its, and may leave you out.
    /// ## False positives
    /// Keys shared with accounts of the same organization, as for encrypted snapshots and images: name the
    /// accounts in the TrustedAccounts parameter. A condition on kms:CallerAccount or aws:PrincipalAccount
    /// counts; kms:ViaService alone says only through which service everybody comes.
    KeyPolicy {
        id: "exposure-key-policy-open",
        title: "A KMS key's policy lets outsiders use it",
        severity: High,
        confidence: High,
        catalogue: ["DATA-02", "PUB-09"],
        references: [
            cis("3.0", &["4.7"]),
            cis("5.0", &["4.7"]),
            security_hub(&["KMS.5"]),
            attack(&["T1486", "T1537"]),
            doc(&["KMS developer guide: allowing users in other accounts to use a KMS key"]),
        ],
        on: [On::Call("kms.amazonaws.com", &["PutKeyPolicy", "CreateKey", "ReplicateKey"])],
        alerts_as_witness: true,
    }
}

/// In the place of an id that the event does not carry.
const UNNAMED: &str = "KEY_ID";

impl Rule for KeyPolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let is_new = record.event_name.or_empty() != "PutKeyPolicy";
        let metadata = ["keyMetadata", "replicaKeyMetadata"];
        let made = metadata.iter().find_map(|name| record.response_text(&[name, "arn"]));
        // A key that was just made has no name before the answer; a replica has its original's.
        let asked = record.param(&["keyId"]);
        let id = if is_new { made.or(asked).or(Some(UNNAMED)) } else { asked };
        let Some(id) = id else { return Ok(()) };
        let (arn, key) = kms_key(record, id);
        let written = match document(value_at(record.request(), &["policy"])) {
            Some(written) => written,
            // The default policy is for the account alone.
            None if is_new && !record.request_omitted() => return Ok(()),
            None => Err("the event does not carry the policy".to_owned()),
        };
        let leaves_account_out =
            written.as_ref().is_ok_and(|written| lockout(written, &arn, record.account()) != Lockout::No);
        let policed = Policed {
            service: "kms",
            arn,
            name: if id == UNNAMED { "a new KMS key".to_owned() } else { format!("KMS key {key}") },
            everyone: Severity::Critical,
            account: Severity::High,
            by_reach: false,
            settles: !is_new && !leaves_account_out,
        };
        let place = ("--region", policed.region().unwrap_or(record.aws_region.or_empty()));
        policed.judge(record, cx, written, |seen| {
            seen.step(
                "Read the policy as it stands",
                "kms get-key-policy --policy-name default",
                &[place, ("--key-id", key)],
            )
            .step(
                "Write back a policy that names only whom you know",
                r#"kms put-key-policy --policy-name default --policy "$(cat KEY_POLICY_FILE)""#,
                &[place, ("--key-id", key)],
            )
            .step(
                "What else was given away? (grants outlive the policy)",
                "kms list-grants",
                &[place, ("--key-id", key)],
            )
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::exposure::policed::testing::{fired, fires_at};
    use crate::testing::*;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn policy(principal: Value, condition: Value) -> String {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
            {"Sid": "Use", "Effect": "Allow", "Principal": principal, "Action": "kms:Decrypt", "Resource": "*",
                "Condition": condition}]})
        .to_string()
    }

    fn put(policy: &str) -> String {
        let request = json!({"keyId": KEY, "policyName": "default", "policy": policy, "bypassPolicyLockoutSafetyCheck": false});
        call("kms", "PutKeyPolicy", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let all = fires_at(&KeyPolicy, Severity::Critical, &put(&policy(json!("*"), json!({}))));
        assert_eq!(
            all.title,
            format!("alice opened KMS key {KEY}: anybody with an AWS account can decrypt with it")
        );
        assert_eq!(all.subject.resource, format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}"));
        let via = json!({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}});
        fires_at(&KeyPolicy, Severity::Critical, &put(&policy(json!({"AWS": "*"}), via)));
        let one =
            fires_at(&KeyPolicy, Severity::High, &put(&policy(json!({"AWS": "999988887777"}), json!({}))));
        assert_eq!(one.finding_id(), all.finding_id());
        let made = json!({"requestParameters": {"policy": policy(json!("*"), json!({}))},
            "responseElements": {"keyMetadata": {"arn": format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}")}}});
        assert_eq!(fired(&KeyPolicy, &call("kms", "CreateKey", made)).finding_id(), all.finding_id());
    }

    #[test]
    fn a_replica_is_at_home_in_its_own_region() {
        let open = policy(json!("*"), json!({}));
        let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}");
        let made = json!({"requestParameters": {"keyId": KEY, "replicaRegion": "eu-west-1", "policy": open},
            "responseElements": {"replicaKeyMetadata": {"arn": arn}}});
        let made = fired(&KeyPolicy, &call("kms", "ReplicateKey", made));
        assert!(made.steps[0].command.contains("--region eu-west-1"), "{:?}", made.steps);
        let own = policy(json!({"AWS": "111122223333"}), json!({}));
        let closed = json!({"awsRegion": "eu-west-1", "requestParameters": {"keyId": KEY, "policy": own}});
        let closed = observe(&KeyPolicy, &call("kms", "PutKeyPolicy", closed));
        assert_eq!((closed[0].verdict, closed[0].finding_id()), (Verdict::Passing, made.finding_id()));
    }

    #[test]
    fn what_opens_nothing_settles_it() {
        let open = fired(&KeyPolicy, &put(&policy(json!("*"), json!({}))));
        let own = json!({"StringEquals": {"kms:CallerAccount": "111122223333"}});
        for document in [policy(json!({"AWS": "444455556666"}), json!({})), policy(json!({"AWS": "*"}), own)]
        {
            let gone = observe(&KeyPolicy, &put(&document));
            assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        }
        assert_eq!(fired(&KeyPolicy, &put("{broken")).verdict, Verdict::Unknown);
    }

    #[test]
    fn what_locks_the_account_out_too_is_no_good_news() {
        let only = |principal: &str| {
            json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}]})
            .to_string()
        };
        quiet(&KeyPolicy, &[put(&only("arn:aws:iam::111122223333:user/mallory"))]);
        // What it opens is told all the same.
        let opened = observe(&KeyPolicy, &put(&only("999988887777")));
        assert_eq!((opened.len(), opened[0].verdict), (1, Verdict::Failing));
    }

    #[test]
    fn stays_quiet() {
        let made = json!({"keyMetadata": {"arn": format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}")}});
        quiet(
            &KeyPolicy,
            &[
                call(
                    "kms",
                    "CreateKey",
                    json!({"requestParameters": {"description": ""}, "responseElements": made}),
                ),
                call(
                    "kms",
                    "CreateKey",
                    json!({"requestParameters": {"policy": policy(json!({"AWS": "111122223333"}), json!({}))},
                    "responseElements": made}),
                ),
                call(
                    "kms",
                    "PutKeyPolicy",
                    json!({"errorCode": "AccessDeniedException", "requestParameters":
                    {"keyId": KEY, "policy": policy(json!("*"), json!({}))}}),
                ),
                call("kms", "PutKeyPolicy", json!({"requestParameters": null})),
            ],
        );
    }
}
