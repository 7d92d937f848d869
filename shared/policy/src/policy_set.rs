//! What a set of documents allows: the union of its Allows less its Denies, asked action by action.
//!
//! A Deny takes away what its holder cannot get past. A condition on circumstances is the holder's to miss: "deny unless MFA"
//! leaves all the power to whoever has the MFA device.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use keepwatch_base::wildcard;

use super::condition::limits::{Delegation, Limits, Permit, Request};
use super::document::{Document, Effect, Statement};
use super::escalation::PATHS;
use super::holder::{Holder, Place, Reach, SELF, SOME};
use super::named::{MAX_WORK, overlap};
use super::path::{Path, Target};
use super::scope::{Scope, is_broad};
use super::table::{Bits, IAM, SERVICES, TABLE, TRIFLES};

/// The most services that one document may name; AWS has about four hundred.
const MAX_SERVICES: usize = 400;

/// The most work, in bytes times bytes, to find what one action's denials cover of an Allow.
const MAX_COVERING: usize = MAX_WORK / 8;

/// The rights to tag each of IAM's kinds.
const TAGGING: [(Place<'static>, &str); 5] = [
    (Place::User, "iam:TagUser"),
    (Place::Role, "iam:TagRole"),
    (Place::Policy, "iam:TagPolicy"),
    (Place::Saml, "iam:TagSAMLProvider"),
    (Place::Oidc, "iam:TagOpenIDConnectProvider"),
];

/// The rights to take a permissions boundary off, or to replace it.
const UNBINDING: [&str; 4] = [
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:PutUserPermissionsBoundary",
];

/// One statement, made ready to be asked.
pub(super) struct PreparedStatement<'a> {
    /// Which document it stands in.
    pub(super) document: usize,
    /// Its number in the document, from one.
    pub(super) number: usize,
    pub(super) statement: &'a Statement,
    pub(super) limits: Limits<'a>,
    actions: Bits,
    scope: Scope,
    reach: RefCell<HashMap<Place<'static>, Reach>>,
    named: RefCell<HashMap<Place<'static>, Rc<Vec<String>>>>,
}

impl PreparedStatement<'_> {
    fn names(&self, action: usize) -> bool {
        self.actions[action / 64] >> (action % 64) & 1 == 1
    }

    fn reach(&self, place: Place<'static>, holder: &Holder) -> Reach {
        *self.reach.borrow_mut().entry(place).or_insert_with(|| self.scope.reach(place, holder))
    }

    fn asks_for_tags(&self) -> bool {
        let of_resource = |key: &str| key.to_ascii_lowercase().contains(":resourcetag/");
        self.statement.conditions.iter().any(|condition| of_resource(&condition.key))
    }

    fn named(&self, place: Place<'static>, holder: &Holder) -> Rc<Vec<String>> {
        let mut named = self.named.borrow_mut();
        Rc::clone(named.entry(place).or_insert_with(|| Rc::new(self.scope.names(place, holder))))
    }
}

/// All the documents of one holder.
pub(super) struct PolicySet<'a> {
    pub(super) allows: Vec<PreparedStatement<'a>>,
    pub(super) denies: Vec<PreparedStatement<'a>>,
    holder: Holder,
    /// Of a Deny and an Allow, each by document and number, what the one leaves of the other where they meddle.
    beside: RefCell<HashMap<[(usize, usize); 2], LimitsLeft<'a>>>,
}

/// What a Deny leaves of an Allow, where the two meddle.
type LimitsLeft<'a> = Option<Rc<Limits<'a>>>;

