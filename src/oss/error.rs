//! What can go wrong with a call, named by what the caller can do about it.
//!
//! Source of the body's shape: OSS documentation, "Error responses". A `SignatureDoesNotMatch` body
//! repeats the string to sign, which can hold a security token: only the fields below are kept.

use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use thiserror::Error;
use time::OffsetDateTime;

use super::credentials::CredentialsError;
use super::endpoint::Endpoint;
use super::names::{BucketName, Region};
use super::request::Operation;
use super::retry::retry_after;
use super::timestamp::{parse_http_date, parse_iso8601};
use super::xml::Element;

/// How much of a body that is not XML is kept, in bytes.
const MAX_SNIPPET: usize = 256;
/// How much of an element's text is kept, in characters.
const MAX_TEXT: usize = 1024;
/// From the first of these on, a body that cannot be parsed may repeat what was signed.
const SECRET_MARKERS: [&str; 4] = ["stringtosign", "security-token", "authorization", "signature"];

/// A call that did not succeed: what was attempted, and why it failed in the end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{operation}{} failed: {kind}", bucket.as_ref().map(|bucket| format!(" of bucket {bucket}")).unwrap_or_default())]
pub struct Error {
    /// What was attempted.
    pub operation: Operation,
    /// On which bucket; none for calls on the account.
    pub bucket: Option<BucketName>,
    /// How often it was tried; 0 when nothing was sent.
    pub attempts: u32,
    /// Scheme, host and port that it was sent to.
    pub endpoint: String,
    /// The region it was signed for.
    pub region: String,
    /// Where the access key came from, as a phrase; empty when there was none.
    pub credentials_origin: String,
    /// How far OSS's clock is ahead of the machine's, in seconds; none when OSS told no time.
    pub clock_skew_seconds: Option<i64>,
    /// Whether OSS may have carried it out all the same: an attempt was sent whose end is unknown.
    pub may_have_taken_effect: bool,
    /// Why it failed.
    pub kind: ErrorKind,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ErrorKind {
    /// OSS answered with an error.
    #[error("{0}")]
    Service(Box<ServiceError>),
    /// There was no whole answer.
    #[error("{0}")]
    Transport(TransportError),
    /// A successful status with a body that is not what the call answers.
    #[error("the answer could not be understood: {0}")]
    UnexpectedResponse(String),
    /// No source of access keys is configured.
    #[error("no credentials are configured")]
    NoCredentials,
    /// The source gave no access key.
    #[error("{0}")]
    Credentials(Box<CredentialsError>),
    /// Neither the call nor the client names a region, and the signature needs one.
    #[error("no region is configured")]
    NoRegion,
    /// The profile that was to name the region could not be read.
    #[error("no region is configured, and {} names none: {}", .0.origin, .0.kind)]
    RegionFromProfile(Box<CredentialsError>),
    /// The deadline passed; the last failure before it, if there was one.
    #[error("the time limit passed{}", last.as_ref().map(|last| format!("; last failure: {last}")).unwrap_or_default())]
    DeadlineExceeded {
        /// What the last attempt ended with.
        last: Option<Box<ErrorKind>>,
    },
    /// The caller asked to stop.
    #[error("the call was cancelled")]
    Cancelled,
}

/// An error that OSS answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The `Code` element; `BadErrorResponse` when the body had none, as in the V2 SDKs.
    pub code: String,
    /// The `Message` element, or the beginning of a body that is not XML.
    pub message: String,
    /// The request id, for a support ticket.
    pub request_id: Option<String>,
    /// The fine-grained error code, for diagnosis only: OSS may change it.
    pub ec: Option<String>,
    /// A page of OSS about this error.
    pub recommend_doc: Option<String>,
    /// The endpoint that OSS says the bucket must be addressed at.
    pub endpoint: Option<String>,
    /// How long OSS asks to wait, from `Retry-After`.
    pub retry_after: Option<Duration>,
    /// OSS's time: the `ServerTime` element, else the `Date` header.
    pub server_time: Option<OffsetDateTime>,
}

