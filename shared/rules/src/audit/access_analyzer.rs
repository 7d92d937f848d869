use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An IAM Access Analyzer was deleted, an archive rule was written that hides its findings, or findings were archived
    /// (low).
    /// ## Why it matters
    /// The analyzer is what tells that a role, a bucket or a key can be reached from outside the account.
    /// Archived findings are not told.
    /// ## What to do
    /// Create the analyzer again: it is free for external access. Read the archive rule and delete it if
    /// nobody can explain it.
    /// ## False positives
    /// Archive rules for access that is meant are the normal way to use the analyzer: low.
    AccessAnalyzer {
        id: "audit-access-analyzer-weakened",
        title: "IAM Access Analyzer was deleted or hides findings",
        severity: Medium,
        confidence: Medium,
        catalogue: ["IAM-17"],
        references: [
            cis("3.0", &["1.20"]),
            cis("5.0", &["1.19"]),
            security_hub(&["IAM.28"]),
            attack(&["T1562"]),
        ],
        on: [On::Call("access-analyzer.amazonaws.com", &[
            "DeleteAnalyzer", "CreateAnalyzer", "CreateArchiveRule", "UpdateArchiveRule", "DeleteArchiveRule",
            "UpdateFindings", "ApplyArchiveRule",
        ])],
    }
}

impl Rule for AccessAnalyzer {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        if let Some(analyzer) = text_at(request, &["analyzerArn"]) {
            if let Some(seen) = archived(record, cx, analyzer) {
                cx.report(seen);
            }
            return Ok(());
        }
        let Some(analyzer) = text_at(request, &["analyzerName"]) else { return Ok(()) };
        let arn = record.arn("access-analyzer", &format!("analyzer/{analyzer}"));
        let rule = text_at(request, &["ruleName"]).unwrap_or("without a name");
        let seen = match record.event_name.or_empty() {
            "CreateAnalyzer" => {
                // An analyzer can be born with rules that hide what it finds.
                for rule in items_at(request, &["archiveRules"]) {
                    cx.report(archives(record, cx, analyzer, rule));
                }
                cx.passing(arn, format!("{who} created analyzer {analyzer}"))
            }
            "DeleteArchiveRule" => {
                cx.passing(archive_rule(&arn, rule), format!("{who} deleted archive rule {rule}"))
            }
            "DeleteAnalyzer" => {
                let seen = cx
                    .failing(arn, format!("{who} deleted Access Analyzer {analyzer} in {region}"))
                    .because(
                        "Nothing tells any more that a resource can be reached from outside, \
                         where it was the only one.",
                    )
                    .detail("Analyzer", analyzer)
                    .step(
                        "Which analyzers are left?",
                        "accessanalyzer list-analyzers",
                        &[("--region", region)],
                    );
                stop_caller(tempered_to(cx, Severity::Low, seen), record)
            }
            _ => archives(record, cx, analyzer, request),
        };
        cx.report(seen);
        Ok(())
    }
}

