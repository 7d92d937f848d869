use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A web ACL was taken off a load balancer, an API or the like, or was deleted; a rule group was deleted,
    /// or the logging of a web ACL. WAF and both forms of WAF Classic are heard. Or another wall was: a network firewall
    /// was deleted, the rules of the DNS firewall were taken off a network, or Shield's protection was ended. Or a policy of Firewall
    /// Manager was deleted, by which many accounts have their web ACLs, firewalls and security groups.
    /// ## Why it matters
    /// Whatever the web ACL kept out reaches the application now.
    /// ## What to do
    /// Associate the web ACL again, unless the application is gone.
    /// ## False positives
    /// An application that is torn down, a web ACL that is replaced by another. Firewall Manager replaces its
    /// own: low. A web ACL that goes by a change of a distribution's own settings this rule does not
    /// see. A policy of Firewall Manager that is written anew under another name looks like one that is deleted.
    WafRemoved {
        id: "audit-waf-removed",
        title: "A web application firewall was taken away",
        severity: Medium,
        confidence: Medium,
        catalogue: ["DET-10"],
        references: [
            security_hub(&[
                "WAF.1", "WAF.2", "WAF.3", "WAF.4", "WAF.5", "WAF.6", "WAF.7", "WAF.8", "WAF.9", "WAF.10",
                "WAF.11", "WAF.12",
            ]),
            security_hub(&["ELB.16"]),
            attack(&["T1562.001"]),
        ],
        on: [
            On::Call("wafv2.amazonaws.com", &["DeleteWebACL", "DisassociateWebACL", "AssociateWebACL",
                "DeleteRuleGroup",
                "DeleteLoggingConfiguration", "PutLoggingConfiguration"]),
            On::Call("waf-regional.amazonaws.com", &["DeleteWebACL", "DisassociateWebACL", "AssociateWebACL",
                "DeleteRuleGroup", "DeleteLoggingConfiguration", "PutLoggingConfiguration"]),
            On::Call("waf.amazonaws.com", &["DeleteWebACL", "DeleteRuleGroup", "DeleteLoggingConfiguration",
                "PutLoggingConfiguration"]),
            On::Call("fms.amazonaws.com", &["DeletePolicy"]),
            On::Call("cloudfront.amazonaws.com", &[
                "DisassociateDistributionWebACL", "DisassociateDistributionTenantWebACL",
            ]),
            On::Call("network-firewall.amazonaws.com", &["DeleteFirewall"]),
            On::Call("route53resolver.amazonaws.com", &["DisassociateFirewallRuleGroup"]),
            On::Call("shield.amazonaws.com", &["DeleteProtection", "DeleteSubscription"]),
        ],
    }
}

