use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Somebody is told when the costs rise: by a budget of costs with a notification that has a subscriber, or by an alarm on
    /// the estimated charges whose actions are switched on, which has an action, and which gets data. In a member account of an
    /// organization the alarm never gets data, and counts for nothing; a budget works there too.
    /// ## Why it matters
    /// The bill is the alarm that notices every thief who wants computing time, and every mistake.
    /// ## What to do
    /// Make a budget with a mail address. An alarm needs "Receive billing alerts" in the payer's billing preferences, and a
    /// topic whose subscription somebody has confirmed, which is not looked at here.
    /// ## What it costs
    /// Budgets that only tell are free. An alarm costs 0.10 USD a month; ten are free.
    /// ## What may break
    /// Nothing.
    BillingAlarm {
        id: "billing.alarm",
        title: "A budget or an alarm tells when the costs rise",
        severity: Medium,
        practices: ["P66"],
        references: [
            doc(&["AWS Cost Management user guide: Managing your costs with AWS Budgets"]),
            doc(&["Amazon CloudWatch user guide: Create a billing alarm to monitor your estimated AWS charges"]),
        ],
        asks: [Budgets, BillingAlarms],
    }
}

impl Check for BillingAlarm {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let budgets = cx.try_known(Budgets, GLOBAL);
        let alarms = cx.try_known(BillingAlarms, GLOBAL);
        let by_budget = budgets.as_ref().map(|all| all.iter().any(|one| idle_budget(one).is_none()));
        let by_alarm = alarms.as_ref().map(|all| all.iter().any(|one| idle_alarm(one).is_none()));
        if any(&[by_budget.map_err(Clone::clone), by_alarm.map_err(Clone::clone)])? {
            let told = budgets.iter().flat_map(|all| all.iter()).find(|one| idle_budget(one).is_none());
            let title = match told {
                Some(budget) => format!("Budget {} tells when the costs rise", budget.name),
                None => "An alarm tells when the costs rise".to_owned(),
            };
            cx.report(cx.passing(title));
            return Ok(());
        }
        let mut seen = cx.failing("Nobody is told when the costs rise").because(
            "there is neither a budget of costs that tells somebody nor an alarm on charges that works",
        );
        for budget in budgets.into_iter().flatten() {
            seen = seen
                .detail("Budget", format!("{}: {}", budget.name, idle_budget(budget).unwrap_or_default()));
        }
        for alarm in alarms.into_iter().flatten() {
            seen = seen.detail("Alarm", format!("{}: {}", alarm.name, idle_alarm(alarm).unwrap_or_default()));
        }
        let budget = r#"{"BudgetName":"monthly","BudgetType":"COST","TimeUnit":"MONTHLY","BudgetLimit":{"Amount":"50","Unit":"USD"}}"#;
        let told = r#"[{"Notification":{"NotificationType":"ACTUAL","ComparisonOperator":"GREATER_THAN","Threshold":80},"Subscribers":[{"SubscriptionType":"EMAIL","Address":"YOUR_ADDRESS"}]}]"#;
        let seen = seen.step(
            "Make a budget that tells somebody",
            "budgets create-budget",
            &[
                ("--account-id", cx.account()),
                ("--budget", budget),
                ("--notifications-with-subscribers", told),
            ],
        );
        cx.report(seen);
        Ok(())
    }
}

/// Why the budget tells nobody.
fn idle_budget(budget: &facts::billing::Budget) -> Option<&'static str> {
    match () {
        () if budget.kind != "COST" => Some("is not about costs"),
        () if budget.subscribers.is_empty() => Some("has no notification"),
        () if budget.subscribers.iter().all(|count| *count == 0) => {
            Some("its notifications have no subscriber")
        }
        () => None,
    }
}

/// Why the alarm tells nobody.
fn idle_alarm(alarm: &facts::billing::BillingAlarm) -> Option<&'static str> {
    match () {
        () if !alarm.actions_enabled => Some("its actions are switched off"),
        () if alarm.actions == 0 => Some("has no action"),
        () if alarm.state == "INSUFFICIENT_DATA" => Some("gets no data"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::billing::{BillingAlarm as Alarm, Budget};
    use keepwatch_core::posture::State;

    fn budget(kind: &str, subscribers: &[u32]) -> Budget {
        Budget { name: "m".to_owned(), kind: kind.to_owned(), subscribers: subscribers.to_vec() }
    }

    fn alarm(actions_enabled: bool, actions: u32, state: &str) -> Alarm {
        Alarm {
            arn: "arn:aws:cloudwatch:us-east-1:111122223333:alarm:bill".to_owned(),
            name: "bill".to_owned(),
            actions_enabled,
            actions,
            state: state.to_owned(),
        }
    }

    fn state(budgets: Vec<Budget>, alarms: Vec<Alarm>) -> State {
        account().with(Budgets, global(), budgets).with(BillingAlarms, global(), alarms)
    }

    fn verdict(budgets: Vec<Budget>, alarms: Vec<Alarm>) -> Judged {
        judge_one(&BillingAlarm, &state(budgets, alarms)).verdict
    }

    #[test]
    fn a_budget_or_an_alarm_that_tells() {
        assert_eq!(verdict(vec![budget("COST", &[0, 1])], vec![]), Judged::Passing);
        assert_eq!(verdict(vec![], vec![alarm(true, 1, "OK")]), Judged::Passing);
        assert_eq!(verdict(vec![budget("COST", &[])], vec![alarm(true, 1, "ALARM")]), Judged::Passing);
    }

    #[test]
    fn what_tells_nobody() {
        for budget in [budget("COST", &[]), budget("COST", &[0]), budget("USAGE", &[1])] {
            assert_eq!(verdict(vec![budget], vec![]), Judged::Failing);
        }
        // In a member account an alarm stays without data for ever.
        for alarm in [alarm(false, 1, "OK"), alarm(true, 0, "OK"), alarm(true, 1, "INSUFFICIENT_DATA")] {
            assert_eq!(verdict(vec![], vec![alarm]), Judged::Failing);
        }
        let one = judge_one(&BillingAlarm, &state(vec![budget("COST", &[])], vec![alarm(true, 0, "OK")]));
        assert_eq!(one.details[0].1, "m: has no notification");
        assert_eq!(one.details[1].1, "bill: has no action");
    }

    #[test]
    fn a_refusal_decides_only_what_it_can() {
        let good = state(vec![budget("COST", &[1])], vec![]);
        assert_eq!(
            judge_one(&BillingAlarm, &refused(good, BillingAlarms, global())).verdict,
            Judged::Passing
        );
        let one = judge_one(&BillingAlarm, &refused(state(vec![], vec![]), BillingAlarms, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["cloudwatch:DescribeAlarms"]));
        let one = judge_one(&BillingAlarm, &refused(state(vec![], vec![]), Budgets, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["budgets:ViewBudget"]));
    }
}
