use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody in the management account, or in the account it delegated this to, opened a root session in a member
    /// account by `AssumeRoot`. Sessions that may only look at root's credentials are medium, all others high.
    /// ## Why it matters
    /// The session is root of the other account for up to 15 minutes, within one of AWS's task policies: it can bring
    /// back a root password, delete root's credentials, or remove the policy that shields a bucket or a queue.
    /// ## What to do
    /// Ask the one who opened it for the reason. If there is none, cut off the session's owner in the management
    /// account first, then read what the session did in the member account: there it appears as `Root` with
    /// `assumedRoot`.
    /// ## False positives
    /// The security team cleaning up root credentials, or freeing a bucket whose policy locked everybody out. Such work
    /// is planned: compare it with the calendar rather than switching the rule off.
    AssumeRoot {
        id: "root-assume-root",
        title: "A root session was opened in a member account",
        severity: High,
        confidence: High,
        catalogue: ["ROOT-10"],
        references: [
            cis("3.0", &["1.7"]),
            cis("5.0", &["1.6"]),
            attack(&["T1078.004"]),
            attack(&["T1098"]),
            doc(&[

                "IAM user guide: perform a privileged task on a member account, track privileged tasks in CloudTrail",
            ]),
        ],
        on: [On::Read("sts.amazonaws.com", &["AssumeRoot"])],
        repeat_hours: 1,
    }
}

impl Rule for AssumeRoot {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        // The target is an account id or its root's ARN; the policy is text or, as in the API, an object.
        let target = record.param(&["targetPrincipal"]).unwrap_or("an unnamed account");
        let account = target.split(':').nth(4).unwrap_or(target);
        let policy = record
            .param(&["taskPolicyArn", "arn"])
            .or_else(|| record.param(&["taskPolicyArn"]))
            .unwrap_or_default();
        let (severity, may) = match policy.rsplit('/').next().unwrap_or_default() {
            "IAMAuditRootUserCredentials" => (Severity::Medium, "look at root's credentials"),
            "IAMCreateRootUserPassword" => (Severity::High, "bring back root's password"),
            "IAMDeleteRootUserCredentials" => {
                (Severity::High, "delete root's password, keys and MFA devices")
            }
            "S3UnlockBucketPolicy" => (Severity::High, "delete bucket policies"),
            "SQSUnlockQueuePolicy" => (Severity::High, "delete queue policies"),
            _ => (Severity::High, "act as root"),
        };
        let who = caller_name(record);
        let key = record.response_text(&["credentials", "accessKeyId"]);
        let mut seen = cx
            .failing(
                format!("arn:{}:iam::{account}:root", record.partition()),
                format!("{who} opened a root session in account {account}, which may {may}"),
            )
            .severity(severity)
            .because("For up to 15 minutes this session is the root user of that account.")
            .detail("Target", target)
            .detail_if("Task policy", Some(policy).filter(|policy| !policy.is_empty()))
            .detail_if("Session's access key", key);
        if let Some(key) = key {
            let used = lookup("AccessKeyId", key);
            seen = seen.step(
                "In the member account: what did the session do? (IAM is logged in us-east-1)",
                "cloudtrail lookup-events --region us-east-1",
                &[("--lookup-attributes", &used)],
            );
        }
        let seen = seen.step(
            "In the management account: no more root sessions for bucket and queue policies for now",
            "iam disable-organizations-root-sessions",
            &[],
        );
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn assume(request: Value) -> String {
        call(
            "sts",
            "AssumeRoot",
            json!({"readOnly": true, "requestParameters": request,
            "responseElements": {"credentials": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE"}}}),
        )
    }

    #[test]
    fn fires() {
        let task = |name: &str| format!("arn:aws:iam::aws:policy/root-task/{name}");
        let unlock = json!({"targetPrincipal": "444455556666",
            "taskPolicyArn": {"arn": task("S3UnlockBucketPolicy")}});
        let seen = fires_at(&AssumeRoot, Severity::High, &assume(unlock));
        assert_eq!(
            seen.title,
            "alice opened a root session in account 444455556666, which may delete bucket policies"
        );
        let audit = json!({"targetPrincipal": "arn:aws:iam::444455556666:root",
            "taskPolicyArn": task("IAMAuditRootUserCredentials")});
        let looked = fires_at(&AssumeRoot, Severity::Medium, &assume(audit));
        assert_eq!(looked.subject, seen.subject);
        assert_eq!(looked.subject.resource, "arn:aws:iam::444455556666:root");
        // A policy that AWS adds later, and parameters that are missing.
        fires_at(
            &AssumeRoot,
            Severity::High,
            &assume(json!({"targetPrincipal": "444455556666",
            "taskPolicyArn": task("SomethingNew")})),
        );
        let bare = call("sts", "AssumeRoot", json!({"requestParameters": null, "responseElements": null}));
        fires_at(&AssumeRoot, Severity::High, &bare);
        fires_at(
            &AssumeRoot,
            Severity::High,
            &assume(json!({"targetPrincipal": 444455556666_u64, "taskPolicyArn": []})),
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AssumeRoot,
            &[
                call("sts", "AssumeRoot", json!({"errorCode": "AccessDenied"})),
                call(
                    "sts",
                    "AssumeRole",
                    json!({"requestParameters": {"roleArn": "arn:aws:iam::444455556666:role/root"}}),
                ),
                call("iam", "AssumeRoot", json!({})),
                root_call(
                    "s3",
                    "DeleteBucketPolicy",
                    json!({"userIdentity": {"sessionContext": {"assumedRoot": "true"}}}),
                ),
            ],
        );
    }
}
