//! What a check says of one subject.

use keepwatch_base::text::{MAX_TEXT, clean};
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::Missing;
use crate::about::About;
use crate::finding::finding_id;
use crate::observation::{
    MAX_DETAILS, Observation, Occurrence, RemediationStep, Resolution, Subject, Verdict,
};
use crate::severity::Severity;

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judged {
    /// The practice is not followed.
    Failing,
    /// Something that could turn the verdict could not be read.
    Unknown,
    /// Worth a line, and never a failure.
    Informational,
    /// No API tells; a person must look.
    Manual,
    /// The practice is followed.
    Passing,
    /// The practice does not concern this subject.
    NotApplicable,
}

impl Judged {
    /// The word, as machine formats print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Judged::Failing => "failing",
            Judged::Unknown => "unknown",
            Judged::Informational => "informational",
            Judged::Manual => "manual",
            Judged::Passing => "passing",
            Judged::NotApplicable => "not-applicable",
        }
    }
}

/// See the module. Checks make it by their `Cx`.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The check.
    pub check: &'static About,
    /// The practices that it speaks for, `P40`.
    pub practices: &'static [&'static str],
    /// What it is about. Region `global` where the resource has none.
    pub subject: Subject,
    /// The verdict.
    pub verdict: Judged,
    /// How bad it is, or would be.
    pub severity: Severity,
    /// The age of the oldest answer that it rests on; nothing where it rests on none.
    pub as_of: Option<Timestamp>,
    /// What is so, one sentence with the names in it.
    pub title: String,
    /// Why that is the verdict.
    pub reason: String,
    /// More: label and value.
    pub details: Vec<(String, String)>,
    /// What to do.
    pub steps: Vec<RemediationStep>,
    /// What could not be read, where the verdict is unknown.
    pub unknown_because: Vec<Missing>,
    /// What this line stands for, where many are folded into one: each of them does not concern anybody now.
    pub stands_for: Vec<Subject>,
}

impl Judgement {
    /// A judgement with nothing but a title, of the check's own severity. It rests on no practice.
    pub fn new(
        check: &'static About,
        subject: Subject,
        verdict: Judged,
        as_of: Option<Timestamp>,
        title: String,
    ) -> Judgement {
        Judgement {
            check,
            practices: &[],
            subject,
            verdict,
            severity: check.severity,
            as_of,
            title,
            reason: String::new(),
            details: Vec::new(),
            steps: Vec::new(),
            unknown_because: Vec::new(),
            stands_for: Vec::new(),
        }
    }

    /// Sets the severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Says which part of the resource it is about: a policy, a key, a port.
    pub fn aspect(mut self, aspect: impl AsRef<str>) -> Self {
        self.subject.aspect = Some(clean(aspect.as_ref(), 256));
        self
    }

    /// Says why that is the verdict.
    pub fn because(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = clean(reason.as_ref(), MAX_TEXT);
        self
    }

    /// Adds a line. Lines beyond [`MAX_DETAILS`] are left out.
    pub fn detail(mut self, label: &str, value: impl AsRef<str>) -> Self {
        if self.details.len() < MAX_DETAILS {
            self.details.push((label.to_owned(), clean(value.as_ref(), MAX_TEXT)));
        }
        self
    }

    /// Adds a thing to do: purpose, AWS CLI call, options.
    pub fn step(mut self, purpose: &str, call: &str, options: &[(&str, &str)]) -> Self {
        self.steps.push(RemediationStep::aws(purpose, call, options));
        self
    }

    /// Identity of the finding that it is about.
    pub fn finding_id(&self) -> String {
        finding_id(self.check.finding, &self.subject)
    }

    /// Whether it is about the account and no resource of it.
    pub fn is_of_account(&self) -> bool {
        is_root(&self.subject.resource)
    }

    /// The same as an observation of this scan, which findings are folded from. What is informational, manual or not
    /// applicable is no problem that could be there or gone.
    pub fn observation(&self, scan: &Occurrence) -> Option<Observation> {
        let (verdict, resolution) = match self.verdict {
            Judged::Failing => (Verdict::Failing, Resolution::Fixed),
            Judged::Unknown => (Verdict::Unknown, Resolution::Fixed),
            Judged::Passing => (Verdict::Passing, Resolution::Fixed),
            Judged::NotApplicable => (Verdict::Passing, Resolution::NotApplicable),
            Judged::Informational | Judged::Manual => return None,
        };
        Some(Observation {
            rule: self.check,
            subject: self.subject.clone(),
            verdict,
            resolution,
            severity: self.severity,
            event: scan.clone(),
            title: self.title.clone(),
            reason: self.reason.clone(),
            actor: None,
            details: self.details.clone(),
            steps: self.steps.clone(),
            burst: None,
            witness: self.check.id.to_owned(),
            covered_by: None,
            confirm: None,
        })
    }
}

/// Whether this ARN is root's, which stands for the account.
pub(super) fn is_root(arn: &str) -> bool {
    arn.ends_with(":root") && arn.contains(":iam::")
}
