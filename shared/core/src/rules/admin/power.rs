//! What a grant gives, as far as the event or the account can tell. Every rule on administrative power asks here.

use serde_json::Value;

use crate::event::Record;
use crate::observation::{Actor, Observation, Severity};
use crate::policy::{self, Document, Grant, Level, managed};
use crate::rules::Cx;
use crate::state::{Fact, Holdings, Interrupt, PolicyText, PrincipalKind};

/// What is known of a grant.
#[derive(Clone, Debug)]
pub(crate) enum Power {
    /// Read and understood.
    Known(Grant),
    /// Not to be had, and why.
    Unknown(String),
}

impl Power {
    /// The level, the lowest where unknown.
    pub(crate) fn level(&self) -> Level {
        match self {
            Power::Known(grant) => grant.level,
            Power::Unknown(_) => Level::Ordinary,
        }
    }

    /// Of two powers of one holder the one worth telling: the higher level; of a harmless and an unread one, the unread.
    pub(crate) fn or_worse(self, other: Power) -> Power {
        match (&self, &other) {
            (Power::Unknown(_), Power::Known(grant)) if grant.level == Level::Ordinary => self,
            (Power::Known(grant), Power::Unknown(_)) if grant.level == Level::Ordinary => other,
            _ if other.level() > self.level() => other,
            _ => self,
        }
    }
}

/// A policy as the reasons name it. Whether it is inline matters: a managed policy can be rewritten by its own holder.
#[derive(Clone, Copy)]
pub(crate) enum Named<'n> {
    Inline(&'n str),
    Managed(&'n str),
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Named::Inline(name) => write!(f, "inline policy \"{name}\""),
            Named::Managed(name) => write!(f, "policy \"{name}\""),
        }
    }
}

/// Of a document as the event carries it: text in any form, or parsed JSON.
pub(crate) fn of_value(name: Named<'_>, document: &Value, grantee: Option<&str>) -> Power {
    judge(name, Document::from_value(document), grantee)
}

/// Of a document as the account told it, or why there is none.
pub(crate) fn of_fact(name: Named<'_>, fact: Fact<PolicyText>, grantee: Option<&str>) -> Power {
    match fact {
        Fact::Known(policy) => judge(name, Document::parse(&policy.text), grantee),
        Fact::Missing => Power::Unknown("the policy was gone when Keepwatch looked".to_owned()),
        Fact::Unavailable(why) => {
            Power::Unknown(format!("the policy could not be read from the account ({why})"))
        }
    }
}

fn judge(name: Named<'_>, document: Result<Document, policy::DocumentError>, grantee: Option<&str>) -> Power {
    match document {
        Ok(document) => Power::Known(policy::analyse(&[(&name.to_string(), &document)], grantee)),
        Err(error) => Power::Unknown(format!("the policy document cannot be read: {error}")),
    }
}

/// Of a managed policy, at a version or at its default. AWS's own policies are known by name; a name that is not among
/// the dangerous ones is read live, and believed ordinary if that fails: AWS's policies are public, the customer's are
/// not.
pub(crate) fn of_managed(
    cx: &Cx<'_>,
    arn: &str,
    version: Option<&str>,
    grantee: Option<&str>,
) -> Result<Power, Interrupt> {
    if let Some(grant) = managed::known(arn) {
        return Ok(Power::Known(grant));
    }
    let short = arn.rsplit('/').next().unwrap_or(arn);
    let power = of_fact(Named::Managed(short), cx.facts.managed_policy(arn, version)?, grantee);
    Ok(match (power, managed::name_of(arn)) {
        (Power::Unknown(_), Some(_)) => Power::Known(policy::analyse(&[], grantee)),
        (power, _) => power,
    })
}

/// Of everything that a user, group or role holds, together: a grant may be split over several policies.
pub(crate) fn of_principal(
    cx: &Cx<'_>,
    kind: PrincipalKind,
    name: &str,
    grantee: Option<&str>,
) -> Result<Power, Interrupt> {
    match cx.facts.principal(kind, name)? {
        Fact::Known(holdings) => of_holdings(cx, &holdings, grantee),
        Fact::Missing => Ok(Power::Unknown(format!("the {} was gone when Keepwatch looked", kind.as_str()))),
        Fact::Unavailable(why) => {
            Ok(Power::Unknown(format!("the policies of {} {name} could not be read ({why})", kind.as_str())))
        }
    }
}

/// Of these policies together.
pub(crate) fn of_holdings(
    cx: &Cx<'_>,
    holdings: &Holdings,
    grantee: Option<&str>,
) -> Result<Power, Interrupt> {
    let inline =
        holdings.inline.iter().map(|policy| (Named::Inline(&policy.name).to_string(), policy.text.clone()));
    let mut texts: Vec<(String, String)> = inline.collect();
    let mut worst = Power::Known(policy::analyse(&[], grantee));
    for arn in &holdings.managed {
        if let Some(grant) = managed::known(arn) {
            worst = worst.or_worse(Power::Known(grant));
            continue;
        }
        match cx.facts.managed_policy(arn, None)? {
            Fact::Known(policy) => texts.push((Named::Managed(&policy.name).to_string(), policy.text)),
            Fact::Missing => {}
            Fact::Unavailable(_) if managed::name_of(arn).is_some() => {}
            Fact::Unavailable(why) => {
                worst = worst.or_worse(Power::Unknown(format!("policy {arn} could not be read ({why})")));
            }
        }
    }
    for name in &holdings.elsewhere {
        let why = format!("customer managed policy {name} lives in the accounts it is assigned to");
        worst = worst.or_worse(Power::Unknown(why));
    }
    let mut documents = Vec::with_capacity(texts.len());
    for (name, text) in &texts {
        match Document::parse(text) {
            Ok(document) => documents.push((name.as_str(), document)),
            Err(error) => {
                let why = format!("{name} cannot be read: {error}");
                worst = worst.or_worse(Power::Unknown(why));
            }
        }
    }
    let documents: Vec<(&str, &Document)> =
        documents.iter().map(|(name, document)| (*name, document)).collect();
    Ok(worst.or_worse(Power::Known(policy::analyse(&documents, grantee))))
}

