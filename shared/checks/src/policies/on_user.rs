use keepwatch_policy::{Effect, Origin, managed};

use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Users have no policies of their own, inline or attached: they get what they need through groups. Left alone are AWS's
    /// quarantine policies, IAMUserChangePassword, which the console attaches, and inline policies that allow nothing but to
    /// send mail, which SES makes for its SMTP users.
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
        closes: [Closes::Listed("arn:*:iam::*:user/*")],
    }
}

/// Whether the policy allows nothing but to send mail.
fn only_sends_mail(text: &str) -> bool {
    let Ok(document) = power::read(Origin::Inline, "", text) else { return false };
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
            let subject = cx.iam_arn("user", &user.name);
            cx.about(GLOBAL, &subject, |cx| {
                let name = user.name.as_str();
                let own = |arn: &&String| {
                    !managed::is_quarantine(arn) && managed::name_of(arn) != Some("IAMUserChangePassword")
                };
                let attached: Vec<&String> = user.managed.iter().filter(own).collect();
                let inline: Vec<_> =
                    user.inline.iter().filter(|policy| !only_sends_mail(&policy.text)).collect();
                for arn in &attached {
                    let short = arn.rsplit('/').next().unwrap_or(arn);
                    let seen = cx
                        .failing(format!("Policy {short} is attached to user {name}"))
                        .because("permissions belong on groups and roles, where somebody looks after them")
                        .step(
                            "Once a group gives it, take it from the user",
                            "iam detach-user-policy",
                            &[("--user-name", name), ("--policy-arn", arn.as_str())],
                        );
                    cx.report(seen.aspect(arn));
                }
                for policy in &inline {
                    let seen = cx
                        .failing(format!("User {name} has inline policy {}", policy.name))
                        .because("permissions belong on groups and roles, where somebody looks after them")
                        .step(
                            "Read the policy",
                            "iam get-user-policy",
                            &[("--user-name", name), ("--policy-name", policy.name.as_str())],
                        );
                    cx.report(seen.aspect(&policy.name));
                }
                if attached.is_empty() && inline.is_empty() {
                    let seen = if user.groups.is_empty() && user.managed.is_empty() && user.inline.is_empty()
                    {
                        cx.informational(format!("User {name} is in no group and has no policy at all"))
                    } else {
                        cx.passing(format!("User {name} has no policies of its own"))
                    };
                    cx.report(seen);
                }
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
            groups: vec!["g".to_owned()],
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

    /// The same subjects as the events of AttachUserPolicy and PutUserPolicy, one a policy.
    #[test]
    fn each_policy_is_one_finding() {
        let user = User {
            arn: "arn:aws:iam::111122223333:user/team/u".to_owned(),
            inline: vec![policy("p", &allow("\"s3:GetObject\"", "\"*\""))],
            boundary: Some("arn:aws:iam::111122223333:policy/boundary".to_owned()),
            ..admin("u")
        };
        let all = judgements(&OnUser, &account().with(Authorization, global(), authorization_of(vec![user])));
        let aspects: Vec<_> =
            all.iter().map(|one| one.subject.aspect.as_deref().unwrap_or_default()).collect();
        assert_eq!(aspects, ["arn:aws:iam::aws:policy/AdministratorAccess", "p"]);
        assert!(all.iter().all(|one| one.subject.resource == "arn:aws:iam::111122223333:user/u"));
    }

    #[test]
    fn a_boundary_is_no_policy_and_nothing_at_all_is_a_line() {
        let user = |groups: &[&str]| User {
            managed: vec![],
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            boundary: Some("arn:aws:iam::111122223333:policy/boundary".to_owned()),
            ..admin("u")
        };
        let verdict = |user| {
            judge_one(&OnUser, &account().with(Authorization, global(), authorization_of(vec![user]))).verdict
        };
        assert_eq!(verdict(user(&["g"])), Judged::Passing);
        assert_eq!(verdict(user(&[])), Judged::Informational);
    }

    #[test]
    fn unknown_where_refused() {
        let one = judge_one(&OnUser, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
