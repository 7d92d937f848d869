use serde_json::Value;

use super::common::is_ours;
use super::deployment::{by_cloudformation, deployed, removed, report_change};
use super::own_policy::{REGIONS, home_of_forwarder, own_arn};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's EventBridge rules was disabled, deleted or rewritten, or its targets were removed
    /// or changed, or get something else than the events. Or the default event bus, which its rules listen to, got a key
    /// or other settings, or another policy.
    /// ## Why it matters
    /// These rules bring Keepwatch what happens in the account. With one of them off it goes on running, and
    /// hears nothing. Whoever decides about a key of the bus can take its events away; whoever else may send events to it
    /// can tell of things that did not happen here.
    /// ## What to do
    /// Enable the rule, or deploy the stack again. Look at what the caller did since: Keepwatch may not have
    /// seen it.
    /// ## False positives
    /// Deployments: what CloudFormation does within an hour after the same principal deployed Keepwatch's stack is low, and
    /// what it sets again closes the finding. Disabling a rule, taking its targets away or giving it others is not low: no
    /// deployment does that, but any stack can. What CloudFormation removes with the forwarder of a region is told once, with the
    /// call that deletes its stack.
    EventRule {
        id: "self-event-rule-changed",
        title: "One of Keepwatch's EventBridge rules was tampered with",
        severity: Critical,
        confidence: High,
        catalogue: ["SELF-01"],
        references: [
            attack(&["T1562.001"]),
            doc(&["AWS EventBridge API reference: DisableRule, PutRule, RemoveTargets, UpdateEventBus, PutPermission"]),
        ],
        on: [On::Call("events.amazonaws.com", &[
            "DisableRule", "EnableRule", "DeleteRule", "PutRule", "RemoveTargets", "PutTargets",
                "DeleteEventBus", "UpdateEventBus", "PutPermission", "RemovePermission",
        ])],
        repeat_hours: 1,
    }
}

/// Whether a target of the rule is the one that the template gives it, and gets what it gives it: the event for the queue,
/// a sweep for `notify`, a run for `scan`, a heartbeat, or a sentence for the operations topic. `tests/template` holds the
/// template to it.
fn is_templates(
    record: &Record<'_>,
    cx: &Cx<'_>,
    (rule, deployed): (&str, bool),
    target: &Value,
) -> (bool, bool) {
    let stack = cx.config.stack.as_str();
    let text = text_at(target, &["arn"]).unwrap_or_default();
    // Anybody can make a queue that is named like ours: the very one is known to the function by its ARN.
    let leads = |logical_id: &str, service: &str| match own_arn(cx, logical_id) {
        Some(own) => text == own,
        // A replay is not told the stack's ARNs and goes by names.
        None => Arn::parse(text).is_some_and(|arn| {
            cx.config.own_arns.is_empty()
                && arn.service == service
                && arn.account == record.account()
                && arn.region == record.aws_region.or_empty()
                && arn.resource.starts_with(&format!("{stack}-{logical_id}-"))
        }),
    };
    let given = |key: &str| value_at(target, &[key]).is_some_and(|value| !value.is_null());
    let (whole, to_queue) = (!given("inputPath") && !given("inputTransformer"), leads("IntakeQueue", "sqs"));
    if let Some(home) = home_of_forwarder(record, cx) {
        let bus = format!(
            "arn:{}:events:{}:{}:event-bus/{stack}{REGIONS}",
            home.partition, home.region, home.account
        );
        let role = format!("arn:{}:iam::{}:role/{stack}-forwarder", home.partition, record.account());
        return (text == bus, whole && !given("input") && text_at(target, &["roleArn"]) == Some(&role));
    }
    let function = |name: &str| text == record.arn("lambda", &format!("function:{stack}-{name}"));
    let (place, own) = match rule.strip_prefix(stack) {
        Some("-heartbeat") => (to_queue, whole && deployed),
        Some("-sweep") => (function("notify"), whole && !given("input")),
        Some("-scan") => (function("scan"), whole && !given("input")),
        Some("-key-touched" | "-own-stopped" | "-own-touched") => {
            (leads("OpsTopic", "sns"), given("inputTransformer") && deployed)
        }
        Some(name) if name.starts_with("-recheck-") => {
            (leads("RecheckQueue", "sqs"), whole && !given("input"))
        }
        _ => (to_queue, whole && !given("input")),
    };
    // With a role, that role must have the right, and the queue's policy no longer counts.
    (place, own && !given("roleArn"))
}

