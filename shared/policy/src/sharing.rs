//! Who outside the account may use a resource, as the policy on the resource says: a bucket's, a topic's, a
//! key's.
//!
//! AWS services as principals are an exposure where no condition says for which account they act, or one says that they act for
//! somebody else. What narrows a statement to the own account or to trusted ones
//! makes it none; what narrows it to somebody else names that somebody; every other narrowing is a [`Guard`],
//! and the reader of the share decides what a guard is worth.

use keepwatch_base::arn::is_account_id;
use keepwatch_base::text::clean;
use keepwatch_base::wildcard;
use serde::Serialize;

pub use super::abilities::Reach;
use super::abilities::{lent, reach};
use super::document::{Condition, Document, Effect, Principal, PrincipalKind, Statement, account_of};
pub use super::stranger::Guard;
use super::stranger::{Gate, Need, Stranger, concerns, spared};
use super::verdict::StatementId;

/// Whom a statement lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outsider {
    /// Anyone: on the internet, or with any AWS account where the service asks for a signature.
    Everyone,
    /// Principals of an account that is neither the resource's own nor trusted.
    ExternalAccount(String),
    /// An AWS service, and with it every account that has the service act: no condition says for whom it may.
    Service,
    /// What is left in the place of a user or role that was deleted: its unique id (IAM user guide, "IAM identifiers").
    Deleted,
    /// A principal whose account cannot be told: a canonical user, an identity provider.
    Untold,
}

/// What one statement gives one outsider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Whom.
    pub who: Outsider,
    /// The principal as written, or the one that a condition puts in the place of `*`; safe to show.
    pub principal: String,
    /// The service that acts for the outsider, where the statement names a service of AWS's.
    pub service_principal: Option<String>,
    /// The statement that gives it.
    pub statement: StatementId,
    /// The service whose resource it is, as actions name it.
    pub service: String,
    /// The patterns of actions; after a `NotAction`, `*`.
    pub actions: Vec<String>,
    /// How far the actions reach; nothing where they are not known. Of a service it is what its customers gain.
    pub reach: Option<Reach>,
    /// Requests without a signature are answered.
    pub unsigned: bool,
    /// What narrows it, if anything.
    pub guard: Option<Guard>,
    /// The condition that the guard comes from, where one was looked for.
    pub condition: Option<Condition>,
}

impl Share {
    /// Whether the statement names this action, resources and conditions aside.
    pub fn allows(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| wildcard::matches_ignore_ascii_case(pattern, action))
    }
}

/// The accounts from which load balancers write their access logs, for regions older than August 2022
/// (Elastic Load Balancing user guide, "Access logs"). They are AWS's own.
const LOAD_BALANCERS: [&str; 27] = [
    "127311923021",
    "033677994240",
    "027434742980",
    "797873946194",
    "098369216593",
    "754344448648",
    "589379963580",
    "718504428378",
    "383597477331",
    "600734575887",
    "114774131450",
    "783225319266",
    "582318560864",
    "985666609251",
    "054676820928",
    "156460612806",
    "652711504416",
    "635631232127",
    "009996457667",
    "897822967062",
    "076674570225",
    "507241528517",
    "048591011584",
    "190560391635",
    "638102146993",
    "037604701340",
    "770363063475",
];

/// Services that serve requests without any signature.
const UNSIGNED: [&str; 5] = ["s3", "sns", "sqs", "es", "execute-api"];

