//! Writes the EventBridge rules of template.yaml, and the same for the forwarders of other regions, from what the rules listen
//! to; and from the questions of the checks the event rules of the re-check and what the scan's role may do. What a rule listens
//! to and a check asks is written once, in its file; these blocks are the only other places that know it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use keepwatch_base::hash::short_hash;
use keepwatch_checks::plan;
use keepwatch_checks::registry::CHECKS;
use keepwatch_core::engine::patterns::{
    EventRule, event_rules, forwarder_rules, not_brought, own_rules_pattern, recheck_rules,
};
use keepwatch_core::posture::changes::calls;
use keepwatch_core::posture::forwarders::fingerprint;
use keepwatch_rules::registry::RULES;
use serde_json::{Value, json};

const BEGIN: &str = "  # begin generated event rules (make patterns); do not edit by hand\n";
const END: &str = "  # end generated event rules\n";

/// The same rules in the policy of the queues, which lets no other rule send.
const BEGIN_ARNS: &str =
    "                  # begin generated rule ARNs (make patterns); do not edit by hand\n";
const END_ARNS: &str = "                  # end generated rule ARNs\n";

/// The rules that bring a re-check what it listens to, in the template and in the policy of the queues.
const BEGIN_RECHECK: &str = "  # begin generated re-check rules (make patterns); do not edit by hand\n";
const END_RECHECK: &str = "  # end generated re-check rules\n";
const BEGIN_RECHECK_ARNS: &str =
    "                  # begin generated re-check rule ARNs (make patterns); do not edit by hand\n";
const END_RECHECK_ARNS: &str = "                  # end generated re-check rule ARNs\n";

/// The same on the bus of the forwarders.
const BEGIN_FORWARDED: &str =
    "  # begin generated re-check rules of other regions (make patterns); do not edit by hand\n";
const END_FORWARDED: &str = "  # end generated re-check rules of other regions\n";

/// What the scan's role may do.
const BEGIN_ACTIONS: &str =
    "                  # begin generated scan actions (make patterns); do not edit by hand\n";
const END_ACTIONS: &str = "                  # end generated scan actions\n";

/// A forwarder's heartbeat, whose name tells which rules the forwarder has.
const BEGIN_VERSION: &str = "      # begin generated version (make patterns); do not edit by hand\n";
const END_VERSION: &str = "      # end generated version\n";

/// Where the rules of a template stand and where they send.
struct Home {
    /// Whose name begins the rules' names: `AWS::StackName`, or a parameter.
    stack: &'static str,
    /// What has to be there before a rule sends.
    after: &'static str,
    /// The target: its id, and the rest of it.
    target: &'static str,
    /// Who gets what cannot be sent.
    dead_letters: &'static str,
    /// The bus that the rules listen to, where it is not the default one, and what their logical ids begin with.
    bus: Option<(&'static str, &'static str)>,
}

/// The stack with the intake queue.
const HOME: Home = Home {
    stack: "AWS::StackName",
    after: "QueuePolicy",
    target: "        - Id: intake\n          Arn: !GetAtt IntakeQueue.Arn\n",
    dead_letters: "DeadLetterQueue",
    bus: None,
};

/// A region beside it.
const FORWARDER: Home = Home {
    stack: "HomeStack",
    after: GUARD,
    target: "        - Id: home\n          Arn: !Sub 'arn:${AWS::Partition}:events:${HomeRegion}:${HomeAccount}:event-bus/${HomeStack}-regions'\n          \
             RoleArn: !Sub 'arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${HomeStack}-forwarder'\n",
    dead_letters: "DeadLetters",
    bus: None,
};

/// The rule that a forwarder makes first and removes last: it hears that the others go, and that the stack does.
const GUARD: &str = "GuardRule";

/// What a re-check listens to.
const RECHECK: Home =
    Home { target: "        - Id: recheck\n          Arn: !GetAtt RecheckQueue.Arn\n", ..HOME };

