//! Folders of rules as users have them: rules in the shape of SigmaHQ's, and files that cannot be used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::{ids, record, seen};
use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::{Config, Rule, patterns};
use keepwatch_core::event::Event;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::Fact;
use keepwatch_rules::registry;
use keepwatch_sigma::{Loaded, load};
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn rules() -> Loaded {
    load(&folder("rules")).unwrap()
}

#[test]
fn every_rule_of_the_folder_loads() {
    let loaded = rules();
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.skipped, []);
    assert_eq!(loaded.rules.len(), 12);
    let lines: Vec<usize> =
        loaded.rules.iter().filter(|own| own.file.ends_with("two_in_one.yml")).map(|own| own.line).collect();
    assert_eq!(lines, [2, 14]);
}

#[test]
fn each_shape_of_rule_matches_what_it_says() {
    let permission = |group: &str| json!({"createVolumePermission": {"add": {"items": [{"group": group}]}}});
    let ingress = |cidr: &str| {
        let ranges = json!({"items": [{"cidrIp": "10.0.0.0/8"}, {"cidrIp": cidr}]});
        json!({"requestParameters": {"groupId": "sg-1", "ipPermissions": {"items": [{"ipRanges": ranges}]}}})
    };
    let issuer =
        |role: &str| json!({"userIdentity": {"sessionContext": {"sessionIssuer": {"userName": role}}}});
    let root = |mfa: &str| {
        json!({"userIdentity": {"type": "Root"}, "responseElements": {"ConsoleLogin": "Success"},
            "additionalEventData": {"MFAUsed": mfa}})
    };
    let agent = |agent: &str| json!({"userAgent": agent});
    let from = |ip: &str| json!({"sourceIPAddress": ip});
    for (source, name, changes, expected) in [
        ("cloudtrail", "StopLogging", json!({}), Some("sigma-trail-stopped-or-deleted")),
        // Sigma does not mind the case.
        ("cloudtrail", "stoplogging", json!({}), Some("sigma-trail-stopped-or-deleted")),
        ("cloudtrail", "StartLogging", json!({}), None),
        ("s3", "StopLogging", json!({}), None),
        ("iam", "CreateUser", json!({}), Some("sigma-user-made-outside-the-pipeline")),
        ("iam", "CreateUser", json!({"errorCode": "AccessDenied"}), None),
        ("iam", "CreateUser", issuer("pipeline-users"), None),
        ("iam", "CreateUser", issuer("admin"), Some("sigma-user-made-outside-the-pipeline")),
        ("iam", "CreateAccessKey", json!({}), Some("sigma-credential-for-user")),
        ("iam", "UpdateLoginProfile", json!({}), Some("sigma-credential-for-user")),
        ("signin", "ConsoleLogin", root("No"), Some("sigma-root-signed-in-without-mfa")),
        ("signin", "ConsoleLogin", root("Yes"), None),
        (
            "ec2",
            "ModifySnapshotAttribute",
            json!({"requestParameters": permission("all")}),
            Some("sigma-snapshot-open-to-everybody"),
        ),
        ("ec2", "ModifySnapshotAttribute", json!({"requestParameters": permission("x")}), None),
        ("ec2", "AuthorizeSecurityGroupIngress", ingress("0.0.0.0/0"), Some("sigma-port-open-to-the-world")),
        ("ec2", "AuthorizeSecurityGroupIngress", ingress("192.0.2.0/24"), None),
        (
            "ec2",
            "DescribeInstances",
            agent("aws-cli/2 Linux/kali"),
            Some("sigma-attack-tool-by-its-user-agent"),
        ),
        (
            "ec2",
            "DescribeInstances",
            agent("Boto3/1 exec-env/x"),
            Some("sigma-attack-tool-by-its-user-agent"),
        ),
        ("ec2", "DescribeInstances", agent("Boto3/1"), None),
        (
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            json!({"requestParameters": {"layers": ["x"]}}),
            Some("sigma-layer-added-to-a-function"),
        ),
        ("lambda", "UpdateFunctionConfiguration20150331v2", json!({"requestParameters": {}}), None),
        ("secretsmanager", "GetSecretValue", json!({}), Some("sigma-secret-read-from-outside")),
        ("secretsmanager", "GetSecretValue", from("198.51.100.9"), None),
        ("secretsmanager", "GetSecretValue", from("cloudformation.amazonaws.com"), None),
        ("config", "DeleteDeliveryChannel", json!({}), Some("sigma-recorder-stopped")),
    ] {
        let found = ids(&rules(), &record(source, name, changes.clone()));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{source} {name} {changes}");
    }
}

