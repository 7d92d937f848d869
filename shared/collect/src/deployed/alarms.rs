//! CloudWatch's alarms.

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::DESCRIBE_ALARMS;

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// It acts at all.
    pub enabled: bool,
    /// What it does when it rings: ARNs.
    pub actions: Vec<String>,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
}

/// The alarms whose names begin so.
///
/// # Errors
/// [`Fault`].
pub async fn alarms(client: &Client, region: &str, prefix: &str) -> Result<Vec<Alarm>, Fault> {
    let pages =
        client.pages(&DESCRIBE_ALARMS, region, Input::none().field("AlarmNamePrefix", prefix)).await?;
    let read = |node: &Node| {
        Ok(Alarm {
            name: node.need("AlarmName")?,
            enabled: node.flag("ActionsEnabled")?,
            actions: node.texts("AlarmActions/member"),
            state: node.text("StateValue").unwrap_or_default(),
        })
    };
    pages.iter().flat_map(|page| page.all("DescribeAlarmsResult/MetricAlarms/member")).map(read).collect()
}
