//! One batch of the intake queue. Each message succeeds or fails alone.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use anyhow::anyhow;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use keepwatch_aws::account::{LiveAccount, StateOf};
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::runtime::now;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::intake::{Intake, Judged};
use keepwatch_core::event::Event;
use keepwatch_core::history::heard;
use keepwatch_core::memory::journal::counts_key;
use keepwatch_core::memory::journal::{Journal as _, RECEIPTS_KEPT};
use keepwatch_core::regions::Heartbeat;
use keepwatch_core::settings::Settings;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::value::RawValue;
use tracing::{error, info, warn};

/// Everything that a message meets on its way.
pub(crate) struct Detect {
    pub(crate) rules: Index,
    pub(crate) account: LiveAccount,
    pub(crate) findings: FindingsTable,
    pub(crate) journal: JournalTable,
    pub(crate) settings: SettingsTable,
    pub(crate) config: Config,
}

/// How long one message may take. All messages of a batch are on their way at the same time, so that this bounds the
/// batch as well, below the function's timeout: a slow answer costs its own message a retry and its neighbours nothing.
const DEADLINE: Duration = Duration::from_secs(20);

/// What became of the messages of one batch. `received` is the sum of the others but `changes`, so that no message can
/// vanish from the counts.
#[derive(Debug, Default)]
struct Counts {
    received: usize,
    /// At least one finding was opened or changed.
    recorded: usize,
    /// Understood, and nothing new: no rule fired, or a duplicate.
    quiet: usize,
    /// JSON of a kind that no rule reads.
    other: usize,
    /// Heartbeats.
    heartbeats: usize,
    /// Given back to the queue, because an earlier event may still be on its way.
    later: usize,
    /// Given back to the queue, which delivers it again and at last moves it to the dead-letter queue.
    failed: usize,
    /// Findings opened or changed.
    changes: usize,
}

impl Detect {
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<SqsBatchResponse, Error> {
        let batch: SqsEvent = serde_json::from_str(event.payload.get())?;
        // arn:aws:lambda:us-east-1:111122223333:function:name
        let own_account = event.context.invoked_function_arn.split(':').nth(4).unwrap_or_default();
        let settings = self.settings.recent(now()).await?;
        let rules_config = self.config.with(&settings);
        let judge = |message| self.guarded(message, own_account, &settings, &rules_config);
        let outcomes = join_all(batch.records.iter().map(judge)).await;
        let mut counts = Counts { received: batch.records.len(), ..Counts::default() };
        let mut response = SqsBatchResponse::default();
        for (message, outcome) in batch.records.iter().zip(outcomes) {
            match outcome {
                Ok(Judged::Recorded(changes)) => {
                    counts.recorded += 1;
                    counts.changes += changes;
                }
                Ok(Judged::Quiet) => counts.quiet += 1,
                Ok(Judged::Other) => counts.other += 1,
                Ok(Judged::Heartbeat) => counts.heartbeats += 1,
                Ok(Judged::Later) => {
                    counts.later += 1;
                    response.add_failure(message.message_id.clone().unwrap_or_default());
                }
                Err(reason) => {
                    counts.failed += 1;
                    error!(message_id = message.message_id, reason = %reason, "message failed");
                    response.add_failure(message.message_id.clone().unwrap_or_default());
                }
            }
        }
        info!(
            received = counts.received,
            recorded = counts.recorded,
            quiet = counts.quiet,
            other = counts.other,
            heartbeats = counts.heartbeats,
            later = counts.later,
            failed = counts.failed,
            changes = counts.changes,
            "batch done"
        );
        self.count(&counts).await;
        Ok(response)
    }

    /// For the weekly report. Nobody waits for it and nothing depends on it.
    async fn count(&self, counts: &Counts) {
        let now = now();
        // Heartbeats left out: a week without events must not look like one with.
        let judged = counts.received - counts.failed - counts.later - counts.heartbeats;
        let counters = [("judged", judged as u64), ("failed", counts.failed as u64)];
        let outcome = self.journal.count(&counts_key(now), &counters, now.plus(RECEIPTS_KEPT)).await;
        if let Err(reason) = outcome {
            warn!(reason = %reason, "the day's counters could not be written");
        }
    }

    /// One message, by its deadline. A panic is a bug in one rule and fails this message alone.
    async fn guarded(
        &self,
        message: &SqsMessage,
        own_account: &str,
        settings: &Settings,
        config: &Config,
    ) -> anyhow::Result<Judged> {
        let judged = AssertUnwindSafe(self.message(message, own_account, settings, config)).catch_unwind();
        match tokio::time::timeout(DEADLINE, judged).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(anyhow!("a rule panicked on it")),
            Err(_) => Err(anyhow!("not judged within {} s", DEADLINE.as_secs())),
        }
    }

    async fn message(
        &self,
        message: &SqsMessage,
        own_account: &str,
        settings: &Settings,
        config: &Config,
    ) -> anyhow::Result<Judged> {
        let event = Event::parse(message.body.as_deref().unwrap_or_default())?;
        if let Some(heartbeat) = Heartbeat::of(&event, own_account, &config.stack, now()) {
            heartbeat.note(&self.journal, now()).await.map_err(|reason| anyhow!(reason))?;
            return Ok(Judged::Heartbeat);
        }
        let receipt_handle = message.receipt_handle.as_deref().unwrap_or_default();
        let state = StateOf { live: &self.account, own: own_account, asked: event.account(), receipt_handle };
        let intake = Intake { rules: &self.rules, store: &self.findings, settings, config };
        let judged = intake.judge(&event, &state, now()).await?;
        if judged == Judged::Other {
            warn!(source = event.envelope.source.or_empty(), "an event of a kind that no rule reads");
        }
        if judged != Judged::Later
            && let Err(reason) = heard::note(&self.journal, &event, now()).await
        {
            // Only the daily look at the event history asks for it, and would have the event judged once more.
            warn!(reason = %reason, "that an event was heard could not be noted");
        }
        Ok(judged)
    }
}
