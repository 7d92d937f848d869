//! Who acted on a finding that was mailed: somebody else is news.
//!
//! Mallory does what Alice did an hour ago. The problem is the same, and the finding; but whoever was told of Alice has to
//! be told of Mallory. The same goes for root and for exposed keys that are used from another network: the name is the same
//! there whoever acts.

use std::time::Duration;

use keepwatch_base::network;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Witness;
use crate::about::About;
use crate::observation::{Actor, Observation};

/// How many different actors one finding is mailed for in a day, besides the first. The others are in the daily digest.
pub(super) const MAILED_A_DAY: usize = 3;

/// How many actors a finding knows of. Beyond that the oldest are forgotten: those first of whom no mail told, or whoever comes
/// from enough places would be told of again and again.
const KEPT: usize = 16;

const DAY: Duration = Duration::from_secs(86_400);

/// Somebody who acted on a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownActor {
    /// Who, as people read it: see [`Actor::identity`], and the unique id and the network where those tell people apart.
    pub who: String,
    /// [`Actor::identity`], where it is another than [`KnownActor::as_written_before`] reads out of `who`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    /// When they were first seen to act, by the source's clock.
    pub at: Timestamp,
    /// Whether somebody else was mailed already, and this one was another mail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_news: bool,
    /// Whether no mail told of them, because too many had told of others that day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted_only: bool,
}

/// What lies between who it is and the network that they act from.
const FROM: &str = " from ";

/// What lies between a user's name and the unique id that the name stands for.
const ID: &str = ", id ";

/// The most characters of one who acted.
const MAX_WHO: usize = 300;

impl KnownActor {
    /// Who it is, wherever they act from.
    pub fn identity(&self) -> String {
        self.identity.clone().unwrap_or_else(|| KnownActor::as_written_before(&self.who).to_owned())
    }

    /// Who it is, of an item that holds no more than the words.
    fn as_written_before(who: &str) -> &str {
        let name = who.split(FROM).next().unwrap_or_default();
        name.split(ID).next().unwrap_or_default()
    }

    fn new(who: &Who, at: Timestamp, standing: Standing) -> KnownActor {
        let (shown, identity) = (who.shown(), clean(&who.identity, MAX_WHO));
        let identity = (KnownActor::as_written_before(&shown) != identity).then_some(identity);
        KnownActor {
            who: shown,
            identity,
            at,
            as_news: standing == Standing::News,
            counted_only: standing == Standing::OneTooMany,
        }
    }

    /// Whether this is them. One that was noted without an id stands for any of the name.
    fn is(&self, who: &Who) -> bool {
        self.who == who.shown() || (who.unique.is_some() && self.who == who.identity)
    }
}

/// Somebody who acts, as they are told apart from somebody else on one finding.
#[derive(Debug, PartialEq, Eq)]
struct Who {
    identity: String,
    /// The unique id that a user's name stands for.
    unique: Option<String>,
    /// The network that they act from, where that tells people apart.
    network: Option<String>,
}

impl Who {
    /// As people read it, and as it is stored.
    fn shown(&self) -> String {
        let mut who = self.identity.clone();
        for (before, part) in [(ID, &self.unique), (FROM, &self.network)] {
            if let Some(part) = part {
                who = format!("{who}{before}{part}");
            }
        }
        clean(&who, MAX_WHO)
    }
}

impl Actor {
    /// Who it is, whatever name the session has: the user, the role, of Identity Center the person. The name of a role's
    /// session is the caller's choice; Identity Center puts the person's name there and lets nobody choose it.
    pub fn identity(&self) -> String {
        // Of somebody from another account, CloudTrail may name the principal's id alone, with the session's name behind it.
        let Some(arn) = self.arn.as_deref() else {
            let name = || self.name.split(':').next().unwrap_or_default().to_owned();
            return self.unique.clone().unwrap_or_else(name);
        };
        // The name of a federated user is whatever the one who asked for the token wrote.
        if let Some((head, _)) = arn.split_once(":federated-user/") {
            return self.unique.clone().unwrap_or_else(|| format!("{head}:federated-user"));
        }
        let Some((head, session)) = arn.split_once(":assumed-role/") else { return arn.to_owned() };
        let Some((role, _)) = session.split_once('/') else { return arn.to_owned() };
        if role.starts_with("AWSReservedSSO_") {
            arn.to_owned()
        } else {
            format!("{head}:assumed-role/{role}")
        }
    }

    /// The network that it acts from; see [`network::origin`]. None for AWS services.
    pub fn network(&self) -> Option<String> {
        self.source_ip.as_deref().and_then(network::origin)
    }

