use serde_json::Value;

use super::common::is_ours;
use super::deployment::{by_cloudformation, deployed, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of the alarms that tell when Keepwatch fails was deleted, silenced, muted for some hours or set by hand; or one of
    /// Keepwatch's own log groups or log streams was deleted, is kept for another time, or is read, masked or changed on
    /// its way by something new.
    /// ## Why it matters
    /// The alarms are the only ones to speak when Keepwatch hears nothing any more. Its logs tell what it
    /// did.
    /// ## What to do
    /// Enable the alarm's actions, or deploy the stack again.
    /// ## False positives
    /// Deployments: what CloudFormation does within an hour after the same principal deployed Keepwatch's stack is low,
    /// unless it mutes an alarm or deletes a log group, which no deployment does. An alarm that is set to ALARM, to see whether the mail
    /// arrives, is low as well. Log groups that an earlier stack of the same name left
    /// behind are deleted on purpose.
    AlarmsAndLogs {
        id: "self-alarm-or-log-changed",
        title: "An alarm or a log of Keepwatch's own was tampered with",
        severity: High,
        confidence: High,
        catalogue: ["SELF-05"],
        references: [attack(&["T1562.001"]), attack(&["T1562.008"])],
        on: [
            On::Call("monitoring.amazonaws.com", &[
                "DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions", "SetAlarmState", "PutMetricAlarm",
                "PutCompositeAlarm", "PutLogAlarm", "PutAlarmMuteRule", "DeleteAlarmMuteRule",
            ]),
            On::Call("logs.amazonaws.com", &[
                "DeleteLogGroup", "DeleteLogStream", "AssociateKmsKey", "DisassociateKmsKey", "CreateExportTask",
                "PutRetentionPolicy", "DeleteRetentionPolicy", "PutSubscriptionFilter", "DeleteSubscriptionFilter",
                "PutDataProtectionPolicy", "DeleteDataProtectionPolicy", "PutTransformer", "DeleteTransformer",
                "PutSyslogConfiguration", "DeleteSyslogConfiguration", "PutBearerTokenAuthentication",
                "PutLogGroupDeletionProtection", "PutResourcePolicy", "DeleteResourcePolicy", "PutAccountPolicy",
                "DeleteAccountPolicy",
            ]),
        ],
        repeat_hours: 1,
    }
}

impl Rule for AlarmsAndLogs {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        if record.event_source.or_empty() == "logs.amazonaws.com" {
            return log(record, cx);
        }
        if record.event_name.or_empty().ends_with("AlarmMuteRule") {
            mute_rule(record, cx);
            return Ok(());
        }
        let one = text_at(request, &["alarmName"]);
        let names = one.map_or_else(|| texts_at(request, &["alarmNames"]), |name| vec![name]);
        let ours: Vec<&str> = names.into_iter().filter(|name| is_ours(cx, name)).collect();
        // Those of the function for Security Hub come and go with its parameter.
        let deployed = !ours.is_empty()
            && match record.event_name.or_empty() {
                "PutMetricAlarm" => !mutes(record),
                "DeleteAlarms" => true,
                _ => false,
            }
            && deployed(record, cx)?;
        for name in ours {
            alarm(record, cx, name, deployed);
        }
        Ok(())
    }
}

/// A mute rule that lets alarms of ours go off unheard, at the times that it names.
fn mute_rule(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let given = text_at(request, &["alarmMuteRuleName"]).or_else(|| text_at(request, &["name"]));
    let Some(rule) = given else { return };
    let arn = record.arn("cloudwatch", &format!("alarm-mute-rule:{rule}"));
    if record.event_name.or_empty() == "DeleteAlarmMuteRule" {
        // Which alarms it muted, only its making told.
        cx.report(cx.passing(arn, format!("{who} deleted mute rule {rule}")));
        return;
    }
    let targets = value_at(request, &["muteTargets"]).unwrap_or(&Value::Null);
    let Some(name) = texts_at(targets, &["alarmNames"]).into_iter().find(|name| is_ours(cx, name)) else {
        return;
    };
    let seen = cx
        .failing(arn, format!("{who} muted Keepwatch's alarm {name} by mute rule {rule}"))
        .severity(Severity::High)
        .because("While the rule is active, the alarm goes off and nobody is told.")
        .detail("Alarm", name)
        .detail_if("When", value_at(request, &["rule"]).map(ToString::to_string).as_deref())
        .step(
            "Have it tell again",
            "cloudwatch delete-alarm-mute-rule",
            &[("--alarm-mute-rule-name", rule), ("--region", region(record))],
        );
    report_change(record, cx, stop_caller(seen, record), false);
}

