//! Trust policies with the openings that a person found in them.

use serde::Deserialize;
use serde_json::Value;

use crate::{Document, trust};

#[derive(Deserialize)]
struct Row {
    name: String,
    policy: Value,
    /// Kind, principal, guarded.
    expect: Vec<(String, String, bool)>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../testdata/trust.json")).unwrap()
}

#[test]
fn every_row_has_its_openings() {
    let trusted = ["777788889999".to_owned()];
    let mut wrong = Vec::new();
    for row in rows() {
        let document = Document::from_value(&row.policy).unwrap();
        let found: Vec<(String, String, bool)> = trust::exposures(&document, "111122223333", &trusted)
            .into_iter()
            .map(|e| {
                (serde_json::to_value(e.kind).unwrap().as_str().unwrap().to_owned(), e.principal, e.guarded)
            })
            .collect();
        if found != row.expect {
            wrong.push(format!("{}: expected {:?}, got {found:?}", row.name, row.expect));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sentences_word_for_word() {
    let why = |text: &str| {
        let found = trust::exposures(&Document::parse(text).unwrap(), "111122223333", &[]);
        found.into_iter().map(|e| e.why()).collect::<Vec<_>>().join("; ")
    };
    for (text, expected) in [
        (
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#,
            "statement 1 lets anyone in any AWS account assume the role",
        ),
        (
            r#"{"Statement":{"Sid":"Vendor","Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"sts:AssumeRole",
                "Condition":{"StringEquals":{"sts:ExternalId":"x"}}}}"#,
            "statement \"Vendor\" lets the AWS account 444455556666 assume the role, which must give an external id",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},
                "Action":"sts:AssumeRoleWithWebIdentity"}}"#,
            "statement 1 lets every identity of accounts.google.com assume the role, for no condition names the subject",
        ),
    ] {
        assert_eq!(why(text), expected);
    }
}

