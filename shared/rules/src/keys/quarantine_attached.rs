use super::common::{EXPOSED, Owner, exposed, quarantined};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS attached its quarantine policy (AWSCompromisedKeyQuarantine, any version, or its predecessor, which was an
    /// inline policy that denies everything) to a user, a role or a group. AWS does that within minutes after it finds an access key in public, often before Health or
    /// Trusted Advisor tell of it. Where nobody can say which key it is, the finding is about the user, and deleting the
    /// user resolves it.
    /// ## Why it matters
    /// The quarantine denies a list of actions; everything else the key may do, a stranger may do now.
    /// ## What to do
    /// Stop the key now; leave the policy where it is until AWS Support closes the case. Then see what the key has done.
    /// ## False positives
    /// Somebody testing the policy. AWS alone has a reason to attach it.
    QuarantineAttached {
        id: "exposed-access-key-quarantine",
        title: "AWS quarantined an identity because its key is exposed",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-06"],
        references: [
            attack(&["T1552", "T1078"]),
            doc(&["AWS managed policies AWSCompromisedKeyQuarantine to AWSCompromisedKeyQuarantineV4"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "AttachUserPolicy", "AttachRolePolicy", "AttachGroupPolicy", "PutUserPolicy", "PutRolePolicy",
            "PutGroupPolicy", "DeleteUser",
        ])],
        finding: EXPOSED,
    }
}

impl Rule for QuarantineAttached {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if let ("DeleteUser", Some(user)) = (record.event_name.or_empty(), record.param(&["userName"])) {
            let title = format!("User {user} was deleted, and its keys before it");
            cx.report(cx.passing(record.iam_arn("user", user), title));
            return Ok(());
        }
        let Some((kind, name, policy)) = quarantined(record) else { return Ok(()) };
        let short = policy.rsplit('/').next().unwrap_or(policy);
        let user = (kind == PrincipalKind::User).then_some(name);
        let reason = format!("{short} was attached to {} {name}.", kind.as_str());
        let title = format!("AWS quarantined {} {name}: one of its access keys is exposed", kind.as_str());
        let keys = match user {
            Some(user) => exposed_keys(cx, record.account(), user)?,
            None => Vec::new(),
        };
        for key in &keys {
            cx.report(
                exposed(cx, key, Owner::User(name), &title).because(&reason).detail("Quarantine", short),
            );
        }
        if keys.is_empty() {
            let arn = record.iam_arn(kind.as_str(), name);
            let seen = cx.failing(arn, title).global().because(&reason).detail("Quarantine", short);
            let seen = match user {
                Some(user) => seen
                    .step("Which keys has the user?", "iam list-access-keys", &[("--user-name", user)])
                    .step(
                        "Stop each key",
                        "iam update-access-key",
                        &[("--user-name", user), ("--access-key-id", "THE_KEY"), ("--status", "Inactive")],
                    )
                    .step(
                        "What has the user done? (us-east-1 has its calls to IAM; repeat in every enabled region; without \
                         --start-time it tells of 90 days)",
                        "cloudtrail lookup-events --region us-east-1",
                        &[("--lookup-attributes", &lookup("Username", user))],
                    ),
                None => seen,
            };
            cx.report(seen);
        }
        Ok(())
    }
}

/// The keys that the quarantine is about: those known to be exposed, else the only key there is. With two keys and no
/// other witness nobody can say which; the finding is about the user then.
fn exposed_keys(cx: &Cx<'_>, account: &str, user: &str) -> Result<Vec<String>, Interrupt> {
    let Fact::Known(keys) = cx.facts.access_keys(user)? else { return Ok(Vec::new()) };
    let mut known = Vec::new();
    for key in &keys {
        match cx.facts.exposed_key(account, key)? {
            Fact::Known(true) => known.push(key.clone()),
            Fact::Unavailable(why) => {
                return Err(Interrupt::Failed(format!("cannot tell whether {key} is exposed: {why}")));
            }
            _ => {}
        }
    }
    Ok(if known.is_empty() && keys.len() == 1 { keys } else { known })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query, Value};

    fn attach(policy: &str) -> String {
        call(
            "iam",
            "AttachUserPolicy",
            json!({"requestParameters": {"userName": "bob", "policyArn": policy}}),
        )
    }

    fn keys(keys: &[&str]) -> (Query, Answer) {
        let names = keys.iter().map(|key| (*key).to_owned()).collect();
        (Query::AccessKeys { user: "bob".to_owned() }, Fact::Known(Value::Names(names)))
    }

    #[test]
    fn fires() {
        for policy in [
            "AWSCompromisedKeyQuarantine",
            "AWSCompromisedKeyQuarantineV2",
            "AWSCompromisedKeyQuarantineV4",
            "AWSExposedCredentialPolicy_DO_NOT_REMOVE",
        ] {
            let event = attach(&format!("arn:aws:iam::aws:policy/{policy}"));
            let seen = fires_at(&QuarantineAttached, Severity::Critical, &event);
            assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/bob");
        }
    }

    fn put(name: &str, document: &str) -> String {
        let request = json!({"userName": "bob", "policyName": name, "policyDocument": document});
        call("iam", "PutUserPolicy", json!({"requestParameters": request}))
    }

    #[test]
    fn the_older_form_is_an_inline_policy() {
        let name = "AWSExposedCredentialPolicy_DO_NOT_REMOVE";
        let deny = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        let seen = fires_at(&QuarantineAttached, Severity::Critical, &put(name, deny));
        assert_eq!(seen.title, "AWS quarantined user bob: one of its access keys is exposed");
        let attached = attach("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3");
        assert_eq!(seen.finding_id(), fired(&QuarantineAttached, &attached).finding_id());
        // The name alone makes no quarantine.
        let allow = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        quiet(&QuarantineAttached, &[put(name, allow), put("deny-all", deny)]);
    }

    #[test]
    fn joins_the_finding_of_the_key() {
        let event = attach("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3");
        let one = fired_with(&QuarantineAttached, &event, &[keys(&["AKIAIOSFODNN7EXAMPLE"])]);
        assert_eq!(one.subject.resource, "AKIAIOSFODNN7EXAMPLE");

        let other = "AKIAI44QH8DHBEXAMPLE";
        let both = keys(&["AKIAIOSFODNN7EXAMPLE", other]);
        let flag = |key: &str, exposed| {
            let query = Query::ExposedKey { account: ACCOUNT.to_owned(), access_key_id: key.to_owned() };
            (query, Fact::Known(Value::Flag(exposed)))
        };
        let known = [both, flag("AKIAIOSFODNN7EXAMPLE", false), flag(other, true)];
        assert_eq!(fired_with(&QuarantineAttached, &event, &known).subject.resource, other);
    }

    #[test]
    fn deleting_the_user_resolves_what_is_about_the_user() {
        let open =
            fired(&QuarantineAttached, &attach("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"));
        let deleted = call("iam", "DeleteUser", json!({"requestParameters": {"userName": "bob"}}));
        let gone = observe(&QuarantineAttached, &deleted);
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), open.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &QuarantineAttached,
            &[
                attach("arn:aws:iam::aws:policy/AdministratorAccess"),
                attach("arn:aws:iam::111122223333:policy/AWSCompromisedKeyQuarantineV3"),
                call(
                    "iam",
                    "AttachUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
            ],
        );
    }
}
