//! The little of AWS that the functions call: DynamoDB items in memory, SNS, a queue, CloudTrail's event history,
//! Identity Center, the imports of Security Hub, and an IAM that denies everything.
//!
//! An account that scans look at is in `posture.rs`.
//!
//! It checks no signature of the SDK's and models few limits; ministack does more and is slower. What it does
//! not know it refuses with an error, so that no test passes by its ignorance. A table may have a policy that lets one role
//! alone write, which is told by the access key that STS gave for it.

mod cloudtrail;
mod dynamodb;
mod expression;
pub mod identity_center;
pub mod large;
mod load;
mod policy;
mod posture;
mod securityhub;
mod signature;
mod tls;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Map, Value};

use crate::http::{Request, Response, Server};
use crate::lock;

pub use posture::{Account, Bucket, GroupRule};

/// An item in DynamoDB's own JSON: `{"name": {"S": "value"}}`.
pub type Item = Map<String, Value>;

/// The parameters of a call of a query API.
pub type Form = HashMap<String, String>;

/// The name of the findings table.
pub const FINDINGS: &str = "findings";

/// The address of the only queue.
pub const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/intake";

/// ARN of the intake queue of a stack. Its address is the stub's own, so that [`QUEUE`] is not meant.
pub const INTAKE: &str = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3";

/// ARNs of the queues of a stack, as the template tells them to detect.
pub const OWN_ARNS: &str = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-A1B2C3,\
arn:aws:sqs:us-east-1:111122223333:keepwatch-DeadLetterQueue-A1B2C3";

/// The receipt handle of a message that no queue has handed out.
pub const FORGED: &str = "forged";

/// The receipt handle of a message that may be handed out again already: somebody has set the queue to hide it for no time.
pub const SEEN_AGAIN: &str = "seen again";

/// ARN of its dead-letter queue.
pub const DEAD_LETTERS: &str = "arn:aws:sqs:us-east-1:111122223333:keepwatch-DeadLetterQueue-A1B2C3";

/// The address of the same.
pub const DEAD_LETTERS_URL: &str =
    "https://sqs.us-east-1.amazonaws.com/111122223333/keepwatch-DeadLetterQueue-A1B2C3";

/// ARNs of the queues of records and runs, and of mails, that were given up. Nobody sends there but AWS.
pub const OTHER_DEAD_LETTERS: [&str; 2] = [
    "arn:aws:sqs:us-east-1:111122223333:keepwatch-InvocationDeadLetterQueue-A1B2C3",
    "arn:aws:sqs:us-east-1:111122223333:keepwatch-MailDeadLetterQueue-A1B2C3",
];

/// The addresses of the queues of dead letters, as the template tells them to notify.
pub const DEAD_LETTER_QUEUES: [(&str, &str); 3] = [
    ("DEAD_LETTER_QUEUE_URL", DEAD_LETTERS_URL),
    (
        "INVOCATION_DEAD_LETTER_QUEUE_URL",
        "https://sqs.us-east-1.amazonaws.com/111122223333/keepwatch-InvocationDeadLetterQueue-A1B2C3",
    ),
    (
        "MAIL_DEAD_LETTER_QUEUE_URL",
        "https://sqs.us-east-1.amazonaws.com/111122223333/keepwatch-MailDeadLetterQueue-A1B2C3",
    ),
];

/// The topic of the alerts.
pub const ALERTS: &str = "arn:aws:sns:us-east-1:111122223333:alerts";

/// The topic that tells of trouble.
pub const OPERATIONS: &str = "arn:aws:sns:us-east-1:111122223333:operations";

/// What the template tells the functions of their tables and their stack.
pub const TABLES: [(&str, &str); 5] = [
    ("FINDINGS_TABLE", FINDINGS),
    ("JOURNAL_TABLE", "journal"),
    ("SETTINGS_TABLE", "settings"),
    ("STACK_NAME", "keepwatch"),
    ("OWN_ARNS", OWN_ARNS),
];

