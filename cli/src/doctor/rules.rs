//! The stack's event rules: are they there, on, and do they hear what they should and send it where they should?

use std::collections::{BTreeMap, BTreeSet};

use keepwatch_base::text::shell_word;
use keepwatch_collect::deployed::{FoundRule, event_rules};
use keepwatch_collect::{Client, Fault};
use keepwatch_core::posture::facts::events::Target;
use serde_json::{Value, json};

use super::line::{Line, known};
use super::template::{Names, Template};

const CHECK: &str = "rules";

/// An event rule that should be there.
#[derive(Clone, Debug)]
pub(crate) struct WantedRule {
    pub(crate) name: String,
    /// Its bus, where it is not the default one.
    bus: Option<String>,
    state: String,
    pub(crate) pattern: Option<Value>,
    schedule: Option<String>,
    /// Its targets, as `PutTargets` takes them.
    targets: Vec<Value>,
}

/// The event rules that a stack should have.
///
/// # Errors
/// A template that cannot be read.
pub(crate) fn wanted(template: &Template, names: &Names) -> anyhow::Result<Vec<WantedRule>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = template.of_type("AWS::Events::Rule", names)?;
    Ok(all
        .into_iter()
        .map(|rule| {
            let own = &rule.properties;
            WantedRule {
                name: text(&own["Name"]).unwrap_or(rule.id),
                bus: text(&own["EventBusName"]),
                state: text(&own["State"]).unwrap_or_else(|| "ENABLED".to_owned()),
                pattern: own.get("EventPattern").cloned(),
                schedule: text(&own["ScheduleExpression"]),
                targets: own["Targets"].as_array().cloned().unwrap_or_default(),
            }
        })
        .collect())
}

/// The event rules of these buses, as they stand.
///
/// # Errors
/// [`Fault`] of any bus.
pub(crate) async fn found(
    client: &Client,
    names: &Names,
    wanted: &[WantedRule],
    prefix: &str,
) -> Result<Vec<FoundRule>, Fault> {
    let buses: BTreeSet<Option<&str>> = wanted.iter().map(|rule| rule.bus.as_deref()).collect();
    let mut all = Vec::new();
    for bus in buses {
        all.extend(event_rules(client, &names.region, bus, prefix).await?);
    }
    Ok(all)
}

/// Judges the rules of a region. Where the stack is of another version than this program, other rules are no fault of its
/// own: one line says so.
pub(crate) fn judge(
    wanted: &[WantedRule],
    found: Result<&[FoundRule], &Fault>,
    region: &str,
    same_version: bool,
) -> Vec<Line> {
    let found = known!(found, CHECK, "the event rules");
    let mut lines = Vec::new();
    let mut other_version = 0;
    for rule in wanted {
        let name = &rule.name;
        let Some(there) = found.iter().find(|one| one.name == *name) else {
            if same_version {
                let line = Line::fail(CHECK, format!("{name} in {region} is gone: what it hears is lost"));
                lines.push(line.mend(format!("{} && {}", rule.put(region), rule.put_targets(region))));
            } else {
                other_version += 1;
            }
            continue;
        };
        let on = there.state.starts_with("ENABLED");
        if !on {
            let line = Line::fail(CHECK, format!("{name} in {region} is off: what it hears is lost"));
            lines.push(line.mend(rule.enable(region)));
        }
        if there.pattern != rule.pattern
            || there.schedule != rule.schedule
            || (on && there.state != rule.state)
        {
            if same_version {
                let line = Line::fail(CHECK, format!("{name} in {region} does not hear what it should"));
                lines.push(line.mend(rule.put(region)));
            } else {
                other_version += 1;
            }
        }
        if let Some(wrong) = rule.targets.iter().find_map(|wanted| misled(wanted, &there.targets)) {
            let line = Line::fail(CHECK, format!("{name} in {region} {wrong}"));
            lines.push(line.mend(rule.put_targets(region)));
        }
    }
    if other_version > 0 {
        let text = format!("{other_version} event rules in {region} are not those of this version");
        lines.push(Line::warn(CHECK, text).mend("make deploy"));
    }
    if lines.is_empty() {
        let text =
            format!("{} event rules in {region} are on, hear what they should and send it on", wanted.len());
        lines.push(Line::ok(CHECK, text));
    }
    lines
}

