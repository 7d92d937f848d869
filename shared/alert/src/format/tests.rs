//! What is rendered is what the published formats ask for.

use std::sync::LazyLock;

use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::event::Event;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Query};
use keepwatch_rules::registry::DOCUMENTED;
use keepwatch_rules::testing::*;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const HOME: &str = "eu-central-1";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const STATUSES: [Status; 4] = [Status::New, Status::InProgress, Status::Suppressed, Status::Resolved];

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:05Z").unwrap()
}

fn begun(observation: &Observation) -> Finding {
    let mut finding = Finding::open(observation, None, None).expect("a failing observation opens a finding");
    finding.stamp(now());
    finding
}

fn root_sign_in_without_mfa() -> Finding {
    let response = json!({
        "responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "No"},
    });
    begun(&fired(rule("root-console-sign-in"), &root_sign_in("ConsoleLogin", response)))
}

fn inline_admin() -> Finding {
    let request = json!({"userName": "bob", "policyName": "p", "policyDocument": ADMIN});
    begun(&fired(
        rule("admin-inline-policy"),
        &call("iam", "PutUserPolicy", json!({"requestParameters": request})),
    ))
}

fn key_in_health() -> Finding {
    let detail = json!({
        "eventArn": "arn:aws:health:us-east-1::event/RISK/X/1", "eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED",
        "communicationId": "c-1", "affectedEntities": [{"entityValue": KEY}],
    });
    begun(&fired(rule("exposed-access-key"), &envelope("aws.health", "AWS Health Event", detail)))
}

fn omitted_content() -> Finding {
    let request = json!({"omitted": true, "reason": "requestParameters too large", "originalSize": 131_072});
    begun(&fired(
        rule("grant-content-omitted"),
        &call("iam", "PutUserPolicy", json!({"requestParameters": request})),
    ))
}

fn key_in_trusted_advisor() -> Finding {
    let detail = json!({
        "check-name": "Exposed Access Keys", "status": "ERROR", "uuid": "u-1", "resource_id": "",
        "check-item-detail": {"Access Key ID": KEY, "User Name (IAM or Root)": "bob", "Fraud Type": "Exposed"},
    });
    let kind = "Trusted Advisor Check Item Refresh Notification";
    begun(&fired(rule("exposed-access-key-trusted-advisor"), &envelope("aws.trustedadvisor", kind, detail)))
}

/// A finding of state: today's rules on state all add to findings of events, so that this one is made its own.
fn state() -> Finding {
    let mut finding = key_in_trusted_advisor();
    "exposed-access-key-trusted-advisor".clone_into(&mut finding.rule);
    finding
}

/// Findings of several rules, each in every status.
fn all() -> Vec<Finding> {
    let findings = [
        root_sign_in_without_mfa(),
        inline_admin(),
        key_in_health(),
        omitted_content(),
        key_in_trusted_advisor(),
        state(),
    ];
    findings.iter().flat_map(|finding| STATUSES.map(|status| with(finding, status, 3))).collect()
}

fn with(finding: &Finding, status: Status, version: u64) -> Finding {
    let mut finding = finding.clone();
    finding.status = status;
    finding.version = version;
    if status == Status::Resolved {
        finding.status_reason = Some("fixed".to_owned());
    }
    finding
}

#[test]
fn every_finding_in_every_status_is_valid() {
    for finding in all() {
        let event = ocsf::finding(&finding, DOCUMENTED);
        assert_eq!(schema::ocsf(&event), [""; 0], "{event:#}");
        let record = asff::finding(&finding, HOME, DOCUMENTED);
        assert_eq!(schema::asff(&record), [""; 0], "{record:#}");
    }
}