/// What it tells `notify` besides.
pub const NOTIFY: [(&str, &str); 8] = [
    ("ALERT_TOPIC_ARN", ALERTS),
    ("OPS_TOPIC_ARN", OPERATIONS),
    ("RECHECK_QUEUE_URL", QUEUE),
    DEAD_LETTER_QUEUES[0],
    DEAD_LETTER_QUEUES[1],
    DEAD_LETTER_QUEUES[2],
    ("REPORT_HOUR", "7"),
    ("MAIL_WINDOW_MINUTES", "10"),
];

/// What calls of DynamoDB were charged for, as on-demand tables are (DynamoDB developer guide, "Read and write capacity").
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub written: f64,
    /// The write units of each item, by table and key.
    pub of_items: HashMap<(String, String), f64>,
    /// How many transactions and writes met another one on the same item.
    pub conflicts: usize,
}

/// A running stub; stopped on drop.
#[derive(Debug)]
pub struct AwsStub {
    endpoint: String,
    certificate: Option<String>,
    state: Arc<Mutex<State>>,
    _server: Server,
}

#[derive(Debug, Default)]
struct State {
    tables: dynamodb::Tables,
    published: Vec<Form>,
    published_at: Vec<Instant>,
    load: load::Load,
    imported: Vec<Value>,
    hub: securityhub::Faults,
    guards: policy::Guards,
    history: cloudtrail::History,
    permission_set: Option<identity_center::PermissionSet>,
    queued: Vec<String>,
    account: Account,
    large: Option<Arc<large::Large>>,
    given_up: Vec<Value>,
    given_up_by_aws: [usize; 2],
    hidden: HashMap<String, u64>,
    calls: HashMap<String, usize>,
    failing: HashSet<String>,
    unsubscribed: HashSet<String>,
}

