use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A bar that keeps a whole account or region from being public was taken away: for EBS snapshots, machine
    /// images, networks (VPC Block Public Access, or an exclusion from it: low), EMR clusters, documents of
    /// Systems Manager and dashboards of QuickSight. Putting it back settles the finding.
    /// ## Why it matters
    /// With the bar in place nobody can make such a thing public, not even by mistake. Snapshots
    /// that were public before and only hidden by it become public again at once.
    /// ## What to do
    /// Switch it on again. If something has to be public, do that in an account that holds nothing else.
    /// ## False positives
    /// Makers of public images, and a network that is meant for the internet: exclude its subnets from the bar,
    /// which is low, and leave the bar in place.
    SharingBlockOff {
        id: "exposure-sharing-block-off",
        title: "A bar to public snapshots, images, networks or dashboards was taken away",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-11"],
        references: [
            security_hub(&["EC2.182"]),
            attack(&["T1537", "T1562"]),
            doc(&["EBS user guide: block public access for snapshots"]),
            doc(&["EC2 user guide: block public access for AMIs"]),
            doc(&["VPC user guide: block public access to VPCs and subnets"]),
            doc(&["EMR management guide: using Amazon EMR block public access"]),
        ],
        on: [
            On::Call("ec2.amazonaws.com", &[
                "DisableSnapshotBlockPublicAccess", "EnableSnapshotBlockPublicAccess",
                "DisableImageBlockPublicAccess", "EnableImageBlockPublicAccess", "ModifyVpcBlockPublicAccessOptions",
                "CreateVpcBlockPublicAccessExclusion", "DeleteVpcBlockPublicAccessExclusion",
            ]),
            On::Call("elasticmapreduce.amazonaws.com", &["PutBlockPublicAccessConfiguration"]),
            On::Call("quicksight.amazonaws.com", &["UpdatePublicSharingSettings"]),
            On::Call("ssm.amazonaws.com", &["UpdateServiceSetting"]),
        ],
    }
}

/// A bar: the finding's resource, what it bars, what may happen without it, and the commands that put it back and that list
/// what is public.
struct Bar {
    resource: String,
    what: &'static str,
    why: &'static str,
    back: &'static str,
    public: &'static str,
}

impl Bar {
    fn new(
        resource: &str,
        what: &'static str,
        why: &'static str,
        back: &'static str,
        public: &'static str,
    ) -> Bar {
        Bar { resource: resource.to_owned(), what, why, back, public }
    }

    /// The bar that a call is about, and whether it is in place afterwards.
    fn of(record: &Record<'_>) -> Option<(Bar, bool)> {
        let (event, request) = (record.event_name.or_empty(), record.request());
        Some(match event {
            "ModifyVpcBlockPublicAccessOptions" => {
                let bar = Bar::new(
                    "vpc-block-public-access",
                    "public networks",
                    "Whatever has a route to an internet gateway and a public address can be reached.",
                    "ec2 modify-vpc-block-public-access-options --internet-gateway-block-mode block-bidirectional",
                    "ec2 describe-internet-gateways",
                );
                (bar, ec2_parameter(record, "internetGatewayBlockMode")? != "off")
            }
            "PutBlockPublicAccessConfiguration" => {
                let bar = Bar::new(
                    "emr-block-public-access",
                    "EMR clusters that are open to the internet",
                    "A cluster may be started whose security group lets the whole internet in.",
                    "emr put-block-public-access-configuration --block-public-access-configuration BlockPublicSecurityGroupRules=true",
                    "emr list-clusters --active",
                );
                (bar, flag_at(request, &["blockPublicAccessConfiguration", "blockPublicSecurityGroupRules"])?)
            }
            // One call for all settings of Systems Manager.
            "UpdateServiceSetting" => {
                if !text_at(request, &["settingId"])?.ends_with("documents/console/public-sharing-permission")
                {
                    return None;
                }
                let bar = Bar::new(
                    "ssm-document-block-public-sharing",
                    "public documents of Systems Manager",
                    "Everybody who may share documents, with scripts and what is written in them, may now make them public.",
                    "ssm update-service-setting --setting-id /ssm/documents/console/public-sharing-permission --setting-value Disable",
                    "ssm list-documents --filters Key=Owner,Values=Self",
                );
                (bar, text_at(request, &["settingValue"])? != "Enable")
            }
            "UpdatePublicSharingSettings" => {
                let bar = Bar::new(
                    "quicksight-public-sharing",
                    "public dashboards",
                    "Whoever may share a dashboard may now show it to everybody on the internet.",
                    "quicksight update-public-sharing-settings --no-public-sharing-enabled",
                    "quicksight list-dashboards",
                );
                (bar, !flag_at(request, &["publicSharingEnabled"])?)
            }
            _ if event.contains("Image") => {
                let bar = Bar::new(
                    "image-block-public-access",
                    "public images",
                    "Everybody who may share images may now make them public.",
                    "ec2 enable-image-block-public-access --image-block-public-access-state block-new-sharing",
                    "ec2 describe-images --owners self --executable-users all",
                );
                (bar, event.starts_with("Enable"))
            }
            _ => {
                let bar = Bar::new(
                    "snapshot-block-public-access",
                    "public snapshots",
                    "Everybody who may share snapshots may now make them public.",
                    "ec2 enable-snapshot-block-public-access --state block-all-sharing",
                    "ec2 describe-snapshots --owner-ids self --restorable-by-user-ids all",
                );
                (bar, event.starts_with("Enable"))
            }
        })
    }
}

