use facts::network::{SecurityGroup, SecurityGroupRule};
use keepwatch_base::network::{Cidr, Ports};
use keepwatch_core::posture::Missing;

use super::groups::is_used;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No security group that something uses lets the whole internet, or a large part of it, in to a port of administration
    /// (SSH, RDP, WinRM, Docker …), to a port of a database, or to all ports. IPv4 and IPv6, ranges of ports that hold such a
    /// port, halves of the internet and the entries of prefix lists count. Each rule is judged by itself. Other open ports, and
    /// groups that nothing uses, get a line. Ports 80 and 443 alone are what public services are for.
    /// ## Why it matters
    /// Open ports are found by scanners within minutes. Guessed passwords and unpatched services behind them are the most common
    /// way into a machine.
    /// ## What to do
    /// Open the port to the addresses that need it, or reach machines through Session Manager, which needs no open port. Look
    /// whether anybody connected meanwhile.
    /// ## What it costs
    /// Nothing. Session Manager costs nothing for instances.
    /// ## What may break
    /// Whoever comes in through the port from an address that you do not name. Flow logs show who does.
    Unrestricted {
        id: "sg.unrestricted",
        title: "No security group opens sensitive ports to the internet",
        severity: High,
        practices: ["P52"],
        references: [
            cis("3.0", &["5.2", "5.3"]),
            cis("5.0", &["5.3", "5.4"]),
            security_hub(&["EC2.13", "EC2.14", "EC2.18", "EC2.19", "EC2.53", "EC2.54"]),
            config(&["restricted-ssh", "restricted-common-ports", "vpc-sg-open-only-to-authorized-ports"]),
            trusted_advisor(&["HCP4007jGY", "1iG5NDGVre"]),
        ],
        asks: [SecurityGroups, SecurityGroupRules, PrefixList, NetworkInterfaces],
        finding: "network-security-group-open",
        closes: [
            Closes::Listed("arn:*:ec2:*:security-group/*"),
            Closes::Listed("arn:*:ec2:*:security-group/* sgr-*"),
        ],
    }
}

impl Check for Unrestricted {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            SecurityGroups,
            |cx, group| cx.arn("ec2", &format!("security-group/{}", group.id)),
            of_group,
        );
        Ok(())
    }
}

fn of_group(cx: &mut Cx<'_>, group: &SecurityGroup) -> Outcome {
    let (id, name, region) = (group.id.as_str(), group.name.as_str(), cx.region());
    if group.owner != cx.account() {
        cx.report(cx.not_applicable(format!("Security group {id} belongs to account {}", group.owner)));
        return Ok(());
    }
    let all = cx.known(SecurityGroupRules, region.as_str())?;
    let mut rules = all.iter().filter(|rule| rule.group == id && !rule.egress).peekable();
    if rules.peek().is_none() {
        cx.report(cx.passing(format!("Security group {id} ({name}) lets nothing in")));
    }
    for rule in rules {
        // The finding of the event that made the rule is about the same part.
        cx.part(&rule.id, |cx| of_rule(cx, group, rule));
    }
    Ok(())
}

fn of_rule(cx: &mut Cx<'_>, group: &SecurityGroup, rule: &SecurityGroupRule) -> Outcome {
    let (id, name, region) = (group.id.as_str(), group.name.as_str(), cx.region());
    let Some((ports, from)) = opening(cx, &region, rule)? else {
        cx.report(cx.passing(format!("Rule {} of security group {id} ({name}) opens nothing", rule.id)));
        return Ok(());
    };
    let sensitive = ports.best_known();
    let behind = sensitive.filter(|_| ports != Ports::ALL);
    let among = if ports.count() > 1 { " among them" } else { "" };
    let behind = behind.map_or_else(String::new, |(_, service)| format!(" ({service}{among})"));
    let told = format!("Security group {id} ({name}) opens {ports}{behind} to the internet");
    let seen = if sensitive.is_none() {
        cx.informational(told)
    } else if is_used(cx, &region, id)? {
        cx.failing(told).because("anybody there can try every service that listens on these ports")
    } else {
        cx.informational(told).because("nothing is in the group now; what is put into it is open")
    };
    let filter = keepwatch_core::observation::shorthand(&[("Name", "group-id"), ("Values", id)]);
    let region = ("--region", region.as_str());
    let seen = seen
        .detail("Addresses", from)
        .detail("Rule", &rule.id)
        .step("What is in the group?", "ec2 describe-network-interfaces", &[region, ("--filters", &filter)])
        .step(
            "Revoke the rule",
            "ec2 revoke-security-group-ingress",
            &[region, ("--group-id", id), ("--security-group-rule-ids", &rule.id)],
        );
    cx.report(seen);
    Ok(())
}

