//! The sentences: what the verdicts of this crate are in plain English.
//!
//! Everything that a person reads of a policy is made here from facts, last, and nothing reads it back. All texts are safe to
//! show: names that a document's author chose are cleaned and cut.

use std::fmt;

use keepwatch_base::text::clean;

use super::abilities;
use super::document::Condition;
use super::escalation::PATHS;
use super::held::{self, Origin, PolicyName};
use super::holder::UNKNOWN;
use super::level::Level;
use super::lockout::Loss;
use super::path::Path;
use super::sharing::{Outsider, Share};
use super::stranger::Guard;
use super::trust::{Comer, Exposure, Insider, Narrowing, Provider};
use super::verdict::{Basis, Exception, Gives, Grant, Reason, Source, StatementId};

/// The most characters of a name that a document's author chose.
const MAX_NAME: usize = 64;
/// The most characters of a principal that is told as written.
const MAX_PRINCIPAL: usize = 160;
/// The most characters of an ability, without the ellipsis of a longer one.
const MAX_ABILITY: usize = 79;
/// The most ways to gain power that a sentence names.
const MAX_WAYS: usize = 3;

/// A name from a document.
fn name(text: &str) -> String {
    clean(text.trim(), MAX_NAME)
}

fn names<'t>(texts: impl IntoIterator<Item = &'t String>) -> Vec<String> {
    texts.into_iter().map(|text| name(text)).collect()
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= 3 => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", items[..3].join(", "), items.len() - 3),
    }
}

/// `statement` or `statements`.
fn statements(count: usize) -> &'static str {
    if count == 1 { "statement" } else { "statements" }
}

/// As sentences name it: `inline policy "deploy"`.
impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.origin {
            Origin::Inline => "inline policy",
            Origin::Managed => "policy",
            Origin::Aws => "the AWS policy",
        };
        match clean(self.name.trim(), held::MAX_NAME).replace('"', "'") {
            name if name.is_empty() => f.write_str(kind),
            name => write!(f, "{kind} \"{name}\""),
        }
    }
}

/// As the reader finds it: by its Sid in quotes, or by its number.
impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sid.as_deref().map(name) {
            Some(sid) if !sid.is_empty() => write!(f, "\"{}\"", sid.replace('"', "'")),
            _ => write!(f, "{}", self.number),
        }
    }
}

impl Grant {
    /// One plain sentence without a full stop: where the power comes from.
    pub fn why(&self) -> String {
        let told = |what: &str| format!("{} {what}", list(&self.named_policies()));
        match (self.basis, self.level, self.reasons.as_slice()) {
            (Basis::Documents, _, []) if self.policies.is_empty() => {
                "no policy: no power over IAM or over a whole service".to_owned()
            }
            (Basis::Documents, _, []) => {
                format!("{}: no power over IAM or over a whole service", list(&self.named_policies()))
            }
            (Basis::Documents, _, [first, others @ ..]) => {
                let also = match &first.gives {
                    Gives::Path { path } => self.also(path),
                    _ => String::new(),
                };
                let named = others.iter().find_map(|reason| Named::of(&reason.gives));
                let more = match named {
                    Some(named) if Named::of(&first.gives).is_none() && first.is_whole_service() => {
                        format!("; the holder can also {}", named.clause())
                    }
                    _ => String::new(),
                };
                format!("{}{also}{}{more}", self.place_and_power(first), under(&first.statements))
            }
            (Basis::Quarantine, ..) => told("takes away what an exposed key could be used for"),
            (Basis::Guess, Level::Ordinary, _) => told("should allow reading only, by its name"),
            (Basis::Guess, ..) => told("should allow every action of a service, by its name"),
            (Basis::Known, level, _) => match (level, self.paths.first().and_then(|id| path(id))) {
                (Level::FullAdmin, _) => told("allows every action on every resource"),
                (Level::PrivilegeEscalation, Some(path)) => told(&path.says()),
                (Level::ServiceAdmin, Some(path)) if self.services.is_empty() => told(&path.says()),
                (Level::Ordinary, _) => told("gives no power over IAM or over a whole service"),
                _ => told(&format!("allows every action of {}", list(&self.services))),
            },
        }
    }

    /// What one of its reasons gives, as [`Grant::why`] tells the first.
    pub fn tell(&self, reason: &Reason) -> String {
        format!("{}{}", self.place_and_power(reason), under(&reason.statements))
    }

