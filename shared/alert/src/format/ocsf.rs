//! The Open Cybersecurity Schema Framework, version 1.8.0 (schema.ocsf.io/1.8.0), with the profile `cloud`.

use std::net::IpAddr;

use keepwatch_core::about::{About, Docs, Origin};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::{Finding, Status, Witness};
use keepwatch_core::observation::Actor;
use keepwatch_core::severity::MAILED_FROM;
use keepwatch_core::severity::{Confidence, Severity};
use serde_json::{Map, Value, json};

use super::{Compliance, PRODUCT, VERSION};

/// A Detection Finding (class 2004) where the finding comes from events, a Compliance Finding (2003) where it comes
/// from state; see [`Origin`]. Its time is that of the finding's last change, which it tells of; when the problem occurred
/// stands in `start_time` and `end_time`.
pub fn finding(finding: &Finding, catalogue: Catalogue) -> Value {
    let rule = catalogue.find(&finding.rule);
    let docs = catalogue.docs(&finding.rule);
    let origin = super::origin(rule);
    let (class_uid, class_name) = match origin {
        Origin::Event => (2004, "Detection Finding"),
        Origin::State => (2003, "Compliance Finding"),
    };
    let (activity_id, activity_name) = activity(finding);
    let (status_id, status) = status(finding.status);
    let (severity_id, severity) = severity(finding.severity);
    let (confidence_id, confidence) = confidence(finding.confidence);
    let mut event = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": class_uid,
        "class_name": class_name,
        "type_uid": class_uid * 100 + activity_id,
        "type_name": format!("{class_name}: {activity_name}"),
        "time": finding.updated_at.millis(),
        "start_time": finding.first_seen.millis(),
        "end_time": finding.last_seen.millis(),
        // integer_t has 32 bits.
        "count": i32::try_from(finding.occurrences).unwrap_or(i32::MAX),
        "message": finding.title,
        "severity_id": severity_id,
        "severity": severity,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "status_id": status_id,
        "status": status,
        "metadata": metadata(finding),
        "cloud": cloud(finding),
        "finding_info": finding_info(finding, rule, docs, origin),
        "resources": [resource(finding)],
        "evidences": finding.witnesses.values().map(evidence).collect::<Vec<_>>(),
        "unmapped": unmapped(finding, rule, docs),
    });
    if let Some(reason) = &finding.status_reason {
        // The schema gives the comment to people and the detail to machines; readers look for either.
        event["comment"] = json!(reason);
        event["status_detail"] = json!(reason);
    }
    if let Some(remediation) = remediation(finding, docs) {
        event["remediation"] = remediation;
    }
    match origin {
        Origin::Event => event["is_alert"] = json!(is_alert(finding)),
        // This class knows `is_alert` with the profile `security_control` only.
        Origin::State => event["compliance"] = compliance(finding, docs),
    }
    event
}

/// What has happened to the finding: closed when it is resolved, created by its first write, updated by all others.
fn activity(finding: &Finding) -> (u32, &'static str) {
    match finding.status {
        Status::Resolved => (3, "Close"),
        _ if finding.version <= 1 => (1, "Create"),
        _ => (2, "Update"),
    }
}

fn status(status: Status) -> (u32, &'static str) {
    match status {
        Status::New => (1, "New"),
        Status::InProgress => (2, "In Progress"),
        Status::Suppressed => (3, "Suppressed"),
        Status::Resolved => (4, "Resolved"),
    }
}

/// Id and caption.
pub(crate) fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn confidence(confidence: Confidence) -> (u32, &'static str) {
    match confidence {
        Confidence::Low => (1, "Low"),
        Confidence::Medium => (2, "Medium"),
        Confidence::High => (3, "High"),
    }
}

/// An alert here is what would be mailed, so that both channels wake the same people.
fn is_alert(finding: &Finding) -> bool {
    matches!(finding.status, Status::New | Status::InProgress) && finding.severity >= MAILED_FROM
}

fn metadata(finding: &Finding) -> Value {
    json!({
        "version": "1.8.0",
        "profiles": ["cloud"],
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
        // One id for one version of a finding: a reader that gets it twice can tell.
        "uid": format!("{}/{}", finding.finding_id, finding.version),
    })
}

fn cloud(finding: &Finding) -> Value {
    let mut cloud = json!({
        "provider": "AWS",
        "region": finding.region,
        "cloud_partition": super::partition(&finding.region, &finding.resource),
    });
    // An account object without an id is not valid, and events without an account exist.
    if !finding.account.is_empty() {
        cloud["account"] = json!({"uid": finding.account, "type": "AWS Account", "type_id": 10});
    }
    cloud
}

fn finding_info(finding: &Finding, rule: Option<&About>, docs: Option<&Docs>, origin: Origin) -> Value {
    let reason = &finding.strongest().reason;
    let title = rule.map_or(finding.rule.as_str(), |rule| rule.title);
    let mut info = json!({
        "uid": finding.finding_id,
        "title": finding.title,
        "desc": if reason.is_empty() { title } else { reason },
        "created_time": finding.created_at.millis(),
        "modified_time": finding.updated_at.millis(),
        "first_seen_time": finding.first_seen.millis(),
        "last_seen_time": finding.last_seen.millis(),
        "types": super::types(origin, docs),
        "analytic": {"name": title, "uid": finding.rule, "type_id": 1, "type": "Rule"},
        // The id of the product stood here, as `product_uid`, until 1.4.0 deprecated it.
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
    });
    let attacks: Vec<Value> =
        docs.map(Docs::techniques).unwrap_or_default().into_iter().map(attack).collect();
    if !attacks.is_empty() {
        info["attacks"] = json!(attacks);
    }
    info
}

