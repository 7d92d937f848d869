//! Whom the policy of a KMS key leaves out who should not be: the key's own account.
//!
//! IAM policies of the account count for a key only where its key policy names the account, and a Deny in it holds for
//! everybody, AWS services included (KMS developer guide, "Key policies in AWS KMS", "Default key policy").

use keepwatch_base::wildcard;

use super::condition::{Attainable, Constraint, Domain, World, satisfiable};
use super::document::{Condition, Document, Effect, Principal, PrincipalKind, Statement, account_of};

/// Whether a key policy leaves the key's own account out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lockout {
    /// The account may rewrite the policy, and nothing that matters is denied to it or to a service.
    No,
    /// It hangs on a condition.
    Unclear,
    /// It does, and how.
    Yes(Loss),
}

/// How the account is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A statement denies what matters.
    Denied {
        /// The action.
        action: &'static str,
        /// To which service of AWS's; to the account itself where there is none.
        service: Option<String>,
    },
    /// No statement lets the account rewrite the policy.
    NotAllowed,
}

/// What must not be denied, to the account or to services that work for it.
const USES: [&str; 4] = ["kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:PutKeyPolicy"];

/// Whether the policy of the key `key`, an ARN, leaves its account out. What a former policy gave and this one does not is
/// not known here: whoever may rewrite the policy can give it again.
pub fn lockout(document: &Document, key: &str, account: &str) -> Lockout {
    let own = |principal: &Principal| whole_account(principal, account);
    let here = |statement: &&Statement| statement.resources.iter().any(|p| wildcard::matches(p, key));
    let (insider, variables) = (Insider { account }, document.has_variables());
    let mut unclear = false;
    for statement in document.statements.iter().filter(here).filter(|one| one.effect == Effect::Deny) {
        let service = statement.principals.iter().find(|one| one.kind == PrincipalKind::Service);
        // Who is spared is spared alone: the account's root user does not spare the account's users.
        let everybody = match &statement.not_principals {
            Some(_) => true,
            None => statement.principals.iter().any(own),
        };
        let Some(action) = USES.into_iter().find(|action| statement.names(action)) else { continue };
        if statement.conditions.is_empty() && (everybody || service.is_some()) {
            let service = service.map(|one| one.value.clone());
            return Lockout::Yes(Loss::Denied { action, service });
        }
        // A Deny that no request of the account can meet is one against others.
        unclear |= everybody && statement.conditions.iter().all(|one| can(one, true, variables, &insider));
    }
    let keeps = |statement: &&Statement| {
        statement.effect == Effect::Allow
            && statement.principals.iter().any(own)
            && statement.names("kms:PutKeyPolicy")
    };
    let mut allowed = document.statements.iter().filter(here).filter(keeps).peekable();
    if allowed.peek().is_none() {
        return Lockout::Yes(Loss::NotAllowed);
    }
    let plain = |allow: &Statement| !allow.conditions.iter().any(|one| can(one, false, variables, &insider));
    if unclear || !allowed.any(plain) { Lockout::Unclear } else { Lockout::No }
}

/// Whether the principal is the whole account, so that its administrators' own policies count.
fn whole_account(principal: &Principal, account: &str) -> bool {
    let value = principal.value.as_str();
    let root = value.starts_with("arn:") && value.ends_with(":root");
    principal.kind == PrincipalKind::Aws
        && (value == "*" || ((value == account || root) && account_of(value) == Some(account)))
}

/// An honest caller of the key's own account: it comes over TLS, and from whichever organization a policy has in mind.
struct Insider<'a> {
    account: &'a str,
}

