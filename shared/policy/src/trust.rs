//! Who may assume a role, as its trust policy says: everyone, other accounts, or whoever an identity provider lets in.
//!
//! AWS services are no exposure; [`trusted_services`] lists them, for they make a powerful role usable by a workload.

use keepwatch_base::arn::{Arn, is_account_id};
use keepwatch_base::text::clean;
use keepwatch_base::wildcard;
use serde::Serialize;

use super::condition::{FILL, Kind, Operator, Order};
use super::document::{Condition, Document, Effect, Principal, PrincipalKind, Statement, account_of};
use super::holder::Holder;
use super::stranger::{Gate, Guard, Need, Stranger, concerns, names, spared};
use super::verdict::StatementId;

/// The kind of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureKind {
    /// Anyone in any AWS account.
    Public,
    /// A principal of an account that is neither the role's own nor trusted, or whose account cannot be told.
    ExternalAccount,
    /// Identities of a provider, without a condition that says which.
    Federated,
    /// Identities that a condition names, of a provider whose identities are everybody's: repositories of GitHub, pools of
    /// Cognito. Whose they are the policy does not say.
    Named,
    /// Whoever holds a certificate that Roles Anywhere takes, whichever trust anchor it is of.
    Certificates,
}

/// One opening in a trust policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// The kind of opening.
    pub kind: ExposureKind,
    /// The principal as written, or the one that a condition puts in the place of `*`; made safe to show.
    pub principal: String,
    /// The statement that opens it.
    pub statement: StatementId,
    /// Who comes.
    pub comer: Comer,
    /// What narrows it, be it enough for a guard or not.
    pub narrowed: Option<Narrowing>,
    /// A condition narrows it: an organization, named principals, or (for one named account) an external id.
    pub guarded: bool,
}

/// Who comes through an opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comer {
    /// Anyone in any AWS account.
    Anybody,
    /// This account, or a principal of it.
    Account(String),
    /// A principal of AWS's whose account cannot be told.
    Untold,
    /// An account by its S3 canonical id.
    CanonicalUser,
    /// A kind of principal that IAM does not document.
    Unknown,
    /// Whoever an identity provider says; the provider is this outside account's.
    OutsideProvider(String),
    /// Identities of this SAML provider.
    Saml(String),
    /// Identities of an OIDC provider.
    Oidc {
        /// The provider's host and path.
        host: String,
        /// Which of its identities, where a condition on the subject says it, but not narrowly enough.
        subjects: Option<String>,
    },
    /// These identities of a provider that everybody has.
    Named {
        /// The provider's host and path.
        provider: String,
        /// As the condition writes them: the values of `sub`, or the claim's name and its value
        /// (`repository_owner:octo-org`).
        identities: Vec<String>,
    },
    /// A service of AWS's that acts for an outside account.
    ServiceFor {
        /// The service.
        service: String,
        /// The account.
        account: String,
    },
    /// Holders of certificates, by Roles Anywhere.
    Certificates,
}

/// What narrows an opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Narrowing {
    /// A condition of the statement, on principals or organizations.
    Condition(Condition),
    /// Another statement, which denies.
    Deny,
    /// The caller must give an external id.
    ExternalId,
}

/// Whom of its own account a trust policy names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Insider {
    /// One user or role, by its ARN, which may be a pattern.
    Principal(String),
    /// Every user and role, without a permission of their own.
    Everybody,
}

/// An identity provider that a trust policy names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Provider {
    /// Host and path, or the SAML provider's name.
    pub name: String,
    /// The values of the claims that conditions ask for, the audience aside.
    pub claims: Vec<String>,
}

/// The calls by which a role is assumed.
const ASSUME: [&str; 3] = ["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"];

