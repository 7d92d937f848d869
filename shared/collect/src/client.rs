//! A client for all services: requests are written here, and signed, sent, retried and slowed down by the SDK's own runtime.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_async::rt::sleep::AsyncSleep as _;
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::orchestrator::operation::Operation as Call;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::identity::SharedIdentityCache;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use keepwatch_base::partition::Partition;
use keepwatch_base::refusal::Refusal;
use keepwatch_base::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::fault::Fault;
use crate::node::Node;
use crate::operation::{self, Operation};
use crate::service::{Endpoint, Protocol, Service};

/// How often a call is tried. A scan is in no hurry, and a throttled answer must not become an unknown one.
const ATTEMPTS: u32 = 8;

/// How long one try may take: IAM needs seconds for a page of a thousand users with their policies.
const ATTEMPT_TIME: Duration = Duration::from_secs(20);

/// How long a call may take with all its tries and the waiting between them.
const CALL_TIME: Duration = Duration::from_secs(60);

/// How often the first call is tried, who asks: whoever has no network or a wrong region is to hear of it soon.
const FIRST_ATTEMPTS: u32 = 3;

/// The most pages of one list. A service that answers with ever more is broken, and its list is then not complete.
const MAX_PAGES: usize = 10_000;

/// What is not written in a path or query as it is (RFC 3986, unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a call is given, besides its operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Fills `{Names}` of the path.
    path: Vec<(&'static str, String)>,
    /// Form fields, or the query of a path.
    fields: Vec<(String, String)>,
    /// The body of JSON.
    body: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
}

impl Input {
    /// Nothing.
    pub(crate) fn none() -> Input {
        Input::default()
    }

    /// Fills a `{Name}` of the path.
    pub(crate) fn path(mut self, name: &'static str, value: &str) -> Input {
        self.path.push((name, value.to_owned()));
        self
    }

    /// Adds a form field, or a part of the query.
    pub(crate) fn field(mut self, name: &str, value: impl ToString) -> Input {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a member of the JSON.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Input {
        self.body.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Input {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// Who may make one more call, by service and region.
type Ceilings = HashMap<(&'static str, String), Arc<Semaphore>>;

/// The services of an account. Clones share connections, credentials and ceilings.
#[derive(Clone)]
pub struct Client {
    config: SdkConfig,
    identities: SharedIdentityCache,
    ceilings: Arc<Mutex<Ceilings>>,
    /// The region whose partition is the account's.
    region: String,
    /// What the latest answer said of the time.
    clocks: Arc<Mutex<Option<Clocks>>>,
    /// The account; empty until [`Client::of`].
    pub(crate) account: String,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) now: fn() -> Timestamp,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("region", &self.region).finish_non_exhaustive()
    }
}

/// The time of an answer, by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// By this computer's.
    pub ours: Timestamp,
    /// By AWS's: the header `Date`, which has whole seconds.
    pub aws: Timestamp,
}

/// Who the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The user or role.
    pub arn: String,
}

impl Client {
    /// With the region, credentials, HTTP client and endpoint of this configuration. Its timeouts are not taken over but for that of
    /// connecting: those of the functions are made for events, and would give up what a scan has time to wait for.
    ///
    /// # Errors
    /// A configuration without region or credentials.
    pub fn new(config: &SdkConfig, now: fn() -> Timestamp) -> Result<Client, Fault> {
        let region = config.region().ok_or_else(|| Fault::Failed("no region is set".to_owned()))?.to_string();
        if config.credentials_provider().is_none() {
            return Err(Fault::Failed("there are no credentials".to_owned()));
        }
        let retries = RetryConfig::adaptive().with_max_attempts(ATTEMPTS);
        let timeouts = config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let timeouts = timeouts.operation_attempt_timeout(ATTEMPT_TIME).operation_timeout(CALL_TIME).build();
        let config = config.to_builder().retry_config(retries).timeout_config(timeouts).build();
        Ok(Client {
            identities: IdentityCache::lazy().build(),
            ceilings: Arc::default(),
            clocks: Arc::default(),
            region,
            account: String::new(),
            iam: aws_sdk_iam::Client::new(&config),
            now,
            config,
        })
    }

