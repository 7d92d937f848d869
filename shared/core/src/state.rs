//! What a rule may ask of the account when the event alone does not say.
//!
//! Rules are pure: a rule that needs a fact returns [`Interrupt::Ask`] through the `?` operator, the shell answers all
//! questions through its [`AccountState`] port and evaluates the event again. A refused or failed question is answered
//! [`Fact::Unavailable`], and the rule says UNKNOWN; it is never taken for "fine".

use std::future::Future;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::memory::first_sight::FirstSeen;
use crate::memory::window::{WindowCount, WindowQuery};

/// A question about the account's live state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// The document of a managed policy, at a version or at its default.
    ManagedPolicy {
        /// ARN of the policy.
        arn: String,
        /// Version id, such as `v3`; the default version where absent.
        version: Option<String>,
    },
    /// Everything attached to a user, group or role, and its inline policies.
    Principal {
        /// Whose.
        kind: PrincipalKind,
        /// Its name.
        name: String,
    },
    /// One inline policy.
    InlinePolicy {
        /// Whose.
        kind: PrincipalKind,
        /// Its name.
        name: String,
        /// The policy's name.
        policy: String,
    },
    /// The inline policies of all principals of a kind that are too large for CloudTrail to carry.
    OversizedInlinePolicies {
        /// Users, groups or roles.
        kind: PrincipalKind,
    },
    /// A role: its trust policy and when it was made.
    Role {
        /// Its name.
        name: String,
    },
    /// Names of the roles in an instance profile.
    InstanceProfile {
        /// Its name.
        name: String,
    },
    /// Names of a group's members.
    GroupMembers {
        /// The group's name.
        name: String,
    },
    /// Names of the groups that a user is in.
    GroupsOf {
        /// The user's name.
        user: String,
    },
    /// Users, groups and roles to which a managed policy is attached.
    PolicyHolders {
        /// ARN of the policy.
        arn: String,
    },
    /// Name of the user that an access key belongs to.
    KeyOwner {
        /// The access key id.
        access_key_id: String,
    },
    /// Whether an access key is there and switched on.
    ActiveKey {
        /// The access key id.
        access_key_id: String,
    },
    /// Ids of a user's access keys.
    AccessKeys {
        /// The user's name.
        user: String,
    },
    /// An Identity Center permission set.
    PermissionSet {
        /// ARN of the Identity Center instance.
        instance: String,
        /// ARN of the permission set.
        arn: String,
        /// Region of the instance, where alone it can be asked.
        region: String,
    },
    /// ARNs of the permission sets that are assigned to a person or a group of Identity Center, in any account.
    Assigned {
        /// Id of the identity store; of the only one where empty.
        store: String,
        /// Id of the person or the group in it.
        principal: String,
        /// Whether it is a group.
        group: bool,
        /// Region of the instance, where alone it can be asked.
        region: String,
    },
    /// How many different members lie close together in a window; see [`crate::memory::window`]. Asking adds the member.
    Window(WindowQuery),
    /// When something was last added to a window before a moment; see [`crate::memory::window`]. Asking adds nothing.
    Earlier(EarlierQuery),
    /// When a member of a set was first seen, and when any was; see [`crate::memory::first_sight`]. Asking adds the member.
    FirstSeen(FirstSeenQuery),
    /// Whether this access key has an open finding as exposed.
    ExposedKey {
        /// The account that holds the key.
        account: String,
        /// The access key id.
        access_key_id: String,
    },
}

impl Query {
    /// Whether the account's own IAM is asked, and not what Keepwatch remembers.
    pub fn is_of_the_account(&self) -> bool {
        match self {
            Query::ManagedPolicy { .. }
            | Query::Principal { .. }
            | Query::InlinePolicy { .. }
            | Query::OversizedInlinePolicies { .. }
            | Query::Role { .. }
            | Query::InstanceProfile { .. }
            | Query::GroupMembers { .. }
            | Query::GroupsOf { .. }
            | Query::PolicyHolders { .. }
            | Query::KeyOwner { .. }
            | Query::ActiveKey { .. }
            | Query::AccessKeys { .. }
            | Query::PermissionSet { .. }
            | Query::Assigned { .. } => true,
            Query::Window(_) | Query::Earlier(_) | Query::FirstSeen(_) | Query::ExposedKey { .. } => false,
        }
    }
}

/// A question to what a window holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EarlierQuery {
    /// Names the window.
    pub key: String,
    /// The moment.
    pub time: Timestamp,
    /// How long before the moment it may lie.
    pub span: std::time::Duration,
}

/// A question to a set. Asking twice is asking once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FirstSeenQuery {
    /// Names the set: rule and what its members have in common.
    pub key: String,
    /// What tells the members apart.
    pub member: String,
    /// When it was seen.
    pub time: Timestamp,
    /// How long the set is remembered after its last member came.
    pub kept: std::time::Duration,
}

/// What can hold an IAM policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// An IAM user.
    User,
    /// An IAM group.
    Group,
    /// An IAM role.
    Role,
}

