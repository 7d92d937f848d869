//! Who is let in, and who is not: documents of every service that has resource policies.

use serde_json::{Value, json};

use super::*;

const OUT: &str = "999988887777";

fn allow(principal: Value, action: &str, condition: Value) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", "Condition": condition})
}

fn open(action: &str, condition: Value) -> Value {
    allow(json!("*"), action, condition)
}

fn all(service: &str, statements: &Value) -> Vec<Share> {
    let document = Document::from_value(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap();
    shares(&document, service, "111122223333", &["444455556666".to_owned()])
}

/// `everyone`, `999988887777+Network`, `untold`; nothing where nobody comes.
fn told(service: &str, statements: &Value) -> String {
    let one = |share: Share| {
        let who = match share.who {
            Outsider::Everyone => "everyone".to_owned(),
            Outsider::ExternalAccount(account) => account,
            Outsider::Service => format!("service:{:?}", share.reach.unwrap()),
            Outsider::Deleted | Outsider::Untold => "untold".to_owned(),
        };
        share.guard.map_or(who.clone(), |guard| format!("{who}+{guard:?}"))
    };
    all(service, statements).into_iter().map(one).collect::<Vec<_>>().join(" ")
}

/// A Deny for everybody under this condition.
fn deny(condition: Value) -> Value {
    json!({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "*", "Resource": "*", "Condition": condition})
}

fn check(rows: &[(&str, Value, &str)], least: usize) {
    assert!(rows.len() >= least, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (service, statements, expected) in rows {
        let found = told(service, statements);
        if found != *expected {
            wrong.push(format!("{service} {statements}\n  expected {expected:?}, got {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn open_documents() {
    let read = "s3:GetObject";
    let outside = || json!({"AWS": format!("arn:aws:iam::{OUT}:root")});
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    check(
        &[
            ("s3", open(read, json!({})), "everyone"),
            ("s3", allow(json!({"AWS": "*"}), read, json!({})), "everyone"),
            ("s3", allow(json!({"AWS": ["111122223333", "*"]}), read, json!({})), "everyone"),
            ("s3", allow(json!({"*": "*"}), read, json!({})), "everyone"),
            ("s3", allow(outside(), read, json!({})), OUT),
            ("s3", allow(json!({"AWS": OUT}), read, json!({})), OUT),
            (
                "s3",
                allow(json!({"AWS": [OUT, "888877776666"]}), read, json!({})),
                "999988887777 888877776666",
            ),
            (
                "s3",
                allow(json!({"AWS": format!("arn:aws:sts::{OUT}:assumed-role/r/s")}), read, json!({})),
                OUT,
            ),
            ("s3", allow(json!({"AWS": format!("arn:aws-cn:iam::{OUT}:user/x")}), read, json!({})), OUT),
            (
                "s3",
                allow(json!({"CanonicalUser": "79a59df900b949e55d96a1e698fba"}), read, json!({})),
                "untold",
            ),
            ("s3", allow(json!({"AWS": "AIDAEXAMPLEGONE"}), read, json!({})), "untold"),
            ("s3", allow(json!({"Federated": "cognito-identity.amazonaws.com"}), read, json!({})), "untold"),
            (
                "s3",
                json!({"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "*"}),
                "everyone",
            ),
            (
                "s3",
                json!({"Effect": "Allow", "Principal": "*", "NotAction": "s3:Delete*", "Resource": "*"}),
                "everyone",
            ),
            // Conditions that guard nothing.
            ("s3", open(read, json!({"StringLike": {"aws:PrincipalOrgID": "*"}})), "everyone"),
            ("s3", open(read, json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}})), "everyone"),
            (
                "s3",
                open(read, json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456"}})),
                "everyone",
            ),
            (
                "s3",
                open(read, json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-abcd123456"}})),
                "everyone",
            ),
            (
                "s3",
                open(read, json!({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1a2b3c4d"}})),
                "everyone",
            ),
            (
                "s3",
                open(
                    read,
                    json!({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-abcd123456/r-ab12/*"}}),
                ),
                "everyone",
            ),
            ("s3", open(read, json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}})), "everyone"),
            (
                "s3",
                open(read, json!({"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}})),
                "everyone",
            ),
            ("s3", open(read, json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::/0"]}})), "everyone"),
            (
                "s3",
                open(read, json!({"IpAddress": {"aws:SourceIp": ["11.0.0.0/8", "12.0.0.0/8"]}})),
                "everyone",
            ),
            ("s3", open(read, json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})), "everyone"),
            ("s3", open(read, json!({"IpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"}})), "everyone"),
            ("s3", open(read, json!({"StringLike": {"aws:SourceIp": "*"}})), "everyone"),
            ("s3", open(read, json!({"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}})), "everyone"),
            ("s3", open(read, json!({"Bool": {"aws:SecureTransport": "true"}})), "everyone"),
            ("s3", open(read, json!({"StringLike": {"aws:Referer": "https://example.com/*"}})), "everyone"),
            ("s3", open(read, json!({"StringLike": {"aws:SourceVpce": "vpce-*"}})), "everyone"),
            ("s3", open(read, equals("aws:PrincipalTag/team", "data")), "everyone+Tags"),
            // What a Deny with several conditions spares is the union, and one of these spares anybody.
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}))
                ]),
                "everyone",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456", "aws:PrincipalIsAWSService": "false"}}))
                ]),
                "everyone",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456"}, "Null": {"aws:SourceVpc": "true"}}))
                ]),
                "everyone",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456"}, "Bool": {"aws:SecureTransport": "false"}}))
                ]),
                "everyone",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalAccount": "111122223333", "aws:PrincipalTag/exception": "true"}}))
                ]),
                "everyone+Tags",
            ),
            ("s3", open(read, json!({"Null": {"aws:PrincipalOrgID": "false"}})), "everyone"),
            // Whom a condition names comes.
            ("s3", open(read, equals("aws:PrincipalAccount", OUT)), OUT),
            ("s3", open(read, json!({"StringEquals": {"aws:PrincipalAccount": ["111122223333", OUT]}})), OUT),
            (
                "s3",
                open(read, json!({"ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{OUT}:role/*")}})),
                OUT,
            ),
            (
                "s3",
                open(read, json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}})),
                "everyone",
            ),
            // Denies that leave a way.
            (
                "s3",
                json!([open(read, json!({})), {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]),
                "everyone",
            ),
            (
                "s3",
                json!([open("s3:*", json!({})),
                    {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "*"}]),
                "everyone",
            ),
            (
                "s3",
                json!([open(read, json!({})),
                    {"Effect": "Deny", "Principal": {"AWS": OUT}, "Action": "s3:*", "Resource": "*"}]),
                "everyone",
            ),
            (
                "s3",
                json!([open(read, json!({})),
                    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/private/*"}]),
                "everyone",
            ),
            // The other services.
            ("sns", allow(json!({"AWS": "*"}), "SNS:Publish", json!({})), "everyone"),
            ("sns", allow(json!({"AWS": "*"}), "SNS:Subscribe", equals("sns:Protocol", "https")), "everyone"),
            ("sns", allow(json!({"AWS": "*"}), "SNS:Subscribe", equals("AWS:SourceOwner", OUT)), OUT),
            ("sqs", open("sqs:*", json!({})), "everyone"),
            (
                "sqs",
                open("SQS:SendMessage", json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}})),
                "everyone",
            ),
            (
                "sqs",
                open("SQS:SendMessage", json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:*"}})),
                "everyone",
            ),
            (
                "sqs",
                open(
                    "sqs:SendMessage",
                    json!({"ArnEquals": {"aws:SourceArn": format!("arn:aws:sns:us-east-1:{OUT}:t")}}),
                ),
                OUT,
            ),
            ("kms", open("kms:*", json!({})), "everyone"),
            ("kms", open("kms:Decrypt", equals("kms:ViaService", "s3.us-east-1.amazonaws.com")), "everyone"),
            ("kms", open("kms:Decrypt", equals("kms:CallerAccount", OUT)), OUT),
            ("kms", open("kms:Decrypt", json!({"StringLike": {"kms:CallerAccount": "*"}})), "everyone"),
            (
                "kms",
                open("kms:CreateGrant", json!({"Bool": {"kms:GrantIsForAWSResource": true}})),
                "everyone",
            ),
            (
                "ecr",
                json!({"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}),
                "everyone",
            ),
            ("ecr", json!({"Effect": "Allow", "Principal": {"AWS": OUT}, "Action": "ecr:*"}), OUT),
            ("secretsmanager", allow(outside(), "secretsmanager:GetSecretValue", json!({})), OUT),
            ("secretsmanager", open("secretsmanager:*", json!({})), "everyone"),
            ("lambda", open("lambda:InvokeFunction", json!({})), "everyone"),
            (
                "lambda",
                open("lambda:InvokeFunctionUrl", equals("lambda:FunctionUrlAuthType", "NONE")),
                "everyone",
            ),
            (
                "lambda",
                open("lambda:InvokeFunctionUrl", equals("lambda:FunctionUrlAuthType", "AWS_IAM")),
                "everyone",
            ),
            ("es", open("es:ESHttp*", json!({})), "everyone"),
            ("kms", allow(json!({"AWS": "127311923021"}), "kms:Decrypt", json!({})), "127311923021"),
        ],
        60,
    );
}

#[test]
fn harmless_look_alikes() {
    let read = "s3:GetObject";
    let own = "arn:aws:iam::111122223333:root";
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    check(
        &[
            ("s3", allow(json!({"AWS": own}), "s3:*", json!({})), ""),
            ("s3", allow(json!({"AWS": "arn:aws:iam::444455556666:role/vendor"}), read, json!({})), ""),
            ("s3", allow(json!({"Service": "cloudtrail.amazonaws.com"}), "s3:GetBucketAcl", json!({})), ""),
            (
                "s3",
                allow(
                    json!({"Service": "cloudfront.amazonaws.com"}),
                    read,
                    equals("AWS:SourceArn", "arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE"),
                ),
                "",
            ),
            (
                "sqs",
                allow(
                    json!({"Service": "s3.amazonaws.com"}),
                    "sqs:SendMessage",
                    json!({
                    "ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:my-bucket"},
                    "StringEquals": {"aws:SourceAccount": "111122223333"}}),
                ),
                "",
            ),
            (
                "s3",
                allow(
                    json!({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"}),
                    read,
                    json!({}),
                ),
                "",
            ),
            ("s3", allow(json!({"AWS": "arn:aws:iam::127311923021:root"}), "s3:PutObject", json!({})), ""),
            ("s3", deny(json!({"Bool": {"aws:SecureTransport": "false"}})), ""),
            ("s3", open(read, equals("aws:PrincipalAccount", "111122223333")), ""),
            ("s3", open(read, equals("aws:PrincipalOrgID", "${aws:ResourceOrgID}")), ""),
            // `StringEquals` takes an asterisk for an asterisk, and a range for text: nobody is called so.
            ("s3", open(read, equals("aws:PrincipalOrgID", "*")), ""),
            ("s3", open(read, json!({"StringEquals": {"aws:SourceIp": "203.0.113.0/24"}})), ""),
            (
                "s3",
                open(read, json!({"StringEquals": {"aws:SourceAccount": ["111122223333", "444455556666"]}})),
                "",
            ),
            ("s3", open("s3:*", equals("s3:DataAccessPointAccount", "111122223333")), "everyone+AccessPoint"),
            (
                "s3",
                open(read, json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}})),
                "",
            ),
            ("s3", json!([open(read, json!({})), deny(json!({}))]), ""),
            (
                "s3",
                json!([open(read, json!({})),
                    {"Effect": "Deny", "NotPrincipal": {"AWS": own}, "Action": "s3:*", "Resource": "*"}]),
                "",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({"StringNotEquals": {"aws:PrincipalAccount": "111122223333"},
                    "Bool": {"aws:PrincipalIsAWSService": "false"}}))
                ]),
                "",
            ),
            ("sns", allow(json!({"AWS": "*"}), "SNS:Publish", equals("AWS:SourceOwner", "111122223333")), ""),
            (
                "sqs",
                open(
                    "sqs:SendMessage",
                    json!({"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:t"}}),
                ),
                "",
            ),
            ("kms", allow(json!({"AWS": own}), "kms:*", json!({})), ""),
            (
                "kms",
                allow(
                    json!({"AWS": "*"}),
                    "kms:Decrypt",
                    json!({"StringEquals": {"kms:CallerAccount": "111122223333",
                        "kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
                ),
                "",
            ),
            (
                "ecr",
                json!({"Effect": "Allow", "Principal": {"AWS": [own, "444455556666"]}, "Action": "ecr:*"}),
                "",
            ),
            ("secretsmanager", allow(json!({"AWS": own}), "secretsmanager:*", json!({})), ""),
            ("s3", open(read, equals("aws:VpceAccount", "111122223333")), ""),
        ],
        20,
    );
}

#[test]
fn a_deny_keeps_out_whose_account_cannot_be_told() {
    let read = "s3:GetObject";
    let deny = |principal: Value, action: &str, condition: Value| json!({"Effect": "Deny", "Principal": principal, "Action": action, "Resource": "*", "Condition": condition});
    let user = || json!({"CanonicalUser": "79a59df900b949e55d96a1e698fba"});
    let tls = || json!({"Bool": {"aws:SecureTransport": "false"}});
    let service = || json!({"Bool": {"aws:PrincipalIsAWSService": "false"}});
    check(
        &[
            ("s3", json!([allow(user(), read, json!({})), deny(json!("*"), "s3:*", json!({}))]), ""),
            ("s3", json!([allow(user(), read, json!({})), deny(user(), read, json!({}))]), ""),
            ("s3", json!([allow(user(), read, json!({})), deny(json!("*"), "s3:*", service())]), ""),
            ("s3", json!([allow(user(), read, json!({})), deny(json!("*"), "s3:*", tls())]), "untold"),
            (
                "s3",
                json!([allow(user(), read, json!({})), deny(json!("*"), "s3:PutObject", json!({}))]),
                "untold",
            ),
            (
                "s3",
                json!([allow(user(), read, json!({})), deny(json!({"AWS": OUT}), read, json!({}))]),
                "untold",
            ),
            (
                "s3",
                json!([
                    allow(json!({"AWS": "AROAEXAMPLEEXAMPLE"}), read, json!({})),
                    deny(json!("*"), "s3:*", json!({}))
                ]),
                "",
            ),
        ],
        7,
    );
}

#[test]
fn a_deny_of_some_actions_leaves_the_others() {
    let read_and_write = json!({
        "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "Resource": "*"
    });
    let deny = |actions: Value, condition: Value| {
        json!({"Effect": "Deny", "Principal": "*", "Action": actions,
        "Resource": "*", "Condition": condition})
    };
    let unless_ours = || json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456"}});
    let put = || deny(json!("S3:Put*"), json!({}));
    for (denies, expected) in [
        (vec![], "everyone s3:GetObject,s3:PutObject,s3:ListBucket"),
        (vec![put()], "everyone s3:GetObject,s3:ListBucket"),
        (vec![put(), deny(json!("s3:GetObject"), json!({})), deny(json!("s3:List*"), json!({}))], ""),
        (vec![put(), deny(json!(["s3:GetObject", "s3:ListBucket"]), json!({}))], ""),
        (
            vec![deny(json!("s3:GetObject"), unless_ours())],
            "everyone+Organization s3:GetObject; everyone s3:PutObject,s3:ListBucket",
        ),
        (
            vec![deny(json!("s3:GetObject"), unless_ours()), deny(json!("s3:*"), unless_ours())],
            "everyone+Organization s3:GetObject; everyone+Organization s3:PutObject,s3:ListBucket",
        ),
        // Some of what a wildcard stands for is not all of it.
        (vec![deny(json!("s3:Get?bject"), json!({})), put()], "everyone s3:ListBucket"),
        (vec![deny(json!("s3:GetObjectAcl"), json!({}))], "everyone s3:GetObject,s3:PutObject,s3:ListBucket"),
    ] {
        let statements: Vec<Value> = std::iter::once(read_and_write.clone()).chain(denies).collect();
        let one = |share: Share| {
            let guard = share.guard.map(|guard| format!("+{guard:?}")).unwrap_or_default();
            format!("everyone{guard} {}", share.actions.join(","))
        };
        let found = all("s3", &Value::Array(statements.clone())).into_iter().map(one).collect::<Vec<_>>();
        assert_eq!(found.join("; "), expected, "{statements:?}");
    }
}

#[test]
fn a_deny_of_objects_covers_what_is_done_with_objects() {
    let (bucket, objects) = ("arn:aws:s3:::b", "arn:aws:s3:::b/*");
    let verdict = |allowed: Value, denied: Value, on: Value| {
        let statements = json!([
            {"Effect": "Allow", "Principal": "*", "Action": allowed, "Resource": [bucket, objects]},
            {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": on},
        ]);
        let shares = all("s3", &statements);
        shares.into_iter().flat_map(|share| share.actions).collect::<Vec<_>>().join(" ")
    };
    let both = || json!(["s3:GetObject", "s3:ListBucket"]);
    for (allowed, denied, on, expected) in [
        (both(), json!("s3:*"), json!(objects), "s3:ListBucket"),
        (both(), json!("s3:*"), json!(bucket), "s3:GetObject"),
        (both(), json!("s3:*"), json!([bucket, objects]), ""),
        (both(), json!("s3:*"), json!("arn:aws:s3:::b*"), ""),
        (both(), json!("s3:*"), json!("arn:aws:s3:::b/private/*"), "s3:GetObject s3:ListBucket"),
        (json!("s3:PutBucketObjectLockConfiguration"), json!("s3:*"), json!(bucket), ""),
        (json!("s3:AbortMultipartUpload"), json!("s3:*"), json!(objects), ""),
        (json!("s3:ListBucketMultipartUploads"), json!("s3:*"), json!(bucket), ""),
        // A wildcard stands for calls of either kind.
        (json!("s3:Get*"), json!("s3:*"), json!(objects), "s3:Get*"),
    ] {
        assert_eq!(verdict(allowed.clone(), denied, on.clone()), expected, "{allowed} {on}");
    }
}

#[test]
fn long_lists_are_read_in_no_time() {
    let many = |name: &str| (0..20_000).map(|i| format!("s3:{name}{i}*")).collect::<Vec<_>>();
    let statements = json!([
        {"Effect": "Allow", "Principal": "*", "Action": many("Get"), "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": many("Put"), "Resource": "*"},
    ]);
    let begin = std::time::Instant::now();
    assert_eq!(told("s3", &statements), "everyone");
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn values_are_read_as_the_operator_reads_them() {
    let read = "s3:GetObject";
    check(
        &[
            (
                "s3",
                open(read, json!({"StringEqualsIgnoreCase": {"aws:PrincipalOrgID": "O-ABCD123456"}})),
                "everyone+Organization",
            ),
            (
                "s3",
                open(read, json!({"StringEqualsIgnoreCase": {"aws:SourceVpce": "VPCE-1A2B3C4D"}})),
                "everyone+Vpc",
            ),
            ("s3", open(read, json!({"StringEquals": {"aws:SourceVpce": "VPCE-1A2B3C4D"}})), ""),
            ("s3", open(read, json!({"StringLike": {"aws:SourceIp": "203.0.113.*"}})), "everyone+Addresses"),
            ("s3", open(read, json!({"StringLike": {"aws:SourceIp": "203.0.113.?"}})), "everyone+Addresses"),
            ("s3", open(read, json!({"StringLike": {"aws:SourceIp": "*"}})), "everyone"),
            ("s3", open(read, json!({"StringEquals": {"aws:SourceIp": "203.0.113.*"}})), ""),
        ],
        7,
    );
}

#[test]
fn where_credentials_came_from_says_whose_they_are() {
    let read = |operator: &str, key: &str, value: &str| open("s3:GetObject", json!({operator: {key: value}}));
    let instance = |account: &str| format!("arn:aws:ec2:us-east-1:{account}:instance/*");
    check(
        &[
            ("s3", read("ArnLike", "ec2:SourceInstanceARN", &instance("111122223333")), ""),
            ("s3", read("ArnLike", "ec2:SourceInstanceARN", &instance("444455556666")), ""),
            ("s3", read("ArnLike", "ec2:SourceInstanceARN", &instance(OUT)), OUT),
            ("s3", read("ArnLike", "ec2:SourceInstanceARN", &instance("*")), "everyone"),
            ("s3", read("ArnLikeIfExists", "ec2:SourceInstanceARN", &instance("111122223333")), "everyone"),
            (
                "s3",
                read(
                    "ArnEquals",
                    "lambda:SourceFunctionArn",
                    "arn:aws:lambda:us-east-1:111122223333:function:f",
                ),
                "",
            ),
            (
                "s3",
                read("StringEquals", "aws:FederatedProvider", "arn:aws:iam::111122223333:saml-provider/x"),
                "",
            ),
            (
                "s3",
                read("StringEquals", "aws:FederatedProvider", "cognito-identity.amazonaws.com"),
                "everyone",
            ),
            ("s3", read("StringEquals", "aws:Ec2InstanceSourceVpc", "vpc-1a2b3c4d"), "everyone+Vpc"),
            // Every instance that comes through an endpoint of its own VPC.
            ("s3", read("StringEquals", "aws:Ec2InstanceSourceVpc", "${aws:SourceVpc}"), "everyone"),
        ],
        10,
    );
}

#[test]
fn services_that_act_for_anybody() {
    let service = |name: &str| json!({"Service": name});
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    let trail = "arn:aws:cloudtrail:*:111122223333:trail/*";
    check(
        &[
            ("s3", allow(service("cloudtrail.amazonaws.com"), "s3:PutObject", json!({})), "service:Use"),
            ("s3", allow(service("cloudfront.amazonaws.com"), "s3:GetObject", json!({})), "service:Read"),
            ("s3", allow(service("b2bi.amazonaws.com"), "s3:*", json!({})), "service:Own"),
            ("sns", allow(service("s3.amazonaws.com"), "SNS:Publish", json!({})), "service:Use"),
            (
                "lambda",
                allow(service("sns.amazonaws.com"), "lambda:InvokeFunction", json!({})),
                "service:Use",
            ),
            (
                "secretsmanager",
                allow(service("appflow.amazonaws.com"), "secretsmanager:GetSecretValue", json!({})),
                "service:Read",
            ),
            (
                "s3",
                allow(
                    service("personalize.amazonaws.com"),
                    "s3:GetObject",
                    equals("aws:SourceOrgID", "o-abcd123456"),
                ),
                "service:Read+Organization",
            ),
            (
                "s3",
                open("s3:GetObject", json!({"Bool": {"aws:PrincipalIsAWSService": "true"}})),
                "service:Read",
            ),
            (
                "s3",
                open("s3:GetObject", equals("aws:PrincipalServiceName", "cloudfront.amazonaws.com")),
                "service:Read",
            ),
            // What binds them to an account, or leaves nothing to gain.
            (
                "s3",
                open(
                    "s3:GetObject",
                    json!({"Bool": {"aws:PrincipalIsAWSService": "true"}, "StringEquals": {"aws:SourceAccount": "111122223333"}}),
                ),
                "",
            ),
            (
                "s3",
                allow(
                    service("personalize.amazonaws.com"),
                    "s3:GetObject",
                    equals("aws:SourceAccount", "111122223333"),
                ),
                "",
            ),
            (
                "s3",
                allow(
                    service("personalize.amazonaws.com"),
                    "s3:GetObject",
                    equals("aws:SourceAccount", "444455556666"),
                ),
                "",
            ),
            (
                "sns",
                allow(
                    service("s3.amazonaws.com"),
                    "SNS:Publish",
                    equals("aws:SourceArn", "arn:aws:s3:::my-bucket"),
                ),
                "",
            ),
            (
                "kms",
                allow(
                    service("cloudtrail.amazonaws.com"),
                    "kms:GenerateDataKey*",
                    json!({"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trail}}),
                ),
                "",
            ),
            ("kms", allow(service("cloudtrail.amazonaws.com"), "kms:DescribeKey", json!({})), ""),
            ("kms", allow(service("cloudwatch.amazonaws.com"), "kms:Decrypt", json!({})), "service:Use"),
            (
                "lambda",
                allow(
                    service("alexa-connectedhome.amazon.com"),
                    "lambda:InvokeFunction",
                    equals("lambda:EventSourceToken", "amzn1.ask.skill.example"),
                ),
                "",
            ),
            // The network of the file system.
            (
                "elasticfilesystem",
                open(
                    "elasticfilesystem:ClientMount",
                    json!({"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}),
                ),
                "",
            ),
            ("elasticfilesystem", open("elasticfilesystem:ClientMount", json!({})), "everyone"),
            (
                "s3",
                json!([
                    allow(service("cloudfront.amazonaws.com"), "s3:GetObject", json!({})),
                    json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
                        "Condition": {"StringNotEquals": {"aws:SourceAccount": "111122223333"}}})
                ]),
                "",
            ),
        ],
        17,
    );
}

#[test]
fn guarded_documents() {
    let read = "s3:GetObject";
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    check(
        &[
            ("s3", open(read, equals("aws:PrincipalOrgID", "o-abcd123456")), "everyone+Organization"),
            (
                "s3",
                open(
                    read,
                    json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-abcd123456/r-ab12/ou-x/*"}}),
                ),
                "everyone+Organization",
            ),
            ("s3", open(read, equals("AWS:sourceorgid", "o-abcd123456")), "everyone+Organization"),
            ("s3", open(read, equals("aws:SourceVpce", "vpce-1a2b3c4d")), "everyone+Vpc"),
            ("s3", open(read, equals("aws:SourceVpc", "vpc-1a2b3c4d")), "everyone+Vpc"),
            (
                "s3",
                open(read, json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})),
                "everyone+Addresses",
            ),
            (
                "s3",
                open(read, json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.168.0.0/16"]}})),
                "everyone+Network",
            ),
            (
                "s3",
                open(read, json!({"StringLike": {"aws:userid": "AROAEXAMPLEID:*"}})),
                "everyone+Principals",
            ),
            (
                "sns",
                open("SNS:Publish", json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::my-bucket"}})),
                "everyone+Source",
            ),
            (
                "sqs",
                open("SQS:SendMessage", json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:my-bucket"}})),
                "everyone+Source",
            ),
            (
                "s3",
                allow(
                    json!({"Service": "cloudfront.amazonaws.com"}),
                    read,
                    json!({"StringEquals":
                    {"AWS:SourceArn": format!("arn:aws:cloudfront::{OUT}:distribution/E1EXAMPLE")}}),
                ),
                "999988887777+Source",
            ),
            (
                "s3",
                allow(
                    json!({"Service": "delivery.logs.amazonaws.com"}),
                    "s3:PutObject",
                    json!({"StringEquals":
                    {"aws:SourceAccount": ["111122223333", OUT]}}),
                ),
                "999988887777+Source",
            ),
            (
                "sqs",
                open("sqs:SendMessage", json!({"Bool": {"aws:PrincipalIsAWSService": "true"}})),
                "service:Use",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}))
                ]),
                "everyone+Addresses",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-abcd123456"},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}))
                ]),
                "everyone+Organization",
            ),
            (
                "s3",
                allow(json!({"AWS": OUT}), read, json!({"IpAddress": {"aws:SourceIp": "203.0.113.7/32"}})),
                "999988887777+Addresses",
            ),
            // What a Deny with several conditions spares is the union, and as weak as its weakest part.
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "NotIpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"},
                "StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}))
                ]),
                "everyone+Addresses",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalOrgID": "o-abcd123456", "aws:PrincipalAccount": "111122223333"},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}))
                ]),
                "everyone+Organization",
            ),
            (
                "s3",
                json!([
                    open(read, json!({})),
                    deny(json!({
                "StringNotEquals": {"aws:PrincipalAccount": ["111122223333", OUT]}, "StringNotEqualsIfExists":
                {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/app"}}))
                ]),
                OUT,
            ),
        ],
        19,
    );
}

#[test]
fn sentences_word_for_word() {
    let why = |service: &str, statement: Value| {
        all(service, &statement).into_iter().map(|share| share.why()).collect::<Vec<_>>().join("; ")
    };
    for (service, statement, expected) in [
        ("s3", open("s3:Get*", json!({})), "statement 1 lets anybody on the internet read its objects"),
        ("kms", open("kms:*", json!({})), "statement 1 lets anybody with an AWS account do anything with it"),
        (
            "sqs",
            allow(json!({"AWS": OUT}), "sqs:GetQueueUrl", json!({})),
            "statement 1 lets outside account 999988887777 call sqs:GetQueueUrl",
        ),
        (
            "lambda",
            open("lambda:InvokeFunctionUrl", json!({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})),
            "statement 1 lets anybody on the internet call its URL",
        ),
        (
            "s3",
            json!({"Sid": "Org", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-abcd123456"}}}),
            "statement \"Org\" lets anybody in organization o-abcd123456 read its objects and write objects, \
             as far as a condition on aws:PrincipalOrgID allows",
        ),
    ] {
        assert_eq!(why(service, statement), expected);
    }
}

#[test]
fn actions_are_matched_as_iam_matches_them() {
    let share = &all("s3", &open("S3:get*", json!({})))[0];
    assert!(share.allows("s3:GetObject") && !share.allows("s3:PutObject"));
    let without =
        json!({"Effect": "Allow", "Principal": "*", "NotAction": "s3:DeleteObject", "Resource": "*"});
    assert!(all("s3", &without)[0].allows("s3:PutObject"));
}
