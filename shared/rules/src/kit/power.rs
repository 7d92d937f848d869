//! What a grant gives, as far as the event or the account can tell. Every rule on administrative power asks here.

use keepwatch_core::confirm::Confirm;
use keepwatch_core::engine::Cx;
use keepwatch_core::event::Record;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Holdings, Interrupt, PolicyText, PrincipalKind};
use keepwatch_policy::{self as policy, Document, Grant, Held, Level, Origin, PolicyName, managed, trust};
use serde_json::Value;

use super::caller::{by_identity_center, caller_name};
use super::words::as_sentence;

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

/// Of a document as the event carries it: text in any form, or parsed JSON.
pub(crate) fn of_value(origin: Origin, name: &str, document: &Value, grantee: Option<&str>) -> Power {
    judge(origin, name, Document::from_value(document), grantee)
}

/// Of a document as the account told it, or why there is none.
pub(crate) fn of_fact(origin: Origin, name: &str, fact: Fact<PolicyText>, grantee: Option<&str>) -> Power {
    match fact {
        Fact::Known(policy) => judge(origin, name, Document::parse(&policy.text), grantee),
        Fact::Missing => Power::Unknown("the policy was gone when Keepwatch looked".to_owned()),
        Fact::Unavailable(why) => {
            Power::Unknown(format!("the policy could not be read from the account ({why})"))
        }
    }
}

fn judge(
    origin: Origin,
    name: &str,
    document: Result<Document, policy::DocumentError>,
    grantee: Option<&str>,
) -> Power {
    match document {
        Ok(document) => Power::Known(policy::analyse(&[Held { origin, name, document: &document }], grantee)),
        Err(error) => Power::Unknown(format!("the policy document cannot be read: {error}")),
    }
}

/// Of a managed policy, at a version or at its default. AWS's own policies are known by name; a name that is not in the
/// table is read live, and taken for what it says if that fails: AWS's policies are public, the customer's are not.
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
    Ok(match of_fact(Origin::Managed, short, cx.facts.managed_policy(arn, version)?, grantee) {
        Power::Unknown(why) => taken_for(arn).map_or(Power::Unknown(why), Power::Known),
        known => known,
    })
}

/// What a policy of AWS's that cannot be read is taken for; nothing where it is a customer's.
fn taken_for(arn: &str) -> Option<Grant> {
    managed::name_of(arn)?;
    Some(managed::guess(arn).unwrap_or_else(|| policy::analyse(&[], None)))
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
    let inline = holdings.inline.iter().map(|policy| (Origin::Inline, policy.clone()));
    let mut texts: Vec<(Origin, PolicyText)> = inline.collect();
    let mut worst = Power::Known(policy::analyse(&[], grantee));
    for arn in &holdings.managed {
        match cx.facts.managed_policy(arn, None)? {
            Fact::Known(policy) => texts.push((Origin::Managed, policy)),
            Fact::Missing => {}
            // What the table says of a policy counts for itself, but cannot make a whole with the others.
            Fact::Unavailable(why) => {
                let unread = || Power::Unknown(format!("policy {arn} could not be read ({why})"));
                worst = worst.or_worse(taken_for(arn).map_or_else(unread, Power::Known));
            }
        }
    }
    for name in &holdings.elsewhere {
        let why = format!("customer managed policy {name} lives in the accounts it is assigned to");
        worst = worst.or_worse(Power::Unknown(why));
    }
    let mut documents = Vec::with_capacity(texts.len());
    for (origin, PolicyText { name, text }) in &texts {
        match Document::parse(text) {
            Ok(document) => documents.push((*origin, name, document)),
            Err(error) => {
                let why = format!("{} cannot be read: {error}", PolicyName::new(*origin, name));
                worst = worst.or_worse(Power::Unknown(why));
            }
        }
    }
    let held: Vec<Held<'_>> =
        documents.iter().map(|(origin, name, document)| Held { origin: *origin, name, document }).collect();
    Ok(worst.or_worse(Power::Known(policy::analyse(&held, grantee))))
}

/// A policy that a call puts on a user, a group or a role, or takes away from it.
pub(crate) struct Given<'r> {
    pub(crate) kind: PrincipalKind,
    pub(crate) name: &'r str,
    /// The holder's ARN as far as the event tells it, which is without a path.
    pub(crate) arn: String,
    /// The ARN of a managed policy, the name of an inline one.
    pub(crate) policy: &'r str,
    pub(crate) inline: bool,
}

