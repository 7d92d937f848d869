use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each search domain, OpenSearch and Elasticsearch alike, is encrypted at rest. A domain that is being deleted is left
    /// out.
    /// ## Why it matters
    /// Search domains hold copies of logs and customer data. Without encryption their disks and automatic snapshots are stored
    /// in the clear.
    /// ## What to do
    /// Switch it on; it cannot be switched off again. Domains on Elasticsearch 6.6 or older have to be made anew.
    /// ## What it costs
    /// Nothing with the key that AWS manages.
    /// ## What may break
    /// The domain is rebuilt behind the scenes, which takes hours and room: a domain that is nearly full may stop writing.
    /// Instance types that cannot encrypt have to be changed first.
    Encryption {
        id: "opensearch.encryption",
        title: "Search domains are encrypted at rest",
        severity: High,
        practices: ["P48"],
        number: 22,
        references: [
            security_hub(&["ES.1", "Opensearch.1"]),
            config(&["elasticsearch-encrypted-at-rest", "opensearch-encrypted-at-rest"]),
        ],
        asks: [Domains],
        finding: "exposure-search-domain-open",
        closes: [Closes::Listed("arn:*:es:*:domain/*")],
    }
}

impl Check for Encryption {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_of(
            Domains,
            |_, domain| domain.arn.clone(),
            |cx, domain| {
                let (name, region) = (domain.name.as_str(), cx.region());
                let seen = if domain.deleted {
                    cx.not_applicable(format!("Search domain {name} is being deleted"))
                } else if domain.encrypted {
                    cx.passing(format!("Search domain {name} is encrypted at rest"))
                } else {
                    cx.failing(format!("Search domain {name} is not encrypted at rest"))
                        .because("its disks and automatic snapshots are stored in the clear")
                        .step(
                            "Switch it on",
                            "opensearch update-domain-config --encryption-at-rest-options Enabled=true",
                            &[("--region", &region), ("--domain-name", name)],
                        )
                };
                // As the rule on search domains tells it apart from who gets in.
                cx.report(seen.aspect("encryption"));
                Ok(())
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::data::Domain;

    fn domain(name: &str, encrypted: bool, deleted: bool) -> Domain {
        let arn = format!("arn:aws:es:eu-west-1:111122223333:domain/{name}");
        Domain { arn, name: name.to_owned(), encrypted, deleted }
    }

    #[test]
    fn each_domain_by_itself() {
        let all =
            vec![domain("safe", true, false), domain("clear", false, false), domain("gone", false, true)];
        assert_eq!(
            judged(&Encryption, &account().with(Domains, region(), all)),
            [
                ("safe#encryption".to_owned(), Judged::Passing),
                ("clear#encryption".to_owned(), Judged::Failing),
                ("gone#encryption".to_owned(), Judged::NotApplicable),
            ]
        );
    }

    #[test]
    fn unknown_and_none() {
        let one = judge_one(&Encryption, &refused(account(), Domains, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["es:ListDomainNames"]));
        let none = account().with(Domains, region(), vec![]);
        assert_eq!(judge_one(&Encryption, &none).verdict, Judged::NotApplicable);
    }
}
