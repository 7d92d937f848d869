//! The policies that the template writes on its queues, tables and topics, and what it denies its roles, to know them from
//! any other.
//!
//! They deny things, so that a policy which looks like them and spares one caller more is the way to plant events and
//! findings unseen. They are compared whole: each statement, and each value in it. `template.yaml` says what they are for;
//! `tests/template/test_resource_policies.py` sends them through the rule, as they are and changed in one place.

use keepwatch_policy::{Condition, Document, Effect, PrincipalKind, Statement};
use serde_json::Value;

use super::common::denies;
use crate::kit::prelude::*;

/// The template's event rules, by what follows the stack's name. A test compares them with those that `make patterns`
/// writes for the rules, and the template's tests with those that it writes for the checks.
pub(crate) const EVENT_RULES: [&str; 30] = [
    "all-calls",
    "calls-1",
    "calls-10",
    "calls-11",
    "calls-12",
    "calls-13",
    "calls-14",
    "calls-2",
    "calls-3",
    "calls-4",
    "calls-5",
    "calls-6",
    "calls-7",
    "calls-8",
    "calls-9",
    "findings",
    "heartbeat",
    "key-touched",
    "operator",
    "own-rules",
    "own-stopped",
    "own-touched",
    "policies-1",
    "policies-2",
    "reads",
    "recheck-1",
    "recheck-2",
    "recheck-3",
    "scan",
    "sweep",
];

/// The bus of the forwarders of other regions and the rule on it for the intake queue, by what follows the stack's name.
pub(super) const REGIONS: &str = "-regions";

/// What takes messages out of a queue, for good or for hours.
const TAKE: [&str; 4] =
    ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:ReceiveMessage"];

/// What writes items. Transactions are allowed and denied by the calls they consist of (DynamoDB developer guide, "Using IAM
/// with DynamoDB transactions").
const WRITE: [&str; 7] = [
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
];

/// The tables, and whose roles write them.
const WRITERS: [(&str, &[&str]); 3] = [
    ("FindingsTable", &["DetectRole", "NotifyRole", "OperatorRole", "ScanRole"]),
    ("JournalTable", &["DetectRole", "NotifyRole", "ScanRole"]),
    ("SettingsTable", &["OperatorRole"]),
];

/// The event rules that give up into the queues of invocations and of mails: they call a function or publish.
const CALLING_RULES: [&str; 5] = ["key-touched", "own-stopped", "own-touched", "scan", "sweep"];

/// The key of who calls.
const CALLER: &str = "aws:PrincipalArn";

/// The findings about Keepwatch itself, which the operator may not write. That a region has no forwarder is none: its owner may
/// mean it so.
const KEPT_FROM_OPERATOR: [&str; 4] =
    ["self-*", "forwarder.changed*", "forwarder.outdated*", "forwarder.silent*"];

/// One statement of a policy of the template.
struct Own<'o> {
    /// What it does, for a mail about a policy that lacks it.
    does: &'static str,
    effect: Effect,
    /// The service it is about; everybody where there is none.
    service: Option<&'static str>,
    actions: &'static [&'static str],
    resources: Vec<&'o str>,
    /// The operator of its keys; that of callers is always the same.
    operator: &'static str,
    /// The keys and their values.
    keys: Vec<(&'static str, Vec<&'o str>)>,
}

impl Own<'_> {
    fn is(&self, statement: &Statement) -> bool {
        let Statement { principals, not_principals, not_actions, not_resources, .. } = statement;
        let (kind, name) = match self.service {
            Some(service) => (PrincipalKind::Service, service),
            None => (PrincipalKind::Aws, "*"),
        };
        let whole = not_principals.is_none() && not_actions.is_none() && not_resources.is_none();
        let principal = matches!(&principals[..], [one] if one.kind == kind && one.value == name);
        let meets = |(key, values): &(&str, Vec<&str>)| {
            statement.conditions.iter().any(|Condition { operator, key: named, values: given }| {
                let of_key = if *key == CALLER { "ArnNotEquals" } else { self.operator };
                operator.eq_ignore_ascii_case(of_key)
                    && named.eq_ignore_ascii_case(key)
                    && same(given, values)
            })
        };
        whole
            && principal
            && statement.effect == self.effect
            && same(&statement.actions, self.actions)
            && same(&statement.resources, &self.resources)
            && statement.conditions.len() == self.keys.len()
            && self.keys.iter().all(meets)
    }
}

/// Whether both hold the same texts, in whatever order.
fn same(given: &[String], own: &[&str]) -> bool {
    given.len() == own.len() && own.iter().all(|text| given.iter().any(|one| one == text))
}