impl PrincipalKind {
    /// `user`, `group` or `role`, as in ARNs.
    pub fn as_str(self) -> &'static str {
        match self {
            PrincipalKind::User => "user",
            PrincipalKind::Group => "group",
            PrincipalKind::Role => "role",
        }
    }
}

/// A policy document as AWS holds it, unparsed, and the name it goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyText {
    /// Name of the policy.
    pub name: String,
    /// The document, in any form that [`keepwatch_policy::Document::parse`] reads.
    pub text: String,
}

/// What a user, group or role holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// ARNs of attached managed policies.
    pub managed: Vec<String>,
    /// Inline policies.
    pub inline: Vec<PolicyText>,
    /// Names of customer managed policies that live in another account (permission sets only) and cannot be read here.
    pub elsewhere: Vec<String>,
    /// The name it goes by, where the question did not have it.
    pub name: Option<String>,
}

impl Holdings {
    /// These and those of another principal, as a user holds what its groups hold.
    pub fn and(mut self, other: Holdings) -> Holdings {
        self.managed.extend(other.managed);
        self.inline.extend(other.inline);
        self.elsewhere.extend(other.elsewhere);
        self
    }
}

/// An inline policy and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPolicy {
    /// Name of the user, group or role.
    pub principal: String,
    /// The policy.
    pub policy: PolicyText,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// The trust policy.
    pub trust: PolicyText,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// A question's answer: known, known not to exist, or not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// This is so.
    Known(T),
    /// It does not exist (any more).
    Missing,
    /// Nobody can say, and why: refused, another account, no account at hand.
    Unavailable(String),
}

impl<T> Fact<T> {
    fn map<U>(self, f: impl FnOnce(T) -> Option<U>) -> Fact<U> {
        match self {
            Fact::Known(value) => f(value)
                .map_or_else(|| Fact::Unavailable("the answer was of another kind".to_owned()), Fact::Known),
            Fact::Missing => Fact::Missing,
            Fact::Unavailable(why) => Fact::Unavailable(why),
        }
    }
}

/// The value of an answer; which one belongs to which [`Query`] is told by the methods of [`Facts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// To `ManagedPolicy` and `InlinePolicy`.
    Policy(PolicyText),
    /// To `Principal` and `PermissionSet`.
    Holdings(Holdings),
    /// To `OversizedInlinePolicies`.
    HeldPolicies(Vec<HeldPolicy>),
    /// To `Role`.
    Role(RoleFacts),
    /// To `InstanceProfile`, `GroupMembers`, `GroupsOf`, `AccessKeys`, `Assigned`.
    Names(Vec<String>),
    /// To `PolicyHolders`.
    Principals(Vec<(PrincipalKind, String)>),
    /// To `KeyOwner`.
    Name(String),
    /// To `ExposedKey`, `ActiveKey`.
    Flag(bool),
    /// To `Window`.
    WindowCount(WindowCount),
    /// To `FirstSeen`.
    FirstSeen(FirstSeen),
    /// To `Earlier`.
    Time(Timestamp),
}

/// An answer.
pub type Answer = Fact<Value>;

/// The port through which questions are answered.
pub trait AccountState {
    /// Answers one question. What is refused is [`Fact::Unavailable`].
    ///
    /// # Errors
    /// Why nobody can say just now: throttled, timed out. That is no answer, and the event is tried again; an attacker who
    /// keeps IAM busy must not turn a grant into "could not be read".
    fn answer(&self, query: &Query) -> impl Future<Output = Result<Answer, String>> + Send;
}

/// Why a rule stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// It needs an answer first.
    Ask(Query),
    /// The same, and it sees nothing if the window holds fewer than so many.
    AskForMany(WindowQuery, usize),
    /// It cannot finish for now. The other rules go on, and the event is tried again.
    Failed(String),
    /// What it depends on may still be on its way. The other rules go on, and the event is judged again a little later.
    Later,
}

impl Interrupt {
    /// Says of a question to a window how many there must be for the rule to see anything.
    pub(crate) fn for_many(self, needed: usize) -> Interrupt {
        match self {
            Interrupt::Ask(Query::Window(window)) => Interrupt::AskForMany(window, needed),
            other => other,
        }
    }
}

/// Whoever has answers at hand; `None` where there is none yet.
pub type Oracle<'a> = dyn Fn(&Query) -> Option<Answer> + 'a;

/// The answers known so far, and whoever can give more at once.
#[derive(Default)]
pub struct Facts<'a> {
    /// A list, because there are few: one event raises a handful of questions at most.
    known: Vec<(Query, Result<Answer, String>)>,
    oracle: Option<&'a Oracle<'a>>,
}

