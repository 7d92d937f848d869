//! The role with which the stack's tables are written.
//!
//! The policies of the tables deny writing to all but the stack's own roles, people's among them. So they say which role that
//! is, and a table of an older version, which has no policy, is written with the caller's own rights.

use keepwatch_aws::operator::{Guarded, assume, caller, policy_of};
use keepwatch_aws::profiles::SdkConfig;
use keepwatch_aws::{AwsError, Cause};
use keepwatch_base::arn::Arn;
use keepwatch_policy::{Document, Effect, Operator, OperatorKind};
use serde_json::json;

use crate::failure::Failure;

/// What is in the name that CloudFormation makes for the role.
const OPERATOR: &str = "-OperatorRole-";

/// The configuration with which this table is written.
///
/// # Errors
/// When the role cannot be taken; the text says what is missing.
pub(crate) async fn writing(config: &SdkConfig, table: &str, region: &str) -> anyhow::Result<SdkConfig> {
    let role = match policy_of(config, table).await {
        Ok(guarded) => guarded.as_ref().and_then(role_of),
        // Who may write but not look must be tried; a refusal says then what to do.
        Err(error) if is_refused(&error) => None,
        Err(error) => return Err(Failure::of(&error, table, region).into()),
    };
    let Some(role) = role else { return Ok(config.clone()) };
    match assume(config, &role).await {
        Ok(config) => Ok(config),
        Err(error) if is_refused(&error) => {
            let caller = caller(config).await.unwrap_or_else(|_| "this caller".to_owned());
            if has_taken(&caller, &role) { Ok(config.clone()) } else { Err(refused(&caller, &role).into()) }
        }
        Err(error) => Err(Failure::of(&error, &role, region).into()),
    }
}

/// Whether AWS has refused the call to who made it.
pub(crate) fn is_refused(error: &AwsError) -> bool {
    let denied = |code: &str| matches!(code, "AccessDenied" | "AccessDeniedException");
    matches!(error, AwsError::Call { cause: Cause::Answered { code, .. }, .. } if denied(code))
}

/// The operator's role, which the policy spares.
fn role_of(Guarded { arn, policy }: &Guarded) -> Option<String> {
    let account = Arn::parse(arn)?.account;
    let document = Document::parse(policy).ok()?;
    let spared = document.statements.iter().filter(|one| one.effect == Effect::Deny).flat_map(|one| {
        let by_caller = one.conditions.iter().filter(|condition| {
            let operator = Operator::parse(&condition.operator);
            operator.kind == OperatorKind::Arn
                && operator.negated
                && condition.key.eq_ignore_ascii_case("aws:PrincipalArn")
        });
        by_caller.flat_map(|condition| &condition.values)
    });
    let is_operator = |text: &&String| {
        Arn::parse(text).is_some_and(|role| {
            role.service == "iam"
                && role.account == account
                && role.resource.strip_prefix("role/").is_some_and(|name| name.contains(OPERATOR))
        })
    };
    spared.into_iter().find(is_operator).cloned()
}

/// Whether these are the role's own credentials already, as those of a profile that takes it.
fn has_taken(caller: &str, role: &str) -> bool {
    let name = role.rsplit('/').next().unwrap_or_default();
    caller.split_once(":assumed-role/").and_then(|(_, session)| session.split('/').next()) == Some(name)
}

fn refused(caller: &str, role: &str) -> Failure {
    if caller.ends_with(":root") {
        return Failure::aws(&format!(
            "the tables are written as {role} alone, and the account's root user can take no role: sign in as a user or role"
        ));
    }
    let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role});
    Failure::aws(&format!(
        "{caller} may not take the role that alone writes the tables. Have this added to its policies: {statement}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(values: &[&str]) -> Guarded {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutItem", "Resource": "*",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": values}}}]});
        let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/keepwatch-FindingsTable-1A".to_owned();
        Guarded { arn, policy: policy.to_string() }
    }

    #[test]
    fn the_operator_is_whom_the_policy_spares_and_of_the_same_account() {
        let (own, detect) = (
            "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-1A",
            "arn:aws:iam::111122223333:role/keepwatch-DetectRole-1A",
        );
        assert_eq!(role_of(&guarded(&[detect, own])).as_deref(), Some(own));
        let other = "arn:aws:iam::444455556666:role/keepwatch-OperatorRole-1A";
        assert_eq!(role_of(&guarded(&[detect, other])), None);
        assert_eq!(role_of(&Guarded { policy: "{}".to_owned(), ..guarded(&[]) }), None);
    }

    #[test]
    fn who_has_the_role_need_not_take_it() {
        let role = "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-1A";
        assert!(has_taken("arn:aws:sts::111122223333:assumed-role/keepwatch-OperatorRole-1A/bob", role));
        assert!(!has_taken("arn:aws:sts::111122223333:assumed-role/Admin/keepwatch-OperatorRole-1A", role));
        assert!(!has_taken("arn:aws:iam::111122223333:user/keepwatch-OperatorRole-1A", role));
    }

    #[test]
    fn a_refusal_says_what_to_ask_for() {
        let role = "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-1A";
        let text = refused("arn:aws:iam::111122223333:user/alice", role).to_string();
        assert!(text.contains(&format!("\"Resource\":\"{role}\"")), "{text}");
        assert!(refused("arn:aws:iam::111122223333:root", role).to_string().contains("can take no role"));
    }
}