impl ServiceError {
    /// Reads an error answer. `header` looks up a header by its lower-case name.
    pub(super) fn parse(status: u16, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Self {
        // Without a body (HEAD, some 3xx and 4xx) the same XML comes in base64 in a header.
        let from_header =
            || header("x-oss-err").and_then(|value| BASE64_STANDARD.decode(value.trim()).ok());
        let body = match body {
            [] => from_header().unwrap_or_default(),
            body => body.to_vec(),
        };
        let root = Element::parse(&body).ok().filter(|root| root.name == "Error");
        let text = |name: &str| root.as_ref().and_then(|root| root.child_text(name)).map(sanitize);
        let date = header("date").as_deref().and_then(parse_http_date);
        let server_time = text("ServerTime").as_deref().and_then(parse_iso8601).or(date);
        Self {
            status,
            code: text("Code").unwrap_or_else(|| "BadErrorResponse".to_owned()),
            message: match &root {
                Some(_) => text("Message").unwrap_or_default(),
                None => body_snippet(&body),
            },
            request_id: text("RequestId").or_else(|| header("x-oss-request-id").map(sanitize)),
            ec: text("EC").or_else(|| header("x-oss-ec").map(sanitize)),
            recommend_doc: text("RecommendDoc"),
            endpoint: text("Endpoint"),
            retry_after: header("retry-after").and_then(|value| retry_after(&value, date)),
            server_time,
        }
    }
}

/// A text of the answer as it may stand on a terminal: bounded, without control characters.
pub(super) fn sanitize(text: impl AsRef<str>) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.as_ref().chars().take(MAX_TEXT).map(printable).collect()
}

/// The beginning of a body that is not an error of OSS.
fn body_snippet(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..MAX_SNIPPET).unwrap_or(body)).into_owned();
    // Only ASCII letters change, so positions stay the same.
    let lower = start.to_ascii_lowercase();
    let secret = SECRET_MARKERS.iter().filter_map(|marker| lower.find(marker)).min();
    let start = sanitize(start.get(..secret.unwrap_or(start.len())).unwrap_or_default());
    match start.trim() {
        "" => "the answer had no body".to_owned(),
        start => start.to_owned(),
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OSS answered {} {}: {}", self.status, self.code, self.message)?;
        match &self.request_id {
            Some(request_id) => write!(formatter, " (request id {request_id})"),
            None => Ok(()),
        }
    }
}

/// Why there was no whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No connection: name resolution, refused, unreachable.
    #[error("no connection could be made: {0}")]
    Connect(String),
    /// The proxy could not be connected to, or opened no tunnel to the other side.
    #[error("the proxy opened no way to the other side: {0}")]
    Proxy(String),
    /// The certificate or the TLS handshake was refused, before anything was sent; trying again
    /// does not help.
    #[error("no trusted connection could be made: {0}")]
    Tls(String),
    /// No answer within the connection's time limits.
    #[error("no answer came in time: {0}")]
    Timeout(String),
    /// The connection broke, or the body ended early.
    #[error("the connection broke: {0}")]
    Interrupted(String),
    /// The body is larger than any answer of these calls.
    #[error("the answer was larger than {0} bytes")]
    BodyTooLarge(usize),
    /// The HTTP client could not be set up.
    #[error("no connection could be prepared: {0}")]
    ClientSetup(String),
    /// What was to be sent makes no HTTP request.
    #[error("the request could not be made: {0}")]
    InvalidRequest(String),
}

impl TransportError {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_connect() || matches!(self, Self::Timeout(_) | Self::Interrupted(_))
    }

    /// Whether nobody could be connected to.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Proxy(_))
    }
}

