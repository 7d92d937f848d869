use keepwatch_policy::Level;

use super::held;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No customer managed policy and no inline policy allows every action on every resource. The policy engine reads the
    /// document as IAM does: lists, `*:*`, `NotAction`, `NotResource`, and what a Deny takes away. Only the default version counts. A
    /// policy that nobody holds is a line to know. AWS's own AdministratorAccess is judged by who holds it.
    /// ## Why it matters
    /// Whoever gets hold of it, by a leaked key or a flaw in a program, has the account.
    /// ## What to do
    /// Replace it by what is needed; "generate policy" in IAM makes one from what was used in CloudTrail. Administrators use AWS's
    /// own policy.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Whatever was not among the uses that the new policy was made from: keep the old version for a while.
    AdminStar {
        id: "policy.admin-star",
        title: "No policy of the account allows everything",
        severity: High,
        practices: ["P27"],
        number: 1,
        references: [
            cis("3.0", &["1.16"]),
            cis("5.0", &["1.15"]),
            security_hub(&["IAM.1"]),
            config(&["iam-policy-no-statements-with-admin-access"]),
        ],
        asks: [Authorization],
        finding: "admin-policy-written",
    }
}

impl Check for AdminStar {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each(cx, authorization, |cx, policy| {
            let name = &policy.name;
            let seen = if policy.grant.level < Level::FullAdmin {
                cx.passing(format!("{name} does not allow everything"))
            } else if !policy.attached {
                cx.informational(format!("{name} allows everything, and nobody holds it"))
            } else {
                let seen = cx.failing(format!("{name} allows everything")).because(&policy.grant.why);
                let seen = if policy.grant.conditional { seen.severity(Severity::Medium) } else { seen };
                seen.step("Look at it", policy.look.0, &policy.look.1)
            };
            cx.report(seen);
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, allow, authorization_of, managed, policy};
    use crate::testing::*;
    use facts::iam::{Role, User};

    fn verdict(document: &str, attachments: u32) -> (Judged, Severity) {
        let mut authorization = authorization_of(vec![]);
        authorization.policies = vec![managed("p", document, attachments)];
        let one = judge_one(&AdminStar, &account().with(Authorization, global(), authorization));
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
            assert_eq!(
                verdict(&allow(actions, resources), 1),
                (Judged::Failing, Severity::High),
                "{actions}"
            );
        }
        let not_action =
            r#"{"Statement": {"Effect": "Allow", "NotAction": ["aws-portal:*"], "Resource": "*"}}"#;
        assert_eq!(verdict(not_action, 1).0, Judged::Failing);
        let encoded = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%7D";
        assert_eq!(verdict(encoded, 1).0, Judged::Failing);
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
        assert_eq!(verdict(power_user, 1).0, Judged::Passing);
    }

    #[test]
    fn unattached_is_a_line_and_unreadable_is_unknown() {
        assert_eq!(verdict(&allow("\"*\"", "\"*\""), 0).0, Judged::Informational);
        assert_eq!(verdict("no policy", 1).0, Judged::Unknown);
        let one = judge_one(&AdminStar, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }

    #[test]
    fn inline_policies_are_judged_by_holder_and_services_roles_are_not() {
        let star = allow("\"*\"", "\"*\"");
        let boss = User { inline: vec![policy("all", &star)], ..admin("boss") };
        let mut authorization = authorization_of(vec![boss]);
        authorization.roles = vec![Role {
            arn: "arn:aws:iam::111122223333:role/aws-service-role/x/r".to_owned(),
            path: "/aws-service-role/x/".to_owned(),
            inline: vec![policy("all", &star)],
            ..Role::default()
        }];
        let state = account().with(Authorization, global(), authorization);
        assert_eq!(judged(&AdminStar, &state), [("boss#all".to_owned(), Judged::Failing)]);
    }
}