impl<'a> PolicySet<'a> {
    pub(super) fn new(documents: &[&'a Document], holder: Holder) -> PolicySet<'a> {
        let (allows, denies, beside) = Default::default();
        let mut set = PolicySet { allows, denies, holder, beside };
        let mut known: HashMap<&'a str, Bits> = HashMap::new();
        for (document, content) in documents.iter().enumerate() {
            for (i, statement) in content.statements.iter().enumerate() {
                let allow = statement.effect == Effect::Allow;
                let entry = PreparedStatement {
                    document,
                    number: i + 1,
                    statement,
                    limits: Limits::of(statement, content.has_variables(), &set.holder),
                    actions: actions(statement, &mut known),
                    scope: Scope::of(statement, allow, content.has_variables(), &set.holder),
                    reach: RefCell::default(),
                    named: RefCell::default(),
                };
                if allow { set.allows.push(entry) } else { set.denies.push(entry) }
            }
        }
        set
    }
}

/// The probe actions that a statement names. Documents repeat their patterns, so that each is matched once.
fn actions<'a>(statement: &'a Statement, known: &mut HashMap<&'a str, Bits>) -> Bits {
    let list = statement.not_actions.as_ref().unwrap_or(&statement.actions);
    let mut bits = Bits::default();
    for pattern in list {
        let found = known.entry(pattern).or_insert_with(|| {
            let mut found = Bits::default();
            for (i, (action, _)) in TABLE.actions.iter().enumerate() {
                if wildcard::matches_ignore_ascii_case(pattern, action) {
                    found[i / 64] |= 1 << (i % 64);
                }
            }
            found
        });
        bits.iter_mut().zip(*found).for_each(|(all, one)| *all |= one);
    }
    if statement.not_actions.is_some() { bits.map(|word| !word) } else { bits }
}

/// An action, and for `iam:PassRole` the service that receives the role.
type Asked = (usize, Option<&'static str>);

/// Some of the Allows of a holder, and what they come to.
pub(super) struct View<'p, 'a> {
    set: &'p PolicySet<'a>,
    /// Indices into `set.allows`.
    pub(super) chosen: Vec<usize>,
    /// The actions that any of them names: of most there is nothing to ask.
    named_at_all: Bits,
    reached: RefCell<HashMap<Asked, Reach>>,
    named: RefCell<HashMap<Asked, Rc<Vec<String>>>>,
    delegation: OnceCell<Delegation>,
    making: OnceCell<Delegation>,
}

impl<'p, 'a> View<'p, 'a> {
    pub(super) fn new(set: &'p PolicySet<'a>, chosen: Vec<usize>) -> View<'p, 'a> {
        let (reached, named, delegation, making) = Default::default();
        let mut named_at_all = Bits::default();
        for &i in &chosen {
            named_at_all.iter_mut().zip(set.allows[i].actions).for_each(|(all, one)| *all |= one);
        }
        View { set, chosen, named_at_all, reached, named, delegation, making }
    }

    fn chosen(&self) -> impl Iterator<Item = &'p PreparedStatement<'a>> {
        self.chosen.iter().map(|&i| &self.set.allows[i])
    }

    /// What the holder can do about the conditions that confine its own grants.
    fn delegation(&self) -> &Delegation {
        self.delegation.get_or_init(|| self.delegate())
    }

    /// The same where a resource that it makes itself will do: it can put the tags on there that a condition asks for.
    fn making(&self) -> &Delegation {
        if !self.chosen().chain(&self.set.denies).any(PreparedStatement::asks_for_tags) {
            return self.delegation();
        }
        self.making.get_or_init(|| {
            let mut found = self.delegate();
            for (action, tags) in TABLE.makers(&self.named_at_all) {
                let tagged = self.chosen().any(|e| tags.iter().any(|tag| e.statement.names(tag)));
                if tagged && self.reach_given((action, None), &Delegation::default()) != 0 {
                    found.tags.extend(TABLE.actions[action].1.target.iter().map(|place| place.known()));
                }
            }
            found
        })
    }

    fn delegate(&self) -> Delegation {
        let mut found = Delegation::default();
        let can = |action: &str, given: &Delegation| {
            let asked = (TABLE.index.get(action).copied()?, None);
            let names = self.names_given(asked, given);
            (!names.is_empty() || self.reach_given(asked, given) != 0).then_some(names)
        };
        let tags = TAGGING.iter().filter(|(_, action)| can(action, &Delegation::default()).is_some());
        found.tags = tags.map(|(place, _)| *place).collect();
        found.made = can("iam:CreatePolicy", &found).unwrap_or_default();
        for action in ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"] {
            let names = can(action, &found).unwrap_or_default();
            found.rewritten.extend(names);
        }
        for action in UNBINDING {
            let names = can(action, &found).unwrap_or_default();
            found.unbound.extend(names);
        }
        found.unbound.sort_unstable();
        found
    }

    /// What the conditions of a statement leave of what it allows, or, if it denies, what they let past it.
    fn permit(
        &self,
        entry: &PreparedStatement<'_>,
        action: &str,
        place: Place<'_>,
        service: Option<&str>,
        given: &Delegation,
    ) -> Permit {
        self.permit_by(entry, &entry.limits, (action, place, service), given)
    }

    /// The same by other limits than the statement's own.
    fn permit_by(
        &self,
        entry: &PreparedStatement<'_>,
        limits: &Limits<'_>,
        (action, place, service): (&str, Place<'_>, Option<&str>),
        given: &Delegation,
    ) -> Permit {
        let unbound = || {
            let own: Option<Place<'static>> =
                [Place::User, Place::Role].into_iter().find(|kind| *kind == place);
            own.is_some_and(|kind| overlap(&given.unbound, &[entry.named(kind, &self.set.holder).as_slice()]))
        };
        limits.permit(&Request { action, place, service, given, unbound: &unbound })
    }

    /// The Denies of an action that ask something of a key of which this Allow asks something as well, with what they leave
    /// of it.
    fn beside(
        &self,
        allow: &PreparedStatement<'a>,
        action: usize,
    ) -> Vec<(&'p PreparedStatement<'a>, Rc<Limits<'a>>)> {
        if allow.statement.conditions.is_empty() {
            return Vec::new();
        }
        let mut known = self.set.beside.borrow_mut();
        let denies = self.set.denies.iter().filter(|deny| deny.names(action));
        denies
            .filter_map(|deny| {
                let pair = [(deny.document, deny.number), (allow.document, allow.number)];
                let left = || deny.limits.beside(&allow.limits, &self.set.holder).map(Rc::new);
                Some((deny, known.entry(pair).or_insert_with(left).clone()?))
            })
            .collect()
    }

    fn reach_given(&self, asked: Asked, given: &Delegation) -> Reach {
        let needs = &TABLE.actions[asked.0].1;
        let of_any = |places: &[Place<'static>]| {
            places.iter().fold(0, |reach, place| reach | self.reach_on(asked, *place, given))
        };
        // Whatever an action needs beside what it is about, one of it will do.
        if !needs.beside.iter().all(|group| of_any(group) != 0) {
            return 0;
        }
        of_any(&needs.target)
    }

    /// What the action is allowed on, of one kind of resource.
    fn reach_on(&self, (action, service): Asked, place: Place<'static>, given: &Delegation) -> Reach {
        let name = &TABLE.actions[action].0;
        let holder = &self.set.holder;
        let left = |deny: &PreparedStatement<'_>, permit| match permit {
            Permit::All => Reach::MAX,
            Permit::Own => !deny.reach(place, holder) | SELF,
            Permit::None => !deny.reach(place, holder),
        };
        if !self.chosen().any(|entry| entry.names(action)) {
            return 0;
        }
        let typed = matches!(place, Place::Type(_) | Place::Assumed(_));
        let denies = self.set.denies.iter().filter(|deny| deny.names(action));
        let denies: Vec<_> =
            denies.map(|deny| (deny, self.permit(deny, name, place, service, given))).collect();
        let mut reach = 0;
        for entry in self.chosen().filter(|entry| entry.names(action)) {
            let permit = self.permit(entry, name, place, service, given);
            if permit == Permit::None {
                continue;
            }
            let beside = self.beside(entry, action).into_iter();
            let beside: Vec<_> = beside
                .map(|(deny, limits)| (deny, self.permit_by(deny, &limits, (name, place, service), given)))
                .collect();
            let plain = denies.iter().chain(&beside).filter(|(_, permit)| typed && *permit == Permit::None);
            let covering: Vec<&Scope> = plain.map(|(deny, _)| &deny.scope).collect();
            let covering_bytes: usize = covering.iter().map(|scope| scope.size()).sum();
            let all = match entry.scope.size().saturating_mul(covering_bytes) {
                work if work == 0 || work > MAX_COVERING => entry.reach(place, holder),
                _ => entry.scope.reach_less(place, holder, &covering),
            };
            let own = if permit == Permit::Own { all & SELF } else { all };
            reach |= beside.iter().fold(own, |reach, (deny, permit)| reach & left(deny, *permit));
        }
        denies.iter().fold(reach, |reach, (deny, permit)| reach & left(deny, *permit))
    }

    fn names_given(&self, (action, service): Asked, given: &Delegation) -> Vec<String> {
        let (name, place) = (&TABLE.actions[action].0, TABLE.place(action));
        let holder = &self.set.holder;
        let mut names: Vec<String> = Vec::new();
        let mut work = MAX_WORK;
        for entry in self.chosen().filter(|entry| entry.names(action)) {
            if self.permit(entry, name, place, service, given) != Permit::All {
                continue;
            }
            let mut given_here: Vec<String> = entry.named(place, holder).to_vec();
            for (deny, limits) in self.beside(entry, action) {
                if self.permit_by(deny, &limits, (name, place, service), given) != Permit::All {
                    deny.scope.take_from(&mut given_here, place, holder, &mut work);
                }
            }
            names.append(&mut given_here);
        }
        names.sort_unstable();
        names.dedup();
        for entry in self.set.denies.iter().filter(|entry| entry.names(action)) {
            if names.is_empty() {
                break;
            }
            if self.permit(entry, name, place, service, given) != Permit::All {
                entry.scope.take_from(&mut names, place, holder, &mut work);
            }
        }
        names
    }

    fn is_named(&self, action: usize) -> bool {
        self.named_at_all[action / 64] >> (action % 64) & 1 == 1
    }

    fn reach(&self, action: usize, service: Option<&'static str>) -> Reach {
        if !self.is_named(action) {
            return 0;
        }
        let asked = (action, service);
        if let Some(&reach) = self.reached.borrow().get(&asked) {
            return reach;
        }
        let given = if TABLE.with_own.contains(&action) { self.making() } else { self.delegation() };
        let reach = self.reach_given(asked, given);
        self.reached.borrow_mut().insert(asked, reach);
        reach
    }

    fn named(&self, action: &str, service: Option<&'static str>) -> Reach {
        TABLE.index.get(action).map_or(0, |&i| self.reach(i, service))
    }

    /// The resources of IAM on which this action is allowed, other than the holder itself, as patterns.
    pub(super) fn names(&self, action: &str, service: Option<&'static str>) -> Rc<Vec<String>> {
        let Some(&index) = TABLE.index.get(action).filter(|&&i| self.is_named(i)) else {
            return Rc::default();
        };
        let asked = (index, service);
        if let Some(names) = self.named.borrow().get(&asked) {
            return Rc::clone(names);
        }
        let names = Rc::new(self.names_given(asked, self.delegation()));
        self.named.borrow_mut().insert(asked, Rc::clone(&names));
        names
    }

    /// Whether it covers actions that no list can name. Three quarters of the letters will do: there are letters that
    /// no service begins with, and a small Deny does not make an administrator harmless.
    pub(super) fn is_everything(&self) -> bool {
        TABLE.letters.iter().filter(|&&i| is_broad(self.reach(i, None))).count() >= 20
    }

    /// Whether it covers IAM: most of the changes that make an administrator.
    pub(super) fn is_iam(&self) -> bool {
        IAM.iter().filter(|action| is_broad(self.named(action, None))).count() >= 8
    }

    /// Whether this way to gain power is open.
    pub(super) fn is_open(&self, path: &Path) -> bool {
        if !self.names_steps(path) {
            return false;
        }
        match path.target {
            Target::Same => self.on_the_same(path, None),
            Target::SamePassed => {
                let passing =
                    PATHS.iter().filter(|pass| !pass.passes.is_empty() && !pass.weak && self.uses(pass));
                let services: Vec<&'static str> = passing.flat_map(|pass| pass.passes).copied().collect();
                services.into_iter().any(|service| self.on_the_same(path, Some(service)))
            }
            _ => {
                let given = |service: &&'static str| is_broad(self.named("iam:PassRole", Some(service)));
                self.uses(path) && (path.passes.is_empty() || path.passes.iter().any(given))
            }
        }
    }

    /// Whether any statement names the actions that the path needs, but for `iam:PassRole`.
    fn names_steps(&self, path: &Path) -> bool {
        TABLE.steps.get(usize::from(path.number)).is_none_or(|steps| steps.are_among(&self.named_at_all))
    }

    /// The actions of paths that any statement names.
    pub(super) fn named_steps(&self) -> impl Iterator<Item = &'static str> {
        (0..TABLE.steps_end).filter(|&i| self.is_named(i)).map(|i| TABLE.actions[i].0.as_str())
    }

