use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// What warns of costs was taken away: a budget or its notification, a monitor or a subscription of Cost Anomaly
    /// Detection, or a CloudWatch alarm whose name speaks of billing, budget, cost or spend.
    /// ## Why it matters
    /// Whoever mines coins in the account does not want a mail about the bill. And without any thief, a mistake in an
    /// account without a budget is found a month later.
    /// ## What to do
    /// Make it again, if it was not replaced by another.
    /// ## False positives
    /// Renaming a budget is deleting and creating; creating a budget or an alarm of the same name closes the finding.
    /// Tearing down a stack is tempered. An alarm on costs with another name is not recognised.
    CostWatchRemoved {
        id: "organization-cost-watch-removed",
        title: "A budget, cost monitor or billing alarm was removed",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ORG-07"],
        references: [
            attack(&["T1562"]),
            doc(&["AWS Budgets API: DeleteBudget, DeleteNotification"]),
            doc(&["AWS Cost Explorer API: DeleteAnomalyMonitor, DeleteAnomalySubscription"]),
        ],
        on: [
            On::Call("budgets.amazonaws.com", &["CreateBudget", "CreateNotification", "DeleteBudget", "DeleteNotification"]),
            On::Call("ce.amazonaws.com", &["DeleteAnomalyMonitor", "DeleteAnomalySubscription"]),
            On::Call("monitoring.amazonaws.com", &[
                "DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions", "PutMetricAlarm", "PutCompositeAlarm",
            ]),
        ],
    }
}

impl Rule for CostWatchRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, call) = (caller_name(record), record.event_name.or_empty());
        let mut all: Vec<Observation> = Vec::new();
        if call.contains("Alarm") {
            for name in alarms(record) {
                let arn = record.arn("cloudwatch", &format!("alarm:{name}"));
                // Whoever puts an alarm can put it without its actions.
                let silent = record.param_flag(&["actionsEnabled"]) == Some(false);
                let did = match call {
                    "DeleteAlarms" => "deleted",
                    "DisableAlarmActions" => "silenced",
                    "PutMetricAlarm" | "PutCompositeAlarm" if silent => "silenced",
                    _ => {
                        all.push(cx.passing(arn, format!("{who} switched billing alarm {name} on again")));
                        continue;
                    }
                };
                let seen = cx.failing(arn, format!("{who} {did} billing alarm {name}"));
                // Asked for by its metric, an alarm is found with all of its dimensions only.
                all.push(seen.step(
                    "Which alarms on costs are left?",
                    r#"cloudwatch describe-alarms --query "MetricAlarms[?Namespace=='AWS/Billing'].[AlarmName,ActionsEnabled]""#,
                    &[("--region", "us-east-1")],
                ));
            }
        } else if call.contains("Anomaly") {
            let (kind, list) = match call {
                "DeleteAnomalyMonitor" => ("monitor", "ce get-anomaly-monitors"),
                _ => ("subscription", "ce get-anomaly-subscriptions"),
            };
            let arn = record.param(&["MonitorArn"]).or(record.param(&["SubscriptionArn"]));
            let seen = cx.failing(
                arn.map_or_else(|| format!("anomaly-{kind}"), str::to_owned),
                format!("{who} deleted a {kind} of Cost Anomaly Detection"),
            );
            all.push(seen.global().detail_if("Deleted", arn).step("Which are left?", list, &[]));
        } else if let Some(name) = record
            .param(&["BudgetName"])
            .or(record.param(&["budget", "budgetName"]))
            .or(record.param(&["Budget", "BudgetName"]))
        {
            let arn = format!("arn:{}:budgets::{}:budget/{name}", record.partition(), record.account());
            let notification = call.ends_with("Notification");
            let what = if notification { "notification of budget" } else { "budget" };
            let seen = match call.starts_with("Create") {
                true => cx.passing(&arn, format!("{who} created {what} {name}")),
                false => cx.failing(&arn, format!("{who} deleted {what} {name}")),
            };
            // A new budget may bring its notifications along.
            if call == "CreateBudget"
                && !items_at(record.request(), &["notificationsWithSubscribers"]).is_empty()
            {
                let title = format!("{who} created budget {name} with notifications");
                all.push(cx.passing(&arn, title).aspect("notification").global());
            }
            let seen = if notification { seen.aspect("notification") } else { seen };
            all.push(seen.global().step(
                "Which budgets are left?",
                "budgets describe-budgets",
                &[("--account-id", record.account())],
            ));
        }
        for seen in all {
            let seen = seen.because("Nobody is told any more when the costs rise.");
            let seen = cx.tempered(stop_caller(seen, record));
            cx.report(seen);
        }
        Ok(())
    }
}

