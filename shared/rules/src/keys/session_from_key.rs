use keepwatch_policy::Level;
use keepwatch_policy::managed;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The access key of an IAM user was turned into a session: by GetFederationToken, which gives the session a name and
    /// policies of the caller's choice, or by GetSessionToken without an MFA device.
    /// ## Why it matters
    /// The session lives on for up to 36 hours when the key has been switched off or deleted. With one by GetFederationToken,
    /// and AdministratorAccess as its policy, a thief opens the console with all that the user may do.
    /// ## What to do
    /// Ask the user. If it was not meant, switch the key off and attach AWSDenyAll to the user: sessions that a user's key has
    /// made end only when the user may do nothing.
    /// ## False positives
    /// A sign-in page of your own, which makes federation tokens all day: list its user as automation. GetSessionToken with
    /// an MFA device is what the guide asks for, and is not told.
    SessionFromKey {
        id: "session-made-from-key",
        title: "A session was made from an access key",
        severity: Medium,
        confidence: Medium,
        catalogue: ["KEY-13"],
        references: [
            attack(&["T1550.001"]),
            attack(&["T1078.004"]),
            doc(&["STS API reference: GetFederationToken, GetSessionToken"]),
        ],
        on: [On::Call("sts.amazonaws.com", &["GetFederationToken", "GetSessionToken"])],
    }
}

impl Rule for SessionFromKey {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = &record.user_identity;
        // Root's calls have rules of their own; a role's session cannot make these calls.
        let Some(user) = who.arn.get().filter(|_| who.kind.or_empty() == "IAMUser") else { return Ok(()) };
        let federated = record.event_name.or_empty() == "GetFederationToken";
        if !federated && record.param(&["serialNumber"]).is_some() {
            return Ok(());
        }
        let name = caller_name(record);
        let (severity, qualifier, reason) = match (federated, passed_on(record, cx)) {
            (true, Level::FullAdmin) => {
                (Severity::High, " that passes on all that the user may do", "Its policy allows everything.")
            }
            (true, _) => (Severity::Medium, "", "Such a session opens the console without password and MFA."),
            (false, _) => (Severity::Low, " without MFA", "It outlives the key that made it."),
        };
        let call = record.event_name.or_empty();
        let session = record.param(&["name"]).map(|name| format!(" {name}")).unwrap_or_default();
        let title = format!("{name} made session{session}{qualifier} from an access key by {call}");
        let seen = cx.failing(user, title).severity(severity).because(reason).aspect(call);
        let seen = seen.detail_if("Session", record.response_text(&["federatedUser", "arn"]));
        let seen = seen.detail_if("Valid until", record.response_text(&["credentials", "expiration"]));
        let seen = stop_caller(cx.tempered(seen), record);
        cx.report(deny_user(seen, record, who.user_name.or_empty()));
        Ok(())
    }
}

/// How much of the user's own power the session's policies pass on; without a policy it has none.
fn passed_on(record: &Record<'_>, cx: &Cx<'_>) -> Level {
    let arns = record.request().get("policyArns").and_then(Value::as_array);
    let arn_of =
        |given: &'_ Value| given.get("arn").or(Some(given)).and_then(Value::as_str).map(str::to_owned);
    let managed = arns.into_iter().flatten().filter_map(arn_of).filter_map(|arn| managed::known(&arn));
    let managed = managed.map(|grant| grant.level);
    let inline = record.request().get("policy").filter(|policy| !policy.is_null());
    let inline =
        inline.map(|policy| power::of_value(cx, Origin::Inline, "session policy", policy, None).level());
    managed.chain(inline).max().unwrap_or(Level::Ordinary)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn sts(name: &str, parameters: Value) -> String {
        call(
            "sts",
            name,
            json!({"requestParameters": parameters, "userIdentity": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}}),
        )
    }

    #[test]
    fn fires() {
        let admin =
            json!({"name": "x", "policyArns": [{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}]});
        let seen = fires_at(&SessionFromKey, Severity::High, &sts("GetFederationToken", admin));
        assert_eq!(
            seen.title,
            "alice made session x that passes on all that the user may do from an access key by GetFederationToken"
        );
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/alice");
        let all = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let document = json!({"name": "x", "policy": all});
        fires_at(&SessionFromKey, Severity::High, &sts("GetFederationToken", document));
        let reader = json!({"name": "x", "policyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]});
        fires_at(&SessionFromKey, Severity::Medium, &sts("GetFederationToken", reader));
        fires_at(&SessionFromKey, Severity::Medium, &sts("GetFederationToken", json!(null)));
        fires_at(&SessionFromKey, Severity::Low, &sts("GetSessionToken", json!({"durationSeconds": 900})));
    }

    #[test]
    fn stays_quiet() {
        let mfa = json!({"serialNumber": "arn:aws:iam::111122223333:mfa/alice", "tokenCode": "x"});
        quiet(
            &SessionFromKey,
            &[
                sts("GetSessionToken", mfa),
                root_call("sts", "GetSessionToken", json!({})),
                call("sts", "GetFederationToken", json!({"errorCode": "AccessDenied"})),
                call("sts", "GetSessionToken", json!({"userIdentity": {"arn": null}})),
            ],
        );
    }
}
