use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody let a tool outside the browser act with their console session (`aws login`): high for root, low for a
    /// device other than the one that the browser runs on and for software that registered itself, such as an agent, and
    /// only on record for the same device.
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
            doc(&["IAM user guide: logging IAM and AWS STS API calls with CloudTrail (example sign-in events)"]),
            doc(&["AWS Sign-In API reference: CreateOAuth2Token; AWS managed policies: SignInLocalDevelopmentAccess"]),
            doc(&["AWS Sign-In user guide: AWS MCP Server (monitoring)"]),
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
        // A session that is renewed was told when it began. The guides show the kind of grant beside the parameters.
        let grant = text_at(request, &["grantType"])
            .or_else(|| text_at(request, &["tokenInput", "grantType"]))
            .or_else(|| text_at(extra, &["grant_type"]));
        if grant == Some("refresh_token") {
            return Ok(());
        }
        let elsewhere = client.is_some_and(|client| client.contains("cross-device"));
        let software = client.is_some_and(|client| client.contains(":external-client/"));
        let (severity, what) = match (record.by_root(), elsewhere) {
            (true, _) => (Severity::High, "let a tool act as root"),
            (false, false) if software => (Severity::Low, "let software that registered itself act for them"),
            (false, true) => (Severity::Low, "let a tool on another device act for them"),
            (false, false) => (Severity::Informational, "let a tool on their device act for them"),
        };
        let seen = cx
            .failing(acting_principal(record), format!("{} {what} (aws login)", caller_name(record)))
            .global()
            .severity(severity)
            .because("The tool has the person's permissions, and renews them without asking for a password.")
            .detail_if("Client", client)
            .detail_if("For", text_at(request, &["resource"]))
            .detail_if("Sent to", text_at(request, &["redirect_uri"]));
        cx.report(callers_calls(seen, record, "What was done since?"));
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

    /// The two records that the IAM user guide shows of `aws login` ("Logging IAM and AWS STS API calls with AWS CloudTrail",
    /// "Example sign-in events in CloudTrail log"), and the one of an agent whose token is renewed, from the AWS Sign-In user
    /// guide ("AWS MCP Server"). Names and addresses are of our own.
    fn documented(name: &str, request: Value, extra: Value) -> String {
        let role = "arn:aws:iam::111122223333:role/Admin";
        let identity = json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:ada", "userName": null, "accessKeyId": null,
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/ada",
            "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": role, "userName": "Admin",
                "accountId": "111122223333"}, "attributes": {"creationDate": "2026-02-28T20:38:10Z", "mfaAuthenticated": "false"}}});
        call(
            "signin",
            name,
            json!({"readOnly": true, "managementEvent": true, "eventCategory": "Management", "userIdentity": identity,
                "requestParameters": request, "additionalEventData": extra, "responseElements": null}),
        )
    }

    #[test]
    fn the_documented_records_are_understood() {
        let ok = || json!({"success": "true", "x-amzn-vpce-id": ""});
        let here = "arn:aws:signin:::devtools/same-device";
        let asked = json!({"scope": "openid", "redirect_uri": "http://127.0.0.1:53037/oauth/callback",
            "code_challenge_method": "SHA-256", "client_id": here});
        let granted = documented("AuthorizeOAuth2Access", asked, ok());
        let seen = fires_at(&CliLogin, Severity::Informational, &granted);
        assert_eq!(seen.title, "Admin/ada let a tool on their device act for them (aws login)");
        let token = documented("CreateOAuth2Token", json!({"client_id": here}), ok());
        assert_eq!(fires_at(&CliLogin, Severity::Informational, &token).finding_id(), seen.finding_id());
        let agent = json!({"resource": "https://aws-mcp.us-west-2.api.aws/mcp",
            "client_id": "arn:aws:signin:us-west-2::external-client/dcr/b3f2c8a1-9d4e-4f7a-8c6b-2e1f5a3d9b7c"});
        let seen = fires_at(&CliLogin, Severity::Low, &documented("CreateOAuth2Token", agent.clone(), ok()));
        assert_eq!(seen.title, "Admin/ada let software that registered itself act for them (aws login)");
        let renewed = json!({"grant_type": "refresh_token", "success": "true"});
        quiet(&CliLogin, &[documented("CreateOAuth2Token", agent, renewed)]);
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
