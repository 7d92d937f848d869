use serde_json::Value;

use super::common::is_ours;
use super::deployment::{deployed, report_change};
use super::own_policy::{queue_differs, table_differs};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's tables was deleted, made anew, or lost its stream, its backups, its protection against
    /// deletion or other settings; items were written into it in bulk, or its changes are sent elsewhere. One of its queues
    /// was deleted, emptied or changed, or messages were moved into or out of it. A table or queue got another policy than
    /// the template's, which says who may write and send; or another queue gives up its messages into one of Keepwatch's.
    /// ## Why it matters
    /// The tables hold the findings and what has been silenced, and their stream is what sends the alerts.
    /// The queue holds the events that Keepwatch has not judged yet: purging it wipes out the traces of the
    /// last minutes. Whoever may write items or send messages can plant a finding's end or an event that never was, and
    /// AWS logs neither.
    /// ## What to do
    /// Deploy the stack again, and restore the table from its point-in-time backup. A policy that was changed by hand is
    /// not put back by a deployment that does not change it: docs/operator.md says how. Look at the account's event
    /// history for the time that was wiped out.
    /// ## False positives
    /// Deployments: what CloudFormation does within an hour after the same principal deployed Keepwatch's stack is low. What
    /// is deleted, a queue's or table's policy that is not the template's own, a stream, expiry, backup or protection that is
    /// switched off: no deployment does that, and it is not low. A version of Keepwatch with other policies looks like that
    /// once, while it is deployed.
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
                "CreateQueue", "DeleteQueue", "SetQueueAttributes", "PurgeQueue", "AddPermission", "RemovePermission",
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
    let (request, event) = (record.request(), record.event_name.or_empty());
    if event == "StartMessageMoveTask" {
        moved(record, cx);
        return Ok(());
    }
    let attributes = value_at(request, &["attributes"]);
    let Some(url) = text_at(request, &["queueUrl"]).or_else(|| text_at(request, &["queueName"])) else {
        return Ok(());
    };
    let name = last_part(url);
    if !is_ours(cx, name) {
        dead_letters_of(record, cx, name);
        return Ok(());
    }
    if event == "CreateQueue" {
        // Another queue that is named like ours; or ours, which the call leaves as it is.
        return Ok(());
    }
    let arn = record.arn("sqs", name);
    let policy = attributes.and_then(|set| value_at(set, &["Policy"]));
    let differs = policy.and_then(|policy| queue_differs(record, cx, &arn, policy));
    if policy.is_some() && differs.is_none() {
        let who = caller_name(record);
        cx.report(
            cx.passing(&arn, format!("{who} set a policy as it should be on Keepwatch's queue {name}"))
                .aspect("policy"),
        );
        if attributes.and_then(Value::as_object).is_some_and(|set| set.len() == 1) {
            return Ok(());
        }
    }
    let (aspect, severity, did) = match event {
        "DeleteQueue" => ("queue", Severity::Critical, "deleted"),
        "PurgeQueue" => ("messages", Severity::Critical, "emptied"),
        "SetQueueAttributes" if differs.is_some() => ("policy", Severity::Critical, "changed who may use"),
        "SetQueueAttributes" => ("settings", Severity::High, "changed the settings of"),
        _ => ("policy", Severity::High, "changed who may use"),
    };
    let foreign = differs.or_else(|| attributes.and_then(odd_setting));
    // A deployment keeps what it no longer names.
    let explained = event == "SetQueueAttributes" && foreign.is_none() && deployed(record, cx)?;
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

/// A queue of somebody's that has one of ours for its dead letters. SQS moves them without asking our queue's policy, so that
/// whoever sends to that queue sends to ours.
fn dead_letters_of(record: &Record<'_>, cx: &mut Cx<'_>, name: &str) {
    let redrive =
        value_at(record.request(), &["attributes"]).and_then(|set| text_at(set, &["RedrivePolicy"]));
    let redrive = redrive.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(target) = redrive.as_ref().and_then(|policy| text_at(policy, &["deadLetterTargetArn"])) else {
        return;
    };
    let ours = last_part(target).rsplit(':').next().unwrap_or_default();
    if !is_ours(cx, ours) {
        return;
    }
    let seen = cx
        .failing(
            record.arn("sqs", ours),
            format!("{} has the queue {name} give up its messages into Keepwatch's queue {ours}", caller_name(record)),
        )
        .severity(Severity::High)
        .aspect("dead letters")
        .because("SQS moves dead letters without asking the policy of the queue they go to: what is sent to the other queue comes out of Keepwatch's.")
        .detail("Queue", name)
        .step(
            "What is that queue?",
            "sqs list-queues",
            &[("--queue-name-prefix", name), ("--region", region(record))],
        );
    report_change(record, cx, stop_caller(seen, record), false);
}

