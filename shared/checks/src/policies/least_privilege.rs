use keepwatch_base::wildcard;
use keepwatch_policy::{Document, Effect, Level, Statement};

use super::held;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No policy of the account that somebody holds allows every action of a service that matters most: IAM, STS, KMS,
    /// Organizations, S3, Lambda, EC2, or of all services but some. Policies that allow everything are the matter of
    /// `policy.admin-star`. What else is more than needed, only a person can tell.
    /// ## Why it matters
    /// "Every action" means deletion and new permissions too, and those that AWS adds next year.
    /// ## What to do
    /// Look at what was used ("last accessed"), and allow that. One judgement a policy: begin with those that many hold.
    /// ## What it costs
    /// Nothing but the work. Unused-access analyzers of Access Analyzer are billed per role and user and month.
    /// ## What may break
    /// What is used once a year is not among the last accesses.
    LeastPrivilege {
        id: "policy.least-privilege",
        title: "No policy allows all of a service",
        severity: Low,
        practices: ["P29"],
        references: [security_hub(&["IAM.21"]), config(&["iam-policy-no-statements-with-full-access"])],
        asks: [Authorization],
    }
}

/// The services of which all is too much.
const SERVICES: [&str; 7] = ["iam", "sts", "kms", "organizations", "s3", "lambda", "ec2"];

/// The services that the engine counts as power and not among a grant's services.
const POWERS: [&str; 2] = ["iam", "sts"];

/// Whether the document allows all of a service, Denies without a condition taken off.
fn allows_all(document: &Document, service: &str) -> bool {
    let all = format!("{service}:*");
    let covers = |patterns: &[String], what: &str| {
        patterns.iter().any(|pattern| wildcard::covers(&pattern.to_ascii_lowercase(), what))
    };
    let is_all = |one: &&Statement| covers(&one.actions, &all) && covers(&one.resources, "*");
    let mut statements = document.statements.iter().filter(is_all);
    let denied = statements.clone().any(|one| one.effect == Effect::Deny && one.conditions.is_empty());
    !denied && statements.any(|one| one.effect == Effect::Allow)
}

impl Check for LeastPrivilege {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each(cx, authorization, |cx, policy| {
            let name = &policy.name;
            let grant = &policy.grant;
            let telling = grant.services.iter().filter(|one| *one == "*" || SERVICES.contains(&one.as_str()));
            let powers = POWERS.into_iter().filter(|one| allows_all(&policy.document, one));
            let telling: Vec<&str> = telling.map(String::as_str).chain(powers).collect();
            let seen = if !policy.attached {
                cx.not_applicable(format!("Nobody holds {name}"))
            } else if grant.level == Level::FullAdmin {
                cx.not_applicable(format!("{name} allows everything, which policy.admin-star tells"))
            } else if telling.is_empty() {
                cx.passing(format!("{name} allows no service as a whole"))
            } else {
                let all = match telling.as_slice() {
                    ["*"] => "all services but some".to_owned(),
                    some => some.join(", "),
                };
                cx.failing(format!("{name} allows all of {all}")).because(&grant.why).step(
                    "Look at it",
                    policy.look.0,
                    &policy.look.1,
                )
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
        judge_one(&LeastPrivilege, &account().with(Authorization, global(), authorization)).verdict
    }

    #[test]
    fn all_of_a_service_that_matters_fails() {
        for service in SERVICES {
            assert_eq!(verdict(&format!("\"{service}:*\""), 1), Judged::Failing, "{service}");
        }
        assert_eq!(verdict(r#"["s3:Get*", "s3:List*"]"#, 1), Judged::Passing);
        assert_eq!(verdict("\"*\"", 1), Judged::NotApplicable);
        assert_eq!(verdict("\"s3:*\"", 0), Judged::NotApplicable);
    }

    #[test]
    fn unknown_where_refused() {
        let one = judge_one(&LeastPrivilege, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
