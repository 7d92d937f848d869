//! What a rule is: what describes it, what it listens to, and the hooks that the engine calls.

use super::context::Cx;
use crate::about::About;
use crate::event::{Body, Event, Health, Record, RecordHeader, TrustedAdvisor};
use crate::state::Interrupt;

/// What is known of a rule without running it.
#[derive(Debug)]
pub struct RuleMeta {
    /// What describes it to people, and what its findings live by.
    pub about: About,
    /// What it listens to.
    pub on: &'static [On],
    /// Whether failed calls interest it too. Otherwise it never sees one.
    pub failed_calls: bool,
}

/// One thing a rule listens to.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// CloudTrail records with this source and one of these names.
    Call(&'static str, &'static [&'static str]),
    /// The same, for calls that CloudTrail counts as read-only and plain EventBridge rules may not get.
    Read(&'static str, &'static [&'static str]),
    /// The same, made with a role whose name begins with the stack's: one that the stack made.
    ReadByStack(&'static str, &'static [&'static str]),
    /// The same, for calls that programs make all day: they come unless a session made them with one of these user agents.
    ReadUnless {
        /// The source.
        source: &'static str,
        /// The calls.
        names: &'static [&'static str],
        /// User agents, word for word, of which nothing can be said.
        agents: &'static [&'static str],
    },
    /// The same, where a rule of template.yaml that is written by hand brings them, because it names a resource of the stack.
    Own(&'static str, &'static [&'static str]),
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
    /// Every CloudTrail record of a change whose parameters hold a policy that names a principal
    /// ([`RecordHeader::gives_policy`]).
    Policy {
        /// The parameters by which the records are asked for, as paths: `details.policy`. What AWS's models have for policies;
        /// EventBridge looks for texts alone, so that a policy that CloudTrail writes as an object must come by its call's name.
        fields: &'static [&'static str],
        /// Sources whose policies are judged elsewhere.
        but: &'static [&'static str],
    },
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
    /// Findings that a person sends from AWS Security Hub by a custom action.
    SecurityHubAction,
    /// AWS Security Hub, in the format of its second version.
    SecurityHubV2,
    /// Amazon Inspector.
    Inspector,
    /// CloudTrail Insights.
    Insights,
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
            Detector::SecurityHubAction => ("aws.securityhub", "Security Hub Findings - Custom Action"),
            Detector::SecurityHubV2 => ("aws.securityhub", "Findings Imported V2"),
            Detector::Inspector => ("aws.inspector2", "Inspector2 Finding"),
            Detector::Insights => ("aws.cloudtrail", "AWS Insight via CloudTrail"),
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
                | (
                    Detector::SecurityHub | Detector::SecurityHubAction | Detector::SecurityHubV2,
                    Body::SecurityHub(_)
                )
                | (Detector::Inspector, Body::Inspector(_))
                | (Detector::Insights, Body::Insight(_))
                | (Detector::CostAnomaly, Body::CostAnomaly(_))
        )
    }
}

impl On {
    /// The source and the calls that it names, where it names calls of one source.
    pub fn calls(&self) -> Option<(&'static str, &'static [&'static str])> {
        match *self {
            On::Call(source, names)
            | On::Read(source, names)
            | On::ReadByStack(source, names)
            | On::ReadUnless { source, names, .. }
            | On::Own(source, names) => Some((source, names)),
            _ => None,
        }
    }

    /// Whether it names this record's call.
    fn names(&self, header: &RecordHeader<'_>) -> bool {
        self.calls().is_some_and(|(source, names)| source == header.source && names.contains(&header.name))
    }

    /// Whether this is such an event.
    pub fn listens_to(&self, event: &Event<'_>) -> bool {
        match (self, &event.body) {
            (On::ReadUnless { agents, .. }, Body::CloudTrail(record)) => {
                let header = record.header();
                self.names(&header) && (header.by_long_term_key() || !agents.contains(&header.user_agent))
            }
            (On::Call(..) | On::Read(..) | On::ReadByStack(..) | On::Own(..), Body::CloudTrail(record)) => {
                self.names(&record.header())
            }
            (On::Root, Body::CloudTrail(record)) => record.by_root(),
            (On::LongTermKey | On::ExposedKey, Body::CloudTrail(record)) => {
                record.header().by_long_term_key()
            }
            (On::Health(prefix), Body::Health(health)) => {
                health.event_type_code.or_empty().starts_with(prefix)
            }
            (On::TrustedAdvisor(check), Body::TrustedAdvisor(item)) => item.check_name.or_empty() == *check,
            (On::Failed(codes), Body::CloudTrail(record)) => codes.contains(&record.error_code.or_empty()),
            (On::ConsoleChange, Body::CloudTrail(record)) => record.header().changes_in_console(),
            (On::Detector(detector), body) => detector.says(body),
            (On::Policy { but, .. }, Body::CloudTrail(record)) => {
                let header = record.header();
                header.gives_policy() && !but.contains(&header.source)
            }
            (On::Matching(..), Body::CloudTrail(record)) => self.matches(&record.header()),
            _ => false,
        }
    }

    /// Whether it is [`On::Matching`] and this is such a record.
    pub(crate) fn matches(&self, header: &RecordHeader<'_>) -> bool {
        let among = |list: &[&str], text: &str| {
            list.is_empty() || list.iter().any(|own| own.eq_ignore_ascii_case(text))
        };
        matches!(self, On::Matching(sources, names) if among(names, header.name) && among(sources, header.source))
    }
}

/// What a rule's hook returns: `?` passes questions and failures up.
pub type Outcome = Result<(), Interrupt>;

/// What has metadata; a rule file declares it.
pub trait Described: Sync {
    /// What is known of it without running it.
    fn meta(&self) -> &'static RuleMeta;

    /// What describes it to people.
    fn about(&self) -> &'static About {
        &self.meta().about
    }
}

/// A rule. It overrides the hooks for the kinds of event it listens to.
pub trait Rule: Described {
    /// Whether a record with this header can matter to it, of those that it listens to. What is refused here has not to be
    /// read as a whole.
    fn prefilter(&self, _header: &RecordHeader<'_>) -> bool {
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
