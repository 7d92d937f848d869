//! Rules: each looks at one event and reports what it means.
//!
//! To add a rule, copy a file under a theme's folder, change it, and name it in [`registry::RULES`]. Its doc comment is
//! its documentation (`keepwatch rules show ID`, docs/rules/), and its `on` feeds the dispatch index, the EventBridge
//! patterns of template.yaml and the docs.

pub mod admin;
pub mod audit;
pub mod automation;
pub mod compute;
pub mod data;
pub mod detectors;
pub mod dispatch;
pub mod exposure;
pub mod iam;
pub mod keys;
pub mod network_access;
pub mod organization;
pub mod patterns;
pub mod registry;
pub mod root;
pub mod self_protection;
pub mod sign_in;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::Heading;
use crate::event::{Body, Event, Health, Record, TrustedAdvisor};
use crate::finding::short_hash;
use crate::observation::{Actor, Confidence, EventRef, Observation, Resolution, Severity, Subject, Verdict};
use crate::settings::{Override, Settings};
use crate::state::{Facts, FirstSeenQuery, Interrupt, WindowQuery};
use crate::text::clean;
use crate::time::Timestamp;
use crate::window::Crowd;

/// What is known of a rule without running it.
#[derive(Debug)]
pub struct Meta {
    /// Kebab-case id.
    pub id: &'static str,
    /// One line, without names.
    pub title: &'static str,
    /// The severity it usually reports; an observation may say otherwise.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Codes of the detection catalogue, `ROOT-01` …
    pub catalogue: &'static [&'static str],
    /// References with versions: CIS, Security Hub, ATT&CK, AWS documentation.
    pub references: &'static [&'static str],
    /// What it listens to.
    pub on: &'static [On],
    /// The rule whose finding it adds to, where several rules witness one problem; its own id otherwise.
    pub finding: &'static str,
    /// Whether failed calls interest it too. Otherwise it never sees one.
    pub failed_calls: bool,
    /// Whether it is so general that a finding of another rule on the same event says all it could say in a mail.
    pub general: bool,
    /// Hours after which a repetition is worth another mail.
    pub repeat_hours: u32,
    /// Whether its first observation is worth a mail of its own on a finding that was mailed for another witness.
    pub wakes: bool,
    /// Whether it is asked only once the owner has switched it on.
    pub opt_in: bool,
}