/// In what a policy on this queue differs from the template's; `None` where it is the template's.
pub(super) fn queue_differs(record: &Record<'_>, cx: &Cx<'_>, queue: &str, policy: &Value) -> Option<String> {
    let queues = [
        "IntakeQueue",
        "RecheckQueue",
        "DeadLetterQueue",
        "InvocationDeadLetterQueue",
        "MailDeadLetterQueue",
    ];
    let [Some(intake), Some(recheck), Some(events), Some(invocations), Some(mails)] =
        queues.map(|id| own_arn(cx, id))
    else {
        return Some(unknown());
    };
    // What has a policy together, and in it which queue takes mails, which are dead letters, who sends.
    let stack = &cx.config.stack;
    let rule = |rule: &str| record.arn("events", &format!("rule/{stack}-{rule}"));
    let (all, mails, dead, roles, mut rules): (Vec<_>, _, _, &[&str], Vec<_>) =
        if [invocations, mails].contains(&queue) {
            let all = vec![invocations, mails];
            (
                all.clone(),
                mails,
                all,
                &["NotifyRole", "ScanRole", "SecurityHubRole"],
                CALLING_RULES.map(rule).to_vec(),
            )
        } else if [intake, recheck, events].contains(&queue) {
            let roles = &["DetectRole", "NotifyRole", "OperatorRole", "ScanRole", "SecurityHubRole"];
            (vec![intake, recheck, events], events, vec![events], roles, EVENT_RULES.map(rule).to_vec())
        } else {
            // Of a stack that is only named after Keepwatch's.
            return Document::from_value(policy)
                .map_or_else(|error| Some(error.to_string()), |read| denies(&read));
        };
    let fed = all.contains(&intake);
    if fed {
        rules.push(record.arn("events", &format!("rule/{stack}{REGIONS}/{stack}-re*")));
    }
    let any_rule = record.arn("events", &format!("rule/{stack}-*"));
    let topics: Vec<&str> = ["AlertTopic", "OpsTopic"].iter().filter_map(|id| own_arn(cx, id)).collect();
    let roles = roles.iter().filter_map(|id| own_arn(cx, id));
    let senders = topics.iter().copied().chain(rules.iter().map(String::as_str)).collect();
    let send: &'static [&'static str] = &["sqs:SendMessage"];
    let taken_by = |does, queues, role| Own {
        does,
        effect: Effect::Deny,
        service: None,
        actions: &TAKE,
        resources: queues,
        operator: "ArnNotEquals",
        keys: vec![(CALLER, own_arn(cx, role).into_iter().collect())],
    };
    let mut own = vec![
        Own {
            does: "refuse calls without TLS",
            effect: Effect::Deny,
            service: None,
            actions: &["sqs:*"],
            resources: all.clone(),
            operator: "Bool",
            keys: vec![("aws:SecureTransport", vec!["false"])],
        },
        Own {
            does: "let events.amazonaws.com call sqs:SendMessage for all that is the stack's",
            effect: Effect::Allow,
            service: Some("events.amazonaws.com"),
            actions: send,
            resources: all.clone(),
            operator: "ArnLike",
            keys: vec![("aws:SourceArn", vec![&any_rule])],
        },
        Own {
            does: "let the topics give up what they cannot deliver",
            effect: Effect::Allow,
            service: Some("sns.amazonaws.com"),
            actions: send,
            resources: vec![mails],
            operator: "ArnEquals",
            keys: vec![("aws:SourceArn", topics.clone())],
        },
        Own {
            does: "keep everybody but the stack's own rules, topics and roles from sending",
            effect: Effect::Deny,
            service: None,
            actions: send,
            resources: all,
            operator: if fed { "ArnNotLike" } else { "ArnNotEquals" },
            keys: vec![(CALLER, roles.collect()), ("aws:SourceArn", senders)],
        },
        taken_by("keep everybody but the operator from taking dead letters", dead, "OperatorRole"),
    ];
    if fed {
        own.push(taken_by("keep everybody but detect from taking events", vec![intake], "DetectRole"));
        own.push(taken_by(
            "keep everybody but scan from taking what is to be looked at again",
            vec![recheck],
            "ScanRole",
        ));
    }
    differs(policy, &own)
}

/// In what a policy on this table differs from the template's; `None` where it is the template's.
pub(super) fn table_differs(cx: &Cx<'_>, table: &str, policy: &Value) -> Option<String> {
    let stack = &cx.config.stack;
    let known = WRITERS.iter().find(|(id, _)| table.starts_with(&format!("{stack}-{id}-")));
    let Some((_, roles)) = known else { return Some("the table is none of the template's".to_owned()) };
    let writers: Vec<&str> = roles.iter().filter_map(|role| own_arn(cx, role)).collect();
    if writers.len() != roles.len() {
        return Some(unknown());
    }
    let own = Own {
        does: "keep everybody but the stack's own roles from writing items",
        effect: Effect::Deny,
        service: None,
        actions: &WRITE,
        resources: vec!["*"],
        operator: "ArnNotEquals",
        keys: vec![(CALLER, writers)],
    };
    differs(policy, &[own])
}

