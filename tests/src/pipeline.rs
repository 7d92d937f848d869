//! The deployed way of an event in one process: an intake queue, as many copies of the compiled `detect` as the template lets
//! run, and one `notify` behind the stream of the findings, all in front of an [`AwsStub`] whose answers take time.
//!
//! What it leaves out: EventBridge, the sweeps of each minute, and Lambda's own time between queue and function. A message that
//! is given back is hidden as long as in the template; nobody waits for that here.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keepwatch_aws::runtime::now;
use serde_json::{Value, json};

use crate::aws_stub::{AwsStub, NOTIFY, TABLES};
use crate::events::stream_batch;
use crate::function::{Function, binary};
use crate::lock;
use crate::runtime_api::{ACCOUNT, Outcome};

/// How many copies of `detect` run at the same time: `MaximumConcurrency` of its source in template.yaml.
pub const COPIES: usize = 5;

/// How many messages or records a function is called with at most: `BatchSize` of both sources in template.yaml.
pub const BATCH: usize = 10;

/// The journal's table.
pub const JOURNAL: &str = "journal";

/// How often Lambda asks a stream for records: four times a second (Lambda developer guide, "Using AWS Lambda with Amazon
/// DynamoDB").
const POLL: Duration = Duration::from_millis(250);

/// What became of the messages so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// When the last batch of `detect` came back.
    pub last: Option<Instant>,
    /// Messages that were judged and deleted.
    pub done: usize,
    /// Deliveries that were given back to the queue.
    pub given_back: usize,
    /// Batches of `detect`.
    pub batches: usize,
    /// Invocations of `detect` that ended with an error, whose whole batch comes back.
    pub errors: usize,
    /// Records of the stream that `notify` was called with, and its invocations.
    pub records: usize,
    /// Invocations of `notify`.
    pub notified: usize,
    /// How long the functions worked in all.
    pub worked: Duration,
    /// How long `detect` worked.
    pub judging: Duration,
}

/// A message of the queue.
#[derive(Debug)]
struct Message {
    id: usize,
    body: String,
    sent: i64,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Message>,
    /// How many are with a function.
    in_flight: usize,
    sent: usize,
    /// Given back, and hidden until after all that is measured here.
    hidden: Vec<Message>,
    tally: Tally,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Whether `notify` is at work on records of the stream.
    telling: AtomicBool,
    closed: AtomicBool,
}

/// The running pipeline; stopped on drop.
#[derive(Debug)]
pub struct Pipeline {
    /// The AWS that it runs in.
    pub aws: Arc<AwsStub>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The process ids of the functions.
    functions: Vec<u32>,
}

