use super::held;
use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No policy of the account that somebody holds allows every action of a service that matters most: KMS, Organizations, S3,
    /// Lambda, EC2, or of all services but some. Policies that give administrative power, all of IAM or STS among them, are the
    /// matter of `policy.admin-star` and `policy.admin-star-inline`. What else is more than needed, only a person can tell.
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
const SERVICES: [&str; 5] = ["kms", "organizations", "s3", "lambda", "ec2"];

impl Check for LeastPrivilege {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each(cx, authorization, |cx, policy| {
            let name = &policy.name;
            let grant = &policy.grant;
            let telling = grant.services.iter().filter(|one| *one == "*" || SERVICES.contains(&one.as_str()));
            let telling: Vec<&str> = telling.map(String::as_str).collect();
            let seen = if !policy.attached {
                cx.not_applicable(format!("Nobody holds {name}"))
            } else if power::is_administrator(grant) {
                cx.not_applicable(format!("{name} gives administrative power, which policy.admin-star tells"))
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
        for power in ["\"*\"", "\"iam:*\"", "\"sts:*\""] {
            assert_eq!(verdict(power, 1), Judged::NotApplicable, "{power}");
        }
        // Deletion and permissions left out, it is no longer all of the service.
        assert_eq!(verdict(r#"["s3:GetObject", "s3:PutObject"]"#, 1), Judged::Passing);
        assert_eq!(verdict("\"s3:*\"", 0), Judged::NotApplicable);
    }

    /// All of a service on one resource is not all of the service.
    #[test]
    fn resources_count() {
        let document = allow("\"s3:*\"", r#"["arn:aws:s3:::app", "arn:aws:s3:::app/*"]"#);
        let mut authorization = authorization_of(vec![]);
        authorization.policies = vec![managed("p", &document, 1)];
        let one = judge_one(&LeastPrivilege, &account().with(Authorization, global(), authorization));
        assert_eq!(one.verdict, Judged::Passing);
    }

    #[test]
    fn unknown_where_refused() {
        let one = judge_one(&LeastPrivilege, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
