use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An SSH key or a signing certificate was uploaded for an IAM user, or one that was switched off was
    /// switched on again. A certificate, and a key for another user, is medium; a user's own SSH key is low.
    /// Switching it off or deleting it settles the finding.
    /// ## Why it matters
    /// These are credentials that nobody looks for. An SSH key opens the user's CodeCommit repositories,
    /// source code and the secrets in it; a signing certificate signs calls to old interfaces of EC2 and is
    /// hardly used any more. Both live on when the user's access keys have been rotated.
    /// ## What to do
    /// Ask the user whose key or certificate it is. If nobody needs it, delete it.
    /// ## False positives
    /// Developers who use CodeCommit over SSH, and replace their keys now and then.
    SigningCredential {
        id: "iam-signing-credential",
        title: "An SSH key or signing certificate was uploaded for a user",
        severity: Medium,
        confidence: High,
        catalogue: ["IAM-12"],
        references: [
            attack(&["T1098.001"]),
            doc(&["IAM API reference: UploadSSHPublicKey, UploadSigningCertificate"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "UploadSSHPublicKey", "UpdateSSHPublicKey", "DeleteSSHPublicKey",
            "UploadSigningCertificate", "UpdateSigningCertificate", "DeleteSigningCertificate",
        ])],
    }
}

impl Rule for SigningCredential {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        let ssh = event.contains("SSH");
        let (what, response, field, option, command) = if ssh {
            ("SSH key", "sSHPublicKey", "sSHPublicKeyId", "--ssh-public-key-id", "ssh-public-key")
        } else {
            ("signing certificate", "certificate", "certificateId", "--certificate-id", "signing-certificate")
        };
        let answered = record.response_text(&[response, "userName"]);
        let Some(user) = answered.or_else(|| named_user(record)) else { return Ok(()) };
        let id = record.param(&[field]).or_else(|| record.response_text(&[response, field]));
        let (who, arn, status) =
            (caller_name(record), record.iam_arn("user", user), record.param(&["status"]));
        let aspect = id.unwrap_or(what);
        if event.starts_with("Delete") || status == Some("Inactive") {
            let did = if event.starts_with("Delete") { "deleted" } else { "switched off" };
            cx.report(cx.passing(arn, format!("{who} {did} {what} {aspect} of user {user}")).aspect(aspect));
            return Ok(());
        }
        if record.by_root() || (event.starts_with("Update") && status != Some("Active")) {
            return Ok(());
        }
        let own = calling_user(record) == Some(user);
        let did = if event.starts_with("Update") { "switched on" } else { "uploaded" };
        let whose = if own { "of their own".to_owned() } else { format!("for user {user}") };
        let article = if ssh { "an" } else { "a" };
        let seen = cx
            .failing(arn, format!("{who} {did} {article} {what} {whose}"))
            .severity(if own && ssh { Severity::Low } else { Severity::Medium })
            .because(
                "Whoever holds the private half can act as this user where such a credential is accepted.",
            )
            .aspect(aspect)
            .detail("User", user)
            .detail_if("Its id", id);
        let seen = match id {
            Some(id) => {
                let options = [("--user-name", user), (option, id)];
                seen.step("Delete it", &format!("iam delete-{command}"), &options)
            }
            None => seen.step("Find it", &format!("iam list-{command}s"), &[("--user-name", user)]),
        };
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ID: &str = "APKAEXAMPLE123456789";

    fn ssh(user: &str) -> String {
        call(
            "iam",
            "UploadSSHPublicKey",
            json!({
                "requestParameters": {"userName": user, "sSHPublicKeyBody": "ssh-rsa AAAA"},
                "responseElements": {"sSHPublicKey": {"sSHPublicKeyId": ID, "userName": user,
                "status": "Active"}},
            }),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(&SigningCredential, Severity::Medium, &ssh("bob"));
        assert_eq!(seen.title, "alice uploaded an SSH key for user bob");
        assert!(seen.steps[0].command.ends_with(ID), "{}", seen.steps[0].command);
        fires_at(&SigningCredential, Severity::Low, &ssh("alice"));
        let certificate =
            call("iam", "UploadSigningCertificate", json!({"requestParameters": {"certificateBody": "x"}}));
        let seen = fires_at(&SigningCredential, Severity::Medium, &certificate);
        assert_eq!(seen.title, "alice uploaded a signing certificate of their own");
        let on = json!({"requestParameters": {"userName": "bob", "certificateId": "C1", "status": "Active"}});
        fires_at(&SigningCredential, Severity::Medium, &call("iam", "UpdateSigningCertificate", on));
    }

    #[test]
    fn switching_off_and_deleting_settle_it() {
        let request =
            json!({"requestParameters": {"userName": "bob", "sSHPublicKeyId": ID, "status": "Inactive"}});
        for name in ["UpdateSSHPublicKey", "DeleteSSHPublicKey"] {
            let gone = observe(&SigningCredential, &call("iam", name, request.clone()));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{name}");
            assert_eq!(gone[0].finding_id(), fired(&SigningCredential, &ssh("bob")).finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        let refused = json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "bob"}});
        quiet(
            &SigningCredential,
            &[
                call("iam", "UploadSSHPublicKey", refused),
                call(
                    "iam",
                    "UpdateSSHPublicKey",
                    json!({"requestParameters": {"userName": "bob", "status": null}}),
                ),
                root_call(
                    "iam",
                    "UploadSigningCertificate",
                    json!({"requestParameters": {"userName": "bob"}}),
                ),
                call("transfer", "ImportSshPublicKey", json!({"requestParameters": {"userName": "bob"}})),
            ],
        );
    }
}