#[test]
fn says_who_comes() {
    let who = |principal: &str, condition: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{principal},"Action":"sts:*","Condition":{condition}}}}}"#
        );
        let found = trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &[]);
        found.into_iter().map(|e| e.who()).collect::<Vec<_>>().join("; ")
    };
    for (principal, condition, expected) in [
        (r#""*""#, "{}", "anybody in any AWS account"),
        (
            r#""*""#,
            r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abcd123456"}}"#,
            "anybody in organization o-abcd123456",
        ),
        (
            r#""*""#,
            r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#,
            "outside account 999988887777",
        ),
        (r#"{"AWS":"arn:aws:iam::999988887777:user/evil"}"#, "{}", "outside account 999988887777"),
        (r#"{"AWS":"AROAEXAMPLE"}"#, "{}", "an identity whose account cannot be told (AROAEXAMPLE)"),
        (r#"{"Federated":"accounts.google.com"}"#, "{}", "every identity of accounts.google.com"),
    ] {
        assert_eq!(who(principal, condition), expected);
    }
}

#[test]
fn identities_that_are_named_are_told() {
    let named = |provider: &str, condition: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Federated":"{provider}"}},
                "Action":"sts:AssumeRoleWithWebIdentity","Condition":{condition}}}}}"#
        );
        let found = trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &[]);
        let identities = |one: trust::Exposure| match one.comer {
            trust::Comer::Named { identities, .. } => identities,
            _ => Vec::new(),
        };
        found.into_iter().flat_map(identities).collect::<Vec<_>>().join(" ")
    };
    let own = |host: &str| format!("arn:aws:iam::111122223333:oidc-provider/{host}");
    let github = own("token.actions.githubusercontent.com");
    for (provider, condition, expected) in [
        (
            github.as_str(),
            r#"{"StringLike":{"token.actions.githubusercontent.com:sub":["repo:octo-org/site:*","repo:octo-org/app:*"]}}"#,
            "repo:octo-org/site:* repo:octo-org/app:*",
        ),
        (
            github.as_str(),
            r#"{"StringEquals":{"token.actions.githubusercontent.com:repository_owner":"octo-org"}}"#,
            "repository_owner:octo-org",
        ),
        (
            &own("gitlab.com"),
            r#"{"StringLike":{"gitlab.com:sub":"project_path:octo-group/*"}}"#,
            "project_path:octo-group/*",
        ),
        ("accounts.google.com", r#"{"StringEquals":{"accounts.google.com:sub":"1234567890"}}"#, "1234567890"),
        (
            "cognito-identity.amazonaws.com",
            r#"{"StringEquals":{"cognito-identity.amazonaws.com:aud":"us-east-1:pool"},
                "ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}}"#,
            "aud:us-east-1:pool",
        ),
        // Only the account has these providers.
        (
            &own("oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"),
            r#"{"StringEquals":{"oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE:sub":"system:serviceaccount:ci:runner"}}"#,
            "",
        ),
        (&own("login.example.com"), r#"{"StringEquals":{"login.example.com:sub":"ci"}}"#, ""),
    ] {
        assert_eq!(named(provider, condition), expected, "{provider} {condition}");
    }
}

/// Whether each provider's condition says whose identities come: `named`, `own` where only the account has the provider, or
/// `open`.
#[test]
fn a_shared_provider_must_be_told_whose_identities_come() {
    let verdict = |host: &str, condition: &str| {
        let condition = condition.replace('%', host);
        let provider = match host {
            "accounts.google.com" | "cognito-identity.amazonaws.com" | "graph.facebook.com" => {
                host.to_owned()
            }
            _ => format!("arn:aws:iam::111122223333:oidc-provider/{host}"),
        };
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Federated":"{provider}"}},
                "Action":"sts:AssumeRoleWithWebIdentity","Condition":{{{condition}}}}}}}"#
        );
        match trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &[]).as_slice() {
            [] => "own",
            [one] if matches!(one.comer, trust::Comer::Named { .. }) => "named",
            [one] if !one.guarded => "open",
            _ => "guarded",
        }
    };
    let like = |claim: &str, value: &str| format!(r#""StringLike":{{"%:{claim}":"{value}"}}"#);
    let equals = |claim: &str, value: &str| format!(r#""StringEquals":{{"%:{claim}":"{value}"}}"#);
    let (github, cognito) = ("token.actions.githubusercontent.com", "cognito-identity.amazonaws.com");
    for (host, condition, expected) in [
        // The customer's name before the wildcard, and its end.
        ("agent.buildkite.com", like("sub", "organization:*"), "open"),
        ("agent.buildkite.com", like("sub", "organization:acme*"), "open"),
        ("agent.buildkite.com", like("sub", "organization:acme:pipeline:*"), "named"),
        ("agent.buildkite.com", equals("organization_slug", "acme"), "named"),
        ("agent.buildkite.com", equals("build_branch", "main"), "open"),
        ("app.terraform.io", like("sub", "organization:a*:project:*"), "open"),
        ("app.terraform.io", like("sub", "organization:acme:*"), "named"),
        ("oidc.codefresh.io", like("sub", "account:*"), "open"),
        ("oidc.codefresh.io", like("sub", "account:64f0:pipeline:*"), "named"),
        ("scalr.io", like("sub", "account:acme:environment:*"), "named"),
        ("proidc.upbound.io", like("sub", "mcp:*"), "open"),
        ("proidc.upbound.io", like("sub", "mcp:acme/*"), "named"),
        ("api.pulumi.com/oidc", like("sub", "pulumi:deploy:org:*"), "open"),
        ("api.pulumi.com/oidc", like("sub", "pulumi:deploy:org:acme:*"), "named"),
        ("vstoken.actions.githubusercontent.com", like("sub", "repo:*"), "open"),
        ("oidc-configuration.audit-log.githubusercontent.com", like("sub", "https://github.com/*"), "open"),
        (
            "oidc-configuration.audit-log.githubusercontent.com",
            equals("sub", "https://github.com/acme"),
            "named",
        ),
        // An audience tells of a customer with some of them.
        ("oidc.vercel.com", like("sub", "owner:*"), "open"),
        ("oidc.vercel.com", equals("aud", "https://vercel.com/acme"), "named"),
        ("oidc.vercel.com", like("aud", "https://vercel.com/*"), "open"),
        ("oidc.vercel.com", equals("aud", "sts.amazonaws.com"), "open"),
        ("api.pulumi.com/oidc", equals("aud", "acme"), "named"),
        ("agent.buildkite.com", equals("aud", "sts.amazonaws.com"), "open"),
        // Numbers tell of nobody, so that a wildcard in them leaves everybody.
        ("accounts.google.com", like("sub", "11223*"), "open"),
        ("accounts.google.com", equals("sub", "112233445566778899001"), "named"),
        (
            "accounts.google.com",
            r#""NumericEquals":{"%:google/organization_number":"123456"}"#.to_owned(),
            "named",
        ),
        ("graph.facebook.com", equals("id", "1234567890"), "named"),
        (cognito, like("sub", "us-east-1:*"), "open"),
        (
            cognito,
            r#""StringLike":{"%:aud":"us-east-1:*"},"ForAnyValue:StringLike":{"%:amr":"authenticated"}"#
                .to_owned(),
            "open",
        ),
        // GitHub lets an owner say with which claims the subject begins.
        (github, like("sub", "repository_owner_id:1234:*"), "named"),
        (github, like("sub", "environment:production:*"), "open"),
        (github, equals("enterprise_id", "42"), "named"),
        (github, equals("environment", "production"), "open"),
        ("gitlab.com", equals("namespace_id", "42"), "named"),
        ("gitlab.com", equals("ref_protected", "true"), "open"),
        // A token without the claim meets these; none is without a subject.
        (github, r#""StringEqualsIfExists":{"%:enterprise_id":"42"}"#.to_owned(), "open"),
        (github, r#""ForAllValues:StringEquals":{"%:repository_owner":"acme"}"#.to_owned(), "open"),
        (github, r#""ForAllValues:StringLike":{"%:sub":"repo:acme/*"}"#.to_owned(), "named"),
        // These are one organization's own.
        ("oidc.circleci.com/org/0aa1", like("sub", "org/0aa1/project/*"), "own"),
        ("gitlab.example.com", like("sub", "project_path:*"), "own"),
    ] {
        assert_eq!(verdict(host, &condition), expected, "{host} {condition}");
    }
}

#[test]
fn services_that_act_for_others_are_openings() {
    let told = |service: &str, condition: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole",
                "Condition":{condition}}}}}"#
        );
        let found =
            trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &["777788889999".to_owned()]);
        found
            .into_iter()
            .map(|one| format!("{:?} {}", one.kind, one.principal))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let anywhere = "rolesanywhere.amazonaws.com";
    for (service, condition, expected) in [
        ("ec2.amazonaws.com", "{}", ""),
        ("cloudformation.amazonaws.com", r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#, ""),
        ("cloudformation.amazonaws.com", r#"{"StringEquals":{"aws:SourceAccount":"777788889999"}}"#, ""),
        (
            "cloudformation.amazonaws.com",
            r#"{"StringEquals":{"aws:SourceAccount":["111122223333","999988887777"]}}"#,
            "ExternalAccount 999988887777",
        ),
        (
            "bedrock.amazonaws.com",
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:bedrock:us-east-1:999988887777:agent/*"}}"#,
            "ExternalAccount 999988887777",
        ),
        (anywhere, "{}", "Certificates rolesanywhere.amazonaws.com"),
        (
            anywhere,
            r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:rolesanywhere:us-east-1:111122223333:trust-anchor/x"}}"#,
            "",
        ),
        (
            anywhere,
            r#"{"ArnEquals":{"aws:SourceArn":"arn:aws:rolesanywhere:us-east-1:999988887777:trust-anchor/x"}}"#,
            "ExternalAccount 999988887777",
        ),
        (anywhere, r#"{"StringEquals":{"aws:PrincipalTag/x509Subject/CN":"build"}}"#, ""),
    ] {
        assert_eq!(told(service, condition), expected, "{service} {condition}");
    }
}

#[test]
fn insiders_are_those_whom_the_policy_names() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:user/team/alice","111122223333",
            "arn:aws:iam::111122223333:root","arn:aws:iam::999988887777:user/evil"]},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/tags"},"Action":"sts:TagSession"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/barred"},"Action":"sts:AssumeRole"},
        {"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/barred"},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole",
            "Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/ci-*"}}}]}"#;
    let names = |text: &str| {
        trust::insiders(&Document::parse(text).unwrap(), "111122223333")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(text),
        ["arn:aws:iam::111122223333:role/ci-*", "arn:aws:iam::111122223333:user/team/alice"]
    );
}

/// The statements of a trust policy, and what it does for its own account: whom it names, and whether it leaves the rest to
/// the account's own policies.
fn own_account(statements: &str) -> (String, bool) {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let document = Document::parse(&text).unwrap();
    let named = trust::insiders(&document, "111122223333");
    let named = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    (named, trust::leaves_to_policies(&document, "111122223333"))
}

#[test]
fn conditions_open_a_role_to_its_own_account() {
    let allow = |principal: &str, condition: &str| {
        format!(r#"{{"Effect":"Allow",{principal},"Action":"sts:AssumeRole","Condition":{{{condition}}}}}"#)
    };
    let deny = |principal: &str, condition: &str| {
        format!(r#"{{"Effect":"Deny",{principal},"Action":"sts:AssumeRole","Condition":{{{condition}}}}}"#)
    };
    let all = r#""Principal":{"AWS":"*"}"#;
    let bob = "arn:aws:iam::111122223333:user/bob";
    let everybody = "everybody in the account";
    let open = |condition: &str| allow(all, condition);
    for (statements, expected) in [
        (open(r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#), everybody),
        (open(r#""StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}"#), everybody),
        (open(r#""ForAllValues:StringEquals":{"aws:PrincipalAccount":"111122223333"}"#), everybody),
        (open(r#""StringLike":{"aws:PrincipalAccount":"111122223333*"}"#), everybody),
        (open(r#""StringEquals":{"aws:PrincipalAccount":"${aws:ResourceAccount}"}"#), everybody),
        (open(r#""StringEquals":{"aws:PrincipalAccount":["777788889999","111122223333"]}"#), everybody),
        (open(r#""StringEquals":{"aws:PrincipalAccount":"777788889999"}"#), ""),
        (open(r#""StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}"#), everybody),
        (open(r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:*"}"#), everybody),
        (
            open(
                r#""StringEquals":{"aws:PrincipalAccount":"111122223333"},"StringLike":{"aws:PrincipalArn":"*:user/bob"}"#,
            ),
            "*:user/bob",
        ),
        (
            open(
                r#""StringEquals":{"aws:PrincipalAccount":"111122223333"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/bob"}"#,
            ),
            "arn:aws:iam::*:user/bob",
        ),
        (open(&format!(r#""ArnLike":{{"aws:PrincipalArn":"{bob}"}}"#)), bob),
        (open(&format!(r#""ArnLikeIfExists":{{"aws:PrincipalArn":"{bob}"}}"#)), bob),
        (open(&format!(r#""StringLike":{{"aws:PrincipalArn":"{bob}"}}"#)), bob),
        (
            open(r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}"#),
            "arn:aws:iam::111122223333:role/*",
        ),
        (
            open(&format!(
                r#""ArnLike":{{"aws:PrincipalArn":["{bob}","arn:aws:iam::777788889999:user/eve"]}},
                    "StringEquals":{{"aws:PrincipalAccount":"111122223333"}}"#
            )),
            bob,
        ),
        // Two conditions that nobody meets together.
        (
            open(&format!(
                r#""ArnLike":{{"aws:PrincipalArn":"{bob}"}},"StringEquals":{{"aws:PrincipalAccount":"777788889999"}}"#
            )),
            "",
        ),
        // Only services bring this along.
        (open(r#""StringEquals":{"aws:SourceAccount":"111122223333"}"#), ""),
        // Whom everybody comes with is told as an opening for everybody.
        (open(""), ""),
        (open(r#""StringEquals":{"sts:ExternalId":"x"}"#), ""),
        (open(r#""StringLike":{"aws:PrincipalAccount":"1111222233*"}"#), ""),
        (
            [open(""), deny(all, r#""StringNotEquals":{"aws:PrincipalAccount":"111122223333"}"#)].join(","),
            everybody,
        ),
        ([open(""), deny(all, &format!(r#""ArnNotLike":{{"aws:PrincipalArn":"{bob}"}}"#))].join(","), bob),
        ([open(""), deny(&format!(r#""NotPrincipal":{{"AWS":"{bob}"}}"#), "")].join(","), bob),
        (
            [
                open(r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#),
                deny(all, r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#),
            ]
            .join(","),
            "",
        ),
        (
            allow(
                &format!(r#""NotPrincipal":{{"AWS":"{bob}"}}"#),
                r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
            ),
            everybody,
        ),
        (
            allow(
                &format!(r#""NotPrincipal":{{"AWS":"{bob}"}}"#),
                &format!(r#""ArnEquals":{{"aws:PrincipalArn":["{bob}","{bob}by"]}}"#),
            ),
            "arn:aws:iam::111122223333:user/bobby",
        ),
        (
            allow(
                &format!(r#""Principal":{{"AWS":"{bob}"}}"#),
                r#""Bool":{"aws:MultiFactorAuthPresent":"true"}"#,
            ),
            bob,
        ),
        (
            allow(
                &format!(r#""Principal":{{"AWS":"{bob}"}}"#),
                r#""StringEquals":{"aws:PrincipalAccount":"777788889999"}"#,
            ),
            "",
        ),
    ] {
        assert_eq!(own_account(&statements).0, expected, "{statements}");
    }
    let root = r#""Principal":{"AWS":"111122223333"}"#;
    for (statements, expected) in [
        (allow(root, ""), true),
        (allow(root, r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#), true),
        (allow(root, r#""StringNotEquals":{"aws:PrincipalAccount":"111122223333"}"#), false),
        (allow(root, &format!(r#""ArnLikeIfExists":{{"aws:PrincipalArn":"{bob}"}}"#)), false),
        ([allow(root, ""), deny(all, "")].join(","), false),
        ([allow(root, ""), deny(all, r#""Null":{"aws:PrincipalArn":"false"}"#)].join(","), false),
        (
            [allow(root, ""), deny(all, r#""BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}"#)]
                .join(","),
            true,
        ),
    ] {
        assert_eq!(own_account(&statements).1, expected, "{statements}");
    }
}

#[test]
fn a_deny_of_the_call_that_the_principal_makes_is_heard() {
    let openings = |principal: &str, allowed: &str, denied: &str| {
        let text = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"{allowed}"}},
                {{"Effect":"Deny","Principal":"*","Action":"{denied}"}}]}}"#
        );
        trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &[]).len()
    };
    let oidc = r#"{"Federated":"accounts.google.com"}"#;
    let saml = r#"{"Federated":"arn:aws:iam::999988887777:saml-provider/x"}"#;
    let account = r#"{"AWS":"999988887777"}"#;
    for (principal, own, others) in [
        (oidc, "sts:AssumeRoleWithWebIdentity", ["sts:AssumeRoleWithSAML", "sts:AssumeRole"]),
        (saml, "sts:AssumeRoleWithSAML", ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"]),
        (account, "sts:AssumeRole", ["sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"]),
    ] {
        for allowed in [own, "sts:*"] {
            assert_eq!(openings(principal, allowed, own), 0, "{principal} {allowed}");
            for other in others {
                assert_eq!(openings(principal, allowed, other), 1, "{principal} {allowed} {other}");
            }
        }
    }
}

#[test]
fn a_deny_unless_is_a_condition() {
    let verdict = |principal: &str, call: &str, condition: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"{call}"}},
                {{"Effect":"Deny","Principal":"*","Action":"{call}","Condition":{{{condition}}}}}]}}"#
        );
        let found = trust::exposures(&Document::parse(&text).unwrap(), "111122223333", &[]);
        found.into_iter().map(|one| one.guarded).collect::<Vec<_>>()
    };
    let github =
        r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}"#;
    let (account, web) = (r#"{"AWS":"999988887777"}"#, "sts:AssumeRoleWithWebIdentity");
    for (principal, call, condition, expected) in [
        (account, "sts:AssumeRole", r#""StringNotEquals":{"sts:ExternalId":"x"}"#, [true].as_slice()),
        (account, "sts:AssumeRole", r#""StringNotLike":{"sts:ExternalId":["x-*"]}"#, &[true]),
        (account, "sts:AssumeRole", r#""StringNotEqualsIfExists":{"sts:ExternalId":"x"}"#, &[true]),
        // These leave those who give none.
        (account, "sts:AssumeRole", r#""ForAnyValue:StringNotEquals":{"sts:ExternalId":"x"}"#, &[false]),
        (account, "sts:AssumeRole", r#""StringEquals":{"sts:ExternalId":"x"}"#, &[false]),
        (account, "sts:AssumeRole", r#""StringNotLike":{"sts:ExternalId":"*"}"#, &[false]),
        // Whoever makes one of two fail gets past both.
        (
            account,
            "sts:AssumeRole",
            r#""StringNotEquals":{"sts:ExternalId":"x"},"Bool":{"aws:MultiFactorAuthPresent":"false"}"#,
            &[false],
        ),
        (
            github,
            web,
            r#""StringNotLike":{"token.actions.githubusercontent.com:sub":"repo:octo-org/*"}"#,
            &[true],
        ),
        (github, web, r#""StringNotLike":{"token.actions.githubusercontent.com:sub":"repo:*"}"#, &[false]),
        (
            github,
            web,
            r#""StringLike":{"token.actions.githubusercontent.com:sub":"repo:octo-org/*"}"#,
            &[false],
        ),
    ] {
        assert_eq!(verdict(principal, call, condition), expected, "{principal} {condition}");
    }
}

#[test]
fn services_are_listed_once() {
    let text = r#"{"Statement":[
        {"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","EC2.amazonaws.com"]},"Action":"sts:AssumeRole"},
        {"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:*"},
        {"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":"sts:TagSession"},
        {"Effect":"Deny","Principal":{"Service":"y.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let services = trust::trusted_services(&Document::parse(text).unwrap());
    assert_eq!(services, ["ec2.amazonaws.com", "lambda.amazonaws.com"]);
}
