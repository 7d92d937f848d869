use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Who may vouch for people was changed. In IAM: a SAML or OIDC identity provider was added, changed or deleted.
    /// In Identity Center: an external identity provider or a directory was set up, switched on, changed or taken off, or an
    /// issuer of tokens was made trusted or changed; taking that issuer away settles its finding. Or a token was made by
    /// which a program provisions people (medium; deleting it settles that). In EKS: an issuer of
    /// tokens may vouch for the users of a cluster (medium); taking it off settles the finding.
    /// It is critical when somebody other than Identity Center changes the provider that Identity Center keeps in every
    /// account (`AWSSSO_…`).
    /// ## Why it matters
    /// Whoever owns the provider decides who people are. With the signing certificate exchanged, an attacker signs
    /// himself in as anybody, with any MFA, to every role that trusts the provider, and no IAM user or key is to be
    /// seen.
    /// ## What to do
    /// Ask the people who run your identity provider. If it was not theirs: compare metadata, certificate, thumbprint
    /// and client ids with the real ones and put them back, delete a provider nobody knows, and look for sessions that
    /// it opened (AssumeRoleWithSAML, AssumeRoleWithWebIdentity).
    /// ## False positives
    /// Yearly exchange of a SAML certificate, and setting up a CI system's OIDC provider. Identity Center's own care of
    /// its provider is not reported. The OIDC provider of an EKS cluster, which every cluster with IAM roles for
    /// service accounts has, is MEDIUM. A provider alone opens nothing until a role trusts it. Clusters whose users come
    /// from the company's own provider have it set up once.
    FederationProvider {
        id: "admin-federation-provider",
        title: "An identity provider was added or changed",
        severity: High,
        confidence: High,
        catalogue: ["ADM-20"],
        references: [attack(&["T1484.002"]), doc(&["IAM Identity Center User Guide: CloudTrail use cases"])],
        on: [
            On::Call("iam.amazonaws.com", &[
                "CreateSAMLProvider", "UpdateSAMLProvider", "DeleteSAMLProvider",
                "CreateOpenIDConnectProvider", "DeleteOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint",
                "AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider",
            ]),
            // AWS's guide and the published rules differ on which of the two sources carries which of these names.
            On::Call("sso.amazonaws.com", DIRECTORY),
            On::Call("sso.amazonaws.com", &[
                "CreateTrustedTokenIssuer", "UpdateTrustedTokenIssuer", "DeleteTrustedTokenIssuer",
            ]),
            On::Call("sso-directory.amazonaws.com", DIRECTORY),
            On::Call("sso-directory.amazonaws.com", &["CreateBearerToken", "DeleteBearerToken"]),
            On::Call("eks.amazonaws.com", &["AssociateIdentityProviderConfig", "DisassociateIdentityProviderConfig"]),
        ],
    }
}

const DIRECTORY: &[&str] = &[
    "CreateExternalIdPConfigurationForDirectory",
    "UpdateExternalIdPConfigurationForDirectory",
    "EnableExternalIdPConfigurationForDirectory",
    "DisableExternalIdPConfigurationForDirectory",
    "DeleteExternalIdPConfigurationForDirectory",
    "AssociateDirectory",
    "UpdateDirectoryAssociation",
    "DisassociateDirectory",
    "DeleteInstance",
];

impl Rule for FederationProvider {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let seen = match record.event_source.or_empty() {
            "iam.amazonaws.com" if identity_center_called(record) => None,
            "iam.amazonaws.com" => in_iam(record, cx),
            "eks.amazonaws.com" => in_cluster(record, cx),
            _ if record.event_name.or_empty().ends_with("TrustedTokenIssuer") => token_issuer(record, cx),
            _ if record.event_name.or_empty().ends_with("BearerToken") => {
                Some(provisioning_token(record, cx))
            }
            _ => in_identity_center(record, cx),
        };
        if let Some(seen) = seen {
            cx.report(stop_caller(seen, record));
        }
        Ok(())
    }
}

