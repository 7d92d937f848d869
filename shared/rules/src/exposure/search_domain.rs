use serde_json::Value;

use super::policed::{Policed, document};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An OpenSearch or Elasticsearch domain got an access policy that lets outsiders in: everybody is
    /// critical, another account high. Domains in a VPC and domains with fine-grained access control are not
    /// reported for everybody, where the event shows that. A domain that was made without encryption at rest
    /// is told apart (low). The end of the domain settles both.
    /// ## Why it matters
    /// An open search domain on the internet is found by scanners within hours, read, and often wiped for
    /// ransom.
    /// ## What to do
    /// Write an access policy that names roles or addresses. Search the domain for indices you did not make.
    /// ## False positives
    /// Domains in a VPC, whose policy may be open because the security group decides: a change of the policy
    /// alone does not show the VPC. Encryption at rest can be switched on later, and that settles its
    /// finding.
    SearchDomain {
        id: "exposure-search-domain-open",
        title: "A search domain is open to outsiders or not encrypted",
        severity: Critical,
        confidence: Medium,
        catalogue: ["PUB-16", "PUB-09"],
        references: [
            security_hub(&["ES.1", "ES.2", "Opensearch.1", "Opensearch.2"]),
            attack(&["T1530"]),
            doc(&["OpenSearch Service developer guide: identity and access management"]),
        ],
        on: [On::Call("es.amazonaws.com", &[
            "CreateDomain", "UpdateDomainConfig", "CreateElasticsearchDomain",
            "UpdateElasticsearchDomainConfig", "DeleteDomain", "DeleteElasticsearchDomain",
        ])],
    }
}

impl Rule for SearchDomain {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let Some(domain) = text_at(request, &["domainName"]) else {
            if record.request_omitted() {
                cx.report(omitted(record, cx));
            }
            return Ok(());
        };
        // The console tries a change out before it makes it.
        if flag_at(request, &["dryRun"]) == Some(true) {
            return Ok(());
        }
        let (who, arn) = (caller_name(record), record.arn("es", &format!("domain/{domain}")));
        let is_new = record.event_name.or_empty().starts_with("Create");
        let option = [region_option(record), ("--domain-name", domain)];
        let enabled = |of: &str| value_at(request, &[of]).and_then(|options| flag_at(options, &["enabled"]));
        let encrypted = enabled("encryptionAtRestOptions");
        let gone = record.event_name.or_empty().starts_with("Delete");
        if gone {
            cx.report(cx.passing(&arn, format!("{who} deleted search domain {domain}")).aspect("encryption"));
        } else if encrypted == Some(true) && !is_new {
            let title = format!("{who} switched encryption at rest on for search domain {domain}");
            cx.report(cx.passing(&arn, title).aspect("encryption"));
        } else if encrypted != Some(true) && is_new {
            let seen = cx
                .failing(&arn, format!("{who} made search domain {domain} without encryption at rest"))
                .severity(Severity::Low)
                .aspect("encryption")
                .because("Its disks and automatic snapshots are stored in the clear.")
                .step(
                    "Switch it on",
                    "opensearch update-domain-config --encryption-at-rest-options Enabled=true",
                    &option,
                );
            cx.report(cx.tempered(seen));
        }
        // In a VPC the security group decides, and with fine-grained access control the domain asks for a
        // user itself.
        let answer =
            ["domainStatus", "domainConfig"].iter().find_map(|name| value_at(record.response(), &[name]));
        let inside = |value: &Value| {
            value_at(value, &["vPCOptions"]).is_some_and(|options| options.to_string().contains("subnet-"))
        };
        let guarded =
            inside(request) || answer.is_some_and(inside) || enabled("advancedSecurityOptions") == Some(true);
        let policed = Policed {
            service: "es",
            arn,
            name: format!("search domain {domain}"),
            everyone: if guarded { Severity::Low } else { Severity::Critical },
            account: Severity::High,
            by_reach: false,
            settles: !is_new,
        };
        if gone {
            policed.removed(record, cx);
            return Ok(());
        }
        let Some(written) = document(value_at(request, &["accessPolicies"])) else { return Ok(()) };
        policed.judge(record, cx, written, |seen| {
            let why = "in a VPC, or asks for a user itself";
            seen.detail_if("Guarded", Some(why).filter(|_| guarded))
                .step("Is it in a VPC, and what does it ask for?", "opensearch describe-domain", &option)
                .step(
                    "Write an access policy that names only whom you know",
                    r#"opensearch update-domain-config --access-policies "$(cat ACCESS_POLICY_FILE)""#,
                    &option,
                )
        });
        Ok(())
    }
}

