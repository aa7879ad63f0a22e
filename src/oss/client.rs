//! The client: the only file of this module that does IO and reads the clock.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use md5::{Digest as _, Md5};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;

use super::credentials::Credentials;
use super::encryption::EncryptionRule;
use super::endpoint::{AddressStyle, Endpoint};
use super::error::{Error, ErrorKind, ServiceError, TransportError};
use super::names::{BucketName, Region};
use super::request::{Operation, Request};
use super::retry::{Decision, RetryPolicy};
use super::sign::{SignableRequest, SignatureVersion, SigningContext, sign};

/// No answer of these calls is larger; the rest of a larger body is not read.
const MAX_BODY: usize = 1024 * 1024;

/// Where and as whom the client speaks to OSS.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The region of buckets whose call names none.
    pub region: Option<Region>,
    /// The endpoint for every bucket; none means the public endpoint of the bucket's region.
    pub endpoint: Option<Endpoint>,
    /// Where the bucket stands in the URL.
    pub address_style: AddressStyle,
    /// The signature algorithm.
    pub signature_version: SignatureVersion,
    /// The key pair; a client without one can be made, but every call fails.
    pub credentials: Option<Credentials>,
    /// How failed attempts are repeated.
    pub retry: RetryPolicy,
    /// Limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Limit for each silence of the other side.
    pub read_timeout: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            address_style: AddressStyle::default(),
            signature_version: SignatureVersion::default(),
            credentials: None,
            retry: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(10),
            user_agent: concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What is special about one call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The bucket's region, when it is not the client's: the request is signed for it and, unless
    /// the client has an explicit endpoint, sent there.
    pub region: Option<Region>,
    /// When to give up, retries included.
    pub deadline: Instant,
    /// Ends the call at once when cancelled.
    pub cancellation: CancellationToken,
}

impl Call {
    /// A call in the client's region that may take `limit`.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self {
            region: None,
            deadline: Instant::now() + limit,
            cancellation: CancellationToken::new(),
        }
    }
}

/// A client for bucket encryption. Cheap to make: connections, trust store and credentials are
/// touched by the first call. Calls may run concurrently and share connections.
pub struct Client {
    config: ClientConfig,
    http: OnceLock<reqwest::Client>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A successful answer, read to its end.
struct Answer {
    status: u16,
    request_id: String,
    body: Vec<u8>,
    /// The attempt that got it.
    attempt: u32,
}

impl Client {
    /// A client; does no IO.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self { config, http: OnceLock::new() }
    }

    /// Sets the bucket's default encryption, replacing the whole rule (OSS API reference,
    /// `PutBucketEncryption`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Service`] with what OSS refused: `NoSuchBucket`, `AccessDenied`,
    /// `InvalidEncryptionAlgorithmError`, `InvalidArgument` for a key without `KMS`, … The other
    /// kinds tell that OSS gave no answer; [`Error::may_have_taken_effect`] then tells whether the
    /// rule may be set all the same.
    pub async fn put_bucket_encryption(
        &self,
        bucket: &BucketName,
        rule: &EncryptionRule,
        call: &Call,
    ) -> Result<(), Error> {
        let body = rule.to_xml().into_bytes();
        // V4 signs no payload hash; the signed Content-MD5 is what protects the body.
        let content_md5 = BASE64_STANDARD.encode(Md5::digest(&body));
        let mut request = encryption_request(Operation::PutBucketEncryption, "PUT", bucket);
        request.headers = vec![
            ("Content-Type".to_owned(), "application/xml".to_owned()),
            ("Content-MD5".to_owned(), content_md5),
        ];
        request.body = body;
        self.send(&request, call).await.map(drop)
    }

