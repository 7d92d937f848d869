use super::held;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No inline policy of a user, a group or a role gives administrative power: every action on every resource, or a way to
    /// it. What it gives together with the holder's other policies counts, where only both together come to that. Roles of
    /// AWS's services are left out.
    /// ## Why it matters
    /// An inline policy stands in no list of policies. It is where a careful intruder hides an administrator.
    /// ## What to do
    /// Ask whose it is. Replace it by what is needed; administrators get AWS's own policy, by a role that they assume with MFA.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Whatever the holder does with it: look at "last accessed" first.
    AdminStarInline {
        id: "policy.admin-star-inline",
        title: "No inline policy gives administrative power",
        severity: High,
        practices: ["P27", "P29", "P33"],
        number: 1,
        references: [
            cis("3.0", &["1.16"]),
            cis("5.0", &["1.15"]),
            config(&["iam-policy-no-statements-with-admin-access"]),
        ],
        asks: [Authorization],
        finding: "admin-inline-policy",
        closes: [Closes::Listed("arn:*:iam::*:* *")],
    }
}

impl Check for AdminStarInline {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each_inline(cx, authorization, |cx, policy| {
            cx.report(held::administrative(cx, &policy));
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
    use facts::iam::{Group, Role, User};
    use keepwatch_core::posture::State;

    fn state(authorization: facts::iam::Authorization) -> State {
        account().with(Authorization, global(), authorization)
    }

    fn holder(inline: &[(&str, String)], attached: &[&str]) -> User {
        User {
            inline: inline.iter().map(|(name, text)| policy(name, text)).collect(),
            managed: attached.iter().map(|arn| (*arn).to_owned()).collect(),
            ..admin("boss")
        }
    }

    /// The same subject as the events of PutUserPolicy, which know no path.
    #[test]
    fn by_holder_and_name() {
        let user = User {
            arn: "arn:aws:iam::111122223333:user/team/boss".to_owned(),
            ..holder(&[("all", allow("\"*\"", "\"*\""))], &[])
        };
        let one = judge_one(&AdminStarInline, &state(authorization_of(vec![user])));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::High));
        assert_eq!(one.subject.resource, "arn:aws:iam::111122223333:user/boss");
        assert_eq!(one.subject.aspect.as_deref(), Some("all"));
    }

    #[test]
    fn groups_and_roles_but_not_those_of_services() {
        let star = || vec![policy("all", &allow("\"*\"", "\"*\""))];
        let role = |name: &str, path: &str| Role {
            arn: format!("arn:aws:iam::111122223333:role{path}{name}"),
            name: name.to_owned(),
            path: path.to_owned(),
            inline: star(),
            ..Role::default()
        };
        let mut authorization = authorization_of(vec![]);
        authorization.groups = vec![Group {
            arn: "arn:aws:iam::111122223333:group/g".to_owned(),
            name: "g".to_owned(),
            inline: star(),
            ..Group::default()
        }];
        authorization.roles = vec![role("r", "/"), role("AWSServiceRoleForX", "/aws-service-role/x/")];
        let failing = |name: &str| (format!("{name}#all"), Judged::Failing);
        assert_eq!(judged(&AdminStarInline, &state(authorization)), [failing("g"), failing("r")]);
    }

    /// Two harmless halves are told, as the events tell them.
    #[test]
    fn what_only_comes_together_counts() {
        let pass = ("pass", allow("\"iam:PassRole\"", "\"*\""));
        let run = ("run", allow(r#"["lambda:CreateFunction", "lambda:InvokeFunction"]"#, "\"*\""));
        let both = authorization_of(vec![holder(&[pass.clone(), run.clone()], &[])]);
        let failing = |name: &str| (format!("boss#{name}"), Judged::Failing);
        assert_eq!(judged(&AdminStarInline, &state(both)), [failing("pass"), failing("run")]);
        let arn = "arn:aws:iam::111122223333:policy/run";
        let mut mixed = authorization_of(vec![holder(std::slice::from_ref(&pass), &[arn])]);
        mixed.policies = vec![managed("run", &run.1, 1)];
        assert_eq!(judged(&AdminStarInline, &state(mixed)), [failing("pass")]);
        // What the holder is by another policy, this one does not make it.
        let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
        let other = authorization_of(vec![holder(&[("read", allow("\"s3:GetObject\"", "\"*\""))], &[admin])]);
        assert_eq!(judged(&AdminStarInline, &state(other)), [("boss#read".to_owned(), Judged::Passing)]);
    }

    #[test]
    fn unknown_where_something_cannot_be_read() {
        let unlisted = ["arn:aws:iam::111122223333:policy/gone"];
        let verdict = |text: String| {
            let user = holder(&[("p", text)], &unlisted);
            judge_one(&AdminStarInline, &state(authorization_of(vec![user]))).verdict
        };
        assert_eq!(verdict(allow("\"s3:GetObject\"", "\"*\"")), Judged::Unknown);
        // It hides no power that is known.
        assert_eq!(verdict(allow("\"iam:*\"", "\"*\"")), Judged::Failing);
        assert_eq!(verdict("no policy".to_owned()), Judged::Unknown);
        let one = judge_one(&AdminStarInline, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
        let none = judge_one(&AdminStarInline, &state(authorization_of(vec![holder(&[], &[])])));
        assert_eq!(none.verdict, Judged::NotApplicable);
    }
}
