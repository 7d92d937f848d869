//! What a policy on a resource gives outsiders, told as a finding.

use keepwatch_policy::Document;
use keepwatch_policy::sharing::{Guard, Outsider, Reach, Share, shares};
use serde_json::Value;

use crate::kit::prelude::*;

/// What is open to some outsiders under a condition only is a finding of its own: it stays when the rest is
/// closed.
pub(super) const NARROWED: &str = "under a condition";

/// A resource with a policy on it.
pub(super) struct Policed<'p> {
    /// The service as its actions name it; see [`shares`].
    pub(super) service: &'p str,
    /// Its ARN.
    pub(super) arn: String,
    /// Kind and name: `bucket photos`.
    pub(super) name: String,
    /// How bad it is that everyone comes.
    pub(super) everyone: Severity,
    /// How bad it is that another account comes.
    pub(super) account: Severity,
    /// Whether it counts what they can do: to send something in is less than to read.
    pub(super) by_reach: bool,
    /// Whether a policy that opens nothing is good news. It is none about what the call has just made, nor where the
    /// policy leaves the owner out as well.
    pub(super) settles: bool,
}

/// The document that a call carries, if it carries one that is not empty.
pub(super) fn document(value: Option<&Value>) -> Option<Result<Document, String>> {
    let value = value.filter(|value| !value.is_null() && value.as_str() != Some(""))?;
    Some(Document::from_value(value).map_err(|error| error.to_string()))
}

