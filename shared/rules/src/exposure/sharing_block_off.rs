use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The bar to public sharing was taken away in a region: for EBS snapshots or for machine images.
    /// Switching it on again settles the finding.
    /// ## Why it matters
    /// With the bar in place nobody can make a snapshot or an image public, not even by mistake. Snapshots
    /// that were public before and only hidden by it become public again at once.
    /// ## What to do
    /// Switch it on again. If something has to be public, do that in an account that holds nothing else.
    /// ## False positives
    /// Makers of public images. There is hardly another reason.
    SharingBlockOff {
        id: "exposure-sharing-block-off",
        title: "The bar to public snapshots or images was taken away",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-11"],
        references: [
            security_hub(&["EC2.182"]),
            attack(&["T1537", "T1562"]),
            doc(&["EBS user guide: block public access for snapshots"]),
            doc(&["EC2 user guide: block public access for AMIs"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "DisableSnapshotBlockPublicAccess", "EnableSnapshotBlockPublicAccess",
            "DisableImageBlockPublicAccess", "EnableImageBlockPublicAccess",
        ])],
    }
}

impl Rule for SharingBlockOff {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, region) = (caller_name(record), record.aws_region.or_empty());
        let event = record.event_name.or_empty();
        let (resource, what, cli, state) = match event.contains("Image") {
            true => (
                "image-block-public-access",
                "images",
                "ec2 enable-image-block-public-access",
                "--image-block-public-access-state",
            ),
            false => (
                "snapshot-block-public-access",
                "snapshots",
                "ec2 enable-snapshot-block-public-access",
                "--state",
            ),
        };
        let bar = if event.contains("Image") { "block-new-sharing" } else { "block-all-sharing" };
        if event.starts_with("Enable") {
            let title = format!("{who} barred public {what} in {region}");
            cx.report(cx.passing(resource, title));
            return Ok(());
        }
        let seen = cx
            .failing(resource, format!("{who} took away the bar to public {what} in {region}"))
            .because(format!("Everybody who may share {what} may now make them public."))
            .step("Switch it on again", cli, &[(state, bar), ("--region", region)])
            .step("Is anything public now?", public(what), &[("--region", region)]);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// The call that lists what is public.
fn public(what: &str) -> &'static str {
    match what {
        "images" => "ec2 describe-images --owners self --executable-users all",
        _ => "ec2 describe-snapshots --owner-ids self --restorable-by-user-ids all",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn ec2(name: &str) -> String {
        call("ec2", name, json!({"requestParameters": {format!("{name}Request"): ""}}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&SharingBlockOff, Severity::Medium, &ec2("DisableSnapshotBlockPublicAccess"));
        assert_eq!(seen.title, "alice took away the bar to public snapshots in us-east-1");
        assert_eq!(seen.subject.region, "us-east-1");
        let bare = call("ec2", "DisableImageBlockPublicAccess", json!({"requestParameters": null}));
        let images = fires_at(&SharingBlockOff, Severity::Medium, &bare);
        assert_ne!(images.finding_id(), seen.finding_id());
    }

    #[test]
    fn switching_it_on_settles_it() {
        for what in ["Snapshot", "Image"] {
            let on = observe(&SharingBlockOff, &ec2(&format!("Enable{what}BlockPublicAccess")));
            let off = fired(&SharingBlockOff, &ec2(&format!("Disable{what}BlockPublicAccess")));
            assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &SharingBlockOff,
            &[
                call(
                    "ec2",
                    "DisableSnapshotBlockPublicAccess",
                    json!({"errorCode": "Client.UnauthorizedOperation"}),
                ),
                call("ec2", "DisableEbsEncryptionByDefault", json!({})),
            ],
        );
    }
}
