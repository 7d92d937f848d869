use keepwatch_policy::Level;

use super::common::{graded, holds_bedrock_key, raised};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A user got a console password from somebody else, and need not change it at the next sign-in: medium,
    /// and high where the user's own policies give administrative power (power by groups is not looked at).
    /// With a forced change it is low, and medium for such an administrator. A user who makes a first console
    /// password for themselves is reported too; a changed password of one's own is not. Taking the password
    /// away or deleting the user settles the finding. In Identity Center: a one-time password for somebody
    /// else is medium, and high for whoever its assignments make administrator; a mail to the person with a
    /// link, and another mail address for such links, are low, and medium for such an administrator. In Directory
    /// Service: a new password for somebody else is medium.
    /// ## Why it matters
    /// Whoever sets a password knows it. It turns a stolen access key into a console session, and a user who
    /// never had a password into a door.
    /// ## What to do
    /// Ask the caller and the user. If it was not meant, take the password away, and see whether the user has
    /// signed in.
    /// ## False positives
    /// A new colleague, or one who forgot the password: have it changed at the next sign-in, and this rule is
    /// low. CloudTrail hides the password, so that an update may have changed nothing but that setting. A help desk
    /// that resets passwords of a directory all day is one to list as `automation`.
    PasswordSet {
        id: "iam-password-set",
        title: "A console password was set for a user",
        severity: Medium,
        confidence: Medium,
        catalogue: ["IAM-04", "IAM-16"],
        references: [
            cis("3.0", &["1.10", "4.4"]),
            cis("5.0", &["1.9", "4.4"]),
            security_hub(&["CloudWatch.4"]),
            attack(&["T1098"]),
        ],
        on: [
            On::Call("iam.amazonaws.com", &[
                "CreateLoginProfile", "UpdateLoginProfile", "DeleteLoginProfile", "DeleteUser",
            ]),
            On::Call("sso-directory.amazonaws.com", &["UpdatePassword", "DeleteUser"]),
            On::Call("identitystore.amazonaws.com", &["UpdateUser", "DeleteUser"]),
            On::Call("ds.amazonaws.com", &["ResetUserPassword"]),
        ],
    }
}

