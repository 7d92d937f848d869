use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An account was closed, was removed from the organization, or left it, or the organization was deleted. How the closing of a member ended, Organizations
    /// tells itself. Attempts that failed are reported too, one
    /// step lower.
    /// ## Why it matters
    /// Outside the organization no organization policy binds the account any more, its logs no longer reach the
    /// organization's trail, and somebody else may pay for and own what is in it. A closed account stops working at
    /// once, and all it holds is deleted after 90 days.
    /// ## What to do
    /// Ask the caller. AWS Support can reopen a closed account within 90 days; an account that left can be invited
    /// again.
    /// ## False positives
    /// Planned closing of old accounts and moves between organizations. Suppress the account for the time it takes.
    AccountLost {
        id: "organization-account-lost",
        title: "An account leaves the organization or is closed",
        severity: High,
        confidence: High,
        catalogue: ["ORG-01"],
        references: [
            cis("3.0", &["4.15"]),
            cis("5.0", &["4.15"]),
            attack(&["T1531"]),
            attack(&["T1562"]),
            doc(&[
                "AWS Organizations API: LeaveOrganization, RemoveAccountFromOrganization, CloseAccount",
                "AWS Organizations user guide: logging with CloudTrail (AccountDepartedOrganization)",
            ]),
        ],
        on: [
            On::Call("organizations.amazonaws.com", &[
                "CloseAccount", "LeaveOrganization", "RemoveAccountFromOrganization", "AccountDepartedOrganization",
                "CloseAccountResult", "DeleteOrganization",
            ]),
            On::Call("account.amazonaws.com", &["CloseAccount"]),
        ],
        failed_calls: true,
    }
}

impl Rule for AccountLost {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let account = record.param(&["AccountId"]).unwrap_or(record.account());
        match record.event_name.or_empty() {
            "AccountDepartedOrganization" => departed(record, cx, account),
            "CloseAccountResult" => closed(record, cx, account),
            call => called(record, cx, account, call),
        }
        Ok(())
    }
}

fn look(seen: Observation, account: &str) -> Observation {
    seen.step(
        "How does the account stand? (in the management account)",
        "organizations describe-account",
        &[("--account-id", account)],
    )
}

/// Organizations tells the management account itself, whichever call it was and whoever made it.
fn departed(record: &Record<'_>, cx: &mut Cx<'_>, account: &str) {
    let told = |name| text_at(record.whole(), &["serviceEventDetails", name]);
    let account = told("accountId").unwrap_or(account);
    let seen = cx
        .failing(account, format!("Account {account} is no longer in the organization"))
        .global()
        .because("No policy of the organization binds the account any more.")
        .detail("Account", account)
        .detail_if("How", told("departedMethod"));
    cx.report(look(seen, account));
}

/// Closing goes on after the call, and may end otherwise than it began.
fn closed(record: &Record<'_>, cx: &mut Cx<'_>, account: &str) {
    let told = |name| text_at(record.whole(), &["serviceEventDetails", "closeAccountStatus", name]);
    let account = told("accountId").unwrap_or(account);
    match told("state") {
        Some("SUCCEEDED") => {
            let seen = cx
                .failing(account, format!("Account {account} is closed"))
                .severity(Severity::Critical)
                .because("Nothing works in it any more; AWS deletes what it holds after 90 days.")
                .global()
                .detail("Account", account);
            cx.report(look(seen, account));
        }
        Some("FAILED") => {
            cx.report(cx.passing(account, format!("Account {account} could not be closed")).global());
        }
        _ => {}
    }
}