impl Policed<'_> {
    /// Reports what the document opens, or that it opens nothing.
    pub(super) fn judge(
        &self,
        record: &Record<'_>,
        cx: &mut Cx<'_>,
        document: Result<Document, String>,
        steps: impl Fn(Observation) -> Observation,
    ) {
        let (who, name) = (caller_name(record), &self.name);
        let document = match document {
            Ok(document) => document,
            Err(why) => {
                let title = format!("{who} rewrote the policy of {name}, and it could not be read");
                let seen = self.at_home(cx.unknown(&self.arn, title).severity(Severity::Medium));
                cx.report(steps(seen.because(as_sentence(&why))));
                return;
            }
        };
        let document = match record.time() {
            Some(at) => document.as_of(at),
            None => document,
        };
        let all = shares(&document, self.service, record.account(), &cx.config.trusted_accounts);
        let judged: Vec<(Severity, bool, &Share)> =
            all.iter().filter_map(|share| self.severity(share)).collect();
        let worst = |narrowed: bool| {
            judged.iter().filter(|judged| judged.1 == narrowed).max_by_key(|(severity, ..)| *severity)
        };
        let tell = |worst: &(Severity, bool, &Share)| {
            let (severity, narrowed, share) = worst;
            let title = format!("{who} opened {name}: {} can {}", share.whom(), share.ability());
            let mut seen = self
                .at_home(cx.failing(&self.arn, title))
                .severity(*severity)
                .because(as_sentence(&share.why()));
            let mut principals = Vec::new();
            for (_, _, share) in judged.iter().filter(|judged| judged.1 == *narrowed) {
                seen = seen.detail("Opening", as_sentence(&share.why()));
                principals.push(share.principal.as_str());
            }
            principals.sort_unstable();
            // Somebody new is worth a mail of its own, however soon after the last.
            let seen = seen.witnessed_by(&format!("{} {}", principals.len(), principals.join(" ")));
            let seen = steps(if *narrowed { seen.aspect(NARROWED) } else { seen });
            // A public resource is one whoever made it so; sharing with accounts is what pipelines are for.
            match share.who == Outsider::Everyone && !narrowed {
                true => stop_caller(seen, record),
                false => cx.tempered(stop_caller(seen, record)),
            }
        };
        let (open, narrowed) = (worst(false).map(tell), worst(true).map(tell));
        let left = match (open.is_some(), narrowed.is_some()) {
            (false, false) => "nobody outside can use it now",
            (false, true) => "nobody outside can use it without a condition now",
            _ => "no opening under a condition is left",
        };
        let title = format!("{who} rewrote the policy of {name}, and {left}");
        // Either kind of opening may go while the other stays.
        if open.is_none() && self.settles {
            cx.report(self.at_home(cx.passing(&self.arn, &title)));
        }
        if narrowed.is_none() && self.settles {
            cx.report(self.at_home(cx.passing(&self.arn, &title)).aspect(NARROWED));
        }
        for seen in open.into_iter().chain(narrowed) {
            cx.report(seen);
        }
    }

    /// Reports that the policy is gone, or the resource with it.
    pub(super) fn removed(&self, record: &Record<'_>, cx: &mut Cx<'_>) {
        let event = record.event_name.or_empty();
        let whole = event.starts_with("Delete") && !event.contains("Policy");
        let did = if whole { "deleted" } else { "removed the policy of" };
        let title = format!("{} {did} {}", caller_name(record), self.name);
        cx.report(self.at_home(cx.passing(&self.arn, &title)));
        cx.report(self.at_home(cx.passing(&self.arn, &title)).aspect(NARROWED));
    }

    /// A replica is made from another region, and every later call about it comes from its own.
    fn at_home(&self, mut seen: Observation) -> Observation {
        if let Some(region) = self.region() {
            region.clone_into(&mut seen.subject.region);
        }
        seen
    }

    /// The region that the resource is in, where its ARN names one.
    pub(super) fn region(&self) -> Option<&str> {
        Arn::parse(&self.arn).map(|arn| arn.region).filter(|region| !region.is_empty())
    }

    /// How bad a share is, and whether a condition narrows it; nothing where the condition leaves nobody to
    /// fear.
    fn severity<'s>(&self, share: &'s Share) -> Option<(Severity, bool, &'s Share)> {
        let (everyone, account) = match share.reach {
            Some(Reach::Use) if self.by_reach => {
                (self.everyone.min(Severity::Medium), self.account.min(Severity::Medium))
            }
            Some(Reach::Write) if self.by_reach => (self.everyone.min(Severity::High), self.account),
            _ => (self.everyone, self.account),
        };
        let reads = share.reach.is_some_and(|reach| reach >= Reach::Read);
        let (severity, narrowed) = match (&share.who, share.guard) {
            (Outsider::Everyone, None) => (everyone, false),
            (Outsider::Everyone, Some(Guard::Network | Guard::Source)) => return None,
            // Everybody tags their own roles as they like.
            (Outsider::Everyone, Some(Guard::Tags)) => (Severity::High.min(everyone), true),
            // A unique id may be that of a thief's own role, and names no account that one could ask.
            (Outsider::Everyone, Some(Guard::Addresses | Guard::Principals)) => {
                (Severity::Medium.min(account), true)
            }
            // Whose organization or VPC it is the policy does not say, and what an access point lets in is told where its
            // own policy is written.
            (Outsider::Everyone, Some(Guard::Organization | Guard::Vpc | Guard::AccessPoint)) => {
                (Severity::Low, true)
            }
            // Whoever has the service read gets what it reads.
            (Outsider::Service, None) if reads => (Severity::Medium.min(account), true),
            (Outsider::Service, _) => (Severity::Low, true),
            (Outsider::ExternalAccount(_), Some(Guard::Source)) if reads => {
                (Severity::Medium.min(account), true)
            }
            // Logs of other accounts come in by such a statement.
            (Outsider::ExternalAccount(_), Some(Guard::Source)) => (Severity::Low, true),
            (Outsider::ExternalAccount(_), None) => (account, false),
            (Outsider::ExternalAccount(_), Some(_)) => (Severity::Medium.min(account), true),
            (Outsider::Deleted, _) => (Severity::Low, true),
            (Outsider::Untold, _) => (Severity::Medium.min(account), false),
        };
        Some((severity, narrowed, share))
    }
}

#[cfg(test)]
pub(super) mod testing {
    use crate::kit::prelude::*;
    use crate::testing::{Verdict, observe};

    /// The one opening that a rule must tell, the good news about the other kind aside.
    pub(crate) fn fired(rule: &'static dyn Rule, event: &str) -> Observation {
        let mut seen = observe(rule, event);
        seen.retain(|one| one.verdict != Verdict::Passing);
        assert_eq!(seen.len(), 1, "{seen:?} of {event}");
        seen.remove(0)
    }

    /// The same, with this severity.
    pub(crate) fn fires_at(rule: &'static dyn Rule, severity: Severity, event: &str) -> Observation {
        let seen = fired(rule, event);
        assert_eq!(seen.severity, severity, "{seen:?}");
        seen
    }
}
