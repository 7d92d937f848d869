use super::common::{ROOT_CALLS, in_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The root user's e-mail address was changed (critical) or a change was begun (high), by root itself or by the
    /// management account for a member; the account's postal contact or its billing, operations or security contact was
    /// set or removed (medium). Anybody with the permission counts, not only root.
    /// ## Why it matters
    /// Whoever reads the root mailbox can reset the root password. The contacts are where AWS sends abuse reports,
    /// exposed-key warnings and bills: a thief who redirects them works on unseen.
    /// ## What to do
    /// Look at the addresses now and compare them with what you expect. Put wrong ones right; if the root e-mail
    /// address is no longer yours, open a case with AWS Support at once, from another account if need be.
    /// ## False positives
    /// Set-up of new accounts, account vending (Control Tower and its like) and people who change jobs. The new address
    /// is deliberately not repeated here.
    Contact {
        id: "root-contact-changed",
        title: "The root e-mail address or an account contact was changed",
        severity: Critical,
        confidence: High,
        catalogue: ["ROOT-09"],
        references: [
            cis("3.0", &["1.1", "1.2"]),
            cis("5.0", &["1.1", "1.2"]),
            security_hub(&["Account.1"]),
            attack(&["T1098"]),
            attack(&["T1531"]),
            doc(&["AWS Account Management reference: StartPrimaryEmailUpdate, PutAlternateContact"]),
        ],
        on: [
            On::Call("signin.amazonaws.com", &["EmailUpdated"]),
            On::Call("account.amazonaws.com", &["StartPrimaryEmailUpdate", "AcceptPrimaryEmailUpdate",
                "PutContactInformation", "PutAlternateContact", "DeleteAlternateContact"]),
        ],
        repeat_hours: 1,
    }
}

impl Rule for Contact {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let name = record.event_name.or_empty();
        if name == "EmailUpdated" && sign_in_result(record) == Some("Failure") {
            return Ok(());
        }
        let account = record.param(&["accountId"]).unwrap_or(record.account());
        let kind = record.param(&["alternateContactType"]).unwrap_or("alternate");
        let (severity, aspect, what) = match name {
            "EmailUpdated" | "AcceptPrimaryEmailUpdate" => {
                (Severity::Critical, "e-mail", "The root e-mail address was changed".to_owned())
            }
            "StartPrimaryEmailUpdate" => {
                (Severity::High, "e-mail", "A change of the root e-mail address was begun".to_owned())
            }
            "PutContactInformation" => {
                (Severity::Medium, "contact", "The primary contact was changed".to_owned())
            }
            "DeleteAlternateContact" => (Severity::Medium, kind, format!("The {kind} contact was removed")),
            _ => (Severity::Medium, kind, format!("The {kind} contact was set")),
        };
        let title = format!("{what} in account {account}, by {}", caller_name(record));
        let seen = cx
            .failing(format!("arn:{}:iam::{account}:root", record.partition()), title)
            .severity(severity)
            .aspect(aspect)
            .detail("Of account", account);
        let seen = match severity {
            Severity::Medium => seen
                .because("AWS sends warnings and bills about this account to its contacts.")
                .step(
                    "Where do security warnings go now? (in that account)",
                    "account get-alternate-contact --alternate-contact-type SECURITY",
                    &[],
                )
                .step(
                    "Who is the primary contact now? (in that account)",
                    "account get-contact-information",
                    &[],
                ),
            _ => seen
                .because("Whoever reads that mailbox can reset the root password and take the account over.")
                .step(
                    "Which root e-mail address has the account now? (from the management account)",
                    "organizations describe-account",
                    &[("--account-id", account)],
                )
                .step("What else did root do?", ROOT_CALLS, &in_region(record)),
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn account(name: &str, request: Value) -> String {
        call("account", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let updated = root_sign_in("EmailUpdated", json!({"responseElements": {"EmailUpdated": "Success"}}));
        let own = fires_at(&Contact, Severity::Critical, &updated);
        assert_eq!(own.title, "The root e-mail address was changed in account 111122223333, by root");
        fires_at(
            &Contact,
            Severity::Critical,
            &root_sign_in("EmailUpdated", json!({"responseElements": null})),
        );

        let member = json!({"accountId": "444455556666", "primaryEmail": "evil@example.com"});
        let begun = fires_at(&Contact, Severity::High, &account("StartPrimaryEmailUpdate", member.clone()));
        let done = fires_at(&Contact, Severity::Critical, &account("AcceptPrimaryEmailUpdate", member));
        assert_eq!(begun.finding_id(), done.finding_id());
        assert_ne!(own.finding_id(), done.finding_id());
        assert_eq!(done.subject.resource, "arn:aws:iam::444455556666:root");
        assert!(!format!("{done:?}").contains("evil@"));

        let security =
            json!({"AlternateContactType": "SECURITY", "EmailAddress": "HIDDEN_DUE_TO_SECURITY_REASONS"});
        let set = fires_at(&Contact, Severity::Medium, &account("PutAlternateContact", security.clone()));
        assert_eq!(set.title, "The SECURITY contact was set in account 111122223333, by alice");
        let gone = fires_at(&Contact, Severity::Medium, &account("DeleteAlternateContact", security));
        assert_eq!(set.finding_id(), gone.finding_id());
        fires_at(&Contact, Severity::Medium, &account("PutContactInformation", json!(null)));
        fires_at(&Contact, Severity::Medium, &account("PutAlternateContact", json!({"accountId": ["odd"]})));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Contact,
            &[
                root_sign_in("EmailUpdated", json!({"responseElements": {"EmailUpdated": "Failure"}})),
                // Another product asks IAM for this event, where it never comes from.
                root_call("iam", "EmailUpdated", json!({})),
                account("GetAlternateContact", json!({"alternateContactType": "SECURITY"})),
                call("account", "AcceptPrimaryEmailUpdate", json!({"errorCode": "AccessDeniedException"})),
                call("account", "PutAlternateContact", json!({"errorCode": "ValidationException"})),
            ],
        );
    }
}
