use keepwatch_policy::Level;

use super::permission_set::{holdings, instance_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The permissions boundary of a user, a role or a permission set was removed, or replaced by one that leaves room
    /// for an administrator: high where it allows everything, medium where it allows what makes one. After a removal
    /// Keepwatch reads what the principal holds without it; a full administrator is critical. A new boundary that
    /// cannot be read is reported as unknown, and one that bounds settles the finding. Conditions do not make a
    /// boundary narrower here, with one exception: denials that hold unless users and roles are made with a boundary of
    /// your own. A boundary that allows everything in certain regions or from certain addresses is therefore reported,
    /// and a boundary that was replaced by a wider one which still bounds is not.
    /// ## Why it matters
    /// A boundary is what makes it safe to let people and pipelines write policies and make roles: whatever they grant,
    /// the boundary caps it. Without the cap, policies that were harmless yesterday take full effect, and nothing has
    /// to be attached for that.
    /// ## What to do
    /// Ask the caller. If it was not meant, set the boundary again (the trail of `Put…PermissionsBoundary` calls says
    /// which policy it was) and look at what the principal has done in between.
    /// ## False positives
    /// Moving from boundaries to organization policies, and tools that remove a boundary and set another at once: the
    /// second call settles the finding.
    BoundaryWeakened {
        id: "admin-boundary-weakened",
        title: "A permissions boundary was removed or made meaningless",
        severity: High,
        confidence: High,
        catalogue: ["ADM-13"],
        references: [attack(&["T1098"]), doc(&["IAM User Guide: Permissions boundaries for IAM entities"])],
        on: [
            On::Call("iam.amazonaws.com", &[
                "DeleteUserPermissionsBoundary", "DeleteRolePermissionsBoundary",
                "PutUserPermissionsBoundary", "PutRolePermissionsBoundary",
            ]),
            On::Call("sso.amazonaws.com", &[
                "PutPermissionsBoundaryToPermissionSet", "DeletePermissionsBoundaryFromPermissionSet",
            ]),
        ],
    }
}

impl Rule for BoundaryWeakened {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(bounded) = Bounded::of(record) else { return Ok(()) };
        let event = record.event_name.or_empty();
        let seen = if event.starts_with("Delete") {
            bounded.removed(record, cx)?
        } else {
            match (&bounded, record.param(&["permissionsBoundary"])) {
                (Bounded::Principal { kind, name, arn }, Some(boundary)) => {
                    replaced(record, cx, (*kind, name), arn, boundary)?
                }
                (Bounded::Set { arn, .. }, _) => replaced_of_set(record, cx, arn)?,
                _ => return Ok(()),
            }
        };
        cx.report(seen);
        Ok(())
    }
}

/// Whose boundary it is.
enum Bounded<'r> {
    /// A user's or a role's.
    Principal { kind: PrincipalKind, name: &'r str, arn: String },
    /// A permission set's, and so that of its role in every account.
    Set { arn: &'r str },
}

impl<'r> Bounded<'r> {
    fn of(record: &'r Record<'_>) -> Option<Bounded<'r>> {
        if record.event_source.or_empty() == "sso.amazonaws.com" {
            return Some(Bounded::Set { arn: record.param(&["permissionSetArn"])? });
        }
        let (kind, name) = power::grantee(record)?;
        Some(Bounded::Principal { kind, name, arn: record.iam_arn(kind.as_str(), name) })
    }

    fn removed(&self, record: &Record<'_>, cx: &Cx<'_>) -> Result<Observation, Interrupt> {
        match self {
            Bounded::Principal { kind, name, arn } => removed(record, cx, (*kind, name), arn),
            Bounded::Set { arn } => removed_of_set(record, cx, arn),
        }
    }
}

