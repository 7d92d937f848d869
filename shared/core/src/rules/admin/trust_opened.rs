use super::power;
use crate::event::Record;
use crate::observation::Severity;
use crate::policy::trust::{self, ExposureKind};
use crate::policy::{Document, Level};
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};
use crate::state::{Fact, PrincipalKind};

declare_rule! {
    /// ## What it detects
    /// A role's trust policy lets somebody outside the account assume it: everybody, another account, or an identity
    /// provider whose tokens are not limited to one repository, project or subject. If the role itself can be read and
    /// is an administrator, that is critical.
    /// ## Why it matters
    /// A role that trusts an outside account is a door that stays open when every key in this account has been rotated.
    /// ## What to do
    /// Find out who owns the account or provider that is named. If nobody knows it, write the trust policy back and look
    /// for sessions of the role: sts AssumeRole events name it.
    /// ## False positives
    /// Vendors and accounts of the same organization: name them in the TrustedAccounts parameter. Services of AWS as
    /// principals and providers limited by a subject condition are not reported; an ExternalId lowers the severity.
    TrustOpened {
        id: "role-trust-opened",
        title: "A role trusts somebody outside the account",
        severity: High,
        confidence: High,
        catalogue: ["ADM-09"],
        references: ["CIS AWS v3.0 1.16, 1.20", "CIS AWS v5.0 1.15, 1.19", "ATT&CK T1098, T1199"],
        on: [On::Call("iam.amazonaws.com", &["UpdateAssumeRolePolicy", "CreateRole"])],
    }
}

impl Rule for TrustOpened {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(role) = record.param(&["roleName"]) else { return Ok(()) };
        let arn = record.iam_arn("role", role);
        let who = power::who(record);
        let request = record.request();
        let document = match request.get("policyDocument").or_else(|| request.get("assumeRolePolicyDocument"))
        {
            Some(document) if !document.is_null() => {
                Document::from_value(document).map_err(|e| e.to_string())
            }
            _ => match cx.facts.role(role)? {
                Fact::Known(facts) => Document::parse(&facts.trust.text).map_err(|e| e.to_string()),
                Fact::Missing => return Ok(()),
                Fact::Unavailable(why) => Err(why),
            },
        };
        let document = match document {
            Ok(document) => document,
            Err(why) => {
                let title = format!(
                    "{who} changed whom role {role} trusts, and the new trust policy could not be read"
                );
                cx.report(cx.unknown(arn, title).severity(Severity::Medium).because(why));
                return Ok(());
            }
        };
        let exposures = trust::exposures(&document, record.account(), &cx.config.trusted_accounts);
        let Some(worst) = exposures.iter().max_by_key(|exposure| severity(exposure)) else { return Ok(()) };
        let held = power::of_principal(cx, PrincipalKind::Role, role, Some(&arn))?;
        let admin = held.level() >= Level::PrivilegeEscalation;
        let outsider = match worst.kind {
            ExposureKind::Public => "anybody in any AWS account".to_owned(),
            ExposureKind::ExternalAccount => format!("outside account {}", worst.principal),
            ExposureKind::Federated => format!("too many identities of {}", worst.principal),
        };
        let what = if admin { "administrator role" } else { "role" };
        let title = format!("{who} let {outsider} assume {what} {role}");
        let mut seen = cx.failing(&arn, title).because(power::sentence(&worst.why));
        seen = seen.severity(if admin && !worst.guarded { Severity::Critical } else { severity(worst) });
        for exposure in &exposures {
            seen = seen.detail("Trusts", &exposure.principal);
        }
        seen =
            seen.step("Read the trust policy as it stands", "iam get-role", &[("--role-name", role)]).step(
                "Write back a trust policy that names only whom you know",
                "iam update-assume-role-policy",
                &[("--role-name", role), ("--policy-document", "file://trust.json")],
            );
        cx.report(power::stop_caller(seen, record));
        Ok(())
    }
}

fn severity(exposure: &trust::Exposure) -> Severity {
    match (&exposure.kind, exposure.guarded) {
        (ExposureKind::Public, false) => Severity::Critical,
        (_, false) => Severity::High,
        (_, true) => Severity::Medium,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observation::Verdict;
    use crate::rules::testing::*;
    use crate::state::{Holdings, Query, Value as Answer};

    fn trust(principal: Value, condition: Value) -> String {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal,
            "Action": "sts:AssumeRole", "Condition": condition}]})
        .to_string()
    }

    fn update(document: &str) -> String {
        let request = json!({"roleName": "deploy", "policyDocument": document});
        call("iam", "UpdateAssumeRolePolicy", json!({"requestParameters": request}))
    }

    fn create(document: &str) -> String {
        let request = json!({"roleName": "deploy", "assumeRolePolicyDocument": document});
        call("iam", "CreateRole", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        fires_at(&TrustOpened, Severity::Critical, &update(&trust(json!("*"), json!({}))));
        fires_at(&TrustOpened, Severity::High, &create(&trust(json!({"AWS": "999988887777"}), json!({}))));
        let guarded = json!({"StringEquals": {"sts:ExternalId": "7f3a"}});
        fires_at(
            &TrustOpened,
            Severity::Medium,
            &create(&trust(json!({"AWS": "arn:aws:iam::999988887777:root"}), guarded)),
        );
    }

    #[test]
    fn an_administrator_role_is_critical() {
        let holdings = Holdings {
            managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
            ..Holdings::default()
        };
        let query = Query::Principal { kind: PrincipalKind::Role, name: "deploy".to_owned() };
        let event = update(&trust(json!({"AWS": "999988887777"}), json!({})));
        let seen = fired_with(&TrustOpened, &event, &[(query, Fact::Known(Answer::Holdings(holdings)))]);
        assert_eq!(seen.severity, Severity::Critical);
    }

    #[test]
    fn unreadable_is_unknown() {
        assert_eq!(fired(&TrustOpened, &update("{broken")).verdict, Verdict::Unknown);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TrustOpened,
            &[
                create(&trust(json!({"Service": "lambda.amazonaws.com"}), json!({}))),
                create(&trust(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!({}))),
                create(&trust(json!({"AWS": "444455556666"}), json!({}))),
                call(
                    "iam",
                    "CreateRole",
                    json!({"errorCode": "EntityAlreadyExists", "requestParameters": {"roleName": "deploy", "assumeRolePolicyDocument": trust(json!("*"), json!({}))}}),
                ),
                call("iam", "CreateRole", json!({"requestParameters": {"omitted": true}})),
            ],
        );
    }
}
