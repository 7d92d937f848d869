use keepwatch_policy::Level;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A Cognito identity pool hands out a role: to guests, who need no account at all (critical where the role is
    /// administrative, high where it holds a whole service, low where it was read and is ordinary, medium where it cannot
    /// be read), or to users who have signed in (high where the role is administrative). A pool without such a role, or its
    /// end, settles the finding.
    /// ## Why it matters
    /// The id of a pool stands in every web page and app that uses it. Whoever has it gets the guests' role, and with open
    /// sign-up the users' role as well.
    /// ## What to do
    /// Look at what the role may do. Guests need to send events or read public files and nothing else. Where the pool
    /// admits no guests, take the role away.
    /// ## False positives
    /// Monitoring of web pages (RUM), maps and analytics give guests a narrow role: low. Roles for users who have signed in
    /// are not reported unless the account shows that they are administrative. The event does not say whether the pool
    /// admits guests at the moment.
    IdentityPool {
        id: "exposure-identity-pool-role",
        title: "An identity pool hands out a role to guests, or a powerful one to users",
        severity: Medium,
        confidence: Medium,
        catalogue: ["PUB-09", "ADM-09"],
        references: [
            attack(&["T1078.004", "T1098"]),
            doc(&["Cognito developer guide: IAM roles; role-based access control"]),
        ],
        on: [On::Call("cognito-identity.amazonaws.com", &["SetIdentityPoolRoles", "DeleteIdentityPool"])],
        alerts_as_witness: true,
    }
}

/// Who gets a role: guests, and users who have signed in.
const ASPECTS: [&str; 2] = ["guests", "users"];

impl Rule for IdentityPool {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let Some(pool) = text_at(request, &["identityPoolId"]) else { return Ok(()) };
        let arn = record.arn("cognito-identity", &format!("identitypool/{pool}"));
        if record.event_name.or_empty() == "DeleteIdentityPool" {
            for aspect in ASPECTS {
                cx.report(cx.passing(&arn, format!("{who} deleted identity pool {pool}")).aspect(aspect));
            }
            return Ok(());
        }
        // A pool is written whole; what the event lacks was taken away, unless CloudTrail left it out.
        if record.request_omitted() {
            return Ok(());
        }
        let mut users: Vec<&str> = text_at(request, &["roles", "authenticated"]).into_iter().collect();
        if let Some(mappings) = value_at(request, &["roleMappings"]) {
            mapped(mappings, &mut users);
        }
        let guests: Vec<&str> = text_at(request, &["roles", "unauthenticated"]).into_iter().collect();
        for (aspect, roles) in ASPECTS.into_iter().zip([guests, users]) {
            let mut worst: Option<(Severity, &str, String)> = None;
            let mut unread = false;
            for role in roles {
                let power = power::of_principal(cx, PrincipalKind::Role, last_part(role), Some(role))?;
                unread |= matches!(power, Power::Unknown(_));
                let told = severity(aspect, &power).map(|severity| (severity, role, because(&power)));
                if told.as_ref().map(|told| told.0) > worst.as_ref().map(|worst| worst.0) {
                    worst = told;
                }
            }
            let Some((severity, role, why)) = worst else {
                // What cannot be read is no good news.
                if !unread {
                    let title = format!("{who} has identity pool {pool} give {aspect} no powerful role");
                    cx.report(cx.passing(&arn, title).aspect(aspect));
                }
                continue;
            };
            let whom = if aspect == "guests" { "everybody on the internet" } else { "its users" };
            let seen = cx
                .failing(&arn, format!("{who} had identity pool {pool} give {whom} role {}", last_part(role)))
                .severity(severity)
                .aspect(aspect)
                .because(why)
                .detail("Role", role)
                .step(
                    "Which roles does it give?",
                    "cognito-identity get-identity-pool-roles",
                    &[region_option(record), ("--identity-pool-id", pool)],
                )
                .step(
                    "What may the role do?",
                    "iam list-attached-role-policies",
                    &[("--role-name", last_part(role))],
                );
            let seen = stop_caller(seen, record).witnessed_by(role);
            cx.report(if severity == Severity::Low { cx.tempered(seen) } else { seen });
        }
        Ok(())
    }
}

/// The roles that rules of the pool give to users: `roleMappings.PROVIDER.rulesConfiguration.rules[].roleARN`.
fn mapped<'v>(mappings: &'v Value, roles: &mut Vec<&'v str>) {
    for mapping in mappings.as_object().into_iter().flatten().map(|(_, mapping)| mapping) {
        let rules = value_at(mapping, &["rulesConfiguration"]).map(|rules| items_at(rules, &["rules"]));
        roles.extend(rules.into_iter().flatten().filter_map(|rule| text_at(rule, &["roleARN"])));
    }
}

