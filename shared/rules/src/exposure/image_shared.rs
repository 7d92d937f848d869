use super::shared::{Grantee, Shared, listed};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A machine image (AMI) was shared: with everybody (high), with an account that is neither yours nor
    /// trusted (medium), or with an organization (low, for the event does not say whose it is). Each grantee
    /// is a finding of its own; taking the grantee off the list settles it. The end of a public image settles
    /// its finding.
    /// ## Why it matters
    /// Whoever may start the image can read what is on its disks: code, configuration and, too often,
    /// credentials.
    /// ## What to do
    /// Take the grantee off the list. If the image was public, change every credential that was on it: images
    /// are searched for them.
    /// ## False positives
    /// Images that are published on purpose, and golden images for other accounts of your organization: name
    /// them in the TrustedAccounts parameter.
    ImageShared {
        id: "exposure-image-shared",
        title: "A machine image was shared outside the account",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-05"],
        references: [attack(&["T1537"]), doc(&["EC2 user guide: shared AMIs"])],
        on: [On::Call("ec2.amazonaws.com", &[
            "ModifyImageAttribute", "ResetImageAttribute", "DeregisterImage",
        ])],
    }
}

impl Rule for ImageShared {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(image) = record.param(&["imageId"]) else { return Ok(()) };
        let list = |which: &str| listed(record.request(), &["launchPermission", which]);
        let lists = match record.event_name.or_empty() {
            "ResetImageAttribute" | "DeregisterImage" => (Vec::new(), vec![Grantee::Everyone]),
            _ => (list("add"), list("remove")),
        };
        let shared = Shared {
            arn: &record.arn("ec2", &format!("image/{image}")),
            name: &format!("machine image {image}"),
            everyone: Severity::High,
            account: Severity::Medium,
            why: "Whoever may start the image can read everything on its disks.",
        };
        shared.report(record, cx, lists, |seen, grantee| {
            let item = match grantee {
                Grantee::Everyone => "Group=all".to_owned(),
                Grantee::Account(account) => shorthand(&[("UserId", account)]),
                Grantee::Organization(arn) if arn.contains(":ou/") => {
                    shorthand(&[("OrganizationalUnitArn", arn)])
                }
                Grantee::Organization(arn) => shorthand(&[("OrganizationArn", arn)]),
            };
            seen.step(
                "Who has it now?",
                "ec2 describe-image-attribute --attribute launchPermission",
                &[region_option(record), ("--image-id", image)],
            )
            .step(
                "Take the grantee off the list",
                "ec2 modify-image-attribute",
                &[
                    region_option(record),
                    ("--image-id", image),
                    ("--launch-permission", &format!("Remove=[{{{item}}}]")),
                ],
            )
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn modify(which: &str, items: Value) -> String {
        let request = json!({"imageId": "ami-1", "attributeType": "launchPermission", "launchPermission": {which: {"items": items}}});
        call("ec2", "ModifyImageAttribute", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let public = fires_at(&ImageShared, Severity::High, &modify("add", json!([{"group": "all"}])));
        assert_eq!(public.title, "alice shared machine image ami-1 with everybody with an AWS account");
        fires_at(&ImageShared, Severity::Medium, &modify("add", json!([{"userId": "999988887777"}])));
        let organization =
            json!([{"organizationArn": "arn:aws:organizations::999988887777:organization/o-abcd123456"}]);
        let seen = fires_at(&ImageShared, Severity::Low, &modify("add", organization));
        assert_eq!(seen.title, "alice shared machine image ami-1 with organization o-abcd123456");
    }

    #[test]
    fn taking_the_grantee_off_settles_his_finding() {
        let public = fired(&ImageShared, &modify("add", json!([{"group": "all"}])));
        let reset = call("ec2", "ResetImageAttribute", json!({"requestParameters": {"imageId": "ami-1"}}));
        let gone = call("ec2", "DeregisterImage", json!({"requestParameters": {"imageId": "ami-1"}}));
        for event in [modify("remove", json!([{"group": "all"}])), reset, gone] {
            let gone = observe(&ImageShared, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), public.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ImageShared,
            &[
                modify("add", json!([{"userId": "444455556666"}, {"userId": "111122223333"}])),
                call(
                    "ec2",
                    "ModifyImageAttribute",
                    json!({"requestParameters": {"imageId": "ami-1", "description": {"value": "x"}}}),
                ),
                call(
                    "ec2",
                    "ModifyImageAttribute",
                    json!({"errorCode": "Client.AuthFailure", "requestParameters":
                    {"imageId": "ami-1", "launchPermission": {"add": {"items": [{"group": "all"}]}}}}),
                ),
                call("ec2", "ModifyImageAttribute", json!({"requestParameters": null})),
            ],
        );
    }
}
