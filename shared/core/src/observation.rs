//! What a rule saw: "at time T, rule R saw subject S failing / passing / unknown". The only thing rules produce.

use std::time::Duration;

use keepwatch_base::hash::short_hash;
use keepwatch_base::network::Cidr;
use keepwatch_base::text::{MAX_TEXT, clean, shell_word};
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::about::About;
use crate::confirm::Confirm;
use crate::event::cloudtrail::Record;
use crate::event::{Event, caller};
use crate::severity::Severity;

/// What the rule says of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The problem is there.
    Failing,
    /// The problem is gone.
    Passing,
    /// Something happened that may be the problem, and the rule could not find out.
    Unknown,
}

impl Verdict {
    /// The word, as replay prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Failing => "failing",
            Verdict::Passing => "passing",
            Verdict::Unknown => "unknown",
        }
    }
}

/// How a problem went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The resource is there, and is right.
    Fixed,
    /// The resource is gone.
    Deleted,
    /// It was no problem here.
    NotApplicable,
}

impl Resolution {
    /// The word that a finding's status reason begins with.
    pub fn as_str(self) -> &'static str {
        match self {
            Resolution::Fixed => "fixed",
            Resolution::Deleted => "deleted",
            Resolution::NotApplicable => "not applicable",
        }
    }
}

/// What an observation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Account id.
    pub account: String,
    /// Region; `global` for what has none.
    pub region: String,
    /// ARN where one exists, else the resource's own id.
    pub resource: String,
    /// Which part of the resource, where several problems of one rule can live on it: the policy, the port, the grantee.
    pub aspect: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The name a person knows: a user, `role/session`, `root`, a service.
    pub name: String,
    /// `userIdentity.type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The user's unique id, or for a federated user the ARN of whoever made the session, or the principal's id and account
    /// where the event names no more of it: what no caller chooses. A user's name can be given to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
    /// Access key id that signed the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Source address, or the name of an AWS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// User agent: the caller's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether the session was opened with MFA, where CloudTrail says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
}

impl Actor {
    /// Whether the call came from an address of the internet, as far as the event tells: not from a service of AWS's, which it
    /// names, nor from a private address, which is inside a network. Which addresses of the internet are AWS's is not known here.
    pub fn is_from_outside(&self) -> bool {
        self.source_ip.as_deref().and_then(Cidr::parse).is_some_and(|address| !address.is_private())
    }

    /// Who made this call.
    pub fn of(record: &Record<'_>) -> Actor {
        let who = &record.user_identity;
        let keep = |text: Option<&str>| text.map(|text| clean(text, 256));
        Actor {
            name: Actor::name_of(record),
            kind: keep(who.kind.get()),
            arn: keep(who.arn.get()),
            unique: match who.kind.or_empty() {
                "IAMUser" => keep(who.principal_id.get().filter(|id| !id.contains(':'))),
                "FederatedUser" => keep(who.session_context.session_issuer.arn.get()),
                "AWSAccount" if who.arn.get().is_none() => keep(caller::foreign_id(record).as_deref()),
                _ => None,
            },
            access_key_id: keep(who.access_key_id.get()),
            source_ip: keep(record.source_ip_address.get()),
            user_agent: keep(record.user_agent.get()),
            mfa: who.session_context.attributes.mfa_authenticated.get().map(|mfa| mfa == "true"),
        }
    }

    /// The name alone of whoever made this call.
    pub fn name_of(record: &Record<'_>) -> String {
        clean(&caller::name(record), 256)
    }
}

/// A thing to do now: what for, and the AWS CLI command that does it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemediationStep {
    /// What it achieves, one sentence.
    pub purpose: String,
    /// The command line, quoted for a POSIX shell.
    pub command: String,
}

impl RemediationStep {
    /// A step whose command is `aws`, `call` and the options. Values are quoted; `call` is a rule's own literal text.
    pub fn aws(purpose: &str, call: &str, options: &[(&str, &str)]) -> RemediationStep {
        let mut command = String::with_capacity(200);
        command.push_str("aws ");
        command.push_str(call);
        for (name, value) in options {
            command.push(' ');
            command.push_str(name);
            // The AWS CLI reads such a value from a file of the owner's, whatever the shell makes of it.
            if names_a_file(value) {
                command.push_str(" VALUE");
            } else if !value.is_empty() {
                // A value that begins with a dash would be read as an option of its own.
                command.push(if value.starts_with('-') { '=' } else { ' ' });
                command.push_str(&shell_word(&clean(value, MAX_TEXT)));
            }
        }
        RemediationStep { purpose: purpose.to_owned(), command }
    }
}

