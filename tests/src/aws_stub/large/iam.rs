//! IAM: users, groups, roles and policies, and the credential report.

use std::fmt::Write as _;

use keepwatch_aws::runtime::now;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::call::{Call, xml};
use super::contents::{ACCOUNT, Size, arn, days_ago};
use crate::http::Response;

/// Answers a call.
pub(super) fn answer(size: &Size, call: &Call) -> Response {
    let inner = match call.name.as_str() {
        "GetAccountSummary" => {
            let entry = |(key, value): (&str, usize)| {
                format!("<entry><key>{key}</key><value>{value}</value></entry>")
            };
            let all = [
                ("AccountMFAEnabled", 1),
                ("AccountPasswordPresent", 1),
                ("AccountAccessKeysPresent", 0),
                ("Users", size.users),
            ];
            format!("<SummaryMap>{}</SummaryMap>", all.map(entry).concat())
        }
        "GenerateCredentialReport" => "<State>COMPLETE</State>".to_owned(),
        "GetCredentialReport" => {
            format!(
                "<Content>{}</Content><GeneratedTime>{}</GeneratedTime>",
                base64(report(size).as_bytes()),
                now()
            )
        }
        "GetAccountAuthorizationDetails" => authorization(size, call),
        "ListVirtualMFADevices" => {
            let page = call.page(size.users / 2, 100);
            let mut items = String::new();
            for number in page.items {
                let user = user_name(number * 2);
                let _ = write!(
                    items,
                    "<member><SerialNumber>arn:aws:iam::{ACCOUNT}:mfa/{user}</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate>\
                     <User><Path>/</Path><UserName>{user}</UserName><UserId>AIDA{number:016}</UserId><Arn>{}</Arn>\
                     <CreateDate>2025-01-01T00:00:00Z</CreateDate></User></member>",
                    arn("user", &user)
                );
            }
            format!("<VirtualMFADevices>{items}</VirtualMFADevices>{}", more(page.next))
        }
        "ListMFADevices" => {
            let user = call.form("UserName");
            format!(
                "<IsTruncated>false</IsTruncated><MFADevices><member><UserName>{user}</UserName><SerialNumber>arn:aws:iam::{ACCOUNT}:mfa/{user}</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate></member></MFADevices>"
            )
        }
        "ListAccessKeys" => {
            let user = call.form("UserName");
            let number: usize =
                user.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default();
            format!(
                "<IsTruncated>false</IsTruncated><AccessKeyMetadata><member><UserName>{user}</UserName><AccessKeyId>AKIA{number:016}</AccessKeyId><Status>Active</Status><CreateDate>{}</CreateDate></member></AccessKeyMetadata>",
                days_ago(key_age(number))
            )
        }
        "ListSAMLProviders" => "<SAMLProviderList/>".to_owned(),
        "ListOpenIDConnectProviders" => "<OpenIDConnectProviderList/>".to_owned(),
        "GetAccountPasswordPolicy" => return iam_error(404, "NoSuchEntity"),
        "ListOrganizationsFeatures" => {
            return iam_error(400, "AccountNotManagementOrDelegatedAdministratorException");
        }
        _ => return iam_error(403, "AccessDenied"),
    };
    xml(
        200,
        format!(
            "<{0}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{0}Result>{inner}</{0}Result></{0}Response>",
            call.name
        ),
    )
}

/// The credential report. Every second user has a password, and every third of those no MFA; every second has a key.
fn report(size: &Size) -> String {
    let mut text = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,\
        mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
        access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
        access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,\
        cert_2_last_rotated\n".to_owned();
    let _ = writeln!(
        text,
        "<root_account>,arn:aws:iam::{ACCOUNT}:root,2020-01-01T00:00:00+00:00,not_supported,2026-01-01T00:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
    );
    for number in 0..size.users {
        let (name, made) = (user_name(number), days_ago(300));
        let password = match number % 2 {
            0 => format!("true,{},{},N/A,{}", days_ago(3), days_ago(60), number % 6 != 0),
            _ => "false,N/A,N/A,N/A,false".to_owned(),
        };
        let key = match number % 4 {
            0 | 1 => format!("true,{},{},us-east-1,s3", days_ago(key_age(number)), days_ago(1)),
            _ => "false,N/A,N/A,N/A,N/A".to_owned(),
        };
        let _ = writeln!(
            text,
            "{name},{},{made},{password},{key},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
            arn("user", &name)
        );
    }
    text
}

/// Users, then groups, roles and policies, in one list, whose pages are as long as was asked for.
fn authorization(size: &Size, call: &Call) -> String {
    let counts = [size.users, size.groups(), size.roles(), size.policies()];
    let longest = call.form("MaxItems").parse().unwrap_or(100);
    let page = call.page(counts.iter().sum(), longest);
    let mut lists = [const { String::new() }; 4];
    for item in page.items {
        let (mut kind, mut number) = (0, item);
        while number >= counts[kind] {
            number -= counts[kind];
            kind += 1;
        }
        lists[kind] += &match kind {
            0 => user(size, number),
            1 => group(number),
            2 => role(number),
            _ => policy(number),
        };
    }
    let [users, groups, roles, policies] = lists;
    format!(
        "<UserDetailList>{users}</UserDetailList><GroupDetailList>{groups}</GroupDetailList><RoleDetailList>{roles}</RoleDetailList>\
         <Policies>{policies}</Policies>{}",
        more(page.next)
    )
}

