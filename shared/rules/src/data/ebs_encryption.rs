use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The encryption of new EBS volumes by default was switched off in a region. Switching it on again resolves it.
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
        on: [On::Call("ec2.amazonaws.com", &["DisableEbsEncryptionByDefault", "EnableEbsEncryptionByDefault"])],
    }
}

/// The setting has no ARN: it is one for each account and region.
const SETTING: &str = "EBS encryption by default";

impl Rule for EbsEncryption {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, place) = (caller_name(record), record.aws_region.or_empty());
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
}