    fn named_policies(&self) -> Vec<String> {
        self.policies.iter().map(PolicyName::to_string).collect()
    }

    /// `inline policy "p": statement 2 allows every action on every resource`.
    fn place_and_power(&self, reason: &Reason) -> String {
        format!("{} {}", self.place(&reason.statements), reason.what())
    }

    /// The policies' names and the statements, and the verb that agrees: `inline policy "p": statement 2 allows`.
    fn place(&self, sources: &[Source]) -> String {
        let mut policies: Vec<(usize, Vec<String>)> = Vec::new();
        for source in sources {
            let label = source.statement.to_string();
            match policies.last_mut() {
                Some((policy, labels)) if *policy == source.policy => labels.push(label),
                _ => policies.push((source.policy, vec![label])),
            }
        }
        let verb = if sources.len() == 1 { "allows" } else { "together allow" };
        let parts = policies.iter().map(|(policy, labels)| {
            let name = self.policies.get(*policy).map_or_else(|| "policy".to_owned(), PolicyName::to_string);
            format!("{name}: {} {}", statements(labels.len()), list(labels))
        });
        format!("{} {verb}", list(&parts.collect::<Vec<_>>()))
    }

    /// Up to two more of the ways that are as bad as the first.
    fn also(&self, first: &Path) -> String {
        let alike: Vec<&Path> =
            self.paths.iter().filter_map(|id| path(id)).filter(|path| path.weak == first.weak).collect();
        let others: Vec<String> =
            alike.iter().skip(1).take(MAX_WAYS - 1).map(|path| path.actions()).collect();
        match (others.len(), alike.len().saturating_sub(MAX_WAYS)) {
            (0, _) => String::new(),
            (_, 0) => format!("; it also allows {}", others.join(", and ")),
            (_, more) => format!("; it also allows {}, and {more} more", others.join(", ")),
        }
    }

    /// What its holder can do.
    pub fn ability(&self) -> Ability {
        let (verb, object) = match self.level {
            Level::FullAdmin => (Verb::Is, "a full administrator".to_owned()),
            Level::PrivilegeEscalation => (Verb::Can, "make itself administrator".to_owned()),
            Level::ServiceAdmin if !self.services.is_empty() => (Verb::Controls, controlled(&self.services)),
            Level::ServiceAdmin => {
                let named = self.reasons.iter().find_map(|reason| Named::of(&reason.gives));
                let way = || self.paths.iter().filter_map(|id| path(id)).find(|path| path.weak);
                match named {
                    Some(named) => (Verb::Can, named.plain_clause()),
                    None => way().map_or((Verb::Controls, "a service".to_owned()), |path| {
                        (Verb::Can, path.clause.to_owned())
                    }),
                }
            }
            Level::Ordinary => (Verb::Has, "no power over IAM or over a whole service".to_owned()),
        };
        let room = MAX_ABILITY.saturating_sub(verb.now().len() + 1);
        Ability { verb, object: clean(&object, room) }
    }
}

impl Reason {
    /// What it gives, as it follows "allows": `every action of s3 on every resource`.
    pub fn what(&self) -> String {
        match &self.gives {
            Gives::Everything => format!("every action on every resource{}", but(&self.except)),
            Gives::NearlyEverything => {
                format!("nearly every action of nearly every service{}", but(&self.except))
            }
            Gives::Iam => "every change to IAM, so its holder can make itself administrator".to_owned(),
            Gives::Path { path } => format!("{}, so its holder can {}", path.actions(), path.clause),
            Gives::Services { services } => {
                format!("every action of {} on every resource", list(&names(services)))
            }
            Gives::Named { actions, targets } => Named { actions, targets }.says(),
        }
    }

    fn is_whole_service(&self) -> bool {
        matches!(self.gives, Gives::NearlyEverything | Gives::Services { .. })
    }
}

fn path(id: &str) -> Option<&'static Path> {
    PATHS.iter().find(|path| path.id == id)
}

/// `, except organizations:* and what statement 1 denies`.
fn but(except: &[Exception]) -> String {
    let mut left_out: Vec<String> = Vec::new();
    let mut denied: Vec<String> = Vec::new();
    for exception in except {
        match exception {
            Exception::Actions { actions } => left_out.extend(names(actions)),
            Exception::Resources => left_out.push("some resources that it names".to_owned()),
            Exception::Denied { by } => denied.push(by.statement.to_string()),
        }
    }
    if !denied.is_empty() {
        let verb = if denied.len() == 1 { "denies" } else { "deny" };
        left_out.push(format!("what {} {} {verb}", statements(denied.len()), list(&denied)));
    }
    if left_out.is_empty() { String::new() } else { format!(", except {}", list(&left_out)) }
}

