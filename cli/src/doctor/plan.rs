//! What AWS tells this account by its support plan.

use keepwatch_collect::Fault;

use super::line::{Line, known};

/// Where plans are changed. There is no command for it.
const PLANS: &str = "https://console.aws.amazon.com/support/plans/home";

pub(super) fn judge(support: Result<&bool, &Fault>, health: Result<&bool, &Fault>) -> Vec<Line> {
    let mut lines = trusted_advisor(support);
    lines.extend(of_health(health));
    lines
}

fn trusted_advisor(found: Result<&bool, &Fault>) -> Vec<Line> {
    const CHECK: &str = "support plan";
    vec![match known!(found, CHECK, "the support plan") {
        true => Line::ok(CHECK, "it has Trusted Advisor's checks and their events"),
        // AWS Support user guide, "Monitoring AWS Trusted Advisor with Amazon EventBridge": a Business plan or higher.
        false => Line::warn(
            CHECK,
            "Trusted Advisor tells this account nothing: its events need a Business plan or higher",
        )
        .mend(PLANS),
    }]
}

fn of_health(found: Result<&bool, &Fault>) -> Vec<Line> {
    const CHECK: &str = "health";
    vec![match known!(found, CHECK, "AWS Health") {
        true => Line::ok(CHECK, "AWS Health can be asked, and its events come"),
        // AWS Health user guide, "Monitoring events with Amazon EventBridge": no plan is needed for events.
        false => Line::warn(
            CHECK,
            "AWS Health can be asked with a Business plan or higher alone; its events come all the same",
        )
        .mend(PLANS),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{Ok as Well, Warn};
    use crate::doctor::line::tests::{refused, standings};

    #[test]
    fn a_plan_without_them_is_advice() {
        assert_eq!(standings(&judge(Ok(&true), Ok(&true))), [Well, Well]);
        assert_eq!(standings(&judge(Ok(&false), Ok(&true))), [Warn, Well]);
        assert_eq!(standings(&judge(Ok(&true), Ok(&false))), [Well, Warn]);
    }

    #[test]
    fn what_may_not_be_read_is_not_well() {
        let (support, health) = (refused("support:DescribeSeverityLevels"), refused("health:DescribeEvents"));
        let lines = judge(Err(&support), Err(&health));
        assert_eq!(standings(&lines), [Warn, Warn]);
        assert!(
            lines[0].text.contains("support:DescribeSeverityLevels")
                && lines[1].text.contains("health:DescribeEvents")
        );
    }
}
