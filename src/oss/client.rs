//! The client: its configuration and its calls. `send` sends them.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use md5::{Digest as _, Md5};

use super::buckets::{BucketPage, ListBucketsRequest};
use super::call::{CallOptions, ResponseMetadata};
use super::clock::Clock;
use super::credentials::{
    CredentialSource, CredentialsCache, CurrentProfiles, InsecureProfile, Profile,
};
use super::encryption::EncryptionRule;
use super::endpoint::{AddressStyle, Endpoint};
use super::error::{Error, ErrorKind};
use super::http::{Http, HttpSettings};
use super::names::{BucketName, Region};
use super::regions::EndpointType;
use super::request::{Operation, Request};
use super::retry::RetryPolicy;
use super::sign::SignatureVersion;
use super::transport_error::TransportError;

/// Client configuration: endpoint, credentials, retries and timeouts.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Default region for calls without their own. If `None`, the profile's region is used, then the endpoint's.
    pub region: Option<Region>,
    /// The endpoint for every bucket; none means that of the bucket's region.
    pub endpoint: Option<Endpoint>,
    /// Type of the regional endpoint.
    pub endpoint_type: EndpointType,
    /// How buckets are addressed.
    pub address_style: AddressStyle,
    /// The signature algorithm.
    pub signature_version: SignatureVersion,
    /// The credential source. Without one, every call fails.
    pub credentials: Option<CredentialSource>,
    /// The profile that names the region where nothing else does, read when that is needed.
    pub profile: Option<Profile>,
    /// How failed attempts are retried.
    pub retry: RetryPolicy,
    /// Maximum time to establish a connection.
    pub connect_timeout: Duration,
    /// Maximum time to wait for data from the server.
    pub read_timeout: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The clock for signatures and the expiration of credentials.
    pub clock: Clock,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            endpoint_type: EndpointType::default(),
            address_style: AddressStyle::default(),
            signature_version: SignatureVersion::default(),
            credentials: None,
            profile: None,
            retry: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            user_agent: concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::system(),
        }
    }
}

