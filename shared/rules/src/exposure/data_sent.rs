use serde_json::Value;

use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Data of the account is sent to another account as it comes: a log group's events by a subscription filter, by
    /// a filter for the whole account or by a log delivery, and backups by a copy job or by a backup plan. Removing the
    /// filter, or writing it for a destination of your own, settles it.
    /// ## Why it matters
    /// Logs hold names, addresses and now and then passwords, and backups hold everything. What was sent stays with the
    /// other account, and nothing it does with it shows here.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, remove the filter or the rule of the plan.
    /// ## False positives
    /// Log archives and backup vaults in other accounts of the same organization, which are good practice: name those
    /// accounts in the TrustedAccounts parameter.
    DataSent {
        id: "exposure-data-sent-outside",
        title: "Logs or backups are sent to another account",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-10"],
        references: [
            attack(&["T1537", "T1020"]),
            doc(&[
                "CloudWatch Logs user guide: cross-account cross-Region log data sharing using subscriptions",
                "Backup developer guide: creating backup copies across AWS accounts",
            ]),
        ],
        on: [
            On::Call("logs.amazonaws.com", &[
                "PutSubscriptionFilter", "DeleteSubscriptionFilter", "PutAccountPolicy", "DeleteAccountPolicy",
                "CreateDelivery",
            ]),
            On::Call("backup.amazonaws.com", &["StartCopyJob", "CreateBackupPlan", "UpdateBackupPlan", "DeleteBackupPlan"]),
        ],
        alerts_as_witness: true,
    }
}

/// Something that sends.
struct Sender {
    arn: String,
    aspect: String,
    /// What is sent: `the logs of group x`.
    what: String,
    /// Whereto; empty where it was removed.
    to: Vec<String>,
    /// Whether it goes on, so that a destination of the own account is good news.
    lasts: bool,
    step: Option<Advice>,
}

