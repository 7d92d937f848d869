//! All rules and checks in one catalogue: findings come of both.

use anyhow::anyhow;
use keepwatch_base::text::clean;
use keepwatch_checks::meta::CheckMeta;
use keepwatch_core::about::About;
use keepwatch_core::catalogue::{Catalogue, OWN_RULES};
use keepwatch_core::engine::RuleMeta;

use crate::words::did_you_mean;

/// See the module.
pub(crate) const CATALOGUE: Catalogue =
    keepwatch_rules::registry::DOCUMENTED.and(&keepwatch_checks::registry::DOCUMENTED);

/// What has an id of its own, which stands in mails and findings.
pub(crate) enum Described {
    /// A rule.
    Rule(&'static RuleMeta),
    /// A check.
    Check(&'static CheckMeta),
    /// What a whole scan or a sweep tells, and no single check.
    Whole(&'static About),
    /// A rule of the user's own.
    Own,
}

/// What describes this id, which may be that of a finding: a finding's begins with its rule's or check's.
pub(crate) fn described(id: &str) -> Option<Described> {
    let id = of_finding(id);
    let rules = keepwatch_rules::registry::RULES.iter().map(|rule| rule.meta());
    let checks = keepwatch_checks::registry::CHECKS.iter().map(|check| check.meta());
    rules
        .map(Described::Rule)
        .chain(checks.map(Described::Check))
        .find(|one| match one {
            Described::Rule(meta) => meta.about.id == id,
            Described::Check(meta) => meta.about.id == id,
            Described::Whole(_) | Described::Own => false,
        })
        .or_else(|| CATALOGUE.find(id).map(Described::Whole))
        .or_else(|| id.starts_with(OWN_RULES).then_some(Described::Own))
}

/// What `rules show` and `checks show` say of an id of which they know nothing; `kind` is the word for what they show.
pub(crate) fn not_shown(kind: &str, id: &str) -> anyhow::Error {
    match described(id) {
        Some(Described::Own) => anyhow!("{} is a rule of your own: its file says what it is", clean(id, 100)),
        _ => no_such(kind, id, CATALOGUE.all().map(|about| about.id)),
    }
}

/// What is said of an id that no rule or no check has, with the one of `known` that is most like it.
pub(crate) fn no_such<'k>(kind: &str, id: &str, known: impl IntoIterator<Item = &'k str>) -> anyhow::Error {
    let meant = did_you_mean(id, known);
    anyhow!("there is no {kind} {}{meant}: `keepwatch {kind}s list` shows all of them", clean(id, 100))
}

/// The id of a finding without the hash of what it is about.
fn of_finding(id: &str) -> &str {
    let is_hash = |end: &str| end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.rsplit_once('-') {
        Some((rule, end)) if is_hash(end) => rule,
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_described_and_so_is_a_finding_s() {
        for about in CATALOGUE.all() {
            assert!(described(about.id).is_some(), "{}", about.id);
            assert!(described(&format!("{}-3f9a2c41d07be5a8", about.id)).is_some(), "{}", about.id);
        }
        assert!(matches!(described("forwarder.silent"), Some(Described::Whole(_))));
        assert!(matches!(described("root.mfa"), Some(Described::Check(_))));
        assert!(matches!(described("sigma-mine"), Some(Described::Own)));
        assert!(described("no-such").is_none());
    }
}
