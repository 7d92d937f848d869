use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// The account belongs to an organization, as its manager or as a member.
    /// ## Why it matters
    /// In an organization, policies above the account limit what even its root may do, trails and detectors are set up for all
    /// accounts at once, and one bill shows what all of them spend.
    /// ## What to do
    /// Make an organization, or have the one that there is invite the account. Who has one account only, and wants no more, suppresses the finding
    /// with that reason.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// The organization's policies hold from the moment of joining: look at them first. The account that makes the organization
    /// becomes its management account, which should run nothing else.
    Member {
        id: "org.member",
        title: "The account belongs to an organization",
        severity: Low,
        practices: ["P69"],
        references: [security_hub(&["Account.2"]), config(&["account-part-of-organizations"])],
        asks: [Organization],
    }
}

impl Check for Member {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let seen = match cx.optional(Organization, GLOBAL)? {
            Some(organization) if organization.management_account == cx.account() => {
                cx.passing(format!("The account manages organization {}", organization.id))
            }
            Some(organization) => {
                cx.passing(format!("The account belongs to organization {}", organization.id))
            }
            None => cx
                .failing("The account belongs to no organization")
                .because("nothing above the account limits what happens in it")
                .step("Make one with this account as its manager", "organizations create-organization", &[]),
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn member_manager_and_alone() {
        let of = |management_account: &str| {
            let organization = facts::organization::Organization {
                id: "o-abcdefghij".to_owned(),
                management_account: management_account.to_owned(),
                features: "ALL".to_owned(),
            };
            judge_one(&Member, &account().with(Organization, global(), organization))
        };
        assert_eq!(of("444455556666").verdict, Judged::Passing);
        assert_eq!(of(ACCOUNT).title, "The account manages organization o-abcdefghij");
        let alone = judge_one(&Member, &absent(account(), Organization, global()));
        assert_eq!((alone.verdict, alone.severity), (Judged::Failing, Severity::Low));
    }

    #[test]
    fn unknown_where_it_is_refused() {
        let one = judge_one(&Member, &refused(account(), Organization, global()));
        assert_eq!(
            (one.verdict, missing(&one)),
            (Judged::Unknown, vec!["organizations:DescribeOrganization"])
        );
    }
}
