//! One batch of the findings table's stream, or one sweep.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::dynamodb::{Event as StreamEvent, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use jiff::tz::TimeZone;
use keepwatch_alert::Sender;
use keepwatch_alert::dead_letters::Kinds;
use keepwatch_alert::outbox::{Delivery, Notifier};
use keepwatch_alert::report::Calendar;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::journal::JournalTable;
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::topic::AlertTopic;
use keepwatch_base::arn::account_of_function;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::history::first_look;
use keepwatch_core::history::reconcile::MessageQueue as _;
use keepwatch_core::memory::journal::{Journal as _, RECEIPTS_KEPT, counts_key};
use keepwatch_core::posture::forwarders::{self, Home};
use keepwatch_core::settings::{Invalid, Settings};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{error, info, warn};

/// All rules and checks: findings come of both.
pub(crate) const CATALOGUE: Catalogue =
    keepwatch_rules::registry::DOCUMENTED.and(&keepwatch_checks::registry::DOCUMENTED);

/// How the function's name ends; the stack's is before it.
const SUFFIX: &str = "-notify";

/// Everything that a stream record meets on its way.
pub(crate) struct Notify {
    pub(crate) findings: FindingsTable,
    pub(crate) journal: JournalTable,
    pub(crate) settings: SettingsTable,
    pub(crate) topic: AlertTopic,
    /// Where alarms about Keepwatch itself go.
    pub(crate) operations: AlertTopic,
    /// The delay queue of `scan`.
    pub(crate) recheck: Queue,
    /// What was given up.
    pub(crate) dead_letters: Kinds<Queue>,
    /// Hour of the day, UTC, from which on reports are sent.
    pub(crate) report_hour: i8,
    /// How long what one principal does is gathered for one mail.
    pub(crate) group_window: Duration,
    /// The readers' time zone, where it is another than UTC, or what is wrong with it.
    pub(crate) zone: Result<Option<TimeZone>, Invalid>,
}

/// What calls the function: the stream, with records, or the clock.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
}

impl Notify {
    /// The stack that this function belongs to, and who reads its mails.
    fn sender(&self, event: &LambdaEvent<Box<RawValue>>) -> Sender {
        Sender::of_function(&event.context.invoked_function_arn, SUFFIX)
            .read_in(self.zone.clone().unwrap_or_default())
    }

