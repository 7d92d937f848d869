use crate::kit::prelude::*;

/// What the Bedrock console names the users that it makes to hold an API key.
const KEY_USER: &str = "BedrockAPIKey-";

declare_rule! {
    /// ## What it detects
    /// Credentials that are neither access key nor password and easily overlooked. A service-specific credential was
    /// made: an API key for Amazon Bedrock (medium; high if it never expires), or one for CodeCommit, Keyspaces or
    /// CloudWatch Logs (kept on record). One was reset, which gives whoever asked a new secret, or was switched on again:
    /// medium where it is somebody else's. And a user named `BedrockAPIKey-…`, which the Bedrock console makes to hold
    /// such a key and nothing else, got an access key or a console password, or used an access key outside Bedrock.
    /// ## Why it matters
    /// A Bedrock API key is a plain bearer token: no signature, no MFA, often no end. Stolen ones are resold, and the
    /// bill for foundation models runs to thousands a day. An access key or a password for the key's user turns the
    /// token into a foothold that reads the account's roles, networks and keys, under a name nobody looks at.
    /// ## What to do
    /// Ask the caller. If nobody needs the credential, delete it; for a `BedrockAPIKey-…` user delete its access keys
    /// and password as well, and read what it has called.
    /// ## False positives
    /// A team that uses Bedrock through software which knows only API keys: give the key an end, and this rule is
    /// quieter. There is no ordinary reason for such a user to have an access key or a password. Calls outside Bedrock
    /// are seen only where another rule listens to the same call.
    ServiceCredential {
        id: "admin-service-credential",
        title: "An API key or another service-specific credential was made or misused",
        severity: High,
        confidence: Medium,
        catalogue: ["ADM-22"],
        references: [
            attack(&["T1098.001"]),
            doc(&["IAM User Guide: Service-specific credentials for IAM users"]),
        ],
        on: [
            On::Call("iam.amazonaws.com", &[
                "CreateServiceSpecificCredential", "DeleteServiceSpecificCredential",
                "ResetServiceSpecificCredential", "UpdateServiceSpecificCredential", "CreateAccessKey",
                "CreateLoginProfile",
            ]),
            On::LongTermKey,
        ],
    }
}

impl Rule for ServiceCredential {
    fn prefilter(&self, header: &RecordHeader<'_>) -> bool {
        header.source == "iam.amazonaws.com" || header.user_name.starts_with(KEY_USER)
    }

    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let in_iam = record.event_source.or_empty() == "iam.amazonaws.com";
        match record.event_name.or_empty() {
            "CreateServiceSpecificCredential" | "DeleteServiceSpecificCredential" if in_iam => {
                credential(record, cx)
            }
            "ResetServiceSpecificCredential" | "UpdateServiceSpecificCredential" if in_iam => {
                revived(record, cx);
            }
            "CreateAccessKey" | "CreateLoginProfile" if in_iam => login(record, cx),
            _ => outside(record, cx),
        }
        Ok(())
    }
}

fn credential(record: &Record<'_>, cx: &mut Cx<'_>) {
    let made =
        |key| record.param(&[key]).or_else(|| record.response_text(&["serviceSpecificCredential", key]));
    // A caller who names nobody means itself.
    let Some(user) = made("userName").or_else(|| record.user_identity.user_name.get()) else { return };
    let id = made("serviceSpecificCredentialId");
    let arn = record.iam_arn("user", user);
    if record.event_name.or_empty().starts_with("Delete") {
        if let Some(id) = id {
            cx.report(
                cx.passing(arn, format!("The service-specific credential {id} of user {user} is deleted"))
                    .aspect(id),
            );
        }
        return;
    }
    let Some(service) = made("serviceName") else { return };
    let age = record.request().get("credentialAgeDays").and_then(|days| match days {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    });
    let lasts = age.map_or("never expires".to_owned(), |days| format!("expires after {days} days"));
    let (severity, what) = match (service, age) {
        ("bedrock.amazonaws.com", None) => {
            (Severity::High, "a Bedrock API key that never expires".to_owned())
        }
        ("bedrock.amazonaws.com", Some(_)) => (Severity::Medium, format!("a Bedrock API key that {lasts}")),
        _ => (Severity::Low, format!("a credential for {service}")),
    };
    let why = "Whoever holds it can use the service as this user, without a signature and without MFA.";
    let mut seen = cx
        .failing(arn, format!("{} made {what} for user {user}", caller_name(record)))
        .aspect(id.unwrap_or(service))
        .severity(severity)
        .because(why)
        .detail("Service", service)
        .detail("Lasts", lasts);
    seen = match id {
        Some(id) => seen.step(
            "Delete it",
            "iam delete-service-specific-credential",
            &[("--user-name", user), ("--service-specific-credential-id", id)],
        ),
        None => seen.step("Find it", "iam list-service-specific-credentials", &[("--user-name", user)]),
    };
    cx.report(stop_caller(seen, record));
}

