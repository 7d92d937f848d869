use facts::network::SecurityGroup;
use keepwatch_base::network::{Cidr, Ports, SENSITIVE_PORTS};
use keepwatch_core::posture::Missing;

use super::groups::is_used;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No security group that something uses lets the whole internet, or a large part of it, in to a port of administration
    /// (SSH, RDP, WinRM, Docker …), to a port of a database, or to all ports. IPv4 and IPv6, ranges of ports that hold such a
    /// port, halves of the internet and the entries of prefix lists count. Other open ports, and groups that nothing uses, get
    /// a line. Ports 80 and 443 alone are what public services are for.
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
        asks: [SecurityGroups, PrefixList, NetworkInterfaces],
    }
}

/// Ports that everybody gets in to.
struct Opening {
    ports: Ports,
    from: String,
    /// What listens there, where that is administration or a database.
    sensitive: Option<&'static str>,
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
    let openings = openings(cx, &region, group)?;
    let worst = openings.iter().find(|one| one.ports == Ports::ALL);
    let worst = worst.or_else(|| openings.iter().find(|one| one.sensitive.is_some()));
    let Some(worst) = worst else {
        let seen = match openings.first() {
            None => cx.passing(format!(
                "Security group {id} ({name}) opens nothing but 80 and 443 to the internet"
            )),
            Some(one) => openings.iter().fold(
                cx.informational(format!("Security group {id} ({name}) opens {} to the internet", one.ports)),
                |seen, one| seen.detail("Open", format!("{} from {}", one.ports, one.from)),
            ),
        };
        cx.report(seen);
        return Ok(());
    };
    let behind = worst.sensitive.filter(|_| worst.ports != Ports::ALL);
    let among = if worst.ports.count() > 1 { " among them" } else { "" };
    let behind = behind.map_or_else(String::new, |service| format!(" ({service}{among})"));
    let told = format!("Security group {id} ({name}) opens {}{behind} to the internet", worst.ports);
    let seen = if is_used(cx, &region, id)? {
        cx.failing(told).because("anybody there can try every service that listens on these ports")
    } else {
        cx.informational(told).because("nothing is in the group now; what is put into it is open")
    };
    let seen = openings
        .iter()
        .fold(seen, |seen, one| seen.detail("Open", format!("{} from {}", one.ports, one.from)));
    let filter = format!("Name=group-id,Values={id}");
    let options = [("--region", region.as_str()), ("--filters", filter.as_str())];
    let seen = seen
        .step("Find the rule's id", "ec2 describe-security-group-rules", &options)
        .step("What is in the group?", "ec2 describe-network-interfaces", &options)
        .step(
            "Revoke the rule",
            "ec2 revoke-security-group-ingress",
            &[("--region", &region), ("--group-id", id), ("--security-group-rule-ids", "RULE_ID")],
        );
    cx.report(seen);
    Ok(())
}

/// What the group opens to the internet.
///
/// # Errors
/// A range that cannot be read, or a prefix list whose entries decide and are not known.
fn openings(cx: &mut Cx<'_>, region: &str, group: &SecurityGroup) -> Result<Vec<Opening>, Stop> {
    let mut openings: Vec<Opening> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    for rule in &group.ingress {
        let Some(ports) = Ports::of(&rule.protocol, rule.from_port, rule.to_port) else { continue };
        if matches!(ports, Ports { from: 80 | 443, to } if to == ports.from) {
            continue;
        }
        let sensitive = sensitive(ports);
        let mut ranges: Vec<(&str, String)> =
            rule.ranges.iter().map(|range| (range.as_str(), String::new())).collect();
        for list in &rule.prefix_lists {
            match cx.optional(PrefixList, (region, list.as_str())) {
                Ok(entries) => {
                    let entries = entries.map(Vec::as_slice).unwrap_or_default();
                    ranges.extend(
                        entries.iter().map(|range| (range.as_str(), format!(" (prefix list {list})"))),
                    );
                }
                Err(Stop::Unknown(more)) if sensitive.is_some() => missing.extend(more),
                Err(_) => {}
            }
        }
        for (range, by) in ranges {
            match Cidr::parse(range) {
                Some(cidr) if cidr.is_world() => {
                    openings.push(Opening { ports, from: format!("{cidr}{by}"), sensitive });
                }
                Some(_) => {}
                None => {
                    let why = format!("the range {range} of security group {} cannot be read", group.id);
                    missing.push(Missing { action: None, why });
                }
            }
        }
    }
    // What is open is open, whatever else may be.
    if missing.is_empty() || openings.iter().any(|one| one.sensitive.is_some()) {
        return Ok(openings);
    }
    Err(Stop::Unknown(missing))
}

