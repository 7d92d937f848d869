use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// No quota of EC2, VPC, Lambda and Elastic Load Balancing whose use AWS itself measures is used to more than eighty percent.
    /// It is a line to know, and never a failure. Quotas without a measured use are not looked at.
    /// ## Why it matters
    /// A quota that is reached stops the next deployment. Use that jumps may also be somebody else's: miners take all there is.
    /// ## What to do
    /// Ask for more, where the use is yours. Where it is not, look at who started what.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing. Low quotas limit what a thief can spend.
    ServiceLimits {
        id: "account.service-limits",
        title: "No quota is nearly used up",
        severity: Informational,
        practices: ["P68"],
        references: [
            trusted_advisor(&["eW7HH0l7J9", "0Xc6LMYG8P"]),
            doc(&["Service Quotas user guide: Viewing service quotas"]),
        ],
        asks: [Quotas],
    }
}

impl Check for ServiceLimits {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let limit = cx.parameters.quota_percent;
        cx.each_region(|cx| {
            let region = cx.region();
            let quotas = cx.known(Quotas, region.as_str())?;
            let mut near = false;
            for quota in quotas {
                let Some(used) = quota.used else { continue };
                #[expect(clippy::cast_precision_loss, reason = "a percentage")]
                if quota.limit <= 0.0 || used * 100.0 <= quota.limit * limit as f64 {
                    continue;
                }
                near = true;
                let arn = cx.arn("servicequotas", &format!("{}/{}", quota.service, quota.code));
                cx.about(&region, &arn, |cx| {
                    let percent = used * 100.0 / quota.limit;
                    let seen = cx
                        .informational(format!("{percent:.0} % of \"{}\" are used in {region}", quota.name))
                        .detail("Used", format!("{used} of {}", quota.limit))
                        .step(
                            "Ask for more, if the use is yours",
                            "service-quotas request-service-quota-increase",
                            &[
                                ("--service-code", &quota.service),
                                ("--quota-code", &quota.code),
                                ("--desired-value", "VALUE"),
                                ("--region", &region),
                            ],
                        );
                    cx.report(seen);
                    Ok(())
                });
            }
            if !near {
                let measured = quotas.iter().filter(|quota| quota.used.is_some()).count();
                let seen = if measured == 0 {
                    cx.not_applicable(format!("AWS has measured the use of no quota in {region}"))
                } else {
                    cx.passing(format!("None of {measured} measured quotas in {region} is nearly used up"))
                };
                cx.report(seen);
            }
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::organization::QuotaUse;
    use keepwatch_core::posture::State;

    fn state(quotas: &[(f64, Option<f64>)]) -> State {
        let quota = |(limit, used): &(f64, Option<f64>)| QuotaUse {
            service: "ec2".to_owned(),
            code: "L-1216C47A".to_owned(),
            name: "Running On-Demand Standard instances".to_owned(),
            limit: *limit,
            used: *used,
        };
        account().with(Quotas, region(), quotas.iter().map(quota).collect())
    }

    #[test]
    fn more_than_eighty_percent_is_told() {
        let one = judge_one(&ServiceLimits, &state(&[(5.0, Some(4.5)), (100.0, Some(80.0))]));
        assert_eq!(one.verdict, Judged::Informational);
        assert_eq!(one.subject.resource, "arn:aws:servicequotas:eu-west-1:111122223333:ec2/L-1216C47A");
        assert!(one.title.starts_with("90 %"), "{}", one.title);
        assert_eq!(
            judge_one(&ServiceLimits, &state(&[(5.0, Some(4.0)), (0.0, Some(1.0))])).verdict,
            Judged::Passing
        );
    }

    #[test]
    fn what_nobody_measured_is_not_fine() {
        assert_eq!(judge_one(&ServiceLimits, &state(&[(5.0, None)])).verdict, Judged::NotApplicable);
        let one = judge_one(&ServiceLimits, &refused(account(), Quotas, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["servicequotas:ListServiceQuotas"]));
    }
}
