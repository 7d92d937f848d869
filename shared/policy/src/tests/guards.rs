//! Conditions that guard a grant, and those that only look as if they did. AWS's delegation guides ask for most of them (IAM
//! user guide, "Permissions boundaries for IAM entities" and "Grant a user permissions to pass a role to an AWS service").

use keepwatch_base::time::Timestamp;
use serde_json::{Value, json};

use crate::{Document, Gives, Grantee, Held, Level, analyse};

const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const OF_THE_TEAM: &str = "arn:aws:iam::111122223333:role/team-*";

fn level_for(statements: &Value, grantee: Grantee<'_>) -> Level {
    let text = json!({"Version": "2012-10-17", "Statement": statements});
    let document = Document::from_value(&text).unwrap();
    analyse(&[Held::inline("p", &document)], grantee).level
}

fn level(statements: &Value) -> Level {
    let at = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    level_for(statements, Grantee { arn: Some(BOB), at: Some(at) })
}

fn escalates(statements: &Value) -> bool {
    level(statements) >= Level::PrivilegeEscalation
}

fn bounded() -> Value {
    json!({"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111122223333:policy/limit"}})
}

/// Whoever makes roles under a boundary, and what else they may do.
fn delegated(resource: &str, more: &[Value]) -> Value {
    let mut all = vec![json!({
        "Effect": "Allow", "Action": ["iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy"],
        "Resource": resource, "Condition": bounded(),
    })];
    all.extend(more.iter().cloned());
    Value::Array(all)
}

#[test]
fn a_boundary_that_stays_is_a_guard() {
    for resource in ["*", OF_THE_TEAM] {
        let alone = delegated(resource, &[]);
        assert!(!escalates(&alone), "{alone}");
        let elsewhere = json!({
            "Effect": "Allow", "Action": "iam:DeleteRolePermissionsBoundary",
            "Resource": "arn:aws:iam::111122223333:role/other-*",
        });
        assert!(resource == "*" || !escalates(&delegated(resource, &[elsewhere])));
        let denied = [
            json!({"Effect": "Allow", "Action": "iam:*PermissionsBoundary", "Resource": resource}),
            json!({"Effect": "Deny", "Action": "iam:*PermissionsBoundary", "Resource": "*"}),
        ];
        assert!(!escalates(&delegated(resource, &denied)), "{resource}");
        // To replace it by itself changes nothing.
        let same = json!({
            "Effect": "Allow", "Action": "iam:PutRolePermissionsBoundary", "Resource": resource, "Condition": bounded(),
        });
        assert!(!escalates(&delegated(resource, &[same])), "{resource}");
    }
}

#[test]
fn a_boundary_that_its_holder_can_take_off_is_none() {
    for resource in ["*", OF_THE_TEAM] {
        for action in ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:*Boundary"]
        {
            let lifts = json!({"Effect": "Allow", "Action": action, "Resource": resource});
            let all = delegated(resource, &[lifts]);
            assert!(escalates(&all), "{all}");
        }
        // The boundary itself can be rewritten.
        let rewrites = json!({
            "Effect": "Allow", "Action": "iam:CreatePolicyVersion", "Resource": "arn:aws:iam::111122223333:policy/limit",
        });
        let all = delegated(resource, &[rewrites]);
        assert!(escalates(&all), "{all}");
        // Under a condition that asks for the very boundary, to take it off is still to take it off.
        let asked = json!({
            "Effect": "Allow", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": resource, "Condition": bounded(),
        });
        assert!(escalates(&delegated(resource, &[asked])), "{resource}");
    }
}

#[test]
fn what_can_never_be_met_gives_nothing() {
    for condition in [
        json!({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
        json!({"DateLessThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}, "Null": {"aws:TokenIssueTime": "false"}}),
        json!({"NumericLessThan": {"aws:EpochTime": "1577836800"}}),
        json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/alice"}}),
        json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}),
        json!({"StringEquals": {"aws:PrincipalAccount": "999988887777"}}),
        json!({"StringEquals": {"aws:username": "alice"}}),
        json!({"StringEquals": {"aws:PrincipalType": "AssumedRole"}}),
        json!({"Null": {"aws:PrincipalArn": "true"}}),
        json!({"Null": {"aws:MultiFactorAuthAge": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}),
        json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}),
        json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
        json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}, "StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}),
    ] {
        let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]);
        assert_eq!(level(&all), Level::Ordinary, "{all}");
    }
}

