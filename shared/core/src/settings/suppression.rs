//! A suppression: which rule, which subjects, until when, by whom and why.

use std::fmt;
use std::time::Duration;

use keepwatch_base::arn::is_account_id;
use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use keepwatch_base::wildcard::matches;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::KEY;
use crate::about::About;
use crate::catalogue::{Catalogue, OWN_RULES};
use crate::observation::Subject;

/// The most days a suppression lasts.
pub const DAYS: u64 = 366;

/// The longest that a suppression lasts.
pub(crate) const LONGEST: Duration = Duration::from_secs(DAYS * 86_400);

/// The most days a suppression lasts that covers a core rule: root, exposed keys, Keepwatch's own safety.
pub const CORE_DAYS: u64 = 30;

/// What silences one finding, as the finding keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The suppression.
    pub suppression: String,
    /// Until when.
    pub until: Timestamp,
    /// Pattern of those whose acts it silences, where it names any; see [`Suppression::actor`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Whose.
    pub owner: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silence { suppression, until, actor, owner, reason } = self;
        let actor = actor.as_ref().map(|actor| format!(" for {actor}")).unwrap_or_default();
        write!(f, "suppressed until {until} by {suppression}{actor}, {owner}: {reason}")
    }
}

impl Silence {
    /// Whether it silences what this one does; nobody is named where AWS itself speaks.
    pub fn names(&self, actor: Option<&str>) -> bool {
        self.actor.as_ref().is_none_or(|pattern| actor.is_some_and(|actor| matches(pattern, actor)))
    }
}

/// A row of the settings table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Its name.
    pub id: String,
    /// Pattern of rule ids, with `*` and `?`.
    pub rule: String,
    /// The account, where it is for one.
    pub account: Option<String>,
    /// Pattern of resources, with `*` and `?`: the finding's `resource`, or resource, a space and its `aspect`.
    pub resource: String,
    /// Pattern of those whose acts it silences, as [`crate::observation::Actor::identity`] names them. A finding that anybody
    /// else has acted on is not silenced. Nobody is excepted where there is none.
    pub actor: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What is wrong with a row that is to be a suppression. Its text is for whoever writes the row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nobody reads an attribute; most are typos.
    #[error("there is no attribute `{name}`; there are {}", known.join(", "))]
    Attribute {
        /// As written.
        name: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// An attribute is not there, or no text.
    #[error("`{name}` is missing: write a text")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// An attribute is no time.
    #[error("`{name}` is {written}: write it like 2026-03-31T00:00:00Z")]
    Time {
        /// Which.
        name: &'static str,
        /// What it is.
        written: String,
    },
    /// Its name has characters that no name may have.
    #[error("the name after `{}`'s # must be of letters, digits, - _ and .", KEY)]
    Name,
    /// The account is none.
    #[error("`account` must be twelve digits, in quotes")]
    Account,
    /// The pattern fits no rule.
    #[error("no rule is called `{rule}`: `keepwatch rules list` names them all")]
    NoRule {
        /// The pattern.
        rule: String,
    },
    /// It ends before it begins.
    #[error("`expires_at` is not after `created_at`")]
    Over,
    /// It lasts too long.
    #[error("it may last {days} days{}: set `expires_at` earlier, and renew it when it ends", covering(*core))]
    TooLong {
        /// The most days.
        days: u64,
        /// The rule that must not be silenced for longer, where that is why.
        core: Option<&'static str>,
    },
}

fn covering(core: Option<&str>) -> String {
    core.map(|core| format!(" because it covers {core}")).unwrap_or_default()
}

