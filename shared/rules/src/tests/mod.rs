//! What holds for every rule, and for the machinery around them.

mod automation;
mod coverage;
mod history;
mod patterns;
mod replay;

use std::collections::BTreeSet;
use std::path::Path;

use keepwatch_core::about::{About, Origin};
use keepwatch_core::engine::dispatch::{Index, linear};
use keepwatch_core::engine::patterns::event_rules;
use keepwatch_core::engine::{Config, On};
use keepwatch_core::event::Event;
use keepwatch_core::observation::Observation;
use keepwatch_core::settings::Settings;
use keepwatch_core::severity::MAILED_FROM;
use serde_json::{Value, json};

use crate::registry::{CATALOGUE, DOCUMENTED, RULES};
use crate::self_protection::own_policy::EVENT_RULES;
use crate::testing::*;

/// The stack whose roles the patterns name.
const STACK: &str = "keepwatch";

fn all() -> impl Iterator<Item = &'static About> {
    CATALOGUE.all()
}

/// Events of everything that any rule listens to, by a user and by root, succeeded and failed, and of things that none
/// does.
fn events() -> Vec<String> {
    let mut events = vec![
        call("ec2", "DescribeInstances", json!({"readOnly": true})),
        call("iam", "NoSuchCall", json!({"userIdentity": {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}})),
        envelope("aws.ec2", "EC2 Instance State-change Notification", json!({})),
        envelope("aws.health", "AWS Health Event", json!({"eventTypeCode": "AWS_EC2_INSTANCE_ISSUE"})),
    ];
    for on in RULES.iter().flat_map(|rule| rule.meta().on) {
        match on {
            On::Call(source, names)
            | On::Read(source, names)
            | On::ReadByStack(source, names)
            | On::ReadUnless { source, names, .. }
            | On::Own(source, names) => {
                let service = source.trim_end_matches(".amazonaws.com");
                for name in *names {
                    for error in [json!(null), json!("AccessDenied")] {
                        events.push(call(service, name, json!({"errorCode": error})));
                        events.push(root_call(service, name, json!({"errorCode": error})));
                    }
                }
            }
            On::Health(prefix) => {
                let detail = json!({"eventTypeCode": format!("{prefix}X"), "service": "RISK"});
                events.push(envelope("aws.health", "AWS Health Event", detail));
            }
            On::TrustedAdvisor(check) => {
                let detail = json!({"check-name": check, "status": "ERROR"});
                events.push(envelope(
                    "aws.trustedadvisor",
                    "Trusted Advisor Check Item Refresh Notification",
                    detail,
                ));
            }
            On::Policy { fields, .. } => {
                let policy = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#;
                for (i, field) in fields.iter().enumerate() {
                    let request = field.rsplit('.').fold(json!(policy), |inner, name| json!({name: inner}));
                    let source = if i == 0 { "kms" } else { "newstore" };
                    events.push(call(source, "PutStorePolicy", json!({"requestParameters": request})));
                }
                // What has a policy and only reads, and what CloudTrail writes as an object.
                let request = json!({"requestParameters": {"policy": policy}, "readOnly": true});
                events.push(call("newstore", "CheckPolicy", request));
            }
            On::Root => events.push(root_call("s3", "GetObject", json!({"readOnly": true}))),
            On::Failed(codes) => {
                for code in *codes {
                    events.push(call("s3", "PutObject", json!({"errorCode": code})));
                }
            }
            On::ConsoleChange => {
                events.push(call("s3", "CreateBucket", json!({"sessionCredentialFromConsole": "true"})));
            }
            On::Detector(detector) => {
                let (source, detail_type) = detector.source();
                events.push(envelope(source, detail_type, json!({"findings": [{}]})));
            }
            On::LongTermKey | On::ExposedKey | On::Matching(..) => {}
        }
    }
    events
}

#[test]
fn the_index_finds_what_asking_every_rule_finds() {
    let index = Index::new(RULES);
    let mut heard = 0;
    for text in events() {
        let event = Event::parse(&text).unwrap();
        let found: Vec<&str> = index.listeners(&event).map(|rule| rule.about().id).collect();
        assert_eq!(found, linear(RULES, &event), "{text}");
        heard += found.len();
    }
    assert!(heard > RULES.len());
}