/// Findings that are archived as they stand, one by one or by a rule that is there already.
fn archived(record: &Record<'_>, cx: &Cx<'_>, analyzer: &str) -> Option<Observation> {
    let who = caller_name(record);
    let by_rule = record.event_name.or_empty() == "ApplyArchiveRule";
    if !by_rule && text_at(record.request(), &["status"]) != Some("ARCHIVED") {
        return None;
    }
    let seen = cx
        .failing(analyzer, format!("{who} archived findings of Access Analyzer {}", last_part(analyzer)))
        .severity(Severity::Low)
        .aspect(format!("archived by {who}"))
        .because("What is archived is no longer looked at.")
        .detail_if("Archive rule", text_at(record.request(), &["ruleName"]))
        .step(
            "What is archived?",
            "accessanalyzer list-findings-v2",
            &[
                ("--analyzer-arn", analyzer),
                ("--filter", r#"{"status":{"eq":["ARCHIVED"]}}"#),
                region_option(record),
            ],
        );
    Some(cx.tempered(seen))
}

fn archive_rule(analyzer: &str, rule: &str) -> String {
    format!("{analyzer}/archive-rule/{rule}")
}

/// An archive rule, from a call of its own or from the one that makes the analyzer.
fn archives(record: &Record<'_>, cx: &Cx<'_>, analyzer: &str, given: &Value) -> Observation {
    let rule = text_at(given, &["ruleName"]).unwrap_or("without a name");
    let arn = record.arn("access-analyzer", &format!("analyzer/{analyzer}"));
    let filter = value_at(given, &["filter"]).map(Value::to_string);
    let look = [("--analyzer-name", analyzer), ("--rule-name", rule), ("--region", region(record))];
    let title =
        format!("{} has Access Analyzer {analyzer} archive findings by rule {rule}", caller_name(record));
    let seen = cx
        .failing(archive_rule(&arn, rule), title)
        .severity(Severity::Low)
        .because("Findings that the rule matches are archived as they come.")
        .detail_if("Filter", filter.as_deref())
        .step("What does it match?", "accessanalyzer get-archive-rule", &look)
        .step("Delete it", "accessanalyzer delete-archive-rule", &look);
    cx.tempered(seen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn analyzer(event: &str, request: Value) -> String {
        call("access-analyzer", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_until_it_is_undone() {
        let name = json!({"analyzerName": "account"});
        let rule =
            json!({"analyzerName": "account", "ruleName": "hush", "filter": {"isPublic": {"eq": ["true"]}}});
        for (severity, bad, good, request) in [
            (Severity::Medium, "DeleteAnalyzer", "CreateAnalyzer", name),
            (Severity::Low, "CreateArchiveRule", "DeleteArchiveRule", rule.clone()),
            (Severity::Low, "UpdateArchiveRule", "DeleteArchiveRule", rule),
        ] {
            let seen = fires_at(&AccessAnalyzer, severity, &analyzer(bad, request.clone()));
            let undone = observe(&AccessAnalyzer, &analyzer(good, request));
            assert_eq!((undone[0].verdict, undone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        }
    }

    #[test]
    fn an_analyzer_may_be_born_with_rules_that_hide() {
        let rules = json!([{"ruleName": "hush", "filter": {"isPublic": {"eq": ["true"]}}}]);
        let made = analyzer("CreateAnalyzer", json!({"analyzerName": "account", "archiveRules": rules}));
        let seen = observe(&AccessAnalyzer, &made);
        assert_eq!(seen.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Failing, Verdict::Passing]);
        let rule = json!({"analyzerName": "account", "ruleName": "hush"});
        let gone = observe(&AccessAnalyzer, &analyzer("DeleteArchiveRule", rule));
        assert_eq!(gone[0].finding_id(), seen[0].finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AccessAnalyzer,
            &[
                analyzer("DeleteAnalyzer", json!(null)),
                analyzer("DeleteAnalyzer", json!({"analyzerName": ["x"]})),
                analyzer("StartResourceScan", json!({"analyzerArn": "x"})),
                call(
                    "access-analyzer",
                    "DeleteAnalyzer",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"analyzerName": "x"}}),
                ),
            ],
        );
    }

    #[test]
    fn findings_are_archived_one_by_one_as_well() {
        let analyzer = "arn:aws:access-analyzer:us-east-1:111122223333:analyzer/main";
        let update = |status: &str| {
            asked(
                "access-analyzer",
                "UpdateFindings",
                json!({"analyzerArn": analyzer, "status": status, "ids": ["a"]}),
            )
        };
        let seen = fires_at(&AccessAnalyzer, Severity::Low, &update("ARCHIVED"));
        assert_eq!(seen.title, "alice archived findings of Access Analyzer main");
        let rule = json!({"analyzerArn": analyzer, "ruleName": "hush"});
        fires_at(&AccessAnalyzer, Severity::Low, &asked("access-analyzer", "ApplyArchiveRule", rule));
        quiet(&AccessAnalyzer, &[update("ACTIVE")]);
    }
}
