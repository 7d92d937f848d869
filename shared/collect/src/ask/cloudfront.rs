//! CloudFront, and the deliveries of CloudWatch Logs that carry its newer logs.

use keepwatch_core::posture::facts::cloudfront::{Distribution, Logging};

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{DESCRIBE_DELIVERY_SOURCES, GET_DISTRIBUTION_CONFIG, LIST_DISTRIBUTIONS};

pub(super) async fn distributions(client: &Client, region: &str) -> Result<Vec<Distribution>, Fault> {
    let pages = client.pages(&LIST_DISTRIBUTIONS, region, Input::none()).await?;
    let read = |node: &Node| {
        Ok(Distribution { id: node.need("Id")?, arn: node.need("ARN")?, enabled: node.flag("Enabled")? })
    };
    pages.iter().flat_map(|page| page.all("Items/DistributionSummary")).map(read).collect()
}

pub(super) async fn logging(client: &Client, region: &str, id: &str) -> Result<Option<Logging>, Fault> {
    let read = |node: Node| {
        let behaviours =
            [node.all("DefaultCacheBehavior"), node.all("CacheBehaviors/Items/CacheBehavior")].concat();
        Ok(Logging {
            standard: node.flag("Logging/Enabled")?,
            real_time: behaviours.iter().any(|one| one.text("RealtimeLogConfigArn").is_some()),
        })
    };
    let found = client.call(&GET_DISTRIBUTION_CONFIG, region, Input::none().path("Id", id)).await;
    absent_if(found.and_then(read), &["NoSuchDistribution"])
}

pub(super) async fn deliveries(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let pages = client.pages(&DESCRIBE_DELIVERY_SOURCES, region, Input::none()).await?;
    Ok(pages.iter().flat_map(|page| page.texts("deliverySources/resourceArns")).collect())
}