/// The rules that come and go with a parameter, so that a deployment may take their targets away.
const OPTIONAL: [&str; 2] = ["-own-rules", "-key-touched"];

/// The rules whose targets get something else than the event, which a deployment alone may set.
const WITH_INPUT: [&str; 4] = ["-heartbeat", "-key-touched", "-own-stopped", "-own-touched"];

/// The ids of the template's targets. A target of one of these takes the place of the template's.
const OWN_IDS: [&str; 6] = ["home", "intake", "notify", "ops", "recheck", "scan"];

impl Rule for EventRule {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        if BUS.contains(&record.event_name.or_empty()) {
            return bus(record, cx);
        }
        let Some(name) = text_at(request, &["rule"]).or_else(|| text_at(request, &["name"])) else {
            return Ok(());
        };
        let name = last_part(name);
        if !is_ours(cx, name) {
            return Ok(());
        }
        let event = record.event_name.or_empty();
        let disabled = text_at(request, &["state"]) == Some("DISABLED");
        // A rule of that name on another bus is not Keepwatch's, but for those on the bus of the forwarders, which the queues'
        // policy lets send.
        let bus = text_at(request, &["eventBusName"]).map_or("default", last_part);
        let forwarded = bus.strip_prefix(cx.config.stack.as_str()) == Some(REGIONS);
        if !forwarded && (bus != "default" || name.ends_with(REGIONS)) {
            return Ok(());
        }
        let on = if forwarded { format!("{bus}/") } else { String::new() };
        let arn = record.arn("events", &format!("rule/{on}{name}"));
        if matches!(event, "DeleteRule" | "RemoveTargets") && removed(record, cx)? {
            return Ok(());
        }
        let one_of = |rules: &[&str]| rules.iter().any(|rule| name.ends_with(rule));
        let deployed = match event {
            "PutRule" => !disabled,
            "DeleteRule" => true,
            "PutTargets" => one_of(&WITH_INPUT),
            "RemoveTargets" => one_of(&OPTIONAL),
            _ => false,
        } && deployed(record, cx)?;
        let given = items_at(request, &["targets"]);
        let judged: Vec<(bool, bool)> =
            given.iter().map(|target| is_templates(record, cx, (name, deployed), target)).collect();
        let (in_place, replaced) = (judged.iter().all(|one| one.0), judged.iter().any(|one| !one.1));
        let (aspect, severity, did) = match event {
            "EnableRule" => {
                cx.report(cx.passing(arn, format!("{who} enabled Keepwatch's rule {name}")).aspect("state"));
                return Ok(());
            }
            "PutRule" if deployed => {
                for aspect in ["state", "pattern"] {
                    cx.report(
                        cx.passing(&arn, format!("A deployment set Keepwatch's rule {name}")).aspect(aspect),
                    );
                }
                return Ok(());
            }
            "PutTargets" if !given.is_empty() && in_place && !replaced => {
                cx.report(
                    cx.passing(arn, format!("{who} set the targets of Keepwatch's rule {name}"))
                        .aspect("targets"),
                );
                return Ok(());
            }
            "DisableRule" => ("state", Severity::Critical, "disabled"),
            "PutRule" if disabled => {
                // The call writes the whole rule: enabling it again does not bring the old pattern back.
                if !by_cloudformation(record) {
                    tell(record, cx, &arn, ("pattern", Severity::High, "rewrote"), false);
                }
                ("state", Severity::Critical, "disabled")
            }
            "DeleteRule" => ("state", Severity::Critical, "deleted"),
            "RemoveTargets" => ("targets", Severity::Critical, "removed the targets of"),
            "PutTargets" if in_place && replaced => {
                ("targets", Severity::Critical, "changed what is sent to the targets of")
            }
            "PutTargets"
                if given
                    .iter()
                    .any(|target| OWN_IDS.contains(&text_at(target, &["id"]).unwrap_or_default())) =>
            {
                ("targets", Severity::Critical, "led away the target of")
            }
            "PutTargets" => ("other targets", Severity::High, "gave another target to"),
            _ => ("pattern", Severity::High, "rewrote"),
        };
        // A deployment sets the template's targets and no others.
        tell(record, cx, &arn, (aspect, severity, did), deployed && event != "PutTargets");
        Ok(())
    }
}

