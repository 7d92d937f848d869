//! The AWS Security Finding Format, version 2018-10-08, as `BatchImportFindings` of AWS Security Hub takes it.
//!
//! Security Hub takes a finding of the default product only from the account that the finding is about
//! (`BatchImportFindings`, API reference): those of other accounts must be sent from there.

use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_core::about::Docs;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::{Finding, Status};
use serde_json::{Map, Value, json};

use super::{Compliance, PRODUCT, VERSION};

/// 9999-01-01T00:00:00Z. Much later, a date is no longer written as one.
const LAST_TIME: i64 = 253_370_764_800_000;

/// The most requirements that a finding may name.
const MAX_REQUIREMENTS: usize = 32;

/// An `AwsSecurityFinding`. `home_region` is where Security Hub is called.
///
/// `Workflow` is left out: it belongs to Security Hub's users, and for a finding that exists it changes by
/// `BatchUpdateFindings` alone. Sent from here it would be taken once and then be wrong.
pub fn finding(finding: &Finding, home_region: &str, catalogue: Catalogue) -> Value {
    let rule = catalogue.find(&finding.rule);
    let docs = catalogue.docs(&finding.rule);
    let origin = super::origin(rule);
    // Only twelve digits are accepted. An event that names no account must not make the format invalid; what it named
    // stands in the product fields.
    let account = if is_account_id(&finding.account) { finding.account.as_str() } else { "000000000000" };
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let severity = json!({"Label": finding.severity.as_str(), "Original": finding.severity.as_str()});
    let types = super::types(origin, docs);
    let mut out = json!({
        "SchemaVersion": "2018-10-08",
        "Id": text(&finding.finding_id, 512, "unknown"),
        "ProductArn": product_arn(home_region, account),
        "GeneratorId": text(&finding.rule, 512, "unknown"),
        "AwsAccountId": account,
        "Types": types,
        "CreatedAt": time(finding.created_at),
        // Security Hub ignores an update that is not later than what it has; this grows with each write of the finding.
        "UpdatedAt": time(finding.updated_at),
        "FirstObservedAt": time(finding.first_seen),
        "LastObservedAt": time(finding.last_seen),
        "Severity": severity,
        "Title": text(&finding.title, 256, title),
        "Description": text(&description(finding), 1_024, title),
        "Resources": [resource(finding, account)],
        "RecordState": record_state(finding.status),
        "Compliance": compliance(finding, docs),
        "ProductFields": product_fields(finding),
        // A provider changes its severity and its types here; the outer ones are the users' once the finding exists.
        "FindingProviderFields": {"Severity": severity, "Types": types},
    });
    if let Some(advice) = super::what_to_do(docs) {
        out["Remediation"] = json!({"Recommendation": {"Text": text(&advice, 512, title)}});
    }
    out
}

/// The default product of an account, which needs no registration.
fn product_arn(region: &str, account: &str) -> String {
    let partition = super::partition(region, "");
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

/// A detection that is over leaves the list of what is active: the workflow status that would say so is not ours to
/// change. What is suppressed stays active; silence is not absence.
fn record_state(status: Status) -> &'static str {
    match status {
        Status::Resolved => "ARCHIVED",
        Status::New | Status::InProgress | Status::Suppressed => "ACTIVE",
    }
}

/// The title in full, where it had to be cut, and the reason.
fn description(finding: &Finding) -> String {
    let reason = &finding.strongest().reason;
    let title = finding.title.trim_end_matches('.');
    if reason.is_empty() { title.to_owned() } else { format!("{title}. {reason}") }
}

fn resource(finding: &Finding, account: &str) -> Value {
    let kind = super::resource_type(&finding.resource);
    // An account has no ARN. This is how Security Hub's own findings name it, by which it groups them.
    let id = match kind {
        "AwsAccount" => format!("AWS::::Account:{account}"),
        _ => text(&finding.resource, 512, "unknown"),
    };
    let mut resource = json!({
        "Type": kind,
        "Id": id,
        "Partition": super::partition(&finding.region, &finding.resource),
    });
    // `global` is no region to Security Hub.
    if super::is_region(&finding.region) {
        resource["Region"] = json!(finding.region);
    }
    resource
}

fn compliance(finding: &Finding, docs: Option<&Docs>) -> Value {
    let status = match Compliance::of(finding) {
        Compliance::Pass => "PASSED",
        Compliance::Warning => "WARNING",
        Compliance::Fail => "FAILED",
    };
    let required = docs.map(Docs::requirements).unwrap_or_default();
    let related: Vec<String> =
        required.iter().take(MAX_REQUIREMENTS).map(|(standard, item)| format!("{standard} {item}")).collect();
    if related.is_empty() {
        json!({"Status": status})
    } else {
        json!({"Status": status, "RelatedRequirements": related})
    }
}

/// What the format has no attribute for; at most 50 entries of 2,048 characters. The first two are the names that the
/// user guide recommends for a product of one's own.
fn product_fields(finding: &Finding) -> Map<String, Value> {
    let fields = [
        ("ProviderName", Some(PRODUCT)),
        ("ProviderVersion", Some(VERSION)),
        ("keepwatch/Account", Some(finding.account.as_str())),
        ("keepwatch/Aspect", finding.aspect.as_deref()),
        ("keepwatch/Confidence", Some(finding.confidence.as_str())),
        ("keepwatch/Occurrences", Some(&finding.occurrences.to_string())),
        ("keepwatch/Region", Some(&finding.region)),
        ("keepwatch/Resource", Some(&finding.resource)),
        ("keepwatch/Status", Some(finding.status.as_str())),
        ("keepwatch/StatusReason", finding.status_reason.as_deref()),
        ("keepwatch/Version", Some(&finding.version.to_string())),
        ("keepwatch/Who", finding.who.as_deref()),
    ];
    let said = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| (name.to_owned(), json!(text(value, 2_048, "-"))))
        .collect()
}

/// RFC 3339 with a year of four digits, whatever the event's clock said.
fn time(time: Timestamp) -> String {
    Timestamp::from_millis(time.millis().clamp(0, LAST_TIME)).to_string()
}

/// The text within `max` characters, or `otherwise` where nothing is left: the format has no empty strings. The longest
/// count is taken, UTF-16's, since the format's text does not say which it means.
fn text(text: &str, max: usize, otherwise: &str) -> String {
    let text = clean(text, max);
    let text = text.trim();
    if text.is_empty() {
        return otherwise.to_owned();
    }
    if text.encode_utf16().count() <= max {
        return text.to_owned();
    }
    let mut kept = 0;
    let fits = |c: &char| {
        kept += c.len_utf16();
        kept < max
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}