/// A structure as the value of an option of the AWS CLI: `Name=group-id,Values=sg-1`, or JSON where a value holds what the
/// shorthand would read as its own, such as a comma. `Values` is a list, as in every filter of AWS's (AWS CLI user guide,
/// "Using shorthand syntax in the AWS CLI"). [`RemediationStep::aws`] quotes it for the shell.
pub fn shorthand(pairs: &[(&str, &str)]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | '@' | '/' | ':');
    if pairs.iter().all(|(_, value)| !value.is_empty() && value.chars().all(plain)) {
        let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        return pairs.join(",");
    }
    let value = |(key, value): &(&str, &str)| {
        let value = Value::from(clean(value, 200));
        ((*key).to_owned(), if *key == "Values" { Value::from(vec![value]) } else { value })
    };
    Value::Object(pairs.iter().map(value).collect()).to_string()
}

/// Whether the AWS CLI would load the value from a file (AWS CLI user guide, "Loading a parameter from a file").
fn names_a_file(value: &str) -> bool {
    let scheme = value.trim_start().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| ["file", "fileb"].iter().any(|name| scheme.eq_ignore_ascii_case(name)))
}

/// A severity reached only when the same thing happens often: `count` times within `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How many occurrences.
    pub count: usize,
    /// Within how long.
    pub window: std::time::Duration,
    /// The severity then.
    pub severity: Severity,
}

/// What a scan's occurrences are called, as events are called by their calls.
pub const SCAN: &str = "scan";

/// The most bytes of an occurrence's id.
const MAX_ID: usize = 200;

/// One time that something was seen: on an event, or by a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The source's own id, the same for every copy; see [`Event::occurrence_id`].
    pub id: String,
    /// Its name, such as `PutUserPolicy`.
    pub name: String,
    /// When, by the source's clock.
    pub time: Timestamp,
}

impl Occurrence {
    /// Under this id, of which a finding remembers many: one that is overlong is remembered by its hash.
    pub fn new(id: &str, name: &str, time: Timestamp) -> Occurrence {
        let id = clean(id, 512);
        let id = if id.len() <= MAX_ID { id } else { short_hash(&[&id]) };
        Occurrence { id, name: clean(name, 128), time }
    }

    /// Whether a scan saw it, and no event told of it.
    pub fn is_scan(&self) -> bool {
        self.name == SCAN
    }

    /// Of this event. An event without a readable time counts as having happened at `received`.
    pub fn of(event: &Event<'_>, received: Timestamp) -> Occurrence {
        Occurrence::new(&event.occurrence_id(), event.name(), event.time().unwrap_or(received))
    }
}

/// Stands in [`Observation::covered_by`] for a report of a whole scan, or of the week, which tells of it.
pub const REPORTED: &str = "report";

/// The AWS CLI's call that looks into the event history.
const LOOK_UP: &str = "cloudtrail lookup-events";

/// What of each event a person reads, as a table with these headings (CloudTrail API reference, `Event`). A call that failed
/// has an error code or an error message or both (CloudTrail user guide, "CloudTrail record contents").
const LOOKED_UP: &str = "Events[].{At:EventTime,Call:EventName,By:Username,Service:EventSource,Failed:contains(CloudTrailEvent,`\"errorCode\"`)||contains(CloudTrailEvent,`\"errorMessage\"`)}";

/// How long before an event a look at what else was done begins: as long as what is called related.
const LOOKED_BACK: Duration = Duration::from_hours(24);

/// The most lines on what was granted or exposed that an observation carries.
pub const MAX_DETAILS: usize = 30;

/// See the module. Rules make it by [`crate::engine::Cx`].
#[derive(Clone, Debug)]
pub struct Observation {
    /// The rule or check that saw it.
    pub rule: &'static About,
    /// What it is about.
    pub subject: Subject,
    /// Failing, passing or unknown.
    pub verdict: Verdict,
    /// How the problem went away, where it did.
    pub resolution: Resolution,
    /// How bad.
    pub severity: Severity,
    /// The event or scan that it comes from.
    pub event: Occurrence,
    /// What happened, one sentence with the names in it.
    pub title: String,
    /// Why the rule says so.
    pub reason: String,
    /// Who did it, where the event says.
    pub actor: Option<Actor>,
    /// What was granted or exposed: label and value.
    pub details: Vec<(String, String)>,
    /// What to do now.
    pub steps: Vec<RemediationStep>,
    /// Severity when it happens often.
    pub burst: Option<Burst>,
    /// What the finding files this under: the rule's id, or more where one rule speaks for several sources of one problem.
    pub witness: String,
    /// Id of the more specific rule that reported the same event, or [`REPORTED`]; this one is recorded and not mailed.
    pub covered_by: Option<&'static str>,
    /// What the account must say before this good news closes a finding of HIGH or above; see [`crate::confirm`].
    pub confirm: Option<Confirm>,
}

