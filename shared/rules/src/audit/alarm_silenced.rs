use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A CloudWatch alarm was deleted, its actions were disabled, its state was set by hand, or a mute rule
    /// was made that keeps it from telling for some time. Deleting the mute rule settles that.
    /// ## Why it matters
    /// An alarm without actions goes red and tells nobody. Alarms on sign-ins, on denied calls and on the
    /// bill are how many accounts notice an intruder.
    /// ## What to do
    /// Create the alarm again or enable its actions; look at what it would have told since.
    /// ## False positives
    /// Alarms come and go with what they watch, and their actions are disabled for maintenance: low. Names
    /// that speak of security, root, sign-in, CloudTrail or billing are medium, unless the alarm was set to
    /// ALARM, as people do who try it. What auto scaling does to its own alarms is only kept on record.
    AlarmSilenced {
        id: "audit-alarm-silenced",
        title: "A CloudWatch alarm was deleted or silenced",
        severity: Low,
        confidence: Medium,
        catalogue: ["DET-08"],
        references: [
            cis("3.0", &[
                "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12",
                "4.13", "4.14", "4.15",
            ]),
            cis("5.0", &[
                "4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12",
                "4.13", "4.14", "4.15",
            ]),
            security_hub(&["CloudWatch.15"]),
            attack(&["T1562"]),
        ],
        on: [On::Call("monitoring.amazonaws.com", &[
            "DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions", "SetAlarmState", "PutMetricAlarm",
            "PutCompositeAlarm", "PutAlarmMuteRule", "DeleteAlarmMuteRule",
        ])],
        general: true,
    }
}

impl Rule for AlarmSilenced {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        if record.event_name.or_empty().ends_with("AlarmMuteRule") {
            mute_rule(record, cx);
            return Ok(());
        }
        let names = match text_at(request, &["alarmName"]) {
            Some(name) => vec![name],
            None => texts_at(request, &["alarmNames"]),
        };
        for name in names {
            for seen in observations(record, cx, name) {
                cx.report(seen);
            }
        }
        Ok(())
    }
}

/// A rule that mutes alarms at the times that it names (CloudWatch API reference, PutAlarmMuteRule).
fn mute_rule(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request, region) = (caller_name(record), record.request(), region(record));
    let given = text_at(request, &["alarmMuteRuleName"]).or_else(|| text_at(request, &["name"]));
    let Some(rule) = given else { return };
    let arn = record.arn("cloudwatch", &format!("alarm-mute-rule:{rule}"));
    let names = texts_at(request, &["muteTargets", "alarmNames"]);
    if record.event_name.or_empty().starts_with("Delete") || names.is_empty() {
        cx.report(cx.passing(arn, format!("{who} has mute rule {rule} mute no alarm")));
        return;
    }
    let guarding = names.iter().find(|name| guards(name));
    let first = guarding.unwrap_or(&names[0]);
    let others = match names.len() - 1 {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let seen = cx
        .failing(arn, format!("{who} muted alarm {first}{others} by mute rule {rule}"))
        .severity(if guarding.is_some() { Severity::Medium } else { Severity::Low })
        .because("While the rule is active, the alarms go off and nobody is told.")
        .detail("Alarms", names.join(", "))
        .detail_if("When", text_at(request, &["rule", "schedule", "expression"]))
        .detail_if("How long", text_at(request, &["rule", "schedule", "duration"]))
        .detail_if("Until", text_at(request, &["expireDate"]))
        .step(
            "Have them tell again",
            "cloudwatch delete-alarm-mute-rule",
            &[("--alarm-mute-rule-name", rule), ("--region", region)],
        );
    cx.report(tempered_to(cx, Severity::Low, seen));
}

fn observations(record: &Record<'_>, cx: &Cx<'_>, name: &str) -> Vec<Observation> {
    let (who, region) = (caller_name(record), region(record));
    let arn = record.arn("cloudwatch", &format!("alarm:{name}"));
    let pass = |aspect: &str| cx.passing(&arn, format!("{who} set alarm {name}")).aspect(aspect);
    let (aspect, did, fix) = match record.event_name.or_empty() {
        "DeleteAlarms" => ("alarm", "deleted", None),
        "DisableAlarmActions" => ("actions", "disabled the actions of", Some("enable-alarm-actions")),
        "SetAlarmState" => ("state", "set by hand the state of", None),
        "EnableAlarmActions" => return vec![pass("actions")],
        _ if flag_at(record.request(), &["actionsEnabled"]) == Some(false) => {
            ("actions", "disabled the actions of", Some("enable-alarm-actions"))
        }
        _ => return vec![pass("alarm"), pass("actions")],
    };
    // An alarm that is set to ALARM tells: that is how people try whether the mail arrives.
    let tried = aspect == "state" && text_at(record.request(), &["stateValue"]) == Some("ALARM");
    let severity = if guards(name) && !tried { Severity::Medium } else { Severity::Low };
    let mut seen = cx
        .failing(&arn, format!("{who} {did} alarm {name}"))
        .severity(severity)
        .aspect(aspect)
        .because("Nobody is told by this alarm until it is back.")
        .detail("Alarm", name)
        .step(
            "What is its state?",
            "cloudwatch describe-alarms",
            &[("--alarm-names", name), ("--region", region)],
        );
    if let Some(fix) = fix {
        let options = [("--alarm-names", name), ("--region", region)];
        seen = seen.step("Have it tell again", &format!("cloudwatch {fix}"), &options);
    }
    let seen = tempered_to(cx, Severity::Low, seen);
    vec![match cx.automation() {
        Some(Automation::Service) => seen.severity(Severity::Informational),
        _ => seen,
    }]
}

