use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No API of AWS tells whether an operating system writes logs and where they go. What can be told is whether Systems
    /// Manager manages a running instance, which is how an agent for logs usually gets there. It is a line, never a verdict.
    /// ## Why it matters
    /// CloudTrail records what is done to an instance, not what is done on it. A thief on the machine shows in its own logs
    /// only, and deletes them first where they are kept on the machine.
    /// ## What to do
    /// Install the CloudWatch agent through Systems Manager and send the logs of the system and of sign-ins to a log group.
    /// ## What it costs
    /// 0.50 USD for each GB of logs that CloudWatch takes in. Systems Manager costs nothing for instances.
    /// ## What may break
    /// Nothing.
    HostLogging {
        id: "host.logging",
        title: "Operating systems send their logs away",
        severity: Informational,
        practices: ["P56"],
        references: [security_hub(&["SSM.1"]), config(&["ec2-instance-managed-by-systems-manager"])],
        asks: [Instances, ManagedInstances],
    }
}

impl Check for HostLogging {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Instances,
            |cx, instance| cx.arn("ec2", &format!("instance/{}", instance.id)),
            |cx, instance| {
                let (id, region) = (instance.id.as_str(), cx.region());
                if instance.state != "running" {
                    cx.report(cx.not_applicable(format!("Instance {id} is not running")));
                    return Ok(());
                }
                let managed = cx.known(ManagedInstances, region.as_str())?.contains(&instance.id);
                let filter =
                    keepwatch_core::observation::shorthand(&[("Key", "InstanceIds"), ("Values", id)]);
                let (so, why) = match managed {
                    true => {
                        ("managed", "an agent for logs can be there; whether it is, only the instance tells")
                    }
                    false => ("not managed", "its logs are likely to be on the machine alone"),
                };
                let seen =
                    cx.informational(format!("Instance {id} is {so} by Systems Manager")).because(why).step(
                        "What does Systems Manager know of it?",
                        "ssm describe-instance-information",
                        &[("--region", &region), ("--filters", &filter)],
                    );
                cx.report(seen);
                Ok(())
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::compute::Instance;
    use keepwatch_core::posture::State;

    fn state(managed: &[&str]) -> State {
        let instance = |id: &str, state: &str| Instance {
            id: id.to_owned(),
            state: state.to_owned(),
            profile: None,
            vpc: None,
        };
        account()
            .with(
                Instances,
                region(),
                vec![instance("i-a", "running"), instance("i-b", "running"), instance("i-c", "stopped")],
            )
            .with(ManagedInstances, region(), managed.iter().map(|id| (*id).to_owned()).collect())
    }

    #[test]
    fn it_tells_and_never_passes() {
        let all = judgements(&HostLogging, &state(&["i-a"]));
        assert_eq!(
            all.iter().map(|one| one.verdict).collect::<Vec<_>>(),
            [Judged::Informational, Judged::Informational, Judged::NotApplicable]
        );
        assert!(all[0].title.contains("is managed") && all[1].title.contains("is not managed"));
    }

    #[test]
    fn unknown_without_either_list() {
        let all = judgements(&HostLogging, &refused(state(&[]), ManagedInstances, region()));
        assert_eq!(
            (all[0].verdict, missing(&all[0])),
            (Judged::Unknown, vec!["ssm:DescribeInstanceInformation"])
        );
        let one = judge_one(&HostLogging, &refused(account(), Instances, region()));
        assert_eq!(missing(&one), ["ec2:DescribeInstances"]);
    }
}