#[test]
fn ids_are_unique_kebab_case_and_findings_exist() {
    let mut ids = BTreeSet::new();
    for about in all() {
        assert!(ids.insert(about.id), "{} twice", about.id);
        assert!(
            about.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{}",
            about.id
        );
        assert!(
            all().any(|other| other.id == about.finding),
            "{} adds to unknown {}",
            about.id,
            about.finding
        );
        assert!(
            !DOCUMENTED.docs(about.id).unwrap().references.is_empty() && !about.catalogue.is_empty(),
            "{}",
            about.id
        );
    }
}

#[test]
fn every_rule_tells_what_why_what_to_do_and_what_it_avoids() {
    for about in all() {
        for heading in ["What it detects", "Why it matters", "What to do", "False positives"] {
            let text = DOCUMENTED
                .docs(about.id)
                .unwrap()
                .section(heading)
                .unwrap_or_else(|| panic!("{} has no {heading}", about.id));
            assert!(text.len() > 40, "{}: {heading} says only {text:?}", about.id);
        }
    }
}

/// Trusted Advisor tells what it sees on its rounds, not what somebody did.
#[test]
fn what_only_trusted_advisor_tells_is_state() {
    for meta in RULES.iter().map(|rule| rule.meta()) {
        let state = meta.on.iter().all(|on| matches!(on, On::TrustedAdvisor(_)));
        assert_eq!(meta.about.origin == Origin::State, state, "{}", meta.about.id);
    }
}

/// Nobody misses what never speaks; so each page says that it is off, and with which command it is switched on.
#[test]
fn a_rule_that_waits_to_be_switched_on_says_so() {
    let mut waiting = 0;
    for rule in RULES.iter().filter(|rule| rule.about().opt_in) {
        let about = rule.about();
        let detects = DOCUMENTED.docs(about.id).unwrap().section("What it detects").unwrap();
        let detects = detects.split_whitespace().collect::<Vec<_>>().join(" ");
        let command = format!("Off until it is switched on: keepwatch tune rule {} --on", about.id);
        assert!(detects.contains(&command), "{}: {detects}", about.id);
        assert!(!Config::default().asks(about));
        assert!(Config { overrides: switched_on(*rule), ..Config::default() }.asks(about));
        for off in [true, false] {
            let row = json!({"setting_id": format!("rule#{}", about.id), "enabled": off});
            assert_eq!(Settings::read([&row], CATALOGUE).invalid, [], "it must go both ways");
        }
        waiting += 1;
    }
    assert!(waiting >= 2);
}

/// Rows of the catalogue that no event tells of: EC2-Classic, which is gone; data events; the rest is state that must be asked
/// for.
const NO_EVENT: &[&str] = &["NET-08", "DATA-10", "ST-04", "ST-05", "ST-08", "ST-12"];

#[test]
fn the_catalogue_is_covered() {
    let covered: BTreeSet<&str> = all().flat_map(|about| about.catalogue.iter().copied()).collect();
    let families = [
        ("ROOT", 13),
        ("KEY", 14),
        ("ADM", 26),
        ("IAM", 18),
        ("AUTH", 8),
        ("TRAIL", 6),
        ("DET", 13),
        ("SELF", 7),
        ("ORG", 10),
        ("PUB", 16),
        ("NET", 8),
        ("DATA", 12),
        ("EXEC", 15),
        ("ST", 14),
    ];
    let all =
        families.iter().flat_map(|(family, count)| (1..=*count).map(move |n| format!("{family}-{n:02}")));
    let (with, without): (Vec<String>, Vec<String>) = all.partition(|code| covered.contains(code.as_str()));
    assert_eq!(with.len(), covered.len(), "a rule has a code that the catalogue has not: {covered:?}");
    assert_eq!(without, NO_EVENT);
}

