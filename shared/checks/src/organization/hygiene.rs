use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// The account has a security contact. In an organization's management account, accounts that are suspended or being closed are told,
    /// and an organization that only shares the bill. Whether an account is still wanted, no API tells.
    /// ## Why it matters
    /// The security contact is whom AWS calls when it finds a key of yours in public or an attack that comes from you. Without one
    /// that mail goes to root's mailbox. Accounts that nobody looks after are where intruders are at home.
    /// ## What to do
    /// Set a contact that is a group, not a person; in an organization for all accounts from the management account. Close what is not needed.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// Nothing. To close an account deletes what is in it after ninety days.
    Hygiene {
        id: "org.hygiene",
        title: "The account has a security contact, and its organization is looked after",
        severity: Low,
        practices: ["P70"],
        references: [
            cis("3.0", &["1.2"]),
            cis("5.0", &["1.2"]),
            security_hub(&["Account.1"]),
            config(&["security-account-information-provided"]),
        ],
        asks: [SecurityContact, Organization, OrganizationAccounts],
    }
}

impl Check for Hygiene {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.part("security contact", |cx| {
            let seen = match cx.optional(SecurityContact, GLOBAL)? {
                Some(_) => cx.passing("The account has a security contact"),
                None => cx
                    .failing("The account has no security contact")
                    .because("what AWS finds out goes to root's mailbox alone")
                    .step(
                        "Set one",
                        "account put-alternate-contact --alternate-contact-type SECURITY",
                        &[
                            ("--name", "NAME"),
                            ("--title", "TITLE"),
                            ("--email-address", "ADDRESS"),
                            ("--phone-number", "NUMBER"),
                        ],
                    ),
            };
            cx.report(seen);
            Ok(())
        });
        cx.part("organization", |cx| {
            let Some(organization) = cx.optional(Organization, GLOBAL)? else { return Ok(()) };
            if organization.management_account != cx.account() {
                return Ok(());
            }
            if organization.features != "ALL" {
                let seen = cx
                    .informational("The organization only shares the bill")
                    .because("its policies cannot limit what accounts may do")
                    .step("Switch all features on", "organizations enable-all-features", &[]);
                cx.report(seen);
            }
            let members = cx.known(OrganizationAccounts, GLOBAL)?;
            for member in members.iter().filter(|member| member.status != "ACTIVE") {
                let seen = cx
                    .informational(format!("Account {} ({}) is {}", member.id, member.name, member.status))
                    .because("AWS deletes what is in a closed account after ninety days")
                    .aspect(&member.id);
                cx.report(seen);
            }
            Ok(())
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::organization::{Member, Organization as Facts, SecurityContact as Contact};
    use keepwatch_core::posture::State;

    fn alone() -> State {
        absent(account().with(SecurityContact, global(), Contact {}), Organization, global())
    }

    fn organization(management_account: &str, features: &str, statuses: &[&str]) -> State {
        let facts = Facts {
            id: "o-abcdefghij".to_owned(),
            management_account: management_account.to_owned(),
            features: features.to_owned(),
        };
        let member = |status: &&str| Member {
            id: "444455556666".to_owned(),
            name: "old".to_owned(),
            status: (*status).to_owned(),
        };
        let members = statuses.iter().map(member).collect();
        alone().with(Organization, global(), facts).with(OrganizationAccounts, global(), members)
    }

    #[test]
    fn a_contact_or_none() {
        assert_eq!(judge_one(&Hygiene, &alone()).verdict, Judged::Passing);
        let one = judge_one(&Hygiene, &absent(alone(), SecurityContact, global()));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Low));
    }

    #[test]
    fn the_management_account_hears_of_its_members() {
        let all = judgements(&Hygiene, &organization(ACCOUNT, "ALL", &["ACTIVE", "SUSPENDED"]));
        assert_eq!(
            all.iter().map(|one| one.verdict).collect::<Vec<_>>(),
            [Judged::Passing, Judged::Informational]
        );
        let all = judgements(&Hygiene, &organization(ACCOUNT, "CONSOLIDATED_BILLING", &["ACTIVE"]));
        assert_eq!(all[1].title, "The organization only shares the bill");
        // Members may not list the others, and need not.
        let member = refused(organization("444455556666", "ALL", &[]), OrganizationAccounts, global());
        assert_eq!(judge_one(&Hygiene, &member).verdict, Judged::Passing);
    }

    #[test]
    fn a_refusal_hides_no_failure() {
        let one = judge_one(&Hygiene, &refused(alone(), SecurityContact, global()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["account:GetAlternateContact"]));
        let none = absent(alone(), SecurityContact, global());
        let all = judgements(&Hygiene, &refused(none, Organization, global()));
        assert_eq!((all[0].verdict, all[1].verdict), (Judged::Failing, Judged::Unknown));
        let all =
            judgements(&Hygiene, &refused(organization(ACCOUNT, "ALL", &[]), OrganizationAccounts, global()));
        assert_eq!(missing(&all[1]), ["organizations:ListAccounts"]);
    }
}
