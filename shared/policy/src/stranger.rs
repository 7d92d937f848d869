//! Who from outside gets past the conditions of a statement, and past the Denies beside it.
//!
//! A stranger is a [`World`]: what a caller of another account can bring along. Conditions of one statement are ANDed, so a
//! Deny with several holds only where all of them do, and whoever makes one of them fail gets past it (IAM user guide,
//! "Conditions with multiple context keys or values"). Where a stranger gets in only with something that AWS gave to
//! somebody else (an organization, an address, an endpoint), that is its [`Guard`].

use std::net::IpAddr;

use keepwatch_base::arn::{Arn, is_account_id};
use keepwatch_base::network::Cidr;
use serde::Serialize;

use super::condition::{
    Attainable, Constraint, Domain, FILL, FRESH, Kind, Operator, World, groups, satisfiable,
};
use super::document::{Condition, Principal, PrincipalKind, Statement, account_of};

/// What narrows an opening, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    /// An access point of the own account, whose own policy says who comes through it.
    AccessPoint,
    /// Private addresses.
    Network,
    /// Requests that an AWS service makes for one named resource.
    Source,
}

/// Stands for the organization of the resource's own account.
const OWN_ORGANIZATION: &str = "o-\u{6}";

/// Stand for addresses anywhere: none that anybody has, and so in no list but one that holds the internet or half of it.
const ADDRESSES: [&str; 3] = ["240.77.13.1", "0.77.13.1", "3fff:fff:77::1"];

/// The most ways past a list of Denies that are tried. AWS's limits leave room for more, people do not write them; Denies
/// beyond count as if they were not there.
const MAX_WAYS: usize = 256;

/// Somebody from outside.
#[derive(Clone, Debug)]
pub(crate) struct Stranger<'a> {
    /// The account that owns the resource.
    pub(crate) own: &'a str,
    /// The stranger's account; [`FRESH`] for anybody's.
    pub(crate) account: &'a str,
    /// The stranger's ARN, where a policy names it and not the whole account.
    pub(crate) arn: Option<&'a str>,
    /// Requests without a signature are answered as well.
    pub(crate) unsigned: bool,
    /// It is an AWS service that acts for the account.
    pub(crate) service: bool,
    /// A condition on `aws:PrincipalArn` that names some principals of the account is a guard.
    pub(crate) names_guard: bool,
}

impl<'a> Stranger<'a> {
    /// Anybody.
    pub(crate) fn anybody(own: &'a str) -> Stranger<'a> {
        Stranger { own, account: FRESH, arn: None, unsigned: false, service: false, names_guard: false }
    }

    /// The principal that a value names: an account, or one of its users, roles or sessions.
    pub(crate) fn named(own: &'a str, value: &'a str) -> Stranger<'a> {
        let arn = (!Stranger::is_whole(value) && !value.contains(['*', '?'])).then_some(value);
        Stranger { account: account_of(value).unwrap_or(value), arn, ..Stranger::anybody(own) }
    }

    /// Whether a principal's value is a whole account: its number, or the ARN of its root user.
    pub(crate) fn is_whole(value: &str) -> bool {
        Arn::parse(value).is_none_or(|arn| arn.resource == "root")
    }

    /// What keeps the stranger from making requests of this kind, and how far it must reach for them.
    fn relaxed(&self, key: &str) -> Option<(Guard, Domain)> {
        let none = Domain { absent: false, ..Domain::never() };
        let free = |is_value: fn(&str) -> bool| none.clone().reaching(Attainable::Free(is_value));
        let organization = |text: &str| {
            text.starts_with("o-")
                && text.len() > 2
                && !text.contains('*')
                && !text.starts_with(OWN_ORGANIZATION)
        };
        // Whose resource it is, the ARN of a bucket does not say.
        let ownerless = |text: &str| Arn::parse(text).is_some_and(|arn| arn.account.is_empty());
        Some(match key {
            "aws:principalorgid"
            | "aws:principalorgpaths"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:vpceorgid"
            | "aws:vpceorgpaths" => (Guard::Organization, free(organization)),
            "aws:sourcevpc" | "aws:ec2instancesourcevpc" => {
                (Guard::Vpc, free(|text| text.starts_with("vpc-") && !text.contains('*')))
            }
            "aws:sourcevpce" => (Guard::Vpc, free(|text| text.starts_with("vpce-") && !text.contains('*'))),
            "aws:sourceip" => (Guard::Addresses, free(is_address)),
            "aws:userid" | "aws:principalid" => (Guard::Principals, free(|text| !text.is_empty())),
            "aws:principalarn" if self.names_guard && self.arn.is_none() => {
                (Guard::Principals, none.clone().reaching(Attainable::Account(self.account.to_owned())))
            }
            "aws:sourcearn" => (Guard::Source, free(ownerless)),
            "s3:dataaccesspointaccount" => (Guard::AccessPoint, Domain::only(&[self.own])),
            "s3:dataaccesspointarn" => {
                let any = format!("arn:aws:s3:us-east-1:{}:accesspoint/{FILL}", self.own);
                (Guard::AccessPoint, Domain::only(&[&any]))
            }
            "aws:principalisawsservice" => (Guard::Source, Domain::only(&["true"])),
            "aws:principalservicename" | "aws:principalservicenameslist" => {
                (Guard::Source, free(|text| !text.is_empty()))
            }
            tag if tag.starts_with("aws:principaltag/") => {
                // No tag of IAM's holds an asterisk.
                let tags = Domain { absent: false, ..Domain::free() };
                (Guard::Tags, tags.reaching(Attainable::Free(|text| !text.contains('*'))))
            }
            _ => return None,
        })
    }

