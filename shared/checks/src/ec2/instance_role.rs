use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each instance, running or stopped, has an instance profile and so a role. Terminated ones are left out.
    /// ## Why it matters
    /// A program on an instance without a role that calls AWS has an access key in a file: it never expires, and whoever reads
    /// the disk or its backup has it.
    /// ## What to do
    /// Attach a role with what the programs need, take the key out of the files, and delete it once nothing uses it.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Programs prefer a key in a file to the role: as long as it is there, they use it. An instance that calls nothing of AWS
    /// needs no role, and Systems Manager can be given one for all instances: suppress the finding then.
    InstanceRole {
        id: "ec2.instance-role",
        title: "Instances have a role",
        severity: Low,
        practices: ["P25"],
        references: [cis("3.0", &["1.18"]), cis("5.0", &["1.17"]), config(&["ec2-instance-profile-attached"])],
        asks: [Instances],
    }
}

impl Check for InstanceRole {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Instances,
            |cx, instance| cx.arn("ec2", &format!("instance/{}", instance.id)),
            |cx, instance| {
                let (id, region) = (instance.id.as_str(), cx.region());
                if matches!(instance.state.as_str(), "terminated" | "shutting-down") {
                    cx.report(cx.not_applicable(format!("Instance {id} is terminated")));
                    return Ok(());
                }
                let seen = match &instance.profile {
                    Some(profile) => {
                        cx.passing(format!("Instance {id} has a role")).detail("Instance profile", profile)
                    }
                    None => cx
                        .failing(format!("Instance {id} has no role"))
                        .because("programs on it that call AWS need a key in a file")
                        .detail("State", &instance.state)
                        .step(
                            "Attach one",
                            "ec2 associate-iam-instance-profile",
                            &[
                                ("--region", &region),
                                ("--instance-id", id),
                                ("--iam-instance-profile", "Name=PROFILE"),
                            ],
                        ),
                };
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

    fn instance(id: &str, state: &str, profile: bool) -> Instance {
        Instance {
            id: id.to_owned(),
            state: state.to_owned(),
            profile: profile.then(|| "arn:aws:iam::111122223333:instance-profile/app".to_owned()),
            vpc: None,
        }
    }

    #[test]
    fn each_instance_by_itself() {
        let all = vec![
            instance("i-good", "running", true),
            instance("i-bad", "running", false),
            instance("i-stopped", "stopped", false),
            instance("i-gone", "terminated", false),
        ];
        assert_eq!(
            judged(&InstanceRole, &account().with(Instances, region(), all)),
            [
                ("i-good".to_owned(), Judged::Passing),
                ("i-bad".to_owned(), Judged::Failing),
                ("i-stopped".to_owned(), Judged::Failing),
                ("i-gone".to_owned(), Judged::NotApplicable),
            ]
        );
    }

    #[test]
    fn unknown_and_none() {
        let one = judge_one(&InstanceRole, &refused(account(), Instances, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeInstances"]));
        let none = account().with(Instances, region(), vec![]);
        assert_eq!(judge_one(&InstanceRole, &none).verdict, Judged::NotApplicable);
    }
}