impl Suppression {
    /// Validates a row of the settings table, or what is about to become one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(id: &str, row: &Value, catalogue: Catalogue) -> Result<Suppression, Unfit> {
        const KNOWN: &[&str] =
            &[KEY, "rule", "account", "resource", "actor", "owner", "reason", "created_at", "expires_at"];
        if let Some(name) =
            row.as_object().into_iter().flatten().map(|(name, _)| name).find(|n| !KNOWN.contains(&n.as_str()))
        {
            return Err(Unfit::Attribute { name: clean(name, 60), known: KNOWN });
        }
        let text = |name: &'static str| match row[name].as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(clean(text, 300)),
            _ => Err(Unfit::Missing { name }),
        };
        let time = |name: &'static str| {
            let written = text(name)?;
            Timestamp::parse(&written).ok_or(Unfit::Time { name, written })
        };
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(Unfit::Name);
        }
        let account = match &row["account"] {
            Value::Null => None,
            Value::String(account) if is_account_id(account) => Some(account.clone()),
            _ => return Err(Unfit::Account),
        };
        let actor = match &row["actor"] {
            Value::Null => None,
            _ => Some(text("actor")?),
        };
        let suppression = Suppression {
            id: id.to_owned(),
            rule: text("rule")?,
            account,
            resource: text("resource")?,
            actor,
            owner: text("owner")?,
            reason: text("reason")?,
            created_at: time("created_at")?,
            expires_at: time("expires_at")?,
        };
        suppression.check(catalogue)?;
        Ok(suppression)
    }

    fn check(&self, catalogue: Catalogue) -> Result<(), Unfit> {
        let rule = &self.rule;
        if self.rules(catalogue).next().is_none() && !rule.starts_with(OWN_RULES) {
            return Err(Unfit::NoRule { rule: rule.clone() });
        }
        let core = self.core_rule(catalogue).map(|core| core.id);
        let days = if core.is_some() { CORE_DAYS } else { DAYS };
        if self.expires_at <= self.created_at {
            return Err(Unfit::Over);
        }
        if self.expires_at.since(self.created_at) > Duration::from_secs(days * 86_400) {
            return Err(Unfit::TooLong { days, core });
        }
        Ok(())
    }

    /// What it silences, as people read it: `admin-* on arn:… by arn:… in 111122223333`.
    pub fn scope(&self) -> String {
        let actor = self.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
        let account = self.account.as_ref().map(|account| format!(" in {account}")).unwrap_or_default();
        format!("{} on {}{actor}{account}", self.rule, self.resource)
    }

    /// The rules whose findings it covers.
    fn rules(&self, catalogue: Catalogue) -> impl Iterator<Item = &'static About> {
        catalogue.all().filter(|about| matches(&self.rule, about.finding))
    }

    /// A rule that it covers and that must not be silenced for long.
    pub fn core_rule(&self, catalogue: Catalogue) -> Option<&'static About> {
        self.rules(catalogue).find(|about| about.is_core())
    }

    /// The row.
    pub fn row(&self) -> Value {
        let mut row = json!({
            KEY: format!("suppression#{}", self.id),
            "rule": self.rule,
            "resource": self.resource,
            "owner": self.owner,
            "reason": self.reason,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
        });
        if let Some(account) = &self.account {
            row["account"] = json!(account);
        }
        if let Some(actor) = &self.actor {
            row["actor"] = json!(actor);
        }
        row
    }

    /// Whether it silences anything now. One from the future does not: its length could not be trusted.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.created_at <= now && now < self.expires_at
    }

    /// Whether it is about findings of this rule on this subject, on which these have acted.
    pub fn covers(&self, rule: &str, subject: &Subject, actors: &[String]) -> bool {
        let part = || match &subject.aspect {
            Some(aspect) => matches(&self.resource, &format!("{} {aspect}", subject.resource)),
            None => false,
        };
        let named = |pattern: &String| !actors.is_empty() && actors.iter().all(|one| matches(pattern, one));
        matches(&self.rule, rule)
            && self.actor.as_ref().is_none_or(named)
            && self.account.as_ref().is_none_or(|account| *account == subject.account)
            && (matches(&self.resource, &subject.resource) || part())
    }

    pub(super) fn silence(&self) -> Silence {
        Silence {
            suppression: self.id.clone(),
            until: self.expires_at,
            actor: self.actor.clone(),
            owner: self.owner.clone(),
            reason: self.reason.clone(),
        }
    }

    /// Stands for all it says: an edited row has another.
    pub fn fingerprint(&self) -> String {
        short_hash(&[&self.id, &self.row().to_string()])
    }
}
