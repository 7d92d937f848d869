//! What policies give, as the policy engine says. Every check on policies asks here.

use keepwatch_core::posture::Missing;
use keepwatch_core::posture::facts::iam::{Authorization, Role, User};
use keepwatch_core::state::PolicyText;
use keepwatch_policy::{Document, Grant, Held, Level, PolicyName, analyse, managed};

use super::cx::Stop;

/// What a managed policy of AWS's gives: known by name.
pub(crate) fn of_aws_managed(arn: &str) -> Grant {
    managed::guess(arn).unwrap_or_else(|| analyse(&[], None))
}

/// What a user holds by itself and by its groups.
fn held_by<'a>(authorization: &'a Authorization, user: &'a User) -> (Vec<&'a PolicyText>, Vec<&'a str>) {
    let mut inline: Vec<&PolicyText> = user.inline.iter().collect();
    let mut attached: Vec<&str> = user.managed.iter().map(String::as_str).collect();
    for group in authorization.groups.iter().filter(|group| user.groups.contains(&group.name)) {
        inline.extend(&group.inline);
        attached.extend(group.managed.iter().map(String::as_str));
    }
    (inline, attached)
}

/// What a user can do by its own policies and those of its groups, together.
///
/// # Errors
/// A policy that cannot be read or was not listed, where the others do not make the user an administrator anyhow.
pub(crate) fn of_user(authorization: &Authorization, user: &User) -> Result<Grant, Stop> {
    let (inline, attached) = held_by(authorization, user);
    of_holdings(authorization, &inline, &attached, &user.arn)
}

/// What a role can do.
///
/// # Errors
/// As [`of_user`].
pub(crate) fn of_role(authorization: &Authorization, role: &Role) -> Result<Grant, Stop> {
    let inline: Vec<&PolicyText> = role.inline.iter().collect();
    let attached: Vec<&str> = role.managed.iter().map(String::as_str).collect();
    of_holdings(authorization, &inline, &attached, &role.arn)
}

/// The documents of a user and its groups that are the customer's own.
///
/// # Errors
/// One that cannot be read.
pub(crate) fn documents_of_user(authorization: &Authorization, user: &User) -> Result<Vec<Document>, Stop> {
    let (inline, attached) = held_by(authorization, user);
    let mut documents = Vec::new();
    for policy in inline {
        documents.push(read(PolicyName::Inline(&policy.name), &policy.text)?);
    }
    for policy in authorization.policies.iter().filter(|policy| attached.contains(&policy.arn.as_str())) {
        documents.push(read(PolicyName::Managed(&policy.name), &policy.document)?);
    }
    Ok(documents)
}

/// What these policies give together.
///
/// # Errors
/// As [`of_user`].
pub(crate) fn of_holdings(
    authorization: &Authorization,
    inline: &[&PolicyText],
    attached: &[&str],
    holder: &str,
) -> Result<Grant, Stop> {
    let mut documents: Vec<(PolicyName<'_>, Document)> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    let mut note = |result: Result<Document, Stop>, name| match result {
        Ok(document) => documents.push((name, document)),
        Err(Stop::Unknown(more)) => missing.extend(more),
        Err(Stop::Gone) => {}
    };
    for policy in inline {
        let name = PolicyName::Inline(&policy.name);
        note(read(name, &policy.text), name);
    }
    let mut most: Option<Grant> = None;
    for arn in attached {
        if managed::name_of(arn).is_some() {
            let grant = of_aws_managed(arn);
            if most.as_ref().is_none_or(|most| grant.level > most.level) {
                most = Some(grant);
            }
            continue;
        }
        let unlisted = || {
            let why = format!("policy {arn} is attached, and was not among the account's policies");
            Stop::Unknown(vec![Missing { action: None, why }])
        };
        match authorization.policies.iter().find(|policy| policy.arn == *arn) {
            Some(policy) => {
                let name = PolicyName::Managed(&policy.name);
                note(read(name, &policy.document), name);
            }
            None => note(Err(unlisted()), PolicyName::Managed(arn)),
        }
    }
    let held: Vec<Held<'_>> =
        documents.iter().map(|(name, document)| Held { name: *name, document }).collect();
    let together = analyse(&held, Some(holder));
    let grant = match most {
        Some(most) if most.level > together.level => most,
        _ => together,
    };
    if !missing.is_empty() && grant.level < Level::PrivilegeEscalation {
        return Err(Stop::Unknown(missing));
    }
    Ok(grant)
}

/// What an inline policy gives its holder: by itself, or together with what else the holder has, where only both together come to
/// more. Events are judged the same way.
///
/// # Errors
/// A policy that cannot be read or was not listed, where this one does not make its holder an administrator anyhow.
pub(crate) fn of_inline(
    authorization: &Authorization,
    (holder, inline, managed): (&str, &[PolicyText], &[String]),
    policy: &PolicyText,
) -> Result<Grant, Stop> {
    let name = PolicyName::Inline(&policy.name);
    let own = analyse(&[Held { name, document: &read(name, &policy.text)? }], Some(holder));
    if own.level == Level::FullAdmin {
        return Ok(own);
    }
    let all: Vec<&PolicyText> = inline.iter().collect();
    let others: Vec<&PolicyText> = inline.iter().filter(|other| other.name != policy.name).collect();
    let attached: Vec<&str> = managed.iter().map(String::as_str).collect();
    let before = of_holdings(authorization, &others, &attached, holder);
    let after = of_holdings(authorization, &all, &attached, holder);
    match (before, after) {
        (Ok(before), Ok(after)) if after.level > before.level.max(own.level) => Ok(after),
        (Err(stop), _) | (_, Err(stop)) if !is_administrator(&own) => Err(stop),
        _ => Ok(own),
    }
}

/// What a document gives together with these further actions on every resource: a question about what it lacks for a way to
/// power that needs more than one action.
pub(crate) fn with_further(document: &Document, further: &[&str]) -> Grant {
    let statement = serde_json::json!({"Statement": {"Effect": "Allow", "Action": further, "Resource": "*"}});
    let held = Held::inline("the policy", document);
    match Document::from_value(&statement) {
        Ok(further) => analyse(&[held, Held::inline("further actions", &further)], None),
        Err(_) => analyse(&[held], None),
    }
}

/// Whether it makes its holder an administrator, or able to become one.
pub(crate) fn is_administrator(grant: &Grant) -> bool {
    grant.level >= Level::PrivilegeEscalation
}

/// Reads a document.
///
/// # Errors
/// One that cannot be read.
pub(crate) fn read(name: PolicyName<'_>, text: &str) -> Result<Document, Stop> {
    Document::parse(text).map_err(|error| {
        Stop::Unknown(vec![Missing { action: None, why: format!("{name} cannot be read: {error}") }])
    })
}