impl Rule for PasswordSet {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_source.or_empty() {
            "iam.amazonaws.com" => {}
            "ds.amazonaws.com" => {
                in_active_directory(record, cx);
                return Ok(());
            }
            _ => return in_directory(record, cx),
        }
        let (event, who) = (record.event_name.or_empty(), caller_name(record));
        let Some(user) = named_user(record) else { return Ok(()) };
        let arn = record.iam_arn("user", user);
        if event.starts_with("Delete") {
            let did = if event == "DeleteUser" { "deleted" } else { "took the console password away from" };
            cx.report(cx.passing(arn, format!("{who} {did} user {user}")));
            return Ok(());
        }
        let (own, first) = (calling_user(record) == Some(user), event == "CreateLoginProfile");
        // Of a first password for such a user a rule of its own tells.
        if record.by_root() || (holds_bedrock_key(user) && first) || (own && !first) {
            return Ok(());
        }
        let forced = record.param_flag(&["passwordResetRequired"]) == Some(true);
        let what = if first { "made a console password for" } else { "set the console password of" };
        let whom = if own { "themselves".to_owned() } else { format!("user {user}") };
        let title = format!("{who} {what} {whom}");
        let mut seen = cx.failing(&arn, title).detail(
            "Change at sign-in",
            if forced { "required" } else { "not required, as far as the event tells" },
        );
        if forced {
            // Whoever set the password can be the first to sign in, and choose the next one.
            let because = "Whoever signs in first must choose another password, and that may be the caller.";
            seen = graded(seen.severity(Severity::Low).because(because), record, cx, user)?;
            seen.severity = seen.severity.min(Severity::Medium);
        } else if own {
            seen = seen.because("Until now this user had no password, and could not sign in to the console.");
        } else {
            seen = seen.because("Whoever sets a password knows it, and can sign in as this user.");
            seen = graded(seen, record, cx, user)?;
        }
        let option = [("--user-name", user)];
        let seen = raised(cx.tempered(seen), record)
            .step("Take the password away (the user's keys stay)", "iam delete-login-profile", &option)
            .step("Has the user MFA?", "iam list-mfa-devices", &option)
            .step("Has the user signed in? (PasswordLastUsed)", "iam get-user", &option);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// A person of a directory of Directory Service, which may be where Identity Center has its people from.
fn in_active_directory(record: &Record<'_>, cx: &mut Cx<'_>) {
    let [Some(directory), Some(user)] = ["directoryId", "userName"].map(|key| record.param(&[key])) else {
        return;
    };
    let (who, arn) = (caller_name(record), record.arn("ds", &format!("directory/{directory}")));
    let seen = cx
        .failing(arn, format!("{who} set the password of {user} in directory {directory}"))
        .aspect(user)
        .because("Whoever sets a password knows it, and can sign in as this person to whatever asks the directory.")
        .step(
            "What asks the directory? (AuthorizedApplications in the console)",
            "ds describe-directories",
            &[region_option(record), ("--directory-ids", directory)],
        );
    cx.report(stop_caller(cx.tempered(seen), record));
}

/// A person of Identity Center.
fn in_directory(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let Some(person) = directory::user(record) else { return Ok(()) };
    let (who, arn) = (caller_name(record), directory::user_arn(record, person));
    let event = record.event_name.or_empty();
    if event == "DeleteUser" {
        cx.report(cx.passing(arn, format!("{who} deleted Identity Center user {person}")).global());
        return Ok(());
    }
    if record.user_identity.on_behalf_of.user_id.get() == Some(person) {
        return Ok(());
    }
    let mail = || {
        let changes = items_at(record.request(), &["operations"]);
        changes.iter().any(|change| {
            let path = text_at(change, &["attributePath"]).unwrap_or_default();
            path.to_ascii_lowercase().starts_with("emails")
        })
    };
    let (severity, did, why) = match (event, record.param(&["passwordMode"])) {
        ("UpdatePassword", Some("EMAIL")) => (
            Severity::Low,
            "sent a link for a new password to",
            "Whoever reads the person's mail can choose the next password.",
        ),
        ("UpdatePassword", _) => (
            Severity::Medium,
            "made a one-time password for",
            "Whoever made it knows it, and can sign in as this person.",
        ),
        ("UpdateUser", _) if mail() => (
            Severity::Low,
            "changed the mail address of",
            "Links for a new password go to the new address from now on.",
        ),
        _ => return Ok(()),
    };
    let mut seen = cx
        .failing(arn, format!("{who} {did} Identity Center user {person}"))
        .global()
        .severity(severity)
        .because(why);
    seen = match directory::power_of(record, cx, person, false)? {
        Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => {
            let raised = if severity == Severity::Low { Severity::Medium } else { Severity::High };
            seen.severity(raised).detail("The person", grant.ability().to_string())
        }
        Power::Known(_) => seen,
        Power::Unknown(why) => seen.detail("The person", format!("what they may do is not known: {why}")),
    };
    let options = directory::user_options(record, person);
    let seen = seen.step("Who is it?", "identitystore describe-user", &options).step(
        "Which groups is the person in?",
        "identitystore list-group-memberships-for-member",
        &[options[0], options[1], ("--member-id", &shorthand(&[("UserId", person)]))],
    );
    cx.report(stop_caller(cx.tempered(seen), record));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Fact, Holdings, PrincipalKind, Query, Value as Answer};

    fn event(name: &str, request: Value) -> String {
        call("iam", name, json!({"requestParameters": request}))
    }

    #[test]
    fn a_directory_has_passwords_too() {
        let reset = json!({"requestParameters": {"directoryId": "d-1", "userName": "bob"}});
        let seen = fires_at(&PasswordSet, Severity::Medium, &call("ds", "ResetUserPassword", reset));
        assert_eq!(seen.title, "alice set the password of bob in directory d-1");
    }

    #[test]
    fn fires() {
        let made = event("CreateLoginProfile", json!({"userName": "bob", "passwordResetRequired": false}));
        let seen = fires_at(&PasswordSet, Severity::Medium, &made);
        assert_eq!(seen.title, "alice made a console password for user bob");
        // The shape of a call that sets the password and nothing else: CloudTrail hides it.
        let set = fires_at(
            &PasswordSet,
            Severity::Medium,
            &event("UpdateLoginProfile", json!({"userName": "bob"})),
        );
        assert_eq!(
            (set.title.as_str(), set.finding_id()),
            ("alice set the console password of user bob", seen.finding_id(),)
        );
        let bedrock = json!({"userName": "BedrockAPIKey-x1y2"});
        fires_at(&PasswordSet, Severity::Medium, &event("UpdateLoginProfile", bedrock));
        for own in [json!(null), json!({"userName": "alice"})] {
            let own = fires_at(&PasswordSet, Severity::Medium, &event("CreateLoginProfile", own));
            assert_eq!(own.title, "alice made a console password for themselves");
        }
        let browser = json!({"userAgent": "S3 Browser/11.6.7", "requestParameters": {"userName": "bob"}});
        fires_at(&PasswordSet, Severity::High, &call("iam", "CreateLoginProfile", browser));
    }

