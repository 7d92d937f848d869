use serde_json::Value;

use super::shared::is_ours;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Data of the account is sent to another account as it comes: a log group's events by a subscription filter, by
    /// a filter for the whole account or by a log delivery, backups by a copy job or by a backup plan, events by a
    /// target of an event rule, the messages of a topic by a subscription, container images by replication, and
    /// telemetry by a link to another account's sink. Removing what sends, or
    /// writing it for a destination of your own, settles it.
    /// ## Why it matters
    /// Logs hold names, addresses and now and then passwords, and backups hold everything. What was sent stays with the
    /// other account, and nothing it does with it shows here.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, remove the filter or the rule of the plan.
    /// ## False positives
    /// Log archives, backup vaults and central event buses in other accounts of the same organization, which are good
    /// practice: name those accounts in the TrustedAccounts parameter.
    DataSent {
        id: "exposure-data-sent-outside",
        title: "Logs, backups, events or messages are sent to another account",
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
            On::Call("events.amazonaws.com", &["PutTargets", "RemoveTargets"]),
            On::Call("sns.amazonaws.com", &["Subscribe"]),
            On::Call("ecr.amazonaws.com", &["PutReplicationConfiguration"]),
            On::Call("oam.amazonaws.com", &["CreateLink", "DeleteLink"]),
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
        for sender in senders(record) {
            sends(record, cx, sender);
        }
        Ok(())
    }
}