/// The calls about a bus. The template makes one, for the forwarders of other regions, and leaves the default one alone.
const BUS: [&str; 4] = ["DeleteEventBus", "UpdateEventBus", "PutPermission", "RemovePermission"];

/// Something was done to the default bus, which the rules listen to, or to a bus of ours. A call that names none means the
/// default one.
fn bus(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let (who, request) = (caller_name(record), record.request());
    let name = text_at(request, &["eventBusName"]).or_else(|| text_at(request, &["name"]));
    let name = last_part(name.unwrap_or("default"));
    let own = is_ours(cx, name);
    if name != "default" && !own {
        return Ok(());
    }
    let key = text_at(request, &["kmsKeyIdentifier"]);
    let event = record.event_name.or_empty();
    let explained = own && event != "UpdateEventBus" && deployed(record, cx)?;
    let (aspect, severity, did) = match event {
        "DeleteEventBus" => ("state", Severity::Critical, "deleted"),
        "UpdateEventBus" if key.is_some() => ("key", Severity::Critical, "set a key for"),
        // Where events go that a key keeps from being delivered.
        "UpdateEventBus" if value_at(request, &["deadLetterConfig"]).is_some_and(|set| !set.is_null()) => {
            ("dead letters", Severity::High, "set a dead-letter queue for")
        }
        "UpdateEventBus" => ("settings", Severity::Medium, "changed the settings of"),
        "PutPermission" => ("policy", Severity::High, "changed who may send events to"),
        // The template's policy keeps everybody but the forwarders from sending.
        _ if own => ("policy", Severity::High, "took away what keeps others from sending events to"),
        _ => ("policy", Severity::Low, "took away a permission to send events to"),
    };
    let seen = cx
        .failing(
            record.arn("events", &format!("event-bus/{name}")),
            format!("{who} {did} event bus {name}, which Keepwatch listens to"),
        )
        .severity(severity)
        .aspect(aspect)
        .because("Keepwatch hears only what comes over this bus.")
        .detail_if("Key", key)
        .detail_if("Allowed", text_at(request, &["principal"]))
        .step(
            "What is set now?",
            "events describe-event-bus",
            &[("--name", name), ("--region", region(record))],
        );
    report_change(record, cx, stop_caller(seen, record), explained);
    Ok(())
}