#[test]
fn an_observation_carries_what_the_mail_needs() {
    let changes = json!({"requestParameters": {"name": "audit"}, "errorCode": "AccessDenied"});
    let text = record("cloudtrail", "DeleteTrail", changes);
    let envelope = json!({"detail-type": "AWS API Call via CloudTrail", "source": "aws.cloudtrail",
        "detail": serde_json::from_str::<Value>(&text).unwrap()});
    let observations = seen(&rules(), &envelope.to_string(), &Config::default());
    let [seen] = observations.as_slice() else { panic!("{observations:?}") };
    assert_eq!(seen.title, "Trail Stopped Or Deleted: alice called DeleteTrail (it failed: AccessDenied)");
    assert_eq!(seen.severity, Severity::High);
    assert_eq!(seen.subject.resource, "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit");
    assert_eq!((seen.subject.account.as_str(), seen.subject.region.as_str()), ("111122223333", "eu-west-1"));
    assert!(seen.reason.starts_with("A trail was stopped"), "{}", seen.reason);
    let told = |label: &str| seen.details.iter().filter(|(l, _)| l == label).count();
    assert_eq!((told("False positive"), told("Reference")), (2, 2));
    assert!(
        seen.details.contains(&("Reference".to_owned(), "ATT&CK T1562.008".to_owned())),
        "{:?}",
        seen.details
    );
    assert_eq!(
        seen.steps[0].command,
        "aws cloudtrail lookup-events --region eu-west-1 --lookup-attributes \
         AttributeKey=EventId,AttributeValue=6b2a5e0c-0000-4000-8000-000000000001"
    );
    assert_eq!(seen.rule.catalogue, ["SIGMA"]);
    assert!(
        seen.details.contains(&("Reference".to_owned(), "ATT&CK T1562.008".to_owned())),
        "{:?}",
        seen.details
    );
}

