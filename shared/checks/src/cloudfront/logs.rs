use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each CloudFront distribution that serves writes access logs in one of the three ways: standard logs, real-time logs, or
    /// the newer logs that CloudWatch Logs delivers, which do not stand in the distribution's settings. One without gets a
    /// line.
    /// ## Why it matters
    /// Behind CloudFront the server sees CloudFront's addresses. Who attacked it, and what was fetched, stands in these logs.
    /// ## What to do
    /// Switch on standard logs into a bucket, and let a lifecycle rule delete them after some months.
    /// ## What it costs
    /// Standard logs cost their storage. Real-time logs cost 0.01 USD for a million lines and a Kinesis stream.
    /// ## What may break
    /// Nothing.
    Logs {
        id: "cloudfront.logs",
        title: "CloudFront distributions write access logs",
        severity: Informational,
        practices: ["P65"],
        references: [security_hub(&["CloudFront.5"]), config(&["cloudfront-accesslogs-enabled"])],
        asks: [Distributions, DistributionLogging, LogDeliveries],
    }
}

impl Check for Logs {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        for distribution in cx.known(Distributions, GLOBAL)? {
            cx.about(GLOBAL, &distribution.arn, |cx| {
                let id = distribution.id.as_str();
                if !distribution.enabled {
                    cx.report(cx.not_applicable(format!("Distribution {id} serves nothing: it is disabled")));
                    return Ok(());
                }
                let settings = cx.try_known(DistributionLogging, (GLOBAL, id));
                let deliveries = cx.try_known(LogDeliveries, GLOBAL);
                let logs = [
                    settings.map(|logging| logging.standard || logging.real_time),
                    deliveries.map(|all| all.contains(&distribution.arn)),
                ];
                let seen = if any(&logs)? {
                    cx.passing(format!("Distribution {id} writes access logs"))
                } else {
                    cx.informational(format!("Distribution {id} writes no access logs"))
                        .because("nothing shows who fetched what through it")
                        .step("How is it set?", "cloudfront get-distribution-config", &[("--id", id)])
                };
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::cloudfront::{Distribution, Logging};
    use keepwatch_core::posture::{Place, State};

    const ARN: &str = "arn:aws:cloudfront::111122223333:distribution/E1";

    fn state(enabled: bool, standard: bool, real_time: bool, delivered: bool) -> State {
        let distribution = Distribution { id: "E1".to_owned(), arn: ARN.to_owned(), enabled };
        account()
            .with(Distributions, global(), vec![distribution])
            .with(DistributionLogging, here(), Logging { standard, real_time })
            .with(LogDeliveries, global(), if delivered { vec![ARN.to_owned()] } else { Vec::new() })
    }

    fn here() -> Place {
        Place::of("global", "E1")
    }

    #[test]
    fn each_of_three_ways_is_enough() {
        for (standard, real_time, delivered) in
            [(true, false, false), (false, true, false), (false, false, true)]
        {
            assert_eq!(
                judge_one(&Logs, &state(true, standard, real_time, delivered)).verdict,
                Judged::Passing
            );
        }
        assert_eq!(judge_one(&Logs, &state(true, false, false, false)).verdict, Judged::Informational);
        assert_eq!(judge_one(&Logs, &state(false, false, false, false)).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let none = || state(true, false, false, false);
        let one = judge_one(&Logs, &refused(none(), LogDeliveries, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["logs:DescribeDeliverySources"]));
        let one = judge_one(&Logs, &refused(none(), DistributionLogging, here()));
        assert_eq!(missing(&one), ["cloudfront:GetDistributionConfig"]);
        let delivered = refused(state(true, false, false, true), DistributionLogging, here());
        assert_eq!(judge_one(&Logs, &delivered).verdict, Judged::Passing);
        let one = judge_one(&Logs, &refused(account(), Distributions, global()));
        assert_eq!(missing(&one), ["cloudfront:ListDistributions"]);
    }

    #[test]
    fn one_that_is_gone_is_gone() {
        let gone = absent(state(true, false, false, false), DistributionLogging, here());
        assert_eq!(judge_one(&Logs, &gone).verdict, Judged::NotApplicable);
    }
}
