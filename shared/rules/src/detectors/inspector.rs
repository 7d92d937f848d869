use keepwatch_core::event::Inspector;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Amazon Inspector has a finding: a vulnerable package, vulnerable code, or a port that the internet reaches. A
    /// CRITICAL one for which an exploit is known, and a package that is malware itself, are HIGH; a HIGH one with an
    /// exploit is MEDIUM; all others are LOW. Inspector closes a finding when it is fixed, and so does a suppression there.
    /// ## Why it matters
    /// A vulnerability that others exploit already is a matter of days; the thousands besides are a matter of patching.
    /// ## What to do
    /// Patch what the finding names, or take the machine, image or function off until there is a patch.
    /// ## False positives
    /// Packages that are installed and never run. Suppress them in Inspector, which closes the finding here. A first scan
    /// finds everything at once, which is why only exploited vulnerabilities are mailed.
    InspectorFinding {
        id: "inspector-finding",
        title: "Amazon Inspector has a finding",
        severity: Low,
        confidence: Medium,
        catalogue: ["ST-13"],
        references: [
            attack(&["T1190"]),
            doc(&["Amazon Inspector user guide: EventBridge event schema for Amazon Inspector events"]),
        ],
        on: [On::Detector(Detector::Inspector)],
        repeat_hours: 720,
    }
}

impl Rule for InspectorFinding {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::Inspector(finding) = body else { return Ok(()) };
        let Some(arn) = finding.arn.get() else { return Ok(()) };
        let status = finding.status.or_empty();
        if matches!(status, "CLOSED" | "SUPPRESSED") {
            let word = status.to_lowercase();
            let mut gone = cx.passing(arn, format!("Inspector says that the finding is {word}"));
            if status == "SUPPRESSED" {
                gone.resolution = Resolution::NotApplicable;
            }
            cx.report(gone);
            return Ok(());
        }
        let title = finding.title.get().unwrap_or(finding.kind.get().unwrap_or("a finding without a title"));
        let resource = finding.resources.0.first();
        let on = resource.and_then(|resource| resource.id.get());
        let region = resource.and_then(|resource| resource.region.get()).unwrap_or(cx.event.region());
        let criteria =
            serde_json::json!({"findingArn": [{"comparison": "EQUALS", "value": arn}]}).to_string();
        let title = match on {
            Some(on) => format!("Inspector: {}: {on}", title.trim_end_matches('.')),
            None => format!("Inspector: {}", title.trim_end_matches('.')),
        };
        let seen = cx
            .failing(arn, title)
            .severity(severity(finding))
            .because(finding.description.get().unwrap_or("Inspector gives no description."))
            .detail_if("Severity in Inspector", finding.severity.get())
            .detail_if("Vulnerability", finding.package.id.get())
            .detail_if("Exploit known", finding.exploit.get())
            .detail_if("Fix available", finding.fix.get())
            .detail_if("Resource type", resource.and_then(|resource| resource.kind.get()))
            .step(
                "Read the whole finding",
                "inspector2 list-findings",
                &[("--region", region), ("--filter-criteria", &criteria)],
            );
        cx.report(seen);
        Ok(())
    }
}

/// Inspector rates by what could happen; what happens elsewhere already counts more.
fn severity(finding: &Inspector<'_>) -> Severity {
    let exploited = finding.exploit.is_ignore_case("YES");
    match finding.severity.or_empty() {
        // The ids of packages that were published to do harm.
        _ if finding.package.id.or_empty().starts_with("MAL-") => Severity::High,
        "CRITICAL" if exploited => Severity::High,
        "HIGH" if exploited => Severity::Medium,
        _ => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const ARN: &str = "arn:aws:inspector2:us-east-1:111122223333:finding/0f0a";

    fn found(changes: Value) -> String {
        let mut finding = json!({"findingArn": ARN, "awsAccountId": ACCOUNT, "type": "PACKAGE_VULNERABILITY",
            "title": "CVE-2021-44228 - log4j-core", "description": "Apache Log4j2 runs what it logs.",
            "severity": "CRITICAL", "status": "ACTIVE", "exploitAvailable": "YES", "fixAvailable": "YES",
            "updatedAt": "2026-03-01T11:00:00Z", "packageVulnerabilityDetails": {"vulnerabilityId": "CVE-2021-44228"},
            "resources": [{"id": "i-0abc", "type": "AWS_EC2_INSTANCE", "region": "us-east-1", "partition": "aws"}]});
        if let (Some(finding), Value::Object(changes)) = (finding.as_object_mut(), changes) {
            finding.extend(changes);
        }
        envelope("aws.inspector2", "Inspector2 Finding", finding)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&InspectorFinding, Severity::High, &found(json!({})));
        assert_eq!(seen.title, "Inspector: CVE-2021-44228 - log4j-core: i-0abc");
        for (severity, exploit, expected) in [
            ("HIGH", "YES", Severity::Medium),
            ("CRITICAL", "NO", Severity::Low),
            ("HIGH", "NO", Severity::Low),
            ("MEDIUM", "YES", Severity::Low),
            ("UNTRIAGED", "", Severity::Low),
        ] {
            let changes = json!({"severity": severity, "exploitAvailable": exploit});
            fires_at(&InspectorFinding, expected, &found(changes));
        }
        let malware = json!({"severity": "HIGH", "exploitAvailable": null,
            "packageVulnerabilityDetails": {"vulnerabilityId": "MAL-2026-1"}});
        fires_at(&InspectorFinding, Severity::High, &found(malware));
        // A port has no package, and a resource may be missing.
        let port = json!({"type": "NETWORK_REACHABILITY", "title": "Port 22 is reachable", "exploitAvailable": null,
            "packageVulnerabilityDetails": null, "resources": []});
        let seen = fires_at(&InspectorFinding, Severity::Low, &found(port));
        assert_eq!(seen.title, "Inspector: Port 22 is reachable");
    }

    #[test]
    fn it_closes() {
        let open = fired(&InspectorFinding, &found(json!({})));
        for (status, resolution) in [("CLOSED", Resolution::Fixed), ("SUPPRESSED", Resolution::NotApplicable)]
        {
            let gone = observe(&InspectorFinding, &found(json!({"status": status})));
            assert_eq!((gone.len(), gone[0].verdict, gone[0].resolution), (1, Verdict::Passing, resolution));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &InspectorFinding,
            &[
                found(json!({"findingArn": null})),
                envelope(
                    "aws.inspector2",
                    "Inspector2 Scan",
                    json!({"scan-status": "INITIAL_SCAN_COMPLETE"}),
                ),
                envelope("aws.inspector2", "Inspector2 Finding", json!({})),
            ],
        );
    }
}