#[test]
fn the_validator_can_fail() {
    fn spoiled(whole: &Value, path: &str, change: Option<Value>) -> Value {
        let mut whole = whole.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = whole.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match change {
            Some(value) => parent.insert(name.to_owned(), value),
            None => parent.remove(name),
        };
        whole
    }
    let event = ocsf::finding(&state(), DOCUMENTED);
    for (path, change) in [
        ("/activity_id", None),
        ("/category_uid", None),
        ("/class_uid", None),
        ("/type_uid", None),
        ("/severity_id", None),
        ("/time", None),
        ("/metadata", None),
        ("/metadata/version", None),
        ("/metadata/product", None),
        ("/cloud", None),
        ("/cloud/provider", None),
        ("/cloud/account/uid", None),
        ("/finding_info", None),
        ("/finding_info/uid", None),
        ("/finding_info/analytic/type_id", None),
        ("/remediation/desc", None),
        ("/compliance", None),
        ("/evidences/0/data", None),
        ("/resources/0/uid", None),
        ("/time", Some(json!("2026-03-01T12:00:00Z"))),
        ("/type_uid", Some(json!(200_302))),
        ("/severity_id", Some(json!("HIGH"))),
        ("/severity", Some(json!("Low"))),
        ("/status", Some(json!("Resolved"))),
        ("/count", Some(json!(5_000_000_000_u64))),
        ("/is_alert", Some(json!(true))),
        ("/compliance/status_id", Some(json!(4))),
        ("/finding_info/first_seen", Some(json!(1))),
    ] {
        assert_ne!(schema::ocsf(&spoiled(&event, path, change)), [""; 0], "{path}");
    }
    let event = ocsf::finding(&inline_admin(), DOCUMENTED);
    for (path, change) in [
        ("/is_alert", json!("true")),
        ("/compliance", json!({"status_id": 3})),
        ("/evidences/0/src_endpoint/ip", json!("somewhere")),
    ] {
        assert_ne!(schema::ocsf(&spoiled(&event, path, Some(change))), [""; 0], "{path}");
    }
    let record = asff::finding(&state(), HOME, DOCUMENTED);
    for (path, change) in [
        ("/SchemaVersion", None),
        ("/Id", None),
        ("/ProductArn", None),
        ("/GeneratorId", None),
        ("/AwsAccountId", None),
        ("/Types", None),
        ("/CreatedAt", None),
        ("/UpdatedAt", None),
        ("/Severity", None),
        ("/Severity/Label", None),
        ("/Title", None),
        ("/Description", None),
        ("/Resources", None),
        ("/Resources/0/Type", None),
        ("/Resources/0/Id", None),
        ("/Title", Some(json!("t".repeat(257)))),
        ("/Title", Some(json!(" "))),
        ("/Description", Some(json!("d".repeat(1_025)))),
        ("/Resources", Some(json!([]))),
        ("/Resources/0/Partition", Some(json!("aws-mars"))),
        ("/Resources/0/Region", Some(json!("a-region-too-long-1"))),
        ("/Severity/Label", Some(json!("Critical"))),
        ("/AwsAccountId", Some(json!("11112222333"))),
        ("/UpdatedAt", Some(json!("yesterday"))),
        ("/Types", Some(json!(["Checks/X"]))),
        ("/Workflow", Some(json!({"Status": "RESOLVED"}))),
        ("/Remediation/Recommendation/Text", Some(json!("t".repeat(513)))),
        ("/ProductFields/x", Some(json!("v".repeat(2_049)))),
        ("/ProductFields/x", Some(json!(1))),
    ] {
        assert_ne!(schema::asff(&spoiled(&record, path, change)), [""; 0], "{path}");
    }
}

#[test]
fn a_finding_is_created_updated_and_closed() {
    for (status, version, activity, status_id, word, state, compliance, alert) in [
        (Status::New, 0, 1, 1, "New", "ACTIVE", "FAILED", true),
        (Status::New, 1, 1, 1, "New", "ACTIVE", "FAILED", true),
        (Status::New, 2, 2, 1, "New", "ACTIVE", "FAILED", true),
        (Status::InProgress, 2, 2, 2, "In Progress", "ACTIVE", "FAILED", true),
        (Status::Suppressed, 2, 2, 3, "Suppressed", "ACTIVE", "FAILED", false),
        (Status::Resolved, 3, 3, 4, "Resolved", "ARCHIVED", "PASSED", false),
    ] {
        let finding = with(&root_sign_in_without_mfa(), status, version);
        let event = ocsf::finding(&finding, DOCUMENTED);
        assert_eq!(event["activity_id"], activity, "{status:?} {version}");
        assert_eq!(event["type_uid"], 200_400 + activity);
        assert_eq!((&event["status_id"], &event["status"]), (&json!(status_id), &json!(word)));
        assert_eq!(event["is_alert"], alert);
        assert_eq!(event["comment"], json!(finding.status_reason));
        let record = asff::finding(&finding, HOME, DOCUMENTED);
        assert_eq!(
            (&record["RecordState"], &record["Compliance"]["Status"]),
            (&json!(state), &json!(compliance))
        );
    }
}

