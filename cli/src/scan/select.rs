//! Which checks a scan runs.

use anyhow::bail;
use keepwatch_base::text::clean;
use keepwatch_base::wildcard::matches;
use keepwatch_checks::check::Check;
use keepwatch_checks::{page, registry};
use keepwatch_core::severity::Severity;

use crate::catalogue::no_such;
use crate::checks::is_named;

/// The checks that are named, and those that ask the services; all where nothing is.
///
/// # Errors
/// A name that is no check's: a scan of nothing would say that all is well.
pub(super) fn checks(named: &[String], services: &[String]) -> anyhow::Result<Vec<&'static dyn Check>> {
    for name in named {
        if !registry::CHECKS.iter().any(|check| fits(*check, name)) {
            let ids = registry::CHECKS.iter().map(|check| check.meta().about.id);
            return Err(no_such("check", name, ids));
        }
    }
    for service in services {
        if !registry::CHECKS.iter().any(|check| asks(*check, service)) {
            bail!("no check asks {}; services are named as IAM names them: iam, s3, ec2", clean(service, 60));
        }
    }
    let chosen = registry::CHECKS.iter().copied().filter(|check| {
        (named.is_empty() || named.iter().any(|name| fits(*check, name)))
            && (services.is_empty() || services.iter().any(|service| asks(*check, service)))
    });
    let chosen: Vec<&'static dyn Check> = chosen.collect();
    if chosen.is_empty() {
        bail!("no check has both that name and that service");
    }
    Ok(chosen)
}

fn fits(check: &dyn Check, name: &str) -> bool {
    is_named(check.meta(), name) || matches(name, check.meta().about.id)
}

fn asks(check: &dyn Check, service: &str) -> bool {
    page::actions(check.meta()).iter().any(|action| action.split(':').next() == Some(service))
}

/// Reads a severity.
pub(super) fn severity(text: &str) -> Result<Severity, String> {
    let all = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let found = all.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "it is informational, low, medium, high or critical".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(named: &[&str], services: &[&str]) -> Result<Vec<&'static str>, String> {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let found = checks(&owned(named), &owned(services));
        found
            .map(|all| all.iter().map(|check| check.meta().about.id).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn checks_are_named_by_id_pattern_practice_or_service() {
        assert_eq!(chosen(&["P02"], &[]).unwrap(), ["root.mfa"]);
        assert_eq!(chosen(&["p02"], &[]).unwrap(), ["root.mfa"]);
        assert_eq!(chosen(&["root.m*"], &["iam"]).unwrap(), ["root.mfa"]);
        assert_eq!(chosen(&[], &[]).unwrap().len(), registry::CHECKS.len());
        assert!(chosen(&["P99"], &[]).unwrap_err().contains("no check P99"));
        assert!(
            chosen(&["root.mfaa"], &[]).unwrap_err().contains("no check root.mfaa (did you mean root.mfa?)")
        );
        assert!(chosen(&[], &["s4"]).unwrap_err().contains("no check asks s4"));
        assert!(chosen(&["root.mfa"], &["organizations"]).unwrap_err().contains("both"));
    }
}
