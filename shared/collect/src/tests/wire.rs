//! An AWS of one process: it answers every call by hand-made text and remembers what it was asked.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use keepwatch_base::time::Timestamp;

use super::answers::ANSWERS;
use super::shapes;
use crate::client::Client;
use crate::operation;
use crate::service::Protocol;

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Mood {
    /// The calls that are refused, as `service:Operation`.
    pub(super) refused: BTreeSet<String>,
    /// What a refusal says.
    pub(super) refusal: &'static str,
    /// How often each call is throttled before it is answered.
    pub(super) throttled: usize,
    /// Whatever is asked for by name is gone.
    pub(super) gone: bool,
    /// What the service says of it instead of its usual words.
    pub(super) gone_words: Option<&'static str>,
    /// Every answer is another text.
    pub(super) garbage: Option<&'static str>,
    /// Lists have a second page.
    pub(super) paged: bool,
    /// Every answer has every field that AWS's models know.
    pub(super) full: bool,
    /// How long an answer takes: what waits for less gives up.
    pub(super) slow: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct Wire {
    mood: Mood,
    /// The calls and their requests, in order.
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

/// Nobody waits in a test. Where answers take time, whoever waits for longer has the answer first.
#[derive(Debug)]
struct NoSleep {
    slow: Option<Duration>,
}

impl AsyncSleep for NoSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        match self.slow {
            Some(slow) if duration > slow => Sleep::new(std::future::pending()),
            _ => Sleep::new(std::future::ready(())),
        }
    }
}

/// Time flies: whoever slows down because AWS asked for it must not slow down the tests.
#[derive(Debug, Default)]
struct Flying(AtomicU64);

impl TimeSource for Flying {
    fn now(&self) -> SystemTime {
        let seconds = self.0.fetch_add(1, Ordering::Relaxed);
        UNIX_EPOCH + Duration::from_secs(1_795_348_800 + seconds)
    }
}

pub(super) fn at() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

impl Wire {
    pub(super) fn new(mood: Mood) -> Wire {
        Wire { mood, asked: Arc::default() }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.config(), at).unwrap().of("111122223333")
    }

    /// With the timeouts of a function that waits for an event to be written.
    fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "none", None, None, "test");
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(Duration::from_secs(10))
            .build();
        SdkConfig::builder()
            .timeout_config(timeouts)
            // Nothing flows here: the connector takes a request's body as a whole.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(NoSleep { slow: self.mood.slow }))
            .time_source(SharedTimeSource::new(Flying::default()))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    /// The calls that were made, each once.
    pub(super) fn calls(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
    }

    /// The requests of a call.
    pub(super) fn requests(&self, call: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(other, _)| other == call).map(|(_, request)| request.clone()).collect()
    }

    fn answer(&self, request: &HttpRequest) -> (u16, String) {
        let text = text_of(request);
        let call = call_of(request, &text);
        let times = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((call.clone(), text.clone()));
            asked.iter().filter(|(other, _)| *other == call).count()
        };
        let canned = ANSWERS.iter().find(|canned| canned.call == call);
        let canned = canned.unwrap_or_else(|| panic!("nobody has written an answer to {call}: {text}"));
        if self.mood.refused.contains(&call) {
            return error(&call, 403, refusal_code(&call), self.mood.refusal);
        }
        if times <= self.mood.throttled {
            return error(&call, 400, "Throttling", "Rate exceeded");
        }
        if let Some(text) = self.mood.full.then(|| shapes::full(&call)).flatten() {
            return (200, text);
        }
        if let Some(garbage) = self.mood.garbage {
            return (200, garbage.to_owned());
        }
        if let Some((status, code, words)) = canned.gone.filter(|_| self.mood.gone) {
            return error(&call, status, code, self.mood.gone_words.unwrap_or(words));
        }
        let first = self.mood.paged && !text.contains("next-1");
        (200, canned.body.replace("@TOKEN@", &if first { token(&call) } else { String::new() }))
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.answer(&request);
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        match self.mood.slow {
            None => HttpConnectorFuture::ready(Ok(response)),
            Some(_) => HttpConnectorFuture::new(async move {
                tokio::task::yield_now().await;
                Ok(response)
            }),
        }
    }
}