/// What to do: the purpose, the command, its options.
type Advice = (&'static str, &'static str, Vec<(&'static str, String)>);

impl Rule for DataSent {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(sender) = sender(record) else { return Ok(()) };
        let who = caller_name(record);
        let outside = |arn: &&String| {
            Arn::parse(arn).is_some_and(|arn| is_account_id(arn.account) && !is_ours(arn.account, record, cx))
        };
        let Some(to) = sender.to.iter().find(outside) else {
            if sender.lasts {
                let title = format!("{who} has {} sent to no other account", sender.what);
                cx.report(cx.passing(sender.arn, title).aspect(&sender.aspect));
            }
            return Ok(());
        };
        let account = Arn::parse(to).map_or("", |arn| arn.account).to_owned();
        let seen = cx
            .failing(sender.arn, format!("{who} sends {} to outside account {account}", sender.what))
            .aspect(&sender.aspect)
            .because(
                "What arrives there is out of your hands, and what is done with it shows in no log of yours.",
            )
            .detail("Destination", to);
        let seen = match &sender.step {
            Some((purpose, command, options)) => {
                let mut all = vec![region_option(record)];
                all.extend(options.iter().map(|(option, value)| (*option, value.as_str())));
                seen.step(purpose, command, &all)
            }
            None => seen,
        };
        cx.report(cx.tempered(stop_caller(seen, record)).witnessed_by(&account));
        Ok(())
    }
}

fn sender(record: &Record<'_>) -> Option<Sender> {
    let (event, request) = (record.event_name.or_empty(), record.request());
    let text = |name: &str| text_at(request, &[name]);
    let to = |name: &str| text(name).map(str::to_owned).into_iter().collect::<Vec<_>>();
    Some(match event {
        "PutSubscriptionFilter" | "DeleteSubscriptionFilter" => {
            let (group, filter) = (text("logGroupName").or(text("logGroupIdentifier"))?, text("filterName")?);
            let options = vec![("--log-group-name", group.to_owned()), ("--filter-name", filter.to_owned())];
            Sender {
                arn: record.arn("logs", &format!("log-group:{group}")),
                aspect: format!("sent by {filter}"),
                what: format!("the logs of group {group}"),
                to: to("destinationArn"),
                lasts: true,
                step: Some(("Remove the filter", "logs delete-subscription-filter", options)),
            }
        }
        "PutAccountPolicy" | "DeleteAccountPolicy"
            if text("policyType") == Some("SUBSCRIPTION_FILTER_POLICY") =>
        {
            let name = text("policyName")?;
            let written: Value =
                text("policyDocument").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            let options = vec![("--policy-name", name.to_owned())];
            Sender {
                arn: record.arn("logs", &format!("account-policy:{name}")),
                aspect: "sent".to_owned(),
                what: "the logs of every group".to_owned(),
                to: text_at(&written, &["DestinationArn"]).map(str::to_owned).into_iter().collect(),
                lasts: true,
                step: Some((
                    "Remove the filter",
                    "logs delete-account-policy --policy-type SUBSCRIPTION_FILTER_POLICY",
                    options,
                )),
            }
        }
        "CreateDelivery" => Sender {
            arn: record.arn("logs", &format!("delivery-source:{}", text("deliverySourceName")?)),
            aspect: "sent".to_owned(),
            what: format!("the logs of source {}", text("deliverySourceName")?),
            to: to("deliveryDestinationArn"),
            lasts: false,
            step: Some(("Which deliveries are there?", "logs describe-deliveries", Vec::new())),
        },
        "StartCopyJob" => {
            let (vault, point) = (text("sourceBackupVaultName")?, text("recoveryPointArn")?);
            Sender {
                arn: record.arn("backup", &format!("backup-vault:{vault}")),
                aspect: format!("copy of {}", clean(point, 200)),
                what: format!("backup {} of vault {vault}", last_part(point)),
                to: to("destinationBackupVaultArn"),
                lasts: false,
                step: Some((
                    "Is the copy still under way?",
                    "backup list-copy-jobs --by-state RUNNING",
                    Vec::new(),
                )),
            }
        }
        "CreateBackupPlan" | "UpdateBackupPlan" | "DeleteBackupPlan" => {
            let plan = text("backupPlanId").or_else(|| record.response_text(&["backupPlanId"]))?;
            let written = value_at(request, &["backupPlan"]);
            let rules = written.map(|plan| items_at(plan, &["rules"])).unwrap_or_default();
            let copies = rules.into_iter().flat_map(|rule| items_at(rule, &["copyActions"]));
            let vaults = copies.filter_map(|copy| text_at(copy, &["destinationBackupVaultArn"]));
            Sender {
                arn: record.arn("backup", &format!("backup-plan:{plan}")),
                aspect: "copies".to_owned(),
                what: format!("the backups of plan {plan}"),
                to: vaults.map(str::to_owned).collect(),
                // Of a plan that the event does not carry nothing is known.
                lasts: event == "DeleteBackupPlan" || (event == "UpdateBackupPlan" && written.is_some()),
                step: Some((
                    "Read the plan",
                    "backup get-backup-plan",
                    vec![("--backup-plan-id", plan.to_owned())],
                )),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn put(source: &str, name: &str, request: Value) -> String {
        call(source, name, json!({"requestParameters": request}))
    }

    fn filter(account: &str) -> String {
        let to = format!("arn:aws:logs:us-east-1:{account}:destination:x");
        put(
            "logs",
            "PutSubscriptionFilter",
            json!({"logGroupName": "/app/prod", "filterName": "f", "filterPattern": "", "destinationArn": to}),
        )
    }

    fn plan(name: &str, account: &str) -> String {
        let to = format!("arn:aws:backup:us-east-1:{account}:backup-vault:x");
        let rule = json!({"ruleName": "daily", "targetBackupVaultName": "v", "copyActions": [{"destinationBackupVaultArn": to}]});
        put(
            "backup",
            name,
            json!({"backupPlanId": "p1", "backupPlan": {"backupPlanName": "p", "rules": [rule]}}),
        )
    }

    fn account_filter(account: &str) -> String {
        let to = json!({"DestinationArn": format!("arn:aws:firehose:us-east-1:{account}:deliverystream/x"), "FilterPattern": ""});
        put(
            "logs",
            "PutAccountPolicy",
            json!({"policyName": "p", "policyType": "SUBSCRIPTION_FILTER_POLICY", "policyDocument": to.to_string()}),
        )
    }

    #[test]
    fn fires() {
        let out = "999988887777";
        let vault = "arn:aws:backup:us-east-1:999988887777:backup-vault:x";
        for (event, title) in [
            (filter(out), "alice sends the logs of group /app/prod to outside account 999988887777"),
            (account_filter(out), "alice sends the logs of every group to outside account 999988887777"),
            (
                put(
                    "logs",
                    "CreateDelivery",
                    json!({"deliverySourceName": "s", "deliveryDestinationArn": "arn:aws:logs:us-east-1:999988887777:delivery-destination:x"}),
                ),
                "alice sends the logs of source s to outside account 999988887777",
            ),
            (
                put(
                    "backup",
                    "StartCopyJob",
                    json!({"recoveryPointArn": "arn:aws:ec2:us-east-1::snapshot/snap-1", "sourceBackupVaultName": "v", "destinationBackupVaultArn": vault}),
                ),
                "alice sends backup snap-1 of vault v to outside account 999988887777",
            ),
            (
                plan("UpdateBackupPlan", out),
                "alice sends the backups of plan p1 to outside account 999988887777",
            ),
        ] {
            let seen = fires_at(&DataSent, Severity::Medium, &event);
            assert_eq!(seen.title, title);
        }
    }

    #[test]
    fn its_end_settles_it() {
        let out = "999988887777";
        for (open, gone) in [
            (filter(out), filter("111122223333")),
            (
                filter(out),
                put(
                    "logs",
                    "DeleteSubscriptionFilter",
                    json!({"logGroupName": "/app/prod", "filterName": "f"}),
                ),
            ),
            (
                account_filter(out),
                put(
                    "logs",
                    "DeleteAccountPolicy",
                    json!({"policyName": "p", "policyType": "SUBSCRIPTION_FILTER_POLICY"}),
                ),
            ),
            (plan("UpdateBackupPlan", out), plan("UpdateBackupPlan", "444455556666")),
            (plan("UpdateBackupPlan", out), put("backup", "DeleteBackupPlan", json!({"backupPlanId": "p1"}))),
        ] {
            let (open, gone) = (fired(&DataSent, &open), observe(&DataSent, &gone));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &DataSent,
            &[
                put(
                    "logs",
                    "PutAccountPolicy",
                    json!({"policyName": "p", "policyType": "DATA_PROTECTION_POLICY", "policyDocument": "{}"}),
                ),
                put(
                    "backup",
                    "StartCopyJob",
                    json!({"recoveryPointArn": "r", "sourceBackupVaultName": "v",
                    "destinationBackupVaultArn": "arn:aws:backup:eu-west-1:111122223333:backup-vault:x"}),
                ),
                put("backup", "UpdateBackupPlan", json!({"backupPlanId": "p1", "omitted": true})),
                put("logs", "CreateDelivery", json!(null)),
                call(
                    "logs",
                    "PutSubscriptionFilter",
                    json!({"errorCode": "AccessDenied", "requestParameters":
                    {"logGroupName": "g", "filterName": "f", "destinationArn": "arn:aws:logs:us-east-1:999988887777:destination:x"}}),
                ),
            ],
        );
    }
}
