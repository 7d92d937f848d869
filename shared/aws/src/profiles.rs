//! SDK configuration for a person at a terminal: region and credentials as the AWS CLI finds them.
//!
//! Behind the feature `profiles`, which the functions do without: see [`crate::clients`].

use std::error::Error;
use std::time::Duration;

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_dynamodb::config::{ProvideCredentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_types::os_shim_internal::{Env, Fs};

pub use aws_config::SdkConfig;

/// The account cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Nothing says where.
    #[error("no region is set")]
    NoRegion,
    /// There is no profile of this name; these there are.
    #[error("there is no profile {name} in ~/.aws/config or ~/.aws/credentials; there are: {known}")]
    NoProfile {
        /// The name.
        name: String,
        /// All others, with commas between them.
        known: String,
    },
    /// Nothing says who, or who it is could not be proven. What the providers said.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
}

/// The configuration, with credentials that have been fetched: who has none is told so at once and in the providers' own
/// words, which are lost on the way through a failed call.
///
/// A named profile goes before the environment's credentials, as with the AWS CLI: whoever names an account means it.
/// Proxies are taken from the environment; the functions have none.
///
/// # Errors
/// [`ProfileError`].
pub async fn config(profile: Option<&str>, region: Option<&str>) -> Result<SdkConfig, ProfileError> {
    let http = http_client();
    // A person waits longer than a Lambda may: a page of a scan over a hotel's network is slow, and no failure.
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(name) = profile {
        known(name).await?;
    }
    let config = loader.load().await;
    let region = config.region().cloned().ok_or(ProfileError::NoRegion)?;
    let credentials = match profile {
        Some(profile) => {
            let asked = ProviderConfig::without_region().with_http_client(http).with_region(Some(region));
            let named =
                ProfileFileCredentialsProvider::builder().configure(&asked).profile_name(profile).build();
            named.provide_credentials().await
        }
        None => match config.credentials_provider() {
            Some(chain) => chain.provide_credentials().await,
            None => return Err(ProfileError::NoCredentials("none is configured".to_owned())),
        },
    };
    // Where nobody has set any, what each provider of the chain says of that is of no use.
    let unset = |error: &CredentialsError| {
        profile.is_none() && matches!(error, CredentialsError::CredentialsNotLoaded(_))
    };
    let credentials = credentials.map_err(|error| match unset(&error) {
        true => ProfileError::NoCredentials("neither the environment nor a profile has any".to_owned()),
        false => ProfileError::NoCredentials(whole(&error)),
    })?;
    // Kept as they are: a command ends long before they do, and a credential process that asks for a code asks once.
    Ok(config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build())
}

/// Refuses a profile that is not there. Files that cannot be read are for the providers to tell.
async fn known(name: &str) -> Result<(), ProfileError> {
    let files = EnvConfigFiles::default();
    let Ok(profiles) = profile::load(&Fs::real(), &Env::real(), &files, None).await else { return Ok(()) };
    if profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let mut known: Vec<&str> = profiles.profiles().collect();
    known.sort_unstable();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(ProfileError::NoProfile { name: name.to_owned(), known })
}

fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}

/// An error and its causes in one line. Some errors repeat their cause, which then is said once.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
