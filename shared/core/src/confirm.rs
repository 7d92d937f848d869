//! What the account must say before good news is believed.
//!
//! An event is what somebody says happened. Whoever may set the input of a target of one of Keepwatch's own event rules can
//! have it say anything, and AWS logs no forged message. So a rule gives its good news a question about the account's live
//! state, where there is one, and news that would close a finding of HIGH or above waits for the answer
//! ([`crate::engine::intake`]). News that overtakes the bad news is kept without one, and closes nothing of that weight until the
//! account was asked.

use crate::severity::Severity;
use crate::state::{Answer, Fact, PrincipalKind, Query, Value};

/// From this severity on, news that a problem is gone is confirmed.
pub const CONFIRMED_FROM: Severity = Severity::High;

/// A question about live state, and the answer that bears good news out. That what was asked about does not exist bears it
/// out as well.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// The question.
    pub query: Query,
    expected: Expected,
}

/// Whether two policy documents say the same; what a document says is no business of this crate's.
pub type Same = fn(&str, &str) -> bool;

#[derive(Clone, Debug)]
enum Expected {
    /// The holder has no policy of this ARN or name.
    NotHeld(String),
    /// The list does not have this name.
    NotListed(String),
    /// Nothing is there.
    Missing,
    /// The document says the same as this one.
    Says(String, Same),
    /// No.
    No,
}

/// What the account says of good news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// Nobody can say, and why.
    Unknown(String),
}

impl Confirm {
    /// That a user, group or role no longer has a policy, by ARN or, where it is inline, by name.
    pub fn taken(kind: PrincipalKind, name: &str, policy: &str) -> Confirm {
        let query = Query::Principal { kind, name: name.to_owned() };
        Confirm { query, expected: Expected::NotHeld(policy.to_owned()) }
    }

    /// That a user is no member of a group.
    pub fn left(group: &str, user: &str) -> Confirm {
        let query = Query::GroupMembers { name: group.to_owned() };
        Confirm { query, expected: Expected::NotListed(user.to_owned()) }
    }

    /// That an access key is gone or switched off.
    pub fn stopped(access_key_id: &str) -> Confirm {
        let query = Query::ActiveKey { access_key_id: access_key_id.to_owned() };
        Confirm { query, expected: Expected::No }
    }

    /// That a managed policy, or this version of it, is gone.
    pub fn gone(arn: &str, version: Option<&str>) -> Confirm {
        let query = Query::ManagedPolicy { arn: arn.to_owned(), version: version.map(str::to_owned) };
        Confirm { query, expected: Expected::Missing }
    }

    /// That the default version of a managed policy says what was written.
    pub fn policy_says(arn: &str, written: &str, same: Same) -> Confirm {
        let query = Query::ManagedPolicy { arn: arn.to_owned(), version: None };
        Confirm { query, expected: Expected::Says(written.to_owned(), same) }
    }

    /// That a role trusts whom the written policy says.
    pub fn trust_says(role: &str, written: &str, same: Same) -> Confirm {
        let query = Query::Role { name: role.to_owned() };
        Confirm { query, expected: Expected::Says(written.to_owned(), same) }
    }

    /// What an answer means.
    pub fn read(&self, answer: &Answer) -> Confirmed {
        let value = match answer {
            Fact::Known(value) => value,
            Fact::Missing => return Confirmed::Yes,
            Fact::Unavailable(why) => return Confirmed::Unknown(why.clone()),
        };
        let so = match (&self.expected, value) {
            (Expected::NotHeld(policy), Value::Holdings(held)) => {
                !held.managed.contains(policy) && held.inline.iter().all(|one| one.name != *policy)
            }
            (Expected::NotListed(name), Value::Names(names)) => !names.contains(name),
            (Expected::No, Value::Flag(flag)) => !flag,
            (Expected::Missing, _) => false,
            (Expected::Says(written, same), Value::Policy(policy)) => same(written, &policy.text),
            (Expected::Says(written, same), Value::Role(role)) => same(written, &role.trust.text),
            _ => return Confirmed::Unknown("the answer was of another kind".to_owned()),
        };
        if so { Confirmed::Yes } else { Confirmed::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Holdings, PolicyText};

    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

    fn text(name: &str, text: &str) -> PolicyText {
        PolicyText { name: name.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn what_is_still_there_is_no_good_news() {
        let held = |managed: &[&str], inline: &[&str]| {
            let managed = managed.iter().map(|arn| (*arn).to_owned()).collect();
            let inline = inline.iter().map(|name| text(name, "{}")).collect();
            Fact::Known(Value::Holdings(Holdings { managed, inline, ..Holdings::default() }))
        };
        let names =
            |names: &[&str]| Fact::Known(Value::Names(names.iter().map(|name| (*name).to_owned()).collect()));
        let policy = |document| Fact::Known(Value::Policy(text("p", document)));
        let user = PrincipalKind::User;
        for (confirm, so, not_so) in [
            (Confirm::taken(user, "bob", ADMIN), held(&[], &["p"]), held(&[ADMIN], &[])),
            (Confirm::taken(user, "bob", "p"), held(&[ADMIN], &[]), held(&[], &["p"])),
            (Confirm::left("admins", "bob"), names(&["alice"]), names(&["alice", "bob"])),
            (
                Confirm::stopped("AKIAIOSFODNN7EXAMPLE"),
                Fact::Known(Value::Flag(false)),
                Fact::Known(Value::Flag(true)),
            ),
            (Confirm::gone(ADMIN, Some("v2")), Fact::Missing, policy("a")),
            (Confirm::policy_says(ADMIN, "A", str::eq_ignore_ascii_case), policy("a"), policy("b")),
        ] {
            assert_eq!(confirm.read(&so), Confirmed::Yes, "{confirm:?}");
            assert_eq!(confirm.read(&not_so), Confirmed::No, "{confirm:?}");
            assert_eq!(confirm.read(&Fact::Missing), Confirmed::Yes);
            let refused = Fact::Unavailable("AccessDenied".to_owned());
            assert_eq!(confirm.read(&refused), Confirmed::Unknown("AccessDenied".to_owned()));
        }
    }
}