impl World for Insider<'_> {
    fn domain(&self, key: &str) -> Domain {
        match key {
            "aws:principalaccount" | "kms:calleraccount" => Domain::only(&[self.account]),
            "aws:principalorgid" | "aws:principalorgpaths" => Domain { absent: false, ..Domain::never() }
                .reaching(Attainable::Free(|text| text.starts_with("o-"))),
            "aws:securetransport" => Domain::only(&["true"]),
            _ => Domain::free(),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let own = ["aws:resourceaccount", "aws:principalaccount"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        own.then(|| self.account.to_owned())
    }
}

/// Whether a request of the account can meet the condition, or fail it.
fn can(condition: &Condition, wanted: bool, variables: bool, insider: &Insider<'_>) -> bool {
    let domain = insider.domain(&condition.key.to_ascii_lowercase());
    satisfiable(&[Constraint::new(condition, wanted, variables, insider)], &domain).is_some()
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

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn judge(statements: &[Value]) -> Lockout {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        lockout(&Document::from_value(&policy).expect("a policy"), KEY, ACCOUNT)
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
            // The account administers, and roles use: as the console and older stacks write it.
            vec![
                allow(json!({"AWS": ROOT}), json!(["kms:Create*", "kms:Put*", "kms:ScheduleKeyDeletion"])),
                allow(json!({"AWS": "arn:aws:iam::111122223333:role/app"}), json!("kms:Decrypt")),
            ],
        ] {
            assert_eq!(judge(&statements), Lockout::No, "{statements:?}");
        }
    }

    #[test]
    fn what_hangs_on_a_condition_is_neither_good_nor_bad() {
        let via = json!({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}});
        let everybody = |condition: Value| vec![whole(), under(deny(json!("*"), json!("kms:*")), condition)];
        for statements in [
            vec![under(whole(), via)],
            everybody(json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}})),
            everybody(
                json!({"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/mallory"}}),
            ),
            everybody(json!({"Bool": {"aws:SecureTransport": "true"}})),
            everybody(json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}})),
        ] {
            assert_eq!(judge(&statements), Lockout::Unclear, "{statements:?}");
        }
    }

    #[test]
    fn the_account_is_left_out() {
        let one = || allow(json!({"AWS": "arn:aws:iam::111122223333:user/mallory"}), json!("kms:*"));
        let mut spared = deny(json!("*"), json!("kms:*"));
        let members = spared.as_object_mut().expect("a statement");
        members.remove("Principal");
        members.insert(
            "NotPrincipal".to_owned(),
            json!({"AWS": ["arn:aws:iam::111122223333:user/mallory", ROOT]}),
        );
        let mut nowhere = whole();
        nowhere.as_object_mut().expect("a statement").remove("Resource");
        let mut elsewhere = whole();
        elsewhere["Resource"] = json!("arn:aws:kms:us-east-1:111122223333:key/another");
        for (statements, why) in [
            (vec![one()], "no statement lets the account itself rewrite"),
            (vec![allow(json!({"AWS": "arn:aws:iam::999988887777:root"}), json!("kms:*"))], "no statement"),
            (vec![allow(json!({"AWS": ROOT}), json!("kms:Decrypt"))], "rewrite its policy again"),
            // A statement without a resource has no effect in a key policy.
            (vec![nowhere, one()], "no statement"),
            (vec![elsewhere, one()], "no statement"),
            (vec![whole(), spared], "denies the account itself to decrypt"),
            (vec![whole(), deny(json!("*"), json!("kms:GenerateDataKey*"))], "to encrypt with it"),
            (vec![whole(), deny(json!("*"), json!("kms:CreateGrant"))], "to let services use it"),
            (vec![whole(), deny(json!("*"), json!("kms:Decrypt"))], "denies the account itself to decrypt"),
            (vec![whole(), deny(json!({"AWS": ROOT}), json!("kms:Put*"))], "to rewrite its policy again"),
            (
                vec![whole(), deny(json!({"Service": "sqs.amazonaws.com"}), json!("kms:*"))],
                "denies sqs.amazonaws.com to decrypt",
            ),
        ] {
            let told = judge(&statements);
            assert!(
                matches!(&told, Lockout::Yes(loss) if loss.to_string().contains(why)),
                "{told:?} of {statements:?}"
            );
        }
    }
}