/// And what it listens to of what the forwarders send.
const FORWARDED: Home = Home { bus: Some(("RegionsBus", "Regions")), ..RECHECK };

/// EventBridge refuses a longer pattern (quota "event pattern size"). The limit counts the JSON as it is sent.
const LONGEST_PATTERN: usize = 2_048;

/// How wide a line of the template is.
const WIDTH: usize = 120;

/// The members of a pattern, from the envelope inwards; others follow as the rules gave them.
const ORDER: [&str; 5] = ["source", "detail-type", "detail", "eventSource", "eventName"];

/// # Errors
/// A template without the markers or that cannot be written, and patterns that EventBridge refuses.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<ExitCode> {
    // CloudFormation puts the name of the stack in.
    let rules = event_rules(RULES, "${AWS::StackName}");
    write(&root.join("template.yaml"), check, |text| with_checks(&at_home(text, &rules)?))?;
    let rules = event_rules(RULES, "${HomeStack}");
    let beside = recheck_rules(&not_brought(calls(plan::questions(CHECKS)), &rules));
    let rules: Vec<EventRule> =
        rules.into_iter().chain(beside).chain(forwarder_rules("${HomeStack}")).collect();
    let forwarder = root.join("infra/forwarder.yaml");
    let mut version = String::new();
    write(&forwarder, check, |text| {
        let (text, made) = forwarding(text, &rules)?;
        version = made;
        Ok(text)
    })?;
    write(&root.join("shared/core/src/regions/rules.json"), check, |_| expected(&rules, &version))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a template anew, or complains where it is not as it would be written.