    /// Values of the stranger's account; where that is anybody's, a wildcard that leaves digits open is met by somebody.
    fn accounts(&self) -> Domain {
        let attainable =
            if self.account == FRESH { Attainable::Given(11, |_| true) } else { Attainable::Nothing };
        let mut domain = Domain::only(&[self.account]).reaching(attainable);
        // As a request without a signature has it (AWS global condition context keys, "aws:PrincipalAccount").
        domain.samples.extend(self.unsigned.then(|| "anonymous".to_owned()));
        domain
    }
}

impl World for Stranger<'_> {
    fn domain(&self, key: &str) -> Domain {
        let account = self.account;
        match key {
            "aws:principalaccount" | "kms:calleraccount" => self.accounts(),
            "aws:sourceaccount" | "aws:sourceowner" | "aws:vpceaccount" | "s3:dataaccesspointaccount" => {
                self.accounts().or_absent()
            }
            "aws:principalarn" => {
                let domain = match self.arn {
                    Some(arn) => Domain::only(&[arn]),
                    None => {
                        let kinds =
                            ["role", "user"].map(|kind| format!("arn:aws:iam::{account}:{kind}/{FILL}"));
                        let domain = Domain::only(&[&kinds[0], &kinds[1]]);
                        let named = self.names_guard;
                        if named { domain } else { domain.reaching(Attainable::Account(account.to_owned())) }
                    }
                };
                if self.unsigned { domain.or_absent() } else { domain }
            }
            "aws:sourcearn" | "s3:dataaccesspointarn" => {
                let samples =
                    [format!("arn:aws:s3:::{FILL}"), format!("arn:aws:sns:us-east-1:{account}:{FILL}")];
                let domain = Domain {
                    absent: !self.service,
                    samples: samples.into(),
                    attainable: Attainable::Nothing,
                };
                domain.reaching(Attainable::Account(account.to_owned()))
            }
            // Where AWS gave out the credentials with which the stranger comes.
            "ec2:sourceinstancearn" | "lambda:sourcefunctionarn" | "ssm:sourceinstancearn" => {
                let sample = format!("arn:aws:ec2:us-east-1:{account}:instance/{FILL}");
                Domain::only(&[&sample]).or_absent().reaching(Attainable::Account(account.to_owned()))
            }
            "aws:federatedprovider" => {
                let own = format!("arn:aws:iam::{account}:oidc-provider/{FILL}");
                let samples = [own.as_str(), "cognito-identity.amazonaws.com", "accounts.google.com"];
                Domain::only(&samples).or_absent().reaching(Attainable::Account(account.to_owned()))
            }
            "aws:principalorgid"
            | "aws:sourceorgid"
            | "aws:vpceorgid"
            | "aws:principalorgpaths"
            | "aws:sourceorgpaths"
            | "aws:vpceorgpaths" => {
                Domain::only(&[&format!("o-{FRESH}"), &format!("o-{FRESH}/r-{FILL}/ou-{FILL}/")])
                    .or_absent()
                    .reaching(Attainable::Given(4, |text| text.starts_with("o-")))
            }
            // What a policy writes here is what its author takes for the owner.
            "aws:resourceorgid" | "aws:resourceorgpaths" => {
                Domain::only(&[OWN_ORGANIZATION]).reaching(Attainable::Free(|text| !text.contains(FRESH)))
            }
            "aws:resourceaccount" | "s3:resourceaccount" => {
                Domain::only(&[self.own]).reaching(Attainable::Free(is_account_id))
            }
            "aws:sourcevpc" | "aws:ec2instancesourcevpc" => Domain::only(&[&format!("vpc-{FRESH}")])
                .or_absent()
                .reaching(Attainable::Given(4, |text| text.starts_with("vpc-"))),
            "aws:sourcevpce" => Domain::only(&[&format!("vpce-{FRESH}")])
                .or_absent()
                .reaching(Attainable::Given(5, |text| text.starts_with("vpce-"))),
            "aws:sourceip" => Domain::only(&ADDRESSES).or_absent().reaching(Attainable::Given(0, |_| true)),
            "aws:userid" | "aws:principalid" => {
                let domain =
                    Domain::only(&[&format!("AROA{FRESH}:{FILL}")]).reaching(Attainable::Given(8, |_| true));
                if self.unsigned { domain.or_absent() } else { domain }
            }
            "aws:securetransport" | "aws:viaawsservice" => Domain::only(&["true", "false"]),
            "aws:principalisawsservice" => Domain::only(&[if self.service { "true" } else { "false" }]),
            "aws:principalservicename" | "aws:principalservicenameslist" if !self.service => Domain::never(),
            // The file system's own network, which no stranger is in (EFS user guide, "Blocking public access").
            "elasticfilesystem:accessedviamounttarget" => Domain::only(&["false"]),
            // A secret that the service keeps (Lambda developer guide, "Alexa").
            "lambda:eventsourcetoken" => Domain::never(),
            // What a service encrypts is written down with the ARN of whose it is (KMS developer guide, "kms:EncryptionContext").
            context if self.service && context.starts_with("kms:encryptioncontext:") => {
                Domain::free().reaching(Attainable::Free(|text| !text.split(':').any(is_account_id)))
            }
            tag if tag.starts_with("aws:principaltag/") => Domain::never(),
            _ => Domain::free(),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(match name.to_ascii_lowercase().as_str() {
            "aws:resourceaccount" => self.own.to_owned(),
            "aws:principalaccount" | "aws:sourceaccount" => self.account.to_owned(),
            "aws:resourceorgid" | "aws:resourceorgpaths" => OWN_ORGANIZATION.to_owned(),
            "aws:principalorgid" | "aws:principalorgpaths" => format!("o-{FRESH}"),
            _ => return None,
        })
    }
}

