//! `notify`: findings stream and sweep schedule -> SNS. This file wires ports to core; `handler.rs` has the logic.

mod handler;
mod zone;

use std::time::Duration;

use keepwatch_alert::dead_letters::Kinds;
use keepwatch_aws::clients;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::variable;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::topic::AlertTopic;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::{CATALOGUE, Notify};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let findings = variable("FINDINGS_TABLE")?;
    let journal = variable("JOURNAL_TABLE")?;
    let settings = variable("SETTINGS_TABLE")?;
    let topic = variable("ALERT_TOPIC_ARN")?;
    let operations = variable("OPS_TOPIC_ARN")?;
    let recheck = variable("RECHECK_QUEUE_URL")?;
    let events = variable("DEAD_LETTER_QUEUE_URL")?;
    let invocations = variable("INVOCATION_DEAD_LETTER_QUEUE_URL")?;
    let mails = variable("MAIL_DEAD_LETTER_QUEUE_URL")?;
    let report_hour = variable("REPORT_HOUR")?.parse()?;
    let window_minutes: u64 = variable("MAIL_WINDOW_MINUTES")?.parse()?;

    // An update of the stack changes code and variables one after the other: until both are there, times are in UTC.
    let zone = zone::named(&std::env::var("TIME_ZONE").unwrap_or_default());

    let config = clients::config()?;
    let notify = Notify {
        findings: FindingsTable::new(&config, findings, &journal),
        journal: JournalTable::new(&config, journal),
        settings: SettingsTable::new(&config, settings, CATALOGUE),
        topic: AlertTopic::new(&config, topic),
        operations: AlertTopic::new(&config, operations),
        recheck: Queue::new(&config, recheck),
        dead_letters: Kinds { events, invocations, mails }.map(|url| Queue::new(&config, url)),
        report_hour,
        group_window: Duration::from_secs(window_minutes * 60),
        zone,
    };
    notify.findings.warm().await;
    notify.topic.warm().await;
    let notify = &notify;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| notify.handle(event).await)).await
}