/// What the rule opens to the internet: ports and ranges. Nothing where that is nothing, or what public services are for.
///
/// # Errors
/// A range that cannot be read, or a prefix list whose entries decide and are not known.
fn opening(cx: &mut Cx<'_>, region: &str, rule: &SecurityGroupRule) -> Result<Option<(Ports, String)>, Stop> {
    let Some(ports) = Ports::of(&rule.protocol, rule.from_port, rule.to_port) else { return Ok(None) };
    if ports.is_web() {
        return Ok(None);
    }
    let (listed, by) = match &rule.prefix_list {
        Some(list) => {
            let entries = cx.optional(PrefixList, (region, list.as_str()))?;
            (entries.map(Vec::as_slice).unwrap_or_default(), format!(" (prefix list {list})"))
        }
        None => (rule.range.as_slice(), String::new()),
    };
    let mut open = Vec::new();
    for range in listed {
        match Cidr::parse(range) {
            Some(cidr) if cidr.is_world() => open.push(format!("{cidr}{by}")),
            Some(_) => {}
            None => {
                let why = format!("the range {range} of rule {} cannot be read", rule.id);
                return Err(Stop::Unknown(vec![Missing { action: None, why }]));
            }
        }
    }
    Ok((!open.is_empty()).then(|| (ports, open.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::network::NetworkInterface;
    use keepwatch_core::posture::State;

    fn rule(protocol: &str, ports: Option<(i64, i64)>, range: &str) -> SecurityGroupRule {
        SecurityGroupRule {
            id: "sgr-1".to_owned(),
            group: "sg-1".to_owned(),
            protocol: protocol.to_owned(),
            from_port: ports.map(|(from, _)| from),
            to_port: ports.map(|(_, to)| to),
            range: Some(range.to_owned()),
            ..SecurityGroupRule::default()
        }
    }

    fn ssh() -> SecurityGroupRule {
        rule("tcp", Some((22, 22)), "0.0.0.0/0")
    }

    fn listed(port: i64) -> SecurityGroupRule {
        SecurityGroupRule {
            range: None,
            prefix_list: Some("pl-1".to_owned()),
            ..rule("tcp", Some((port, port)), "")
        }
    }

    fn state(rules: Vec<SecurityGroupRule>, used: bool) -> State {
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            name: "web".to_owned(),
            vpc: Some("vpc-1".to_owned()),
            owner: ACCOUNT.to_owned(),
            ingress: Vec::new(),
            egress: Vec::new(),
        };
        let interface = NetworkInterface {
            id: "eni-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnet: "subnet-1".to_owned(),
            groups: vec![if used { "sg-1" } else { "sg-2" }.to_owned()],
        };
        account().with(SecurityGroups, region(), vec![group]).with(SecurityGroupRules, region(), rules).with(
            NetworkInterfaces,
            region(),
            vec![interface],
        )
    }

    fn verdict(rule: SecurityGroupRule) -> Judged {
        judge_one(&Unrestricted, &state(vec![rule], true)).verdict
    }

    #[test]
    fn sensitive_ports_from_everywhere_fail() {
        for (protocol, ports, range) in [
            ("tcp", Some((22, 22)), "0.0.0.0/0"),
            ("tcp", Some((22, 22)), "::/0"),
            ("6", Some((22, 22)), "0.0.0.0/0"),
            ("-1", None, "0.0.0.0/0"),
            ("-1", Some((-1, -1)), "0.0.0.0/0"),
            ("tcp", None, "0.0.0.0/0"),
            ("tcp", Some((1000, 9000)), "0.0.0.0/0"),
            ("tcp", Some((3389, 3389)), "128.0.0.0/1"),
            ("udp", Some((0, 65_535)), "::/1"),
        ] {
            assert_eq!(
                verdict(rule(protocol, ports, range)),
                Judged::Failing,
                "{protocol} {ports:?} {range}"
            );
        }
    }

    #[test]
    fn what_public_services_need_and_who_is_named_passes() {
        for (protocol, ports, range) in [
            ("tcp", Some((443, 443)), "::/0"),
            ("tcp", Some((80, 80)), "0.0.0.0/0"),
            ("tcp", Some((22, 22)), "203.0.113.0/24"),
            ("tcp", Some((22, 22)), "fc00::/7"),
            ("icmp", Some((-1, -1)), "0.0.0.0/0"),
            ("icmpv6", Some((-1, -1)), "::/0"),
        ] {
            assert_eq!(
                verdict(rule(protocol, ports, range)),
                Judged::Passing,
                "{protocol} {ports:?} {range}"
            );
        }
        let out = SecurityGroupRule { egress: true, ..ssh() };
        let of_another = SecurityGroupRule { group: "sg-2".to_owned(), ..ssh() };
        let one = judge_one(&Unrestricted, &state(vec![out, of_another], true));
        assert_eq!((one.verdict, one.subject.aspect), (Judged::Passing, None));
        // Another group is who may come in.
        assert_eq!(verdict(SecurityGroupRule { range: None, ..ssh() }), Judged::Passing);
    }

    #[test]
    fn other_ports_and_unused_groups_are_lines() {
        assert_eq!(verdict(rule("tcp", Some((8443, 8443)), "0.0.0.0/0")), Judged::Informational);
        assert_eq!(judge_one(&Unrestricted, &state(vec![ssh()], false)).verdict, Judged::Informational);
    }

    /// As the findings of events: one goes away when its rule is revoked, whatever else is open.
    #[test]
    fn each_rule_is_judged_by_itself_and_named_by_its_id() {
        let other = SecurityGroupRule { id: "sgr-2".to_owned(), ..rule("tcp", Some((22, 22)), "10.0.0.0/8") };
        assert_eq!(
            judged(&Unrestricted, &state(vec![ssh(), other], true)),
            [("sg-1#sgr-1".to_owned(), Judged::Failing), ("sg-1#sgr-2".to_owned(), Judged::Passing)]
        );
        let one = judge_one(&Unrestricted, &state(vec![ssh()], true));
        assert!(one.title.contains("port 22 (SSH)"), "{}", one.title);
        assert!(one.steps[1].command.contains("--security-group-rule-ids sgr-1"), "{}", one.steps[1].command);
    }

    #[test]
    fn a_prefix_list_is_who_is_on_it() {
        let base = || state(vec![listed(22)], true);
        let with = |ranges: &[&str]| {
            let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
            judge_one(&Unrestricted, &base().with(PrefixList, of("pl-1"), ranges))
        };
        assert_eq!(with(&["203.0.113.0/24", "10.0.0.0/8"]).verdict, Judged::Passing);
        let one = with(&["203.0.113.0/24", "0.0.0.0/0"]);
        assert_eq!(one.verdict, Judged::Failing);
        assert_eq!(one.details[0].1, "0.0.0.0/0 (prefix list pl-1)");
        let gone = judge_one(&Unrestricted, &absent(base(), PrefixList, of("pl-1")));
        assert_eq!(gone.verdict, Judged::Passing);
        let one = judge_one(&Unrestricted, &refused(base(), PrefixList, of("pl-1")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:GetManagedPrefixListEntries"]));
        // Whoever is on it may come in to 443.
        let web = refused(state(vec![listed(443)], true), PrefixList, of("pl-1"));
        assert_eq!(judge_one(&Unrestricted, &web).verdict, Judged::Passing);
    }

    #[test]
    fn each_list_is_asked_once() {
        let out = SecurityGroupRule { egress: true, prefix_list: Some("pl-2".to_owned()), ..listed(22) };
        let state = account().with(SecurityGroupRules, region(), vec![listed(22), listed(3389), out]);
        let parameters = crate::parameters::Parameters::of(crate::parameters::Profile::Default);
        let places = crate::plan::places(keepwatch_core::posture::Question::PrefixList, &state, &parameters);
        assert_eq!(places, [of("pl-1")]);
    }

    #[test]
    fn another_accounts_group_is_its_owners() {
        let mut state = state(vec![ssh()], true);
        let mut groups = state.answer(SecurityGroups, &region()).value().unwrap().to_vec();
        groups[0].owner = "444455556666".to_owned();
        state = state.with(SecurityGroups, region(), groups);
        assert_eq!(judge_one(&Unrestricted, &state).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let open = || state(vec![ssh()], true);
        let one = judge_one(&Unrestricted, &refused(open(), NetworkInterfaces, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeNetworkInterfaces"]));
        let closed = refused(state(Vec::new(), true), NetworkInterfaces, region());
        assert_eq!(judge_one(&Unrestricted, &closed).verdict, Judged::Passing);
        let one = judge_one(&Unrestricted, &refused(open(), SecurityGroupRules, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeSecurityGroupRules"]));
        let one = judge_one(&Unrestricted, &refused(account(), SecurityGroups, region()));
        assert_eq!(missing(&one), ["ec2:DescribeSecurityGroups"]);
    }
}
