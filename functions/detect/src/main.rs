//! `detect`: intake queue -> rules -> findings. This file wires ports to core; `handler.rs` has the logic.

mod handler;
mod own_rules;

use futures_util::future::join;
use keepwatch_aws::account::LiveAccount;
use keepwatch_aws::clients;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::variable;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::source_queue::SourceQueue;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::given_back::HIDDEN;
use keepwatch_rules::registry::CATALOGUE;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::handler::Detect;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    keepwatch_aws::runtime::log_json();
    let findings = variable("FINDINGS_TABLE")?;
    let journal = variable("JOURNAL_TABLE")?;
    let settings = variable("SETTINGS_TABLE")?;
    let stack = variable("STACK_NAME")?;
    let trusted_accounts = keepwatch_aws::runtime::list("TRUSTED_ACCOUNTS");
    variable("OWN_ARNS")?;
    let own_arns = keepwatch_aws::runtime::list("OWN_ARNS");

    let config = clients::config()?;
    let own_queue = |id: &str| {
        let arn = own_arns.iter().find(|arn| arn.contains(&format!("-{id}-")));
        let queue = arn.and_then(|arn| Queue::of_arn(&config, arn));
        queue.ok_or_else(|| {
            format!("OWN_ARNS names no {id}; template.yaml sets it, so deploy with the template")
        })
    };
    let intake = SourceQueue::new(own_queue("IntakeQueue")?, HIDDEN);
    let dead_letters = own_queue("DeadLetterQueue")?;
    let findings = FindingsTable::new(&config, findings, &journal);
    let journal = JournalTable::new(&config, journal);
    join(findings.warm(), intake.warm()).await;
    let rules = own_rules::with_built_in(&journal).await;
    let detect = Detect {
        rules: Index::new(rules),
        account: LiveAccount::new(&config, findings.clone(), journal.clone()),
        intake,
        dead_letters,
        findings,
        journal,
        settings: SettingsTable::new(&config, settings, CATALOGUE),
        config: Config { trusted_accounts, stack, own_arns, ..Config::default() },
    };
    let detect = &detect;
    // The payload stays raw JSON: a typed payload that fails to parse would never reach the handler.
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| detect.handle(event).await)).await
}