/// Whether it is an address, or what a wildcard in one leaves open: `203.0.113.~`.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || (text.contains(FILL) && text.split('.').count() == 4)
}

/// What a stranger needs to get in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need<'c> {
    pub(crate) guard: Guard,
    /// The condition that asks for it.
    pub(crate) condition: &'c Condition,
    /// Another statement, which denies, asks for it.
    pub(crate) by_deny: bool,
}

/// The conditions that decide who gets in by one Allow.
#[derive(Debug)]
pub(crate) struct Gate<'c> {
    allow: &'c [Condition],
    /// The conditions of each Deny that covers the Allow.
    denies: Vec<&'c [Condition]>,
    variables: bool,
}

impl<'c> Gate<'c> {
    /// `denies` are those that hold for all that the Allow gives, and for the principal in question.
    pub(crate) fn new(allow: &'c Statement, denies: &[&'c Statement], variables: bool) -> Gate<'c> {
        let denies = denies.iter().map(|deny| deny.conditions.as_slice()).collect();
        Gate { allow: &allow.conditions, denies, variables }
    }

    /// Whether the stranger gets in: `None` if not, and otherwise what it needs for that, if anything.
    pub(crate) fn admits(&self, stranger: &Stranger<'_>) -> Option<Option<Need<'c>>> {
        let mut least: Option<Option<Need<'c>>> = None;
        for way in self.ways() {
            let Some(need) = self.need(&self.asked(way, stranger), stranger) else { continue };
            let weaker = |least: &Option<Need<'_>>| need.map(|n| n.guard) < least.map(|n| n.guard);
            if least.as_ref().is_none_or(weaker) {
                least = Some(need);
            }
        }
        least
    }

    /// Whether requests of this world get in.
    pub(crate) fn passes(&self, world: &impl World) -> bool {
        let meets = |(key, group): &(String, Vec<_>)| satisfiable(group, &world.domain(key)).is_some();
        self.ways().into_iter().any(|way| self.asked(way, world).iter().all(meets))
    }

    /// Whether a Deny keeps the principal out whatever it brings along.
    pub(crate) fn is_shut(&self) -> bool {
        self.ways().is_empty()
    }

    /// What requests must meet and fail to get in this way.
    fn asked(&self, way: Vec<&'c Condition>, world: &impl World) -> Vec<(String, Vec<Constraint<'c>>)> {
        let allowed = self.allow.iter().map(|one| (one, true));
        let asked = allowed.chain(way.into_iter().map(|one| (one, false)));
        groups(asked.map(|(one, wanted)| Constraint::new(one, wanted, self.variables, world)).collect())
    }

    /// What it takes to meet all the constraints; `None` if nothing does.
    fn need(
        &self,
        groups: &[(String, Vec<Constraint<'c>>)],
        stranger: &Stranger<'_>,
    ) -> Option<Option<Need<'c>>> {
        let mut most: Option<Need<'c>> = None;
        for (key, group) in groups {
            if satisfiable(group, &stranger.domain(key)).is_some() {
                continue;
            }
            let (mut guard, domain) = stranger.relaxed(key)?;
            let carried = satisfiable(group, &domain)?;
            if guard == Guard::Addresses
                && carried.as_deref().and_then(Cidr::parse).is_some_and(|one| one.is_private())
            {
                guard = Guard::Network;
            }
            if most.is_none_or(|most| most.guard < guard) {
                let condition = group[0].condition;
                let by_deny = !self.allow.iter().any(|one| std::ptr::eq(one, condition));
                most = Some(Need { guard, condition, by_deny });
            }
        }
        Some(most)
    }

    /// One condition of each Deny that must fail, in every combination. None at all where a Deny has no condition.
    fn ways(&self) -> Vec<Vec<&'c Condition>> {
        let mut ways: Vec<Vec<&Condition>> = vec![Vec::new()];
        for deny in &self.denies {
            let ends: Vec<&Condition> = deny.iter().filter(|one| !spares_services(one)).collect();
            if ways.len().saturating_mul(ends.len()) > MAX_WAYS {
                continue;
            }
            let longer = |way: &Vec<&'c Condition>| {
                let way = way.clone();
                ends.iter().map(move |end| way.iter().copied().chain([*end]).collect()).collect::<Vec<_>>()
            };
            ways = ways.iter().flat_map(longer).collect();
        }
        ways
    }

    /// The accounts and ARNs that the conditions write, in their order.
    pub(crate) fn named(&self) -> impl Iterator<Item = &'c str> {
        let conditions = self.allow.iter().chain(self.denies.iter().copied().flatten());
        conditions.filter(|one| names_accounts(&one.key)).flat_map(|one| &one.values).map(String::as_str)
    }
}