fn text_of(request: &HttpRequest) -> String {
    let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    format!("{} {} {body}", request.method(), request.uri())
}

/// Which call it is, as `service:Operation`.
fn call_of(request: &HttpRequest, text: &str) -> String {
    let scope = request.headers().get("authorization").unwrap_or_default();
    // `Credential=key/date/region/service/aws4_request`
    let signed_as = scope.split('/').nth(3).unwrap_or_default();
    let service = |operation: &operation::Operation| operation.service.signs_as == signed_as;
    if let Some(target) = request.headers().get("x-amz-target") {
        let name = target.rsplit('.').next().unwrap_or_default();
        let found = operation::ALL.iter().find(|one| service(one) && one.name == name);
        return found.map_or_else(|| name.to_owned(), |one| format!("{}:{name}", one.service.id));
    }
    if let Some((_, rest)) = text.split_once("Action=") {
        let name = rest.split('&').next().unwrap_or_default();
        let found = operation::ALL.iter().find(|one| service(one) && one.name == name);
        return found
            .map_or_else(|| format!("{signed_as}:{name}"), |one| format!("{}:{name}", one.service.id));
    }
    let uri = request.uri();
    let control = uri.contains("s3-control");
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = &rest[rest.find('/').unwrap_or(rest.len())..];
    let fits = |one: &&&operation::Operation| {
        let rest = matches!(one.service.protocol, Protocol::RestJson | Protocol::RestXml);
        rest && service(one)
            && (one.service.id == "s3control") == control
            && one.method == request.method()
            && is_like(one.uri, path)
    };
    let found = operation::ALL.iter().find(fits);
    found.map_or_else(|| path.to_owned(), |one| format!("{}:{}", one.service.id, one.name))
}

/// Whether the path is one of the template.
fn is_like(template: &str, path: &str) -> bool {
    let (template, asks) = template.split_once('?').unwrap_or((template, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let same = template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(one, other)| one == other || one.starts_with('{') && !other.is_empty());
    let first = query.split(['&', '=']).next();
    same && (asks.is_empty() || first == Some(asks))
}

fn protocol(call: &str) -> Protocol {
    let found = operation::ALL.iter().find(|one| format!("{}:{}", one.service.id, one.name) == call);
    found.map_or(Protocol::Query, |one| one.service.protocol)
}

fn token(call: &str) -> String {
    let found = operation::ALL.iter().find(|one| format!("{}:{}", one.service.id, one.name) == call);
    let Some(found) = found else {
        return "<IsTruncated>true</IsTruncated><Marker>next-1</Marker>".to_owned();
    };
    let Some((_, path)) = found.pages else { return String::new() };
    let name = path.rsplit('/').next().unwrap_or_default();
    match found.service.protocol {
        Protocol::Json(..) | Protocol::RestJson => format!(r#", "{name}": "next-1""#),
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => format!("<{name}>next-1</{name}>"),
    }
}

/// The code with which the call's service refuses.
fn refusal_code(call: &str) -> &'static str {
    match protocol(call) {
        Protocol::Json(..) | Protocol::RestJson => "AccessDeniedException",
        Protocol::Ec2 => "UnauthorizedOperation",
        Protocol::Query | Protocol::RestXml => "AccessDenied",
    }
}

fn error(call: &str, status: u16, code: &str, message: &str) -> (u16, String) {
    let text = match protocol(call) {
        Protocol::Json(..) | Protocol::RestJson => {
            let code = if code == "Throttling" { "ThrottlingException" } else { code };
            format!(r#"{{"__type": "com.amazonaws.x#{code}", "message": "{message}"}}"#)
        }
        Protocol::Ec2 => {
            let code = if code == "Throttling" { "RequestLimitExceeded" } else { code };
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r</RequestID></Response>"
            )
        }
        Protocol::RestXml if call.starts_with("s3") => {
            let code = if code == "Throttling" { "SlowDown" } else { code };
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>r</RequestId></Error>"
            )
        }
        Protocol::Query | Protocol::RestXml => {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            )
        }
    };
    (status, text)
}
