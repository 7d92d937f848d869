use keepwatch_core::event::security_services::AccessAnalyzer;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// IAM Access Analyzer has worked out that somebody outside can use a resource: everybody (HIGH; CRITICAL for roles
    /// and for access that writes), or another account (MEDIUM). It closes when Access Analyzer resolves or archives the
    /// finding. Findings on internal and on unused access are LOW.
    /// ## Why it matters
    /// It is proven from the policies, not guessed: what the finding lists works now, for those it lists.
    /// ## What to do
    /// Take the access away, or archive the finding in Access Analyzer if it is meant. List accounts of your own under
    /// `trusted-accounts`.
    /// ## False positives
    /// Public web sites, and vendors that must get in. Accounts of the list `trusted-accounts`, and identity providers of
    /// this account, are not mailed.
    AccessAnalyzerFinding {
        id: "access-analyzer-finding",
        title: "Access Analyzer has found access from outside",
        severity: Medium,
        confidence: High,
        catalogue: ["IAM-18"],
        references: [
            cis("3.0", &["1.20"]),
            security_hub(&["IAM.28"]),
            attack(&["T1199"]),
            doc(&["IAM user guide: monitoring Access Analyzer with EventBridge"]),
        ],
        on: [
            On::Detector(Detector::AccessAnalyzer),
            On::Detector(Detector::InternalAccess),
            On::Detector(Detector::UnusedAccess),
        ],
        repeat_hours: 168,
    }
}

impl Rule for AccessAnalyzerFinding {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::AccessAnalyzer(finding) = body else { return Ok(()) };
        let (Some(id), Some(resource)) = (finding.id.get(), finding.resource.get()) else { return Ok(()) };
        // A finding is deleted with its analyzer, or long after it was resolved. The access does not change by that.
        if finding.is_deleted.is_ignore_case("true") {
            return Ok(());
        }
        let principals = principals(finding);
        // Every region's analyzer has a finding of its own on the same role.
        let aspect = match principals.is_empty() || !resource.contains(":iam::") {
            true => id.to_owned(),
            false => {
                principals.iter().map(|(kind, who)| format!("{kind} {who}")).collect::<Vec<_>>().join(", ")
            }
        };
        let seen = match finding.status.or_empty() {
            "ACTIVE" if finding.error.get().is_some() => cx
                .unknown(resource, format!("Access Analyzer cannot look into {resource}"))
                .severity(Severity::Low)
                .because(format!(
                    "It reports {}; whether somebody outside has access is not known.",
                    finding.error.or_empty()
                )),
            "ACTIVE" => active(cx, finding, resource, &principals),
            "RESOLVED" => cx.passing(resource, "Access Analyzer sees the access no more"),
            "ARCHIVED" => {
                let mut archived = cx.passing(resource, "The finding is archived in Access Analyzer");
                archived.resolution = Resolution::NotApplicable;
                archived
            }
            _ => return Ok(()),
        };
        let analyzer =
            cx.event.envelope.resources.0.iter().find_map(|arn| arn.get()).unwrap_or("THE_ANALYZER");
        let region = finding.region.get().unwrap_or(cx.event.envelope.region.or_empty());
        cx.report(
            seen.aspect(aspect)
                .detail_if("Resource type", finding.resource_type.get())
                .step(
                    "Read the whole finding",
                    "accessanalyzer get-finding-v2",
                    &[("--region", region), ("--analyzer-arn", analyzer), ("--id", id)],
                )
                .step(
                    "If the access is meant, archive the finding",
                    "accessanalyzer update-findings",
                    &[
                        ("--region", region),
                        ("--analyzer-arn", analyzer),
                        ("--ids", id),
                        ("--status", "ARCHIVED"),
                    ],
                ),
        );
        Ok(())
    }
}

fn active(
    cx: &Cx<'_>,
    finding: &AccessAnalyzer<'_>,
    resource: &str,
    principals: &[(String, String)],
) -> Observation {
    let public = finding.is_public.is_ignore_case("true");
    let actions: Vec<&str> = finding.action.0.iter().filter_map(|action| action.get()).collect();
    let names: Vec<&str> = principals.iter().map(|(_, who)| who.as_str()).collect();
    let who = if names.is_empty() { "somebody outside".to_owned() } else { names.join(", ") };
    let role = finding.resource_type.or_empty() == "AWS::IAM::Role";
    let (title, severity) = match finding.finding_type.or_empty() {
        unused if unused.starts_with("Unused") => {
            (format!("Access Analyzer: {resource} has access that it does not use ({unused})"), Severity::Low)
        }
        "InternalAccess" => (format!("Access Analyzer: {who} can use {resource}"), Severity::Low),
        _ if public => {
            let worst = role || actions.iter().any(|action| writes(action));
            let severity = if worst { Severity::Critical } else { Severity::High };
            (format!("Access Analyzer: everybody can use {resource}"), severity)
        }
        _ => (format!("Access Analyzer: {who} can use {resource}"), from_outside(cx, finding, principals)),
    };
    let condition =
        finding.condition.map(|raw| raw.get()).filter(|text| !["{}", "null", "\"\""].contains(text));
    cx.failing(resource, title)
        .severity(severity)
        .because("Access Analyzer has worked it out from the policies: what is listed here is allowed now.")
        .detail("Who", if public { "everybody" } else { &who })
        .detail_if("May do", Some(actions.join(", ").as_str()).filter(|text| !text.is_empty()))
        .detail_if("On condition", condition)
}

