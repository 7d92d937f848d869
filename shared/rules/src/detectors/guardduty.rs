use keepwatch_core::event::GuardDuty;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Amazon GuardDuty has a finding. Its updates are occurrences of the same finding; archiving it in GuardDuty closes
    /// it. Severity 9 and more is CRITICAL, from 7 HIGH, from 4 MEDIUM, less is LOW; sample findings are INFORMATIONAL.
    /// ## Why it matters
    /// GuardDuty sees what no API call shows: traffic to known bad addresses, credentials of an instance used elsewhere,
    /// unusual behaviour, malware.
    /// ## What to do
    /// Read the whole finding with the first command. For credentials: stop the key or deny the role everything. For an
    /// instance: cut it off from the network, and keep it for the inquiry.
    /// ## False positives
    /// Scanners of your own, and unusual but honest work of administrators. Archive the finding in GuardDuty, or make a
    /// suppression rule there for what will come again.
    GuardDutyFinding {
        id: "guardduty-finding",
        title: "GuardDuty has a finding",
        severity: Medium,
        confidence: Medium,
        catalogue: ["DET-13", "KEY-12"],
        references: [
            security_hub(&["GuardDuty.1"]),
            doc(&["GuardDuty user guide: severity levels of findings"]),
            doc(&["GuardDuty user guide: processing findings with EventBridge"]),
        ],
        on: [On::Detector(Detector::GuardDuty), On::Call("guardduty.amazonaws.com", &["ArchiveFindings"])],
        // GuardDuty repeats a finding every six hours while it goes on.
        repeat_hours: 168,
    }
}

impl Rule for GuardDutyFinding {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        for id in items_at(record.request(), &["findingIds"]).iter().filter_map(|id| id.as_str()) {
            cx.report(cx.passing(id, format!("{who} archived the finding in GuardDuty")));
        }
        Ok(())
    }

    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::GuardDuty(finding) = body else { return Ok(()) };
        let Some(id) = finding.id.get() else { return Ok(()) };
        if finding.service.archived.is_ignore_case("true") {
            cx.report(cx.passing(id, "The finding is archived in GuardDuty"));
            return Ok(());
        }
        let kind = finding.kind.get().unwrap_or("a finding without a type");
        let title = finding.title.get().or(finding.description.get()).unwrap_or(kind);
        let sample = if finding.is_sample() && !title.starts_with("[SAMPLE]") { "[SAMPLE] " } else { "" };
        let region = cx.event.region().to_owned();
        let detector = finding.service.detector_id.get().unwrap_or("THE_DETECTOR");
        let seen = cx
            .failing(id, format!("GuardDuty: {sample}{}", title.trim_end_matches('.')))
            .severity(severity(finding))
            .because(finding.description.get().unwrap_or(kind))
            .detail("Type", kind)
            .detail_if("Severity in GuardDuty", finding.severity.get())
            .detail_if("Times seen", finding.service.count.get())
            .step(
                "Read the whole finding",
                "guardduty get-findings",
                &[("--region", &region), ("--detector-id", detector), ("--finding-ids", id)],
            );
        let action = parsed(finding.service.action);
        let remote = ["ipAddressV4", "IpAddressV4"].iter().find_map(|key| anywhere(&action, key));
        let partition = finding.partition.get().unwrap_or("aws");
        let seen = seen.detail_if("Remote address", remote);
        cx.report(contain(seen, &parsed(finding.resource), &region, partition));
        Ok(())
    }
}

/// GuardDuty's own ranges (user guide, "Severity levels of GuardDuty findings").
fn severity(finding: &GuardDuty<'_>) -> Severity {
    match finding.severity.or_empty().parse::<f64>() {
        _ if finding.is_sample() => Severity::Informational,
        Ok(number) if number >= 9.0 => Severity::Critical,
        Ok(number) if number >= 7.0 => Severity::High,
        Ok(number) if number < 4.0 => Severity::Low,
        _ => Severity::Medium,
    }
}

