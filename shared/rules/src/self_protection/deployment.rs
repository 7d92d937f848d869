//! What a deployment of Keepwatch's own stack explains, and what CloudFormation does for somebody else's.
//!
//! Any stack can have CloudFormation change any resource, and the event does not say whose stack it is. So a change is part
//! of a deployment only if a call that deploys this stack was heard shortly before, from the same principal.

use std::time::Duration;

use super::common::{DEPLOYMENTS, Deployer, deployments_by};
use super::own_policy::home_of_forwarder;
use super::stack::Stack;
use crate::kit::prelude::*;

/// How long after the call that begins it a deployment changes resources. Those of this stack take minutes.
const DEPLOYING: Duration = Duration::from_secs(3_600);

/// How long it is remembered that changes by CloudFormation were heard, so that the next are no installation.
const CHANGES_KNOWN: Duration = Duration::from_secs(400 * 86_400);

/// Whether CloudFormation makes the call. Callers cannot claim that.
pub(super) fn by_cloudformation(record: &Record<'_>) -> bool {
    record.user_identity.invoked_by.or_empty() == "cloudformation.amazonaws.com"
}

/// Whether CloudFormation makes the call in a deployment of Keepwatch's own stack. To be asked only of what a deployment can
/// do, and once for an event.
///
/// An installation, and the first update from a version that did not listen for deployments, cannot have been heard. So
/// the first changes that are ever heard, and those of the hour after them, are taken for one, and told by one finding.
///
/// # Errors
/// [`Interrupt`] until it is known which deployments were heard; [`Interrupt::Later`] if one may still be on its way.
pub(super) fn deployed(record: &Record<'_>, cx: &mut Cx<'_>) -> Result<bool, Interrupt> {
    if !by_cloudformation(record) {
        return Ok(false);
    }
    let principal = acting_principal(record);
    let heard = |cx: &Cx<'_>, deployer: Deployer<'_>, span: Duration| {
        cx.counted_before(DEPLOYMENTS, &deployments_by(record, cx, &deployer), span)
    };
    let changes = format!("{} {} changes", region(record), cx.config.stack);
    let since = cx.first_seen(DEPLOYMENTS, &changes, "change", CHANGES_KNOWN)?.any;
    if heard(cx, Deployer::Caller(principal), DEPLOYING)?
        || (heard(cx, Deployer::Role(principal), DEPLOYING)? && heard(cx, Deployer::Anybody, DEPLOYING)?)
    {
        return Ok(true);
    }
    cx.let_earlier_events_come()?;
    let first = cx.event.time().is_none_or(|time| time.since(since) < DEPLOYING);
    if first {
        cx.report(unannounced(record, cx));
    }
    Ok(first)
}

/// Whether CloudFormation makes the call because it removes the forwarder of this region, which is told by itself, for whoever
/// called `DeleteStack`. To be asked only of what it does then.
///
/// # Errors
/// As [`deployed`].
pub(super) fn removed(record: &Record<'_>, cx: &Cx<'_>) -> Result<bool, Interrupt> {
    if !by_cloudformation(record) || home_of_forwarder(record, cx).is_none() {
        return Ok(false);
    }
    let remover = deployments_by(record, cx, &Deployer::Remover(acting_principal(record)));
    if cx.counted_before(DEPLOYMENTS, &remover, DEPLOYING)? {
        return Ok(true);
    }
    cx.let_earlier_events_come()?;
    Ok(false)
}

/// CloudFormation changes resources of ours, and no deployment was ever heard.
fn unannounced(record: &Record<'_>, cx: &Cx<'_>) -> Observation {
    let stack = cx.config.stack.as_str();
    let who = caller_name(record);
    let seen = cx
        .failing(
            record.arn("cloudformation", &format!("stack/{stack}")),
            format!("CloudFormation changes Keepwatch for {who}, and no deployment of stack {stack} was heard"),
        )
        .severity(Severity::High)
        .aspect("unannounced")
        .because(
            "This is expected once after an installation, and once after an update from a version that did not listen for \
             deployments. At any other time a stack of somebody else's changes Keepwatch.",
        )
        .detail("Stack", stack)
        .step(
            "Was Keepwatch deployed, and by whom?",
            "cloudformation describe-stack-events",
            &[("--stack-name", stack), ("--region", region(record))],
        );
    // It is the finding of the rule that tells of deployments, whichever rule sees it first.
    let rule = &Stack::META.about;
    stop_caller(Observation { rule, witness: rule.id.to_owned(), ..seen }, record)
}