/// Providers of one address for all their customers: an audience says nothing about who comes (IAM user guide,
/// "Identity-provider controls for shared OIDC providers").
const SHARED_PROVIDERS: [&str; 21] = [
    "token.actions.githubusercontent.com",
    "vstoken.actions.githubusercontent.com",
    "oidc-configuration.audit-log.githubusercontent.com",
    "gitlab.com",
    "app.terraform.io",
    "accounts.google.com",
    "www.amazon.com",
    "graph.facebook.com",
    "cognito-identity.amazonaws.com",
    "appleid.apple.com",
    "agent.buildkite.com",
    "oidc.codefresh.io",
    "oidc.modal.com",
    "scalr.io",
    "studio.datachain.ai/api",
    "tokens.cloud.shisho.dev",
    "proidc.upbound.io",
    "login.app.env0.com",
    "oidc.vercel.com",
    "api.pulumi.com/oidc",
    "sandboxes.cloud",
];

/// Those of them whose audience is the customer (same page).
const CUSTOMER_IS_AUDIENCE: [&str; 3] = ["oidc.vercel.com", "api.pulumi.com/oidc", "sandboxes.cloud"];

/// Those of them whose subjects are people and devices, by numbers that tell nothing of an owner.
const NUMBERED: [&str; 5] = [
    "accounts.google.com",
    "www.amazon.com",
    "graph.facebook.com",
    "cognito-identity.amazonaws.com",
    "appleid.apple.com",
];

/// What stands in subjects and audiences before the customer's name.
const LABELS: [&str; 18] = [
    "account",
    "aws",
    "credentials",
    "deploy",
    "environments",
    "github.com",
    "https",
    "job",
    "mcp",
    "modal",
    "org",
    "organization",
    "owner",
    "project_path",
    "pulumi",
    "repo",
    "vercel.com",
    "workspace_id",
];

/// Claims beside the subject that say whose token it is (service authorization reference, "AssumeRoleWithWebIdentity"). What
/// its owner may call as it likes, a branch or an environment, is none.
const OWNER_CLAIMS: [&str; 21] = [
    "cluster_id",
    "email",
    "enterprise_id",
    "google/organization_number",
    "id",
    "job_workflow_ref",
    "namespace_id",
    "namespace_path",
    "oaud",
    "organization_id",
    "organization_slug",
    "pipeline_id",
    "project_id",
    "project_path",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "terraform_organization_id",
    "user_email",
    "user_id",
];

/// The openings of a role's trust policy, in the document's order. `own_account` and `trusted_accounts` are account
/// numbers.
///
/// A Deny counts where it plainly covers the calls of the principal. Those of its conditions that an outsider can make fail
/// let that outsider past it.
pub fn exposures(document: &Document, own_account: &str, trusted_accounts: &[String]) -> Vec<Exposure> {
    let known =
        |account: &str| account == own_account || trusted_accounts.iter().any(|trusted| trusted == account);
    let mut all = Vec::new();
    for (i, statement) in document.statements.iter().enumerate() {
        if statement.effect != Effect::Allow || !assumes(statement) {
            continue;
        }
        let opening =
            Opening { document, statement, id: StatementId::of(statement, i + 1), own: own_account };
        if statement.not_principals.is_some() {
            // Everyone but a few is everyone.
            let everyone = Principal { kind: PrincipalKind::Aws, value: "*".to_owned() };
            all.extend(opening.exposures(&everyone, &known));
        }
        for principal in &statement.principals {
            all.extend(opening.exposures(principal, &known));
        }
    }
    all
}

