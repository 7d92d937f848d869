//! Who acts without a person: AWS's own services, infrastructure as code, the owner's pipelines.
//!
//! Most alerts that users of other tools learn to ignore are a pipeline doing its work. What automation does is recorded
//! all the same, with a lower severity. Who decides that is AWS, for its services, or the owner, for those that he has
//! listed. What a caller says of itself, such as its user agent, never takes a mail away: it lowers nothing below
//! [`MAILED_FROM`], and nothing that is below that already.

use keepwatch_base::wildcard::matches;

use super::context::Cx;
use crate::event::{Body, Record};
use crate::observation::Observation;
use crate::severity::{MAILED_FROM, Severity};

/// Why an act counts as automation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Automation {
    /// An AWS service acts for itself, or through its service-linked role. Nobody else can.
    Service,
    /// A principal that the owner has listed as automation.
    Listed,
    /// CloudFormation or Service Catalog acts for somebody. The caller cannot claim that; but whoever may make a stack can
    /// have it do things.
    Stack,
    /// The user agent of an infrastructure-as-code tool. The caller's own words.
    Agent,
}

/// Words in the user agents of infrastructure-as-code tools, in lower case.
const AGENTS: [&str; 7] =
    ["terraform", "pulumi", "ansible", "opentofu", "aws-cdk", "crossplane", "cloudformation"];

impl Automation {
    /// Whether and why a call is the work of automation; `listed` are the owner's patterns of ARNs.
    pub fn of(record: &Record<'_>, listed: &[String]) -> Option<Automation> {
        if by_service(record) {
            return Some(Automation::Service);
        }
        let who = &record.user_identity;
        let issuer = who.session_context.session_issuer.arn.or_empty();
        let invoked_by = who.invoked_by.or_empty();
        let is_listed = |arn: &str| !arn.is_empty() && listed.iter().any(|pattern| matches(pattern, arn));
        // Whoever asks for a federated user's token names the user.
        let arn = who.arn.get().filter(|_| who.kind.or_empty() != "FederatedUser").unwrap_or_default();
        if is_listed(issuer) || is_listed(arn) {
            return Some(Automation::Listed);
        }
        if matches!(invoked_by, "cloudformation.amazonaws.com" | "servicecatalog.amazonaws.com") {
            return Some(Automation::Stack);
        }
        let agent = record.user_agent.or_empty().to_ascii_lowercase();
        AGENTS.iter().any(|tool| agent.contains(tool)).then_some(Automation::Agent)
    }
}

/// See [`Automation::Service`].
fn by_service(record: &Record<'_>) -> bool {
    let who = &record.user_identity;
    let issuer = who.session_context.session_issuer.arn.or_empty();
    who.kind.or_empty() == "AWSService" || issuer.contains(":role/aws-service-role/")
}

impl Cx<'_> {
    /// Whether it is the work of [`Automation::Service`]. Nothing else is looked at.
    pub fn by_service(&self) -> bool {
        matches!(&self.event.body, Body::CloudTrail(record) if by_service(record))
    }

    /// Whether and why the event is the work of automation.
    pub fn automation(&self) -> Option<Automation> {
        let Body::CloudTrail(record) = &self.event.body else { return None };
        Automation::of(record, &self.config.automation)
    }

    /// Lowers the severity of what automation does, and says why. What a service does for itself, and what the owner has
    /// listed, is for the weekly mail. A tool's word, or a stack's, is good for one step and never takes a mail away.
    pub fn tempered(&self, observation: Observation) -> Observation {
        let severity = observation.severity;
        let (lowered, why) = match self.automation() {
            None => return observation,
            Some(Automation::Service) => (Severity::Low, "an AWS service acting for itself"),
            Some(Automation::Listed) => (Severity::Low, "a principal that you have listed as automation"),
            Some(Automation::Stack) => (one_less(severity), "CloudFormation, acting for the caller"),
            Some(Automation::Agent) => (one_less(severity), "by the user agent, which the caller chooses"),
        };
        observation.severity(severity.min(lowered)).detail("Automation", why)
    }
}

fn one_less(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High | Severity::Medium => MAILED_FROM,
        Severity::Low | Severity::Informational => severity,
    }
}
