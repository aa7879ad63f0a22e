//! Reading an error response.
//!
//! Source of the body's shape: OSS documentation, "Error responses". A `SignatureDoesNotMatch` body
//! repeats the string to sign, which can hold a security token: only the fields below are kept.

use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use time::OffsetDateTime;

use super::error_code::ErrorCode;
use super::sanitize::{Sanitizer, ServerText};
use super::timestamp::{parse_http_date, parse_iso8601};
use super::xml::Element;

/// An error response of OSS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The `Code` element; `BadErrorResponse` if the body has none, as in the V2 SDKs.
    pub code: ErrorCode,
    /// The `Message` element, or the beginning of a body that is not XML.
    pub message: ServerText,
    /// The request ID, for a support ticket.
    pub request_id: Option<ServerText>,
    /// The fine-grained error code, for diagnosis only: OSS may change it.
    pub ec: Option<ServerText>,
    /// A page of OSS about this error.
    pub recommend_doc: Option<ServerText>,
    /// The endpoint at which the bucket must be addressed.
    pub endpoint: Option<ServerText>,
    /// The delay before the next attempt, from `Retry-After`.
    pub retry_after: Option<Duration>,
    /// OSS's time: the `ServerTime` element, else the `Date` header.
    pub server_time: Option<OffsetDateTime>,
}

impl ServiceError {
    /// [`read`](Self::read) with no credentials in use.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn parse(status: u16, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Self {
        Self::read(status, header, body, &Sanitizer::default())
    }

    /// Reads an error response. `header` looks up a header by its lowercase name.
    pub(super) fn read(
        status: u16,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
        sanitizer: &Sanitizer,
    ) -> Self {
        // Without a body (HEAD, some 3xx and 4xx) the same XML comes in base64 in a header.
        let from_header =
            || header("x-oss-err").and_then(|value| BASE64_STANDARD.decode(value.trim()).ok());
        let body = match body {
            [] => from_header().unwrap_or_default(),
            body => body.to_vec(),
        };
        let root = Element::parse(&body).ok().filter(|root| root.name == "Error");
        let element = |name: &str| root.as_ref().and_then(|root| root.child_text(name));
        let text = |name: &str| element(name).map(|text| sanitizer.text(text));
        let from_header = |name: &str| header(name).map(|value| sanitizer.text(value));
        let date = header("date").as_deref().and_then(parse_http_date);
        let server_time = element("ServerTime").as_deref().and_then(parse_iso8601).or(date);
        Self {
            status,
            code: text("Code").map_or(ErrorCode::BadErrorResponse, ErrorCode::from),
            message: match &root {
                Some(_) => text("Message").unwrap_or_default(),
                None => sanitizer.snippet(&body),
            },
            request_id: text("RequestId").or_else(|| from_header("x-oss-request-id")),
            ec: text("EC").or_else(|| from_header("x-oss-ec")),
            recommend_doc: text("RecommendDoc"),
            endpoint: text("Endpoint"),
            retry_after: header("retry-after").and_then(|value| retry_after(&value, date)),
            server_time,
        }
    }
}

/// How the EC of an error begins that concerns the authentication of a request (pages "0002-…").
const AUTHENTICATION: &str = "0002-";

impl ServiceError {
    /// Whether any other request for the bucket would be rejected in the same way: the credentials, the signature, the
    /// account or the address are wrong, or the response is not from OSS. A missing permission concerns one operation only.
    #[must_use]
    pub fn rejects_every_request(&self) -> bool {
        let Self { code, .. } = self;
        code.is_about_credentials()
            || code.is_about_account()
            || code.is_about_bucket_or_address()
            || self.endpoint.is_some()
            || (*code == ErrorCode::BadErrorResponse && self.request_id.is_none())
            || self.ec.as_ref().is_some_and(|ec| ec.starts_with(AUTHENTICATION))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OSS returned {} {}: {}", self.status, self.code, self.message)?;
        match &self.request_id {
            Some(request_id) => write!(formatter, " (request ID {request_id})"),
            None => Ok(()),
        }
    }
}