fn tell(record: &Record<'_>, cx: &mut Cx<'_>, arn: &str, what: (&str, Severity, &str), explained: bool) {
    let ((aspect, severity, did), name, request) = (what, last_part(arn), record.request());
    let targets: Vec<&str> =
        items_at(request, &["targets"]).into_iter().filter_map(|target| text_at(target, &["arn"])).collect();
    let mut seen = cx
        .failing(arn, format!("{} {did} Keepwatch's EventBridge rule {name}", caller_name(record)))
        .severity(severity)
        .aspect(aspect)
        .because("Keepwatch hears only what its rules bring.")
        .detail("Rule", name)
        .detail_if("Pattern", text_at(request, &["eventPattern"]));
    if !targets.is_empty() {
        seen = seen.detail("Targets", targets.join(", "));
    }
    if aspect == "state" && record.event_name.or_empty() != "DeleteRule" {
        seen = seen.step(
            "Enable it again",
            "events enable-rule",
            &[("--name", name), ("--region", region(record))],
        );
    }
    let at = ("--region", region(record));
    seen = match aspect {
        "pattern" => seen.step("How does it look now?", "events describe-rule", &[("--name", name), at]),
        "targets" | "other targets" => {
            let rule = [("--rule", name), at];
            seen.step("Where does it lead, and with what input?", "events list-targets-by-rule", &rule)
        }
        _ => seen,
    };
    report_change(record, cx, stop_caller(seen, record), explained);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::deployment::testing::*;
    use super::*;
    use crate::testing::*;

    fn events(event: &str, request: Value) -> String {
        call("events", event, json!({"requestParameters": request}))
    }

    fn undone(bad: &str, good: &str) {
        let (bad, good) = (fired(&EventRule, bad), deploying(&EventRule, good));
        assert!(good.iter().all(|o| o.verdict == Verdict::Passing));
        assert!(good.iter().any(|o| o.finding_id() == bad.finding_id()), "{good:?}");
    }

    #[test]
    fn fires() {
        let name = json!({"name": "keepwatch-calls-1"});
        let seen = fires_at(&EventRule, Severity::Critical, &events("DisableRule", name.clone()));
        assert_eq!(seen.title, "alice disabled Keepwatch's EventBridge rule keepwatch-calls-1");
        assert_eq!(seen.subject.resource, "arn:aws:events:us-east-1:111122223333:rule/keepwatch-calls-1");
        fires_at(&EventRule, Severity::Critical, &events("DeleteRule", name));
        fires_at(
            &EventRule,
            Severity::High,
            &events("PutRule", json!({"name": "keepwatch-root", "eventPattern": "{\"source\":[\"x\"]}"})),
        );
        fires_at(
            &EventRule,
            Severity::Critical,
            &events("RemoveTargets", json!({"rule": "keepwatch-root", "ids": ["a"]})),
        );
        let target = |arn: &str| json!({"rule": "keepwatch-root", "targets": [{"id": "x", "arn": arn}]});
        let other = target("arn:aws:sqs:us-east-1:999988887777:keepwatch-IntakeQueue-A1B2C3");
        fires_at(&EventRule, Severity::High, &events("PutTargets", other));
        let ours = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3";
        // Of that name in the same account, and of the template's id: the events no longer come.
        let evil = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-evil";
        fires_at(&EventRule, Severity::High, &events("PutTargets", target(evil)));
        for (rule, id, arn) in [
            ("keepwatch-calls-1", "intake", evil),
            (
                "keepwatch-sweep",
                "notify",
                "arn:aws:lambda:us-east-1:111122223333:function:keepwatch-x-notify",
            ),
            (
                "keepwatch-operator",
                "intake",
                "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3D4",
            ),
        ] {
            let led = json!({"rule": rule, "targets": [{"id": id, "arn": arn}]});
            let seen = fires_at(&EventRule, Severity::Critical, &events("PutTargets", led));
            assert!(seen.title.contains("led away the target of"), "{}", seen.title);
        }
        for key in ["input", "inputPath", "inputTransformer"] {
            let deaf = json!({"rule": "keepwatch-root", "targets": [{"id": "x", "arn": ours, key: "{}"}]});
            let seen = fires_at(&EventRule, Severity::Critical, &events("PutTargets", deaf));
            assert!(seen.title.contains("changed what is sent to the targets"), "{}", seen.title);
            assert!(seen.steps[0].command.contains("list-targets-by-rule --rule keepwatch-root"));
        }
        fires_at(&EventRule, Severity::Critical, &events("DeleteEventBus", json!({"name": "keepwatch-bus"})));
    }

    #[test]
    fn the_default_bus_is_ours_too() {
        let keyed = json!({"name": "default", "kmsKeyIdentifier": "alias/theirs"});
        let seen = fires_at(&EventRule, Severity::Critical, &events("UpdateEventBus", keyed));
        assert_eq!(seen.title, "alice set a key for event bus default, which Keepwatch listens to");
        assert_eq!(seen.subject.resource, "arn:aws:events:us-east-1:111122223333:event-bus/default");
        let queue =
            json!({"name": "default", "deadLetterConfig": {"arn": "arn:aws:sqs:eu-west-1:111122223333:q"}});
        let there = json!({"awsRegion": "eu-west-1", "requestParameters": queue});
        let seen = fires_at(&EventRule, Severity::High, &call("events", "UpdateEventBus", there));
        assert_eq!(seen.subject.resource, "arn:aws:events:eu-west-1:111122223333:event-bus/default");
        let described = json!({"name": "default", "description": "x"});
        fires_at(&EventRule, Severity::Medium, &events("UpdateEventBus", described));
        // A permission without a bus is one on the default bus.
        let opened = json!({"principal": "999988887777", "action": "events:PutEvents", "statementId": "x"});
        fires_at(&EventRule, Severity::High, &events("PutPermission", opened.clone()));
        fires_at(&EventRule, Severity::High, &by_stack("events", "PutPermission", opened));
        fires_at(&EventRule, Severity::Low, &events("RemovePermission", json!({"statementId": "x"})));
        quiet(
            &EventRule,
            &[
                events("UpdateEventBus", json!({"name": "shop", "kmsKeyIdentifier": "alias/shop"})),
                events("PutPermission", json!({"eventBusName": "shop", "principal": "*"})),
            ],
        );
    }

    #[test]
    fn a_forwarders_rule_sends_to_the_home_bus_and_nowhere_else() {
        let there = |event: &str, request: Value| {
            call("events", event, json!({"requestParameters": request, "awsRegion": "eu-west-1"}))
        };
        let bus = "arn:aws:events:us-east-1:111122223333:event-bus/keepwatch-regions";
        let role = "arn:aws:iam::111122223333:role/keepwatch-forwarder";
        let targets =
            |target: Value| there("PutTargets", json!({"rule": "keepwatch-calls-1", "targets": [target]}));
        let own = targets(json!({"id": "home", "arn": bus, "roleArn": role}));
        let seen = observe(&EventRule, &own);
        assert!(seen.iter().all(|one| one.verdict == Verdict::Passing) && !seen.is_empty(), "{seen:?}");
        // A constant in place of the events, another role, another bus, and the queue that is home's alone.
        for (target, severity) in [
            (json!({"id": "home", "arn": bus, "roleArn": role, "input": "{}"}), Severity::Critical),
            (json!({"id": "home", "arn": bus, "roleArn": format!("{role}-2")}), Severity::Critical),
            (json!({"id": "home", "arn": format!("{bus}-2"), "roleArn": role}), Severity::Critical),
            (json!({"id": "x", "arn": format!("{bus}-2"), "roleArn": role}), Severity::High),
            (
                json!({"id": "x", "arn": "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3"}),
                Severity::High,
            ),
        ] {
            fires_at(&EventRule, severity, &targets(target));
        }
        let seen = fires_at(
            &EventRule,
            Severity::Critical,
            &there("DisableRule", json!({"name": "keepwatch-calls-1"})),
        );
        assert_eq!(seen.subject.resource, "arn:aws:events:eu-west-1:111122223333:rule/keepwatch-calls-1");
    }

    #[test]
    fn the_bus_of_the_forwarders_is_watched_and_a_deployment_may_make_it() {
        let name = "keepwatch-regions";
        let policy = json!({"eventBusName": name, "policy": "{}", "statementId": "ForwardersOnly"});
        fires_at(&EventRule, Severity::High, &events("PutPermission", policy.clone()));
        deploys_at(&EventRule, Severity::Low, &by_stack("events", "PutPermission", policy.clone()));
        foreign_at(&EventRule, Severity::High, &by_stack("events", "PutPermission", policy));
        let gone = json!({"eventBusName": name, "statementId": "ForwardersOnly"});
        fires_at(&EventRule, Severity::High, &events("RemovePermission", gone));
        let disabled = json!({"name": name, "eventBusName": name});
        let seen = fires_at(&EventRule, Severity::Critical, &events("DisableRule", disabled));
        assert_eq!(
            seen.subject.resource,
            format!("arn:aws:events:us-east-1:111122223333:rule/{name}/{name}")
        );
        // A rule of that name on the default bus hears nothing that the forwarders send.
        quiet(&EventRule, &[events("DisableRule", json!({"name": name}))]);
    }

    #[test]
    fn what_goes_with_the_forwarder_of_a_region_is_told_with_its_stack() {
        let there = |event: &str, request: Value, region: &str| {
            let mut call: Value = serde_json::from_str(&by_stack("events", event, request)).unwrap();
            call["awsRegion"] = json!(region);
            call.to_string()
        };
        let targets = json!({"rule": "keepwatch-calls-1", "ids": ["home"]});
        let name = json!({"name": "keepwatch-calls-1"});
        for (event, request) in [("RemoveTargets", &targets), ("DeleteRule", &name)] {
            let gone = there(event, request.clone(), "eu-west-1");
            assert_eq!(removing_the_forwarder(&EventRule, &gone).len(), 0, "{event}");
            // Nobody deleted the stack: another stack's work.
            foreign_at(&EventRule, Severity::Critical, &gone);
            // Nor does it explain what is done in another region, at home, or not by CloudFormation.
            for other in [
                there(event, request.clone(), "eu-west-2"),
                there(event, request.clone(), "us-east-1"),
                call("events", event, json!({"requestParameters": request, "awsRegion": "eu-west-1"})),
            ] {
                let seen = removing_the_forwarder(&EventRule, &other);
                assert!(seen.iter().any(|one| one.severity == Severity::Critical), "{other}");
            }
        }
        // What no removal does.
        let off = there("DisableRule", name, "eu-west-1");
        assert_eq!(removing_the_forwarder(&EventRule, &off)[0].severity, Severity::Critical);
    }

    #[test]
    fn the_rules_of_rechecks_are_watched_on_both_buses() {
        let on = |bus: &str| json!({"name": "keepwatch-recheck-1", "eventBusName": bus});
        let home = fires_at(&EventRule, Severity::Critical, &events("DisableRule", on("default")));
        let regions =
            fires_at(&EventRule, Severity::Critical, &events("DisableRule", on("keepwatch-regions")));
        assert!(home.subject.resource.ends_with(":rule/keepwatch-recheck-1"), "{home:?}");
        assert!(
            regions.subject.resource.ends_with(":rule/keepwatch-regions/keepwatch-recheck-1"),
            "{regions:?}"
        );
        quiet(&EventRule, &[events("DisableRule", on("shop-regions"))]);
        // What is new there may send into the queues.
        let pattern = "{\"source\":[\"x\"]}";
        let new = json!({"name": "keepwatch-reports", "eventBusName": "keepwatch-regions", "eventPattern": pattern});
        fires_at(&EventRule, Severity::High, &events("PutRule", new));
    }

    #[test]
    fn enabling_a_rule_does_not_bring_its_pattern_back() {
        let pattern = "{\"source\":[\"x\"]}";
        let put = json!({"name": "keepwatch-root", "state": "DISABLED", "eventPattern": pattern});
        let seen = observe(&EventRule, &events("PutRule", put));
        let reports: Vec<_> = seen.iter().map(|o| (o.subject.aspect.as_deref(), o.severity)).collect();
        assert_eq!(reports, [(Some("pattern"), Severity::High), (Some("state"), Severity::Critical)]);
        let on = observe(&EventRule, &events("EnableRule", json!({"name": "keepwatch-root"})));
        assert_eq!((on.len(), on[0].finding_id()), (1, seen[1].finding_id()));
    }

    #[test]
    fn a_repair_resolves() {
        let name = json!({"name": "keepwatch-calls-1"});
        undone(&events("DisableRule", name.clone()), &events("EnableRule", name.clone()));
        let put = by_stack(
            "events",
            "PutRule",
            json!({"name": "keepwatch-calls-1", "eventPattern": "{\"source\":[\"x\"]}", "state": "ENABLED"}),
        );
        undone(&events("DeleteRule", name.clone()), &put);
        undone(&events("PutRule", name), &put);
        let intake =
            json!([{"id": "x", "arn": "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3"}]);
        undone(
            &events("RemoveTargets", json!({"rule": "keepwatch-root"})),
            &by_stack("events", "PutTargets", json!({"rule": "keepwatch-root", "targets": intake})),
        );
    }

    #[test]
    fn the_clocks_call_their_own_functions() {
        for (rule, function, other) in [("sweep", "notify", "scan"), ("scan", "scan", "notify")] {
            let target = |function: &str| {
                let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:keepwatch-{function}");
                events(
                    "PutTargets",
                    json!({"rule": format!("keepwatch-{rule}"), "targets": [{"id": "x", "arn": arn}]}),
                )
            };
            let seen = observe(&EventRule, &target(function));
            assert!(seen.iter().all(|one| one.verdict == Verdict::Passing), "{seen:?}");
            fires_at(&EventRule, Severity::High, &target(other));
        }
    }

    #[test]
    fn a_deployment_is_low_and_another_stack_is_not() {
        let deleted = by_stack("events", "DeleteRule", json!({"name": "keepwatch-calls-9"}));
        deploys_at(&EventRule, Severity::Low, &deleted);
        foreign_at(&EventRule, Severity::Critical, &deleted);
        let narrowed = json!({"name": "keepwatch-calls-1", "eventPattern": "{\"source\":[\"x\"]}"});
        let narrowed = by_stack("events", "PutRule", narrowed);
        let seen = foreign_at(&EventRule, Severity::High, &narrowed);
        assert_eq!(seen.subject.aspect.as_deref(), Some("pattern"));
        assert!(deploying(&EventRule, &narrowed).iter().all(|one| one.verdict == Verdict::Passing));
        // The name of a pipeline does not help: only CloudFormation's own calls are part of a deployment.
        let agent = json!({"requestParameters": {"name": "keepwatch-root"},
            "userAgent": "cloudformation.amazonaws.com"});
        fires_at(&EventRule, Severity::Critical, &call("events", "DisableRule", agent));
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        let outside = "arn:aws:sqs:us-east-1:999988887777:keepwatch-IntakeQueue-A1B2C3";
        let ours = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3";
        let targets = |rule: &str, target: Value| json!({"rule": rule, "targets": [target]});
        let constant = json!({"id": "intake", "arn": ours, "input": "{}"});
        for (event, request, severity) in [
            ("DisableRule", json!({"name": "keepwatch-calls-1"}), Severity::Critical),
            ("PutRule", json!({"name": "keepwatch-calls-1", "state": "DISABLED"}), Severity::Critical),
            ("RemoveTargets", json!({"rule": "keepwatch-calls-1", "ids": ["intake"]}), Severity::Critical),
            ("PutTargets", targets("keepwatch-calls-1", constant.clone()), Severity::Critical),
            ("PutTargets", targets("keepwatch-calls-1", json!({"id": "x", "arn": outside})), Severity::High),
            (
                "PutTargets",
                targets("keepwatch-heartbeat", json!({"id": "x", "arn": outside})),
                Severity::High,
            ),
        ] {
            let seen = deploying(&EventRule, &by_stack("events", event, request));
            let worst = seen.iter().max_by_key(|one| one.severity).expect("an observation");
            assert_eq!((worst.severity, worst.verdict), (severity, Verdict::Failing), "{event}");
            assert!(worst.details.iter().any(|(name, _)| *name == "CloudFormation"), "{event}");
        }
        // The names of ours in the wrong place, and a role that has no right.
        for target in [
            json!({"id": "intake", "arn": "arn:aws:sqs:us-east-1:111122223333:keepwatch-Blackhole"}),
            json!({"id": "intake", "arn": "arn:aws:sqs:us-east-1:999988887777:keepwatch-IntakeQueue-111122223333"}),
            json!({"id": "intake", "arn": "arn:aws:sqs:eu-west-1:111122223333:keepwatch-IntakeQueue-A1B2C3"}),
            json!({"id": "intake", "arn": ours, "roleArn": "arn:aws:iam::111122223333:role/powerless"}),
        ] {
            let put = targets("keepwatch-calls-4", target);
            for event in [by_stack("events", "PutTargets", put.clone()), events("PutTargets", put)] {
                assert_eq!(fired(&EventRule, &event).verdict, Verdict::Failing, "{event}");
            }
        }
        // Good news about a rule of that name on another bus is none about ours.
        let elsewhere = json!({"name": "keepwatch-calls-4", "eventBusName": "shop"});
        quiet(&EventRule, &[events("EnableRule", elsewhere)]);
        // Whoever takes his own rules out again deploys exactly this.
        let optional = json!({"rule": "keepwatch-own-rules", "ids": ["intake"]});
        let optional = by_stack("events", "RemoveTargets", optional);
        deploys_at(&EventRule, Severity::Low, &optional);
        foreign_at(&EventRule, Severity::Critical, &optional);
        // The heartbeat says what the template gives it to say.
        let beat = deploying(
            &EventRule,
            &by_stack("events", "PutTargets", targets("keepwatch-heartbeat", constant)),
        );
        assert_eq!(beat[0].verdict, Verdict::Passing);
        // What the operations topic is told is a sentence, and goes nowhere else.
        let ops = "arn:aws:sns:us-east-1:111122223333:keepwatch-OpsTopic-A1B2C3";
        let told = |rule: &str, topic: &str| {
            let target = json!({"id": "ops", "arn": topic, "inputTransformer": {"inputTemplate": "x"}});
            by_stack("events", "PutTargets", targets(rule, target))
        };
        for rule in ["keepwatch-key-touched", "keepwatch-own-stopped", "keepwatch-own-touched"] {
            assert_eq!(deploying(&EventRule, &told(rule, ops))[0].verdict, Verdict::Passing, "{rule}");
            foreign_at(&EventRule, Severity::Critical, &told(rule, ops));
            let elsewhere = "arn:aws:sns:us-east-1:111122223333:shop";
            let led_away = deploying(&EventRule, &told(rule, elsewhere));
            assert_eq!(led_away[0].verdict, Verdict::Failing, "{rule}");
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &EventRule,
            &[
                events("DisableRule", json!({"name": "keepwatchers-nightly"})),
                events("DisableRule", json!({"name": "keepwatch-"})),
                events("DisableRule", json!({"name": "nightly"})),
                events("DisableRule", json!(null)),
                call(
                    "events",
                    "DisableRule",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"name": "keepwatch-root"}}),
                ),
            ],
        );
    }
}
