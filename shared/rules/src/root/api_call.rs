use super::common::{ROOT_CALLS, ROOT_CREDENTIALS, in_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The root user called an AWS API: by console, command line or program. Successful changes are high; reads and
    /// failed calls are medium, because they show the same thing (somebody works as root) and changed nothing.
    /// ## Why it matters
    /// No IAM policy limits root, so a thief with a root session can do anything, and a look around (`ListUsers`,
    /// `ListBuckets`) comes first. On an ordinary day the number of root's calls is zero.
    /// ## What to do
    /// Ask the people who hold the root password. If nobody says yes, change the root password and its e-mail password
    /// at once, which ends no running session by itself: look at all that root did since it signed in, and undo it.
    /// ## False positives
    /// Closing the account, changing the support plan, some billing pages, and the first day of a new account need
    /// root. What AWS services do on root's behalf (`invokedBy`, service events) is left out, as the CIS benchmark
    /// wants. Service-linked roles that root itself creates are not: root was at work. A session that a management
    /// account opened by `AssumeRoot` also counts as root, and its mail says so.
    ApiCall {
        id: "root-api-call",
        title: "Root called an AWS API",
        severity: High,
        confidence: High,
        catalogue: ["ROOT-04"],
        references: [
            cis("3.0", &["1.7", "4.3"]),
            cis("5.0", &["1.6", "4.3"]),
            security_hub(&["CloudWatch.1"]),
            attack(&["T1078.004"]),
            doc(&["IAM user guide: tasks that require root user credentials"]),
        ],
        on: [On::Root],
        failed_calls: true,
        general: true,
        repeat_hours: 4,
    }
}

/// Parameters that name what was touched, as the services spell them.
const NAMES: [&str; 12] = [
    "userName",
    "roleName",
    "groupName",
    "policyName",
    "policyArn",
    "accessKeyId",
    "bucketName",
    "functionName",
    "keyId",
    "stackName",
    "dBInstanceIdentifier",
    "name",
];

impl Rule for ApiCall {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let source = record.event_source.get().unwrap_or("an unnamed service");
        if !record.by_root()
            || source == "signin.amazonaws.com"
            || record.event_type.or_empty() == "AwsConsoleSignIn"
        {
            return Ok(());
        }
        let service = source.trim_end_matches(".amazonaws.com");
        let call = record.event_name.get().unwrap_or("an unnamed call");
        let assumed = record.user_identity.session_context.assumed_root.is_ignore_case("true");
        let who = if assumed { "Root, in an AssumeRoot session," } else { "Root" };
        let title = match record.error_code.get() {
            None => format!("{who} called {call} ({service})"),
            Some(code) if ["Denied", "Unauthorized"].iter().any(|word| code.contains(word)) => {
                format!("{who} tried {call} ({service}) and was refused: {code}")
            }
            Some(code) => format!("{who} tried {call} ({service}), which failed: {code}"),
        };
        let (severity, why) = match (record.failed(), record.reads_only()) {
            (true, _) => (
                Severity::Medium,
                "Somebody works with the root user's credentials; this call changed nothing.",
            ),
            (false, true) => {
                (Severity::Medium, "Somebody looks around in the account with the root user's credentials.")
            }
            (false, false) => {
                (Severity::High, "Somebody changed the account with the root user's credentials.")
            }
        };
        let region = record.aws_region.get();
        let mut seen = cx
            .failing(record.root_arn(), title)
            .severity(severity)
            .because(why)
            .detail("Call", call)
            .detail("Service", source)
            .detail_if("Region", region);
        for name in NAMES {
            seen = seen.detail_if(name, record.param(&[name]));
        }
        let seen = seen
            .step(
                "What else has root done here? (repeat for every region in use)",
                ROOT_CALLS,
                &in_region(record),
            )
            .step(ROOT_CREDENTIALS.0, ROOT_CREDENTIALS.1, &[]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{self, *};

    #[test]
    fn fires() {
        let write = root_call("iam", "CreateUser", json!({"requestParameters": {"userName": "mallory"}}));
        let seen = fires_at(&ApiCall, Severity::High, &write);
        assert_eq!(seen.title, "Root called CreateUser (iam)");
        assert!(seen.details.contains(&("userName".to_owned(), "mallory".to_owned())));
        assert_eq!(seen.subject.region, "global");

        fires_at(&ApiCall, Severity::Medium, &root_call("s3", "ListBuckets", json!({"readOnly": true})));
        let untold = json!({"readOnly": null, "userIdentity": {"type": "Root"}});
        fires_at(&ApiCall, Severity::Medium, &call("ec2", "DescribeInstances", untold));
        fires_at(&ApiCall, Severity::High, &root_call("iam", "CreateServiceLinkedRole", json!({})));
        let console = json!({"eventType": "AwsConsoleAction"});
        fires_at(&ApiCall, Severity::High, &root_call("billingconsole", "PaymentMethodDelete", console));
    }

    #[test]
    fn tells_no_failure_as_success() {
        let denied = json!({"errorCode": "Client.UnauthorizedOperation"});
        let seen = fires_at(&ApiCall, Severity::Medium, &root_call("ec2", "RunInstances", denied));
        assert!(seen.title.starts_with("Root tried RunInstances (ec2) and was refused"), "{}", seen.title);
        let absent = json!({"errorCode": "NoSuchBucketPolicy"});
        let seen = fires_at(&ApiCall, Severity::Medium, &root_call("s3", "GetBucketPolicy", absent));
        assert_eq!(seen.title, "Root tried GetBucketPolicy (s3), which failed: NoSuchBucketPolicy");
    }

    #[test]
    fn survives_odd_shapes() {
        let odd = json!({"requestParameters": ["x"], "responseElements": 7, "recipientAccountId": null,
            "awsRegion": null, "userIdentity": {"type": "Root", "sessionContext": {"assumedRoot": true}}});
        let seen = testing::fired(&ApiCall, &call("s3", "DeleteBucketPolicy", odd));
        assert!(seen.title.starts_with("Root, in an AssumeRoot session,"), "{}", seen.title);
        assert_eq!(seen.subject.account, ACCOUNT);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ApiCall,
            &[
                call("iam", "CreateUser", json!({})),
                root_call(
                    "ec2",
                    "RunInstances",
                    json!({"userIdentity": {"invokedBy": "autoscaling.amazonaws.com"}}),
                ),
                root_call("kms", "RotateKey", json!({"eventType": "AwsServiceEvent"})),
                root_sign_in("ConsoleLogin", json!({"responseElements": {"ConsoleLogin": "Success"}})),
                root_call("signin", "GetSigninToken", json!({})),
                root_call("iam", "CreateUser", json!({"userIdentity": {"type": "Roots"}})),
            ],
        );
    }
}
