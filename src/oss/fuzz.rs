//! Fuzz targets of this module.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

pub(crate) use super::credentials::fuzz::{credentials_response, profile_file};

use std::time::Duration;

use url::Url;

use super::buckets::BucketPage;
use super::error::ErrorKind;
use super::retry::{RetryDecision, RetryPolicy, RetryState};
use super::service_error::{ServiceError, retry_after};
use super::timestamp::{format_http_date, parse_http_date, parse_iso8601};
use super::{AddressStyle, BucketName, EncryptionRule, Endpoint, EndpointType, Region};

/// The body of `GetBucketEncryption`: what is understood reads the same once it is written.
pub(crate) fn encryption_rule(data: &[u8]) {
    if let Ok(rule) = EncryptionRule::from_xml(data) {
        let written = rule.to_xml();
        assert_eq!(EncryptionRule::from_xml(written.as_bytes()).as_ref(), Ok(&rule), "{written}");
    }
}

/// The body of `ListBuckets`.
pub(crate) fn bucket_page(data: &[u8]) {
    let Ok(page) = BucketPage::from_xml(data) else { return };
    for bucket in page.buckets {
        for endpoint_type in [EndpointType::Public, EndpointType::Internal] {
            let Some(endpoint) = bucket.endpoints.get(endpoint_type) else { continue };
            let shown = endpoint.to_string();
            assert!(shown.starts_with("https://") && shown.ends_with(".aliyuncs.com"), "{shown}");
        }
    }
}

/// Error responses: whatever is in them, the texts that are shown are short and printable.
pub(crate) fn error_response(data: &[u8]) {
    let (header, body) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(0));
    let header = std::str::from_utf8(header).ok();
    let error = ServiceError::parse(403, |_| header.map(str::to_owned), body);
    let message = error.to_string();
    assert!(message.chars().count() < 10_000, "{} characters", message.chars().count());
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

/// Endpoints, buckets and regions: requests go only to the configured host.
pub(crate) fn endpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    assert!(Region::parse(text).is_err() || is_plain(text), "{text:?}");
    let bucket = BucketName::parse(text);
    assert!(bucket.is_err() || is_plain(&text.replace('_', "-")), "{text:?}");
    let bucket = bucket.or_else(|_| BucketName::parse("bucket")).expect("a good name");

    let Ok(endpoint) = Endpoint::parse(text) else { return };
    match Endpoint::parse_oss(text) {
        Ok(same) => assert_eq!(same, endpoint, "{text:?}"),
        // A region, or a part of a host.
        Err(_) => assert!(endpoint.domain().is_some_and(|host| !host.contains('.')), "{text:?}"),
    }
    if let Some((bucket, rest)) = endpoint.split_bucket() {
        let host = rest.domain().expect("a host of OSS is a domain");
        assert_eq!(endpoint.domain(), Some(format!("{bucket}.{host}").as_str()), "{text:?}");
        assert!(rest.region().is_some() || rest.is_acceleration(), "{text:?}");
    }
    assert_eq!(Endpoint::parse(&endpoint.to_string()).as_ref(), Ok(&endpoint), "{text:?}");
    let alone = Url::parse(&endpoint.to_string()).expect("an endpoint is a URL");
    let host = alone.host_str().expect("an endpoint has a host");
    for style in
        [AddressStyle::Auto, AddressStyle::Virtual, AddressStyle::Path, AddressStyle::Cname]
    {
        for bucket in [None, Some(&bucket)] {
            let url = endpoint.url(style, bucket, "encryption");
            // A host of digits and dots with a bucket in front is none.
            let Ok(url) = Url::parse(&url) else { continue };
            let under = bucket.map(|bucket| format!("{bucket}.{host}"));
            let contacted = url.host_str().expect("a URL has a host");
            assert!(contacted == host || Some(contacted) == under.as_deref(), "{text:?}: {url}");
            assert_eq!(
                (url.scheme(), url.port(), url.username(), url.password(), url.query()),
                (alone.scheme(), alone.port(), "", None, Some("encryption")),
                "{text:?}"
            );
        }
    }
}

/// Timestamps and `Retry-After` delays in responses: never so long that the deadline cannot be computed.
pub(crate) fn timestamp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = parse_iso8601("2026-11-23T08:00:00Z");
    let kind = ErrorKind::Service(Box::new(ServiceError {
        retry_after: retry_after(text, now),
        ..ServiceError::parse(503, |_| None, b"")
    }));
    let decision = RetryPolicy::default().decide(RetryState::default(), &kind, 1.0);
    assert!(
        matches!(decision, RetryDecision::Retry(wait) if wait <= Duration::from_hours(365 * 24)),
        "{decision:?}"
    );
    for time in [parse_http_date(text), parse_iso8601(text)].into_iter().flatten() {
        drop(format_http_date(time));
    }
}
