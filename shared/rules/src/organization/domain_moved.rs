use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A domain registered with Route 53 is on its way out: its transfer lock was switched off, its authorization code
    /// was read, its name servers were changed (medium), or its transfer to another AWS account was begun. The lock and a cancelled transfer close the finding.
    /// ## Why it matters
    /// Who holds the domain holds the web site, the mail, and every password that can be reset by mail. A domain that
    /// has moved to another registrar is hard to get back.
    /// ## What to do
    /// Switch the lock on again and cancel the transfer, at once: another account has three days to accept, another
    /// registrar about five. Then stop the caller.
    /// ## False positives
    /// A planned move. Transfers to accounts in the list `trusted-accounts` are LOW.
    DomainMoved {
        id: "organization-domain-moved",
        title: "A domain is being moved away",
        severity: High,
        confidence: High,
        catalogue: ["ORG-09"],
        references: [
            attack(&["T1584.001"]),
            doc(&["Route 53 API: DisableDomainTransferLock, RetrieveDomainAuthCode, TransferDomainToAnotherAwsAccount"]),
        ],
        // CloudTrail writes calls of the console with a small first letter (Route 53 developer guide, "Logging").
        on: [On::Call("route53domains.amazonaws.com", &[
            "CancelDomainTransferToAnotherAwsAccount", "DisableDomainTransferLock", "EnableDomainTransferLock",
            "RetrieveDomainAuthCode", "TransferDomainToAnotherAwsAccount",
            "cancelDomainTransferToAnotherAwsAccount", "disableDomainTransferLock", "enableDomainTransferLock",
            "retrieveDomainAuthCode", "transferDomainToAnotherAwsAccount",
            "UpdateDomainNameservers", "updateDomainNameservers",
        ])],
    }
}

impl Rule for DomainMoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(domain) = record.param(&["DomainName"]).or_else(|| record.param(&["domainName", "name"]))
        else {
            return Ok(());
        };
        let (who, call) = (caller_name(record), record.event_name.or_empty().to_ascii_lowercase());
        let options = [("--region", "us-east-1"), ("--domain-name", domain)];
        let (aspect, seen) = match call.as_str() {
            "enabledomaintransferlock" => {
                ("lock", cx.passing(domain, format!("{who} locked domain {domain} again")))
            }
            "disabledomaintransferlock" => (
                "lock",
                cx.failing(domain, format!("{who} switched off the transfer lock of domain {domain}"))
                    .because(
                        "With its authorization code, anybody can move the domain to another registrar now.",
                    )
                    .step("Lock it", "route53domains enable-domain-transfer-lock", &options),
            ),
            "retrievedomainauthcode" => (
                "authorization code",
                cx.failing(domain, format!("{who} read the authorization code of domain {domain}"))
                    .severity(Severity::Medium)
                    .because("The code moves the domain to another registrar, once the transfer lock is off.")
                    .step("Lock it", "route53domains enable-domain-transfer-lock", &options),
            ),
            "updatedomainnameservers" => (
                "name servers",
                cx.failing(domain, format!("{who} changed the name servers of domain {domain}"))
                    .severity(Severity::Medium)
                    .because("Whoever runs the name servers decides where its web site and mail go.")
                    .step("Which are set, and are they yours?", "route53domains get-domain-detail", &options),
            ),
            "canceldomaintransfertoanotherawsaccount" => {
                ("transfer", cx.passing(domain, format!("{who} cancelled the transfer of domain {domain}")))
            }
            _ => {
                let to = record.param(&["AccountId"]).unwrap_or("that is not named");
                let trusted = cx.config.trusted_accounts.iter().any(|account| account == to);
                let seen = cx
                    .failing(domain, format!("{who} began to transfer domain {domain} to account {to}"))
                    .severity(if trusted { Severity::Low } else { Severity::Critical })
                    .because(
                        "The other account has three days to accept; then the domain is no longer yours.",
                    )
                    .detail("To account", to)
                    .step(
                        "Cancel it",
                        "route53domains cancel-domain-transfer-to-another-aws-account",
                        &options,
                    );
                ("transfer", seen)
            }
        };
        let seen = seen.global().aspect(aspect).step(
            "How does the domain stand?",
            "route53domains get-domain-detail",
            &options,
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn domain(event: &str, request: Value) -> String {
        call("route53domains", event, json!({"requestParameters": request}))
    }

    fn example() -> Value {
        json!({"domainName": "example.com"})
    }

    #[test]
    fn fires() {
        let seen = fires_at(&DomainMoved, Severity::High, &domain("DisableDomainTransferLock", example()));
        assert_eq!(seen.title, "alice switched off the transfer lock of domain example.com");
        let console = domain("disableDomainTransferLock", json!({"domainName": {"name": "example.com"}}));
        assert_eq!(fires_at(&DomainMoved, Severity::High, &console).subject, seen.subject);
        fires_at(&DomainMoved, Severity::Medium, &domain("RetrieveDomainAuthCode", example()));
        let to = |account: &str| {
            domain(
                "TransferDomainToAnotherAwsAccount",
                json!({"domainName": "example.com", "accountId": account}),
            )
        };
        fires_at(&DomainMoved, Severity::Critical, &to("999988887777"));
        fires_at(&DomainMoved, Severity::Low, &to("444455556666"));
        fires_at(&DomainMoved, Severity::Critical, &domain("TransferDomainToAnotherAwsAccount", example()));
    }

    #[test]
    fn reverse_calls_close_it() {
        for (done, undone) in [
            ("DisableDomainTransferLock", "enableDomainTransferLock"),
            ("TransferDomainToAnotherAwsAccount", "CancelDomainTransferToAnotherAwsAccount"),
        ] {
            let done = fired(&DomainMoved, &domain(done, example()));
            let undone = observe(&DomainMoved, &domain(undone, example()));
            assert_eq!((undone[0].verdict, &undone[0].subject), (Verdict::Passing, &done.subject));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &DomainMoved,
            &[
                domain("DisableDomainTransferLock", json!(null)),
                domain("updateDomainContact", example()),
                call("route53", "DisableDomainTransferLock", json!({"requestParameters": example()})),
                call(
                    "route53domains",
                    "TransferDomainToAnotherAwsAccount",
                    json!({"errorCode": "AccessDeniedException", "requestParameters": example()}),
                ),
            ],
        );
    }

    #[test]
    fn name_servers_are_the_domain() {
        for name in ["UpdateDomainNameservers", "updateDomainNameservers"] {
            let seen = asked(
                "route53domains",
                name,
                json!({"domainName": "example.com", "nameservers": [{"name": "ns.example.net"}]}),
            );
            let seen = fires_at(&DomainMoved, Severity::Medium, &seen);
            assert_eq!(seen.title, "alice changed the name servers of domain example.com");
        }
    }
}
