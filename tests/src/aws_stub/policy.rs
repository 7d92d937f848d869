//! Tables that one role alone may write to, and the STS that gives it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Form;
use super::dynamodb::Refusal;
use crate::http::Request;

/// The access key that STS gives for a role.
const OF_ROLE: &str = "ASIAIOSFODNN7EXAMPLE";

/// Which role writes to which table.
#[derive(Debug, Default)]
pub(super) struct Guards {
    roles: HashMap<String, String>,
    /// Nobody is given a role.
    pub(super) refusing: bool,
    /// Nobody may look at a table's policy.
    pub(super) hidden: bool,
}

impl Guards {
    pub(super) fn set(&mut self, table: &str, role: &str) {
        self.roles.insert(table.to_owned(), role.to_owned());
    }

    /// The answer where it depends on a policy, or is about one; `None` where the table's items are meant.
    pub(super) fn answer(&self, operation: &str, request: &Request) -> Option<Result<Value, Refusal>> {
        let asked: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let named = asked["TableName"].as_str().or_else(|| asked["ResourceArn"].as_str()).unwrap_or_default();
        let table = named.rsplit('/').next().unwrap_or_default();
        let role = self.roles.get(table);
        match operation {
            "DescribeTable" | "GetResourcePolicy" if self.hidden => Some(Err(Refusal::denied())),
            "DescribeTable" => {
                let arn = format!("arn:aws:dynamodb:eu-west-1:111122223333:table/{table}");
                Some(Ok(json!({"Table": {"TableName": table, "TableArn": arn}})))
            }
            "GetResourcePolicy" => Some(match role {
                Some(role) => Ok(json!({"Policy": policy(role).to_string(), "RevisionId": "1"})),
                None => Err(Refusal::of("PolicyNotFoundException", "the table has no policy")),
            }),
            "PutItem" | "UpdateItem" | "DeleteItem" => {
                let by_role = request.header("authorization").is_some_and(|text| text.contains(OF_ROLE));
                // As the template's policy of the operator's role.
                let denied =
                    asked["Item"]["finding_id"]["S"].as_str().is_some_and(|key| key.starts_with("self-"));
                let kind = match by_role {
                    true => denied.then_some("an identity-based policy"),
                    false => role.map(|_| "a resource-based policy"),
                };
                kind.map(|kind| {
                    let what = format!(
                        "User: u is not authorized to perform: dynamodb:{operation} on resource: {table} with an explicit deny \
                         in {kind}"
                    );
                    Err(Refusal::of("AccessDeniedException", what))
                })
            }
            _ => None,
        }
    }

    /// What STS says; `None` where it refuses.
    pub(super) fn sts(&self, form: &Form) -> Option<String> {
        match form.get("Action").map(String::as_str) {
            Some("GetCallerIdentity") => Some("<Arn>arn:aws:iam::111122223333:user/alice</Arn>".to_owned()),
            Some("AssumeRole") if !self.refusing => {
                let known =
                    form.get("RoleArn").is_some_and(|role| self.roles.values().any(|one| one == role));
                known.then(|| {
                    format!(
                        "<Credentials><AccessKeyId>{OF_ROLE}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
                         <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
                    )
                })
            }
            _ => None,
        }
    }
}

fn policy(role: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutItem",
        "Resource": "*", "Condition": {"ArnNotEquals": {"aws:PrincipalArn": role}}}]})
}
