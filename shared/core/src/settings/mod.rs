//! What the owner has set, row by row of the settings table: suppressions, overrides of rules, lists.
//!
//! Rows are written by the command line or by hand, so each is validated again when it is read. A row that cannot be
//! used silences nothing and is told of; a typo is never silence.

pub mod own_rules;
mod suppression;
mod tuning;

use std::collections::BTreeMap;

use keepwatch_base::hash::short_hash;
use keepwatch_base::text::clean;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::observation::Subject;

pub(crate) use suppression::LONGEST;
pub use suppression::{CORE_DAYS, DAYS, Silence, Suppression, Unfit};
pub use tuning::{LISTS, Lists, Override};

/// The attribute that is the settings table's key: kind, `#`, and a name.
pub const KEY: &str = "setting_id";

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Invalid {
    /// Its key.
    pub setting_id: String,
    /// What is wrong with it and what to do.
    pub reason: String,
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What is silenced; expired ones as well.
    pub suppressions: Vec<Suppression>,
    /// What is set for single rules, by their id.
    pub overrides: BTreeMap<String, Override>,
    /// Lists that rules read.
    pub lists: Lists,
    /// What cannot be used.
    pub invalid: Vec<Invalid>,
}

impl Settings {
    /// Reads rows, in any order. The catalogue says which rules they may name.
    pub fn read<'r>(rows: impl IntoIterator<Item = &'r Value>, catalogue: Catalogue) -> Settings {
        let mut settings = Settings::default();
        for row in rows {
            let key = row[KEY].as_str().unwrap_or_default();
            let read = match key.split_once('#') {
                Some(("suppression", id)) => {
                    let read = Suppression::read(id, row, catalogue);
                    read.map(|it| settings.suppressions.push(it)).map_err(|unfit| unfit.to_string())
                }
                Some(("rule", id)) => Override::read(id, row, catalogue).map(|it| {
                    settings.overrides.insert(id.to_owned(), it);
                }),
                Some(("list", name)) => settings.lists.read(name, row),
                _ => Err(format!("{KEY} must be suppression#NAME, rule#ID or list#NAME")),
            };
            if let Err(reason) = read {
                settings.invalid.push(Invalid { setting_id: clean(key, 200), reason: clean(&reason, 500) });
            }
        }
        settings.suppressions.sort_by(|a, b| a.id.cmp(&b.id));
        settings.invalid.sort();
        settings
    }

    /// What silences findings of this rule about this subject, on which these have acted, at this time: of several, the one
    /// that lasts longest.
    pub fn silence(
        &self,
        rule: &str,
        subject: &Subject,
        actors: &[String],
        now: Timestamp,
    ) -> Option<Silence> {
        let covers = |s: &&Suppression| s.is_active(now) && s.covers(rule, subject, actors);
        let matching = self.suppressions.iter().filter(covers);
        matching.max_by_key(|s| (s.expires_at, &s.id)).map(Suppression::silence)
    }

    /// Stands for what is silenced now: two equal fingerprints silence the same.
    pub fn fingerprint(&self, now: Timestamp) -> String {
        let active: Vec<String> =
            self.suppressions.iter().filter(|s| s.is_active(now)).map(Suppression::fingerprint).collect();
        short_hash(&active.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
