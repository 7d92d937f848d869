use keepwatch_base::hash::short_hash;
use keepwatch_core::event::HubFinding;
use keepwatch_core::observation::Verdict;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Security Hub has a finding: a control that failed, or what Inspector, Macie or another product has sent.
    /// CRITICAL and HIGH are mailed; everything less is LOW. The same control in several standards is one finding for each
    /// resource. It closes when the control passes, or when the finding is resolved, suppressed or archived there. Findings
    /// of the second version of Security Hub, and those that a person sends by a custom action, are read alike.
    /// ## Why it matters
    /// Security Hub looks at the state of the account, and so finds what was wrong long before Keepwatch came.
    /// ## What to do
    /// Follow the remediation that the finding names, or suppress it in Security Hub, which closes it here.
    /// ## False positives
    /// What Keepwatch itself has sent is ignored, and so are GuardDuty's, Access Analyzer's and AWS Config's findings,
    /// which are heard directly. So are Inspector's, of which thousands come at once: a rule of its own tells which of them
    /// matter. A control that could not be evaluated is LOW and unknown.
    SecurityHubFinding {
        id: "security-hub-finding",
        title: "Security Hub has a finding",
        severity: Low,
        confidence: Medium,
        catalogue: ["ST-10"],
        references: [
            doc(&["Security Hub user guide: EventBridge event formats"]),
            cis("3.0", &["4.16"]),
            cis("5.0", &["4.16"]),
        ],
        on: [
            On::Detector(Detector::SecurityHub), On::Detector(Detector::SecurityHubAction),
            On::Detector(Detector::SecurityHubV2),
        ],
        // Controls are evaluated again every 12 or 24 hours.
        repeat_hours: 720,
    }
}

impl Rule for SecurityHubFinding {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::SecurityHub(hub) = body else { return Ok(()) };
        for finding in &hub.findings.0 {
            // What was told of Inspector's findings before they were heard directly closes all the same.
            if let Some(seen) =
                seen(finding, cx).filter(|seen| seen.verdict == Verdict::Passing || !by(finding, "inspector"))
            {
                cx.report(seen);
            }
        }
        Ok(())
    }
}

fn seen(finding: &HubFinding<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let id = finding.id.get()?;
    if heard_otherwise(finding, cx) {
        return None;
    }
    let account = finding.account_id.get().unwrap_or(cx.event.account());
    let named = finding.resources.0.iter().find_map(|resource| resource.id.get()).unwrap_or(id);
    let resource = named.strip_prefix("AWS::::Account:").unwrap_or(named);
    let title = finding.title.get().unwrap_or(id).trim_end_matches('.');
    let failing = |severity| {
        cx.failing(resource, format!("Security Hub: {title}: {resource}"))
            .severity(severity)
            .because(finding.description.get().unwrap_or(title))
    };
    let gone = |why: &str, resolution| {
        let mut gone = cx.passing(resource, why);
        gone.resolution = resolution;
        gone
    };
    let compliance = finding.compliance.status.or_empty();
    let mut seen = match (finding.record_state.or_empty(), finding.workflow.status.or_empty()) {
        ("ARCHIVED", _) => gone("Security Hub has archived the finding", Resolution::NotApplicable),
        (_, "SUPPRESSED") => gone("The finding is suppressed in Security Hub", Resolution::NotApplicable),
        (_, "RESOLVED") => gone("The finding is resolved in Security Hub", Resolution::Fixed),
        _ if compliance == "PASSED" => gone("The control passes in Security Hub", Resolution::Fixed),
        // Neither good nor bad: an outage, or nothing to look at.
        _ if compliance == "NOT_AVAILABLE" => return None,
        _ if compliance == "WARNING" => cx
            .unknown(resource, format!("Security Hub could not fully evaluate: {title}: {resource}"))
            .severity(Severity::Low)
            .because(
                finding.product_fields.annotation.get().unwrap_or("Security Hub warns, and gives no reason."),
            ),
        _ => failing(severity(finding)),
    };
    let of_resource = finding.resources.0.iter().find_map(|resource| resource.region.get());
    let region = finding.region.get().or(of_resource).unwrap_or(cx.event.region());
    // Every region evaluates these anew, for the one IAM that an account has.
    let global = seen.subject.region == "global"
        || control(finding)
            .is_some_and(|control| control.starts_with("IAM.") || control.starts_with("PCI.IAM."));
    seen.subject.region = if global { "global".to_owned() } else { clean(region, 32) };
    seen.subject.account = clean(account, 32);
    seen.event.time = Timestamp::parse(finding.updated_at.or_empty()).unwrap_or(seen.event.time);
    let filter = serde_json::json!({"Id": [{"Value": id, "Comparison": "EQUALS"}]}).to_string();
    let identifiers =
        shorthand(&[("Id", id), ("ProductArn", finding.product_arn.get().unwrap_or("THE_PRODUCT_ARN"))]);
    Some(
        seen.aspect(aspect(finding, id))
            .detail("Account", account)
            .detail_if("Control", control(finding))
            .detail_if("Product", finding.product_name.get().or(finding.product_arn.get()))
            .detail_if("Severity in Security Hub", finding.severity.label.get())
            .step(
                "Read the whole finding, with its remediation",
                "securityhub get-findings",
                &[("--region", region), ("--filters", &filter)],
            )
            .step(
                "If it is accepted, suppress it there",
                "securityhub batch-update-findings",
                &[
                    ("--region", region),
                    ("--finding-identifiers", &identifiers),
                    ("--workflow", "Status=SUPPRESSED"),
                ],
            ),
    )
}

