use super::common::{holds, is_our_role};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Somebody took the role with which Keepwatch's findings and settings are written. One finding for each user or role
    /// that did, which is mailed once and then counts how often.
    /// ## Why it matters
    /// As the operator one can end any finding, silence any rule and plant events. The command line takes the role for each
    /// command that writes, so that this is everyday for who works with it, and news of everybody else.
    /// ## What to do
    /// If it is none of those who work with Keepwatch: look what they wrote, which mails of new suppressions and the
    /// findings' own history show, and take `sts:AssumeRole` on the role away from them.
    /// ## False positives
    /// The first time of everybody who works with Keepwatch, and again after a year. The role can be taken in the stack's own
    /// region alone, where this is heard.
    Operator {
        id: "self-operator-taken",
        title: "Somebody took the role of Keepwatch's operator",
        severity: Medium,
        confidence: High,
        catalogue: ["SELF-04"],
        references: [attack(&["T1078.004"]), doc(&["IAM user guide: monitor and control actions taken with assumed roles"])],
        on: [On::Own("sts.amazonaws.com", &["AssumeRole"])],
        repeat_hours: 8_760,
    }
}

/// What the name of the operator's role holds, behind the stack's.
const ROLE: &str = "-OperatorRole-";

impl Rule for Operator {
    /// Every account assumes roles all day long.
    fn prefilter(&self, header: &RecordHeader<'_>) -> bool {
        holds(header.request, ROLE)
    }

    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(role) = record.param(&["roleArn"]) else { return Ok(()) };
        let name = last_part(role);
        if !is_our_role(cx, name) || !holds(name, ROLE) {
            return Ok(());
        }
        // One finding, however he spells it.
        let own = cx.config.own_arns.iter().find(|arn| arn.eq_ignore_ascii_case(role));
        let role = own.map_or_else(|| role.to_owned(), Clone::clone);
        let seen = cx
            .failing(role, format!("{} became Keepwatch's operator", caller_name(record)))
            .aspect(acting_principal(record))
            .because("Whoever has this role can write findings, suppressions and events.")
            .detail_if("Session", record.param(&["roleSessionName"]))
            .step("Whom do its rules let take it?", "iam get-role", &[("--role-name", name)]);
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const OPERATOR: &str = "arn:aws:iam::111122223333:role/keepwatch-OperatorRole-A1B2C3";

    fn taken(role: &str) -> String {
        let request = json!({"roleArn": role, "roleSessionName": "keepwatch"});
        call("sts", "AssumeRole", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&Operator, Severity::Medium, &taken(OPERATOR));
        assert_eq!(seen.title, "alice became Keepwatch's operator");
        // STS takes the name in whatever case.
        for spelled in [
            "arn:aws:iam::111122223333:role/KEEPWATCH-OperatorRole-A1B2C3",
            "arn:aws:iam::111122223333:role/keepwatch-operatorrole-a1b2c3",
        ] {
            let again = fires_at(&Operator, Severity::Medium, &taken(spelled));
            assert_eq!(again.finding_id(), seen.finding_id(), "{spelled}");
        }
        let other = json!({"requestParameters": {"roleArn": OPERATOR}, "userIdentity": {"type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/bob", "userName": null,
            "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "Admin",
                "arn": "arn:aws:iam::111122223333:role/Admin"}}}});
        let other = fired(&Operator, &call("sts", "AssumeRole", other));
        assert_eq!(other.subject.aspect.as_deref(), Some("arn:aws:iam::111122223333:role/Admin"));
        assert_ne!(other.finding_id(), seen.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Operator,
            &[
                taken("arn:aws:iam::111122223333:role/deploy"),
                taken("arn:aws:iam::111122223333:role/keepwatch-DetectRole-A1B2C3"),
                taken("arn:aws:iam::111122223333:role/shop-OperatorRole-A1B2C3"),
                failed_call(
                    "sts",
                    "AssumeRole",
                    "AccessDenied",
                    json!({"requestParameters": {"roleArn": OPERATOR}}),
                ),
                call("sts", "AssumeRole", json!({"requestParameters": null})),
                call("sts", "AssumeRole", json!({"requestParameters": {"roleArn": [OPERATOR]}})),
            ],
        );
    }
}