    fn is_root(&self) -> bool {
        self.kind.as_deref() == Some("Root")
    }
}

/// Who acted here, as somebody is told apart from somebody else on this finding. None where no caller is named, and where
/// an AWS service acts: which of them did it is no news.
fn who(actor: Option<&Actor>, rule: &About) -> Option<Who> {
    let actor = actor.filter(|actor| actor.kind.as_deref() != Some("AWSService"))?;
    let by_network = actor.is_root() || rule.tells_networks_apart();
    let network = actor.network().filter(|_| by_network);
    let unique = actor.unique.clone().filter(|_| actor.kind.as_deref() == Some("IAMUser"));
    Some(Who { identity: actor.identity(), unique, network })
}

/// What an actor is to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Known, or nobody is named.
    Known,
    /// Somebody else, and worth a mail.
    News,
    /// Somebody else, after too many others on that day: for the daily digest.
    OneTooMany,
}

/// Those whom a finding's witnesses name, for one that was mailed by a version that did not note whom it told of.
pub(super) fn witnessed<'w>(witnesses: impl Iterator<Item = &'w Witness>, rule: &About) -> Vec<KnownActor> {
    let mut known: Vec<KnownActor> = Vec::new();
    for witness in witnesses {
        let Some(who) = who(witness.actor.as_ref(), rule) else { continue };
        if known.iter().all(|told| told.who != who.shown()) {
            known.push(KnownActor::new(&who, witness.event.time, Standing::Known));
        }
    }
    known
}

/// What the one who acted is to those who are known. Nobody is news to a finding that knows of nobody: AWS itself spoke of
/// it first.
pub(super) fn standing(known: &[KnownActor], observation: &Observation) -> Standing {
    let Some(who) = who(observation.actor.as_ref(), observation.rule) else { return Standing::Known };
    if known.is_empty() || known.iter().any(|told| told.is(&who) && !told.counted_only) {
        return Standing::Known;
    }
    let at = observation.event.time;
    let that_day = |told: &&KnownActor| told.as_news && told.at.since(at).max(at.since(told.at)) < DAY;
    match known.iter().filter(that_day).count() < MAILED_A_DAY {
        true => Standing::News,
        false => Standing::OneTooMany,
    }
}

/// Notes who acted.
pub(super) fn note(known: &mut Vec<KnownActor>, observation: &Observation, standing: Standing) {
    let Some(who) = who(observation.actor.as_ref(), observation.rule) else { return };
    let at = observation.event.time;
    match known.iter_mut().find(|told| told.is(&who)) {
        Some(told) if told.counted_only && standing != Standing::OneTooMany => {
            *told = KnownActor::new(&who, at, standing);
        }
        Some(told) => told.at = told.at.min(at),
        None => known.push(KnownActor::new(&who, at, standing)),
    }
    if known.len() > KEPT {
        let untold = known.iter().position(|told| told.counted_only);
        known.remove(untold.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    fn named(identity: &str, unique: Option<&str>, network: Option<&str>) -> Who {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Who { identity: identity.to_owned(), unique: owned(unique), network: owned(network) }
    }

    /// Who it is was once read back from the words that tell it, so that a name with `from` in it lost its end: whoever silenced
    /// what `Jo` does silenced `Jo from Sales` as well.
    #[test]
    fn a_name_is_whole_whatever_is_in_it() {
        for name in ["Jo from Sales", "Jo, id of Sales", "Jo"] {
            for who in [named(name, None, None), named(name, Some("AIDAEXAMPLE"), Some("203.0.113.0/24"))] {
                let told = KnownActor::new(&who, at(), Standing::Known);
                let read: KnownActor = serde_json::from_value(serde_json::to_value(&told).unwrap()).unwrap();
                assert_eq!((read.identity().as_str(), read.is(&who)), (name, true));
            }
        }
    }

    #[test]
    fn what_is_stored_of_usual_names_is_as_it_was() {
        let arn = "arn:aws:iam::111122223333:user/bob";
        for (who, shown) in [
            (named(arn, None, None), arn.to_owned()),
            (named(arn, Some("AIDAEXAMPLE"), None), format!("{arn}, id AIDAEXAMPLE")),
            (
                named(arn, Some("AIDAEXAMPLE"), Some("203.0.113.0/24")),
                format!("{arn}, id AIDAEXAMPLE from 203.0.113.0/24"),
            ),
        ] {
            let stored = json!({"who": shown, "at": at()});
            assert_eq!(serde_json::to_value(KnownActor::new(&who, at(), Standing::Known)).unwrap(), stored);
            let read: KnownActor = serde_json::from_value(stored).unwrap();
            assert_eq!(read.identity(), arn);
        }
    }
}
