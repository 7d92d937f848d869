//! Who outside the account may use a resource, as the policy on the resource says: a bucket's, a topic's, a
//! key's.
//!
//! AWS services as principals are no exposure, unless a condition says that they act for somebody else. What narrows a statement to the own account or to trusted ones
//! makes it none; what narrows it to somebody else names that somebody; every other narrowing is a [`Guard`],
//! and the reader of the share decides what a guard is worth.

use keepwatch_base::arn::Arn;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::network::Cidr;
use keepwatch_base::text::clean;
use keepwatch_base::wildcard;

use super::document::{Condition, Document, Effect, Principal, PrincipalKind, Statement};
use super::trust::{OWN_ACCOUNT, account_of, fixed_prefix, is_fixed};
use crate::fence::spared;
use crate::words;

/// Whom a statement lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outsider {
    /// Anyone: on the internet, or with any AWS account where the service asks for a signature.
    Everyone,
    /// Principals of an account that is neither the resource's own nor trusted.
    ExternalAccount(String),
    /// A principal whose account cannot be told: a canonical user, a unique id, an identity provider.
    Untold,
}

/// What narrows an opening, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Tags of the caller, which outsiders give themselves.
    Tags,
    /// Fixed public addresses.
    Addresses,
    /// Principals by their unique ids.
    Principals,
    /// An organization; whose it is no policy says.
    Organization,
    /// A VPC or a VPC endpoint; whose it is no policy says.
    Vpc,
    /// Private addresses.
    Network,
    /// Requests that an AWS service makes for one named resource.
    Source,
}

/// What one statement gives one outsider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whom.
    pub who: Outsider,
    /// The principal as written, or the one that a condition puts in the place of `*`; safe to show.
    pub principal: String,
    /// Whom, as a sentence names them; safe to show.
    pub whom: String,
    /// What they can do, as it follows "can" or "may"; safe to show.
    pub ability: String,
    /// The patterns of actions; after a `NotAction`, `*`.
    pub actions: Vec<String>,
    /// One plain sentence without a full stop, safe to show.
    pub why: String,
    /// What narrows it, if anything.
    pub guard: Option<Guard>,
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

/// What telling actions let their callers do.
const ABILITIES: [(&str, &str); 30] = [
    ("s3:GetObject", "read its objects"),
    ("s3:PutObject", "write objects"),
    ("s3:DeleteObject", "delete objects"),
    ("s3:ListBucket", "list it"),
    ("s3:PutBucketPolicy", "rewrite its policy"),
    ("sns:Subscribe", "subscribe to it"),
    ("sns:Publish", "publish to it"),
    ("sns:SetTopicAttributes", "rewrite its policy"),
    ("sqs:ReceiveMessage", "read its messages"),
    ("sqs:SendMessage", "send messages to it"),
    ("sqs:PurgeQueue", "empty it"),
    ("sqs:SetQueueAttributes", "rewrite its policy"),
    ("kms:Decrypt", "decrypt with it"),
    ("kms:GenerateDataKey", "encrypt with it"),
    ("kms:CreateGrant", "grant others its use"),
    ("kms:PutKeyPolicy", "rewrite its policy"),
    ("ecr:BatchGetImage", "pull its images"),
    ("ecr:PutImage", "push images"),
    ("secretsmanager:GetSecretValue", "read it"),
    ("secretsmanager:PutSecretValue", "overwrite it"),
    ("lambda:InvokeFunction", "invoke it"),
    ("lambda:InvokeFunctionUrl", "call its URL"),
    ("lambda:UpdateFunctionCode", "replace its code"),
    ("es:ESHttpGet", "read its data"),
    ("es:ESHttpPost", "write its data"),
    ("es:UpdateDomainConfig", "reconfigure it"),
    ("glacier:InitiateJob", "read its archives"),
    ("glacier:UploadArchive", "write archives"),
    ("glue:GetTable", "read its tables' definitions"),
    ("logs:PutSubscriptionFilter", "stream logs to it"),
];

