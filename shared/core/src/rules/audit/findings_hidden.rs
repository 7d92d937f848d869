use super::{list, region, text};
use crate::event::Record;
use crate::observation::Severity;
use crate::rules::admin::power;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};

declare_rule! {
    /// ## What it detects
    /// Findings of Security Hub were suppressed or archived, a control was disabled, or an insight was
    /// deleted.
    /// ## Why it matters
    /// Whoever does not want to be found can hide the findings instead of switching the detector off.
    /// ## What to do
    /// Look at what is suppressed now and why. Take back what nobody can explain.
    /// ## False positives
    /// Suppressing findings and disabling controls is everyday triage, by people and by scripts: low, for the
    /// digest. A suppressed finding that is set to NEW again is not matched with its suppression.
    FindingsHidden {
        id: "audit-security-hub-findings-hidden",
        title: "Findings of Security Hub were hidden",
        severity: Low,
        confidence: Low,
        catalogue: ["DET-04"],
        references: ["CIS AWS v3.0 4.16", "CIS AWS v5.0 4.16", "ATT&CK T1562.001"],
        on: [On::Call("securityhub.amazonaws.com", &[
            "BatchUpdateFindings", "UpdateFindings", "UpdateStandardsControl",
                "BatchUpdateStandardsControlAssociations",
            "DeleteInsight",
        ])],
    }
}

impl Rule for FindingsHidden {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (power::who(record), record.request(), region(record));
        let hub = record.arn("securityhub", "hub/default");
        let disabled = |status: Option<&str>| status == Some("DISABLED");
        let told: Vec<(String, String, String)> = match record.event_name.or_empty() {
            "BatchUpdateFindings" if text(request, &["Workflow", "Status"]) == Some("SUPPRESSED") => {
                let ids: Vec<&str> = list(request, &["FindingIdentifiers"])
                    .into_iter()
                    .filter_map(|finding| text(finding, &["Id"]))
                    .collect();
                // One finding for each caller: more would only repeat Security Hub's own list.
                let title = format!("{who} suppressed {} findings of Security Hub", ids.len());
                vec![(hub, format!("suppressed by {who}"), title)]
            }
            "UpdateFindings" if text(request, &["RecordState"]) == Some("ARCHIVED") => {
                vec![(hub, format!("archived by {who}"), format!("{who} archived findings of Security Hub"))]
            }
            "UpdateStandardsControl" if disabled(text(request, &["ControlStatus"])) => {
                let Some(control) = text(request, &["StandardsControlArn"]) else { return Ok(()) };
                vec![(
                    control.to_owned(),
                    String::new(),
                    format!("{who} disabled control {control} of Security Hub"),
                )]
            }
            "BatchUpdateStandardsControlAssociations" => {
                list(request, &["StandardsControlAssociationUpdates"])
                    .into_iter()
                    .filter(|update| disabled(text(update, &["AssociationStatus"])))
                    .filter_map(|update| {
                        let (control, standard) =
                            (text(update, &["SecurityControlId"])?, text(update, &["StandardsArn"])?);
                        let title = format!("{who} disabled control {control} of Security Hub");
                        Some((standard.to_owned(), control.to_owned(), title))
                    })
                    .collect()
            }
            "DeleteInsight" => {
                let Some(insight) = text(request, &["InsightArn"]) else { return Ok(()) };
                vec![(insight.to_owned(), String::new(), format!("{who} deleted an insight of Security Hub"))]
            }
            _ => return Ok(()),
        };
        let suppressed = r#"{"WorkflowStatus":[{"Value":"SUPPRESSED","Comparison":"EQUALS"}]}"#;
        for (resource, aspect, title) in told {
            let seen = cx
                .failing(resource, title)
                .severity(Severity::Low)
                .because("What is hidden is no longer looked at.")
                .detail_if("Note", text(request, &["Note", "Text"]))
                .detail_if("Reason", text(request, &["DisabledReason"]))
                .step(
                    "What is suppressed?",
                    "securityhub get-findings",
                    &[("--filters", suppressed), ("--region", region)],
                );
            let seen = if aspect.is_empty() { seen } else { seen.aspect(aspect) };
            cx.report(cx.tempered(seen));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rules::testing::*;

    fn hub(event: &str, request: Value) -> String {
        call("securityhub", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let ids = json!([{"Id": "arn:aws:securityhub:us-east-1:111122223333:finding/1", "ProductArn": "p"}]);
        let request = json!({"FindingIdentifiers": ids, "Workflow": {"Status": "SUPPRESSED"},
            "Note": {"Text": "known"}});
        let seen = fires_at(&FindingsHidden, Severity::Low, &hub("BatchUpdateFindings", request));
        assert_eq!(seen.title, "alice suppressed 1 findings of Security Hub");
        fires_at(&FindingsHidden, Severity::Low, &hub("UpdateFindings", json!({"RecordState": "ARCHIVED"})));
        let control = json!({"standardsControlArn": "arn:aws:securityhub:us-east-1:111122223333:control/x/v/1/IAM.1", "controlStatus": "DISABLED"});
        fires_at(&FindingsHidden, Severity::Low, &hub("UpdateStandardsControl", control));
        let update = |status: &str| {
            json!({"SecurityControlId": "IAM.1", "StandardsArn": "arn:aws:s",
            "AssociationStatus": status})
        };
        let updates = json!({"StandardsControlAssociationUpdates": [update("DISABLED"), update("ENABLED")]});
        fires_at(&FindingsHidden, Severity::Low, &hub("BatchUpdateStandardsControlAssociations", updates));
        fires_at(
            &FindingsHidden,
            Severity::Low,
            &hub("DeleteInsight", json!({"InsightArn": "arn:aws:securityhub:::insight/x"})),
        );
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &FindingsHidden,
            &[
                hub("BatchUpdateFindings", json!({"Workflow": {"Status": "NOTIFIED"}})),
                hub("BatchUpdateFindings", json!({"Note": {"Text": "SUPPRESSED"}})),
                hub("UpdateFindings", json!({"RecordState": "ACTIVE"})),
                hub("UpdateStandardsControl", json!({"ControlStatus": "ENABLED"})),
                hub("DeleteInsight", json!(null)),
                call(
                    "securityhub",
                    "BatchUpdateFindings",
                    json!({"errorCode": "AccessDenied",
                        "requestParameters": {"Workflow": {"Status": "SUPPRESSED"}}}),
                ),
            ],
        );
    }
}
