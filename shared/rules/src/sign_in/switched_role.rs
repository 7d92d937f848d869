use keepwatch_policy::Level;

use super::common::{from, what_since};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody switched to a role with administrative power in the console. What the role holds is read from
    /// the account; where that fails the switch is kept on record and says so.
    /// ## Why it matters
    /// From here on the changes bear the role's name. This finding says who was behind the role, and since
    /// when.
    /// ## What to do
    /// Nothing, if the name is one you expect. If not, end the sessions of the role (revoke sessions, in the
    /// IAM console) and look at what was done.
    /// ## False positives
    /// It is how people in organizations work every day, hence for the weekly mail. Roles with ordinary
    /// power are not reported.
    SwitchedRole {
        id: "sign-in-switched-to-admin",
        title: "Somebody switched to an administrator role in the console",
        severity: Low,
        confidence: High,
        catalogue: ["AUTH-06"],
        references: [
            attack(&["T1550.001"]),
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["SwitchRole"])],
    }
}

impl Rule for SwitchedRole {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if sign_in_result(record) != Some("Success") {
            return Ok(());
        }
        // The event is the new session's: arn:aws:sts::111122223333:assumed-role/ROLE/SESSION.
        let session = record.user_identity.arn.or_empty().split_once(":assumed-role/").map(|(_, rest)| rest);
        let Some((role, name)) = session.and_then(|session| session.split_once('/')) else { return Ok(()) };
        let arn = record.iam_arn("role", role);
        let before = record.additional_text(&["SwitchFrom"]);
        let who = before.and_then(|arn| arn.rsplit('/').next()).unwrap_or(name);
        let power = power::of_principal(cx, PrincipalKind::Role, role, Some(&arn))?;
        let seen = match &power {
            Power::Known(grant) if grant.level < Level::PrivilegeEscalation => return Ok(()),
            Power::Known(grant) => cx
                .failing(&arn, format!("{who} switched to administrator role {role}, from {}", from(record)))
                .severity(Severity::Low)
                .because(as_sentence(&grant.why())),
            Power::Unknown(why) => cx
                .unknown(&arn, format!("{who} switched to role {role}, whose power could not be read"))
                .severity(Severity::Informational)
                .because(as_sentence(why)),
        };
        let seen = seen.aspect(before.unwrap_or(name)).detail_if("Came as", before);
        let seen = what_since(seen, record).step(
            "Whom does the role trust?",
            "iam get-role",
            &[("--role-name", role)],
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
    use keepwatch_core::state::{Answer, Fact, Holdings, Query, Value as StateValue};

    fn switched(changes: Value) -> String {
        let mut event: Value = serde_json::from_str(&call(
            "signin",
            "SwitchRole",
            json!({
                "eventType": "AwsConsoleSignIn",
                "userIdentity": {"type": "AssumedRole", "principalId": "AROAEXAMPLE:bob", "userName": null,
                    "accessKeyId": null, "arn": "arn:aws:sts::111122223333:assumed-role/Admin/bob"},
                "responseElements": {"SwitchRole": "Success"},
                "additionalEventData": {"SwitchFrom": "arn:aws:iam::444455556666:user/bob"},
            }),
        ))
        .unwrap_or_default();
        if let (Some(event), Value::Object(changes)) = (event.as_object_mut(), changes) {
            event.extend(changes);
        }
        event.to_string()
    }

    fn holds(policy: &str) -> (Query, Answer) {
        let held =
            Holdings { managed: vec![format!("arn:aws:iam::aws:policy/{policy}")], ..Holdings::default() };
        let query = Query::Principal { kind: PrincipalKind::Role, name: "Admin".to_owned() };
        (query, Fact::Known(StateValue::Holdings(held)))
    }

    #[test]
    fn fires() {
        let seen = fired_with(&SwitchedRole, &switched(json!({})), &[holds("AdministratorAccess")]);
        assert_eq!(seen.title, "bob switched to administrator role Admin, from 203.0.113.7");
        assert_eq!((seen.severity, seen.verdict), (Severity::Low, Verdict::Failing));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:role/Admin");
        let unread =
            fires_at(&SwitchedRole, Severity::Informational, &switched(json!({"additionalEventData": null})));
        assert_eq!((unread.verdict, unread.subject.aspect.as_deref()), (Verdict::Unknown, Some("bob")));
    }

    #[test]
    fn stays_quiet() {
        let seen = observe_with(&SwitchedRole, &switched(json!({})), &[holds("ReadOnlyAccess")]);
        assert!(seen.is_empty(), "{seen:?}");
        quiet(
            &SwitchedRole,
            &[
                switched(json!({"responseElements": {"SwitchRole": "Failure"}})),
                switched(json!({"responseElements": null})),
                switched(json!({"userIdentity": {"arn": "arn:aws:iam::111122223333:user/bob"}})),
                switched(json!({"eventName": "RenewRole"})),
            ],
        );
    }
}
