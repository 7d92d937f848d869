use super::common::trail_arn;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A trail was updated so that it records less or proves less: one region only, no global services (IAM
    /// among them), no log file validation, no KMS key, no CloudWatch Logs, no longer for the organization;
    /// or its logs were sent to another bucket.
    /// ## Why it matters
    /// A trail that goes on logging looks healthy. What happens in the regions it no longer covers, or is
    /// delivered to a stranger's bucket, is lost for you.
    /// ## What to do
    /// Compare the trail with what it should be and update it again. Look at what the caller did before and
    /// after.
    /// ## False positives
    /// The console and CloudFormation send every setting with every edit. A setting that they sent along may
    /// have been so before; it is then reported with a lower severity, or not at all where it is the usual
    /// one. A bucket's name does not tell whose bucket it is.
    TrailWeakened {
        id: "audit-trail-weakened",
        title: "A CloudTrail trail was weakened",
        severity: High,
        confidence: Medium,
        catalogue: ["TRAIL-03"],
        references: [
            cis("3.0", &["3.1", "3.2", "3.5", "4.5"]),
            cis("5.0", &["3.1", "3.2", "3.5", "4.5"]),
            security_hub(&["CloudTrail.1", "CloudTrail.2", "CloudTrail.4"]),
            attack(&["T1562.008"]),
        ],
        on: [On::Call("cloudtrail.amazonaws.com", &["UpdateTrail"])],
    }
}

/// Settings whose `false` is bad: parameter, what is then so, severity, and the option that puts it right.
const FLAGS: [(&str, &str, Severity, &str); 3] = [
    ("isMultiRegionTrail", "records one region only", Severity::High, "--is-multi-region-trail"),
    (
        "includeGlobalServiceEvents",
        "leaves out global services such as IAM",
        Severity::High,
        "--include-global-service-events",
    ),
    (
        "enableLogFileValidation",
        "does not sign its log files",
        Severity::Medium,
        "--enable-log-file-validation",
    ),
];

impl Rule for TrailWeakened {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(arn) = trail_arn(record, "name") else { return Ok(()) };
        let request = record.request();
        // The console and CloudFormation write all settings at once; then no single one was the point. Whoever else
        // sends them all must not hide one change among the others.
        let all = FLAGS.iter().all(|(parameter, ..)| flag_at(request, &[parameter]).is_some());
        // CloudShell's calls come from the console as well, with the settings that were typed.
        let in_console = all && record.from_console.is_ignore_case("true");
        let whole = in_console || cx.automation() == Some(Automation::Stack);
        let mut found = Vec::new();
        for (parameter, what, severity, option) in FLAGS {
            match flag_at(request, &[parameter]) {
                Some(true) => {
                    let title = format!("Trail {} has {parameter} set", last_part(&arn));
                    cx.report(cx.passing(&arn, title).aspect(parameter));
                }
                Some(false) => found.push((parameter, what.to_owned(), severity, option)),
                None => {}
            }
        }
        match text_at(request, &["kmsKeyId"]) {
            Some(_) => cx.report(
                cx.passing(&arn, format!("Trail {} encrypts with a KMS key", last_part(&arn)))
                    .aspect("kmsKeyId"),
            ),
            // "" takes the key away.
            None if value_at(request, &["kmsKeyId"]).is_some_and(|value| value == "") => {
                found.push(("kmsKeyId", "encrypts with no KMS key".to_owned(), Severity::Low, ""));
            }
            None => {}
        }
        // `false` and "" are the usual values of these two; alone they were the point.
        match flag_at(request, &["isOrganizationTrail"]) {
            Some(true) => {
                let title = format!("Trail {} records the whole organization", last_part(&arn));
                cx.report(cx.passing(&arn, title).aspect("isOrganizationTrail"));
            }
            Some(false) if !whole => {
                let what = "no longer records the organization's other accounts".to_owned();
                found.push(("isOrganizationTrail", what, Severity::High, "--is-organization-trail"));
            }
            _ => {}
        }
        match text_at(request, &["cloudWatchLogsLogGroupArn"]) {
            Some(_) => {
                let title = format!("Trail {} is sent to CloudWatch Logs", last_part(&arn));
                cx.report(cx.passing(&arn, title).aspect("cloudWatchLogsLogGroupArn"));
            }
            None if !whole && value_at(request, &["cloudWatchLogsLogGroupArn"]).is_some_and(|v| v == "") => {
                let what = "is no longer sent to CloudWatch Logs".to_owned();
                found.push(("cloudWatchLogsLogGroupArn", what, Severity::Medium, ""));
            }
            None => {}
        }
        if let Some(bucket) = text_at(request, &["s3BucketName"]) {
            let known =
                |id: &str| id == record.account() || cx.config.trusted_accounts.iter().any(|t| t == id);
            match account_in(bucket) {
                Some(id) if !known(id) => {
                    let what = format!("writes to bucket {bucket}, by its name of account {id}");
                    found.push(("s3BucketName", what, Severity::High, ""));
                }
                _ => {
                    let what = format!("was told to write to bucket {bucket}");
                    found.push(("s3BucketName", what, Severity::Medium, ""));
                }
            }
        }
        for (parameter, what, severity, option) in found {
            report(record, cx, &arn, Weakness { parameter, what: &what, severity, option, whole });
        }
        Ok(())
    }
}