impl AwsStub {
    /// A stub that speaks plain HTTP.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn http() -> io::Result<AwsStub> {
        let state = Arc::new(Mutex::new(State::default()));
        let serving = Arc::clone(&state);
        let server = Server::start(move |stream| converse(stream, &serving))?;
        let endpoint = format!("http://{}", server.address);
        Ok(AwsStub { endpoint, certificate: None, state, _server: server })
    }

    /// A stub that speaks TLS, with a certificate of its own.
    ///
    /// # Errors
    /// When there is no free port, or no certificate can be made.
    pub fn https() -> io::Result<AwsStub> {
        let (tls, certificate) = tls::identity()?;
        let state = Arc::new(Mutex::new(State::default()));
        let serving = Arc::clone(&state);
        let server = Server::start(move |stream: TcpStream| {
            let connection = ServerConnection::new(Arc::clone(&tls)).map_err(io::Error::other)?;
            converse(StreamOwned::new(connection, stream), &serving)
        })?;
        // A name, because a real endpoint's has to be looked up as well.
        let endpoint = format!("https://localhost:{}", server.address.port());
        Ok(AwsStub { endpoint, certificate: Some(certificate), state, _server: server })
    }

    /// The value of `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The certificate to trust, in PEM. Plain HTTP has none.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// How often the operation was called, failures and the SDK's own retries included.
    pub fn calls(&self, operation: &str) -> usize {
        lock(&self.state).calls.get(operation).copied().unwrap_or(0)
    }

    /// From now on the operation answers with a server error.
    pub fn fail(&self, operation: &str) {
        lock(&self.state).failing.insert(operation.to_owned());
    }

    /// The operation works again.
    pub fn heal(&self, operation: &str) {
        lock(&self.state).failing.remove(operation);
    }

    /// From now on nobody is subscribed to the topic of this ARN; before, one address is.
    pub fn unsubscribe(&self, topic: &str) {
        lock(&self.state).unsubscribed.insert(topic.to_owned());
    }

    /// The address is subscribed to the topic again.
    pub fn subscribe(&self, topic: &str) {
        lock(&self.state).unsubscribed.remove(topic);
    }

    /// From now on each answer takes so long. Writes that meet a transaction on its way are refused, as DynamoDB does it, what is
    /// written counts as charged, and changes of findings are kept for [`AwsStub::take_changes`].
    pub fn take_time(&self, latency: Duration) {
        lock(&self.state).load.latency = Some(latency);
    }

    /// What was charged since [`AwsStub::take_time`].
    pub fn units(&self) -> Units {
        lock(&self.state).load.units.clone()
    }

    /// The records of the findings table's stream that notify is called with, as template.yaml filters them: the ids of findings
    /// that were written while their alert was due. At most so many, the oldest first.
    pub fn take_changes(&self, most: usize) -> Vec<String> {
        let mut state = lock(&self.state);
        let most = most.min(state.load.changes.len());
        state.load.changes.drain(..most).collect()
    }

    /// How many records [`AwsStub::take_changes`] would return.
    pub fn changes(&self) -> usize {
        lock(&self.state).load.changes.len()
    }

    /// When each message of [`AwsStub::published`] was.
    pub fn published_at(&self) -> Vec<Instant> {
        lock(&self.state).published_at.clone()
    }

    /// Takes an item away behind the functions' back.
    pub fn remove(&self, table: &str, key: &str) {
        if let Some(items) = lock(&self.state).tables.get_mut(table) {
            items.remove(key);
        }
    }

    /// All findings, by id.
    pub fn items(&self) -> BTreeMap<String, Item> {
        self.table(FINDINGS)
    }

    /// All items of a table, by key.
    pub fn table(&self, table: &str) -> BTreeMap<String, Item> {
        lock(&self.state).tables.get(table).cloned().unwrap_or_default()
    }

    /// Sets attributes of a finding behind the functions' back.
    pub fn change(&self, finding_id: &str, attributes: Item) {
        if let Some(item) =
            lock(&self.state).tables.entry(FINDINGS.to_owned()).or_default().get_mut(finding_id)
        {
            item.extend(attributes);
        }
    }

    /// Writes an item behind the functions' back.
    pub fn put(&self, table: &str, key: &str, item: Item) {
        lock(&self.state).tables.entry(table.to_owned()).or_default().insert(key.to_owned(), item);
    }

    /// From now on this role alone may write to the table, as the policy on it says.
    pub fn guard(&self, table: &str, role: &str) {
        lock(&self.state).guards.set(table, role);
    }

    /// STS gives nobody a role any more.
    pub fn refuse_roles(&self) {
        lock(&self.state).guards.refusing = true;
    }

    /// The policies of tables can be read no more.
    pub fn hide_policies(&self) {
        lock(&self.state).guards.hidden = true;
    }

    /// The parameters of each message that was published.
    pub fn published(&self) -> Vec<Form> {
        lock(&self.state).published.clone()
    }

    /// The findings that Security Hub has imported, in the order in which they came.
    pub fn imported(&self) -> Vec<Value> {
        lock(&self.state).imported.clone()
    }

    /// Security Hub names the finding of this id as failed.
    pub fn fail_import(&self, finding_id: &str) {
        lock(&self.state).hub.failing.push(finding_id.to_owned());
    }

    /// Security Hub refuses every call that holds the finding of this id.
    pub fn spoil_import(&self, finding_id: &str) {
        lock(&self.state).hub.spoiling.push(finding_id.to_owned());
    }

    /// Identity Center may be read, and its permission set has this name and one managed policy.
    pub fn permission_set(&self, name: &str, managed: &str) {
        lock(&self.state).permission_set = Some(Some((name.to_owned(), managed.to_owned())));
    }

    /// Identity Center may be read, and has no permission set.
    pub fn delete_permission_set(&self) {
        lock(&self.state).permission_set = Some(None);
    }

    /// CloudTrail has a record in its event history.
    pub fn remember(&self, record: &Value) {
        lock(&self.state).history.records.push(record.clone());
    }

    /// CloudTrail throttles the next calls.
    pub fn throttle_lookups(&self, calls: usize) {
        lock(&self.state).history.throttled = calls;
    }

    /// CloudTrail refuses to look up what has this value.
    pub fn refuse_lookup(&self, value: &str) {
        lock(&self.state).history.refused.push(value.to_owned());
    }

    /// CloudTrail refuses nothing any more.
    pub fn allow_lookups(&self) {
        lock(&self.state).history.refused.clear();
    }

    /// The names of the trails whose logging was to be started, none of which is there.
    pub fn started(&self) -> Vec<String> {
        lock(&self.state).history.started.clone()
    }

    /// Whether nobody may start the logging of a trail.
    pub fn refuse_start(&self, refuse: bool) {
        lock(&self.state).history.start_refused = refuse;
    }

    /// Changes the account that scans look at.
    pub fn account(&self, change: impl FnOnce(&mut Account)) {
        change(&mut lock(&self.state).account);
    }

    /// Scans look at this account instead.
    pub fn look_at(&self, account: Arc<large::Large>) {
        lock(&self.state).large = Some(account);
    }

    /// Takes the messages that were sent to the queue.
    pub fn take_messages(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).queued)
    }

    /// The messages that were given up: each call of `SendMessage`.
    pub fn given_up(&self) -> Vec<Value> {
        lock(&self.state).given_up.clone()
    }

    /// Takes them.
    pub fn take_given_up(&self) -> Vec<Value> {
        std::mem::take(&mut lock(&self.state).given_up)
    }

    /// Lays so many messages into each of [`OTHER_DEAD_LETTERS`].
    pub fn give_up_by_aws(&self, counts: [usize; 2]) {
        lock(&self.state).given_up_by_aws = counts;
    }

    /// For how many seconds a message of the intake queue was hidden last, by receipt handle.
    pub fn hidden(&self, receipt_handle: &str) -> Option<u64> {
        lock(&self.state).hidden.get(receipt_handle).copied()
    }

    /// Security Hub throttles the next calls.
    pub fn throttle_imports(&self, calls: usize) {
        lock(&self.state).hub.throttled = calls;
    }
}

