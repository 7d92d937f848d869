use keepwatch_policy::Level;

use super::held;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No policy of the account that somebody holds lets its holder gain more power than it says: all of IAM, writing policies,
    /// attaching them, passing strong roles to a service, and the other known ways. Policies that allow everything are the matter
    /// of `policy.admin-star`.
    /// ## Why it matters
    /// Whoever may change permissions may give themselves all of them.
    /// ## What to do
    /// Leave the management of permissions to administrators; limit the others by path, by a permissions boundary, or by the
    /// condition `iam:PassedToService`.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Pipelines that make roles: give them a boundary in place of taking the right away.
    PermissionsManagement {
        id: "policy.permissions-management",
        title: "Only administrators manage permissions",
        severity: Medium,
        practices: ["P33"],
        references: [config(&["iam-policy-no-statements-with-full-access"])],
        asks: [Authorization],
    }
}

impl Check for PermissionsManagement {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each(cx, authorization, |cx, policy| {
            let (name, grant) = (&policy.name, &policy.grant);
            let seen = if !policy.attached {
                cx.not_applicable(format!("Nobody holds {name}"))
            } else if grant.level == Level::FullAdmin {
                cx.not_applicable(format!("{name} allows everything, which policy.admin-star tells"))
            } else if grant.level == Level::PrivilegeEscalation {
                let seen = cx.failing(format!("{name} lets its holder gain power")).because(&grant.why);
                let seen = if grant.conditional { seen.severity(Severity::Low) } else { seen };
                seen.detail("Ways", grant.paths.join(", ")).step("Look at it", policy.look.0, &policy.look.1)
            } else {
                cx.passing(format!("{name} opens no way to more power"))
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
    use crate::kit::fixtures::{allow, authorization_of, managed};
    use crate::testing::*;

    fn verdict(actions: &str, attachments: u32) -> Judged {
        let mut authorization = authorization_of(vec![]);
        authorization.policies = vec![managed("p", &allow(actions, "\"*\""), attachments)];
        judge_one(&PermissionsManagement, &account().with(Authorization, global(), authorization)).verdict
    }

    #[test]
    fn ways_to_more_power_fail() {
        assert_eq!(verdict("\"iam:*\"", 1), Judged::Failing);
        assert_eq!(verdict("\"IAM:CreatePolicyVersion\"", 1), Judged::Failing);
        assert_eq!(verdict(r#"["iam:PassRole", "lambda:*"]"#, 1), Judged::Failing);
        assert_eq!(verdict("\"s3:*\"", 1), Judged::Passing);
        assert_eq!(verdict("\"*\"", 1), Judged::NotApplicable);
        assert_eq!(verdict("\"iam:*\"", 0), Judged::NotApplicable);
    }

    #[test]
    fn unknown_where_refused() {
        let one = judge_one(&PermissionsManagement, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