struct Weakness<'w> {
    parameter: &'w str,
    what: &'w str,
    severity: Severity,
    option: &'w str,
    whole: bool,
}

fn report(record: &Record<'_>, cx: &mut Cx<'_>, arn: &str, weakness: Weakness<'_>) {
    let Weakness { parameter, what, severity, option, whole } = weakness;
    let severity = match (whole, severity) {
        (true, Severity::High) if parameter != "s3BucketName" => Severity::Medium,
        (true, Severity::Medium) => Severity::Low,
        _ => severity,
    };
    let because = if whole {
        "The console and CloudFormation send every setting along; this one may have been so before."
    } else {
        "The call set this on purpose: the console and CloudFormation send every setting along, and this was neither."
    };
    let title = format!("Trail {} {what}, after an update by {}", last_part(arn), caller_name(record));
    let mut seen = cx
        .failing(arn, title)
        .severity(severity)
        .aspect(parameter)
        .because(because)
        .detail("Setting", parameter)
        .step("What is set now?", "cloudtrail get-trail", &[("--name", arn), ("--region", region(record))]);
    if !option.is_empty() {
        let fix = [("--name", arn), (option, ""), ("--region", region(record))];
        seen = seen.step("Put it right", "cloudtrail update-trail", &fix);
    }
    cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
}

