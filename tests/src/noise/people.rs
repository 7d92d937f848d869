//! Five people: Ada and Ben administer and develop by Identity Center, Chloe reads, Dan and Emma are IAM users of old.

use serde_json::{Value, json};

use super::MINUTE;
use super::cast::{ACCOUNT, Actor, BROWSER, Log, OFFICE, REGION};

const HOUR: i64 = 60 * MINUTE;

/// Each one's address at home.
const HOMES: [&str; 5] =
    ["198.51.100.101", "198.51.100.102", "198.51.100.103", "198.51.100.104", "198.51.100.105"];

/// Emma's access key, and the one that she rotates it to.
const KEYS: [&str; 2] = ["AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"];

/// One working day of all.
pub(super) fn day(log: &mut Log, midnight: i64, day: i64) {
    if (23..28).contains(&day) {
        frank(log, midnight + 8 * HOUR);
    }
    for (person, home) in HOMES.into_iter().enumerate() {
        // Mondays and Fridays are worked at home.
        let address = if [0, 4].contains(&(day % 7)) { home } else { OFFICE };
        let begin = log.within(midnight + 7 * HOUR, 0..120);
        match person {
            0 => ada(log, begin, day, &Actor::person("AdministratorAccess", "ada@example.com", address)),
            1 => ben(log, begin, day, &Actor::person("PowerUserAccess", "ben@example.com", address)),
            2 => chloe(log, begin, &Actor::person("ReadOnlyAccess", "chloe@example.com", address)),
            3 => dan(log, begin, day, &Actor::user("dan", "ASIAIOSFODNN7EXAMPLE", address).in_console()),
            _ => emma(log, begin, day, &Actor::user("emma", KEYS[usize::from(day >= 9)], address)),
        }
    }
}

/// Frank is new in the fourth week, and deploys for the first time.
fn frank(log: &mut Log, at: i64) {
    let who = Actor::person("PowerUserAccess", "frank@example.com", OFFICE);
    portal(log, at, &who);
    looks(log, at, &who.in_console(), 6);
    let answer = json!({"functionName": "mailer", "role": format!("arn:aws:iam::{ACCOUNT}:role/app-lambda"), "runtime": "python3.13"});
    log.answered(
        at + 3 * HOUR,
        &who,
        "lambda",
        "UpdateFunctionCode20150331v2",
        json!({"functionName": "mailer"}),
        answer,
    );
}

/// A person of Identity Center opens the portal and takes a role.
fn portal(log: &mut Log, at: i64, who: &Actor) {
    let mut person = who.clone();
    person.identity = json!({"type": "IdentityCenterUser", "accountId": ACCOUNT, "onBehalfOf": who.identity["onBehalfOf"],
        "credentialId": "1111aaaa"});
    person.agent = BROWSER.to_owned();
    let fields = json!({"eventType": "AwsServiceEvent", "requestParameters": null,
        "serviceEventDetails": {"account_id": ACCOUNT, "role_name": "work"}});
    log.add(at, &person, "sso", "Authenticate", fields.clone());
    log.add(at + 2_000, &person, "sso", "Federate", fields);
    let request = json!({"role_name": "work", "account_id": ACCOUNT});
    log.add(
        at + 3_000,
        &person,
        "sso",
        "GetRoleCredentials",
        json!({"eventType": "AwsServiceEvent", "serviceEventDetails": request}),
    );
    let sign_in = json!({"eventType": "AwsConsoleSignIn", "requestParameters": null, "responseElements": {"ConsoleLogin": "Success"},
        "additionalEventData": {"MFAUsed": "No", "MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com/"}});
    log.add(
        at + 5_000,
        &Actor { agent: BROWSER.to_owned(), ..who.clone() },
        "signin",
        "ConsoleLogin",
        sign_in,
    );
}

/// Pages of the console that somebody opens.
fn looks(log: &mut Log, from: i64, who: &Actor, pages: i64) {
    const READS: [(&str, &str); 14] = [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeSecurityGroups"),
        ("ec2", "DescribeVolumes"),
        ("s3", "ListBuckets"),
        ("s3", "GetBucketLocation"),
        ("lambda", "ListFunctions20150331"),
        ("monitoring", "DescribeAlarms"),
        ("iam", "ListRoles"),
        ("iam", "ListUsers"),
        ("rds", "DescribeDBInstances"),
        ("ecs", "DescribeServices"),
        ("logs", "DescribeLogGroups"),
        ("health", "DescribeEventAggregates"),
        ("cloudtrail", "LookupEvents"),
    ];
    for _ in 0..pages {
        let at = log.within(from, 0..420);
        for i in 0..4 {
            let (service, name) = READS[log.rng.usize(0..READS.len())];
            match log.rng.u8(0..25) {
                0 => log.refused(at + i * 200, who, service, name, "AccessDenied"),
                _ => log.call(at + i * 200, who, service, name, Value::Null),
            }
        }
    }
}

