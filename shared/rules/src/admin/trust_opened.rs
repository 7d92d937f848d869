use std::fmt;

use keepwatch_base::wildcard;
use keepwatch_policy::trust::{self, Comer, Exposure, ExposureKind, Insider, Provider};
use keepwatch_policy::{Document, Level};

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A role's trust policy lets somebody outside the account assume it: everybody, another account, a service that
    /// acts for another account, or identities of a provider that everybody has, such as GitHub's repositories. Where
    /// the policy says which repository, project or pool may come, that is medium, and low for a new role until the
    /// list `trusted-identities` says whose are yours; identities in the list are not reported. Roles Anywhere without
    /// a condition that names the trust anchor or the certificate is low. If the role can be read and has
    /// administrative power, that is critical, or high where a condition narrows it; and then users and roles of the
    /// account itself and identity providers that an updated trust policy names are reported too. Services of AWS and
    /// the subjects of providers that only your account has, such as an EKS cluster's, are not reported. An ExternalId
    /// or an organization lowers the severity; but whoever opened the role chose them too, so an administrator role
    /// stays high. An update without any of them settles the finding.
    /// ## Why it matters
    /// A role that trusts an outside account is a door that stays open when every key in this account has been rotated.
    /// A user whom an administrator role trusts by name is an administrator without holding one policy.
    /// ## What to do
    /// Find out who owns the account or provider that is named. If nobody knows it, write the trust policy back and look
    /// who has taken on the role.
    /// ## False positives
    /// Vendors and accounts of the same organization: name them in the TrustedAccounts parameter. Your own
    /// repositories, projects and pools: put them into the list `trusted-identities` (`keepwatch tune values
    /// trusted-identities --add 'repo:octo-org/*'`). The event does not say whom the role trusted before: an updated
    /// policy may name old acquaintances.
    TrustOpened {
        id: "role-trust-opened",
        title: "A role trusts somebody outside the account",
        severity: High,
        confidence: High,
        catalogue: ["ADM-09"],
        references: [
            cis("3.0", &["1.16", "1.20"]),
            cis("5.0", &["1.15", "1.19"]),
            attack(&["T1098", "T1199"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["UpdateAssumeRolePolicy", "CreateRole"])],
        alerts_as_witness: true,
    }
}