/// Somebody closes the account or takes it out of the organization, or tries to.
fn called(record: &Record<'_>, cx: &mut Cx<'_>, account: &str, call: &str) {
    let who = caller_name(record);
    let (done, tried, severity) = match call {
        "CloseAccount" => {
            (format!("closed account {account}"), format!("close account {account}"), Severity::Critical)
        }
        "LeaveOrganization" => (
            format!("took account {account} out of its organization"),
            format!("take account {account} out of its organization"),
            Severity::High,
        ),
        "DeleteOrganization" => {
            ("deleted the organization".to_owned(), "delete the organization".to_owned(), Severity::High)
        }
        _ => (
            format!("removed account {account} from the organization"),
            format!("remove account {account} from the organization"),
            Severity::High,
        ),
    };
    let failure = record.error_code.get();
    let (title, severity) = match failure {
        Some(code) => (format!("{who} tried to {tried}, which failed: {code}"), Severity::Medium),
        None => (format!("{who} {done}"), severity),
    };
    let because = match (failure, call) {
        (Some(_), _) => "The call changed nothing, but hardly anybody makes it by mistake.",
        (None, "CloseAccount") => {
            "The account stops working now; AWS deletes what it holds after 90 days. Until then AWS Support can \
             reopen it."
        }
        _ => "No policy of the organization binds the account any more.",
    };
    let seen = cx.failing(account, title).global().severity(severity);
    let seen = look(seen.detail("Account", account).because(because), account);
    let target = shorthand(&[("Id", account), ("Type", "ACCOUNT")]);
    let seen = match (failure, call) {
        (None, "LeaveOrganization" | "RemoveAccountFromOrganization") => seen.step(
            "Invite it back (in the management account)",
            "organizations invite-account-to-organization",
            &[("--target", &target)],
        ),
        _ => seen,
    };
    cx.report(stop_caller(seen, record));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn organizations_tells_itself_and_it_is_the_same_finding() {
        let details =
            json!({"accountId": "444455556666", "organizationId": "o-abcd123456", "departedMethod": "Left"});
        let told = call(
            "organizations",
            "AccountDepartedOrganization",
            json!({"eventType": "AwsServiceEvent",
            "userIdentity": {"type": null, "arn": null, "userName": null, "invokedBy": "organizations.amazonaws.com"},
            "serviceEventDetails": details}),
        );
        let seen = fires_at(&AccountLost, Severity::High, &told);
        assert_eq!(seen.title, "Account 444455556666 is no longer in the organization");
        let member = json!({"requestParameters": {"accountId": "444455556666"}});
        let removed = fired(&AccountLost, &call("organizations", "RemoveAccountFromOrganization", member));
        assert_eq!(removed.finding_id(), seen.finding_id());
    }

    #[test]
    fn how_a_closing_ended_is_told() {
        let ended = |state: &str| {
            let details = json!({"closeAccountStatus": {"accountId": "444455556666", "state": state}});
            call(
                "organizations",
                "CloseAccountResult",
                json!({"eventType": "AwsServiceEvent", "serviceEventDetails": details,
                    "userIdentity": {"type": null, "arn": null, "userName": null,
                        "invokedBy": "organizations.amazonaws.com"}}),
            )
        };
        let closed = fires_at(&AccountLost, Severity::Critical, &ended("SUCCEEDED"));
        assert_eq!(closed.title, "Account 444455556666 is closed");
        let member = json!({"requestParameters": {"accountId": "444455556666"}});
        let call = fired(&AccountLost, &call("organizations", "CloseAccount", member));
        assert_eq!(call.finding_id(), closed.finding_id());
        let failed = observe(&AccountLost, &ended("FAILED"));
        assert_eq!((failed.len(), failed[0].verdict), (1, Verdict::Passing));
        assert_eq!(failed[0].finding_id(), closed.finding_id());
        quiet(&AccountLost, &[ended("IN_PROGRESS")]);
    }

    #[test]
    fn fires() {
        let member = json!({"requestParameters": {"accountId": "444455556666"}});
        let seen = fires_at(
            &AccountLost,
            Severity::Critical,
            &call("organizations", "CloseAccount", member.clone()),
        );
        assert_eq!(seen.title, "alice closed account 444455556666");
        assert_eq!(
            (seen.subject.resource.as_str(), seen.subject.region.as_str()),
            ("444455556666", "global")
        );
        let seen = fires_at(
            &AccountLost,
            Severity::High,
            &call("organizations", "RemoveAccountFromOrganization", member),
        );
        assert!(seen.steps.iter().any(|step| step.command.contains("Id=444455556666,Type=ACCOUNT")));
        let seen =
            fires_at(&AccountLost, Severity::High, &call("organizations", "LeaveOrganization", json!({})));
        assert_eq!(seen.subject.resource, ACCOUNT);
        let own = root_call("account", "CloseAccount", json!({}));
        assert_eq!(
            fires_at(&AccountLost, Severity::Critical, &own).title,
            "root closed account 111122223333"
        );
    }

    #[test]
    fn an_attempt_is_no_success() {
        let refused = json!({"errorCode": "AccessDenied"});
        let seen =
            fires_at(&AccountLost, Severity::Medium, &call("organizations", "LeaveOrganization", refused));
        assert!(
            seen.title.contains("tried to") && seen.title.ends_with("failed: AccessDenied"),
            "{}",
            seen.title
        );
        assert!(!seen.steps.iter().any(|step| step.command.contains("invite")));
    }

    #[test]
    fn odd_types_name_the_callers_account() {
        let odd = json!({"requestParameters": {"accountId": 444455556666_u64}});
        assert_eq!(
            fired(&AccountLost, &call("organizations", "CloseAccount", odd)).subject.resource,
            ACCOUNT
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AccountLost,
            &[
                call("organizations", "DescribeAccount", json!({})),
                call("quicksight", "CloseAccount", json!({})),
            ],
        );
    }

    #[test]
    fn the_end_of_the_organization_is_told() {
        let seen = fires_at(
            &AccountLost,
            Severity::High,
            &asked("organizations", "DeleteOrganization", json!(null)),
        );
        assert_eq!(seen.title, "alice deleted the organization");
        let failed =
            failed_call("organizations", "DeleteOrganization", "OrganizationNotEmptyException", json!({}));
        fires_at(&AccountLost, Severity::Medium, &failed);
    }
}