#[test]
fn the_patterns_bring_every_event_that_a_rule_listens_to() {
    let index = Index::new(RULES);
    let patterns = event_rules(RULES, STACK);
    for text in events() {
        let mut text = text;
        if !text.contains("\"detail-type\"") {
            let record: Value = serde_json::from_str(&text).unwrap();
            text = envelope("aws.iam", "AWS API Call via CloudTrail", record);
        }
        let event = Event::parse(&text).unwrap();
        // Long-term keys are looked for in what the others bring.
        let asks =
            |on: &On| !matches!(on, On::LongTermKey | On::ExposedKey | On::Own(..)) && on.listens_to(&event);
        if index.listeners(&event).any(|rule| rule.meta().on.iter().any(asks)) {
            let json: Value = serde_json::from_str(&text).unwrap();
            assert!(patterns.iter().any(|rule| rule.brings(&json)), "nothing brings {text}");
        }
    }
}

#[test]
fn patterns_fit_and_reads_are_asked_for_in_the_right_state() {
    let patterns = event_rules(RULES, STACK);
    let names: BTreeSet<&str> = patterns.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names.len(), patterns.len());
    for rule in &patterns {
        assert!(rule.pattern.to_string().len() <= 2_048, "{}", rule.name);
        let all = rule.name.starts_with("reads");
        assert_eq!(rule.state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", all, "{}", rule.name);
    }
}

/// What `self-storage-changed` takes for the queue policy of the template names each event rule.
#[test]
fn the_queue_policy_knows_every_event_rule() {
    let generated = event_rules(RULES, STACK);
    let by_hand =
        ["heartbeat", "key-touched", "operator", "own-rules", "own-stopped", "own-touched", "scan", "sweep"];
    // Those come of the checks, which this crate does not know.
    let rechecks = EVENT_RULES.iter().copied().filter(|name| name.starts_with("recheck-"));
    let mut names: Vec<&str> =
        generated.iter().map(|rule| rule.name.as_str()).chain(by_hand).chain(rechecks).collect();
    names.sort_unstable();
    assert_eq!(EVENT_RULES[..], names[..], "write these names in self_protection/own_policy.rs");
}

#[test]
fn a_general_rule_leaves_the_mail_to_the_specific_one() {
    let seen = evaluate_all(&root_call(
        "iam",
        "DeactivateMFADevice",
        json!({"requestParameters": {
        "userName": "AWS ROOT USER", "serialNumber": "arn:aws:iam::111122223333:mfa/root-account-mfa-device"}}),
    ));
    let covered = |id: &str| seen.iter().find(|o| o.rule.id == id).map(|o| o.covered_by);
    assert_eq!(covered("root-api-call"), Some(Some("root-mfa-removed")));
    assert_eq!(covered("root-mfa-removed"), Some(None));
    let alone = evaluate_all(&root_call("s3", "CreateBucket", json!({})));
    assert_eq!(
        alone.iter().map(|o| (o.rule.id, o.covered_by)).collect::<Vec<_>>(),
        [("root-api-call", None)]
    );
}