impl Rule for TrustOpened {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let answered = record.response_text(&["role", "roleName"]);
        let Some(role) = record.param(&["roleName"]).or(answered) else { return Ok(()) };
        let (who, arn) = (caller_name(record), record.iam_arn("role", role));
        let document = match written(record, cx, role)? {
            None => return Ok(()),
            Some(Ok(document)) => match record.time() {
                Some(at) => document.as_of(at),
                None => document,
            },
            Some(Err(why)) => {
                let title = format!(
                    "{who} changed whom role {role} trusts, and the new trust policy could not be read"
                );
                let seen = cx.unknown(arn, title).severity(Severity::Medium).because(as_sentence(&why));
                cx.report(finish(seen, record, role));
                return Ok(());
            }
        };
        let is_update = record.event_name.or_empty() == "UpdateAssumeRolePolicy";
        let mut exposures = trust::exposures(&document, record.account(), &cx.config.trusted_accounts);
        exposures.retain(|exposure| !is_own(exposure, &cx.config.trusted_identities));
        let providers = trust::providers(&document);
        // Whoever opened the role chose the claims as well: on an administrator role every provider is told.
        let named: Vec<Named> = match is_update {
            true => {
                let insiders = trust::insiders(&document, record.account()).into_iter().map(Named::Insider);
                insiders.chain(providers.iter().cloned().map(Named::Provider)).collect()
            }
            false => Vec::new(),
        };
        let held = match exposures.is_empty() && named.is_empty() {
            true => None,
            false => Some(power::of_principal(cx, PrincipalKind::Role, role, Some(&arn))?),
        };
        let opening = Opening { is_update, says_whom: !cx.config.trusted_identities.is_empty() };
        let admin = held.as_ref().is_some_and(|held| held.level() >= Level::PrivilegeEscalation);
        let what = if admin { "administrator role" } else { "role" };
        let seen = if let Some(worst) =
            exposures.iter().max_by_key(|exposure| opening.severity(exposure, admin))
        {
            cx.failing(&arn, format!("{who} let {} assume {what} {role}", worst.who()))
                .severity(opening.severity(worst, admin))
                .because(as_sentence(&worst.why()))
        } else if admin {
            let names: Vec<String> = named.iter().take(3).map(Named::short).collect();
            cx.failing(&arn, format!("{who} let {} assume {what} {role}", names.join(" and ")))
                .severity(Severity::High)
                .because("Whoever the trust policy names needs no other permission to become administrator by this role.")
        } else {
            // What the role can do decides about insiders; where that cannot be read, nothing is settled. A provider is
            // never good news: whose the claims are nobody can say.
            let unread = matches!(held, Some(power::Power::Unknown(_)));
            if is_update && !unread && providers.is_empty() {
                let title = format!("{who} rewrote whom role {role} trusts, and no outsider is among them");
                let seen = cx.passing(&arn, title);
                cx.report(match record.param(&["policyDocument"]) {
                    Some(written) => seen.confirm(Confirm::trust_says(role, written, power::same_document)),
                    None => seen, // read from the account a moment ago
                });
            }
            return Ok(());
        };
        let mut seen = seen.detail_if("Role", record.response_text(&["role", "arn"]));
        if admin && let Some(power::Power::Known(grant)) = &held {
            seen = seen.detail("The role", grant.ability().to_string());
        }
        let outsiders = exposures.iter().map(|exposure| exposure.principal.clone());
        let mut all: Vec<String> =
            outsiders.chain(named.iter().filter(|_| admin).map(Named::to_string)).collect();
        all.sort_unstable();
        for principal in &all {
            seen = seen.detail("Trusts", principal);
        }
        // Somebody new is worth a mail of its own, however soon after the last.
        seen = seen.witnessed_by(&format!("{} {}", all.len(), all.join(" ")));
        cx.report(finish(seen, record, role));
        Ok(())
    }
}

/// The trust policy from the event or, where it is not there, from the account; nothing where the role is gone.
fn written(
    record: &Record<'_>,
    cx: &Cx<'_>,
    role: &str,
) -> Result<Option<Result<Document, String>>, Interrupt> {
    let request = record.request();
    let given = request.get("policyDocument").or_else(|| request.get("assumeRolePolicyDocument"));
    if let Some(document) = given.filter(|document| !document.is_null()) {
        return Ok(Some(Document::from_value(document).map_err(|error| error.to_string())));
    }
    Ok(match cx.facts.role(role)? {
        Fact::Known(facts) => Some(Document::parse(&facts.trust.text).map_err(|error| error.to_string())),
        Fact::Missing => None,
        Fact::Unavailable(why) => Some(Err(why)),
    })
}

/// Whether these are the owner's own repositories, pools and accounts.
fn is_own(exposure: &Exposure, trusted: &[String]) -> bool {
    let known = |identity: &String| trusted.iter().any(|pattern| wildcard::covers(pattern, identity));
    matches!(&exposure.comer, Comer::Named { identities, .. } if identities.iter().all(known))
}

/// What decides how bad it is besides who comes.
struct Opening {
    /// The role was there before, and what it can do with it.
    is_update: bool,
    /// The owner has said which identities are his.
    says_whom: bool,
}