/// What the policy on a resource of `service` (`s3`, `kms`) gives outsiders, in the document's order.
/// `own_account` and `trusted_accounts` are account numbers.
///
/// A Deny without a condition is respected where it plainly covers the principal, the actions and the
/// resources. A Deny for everyone who is not of some account, organization, network or address narrows as if
/// its opposite stood in the Allow; several such conditions in one Deny leave in whoever meets one of the opposites. All
/// other Denies are ignored.
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
    let mut all = Vec::new();
    for (i, statement) in document.statements.iter().enumerate() {
        if statement.effect != Effect::Allow {
            continue;
        }
        let denies: Vec<&Statement> = document
            .statements
            .iter()
            .filter(|deny| deny.effect == Effect::Deny && covers(deny, statement))
            .collect();
        let fences: Vec<Vec<Condition>> = denies.iter().filter_map(|deny| spared(deny)).collect();
        let own = statement.conditions.iter().filter_map(limit);
        let limits: Vec<Limit<'_>> = own.chain(fences.iter().filter_map(|all| union(all, &known))).collect();
        let place = place(statement, i + 1);
        // Everyone but a few is everyone.
        let principals = match &statement.not_principals {
            Some(_) => everyone.as_slice(),
            None => statement.principals.as_slice(),
        };
        for principal in principals {
            if !denies.iter().any(|deny| shuts_out(deny, principal, &known)) {
                all.extend(openings(
                    principal,
                    statement,
                    &limits,
                    &Wording { service, place: &place },
                    &known,
                ));
            }
        }
    }
    all
}

/// The words that all shares of a statement have in common.
struct Wording<'t> {
    service: &'t str,
    place: &'t str,
}

/// What a condition leaves of everybody.
enum Limit<'c> {
    /// Accounts, or ARNs that name one.
    Accounts(Vec<&'c str>),
    /// The resource's own organization.
    Own,
    /// Something else.
    Guard(Guard, &'c Condition),
}

fn openings(
    principal: &Principal,
    statement: &Statement,
    limits: &[Limit<'_>],
    wording: &Wording<'_>,
    known: &impl Fn(&str) -> bool,
) -> Vec<Share> {
    let guard = limits.iter().filter_map(|limit| match limit {
        Limit::Guard(guard, condition) => Some((*guard, *condition)),
        _ => None,
    });
    let guard = guard.max_by_key(|(guard, _)| *guard);
    let make = |who, principal: &str, whom: String| {
        let actions = statement
            .not_actions
            .as_ref()
            .map_or_else(|| statement.actions.clone(), |_| vec!["*".to_owned()]);
        let ability = ability(wording.service, &actions);
        let by = guard.map(|(_, c)| format!(", as far as a condition on {} allows", clean(&c.key, 64)));
        let why = format!("{} lets {whom} {ability}{}", wording.place, by.unwrap_or_default());
        let guard = guard.map(|(guard, _)| guard);
        Share { who, principal: clean(principal, 160), whom, ability, actions, why, guard }
    };
    let untold = |value: &str| {
        let whom = format!("somebody whose account cannot be told ({})", clean(value, 64));
        make(Outsider::Untold, value, whom)
    };
    let account = |account: &str, written: &str| {
        make(Outsider::ExternalAccount(account.to_owned()), written, format!("outside account {account}"))
    };
    let ours = |value: &&str| *value == OWN_ACCOUNT || account_of(value).is_some_and(known);
    let inside = limits.iter().any(|limit| match limit {
        Limit::Own => true,
        Limit::Accounts(values) => values.iter().all(ours),
        Limit::Guard(..) => false,
    });
    // Named in a condition is as good as named in the principal, and no better.
    let named = limits.iter().find_map(|limit| match limit {
        Limit::Accounts(values) => Some(values),
        _ => None,
    });
    match principal.kind {
        // A service does what its customer says: CloudFront shows a bucket through anybody's distribution.
        PrincipalKind::Service => {
            let customers = named.into_iter().flatten().filter(|value| !inside && !ours(value));
            let acting = customers.map(|value| {
                let customer = account_of(value).unwrap_or(value);
                let whom = format!("{}, acting for outside account {customer},", clean(&principal.value, 64));
                let who = Outsider::ExternalAccount(customer.to_owned());
                Share { guard: Some(Guard::Source), ..make(who, value, whom) }
            });
            return acting.collect();
        }
        PrincipalKind::Aws => {}
        _ => return vec![untold(&principal.value)],
    }
    match account_of(&principal.value) {
        Some(own) if known(own) => return Vec::new(),
        // CloudFront's identities belong to distributions, of which only their owner can make one use it.
        Some("cloudfront") => return Vec::new(),
        Some(other) if is_account_id(other) => return vec![account(other, &principal.value)],
        Some(any) if wildcard::is_wild(any) => {}
        _ => return vec![untold(&principal.value)],
    }
    if inside {
        return Vec::new();
    }
    match named {
        Some(values) => values
            .iter()
            .filter(|value| !ours(value))
            .map(|value| account(account_of(value).unwrap_or(value), value))
            .collect(),
        None => {
            let whom = anybody(wording.service, statement, guard);
            vec![make(Outsider::Everyone, &principal.value, whom)]
        }
    }
}

/// Everybody, as far as the guard lets them come.
fn anybody(service: &str, statement: &Statement, guard: Option<(Guard, &Condition)>) -> String {
    let values = |c: &Condition| clean(&c.values.join(" or "), 100);
    match guard {
        Some((Guard::Organization, c)) => return format!("anybody in organization {}", values(c)),
        Some((Guard::Addresses | Guard::Vpc | Guard::Network, c)) => {
            return format!("anybody who comes from {}", values(c));
        }
        Some((Guard::Source, c)) => return format!("any AWS service that acts for {}", values(c)),
        Some((Guard::Tags, c)) => {
            let tag = c.key.split_once('/').map_or("", |(_, tag)| tag);
            return format!("whoever has the tag {} {}", clean(tag, 64), values(c));
        }
        Some((Guard::Principals, c)) => return format!("whoever has the id {}", values(c)),
        _ => {}
    }
    let unsigned_url = |c: &Condition| {
        c.key.eq_ignore_ascii_case("lambda:FunctionUrlAuthType")
            && c.values.iter().any(|value| value == "NONE")
    };
    match UNSIGNED.contains(&service) || statement.conditions.iter().any(unsigned_url) {
        true => "anybody on the internet".to_owned(),
        false => "anybody with an AWS account".to_owned(),
    }
}

/// What these actions let their callers do with a resource of the service.
fn ability(service: &str, actions: &[String]) -> String {
    let fits = |action: &str| actions.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action));
    let prefix = format!("{service}:");
    if fits(&format!("{prefix}~~~~~")) {
        return "do anything with it".to_owned();
    }
    let can = ABILITIES.iter().filter(|(action, _)| action.starts_with(&prefix) && fits(action));
    let can: Vec<String> = can.map(|(_, can)| (*can).to_owned()).collect();
    match can.is_empty() {
        true => format!("call {}", words::list(&actions.iter().map(|a| words::name(a)).collect::<Vec<_>>())),
        false => words::list(&can),
    }
}

