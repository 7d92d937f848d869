use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A member account was made the organization's delegated administrator for a service, or a service was given
    /// access to the whole organization. Taking either back closes the finding.
    /// ## Why it matters
    /// A delegated administrator acts on every account: with StackSets it can create roles in all of them, with Identity
    /// Center it decides who signs in, with central root access it can act as root of the members. These three are
    /// HIGH; others see or configure one service.
    /// ## What to do
    /// Make sure that the account is the one meant for this, and that few people can act in it.
    /// ## False positives
    /// Setting up a security account. It happens once for each service; suppress the account meanwhile.
    Delegation {
        id: "organization-delegation",
        title: "A member account or a service may act on the whole organization",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ORG-04"],
        references: [
            cis("3.0", &["4.15"]),
            cis("5.0", &["4.15"]),
            attack(&["T1098"]),
            doc(&["AWS Organizations user guide: delegated administrator for AWS services"]),
        ],
        on: [On::Call("organizations.amazonaws.com", &[
            "RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator", "EnableAWSServiceAccess",
            "DisableAWSServiceAccess",
        ])],
    }
}

/// Services whose delegated administrator can make itself administrator of every account.
const POWERFUL: [&str; 3] =
    ["member.org.stacksets.cloudformation.amazonaws.com", "sso.amazonaws.com", "iam.amazonaws.com"];

impl Rule for Delegation {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(service) = record.param(&["ServicePrincipal"]) else { return Ok(()) };
        let (who, short) = (caller_name(record), service.trim_end_matches(".amazonaws.com"));
        let options = [("--service-principal", service)];
        let seen = match (record.event_name.or_empty(), record.param(&["AccountId"])) {
            ("RegisterDelegatedAdministrator", Some(account)) => {
                let severity = if POWERFUL.contains(&service) { Severity::High } else { Severity::Medium };
                cx.failing(
                    account,
                    format!("{who} made account {account} delegated administrator for {short}"),
                )
                .severity(severity)
                .because("What this account does with the service reaches every account of the organization.")
                .step(
                    "Who are the delegated administrators?",
                    "organizations list-delegated-administrators",
                    &[],
                )
                .step(
                    "Take it back",
                    "organizations deregister-delegated-administrator",
                    &[("--account-id", account), options[0]],
                )
            }
            ("DeregisterDelegatedAdministrator", Some(account)) => {
                cx.passing(account, format!("{who} removed {account} as delegated administrator for {short}"))
            }
            ("EnableAWSServiceAccess", _) => cx
                .failing(record.account(), format!("{who} gave {short} access to the whole organization"))
                .severity(Severity::Low)
                .because("The service can make its own role in every account.")
                .step(
                    "Which services have access?",
                    "organizations list-aws-service-access-for-organization",
                    &[],
                )
                .step("Take it back", "organizations disable-aws-service-access", &options),
            ("DisableAWSServiceAccess", _) => {
                cx.passing(record.account(), format!("{who} took {short}'s access to the organization back"))
            }
            _ => return Ok(()),
        };
        let seen = cx.tempered(seen.global().aspect(service).detail("Service", service));
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn delegate(event: &str, service: &str) -> String {
        let request = json!({"accountId": "444455556666", "servicePrincipal": service});
        call("organizations", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let register = |service| delegate("RegisterDelegatedAdministrator", service);
        let seen = fires_at(&Delegation, Severity::High, &register("sso.amazonaws.com"));
        assert_eq!(seen.title, "alice made account 444455556666 delegated administrator for sso");
        fires_at(&Delegation, Severity::High, &register("member.org.stacksets.cloudformation.amazonaws.com"));
        fires_at(&Delegation, Severity::Medium, &register("guardduty.amazonaws.com"));
        let access = json!({"requestParameters": {"servicePrincipal": "config.amazonaws.com"}});
        fires_at(&Delegation, Severity::Low, &call("organizations", "EnableAWSServiceAccess", access));
    }

    #[test]
    fn taking_it_back_closes_it() {
        for (made, unmade) in [
            ("RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator"),
            ("EnableAWSServiceAccess", "DisableAWSServiceAccess"),
        ] {
            let made = fired(&Delegation, &delegate(made, "config.amazonaws.com"));
            let gone = observe(&Delegation, &delegate(unmade, "config.amazonaws.com"));
            assert_eq!(gone.len(), 1);
            assert_eq!((gone[0].verdict, &gone[0].subject), (Verdict::Passing, &made.subject));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Delegation,
            &[
                call("organizations", "RegisterDelegatedAdministrator", json!({})),
                call(
                    "organizations",
                    "RegisterDelegatedAdministrator",
                    json!({"requestParameters": {"accountId": null, "servicePrincipal": "sso.amazonaws.com"}}),
                ),
                call(
                    "organizations",
                    "EnableAWSServiceAccess",
                    json!({"errorCode": "AccessDeniedException", "requestParameters": {"servicePrincipal": "sso.amazonaws.com"}}),
                ),
            ],
        );
    }
}