/// A credential that has a new secret or works again.
fn revived(record: &Record<'_>, cx: &mut Cx<'_>) {
    let answered = |key| record.response_text(&["serviceSpecificCredential", key]);
    let Some(user) = named_user(record).or_else(|| answered("userName")) else { return };
    let id =
        record.param(&["serviceSpecificCredentialId"]).or_else(|| answered("serviceSpecificCredentialId"));
    let Some(id) = id else { return };
    let (who, arn) = (caller_name(record), record.iam_arn("user", user));
    let did = match (record.event_name.or_empty(), record.param(&["status"])) {
        ("ResetServiceSpecificCredential", _) => "got a new secret for",
        (_, Some(status)) if status.eq_ignore_ascii_case("active") => "switched on",
        (_, Some(_)) => {
            let title = format!("{who} switched off service-specific credential {id} of user {user}");
            cx.report(cx.passing(arn, title).aspect(id));
            return;
        }
        _ => return,
    };
    let own = calling_user(record) == Some(user);
    let seen = cx
        .failing(arn, format!("{who} {did} service-specific credential {id} of user {user}"))
        .aspect(id)
        .severity(if own { Severity::Low } else { Severity::Medium })
        .because("Whoever holds it can use the service as this user, without a signature and without MFA.")
        .detail_if("Service", answered("serviceName"))
        .step(
            "Switch it off",
            "iam update-service-specific-credential",
            &[("--user-name", user), ("--service-specific-credential-id", id), ("--status", "Inactive")],
        );
    cx.report(stop_caller(seen, record));
}

fn login(record: &Record<'_>, cx: &mut Cx<'_>) {
    let user = record
        .param(&["userName"])
        .or_else(|| record.response_text(&["accessKey", "userName"]))
        .or_else(|| record.user_identity.user_name.get());
    let Some(user) = user.filter(|user| user.starts_with(KEY_USER)) else { return };
    let (what, aspect) = match record.event_name.or_empty() {
        "CreateAccessKey" => ("an access key", "access key"),
        _ => ("a console password", "password"),
    };
    let title = format!(
        "{} made {what} for user {user}, which is there to hold a Bedrock API key",
        caller_name(record)
    );
    let seen = cx
        .failing(record.iam_arn("user", user), title)
        .aspect(aspect)
        .because("The Bedrock console makes users of this name for API keys only; nobody signs in as one.")
        .detail_if("Access key", record.response_text(&["accessKey", "accessKeyId"]));
    let seen = match record.response_text(&["accessKey", "accessKeyId"]) {
        Some(key) => seen.step(
            "Delete the access key",
            "iam delete-access-key",
            &[("--user-name", user), ("--access-key-id", key)],
        ),
        None if aspect == "password" => {
            seen.step("Take the password away", "iam delete-login-profile", &[("--user-name", user)])
        }
        None => seen.step("Which access keys are there?", "iam list-access-keys", &[("--user-name", user)]),
    };
    cx.report(stop_caller(seen, record));
}

