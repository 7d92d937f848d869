use super::common::{graded, holds_bedrock_key, raised};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody made an access key for a user other than themselves: medium, and high where that user's own
    /// policies give administrative power (power by groups is not looked at). A key that a user makes for
    /// themselves is kept on record. Switching the key off or deleting it settles the finding. Keys that the
    /// program S3 Browser makes are high.
    /// ## Why it matters
    /// An access key does not expire and works without MFA. Whoever makes one for another user is that user
    /// from then on: it is how intruders climb to an administrator, and how they stay when their first key is
    /// found.
    /// ## What to do
    /// Ask the caller whom the key is for. If nobody asked for it, switch it off, see what it has done, and
    /// then look at everything else the caller did.
    /// ## False positives
    /// An administrator who makes the key of a program's user: a role would do without one. Infrastructure
    /// code is reported with less weight. What root makes is told by the rules on root.
    AccessKeyCreated {
        id: "iam-access-key-created",
        title: "An access key was made for a user",
        severity: Medium,
        confidence: High,
        catalogue: ["IAM-01", "IAM-02", "IAM-16"],
        references: [
            cis("3.0", &["1.11", "1.13"]),
            cis("5.0", &["1.10", "1.12"]),
            security_hub(&["IAM.3"]),
            attack(&["T1098.001"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"])],
    }
}

impl Rule for AccessKeyCreated {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (event, who) = (record.event_name.or_empty(), caller_name(record));
        if event != "CreateAccessKey" {
            let stopped = event == "DeleteAccessKey" || record.param(&["status"]) == Some("Inactive");
            if let Some(key) = record.param(&["accessKeyId"]).filter(|_| stopped) {
                let did = if event == "DeleteAccessKey" { "deleted" } else { "switched off" };
                cx.report(cx.passing(key, format!("{who} {did} access key {key}")).global());
            }
            return Ok(());
        }
        // A user who names nobody makes a key for themselves; the answer names them.
        let user = record.param(&["userName"]).or_else(|| record.response_text(&["accessKey", "userName"]));
        let Some(user) = user.or_else(|| calling_user(record)) else { return Ok(()) };
        if record.by_root() || holds_bedrock_key(user) {
            return Ok(());
        }
        let key = record.response_text(&["accessKey", "accessKeyId"]);
        let (own, named) =
            (calling_user(record) == Some(user), key.unwrap_or("(CloudTrail does not tell its id)"));
        let title = match own {
            true => format!("{who} made an access key of their own: {named}"),
            false => format!("{who} made access key {named} for user {user}"),
        };
        let arn = record.iam_arn("user", user);
        let mut seen = cx.failing(key.unwrap_or(&arn), title).global().detail("User", user);
        if own {
            seen = seen.severity(Severity::Informational);
        } else {
            seen = seen.because("Whoever holds the key can act as this user, from anywhere and without MFA.");
            seen = graded(seen, record, cx, user)?;
        }
        seen = raised(cx.tempered(seen), record);
        seen = match key {
            Some(key) => {
                let used = lookup("AccessKeyId", key);
                let options = [("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")];
                seen.step(
                    "Switch the key off (it can be switched on again)",
                    "iam update-access-key",
                    &options,
                )
                .step(
                    "What has the key done? (us-east-1 has its calls to IAM; repeat in every enabled region)",
                    "cloudtrail lookup-events",
                    &[region_option(record), ("--lookup-attributes", &used)],
                )
            }
            None => seen.step("Which keys has the user?", "iam list-access-keys", &[("--user-name", user)]),
        };
        let option = [("--user-name", user)];
        seen = seen.step("What may the user do?", "iam list-attached-user-policies", &option).step(
            "What may it do by its groups?",
            "iam list-groups-for-user",
            &option,
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Fact, Holdings, PrincipalKind, Query, Value as Answer};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn made(request: Value, user: &str, changes: Value) -> String {
        let mut event: Value =
            serde_json::from_str(&call("iam", "CreateAccessKey", changes)).unwrap_or_default();
        event["requestParameters"] = request;
        event["responseElements"] = json!({"accessKey": {
            "accessKeyId": KEY, "userName": user, "status": "Active",
            "createDate": "Mar 1, 2026 12:00:00 PM"}});
        event.to_string()
    }

    fn for_bob(changes: Value) -> String {
        made(json!({"userName": "bob"}), "bob", changes)
    }

    #[test]
    fn fires_for_another_user() {
        let seen = fires_at(&AccessKeyCreated, Severity::Medium, &for_bob(json!({})));
        assert_eq!(seen.title, format!("alice made access key {KEY} for user bob"));
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), (KEY, "global"));
        let held = Holdings {
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Holdings::default()
        };
        let query = Query::Principal { kind: PrincipalKind::User, name: "bob".to_owned() };
        let seen = fired_with(
            &AccessKeyCreated,
            &for_bob(json!({})),
            &[(query, Fact::Known(Answer::Holdings(held)))],
        );
        assert_eq!(seen.severity, Severity::High);
        // A role makes keys for users only.
        let role = json!({"userIdentity": {"type": "AssumedRole", "userName": null,
            "principalId": "AROAEXAMPLE:eve",
            "sessionContext": {"sessionIssuer": {"userName": "Admin"}}}});
        let seen = fires_at(&AccessKeyCreated, Severity::Medium, &for_bob(role));
        assert!(seen.title.starts_with("Admin/eve made"), "{}", seen.title);
        let untold = call("iam", "CreateAccessKey", json!({"requestParameters": {"userName": "bob"}}));
        let seen = fires_at(&AccessKeyCreated, Severity::Medium, &untold);
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/bob");
    }

    #[test]
    fn a_stack_s_key_is_told_and_a_key_of_ones_own_is_on_record() {
        let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
        fires_at(&AccessKeyCreated, Severity::Medium, &for_bob(stack));
        for request in [json!(null), json!({}), json!({"userName": "alice"})] {
            let seen =
                fires_at(&AccessKeyCreated, Severity::Informational, &made(request, "alice", json!({})));
            assert!(seen.title.contains("of their own"), "{}", seen.title);
        }
    }

    #[test]
    fn s3_browser_is_high_even_for_oneself() {
        let browser = json!({"userAgent": "S3 Browser/11.6.7 (https://s3browser.com)"});
        fires_at(&AccessKeyCreated, Severity::High, &for_bob(browser.clone()));
        fires_at(&AccessKeyCreated, Severity::High, &made(json!(null), "alice", browser));
    }

    #[test]
    fn switching_off_and_deleting_settle_it() {
        let id = fired(&AccessKeyCreated, &for_bob(json!({}))).finding_id();
        let request =
            json!({"requestParameters": {"userName": "bob", "accessKeyId": KEY, "status": "Inactive"}});
        for name in ["UpdateAccessKey", "DeleteAccessKey"] {
            let seen = observe(&AccessKeyCreated, &call("iam", name, request.clone()));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{name}");
            assert_eq!(seen[0].finding_id(), id);
        }
    }

    #[test]
    fn stays_quiet() {
        let bedrock = json!({"userName": "BedrockAPIKey-x1y2"});
        let active =
            json!({"requestParameters": {"userName": "bob", "accessKeyId": KEY, "status": "Active"}});
        quiet(
            &AccessKeyCreated,
            &[
                for_bob(json!({"errorCode": "LimitExceededException"})),
                made(bedrock, "BedrockAPIKey-x1y2", json!({})),
                root_call("iam", "CreateAccessKey", json!({"requestParameters": {"userName": "bob"}})),
                call(
                    "iam",
                    "CreateAccessKey",
                    json!({"userIdentity": {"type": "AssumedRole", "userName": null}}),
                ),
                call("iam", "UpdateAccessKey", active),
                call("iam", "DeleteAccessKey", json!({"requestParameters": {"accessKeyId": {}}})),
            ],
        );
    }
}
