//! The intake queue, which is asked whether a message is its own.
//!
//! Whoever may invoke `detect` can hand it a message that no queue ever held, and AWS logs no invocation. Only a message that
//! the queue has handed out has a receipt handle that the queue knows. `ChangeMessageVisibility` shows it, and is asked to hide
//! the message for as long as the queue hides it anyway.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::byte_stream::ByteStream;
use keepwatch_base::arn::Arn;
use keepwatch_core::state::{Answer, Fact, Value};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::http::Http;
use crate::signed::Signer;

/// How long the queue hides a message that it has handed out, in seconds; `VisibilityTimeout` of template.yaml.
const HIDDEN: u32 = 180;

const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AmazonSQS.ChangeMessageVisibility")];

/// The queue.
#[derive(Clone, Debug)]
pub struct IntakeQueue {
    endpoint: String,
    url: String,
    signer: Signer,
    timeout: Duration,
}

/// SQS's error codes have the name of their namespace before them.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default, rename = "__type")]
    kind: String,
}

impl IntakeQueue {
    /// The queue of this ARN; `None` where the text is no queue's.
    pub fn new(config: &SdkConfig, arn: &str) -> Option<IntakeQueue> {
        let queue = Arn::parse(arn).filter(|queue| queue.service == "sqs")?;
        let domain = if queue.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = config.endpoint_url().map_or_else(
            || format!("https://sqs.{}.{domain}/", queue.region),
            |url| format!("{}/", url.trim_end_matches('/')),
        );
        let timeouts = config.timeout_config();
        Some(IntakeQueue {
            url: format!("{endpoint}{}/{}", queue.account, queue.resource),
            endpoint,
            signer: Signer {
                credentials: config.credentials_provider(),
                region: queue.region.to_owned(),
                service: "sqs",
            },
            timeout: timeouts.and_then(|t| t.operation_attempt_timeout()).unwrap_or(Duration::MAX),
        })
    }

    /// Whether the queue has handed out a message under this receipt handle, and has it still.
    pub(crate) async fn has(&self, receipt_handle: &str) -> Result<Answer, String> {
        timeout(self.timeout, self.ask(receipt_handle))
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }

    async fn ask(&self, receipt_handle: &str) -> Result<Answer, String> {
        let body =
            json!({"QueueUrl": self.url, "ReceiptHandle": receipt_handle, "VisibilityTimeout": HIDDEN})
                .to_string();
        let request =
            self.signer.post(&self.endpoint, &HEADERS, &body).await.map_err(|error| error.to_string())?;
        // A client of its own, made when it is asked, which is seldom: a cold start does not wait for it.
        let http = Http::new().map_err(|error| error.to_string())?;
        let mut response = http.call(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_success() {
            return Ok(Fact::Known(Value::Flag(true)));
        }
        let text =
            ByteStream::new(response.take_body()).collect().await.map_err(|error| error.to_string())?;
        let refusal: Refusal = serde_json::from_slice(&text.to_vec()).unwrap_or_default();
        let code = refusal.kind.rsplit('#').next().unwrap_or_default();
        // SQS developer guide, "ChangeMessageVisibility": no handle, another's, or of a message that is hidden no more.
        let not_ours =
            ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "InvalidAddress"];
        match status.as_u16() {
            _ if not_ours.iter().any(|one| code.starts_with(one)) => Ok(Fact::Known(Value::Flag(false))),
            400..500 if !code.contains("Throttl") => {
                Ok(Fact::Unavailable(format!("the intake queue answered {code}")))
            }
            status => Err(format!("the intake queue answered {status} {code}")),
        }
    }
}
