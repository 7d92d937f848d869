use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Findings of Security Hub were suppressed or archived, a control was disabled, an insight or what gathers the
    /// findings of other regions was deleted; or an automation rule suppresses findings as they come, or a product's
    /// findings are no longer taken (both medium). Enabling the control or the product, or deleting the automation rule,
    /// settles the finding. Both forms of Security Hub are heard.
    /// ## Why it matters
    /// Whoever does not want to be found can hide the findings instead of switching the detector off.
    /// ## What to do
    /// Look at what is suppressed now and why. Take back what nobody can explain.
    /// ## False positives
    /// Suppressing findings and disabling controls is everyday triage, by people and by scripts: low, for the
    /// digest. An automation rule for a known exception is normal too; read what it matches. A suppressed
    /// finding that is set to NEW again is not matched with its suppression.
    FindingsHidden {
        id: "audit-security-hub-findings-hidden",
        title: "Findings of Security Hub were hidden",
        severity: Low,
        confidence: Low,
        catalogue: ["DET-04"],
        references: [cis("3.0", &["4.16"]), cis("5.0", &["4.16"]), attack(&["T1562.001"])],
        on: [On::Call("securityhub.amazonaws.com", &[
            "BatchUpdateFindings", "UpdateFindings", "UpdateStandardsControl",
                "BatchUpdateStandardsControlAssociations",
            "DeleteInsight", "CreateAutomationRule", "BatchUpdateAutomationRules", "BatchDeleteAutomationRules",
            "BatchUpdateFindingsV2", "CreateAutomationRuleV2", "UpdateAutomationRuleV2", "DeleteAutomationRuleV2",
            "DisableImportFindingsForProduct", "EnableImportFindingsForProduct", "DeleteFindingAggregator",
            "DeleteAggregatorV2",
        ])],
    }
}

