//! EventBridge.

use keepwatch_core::posture::facts::events::{EventRule, Target};

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::{LIST_RULES, LIST_TARGETS};

/// What a pattern names that some check asks about, whole or by its end: only such rules have their targets counted.
const TELLING: [&str; 3] = ["aws.health", "aws.trustedadvisor", "via CloudTrail"];

pub(super) async fn rules(client: &Client, region: &str) -> Result<Vec<EventRule>, Fault> {
    let mut rules = Vec::new();
    for page in client.pages(&LIST_RULES, region, Input::none()).await? {
        for node in page.all("Rules") {
            let pattern = node.text("EventPattern");
            let name = node.need("Name")?;
            let telling = pattern.as_ref().is_some_and(|text| TELLING.iter().any(|word| text.contains(word)));
            let sends = if telling { Some(targets(client, region, &name).await?) } else { None };
            let state = node.text("State").unwrap_or_default();
            rules.push(EventRule {
                arn: node.need("Arn")?,
                name,
                // `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is on as well.
                enabled: state.starts_with("ENABLED"),
                reads: state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
                pattern,
                targets: sends.as_ref().map(|all| u32::try_from(all.len()).unwrap_or(u32::MAX)),
                sends: sends.unwrap_or_default(),
            });
        }
    }
    Ok(rules)
}

async fn targets(client: &Client, region: &str, rule: &str) -> Result<Vec<Target>, Fault> {
    let found = client.pages(&LIST_TARGETS, region, Input::none().member("Rule", rule)).await;
    let pages = match found {
        // The rule was deleted after it was listed: it has no targets any more.
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(Vec::new()),
        other => other?,
    };
    pages.iter().flat_map(|page| page.all("Targets")).map(target).collect()
}

/// A target, as `ListTargetsByRule` tells of it.
pub(crate) fn target(node: &Node) -> Result<Target, Fault> {
    let (max_age, retries) = Target::RETRIES;
    let mut instead = std::collections::BTreeMap::new();
    for path in ["Input", "InputPath", "InputTransformer/InputTemplate"] {
        instead.extend(node.text(path).map(|text| (path.to_owned(), text)));
    }
    let paths = "InputTransformer/InputPathsMap";
    for (name, value) in node.at(paths).into_iter().flat_map(Node::entries) {
        instead.extend(value.own_text().map(|text| (format!("{paths}/{name}"), text.to_owned())));
    }
    Ok(Target {
        arn: node.need("Arn")?,
        role: node.text("RoleArn"),
        instead,
        dead_letters: node.text("DeadLetterConfig/Arn"),
        max_age: node.number("RetryPolicy/MaximumEventAgeInSeconds")?.unwrap_or(max_age),
        retries: node.number("RetryPolicy/MaximumRetryAttempts")?.unwrap_or(retries),
    })
}

#[cfg(test)]
mod tests {
    use super::TELLING;

    /// Otherwise nobody would notice that a forwarder sends its events elsewhere.
    #[test]
    fn the_targets_of_each_rule_of_a_forwarder_are_read() {
        let template = include_str!("../../../../infra/forwarder.yaml");
        let rules = template.split("Type: AWS::Events::Rule").skip(1);
        let patterns: Vec<&str> = rules
            .filter_map(|rule| rule.split_once("EventPattern:"))
            .filter_map(|(_, rest)| rest.split_once("Targets:"))
            .map(|(pattern, _)| pattern)
            .collect();
        assert!(patterns.len() > 14, "{}", patterns.len());
        for pattern in patterns {
            assert!(TELLING.iter().any(|word| pattern.contains(word)), "{pattern}");
        }
    }
}