/// A client for bucket encryption. Cheap to create: the first call opens connections, reads the trust store and
/// fetches credentials. Calls can run concurrently and share connections and credentials.
pub struct Client {
    pub(super) config: ClientConfig,
    pub(super) credentials: Option<CredentialsCache>,
    /// Shared with the credentials, so that both use the same profile.
    pub(super) current_profiles: Arc<CurrentProfiles>,
    /// The region of the profile, once it was read.
    pub(super) profile_region: OnceLock<Option<Region>>,
    pub(super) http: Http,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client without IO.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let http = Http::new(HttpSettings {
            connect_timeout: config.connect_timeout,
            read_timeout: config.read_timeout,
            user_agent: config.user_agent.clone(),
        });
        let current_profiles = Arc::default();
        let credentials = config.credentials.clone();
        let credentials = credentials.map(|source| {
            CredentialsCache::new(source, config.retry, Arc::clone(&current_profiles))
        });
        Self { config, credentials, current_profiles, profile_region: OnceLock::new(), http }
    }

    /// Sets the bucket's default encryption, replacing the whole rule (OSS API reference,
    /// `PutBucketEncryption`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Service`] with the error response: `NoSuchBucket`, `AccessDenied`,
    /// `InvalidEncryptionAlgorithmError`, `InvalidArgument` for a key without `KMS`, … With the
    /// other kinds there is no error response; [`Error::may_have_taken_effect`] is whether the rule may be set
    /// anyway.
    pub async fn put_bucket_encryption(
        &self,
        bucket: &BucketName,
        rule: &EncryptionRule,
        call: &CallOptions,
    ) -> Result<ResponseMetadata, Error> {
        let body = rule.to_xml().into_bytes();
        // V4 signs no payload hash; the signed Content-MD5 is what protects the body.
        let content_md5 = BASE64_STANDARD.encode(Md5::digest(&body));
        let mut request = encryption_request(Operation::PutBucketEncryption, "PUT", bucket);
        request.headers = vec![
            ("Content-Type".to_owned(), "application/xml".to_owned()),
            ("Content-MD5".to_owned(), content_md5),
        ];
        request.body = body;
        self.send(&request, call).await.map(|(response, _)| response.metadata)
    }

    /// Reads the bucket's default encryption (OSS API reference, `GetBucketEncryption`).
    ///
    /// # Errors
    ///
    /// A bucket without a rule, or no bucket, is an error for which [`Error::is_not_found`] holds.
    /// [`ErrorKind::UnexpectedResponse`] is a success whose body is no rule; otherwise as
    /// [`put_bucket_encryption`](Self::put_bucket_encryption).
    pub async fn get_bucket_encryption(
        &self,
        bucket: &BucketName,
        call: &CallOptions,
    ) -> Result<EncryptionRule, Error> {
        let request = encryption_request(Operation::GetBucketEncryption, "GET", bucket);
        let (response, state) = self.send(&request, call).await?;
        EncryptionRule::from_xml(&response.body)
            .and_then(|rule| self.ensure_printable(rule, EncryptionRule::texts))
            .map_err(|reason| self.error(&request, call, &state, self.unexpected(&reason)))
    }

    /// Deletes the bucket's default encryption (OSS API reference, `DeleteBucketEncryption`). A
    /// bucket that has none is a success, as it is to OSS, and so is a bucket that does not exist (the
    /// status is then 404).
    ///
    /// # Errors
    ///
    /// As for [`put_bucket_encryption`](Self::put_bucket_encryption), except those about the rule.
    pub async fn delete_bucket_encryption(
        &self,
        bucket: &BucketName,
        call: &CallOptions,
    ) -> Result<ResponseMetadata, Error> {
        let request = encryption_request(Operation::DeleteBucketEncryption, "DELETE", bucket);
        match self.send(&request, call).await {
            Ok((response, _)) => Ok(response.metadata),
            Err(error) if error.is_not_found() => {
                let (status, request_id) = error
                    .service_error()
                    .map(|service| (service.status, service.request_id.clone()))
                    .unwrap_or_default();
                Ok(ResponseMetadata { status, request_id: request_id.unwrap_or_default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Lists a page of the account's buckets, of all regions (OSS API reference, `ListBuckets`). Acceleration
    /// endpoints do not have this operation, so that the region's public endpoint is used instead of them.
    ///
    /// # Errors
    ///
    /// `AccessDenied` without the permission `oss:ListBuckets`; otherwise as
    /// [`get_bucket_encryption`](Self::get_bucket_encryption). A custom domain belongs to one bucket,
    /// so with [`AddressStyle::Cname`] nothing is sent.
    pub async fn list_buckets(
        &self,
        list: &ListBucketsRequest,
        call: &CallOptions,
    ) -> Result<BucketPage, Error> {
        let request = Request {
            operation: Operation::ListBuckets,
            method: "GET",
            bucket: None,
            query: list.query(),
            sub_resources: &[],
            headers: Vec::new(),
            body: Vec::new(),
        };
        if self.config.address_style == AddressStyle::Cname {
            let reason = "a custom domain belongs to one bucket and cannot list others";
            let kind = ErrorKind::Transport(TransportError::InvalidRequest(reason.into()));
            return Err(self.error_before_sending(&request, call, kind));
        }
        let (response, state) = self.send(&request, call).await?;
        let page = BucketPage::from_xml(&response.body).and_then(|page| page.ensure_progress(list));
        page.and_then(|page| self.ensure_printable(page, BucketPage::names))
            .map_err(|reason| self.error(&request, call, &state, self.unexpected(&reason)))
    }

    /// Rejects a response with a text that must not be shown. Values are stored unchanged, so such a text must not
    /// reach a state.
    fn ensure_printable<T>(
        &self,
        response: T,
        texts: impl Fn(&T) -> Vec<(&'static str, &str)>,
    ) -> Result<T, String> {
        for (element, text) in texts(&response) {
            if !self.http.sanitizer().is_printable(text) {
                return Err(format!(
                    "the <{element}> in the body has control characters, is too long or repeats a credential"
                ));
            }
        }
        Ok(response)
    }

    fn unexpected(&self, reason: &str) -> ErrorKind {
        ErrorKind::UnexpectedResponse(self.http.sanitizer().text(reason))
    }

    /// Profiles that were read since the last call of this function, and whose credentials travel without TLS.
    /// Each is returned once.
    #[must_use]
    pub fn take_insecure_profiles(&self) -> Vec<InsecureProfile> {
        self.credentials.as_ref().map(CredentialsCache::take_insecure_profiles).unwrap_or_default()
    }

    /// Whether this is the default region, as far as it is known.
    #[must_use]
    pub fn is_default_region(&self, region: &Region) -> bool {
        let of_profile = self.profile_region.get().and_then(Option::as_ref);
        let of_endpoint = self.config.endpoint.as_ref().and_then(Endpoint::region);
        self.config.region.as_ref().or(of_profile).or(of_endpoint.as_ref()) == Some(region)
    }

    /// Whether a call with another region is sent to where that region is: not with an endpoint of OSS that
    /// belongs to one region.
    #[must_use]
    pub fn can_reach_region(&self, region: &Region) -> bool {
        let of_endpoint = self.config.endpoint.as_ref().and_then(Endpoint::region);
        of_endpoint.is_none_or(|of_endpoint| of_endpoint == *region)
    }
}

pub(super) fn encryption_request(
    operation: Operation,
    method: &'static str,
    bucket: &BucketName,
) -> Request {
    Request {
        operation,
        method,
        bucket: Some(bucket.clone()),
        query: vec![("encryption".to_owned(), String::new())],
        sub_resources: &["encryption"],
        headers: Vec::new(),
        body: Vec::new(),
    }
}
