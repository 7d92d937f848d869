use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The organization's central management of member accounts' root users was switched on (high) or off (medium):
    /// either the part that manages root credentials or the part that opens root sessions for bucket and queue
    /// policies.
    /// ## Why it matters
    /// On, it lets a few permissions in the management account act as root in every member account. Off, nobody can
    /// remove or audit the members' root credentials from one place any more.
    /// ## What to do
    /// Compare it with your plans. If it was not planned, find out what its author did next (`AssumeRoot` in
    /// particular) and set it back.
    /// ## False positives
    /// The day on which the organization introduces the feature, which AWS recommends. It is a rare, deliberate step:
    /// any second time deserves a question.
    CentralizedRoot {
        id: "root-central-management-switched",
        title: "Central management of root users was switched on or off",
        severity: High,
        confidence: High,
        catalogue: ["ROOT-12"],
        references: [
            attack(&["T1098"]),
            doc(&["IAM user guide: centralize root access for member accounts"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["EnableOrganizationsRootSessions", "DisableOrganizationsRootSessions",
            "EnableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootCredentialsManagement"])],
        repeat_hours: 1,
    }
}

/// Call, severity, part of the feature, what happened, why it matters, how to undo it.
const SWITCHES: [(&str, Severity, &str, &str, &str, &str); 4] = [
    (
        "EnableOrganizationsRootSessions",
        Severity::High,
        "root sessions",
        "Root sessions in member accounts were allowed",
        "Chosen people can now delete bucket and queue policies as root of any member.",
        "iam disable-organizations-root-sessions",
    ),
    (
        "DisableOrganizationsRootSessions",
        Severity::Medium,
        "root sessions",
        "Root sessions in member accounts were switched off",
        "A bucket or queue that locks everybody out now needs the member's own root user.",
        "iam enable-organizations-root-sessions",
    ),
    (
        "EnableOrganizationsRootCredentialsManagement",
        Severity::High,
        "root credentials",
        "Central management of members' root credentials was switched on",
        "Chosen people can now delete the root credentials of any member, or bring the password back.",
        "iam disable-organizations-root-credentials-management",
    ),
    (
        "DisableOrganizationsRootCredentialsManagement",
        Severity::Medium,
        "root credentials",
        "Central management of members' root credentials was switched off",
        "Members' root passwords can be recovered again, and nobody can audit them centrally.",
        "iam enable-organizations-root-credentials-management",
    ),
];

impl Rule for CentralizedRoot {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let name = record.event_name.or_empty();
        let Some((_, severity, part, what, why, undo)) = SWITCHES.iter().find(|switch| switch.0 == name)
        else {
            return Ok(());
        };
        let account = record.account();
        let organization = record.response_text(&["organizationId"]);
        let resource = match organization {
            Some(id) => format!("arn:{}:organizations::{account}:organization/{id}", record.partition()),
            None => record.root_arn(),
        };
        let seen = cx
            .failing(resource, format!("{what} by {}", caller_name(record)))
            .global()
            .severity(*severity)
            .aspect(part)
            .because(why)
            .detail_if("Organization", organization)
            .step("Which parts are on now? (management account)", "iam list-organizations-features", &[])
            .step(
                "Was AssumeRoot used since? (management account; STS logs it in the region that was called: repeat in every \
                 enabled region)",
                "cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=AssumeRoot",
                &[region_option(record)],
            )
            .step("If it was not planned, set it back (management account)", undo, &[]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn fires() {
        let organization = json!({"responseElements": {"organizationId": "o-example"}});
        let event = |name: &str| call("iam", name, organization.clone());
        let on = fires_at(&CentralizedRoot, Severity::High, &event("EnableOrganizationsRootSessions"));
        let off = fires_at(&CentralizedRoot, Severity::Medium, &event("DisableOrganizationsRootSessions"));
        assert_eq!(on.finding_id(), off.finding_id());
        assert_eq!(on.title, "Root sessions in member accounts were allowed by alice");
        assert_eq!(on.subject.resource, "arn:aws:organizations::111122223333:organization/o-example");
        let keys = fires_at(
            &CentralizedRoot,
            Severity::High,
            &event("EnableOrganizationsRootCredentialsManagement"),
        );
        assert_ne!(on.finding_id(), keys.finding_id());
        let bare = json!({"requestParameters": "x", "responseElements": null, "recipientAccountId": null});
        let bare = call("iam", "DisableOrganizationsRootCredentialsManagement", bare);
        assert_eq!(fires_at(&CentralizedRoot, Severity::Medium, &bare).subject.account, ACCOUNT);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &CentralizedRoot,
            &[
                call(
                    "iam",
                    "EnableOrganizationsRootSessions",
                    json!({"errorCode": "ServiceAccessNotEnabledException"}),
                ),
                call("iam", "ListOrganizationsFeatures", json!({"readOnly": true})),
                call("organizations", "EnableOrganizationsRootSessions", json!({})),
            ],
        );
    }
}
