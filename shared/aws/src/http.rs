//! The functions' HTTP client: hyper's own, over TLS by rustls and ring, HTTP/1.1 alone.
//!
//! The SDK's client speaks HTTP/2 as well, which no service that is called here offers, and which is a twentieth of
//! `detect`'s code, read from disk on every cold start. It also knows proxies, which a function has not got.

use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, Error as Failed};
use hyper_util::rt::TokioExecutor;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The function's own.
static SHARED: OnceLock<Http> = OnceLock::new();

/// Keeps its connections; a clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Http(Client<HttpsConnector<Tcp>, SdkBody>);

impl Http {
    /// A client that trusts the roots of the machine.
    ///
    /// # Errors
    /// When the machine has none that can be read.
    pub(crate) fn new() -> io::Result<Http> {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())?
            // Local clouds have no certificate.
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Http(Client::builder(TokioExecutor::new()).build(https)))
    }
}

impl Http {
    /// The same client for whoever asks for it from now on.
    pub(crate) fn share(&self) {
        // The first one stays: a function has one configuration.
        let _ = SHARED.set(self.clone());
    }

    /// The client that is shared, or else a new one.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub(crate) fn shared() -> io::Result<Http> {
        SHARED.get().cloned().map_or_else(Http::new, Ok)
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let response = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(failed)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What the SDK's retries must know: whether time ran out, or the network failed. Both are tried again.
fn failed(error: Failed) -> ConnectorError {
    if timed_out(&error) { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) || error.source().is_some_and(timed_out)
}
