//! Whom the policy of a KMS key leaves out who should not be: the key's own account.
//!
//! IAM policies of the account count for a key only where its key policy names the account, and a Deny in it holds for
//! everybody, AWS services included (KMS developer guide, "Key policies in AWS KMS", "Default key policy").

use keepwatch_base::text::clean;
use keepwatch_base::wildcard;

use super::document::{Condition, Document, Effect, Principal, PrincipalKind, Statement};
use super::trust::{OWN_ACCOUNT, account_of};

/// What the account needs of its key: to read its data, and to mend the policy.
const NEEDED: [(&str, &str); 2] =
    [("kms:Decrypt", "decrypt with it"), ("kms:PutKeyPolicy", "rewrite its policy again")];

/// Why the account, or a service that works for it, cannot use the key any more: one plain sentence without a full
/// stop, safe to show. `None` where the account may decrypt and rewrite the policy, and nothing is denied to everybody
/// or to a service.
///
/// A Deny under a condition is taken for what it usually is, a fence against the outside. What a former policy gave and
/// this one does not is not known here.
pub fn locked_out(document: &Document, account: &str) -> Option<String> {
    let own = |principal: &Principal| whole_account(principal, account);
    for (action, ability) in NEEDED {
        let denied = document.statements.iter().find(|statement| {
            let everybody = match &statement.not_principals {
                Some(spared) => !spared.iter().any(own),
                None => statement.principals.iter().any(own),
            };
            let services = statement.principals.iter().any(|one| one.kind == PrincipalKind::Service);
            statement.effect == Effect::Deny
                && statement.conditions.is_empty()
                && (everybody || services)
                && names(statement, action)
        });
        if let Some(statement) = denied {
            let service = statement.principals.iter().find(|one| one.kind == PrincipalKind::Service);
            let whom = service.map_or_else(|| "the account itself".to_owned(), |one| clean(&one.value, 64));
            return Some(format!("the policy denies {whom} to {ability}"));
        }
        let allowed = document.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.principals.iter().any(own)
                && statement.conditions.iter().all(|condition| says_own_account(condition, account))
                && names(statement, action)
        });
        if !allowed {
            return Some(format!("no statement lets the account itself {ability}"));
        }
    }
    None
}

/// Whether the principal is the whole account, so that its administrators' own policies count.
fn whole_account(principal: &Principal, account: &str) -> bool {
    let value = principal.value.as_str();
    let root = value.starts_with("arn:") && value.ends_with(":root");
    principal.kind == PrincipalKind::Aws
        && (value == "*" || ((value == account || root) && account_of(value) == Some(account)))
}

/// A condition that whoever is of the account meets.
fn says_own_account(condition: &Condition, account: &str) -> bool {
    let of_caller = ["aws:principalaccount", "kms:calleraccount"]
        .iter()
        .any(|key| condition.key.eq_ignore_ascii_case(key));
    let equal =
        ["StringEquals", "StringLike"].iter().any(|name| condition.operator.eq_ignore_ascii_case(name));
    of_caller && equal && condition.values.iter().any(|value| value == account || value == OWN_ACCOUNT)
}

/// Whether the statement is about the action.
fn names(statement: &Statement, action: &str) -> bool {
    let fits = |list: &[String]| list.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action));
    match &statement.not_actions {
        Some(spared) => !fits(spared),
        None => fits(&statement.actions),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT: &str = "111122223333";
    const ROOT: &str = "arn:aws:iam::111122223333:root";

    fn allow(principal: Value, action: Value) -> Value {
        json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
    }

    fn deny(principal: Value, action: Value) -> Value {
        json!({"Effect": "Deny", "Principal": principal, "Action": action, "Resource": "*"})
    }

    fn under(mut statement: Value, condition: Value) -> Value {
        statement["Condition"] = condition;
        statement
    }

    fn judge(statements: &[Value]) -> Option<String> {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        locked_out(&Document::from_value(&policy).expect("a policy"), ACCOUNT)
    }

    fn whole() -> Value {
        allow(json!({"AWS": ROOT}), json!("kms:*"))
    }

    #[test]
    fn the_account_keeps_its_key() {
        let inside = json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}});
        let foreign = json!({"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}});
        for statements in [
            vec![whole()],
            vec![allow(json!({"AWS": ACCOUNT}), json!(["kms:Put*", "kms:Decrypt"]))],
            vec![under(allow(json!("*"), json!("kms:*")), inside)],
            vec![whole(), under(deny(json!("*"), json!("kms:*")), foreign)],
            vec![whole(), deny(json!("*"), json!("kms:ScheduleKeyDeletion"))],
            vec![whole(), deny(json!({"AWS": "arn:aws:iam::111122223333:user/intern"}), json!("kms:*"))],
        ] {
            assert_eq!(judge(&statements), None, "{statements:?}");
        }
    }

    #[test]
    fn the_account_is_left_out() {
        let one = || allow(json!({"AWS": "arn:aws:iam::111122223333:user/mallory"}), json!("kms:*"));
        let mut spared = deny(json!("*"), json!("kms:*"));
        let members = spared.as_object_mut().expect("a statement");
        members.remove("Principal");
        members.insert("NotPrincipal".to_owned(), json!({"AWS": "arn:aws:iam::111122223333:user/mallory"}));
        let via = json!({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}});
        for (statements, why) in [
            (vec![one()], "no statement lets the account itself decrypt with it"),
            (vec![allow(json!({"AWS": "arn:aws:iam::999988887777:root"}), json!("kms:*"))], "no statement"),
            (vec![allow(json!({"AWS": ROOT}), json!("kms:Decrypt"))], "rewrite its policy again"),
            (vec![under(whole(), via)], "no statement"),
            (vec![whole(), spared], "denies the account itself to decrypt"),
            (vec![whole(), deny(json!("*"), json!("kms:Decrypt"))], "denies the account itself to decrypt"),
            (vec![whole(), deny(json!({"AWS": ROOT}), json!("kms:Put*"))], "to rewrite its policy again"),
            (
                vec![whole(), deny(json!({"Service": "sqs.amazonaws.com"}), json!("kms:*"))],
                "denies sqs.amazonaws.com to decrypt",
            ),
        ] {
            let told = judge(&statements);
            assert!(told.as_deref().is_some_and(|told| told.contains(why)), "{told:?} of {statements:?}");
        }
    }
}
