use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Every region that is used has an active analyzer of IAM Access Analyzer for external access, of the account or of the
    /// organization. Analyzers of unused access do not count: they look at something else. An organization's analyzer is not visible
    /// in its members; where one covers the account, set the parameter `organization-analyzer` to 1.
    /// ## Why it matters
    /// The analyzer proves from the policies that a bucket, a role or a key can be reached from outside the account.
    /// ## What to do
    /// Make an analyzer in each region that is used.
    /// ## What it costs
    /// Nothing for external access. Analyzers of unused access are billed by the role and user and month.
    /// ## What may break
    /// Nothing.
    Analyzer {
        id: "analyzer.enabled",
        title: "IAM Access Analyzer looks at every region that is used",
        severity: Low,
        practices: ["P30"],
        references: [
            cis("3.0", &["1.20"]),
            cis("5.0", &["1.19"]),
            security_hub(&["IAM.28"]),
            config(&["iam-external-access-analyzer-enabled"]),
        ],
        asks: [Analyzers, NetworkInterfaces, Functions, DbInstances, Vpcs],
    }
}

/// The kinds that look for access from outside.
const EXTERNAL: [&str; 2] = ["ACCOUNT", "ORGANIZATION"];

impl Check for Analyzer {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                let by_organization = cx.parameters.organization_analyzer > 0;
                let analyzers = match cx.known(Analyzers, region.as_str()) {
                    Ok(analyzers) => analyzers.as_slice(),
                    Err(Stop::Unknown(_)) if by_organization => &[],
                    Err(stop) => return Err(stop),
                };
                let external = |one: &&facts::analyzers::Analyzer| EXTERNAL.contains(&one.kind.as_str());
                let mut own = analyzers.iter().filter(external);
                let seen = if let Some(active) = own.clone().find(|one| one.status == "ACTIVE") {
                    cx.passing(format!("An analyzer is active in {region}")).detail("Analyzer", &active.arn)
                } else if by_organization {
                    cx.passing(format!("An analyzer of the organization covers {region}"))
                        .because("the parameter organization-analyzer says so")
                } else {
                    let why = match (own.next(), analyzers.first()) {
                        (Some(one), _) => format!("its analyzer is in state {}", one.status),
                        (None, Some(_)) => "its analyzers do not look for access from outside".to_owned(),
                        (None, None) => "it has none".to_owned(),
                    };
                    cx.failing(format!("No analyzer looks for access from outside in {region}"))
                        .because(why)
                        .step(
                            "Make one",
                            "accessanalyzer create-analyzer",
                            &[
                                ("--analyzer-name", "external-access"),
                                ("--type", "ACCOUNT"),
                                ("--region", region.as_str()),
                            ],
                        )
                };
                cx.report(seen);
                Ok(())
            },
            |cx, regions| {
                cx.informational("No analyzer looks for access from outside in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use facts::analyzers::Analyzer as Facts;
    use keepwatch_core::posture::{Place, State};

    fn state(analyzers: &[(&str, &str)]) -> State {
        let used = facts::network::Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: false };
        let analyzer = |(kind, status): &(&str, &str)| Facts {
            arn: "arn:aws:access-analyzer:eu-west-1:111122223333:analyzer/a".to_owned(),
            kind: (*kind).to_owned(),
            status: (*status).to_owned(),
        };
        let analyzers = analyzers.iter().map(analyzer).collect();
        account().with(Analyzers, region(), analyzers).with(Vpcs, region(), vec![used])
    }

    #[test]
    fn an_active_one_for_external_access() {
        for good in ["ACCOUNT", "ORGANIZATION"] {
            assert_eq!(judge_one(&Analyzer, &state(&[(good, "ACTIVE")])).verdict, Judged::Passing);
        }
        for bad in [
            state(&[]),
            state(&[("ACCOUNT", "DISABLED")]),
            state(&[("ACCOUNT_UNUSED_ACCESS", "ACTIVE")]),
            state(&[("ORGANIZATION_UNUSED_ACCESS", "ACTIVE"), ("ACCOUNT", "CREATING")]),
        ] {
            let one = judge_one(&Analyzer, &bad);
            assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        }
    }

    #[test]
    fn the_organization_may_do_it() {
        let parameters = Parameters { organization_analyzer: 1, ..Parameters::of(Profile::Default) };
        let verdict = |state: &State| judgements_with(&Analyzer, state, &parameters)[0].verdict;
        assert_eq!(verdict(&state(&[])), Judged::Passing);
        assert_eq!(verdict(&refused(state(&[]), Analyzers, region())), Judged::Passing);
    }

    #[test]
    fn unused_regions_are_one_line() {
        let mut two = state(&[("ACCOUNT", "ACTIVE")]);
        let idle = Place::region("eu-north-1");
        two.regions.push("eu-north-1".to_owned());
        let two = two
            .with(Analyzers, idle.clone(), vec![])
            .with(NetworkInterfaces, idle.clone(), vec![])
            .with(Functions, idle.clone(), vec![])
            .with(DbInstances, idle.clone(), vec![])
            .with(Vpcs, idle, vec![]);
        let all = judgements(&Analyzer, &two);
        assert_eq!((all[1].verdict, all[1].subject.region.as_str()), (Judged::Informational, "global"));
    }

    #[test]
    fn unknown_and_not_applicable() {
        let one = judge_one(&Analyzer, &refused(state(&[]), Analyzers, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["access-analyzer:ListAnalyzers"]));
        // A region without Access Analyzer.
        let none = absent(state(&[]), Analyzers, region());
        assert_eq!(judge_one(&Analyzer, &none).verdict, Judged::NotApplicable);
    }
}