/// Finishes an observation. A deployment is told once, by `self-stack-changed`: what it `explains` is low, as is what an AWS
/// service does for itself. Everybody else is heard, listed as automation or not.
pub(super) fn report_change(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation, explained: bool) {
    let lowered = |seen: Observation, by: &str| {
        let severity = seen.severity.min(Severity::Low);
        seen.severity(severity).detail("Automation", by)
    };
    let seen = if cx.by_service() {
        lowered(seen, "an AWS service acting for itself")
    } else if explained {
        lowered(seen, "CloudFormation, in a deployment of Keepwatch")
    } else if by_cloudformation(record) {
        seen.detail("CloudFormation", "made the call, and no deployment of Keepwatch explains it")
    } else {
        seen
    };
    let stack = cx.config.stack.clone();
    // IAM's events are told in us-east-1 wherever the stack is; its queues are where it is.
    let home =
        cx.config.own_arns.iter().find_map(|arn| arn.split(':').nth(3).filter(|region| !region.is_empty()));
    let home = home.unwrap_or_else(|| region(record)).to_owned();
    let of_stack = [("--stack-name", stack.as_str()), ("--region", home.as_str())];
    let seen = seen
        .step(
            "If it was not you: have the stack compared with its template, which takes a minute",
            "cloudformation detect-stack-drift",
            &of_stack,
        )
        .step(
            "Then: which resources differ, and in what? Set it back by hand: a deployment compares templates with each other, and \
             not with what is there",
            "cloudformation describe-stack-resource-drifts --stack-resource-drift-status-filters MODIFIED DELETED",
            &of_stack,
        );
    cx.report(seen);
}

#[cfg(test)]
pub(super) mod testing {
    use keepwatch_base::hash::short_hash;
    use keepwatch_core::memory::first_sight::FirstSeen;
    use keepwatch_core::state::{Answer, EarlierQuery, FirstSeenQuery, Query, Value as Known};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    /// The call, made by CloudFormation for alice.
    pub(in crate::self_protection) fn by_stack(service: &str, event: &str, request: Value) -> String {
        let who = json!({"invokedBy": "cloudformation.amazonaws.com"});
        call(service, event, json!({"requestParameters": request, "userIdentity": who}))
    }

    /// What a rule makes of a call by CloudFormation, of which there were others long ago, where alice has just begun to
    /// deploy Keepwatch's stack.
    pub(in crate::self_protection) fn deploying(rule: &'static dyn Rule, event: &str) -> Vec<Observation> {
        observe_with(rule, event, &[long_known(), by_alice()])
    }

    /// The same where nobody has deployed Keepwatch's stack.
    pub(in crate::self_protection) fn foreign(rule: &'static dyn Rule, event: &str) -> Vec<Observation> {
        observe_with(rule, event, &[long_known(), long_known_in("eu-west-1")])
    }

    /// Asserts that the rule fires with this severity where alice deploys Keepwatch's stack.
    pub(in crate::self_protection) fn deploys_at(
        rule: &'static dyn Rule,
        severity: Severity,
        event: &str,
    ) -> Observation {
        at(deploying(rule, event), severity, event)
    }

    /// Asserts that the rule fires with this severity where CloudFormation works for another stack.
    pub(in crate::self_protection) fn foreign_at(
        rule: &'static dyn Rule,
        severity: Severity,
        event: &str,
    ) -> Observation {
        at(foreign(rule, event), severity, event)
    }

    fn at(seen: Vec<Observation>, severity: Severity, event: &str) -> Observation {
        let [one] = <[_; 1]>::try_from(seen).expect(event);
        assert_eq!((one.severity, one.verdict), (severity, Verdict::Failing), "{one:?} of {event}");
        one
    }