    #[test]
    fn an_administrators_password_is_high() {
        let held = Holdings {
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Holdings::default()
        };
        let query = Query::Principal { kind: PrincipalKind::User, name: "bob".to_owned() };
        let set = event("UpdateLoginProfile", json!({"userName": "bob"}));
        let answers = [(query, Fact::Known(Answer::Holdings(held)))];
        assert_eq!(fired_with(&PasswordSet, &set, &answers).severity, Severity::High);
        // The caller chooses whether a change is forced, and can be the first to sign in.
        let forced = event("UpdateLoginProfile", json!({"userName": "bob", "passwordResetRequired": true}));
        assert_eq!(fired_with(&PasswordSet, &forced, &answers).severity, Severity::Medium);
    }

    #[test]
    fn a_forced_change_is_low() {
        for forced in [json!(true), json!("true")] {
            let made =
                event("CreateLoginProfile", json!({"userName": "bob", "passwordResetRequired": forced}));
            fires_at(&PasswordSet, Severity::Low, &made);
        }
    }

    #[test]
    fn taking_it_away_settles_it() {
        let set = fired(&PasswordSet, &event("UpdateLoginProfile", json!({"userName": "bob"})));
        for name in ["DeleteLoginProfile", "DeleteUser"] {
            let gone = observe(&PasswordSet, &event(name, json!({"userName": "bob"})));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{name}");
            assert_eq!(gone[0].finding_id(), set.finding_id());
        }
    }

    #[test]
    fn a_password_of_identity_center_is_told_like_one_of_iam() {
        use keepwatch_core::state::{Query, Value as Answered};
        const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";
        let set = |mode: &str| {
            let request = json!({"identityStoreId": "d-1", "userId": "2222", "passwordMode": mode});
            call("sso-directory", "UpdatePassword", json!({"requestParameters": request}))
        };
        let seen = fires_at(&PasswordSet, Severity::Medium, &set("OTP"));
        assert_eq!(seen.title, "alice made a one-time password for Identity Center user 2222");
        fires_at(&PasswordSet, Severity::Low, &set("EMAIL"));
        let mail = json!({"identityStoreId": "d-1", "userId": "2222",
            "operations": [{"attributePath": "emails", "attributeValue": "HIDDEN"}]});
        let mail = call("identitystore", "UpdateUser", json!({"requestParameters": mail}));
        fires_at(&PasswordSet, Severity::Low, &mail);
        let assigned = Query::Assigned {
            store: "d-1".to_owned(),
            principal: "2222".to_owned(),
            group: false,
            region: "us-east-1".to_owned(),
        };
        let held = Query::PermissionSet {
            instance: "arn:aws:sso:::instance/ssoins-1111".to_owned(),
            arn: SET.to_owned(),
            region: "us-east-1".to_owned(),
        };
        let admin = Holdings {
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Holdings::default()
        };
        let account = [
            (assigned, Fact::Known(Answered::Names(vec![SET.to_owned()]))),
            (held, Fact::Known(Answered::Holdings(admin))),
        ];
        assert_eq!(fired_with(&PasswordSet, &set("OTP"), &account).severity, Severity::High);
        assert_eq!(fired_with(&PasswordSet, &mail, &account).severity, Severity::Medium);
        let gone = json!({"requestParameters": {"identityStoreId": "d-1", "userId": "2222"}});
        let gone = observe(&PasswordSet, &call("sso-directory", "DeleteUser", gone));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        // One's own password, and other attributes.
        let own = json!({"requestParameters": {"userId": "2222", "passwordMode": "OTP"},
            "userIdentity": {"type": "IdentityCenterUser", "userName": null, "onBehalfOf": {"userId": "2222"}}});
        let title = json!({"requestParameters": {"userId": "2222",
            "operations": {"attributePath": "title", "attributeValue": "x"}}});
        quiet(
            &PasswordSet,
            &[
                call("sso-directory", "UpdatePassword", own),
                call("identitystore", "UpdateUser", title),
                call("sso-directory", "UpdatePassword", json!({"requestParameters": null})),
            ],
        );
    }

    #[test]
    fn stays_quiet() {
        let refused = json!({"errorCode": "AccessDenied", "requestParameters": {"userName": "bob"}});
        quiet(
            &PasswordSet,
            &[
                event("UpdateLoginProfile", json!({"userName": "alice", "passwordResetRequired": false})),
                event("CreateLoginProfile", json!({"userName": "BedrockAPIKey-x1y2"})),
                event("CreateLoginProfile", json!({"userName": ["bob"]})),
                call("iam", "UpdateLoginProfile", refused),
                root_call("iam", "CreateLoginProfile", json!({"requestParameters": null})),
                root_call("iam", "CreateLoginProfile", json!({"requestParameters": {"userName": "bob"}})),
            ],
        );
    }
}
