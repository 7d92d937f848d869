//! Signed calls to services whose SDK crate would be far larger than what is asked of them.

use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

/// Who signs, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) credentials: Option<SharedCredentialsProvider>,
    pub(crate) region: String,
    /// The service's name in signatures.
    pub(crate) service: &'static str,
}

impl Signer {
    /// A signed POST. To be made anew for each attempt: a signature is good for minutes, and the session token may have been
    /// renewed.
    #[expect(clippy::disallowed_methods, reason = "a signature is of the moment at which it is sent")]
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Result<HttpRequest, Box<dyn Error + Send + Sync>> {
        let provider = self.credentials.as_ref().ok_or("there are no credentials")?;
        let identity = provider.provide_credentials().await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable =
            SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.set_uri(url)?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, *value);
        }
        for header in signature.into_parts().0 {
            request.headers_mut().insert(header.name(), header.value().to_owned());
        }
        Ok(request)
    }
}