/// The eighteen ways to make an administrator that a survey of monitors found, each in one event; the first eight of
/// them no monitor in an account could tell from a harmless call.
#[test]
fn all_eighteen_grant_paths_are_found() {
    const ADMIN: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*:*","Resource":"*"}]}"#;
    const OUTSIDE: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"sts:AssumeRole"}]}"#;
    let (admin, own) = ("arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::111122223333:policy/p");
    let set = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";
    let grants = [
        ("iam", "AttachUserPolicy", json!({"userName": "bob", "policyArn": admin})),
        ("iam", "AttachRolePolicy", json!({"roleName": "r", "policyArn": admin})),
        ("iam", "AttachGroupPolicy", json!({"groupName": "g", "policyArn": admin})),
        (
            "iam",
            "AttachUserPolicy",
            json!({"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/IAMFullAccess"}),
        ),
        ("iam", "PutUserPolicy", json!({"userName": "bob", "policyName": "p", "policyDocument": ADMIN})),
        ("iam", "PutRolePolicy", json!({"roleName": "r", "policyName": "p", "policyDocument": ADMIN})),
        ("iam", "PutGroupPolicy", json!({"groupName": "g", "policyName": "p", "policyDocument": ADMIN})),
        ("iam", "CreatePolicy", json!({"policyName": "p", "policyDocument": ADMIN})),
        (
            "iam",
            "CreatePolicyVersion",
            json!({"policyArn": own, "policyDocument": ADMIN, "setAsDefault": true}),
        ),
        ("iam", "SetDefaultPolicyVersion", json!({"policyArn": own, "versionId": "v2"})),
        ("iam", "CreateRole", json!({"roleName": "r", "assumeRolePolicyDocument": OUTSIDE})),
        ("iam", "UpdateAssumeRolePolicy", json!({"roleName": "r", "policyDocument": OUTSIDE})),
        ("iam", "AddUserToGroup", json!({"userName": "bob", "groupName": "admins"})),
        (
            "sso",
            "AttachManagedPolicyToPermissionSet",
            json!({"permissionSetArn": set, "managedPolicyArn": admin}),
        ),
        ("sso", "PutInlinePolicyToPermissionSet", json!({"permissionSetArn": set, "inlinePolicy": ADMIN})),
        ("sso", "CreateAccountAssignment", json!({"permissionSetArn": set, "targetId": "444455556666"})),
        ("iam", "DeleteRolePermissionsBoundary", json!({"roleName": "r"})),
        ("iam", "PutUserPolicy", json!({"omitted": true, "reason": "requestParameters too large"})),
    ];
    assert_eq!(grants.len(), 18);
    for (source, name, request) in grants {
        let seen = evaluate_all(&call(source, name, json!({"requestParameters": request})));
        let explained =
            |o: &Observation| o.verdict != Verdict::Passing && !o.reason.is_empty() && !o.steps.is_empty();
        assert!(seen.iter().any(explained), "{name} {request} gave {seen:?}");
    }
}

#[test]
fn twenty_harmless_look_alikes_stay_quiet() {
    let statement = |body: Value| json!({"Version": "2012-10-17", "Statement": [body]}).to_string();
    let allow = |action: Value, resource: Value| {
        statement(json!({"Effect": "Allow", "Action": action, "Resource": resource}))
    };
    let put = |document: String| {
        ("PutUserPolicy", json!({"userName": "bob", "policyName": "p", "policyDocument": document}))
    };
    let attach = |policy: &str| {
        (
            "AttachRolePolicy",
            json!({"roleName": "r", "policyArn": format!("arn:aws:iam::aws:policy/{policy}")}),
        )
    };
    let trust = |principal: Value| {
        let document =
            statement(json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}));
        ("CreateRole", json!({"roleName": "r", "assumeRolePolicyDocument": document}))
    };
    let harmless = [
        attach("ReadOnlyAccess"),
        attach("SecurityAudit"),
        attach("job-function/ViewOnlyAccess"),
        attach("service-role/AWSLambdaBasicExecutionRole"),
        attach("AmazonSSMManagedInstanceCore"),
        put(allow(json!("s3:GetObject"), json!("arn:aws:s3:::bucket/*"))),
        put(allow(json!(["s3:Get*", "s3:List*"]), json!("*"))),
        put(allow(json!("*:Describe*"), json!("*"))),
        put(allow(json!("iam:ChangePassword"), json!("arn:aws:iam::*:user/${aws:username}"))),
        put(allow(
            json!(["iam:CreateAccessKey", "iam:DeleteAccessKey"]),
            json!("arn:aws:iam::*:user/${aws:username}"),
        )),
        put(allow(json!("iam:PassRole"), json!("arn:aws:iam::111122223333:role/app-worker"))),
        put(allow(json!(["iam:Get*", "iam:List*"]), json!("*"))),
        put(allow(json!("*"), json!("arn:aws:s3:::bucket/*"))),
        put(allow(json!("sts:AssumeRole"), json!("arn:aws:iam::111122223333:role/reader"))),
        put(allow(json!("lambda:InvokeFunction"), json!("*"))),
        put(statement(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))),
        put(statement(json!({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}))),
        put(allow(json!(["logs:CreateLogStream", "logs:PutLogEvents"]), json!("*"))),
        trust(json!({"Service": "ec2.amazonaws.com"})),
        trust(json!({"AWS": "arn:aws:iam::111122223333:root"})),
    ];
    assert_eq!(harmless.len(), 20);
    for (name, request) in harmless {
        let seen = evaluate_all(&call("iam", name, json!({"requestParameters": request})));
        let worth_a_mail: Vec<_> = seen.iter().filter(|o| o.severity >= MAILED_FROM).collect();
        assert!(worth_a_mail.is_empty(), "{name} {request} gave {worth_a_mail:?}");
    }
}