fn outside(record: &Record<'_>, cx: &mut Cx<'_>) {
    let who = &record.user_identity;
    let (source, event) = (record.event_source.or_empty(), record.event_name.or_empty());
    let Some(user) = who.user_name.get().filter(|user| user.starts_with(KEY_USER)) else { return };
    if !is_long_term_key(who.access_key_id.or_empty()) || source.starts_with("bedrock") {
        return;
    }
    let service = source.trim_end_matches(".amazonaws.com");
    let title = format!("User {user}, which is there to hold a Bedrock API key, called {event} of {service}");
    let seen = cx
        .failing(record.iam_arn("user", user), title)
        .aspect("outside Bedrock")
        .because("A Bedrock API key cannot make this call: somebody has an access key of this user.")
        .step("Which access keys are there?", "iam list-access-keys", &[("--user-name", user)]);
    cx.report(stop_caller(seen, record));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ID: &str = "ACCAEXAMPLE123456789";

    fn create(service: &str, days: serde_json::Value) -> String {
        call(
            "iam",
            "CreateServiceSpecificCredential",
            json!({
                "requestParameters": {"userName": "BedrockAPIKey-x1y2", "serviceName": service, "credentialAgeDays": days},
                "responseElements": {"serviceSpecificCredential": {
                    "serviceSpecificCredentialId": ID, "userName": "BedrockAPIKey-x1y2", "serviceName": service,
                }},
            }),
        )
    }

    fn by_key_user(source: &str, name: &str, key: &str) -> String {
        call(source, name, json!({"userIdentity": {"userName": "BedrockAPIKey-x1y2", "accessKeyId": key}}))
    }

    #[test]
    fn fires_for_a_credential() {
        let seen =
            fires_at(&ServiceCredential, Severity::High, &create("bedrock.amazonaws.com", json!(null)));
        assert_eq!(seen.title, "alice made a Bedrock API key that never expires for user BedrockAPIKey-x1y2");
        fires_at(&ServiceCredential, Severity::Medium, &create("bedrock.amazonaws.com", json!(30)));
        fires_at(&ServiceCredential, Severity::Medium, &create("bedrock.amazonaws.com", json!("30")));
        fires_at(&ServiceCredential, Severity::High, &create("bedrock.amazonaws.com", json!(["odd"])));
        for service in ["codecommit.amazonaws.com", "cassandra.amazonaws.com", "logs.amazonaws.com"] {
            fires_at(&ServiceCredential, Severity::Low, &create(service, json!(null)));
        }
    }

    #[test]
    fn fires_for_a_key_user() {
        let key = json!({
            "requestParameters": {"userName": "BedrockAPIKey-x1y2"},
            "responseElements": {"accessKey": {"userName": "BedrockAPIKey-x1y2", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}},
        });
        let seen = fires_at(&ServiceCredential, Severity::High, &call("iam", "CreateAccessKey", key));
        assert!(seen.steps[0].command.contains("AKIAIOSFODNN7EXAMPLE"));
        let password = json!({"requestParameters": {"userName": "BedrockAPIKey-x1y2"}});
        fires_at(&ServiceCredential, Severity::High, &call("iam", "CreateLoginProfile", password));
        // It made itself a key: one observation, not two.
        fires_at(
            &ServiceCredential,
            Severity::High,
            &by_key_user("iam", "CreateAccessKey", "AKIAIOSFODNN7EXAMPLE"),
        );
        let seen = fires_at(
            &ServiceCredential,
            Severity::High,
            &by_key_user("iam", "CreateUser", "AKIAIOSFODNN7EXAMPLE"),
        );
        assert!(seen.title.ends_with("called CreateUser of iam"), "{}", seen.title);
    }

    #[test]
    fn deleting_settles_it() {
        let parameters = json!({"userName": "BedrockAPIKey-x1y2", "serviceSpecificCredentialId": ID});
        let undo = call("iam", "DeleteServiceSpecificCredential", json!({"requestParameters": parameters}));
        let observations = observe(&ServiceCredential, &undo);
        assert_eq!(observations.len(), 1);
        assert_eq!(observations[0].verdict, Verdict::Passing);
        let made = fired(&ServiceCredential, &create("bedrock.amazonaws.com", json!(null)));
        assert_eq!(observations[0].finding_id(), made.finding_id());
    }

    #[test]
    fn a_reset_or_a_reactivation_is_as_good_as_a_new_one() {
        let event = |name: &str, user: &str, status: &str| {
            let request = json!({"userName": user, "serviceSpecificCredentialId": ID, "status": status});
            call("iam", name, json!({"requestParameters": request}))
        };
        let reset = event("ResetServiceSpecificCredential", "bob", "");
        let seen = fires_at(&ServiceCredential, Severity::Medium, &reset);
        let title = format!("alice got a new secret for service-specific credential {ID} of user bob");
        assert_eq!(seen.title, title);
        fires_at(&ServiceCredential, Severity::Low, &event("ResetServiceSpecificCredential", "alice", ""));
        let on = |user: &str| event("UpdateServiceSpecificCredential", user, "Active");
        fires_at(&ServiceCredential, Severity::Medium, &on("bob"));
        fires_at(&ServiceCredential, Severity::Low, &on("alice"));
        let off = observe(&ServiceCredential, &event("UpdateServiceSpecificCredential", "bob", "Inactive"));
        assert_eq!((off.len(), off[0].verdict), (1, Verdict::Passing));
        assert_eq!(off[0].finding_id(), seen.finding_id());
        quiet(
            &ServiceCredential,
            &[
                call("iam", "ResetServiceSpecificCredential", json!({"requestParameters": null})),
                event("UpdateServiceSpecificCredential", "bob", ""),
            ],
        );
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "AccessDenied", "requestParameters": {
            "userName": "BedrockAPIKey-x1y2", "serviceName": "bedrock.amazonaws.com"}});
        quiet(
            &ServiceCredential,
            &[
                call("iam", "CreateServiceSpecificCredential", failed),
                call(
                    "iam",
                    "CreateServiceSpecificCredential",
                    json!({"requestParameters": {"userName": "bob", "serviceName": 7}}),
                ),
                call("iam", "CreateServiceSpecificCredential", json!({"requestParameters": null})),
                call("iam", "CreateAccessKey", json!({"requestParameters": {"userName": "bob"}})),
                call("iam", "CreateAccessKey", json!({"requestParameters": null})),
                call(
                    "iam",
                    "CreateLoginProfile",
                    json!({"requestParameters": {"userName": "not-BedrockAPIKey-x1y2"}}),
                ),
                call(
                    "iam",
                    "CreateLoginProfile",
                    json!({"requestParameters": {"userName": ["BedrockAPIKey-x1y2"]}}),
                ),
                by_key_user("bedrock", "InvokeModel", "AKIAIOSFODNN7EXAMPLE"),
                call("iam", "CreateUser", json!({"userIdentity": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}})),
            ],
        );
    }
}