/// The alarms of this call that are about costs, by their names: a deleted alarm can no longer be looked at.
fn alarms<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let names = [items_at(record.request(), &["alarmNames"]), items_at(record.request(), &["alarmName"])];
    let about_costs = |name: &&str| {
        let name = name.to_ascii_lowercase();
        ["billing", "budget", "cost", "spend", "estimatedcharges"].iter().any(|word| name.contains(word))
    };
    names.into_iter().flatten().filter_map(|name| name.as_str()).filter(about_costs).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn budget(event: &str, request: Value) -> String {
        call("budgets", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let request = json!({"AccountId": ACCOUNT, "BudgetName": "monthly"});
        let seen = fires_at(&CostWatchRemoved, Severity::Medium, &budget("DeleteBudget", request.clone()));
        assert_eq!(seen.title, "alice deleted budget monthly");
        assert_eq!(seen.subject.resource, "arn:aws:budgets::111122223333:budget/monthly");
        let less = fired(&CostWatchRemoved, &budget("DeleteNotification", request));
        assert_ne!(less.subject, seen.subject);
        fired(&CostWatchRemoved, &budget("DeleteBudget", json!({"budgetName": "monthly"})));
        let arn = "arn:aws:ce::111122223333:anomalymonitor/abcdef12";
        let monitor = json!({"requestParameters": {"MonitorArn": arn}});
        let seen = fired(&CostWatchRemoved, &call("ce", "DeleteAnomalyMonitor", monitor));
        assert_eq!(seen.subject.resource, arn);
        fired(&CostWatchRemoved, &call("ce", "DeleteAnomalySubscription", json!({})));
    }

    #[test]
    fn alarms_go_by_their_names() {
        let alarms = json!({"requestParameters": {"alarmNames": ["Billing-100-USD", "api-5xx"]}});
        let seen = fires_at(&CostWatchRemoved, Severity::Medium, &call("monitoring", "DeleteAlarms", alarms));
        assert_eq!(seen.title, "alice deleted billing alarm Billing-100-USD");
        let one = json!({"requestParameters": {"alarmNames": "Billing-100-USD"}});
        let off = fired(&CostWatchRemoved, &call("monitoring", "DisableAlarmActions", one.clone()));
        let on = observe(&CostWatchRemoved, &call("monitoring", "EnableAlarmActions", one));
        assert_eq!((on[0].verdict, &on[0].subject), (Verdict::Passing, &off.subject));
        assert!(off.steps[0].command.contains("'AWS/Billing'"), "{:?}", off.steps);
    }

    #[test]
    fn putting_an_alarm_closes_it_unless_it_is_put_without_actions() {
        let put = |actions: Value| {
            let request =
                json!({"alarmName": "Billing-100-USD", "threshold": 100, "actionsEnabled": actions});
            call("monitoring", "PutMetricAlarm", json!({"requestParameters": request}))
        };
        let gone = json!({"requestParameters": {"alarmNames": ["Billing-100-USD"]}});
        let gone = fired(&CostWatchRemoved, &call("monitoring", "DeleteAlarms", gone));
        for again in [put(json!(true)), put(json!(null))] {
            let again = observe(&CostWatchRemoved, &again);
            assert_eq!((again[0].verdict, &again[0].subject), (Verdict::Passing, &gone.subject));
        }
        let silent = fires_at(&CostWatchRemoved, Severity::Medium, &put(json!(false)));
        assert_eq!(silent.title, "alice silenced billing alarm Billing-100-USD");
    }

    #[test]
    fn making_it_again_closes_it() {
        let gone = fired(&CostWatchRemoved, &budget("DeleteBudget", json!({"BudgetName": "monthly"})));
        let again =
            observe(&CostWatchRemoved, &budget("CreateBudget", json!({"budget": {"budgetName": "monthly"}})));
        assert_eq!((again[0].verdict, &again[0].subject), (Verdict::Passing, &gone.subject));
        assert_eq!(again.len(), 1);
        let gone = fired(&CostWatchRemoved, &budget("DeleteNotification", json!({"budgetName": "monthly"})));
        let whole = json!({"budget": {"budgetName": "monthly"}, "notificationsWithSubscribers": [{"subscribers": []}]});
        let again = observe(&CostWatchRemoved, &budget("CreateBudget", whole));
        assert!(again.iter().all(|seen| seen.verdict == Verdict::Passing), "{again:?}");
        assert!(again.iter().any(|seen| seen.subject == gone.subject), "{again:?}");
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &CostWatchRemoved,
            &[
                budget("DeleteBudget", json!({"budgetName": ["monthly"]})),
                call(
                    "budgets",
                    "DeleteBudget",
                    json!({"errorCode": "AccessDeniedException", "requestParameters": {"budgetName": "monthly"}}),
                ),
                call("monitoring", "DeleteAlarms", json!({"requestParameters": {"alarmNames": ["api-5xx"]}})),
                call("monitoring", "DeleteAlarms", json!({"requestParameters": null})),
                call("ce", "DeleteAnomalyMonitor", json!({"errorCode": "AccessDeniedException"})),
            ],
        );
    }
}
