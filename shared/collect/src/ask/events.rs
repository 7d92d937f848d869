//! EventBridge.

use keepwatch_core::posture::facts::events::EventRule;

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::operation::{LIST_RULES, LIST_TARGETS};

/// What a pattern names that some check asks about: only such rules have their targets counted.
const TELLING: [&str; 3] = ["aws.health", "aws.trustedadvisor", "AWS API Call via CloudTrail"];

pub(super) async fn rules(client: &Client, region: &str) -> Result<Vec<EventRule>, Fault> {
    let mut rules = Vec::new();
    for page in client.pages(&LIST_RULES, region, Input::none()).await? {
        for node in page.all("Rules") {
            let pattern = node.text("EventPattern");
            let name = node.need("Name")?;
            let telling = pattern.as_ref().is_some_and(|text| TELLING.iter().any(|word| text.contains(word)));
            let to = if telling { Some(targets(client, region, &name).await?) } else { None };
            let state = node.text("State").unwrap_or_default();
            rules.push(EventRule {
                arn: node.need("Arn")?,
                name,
                // `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS` is on as well.
                enabled: state.starts_with("ENABLED"),
                reads: state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
                pattern,
                targets: to.as_ref().map(|to| u32::try_from(to.len()).unwrap_or(u32::MAX)),
                to: to.unwrap_or_default(),
            });
        }
    }
    Ok(rules)
}

async fn targets(client: &Client, region: &str, rule: &str) -> Result<Vec<String>, Fault> {
    let found = client.pages(&LIST_TARGETS, region, Input::none().member("Rule", rule)).await;
    let pages = match found {
        // The rule was deleted after it was listed: it has no targets any more.
        Err(fault) if fault.is(&["ResourceNotFoundException"]) => return Ok(Vec::new()),
        other => other?,
    };
    pages.iter().flat_map(|page| page.all("Targets")).map(|target| target.need("Arn")).collect()
}