/// In what the targets of a rule differ from one that it should have, as the template has it.
fn misled(wanted: &Value, targets: &[Target]) -> Option<&'static str> {
    let text = |name: &str| wanted[name].as_str();
    let Some(there) = targets.iter().find(|target| text("Arn") == Some(target.arn.as_str())) else {
        return Some("sends to nobody, or not to whom it should");
    };
    let transformer = &wanted["InputTransformer"];
    let mut instead: BTreeMap<String, &str> = BTreeMap::new();
    for name in ["Input", "InputPath"] {
        instead.extend(text(name).map(|value| (name.to_owned(), value)));
    }
    let template = transformer["InputTemplate"].as_str();
    instead.extend(template.map(|value| ("InputTransformer/InputTemplate".to_owned(), value)));
    for (name, path) in transformer["InputPathsMap"].as_object().into_iter().flatten() {
        instead.extend(path.as_str().map(|path| (format!("InputTransformer/InputPathsMap/{name}"), path)));
    }
    let number = |name: &str, default: u32| {
        wanted["RetryPolicy"][name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
    };
    let (max_age, retries) = Target::RETRIES;
    let tries = (number("MaximumEventAgeInSeconds", max_age), number("MaximumRetryAttempts", retries));
    if !there
        .instead
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .eq(instead.iter().map(|(name, value)| (name.as_str(), *value)))
    {
        Some("sends something else than it should")
    } else if there.role.as_deref() != text("RoleArn") {
        Some("sends with another role than it should")
    } else if there.dead_letters.as_deref() != wanted["DeadLetterConfig"]["Arn"].as_str() {
        Some("gives up what it cannot send to another queue than it should, or to none")
    } else if (there.max_age, there.retries) != tries {
        Some("does not try to send for as long as it should")
    } else {
        None
    }
}

impl WantedRule {
    fn enable(&self, region: &str) -> String {
        match (self.state.as_str(), &self.bus) {
            // `EnableRule` knows no other state.
            ("ENABLED", None) => format!("aws events enable-rule --region {region} --name {}", self.name),
            _ => self.put(region),
        }
    }

    fn put(&self, region: &str) -> String {
        let mut command =
            format!("aws events put-rule --region {region} --name {} --state {}", self.name, self.state);
        if let Some(bus) = &self.bus {
            command.push_str(&format!(" --event-bus-name {bus}"));
        }
        if let Some(pattern) = &self.pattern {
            command.push_str(&format!(" --event-pattern {}", shell_word(&pattern.to_string())));
        }
        if let Some(schedule) = &self.schedule {
            command.push_str(&format!(" --schedule-expression {}", shell_word(schedule)));
        }
        command
    }

