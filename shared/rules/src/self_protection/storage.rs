use serde_json::Value;

use super::common::{Needed, foreign_policy, is_ours};
use super::deployment::{deployed, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's tables was deleted, made anew, or lost its stream, its backups, its protection against
    /// deletion or other settings; items were written into it in bulk, or its changes are sent elsewhere. One of its queues
    /// was deleted, emptied or changed, or messages were moved into or out of it.
    /// ## Why it matters
    /// The tables hold the findings and what has been silenced, and their stream is what sends the alerts.
    /// The queue holds the events that Keepwatch has not judged yet: purging it wipes out the traces of the
    /// last minutes.
    /// ## What to do
    /// Deploy the stack again, and restore the table from its point-in-time backup. Look at the account's
    /// event history for the time that was wiped out.
    /// ## False positives
    /// Deployments: what CloudFormation does within an hour after the same principal deployed Keepwatch's stack is low. What
    /// is deleted, a queue policy that keeps the events out, a table policy, a stream, expiry, backup or protection that is
    /// switched off: no deployment does that, and it is not low.
    Storage {
        id: "self-storage-changed",
        title: "One of Keepwatch's tables or queues was tampered with",
        severity: Critical,
        confidence: High,
        catalogue: ["SELF-04", "SELF-01"],
        references: [attack(&["T1485"]), attack(&["T1562.001"])],
        on: [
            On::Call("dynamodb.amazonaws.com", &[
                "DeleteTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "PutResourcePolicy",
                "DeleteResourcePolicy", "CreateTable", "ImportTable", "RestoreTableFromBackup",
                "RestoreTableToPointInTime", "StartBulkPutItems", "EnableKinesisStreamingDestination",
                "DisableKinesisStreamingDestination", "UpdateKinesisStreamingDestination", "CreateGlobalTable",
                "UpdateGlobalTable", "UpdateGlobalTableSettings", "UpdateTableReplicaAutoScaling",
                "UpdateContributorInsights", "DeleteBackup",
            ]),
            On::Call("sqs.amazonaws.com", &[
                "DeleteQueue", "SetQueueAttributes", "PurgeQueue", "AddPermission", "RemovePermission",
                "StartMessageMoveTask",
            ]),
        ],
        repeat_hours: 1,
    }
}

impl Rule for Storage {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_source.or_empty() == "sqs.amazonaws.com" {
            queue(record, cx)
        } else {
            table(record, cx)
        }
    }
}

fn queue(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    if record.event_name.or_empty() == "StartMessageMoveTask" {
        moved(record, cx);
        return Ok(());
    }
    let Some(url) = text_at(record.request(), &["queueUrl"]) else { return Ok(()) };
    let name = last_part(url);
    if !is_ours(cx, name) {
        return Ok(());
    }
    let (aspect, severity, did) = match record.event_name.or_empty() {
        "DeleteQueue" => ("queue", Severity::Critical, "deleted"),
        "PurgeQueue" => ("messages", Severity::Critical, "emptied"),
        "SetQueueAttributes" => ("settings", Severity::High, "changed the settings of"),
        _ => ("policy", Severity::High, "changed who may use"),
    };
    let attributes = value_at(record.request(), &["attributes"]);
    let policy = attributes.and_then(|set| value_at(set, &["Policy"]));
    let arn = record.arn("sqs", name);
    // One of the rules, and any other: a policy that knows a few of them leaves Keepwatch deaf to the rest.
    let rules =
        ["calls-1", "~"].map(|rule| record.arn("events", &format!("rule/{}-{rule}", cx.config.stack)));
    let needed = Needed {
        resource: Some(&arn),
        service: "events.amazonaws.com",
        action: "sqs:SendMessage",
        sources: &rules,
    };
    let foreign = policy
        .and_then(|policy| foreign_policy(record, policy, Some(&needed)))
        .or_else(|| attributes.and_then(odd_setting));
    // A deployment keeps what it no longer names.
    let sets = record.event_name.or_empty() == "SetQueueAttributes";
    let explained = sets && foreign.is_none() && deployed(record, cx)?;
    let because = foreign.map_or_else(
        || "The queues hold events that are not judged yet.".to_owned(),
        |why| as_sentence(&format!("The queues hold events that are not judged yet, and {why}")),
    );
    let attributes = attributes.map(ToString::to_string);
    let seen = cx
        .failing(arn, format!("{} {did} Keepwatch's queue {name}", caller_name(record)))
        .severity(severity)
        .aspect(aspect)
        .because(because)
        .detail_if("Settings", attributes.as_deref())
        .step(
            "What is set now, and how many messages wait?",
            "sqs get-queue-attributes --attribute-names All",
            &[("--queue-url", url), ("--region", region(record))],
        );
    report_change(record, cx, stop_caller(seen, record), explained);
    Ok(())
}

