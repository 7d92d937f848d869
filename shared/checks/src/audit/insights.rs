use super::common::each_trail;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each trail of the account looks for insights: unusual rates of calls and of errors. It costs money, so that a trail
    /// without is told and is no failure, unless the parameter `require-trail-insights` says otherwise.
    /// ## Why it matters
    /// A leaked key shows in rates first: a hundred refused calls in a minute, a thousand new instances.
    /// ## What to do
    /// Switch both kinds on for the trail that records management events.
    /// ## What it costs
    /// 0.35 USD per 100,000 management events that are analysed, for each kind.
    /// ## What may break
    /// Nothing.
    Insights {
        id: "trail.insights",
        title: "Trails look for insights",
        severity: Low,
        practices: ["P61"],
        references: [doc(&["AWS CloudTrail user guide: Working with CloudTrail Insights"])],
        asks: [Trails, TrailInsights],
        finding: "audit-trail-selectors-cut",
        closes: [Closes::Listed("arn:*:cloudtrail:*:trail/*")],
    }
}

impl Check for Insights {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        each_trail(cx, |cx, trail| {
            let region = trail.home_region.as_str();
            let kinds = cx.known(TrailInsights, (region, trail.arn.as_str()))?;
            let seen = if !kinds.is_empty() {
                cx.passing(format!("Trail {} looks for insights", trail.name))
                    .detail("Kinds", kinds.join(", "))
            } else {
                let title = format!("Trail {} does not look for insights", trail.name);
                let kinds = r#"[{"InsightType":"ApiCallRateInsight"},{"InsightType":"ApiErrorRateInsight"}]"#;
                let seen = if cx.parameters.require_trail_insights > 0 {
                    cx.failing(title)
                } else {
                    cx.informational(title)
                };
                seen.because("nothing tells of unusual rates of calls and errors").step(
                    "Switch them on",
                    "cloudtrail put-insight-selectors",
                    &[
                        ("--trail-name", trail.arn.as_str()),
                        ("--insight-selectors", kinds),
                        ("--region", region),
                    ],
                )
            };
            cx.report(seen.aspect("insights"));
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::*;
    use super::*;
    use crate::parameters::{Parameters, Profile};
    use crate::testing::*;
    use keepwatch_core::posture::State;

    fn state(kinds: &[&str]) -> State {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let trails = account().with(Trails, region(), vec![trail("main")]);
        trails.with(TrailInsights, at(&trail("main")), kinds)
    }

    #[test]
    fn told_unless_it_is_required() {
        assert_eq!(judge_one(&Insights, &state(&["ApiCallRateInsight"])).verdict, Judged::Passing);
        assert_eq!(judge_one(&Insights, &state(&[])).verdict, Judged::Informational);
        let parameters = Parameters { require_trail_insights: 1, ..Parameters::of(Profile::Default) };
        let one = judgements_with(&Insights, &state(&[]), &parameters).remove(0);
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
        assert_eq!(one.subject.aspect.as_deref(), Some("insights"));
    }

    #[test]
    fn unknown_and_not_applicable() {
        let one = judge_one(&Insights, &refused(state(&[]), TrailInsights, at(&trail("main"))));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudtrail:GetInsightSelectors"]));
        let one = judge_one(&Insights, &refused(account(), Trails, region()));
        assert_eq!(missing(&one), ["cloudtrail:DescribeTrails"]);
        assert_eq!(
            judge_one(&Insights, &account().with(Trails, region(), vec![])).verdict,
            Judged::NotApplicable
        );
    }
}
