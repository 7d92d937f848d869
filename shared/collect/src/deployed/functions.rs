//! Lambda: what feeds a function, and whether it may run.

use crate::client::{Client, Input};
use crate::fault::Fault;
use crate::node::Node;
use crate::operation::{GET_FUNCTION_CONCURRENCY, LIST_EVENT_SOURCE_MAPPINGS};

/// What feeds a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its id.
    pub id: String,
    /// ARN of the queue or stream.
    pub source: String,
    /// `Enabled`, `Disabled`, `Enabling` …
    pub state: String,
}

/// What feeds the function of this name.
///
/// # Errors
/// [`Fault`].
pub async fn mappings(client: &Client, region: &str, function: &str) -> Result<Vec<Mapping>, Fault> {
    let pages = client
        .pages(&LIST_EVENT_SOURCE_MAPPINGS, region, Input::none().field("FunctionName", function))
        .await?;
    let read = |node: &Node| {
        Ok(Mapping {
            id: node.need("UUID")?,
            source: node.text("EventSourceArn").unwrap_or_default(),
            state: node.need("State")?,
        })
    };
    pages.iter().flat_map(|page| page.all("EventSourceMappings")).map(read).collect()
}

/// How many of the function may run at once; nothing where nobody has limited it. None at all is a function that is off.
///
/// # Errors
/// [`Fault`]; `ResourceNotFoundException` where there is no such function.
pub async fn reserved_concurrency(
    client: &Client,
    region: &str,
    function: &str,
) -> Result<Option<u32>, Fault> {
    let input = Input::none().path("FunctionName", function);
    client.call(&GET_FUNCTION_CONCURRENCY, region, input).await?.number("ReservedConcurrentExecutions")
}
