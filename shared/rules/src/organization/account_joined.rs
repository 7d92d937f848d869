use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An account was created in the organization (by hand or by Control Tower), was invited into it, or accepted an
    /// invitation. The last is the one that mails: it is logged in the account that joins.
    /// ## Why it matters
    /// Who accepts an invitation puts the whole account under the policies and the bill of whoever sent it. A new
    /// account begins without the guards of the old ones, and what runs in it is on your bill.
    /// ## What to do
    /// Make sure that the organization is yours and that somebody answers for the new account. Then see that its trail,
    /// its detectors and Keepwatch's forwarder are in place.
    /// ## False positives
    /// Building up an organization. New and invited accounts are only listed in the weekly mail.
    AccountJoined {
        id: "organization-account-joined",
        title: "An account was created, invited, or joined an organization",
        severity: Low,
        confidence: High,
        catalogue: ["ORG-03"],
        references: [
            cis("3.0", &["4.15"]),
            cis("5.0", &["4.15"]),
            attack(&["T1136.003"]),
            doc(&["AWS Organizations user guide: logging with CloudTrail"]),
        ],
        on: [
            On::Call("organizations.amazonaws.com", &[
                "AcceptHandshake", "CreateAccount", "CreateGovCloudAccount", "InviteAccountToOrganization",
                "AccountJoinedOrganization", "CreateAccountResult",
            ]),
            On::Call("controltower.amazonaws.com", &["CreateManagedAccount"]),
        ],
    }
}

impl Rule for AccountJoined {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        let list = ("Which accounts are there? (in the management account)", "organizations list-accounts");
        let seen = match record.event_name.or_empty() {
            "AcceptHandshake" => {
                // Other handshakes confirm changes of an organization that the account belongs to already.
                let action = text_at(record.response(), &["handshake", "action"]).unwrap_or_default();
                if !action.is_empty() && !action.eq_ignore_ascii_case("invite") {
                    return Ok(());
                }
                let parties = items_at(record.response(), &["handshake", "parties"]);
                let organization = parties
                    .iter()
                    .find(|party| text_at(party, &["type"]) == Some("ORGANIZATION"))
                    .and_then(|party| text_at(party, &["id"]));
                let into = organization.unwrap_or("that CloudTrail does not name");
                let account = record.account();
                cx.failing(account, format!("{who} had account {account} join organization {into}"))
                    .severity(Severity::Medium)
                    .because("The organization's management account now pays for this account and can limit what it does.")
                    .detail("Organization", into)
                    .detail_if("Handshake", record.param(&["handshakeId"]))
                    .step("Whose organization is it?", "organizations describe-organization", &[])
                    .step("If it is not yours, leave it", "organizations leave-organization", &[])
            }
            "AccountJoinedOrganization" => {
                let told = |name| text_at(record.whole(), &["serviceEventDetails", name]);
                let account = told("accountId").unwrap_or(record.account());
                cx.failing(account, format!("Account {account} joined the organization"))
                    .because("The account is part of the organization and of its bill now.")
                    .detail("Account", account)
                    .detail_if("How", told("joinedMethod"))
                    .step(list.0, list.1, &[])
            }
            // The call that asks for an account does not know its id yet.
            "CreateAccountResult" => {
                let told =
                    |name| text_at(record.whole(), &["serviceEventDetails", "createAccountStatus", name]);
                let (Some("SUCCEEDED"), Some(account)) = (told("state"), told("accountId")) else {
                    return Ok(());
                };
                cx.failing(account, format!("Account {account} was made in the organization"))
                    .because("A new account has none of the guards that the others were given since they were made.")
                    .detail("Account", account)
                    .step(list.0, list.1, &[])
            }
            "InviteAccountToOrganization" => {
                // Who is invited by mail is masked; the invitation has a name of its own.
                let masked = |id: &&str| id.starts_with("HIDDEN_") || id.starts_with('*');
                let target = record.param(&["target", "id"]).filter(|id| !masked(id));
                let invitation = record.response_text(&["handshake", "id"]);
                let target = target.or(invitation).unwrap_or("an account that is not named");
                cx.failing(target, format!("{who} invited {target} into the organization"))
                    .because("Once it accepts, the account is part of the organization and of its bill.")
                    .detail("Invited", target)
                    .step(
                        "Which invitations are open?",
                        "organizations list-handshakes-for-organization",
                        &[],
                    )
            }
            _ => {
                // Control Tower tells how it ended in an event of its own, which carries no error when it failed.
                let ended = |path: &[&str]| {
                    let whole =
                        record.whole().get("serviceEventDetails")?.get("createManagedAccountStatus")?;
                    text_at(whole, path)
                };
                if ended(&["state"]).is_some_and(|state| state != "SUCCEEDED") {
                    return Ok(());
                }
                let status = record.response_text(&["createAccountStatus", "id"]);
                let request = status.or(record.param(&["ProvisionedProductId"]));
                let request = request.or(ended(&["account", "accountId"])).unwrap_or(record.account());
                cx.failing(request, format!("{who} created an account in the organization ({request})"))
                    .because("A new account has none of the guards that the others were given since they were made.")
                    .detail_if("Parent", record.param(&["parentOrganizationalUnitName"]))
                    .step(list.0, list.1, &[])
            }
        };
        let seen = cx.tempered(stop_caller(seen.global(), record));
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn accepted(action: &str) -> Value {
        json!({"requestParameters": {"handshakeId": "h-examplehandshakeid111"},
            "responseElements": {"handshake": {"id": "h-examplehandshakeid111", "action": action, "parties": [
                {"type": "ORGANIZATION", "id": "o-exampleorgid"}, {"type": "ACCOUNT", "id": ACCOUNT}]}}})
    }

