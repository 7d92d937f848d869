use super::common::{raised, recorded};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An IAM user was made, or a person in the directory of Identity Center: low, for the weekly mail, and only on record where a stack, a service or what
    /// you have listed as automation made it. Made by the program S3 Browser it is high. Deleting the user
    /// settles the finding.
    /// ## Why it matters
    /// A new user is a new way in with a life of its own. By itself it can do nothing; its password, its keys
    /// and its policies are reported by rules of their own.
    /// ## What to do
    /// See that you know whom the user is for. People are better served by Identity Center, programs by
    /// roles.
    /// ## False positives
    /// Every new colleague and every new program, which is why it is quiet. People whom an identity provider
    /// provisions are only kept on record. What root makes is told by the
    /// rules on root.
    UserCreated {
        id: "iam-user-created",
        title: "An IAM user was made",
        severity: Low,
        confidence: High,
        catalogue: ["IAM-03", "IAM-16"],
        references: [cis("3.0", &["1.21", "4.4"]), cis("5.0", &["1.20", "4.4"]), attack(&["T1136.003"])],
        on: [
            On::Call("iam.amazonaws.com", &["CreateUser", "DeleteUser"]),
            On::Call("sso-directory.amazonaws.com", &["CreateUser", "DeleteUser"]),
            On::Call("identitystore.amazonaws.com", &["CreateUser", "DeleteUser"]),
            On::Call(directory::SCIM, &["CreateUser", "DeleteUser"]),
        ],
    }
}

impl Rule for UserCreated {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_source.or_empty() != "iam.amazonaws.com" {
            in_directory(record, cx);
            return Ok(());
        }
        let answered = record.response_text(&["user", "userName"]);
        let Some(user) = record.param(&["userName"]).or(answered) else { return Ok(()) };
        let (who, arn) = (caller_name(record), record.iam_arn("user", user));
        if record.event_name.or_empty() == "DeleteUser" {
            cx.report(cx.passing(arn, format!("{who} deleted IAM user {user}")));
            return Ok(());
        }
        if record.by_root() {
            return Ok(());
        }
        let severity = recorded(cx);
        let option = [("--user-name", user)];
        let seen = cx
            .failing(arn, format!("{who} made IAM user {user}"))
            .severity(severity)
            .because(
                "A new user can get a password, keys and policies; each of these is told when it happens.",
            )
            .detail_if("ARN", record.response_text(&["user", "arn"]))
            .detail_if("Permissions boundary", record.param(&["permissionsBoundary"]))
            .step("Which keys has the user?", "iam list-access-keys", &option)
            .step("What may the user do?", "iam list-attached-user-policies", &option);
        cx.report(stop_caller(raised(cx.tempered(seen), record), record));
        Ok(())
    }
}

/// A person of Identity Center.
fn in_directory(record: &Record<'_>, cx: &mut Cx<'_>) {
    // Without an answer a new person has only the name that was asked for.
    let asked = || record.param(&["userName"]).filter(|name| directory::shown(name));
    let Some(person) = directory::user(record).or_else(asked) else { return };
    let (who, arn) = (caller_name(record), directory::user_arn(record, person));
    if record.event_name.or_empty() == "DeleteUser" {
        cx.report(cx.passing(arn, format!("{who} deleted Identity Center user {person}")).global());
        return;
    }
    let severity = if directory::by_scim(record) { Severity::Informational } else { recorded(cx) };
    let seen = cx
        .failing(arn, format!("{who} made Identity Center user {person}"))
        .global()
        .severity(severity)
        .because(
            "Groups and permission sets say what a person may do; each of these is told when it happens.",
        )
        .detail_if("Name", record.param(&["userName"]).filter(|name| directory::shown(name)))
        .step("Who is it?", "identitystore describe-user", &directory::user_options(record, person));
    cx.report(stop_caller(cx.tempered(seen), record));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn create(changes: Value) -> String {
        let mut event: Value = serde_json::from_str(&call("iam", "CreateUser", changes)).unwrap_or_default();
        event["requestParameters"] = json!({"userName": "bob"});
        event["responseElements"] =
            json!({"user": {"userName": "bob", "arn": "arn:aws:iam::111122223333:user/team/bob"}});
        event.to_string()
    }

    #[test]
    fn fires() {
        let seen = fires_at(&UserCreated, Severity::Low, &create(json!({})));
        assert_eq!(seen.title, "alice made IAM user bob");
        let stack = json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
        fires_at(&UserCreated, Severity::Informational, &create(stack));
        // Anybody can call themselves a tool, and stays in the digest.
        fires_at(&UserCreated, Severity::Low, &create(json!({"userAgent": "Pulumi/3"})));
        fires_at(&UserCreated, Severity::High, &create(json!({"userAgent": "[S3 Browser 9.5.5]"})));
        let answered = json!({"responseElements": {"user": {"userName": "bob"}}});
        fires_at(&UserCreated, Severity::Low, &call("iam", "CreateUser", answered));
    }

    #[test]
    fn deleting_settles_it() {
        let gone = call("iam", "DeleteUser", json!({"requestParameters": {"userName": "bob"}}));
        let gone = observe(&UserCreated, &gone);
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), fired(&UserCreated, &create(json!({}))).finding_id());
    }

    #[test]
    fn a_person_of_identity_center_is_a_user() {
        let id = "544894e8-80c1-707f-60e3-3ba6510dfac1";
        let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
        let console = json!({"requestParameters": {"identityStoreId": "d-1", "userName": hidden},
            "responseElements": {"user": {"userId": id}}});
        let seen = fires_at(&UserCreated, Severity::Low, &call("sso-directory", "CreateUser", console));
        assert_eq!(seen.title, format!("alice made Identity Center user {id}"));
        assert_eq!(seen.subject.resource, format!("arn:aws:identitystore:::user/{id}"));
        assert!(!seen.details.iter().any(|(_, value)| value.contains("HIDDEN")), "{:?}", seen.details);
        let api = json!({"requestParameters": {"identityStoreId": "d-1", "userName": "dana"},
            "responseElements": {"identityStoreId": "d-1", "userId": id}});
        let api = fires_at(&UserCreated, Severity::Low, &call("identitystore", "CreateUser", api));
        assert_eq!(api.finding_id(), seen.finding_id());
        let scim = json!({"requestParameters": {"httpBody": {"active": true}, "tenantId": "t-1"},
            "responseElements": {"httpBody": {"id": id}},
            "userIdentity": {"type": "WebIdentityUser", "userName": null, "arn": null}});
        fires_at(&UserCreated, Severity::Informational, &call("identitystore-scim", "CreateUser", scim));
        let gone = json!({"requestParameters": {"identityStoreId": "d-1", "userId": id}});
        let gone = observe(&UserCreated, &call("identitystore", "DeleteUser", gone));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), seen.finding_id());
        quiet(&UserCreated, &[call("sso-directory", "CreateUser", json!({"requestParameters": null}))]);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &UserCreated,
            &[
                create(json!({"errorCode": "EntityAlreadyExistsException"})),
                call("iam", "CreateUser", json!({"requestParameters": null})),
                call("iam", "CreateUser", json!({"requestParameters": {"userName": ["bob"]}})),
                root_call("iam", "CreateUser", json!({"requestParameters": {"userName": "bob"}})),
                call("identitystore", "CreateUser", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn a_person_is_told_without_an_answer() {
        let person =
            asked("identitystore", "CreateUser", json!({"identityStoreId": "d-1", "userName": "trudy"}));
        assert_eq!(
            fires_at(&UserCreated, Severity::Low, &person).title,
            "alice made Identity Center user trudy"
        );
    }
}