fn converse(stream: impl Read + Write, state: &Mutex<State>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream)? {
        answer(state, &request).write(stream.get_mut())?;
    }
    Ok(())
}

/// Answers, where answers take time after that time. What a transaction writes is its own as long.
fn answer(state: &Mutex<State>, request: &Request) -> Response {
    let large = lock(state).large.clone();
    if let Some(response) = large.and_then(|large| large.answer(request)) {
        return response;
    }
    let Some(latency) = lock(state).load.latency else { return lock(state).answer(request) };
    let write = dynamodb::Write::of(request);
    let begun = write.as_ref().map_or(Ok(()), |write| lock(state).load.begin(write));
    thread::sleep(latency);
    let mut state = lock(state);
    match begun {
        Err(refusal) => {
            let (status, body) = refusal.into_parts();
            Response::new(status, "application/x-amz-json-1.0", body.to_string())
        }
        Ok(()) => {
            let response = state.answer(request);
            let State { load, tables, .. } = &mut *state;
            load.end(tables, request, write.as_ref(), response.status == 200);
            response
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Response {
        if request.path == "/findings/import" {
            return match self.called("BatchImportFindings") {
                true => Response::new(503, "text/html", "<html>by the stub</html>"),
                false => securityhub::answer(request, &mut self.hub, &mut self.imported),
            };
        }
        match request.header("x-amz-target").and_then(|target| target.rsplit_once('.')) {
            Some((service, operation)) => {
                let failing = self.called(operation);
                let answer = match service {
                    _ if failing => Err(dynamodb::Refusal::broken()),
                    "DynamoDB_20120810" => match self.guards.answer(operation, request) {
                        Some(answer) => answer,
                        None => dynamodb::answer(&mut self.tables, operation, &request.body),
                    },
                    "AmazonSQS" if operation == "SendMessage" => self.send_message(request),
                    "AmazonSQS" if operation == "GetQueueAttributes" => self.queue_attributes(request),
                    "AmazonSQS" if operation == "ChangeMessageVisibility" => self.hide_message(request),
                    "AmazonSQS" if operation == "ChangeMessageVisibilityBatch" => known_messages(request),
                    identity_center::TARGET => {
                        identity_center::answer(self.permission_set.as_ref(), operation, request)
                    }
                    cloudtrail::TARGET if operation == "LookupEvents" => self.history.answer(request),
                    cloudtrail::TARGET if operation == "StartLogging" => self.history.start_logging(request),
                    _ => Err(dynamodb::Refusal::denied()),
                };
                let (status, body) = answer.map_or_else(dynamodb::Refusal::into_parts, |body| (200, body));
                Response::new(status, "application/x-amz-json-1.0", body.to_string())
            }
            None if request.body.is_empty() => self.account.s3(request),
            None => {
                let form = form(&request.body);
                let action = form.get("Action").map_or("", String::as_str);
                match self.account.ec2(action, request, &form) {
                    Some(answer) => answer,
                    None => self.query(&form),
                }
            }
        }
    }

    fn send_message(&mut self, request: &Request) -> Result<Value, dynamodb::Refusal> {
        signature::signed(request, "sqs", &["content-type", "x-amz-target"])
            .map_err(|complaint| dynamodb::Refusal::of("InvalidSignatureException", complaint))?;
        let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match (call["QueueUrl"].as_str(), call["MessageBody"].as_str()) {
            (Some(QUEUE), Some(message)) => self.queued.push(message.to_owned()),
            (Some(url), Some(_)) if is_queue(url, DEAD_LETTERS) => self.given_up.push(call),
            _ => return Err(dynamodb::Refusal::of("com.amazonaws.sqs#QueueDoesNotExist", "by the stub")),
        }
        Ok(serde_json::json!({"MessageId": format!("message-{}", self.queued.len())}))
    }

    /// How many messages were given up.
    fn queue_attributes(&self, request: &Request) -> Result<Value, dynamodb::Refusal> {
        signature::signed(request, "sqs", &["content-type", "x-amz-target"])
            .map_err(|complaint| dynamodb::Refusal::of("InvalidSignatureException", complaint))?;
        let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let url = call["QueueUrl"].as_str().unwrap_or_default();
        let other = OTHER_DEAD_LETTERS.iter().position(|arn| is_queue(url, arn));
        let lying = match other.and_then(|place| self.given_up_by_aws.get(place)) {
            Some(count) => *count,
            None if is_queue(url, DEAD_LETTERS) => self.given_up.len(),
            None => return Err(dynamodb::Refusal::of("com.amazonaws.sqs#QueueDoesNotExist", "by the stub")),
        };
        let names = call["AttributeNames"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = |name: &str| if name == "ApproximateNumberOfMessages" { lying } else { 0 };
        let attributes: serde_json::Map<String, Value> = names
            .iter()
            .filter_map(|name| Some((name.as_str()?.to_owned(), count(name.as_str()?).to_string().into())))
            .collect();
        Ok(serde_json::json!({"Attributes": attributes}))
    }

    /// As the one for many, for one: it is called to have a message wait for longer.
    fn hide_message(&mut self, request: &Request) -> Result<Value, dynamodb::Refusal> {
        signature::signed(request, "sqs", &["content-type", "x-amz-target"])
            .map_err(|complaint| dynamodb::Refusal::of("InvalidSignatureException", complaint))?;
        let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let url = call["QueueUrl"].as_str().unwrap_or_default();
        match (call["ReceiptHandle"].as_str(), call["VisibilityTimeout"].as_u64()) {
            // Twelve hours is the longest that SQS takes.
            (Some(handle), Some(seconds)) if is_queue(url, INTAKE) && seconds <= 43_200 => {
                self.hidden.insert(handle.to_owned(), seconds);
                Ok(serde_json::json!({}))
            }
            _ => Err(dynamodb::Refusal::of("com.amazonaws.sqs#InvalidParameterValue", "by the stub")),
        }
    }

    /// Counts the call; whether it is to fail.
    fn called(&mut self, operation: &str) -> bool {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        self.failing.contains(operation)
    }

    /// As SNS lists them: one that is not confirmed has no ARN.
    fn subscriptions(&self, topic: &str) -> String {
        let nobody = self.unsubscribed.contains(topic);
        let arn = if nobody { "PendingConfirmation".to_owned() } else { format!("{topic}:0f0f0f0f") };
        format!(
            "<Subscriptions><member><SubscriptionArn>{arn}</SubscriptionArn><Owner>111122223333</Owner>\
             <Protocol>email</Protocol><Endpoint>ann@example.com</Endpoint><TopicArn>{topic}</TopicArn></member></Subscriptions>"
        )
    }

    fn query(&mut self, form: &Form) -> Response {
        let action = form.get("Action").map_or("", String::as_str);
        let (status, body) = match action {
            _ if self.called(action) => (500, query_error("Receiver", "InternalFailure")),
            "Publish" => {
                self.published.push(form.clone());
                self.published_at.push(Instant::now());
                let id = format!("<MessageId>message-{}</MessageId>", self.published.len());
                (200, query_result(action, &id))
            }
            "ListSubscriptionsByTopic" => {
                let topic = form.get("TopicArn").map_or("", String::as_str);
                (200, query_result(action, &self.subscriptions(topic)))
            }
            "GetTopicAttributes" => (200, query_result(action, "<Attributes/>")),
            "AssumeRole" | "GetCallerIdentity" => match self.guards.sts(form) {
                Some(content) => (200, query_result(action, &content)),
                None => (403, query_error("Sender", "AccessDenied")),
            },
            _ => (403, query_error("Sender", "AccessDenied")),
        };
        Response::new(status, "text/xml", body)
    }
}

/// Which messages a queue has handed out: all but those with the handle [`FORGED`].
fn known_messages(request: &Request) -> Result<Value, dynamodb::Refusal> {
    signature::signed(request, "sqs", &["content-type", "x-amz-target"])
        .map_err(|complaint| dynamodb::Refusal::of("InvalidSignatureException", complaint))?;
    let call: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let url = call["QueueUrl"].as_str().unwrap_or_default();
    // How long each queue of the template hides a message.
    let hidden = match url {
        QUEUE => 5_400,
        url if is_queue(url, INTAKE) => 180,
        _ => return Err(dynamodb::Refusal::of("com.amazonaws.sqs#QueueDoesNotExist", "by the stub")),
    };
    let entries = call["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() || entries.len() > 10 {
        return Err(dynamodb::Refusal::of("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "by the stub"));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = &entry["Id"];
        if entry["VisibilityTimeout"] != hidden {
            failed.push(serde_json::json!({"Id": id, "Code": "InvalidParameterValue", "SenderFault": true}));
        } else if entry["ReceiptHandle"] == FORGED {
            failed.push(serde_json::json!({"Id": id, "Code": "ReceiptHandleIsInvalid", "SenderFault": true}));
        } else if entry["ReceiptHandle"] == SEEN_AGAIN {
            failed.push(serde_json::json!({"Id": id, "Code": "AWS.SimpleQueueService.MessageNotInflight", "SenderFault": true}));
        } else {
            successful.push(serde_json::json!({"Id": id}));
        }
    }
    Ok(serde_json::json!({"Successful": successful, "Failed": failed}))
}

/// Whether the address is that of the queue of this ARN, whatever the host.
fn is_queue(url: &str, arn: &str) -> bool {
    let name = arn.rsplit(':').next().unwrap_or_default();
    url.ends_with(&format!("/111122223333/{name}"))
}

fn query_result(action: &str, content: &str) -> String {
    let metadata = "<ResponseMetadata><RequestId>stub</RequestId></ResponseMetadata>";
    format!("<{action}Response><{action}Result>{content}</{action}Result>{metadata}</{action}Response>")
}

fn query_error(kind: &str, code: &str) -> String {
    let error = format!("<Type>{kind}</Type><Code>{code}</Code><Message>by the stub</Message>");
    format!("<ErrorResponse><Error>{error}</Error><RequestId>stub</RequestId></ErrorResponse>")
}

fn form(body: &str) -> Form {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}