    /// The same client for what is asked by the account's id.
    pub fn of(self, account: &str) -> Client {
        Client { account: account.to_owned(), ..self }
    }

    /// The same client for somebody who waits for the answers: a call is given up sooner.
    #[must_use]
    pub fn hurried(self) -> Client {
        let retries = RetryConfig::standard().with_max_attempts(FIRST_ATTEMPTS);
        Client { config: self.config.to_builder().retry_config(retries).build(), ..self }
    }

    /// The account; empty until [`Client::of`].
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region of the configuration.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The present, by this computer's clock.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The time of the latest answer, by both clocks: also of one that refused a call, which a wrong clock may cause.
    pub fn clocks(&self) -> Option<Clocks> {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's partition.
    pub fn partition(&self) -> &'static Partition {
        Partition::of_region(&self.region)
    }

    /// Who asks.
    ///
    /// # Errors
    /// Credentials that AWS does not accept, or no way to reach it.
    pub async fn caller(&self) -> Result<Caller, Fault> {
        let answer = self.call(&operation::GET_CALLER_IDENTITY, &self.region, Input::none()).await?;
        let result = answer
            .at("GetCallerIdentityResult")
            .ok_or_else(|| Fault::unreadable("it has no GetCallerIdentityResult"))?;
        Ok(Caller { account: result.need("Account")?, arn: result.need("Arn")? })
    }

    /// The regions that are switched on for the account.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn regions(&self) -> Result<Vec<String>, Fault> {
        let answer = self.call(&operation::DESCRIBE_REGIONS, &self.region, Input::none()).await?;
        let mut regions = Vec::new();
        for region in answer.all("regionInfo/item") {
            if region.text("optInStatus").as_deref() != Some("not-opted-in") {
                regions.push(region.need("regionName")?);
            }
        }
        regions.sort();
        Ok(regions)
    }

    /// Leave to make one more call to a service, whose ceiling is not reached.
    pub(crate) async fn leave(
        &self,
        service: &'static str,
        region: &str,
        ceiling: usize,
    ) -> tokio::sync::OwnedSemaphorePermit {
        let gate = {
            let mut gates = self.ceilings.lock().unwrap_or_else(PoisonError::into_inner);
            let gate = gates.entry((service, region.to_owned()));
            Arc::clone(gate.or_insert_with(|| Arc::new(Semaphore::new(ceiling))))
        };
        loop {
            // Nobody closes a gate, so the first try succeeds.
            if let Ok(permit) = Arc::clone(&gate).acquire_owned().await {
                return permit;
            }
        }
    }

    /// Waits.
    pub(crate) async fn pause(&self, duration: Duration) {
        match self.config.sleep_impl() {
            Some(sleep) => sleep.sleep(duration).await,
            None => tokio::time::sleep(duration).await,
        }
    }