/// What the policy on a resource of `service` (`s3`, `kms`; `kafka|kafka-cluster` where policies speak of several) gives
/// outsiders, in the document's order. `own_account` and `trusted_accounts` are account numbers.
///
/// A Deny counts where it plainly covers the actions and the resources of an Allow. Those of its conditions that an outsider
/// can make fail let that outsider past it.
pub fn shares(
    document: &Document,
    service: &str,
    own_account: &str,
    trusted_accounts: &[String],
) -> Vec<Share> {
    let known = |account: &str| {
        account == own_account
            || trusted_accounts.iter().any(|trusted| trusted == account)
            || (service == "s3" && LOAD_BALANCERS.contains(&account))
    };
    let everyone = [Principal { kind: PrincipalKind::Aws, value: "*".to_owned() }];
    let denies = document.statements.iter().filter(|statement| statement.effect == Effect::Deny);
    let denied: Vec<Denied<'_>> = denies.map(Denied::of).collect();
    let mut all = Vec::new();
    for (i, statement) in document.statements.iter().enumerate() {
        if statement.effect != Effect::Allow {
            continue;
        }
        // Everyone but a few is everyone.
        let principals = match &statement.not_principals {
            Some(_) => everyone.as_slice(),
            None => statement.principals.as_slice(),
        };
        let openings: Vec<Opening<'_>> = parts(&denied, statement)
            .into_iter()
            .map(|(actions, denies)| Opening {
                statement,
                actions,
                denies,
                variables: document.has_variables(),
                service,
                id: StatementId::of(statement, i + 1),
                own: own_account,
            })
            .collect();
        for principal in principals {
            all.extend(openings.iter().flat_map(|opening| opening.shares(principal, &known)));
        }
    }
    all
}

/// The most pairs of actions, of an Allow and of Denies, that are compared. People write some hundreds; beyond that no Deny
/// counts.
const MAX_PAIRS: usize = 1 << 21;

/// A Deny, with its actions in small letters.
struct Denied<'d> {
    statement: &'d Statement,
    actions: List,
    resources: List,
}

impl<'d> Denied<'d> {
    fn of(statement: &'d Statement) -> Denied<'d> {
        let resources = List { all: statement.resources.clone(), but: statement.not_resources.clone() };
        Denied { statement, actions: List::actions(statement), resources }
    }
}

/// The actions of an Allow with the Denies that cover them, on every resource of it; apart, where Denies cover some of them
/// alone.
fn parts<'d>(denied: &[Denied<'d>], allow: &Statement) -> Vec<(Vec<String>, Vec<&'d Statement>)> {
    let whole = List { all: allow.resources.clone(), but: allow.not_resources.clone() };
    let of = |objects: bool| List { all: of_s3(&allow.resources, objects), but: whole.but.clone() };
    let (buckets, objects) = (of(false), of(true));
    // Queues and repositories need no resource in their policies.
    let within = |reached: &List| -> Vec<&Denied<'d>> {
        let covers = |deny: &&Denied<'d>| {
            deny.resources.is_empty() || (!reached.is_empty() && deny.resources.covers(reached))
        };
        denied.iter().filter(covers).collect()
    };
    let (on_whole, on_buckets, on_objects) = (within(&whole), within(&buckets), within(&objects));
    let most = denied.iter().map(|deny| deny.actions.len()).sum::<usize>();
    let too_many = most.saturating_mul(allow.actions.len()) > MAX_PAIRS;
    let over = |allowed: &List| -> Vec<&'d Statement> {
        let within =
            match allowed.all.as_slice() {
                _ if too_many => return Vec::new(),
                [action] if !wildcard::is_wild(action) && action.starts_with("s3:") => {
                    if is_of_objects(action) { &on_objects } else { &on_buckets }
                }
                _ => &on_whole,
            };
        within.iter().filter(|deny| deny.actions.covers(allowed)).map(|deny| deny.statement).collect()
    };
    if allow.not_actions.is_some() {
        return vec![(vec!["*".to_owned()], over(&List::actions(allow)))];
    }
    let mut parts: Vec<(Vec<String>, Vec<&'d Statement>)> = Vec::new();
    for action in &allow.actions {
        let over = over(&List { all: vec![action.to_ascii_lowercase()], but: None });
        let same = |other: &[&Statement]| {
            other.len() == over.len()
                && other.iter().zip(&over).all(|(one, other)| std::ptr::eq(*one, *other))
        };
        match parts.iter_mut().find(|(_, other)| same(other)) {
            Some((actions, _)) => actions.push(action.clone()),
            None => parts.push((vec![action.clone()], over)),
        }
    }
    parts
}

/// Whether a call of S3's, in small letters, works on an object; the others work on buckets (service authorization
/// reference, "Amazon S3").
fn is_of_objects(action: &str) -> bool {
    !action.contains("bucket") && (action.contains("object") || action.contains("multipartupload"))
}

