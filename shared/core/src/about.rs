//! What describes a rule or a check to people, and what its findings live by. It says nothing of what the rule listens to.
//!
//! [`About`] is what every program needs; [`Docs`] is what explains it, for programs that write mails, pages or formats.

use std::fmt;

use crate::severity::{Confidence, Severity};

/// What describes a rule or a check. What explains it stands apart, in [`Docs`].
#[derive(Debug)]
pub struct About {
    /// Kebab-case id, for ever: findings are named by it.
    pub id: &'static str,
    /// One line, without names.
    pub title: &'static str,
    /// The severity it usually reports; an observation may say otherwise.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Codes of the detection catalogue, `ROOT-01` …
    pub catalogue: &'static [&'static str],
    /// What its findings are made from.
    pub origin: Origin,
    /// The rule whose finding it adds to, where several rules witness one problem; its own id otherwise.
    pub finding: &'static str,
    /// Whether it is so general that a finding of another rule on the same event says all it could say in a mail.
    pub general: bool,
    /// Hours after which a repetition is worth another mail.
    pub repeat_hours: u32,
    /// Whether its first observation is worth a mail of its own on a finding that was mailed for another witness.
    pub alerts_as_witness: bool,
    /// Whether it is asked only once the owner has switched it on.
    pub opt_in: bool,
}

impl About {
    /// Whether it guards what must not be silenced for long, and is told at once: root, exposed keys, Keepwatch itself. One
    /// that the owner had to switch on may be switched off.
    pub fn is_core(&self) -> bool {
        let guards = |theme: &&str| self.catalogue.iter().any(|code| code.starts_with(*theme));
        !self.opt_in && ["ROOT-", "KEY-", "SELF-"].iter().any(guards)
    }

    /// Whether the network that somebody acts from tells who it is: whoever has an access key has its user's name.
    pub fn tells_networks_apart(&self) -> bool {
        self.catalogue.iter().any(|code| code.starts_with("KEY-"))
    }
}

/// What explains a rule or a check. The linker leaves it out of programs that do not ask for it.
#[derive(Debug)]
pub struct Docs {
    /// Markdown with the headings `What it detects`, `Why it matters`, `What to do` and `False positives`.
    pub text: &'static str,
    /// Standards and documentation that it follows from.
    pub references: &'static [Reference],
}

/// What a finding is made from. It decides the class of the finding in OCSF, so it must not change during the finding's
/// life: it belongs to the rule that owns the finding, never to the witnesses that have spoken so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Something happened: a detection.
    Event,
    /// Something is so: the result of a check.
    State,
}

/// A standard, and what of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which standard, or none: AWS's documentation.
    pub standard: Standard,
    /// The standard's version, such as `3.0`; empty where it has none.
    pub version: &'static str,
    /// Ids of controls or techniques; of documentation the book and the page.
    pub controls: &'static [&'static str],
}

/// What a [`Reference`] refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// The CIS Amazon Web Services Foundations Benchmark.
    Cis,
    /// The controls of AWS Security Hub.
    SecurityHub,
    /// Techniques of MITRE ATT&CK.
    Attack,
    /// Managed rules of AWS Config.
    Config,
    /// Checks of AWS Trusted Advisor, by id.
    TrustedAdvisor,
    /// Best practices of the AWS Well-Architected Framework.
    WellArchitected,
    /// A page of documentation, or whatever else has no controls.
    Documentation,
}

impl Reference {
    /// Recommendations of the CIS benchmark in this version.
    pub const fn cis(version: &'static str, controls: &'static [&'static str]) -> Reference {
        Reference { standard: Standard::Cis, version, controls }
    }

    /// What of this standard, which has no versions.
    pub const fn of(standard: Standard, controls: &'static [&'static str]) -> Reference {
        Reference { standard, version: "", controls }
    }