/// A user in three groups. Every tenth has an inline policy, every fiftieth is an administrator.
fn user(size: &Size, number: usize) -> String {
    let name = user_name(number);
    let mut groups = String::new();
    for group in 0..3 {
        let _ = write!(groups, "<member>{}</member>", group_name((number + 7 * group) % size.groups()));
    }
    let inline = match number % 10 {
        3 => format!(
            "<member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member>",
            document(number, 3)
        ),
        _ => String::new(),
    };
    let managed = if number.is_multiple_of(50) {
        attached("AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess")
    } else {
        String::new()
    };
    format!(
        "<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{number:016}</UserId><Arn>{}</Arn>\
         <CreateDate>2025-01-01T00:00:00Z</CreateDate><GroupList>{groups}</GroupList><UserPolicyList>{inline}</UserPolicyList>\
         <AttachedManagedPolicies>{managed}</AttachedManagedPolicies><Tags><member><Key>team</Key><Value>team-{}</Value></member>\
         <member><Key>cost-center</Key><Value>{}</Value></member></Tags></member>",
        arn("user", &name),
        number % 17,
        number % 97
    )
}

fn group(number: usize) -> String {
    let name = group_name(number);
    format!(
        "<member><Path>/</Path><GroupName>{name}</GroupName><GroupId>AGPA{number:016}</GroupId><Arn>{}</Arn><CreateDate>2025-01-01T00:00:00Z</CreateDate>\
         <GroupPolicyList><member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member></GroupPolicyList>\
         <AttachedManagedPolicies>{}</AttachedManagedPolicies></member>",
        arn("group", &name),
        document(number, 4),
        attached(&policy_name(number), &arn("policy", &policy_name(number)))
    )
}

fn role(number: usize) -> String {
    let name = format!("role-of-application-{number:05}");
    let trust = encoded(
        &json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}),
    );
    let used = days_ago(if number.is_multiple_of(5) { 200 } else { 2 });
    format!(
        "<member><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{number:016}</RoleId><Arn>{}</Arn><CreateDate>2025-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument><InstanceProfileList><member><InstanceProfileName>{name}</InstanceProfileName></member></InstanceProfileList>\
         <RolePolicyList><member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member></RolePolicyList>\
         <AttachedManagedPolicies>{}</AttachedManagedPolicies><RoleLastUsed><LastUsedDate>{used}</LastUsedDate><Region>us-east-1</Region></RoleLastUsed></member>",
        arn("role", &name),
        document(number, 5),
        attached(&policy_name(number / 2), &arn("policy", &policy_name(number / 2)))
    )
}

/// A customer managed policy: IAM tells all its versions with their text, of which there are five at most.
fn policy(number: usize) -> String {
    let name = policy_name(number);
    let mut versions = String::new();
    for version in 1..=3 {
        let _ = write!(
            versions,
            "<member><Document>{}</Document><VersionId>v{version}</VersionId><IsDefaultVersion>{}</IsDefaultVersion><CreateDate>2025-01-01T00:00:00Z</CreateDate></member>",
            document(number, 10),
            version == 3
        );
    }
    format!(
        "<member><PolicyName>{name}</PolicyName><PolicyId>ANPA{number:016}</PolicyId><Arn>{}</Arn><Path>/</Path><DefaultVersionId>v3</DefaultVersionId>\
         <AttachmentCount>2</AttachmentCount><IsAttachable>true</IsAttachable><PolicyVersionList>{versions}</PolicyVersionList></member>",
        arn("policy", &name)
    )
}

fn attached(name: &str, arn: &str) -> String {
    format!("<member><PolicyName>{name}</PolicyName><PolicyArn>{arn}</PolicyArn></member>")
}

/// A policy of so many statements of some 250 characters, encoded as IAM does.
fn document(number: usize, statements: usize) -> String {
    let statement = |part: usize| {
        json!({
            "Sid": format!("Statement{part}"),
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "dynamodb:GetItem", "dynamodb:Query", "sqs:SendMessage"],
            "Resource": [format!("arn:aws:s3:::bucket-{number}-{part}/*"), format!("arn:aws:dynamodb:*:{ACCOUNT}:table/table-{number}")],
        })
    };
    encoded(
        &json!({"Version": "2012-10-17", "Statement": (0..statements).map(statement).collect::<Vec<_>>()}),
    )
}

fn encoded(document: &Value) -> String {
    utf8_percent_encode(&document.to_string(), NON_ALPHANUMERIC).to_string()
}

fn more(next: Option<usize>) -> String {
    match next {
        Some(next) => format!("<IsTruncated>true</IsTruncated><Marker>{next}</Marker>"),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    }
}

/// As RFC 4648 has it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn iam_error(status: u16, code: &str) -> Response {
    xml(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>by the stub</Message></Error></ErrorResponse>"
        ),
    )
}

fn user_name(number: usize) -> String {
    format!("person.number-{number:05}")
}

/// Every eighth user has an old key.
fn key_age(number: usize) -> u64 {
    if number % 8 < 2 { 200 } else { 30 }
}

fn group_name(number: usize) -> String {
    format!("group-of-people-{number:03}")
}

fn policy_name(number: usize) -> String {
    format!("policy-of-application-{number:05}")
}
