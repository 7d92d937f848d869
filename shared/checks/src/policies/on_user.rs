use keepwatch_policy::{Effect, PolicyName, managed};

use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Users have no policies of their own, inline or attached: they get what they need through groups. Left alone are AWS's
    /// quarantine policies, IAMUserChangePassword, which the console attaches, and inline policies that allow nothing but to send
    /// mail, which SES makes for its SMTP users.
    /// ## Why it matters
    /// What stands on single users is forgotten when they change work, and nobody sees who may what.
    /// ## What to do
    /// Make a group for the task, attach the policy to it, put the user in, and take the policy off the user.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Nothing, when the user is in the group before the policy is taken off. A user can be in ten groups.
    OnUser {
        id: "policy.on-user",
        title: "Users have no policies of their own",
        severity: Low,
        practices: ["P28"],
        number: 2,
        references: [
            cis("3.0", &["1.15"]),
            cis("5.0", &["1.14"]),
            security_hub(&["IAM.2"]),
            config(&["iam-user-no-policies-check", "iam-user-group-membership-check"]),
        ],
        asks: [Authorization],
        finding: "iam-policy-on-user",
    }
}

/// Whether the policy allows nothing but to send mail.
fn only_sends_mail(text: &str) -> bool {
    let Ok(document) = power::read(PolicyName::Inline(""), text) else { return false };
    document.statements.iter().filter(|one| one.effect == Effect::Allow).all(|one| {
        let sends = |action: &String| {
            let action = action.to_ascii_lowercase();
            action.starts_with("ses:send") && !action.contains('*')
        };
        one.not_actions.is_none() && one.actions.iter().all(sends)
    })
}

impl Check for OnUser {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for user in &cx.known(Authorization, GLOBAL)?.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let attached = user.managed.iter().filter(|arn| {
                    !managed::is_quarantine(arn) && managed::name_of(arn) != Some("IAMUserChangePassword")
                });
                let attached: Vec<&str> =
                    attached.map(|arn| arn.rsplit('/').next().unwrap_or(arn.as_str())).collect();
                let inline = user.inline.iter().filter(|policy| !only_sends_mail(&policy.text));
                let inline: Vec<&str> = inline.map(|policy| policy.name.as_str()).collect();
                let name = &user.name;
                if attached.is_empty() && inline.is_empty() {
                    cx.report(cx.passing(format!("User {name} has no policies of its own")));
                    return Ok(());
                }
                let count = attached.len() + inline.len();
                let many = if count == 1 {
                    "a policy of its own".to_owned()
                } else {
                    format!("{count} policies of its own")
                };
                let mut seen = cx.failing(format!("User {name} has {many}"));
                if !attached.is_empty() {
                    seen = seen.detail("Attached", attached.join(", "));
                }
                if !inline.is_empty() {
                    seen = seen.detail("Inline", inline.join(", "));
                }
                let seen =
                    seen.step("Which groups is it in?", "iam list-groups-for-user", &[("--user-name", name)]);
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, allow, authorization_of, policy};
    use crate::testing::*;
    use facts::iam::User;

    fn verdict(managed: &[&str], inline: &[&str]) -> Judged {
        let user = User {
            managed: managed.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}")).collect(),
            inline: inline.iter().map(|text| policy("p", text)).collect(),
            ..admin("u")
        };
        judge_one(&OnUser, &account().with(Authorization, global(), authorization_of(vec![user]))).verdict
    }

    #[test]
    fn any_policy_fails_but_those_that_aws_puts_there() {
        let read = allow("\"s3:GetObject\"", "\"*\"");
        assert_eq!(verdict(&[], &[]), Judged::Passing);
        assert_eq!(verdict(&["ReadOnlyAccess"], &[]), Judged::Failing);
        assert_eq!(verdict(&[], &[&read]), Judged::Failing);
        assert_eq!(
            verdict(&["AWSCompromisedKeyQuarantineV2", "IAMUserChangePassword"], &[]),
            Judged::Passing
        );
        assert_eq!(verdict(&[], &[&allow("\"ses:SendRawEmail\"", "\"*\"")]), Judged::Passing);
        assert_eq!(verdict(&[], &[&allow("\"ses:*\"", "\"*\"")]), Judged::Failing);
        assert_eq!(verdict(&[], &["no policy"]), Judged::Failing);
    }

    #[test]
    fn unknown_where_refused() {
        let one = judge_one(&OnUser, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
