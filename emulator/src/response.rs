//! A response before it is serialized.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::timestamp;
use super::xml::Element;

/// Status, headers and body. The server adds length and framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// A response without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A response with an XML body.
    pub(super) fn xml(status: u16, body: &Element) -> Self {
        Self::raw(status, "application/xml", body.to_document())
    }

    /// A response with a JSON body.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::raw(status, "application/json;charset=utf-8", body.to_string().into_bytes())
    }

    /// A response with any body.
    pub(super) fn raw(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.to_owned())], body }
    }

    pub(super) fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the headers of every OSS response.
    pub(super) fn with_oss_headers(self, request_id: &str, now: OffsetDateTime) -> Self {
        self.header("Server", "AliyunOSS")
            .header("Date", timestamp::http_date(now))
            .header("x-oss-request-id", request_id)
    }
}
