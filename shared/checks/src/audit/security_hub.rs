use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Security Hub CSPM is on in every region that is used. Regions that nobody uses and where it is off are one line together.
    /// The newer Security Hub (V2) is another service, which is switched on apart, and does not count.
    /// ## Why it matters
    /// Security Hub CSPM judges the account by the controls of CIS, PCI DSS and AWS's own standard, and shows what GuardDuty,
    /// Inspector and other products find in one list, for all accounts of an organization. Keepwatch needs none of it: it has
    /// checks of its own and hears the other services itself. Without Security Hub CSPM there is no second opinion, and no score
    /// by standard to show to an auditor.
    /// ## What to do
    /// Switch it on where somebody will read it. AWS then enables two standards, its own and CIS 1.2.0;
    /// `--no-enable-default-standards` leaves the choice to you. A team that does without it on purpose suppresses the finding
    /// with that reason.
    /// ## What it costs
    /// The first thirty days are free. Then 0.001 USD for each check, per account and region: a control that looks at ten
    /// resources once a day costs 0.30 USD a month, and a standard has dozens of controls. Controls on IAM are checked, and
    /// billed, in each region where it is on. 10,000 findings of other products are free each month; further ones cost
    /// 0.00003 USD each. Most controls need AWS Config, which bills apart for what it records (`config.enabled`), often more than
    /// Security Hub itself; its rules for these controls are free. Where the newer Security Hub is on as well, both are billed by
    /// the resource instead.
    /// ## What may break
    /// Nothing but the bill. Keepwatch hears what it finds: failed controls that are critical or high are mailed.
    SecurityHubEnabled {
        id: "security-hub.enabled",
        title: "Security Hub CSPM is on in every region that is used",
        severity: Low,
        practices: [],
        references: [cis("3.0", &["4.16"]), cis("5.0", &["4.16"]), config(&["securityhub-enabled"])],
        asks: [SecurityHub, NetworkInterfaces, Functions, DbInstances, Vpcs],
        finding: "audit-security-hub-disabled",
    }
}

/// What the finding of an event calls this.
const ASPECT: &str = "enabled";

impl Check for SecurityHubEnabled {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                // A region has one hub, and each is called so.
                let arn = cx.arn("securityhub", "hub/default");
                cx.about(&region, &arn, |cx| {
                    let seen = if *cx.known(SecurityHub, region.as_str())? {
                        cx.passing(format!("Security Hub CSPM is on in {region}"))
                    } else {
                        cx.failing(format!("Security Hub CSPM is off in {region}"))
                            .because("no standard of AWS's judges this region; Keepwatch does not need it")
                            .step(
                                "Switch it on, if somebody will read it",
                                "securityhub enable-security-hub",
                                &[("--region", &region)],
                            )
                    };
                    cx.report(seen.aspect(ASPECT));
                    Ok(())
                });
                Ok(())
            },
            |cx, regions| {
                cx.informational("Security Hub CSPM is off in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use keepwatch_core::posture::{Place, State};

    fn state(on: bool) -> State {
        let used = facts::network::Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: false };
        account().with(SecurityHub, region(), on).with(Vpcs, region(), vec![used])
    }

    #[test]
    fn on_and_off() {
        let on = judge_one(&SecurityHubEnabled, &state(true));
        assert_eq!(on.verdict, Judged::Passing);
        // The same subject as the events of DisableSecurityHub and EnableSecurityHub.
        let arn = "arn:aws:securityhub:eu-west-1:111122223333:hub/default";
        assert_eq!((on.subject.resource.as_str(), on.subject.aspect.as_deref()), (arn, Some("enabled")));
        let off = judge_one(&SecurityHubEnabled, &state(false));
        assert_eq!((off.verdict, off.severity), (Judged::Failing, Severity::Low));
        assert_eq!(off.subject, on.subject);
    }

    #[test]
    fn regions_are_judged_apart_and_unused_ones_are_one_line() {
        let mut three = state(true);
        for idle in ["eu-north-1", "sa-east-1"] {
            let there = Place::region(idle);
            three.regions.push(idle.to_owned());
            three = three
                .with(SecurityHub, there.clone(), false)
                .with(NetworkInterfaces, there.clone(), vec![])
                .with(Functions, there.clone(), vec![])
                .with(DbInstances, there.clone(), vec![])
                .with(Vpcs, there, vec![]);
        }
        let all = judgements(&SecurityHubEnabled, &three);
        let told: Vec<_> = all.iter().map(|one| (one.verdict, one.subject.region.as_str())).collect();
        assert_eq!(told, [(Judged::Passing, REGION), (Judged::Informational, "global")]);
        // It speaks for the hub of each.
        assert_eq!(all[1].stands_for.len(), 2);
    }

    #[test]
    fn unknown_and_not_applicable() {
        let one = judge_one(&SecurityHubEnabled, &refused(state(false), SecurityHub, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["securityhub:DescribeHub"]));
        // A region without Security Hub.
        let none = absent(state(false), SecurityHub, region());
        assert_eq!(judge_one(&SecurityHubEnabled, &none).verdict, Judged::NotApplicable);
        // Where it cannot be told whether a region is used, it counts as used.
        let one = judge_one(&SecurityHubEnabled, &refused(state(false), Vpcs, region()));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
    }
}