    /// Reads the bucket's default encryption (OSS API reference, `GetBucketEncryption`).
    ///
    /// # Errors
    ///
    /// A bucket without a rule, or no bucket, is an error for which [`Error::is_not_found`] holds.
    /// [`ErrorKind::UnexpectedAnswer`] is a success whose body is no rule; otherwise as
    /// [`put_bucket_encryption`](Self::put_bucket_encryption).
    pub async fn get_bucket_encryption(
        &self,
        bucket: &BucketName,
        call: &Call,
    ) -> Result<EncryptionRule, Error> {
        let request = encryption_request(Operation::GetBucketEncryption, "GET", bucket);
        let answer = self.send(&request, call).await?;
        EncryptionRule::from_xml(&answer.body)
            .map_err(ErrorKind::UnexpectedAnswer)
            .map_err(|kind| self.error(&request, call, answer.attempt, kind))
    }

    /// Removes the bucket's default encryption (OSS API reference, `DeleteBucketEncryption`). A
    /// bucket that has none is a success, as it is to OSS, and so is a bucket that does not exist.
    ///
    /// # Errors
    ///
    /// As [`put_bucket_encryption`](Self::put_bucket_encryption), without those about the rule.
    pub async fn delete_bucket_encryption(
        &self,
        bucket: &BucketName,
        call: &Call,
    ) -> Result<(), Error> {
        let request = encryption_request(Operation::DeleteBucketEncryption, "DELETE", bucket);
        match self.send(&request, call).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Signs and sends, again and again as the retry policy says, until the deadline.
    async fn send(&self, request: &Request, call: &Call) -> Result<Answer, Error> {
        let mut attempt = 0;
        let mut last = None;
        let mut doubt = false;
        loop {
            if call.cancellation.is_cancelled() {
                let error = self.error(request, call, attempt, ErrorKind::Cancelled);
                return Err(Error { may_have_taken_effect: doubt, ..error });
            }
            attempt += 1;
            let outcome = tokio::select! {
                biased;
                () = call.cancellation.cancelled() => Err(ErrorKind::Cancelled),
                outcome = timeout_at(call.deadline, self.attempt(request, call, attempt)) => {
                    outcome.unwrap_or_else(|_| Err(ErrorKind::DeadlineExceeded { last: last.take() }))
                }
            };
            let mut kind = match outcome {
                Ok(answer) => return Ok(answer),
                Err(kind) => kind,
            };
            doubt |= kind.leaves_doubt();
            if let Decision::Retry(wait) = self.config.retry.decide(attempt, &kind, fastrand::f64())
            {
                let resume = Instant::now() + wait;
                if resume < call.deadline {
                    last = Some(Box::new(kind));
                    tokio::select! {
                        () = call.cancellation.cancelled() => {}
                        () = tokio::time::sleep_until(resume) => {}
                    }
                    continue;
                }
                kind = ErrorKind::DeadlineExceeded { last: Some(Box::new(kind)) };
            }
            let error = self.error(request, call, attempt, kind);
            return Err(Error { may_have_taken_effect: doubt, ..error });
        }
    }

    /// One attempt, signed with the current time.
    async fn attempt(
        &self,
        request: &Request,
        call: &Call,
        attempt: u32,
    ) -> Result<Answer, ErrorKind> {
        let started = Instant::now();
        let (url, headers) = self.sign(request, call)?;
        let outcome = self.exchange(request, &url, headers, attempt).await;
        let (status, code, request_id) = match &outcome {
            Ok(answer) => (answer.status, "", answer.request_id.as_str()),
            Err(ErrorKind::Service(service)) => (
                service.status,
                service.code.as_str(),
                service.request_id.as_deref().unwrap_or_default(),
            ),
            Err(_) => (0, "", ""),
        };
        tracing::debug!(
            operation = request.operation.name(),
            method = request.method,
            bucket = request.bucket.as_str(),
            status,
            code,
            request_id,
            attempt,
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error = outcome.as_ref().err().map(ToString::to_string),
            "called OSS",
        );
        outcome
    }

    /// The URL and the signed headers of a request, signed for this instant.
    fn sign(&self, request: &Request, call: &Call) -> Result<(String, HeaderMap), ErrorKind> {
        let credentials = self.config.credentials.as_ref().ok_or(ErrorKind::NoCredentials)?;
        let region = call.region.as_ref().or(self.config.region.as_ref());
        let endpoint = match (&self.config.endpoint, region) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(region)) => Endpoint::public(region),
            (None, None) => return Err(ErrorKind::NoRegion),
        };
        let region = match (region, self.config.signature_version) {
            (Some(region), _) => region.as_str(),
            // V1 signs no region.
            (None, SignatureVersion::V1) => "",
            (None, SignatureVersion::V4) => return Err(ErrorKind::NoRegion),
        };
        #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
        let now = OffsetDateTime::from(std::time::SystemTime::now());
        let signature = sign(
            self.config.signature_version,
            &SignableRequest {
                method: request.method,
                bucket: Some(request.bucket.as_str()),
                object_key: None,
                query: &request.query,
                headers: &request.headers,
                sub_resources: &["encryption"],
                additional_headers: &[],
            },
            &SigningContext { credentials, time: now, region, product: "oss" },
        );
        let style = self.config.address_style;
        let url = endpoint.url(style, &request.bucket, &request.encoded_query());
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers.iter().chain(&signature.headers) {
            let unusable = |what: &str| {
                // The value may be a secret: only its name is told.
                let text = format!("the {name} header has an invalid {what}");
                ErrorKind::Transport(TransportError::Setup(text))
            };
            let header = HeaderName::try_from(name.as_str()).map_err(|_| unusable("name"))?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable("value"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok((url, headers))
    }

    /// Sends one signed request and reads the answer, bounded.
    async fn exchange(
        &self,
        request: &Request,
        url: &str,
        headers: HeaderMap,
        attempt: u32,
    ) -> Result<Answer, ErrorKind> {
        let transport = |error: &reqwest::Error| ErrorKind::Transport(classify(error));
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| ErrorKind::Transport(TransportError::Setup(error.to_string())))?;
        let mut answer = self
            .http()?
            .request(method, url)
            .headers(headers)
            .body(request.body.clone())
            .send()
            .await
            .map_err(|error| transport(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| transport(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(ErrorKind::Transport(TransportError::TooLarge(MAX_BODY)));
            }
            body.extend_from_slice(&chunk);
        }
        let status = answer.status().as_u16();
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        if !answer.status().is_success() {
            let service = ServiceError::parse(status, header, &body);
            return Err(ErrorKind::Service(Box::new(service)));
        }
        // OSS always sends one. Without it a captive portal's page would pass for a deletion.
        let request_id = header("x-oss-request-id").ok_or_else(|| {
            let reason = format!("the answer with status {status} has no x-oss-request-id");
            ErrorKind::UnexpectedAnswer(reason)
        })?;
        Ok(Answer { status, request_id, body, attempt })
    }

    /// The HTTP client, made by the first call.
    fn http(&self) -> Result<&reqwest::Client, ErrorKind> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let mut builder = reqwest::Client::builder();
        if self.config.endpoint.as_ref().is_some_and(Endpoint::is_plain) {
            // There is nothing to verify: a machine without any trusted authority is fine.
            builder = builder.tls_certs_only([]);
        }
        if self.config.endpoint.as_ref().is_some_and(Endpoint::is_loopback) {
            // No proxy knows the way to this machine; Go programs skip it just so.
            builder = builder.no_proxy();
        }
        let http = builder
            .user_agent(self.config.user_agent.as_str())
            .connect_timeout(self.config.connect_timeout)
            .read_timeout(self.config.read_timeout)
            // A redirect changes the host that was signed for; OSS has none on these calls.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ErrorKind::Transport(TransportError::Setup(chain(&error))))?;
        Ok(self.http.get_or_init(|| http))
    }

