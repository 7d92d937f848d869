use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody let a tool outside the browser act with their console session (`aws login`): high for root, low for a
    /// device other than the one that the browser runs on, and only on record for the same device.
    /// ## Why it matters
    /// The tool renews its credentials for up to twelve hours without a password. Whoever talks a person into approving a
    /// login on another device gets all that the person has, MFA and all.
    /// ## What to do
    /// Ask the person whether they logged in on another device. If not, end their sessions, and look at what was done.
    /// ## False positives
    /// People who work on a remote machine, every day. Root should not work in a terminal at all.
    CliLogin {
        id: "sign-in-cli-login",
        title: "A console session was lent to a tool",
        severity: Low,
        confidence: Medium,
        catalogue: ["AUTH-08"],
        references: [
            attack(&["T1528"]),
            attack(&["T1550.001"]),
            doc(&["AWS Sign-In API reference: CreateOAuth2Token; AWS managed policies: SignInLocalDevelopmentAccess"]),
        ],
        on: [On::Read("signin.amazonaws.com", &["AuthorizeOAuth2Access", "CreateOAuth2Token"])],
        repeat_hours: 168,
    }
}

impl Rule for CliLogin {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (request, extra) = (record.request(), record.additional());
        let named = |at| ["clientId", "client_id"].iter().find_map(|key| text_at(at, &[key]));
        let inside = |at, key: &str| value_at(at, &[key]).and_then(named);
        let client = named(request).or_else(|| inside(request, "tokenInput")).or_else(|| named(extra));
        // A session that is renewed was told when it began.
        let grant =
            text_at(request, &["grantType"]).or_else(|| text_at(request, &["tokenInput", "grantType"]));
        if grant == Some("refresh_token") {
            return Ok(());
        }
        let elsewhere = client.is_some_and(|client| client.contains("cross-device"));
        let (severity, what) = match (record.by_root(), elsewhere) {
            (true, _) => (Severity::High, "let a tool act as root"),
            (false, true) => (Severity::Low, "let a tool on another device act for them"),
            (false, false) => (Severity::Informational, "let a tool on their device act for them"),
        };
        let seen = cx
            .failing(acting_principal(record), format!("{} {what} (aws login)", caller_name(record)))
            .global()
            .severity(severity)
            .because("The tool has the person's permissions, and renews them without asking for a password.")
            .detail_if("Client", client)
            .step(
                "What was done since?",
                "cloudtrail lookup-events",
                &[region_option(record), ("--lookup-attributes", &calls_of(record))],
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

    fn login(request: Value) -> String {
        call("signin", "CreateOAuth2Token", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let there = "arn:aws:signin:::devtools/cross-device";
        let seen = fires_at(&CliLogin, Severity::Low, &login(json!({"clientId": there})));
        assert_eq!(seen.title, "alice let a tool on another device act for them (aws login)");
        fires_at(&CliLogin, Severity::Low, &login(json!({"tokenInput": {"clientId": there}})));
        let here = json!({"clientId": "arn:aws:signin:::devtools/same-device"});
        fires_at(&CliLogin, Severity::Informational, &login(here.clone()));
        fires_at(&CliLogin, Severity::Informational, &login(json!(null)));
        let root = root_call("signin", "CreateOAuth2Token", json!({"requestParameters": here}));
        assert_eq!(
            fires_at(&CliLogin, Severity::High, &root).title,
            "root let a tool act as root (aws login)"
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &CliLogin,
            &[
                login(json!({"clientId": "x", "grantType": "refresh_token"})),
                failed_call("signin", "CreateOAuth2Token", "AccessDenied", json!({})),
                call("sso-oauth", "CreateToken", json!({})),
            ],
        );
    }
}