    fn notifier<'a>(
        &'a self,
        settings: &'a Settings,
        sender: &'a Sender,
    ) -> Notifier<'a, FindingsTable, JournalTable, AlertTopic> {
        Notifier {
            findings: &self.findings,
            journal: &self.journal,
            topic: &self.topic,
            operations: &self.operations,
            settings,
            catalogue: CATALOGUE,
            sender,
            group_window: self.group_window,
        }
    }

    pub(crate) async fn handle(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<DynamoDbEventResponse, Error> {
        let call: Call<'_> = serde_json::from_str(event.payload.get())?;
        match call.records {
            Some(_) => self.stream(&event).await,
            None => self.sweep(&event).await.map(|()| DynamoDbEventResponse::default()),
        }
    }

    /// Lambda delivers everything from the first failure on again.
    async fn stream(&self, event: &LambdaEvent<Box<RawValue>>) -> Result<DynamoDbEventResponse, Error> {
        let batch: StreamEvent = serde_json::from_str(event.payload.get())?;
        let settings = self.settings.recent(now()).await?;
        let sender = self.sender(event);
        let notifier = self.notifier(&settings, &sender);
        let mut response = DynamoDbEventResponse::default();
        let (mut sent, mut deferred, mut unheard) = (0, 0, 0);
        // From the event to its mail, of the slowest of those that were sent.
        let mut slowest = Duration::ZERO;
        for (i, record) in batch.records.iter().enumerate() {
            let id = record.change.keys.get("finding_id");
            let Some(serde_dynamo::AttributeValue::S(finding_id)) = id else {
                error!(event_id = record.event_id, "a stream record without a finding id");
                continue;
            };
            // Of a finding that is written again and again the last record is as good as all of them.
            let again = |later: &EventRecord| later.change.keys.get("finding_id") == id;
            if batch.records.iter().skip(i + 1).any(again) {
                continue;
            }
            // The invocation and the place in it: no other notifier has this token.
            let token = format!("{}-{i}", event.context.request_id);
            match notifier.deliver(finding_id, &token, now()).await {
                Ok(Delivery::Sent) => {
                    sent += 1;
                    let seen = record.change.new_image.get("last_seen");
                    if let Some(serde_dynamo::AttributeValue::S(seen)) = seen
                        && let Some(seen) = Timestamp::parse(seen)
                    {
                        slowest = slowest.max(now().since(seen));
                    }
                }
                Ok(Delivery::Deferred) => deferred += 1,
                Ok(Delivery::Unheard) => unheard += 1,
                // Busy: whoever holds the claim sends it, or a sweep does when their lease has ended.
                Ok(Delivery::Silenced | Delivery::Busy | Delivery::Done) => {}
                Err(reason) => {
                    error!(finding_id = %finding_id, reason = %reason, "alert not delivered, will be tried again");
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(record.change.sequence_number.clone().unwrap_or_default());
                    response.batch_item_failures.push(failure);
                }
            }
        }
        // In the ordinary case there is nothing, and that is one question.
        let (late, outcome) = notifier.catch_up(&format!("{}-late", event.context.request_id), now()).await;
        if let Err(reason) = outcome {
            warn!(reason = %reason, "what no sweep has sent could not be sent along");
        }
        sent += u64::try_from(late.sent).unwrap_or(0);
        let failed = response.batch_item_failures.len();
        let slowest_seconds = slowest.as_secs();
        info!(received = batch.records.len(), sent, deferred, unheard, failed, slowest_seconds, "batch done");
        self.count(&[("mailed", sent)]).await;
        Ok(response)
    }

    /// # Errors
    /// What is left undone is found again by the next sweep; the error is for the function's alarm.
    async fn sweep(&self, event: &LambdaEvent<Box<RawValue>>) -> Result<(), Error> {
        let mut settings = Arc::unwrap_or_clone(self.settings.read(now()).await?);
        settings.invalid.extend(self.zone.as_ref().err().cloned());
        let sender = self.sender(event);
        let notifier = self.notifier(&settings, &sender);
        // arn:aws:lambda:us-east-1:111122223333:function:keepwatch-notify
        let arn = &event.context.invoked_function_arn;
        let account = account_of_function(arn)?.to_owned();
        // First of all: what it finds is written whatever else fails. It keeps no mail back.
        let heard = match Home::of_function(arn, SUFFIX) {
            Some(home) => forwarders::sweep(&self.findings, &self.journal, &settings, &home, now()).await,
            None => Ok(Vec::new()),
        };
        let calendar = Calendar { account, hour: self.report_hour };
        let token = &event.context.request_id;
        let (mut swept, outcome) = notifier.sweep(token, now(), &calendar).await;
        let (silent, heard) = heard.map_or_else(|why| (Vec::new(), Err(why)), |ids| (ids, Ok(())));
        let (together, told) = notifier.tell(silent, token, now()).await;
        swept.sent += together.sent;
        swept.digested += together.digested;
        info!(
            due = swept.due,
            sent = swept.sent,
            digested = swept.digested,
            settled = swept.settled,
            mails = swept.mails,
            "sweep done"
        );
        if swept.look_up
            && let Err(reason) = self.recheck.send(first_look::MESSAGE).await
        {
            warn!(reason = %reason, "scan could not be asked for what the welcome mail tells; it comes without");
        }
        let Kinds { events, invocations, mails } = &self.dead_letters;
        let (events, invocations, mails) = tokio::join!(events.count(), invocations.count(), mails.count());
        let counts = Kinds { events, invocations, mails };
        // What one queue does not say keeps the others' news from nobody.
        let known = counts.as_ref().map(|count| count.as_ref().ok().copied());
        let reminded = notifier.remind_of_dead_letters(known, &calendar.account, now()).await;
        let mut reminded = reminded.map(drop).map_err(|why| why.to_string());
        for count in counts.into_array() {
            reminded = reminded.and(count.map(drop).map_err(|why| why.to_string()));
        }
        if swept.unheard {
            warn!("nobody has confirmed a subscription to alerts or alarms: nobody can be told of anything");
        }
        self.count(&[("mailed", swept.sent as u64), ("digested", swept.digested as u64)]).await;
        outcome?;
        told?;
        if let Err(why) = reminded {
            return Err(format!("the dead letters were not looked at: {why}").into());
        }
        heard.map_err(|why| format!("the forwarders of other regions were not looked at: {why}").into())
    }

    /// For the weekly report. Nothing depends on it.
    async fn count(&self, counters: &[(&str, u64)]) {
        let now = now();
        if let Err(reason) = self.journal.count(&counts_key(now), counters, now.plus(RECEIPTS_KEPT)).await {
            warn!(reason = %reason, "the day's counters could not be written");
        }
    }
}