impl<'r> Given<'r> {
    /// Nothing where the event does not say whom or what; `grant-content-omitted` tells of that.
    pub(crate) fn of(record: &'r Record<'_>) -> Option<Given<'r>> {
        let (kind, name) = grantee(record)?;
        let inline = ["Put", "Delete"].iter().any(|verb| record.event_name.or_empty().starts_with(verb));
        let policy = record.param(&[if inline { "policyName" } else { "policyArn" }])?;
        Some(Given { kind, name, arn: record.iam_arn(kind.as_str(), name), policy, inline })
    }

    /// The policy's own name.
    pub(crate) fn short(&self) -> &'r str {
        self.policy.rsplit('/').next().unwrap_or(self.policy)
    }

    /// What the policy gives its holder, together with what it had before: a harmless-looking half of a split grant
    /// counts when the whole is more than the rest was without it. Also why the rest could not be read, if so.
    pub(crate) fn power(
        &self,
        record: &Record<'_>,
        cx: &Cx<'_>,
    ) -> Result<(Power, Option<String>), Interrupt> {
        let (kind, name, grantee) = (self.kind, self.name, Some(self.arn.as_str()));
        let mut new = Holdings::default();
        let own = if self.inline {
            let text = |text: String| Fact::Known(PolicyText { name: self.policy.to_owned(), text });
            let fact = match record.request().get("policyDocument") {
                Some(Value::String(document)) => text(document.clone()),
                None | Some(Value::Null) => cx.facts.inline_policy(kind, name, self.policy)?,
                Some(document) => text(document.to_string()),
            };
            if let Fact::Known(policy) = &fact {
                new.inline.push(policy.clone());
            }
            of_fact(Origin::Inline, self.policy, fact, grantee)
        } else {
            new.managed.push(self.policy.to_owned());
            of_managed(cx, self.policy, None, grantee)?
        };
        if own.level() == Level::FullAdmin || matches!(own, Power::Unknown(_)) {
            return Ok((own, None));
        }
        // The listing may not show the new policy yet: it is added here, whether or not it is there.
        let mut rest = match cx.facts.principal(kind, name)? {
            Fact::Known(holdings) => holdings,
            Fact::Missing => Holdings::default(),
            Fact::Unavailable(why) => return Ok((own, Some(why))),
        };
        if self.inline {
            rest.inline.retain(|held| held.name != self.policy);
        } else {
            rest.managed.retain(|held| held != self.policy);
        }
        let before = of_holdings(cx, &rest, grantee)?;
        rest.inline.append(&mut new.inline);
        rest.managed.append(&mut new.managed);
        let after = of_holdings(cx, &rest, grantee)?;
        Ok((if after.level() > before.level().max(own.level()) { after } else { own }, None))
    }

    /// The observation that the policy was given, or nothing when that is ordinary. `did` follows the caller's name.
    pub(crate) fn observation(
        &self,
        record: &Record<'_>,
        cx: &Cx<'_>,
        did: &str,
    ) -> Result<Option<Observation>, Interrupt> {
        let (power, unread) = self.power(record, cx)?;
        let holder = holder(self.kind, self.name);
        // The permission set that Identity Center provisions has a finding of its own.
        let most = if by_identity_center(record) { Severity::Low } else { Severity::Critical };
        let how = format!("{} {did}", caller_name(record));
        let grant_report = GrantReport { most, ..GrantReport::now(&self.arn, &holder, &how) };
        let Some(mut seen) = observation(cx, &power, &grant_report) else { return Ok(None) };
        seen = seen.aspect(self.policy);
        if let Some(why) = unread {
            seen = seen
                .detail("Other policies", format!("could not be read ({why}); together they may give more"));
        }
        Ok(Some(match power.level() {
            Level::Ordinary | Level::ServiceAdmin => seen,
            Level::PrivilegeEscalation | Level::FullAdmin => who_else(cx, seen, self.kind, self.name)?,
        }))
    }

    /// The observation that the policy was taken away.
    pub(crate) fn taken(&self, record: &Record<'_>, cx: &Cx<'_>) -> Observation {
        let (who, kind) = (caller_name(record), self.kind.as_str());
        let title = match self.inline {
            true => format!("{who} deleted inline policy {} of {kind} {}", self.policy, self.name),
            false => format!("{who} detached {} from {kind} {}", self.short(), self.name),
        };
        let confirm = Confirm::taken(self.kind, self.name, self.policy);
        cx.passing(&self.arn, title).aspect(self.policy).confirm(confirm)
    }
}

