//! Sends a request: signs it, sends it, and retries it until the deadline.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::call::{CallOptions, ResponseMetadata};
use super::client::Client;
use super::clock::TimeServer;
use super::credentials::{
    Credentials, CredentialsCache, CredentialsError, CredentialsErrorKind, GetError,
};
use super::error::{Error, ErrorKind};
use super::http::HttpRequest;
use super::names::{BucketName, Region};
use super::request::Request;
use super::request_body::SentFlag;
use super::retry::{RetryDecision, RetryState};
use super::service_error::ServiceError;
use super::sign::{SignableRequest, SignatureVersion, SigningContext, sign};

/// A complete success response.
pub(super) struct Response {
    pub(super) metadata: ResponseMetadata,
    pub(super) body: Vec<u8>,
}

/// The state of a call over its attempts, for its errors.
#[derive(Default)]
pub(super) struct CallState {
    /// Number of attempts, including those after a correction.
    attempts: u32,
    /// When the current attempt was sent, which is after its credentials were obtained.
    sent_at: Option<Instant>,
    /// Whether the current attempt was handed to a connection.
    sent: SentFlag,
    /// An attempt was handed to a connection, and OSS may have executed it.
    may_have_taken_effect: bool,
    /// The credentials of the last attempt.
    credentials: Option<Arc<Credentials>>,
    /// Credentials that OSS rejected, and the error.
    rejected: Option<(Arc<Credentials>, ErrorKind)>,
    region: Option<Region>,
    clock_skew_seconds: Option<i64>,
    /// When the next attempt would be due, if that is after the deadline.
    resume: Option<Instant>,
}

impl Client {
    /// Signs and sends a request, and retries it as the retry policy decides, until the deadline.
    pub(super) async fn send(
        &self,
        request: &Request,
        call: &CallOptions,
    ) -> Result<(Response, CallState), Error> {
        let mut state = CallState::default();
        let mut retry_state = RetryState::default();
        let mut last = None;
        if let Some(kind) = self.check_endpoint(request) {
            return Err(self.error_before_sending(request, call, kind));
        }
        loop {
            if call.cancellation.is_cancelled() {
                return Err(self.error(request, call, &state, ErrorKind::Cancelled));
            }
            if Instant::now() >= call.deadline {
                let kind = ErrorKind::DeadlineExceeded { last };
                return Err(self.error(request, call, &state, kind));
            }
            state.sent_at = None;
            state.sent = SentFlag::default();
            let outcome = tokio::select! {
                biased;
                () = call.cancellation.cancelled() => Err(ErrorKind::Cancelled),
                outcome = timeout_at(call.deadline, self.attempt(request, call, &mut state)) => outcome
                    .unwrap_or_else(|_| Err(self.deadline_exceeded(&mut state, last.take()))),
            };
            log_attempt(request, &state, &outcome);
            let kind = match outcome {
                Ok(response) => return Ok((response, state)),
                Err(kind) => kind,
            };
            if let Some(time) = kind.server_time() {
                state.clock_skew_seconds = Some(self.config.clock.skew(time).whole_seconds());
            }
            state.may_have_taken_effect |= state.sent.is_set() && kind.may_have_taken_effect();
            retry_state.record_failure(&kind);
            match self.config.retry.decide(retry_state, &kind, fastrand::f64()) {
                RetryDecision::Retry(wait) => {
                    let resume = Instant::now() + wait;
                    if resume >= call.deadline {
                        state.resume = Some(resume);
                        let kind = ErrorKind::DeadlineExceeded { last: Some(Box::new(kind)) };
                        return Err(self.error(request, call, &state, kind));
                    }
                    last = Some(Box::new(kind));
                    tokio::select! {
                        () = call.cancellation.cancelled() => {}
                        () = tokio::time::sleep_until(resume) => {}
                    }
                }
                RetryDecision::CorrectClock(server_time) => {
                    self.config.clock.adjust_to(TimeServer::Oss, server_time, "OSS");
                    retry_state.is_clock_corrected = true;
                    retry_state.uncount_failure();
                    last = Some(Box::new(kind));
                }
                RetryDecision::RefreshCredentials => {
                    self.drop_rejected_credentials(&mut state, &kind);
                    retry_state.are_credentials_refreshed = true;
                    retry_state.uncount_failure();
                    last = Some(Box::new(kind));
                }
                RetryDecision::GiveUp => return Err(self.error(request, call, &state, kind)),
            }
        }
    }

    /// Lets the next attempt fetch other credentials.
    fn drop_rejected_credentials(&self, state: &mut CallState, kind: &ErrorKind) {
        if let (Some(cache), Some(rejected)) = (&self.credentials, state.credentials.take()) {
            cache.mark_rejected(&rejected);
            state.rejected = Some((rejected, kind.clone()));
        }
    }

