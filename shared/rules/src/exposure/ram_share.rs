use super::shared::{Grantee, Shared};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A resource share of Resource Access Manager was given to an account that is neither yours nor trusted,
    /// or to a principal of one. Each account is a finding of its own; taking it off the share settles it.
    /// ## Why it matters
    /// The account can use what is shared, such as subnets, DNS rules, licences or whole network gateways, as
    /// its own.
    /// ## What to do
    /// Find out whose the account is. If nobody knows it, take it off the share.
    /// ## False positives
    /// Accounts of the same organization, for the event does not say which accounts those are: name them in
    /// the TrustedAccounts parameter. Shares with an organization or a unit of it, and shares that allow no
    /// outsiders, are not reported.
    RamShare {
        id: "exposure-resource-share-outside",
        title: "Resources were shared with another account",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ORG-08"],
        references: [attack(&["T1537"]), doc(&["RAM user guide: creating a resource share"])],
        on: [On::Call("ram.amazonaws.com", &[
            "CreateResourceShare", "AssociateResourceShare", "DisassociateResourceShare",
        ])],
    }
}

impl Rule for RamShare {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let answer = value_at(record.response(), &["resourceShare"]).unwrap_or(record.response());
        let arn = text_at(request, &["resourceShareArn"]).or_else(|| text_at(answer, &["resourceShareArn"]));
        let name = text_at(request, &["name"]).or_else(|| text_at(answer, &["name"]));
        // Without an answer a new share has only the name that it was asked for with.
        let asked = || Some(record.arn("ram", &format!("resource-share/{}", name?)));
        let Some(arn) = arn.map(str::to_owned).or_else(asked) else { return Ok(()) };
        let arn = arn.as_str();
        if flag_at(request, &["allowExternalPrincipals"]) == Some(false) {
            return Ok(());
        }
        let principals = texts_at(request, &["principals"]);
        let mut accounts: Vec<&str> = principals.iter().copied().filter_map(account).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let grantees = accounts.into_iter().map(Grantee::Account).collect();
        let lists = match record.event_name.or_empty() {
            "DisassociateResourceShare" => (Vec::new(), grantees),
            _ => (grantees, Vec::new()),
        };
        let resources = texts_at(request, &["resourceArns"]).join(", ");
        let shared = Shared {
            arn,
            name: &format!(
                "resource share {}",
                name.unwrap_or_else(|| arn.rsplit('/').next().unwrap_or(arn))
            ),
            everyone: Severity::High,
            account: Severity::Medium,
            why: "The account can use what is shared. The event does not say whose organization it is of.",
        };
        shared.report(record, cx, lists, |seen, grantee| {
            // A role or user is taken off by its ARN, as it was put on.
            let written = principals.iter().find(|principal| account(principal) == Some(grantee.key()));
            let written = written.copied().unwrap_or(grantee.key());
            seen.detail_if("Resources", Some(resources.as_str()).filter(|resources| !resources.is_empty()))
                .step(
                    "What is in the share?",
                    "ram list-resources --resource-owner SELF",
                    &[region_option(record), ("--resource-share-arns", arn)],
                )
                .step(
                    "Take the account off the share",
                    "ram disassociate-resource-share",
                    &[region_option(record), ("--resource-share-arn", arn), ("--principals", written)],
                )
        });
        Ok(())
    }
}

/// The account of a principal; nothing for organizations, their units and AWS services.
fn account(principal: &str) -> Option<&str> {
    if is_account_id(principal) {
        return Some(principal);
    }
    let mut parts = principal.split(':').skip(2);
    let (service, account) = (parts.next()?, parts.nth(1)?);
    (service == "iam" && is_account_id(account)).then_some(account)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const ARN: &str = "arn:aws:ram:us-east-1:111122223333:resource-share/EXAMPLE0-1234";

    fn ram(name: &str, changes: Value) -> String {
        let mut request = json!({"resourceShareArn": ARN});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        call("ram", name, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let made = json!({"requestParameters": {"name": "net", "principals": ["999988887777"],
                "resourceArns": ["arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1"]},
            "responseElements": {"resourceShare": {"resourceShareArn": ARN, "name": "net", "allowExternalPrincipals": true}}});
        let made = fires_at(&RamShare, Severity::Medium, &call("ram", "CreateResourceShare", made));
        assert_eq!(made.title, "alice shared resource share net with outside account 999988887777");
        let role = json!({"principals": "arn:aws:iam::999988887777:role/x"});
        let later = fires_at(&RamShare, Severity::Medium, &ram("AssociateResourceShare", role));
        assert_eq!(later.finding_id(), made.finding_id());
        assert!(
            later.steps[1].command.ends_with("--principals arn:aws:iam::999988887777:role/x"),
            "{:?}",
            later.steps
        );
    }

    #[test]
    fn taking_the_account_off_settles_it() {
        let principals = json!({"principals": ["999988887777"]});
        let open = fired(&RamShare, &ram("AssociateResourceShare", principals.clone()));
        let gone = observe(&RamShare, &ram("DisassociateResourceShare", principals));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        let organization = "arn:aws:organizations::444455556666:organization/o-abcd123456";
        quiet(
            &RamShare,
            &[
                ram(
                    "AssociateResourceShare",
                    json!({"principals": ["444455556666", "111122223333", organization]}),
                ),
                ram("AssociateResourceShare", json!({"principals": ["pca-connector-ad.amazonaws.com"]})),
                ram(
                    "AssociateResourceShare",
                    json!({"resourceArns": ["arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1"]}),
                ),
                ram(
                    "CreateResourceShare",
                    json!({"principals": ["999988887777"], "allowExternalPrincipals": "false"}),
                ),
                ram("AssociateResourceShare", json!({"principals": null})),
                call("ram", "CreateResourceShare", json!({"errorCode": "AccessDeniedException"})),
                call("ram", "CreateResourceShare", json!({"requestParameters": null})),
            ],
        );
    }
}