/// What listens on the best known of the sensitive ports.
fn sensitive(ports: Ports) -> Option<&'static str> {
    let mut among = SENSITIVE_PORTS.iter().filter(|(port, _)| ports.contains(*port));
    let first = among.next()?;
    Some(if ports.contains(22) { "SSH" } else { first.1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::network::{GroupRule, NetworkInterface};
    use keepwatch_core::posture::State;

    fn rule(protocol: &str, ports: Option<(i64, i64)>, ranges: &[&str]) -> GroupRule {
        GroupRule {
            protocol: protocol.to_owned(),
            from_port: ports.map(|(from, _)| from),
            to_port: ports.map(|(_, to)| to),
            ranges: ranges.iter().map(|range| (*range).to_owned()).collect(),
            ..GroupRule::default()
        }
    }

    fn group(ingress: Vec<GroupRule>) -> SecurityGroup {
        SecurityGroup {
            id: "sg-1".to_owned(),
            name: "web".to_owned(),
            vpc: Some("vpc-1".to_owned()),
            owner: ACCOUNT.to_owned(),
            ingress,
            egress: vec![rule("-1", None, &["0.0.0.0/0"])],
        }
    }

    fn state(group: SecurityGroup, used: bool) -> State {
        let interface = NetworkInterface {
            id: "eni-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnet: "subnet-1".to_owned(),
            groups: vec![if used { "sg-1" } else { "sg-2" }.to_owned()],
        };
        account().with(SecurityGroups, region(), vec![group]).with(
            NetworkInterfaces,
            region(),
            vec![interface],
        )
    }

    fn verdict(ingress: Vec<GroupRule>) -> Judged {
        judge_one(&Unrestricted, &state(group(ingress), true)).verdict
    }

    #[test]
    fn sensitive_ports_from_everywhere_fail() {
        for (protocol, ports, ranges) in [
            ("tcp", Some((22, 22)), &["0.0.0.0/0"][..]),
            ("tcp", Some((22, 22)), &["::/0"]),
            ("6", Some((22, 22)), &["0.0.0.0/0"]),
            ("-1", None, &["0.0.0.0/0"]),
            ("tcp", None, &["0.0.0.0/0"]),
            ("tcp", Some((1000, 9000)), &["0.0.0.0/0"]),
            ("tcp", Some((3389, 3389)), &["0.0.0.0/1", "128.0.0.0/1"]),
            ("udp", Some((0, 65_535)), &["203.0.113.0/24", "::/1"]),
        ] {
            assert_eq!(
                verdict(vec![rule(protocol, ports, ranges)]),
                Judged::Failing,
                "{protocol} {ports:?} {ranges:?}"
            );
        }
    }

    #[test]
    fn what_public_services_need_and_who_is_named_passes() {
        for (protocol, ports, ranges) in [
            ("tcp", Some((443, 443)), &["0.0.0.0/0", "::/0"][..]),
            ("tcp", Some((80, 80)), &["0.0.0.0/0"]),
            ("tcp", Some((22, 22)), &["203.0.113.0/24"]),
            ("tcp", Some((22, 22)), &["10.0.0.0/8", "fc00::/7"]),
            ("icmp", Some((-1, -1)), &["0.0.0.0/0"]),
            ("icmpv6", Some((-1, -1)), &["::/0"]),
        ] {
            assert_eq!(
                verdict(vec![rule(protocol, ports, ranges)]),
                Judged::Passing,
                "{protocol} {ports:?} {ranges:?}"
            );
        }
        assert_eq!(verdict(vec![]), Judged::Passing);
    }

    #[test]
    fn other_ports_and_unused_groups_are_lines() {
        assert_eq!(verdict(vec![rule("tcp", Some((8443, 8443)), &["0.0.0.0/0"])]), Judged::Informational);
        let ssh = || group(vec![rule("tcp", Some((22, 22)), &["0.0.0.0/0"])]);
        assert_eq!(judge_one(&Unrestricted, &state(ssh(), false)).verdict, Judged::Informational);
    }

    #[test]
    fn one_group_is_one_finding() {
        let rules = vec![
            rule("tcp", Some((22, 22)), &["0.0.0.0/0", "::/0"]),
            rule("tcp", Some((3389, 3389)), &["0.0.0.0/0"]),
        ];
        let one = judge_one(&Unrestricted, &state(group(rules), true));
        assert_eq!((one.verdict, one.details.len()), (Judged::Failing, 3));
        assert!(one.title.contains("port 22 (SSH)"), "{}", one.title);
    }

    #[test]
    fn a_prefix_list_is_who_is_on_it() {
        let mut listed = rule("tcp", Some((22, 22)), &[]);
        listed.prefix_lists = vec!["pl-1".to_owned()];
        let base = || state(group(vec![listed.clone()]), true);
        let with = |ranges: &[&str]| {
            let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
            judge_one(&Unrestricted, &base().with(PrefixList, of("pl-1"), ranges))
        };
        assert_eq!(with(&["203.0.113.0/24", "10.0.0.0/8"]).verdict, Judged::Passing);
        let one = with(&["203.0.113.0/24", "0.0.0.0/0"]);
        assert_eq!(one.verdict, Judged::Failing);
        assert!(one.details[0].1.ends_with("0.0.0.0/0 (prefix list pl-1)"), "{:?}", one.details);
        assert_eq!(
            judge_one(&Unrestricted, &absent(base(), PrefixList, of("pl-1"))).verdict,
            Judged::Passing
        );
        // Nobody knows who is on it: that decides only where nothing else does.
        let one = judge_one(&Unrestricted, &refused(base(), PrefixList, of("pl-1")));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:GetManagedPrefixListEntries"]));
        let both = vec![listed.clone(), rule("tcp", Some((3389, 3389)), &["0.0.0.0/0"])];
        let both = refused(state(group(both), true), PrefixList, of("pl-1"));
        assert_eq!(judge_one(&Unrestricted, &both).verdict, Judged::Failing);
        let mut web = listed.clone();
        (web.from_port, web.to_port) = (Some(443), Some(443));
        let web = refused(state(group(vec![web]), true), PrefixList, of("pl-1"));
        assert_eq!(judge_one(&Unrestricted, &web).verdict, Judged::Passing);
    }

    #[test]
    fn each_list_is_asked_once() {
        let mut listed = rule("tcp", Some((22, 22)), &[]);
        listed.prefix_lists = vec!["pl-1".to_owned()];
        let groups = vec![group(vec![listed.clone(), listed.clone()]), group(vec![listed])];
        let state = account().with(SecurityGroups, region(), groups);
        let parameters = crate::parameters::Parameters::of(crate::parameters::Profile::Default);
        let places = crate::plan::places(keepwatch_core::posture::Question::PrefixList, &state, &parameters);
        assert_eq!(places, [of("pl-1")]);
    }

    #[test]
    fn another_accounts_group_is_its_owners() {
        let ssh = vec![rule("tcp", Some((22, 22)), &["0.0.0.0/0"])];
        let shared = SecurityGroup { owner: "444455556666".to_owned(), ..group(ssh) };
        assert_eq!(judge_one(&Unrestricted, &state(shared, true)).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let ssh = state(group(vec![rule("tcp", Some((22, 22)), &["0.0.0.0/0"])]), true);
        let one = judge_one(&Unrestricted, &refused(ssh, NetworkInterfaces, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeNetworkInterfaces"]));
        let closed = refused(state(group(vec![]), true), NetworkInterfaces, region());
        assert_eq!(judge_one(&Unrestricted, &closed).verdict, Judged::Passing);
        let one = judge_one(&Unrestricted, &refused(account(), SecurityGroups, region()));
        assert_eq!(missing(&one), ["ec2:DescribeSecurityGroups"]);
    }
}
