//! Every policy that the account itself has written, one after the other.

use keepwatch_core::posture::facts::iam::Authorization;
use keepwatch_core::state::PolicyText;
use keepwatch_policy::{Document, Grant, Held, PolicyName, analyse};

use crate::kit::cx::{Cx, GLOBAL, Outcome};
use crate::kit::power;

/// A policy, and what it gives by itself.
pub(super) struct Policy<'a> {
    /// As a title names it: `Policy deploy`, `Inline policy deploy of user bob`.
    pub(super) name: String,
    /// Whether anybody holds it.
    pub(super) attached: bool,
    /// What it gives.
    pub(super) grant: Grant,
    /// Its document.
    pub(super) document: Document,
    /// How to look at it: a call and its options.
    pub(super) look: (&'static str, Vec<(&'static str, &'a str)>),
}

/// Judges each customer managed policy and each inline policy, roles of AWS's services left out: what cannot be read is unknown
/// there.
pub(super) fn each(
    cx: &mut Cx<'_>,
    authorization: &Authorization,
    judge: impl Fn(&mut Cx<'_>, Policy<'_>) -> Outcome,
) {
    for policy in &authorization.policies {
        cx.about(GLOBAL, &policy.arn, |cx| {
            let name = PolicyName::Managed(&policy.name);
            let document = power::read(name, &policy.document)?;
            let grant = analyse(&[Held { name, document: &document }], None);
            let look = ("iam list-entities-for-policy", vec![("--policy-arn", policy.arn.as_str())]);
            let name = format!("Policy {}", policy.name);
            judge(cx, Policy { name, attached: policy.attachments > 0, grant, document, look })
        });
    }
    let users = authorization.users.iter().map(|one| ("user", &one.name, &one.arn, &one.inline));
    let groups = authorization.groups.iter().map(|one| ("group", &one.name, &one.arn, &one.inline));
    let own = authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/"));
    let roles = own.map(|one| ("role", &one.name, &one.arn, &one.inline));
    for (kind, holder, arn, inline) in users.chain(groups).chain(roles) {
        cx.about(GLOBAL, arn, |cx| {
            for policy in inline {
                cx.part(&policy.name, |cx| of_holder(cx, (kind, holder, arn), policy, &judge));
            }
            Ok(())
        });
    }
}

fn of_holder(
    cx: &mut Cx<'_>,
    (kind, holder, arn): (&str, &str, &str),
    policy: &PolicyText,
    judge: &impl Fn(&mut Cx<'_>, Policy<'_>) -> Outcome,
) -> Outcome {
    let name = PolicyName::Inline(&policy.name);
    let document = power::read(name, &policy.text)?;
    let grant = analyse(&[Held { name, document: &document }], Some(arn));
    let (call, option) = match kind {
        "user" => ("iam get-user-policy", "--user-name"),
        "group" => ("iam get-group-policy", "--group-name"),
        _ => ("iam get-role-policy", "--role-name"),
    };
    let look = (call, vec![(option, holder), ("--policy-name", policy.name.as_str())]);
    let name = format!("Inline policy {} of {kind} {holder}", policy.name);
    judge(cx, Policy { name, attached: true, grant, document, look })
}
