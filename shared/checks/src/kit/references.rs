//! References of checks: [`keepwatch_core::about::Reference`] in a few words.

use keepwatch_core::about::{Reference, Standard};

/// Recommendations of the CIS benchmark for AWS, by its version: `cis("3.0", &["1.15"])`.
pub(crate) const fn cis(version: &'static str, controls: &'static [&'static str]) -> Reference {
    Reference::cis(version, controls)
}

/// Controls of Security Hub: `security_hub(&["IAM.9"])`.
pub(crate) const fn security_hub(controls: &'static [&'static str]) -> Reference {
    Reference::of(Standard::SecurityHub, controls)
}

/// Managed rules of AWS Config: `config(&["root-account-mfa-enabled"])`.
pub(crate) const fn config(rules: &'static [&'static str]) -> Reference {
    Reference::of(Standard::Config, rules)
}

/// Checks of Trusted Advisor, by id.
pub(crate) const fn trusted_advisor(checks: &'static [&'static str]) -> Reference {
    Reference::of(Standard::TrustedAdvisor, checks)
}

/// A page of documentation: `doc(&["IAM user guide: access keys"])`.
pub(crate) const fn doc(pages: &'static [&'static str]) -> Reference {
    Reference::of(Standard::Documentation, pages)
}