/// What a new policy gives to a holder who has others already. A harmless-looking half of a split grant counts when the
/// whole is more than the rest was without it; what the holder had before is nothing new.
pub(crate) fn with_holdings(
    cx: &Cx<'_>,
    own: Power,
    (kind, name): (PrincipalKind, &str),
    is_new: impl Fn(&str) -> bool,
    grantee: Option<&str>,
) -> Result<Power, Interrupt> {
    if own.level() == Level::FullAdmin || matches!(own, Power::Unknown(_)) {
        return Ok(own);
    }
    let Fact::Known(all) = cx.facts.principal(kind, name)? else { return Ok(own) };
    let mut before = all.clone();
    before.managed.retain(|arn| !is_new(arn));
    before.inline.retain(|policy| !is_new(&policy.name));
    let (after, before) = (of_holdings(cx, &all, grantee)?, of_holdings(cx, &before, grantee)?);
    Ok(if after.level() > before.level() && after.level() > own.level() { after } else { own })
}

/// How a grant is told.
pub(crate) struct Told<'t> {
    /// The resource that the finding is about.
    pub(crate) resource: &'t str,
    /// Who has the power now, as a sentence begins: `User bob`.
    pub(crate) holder: &'t str,
    /// How it came: `alice attached policy X to it`.
    pub(crate) how: &'t str,
    /// The most that this rule may say; `None` says nothing about service administrators.
    pub(crate) most: Severity,
}

/// The observation of a grant, or nothing when it is ordinary.
pub(crate) fn observation(cx: &Cx<'_>, power: &Power, told: &Told<'_>) -> Option<Observation> {
    let Told { resource, holder, how, most } = told;
    let grant = match power {
        Power::Unknown(why) => {
            let title = format!("{holder} may have new power: {how}, and what that grants could not be read");
            return Some(cx.unknown(resource, title).severity(Severity::Medium.min(*most)).because(why));
        }
        Power::Known(grant) => grant,
    };
    let (severity, now) = match grant.level {
        Level::Ordinary => return None,
        Level::ServiceAdmin => (Severity::Low, format!("now fully controls {}", services(grant))),
        Level::PrivilegeEscalation => (Severity::High, "can now make itself administrator".to_owned()),
        Level::FullAdmin => (Severity::Critical, "is now a full administrator".to_owned()),
    };
    let title = format!("{holder} {now}: {how}");
    let mut told = cx.failing(resource, title).severity(severity.min(*most)).because(sentence(&grant.why));
    told = told.detail("Granted", grant.level.as_str());
    if !grant.paths.is_empty() {
        told = told.detail("Escalation", grant.paths.join(", "));
    }
    Some(told)
}

fn services(grant: &Grant) -> String {
    match grant.services.as_slice() {
        [] => "whole services".to_owned(),
        few if few.len() <= 4 => few.join(", "),
        many => format!("{} and {} more services", many[..3].join(", "), many.len() - 3),
    }
}

/// The text as a sentence: capital first, full stop last.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

/// Who acted, by name.
pub(crate) fn who(record: &Record<'_>) -> String {
    Actor::of(record).name
}

/// Adds the step that stops the caller, where the call was signed by a key that can be stopped.
pub(crate) fn stop_caller(observation: Observation, record: &Record<'_>) -> Observation {
    let who = &record.user_identity;
    match (who.access_key_id.get(), who.user_name.get()) {
        (Some(key), Some(user)) if key.starts_with("AKIA") => observation.step(
            "If the caller's key is not in its owner's hands, stop it",
            "iam update-access-key",
            &[("--user-name", user), ("--access-key-id", key), ("--status", "Inactive")],
        ),
        _ => observation,
    }
}

/// Whether Identity Center itself made the call, to provision a permission set into an account. The role's path is
/// reserved to AWS, so nobody else can have it; the permission set is what gets reported.
pub(crate) fn by_identity_center(record: &Record<'_>) -> bool {
    let issuer = record.user_identity.session_context.session_issuer.arn.or_empty();
    issuer.contains(":role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO")
}

/// Who a call on a user, group or role is about: its kind by the event's name, and its name.
pub(crate) fn grantee<'r>(record: &'r Record<'_>) -> Option<(PrincipalKind, &'r str)> {
    let name = record.event_name.or_empty();
    let (kind, parameter) = if name.contains("User") {
        (PrincipalKind::User, "userName")
    } else if name.contains("Group") {
        (PrincipalKind::Group, "groupName")
    } else {
        (PrincipalKind::Role, "roleName")
    };
    Some((kind, record.param(&[parameter])?))
}

/// `User bob`, `Role deploy`.
pub(crate) fn holder(kind: PrincipalKind, name: &str) -> String {
    match kind {
        PrincipalKind::User => format!("User {name}"),
        PrincipalKind::Group => format!("Every member of group {name}"),
        PrincipalKind::Role => format!("Role {name}"),
    }
}