impl Rule for FindingsHidden {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        seen_again(record, cx);
        let (request, region) = (record.request(), region(record));
        // A rule hides what is yet to come, as a filter of GuardDuty does.
        let event = record.event_name.or_empty();
        let severity = if event.contains("AutomationRule") || event.contains("Import") {
            Severity::Medium
        } else {
            Severity::Low
        };
        let suppressed = r#"{"WorkflowStatus":[{"Value":"SUPPRESSED","Comparison":"EQUALS"}]}"#;
        for Hidden { resource, aspect, title } in hidden(record) {
            let seen = cx
                .failing(resource, title)
                .severity(severity)
                .because("What is hidden is no longer looked at.")
                .detail_if("Note", text_at(request, &["Note", "Text"]))
                .detail_if("Reason", text_at(request, &["DisabledReason"]))
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

/// What a call hides.
struct Hidden {
    resource: String,
    /// Empty where the resource says all.
    aspect: String,
    title: String,
}

fn hidden(record: &Record<'_>) -> Vec<Hidden> {
    let (who, request) = (caller_name(record), record.request());
    let disabled = |status: Option<&str>| status == Some("DISABLED");
    let hub = |how: &str, title: String| Hidden {
        resource: record.arn("securityhub", "hub/default"),
        aspect: format!("{how} by {who}"),
        title,
    };
    let whole = |resource: &str, title: String| Hidden {
        resource: resource.to_owned(),
        aspect: String::new(),
        title,
    };
    let by_rule = |rule: &str, name: &str| {
        whole(rule, format!("{who} has Security Hub suppress findings by automation rule {name}"))
    };
    match record.event_name.or_empty() {
        "BatchUpdateFindings" if text_at(request, &["Workflow", "Status"]) == Some("SUPPRESSED") => {
            let all = items_at(request, &["FindingIdentifiers"]);
            // One finding for each caller: more would only repeat Security Hub's own list.
            let findings = match all.into_iter().filter(|finding| text_at(finding, &["Id"]).is_some()).count()
            {
                1 => "a finding".to_owned(),
                many => format!("{many} findings"),
            };
            vec![hub("suppressed", format!("{who} suppressed {findings} of Security Hub"))]
        }
        "UpdateFindings" if text_at(request, &["RecordState"]) == Some("ARCHIVED") => {
            vec![hub("archived", format!("{who} archived findings of Security Hub"))]
        }
        "UpdateStandardsControl" if disabled(text_at(request, &["ControlStatus"])) => {
            let control = text_at(request, &["StandardsControlArn"]);
            let of = |control| whole(control, format!("{who} disabled control {control} of Security Hub"));
            control.into_iter().map(of).collect()
        }
        "BatchUpdateStandardsControlAssociations" => {
            let updates = items_at(request, &["StandardsControlAssociationUpdates"]).into_iter();
            let updates = updates.filter(|update| disabled(text_at(update, &["AssociationStatus"])));
            let of = |update: &Value| {
                let control = text_at(update, &["SecurityControlId"])?;
                let title = format!("{who} disabled control {control} of Security Hub");
                let standard = text_at(update, &["StandardsArn"])?;
                Some(Hidden { aspect: control.to_owned(), ..whole(standard, title) })
            };
            updates.filter_map(of).collect()
        }
        "DeleteInsight" => {
            let of = |insight| whole(insight, format!("{who} deleted an insight of Security Hub"));
            text_at(request, &["InsightArn"]).into_iter().map(of).collect()
        }
        "BatchUpdateFindingsV2" if is_suppressed(request) => {
            vec![hub("suppressed", format!("{who} suppressed findings of Security Hub"))]
        }
        "DisableImportFindingsForProduct" => {
            let of = |product| {
                let title = format!("{who} has Security Hub take no more findings of {}", last_part(product));
                whole(product, title)
            };
            text_at(request, &["ProductSubscriptionArn"]).into_iter().map(of).collect()
        }
        "DeleteFindingAggregator" | "DeleteAggregatorV2" => {
            let of = |gathers| {
                whole(
                    gathers,
                    format!("{who} has Security Hub no longer gather the findings of other regions"),
                )
            };
            let named = ["FindingAggregatorArn", "AggregatorV2Arn"];
            named.iter().find_map(|key| text_at(request, &[key])).into_iter().map(of).collect()
        }
        "CreateAutomationRule" | "CreateAutomationRuleV2" | "UpdateAutomationRuleV2"
            if suppresses(request) =>
        {
            let name = text_at(request, &["RuleName"]);
            let asked =
                || record.arn("securityhub", &format!("automation-rule/{}", name.unwrap_or_default()));
            let rule = text_at(record.response(), &["RuleArn"]).or_else(|| text_at(request, &["Identifier"]));
            let rule = rule.map_or_else(asked, str::to_owned);
            vec![by_rule(&rule, name.unwrap_or_else(|| last_part(&rule)))]
        }
        "BatchUpdateAutomationRules" => {
            let items = items_at(request, &["UpdateAutomationRulesRequestItems"]).into_iter();
            let of = |item: &Value| {
                let rule = text_at(item, &["RuleArn"])?;
                Some(by_rule(rule, text_at(item, &["RuleName"]).unwrap_or_else(|| last_part(rule))))
            };
            items.filter(|item| suppresses(item)).filter_map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an automation rule's actions suppress what it matches.
fn suppresses(rule: &Value) -> bool {
    let status = ["FindingFieldsUpdate", "Workflow", "Status"];
    items_at(rule, &["Actions"]).into_iter().any(|action| {
        text_at(action, &status) == Some("SUPPRESSED")
            || value_at(action, &["FindingFieldsUpdate"]).is_some_and(is_suppressed)
    })
}

/// The newer Security Hub speaks OCSF, whose status 3 is "Suppressed".
fn is_suppressed(fields: &Value) -> bool {
    number_at(fields, &["StatusId"]) == Some(3)
}

/// Reports what comes into sight again: a control that is enabled, what an automation rule hid.
fn seen_again(record: &Record<'_>, cx: &mut Cx<'_>) {
    let (who, request) = (caller_name(record), record.request());
    let enabled = |status: Option<&str>| status == Some("ENABLED");
    match record.event_name.or_empty() {
        "UpdateStandardsControl" if enabled(text_at(request, &["ControlStatus"])) => {
            if let Some(control) = text_at(request, &["StandardsControlArn"]) {
                cx.report(cx.passing(control, format!("{who} enabled control {control} of Security Hub")));
            }
        }
        "BatchUpdateStandardsControlAssociations" => {
            for update in items_at(request, &["StandardsControlAssociationUpdates"]) {
                let named = text_at(update, &["SecurityControlId"]).zip(text_at(update, &["StandardsArn"]));
                let named = named.filter(|_| enabled(text_at(update, &["AssociationStatus"])));
                if let Some((control, standard)) = named {
                    let title = format!("{who} enabled control {control} of Security Hub");
                    cx.report(cx.passing(standard, title).aspect(control));
                }
            }
        }
        "DeleteAutomationRuleV2" => {
            if let Some(rule) = text_at(request, &["Identifier"]) {
                cx.report(cx.passing(rule, format!("{who} deleted automation rule {}", last_part(rule))));
            }
        }
        "EnableImportFindingsForProduct" => {
            if let Some(product) = text_at(record.response(), &["ProductSubscriptionArn"]) {
                let title = format!("{who} has Security Hub take findings of {}", last_part(product));
                cx.report(cx.passing(product, title));
            }
        }
        "BatchDeleteAutomationRules" => {
            for rule in texts_at(request, &["AutomationRulesArns"]) {
                cx.report(cx.passing(rule, format!("{who} deleted automation rule {}", last_part(rule))));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn hub(event: &str, request: Value) -> String {
        call("securityhub", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let ids = json!([{"Id": "arn:aws:securityhub:us-east-1:111122223333:finding/1", "ProductArn": "p"}]);
        let request = json!({"FindingIdentifiers": ids, "Workflow": {"Status": "SUPPRESSED"},
            "Note": {"Text": "known"}});
        let seen = fires_at(&FindingsHidden, Severity::Low, &hub("BatchUpdateFindings", request));
        assert_eq!(seen.title, "alice suppressed a finding of Security Hub");
        fires_at(&FindingsHidden, Severity::Low, &hub("UpdateFindings", json!({"RecordState": "ARCHIVED"})));
        let control = json!({"standardsControlArn": "arn:aws:securityhub:us-east-1:111122223333:control/x/v/1/IAM.1", "controlStatus": "DISABLED"});
        fires_at(&FindingsHidden, Severity::Low, &hub("UpdateStandardsControl", control));
        let update = |status: &str| {
            json!({"SecurityControlId": "IAM.1", "StandardsArn": "arn:aws:s",
            "AssociationStatus": status})
        };
        let updates = json!({"StandardsControlAssociationUpdates": [update("DISABLED"), update("x")]});
        fires_at(&FindingsHidden, Severity::Low, &hub("BatchUpdateStandardsControlAssociations", updates));
        fires_at(
            &FindingsHidden,
            Severity::Low,
            &hub("DeleteInsight", json!({"InsightArn": "arn:aws:securityhub:::insight/x"})),
        );
    }

    const RULE: &str = "arn:aws:securityhub:us-east-1:111122223333:automation-rule/a1b2";

    fn automation(status: &str) -> Value {
        json!([{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": {"Workflow": {"Status": status}}}])
    }

    #[test]
    fn an_automation_rule_that_suppresses_is_medium() {
        let made = json!({"requestParameters": {"RuleName": "hush", "Actions": automation("SUPPRESSED")},
            "responseElements": {"RuleArn": RULE}});
        let made =
            fires_at(&FindingsHidden, Severity::Medium, &call("securityhub", "CreateAutomationRule", made));
        assert_eq!(made.title, "alice has Security Hub suppress findings by automation rule hush");
        let item = json!({"RuleArn": RULE, "Actions": automation("SUPPRESSED")});
        let items = json!({"UpdateAutomationRulesRequestItems": [item]});
        let rewritten = fired(&FindingsHidden, &hub("BatchUpdateAutomationRules", items));
        assert_eq!(rewritten.finding_id(), made.finding_id());
        let gone = hub("BatchDeleteAutomationRules", json!({"AutomationRulesArns": [RULE]}));
        let gone = observe(&FindingsHidden, &gone);
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, made.finding_id()));
    }

    #[test]
    fn enabling_a_control_settles_it() {
        let one = |status: &str| {
            let arn = "arn:aws:securityhub:us-east-1:111122223333:control/x/v/1/IAM.1";
            hub("UpdateStandardsControl", json!({"StandardsControlArn": arn, "ControlStatus": status}))
        };
        let many = |status: &str| {
            let update = json!({"SecurityControlId": "IAM.1", "StandardsArn": "arn:aws:s",
                "AssociationStatus": status});
            let updates = json!({"StandardsControlAssociationUpdates": [update]});
            hub("BatchUpdateStandardsControlAssociations", updates)
        };
        for (bad, good) in [(one("DISABLED"), one("ENABLED")), (many("DISABLED"), many("ENABLED"))] {
            let (bad, good) = (fired(&FindingsHidden, &bad), observe(&FindingsHidden, &good));
            assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
        }
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
                hub("CreateAutomationRule", json!({"RuleName": "mine", "Actions": automation("NOTIFIED")})),
                call(
                    "securityhub",
                    "BatchUpdateFindings",
                    json!({"errorCode": "AccessDenied",
                        "requestParameters": {"Workflow": {"Status": "SUPPRESSED"}}}),
                ),
            ],
        );
    }

    #[test]
    fn the_newer_form_hides_by_a_number() {
        let actions =
            |id: i64| json!([{"Type": "FINDING_FIELDS_UPDATE", "FindingFieldsUpdate": {"StatusId": id}}]);
        let update =
            |id: i64| hub("UpdateAutomationRuleV2", json!({"Identifier": RULE, "Actions": actions(id)}));
        let title = "alice has Security Hub suppress findings by automation rule a1b2";
        let gone = hub("DeleteAutomationRuleV2", json!({"Identifier": RULE}));
        opens_and_closes(&FindingsHidden, Severity::Medium, (&update(3), title), &gone);
        let made = hub("CreateAutomationRuleV2", json!({"RuleName": "hush", "Actions": actions(3)}));
        fires_at(&FindingsHidden, Severity::Medium, &made);
        fires_at(
            &FindingsHidden,
            Severity::Low,
            &hub("BatchUpdateFindingsV2", json!({"MetadataUids": ["a"], "StatusId": 3})),
        );
        quiet(
            &FindingsHidden,
            &[update(1), hub("BatchUpdateFindingsV2", json!({"MetadataUids": ["a"], "StatusId": 2}))],
        );
    }

    #[test]
    fn a_product_that_is_no_longer_heard_is_medium() {
        let arn = "arn:aws:securityhub:us-east-1:111122223333:product-subscription/aws/guardduty";
        let off = hub("DisableImportFindingsForProduct", json!({"ProductSubscriptionArn": arn}));
        let on = call(
            "securityhub",
            "EnableImportFindingsForProduct",
            json!({"responseElements": {"ProductSubscriptionArn": arn}}),
        );
        let title = "alice has Security Hub take no more findings of guardduty";
        opens_and_closes(&FindingsHidden, Severity::Medium, (&off, title), &on);
        for (event, key) in
            [("DeleteFindingAggregator", "FindingAggregatorArn"), ("DeleteAggregatorV2", "AggregatorV2Arn")]
        {
            fires_at(
                &FindingsHidden,
                Severity::Low,
                &hub(event, json!({key: "arn:aws:securityhub:us-east-1:111122223333:x/1"})),
            );
        }
    }
}