fn ada(log: &mut Log, at: i64, day: i64, who: &Actor) {
    portal(log, at, who);
    let console = who.in_console();
    looks(log, at, &console, 15);
    let noon = at + 3 * HOUR;
    log.call(
        noon,
        &console,
        "ec2",
        "StopInstances",
        json!({"instancesSet": {"items": [{"instanceId": "i-0test"}]}}),
    );
    log.call(
        noon + HOUR,
        &console,
        "ec2",
        "StartInstances",
        json!({"instancesSet": {"items": [{"instanceId": "i-0test"}]}}),
    );
    log.call(
        noon + 2 * HOUR,
        &console,
        "logs",
        "PutRetentionPolicy",
        json!({"logGroupName": "/ecs/web", "retentionInDays": 90}),
    );
    log.answered(
        noon + 2 * HOUR + MINUTE,
        who,
        "ssm",
        "StartSession",
        json!({"target": "i-0test"}),
        json!({"sessionId": format!("ada@example.com-{day}")}),
    );
    match day {
        // Somebody who is new gets the permission set of developers.
        2 => {
            let request = json!({"instanceArn": "arn:aws:sso:::instance/ssoins-1111", "targetId": ACCOUNT, "targetType": "AWS_ACCOUNT",
                "permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1111/ps-dev", "principalType": "GROUP", "principalId": "b0d4aaaa-1111-2222-3333-444455556666"});
            log.call(noon + 3 * HOUR, &console, "sso", "CreateAccountAssignment", request);
        }
        // A bucket is shared with a partner's account, as was agreed.
        10 => log.call(noon + 3 * HOUR, &console, "s3", "PutBucketPolicy", json!({"bucketName": "shop-exchange", "bucketPolicy":
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
             "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop-exchange/*"}]}})),
        // A user for a partner's software, with a key.
        16 => {
            log.answered(noon + 3 * HOUR, &console, "iam", "CreateUser", json!({"userName": "erp-sync"}),
                json!({"user": {"userName": "erp-sync", "arn": format!("arn:aws:iam::{ACCOUNT}:user/erp-sync")}}));
            log.call(noon + 3 * HOUR + 20_000, &console, "iam", "AttachUserPolicy",
                json!({"userName": "erp-sync", "policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/erp-sync")}));
            log.answered(noon + 3 * HOUR + 40_000, &console, "iam", "CreateAccessKey", json!({"userName": "erp-sync"}),
                json!({"accessKey": {"userName": "erp-sync", "accessKeyId": "AKIAERPEXAMPLE000000", "status": "Active"}}));
        }
        // The office moved, and a group of the bastion follows.
        17 => log.call(noon + 3 * HOUR, &console, "ec2", "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-0bastion",
            "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "ipRanges": {"items": [{"cidrIp": "203.0.113.10/32"}]}}]}})),
        23 => log.call(noon + 3 * HOUR, &console, "ram", "CreateResourceShare", json!({"name": "dns", "allowExternalPrincipals": false,
            "principals": [format!("arn:aws:organizations::{ACCOUNT}:organization/o-exampleorgid")], "resourceArns": []})),
        _ => {}
    }
}

