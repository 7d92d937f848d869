//! A day of an account at work, made up: the calls that fill most accounts' trails, in the size and with the fields that
//! CloudTrail writes. In such an account hardly a call interests a rule.

use serde_json::{Value, json};

/// How the calls are shared out, of a hundred: source, name, read-only, parameters.
const CALLS: &[(usize, &str, &str, bool, &str)] = &[
    (
        18,
        "sts",
        "AssumeRole",
        true,
        r#"{"roleArn":"arn:aws:iam::111122223333:role/app-worker","roleSessionName":"i-0a1b2c3d4e5f60718","durationSeconds":3600}"#,
    ),
    (
        16,
        "kms",
        "Decrypt",
        true,
        r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::app-data-111122223333"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
    ),
    (
        10,
        "kms",
        "GenerateDataKey",
        true,
        r#"{"keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::app-data-111122223333"}}"#,
    ),
    (
        14,
        "ec2",
        "DescribeInstances",
        true,
        r#"{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"tag:service","valueSet":{"items":[{"value":"app"},{"value":"web"}]}}]}}"#,
    ),
    (
        8,
        "ec2",
        "DescribeNetworkInterfaces",
        true,
        r#"{"networkInterfaceIdSet":{"items":[{"networkInterfaceId":"eni-0a1b2c3d4e5f60718"}]},"filterSet":{}}"#,
    ),
    (
        8,
        "s3",
        "GetBucketLocation",
        true,
        r#"{"bucketName":"app-data-111122223333","Host":"s3.us-east-1.amazonaws.com","location":""}"#,
    ),
    (
        8,
        "monitoring",
        "DescribeAlarms",
        true,
        r#"{"maxRecords":100,"alarmNames":["app-5xx","app-latency-p99"]}"#,
    ),
    (
        6,
        "logs",
        "CreateLogStream",
        false,
        r#"{"logGroupName":"/aws/lambda/app-worker","logStreamName":"2026/03/01/[$LATEST]0a1b2c3d"}"#,
    ),
    (
        5,
        "ssm",
        "UpdateInstanceInformation",
        false,
        r#"{"instanceId":"i-0a1b2c3d4e5f60718","agentVersion":"3.3.40.0","agentStatus":"Active","platformType":"Linux"}"#,
    ),
    (4, "ecr", "GetAuthorizationToken", true, r#"{"registryIds":["111122223333"]}"#),
    (2, "autoscaling", "DescribeAutoScalingGroups", true, r#"{"autoScalingGroupNames":["app-2026"]}"#),
    (
        1,
        "ec2",
        "CreateTags",
        false,
        r#"{"resourcesSet":{"items":[{"resourceId":"i-0a1b2c3d4e5f60718"}]},"tagSet":{"items":[{"key":"service","value":"app"}]}}"#,
    ),
];

/// How the shares add up; [`record`] relies on it.
const _: () = {
    let (mut sum, mut i) = (0, 0);
    while i < CALLS.len() {
        sum += CALLS[i].0;
        i += 1;
    }
    assert!(sum == 100);
};

/// So many records: of a thousand, thirty are signed with a long-term key and ten are refused.
pub(crate) fn day(records: usize) -> impl Iterator<Item = String> {
    (0..records).map(record)
}

fn record(i: usize) -> String {
    // A step that shares no divisor with a hundred visits every share.
    let mut place = i * 37 % 100;
    let call = CALLS.iter().find(|(share, ..)| {
        let found = place < *share;
        place = place.saturating_sub(*share);
        found
    });
    let (_, service, name, reads, parameters) = call.unwrap_or(&CALLS[0]);
    let key = if i.is_multiple_of(33) { "AKIAIOSFODNN7EXAMPLE" } else { "ASIAIOSFODNN7EXAMPLE" };
    let mut record = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLEEXAMPLE{:03}:i-0a1b2c3d4e5f60718", i % 50),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/app-{}/i-0a1b2c3d4e5f60718", i % 50),
            "accountId": "111122223333",
            "accessKeyId": key,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": format!("AROAEXAMPLEEXAMPLE{:03}", i % 50),
                    "arn": format!("arn:aws:iam::111122223333:role/app-{}", i % 50),
                    "accountId": "111122223333",
                    "userName": format!("app-{}", i % 50),
                },
                "attributes": {"creationDate": "2026-03-01T06:00:00Z", "mfaAuthenticated": "false"},
                "ec2RoleDelivery": "2.0",
            },
        },
        "eventTime": format!("2026-03-01T{:02}:{:02}:{:02}Z", i / 3_600 % 24, i / 60 % 60, i % 60),
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": format!("203.0.113.{}", i % 250),
        "userAgent": "aws-sdk-go-v2/1.41.1 os/linux lang/go#1.26.1 md/GOOS#linux md/GOARCH#amd64 api/app#1.60.2",
        "requestParameters": serde_json::from_str::<Value>(parameters).unwrap_or_default(),
        "responseElements": null,
        "requestID": format!("{:08x}-5717-4562-b3fc-2c963f66{:04x}", i * 2_654_435_761 % 0xffff_ffff, i % 0xffff),
        "eventID": format!("{:08x}-1d2e-4f3a-8b9c-0d1e2f3a{:04x}", i * 40_503 % 0xffff_ffff, i % 0xffff),
        "readOnly": reads,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": format!("{service}.us-east-1.amazonaws.com")},
    });
    if i % 100 == 99 {
        record["errorCode"] = "AccessDenied".into();
        record["errorMessage"] = "User is not authorized to perform this action on this resource".into();
    }
    record.to_string()
}
