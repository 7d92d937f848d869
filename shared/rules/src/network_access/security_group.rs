use keepwatch_base::network::{Cidr, Ports};
use serde_json::Value;

use super::common::world;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A rule of a security group lets the whole internet, or a large part of it, in: to all ports, or to a port of
    /// administration (SSH, RDP, WinRM, Docker …) or of a database (high), or to another port (low). IPv4 and IPv6,
    /// port ranges that hold such a port, and ranges like 0.0.0.0/1 that are half of the internet count. Ports 80 and
    /// 443 alone are what public services are for, and are not reported. A changed rule does not tell whether it is for
    /// traffic in or out, so that a change is reported as not certain. Rules for prefix lists are not looked into.
    /// Revoking or narrowing the rule resolves its finding. The finding of a rule that was revoked by its ports and
    /// addresses, without AWS naming its id in the answer, or that went with its group, stays open.
    /// ## Why it matters
    /// Open ports are found by scanners within minutes. Guessed passwords and unpatched services behind them are the
    /// most common way into a machine.
    /// ## What to do
    /// Revoke the rule and open the port to the addresses that need it, or reach machines through Session Manager, which
    /// needs no open port. Look whether anybody connected meanwhile.
    /// ## False positives
    /// A group that is attached to nothing yet: the event does not tell, and the command for what is behind it does.
    /// What a load balancer or a game server opens besides 80 and 443 is low.
    SecurityGroup {
        id: "network-security-group-open",
        title: "A security group was opened to the internet",
        severity: High,
        confidence: High,
        catalogue: ["NET-01"],
        references: [
            cis("3.0", &["5.2", "5.3"]),
            cis("5.0", &["5.3", "5.4"]),
            security_hub(&["EC2.13", "EC2.14", "EC2.18", "EC2.19"]),
            attack(&["T1562.007"]),
            doc(&["Amazon EC2 API Reference: AuthorizeSecurityGroupIngress, ModifySecurityGroupRules"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &[
            "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "ModifySecurityGroupRules",
        ])],
    }
}

/// A rule of a security group, as far as the event tells.
struct Opening {
    /// The rule's own id, `sgr-…`.
    id: Option<String>,
    protocol: String,
    from: Option<i64>,
    to: Option<i64>,
    cidr: Option<Cidr>,
}

impl Opening {
    /// Of an object in either spelling: an answer's, a changed rule's.
    fn of(id: Option<&str>, rule: &Value) -> Opening {
        let number = |name: &str| number_at(rule, &[name]);
        let cidr = ["cidrIpv4", "cidrIpv6", "cidrIp"].iter().find_map(|name| text_at(rule, &[name]));
        Opening {
            id: id.map(str::to_owned),
            protocol: text_at(rule, &["ipProtocol"]).unwrap_or("-1").to_ascii_lowercase(),
            from: number("fromPort"),
            to: number("toPort"),
            cidr: cidr.and_then(Cidr::parse),
        }
    }

    /// The public range that it lets in, with the ports and how bad that is.
    fn open(&self) -> Option<(&Cidr, Ports, Severity)> {
        let cidr = self.cidr.as_ref().filter(|cidr| cidr.is_world())?;
        let ports = Ports::of(&self.protocol, self.from, self.to)?;
        let severity = if ports.best_known().is_some() { Severity::High } else { Severity::Low };
        (!ports.is_web()).then_some((cidr, ports, severity))
    }

    /// What tells the rules of one group apart: the id, which every later change names; without it what the rule says.
    fn aspect(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let protocol = match self.protocol.as_str() {
                "6" => "tcp",
                "17" => "udp",
                other => other,
            };
            let ports =
                Ports::of(protocol, self.from, self.to).map_or_else(String::new, |ports| format!(" {ports}"));
            let cidr = self.cidr.map_or_else(String::new, |cidr| format!(" from {cidr}"));
            format!("{protocol}{ports}{cidr}")
        })
    }
}