fn write(
    template: &Path,
    check: bool,
    rewritten: impl FnOnce(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let before =
        fs::read_to_string(template).with_context(|| format!("cannot read {}", template.display()))?;
    let after = rewritten(&before)?;
    let name = template.file_name().unwrap_or_default().to_string_lossy();
    if check {
        ensure!(before == after, "{name} is not what the rules ask for. Run: make patterns");
    } else if before != after {
        fs::write(template, &after).with_context(|| format!("cannot write {}", template.display()))?;
    }
    let state = if before == after { "unchanged" } else { "rewritten" };
    anstream::println!("{name}: {state}");
    Ok(())
}

/// template.yaml with the blocks of the rules made anew.
fn at_home(template: &str, rules: &[EventRule]) -> anyhow::Result<String> {
    replaced(&replaced(template, BEGIN_ARNS, END_ARNS, &arns(rules))?, BEGIN, END, &block(rules, &HOME)?)
}

/// template.yaml with the blocks of the checks made anew.
fn with_checks(template: &str) -> anyhow::Result<String> {
    let rechecks = recheck_rules(&calls(plan::questions(CHECKS)));
    let after = replaced(template, BEGIN_RECHECK_ARNS, END_RECHECK_ARNS, &arns(&rechecks))?;
    let after = replaced(&after, BEGIN_RECHECK, END_RECHECK, &block(&rechecks, &RECHECK)?)?;
    let after = replaced(&after, BEGIN_FORWARDED, END_FORWARDED, &block(&rechecks, &FORWARDED)?)?;
    let actions = plan::deployed_actions(CHECKS);
    let actions: String = actions.iter().map(|action| format!("                  - {action}\n")).collect();
    replaced(&after, BEGIN_ACTIONS, END_ACTIONS, &actions)
}

/// The ARNs of these event rules, as the policy of the queues names them.
fn arns(rules: &[EventRule]) -> String {
    let mut arns = String::new();
    for EventRule { name, .. } in rules {
        let _ = writeln!(
            arns,
            "                  - !Sub 'arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/\
             ${{AWS::StackName}}-{name}'"
        );
    }
    arns
}

/// infra/forwarder.yaml with its generated blocks made anew, and its version.
fn forwarding(template: &str, rules: &[EventRule]) -> anyhow::Result<(String, String)> {
    let block = block(rules, &FORWARDER)?;
    let version = short_hash(&[&block]);
    let name = format!("      Name: !Sub '${{HomeStack}}-heartbeat-{version}'\n");
    Ok((replaced(&replaced(template, BEGIN_VERSION, END_VERSION, &name)?, BEGIN, END, &block)?, version))
}

/// What a scan compares the forwarders with.
fn expected(rules: &[EventRule], version: &str) -> anyhow::Result<String> {
    let of =
        |rule: &EventRule| json!({"pattern": fingerprint(&rule.pattern), "reads": rule.state != "ENABLED"});
    let mut expected: serde_json::Map<String, Value> =
        rules.iter().map(|rule| (rule.name.clone(), of(rule))).collect();
    // A parameter of the stack decides whether it is there and whether it hears read-only calls.
    let own = json!({"pattern": fingerprint(&own_rules_pattern()), "optional": true});
    expected.insert("own-rules".to_owned(), own);
    Ok(serde_json::to_string_pretty(&json!({"version": version, "rules": expected}))? + "\n")
}

fn block(rules: &[EventRule], home: &Home) -> anyhow::Result<String> {
    let mut block = "\n".to_owned();
    for rule in rules {
        write_rule(&mut block, rule, home)?;
    }
    Ok(block)
}

/// The text with another block between its markers, each of which it must hold once.
fn replaced(text: &str, begin: &str, end: &str, block: &str) -> anyhow::Result<String> {
    let parts = text.split_once(begin).and_then(|(head, rest)| Some((head, rest.split_once(end)?.1)));
    let (head, tail) =
        parts.with_context(|| format!("the template lacks the marker {} or its end", begin.trim()))?;
    ensure!(!tail.contains(begin) && !tail.contains(end), "the template holds {} twice", begin.trim());
    Ok(format!("{head}{begin}{block}{end}{tail}"))
}

fn write_rule(
    out: &mut String,
    EventRule { name, state, pattern }: &EventRule,
    home: &Home,
) -> anyhow::Result<()> {
    let size = pattern.to_string().chars().count();
    ensure!(
        size <= LONGEST_PATTERN,
        "{name}: the pattern has {size} characters; EventBridge takes {LONGEST_PATTERN}"
    );
    // In the plain state EventBridge withholds every call whose name begins with Get, List or Describe.
    let why = if *state == "ENABLED" { "" } else { " # read-only calls too" };
    let Home { stack, after, target, dead_letters, bus } = home;
    let id = format!("{}{}", bus.map_or("", |(_, prefix)| prefix), logical_id(name));
    let after = if id == *after { "DeadLettersPolicy" } else { after };
    let bus = bus.map(|(bus, _)| format!("      EventBusName: !Ref {bus}\n")).unwrap_or_default();
    let _ = write!(
        out,
        "  {id}:\n    Type: AWS::Events::Rule\n    DependsOn: {after}\n    Properties:\n      Name: !Sub '${{{stack}}}-{name}'\n{bus}      \
         State: {state}{why}\n      EventPattern:\n"
    );
    write_members(out, pattern, 8);
    let _ = write!(
        out,
        "      Targets:\n{target}          RetryPolicy: {{MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185}}\n          \
         DeadLetterConfig: {{Arn: !GetAtt {dead_letters}.Arn}}\n\n"
    );
    Ok(())
}

/// `trusted-advisor` becomes `TrustedAdvisorRule`.
fn logical_id(name: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(capital).collect::<String>() + "Rule"
}

/// The members of a pattern as YAML: lists on one line, or broken between their items where they are too long for it.
fn write_members(out: &mut String, pattern: &Value, indent: usize) {
    let rank = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut members: Vec<(&String, &Value)> = pattern.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(key, _)| rank(key));
    for (key, value) in members {
        let line = format!("{:indent$}{key}: {}", "", flow(value));
        match value {
            Value::Object(_) => {
                let _ = writeln!(out, "{:indent$}{key}:", "");
                write_members(out, value, indent + 2);
            }
            Value::Array(items) if line.chars().count() > WIDTH => {
                let _ = writeln!(out, "{:indent$}{key}: [", "");
                write_items(out, items, indent + 2);
                let _ = writeln!(out, "{:indent$}]", "");
            }
            _ => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
}

fn write_items(out: &mut String, items: &[Value], indent: usize) {
    let mut line = String::new();
    for (i, item) in items.iter().enumerate() {
        let comma = if i + 1 < items.len() { "," } else { "" };
        let word = format!("{}{comma}", flow(item));
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{:indent$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    let _ = writeln!(out, "{:indent$}{line}", "");
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) if is_plain(text) => text.clone(),
        // The name of the home stack, which CloudFormation puts in.
        Value::String(text) if text.contains("${") => format!("!Sub '{text}'"),
        other => other.to_string().chars().fold(String::new(), ascii),
    }
}

/// What is not ASCII is escaped, in the form that JSON and YAML share.
fn ascii(mut out: String, c: char) -> String {
    if c.is_ascii() {
        out.push(c);
    } else {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Whether YAML reads the text back as the same text without quotes, where it might see a number, a boolean or an indicator.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = |c: char| c.is_alphanumeric() || "_./ -".contains(c);
    text.starts_with(char::is_alphabetic)
        && text.chars().all(plain)
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_eventbridge_would_refuse_is_refused() {
        let rule = EventRule {
            name: "a".to_owned(),
            state: "ENABLED",
            pattern: json!({"source": ["x".repeat(2_048)]}),
        };
        let template = format!("{BEGIN_ARNS}{END_ARNS}{BEGIN}{END}");
        assert!(at_home(&template, &[rule]).unwrap_err().to_string().contains("characters"));
        assert!(at_home("no markers", &[]).is_err());
        assert!(at_home(&format!("{template}{template}"), &[]).is_err());
    }

    #[test]
    fn texts_are_quoted_where_yaml_would_see_something_else() {
        assert_eq!(
            flow(&json!(["aws.iam", "true", "12", "*", "a: b"])),
            r#"[aws.iam, "true", "12", "*", "a: b"]"#
        );
        assert_eq!(flow(&json!([{"prefix": "aws."}, false])), "[{prefix: aws.}, false]");
        assert_eq!(flow(&json!("a – b")), r#""a \u2013 b""#);
    }

    #[test]
    fn a_forwarder_has_the_same_rules_and_a_name_for_them() {
        let template = format!("{BEGIN_VERSION}{END_VERSION}{BEGIN}{END}");
        let rule = |source: &str| EventRule {
            name: "all-calls".to_owned(),
            state: "ENABLED",
            pattern: json!({"source": [source]}),
        };
        let (out, _) = forwarding(&template, &[rule("aws.iam")]).unwrap();
        assert!(out.contains("      Name: !Sub '${HomeStack}-all-calls'\n"), "{out}");
        assert!(out.contains("event-bus/${HomeStack}-regions'\n"), "{out}");
        let version = |text: &str| text.split("-heartbeat-").nth(1).unwrap()[..16].to_owned();
        let (other, _) = forwarding(&template, &[rule("aws.kms")]).unwrap();
        assert_ne!(version(&out), version(&other));
        let again = (out.clone(), version(&out));
        assert_eq!(forwarding(&other, &[rule("aws.iam")]).unwrap(), again);
    }

    #[test]
    fn the_rest_of_the_template_stays_as_it_is() {
        let template = format!("{BEGIN_ARNS}old{END_ARNS}before\n{BEGIN}old\n{END}after\n");
        let rule = EventRule {
            name: "all-calls".to_owned(),
            state: "ENABLED",
            pattern: json!({"source": ["aws.iam"]}),
        };
        let out = at_home(&template, &[rule]).unwrap();
        assert!(out.contains("before\n") && out.ends_with("after\n") && !out.contains("old"), "{out}");
        assert!(out.contains(":rule/${AWS::StackName}-all-calls'\n"), "{out}");
        assert!(out.contains("  AllCallsRule:\n") && out.contains("        source: [aws.iam]\n"), "{out}");
    }
}
