//! Shapes of rules and events, each with a rule of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::Path;

use common::{ids, record, seen};
use keepwatch_core::engine::Config;
use keepwatch_sigma::{Loaded, load};
use serde_json::{Value, json};

/// Loads a folder with these files.
fn loaded(name: &str, files: &[(&str, &str)]) -> Loaded {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    load(&folder).unwrap()
}

/// A rule "Shape" with this detection, of which each line is indented already.
fn shape(name: &str, detection: &str) -> Loaded {
    let head = "title: Shape\nlogsource:\n  product: aws\n  service: cloudtrail\ndetection:\n";
    let loaded = loaded(name, &[("shape.yml", &format!("{head}{detection}\n"))]);
    assert_eq!((loaded.problems.as_slice(), loaded.rules.len()), (&[][..], 1), "{detection}");
    loaded
}

fn matches(name: &str, detection: &str, changes: Value) -> bool {
    let loaded = shape(name, detection);
    !ids(&loaded, &record("s3", "PutBucketVersioning", changes)).is_empty()
}

fn versioning(status: &str) -> Value {
    json!({"requestParameters": {"bucketName": "b", "versioning": "",
        "VersioningConfiguration": {"Status": status}}})
}

#[test]
fn text_is_found_in_objects() {
    let policy = json!({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"]}]}).to_string();
    let document = json!({"requestParameters": {"userName": "bob", "policyDocument": policy}});
    let layers = json!({"requestParameters": {"functionName": "f", "layers": ["arn:aws:lambda:x:layer:y"]}});
    let ranges = |cidr: &str| {
        let items = json!([{"port": 22, "ranges": ["10.0.0.0/8"]}, {"port": 22, "ranges": [cidr]}]);
        json!({"requestParameters": {"permissions": {"items": items}}})
    };
    for (i, (selection, changes, expected)) in [
        ("requestParameters|contains: Suspended", versioning("Suspended"), true),
        ("requestParameters|contains: suspended", versioning("Suspended"), true),
        ("requestParameters|contains|cased: suspended", versioning("Suspended"), false),
        ("requestParameters|contains: Suspended", versioning("Enabled"), false),
        ("requestParameters|contains: 'layers='", layers.clone(), true),
        ("requestParameters|contains: 'layers='", versioning("Enabled"), false),
        ("requestParameters|contains: '\"layers\":[\"arn:'", layers, true),
        ("requestParameters|contains|all: ['\"s3:GetObject\"', '\"Allow\"']", document.clone(), true),
        ("requestParameters|contains|all: ['\"s3:GetObject\"', '\"Deny\"']", document, false),
        ("requestParameters: '*Suspended*'", versioning("Suspended"), true),
        ("requestParameters|re: 'Status=S\\w+d'", versioning("Suspended"), true),
        ("requestParameters|startswith: '{\"'", versioning("Suspended"), true),
        ("requestParameters|endswith: 'versioning=}'", versioning("Suspended"), true),
        ("requestParameters.VersioningConfiguration|contains: Suspended", versioning("Suspended"), true),
        ("requestParameters.permissions.items|contains: 0.0.0.0/0", ranges("0.0.0.0/0"), true),
        ("requestParameters.permissions.items|contains: 0.0.0.0/0", ranges("192.0.2.0/24"), false),
        // What is no text is asked of the object as before.
        ("requestParameters|exists: true", versioning("Suspended"), true),
        ("requestParameters: null", versioning("Suspended"), false),
        ("requestParameters: null", json!({}), true),
        ("requestParameters.VersioningConfiguration.Status: Suspended", versioning("Suspended"), true),
        ("requestParameters.permissions.items.port: 22", ranges("x"), true),
    ]
    .into_iter()
    .enumerate()
    {
        let detection = format!("  s:\n    {selection}\n  condition: s");
        assert_eq!(
            matches(&format!("text-{i}"), &detection, changes.clone()),
            expected,
            "{selection} {changes}"
        );
    }
}

#[test]
fn text_in_objects_filters_too() {
    let detection = "  s:\n    eventSource: s3.amazonaws.com\n  filter:\n    responseElements|contains: Failure\n  \
                     condition: s and not filter";
    let answer = |state: &str| json!({"responseElements": {"task": {"state": state}}});
    assert!(matches("filter-passes", detection, answer("active")));
    assert!(!matches("filter-holds", detection, answer("Failure")));
    // So does a filter in a file of its own.
    let rule = "title: All Of S3\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s:\n    \
                eventSource: s3.amazonaws.com\n  condition: s\n";
    let filter = "title: Not Of Failures\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [All Of S3]\n  \
                  s:\n    responseElements|contains: Failure\n  condition: not s\n";
    let both = loaded("filter-apart", &[("rule.yml", rule), ("filter.yml", filter)]);
    assert_eq!(both.problems, []);
    assert_eq!(ids(&both, &record("s3", "PutObject", answer("active"))), ["sigma-all-of-s3"]);
    assert_eq!(ids(&both, &record("s3", "PutObject", answer("Failure"))), [""; 0]);
}

#[test]
fn blocks_for_the_members_of_an_array_still_see_them() {
    let rule = "title: Shape\nsigma-version: 3\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s:\n    \
                requestParameters.items[any]:\n      port: 22\n      cidr: 0.0.0.0/0\n  condition: s\n";
    let loaded = loaded("array", &[("rule.yml", rule)]);
    assert_eq!(loaded.problems, []);
    let items = |cidr: &str| {
        let items = json!([{"port": 443, "cidr": "0.0.0.0/0"}, {"port": 22, "cidr": cidr}]);
        record("ec2", "X", json!({"requestParameters": {"items": items}}))
    };
    assert_eq!(ids(&loaded, &items("0.0.0.0/0")), ["sigma-shape"]);
    assert_eq!(ids(&loaded, &items("192.0.2.0/24")), [""; 0]);
}

/// A person reads the object once and as it is, whichever of its texts matched.
#[test]
fn a_mail_tells_the_object_itself() {
    let loaded = shape("told", "  s:\n    requestParameters|contains: Suspended\n  condition: s");
    let text = record("s3", "PutBucketVersioning", versioning("Suspended"));
    let observations = seen(&loaded, &text, &Config::default());
    let told: Vec<&str> = observations[0]
        .details
        .iter()
        .filter(|(label, _)| label == "requestParameters")
        .map(|(_, value)| value.as_str())
        .collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(told, versioning("Suspended")["requestParameters"]);
}

#[test]
fn cloudtrail_is_amazons_without_the_product() {
    let detection = "detection:\n  s:\n    eventName: X\n  condition: s\n";
    for (i, (source, evaluated)) in [
        ("{service: cloudtrail}", true),
        ("{product: aws}", true),
        ("{product: aws, service: CloudTrail}", true),
        ("{product: gcp, service: cloudtrail}", false),
        ("{service: guardduty}", false),
        ("{service: cloudtrail, category: x}", false),
    ]
    .into_iter()
    .enumerate()
    {
        let rule = format!("title: T\nlogsource: {source}\n{detection}");
        let loaded = loaded(&format!("source-{i}"), &[("rule.yml", &rule)]);
        assert_eq!(
            (loaded.rules.len(), loaded.skipped.len()),
            (evaluated.into(), (!evaluated).into()),
            "{source}"
        );
    }
}

/// A copied file must not change the id that suppressions know.
#[test]
fn a_copy_is_named_and_changes_no_id() {
    let rule = |uuid: &str, title: &str| {
        format!(
            "title: {title}\nid: 0b6a6c0e-5a3e-4c5a-9a51-{uuid}\nlogsource: {{product: aws}}\ndetection:\n  s:\n    \
             eventName: X\n  condition: s\n"
        )
    };
    let one = rule("1d1f3f2b7b01", "One");
    let copies = loaded("copies", &[("a.yml", &one), ("b.yml", &one)]);
    let found: Vec<&str> = copies.rules.iter().map(|own| own.rule.about().id).collect();
    assert_eq!(found, ["sigma-one"]);
    let [problem] = copies.problems.as_slice() else { panic!("{:?}", copies.problems) };
    assert!(
        problem.file.ends_with("b.yml") && problem.reason.contains("a.yml has the same rule"),
        "{problem:?}"
    );

    let other = rule("1d1f3f2b7b02", "One");
    let alike = loaded("alike", &[("a.yml", &one), ("b.yml", &one), ("c.yml", &other)]);
    let found: Vec<&str> = alike.rules.iter().map(|own| own.rule.about().id).collect();
    assert!(found.len() == 2 && found.iter().all(|id| id.starts_with("sigma-one-")), "{found:?}");
}

#[test]
fn long_lists_and_texts_are_told_as_such() {
    let long = format!("{}end", "harmless because ".repeat(50));
    let lists: String = (0..9).map(|i| format!("  - https://example.com/{i}\n")).collect();
    let rule = format!(
        "title: T\ntags:\n  - attack.persistence\n  - attack.t1098\n  - attack.T1098.001\nreferences:\n{lists}\
         falsepositives:\n  - {long}\nlogsource: {{product: aws}}\ndetection:\n  s:\n    eventName: X\n  condition: s\n"
    );
    let loaded = loaded("long", &[("rule.yml", &rule)]);
    let observations = seen(&loaded, &record("iam", "X", json!({})), &Config::default());
    let told = |label: &str| -> Vec<&str> {
        let details = observations[0].details.iter().filter(|(l, _)| l == label);
        details.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(told("False positive"), [long.as_str()]);
    let references = told("Reference");
    assert_eq!(references.first(), Some(&"ATT&CK T1098, T1098.001"));
    assert_eq!((references.len(), references.last()), (7, Some(&"and 4 more")));
}

#[test]
fn a_sign_in_that_failed_is_told_as_such() {
    let loaded = shape("sign-in", "  s:\n    eventName: ConsoleLogin\n  condition: s");
    let title = |changes: Value| {
        let text = record("signin", "ConsoleLogin", changes);
        seen(&loaded, &text, &Config::default())[0].title.clone()
    };
    let answer = |result: &str| json!({"responseElements": {"ConsoleLogin": result}});
    assert_eq!(title(answer("Success")), "Shape: alice called ConsoleLogin");
    assert_eq!(title(answer("Failure")), "Shape: alice called ConsoleLogin (it failed: Failure)");
    let mut failed = answer("Failure");
    failed["errorMessage"] = json!("Failed authentication");
    assert_eq!(title(failed), "Shape: alice called ConsoleLogin (it failed: Failed authentication)");
}

#[test]
fn the_resource_is_what_the_call_is_about() {
    let loaded = shape("subjects", "  s:\n    awsRegion: eu-west-1\n  condition: s");
    let role = "arn:aws:iam::111122223333:role/r";
    let here = |rest: &str| format!("arn:aws:{rest}").replace("@", "eu-west-1:111122223333");
    let set = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
    let point = here("backup:@:recovery-point:p");
    for (source, parameters, arn) in [
        (
            "ecs",
            json!({"family": "web", "executionRoleArn": role, "taskRoleArn": role}),
            here("ecs:@:task-definition/web"),
        ),
        (
            "batch",
            json!({"jobRoleArn": role, "kmsKeyArn": "arn:aws:kms:x"}),
            here("iam::111122223333:user/alice"),
        ),
        ("batch", json!({"roleArn": role, "targetArn": "arn:aws:batch:x"}), here("batch:x")),
        ("sts", json!({"roleArn": role}), role.to_owned()),
        (
            "sso",
            json!({"instanceArn": "arn:aws:sso:::instance/ssoins-1", "permissionSetArn": set}),
            set.to_owned(),
        ),
        ("sso", json!({"instanceArn": "arn:aws:sso:::instance/i"}), here("sso:::instance/i")),
        ("ec2", json!({"routeTableId": "rtb-1"}), here("ec2:@:route-table/rtb-1")),
        ("ec2", json!({"keyName": "k"}), here("ec2:@:key-pair/k")),
        (
            "config",
            json!({"configurationRecorderName": "default"}),
            here("config:@:configuration-recorder/default"),
        ),
        ("rds", json!({"dBSecurityGroupName": "g"}), here("rds:@:secgrp:g")),
        ("glue", json!({"endpointName": "e", "roleArn": role}), here("glue:@:devEndpoint/e")),
        ("backup", json!({"backupVaultName": "v"}), here("backup:@:backup-vault:v")),
        ("backup", json!({"backupVaultName": "v", "recoveryPointArn": point}), point.clone()),
    ] {
        let text = record(source, "X", json!({"requestParameters": parameters}));
        assert_eq!(
            seen(&loaded, &text, &Config::default())[0].subject.resource,
            arn,
            "{source} {parameters}"
        );
    }
}
