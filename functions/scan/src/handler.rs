//! One invocation: by the clock, by somebody who wants a scan now, or by the queue.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use keepwatch_aws::queue::Queue;
use keepwatch_aws::runtime::now;
use keepwatch_aws::source_queue::SourceQueue;
use keepwatch_base::arn::account_of_function;
use keepwatch_core::event::Event;
use keepwatch_core::history::first_look;
use keepwatch_core::history::reconcile::MessageQueue as _;
use keepwatch_core::posture::forwarders::Home;
use keepwatch_core::posture::touched::Touched;
use lambda_runtime::{Error, LambdaEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::{error, warn};

use crate::canary;
use crate::history::History;
use crate::posture::{Done, Posture, Time};

/// The message with which a run that was cut is gone on with.
const GO_ON: &str = r#"{"keepwatch": "go on"}"#;

/// Everything that an invocation needs.
pub(crate) struct Scan {
    pub(crate) history: History,
    pub(crate) posture: Posture,
    /// The delay queue, to which the message goes that a cut run goes on with.
    pub(crate) queue: Queue,
    /// The same, as what this function takes its messages from.
    pub(crate) source: SourceQueue,
}

/// What calls the function.
#[derive(Deserialize)]
struct Call {
    /// The queue.
    #[serde(rename = "Records")]
    records: Option<Vec<SqsMessage>>,
    /// Somebody: `scan`.
    #[serde(default)]
    keepwatch: Option<String>,
}

/// What whoever called is told.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// The clock and people.
    Told(Value),
    /// The queue.
    Batch(SqsBatchResponse),
}

impl Scan {
    /// # Errors
    /// What could not be done. Lambda tries a run by the clock again, and at last tells of it by the dead-letter queue.
    pub(crate) async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, Error> {
        let time = Time::of(now(), event.context.deadline);
        // arn:aws:lambda:us-east-1:111122223333:function:keepwatch-scan
        let arn = event.context.invoked_function_arn.clone();
        let account = account_of_function(&arn)?.to_owned();
        let home = Home::of_function(&arn, "-scan");
        let call: Call = serde_json::from_str(event.payload.get())?;
        match (call.records, call.keepwatch.as_deref()) {
            (Some(messages), _) => Ok(Answer::Batch(self.batch(messages, &account, home, time).await)),
            (None, Some("scan")) => Ok(Answer::Told(self.scan(&account, home, false, time).await?)),
            (None, Some(other)) => Err(format!("{other} is nothing that this function does; scan is").into()),
            (None, None) => {
                if let Some(home) = home {
                    canary::call(&self.posture.client, &self.posture.journal, &home, time.began).await;
                }
                // The event history is another matter: neither keeps the other from its work.
                let history = self.history.handle(&account).await;
                let scanned = self.scan(&account, home, false, time).await;
                history?;
                Ok(Answer::Told(scanned?))
            }
        }
    }

    /// What came within some seconds is looked at once.
    async fn batch(
        &self,
        messages: Vec<SqsMessage>,
        account: &str,
        home: Option<Home<'_>>,
        time: Time,
    ) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let (messages, others) = self.source.own(messages, |message| message.receipt_handle.as_deref()).await;
        for (message, reason) in others {
            error!(message_id = message.message_id, reason, "message is not known to be the queue's own");
            response.add_failure(message.message_id.unwrap_or_default());
        }
        let (mut heard, mut ids) = (Vec::new(), Vec::new());
        for message in messages {
            let (id, body) = (message.message_id.unwrap_or_default(), message.body.unwrap_or_default());
            let done = match body.as_str() {
                // What the welcome mail tells of.
                first_look::MESSAGE => {
                    if let Err(reason) = self.posture.first_look(account).await {
                        // The next sweep asks again, and at last the mail comes without: no dead letter is needed.
                        warn!(reason = %reason, "what the welcome mail tells could not be looked up");
                    }
                    Ok(())
                }
                GO_ON => self.scan(account, home, true, time).await.map(drop),
                body => Event::parse(body).map_err(Error::from).map(|event| {
                    // Of another account nothing can be asked, and what is dated ahead is nobody's call.
                    let own =
                        |touched: &Touched| touched.account == account && !touched.at.is_ahead_of(time.began);
                    if let Some(touched) = Touched::of(&event).filter(own) {
                        heard.push(touched);
                        ids.push(id.clone());
                    }
                }),
            };
            if let Err(reason) = done {
                error!(message_id = id, reason = %reason, "message failed");
                response.add_failure(id);
            }
        }
        if !heard.is_empty()
            && let Err(reason) = self.posture.recheck(account, home, &heard).await
        {
            error!(calls = heard.len(), reason = %reason, "what was touched was not looked at again");
            ids.into_iter().for_each(|id| response.add_failure(id));
        }
        response
    }

    /// A scan, and what it came to. One that is cut has itself called again.
    async fn scan(
        &self,
        account: &str,
        home: Option<Home<'_>>,
        go_on: bool,
        time: Time,
    ) -> Result<Value, Error> {
        let Some(Done { run, finished }) = self.posture.scan(account, home, go_on, time).await? else {
            return Ok(json!({"keepwatch_scan": 1, "finished": true}));
        };
        if !finished {
            self.queue.send(GO_ON).await?;
        }
        let refused: Vec<&String> = run.coverage.refused.keys().collect();
        Ok(json!({
            "keepwatch_scan": 1,
            "finished": finished,
            "checks": run.done,
            "regions": run.regions,
            "known": run.coverage.known,
            "unknown": run.coverage.unknown,
            "coverage_percent": run.coverage.percent(),
            "refused": refused,
            "failing": run.failing,
            "told": run.told,
            "unwritten": run.unwritten,
            "first": run.first,
        }))
    }
}