    /// The error of an attempt that the deadline ended.
    fn deadline_exceeded(&self, state: &mut CallState, last: Option<Box<ErrorKind>>) -> ErrorKind {
        let (None, Some(cache)) = (state.sent_at, &self.credentials) else {
            return ErrorKind::DeadlineExceeded { last };
        };
        // The call was waiting for credentials. What failed before matters less.
        let (error, resume) = cache.last_failure().unwrap_or_else(|| {
            let (origin, kind) = (cache.origin(), CredentialsErrorKind::Timeout);
            (CredentialsError { origin, kind }, None)
        });
        state.resume = resume;
        let last = match last.filter(|_| state.rejected.is_none()) {
            Some(last) if error.kind == CredentialsErrorKind::Timeout => last,
            _ => Box::new(ErrorKind::Credentials(Box::new(error))),
        };
        ErrorKind::DeadlineExceeded { last: Some(last) }
    }

    /// One attempt, signed with the current time.
    async fn attempt(
        &self,
        request: &Request,
        call: &CallOptions,
        state: &mut CallState,
    ) -> Result<Response, ErrorKind> {
        let cache = self.credentials.as_ref().ok_or(ErrorKind::NoCredentials)?;
        state.region = self.region(call).await?;
        let credentials = cache.get(&self.http, &self.config.clock, call.deadline).await;
        let credentials = credentials.map_err(|error| match error {
            GetError::Failed(error) => ErrorKind::Credentials(Box::new(error)),
            GetError::TooLate { last, resume } => {
                state.resume = Some(resume);
                let last = Some(Box::new(ErrorKind::Credentials(Box::new(last))));
                ErrorKind::DeadlineExceeded { last }
            }
        })?;
        if let Some((rejected, kind)) = &state.rejected
            && rejected.matches(&credentials)
        {
            // The source returns no others.
            return Err(kind.clone());
        }
        let (url, headers) = self.sign(request, call, state.region.as_ref(), &credentials)?;
        state.credentials = Some(credentials);
        state.attempts += 1;
        state.sent_at = Some(Instant::now());
        let response = self.send_once(request, &url, &headers, &state.sent).await?;
        self.config.clock.confirm(TimeServer::Oss);
        Ok(response)
    }

    /// Returns the URL and all headers of a request, signed for the current time.
    fn sign(
        &self,
        request: &Request,
        call: &CallOptions,
        region: Option<&Region>,
        credentials: &Credentials,
    ) -> Result<(String, Vec<(String, String)>), ErrorKind> {
        let endpoint = self.endpoint(request, call, region).ok_or(ErrorKind::NoRegion)?;
        let region = match (region, self.config.signature_version) {
            (Some(region), _) => region.as_str(),
            // V1 does not sign it.
            (None, SignatureVersion::V1) => "",
            (None, SignatureVersion::V4) => return Err(ErrorKind::NoRegion),
        };
        let signature = sign(
            self.config.signature_version,
            &SignableRequest {
                method: request.method,
                bucket: request.bucket.as_ref().map(BucketName::as_str),
                object_key: None,
                query: &request.query,
                headers: &request.headers,
                sub_resources: request.sub_resources,
                additional_headers: &[],
            },
            &SigningContext {
                credentials,
                time: self.config.clock.time_of(TimeServer::Oss),
                region,
                product: "oss",
            },
        );
        let style = self.config.address_style;
        let url = endpoint.url(style, request.bucket.as_ref(), &request.encoded_query());
        let mut headers = request.headers.clone();
        headers.extend(signature.headers);
        Ok((url, headers))
    }

    /// Sends one signed request. A response without success is an error.
    async fn send_once(
        &self,
        request: &Request,
        url: &str,
        headers: &[(String, String)],
        sent: &SentFlag,
    ) -> Result<Response, ErrorKind> {
        let response = self
            .http
            .execute(HttpRequest {
                method: request.method,
                url,
                headers,
                body: request.body.clone(),
                sent: sent.clone(),
                timeout: None,
                is_metadata: false,
            })
            .await
            .map_err(ErrorKind::Transport)?;
        let status = response.status;
        let header = |name: &str| response.header(name);
        if !response.is_success() {
            let service = ServiceError::read(status, header, &response.body, self.http.sanitizer());
            return Err(ErrorKind::Service(Box::new(service)));
        }
        // OSS always sends one. Without it a captive portal's page would pass for a deletion.
        let request_id = header("x-oss-request-id").ok_or_else(|| {
            let reason = format!("the response with status {status} has no x-oss-request-id");
            ErrorKind::UnexpectedResponse(self.http.sanitizer().text(reason))
        })?;
        let request_id = self.http.sanitizer().text(request_id);
        Ok(Response { metadata: ResponseMetadata { status, request_id }, body: response.body })
    }

    /// The error of a call that cannot be sent.
    pub(super) fn error_before_sending(
        &self,
        request: &Request,
        call: &CallOptions,
        kind: ErrorKind,
    ) -> Error {
        self.error(request, call, &CallState::default(), kind)
    }

