use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// In an organization, member accounts need no root credentials: IAM can take them away centrally. For the management
    /// account this looks whether that is switched on; for a member, whether its root has a password at all. An account that
    /// stands alone cannot be without, and is left alone.
    /// ## Why it matters
    /// What is not there cannot be stolen, guessed or reset from a mailbox that nobody watches any more.
    /// ## What to do
    /// In the management account, under IAM, "Root access management", switch on central management of root credentials, then
    /// remove the members' passwords and keys there.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nobody can sign in as a member's root until the password is allowed again; what only root can do there, such as unlocking
    /// a bucket policy, is done centrally.
    CredentialsRemoved {
        id: "root.credentials-removed",
        title: "Member accounts have no root credentials",
        severity: Low,
        practices: ["P06"],
        references: [doc(&["IAM user guide: Centrally manage root access for member accounts"])],
        asks: [AccountSummary, Organization, OrganizationAccounts, RootFeatures],
    }
}

impl Check for CredentialsRemoved {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let Some(organization) = cx.optional(Organization, GLOBAL)? else {
            cx.report(cx.not_applicable("The account is in no organization"));
            return Ok(());
        };
        if organization.management_account != cx.account() {
            let summary = cx.known(AccountSummary, GLOBAL)?;
            let seen = if summary.root_password || summary.root_access_keys > 0 {
                cx.informational("Root of this member account has credentials of its own")
                    .because("the organization's management account can remove them")
            } else {
                cx.passing("Root of this member account has no credentials")
            };
            cx.report(seen);
            return Ok(());
        }
        // Absent where nobody has switched anything on, which is the answer.
        let features = cx.optional(RootFeatures, GLOBAL)?;
        if features.is_some_and(|all| all.iter().any(|one| one == "RootCredentialsManagement")) {
            cx.report(cx.passing("Root credentials of member accounts are managed centrally"));
            return Ok(());
        }
        let members = cx.known(OrganizationAccounts, GLOBAL)?;
        let seen = if members.len() > 1 {
            cx.failing("Root credentials of member accounts are not managed centrally")
                .because(format!("the organization has {} accounts", members.len()))
                .step("Switch it on", "iam enable-organizations-root-credentials-management", &[])
        } else {
            cx.not_applicable("The organization has no member accounts")
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::organization::{Member, Organization as Facts};
    use keepwatch_core::posture::State;

    fn state(management_account: &str, members: usize) -> State {
        let organization = Facts {
            id: "o-abcdefghij".to_owned(),
            management_account: management_account.to_owned(),
            features: "ALL".to_owned(),
        };
        let member =
            Member { id: "444455556666".to_owned(), name: "a".to_owned(), status: "ACTIVE".to_owned() };
        let summary =
            facts::iam::AccountSummary { root_password: true, ..facts::iam::AccountSummary::default() };
        account().with(Organization, global(), organization).with(AccountSummary, global(), summary).with(
            OrganizationAccounts,
            global(),
            vec![member; members],
        )
    }

    #[test]
    fn the_management_account_switches_it_on() {
        let own = state(ACCOUNT, 3);
        let on = own.clone().with(RootFeatures, global(), vec!["RootCredentialsManagement".to_owned()]);
        assert_eq!(judge_one(&CredentialsRemoved, &on).verdict, Judged::Passing);
        assert_eq!(
            judge_one(&CredentialsRemoved, &absent(own, RootFeatures, global())).verdict,
            Judged::Failing
        );
        let alone = absent(state(ACCOUNT, 1), RootFeatures, global());
        assert_eq!(judge_one(&CredentialsRemoved, &alone).verdict, Judged::NotApplicable);
    }

    #[test]
    fn a_member_is_told_and_an_account_alone_is_not() {
        let member = state("444455556666", 0);
        assert_eq!(judge_one(&CredentialsRemoved, &member).verdict, Judged::Informational);
        let gone = member.with(AccountSummary, global(), facts::iam::AccountSummary::default());
        assert_eq!(judge_one(&CredentialsRemoved, &gone).verdict, Judged::Passing);
        let alone = absent(account(), Organization, global());
        assert_eq!(judge_one(&CredentialsRemoved, &alone).verdict, Judged::NotApplicable);
    }

    #[test]
    fn refusals_are_unknown() {
        let one = judge_one(&CredentialsRemoved, &refused(account(), Organization, global()));
        assert_eq!(missing(&one), ["organizations:DescribeOrganization"]);
        let one = judge_one(&CredentialsRemoved, &refused(state(ACCOUNT, 3), RootFeatures, global()));
        assert_eq!(missing(&one), ["iam:ListOrganizationsFeatures"]);
    }
}
