//! The bucket that submissions are uploaded to.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use aws_smithy_http_client::tls;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{Fetcher, StorageError};
use crate::primitives::{Digest, address_shown, clean, without_paths};

/// For one upload with all its retries; the largest submission is 1 MiB.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(60);

/// Where uploads go, and where the public reads them.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `None`: AWS itself.
    pub endpoint_url: Option<String>,
    pub region: String,
    pub bucket: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Prefix of public URLs: `{public_url}/{key}`.
    pub public_url: String,
}

/// Why a service did not take an object, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It knows no such access key.
    UnknownKey,
    /// The secret is not that of the access key.
    WrongSecret,
    /// The key may not do this.
    NoRight,
    NoBucket,
    /// The bucket is in another region, or wants another address.
    Elsewhere,
    /// Its clock and ours differ too much.
    Clock,
    /// Nobody answered, or not in time.
    NoAnswer,
    Other,
}

impl Refusal {
    fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => return Self::NoAnswer,
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => {}
            _ => return Self::Other,
        }
        match (error.meta().code().unwrap_or_default(), status) {
            // The second is what our own object store says.
            ("InvalidAccessKeyId" | "NotSignedUp", _) => Self::UnknownKey,
            ("SignatureDoesNotMatch", _) => Self::WrongSecret,
            ("NoSuchBucket" | "InvalidBucketName", _) => Self::NoBucket,
            ("RequestTimeTooSkewed" | "RequestExpired", _) => Self::Clock,
            ("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed", _) => Self::Elsewhere,
            ("IllegalLocationConstraintException", _) | ("", Some(301 | 307)) => Self::Elsewhere,
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | ("", Some(401 | 403)) => Self::NoRight,
            _ => Self::Other,
        }
    }
}

/// What a service said, in its own words; else what kept the request from it.
fn cause<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    const MOST: usize = 300;
    let status = error.raw_response().map(|response| response.status().as_u16());
    let text = match (error.meta().code(), error.meta().message(), status) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        (None, _, Some(status)) => format!("HTTP {status}, and nothing of what S3 says"),
        (None, _, None) => {
            let mut innermost: &dyn std::error::Error = error;
            while let Some(inner) = innermost.source() {
                innermost = inner;
            }
            innermost.to_string()
        }
    };
    clean(&without_paths(&text)).chars().take(MOST).collect()
}

/// A bucket of ours; cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    s3: Client,
    bucket: String,
    /// Ends with a slash, so that keys join below it.
    public_url: Url,
    public: Fetcher,
}

impl Store {
    pub fn new(config: StoreConfig) -> Result<Self, StorageError> {
        let prefix = format!("{}/", config.public_url.trim_end_matches('/'));
        // An address that will not do is not repeated whole: there may be a password in it.
        let parse = |text: &str, named: &str| {
            let wrong = |e| StorageError::Url(address_shown(named), e);
            match Url::parse(text).map_err(wrong)? {
                url if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
                _ => Err(wrong(url::ParseError::RelativeUrlWithoutBase)),
            }
        };
        let public_url = parse(&prefix, &config.public_url)?;
        if let Some(endpoint) = &config.endpoint_url {
            parse(endpoint, endpoint)?;
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let credentials = Credentials::new(
            config.access_key_id,
            config.secret_access_key.expose_secret(),
            None,
            None,
            "somascope configuration",
        );
        let mut s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(config.region))
            .credentials_provider(credentials)
            // A service that accepts and never answers must not hold a submission until its epoch ends.
            .timeout_config(TimeoutConfig::builder().operation_timeout(UPLOAD_PATIENCE).build())
            // Self-hosted stores have no DNS name for each bucket.
            .force_path_style(config.endpoint_url.is_some());
        s3.set_endpoint_url(config.endpoint_url);
        Ok(Self { s3: Client::from_conf(s3.build()), bucket: config.bucket, public_url, public: Fetcher::new()? })
    }

    /// The normalised public URL of a key.
    pub fn public_url(&self, key: &str) -> String {
        // Keys are ours (`{epoch}/{checksum}.bin`), so joining cannot leave the prefix.
        self.public_url.join(key).map_or_else(|_| format!("{}{key}", self.public_url), |url| url.to_string())
    }

    /// Uploads; idempotent for content-addressed keys. Gives the public URL.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<String, StorageError> {
        self.s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/octet-stream")
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|e| StorageError::Upload { key: key.to_owned(), why: Refusal::of(&e), cause: cause(&e) })?;
        Ok(self.public_url(key))
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let deleted = self.s3.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map(drop).map_err(|e| StorageError::Delete { key: key.to_owned(), cause: cause(&e) })
    }

    /// Downloads through the public URL and compares: what validators will see.
    pub async fn read_back(&self, url: &str, checksum: Digest, size: u64) -> Result<(), StorageError> {
        self.public.fetch(url, checksum, size).await.map(drop)
    }
}