/// Whether values of the key name accounts, or ARNs that name one.
fn names_accounts(key: &str) -> bool {
    let keys = [
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:SourceAccount",
        "aws:SourceOwner",
        "aws:SourceArn",
        "aws:VpceAccount",
        "aws:FederatedProvider",
        "ec2:SourceInstanceArn",
        "lambda:SourceFunctionArn",
        "ssm:SourceInstanceArn",
        "kms:CallerAccount",
        "s3:DataAccessPointAccount",
        "s3:DataAccessPointArn",
    ];
    keys.iter().any(|known| key.eq_ignore_ascii_case(known))
}

/// Perimeters spare AWS's own services, which are no outsiders. `aws:ViaAWSService` is another matter: a service may come for
/// anybody.
fn spares_services(condition: &Condition) -> bool {
    Operator::parse(&condition.operator).kind == Kind::Bool
        && condition.key.eq_ignore_ascii_case("aws:PrincipalIsAWSService")
        && condition.values == ["false"]
}

/// Whether a Deny speaks of the principal. A NotPrincipal spares whom it names, and the accounts whose root it names.
pub(crate) fn concerns(deny: &Statement, principal: &Principal) -> bool {
    match &deny.not_principals {
        Some(spared) => !names(spared, principal),
        None => names(&deny.principals, principal),
    }
}

/// Whether the principal is in the list, by itself or with its whole account.
pub(crate) fn names(list: &[Principal], principal: &Principal) -> bool {
    list.iter().any(|one| {
        let everyone = one.kind == PrincipalKind::Aws && one.value == "*";
        let account =
            account_of(&one.value).filter(|_| one.kind == principal.kind && Stranger::is_whole(&one.value));
        one == principal
            || everyone
            || account.is_some_and(|account| account_of(&principal.value) == Some(account))
    })
}

/// Whom a Deny spares by name.
pub(crate) fn spared<'d>(denies: &[&'d Statement]) -> impl Iterator<Item = &'d str> {
    let lists = denies.iter().filter_map(|deny| deny.not_principals.as_ref());
    let principals = lists.flatten().filter(|one| one.kind == PrincipalKind::Aws);
    principals.map(|one| one.value.as_str()).collect::<Vec<_>>().into_iter()
}