impl Rule for WafRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let event = record.event_name.or_empty();
        if event == "DeletePolicy" {
            let Some(id) = text_at(request, &["policyId"]) else { return Ok(()) };
            let swept = flag_at(request, &["deleteAllPolicyResources"]) == Some(true);
            let seen = cx
                .failing(
                    record.arn("fms", &format!("policy/{id}")),
                    format!("{who} deleted a policy of Firewall Manager"),
                )
                .because(match swept {
                    true => "The firewalls and web ACLs that it put into other accounts are deleted with it.",
                    false => "New resources in the accounts no longer get the firewalls that it gave them.",
                })
                .detail("Policy", id)
                .step("Which are left?", "fms list-policies", &[region_option(record)]);
            cx.report(stop_caller(seen, record));
            return Ok(());
        }
        if let Some(seen) = other_wall(record, cx) {
            cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
            return Ok(());
        }
        let logging = [&["resourceArn"][..], &["loggingConfiguration", "resourceArn"]];
        let resource = logging.iter().find_map(|path| text_at(request, path)).map(str::to_owned);
        let Some(arn) = resource.or_else(|| deleted(record)) else { return Ok(()) };
        let name = text_at(request, &["name"]).unwrap_or_else(|| last_part(&arn));
        let aspect = if event.contains("Logging") { "logging" } else { "firewall" };
        let (severity, title) = match event {
            "DisassociateWebACL" => {
                (Severity::Medium, format!("{who} took the web application firewall off {name}"))
            }
            "DeleteWebACL" => (Severity::Medium, format!("{who} deleted web ACL {name}")),
            "DeleteRuleGroup" => (Severity::Low, format!("{who} deleted WAF rule group {name}")),
            "DeleteLoggingConfiguration" => {
                (Severity::Low, format!("{who} switched off the logging of web ACL {name}"))
            }
            _ => {
                cx.report(cx.passing(&arn, format!("{who} set the {aspect} of {name}")).aspect(aspect));
                return Ok(());
            }
        };
        let seen = cx
            .failing(&arn, title)
            .severity(severity)
            .aspect(aspect)
            .because("Requests that it blocked or recorded before reach the application, or leave no trace.")
            .detail("Resource", &arn);
        // WAF and WAF Classic do not see each other's; each has commands of its own.
        let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
        let region = ("--region", region(record));
        let seen = match (event, service) {
            ("DisassociateWebACL", _) => seen.step(
                "Has it another one now?",
                &format!("{service} get-web-acl-for-resource"),
                &[("--resource-arn", &arn), region],
            ),
            (_, "wafv2") => {
                let global = arn.contains(":global/") || text_at(request, &["scope"]) == Some("CLOUDFRONT");
                let scope = if global { "CLOUDFRONT" } else { "REGIONAL" };
                seen.step("Which are left?", "wafv2 list-web-acls", &[("--scope", scope), region])
            }
            _ => seen.step("Which are left?", &format!("{service} list-web-acls"), &[region]),
        };
        let seen = tempered_to(cx, Severity::Low, seen);
        let manager = record.user_identity.invoked_by.or_empty() == "fms.amazonaws.com";
        let seen = if manager { seen.severity(Severity::Low) } else { seen };
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// What else stands between the internet and the account: CloudFront's web ACLs, network and DNS firewalls, Shield.
fn other_wall(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let (who, request) = (caller_name(record), record.request());
    let service = record.event_source.or_empty().trim_end_matches(".amazonaws.com");
    let (severity, key, kind, did, look): (_, &[&str], _, _, _) = match record.event_name.or_empty() {
        "DisassociateDistributionWebACL" => (
            Severity::Medium,
            &["id"],
            "distribution/",
            "took the web application firewall off distribution",
            "cloudfront list-distributions",
        ),
        "DisassociateDistributionTenantWebACL" => (
            Severity::Medium,
            &["id"],
            "distribution-tenant/",
            "took the web application firewall off distribution tenant",
            "cloudfront list-distribution-tenants",
        ),
        "DeleteFirewall" => (
            Severity::Medium,
            &["firewallName", "firewallArn"],
            "firewall/",
            "deleted network firewall",
            "network-firewall list-firewalls",
        ),
        "DisassociateFirewallRuleGroup" => (
            Severity::Medium,
            &["firewallRuleGroupAssociationId"],
            "firewall-rule-group-association/",
            "took the rules of the DNS firewall off a network:",
            "route53resolver list-firewall-rule-group-associations",
        ),
        "DeleteProtection" => (
            Severity::Low,
            &["protectionId"],
            "protection/",
            "deleted Shield protection",
            "shield list-protections",
        ),
        "DeleteSubscription" => {
            let seen =
                cx.failing("Shield Advanced", format!("{who} ended the subscription of Shield Advanced"));
            let seen = seen.because("Nothing is protected against floods beyond what every account has.");
            return Some(seen.step(
                "Has it ended?",
                "shield describe-subscription",
                &[("--region", "us-east-1")],
            ));
        }
        _ => return None,
    };
    let id = key.iter().find_map(|key| text_at(request, &[key]))?;
    let name = last_part(id);
    let arn =
        if id.starts_with("arn:") { id.to_owned() } else { record.arn(service, &format!("{kind}{name}")) };
    let seen = cx.failing(arn, format!("{who} {did} {name}")).severity(severity);
    Some(seen.because("What it blocked before gets through now.").step(
        "Which are left?",
        look,
        &[region_option(record)],
    ))
}