/// `, under a condition on aws:SourceIp`, if the power hangs on circumstances.
fn under(sources: &[Source]) -> String {
    let conditions = sources.iter().flat_map(|source| &source.conditions);
    let mut keys = names(conditions.map(|condition| &condition.key));
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() { String::new() } else { format!(", under a condition on {}", list(&keys)) }
}

/// A right to change users, groups, roles or policies of given names.
struct Named<'r> {
    actions: &'r [&'static str],
    targets: &'r [String],
}

impl<'r> Named<'r> {
    fn of(gives: &'r Gives) -> Option<Named<'r>> {
        match gives {
            Gives::Named { actions, targets } => Some(Named { actions, targets }),
            _ => None,
        }
    }

    /// `iam:PutRolePolicy on role app-*, so its holder can change role app-*`.
    fn says(&self) -> String {
        let actions: Vec<String> = self.actions.iter().map(|action| (*action).to_owned()).collect();
        format!("{} on {}, so its holder can {}", list(&actions), self.target(), self.clause())
    }

    /// `change role app-*`, `sign in as user bob`.
    fn clause(&self) -> String {
        self.verb(&self.target())
    }

    /// The same without a name that nobody gives: it might be a sentence.
    fn plain_clause(&self) -> String {
        let target = self.target();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b" +=,.@_/*?-".contains(&b);
        if target.len() <= 50 && target.bytes().all(plain) && target.matches(' ').count() <= 4 {
            return self.verb(&target);
        }
        match self.first() {
            (kind, _) if kind.is_empty() => self.verb("something by name"),
            (kind, _) => self.verb(&format!("a {kind} by name")),
        }
    }

    fn verb(&self, target: &str) -> String {
        match self.actions.first() {
            Some(&"iam:CreateAccessKey" | &"iam:CreateLoginProfile" | &"iam:UpdateLoginProfile") => {
                format!("sign in as {target}")
            }
            Some(&"iam:AddUserToGroup") => format!("add users to {target}"),
            _ => format!("change {target}"),
        }
    }

    /// The kind and the name of the first target.
    fn first(&self) -> (String, String) {
        let first = self.targets.first().map_or("", String::as_str);
        // A pattern, which need not be a whole ARN.
        let resource = first.splitn(6, ':').nth(5).unwrap_or(first).replace(UNKNOWN, "*");
        let (kind, own) = resource.split_once('/').unwrap_or(("", &resource));
        (name(kind), name(own))
    }

    /// `role app-*`, `policy app and 2 more`.
    fn target(&self) -> String {
        let (kind, own) = self.first();
        let name = if kind.is_empty() { own } else { format!("{kind} {own}") };
        match self.targets.len() {
            0 | 1 => name,
            more => format!("{name} and {} more", more - 1),
        }
    }
}

/// `s3`, `s3 and ec2`, `s3, ec2 and 2 more services`. Names that no service of AWS has are counted only: they may be
/// sentences.
fn controlled(services: &[String]) -> String {
    if services.iter().any(|s| s == "*") {
        return "nearly every service".to_owned();
    }
    let plain = |s: &&String| {
        s.len() <= 24 && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let named: Vec<&str> = services.iter().filter(plain).take(2).map(String::as_str).collect();
    match (named.as_slice(), services.len() - named.len()) {
        ([], 1) => "a service".to_owned(),
        ([], count) => format!("{count} services"),
        (named, 0) => named.join(" and "),
        (named, 1) => format!("{} and 1 more service", named.join(", ")),
        (named, more) => format!("{} and {more} more services", named.join(", ")),
    }
}

/// What somebody can do, at the present and in other moods. As text, to follow a name, it is at most 80 characters: `is a
/// full administrator`, `fully controls s3 and ec2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    verb: Verb,
    object: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Is,
    Can,
    Controls,
    Has,
}

impl Verb {
    fn now(self) -> &'static str {
        match self {
            Verb::Is => "is",
            Verb::Can => "can",
            Verb::Controls => "fully controls",
            Verb::Has => "has",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.now(), self.object)
    }
}

