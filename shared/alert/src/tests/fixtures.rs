//! Events as AWS sends them, one for each mail that a person is most likely to get.

use keepwatch_core::observation::Observation;
use keepwatch_core::state::{
    Answer, Fact, HeldPolicy, Holdings, PolicyText, PrincipalKind, Query, Value as State,
};
use keepwatch_rules::testing::*;
use serde_json::{Value, json};

pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const SET: &str = "arn:aws:sso:::permissionSet/ssoins-7223b02d1f1a2c3d/ps-1c5f9a0b7e2d4c6a";
const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-7223b02d1f1a2c3d";

/// An event, what the account answers, and the rule whose mail it causes.
pub(crate) struct Fixture {
    /// Names the snapshot. Up to the first space it is the rule's id.
    pub(crate) name: &'static str,
    /// The event.
    pub(crate) event: String,
    /// What is known of the account.
    pub(crate) answers: Vec<(Query, Answer)>,
}

impl Fixture {
    /// What its rule observes, all rules being asked as in production.
    pub(crate) fn observations(&self) -> Vec<Observation> {
        let rule = self.name.split(' ').next();
        let mut seen = evaluate_all_with(&self.event, &self.answers);
        seen.retain(|observation| Some(observation.rule.id) == rule);
        seen
    }
}

fn of(name: &'static str, event: String) -> Fixture {
    Fixture { name, event, answers: Vec::new() }
}

fn knowing<const N: usize>(name: &'static str, event: String, answers: [(Query, State); N]) -> Fixture {
    let answers = answers.into_iter().map(|(query, value)| (query, Fact::Known(value))).collect();
    Fixture { name, event, answers }
}

/// A call by alice's long-term key, which no MFA guards.
fn iam(name: &str, request: Value) -> String {
    by_key("iam", name, json!({"requestParameters": request}))
}

fn by_key(source: &str, name: &str, changes: Value) -> String {
    let mut event: Value = serde_json::from_str(&call(source, name, changes)).unwrap();
    event["userIdentity"]["accessKeyId"] = json!("AKIAI44QH8DHBEXAMPLE");
    event["userAgent"] = json!(
        "aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#6.5.0 md/arch#x86_64 lang/python#3.11.8 md/prompt#off"
    );
    event.to_string()
}

/// A call by somebody who signed in through Identity Center.
fn by_person(source: &str, name: &str, request: Value) -> String {
    call(
        source,
        name,
        json!({
            "requestParameters": request,
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:123.0) Gecko/20100101 Firefox/123.0",
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLEROLE:carol@example.com", "userName": null,
                "arn": "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admins_0a1b2c3d4e5f6071/carol@example.com",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "userName": "AWSReservedSSO_Admins_0a1b2c3d4e5f6071",
                        "arn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admins_0a1b2c3d4e5f6071"},
                    "attributes": {"mfaAuthenticated": "false", "creationDate": "2026-03-01T11:40:00Z"},
                },
            },
        }),
    )
}

fn root_sign_in_with(name: &str, changes: Value) -> String {
    let mut event: Value = serde_json::from_str(&root_sign_in(name, changes)).unwrap();
    event["userAgent"] = json!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36");
    event.to_string()
}

fn root(source: &str, name: &str, changes: Value) -> String {
    let mut event: Value = serde_json::from_str(&root_call(source, name, changes)).unwrap();
    event["userIdentity"]["sessionContext"] =
        json!({"attributes": {"mfaAuthenticated": "false", "creationDate": "2026-03-01T11:58:00Z"}});
    event["userAgent"] = json!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36");
    event.to_string()
}

fn health(code: &str, entities: &[&str], changes: Value) -> String {
    let entities: Vec<Value> = entities.iter().map(|value| json!({"entityValue": value})).collect();
    let mut detail = json!({
        "eventArn": format!("arn:aws:health:us-east-1::event/RISK/{code}/{code}_4d0a0b3e"), "service": "RISK",
        "eventTypeCode": code, "eventTypeCategory": "issue", "communicationId": "4d0a0b3e-1",
        "startTime": "Sun, 01 Mar 2026 11:59:00 GMT", "lastUpdatedTime": "Sun, 01 Mar 2026 12:00:00 GMT",
        "statusCode": "open", "eventRegion": "us-east-1", "affectedEntities": entities, "page": "1", "totalPages": "1",
    });
    detail.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    envelope("aws.health", "AWS Health Event", detail)
}

