use super::groups::is_used;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// The default security group of each VPC has no rules, for traffic in and out. Low where nothing is in the group, medium
    /// where something is. Regions that nobody uses are told together: every new VPC has rules there. A VPC that another account
    /// shares is that account's business.
    /// ## Why it matters
    /// What is started without a group lands in this one. Its members trust each other and may call out to anywhere.
    /// ## What to do
    /// Give what is in the group a group of its own, then take the rules away. The group itself cannot be deleted.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Whatever is in the group loses its network with the last rule. Look at the group's network interfaces first.
    DefaultGroup {
        id: "vpc.default-sg",
        title: "Default security groups are closed",
        severity: Low,
        practices: ["P51"],
        number: 18,
        references: [
            cis("3.0", &["5.4"]),
            cis("5.0", &["5.5"]),
            security_hub(&["EC2.2"]),
            config(&["vpc-default-security-group-closed"]),
        ],
        asks: [SecurityGroups, NetworkInterfaces, Functions, DbInstances, Vpcs],
        finding: "network-default-group-used",
        closes: [Closes::Listed("arn:*:ec2:*:security-group/*")],
    }
}

impl Check for DefaultGroup {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                let groups = cx.known(SecurityGroups, region.as_str())?;
                for group in groups.iter().filter(|group| group.name == "default" && group.vpc.is_some()) {
                    let arn = cx.arn("ec2", &format!("security-group/{}", group.id));
                    cx.about(&region, &arn, |cx| of_group(cx, group));
                }
                Ok(())
            },
            |cx, regions| {
                cx.informational("Default security groups have rules in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

fn of_group(cx: &mut Cx<'_>, group: &facts::network::SecurityGroup) -> Outcome {
    let (id, region) = (group.id.as_str(), cx.region());
    let vpc = group.vpc.as_deref().unwrap_or_default();
    if group.owner != cx.account() {
        cx.report(
            cx.not_applicable(format!("Default security group {id} belongs to account {}", group.owner)),
        );
        return Ok(());
    }
    if group.ingress.is_empty() && group.egress.is_empty() {
        cx.report(cx.passing(format!("Default security group {id} of VPC {vpc} has no rules")));
        return Ok(());
    }
    // How bad it is depends on that; that it is so does not.
    let used = is_used(cx, &region, id);
    let (severity, told) = match used {
        Ok(false) => (Severity::Low, "nothing is in it now; what is started without a group will be"),
        Ok(true) => (Severity::Medium, "what is in it trusts all others in it, and may call out to anywhere"),
        Err(_) => (Severity::Medium, "what is in it is not known"),
    };
    let filter = keepwatch_core::observation::shorthand(&[("Name", "group-id"), ("Values", id)]);
    let options = [("--region", region.as_str()), ("--filters", filter.as_str())];
    let seen = cx
        .failing(format!("Default security group {id} of VPC {vpc} has rules"))
        .severity(severity)
        .because(told)
        .detail("Rules", format!("{} in, {} out", group.ingress.len(), group.egress.len()))
        .step("What is in the group?", "ec2 describe-network-interfaces", &options)
        .step("Which rules has it?", "ec2 describe-security-group-rules", &options);
    cx.report(seen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::network::{GroupRule, NetworkInterface, SecurityGroup, Vpc};
    use keepwatch_core::posture::State;

    fn group(id: &str, name: &str, ingress: usize, egress: usize) -> SecurityGroup {
        let rule = GroupRule { protocol: "-1".to_owned(), ..GroupRule::default() };
        SecurityGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            vpc: Some("vpc-1".to_owned()),
            owner: ACCOUNT.to_owned(),
            ingress: vec![rule.clone(); ingress],
            egress: vec![rule; egress],
        }
    }

    fn state(groups: Vec<SecurityGroup>, used: &[&str], own_vpc: bool) -> State {
        let interface = NetworkInterface {
            id: "eni-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnet: "subnet-1".to_owned(),
            groups: used.iter().map(|id| (*id).to_owned()).collect(),
        };
        let interfaces = if used.is_empty() { Vec::new() } else { vec![interface] };
        let vpc = Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: !own_vpc };
        account()
            .with(SecurityGroups, region(), groups)
            .with(NetworkInterfaces, region(), interfaces)
            .with(Functions, region(), vec![])
            .with(DbInstances, region(), vec![])
            .with(Vpcs, region(), vec![vpc])
    }

    #[test]
    fn any_rule_counts() {
        let groups = vec![
            group("sg-closed", "default", 0, 0),
            group("sg-in", "default", 1, 0),
            group("sg-out", "default", 0, 1),
            group("sg-own", "web", 1, 1),
        ];
        let all = judgements(&DefaultGroup, &state(groups, &["sg-in"], true));
        let told: Vec<_> = all.iter().map(|one| (one.verdict, one.severity)).collect();
        assert_eq!(told[0].0, Judged::Passing);
        assert_eq!(told[1..], [(Judged::Failing, Severity::Medium), (Judged::Failing, Severity::Low)]);
    }

    #[test]
    fn unused_regions_are_one_line() {
        let one = judge_one(&DefaultGroup, &state(vec![group("sg-1", "default", 1, 1)], &[], false));
        assert_eq!((one.verdict, one.subject.region.as_str()), (Judged::Informational, "global"));
    }

    #[test]
    fn a_shared_vpc_is_its_owners() {
        let shared = SecurityGroup { owner: "444455556666".to_owned(), ..group("sg-1", "default", 1, 1) };
        assert_eq!(judge_one(&DefaultGroup, &state(vec![shared], &[], true)).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let base = || state(vec![group("sg-1", "default", 1, 1)], &[], true);
        let one = judge_one(&DefaultGroup, &refused(base(), NetworkInterfaces, region()));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Medium));
        let one = judge_one(&DefaultGroup, &refused(base(), SecurityGroups, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeSecurityGroups"]));
    }
}
