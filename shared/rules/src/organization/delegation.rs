use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A member account was made the organization's delegated administrator for a service, or a service was given
    /// access to the whole organization. Or the organization's resource policy was written, which lets member accounts
    /// manage its policies: HIGH where it lets them change some, LOW where they only read, MEDIUM where it cannot be read.
    /// Taking any of it back closes the finding. Where that leaves a service blind that watched all accounts (GuardDuty,
    /// Config, CloudTrail and their like), it is a finding of its own.
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
            "DisableAWSServiceAccess", "PutResourcePolicy", "DeleteResourcePolicy",
        ])],
    }
}

/// Services whose delegated administrator can make itself administrator of every account.
const POWERFUL: [&str; 3] =
    ["member.org.stacksets.cloudformation.amazonaws.com", "sso.amazonaws.com", "iam.amazonaws.com"];

impl Rule for Delegation {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_name.or_empty().ends_with("ResourcePolicy") {
            resource_policy(record, cx);
            return Ok(());
        }
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
                if WATCHING.contains(&short) {
                    cx.report(stop_caller(blinded(record, cx, service), record));
                }
                cx.passing(record.account(), format!("{who} took {short}'s access to the organization back"))
            }
            _ => return Ok(()),
        };
        if record.event_name.or_empty() == "EnableAWSServiceAccess" && WATCHING.contains(&short) {
            let title = format!("{who} gave {short} access to the whole organization");
            cx.report(cx.passing(record.account(), title).global().aspect(format!("no {service}")));
        }
        let seen = cx.tempered(seen.global().aspect(service).detail("Service", service));
        cx.report(seen);
        Ok(())
    }
}

/// Services that watch the accounts of an organization, or keep their backups.
const WATCHING: [&str; 10] = [
    "access-analyzer",
    "backup",
    "cloudtrail",
    "config",
    "detective",
    "fms",
    "guardduty",
    "inspector2",
    "macie",
    "securityhub",
];

/// A service that watched every account sees only its own from now on.
fn blinded(record: &Record<'_>, cx: &Cx<'_>, service: &str) -> Observation {
    let title = format!("{} took {service} its sight of the organization", caller_name(record));
    cx.failing(record.account(), title)
        .global()
        .aspect(format!("no {service}"))
        .because("What the service recorded, found or kept in the other accounts it does no more.")
        .step("Which services have access?", "organizations list-aws-service-access-for-organization", &[])
        .step("Give it back", "organizations enable-aws-service-access", &[("--service-principal", service)])
}

/// The policy by which the management account delegates the care of its policies (AWS Organizations user guide,
/// "Delegated administrator for AWS Organizations").
fn resource_policy(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, resource) = (caller_name(record), record.account());
    if record.event_name.or_empty().starts_with("Delete") {
        let title = format!("{who} deleted the organization's resource policy");
        cx.report(cx.passing(resource, title).global().aspect(POLICY));
        return;
    }
    let content = record.request().get("content").filter(|content| !content.is_null());
    let document = match content {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        parsed => parsed.cloned(),
    };
    let grants = document.as_ref().map(|document| {
        let statements = items_at(document, &["statement"]);
        statements.into_iter().filter(|one| text_at(one, &["effect"]) != Some("Deny")).collect::<Vec<_>>()
    });
    let seen = match grants.filter(|grants| !grants.is_empty()) {
        None => cx
            .unknown(
                resource,
                format!("{who} wrote the organization's resource policy, which cannot be read"),
            )
            .severity(Severity::Medium),
        Some(grants) => {
            let reads = |action: &str| {
                let call = action.split_once(':').map_or(action, |(_, call)| call).to_ascii_lowercase();
                call.starts_with("describe") || call.starts_with("list")
            };
            let only_reads = grants.iter().all(|one| {
                let actions = texts_at(one, &["action"]);
                !actions.is_empty() && actions.into_iter().all(reads)
            });
            let mut accounts: Vec<&str> = Vec::new();
            for principal in grants.iter().filter_map(|one| value_at(one, &["principal"])) {
                let named = texts_at(principal, &["aws"]);
                let named = if named.is_empty() { texts_at(principal, &[]) } else { named };
                accounts.extend(named.into_iter().map(|one| one.split(':').nth(4).unwrap_or(one)));
            }
            accounts.sort_unstable();
            accounts.dedup();
            let accounts = match accounts[..] {
                [] => "somebody not named".to_owned(),
                _ => format!("account {}", accounts.join(", ")),
            };
            let (severity, may) = match only_reads {
                true => (Severity::Low, "read"),
                false => (Severity::High, "change"),
            };
            let title = format!("{who} let {accounts} {may} the organization's policies");
            cx.failing(resource, title).severity(severity)
        }
    };
    let seen = seen
        .global()
        .aspect(POLICY)
        .because(
            "Whoever may change the organization's policies can lift what they forbid, in every account.",
        )
        .step("What does it say?", "organizations describe-resource-policy", &[])
        .step("Take it back", "organizations delete-resource-policy", &[]);
    cx.report(cx.tempered(stop_caller(seen, record)));
}

