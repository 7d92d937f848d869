//! Event and state of one problem are one finding: what a rule makes of the event has the identity that the check gives the
//! state which the event leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use keepwatch_base::time::Timestamp;
use keepwatch_checks::parameters::{Parameters, Profile};
use keepwatch_checks::registry::CHECKS;
use keepwatch_checks::run::run;
use keepwatch_core::engine::config::Config;
use keepwatch_core::engine::replay::Player;
use keepwatch_core::event::log::entries;
use keepwatch_core::observation::{Occurrence, Verdict};
use keepwatch_core::posture::facts::audit::{
    ConfigRecorder, ConfigStatus, Trail, TrailSelectors, TrailStatus,
};
use keepwatch_core::posture::facts::iam::{Authorization, ManagedPolicy, Role, User};
use keepwatch_core::posture::{Place, State, ask};
use keepwatch_core::state::PolicyText;
use keepwatch_rules::registry::{CATALOGUE, RULES};
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const TRAIL: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
const STAR: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

fn account() -> State {
    State::new(ACCOUNT, "aws", &[REGION.to_owned()], now())
}

/// The findings that a call opens for a rule.
fn told(rule: &str, source: &str, name: &str, request: &Value) -> BTreeSet<String> {
    told_at(rule, source, name, request, Verdict::Failing)
}

/// The same, with this verdict.
fn told_at(rule: &str, source: &str, name: &str, request: &Value, verdict: Verdict) -> BTreeSet<String> {
    let record = json!({
        "eventVersion": "1.11",
        "eventID": "6b2a5e0c-0000-4000-8000-000000000001",
        "eventTime": "2026-11-22T11:00:00Z",
        "eventType": "AwsApiCall",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30",
        "readOnly": false,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEALICE",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": ACCOUNT,
            "userName": "alice",
        },
        "requestParameters": request,
        "responseElements": null,
    });
    let player = Player::new(RULES, Config::default());
    let mut ids = BTreeSet::new();
    entries(&record.to_string(), &mut |entry| {
        let played = player.play(&entry.expect("it is an event")).expect("it can be read");
        let seen = keepwatch_core::engine::replay::Memory::default().settle(&player, played);
        let failing =
            |one: &&keepwatch_core::observation::Observation| one.rule.id == rule && one.verdict == verdict;
        ids.extend(seen.observations.iter().filter(failing).map(|one| one.finding_id()));
    });
    ids
}

/// The findings that a check opens for a state.
fn found(check: &str, state: &State) -> BTreeSet<String> {
    let check = CHECKS.iter().find(|one| one.meta().about.id == check).expect("there is such a check");
    let parameters = Parameters { require_trail_insights: 1, ..Parameters::of(Profile::Default) };
    let scan = Occurrence::new("scan", "scan", now());
    let judgements = run(&[*check], state, &parameters, now());
    let observations = judgements.iter().filter_map(|one| one.observation(&scan));
    observations.filter(|one| one.verdict == Verdict::Failing).map(|one| one.finding_id()).collect()
}

fn same(rule: &str, (source, name, request): (&str, &str, Value), check: &str, state: &State) {
    let told = told(rule, source, name, &request);
    assert_eq!(told.len(), 1, "{name} for {rule}");
    assert_eq!(told, found(check, state), "{name} for {rule}, and {check}");
}

fn trail(logging: bool) -> State {
    let trail = Trail {
        arn: TRAIL.to_owned(),
        name: "main".to_owned(),
        home_region: REGION.to_owned(),
        bucket: None,
        multi_region: true,
        global_events: true,
        organization: false,
        kms_key: None,
        validation: false,
        log_group: None,
    };
    account()
        .with(ask::Trails, Place::region(REGION), vec![trail])
        .with(ask::TrailStatus, Place::of(REGION, TRAIL), TrailStatus { logging, delivery_error: None })
        .with(ask::TrailSelectors, Place::of(REGION, TRAIL), TrailSelectors::default())
        .with(ask::TrailInsights, Place::of(REGION, TRAIL), vec![])
}

