//! Tuning: what the owner sets for one rule, and lists that rules read.

use std::fmt;

use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::clean;
use keepwatch_base::wildcard::is_wild;
use serde_json::Value;

use super::KEY;
use crate::about::About;
use crate::catalogue::Catalogue;
use crate::memory::window::REMEMBERED;
use crate::severity::{MAILED_FROM, Severity};

/// What is set for one rule: a row `rule#ID`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// `enabled`: whether the rule is asked at all.
    pub enabled: Option<bool>,
    /// `severity`: of everything it reports.
    pub severity: Option<Severity>,
    /// `threshold`: how many events are too many, where the rule counts.
    pub threshold: Option<usize>,
}

impl fmt::Display for Override {
    /// `off, severity LOW, threshold 5`; what is not set is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.enabled.map(|on| if on { "on".to_owned() } else { "off".to_owned() }),
            self.severity.map(|severity| format!("severity {}", severity.as_str())),
            self.threshold.map(|threshold| format!("threshold {threshold}")),
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// Lists that rules read: a row `list#NAME` with `values`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// `trusted-accounts`: ids of accounts that may be given access.
    pub trusted_accounts: Vec<String>,
    /// `trusted-identities`: patterns of identities of providers that everybody has, as a trust policy writes them:
    /// `repo:octo-org/*`.
    pub trusted_identities: Vec<String>,
    /// `automation`: patterns of ARNs of users and roles that act without a person.
    pub automation: Vec<String>,
    /// `expected-regions`: regions that are in use; activity elsewhere is told.
    pub expected_regions: Vec<String>,
}

/// The names of the lists.
pub const LISTS: [&str; 4] = ["trusted-accounts", "trusted-identities", "automation", "expected-regions"];

impl Override {
    /// Validates a row.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn read(rule: &str, row: &Value, catalogue: Catalogue) -> Result<Override, String> {
        if !catalogue.may_have(rule) {
            return Err(format!(
                "no rule is called `{}`: `keepwatch rules list` names them all",
                clean(rule, 60)
            ));
        }
        known(row, &["enabled", "severity", "threshold", "note"])?;
        let enabled = match &row["enabled"] {
            Value::Null => None,
            Value::Bool(enabled) => Some(*enabled),
            _ => return Err("`enabled` must be true or false".to_owned()),
        };
        let severity =
            match &row["severity"] {
                Value::Null => None,
                word => Some(serde_json::from_value(word.clone()).map_err(|_| {
                    "`severity` must be INFORMATIONAL, LOW, MEDIUM, HIGH or CRITICAL".to_owned()
                })?),
            };
        let threshold = match &row["threshold"] {
            Value::Null => None,
            number => Some(
                threshold(number)
                    .ok_or_else(|| format!("`threshold` must be a whole number from 1 to {}", REMEMBERED))?,
            ),
        };
        let quieter = enabled == Some(false) || severity.is_some_and(|severity| severity < MAILED_FROM);
        if quieter && catalogue.find(rule).is_some_and(About::is_core) {
            return Err(format!(
                "{rule} guards the account itself and cannot be switched off or made silent; suppress it for a time, \
                 with `keepwatch suppress add`"
            ));
        }
        Ok(Override { enabled, severity, threshold })
    }
}

fn threshold(number: &Value) -> Option<usize> {
    let number = number
        .as_u64()
        .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64))?;
    usize::try_from(number).ok().filter(|number| (1..=REMEMBERED).contains(number))
}

impl Lists {
    /// Each list with its name.
    pub fn named(&self) -> [(&'static str, &[String]); 4] {
        let Lists { trusted_accounts, trusted_identities, automation, expected_regions } = self;
        [
            (LISTS[0], trusted_accounts.as_slice()),
            (LISTS[1], trusted_identities.as_slice()),
            (LISTS[2], automation.as_slice()),
            (LISTS[3], expected_regions.as_slice()),
        ]
    }

    /// Validates a row and adds its values.
    ///
    /// # Errors
    /// What is wrong with it, and what to do. Nothing of such a row is used.
    pub fn read(&mut self, name: &str, row: &Value) -> Result<(), String> {
        known(row, &["values", "note"])?;
        let valid: fn(&str) -> Result<(), String> = match name {
            "trusted-accounts" => |value| match is_account_id(value) {
                true => Ok(()),
                false => Err(format!("`{value}` is no account id: twelve digits")),
            },
            "trusted-identities" => |value| match names_an_identity(value) {
                true => Ok(()),
                false => Err(format!(
                    "`{value}` is no identity as a trust policy writes it, with the name of its owner, such as \
                         repo:octo-org/* or aud:us-east-1:POOL"
                )),
            },
            "automation" => |value| match names_a_principal(value) {
                true => Ok(()),
                false => Err(format!(
                    "`{value}` is no ARN of a user or role with its name, or with its account and kind, such as \
                     arn:aws:iam::*:role/ci-* or arn:aws:iam::111122223333:role/*"
                )),
            },
            "expected-regions" => |value| match value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            {
                true => Ok(()),
                false => Err(format!("`{value}` is no region, such as eu-central-1")),
            },
            _ => {
                return Err(format!(
                    "there is no such list; there are {}: `keepwatch tune reset list#{}` removes the row",
                    LISTS.join(", "),
                    clean(name, 60)
                ));
            }
        };
        let values = row["values"].as_array().ok_or("`values` must be a list of texts")?;
        let mut texts = Vec::new();
        for value in values {
            let text = clean(value.as_str().ok_or("`values` must be a list of texts")?, 300);
            valid(&text)?;
            texts.push(text);
        }
        let list = match name {
            "trusted-accounts" => &mut self.trusted_accounts,
            "trusted-identities" => &mut self.trusted_identities,
            "automation" => &mut self.automation,
            _ => &mut self.expected_regions,
        };
        list.extend(texts);
        Ok(())
    }
}

/// The least characters that a name must have before it is anybody's in particular.
const NARROW: usize = 2;

/// Whether the pattern of identities says whose they are: a value of a claim that is more than a wildcard.
fn names_an_identity(pattern: &str) -> bool {
    let fixed = pattern.split(['*', '?']).next().unwrap_or_default();
    fixed.len() > 5 && fixed.split_once(':').is_none_or(|(_, owner)| owner.len() >= NARROW)
}

/// Whether the pattern of ARNs says which users or roles: by a name, or by an account and what they are.
fn names_a_principal(pattern: &str) -> bool {
    if !pattern.starts_with("arn:") {
        return false;
    }
    let Some((head, name)) = pattern.split_once('/') else { return !is_wild(pattern) };
    let named = !is_wild(name) || name.chars().filter(|c| c.is_ascii_alphanumeric()).count() >= NARROW;
    let mut before = head.rsplit(':');
    let kind = before.next().is_some_and(|kind| !kind.is_empty() && !is_wild(kind));
    (named && !name.is_empty()) || (kind && before.next().is_some_and(is_account_id))
}

/// Refuses attributes that nobody reads: most are typos.
fn known(row: &Value, names: &[&str]) -> Result<(), String> {
    let odd = |name: &&String| name.as_str() != KEY && !names.contains(&name.as_str());
    match row.as_object().into_iter().flatten().map(|(name, _)| name).find(odd) {
        Some(name) => {
            Err(format!("there is no attribute `{}`; there are {}", clean(name, 60), names.join(", ")))
        }
        None => Ok(()),
    }
}
