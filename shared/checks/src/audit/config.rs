use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// In every region that is used AWS Config has a recorder of the account's own that records, did not fail at the last
    /// delivery, and has a delivery channel. Recorders that a service such as Security Hub keeps for itself do not count. Some
    /// region should record the global types, such as IAM's; where none does, that is told.
    /// ## Why it matters
    /// Config keeps what each resource looked like and when it changed. Most controls of Security Hub are judged by it, and show
    /// their last state for ever where it is off.
    /// ## What to do
    /// Switch it on in the regions that are used, with global types in one of them. A small team that does without it on
    /// purpose suppresses the finding with that reason.
    /// ## What it costs
    /// 0.003 USD for each change that is recorded: a few dollars a month in a quiet account, hundreds where instances come and
    /// go. Recording once a day is cheaper there.
    /// ## What may break
    /// Nothing but the bill.
    ConfigEnabled {
        id: "config.enabled",
        title: "AWS Config records in every region that is used",
        severity: Low,
        practices: ["P62"],
        number: 15,
        references: [cis("3.0", &["3.3"]), cis("5.0", &["3.3"]), security_hub(&["Config.1"])],
        asks: [
            ConfigRecorders, ConfigStatus, ConfigChannels, NetworkInterfaces, Functions, DbInstances, Vpcs,
        ],
        finding: "audit-config-stopped",
    }
}

impl Check for ConfigEnabled {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let (mut recorded, mut global) = (Vec::new(), false);
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                let recorders = cx.try_known(ConfigRecorders, region.as_str());
                let own = recorders.map(|all| all.iter().find(|recorder| !recorder.internal));
                // A region has one recorder of its owner's, which is called so unless somebody cares: the events of its
                // deletion and its absence are one finding.
                let name = own.as_ref().ok().copied().flatten().map_or("default", |one| one.name.as_str());
                let arn = cx.arn("config", &format!("configuration-recorder/{name}"));
                cx.about(&region, &arn, |cx| {
                    let lacks = lacks(cx, &region, own.clone())?;
                    if lacks.is_empty() {
                        recorded.push(region.clone());
                        global |= own.ok().flatten().is_some_and(|one| one.all_supported && one.global_types);
                        cx.report(cx.passing(format!("AWS Config records in {region}")));
                        return Ok(());
                    }
                    let at = ("--region", region.as_str());
                    let seen = cx
                        .failing(format!("AWS Config does not record in {region}"))
                        .because(lacks.join("; "))
                        .step(
                            "How does it stand?",
                            "configservice describe-configuration-recorder-status",
                            &[at],
                        )
                        .step(
                            "Start it, once recorder and delivery channel are there",
                            "configservice start-configuration-recorder",
                            &[("--configuration-recorder-name", name), at],
                        );
                    cx.report(seen);
                    Ok(())
                });
                Ok(())
            },
            |cx, regions| {
                cx.informational("AWS Config does not record in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        if !recorded.is_empty() && !global {
            let seen = cx
                .informational("No region's recorder is told to record global types such as IAM's")
                .detail("Regions", recorded.join(", "));
            cx.report(seen);
        }
        Ok(())
    }
}