/// An account id in a bucket's name, as in the names that CloudTrail's console proposes.
fn account_in(bucket: &str) -> Option<&str> {
    bucket.split(['-', '.']).find(|part| part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::observation::{Observation, Verdict};

    fn update(mut request: Value) -> String {
        request["name"] = json!("main");
        call("cloudtrail", "UpdateTrail", json!({"requestParameters": request}))
    }

    fn failing(event: &str) -> Vec<Observation> {
        observe(&TrailWeakened, event).into_iter().filter(|o| o.verdict == Verdict::Failing).collect()
    }

    #[test]
    fn fires() {
        let one = fires_at(&TrailWeakened, Severity::High, &update(json!({"isMultiRegionTrail": false})));
        assert_eq!(one.title, "Trail main records one region only, after an update by alice");
        fires_at(&TrailWeakened, Severity::High, &update(json!({"includeGlobalServiceEvents": "false"})));
        fires_at(&TrailWeakened, Severity::Medium, &update(json!({"enableLogFileValidation": false})));
        fires_at(&TrailWeakened, Severity::Low, &update(json!({"kmsKeyId": ""})));
        fires_at(&TrailWeakened, Severity::High, &update(json!({"isOrganizationTrail": false})));
        fires_at(&TrailWeakened, Severity::Medium, &update(json!({"cloudWatchLogsLogGroupArn": ""})));
        fires_at(&TrailWeakened, Severity::Medium, &update(json!({"s3BucketName": "my-logs"})));
        let foreign = update(json!({"s3BucketName": "aws-cloudtrail-logs-999988887777-ab12"}));
        fires_at(&TrailWeakened, Severity::High, &foreign);
    }

    fn every_setting(regions: bool, changes: Value) -> String {
        let request = json!({
            "name": "main", "isMultiRegionTrail": regions, "includeGlobalServiceEvents": true,
            "enableLogFileValidation": false, "isOrganizationTrail": false, "cloudWatchLogsLogGroupArn": "",
            "s3BucketName": "my-logs", "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/1",
        });
        let mut event: Value =
            serde_json::from_str(&call("cloudtrail", "UpdateTrail", changes)).unwrap_or_default();
        event["requestParameters"] = request;
        event.to_string()
    }

    #[test]
    fn the_console_and_stacks_send_every_setting() {
        for whole in [
            json!({"sessionCredentialFromConsole": "true"}),
            json!({"userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}}),
        ] {
            let seen = failing(&every_setting(true, whole.clone()));
            let reports: Vec<_> = seen.iter().map(|o| (o.subject.aspect.as_deref(), o.severity)).collect();
            assert_eq!(
                reports,
                [
                    (Some("enableLogFileValidation"), Severity::Low),
                    // Where the logs go is never passed over: it may be the one thing that was changed.
                    (Some("s3BucketName"), Severity::Low),
                ]
            );
            assert!(seen[0].reason.contains("may have been so before"));
            assert_eq!(failing(&every_setting(false, whole))[0].severity, Severity::Medium);
        }
    }

    #[test]
    fn a_single_setting_from_cloud_shell_was_meant() {
        for (setting, severity) in [
            (json!({"isOrganizationTrail": false}), Severity::High),
            (json!({"isMultiRegionTrail": false}), Severity::High),
            (json!({"cloudWatchLogsLogGroupArn": ""}), Severity::Medium),
        ] {
            let mut event: Value = serde_json::from_str(&update(setting)).unwrap_or_default();
            event["sessionCredentialFromConsole"] = json!("true");
            fires_at(&TrailWeakened, severity, &event.to_string());
        }
    }

    #[test]
    fn nobody_hides_a_change_among_all_settings() {
        let reports: Vec<_> = failing(&every_setting(false, json!({"userAgent": "HashiCorp Terraform/1.9"})))
            .iter()
            .map(|o| (o.subject.aspect.clone().unwrap_or_default(), o.severity))
            .collect();
        let reports: Vec<_> = reports.iter().map(|(aspect, severity)| (aspect.as_str(), *severity)).collect();
        assert_eq!(
            reports,
            [
                ("isMultiRegionTrail", Severity::Medium),
                ("enableLogFileValidation", Severity::Medium),
                ("isOrganizationTrail", Severity::Medium),
                ("cloudWatchLogsLogGroupArn", Severity::Medium),
                ("s3BucketName", Severity::Medium),
            ]
        );
    }

    #[test]
    fn a_repair_resolves_what_it_repairs() {
        let bad = fired(&TrailWeakened, &update(json!({"isMultiRegionTrail": false})));
        let good = observe(&TrailWeakened, &update(json!({"isMultiRegionTrail": true})));
        assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        let key = observe(&TrailWeakened, &update(json!({"kmsKeyId": "alias/trail"})));
        let keyless = fired(&TrailWeakened, &update(json!({"kmsKeyId": ""})));
        assert_eq!((key[0].verdict, key[0].finding_id()), (Verdict::Passing, keyless.finding_id()));
        let group = "arn:aws:logs:us-east-1:111122223333:log-group:trail:*";
        for (parameter, bad, good) in [
            ("isOrganizationTrail", json!(false), json!(true)),
            ("cloudWatchLogsLogGroupArn", json!(""), json!(group)),
        ] {
            let bad = fired(&TrailWeakened, &update(json!({parameter: bad})));
            let good = observe(&TrailWeakened, &update(json!({parameter: good})));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        let failed = json!({"errorCode": "TrailNotFoundException", "requestParameters": {"name": "x",
            "isMultiRegionTrail": false}});
        quiet(
            &TrailWeakened,
            &[
                update(json!({"snsTopicName": "logs"})),
                update(json!({"isMultiRegionTrail": null, "kmsKeyId": null, "s3BucketName": 7})),
                call("cloudtrail", "UpdateTrail", failed),
                call("cloudtrail", "UpdateTrail", json!({"requestParameters": null})),
            ],
        );
        let own = failing(&update(json!({"s3BucketName": "aws-cloudtrail-logs-111122223333-ab12"})));
        assert_eq!(own[0].severity, Severity::Medium);
    }
}
