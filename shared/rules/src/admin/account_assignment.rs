use keepwatch_policy::Level;

use super::permission_set::{holdings, instance_region};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Identity Center gave a user or a group an account, through a permission set with administrative power. What the
    /// permission set holds is read from Identity Center. Deleting the assignment settles the finding.
    /// ## Why it matters
    /// The assignment makes somebody administrator of an account without one IAM call by the one who made it.
    /// ## What to do
    /// Ask the caller. If it was not meant, delete the assignment; open sessions last until they expire, so also end the
    /// person's sessions in the Identity Center console.
    /// ## False positives
    /// Onboarding of an administrator. Assignments of permission sets with ordinary policies are not reported.
    AccountAssignment {
        id: "admin-account-assignment",
        title: "Identity Center assigned administrative power over an account",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-12"],
        references: [
            attack(&["T1098"]),
            doc(&["AWS IAM Identity Center API reference: CreateAccountAssignment"]),
        ],
        on: [On::Call("sso.amazonaws.com", &["CreateAccountAssignment", "DeleteAccountAssignment"])],
    }
}

impl Rule for AccountAssignment {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(arn) = record.param(&["permissionSetArn"]) else { return Ok(()) };
        let account = record.param(&["targetId"]).unwrap_or("an account not named");
        let principal = record.param(&["principalId"]).unwrap_or("somebody not named");
        let kind = record.param(&["principalType"]).unwrap_or("USER");
        let (who, resource) = (caller_name(record), format!("{arn} in {account}"));
        if power::takes_away(record) {
            let title = format!(
                "{who} took account {account} from Identity Center {} {principal}",
                kind.to_lowercase()
            );
            cx.report(cx.passing(&resource, title).aspect(principal));
            return Ok(());
        }
        let (name, power) = match holdings(record, cx, arn)? {
            Fact::Known(held) => (held.name.clone(), power::of_holdings(cx, &held, None)?),
            Fact::Missing => {
                (None, Power::Unknown("the permission set was gone when Keepwatch looked".to_owned()))
            }
            Fact::Unavailable(why) => {
                (None, Power::Unknown(format!("the permission set could not be read ({why})")))
            }
        };
        if power.level() == Level::ServiceAdmin {
            return Ok(());
        }
        let name = name.unwrap_or_else(|| arn.rsplit('/').next().unwrap_or(arn).to_owned());
        let holder = format!("Identity Center {} {principal}", kind.to_lowercase());
        let how = format!("{who} assigned it permission set {name} in account {account}");
        let grant_report = GrantReport::now(&resource, &holder, &how);
        let Some(seen) = power::observation(cx, &power, &grant_report) else { return Ok(()) };
        let seen = seen
            .aspect(principal)
            .detail("Permission set", &name)
            .detail("Target account", account)
            .detail("Principal", format!("{kind} {principal}"))
            .step(
                "Who is that?",
                if kind == "GROUP" { "identitystore describe-group" } else { "identitystore describe-user" },
                &[
                    instance_region(record),
                    ("--identity-store-id", "YOUR_IDENTITY_STORE_ID"),
                    (if kind == "GROUP" { "--group-id" } else { "--user-id" }, principal),
                ],
            )
            .step(
                "Take the assignment back",
                "sso-admin delete-account-assignment",
                &[
                    instance_region(record),
                    ("--instance-arn", record.param(&["instanceArn"]).unwrap_or_default()),
                    ("--permission-set-arn", arn),
                    ("--target-id", account),
                    ("--target-type", "AWS_ACCOUNT"),
                    ("--principal-type", kind),
                    ("--principal-id", principal),
                ],
            );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Holdings, Query, Value};

    const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1111";
    const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";

    fn assignment(event: &str) -> String {
        call(
            "sso",
            event,
            json!({"requestParameters": {
                "instanceArn": INSTANCE, "permissionSetArn": SET, "targetId": "111122223333", "targetType": "AWS_ACCOUNT",
                "principalType": "USER", "principalId": "90676e1b-0000-4000-8000-000000000000",
            }}),
        )
    }

    fn assign() -> String {
        assignment("CreateAccountAssignment")
    }

    fn set(managed: &str) -> (Query, Answer) {
        let query = Query::PermissionSet {
            instance: INSTANCE.to_owned(),
            arn: SET.to_owned(),
            region: "us-east-1".to_owned(),
        };
        let name = Some("Admins".to_owned());
        let holdings = Holdings { managed: vec![managed.to_owned()], name, ..Holdings::default() };
        (query, Fact::Known(Value::Holdings(holdings)))
    }

    #[test]
    fn fires() {
        let seen =
            fired_with(&AccountAssignment, &assign(), &[set("arn:aws:iam::aws:policy/AdministratorAccess")]);
        assert_eq!(seen.severity, Severity::Critical);
        assert!(seen.title.contains("Admins"), "{}", seen.title);
        let unread = fired(&AccountAssignment, &assign());
        assert_eq!((unread.verdict, unread.severity), (Verdict::Unknown, Severity::Medium));
    }

    #[test]
    fn deleting_the_assignment_settles_it() {
        let gone = observe(&AccountAssignment, &assignment("DeleteAccountAssignment"));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        let made = fired(&AccountAssignment, &assign());
        assert_eq!(gone[0].finding_id(), made.finding_id());
        assert!(
            made.steps.iter().all(|step| step.command.contains(" --region us-east-1 ")),
            "{:?}",
            made.steps
        );
    }

    #[test]
    fn stays_quiet() {
        let read_only = set("arn:aws:iam::aws:policy/ReadOnlyAccess");
        assert!(observe_with(&AccountAssignment, &assign(), &[read_only]).is_empty());
        quiet(
            &AccountAssignment,
            &[
                call(
                    "sso",
                    "CreateAccountAssignment",
                    json!({"errorCode": "ConflictException", "requestParameters": {"permissionSetArn": SET}}),
                ),
                call("sso", "CreateAccountAssignment", json!({"requestParameters": null})),
            ],
        );
    }
}
