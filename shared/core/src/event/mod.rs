//! What AWS sends: the EventBridge envelope and, inside, CloudTrail, Health, Trusted Advisor, and the findings of AWS's own
//! detectors.
//!
//! The models borrow from the event's text and never fail on a missing or odd field; see [`lenient`].

pub(crate) mod caller;
pub mod cloudtrail;
pub mod guardduty;
pub mod header;
pub mod health;
pub mod json;
pub mod lenient;
pub mod log;
pub mod security_services;
pub(crate) mod skim;
#[cfg(test)]
mod tests;
pub mod trusted_advisor;
mod unreadable;

use keepwatch_base::arn::is_account_id;
use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use lenient::{List, Text, lenient};
use serde_json::value::RawValue;

pub use cloudtrail::Record;
pub use guardduty::GuardDuty;
pub use header::{LONG_TERM_KEY, Outline, RecordHeader, is_long_term_key};
pub use health::Health;
use security_services::OcsfFindings;
pub use security_services::{
    AccessAnalyzer, ConfigRule, CostAnomaly, HubFinding, Insight, Inspector, SecurityHub,
};
pub use trusted_advisor::TrustedAdvisor;
pub use unreadable::Unreadable;

lenient! {
    /// What tells the things apart that stand alone in files and are no records of a call.
    Bare {
        /// `eventCategory` of what CloudTrail makes of many calls.
        category: Text<'a> = "eventCategory",
        /// `eventType`.
        kind: Text<'a> = "eventType",
        /// `digestStartTime` of a digest file (CloudTrail user guide, "CloudTrail digest file structure").
        digest: Text<'a> = "digestStartTime",
        /// ARN of a GuardDuty finding, of which GuardDuty exports one a line (user guide, "Exporting GuardDuty findings").
        arn: Text<'a> = "arn" | "Arn",
    }
}

lenient! {
    /// The EventBridge envelope.
    Envelope {
        /// `id` that EventBridge gave the event; differs between the copies of one CloudTrail event.
        id: Text<'a> = "id",
        /// `source`, such as `aws.iam`.
        source: Text<'a> = "source",
        /// `detail-type`.
        detail_type: Text<'a> = "detail-type",
        /// `account` that the event was sent to.
        account: Text<'a> = "account",
        /// `region`.
        region: Text<'a> = "region",
        /// `time`, RFC 3339.
        time: Text<'a> = "time",
        /// `resources`.
        resources: List<Text<'a>> = "resources",
        /// `detail`, unparsed.
        detail: Option<&'a RawValue> = "detail",
    }
}

/// One event, understood as far as its kind is known.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The envelope; empty for a bare CloudTrail record from a log file.
    pub envelope: Envelope<'a>,
    /// What the envelope holds.
    pub body: Body<'a>,
}