#[test]
fn what_is_not_known_is_a_warning_until_it_is_resolved() {
    let finding = omitted_content();
    assert_eq!(asff::finding(&finding, HOME, DOCUMENTED)["Compliance"]["Status"], "WARNING");
    let over = with(&finding, Status::Resolved, 2);
    assert_eq!(asff::finding(&over, HOME, DOCUMENTED)["Compliance"]["Status"], "PASSED");
}

#[test]
fn severities_and_confidences_keep_their_order() {
    use Severity::{Critical, High, Informational, Low, Medium};
    for (id, severity) in (1..).zip([Informational, Low, Medium, High, Critical]) {
        let mut finding = root_sign_in_without_mfa();
        finding.severity = severity;
        let event = ocsf::finding(&finding, DOCUMENTED);
        assert_eq!(event["severity_id"], id);
        assert_eq!(event["is_alert"], id >= 3);
        assert_eq!(asff::finding(&finding, HOME, DOCUMENTED)["Severity"]["Label"], severity.as_str());
    }
}

#[test]
fn a_detection_tells_who_from_where_and_by_what_call() {
    let event = ocsf::finding(&inline_admin(), DOCUMENTED);
    assert_eq!((&event["class_uid"], &event["compliance"]), (&json!(2004), &Value::Null));
    let evidence = &event["evidences"][0];
    assert_eq!(evidence["actor"]["user"]["name"], "alice");
    assert_eq!(evidence["actor"]["user"]["uid"], "arn:aws:iam::111122223333:user/alice");
    assert_eq!(evidence["actor"]["session"]["credential_uid"], "ASIAIOSFODNN7EXAMPLE");
    assert_eq!(evidence["src_endpoint"], json!({"ip": "203.0.113.7"}));
    assert_eq!(evidence["api"]["operation"], "PutUserPolicy");
    assert_eq!(evidence["data"]["time"], 1_772_366_400_000_i64);
    assert_eq!(event["resources"][0]["type"], "AwsIamUser");
    assert_eq!(event["resources"][0]["cloud_partition"], "aws");
    let attack = json!({"technique": {"uid": "T1098"}, "sub_technique": {"uid": "T1098.003"}});
    assert_eq!(event["finding_info"]["attacks"], json!([attack]));
    assert_eq!(event["finding_info"]["types"], json!(["TTPs/Persistence/T1098.003"]));
    let advice = event["remediation"]["desc"].as_str().unwrap();
    assert!(advice.contains("aws iam"), "{advice}");
    // What AWS tells by itself names neither caller nor call.
    let health = &ocsf::finding(&key_in_health(), DOCUMENTED)["evidences"][0];
    assert_eq!((&health["actor"], &health["api"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_service_of_aws_is_no_address() {
    let changes = json!({"sourceIPAddress": "cloudformation.amazonaws.com", "requestParameters": {
        "userName": "bob", "policyName": "p", "policyDocument": ADMIN}});
    let finding = begun(&fired(rule("admin-inline-policy"), &call("iam", "PutUserPolicy", changes)));
    let event = ocsf::finding(&finding, DOCUMENTED);
    assert_eq!(event["evidences"][0]["src_endpoint"], json!({"svc_name": "cloudformation.amazonaws.com"}));
}

#[test]
fn state_makes_a_compliance_finding() {
    let listed = DOCUMENTED.find("exposed-access-key-trusted-advisor");
    assert_eq!(origin(listed), Origin::State);
    assert_eq!(origin(DOCUMENTED.find("exposed-access-key")), Origin::Event);
    assert_eq!(origin(None), Origin::Event);
    // Its witness changes nothing: the finding belongs to a rule on events.
    assert_eq!(ocsf::finding(&key_in_trusted_advisor(), DOCUMENTED)["class_uid"], 2004);
    let event = ocsf::finding(&state(), DOCUMENTED);
    assert_eq!((&event["class_uid"], &event["type_uid"]), (&json!(2003), &json!(200_301)));
    assert_eq!(event["compliance"]["control"], "exposed-access-key-trusted-advisor");
    assert_eq!(
        (&event["compliance"]["status_id"], &event["compliance"]["status"]),
        (&json!(3), &json!("Fail"))
    );
    let over = ocsf::finding(&with(&state(), Status::Resolved, 2), DOCUMENTED);
    assert_eq!((&over["compliance"]["status_id"], &over["type_uid"]), (&json!(1), &json!(200_303)));
    assert_eq!(over["compliance"]["status_details"], json!(["fixed"]));
}

#[test]
fn a_rule_that_is_gone_is_rendered_all_the_same() {
    let mut finding = inline_admin();
    "rule-of-last-year".clone_into(&mut finding.rule);
    let event = ocsf::finding(&finding, DOCUMENTED);
    assert_eq!(schema::ocsf(&event), [""; 0], "{event:#}");
    let record = asff::finding(&finding, HOME, DOCUMENTED);
    assert_eq!(schema::asff(&record), [""; 0], "{record:#}");
    assert_eq!(record["Types"], json!(["TTPs"]));
}

#[test]
fn times_are_those_of_the_record() {
    let mut finding = inline_admin();
    let made = finding.updated_at;
    finding.stamp(made.plus(std::time::Duration::from_secs(60)));
    let event = ocsf::finding(&finding, DOCUMENTED);
    assert_eq!(event["time"].as_i64(), Some(made.millis() + 60_000));
    assert_eq!(event["finding_info"]["created_time"].as_i64(), Some(made.millis()));
    assert_eq!(event["finding_info"]["modified_time"], event["time"]);
    assert_eq!(event["start_time"].as_i64(), Some(finding.first_seen.millis()));
    let record = asff::finding(&finding, HOME, DOCUMENTED);
    assert_eq!(
        (&record["CreatedAt"], &record["UpdatedAt"], &record["FirstObservedAt"]),
        (&json!("2026-03-01T12:00:05Z"), &json!("2026-03-01T12:01:05Z"), &json!("2026-03-01T12:00:00Z"))
    );
}

#[test]
fn security_hub_gets_its_own_names() {
    let record = asff::finding(&root_sign_in_without_mfa(), "us-gov-west-1", DOCUMENTED);
    assert_eq!(
        record["ProductArn"],
        "arn:aws-us-gov:securityhub:us-gov-west-1:111122223333:product/111122223333/default"
    );
    let account = json!({"Type": "AwsAccount", "Id": "AWS::::Account:111122223333", "Partition": "aws"});
    let root = &record["Resources"][0];
    assert_eq!((&root["Type"], &root["Id"]), (&account["Type"], &account["Id"]));
    assert_eq!(record["CreatedAt"], "2026-03-01T12:00:05Z");
    assert_eq!(record["FindingProviderFields"]["Severity"], record["Severity"]);
    assert_eq!(record["ProductFields"]["ProviderName"], "Keepwatch");
    let user = &asff::finding(&inline_admin(), HOME, DOCUMENTED)["Resources"][0];
    let arn = "arn:aws:iam::111122223333:user/bob";
    assert_eq!(user, &json!({"Type": "AwsIamUser", "Id": arn, "Partition": "aws"}), "no region is global");
}

#[test]
fn resources_have_a_type() {
    for (resource, kind) in [
        ("arn:aws:iam::111122223333:root", "AwsAccount"),
        ("arn:aws-cn:iam::111122223333:user/path/bob", "AwsIamUser"),
        ("arn:aws:iam::111122223333:role/admin", "AwsIamRole"),
        ("arn:aws:iam::111122223333:group/admins", "AwsIamGroup"),
        ("arn:aws:iam::aws:policy/AdministratorAccess", "AwsIamPolicy"),
        ("arn:aws:iam::111122223333:saml-provider/x", "Other"),
        ("arn:aws:s3:::bucket", "AwsS3Bucket"),
        ("arn:aws:s3:::bucket/key", "AwsS3Object"),
        ("arn:aws:s3:us-east-1:111122223333:accesspoint/a", "AwsS3AccessPoint"),
        ("arn:aws:ec2:us-east-1:111122223333:security-group/sg-1", "AwsEc2SecurityGroup"),
        ("arn:aws:lambda:us-east-1:111122223333:function:f", "AwsLambdaFunction"),
        ("arn:aws:rds:us-east-1:111122223333:snapshot:s", "AwsRdsDbSnapshot"),
        ("arn:aws:sqs:us-east-1:111122223333:queue", "AwsSqsQueue"),
        (KEY, "AwsIamAccessKey"),
        ("AKIA", "Other"),
        ("111122223333", "AwsAccount"),
        ("unnamed-grant", "Other"),
        ("", "Other"),
    ] {
        assert_eq!(resource_type(resource), kind, "{resource}");
    }
}

#[test]
fn partitions_come_from_the_arn_or_the_region() {
    for (region, resource, expected) in [
        ("global", "arn:aws-cn:iam::111122223333:user/bob", "aws-cn"),
        ("us-gov-west-1", "arn:aws:iam::111122223333:user/bob", "aws"),
        ("us-gov-west-1", KEY, "aws-us-gov"),
        ("cn-north-1", "", "aws-cn"),
        ("eu-central-1", "", "aws"),
        ("global", "arn:evil:iam::1:user/x", "aws"),
        ("", "", "aws"),
    ] {
        assert_eq!(partition(region, resource), expected, "{region} {resource}");
    }
    assert!(["us-east-1", "us-gov-west-1", "ap-southeast-5"].into_iter().all(is_region));
    assert!(!["global", "", "aws-global", "us east-1 1", "a-very-long-region-1"].into_iter().any(is_region));
}

#[test]
fn references_are_taken_apart() {
    let required = DOCUMENTED.docs("admin-inline-policy").unwrap().requirements();
    let required: Vec<(&str, &str)> =
        required.iter().map(|(standard, item)| (standard.as_str(), *item)).collect();
    assert_eq!(required[..2], [("CIS AWS v3.0", "1.15"), ("CIS AWS v3.0", "1.16")]);
    assert_eq!(required.last(), Some(&("Security Hub", "IAM.21")));
    assert_eq!(DOCUMENTED.docs("role-trust-opened").unwrap().techniques(), ["T1098", "T1199"]);
    let record = asff::finding(&inline_admin(), HOME, DOCUMENTED);
    assert_eq!(record["Compliance"]["RelatedRequirements"][0], "CIS AWS v3.0 1.15");
    // All rules name what they refer to in a form that is understood here.
    for rule in DOCUMENTED.all() {
        let docs = DOCUMENTED.docs(rule.id).unwrap();
        let codes =
            |item: &&str| item.len() >= 5 && item[1..].chars().all(|c| c.is_ascii_digit() || c == '.');
        assert!(docs.techniques().iter().all(codes), "{}", rule.id);
        assert!(docs.requirements().len() <= 32, "{}", rule.id);
        assert!(docs.requirements().iter().all(|(_, item)| !item.contains(' ')), "{}", rule.id);
    }
}

static INLINE: LazyLock<Index> =
    LazyLock::new(|| Index::new(Box::leak(Box::new([rule("admin-inline-policy")]))));

proptest! {
    /// Whatever stands in the event's fields, both formats stay valid: lengths, types, no empty text where none may be.
    #[test]
    fn any_text_gives_valid_findings(
        user in "\\PC{0,80}|.{0,40}|[ \u{3000}]{1,3}|\u{1f600}{100,300}|[a-z]{300,600}",
        source in "[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:]{2,39}|.{0,60}",
        region in "[a-z]{2}-[a-z]{4,9}-[0-9]|.{0,40}",
        account in "[0-9]{12}|.{0,40}",
        time in "[0-9]{4}-[01][0-9]-[0-3][0-9]T12:00:00Z|.{0,20}",
        occurrences in any::<u64>(),
        version in any::<u64>(),
        millis in any::<i64>(),
        which in 0_usize..4,
    ) {
        let event = call("iam", "PutUserPolicy", json!({
            "recipientAccountId": account, "userAgent": user, "sourceIPAddress": source, "awsRegion": region,
            "eventTime": time, "userIdentity": {"userName": user, "type": user, "arn": user, "accessKeyId": user},
            "requestParameters": {"userName": format!("x{user}"), "policyName": user, "policyDocument": ADMIN},
        }));
        // Not rendered as a mail on the way: any text may look like a word that no mail of a fixture has.
        let parsed = Event::parse(&event).unwrap();
        let nobody = |_: &Query| Fact::Unavailable("nobody is asked".to_owned());
        let now = Timestamp::from_millis(0);
        for seen in INLINE.evaluate_answering(&parsed, &Config::default(), now, nobody).observations {
            let mut finding = with(&begun(&seen), STATUSES[which], version);
            finding.occurrences = occurrences;
            // A finding that people changed in the table by hand.
            finding.title.clone_from(&user);
            finding.status_reason = Some(user.clone());
            finding.last_seen = Timestamp::from_millis(millis);
            (finding.created_at, finding.updated_at) = (finding.last_seen, finding.last_seen);
            let event = ocsf::finding(&finding, DOCUMENTED);
            prop_assert_eq!(schema::ocsf(&event), [""; 0], "{:#}", event);
            let record = asff::finding(&finding, &region, DOCUMENTED);
            let faults: Vec<String> = schema::asff(&record);
            prop_assert_eq!(faults, [""; 0], "{:#}", record);
        }
    }
}
