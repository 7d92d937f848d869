//! The alarms: they tell when Keepwatch itself cannot.

use keepwatch_base::text::shell_word;
use keepwatch_collect::Fault;
use keepwatch_collect::deployed::Alarm;
use serde_json::json;

use super::line::{Line, known};
use super::template::{Names, Template, Wanted};

const CHECK: &str = "alarms";

/// The alarms that a stack should have.
///
/// # Errors
/// A template that cannot be read.
pub(super) fn wanted(template: &Template, names: &Names) -> anyhow::Result<Vec<Wanted>> {
    template.of_type("AWS::CloudWatch::Alarm", names)
}

pub(super) fn judge(wanted: &[Wanted], found: Result<&[Alarm], &Fault>, names: &Names) -> Vec<Line> {
    let found = known!(found, CHECK, "the alarms");
    let region = &names.region;
    let mut lines = Vec::new();
    for alarm in wanted {
        let Some(name) = names.physical(&alarm.id) else {
            lines.push(Line::fail(CHECK, format!("the stack has no alarm {}", alarm.id)).mend("make deploy"));
            continue;
        };
        let Some(there) = found.iter().find(|one| one.name == name) else {
            lines.push(Line::fail(CHECK, format!("{name} is gone")).mend(put(alarm, name, region)));
            continue;
        };
        let actions = alarm.properties["AlarmActions"].as_array().cloned().unwrap_or_default();
        let told = actions.iter().filter_map(|arn| arn.as_str());
        if !there.enabled {
            let command =
                format!("aws cloudwatch enable-alarm-actions --region {region} --alarm-names {name}");
            lines.push(
                Line::fail(CHECK, format!("{name} rings and tells nobody: its actions are off"))
                    .mend(command),
            );
        }
        if !told.clone().all(|arn| there.actions.iter().any(|own| own == arn)) {
            let text = format!("{name} does not tell the operations topic");
            lines.push(Line::fail(CHECK, text).mend(put(alarm, name, region)));
        }
        if there.state == "ALARM" {
            let about = alarm.properties["AlarmDescription"].as_str().unwrap_or_default();
            let command = format!(
                "aws cloudwatch describe-alarm-history --region {region} --alarm-name {name} --max-items 5"
            );
            lines.push(Line::warn(CHECK, format!("{name} rings: {about}")).mend(command));
        }
    }
    if lines.is_empty() {
        lines.push(Line::ok(CHECK, format!("{} alarms are there, act and are quiet", wanted.len())));
    }
    lines
}

/// The alarm as the template has it. CloudFormation and CloudWatch call its parts the same.
fn put(alarm: &Wanted, name: &str, region: &str) -> String {
    let mut input = alarm.properties.clone();
    input["AlarmName"] = json!(name);
    let input = shell_word(&input.to_string());
    format!("aws cloudwatch put-metric-alarm --region {region} --cli-input-json {input}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing;
    use crate::doctor::line::tests::{only, refused};
    use crate::doctor::template::{HOME, names_for_tests};

    const DEAD_LETTERS: &str = "keepwatch-DeadLetters-1A";

    fn broken(how: impl Fn(&mut Vec<Alarm>), standing: Standing) -> Line {
        let names = names_for_tests(HOME, &[]);
        let wanted = wanted(&Template::read(HOME).unwrap(), &names).unwrap();
        let ops = names.physical("OpsTopic").unwrap();
        let made = |alarm: &Wanted| Alarm {
            name: names.physical(&alarm.id).unwrap().to_owned(),
            enabled: true,
            actions: vec![ops.to_owned()],
            state: "OK".to_owned(),
        };
        let mut found: Vec<Alarm> = wanted.iter().map(made).collect();
        only(&judge(&wanted, Ok(&found), &names), Standing::Ok);
        how(&mut found);
        only(&judge(&wanted, Ok(&found), &names), standing).clone()
    }

    fn dead_letters(found: &mut [Alarm]) -> &mut Alarm {
        found.iter_mut().find(|alarm| alarm.name == DEAD_LETTERS).unwrap()
    }

    #[test]
    fn an_alarm_that_tells_nobody_is_named() {
        let line = broken(|found| dead_letters(found).enabled = false, Standing::Fail);
        let command =
            format!("aws cloudwatch enable-alarm-actions --region us-east-1 --alarm-names {DEAD_LETTERS}");
        assert_eq!(line.mend, Some(command));
        let line = broken(|found| dead_letters(found).actions.clear(), Standing::Fail);
        // The description names a page, whose full stop is quoted on its own; the shell joins it again.
        let command = line.mend.unwrap().replace('\'', "");
        assert!(command.contains("\"AlarmActions\":[\"arn:aws:sns:"), "{command}");
    }

    #[test]
    fn an_alarm_that_is_gone_is_made_again() {
        let line = broken(|found| found.retain(|alarm| alarm.name != DEAD_LETTERS), Standing::Fail);
        let command = line.mend.unwrap();
        assert!(
            command.contains("ApproximateNumberOfMessagesVisible") && command.contains(DEAD_LETTERS),
            "{command}"
        );
    }

    #[test]
    fn an_alarm_that_rings_is_worth_a_look() {
        let line = broken(|found| dead_letters(found).state = "ALARM".to_owned(), Standing::Warn);
        assert!(line.text.contains("was given up and is not judged"), "{}", line.text);
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let names = names_for_tests(HOME, &[]);
        let lines = judge(&[], Err(&refused("cloudwatch:DescribeAlarms")), &names);
        assert!(only(&lines, Standing::Warn).text.contains("cloudwatch:DescribeAlarms"));
    }
}