#[test]
fn subjects_are_arns() {
    for (source, name, parameters, arn) in [
        ("iam", "CreateAccessKey", json!({"userName": "bob"}), "arn:aws:iam::111122223333:user/bob"),
        ("iam", "CreateAccessKey", json!(null), "arn:aws:iam::111122223333:user/alice"),
        (
            "secretsmanager",
            "GetSecretValue",
            json!({"secretId": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-1"}),
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-1",
        ),
        (
            "ec2",
            "ModifyInstanceAttribute",
            json!({"instanceId": "i-1", "attribute": "userData"}),
            "arn:aws:ec2:eu-west-1:111122223333:instance/i-1",
        ),
    ] {
        let text = record(source, name, json!({"requestParameters": parameters}));
        let observations = seen(&rules(), &text, &Config::default());
        assert_eq!(observations[0].subject.resource, arn);
    }
}

#[test]
fn what_is_invalid_is_named_and_stops_nothing() {
    let loaded = load(&folder("odd")).unwrap();
    let named = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    let problems: Vec<(String, usize, &str)> =
        loaded.problems.iter().map(|p| (named(&p.file), p.line, p.reason.as_str())).collect();
    for (file, line, word) in [
        ("bad_condition.yml", 8, "ondition"),
        ("bad_level.yml", 9, "hihg"),
        ("bad_regex.yml", 8, "regex"),
        ("broken_yaml.yml", 7, "YAML"),
        ("map_value.yml", 10, "write responseElements.ConsoleLogin: ..."),
        ("map_value.yml", 21, "write requestParameters.user.name|contains: ..."),
        ("map_value.yml", 30, "write requestParameters.key: ..."),
        ("merge_key.yml", 7, "repeat the fields"),
        ("no_detection.yml", 2, "detection"),
        ("unknown_selection.yaml", 8, "selektion"),
        ("valid.yml", 17, "beginswith"),
    ] {
        assert!(
            problems.iter().any(|(f, l, reason)| f == file && *l == line && reason.contains(word)),
            "{file}:{line} {word}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 11, "{problems:#?}");
    let skipped: Vec<(String, &str)> =
        loaded.skipped.iter().map(|s| (s.title.clone(), s.reason.as_str())).collect();
    for (title, word) in [
        ("Something On Windows", "product windows"),
        ("Placeholders", "placeholders"),
        ("Denied Often", "counting over time"),
        ("Denied Once", "only the correlation"),
        ("Many Calls Of One Caller", "counts over time"),
        ("Key Made Near A User", "counts over time"),
        ("Read And Counted", "counts over time"),
    ] {
        assert!(skipped.iter().any(|(t, reason)| t == title && reason.contains(word)), "{skipped:#?}");
    }
    let delete =
        |bucket: &str| record("s3", "DeleteBucket", json!({"requestParameters": {"bucketName": bucket}}));
    assert_eq!(ids(&loaded, &delete("records")), ["sigma-bucket-deleted"]);
    assert_eq!(ids(&loaded, &delete("sandbox-1")), Vec::<&str>::new());
    assert_eq!(ids(&loaded, &record("s3", "CreateBucket", json!({}))), ["sigma-bucket-made"]);
    assert_eq!(ids(&loaded, &record("dynamodb", "DeleteTable", json!({}))), ["sigma-bad-level"]);
    // A rule that counts takes no other of its file with it.
    assert_eq!(ids(&loaded, &record("dynamodb", "Scan", json!({}))), ["sigma-table-read"]);
}

#[test]
fn eventbridge_brings_what_is_named_literally() {
    let loaded = rules();
    let not: Vec<&str> = loaded
        .rules
        .iter()
        .filter(|own| own.not_brought().is_some())
        .map(|own| own.rule.about().id)
        .collect();
    assert_eq!(not, ["sigma-attack-tool-by-its-user-agent"]);
    let whole =
        |id: &str| loaded.rules.iter().find(|own| own.rule.about().id == id).unwrap().whole_services();
    assert_eq!(whole("sigma-layer-added-to-a-function"), ["lambda.amazonaws.com"]);
    assert_eq!(whole("sigma-attack-tool-by-its-user-agent"), [""; 0]);
    let rules = patterns::event_rules(loaded.after(&[]), "keepwatch");
    let of = |name: &str| {
        let rule = rules.iter().find(|rule| rule.name == name).unwrap();
        (rule.state, rule.pattern.to_string())
    };
    // Of none of them is it certain that it changes something, so none may be left to a rule that gets no reads.
    for (rule, word) in [
        ("reads", "StopLogging"),
        ("reads", "GetSecretValue"),
        ("own-names", "AuthorizeSecurityGroupIngress"),
        ("own-services", "lambda.amazonaws.com"),
    ] {
        let (state, pattern) = of(rule);
        assert!(state.ends_with("MANAGEMENT_EVENTS") && pattern.contains(word), "{rule} {state} {pattern}");
    }
    assert_eq!(rules.len(), 3);
}

/// The owner's settings reach users' rules as well, and a rule of the user's lets root's general rule keep quiet.
#[test]
fn they_are_rules_like_any_other() {
    let rows = [
        json!({"setting_id": "rule#sigma-trail-stopped-or-deleted", "enabled": false}),
        json!({"setting_id": "suppression#s", "rule": "sigma-*", "resource": "*", "owner": "o", "reason": "r",
            "created_at": "2026-03-01T00:00:00Z", "expires_at": "2026-03-05T00:00:00Z"}),
    ];
    let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let settings = Settings::read(rows.iter(), registry::CATALOGUE);
    assert!(settings.invalid.is_empty(), "{:?}", settings.invalid);
    let config = Config::default().with(&settings);
    let text = record("cloudtrail", "StopLogging", json!({}));
    assert!(seen(&rules(), &text, &config).is_empty());

    let by_root = json!({"userIdentity": {"type": "Root", "arn": "arn:aws:iam::111122223333:root"}});
    let text = record("config", "DeleteDeliveryChannel", by_root);
    let built_in = registry::RULES.iter().copied();
    let general: Vec<&'static dyn Rule> =
        built_in.filter(|rule| rule.about().id == "root-api-call").collect();
    let index = Index::new(rules().after(&general));
    let event = Event::parse(&text).unwrap();
    let nobody = |_: &_| Fact::Unavailable("nobody is asked".to_owned());
    let evaluation = index.evaluate_answering(&event, &Config::default(), now, nobody);
    let covered: Vec<_> = evaluation.observations.iter().map(|o| (o.rule.id, o.covered_by)).collect();
    assert!(covered.contains(&("root-api-call", Some("sigma-recorder-stopped"))), "{covered:?}");
}
