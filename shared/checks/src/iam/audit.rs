use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Roles were used within the last months. IAM remembers uses for 400 days. Roles of AWS's own services and young roles are
    /// left alone.
    /// ## Why it matters
    /// A role that nobody uses is a right that nobody watches; whoever finds a way to assume it is not noticed.
    /// ## What to do
    /// Look at who may assume the role and what it may do. If nobody knows it, detach its policies, wait, then delete it.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whatever runs once a year, such as a restore or a disaster exercise.
    Audit {
        id: "iam.audit",
        title: "Roles are in use",
        severity: Informational,
        practices: ["P35"],
        references: [doc(&["IAM user guide: Refine permissions using last accessed information"])],
        asks: [Authorization],
        ages: true,
    }
}

impl Check for Audit {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let limit = cx.parameters.role_unused_days;
        let authorization = cx.known(Authorization, GLOBAL)?;
        for role in authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/")) {
            cx.about(GLOBAL, &role.arn, |cx| {
                let age = role.created.map_or(0, |at| days_since(at, cx.now));
                let idle = role.last_used.map(|at| days_since(at, cx.now));
                let seen = match idle {
                    _ if age <= limit => cx.passing(format!("Role {} is {age} days old", role.name)),
                    Some(days) if days <= limit => {
                        cx.passing(format!("Role {} was used {days} days ago", role.name))
                    }
                    Some(days) => {
                        cx.informational(format!("Role {} was last used {days} days ago", role.name))
                    }
                    None => {
                        cx.informational(format!("Role {} is {age} days old and was never used", role.name))
                    }
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
    use crate::testing::*;
    use facts::iam::Role;

    #[test]
    fn age_and_last_use_decide() {
        let role = |name: &str, path: &str, made, used: Option<u64>| Role {
            arn: format!("arn:aws:iam::111122223333:role/{name}"),
            name: name.to_owned(),
            path: path.to_owned(),
            created: Some(days_ago(made)),
            last_used: used.map(days_ago),
            ..Role::default()
        };
        let roles = vec![
            role("used", "/", 400, Some(3)),
            role("idle", "/", 400, Some(200)),
            role("never", "/", 400, None),
            role("young", "/", 10, None),
            role("service", "/aws-service-role/x.amazonaws.com/", 400, None),
        ];
        let authorization = facts::iam::Authorization { roles, ..Default::default() };
        let state = account().with(Authorization, global(), authorization);
        let verdicts: Vec<Judged> = judged(&Audit, &state).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(
            verdicts,
            [Judged::Passing, Judged::Informational, Judged::Informational, Judged::Passing]
        );
        let one = judge_one(&Audit, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
