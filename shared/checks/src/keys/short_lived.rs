use keepwatch_policy::{Effect, managed};

use super::common::{aspect, idle_days};
use crate::kit::power;
use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Keys that may change things are switched off when they are not in use: an active key of a user who may write, not used for
    /// more than some days, is a line to know. A user with the tag `keepwatch:long-lived-key` is left alone. Pipelines that run
    /// rarely are named by design, so this never fails.
    /// ## Why it matters
    /// A key that can only read does less harm than one that can delete.
    /// ## What to do
    /// Give rare work a role. Where a key must be, switch it on for the work and off after it.
    /// ## What it costs
    /// Nothing but the work.
    /// ## What may break
    /// What runs less often than that, such as a monthly job.
    ShortLived {
        id: "key.short-lived",
        title: "Keys that may write are off when they are not in use",
        severity: Low,
        practices: ["P24"],
        references: [doc(&["IAM user guide: Manage access keys for IAM users"])],
        asks: [Authorization, CredentialReport, AccessKeys],
        ages: true,
    }
}

/// The tag of users whose keys are meant to be.
const EXEMPT: &str = "keepwatch:long-lived-key";

/// What the names of actions begin with that only read.
const READS: [&str; 9] = ["get", "list", "describe", "batchget", "head", "lookup", "search", "query", "scan"];

fn only_reads(pattern: &str) -> bool {
    let action = pattern.split_once(':').map_or("*", |(_, action)| action).to_ascii_lowercase();
    READS.iter().any(|verb| action.starts_with(verb))
}

/// Whether the user may do anything but read.
fn may_write(authorization: &facts::iam::Authorization, user: &facts::iam::User) -> Result<bool, Stop> {
    let documents = power::documents_of_user(authorization, user)?;
    let allows = documents.iter().flat_map(|document| &document.statements);
    let writes = allows
        .filter(|one| one.effect == Effect::Allow)
        .any(|one| one.not_actions.is_some() || one.actions.iter().any(|action| !only_reads(action)));
    let groups = authorization.groups.iter().filter(|group| user.groups.contains(&group.name));
    let mut attached = user.managed.iter().chain(groups.flat_map(|group| &group.managed));
    let by_aws = attached.any(|arn| {
        managed::name_of(arn).is_some_and(|name| {
            let reads = ["ReadOnly", "SecurityAudit", "ViewOnlyAccess"];
            !managed::is_quarantine(arn)
                && name != "IAMUserChangePassword"
                && !reads.iter().any(|word| name.contains(word))
        })
    });
    Ok(writes || by_aws)
}

impl Check for ShortLived {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let authorization = cx.known(Authorization, GLOBAL)?;
        let report = cx.known(CredentialReport, GLOBAL)?;
        for row in &report.users {
            // Made or deleted between the two answers: the next scan has it.
            let Some(user) = authorization.users.iter().find(|user| user.arn == row.arn) else { continue };
            cx.about(GLOBAL, &row.arn, |cx| {
                for key in row.keys.iter().filter(|key| key.active) {
                    let aspect = aspect(cx, row, key);
                    cx.part(&aspect, |cx| {
                        let idle = idle_days(key, cx).unwrap_or(u64::MAX);
                        let name = &row.user;
                        let seen = if idle <= cx.parameters.grace_days {
                            cx.passing(format!("A key of {name} was used lately"))
                        } else if user.tags.iter().any(|(tag, _)| tag == EXEMPT) {
                            cx.not_applicable(format!("User {name} is tagged {EXEMPT}"))
                        } else if may_write(authorization, user)? {
                            cx.informational(format!(
                                "A key of {name} may write and was not used for {idle} days"
                            ))
                        } else {
                            cx.passing(format!("A key of {name} may only read"))
                        };
                        cx.report(seen);
                        Ok(())
                    });
                }
                Ok(())
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, allow, authorization_of, key, policy, report_of, user};
    use crate::testing::*;
    use facts::iam::{Credentials, User};

    fn verdict(used: u64, holder: User) -> Judged {
        let row = Credentials { keys: vec![key(1, true, 80, Some(used))], ..user(&holder.name) };
        let state = report_of(None, vec![row]).with(Authorization, global(), authorization_of(vec![holder]));
        judge_one(&ShortLived, &state).verdict
    }

    #[test]
    fn idle_keys_that_may_write_are_told() {
        let with = |text: String| User { managed: vec![], inline: vec![policy("p", &text)], ..admin("u") };
        let reader = || with(allow(r#"["s3:Get*", "S3:LIST*"]"#, "\"*\""));
        let writer = || with(allow(r#"["s3:Get*", "s3:PutObject"]"#, "\"*\""));
        assert_eq!(verdict(8, writer()), Judged::Informational);
        assert_eq!(verdict(7, writer()), Judged::Passing);
        assert_eq!(verdict(50, reader()), Judged::Passing);
        assert_eq!(verdict(50, admin("u")), Judged::Informational);
        let tagged = User { tags: vec![(EXEMPT.to_owned(), String::new())], ..writer() };
        assert_eq!(verdict(50, tagged), Judged::NotApplicable);
        assert_eq!(verdict(50, with("no policy".to_owned())), Judged::Unknown);
    }

    #[test]
    fn unknown_without_either_answer() {
        let one = judge_one(&ShortLived, &refused(account(), Authorization, global()));
        assert_eq!(missing(&one), ["iam:GetAccountAuthorizationDetails"]);
    }
}