/// How bad a removal is, why, and what the holder is without its boundary.
fn without(power: &Power) -> (Severity, String, String) {
    match power {
        Power::Unknown(why) => {
            (Severity::High, why.clone(), "and what it can do without it could not be read".to_owned())
        }
        Power::Known(grant) => match grant.level {
            Level::FullAdmin => {
                (Severity::Critical, grant.why(), format!("which {} without it", grant.ability()))
            }
            Level::PrivilegeEscalation => {
                (Severity::High, grant.why(), format!("which {} without it", grant.ability()))
            }
            _ => (Severity::Medium, grant.why(), "which holds no administrative power for now".to_owned()),
        },
    }
}

fn removed_of_set(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Result<Observation, Interrupt> {
    let (name, power) = match holdings(record, cx, arn)? {
        Fact::Known(held) => (held.name.clone(), power::of_holdings(cx, &held, None)?),
        Fact::Missing => {
            (None, Power::Unknown("the permission set was gone when Keepwatch looked".to_owned()))
        }
        Fact::Unavailable(why) => {
            (None, Power::Unknown(format!("the permission set could not be read ({why})")))
        }
    };
    let (severity, why, without) = without(&power);
    let name = name.unwrap_or_else(|| last_part(arn).to_owned());
    let title = format!(
        "{} removed the permissions boundary of permission set {name}, {without}",
        caller_name(record)
    );
    let seen = cx
        .failing(arn, title)
        .severity(severity)
        .because(as_sentence(&why))
        .detail("Permission set", &name)
        .look_back(
            "Which boundary was it? The PutPermissionsBoundaryToPermissionSet call before this one",
            instance_region(record).1,
            "AttributeKey=EventName,AttributeValue=PutPermissionsBoundaryToPermissionSet",
        )
        .step(
            "Set it again",
            "sso-admin put-permissions-boundary-to-permission-set",
            &[
                instance_region(record),
                ("--instance-arn", record.param(&["instanceArn"]).unwrap_or_default()),
                ("--permission-set-arn", arn),
                ("--permissions-boundary", "ManagedPolicyArn=ARN_OF_THE_BOUNDARY"),
            ],
        );
    Ok(stop_caller(seen, record))
}

fn replaced_of_set(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Result<Observation, Interrupt> {
    let boundary = |path: &[&str]| record.param(&[&["permissionsBoundary"], path].concat());
    let managed = boundary(&["managedPolicyArn"]);
    let named = managed.or_else(|| boundary(&["customerManagedPolicyReference", "name"]));
    let short = named.map_or("a policy that the event does not name", last_part);
    let power = match managed {
        Some(managed) => power::of_managed(cx, managed, None, None)?,
        None => {
            Power::Unknown(format!("{short} lives in the accounts that the permission set is assigned to"))
        }
    };
    let set = format!(
        "{} set {short} as the permissions boundary of permission set {}",
        caller_name(record),
        last_part(arn)
    );
    let why = "A boundary caps nothing that it allows: the permission set's policies now decide alone.";
    let room = |what: &str, severity| {
        cx.failing(arn, format!("{set}, and that policy allows {what}")).severity(severity).because(why)
    };
    let seen = match &power {
        Power::Known(grant) if grant.level == Level::FullAdmin => room("everything", Severity::High),
        Power::Known(grant) if grant.level == Level::PrivilegeEscalation => {
            room("what makes an administrator", Severity::Medium).detail("Because", as_sentence(&grant.why()))
        }
        Power::Known(_) => return Ok(cx.passing(arn, set)),
        // A policy of the accounts' own is how such a boundary is meant to be set.
        Power::Unknown(why) => cx
            .unknown(arn, format!("{set}, and what that policy allows could not be read"))
            .severity(Severity::Low)
            .because(as_sentence(why)),
    };
    let seen = seen.detail("Boundary", named.unwrap_or(short)).step(
        "What is the boundary now?",
        "sso-admin get-permissions-boundary-for-permission-set",
        &[
            instance_region(record),
            ("--instance-arn", record.param(&["instanceArn"]).unwrap_or_default()),
            ("--permission-set-arn", arn),
        ],
    );
    Ok(stop_caller(seen, record))
}

fn removed(
    record: &Record<'_>,
    cx: &Cx<'_>,
    (kind, name): (PrincipalKind, &str),
    arn: &str,
) -> Result<Observation, Interrupt> {
    let power = power::of_principal(cx, kind, name, Some(arn))?;
    let (severity, why, without) = without(&power);
    let (who, kind) = (caller_name(record), kind.as_str());
    let seen = cx
        .failing(arn, format!("{who} removed the permissions boundary of {kind} {name}, {without}"))
        .severity(severity)
        .because(as_sentence(&why))
        .look_back(
            "Which boundary was it? The PutPermissionsBoundary or Create call before this one",
            region(record),
            &lookup("ResourceName", name),
        )
        .step(
            "Set it again",
            &format!("iam put-{kind}-permissions-boundary"),
            &[(&format!("--{kind}-name"), name), ("--permissions-boundary", "ARN_OF_THE_BOUNDARY")],
        );
    Ok(stop_caller(seen, record))
}

fn replaced(
    record: &Record<'_>,
    cx: &Cx<'_>,
    (kind, name): (PrincipalKind, &str),
    arn: &str,
    boundary: &str,
) -> Result<Observation, Interrupt> {
    let (who, kind) = (caller_name(record), kind.as_str());
    let short = boundary.rsplit('/').next().unwrap_or(boundary);
    let set = format!("{who} set {short} as the permissions boundary of {kind} {name}");
    let room = |what: &str, severity| {
        let why = "A boundary caps nothing that it allows: the principal's own policies now decide alone.";
        cx.failing(arn, format!("{set}, and that policy allows {what}")).severity(severity).because(why)
    };
    let seen = match power::of_managed(cx, boundary, None, None)? {
        Power::Known(grant) => match grant.level {
            Level::FullAdmin => room("everything", Severity::High),
            Level::PrivilegeEscalation => room("what makes an administrator", Severity::Medium)
                .detail("Because", as_sentence(&grant.why())),
            _ => return Ok(cx.passing(arn, format!("The {kind} {name} has permissions boundary {short}"))),
        },
        Power::Unknown(why) => cx
            .unknown(arn, format!("{set}, and what that policy allows could not be read"))
            .severity(Severity::Medium)
            .because(as_sentence(&why)),
    };
    let seen = read_policy(seen.detail("Boundary", boundary), "What does the boundary allow?", boundary)
        .step(
            "Set a boundary that bounds",
            &format!("iam put-{kind}-permissions-boundary"),
            &[(&format!("--{kind}-name"), name), ("--permissions-boundary", "ARN_OF_THE_BOUNDARY")],
        );
    Ok(stop_caller(seen, record))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Holdings, PolicyText, Query, Value};

    const CAP: &str = "arn:aws:iam::111122223333:policy/developer-boundary";

    fn delete(of: &str) -> String {
        let parameter = format!("{}Name", of.to_lowercase());
        call(
            "iam",
            &format!("Delete{of}PermissionsBoundary"),
            json!({"requestParameters": {parameter: "deploy"}}),
        )
    }

    fn put(of: &str, boundary: &str) -> String {
        let parameter = format!("{}Name", of.to_lowercase());
        let parameters = json!({parameter: "deploy", "permissionsBoundary": boundary});
        call("iam", &format!("Put{of}PermissionsBoundary"), json!({"requestParameters": parameters}))
    }

    fn holds(managed: &str) -> (Query, Answer) {
        let query = Query::Principal { kind: PrincipalKind::Role, name: "deploy".to_owned() };
        let holdings = Holdings { managed: vec![managed.to_owned()], ..Holdings::default() };
        (query, Fact::Known(Value::Holdings(holdings)))
    }

    fn cap(text: &str) -> (Query, Answer) {
        let policy = PolicyText { name: "developer-boundary".to_owned(), text: text.to_owned() };
        (Query::ManagedPolicy { arn: CAP.to_owned(), version: None }, Fact::Known(Value::Policy(policy)))
    }

    #[test]
    fn fires() {
        fires_at(&BoundaryWeakened, Severity::High, &delete("Role"));
        fires_at(&BoundaryWeakened, Severity::High, &delete("User"));
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            let admin = format!("arn:{partition}:iam::aws:policy/AdministratorAccess");
            fires_at(&BoundaryWeakened, Severity::High, &put("User", &admin));
        }
        let unread = fires_at(&BoundaryWeakened, Severity::Medium, &put("Role", CAP));
        assert_eq!(unread.verdict, Verdict::Unknown);
    }

    #[test]
    fn says_what_the_principal_is_without_it() {
        let admin = holds("arn:aws:iam::aws:policy/AdministratorAccess");
        let seen = fired_with(&BoundaryWeakened, &delete("Role"), &[admin]);
        assert_eq!(seen.severity, Severity::Critical);
        assert_eq!(
            seen.title,
            "alice removed the permissions boundary of role deploy, which is a full administrator without it"
        );
        let reader = holds("arn:aws:iam::aws:policy/ReadOnlyAccess");
        let seen = fired_with(&BoundaryWeakened, &delete("Role"), &[reader]);
        assert_eq!((seen.severity, seen.verdict), (Severity::Medium, Verdict::Failing));
    }

    #[test]
    fn reads_the_new_boundary() {
        let open = cap(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
        assert_eq!(fired_with(&BoundaryWeakened, &put("Role", CAP), &[open]).severity, Severity::High);
        for real in [
            r#"{"Statement":{"Effect":"Allow","Action":["s3:*","dynamodb:*"],"Resource":"*"}}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","lambda:*","iam:*"],"Resource":"*"},
                {"Effect":"Deny","Action":["iam:*","organizations:*"],"Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","dynamodb:*","iam:*"],"Resource":"*"},
                {"Effect":"Deny","Action":"iam:*","Resource":"*",
                 "Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"arn:aws:iam::111122223333:policy/developer-boundary"}}},
                {"Effect":"Deny","Action":"iam:Delete*PermissionsBoundary","Resource":"*"}]}"#,
        ] {
            let observations = observe_with(&BoundaryWeakened, &put("Role", CAP), &[cap(real)]);
            assert_eq!(observations.len(), 1, "{observations:?}");
            assert_eq!(observations[0].verdict, Verdict::Passing, "{observations:?}");
            // It settles what the removal opened.
            assert_eq!(
                observations[0].finding_id(),
                fires_at(&BoundaryWeakened, Severity::High, &delete("Role")).finding_id()
            );
        }
    }

    #[test]
    fn a_meaningless_boundary_settles_nothing() {
        let all = |more: &str| {
            let condition = if more.starts_with('"') { more } else { "" };
            let statement = if more.starts_with('{') { format!(",{more}") } else { String::new() };
            let comma = if condition.is_empty() { "" } else { "," };
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"{comma}{condition}}}{statement}]}}"#
            )
        };
        let unless = |value: &str| {
            all(&format!(
                r#"{{"Effect":"Deny","Action":"iam:*","Resource":"*",
                    "Condition":{{"StringNotLike":{{"iam:PermissionsBoundary":"{value}"}}}}}}"#
            ))
        };
        for open in [
            all(r#"{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::x"}"#),
            all(r#""Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#),
            all(
                r#"{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.1"}}}"#,
            ),
        ] {
            let seen = fired_with(&BoundaryWeakened, &put("Role", CAP), &[cap(&open)]);
            assert_eq!((seen.verdict, seen.severity), (Verdict::Failing, Severity::High), "{open}");
        }
        let (administrator, any) = (unless("arn:aws:iam::aws:policy/AdministratorAccess"), unless("*"));
        for iam in [
            &administrator,
            &any,
            r#"{"Statement":{"Effect":"Allow","Action":["iam:*","sts:*"],"Resource":"*"}}"#,
            // Who must set a boundary and may take it off again is not bound.
            r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":"*"},
                {"Effect":"Deny","Action":"iam:*","Resource":"*",
                 "Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"arn:aws:iam::111122223333:policy/developer-boundary"}}}]}"#,
        ] {
            let seen = fired_with(&BoundaryWeakened, &put("Role", CAP), &[cap(iam)]);
            assert_eq!((seen.verdict, seen.severity), (Verdict::Failing, Severity::Medium), "{iam}");
        }
        for managed in ["IAMFullAccess", "PowerUserAccess"] {
            let policy = format!("arn:aws:iam::aws:policy/{managed}");
            let seen = fires_at(&BoundaryWeakened, Severity::Medium, &put("User", &policy));
            assert_eq!(seen.verdict, Verdict::Failing);
        }
    }

    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";

    fn of_set(event: &str, boundary: serde_json::Value) -> String {
        let request = json!({"instanceArn": "arn:aws:sso:::instance/ssoins-1111", "permissionSetArn": SET,
            "permissionsBoundary": boundary});
        call("sso", event, json!({"requestParameters": request}))
    }

    fn held_by_set(managed: &str) -> (Query, Answer) {
        let query = Query::PermissionSet {
            instance: "arn:aws:sso:::instance/ssoins-1111".to_owned(),
            arn: SET.to_owned(),
            region: "us-east-1".to_owned(),
        };
        let holdings = Holdings {
            managed: vec![managed.to_owned()],
            name: Some("Developers".to_owned()),
            ..Holdings::default()
        };
        (query, Fact::Known(Value::Holdings(holdings)))
    }

    #[test]
    fn a_permission_set_is_bounded_as_a_role_is() {
        let removed = of_set("DeletePermissionsBoundaryFromPermissionSet", json!(null));
        let unread = fires_at(&BoundaryWeakened, Severity::High, &removed);
        assert!(unread.steps.iter().all(|step| step.command.contains("--region us-east-1")));
        let admin = held_by_set("arn:aws:iam::aws:policy/AdministratorAccess");
        let seen = fired_with(&BoundaryWeakened, &removed, &[admin]);
        assert_eq!(seen.severity, Severity::Critical);
        let title = "alice removed the permissions boundary of permission set Developers, which is a full administrator without it";
        assert_eq!(seen.title, title);
        let reader = held_by_set("arn:aws:iam::aws:policy/ReadOnlyAccess");
        assert_eq!(fired_with(&BoundaryWeakened, &removed, &[reader]).severity, Severity::Medium);

        let put = |boundary| of_set("PutPermissionsBoundaryToPermissionSet", boundary);
        let open = json!({"managedPolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
        fires_at(&BoundaryWeakened, Severity::High, &put(open));
        let own = json!({"customerManagedPolicyReference": {"name": "cap", "path": "/"}});
        let own = fires_at(&BoundaryWeakened, Severity::Low, &put(own));
        assert_eq!(own.verdict, Verdict::Unknown);
        fires_at(&BoundaryWeakened, Severity::Low, &put(json!("odd")));
        let reading = json!({"managedPolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"});
        let good = observe(&BoundaryWeakened, &put(reading));
        assert_eq!((good.len(), good[0].verdict), (1, Verdict::Passing));
        assert_eq!(good[0].finding_id(), unread.finding_id());
        quiet(
            &BoundaryWeakened,
            &[call("sso", "DeletePermissionsBoundaryFromPermissionSet", json!({"requestParameters": null}))],
        );
    }

    #[test]
    fn stays_quiet() {
        let denied = json!({"errorCode": "AccessDenied", "requestParameters": null});
        quiet(
            &BoundaryWeakened,
            &[
                call("iam", "DeleteRolePermissionsBoundary", denied),
                call("iam", "DeleteUserPermissionsBoundary", json!({"requestParameters": null})),
                call(
                    "iam",
                    "PutRolePermissionsBoundary",
                    json!({"requestParameters": {"roleName": "deploy"}}),
                ),
                call(
                    "iam",
                    "PutUserPermissionsBoundary",
                    json!({"requestParameters": {"userName": 7, "permissionsBoundary": [CAP]}}),
                ),
                call("iam", "DeleteRole", json!({"requestParameters": {"roleName": "deploy"}})),
            ],
        );
    }
}