impl<'a> Facts<'a> {
    /// Questions are answered at once, as far as there is an answer.
    pub fn of(oracle: &'a Oracle<'a>) -> Facts<'a> {
        Facts { known: Vec::new(), oracle: Some(oracle) }
    }

    /// Adds an answer.
    pub fn insert(&mut self, query: Query, answer: Answer) {
        self.known.push((query, Ok(answer)));
    }

    /// Notes that a question cannot be answered just now: the rules that ask it fail, and the event is tried again.
    pub fn postpone(&mut self, query: Query, why: String) {
        self.known.push((query, Err(why)));
    }

    fn ask(&self, query: Query) -> Result<Answer, Interrupt> {
        match (self.known.iter().find(|(known, _)| *known == query), self.oracle) {
            (Some((_, Ok(answer))), _) => Ok(answer.clone()),
            (Some((_, Err(why))), _) => Err(Interrupt::Failed(why.clone())),
            (None, oracle) => oracle.and_then(|oracle| oracle(&query)).ok_or(Interrupt::Ask(query)),
        }
    }
}

impl Facts<'_> {
    /// In what company an event is. Where nobody can count, it is alone.
    ///
    /// # Errors
    /// [`Interrupt::Ask`] until it has been counted.
    pub fn window_count(&self, window: WindowQuery) -> Result<WindowCount, Interrupt> {
        let alone = WindowCount::of_one(window.time);
        Ok(match self.ask(Query::Window(window))? {
            Fact::Known(Value::WindowCount(count)) => count,
            _ => alone,
        })
    }

    /// When a member was first seen. Where nobody remembers, it is the first of its set.
    ///
    /// # Errors
    /// [`Interrupt::Ask`] until it has been noted.
    pub fn first_seen(&self, sight: FirstSeenQuery) -> Result<FirstSeen, Interrupt> {
        let alone = FirstSeen::of_one(sight.time);
        Ok(match self.ask(Query::FirstSeen(sight))? {
            Fact::Known(Value::FirstSeen(seen)) => seen,
            _ => alone,
        })
    }
}

macro_rules! questions {
    ($( $(#[$doc:meta])* $name:ident($($arg:ident : $ty:ty),*) -> $out:ty = $query:expr, $variant:ident; )*) => {
        impl Facts<'_> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Interrupt::Ask`] until the question has been answered.
                pub fn $name(&self, $($arg: $ty),*) -> Result<Fact<$out>, Interrupt> {
                    let answer = self.ask($query)?;
                    Ok(answer.map(|value| match value { Value::$variant(value) => Some(value), _ => None }))
                }
            )*
        }
    };
}

questions! {
    /// The document of a managed policy, at a version or at its default.
    managed_policy(arn: &str, version: Option<&str>) -> PolicyText =
        Query::ManagedPolicy { arn: arn.to_owned(), version: version.map(str::to_owned) }, Policy;
    /// Everything a user, group or role holds.
    principal(kind: PrincipalKind, name: &str) -> Holdings = Query::Principal { kind, name: name.to_owned() }, Holdings;
    /// One inline policy.
    inline_policy(kind: PrincipalKind, name: &str, policy: &str) -> PolicyText =
        Query::InlinePolicy { kind, name: name.to_owned(), policy: policy.to_owned() }, Policy;
    /// Inline policies too large for CloudTrail to carry.
    oversized_inline_policies(kind: PrincipalKind) -> Vec<HeldPolicy> =
        Query::OversizedInlinePolicies { kind }, HeldPolicies;
    /// A role's trust policy and creation time.
    role(name: &str) -> RoleFacts = Query::Role { name: name.to_owned() }, Role;
    /// Names of the roles in an instance profile.
    instance_profile(name: &str) -> Vec<String> = Query::InstanceProfile { name: name.to_owned() }, Names;
    /// Names of a group's members.
    group_members(name: &str) -> Vec<String> = Query::GroupMembers { name: name.to_owned() }, Names;
    /// Names of the groups that a user is in.
    groups_of(user: &str) -> Vec<String> = Query::GroupsOf { user: user.to_owned() }, Names;
    /// Users, groups and roles to which a managed policy is attached.
    policy_holders(arn: &str) -> Vec<(PrincipalKind, String)> =
        Query::PolicyHolders { arn: arn.to_owned() }, Principals;
    /// Name of the user an access key belongs to.
    key_owner(access_key_id: &str) -> String = Query::KeyOwner { access_key_id: access_key_id.to_owned() }, Name;
    /// Ids of a user's access keys.
    access_keys(user: &str) -> Vec<String> = Query::AccessKeys { user: user.to_owned() }, Names;
    /// When something was last added to a window before a moment; missing when nothing was.
    earlier(query: EarlierQuery) -> Timestamp = Query::Earlier(query), Time;
    /// What an Identity Center permission set holds.
    permission_set(instance: &str, arn: &str, region: &str) -> Holdings =
        Query::PermissionSet { instance: instance.to_owned(), arn: arn.to_owned(), region: region.to_owned() }, Holdings;
    /// ARNs of the permission sets that are assigned to a person or a group of Identity Center.
    assigned(store: &str, principal: &str, group: bool, region: &str) -> Vec<String> = Query::Assigned {
        store: store.to_owned(), principal: principal.to_owned(), group, region: region.to_owned(),
    }, Names;
    /// Whether an access key has an open finding as exposed.
    exposed_key(account: &str, access_key_id: &str) -> bool =
        Query::ExposedKey { account: account.to_owned(), access_key_id: access_key_id.to_owned() }, Flag;
}
