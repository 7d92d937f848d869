//! SQS: how many messages lie in a queue, and since when.

use std::time::Duration;

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::operation::{GET_METRIC_DATA, GET_QUEUE_ATTRIBUTES};

/// How far back is looked for the age: the metric comes each minute, some minutes late.
const LOOKED_BACK: Duration = Duration::from_secs(900);

/// What lies in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait, those that are being worked on or delayed included.
    pub messages: u64,
    /// The age of the oldest, as CloudWatch measured it last; nothing where it has measured none, as in a queue that has
    /// been empty for hours.
    pub oldest: Option<Duration>,
}

/// What lies in the queue of this address.
///
/// # Errors
/// [`Fault`].
pub async fn depth(client: &Client, region: &str, url: &str) -> Result<Depth, Fault> {
    let names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ];
    let input = Input::none().member("QueueUrl", url).member("AttributeNames", names.to_vec());
    let answer = client.call(&GET_QUEUE_ATTRIBUTES, region, input).await?;
    let attributes = answer.at("Attributes").ok_or_else(|| Fault::unreadable("it has no Attributes"))?;
    let mut messages = 0_u64;
    for (_, value) in attributes.entries().filter(|(name, _)| names.contains(name)) {
        let count = value.own_text().and_then(|text| text.parse::<u64>().ok());
        messages += count.ok_or_else(|| Fault::unreadable("a number of messages is none"))?;
    }
    if messages == 0 {
        return Ok(Depth::default());
    }
    let name = url.rsplit('/').next().unwrap_or_default();
    let pages = client.pages(&GET_METRIC_DATA, region, age_of(client, name)).await?;
    let latest = pages
        .iter()
        .flat_map(|page| page.all("GetMetricDataResult/MetricDataResults/member"))
        .find_map(|result| result.text("Values/member"));
    let seconds =
        latest.and_then(|text| text.parse::<f64>().ok()).filter(|age| age.is_finite() && *age >= 0.0);
    Ok(Depth { messages, oldest: seconds.map(Duration::from_secs_f64) })
}

fn age_of(client: &Client, queue: &str) -> Input {
    let now = client.now();
    let metric = "MetricDataQueries.member.1.MetricStat";
    Input::none()
        .field("StartTime", now.minus(LOOKED_BACK))
        .field("EndTime", now)
        .field("ScanBy", "TimestampDescending")
        .field("MetricDataQueries.member.1.Id", "age")
        .field(&format!("{metric}.Metric.Namespace"), "AWS/SQS")
        .field(&format!("{metric}.Metric.MetricName"), "ApproximateAgeOfOldestMessage")
        .field(&format!("{metric}.Metric.Dimensions.member.1.Name"), "QueueName")
        .field(&format!("{metric}.Metric.Dimensions.member.1.Value"), queue)
        .field(&format!("{metric}.Period"), 60)
        .field(&format!("{metric}.Stat"), "Maximum")
}