    fn put_targets(&self, region: &str) -> String {
        let bus = self.bus.as_ref().map(|bus| format!(" --event-bus-name {bus}")).unwrap_or_default();
        let targets = shell_word(&json!(self.targets).to_string());
        format!("aws events put-targets --region {region} --rule {}{bus} --targets {targets}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing;
    use crate::doctor::line::tests::{only, refused};
    use crate::doctor::template::{FORWARDER, HOME, names_for_tests};

    fn home() -> Vec<WantedRule> {
        wanted(&Template::read(HOME).unwrap(), &names_for_tests(HOME, &[])).unwrap()
    }

    /// As `ListTargetsByRule` tells of it.
    fn sent(target: &Value) -> Target {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (name, transformer) = (|name: &str| name.to_owned(), &target["InputTransformer"]);
        let mut instead = BTreeMap::new();
        instead.extend(text(&target["Input"]).map(|value| (name("Input"), value)));
        instead.extend(
            text(&transformer["InputTemplate"]).map(|it| (name("InputTransformer/InputTemplate"), it)),
        );
        for (key, path) in transformer["InputPathsMap"].as_object().into_iter().flatten() {
            instead.insert(format!("InputTransformer/InputPathsMap/{key}"), text(path).unwrap());
        }
        let number = |key: &str| target["RetryPolicy"][key].as_u64().map(|n| u32::try_from(n).unwrap());
        let plain = Target::plain(text(&target["Arn"]).unwrap());
        Target {
            role: text(&target["RoleArn"]),
            instead,
            dead_letters: text(&target["DeadLetterConfig"]["Arn"]),
            max_age: number("MaximumEventAgeInSeconds").unwrap_or(plain.max_age),
            retries: number("MaximumRetryAttempts").unwrap_or(plain.retries),
            ..plain
        }
    }

    /// As CloudFormation would have made them.
    fn made(wanted: &[WantedRule]) -> Vec<FoundRule> {
        let made = |rule: &WantedRule| FoundRule {
            name: rule.name.clone(),
            state: rule.state.clone(),
            pattern: rule.pattern.clone(),
            schedule: rule.schedule.clone(),
            targets: rule.targets.iter().map(sent).collect(),
        };
        wanted.iter().map(made).collect()
    }

    fn broken(name: &str, how: impl Fn(&mut FoundRule)) -> Line {
        let wanted = home();
        let mut found = made(&wanted);
        only(&judge(&wanted, Ok(&found), "us-east-1", true), Standing::Ok);
        how(found.iter_mut().find(|rule| rule.name == name).unwrap());
        let lines = judge(&wanted, Ok(&found), "us-east-1", true);
        let line = only(&lines, Standing::Fail).clone();
        assert!(line.text.contains(name), "{}", line.text);
        line
    }

    #[test]
    fn as_deployed_all_is_well_at_home_and_elsewhere() {
        assert!(home().len() > 25);
        let names = names_for_tests(FORWARDER, &[("HomeAccount", "111122223333")]);
        let there = wanted(&Template::read(FORWARDER).unwrap(), &names).unwrap();
        only(&judge(&there, Ok(&made(&there)), "eu-west-1", true), Standing::Ok);
    }

    #[test]
    fn a_target_that_gets_something_else_or_loses_it_is_told() {
        type Change<'c> = &'c dyn Fn(&mut Target);
        let cases: [(&str, Change<'_>, &str); 7] = [
            (
                "keepwatch-calls-3",
                &|target| target.instead.extend([("Input".to_owned(), "{}".to_owned())]),
                "sends something else than it should",
            ),
            (
                "keepwatch-calls-3",
                &|target| target.instead.extend([("InputPath".to_owned(), "$.id".to_owned())]),
                "sends something else than it should",
            ),
            ("keepwatch-heartbeat", &|target| target.instead.clear(), "sends something else than it should"),
            (
                "keepwatch-own-stopped",
                &|target| {
                    target
                        .instead
                        .insert("InputTransformer/InputTemplate".to_owned(), "\"all is well\"".to_owned());
                },
                "sends something else than it should",
            ),
            (
                "keepwatch-calls-3",
                &|target| target.role = Some("arn:aws:iam::111122223333:role/powerless".to_owned()),
                "sends with another role",
            ),
            ("keepwatch-regions", &|target| target.dead_letters = None, "gives up what it cannot send"),
            ("keepwatch-calls-3", &|target| target.max_age = 60, "does not try to send for as long"),
        ];
        for (name, change, told) in cases {
            let line = broken(name, |rule| change(&mut rule.targets[0]));
            assert!(line.text.contains(told), "{}", line.text);
            assert!(line.mend.unwrap().contains("put-targets"));
        }
    }

    #[test]
    fn a_rule_that_is_off_has_the_command_that_puts_it_on() {
        let line = broken("keepwatch-calls-3", |rule| rule.state = "DISABLED".to_owned());
        assert_eq!(line.mend.unwrap(), "aws events enable-rule --region us-east-1 --name keepwatch-calls-3");
        let reads = broken("keepwatch-reads", |rule| rule.state = "DISABLED".to_owned()).mend.unwrap();
        assert!(
            reads.contains("put-rule") && reads.contains("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
            "{reads}"
        );
    }

    #[test]
    fn a_rule_that_hears_less_is_named() {
        let less = broken("keepwatch-calls-3", |rule| rule.pattern = Some(json!({"source": ["aws.ec2"]})));
        assert!(less.mend.unwrap().contains("--event-pattern"));
        broken("keepwatch-reads", |rule| rule.state = "ENABLED".to_owned());
        broken("keepwatch-sweep", |rule| rule.schedule = Some("rate(1 day)".to_owned()));
    }

    #[test]
    fn a_rule_that_sends_to_nobody_is_named() {
        let line = broken("keepwatch-calls-3", |rule| rule.targets.clear());
        let command = line.mend.unwrap();
        assert!(
            command.contains("keepwatch-IntakeQueue-1A") && command.contains("DeadLetterConfig"),
            "{command}"
        );
        broken("keepwatch-calls-3", |rule| {
            rule.targets = vec![Target::plain("arn:aws:sqs:us-east-1:111122223333:other")]
        });
        let elsewhere = broken("keepwatch-regions", |rule| rule.targets.clear()).mend.unwrap();
        assert!(elsewhere.contains("--event-bus-name keepwatch-RegionsBus-1A"), "{elsewhere}");
    }

    #[test]
    fn a_rule_that_is_gone_is_made_again() {
        let wanted = home();
        let mut found = made(&wanted);
        found.retain(|rule| rule.name != "keepwatch-heartbeat");
        let lines = judge(&wanted, Ok(&found), "us-east-1", true);
        let command = only(&lines, Standing::Fail).mend.clone().unwrap();
        assert!(command.contains("put-rule") && command.contains("&& aws events put-targets"), "{command}");
    }

    #[test]
    fn rules_of_another_version_are_one_warning() {
        let wanted = home();
        let mut found = made(&wanted);
        found.retain(|rule| rule.name != "keepwatch-calls-14");
        found[3].pattern = Some(json!({}));
        let lines = judge(&wanted, Ok(&found), "us-east-1", false);
        assert!(only(&lines, Standing::Warn).text.starts_with("2 event rules"), "{lines:?}");
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let lines = judge(&home(), Err(&refused("events:ListRules")), "us-east-1", true);
        assert!(only(&lines, Standing::Warn).text.contains("events:ListRules"));
    }
}