    fn error(&self, request: &Request, call: &Call, attempts: u32, kind: ErrorKind) -> Error {
        let region = call.region.as_ref().or(self.config.region.as_ref());
        let endpoint = self.config.endpoint.clone().or_else(|| region.map(Endpoint::public));
        let sent = !matches!(kind, ErrorKind::NoCredentials | ErrorKind::NoRegion);
        Error {
            operation: request.operation,
            bucket: request.bucket.clone(),
            attempts: if sent { attempts } else { 0 },
            endpoint: endpoint
                .map(|endpoint| endpoint.address(self.config.address_style, &request.bucket))
                .unwrap_or_default(),
            region: region.map(ToString::to_string).unwrap_or_default(),
            may_have_taken_effect: false,
            kind,
        }
    }
}

fn encryption_request(operation: Operation, method: &'static str, bucket: &BucketName) -> Request {
    Request {
        operation,
        method,
        bucket: bucket.clone(),
        query: vec![("encryption".to_owned(), String::new())],
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// Sorts a failure of the HTTP client by what it means for trying again, and for what OSS may have
/// done: nothing, as long as there was no connection.
fn classify(error: &reqwest::Error) -> TransportError {
    let text = chain(error);
    if error.is_connect() {
        if is_tls_error(error) { TransportError::Tls(text) } else { TransportError::Connect(text) }
    } else if error.is_timeout() {
        TransportError::Timeout(text)
    } else if error.is_builder() {
        TransportError::Setup(text)
    } else {
        TransportError::Interrupted(text)
    }
}

/// The innermost causes, which tell more than "error sending request".
fn chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Wrappers often print their cause as well; a text within another one is told once.
        if let Some(earlier) = texts.iter_mut().find(|earlier| earlier.ends_with(&text)) {
            let kept = earlier.trim_end_matches(text.as_str()).trim_end_matches([':', ' ']);
            *earlier = kept.to_owned();
        }
        texts.push(text);
        source = cause.source();
    }
    texts.retain(|text| !text.is_empty());
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// Whether rustls is behind an error, at any depth: errors are wrapped in IO errors, which hide
/// what they wrap from `source`.
fn is_tls_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls_error(wrapped))
        || error.source().is_some_and(is_tls_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a call goes and what it is signed for.
    fn target(endpoint: Option<&str>, region: Option<&str>) -> (String, String) {
        let client = Client::new(ClientConfig {
            region: Some(Region::parse("cn-hangzhou").unwrap()),
            endpoint: endpoint.map(|endpoint| Endpoint::parse(endpoint).unwrap()),
            credentials: Some(Credentials::new("id", "secret")),
            ..ClientConfig::default()
        });
        let bucket = BucketName::parse("demo").unwrap();
        let request = encryption_request(Operation::GetBucketEncryption, "GET", &bucket);
        let call = Call {
            region: region.map(|region| Region::parse(region).unwrap()),
            deadline: Instant::now(),
            cancellation: CancellationToken::new(),
        };
        let (url, headers) = client.sign(&request, &call).unwrap();
        let authorization = headers["authorization"].to_str().unwrap();
        let scope = authorization.split('/').nth(2).unwrap();
        (url, scope.to_owned())
    }

    #[tokio::test]
    async fn the_region_of_a_call_moves_address_and_signature() {
        let of = |url: &str, region: &str| (url.to_owned(), region.to_owned());
        assert_eq!(
            target(None, None),
            of("https://demo.oss-cn-hangzhou.aliyuncs.com/?encryption", "cn-hangzhou")
        );
        assert_eq!(
            target(None, Some("cn-shanghai")),
            of("https://demo.oss-cn-shanghai.aliyuncs.com/?encryption", "cn-shanghai")
        );
        assert_eq!(
            target(Some("oss.example.com"), Some("cn-shanghai")),
            of("https://demo.oss.example.com/?encryption", "cn-shanghai")
        );
    }
}
