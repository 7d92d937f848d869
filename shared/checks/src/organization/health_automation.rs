use serde_json::Value;

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// An EventBridge rule that is switched on and has a target listens to AWS Health, in some region that was looked at.
    /// Keepwatch's own rules are such rules. Whether one listens to Trusted Advisor is told as well; its checks need a support
    /// plan.
    /// ## Why it matters
    /// AWS Health is how AWS tells that it found your key in public, that your account sends attacks, or that a resource is to
    /// be switched off. The mail goes to root's mailbox.
    /// ## What to do
    /// Deploy Keepwatch, or make a rule with a target that somebody reads. Events about what has no region, such as keys, come
    /// in us-east-1.
    /// ## What it costs
    /// Nothing: events of AWS's services are free.
    /// ## What may break
    /// Nothing.
    HealthAutomation {
        id: "ta-health.automation",
        title: "Events of AWS Health reach somebody",
        severity: Informational,
        practices: ["P67"],
        references: [
            doc(&["AWS Health user guide: Monitoring AWS Health events with Amazon EventBridge"]),
            doc(&["AWS Support user guide: Monitoring Trusted Advisor check results with Amazon EventBridge"]),
        ],
        asks: [EventRules],
    }
}

impl Check for HealthAutomation {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let (mut health, mut advisor) = (Vec::new(), Vec::new());
        let mut by = None;
        for region in cx.regions() {
            let rules = cx.try_known(EventRules, region.as_str());
            let heard = |source: &str| match &rules {
                Ok(rules) => Ok(rules.iter().find(|rule| leads(rule) && hears(rule, source))),
                Err(Stop::Gone) => Ok(None),
                Err(stop) => Err(stop.clone()),
            };
            let by_rule = heard("aws.health");
            if let Ok(Some(rule)) = &by_rule {
                by.get_or_insert((region, rule.name.as_str()));
            }
            health.push(by_rule.map(|rule| rule.is_some()));
            advisor.push(heard("aws.trustedadvisor").map(|rule| rule.is_some()));
        }
        let healthy = any(&health)?;
        let seen = match by {
            Some((region, rule)) if healthy => {
                cx.passing(format!("Rule {rule} in {region} listens to AWS Health"))
            }
            _ => cx
                .informational("No EventBridge rule with a target listens to AWS Health")
                .because("what AWS tells of exposed keys and abuse goes to root's mailbox alone")
                .step(
                    "Make a rule (then give it a target)",
                    "events put-rule",
                    &[
                        ("--name", "aws-health"),
                        ("--event-pattern", r#"{"source":["aws.health","aws.trustedadvisor"]}"#),
                        ("--region", "us-east-1"),
                    ],
                ),
        };
        let told = match any(&advisor) {
            Ok(true) => "a rule listens",
            Ok(false) => "no rule listens",
            Err(_) => "not known",
        };
        cx.report(seen.detail("Trusted Advisor", told));
        Ok(())
    }
}

/// Whether what the rule hears goes somewhere.
fn leads(rule: &facts::events::EventRule) -> bool {
    rule.enabled && rule.targets.is_some_and(|count| count > 0)
}

/// Whether the rule's pattern names the source. One that takes every source is meant for something else.
fn hears(rule: &facts::events::EventRule, source: &str) -> bool {
    let pattern = rule.pattern.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let sources = pattern.as_ref().and_then(|pattern| pattern.get("source")?.as_array());
    sources.is_some_and(|all| all.iter().any(|one| one == source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::events::EventRule;
    use keepwatch_core::posture::{Place, State};

    fn state(pattern: &str, enabled: bool, targets: Option<u32>) -> State {
        let rule = EventRule {
            arn: "arn:aws:events:eu-west-1:111122223333:rule/health".to_owned(),
            name: "health".to_owned(),
            enabled,
            pattern: Some(pattern.to_owned()),
            targets,
            ..EventRule::default()
        };
        account().with(EventRules, region(), vec![rule])
    }

    const BOTH: &str = r#"{"source": ["aws.health", "aws.trustedadvisor"]}"#;

    #[test]
    fn a_rule_with_a_target() {
        let one = judge_one(&HealthAutomation, &state(BOTH, true, Some(1)));
        assert_eq!((one.verdict, one.details[0].1.as_str()), (Judged::Passing, "a rule listens"));
        let one = judge_one(&HealthAutomation, &state(r#"{"source": ["aws.health"]}"#, true, Some(1)));
        assert_eq!((one.verdict, one.details[0].1.as_str()), (Judged::Passing, "no rule listens"));
    }

    #[test]
    fn a_rule_that_leads_nowhere_is_none() {
        for idle in [
            state(BOTH, true, Some(0)),
            state(BOTH, false, Some(1)),
            state(BOTH, true, None),
            state(r#"{"source": ["aws.trustedadvisor"]}"#, true, Some(1)),
            state(r#"{"detail": {"why": ["aws.health"]}}"#, true, Some(1)),
            account().with(EventRules, region(), vec![]),
        ] {
            assert_eq!(judge_one(&HealthAutomation, &idle).verdict, Judged::Informational);
        }
    }

    #[test]
    fn unknown_where_a_region_may_have_it() {
        let mut two = state(BOTH, true, Some(1));
        two.regions.push("us-east-1".to_owned());
        let two = refused(two, EventRules, Place::region("us-east-1"));
        assert_eq!(judge_one(&HealthAutomation, &two).verdict, Judged::Passing);
        let one = judge_one(&HealthAutomation, &refused(account(), EventRules, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["events:ListRules"]));
    }
}
