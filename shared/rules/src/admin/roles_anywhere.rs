use keepwatch_policy::Level;
use serde_json::Value;

use crate::kit::prelude::*;

/// How many of a profile's roles are read; it may name 250.
const MOST_ROLES: usize = 10;

declare_rule! {
    /// ## What it detects
    /// IAM Roles Anywhere was opened to machines outside AWS: a trust anchor (whose certificates are believed) was
    /// made, exchanged or switched on, or a profile (which roles they may take on) was. A certificate authority that somebody
    /// brought along is high, and so is AWS Private CA in an account that is neither this one nor trusted; AWS Private
    /// CA in this account is only kept on record. The roles of a profile are read from the account: an administrator
    /// among them is high.
    /// ## Why it matters
    /// Who holds the authority's private key can sign a certificate at any time, anywhere, and get credentials of every
    /// role that trusts Roles Anywhere. Deleting keys and users does not stop it, and few people look there.
    /// ## What to do
    /// Ask the caller which machines it is for. If nobody knows: switch the trust anchor and the profile off, revoke
    /// the roles' sessions, and look for CreateSession calls.
    /// ## False positives
    /// Setting up Roles Anywhere for your own servers, which is better than access keys on them. Roles must trust the
    /// service `rolesanywhere.amazonaws.com` before any of it works. Renaming an anchor is not reported.
    RolesAnywhere {
        id: "admin-roles-anywhere",
        title: "Roles Anywhere was opened to certificates",
        severity: High,
        confidence: High,
        catalogue: ["ADM-21"],
        references: [
            attack(&["T1098"]),
            doc(&["IAM Roles Anywhere API reference: CreateTrustAnchor, CreateProfile"]),
        ],
        on: [On::Call("rolesanywhere.amazonaws.com", &[
            "CreateTrustAnchor", "UpdateTrustAnchor", "EnableTrustAnchor", "DisableTrustAnchor", "DeleteTrustAnchor",
            "CreateProfile", "UpdateProfile", "EnableProfile", "DisableProfile", "DeleteProfile",
        ])],
    }
}

