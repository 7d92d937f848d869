use super::common::holds;
use crate::kit::prelude::*;

/// The roles of the functions, by what follows the stack's name. The operator's is for people.
const OF_FUNCTIONS: [&str; 4] = ["-DetectRole-", "-NotifyRole-", "-ScanRole-", "-SecurityHubRole-"];

declare_rule! {
    /// ## What it detects
    /// The role of one of Keepwatch's functions asked who it is, or for a list of IAM that no function of Keepwatch asks for. The
    /// functions know who they are from Lambda, and ask AWS nothing that says so.
    /// ## Why it matters
    /// These calls are the first that a thief makes with credentials he has found. The scan's role may read how everything in
    /// the account is set up; detect's may read every policy.
    /// ## What to do
    /// Look at the address that the call came from. Revoke the role's older sessions, look who can read the function's environment
    /// or change its code, and what else the session did.
    /// ## False positives
    /// No ordinary use does this. Somebody who has changed a function's code, or runs it elsewhere with its role, does.
    RoleUsed {
        id: "self-role-used-elsewhere",
        title: "The credentials of one of Keepwatch's functions are used by somebody else",
        severity: Critical,
        confidence: High,
        catalogue: ["SELF-07"],
        references: [attack(&["T1078.004"]), attack(&["T1552.005"])],
        on: [
            On::ReadByStack("sts.amazonaws.com", &["GetCallerIdentity"]),
            On::Read("iam.amazonaws.com", &["ListAccountAliases", "ListGroups", "ListPolicies", "ListRoles", "ListUsers"]),
        ],
        failed_calls: true,
    }
}

impl Rule for RoleUsed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let role = record.user_identity.session_context.session_issuer.arn.or_empty();
        let own = cx.config.own_arns.iter().any(|arn| arn.eq_ignore_ascii_case(role));
        if !own || !OF_FUNCTIONS.iter().any(|name| holds(role, name)) {
            return Ok(());
        }
        let (name, event) = (last_part(role), record.event_name.or_empty());
        let seen = cx
            .failing(
                role,
                format!("Somebody uses Keepwatch's role {name}: {event}, which no function of it calls"),
            )
            .because("Whoever has these credentials reads what Keepwatch reads, until they expire.")
            .detail_if("From", record.source_ip_address.get())
            .detail_if("Program", record.user_agent.get())
            .step("What does the role allow?", "iam list-role-policies", &[("--role-name", name)]);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn by(role: &str, service: &str, name: &str) -> String {
        let session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
        call(
            service,
            name,
            json!({"readOnly": true, "requestParameters": Value::Null, "userIdentity": {
            "type": "AssumedRole", "userName": null, "arn": format!("{session}/keepwatch-scan"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role}}}}),
        )
    }

    const SCAN: &str = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";

    #[test]
    fn fires() {
        let seen = fires_at(&RoleUsed, Severity::Critical, &by(SCAN, "sts", "GetCallerIdentity"));
        assert_eq!(
            seen.title,
            "Somebody uses Keepwatch's role keepwatch-ScanRole-A1B2C3: GetCallerIdentity, which no function of it calls"
        );
        let detect = "arn:aws:iam::111122223333:role/keepwatch-DetectRole-A1B2C3";
        fires_at(&RoleUsed, Severity::Critical, &by(detect, "iam", "ListUsers"));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &RoleUsed,
            &[
                // What the scan itself asks.
                by(SCAN, "iam", "GetAccountAuthorizationDetails"),
                by(
                    "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-A1B2C3",
                    "sts",
                    "GetCallerIdentity",
                ),
                by("arn:aws:iam::111122223333:role/keepwatch-ScanRole-OTHER", "sts", "GetCallerIdentity"),
                call("sts", "GetCallerIdentity", json!({})),
            ],
        );
    }
}
