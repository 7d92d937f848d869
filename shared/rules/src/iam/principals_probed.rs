use std::time::Duration;

use crate::kit::prelude::*;

/// How many refused trust policies within how long.
const MANY: usize = 5;
const SPAN: Duration = Duration::from_secs(10 * 60);

declare_rule! {
    /// ## What it detects
    /// Somebody wrote five trust policies within ten minutes that IAM refused because the user or role they
    /// name does not exist.
    /// ## Why it matters
    /// IAM refuses a trust policy that names nobody, and so tells whether a user or role exists, in any
    /// account. Tools try lists of names like that. It makes little noise in the other account, and none if
    /// the role is one's own.
    /// ## What to do
    /// Ask the caller. If nobody knows of it, stop the caller's credentials, and see whether a policy was
    /// accepted at the end: that role may trust somebody now.
    /// ## False positives
    /// Infrastructure code that names a role which is yet to be made, again and again.
    PrincipalsProbed {
        id: "iam-principals-probed",
        title: "Trust policies were used to find out which users and roles exist",
        severity: Medium,
        confidence: Medium,
        catalogue: ["IAM-14"],
        references: [
            attack(&["T1069.003"]),
            attack(&["T1087.004"]),
            doc(&["IAM user guide: AWS JSON policy elements: Principal"]),
        ],
        on: [On::Call("iam.amazonaws.com", &["UpdateAssumeRolePolicy", "CreateRole"])],
        failed_calls: true,
    }
}

impl Rule for PrincipalsProbed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let of_principal =
            record.error_message.get().is_none_or(|said| said.to_ascii_lowercase().contains("principal"));
        let refused = record.error_code.or_empty().starts_with("MalformedPolicyDocument") && of_principal;
        let Some(caller) = acting_arn(record).filter(|_| refused && !record.by_root()) else { return Ok(()) };
        let Some(counted) = cx.many(MANY, caller, SPAN)? else { return Ok(()) };
        let who = caller_name(record);
        let title =
            format!("{who} tried out {} users or roles in trust policies, which IAM refused", counted.count);
        let events = lookup("EventName", record.event_name.or_empty());
        let region = region(record);
        let seen = cx
            .failing(caller, title)
            .because(
                "IAM refuses a trust policy that names nobody: who tries learns who exists, in any account.",
            )
            .detail_if("AWS says", record.error_message.get())
            .detail_if("Role", record.param(&["roleName"]))
            .step(
                "Was one accepted in the end?",
                "cloudtrail lookup-events",
                &[("--region", region), ("--lookup-attributes", &events)],
            );
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{call, failed_call, log};

    fn refused(changes: Value) -> String {
        failed_call("iam", "UpdateAssumeRolePolicy", "MalformedPolicyDocumentException", changes)
    }

    #[test]
    fn fires_at_the_fifth() {
        let said = "Invalid principal in policy: \"AWS\":\"arn:aws:iam::444455556666:role/admin\"";
        for message in [json!(said), json!(null)] {
            let events = log::repeated(&refused(json!({"errorMessage": message})), 5, 100);
            let seen = log::last_fired(&PrincipalsProbed, &events);
            assert_eq!(seen.severity, Severity::Medium);
            assert_eq!(seen.title, "alice tried out 5 users or roles in trust policies, which IAM refused");
        }
        let short = refused(json!({"errorCode": "MalformedPolicyDocument"}));
        log::last_fired(&PrincipalsProbed, &log::repeated(&short, 5, 1));
    }

    #[test]
    fn stays_quiet() {
        let many = |changes: Value| log::repeated(&refused(changes), 20, 1);
        for quiet in [
            log::repeated(&refused(json!({})), 4, 1),
            log::repeated(&refused(json!({})), 10, 151),
            many(json!({"errorCode": "AccessDenied"})),
            many(json!({"errorMessage": "Syntax errors in policy."})),
            many(json!({"userIdentity": {"type": "Root"}})),
            many(json!({"userIdentity": null})),
            log::repeated(&call("iam", "UpdateAssumeRolePolicy", json!({})), 20, 1),
        ] {
            log::quiet(&PrincipalsProbed, &quiet);
        }
    }
}