/// Names the resource and adds the steps that contain it.
fn contain(seen: Observation, resource: &Value, region: &str, partition: &str) -> Observation {
    let at = |path: &[&str]| value_at(resource, path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut seen = seen.detail_if("Resource type", at(&["resourceType"]));
    let kind = at(&["resourceType"]).unwrap_or_default();
    if let Some(user) = at(&["accessKeyDetails", "userName"]).filter(|_| kind == "AccessKey") {
        let key = at(&["accessKeyDetails", "accessKeyId"]).unwrap_or("THE_KEY");
        let user_type = at(&["accessKeyDetails", "userType"]).unwrap_or_default();
        seen = seen
            .detail("User", user)
            .detail("Access key", key)
            .detail_if("User type", Some(user_type).filter(|t| !t.is_empty()));
        seen = match user_type {
            "Root" => seen.step("It is the root user: change its password and end its sessions, signed in as root. Has it keys?",
                "iam get-account-summary", &[]),
            "IAMUser" => seen.step("Stop the key", "iam update-access-key",
                &[("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")]),
            _ => seen.step("Deny the role everything, until you know more", "iam attach-role-policy",
                &[("--role-name", user), ("--policy-arn", &format!("arn:{partition}:iam::aws:policy/AWSDenyAll"))]),
        };
    }
    if let Some(instance) = at(&["instanceDetails", "instanceId"]).filter(|_| kind != "AccessKey") {
        seen = seen
            .detail("Instance", instance)
            .step(
                "Which instance is it?",
                "ec2 describe-instances",
                &[("--region", region), ("--instance-ids", instance)],
            )
            .step(
                "Cut it off: put it into a security group without rules",
                "ec2 modify-instance-attribute",
                &[("--region", region), ("--instance-id", instance), ("--groups", "THE_EMPTY_GROUP")],
            );
    }
    for bucket in value_at(resource, &["s3BucketDetails"]).and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = value_at(bucket, &["name"]).and_then(Value::as_str) else { continue };
        seen = seen.detail("Bucket", name).step("If it must not be public, close it", "s3api put-public-access-block", &[
            ("--bucket", name),
            ("--public-access-block-configuration",
                "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"),
        ]);
    }
    if let Some(function) = at(&["lambdaDetails", "functionName"]) {
        seen = seen.detail("Function", function).step(
            "Stop it",
            "lambda put-function-concurrency",
            &[("--region", region), ("--function-name", function), ("--reserved-concurrent-executions", "0")],
        );
    }
    if let Some(database) = at(&["rdsDbInstanceDetails", "dbInstanceIdentifier"]) {
        seen = seen.detail("Database", database).step(
            "Take it from the internet",
            "rds modify-db-instance",
            &[
                ("--region", region),
                ("--db-instance-identifier", database),
                ("--no-publicly-accessible", ""),
                ("--apply-immediately", ""),
            ],
        );
    }
    seen.detail_if("Cluster", at(&["eksClusterDetails", "name"]).or(at(&["ecsClusterDetails", "name"])))
}

