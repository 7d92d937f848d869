//! Events as Lambda hands them to a function.

use keepwatch_aws::runtime::now;
use serde_json::{Value, json};

use crate::aws_stub::FORGED;
use crate::runtime_api::ACCOUNT;

/// A batch of the intake queue, sent just now: message id and body of each message.
pub fn sqs_batch(messages: &[(&str, &str)]) -> String {
    let records: Vec<Value> = messages
        .iter()
        .map(|(id, body)| {
            json!({
                "messageId": id,
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": now().millis().to_string()},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:{ACCOUNT}:intake"),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({"Records": records}).to_string()
}

/// A batch of one message that was delivered so often and sent at this time, in milliseconds; its receipt handle is its id.
pub fn sqs_redelivery(id: &str, body: &str, deliveries: u32, sent: i64) -> String {
    let mut batch: Value = serde_json::from_str(&sqs_batch(&[(id, body)])).unwrap_or_default();
    batch["Records"][0]["receiptHandle"] = json!(id);
    batch["Records"][0]["attributes"] =
        json!({"ApproximateReceiveCount": deliveries.to_string(), "SentTimestamp": sent.to_string()});
    batch.to_string()
}

/// A batch of one message that whoever may invoke the function has made up: no queue has handed it out. It claims to have been
/// delivered often and to be old, as what is given up.
pub fn forged_batch(id: &str, body: &str) -> String {
    let mut batch: Value = serde_json::from_str(&sqs_redelivery(id, body, 900, 0)).unwrap_or_default();
    batch["Records"][0]["receiptHandle"] = json!(FORGED);
    batch.to_string()
}

/// A batch of the findings table's stream: sequence number and finding id of each record.
pub fn stream_batch(changes: &[(&str, &str)]) -> String {
    let records: Vec<Value> = changes
        .iter()
        .map(|(number, finding_id)| {
            json!({
                "eventID": format!("event-{number}"),
                "eventName": "MODIFY",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/findings/stream/0"),
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_772_366_400,
                    "Keys": {"finding_id": {"S": finding_id}},
                    "SequenceNumber": number,
                    "SizeBytes": 100,
                    "StreamViewType": "KEYS_ONLY",
                },
            })
        })
        .collect();
    json!({"Records": records}).to_string()
}

/// The root user of `account` signed in to the console without MFA: an alert in any account.
pub fn root_sign_in(account: &str, event_id: &str) -> String {
    let identity = json!({"type": "Root", "principalId": account, "arn": format!("arn:aws:iam::{account}:root"),
        "accountId": account});
    let detail = json!({
        "eventType": "AwsConsoleSignIn",
        "additionalEventData": {"MobileVersion": "No", "MFAUsed": "No"},
        "responseElements": {"ConsoleLogin": "Success"},
    });
    envelope(
        "AWS Console Sign In via CloudTrail",
        "signin",
        "ConsoleLogin",
        account,
        event_id,
        identity,
        detail,
    )
}

/// User alice made a call that changes something.
pub fn user_call(service: &str, name: &str, event_id: &str, request: Value) -> String {
    let identity = json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": format!("arn:aws:iam::{ACCOUNT}:user/alice"),
        "accountId": ACCOUNT, "userName": "alice", "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
    });
    let detail = json!({
        "eventType": "AwsApiCall", "readOnly": false, "requestParameters": request, "responseElements": null,
    });
    envelope("AWS API Call via CloudTrail", service, name, ACCOUNT, event_id, identity, detail)
}

/// A role used a key: understood, and of no interest to any rule.
pub fn uninteresting(event_id: &str) -> String {
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/session");
    let identity = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLE:session", "arn": arn, "accountId": ACCOUNT,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
    });
    let detail = json!({
        "eventType": "AwsApiCall",
        "readOnly": true,
        "requestParameters": {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "responseElements": null,
    });
    envelope("AWS API Call via CloudTrail", "kms", "Decrypt", ACCOUNT, event_id, identity, detail)
}

fn envelope(
    detail_type: &str,
    service: &str,
    name: &str,
    account: &str,
    event_id: &str,
    identity: Value,
    detail: Value,
) -> String {
    let mut record = json!({
        "eventVersion": "1.11",
        "eventID": event_id,
        "eventTime": "2026-03-01T12:00:00Z",
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "Mozilla/5.0",
        "recipientAccountId": account,
        "userIdentity": identity,
    });
    if let (Value::Object(record), Value::Object(detail)) = (&mut record, detail) {
        record.extend(detail);
    }
    json!({
        "version": "0",
        "id": format!("envelope-{event_id}"),
        "detail-type": detail_type,
        "source": format!("aws.{service}"),
        "account": account,
        "time": "2026-03-01T12:00:05Z",
        "region": "us-east-1",
        "resources": [],
        "detail": record,
    })
    .to_string()
}