impl Pipeline {
    /// Starts all functions, warms them up, and from then on has each answer of AWS take so long.
    ///
    /// # Errors
    /// When a function is not built or does not start.
    pub fn start(latency: Duration) -> io::Result<Pipeline> {
        let aws = Arc::new(AwsStub::http()?);
        let shared = Arc::new(Shared::default());
        let endpoint = aws.endpoint().to_owned();
        let settings = [&[("AWS_ENDPOINT_URL", endpoint.as_str())], &TABLES[..], &NOTIFY[..]].concat();
        let start = |name: &str| -> io::Result<Function> {
            let function = Function::start(&binary(name)?, &settings, Stdio::inherit())?;
            function.started_in().ok_or_else(|| io::Error::other(format!("{name} did not start")))?;
            Ok(function)
        };
        let mut pipeline = Pipeline {
            aws: Arc::clone(&aws),
            shared: Arc::clone(&shared),
            threads: Vec::new(),
            functions: Vec::new(),
        };
        // The first sweep writes to whoever is subscribed; no alert waits for it later.
        let notify = start("notify")?;
        let sweep =
            json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}).to_string();
        notify.invoke(&sweep).ok_or_else(|| io::Error::other("notify did not answer"))?;
        let detect = (0..COPIES).map(|_| start("detect")).collect::<io::Result<Vec<_>>>()?;
        pipeline.functions = detect.iter().chain([&notify]).map(Function::pid).collect();
        aws.take_time(latency);
        for function in detect {
            let shared = Arc::clone(&shared);
            pipeline.threads.push(thread::spawn(move || shared.work(&function)));
        }
        pipeline.threads.push(thread::spawn(move || shared.tell(&aws, &notify)));
        Ok(pipeline)
    }

    /// Puts a message into the queue.
    pub fn send(&self, body: String) {
        let mut queue = lock(&self.shared.queue);
        queue.sent += 1;
        let message = Message { id: queue.sent, body, sent: now().millis() };
        queue.ready.push_back(message);
        drop(queue);
        self.shared.changed.notify_one();
    }

    /// Waits until the queue is empty but for what is hidden, and all records of the stream were told. `false` when that takes
    /// too long.
    pub fn drained(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        // In this order: what a message changes is in the stream before the message is done, and `notify` is at work before it takes
        // from the stream.
        let idle = || {
            let queue = lock(&self.shared.queue);
            queue.ready.is_empty() && queue.in_flight == 0
        };
        while !(idle() && self.aws.changes() == 0 && !self.shared.telling.load(Ordering::SeqCst)) {
            if Instant::now() > until {
                return false;
            }
            thread::sleep(POLL / 2);
        }
        true
    }

    /// The CPU time of the functions so far, and that of this process, which is the queue and AWS.
    pub fn cpu(&self) -> (Duration, Duration) {
        (self.functions.iter().copied().map(cpu).sum(), cpu(std::process::id()))
    }

    /// How many messages wait for a function.
    pub fn waiting(&self) -> usize {
        lock(&self.shared.queue).ready.len()
    }

    /// What became of the messages so far.
    pub fn tally(&self) -> Tally {
        lock(&self.shared.queue).tally
    }

    /// How many deliveries `detect` counted as failed, those that were given up among them. What waits for an event that may
    /// still come is not failed.
    pub fn failed(&self) -> u64 {
        let counts = self.aws.table(JOURNAL).into_iter().filter(|(key, _)| key.starts_with("counts#"));
        counts.filter_map(|(_, item)| item.get("failed")?["N"].as_str()?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// One copy of `detect`: takes what there is, and deletes what is not given back.
    fn work(&self, detect: &Function) {
        while let Some(messages) = self.take() {
            let reply = detect.invoke(&sqs(&messages));
            let (took, failed) = match reply {
                Some(reply) => (reply.took, given_back(&reply.outcome)),
                None => (Duration::ZERO, None),
            };
            let mut queue = lock(&self.queue);
            queue.in_flight -= messages.len();
            queue.tally.batches += 1;
            queue.tally.last = Some(Instant::now());
            queue.tally.worked += took;
            queue.tally.judging += took;
            queue.tally.errors += usize::from(failed.is_none());
            for message in messages {
                if failed.as_ref().is_some_and(|failed| !failed.contains(&message.id.to_string())) {
                    queue.tally.done += 1;
                } else {
                    queue.tally.given_back += 1;
                    queue.hidden.push(message);
                }
            }
        }
    }

    /// The next batch; waits until there is one. `None` when there will be none.
    fn take(&self) -> Option<Vec<Message>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if !queue.ready.is_empty() {
                let most = BATCH.min(queue.ready.len());
                queue.in_flight += most;
                return Some(queue.ready.drain(..most).collect());
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// `notify`, for one batch of the stream after another: the stream of a small table has one shard.
    fn tell(&self, aws: &AwsStub, notify: &Function) {
        let mut number = 0;
        while !self.closed.load(Ordering::SeqCst) {
            self.telling.store(true, Ordering::SeqCst);
            let ids = aws.take_changes(BATCH);
            if ids.is_empty() {
                self.telling.store(false, Ordering::SeqCst);
                thread::sleep(POLL);
                continue;
            }
            let records: Vec<(String, &String)> = ids.iter().map(|id| (next(&mut number), id)).collect();
            let records: Vec<(&str, &str)> =
                records.iter().map(|(number, id)| (number.as_str(), id.as_str())).collect();
            let took = notify.invoke(&stream_batch(&records)).map(|reply| reply.took).unwrap_or_default();
            let mut queue = lock(&self.queue);
            queue.tally.notified += 1;
            queue.tally.records += ids.len();
            queue.tally.worked += took;
        }
    }
}

fn next(number: &mut usize) -> String {
    *number += 1;
    number.to_string()
}

/// CPU time of all threads so far, those that have ended left out. `schedstat` counts nanoseconds.
fn cpu(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let text = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
    let nanos =
        |text: String| text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_nanos(tasks.map(text).map(nanos).sum())
}

/// The ids of the messages that are given back; none is known where the invocation failed, and all are.
fn given_back(outcome: &Outcome) -> Option<HashSet<String>> {
    let Outcome::Response(text) = outcome else { return None };
    let response: Value = serde_json::from_str(text).ok()?;
    let failures = response["batchItemFailures"].as_array()?;
    Some(
        failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str().map(str::to_owned)).collect(),
    )
}

/// The batch as Lambda hands it to the function.
fn sqs(messages: &[Message]) -> String {
    let record = |message: &Message| {
        json!({
            "messageId": message.id.to_string(),
            "receiptHandle": message.id.to_string(),
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": message.sent.to_string()},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:{ACCOUNT}:intake"),
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<Value>>()}).to_string()
}