    /// The standard by name and version, as people and Security Hub know it: `CIS AWS v3.0`. Empty for documentation.
    pub fn standard_name(&self) -> String {
        match self.standard {
            Standard::Cis => format!("CIS AWS v{}", self.version),
            Standard::SecurityHub => "Security Hub".to_owned(),
            Standard::Attack => "ATT&CK".to_owned(),
            Standard::Config => "AWS Config".to_owned(),
            Standard::TrustedAdvisor => "Trusted Advisor".to_owned(),
            Standard::WellArchitected => "AWS Well-Architected".to_owned(),
            Standard::Documentation => String::new(),
        }
    }
}

/// `CIS AWS v3.0 1.15, 1.16`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, controls) = (self.standard_name(), self.controls.join(", "));
        if name.is_empty() { f.write_str(&controls) } else { write!(f, "{name} {controls}") }
    }
}

impl Docs {
    /// The text under a heading, unwrapped to one paragraph of plain text.
    pub fn section(&self, heading: &str) -> Option<String> {
        let mut words = Vec::new();
        let mut inside = false;
        for line in self.text.lines().map(str::trim) {
            if let Some(found) = line.strip_prefix("## ") {
                inside = found == heading;
            } else if inside {
                words.extend(line.split_whitespace());
            }
        }
        (!words.is_empty()).then(|| words.join(" ").replace('`', ""))
    }

    /// The text as Markdown, without indentation.
    pub fn markdown(&self) -> String {
        self.text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// The same as part of a page: every heading stands alone between blank lines.
    pub fn page(&self) -> String {
        let mut page = String::new();
        for line in self.markdown().lines() {
            let is_heading = line.starts_with("## ");
            if is_heading && !page.is_empty() && !page.ends_with("\n\n") {
                page.push('\n');
            }
            page.push_str(line);
            page.push_str(if is_heading { "\n\n" } else { "\n" });
        }
        page
    }

    /// What the controls of standards require, each alone: `("CIS AWS v3.0", "1.15")`. Techniques and documentation require
    /// nothing.
    pub fn requirements(&self) -> Vec<(String, &'static str)> {
        let required =
            |reference: &&Reference| matches!(reference.standard, Standard::Cis | Standard::SecurityHub);
        let each = |reference: &Reference| {
            let name = reference.standard_name();
            reference.controls.iter().map(move |control| (name.clone(), *control)).collect::<Vec<_>>()
        };
        self.references.iter().filter(required).flat_map(each).collect()
    }

    /// The ATT&CK techniques that it refers to: `T1098`, `T1098.003`.
    pub fn techniques(&self) -> Vec<&'static str> {
        let attack = self.references.iter().filter(|reference| reference.standard == Standard::Attack);
        attack.flat_map(|reference| reference.controls.iter().copied()).collect()
    }

    /// The references as people read them, one a standard.
    pub fn reference_texts(&self) -> Vec<String> {
        self.references.iter().map(Reference::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standards and controls were once cut out of the references as people read them, so that a page of Security Hub's user
    /// guide was a control of Security Hub's, and what followed a comma in its title another.
    #[test]
    fn a_page_that_begins_like_a_standard_requires_nothing() {
        const DOCS: Docs = Docs {
            text: "",
            references: &[
                Reference::of(
                    Standard::Documentation,
                    &["Security Hub user guide: insights, automation rules"],
                ),
                Reference::of(Standard::Documentation, &["ATT&CK for cloud, T1000"]),
                Reference::of(Standard::SecurityHub, &["IAM.9"]),
                Reference::cis("3.0", &["1.4", "1.5"]),
                Reference::of(Standard::Attack, &["T1098.003"]),
            ],
        };
        let requirements: Vec<String> =
            DOCS.requirements().iter().map(|(standard, control)| format!("{standard} {control}")).collect();
        assert_eq!(requirements, ["Security Hub IAM.9", "CIS AWS v3.0 1.4", "CIS AWS v3.0 1.5"]);
        assert_eq!(DOCS.techniques(), ["T1098.003"]);
    }
}