/// Something was done to a log group of ours, or to all of the account's.
fn log(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let (who, request, event) = (caller_name(record), record.request(), record.event_name.or_empty());
    if event.ends_with("AccountPolicy") {
        let policy = text_at(request, &["policyName"]).unwrap_or("that is not named");
        let kind = text_at(request, &["policyType"]).unwrap_or_default();
        let seen = cx
            .failing(
                record.arn("logs", "log-group:*"),
                format!("{who} changed policy {policy} of all log groups, Keepwatch's among them"),
            )
            .severity(Severity::Low)
            .aspect(policy)
            .because("Such a policy can mask what is in a log or send it elsewhere.")
            .detail("Kind", kind)
            .step(
                "What does it say?",
                "logs describe-account-policies",
                &[("--policy-type", kind), ("--region", region(record))],
            );
        report_change(record, cx, stop_caller(seen, record), false);
        return Ok(());
    }
    let given = ["logGroupName", "logGroupIdentifier", "resourceIdentifier", "resourceArn"];
    let Some(given) = given.iter().find_map(|key| text_at(request, &[key])) else { return Ok(()) };
    // By its name, or arn:aws:logs:REGION:ACCOUNT:log-group:NAME, which may end with :*.
    let group =
        given.split_once(":log-group:").map_or(given, |(_, rest)| rest.split(':').next().unwrap_or(rest));
    if !is_ours(cx, group) {
        return Ok(());
    }
    let (aspect, did) = match event {
        "DeleteLogGroup" => (None, "deleted"),
        "DeleteLogStream" => (None, "deleted a stream of"),
        "PutRetentionPolicy" | "DeleteRetentionPolicy" => (Some("retention"), "changed the retention of"),
        "AssociateKmsKey" | "DisassociateKmsKey" => (Some("key"), "changed the key of"),
        "CreateExportTask" => (Some("export"), "exported"),
        _ => (Some(event), "changed who reads or writes"),
    };
    let mut seen = cx
        .failing(
            record.arn("logs", &format!("log-group:{group}")),
            format!("{who} {did} Keepwatch's log group {group}"),
        )
        .severity(Severity::Medium)
        .because("What Keepwatch did and where it failed is in its logs.")
        .detail("Call", event)
        .step(
            "What is left?",
            "logs describe-log-groups",
            &[("--log-group-name-prefix", group), ("--region", region(record))],
        );
    if let Some(aspect) = aspect {
        seen = seen.aspect(aspect);
    }
    // The template sets how long logs are kept, and the owner's key.
    let explained = matches!(aspect, Some("retention" | "key")) && deployed(record, cx)?;
    report_change(record, cx, stop_caller(seen, record), explained);
    Ok(())
}

/// Whether the call leaves an alarm without anybody to tell. Each alarm of the template tells somebody; a person who
/// rewrites one is heard in any case.
fn mutes(record: &Record<'_>) -> bool {
    let put = record.event_name.or_empty() == "PutMetricAlarm";
    let tells = !texts_at(record.request(), &["alarmActions"]).is_empty();
    flag_at(record.request(), &["actionsEnabled"]) == Some(false)
        || (put && by_cloudformation(record) && !tells)
}