/// The delay of a `Retry-After` header: seconds, or a date (RFC 9110), which is understood
/// by the clock of the server that sent it.
pub(super) fn retry_after(value: &str, server_time: Option<OffsetDateTime>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_http_date(value)?;
    // A date that has passed means no delay.
    Some(Duration::try_from(until - server_time?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oss::sanitize::MAX_TEXT;

    const NO_HEADERS: fn(&str) -> Option<String> = |_| None;

    #[test]
    fn keeps_the_fields_of_the_body() {
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
                code: ErrorCode::AccessDenied,
                message: "must be addressed using the specified endpoint".into(),
                request_id: Some("5C3D9175B6FC201293AD".into()),
                ec: Some("0003-00001403".into()),
                recommend_doc: Some("https://api.aliyun.com/troubleshoot?q=1".into()),
                endpoint: Some("oss-cn-shanghai.aliyuncs.com".into()),
                retry_after: None,
                server_time: None,
            }
        );
    }

    #[test]
    fn a_missing_permission_rejects_one_operation_only() {
        for (code, element, expected) in [
            ("AccessDenied", "", false),
            ("AccessDenied", "<EC>0003-00000001</EC>", false),
            ("AccessDenied", "<EC>0002-00000080</EC>", true),
            ("AccessDenied", "<Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint>", true),
            ("NoSuchBucket", "", false),
            ("SomethingNew", "", false),
            ("SignatureDoesNotMatch", "", true),
            ("UserDisable", "", true),
            ("BucketDisable", "", true),
            ("BadErrorResponse", "", true),
            ("BadErrorResponse", "<RequestId>5C3D9175B6FC201293AD</RequestId>", false),
        ] {
            let body = format!("<Error><Code>{code}</Code>{element}</Error>");
            let error = ServiceError::parse(403, NO_HEADERS, body.as_bytes());
            assert_eq!(error.rejects_every_request(), expected, "{body}");
        }
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
    fn texts_that_are_shown_are_bounded_and_printable() {
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
            (error.code, error.request_id.as_deref()),
            (ErrorCode::NoSuchBucket, Some("R1"))
        );
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn reads_the_time_of_oss() {
        let date =
            |name: &str| (name == "date").then(|| "Wed, 28 Dec 2022 10:27:41 GMT".to_owned());
        let body = b"<Error><ServerTime>2022-12-28T11:00:00.000Z</ServerTime></Error>";
        let unix_time = |body: &[u8]| {
            ServiceError::parse(403, date, body).server_time.map(OffsetDateTime::unix_timestamp)
        };
        assert_eq!(unix_time(body), Some(1_672_225_200), "the body takes precedence");
        assert_eq!(unix_time(b"<Error/>"), Some(1_672_223_261));
        assert_eq!(ServiceError::parse(403, NO_HEADERS, b"<Error/>").server_time, None);
    }

    #[test]
    fn keeps_the_beginning_of_what_is_not_xml() {
        let page = format!("<html><body>{}", "x".repeat(1000));
        let error = ServiceError::parse(502, NO_HEADERS, page.as_bytes());
        assert_eq!(error.code, ErrorCode::BadErrorResponse);
        assert_eq!(error.message.len(), 256);
        let error = ServiceError::parse(403, NO_HEADERS, b"");
        assert_eq!(error.message, "the response has no body");
    }

    #[test]
    fn reads_a_retry_after_of_both_forms() {
        let now = parse_http_date("Wed, 28 Dec 2022 10:00:00 GMT");
        for (value, server_time, expected) in [
            ("7", None, Some(7)),
            (" 7 ", now, Some(7)),
            ("Wed, 28 Dec 2022 10:00:30 GMT", now, Some(30)),
            ("Wed, 28 Dec 2022 09:00:00 GMT", now, Some(0)),
            ("Wed, 28 Dec 2022 10:00:30 GMT", None, None),
            ("-1", now, None),
            ("soon", now, None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(value, server_time), expected, "{value}");
        }
    }
}
