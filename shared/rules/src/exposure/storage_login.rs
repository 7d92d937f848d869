use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A login to storage that IAM does not know was made: a user, a directory group or an SSH key of Transfer Family, an access key of a
    /// Lightsail bucket. Deleting it settles the finding.
    /// ## Why it matters
    /// Whoever holds the key reads and writes the files from anywhere, and no user, role or key of the account shows
    /// it. It outlives whatever is done about IAM.
    /// ## What to do
    /// Ask the caller whose login it is. If nobody knows it, delete it, and look at the role that the user has.
    /// ## False positives
    /// A new partner who sends files, and servers that Terraform or a person sets up every day: low, and only on record.
    StorageLogin {
        id: "exposure-storage-login",
        title: "A login to storage outside IAM was made",
        severity: Low,
        confidence: Medium,
        catalogue: ["PUB-10"],
        references: [
            attack(&["T1098.004", "T1136.003"]),
            doc(&["Transfer Family user guide: managing users for server endpoints"]),
        ],
        on: [
            On::Call("transfer.amazonaws.com", &[
                "CreateUser", "DeleteUser", "ImportSshPublicKey", "DeleteSshPublicKey", "CreateAccess", "DeleteAccess",
            ]),
            On::Call("lightsail.amazonaws.com", &["CreateBucketAccessKey", "DeleteBucketAccessKey"]),
        ],
    }
}

impl Rule for StorageLogin {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, event) = (caller_name(record), record.event_name.or_empty());
        let gone = event.starts_with("Delete");
        let [server, user, bucket] = ["serverId", "userName", "bucketName"].map(|key| record.param(&[key]));
        let group = record.param(&["externalId"]);
        let seen = if let Some(bucket) = bucket {
            let key = record
                .param(&["accessKeyId"])
                .or_else(|| record.response_text(&["accessKey", "accessKeyId"]));
            let arn = record.arn("lightsail", &format!("bucket/{bucket}"));
            let aspect = key.unwrap_or("a key");
            if gone {
                cx.passing(arn, format!("{who} deleted an access key of Lightsail bucket {bucket}"))
                    .aspect(aspect)
            } else {
                cx.failing(arn, format!("{who} made an access key of Lightsail bucket {bucket}"))
                    .aspect(aspect)
                    .step(
                        "Which keys are there?",
                        "lightsail get-bucket-access-keys",
                        &[region_option(record), ("--bucket-name", bucket)],
                    )
            }
        } else {
            if let (Some(server), Some(group)) = (server, group) {
                cx.report(of_group(record, cx, server, group));
                return Ok(());
            }
            let (Some(server), Some(user)) = (server, user) else { return Ok(()) };
            let arn = record.arn("transfer", &format!("user/{server}/{user}"));
            let options = [region_option(record), ("--server-id", server), ("--user-name", user)];
            match event {
                "DeleteUser" => cx.passing(arn, format!("{who} deleted user {user} of file server {server}")),
                // One of several keys; who has the others, the event does not say.
                "DeleteSshPublicKey" => return Ok(()),
                _ => {
                    let did = if event == "CreateUser" { "made user" } else { "gave an SSH key to user" };
                    cx.failing(arn, format!("{who} {did} {user} of file server {server}"))
                        .detail_if("Role", record.param(&["role"]))
                        .step("What may the user reach, with which keys?", "transfer describe-user", &options)
                        .step("Delete the user", "transfer delete-user", &options)
                }
            }
        };
        let seen = seen.because("Whoever holds the key reads and writes what lies there, from anywhere.");
        cx.report(if gone { seen } else { cx.tempered(stop_caller(seen, record)) });
        Ok(())
    }
}

/// What a whole group of a directory may reach on a file server.
fn of_group(record: &Record<'_>, cx: &Cx<'_>, server: &str, group: &str) -> Observation {
    let who = caller_name(record);
    let arn = record.arn("transfer", &format!("access/{server}/{group}"));
    if record.event_name.or_empty().starts_with("Delete") {
        return cx.passing(arn, format!("{who} shut directory group {group} out of file server {server}"));
    }
    let seen = cx
        .failing(arn, format!("{who} let directory group {group} into file server {server}"))
        .because("Whoever is in the group reads and writes what lies there, from anywhere.")
        .detail_if("Role", record.param(&["role"]))
        .step(
            "What may the group reach?",
            "transfer describe-access",
            &[region_option(record), ("--server-id", server), ("--external-id", group)],
        );
    cx.tempered(stop_caller(seen, record))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn put(source: &str, name: &str, request: Value) -> String {
        call(source, name, json!({"requestParameters": request}))
    }

    fn user(name: &str) -> String {
        put(
            "transfer",
            name,
            json!({"serverId": "s-1", "userName": "partner", "role": "arn:aws:iam::111122223333:role/files"}),
        )
    }

    #[test]
    fn fires() {
        let made = fires_at(&StorageLogin, Severity::Low, &user("CreateUser"));
        assert_eq!(made.title, "alice made user partner of file server s-1");
        let key = fires_at(&StorageLogin, Severity::Low, &user("ImportSshPublicKey"));
        assert_eq!(key.finding_id(), made.finding_id());
        let bucket = put("lightsail", "CreateBucketAccessKey", json!({"bucketName": "site"}));
        assert_eq!(
            fires_at(&StorageLogin, Severity::Low, &bucket).title,
            "alice made an access key of Lightsail bucket site"
        );
    }

    #[test]
    fn deleting_it_settles_it() {
        let open = fired(&StorageLogin, &user("CreateUser"));
        let gone = observe(&StorageLogin, &user("DeleteUser"));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        let answer = json!({"requestParameters": {"bucketName": "site"}, "responseElements": {"accessKey": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}});
        let open = fired(&StorageLogin, &call("lightsail", "CreateBucketAccessKey", answer));
        let request = json!({"bucketName": "site", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"});
        let gone = observe(&StorageLogin, &put("lightsail", "DeleteBucketAccessKey", request));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &StorageLogin,
            &[
                user("DeleteSshPublicKey"),
                put("transfer", "CreateUser", json!(null)),
                failed_call("transfer", "CreateUser", "AccessDenied", json!({})),
            ],
        );
    }

    #[test]
    fn a_group_of_a_directory_is_let_in_by_one_call() {
        let access =
            json!({"serverId": "s-1", "externalId": "S-1-5-21", "role": "arn:aws:iam::111122223333:role/r"});
        let title = "alice let directory group S-1-5-21 into file server s-1";
        let (open, close) =
            (asked("transfer", "CreateAccess", access.clone()), asked("transfer", "DeleteAccess", access));
        opens_and_closes(&StorageLogin, Severity::Low, (&open, title), &close);
    }
}