impl Opening {
    fn severity(&self, exposure: &Exposure, admin: bool) -> Severity {
        match (&exposure.kind, exposure.guarded) {
            (ExposureKind::Certificates, _) if admin => Severity::Medium,
            (ExposureKind::Certificates, _) => Severity::Low,
            // Every set-up of a pipeline makes such a role; whose the repository is nobody has said.
            (ExposureKind::Named, _) if !admin && !self.is_update && !self.says_whom => Severity::Low,
            (_, false) if admin => Severity::Critical,
            (ExposureKind::Public, false) => Severity::Critical,
            (_, false) => Severity::High,
            // Whoever opened the role chose the guard as well.
            (_, true) if admin => Severity::High,
            (_, true) => Severity::Medium,
        }
    }
}

/// Whom a trust policy names who is no outsider, or says to be none.
enum Named {
    Insider(Insider),
    Provider(Provider),
}

impl Named {
    /// For a title: `user/bob` of its ARN.
    fn short(&self) -> String {
        match self {
            Named::Insider(Insider::Principal(arn)) => {
                Arn::parse(arn).map_or(arn.as_str(), |arn| arn.resource).to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Insider(insider) => insider.fmt(f),
            Named::Provider(provider) => provider.fmt(f),
        }
    }
}

fn finish(seen: Observation, record: &Record<'_>, role: &str) -> Observation {
    let deny = deny_all(record);
    let seen = seen
        .step("Read the trust policy as it stands", "iam get-role", &[("--role-name", role)])
        .step(
            "If nobody knows who that is: deny everything to the role, whoever uses it (undo: iam detach-role-policy)",
            "iam attach-role-policy",
            &[("--role-name", role), ("--policy-arn", &deny)],
        )
        .step(
            "Take whom nobody knows out of the policy printed above, save it as TRUST_POLICY_FILE, and write it back",
            r#"iam update-assume-role-policy --policy-document "$(cat TRUST_POLICY_FILE)""#,
            &[("--role-name", role)],
        );
    done_by_holder(stop_caller(seen, record), record, "role", role)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::engine::Config;
    use keepwatch_core::state::{Holdings, Query, Value as Answer};

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

    /// The role deploy holds this policy.
    fn holds(managed: &str) -> [(Query, Fact<Answer>); 1] {
        let holdings =
            Holdings { managed: vec![format!("arn:aws:iam::aws:policy/{managed}")], ..Holdings::default() };
        let query = Query::Principal { kind: PrincipalKind::Role, name: "deploy".to_owned() };
        [(query, Fact::Known(Answer::Holdings(holdings)))]
    }

    #[test]
    fn no_guard_makes_an_administrator_role_harmless() {
        let admin = holds("AdministratorAccess");
        let outside = json!({"AWS": "arn:aws:iam::999988887777:user/evil"});
        let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
        for (principal, condition, severity, whom) in [
            (outside.clone(), json!({}), Severity::Critical, "outside account 999988887777"),
            (outside, equals("sts:ExternalId", "evil"), Severity::High, "outside account 999988887777"),
            (
                json!("*"),
                equals("aws:PrincipalAccount", "999988887777"),
                Severity::Critical,
                "outside account 999988887777",
            ),
            (
                json!("*"),
                equals("aws:PrincipalOrgID", "o-attacker123"),
                Severity::High,
                "anybody in organization o-attacker123",
            ),
        ] {
            let seen = fired_with(&TrustOpened, &update(&trust(principal, condition)), &admin);
            assert_eq!(seen.severity, severity, "{}", seen.title);
            assert_eq!(seen.title, format!("alice let {whom} assume administrator role deploy"));
        }
        let organization = trust(json!("*"), equals("aws:PrincipalOrgID", "o-attacker123"));
        let seen = fired_with(&TrustOpened, &update(&organization), &holds("ReadOnlyAccess"));
        assert_eq!(
            (seen.severity, seen.title.as_str()),
            (Severity::Medium, "alice let anybody in organization o-attacker123 assume role deploy")
        );
    }

    #[test]
    fn tells_whom_of_the_account_an_administrator_role_trusts_by_name() {
        let own = update(&trust(json!({"AWS": "arn:aws:iam::111122223333:user/alice"}), json!({})));
        for managed in ["AdministratorAccess", "IAMFullAccess"] {
            let seen = fired_with(&TrustOpened, &own, &holds(managed));
            assert_eq!(seen.severity, Severity::High);
            assert_eq!(seen.title, "alice let user/alice assume administrator role deploy");
        }
        quiet(&TrustOpened, &[own]); // What the role can do is not known.
        let root = update(&trust(json!({"AWS": "arn:aws:iam::111122223333:root"}), json!({})));
        let seen = observe_with(&TrustOpened, &root, &holds("AdministratorAccess"));
        assert!(seen.iter().all(|seen| seen.verdict == Verdict::Passing), "{seen:?}");
    }

    #[test]
    fn an_update_without_outsiders_settles_it() {
        let open = fired(&TrustOpened, &update(&trust(json!("*"), json!({}))));
        let service = update(&trust(json!({"Service": "ec2.amazonaws.com"}), json!({})));
        let insider = update(&trust(json!({"AWS": "arn:aws:iam::111122223333:user/alice"}), json!({})));
        for (event, facts) in [(service, None), (insider, Some(holds("ReadOnlyAccess")))] {
            let gone =
                observe_with(&TrustOpened, &event, facts.as_ref().map_or(&[], |facts| facts.as_slice()));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn another_outsider_is_another_witness() {
        let seen =
            |accounts: Value| fired(&TrustOpened, &update(&trust(json!({"AWS": accounts}), json!({}))));
        let first = seen(json!("999988887777"));
        for other in [json!("888877776666"), json!(["999988887777", "888877776666"])] {
            let second = seen(other);
            assert_eq!(first.finding_id(), second.finding_id());
            assert_ne!(first.witness, second.witness);
        }
    }

    #[test]
    fn shows_the_path_that_only_the_answer_has() {
        let arn = "arn:aws:iam::111122223333:role/team/deploy";
        let request = json!({"roleName": "deploy", "assumeRolePolicyDocument": trust(json!("*"), json!({}))});
        let event = json!({"requestParameters": request, "responseElements": {"role": {"arn": arn}}});
        let seen = fired(&TrustOpened, &call("iam", "CreateRole", event));
        assert!(seen.details.iter().any(|(_, value)| value == arn), "{:?}", seen.details);
    }

    #[test]
    fn a_provider_on_an_administrator_role_is_told_and_never_settles_anything() {
        let provider = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"});
        let claims = json!({"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:somebody/x:ref:refs/heads/main",
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}});
        let document = trust(provider, claims).replace("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity");
        let holdings = |policy: &str| {
            let managed = vec![format!("arn:aws:iam::aws:policy/{policy}")];
            let query = Query::Principal { kind: PrincipalKind::Role, name: "deploy".to_owned() };
            [(query, Fact::Known(Answer::Holdings(Holdings { managed, ..Holdings::default() })))]
        };
        let seen = fired_with(&TrustOpened, &update(&document), &holdings("AdministratorAccess"));
        assert_eq!(seen.severity, Severity::High);
        assert!(seen.title.contains("repo:somebody/x"), "{}", seen.title);
        let seen = fired_with(&TrustOpened, &update(&document), &holdings("ReadOnlyAccess"));
        assert_eq!(seen.severity, Severity::Medium);
        assert_eq!(
            seen.title,
            "alice let repo:somebody/x:ref:refs/heads/main of token.actions.githubusercontent.com assume role deploy"
        );
    }

    #[test]
    fn whose_a_repository_is_the_owner_says() {
        let provider = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"});
        let of = |repository: &str| {
            let claims = json!({"StringLike": {"token.actions.githubusercontent.com:sub": format!("repo:{repository}:*")}});
            trust(provider.clone(), claims).replace("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity")
        };
        let told = |event: &str, trusted: &[&str]| {
            let trusted_identities = trusted.iter().map(|text| (*text).to_owned()).collect();
            let seen = observe_under(&TrustOpened, event, Config { trusted_identities, ..settings() });
            seen.into_iter().find(|one| one.verdict == Verdict::Failing).map(|one| one.severity)
        };
        let ours: &[&str] = &["repo:octo-org/*"];
        assert_eq!(told(&create(&of("octo-org/app")), &[]), Some(Severity::Low));
        assert_eq!(told(&update(&of("octo-org/app")), &[]), Some(Severity::Medium));
        assert_eq!(told(&create(&of("octo-org/app")), ours), None);
        assert_eq!(told(&update(&of("octo-org/app")), ours), None);
        assert_eq!(told(&create(&of("mallory/evil")), ours), Some(Severity::Medium));
        // A list is no way to trust more than it says.
        assert_eq!(told(&create(&of("octo-org*/app")), ours), Some(Severity::High));
    }

    #[test]
    fn services_for_other_accounts_and_certificates_of_any_anchor_are_told() {
        let service = |name: &str, condition: Value| update(&trust(json!({"Service": name}), condition));
        let other = json!({"StringEquals": {"aws:SourceAccount": "999988887777"}});
        let seen = fires_at(&TrustOpened, Severity::Medium, &service("cloudformation.amazonaws.com", other));
        assert_eq!(
            seen.title,
            "alice let cloudformation.amazonaws.com, acting for outside account 999988887777, assume role deploy"
        );
        fires_at(&TrustOpened, Severity::Low, &service("rolesanywhere.amazonaws.com", json!({})));
    }

    #[test]
    fn however_a_condition_names_the_own_account_it_is_told() {
        let bob = "arn:aws:iam::111122223333:user/bob";
        let alone = |condition: Value| trust(json!({"AWS": "*"}), condition);
        let besides_deny = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"},
            {"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole",
             "Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}]}"#;
        let organization = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},
            "Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}}}"#;
        for (document, who) in [
            (alone(json!({"StringEqualsIfExists": {"aws:PrincipalAccount": "111122223333"}})), "everybody"),
            (alone(json!({"ArnLikeIfExists": {"aws:PrincipalArn": bob}})), "user/bob"),
            (besides_deny.to_owned(), "everybody"),
            (organization.to_owned(), "everybody"),
        ] {
            let seen = fired_with(&TrustOpened, &update(&document), &holds("AdministratorAccess"));
            assert_eq!(seen.severity, Severity::High, "{document}");
            assert!(seen.title.contains(&format!("let {who}")), "{}", seen.title);
        }
    }

    /// The words that tell a provider were once cut at their fifth colon, as if they were an ARN: of this one, `environment:prod)`
    /// was left.
    #[test]
    fn a_provider_with_many_claims_is_told_as_a_whole() {
        let provider = json!({"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"});
        let claims = json!({"StringEquals": {"token.actions.githubusercontent.com:sub":
            ["repo:acme/a:ref:refs/heads/main", "repo:acme/b:environment:prod"]}});
        let document = trust(provider, claims).replace("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity");
        let seen = fired_with(&TrustOpened, &update(&document), &holds("AdministratorAccess"));
        assert_eq!(
            seen.title,
            "alice let repo:acme/a:ref:refs/heads/main or repo:acme/b:environment:prod of \
             token.actions.githubusercontent.com assume administrator role deploy"
        );
    }

    #[test]
    fn a_provider_of_another_account_is_an_outsider() {
        let provider = json!({"Federated": "arn:aws:iam::999988887777:saml-provider/idp"});
        let condition = json!({"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}});
        let document = trust(provider, condition).replace("sts:AssumeRole", "sts:AssumeRoleWithSAML");
        assert!(fired(&TrustOpened, &update(&document)).title.contains("outside account 999988887777"));
    }

    #[test]
    fn unreadable_is_unknown() {
        let seen = fired(&TrustOpened, &update("{broken"));
        assert_eq!((seen.verdict, seen.steps.is_empty()), (Verdict::Unknown, false));
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
