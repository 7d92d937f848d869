use super::common::for_itself;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Root made a long-term access key for itself, or such a key (`AKIA…`) signed a call, reads and refused calls
    /// included. Both are one finding per key; root deleting the key closes it.
    /// ## Why it matters
    /// The key is root in two lines of text: it works from anywhere, usually without MFA, does not expire, and no
    /// policy limits it. It is the first thing a thief of a root session makes in order to come back.
    /// ## What to do
    /// Delete it; there is hardly anything that needs one. Only root can (signed in as root: Security credentials page,
    /// or the commands below in CloudShell); an organization's management account can delete the keys of its members
    /// by `AssumeRoot` with the task policy `IAMDeleteRootUserCredentials`. Then read what the key did, in every
    /// region.
    /// ## False positives
    /// Old scripts that were once given root's key are no false alarm but the reason to replace it by a role. Sessions
    /// have ids that begin with `ASIA` and are not meant here.
    AccessKey {
        id: "root-access-key",
        title: "Root has a long-term access key",
        severity: Critical,
        confidence: High,
        catalogue: ["ROOT-05"],
        references: [
            cis("3.0", &["1.4"]),
            cis("5.0", &["1.3"]),
            security_hub(&["IAM.4"]),
            attack(&["T1098.001"]),
            doc(&["IAM user guide: manage access keys for the root user"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["CreateAccessKey", "DeleteAccessKey"]), On::Root],
        failed_calls: true,
        repeat_hours: 1,
    }
}

impl Rule for AccessKey {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if !record.by_root() {
            return Ok(());
        }
        let call = record.event_name.get().unwrap_or("an unnamed call");
        let own = record.event_source.or_empty() == "iam.amazonaws.com" && for_itself(record);
        if own && call == "CreateAccessKey" && !record.failed() {
            let key = record.response_text(&["accessKey", "accessKeyId"]);
            let name = key.unwrap_or("whose id CloudTrail does not tell");
            let seen = cx
                .failing(
                    key.map_or_else(|| record.root_arn(), str::to_owned),
                    format!("Root created an access key for itself: {name}"),
                )
                .because(
                    "This key is root for whoever holds it, without a password and until it is deleted.",
                );
            cx.report(advise(seen, record, key));
        }
        if let Some(key) = record.user_identity.access_key_id.get().filter(|key| is_long_term_key(key)) {
            let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
            let failed =
                record.error_code.get().map(|code| format!(", which failed: {code}")).unwrap_or_default();
            let title = format!("Root's access key {key} was used for {call} ({service}){failed}");
            let seen = cx.failing(key, title).because(
                "The key exists, somebody or some program holds it, and it can do everything in the account.",
            );
            cx.report(advise(seen, record, Some(key)));
        }
        if own
            && call == "DeleteAccessKey"
            && !record.failed()
            && let Some(key) = record.param(&["accessKeyId"])
        {
            let gone = cx.passing(key, format!("Root deleted its access key {key}")).global();
            cx.report(gone);
        }
        Ok(())
    }
}

fn advise(seen: Observation, record: &Record<'_>, key: Option<&str>) -> Observation {
    let seen = seen.global().detail_if("Access key", key);
    let Some(key) = key else {
        return seen.step(
            "Signed in as root, in CloudShell: which keys does root have?",
            "iam list-access-keys",
            &[],
        );
    };
    let used = lookup("AccessKeyId", key);
    let region = region(record);
    seen.step(
        "Signed in as root, in CloudShell: switch the key off (other users' rights do not reach it)",
        "iam update-access-key --status Inactive",
        &[("--access-key-id", key)],
    )
    .step(
        "What did the key do? (repeat for every region in use)",
        "cloudtrail lookup-events",
        &[("--region", region), ("--lookup-attributes", &used)],
    )
    .step(
        "Signed in as root, in CloudShell: delete it",
        "iam delete-access-key",
        &[("--access-key-id", key)],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{self, *};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn created(request: Value) -> Value {
        json!({"requestParameters": request, "responseElements": {"accessKey": {"accessKeyId": KEY}}})
    }

    #[test]
    fn fires() {
        let by_key = json!({"userIdentity": {"accessKeyId": KEY}});
        let made = fires_at(
            &AccessKey,
            Severity::Critical,
            &root_call("iam", "CreateAccessKey", created(json!(null))),
        );
        let used = fires_at(&AccessKey, Severity::Critical, &root_call("s3", "ListBuckets", by_key.clone()));
        assert_eq!(made.subject, used.subject);
        assert_eq!(made.subject.resource, KEY);
        testing::fired(&AccessKey, &root_call("iam", "CreateAccessKey", created(json!({"userName": null}))));
        testing::fired(
            &AccessKey,
            &root_call("iam", "CreateAccessKey", created(json!({"userName": "AWS ROOT USER"}))),
        );

        let refused = json!({"userIdentity": {"accessKeyId": KEY}, "errorCode": "AccessDenied",
            "awsRegion": "eu-west-1"});
        let seen = testing::fired(&AccessKey, &root_call("iam", "CreateAccessKey", refused));
        assert!(seen.title.ends_with("was used for CreateAccessKey (iam), which failed: AccessDenied"));
        assert_eq!(seen.subject, used.subject);

        let silent = root_call("iam", "CreateAccessKey", json!({"responseElements": null}));
        assert_eq!(testing::fired(&AccessKey, &silent).subject.resource, "arn:aws:iam::111122223333:root");
    }

    #[test]
    fn a_key_can_make_a_key() {
        let mut event = created(json!(null));
        event["userIdentity"] = json!({"accessKeyId": "AKIAI44QH8DHBEXAMPLE"});
        let seen = observe(&AccessKey, &root_call("iam", "CreateAccessKey", event));
        let keys: Vec<_> = seen.iter().map(|o| o.subject.resource.as_str()).collect();
        assert_eq!(keys, [KEY, "AKIAI44QH8DHBEXAMPLE"]);
    }

    #[test]
    fn deletion_closes_it() {
        let event = root_call("iam", "DeleteAccessKey", json!({"requestParameters": {"accessKeyId": KEY}}));
        let seen = observe(&AccessKey, &event);
        let made = testing::fired(&AccessKey, &root_call("iam", "CreateAccessKey", created(json!(null))));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].verdict, &seen[0].subject), (Verdict::Passing, &made.subject));
    }

    #[test]
    fn stays_quiet() {
        let mut refused = created(json!(null));
        refused["errorCode"] = json!("LimitExceeded");
        let mut service = created(json!(null));
        service["userIdentity"] = json!({"invokedBy": "cloudformation.amazonaws.com", "accessKeyId": KEY});
        let mut event = created(json!(null));
        event["eventType"] = json!("AwsServiceEvent");
        quiet(
            &AccessKey,
            &[
                root_call("iam", "CreateAccessKey", created(json!({"userName": "bob"}))),
                root_call("iam", "CreateAccessKey", created(json!({"userName": 7}))),
                root_call("iam", "CreateAccessKey", refused),
                root_call("iam", "CreateAccessKey", service),
                root_call("iam", "CreateAccessKey", event),
                root_call("iam", "DeleteAccessKey", json!({"requestParameters": {"accessKeyId": [KEY]}})),
                root_call("s3", "ListBuckets", json!({})),
                call("iam", "CreateAccessKey", created(json!(null))),
                call("s3", "ListBuckets", json!({"userIdentity": {"accessKeyId": KEY}})),
            ],
        );
    }
}