/// The kinds of event that Keepwatch understands.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// An API call, a console sign-in or a service event.
    CloudTrail(Box<Record<'a>>),
    /// An AWS Health event.
    Health(Box<Health<'a>>),
    /// A Trusted Advisor refresh.
    TrustedAdvisor(TrustedAdvisor<'a>),
    /// A GuardDuty finding.
    GuardDuty(Box<GuardDuty<'a>>),
    /// A finding of IAM Access Analyzer.
    AccessAnalyzer(Box<AccessAnalyzer<'a>>),
    /// A change of compliance with a rule of AWS Config.
    ConfigRule(Box<ConfigRule<'a>>),
    /// Findings of Security Hub.
    SecurityHub(SecurityHub<'a>),
    /// An anomaly in the account's costs.
    CostAnomaly(Box<CostAnomaly<'a>>),
    /// A finding of Amazon Inspector.
    Inspector(Box<Inspector<'a>>),
    /// An unusual rate of calls or errors, as CloudTrail Insights tells it.
    Insight(Box<Insight<'a>>),
    /// What CloudTrail writes beside events and no rule is about: a digest of its log files, or a summary of data events.
    Aside(&'static str),
    /// JSON of a kind that no rule reads. Counted, never silent.
    Other,
}

impl<'a> Event<'a> {
    /// Reads an EventBridge envelope, a bare CloudTrail record, or a bare finding.
    ///
    /// # Errors
    /// [`Unreadable`] when the text is not a JSON object.
    pub fn parse(text: &'a str) -> Result<Event<'a>, Unreadable> {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if !text.starts_with('{') {
            // Valid JSON of another type gets the same plain answer as text that is no JSON at all.
            serde_json::from_str::<serde::de::IgnoredAny>(text)?;
            return Err(Unreadable::NoObject);
        }
        // Envelopes of EventBridge's begin so, and are read once; all else is first taken for a record.
        if text.starts_with("{\"version\"") {
            let envelope: Envelope<'a> = serde_json::from_str(text)?;
            if envelope.detail_type.get().is_some() {
                let body = Body::parse(&envelope)?;
                return Ok(Event { envelope, body });
            }
        }
        let record = Record::read(text)?;
        if record.detail_type.get().is_some() {
            let envelope: Envelope<'a> = serde_json::from_str(text)?;
            let body = Body::parse(&envelope)?;
            return Ok(Event { envelope, body });
        }
        let body = if record.is_record() { Body::CloudTrail(Box::new(record)) } else { Body::bare(text)? };
        Ok(Event { envelope: Envelope::default(), body })
    }

    /// Reads what is known to be a bare CloudTrail record.
    ///
    /// # Errors
    /// [`Unreadable`] when the text is not a JSON object.
    pub fn record(text: &'a str) -> Result<Event<'a>, Unreadable> {
        Ok(Event { envelope: Envelope::default(), body: Body::record(text)? })
    }

    /// The source's own id of this occurrence: the same for duplicates, redeliveries and backup-region copies.
    pub fn occurrence_id(&self) -> String {
        let envelope_id = self.envelope.id.or_empty();
        let own = match &self.body {
            Body::CloudTrail(record) => record.event_id.get().map(str::to_owned),
            Body::Health(health) => Some(health.occurrence_id(envelope_id)),
            // Nothing says that every refresh of an item has a `uuid` of its own.
            Body::TrustedAdvisor(item) => {
                item.uuid.get().map(|id| format!("{id}:{}", self.envelope.time.or_empty()))
            }
            Body::GuardDuty(finding) => {
                finding.id.get().map(|id| format!("{id}:{}", finding.updated_at.or_empty()))
            }
            Body::AccessAnalyzer(finding) => {
                finding.id.get().map(|id| format!("{id}:{}", finding.updated_at.or_empty()))
            }
            // An anomaly that grows is told again under its id.
            Body::CostAnomaly(anomaly) => {
                anomaly.id.get().map(|id| format!("{id}:{}", anomaly.impact.total.or_empty()))
            }
            Body::Inspector(finding) => {
                finding.arn.get().map(|arn| format!("{arn}:{}", finding.updated_at.or_empty()))
            }
            Body::Insight(insight) => insight.event_id.get().map(str::to_owned),
            Body::ConfigRule(_) | Body::SecurityHub(_) | Body::Aside(_) | Body::Other => None,
        };
        match (own, &self.body) {
            (Some(own), _) => own,
            // A bare record without an id of its own is still told from others.
            (None, Body::CloudTrail(record)) if envelope_id.is_empty() => short_hash(&[record.text()]),
            (None, _) => envelope_id.to_owned(),
        }
    }

    /// When it happened by the source's clock, else when EventBridge got it.
    pub fn time(&self) -> Option<Timestamp> {
        let own = match &self.body {
            Body::CloudTrail(record) => record.time(),
            Body::Health(health) => Timestamp::parse_rfc2822(health.last_updated_time.or_empty())
                .or_else(|| Timestamp::parse_rfc2822(health.start_time.or_empty())),
            Body::GuardDuty(finding) => Timestamp::parse(finding.updated_at.or_empty()),
            Body::AccessAnalyzer(finding) => Timestamp::parse(finding.updated_at.or_empty()),
            Body::ConfigRule(change) => Timestamp::parse(change.new.recorded.or_empty()),
            Body::SecurityHub(hub) => {
                hub.findings.0.iter().filter_map(|f| Timestamp::parse(f.updated_at.or_empty())).max()
            }
            Body::Inspector(finding) => Timestamp::parse(finding.updated_at.or_empty()),
            Body::Insight(insight) => Timestamp::parse(insight.event_time.or_empty()),
            Body::TrustedAdvisor(_) | Body::CostAnomaly(_) | Body::Aside(_) | Body::Other => None,
        };
        own.or_else(|| Timestamp::parse(self.envelope.time.or_empty()))
    }

    /// The name a person knows the event by: `PutUserPolicy`, `AWS_RISK_CREDENTIALS_EXPOSED`, a check's name.
    pub fn name(&self) -> &str {
        match &self.body {
            Body::CloudTrail(record) => record.event_name.or_empty(),
            Body::Health(health) => health.event_type_code.or_empty(),
            Body::TrustedAdvisor(item) => item.check_name.or_empty(),
            Body::GuardDuty(finding) => finding.kind.or_empty(),
            Body::ConfigRule(change) => change.rule.or_empty(),
            Body::Inspector(finding) => finding.kind.or_empty(),
            Body::Insight(insight) => insight.details.kind.or_empty(),
            Body::AccessAnalyzer(_)
            | Body::SecurityHub(_)
            | Body::CostAnomaly(_)
            | Body::Aside(_)
            | Body::Other => self.envelope.detail_type.or_empty(),
        }
    }

    /// The account the event is about.
    pub fn account(&self) -> &str {
        let own = match &self.body {
            Body::CloudTrail(record) => record.account(),
            // The documented sample carries an access key id here; only an account id is believed.
            Body::Health(health) => {
                health.affected_account.get().filter(|id| is_account_id(id)).unwrap_or_default()
            }
            Body::GuardDuty(finding) => finding.account_id.or_empty(),
            Body::AccessAnalyzer(finding) => finding.account_id.or_empty(),
            Body::ConfigRule(change) => change.account_id.or_empty(),
            Body::SecurityHub(hub) => hub.findings.0.first().map_or("", |f| f.account_id.or_empty()),
            Body::CostAnomaly(anomaly) => {
                anomaly.account_id.get().filter(|id| is_account_id(id)).unwrap_or_default()
            }
            Body::Inspector(finding) => finding.account_id.or_empty(),
            Body::Insight(insight) => insight.account_id.or_empty(),
            Body::TrustedAdvisor(_) | Body::Aside(_) | Body::Other => "",
        };
        if own.is_empty() { self.envelope.account.or_empty() } else { own }
    }

    /// The region the event is about.
    pub fn region(&self) -> &str {
        match &self.body {
            Body::CloudTrail(record) => record.aws_region.get(),
            Body::Health(health) => health.event_region.get(),
            Body::AccessAnalyzer(finding) => finding.region.get(),
            Body::ConfigRule(change) => change.region.get(),
            Body::SecurityHub(hub) => hub.findings.0.first().and_then(|f| f.region.get()),
            Body::GuardDuty(finding) => finding.region.get(),
            Body::Insight(insight) => insight.region.get(),
            _ => None,
        }
        .unwrap_or_else(|| self.envelope.region.or_empty())
    }

    /// A word for counting: what kind of event this is.
    pub fn kind(&self) -> &'static str {
        match self.body {
            Body::CloudTrail(_) => "cloudtrail",
            Body::Health(_) => "health",
            Body::TrustedAdvisor(_) => "trusted-advisor",
            Body::GuardDuty(_) => "guardduty",
            Body::AccessAnalyzer(_) => "access-analyzer",
            Body::ConfigRule(_) => "config",
            Body::SecurityHub(_) => "security-hub",
            Body::CostAnomaly(_) => "cost-anomaly",
            Body::Inspector(_) => "inspector",
            Body::Insight(_) => "insight",
            Body::Aside(kind) => kind,
            Body::Other => "other",
        }
    }
}

impl<'a> Body<'a> {
    fn record(text: &'a str) -> Result<Body<'a>, Unreadable> {
        Ok(Body::CloudTrail(Box::new(Record::read(object(text)?)?)))
    }

    /// Reads what stands alone and is no record of a call.
    fn bare(text: &'a str) -> Result<Body<'a>, Unreadable> {
        let bare: Bare<'_> = serde_json::from_str(text)?;
        Ok(match bare.category.or_empty() {
            "Insight" => Body::Insight(Box::new(read(text)?)),
            "Aggregated" => Body::Aside("cloudtrail-summary"),
            _ if bare.kind.or_empty() == "AwsCloudTrailInsight" => Body::Insight(Box::new(read(text)?)),
            _ if bare.digest.get().is_some() => Body::Aside("cloudtrail-digest"),
            _ if bare.arn.get().is_some_and(is_guardduty_finding) => Body::GuardDuty(Box::new(read(text)?)),
            _ => Body::Other,
        })
    }

    fn parse(envelope: &Envelope<'a>) -> Result<Body<'a>, Unreadable> {
        let Some(detail) = envelope.detail.map(RawValue::get) else { return Ok(Body::Other) };
        let detail_type = envelope.detail_type.or_empty();
        Ok(match detail_type {
            "AWS Insight via CloudTrail" => Body::Insight(Box::new(read(detail)?)),
            // "AWS Console Sign In" and "AWS Console Signin" both exist in AWS's own guides.
            _ if detail_type.ends_with("via CloudTrail") => Body::record(detail)?,
            "AWS Health Event" | "AWS Health Abuse Event" => Body::Health(Box::new(read(detail)?)),
            "Trusted Advisor Check Item Refresh Notification" => Body::TrustedAdvisor(read(detail)?),
            "GuardDuty Finding" => Body::GuardDuty(Box::new(read(detail)?)),
            "Access Analyzer Finding"
            | "Internal Access Finding"
            | "Unused Access Finding for IAM entities" => Body::AccessAnalyzer(Box::new(read(detail)?)),
            "Config Rules Compliance Change" => Body::ConfigRule(Box::new(read(detail)?)),
            "Security Hub Findings - Imported" | "Security Hub Findings - Custom Action" => {
                Body::SecurityHub(read(detail)?)
            }
            "Findings Imported V2" => Body::SecurityHub(read::<OcsfFindings<'_>>(detail)?.into()),
            "Inspector2 Finding" => Body::Inspector(Box::new(read(detail)?)),
            "Anomaly Detected" if envelope.source.or_empty() == "aws.ce" => {
                Body::CostAnomaly(Box::new(read(detail)?))
            }
            _ => Body::Other,
        })
    }
}

/// Whether it is the ARN of a finding: `arn:aws:guardduty:REGION:ACCOUNT:detector/ID/finding/ID`.
fn is_guardduty_finding(arn: &str) -> bool {
    arn.starts_with("arn:") && arn.split(':').nth(2) == Some("guardduty") && arn.contains("/finding/")
}

/// Reads what an envelope of a known kind holds. Anything but an object there is no such event.
fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    let mut json = serde_json::Deserializer::from_str(object(text)?);
    Ok(T::deserialize(&mut json)?)
}

fn object(text: &str) -> Result<&str, Unreadable> {
    if text.starts_with('{') { Ok(text) } else { Err(Unreadable::NoDetail) }
}
