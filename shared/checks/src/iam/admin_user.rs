use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Somebody other than root is an administrator, and not many are. Users and roles count, those that Identity Center makes
    /// (`AWSReservedSSO_…`) too; roles of services do not. Whether the administrators do administration only, no API tells.
    /// ## Why it matters
    /// Without another administrator the work is done as root. With many, each of them is a way in, and nobody knows who did it.
    /// ## What to do
    /// Have two or three administrators, each with MFA; give everybody else what they need, and a role to assume for the rest.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whoever loses administration may miss it: look at what they used ("last accessed") first.
    AdminUser {
        id: "iam.admin-user",
        title: "There is an administrator besides root, and there are few",
        severity: Informational,
        practices: ["P15"],
        references: [doc(&["IAM user guide: Security best practices in IAM"])],
        asks: [Authorization],
    }
}

impl Check for AdminUser {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        let (mut users, mut roles, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for user in &authorization.users {
            match power::of_user(authorization, user) {
                Ok(grant) if power::is_administrator(&grant) => users.push(user.name.as_str()),
                Ok(_) | Err(Stop::Gone) => {}
                Err(Stop::Unknown(missing)) => unread.extend(missing),
            }
        }
        for role in authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/")) {
            match power::of_role(authorization, role) {
                Ok(grant) if power::is_administrator(&grant) => roles.push(role.name.as_str()),
                Ok(_) | Err(Stop::Gone) => {}
                Err(Stop::Unknown(missing)) => unread.extend(missing),
            }
        }
        let most = usize::try_from(cx.parameters.administrators).unwrap_or(usize::MAX);
        if users.is_empty() && roles.is_empty() && !unread.is_empty() {
            return Err(Stop::Unknown(unread));
        }
        let seen = if users.len() > most {
            cx.informational(format!("{} users are administrators", users.len()))
                .because(format!("more than {most} are worth a look"))
        } else if users.is_empty() && roles.is_empty() {
            cx.informational("Nobody but root is an administrator")
        } else {
            cx.passing(format!("{} users and {} roles are administrators", users.len(), roles.len()))
        };
        cx.report(seen.detail("Users", users.join(", ")).detail("Roles", roles.join(", ")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, authorization_of, policy};
    use crate::testing::*;
    use facts::iam::{Role, User};

    fn verdict(users: Vec<User>, roles: Vec<Role>) -> Judged {
        let authorization = facts::iam::Authorization { roles, ..authorization_of(users) };
        judge_one(&AdminUser, &account().with(Authorization, global(), authorization)).verdict
    }

    #[test]
    fn none_and_many_are_worth_a_line() {
        let clerk = User { managed: Vec::new(), ..admin("clerk") };
        assert_eq!(verdict(vec![clerk.clone()], vec![]), Judged::Informational);
        assert_eq!(verdict(vec![clerk, admin("a")], vec![]), Judged::Passing);
        assert_eq!(verdict((0..4).map(|n| admin(&n.to_string())).collect(), vec![]), Judged::Informational);
    }

    #[test]
    fn a_role_of_identity_center_counts_and_one_of_a_service_does_not() {
        let role = |path: &str| Role {
            name: "AWSReservedSSO_AdministratorAccess_1".to_owned(),
            path: path.to_owned(),
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Role::default()
        };
        assert_eq!(verdict(vec![], vec![role("/aws-reserved/sso.amazonaws.com/")]), Judged::Passing);
        assert_eq!(verdict(vec![], vec![role("/aws-service-role/x.amazonaws.com/")]), Judged::Informational);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_where_it_decides() {
        let broken = User { managed: vec![], inline: vec![policy("x", "no policy")], ..admin("a") };
        assert_eq!(verdict(vec![broken.clone()], vec![]), Judged::Unknown);
        assert_eq!(verdict(vec![broken, admin("b")], vec![]), Judged::Passing);
        let one = judge_one(&AdminUser, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