/// One thing a rule listens to.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// CloudTrail records with this source and one of these names.
    Call(&'static str, &'static [&'static str]),
    /// The same, for calls that CloudTrail counts as read-only and plain EventBridge rules may not get.
    Read(&'static str, &'static [&'static str]),
    /// Every CloudTrail record of something that root itself did, reads included.
    Root,
    /// Every CloudTrail record, of those that other rules asked for, signed by a long-term access key.
    LongTermKey,
    /// The same, if the key is known to be exposed.
    ExposedKey,
    /// AWS Health events whose type code begins with this.
    Health(&'static str),
    /// Trusted Advisor refreshes of the check with this name.
    TrustedAdvisor(&'static str),
    /// Every CloudTrail record of a call that failed with one of these error codes. Read-only calls are not among them:
    /// plain EventBridge rules do not get them.
    Failed(&'static [&'static str]),
    /// Every CloudTrail record of a change that a person made in the console.
    ConsoleChange,
    /// What one of AWS's own detectors says.
    Detector(Detector),
    /// CloudTrail records with one of these sources and one of these names, in whatever case; an empty list stands for
    /// all. Users' own rules listen like this: they compare as Sigma does.
    Matching(&'static [&'static str], &'static [&'static str]),
}

/// AWS's own detectors and evaluators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// Amazon GuardDuty.
    GuardDuty,
    /// IAM Access Analyzer on access from outside.
    AccessAnalyzer,
    /// IAM Access Analyzer on access from within the organization.
    InternalAccess,
    /// IAM Access Analyzer on access that nobody uses.
    UnusedAccess,
    /// AWS Config.
    Config,
    /// AWS Security Hub.
    SecurityHub,
    /// Cost Anomaly Detection.
    CostAnomaly,
}

impl Detector {
    /// EventBridge's `source` and `detail-type`.
    pub fn source(self) -> (&'static str, &'static str) {
        match self {
            Detector::GuardDuty => ("aws.guardduty", "GuardDuty Finding"),
            Detector::AccessAnalyzer => ("aws.access-analyzer", "Access Analyzer Finding"),
            Detector::InternalAccess => ("aws.access-analyzer", "Internal Access Finding"),
            Detector::UnusedAccess => ("aws.access-analyzer", "Unused Access Finding for IAM entities"),
            Detector::Config => ("aws.config", "Config Rules Compliance Change"),
            Detector::SecurityHub => ("aws.securityhub", "Security Hub Findings - Imported"),
            Detector::CostAnomaly => ("aws.ce", "Anomaly Detected"),
        }
    }

    fn says(self, body: &Body<'_>) -> bool {
        matches!(
            (self, body),
            (Detector::GuardDuty, Body::GuardDuty(_))
                | (
                    Detector::AccessAnalyzer | Detector::InternalAccess | Detector::UnusedAccess,
                    Body::AccessAnalyzer(_)
                )
                | (Detector::Config, Body::ConfigRule(_))
                | (Detector::SecurityHub, Body::SecurityHub(_))
                | (Detector::CostAnomaly, Body::CostAnomaly(_))
        )
    }
}

impl On {
    /// Whether this is such an event.
    pub fn hears(&self, event: &Event<'_>) -> bool {
        match (self, &event.body) {
            (On::Call(source, names) | On::Read(source, names), Body::CloudTrail(record)) => {
                record.event_source.or_empty() == *source && names.contains(&record.event_name.or_empty())
            }
            (On::Root, Body::CloudTrail(record)) => record.by_root(),
            (On::LongTermKey | On::ExposedKey, Body::CloudTrail(record)) => {
                record.heading().by_long_term_key()
            }
            (On::Health(prefix), Body::Health(health)) => {
                health.event_type_code.or_empty().starts_with(prefix)
            }
            (On::TrustedAdvisor(check), Body::TrustedAdvisor(item)) => item.check_name.or_empty() == *check,
            (On::Failed(codes), Body::CloudTrail(record)) => codes.contains(&record.error_code.or_empty()),
            (On::ConsoleChange, Body::CloudTrail(record)) => record.heading().changes_in_console(),
            (On::Detector(detector), body) => detector.says(body),
            (On::Matching(..), Body::CloudTrail(record)) => self.matches(&record.heading()),
            _ => false,
        }
    }

    /// Whether it is [`On::Matching`] and this is such a record.
    pub(crate) fn matches(&self, heading: &Heading<'_>) -> bool {
        let among = |list: &[&str], text: &str| {
            list.is_empty() || list.iter().any(|own| own.eq_ignore_ascii_case(text))
        };
        matches!(self, On::Matching(sources, names) if among(names, heading.name) && among(sources, heading.source))
    }
}

/// What a rule's hook returns: `?` passes questions and failures up.
pub type Outcome = Result<(), Interrupt>;

/// What has metadata; [`declare_rule`] makes it so.
pub trait Described: Sync {
    /// What is known of it without running it.
    fn meta(&self) -> &'static Meta;
}

/// A rule. It overrides the hooks for the kinds of event it listens to.
pub trait Rule: Described {
    /// Whether a record with this heading can matter to it, of those that it listens to. What is refused here has not to be
    /// read as a whole.
    fn minds(&self, _heading: &Heading<'_>) -> bool {
        true
    }

    /// Looks at a CloudTrail record.
    ///
    /// # Errors
    /// [`Interrupt`] when an answer is needed first, or when the rule cannot work with the event.
    fn record(&self, _record: &Record<'_>, _cx: &mut Cx<'_>) -> Outcome {
        Ok(())
    }

    /// Looks at an AWS Health event.
    ///
    /// # Errors
    /// As [`Rule::record`].
    fn health(&self, _health: &Health<'_>, _cx: &mut Cx<'_>) -> Outcome {
        Ok(())
    }

    /// Looks at a Trusted Advisor refresh.
    ///
    /// # Errors
    /// As [`Rule::record`].
    fn trusted_advisor(&self, _item: &TrustedAdvisor<'_>, _cx: &mut Cx<'_>) -> Outcome {
        Ok(())
    }

    /// Looks at what one of AWS's own detectors says; `body` is of the kind that the rule listens to.
    ///
    /// # Errors
    /// As [`Rule::record`].
    fn detector(&self, _body: &Body<'_>, _cx: &mut Cx<'_>) -> Outcome {
        Ok(())
    }
}

/// Settings that rules read.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ids of accounts that the owner trusts: other accounts of the same organization, a vendor's account.
    pub trusted_accounts: Vec<String>,
    /// Patterns of ARNs of users and roles that act without a person.
    pub automation: Vec<String>,
    /// Patterns of ARNs of users and roles for emergencies.
    pub break_glass: Vec<String>,
    /// Regions in use; none when nobody has said.
    pub expected_regions: Vec<String>,
    /// The name of Keepwatch's own stack, with which its resources' names begin.
    pub stack: String,
    /// What is set for single rules.
    pub overrides: BTreeMap<String, Override>,
}