fn in_iam(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let event = record.event_name.or_empty();
    let (severity, did) = match event {
        "CreateSAMLProvider" => (Severity::High, "added SAML provider"),
        "UpdateSAMLProvider" => (Severity::High, "replaced metadata or keys of SAML provider"),
        "DeleteSAMLProvider" => (Severity::Medium, "deleted SAML provider"),
        "CreateOpenIDConnectProvider" => (Severity::High, "added OIDC provider"),
        "DeleteOpenIDConnectProvider" => (Severity::Medium, "deleted OIDC provider"),
        "UpdateOpenIDConnectProviderThumbprint" => {
            (Severity::Medium, "changed the thumbprints of OIDC provider")
        }
        "AddClientIDToOpenIDConnectProvider" => (Severity::Medium, "let another client use OIDC provider"),
        _ => (Severity::Low, "shut a client out of OIDC provider"),
    };
    let (kind, parameter, api) = match event.contains("SAML") {
        true => ("saml-provider", "sAMLProviderArn", "saml-provider"),
        false => ("oidc-provider", "openIDConnectProviderArn", "open-id-connect-provider"),
    };
    // A call that makes a provider has its ARN in the response only.
    let given = record.param(&[parameter]).or_else(|| record.response_text(&[parameter])).map(str::to_owned);
    let made = || record.param(&["name"]).or_else(|| record.param(&["url"]).map(host));
    let arn = given.or_else(|| Some(record.iam_arn(kind, made()?)))?;
    let name = arn.split_once('/').map_or(arn.as_str(), |(_, name)| name);
    let severity = match event {
        "UpdateSAMLProvider" if name.starts_with("AWSSSO_") => Severity::Critical,
        "CreateOpenIDConnectProvider" if is_eks(name) => Severity::Medium,
        _ => severity,
    };
    let trusting = format!("Roles[?contains(to_string(AssumeRolePolicyDocument), '{arn}')].RoleName");
    let option = format!("--{api}-arn");
    let mut seen = cx
        .failing(&arn, format!("{} {did} {name}", caller_name(record)))
        .severity(severity)
        .because("Every role that trusts this provider is open to whoever the provider vouches for.")
        .detail_if("Client", record.param(&["clientID"]))
        .step("Which roles trust it?", "iam list-roles", &[("--query", &trusting)]);
    if !event.starts_with("Delete") {
        seen = seen.step("What is set now?", &format!("iam get-{api}"), &[(&option, &arn)]);
    }
    if event.starts_with("Create") {
        seen = seen.step("Delete it, if nobody knows it", &format!("iam delete-{api}"), &[(&option, &arn)]);
    }
    Some(seen)
}

fn token_issuer(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let arn = record.param(&["trustedTokenIssuerArn"]);
    let arn = arn
        .or_else(|| record.response_text(&["trustedTokenIssuerArn"]))
        .or_else(|| record.param(&["name"]))?;
    let (who, name) = (caller_name(record), record.param(&["name"]).unwrap_or(last_part(arn)));
    let did = match record.event_name.or_empty() {
        "DeleteTrustedTokenIssuer" => {
            return Some(cx.passing(arn, format!("{who} took away trusted token issuer {name}")).global());
        }
        "CreateTrustedTokenIssuer" => "has Identity Center believe tokens of",
        _ => "changed what Identity Center believes of",
    };
    let url = ["trustedTokenIssuerConfiguration", "oidcJwtConfiguration", "issuerUrl"];
    let region = ("--region", record.aws_region.or_empty());
    let seen = cx
        .failing(arn, format!("{who} {did} issuer {name}"))
        .global()
        .because("Applications of Identity Center take whoever holds a token of this issuer for the person it names.")
        .detail_if("Issuer", record.param(&url))
        .step(
            "What is set now?",
            "sso-admin describe-trusted-token-issuer",
            &[region, ("--trusted-token-issuer-arn", arn)],
        )
        .step(
            "Delete it, if nobody knows it",
            "sso-admin delete-trusted-token-issuer",
            &[region, ("--trusted-token-issuer-arn", arn)],
        );
    Some(seen)
}