/// Whether an alarm of this name is likely to guard the account.
fn guards(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let whole = ["root", "cis", "iam", "mfa", "scp"];
    ["cloudtrail", "security", "unauthori", "guardduty", "signin", "sign-in", "consolelogin", "billing"]
        .iter()
        .any(|sign| name.contains(sign))
        || name.split(|c: char| !c.is_ascii_alphabetic()).any(|word| whole.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn alarms(event: &str, request: Value) -> String {
        call("monitoring", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let names = json!({"alarmNames": ["CIS-3.3-root-usage"]});
        let seen = fires_at(&AlarmSilenced, Severity::Medium, &alarms("DeleteAlarms", names.clone()));
        assert_eq!(seen.title, "alice deleted alarm CIS-3.3-root-usage");
        fires_at(&AlarmSilenced, Severity::Medium, &alarms("DisableAlarmActions", names));
        fires_at(&AlarmSilenced, Severity::Low, &alarms("DeleteAlarms", json!({"alarmNames": "cpu-high"})));
        let state = json!({"alarmName": "cpu-high", "stateValue": "OK", "stateReason": "test"});
        fires_at(&AlarmSilenced, Severity::Low, &alarms("SetAlarmState", state));
        let state =
            |value: &str| alarms("SetAlarmState", json!({"alarmName": "root-usage", "stateValue": value}));
        fires_at(&AlarmSilenced, Severity::Medium, &state("OK"));
        fires_at(&AlarmSilenced, Severity::Low, &state("ALARM"));
        let put = json!({"alarmName": "SecurityGroupChanges", "actionsEnabled": "false"});
        fires_at(&AlarmSilenced, Severity::Medium, &alarms("PutMetricAlarm", put));
        assert_eq!(
            observe(&AlarmSilenced, &alarms("DeleteAlarms", json!({"alarmNames": ["a", "b"]}))).len(),
            2
        );
    }

    #[test]
    fn auto_scaling_is_only_on_record() {
        let scaling = json!({
            "requestParameters": {"alarmNames": ["TargetTracking-service/prod/shop-AlarmHigh-1"]},
            "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn":
                "arn:aws:iam::111122223333:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"}}},
        });
        fires_at(&AlarmSilenced, Severity::Informational, &call("monitoring", "DeleteAlarms", scaling));
    }

    #[test]
    fn a_repair_resolves() {
        let (names, name) = (json!({"alarmNames": ["root"]}), json!({"alarmName": "root"}));
        for (bad, good) in [("DisableAlarmActions", "EnableAlarmActions"), ("DeleteAlarms", "PutMetricAlarm")]
        {
            let bad = fired(&AlarmSilenced, &alarms(bad, names.clone()));
            let good = observe(
                &AlarmSilenced,
                &alarms(good, if good == "PutMetricAlarm" { name.clone() } else { names.clone() }),
            );
            let good: Vec<_> = good.iter().filter(|o| o.finding_id() == bad.finding_id()).collect();
            assert_eq!(good.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing]);
        }
    }

    #[test]
    fn a_mute_rule_silences_until_it_is_gone() {
        let put = |targets: Value| {
            let rule = json!({"schedule": {"expression": "cron(0 0 * * ? *)", "duration": "PT24H"}});
            alarms("PutAlarmMuteRule", json!({"name": "night", "rule": rule, "muteTargets": targets}))
        };
        let seen = fires_at(
            &AlarmSilenced,
            Severity::Medium,
            &put(json!({"alarmNames": ["cpu-high", "CIS-3.3-root-usage"]})),
        );
        assert_eq!(seen.title, "alice muted alarm CIS-3.3-root-usage and 1 more by mute rule night");
        fires_at(&AlarmSilenced, Severity::Low, &put(json!({"alarmNames": ["cpu-high"]})));
        let gone = alarms("DeleteAlarmMuteRule", json!({"alarmMuteRuleName": "night"}));
        for good in [gone, put(json!(null)), put(json!({"alarmNames": []}))] {
            let good = observe(&AlarmSilenced, &good);
            assert_eq!((good.len(), good[0].verdict), (1, Verdict::Passing));
            assert_eq!(good[0].finding_id(), seen.finding_id());
        }
        quiet(
            &AlarmSilenced,
            &[alarms("PutAlarmMuteRule", json!({"muteTargets": {"alarmNames": ["root"]}}))],
        );
    }

    #[test]
    fn names_are_read_by_words() {
        for name in ["RootAccountUsage-root", "IAM-changes", "UnauthorizedApiCalls", "billing > 10"] {
            assert!(guards(name), "{name}");
        }
        for name in ["rootfs-full", "precision", "miami-latency", "cpu-high"] {
            assert!(!guards(name), "{name}");
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AlarmSilenced,
            &[
                alarms("DeleteAlarms", json!({"alarmNames": []})),
                alarms("DeleteAlarms", json!(null)),
                call("monitoring", "DeleteAlarms", json!({"errorCode": "AccessDenied"})),
                call("cloudwatch", "DeleteAlarms", json!({"requestParameters": {"alarmNames": ["root"]}})),
            ],
        );
    }
}