/// Whether Keepwatch sent the finding itself, or hears its source directly.
fn heard_otherwise(finding: &HubFinding<'_>, cx: &Cx<'_>) -> bool {
    let product = finding.product_arn.or_empty();
    let own = product.ends_with("/default")
        && (finding.product_fields.provider.or_empty() == "Keepwatch"
            || cx.knows_rule(finding.generator.or_empty()));
    own || ["guardduty", "access-analyzer", "config"].iter().any(|name| by(finding, name))
}

/// Whether this product of AWS's sent the finding.
fn by(finding: &HubFinding<'_>, name: &str) -> bool {
    let product = finding.product_arn.or_empty();
    ["product", "productv2"].iter().any(|kind| product.ends_with(&format!(":{kind}/aws/{name}")))
}

/// Names the problem on its resource: the control, which several standards share, or the finding itself.
fn aspect(finding: &HubFinding<'_>, id: &str) -> String {
    match control(finding) {
        Some(control) => control.to_owned(),
        None if id.len() <= 200 => id.to_owned(),
        None => short_hash(&[id]),
    }
}

fn control<'f>(finding: &'f HubFinding<'_>) -> Option<&'f str> {
    // A bare number, such as CIS's 1.3, means something else in every version of the standard.
    let of_standard =
        || finding.product_fields.control.get().filter(|name| name.contains(char::is_alphabetic));
    finding.compliance.control.get().or_else(of_standard)
}

