use super::common::{from, what_since};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A session that GetFederationToken made was used to open the console. Such a session comes from the
    /// access key of an IAM user and carries a name of the caller's choice.
    /// ## Why it matters
    /// With it an access key becomes a console session, without password and without MFA, and the session
    /// goes on when the key has been switched off. Known tools of intruders do just that.
    /// ## What to do
    /// Find out whose key it was: the finding names the user. If you run no sign-in page of your own, switch
    /// the key off, and give the user a policy that denies everything: only that ends the sessions.
    /// ## False positives
    /// A home-made sign-in page that uses GetFederationToken; list its user as automation. Sign-ins by SAML
    /// and Identity Center are sessions of roles, and not meant.
    FederatedUser {
        id: "sign-in-federated-user",
        title: "A session made from an access key was used in the console",
        severity: Medium,
        confidence: Medium,
        catalogue: ["AUTH-05"],
        references: [
            attack(&["T1550.001"]),
            attack(&["T1078.004"]),
            doc(&["STS API reference: GetFederationToken"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["ConsoleLogin"])],
    }
}

impl Rule for FederatedUser {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = &record.user_identity;
        if who.kind.or_empty() != "FederatedUser" || sign_in_result(record) != Some("Success") {
            return Ok(());
        }
        let (issuer, arn) = (&who.session_context.session_issuer, who.arn.or_empty());
        let name = arn.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("without a name");
        let Some(subject) = issuer.arn.get().or_else(|| who.arn.get()) else { return Ok(()) };
        let user = issuer.user_name.get();
        let whose = user.map_or_else(|| "an IAM user".to_owned(), |user| format!("user {user}"));
        let title = format!(
            "Session {name}, made with the key of {whose}, opened the console, from {}",
            from(record)
        );
        let seen = cx
            .failing(subject, title)
            .severity(Severity::Medium)
            .because("Somebody turned an access key into a console session by GetFederationToken.")
            .detail_if("Session", who.arn.get());
        let mut seen = what_since(cx.tempered(seen), record);
        if let Some(user) = user {
            seen = seen.step("Which keys has the user?", "iam list-access-keys", &[("--user-name", user)]);
            seen = deny_user(seen, record, user);
        }
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::events::sign_in;
    use super::*;
    use crate::testing::*;

    fn federated(result: &str, issuer: Value) -> String {
        sign_in(
            result,
            json!({"userIdentity": {
            "type": "FederatedUser", "userName": null, "principalId": "111122223333:helpdesk",
            "arn": "arn:aws:sts::111122223333:federated-user/helpdesk",
            "sessionContext": {"sessionIssuer": issuer}}}),
        )
    }

    #[test]
    fn fires() {
        let issuer =
            json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bob", "userName": "bob"});
        let seen = fires_at(&FederatedUser, Severity::Medium, &federated("Success", issuer));
        assert_eq!(
            seen.title,
            "Session helpdesk, made with the key of user bob, opened the console, from 203.0.113.7"
        );
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/bob");
        assert!(seen.steps[2].command.contains("arn:aws:iam::aws:policy/AWSDenyAll"), "{:?}", seen.steps);
        let seen = fires_at(&FederatedUser, Severity::Medium, &federated("Success", json!(null)));
        assert!(seen.title.contains("an IAM user"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        let nobody = json!({"userIdentity": {"type": "FederatedUser", "arn": null}});
        quiet(
            &FederatedUser,
            &[
                federated("Failure", json!(null)),
                sign_in("Success", nobody),
                sign_in("Success", json!({})),
                sign_in("Success", json!({"userIdentity": {"type": "AssumedRole"}})),
                sign_in("Success", json!({"userIdentity": {"type": "Root"}})),
            ],
        );
    }
}
