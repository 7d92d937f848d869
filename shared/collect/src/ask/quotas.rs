//! Service Quotas, and what CloudWatch has measured of them.

use keepwatch_core::posture::facts::organization::QuotaUse;

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::{GET_METRIC_DATA, LIST_SERVICE_QUOTAS};

/// The services whose quotas stop work when they are reached. Only quotas that AWS itself measures are counted.
const SERVICES: [&str; 4] = ["ec2", "vpc", "lambda", "elasticloadbalancing"];

/// The most metrics of one call (CloudWatch API reference, GetMetricData).
const METRICS: usize = 100;

/// How far back is looked, in seconds: usage metrics come every five minutes.
const SPAN: u64 = 3 * 3_600;

pub(super) async fn used(client: &Client, region: &str) -> Result<Vec<QuotaUse>, Fault> {
    let mut quotas: Vec<(QuotaUse, Node)> = Vec::new();
    for service in SERVICES {
        let input = Input::none().member("ServiceCode", service).member("MaxResults", 100);
        for page in client.pages(&LIST_SERVICE_QUOTAS, region, input).await? {
            for node in page.all("Quotas") {
                let Some(metric) = node.at("UsageMetric") else { continue };
                let Some(limit) = node.number("Value")? else { continue };
                let quota = QuotaUse {
                    service: service.to_owned(),
                    code: node.need("QuotaCode")?,
                    name: node.text("QuotaName").unwrap_or_default(),
                    limit,
                    used: None,
                };
                quotas.push((quota, metric.clone()));
            }
        }
    }
    for group in quotas.chunks_mut(METRICS) {
        let pages = client.pages(&GET_METRIC_DATA, region, metrics(client, group)).await?;
        for result in pages.iter().flat_map(|page| page.all("GetMetricDataResult/MetricDataResults/member")) {
            let at = result.need("Id")?.trim_start_matches('q').parse::<usize>().ok();
            let values = result.texts("Values/member");
            let most = values
                .iter()
                .filter_map(|value| value.parse::<f64>().ok())
                .fold(None, |most, value| Some(f64::max(most.unwrap_or(value), value)));
            if let (Some((quota, _)), Some(most)) = (at.and_then(|at| group.get_mut(at)), most) {
                quota.used = Some(f64::max(quota.used.unwrap_or(most), most));
            }
        }
    }
    Ok(quotas.into_iter().map(|(quota, _)| quota).collect())
}

fn metrics(client: &Client, group: &[(QuotaUse, Node)]) -> Input {
    let end = (client.now)();
    let start = end.minus(std::time::Duration::from_secs(SPAN));
    let mut input = Input::none().field("StartTime", start).field("EndTime", end);
    for (at, (_, metric)) in group.iter().enumerate() {
        let place = format!("MetricDataQueries.member.{}", at + 1);
        let stat = metric.text("MetricStatisticRecommendation").unwrap_or_else(|| "Maximum".to_owned());
        input = input
            .field(&format!("{place}.Id"), format!("q{at}"))
            .field(&format!("{place}.MetricStat.Period"), 300)
            .field(&format!("{place}.MetricStat.Stat"), stat)
            .field(
                &format!("{place}.MetricStat.Metric.Namespace"),
                metric.text("MetricNamespace").unwrap_or_default(),
            )
            .field(
                &format!("{place}.MetricStat.Metric.MetricName"),
                metric.text("MetricName").unwrap_or_default(),
            );
        let dimensions = metric.at("MetricDimensions").into_iter().flat_map(Node::entries);
        for (index, (name, value)) in dimensions.enumerate() {
            let dimension = format!("{place}.MetricStat.Metric.Dimensions.member.{}", index + 1);
            input = input
                .field(&format!("{dimension}.Name"), name)
                .field(&format!("{dimension}.Value"), value.own_text().unwrap_or_default());
        }
    }
    input
}
