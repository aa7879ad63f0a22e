//! Signature V4: HMAC-SHA256 over the canonical request, with a key derived for a day, a region and
//! a product.

use std::collections::BTreeMap;

use hmac::digest::InvalidLength;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::authorization::V4;
use super::{Credentials, SignatureCheck};
use crate::error::ServiceError;
use crate::percent::RESERVED;
use crate::request::Request;
use crate::timestamp;

/// The only payload hash that OSS accepts (EC 0002-00000214).
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The characters to encode in the path: as in the query, except slashes.
const PATH: &AsciiSet = &RESERVED.remove(b'/');

pub(super) fn check(
    request: &Request,
    resource: &str,
    authorization: &V4,
    credentials: &Credentials,
    time: OffsetDateTime,
) -> Result<SignatureCheck, ServiceError> {
    if request.header("x-oss-content-sha256").as_deref() != Some(UNSIGNED_PAYLOAD) {
        let message = "The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD.";
        return Err(ServiceError::invalid_argument(message).ec("0002-00000214"));
    }
    let canonical_request = canonical_request(request, resource, &authorization.additional_headers);
    let string_to_sign =
        string_to_sign(&timestamp::basic(time), &authorization.scope(), &canonical_request);
    let matches = matches(&credentials.access_key_secret, authorization, &string_to_sign);
    Ok(SignatureCheck {
        string_to_sign,
        canonical_request: Some(canonical_request),
        matches: matches.unwrap_or(false),
        ec: None,
    })
}

/// Method, path, query, headers, names of the additional headers, payload hash.
pub(super) fn canonical_request(
    request: &Request,
    resource: &str,
    additional_headers: &[String],
) -> String {
    let path = utf8_percent_encode(resource, PATH).to_string();
    let mut headers = String::new();
    for (name, value) in signed_headers(request, additional_headers) {
        headers.extend([name, ":", &value, "\n"]);
    }
    [
        &request.method,
        &path,
        &canonical_query(request),
        &headers,
        &additional_headers.join(";"),
        UNSIGNED_PAYLOAD,
    ]
    .join("\n")
}

pub(super) fn string_to_sign(datetime: &str, scope: &str, canonical_request: &str) -> String {
    let hash = hex(&Sha256::digest(canonical_request));
    ["OSS4-HMAC-SHA256", datetime, scope, &hash].join("\n")
}

/// All parameters, sorted by encoded name. An empty value is omitted with its `=`.
fn canonical_query(request: &Request) -> String {
    let encode = |text| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<(String, String)> =
        request.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    pairs.join("&")
}

/// Content-Type and Content-MD5 if present, every `x-oss-*`, and the additional headers, sorted.
fn signed_headers<'r>(
    request: &'r Request,
    additional_headers: &[String],
) -> BTreeMap<&'r str, String> {
    let is_signed = |name: &str| {
        matches!(name, "content-type" | "content-md5")
            || name.starts_with("x-oss-")
            || additional_headers.iter().any(|additional| additional == name)
    };
    request
        .headers
        .iter()
        .filter(|(name, _)| is_signed(name))
        .map(|(name, _)| (name.as_str(), request.header(name).unwrap_or_default()))
        .collect()
}

/// Derives the key from the scope and compares in constant time.
fn matches(secret: &str, authorization: &V4, string_to_sign: &str) -> Result<bool, InvalidLength> {
    let key = hmac(format!("aliyun_v4{secret}").as_bytes(), &authorization.date)?;
    let key = hmac(&key, &authorization.region)?;
    let key = hmac(&key, &authorization.product)?;
    let key = hmac(&key, "aliyun_v4_request")?;
    let mac = Hmac::<Sha256>::new_from_slice(&key)?.chain_update(string_to_sign);
    let signature = from_hex(&authorization.signature).unwrap_or_default();
    Ok(mac.verify_slice(&signature).is_ok())
}

fn hmac(key: &[u8], data: &str) -> Result<Vec<u8>, InvalidLength> {
    let mac = Hmac::<Sha256>::new_from_slice(key)?.chain_update(data);
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.concat()
}

/// Lowercase only: it is unknown whether OSS accepts more, because no SDK sends anything else.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}
