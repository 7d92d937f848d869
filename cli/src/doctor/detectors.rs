//! AWS's own detectors, as advice: Keepwatch hears them where they are on, and works without them.

use keepwatch_collect::deployed::{
    analyzers, config_recorders, config_status, detector, detectors, security_hub,
};
use keepwatch_collect::{Client, Fault};

use super::line::Line;

/// Whether each is on in a region.
pub(super) struct Facts {
    guardduty: Result<bool, Fault>,
    config: Result<bool, Fault>,
    analyzer: Result<bool, Fault>,
    hub: Result<bool, Fault>,
}

pub(super) async fn read(client: &Client, region: &str) -> Facts {
    let (guardduty, config, analyzer, hub) = tokio::join!(
        guardduty(client, region),
        config(client, region),
        async { Ok(analyzers(client, region).await?.iter().any(|one| one.status == "ACTIVE")) },
        security_hub(client, region),
    );
    Facts { guardduty, config, analyzer, hub }
}

async fn guardduty(client: &Client, region: &str) -> Result<bool, Fault> {
    for id in detectors(client, region).await? {
        if detector(client, region, &id).await?.is_some_and(|one| one.status == "ENABLED") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A recorder that a service keeps for itself records for nobody else.
async fn config(client: &Client, region: &str) -> Result<bool, Fault> {
    let (recorders, status) = tokio::join!(config_recorders(client, region), config_status(client, region));
    let (recorders, status) = (recorders?, status?);
    let records = |name: &str| status.iter().any(|one| one.name == name && one.recording);
    Ok(recorders.iter().any(|one| !one.internal && records(&one.name)))
}

pub(super) fn judge(facts: &Facts, region: &str, account: &str) -> Vec<Line> {
    const CHECK: &str = "detectors";
    let all = [
        ("GuardDuty", &facts.guardduty, format!("aws guardduty create-detector --region {region} --enable")),
        (
            "AWS Config",
            &facts.config,
            format!(
                "aws configservice put-configuration-recorder --region {region} --configuration-recorder \
                 name=default,roleARN=arn:aws:iam::{account}:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig \
                 --recording-group allSupported=true,includeGlobalResourceTypes=true"
            ),
        ),
        (
            "IAM Access Analyzer",
            &facts.analyzer,
            format!(
                "aws accessanalyzer create-analyzer --region {region} --analyzer-name account --type ACCOUNT"
            ),
        ),
        ("Security Hub", &facts.hub, format!("aws securityhub enable-security-hub --region {region}")),
    ];
    all.into_iter()
        .map(|(name, found, command)| match found {
            Ok(true) => Line::ok(CHECK, format!("{name} is on in {region}")),
            Ok(false) => {
                let text =
                    format!("{name} is off in {region}; Keepwatch would hear it, and AWS bills for it");
                Line::warn(CHECK, text).mend(command)
            }
            Err(fault) => Line::unread(CHECK, &format!("whether {name} is on in {region}"), fault),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Standing::{Ok as Well, Warn};
    use crate::doctor::line::tests::{refused, standings};

    #[test]
    fn each_is_on_or_off_or_not_known_as_advice() {
        let facts = Facts { guardduty: Ok(true), config: Ok(true), analyzer: Ok(true), hub: Ok(true) };
        let judged = |facts: &Facts| judge(facts, "us-east-1", "111122223333");
        assert_eq!(standings(&judged(&facts)), [Well; 4]);
        let off = Facts { guardduty: Ok(false), config: Ok(false), analyzer: Ok(false), hub: Ok(false) };
        let lines = judged(&off);
        assert_eq!(standings(&lines), [Warn; 4]);
        assert!(
            lines.iter().all(|line| line.mend.as_ref().is_some_and(|command| command.contains("us-east-1")))
        );
        let lines = judged(&Facts { hub: Err(refused("securityhub:DescribeHub")), ..facts });
        assert_eq!(standings(&lines), [Well, Well, Well, Warn]);
        assert!(lines[3].text.contains("securityhub:DescribeHub"));
    }
}