/// What tells the resource policy from the services that have access.
const POLICY: &str = "resource policy";

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
        let access = json!({"requestParameters": {"servicePrincipal": "ipam.amazonaws.com"}});
        fires_at(&Delegation, Severity::Low, &call("organizations", "EnableAWSServiceAccess", access));
    }

    #[test]
    fn taking_it_back_closes_it() {
        for (made, unmade) in [
            ("RegisterDelegatedAdministrator", "DeregisterDelegatedAdministrator"),
            ("EnableAWSServiceAccess", "DisableAWSServiceAccess"),
        ] {
            let made = fired(&Delegation, &delegate(made, "ipam.amazonaws.com"));
            let gone = observe(&Delegation, &delegate(unmade, "ipam.amazonaws.com"));
            assert_eq!(gone.len(), 1);
            assert_eq!((gone[0].verdict, &gone[0].subject), (Verdict::Passing, &made.subject));
        }
    }

    #[test]
    fn a_resource_policy_delegates_as_well() {
        let put = |content: Value| {
            call("organizations", "PutResourcePolicy", json!({"requestParameters": {"content": content}}))
        };
        let statement = |actions: Value| {
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*",
                "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}]})
        };
        let all = put(json!(statement(json!("organizations:*")).to_string()));
        let seen = fires_at(&Delegation, Severity::High, &all);
        assert_eq!(seen.title, "alice let account 444455556666 change the organization's policies");
        fires_at(
            &Delegation,
            Severity::High,
            &put(statement(json!(["organizations:List*", "organizations:AttachPolicy"]))),
        );
        let reading = put(statement(json!(["organizations:Describe*", "organizations:ListPolicies"])));
        fires_at(&Delegation, Severity::Low, &reading);
        for odd in [json!("not json"), json!(null), json!({"Statement": []})] {
            assert_eq!(fires_at(&Delegation, Severity::Medium, &put(odd)).verdict, Verdict::Unknown);
        }
        let gone = observe(&Delegation, &call("organizations", "DeleteResourcePolicy", json!({})));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), seen.finding_id());
        quiet(&Delegation, &[failed_call("organizations", "PutResourcePolicy", "AccessDenied", json!({}))]);
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

    #[test]
    fn a_service_that_watched_every_account_is_missed() {
        let access =
            |name: &str, service: &str| asked("organizations", name, json!({"servicePrincipal": service}));
        for service in ["guardduty.amazonaws.com", "config.amazonaws.com"] {
            let seen = observe(&Delegation, &access("DisableAWSServiceAccess", service));
            let bad = seen.iter().find(|one| one.verdict == Verdict::Failing).unwrap();
            assert_eq!(bad.title, format!("alice took {service} its sight of the organization"));
            assert_eq!(bad.severity, Severity::Medium);
            let back = observe(&Delegation, &access("EnableAWSServiceAccess", service));
            assert!(
                back.iter()
                    .any(|one| one.verdict == Verdict::Passing && one.finding_id() == bad.finding_id())
            );
        }
        let seen = observe(&Delegation, &access("DisableAWSServiceAccess", "tagpolicies.tag.amazonaws.com"));
        assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing));
    }
}
