use keepwatch_policy::Document;
use keepwatch_policy::lockout::{Lockout, lockout};

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The policy of a KMS key was rewritten so that the account that owns the key may no longer rewrite it, or so that it
    /// denies the account or an AWS service the use of the key. A policy that does neither resolves the finding. A policy
    /// that names single users or roles and not the account counts as leaving the account out. Where it hangs on a
    /// condition, nothing is said.
    /// ## Why it matters
    /// Whoever the policy leaves out cannot read what the key encrypts: disks, databases, buckets, queues. Where nobody in
    /// the account is left who may rewrite the policy, only AWS Support can bring the key back. It is how data is held for
    /// ransom without a byte of it being moved.
    /// ## What to do
    /// Write the former policy back at once, as a user or role that the new one still names, and ask the caller. If none
    /// of yours is named, open a case with AWS Support, as root.
    /// ## False positives
    /// Keys that are meant for a few roles alone, and say so in each version of their policy. AWS advises to name the
    /// account as well; suppress the finding for the key if you do not.
    KeyLockout {
        id: "data-kms-key-account-left-out",
        title: "A KMS key's policy leaves its own account out",
        severity: High,
        confidence: High,
        catalogue: ["DATA-02"],
        references: [
            attack(&["T1486", "T1531"]),
            doc(&["KMS developer guide: default key policy", "KMS developer guide: key policies"]),
        ],
        on: [On::Call("kms.amazonaws.com", &["PutKeyPolicy"])],
        repeat_hours: 6,
    }
}

impl Rule for KeyLockout {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(id) = record.param(&["keyId"]) else { return Ok(()) };
        // What cannot be read, the rule about outsiders says.
        let Some(Ok(written)) = value_at(record.request(), &["policy"]).map(Document::from_value) else {
            return Ok(());
        };
        let (arn, key) = kms_key(record, id);
        let who = caller_name(record);
        let loss = match lockout(&written, &arn, record.account()) {
            Lockout::Yes(loss) => loss,
            Lockout::Unclear => return Ok(()),
            Lockout::No => {
                let title =
                    format!("{who} rewrote the policy of KMS key {key}, and the account itself may use it");
                cx.report(cx.passing(&arn, title));
                return Ok(());
            }
        };
        let options = [region_option(record), ("--key-id", arn.as_str())];
        let seen = cx
            .failing(&arn, format!("{who} rewrote the policy of KMS key {key}: the account is left out"))
            .because(as_sentence(&loss.to_string()))
            .step("Read the policy as it stands", "kms get-key-policy --policy-name default", &options)
            .step(
                "Write back a policy that names the account",
                r#"kms put-key-policy --policy-name default --policy "$(cat KEY_POLICY_FILE)""#,
                &options,
            )
            .step("What depends on the key? (its grants tell)", "kms list-grants", &options);
        let seen = stop_caller(seen, record);
        // KMS asks whether the caller shuts himself out, and this caller told it not to.
        cx.report(match flag_at(record.request(), &["bypassPolicyLockoutSafetyCheck"]) {
            Some(true) => seen.detail("Safety check", "KMS was told to skip its check against a lock-out"),
            _ => cx.tempered(seen),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn allowed(principal: &str) -> Value {
        json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"})
    }

    fn put_by(agent: &str, statements: Value, bypass: bool) -> String {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let request = json!({"keyId": KEY, "policyName": "default", "policy": policy,
            "bypassPolicyLockoutSafetyCheck": bypass});
        call("kms", "PutKeyPolicy", json!({"requestParameters": request, "userAgent": agent}))
    }

    fn put(statements: Value, bypass: bool) -> String {
        put_by("aws-cli/2.15.30", statements, bypass)
    }

    #[test]
    fn fires() {
        let mallory = "arn:aws:iam::111122223333:user/mallory";
        let seen = fires_at(&KeyLockout, Severity::High, &put(json!([allowed(mallory)]), true));
        assert_eq!(seen.title, format!("alice rewrote the policy of KMS key {KEY}: the account is left out"));
        assert_eq!(seen.subject.resource, format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}"));
        let denied = json!([allowed(ACCOUNT),
            {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}]);
        fires_at(&KeyLockout, Severity::High, &put(denied, false));
        fires_at(&KeyLockout, Severity::High, &put(json!([allowed("999988887777")]), false));
    }

    #[test]
    fn the_check_that_was_skipped_is_no_automations_habit() {
        let agent = "APN/1.0 HashiCorp/1.0 Terraform/1.9.0";
        let by_agent = |bypass| put_by(agent, json!([allowed("999988887777")]), bypass);
        fires_at(&KeyLockout, Severity::High, &by_agent(true));
        fires_at(&KeyLockout, Severity::Medium, &by_agent(false));
    }

    #[test]
    fn what_lets_the_account_in_resolves_it() {
        let out = fired(&KeyLockout, &put(json!([allowed("999988887777")]), false));
        let back = observe(&KeyLockout, &put(json!([allowed(ACCOUNT)]), false));
        assert_eq!((back.len(), back[0].verdict), (1, Verdict::Passing));
        assert_eq!(back[0].finding_id(), out.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &KeyLockout,
            &[
                call("kms", "PutKeyPolicy", json!({"requestParameters": null})),
                call(
                    "kms",
                    "PutKeyPolicy",
                    json!({"requestParameters": {"keyId": KEY, "policy": "{broken"}}),
                ),
                call("kms", "PutKeyPolicy", json!({"requestParameters": {"keyId": KEY}})),
                call(
                    "kms",
                    "PutKeyPolicy",
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"keyId": KEY, "policy": "{}"}}),
                ),
            ],
        );
    }
}