    /// Whether an action is allowed on any resource at all.
    pub(super) fn allows_some(&self, action: &'static str, service: Option<&'static str>) -> bool {
        self.named(action, service) != 0 || !self.names(action, service).is_empty()
    }

    /// Whether the path's own actions are held, but for `iam:PassRole`.
    pub(super) fn uses(&self, path: &Path) -> bool {
        if !self.names_steps(path) {
            return false;
        }
        let held = |action: &&str| {
            let reach = self.named(action, None);
            // Once any role can be passed, one function of a given name is enough to use it.
            let some = !path.passes.is_empty() && reach & SOME != 0;
            let own = path.target == Target::OthersOrSelf && (reach & SELF != 0 || self.joins(action));
            is_broad(reach) || some || own
        };
        path.all.iter().all(held) && (path.any.is_empty() || path.any.iter().any(held))
    }

    /// Whether all the actions, and one of the further ones, are held on a resource in common. An action on another
    /// kind of resource need only be held.
    fn on_the_same(&self, path: &Path, service: Option<&'static str>) -> bool {
        let Some((first, others)) = path.all.split_first() else { return false };
        let place = |action: &str| TABLE.index.get(action).map(|&i| TABLE.place(i));
        let receives = |action: &str| service.filter(|_| action == "iam:PassRole");
        let names = self.names(first, receives(first));
        path.any.iter().any(|any| {
            let lists: Vec<_> = others.iter().chain([any]).map(|a| (a, self.names(a, receives(a)))).collect();
            let (same, other): (Vec<_>, Vec<_>) = lists.iter().partition(|(a, _)| place(a) == place(first));
            let same: Vec<&[String]> = same.iter().map(|(_, names)| names.as_slice()).collect();
            other.iter().all(|(_, names)| !names.is_empty()) && overlap(&names, &same)
        })
    }