impl Rule for SecurityGroup {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        match record.event_name.or_empty() {
            "RevokeSecurityGroupIngress" => revoked(record, cx),
            "ModifySecurityGroupRules" => changed(record, cx),
            _ => {
                let reports = answered(record, "securityGroupRuleSet");
                let openings = if reports.is_empty() { requested(record) } else { reports };
                if openings.is_empty() && record.request_omitted() {
                    cx.report(omitted(record, cx));
                }
                for opening in &openings {
                    if let Some(seen) = failing(record, cx, opening, true) {
                        cx.report(seen);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The rules for traffic in that AWS's answer names.
fn answered(record: &Record<'_>, set: &str) -> Vec<Opening> {
    items_at(record.response(), &[set])
        .into_iter()
        .filter(|rule| flag_at(rule, &["isEgress"]) != Some(true))
        .map(|rule| Opening::of(text_at(rule, &["securityGroupRuleId"]), rule))
        .collect()
}

/// The rules that the caller asked for: one, flat, or many, nested.
fn requested(record: &Record<'_>) -> Vec<Opening> {
    let request = record.request();
    let mut out = Vec::new();
    if text_at(request, &["cidrIp"]).is_some() {
        out.push(Opening::of(None, request));
    }
    for permission in items_at(request, &["ipPermissions"]) {
        for (list, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            for range in items_at(permission, &[list]) {
                let cidr = text_at(range, &[key]).or(range.as_str()).and_then(Cidr::parse);
                out.push(Opening { cidr, ..Opening::of(None, permission) });
            }
        }
    }
    out
}

fn revoked(record: &Record<'_>, cx: &mut Cx<'_>) {
    // In the default VPC, EC2 answers with the permissions that it did not find instead of an error.
    let missed = !items_at(record.response(), &["unknownIpPermissionSet"]).is_empty();
    let reports = answered(record, "revokedSecurityGroupRuleSet");
    let asked = if missed { Vec::new() } else { requested(record) };
    let mut aspects: Vec<String> =
        reports.iter().chain(&asked).filter(|rule| rule.open().is_some()).map(Opening::aspect).collect();
    for id in items_at(record.request(), &["securityGroupRuleIds"]) {
        aspects.extend(text_at(id, &["securityGroupRuleId"]).or(id.as_str()).map(str::to_owned));
    }
    aspects.sort_unstable();
    aspects.dedup();
    let group = group(record);
    for aspect in aspects {
        let title = format!("{} revoked a rule of security group {group}: {aspect}", caller_name(record));
        cx.report(cx.passing(arn(record, &group), title).aspect(aspect));
    }
}

fn changed(record: &Record<'_>, cx: &mut Cx<'_>) {
    if record.request_omitted() {
        cx.report(omitted(record, cx));
    }
    for update in items_at(ec2_parameters(record), &["SecurityGroupRule"]) {
        // A rule that the event does not show was not shown to be narrow.
        let rule = update.get("SecurityGroupRule").or_else(|| update.get("securityGroupRule"));
        let Some(rule) = rule.filter(|rule| rule.is_object()) else { continue };
        let opening = Opening::of(text_at(update, &["securityGroupRuleId"]), rule);
        if let Some(seen) = failing(record, cx, &opening, false) {
            cx.report(seen);
        } else if let Some(id) = &opening.id {
            let group = group(record);
            let title = format!("{} narrowed rule {id} of security group {group}", caller_name(record));
            cx.report(cx.passing(arn(record, &group), title).aspect(id));
        }
    }
}

fn failing(record: &Record<'_>, cx: &Cx<'_>, opening: &Opening, inward: bool) -> Option<Observation> {
    let (cidr, ports, severity) = opening.open()?;
    let (who, group, to) = (caller_name(record), group(record), world(cidr));
    let behind = behind(ports);
    let arn = arn(record, &group);
    let seen = if inward {
        cx.failing(arn, format!("{who} opened {ports}{behind} of security group {group} to {to}"))
            .because("Anybody there can try every service that listens on these ports.")
            .severity(severity)
    } else {
        // Every group lets everything out to begin with: a change that says "everything" is mostly about that.
        let severity = if ports == Ports::ALL { severity.min(Severity::Medium) } else { severity };
        cx.unknown(arn, format!("{who} changed a rule of security group {group} to {ports}{behind} and {to}"))
            .because("The event does not say whether the rule is for traffic in, which would open the group, or out.")
            .severity(severity)
    };
    let seen = seen
        .aspect(opening.aspect())
        .detail("Ports", format!("{ports}, protocol {}", protocol(&opening.protocol)))
        .detail("Addresses", cidr.to_string())
        .detail_if("Rule", opening.id.as_deref());
    Some(cx.tempered(steps(seen, record, opening, &group)))
}

/// A call so large that CloudTrail left out what it opened.
fn omitted(record: &Record<'_>, cx: &Cx<'_>) -> Observation {
    let group = group(record);
    let filter = filter("group-id", &group);
    cx.unknown(
        arn(record, &group),
        format!(
            "{} changed who gets in through a security group, and CloudTrail left out how",
            caller_name(record)
        ),
    )
    .severity(Severity::Medium)
    .because("The call was too large for CloudTrail, so that the event does not show its rules.")
    .step(
        "Read the group's rules",
        "ec2 describe-security-group-rules",
        &[region_option(record), ("--filters", &filter)],
    )
}

fn steps(seen: Observation, record: &Record<'_>, opening: &Opening, group: &str) -> Observation {
    let place = region_option(record);
    let attached = filter("group-id", group);
    let seen = match &opening.id {
        Some(id) => seen
            .step(
                "Read the rule (IsEgress: traffic out)",
                "ec2 describe-security-group-rules",
                &[place, ("--security-group-rule-ids", id)],
            )
            .step(
                "Revoke it, if it is for traffic in",
                "ec2 revoke-security-group-ingress",
                &[place, ("--group-id", group), ("--security-group-rule-ids", id)],
            ),
        None => seen.step(
            "Find the rule's id",
            "ec2 describe-security-group-rules",
            &[place, ("--filters", &attached)],
        ),
    };
    let seen = seen.step(
        "What is behind the group?",
        "ec2 describe-network-interfaces",
        &[place, ("--filters", &attached)],
    );
    stop_caller(seen, record)
}

/// What listens on the best known of the ports, for the title.
fn behind(ports: Ports) -> String {
    match ports.best_known().filter(|_| ports != Ports::ALL) {
        None => String::new(),
        Some((_, service)) if ports.count() == 1 => format!(" ({service})"),
        Some((port, service)) => format!(" ({service}, {port}, among them)"),
    }
}

fn protocol(protocol: &str) -> &str {
    match protocol {
        "-1" => "any",
        "6" => "tcp",
        "17" => "udp",
        other => other,
    }
}

/// The group's id, or the name by which the caller called it.
fn group(record: &Record<'_>) -> String {
    let reports =
        |set| items_at(record.response(), &[set]).first().and_then(|rule| text_at(rule, &["groupId"]));
    text_at(ec2_parameters(record), &["groupId"])
        .or_else(|| reports("securityGroupRuleSet"))
        .or_else(|| reports("revokedSecurityGroupRuleSet"))
        .or_else(|| text_at(record.request(), &["groupName"]))
        .unwrap_or("unknown")
        .to_owned()
}

fn arn(record: &Record<'_>, group: &str) -> String {
    record.arn("ec2", &format!("security-group/{group}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const GROUP: &str = "sg-0683fcf7a41c82593";
    const RULE: &str = "sgr-0123456789abcdef0";

    fn ec2(name: &str, request: Value, response: Value) -> String {
        call("ec2", name, json!({"requestParameters": request, "responseElements": response}))
    }

    fn nested(protocol: &str, from: Value, to: Value, v4: Value, v6: Value) -> Value {
        let permission = json!({"ipProtocol": protocol, "fromPort": from, "toPort": to, "groups": {},
            "ipRanges": v4, "ipv6Ranges": v6, "prefixListIds": {}});
        json!({"groupId": GROUP, "ipPermissions": {"items": [permission]}})
    }

    fn v4(cidr: &str) -> Value {
        json!({"items": [{"cidrIp": cidr}]})
    }

    fn open(protocol: &str, from: i64, to: i64, cidr: &str) -> String {
        let request = nested(protocol, json!(from), json!(to), v4(cidr), json!({}));
        ec2("AuthorizeSecurityGroupIngress", request, json!({"_return": true}))
    }

    fn set(name: &str, cidr: (&str, &str), port: i64, egress: bool) -> Value {
        let rule = json!({"groupId": GROUP, "securityGroupRuleId": RULE, "isEgress": egress, "ipProtocol": "tcp",
            "fromPort": port, "toPort": port, cidr.0: cidr.1});
        json!({"_return": true, name: {"items": [rule]}})
    }

    fn answered(port: i64) -> String {
        let request = nested("tcp", json!(port), json!(port), v4("0.0.0.0/0"), json!({}));
        let response = set("securityGroupRuleSet", ("cidrIpv4", "0.0.0.0/0"), port, false);
        ec2("AuthorizeSecurityGroupIngress", request, response)
    }

    fn modify(rule: Value) -> String {
        let update = json!({"SecurityGroupRuleId": RULE, "SecurityGroupRule": rule, "tag": 1});
        let request =
            json!({"ModifySecurityGroupRulesRequest": {"GroupId": GROUP, "SecurityGroupRule": update}});
        ec2(
            "ModifySecurityGroupRules",
            request,
            json!({"ModifySecurityGroupRulesResponse": {"return": true}}),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(&SecurityGroup, Severity::High, &answered(22));
        assert_eq!(
            seen.title,
            format!("alice opened port 22 (SSH) of security group {GROUP} to the whole internet")
        );
        assert_eq!(seen.subject.aspect.as_deref(), Some(RULE));
        assert_eq!(
            seen.subject.resource,
            format!("arn:aws:ec2:us-east-1:111122223333:security-group/{GROUP}")
        );
        assert!(seen.steps[1].command.contains(RULE), "{:?}", seen.steps);

        let all = fires_at(&SecurityGroup, Severity::High, &open("-1", -1, -1, "0.0.0.0/0"));
        assert!(all.title.contains("opened all ports of"), "{}", all.title);
        fires_at(&SecurityGroup, Severity::High, &open("tcp", 0, 65535, "0.0.0.0/0"));
        let range = fires_at(&SecurityGroup, Severity::High, &open("6", 20, 25, "0.0.0.0/0"));
        assert!(range.title.contains("ports 20-25 (SSH, 22, among them)"), "{}", range.title);
        let databases = fires_at(&SecurityGroup, Severity::High, &open("tcp", 27017, 27019, "128.0.0.0/1"));
        assert!(
            databases.title.ends_with("to 128.0.0.0/1, a large part of the internet"),
            "{}",
            databases.title
        );
        fires_at(&SecurityGroup, Severity::Low, &open("tcp", 8080, 8080, "0.0.0.0/0"));
        fires_at(&SecurityGroup, Severity::Low, &open("udp", 51820, 51820, "0.0.0.0/0"));
        // A range is more than the two ports of a web server.
        fires_at(&SecurityGroup, Severity::High, &open("tcp", 80, 443, "0.0.0.0/0"));

        let v6 =
            nested("tcp", json!(3389), json!(3389), json!({}), json!({"items": [{"cidrIpv6": "0:0::/0"}]}));
        let v6 =
            fires_at(&SecurityGroup, Severity::High, &ec2("AuthorizeSecurityGroupIngress", v6, json!(null)));
        assert!(v6.title.ends_with("to the whole internet (IPv6)"), "{}", v6.title);
        let flat = json!({"groupName": "web", "cidrIp": "0.0.0.0/0", "ipProtocol": "tcp", "fromPort": "22",
            "toPort": "22", "ipPermissions": {}});
        let flat = fires_at(
            &SecurityGroup,
            Severity::High,
            &ec2("AuthorizeSecurityGroupIngress", flat, json!(null)),
        );
        assert!(flat.title.contains("security group web"), "{}", flat.title);
        // As some emulators write lists, and with single objects in their place.
        let bare = json!({"groupId": GROUP, "ipPermissions":
            {"ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "ipRanges": [{"cidrIp": "0.0.0.0/0"}]}});
        fires_at(
            &SecurityGroup,
            Severity::High,
            &ec2("AuthorizeSecurityGroupIngress", bare, json!({"return": true})),
        );
    }

    #[test]
    fn every_opening_of_one_call_is_told() {
        let both =
            nested("tcp", json!(22), json!(22), v4("0.0.0.0/0"), json!({"items": [{"cidrIpv6": "::/0"}]}));
        let seen = observe(&SecurityGroup, &ec2("AuthorizeSecurityGroupIngress", both, json!(null)));
        assert_eq!(seen.len(), 2);
        assert_ne!(seen[0].finding_id(), seen[1].finding_id());
    }

    #[test]
    fn automation_is_told_more_quietly() {
        let request = nested("tcp", json!(22), json!(22), v4("0.0.0.0/0"), json!({}));
        let event = json!({"requestParameters": request, "userAgent": "HashiCorp Terraform/1.9"});
        fires_at(&SecurityGroup, Severity::Medium, &call("ec2", "AuthorizeSecurityGroupIngress", event));
    }

    #[test]
    fn a_changed_rule_is_not_certain() {
        let rule = |port: i64| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIpv4": "0.0.0.0/0"});
        let seen = fires_at(&SecurityGroup, Severity::High, &modify(rule(22)));
        assert_eq!(seen.verdict, Verdict::Unknown);
        assert_eq!(seen.finding_id(), fired(&SecurityGroup, &answered(22)).finding_id());
        let all = json!({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0"});
        fires_at(&SecurityGroup, Severity::Medium, &modify(all));
    }

    #[test]
    fn revoking_and_narrowing_resolve() {
        let opened = fired(&SecurityGroup, &answered(22)).finding_id();
        let request = nested("tcp", json!(22), json!(22), v4("0.0.0.0/0"), json!({}));
        let by_ids = |ids: Value| {
            let request = json!({"groupId": GROUP, "securityGroupRuleIds": ids});
            ec2("RevokeSecurityGroupIngress", request, json!({"_return": true}))
        };
        let answer = set("revokedSecurityGroupRuleSet", ("cidrIpv4", "0.0.0.0/0"), 22, false);
        let narrow = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "203.0.113.0/24"});
        for event in [
            by_ids(json!({"items": [{"securityGroupRuleId": RULE}]})),
            by_ids(json!([RULE])),
            ec2("RevokeSecurityGroupIngress", request.clone(), answer),
            modify(narrow),
        ] {
            let seen = observe(&SecurityGroup, &event);
            assert!(seen.iter().all(|o| o.verdict == Verdict::Passing), "{seen:?}");
            assert!(seen.iter().any(|o| o.finding_id() == opened), "{event}");
        }
        // Where neither event names the rule's id, what it says tells.
        let seen = observe(
            &SecurityGroup,
            &ec2("RevokeSecurityGroupIngress", request.clone(), json!({"_return": true})),
        );
        let without = fired(&SecurityGroup, &open("TCP", 22, 22, "0.0.0.0/0")).finding_id();
        assert_eq!(
            seen.iter().map(keepwatch_core::observation::Observation::finding_id).collect::<Vec<_>>(),
            [without]
        );
        let missed = json!({"_return": true, "unknownIpPermissionSet": {"items": [{"ipProtocol": "tcp"}]}});
        quiet(&SecurityGroup, &[ec2("RevokeSecurityGroupIngress", request, missed)]);
    }

    #[test]
    fn what_cloudtrail_left_out_is_not_fine() {
        let left_out = json!({"omitted": true, "reason": "requestParameters too large"});
        let response = set("securityGroupRuleSet", ("cidrIpv4", "0.0.0.0/0"), 22, false);
        fires_at(
            &SecurityGroup,
            Severity::High,
            &ec2("AuthorizeSecurityGroupIngress", left_out.clone(), response),
        );
        let seen = fires_at(
            &SecurityGroup,
            Severity::Medium,
            &ec2("AuthorizeSecurityGroupIngress", left_out.clone(), json!(null)),
        );
        assert_eq!(seen.verdict, Verdict::Unknown);
        let changed = ec2("ModifySecurityGroupRules", left_out, json!(null));
        assert_eq!(fires_at(&SecurityGroup, Severity::Medium, &changed).verdict, Verdict::Unknown);
        // Nor does a change without the rule settle what was opened.
        quiet(&SecurityGroup, &[modify(json!(null))]);
    }

    #[test]
    fn stays_quiet() {
        let egress = set("securityGroupRuleSet", ("cidrIpv4", "0.0.0.0/0"), 22, true);
        let group = json!({"groupId": GROUP, "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22,
            "toPort": 22, "groups": {"items": [{"groupId": "sg-1"}]}, "ipRanges": {}, "ipv6Ranges": null}]}});
        let denied = json!({"errorCode": "Client.UnauthorizedOperation",
            "requestParameters": nested("tcp", json!(22), json!(22), v4("0.0.0.0/0"), json!({}))});
        quiet(
            &SecurityGroup,
            &[
                answered(80),
                answered(443),
                open("udp", 443, 443, "0.0.0.0/0"),
                open("tcp", 22, 22, "203.0.113.7/32"),
                open("tcp", 22, 22, "10.0.0.0/8"),
                open("icmp", -1, -1, "0.0.0.0/0"),
                open("tcp", 22, 22, "everywhere"),
                ec2("AuthorizeSecurityGroupIngress", json!(null), egress),
                ec2("AuthorizeSecurityGroupIngress", group, json!({"_return": true})),
                ec2("AuthorizeSecurityGroupIngress", json!(null), json!(null)),
                ec2(
                    "AuthorizeSecurityGroupIngress",
                    json!({"ipPermissions": "all"}),
                    json!({"securityGroupRuleSet": 7}),
                ),
                ec2("ModifySecurityGroupRules", json!({"ModifySecurityGroupRulesRequest": ""}), json!(null)),
                call("ec2", "AuthorizeSecurityGroupIngress", denied),
                call(
                    "ec2",
                    "AuthorizeSecurityGroupEgress",
                    json!({"requestParameters": {"cidrIp": "0.0.0.0/0"}}),
                ),
            ],
        );
    }
}
