//! What a run costs at the prices of docs/cost.md, without anything that is free.

use std::time::Duration;

use keepwatch_tests::aws_stub::{AwsStub, Units};
use keepwatch_tests::pipeline::Tally;

/// USD for a million of each.
const SQS_REQUESTS: f64 = 0.40;
const INVOCATIONS: f64 = 0.20;
const READ_UNITS: f64 = 0.125;
const WRITE_UNITS: f64 = 0.625;
const SNS_REQUESTS: f64 = 0.50;
/// USD for a GB-second; both functions have 256 MB.
const GB_SECOND: f64 = 0.000_016_7;
const GB: f64 = 0.25;
/// USD for a GB of logs, and bytes that an invocation logs.
const LOGS: f64 = 0.50;
const LOGGED: f64 = 300.0;

/// USD, of so many events that were sent.
pub(crate) fn of(sent: usize, tally: &Tally, units: &Units, aws: &AwsStub, worked: Duration) -> f64 {
    let batches = tally.batches as f64;
    let invocations = batches + tally.notified as f64;
    // Each message is sent; each batch is received, asked about and deleted.
    let sqs = sent as f64 + 3.0 * batches;
    let sns = (aws.calls("Publish") + aws.calls("ListSubscriptionsByTopic")) as f64;
    let millions = sqs * SQS_REQUESTS
        + invocations * INVOCATIONS
        + units.read * READ_UNITS
        + units.written * WRITE_UNITS
        + sns * SNS_REQUESTS;
    millions / 1e6 + worked.as_secs_f64() * GB * GB_SECOND + invocations * LOGGED * LOGS / 1e9
}