    /// The changes to users, groups, roles and policies that would make an administrator on all of them, where they are
    /// allowed on some: the action, and patterns of ARNs.
    pub(super) fn changes(&self) -> Vec<(&'static str, Rc<Vec<String>>)> {
        let single = |path: &&Path| {
            let direct = matches!(path.target, Target::Others | Target::OthersOrSelf) && !path.weak;
            direct && path.any.is_empty() && path.passes.is_empty() && path.all.len() == 1
        };
        let actions = PATHS.iter().filter(single).map(|path| path.all[0]);
        let actions = actions.filter(|action| action.starts_with("iam:"));
        actions
            .map(|action| (action, self.names(action, None)))
            .filter(|(_, names)| !names.is_empty())
            .collect()
    }

    /// `AddUserToGroup` is asked of the group, but written for the user by many authors.
    fn joins(&self, action: &str) -> bool {
        let Some(&index) = TABLE.index.get(action).filter(|_| action == "iam:AddUserToGroup") else {
            return false;
        };
        let names = |e: &&PreparedStatement<'_>| e.names(index);
        let own = |e: &PreparedStatement<'_>| e.reach(Place::User, &self.set.holder) & SELF != 0;
        let permitted = |e: &PreparedStatement<'_>| {
            self.permit(e, action, Place::Group, None, self.delegation()) == Permit::All && own(e)
        };
        let denied = |e: &PreparedStatement<'_>| {
            let takes = self.permit(e, action, Place::Group, None, self.delegation()) != Permit::All;
            takes && (own(e) || is_broad(e.reach(Place::Group, &self.set.holder)))
        };
        self.chosen().filter(|e| e.names(index)).any(permitted)
            && !self.set.denies.iter().filter(names).any(denied)
    }

    /// The services all of whose actions it covers on most resources, in the alphabet's order.
    pub(super) fn services(&self) -> Vec<String> {
        let known = |(_, probes): &&(&str, Vec<usize>)| probes.iter().all(|&i| is_broad(self.reach(i, None)));
        let mut all: Vec<String> =
            TABLE.services.iter().filter(known).map(|(name, _)| (*name).to_owned()).collect();
        all.extend(self.others());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether it covers this service, of the table or not.
    pub(super) fn holds(&self, service: &str) -> bool {
        match TABLE.services.iter().find(|(name, _)| *name == service) {
            Some((_, probes)) => probes.iter().all(|&i| is_broad(self.reach(i, None))),
            None => self.others().iter().any(|other| other == service),
        }
    }

    /// Services outside the table that a statement names in full: `name:*`.
    fn others(&self) -> Vec<String> {
        let mut given: HashMap<String, Reach> = HashMap::new();
        for entry in self.chosen() {
            for pattern in &entry.statement.actions {
                let Some((service, action)) = pattern.split_once(':') else { continue };
                let whole =
                    !action.is_empty() && action.bytes().all(|b| b == b'*') && !wildcard::is_wild(service);
                let service = service.trim().to_ascii_lowercase();
                if !whole || service.is_empty() || TRIFLES.contains(&service.as_str()) {
                    continue;
                }
                let full = given.len() >= MAX_SERVICES && !given.contains_key(&service);
                if full || SERVICES.iter().any(|(known, _)| *known == service) {
                    continue;
                }
                let (action, place) = (format!("{service}:~~~~~~~~"), Place::Service(&service));
                if self.permit(entry, &action, place, None, self.delegation()) == Permit::All {
                    let reach = entry.scope.reach(place, &self.set.holder);
                    *given.entry(service).or_default() |= reach;
                }
            }
        }
        given.retain(|service, reach| is_broad(*reach) && is_broad(*reach & !self.taken(service)));
        given.into_keys().collect()
    }

    /// What is denied of a service outside the table.
    fn taken(&self, service: &str) -> Reach {
        let action = format!("{service}:~~~~~~~~");
        let place = Place::Service(service);
        let denies = self.set.denies.iter().filter(|entry| {
            entry.statement.names(&action)
                && self.permit(entry, &action, place, None, self.delegation()) != Permit::All
        });
        denies.fold(0, |all, entry| all | entry.scope.reach(place, &self.set.holder))
    }

    /// The fewest of the chosen statements, as far as one pass finds them, that still pass the test.
    pub(super) fn witnesses(&self, test: impl Fn(&View<'p, 'a>) -> bool) -> Vec<usize> {
        let alone = |i: &&usize| test(&View::new(self.set, vec![**i]));
        // To try every statement of a document with thousands is not worth it: the sentence names three.
        if let Some(&one) = self.chosen.iter().take(100).find(alone) {
            return vec![one];
        }
        let mut kept = self.chosen.clone();
        if kept.len() <= 100 {
            for i in self.chosen.iter().rev() {
                let fewer: Vec<usize> = kept.iter().copied().filter(|k| k != i).collect();
                if test(&View::new(self.set, fewer.clone())) {
                    kept = fewer;
                }
            }
        }
        kept
    }
}