impl ErrorKind {
    /// The time of the server that answered, if it told one.
    pub(super) fn server_time(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Service(service) => service.server_time,
            Self::Credentials(error) => error.kind.server_time(),
            _ => None,
        }
    }

    /// Who answered, for messages.
    pub(super) fn server_name(&self) -> &str {
        match self {
            Self::Credentials(error) => error.kind.server(),
            _ => "OSS",
        }
    }

    /// Whether an attempt that ended like this may have been carried out.
    pub(super) fn outcome_unknown(&self) -> bool {
        match self {
            Self::Service(service) => service.status >= 500 || service.status == 408,
            // An attempt that was cut off may have been connecting still; that is not known.
            Self::Transport(transport) => !matches!(
                transport,
                TransportError::Connect(_)
                    | TransportError::Proxy(_)
                    | TransportError::Tls(_)
                    | TransportError::ClientSetup(_)
                    | TransportError::InvalidRequest(_)
            ),
            Self::UnexpectedResponse(_) | Self::DeadlineExceeded { .. } | Self::Cancelled => true,
            Self::NoCredentials
            | Self::Credentials(_)
            | Self::NoRegion
            | Self::RegionFromProfile(_) => false,
        }
    }
}

impl Error {
    /// What OSS answered, if it answered: also behind a passed deadline.
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

    /// Whether the next call, about whatever bucket, would most likely fail the same way: it was stopped, or
    /// something is wrong with the keys, the clock or the configuration, and not with the bucket.
    #[must_use]
    pub fn affects_all_buckets(&self) -> bool {
        match &self.kind {
            ErrorKind::Service(service) => matches!(
                service.code.as_str(),
                "InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "InvalidSecurityToken"
                    | "AccessKeyIdAndSecurityTokenNotMatch"
                    | "SecurityTokenExpired"
                    | "RequestTimeTooSkewed"
            ),
            ErrorKind::NoCredentials
            | ErrorKind::Credentials(_)
            | ErrorKind::NoRegion
            | ErrorKind::RegionFromProfile(_)
            | ErrorKind::Cancelled => true,
            ErrorKind::DeadlineExceeded { last } => {
                matches!(last.as_deref(), Some(ErrorKind::Credentials(_)))
            }
            ErrorKind::Transport(transport) => {
                matches!(transport, TransportError::ClientSetup(_))
            }
            ErrorKind::UnexpectedResponse(_) => false,
        }
    }