    /// One call.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn call(
        &self,
        operation: &'static Operation,
        region: &str,
        input: Input,
    ) -> Result<Node, Fault> {
        let service = operation.service;
        let endpoint = self.endpoint(service, region);
        let request = Request::of(operation, input)?;
        let _leave = self.leave(service.id, &endpoint.signing_region, service.ceiling).await;
        let call = self.orchestrated(operation, &endpoint);
        let body = call.invoke(request).await.map_err(|error| fault(operation, &error))?;
        match service.protocol {
            Protocol::Json(..) | Protocol::RestJson => Node::json(&body),
            // A policy is the one answer of S3 that is no XML.
            Protocol::RestXml if operation.name == "GetBucketPolicy" => {
                let text = String::from_utf8(body).map_err(Fault::unreadable)?;
                Ok(Node::Text(text))
            }
            Protocol::Query | Protocol::Ec2 | Protocol::RestXml => Node::xml(&body),
        }
    }

    /// All pages of a list.
    ///
    /// # Errors
    /// [`Fault`]; a list of which a page is missing is no list.
    pub(crate) async fn pages(
        &self,
        operation: &'static Operation,
        region: &str,
        input: Input,
    ) -> Result<Vec<Node>, Fault> {
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut input = input.clone();
            if let (Some(token), Some((name, _))) = (&token, operation.pages) {
                input = match operation.service.protocol {
                    Protocol::Json(..) => input.member(name, token.as_str()),
                    _ => input.field(name, token),
                };
            }
            let page = self.call(operation, region, input).await?;
            let next = operation.pages.and_then(|(_, path)| page.text(path));
            pages.push(page);
            match next {
                None => return Ok(pages),
                Some(next) if Some(&next) == token.as_ref() || pages.len() >= MAX_PAGES => {
                    return Err(Fault::Failed(format!("{} has no last page", operation.name)));
                }
                Some(next) => token = Some(next),
            }
        }
    }

    fn endpoint(&self, service: &'static Service, region: &str) -> Endpoint {
        let mut endpoint = service.endpoint(region);
        if let Some(url) = self.config.endpoint_url() {
            url.trim_end_matches('/').clone_into(&mut endpoint.url);
        } else if service.id == "s3control" {
            // The account's hosts are its own (S3 API reference, GetPublicAccessBlock).
            endpoint.url = endpoint.url.replacen("://", &format!("://{}.", self.account), 1);
        }
        endpoint
    }

    fn orchestrated(
        &self,
        operation: &'static Operation,
        endpoint: &Endpoint,
    ) -> Call<Request, Vec<u8>, ServiceError> {
        let service = operation.service;
        let mut options = SigningOptions::default();
        if service.signs_as == "s3" {
            // S3 takes paths as they are and wants the body's hash in a header (S3 user guide, "Signature Version 4").
            options.double_uri_encode = false;
            options.normalize_uri_path = false;
            options.content_sha256_header = true;
        }
        let mut layer = Layer::new("keepwatch");
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        layer.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(aws_types::region::Region::new(
                endpoint.signing_region.clone(),
            ))),
            name: Some(SigningName::from_static(service.signs_as)),
            signing_options: options,
            ..SigV4OperationSigningConfig::default()
        });
        let mut components = RuntimeComponentsBuilder::new("keepwatch")
            .with_auth_scheme(SigV4AuthScheme::new())
            .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
            .with_identity_cache(Some(self.identities.clone()))
            .with_retry_classifier(TransientErrorClassifier::<ServiceError>::new())
            .with_retry_classifier(AwsErrorCodeClassifier::<ServiceError>::new())
            .with_retry_classifier(HttpStatusCodeClassifier::default())
            .with_sleep_impl(self.config.sleep_impl())
            .with_time_source(self.config.time_source());
        if let Some(credentials) = self.config.credentials_provider() {
            components.set_identity_resolver(SCHEME_ID, credentials);
        }
        components.set_http_client(self.config.http_client());
        let mut retries = self.config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        if std::ptr::eq(operation, &operation::GET_CALLER_IDENTITY) {
            retries = retries.with_max_attempts(FIRST_ATTEMPTS);
        }
        let timeouts = self.config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled);
        let (clocks, now) = (Arc::clone(&self.clocks), self.now);
        Call::builder()
            // Names the bucket of retries: a service that is throttled in one region slows down no other.
            .service_name(format!("{}-{}", service.id, endpoint.signing_region))
            .operation_name(operation.name)
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&endpoint.url)
            .standard_retry(&retries)
            .timeout_config(timeouts)
            .interceptor(ConnectionPoisoningInterceptor::new())
            .runtime_plugin(
                StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components),
            )
            .serializer(move |request: Request| request.http())
            .deserializer(move |response: &HttpResponse| {
                let date = response.headers().get("date").and_then(Timestamp::parse_rfc2822);
                if let Some(aws) = date {
                    let heard = Clocks { ours: now(), aws };
                    *clocks.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
                }
                read(service.protocol, response)
            })
            .build()
    }
}

