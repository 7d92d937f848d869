use keepwatch_policy::Document;

use super::held;
use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No policy of the account that somebody holds manages permissions everywhere without opening a way to administrative power by itself:
    /// passing any role to any service, writing the policy of any KMS key or of any bucket, all of Organizations. Policies that
    /// give administrative power, all of IAM among them, are the matter of `policy.admin-star` and `policy.admin-star-inline`.
    /// ## Why it matters
    /// Whoever may change who may what needs one step more for everything: a service to run code in, a bucket to open.
    /// ## What to do
    /// Leave the management of permissions to administrators. Limit the others to named roles, keys and buckets, and by the condition
    /// `iam:PassedToService`.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// Pipelines that pass roles or make buckets: name what they need.
    PermissionsMgmt {
        id: "policy.permissions-mgmt",
        title: "Only administrators manage permissions",
        severity: Medium,
        practices: ["P33"],
        references: [
            doc(&["IAM user guide: Understanding access level summaries within policy summaries"]),
            config(&["iam-policy-no-statements-with-full-access"]),
        ],
        asks: [Authorization],
    }
}

impl Check for PermissionsMgmt {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        held::each(cx, authorization, |cx, policy| {
            let name = &policy.name;
            if !policy.attached {
                cx.report(cx.not_applicable(format!("Nobody holds {name}")));
                return Ok(());
            }
            if power::is_administrator(&policy.grant) {
                cx.report(cx.not_applicable(format!(
                    "{name} gives administrative power, which policy.admin-star tells"
                )));
                return Ok(());
            }
            let mut rights = rights(&policy.document);
            if policy.grant.services.iter().any(|service| service == "organizations" || service == "*") {
                rights.push("all of Organizations");
            }
            let seen = if rights.is_empty() {
                cx.passing(format!("{name} manages no permissions everywhere"))
            } else {
                cx.failing(format!("{name} lets its holder {}", rights.join(", ")))
                    .because("whoever may change who may what is one step from more power")
                    .step("Look at it", policy.look.0, &policy.look.1)
            };
            cx.report(seen);
            Ok(())
        });
        Ok(())
    }
}

/// What a document that gives no administrative power lets its holder do about permissions on most resources. Each is asked by what
/// it would complete.
fn rights(document: &Document) -> Vec<&'static str> {
    let mut rights = Vec::new();
    // Limited to one service, it is of use there alone.
    let run = ["lambda:CreateFunction", "lambda:InvokeFunction", "ec2:RunInstances"];
    let paths = power::with_further(document, &run).paths;
    if paths.contains(&"passrole-lambda") && paths.contains(&"passrole-ec2") {
        rights.push("pass any role to any service");
    }
    let whole = |further: &[&str], service: &str| {
        power::with_further(document, further).services.iter().any(|one| one == service)
    };
    if whole(&["kms:Decrypt", "kms:ScheduleKeyDeletion", "kms:CreateGrant"], "kms") {
        rights.push("write the policy of any KMS key");
    }
    if whole(&["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:DeleteBucket"], "s3") {
        rights.push("write the policy of any bucket");
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{allow, authorization_of, managed};
    use crate::testing::*;

    fn judgement(document: &str, attachments: u32) -> Judgement {
        let mut authorization = authorization_of(vec![]);
        authorization.policies = vec![managed("p", document, attachments)];
        judge_one(&PermissionsMgmt, &account().with(Authorization, global(), authorization))
    }

    fn verdict(actions: &str) -> Judged {
        judgement(&allow(actions, "\"*\""), 1).verdict
    }

    #[test]
    fn management_of_permissions_everywhere_fails() {
        for actions in [
            "\"iam:PassRole\"",
            "\"iam:Pass*\"",
            "\"organizations:*\"",
            "\"KMS:PutKeyPolicy\"",
            "\"kms:*\"",
            "\"s3:PutBucketPolic?\"",
        ] {
            let one = judgement(&allow(actions, "\"*\""), 1);
            assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium), "{actions}");
        }
        assert_eq!(verdict(r#"["s3:Get*", "s3:List*", "kms:Decrypt", "iam:Get*"]"#), Judged::Passing);
        assert_eq!(verdict(r#"["lambda:*", "ec2:*"]"#), Judged::Passing);
    }

    #[test]
    fn what_is_limited_passes() {
        let named = allow(
            r#"["iam:PassRole", "s3:PutBucketPolicy"]"#,
            r#"["arn:aws:iam::111122223333:role/app", "arn:aws:s3:::app"]"#,
        );
        assert_eq!(judgement(&named, 1).verdict, Judged::Passing);
        let to_one = r#"{"Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}}"#;
        assert_eq!(judgement(to_one, 1).verdict, Judged::Passing);
        let denied = r#"{"Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}]}"#;
        assert_eq!(judgement(denied, 1).verdict, Judged::Passing);
    }

    #[test]
    fn the_rest_is_told_elsewhere_or_not_known() {
        assert_eq!(verdict("\"iam:*\""), Judged::NotApplicable);
        assert_eq!(verdict("\"*\""), Judged::NotApplicable);
        assert_eq!(judgement(&allow("\"iam:PassRole\"", "\"*\""), 0).verdict, Judged::NotApplicable);
        assert_eq!(judgement("no policy", 1).verdict, Judged::Unknown);
        let one = judge_one(&PermissionsMgmt, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
