use super::power::{self, Named, Power, Told};
use crate::event::Record;
use crate::observation::{Observation, Severity};
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::{Fact, Interrupt, PrincipalKind};

declare_rule! {
    /// ## What it detects
    /// A policy was written that is so large that CloudTrail left its text out (`omitted: true`, over 100 KB). IAM does
    /// not count white space, so a policy can be padded until the log no longer shows it. Keepwatch reads the policy
    /// from the account instead; if it cannot, it says so.
    /// ## Why it matters
    /// Nobody needs 100 KB to write a policy of a few thousand characters. Padding has one use: to hide a grant from
    /// whoever reads the log.
    /// ## What to do
    /// Read the policy in the account, take it away unless its author has a good explanation, and treat the caller as
    /// hostile until then.
    /// ## False positives
    /// A generator that writes policies with a great deal of white space. That is worth mending in any case.
    ContentOmitted {
        id: "grant-content-omitted",
        title: "A grant was padded until CloudTrail left it out",
        severity: High,
        confidence: High,
        catalogue: ["ADM-15"],
        references: ["ATT&CK T1562.008", "CloudTrail user guide: requestParameters are limited to 100 KB"],
        on: [
            On::Call("iam.amazonaws.com", &[
                "PutUserPolicy", "PutGroupPolicy", "PutRolePolicy", "CreatePolicy", "CreatePolicyVersion", "CreateRole",
                "UpdateAssumeRolePolicy",
            ]),
            On::Call("sso.amazonaws.com", &["PutInlinePolicyToPermissionSet"]),
        ],
    }
}

impl Rule for ContentOmitted {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if !record.request_omitted() {
            return Ok(());
        }
        let (who, event) = (power::who(record), record.event_name.or_empty());
        let mut found = Vec::new();
        if let Some(kind) = event.starts_with("Put").then(|| holder_kind(event)).flatten() {
            found = inline(cx, record, kind, &who)?;
        } else if let Some(arn) =
            record.response_text(&["policy", "arn"]).or_else(|| record.param(&["policyArn"]))
        {
            let version = record.response_text(&["policyVersion", "versionId"]);
            let power = power::of_fact(
                Named::Managed(arn.rsplit('/').next().unwrap_or(arn)),
                cx.facts.managed_policy(arn, version)?,
                None,
            );
            let how = format!("{who} wrote it so large that CloudTrail left it out");
            found.push((arn.to_owned(), "Whoever holds the policy".to_owned(), how, power));
        }
        if found.is_empty() {
            let title = format!(
                "{who} hid a grant: the text of {event} was too large for CloudTrail, and nobody can say for whom it is"
            );
            let seen = cx.unknown(record.iam_arn("grant", "unnamed"), title).severity(Severity::High);
            let seen = seen
                .because("The request was padded beyond CloudTrail's 100 KB, which hides what it grants.");
            cx.report(finish(seen, record));
        }
        for (resource, holder, how, power) in found {
            let told = Told { resource: &resource, holder: &holder, how: &how, most: Severity::Critical };
            // Padding is worth a finding whatever it hides: an ordinary grant as well.
            let seen = match power::observation(cx, &power, &told) {
                Some(seen) => {
                    let severity = seen.severity.max(Severity::High);
                    seen.severity(severity)
                }
                None => cx
                    .failing(&resource, format!("{holder} got a policy that hides from CloudTrail: {how}"))
                    .severity(Severity::Medium)
                    .because("What the policy grants is ordinary; its size is not."),
            };
            cx.report(finish(seen, record));
        }
        Ok(())
    }
}

fn holder_kind(event: &str) -> Option<PrincipalKind> {
    match event {
        "PutUserPolicy" => Some(PrincipalKind::User),
        "PutGroupPolicy" => Some(PrincipalKind::Group),
        "PutRolePolicy" => Some(PrincipalKind::Role),
        _ => None,
    }
}

/// Whose inline policy it is: the event does not say, the size does.
fn inline(
    cx: &Cx<'_>,
    record: &Record<'_>,
    kind: PrincipalKind,
    who: &str,
) -> Result<Vec<(String, String, String, Power)>, Interrupt> {
    let Fact::Known(held) = cx.facts.oversized_inline_policies(kind)? else { return Ok(Vec::new()) };
    Ok(held
        .into_iter()
        .map(|held| {
            let arn = record.iam_arn(kind.as_str(), &held.principal);
            let how = format!(
                "{who} put inline policy {} on it, so large that CloudTrail left it out",
                held.policy.name
            );
            let power = power::of_fact(
                Named::Inline(&held.policy.name),
                Fact::Known(held.policy.clone()),
                Some(&arn),
            );
            (arn, power::holder(kind, &held.principal), how, power)
        })
        .collect())
}

fn finish(seen: Observation, record: &Record<'_>) -> Observation {
    let seen = seen.detail(
        "Original size",
        match record.request().get("originalSize") {
            Some(size) => format!("{} characters", size.to_string().trim_matches('"')),
            None => "more than 100 KB".to_owned(),
        },
    );
    let seen = seen.step(
        "List every inline policy, the padded one stands out",
        "iam get-account-authorization-details",
        &[("--filter", "User"), ("--query", "UserDetailList[].[UserName,UserPolicyList]")],
    );
    power::stop_caller(seen, record)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;
    use crate::state::{HeldPolicy, PolicyText, Query, Value as StateValue};

    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

    fn padded(name: &str, response: Value) -> String {
        let request =
            json!({"omitted": true, "reason": "requestParameters too large", "originalSize": 131072});
        call("iam", name, json!({"requestParameters": request, "responseElements": response}))
    }

    #[test]
    fn fires() {
        for name in ["PutUserPolicy", "PutRolePolicy", "CreatePolicy", "UpdateAssumeRolePolicy"] {
            let seen = fired(&ContentOmitted, &padded(name, json!(null)));
            assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::High), "{name}");
        }
    }

    #[test]
    fn finds_the_policy_in_the_account() {
        let policy = PolicyText { name: "p".to_owned(), text: ADMIN.to_owned() };
        let held = vec![HeldPolicy { principal: "bob".to_owned(), policy: policy.clone() }];
        let query = Query::OversizedInlinePolicies { kind: PrincipalKind::User };
        let answer = (query, Fact::Known(StateValue::HeldPolicies(held)));
        let seen = fired_with(&ContentOmitted, &padded("PutUserPolicy", json!(null)), &[answer]);
        assert_eq!(
            (seen.severity, seen.subject.resource.as_str()),
            (Severity::Critical, "arn:aws:iam::111122223333:user/bob")
        );

        let arn = "arn:aws:iam::111122223333:policy/p";
        let query = Query::ManagedPolicy { arn: arn.to_owned(), version: None };
        let answer = (query, Fact::Known(StateValue::Policy(policy)));
        let event = padded("CreatePolicy", json!({"policy": {"arn": arn}}));
        assert_eq!(fired_with(&ContentOmitted, &event, &[answer]).severity, Severity::Critical);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ContentOmitted,
            &[
                call(
                    "iam",
                    "PutUserPolicy",
                    json!({"requestParameters": {"userName": "bob", "policyName": "p", "policyDocument": ADMIN}}),
                ),
                call("iam", "PutUserPolicy", json!({"requestParameters": {"omitted": false}})),
                call("iam", "PutUserPolicy", json!({"requestParameters": null})),
                call(
                    "iam",
                    "PutUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"omitted": true}}),
                ),
            ],
        );
    }
}
