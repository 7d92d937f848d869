use super::power::{self, Named, Power, Told};
use crate::event::Record;
use crate::observation::Severity;
use crate::policy::Level;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::Fact;

declare_rule! {
    /// ## What it detects
    /// A customer managed policy was made, given a new version, or switched to another version, and it now gives
    /// administrative power. A version that is not the default yet is reported with less weight; a switch of the default
    /// carries no document, so the version is read from the account.
    /// ## Why it matters
    /// Changing what a policy says changes everybody who holds it, without any call that names them.
    /// SetDefaultPolicyVersion is the quietest way: one call, no document, and an old generous version is back.
    /// ## What to do
    /// Ask the caller. If it was not meant, make the earlier version the default again, delete the new one, and see who
    /// holds the policy.
    /// ## False positives
    /// Infrastructure code that rolls out an administrator policy on purpose. A policy that nobody holds yet is HIGH at
    /// most.
    PolicyWritten {
        id: "admin-policy-written",
        title: "A customer managed policy gives administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-06", "ADM-07", "ADM-08", "ADM-14"],
        references: ["CIS AWS v3.0 1.16, 4.4", "CIS AWS v5.0 1.15, 4.4", "Security Hub IAM.1, IAM.21", "ATT&CK T1098.003"],
        on: [On::Call("iam.amazonaws.com", &["CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion"])],
    }
}

impl Rule for PolicyWritten {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        let made = record.response_text(&["policy", "arn"]).map(str::to_owned);
        let named = record.param(&["policyName"]).map(|name| record.iam_arn("policy", name));
        let Some(arn) = record.param(&["policyArn"]).map(str::to_owned).or(made).or(named) else {
            return Ok(());
        };
        if record.request_omitted() {
            return Ok(()); // Has a rule of its own.
        }
        let short = arn.rsplit('/').next().unwrap_or(&arn);
        let version =
            record.param(&["versionId"]).or_else(|| record.response_text(&["policyVersion", "versionId"]));
        let power = match record.request().get("policyDocument") {
            Some(document) if !document.is_null() => power::of_value(Named::Managed(short), document, None),
            _ => power::of_fact(Named::Managed(short), cx.facts.managed_policy(&arn, version)?, None),
        };
        if power.level() == Level::ServiceAdmin {
            return Ok(()); // Full control of a service is told when somebody gets it.
        }
        let is_default =
            record.request().get("setAsDefault").is_some_and(|flag| *flag == true || *flag == "true");
        let (who, shown) = (power::who(record), version.unwrap_or("a new version"));
        let (how, most) = match event {
            "CreatePolicy" => (format!("{who} made policy {short}"), Severity::High),
            "SetDefaultPolicyVersion" => {
                (format!("{who} made {shown} the default of policy {short}"), Severity::Critical)
            }
            _ if is_default => {
                (format!("{who} wrote {shown} of policy {short}, the default now"), Severity::Critical)
            }
            _ => (format!("{who} wrote {shown} of policy {short}, not the default yet"), Severity::Medium),
        };
        let holder =
            if event == "CreatePolicy" { "Whoever gets the policy" } else { "Whoever holds the policy" };
        let told = Told { resource: &arn, holder, how: &how, most };
        let Some(mut seen) = power::observation(cx, &power, &told) else { return Ok(()) };
        seen = seen.detail_if("Version", version);
        if let Some(before) = earlier(version)
            && let Fact::Known(text) = cx.facts.managed_policy(&arn, Some(&before))?
            && let Power::Known(grant) = power::of_fact(Named::Managed(short), Fact::Known(text), None)
        {
            seen = seen.detail("Before", format!("{before} was {}", grant.level.as_str()));
        }
        seen = seen
            .step("Who holds the policy?", "iam list-entities-for-policy", &[("--policy-arn", &arn)])
            .step("Which versions are there?", "iam list-policy-versions", &[("--policy-arn", &arn)]);
        if let Some(before) = earlier(version) {
            let options = [("--policy-arn", arn.as_str()), ("--version-id", before.as_str())];
            seen = seen.step(
                "Make the earlier version the default again",
                "iam set-default-policy-version",
                &options,
            );
        }
        cx.report(power::stop_caller(seen, record));
        Ok(())
    }
}

/// The version before this one, by number: IAM counts versions up and never uses a number twice.
fn earlier(version: Option<&str>) -> Option<String> {
    let number: u32 = version?.strip_prefix('v')?.parse().ok()?;
    (number > 1).then(|| format!("v{}", number - 1))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;
    use crate::state::{PolicyText, Query};

    const ARN: &str = "arn:aws:iam::111122223333:policy/deploy";
    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    const READ: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;

    fn event(name: &str, request: Value) -> String {
        call("iam", name, json!({"requestParameters": request}))
    }

    fn version(document: &str, default: Value) -> String {
        event(
            "CreatePolicyVersion",
            json!({"policyArn": ARN, "policyDocument": document, "setAsDefault": default}),
        )
    }

    #[test]
    fn fires() {
        let made = event("CreatePolicy", json!({"policyName": "deploy", "policyDocument": ADMIN}));
        assert_eq!(fires_at(&PolicyWritten, Severity::High, &made).subject.resource, ARN);
        fires_at(&PolicyWritten, Severity::Critical, &version(ADMIN, json!(true)));
        fires_at(&PolicyWritten, Severity::Critical, &version(ADMIN, json!("true")));
        fires_at(&PolicyWritten, Severity::Medium, &version(ADMIN, json!(false)));
        fires_at(&PolicyWritten, Severity::Medium, &version(ADMIN, json!(null)));
    }

    #[test]
    fn reads_the_version_that_became_the_default() {
        let switch = event("SetDefaultPolicyVersion", json!({"policyArn": ARN, "versionId": "v2"}));
        let version = |id: &str, text: &str| {
            let query = Query::ManagedPolicy { arn: ARN.to_owned(), version: Some(id.to_owned()) };
            let policy = PolicyText { name: "deploy".to_owned(), text: text.to_owned() };
            (query, Fact::Known(crate::state::Value::Policy(policy)))
        };
        let seen = fired_with(&PolicyWritten, &switch, &[version("v2", ADMIN), version("v1", READ)]);
        assert_eq!(seen.severity, Severity::Critical);
        assert!(seen.details.iter().any(|(label, _)| label == "Before"), "{:?}", seen.details);
        assert!(observe_with(&PolicyWritten, &switch, &[version("v2", READ)]).is_empty());
        assert_eq!(fired(&PolicyWritten, &switch).verdict, Verdict::Unknown);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &PolicyWritten,
            &[
                version(READ, json!(true)),
                event("CreatePolicy", json!({"policyName": "p", "policyDocument": READ})),
                event("CreatePolicy", json!({"omitted": true, "reason": "requestParameters too large"})),
                event("CreatePolicyVersion", json!(null)),
                call(
                    "iam",
                    "CreatePolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"policyName": "p", "policyDocument": ADMIN}}),
                ),
            ],
        );
    }
}
