use super::managed_policy_attached::who_else;
use super::power::{self, Named, Told};
use crate::event::Record;
use crate::observation::Severity;
use crate::policy::Level;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};

declare_rule! {
    /// ## What it detects
    /// An inline policy that gives administrative power was put on a user, a group or a role. The document is read the
    /// way IAM reads it: wildcards anywhere, NotAction, split statements, any encoding; together with what the holder
    /// had before.
    /// ## Why it matters
    /// An inline policy has no name in any list of managed policies and no ARN to search for. It is where a careful
    /// intruder hides a new administrator.
    /// ## What to do
    /// Ask the caller. If the grant was not meant, delete the inline policy, stop the caller's credentials, and look at
    /// what both have done since.
    /// ## False positives
    /// Bootstrap stacks and break-glass roles that are administrators by design. Self-service policies limited to
    /// `${aws:username}`, and PassRole limited to named roles, are not reported.
    InlinePolicy {
        id: "admin-inline-policy",
        title: "An inline policy with administrative power was put",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-05", "ADM-14"],
        references: [
            "CIS AWS v3.0 1.15, 1.16", "CIS AWS v5.0 1.14, 1.15", "Security Hub IAM.1, IAM.2, IAM.21", "ATT&CK T1098.003",
        ],
        on: [On::Call("iam.amazonaws.com", &["PutUserPolicy", "PutGroupPolicy", "PutRolePolicy"])],
    }
}

impl Rule for InlinePolicy {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some((kind, name)), Some(policy)) = (power::grantee(record), record.param(&["policyName"]))
        else {
            return Ok(()); // Omitted parameters have a rule of their own.
        };
        let grantee = record.iam_arn(kind.as_str(), name);
        let own = match record.request().get("policyDocument") {
            Some(document) if !document.is_null() => {
                power::of_value(Named::Inline(policy), document, Some(&grantee))
            }
            _ => power::of_fact(
                Named::Inline(policy),
                cx.facts.inline_policy(kind, name, policy)?,
                Some(&grantee),
            ),
        };
        let power = power::with_holdings(cx, own, (kind, name), |held| held == policy, Some(&grantee))?;
        let how = format!("{} put inline policy {policy} on it", power::who(record));
        let most = if power::by_identity_center(record) { Severity::Low } else { Severity::Critical };
        let holder = power::holder(kind, name);
        let told = Told { resource: &grantee, holder: &holder, how: &how, most };
        let Some(mut seen) = power::observation(cx, &power, &told) else { return Ok(()) };
        seen = seen.aspect(policy).detail("Inline policy", policy);
        if power.level() >= Level::PrivilegeEscalation {
            seen = who_else(cx, seen, kind, name)?;
        }
        let option = format!("--{}-name", kind.as_str());
        let options = [(option.as_str(), name), ("--policy-name", policy)];
        seen = seen
            .step("Read the policy as it stands", &format!("iam get-{}-policy", kind.as_str()), &options)
            .step("Take it away again", &format!("iam delete-{}-policy", kind.as_str()), &options);
        cx.report(power::stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;

    fn put(on: &str, document: Value) -> String {
        let parameter = format!("{}Name", on.to_lowercase());
        let request = json!({parameter: "bob", "policyName": "p", "policyDocument": document});
        call("iam", &format!("Put{on}Policy"), json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let split = json!({"Statement": [
            {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
        ]});
        for on in ["User", "Group", "Role"] {
            fires_at(&InlinePolicy, Severity::Critical, &put(on, json!(split.to_string())));
            fires_at(&InlinePolicy, Severity::Critical, &put(on, split.clone()));
        }
        let passrole =
            r#"{"Statement":{"Effect":"Allow","Action":["iam:PassRole","lambda:*"],"Resource":"*"}}"#;
        let seen = fires_at(&InlinePolicy, Severity::High, &put("User", json!(passrole)));
        assert!(seen.reason.contains("PassRole"), "{}", seen.reason);
    }

    #[test]
    fn says_so_when_the_document_is_not_there() {
        let seen = fired(&InlinePolicy, &put("User", json!(null)));
        assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Medium));
        assert_eq!(fired(&InlinePolicy, &put("User", json!("{broken"))).verdict, Verdict::Unknown);
    }

    #[test]
    fn stays_quiet() {
        let read =
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;
        let deny = r#"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        quiet(
            &InlinePolicy,
            &[
                put("User", json!(read)),
                put("Role", json!(deny)),
                call("iam", "PutUserPolicy", json!({"errorCode": "AccessDenied", "requestParameters": null})),
                call("iam", "PutUserPolicy", json!({"requestParameters": "text"})),
                call("iam", "PutUserPolicy", json!({"requestParameters": {"omitted": true}})),
            ],
        );
    }
}
