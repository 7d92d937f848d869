//! What the account of the mix answers when it is asked.

use keepwatch_core::state::{
    Answer, Fact, Holdings, PolicyText, PrincipalKind, Query, RoleFacts, Value as Known,
};
use serde_json::json;

use super::cast::ACCOUNT;

const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Roles, users and groups that are administrators.
const ADMINS: [&str; 5] =
    ["AWSReservedSSO_AdministratorAccess_0123456789abcdef", "cfn-exec", "terraform", "dan", "ops"];

/// What is true of the account, all four weeks long.
pub(super) fn answer(query: &Query) -> Answer {
    match query {
        Query::Principal { name, .. } => {
            let managed = match name.as_str() {
                name if ADMINS.contains(&name) => ADMIN.to_owned(),
                name if name.contains("ReadOnlyAccess") || name == "scanner" => {
                    "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()
                }
                name if name.contains("PowerUserAccess") => {
                    "arn:aws:iam::aws:policy/PowerUserAccess".to_owned()
                }
                name => format!("arn:aws:iam::{ACCOUNT}:policy/{name}"),
            };
            Fact::Known(Known::Holdings(Holdings { managed: vec![managed], ..Holdings::default() }))
        }
        Query::ManagedPolicy { arn, .. } => match arn.contains(ACCOUNT) {
            true => Fact::Known(Known::Policy(PolicyText { name: "work".to_owned(), text: ordinary() })),
            // AWS's own are known by name.
            false => Fact::Unavailable("AWS's own policies are known by name".to_owned()),
        },
        Query::InlinePolicy { policy, .. } => {
            Fact::Known(Known::Policy(PolicyText { name: policy.clone(), text: ordinary() }))
        }
        Query::Role { name } => {
            let service = if name.contains("lambda") { "lambda" } else { "ecs-tasks" };
            let trust = json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": format!("{service}.amazonaws.com")}}]});
            let trust = PolicyText { name: name.clone(), text: trust.to_string() };
            Fact::Known(Known::Role(RoleFacts { trust, created: None }))
        }
        Query::InstanceProfile { name } => Fact::Known(Known::Names(vec![name.clone()])),
        Query::GroupMembers { .. } => Fact::Known(Known::Names(vec!["emma".to_owned()])),
        Query::GroupsOf { user } => {
            Fact::Known(Known::Names(if user == "dan" { vec!["ops".to_owned()] } else { Vec::new() }))
        }
        Query::PolicyHolders { .. } => {
            Fact::Known(Known::Principals(vec![(PrincipalKind::Role, "app-lambda".to_owned())]))
        }
        Query::Assigned { .. } => Fact::Known(Known::Names(Vec::new())),
        _ => Fact::Unavailable("nobody knows".to_owned()),
    }
}

/// What an application needs.
fn ordinary() -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::shop-data/*"},
        {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"},
    ]})
    .to_string()
}
