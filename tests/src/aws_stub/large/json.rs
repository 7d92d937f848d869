//! The services that answer in JSON: Lambda, KMS, CloudTrail, EventBridge, the quotas and others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::call::{Call, refused};
use super::contents::{ACCOUNT, Size, arn};
use crate::http::Response;

/// Answers a call.
pub(super) fn answer(size: &Size, call: &Call) -> Response {
    let region = &call.region;
    let list = |name: &str, token: &str, count: usize, longest: usize, item: &dyn Fn(usize) -> Value| {
        let page = call.page(count, longest);
        let mut body = json!({name: page.items.map(item).collect::<Vec<_>>()});
        if let Some(next) = page.next {
            body[token] = json!(next.to_string());
        }
        body
    };
    let key_id = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let body = match call.name.as_str() {
        // A page has fifty functions (Lambda API reference, ListFunctions).
        "ListFunctions" => list("Functions", "NextMarker", size.lying_in(region, 1, 0), 50, &|number| {
            function(region, number)
        }),
        "ListKeys" => list(
            "Keys",
            "NextMarker",
            size.lying_in(region, 1, 0).div_ceil(4) + 2,
            1_000,
            &|number| json!({"KeyId": key_id(number), "KeyArn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", key_id(number))}),
        ),
        "ListAliases" => list(
            "Aliases",
            "NextMarker",
            2,
            100,
            &|number| json!({"AliasName": format!("alias/aws/{}", ["ebs", "lambda"][number]), "TargetKeyId": key_id(number)}),
        ),
        "DescribeKey" => {
            let id = call.body["KeyId"].as_str().unwrap_or_default();
            json!({"KeyMetadata": {"KeyId": id, "Arn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"), "KeyState": "Enabled", "KeyManager": "CUSTOMER", "Description": "of an application", "KeyUsage": "ENCRYPT_DECRYPT"}})
        }
        "DescribeTrails" => {
            json!({"trailList": [{"Name": "main", "S3BucketName": format!("bucket-of-{ACCOUNT}-0"), "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true, "HomeRegion": "us-east-1", "TrailARN": format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"), "LogFileValidationEnabled": true, "IsOrganizationTrail": false}]})
        }
        "GetTrailStatus" => json!({"IsLogging": true}),
        "GetEventSelectors" => {
            json!({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true}]})
        }
        "GetInsightSelectors" => json!({"InsightSelectors": []}),
        "ListRules" => list(
            "Rules",
            "NextToken",
            size.lying_in(region, 1, 2),
            100,
            &|number| json!({"Name": format!("rule-{number}"), "Arn": format!("arn:aws:events:{region}:{ACCOUNT}:rule/rule-{number}"), "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.ec2\"], \"detail-type\": [\"EC2 Instance State-change Notification\"]}"}),
        ),
        "ListServiceQuotas" => {
            let service = call.body["ServiceCode"].as_str().unwrap_or_default();
            let count = if service == "ec2" { 160 } else { 40 };
            list("Quotas", "NextToken", count, 100, &|number| quota(service, number))
        }
        "GET /accounts" if call.service == "securityhub" => {
            json!({"HubArn": format!("arn:aws:securityhub:{region}:{ACCOUNT}:hub/default")})
        }
        "DescribeOrganization" | "ListAccounts" => return refused("AWSOrganizationsNotInUseException"),
        "GetAlternateContact" => return refused("ResourceNotFoundException"),
        // An empty list.
        _ => json!({}),
    };
    Response::new(200, "application/x-amz-json-1.1", body.to_string())
}

fn function(region: &str, number: usize) -> Value {
    let variables: BTreeMap<String, String> = (0..10)
        .map(|part| {
            (format!("VARIABLE_{part}"), format!("https://service-{part}.example.com/of/function/{number}"))
        })
        .collect();
    json!({
        "FunctionArn": format!("arn:aws:lambda:{region}:{ACCOUNT}:function:function-{number}"),
        "FunctionName": format!("function-{number}"),
        "Runtime": if number.is_multiple_of(15) { "python3.9" } else { "python3.13" },
        "PackageType": "Zip",
        "Handler": "handler.handle",
        "Role": arn("role", &format!("role-of-application-{number:05}")),
        "Description": "does what the application needs, whenever something comes",
        "Environment": {"Variables": variables},
        "CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Layers": [{"Arn": format!("arn:aws:lambda:{region}:{ACCOUNT}:layer:tracing:12"), "CodeSize": 123_456}],
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": format!("/aws/lambda/function-{number}")},
    })
}

fn quota(service: &str, number: usize) -> Value {
    let mut quota = json!({
        "ServiceCode": service,
        "ServiceName": service,
        "QuotaArn": format!("arn:aws:servicequotas:us-east-1:{ACCOUNT}:{service}/L-{number:08}"),
        "QuotaCode": format!("L-{number:08}"),
        "QuotaName": format!("How many of the things of kind {number} there may be in a region"),
        "Value": 100.0,
        "Unit": "None",
        "Adjustable": true,
    });
    if number.is_multiple_of(4) {
        quota["UsageMetric"] = json!({
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": {"Class": "None", "Resource": format!("thing-{number}"), "Service": service, "Type": "Resource"},
            "MetricStatisticRecommendation": "Maximum",
        });
    }
    quota
}
