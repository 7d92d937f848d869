//! A policy that a call gives to a user, a group or a role, or takes away.

use keepwatch_core::confirm::Confirm;
use keepwatch_core::engine::Cx;
use keepwatch_core::event::Record;
use keepwatch_core::observation::Observation;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::{Fact, Holdings, Interrupt, PolicyText, PrincipalKind};
use keepwatch_policy::{Document, Level, Origin, trust};
use serde_json::Value;

use super::caller::{by_identity_center, caller_name};
use super::gain::{Addition, Gain};
use super::power::{self, GrantReport, Power, Readable, Rest, grantee};

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
    /// counts when the whole is more than the rest was without it.
    pub(crate) fn gain(&self, record: &Record<'_>, cx: &Cx<'_>) -> Result<Gain, Interrupt> {
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
            power::of_fact(Origin::Inline, self.policy, fact, grantee)
        } else {
            new.managed.push(self.policy.to_owned());
            power::of_managed(cx, self.policy, None, grantee)?
        };
        if own.level() == Level::FullAdmin || matches!(own, Power::Unknown(_)) {
            return Ok(Gain::of(own));
        }
        // The listing may not show the new policy yet: it is added here, whether or not it is there.
        let mut rest = Rest::of(cx, kind, name, None)?;
        if self.inline {
            rest.held.inline.retain(|one| one.name != self.policy);
        } else {
            rest.held.managed.retain(|one| one != self.policy);
        }
        let addition = Addition { own, new: Readable::of(cx, &new)? };
        let gain = addition.gain(cx, rest.clone(), &self.arn)?;
        if kind != PrincipalKind::Group || gain.escalates() {
            return Ok(gain);
        }
        let member = |member: &str| record.iam_arn("user", member);
        Ok(addition.gain_of_members(cx, name, &rest.held, member)?.unwrap_or(gain))
    }

    /// The observation that the policy was given, or nothing when that is ordinary. `did` follows the caller's name.
    pub(crate) fn observation(
        &self,
        record: &Record<'_>,
        cx: &Cx<'_>,
        did: &str,
    ) -> Result<Option<Observation>, Interrupt> {
        let gain = self.gain(record, cx)?;
        let holder = power::holder(self.kind, self.name);
        // The permission set that Identity Center provisions has a finding of its own.
        let most = if by_identity_center(record) { Severity::Low } else { Severity::Critical };
        let how = format!("{} {did}", caller_name(record));
        let grant_report = GrantReport { most, ..GrantReport::now(&self.arn, &holder, &how) };
        let Some(seen) = gain.observation(cx, &grant_report) else { return Ok(None) };
        let seen = seen.aspect(self.policy);
        Ok(Some(if gain.escalates() { who_else(cx, seen, self.kind, self.name)? } else { seen }))
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
