//! EventBridge's rules, with their targets.

use futures_util::future::try_join_all;
use keepwatch_core::posture::facts::events::Target;
use serde_json::Value;

use crate::ask::events::target;
use crate::client::{Client, Input};
use crate::fault::{Fault, Otherwise as _};
use crate::operation::{LIST_RULES, LIST_TARGETS};

/// An event rule, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRule {
    /// Its name.
    pub name: String,
    /// `ENABLED`, `DISABLED` or `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`.
    pub state: String,
    /// Its pattern; nothing for a rule of a clock.
    pub pattern: Option<Value>,
    /// Its clock; nothing for a rule with a pattern.
    pub schedule: Option<String>,
    /// Its targets.
    pub targets: Vec<Target>,
}

/// The rules of a bus whose names begin so; the default bus where none is named. Nothing where there is no such bus.
///
/// # Errors
/// [`Fault`].
pub async fn event_rules(
    client: &Client,
    region: &str,
    bus: Option<&str>,
    prefix: &str,
) -> Result<Vec<FoundRule>, Fault> {
    let on_bus = |input: Input| match bus {
        Some(bus) => input.member("EventBusName", bus),
        None => input,
    };
    let input = on_bus(Input::none().member("NamePrefix", prefix));
    let pages =
        client.pages(&LIST_RULES, region, input).await.or_if(&["ResourceNotFoundException"], Vec::new())?;
    let mut rules = Vec::new();
    for node in pages.iter().flat_map(|page| page.all("Rules")) {
        let pattern = node.text("EventPattern").map(|text| serde_json::from_str(&text));
        rules.push(FoundRule {
            name: node.need("Name")?,
            state: node.text("State").unwrap_or_default(),
            pattern: pattern.transpose().map_err(Fault::unreadable)?,
            schedule: node.text("ScheduleExpression"),
            targets: Vec::new(),
        });
    }
    let targets = rules.iter().map(|rule| async {
        let input = on_bus(Input::none().member("Rule", rule.name.as_str()));
        let pages = client.pages(&LIST_TARGETS, region, input).await;
        // A rule that was deleted after it was listed.
        pages.or_if(&["ResourceNotFoundException"], Vec::new())
    });
    for (pages, rule) in try_join_all(targets).await?.into_iter().zip(&mut rules) {
        let all = pages.iter().flat_map(|page| page.all("Targets")).map(target);
        rule.targets = all.collect::<Result<_, _>>()?;
    }
    Ok(rules)
}
