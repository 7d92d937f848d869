//! What a grant gives, as far as the event or the account can tell. Every rule on administrative power asks here.

use keepwatch_core::engine::Cx;
use keepwatch_core::event::Record;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Holdings, Interrupt, PolicyText, PrincipalKind};
use keepwatch_policy::{
    self as policy, Document, Grant, Held, Level, Origin, PolicyName, RoleInReach, managed,
};
use serde_json::Value;

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
    let Rest { held, unread, gone } = Rest::of(cx, kind, name, None)?;
    if gone {
        return Ok(Power::Unknown(format!("the {} was gone when Keepwatch looked", kind.as_str())));
    }
    let power = of_holdings(cx, &held, grantee)?;
    Ok(match unread {
        Some(why) => power.or_worse(Power::Unknown(format!(
            "the policies of {} {name} could not be read ({why})",
            kind.as_str()
        ))),
        None => power,
    })
}

/// What a user, group or role holds already, as far as the account tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// Of a user also what its groups hold.
    pub(crate) held: Holdings,
    /// Why that is not all, if so.
    pub(crate) unread: Option<String>,
    /// There is no such user, group or role any more.
    pub(crate) gone: bool,
}

impl Rest {
    /// Asks the account. One group of a user can be left out.
    pub(crate) fn of(
        cx: &Cx<'_>,
        kind: PrincipalKind,
        name: &str,
        left_out: Option<&str>,
    ) -> Result<Rest, Interrupt> {
        let mut rest = Rest::default();
        match cx.facts.principal(kind, name)? {
            Fact::Known(held) => rest.held = held,
            Fact::Missing => rest.gone = true,
            Fact::Unavailable(why) => rest.unread = Some(why),
        }
        if kind != PrincipalKind::User || rest.gone {
            return Ok(rest);
        }
        let groups = match cx.facts.groups_of(name)? {
            Fact::Known(groups) => groups,
            Fact::Missing => Vec::new(),
            Fact::Unavailable(why) => {
                rest.unread.get_or_insert(format!("its groups: {why}"));
                Vec::new()
            }
        };
        for group in groups.iter().filter(|group| Some(group.as_str()) != left_out) {
            match cx.facts.principal(PrincipalKind::Group, group)? {
                Fact::Known(more) => rest.held = rest.held.and(more),
                Fact::Missing => {}
                Fact::Unavailable(why) => {
                    rest.unread.get_or_insert(format!("group {group}: {why}"));
                }
            }
        }
        Ok(rest)
    }
}

/// Of these policies together.
pub(crate) fn of_holdings(
    cx: &Cx<'_>,
    holdings: &Holdings,
    grantee: Option<&str>,
) -> Result<Power, Interrupt> {
    Ok(Readable::of(cx, holdings)?.power(grantee))
}

/// The policies that somebody holds, read.
#[derive(Clone, Debug)]
pub(crate) struct Readable {
    documents: Vec<(Origin, String, Document)>,
    /// What is known of those that could not be read.
    unread: Power,
}

impl Readable {
    /// Reads what the account tells of these.
    pub(crate) fn of(cx: &Cx<'_>, holdings: &Holdings) -> Result<Readable, Interrupt> {
        let mut all = Readable::none();
        for policy in &holdings.inline {
            all.add(Origin::Inline, policy);
        }
        for arn in &holdings.managed {
            match cx.facts.managed_policy(arn, None)? {
                Fact::Known(policy) => all.add(Origin::Managed, &policy),
                Fact::Missing => {}
                // What the table says of a policy counts for itself, but cannot make a whole with the others.
                Fact::Unavailable(why) => {
                    let unread = || Power::Unknown(format!("policy {arn} could not be read ({why})"));
                    all.miss(taken_for(arn).map_or_else(unread, Power::Known));
                }
            }
        }
        for name in &holdings.elsewhere {
            let why = format!("customer managed policy {name} lives in the accounts it is assigned to");
            all.miss(Power::Unknown(why));
        }
        Ok(all)
    }

    /// A managed policy of this text.
    pub(crate) fn managed(policy: &PolicyText) -> Readable {
        let mut all = Readable::none();
        all.add(Origin::Managed, policy);
        all
    }

    /// These and those.
    pub(crate) fn and(mut self, other: Readable) -> Readable {
        self.documents.extend(other.documents);
        self.miss(other.unread);
        self
    }

    fn none() -> Readable {
        Readable { documents: Vec::new(), unread: Power::Known(policy::analyse(&[], None)) }
    }

    fn add(&mut self, origin: Origin, PolicyText { name, text }: &PolicyText) {
        match Document::parse(text) {
            Ok(document) => self.documents.push((origin, name.clone(), document)),
            Err(error) => {
                let name = PolicyName::new(origin, name);
                self.miss(Power::Unknown(format!("{name} cannot be read: {error}")));
            }
        }
    }

    fn miss(&mut self, power: Power) {
        let before = std::mem::replace(&mut self.unread, Power::Known(policy::analyse(&[], None)));
        self.unread = before.or_worse(power);
    }

    fn held(&self) -> Vec<Held<'_>> {
        self.documents
            .iter()
            .map(|(origin, name, document)| Held { origin: *origin, name, document })
            .collect()
    }

    /// What they give together.
    pub(crate) fn power(&self, grantee: Option<&str>) -> Power {
        self.unread.clone().or_worse(Power::Known(policy::analyse(&self.held(), grantee)))
    }

    /// The roles that they name and let their holder use.
    pub(crate) fn roles_in_reach(&self, grantee: &str) -> Vec<RoleInReach> {
        policy::roles_in_reach(&self.held(), Some(grantee))
    }

    /// Whether any of them is part of a way to power. What could not be read may be.
    pub(crate) fn lends(&self, grantee: &str) -> bool {
        matches!(self.unread, Power::Unknown(_))
            || self.documents.iter().any(|(_, _, document)| policy::lends(document, Some(grantee)))
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
