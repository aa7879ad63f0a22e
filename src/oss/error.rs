//! Errors of the OSS client, grouped by how callers handle them.

use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use super::credentials::CredentialsError;
use super::endpoint::{AddressStyle, Endpoint};
use super::error_code::ErrorCode;
use super::names::{BucketName, Region};
use super::request::Operation;
use super::sanitize::ServerText;
use super::service_error::ServiceError;
use super::transport_error::TransportError;

/// A failed call: what was attempted, and why the last attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{operation}{} failed: {kind}", bucket.as_ref().map(|bucket| format!(" of bucket {bucket}")).unwrap_or_default())]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// The bucket; `None` for operations on the account.
    pub bucket: Option<BucketName>,
    /// Number of attempts; 0 if nothing was sent.
    pub attempts: u32,
    /// Scheme, host and port of the endpoint.
    pub endpoint: String,
    /// How the bucket was addressed there; never [`AddressStyle::Auto`] once an endpoint is known.
    pub address_style: AddressStyle,
    /// The signing region.
    pub region: String,
    /// The credential source, as a phrase; empty if there is none.
    pub credentials_origin: String,
    /// How far the clock of OSS is ahead of this machine's, in seconds; `None` if OSS returned no time.
    pub clock_skew_seconds: Option<i64>,
    /// Whether OSS may have executed it anyway: the outcome of an attempt is unknown.
    pub may_have_taken_effect: bool,
    /// The operation's timeout that would leave time for the delay from `Retry-After`; `None` unless the call failed
    /// because of that delay.
    pub needed_timeout: Option<Duration>,
    /// Why it failed.
    pub kind: ErrorKind,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ErrorKind {
    /// OSS returned an error.
    #[error("{0}")]
    Service(Box<ServiceError>),
    /// There was no complete response.
    #[error("{0}")]
    Transport(TransportError),
    /// A success status with an unexpected body.
    #[error("the response could not be parsed: {0}")]
    UnexpectedResponse(ServerText),
    /// No credential source is configured.
    #[error("no credentials are configured")]
    NoCredentials,
    /// The credential source returned no credentials.
    #[error("{0}")]
    Credentials(Box<CredentialsError>),
    /// Neither the call nor the client names a region, and the signature needs one.
    #[error("no region is configured")]
    NoRegion,
    /// The profile that should set the region could not be read.
    #[error("no region is configured, and {} names none: {}", .0.origin, .0.kind)]
    RegionFromProfile(Box<CredentialsError>),
    /// The endpoint contains the bucket already, so that its name would be in the host twice. Nothing is sent.
    #[error("the endpoint already contains the bucket")]
    EndpointContainsBucket {
        /// The endpoint without the bucket.
        endpoint: Endpoint,
    },
    /// The endpoint is the host of one bucket, and the call is about another one. Nothing is sent.
    #[error("the endpoint belongs to bucket {bucket}")]
    EndpointOfOtherBucket {
        /// The bucket that the endpoint belongs to.
        bucket: String,
    },
    /// The deadline passed; the last failure before it, if there was one.
    #[error("timed out{}", last.as_ref().map(|last| format!("; last error: {last}")).unwrap_or_default())]
    DeadlineExceeded {
        /// What the last attempt ended with.
        last: Option<Box<ErrorKind>>,
    },
    /// The call was cancelled.
    #[error("the call was cancelled")]
    Cancelled,
}

impl ErrorKind {
    /// The time of the server, if the response has one.
    pub(super) fn server_time(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Service(service) => service.server_time,
            Self::Credentials(error) => error.kind.server_time(),
            _ => None,
        }
    }

    /// The delay from `Retry-After`.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(service) => service.retry_after,
            Self::Credentials(error) => error.kind.retry_after(),
            Self::DeadlineExceeded { last: Some(last) } => last.retry_after(),
            _ => None,
        }
    }

    /// Whether OSS may have executed an attempt that ended like this, if it was handed to a connection.
    pub(super) fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Service(service) => {
                (service.status >= 500 || service.status == 408) && !service.code.is_throttling()
            }
            Self::Transport(transport) => !matches!(
                transport,
                TransportError::Connect(_)
                    | TransportError::Proxy(_)
                    | TransportError::Tls(_)
                    | TransportError::InvalidProxy(_)
                    | TransportError::ClientSetup(_)
                    | TransportError::InvalidRequest(_)
            ),
            Self::UnexpectedResponse(_) | Self::DeadlineExceeded { .. } | Self::Cancelled => true,
            Self::NoCredentials
            | Self::Credentials(_)
            | Self::NoRegion
            | Self::RegionFromProfile(_)
            | Self::EndpointContainsBucket { .. }
            | Self::EndpointOfOtherBucket { .. } => false,
        }
    }
}

impl Error {
    /// Returns the error response of OSS, if there is one; also the last one before the deadline.
    #[must_use]
    pub fn service_error(&self) -> Option<&ServiceError> {
        fn find(kind: &ErrorKind) -> Option<&ServiceError> {
            match kind {
                ErrorKind::Service(service) => Some(service),
                ErrorKind::DeadlineExceeded { last: Some(last) } => find(last),
                _ => None,
            }
        }
        find(&self.kind)
    }