/// What is mailed at once stays what it is; the rest is for the digest.
fn severity(finding: &HubFinding<'_>) -> Severity {
    let normalized = finding.severity.normalized.or_empty().parse::<f64>().unwrap_or(1.0);
    match finding.severity.label.or_empty() {
        "CRITICAL" => Severity::Critical,
        "HIGH" => Severity::High,
        "MEDIUM" | "LOW" => Severity::Low,
        "INFORMATIONAL" => Severity::Informational,
        // ASFF's ranges, for old products that give a number alone.
        _ if normalized >= 90.0 => Severity::Critical,
        _ if normalized >= 70.0 => Severity::High,
        _ => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::finding::Finding;

    const HUB: &str = "arn:aws:securityhub:eu-west-1::product/aws/securityhub";

    fn failed(changes: Value) -> Value {
        let mut finding = json!({
            "Id": "arn:aws:securityhub:eu-west-1:111122223333:security-control/S3.1/finding/0003b335",
            "ProductArn": HUB, "ProductName": "Security Hub", "GeneratorId": "security-control/S3.1",
            "AwsAccountId": ACCOUNT, "Region": "eu-west-1", "Title": "Buckets should not be public.",
            "Description": "This control checks buckets.", "UpdatedAt": "2026-03-01T11:00:00.000Z",
            "Severity": {"Label": "HIGH", "Normalized": 70}, "RecordState": "ACTIVE", "Workflow": {"Status": "NEW"},
            "Compliance": {"Status": "FAILED", "SecurityControlId": "S3.1"},
            "Resources": [{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::my-bucket", "Region": "eu-west-1"}],
        });
        if let (Some(finding), Value::Object(changes)) = (finding.as_object_mut(), changes) {
            finding.extend(changes);
        }
        finding
    }

    fn imported(findings: Value) -> String {
        envelope("aws.securityhub", "Security Hub Findings - Imported", json!({"findings": findings}))
    }

    fn one(changes: Value) -> String {
        imported(json!([failed(changes)]))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&SecurityHubFinding, Severity::High, &one(json!({})));
        assert_eq!(seen.title, "Security Hub: Buckets should not be public: arn:aws:s3:::my-bucket");
        assert_eq!(
            (seen.subject.region.as_str(), seen.subject.aspect.as_deref()),
            ("eu-west-1", Some("S3.1"))
        );
        for (label, severity) in [
            (json!({"Label": "CRITICAL"}), Severity::Critical),
            (json!({"Label": "MEDIUM"}), Severity::Low),
            (json!({"Label": "LOW"}), Severity::Low),
            (json!({"Label": "INFORMATIONAL"}), Severity::Informational),
            (json!({"Normalized": 90}), Severity::Critical),
            (json!({"Normalized": "75"}), Severity::High),
            (json!(null), Severity::Low),
        ] {
            fires_at(&SecurityHubFinding, severity, &one(json!({"Severity": label})));
        }
        // A single object stands for a list of one.
        fires_at(
            &SecurityHubFinding,
            Severity::High,
            &imported(failed(json!({"Workflow": {"Status": "NOTIFIED"}}))),
        );
    }

    #[test]
    fn every_finding_of_a_batch_is_of_its_own_account() {
        let account = json!({"AwsAccountId": "444455556666", "Region": "us-east-1",
            "Resources": [{"Type": "AwsAccount", "Id": "AWS::::Account:444455556666"}]});
        let seen = observe(&SecurityHubFinding, &imported(json!([failed(json!({})), failed(account)])));
        let subjects: Vec<_> = seen
            .iter()
            .map(|o| (o.subject.account.as_str(), o.subject.region.as_str(), o.subject.resource.as_str()))
            .collect();
        assert_eq!(
            subjects,
            [(ACCOUNT, "eu-west-1", "arn:aws:s3:::my-bucket"), ("444455556666", "us-east-1", "444455556666")]
        );
    }

    #[test]
    fn a_control_in_two_standards_is_one_finding() {
        let standard = json!({"Id": "arn:aws:securityhub:eu-west-1:111122223333:subscription/cis/v/3.0.0/2.1.4/finding/1",
            "GeneratorId": "cis-aws-foundations-benchmark/v/3.0.0/2.1.4"});
        let (one, other) =
            (fired(&SecurityHubFinding, &one(json!({}))), fired(&SecurityHubFinding, &one(standard)));
        assert_eq!(one.subject, other.subject);
        // Other products have no controls.
        let macie = |id: &str| {
            let changes = json!({"Id": id, "Compliance": null, "ProductArn": "arn:aws:securityhub:eu-west-1::product/aws/macie"});
            fired(&SecurityHubFinding, &super::tests::one(changes)).subject
        };
        assert_ne!(
            macie("arn:aws:macie2:eu-west-1:111122223333:finding/1"),
            macie("arn:aws:macie2:eu-west-1:111122223333:finding/2")
        );
    }

    #[test]
    fn what_every_region_says_of_iam_is_one_finding() {
        let root = |region: &str| {
            let changes = json!({"Region": region, "Compliance": {"Status": "FAILED", "SecurityControlId": "IAM.9"},
                "Resources": [{"Type": "AwsAccount", "Id": "AWS::::Account:111122223333", "Region": region}]});
            fired(&SecurityHubFinding, &one(changes))
        };
        assert_eq!(root("us-east-1").subject, root("eu-west-1").subject);
        assert!(root("eu-west-1").steps[0].command.contains("--region eu-west-1"));
    }

    #[test]
    fn it_closes() {
        let open = fired(&SecurityHubFinding, &one(json!({})));
        for (changes, resolution) in [
            (json!({"Compliance": {"Status": "PASSED", "SecurityControlId": "S3.1"}}), Resolution::Fixed),
            (json!({"Workflow": {"Status": "RESOLVED"}}), Resolution::Fixed),
            (json!({"Workflow": {"Status": "SUPPRESSED"}}), Resolution::NotApplicable),
            (json!({"RecordState": "ARCHIVED"}), Resolution::NotApplicable),
        ] {
            let seen = observe(&SecurityHubFinding, &one(changes));
            assert_eq!(seen.len(), 1);
            assert_eq!((seen[0].verdict, seen[0].resolution), (Verdict::Passing, resolution));
            assert_eq!(seen[0].subject, open.subject);
        }
    }

    #[test]
    fn what_could_not_be_evaluated_is_unknown() {
        let warning = json!({"Compliance": {"Status": "WARNING"}, "ProductFields": {"RuleId": "1.3",
            "aws/securityhub/annotation": "Verify that you have enabled AWS Config."}});
        let seen = fires_at(&SecurityHubFinding, Severity::Low, &one(warning));
        assert_eq!(seen.verdict, Verdict::Unknown);
        assert!(
            seen.subject.aspect.as_deref().is_some_and(|aspect| aspect.contains("0003b335")),
            "{:?}",
            seen.subject
        );
    }

    #[test]
    fn what_keepwatch_sent_never_comes_back() {
        let seen = fired(&SecurityHubFinding, &one(json!({})));
        let finding = Finding::open(&seen, None, None).into_iter().next();
        let sent = finding
            .map(|finding| {
                keepwatch_alert::format::asff::finding(&finding, "eu-west-1", crate::registry::DOCUMENTED)
            })
            .unwrap_or_default();
        assert_eq!(sent["GeneratorId"], "security-hub-finding");
        quiet(&SecurityHubFinding, &[imported(json!([sent.clone()]))]);
        // A rule of the user's own is not in the registry.
        let mut own = sent.clone();
        own["GeneratorId"] = json!("my-own-rule");
        quiet(&SecurityHubFinding, &[imported(json!([own.clone()]))]);
        // Somebody else's script uses the default product as well.
        own["ProductFields"] = json!({"ProviderName": "our-script"});
        fired(&SecurityHubFinding, &imported(json!([own])));
    }

    #[test]
    fn what_a_person_sends_is_the_same_finding() {
        let sent = json!({"actionName": "ToOps", "findings": [failed(json!({}))]});
        let sent = envelope("aws.securityhub", "Security Hub Findings - Custom Action", sent);
        let seen = fires_at(&SecurityHubFinding, Severity::High, &sent);
        assert_eq!(seen.finding_id(), fired(&SecurityHubFinding, &one(json!({}))).finding_id());
    }

    #[test]
    fn the_second_version_is_read_alike() {
        let v2 = |severity: &str, status: &str, compliance: &str, product: &str| {
            let finding = json!({"class_name": "Compliance Finding", "status": status, "severity": severity,
                "finding_info": {"uid": "arn:aws:securityhub:eu-west-1:111122223333:security-control/S3.1/finding/1",
                    "title": "Buckets should not be public.", "desc": "This control checks buckets.",
                    "modified_time_dt": "2026-03-01T11:00:00.000Z"},
                "compliance": {"status": compliance, "control": "S3.1"},
                "cloud": {"account": {"uid": ACCOUNT}, "region": "eu-west-1"},
                "metadata": {"product": {"name": "Security Hub",
                    "uid": format!("arn:aws:securityhub:eu-west-1::productv2/aws/{product}")}},
                "resources": [{"uid": "arn:aws:s3:::my-bucket", "type": "AWS::S3::Bucket", "region": "eu-west-1"}]});
            envelope("aws.securityhub", "Findings Imported V2", json!({"findings": [finding]}))
        };
        let seen = fires_at(&SecurityHubFinding, Severity::High, &v2("High", "New", "Fail", "securityhub"));
        assert_eq!(seen.title, "Security Hub: Buckets should not be public: arn:aws:s3:::my-bucket");
        assert_eq!(seen.finding_id(), fired(&SecurityHubFinding, &one(json!({}))).finding_id());
        fires_at(&SecurityHubFinding, Severity::Critical, &v2("Fatal", "In Progress", "", "macie"));
        for (status, compliance) in
            [("Resolved", "Fail"), ("Suppressed", "Fail"), ("Archived", ""), ("New", "Pass")]
        {
            let gone = observe(&SecurityHubFinding, &v2("High", status, compliance, "securityhub"));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{status} {compliance}");
            assert_eq!(gone[0].finding_id(), seen.finding_id());
        }
        quiet(&SecurityHubFinding, &[v2("High", "New", "", "guardduty")]);
    }

    #[test]
    fn inspectors_findings_close_here_and_open_elsewhere() {
        let product = json!("arn:aws:securityhub:eu-west-1::product/aws/inspector");
        let of = |state: &str| one(json!({"ProductArn": product, "Compliance": null, "RecordState": state}));
        quiet(&SecurityHubFinding, &[of("ACTIVE")]);
        assert_eq!(observe(&SecurityHubFinding, &of("ARCHIVED"))[0].verdict, Verdict::Passing);
    }

    #[test]
    fn stays_quiet() {
        let of = |product: &str| {
            one(json!({"ProductArn": format!("arn:aws:securityhub:eu-west-1::product/aws/{product}")}))
        };
        quiet(
            &SecurityHubFinding,
            &[
                of("guardduty"),
                of("access-analyzer"),
                of("config"),
                one(json!({"Compliance": {"Status": "NOT_AVAILABLE"}})),
                one(json!({"Id": null})),
                imported(json!([])),
                imported(json!(null)),
                envelope(
                    "aws.securityhub",
                    "Security Hub Insight Results",
                    json!({"findings": [failed(json!({}))]}),
                ),
            ],
        );
        fired(&SecurityHubFinding, &of("macie"));
    }
}
