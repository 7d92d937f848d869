//! What a person receives: a mail with everything needed at three in the morning, and its JSON twin for machines.
//!
//! Made from a finding and from nothing else. All text that came from an event has been cleaned when the rule reported
//! it and is defanged here; the only links are built from parts that were checked.

use keepwatch_base::text::{ascii, clean, defang};
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::{AlertReason, Finding, Status};
use keepwatch_core::severity::Severity;
use serde_json::{Value, json};

use crate::format::ocsf;
use crate::layout::{Page, cut, heading, line, paragraph};
use crate::mail;
use crate::mail::Besides;
use crate::related::RelatedActs;
use crate::runbook::Runbook;
use crate::sender::Sender;

/// SNS: a subject has fewer than 100 characters (API reference, `Publish`).
const MAX_SUBJECT: usize = 99;

/// A mail that nobody would read to its end is cut here.
const MAX_BODY: usize = 60_000;

/// SNS: a message has at most 256 KiB, in all its forms together and with its attributes (API reference, `Publish`).
/// The attributes are left two of them.
const MAX_MESSAGE: usize = 254 * 1024;

/// What the machine's copy can do without when a message would be too large, the most dispensable first.
const DISPENSABLE: [(&str, &str); 2] = [("/unmapped/mail", "text"), ("", "evidences")];

/// An alert, ready for `Publish`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// 1 to 99 printable ASCII characters: `[CRITICAL] Root signed in ... (111122223333)`.
    pub subject: String,
    /// The mail.
    pub text: String,
    /// The machine's copy.
    pub json: Value,
}

impl Alert {
    /// The alert for an item of the table that is due one and cannot be read: better a poor mail than none.
    pub fn unreadable(finding_id: &str, reason: &str, sender: &Sender) -> Alert {
        let (id, reason) = (clean(finding_id, 128), clean(reason, 500));
        let mut out = Page::new(sender);
        paragraph(
            &mut out,
            "There is a finding to tell you of, and Keepwatch cannot read it: something has changed its item in the findings \
             table. What it is about still stands there.",
        );
        heading(&mut out, "WHAT AND WHERE");
        line(&mut out, "Finding id", &id);
        line(&mut out, "Reason", &reason);
        heading(&mut out, "WHAT TO DO NOW");
        paragraph(
            &mut out,
            "Open the item in the findings table, read what it is about, and find out who changed it: nobody but Keepwatch \
             should write there.",
        );
        Runbook::Unreadable.point(&mut out);
        let about = json!({"finding_id": id, "alert_reason": "unreadable", "reason": reason});
        Alert::new(Severity::High, &format!("Finding {id} cannot be read"), sender.account(), out, about)
    }

    /// An alert about several findings or about Keepwatch itself. `headline` follows the severity in the subject, and the
    /// account, where there is one, ends it. `about` is for machines. Where OCSF has a word for something, it is used here
    /// too.
    pub(crate) fn new(
        severity: Severity,
        headline: &str,
        account: &str,
        page: Page<'_>,
        about: Value,
    ) -> Alert {
        let (severity_id, caption) = ocsf::severity(severity);
        let mut json = about;
        json["message"] = json!(headline);
        json["severity_id"] = json!(severity_id);
        json["severity"] = json!(caption);
        Alert::made(addressed(severity, headline, account), page, json)
    }

    /// Renders the alert that is due for this finding. The catalogue explains the rules; `related` is what else the same hand
    /// did.
    pub fn of(finding: &Finding, catalogue: Catalogue, sender: &Sender, related: &RelatedActs) -> Alert {
        let mut page = Page::new(sender);
        mail::write(&mut page, finding, catalogue, Besides::only(related));
        Alert::made(subject(finding, ""), page, Alert::twin(finding, catalogue, related))
    }

    /// An alert about several findings of one principal, of which this one is the worst. `note` comes before its title.
    pub(crate) fn of_group(
        worst: &Finding,
        note: &str,
        page: Page<'_>,
        group: Value,
        catalogue: Catalogue,
        related: &RelatedActs,
    ) -> Alert {
        let mut json = Alert::twin(worst, catalogue, related);
        json["unmapped"]["group"] = group;
        Alert::made(subject(worst, note), page, json)
    }