/// Of the patterns those that fit ARNs of objects, or else of buckets.
fn of_s3(patterns: &[String], objects: bool) -> Vec<String> {
    let fits = |pattern: &&String| {
        let fixed = pattern.split(['*', '?']).next().unwrap_or_default();
        if objects { pattern.contains('/') || wildcard::is_wild(pattern) } else { !fixed.contains('/') }
    };
    patterns.iter().filter(fits).cloned().collect()
}

/// What one Allow gives, and the Denies that cover it.
struct Opening<'d> {
    statement: &'d Statement,
    /// Patterns; after a `NotAction`, `*`.
    actions: Vec<String>,
    denies: Vec<&'d Statement>,
    variables: bool,
    service: &'d str,
    id: StatementId,
    own: &'d str,
}

impl<'d> Opening<'d> {
    fn shares(&self, principal: &Principal, known: &impl Fn(&str) -> bool) -> Vec<Share> {
        let account = match principal.kind {
            // A service does what its customer says: CloudFront shows a bucket through anybody's distribution.
            PrincipalKind::Service => {
                let anybody = Stranger { service: true, ..Stranger::anybody(self.own) };
                return match self.gate(principal).admits(&anybody) {
                    Some(need) => self.deputy(&principal.value, need).into_iter().collect(),
                    None => self.customers(principal, known),
                };
            }
            PrincipalKind::Aws => account_of(&principal.value),
            _ => None,
        };
        match account {
            Some(own) if known(own) => Vec::new(),
            // CloudFront's identities belong to distributions, of which only their owner can make one use it.
            Some("cloudfront") => Vec::new(),
            Some(other) if is_account_id(other) => {
                self.admitted(&principal.value, principal).into_iter().collect()
            }
            Some(any) if wildcard::is_wild(any) => self.anyone(principal, known),
            _ => {
                let stranger = Stranger::anybody(self.own);
                let gate = self.gate(principal);
                // Whether a condition keeps it out cannot be told; a Deny without one does.
                if gate.is_shut() {
                    return Vec::new();
                }
                let need = gate.admits(&stranger).flatten();
                let who = if is_unique_id(principal) { Outsider::Deleted } else { Outsider::Untold };
                vec![self.share(who, &principal.value, need)]
            }
        }
    }