fn in_identity_center(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let external = "external identity provider";
    let (severity, did) = match record.event_name.or_empty() {
        "CreateExternalIdPConfigurationForDirectory" => (Severity::High, format!("set up an {external} for")),
        "UpdateExternalIdPConfigurationForDirectory" => {
            (Severity::High, format!("changed the {external} of"))
        }
        "EnableExternalIdPConfigurationForDirectory" => {
            (Severity::High, format!("switched on the {external} of"))
        }
        "DeleteInstance" => (Severity::High, "deleted".to_owned()),
        "DisableExternalIdPConfigurationForDirectory" => {
            (Severity::Medium, format!("switched off the {external} of"))
        }
        "DeleteExternalIdPConfigurationForDirectory" => {
            (Severity::Medium, format!("deleted the {external} of"))
        }
        "DisassociateDirectory" => (Severity::Medium, "took away the identity source of".to_owned()),
        _ => (Severity::High, "changed the identity source of".to_owned()),
    };
    let directory =
        ["identityStoreId", "directoryId", "instanceArn"].iter().find_map(|key| record.param(&[key]));
    let what = match directory {
        Some(id) if id.starts_with("arn:") => format!("Identity Center instance {}", last_part(id)),
        Some(id) => format!("Identity Center directory {id}"),
        None => "Identity Center".to_owned(),
    };
    let seen = cx
        .failing(directory.unwrap_or("identity-center"), format!("{} {did} {what}", caller_name(record)))
        .severity(severity)
        .because("Everybody who signs in through Identity Center is whom its identity source says they are.")
        .step(
            "Which Identity Center is it? (its identity source: console, Settings)",
            "sso-admin list-instances",
            &[("--region", record.aws_region.or_empty())],
        );
    Some(seen)
}

/// A token by which a program makes people and groups of Identity Center (IAM Identity Center user guide, "Provision users
/// and groups from an external identity provider using SCIM").
fn provisioning_token(record: &Record<'_>, cx: &Cx<'_>) -> Observation {
    let who = caller_name(record);
    let tenant = record.param(&["tenantId"]).unwrap_or("identity-center");
    if record.event_name.or_empty().starts_with("Delete") {
        return cx.passing(tenant, format!("{who} deleted a provisioning token of Identity Center")).global();
    }
    cx.failing(tenant, format!("{who} made a token that makes people and groups in Identity Center"))
        .global()
        .severity(Severity::Medium)
        .because(
            "Whoever holds it puts people into groups, those of administrators too, without any key of AWS.",
        )
        .step(
            "Which Identity Center is it? (its tokens: console, Settings)",
            "sso-admin list-instances",
            &[region_option(record)],
        )
}

/// An issuer whose tokens a cluster takes besides those of IAM (EKS user guide, "Grant users access to Kubernetes with an
/// external OIDC provider").
fn in_cluster(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let cluster = record.param(&["clusterName"]).or_else(|| record.param(&["name"]))?;
    let config = value_at(record.request(), &["oidc"])
        .or_else(|| value_at(record.request(), &["identityProviderConfig"]))?;
    let provider = ["identityProviderConfigName", "name"].iter().find_map(|key| text_at(config, &[key]))?;
    let (who, arn) = (caller_name(record), record.arn("eks", &format!("cluster/{cluster}")));
    if record.event_name.or_empty().starts_with("Dis") {
        return Some(
            cx.passing(arn, format!("{who} took issuer {provider} off cluster {cluster}")).aspect(provider),
        );
    }
    Some(
        cx.failing(arn, format!("{who} has cluster {cluster} believe tokens of issuer {provider}"))
            .severity(Severity::Medium)
            .aspect(provider)
            .because(
                "Whoever the issuer vouches for is a user of the cluster, and no call of IAM tells of it.",
            )
            .detail_if("Issuer", text_at(config, &["issuerUrl"]))
            .step(
                "What is set now?",
                "eks describe-identity-provider-config",
                &[
                    region_option(record),
                    ("--cluster-name", cluster),
                    ("--identity-provider-config", &shorthand(&[("type", "oidc"), ("name", provider)])),
                ],
            ),
    )
}

