use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Users and groups have managed policies and no inline ones. It is a line to know, and no failure. Roles are left out:
    /// tools such as CloudFormation write inline policies on each role that they make.
    /// ## Why it matters
    /// A managed policy has versions, can be compared, and is changed in one place.
    /// ## What to do
    /// Make a managed policy of the same text, attach it, and delete the inline one.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Nothing, when the managed policy is attached first.
    ManagedNotInline {
        id: "policy.managed-not-inline",
        title: "Users and groups have managed policies",
        severity: Low,
        practices: ["P31"],
        references: [config(&["iam-no-inline-policy-check"])],
        asks: [Authorization],
    }
}

impl Check for ManagedNotInline {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        let users = authorization.users.iter().map(|one| ("User", &one.name, &one.arn, &one.inline));
        let groups = authorization.groups.iter().map(|one| ("Group", &one.name, &one.arn, &one.inline));
        for (kind, name, arn, inline) in users.chain(groups) {
            cx.about(GLOBAL, arn, |cx| {
                let seen = if inline.is_empty() {
                    cx.passing(format!("{kind} {name} has no inline policies"))
                } else {
                    let names: Vec<&str> = inline.iter().map(|policy| policy.name.as_str()).collect();
                    cx.informational(format!("{kind} {name} has inline policies"))
                        .detail("Policies", names.join(", "))
                };
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
    use crate::kit::fixtures::{admin, authorization_of, policy};
    use crate::testing::*;
    use facts::iam::{Group, Role, User};

    #[test]
    fn users_and_groups_are_told_and_roles_are_not() {
        let inline = vec![policy("p", "{}")];
        let mut authorization =
            authorization_of(vec![admin("clean"), User { inline: inline.clone(), ..admin("own") }]);
        authorization.groups = vec![Group {
            arn: "arn:aws:iam::111122223333:group/g".to_owned(),
            inline: inline.clone(),
            ..Group::default()
        }];
        authorization.roles = vec![Role { inline, ..Role::default() }];
        let state = account().with(Authorization, global(), authorization);
        assert_eq!(
            judged(&ManagedNotInline, &state),
            [
                ("clean".to_owned(), Judged::Passing),
                ("own".to_owned(), Judged::Informational),
                ("g".to_owned(), Judged::Informational),
            ]
        );
        let one = judge_one(&ManagedNotInline, &refused(account(), Authorization, global()));
        assert_eq!(one.verdict, Judged::Unknown);
    }
}