impl Ability {
    /// With `now` or `already` at its place: `is now …`, `can now …`, `now fully controls …`.
    pub fn with_adverb(&self, adverb: &str) -> String {
        let (verb, object) = (self.verb.now(), &self.object);
        match self.verb {
            Verb::Is | Verb::Can => format!("{verb} {adverb} {object}"),
            Verb::Controls | Verb::Has => format!("{adverb} {verb} {object}"),
        }
    }

    /// What it would be: `would be …`, `could …`, `would fully control …`.
    pub fn would(&self) -> String {
        let verb = match self.verb {
            Verb::Is => "would be",
            Verb::Can => "could",
            Verb::Controls => "would fully control",
            Verb::Has => "would have",
        };
        format!("{verb} {}", self.object)
    }
}

/// `IpAddress aws:SourceIp 203.0.113.0/24`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", name(&self.operator), name(&self.key), values(self))
    }
}

/// The values of a condition, of which one must fit.
fn values(condition: &Condition) -> String {
    clean(&condition.values.join(" or "), 100)
}

impl Share {
    /// Whom, as a sentence names them.
    pub fn whom(&self) -> String {
        let written = || clean(&self.principal, MAX_NAME);
        match (&self.who, &self.service_principal) {
            (Outsider::Everyone, _) => self.anybody(),
            (Outsider::ExternalAccount(account), Some(service)) => {
                format!("{}, acting for outside account {account},", clean(service, MAX_NAME))
            }
            (Outsider::Service, service) => {
                let service = clean(service.as_deref().unwrap_or(&self.principal), MAX_NAME);
                match (self.guard, &self.condition) {
                    (Some(Guard::Organization), Some(condition)) => {
                        format!("{service}, acting for any account of organization {},", values(condition))
                    }
                    _ => format!("{service}, acting for any account,"),
                }
            }
            (Outsider::ExternalAccount(account), None) => format!("outside account {account}"),
            (Outsider::Deleted | Outsider::Untold, _) => {
                format!("somebody whose account cannot be told ({})", written())
            }
        }
    }

    /// Everybody, as far as the guard lets them come.
    fn anybody(&self) -> String {
        let Some((guard, condition)) = self.guard.zip(self.condition.as_ref()) else {
            return match self.unsigned {
                true => "anybody on the internet".to_owned(),
                false => "anybody with an AWS account".to_owned(),
            };
        };
        let values = values(condition);
        match guard {
            Guard::Organization => format!("anybody in organization {values}"),
            Guard::Addresses | Guard::Vpc | Guard::Network => format!("anybody who comes from {values}"),
            Guard::Source => format!("any AWS service that acts for {values}"),
            Guard::AccessPoint => format!("whoever an access point of {values} lets in"),
            Guard::Tags => {
                let tag = condition.key.split_once('/').map_or("", |(_, tag)| tag);
                format!("whoever has the tag {} {values}", clean(tag, MAX_NAME))
            }
            Guard::Principals => format!("whoever has the id {values}"),
        }
    }

    /// What they can do with the resource, as it follows "can" or "may".
    pub fn ability(&self) -> String {
        if abilities::is_everything(&self.service, &self.actions) {
            return "do anything with it".to_owned();
        }
        let can = abilities::told(&self.service, &self.actions);
        match can.is_empty() {
            true => format!("call {}", list(&names(&self.actions))),
            false => list(&can.into_iter().map(str::to_owned).collect::<Vec<_>>()),
        }
    }

    /// One plain sentence without a full stop.
    pub fn why(&self) -> String {
        let by = self.condition.as_ref().map(by).unwrap_or_default();
        format!("statement {} lets {} {}{by}", self.statement, self.whom(), self.ability())
    }
}

/// `, as far as a condition on aws:PrincipalOrgID allows`.
fn by(condition: &Condition) -> String {
    format!(", as far as a condition on {} allows", clean(&condition.key, MAX_NAME))
}

