//! What works day and night: scaling, backups, a scanner, a pipeline, Terraform, provisioning of people, rotation.

use serde_json::{Value, json};

use super::MINUTE;
use super::cast::{ACCOUNT, Actor, Log, REGION};

const HOUR: i64 = 60 * MINUTE;

/// One day of all machines; `day` counts from the first Monday.
pub(super) fn day(log: &mut Log, midnight: i64, day: i64) {
    scaling(log, midnight);
    backups(log, midnight, day);
    scanner(log, midnight);
    application(log, midnight);
    rotation(log, midnight, day);
    detectors(log, midnight, day);
    if day % 7 < 5 {
        for run in 0..6 {
            let at = log.within(midnight + 8 * HOUR, run * 90..run * 90 + 60);
            pipeline(log, at, day * 6 + run);
        }
        provisioning(log, midnight, day);
        plan(log, midnight + 9 * HOUR);
        if day % 7 == 1 || day % 7 == 3 {
            apply(log, midnight + 14 * HOUR, day);
        }
    }
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn scaling(log: &mut Log, midnight: i64) {
    let scaling = Actor::service("autoscaling", "AWSServiceRoleForAutoScaling");
    for hour in [7, 8, 12, 17, 18, 22] {
        let at = log.within(midnight + hour * HOUR, 0..50);
        let request = json!({
            "instancesSet": {"items": [{"minCount": 1, "maxCount": 1}]}, "instanceType": "m7g.large",
            "iamInstanceProfile": {"name": "web"},
            "launchTemplate": {"launchTemplateId": "lt-0a1b2c3d4e5f60718", "version": "7"},
        });
        let answer = json!({"instancesSet": {"items": [{"instanceId": format!("i-0{:016x}", at), "instanceType": "m7g.large"}]}});
        log.answered(at, &scaling, "ec2", "RunInstances", request, answer);
        log.call(
            at + HOUR,
            &scaling,
            "ec2",
            "TerminateInstances",
            json!({"instancesSet": {"items": [{"instanceId": format!("i-0{:016x}", at)}]}}),
        );
        let alarms =
            Actor::service("application-autoscaling", "AWSServiceRoleForApplicationAutoScaling_ECSService");
        log.call(
            at + MINUTE,
            &alarms,
            "monitoring",
            "PutMetricAlarm",
            json!({"alarmName": "TargetTracking-service/shop/web-AlarmHigh-1", "actionsEnabled": true}),
        );
        log.call(
            at + 2 * MINUTE,
            &alarms,
            "ecs",
            "UpdateService",
            json!({"cluster": "shop", "service": "web", "desiredCount": 4}),
        );
    }
}

fn backups(log: &mut Log, midnight: i64, day: i64) {
    let backup = Actor::role(
        "/service-role/",
        "AWSBackupDefaultServiceRole",
        "AWSBackup",
        "backup.amazonaws.com",
        "backup.amazonaws.com",
    );
    let mut backup = backup;
    backup.identity["invokedBy"] = json!("backup.amazonaws.com");
    for volume in 0..5 {
        let at = log.within(midnight + 2 * HOUR, 0..50);
        let answer = json!({"snapshotId": format!("snap-0{:015x}{volume}", at)});
        log.answered(
            at,
            &backup,
            "ec2",
            "CreateSnapshot",
            json!({"volumeId": format!("vol-0{volume}")}),
            answer,
        );
        // What was taken five weeks ago has had its time.
        log.call(
            at + HOUR,
            &backup,
            "ec2",
            "DeleteSnapshot",
            json!({"snapshotId": format!("snap-old-{day}-{volume}")}),
        );
    }
    let at = log.within(midnight + 3 * HOUR, 0..50);
    log.call(
        at,
        &backup,
        "rds",
        "CreateDBSnapshot",
        json!({"dBInstanceIdentifier": "shop", "dBSnapshotIdentifier": format!("awsbackup:job-{day}")}),
    );
    log.call(
        at + HOUR,
        &backup,
        "rds",
        "DeleteDBSnapshot",
        json!({"dBSnapshotIdentifier": format!("awsbackup:job-old-{day}")}),
    );
    let fields = json!({"eventType": "AwsServiceEvent", "requestParameters": null,
        "serviceEventDetails": {"backupJobId": format!("job-{day}"), "state": "COMPLETED"}});
    log.add(at + 2 * HOUR, &backup, "backup", "BackupJobCompleted", fields);
}

/// A scanner of a vendor's: it reads everything four times a day, and some of it is refused.
fn scanner(log: &mut Log, midnight: i64) {
    let scanner =
        Actor::role("/", "scanner", "posture-scan", "192.0.2.44", "Boto3/1.40.1 md/Botocore#1.40.1");
    let reads = [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeSecurityGroups"),
        ("ec2", "DescribeSnapshots"),
        ("ec2", "DescribeVolumes"),
        ("s3", "GetBucketAcl"),
        ("s3", "GetBucketPolicy"),
        ("s3", "GetBucketEncryption"),
        ("s3", "ListBuckets"),
        ("iam", "ListUsers"),
        ("iam", "ListRoles"),
        ("iam", "GetAccountSummary"),
        ("iam", "GetAccountPasswordPolicy"),
        ("iam", "ListAttachedRolePolicies"),
        ("iam", "ListAccessKeys"),
        ("iam", "GetAccountAuthorizationDetails"),
        ("iam", "GenerateCredentialReport"),
        ("iam", "GetCredentialReport"),
        ("lambda", "ListFunctions20150331"),
        ("lambda", "GetPolicy20150331v2"),
        ("rds", "DescribeDBInstances"),
        ("kms", "ListKeys"),
        ("kms", "GetKeyPolicy"),
        ("cloudtrail", "DescribeTrails"),
        ("cloudtrail", "GetTrailStatus"),
        ("guardduty", "ListDetectors"),
        ("securityhub", "GetFindings"),
        ("config", "DescribeConfigurationRecorders"),
        ("sqs", "GetQueueAttributes"),
        ("secretsmanager", "ListSecrets"),
        ("ssm", "DescribeParameters"),
        ("sts", "GetCallerIdentity"),
        ("ec2", "DescribeInstanceAttribute"),
        ("organizations", "DescribeOrganization"),
        ("elasticloadbalancing", "DescribeLoadBalancers"),
    ];
    for hour in [1, 7, 13, 19] {
        let begin = log.within(midnight + hour * HOUR, 0..20);
        let vendor = Actor {
            identity: json!({"type": "AWSAccount", "principalId": "AROAVENDOREXAMPLE:scan", "accountId": "777788889999"}),
            ..scanner.clone()
        };
        let request =
            json!({"roleArn": role("scanner"), "roleSessionName": "posture-scan", "externalId": "shop-1234"});
        log.call(begin, &vendor, "sts", "AssumeRole", request);
        for i in 0..200 {
            let (service, name) = reads[log.rng.usize(0..reads.len())];
            let at = begin + i * 1_500;
            match log.rng.u8(0..10) {
                0 => log.refused(at, &scanner, service, name, "AccessDenied"),
                1 => log.refused(
                    at,
                    &scanner,
                    "ec2",
                    "DescribeVpcEndpointServices",
                    "Client.UnauthorizedOperation",
                ),
                _ => log.call(
                    at,
                    &scanner,
                    service,
                    name,
                    json!({"bucketName": "shop-data", "userName": "emma"}),
                ),
            }
        }
    }
}

/// What the shop itself does all day.
fn application(log: &mut Log, midnight: i64) {
    let (web, job) = (
        Actor::role("/", "web", "i-0123456789abcdef0", "198.51.100.20", "aws-sdk-java/2.31.1"),
        Actor::role("/service-role/", "app-lambda", "orders", "198.51.100.21", "aws-sdk-rust/1.8"),
    );
    for hour in 0..24 {
        let at = log.within(midnight + hour * HOUR, 0..59);
        log.call(at, &web, "kms", "GenerateDataKey", json!({"keyId": "alias/shop"}));
        log.call(at + 1_000, &job, "kms", "Decrypt", json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}));
        log.call(at + 2_000, &web, "secretsmanager", "GetSecretValue", json!({"secretId": "shop/database"}));
        log.call(
            at + 3_000,
            &job,
            "ssm",
            "GetParameters",
            json!({"names": ["/shop/url"], "withDecryption": true}),
        );
        log.call(
            at + 4_000,
            &job,
            "logs",
            "CreateLogStream",
            json!({"logGroupName": "/aws/lambda/orders", "logStreamName": "x"}),
        );
        let service = Actor {
            identity: json!({"type": "AWSService", "invokedBy": "ecs-tasks.amazonaws.com"}),
            address: "ecs-tasks.amazonaws.com".to_owned(),
            ..web.clone()
        };
        log.call(
            at + 5_000,
            &service,
            "sts",
            "AssumeRole",
            json!({"roleArn": role("web"), "roleSessionName": "task"}),
        );
        let vended = json!({"retiringPrincipal": "dynamodb.eu-central-1.amazonaws.com", "granteePrincipal": "dynamodb.eu-central-1.amazonaws.com",
            "operations": ["Encrypt", "Decrypt", "DescribeKey"], "keyId": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/1")});
        if hour == 4 {
            log.answered(
                at + 6_000,
                &web,
                "kms",
                "CreateGrant",
                vended,
                json!({"grantId": format!("g{at}")}),
            );
        }
    }
}

/// Keys and secrets that rotate by themselves.
fn rotation(log: &mut Log, midnight: i64, day: i64) {
    let service = Actor {
        identity: json!({"type": "AWSService", "invokedBy": "secretsmanager.amazonaws.com"}),
        address: "secretsmanager.amazonaws.com".to_owned(),
        ..Actor::service("secretsmanager", "AWSServiceRole")
    };
    let rotator = Actor::role("/service-role/", "rotate-lambda", "rotate", "198.51.100.22", "Boto3/1.40.1");
    if day % 7 == 6 {
        for (i, secret) in ["shop/database", "shop/payment", "shop/mail"].iter().enumerate() {
            let at = midnight + 3 * HOUR + i as i64 * MINUTE;
            log.call(at, &service, "secretsmanager", "RotateSecret", json!({"secretId": secret}));
            for (j, name) in
                ["GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"].iter().enumerate()
            {
                log.call(
                    at + 5_000 * (j as i64 + 1),
                    &rotator,
                    "secretsmanager",
                    name,
                    json!({"secretId": secret}),
                );
            }
        }
    }
    if day == 9 {
        let kms =
            Actor { identity: json!({"type": "AWSService", "invokedBy": "kms.amazonaws.com"}), ..service };
        log.add(midnight + 5 * HOUR, &kms, "kms", "RotateKey",
            json!({"eventType": "AwsServiceEvent", "requestParameters": null, "serviceEventDetails": {"keyId": "1"}}));
    }
}

/// The pipeline of the repository, by GitHub's tokens: an image, functions, a service, a stack.
fn pipeline(log: &mut Log, at: i64, run: i64) {
    let session = format!("GitHubActions-{run}");
    let ci = Actor::role(
        "/",
        "gha-deploy",
        &session,
        &format!("192.0.2.{}", 100 + run % 100),
        "aws-cli/2.34.5 exec-env/github-actions",
    );
    let github = Actor {
        identity: json!({"type": "WebIdentityUser", "userName": "repo:octo-org/shop:ref:refs/heads/main",
            "principalId": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com:sts.amazonaws.com:repo:octo-org/shop:ref:refs/heads/main",
            "identityProvider": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}),
        ..ci.clone()
    };
    log.call(
        at,
        &github,
        "sts",
        "AssumeRoleWithWebIdentity",
        json!({"roleArn": role("gha-deploy"), "roleSessionName": session}),
    );
    log.call(
        at + 20_000,
        &ci,
        "ecr",
        "PutImage",
        json!({"repositoryName": "web", "imageTag": format!("v{run}")}),
    );
    for function in ["orders", "mailer", "thumbnails"] {
        let request = json!({"functionName": function, "publish": true, "dryRun": false});
        let answer = json!({"functionName": function, "role": role("app-lambda"), "runtime": "python3.13",
            "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}")});
        log.answered(at + 40_000, &ci, "lambda", "UpdateFunctionCode20150331v2", request, answer.clone());
        log.answered(
            at + 45_000,
            &ci,
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            json!({"functionName": function, "environment": {}}),
            answer,
        );
    }
    let task = json!({"family": "web", "taskRoleArn": role("web"), "executionRoleArn": role("ecs-execution"), "cpu": "512",
        "containerDefinitions": [{"name": "web", "image": format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web:v{run}")}]});
    log.call(at + 60_000, &ci, "ecs", "RegisterTaskDefinition", task);
    log.call(
        at + 65_000,
        &ci,
        "ecs",
        "UpdateService",
        json!({"cluster": "shop", "service": "web", "taskDefinition": format!("web:{run}")}),
    );
    if run % 3 == 0 {
        let stack = json!({"stackName": "shop-api", "changeSetName": format!("c{run}"), "roleARN": role("cfn-exec"),
            "capabilities": ["CAPABILITY_IAM"]});
        log.call(at + 80_000, &ci, "cloudformation", "CreateChangeSet", stack);
        log.call(
            at + 95_000,
            &ci,
            "cloudformation",
            "ExecuteChangeSet",
            json!({"stackName": "shop-api", "changeSetName": format!("c{run}")}),
        );
        let stack = Actor::role(
            "/",
            "cfn-exec",
            "AWSCloudFormation",
            "cloudformation.amazonaws.com",
            "cloudformation.amazonaws.com",
        )
        .by_stack();
        let name = format!("shop-api-fn{run}-lambda");
        log.call(
            at + 110_000,
            &stack,
            "iam",
            "CreateRole",
            json!({"roleName": name, "path": "/",
            "assumeRolePolicyDocument": trust("lambda.amazonaws.com")}),
        );
        log.call(
            at + 112_000,
            &stack,
            "iam",
            "PutRolePolicy",
            json!({"roleName": name, "policyName": "work",
            "policyDocument": work()}),
        );
        log.call(
            at + 114_000,
            &stack,
            "iam",
            "AttachRolePolicy",
            json!({"roleName": name,
            "policyArn": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}),
        );
        log.call(
            at + 120_000,
            &stack,
            "lambda",
            "CreateFunction20150331",
            json!({"functionName": format!("fn{run}"), "role": role(&name), "runtime": "python3.13"}),
        );
        log.call(
            at + 125_000,
            &stack,
            "lambda",
            "AddPermission20150331v2",
            json!({"functionName": format!("fn{run}"),
            "statementId": "api", "action": "lambda:InvokeFunction", "principal": "apigateway.amazonaws.com",
            "sourceArn": format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:a1b2c3/*/GET/x")}),
        );
        log.call(
            at + 130_000,
            &stack,
            "apigateway",
            "UpdateRestApi",
            json!({"restApiId": "a1b2c3", "patchOperations":
            [{"op": "replace", "path": "/description", "value": "shop"}]}),
        );
    }
}

fn trust(service: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service},
        "Action": "sts:AssumeRole"}]})
    .to_string()
}

fn work() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
        "Resource": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders")}]}).to_string()
}

/// People, groups and members that the company's directory brings to Identity Center (IAM Identity Center user guide,
/// "Logging IAM Identity Center SCIM API calls with CloudTrail").
fn provisioning(log: &mut Log, midnight: i64, day: i64) {
    let mut scim = Actor::role("/", "scim", "scim", "198.51.100.77", "okta-scim/1.0");
    scim.identity = json!({"type": "WebIdentityUser", "accountId": ACCOUNT, "accessKeyId": "f1b2c3d4-1111-2222-3333-444455556666"});
    let at = log.within(midnight + 6 * HOUR, 0..50);
    let (user, group) =
        (format!("a0c3{day:04}-1111-2222-3333-444455556666"), "b0d4aaaa-1111-2222-3333-444455556666");
    let body = json!({"userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "active": true});
    log.answered(
        at,
        &scim,
        "identitystore-scim",
        "CreateUser",
        json!({"httpBody": body, "tenantId": "t-1"}),
        json!({"httpBody": {"id": user}}),
    );
    log.call(
        at + 3_000,
        &scim,
        "identitystore-scim",
        "PatchUser",
        json!({"httpBody": {"active": true}, "id": user, "tenantId": "t-1"}),
    );
    let add = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": user}]}]});
    log.call(
        at + 6_000,
        &scim,
        "identitystore-scim",
        "PatchGroup",
        json!({"httpBody": add, "id": group, "tenantId": "t-1"}),
    );
    log.call(at + 9_000, &scim, "identitystore-scim", "ListGroups", json!({"tenantId": "t-1"}));
}

/// What AWS's own detectors say on an ordinary day.
fn detectors(log: &mut Log, midnight: i64, day: i64) {
    let at = log.within(midnight + 4 * HOUR, 0..50);
    for i in 0..8 {
        let failed = json!({"findings": [{
            "SchemaVersion": "2018-10-08", "AwsAccountId": ACCOUNT, "Region": REGION, "RecordState": "ACTIVE",
            "Id": format!("arn:aws:securityhub:{REGION}:{ACCOUNT}:security-control/S3.9/finding/{i}"),
            "ProductArn": format!("arn:aws:securityhub:{REGION}::product/aws/securityhub"), "GeneratorId": "security-control/S3.9",
            "Title": "S3 general purpose buckets should have server access logging enabled", "Severity": {"Label": "MEDIUM"},
            "Compliance": {"Status": "FAILED", "SecurityControlId": "S3.9"}, "Workflow": {"Status": "NEW"},
            "Resources": [{"Type": "AwsS3Bucket", "Id": format!("arn:aws:s3:::shop-{i}")}],
        }]});
        log.envelope(at + i * 1_000, "aws.securityhub", "Security Hub Findings - Imported", failed);
    }
    for (i, kind) in ["NON_COMPLIANT", "COMPLIANT"].iter().enumerate() {
        let detail = json!({"configRuleName": "required-tags", "awsAccountId": ACCOUNT, "awsRegion": REGION, "resourceType": "AWS::EC2::Instance",
            "resourceId": format!("i-0{day}"), "newEvaluationResult": {"complianceType": kind}, "messageType": "ComplianceChangeNotification"});
        log.envelope(at + (i as i64 + 1) * HOUR, "aws.config", "Config Rules Compliance Change", detail);
    }
    // A port scan of the load balancer's machines, as everybody on the internet has them; and once something to look at.
    let (name, severity) = if day == 18 {
        ("UnauthorizedAccess:EC2/SSHBruteForce", 5)
    } else {
        ("Recon:EC2/PortProbeUnprotectedPort", 2)
    };
    if [1, 4].contains(&(day % 7)) {
        let detail = json!({"schemaVersion": "2.0", "accountId": ACCOUNT, "region": REGION, "id": format!("gd-{day}"), "type": name,
            "severity": severity, "resource": {"resourceType": "Instance", "instanceDetails": {"instanceId": "i-0test"}},
            "service": {"serviceName": "guardduty", "count": 4, "archived": false}, "title": "i-0test is probed", "description": "It is probed."});
        log.envelope(at, "aws.guardduty", "GuardDuty Finding", detail);
    }
}

fn terraform() -> Actor {
    Actor::role(
        "/",
        "terraform",
        "terraform-cloud",
        "192.0.2.60",
        "APN/1.0 HashiCorp/1.0 Terraform/1.14.0 (+https://www.terraform.io) terraform-provider-aws/6.20.0",
    )
}

fn plan(log: &mut Log, at: i64) {
    let who = terraform();
    for i in 0..80 {
        let (service, name) = [
            ("ec2", "DescribeVpcs"),
            ("iam", "GetRole"),
            ("iam", "GetPolicyVersion"),
            ("s3", "GetBucketPolicy"),
            ("lambda", "GetFunction20150331v2"),
            ("kms", "DescribeKey"),
            ("rds", "DescribeDBInstances"),
            ("iam", "ListRolePolicies"),
        ][usize::try_from(i % 8).unwrap_or_default()];
        log.call(at + i * 700, &who, service, name, Value::Null);
    }
}

/// What Terraform changes twice a week.
fn apply(log: &mut Log, at: i64, day: i64) {
    let who = terraform();
    let name = format!("svc-{day}");
    let mut t = at;
    let mut call = |service: &str, event: &str, request: Value, answer: Value| {
        t += 4_000;
        log.answered(t, &who, service, event, request, answer);
    };
    call(
        "iam",
        "CreateRole",
        json!({"roleName": name, "path": "/", "assumeRolePolicyDocument": trust("ecs-tasks.amazonaws.com")}),
        Value::Null,
    );
    call(
        "iam",
        "CreatePolicy",
        json!({"policyName": name, "policyDocument": work()}),
        json!({"policy": {"arn": format!("arn:aws:iam::{ACCOUNT}:policy/{name}")}}),
    );
    call(
        "iam",
        "AttachRolePolicy",
        json!({"roleName": name, "policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/{name}")}),
        Value::Null,
    );
    call(
        "iam",
        "CreatePolicyVersion",
        json!({"policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/app-lambda"),
        "policyDocument": work(), "setAsDefault": true}),
        json!({"policyVersion": {"versionId": "v4", "isDefaultVersion": true}}),
    );
    let bucket = format!("shop-{name}");
    call("s3", "CreateBucket", json!({"bucketName": bucket}), Value::Null);
    call(
        "s3",
        "PutBucketPublicAccessBlock",
        json!({"bucketName": bucket, "PublicAccessBlockConfiguration":
        {"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true}}),
        Value::Null,
    );
    call(
        "s3",
        "PutBucketPolicy",
        json!({"bucketName": bucket, "bucketPolicy": {"Version": "2012-10-17", "Statement": [
        {"Sid": "tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{bucket}/*"),
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}}),
        Value::Null,
    );
    call(
        "s3",
        "PutBucketEncryption",
        json!({"bucketName": bucket, "ServerSideEncryptionConfiguration":
        {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}}}),
        Value::Null,
    );
    call(
        "s3",
        "PutBucketVersioning",
        json!({"bucketName": bucket, "VersioningConfiguration": {"Status": "Enabled"}}),
        Value::Null,
    );
    call(
        "s3",
        "PutBucketLifecycle",
        json!({"bucketName": bucket, "LifecycleConfiguration": {"Rule": {"ID": "old", "Status": "Enabled",
        "Expiration": {"Days": 365}, "Prefix": ""}}}),
        Value::Null,
    );
    let group = format!("sg-0{day:016x}");
    call(
        "ec2",
        "CreateSecurityGroup",
        json!({"groupName": name, "vpcId": "vpc-1"}),
        json!({"groupId": group}),
    );
    call(
        "ec2",
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": group, "ipPermissions": {"items": [{"ipProtocol": "tcp",
        "fromPort": 443, "toPort": 443, "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]}}]}}),
        Value::Null,
    );
    call(
        "sqs",
        "CreateQueue",
        json!({"queueName": name, "attributes": {"SqsManagedSseEnabled": "true"}}),
        json!({"queueUrl": format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")}),
    );
    call(
        "sqs",
        "SetQueueAttributes",
        json!({"queueUrl": format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"), "attributes":
        {"Policy": json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:orders")}}}]}).to_string()}}),
        Value::Null,
    );
    call(
        "kms",
        "CreateKey",
        json!({"policy": json!({"Statement": [{"Sid": "own", "Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"}]}).to_string()}),
        json!({"keyMetadata": {"keyId": format!("k-{day}"), "arn": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/k-{day}")}}),
    );
    call("logs", "CreateLogGroup", json!({"logGroupName": format!("/ecs/{name}")}), Value::Null);
    call(
        "logs",
        "PutRetentionPolicy",
        json!({"logGroupName": format!("/ecs/{name}"), "retentionInDays": 90}),
        Value::Null,
    );
    call(
        "monitoring",
        "PutMetricAlarm",
        json!({"alarmName": format!("{name}-errors"), "actionsEnabled": true}),
        Value::Null,
    );
    call(
        "events",
        "PutRule",
        json!({"name": name, "scheduleExpression": "rate(1 hour)", "state": "ENABLED"}),
        Value::Null,
    );
    call(
        "events",
        "PutTargets",
        json!({"rule": name, "targets": [{"id": "1", "arn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")}]}),
        Value::Null,
    );
    call(
        "lambda",
        "AddPermission20150331v2",
        json!({"functionName": "orders", "statementId": name, "action": "lambda:InvokeFunction",
        "principal": "events.amazonaws.com", "sourceArn": format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}")}),
        Value::Null,
    );
    call(
        "ecr",
        "SetRepositoryPolicy",
        json!({"repositoryName": "web", "policyText": json!({"Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:role/gha-deploy")}, "Action": "ecr:*"}]}).to_string()}),
        Value::Null,
    );
    call(
        "route53",
        "ChangeResourceRecordSets",
        json!({"hostedZoneId": "Z1", "changeBatch": {"changes": [{"action": "UPSERT"}]}}),
        Value::Null,
    );
    if day % 14 == 3 {
        // Clearing up what is no longer used.
        call(
            "iam",
            "DetachRolePolicy",
            json!({"roleName": "svc-old", "policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/svc-old")}),
            Value::Null,
        );
        call(
            "iam",
            "DeletePolicy",
            json!({"policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/svc-old")}),
            Value::Null,
        );
        call("iam", "DeleteRole", json!({"roleName": "svc-old"}), Value::Null);
        call("ec2", "DeleteSecurityGroup", json!({"groupId": "sg-0old"}), Value::Null);
        call("monitoring", "DeleteAlarms", json!({"alarmNames": ["svc-old-errors"]}), Value::Null);
        call("logs", "DeleteLogGroup", json!({"logGroupName": "/ecs/svc-old"}), Value::Null);
        call("s3", "DeleteBucket", json!({"bucketName": "shop-svc-old"}), Value::Null);
        call(
            "sqs",
            "DeleteQueue",
            json!({"queueUrl": format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/svc-old")}),
            Value::Null,
        );
    }
    if day == 8 {
        // The shop's load balancer is meant for everybody.
        call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            json!({"groupId": "sg-0alb", "ipPermissions": {"items": [{"ipProtocol": "tcp",
            "fromPort": 443, "toPort": 443, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}),
            Value::Null,
        );
    }
}
