//! One batch of the intake queue. Each message succeeds or fails alone.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use keepwatch_aws::AwsError;
use keepwatch_aws::account::{LiveAccount, StateOf};
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::source_queue::SourceQueue;
use keepwatch_base::arn::account_of_function;
use keepwatch_base::hash::short_hash;
use keepwatch_base::time::Timestamp;
use keepwatch_core::canary;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::Index;
use keepwatch_core::engine::given_back::{Fate, Fault, HIDDEN};
use keepwatch_core::engine::intake::{Intake, IntakeError, IntakeOutcome};
use keepwatch_core::event::{Body, Event};
use keepwatch_core::finding::record::RecordError;
use keepwatch_core::history::heard;
use keepwatch_core::memory::journal::counts_key;
use keepwatch_core::memory::journal::{Journal as _, RECEIPTS_KEPT};
use keepwatch_core::regions::Heartbeat;
use keepwatch_core::settings::Settings;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

/// Everything that a message meets on its way.
pub(crate) struct Detect {
    pub(crate) rules: Index,
    pub(crate) account: LiveAccount,
    pub(crate) findings: FindingsTable,
    pub(crate) journal: JournalTable,
    pub(crate) settings: SettingsTable,
    /// Where the messages come from, and where those go that nobody can work with.
    pub(crate) intake: SourceQueue,
    pub(crate) dead_letters: Queue,
    pub(crate) config: Config,
}

/// How long one message may take from the batch's beginning. All messages of a batch are on their way at the same time, so that
/// this bounds the batch as well, below the function's timeout: a slow answer costs its own message a retry and its neighbours
/// nothing.
const DEADLINE: Duration = Duration::from_secs(20);

/// What became of the messages of one batch that are the queue's own. `received` is the sum of the others but `changes` and
/// `cloudtrail`, so that no message can vanish from the counts.
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
    /// Given back to the queue, which delivers it again.
    failed: usize,
    /// Given up, and sent to the dead-letter queue.
    given_up: usize,
    /// Findings opened or changed.
    changes: usize,
    /// Those that came from CloudTrail.
    cloudtrail: usize,
}

/// Why a message was not judged.
struct Failure {
    fault: Fault,
    reason: String,
}

impl Failure {
    fn poison(reason: impl Into<String>) -> Failure {
        Failure { fault: Fault::Poison, reason: reason.into() }
    }

    fn dependency(reason: impl Into<String>) -> Failure {
        Failure { fault: Fault::Dependency, reason: reason.into() }
    }

    /// An item that is no finding stays one however often the event comes; a table that fails works again some day.
    fn of(error: &IntakeError<AwsError>) -> Failure {
        let spoiled = matches!(
            error,
            IntakeError::Record(RecordError::Store(AwsError::NotAFinding { .. } | AwsError::Item(_)))
        );
        let fault = if spoiled { Fault::Poison } else { error.fault() };
        Failure { fault, reason: error.to_string() }
    }
}

/// From 0 to 1, by the message's id: those that failed together come back apart.
fn spread(message: &SqsMessage) -> f64 {
    let id = short_hash(&[message.message_id.as_deref().unwrap_or_default()]);
    u32::from_str_radix(id.get(..4).unwrap_or_default(), 16)
        .map_or(0.0, |n| f64::from(n) / f64::from(u16::MAX))
}

impl Detect {
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<SqsBatchResponse, Error> {
        let batch: SqsEvent = serde_json::from_str(event.payload.get())?;
        let own_account = account_of_function(&event.context.invoked_function_arn)?;
        let deadline = Instant::now() + DEADLINE;
        let known = self.intake.own(batch.records, |message| message.receipt_handle.as_deref());
        let ((messages, others), settings) = join(known, self.settings.recent(now())).await;
        let mut response = SqsBatchResponse::default();
        for (message, reason) in others {
            // It is not given up either: who moves dead letters back would make it the queue's own.
            error!(message_id = message.message_id, reason, "message is not known to be the queue's own");
            response.add_failure(message.message_id.unwrap_or_default());
        }
        if messages.is_empty() {
            // The messages come back as after any answer that names them, but this one rings the alarm on errors: whoever invokes
            // the function himself is to be noticed. Lambda tries his invocation twice more at most.
            return match response.batch_item_failures.is_empty() {
                true => Ok(response),
                false => Err("no message of the batch is known to be the queue's own".into()),
            };
        }
        let settings = match settings {
            Ok(settings) => settings,
            Err(reason) => {
                // Without the settings nothing can be judged; each message waits for its turn.
                let failed = |message| (message, Failure::dependency(reason.to_string()));
                let failed: Vec<_> = messages.iter().map(failed).collect();
                self.settle(&failed, &mut response).await;
                return Ok(response);
            }
        };
        let rules_config = self.config.with(&settings);
        let judge = |message| self.guarded(message, own_account, &settings, &rules_config, deadline);
        let outcomes = join_all(messages.iter().map(judge)).await;
        let mut counts = Counts { received: messages.len(), ..Counts::default() };
        let mut failed = Vec::new();
        for (message, outcome) in messages.iter().zip(outcomes) {
            let outcome = outcome.map(|(judged, cloudtrail)| {
                counts.cloudtrail += usize::from(cloudtrail && judged != IntakeOutcome::Later);
                judged
            });
            match outcome {
                Ok(IntakeOutcome::Recorded(changes)) => {
                    counts.recorded += 1;
                    counts.changes += changes;
                }
                Ok(IntakeOutcome::Quiet) => counts.quiet += 1,
                Ok(IntakeOutcome::Other) => counts.other += 1,
                Ok(IntakeOutcome::Heartbeat) => counts.heartbeats += 1,
                Ok(IntakeOutcome::Later) => {
                    counts.later += 1;
                    response.add_failure(message.message_id.clone().unwrap_or_default());
                }
                Err(failure) => failed.push((message, failure)),
            }
        }
        counts.given_up = self.settle(&failed, &mut response).await;
        counts.failed = failed.len() - counts.given_up;
        info!(
            received = counts.received,
            recorded = counts.recorded,
            quiet = counts.quiet,
            other = counts.other,
            heartbeats = counts.heartbeats,
            later = counts.later,
            failed = counts.failed,
            given_up = counts.given_up,
            changes = counts.changes,
            "batch done"
        );
        self.count(&counts).await;
        Ok(response)
    }