impl Exposure {
    /// Who comes, as a sentence names them.
    pub fn who(&self) -> String {
        let written = || clean(&self.principal, MAX_NAME);
        match &self.comer {
            Comer::Anybody => self.anybody(),
            Comer::Account(account) => format!("outside account {account}"),
            Comer::Untold => format!("an identity whose account cannot be told ({})", written()),
            Comer::CanonicalUser => format!("the account with the canonical id {}", written()),
            Comer::Unknown => clean(&self.principal, MAX_PRINCIPAL),
            Comer::OutsideProvider(account) => {
                format!("an identity provider of outside account {}", clean(account, MAX_NAME))
            }
            Comer::Saml(provider) => {
                format!("every identity of the SAML provider {}", clean(provider, MAX_NAME))
            }
            Comer::Oidc { host, subjects } => match subjects {
                Some(subjects) => format!("{} of {}", clean(subjects, MAX_NAME), clean(host, 128)),
                None => format!("every identity of {}", clean(host, 128)),
            },
            Comer::Named { provider, identities } => {
                format!("{} of {}", clean(&identities.join(" or "), 100), clean(provider, MAX_NAME))
            }
            Comer::ServiceFor { service, account } => {
                format!("{}, acting for outside account {account},", clean(service, MAX_NAME))
            }
            Comer::Certificates => "whoever has a certificate that IAM Roles Anywhere takes".to_owned(),
        }
    }

    /// Everybody, as far as the guard lets them come.
    fn anybody(&self) -> String {
        match &self.narrowed {
            Some(Narrowing::Condition(condition)) => match condition.key.to_ascii_lowercase().as_str() {
                "aws:principalorgid" => format!("anybody in organization {}", values(condition)),
                "aws:principalorgpaths" => format!("anybody in organization unit {}", values(condition)),
                _ => format!(
                    "anybody in any AWS account whom a condition on {} admits",
                    clean(&condition.key, MAX_NAME)
                ),
            },
            Some(Narrowing::Deny) => {
                "anybody in any AWS account whom another statement does not deny".to_owned()
            }
            Some(Narrowing::ExternalId) | None => "anybody in any AWS account".to_owned(),
        }
    }

    /// One plain sentence without a full stop.
    pub fn why(&self) -> String {
        let (who, written) = (self.who(), clean(&self.principal, MAX_PRINCIPAL));
        let narrowed = match &self.narrowed {
            Some(Narrowing::Condition(condition)) => by(condition),
            Some(Narrowing::Deny) => ", as far as another statement does not deny it".to_owned(),
            Some(Narrowing::ExternalId) => ", which must give an external id".to_owned(),
            None => String::new(),
        };
        let what = match &self.comer {
            Comer::Anybody => format!("lets anyone in any AWS account assume the role{narrowed}"),
            Comer::Account(account) => format!("lets the AWS account {account} assume the role{narrowed}"),
            Comer::Untold => {
                format!("lets {written} assume the role, whose account cannot be told{narrowed}")
            }
            Comer::CanonicalUser => format!("lets {who} assume the role{narrowed}"),
            Comer::Unknown => {
                format!("lets {written} assume the role, which is no kind of principal that is known")
            }
            Comer::OutsideProvider(_) => format!("lets {who} say who may assume the role{narrowed}"),
            Comer::Saml(_) | Comer::ServiceFor { .. } => format!("lets {who} assume the role"),
            Comer::Named { .. } => format!("lets {who} assume the role, and does not say whose that is"),
            Comer::Certificates => format!("lets {who} assume the role, whichever trust anchor it is of"),
            Comer::Oidc { subjects: Some(_), .. } => {
                format!("lets {who} assume the role, which is more than one's own")
            }
            Comer::Oidc { subjects: None, .. } => {
                format!("lets {who} assume the role, for no condition names the subject")
            }
        };
        format!("statement {} {what}", self.statement)
    }
}

/// An ARN, or `everybody in the account`.
impl fmt::Display for Insider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Insider::Everybody => f.write_str("everybody in the account"),
            Insider::Principal(arn) => f.write_str(&clean(arn, MAX_PRINCIPAL)),
        }
    }
}

/// `identities of gitlab.com (project_path:team/app)`.
impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limited =
            if self.claims.is_empty() { String::new() } else { format!(" ({})", self.claims.join(", ")) };
        f.write_str(&clean(&format!("identities of {}{limited}", self.name), 200))
    }
}

/// One plain sentence without a full stop.
impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Denied { action, service } => {
                let ability = match *action {
                    "kms:Decrypt" => "decrypt with it",
                    "kms:GenerateDataKey" => "encrypt with it",
                    "kms:CreateGrant" => "let services use it",
                    "kms:PutKeyPolicy" => "rewrite its policy again",
                    other => return write!(f, "the policy denies {other}"),
                };
                match service {
                    Some(service) => write!(f, "the policy denies {} to {ability}", clean(service, MAX_NAME)),
                    None => write!(f, "the policy denies the account itself to {ability}"),
                }
            }
            Loss::NotAllowed => f.write_str("no statement lets the account itself rewrite its policy again"),
        }
    }
}