/// The AWS services that may assume the role (`lambda.amazonaws.com`), each once.
pub fn trusted_services(document: &Document) -> Vec<String> {
    let allows = document.statements.iter().filter(|s| s.effect == Effect::Allow && assumes(s));
    let services = allows.flat_map(|s| &s.principals).filter(|p| p.kind == PrincipalKind::Service);
    let mut all: Vec<String> = services.map(|p| clean(&p.value.to_ascii_lowercase(), 128)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether the statement speaks of assuming the role. A right to tag sessions alone opens nothing.
fn assumes(statement: &Statement) -> bool {
    ASSUME.iter().any(|action| statement.names(action))
}

/// The Denies that hold for every call with which this principal could assume the role by the Allow.
fn denies<'d>(document: &'d Document, allow: &Statement, principal: &Principal) -> Vec<&'d Statement> {
    // Each kind of principal has a call of its own (IAM user guide, "Methods to assume a role").
    let own = match principal.kind {
        PrincipalKind::Aws | PrincipalKind::Service => Some(ASSUME[0]),
        PrincipalKind::Federated if principal.value.contains(":saml-provider/") => Some(ASSUME[1]),
        PrincipalKind::Federated => Some(ASSUME[2]),
        PrincipalKind::CanonicalUser | PrincipalKind::Other => None,
    };
    let own = own.filter(|call| allow.names(call));
    let covers = |deny: &&Statement| {
        let mut calls = ASSUME.iter().filter(|call| allow.names(call) && own.is_none_or(|own| own == **call));
        deny.effect == Effect::Deny && calls.all(|call| deny.names(call)) && concerns(deny, principal)
    };
    document.statements.iter().filter(covers).collect()
}

/// What decides whether this principal assumes the role by the Allow.
fn gate<'d>(document: &'d Document, allow: &'d Statement, principal: &Principal) -> Gate<'d> {
    Gate::new(allow, &denies(document, allow, principal), document.has_variables())
}

/// Whether each of these users and roles of the account gets through.
fn all_pass(gate: &Gate<'_>, account: &str, resources: &[&str]) -> bool {
    resources.iter().all(|resource| gate.passes(&insider(account, resource)))
}

/// A user or role of the account, as `user/bob`.
fn insider(account: &str, resource: &str) -> Holder {
    Holder::new(Some(format!("arn:aws:iam::{account}:{resource}").as_str()).into(), Vec::new())
}

/// A user and a role whose names no policy writes.
const NAMELESS: [&str; 2] = ["user/~", "role/~"];