impl Rule for RolesAnywhere {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        let (part, id, kind, says) = match event.ends_with("TrustAnchor") {
            true => ("trustAnchor", "trustAnchorId", "trust-anchor", "trust anchor"),
            false => ("profile", "profileId", "profile", "profile"),
        };
        let given = record.param(&[id]).or_else(|| record.response_text(&[part, id]));
        let name = record.param(&["name"]).or_else(|| record.response_text(&[part, "name"])).or(given);
        let Some(name) = name else { return Ok(()) };
        let place = (record.partition(), record.aws_region.or_empty(), record.account());
        let arn =
            format!("arn:{}:rolesanywhere:{}:{}:{kind}/{}", place.0, place.1, place.2, given.unwrap_or(name));
        let who = caller_name(record);
        if event.starts_with("Disable") || event.starts_with("Delete") {
            cx.report(
                cx.passing(&arn, format!("{who} switched off or deleted Roles Anywhere {says} {name}")),
            );
            return Ok(());
        }
        let seen = match says {
            "trust anchor" => anchor(record, cx, &arn, name, &who),
            _ => profile(record, cx, &arn, name, &who)?,
        };
        let Some(mut seen) = seen else { return Ok(()) };
        if let Some(given) = given {
            let off = format!("rolesanywhere disable-{kind}");
            seen =
                seen.step("Switch it off", &off, &[("--region", place.1), (&format!("--{kind}-id"), given)]);
        }
        let sessions = "AttributeKey=EventName,AttributeValue=CreateSession";
        let seen = seen.step(
            "Has it been used?",
            "cloudtrail lookup-events",
            &[("--region", place.1), ("--lookup-attributes", sessions)],
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

fn anchor(record: &Record<'_>, cx: &Cx<'_>, arn: &str, name: &str, who: &str) -> Option<Observation> {
    let did = match record.event_name.or_empty() {
        "CreateTrustAnchor" => "made",
        "EnableTrustAnchor" => "switched on",
        _ if record.request().get("source").is_none_or(Value::is_null) => return None,
        _ => "exchanged the certificates of",
    };
    let source = |path: &[&str]| {
        let text =
            |at: &[&str]| record.param(at).or_else(|| record.response_text(&[&["trustAnchor"], at].concat()));
        text(&[&["source"], path].concat())
    };
    let authority = source(&["sourceData", "acmPcaArn"]).and_then(Arn::parse).map(|ca| ca.account);
    let known = |account: &str| {
        account == record.account() || cx.config.trusted_accounts.iter().any(|a| a == account)
    };
    let (severity, whose) = match (source(&["sourceType"]), authority) {
        (Some("AWS_ACM_PCA"), Some(account)) if !known(account) => {
            (Severity::High, format!("AWS Private CA of account {account}"))
        }
        (Some("AWS_ACM_PCA"), _) => (Severity::Low, "AWS Private CA".to_owned()),
        // The call that switches an anchor on names neither.
        (None, _) if did == "switched on" => {
            (Severity::Medium, "an authority that the event does not name".to_owned())
        }
        _ => (Severity::High, "a certificate authority outside AWS".to_owned()),
    };
    let title =
        format!("{who} {did} Roles Anywhere trust anchor {name}, which believes certificates of {whose}");
    let seen = cx.failing(arn, title).severity(severity);
    let seen = seen
        .because("Whoever holds that authority's private key can get credentials of roles in this account.");
    Some(seen.detail_if("Kind of authority", source(&["sourceType"])))
}

fn profile(
    record: &Record<'_>,
    cx: &Cx<'_>,
    arn: &str,
    name: &str,
    who: &str,
) -> Result<Option<Observation>, Interrupt> {
    let roles = record.request().get("roleArns").or_else(|| record.response().pointer("/profile/roleArns"));
    let roles = roles.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let roles: Vec<&str> =
        roles.iter().filter_map(Value::as_str).filter_map(|arn| arn.rsplit('/').next()).collect();
    let did = match record.event_name.or_empty() {
        "CreateProfile" => "made",
        "EnableProfile" => "switched on",
        _ if roles.is_empty() => return Ok(None),
        _ => "changed",
    };
    let mut admin = None;
    for role in roles.iter().take(MOST_ROLES) {
        match power::of_principal(cx, PrincipalKind::Role, role, None)? {
            Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => {
                admin = admin.or(Some((role, grant)))
            }
            _ => {}
        }
    }
    let named = match roles.as_slice() {
        [] => "roles that the event does not name".to_owned(),
        [one] => format!("role {one}"),
        some => format!("{} roles", some.len()),
    };
    let title =
        format!("{who} {did} Roles Anywhere profile {name}: machines outside AWS may take on {named}");
    let (title, severity, why) = match admin {
        Some((role, grant)) => {
            let why = format!("Role {role}: {}", as_sentence(&grant.why()));
            (format!("{title}; {role} has administrative power"), Severity::High, why)
        }
        None => (title, Severity::Medium, "A certificate that a trust anchor believes is enough.".to_owned()),
    };
    let seen = cx.failing(arn, title).severity(severity).because(why);
    Ok(Some(if roles.is_empty() { seen } else { seen.detail("Roles", roles.join(", ")) }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Fact, Holdings, Query, Value as Answered};

    const ID: &str = "5f3c0000-0000-4000-8000-000000000001";

    fn create(source: serde_json::Value) -> String {
        call(
            "rolesanywhere",
            "CreateTrustAnchor",
            json!({
                "requestParameters": {"name": "servers", "source": source, "enabled": true},
                "responseElements": {"trustAnchor": {"trustAnchorId": ID, "name": "servers"}},
            }),
        )
    }

    fn pca(account: &str) -> serde_json::Value {
        let arn = format!("arn:aws:acm-pca:us-east-1:{account}:certificate-authority/{ID}");
        json!({"sourceType": "AWS_ACM_PCA", "sourceData": {"acmPcaArn": arn}})
    }

    fn make_profile(name: &str) -> String {
        call(
            "rolesanywhere",
            name,
            json!({
                "requestParameters": {"name": "servers", "roleArns": ["arn:aws:iam::111122223333:role/ops/backup"]},
                "responseElements": {"profile": {"profileId": ID}},
            }),
        )
    }

    #[test]
    fn fires() {
        let own =
            json!({"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": "-----BEGIN"}});
        let seen = fires_at(&RolesAnywhere, Severity::High, &create(own.clone()));
        assert_eq!(
            seen.subject.resource,
            format!("arn:aws:rolesanywhere:us-east-1:111122223333:trust-anchor/{ID}")
        );
        fires_at(&RolesAnywhere, Severity::High, &create(json!({"sourceType": "SELF_SIGNED_REPOSITORY"})));
        fires_at(&RolesAnywhere, Severity::High, &create(json!(7)));
        fires_at(&RolesAnywhere, Severity::High, &create(pca("999999999999")));
        fires_at(&RolesAnywhere, Severity::Low, &create(pca("111122223333")));
        fires_at(&RolesAnywhere, Severity::Low, &create(pca("444455556666"))); // Trusted by the configuration.
        let update = json!({"requestParameters": {"trustAnchorId": ID, "source": own}});
        fires_at(&RolesAnywhere, Severity::High, &call("rolesanywhere", "UpdateTrustAnchor", update));
        let on = json!({"requestParameters": {"trustAnchorId": ID}});
        fires_at(&RolesAnywhere, Severity::Medium, &call("rolesanywhere", "EnableTrustAnchor", on));
        fires_at(&RolesAnywhere, Severity::Medium, &make_profile("CreateProfile"));
        let on = json!({"requestParameters": {"profileId": ID}});
        fires_at(&RolesAnywhere, Severity::Medium, &call("rolesanywhere", "EnableProfile", on));
    }

    #[test]
    fn reads_the_roles_of_a_profile() {
        let holdings = |managed: &str| {
            let query = Query::Principal { kind: PrincipalKind::Role, name: "backup".to_owned() };
            let holdings = Holdings { managed: vec![managed.to_owned()], ..Holdings::default() };
            [(query, Fact::Known(Answered::Holdings(holdings)))]
        };
        for event in ["CreateProfile", "UpdateProfile"] {
            let admin = holdings("arn:aws:iam::aws:policy/AdministratorAccess");
            let seen = fired_with(&RolesAnywhere, &make_profile(event), &admin);
            assert_eq!(seen.severity, Severity::High);
            assert!(seen.title.ends_with("role backup; backup has administrative power"), "{}", seen.title);
            let reader = holdings("arn:aws:iam::aws:policy/ReadOnlyAccess");
            assert_eq!(fired_with(&RolesAnywhere, &make_profile(event), &reader).severity, Severity::Medium);
        }
    }

    #[test]
    fn switching_off_settles_it() {
        let own = json!({"sourceType": "CERTIFICATE_BUNDLE"});
        let made = fires_at(&RolesAnywhere, Severity::High, &create(own)).finding_id();
        for event in ["DisableTrustAnchor", "DeleteTrustAnchor"] {
            let off = call("rolesanywhere", event, json!({"requestParameters": {"trustAnchorId": ID}}));
            let observations = observe(&RolesAnywhere, &off);
            assert_eq!(observations.len(), 1);
            assert_eq!(observations[0].verdict, Verdict::Passing);
            assert_eq!(observations[0].finding_id(), made);
        }
    }

    #[test]
    fn stays_quiet() {
        let denied = json!({"errorCode": "AccessDeniedException", "requestParameters": {"name": "servers"}});
        quiet(
            &RolesAnywhere,
            &[
                call("rolesanywhere", "CreateTrustAnchor", denied),
                call("rolesanywhere", "CreateTrustAnchor", json!({"requestParameters": null})),
                call(
                    "rolesanywhere",
                    "UpdateTrustAnchor",
                    json!({"requestParameters": {"trustAnchorId": ID, "name": "renamed"}}),
                ),
                call(
                    "rolesanywhere",
                    "UpdateProfile",
                    json!({"requestParameters": {"profileId": ID, "durationSeconds": 3600}}),
                ),
                call(
                    "rolesanywhere",
                    "UpdateProfile",
                    json!({"requestParameters": {"profileId": ID, "roleArns": "odd"}}),
                ),
                call("rolesanywhere", "CreateProfile", json!({"requestParameters": {"name": ["servers"]}})),
                call("sso", "CreateProfile", json!({"requestParameters": {"name": "servers"}})),
            ],
        );
    }
}