fn place(statement: &Statement, number: usize) -> String {
    match statement.sid.as_deref().map(|sid| clean(sid.trim(), 64)) {
        Some(sid) if !sid.is_empty() => format!("statement \"{}\"", sid.replace('"', "'")),
        _ => format!("statement {number}"),
    }
}

/// What the condition leaves of everybody; nothing where it leaves them all.
fn limit(condition: &Condition) -> Option<Limit<'_>> {
    let key = condition.key.to_ascii_lowercase();
    let values = || condition.values.iter().map(String::as_str).collect();
    let guard = |guard, fixed: bool| fixed.then_some(Limit::Guard(guard, condition));
    let begins = |prefix: &'static str| {
        is_fixed(condition, move |v| fixed_prefix(v).len() > prefix.len() && v.starts_with(prefix))
    };
    match key.as_str() {
        "aws:principalaccount"
        | "aws:sourceaccount"
        | "aws:sourceowner"
        | "aws:vpceaccount"
        | "kms:calleraccount"
        | "s3:dataaccesspointaccount" => {
            is_fixed(condition, |v| v == OWN_ACCOUNT || is_account_id(v)).then(|| Limit::Accounts(values()))
        }
        "aws:principalarn" | "aws:sourcearn" | "s3:dataaccesspointarn" => {
            let owned = |v: &str| Arn::parse(v).is_some_and(|arn| is_account_id(arn.account));
            if is_fixed(condition, owned) {
                return Some(Limit::Accounts(values()));
            }
            // A bucket's ARN names no account, and no other bucket can have its name. Amazon's own examples write
            // `arn:aws:s3:*:*:bucket`.
            let bucket = |v: &str| {
                Arn::parse(v).is_some_and(|arn| {
                    let fixed = !wildcard::is_wild(arn.resource) || fixed_prefix(arn.resource).contains('/');
                    arn.service == "s3" && fixed
                })
            };
            guard(Guard::Source, key == "aws:sourcearn" && is_fixed(condition, |v| owned(v) || bucket(v)))
        }
        "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:sourceorgid"
        | "aws:sourceorgpaths"
        | "aws:vpceorgid"
        | "aws:vpceorgpaths" => {
            if is_fixed(condition, |v| v == "${aws:ResourceOrgID}") {
                return Some(Limit::Own);
            }
            guard(Guard::Organization, is_fixed(condition, |v| fixed_prefix(v).len() > 4))
        }
        "aws:sourcevpc" => guard(Guard::Vpc, begins("vpc-")),
        "aws:sourcevpce" => guard(Guard::Vpc, begins("vpce-")),
        "aws:sourceip" => addresses(condition).map(|kind| Limit::Guard(kind, condition)),
        "aws:userid" | "aws:principalid" => {
            guard(Guard::Principals, is_fixed(condition, |v| fixed_prefix(v).len() > 8))
        }
        "aws:principalisawsservice" => {
            let only = condition.operator.eq_ignore_ascii_case("bool") && condition.values == ["true"];
            guard(Guard::Source, only)
        }
        tag if tag.starts_with("aws:principaltag/") => {
            guard(Guard::Tags, is_fixed(condition, |v| !v.is_empty()))
        }
        "aws:principalservicename" => guard(Guard::Source, is_fixed(condition, |_| true)),
        _ => None,
    }
}