fn attack(technique: &str) -> Value {
    match technique.split_once('.') {
        Some((parent, _)) => json!({"technique": {"uid": parent}, "sub_technique": {"uid": technique}}),
        None => json!({"technique": {"uid": technique}}),
    }
}

fn resource(finding: &Finding) -> Value {
    let partition = super::partition(&finding.region, &finding.resource);
    json!({
        "uid": if finding.resource.is_empty() { "unknown" } else { &finding.resource },
        "type": super::resource_type(&finding.resource),
        "region": finding.region,
        "cloud_partition": partition,
    })
}

/// What one witness saw. The schema has no place for the time of an evidence, so that it stands in `data` with what is
/// Keepwatch's own.
fn evidence(witness: &Witness) -> Value {
    let details: Vec<Value> =
        witness.details.iter().map(|(label, value)| json!({"name": label, "value": value})).collect();
    let mut evidence = json!({
        "name": witness.rule,
        "uid": witness.event.id,
        "data": {
            "time": witness.event.time.millis(),
            "event": witness.event.name,
            "title": witness.title,
            "reason": witness.reason,
            "severity": witness.severity,
            "verdict": witness.verdict,
            "region": witness.region,
            "details": details,
        },
    });
    // Who acted called an API; what AWS tells by itself names nobody, and its name is no operation's.
    if let Some(who) = &witness.actor {
        evidence["actor"] = actor(who);
        evidence["api"] = json!({"operation": witness.event.name});
        if let Some(source) = &who.source_ip {
            // Services of AWS call under their name.
            evidence["src_endpoint"] = match source.parse::<IpAddr>() {
                Ok(address) => json!({"ip": address.to_string()}),
                Err(_) => json!({"svc_name": source}),
            };
        }
        if let Some(agent) = &who.user_agent {
            evidence["http_request"] = json!({"user_agent": agent});
        }
    }
    evidence
}

fn actor(who: &Actor) -> Value {
    let mut user = Map::new();
    user.insert("name".to_owned(), json!(who.name));
    let type_id = match who.kind.as_deref() {
        None => 0,
        Some("IAMUser") => 1,
        Some("Root") => 2,
        Some("AWSService") => 4,
        Some(_) => 99,
    };
    user.insert("type_id".to_owned(), json!(type_id));
    if let Some(kind) = &who.kind {
        user.insert("type".to_owned(), json!(kind));
    }
    if let Some(arn) = &who.arn {
        user.insert("uid".to_owned(), json!(arn));
    }
    let mut session = Map::new();
    if let Some(key) = &who.access_key_id {
        session.insert("credential_uid".to_owned(), json!(key));
    }
    if let Some(mfa) = who.mfa {
        session.insert("is_mfa".to_owned(), json!(mfa));
    }
    let mut actor = json!({"user": user});
    if !session.is_empty() {
        actor["session"] = Value::Object(session);
    }
    actor
}

/// The rule's advice and the commands of its strongest witness. The schema requires a description where it has the
/// object; its references are URLs, and the rules' references are names.
fn remediation(finding: &Finding, docs: Option<&Docs>) -> Option<Value> {
    let mut parts: Vec<String> = super::what_to_do(docs).into_iter().collect();
    let steps = &finding.strongest().steps;
    parts.extend(steps.iter().map(|step| format!("{}: {}", step.purpose, step.command)));
    (!parts.is_empty()).then(|| json!({"desc": parts.join("\n")}))
}

fn compliance(finding: &Finding, docs: Option<&Docs>) -> Value {
    let (status_id, status) = match Compliance::of(finding) {
        Compliance::Pass => (1, "Pass"),
        Compliance::Warning => (2, "Warning"),
        Compliance::Fail => (3, "Fail"),
    };
    let required = docs.map(Docs::requirements).unwrap_or_default();
    let mut standards: Vec<&str> = required.iter().map(|(standard, _)| standard.as_str()).collect();
    standards.dedup();
    let requirements: Vec<String> =
        required.iter().map(|(standard, item)| format!("{standard} {item}")).collect();
    let detail = finding.status_reason.as_deref().unwrap_or(&finding.strongest().reason);
    json!({
        "control": finding.rule,
        "standards": standards,
        "requirements": requirements,
        "status_id": status_id,
        "status": status,
        "status_details": [detail],
    })
}

/// What the schema has no attribute for.
fn unmapped(finding: &Finding, rule: Option<&About>, docs: Option<&Docs>) -> Value {
    let mut rest = json!({"finding_version": finding.version});
    let texts = [("aspect", &finding.aspect), ("who", &finding.who)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        rest[name] = json!(text);
    }
    if let Some(rule) = rule {
        rest["catalogue"] = json!(rule.catalogue);
        rest["references"] = json!(docs.map(Docs::reference_texts).unwrap_or_default());
    }
    rest
}