/// Reports one that sends outside, or that it does no more.
fn sends(record: &Record<'_>, cx: &mut Cx<'_>, sender: Sender) {
    let who = caller_name(record);
    let outside = |arn: &&String| {
        Arn::parse(arn).is_some_and(|arn| is_account_id(arn.account) && !is_ours(arn.account, record, cx))
    };
    let Some(to) = sender.to.iter().find(outside) else {
        if sender.lasts {
            let title = format!("{who} has {} sent to no other account", sender.what);
            cx.report(cx.passing(sender.arn, title).aspect(&sender.aspect));
        }
        return;
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
}

/// All that a call has send: the targets of an event rule are several.
fn senders(record: &Record<'_>) -> Vec<Sender> {
    match record.event_name.or_empty() {
        "PutTargets" | "RemoveTargets" => targets(record),
        _ => sender(record).into_iter().collect(),
    }
}

/// The targets that an event rule is given or loses. One with the id of another takes its place.
fn targets(record: &Record<'_>) -> Vec<Sender> {
    let request = record.request();
    let Some(rule) = text_at(request, &["rule"]) else { return Vec::new() };
    let bus = text_at(request, &["eventBusName"]).map_or("default", last_part);
    let path = if bus == "default" { rule.to_owned() } else { format!("{bus}/{rule}") };
    let given = items_at(request, &["targets"]).into_iter();
    let given = given.filter_map(|one| Some((text_at(one, &["id"])?, text_at(one, &["arn"]))));
    let taken = texts_at(request, &["ids"]).into_iter().map(|id| (id, None));
    let sender = |(id, to): (&str, Option<&str>)| Sender {
        arn: record.arn("events", &format!("rule/{path}")),
        aspect: format!("sent by target {}", clean(id, 100)),
        what: format!("the events of rule {rule}"),
        to: to.map(str::to_owned).into_iter().collect(),
        lasts: true,
        step: Some((
            "Take the target off the rule",
            "events remove-targets",
            vec![("--rule", rule.to_owned()), ("--event-bus-name", bus.to_owned()), ("--ids", id.to_owned())],
        )),
    };
    given.chain(taken).map(sender).collect()
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
        "Subscribe" => {
            let topic = text("topicArn")?;
            // Whoever subscribes a queue to another account's topic takes something in.
            Arn::parse(topic).filter(|arn| arn.account == record.account())?;
            let endpoint = text("endpoint")?;
            Sender {
                arn: topic.to_owned(),
                aspect: format!("sent to {}", clean(endpoint, 200)),
                what: format!("the messages of topic {}", last_part(topic)),
                to: vec![endpoint.to_owned()],
                lasts: false,
                step: Some((
                    "Who is subscribed?",
                    "sns list-subscriptions-by-topic",
                    vec![("--topic-arn", topic.to_owned())],
                )),
            }
        }
        "PutReplicationConfiguration" => {
            let rules = items_at(request, &["replicationConfiguration", "rules"]).into_iter();
            let registries = rules.flat_map(|rule| items_at(rule, &["destinations"]));
            let registries = registries.filter_map(|to| text_at(to, &["registryId"]));
            let to =
                |id: &str| format!("arn:{}:ecr:{}:{id}:repository/*", record.partition(), region(record));
            Sender {
                arn: record.arn("ecr", "registry"),
                aspect: "replicated".to_owned(),
                what: "the images of the container registry".to_owned(),
                to: registries.map(to).collect(),
                lasts: true,
                step: Some(("What is replicated, and where to?", "ecr describe-registry", Vec::new())),
            }
        }
        "CreateLink" | "DeleteLink" => Sender {
            arn: text("identifier")
                .or_else(|| record.response_text(&["arn"]))
                .map_or_else(|| record.arn("oam", "link"), str::to_owned),
            aspect: "sent".to_owned(),
            what: "metrics, logs or traces as they come".to_owned(),
            to: to("sinkIdentifier"),
            lasts: event == "DeleteLink",
            step: Some(("Which links are there?", "oam list-links", Vec::new())),
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

    #[test]
    fn events_messages_images_and_telemetry_are_data_too() {
        let target = |account: &str| {
            let bus = format!("arn:aws:events:us-east-1:{account}:event-bus/default");
            put(
                "events",
                "PutTargets",
                json!({"rule": "all", "eventBusName": "shop", "targets": [{"id": "1", "arn": bus}]}),
            )
        };
        let title = "alice sends the events of rule all to outside account 999988887777";
        for gone in [
            target("444455556666"),
            put("events", "RemoveTargets", json!({"rule": "all", "eventBusName": "shop", "ids": ["1"]})),
        ] {
            opens_and_closes(&DataSent, Severity::Medium, (&target("999988887777"), title), &gone);
        }
        let images = |registry: &str| {
            let to = json!({"rules": [{"destinations": [{"region": "us-west-2", "registryId": registry}]}]});
            put("ecr", "PutReplicationConfiguration", json!({"replicationConfiguration": to}))
        };
        let title = "alice sends the images of the container registry to outside account 999988887777";
        opens_and_closes(
            &DataSent,
            Severity::Medium,
            (&images("999988887777"), title),
            &images("111122223333"),
        );
        let link = json!({"requestParameters": {"sinkIdentifier": "arn:aws:oam:us-east-1:999988887777:sink/x"},
            "responseElements": {"arn": "arn:aws:oam:us-east-1:111122223333:link/l"}});
        let gone =
            put("oam", "DeleteLink", json!({"identifier": "arn:aws:oam:us-east-1:111122223333:link/l"}));
        let title = "alice sends metrics, logs or traces as they come to outside account 999988887777";
        opens_and_closes(&DataSent, Severity::Medium, (&call("oam", "CreateLink", link), title), &gone);
    }

    #[test]
    fn a_subscription_of_an_outside_queue_takes_messages_out() {
        let subscribe = |topic: &str, endpoint: &str| {
            put("sns", "Subscribe", json!({"topicArn": topic, "protocol": "sqs", "endpoint": endpoint}))
        };
        let (own, theirs) =
            ("arn:aws:sns:us-east-1:111122223333:orders", "arn:aws:sns:us-east-1:999988887777:news");
        let queue = |account: &str| format!("arn:aws:sqs:us-east-1:{account}:q");
        let seen = fires_at(&DataSent, Severity::Medium, &subscribe(own, &queue("999988887777")));
        assert_eq!(seen.title, "alice sends the messages of topic orders to outside account 999988887777");
        quiet(
            &DataSent,
            &[
                subscribe(own, &queue("111122223333")),
                subscribe(own, &queue("444455556666")),
                subscribe(own, "ops@example.com"),
                subscribe(own, "https://hooks.example.com/x"),
                // Own queues take in what others publish.
                subscribe(theirs, &queue("111122223333")),
                put("events", "PutTargets", json!({"targets": []})),
                put("sns", "Subscribe", json!(null)),
            ],
        );
    }
}
