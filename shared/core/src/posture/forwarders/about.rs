//! What describes the findings about forwarders, and explains them.

use crate::about::{About, Docs, Reference, Standard};
use crate::posture::of_state;
use crate::severity::Severity;

const fn about(id: &'static str, title: &'static str, severity: Severity) -> About {
    of_state(id, title, severity, &["SELF-01"])
}

/// What all of them follow from.
const REFERENCES: &[Reference] = &[Reference::of(
    Standard::Documentation,
    &["EventBridge user guide: Sending and receiving events between AWS Regions"],
)];

const fn docs(text: &'static str) -> Docs {
    Docs { text, references: REFERENCES }
}

/// Regions that were never heard.
pub(super) static MISSING: About = About {
    // What nobody has set up is no attack on Keepwatch: the owner may say for longer that it is meant.
    catalogue: &["P60"],
    ..about("forwarder.missing", "Every enabled region has a forwarder", Severity::Low)
};

/// A forwarder with rules that are not as they were deployed.
pub(super) static CHANGED: About = about(
    "forwarder.changed",
    "The event rules of every forwarder are as they were deployed",
    Severity::High,
);

/// A forwarder of another version.
pub(super) static OUTDATED: About = about(
    "forwarder.outdated",
    "Every forwarder has the rules of the home stack's version",
    Severity::Medium,
);

/// A forwarder whose heartbeats do not come.
pub(super) static SILENT: About = about(
    "forwarder.silent",
    "The heartbeat of every forwarder arrives each quarter of an hour",
    Severity::High,
);

/// How many findings of this module there are.
pub const COUNT: usize = 4;

/// Whether this is the rule of findings about forwarders: one for each region.
pub fn is_of_forwarders(rule: &str) -> bool {
    ABOUT.iter().any(|about| about.id == rule)
}

/// What describes them.
pub static ABOUT: [&About; COUNT] = [&MISSING, &CHANGED, &OUTDATED, &SILENT];

/// What explains them, in the same order.
pub static DOCS: [&Docs; COUNT] = [
    &docs(
        "## What it checks
Whether each region that is enabled in the account has Keepwatch's forwarder. Where the others have one, up to three regions are a
finding each: one that somebody has opted in to is found so within a day. More than three, or all of them, are one finding.
## Why it matters
An EventBridge rule hears its own region only. What is done in a region without a forwarder is not heard: instances that mine, a
snapshot that is shared, a trail that is stopped.
## What to do
Run make deploy-regions REGIONS=all, or name the regions. Or switch off regions that nobody uses, and deny their use in a service
control policy.
## What it costs
One cent a month for each quiet region.
## What may break
Nothing.
",
    ),
    &docs(
        "## What it checks
Whether each event rule of a forwarder is there and enabled, has the pattern of this version, and sends the events themselves to the
home stack's event bus, with the forwarders' role, for as long and with the same queue for what cannot be sent as it was deployed.
## Why it matters
What a disabled or narrowed rule does not bring is not heard, although the heartbeat still comes.
## What to do
Find out who changed it, in the event history of that region, and run make deploy-regions for it. CloudFormation leaves alone what
it believes to be as it should be: where a rule stays wrong, run make undeploy-regions first.
## What it costs
Nothing.
## What may break
Nothing.
",
    ),
    &docs(
        "## What it checks
Whether each forwarder was deployed with the rules of the home stack's version.
## Why it matters
The newer rules listen to more. What only they listen to is not heard in that region.
## What to do
Run make deploy-regions REGIONS=all after each update of the home stack.
## What it costs
Nothing.
## What may break
Nothing.
",
    ),
    &docs(
        "## What it checks
Whether a region that has a forwarder was heard within the last hour. A forwarder sends a heartbeat each quarter of an hour, on the
way of its events.
## Why it matters
What a silent forwarder hears does not reach home. Somebody may have removed it, its role or the permission to send, or events do
not come through at all.
## What to do
Look whether its rules and the role are there, and whether its queue of undelivered events fills. Run make deploy-regions for the
region. When somebody deletes the forwarder's stack, as make undeploy-regions does, that is told at once by self-stack-changed; the
silence after it is not told again, and the region counts as one without a forwarder from the next scan on. Where that call was
not heard, the silence is told, and the region counts so after thirty days.
## What it costs
Nothing.
## What may break
Nothing.
",
    ),
];