impl Rule for SharingBlockOff {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, region) = (caller_name(record), record.aws_region.or_empty());
        if record.event_name.or_empty().ends_with("Exclusion") {
            exclusion(record, cx);
            return Ok(());
        }
        let Some((bar, in_place)) = Bar::of(record) else { return Ok(()) };
        let Bar { resource, what, why, back, public } = bar;
        if in_place {
            cx.report(cx.passing(resource, format!("{who} barred {what} in {region}")));
            return Ok(());
        }
        let account = [("--aws-account-id", record.account()), region_option(record)];
        let options = if resource.starts_with("quicksight") { &account[..] } else { &account[1..] };
        let seen = cx
            .failing(resource, format!("{who} took away the bar to {what} in {region}"))
            .because(why)
            .step("Switch it on again", back, options)
            .step("Is anything public now?", public, options);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// A network or subnet that the bar leaves out.
fn exclusion(record: &Record<'_>, cx: &mut Cx<'_>) {
    let answered = record.response_text(&["vpcBlockPublicAccessExclusion", "exclusionId"]);
    let Some(id) = ec2_parameter(record, "exclusionId").or(answered) else { return };
    let (who, arn) =
        (caller_name(record), record.arn("ec2", &format!("vpc-block-public-access-exclusion/{id}")));
    if record.event_name.or_empty().starts_with("Delete") {
        cx.report(cx.passing(arn, format!("{who} took back exclusion {id} from the bar to public networks")));
        return;
    }
    let Some(place) = ["subnetId", "vpcId"].iter().find_map(|key| ec2_parameter(record, key)) else { return };
    let seen = cx
        .failing(arn, format!("{who} left {place} out of the bar to public networks"))
        .severity(Severity::Low)
        .because("What has a public address there can be reached, or can reach out, as if there were no bar.")
        .step(
            "Take it back",
            "ec2 delete-vpc-block-public-access-exclusion",
            &[region_option(record), ("--exclusion-id", id)],
        );
    cx.report(cx.tempered(stop_caller(seen, record)));
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
    fn networks_clusters_and_dashboards_have_bars_too() {
        let put =
            |source: &str, name: &str, request| call(source, name, json!({"requestParameters": request}));
        let vpc = |mode: &str| {
            let request =
                json!({"ModifyVpcBlockPublicAccessOptionsRequest": {"InternetGatewayBlockMode": mode}});
            put("ec2", "ModifyVpcBlockPublicAccessOptions", request)
        };
        let emr = |on: bool| {
            let request = json!({"blockPublicAccessConfiguration": {"blockPublicSecurityGroupRules": on}});
            put("elasticmapreduce", "PutBlockPublicAccessConfiguration", request)
        };
        let dashboards =
            |on: bool| put("quicksight", "UpdatePublicSharingSettings", json!({"publicSharingEnabled": on}));
        for (off, on) in [
            (vpc("off"), vpc("block-ingress")),
            (emr(false), emr(true)),
            (dashboards(true), dashboards(false)),
        ] {
            let off = fires_at(&SharingBlockOff, Severity::Medium, &off);
            let on = observe(&SharingBlockOff, &on);
            assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        }
        let request = json!({"CreateVpcBlockPublicAccessExclusionRequest": {"SubnetId": "subnet-1"}});
        let flat = json!({"vpcBlockPublicAccessExclusion": {"exclusionId": "x-1"}});
        let made = call(
            "ec2",
            "CreateVpcBlockPublicAccessExclusion",
            json!({"requestParameters": request, "responseElements": flat}),
        );
        let made = fires_at(&SharingBlockOff, Severity::Low, &made);
        assert_eq!(made.title, "alice left subnet-1 out of the bar to public networks");
        let gone = put(
            "ec2",
            "DeleteVpcBlockPublicAccessExclusion",
            json!({"DeleteVpcBlockPublicAccessExclusionRequest": {"ExclusionId": "x-1"}}),
        );
        assert_eq!(observe(&SharingBlockOff, &gone)[0].finding_id(), made.finding_id());
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

    #[test]
    fn documents_of_systems_manager_may_be_made_public() {
        let id = "arn:aws:ssm:us-east-1:111122223333:servicesetting/ssm/documents/console/public-sharing-permission";
        let set = |id: &str, value: &str| {
            asked("ssm", "UpdateServiceSetting", json!({"settingId": id, "settingValue": value}))
        };
        let seen = fires_at(&SharingBlockOff, Severity::Medium, &set(id, "Enable"));
        let back =
            observe(&SharingBlockOff, &set("/ssm/documents/console/public-sharing-permission", "Disable"));
        assert_eq!((back[0].verdict, back[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        quiet(&SharingBlockOff, &[set("/ssm/parameter-store/high-throughput-enabled", "Enable")]);
    }
}