    #[test]
    fn the_result_names_the_new_account() {
        let ended = |state: &str, account: Value| {
            let details =
                json!({"createAccountStatus": {"state": state, "accountId": account, "id": "car-1"}});
            let event = json!({"eventType": "AwsServiceEvent", "serviceEventDetails": details});
            call("organizations", "CreateAccountResult", event)
        };
        let seen = fires_at(&AccountJoined, Severity::Low, &ended("SUCCEEDED", json!("444455556666")));
        assert_eq!(seen.title, "Account 444455556666 was made in the organization");
        quiet(&AccountJoined, &[ended("FAILED", json!(null)), ended("SUCCEEDED", json!({}))]);
    }

    #[test]
    fn organizations_tells_itself_who_has_joined() {
        let details =
            json!({"accountId": "444455556666", "organizationId": "o-abcd123456", "joinedMethod": "Invited"});
        let told = call(
            "organizations",
            "AccountJoinedOrganization",
            json!({"eventType": "AwsServiceEvent",
            "userIdentity": {"type": null, "arn": null, "userName": null, "invokedBy": "organizations.amazonaws.com"},
            "serviceEventDetails": details}),
        );
        let seen = fires_at(&AccountJoined, Severity::Low, &told);
        assert_eq!(seen.title, "Account 444455556666 joined the organization");
    }

    #[test]
    fn fires() {
        let seen = fires_at(
            &AccountJoined,
            Severity::Medium,
            &call("organizations", "AcceptHandshake", accepted("invite")),
        );
        assert_eq!(seen.title, "alice had account 111122223333 join organization o-exampleorgid");
        let invited = json!({"requestParameters": {"target": {"type": "ACCOUNT", "id": "444455556666"}}});
        let seen = fires_at(
            &AccountJoined,
            Severity::Low,
            &call("organizations", "InviteAccountToOrganization", invited),
        );
        assert_eq!(seen.subject.resource, "444455556666");
        let made = json!({"requestParameters": {"email": "a@example.com", "accountName": "****"},
            "responseElements": {"createAccountStatus": {"state": "IN_PROGRESS", "id": "car-example111"}}});
        let seen = fires_at(&AccountJoined, Severity::Low, &call("organizations", "CreateAccount", made));
        assert_eq!(
            (seen.subject.resource.as_str(), seen.subject.region.as_str()),
            ("car-example111", "global")
        );
        let tower = json!({"requestParameters": {"provisionedProductId": "pp-abcdefg123456"}});
        let seen = fired(&AccountJoined, &call("controltower", "CreateManagedAccount", tower));
        assert_eq!(seen.subject.resource, "pp-abcdefg123456");
        let masked = json!({"requestParameters": {"target": {"type": "EMAIL", "id": "HIDDEN_DUE_TO_SECURITY_REASONS"}},
            "responseElements": {"handshake": {"id": "h-examplehandshakeid111"}}});
        let seen = fired(&AccountJoined, &call("organizations", "InviteAccountToOrganization", masked));
        assert_eq!(seen.subject.resource, "h-examplehandshakeid111");
    }

    /// Control Tower user guide, "Lifecycle events".
    fn ended(state: &str) -> String {
        let status = json!({"account": {"accountName": "new", "accountId": "777788889999"}, "state": state});
        let event = json!({"eventType": "AwsServiceEvent", "userIdentity": {"type": null, "invokedBy": "AWS Internal"},
            "serviceEventDetails": {"createManagedAccountStatus": status}});
        call("controltower", "CreateManagedAccount", event)
    }

    #[test]
    fn the_end_of_a_creation_names_the_account() {
        assert_eq!(fired(&AccountJoined, &ended("SUCCEEDED")).subject.resource, "777788889999");
        quiet(&AccountJoined, &[ended("FAILED")]);
    }

    #[test]
    fn odd_types_are_still_told() {
        let odd =
            json!({"responseElements": {"handshake": {"parties": {"type": "ORGANIZATION", "id": "o-1"}}}});
        assert!(fired(&AccountJoined, &call("organizations", "AcceptHandshake", odd)).title.ends_with("o-1"));
        fired(&AccountJoined, &call("organizations", "AcceptHandshake", json!({"responseElements": null})));
        fired(&AccountJoined, &call("organizations", "InviteAccountToOrganization", json!({})));
    }

    #[test]
    fn stays_quiet() {
        let mut refused = accepted("INVITE");
        refused["errorCode"] = json!("HandshakeConstraintViolationException");
        quiet(
            &AccountJoined,
            &[
                call("organizations", "AcceptHandshake", accepted("ENABLE_ALL_FEATURES")),
                call("organizations", "AcceptHandshake", refused),
                call("organizations", "DeclineHandshake", accepted("INVITE")),
                call("organizations", "CreateAccount", json!({"errorCode": "AccessDeniedException"})),
            ],
        );
    }
}
