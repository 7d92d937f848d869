//! Where it is written what to do about a mail that tells of Keepwatch itself: a section of `docs/operations.md`.

use crate::layout::{Page, paragraph};

/// A section of `docs/operations.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runbook {
    /// The daily call did not come back.
    Canary,
    /// Somebody did something to Keepwatch itself.
    Changed,
    /// AWS refuses what the checks ask.
    Coverage,
    /// The daily run did not come, or did not see all.
    DailyRun,
    /// Something was given up.
    DeadLetters,
    /// A forwarder is not as it should be.
    Forwarder,
    /// No call was heard all week.
    NoEvents,
    /// Somebody is not subscribed any more, or nobody is.
    Subscribers,
    /// An item of the findings table is no finding.
    Unreadable,
}

impl Runbook {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Runbook; 9] = [
        Runbook::Canary,
        Runbook::Changed,
        Runbook::Coverage,
        Runbook::DailyRun,
        Runbook::DeadLetters,
        Runbook::Forwarder,
        Runbook::NoEvents,
        Runbook::Subscribers,
        Runbook::Unreadable,
    ];

    /// The section's heading.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Runbook::Canary => "A daily call that does not come back",
            Runbook::Changed => "Somebody changes Keepwatch",
            Runbook::Coverage => "AWS refuses what checks ask",
            Runbook::DailyRun => "The daily run is missing",
            // The alarm's own.
            Runbook::DeadLetters => "DeadLetters",
            Runbook::Forwarder => "A forwarder is silent, changed, old or missing",
            Runbook::NoEvents => "A week without events",
            Runbook::Subscribers => "Subscribers are missing",
            Runbook::Unreadable => "A finding that cannot be read",
        }
    }

    /// The section about findings of this rule or check; nothing where they are not about Keepwatch itself.
    pub(crate) fn of_rule(id: &str) -> Option<Runbook> {
        match id {
            "canary.missed" => Some(Runbook::Canary),
            "scan.coverage" => Some(Runbook::Coverage),
            _ if id.starts_with("forwarder.") => Some(Runbook::Forwarder),
            // A test alert tells of nothing.
            "self-test-alert" => None,
            _ if id.starts_with("self-") => Some(Runbook::Changed),
            _ => None,
        }
    }

    /// Says where it is written.
    pub(crate) fn point(self, out: &mut Page<'_>) {
        paragraph(
            out,
            &format!(
                "Step by step: the page \"Operations\" of Keepwatch's docs, section '{}'.",
                self.section()
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::posture::{canary, coverage, forwarders};
    use keepwatch_rules::registry::DOCUMENTED;

    use super::*;

    const DOCS: &str = include_str!("../../../docs/operations.md");

    /// The sections under this heading, with their texts.
    fn under(heading: &str) -> Vec<(&'static str, &'static str)> {
        let (_, rest) = DOCS.split_once(&format!("\n## {heading}\n")).unwrap();
        let part = rest.split("\n## ").next().unwrap();
        part.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect()
    }

    #[test]
    fn each_mail_names_a_section_that_is_there_and_each_section_is_named() {
        let named: Vec<&str> = Runbook::ALL.iter().map(|runbook| runbook.section()).collect();
        let mails = under("Mails about Keepwatch itself");
        for section in &named {
            let is = |(title, _): &(&str, &str)| title == section;
            assert!(
                mails.iter().any(is) || under("Alarms").iter().any(is),
                "there is no section {section:?}"
            );
        }
        for (title, text) in mails {
            assert!(named.contains(&title), "no mail names the section {title:?}");
            for part in ["**What it means.**", "**Look.**", "**Mend.**"] {
                assert_eq!(text.matches(part).count(), 1, "{part} in {title:?}");
            }
        }
    }

    #[test]
    fn each_finding_about_keepwatch_has_a_section_and_no_other_finding_has() {
        let own = [&canary::ABOUT, &coverage::ABOUT].into_iter().chain(forwarders::ABOUT);
        for about in own {
            assert!(Runbook::of_rule(about.id).is_some(), "{}", about.id);
        }
        for about in DOCUMENTED.all() {
            let own = about.id.starts_with("self-") && about.id != "self-test-alert";
            assert_eq!(Runbook::of_rule(about.id).is_some(), own, "{}", about.id);
        }
    }
}