fn holds(kind: PrincipalKind, name: &str, managed: &[&str]) -> (Query, State) {
    let managed = managed.iter().map(|&arn| arn.to_owned()).collect();
    let holdings = Holdings { managed, name: Some("Admins".to_owned()), ..Holdings::default() };
    (Query::Principal { kind, name: name.to_owned() }, State::Holdings(holdings))
}

fn policy(arn: &str, version: Option<&str>, text: &str) -> (Query, State) {
    let query = Query::ManagedPolicy { arn: arn.to_owned(), version: version.map(str::to_owned) };
    let name = arn.rsplit('/').next().unwrap().to_owned();
    (query, State::Policy(PolicyText { name, text: text.to_owned() }))
}

/// All of them.
pub(crate) fn all() -> Vec<Fixture> {
    [at_root(), of_keys(), of_grants(), of_paths()].into_iter().flatten().collect()
}

fn at_root() -> Vec<Fixture> {
    let signed_in = |mfa: &str| {
        let changes = json!({"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {
            "LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfa}});
        root_sign_in_with("ConsoleLogin", changes)
    };
    let device = "arn:aws:iam::111122223333:mfa/root-account-mfa-device";
    vec![
        of("root-console-sign-in", signed_in("No")),
        of("root-console-sign-in with MFA", signed_in("Yes")),
        of(
            "root-console-sign-in-failed",
            root_sign_in_with(
                "ConsoleLogin",
                json!({"errorMessage": "Failed authentication", "responseElements": {"ConsoleLogin": "Failure"}}),
            ),
        ),
        of(
            "root-api-call",
            root("s3", "PutBucketPolicy", json!({"requestParameters": {"bucketName": "invoices"}})),
        ),
        of(
            "root-api-call refused",
            root("iam", "ListUsers", json!({"readOnly": true, "errorCode": "AccessDenied"})),
        ),
        of(
            "root-access-key",
            root(
                "iam",
                "CreateAccessKey",
                json!({"responseElements": {"accessKey": {
                "accessKeyId": KEY, "status": "Active", "createDate": "Mar 1, 2026 12:00:00 PM"}}}),
            ),
        ),
        of(
            "root-access-key used",
            root("s3", "ListBuckets", json!({"readOnly": true, "userIdentity": {"accessKeyId": KEY}})),
        ),
        of(
            "root-mfa-removed",
            root(
                "iam",
                "DeactivateMFADevice",
                json!({"requestParameters": {"userName": "AWS ROOT USER", "serialNumber": device}}),
            ),
        ),
        of(
            "root-mfa-added",
            root(
                "iam",
                "EnableMFADevice",
                json!({"requestParameters": {"userName": "AWS ROOT USER", "serialNumber": device}}),
            ),
        ),
        of(
            "root-password-changed",
            root_sign_in_with("PasswordUpdated", json!({"responseElements": {"PasswordUpdated": "Success"}})),
        ),
        of(
            "root-contact-changed",
            root_sign_in_with("EmailUpdated", json!({"responseElements": {"EmailUpdated": "Success"}})),
        ),
        of(
            "root-assume-root",
            call(
                "sts",
                "AssumeRoot",
                json!({"readOnly": true,
                "requestParameters": {"targetPrincipal": "444455556666",
                    "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}},
                "responseElements": {"credentials": {"accessKeyId": "ASIAI44QH8DHBEXAMPLE"}}}),
            ),
        ),
    ]
}

fn of_keys() -> Vec<Fixture> {
    let quarantine = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3";
    let keys = || (Query::AccessKeys { user: "bob".to_owned() }, State::Names(vec![KEY.to_owned()]));
    let exposed = Query::ExposedKey { account: ACCOUNT.to_owned(), access_key_id: KEY.to_owned() };
    let attached = json!({
        "userAgent": "AWS Internal", "sourceIPAddress": "AWS Internal",
        "requestParameters": {"userName": "bob", "policyArn": quarantine}});
    vec![
        of(
            "exposed-access-key",
            health(
                "AWS_RISK_CREDENTIALS_EXPOSED",
                &[KEY],
                json!({"eventMetadata": {
                "publicKey": KEY, "userName": "bob", "exposedUrl": "https://github.com/example/repo/blob/main/.env"}}),
            ),
        ),
        of(
            "exposed-access-key-trusted-advisor",
            envelope(
                "aws.trustedadvisor",
                "Trusted Advisor Check Item Refresh Notification",
                json!({"check-name": "Exposed Access Keys", "status": "ERROR", "uuid": "7a5b-1", "resource_id": "",
                    "check-item-detail": {"Access Key ID": KEY, "User Name (IAM or Root)": "bob", "Fraud Type": "Exposed",
                        "Case ID": "12345678901", "Time Updated": "1772366000000", "Deadline": "1772798400000",
                        "Location": "www.github.com/example/repo", "Usage (USD per Day)": "120.50"}}),
            ),
        ),
        knowing("exposed-access-key-quarantine", call("iam", "AttachUserPolicy", attached), [keys()]),
        knowing(
            "exposed-access-key-in-use",
            call(
                "sts",
                "GetCallerIdentity",
                json!({"userIdentity": {"accessKeyId": KEY, "userName": "bob",
                "arn": "arn:aws:iam::111122223333:user/bob"}, "sourceIPAddress": "198.51.100.66"}),
            ),
            [(exposed, State::Flag(true))],
        ),
        of(
            "quarantine-policy-detached",
            iam("DetachUserPolicy", json!({"userName": "bob", "policyArn": quarantine})),
        ),
        of(
            "aws-health-risk",
            health(
                "AWS_RISK_ACCOUNT_CONSOLE_COMPROMISE",
                &[ACCOUNT],
                json!({"eventDescription": [{
                "language": "en_US", "latestDescription": "Your AWS account may be compromised. Review recent sign-ins."}]}),
            ),
        ),
    ]
}

fn of_grants() -> Vec<Fixture> {
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let pass = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:PassRole","lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}]}"#;
    let own = "arn:aws:iam::111122223333:policy/deploy";
    let version = json!({"requestParameters": {"policyArn": own, "policyDocument": all, "setAsDefault": true},
        "responseElements": {"policyVersion": {"versionId": "v4", "isDefaultVersion": true}}});
    let group = (
        Query::GroupMembers { name: "ops".to_owned() },
        State::Names(vec!["bob".to_owned(), "dave".to_owned()]),
    );
    let set = Query::PermissionSet {
        instance: INSTANCE.to_owned(),
        arn: SET.to_owned(),
        region: "us-east-1".to_owned(),
    };
    let admins =
        Holdings { managed: vec![ADMIN.to_owned()], name: Some("Admins".to_owned()), ..Holdings::default() };
    let padded = HeldPolicy {
        principal: "bob".to_owned(),
        policy: PolicyText { name: "logs".to_owned(), text: all.to_owned() },
    };
    vec![
        of(
            "admin-managed-policy-attached",
            iam("AttachUserPolicy", json!({"userName": "bob", "policyArn": ADMIN})),
        ),
        knowing(
            "admin-managed-policy-attached to group",
            by_person("iam", "AttachGroupPolicy", json!({"groupName": "ops", "policyArn": own})),
            [policy(own, None, pass), group, holds(PrincipalKind::Group, "ops", &[])],
        ),
        of(
            "admin-inline-policy",
            iam("PutUserPolicy", json!({"userName": "bob", "policyName": "tmp", "policyDocument": all})),
        ),
        of(
            "admin-inline-policy escalation",
            iam("PutRolePolicy", json!({"roleName": "ci", "policyName": "deploy", "policyDocument": pass})),
        ),
        of("admin-policy-written", by_key("iam", "CreatePolicyVersion", version)),
        knowing(
            "admin-policy-written switched",
            iam("SetDefaultPolicyVersion", json!({"policyArn": own, "versionId": "v1"})),
            [policy(own, Some("v1"), all)],
        ),
        knowing(
            "admin-group-joined",
            iam("AddUserToGroup", json!({"userName": "bob", "groupName": "ops"})),
            [holds(PrincipalKind::Group, "ops", &[ADMIN])],
        ),
        of(
            "admin-permission-set",
            by_person(
                "sso",
                "AttachManagedPolicyToPermissionSet",
                json!({"instanceArn": INSTANCE, "permissionSetArn": SET, "managedPolicyArn": ADMIN}),
            ),
        ),
        knowing(
            "admin-account-assignment",
            by_person(
                "sso",
                "CreateAccountAssignment",
                json!({"instanceArn": INSTANCE, "permissionSetArn": SET,
                "targetId": "444455556666", "targetType": "AWS_ACCOUNT", "principalType": "USER",
                "principalId": "90676e1b-3a1f-4c55-9d3e-0c1f7a2b4d5e"}),
            ),
            [(set, State::Holdings(admins))],
        ),
        knowing(
            "grant-content-omitted",
            iam(
                "PutUserPolicy",
                json!({"omitted": true, "reason": "requestParameters too large", "originalSize": 131_072}),
            ),
            [(
                Query::OversizedInlinePolicies { kind: PrincipalKind::User },
                State::HeldPolicies(vec![padded]),
            )],
        ),
        of(
            "grant-content-omitted unread",
            iam(
                "CreatePolicy",
                json!({"omitted": true, "reason": "requestParameters too large", "originalSize": 131_072}),
            ),
        ),
    ]
}