fn parsed(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The first text under this key, however deep: where it stands depends on the kind of action.
fn anywhere<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    match value {
        Value::Object(fields) => (fields.get(key).and_then(Value::as_str))
            .or_else(|| fields.values().find_map(|inner| anywhere(inner, key))),
        Value::Array(items) => items.iter().find_map(|inner| anywhere(inner, key)),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::finding::Finding;

    const ID: &str = "6acdc15e4418414a868e8bbdf45b456b";

    fn finding(severity: Value, changes: Value) -> String {
        let mut detail = json!({
            "id": ID, "type": "UnauthorizedAccess:EC2/TorClient", "accountId": ACCOUNT, "region": "us-east-1",
            "severity": severity, "title": "The EC2 instance i-99999999 is communicating with a Tor entry node.",
            "description": "It communicates with a Tor entry node.", "updatedAt": "2026-03-01T11:58:00.000Z",
            "resource": {"resourceType": "Instance", "instanceDetails": {"instanceId": "i-99999999"}},
            "service": {"detectorId": "12abc", "count": 1, "archived": false, "action": {"actionType": "NETWORK_CONNECTION",
                "networkConnectionAction": {"remoteIpDetails": {"ipAddressV4": "198.51.100.0"}}}},
        });
        if let (Some(detail), Value::Object(changes)) = (detail.as_object_mut(), changes) {
            detail.extend(changes);
        }
        envelope("aws.guardduty", "GuardDuty Finding", detail)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&GuardDutyFinding, Severity::High, &finding(json!(8), json!({})));
        assert_eq!(
            seen.title,
            "GuardDuty: The EC2 instance i-99999999 is communicating with a Tor entry node"
        );
        assert_eq!(seen.subject.resource, ID);
        assert!(seen.details.contains(&("Remote address".to_owned(), "198.51.100.0".to_owned())));
        assert!(seen.steps.iter().any(|step| step.command.contains("modify-instance-attribute")));
        for (number, severity) in [
            (json!(9), Severity::Critical),
            (json!("9.3"), Severity::Critical),
            (json!(8.9), Severity::High),
            (json!(7), Severity::High),
            (json!(6.9), Severity::Medium),
            (json!(4.0), Severity::Medium),
            (json!(3.9), Severity::Low),
            (json!(null), Severity::Medium),
            (json!("NaN"), Severity::Medium),
        ] {
            fires_at(&GuardDutyFinding, severity, &finding(number, json!({})));
        }
    }

    #[test]
    fn credentials_are_contained() {
        let by = |user_type: &str, key: &str| {
            let resource = json!({"resource": {"resourceType": "AccessKey", "accessKeyDetails": {
                "accessKeyId": key, "userName": "bob", "userType": user_type}}});
            let seen = fired(&GuardDutyFinding, &finding(json!(8), resource));
            seen.steps.last().map(|step| step.command.clone()).unwrap_or_default()
        };
        assert!(by("IAMUser", "AKIAIOSFODNN7EXAMPLE").contains("update-access-key --user-name bob"));
        assert!(by("Role", "ASIAIOSFODNN7EXAMPLE").contains("attach-role-policy --role-name bob"));
        assert!(by("Root", "ASIAIOSFODNN7EXAMPLE").contains("get-account-summary"));
        let china = json!({"partition": "aws-cn", "resource": {"resourceType": "AccessKey",
            "accessKeyDetails": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "userName": "r", "userType": "Role"}}});
        let seen = fired(&GuardDutyFinding, &finding(json!(8), china));
        assert!(seen.steps[1].command.ends_with("arn:aws-cn:iam::aws:policy/AWSDenyAll"), "{:?}", seen.steps);
    }

    #[test]
    fn an_update_is_an_occurrence_without_a_mail() {
        let later = json!({"updatedAt": "2026-03-03T12:00:00.000Z"});
        let (first, again) = (
            fired(&GuardDutyFinding, &finding(json!(8), json!({}))),
            fired(&GuardDutyFinding, &finding(json!(8), later)),
        );
        let mut opened = Finding::open(&first, None, None).into_iter().next();
        assert_eq!(
            opened.as_mut().map(|finding| (finding.apply(&again), finding.apply(&again))),
            Some((true, false))
        );
        assert_eq!(opened.map(|finding| (finding.occurrences, finding.alert.became_due)), Some((2, 1)));
    }

    #[test]
    fn samples_are_no_alarm() {
        for sample in [
            json!({"title": "[SAMPLE] The EC2 instance is communicating"}),
            json!({"service": {"additionalInfo": {"sample": true}}}),
            json!({"service": {"additionalInfo": {"sample": "true"}}}),
        ] {
            let seen = fires_at(&GuardDutyFinding, Severity::Informational, &finding(json!(8), sample));
            assert!(seen.title.starts_with("GuardDuty: [SAMPLE] "), "{}", seen.title);
        }
    }

    #[test]
    fn the_shape_of_the_api_is_read_too() {
        let detail = json!({
            "Id": ID, "Type": "Discovery:RDS/TorIPCaller", "AccountId": ACCOUNT, "Severity": 8, "Title": "A probe.",
            "Resource": {"ResourceType": "RDSDBInstance", "RdsDbInstanceDetails": {"DbInstanceIdentifier": "db-1"}},
            "Service": {"AdditionalInfo": {"Type": "default", "Value": "{\"sample\":true}"}},
        });
        let seen = fires_at(
            &GuardDutyFinding,
            Severity::Informational,
            &envelope("aws.guardduty", "GuardDuty Finding", detail),
        );
        assert!(seen.steps.iter().any(|step| step.command.contains("--db-instance-identifier db-1")));
    }

    #[test]
    fn archiving_closes_it() {
        let open = fired(&GuardDutyFinding, &finding(json!(8), json!({})));
        let archived = finding(json!(8), json!({"service": {"archived": true}}));
        let request = json!({"requestParameters": {"detectorId": "12abc", "findingIds": [ID]}});
        for event in [archived, call("guardduty", "ArchiveFindings", request)] {
            let seen = observe(&GuardDutyFinding, &event);
            assert_eq!(seen.len(), 1, "{event}");
            assert_eq!((seen[0].verdict, &seen[0].subject), (Verdict::Passing, &open.subject));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &GuardDutyFinding,
            &[
                finding(json!(8), json!({"id": null})),
                call("guardduty", "ArchiveFindings", json!({"requestParameters": null})),
                call(
                    "guardduty",
                    "ArchiveFindings",
                    json!({"errorCode": "BadRequestException", "requestParameters": {"findingIds": [ID]}}),
                ),
                envelope(
                    "aws.guardduty",
                    "GuardDuty Malware Protection Object Scan Result",
                    json!({"id": ID}),
                ),
            ],
        );
    }
}