    /// The machine's copy of a finding's alert.
    fn twin(finding: &Finding, catalogue: Catalogue, related: &RelatedActs) -> Value {
        let mut json = ocsf::finding(finding, catalogue);
        json["unmapped"]["alert_reason"] = json!(finding.alert.reason.map(AlertReason::as_str));
        if !related.acts.is_empty() {
            let acts = related.acts.iter();
            let acts = acts.map(
                |act| json!({"finding_id": act.finding_id, "same": act.same.as_str(), "when": act.when}),
            );
            json["unmapped"]["related"] = acts.collect();
        }
        json
    }

    fn made(subject: String, page: Page<'_>, mut json: Value) -> Alert {
        let text = cut(page.finish(), MAX_BODY);
        json["unmapped"]["mail"] = json!({"subject": subject, "text": text});
        Alert { subject, text, json }
    }

    /// The `Message` of a `Publish` with `MessageStructure=json`: the mail for people, JSON for machines. What a
    /// machine's copy had to leave out for the sake of its size is named in it.
    pub fn message(&self) -> String {
        let mut machine = self.json.clone();
        for (parent, name) in DISPENSABLE {
            let message = self.with(&machine);
            if message.len() <= MAX_MESSAGE {
                return message;
            }
            let left_out = machine.pointer_mut(parent).and_then(Value::as_object_mut);
            if left_out.and_then(|object| object.remove(name)).is_some() {
                machine["unmapped"]["left_out"][name] = json!(true);
            }
        }
        let message = self.with(&machine);
        if message.len() <= MAX_MESSAGE {
            return message;
        }
        // Only an item that somebody has filled by hand is as large as that. It must not stop the mail.
        let id = clean(self.json["finding_info"]["uid"].as_str().unwrap_or_default(), 200);
        self.with(&json!({
            "message": self.subject, "severity_id": self.json["severity_id"], "severity": self.json["severity"],
            "finding_info": {"uid": id}, "unmapped": {"left_out": {"all": true}},
        }))
    }

    /// `default` is what all protocols get that are not named: queues, functions, webhooks, `email-json`. Named one by
    /// one, each would have a copy of its own in the message.
    fn with(&self, machine: &Value) -> String {
        json!({"default": machine.to_string(), "email": self.text, "sms": self.subject}).to_string()
    }
}

fn subject(finding: &Finding, note: &str) -> String {
    let changed = match finding.alert.reason {
        _ if finding.status == Status::Resolved => "over already: ",
        Some(AlertReason::Reopened) => "again: ",
        Some(AlertReason::Again) => "still: ",
        Some(AlertReason::Worse) => "worse: ",
        Some(AlertReason::SomebodyElse) => "somebody else: ",
        _ => "",
    };
    let title = &finding.headline().title;
    addressed(finding.severity, &format!("{note}{changed}{title}"), &finding.account)
}

/// Every mail's subject: how bad, what happened, and at the end the account, where there is one.
fn addressed(severity: Severity, what: &str, account: &str) -> String {
    let account = clean(account, 20);
    let end = if account.is_empty() { account } else { format!("({account})") };
    fit(&format!("[{}] {what}", severity.as_str()), &end)
}

/// A subject that SNS takes and no mail client turns into a link: the line, cut at a word where it is too long, and what
/// stands at its end in any case.
fn fit(line: &str, end: &str) -> String {
    // Defanged again: what is not ASCII may have kept two parts of a link together as one word.
    let plain = |text: &str| defang(&ascii(&defang(&clean(text, 1_000))));
    let end = match plain(end) {
        end if end.is_empty() => end,
        end => format!(" {end}"),
    };
    let (line, most) = (plain(line), MAX_SUBJECT - end.len());
    if line.len() <= most {
        return format!("{line}{end}");
    }
    let kept = &line[..most - 3];
    // A word that is longer than the line is cut where it must be.
    let word = kept.rfind(' ').filter(|at| *at > most / 2).unwrap_or(kept.len());
    format!("{}...{end}", &kept[..word])
}
