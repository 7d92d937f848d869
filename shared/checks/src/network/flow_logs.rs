use facts::network::{FlowLog, Vpc};

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Each VPC, or each network interface in it by itself or by its subnet, has an active flow log that records at least what
    /// was rejected, and whose last delivery did not fail. Empty VPCs that came with the region get a line, and regions that
    /// nobody uses are told together. A VPC that another account shares is that account's business.
    /// ## Why it matters
    /// After a break-in, flow logs are the only record of what talked to whom: which machine the thief reached, how much was
    /// carried out and where to.
    /// ## What to do
    /// Make a flow log of the VPC into a bucket. Rejected traffic alone is cheap and shows scanning; all traffic shows theft.
    /// Delete default VPCs that nobody uses.
    /// ## What it costs
    /// About 0.25 USD for each GB of logs into a bucket, 0.50 USD into CloudWatch Logs, and the storage.
    /// ## What may break
    /// Nothing.
    FlowLogging {
        id: "vpc.flow-logs",
        title: "VPCs have flow logs",
        severity: Low,
        practices: ["P50"],
        number: 17,
        references: [
            cis("3.0", &["3.7"]),
            cis("5.0", &["3.7"]),
            security_hub(&["EC2.6"]),
            config(&["vpc-flow-logs-enabled"]),
        ],
        asks: [Vpcs, FlowLogs, NetworkInterfaces, Functions, DbInstances],
    }
}

impl Check for FlowLogging {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        cx.each_used_region(
            |cx| {
                let region = cx.region();
                for vpc in cx.known(Vpcs, region.as_str())? {
                    let arn = cx.arn("ec2", &format!("vpc/{}", vpc.id));
                    cx.about(&region, &arn, |cx| of_vpc(cx, vpc));
                }
                Ok(())
            },
            |cx, regions| {
                cx.informational("VPCs have no flow logs in regions that nobody uses")
                    .detail("Regions", regions.join(", "))
            },
        );
        Ok(())
    }
}

/// Whether it records what was rejected, and what it records arrives.
fn works(log: &FlowLog) -> bool {
    log.status == "ACTIVE"
        && log.delivery.as_deref() != Some("FAILED")
        && matches!(log.traffic.as_deref(), Some("ALL" | "REJECT"))
}

