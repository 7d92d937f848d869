//! `BatchImportFindings`: what every finding must have, how much a call may hold.

use serde_json::{Value, json};

use super::signature::signed;
use crate::http::{Request, Response};

const REQUIRED: [&str; 12] = [
    "AwsAccountId",
    "CreatedAt",
    "Description",
    "GeneratorId",
    "Id",
    "ProductArn",
    "Resources",
    "SchemaVersion",
    "Severity",
    "Title",
    "Types",
    "UpdatedAt",
];

/// What Security Hub is to find fault with.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Ids that it names as failed.
    pub(super) failing: Vec<String>,
    /// Ids for which it refuses the whole call.
    pub(super) spoiling: Vec<String>,
    /// How many calls are still to be throttled.
    pub(super) throttled: usize,
}

/// Imports the findings of a call; what was imported is added to `imported`.
pub(super) fn answer(request: &Request, faults: &mut Faults, imported: &mut Vec<Value>) -> Response {
    if let Err(complaint) = signed(request, "securityhub", &["content-type"]) {
        return refusal(403, "InvalidSignatureException", &complaint);
    }
    if faults.throttled > 0 {
        faults.throttled -= 1;
        return refusal(429, "TooManyRequestsException", "by the stub");
    }
    let findings = match findings(&request.body, faults) {
        Ok(findings) => findings,
        Err(complaint) => return refusal(400, "InvalidInputException", &complaint),
    };
    let mut failed = Vec::new();
    for finding in findings {
        let id = finding["Id"].as_str().unwrap_or_default();
        if faults.failing.iter().any(|failing| failing == id) {
            failed.push(json!({"Id": id, "ErrorCode": "InvalidInput", "ErrorMessage": "by the stub"}));
        } else {
            imported.push(finding);
        }
    }
    let body = json!({"FailedCount": failed.len(), "SuccessCount": 0, "FailedFindings": failed});
    Response::new(200, "application/json", body.to_string())
}

fn refusal(status: u16, code: &str, message: &str) -> Response {
    let mut response = Response::new(status, "application/json", json!({"Message": message}).to_string());
    response.headers.push(("x-amzn-errortype", format!("{code}:http://internal.amazon.com/coral/")));
    response
}

fn findings(body: &str, faults: &Faults) -> Result<Vec<Value>, String> {
    let mut call: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let Value::Array(findings) = call["Findings"].take() else {
        return Err("no list of findings".to_owned());
    };
    if findings.is_empty() || findings.len() > 100 || body.len() > 6_000_000 {
        return Err(format!("{} findings of {} bytes in one call", findings.len(), body.len()));
    }
    let mut ids = Vec::new();
    for finding in &findings {
        let empty = |name: &&&str| match &finding[**name] {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => true,
        };
        if let Some(missing) = REQUIRED.iter().find(empty) {
            return Err(format!("{missing} is missing"));
        }
        let account = finding["AwsAccountId"].as_str().unwrap_or_default();
        if finding["ProductArn"]
            != format!("arn:aws:securityhub:us-east-1:{account}:product/{account}/default")
        {
            return Err(format!("the product is {}", finding["ProductArn"]));
        }
        if finding.to_string().len() > 240_000 {
            return Err("a finding is larger than 240 KB".to_owned());
        }
        let id = finding["Id"].as_str().unwrap_or_default().to_owned();
        if faults.spoiling.contains(&id) || ids.contains(&id) {
            return Err(format!("{id} is spoiling the call, or there twice"));
        }
        ids.push(id);
    }
    Ok(findings)
}
