use super::common::members;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Security Hub was disabled in a region, in its older form (Security Hub CSPM) or its newer one; a
    /// standard in it was disabled, the account left its administrator account, the organization's
    /// administrator was removed, or member accounts were taken out. Or a configuration policy of the
    /// organization says that Security Hub is off where it is applied (high where an existing policy was
    /// changed so, medium where it was made so).
    /// ## Why it matters
    /// Security Hub gathers what all detectors say. When it is disabled its findings are deleted after 90
    /// days, and nobody is told of new ones.
    /// ## What to do
    /// Ask the caller; enable the hub or the standard again.
    /// ## False positives
    /// A standard that is replaced by a newer version, a region that is given up, and units for experiments that are
    /// left out of Security Hub on purpose.
    SecurityHub {
        id: "audit-security-hub-disabled",
        title: "Security Hub was switched off",
        severity: High,
        confidence: High,
        catalogue: ["DET-04"],
        references: [cis("3.0", &["4.16"]), cis("5.0", &["4.16"]), attack(&["T1562.001"])],
        on: [On::Call("securityhub.amazonaws.com", &[
            "DisableSecurityHub", "EnableSecurityHub", "BatchDisableStandards", "BatchEnableStandards",
            "DisassociateFromMasterAccount", "DisassociateFromAdministratorAccount",
                "AcceptAdministratorInvitation", "AcceptInvitation",
            "DeleteMembers", "DisassociateMembers", "CreateMembers",
            "DisableOrganizationAdminAccount", "EnableOrganizationAdminAccount",
            "DisableSecurityHubV2", "EnableSecurityHubV2", "CreateConfigurationPolicy", "UpdateConfigurationPolicy",
        ])],
    }
}

impl Rule for SecurityHub {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        let hub = record.arn("securityhub", "hub/default");
        let event = record.event_name.or_empty();
        let changes: Vec<(String, &str, String, Severity)> = match event {
            "DisableSecurityHub" => {
                vec![(hub, "enabled", format!("{who} disabled Security Hub in {region}"), Severity::High)]
            }
            "DisableSecurityHubV2" => {
                let title = format!("{who} disabled the new Security Hub (V2) in {region}");
                vec![(hub, "enabled, V2", title, Severity::High)]
            }
            "DisableOrganizationAdminAccount" => {
                let title =
                    format!("{who} removed the organization's Security Hub administrator in {region}");
                vec![(hub, "delegated administrator", title, Severity::High)]
            }
            "CreateConfigurationPolicy" | "UpdateConfigurationPolicy" => {
                let policy = value_at(request, &["configurationPolicy", "securityHub"]);
                let Some(on) = policy.and_then(|policy| flag_at(policy, &["serviceEnabled"])) else {
                    return Ok(());
                };
                let named = [(record.response(), "id"), (request, "identifier"), (request, "name")];
                let Some(id) = named.iter().find_map(|(of, key)| text_at(of, &[key])) else { return Ok(()) };
                let policy = record.arn("securityhub", &format!("configuration-policy/{}", last_part(id)));
                if on {
                    cx.report(
                        cx.passing(policy, format!("{who} had a configuration policy enable Security Hub")),
                    );
                    return Ok(());
                }
                let severity = if event.starts_with("Create") { Severity::Medium } else { Severity::High };
                let title = format!(
                    "{who} had a configuration policy switch Security Hub off in accounts of the organization"
                );
                vec![(policy, "", title, severity)]
            }
            "BatchDisableStandards" => texts_at(request, &["StandardsSubscriptionArns"])
                .into_iter()
                .map(|arn| {
                    let title =
                        format!("{who} disabled standard {} of Security Hub in {region}", standard(arn));
                    (arn.to_owned(), "standard", title, Severity::Medium)
                })
                .collect(),
            "DisassociateFromMasterAccount" | "DisassociateFromAdministratorAccount" => {
                let title = format!(
                    "{who} took this account's Security Hub in {region} away from its administrator account"
                );
                vec![(hub, "administrator", title, Severity::Medium)]
            }
            "DeleteMembers" | "DisassociateMembers" => members(record)
                .into_iter()
                .map(|id| {
                    let title = format!("{who} took account {id} out of Security Hub in {region}");
                    (hub.clone(), id, title, Severity::Medium)
                })
                .collect(),
            _ => {
                good(record, cx, &hub);
                return Ok(());
            }
        };
        for (arn, aspect, title, severity) in changes {
            let seen = cx.failing(arn, title);
            let seen = if aspect.is_empty() { seen } else { seen.aspect(aspect) };
            let seen = seen
                .severity(severity)
                .because(
                    "Controls that nobody evaluates and findings that nobody gathers look like no findings.",
                )
                .step("Is it enabled?", "securityhub describe-hub", &[("--region", region)])
                .step("Which standards are?", "securityhub get-enabled-standards", &[("--region", region)]);
            cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
        }
        Ok(())
    }
}

