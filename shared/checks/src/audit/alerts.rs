use serde_json::Value;

use super::common::listed;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// In every region that is used somebody listens to API calls: an EventBridge rule on the default bus that is switched on,
    /// gets calls to CloudTrail or IAM, and has a target. Keepwatch's own rules are such rules. A trail that writes to
    /// CloudWatch Logs is told as the other way; whether metric filters and alarms watch its log group is not looked at.
    /// ## Why it matters
    /// Logs that nobody reads tell of a break-in a month later, by the bill.
    /// ## What to do
    /// Deploy Keepwatch, with its forwarder in each region that is used: events of IAM reach us-east-1 alone, others the region
    /// of the call.
    /// ## What it costs
    /// EventBridge delivers the events of AWS's services for nothing. The fourteen metric filters and alarms of the CIS
    /// benchmark cost about 1.40 USD a month, and the logs in CloudWatch 0.50 USD per GB.
    /// ## What may break
    /// Nothing.
    Alerts {
        id: "trail.alerts",
        title: "Somebody listens to API calls in every region that is used",
        severity: Medium,
        practices: ["P60"],
        references: [
            cis("3.0", &["4.1", "4.2", "4.3", "4.4", "4.5"]),
            cis("5.0", &["4.1", "4.2", "4.3", "4.4", "4.5"]),
            security_hub(&["CloudTrail.5"]),
            config(&["cloud-trail-cloud-watch-logs-enabled"]),
        ],
        asks: [EventRules, Trails, NetworkInterfaces, Functions, DbInstances, Vpcs],
    }
}