    /// The error of a call that ended in this state.
    pub(super) fn error(
        &self,
        request: &Request,
        call: &CallOptions,
        state: &CallState,
        kind: ErrorKind,
    ) -> Error {
        let region = state.region.as_ref().or(call.region.as_ref());
        let region = region.or(self.config.region.as_ref());
        let (style, bucket) = (self.config.address_style, request.bucket.as_ref());
        let endpoint = self.endpoint(request, call, region);
        let address = endpoint.as_ref().map(|endpoint| endpoint.address(style, bucket));
        let address_style = endpoint.map_or(style, |endpoint| endpoint.resolve_style(style));
        let origin = self.credentials.as_ref().map(CredentialsCache::origin);
        let needed_timeout = state.resume.filter(|_| kind.retry_after().is_some());
        Error {
            operation: request.operation,
            bucket: request.bucket.clone(),
            attempts: state.attempts,
            endpoint: address.unwrap_or_default(),
            address_style,
            region: region.map(ToString::to_string).unwrap_or_default(),
            credentials_origin: origin.unwrap_or_default(),
            clock_skew_seconds: state.clock_skew_seconds,
            may_have_taken_effect: state.may_have_taken_effect,
            needed_timeout: needed_timeout.map(|resume| resume - call.started),
            kind,
        }
    }
}

/// Logs how an attempt ended, including one that was cancelled.
fn log_attempt(request: &Request, state: &CallState, outcome: &Result<Response, ErrorKind>) {
    let Some(sent) = state.sent_at else { return };
    let (status, code, request_id) = match outcome {
        Ok(response) => (response.metadata.status, "", response.metadata.request_id.as_str()),
        Err(ErrorKind::Service(service)) => {
            let request_id = service.request_id.as_deref().unwrap_or_default();
            (service.status, service.code.as_str(), request_id)
        }
        Err(_) => (0, "", ""),
    };
    tracing::debug!(
        operation = request.operation.name(),
        method = request.method,
        bucket = request.bucket.as_ref().map(BucketName::as_str),
        status,
        code,
        request_id,
        attempt = state.attempts,
        duration_ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX),
        error = outcome.as_ref().err().map(ToString::to_string),
        "called OSS",
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oss::client::{ClientConfig, encryption_request};
    use crate::oss::endpoint::Endpoint;
    use crate::oss::regions::EndpointType;
    use crate::oss::request::Operation;

    /// URL and signing region of a call.
    async fn target(config: ClientConfig, region: Option<&str>) -> (String, String) {
        let client = Client::new(ClientConfig {
            credentials: Some(Credentials::new("id", "secret").into()),
            ..config
        });
        let bucket = BucketName::parse("demo").unwrap();
        let request = encryption_request(Operation::GetBucketEncryption, "GET", &bucket);
        let mut call = CallOptions::with_timeout(Duration::ZERO);
        call.region = region.map(|region| Region::parse(region).unwrap());
        let region = client.region(&call).await.unwrap();
        let credentials = Credentials::new("id", "secret");
        let (url, headers) = client.sign(&request, &call, region.as_ref(), &credentials).unwrap();
        let authorization = headers.iter().find(|(name, _)| name == "Authorization").unwrap();
        let scope = authorization.1.split('/').nth(2).unwrap();
        (url, scope.to_owned())
    }

    fn config(endpoint: Option<&str>, region: Option<&str>) -> ClientConfig {
        ClientConfig {
            region: region.map(|region| Region::parse(region).unwrap()),
            endpoint: endpoint.map(|endpoint| Endpoint::parse(endpoint).unwrap()),
            ..ClientConfig::default()
        }
    }

    #[tokio::test]
    async fn the_region_of_a_call_moves_address_and_signature() {
        let of = |url: &str, region: &str| (url.to_owned(), region.to_owned());
        let hangzhou = || config(None, Some("cn-hangzhou"));
        assert_eq!(
            target(hangzhou(), None).await,
            of("https://demo.oss-cn-hangzhou.aliyuncs.com/?encryption", "cn-hangzhou")
        );
        assert_eq!(
            target(hangzhou(), Some("cn-shanghai")).await,
            of("https://demo.oss-cn-shanghai.aliyuncs.com/?encryption", "cn-shanghai")
        );
        let internal = ClientConfig { endpoint_type: EndpointType::Internal, ..hangzhou() };
        assert_eq!(
            target(internal, Some("cn-shanghai")).await,
            of("https://demo.oss-cn-shanghai-internal.aliyuncs.com/?encryption", "cn-shanghai")
        );
        assert_eq!(
            target(config(Some("oss.example.com"), Some("cn-hangzhou")), Some("cn-shanghai")).await,
            of("https://demo.oss.example.com/?encryption", "cn-shanghai")
        );
        assert_eq!(
            target(config(Some("oss-cn-beijing.aliyuncs.com"), None), None).await,
            of("https://demo.oss-cn-beijing.aliyuncs.com/?encryption", "cn-beijing")
        );
    }
}