    /// The conditions that decide for this principal.
    fn gate(&self, principal: &Principal) -> Gate<'d> {
        let denies: Vec<&Statement> =
            self.denies.iter().copied().filter(|deny| concerns(deny, principal)).collect();
        Gate::new(self.statement, &denies, self.variables)
    }

    /// What everybody gets, or else those whom conditions name: that is as good as named in the principal, and no better.
    fn anyone(&self, principal: &Principal, known: &impl Fn(&str) -> bool) -> Vec<Share> {
        let gate = self.gate(principal);
        let unsigned = UNSIGNED.contains(&self.service);
        if let Some(need) = gate.admits(&Stranger { unsigned, ..Stranger::anybody(self.own) }) {
            // Everybody's services are as good as one that is named.
            if need.is_some_and(|need| need.guard == Guard::Source && is_of_services(&need.condition.key)) {
                let service = Stranger { service: true, ..Stranger::anybody(self.own) };
                let share = gate.admits(&service).and_then(|need| self.deputy("any AWS service", need));
                return share.into_iter().collect();
            }
            return vec![self.share(Outsider::Everyone, &principal.value, need)];
        }
        let named = gate.named().chain(spared(&self.denies));
        let shares = outsiders(named, known).into_iter().filter_map(|value| {
            self.admitted(value, &Principal { kind: PrincipalKind::Aws, value: value.to_owned() })
        });
        shares.collect()
    }

    /// What an account gets, or one of its principals.
    fn admitted(&self, value: &str, principal: &Principal) -> Option<Share> {
        let need = self.gate(principal).admits(&Stranger::named(self.own, value))?;
        let account = account_of(value).unwrap_or(value);
        Some(self.share(Outsider::ExternalAccount(account.to_owned()), value, need))
    }

    /// A service that no condition binds to an account: whoever has it act uses the resource through it (IAM user guide,
    /// "The confused deputy problem").
    fn deputy(&self, service: &str, need: Option<Need<'_>>) -> Option<Share> {
        // Services have no addresses, and whoever names his bucket names it alone.
        if need.is_some_and(|need| need.guard != Guard::Organization) {
            return None;
        }
        let share = self.share(Outsider::Service, service, need);
        let reach = Some(lent(&service.to_ascii_lowercase(), self.service, &share.actions)?);
        Some(Share { reach, service_principal: Some(share.principal.clone()), ..share })
    }

    /// Those for whom conditions let a service act.
    fn customers(&self, principal: &Principal, known: &impl Fn(&str) -> bool) -> Vec<Share> {
        let gate = self.gate(principal);
        let acts = |value: &&str| {
            let account = account_of(value).unwrap_or(value);
            let stranger = Stranger { account, service: true, ..Stranger::anybody(self.own) };
            gate.admits(&stranger).is_some()
        };
        let customers = outsiders(gate.named(), known).into_iter().filter(acts);
        let acting = customers.map(|value| {
            let customer = account_of(value).unwrap_or(value);
            let share = self.share(Outsider::ExternalAccount(customer.to_owned()), value, None);
            let service_principal = Some(principal.value.clone());
            Share { guard: Some(Guard::Source), service_principal, ..share }
        });
        acting.collect()
    }

    fn share(&self, who: Outsider, principal: &str, need: Option<Need<'_>>) -> Share {
        let unsigned_url = |c: &Condition| {
            c.key.eq_ignore_ascii_case("lambda:FunctionUrlAuthType")
                && c.values.iter().any(|value| value == "NONE")
        };
        Share {
            who,
            principal: clean(principal, 160),
            service_principal: None,
            statement: self.id.clone(),
            service: self.service.to_owned(),
            reach: reach(self.service, &self.actions),
            actions: self.actions.clone(),
            unsigned: UNSIGNED.contains(&self.service) || self.statement.conditions.iter().any(unsigned_url),
            guard: need.map(|need| need.guard),
            condition: need.map(|need| need.condition.clone()),
        }
    }
}

/// Whether what is written is a principal's unique id, such as `AROAEXAMPLE`.
fn is_unique_id(principal: &Principal) -> bool {
    let value = principal.value.as_str();
    let id = value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    principal.kind == PrincipalKind::Aws && value.starts_with('A') && id
}

/// Whether a condition's key says that a service comes, and not for whom.
fn is_of_services(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "aws:principalisawsservice" || key.starts_with("aws:principalservicename")
}

/// Those of the accounts and ARNs that are outsiders', each once.
fn outsiders<'d>(values: impl Iterator<Item = &'d str>, known: &impl Fn(&str) -> bool) -> Vec<&'d str> {
    let mut all: Vec<&str> = Vec::new();
    for value in values {
        let outside = account_of(value).is_some_and(|account| is_account_id(account) && !known(account));
        if outside && !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Patterns, or everything but some.
struct List {
    all: Vec<String>,
    but: Option<Vec<String>>,
}

impl List {
    /// The actions of a statement, in small letters.
    fn actions(statement: &Statement) -> List {
        let lower = |list: &[String]| list.iter().map(|text| text.to_ascii_lowercase()).collect::<Vec<_>>();
        List { all: lower(&statement.actions), but: statement.not_actions.as_deref().map(lower) }
    }

    fn len(&self) -> usize {
        self.all.len() + self.but.as_ref().map_or(0, Vec::len)
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.but.is_none()
    }

    /// Whether all of the other list is in this one, as far as patterns tell.
    fn covers(&self, other: &List) -> bool {
        match (&self.but, &other.but) {
            (None, None) => {
                other.all.iter().all(|narrow| self.all.iter().any(|wide| wildcard::covers(wide, narrow)))
            }
            (None, Some(_)) => self.all.iter().any(|wide| wildcard::is_all_wild(wide) && !wide.contains('?')),
            (Some(but), None) => {
                !other.all.iter().any(|one| but.iter().any(|spared| wildcard::meets(spared, one)))
            }
            // What this one leaves out, the other must leave out as well.
            (Some(but), Some(spared)) => {
                but.iter().all(|one| spared.iter().any(|wide| wildcard::covers(wide, one)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