fn alarm(record: &Record<'_>, cx: &mut Cx<'_>, name: &str, deployed: bool) {
    let who = caller_name(record);
    let arn = record.arn("cloudwatch", &format!("alarm:{name}"));
    let (event, muted) = (record.event_name.or_empty(), mutes(record));
    // Enabling the actions of an alarm does not bring back what it watched.
    let (whole, actions) = ("alarm", "actions");
    let bad: &[(&str, Severity, &str)] = match event {
        "DeleteAlarms" => &[(whole, Severity::High, "deleted")],
        "DisableAlarmActions" => &[(actions, Severity::High, "disabled the actions of")],
        // Set to ALARM it tells: that is how people try whether the mail arrives.
        "SetAlarmState" if text_at(record.request(), &["stateValue"]) == Some("ALARM") => {
            &[(whole, Severity::Low, "tried out")]
        }
        "SetAlarmState" => &[(whole, Severity::Medium, "set by hand the state of")],
        "PutMetricAlarm" if muted && !by_cloudformation(record) => {
            &[(whole, Severity::High, "rewrote"), (actions, Severity::High, "disabled the actions of")]
        }
        "PutMetricAlarm" if muted => &[(actions, Severity::High, "disabled the actions of")],
        "PutMetricAlarm" if !deployed => &[(whole, Severity::High, "rewrote")],
        // The template has neither composite alarms nor alarms on logs.
        "PutCompositeAlarm" | "PutLogAlarm" => &[(whole, Severity::High, "rewrote")],
        _ => &[],
    };
    if bad.is_empty() {
        let good: &[&str] = if event == "EnableAlarmActions" { &[actions] } else { &[whole, actions] };
        for aspect in good {
            cx.report(cx.passing(&arn, format!("{who} set Keepwatch's alarm {name}")).aspect(aspect));
        }
    }
    let options = [("--alarm-names", name), ("--region", region(record))];
    for (aspect, severity, did) in bad {
        let seen = cx
            .failing(&arn, format!("{who} {did} Keepwatch's alarm {name}"))
            .severity(*severity)
            .aspect(aspect)
            .because("This alarm tells when Keepwatch itself fails or falls silent.")
            .detail("Alarm", name);
        let seen = match *aspect == actions {
            true => seen.step("Have it tell again", "cloudwatch enable-alarm-actions", &options),
            false => seen.step("How does it look now?", "cloudwatch describe-alarms", &options),
        };
        report_change(record, cx, stop_caller(seen, record), deployed);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::deployment::testing::*;
    use super::*;
    use crate::testing::*;

    const ALARM: &str = "keepwatch-DetectSilent-A1B2C3";

    fn monitoring(event: &str, request: Value) -> String {
        call("monitoring", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let names = json!({"alarmNames": ["cpu-high", ALARM]});
        let seen =
            fires_at(&AlarmsAndLogs, Severity::High, &monitoring("DisableAlarmActions", names.clone()));
        assert_eq!(seen.title, format!("alice disabled the actions of Keepwatch's alarm {ALARM}"));
        let on = observe(&AlarmsAndLogs, &monitoring("EnableAlarmActions", names.clone()));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        let deleted = fires_at(&AlarmsAndLogs, Severity::High, &monitoring("DeleteAlarms", names));
        // Who deletes or rewrites it, and then enables its actions, has put nothing right.
        assert_ne!(deleted.finding_id(), on[0].finding_id());
        let ops = json!(["arn:aws:sns:us-east-1:111122223333:keepwatch-OpsTopic-A1B2C3"]);
        let put = json!({"alarmName": ALARM, "alarmActions": ops});
        let put = by_stack("monitoring", "PutMetricAlarm", put);
        foreign_at(&AlarmsAndLogs, Severity::High, &put);
        let put = deploying(&AlarmsAndLogs, &put);
        assert!(put.iter().all(|o| o.verdict == Verdict::Passing));
        assert!([&deleted, &seen].iter().all(|bad| put.iter().any(|o| o.finding_id() == bad.finding_id())));
        let muted = json!({"alarmName": ALARM, "actionsEnabled": false});
        assert_eq!(observe(&AlarmsAndLogs, &monitoring("PutMetricAlarm", muted)).len(), 2);
        let tried = json!({"alarmName": ALARM, "stateValue": "ALARM"});
        fires_at(&AlarmsAndLogs, Severity::Low, &monitoring("SetAlarmState", tried));
        fires_at(
            &AlarmsAndLogs,
            Severity::High,
            &monitoring("PutMetricAlarm", json!({"alarmName": ALARM, "threshold": 1e9})),
        );
        fires_at(&AlarmsAndLogs, Severity::Medium, &monitoring("SetAlarmState", json!({"alarmName": ALARM})));
        let group = json!({"logGroupName": "keepwatch-DetectLogs-A1B2C3", "logStreamName": "x"});
        let seen = fires_at(
            &AlarmsAndLogs,
            Severity::Medium,
            &call("logs", "DeleteLogGroup", json!({"requestParameters": group})),
        );
        assert_eq!(seen.title, "alice deleted Keepwatch's log group keepwatch-DetectLogs-A1B2C3");
        let seen =
            fired(&AlarmsAndLogs, &call("logs", "DeleteLogStream", json!({"requestParameters": group})));
        assert_eq!(seen.title, "alice deleted a stream of Keepwatch's log group keepwatch-DetectLogs-A1B2C3");
    }

    #[test]
    fn a_mute_rule_silences_an_alarm() {
        let muted = json!({"name": "night", "muteTargets": {"alarmNames": ["cpu-high", ALARM]},
            "rule": {"schedule": {"expression": "cron(0 0 * * *)", "duration": "PT24H"}}});
        let seen = fires_at(&AlarmsAndLogs, Severity::High, &monitoring("PutAlarmMuteRule", muted.clone()));
        assert_eq!(seen.title, format!("alice muted Keepwatch's alarm {ALARM} by mute rule night"));
        fires_at(&AlarmsAndLogs, Severity::High, &by_stack("monitoring", "PutAlarmMuteRule", muted));
        let gone = monitoring("DeleteAlarmMuteRule", json!({"alarmMuteRuleName": "night"}));
        let gone = observe(&AlarmsAndLogs, &gone);
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        let others = json!({"name": "night", "muteTargets": {"alarmNames": ["cpu-high"]}});
        quiet(&AlarmsAndLogs, &[monitoring("PutAlarmMuteRule", others)]);
    }

    #[test]
    fn an_alarm_of_another_kind_takes_its_place() {
        for event in ["PutCompositeAlarm", "PutLogAlarm"] {
            let request = json!({"alarmName": ALARM});
            fires_at(&AlarmsAndLogs, Severity::High, &monitoring(event, request.clone()));
            fires_at(&AlarmsAndLogs, Severity::High, &by_stack("monitoring", event, request));
        }
    }

    #[test]
    fn what_is_done_to_a_log() {
        let group = "keepwatch-DetectLogs-A1B2C3";
        let arn = format!("arn:aws:logs:us-east-1:111122223333:log-group:{group}");
        let logs = |event: &str, request: Value| call("logs", event, json!({"requestParameters": request}));
        let kept = json!({"logGroupName": group, "retentionInDays": 1});
        let seen = fires_at(&AlarmsAndLogs, Severity::Medium, &logs("PutRetentionPolicy", kept.clone()));
        assert_eq!(seen.subject.resource, arn);
        let kept = by_stack("logs", "PutRetentionPolicy", kept);
        deploys_at(&AlarmsAndLogs, Severity::Low, &kept);
        foreign_at(&AlarmsAndLogs, Severity::Medium, &kept);
        for event in ["PutDataProtectionPolicy", "PutTransformer", "PutLogGroupDeletionProtection"] {
            let masked = json!({"logGroupIdentifier": format!("{arn}:*")});
            let seen = fires_at(&AlarmsAndLogs, Severity::Medium, &logs(event, masked.clone()));
            assert_eq!((seen.subject.resource, seen.subject.aspect.as_deref()), (arn.clone(), Some(event)));
            fires_at(&AlarmsAndLogs, Severity::Medium, &by_stack("logs", event, masked));
        }
        for event in ["PutSubscriptionFilter", "CreateExportTask", "AssociateKmsKey"] {
            fires_at(&AlarmsAndLogs, Severity::Medium, &logs(event, json!({"logGroupName": group})));
        }
        let all = json!({"policyName": "mask", "policyType": "DATA_PROTECTION_POLICY"});
        fires_at(&AlarmsAndLogs, Severity::Low, &logs("PutAccountPolicy", all));
        quiet(
            &AlarmsAndLogs,
            &[
                logs("PutRetentionPolicy", json!({"logGroupName": "/aws/lambda/shop", "retentionInDays": 1})),
                logs("PutResourcePolicy", json!({"policyName": "x", "policyDocument": "{}"})),
            ],
        );
    }

    #[test]
    fn the_general_rule_leaves_the_mail_to_it() {
        let seen = evaluate_all(&monitoring("DeleteAlarms", json!({"alarmNames": [ALARM]})));
        let covered = |id: &str| seen.iter().find(|o| o.rule.id == id).map(|o| o.covered_by);
        assert_eq!(covered("audit-alarm-silenced"), Some(Some("self-alarm-or-log-changed")));
        assert_eq!(covered("self-alarm-or-log-changed"), Some(None));
    }

    #[test]
    fn what_a_deployment_deletes_is_low_and_what_another_stack_does_is_not() {
        let deleted = by_stack("monitoring", "DeleteAlarms", json!({"alarmNames": [ALARM]}));
        deploys_at(&AlarmsAndLogs, Severity::Low, &deleted);
        foreign_at(&AlarmsAndLogs, Severity::High, &deleted);
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        for muted in [json!({"actionsEnabled": false}), json!({"alarmActions": []})] {
            let mut request = muted;
            request["alarmName"] = json!("keepwatch-Silent");
            let seen = deploying(&AlarmsAndLogs, &by_stack("monitoring", "PutMetricAlarm", request));
            assert_eq!(seen.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::High]);
        }
        let group = json!({"logGroupName": "keepwatch-DetectLogs-A1B2C3"});
        deploys_at(&AlarmsAndLogs, Severity::Medium, &by_stack("logs", "DeleteLogGroup", group));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AlarmsAndLogs,
            &[
                monitoring("DeleteAlarms", json!({"alarmNames": ["cpu-high"]})),
                monitoring("DeleteAlarms", json!(null)),
                call(
                    "logs",
                    "DeleteLogGroup",
                    json!({"requestParameters": {"logGroupName": "/aws/lambda/shop"}}),
                ),
                call(
                    "logs",
                    "DeleteLogGroup",
                    json!({"errorCode": "AccessDenied",
                        "requestParameters": {"logGroupName": "keepwatch-x"}}),
                ),
            ],
        );
    }
}