impl Check for Alerts {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                let rules = cx.known(EventRules, region.as_str())?;
                let hears = |rule: &&facts::events::EventRule| {
                    let targets = rule.targets.is_some_and(|count| count > 0);
                    rule.enabled && targets && rule.pattern.as_deref().is_some_and(hears_calls)
                };
                if let Some(rule) = rules.iter().find(hears) {
                    let title = format!("Rule {} listens to API calls in {region}", rule.name);
                    cx.report(cx.passing(title));
                    return Ok(());
                }
                let log_group = listed(cx).trails.into_iter().find_map(|trail| {
                    let here = trail.covers(&region);
                    trail.log_group.as_ref().filter(|_| here)
                });
                let seen = match log_group {
                    Some(group) => cx
                        .informational(format!("No EventBridge rule listens to API calls in {region}; a trail writes to CloudWatch Logs"))
                        .because("whether metric filters and alarms watch the log group was not looked at")
                        .detail("Log group", group)
                        .step(
                            "Which metric filters are there?",
                            "logs describe-metric-filters",
                            &[("--log-group-name", group_name(group)), ("--region", group_region(group))],
                        ),
                    None => cx
                        .failing(format!("Nobody listens to API calls in {region}"))
                        .because("no EventBridge rule with a target gets calls to CloudTrail or IAM")
                        .step("Which rules are there?", "events list-rules", &[("--region", region.as_str())]),
                };
                cx.report(seen);
                Ok(())
            },
            |cx, regions| {
                cx.informational("Nobody listens to API calls in regions that nobody uses")
                    .because("an intruder might be the first to use them")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

/// Whether calls to CloudTrail or to IAM fit an event pattern, as far as its source and its type of event tell.
fn hears_calls(pattern: &str) -> bool {
    let Ok(pattern) = serde_json::from_str::<Value>(pattern) else { return false };
    let listens = |service: &str| {
        fits(&pattern["source"], &format!("aws.{service}"))
            && fits(&pattern["detail-type"], "AWS API Call via CloudTrail")
            && fits(&pattern["detail"]["eventSource"], &format!("{service}.amazonaws.com"))
    };
    listens("cloudtrail") || listens("iam")
}

/// Whether a value fits a field of a pattern: one that is not there asks for nothing (EventBridge user guide, "Comparison
/// operators").
fn fits(field: &Value, value: &str) -> bool {
    let Value::Array(wanted) = field else { return field.is_null() };
    wanted.iter().any(|one| match one {
        Value::String(text) => text == value,
        Value::Object(operator) => operator.iter().all(|(name, given)| match (name.as_str(), given) {
            ("prefix", Value::String(prefix)) => value.starts_with(prefix.as_str()),
            ("suffix", Value::String(suffix)) => value.ends_with(suffix.as_str()),
            ("wildcard", Value::String(wild)) => keepwatch_base::wildcard::matches(wild, value),
            ("equals-ignore-case", Value::String(text)) => text.eq_ignore_ascii_case(value),
            ("exists", Value::Bool(there)) => *there,
            ("anything-but", Value::String(other)) => other != value,
            ("anything-but", Value::Array(others)) => !others.iter().any(|other| other == value),
            _ => false,
        }),
        _ => false,
    })
}

/// `arn:aws:logs:eu-west-1:111122223333:log-group:NAME:*`.
fn group_name(arn: &str) -> &str {
    arn.splitn(7, ':').nth(6).map_or(arn, |name| name.trim_end_matches(":*"))
}

fn group_region(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::common::fixtures::trail;
    use super::*;
    use crate::testing::*;
    use facts::events::EventRule;
    use keepwatch_core::posture::{Place, State};

    const CALLS: &str =
        r#"{"source": ["aws.iam", "aws.cloudtrail"], "detail-type": ["AWS API Call via CloudTrail"]}"#;

    fn rule(pattern: &str, enabled: bool, targets: Option<u32>) -> EventRule {
        EventRule {
            arn: "arn:aws:events:eu-west-1:111122223333:rule/r".to_owned(),
            name: "r".to_owned(),
            enabled,
            pattern: Some(pattern.to_owned()),
            targets,
            ..EventRule::default()
        }
    }

    fn state(rules: Vec<EventRule>) -> State {
        let used = facts::network::Vpc { id: "vpc-1".to_owned(), owner: ACCOUNT.to_owned(), default: false };
        account().with(EventRules, region(), rules).with(Trails, region(), vec![]).with(
            Vpcs,
            region(),
            vec![used],
        )
    }

    #[test]
    fn a_rule_that_hears_and_leads_somewhere() {
        assert_eq!(judge_one(&Alerts, &state(vec![rule(CALLS, true, Some(1))])).verdict, Judged::Passing);
        for deaf in [rule(CALLS, false, Some(1)), rule(CALLS, true, Some(0)), rule(CALLS, true, None)] {
            assert_eq!(judge_one(&Alerts, &state(vec![deaf])).verdict, Judged::Failing);
        }
        assert_eq!(judge_one(&Alerts, &state(vec![])).verdict, Judged::Failing);
    }

    #[test]
    fn patterns_are_read() {
        for hears in [
            CALLS,
            r#"{"detail-type": ["AWS API Call via CloudTrail"]}"#,
            r#"{"source": [{"prefix": "aws."}], "detail": {"eventSource": ["kms.amazonaws.com", "iam.amazonaws.com"]}}"#,
        ] {
            assert!(hears_calls(hears), "{hears}");
        }
        for deaf in [
            r#"{"source": ["aws.ecs"], "detail-type": ["AWS API Call via CloudTrail"]}"#,
            r#"{"source": ["aws.iam"], "detail-type": ["AWS Service Event via CloudTrail"]}"#,
            r#"{"source": [{"prefix": "aws."}], "detail": {"eventSource": ["s3.amazonaws.com"]}}"#,
            r#"{"source": [{"anything-but": ["aws.iam", "aws.cloudtrail"]}]}"#,
            "no pattern",
        ] {
            assert!(!hears_calls(deaf), "{deaf}");
        }
    }

    #[test]
    fn a_log_group_is_the_other_way() {
        let arn = "arn:aws:logs:eu-west-1:111122223333:log-group:trail:*".to_owned();
        let logs = facts::audit::Trail { log_group: Some(arn), ..trail("main") };
        let one = judge_one(&Alerts, &state(vec![]).with(Trails, region(), vec![logs]));
        assert_eq!(one.verdict, Judged::Informational);
        assert!(one.steps[0].command.contains("--log-group-name trail "), "{:?}", one.steps);
    }

    #[test]
    fn unused_regions_are_one_line() {
        let mut two = state(vec![rule(CALLS, true, Some(1))]);
        let idle = Place::region("eu-north-1");
        two.regions.push("eu-north-1".to_owned());
        let two = two
            .with(EventRules, idle.clone(), vec![])
            .with(NetworkInterfaces, idle.clone(), vec![])
            .with(Functions, idle.clone(), vec![])
            .with(DbInstances, idle.clone(), vec![])
            .with(Vpcs, idle, vec![]);
        let all = judgements(&Alerts, &two);
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Passing, Judged::Informational));
        assert_eq!(all[1].subject.region, "global");
    }

    #[test]
    fn unknown_where_rules_cannot_be_read() {
        let one = judge_one(&Alerts, &refused(state(vec![]), EventRules, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["events:ListRules"]));
    }
}