impl Observation {
    /// Sets the severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Says which part of the resource it is about; see [`Subject::aspect`].
    pub fn aspect(mut self, aspect: impl AsRef<str>) -> Self {
        self.subject.aspect = Some(clean(aspect.as_ref(), 256));
        self
    }

    /// Says that the resource belongs to no region.
    pub fn global(mut self) -> Self {
        "global".clone_into(&mut self.subject.region);
        self
    }

    /// Says why the rule says so.
    pub fn because(mut self, reason: impl AsRef<str>) -> Self {
        self.reason = clean(reason.as_ref(), MAX_TEXT);
        self
    }

    /// Adds a line on what was granted or exposed. Lines beyond [`MAX_DETAILS`] are left out, so that no event makes an
    /// item too large for the table.
    pub fn detail(mut self, label: &str, value: impl AsRef<str>) -> Self {
        if self.details.len() < MAX_DETAILS {
            self.details.push((label.to_owned(), clean(value.as_ref(), MAX_TEXT)));
        }
        self
    }

    /// Adds a line where there is something to say.
    pub fn detail_if(self, label: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.detail(label, value),
            None => self,
        }
    }

    /// Files it under the rule and this source, where one rule speaks for several: a new source is a new witness.
    pub fn witnessed_by(mut self, source: &str) -> Self {
        self.witness = format!("{} {}", self.rule.id, clean(source, 256));
        self
    }

    /// Adds a thing to do: purpose, AWS CLI call, options. A look into the event history for more than one event begins on
    /// the day before this one, and comes as a table.
    pub fn step(mut self, purpose: &str, call: &str, options: &[(&str, &str)]) -> Self {
        let of_one = options.iter().any(|(_, value)| value.starts_with("AttributeKey=EventId,"));
        if call.starts_with(LOOK_UP) && !of_one {
            return self.look(purpose, call, options, LOOKED_UP);
        }
        self.steps.push(RemediationStep::aws(purpose, call, options));
        self
    }

    /// Adds a look into the event history from the day before this event on, as a table of what the query picks.
    fn look(mut self, purpose: &str, call: &str, options: &[(&str, &str)], query: &str) -> Self {
        let day = self.event.time.minus(LOOKED_BACK).date();
        let as_table = [("--start-time", day.as_str()), ("--query", query), ("--output", "table")];
        self.steps.push(RemediationStep::aws(purpose, call, &[options, &as_table].concat()));
        self
    }

    /// Adds a look for those events of the kind `by` that hold `word`, from the day before this one on, as a table.
    pub fn look_for(self, purpose: &str, region: &str, by: &str, word: &str) -> Self {
        let word = Value::from(clean(word, 128).replace('`', ""));
        let named = format!("Events[?contains(CloudTrailEvent,`{word}`)]");
        let options = [("--region", region), ("--lookup-attributes", by)];
        self.look(purpose, LOOK_UP, &options, &LOOKED_UP.replacen("Events[]", &named, 1))
    }

    /// Adds a look at what was there before: whole events, for their parameters say it, and all that the event history has,
    /// for nobody knows when it was written. The newest comes first, and the event itself is one of them.
    pub fn look_back(mut self, purpose: &str, region: &str, by: &str) -> Self {
        let purpose = format!("{purpose} (the event history has 90 days)");
        let options = [
            ("--region", region),
            ("--lookup-attributes", by),
            ("--query", "Events[].[CloudTrailEvent]"),
            ("--output", "text"),
        ];
        self.steps.push(RemediationStep::aws(&purpose, LOOK_UP, &options));
        self
    }

    /// Has good news wait for what the account says; see [`crate::confirm`].
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = Some(confirm);
        self
    }

    /// Raises the severity when it happens often.
    pub fn burst(mut self, burst: Burst) -> Self {
        self.burst = Some(burst);
        self
    }
}
