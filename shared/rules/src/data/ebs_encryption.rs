use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The encryption of new EBS volumes by default was switched off in a region, or is done with a key of another
    /// account. Switching it on again, or a key of your own, resolves it.
    /// ## Why it matters
    /// From then on new disks and their snapshots are not encrypted unless somebody thinks of it each time, and a
    /// snapshot that is not encrypted can be made public.
    /// ## What to do
    /// Switch it on again, and look for volumes made meanwhile. Encryption by default costs nothing.
    /// ## False positives
    /// Old images or instance types that cannot start from encrypted disks. They are rare by now.
    EbsEncryption {
        id: "data-ebs-default-encryption-off",
        title: "EBS encryption by default was switched off",
        severity: Medium,
        confidence: High,
        catalogue: ["DATA-03"],
        references: [
            cis("3.0", &["2.2.1"]),
            cis("5.0", &["5.1.1"]),
            security_hub(&["EC2.7"]),
            attack(&["T1565"]),
            doc(&["Amazon EBS User Guide: Encryption by default"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "DisableEbsEncryptionByDefault", "EnableEbsEncryptionByDefault", "ModifyEbsDefaultKmsKeyId",
            "ResetEbsDefaultKmsKeyId",
        ])],
    }
}

/// The setting has no ARN: it is one for each account and region.
const SETTING: &str = "EBS encryption by default";

impl Rule for EbsEncryption {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, place) = (caller_name(record), record.aws_region.or_empty());
        if record.event_name.or_empty().ends_with("DefaultKmsKeyId") {
            key(record, cx);
            return Ok(());
        }
        if record.event_name.or_empty() == "EnableEbsEncryptionByDefault" {
            cx.report(cx.passing(SETTING, format!("{who} switched on EBS encryption by default in {place}")));
            return Ok(());
        }
        let seen = cx
            .failing(SETTING, format!("{who} switched off EBS encryption by default in {place}"))
            .because(
                "New volumes and snapshots in this region are not encrypted unless the caller asks for it.",
            )
            .step("Switch it on again", "ec2 enable-ebs-encryption-by-default", &[region_option(record)])
            .step(
                "Which volumes are not encrypted?",
                "ec2 describe-volumes",
                &[region_option(record), ("--filters", "Name=encrypted,Values=false")],
            );
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// With which key new disks are encrypted: with another account's, that account decides who can read them.
fn key(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, place) = (caller_name(record), record.aws_region.or_empty());
    let key = ec2_parameter(record, "kmsKeyId").and_then(Arn::parse);
    let ours = |account: &str| {
        account == record.account() || cx.config.trusted_accounts.iter().any(|trusted| trusted == account)
    };
    let Some(account) = key.map(|arn| arn.account).filter(|account| !ours(account)) else {
        let title = format!("{who} has new EBS volumes in {place} encrypted with a key of your own");
        cx.report(cx.passing(SETTING, title).aspect("key"));
        return;
    };
    let seen = cx
        .failing(
            SETTING,
            format!("{who} has new EBS volumes in {place} encrypted with a key of outside account {account}"),
        )
        .aspect("key")
        .because(
            "The other account can switch its key off, and nobody reads these disks and snapshots any more.",
        )
        .step("Set AWS's own key again", "ec2 reset-ebs-default-kms-key-id", &[region_option(record)]);
    cx.report(cx.tempered(stop_caller(seen, record)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn switch(name: &str) -> String {
        call("ec2", name, json!({"requestParameters": {format!("{name}Request"): {}}}))
    }

    #[test]
    fn fires_and_resolves() {
        let off = fires_at(&EbsEncryption, Severity::Medium, &switch("DisableEbsEncryptionByDefault"));
        assert_eq!(off.title, "alice switched off EBS encryption by default in us-east-1");
        let on = observe(&EbsEncryption, &switch("EnableEbsEncryptionByDefault"));
        assert_eq!((on.len(), on[0].verdict), (1, Verdict::Passing));
        assert_eq!(on[0].finding_id(), off.finding_id());
        let elsewhere = call("ec2", "EnableEbsEncryptionByDefault", json!({"awsRegion": "eu-west-1"}));
        assert_ne!(observe(&EbsEncryption, &elsewhere)[0].finding_id(), off.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "Client.UnauthorizedOperation"});
        quiet(
            &EbsEncryption,
            &[
                call("ec2", "DisableEbsEncryptionByDefault", failed.clone()),
                call("ec2", "EnableEbsEncryptionByDefault", failed),
                call("ec2", "GetEbsEncryptionByDefault", json!({})),
            ],
        );
    }

    #[test]
    fn another_accounts_key_decides_who_reads_new_disks() {
        let key = |account: &str| {
            let key = json!({"KmsKeyId": format!("arn:aws:kms:us-east-1:{account}:key/k")});
            asked("ec2", "ModifyEbsDefaultKmsKeyId", json!({"ModifyEbsDefaultKmsKeyIdRequest": key}))
        };
        let title =
            "alice has new EBS volumes in us-east-1 encrypted with a key of outside account 999988887777";
        for close in [
            key("111122223333"),
            asked("ec2", "ResetEbsDefaultKmsKeyId", json!({"ResetEbsDefaultKmsKeyIdRequest": {}})),
        ] {
            opens_and_closes(&EbsEncryption, Severity::Medium, (&key("999988887777"), title), &close);
        }
        assert_eq!(observe(&EbsEncryption, &key("444455556666"))[0].verdict, Verdict::Passing);
    }
}
