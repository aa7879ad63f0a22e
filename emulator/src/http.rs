//! Converts hyper's requests and responses from and to the emulator's own types.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};

use super::error::ServiceError;
use super::request::{Request, parse_query};
use super::response::Response;

/// Larger request bodies are rejected.
const MAX_BODY: usize = 1024 * 1024;

/// The connection must be reset instead of sending a response.
#[derive(Debug)]
pub(super) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the connection is reset intentionally")
    }
}

impl std::error::Error for Reset {}

/// Reads a complete request, with a limit on its body.
pub(super) async fn read_request(
    request: hyper::Request<Incoming>,
) -> Result<Request, (Request, ServiceError)> {
    let (parts, body) = request.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<(String, String)> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    // A client that uses the emulator as its proxy sends the authority in the request line.
    let host = parts.headers.get("host").map(text);
    let host = host.or_else(|| parts.uri.authority().map(ToString::to_string)).unwrap_or_default();
    let mut request = Request {
        method: parts.method.to_string(),
        host,
        path: parts.uri.path().to_owned(),
        query: parse_query(parts.uri.query().unwrap_or_default()),
        headers,
        body: Vec::new(),
    };
    let too_large = || {
        let message = "The request body exceeds the emulator's limit.";
        ServiceError::new(400, "EntityTooLarge", message)
    };
    // A Content-Length above the limit is rejected without waiting for the body.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err((request, too_large()));
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            request.body = body.to_bytes().into();
            Ok(request)
        }
        Err(error) if error.is::<LengthLimitError>() => Err((request, too_large())),
        Err(_) => {
            let message = "You did not provide the number of bytes specified by the Content-Length \
                           HTTP header.";
            Err((request, ServiceError::new(400, "IncompleteBody", message)))
        }
    }
}

pub(super) fn to_hyper_response(
    response: Response,
    since: Instant,
    is_truncated: bool,
) -> hyper::Response<ResponseBody> {
    let Response { status, mut headers, body } = response;
    if headers.iter().any(|(name, _)| *name == "x-oss-request-id") {
        headers.push(("x-oss-server-time".into(), since.elapsed().as_millis().to_string()));
    }
    let mut response = hyper::Response::new(ResponseBody::new(body, is_truncated));
    // Only a fault can have an invalid status.
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        // Only a fault can have an invalid header value. The header is left out.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value))
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A body that may end before its `Content-Length`.
pub(super) struct ResponseBody {
    length: u64,
    rest: Bytes,
    truncation: Truncation,
}

#[derive(PartialEq, Eq)]
enum Truncation {
    No,
    /// The data was passed to the connection, which has not written it yet.
    Pending,
    Now,
}

impl ResponseBody {
    fn new(body: Vec<u8>, is_truncated: bool) -> Self {
        let mut rest = Bytes::from(body);
        let length = rest.len();
        if !is_truncated {
            return Self { length: length as u64, rest, truncation: Truncation::No };
        }
        rest.truncate(length / 2);
        Self { length: length.max(1) as u64, rest, truncation: Truncation::Pending }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        match self.truncation {
            Truncation::No => Poll::Ready(None),
            Truncation::Pending => {
                self.truncation = Truncation::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Truncation::Now => Poll::Ready(Some(Err(Reset))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.truncation == Truncation::No
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