impl Config {
    /// With what the settings table adds.
    pub fn with(&self, settings: &Settings) -> Config {
        let mut config = self.clone();
        config.trusted_accounts.extend_from_slice(&settings.lists.trusted_accounts);
        config.automation.extend_from_slice(&settings.lists.automation);
        config.break_glass.extend_from_slice(&settings.lists.break_glass);
        config.expected_regions.extend_from_slice(&settings.lists.expected_regions);
        config.overrides.extend(settings.overrides.clone());
        config
    }

    /// Whether the rule is asked: what the owner has set, or else unless it waits to be switched on.
    pub fn asks(&self, rule: &Meta) -> bool {
        self.overrides.get(rule.id).and_then(|set| set.enabled).unwrap_or(!rule.opt_in)
    }
}

/// A rule's view of the world while it looks at one event, and the place where it reports.
pub struct Cx<'c> {
    /// The event, envelope included.
    pub event: &'c Event<'c>,
    /// Answers about live state.
    pub facts: &'c Facts<'c>,
    /// Settings.
    pub config: &'c Config,
    meta: &'static Meta,
    received: Timestamp,
    observations: &'c mut Vec<Observation>,
}

impl Cx<'_> {
    /// Begins an observation that the problem is there: about `resource`, told by `title`.
    pub fn failing(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Failing, resource.as_ref(), title.as_ref())
    }

    /// Begins an observation that something happened whose meaning could not be found out.
    pub fn unknown(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Unknown, resource.as_ref(), title.as_ref())
    }

    /// Begins an observation that the problem is gone.
    pub fn passing(&self, resource: impl AsRef<str>, title: impl AsRef<str>) -> Observation {
        self.observe(Verdict::Passing, resource.as_ref(), title.as_ref())
    }

    /// How many make a crowd for this rule: what the owner has set, or the rule's own number.
    pub fn threshold(&self, own: usize) -> usize {
        self.config.overrides.get(self.meta.id).and_then(|set| set.threshold).unwrap_or(own)
    }

    /// How many events of this rule with this key lie within `span` of each other, this one included. `member` tells the
    /// events apart: usually each counts (see [`Cx::crowd`]), but different names or addresses may be what matters.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn crowd_of(&self, key: &str, member: &str, span: Duration) -> Result<Crowd, Interrupt> {
        let time = self.event.time().unwrap_or(self.received);
        self.facts.crowd(WindowQuery {
            key: format!("{}#{}", self.meta.id, short_hash(&[self.event.account(), key])),
            member: member.to_owned(),
            time,
            span,
        })
    }

    /// How many events of this rule with this key lie within `span` of each other, this one included.
    ///
    /// # Errors
    /// [`Interrupt`] until it is counted.
    pub fn crowd(&self, key: &str, span: Duration) -> Result<Crowd, Interrupt> {
        self.crowd_of(key, &self.event.occurrence_id(), span)
    }

    /// Whether this event is the first sight of a member in a set of this rule with this key, and since when others of
    /// the set have been seen. The first members of a set are no news; see [`crate::seen::LEARNING`].
    ///
    /// # Errors
    /// [`Interrupt`] until it is noted.
    pub fn first_sight(&self, key: &str, member: &str) -> Result<Option<Timestamp>, Interrupt> {
        let time = self.event.time().unwrap_or(self.received);
        let seen = self.facts.first_seen(FirstSeenQuery {
            key: format!("{}#{}", self.meta.id, short_hash(&[self.event.account(), key])),
            member: member.to_owned(),
            time,
        })?;
        Ok(seen.is_news(time).then_some(seen.any))
    }

    /// Reports an observation.
    pub fn report(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    fn observe(&self, verdict: Verdict, resource: &str, title: &str) -> Observation {
        let actor = match &self.event.body {
            Body::CloudTrail(record) => Some(Actor::of(record)),
            _ => None,
        };
        Observation {
            rule: self.meta,
            subject: Subject {
                account: clean(self.event.account(), 32),
                // IAM is global: its events' region says where AWS logged them, not where the problem is.
                region: if resource.contains(":iam::") {
                    "global".to_owned()
                } else {
                    clean(self.event.region(), 32)
                },
                resource: clean(resource, 512),
                aspect: None,
            },
            verdict,
            resolution: if self.event.name().starts_with("Delete") {
                Resolution::Deleted
            } else {
                Resolution::Fixed
            },
            severity: if verdict == Verdict::Passing { Severity::Informational } else { self.meta.severity },
            event: EventRef::of(self.event, self.received),
            title: clean(title, 300),
            reason: String::new(),
            actor,
            details: Vec::new(),
            steps: Vec::new(),
            burst: None,
            witness: self.meta.id.to_owned(),
            covered_by: None,
        }
    }
}