/// How bad it is that these have access from outside.
fn from_outside(cx: &Cx<'_>, finding: &AccessAnalyzer<'_>, principals: &[(String, String)]) -> Severity {
    let worth = |(kind, who): &(String, String)| {
        let account = Arn::parse(who).map_or(who.as_str(), |arn| arn.account);
        match kind.as_str() {
            // An identity provider of the account itself: who comes through it is for the role's conditions to say.
            "Federated" if account == finding.account_id.or_empty() => Severity::Low,
            _ if is_account_id(account)
                && cx.config.trusted_accounts.iter().any(|trusted| trusted == account) =>
            {
                Severity::Informational
            }
            _ => Severity::Medium,
        }
    };
    principals.iter().map(worth).max().unwrap_or(Severity::Medium)
}

/// Whether an action changes what it is allowed on, or gives it to others.
fn writes(action: &str) -> bool {
    let name = action.rsplit(':').next().unwrap_or(action);
    name.contains('*')
        || ["Put", "Delete", "Create", "Update", "Invoke", "Publish", "Send", "Add", "Set", "Modify"]
            .iter()
            .any(|verb| name.starts_with(verb))
}

/// Kinds and names of those who have access: `{"AWS": "999988887777"}`, or a list of names.
fn principals(finding: &AccessAnalyzer<'_>) -> Vec<(String, String)> {
    let value: Value =
        finding.principal.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let texts = |value: &Value| -> Vec<String> {
        let one = value.as_str().map(str::to_owned);
        one.into_iter()
            .chain(value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)))
            .collect()
    };
    let fields = value.as_object().into_iter().flatten();
    fields.flat_map(|(kind, who)| texts(who).into_iter().map(move |who| (kind.clone(), who))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn finding(changes: Value) -> String {
        let mut detail = json!({
            "accountId": ACCOUNT, "action": ["s3:GetObject"], "condition": {}, "id": "22222222-dcba-4444-dcba-333333333333",
            "isDeleted": false, "isPublic": false, "principal": {"AWS": "999988887777"}, "region": "us-west-2",
            "resource": "arn:aws:s3:::my-bucket", "resourceType": "AWS::S3::Bucket", "status": "ACTIVE",
            "updatedAt": "2026-03-01T11:14:07Z", "version": "1.0",
        });
        if let (Some(detail), Value::Object(changes)) = (detail.as_object_mut(), changes) {
            detail.extend(changes);
            detail.retain(|_, value| !value.is_null());
        }
        envelope("aws.access-analyzer", "Access Analyzer Finding", detail)
    }

    #[test]
    fn fires() {
        let seen = fires_at(&AccessAnalyzerFinding, Severity::Medium, &finding(json!({})));
        assert_eq!(seen.title, "Access Analyzer: 999988887777 can use arn:aws:s3:::my-bucket");
        assert_eq!(seen.subject.region, "us-west-2");
        for (changes, severity) in [
            (json!({"isPublic": true, "principal": {"AWS": "*"}}), Severity::High),
            (
                json!({"isPublic": "true", "principal": {"AWS": "*"}, "action": "s3:PutObject"}),
                Severity::Critical,
            ),
            (
                json!({"isPublic": true, "resource": "arn:aws:iam::111122223333:role/r", "resourceType": "AWS::IAM::Role",
                "action": ["sts:AssumeRole"]}),
                Severity::Critical,
            ),
            (json!({"principal": {"AWS": "444455556666"}}), Severity::Informational),
            (
                json!({"principal": {"AWS": ["arn:aws:iam::444455556666:role/x", "999988887777"]}}),
                Severity::Medium,
            ),
            (
                json!({"principal": {"Federated": "arn:aws:iam::111122223333:saml-provider/corp"}}),
                Severity::Low,
            ),
            (json!({"principal": {"Federated": "accounts.google.com"}}), Severity::Medium),
            (json!({"principal": null}), Severity::Medium),
            (json!({"findingType": "InternalAccess"}), Severity::Low),
            (json!({"id": null, "findingId": "b8ae", "findingType": "UnusedIAMRole"}), Severity::Low),
        ] {
            fires_at(&AccessAnalyzerFinding, severity, &finding(changes));
        }
    }

    #[test]
    fn internal_and_unused_access_come_under_names_of_their_own() {
        // The shapes of the IAM user guide: neither names a region, and the times are to the nanosecond.
        let internal = json!({"accessType": "INTRA_ACCOUNT", "action": ["s3:GetObject"], "condition": {},
            "id": "11111111-2222-4444-aaaa-333333333333", "isDeleted": false, "findingType": "InternalAccess",
            "principal": {"AWS": "arn:aws:iam::111122223333:role/MyRole_6"}, "resource": "arn:aws:s3:::critical-data",
            "accountId": ACCOUNT, "resourceType": "AWS::S3::Bucket", "status": "ACTIVE",
            "updatedAt": "2025-04-08T03:22:12.654688231Z"});
        let seen = fires_at(
            &AccessAnalyzerFinding,
            Severity::Low,
            &envelope("aws.access-analyzer", "Internal Access Finding", internal),
        );
        assert_eq!(seen.subject.region, "us-east-1");
        assert_eq!(seen.event.time.to_string(), "2025-04-08T03:22:12.654Z");
        let unused = |status: &str| {
            let detail = json!({"findingId": "b8ae0460-5d29-4922-b92a-ba956c986277", "accountId": ACCOUNT,
                "resource": "arn:aws:iam::111122223333:role/Idle", "resourceType": "AWS::IAM::Role",
                "updatedAt": "2023-09-29T17:29:18.758Z", "previousStatus": "", "status": status, "isDeleted": false,
                "findingType": "UnusedPermission", "numberOfUnusedActions": 1});
            envelope("aws.access-analyzer", "Unused Access Finding for IAM entities", detail)
        };
        let open = fires_at(&AccessAnalyzerFinding, Severity::Low, &unused("ACTIVE"));
        let gone = observe(&AccessAnalyzerFinding, &unused("RESOLVED"));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].subject, open.subject);
    }

    #[test]
    fn a_condition_is_shown() {
        let limited = json!({"condition": {"aws:SourceIp": "203.0.113.0/24"}});
        let seen = fired(&AccessAnalyzerFinding, &finding(limited));
        assert!(
            seen.details
                .iter()
                .any(|(label, text)| label == "On condition" && text.contains("203.0.113.0/24"))
        );
        let free = fired(&AccessAnalyzerFinding, &finding(json!({})));
        assert!(!free.details.iter().any(|(label, _)| label == "On condition"));
    }

    #[test]
    fn what_could_not_be_analysed_is_unknown() {
        let seen = fires_at(
            &AccessAnalyzerFinding,
            Severity::Low,
            &finding(json!({"error": "ACCESS_DENIED", "principal": null})),
        );
        assert_eq!(seen.verdict, Verdict::Unknown);
    }

    #[test]
    fn it_closes_when_access_analyzer_says_so() {
        let open = fired(&AccessAnalyzerFinding, &finding(json!({})));
        for (status, resolution) in [("RESOLVED", Resolution::Fixed), ("ARCHIVED", Resolution::NotApplicable)]
        {
            let seen = observe(&AccessAnalyzerFinding, &finding(json!({"status": status})));
            assert_eq!(seen.len(), 1);
            assert_eq!((seen[0].verdict, seen[0].resolution), (Verdict::Passing, resolution));
            assert_eq!(seen[0].subject, open.subject);
        }
    }

    #[test]
    fn two_principals_are_two_findings_and_a_role_in_two_regions_is_one() {
        let other = fired(&AccessAnalyzerFinding, &finding(json!({"id": "3333"})));
        assert_ne!(fired(&AccessAnalyzerFinding, &finding(json!({}))).subject, other.subject);
        let role = |region: &str, id: &str| {
            let role = json!({"resource": "arn:aws:iam::111122223333:role/r", "resourceType": "AWS::IAM::Role",
                "region": region, "id": id});
            fired(&AccessAnalyzerFinding, &finding(role)).subject
        };
        assert_eq!(role("us-east-1", "1"), role("eu-west-1", "2"));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &AccessAnalyzerFinding,
            &[
                finding(json!({"isDeleted": true})),
                finding(json!({"isDeleted": "true", "status": "RESOLVED"})),
                finding(json!({"resource": null})),
                finding(json!({"status": "NEW_WORD"})),
                envelope(
                    "aws.access-analyzer",
                    "Access Preview State Change",
                    json!({"id": "1", "status": "ACTIVE"}),
                ),
            ],
        );
    }
}