    fn noon() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").expect("a time")
    }

    fn long_known() -> (Query, Answer) {
        long_known_in("us-east-1")
    }

    fn long_known_in(region: &str) -> (Query, Answer) {
        let key = format!("{DEPLOYMENTS}#{}", short_hash(&[ACCOUNT, &format!("{region} keepwatch changes")]));
        let (member, time, kept) = ("change".to_owned(), noon(), CHANGES_KNOWN);
        let query = FirstSeenQuery { key, member, time, kept };
        (Query::FirstSeen(query), Fact::Known(Known::FirstSeen(FirstSeen::of_one(Timestamp::from_millis(0)))))
    }

    /// What a rule makes of a call by CloudFormation where alice has just deployed the stack with the forwarders' role.
    pub(in crate::self_protection) fn deploying_the_forwarders_role(
        rule: &'static dyn Rule,
        event: &str,
    ) -> Vec<Observation> {
        observe_with(rule, event, &[long_known(), earlier("keepwatch-forwarder-role caller")])
    }

    /// What a rule makes of a call by CloudFormation where alice has just deleted the forwarder of eu-west-1.
    pub(in crate::self_protection) fn removing_the_forwarder(
        rule: &'static dyn Rule,
        event: &str,
    ) -> Vec<Observation> {
        let known = ["us-east-1", "eu-west-1", "eu-west-2"].map(long_known_in);
        observe_with(rule, event, &[&known[..], &[earlier("eu-west-1 keepwatch remover")]].concat())
    }

    fn by_alice() -> (Query, Answer) {
        earlier("us-east-1 keepwatch caller")
    }

    fn earlier(by: &str) -> (Query, Answer) {
        let alice = format!("{by} arn:aws:iam::111122223333:user/alice");
        let key = format!("{DEPLOYMENTS}#{}", short_hash(&[ACCOUNT, &alice]));
        (
            Query::Earlier(EarlierQuery { key, time: noon(), span: DEPLOYING }),
            Fact::Known(Known::Time(noon())),
        )
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::engine::dispatch::Index;
    use keepwatch_core::event::Event;
    use serde_json::{Value, json};

    use super::testing::by_stack;
    use super::*;
    use crate::registry::RULES;
    use crate::testing::*;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
    const MALLORY: &str = "arn:aws:iam::111122223333:user/mallory";

    /// The event, by this user.
    fn by(who: &str, event: &str) -> String {
        let mut record: Value = serde_json::from_str(event).expect("an event");
        record["userIdentity"]["arn"] = json!(who);
        record["userIdentity"]["userName"] = json!(who.rsplit('/').next());
        record.to_string()
    }

    fn cloudformation(event: &str, request: Value) -> String {
        call("cloudformation", event, json!({"requestParameters": request}))
    }

    /// What a deployment of a new version has CloudFormation do.
    fn changes() -> Vec<String> {
        let queue = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3";
        let ops = json!(["arn:aws:sns:us-east-1:111122223333:keepwatch-OpsTopic-A1B2C3"]);
        vec![
            by_stack("lambda", "UpdateFunctionCode20150331v2", json!({"functionName": "keepwatch-detect"})),
            by_stack("lambda", "UpdateFunctionCode20150331v2", json!({"functionName": "keepwatch-notify"})),
            by_stack(
                "lambda",
                "UpdateFunctionConfiguration20150331v2",
                json!({"functionName": "keepwatch-detect"}),
            ),
            by_stack(
                "events",
                "PutRule",
                json!({"name": "keepwatch-calls-1", "eventPattern": "{\"source\":[\"x\"]}"}),
            ),
            by_stack(
                "events",
                "PutRule",
                json!({"name": "keepwatch-calls-2", "eventPattern": "{\"source\":[\"x\"]}"}),
            ),
            by_stack("events", "DeleteRule", json!({"name": "keepwatch-calls-9"})),
            by_stack(
                "events",
                "PutTargets",
                json!({"rule": "keepwatch-calls-2", "targets": [{"id": "intake", "arn": queue}]}),
            ),
            by_stack(
                "monitoring",
                "PutMetricAlarm",
                json!({"alarmName": "keepwatch-DetectErrors-A1", "alarmActions": ops, "threshold": 5}),
            ),
            by_stack(
                "dynamodb",
                "UpdateTable",
                json!({"tableName": "keepwatch-FindingsTable-A1", "globalSecondaryIndexUpdates": []}),
            ),
            by_stack(
                "iam",
                "PutRolePolicy",
                json!({"roleName": "keepwatch-DetectRole-A1", "policyName": "other",
                    "policyDocument": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iam:GetRole\",\"Resource\":\"*\"}]}"}),
            ),
        ]
    }

    /// These events, each some seconds after the one before, after a change that was heard a day ago.
    fn played(events: &[String]) -> Vec<Observation> {
        let known = by_stack("events", "PutRule", json!({"name": "keepwatch-calls-1"}));
        let mut known: Value = serde_json::from_str(&known).expect("an event");
        known["eventTime"] = json!("2026-02-28T12:00:00Z");
        known["eventID"] = json!("known");
        let later = events.iter().enumerate().map(|(i, event)| log::at(event, &format!("e{i}"), 10 * i));
        let all: Vec<String> = std::iter::once(known.to_string()).chain(later).collect();
        log::all_rules(&all).into_iter().skip(1).flatten().collect()
    }

    /// What of it is about Keepwatch and goes out as a mail.
    fn mailed(seen: &[Observation]) -> Vec<&Observation> {
        seen.iter()
            .filter(|one| one.rule.id.starts_with("self-") && one.verdict != Verdict::Passing)
            .filter(|one| one.severity >= Severity::Medium)
            .collect()
    }

    #[test]
    fn a_deployment_is_one_mail() {
        let deploy = json!({"stackName": "keepwatch", "changeSetName": "samcli-deploy1"});
        let mut events = vec![
            by(ALICE, &cloudformation("CreateChangeSet", deploy.clone())),
            by(ALICE, &cloudformation("ExecuteChangeSet", deploy)),
        ];
        events.extend(changes().iter().map(|event| by(ALICE, event)));
        let seen = played(&events);
        let findings: std::collections::BTreeSet<String> =
            mailed(&seen).into_iter().map(Observation::finding_id).collect();
        assert_eq!(findings.len(), 1, "{:?}", mailed(&seen));
        assert!(mailed(&seen).iter().all(|one| one.rule.id == "self-stack-changed"));
    }

    /// The event, in this region.
    fn there(region: &str, event: &str) -> String {
        let mut record: Value = serde_json::from_str(event).expect("an event");
        record["awsRegion"] = json!(region);
        record.to_string()
    }

    #[test]
    fn a_region_whose_forwarder_is_removed_is_one_mail_whoever_removes_it() {
        let name = |n: usize| format!("keepwatch-calls-{n}");
        let gone = |n: usize| {
            [
                by_stack("events", "RemoveTargets", json!({"rule": name(n), "ids": ["home"]})),
                by_stack("events", "DeleteRule", json!({"name": name(n)})),
            ]
        };
        let mut events = vec![cloudformation("DeleteStack", json!({"stackName": "keepwatch-forwarder"}))];
        events.extend((1..9).flat_map(gone));
        for who in [ALICE, MALLORY] {
            let events: Vec<String> =
                events.iter().map(|event| by(who, &there("eu-west-1", event))).collect();
            let mails: Vec<(&str, Severity)> =
                mailed(&played(&events)).iter().map(|one| (one.rule.id, one.severity)).collect();
            assert_eq!(mails, [("self-stack-changed", Severity::High)], "{who}");
        }
        // Somebody else's stack that holds the rules of that name, and a call that AWS refused.
        let refused = call(
            "cloudformation",
            "DeleteStack",
            json!({"errorCode": "ValidationError", "requestParameters": {"stackName": "keepwatch-forwarder"}}),
        );
        let other = cloudformation("DeleteStack", json!({"stackName": "shop"}));
        for first in [refused, other] {
            let events: Vec<String> =
                std::iter::once(first).chain(gone(1)).map(|event| there("eu-west-1", &event)).collect();
            let seen = played(&events);
            assert!(mailed(&seen).iter().any(|one| one.severity == Severity::Critical), "{seen:?}");
        }
    }

    #[test]
    fn the_forwarders_role_is_told_of_in_another_region_than_its_stack() {
        let request = json!({"stackName": "keepwatch-forwarder-role"});
        let deploy = there("eu-central-1", &cloudformation("UpdateStack", request));
        let trust = json!({"roleName": "keepwatch-forwarder", "policyDocument": "{\"Statement\": []}"});
        let set = by_stack("iam", "UpdateAssumeRolePolicy", trust);
        let told = |events: &[&String]| {
            let seen = played(&events.iter().map(|event| by(ALICE, event)).collect::<Vec<_>>());
            let of_role = |one: &&Observation| one.rule.id == "self-role-changed";
            mailed(&seen).into_iter().find(of_role).map(|one| one.severity)
        };
        assert_eq!(told(&[&deploy, &set]), None);
        assert_eq!(told(&[&set]), Some(Severity::High));
        let by_hand = call(
            "iam",
            "UpdateAssumeRolePolicy",
            json!({"requestParameters": {"roleName": "keepwatch-forwarder"}}),
        );
        assert_eq!(told(&[&deploy, &by_hand]), Some(Severity::High));
    }

    #[test]
    fn a_stack_of_somebody_elses_is_told_change_by_change() {
        let other = json!({"stackName": "shop", "changeSetName": "x"});
        let mut events = vec![by(MALLORY, &cloudformation("UpdateStack", other))];
        events.extend(changes().iter().map(|event| by(MALLORY, event)));
        let seen = played(&events);
        let mails = mailed(&seen);
        assert!(mails.iter().all(|one| one.severity >= Severity::High), "{mails:?}");
        // All of them but the targets, which are the template's own whoever sets them.
        assert_eq!(mails.len(), changes().len() - 1, "{mails:?}");
        let code = mails.iter().find(|one| one.title.contains("changed the code of")).expect("the code");
        assert_eq!(code.severity, Severity::Critical);
        assert!(
            !seen.iter().any(|one| one.verdict == Verdict::Passing && one.rule.id == "self-function-changed")
        );
    }

    #[test]
    fn a_change_set_that_is_executed_by_its_arn_explains_nothing() {
        let arn =
            "arn:aws:cloudformation:us-east-1:111122223333:changeSet/x/a38e6a60-b397-11e3-b0fc-08002755629e";
        let events = [
            cloudformation("CreateChangeSet", json!({"stackName": "keepwatch", "changeSetName": "x"})),
            cloudformation("ExecuteChangeSet", json!({"changeSetName": arn})),
            changes().swap_remove(0),
        ];
        let seen = played(&events.map(|event| by(MALLORY, &event)));
        let mails: Vec<_> = mailed(&seen).iter().map(|one| (one.rule.id, one.severity)).collect();
        assert_eq!(
            mails,
            [("self-stack-changed", Severity::Medium), ("self-function-changed", Severity::Critical)]
        );
    }

    #[test]
    fn what_explains_a_change_is_a_deployment_of_this_stack_by_the_same_principal_within_the_hour() {
        let change = changes().swap_remove(0);
        let code = |deployment: String, change: String| {
            let seen = played(&[deployment, change]);
            seen.iter().any(|one| one.rule.id == "self-function-changed" && one.verdict == Verdict::Passing)
        };
        let own = || json!({"stackName": "keepwatch"});
        for event in
            ["CreateStack", "UpdateStack", "ExecuteChangeSet", "RollbackStack", "ContinueUpdateRollback"]
        {
            assert!(code(by(ALICE, &cloudformation(event, own())), by(ALICE, &change)), "{event}");
        }
        let update = |request: Value| cloudformation("UpdateStack", request);
        assert!(!code(by(ALICE, &update(own())), by(MALLORY, &change)), "somebody else");
        assert!(
            !code(by(ALICE, &cloudformation("CreateChangeSet", own())), by(ALICE, &change)),
            "only prepared"
        );
        // Whoever names his stack after ours does not deploy ours.
        let named = json!({"stackName": "keepwatch-FindingsTable"});
        assert!(!code(by(ALICE, &update(named)), by(ALICE, &change)), "another stack");
        let failed = call(
            "cloudformation",
            "UpdateStack",
            json!({"errorCode": "ValidationError", "requestParameters": own()}),
        );
        assert!(!code(by(ALICE, &failed), by(ALICE, &change)), "nothing was deployed");
        let elsewhere = call(
            "cloudformation",
            "UpdateStack",
            json!({"awsRegion": "eu-west-1", "requestParameters": own()}),
        );
        assert!(!code(by(ALICE, &elsewhere), by(ALICE, &change)), "another region");
        let seen = log::all_rules(&[
            log::at(&changes().swap_remove(3), "known", 0),
            log::at(&by(ALICE, &update(own())), "deploys", 60),
            log::at(&by(ALICE, &change), "late", 3 * 3_600),
        ]);
        assert!(
            mailed(&seen[2]).iter().any(|one| one.severity == Severity::Critical),
            "too late: {:?}",
            seen[2]
        );
    }

    #[test]
    fn a_role_that_a_call_names_for_cloudformation_is_part_of_the_deployment() {
        let role = "arn:aws:iam::111122223333:role/cfn-exec";
        let session = json!({"type": "AssumedRole", "userName": null,
            "arn": "arn:aws:sts::111122223333:assumed-role/cfn-exec/AWSCloudFormation",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "userName": "cfn-exec"}}});
        let mut change: Value = serde_json::from_str(&changes().swap_remove(0)).expect("an event");
        for (key, value) in session.as_object().expect("an identity") {
            change["userIdentity"][key] = value.clone();
        }
        let change = change.to_string();
        let prepared = |role: Value| {
            cloudformation("CreateChangeSet", json!({"stackName": "keepwatch", "roleARN": role}))
        };
        let executed = cloudformation("ExecuteChangeSet", json!({"stackName": "keepwatch"}));
        let mails = |events: &[String]| mailed(&played(events)).len();
        assert_eq!(mails(&[prepared(json!(role)), executed.clone(), change.clone()]), 2);
        // The session's name is the caller's to choose where the role is not CloudFormation's.
        assert_eq!(mails(&[prepared(json!(null)), executed, change.clone()]), 3);
        assert_eq!(mails(&[prepared(json!(role)), change]), 2);
    }

    #[test]
    fn the_first_changes_that_are_ever_heard_are_one_finding() {
        let at = |(i, event): (usize, &String)| log::at(event, &format!("e{i}"), 10 * i);
        let events: Vec<String> = changes().iter().enumerate().map(at).collect();
        let seen: Vec<Observation> = log::all_rules(&events).into_iter().flatten().collect();
        let mails = mailed(&seen);
        let findings: std::collections::BTreeSet<String> = mails.iter().map(|one| one.finding_id()).collect();
        assert_eq!(findings.len(), 1, "{mails:?}");
        assert_eq!((mails[0].rule.id, mails[0].severity), ("self-stack-changed", Severity::High));
        assert_eq!(mails[0].subject.aspect.as_deref(), Some("unannounced"));
        // An hour later it is news again, one by one.
        let mut late = events;
        late.push(log::at(&changes().swap_remove(0), "late", 2 * 3_600));
        let seen = log::all_rules(&late);
        let last: Vec<_> = mailed(seen.last().expect("the last")).iter().map(|one| one.severity).collect();
        assert_eq!(last, [Severity::Critical]);
    }

    #[test]
    fn a_deployment_may_still_be_on_its_way() {
        let index = Index::new(RULES);
        let config = settings();
        let judged = |event: &str, seconds: i64| {
            let event = Event::parse(event).expect("an event");
            let received = Timestamp::from_millis(event.time().expect("a time").millis() + 1_000 * seconds);
            index.evaluate_answering(&event, &config, received, |_| Fact::Missing)
        };
        let own = |seen: &[Observation]| seen.iter().filter(|one| one.rule.id.starts_with("self-")).count();
        let change = changes().swap_remove(0);
        let soon = judged(&change, 20);
        assert!(soon.later && own(&soon.observations) == 0, "{soon:?}");
        let later = judged(&change, 200);
        assert!(!later.later && own(&later.observations) > 0, "{later:?}");
        // What no deployment does waits for none.
        let disabled = judged(&by_stack("events", "DisableRule", json!({"name": "keepwatch-calls-1"})), 20);
        assert!(!disabled.later && own(&disabled.observations) == 1, "{disabled:?}");
    }
}
