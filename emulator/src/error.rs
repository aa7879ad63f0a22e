//! Error responses of OSS: status, code, message, EC, and their XML body.
//!
//! Follows the error pages of the OSS documentation ("Error responses", the EC pages under
//! `api.aliyun.com/troubleshoot`). Messages that are not documented are the emulator's own; clients
//! must not parse messages anyway.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::response::Response;
use super::xml::Element;

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceError {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    pub(super) ec: Option<Cow<'static, str>>,
    details: Vec<(&'static str, String)>,
    // Not a `String`: the type is the error of many functions, and larger than 128 bytes with one.
    retry_after: Option<Box<str>>,
}

impl ServiceError {
    pub(super) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            ec: None,
            details: Vec::new(),
            retry_after: None,
        }
    }

    /// A 400 `InvalidArgument`.
    pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    /// A 403 `AccessDenied`.
    pub(super) fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    /// A 400 `MalformedXML` (EC 0031-00000001).
    pub(super) fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our \
                       published schema.";
        Self::new(400, "MalformedXML", message).ec("0031-00000001")
    }

    /// A 404 `NoSuchBucket` (EC 0015-00000101).
    pub(super) fn no_such_bucket(bucket: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist.")
            .ec("0015-00000101")
            .detail("BucketName", bucket)
    }

    /// A 404 `NoSuchKey` (EC 0026-00000001).
    pub(super) fn no_such_key(key: &str) -> Self {
        Self::new(404, "NoSuchKey", "The specified key does not exist.")
            .ec("0026-00000001")
            .detail("Key", key)
    }

    /// Adds the EC, a number that identifies the failed check.
    pub(super) fn ec(mut self, ec: impl Into<Cow<'static, str>>) -> Self {
        self.ec = Some(ec.into());
        self
    }

    /// Adds an element to the body.
    pub(super) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Sets the `Retry-After` header: seconds or a date.
    pub(super) fn retry_after(mut self, value: Option<String>) -> Self {
        self.retry_after = value.map(String::into_boxed_str);
        self
    }

    /// The response to the request with this ID and host.
    pub(super) fn to_response(&self, request_id: &str, host_id: &str) -> Response {
        let mut body = Element::new("Error")
            .with(Element::of_text("Code", &self.code))
            .with(Element::of_text("Message", &self.message))
            .with(Element::of_text("RequestId", request_id))
            .with(Element::of_text("HostId", host_id));
        for (name, value) in &self.details {
            body = body.with(Element::of_text(name, value));
        }
        if let Some(ec) = &self.ec {
            let page = format!("https://api.aliyun.com/troubleshoot?q={ec}");
            body =
                body.with(Element::of_text("EC", ec)).with(Element::of_text("RecommendDoc", &page));
        }
        let mut response = Response::xml(self.status, &body);
        if let Some(ec) = self.ec.as_deref() {
            response = response.header("x-oss-ec", ec);
        }
        self.with_retry_after(response)
    }

    /// The response to `HEAD`, which has no body: the XML is base64-encoded in a header.
    pub(super) fn to_bodiless_response(&self, request_id: &str, host_id: &str) -> Response {
        let Response { status, headers, body } = self.to_response(request_id, host_id);
        let headers = headers.into_iter().filter(|(name, _)| name != "Content-Type").collect();
        Response { status, headers, body: Vec::new() }.header("x-oss-err", STANDARD.encode(body))
    }

    /// Adds this error's `Retry-After` header to a response in another format.
    pub(super) fn with_retry_after(&self, response: Response) -> Response {
        match &self.retry_after {
            Some(value) => response.header("Retry-After", &**value),
            None => response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_matches_the_documentation() {
        let error = ServiceError::no_such_bucket("test");
        let response =
            error.to_response("5C3D9175B6FC201293AD0000", "test.oss-cn-hangzhou.aliyuncs.com");
        assert_eq!(response.status, 404);
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code>\
             <Message>The specified bucket does not exist.</Message>\
             <RequestId>5C3D9175B6FC201293AD0000</RequestId>\
             <HostId>test.oss-cn-hangzhou.aliyuncs.com</HostId><BucketName>test</BucketName>\
             <EC>0015-00000101</EC>\
             <RecommendDoc>https://api.aliyun.com/troubleshoot?q=0015-00000101</RecommendDoc></Error>"
        );
        assert!(response.headers.contains(&("x-oss-ec".into(), "0015-00000101".to_owned())));
    }
}