/// The ARN of what was deleted: WAF's from scope, name and id; WAF Classic's from the id alone.
fn deleted(record: &Record<'_>) -> Option<String> {
    let request = record.request();
    let kind = if record.event_name.or_empty().ends_with("RuleGroup") { "rulegroup" } else { "webacl" };
    if let (Some(name), Some(id)) = (text_at(request, &["name"]), text_at(request, &["id"])) {
        let scope = if text_at(request, &["scope"]) == Some("CLOUDFRONT") { "global" } else { "regional" };
        return Some(record.arn("wafv2", &format!("{scope}/{kind}/{name}/{id}")));
    }
    let id = text_at(request, &["webACLId"]).or_else(|| text_at(request, &["ruleGroupId"]))?;
    Some(match record.event_source.or_empty() {
        "waf.amazonaws.com" => format!("arn:{}:waf::{}:{kind}/{id}", record.partition(), record.account()),
        _ => record.arn("waf-regional", &format!("{kind}/{id}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/shop/1";

    fn waf(source: &str, event: &str, request: Value) -> String {
        call(source, event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let off = fires_at(
            &WafRemoved,
            Severity::Medium,
            &waf("wafv2", "DisassociateWebACL", json!({"resourceArn": BALANCER})),
        );
        let on = observe(
            &WafRemoved,
            &waf(
                "wafv2",
                "AssociateWebACL",
                json!({"resourceArn": BALANCER, "webACLArn": "arn:aws:wafv2:x"}),
            ),
        );
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        let acl = json!({"name": "shop", "scope": "REGIONAL", "id": "a1", "lockToken": "t"});
        let seen = fires_at(&WafRemoved, Severity::Medium, &waf("wafv2", "DeleteWebACL", acl.clone()));
        assert_eq!(seen.subject.resource, "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/shop/a1");
        assert_eq!(seen.title, "alice deleted web ACL shop");
        fires_at(&WafRemoved, Severity::Low, &waf("wafv2", "DeleteRuleGroup", acl));
        let classic =
            fires_at(&WafRemoved, Severity::Medium, &waf("waf", "DeleteWebACL", json!({"webACLId": "a1"})));
        assert_eq!(classic.subject.resource, "arn:aws:waf::111122223333:webacl/a1");
        let logging = json!({"resourceArn": "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/shop/a1"});
        let off = fires_at(
            &WafRemoved,
            Severity::Low,
            &waf("wafv2", "DeleteLoggingConfiguration", logging.clone()),
        );
        let on = observe(
            &WafRemoved,
            &waf("wafv2", "PutLoggingConfiguration", json!({"loggingConfiguration": logging})),
        );
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn commands_are_those_of_the_right_waf() {
        let command = |source: &str, event: &str, request: Value| {
            fired(&WafRemoved, &waf(source, event, request)).steps[0].command.clone()
        };
        let global = json!({"name": "shop", "scope": "CLOUDFRONT", "id": "a1"});
        let looked = command("wafv2", "DeleteWebACL", global);
        assert!(looked.contains("wafv2 list-web-acls --scope CLOUDFRONT"), "{looked}");
        let looked = command("waf-regional", "DisassociateWebACL", json!({"resourceArn": BALANCER}));
        assert!(looked.contains("waf-regional get-web-acl-for-resource"), "{looked}");
        let looked = command("waf", "DeleteRuleGroup", json!({"ruleGroupId": "a1"}));
        assert!(looked.contains("waf list-web-acls") && !looked.contains("--scope"), "{looked}");
    }

    #[test]
    fn firewall_manager_is_low() {
        let fms = json!({"requestParameters": {"resourceArn": BALANCER},
            "userIdentity": {"type": "AssumedRole", "invokedBy": "fms.amazonaws.com"}});
        fires_at(&WafRemoved, Severity::Low, &call("wafv2", "DisassociateWebACL", fms));
    }

    #[test]
    fn a_policy_of_firewall_manager_is_many_firewalls() {
        let gone = waf("fms", "DeletePolicy", json!({"policyId": "p-1", "deleteAllPolicyResources": true}));
        let seen = fires_at(&WafRemoved, Severity::Medium, &gone);
        assert_eq!(seen.title, "alice deleted a policy of Firewall Manager");
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &WafRemoved,
            &[
                waf("wafv2", "DeleteWebACL", json!(null)),
                waf("wafv2", "DisassociateWebACL", json!({"resourceArn": {}})),
                call(
                    "wafv2",
                    "DeleteWebACL",
                    json!({"errorCode": "WAFAssociatedItemException", "requestParameters": {"name": "a",
                        "id": "b"}}),
                ),
            ],
        );
    }

    #[test]
    fn other_walls_are_taken_away_too() {
        for (service, event, request, severity, title) in [
            (
                "cloudfront",
                "DisassociateDistributionWebACL",
                json!({"id": "E1"}),
                Severity::Medium,
                "alice took the web application firewall off distribution E1",
            ),
            (
                "network-firewall",
                "DeleteFirewall",
                json!({"firewallName": "edge"}),
                Severity::Medium,
                "alice deleted network firewall edge",
            ),
            (
                "route53resolver",
                "DisassociateFirewallRuleGroup",
                json!({"firewallRuleGroupAssociationId": "rslvr-1"}),
                Severity::Medium,
                "alice took the rules of the DNS firewall off a network: rslvr-1",
            ),
            (
                "shield",
                "DeleteProtection",
                json!({"protectionId": "p1"}),
                Severity::Low,
                "alice deleted Shield protection p1",
            ),
            (
                "shield",
                "DeleteSubscription",
                json!(null),
                Severity::Medium,
                "alice ended the subscription of Shield Advanced",
            ),
        ] {
            assert_eq!(fires_at(&WafRemoved, severity, &asked(service, event, request)).title, title);
        }
        quiet(&WafRemoved, &[asked("network-firewall", "DeleteFirewall", json!(null))]);
    }
}