/// The logical id in the template of the topic of this name; `None` where the template has none such.
pub(super) fn own_topic(cx: &Cx<'_>, name: &str) -> Option<&'static str> {
    ["AlertTopic", "OpsTopic"].into_iter().find(|id| name.starts_with(&format!("{}-{id}-", cx.config.stack)))
}

/// In what a policy on the topic of this logical id differs from the template's; `None` where it is the template's.
pub(super) fn topic_differs(
    record: &Record<'_>,
    cx: &Cx<'_>,
    (id, topic): (&str, &str),
    policy: &Value,
) -> Option<String> {
    let notify = own_arn(cx, "NotifyRole");
    let Some(notify) = notify.filter(|_| own_arn(cx, id) == Some(topic)) else { return Some(unknown()) };
    let publish = |does, effect, service, operator, keys| Own {
        does,
        effect,
        service,
        actions: &["sns:Publish"],
        resources: vec![topic],
        operator,
        keys,
    };
    let deny =
        |does, operator, key, value| publish(does, Effect::Deny, None, operator, vec![(key, vec![value])]);
    let tls = deny("refuse calls without TLS", "Bool", "aws:SecureTransport", "false");
    if id == "AlertTopic" {
        let others = "keep everybody but notify from publishing";
        return differs(policy, &[tls, deny(others, "ArnNotEquals", CALLER, notify)]);
    }
    let own = [
        tls,
        publish(
            "keep everybody but AWS's services and notify from publishing",
            Effect::Deny,
            None,
            "Bool",
            vec![("aws:PrincipalIsAWSService", vec!["false"]), (CALLER, vec![notify])],
        ),
        publish(
            "let cloudwatch.amazonaws.com call sns:Publish for all that is the stack's",
            Effect::Allow,
            Some("cloudwatch.amazonaws.com"),
            "StringEquals",
            vec![("aws:SourceAccount", vec![record.account()])],
        ),
        publish(
            "let events.amazonaws.com call sns:Publish for all that is the stack's",
            Effect::Allow,
            Some("events.amazonaws.com"),
            "",
            Vec::new(),
        ),
    ];
    differs(policy, &own)
}

/// Whether a statement in a role's policy of this name is what the template denies that role.
pub(super) fn is_own_denial(cx: &Cx<'_>, policy: &str, statement: &Statement) -> bool {
    let Some(queue) = own_arn(cx, "IntakeQueue").and_then(Arn::parse) else { return false };
    let Arn { partition, region, account, .. } = queue;
    let stack = &cx.config.stack;
    let whole = statement.not_actions.is_none() && statement.not_resources.is_none();
    let meets = |operator: &str, key: &str, values: &[&str]| {
        statement.conditions.iter().any(|one| {
            one.operator == operator && one.key.eq_ignore_ascii_case(key) && same(&one.values, values)
        })
    };
    let findings = format!("arn:{partition}:dynamodb:{region}:{account}:table/{stack}-FindingsTable-*");
    let source = "lambda:SourceFunctionArn";
    let function = format!("arn:{partition}:lambda:{region}:{account}:function:{stack}-{policy}");
    whole
        && statement.effect == Effect::Deny
        && match policy {
            "detect" | "notify" | "scan" | "securityhub" => {
                same(&statement.actions, &["*"])
                    && same(&statement.resources, &["*"])
                    && statement.conditions.len() == 2
                    && meets("Null", source, &["false"])
                    && meets("ArnNotLike", source, &[&function, &format!("{function}:*")])
            }
            "operator" => {
                same(&statement.actions, &WRITE)
                    && same(&statement.resources, &[&findings])
                    && statement.conditions.len() == 1
                    && meets("ForAnyValue:StringLike", "dynamodb:LeadingKeys", &KEPT_FROM_OPERATOR)
            }
            _ => false,
        }
}

/// A missing statement is told before a strange one: a changed one is both.
fn differs(policy: &Value, own: &[Own<'_>]) -> Option<String> {
    let document = match Document::from_value(policy) {
        Ok(document) => document,
        Err(error) => return Some(error.to_string()),
    };
    let statements = &document.statements;
    if let Some(lost) = own.iter().find(|one| !statements.iter().any(|statement| one.is(statement))) {
        return Some(format!("the policy does not {} as the template's does", lost.does));
    }
    let strange = statements.iter().find(|statement| !own.iter().any(|one| one.is(statement)))?;
    let verb = if strange.effect == Effect::Deny { "denies" } else { "allows" };
    Some(match &strange.not_actions {
        Some(_) => format!("the policy {verb} all actions but a few"),
        None => format!("the policy {verb} {} besides", strange.actions.join(", ")),
    })
}

/// The ARN of the stack's own resource of this logical id, which CloudFormation gave a name of.
pub(super) fn own_arn<'c>(cx: &'c Cx<'_>, logical_id: &str) -> Option<&'c str> {
    let name = format!("{}-{logical_id}-", cx.config.stack);
    let named = |arn: &&String| arn.rsplit([':', '/']).next().is_some_and(|last| last.starts_with(&name));
    cx.config.own_arns.iter().find(named).map(String::as_str)
}

/// The intake queue, where the call is about another region than its own: what is ours there is a forwarder's.
pub(super) fn home_of_forwarder<'c>(record: &Record<'_>, cx: &'c Cx<'_>) -> Option<Arn<'c>> {
    let queue = own_arn(cx, "IntakeQueue").and_then(Arn::parse)?;
    (!record.aws_region.or_empty().is_empty() && queue.region != region(record)).then_some(queue)
}

fn unknown() -> String {
    "it is not known what the template's policy is: deploy the stack again".to_owned()
}