/// Messages are moved from one dead-letter queue into another queue, or back to where they came from.
fn moved(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let name = |end: &str| {
        let arn = text_at(request, &[end])?;
        Some((arn, arn.rsplit(':').next().unwrap_or(arn)))
    };
    let (from, to) = (name("sourceArn"), name("destinationArn"));
    let ours = |end: Option<(&str, &str)>| end.is_some_and(|(_, name)| is_ours(cx, name));
    let (arn, severity, title, because) = match (from, to) {
        // Without a destination they go back to the queue from which they were given up.
        (Some((arn, name)), to) if ours(from) && (to.is_none() || ours(to)) => (
            arn,
            Severity::Low,
            format!("{who} gave the messages of Keepwatch's queue {name} back to be judged"),
            "An event that was judged already counts once.",
        ),
        (Some((arn, name)), Some((_, other))) if ours(from) => (
            arn,
            Severity::Critical,
            format!("{who} moved the messages of Keepwatch's queue {name} to {other}"),
            "These messages are events that Keepwatch has not judged yet, and now never will.",
        ),
        (_, Some((arn, name))) if ours(to) => (
            arn,
            Severity::High,
            format!("{who} moved messages from elsewhere into Keepwatch's queue {name}"),
            "Messages that did not come from an event rule can tell of things that did not happen.",
        ),
        _ => return,
    };
    let seen = cx.failing(arn, title).severity(severity).aspect("moved").because(because).step(
        "What was moved, and where to?",
        "sqs list-message-move-tasks",
        &[("--source-arn", from.map_or(arn, |(arn, _)| arn)), ("--region", region(record))],
    );
    report_change(record, cx, stop_caller(seen, record), false);
}

/// What a call sets that no deployment does: the template keeps messages for two weeks, delays none, hides them for
/// minutes, takes them of any size, and knows one dead-letter queue.
fn odd_setting(attributes: &Value) -> Option<String> {
    let number = |name: &str| number_at(attributes, &[name]);
    let odd = [
        (
            "MessageRetentionPeriod",
            number("MessageRetentionPeriod").is_some_and(|seconds| seconds < 1_209_600),
        ),
        ("DelaySeconds", number("DelaySeconds").is_some_and(|seconds| seconds > 0)),
        ("VisibilityTimeout", number("VisibilityTimeout").is_some_and(|seconds| seconds > 900)),
        ("MaximumMessageSize", number("MaximumMessageSize").is_some_and(|bytes| bytes < 262_144)),
        (
            "RedrivePolicy",
            text_at(attributes, &["RedrivePolicy"])
                .is_some_and(|policy| !policy.contains("-DeadLetterQueue")),
        ),
    ];
    odd.iter().find(|(_, odd)| *odd).map(|(name, _)| format!("no deployment sets {name} so"))
}