#[test]
fn trails() {
    let call = |name, request| ("cloudtrail", name, request);
    same("audit-trail-stopped", call("StopLogging", json!({"name": "main"})), "trail.logging", &trail(false));
    let no_key = json!({"name": "main", "kmsKeyId": ""});
    same("audit-trail-weakened", call("UpdateTrail", no_key), "trail.kms", &trail(true));
    let unsigned = json!({"name": "main", "enableLogFileValidation": false});
    same("audit-trail-weakened", call("UpdateTrail", unsigned), "trail.validation", &trail(true));
    let insights = json!({"trailName": "main", "insightSelectors": []});
    same("audit-trail-selectors-cut", call("PutInsightSelectors", insights), "trail.insights", &trail(true));
}

#[test]
fn config_guardduty_and_security_hub() {
    let there = || Place::region(REGION);
    let none = account()
        .with(ask::ConfigRecorders, there(), vec![])
        .with(ask::ConfigStatus, there(), vec![])
        .with(ask::ConfigChannels, there(), vec![])
        .with(ask::Detectors, there(), vec![])
        .with(ask::SecurityHub, there(), false);
    let recorder = ConfigRecorder {
        name: "default".to_owned(),
        arn: None,
        internal: false,
        all_supported: true,
        global_types: true,
    };
    let status = ConfigStatus { name: "default".to_owned(), recording: false, last_status: None };
    let stopped = none.clone().with(ask::ConfigRecorders, there(), vec![recorder]).with(
        ask::ConfigStatus,
        there(),
        vec![status],
    );
    let named = || json!({"configurationRecorderName": "default"});
    let stop = ("config", "StopConfigurationRecorder", named());
    same("audit-config-stopped", stop, "config.enabled", &stopped);
    let delete = ("config", "DeleteConfigurationRecorder", named());
    same("audit-config-stopped", delete, "config.enabled", &none);
    let delete = ("guardduty", "DeleteDetector", json!({"detectorId": "d1"}));
    same("audit-guardduty-disabled", delete, "guardduty.enabled", &none);
    let disable = ("securityhub", "DisableSecurityHub", Value::Null);
    same("audit-security-hub-disabled", disable, "security-hub.enabled", &none);
}

#[test]
fn policies_and_roles() {
    let call = |name, request| ("iam", name, request);
    // Events know no path.
    let user = |inline: Vec<PolicyText>, managed: Vec<String>| User {
        arn: "arn:aws:iam::111122223333:user/team/bob".to_owned(),
        name: "bob".to_owned(),
        inline,
        managed,
        ..User::default()
    };
    let of = |authorization| account().with(ask::Authorization, Place::global(), authorization);
    let star = PolicyText { name: "all".to_owned(), text: STAR.to_owned() };
    let bob = of(Authorization { users: vec![user(vec![star], vec![])], ..Authorization::default() });
    let put = || json!({"userName": "bob", "policyName": "all", "policyDocument": STAR});
    same("admin-inline-policy", call("PutUserPolicy", put()), "policy.admin-star-inline", &bob);
    same("iam-policy-on-user", call("PutUserPolicy", put()), "policy.on-user", &bob);
    let read = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let reader = user(vec![], vec![read.to_owned()]);
    let reader = of(Authorization { users: vec![reader], ..Authorization::default() });
    let attach = json!({"userName": "bob", "policyArn": read});
    same("iam-policy-on-user", call("AttachUserPolicy", attach), "policy.on-user", &reader);

    let arn = "arn:aws:iam::111122223333:policy/team/all";
    let policy = ManagedPolicy {
        arn: arn.to_owned(),
        name: "all".to_owned(),
        attachments: 1,
        document: STAR.to_owned(),
    };
    let written = of(Authorization { policies: vec![policy], ..Authorization::default() });
    let write = json!({"policyArn": arn, "policyDocument": STAR, "setAsDefault": true});
    same("admin-policy-written", call("CreatePolicyVersion", write), "policy.admin-star", &written);

    let role = Role {
        arn: "arn:aws:iam::111122223333:role/team/door".to_owned(),
        name: "door".to_owned(),
        path: "/team/".to_owned(),
        trust: OPEN.to_owned(),
        ..Role::default()
    };
    let open = of(Authorization { roles: vec![role], ..Authorization::default() });
    let trust = json!({"roleName": "door", "policyDocument": OPEN});
    same("role-trust-opened", call("UpdateAssumeRolePolicy", trust), "role.cross-account", &open);
}

