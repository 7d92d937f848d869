use crate::kit::prelude::*;

/// What the CIS benchmark asks for: the least characters, and how many old passwords may not come back.
const LENGTH: i64 = 14;
const REMEMBERED: i64 = 24;

declare_rule! {
    /// ## What it detects
    /// The account's password policy was deleted, or set to less than 14 characters or less than 24
    /// remembered passwords, which is what the CIS benchmark asks for (medium). A policy that is long enough
    /// and does not ask for every kind of character is low. A policy that asks for all of it settles the
    /// finding.
    /// ## Why it matters
    /// The policy is what keeps users from short passwords and from the ones they had before. It holds for
    /// IAM users alone: neither for root nor for people who come by Identity Center.
    /// ## What to do
    /// Ask who changed it and why; set it again with the command below.
    /// ## False positives
    /// Accounts without IAM users that have a password need no policy. The event does not say what the policy
    /// was before, so that an improvement which is not enough is reported too. What a call leaves out is set
    /// back to AWS's default and does not stay as it was.
    PasswordPolicy {
        id: "iam-password-policy-weak",
        title: "The account's password policy was deleted or is weak",
        severity: Medium,
        confidence: High,
        catalogue: ["IAM-07"],
        references: [
            cis("3.0", &["1.8", "1.9"]),
            cis("5.0", &["1.7", "1.8"]),
            security_hub(&["IAM.7", "IAM.11", "IAM.12", "IAM.13", "IAM.14", "IAM.15", "IAM.16"]),
            attack(&["T1556"]),
            doc(&["IAM API reference: UpdateAccountPasswordPolicy"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"])],
    }
}

/// The kinds of character, by the parameter that asks for them.
const KINDS: [(&str, &str); 4] = [
    ("requireUppercaseCharacters", "upper case"),
    ("requireLowercaseCharacters", "lower case"),
    ("requireNumbers", "numbers"),
    ("requireSymbols", "symbols"),
];

impl Rule for PasswordPolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, arn) = (caller_name(record), record.root_arn());
        if record.event_name.or_empty() == "DeleteAccountPasswordPolicy" {
            if !record.by_root() {
                let seen = cx.failing(arn, format!("{who} deleted the account's password policy")).because(
                    "AWS's default holds now: eight characters, three kinds of them, and no memory.",
                );
                cx.report(stop_caller(steps(cx.tempered(seen)), record));
            }
            return Ok(());
        }
        // AWS's defaults for what the call does not say.
        let number = |name| number_at(record.request(), &[name]);
        let length = number("minimumPasswordLength").unwrap_or(6);
        let remembered = number("passwordReusePrevention").unwrap_or(0);
        let optional: Vec<&str> = KINDS
            .iter()
            .filter(|(name, _)| record.param_flag(&[name]) != Some(true))
            .map(|(_, kind)| *kind)
            .collect();
        let mut weak = Vec::new();
        if length < LENGTH {
            weak.push(format!("{length} characters are enough"));
        }
        if remembered < REMEMBERED {
            weak.push(match remembered {
                0 => "old passwords may come back at once".to_owned(),
                1 => "all but the last password may come back".to_owned(),
                many => format!("all but the last {many} passwords may come back"),
            });
        }
        let below = !weak.is_empty();
        if !optional.is_empty() {
            weak.push(format!("not required: {}", optional.join(", ")));
        }
        if weak.is_empty() {
            cx.report(cx.passing(arn, format!("{who} set a strong password policy for the account")));
            return Ok(());
        }
        if record.by_root() {
            return Ok(());
        }
        let seen = cx
            .failing(arn, format!("{who} set a weak password policy for the account: {}", weak.join("; ")))
            .severity(if below { Severity::Medium } else { Severity::Low })
            .because("The CIS benchmark asks for 14 characters and 24 remembered passwords.")
            .detail("Length", format!("at least {length}"))
            .detail("Remembered", format!("{remembered} passwords"));
        cx.report(stop_caller(steps(cx.tempered(seen)), record));
        Ok(())
    }
}

fn steps(seen: keepwatch_core::observation::Observation) -> keepwatch_core::observation::Observation {
    seen.step("What does the policy say now?", "iam get-account-password-policy", &[]).step(
        "Set a strong one (what is left out goes back to AWS's default)",
        "iam update-account-password-policy --minimum-password-length 14 --password-reuse-prevention 24 \
         --require-uppercase-characters --require-lowercase-characters --require-numbers --require-symbols \
         --allow-users-to-change-password",
        &[],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn update(changes: Value) -> String {
        let strong = json!({
            "minimumPasswordLength": 14, "passwordReusePrevention": 24, "requireUppercaseCharacters": true,
            "requireLowercaseCharacters": true, "requireNumbers": true, "requireSymbols": true,
            "allowUsersToChangePassword": true, "maxPasswordAge": 0, "hardExpiry": false,
        });
        let strong: Value = serde_json::from_str(&call(
            "iam",
            "UpdateAccountPasswordPolicy",
            json!({"requestParameters": strong}),
        ))
        .unwrap_or_default();
        let mut event = strong;
        if let (Some(request), Value::Object(changes)) = (event["requestParameters"].as_object_mut(), changes)
        {
            request.extend(changes);
            request.retain(|_, value| !value.is_null());
        }
        event.to_string()
    }

    fn delete() -> String {
        call("iam", "DeleteAccountPasswordPolicy", json!({}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&PasswordPolicy, Severity::Medium, &update(json!({"minimumPasswordLength": 13})));
        assert_eq!(seen.title, "alice set a weak password policy for the account: 13 characters are enough");
        fires_at(&PasswordPolicy, Severity::Medium, &update(json!({"minimumPasswordLength": "8"})));
        fires_at(&PasswordPolicy, Severity::Medium, &update(json!({"passwordReusePrevention": 23})));
        // Absent is AWS's default.
        let short =
            fires_at(&PasswordPolicy, Severity::Medium, &update(json!({"minimumPasswordLength": null})));
        assert!(short.title.contains("6 characters"), "{}", short.title);
        fires_at(&PasswordPolicy, Severity::Medium, &update(json!({"passwordReusePrevention": null})));
        let gone = fires_at(&PasswordPolicy, Severity::Medium, &delete());
        assert_eq!(gone.finding_id(), short.finding_id());
        fires_at(
            &PasswordPolicy,
            Severity::Medium,
            &call("iam", "UpdateAccountPasswordPolicy", json!({"requestParameters": null})),
        );
    }

    #[test]
    fn optional_kinds_of_characters_are_low() {
        for optional in [json!(false), json!("false"), json!(null)] {
            let seen = fires_at(&PasswordPolicy, Severity::Low, &update(json!({"requireSymbols": optional})));
            assert!(seen.title.ends_with("not required: symbols"), "{}", seen.title);
        }
    }

    #[test]
    fn a_strong_policy_settles_it() {
        for strong in [json!({}), json!({"requireSymbols": "true", "minimumPasswordLength": "20"})] {
            let seen = observe(&PasswordPolicy, &update(strong));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing));
            assert_eq!(seen[0].finding_id(), fired(&PasswordPolicy, &delete()).finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &PasswordPolicy,
            &[
                call("iam", "DeleteAccountPasswordPolicy", json!({"errorCode": "NoSuchEntityException"})),
                call("iam", "UpdateAccountPasswordPolicy", json!({"errorCode": "AccessDenied"})),
                root_call("iam", "DeleteAccountPasswordPolicy", json!({})),
                root_call("iam", "UpdateAccountPasswordPolicy", json!({})),
            ],
        );
    }
}
