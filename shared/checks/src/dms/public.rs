use keepwatch_base::network::{Cidr, Ports};

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No replication instance of the Database Migration Service has a public address. Critical where a security group of the
    /// instance lets the internet in as well, medium where all of them are closed, high where that is not known.
    /// ## Why it matters
    /// The instance holds the credentials of the databases it copies between, and while it works, their data.
    /// ## What to do
    /// A public address cannot be taken away: make the instance anew without one, move its tasks and delete this one. Instances
    /// whose migration is over are to be deleted in any case.
    /// ## What it costs
    /// Nothing but a NAT gateway or an endpoint, where the new instance needs to reach something outside its VPC.
    /// ## What may break
    /// Migrations from a database outside AWS that come without a VPN.
    Public {
        id: "dms.public",
        title: "No migration instance has a public address",
        severity: High,
        practices: ["P53"],
        number: 20,
        references: [security_hub(&["DMS.1"]), config(&["dms-replication-not-public"])],
        asks: [ReplicationInstances, SecurityGroups],
        finding: "exposure-migration-instance-public",
        closes: [Closes::Listed("arn:*:dms:*:rep:*")],
    }
}

impl Check for Public {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            ReplicationInstances,
            |_, instance| instance.arn.clone(),
            |cx, instance| {
                let (id, region) = (instance.id.as_str(), cx.region());
                if !instance.public {
                    cx.report(cx.passing(format!("Migration instance {id} has no public address")));
                    return Ok(());
                }
                // How bad it is depends on that; that it is so does not.
                let open = lets_the_internet_in(cx, &region, &instance.groups);
                let (severity, told) = match open {
                    Ok(true) => (Severity::Critical, "a security group of the instance lets the internet in"),
                    Ok(false) => {
                        (Severity::Medium, "its security groups are all that keeps the internet out")
                    }
                    Err(_) => {
                        (Severity::High, "whether its security groups keep the internet out is not known")
                    }
                };
                let filter = keepwatch_core::observation::shorthand(&[
                    ("Name", "replication-instance-id"),
                    ("Values", id),
                ]);
                let seen = cx
                    .failing(format!("Migration instance {id} has a public address"))
                    .severity(severity)
                    .because(told)
                    .detail("Security groups", instance.groups.join(", "))
                    .step(
                        "What is it?",
                        "dms describe-replication-instances",
                        &[("--region", &region), ("--filters", &filter)],
                    )
                    .step(
                        "Delete it, once another stands in its place",
                        "dms delete-replication-instance",
                        &[("--region", &region), ("--replication-instance-arn", &instance.arn)],
                    );
                cx.report(seen);
                Ok(())
            },
        );
        Ok(())
    }
}

/// Whether one of these groups has a port open to the internet.
fn lets_the_internet_in(cx: &mut Cx<'_>, region: &str, ids: &[String]) -> Result<bool, Stop> {
    let groups = cx.try_known(SecurityGroups, region)?;
    let rules = groups.iter().filter(|group| ids.contains(&group.id)).flat_map(|group| &group.ingress);
    let mut with_ports =
        rules.filter(|rule| Ports::of(&rule.protocol, rule.from_port, rule.to_port).is_some());
    let is_world = |range: &String| Cidr::parse(range).is_none_or(|cidr| cidr.is_world());
    Ok(with_ports.any(|rule| rule.ranges.iter().any(is_world)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::data::ReplicationInstance;
    use facts::network::{GroupRule, SecurityGroup};
    use keepwatch_core::posture::State;

    fn state(public: bool, range: Option<&str>) -> State {
        let instance = ReplicationInstance {
            arn: "arn:aws:dms:eu-west-1:111122223333:rep:ABC".to_owned(),
            id: "mover".to_owned(),
            public,
            groups: vec!["sg-1".to_owned()],
        };
        let rule = |range: &str| GroupRule {
            protocol: "tcp".to_owned(),
            from_port: Some(3306),
            to_port: Some(3306),
            ranges: vec![range.to_owned()],
            ..GroupRule::default()
        };
        let group = SecurityGroup {
            id: "sg-1".to_owned(),
            name: "dms".to_owned(),
            vpc: Some("vpc-1".to_owned()),
            owner: ACCOUNT.to_owned(),
            ingress: range.map(rule).into_iter().collect(),
            egress: Vec::new(),
        };
        account().with(ReplicationInstances, region(), vec![instance]).with(
            SecurityGroups,
            region(),
            vec![group],
        )
    }

    fn told(state: &State) -> (Judged, Severity) {
        let one = judge_one(&Public, state);
        (one.verdict, one.severity)
    }

    #[test]
    fn the_address_decides_and_the_groups_say_how_bad() {
        assert_eq!(told(&state(true, Some("0.0.0.0/0"))), (Judged::Failing, Severity::Critical));
        // A closed group is no reason to call a public address fine.
        assert_eq!(told(&state(true, None)), (Judged::Failing, Severity::Medium));
        assert_eq!(told(&state(true, Some("10.0.0.0/8"))), (Judged::Failing, Severity::Medium));
        assert_eq!(told(&state(false, Some("0.0.0.0/0"))).0, Judged::Passing);
    }

    #[test]
    fn refusals() {
        let closed = refused(state(true, None), SecurityGroups, region());
        assert_eq!(told(&closed), (Judged::Failing, Severity::High));
        let one = judge_one(&Public, &refused(account(), ReplicationInstances, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["dms:DescribeReplicationInstances"]));
        let none = account().with(ReplicationInstances, region(), vec![]);
        assert_eq!(judge_one(&Public, &none).verdict, Judged::NotApplicable);
    }
}