/// Every fixture that fires is rendered as a mail by `testing`; so no rule may be without one.
#[test]
fn every_rule_has_a_fixture_that_fires() {
    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let mut without = Vec::new();
    for about in all() {
        let id = format!("id: \"{}\",", about.id);
        let text = texts.iter().find(|text| text.contains(&id)).unwrap();
        // The rule's type stands before its metadata, and each test names it after the helper, on this line or the next.
        let name = text.split(&id).next().unwrap().trim_end().trim_end_matches('{');
        let name = name.split_whitespace().last().unwrap();
        let tests: String =
            text.split("#[cfg(test)]").skip(1).collect::<String>().split_whitespace().collect();
        let fires = ["fired", "fired_with", "fired_and_over", "fires_at"]
            .iter()
            .any(|f| tests.contains(&format!("{f}(&{name},")));
        if !fires {
            without.push(about.id);
        }
    }
    assert!(without.is_empty(), "no test has these rules fire: {without:?}");
}

#[test]
fn whoever_has_no_name_is_told_by_what_there_is() {
    let named = |who: Value| {
        let event = call(
            "s3",
            "DeleteBucketPublicAccessBlock",
            json!({
                "requestParameters": {"bucketName": "photos"},
                "userIdentity": {"userName": null, "arn": null, "principalId": null, "accessKeyId": null},
            }),
        );
        let mut event: Value = serde_json::from_str(&event).unwrap();
        event["userIdentity"] = who;
        fired(rule("exposure-s3-block-public-access-off"), &event.to_string()).actor.unwrap().name
    };
    let outsider =
        json!({"type": "AWSAccount", "principalId": "AIDAEXAMPLEOUTSIDER00", "accountId": "444455556666"});
    assert_eq!(named(outsider), "user with id AIDAEXAMPLEOUTSIDER00 of account 444455556666");
    let session = json!({"type": "AWSAccount", "principalId": "AROAEXAMPLE:ci", "accountId": "444455556666"});
    assert_eq!(named(session), "role session ci of account 444455556666");
    let anonymous = json!({"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"});
    assert_eq!(named(anonymous), "somebody without credentials");
    let person = json!({"type": "IdentityCenterUser", "accountId": "111122223333", "onBehalfOf": {
        "userId": "544894e8-80c1-707f-60e3-3ba6510dfac1", "identityStoreArn": "arn:aws:identitystore::111122223333:identitystore/d-1"}});
    assert_eq!(named(person), "Identity Center user 544894e8-80c1-707f-60e3-3ba6510dfac1");
}

#[test]
fn an_endpoints_copy_of_a_call_is_nobodys_business() {
    let copy =
        call("cloudtrail", "StopLogging", json!({"eventType": "AwsVpceEvent", "requestParameters": null}));
    assert!(evaluate_all(&copy).is_empty());
    assert!(
        !evaluate_all(&call("cloudtrail", "StopLogging", json!({"requestParameters": {"name": "main"}})))
            .is_empty()
    );
}

/// The AWS CLI reads a value that begins so from a file of whoever runs the command, however the shell quotes it.
#[test]
fn no_command_makes_the_reader_open_a_file() {
    for name in ["file:///home/../.aws/credentials", "fileb://x", " FILE://x"] {
        let off =
            call("monitoring", "DisableAlarmActions", json!({"requestParameters": {"alarmNames": [name]}}));
        let seen = fired(rule("audit-alarm-silenced"), &off);
        let commands: Vec<&str> = seen.steps.iter().map(|step| step.command.as_str()).collect();
        assert!(
            !commands.is_empty() && commands.iter().all(|command| !command.to_lowercase().contains("file")),
            "{commands:?}"
        );
    }
}
