//! Parameters that stand where only some services write them. How a single value is read is
//! [`keepwatch_core::event::json`]'s to say.

use keepwatch_core::event::Record;
use keepwatch_core::event::json::{text_at, value_at};
use serde_json::Value;

/// The parameters of an EC2 call. Newer calls are logged as one object named after the call, `…Request`, with the
/// spelling of the query protocol inside.
pub(crate) fn ec2_parameters<'r>(record: &'r Record<'_>) -> &'r Value {
    let request = record.request();
    let wrapper = format!("{}Request", record.event_name.or_empty());
    request.get(&wrapper).unwrap_or(request)
}

/// What a call carries besides what it names: S3's control API sends it in an element of XML, API Gateway as an input, each
/// named after the call.
pub(crate) fn carried<'r>(record: &'r Record<'_>) -> &'r Value {
    let inner = ec2_parameters(record);
    value_at(inner, &[&format!("{}Input", record.event_name.or_empty())]).unwrap_or(inner)
}

/// A string of an EC2 call's parameters.
pub(crate) fn ec2_parameter<'r>(record: &'r Record<'_>, name: &str) -> Option<&'r str> {
    text_at(ec2_parameters(record), &[name])
}