    /// The delay from the last `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.kind.retry_after()
    }

    /// Whether a call for any other bucket would fail in the same way: it was cancelled, or the credentials, account,
    /// clock or configuration are wrong.
    #[must_use]
    pub fn affects_all_buckets(&self) -> bool {
        match &self.kind {
            ErrorKind::Service(service) => {
                service.code.is_about_credentials() || service.code.is_about_account()
            }
            ErrorKind::NoCredentials
            | ErrorKind::Credentials(_)
            | ErrorKind::NoRegion
            | ErrorKind::RegionFromProfile(_)
            | ErrorKind::Cancelled => true,
            ErrorKind::DeadlineExceeded { last } => {
                matches!(last.as_deref(), Some(ErrorKind::Credentials(_)))
            }
            ErrorKind::Transport(transport) => {
                matches!(
                    transport,
                    TransportError::ClientSetup(_) | TransportError::InvalidProxy(_)
                )
            }
            ErrorKind::UnexpectedResponse(_)
            | ErrorKind::EndpointContainsBucket { .. }
            | ErrorKind::EndpointOfOtherBucket { .. } => false,
        }
    }

    /// Whether no response was received: the next call to the same endpoint would wait as long.
    #[must_use]
    pub fn is_unresponsive(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport(transport) => transport.is_transient(),
            ErrorKind::DeadlineExceeded { .. } => self.service_error().is_none(),
            _ => false,
        }
    }

    /// The bucket's region, if OSS returned that it is not the one of the request.
    #[must_use]
    pub fn redirect_region(&self) -> Option<Region> {
        let endpoint = self.service_error()?.endpoint.as_deref()?;
        Endpoint::parse(endpoint).ok()?.region()
    }

    /// Whether OSS returned that there is no rule, or no bucket. Only status and `Code` decide.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(&self.kind, ErrorKind::Service(service) if service.status == 404 && service.code.is_not_found())
    }

    /// Whether OSS returned that the bucket exists and has no rule. Only status and `Code` decide.
    #[must_use]
    pub fn is_rule_not_found(&self) -> bool {
        let code = self.service_error().map(|service| &service.code);
        self.is_not_found() && code == Some(&ErrorCode::NoSuchServerSideEncryptionRule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HEADERS: fn(&str) -> Option<String> = |_| None;

    #[test]
    fn only_final_error_responses_have_a_known_outcome() {
        let service = |status| {
            ErrorKind::Service(Box::new(ServiceError::parse(status, NO_HEADERS, b"<Error/>")))
        };
        let text = ServerText::default;
        for (kind, expected) in [
            (service(403), false),
            (service(404), false),
            (service(408), true),
            (service(429), false),
            (service(499), false),
            (service(500), true),
            (service(503), true),
            (service(599), true),
            (ErrorKind::UnexpectedResponse(text()), true),
            (ErrorKind::Cancelled, true),
            (ErrorKind::DeadlineExceeded { last: None }, true),
            (ErrorKind::NoRegion, false),
            (ErrorKind::NoCredentials, false),
            (ErrorKind::Transport(TransportError::Timeout(text())), true),
            (ErrorKind::Transport(TransportError::Interrupted(text())), true),
            (ErrorKind::Transport(TransportError::BodyTooLarge(1)), true),
            (ErrorKind::Transport(TransportError::Connect(text())), false),
            (ErrorKind::Transport(TransportError::Proxy(text())), false),
            (ErrorKind::Transport(TransportError::Tls(text())), false),
            (ErrorKind::Transport(TransportError::InvalidProxy(text())), false),
            (ErrorKind::Transport(TransportError::ClientSetup(text())), false),
            (ErrorKind::Transport(TransportError::InvalidRequest(text())), false),
        ] {
            assert_eq!(kind.may_have_taken_effect(), expected, "{kind:?}");
        }
    }

    #[test]
    fn only_status_and_code_mean_not_found() {
        let not_found = |status, code: &str, message: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            let service = ServiceError::parse(status, NO_HEADERS, body.as_bytes());
            Error {
                operation: Operation::GetBucketEncryption,
                bucket: BucketName::parse("demo").ok(),
                attempts: 1,
                endpoint: String::new(),
                address_style: AddressStyle::Virtual,
                region: String::new(),
                credentials_origin: String::new(),
                clock_skew_seconds: None,
                may_have_taken_effect: false,
                needed_timeout: None,
                kind: ErrorKind::Service(Box::new(service)),
            }
            .is_not_found()
        };
        assert!(not_found(404, "NoSuchBucket", ""));
        assert!(not_found(404, "NoSuchServerSideEncryptionRule", ""));
        assert!(!not_found(404, "NoSuchKey", ""));
        assert!(!not_found(403, "AccessDenied", "NoSuchBucket 404"));
        assert!(!not_found(403, "NoSuchBucket", ""));
    }
}