/// Whether Identity Center itself called: by its service-linked role, or as AWS names a service that calls. Callers
/// can forge none of the three.
fn identity_center_called(record: &Record<'_>) -> bool {
    let service = "sso.amazonaws.com";
    by_identity_center(record)
        || record.source_ip_address.or_empty() == service
        || record.user_identity.invoked_by.or_empty() == service
}

/// An OIDC provider's name: its URL without the scheme.
fn host(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}

/// Whether AWS hosts this issuer for an EKS cluster, of whichever account.
fn is_eks(issuer: &str) -> bool {
    let host = issuer.split('/').next().unwrap_or(issuer);
    let aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end));
    aws && (host.starts_with("oidc.eks.") || host.starts_with("oidc-eks."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const OIDC: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    const AWSSSO: &str = "arn:aws:iam::111122223333:saml-provider/AWSSSO_bafa1a00e8e55555_DO_NOT_DELETE";

    fn create_oidc(url: &str) -> String {
        let parameters = json!({"url": url, "clientIDList": ["sts.amazonaws.com"], "thumbprintList": []});
        call("iam", "CreateOpenIDConnectProvider", json!({"requestParameters": parameters}))
    }

    fn update_saml(arn: &str, identity: serde_json::Value) -> String {
        let parameters = json!({"sAMLProviderArn": arn, "sAMLMetadataDocument": "<md:EntityDescriptor/>"});
        call("iam", "UpdateSAMLProvider", json!({"requestParameters": parameters, "userIdentity": identity}))
    }

    #[test]
    fn an_issuer_of_tokens_is_a_provider_of_identity_center() {
        let arn = "arn:aws:sso::111122223333:trustedTokenIssuer/ssoins-1111/tti-2222";
        let configuration = json!({"oidcJwtConfiguration": {"issuerUrl": "https://issuer.example.com"}});
        let made = json!({"requestParameters": {"name": "ci", "trustedTokenIssuerConfiguration": configuration},
            "responseElements": {"trustedTokenIssuerArn": arn}});
        let made =
            fires_at(&FederationProvider, Severity::High, &call("sso", "CreateTrustedTokenIssuer", made));
        assert_eq!(made.title, "alice has Identity Center believe tokens of issuer ci");
        let named = json!({"requestParameters": {"trustedTokenIssuerArn": arn}});
        let changed = call("sso", "UpdateTrustedTokenIssuer", named.clone());
        let changed = fires_at(&FederationProvider, Severity::High, &changed);
        assert_eq!(changed.finding_id(), made.finding_id());
        let gone = observe(&FederationProvider, &call("sso", "DeleteTrustedTokenIssuer", named));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), made.finding_id());
        quiet(
            &FederationProvider,
            &[call("sso", "CreateTrustedTokenIssuer", json!({"requestParameters": null}))],
        );
    }

    #[test]
    fn a_cluster_may_have_an_issuer_of_its_own() {
        let oidc = json!({"identityProviderConfigName": "corp", "issuerUrl": "https://issuer.example.com", "clientId": "k8s"});
        let on = json!({"requestParameters": {"name": "prod", "oidc": oidc}});
        let on = fires_at(
            &FederationProvider,
            Severity::Medium,
            &call("eks", "AssociateIdentityProviderConfig", on),
        );
        assert_eq!(on.title, "alice has cluster prod believe tokens of issuer corp");
        let off = json!({"requestParameters": {"name": "prod", "identityProviderConfig": {"type": "oidc", "name": "corp"}}});
        let off = observe(&FederationProvider, &call("eks", "DisassociateIdentityProviderConfig", off));
        assert_eq!((off[0].verdict, off[0].finding_id()), (Verdict::Passing, on.finding_id()));
    }

    #[test]
    fn fires_in_iam() {
        let seen = fires_at(
            &FederationProvider,
            Severity::High,
            &create_oidc("https://token.actions.githubusercontent.com"),
        );
        assert_eq!(seen.subject.resource, OIDC);
        assert_eq!(seen.title, "alice added OIDC provider token.actions.githubusercontent.com");
        let eks = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE";
        fires_at(&FederationProvider, Severity::Medium, &create_oidc(eks));
        fires_at(&FederationProvider, Severity::High, &create_oidc("https://oidc.eks.evil.example/id/1"));
        let saml =
            json!({"requestParameters": {"name": "okta", "sAMLMetadataDocument": "<md:EntityDescriptor/>"}});
        let seen = fires_at(&FederationProvider, Severity::High, &call("iam", "CreateSAMLProvider", saml));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:saml-provider/okta");
        fires_at(
            &FederationProvider,
            Severity::High,
            &update_saml("arn:aws:iam::111122223333:saml-provider/okta", json!({})),
        );
        for (event, severity) in [
            ("UpdateOpenIDConnectProviderThumbprint", Severity::Medium),
            ("AddClientIDToOpenIDConnectProvider", Severity::Medium),
            ("RemoveClientIDFromOpenIDConnectProvider", Severity::Low),
            ("DeleteOpenIDConnectProvider", Severity::Medium),
        ] {
            let parameters = json!({"openIDConnectProviderArn": OIDC, "clientID": "sts.amazonaws.com"});
            fires_at(
                &FederationProvider,
                severity,
                &call("iam", event, json!({"requestParameters": parameters})),
            );
        }
    }

    #[test]
    fn fires_when_a_person_changes_identity_centers_provider() {
        fires_at(&FederationProvider, Severity::Critical, &update_saml(AWSSSO, json!({})));
        // A permission set named like the service's role is not the service's role.
        let person = json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {
            "arn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AWSServiceRoleForSSO_1"}}});
        fires_at(&FederationProvider, Severity::Critical, &update_saml(AWSSSO, person));
    }

    #[test]
    fn fires_in_identity_center() {
        for source in ["sso", "sso-directory"] {
            let parameters =
                json!({"requestParameters": {"identityStoreId": "d-9a670c783a", "idpConfigurationId": "x"}});
            let seen = fires_at(
                &FederationProvider,
                Severity::High,
                &call(source, "EnableExternalIdPConfigurationForDirectory", parameters),
            );
            assert_eq!(
                seen.title,
                "alice switched on the external identity provider of Identity Center directory d-9a670c783a"
            );
            let odd = json!({"requestParameters": null});
            fires_at(&FederationProvider, Severity::Medium, &call(source, "DisassociateDirectory", odd));
        }
    }

    #[test]
    fn stays_quiet() {
        let service_role = json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {
            "arn": "arn:aws:iam::111122223333:role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO"}}});
        quiet(
            &FederationProvider,
            &[
                update_saml(AWSSSO, service_role),
                update_saml(AWSSSO, json!({"invokedBy": "sso.amazonaws.com"})),
                call(
                    "iam",
                    "CreateSAMLProvider",
                    json!({
                        "sourceIPAddress": "sso.amazonaws.com", "requestParameters": {"name": "AWSSSO_bafa1a00e8e55555_DO_NOT_DELETE"},
                    }),
                ),
                call(
                    "iam",
                    "UpdateSAMLProvider",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
                call("iam", "CreateOpenIDConnectProvider", json!({"requestParameters": {"url": 7}})),
                call("iam", "DeleteOpenIDConnectProvider", json!({"requestParameters": null})),
                call("iam", "TagSAMLProvider", json!({"requestParameters": {"sAMLProviderArn": AWSSSO}})),
                call(
                    "sso-directory",
                    "CreateUser",
                    json!({"requestParameters": {"identityStoreId": "d-9a670c783a"}}),
                ),
            ],
        );
    }

    #[test]
    fn a_provisioning_token_makes_people() {
        let token = |name: &str| asked("sso-directory", name, json!({"tenantId": "t-1"}));
        let title = "alice made a token that makes people and groups in Identity Center";
        let (open, close) = (token("CreateBearerToken"), token("DeleteBearerToken"));
        opens_and_closes(&FederationProvider, Severity::Medium, (&open, title), &close);
        let instance = json!({"instanceArn": "arn:aws:sso:::instance/ssoins-1"});
        let gone = fires_at(&FederationProvider, Severity::High, &asked("sso", "DeleteInstance", instance));
        assert_eq!(gone.title, "alice deleted Identity Center instance ssoins-1");
    }
}