/// Declares a rule: its doc comment, its name, its metadata.
///
/// The doc comment has the headings `What it detects`, `Why it matters`, `What to do` and `False positives`; a test
/// holds every rule to that.
macro_rules! declare_rule {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            id: $id:literal,
            title: $title:literal,
            severity: $severity:ident,
            confidence: $confidence:ident,
            catalogue: $catalogue:expr,
            references: $references:expr,
            on: $on:expr
            $(, finding: $finding:expr)?
            $(, failed_calls: $failed_calls:expr)?
            $(, general: $general:expr)?
            $(, repeat_hours: $repeat_hours:expr)?
            $(, wakes: $wakes:expr)?
            $(, opt_in: $opt_in:expr)?
            $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        pub(crate) struct $name;

        impl $name {
            /// What is said of it above, for people.
            pub(crate) const DOCS: &'static str = concat!($($doc, "\n"),+);
        }

        impl $crate::rules::Described for $name {
            fn meta(&self) -> &'static $crate::rules::Meta {
                static META: $crate::rules::Meta = $crate::rules::Meta {
                id: $id,
                title: $title,
                severity: $crate::observation::Severity::$severity,
                confidence: $crate::observation::Confidence::$confidence,
                catalogue: &$catalogue,
                references: &$references,
                on: &$on,
                finding: $crate::rules::declare_rule!(@or $id $(, $finding)?),
                failed_calls: $crate::rules::declare_rule!(@or false $(, $failed_calls)?),
                general: $crate::rules::declare_rule!(@or false $(, $general)?),
                repeat_hours: $crate::rules::declare_rule!(@or 24 $(, $repeat_hours)?),
                wakes: $crate::rules::declare_rule!(@or false $(, $wakes)?),
                opt_in: $crate::rules::declare_rule!(@or false $(, $opt_in)?),
                };
                &META
            }
        }
    };
    (@or $default:expr, $value:expr) => { $value };
    (@or $default:expr) => { $default };
}
pub(crate) use declare_rule;