#[test]
fn what_can_be_met_takes_nothing_away() {
    for condition in [
        json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}),
        json!({"DateLessThanIfExists": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}}),
        // Years that no text of ISO 8601 has, and numbers to which one more is nothing.
        json!({"DateLessThan": {"aws:CurrentTime": "253402300800"}}),
        json!({"DateLessThan": {"aws:EpochTime": "9223372036854775807"}}),
        json!({"DateGreaterThan": {"aws:CurrentTime": "253402300800"}, "DateLessThan": {"aws:CurrentTime": "253402387200"}}),
        json!({"DateEquals": {"aws:CurrentTime": "2030-01-01T00:00:00.5Z"}}),
        json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "100000000000000000"}}),
        json!({"NumericGreaterThan": {"aws:MultiFactorAuthAge": "100000000000000000"}}),
        json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}),
        json!({"StringEquals": {"aws:PrincipalAccount": "111122223333"}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"StringLike": {"aws:username": "b*"}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-abcd123456"}}),
        json!({"Null": {"aws:PrincipalArn": "false"}}),
        json!({"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}),
    ] {
        let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]);
        assert_eq!(level(&all), Level::FullAdmin, "{all}");
    }
}

#[test]
fn without_a_time_every_date_is_possible() {
    let condition = json!({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}});
    let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]);
    assert_eq!(level_for(&all, Grantee { arn: Some(BOB), at: None }), Level::FullAdmin);
}

#[test]
fn a_role_that_goes_to_one_resource_of_a_given_name_goes_nowhere_else() {
    let with = |run: &[&str], key: &str, value: &Value| {
        json!([
            {"Effect": "Allow", "Action": run, "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"ArnLike": {key: value}}},
        ])
    };
    let functions = ["lambda:CreateFunction", "lambda:InvokeFunction"];
    let key = "iam:AssociatedResourceArn";
    let confined = json!("arn:aws:lambda:us-east-1:111122223333:function:report");
    assert!(!escalates(&with(&functions, key, &json!("arn:aws:ec2:us-east-1:111122223333:instance/i-0abc"))));
    assert!(!escalates(&with(&functions, key, &confined)));
    assert!(escalates(&with(&functions, key, &json!("arn:aws:lambda:*:111122223333:function:*"))));
    // What the service is handed is confined as well.
    let handed = |action: &[&str], key: &str, value: &str| {
        json!([
            {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"ArnLike": {key: value}}},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
        ])
    };
    let (profile, any) =
        ("arn:aws:iam::111122223333:instance-profile/web", "arn:aws:iam::*:instance-profile/*");
    assert!(!escalates(&handed(&["ec2:RunInstances"], "ec2:InstanceProfile", profile)));
    assert!(escalates(&handed(&["ec2:RunInstances"], "ec2:InstanceProfile", any)));
    let (role, any) = ("arn:aws:iam::111122223333:role/stacks", "arn:aws:iam::111122223333:role/*");
    assert!(!escalates(&handed(&["cloudformation:CreateStack"], "cloudformation:RoleArn", role)));
    assert!(escalates(&handed(&["cloudformation:CreateStack"], "cloudformation:RoleArn", any)));
}

#[test]
fn before_2012_variables_are_text() {
    let own = "arn:aws:iam::111122223333:user/${aws:username}";
    let text = |version: &str| {
        let text = json!({"Version": version, "Statement": {"Effect": "Allow", "Action": "iam:PutUserPolicy", "Resource": own}});
        let document = Document::from_value(&text).unwrap();
        analyse(&[Held::inline("p", &document)], Some(BOB)).level
    };
    assert_eq!(text("2012-10-17"), Level::PrivilegeEscalation);
    assert_eq!(text("2008-10-17"), Level::Ordinary);
}

#[test]
fn a_deny_of_all_but_some_leaves_those() {
    let left = |allowed: &str, spared: Value| {
        let text = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": allowed},
            {"Effect": "Deny", "Action": "iam:*", "NotResource": spared},
        ]});
        let document = Document::from_value(&text).unwrap();
        let grant = analyse(&[Held::inline("p", &document)], Some(BOB));
        let named = grant.reasons.into_iter().find_map(|reason| match reason.gives {
            Gives::Named { targets, .. } => Some(targets.join(" ")),
            _ => None,
        });
        named.unwrap_or_default().replace("arn:aws:iam::111122223333:", "")
    };
    let user = |name: &str| format!("arn:aws:iam::*:user/{name}");
    for (allowed, spared, expected) in [
        ("*", json!(user("svc-*")), "user/svc-*"),
        ("*", json!([user("svc-*"), user("app-*")]), "user/app-* user/svc-*"),
        (&user("svc-a*"), json!(user("svc-*")), "user/svc-a*"),
        // What two patterns share may be neither of them.
        (&user("*-prod"), json!(user("svc-*")), "user/*-prod"),
        (&user("app-*"), json!(user("svc-*")), ""),
        // A key for oneself is self-service.
        ("*", json!(user("${aws:username}")), ""),
        ("*", json!(user("bob")), ""),
        ("*", json!("arn:aws:iam::*:role/app"), ""),
    ] {
        assert_eq!(left(allowed, spared.clone()), expected, "{allowed} {spared}");
    }
}