fn ben(log: &mut Log, at: i64, day: i64, who: &Actor) {
    portal(log, at, who);
    let console = who.in_console();
    looks(log, at, &console, 10);
    looks(log, at, who, 8);
    let noon = at + 2 * HOUR;
    // A function that he works on, from the command line and the console.
    let answer = json!({"functionName": "ben-test", "role": format!("arn:aws:iam::{ACCOUNT}:role/app-lambda"), "runtime": "python3.13"});
    for i in 0..3 {
        log.answered(
            noon + i * 20 * MINUTE,
            who,
            "lambda",
            "UpdateFunctionCode20150331v2",
            json!({"functionName": "ben-test"}),
            answer.clone(),
        );
    }
    log.call(noon + HOUR, who, "lambda", "Invoke", json!({"functionName": "ben-test"}));
    log.call(noon + 2 * HOUR, who, "secretsmanager", "GetSecretValue", json!({"secretId": "shop/database"}));
    log.call(
        noon + 2 * HOUR + 30_000,
        who,
        "ssm",
        "PutParameter",
        json!({"name": "/shop/url", "type": "String", "overwrite": true}),
    );
    log.answered(
        noon + 3 * HOUR,
        who,
        "ssm",
        "SendCommand",
        json!({"documentName": "AWS-RunShellScript", "instanceIds": ["i-0test"]}),
        json!({"command": {"commandId": format!("c-{day}")}}),
    );
    log.call(
        noon + 4 * HOUR,
        &console,
        "ecs",
        "ExecuteCommand",
        json!({"cluster": "shop", "task": "t1", "command": "sh", "interactive": true}),
    );
    if day % 7 == 2 {
        let request = json!({"instancesSet": {"items": [{"imageId": "ami-0123456789abcdef0", "minCount": 1, "maxCount": 1}]}, "instanceType": "t3.medium",
            "iamInstanceProfile": {"name": "web"}});
        log.answered(noon + 4 * HOUR, &console, "ec2", "RunInstances", request,
            json!({"instancesSet": {"items": [{"instanceId": format!("i-0ben{day}"), "instanceType": "t3.medium"}]}}));
        log.call(
            noon + 6 * HOUR,
            &console,
            "ec2",
            "TerminateInstances",
            json!({"instancesSet": {"items": [{"instanceId": format!("i-0ben{day}")}]}}),
        );
        log.call(noon + 5 * HOUR, &console, "cloudshell", "CreateSession", json!({"environmentId": "e1"}));
    }
    if day == 9 {
        // The wizard of the console offers to let everybody in by SSH.
        log.answered(
            noon + 4 * HOUR,
            &console,
            "ec2",
            "CreateSecurityGroup",
            json!({"groupName": "launch-wizard-3", "vpcId": "vpc-1"}),
            json!({"groupId": "sg-0wizard"}),
        );
        log.call(
            noon + 4 * HOUR + 2_000,
            &console,
            "ec2",
            "AuthorizeSecurityGroupIngress",
            json!({"groupId": "sg-0wizard",
            "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}),
        );
        log.call(
            noon + 5 * HOUR,
            &console,
            "ec2",
            "RevokeSecurityGroupIngress",
            json!({"groupId": "sg-0wizard",
            "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}),
        );
    }
    if day == 11 {
        // What developers may not do.
        for name in ["CreateRole", "AttachRolePolicy"] {
            log.refused(noon + 5 * HOUR, who, "iam", name, "AccessDenied");
        }
    }
    if day % 7 == 4 {
        log.call(
            noon + 5 * HOUR,
            &console,
            "s3",
            "CreateBucket",
            json!({"bucketName": format!("ben-test-{day}")}),
        );
        log.call(
            noon + 5 * HOUR + MINUTE,
            &console,
            "s3",
            "DeleteBucket",
            json!({"bucketName": format!("ben-test-{day}")}),
        );
        log.call(
            noon + 5 * HOUR,
            &console,
            "dynamodb",
            "DeleteTable",
            json!({"tableName": format!("ben-test-{day}")}),
        );
    }
}

fn chloe(log: &mut Log, at: i64, who: &Actor) {
    portal(log, at, who);
    looks(log, at, &who.in_console(), 20);
}

fn dan(log: &mut Log, at: i64, day: i64, who: &Actor) {
    let sign_in = |mfa: &str, result: &str| {
        json!({"eventType": "AwsConsoleSignIn", "requestParameters": null, "responseElements": {"ConsoleLogin": result},
            "additionalEventData": {"MFAUsed": mfa, "MobileVersion": "No", "LoginTo": "https://console.aws.amazon.com/"}})
    };
    let mut bare = who.clone();
    bare.console = false;
    bare.identity = json!({"type": "IAMUser", "principalId": "AIDADANEXAMPLE", "accountId": ACCOUNT,
        "arn": format!("arn:aws:iam::{ACCOUNT}:user/dan"), "userName": "dan"});
    if day % 7 == 0 {
        // A wrong password on a Monday morning.
        let mut failed = sign_in("No", "Failure");
        failed["errorMessage"] = json!("Failed authentication");
        log.add(at - 30_000, &bare, "signin", "ConsoleLogin", failed);
    }
    log.add(at, &bare, "signin", "ConsoleLogin", sign_in("Yes", "Success"));
    looks(log, at, who, 12);
    let noon = at + 3 * HOUR;
    log.call(
        noon,
        who,
        "monitoring",
        "PutMetricAlarm",
        json!({"alarmName": "shop-latency", "actionsEnabled": true}),
    );
    log.call(
        noon + HOUR,
        who,
        "rds",
        "ModifyDBInstance",
        json!({"dBInstanceIdentifier": "shop", "allocatedStorage": 200, "applyImmediately": true}),
    );
    log.answered(
        noon + HOUR,
        who,
        "rds",
        "CreateDBSnapshot",
        json!({"dBInstanceIdentifier": "shop", "dBSnapshotIdentifier": format!("dan-{day}")}),
        Value::Null,
    );
    log.call(
        noon + 2 * HOUR,
        who,
        "route53",
        "ChangeResourceRecordSets",
        json!({"hostedZoneId": "Z1", "changeBatch": {"changes": [{"action": "UPSERT"}]}}),
    );
    log.call(
        noon + 3 * HOUR,
        who,
        "ec2",
        "CreateTags",
        json!({"resourcesSet": {"items": [{"resourceId": "i-0test"}]}}),
    );
    match day {
        3 => {
            // A role for a new function, by hand.
            let trust = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
            log.call(noon + 4 * HOUR, who, "iam", "CreateRole", json!({"roleName": "report-lambda", "assumeRolePolicyDocument": trust.to_string()}));
            log.call(noon + 4 * HOUR + 20_000, who, "iam", "AttachRolePolicy",
                json!({"roleName": "report-lambda", "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}));
            log.call(noon + 4 * HOUR + 60_000, who, "lambda", "CreateFunction20150331", json!({"functionName": "report",
                "role": format!("arn:aws:iam::{ACCOUNT}:role/report-lambda"), "runtime": "python3.13"}));
        }
        15 => log.call(noon + 4 * HOUR, who, "ec2", "ModifySnapshotAttribute", json!({"snapshotId": "snap-0gold",
            "createVolumePermission": {"add": {"items": [{"userId": "444455556666"}]}}, "attributeType": "CREATE_VOLUME_PERMISSION"})),
        18 => {
            let device = json!({"virtualMFADeviceName": "dan-phone"});
            log.call(noon + 4 * HOUR, who, "iam", "CreateVirtualMFADevice", device);
            let serial = format!("arn:aws:iam::{ACCOUNT}:mfa/dan-phone");
            log.call(noon + 4 * HOUR + 60_000, who, "iam", "EnableMFADevice", json!({"userName": "dan", "serialNumber": serial}));
            log.call(noon + 4 * HOUR + 90_000, who, "iam", "ChangePassword", Value::Null);
        }
        22 => log.call(noon + 4 * HOUR, who, "kms", "ScheduleKeyDeletion", json!({"keyId": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/old"), "pendingWindowInDays": 30})),
        _ => {}
    }
}

fn emma(log: &mut Log, at: i64, day: i64, who: &Actor) {
    looks(log, at, who, 10);
    let noon = at + 2 * HOUR;
    log.call(noon, who, "s3", "PutBucketTagging", json!({"bucketName": "shop-data"}));
    log.call(noon + HOUR, who, "logs", "StartQuery", json!({"logGroupName": "/ecs/web"}));
    let answer = json!({"functionName": "orders", "role": format!("arn:aws:iam::{ACCOUNT}:role/app-lambda"), "runtime": "python3.13"});
    log.answered(
        noon + 2 * HOUR,
        who,
        "lambda",
        "UpdateFunctionConfiguration20150331v2",
        json!({"functionName": "orders", "timeout": 30}),
        answer,
    );
    log.call(
        noon + 3 * HOUR,
        who,
        "sts",
        "AssumeRole",
        json!({"roleArn": format!("arn:aws:iam::{ACCOUNT}:role/developer"), "roleSessionName": "emma"}),
    );
    if day == 8 {
        log.answered(
            noon + 4 * HOUR,
            who,
            "iam",
            "CreateAccessKey",
            json!({"userName": "emma"}),
            json!({"accessKey": {"userName": "emma", "accessKeyId": KEYS[1], "status": "Active"}}),
        );
    }
    if day == 9 {
        log.call(
            noon + 4 * HOUR,
            who,
            "iam",
            "UpdateAccessKey",
            json!({"userName": "emma", "accessKeyId": KEYS[0], "status": "Inactive"}),
        );
        log.call(
            noon + 5 * HOUR,
            who,
            "iam",
            "DeleteAccessKey",
            json!({"userName": "emma", "accessKeyId": KEYS[0]}),
        );
    }
}
