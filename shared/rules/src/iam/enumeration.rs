use std::time::Duration;

use crate::kit::prelude::*;

/// How many different calls within how long.
const MANY: usize = 4;
const SPAN: Duration = Duration::from_secs(60);

declare_rule! {
    /// ## What it detects
    /// Within a minute one principal asked, outside the console, for four of the eight lists that show an
    /// account's IAM as a whole: users, groups, roles, policies, the password policy, the summary, the alias,
    /// and all details at once. Refused calls count as well.
    /// ## Why it matters
    /// It is how tools for intruders begin: who is here, and who may do what. Programs at their ordinary work
    /// ask for one or two of these lists.
    /// ## What to do
    /// See whose credentials they are, and whether the owner knows of it. What the same caller does next
    /// tells the rest; this finding is for the weekly mail, and for whoever asks later how it began.
    /// ## False positives
    /// Security scanners and inventories do the same, which is why it is low. What you have listed as
    /// automation, AWS's own services and the console, whose pages ask for such lists, are left out.
    Enumeration {
        id: "iam-enumeration",
        title: "One principal asked for everything that IAM lists",
        severity: Low,
        confidence: Low,
        catalogue: ["IAM-13"],
        references: [attack(&["T1087.004"]), attack(&["T1069.003"])],
        on: [On::Read("iam.amazonaws.com", &[
            "GetAccountAuthorizationDetails", "GetAccountPasswordPolicy", "GetAccountSummary",
            "ListAccountAliases",
            "ListGroups", "ListPolicies", "ListRoles", "ListUsers",
        ])],
        failed_calls: true,
    }
}

impl Rule for Enumeration {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let expected = record.by_root()
            || record.from_console.is_ignore_case("true")
            || record.user_identity.invoked_by.get().is_some()
            || matches!(cx.automation(), Some(Automation::Service | Automation::Listed));
        let Some(caller) = acting_arn(record).filter(|_| !expected) else { return Ok(()) };
        // Different calls are what matters: a program may well ask for one list a hundred times.
        let call = record.event_name.or_empty();
        let Some(counted) = cx.many_distinct(MANY, caller, call, SPAN)? else { return Ok(()) };
        let who = caller_name(record);
        let mut seen = cx
            .failing(
                caller,
                format!("{who} asked for {} of IAM's account-wide lists within a minute", counted.count),
            )
            .severity(Severity::Low)
            .because("Whoever looks for a way up begins with who is here and who may do what.")
            .detail_if("From", record.source_ip_address.get())
            .detail_if("Program", record.user_agent.get());
        let by = match record.user_identity.access_key_id.get() {
            Some(key) => lookup("AccessKeyId", key),
            None => lookup("EventName", record.event_name.or_empty()),
        };
        seen = seen.step(
            "What else was done? (IAM is logged in us-east-1; repeat in every enabled region)",
            "cloudtrail lookup-events --region us-east-1",
            &[("--lookup-attributes", &by)],
        );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::call;
    use crate::testing::log;

    const LISTS: [&str; 5] =
        ["ListUsers", "ListRoles", "ListGroups", "ListPolicies", "GetAccountAuthorizationDetails"];

    fn asked(names: &[&str], apart: usize, changes: &Value) -> Vec<String> {
        let event = |(i, name): (usize, &&str)| {
            log::at(&call("iam", name, changes.clone()), &format!("asked-{i}"), i * apart)
        };
        names.iter().enumerate().map(event).collect()
    }

    #[test]
    fn fires_at_the_fourth_list() {
        let seen = log::last_fired(&Enumeration, &asked(&LISTS[..4], 3, &json!({"readOnly": true})));
        assert_eq!(seen.severity, Severity::Low);
        assert_eq!(seen.title, "alice asked for 4 of IAM's account-wide lists within a minute");
        log::last_fired(&Enumeration, &asked(&LISTS[1..], 15, &json!({"errorCode": "AccessDenied"})));
    }

    #[test]
    fn stays_quiet() {
        let linked =
            "arn:aws:iam::111122223333:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig";
        for quiet in [
            asked(&LISTS[..3], 1, &json!({})),
            asked(&LISTS, 21, &json!({})),
            asked(&["ListUsers"; 40], 1, &json!({})),
            asked(&LISTS, 1, &json!({"sessionCredentialFromConsole": "true"})),
            asked(&LISTS, 1, &json!({"sessionCredentialFromConsole": true})),
            asked(&LISTS, 1, &json!({"userIdentity": {"invokedBy": "access-analyzer.amazonaws.com"}})),
            asked(
                &LISTS,
                1,
                &json!({"userIdentity": {"type": "AssumedRole",
                "sessionContext": {"sessionIssuer": {"arn": linked}}}}),
            ),
            asked(&LISTS, 1, &json!({"userIdentity": {"type": "Root"}})),
            asked(
                &["ListUserPolicies", "ListAccessKeys", "GetUser", "GetRole", "ListMFADevices"],
                1,
                &json!({}),
            ),
        ] {
            log::quiet(&Enumeration, &quiet);
        }
    }
}