/// What a call sets that no deployment does: the template keeps messages for two weeks, delays none, hides them for
/// minutes, takes them of any size, knows one dead-letter queue, and lets the intake queue be none.
fn odd_setting(attributes: &Value) -> Option<String> {
    let number = |name: &str| number_at(attributes, &[name]);
    let odd = [
        (
            "MessageRetentionPeriod",
            number("MessageRetentionPeriod").is_some_and(|seconds| seconds < 1_209_600),
        ),
        ("DelaySeconds", number("DelaySeconds").is_some_and(|seconds| seconds > 0)),
        (
            "VisibilityTimeout",
            number("VisibilityTimeout").is_some_and(|seconds| !(180..=900).contains(&seconds)),
        ),
        ("MaximumMessageSize", number("MaximumMessageSize").is_some_and(|bytes| bytes < 262_144)),
        (
            "RedrivePolicy",
            text_at(attributes, &["RedrivePolicy"])
                .is_some_and(|policy| !policy.contains("-DeadLetterQueue")),
        ),
        (
            "RedriveAllowPolicy",
            text_at(attributes, &["RedriveAllowPolicy"]).is_some_and(|policy| !policy.contains("denyAll")),
        ),
    ];
    odd.iter().find(|(_, odd)| *odd).map(|(name, _)| format!("no deployment sets {name} so"))
}

/// The table that a call is about, `NAME`, or its stream, `NAME/stream/LABEL`. Either may be given by its ARN.
fn given_table(record: &Record<'_>) -> String {
    let request = record.request();
    let given = text_at(request, &["tableName"])
        .or_else(|| text_at(request, &["resourceArn"]))
        .or_else(|| text_at(request, &["globalTableName"]))
        .or_else(|| text_at(request, &["targetTableName"]))
        .or_else(|| text_at(request, &["tableCreationParameters", "tableName"]))
        .or_else(|| text_at(request, &["backupArn"]))
        .or_else(|| text_at(record.response(), &["tableDescription", "tableName"]));
    let short = |given: &'_ str| given.split_once("table/").map_or(given, |(_, rest)| rest).to_owned();
    given.map(short).unwrap_or_default()
}