fn of_paths() -> Vec<Fixture> {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999988887777:root"},"Action":"sts:AssumeRole"}]}"#;
    let bedrock = json!({
        "requestParameters": {"userName": "BedrockAPIKey-x1y2", "serviceName": "bedrock.amazonaws.com"},
        "responseElements": {"serviceSpecificCredential": {"serviceSpecificCredentialId": "ACCAEXAMPLE123456789",
            "userName": "BedrockAPIKey-x1y2", "serviceName": "bedrock.amazonaws.com"}}});
    vec![
        knowing(
            "role-trust-opened",
            iam("UpdateAssumeRolePolicy", json!({"roleName": "deploy", "policyDocument": trust})),
            [holds(PrincipalKind::Role, "deploy", &[ADMIN])],
        ),
        of(
            "role-trust-opened unread",
            iam("CreateRole", json!({"roleName": "deploy", "assumeRolePolicyDocument": trust})),
        ),
        knowing(
            "admin-boundary-weakened",
            iam("DeleteRolePermissionsBoundary", json!({"roleName": "deploy"})),
            [holds(PrincipalKind::Role, "deploy", &[ADMIN])],
        ),
        of(
            "admin-guardrail-removed",
            by_person(
                "organizations",
                "DetachPolicy",
                json!({"policyId": "p-0abc1234", "targetId": "r-a1b2"}),
            ),
        ),
        of("admin-service-credential", by_key("iam", "CreateServiceSpecificCredential", bedrock)),
        of(
            "admin-eks-cluster-access",
            by_key(
                "eks",
                "AssociateAccessPolicy",
                json!({"awsRegion": "eu-west-1", "requestParameters": {
                "name": "prod", "principalArn": "arn%3Aaws%3Aiam%3A%3A111122223333%3Auser%2Fbob",
                "accessScope": {"type": "cluster"},
                "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"}}),
            ),
        ),
        knowing(
            "admin-role-passed-to-instance",
            by_key(
                "ec2",
                "AssociateIamInstanceProfile",
                json!({"awsRegion": "eu-west-1",
                "requestParameters": {"AssociateIamInstanceProfileRequest": {
                    "IamInstanceProfile": {"Name": "web"}, "InstanceId": "i-0abc12345678def90"}},
                "responseElements": {"AssociateIamInstanceProfileResponse": {"iamInstanceProfileAssociation": {
                    "associationId": "iip-assoc-0f1e2d3c"}}}}),
            ),
            [
                (Query::InstanceProfile { name: "web".to_owned() }, State::Names(vec!["ops".to_owned()])),
                holds(PrincipalKind::Role, "ops", &[ADMIN]),
            ],
        ),
    ]
}
