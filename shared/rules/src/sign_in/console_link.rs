use super::common::{from, what_since};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Credentials of a session were traded for a sign-in token, with which a link opens the console (GetSigninToken).
    /// ## Why it matters
    /// Whoever has stolen the credentials of a machine or a pipeline gets a console by it, without password and MFA, and some
    /// tools of intruders do just that. What is done there looks like a person's work.
    /// ## What to do
    /// Ask whether the caller is a sign-in page of yours or a person with such a tool. If neither, the role's credentials are
    /// in other hands: end its sessions, and look at what they have done.
    /// ## False positives
    /// Identity Center does this for each person who opens an account; that is kept on record, and low where the program does
    /// not call itself what the portal does: anybody may choose that name, so neither is mailed. A sign-in page of your own,
    /// and people who use aws-vault or Granted: list the roles as automation, or suppress them.
    ConsoleLink {
        id: "sign-in-console-link-made",
        title: "Session credentials were traded for a console sign-in",
        severity: Medium,
        confidence: Low,
        catalogue: ["KEY-14"],
        references: [
            attack(&["T1550"]),
            doc(&["IAM user guide: Enabling custom identity broker access to the AWS console"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["GetSigninToken"])],
    }
}

impl Rule for ConsoleLink {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = &record.user_identity;
        let issuer = &who.session_context.session_issuer.arn;
        if record.response_text(&["GetSigninToken"]) == Some("Failure") {
            return Ok(());
        }
        let Some(subject) = issuer.get().or_else(|| who.arn.get()) else { return Ok(()) };
        // Identity Center's portal does this for each person and calls itself Jersey. So may whoever has stolen such a
        // session: the name makes a record of what is in the digest otherwise, and never takes a mail away.
        let portal = record.user_agent.or_empty().starts_with("Jersey/");
        let severity = match (by_portal(record), portal) {
            (true, true) => Severity::Informational,
            (true, false) => Severity::Low,
            (false, _) => Severity::Medium,
        };
        let title =
            format!("{} made itself a link into the console, from {}", caller_name(record), from(record));
        let reason = "A sign-in token was issued for the session: it opens the console without a password.";
        let seen = cx.failing(subject, title).severity(severity).because(reason);
        let seen = seen.detail_if("User agent", record.user_agent.get());
        cx.report(stop_caller(what_since(cx.tempered(seen), record), record));
        Ok(())
    }
}

/// Whether the session is of a role that Identity Center keeps; nobody else can make one under that path.
fn by_portal(record: &Record<'_>) -> bool {
    let issuer = record.user_identity.session_context.session_issuer.arn.or_empty();
    issuer.contains(":role/aws-reserved/sso.amazonaws.com/") || by_identity_center(record)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const PORTAL: &str = "Jersey/${project.version} (HttpUrlConnection 17.0.12)";

    fn token(role: &str, agent: &str, changes: Value) -> String {
        let issuer =
            json!({"type": "Role", "arn": format!("arn:aws:iam::111122223333:role/{role}"), "userName": "r"});
        let base = json!({"userAgent": agent, "responseElements": {"GetSigninToken": "Success"},
            "userIdentity": {"type": "AssumedRole", "userName": null, "sessionContext": {"sessionIssuer": issuer}}});
        let mut event: Value =
            serde_json::from_str(&call("signin", "GetSigninToken", base)).unwrap_or_default();
        if let (Some(event), Value::Object(changes)) = (event.as_object_mut(), changes) {
            event.extend(changes);
        }
        event.to_string()
    }

    const CENTER: &str = "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123";

    #[test]
    fn fires() {
        let seen = fires_at(&ConsoleLink, Severity::Medium, &token("app", "python-requests/2.31", json!({})));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:role/app");
        assert!(
            seen.title.contains("made itself a link into the console, from 203.0.113.7"),
            "{}",
            seen.title
        );
        // The portal's words with another role's credentials, and the portal's role with other words.
        fires_at(&ConsoleLink, Severity::Medium, &token("app", PORTAL, json!({})));
        fires_at(&ConsoleLink, Severity::Low, &token(CENTER, "python-requests/2.31", json!({})));
        fires_at(&ConsoleLink, Severity::Informational, &token(CENTER, PORTAL, json!({})));
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"responseElements": {"GetSigninToken": "Failure"}});
        quiet(
            &ConsoleLink,
            &[
                token("app", "curl", failed),
                token("app", "curl", json!({"errorCode": "AccessDenied"})),
                token("app", "curl", json!({"userIdentity": {"type": "Unknown"}})),
            ],
        );
    }
}