/// A request before it is signed.
#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Request {
    fn of(operation: &'static Operation, input: Input) -> Result<Request, Fault> {
        let service = operation.service;
        let mut path = operation.uri.to_owned();
        for (name, value) in &input.path {
            path = path.replace(&format!("{{{name}}}"), &encoded(value));
        }
        if path.contains('{') {
            return Err(Fault::Failed(format!("{} was not told what it needs: {path}", operation.name)));
        }
        let mut headers = input.headers;
        let mut body = String::new();
        let mut fields = input.fields;
        match service.protocol {
            Protocol::Json(version, target) => {
                headers.push(("content-type", format!("application/x-amz-json-{version}")));
                headers.push(("x-amz-target", format!("{target}.{}", operation.name)));
                body = Value::Object(input.body).to_string();
            }
            Protocol::Query | Protocol::Ec2 => {
                headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
                fields.insert(0, ("Version".to_owned(), service.version.to_owned()));
                fields.insert(0, ("Action".to_owned(), operation.name.to_owned()));
                body = joined(&fields);
            }
            Protocol::RestJson | Protocol::RestXml => {
                if !fields.is_empty() {
                    path.push(if path.contains('?') { '&' } else { '?' });
                    path.push_str(&joined(&fields));
                }
                if operation.method == "POST" {
                    headers.push(("content-type", "application/json".to_owned()));
                    body = Value::Object(input.body).to_string();
                }
            }
        }
        Ok(Request { method: operation.method, path, headers, body })
    }

    fn http(self) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request.set_method(self.method)?;
        request.set_uri(self.path)?;
        for (name, value) in self.headers {
            request.headers_mut().try_insert(name, value)?;
        }
        Ok(request)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn joined(fields: &[(String, String)]) -> String {
    let each = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    each.collect::<Vec<_>>().join("&")
}

/// What a service said in place of an answer.
#[derive(Debug)]
struct ServiceError(ErrorMetadata);

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ServiceError {}

impl ProvideErrorMetadata for ServiceError {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

fn read(protocol: Protocol, response: &HttpResponse) -> Result<Vec<u8>, OrchestratorError<ServiceError>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(body.to_vec());
    }
    let (code, message) = match protocol {
        Protocol::Json(..) | Protocol::RestJson => {
            json_error(response.headers().get("x-amzn-errortype"), body)
        }
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => xml_error(body),
    };
    // A bare status is all that a proxy, or S3 to a HEAD, may say.
    let code = code.unwrap_or_else(|| match response.status().as_u16() {
        403 => "AccessDenied".to_owned(),
        status => format!("Http{status}"),
    });
    let metadata = ErrorMetadata::builder().code(code).message(message.unwrap_or_default());
    Err(OrchestratorError::operation(ServiceError(metadata.build())))
}

fn json_error(header: Option<&str>, body: &[u8]) -> (Option<String>, Option<String>) {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (said(refusal.code(header)), said(refusal.message()))
}

fn xml_error(body: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(node) = Node::xml(body) else { return (None, None) };
    // Query, EC2, S3: three depths for the same pair.
    let places = ["Error/", "Errors/Error/", ""];
    let first = |name: &str| places.iter().find_map(|place| node.text(&format!("{place}{name}")));
    (first("Code"), first("Message"))
}

fn fault(operation: &'static Operation, error: &SdkError<ServiceError, HttpResponse>) -> Fault {
    let name = format!("{}:{}", operation.service.id, operation.name);
    match error {
        SdkError::ServiceError(answer) => {
            let metadata = &answer.err().0;
            Fault::of(
                operation.action,
                metadata.code().unwrap_or_default(),
                metadata.message().unwrap_or_default(),
            )
        }
        SdkError::TimeoutError(_) => Fault::Failed(format!("{name}: no answer in time")),
        SdkError::DispatchFailure(failure) => Fault::Failed(match failure.as_connector_error() {
            Some(error) => format!("{name}: the service could not be reached: {}", whole(error)),
            None => format!("{name}: the service could not be reached"),
        }),
        other => Fault::Failed(format!("{name}: {}", whole(other))),
    }
}

/// An error and its causes in one line.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    keepwatch_base::text::clean(&text, 300)
}

/// A list of JSON values, for [`Input::member`].
pub(crate) fn list(items: &[String]) -> Value {
    json!(items)
}
