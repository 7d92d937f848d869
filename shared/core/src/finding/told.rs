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

/// How many actors a finding knows of. Beyond that the oldest are forgotten.
const KEPT: usize = 16;

const DAY: Duration = Duration::from_secs(86_400);

/// Somebody who acted on a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Who: see [`Actor::identity`], and the network where that tells people apart.
    pub who: String,
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

impl Told {
    /// Who it is, wherever they act from.
    pub fn identity(&self) -> String {
        let name = self.who.split(FROM).next().unwrap_or_default();
        name.split(ID).next().unwrap_or_default().to_owned()
    }

    /// Whether this is them. One that was noted without an id stands for any of the name.
    fn is(&self, who: &str) -> bool {
        self.who == who || who.strip_prefix(&self.who).is_some_and(|rest| rest.starts_with(ID))
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
fn who(actor: Option<&Actor>, rule: &About) -> Option<String> {
    let actor = actor.filter(|actor| actor.kind.as_deref() != Some("AWSService"))?;
    let by_network = actor.is_root() || rule.tells_networks_apart();
    let network = actor.network().filter(|_| by_network);
    let mut who = actor.identity();
    if let Some(id) = actor.unique.as_deref().filter(|_| actor.kind.as_deref() == Some("IAMUser")) {
        who = format!("{who}{ID}{id}");
    }
    if let Some(network) = network {
        who = format!("{who}{FROM}{network}");
    }
    Some(clean(&who, 300))
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
pub(super) fn witnessed<'w>(witnesses: impl Iterator<Item = &'w Witness>, rule: &About) -> Vec<Told> {
    let mut known: Vec<Told> = Vec::new();
    for witness in witnesses {
        let Some(who) = who(witness.actor.as_ref(), rule) else { continue };
        if known.iter().all(|told| told.who != who) {
            known.push(Told { who, at: witness.event.time, as_news: false, counted_only: false });
        }
    }
    known
}

/// What the one who acted is to those who are known. Nobody is news to a finding that knows of nobody: AWS itself spoke of
/// it first.
pub(super) fn standing(known: &[Told], observation: &Observation) -> Standing {
    let Some(who) = who(observation.actor.as_ref(), observation.rule) else { return Standing::Known };
    if known.is_empty() || known.iter().any(|told| told.is(&who) && !told.counted_only) {
        return Standing::Known;
    }
    let at = observation.event.time;
    let that_day = |told: &&Told| told.as_news && told.at.since(at).max(at.since(told.at)) < DAY;
    match known.iter().filter(that_day).count() < MAILED_A_DAY {
        true => Standing::News,
        false => Standing::OneTooMany,
    }
}

/// Notes who acted.
pub(super) fn note(known: &mut Vec<Told>, observation: &Observation, standing: Standing) {
    let Some(who) = who(observation.actor.as_ref(), observation.rule) else { return };
    let at = observation.event.time;
    let (as_news, counted_only) = (standing == Standing::News, standing == Standing::OneTooMany);
    match known.iter_mut().find(|told| told.is(&who)) {
        Some(told) if told.counted_only && !counted_only => *told = Told { who, at, as_news, counted_only },
        Some(told) => told.at = told.at.min(at),
        None => known.push(Told { who, at, as_news, counted_only }),
    }
    if known.len() > KEPT {
        known.remove(0);
    }
}