/// The users and roles of the role's own account that the policy names, and that therefore need no permission of
/// their own to assume it; each once. The account's `:root` is not among them: it leaves the decision to their policies.
/// Where everybody in any account comes, nobody is named.
pub fn insiders(document: &Document, own_account: &str) -> Vec<Insider> {
    let mut all = Vec::new();
    for statement in document.statements.iter().filter(|s| s.effect == Effect::Allow && assumes(s)) {
        let everyone = |principal: &&Principal| account_of(&principal.value).is_some_and(wildcard::is_wild);
        let aws = || statement.principals.iter().filter(|principal| principal.kind == PrincipalKind::Aws);
        if statement.not_principals.is_some() || aws().any(|principal| everyone(&principal)) {
            all.extend(admitted(document, statement, own_account));
        }
        let own = aws().filter_map(|one| Some((one, own_resource(&one.value, own_account)?)));
        let named = own.filter(|(principal, resource)| {
            all_pass(&gate(document, statement, principal), own_account, &[resource])
        });
        all.extend(named.map(|(principal, _)| Insider::Principal(principal.value.clone())));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The user or role that a value names, or one that its pattern fits; nothing where it is of another account, or the whole.
fn own_resource(value: &str, own_account: &str) -> Option<String> {
    let arn = Arn::parse(value).filter(|arn| wildcard::matches(arn.account, own_account))?;
    (arn.resource != "root").then(|| arn.resource.replace(['*', '?'], FILL))
}

/// Whom of its own account an Allow for everybody lets in: everybody, or those whom conditions and Denies name.
fn admitted(document: &Document, statement: &Statement, own_account: &str) -> Vec<Insider> {
    let principal = |value: &str| Principal { kind: PrincipalKind::Aws, value: value.to_owned() };
    let everyone = principal("*");
    if gate(document, statement, &everyone).admits(&Stranger::anybody(own_account)).is_some() {
        return Vec::new();
    }
    let spares = |one: &Principal| statement.not_principals.as_ref().is_some_and(|list| names(list, one));
    let account = principal(own_account);
    let own = gate(document, statement, &account);
    if !spares(&account) && all_pass(&own, own_account, &NAMELESS) {
        return vec![Insider::Everybody];
    }
    let all = denies(document, statement, &everyone);
    let mut insiders: Vec<Insider> = own
        .named()
        .chain(spared(&all))
        .filter(|value| {
            let (one, resource) = (principal(value), own_resource(value, own_account));
            let passes =
                |resource: String| all_pass(&gate(document, statement, &one), own_account, &[&resource]);
            !spares(&one) && resource.is_some_and(passes)
        })
        .map(|value| Insider::Principal(value.to_owned()))
        .collect();
    // What is written may be less than an ARN: `*:user/bob`.
    if insiders.is_empty() && !spares(&account) && own.passes(&insider(own_account, "group/~")) {
        let wild = own.named().filter(|value| wildcard::is_wild(value) && Arn::parse(value).is_none());
        insiders.extend(wild.map(|value| Insider::Principal(value.to_owned())));
    }
    insiders
}

/// Whether the policy leaves it to the policies of its own account who assumes the role: it trusts the account as a whole,
/// and no condition names the principals.
pub fn leaves_to_policies(document: &Document, own_account: &str) -> bool {
    let allows = document.statements.iter().filter(|s| s.effect == Effect::Allow && assumes(s));
    allows.flat_map(|s| s.principals.iter().map(move |p| (s, p))).any(|(statement, principal)| {
        let gate = || gate(document, statement, principal);
        principal.kind == PrincipalKind::Aws
            && Stranger::is_whole(&principal.value)
            && account_of(&principal.value) == Some(own_account)
            && NAMELESS.iter().any(|one| all_pass(&gate(), own_account, &[one]))
    })
}

/// The identity providers that the policy trusts, each with the claims that its conditions ask for.
pub fn providers(document: &Document) -> Vec<Provider> {
    let mut all = Vec::new();
    let allows = document.statements.iter().filter(|s| s.effect == Effect::Allow && assumes(s));
    for (statement, principal) in allows.flat_map(|s| s.principals.iter().map(move |p| (s, p))) {
        if principal.kind == PrincipalKind::Federated {
            let claims =
                statement.conditions.iter().filter(|c| !c.key.to_ascii_lowercase().ends_with(":aud"));
            let claims = claims.flat_map(|c| c.values.iter().cloned()).collect();
            let name = principal.value.rsplit("-provider/").next().unwrap_or(&principal.value).to_owned();
            all.push(Provider { name, claims });
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// One Allow of a trust policy.
struct Opening<'d> {
    document: &'d Document,
    statement: &'d Statement,
    id: StatementId,
    own: &'d str,
}

impl<'d> Opening<'d> {
    fn exposures(&self, principal: &Principal, known: &impl Fn(&str) -> bool) -> Vec<Exposure> {
        if principal.kind == PrincipalKind::Service {
            return self.service(principal, known);
        }
        let account = account_of(&principal.value).filter(|_| principal.kind == PrincipalKind::Aws);
        if account.is_some_and(known) {
            return Vec::new();
        }
        let gate = self.gate(principal);
        if !account.is_some_and(wildcard::is_wild) {
            let named = account.is_some_and(is_account_id);
            let stranger = match named {
                true => Stranger { names_guard: true, ..Stranger::named(self.own, &principal.value) },
                // Whose it is cannot be told, and so nothing of what it brings along.
                false => Stranger::anybody(self.own),
            };
            // Principals whose account cannot be told are told unless a Deny is without any condition.
            let need = match gate.admits(&stranger) {
                Some(need) => need,
                None if named || gate.is_shut() => return Vec::new(),
                None => None,
            };
            return self.opening(principal, need, known).into_iter().collect();
        }
        if let Some(need) = gate.admits(&Stranger::anybody(self.own)) {
            return self.opening(principal, need, known).into_iter().collect();
        }
        // Named in a condition is as good as named in the principal, and no better.
        let all = denies(self.document, self.statement, principal);
        let mut named: Vec<&str> = Vec::new();
        for value in gate.named().chain(spared(&all)) {
            let outside = account_of(value).is_some_and(|account| is_account_id(account) && !known(account));
            if outside && !named.contains(&value) {
                named.push(value);
            }
        }
        let openings = named.into_iter().filter_map(|value| {
            let principal = Principal { kind: PrincipalKind::Aws, value: value.to_owned() };
            let need = self.gate(&principal).admits(&Stranger::named(self.own, value))?;
            self.opening(&principal, need, known)
        });
        openings.collect()
    }

    /// A service assumes the role for its own account, for a role is handed to it there (IAM user guide, "Granting a user
    /// permissions to pass a role"); a condition that names another account is an opening to it. Roles Anywhere hands the role
    /// to whoever has a certificate.
    fn service(&self, principal: &Principal, known: &impl Fn(&str) -> bool) -> Vec<Exposure> {
        let gate = self.gate(principal);
        let service = clean(&principal.value, 64);
        let make = |kind, principal: &str, comer| {
            let (principal, statement) = (principal.to_owned(), self.id.clone());
            Exposure { kind, principal, statement, comer, narrowed: None, guarded: true }
        };
        let stranger = Stranger { service: true, ..Stranger::anybody(self.own) };
        if gate.admits(&stranger).is_some() {
            let says = |c: &Condition| c.key.to_ascii_lowercase().starts_with("aws:principaltag/x509");
            let anywhere = service.eq_ignore_ascii_case("rolesanywhere.amazonaws.com");
            if !anywhere || self.statement.conditions.iter().any(|c| says(c) && is_fixed(c)) {
                return Vec::new();
            }
            return vec![make(ExposureKind::Certificates, &service, Comer::Certificates)];
        }
        let mut accounts: Vec<&str> = gate.named().filter_map(account_of).collect();
        accounts.retain(|account| is_account_id(account) && !known(account));
        accounts.sort_unstable();
        accounts.dedup();
        let acts = |account: &&str| gate.admits(&Stranger { account, ..stranger.clone() }).is_some();
        let opened = accounts.into_iter().filter(acts).map(|account| {
            let comer = Comer::ServiceFor { service: service.clone(), account: account.to_owned() };
            make(ExposureKind::ExternalAccount, account, comer)
        });
        opened.collect()
    }

    /// The conditions that decide for this principal.
    fn gate(&self, principal: &Principal) -> Gate<'d> {
        gate(self.document, self.statement, principal)
    }

    /// The conditions that this principal must meet, those of the statement and those that Denies leave.
    fn asked(&self, principal: &Principal) -> Vec<Condition> {
        let left = |deny: &&Statement| match deny.conditions.as_slice() {
            [one] => turned_round(one),
            _ => None,
        };
        let denies = denies(self.document, self.statement, principal);
        self.statement.conditions.iter().cloned().chain(denies.iter().filter_map(left)).collect()
    }

    fn opening(
        &self,
        principal: &Principal,
        need: Option<Need<'_>>,
        known: &impl Fn(&str) -> bool,
    ) -> Option<Exposure> {
        let asked = self.asked(principal);
        // Addresses, networks and tags say nothing of who comes.
        let need = need.filter(|need| matches!(need.guard, Guard::Principals | Guard::Organization));
        let external_id = asked.iter().any(|c| is_key(c, "sts:externalid") && is_fixed(c));
        let narrowed = match need {
            Some(need) if need.by_deny => Some(Narrowing::Deny),
            Some(need) => Some(Narrowing::Condition(need.condition.clone())),
            None => external_id.then_some(Narrowing::ExternalId),
        };
        let guarded = need.is_some() || external_id;
        let account = account_of(&principal.value);
        let (kind, comer, guarded) = match principal.kind {
            PrincipalKind::Service => return None,
            PrincipalKind::Federated => match foreign(&principal.value, known) {
                Some(account) => {
                    (ExposureKind::ExternalAccount, Comer::OutsideProvider(account.to_owned()), false)
                }
                None => {
                    let (guarded, comer) = federated(&principal.value, &asked)?;
                    match comer {
                        Comer::Named { .. } => (ExposureKind::Named, comer, true),
                        comer => (ExposureKind::Federated, comer, guarded),
                    }
                }
            },
            PrincipalKind::CanonicalUser => (ExposureKind::ExternalAccount, Comer::CanonicalUser, guarded),
            PrincipalKind::Other => (ExposureKind::ExternalAccount, Comer::Unknown, need.is_some()),
            // An external id is known to many and secret by no rule; before everyone it is no guard.
            PrincipalKind::Aws if account.is_some_and(wildcard::is_wild) => {
                (ExposureKind::Public, Comer::Anybody, need.is_some())
            }
            PrincipalKind::Aws => match account.filter(|account| is_account_id(account)) {
                Some(account) => (ExposureKind::ExternalAccount, Comer::Account(account.to_owned()), guarded),
                None => (ExposureKind::ExternalAccount, Comer::Untold, guarded),
            },
        };
        let (principal, statement) = (clean(&principal.value, 160), self.id.clone());
        Some(Exposure { kind, principal, statement, comer, narrowed, guarded })
    }
}

/// The conditions that a Deny of one condition leaves to be met: "deny unless the external id is x" asks for it. `None` where
/// it asks for no value.
fn turned_round(condition: &Condition) -> Option<Condition> {
    let operator = Operator::parse(&condition.operator);
    let name = match operator.kind {
        _ if !operator.negated => return None,
        Kind::Equals { ignore_case: false } => "StringEquals",
        Kind::Equals { ignore_case: true } => "StringEqualsIgnoreCase",
        Kind::Like => "StringLike",
        Kind::Arn => "ArnLike",
        _ => return None,
    };
    // Of these alone, a request without the key gets past it.
    let any = condition.operator.to_ascii_lowercase().starts_with("foranyvalue:");
    let operator = if any { format!("{name}IfExists") } else { name.to_owned() };
    Some(Condition { operator, ..condition.clone() })
}

/// The account of a provider's ARN, where it is neither the own nor a trusted one.
fn foreign<'p>(provider: &'p str, known: &impl Fn(&str) -> bool) -> Option<&'p str> {
    let account = Arn::parse(provider)?.account;
    (!account.is_empty() && !known(account)).then_some(account)
}

fn is_key(condition: &Condition, key: &str) -> bool {
    condition.key.eq_ignore_ascii_case(key)
}

/// Whether the operator asks for one of the values.
fn is_positive(operator: Operator) -> bool {
    let asks = Kind::Number(Order::Equal);
    (matches!(operator.kind, Kind::Equals { .. } | Kind::Like | Kind::Arn) || operator.kind == asks)
        && !operator.negated
}

/// Whether the condition asks for values of which every one is more than a wildcard, and no request goes without.
fn is_fixed(condition: &Condition) -> bool {
    let operator = Operator::parse(&condition.operator);
    let solid = |v: &String| v.chars().any(|c| !matches!(c, '*' | '?'));
    is_positive(operator)
        && !operator.optional
        && !condition.values.is_empty()
        && condition.values.iter().all(solid)
}

fn fixed_prefix(value: &str) -> &str {
    value.split(['*', '?']).next().unwrap_or_default()
}

/// A provider's identities, unless the conditions say which of them and only the account has the provider: whether it is
/// guarded, and who they are.
fn federated(provider: &str, conditions: &[Condition]) -> Option<(bool, Comer)> {
    let resource = Arn::parse(provider).map_or(provider, |arn| arn.resource);
    if let Some(name) = resource.strip_prefix("saml-provider/") {
        let says = |c: &Condition| c.key.to_ascii_lowercase().starts_with("saml:") && is_fixed(c);
        return (!conditions.iter().any(says)).then(|| (false, Comer::Saml(name.to_owned())));
    }
    let host = resource.strip_prefix("oidc-provider/").unwrap_or(resource).to_ascii_lowercase();
    let claim = |c: &Condition| {
        let key = c.key.to_ascii_lowercase();
        key.strip_prefix(&host).and_then(|rest| rest.strip_prefix(':')).map(str::to_owned)
    };
    let shared = SHARED_PROVIDERS.contains(&host.as_str());
    // A claim other than the subject is told by its name.
    let named = |claim: &str, condition: &Condition| {
        let told = |value: &String| if claim == "sub" { value.clone() } else { format!("{claim}:{value}") };
        let identities = condition.values.iter().map(told).collect();
        shared.then(|| (true, Comer::Named { provider: host.clone(), identities }))
    };
    let mut audience = false;
    let mut wide = None;
    for condition in conditions {
        let Some(claim) = claim(condition) else { continue };
        let literal = !Operator::parse(&condition.operator).is_wild();
        match claim.as_str() {
            "aud" if CUSTOMER_IS_AUDIENCE.contains(&host.as_str()) && is_claimed(condition) => {
                let customer = |v: &String| v != "sts.amazonaws.com" && (literal || is_narrow(&host, v));
                if condition.values.iter().all(customer) {
                    return named("aud", condition);
                }
            }
            "aud" | "app_id" => audience |= is_claimed(condition),
            // Cognito's own way: the pool in `aud`, and that its user has signed in.
            "amr" if host.starts_with("cognito-identity.") => {
                let signed_in = condition.values.iter().all(|v| v == "authenticated");
                // A wildcard in it leaves other people's pools.
                let one = |c: &Condition| is_claimed(c) && !c.values.iter().any(|v| wildcard::is_wild(v));
                let pool = conditions.iter().find(|c| claim_is(c, &host, "aud") && one(c));
                if let Some(pool) = pool.filter(|_| signed_in && is_claimed(condition)) {
                    return named("aud", pool);
                }
            }
            told if told == "sub" || OWNER_CLAIMS.contains(&told) => {
                // Every token has a subject; other claims it may lack, and then `IfExists` asks for nothing.
                let optional = claim != "sub" && Operator::parse(&condition.operator).optional;
                if optional || !is_claimed(condition) {
                    continue;
                }
                // `oaud` is Google's name for the audience of a service account's token.
                if claim == "oaud" {
                    audience = true;
                } else if literal || condition.values.iter().all(|v| is_narrow(&host, v)) {
                    return named(&claim, condition);
                } else {
                    wide = condition.values.iter().find(|v| !is_narrow(&host, v));
                }
            }
            _ => {}
        }
    }
    Some((audience && !shared, Comer::Oidc { host, subjects: wide.cloned() }))
}

fn claim_is(condition: &Condition, host: &str, claim: &str) -> bool {
    condition.key.to_ascii_lowercase().strip_prefix(host).and_then(|rest| rest.strip_prefix(':'))
        == Some(claim)
}

/// Whether the condition asks for something, of a token that has the claim.
fn is_claimed(condition: &Condition) -> bool {
    is_positive(Operator::parse(&condition.operator)) && !condition.values.is_empty()
}

/// Whether a pattern of subjects stays with one owner: the owner's name stands before any wildcard, and ends there.
fn is_narrow(host: &str, value: &str) -> bool {
    if !wildcard::is_wild(value) {
        return !value.is_empty();
    }
    let fixed = fixed_prefix(value);
    let (_, after) = fixed.split_once(':').unwrap_or(("", fixed));
    match host {
        // `repo:owner/…`; `repo:owner*` is every owner whose name begins like that.
        "token.actions.githubusercontent.com" | "gitlab.com" => {
            // A repository's subject may begin with another claim (GitHub's guide, "Customizing the token claims").
            let claims = ["repository_owner:", "repository_owner_id:", "repository_id:"];
            let slash = after.find('/');
            slash.or_else(|| after.find(':').filter(|_| claims.iter().any(|claim| fixed.starts_with(claim))))
                > Some(0)
        }
        _ if host.starts_with("oidc.eks.") => !fixed.trim_start_matches("system:serviceaccount:").is_empty(),
        _ if NUMBERED.contains(&host) => false,
        // The customer's name, and where it ends.
        _ if SHARED_PROVIDERS.contains(&host) => {
            let mut ended = fixed.split([':', '/']).rev().skip(1);
            ended.any(|part| !part.is_empty() && !LABELS.contains(&part))
        }
        _ => fixed.len() > 4,
    }
}