fn severity(aspect: &str, power: &Power) -> Option<Severity> {
    let admin = power.level() >= Level::PrivilegeEscalation;
    match (aspect, power) {
        ("guests", _) if admin => Some(Severity::Critical),
        ("guests", Power::Unknown(_)) => Some(Severity::Medium),
        ("guests", _) if power.level() >= Level::ServiceAdmin => Some(Severity::High),
        ("guests", _) => Some(Severity::Low),
        _ => admin.then_some(Severity::High),
    }
}

fn because(power: &Power) -> String {
    match power {
        Power::Known(grant) => as_sentence(&format!("The role {}", grant.ability())),
        Power::Unknown(why) => as_sentence(&format!("What the role can do is not known: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use keepwatch_core::state::{Query, Value as Answer};
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn set(request: Value) -> String {
        let mut all = json!({"identityPoolId": "us-east-1:pool"});
        for (key, value) in request.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        call("cognito-identity", "SetIdentityPoolRoles", json!({"requestParameters": all}))
    }

    fn gives(to: &str) -> String {
        set(json!({"roles": {to: "arn:aws:iam::111122223333:role/app/web"}}))
    }

    /// The role web holds this policy.
    fn holds(managed: &str) -> [(Query, Fact<Answer>); 1] {
        let managed = vec![format!("arn:aws:iam::aws:policy/{managed}")];
        let query = Query::Principal { kind: PrincipalKind::Role, name: "web".to_owned() };
        [(query, Fact::Known(Answer::Holdings(Holdings { managed, ..Holdings::default() })))]
    }

    fn worst(event: &str, facts: &[(Query, Fact<Answer>)]) -> Option<Observation> {
        let seen = observe_with(&IdentityPool, event, facts);
        seen.into_iter().find(|one| one.verdict == Verdict::Failing)
    }

    #[test]
    fn fires() {
        let role = "arn:aws:iam::111122223333:role/app/web";
        let both = set(json!({"roles": {"unauthenticated": role, "authenticated": role}}));
        let seen = fired_with(&IdentityPool, &both, &[]);
        assert_eq!(seen.severity, Severity::Medium);
        assert_eq!(
            seen.title,
            "alice had identity pool us-east-1:pool give everybody on the internet role web"
        );
        for (to, policy, severity) in [
            ("unauthenticated", "AdministratorAccess", Severity::Critical),
            ("unauthenticated", "AmazonS3FullAccess", Severity::High),
            ("unauthenticated", "AmazonPollyReadOnlyAccess", Severity::Low),
            ("authenticated", "IAMFullAccess", Severity::High),
        ] {
            let seen = worst(&gives(to), &holds(policy)).unwrap();
            assert_eq!(seen.severity, severity, "{to} {policy} {}", seen.reason);
        }
        let rules = json!({"roleMappings": {"idp": {"type": "Rules", "rulesConfiguration": {"rules": [
            {"claim": "group", "matchType": "Equals", "value": "x", "roleARN": "arn:aws:iam::111122223333:role/web"}]}}}});
        assert_eq!(worst(&set(rules), &holds("AdministratorAccess")).unwrap().severity, Severity::High);
    }

    #[test]
    fn a_pool_without_such_a_role_settles_it() {
        let open = worst(&gives("unauthenticated"), &[]).unwrap();
        let deleted = json!({"requestParameters": {"identityPoolId": "us-east-1:pool"}});
        for (event, facts) in [
            (gives("authenticated"), holds("AmazonS3ReadOnlyAccess")),
            (call("cognito-identity", "DeleteIdentityPool", deleted), holds("AdministratorAccess")),
        ] {
            let gone = observe_with(&IdentityPool, &event, &facts);
            assert_eq!(
                (gone.len(), gone[0].verdict, gone[0].finding_id()),
                (2, Verdict::Passing, open.finding_id())
            );
        }
    }

    #[test]
    fn stays_quiet() {
        let seen = observe(&IdentityPool, &gives("authenticated"));
        // A role that cannot be read is daily work for users, and no good news.
        assert_eq!(
            (seen.len(), seen[0].verdict, seen[0].subject.aspect.as_deref()),
            (1, Verdict::Passing, Some("guests"))
        );
        quiet(
            &IdentityPool,
            &[
                set(json!({"omitted": true})),
                call("cognito-identity", "SetIdentityPoolRoles", json!({"requestParameters": null})),
                call(
                    "cognito-identity",
                    "SetIdentityPoolRoles",
                    json!({"errorCode": "NotAuthorizedException",
                    "requestParameters": {"identityPoolId": "p", "roles": {"unauthenticated": "arn:aws:iam::111122223333:role/web"}}}),
                ),
            ],
        );
    }
}