/// A check that adds to a finding names a rule that there is.
#[test]
fn checks_join_rules_that_there_are() {
    for check in CHECKS {
        let about = &check.meta().about;
        if about.finding != about.id {
            assert!(CATALOGUE.find(about.finding).is_some(), "{} joins {}", about.id, about.finding);
        }
    }
}

/// A state in which these questions are answered: each with its region, the resource if any, and the answer.
fn knows(answers: &[(&str, &str, &str, Value)]) -> State {
    let mut all = serde_json::Map::new();
    for (question, region, of, value) in answers {
        let mut place = json!({"region": region});
        if !of.is_empty() {
            place["of"] = json!(of);
        }
        let list = all.entry((*question).to_owned()).or_insert_with(|| json!([])).as_array_mut().unwrap();
        list.push(json!([place, {"known": [value, now()]}]));
    }
    let state = json!({"keepwatch_state": 1, "account": ACCOUNT, "partition": "aws", "regions": [REGION], "at": now(),
        "answers": all});
    State::from_json(&state.to_string()).unwrap()
}

#[test]
fn buckets() {
    let call = |name, request| ("s3", name, request);
    let off = json!({"block_public_acls": false, "ignore_public_acls": false, "block_public_policy": false,
        "restrict_public_buckets": false});
    let bucket = |more: &[(&str, Value)]| {
        let mut answers = vec![
            ("AccountPublicAccess", "global", "", off.clone()),
            ("Buckets", "global", "", json!([{"name": "files", "region": REGION}])),
            ("BucketPublicAccess", REGION, "files", off.clone()),
        ];
        answers.extend(more.iter().map(|(question, value)| (*question, REGION, "files", value.clone())));
        knows(&answers)
    };
    let public = json!({"grants": [{"group": "http://acs.amazonaws.com/groups/global/AllUsers", "permission": "READ"}]});
    let acl = bucket(&[
        ("BucketAcl", public),
        ("BucketOwnership", json!({"ownership": "ObjectWriter"})),
        ("BucketPolicy", json!({"document": null})),
    ]);
    let opened = json!({"bucketName": "files", "x-amz-acl": "public-read"});
    same("exposure-bucket-acl-public", call("PutBucketAcl", opened), "s3.public-acl", &acl);
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::files/*"}]});
    let none = json!({"grants": []});
    let policy =
        bucket(&[("BucketPolicy", json!({"document": document.to_string()})), ("BucketAcl", none.clone())]);
    let opened = json!({"bucketName": "files", "bucketPolicy": document});
    same("exposure-bucket-policy-open", call("PutBucketPolicy", opened), "s3.public-policy", &policy);
    let unblocked = ("s3", "DeleteBucketPublicAccessBlock", json!({"bucketName": "files"}));
    same("exposure-s3-block-public-access-off", unblocked, "s3.bucket-bpa", &policy);
    let unblocked = ("s3", "DeleteAccountPublicAccessBlock", json!({"accountId": ACCOUNT}));
    same("exposure-s3-block-public-access-off", unblocked, "s3.account-bpa", &policy);
    let kept = bucket(&[("BucketVersioning", json!({"status": "Suspended", "mfa_delete": false}))]);
    let suspend = json!({"bucketName": "files", "VersioningConfiguration": {"Status": "Suspended"}});
    same("data-bucket-protection-weakened", call("PutBucketVersioning", suspend), "s3.versioning", &kept);
}

#[test]
fn networks_snapshots_and_volumes() {
    let call = |name, request| ("ec2", name, request);
    let group = json!([{"id": "sg-1", "name": "default", "vpc": "vpc-1", "owner": ACCOUNT, "egress": [],
        "ingress": [{"protocol": "tcp", "from_port": 22, "to_port": 22, "ranges": ["10.0.0.0/8"], "groups": [],
            "prefix_lists": []}]}]);
    let interface = json!([{"id": "eni-1", "vpc": "vpc-1", "subnet": "subnet-1", "groups": ["sg-1"]}]);
    let default = knows(&[
        ("SecurityGroups", REGION, "", group),
        ("NetworkInterfaces", REGION, "", interface),
        ("Vpcs", REGION, "", json!([{"id": "vpc-1", "owner": ACCOUNT, "default": true}])),
        ("Functions", REGION, "", json!([])),
        ("DbInstances", REGION, "", json!([])),
    ]);
    assert!(found("vpc.default-sg", &default).iter().all(|id| id.starts_with("network-default-group-used-")));

    let group =
        json!([{"id": "sg-2", "name": "web", "vpc": "vpc-1", "owner": ACCOUNT, "egress": [], "ingress": []}]);
    let rule = json!([{"id": "sgr-0f00000000000000a", "group": "sg-2", "egress": false, "protocol": "tcp",
        "from_port": 22, "to_port": 22, "range": "0.0.0.0/0", "prefix_list": null}]);
    let interface = json!([{"id": "eni-1", "vpc": "vpc-1", "subnet": "subnet-1", "groups": ["sg-2"]}]);
    let open = knows(&[
        ("SecurityGroups", REGION, "", group),
        ("SecurityGroupRules", REGION, "", rule),
        ("NetworkInterfaces", REGION, "", interface),
    ]);
    // The id of the rule is in AWS's answer.
    let change = json!({"ModifySecurityGroupRulesRequest": {"GroupId": "sg-2", "SecurityGroupRule": {
        "SecurityGroupRuleId": "sgr-0f00000000000000a",
        "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}}}});
    let found = found("sg.unrestricted", &open);
    assert_eq!(found.len(), 1);
    assert!(found.iter().all(|id| id.starts_with("network-security-group-open-")));
    let changed =
        told_at("network-security-group-open", "ec2", "ModifySecurityGroupRules", &change, Verdict::Unknown);
    assert_eq!(changed, found);

    let snapshot = json!([{"id": "snap-1", "volume": "vol-1", "state": "completed", "started": null, "encrypted": false}]);
    let public = knows(&[
        ("Snapshots", REGION, "", snapshot),
        ("PublicSnapshots", REGION, "", json!(["snap-1"])),
        ("SnapshotBlock", REGION, "", json!("unblocked")),
    ]);
    let share = json!({"snapshotId": "snap-1", "attributeType": "CREATE_VOLUME_PERMISSION",
        "createVolumePermission": {"add": {"items": [{"group": "all"}]}}});
    same("exposure-snapshot-shared", call("ModifySnapshotAttribute", share), "ebs.snapshot-public", &public);
    let database = json!([{"arn": "arn:aws:rds:eu-west-1:111122223333:snapshot:orders", "id": "orders", "encrypted": false}]);
    let public = knows(&[
        ("DbSnapshots", REGION, "", database),
        ("DbSnapshotShares", REGION, "orders", json!(["all"])),
        ("DbClusterSnapshots", REGION, "", json!([])),
    ]);
    let share = json!({"dBSnapshotIdentifier": "orders", "attributeName": "restore", "valuesToAdd": ["all"]});
    same(
        "exposure-snapshot-shared",
        ("rds", "ModifyDBSnapshotAttribute", share),
        "rds.snapshot-public",
        &public,
    );
    let off = knows(&[
        ("EbsDefaultEncryption", REGION, "", json!(false)),
        (
            "NetworkInterfaces",
            REGION,
            "",
            json!([{"id": "eni-1", "vpc": "vpc-1", "subnet": "s", "groups": []}]),
        ),
    ]);
    let disable = call("DisableEbsEncryptionByDefault", json!({}));
    same("data-ebs-default-encryption-off", disable, "ebs.default-encryption", &off);
}

#[test]
fn keys_stores_and_functions() {
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{id}");
    let key = knows(&[
        ("KmsKeys", REGION, "", json!([id])),
        ("AwsManagedKeys", REGION, "", json!([])),
        (
            "KmsKey",
            REGION,
            id,
            json!({"arn": arn, "state": "PendingDeletion", "deletion": "2026-12-01T00:00:00Z",
            "aws_managed": false}),
        ),
    ]);
    let schedule = ("kms", "ScheduleKeyDeletion", json!({"keyId": id, "pendingWindowInDays": 9}));
    same("data-kms-key-disabled-or-deleted", schedule, "kms.pending-deletion", &key);
    let instance = json!([{"arn": "arn:aws:dms:eu-west-1:111122223333:rep:ABC", "id": "mover", "public": true, "groups": []}]);
    let migration =
        knows(&[("ReplicationInstances", REGION, "", instance), ("SecurityGroups", REGION, "", json!([]))]);
    assert!(
        found("dms.public", &migration)
            .iter()
            .all(|id| id.starts_with("exposure-migration-instance-public-"))
    );
    let name = json!([{"name": "lab", "arn": "arn:aws:sagemaker:eu-west-1:111122223333:notebook-instance/lab", "status": "InService"}]);
    let notebook = knows(&[
        ("Notebooks", REGION, "", name),
        ("Notebook", REGION, "lab", json!({"direct_internet": true, "root_access": true})),
    ]);
    let create = json!({"notebookInstanceName": "lab", "directInternetAccess": "Enabled"});
    same(
        "exposure-notebook-internet",
        ("sagemaker", "CreateNotebookInstance", create),
        "sagemaker.direct-internet",
        &notebook,
    );
    let domain = json!([{"arn": "arn:aws:es:eu-west-1:111122223333:domain/logs", "name": "logs", "encrypted": false, "deleted": false}]);
    let create = json!({"domainName": "logs", "encryptionAtRestOptions": {"enabled": false}});
    same(
        "exposure-search-domain-open",
        ("es", "CreateDomain", create),
        "opensearch.encryption",
        &knows(&[("Domains", REGION, "", domain)]),
    );
    let function = json!([{"arn": "arn:aws:lambda:eu-west-1:111122223333:function:old", "name": "old", "runtime": "python3.6",
        "image": false, "keys_in_environment": [], "environment_error": null, "in_vpc": false}]);
    let create = json!({"functionName": "old", "runtime": "python3.6"});
    same(
        "compute-function-runtime-deprecated",
        ("lambda", "CreateFunction20150331", create),
        "lambda.runtime",
        &knows(&[("Functions", REGION, "", function)]),
    );
    let weak = json!({"length": 6, "symbols": false, "numbers": false, "uppercase": false, "lowercase": false,
        "max_age_days": null, "reuse_prevention": null});
    let policy = knows(&[
        ("PasswordPolicy", "global", "", weak),
        ("CredentialReport", "global", "", json!({"root": null, "users": []})),
    ]);
    let mut told = told(
        "iam-password-policy-weak",
        "iam",
        "UpdateAccountPasswordPolicy",
        &json!({"minimumPasswordLength": 6}),
    );
    told.extend(found("iam.password-policy", &policy));
    assert_eq!(told.len(), 1, "{told:?}");
}