fn table(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let (who, request) = (caller_name(record), record.request());
    let given = text_at(request, &["tableName"])
        .or_else(|| text_at(request, &["resourceArn"]))
        .or_else(|| text_at(request, &["globalTableName"]))
        .or_else(|| text_at(request, &["targetTableName"]))
        .or_else(|| text_at(request, &["tableCreationParameters", "tableName"]))
        .or_else(|| text_at(request, &["backupArn"]))
        .or_else(|| text_at(record.response(), &["tableDescription", "tableName"]));
    // A table may be given by its ARN, table/NAME, and its stream by table/NAME/stream/LABEL.
    let short = |given: &'_ str| given.split_once("table/").map_or(given, |(_, rest)| rest).to_owned();
    let given = given.map(short).unwrap_or_default();
    let Some(name) = given.split('/').next().filter(|name| is_ours(cx, name)) else { return Ok(()) };
    let arn = record.arn("dynamodb", &format!("table/{name}"));
    let protected = flag_at(request, &["deletionProtectionEnabled"]);
    let backups = flag_at(request, &["pointInTimeRecoverySpecification", "pointInTimeRecoveryEnabled"]);
    let stream = flag_at(request, &["streamSpecification", "streamEnabled"]);
    let event = record.event_name.or_empty();
    if event == "UpdateTable" {
        for (aspect, _, did) in
            [("protection", protected, "protected"), ("stream", stream, "switched on the stream of")]
                .into_iter()
                .filter(|(_, set, _)| *set == Some(true))
        {
            cx.report(cx.passing(&arn, format!("{who} {did} Keepwatch's table {name}")).aspect(aspect));
        }
    }
    // What is put right does not excuse what else the same call sets.
    let mended = protected == Some(true) || stream == Some(true);
    let good = |key: &str| {
        (key.eq_ignore_ascii_case("deletionProtectionEnabled") && protected == Some(true))
            || (key.eq_ignore_ascii_case("streamSpecification") && stream == Some(true))
            || key.eq_ignore_ascii_case("tableName")
    };
    let (aspect, severity, did) = match event {
        "DeleteTable" => ("table", Severity::Critical, "deleted"),
        "UpdateContinuousBackups" if backups == Some(true) => {
            cx.report(
                cx.passing(arn, format!("{who} switched on the backups of Keepwatch's table {name}"))
                    .aspect("backups"),
            );
            return Ok(());
        }
        "UpdateContinuousBackups" => ("backups", Severity::High, "switched off the backups of"),
        "UpdateTable" if stream == Some(false) => {
            ("stream", Severity::Critical, "switched off the stream of")
        }
        "UpdateTable" if protected == Some(false) => {
            ("protection", Severity::High, "took away the deletion protection of")
        }
        "UpdateTable" if mended && request.as_object().is_some_and(|set| set.keys().all(|key| good(key))) => {
            return Ok(());
        }
        // Without its index or its throughput nothing that waits is swept up.
        "UpdateTable" => ("settings", Severity::High, "changed the settings of"),
        "UpdateTimeToLive" => ("expiry", Severity::High, "changed when items expire of"),
        // Nobody can make it while it is there.
        "CreateTable" | "ImportTable" | "RestoreTableFromBackup" | "RestoreTableToPointInTime" => {
            ("table", Severity::High, "made anew")
        }
        "StartBulkPutItems" => ("items", Severity::Critical, "wrote items in bulk into"),
        _ if event.ends_with("KinesisStreamingDestination") => {
            ("changes sent", Severity::High, "changed where every change is sent of")
        }
        "CreateGlobalTable"
        | "UpdateGlobalTable"
        | "UpdateGlobalTableSettings"
        | "UpdateTableReplicaAutoScaling" => ("replicas", Severity::High, "changed the replicas of"),
        "DeleteBackup" => ("backup", Severity::High, "deleted a backup of"),
        "UpdateContributorInsights" => ("insights", Severity::Low, "changed the statistics of"),
        _ => ("policy", Severity::High, "changed who may use"),
    };
    let seen = cx
        .failing(arn, format!("{who} {did} Keepwatch's table {name}"))
        .severity(severity)
        .aspect(aspect)
        .because("The tables hold Keepwatch's findings, and their stream sends its alerts.")
        .detail("Table", name)
        .step(
            "What is set now?",
            "dynamodb describe-table",
            &[("--table-name", name), ("--region", region(record))],
        )
        .step(
            "Since when can it be restored?",
            "dynamodb describe-continuous-backups",
            &[("--table-name", name), ("--region", region(record))],
        );
    let expires = flag_at(request, &["timeToLiveSpecification", "enabled"]) == Some(true);
    let sets = aspect == "settings" || (aspect == "expiry" && expires) || event == "CreateTable";
    let explained = sets && deployed(record, cx)?;
    report_change(record, cx, stop_caller(seen, record), explained);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::deployment::testing::*;
    use super::*;
    use crate::testing::*;

    const TABLE: &str = "keepwatch-FindingsTable-A1B2C3";
    const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/keepwatch-IntakeQueue-A1B2C3";

    fn table(event: &str, mut request: Value) -> String {
        request["tableName"] = json!(TABLE);
        call("dynamodb", event, json!({"requestParameters": request}))
    }

    fn backups(on: bool) -> String {
        table(
            "UpdateContinuousBackups",
            json!({"pointInTimeRecoverySpecification": {"pointInTimeRecoveryEnabled": on}}),
        )
    }

    #[test]
    fn fires() {
        let seen = fires_at(&Storage, Severity::Critical, &table("DeleteTable", json!({})));
        assert_eq!(seen.subject.resource, format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}"));
        let by_arn = json!({"requestParameters": {"tableName": seen.subject.resource}});
        assert_eq!(fired(&Storage, &call("dynamodb", "DeleteTable", by_arn)).finding_id(), seen.finding_id());
        fires_at(
            &Storage,
            Severity::Critical,
            &table("UpdateTable", json!({"streamSpecification": {"streamEnabled": "false"}})),
        );
        fires_at(
            &Storage,
            Severity::High,
            &table("UpdateTable", json!({"deletionProtectionEnabled": false})),
        );
        fires_at(&Storage, Severity::High, &table("UpdateTable", json!({"billingMode": "PROVISIONED"})));
        // What is put right does not excuse what else the call sets.
        let mixed = json!({"deletionProtectionEnabled": true, "billingMode": "PROVISIONED",
            "provisionedThroughput": {"readCapacityUnits": 1, "writeCapacityUnits": 1}});
        let seen = observe(&Storage, &table("UpdateTable", mixed));
        assert_eq!(seen.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing, Verdict::Failing]);
        let protected = observe(&Storage, &table("UpdateTable", json!({"deletionProtectionEnabled": true})));
        assert_eq!(protected.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing]);
        let stream =
            format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}/stream/2026-03-01T00:00:00.000");
        let policy = json!({"requestParameters": {"resourceArn": stream, "policy": "{}"}});
        fires_at(&Storage, Severity::High, &call("dynamodb", "PutResourcePolicy", policy));
        fires_at(&Storage, Severity::High, &table("UpdateTimeToLive", json!({})));
        let off = fires_at(&Storage, Severity::High, &backups(false));
        let on = observe(&Storage, &backups(true));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        for (event, severity) in [
            ("DeleteQueue", Severity::Critical),
            ("PurgeQueue", Severity::Critical),
            ("SetQueueAttributes", Severity::High),
            ("AddPermission", Severity::High),
        ] {
            let request = json!({"queueUrl": QUEUE, "attributes": {"Policy": ""}});
            fires_at(&Storage, severity, &call("sqs", event, json!({"requestParameters": request})));
        }
    }

    #[test]
    fn items_and_copies_of_a_table() {
        for (event, request, severity) in [
            ("StartBulkPutItems", json!({"tableName": TABLE}), Severity::Critical),
            ("CreateTable", json!({"tableName": TABLE}), Severity::High),
            ("ImportTable", json!({"tableCreationParameters": {"tableName": TABLE}}), Severity::High),
            ("RestoreTableFromBackup", json!({"targetTableName": TABLE}), Severity::High),
            (
                "EnableKinesisStreamingDestination",
                json!({"tableName": TABLE, "streamArn": "arn:aws:kinesis:us-east-1:111122223333:stream/x"}),
                Severity::High,
            ),
            ("UpdateGlobalTable", json!({"globalTableName": TABLE}), Severity::High),
            ("UpdateContributorInsights", json!({"tableName": TABLE}), Severity::Low),
            (
                "DeleteBackup",
                json!({"backupArn": format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}/backup/01-a1")}),
                Severity::High,
            ),
        ] {
            let seen =
                fires_at(&Storage, severity, &call("dynamodb", event, json!({"requestParameters": request})));
            assert_eq!(
                seen.subject.resource,
                format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}")
            );
        }
        // A copy under another name is not Keepwatch's.
        let copy = json!({"requestParameters": {"sourceTableName": TABLE, "targetTableName": "copy"}});
        quiet(&Storage, &[call("dynamodb", "RestoreTableToPointInTime", copy)]);
    }

    #[test]
    fn messages_are_moved() {
        let queue = |name: &str| format!("arn:aws:sqs:us-east-1:111122223333:{name}");
        let (dead, intake) =
            (queue("keepwatch-DeadLetterQueue-A1B2C3"), queue("keepwatch-IntakeQueue-A1B2C3"));
        let moved = |from: &str, to: Option<&str>| {
            let request = json!({"sourceArn": from, "destinationArn": to});
            call("sqs", "StartMessageMoveTask", json!({"requestParameters": request}))
        };
        // What the owner does with dead letters.
        for back in [None, Some(intake.as_str())] {
            fires_at(&Storage, Severity::Low, &moved(&dead, back));
        }
        let gone = fires_at(&Storage, Severity::Critical, &moved(&dead, Some(&queue("blackhole"))));
        assert_eq!(
            gone.title,
            "alice moved the messages of Keepwatch's queue keepwatch-DeadLetterQueue-A1B2C3 to blackhole"
        );
        let forged = fires_at(&Storage, Severity::High, &moved(&queue("forged"), Some(&intake)));
        assert_eq!(forged.subject.resource, intake);
        quiet(
            &Storage,
            &[moved(&queue("orders-dead"), None), moved(&queue("orders-dead"), Some(&queue("orders")))],
        );
    }

    #[test]
    fn a_deployment_is_low() {
        for event in [
            by_stack("sqs", "SetQueueAttributes", json!({"queueUrl": QUEUE})),
            by_stack("dynamodb", "UpdateTable", json!({"tableName": TABLE})),
            by_stack("dynamodb", "CreateTable", json!({"tableName": TABLE})),
        ] {
            deploys_at(&Storage, Severity::Low, &event);
            foreign_at(&Storage, Severity::High, &event);
        }
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        let queue = |statements: Value| {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let request = json!({"queueUrl": QUEUE, "attributes": {"Policy": policy}});
            by_stack("sqs", "SetQueueAttributes", request)
        };
        let rules = |source: &str| {
            json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": "*", "Condition": {"ArnLike": {"aws:SourceArn": source}}})
        };
        let own = "arn:aws:events:us-east-1:111122223333:rule/keepwatch-*";
        let denial = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"});
        deploys_at(&Storage, Severity::Low, &queue(json!([rules(own)])));
        let denied = deploys_at(&Storage, Severity::High, &queue(json!([rules(own), denial])));
        assert!(denied.reason.ends_with("and the policy denies sqs:*."), "{}", denied.reason);
        // Without what lets the rules send, the queue stays empty.
        deploys_at(
            &Storage,
            Severity::High,
            &queue(json!([rules("arn:aws:events:us-east-1:111122223333:rule/shop")])),
        );
        deploys_at(
            &Storage,
            Severity::High,
            &queue(json!([rules("arn:aws:events:us-east-1:111122223333:rule/keepwatch-no-such-rule")])),
        );
        let mut elsewhere = rules(own);
        elsewhere["Resource"] = json!("arn:aws:sqs:us-east-1:111122223333:shop");
        deploys_at(&Storage, Severity::High, &queue(json!([elsewhere])));
        // Conditions that no rule of ours, or not every one, ever meets.
        for (operator, key, value) in [
            ("StringEquals", "aws:SourceArn", json!(own)),
            ("StringEquals", "aws:SourceAccount", json!("*")),
            ("ArnLike", "aws:SourceArn", json!("arn:aws:events*keepwatch-*")),
            (
                "ArnEquals",
                "aws:SourceArn",
                json!([own.replace('*', "calls-1"), own.replace('*', "heartbeat")]),
            ),
        ] {
            let mut narrow = rules(own);
            narrow["Condition"] = json!({operator: {key: value}});
            deploys_at(&Storage, Severity::High, &queue(json!([narrow])));
        }
        let mut everybody_but = rules(own);
        let members = everybody_but.as_object_mut().expect("a statement");
        members.remove("Resource");
        members.insert(
            "NotResource".to_owned(),
            json!("arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3"),
        );
        deploys_at(&Storage, Severity::High, &queue(json!([everybody_but])));
        for (name, value) in
            [("MessageRetentionPeriod", "60"), ("DelaySeconds", "900"), ("MaximumMessageSize", "1024")]
        {
            let request = json!({"queueUrl": QUEUE, "attributes": {name: value}});
            deploys_at(&Storage, Severity::High, &by_stack("sqs", "SetQueueAttributes", request));
        }
        let kept = json!({"queueUrl": QUEUE, "attributes": {"MessageRetentionPeriod": "1209600", "VisibilityTimeout": "180"}});
        deploys_at(&Storage, Severity::Low, &by_stack("sqs", "SetQueueAttributes", kept));
        let alone = json!([{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sqs:*", "Resource": "*"}]);
        deploys_at(&Storage, Severity::High, &queue(alone));
        deploys_at(&Storage, Severity::Critical, &by_stack("sqs", "PurgeQueue", json!({"queueUrl": QUEUE})));
        deploys_at(&Storage, Severity::Critical, &by_stack("sqs", "DeleteQueue", json!({"queueUrl": QUEUE})));
        let policy = json!({"resourceArn": format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}"), "policy": "{}"});
        deploys_at(&Storage, Severity::High, &by_stack("dynamodb", "PutResourcePolicy", policy));
        let table = |event: &str, mut request: Value| {
            request["tableName"] = json!(TABLE);
            by_stack("dynamodb", event, request)
        };
        let stream = json!({"streamSpecification": {"streamEnabled": false}});
        deploys_at(&Storage, Severity::Critical, &table("UpdateTable", stream));
        deploys_at(
            &Storage,
            Severity::High,
            &table("UpdateTable", json!({"deletionProtectionEnabled": false})),
        );
        let expiry =
            |on: bool| json!({"timeToLiveSpecification": {"enabled": on, "attributeName": "expires_at"}});
        deploys_at(&Storage, Severity::High, &table("UpdateTimeToLive", expiry(false)));
        deploys_at(&Storage, Severity::Low, &table("UpdateTimeToLive", expiry(true)));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Storage,
            &[
                call("dynamodb", "DeleteTable", json!({"requestParameters": {"tableName": "orders"}})),
                call("dynamodb", "DeleteTable", json!({"requestParameters": null})),
                call(
                    "dynamodb",
                    "DeleteTable",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"tableName": TABLE}}),
                ),
                call(
                    "sqs",
                    "PurgeQueue",
                    json!({"requestParameters": {"queueUrl": "https://sqs.us-east-1.amazonaws.com/1/orders"}}),
                ),
                call("sqs", "PurgeQueue", json!({"requestParameters": null})),
            ],
        );
    }
}
