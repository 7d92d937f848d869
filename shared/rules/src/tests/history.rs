//! What is looked up in CloudTrail's event history is what rules listen to.

use keepwatch_core::engine::On;
use keepwatch_core::history::decisive::CALLS;
use keepwatch_core::severity::Severity;

use crate::registry::RULES;

#[test]
fn a_rule_listens_to_every_call_that_is_looked_up() {
    for (source, names) in CALLS {
        for name in *names {
            let listens = |on: &On| match on {
                On::Call(own, calls) | On::Read(own, calls) => own == source && calls.contains(name),
                _ => false,
            };
            let heard = RULES.iter().any(|rule| rule.meta().on.iter().any(listens));
            assert!(heard, "nobody would judge {name} of {source}");
        }
    }
    assert!(RULES.iter().any(|rule| rule.meta().on.iter().any(|on| matches!(on, On::Root))));
}

/// Rules that tell of something CRITICAL and nothing of which is looked up, and why.
const NOT_LOOKED_UP: &[(&str, &str)] = &[
    (
        "root-contact-changed",
        "root does it, and what root does is looked up; others can only in an organization",
    ),
    ("exposed-access-key", "AWS Health tells of it, which is no management event"),
    ("aws-health-risk", "the same"),
    ("exposed-access-key-trusted-advisor", "Trusted Advisor tells of it, which is no management event"),
    ("exposed-access-key-in-use", "any call may be one with such a key"),
    ("self-role-used-elsewhere", "only calls that read tell of it, and there are thousands of those a day"),
    ("exposure-search-domain-open", "few accounts have a search domain, and its policy can be seen"),
];

#[test]
fn what_is_critical_is_looked_up_or_listed() {
    let looked_up = |on: &On| match on {
        On::Root => true,
        On::Call(source, names) | On::Read(source, names) => {
            CALLS.iter().any(|(own, calls)| own == source && calls.iter().any(|call| names.contains(call)))
        }
        _ => false,
    };
    let critical = RULES.iter().filter(|rule| rule.about().severity == Severity::Critical);
    let not: Vec<&str> =
        critical.filter(|rule| !rule.meta().on.iter().any(looked_up)).map(|rule| rule.about().id).collect();
    // Look a call of the rule up, in `core/history/decisive.rs`, or say here why not.
    assert_eq!(not, NOT_LOOKED_UP.iter().map(|(rule, _)| *rule).collect::<Vec<_>>());
}