/// What a call that is no good news does to a table: the aspect, how bad it is, and what was done.
fn harm_to_table(record: &Record<'_>) -> (&'static str, Severity, &'static str) {
    let event = record.event_name.or_empty();
    let off = |path: &[&str]| flag_at(record.request(), path) == Some(false);
    match event {
        "DeleteTable" => ("table", Severity::Critical, "deleted"),
        "UpdateContinuousBackups" => ("backups", Severity::High, "switched off the backups of"),
        "UpdateTable" if off(&STREAM) => ("stream", Severity::Critical, "switched off the stream of"),
        "UpdateTable" if off(&PROTECTED) => {
            ("protection", Severity::High, "took away the deletion protection of")
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
        _ => ("policy", Severity::Critical, "changed who may use"),
    }
}

/// Where `UpdateTable` says whether the table is protected from deletion.
const PROTECTED: [&str; 1] = ["deletionProtectionEnabled"];

/// Where it says whether the table has a stream.
const STREAM: [&str; 2] = ["streamSpecification", "streamEnabled"];

fn table(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let (who, request) = (caller_name(record), record.request());
    let given = given_table(record);
    let Some(name) = given.split('/').next().filter(|name| is_ours(cx, name)) else { return Ok(()) };
    let arn = record.arn("dynamodb", &format!("table/{name}"));
    let protected = flag_at(request, &PROTECTED);
    let backups = flag_at(request, &["pointInTimeRecoverySpecification", "pointInTimeRecoveryEnabled"]);
    let stream = flag_at(request, &STREAM);
    let event = record.event_name.or_empty();
    let differs = match event {
        "PutResourcePolicy" if given.contains('/') => {
            Some("the template writes no policy on the stream".to_owned())
        }
        "PutResourcePolicy" => match value_at(request, &["policy"]) {
            Some(policy) => table_differs(cx, name, policy),
            None => Some("CloudTrail left the policy out".to_owned()),
        },
        "DeleteResourcePolicy" => Some("now everybody whom IAM lets may write items".to_owned()),
        _ => None,
    };
    if event == "PutResourcePolicy" && differs.is_none() {
        cx.report(
            cx.passing(arn, format!("{who} set the template's policy on Keepwatch's table {name}"))
                .aspect("policy"),
        );
        return Ok(());
    }
    if event == "UpdateTable" {
        for (aspect, _, did) in
            [("protection", protected, "protected"), ("stream", stream, "switched on the stream of")]
                .into_iter()
                .filter(|(_, set, _)| *set == Some(true))
        {
            cx.report(cx.passing(&arn, format!("{who} {did} Keepwatch's table {name}")).aspect(aspect));
        }
    }
    if event == "UpdateContinuousBackups" && backups == Some(true) {
        let title = format!("{who} switched on the backups of Keepwatch's table {name}");
        cx.report(cx.passing(arn, title).aspect("backups"));
        return Ok(());
    }
    // What is put right does not excuse what else the same call sets.
    let mended = [protected, stream].contains(&Some(true)) && ![protected, stream].contains(&Some(false));
    let good = |key: &str| {
        (key.eq_ignore_ascii_case("deletionProtectionEnabled") && protected == Some(true))
            || (key.eq_ignore_ascii_case("streamSpecification") && stream == Some(true))
            || key.eq_ignore_ascii_case("tableName")
    };
    if event == "UpdateTable"
        && mended
        && request.as_object().is_some_and(|set| set.keys().all(|key| good(key)))
    {
        return Ok(());
    }
    let (aspect, severity, did) = harm_to_table(record);
    let because = differs.map_or_else(
        || "The tables hold Keepwatch's findings, and their stream sends its alerts.".to_owned(),
        |why| as_sentence(&format!("The tables hold Keepwatch's findings and what is silenced, and {why}")),
    );
    let seen = cx
        .failing(arn, format!("{who} {did} Keepwatch's table {name}"))
        .severity(severity)
        .aspect(aspect)
        .because(because)
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

    use keepwatch_core::engine::Config;

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
    fn a_key_on_the_queue_of_a_forwarder_is_heard_in_its_region() {
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/keepwatch-forwarder-DeadLetters-A1B2C3";
        let key = json!({"queueUrl": url, "attributes": {"KmsMasterKeyId": "alias/theirs"}});
        let there = json!({"awsRegion": "eu-west-1", "requestParameters": key});
        let seen = fires_at(&Storage, Severity::High, &call("sqs", "SetQueueAttributes", there));
        let queue = "arn:aws:sqs:eu-west-1:111122223333:keepwatch-forwarder-DeadLetters-A1B2C3";
        assert_eq!(seen.subject.resource, queue);
        let gone = json!({"awsRegion": "eu-west-1", "requestParameters": {"queueUrl": url}});
        fires_at(&Storage, Severity::Critical, &call("sqs", "DeleteQueue", gone));
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
        fires_at(&Storage, Severity::Critical, &call("dynamodb", "PutResourcePolicy", policy));
        fires_at(&Storage, Severity::High, &table("UpdateTimeToLive", json!({})));
        let off = fires_at(&Storage, Severity::High, &backups(false));
        let on = observe(&Storage, &backups(true));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
        for (event, severity) in [
            ("DeleteQueue", Severity::Critical),
            ("PurgeQueue", Severity::Critical),
            ("SetQueueAttributes", Severity::Critical),
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
        for (name, value) in [
            ("MessageRetentionPeriod", "60"),
            ("DelaySeconds", "900"),
            ("VisibilityTimeout", "0"),
            ("MaximumMessageSize", "1024"),
            ("RedriveAllowPolicy", "{\"redrivePermission\":\"allowAll\"}"),
        ] {
            let request = json!({"queueUrl": QUEUE, "attributes": {name: value}});
            deploys_at(&Storage, Severity::High, &by_stack("sqs", "SetQueueAttributes", request));
        }
        let kept = json!({"queueUrl": QUEUE, "attributes": {"MessageRetentionPeriod": "1209600", "VisibilityTimeout": "180"}});
        deploys_at(&Storage, Severity::Low, &by_stack("sqs", "SetQueueAttributes", kept));
        deploys_at(&Storage, Severity::Critical, &by_stack("sqs", "PurgeQueue", json!({"queueUrl": QUEUE})));
        deploys_at(&Storage, Severity::Critical, &by_stack("sqs", "DeleteQueue", json!({"queueUrl": QUEUE})));
        let policy = json!({"resourceArn": format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}"), "policy": "{}"});
        deploys_at(&Storage, Severity::Critical, &by_stack("dynamodb", "PutResourcePolicy", policy));
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

    /// That the template's own policies are known, and each with one value more or less is not, is tested with the template
    /// (`tests/template/test_resource_policies.py`).
    #[test]
    fn a_policy_that_is_not_the_templates_own_is_critical_whoever_writes_it() {
        let events = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [events]}).to_string();
        let queue = |url: &str, policy: &str| {
            by_stack("sqs", "SetQueueAttributes", json!({"queueUrl": url, "attributes": {"Policy": policy}}))
        };
        let seen = fires_at(&Storage, Severity::Critical, &queue(QUEUE, &policy));
        assert!(
            seen.reason.ends_with("and the policy does not refuse calls without TLS as the template's does.")
        );
        assert_eq!(seen.subject.aspect.as_deref(), Some("policy"));
        fires_at(&Storage, Severity::Critical, &queue(QUEUE, "no policy"));
        for (event, policy) in [
            ("PutResourcePolicy", json!(policy)),
            ("PutResourcePolicy", json!(null)),
            ("DeleteResourcePolicy", json!(null)),
        ] {
            let arn = format!("arn:aws:dynamodb:us-east-1:111122223333:table/{TABLE}");
            let request = json!({"resourceArn": arn, "policy": policy});
            fires_at(&Storage, Severity::Critical, &by_stack("dynamodb", event, request));
        }
        // A stack that is only named after Keepwatch's lets in whom it likes, and denies at most what comes without TLS.
        let other = QUEUE.replace("IntakeQueue", "ForwarderQueue");
        let seen = observe(&Storage, &queue(&other, &policy));
        assert_eq!(seen.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::Passing]);
        fires_at(&Storage, Severity::Critical, &queue(&other, &policy.replace("Allow", "Deny")));
        // Nobody told the function what the template's policies name: then no policy is the template's.
        let own = json!({"Version": "2012-10-17", "Statement": []}).to_string();
        let seen =
            observe_under(&Storage, &queue(QUEUE, &own), Config { own_arns: Vec::new(), ..settings() });
        assert_eq!(seen.iter().map(|one| one.severity).collect::<Vec<_>>(), [Severity::Critical]);
    }

    #[test]
    fn an_attack_on_any_queue_of_dead_letters_is_heard() {
        let blackhole = "arn:aws:sqs:us-east-1:111122223333:blackhole";
        let open = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
        ]});
        for id in ["DeadLetterQueue", "InvocationDeadLetterQueue", "MailDeadLetterQueue"] {
            let arn = format!("arn:aws:sqs:us-east-1:111122223333:keepwatch-{id}-A1B2C3");
            let url = format!("https://sqs.us-east-1.amazonaws.com/111122223333/keepwatch-{id}-A1B2C3");
            let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
            let shop = json!({"queueName": "shop", "attributes": {"RedrivePolicy": redrive}});
            for (name, request, severity) in [
                ("DeleteQueue", json!({"queueUrl": url}), Severity::Critical),
                ("PurgeQueue", json!({"queueUrl": url}), Severity::Critical),
                (
                    "SetQueueAttributes",
                    json!({"queueUrl": url, "attributes": {"Policy": open.to_string()}}),
                    Severity::Critical,
                ),
                (
                    "StartMessageMoveTask",
                    json!({"sourceArn": arn, "destinationArn": blackhole}),
                    Severity::Critical,
                ),
                ("CreateQueue", shop, Severity::High),
            ] {
                let seen =
                    fires_at(&Storage, severity, &call("sqs", name, json!({"requestParameters": request})));
                assert_eq!(seen.subject.resource, arn, "{name}");
            }
        }
    }

    #[test]
    fn a_queue_whose_dead_letters_come_to_ours_is_heard() {
        let arn = "arn:aws:sqs:us-east-1:111122223333:keepwatch-DeadLetterQueue-A1B2C3";
        let redrive = |arn: &str| json!({"deadLetterTargetArn": arn, "maxReceiveCount": 1}).to_string();
        let shop = "https://sqs.us-east-1.amazonaws.com/111122223333/shop";
        let create = |arn| json!({"queueName": "shop", "attributes": {"RedrivePolicy": redrive(arn)}});
        let set = |arn| json!({"queueUrl": shop, "attributes": {"RedrivePolicy": redrive(arn)}});
        for event in
            [by_stack("sqs", "CreateQueue", create(arn)), by_stack("sqs", "SetQueueAttributes", set(arn))]
        {
            let seen = fires_at(&Storage, Severity::High, &event);
            assert_eq!(seen.subject.resource, arn);
        }
        let other = "arn:aws:sqs:us-east-1:111122223333:shop-dead";
        quiet(
            &Storage,
            &[
                by_stack("sqs", "CreateQueue", create(other)),
                by_stack("sqs", "SetQueueAttributes", set(other)),
            ],
        );
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
