use keepwatch_policy::{Condition, Effect, Operator, OperatorKind, Order};

use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Administrators with an active key need MFA for calls as well, by a policy condition on `aws:MultiFactorAuthPresent` or
    /// `aws:MultiFactorAuthAge`. A Deny with `Bool` and `false` is told as weak: calls that a long-lived key signs do not have
    /// the key of the condition at all, and only `BoolIfExists` or `Null` meets them.
    /// ## Why it matters
    /// MFA at the console does nothing for a key. With the condition, a stolen key alone does nothing.
    /// ## What to do
    /// Deny everything but what is needed to get a session with MFA where `BoolIfExists aws:MultiFactorAuthPresent` is `false`; or
    /// take the key away and let the administrator assume a role that asks for MFA.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Every program that signs with the key and cannot give a code. Those must have roles first.
    MfaProtectedApi {
        id: "iam.mfa-protected-api",
        title: "Administrators' keys need MFA",
        severity: Low,
        practices: ["P14"],
        references: [doc(&["IAM user guide: Secure API access with MFA"])],
        asks: [Authorization, CredentialReport],
    }
}

/// The context keys that tell of MFA, in small letters (IAM user guide, "AWS global condition context keys").
const PRESENT: &str = "aws:multifactorauthpresent";
const AGE: &str = "aws:multifactorauthage";

/// How a statement asks for MFA.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Firmly,
    Weakly,
}

fn asks(effect: Effect, condition: &Condition) -> Option<Asks> {
    let key = condition.key.to_ascii_lowercase();
    let operator = Operator::parse(&condition.operator);
    let says = |word: &str| condition.values.iter().any(|value| value.eq_ignore_ascii_case(word));
    let firmly = match (effect, key.as_str(), operator.kind) {
        (Effect::Deny, PRESENT, OperatorKind::Bool) => operator.optional && says("false"),
        (Effect::Deny, PRESENT | AGE, OperatorKind::Null) => says("true"),
        (Effect::Deny, AGE, _) => operator.optional,
        (Effect::Allow, PRESENT, OperatorKind::Bool) => !operator.optional && says("true"),
        (Effect::Allow, AGE, OperatorKind::Number(Order::Less | Order::LessOrEqual)) => !operator.optional,
        (_, PRESENT | AGE, _) => false,
        _ => return None,
    };
    Some(if firmly { Asks::Firmly } else { Asks::Weakly })
}

impl Check for MfaProtectedApi {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        let report = cx.known(CredentialReport, GLOBAL)?;
        for user in &authorization.users {
            cx.about(GLOBAL, &user.arn, |cx| {
                let row = report.users.iter().find(|row| row.arn == user.arn);
                if !row.is_some_and(|row| row.keys.iter().any(|key| key.active)) {
                    return Ok(());
                }
                if !power::is_administrator(&power::of_user(authorization, user)?) {
                    return Ok(());
                }
                let documents = power::documents_of_user(authorization, user)?;
                let statements = documents.iter().flat_map(|document| &document.statements);
                let found: Vec<Asks> = statements
                    .flat_map(|one| one.conditions.iter().filter_map(|condition| asks(one.effect, condition)))
                    .collect();
                let name = &user.name;
                let seen = if found.contains(&Asks::Firmly) {
                    cx.passing(format!("Administrator {name}'s key needs MFA"))
                } else if found.is_empty() {
                    cx.informational(format!("Administrator {name}'s key works without MFA"))
                } else {
                    cx.informational(format!("Administrator {name}'s key may work without MFA")).because(
                        "the condition does not meet calls that a long-lived key signs: it takes BoolIfExists",
                    )
                };
                cx.report(seen);
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, authorization_of, key, policy, report_of, user};
    use crate::testing::*;
    use facts::iam::{Credentials, User};

    fn verdict(inline: Option<&str>) -> Judgement {
        let row = Credentials { keys: vec![key(1, true, 10, Some(1))], ..user("boss") };
        let boss =
            User { inline: inline.map(|text| policy("mfa", text)).into_iter().collect(), ..admin("boss") };
        let state = report_of(None, vec![row]).with(Authorization, global(), authorization_of(vec![boss]));
        judge_one(&MfaProtectedApi, &state)
    }

    fn deny(operator: &str) -> String {
        format!(
            r#"{{"Statement": {{"Effect": "Deny", "Action": "*", "Resource": "*",
                "Condition": {{"{operator}": {{"aws:MultiFactorAuthPresent": "false"}}}}}}}}"#
        )
    }

    #[test]
    fn a_condition_that_keys_meet_passes_and_a_weak_one_is_told() {
        assert_eq!(verdict(Some(&deny("BoolIfExists"))).verdict, Judged::Passing);
        let weak = verdict(Some(&deny("Bool")));
        assert_eq!(weak.verdict, Judged::Informational);
        assert!(weak.reason.contains("BoolIfExists"));
        let none = verdict(None);
        assert_eq!((none.verdict, none.reason.as_str()), (Judged::Informational, ""));
    }

    /// Whoever signs with a long-lived key carries neither key of the context, and meets what ends with IfExists.
    #[test]
    fn an_allow_that_a_call_without_mfa_meets_is_weak() {
        let allow = |operator: &str| {
            let age = r#"{"aws:MultiFactorAuthAge": "3600"}"#;
            format!(
                r#"{{"Statement": {{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {{"{operator}": {age}}}}}}}"#
            )
        };
        assert_eq!(verdict(Some(&allow("NumericLessThan"))).verdict, Judged::Passing);
        assert_eq!(verdict(Some(&allow("NumericLessThanIfExists"))).verdict, Judged::Informational);
    }

    #[test]
    fn unknown_without_either_answer() {
        let one = judge_one(&MfaProtectedApi, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
        let state = account().with(Authorization, global(), authorization_of(vec![admin("boss")]));
        let one = judge_one(&MfaProtectedApi, &refused(state, CredentialReport, global()));
        assert_eq!(missing(&one), ["iam:GenerateCredentialReport"]);
    }

    #[test]
    fn nobody_with_a_key_is_not_applicable() {
        let state = report_of(None, vec![user("boss")]).with(
            Authorization,
            global(),
            authorization_of(vec![admin("boss")]),
        );
        assert_eq!(judge_one(&MfaProtectedApi, &state).verdict, Judged::NotApplicable);
    }
}