/// Whether both documents can be read and mean the same, however they are spelt.
pub(crate) fn same_document(one: &str, other: &str) -> bool {
    let (one, other) = (Document::parse(one), Document::parse(other));
    one.is_ok() && one == other
}

/// Whether the call takes away what its counterpart gives.
pub(crate) fn takes_away(record: &Record<'_>) -> bool {
    let event = record.event_name.or_empty();
    ["Detach", "Delete", "Remove", "Disassociate"].iter().any(|verb| event.starts_with(verb))
}

/// Who can use the new power: the members of a group, the services that a role trusts.
fn who_else(
    cx: &Cx<'_>,
    seen: Observation,
    kind: PrincipalKind,
    name: &str,
) -> Result<Observation, Interrupt> {
    Ok(match kind {
        PrincipalKind::User => seen,
        PrincipalKind::Group => match cx.facts.group_members(name)? {
            Fact::Known(members) if members.is_empty() => seen.detail("Members", "nobody yet"),
            Fact::Known(members) => seen.detail("Members", members.join(", ")),
            _ => seen,
        },
        PrincipalKind::Role => match cx.facts.role(name)? {
            Fact::Known(role) => match Document::parse(&role.trust.text).map(|d| trust::trusted_services(&d))
            {
                Ok(services) if !services.is_empty() => seen.detail("Used by", services.join(", ")),
                _ => seen,
            },
            _ => seen,
        },
    })
}

/// How a grant is told.
pub(crate) struct GrantReport<'t> {
    /// The resource that the finding is about.
    pub(crate) resource: &'t str,
    /// Who has the power, as a sentence begins: `User bob`.
    pub(crate) holder: &'t str,
    /// How it came: `alice attached policy X to it`.
    pub(crate) how: &'t str,
    /// The severity at the most: less where nobody has the power yet, or where another finding tells the same.
    pub(crate) most: Severity,
    /// Whether the holder has the power already.
    pub(crate) now: bool,
}

impl<'t> GrantReport<'t> {
    /// As bad as it is, and already so.
    pub(crate) fn now(resource: &'t str, holder: &'t str, how: &'t str) -> GrantReport<'t> {
        GrantReport { resource, holder, how, most: Severity::Critical, now: true }
    }
}

/// The observation of a grant, or nothing when it is ordinary.
pub(crate) fn observation(cx: &Cx<'_>, power: &Power, grant_report: &GrantReport<'_>) -> Option<Observation> {
    let GrantReport { resource, holder, how, most, now } = grant_report;
    let grant = match power {
        Power::Unknown(why) => {
            let title = format!("{holder} may have new power: {how}, and what that grants could not be read");
            let severity = Severity::Medium.min(*most);
            return Some(cx.unknown(resource, title).severity(severity).because(as_sentence(why)));
        }
        Power::Known(grant) => grant,
    };
    let severity = match grant.level {
        Level::Ordinary => return None,
        Level::ServiceAdmin => Severity::Low,
        Level::PrivilegeEscalation => Severity::High,
        Level::FullAdmin => Severity::Critical,
    };
    let ability = if *now { grant.ability().with_adverb("now") } else { grant.ability().would() };
    let title = format!("{holder} {ability}: {how}");
    let mut seen =
        cx.failing(resource, title).severity(severity.min(*most)).because(as_sentence(&grant.why()));
    seen = seen.detail("Granted", grant.level.as_str().replace('-', " "));
    if !grant.paths.is_empty() {
        seen = seen.detail("Escalation", grant.paths.join(", "));
    }
    Some(seen)
}

/// Who a call on a user, group or role is about: its kind by the event's name, and its name.
pub(crate) fn grantee<'r>(record: &'r Record<'_>) -> Option<(PrincipalKind, &'r str)> {
    let kind = kind_of(record.event_name.or_empty());
    let parameter = match kind {
        PrincipalKind::User => "userName",
        PrincipalKind::Group => "groupName",
        PrincipalKind::Role => "roleName",
    };
    Some((kind, record.param(&[parameter])?))
}

/// What a call of this name is about.
pub(crate) fn kind_of(event: &str) -> PrincipalKind {
    match event {
        _ if event.contains("User") => PrincipalKind::User,
        _ if event.contains("Group") => PrincipalKind::Group,
        _ => PrincipalKind::Role,
    }
}

/// `User bob`, `Role deploy`.
pub(crate) fn holder(kind: PrincipalKind, name: &str) -> String {
    match kind {
        PrincipalKind::User => format!("User {name}"),
        PrincipalKind::Group => format!("Every member of group {name}"),
        PrincipalKind::Role => format!("Role {name}"),
    }
}