/// What keeps the region from being recorded; nothing where all is well. One thing that is known to be missing decides.
fn lacks(
    cx: &mut Cx<'_>,
    region: &str,
    own: Result<Option<&facts::audit::ConfigRecorder>, Stop>,
) -> Result<Vec<String>, Stop> {
    let channel = cx.try_known(ConfigChannels, region).map(|all| !all.is_empty());
    let status = cx.try_known(ConfigStatus, region);
    let mut lacks = Vec::new();
    let mut recording = Ok(true);
    match own {
        Ok(None) => lacks.push("there is no recorder of the account's own".to_owned()),
        Ok(Some(recorder)) => match status {
            Ok(all) => match all.iter().find(|one| one.name == recorder.name) {
                Some(one) if !one.recording => lacks.push("the recorder is stopped".to_owned()),
                Some(one) if one.last_status.as_deref() == Some("FAILURE") => {
                    lacks.push("the last delivery failed".to_owned());
                }
                Some(_) => {}
                None => lacks.push("the recorder has no status".to_owned()),
            },
            Err(stop) => recording = Err(stop),
        },
        Err(stop) => recording = Err(stop),
    }
    if channel == Ok(false) {
        lacks.push("there is no delivery channel".to_owned());
    }
    if lacks.is_empty() {
        all(&[recording, channel])?;
    }
    Ok(lacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::audit::{ConfigRecorder, ConfigStatus as Status};
    use keepwatch_core::posture::{Place, State};

    fn recorder(name: &str, internal: bool) -> ConfigRecorder {
        ConfigRecorder { name: name.to_owned(), arn: None, internal, all_supported: true, global_types: true }
    }

    fn status(recording: bool, last: Option<&str>) -> Vec<Status> {
        vec![Status { name: "default".to_owned(), recording, last_status: last.map(str::to_owned) }]
    }

    fn state(recorders: Vec<ConfigRecorder>, status: Vec<Status>, channels: usize) -> State {
        let used = facts::network::Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: false };
        account()
            .with(ConfigRecorders, region(), recorders)
            .with(ConfigStatus, region(), status)
            .with(ConfigChannels, region(), vec!["default".to_owned(); channels])
            .with(Vpcs, region(), vec![used])
    }

    fn good() -> State {
        state(vec![recorder("default", false)], status(true, Some("SUCCESS")), 1)
    }

    #[test]
    fn passes_where_it_records() {
        let one = judge_one(&ConfigEnabled, &good());
        assert_eq!(one.verdict, Judged::Passing);
        // The same subject as the events of StopConfigurationRecorder and DeleteConfigurationRecorder.
        let arn = "arn:aws:config:eu-west-1:111122223333:configuration-recorder/default";
        assert_eq!((one.subject.resource.as_str(), one.subject.region.as_str()), (arn, REGION));
        // Before the first delivery.
        let young = state(vec![recorder("default", false)], status(true, None), 1);
        assert_eq!(judge_one(&ConfigEnabled, &young).verdict, Judged::Passing);
    }

    #[test]
    fn each_thing_that_is_missing_fails() {
        let own = || vec![recorder("default", false)];
        for bad in [
            state(vec![], vec![], 0),
            state(vec![recorder("AWSConfigurationRecorderForSecurityHubCSPM", true)], vec![], 1),
            state(own(), status(false, None), 1),
            state(own(), status(true, Some("FAILURE")), 1),
            state(own(), status(true, Some("SUCCESS")), 0),
            state(own(), vec![], 1),
        ] {
            let one = judge_one(&ConfigEnabled, &bad);
            assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        }
    }

    /// Two regions whose recorders have the same name are two recorders.
    #[test]
    fn regions_are_judged_apart_and_unused_ones_folded() {
        let mut two = good();
        two.regions.push("eu-north-1".to_owned());
        let there = Place::region("eu-north-1");
        let two = two
            .with(ConfigRecorders, there.clone(), vec![recorder("default", false)])
            .with(ConfigStatus, there.clone(), status(false, None))
            .with(ConfigChannels, there.clone(), vec![]);
        let all = judgements(&ConfigEnabled, &two);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Failing));
        let idle = two
            .with(NetworkInterfaces, there.clone(), vec![])
            .with(Functions, there.clone(), vec![])
            .with(DbInstances, there.clone(), vec![])
            .with(Vpcs, there, vec![]);
        let all = judgements(&ConfigEnabled, &idle);
        assert_eq!((all[1].verdict, all[1].subject.region.as_str()), (Judged::Informational, "global"));
    }

    #[test]
    fn global_types_in_one_region() {
        let without = ConfigRecorder { global_types: false, ..recorder("default", false) };
        let all = judgements(&ConfigEnabled, &state(vec![without], status(true, None), 1));
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Informational));
    }

    #[test]
    fn refusals_decide_only_what_they_can() {
        for (state, action) in [
            (refused(good(), ConfigRecorders, region()), "config:DescribeConfigurationRecorders"),
            (refused(good(), ConfigStatus, region()), "config:DescribeConfigurationRecorderStatus"),
            (refused(good(), ConfigChannels, region()), "config:DescribeDeliveryChannels"),
        ] {
            let one = judge_one(&ConfigEnabled, &state);
            assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec![action]));
        }
        let stopped = state(vec![recorder("default", false)], status(false, None), 1);
        let one = judge_one(&ConfigEnabled, &refused(stopped, ConfigChannels, region()));
        assert_eq!(one.verdict, Judged::Failing);
        let none = state(vec![], vec![], 1);
        assert_eq!(
            judge_one(&ConfigEnabled, &refused(none, ConfigStatus, region())).verdict,
            Judged::Failing
        );
        let no_channel = refused(state(vec![], vec![], 0), ConfigRecorders, region());
        assert_eq!(judge_one(&ConfigEnabled, &no_channel).verdict, Judged::Failing);
    }
}