    /// Whether nobody answered for OSS: the next call to the same endpoint would wait as long.
    #[must_use]
    pub fn is_unresponsive(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport(transport) => transport.is_transient(),
            ErrorKind::DeadlineExceeded { .. } => self.service_error().is_none(),
            _ => false,
        }
    }

    /// The region that OSS says the bucket is in, where it answered that it is not in the one that was
    /// asked.
    #[must_use]
    pub fn redirect_region(&self) -> Option<Region> {
        let endpoint = self.service_error()?.endpoint.as_deref()?;
        Endpoint::parse(endpoint).ok()?.region()
    }

    /// Whether OSS said that there is no rule, or no bucket. Only status and `Code` decide.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(&self.kind, ErrorKind::Service(service) if service.status == 404
            && matches!(service.code.as_str(), "NoSuchBucket" | "NoSuchServerSideEncryptionRule"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HEADERS: fn(&str) -> Option<String> = |_| None;

    #[test]
    fn keeps_what_oss_said() {
        let body = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code>
            <Message>must be addressed using the specified endpoint</Message>
            <RequestId>5C3D9175B6FC201293AD</RequestId><HostId>h</HostId><Bucket>demo</Bucket>
            <Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint><EC>0003-00001403</EC>
            <RecommendDoc>https://api.aliyun.com/troubleshoot?q=1</RecommendDoc></Error>";
        let error = ServiceError::parse(403, NO_HEADERS, body);
        assert_eq!(
            error,
            ServiceError {
                status: 403,
                code: "AccessDenied".to_owned(),
                message: "must be addressed using the specified endpoint".to_owned(),
                request_id: Some("5C3D9175B6FC201293AD".to_owned()),
                ec: Some("0003-00001403".to_owned()),
                recommend_doc: Some("https://api.aliyun.com/troubleshoot?q=1".to_owned()),
                endpoint: Some("oss-cn-shanghai.aliyuncs.com".to_owned()),
                retry_after: None,
                server_time: None,
            }
        );
    }

    #[test]
    fn never_keeps_the_string_to_sign() {
        for body in [
            "<Error><Code>SignatureDoesNotMatch</Code><Message>m</Message>
             <StringToSign>x-oss-security-token:TOKEN</StringToSign></Error>",
            // Cut off, and not well-formed.
            "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>PUT\nTOKEN",
            "<Error><bad><stringtosign>TOKEN</Error>",
            "x-oss-Security-Token: TOKEN",
            "proxy log: Authorization: OSS4-HMAC-SHA256 TOKEN",
        ] {
            let error = ServiceError::parse(403, NO_HEADERS, body.as_bytes());
            assert!(!format!("{error:?} {error}").contains("TOKEN"), "{error}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded_and_printable() {
        let body = format!(
            "<Error><Code>\u{1b}[31mX</Code><Message>{}</Message></Error>",
            "y".repeat(9999)
        );
        let error =
            ServiceError::parse(400, NO_HEADERS, body.replace('\u{1b}', "&#x1b;").as_bytes());
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        assert_eq!(error.message.len(), MAX_TEXT);
        let error = ServiceError::parse(400, NO_HEADERS, b"not \x1b[31mXML");
        assert_eq!(error.message, "not  [31mXML");
    }

    #[test]
    fn reads_the_error_header_when_there_is_no_body() {
        let header = |name: &str| match name {
            "x-oss-err" => Some(BASE64_STANDARD.encode("<Error><Code>NoSuchBucket</Code></Error>")),
            "x-oss-request-id" => Some("R1".to_owned()),
            "retry-after" => Some("7".to_owned()),
            _ => None,
        };
        let error = ServiceError::parse(404, header, b"");
        assert_eq!(
            (error.code.as_str(), error.request_id.as_deref()),
            ("NoSuchBucket", Some("R1"))
        );
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn knows_the_time_of_oss() {
        let date =
            |name: &str| (name == "date").then(|| "Wed, 28 Dec 2022 10:27:41 GMT".to_owned());
        let body = b"<Error><ServerTime>2022-12-28T11:00:00.000Z</ServerTime></Error>";
        let unix_time = |body: &[u8]| {
            ServiceError::parse(403, date, body).server_time.map(OffsetDateTime::unix_timestamp)
        };
        assert_eq!(unix_time(body), Some(1_672_225_200), "the body knows better");
        assert_eq!(unix_time(b"<Error/>"), Some(1_672_223_261));
        assert_eq!(ServiceError::parse(403, NO_HEADERS, b"<Error/>").server_time, None);
    }

    #[test]
    fn keeps_the_beginning_of_what_is_not_xml() {
        let page = format!("<html><body>{}", "x".repeat(1000));
        let error = ServiceError::parse(502, NO_HEADERS, page.as_bytes());
        assert_eq!(error.code, "BadErrorResponse");
        assert_eq!(error.message.len(), MAX_SNIPPET);
        let error = ServiceError::parse(403, NO_HEADERS, b"");
        assert_eq!(error.message, "the answer had no body");
    }

    #[test]
    fn what_was_not_clearly_refused_may_have_been_done() {
        let service = |status| {
            ErrorKind::Service(Box::new(ServiceError::parse(status, NO_HEADERS, b"<Error/>")))
        };
        let text = String::new;
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
            (ErrorKind::Transport(TransportError::ClientSetup(text())), false),
            (ErrorKind::Transport(TransportError::InvalidRequest(text())), false),
        ] {
            assert_eq!(kind.outcome_unknown(), expected, "{kind:?}");
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
                region: String::new(),
                credentials_origin: String::new(),
                clock_skew_seconds: None,
                may_have_taken_effect: false,
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
