//! Every policy that the account itself has written, one after the other.

use keepwatch_core::posture::Judgement;
use keepwatch_core::posture::facts::iam::Authorization;
use keepwatch_core::severity::Severity;
use keepwatch_core::state::PolicyText;
use keepwatch_policy::{Document, Grant, Grantee, Held, Level, Origin, analyse};

use crate::kit::cx::{Cx, GLOBAL, Outcome};
use crate::kit::power;

/// A policy, and what it gives.
pub(super) struct Policy<'a> {
    /// As a title names it: `Policy deploy`, `Inline policy deploy of user bob`.
    pub(super) name: String,
    /// Whether anybody holds it.
    pub(super) attached: bool,
    /// What it says.
    pub(super) document: Document,
    /// What it gives: a managed policy by itself, an inline one as [`power::of_inline`] says.
    pub(super) grant: Grant,
    /// How to look at it: a call and its options.
    pub(super) look: (&'static str, Vec<(&'static str, &'a str)>),
}

/// Judges each customer managed policy and each inline policy.
pub(super) fn each(
    cx: &mut Cx<'_>,
    authorization: &Authorization,
    judge: impl Fn(&mut Cx<'_>, Policy<'_>) -> Outcome,
) {
    each_managed(cx, authorization, &judge);
    each_inline(cx, authorization, &judge);
}

/// Judges each customer managed policy. What cannot be read is unknown there.
pub(super) fn each_managed(
    cx: &mut Cx<'_>,
    authorization: &Authorization,
    judge: impl Fn(&mut Cx<'_>, Policy<'_>) -> Outcome,
) {
    for policy in &authorization.policies {
        cx.about(GLOBAL, &policy.arn, |cx| {
            let document = power::read(Origin::Managed, &policy.name, &policy.document)?;
            // Somebody of the account, as the member of a group is.
            let somebody = Grantee { arn: Some(&cx.iam_arn("group", "~")), at: Some(cx.now) };
            let grant = analyse(&[Held::managed(&policy.name, &document)], somebody);
            let look = ("iam list-entities-for-policy", vec![("--policy-arn", policy.arn.as_str())]);
            let name = format!("Policy {}", policy.name);
            judge(cx, Policy { name, attached: policy.attachments > 0, document, grant, look })
        });
    }
}

/// Judges each inline policy of users, groups and roles, as a part of its holder. Roles of AWS's services are left out: nobody
/// else can change them. What cannot be read is unknown there.
pub(super) fn each_inline(
    cx: &mut Cx<'_>,
    authorization: &Authorization,
    judge: impl Fn(&mut Cx<'_>, Policy<'_>) -> Outcome,
) {
    let users =
        authorization.users.iter().map(|one| ("user", &one.name, &one.arn, &one.inline, &one.managed));
    let groups =
        authorization.groups.iter().map(|one| ("group", &one.name, &one.arn, &one.inline, &one.managed));
    let own = authorization.roles.iter().filter(|role| !role.path.starts_with("/aws-service-role/"));
    let roles = own.map(|one| ("role", &one.name, &one.arn, &one.inline, &one.managed));
    for (kind, holder, arn, inline, managed) in users.chain(groups).chain(roles) {
        let subject = cx.iam_arn(kind, holder);
        cx.about(GLOBAL, &subject, |cx| {
            for policy in inline {
                cx.part(&policy.name, |cx| {
                    let document = power::read(Origin::Inline, &policy.name, &policy.text)?;
                    let grant = power::of_inline(authorization, (arn, inline, managed), policy)?;
                    let name = format!("Inline policy {} of {kind} {holder}", policy.name);
                    let look = look_at(kind, holder, policy);
                    judge(cx, Policy { name, attached: true, document, grant, look })
                });
            }
            Ok(())
        });
    }
}

fn look_at<'a>(
    kind: &str,
    holder: &'a str,
    policy: &'a PolicyText,
) -> (&'static str, Vec<(&'static str, &'a str)>) {
    let (call, option) = match kind {
        "user" => ("iam get-user-policy", "--user-name"),
        "group" => ("iam get-group-policy", "--group-name"),
        _ => ("iam get-role-policy", "--role-name"),
    };
    (call, vec![(option, holder), ("--policy-name", policy.name.as_str())])
}

/// Whether it gives administrative power, as the rules on events have it: everything, or a way to everything. The first is a
/// failure of all three practices on power, the second of the two on ways to it.
pub(super) fn administrative(cx: &Cx<'_>, policy: &Policy<'_>) -> Judgement {
    let Policy { name, grant, .. } = policy;
    let (says, severity, practices): (_, _, &'static [&'static str]) = match grant.level {
        Level::FullAdmin => ("allows everything", Severity::High, &["P27", "P29", "P33"]),
        Level::PrivilegeEscalation => {
            ("lets its holder become administrator", Severity::Medium, &["P29", "P33"])
        }
        Level::ServiceAdmin | Level::Ordinary => {
            let mut seen = cx.passing(format!("{name} gives no administrative power"));
            seen.practices = &["P27"];
            return seen;
        }
    };
    let mut seen = if policy.attached {
        // A condition on circumstances is one that a thief may not meet.
        let lower = if severity == Severity::High { Severity::Medium } else { Severity::Low };
        let severity = if grant.conditional { lower } else { severity };
        cx.failing(format!("{name} {says}")).severity(severity)
    } else {
        cx.informational(format!("{name} {says}, and nobody holds it"))
    };
    seen.practices = practices;
    if !grant.paths.is_empty() {
        seen = seen.detail("Escalation", grant.paths.join(", "));
    }
    seen.because(grant.why()).step("Look at it", policy.look.0, &policy.look.1)
}