    /// Whether a message that failed is given up: it lies in the dead-letter queue then. Else it comes back, after a pause that
    /// grows.
    async fn fate(&self, message: &SqsMessage, failure: &Failure) -> bool {
        let Failure { fault, reason } = failure;
        let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
        let deliveries = number("ApproximateReceiveCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        let sent = number("SentTimestamp").map_or_else(now, Timestamp::from_millis);
        let fate = Fate::of(*fault, deliveries, now().since(sent), spread(message));
        error!(message_id = message.message_id, deliveries, fate = ?fate, reason, "message failed");
        match fate {
            Fate::GivenUp => {
                let body = message.body.as_deref().unwrap_or_default();
                let given_up = self.dead_letters.give_up(body, reason).await;
                if let Err(why) = &given_up {
                    error!(message_id = message.message_id, reason = %why, "message could not be given up");
                }
                given_up.is_ok()
            }
            Fate::Again(pause) => {
                if pause > HIDDEN
                    && let Some(handle) = message.receipt_handle.as_deref()
                    && let Err(why) = self.intake.hide(handle, pause).await
                {
                    warn!(message_id = message.message_id, reason = why, "message comes back sooner");
                }
                false
            }
        }
    }

    /// Has each message that failed meet its fate; those that stay in the queue are named in the response. Returns how many
    /// are given up.
    async fn settle(&self, failed: &[(&SqsMessage, Failure)], response: &mut SqsBatchResponse) -> usize {
        let fates = join_all(failed.iter().map(|(message, failure)| self.fate(message, failure))).await;
        let mut given_up = 0;
        for ((message, _), is_given_up) in failed.iter().zip(fates) {
            if is_given_up {
                given_up += 1;
            } else {
                response.add_failure(message.message_id.clone().unwrap_or_default());
            }
        }
        given_up
    }

    /// For the weekly report. Nobody waits for it and nothing depends on it.
    async fn count(&self, counts: &Counts) {
        let now = now();
        // Heartbeats left out: a week without events must not look like one with.
        let failed = counts.failed + counts.given_up;
        let judged = counts.received - failed - counts.later - counts.heartbeats;
        // Each time, so that a day without any differs from one of an older version, which did not count them.
        let counters =
            [("judged", judged as u64), ("failed", failed as u64), ("cloudtrail", counts.cloudtrail as u64)];
        let outcome = self.journal.count(&counts_key(now), &counters, now.plus(RECEIPTS_KEPT)).await;
        if let Err(reason) = outcome {
            warn!(reason = %reason, "the day's counters could not be written");
        }
    }

    /// One message, by its deadline, and whether it is CloudTrail's. A panic is a bug in one rule and fails this message alone.
    async fn guarded(
        &self,
        message: &SqsMessage,
        own_account: &str,
        settings: &Settings,
        config: &Config,
        deadline: Instant,
    ) -> Result<(IntakeOutcome, bool), Failure> {
        let judged = AssertUnwindSafe(self.message(message, own_account, settings, config)).catch_unwind();
        match timeout_at(deadline, judged).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::poison("a rule panicked on it")),
            Err(_) => Err(Failure::dependency(format!("not judged within {} s", DEADLINE.as_secs()))),
        }
    }

    async fn message(
        &self,
        message: &SqsMessage,
        own_account: &str,
        settings: &Settings,
        config: &Config,
    ) -> Result<(IntakeOutcome, bool), Failure> {
        let event = Event::parse(message.body.as_deref().unwrap_or_default())
            .map_err(|error| Failure::poison(error.to_string()))?;
        if let Some(heartbeat) = Heartbeat::of(&event, own_account, &config.stack, now()) {
            // The next one comes in a quarter of an hour: nobody waits for this one.
            if let Err(reason) = heartbeat.note(&self.journal, now()).await {
                warn!(reason, "a forwarder's heartbeat could not be noted");
            }
            return Ok((IntakeOutcome::Heartbeat, false));
        }
        // It stays an event like any other: no rule makes an exception for it.
        let noted = canary::note(&self.journal, &event, own_account, config, now()).await;
        noted.map_err(Failure::dependency)?;
        let state = StateOf { live: &self.account, own: own_account, asked: event.account() };
        let intake = Intake { rules: &self.rules, store: &self.findings, settings, config };
        let judged = intake.judge(&event, &state, now()).await.map_err(|error| Failure::of(&error))?;
        if judged == IntakeOutcome::Other {
            warn!(source = event.envelope.source.or_empty(), "an event of a kind that no rule reads");
        }
        if judged != IntakeOutcome::Later
            && let Err(reason) = heard::note(&self.journal, &event, now()).await
        {
            // Only the daily look at the event history asks for it, and would have the event judged once more.
            warn!(reason = %reason, "that an event was heard could not be noted");
        }
        Ok((judged, matches!(event.body, Body::CloudTrail(_))))
    }
}