/// What is left of everybody where one of these conditions has to be met; nothing where one of them leaves them all.
fn union<'c>(conditions: &'c [Condition], known: &impl Fn(&str) -> bool) -> Option<Limit<'c>> {
    let ours = |value: &&str| *value == OWN_ACCOUNT || account_of(value).is_some_and(known);
    let mut weakest: Option<(Guard, &Condition)> = None;
    let mut accounts = Vec::new();
    for condition in conditions {
        match limit(condition)? {
            Limit::Own => {}
            Limit::Accounts(values) => accounts.extend(values.into_iter().filter(|value| !ours(value))),
            Limit::Guard(guard, condition) => {
                if weakest.is_none_or(|(other, _)| guard < other) {
                    weakest = Some((guard, condition));
                }
            }
        }
    }
    Some(match weakest {
        Some((guard, condition)) => Limit::Guard(guard, condition),
        None if accounts.is_empty() => Limit::Own,
        None => Limit::Accounts(accounts),
    })
}

/// What kind of guard a list of addresses is. The internet, its halves, and long lists of large ranges are
/// none.
fn addresses(condition: &Condition) -> Option<Guard> {
    if !condition.operator.to_ascii_lowercase().trim_start_matches("foranyvalue:").eq("ipaddress") {
        return None;
    }
    let ranges: Option<Vec<Cidr>> = condition.values.iter().map(|value| Cidr::parse(value)).collect();
    let ranges = ranges.filter(|ranges| !ranges.is_empty())?;
    if ranges.iter().all(Cidr::is_private) {
        return Some(Guard::Network);
    }
    let public = ranges.iter().filter(|range| !range.is_private());
    let all: u64 = public.map(Cidr::ipv4_addresses).sum();
    // More than the largest single range that is no world: a /8.
    (!ranges.iter().any(Cidr::is_world) && all <= 1 << 24).then_some(Guard::Addresses)
}

/// Whether the Deny holds for every action and every resource of the Allow.
fn covers(deny: &Statement, allow: &Statement) -> bool {
    let covered = |wide: &[String], narrow: &str| wide.iter().any(|wide| wildcard::covers(wide, narrow));
    let lower = |list: &[String]| list.iter().map(|text| text.to_ascii_lowercase()).collect::<Vec<_>>();
    if deny.not_actions.is_some() || deny.not_resources.is_some() || allow.not_resources.is_some() {
        return false;
    }
    let (denied, allowed) = (lower(&deny.actions), lower(&allow.actions));
    let actions = match &allow.not_actions {
        Some(_) => denied.iter().any(|pattern| pattern == "*"),
        None => allowed.iter().all(|action| covered(&denied, action)),
    };
    let resources = deny.resources.is_empty()
        || allow.resources.iter().all(|resource| covered(&deny.resources, resource));
    actions && resources && (deny.resources.is_empty() || !allow.resources.is_empty())
}

/// Whether the Deny, which covers all of an Allow, leaves this principal nothing of it.
fn shuts_out(deny: &Statement, principal: &Principal, known: &impl Fn(&str) -> bool) -> bool {
    if !deny.conditions.is_empty() {
        return false;
    }
    match &deny.not_principals {
        // Everyone but the account's own.
        Some(spared) => spared.iter().all(|spared| {
            spared.kind == PrincipalKind::Service
                || (spared.kind == PrincipalKind::Aws && account_of(&spared.value).is_some_and(known))
        }),
        None => deny
            .principals
            .iter()
            .any(|denied| denied == principal || (denied.kind == PrincipalKind::Aws && denied.value == "*")),
    }
}

#[cfg(test)]
mod tests;
