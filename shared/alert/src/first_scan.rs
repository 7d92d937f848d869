//! The one mail of an account's first scan: how much is wrong, the worst of it, and what to do first.

use keepwatch_base::text::{clean, shell_word};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::posture::run::Run;
use keepwatch_core::severity::Severity;
use serde_json::json;

use crate::Alert;
use crate::layout::{Page, heading, keepwatch, line, listed, paragraph};
use crate::sender::Sender;

/// How many refused actions the mail names.
const MAX_LISTED: usize = 20;

/// The severities, worst first, as the run counts them.
const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational];

/// The mail.
pub(super) fn alert(account: &str, run: &Run, catalogue: Catalogue, sender: &Sender) -> Alert {
    let counts: Vec<String> = SEVERITIES
        .iter()
        .filter_map(|severity| {
            let count = run.failing.get(severity.as_str())?;
            Some(format!("{count} {}", severity.as_str().to_lowercase()))
        })
        .collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let percent = run.coverage.percent();
    let headline = format!("The first scan found {counts}");
    let mut out = Page::new(sender);
    paragraph(
        &mut out,
        &format!(
            "Keepwatch looked at the whole account for the first time: {} regions, {} checks, {percent} % of what they ask \
             could be read. Each problem is a finding in the table. This is the only mail about them: from now on you are told \
             of what is new, comes back or becomes worse.",
            run.regions, run.done
        ),
    );
    heading(&mut out, "WHAT FAILS");
    line(&mut out, "Findings", &counts);
    if !run.worst.is_empty() {
        heading(&mut out, "THE WORST");
    }
    for found in &run.worst {
        let title = format!("{}: {}", found.severity.as_str(), clean(&found.title, 200));
        listed(&mut out, &title, &[&found.finding_id]);
    }
    if !run.coverage.refused.is_empty() {
        heading(&mut out, "NOT SEEN");
        paragraph(
            &mut out,
            "AWS refused these actions, and what rests on them is unknown. One finding, about the scan's coverage, has the policy that grants them:",
        );
        for action in run.coverage.refused.keys().take(MAX_LISTED) {
            listed(&mut out, action, &[]);
        }
        if run.coverage.refused.len() > MAX_LISTED {
            listed(&mut out, &format!("and {} more", run.coverage.refused.len() - MAX_LISTED), &[]);
        }
    }
    heading(&mut out, "WHAT TO DO FIRST");
    let first = run.worst.first();
    let what = first.and_then(|found| catalogue.docs(&found.check)?.section("What to do"));
    if let Some((found, what)) = first.zip(what) {
        paragraph(&mut out, &format!("{}. {what}", clean(&found.title, 200).trim_end_matches('.')));
    }
    if let Some(found) = first {
        let show = format!("findings show {}", shell_word(&found.finding_id));
        keepwatch(&mut out, "Everything about it, with the commands", &show);
    }
    keepwatch(&mut out, "All of them, worst first", "findings list");
    let worst = first.map_or(Severity::Informational, |found| found.severity);
    let json = json!({"first_scan": {
        "account": account, "failing": run.failing, "checks": run.done, "regions": run.regions, "coverage_percent": percent,
        "worst": run.worst.iter().map(|found| &found.finding_id).collect::<Vec<_>>(),
        "refused": run.coverage.refused.keys().collect::<Vec<_>>(),
    }});
    Alert::new(worst, &headline, account, out, json)
}
