use super::held;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No customer managed policy gives administrative power: every action on every resource, or a way to it such as all of
    /// IAM, writing policies, attaching them, or passing any role to a service. The policy engine reads the document as IAM
    /// does: lists, `*:*`, `NotAction`, `NotResource`, and what a Deny takes away. Only the default version counts. A policy
    /// that nobody holds is a line to know; use as a permissions boundary is no holding. AWS's own AdministratorAccess is
    /// judged by who holds it.
    /// ## Why it matters
    /// Whoever gets hold of it, by a leaked key or a flaw in a program, has the account. A way to power needs one call more.
    /// ## What to do
    /// Replace it by what is needed; "generate policy" in IAM makes one from what was used in CloudTrail. Administrators use
    /// AWS's own policy. Pipelines that make roles get a permissions boundary and the condition `iam:PassedToService`.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Whatever was not among the uses that the new policy was made from: keep the old version for a while.
    AdminStar {
        id: "policy.admin-star",
        title: "No managed policy of the account gives administrative power",
        severity: High,
        practices: ["P27", "P29", "P33"],
        number: 1,
        references: [
            cis("3.0", &["1.16"]),
            cis("5.0", &["1.15"]),
            security_hub(&["IAM.1", "IAM.21"]),
            config(&["iam-policy-no-statements-with-admin-access"]),
        ],
        asks: [Authorization],
        finding: "admin-policy-written",
        closes: [Closes::Listed("arn:*:iam::*:policy/*")],
    }
}

impl Check for AdminStar {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each_managed(cx, authorization, |cx, policy| {
            cx.report(held::administrative(cx, &policy));
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{allow, authorization_of, managed};
    use crate::testing::*;

    fn judgement(document: &str, attachments: u32) -> Judgement {
        let mut authorization = authorization_of(vec![]);
        authorization.policies = vec![managed("p", document, attachments)];
        judge_one(&AdminStar, &account().with(Authorization, global(), authorization))
    }

    fn verdict(document: &str, attachments: u32) -> (Judged, Severity) {
        let one = judgement(document, attachments);
        (one.verdict, one.severity)
    }

    #[test]
    fn every_spelling_of_everything_fails() {
        for (actions, resources) in [
            ("\"*\"", "\"*\""),
            (r#"["ec2:Describe*", "*"]"#, r#"["*"]"#),
            ("\"*:*\"", r#"["arn:aws:s3:::x", "*"]"#),
            ("\"**\"", "\"*\""),
        ] {
            let one = judgement(&allow(actions, resources), 1);
            assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High), "{actions}");
            assert_eq!(one.practices, ["P27", "P29", "P33"]);
        }
        let not_action =
            r#"{"Statement": {"Effect": "Allow", "NotAction": ["aws-portal:*"], "Resource": "*"}}"#;
        assert_eq!(verdict(not_action, 1).0, Judged::Failing);
        let not_resource =
            r#"{"Statement": {"Effect": "Allow", "Action": "*", "NotResource": ["arn:aws:s3:::x"]}}"#;
        assert_eq!(verdict(not_resource, 1).0, Judged::Failing);
        let encoded = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%7D";
        assert_eq!(verdict(encoded, 1).0, Judged::Failing);
    }

    /// The same judgement as the event's, and no star: it is no matter of P27.
    #[test]
    fn ways_to_power_fail_as_such() {
        for actions in [
            "\"iam:*\"",
            "\"sts:*\"",
            "\"IAM:CreatePolicyVersion\"",
            "\"iam:Put*\"",
            r#"["iam:PassRole", "lambda:*"]"#,
        ] {
            let one = judgement(&allow(actions, "\"*\""), 1);
            assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium), "{actions}");
            assert_eq!(one.practices, ["P29", "P33"]);
        }
        assert_eq!(verdict(&allow("\"iam:*\"", "\"*\""), 0).0, Judged::Informational);
    }

    #[test]
    fn a_condition_lowers_it_and_a_deny_takes_it_away() {
        let conditional = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}}"#;
        assert_eq!(verdict(conditional, 1), (Judged::Failing, Severity::Medium));
        let denied = r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": "*"}]}"#;
        assert_eq!(verdict(denied, 1).0, Judged::Passing);
        let power_user = r#"{"Statement": {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*", "sts:*"],
            "Resource": "*"}}"#;
        let one = judgement(power_user, 1);
        assert!(one.verdict == Judged::Passing || one.practices == ["P29", "P33"], "{one:?}");
        let s3 = judgement(&allow("\"s3:*\"", "\"*\""), 1);
        assert_eq!((s3.verdict, s3.practices), (Judged::Passing, ["P27"].as_slice()));
    }

    #[test]
    fn unattached_is_a_line_and_unreadable_is_unknown() {
        assert_eq!(verdict(&allow("\"*\"", "\"*\""), 0).0, Judged::Informational);
        assert_eq!(verdict("no policy", 1).0, Judged::Unknown);
        let one = judge_one(&AdminStar, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
        let none = account().with(Authorization, global(), authorization_of(vec![]));
        assert_eq!(judge_one(&AdminStar, &none).verdict, Judged::NotApplicable);
    }
}