fn good(record: &Record<'_>, cx: &mut Cx<'_>, hub: &str) {
    let (who, request) = (caller_name(record), record.request());
    let seen: Vec<Observation> = match record.event_name.or_empty() {
        "EnableSecurityHub" => vec![cx.passing(hub, format!("{who} enabled Security Hub")).aspect("enabled")],
        "EnableSecurityHubV2" => {
            vec![cx.passing(hub, format!("{who} enabled the new Security Hub (V2)")).aspect("enabled, V2")]
        }
        "EnableOrganizationAdminAccount" => {
            let title = format!("{who} named a Security Hub administrator");
            vec![cx.passing(hub, title).aspect("delegated administrator")]
        }
        "AcceptAdministratorInvitation" | "AcceptInvitation" => {
            vec![
                cx.passing(hub, format!("{who} put Security Hub under an administrator"))
                    .aspect("administrator"),
            ]
        }
        "BatchEnableStandards" => items_at(request, &["StandardsSubscriptionRequests"])
            .into_iter()
            .filter_map(|wanted| text_at(wanted, &["StandardsArn"]))
            .map(|arn| {
                let subscription = record.arn("securityhub", &format!("subscription/{}", standard(arn)));
                cx.passing(subscription, format!("{who} enabled standard {}", standard(arn)))
                    .aspect("standard")
            })
            .collect(),
        "CreateMembers" => members(record)
            .into_iter()
            .map(|id| cx.passing(hub, format!("{who} took account {id} into Security Hub")).aspect(id))
            .collect(),
        _ => Vec::new(),
    };
    seen.into_iter().for_each(|seen| cx.report(seen));
}

/// `cis-aws-foundations-benchmark/v/1.2.0`: the same at the end of a standard's ARN (`:::ruleset/…`,
/// `::standards/…`) and of its subscription's (`:subscription/…`).
fn standard(arn: &str) -> &str {
    arn.split_once('/').map_or(arn, |(_, standard)| standard)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn hub(event: &str, request: Value) -> String {
        call("securityhub", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_until_it_is_undone() {
        let subscription =
            "arn:aws:securityhub:us-east-1:111122223333:subscription/cis-aws-foundations-benchmark/v/1.2.0";
        let ruleset = "arn:aws:securityhub:::ruleset/cis-aws-foundations-benchmark/v/1.2.0";
        for (severity, bad, good) in [
            (Severity::High, hub("DisableSecurityHub", json!(null)), hub("EnableSecurityHub", json!(null))),
            (
                Severity::Medium,
                hub("BatchDisableStandards", json!({"StandardsSubscriptionArns": [subscription]})),
                hub(
                    "BatchEnableStandards",
                    json!({"StandardsSubscriptionRequests": [{"StandardsArn": ruleset}]}),
                ),
            ),
            (
                Severity::Medium,
                hub("DisassociateFromAdministratorAccount", json!({})),
                hub("AcceptAdministratorInvitation", json!({})),
            ),
            (
                Severity::Medium,
                hub("DisassociateFromMasterAccount", json!({})),
                hub("AcceptInvitation", json!({})),
            ),
            (
                Severity::High,
                hub("DisableOrganizationAdminAccount", json!({"AdminAccountId": "444455556666"})),
                hub("EnableOrganizationAdminAccount", json!({"AdminAccountId": "444455556666"})),
            ),
            (
                Severity::High,
                hub("DisableSecurityHubV2", json!(null)),
                hub("EnableSecurityHubV2", json!(null)),
            ),
            (
                Severity::Medium,
                hub("DeleteMembers", json!({"AccountIds": ["444455556666"]})),
                hub("CreateMembers", json!({"AccountDetails": [{"AccountId": "444455556666"}]})),
            ),
        ] {
            let (bad, good) = (fires_at(&SecurityHub, severity, &bad), observe(&SecurityHub, &good));
            assert_eq!(good.len(), 1);
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn each_standard_and_member_is_a_finding() {
        let two = json!({"AccountIds": ["444455556666", "777788889999"]});
        assert_eq!(observe(&SecurityHub, &hub("DisassociateMembers", two.clone())).len(), 2);
        // The call succeeds as a whole when single accounts were refused.
        let refused = json!({"requestParameters": two, "responseElements": {"UnprocessedAccounts": [
            {"AccountId": "444455556666", "ProcessingResult": "no"}]}});
        let seen = fired(&SecurityHub, &call("securityhub", "DeleteMembers", refused));
        assert!(seen.title.contains("777788889999"), "{}", seen.title);
    }

    #[test]
    fn a_policy_of_the_organization_switches_it_off() {
        let policy = |name: &str, on: bool| {
            let request =
                json!({"identifier": "p-1", "configurationPolicy": {"securityHub": {"serviceEnabled": on}}});
            call("securityhub", name, json!({"requestParameters": request}))
        };
        let off = fires_at(&SecurityHub, Severity::High, &policy("UpdateConfigurationPolicy", false));
        let on = observe(&SecurityHub, &policy("UpdateConfigurationPolicy", true));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        fires_at(&SecurityHub, Severity::Medium, &policy("CreateConfigurationPolicy", false));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &SecurityHub,
            &[
                hub("DeleteMembers", json!(null)),
                hub("BatchDisableStandards", json!({"StandardsSubscriptionArns": []})),
                hub("BatchEnableStandards", json!(null)),
                call("securityhub", "DisableSecurityHub", json!({"errorCode": "AccessDeniedException"})),
            ],
        );
    }
}
