//! What findings are told of the canary ([`crate::canary`]).
//!
//! Where no trail records the call, the check on trails says so, and its finding is the only one: the canary adds a line to it
//! ([`join`]). Everything else that loses the call is a finding of its own.

use keepwatch_base::time::Timestamp;

use super::forwarders::Home;
use super::judgement::{Judged, Judgement};
use super::of_state;
use crate::about::{About, Docs, Reference, Standard};
use crate::canary::{Canary, MISSES};
use crate::observation::{RemediationStep, Subject};
use crate::severity::Severity;

/// What describes the finding.
pub static ABOUT: About = of_state(
    "canary.missed",
    "Keepwatch's daily call comes back through CloudTrail and EventBridge",
    Severity::High,
    &["SELF-01"],
);

/// What explains it.
pub static DOCS: Docs = Docs {
    text: "## What it checks
Once a day Keepwatch calls StartLogging on a trail that does not exist, under a name that nobody can guess. Nothing happens, and
CloudTrail logs the call like every other that writes. It must come back as an event. Two that did not, in a row, are this finding;
where no trail records such calls, the finding of trail.multi-region says so instead.
## Why it matters
What is lost on this way is lost of other calls as well: nobody is told of a new administrator or of a trail that is stopped.
## What to do
Run keepwatch doctor, which names the event rule, queue or function that is broken, and keepwatch test-alert, which makes such a call
and follows it. Where AWS refuses the call itself, take away what refuses it: a service control policy, a permissions boundary or a
policy that somebody has changed. The next call that comes back closes the finding.
## What it costs
Nothing. The first copy of management events is free.
## What may break
Nothing.
",
    references: &[Reference::of(
        Standard::Documentation,
        &["CloudTrail user guide: error code and message log example"],
    )],
};

/// Whether a trail records the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// One does.
    Yes,
    /// None does, and a finding of the check on trails tells of it.
    Told,
    /// None does, and nobody is told: the owner has switched off the check or has suppressed its finding.
    Untold,
    /// That could not be read.
    Unknown,
}

/// What the finding is told; nothing as long as there is nothing to tell, which is so after one miss.
pub fn judgement(canary: &Canary, recorded: Recorded, home: &Home<'_>, at: Timestamp) -> Option<Judgement> {
    let Home { partition, account, region, stack } = home;
    let (verdict, title) = if canary.misses == 0 {
        let latency = canary.last?.latency().as_secs();
        (Judged::Passing, format!("The daily call came back after {latency} s"))
    } else if recorded == Recorded::Told {
        (Judged::NotApplicable, "No trail records the daily call, which is a finding of its own".to_owned())
    } else if canary.unexplained() >= MISSES {
        (Judged::Failing, format!("Two daily calls in a row did not come back to Keepwatch in {region}"))
    } else {
        return None;
    };
    let subject = Subject {
        account: (*account).to_owned(),
        region: (*region).to_owned(),
        resource: format!("arn:{partition}:cloudformation:{region}:{account}:stack/{stack}"),
        aspect: None,
    };
    let mut judgement = Judgement::new(&ABOUT, subject, verdict, Some(at), title);
    if verdict != Judged::Failing {
        return Some(judgement);
    }
    let refused = canary.waits.as_ref().and_then(|call| call.refused.as_deref());
    let reason = match (refused, recorded) {
        (Some(_), _) => "AWS does not take the call, so that nobody knows whether anything is heard",
        (None, Recorded::Yes) => {
            "a trail records the call: it is lost on the way from CloudTrail over EventBridge and the queue to detect, \
             and so may be everything else"
        }
        (None, Recorded::Untold | Recorded::Told) => {
            "no trail records calls that write, so that EventBridge gets none; the check on trails is switched off or its \
             finding is suppressed"
        }
        (None, Recorded::Unknown) => {
            "whether a trail records the call could not be read; what happens in the account may be heard by nobody"
        }
    };
    judgement = judgement.because(reason).detail("Last return", last_return(canary));
    if let Some(why) = refused {
        judgement = judgement.detail("AWS's answer", why);
    }
    let options = format!(" --region {region} --stack {stack}");
    for (purpose, command) in
        [("Which part is broken?", "keepwatch doctor"), ("Follow such a call", "keepwatch test-alert")]
    {
        let command = format!("{command}{options}");
        judgement.steps.push(RemediationStep { purpose: purpose.to_owned(), command });
    }
    Some(judgement)
}

/// The finding of the check on trails, where no trail records the call: it says as well that none has come back.
pub fn join(of_trails: Judgement, canary: &Canary) -> Judgement {
    match canary.misses {
        0 => of_trails,
        _ => of_trails.detail("Last return of Keepwatch's daily call", last_return(canary)),
    }
}

fn last_return(canary: &Canary) -> String {
    match (canary.last, canary.since) {
        (Some(last), _) => last.at.to_string(),
        (None, Some(since)) => format!("none since {since}"),
        (None, None) => "none".to_owned(),
    }
}