/// An access policy may be as large as CloudTrail's limit, and padding hides what it opens.
fn omitted(record: &Record<'_>, cx: &Cx<'_>) -> Observation {
    let title = format!("{} changed a search domain, and CloudTrail left out how", caller_name(record));
    let seen = cx.unknown("OpenSearch domains", title).severity(Severity::Medium);
    seen.because("The call was too large for CloudTrail, so that the event shows no policy.").step(
        "Which domains are there? (look at the policy of each)",
        "opensearch list-domain-names",
        &[region_option(record)],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exposure::policed::testing::{fired, fires_at};
    use crate::testing::*;

    fn es(name: &str, changes: Value) -> String {
        let mut request = json!({"domainName": "logs"});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call("es", name, json!({"requestParameters": request}))
    }

    fn policy(principal: Value, condition: Value) -> String {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "es:*",
            "Resource": "arn:aws:es:us-east-1:111122223333:domain/logs/*", "Condition": condition}]})
        .to_string()
    }

    #[test]
    fn fires() {
        let open = json!({"accessPolicies": policy(json!({"AWS": "*"}), json!({}))});
        for name in ["UpdateDomainConfig", "UpdateElasticsearchDomainConfig"] {
            let seen = fires_at(&SearchDomain, Severity::Critical, &es(name, open.clone()));
            assert_eq!(
                seen.title,
                "alice opened search domain logs: anybody on the internet can do anything with it"
            );
        }
        let encrypted = json!({"accessPolicies": policy(json!({"AWS": "999988887777"}), json!({})),
            "encryptionAtRestOptions": {"enabled": "true"}});
        fires_at(&SearchDomain, Severity::High, &es("CreateDomain", encrypted));
        fires_at(
            &SearchDomain,
            Severity::Low,
            &es("CreateDomain", json!({"encryptionAtRestOptions": {"enabled": false}})),
        );
        fires_at(&SearchDomain, Severity::Low, &es("CreateElasticsearchDomain", json!({})));
    }

    #[test]
    fn what_cloudtrail_left_out_is_not_fine() {
        let left_out =
            json!({"requestParameters": {"omitted": true, "reason": "requestParameters too large"}});
        let seen = fires_at(&SearchDomain, Severity::Medium, &call("es", "UpdateDomainConfig", left_out));
        assert_eq!(seen.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_vpc_or_users_of_its_own_make_it_low() {
        let policies = policy(json!("*"), json!({}));
        for guard in [
            json!({"vPCOptions": {"subnetIds": ["subnet-1"]}}),
            json!({"advancedSecurityOptions": {"enabled": true}}),
        ] {
            let mut request = guard;
            request["accessPolicies"] = json!(policies);
            fires_at(&SearchDomain, Severity::Low, &es("UpdateDomainConfig", request));
        }
    }

    #[test]
    fn what_is_closed_settles_it() {
        let open = fired(
            &SearchDomain,
            &es("UpdateDomainConfig", json!({"accessPolicies": policy(json!("*"), json!({}))})),
        );
        let own = json!({"accessPolicies": policy(json!({"AWS": "arn:aws:iam::111122223333:role/app"}), json!({}))});
        let gone = observe(&SearchDomain, &es("UpdateDomainConfig", own));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
        let clear = fired(&SearchDomain, &es("CreateDomain", json!({})));
        let on = observe(
            &SearchDomain,
            &es("UpdateDomainConfig", json!({"encryptionAtRestOptions": {"enabled": true}})),
        );
        assert_eq!((on.len(), on[0].verdict, on[0].finding_id()), (1, Verdict::Passing, clear.finding_id()));
        for name in ["DeleteDomain", "DeleteElasticsearchDomain"] {
            let gone = observe(&SearchDomain, &es(name, json!({})));
            assert!(gone.iter().all(|seen| seen.verdict == Verdict::Passing), "{gone:?}");
            for settled in [&open, &clear] {
                assert!(gone.iter().any(|seen| seen.finding_id() == settled.finding_id()), "{gone:?}");
            }
        }
    }

    #[test]
    fn stays_quiet() {
        let encrypted = json!({"encryptionAtRestOptions": {"enabled": true}});
        quiet(
            &SearchDomain,
            &[
                es("CreateDomain", encrypted),
                es(
                    "UpdateDomainConfig",
                    json!({"dryRun": true, "accessPolicies": policy(json!("*"), json!({}))}),
                ),
                es(
                    "UpdateDomainConfig",
                    json!({"clusterConfig": {"instanceCount": 2}, "accessPolicies": ""}),
                ),
                call(
                    "es",
                    "CreateDomain",
                    json!({"errorCode": "ValidationException", "requestParameters": {"domainName": "x"}}),
                ),
                call("es", "CreateDomain", json!({"requestParameters": null})),
                call("cloudsearch", "CreateDomain", json!({"requestParameters": {"domainName": "demo"}})),
            ],
        );
    }
}
