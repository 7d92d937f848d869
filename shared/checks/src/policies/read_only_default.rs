use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No user with an active access key is an administrator, or can become one. What counts is everything together: the user's own
    /// policies and those of all its groups, as the policy engine reads them.
    /// ## Why it matters
    /// This is how accounts are lost: a long-lived key leaks, and it may do everything.
    /// ## What to do
    /// Take the key away; administrators sign in with MFA and get short-lived credentials. A program gets a role with what it needs.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Scripts that sign with the key. Its last use, region and service stand in the credential report.
    ReadOnlyDefault {
        id: "policy.read-only-default",
        title: "No administrator has a long-lived key",
        severity: High,
        practices: ["P32"],
        references: [doc(&["IAM user guide: Security best practices in IAM"])],
        asks: [Authorization, CredentialReport],
    }
}

impl Check for ReadOnlyDefault {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        let report = cx.try_known(CredentialReport, GLOBAL);
        for user in &authorization.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let name = &user.name;
                let grant = power::of_user(authorization, user);
                let admin = grant.as_ref().map(power::is_administrator).map_err(Clone::clone);
                let row = match &report {
                    Ok(report) => report.users.iter().find(|row| row.arn == user.arn),
                    Err(stop) => {
                        // Whoever is no administrator needs no report.
                        all(&[admin, Err(stop.clone())])?;
                        cx.report(cx.passing(format!("User {name} is no administrator")));
                        return Ok(());
                    }
                };
                let keys = match row {
                    Some(row) => row.keys.iter().filter(|key| key.active).count(),
                    None => {
                        let why = format!("user {name} is newer than the credential report");
                        let missing = keepwatch_core::posture::Missing { action: None, why };
                        all(&[admin, Err(Stop::Unknown(vec![missing]))])?;
                        cx.report(cx.passing(format!("User {name} is no administrator")));
                        return Ok(());
                    }
                };
                if !all(&[Ok(keys > 0), admin])? {
                    cx.report(cx.passing(format!("User {name} is no administrator with a key")));
                    return Ok(());
                }
                let grant = grant?;
                let many = if keys == 1 { "an active key" } else { "active keys" };
                let seen = cx
                    .failing(format!("User {name} {} and has {many}", grant.ability))
                    .because(&grant.why)
                    .step("Which keys?", "iam list-access-keys", &[("--user-name", name)]);
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
    use crate::kit::fixtures::{admin, allow, authorization_of, key, policy, report_of, user};
    use crate::testing::*;
    use facts::iam::{Credentials, Group, User};
    use keepwatch_core::posture::State;

    fn state(holder: User, active: bool) -> State {
        let row = Credentials { keys: vec![key(1, active, 10, Some(1))], ..user(&holder.name) };
        let group = Group {
            arn: "arn:aws:iam::111122223333:group/admins".to_owned(),
            name: "admins".to_owned(),
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Group::default()
        };
        let mut authorization = authorization_of(vec![holder]);
        authorization.groups = vec![group];
        report_of(None, vec![row]).with(Authorization, global(), authorization)
    }

    fn plain(name: &str) -> User {
        User { managed: vec![], ..admin(name) }
    }

    #[test]
    fn power_from_anywhere_counts_and_only_with_a_key() {
        let verdict = |holder, active| judge_one(&ReadOnlyDefault, &state(holder, active)).verdict;
        assert_eq!(verdict(admin("a"), true), Judged::Failing);
        assert_eq!(verdict(admin("a"), false), Judged::Passing);
        assert_eq!(verdict(plain("a"), true), Judged::Passing);
        let by_group = User { groups: vec!["admins".to_owned()], ..plain("a") };
        assert_eq!(verdict(by_group, true), Judged::Failing);
        let iam = User { inline: vec![policy("p", &allow("\"iam:*\"", "\"*\""))], ..plain("a") };
        assert_eq!(verdict(iam, true), Judged::Failing);
        let unread = User { inline: vec![policy("p", "no policy")], ..plain("a") };
        assert_eq!(
            (verdict(unread.clone(), true), verdict(unread, false)),
            (Judged::Unknown, Judged::Passing)
        );
    }

    /// AWS makes the report anew every four hours at most.
    #[test]
    fn users_newer_than_the_report_are_not_called_fine() {
        let state = |holder: User| {
            report_of(None, vec![]).with(Authorization, global(), authorization_of(vec![holder]))
        };
        assert_eq!(judge_one(&ReadOnlyDefault, &state(admin("new"))).verdict, Judged::Unknown);
        assert_eq!(judge_one(&ReadOnlyDefault, &state(plain("new"))).verdict, Judged::Passing);
    }

    #[test]
    fn a_refusal_counts_where_it_decides() {
        let one = judge_one(&ReadOnlyDefault, &refused(state(admin("a"), true), CredentialReport, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["iam:GenerateCredentialReport"]));
        let one = judge_one(&ReadOnlyDefault, &refused(state(plain("a"), true), CredentialReport, global()));
        assert_eq!(one.verdict, Judged::Passing);
        let one = judge_one(&ReadOnlyDefault, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
