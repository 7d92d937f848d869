//! The queue that a function takes its messages from, which is asked whether a message is its own.
//!
//! Whoever may invoke a function can hand it a message that no queue ever held, and AWS logs no invocation. Only a message that
//! the queue has handed out has a receipt handle that the queue knows. `ChangeMessageVisibilityBatch` shows it, and is asked to
//! hide the messages for as long as the queue hides them anyway. The right to `ChangeMessageVisibility` is the right to it (SQS API
//! reference, `AddPermission`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::queue::Queue;

/// The most messages of one call (SQS API reference, `ChangeMessageVisibilityBatch`).
const MOST: usize = 10;

/// The queue.
#[derive(Clone, Debug)]
pub struct SourceQueue {
    queue: Queue,
    hidden: Duration,
}

impl SourceQueue {
    /// The queue that hides a message for so long when it hands it out: its `VisibilityTimeout`.
    pub fn new(queue: Queue, hidden: Duration) -> SourceQueue {
        SourceQueue { queue, hidden }
    }

    /// Opens the connection while the Lambda starts, as [`crate::findings::FindingsTable::warm`]. Asks about a message that
    /// cannot exist; what comes of it does not matter.
    pub async fn warm(&self) {
        let _ = self.own(vec![()], |()| Some("warm-up")).await;
    }

    /// Tells the messages that the queue has handed out from all others, each with the reason. A message that
    /// the queue cannot be asked about is one of the others: the function gives it back and does nothing else with it. `handle`
    /// is a message's receipt handle, which one that somebody has made up may lack.
    pub async fn own<M>(
        &self,
        messages: Vec<M>,
        handle: impl Fn(&M) -> Option<&str>,
    ) -> (Vec<M>, Vec<(M, String)>) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let part: Vec<M> = messages.by_ref().take(MOST).collect();
            let handles: Vec<&str> = part.iter().map(|message| handle(message).unwrap_or_default()).collect();
            let answer = self.hide_all(&handles).await;
            for (number, message) in part.into_iter().enumerate() {
                let id = number.to_string();
                let of = |list: &str| {
                    let entries = answer.as_ref().ok()?[list].as_array()?;
                    entries.iter().find(|entry| entry["Id"] == id)
                };
                let code = of("Failed").and_then(|entry| entry["Code"].as_str()).unwrap_or("nothing");
                match (&answer, of("Successful")) {
                    (Ok(_), Some(_)) => own.push(message),
                    // It was handed out, and may be handed out again by now: somebody has changed how long the queue hides a
                    // message. A handle that the queue has never given is `ReceiptHandleIsInvalid`.
                    (Ok(_), None) if code.ends_with("MessageNotInflight") => own.push(message),
                    (Ok(_), None) => {
                        others.push((message, format!("the queue was asked for it and answered {code}")));
                    }
                    (Err(reason), _) => {
                        others.push((message, format!("the queue could not be asked for it: {reason}")));
                    }
                }
            }
        }
        (own, others)
    }

    async fn hide_all(&self, handles: &[&str]) -> Result<Value, String> {
        let hide = |(number, handle): (usize, &&str)| {
            let seconds = self.hidden.as_secs();
            json!({"Id": number.to_string(), "ReceiptHandle": handle, "VisibilityTimeout": seconds})
        };
        let entries: Vec<Value> = handles.iter().enumerate().map(hide).collect();
        let request = json!({"Entries": entries});
        let answer = self.queue.call("AmazonSQS.ChangeMessageVisibilityBatch", request).await;
        serde_json::from_slice(&answer.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    /// Hides a message for so long from now on, before it is delivered again.
    ///
    /// # Errors
    /// With the reason. The message comes back by itself, only sooner.
    pub async fn hide(&self, receipt_handle: &str, pause: Duration) -> Result<(), String> {
        let request = json!({"ReceiptHandle": receipt_handle, "VisibilityTimeout": pause.as_secs()});
        let hidden = self.queue.call("AmazonSQS.ChangeMessageVisibility", request).await;
        hidden.map(drop).map_err(|error| error.to_string())
    }
}
