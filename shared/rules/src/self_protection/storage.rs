use super::common::{is_ours, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's tables was deleted, or lost its stream, its backups, its protection against
    /// deletion or other settings; one of its queues was deleted, emptied or changed.
    /// ## Why it matters
    /// The tables hold the findings and what has been silenced, and their stream is what sends the alerts.
    /// The queue holds the events that Keepwatch has not judged yet: purging it wipes out the traces of the
    /// last minutes.
    /// ## What to do
    /// Deploy the stack again, and restore the table from its point-in-time backup. Look at the account's
    /// event history for the time that was wiped out.
    /// ## False positives
    /// Deployments: what CloudFormation does is low.
    Storage {
        id: "self-storage-changed",
        title: "One of Keepwatch's tables or queues was tampered with",
        severity: Critical,
        confidence: High,
        catalogue: ["SELF-04", "SELF-01"],
        references: [attack(&["T1485"]), attack(&["T1562.001"])],
        on: [
            On::Call("dynamodb.amazonaws.com", &[
                "DeleteTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups",
                    "PutResourcePolicy",
                "DeleteResourcePolicy",
            ]),
            On::Call("sqs.amazonaws.com", &[
                "DeleteQueue", "SetQueueAttributes", "PurgeQueue", "AddPermission", "RemovePermission",
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
        Ok(())
    }
}

fn queue(record: &Record<'_>, cx: &mut Cx<'_>) {
    let Some(url) = text_at(record.request(), &["queueUrl"]) else { return };
    let name = last_part(url);
    if !is_ours(cx, name) {
        return;
    }
    let (aspect, severity, did) = match record.event_name.or_empty() {
        "DeleteQueue" => ("queue", Severity::Critical, "deleted"),
        "PurgeQueue" => ("messages", Severity::Critical, "emptied"),
        "SetQueueAttributes" => ("settings", Severity::High, "changed the settings of"),
        _ => ("policy", Severity::High, "changed who may use"),
    };
    let attributes = value_at(record.request(), &["attributes"]).map(ToString::to_string);
    let seen = cx
        .failing(record.arn("sqs", name), format!("{} {did} Keepwatch's queue {name}", caller_name(record)))
        .severity(severity)
        .aspect(aspect)
        .because("The queues hold events that are not judged yet.")
        .detail_if("Settings", attributes.as_deref())
        .step(
            "What is set now, and how many messages wait?",
            "sqs get-queue-attributes --attribute-names All",
            &[("--queue-url", url), ("--region", region(record))],
        );
    report_change(record, cx, stop_caller(seen, record));
}

fn table(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let given = text_at(request, &["tableName"])
        .or_else(|| text_at(request, &["resourceArn"]))
        .or_else(|| text_at(record.response(), &["tableDescription", "tableName"]));
    // A table may be given by its ARN, table/NAME, and its stream by table/NAME/stream/LABEL.
    let short = |given: &'_ str| given.split_once("table/").map_or(given, |(_, rest)| rest).to_owned();
    let given = given.map(short).unwrap_or_default();
    let Some(name) = given.split('/').next().filter(|name| is_ours(cx, name)) else { return };
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
            return;
        }
        "UpdateContinuousBackups" => ("backups", Severity::High, "switched off the backups of"),
        "UpdateTable" if stream == Some(false) => {
            ("stream", Severity::Critical, "switched off the stream of")
        }
        "UpdateTable" if protected == Some(false) => {
            ("protection", Severity::High, "took away the deletion protection of")
        }
        "UpdateTable" if mended && request.as_object().is_some_and(|set| set.keys().all(|key| good(key))) => {
            return;
        }
        "UpdateTable" => ("settings", Severity::Medium, "changed the settings of"),
        "UpdateTimeToLive" => ("expiry", Severity::High, "changed when items expire of"),
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
    report_change(record, cx, stop_caller(seen, record));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::testing::by_stack;
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
        fires_at(&Storage, Severity::Medium, &table("UpdateTable", json!({"billingMode": "PROVISIONED"})));
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
    fn a_deployment_is_low() {
        fires_at(&Storage, Severity::Low, &by_stack("sqs", "SetQueueAttributes", json!({"queueUrl": QUEUE})));
        fires_at(&Storage, Severity::Low, &by_stack("dynamodb", "UpdateTable", json!({"tableName": TABLE})));
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