fn of_vpc(cx: &mut Cx<'_>, vpc: &Vpc) -> Outcome {
    let (id, region) = (vpc.id.as_str(), cx.region());
    if vpc.owner != cx.account() {
        cx.report(cx.not_applicable(format!("VPC {id} belongs to account {}", vpc.owner)));
        return Ok(());
    }
    let logs = cx.known(FlowLogs, region.as_str())?;
    let covered = |resource: &str| logs.iter().any(|log| log.resource == resource && works(log));
    if covered(id) {
        cx.report(cx.passing(format!("VPC {id} has a flow log")));
        return Ok(());
    }
    let mut seen = cx
        .failing(format!("VPC {id} has no flow log"))
        .because("after a break-in nothing shows what talked to whom")
        .step(
            "Record what is rejected",
            "ec2 create-flow-logs --resource-type VPC --traffic-type REJECT --log-destination-type s3",
            &[
                ("--region", &region),
                ("--resource-ids", id),
                ("--log-destination", "arn:aws:s3:::LOG_BUCKET"),
            ],
        );
    for log in logs.iter().filter(|log| log.resource == vpc.id) {
        let so = [Some(log.status.as_str()), log.delivery.as_deref(), log.traffic.as_deref()];
        seen = seen.detail(
            "Does not count",
            format!("{}: {}", log.id, so.into_iter().flatten().collect::<Vec<_>>().join(", ")),
        );
    }
    // One that somebody made fails whether there is anything in it or not, unless logs of parts may cover it.
    if !vpc.default && !logs.iter().any(works) {
        cx.report(seen);
        return Ok(());
    }
    let interfaces = cx.known(NetworkInterfaces, region.as_str())?;
    let inside: Vec<_> = interfaces.iter().filter(|one| one.vpc == vpc.id).collect();
    let seen = if inside.is_empty() {
        match vpc.default {
            true => {
                cx.informational(format!("VPC {id} came with the region, is empty and has no flow log")).step(
                    "Delete it, if nobody needs it",
                    "ec2 describe-vpcs",
                    &[("--region", &region), ("--vpc-ids", id)],
                )
            }
            false => seen,
        }
    } else if inside.iter().all(|one| covered(&one.id) || covered(&one.subnet)) {
        cx.passing(format!("Each network interface in VPC {id} has a flow log"))
    } else {
        seen.detail("Network interfaces in it", inside.len().to_string())
    };
    cx.report(seen);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use facts::network::NetworkInterface;
    use keepwatch_core::posture::State;

    fn vpc(id: &str, default: bool) -> Vpc {
        Vpc { id: id.to_owned(), owner: ACCOUNT.to_owned(), default }
    }

    fn log(of: &str, status: &str, delivery: Option<&str>, traffic: &str) -> FlowLog {
        FlowLog {
            id: format!("fl-{of}"),
            resource: of.to_owned(),
            status: status.to_owned(),
            delivery: delivery.map(str::to_owned),
            traffic: Some(traffic.to_owned()),
        }
    }

    fn interface(id: &str, vpc: &str, subnet: &str) -> NetworkInterface {
        let [id, vpc, subnet] = [id, vpc, subnet].map(str::to_owned);
        NetworkInterface { id, vpc, subnet, groups: Vec::new() }
    }

    fn state(vpcs: Vec<Vpc>, logs: Vec<FlowLog>, interfaces: Vec<NetworkInterface>) -> State {
        account()
            .with(Vpcs, region(), vpcs)
            .with(FlowLogs, region(), logs)
            .with(NetworkInterfaces, region(), interfaces)
            .with(Functions, region(), vec![])
            .with(DbInstances, region(), vec![])
    }

    fn verdict(logs: Vec<FlowLog>) -> Judged {
        let inside = vec![interface("eni-1", "vpc-1", "subnet-1"), interface("eni-2", "vpc-1", "subnet-2")];
        judge_one(&FlowLogging, &state(vec![vpc("vpc-1", false)], logs, inside)).verdict
    }

    #[test]
    fn a_log_has_to_work() {
        assert_eq!(verdict(vec![log("vpc-1", "ACTIVE", Some("SUCCESS"), "ALL")]), Judged::Passing);
        assert_eq!(verdict(vec![log("vpc-1", "ACTIVE", None, "REJECT")]), Judged::Passing);
        assert_eq!(verdict(vec![log("vpc-1", "ACTIVE", Some("FAILED"), "ALL")]), Judged::Failing);
        assert_eq!(verdict(vec![log("vpc-1", "ACTIVE", Some("SUCCESS"), "ACCEPT")]), Judged::Failing);
        assert_eq!(verdict(vec![log("vpc-2", "ACTIVE", Some("SUCCESS"), "ALL")]), Judged::Failing);
        assert_eq!(verdict(vec![]), Judged::Failing);
    }

    #[test]
    fn logs_of_all_parts_are_as_good() {
        let part = |of| log(of, "ACTIVE", Some("SUCCESS"), "ALL");
        assert_eq!(verdict(vec![part("subnet-1"), part("eni-2")]), Judged::Passing);
        assert_eq!(verdict(vec![part("subnet-1")]), Judged::Failing);
    }

    #[test]
    fn a_shared_vpc_is_its_owners() {
        let shared = Vpc { owner: "444455556666".to_owned(), ..vpc("vpc-1", false) };
        let one = judge_one(&FlowLogging, &state(vec![shared], vec![], vec![]));
        assert_eq!(one.verdict, Judged::NotApplicable);
    }

    #[test]
    fn empty_default_vpcs_are_lines() {
        let used = state(vec![vpc("vpc-d", true), vpc("vpc-1", false)], vec![], vec![]);
        assert_eq!(
            judged(&FlowLogging, &used),
            [("vpc-d".to_owned(), Judged::Informational), ("vpc-1".to_owned(), Judged::Failing)]
        );
        let unused = state(vec![vpc("vpc-d", true)], vec![], vec![]);
        let one = judge_one(&FlowLogging, &unused);
        assert_eq!((one.verdict, one.subject.region.as_str()), (Judged::Informational, "global"));
        let full = state(vec![vpc("vpc-d", true)], vec![], vec![interface("eni-1", "vpc-d", "subnet-1")]);
        assert_eq!(judge_one(&FlowLogging, &full).verdict, Judged::Failing);
    }

    #[test]
    fn a_refusal_decides_only_where_nothing_else_does() {
        let base = |logs| state(vec![vpc("vpc-1", false)], logs, vec![]);
        let one = judge_one(&FlowLogging, &refused(base(vec![]), FlowLogs, region()));
        assert_eq!((one.verdict, missing(&one)), (Judged::Unknown, vec!["ec2:DescribeFlowLogs"]));
        let none = refused(base(vec![]), NetworkInterfaces, region());
        assert_eq!(judge_one(&FlowLogging, &none).verdict, Judged::Failing);
        let part = refused(base(vec![log("subnet-1", "ACTIVE", None, "ALL")]), NetworkInterfaces, region());
        assert_eq!(missing(&judge_one(&FlowLogging, &part)), ["ec2:DescribeNetworkInterfaces"]);
        let one = judge_one(&FlowLogging, &refused(account(), Vpcs, region()));
        assert_eq!(missing(&one), ["ec2:DescribeVpcs"]);
    }
}
