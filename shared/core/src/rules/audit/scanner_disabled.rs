use super::{region, tempered, text, texts};
use crate::event::Record;
use crate::observation::Severity;
use crate::rules::admin::power;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};

declare_rule! {
    /// ## What it detects
    /// Amazon Macie was disabled or paused, Amazon Inspector was disabled, or a behaviour graph of Amazon
    /// Detective was deleted.
    /// ## Why it matters
    /// These look for sensitive data in the open, for known vulnerabilities, and for what belongs to an
    /// incident. What they had gathered is deleted with them.
    /// ## What to do
    /// Ask the caller, and enable the service again.
    /// ## False positives
    /// A trial that ended. Inspector is also disabled for single accounts or kinds of resources; the mail
    /// lists them.
    ScannerDisabled {
        id: "audit-scanner-disabled",
        title: "Macie, Inspector or Detective was switched off",
        severity: Medium,
        confidence: High,
        catalogue: ["DET-05"],
        references: ["Security Hub Macie.1, Inspector.1, Inspector.2, Inspector.3, Inspector.4", "ATT&CK T1562.001"],
        on: [
            On::Call("macie2.amazonaws.com", &["DisableMacie", "UpdateMacieSession", "EnableMacie"]),
            On::Call("inspector2.amazonaws.com", &["Disable", "Enable"]),
            On::Call("detective.amazonaws.com", &["DeleteGraph", "CreateGraph"]),
        ],
    }
}

impl Rule for ScannerDisabled {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (power::who(record), record.request(), region(record));
        let (name, look) = match record.event_source.or_empty() {
            "macie2.amazonaws.com" => ("Amazon Macie", "macie2 get-macie-session"),
            "inspector2.amazonaws.com" => ("Amazon Inspector", "inspector2 batch-get-account-status"),
            _ => ("Amazon Detective", "detective list-graphs"),
        };
        let did = match (record.event_name.or_empty(), text(request, &["status"])) {
            ("UpdateMacieSession", Some("PAUSED")) => "paused",
            ("UpdateMacieSession", Some("ENABLED")) | ("EnableMacie" | "Enable" | "CreateGraph", _) => {
                cx.report(cx.passing(name, format!("{who} enabled {name} in {region}")));
                return Ok(());
            }
            ("UpdateMacieSession", _) => return Ok(()),
            _ => "switched off",
        };
        let part =
            |parameter: &str| Some(texts(request, &[parameter]).join(", ")).filter(|ids| !ids.is_empty());
        let seen = cx
            .failing(name, format!("{who} {did} {name} in {region}"))
            .because("It finds nothing any more. Disabled for good, it also loses what it had found.")
            .detail_if("Accounts", part("accountIds").as_deref())
            .detail_if("Resource types", part("resourceTypes").as_deref())
            .step("What is its state?", look, &[("--region", region)]);
        cx.report(power::stop_caller(tempered(cx, Severity::Low, seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;

    fn scanner(service: &str, event: &str, request: Value) -> String {
        call(service, event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_until_it_is_undone() {
        for (service, bad, request, good) in [
            ("macie2", "DisableMacie", json!(null), "EnableMacie"),
            ("macie2", "UpdateMacieSession", json!({"status": "PAUSED"}), "EnableMacie"),
            ("inspector2", "Disable", json!({"accountIds": [], "resourceTypes": ["EC2"]}), "Enable"),
            (
                "detective",
                "DeleteGraph",
                json!({"GraphArn": "arn:aws:detective:us-east-1:111122223333:graph:1"}),
                "CreateGraph",
            ),
        ] {
            let seen = fires_at(&ScannerDisabled, Severity::Medium, &scanner(service, bad, request));
            let undone = observe(&ScannerDisabled, &scanner(service, good, json!({})));
            assert_eq!((undone[0].verdict, undone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ScannerDisabled,
            &[
                scanner("macie2", "UpdateMacieSession", json!({"findingPublishingFrequency": "ONE_HOUR"})),
                scanner("macie", "DisableMacie", json!(null)),
                call("inspector2", "Disable", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }
}
