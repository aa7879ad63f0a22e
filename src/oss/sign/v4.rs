//! Signature V4: `OSS4-HMAC-SHA256` with a key derived for one day, region and product.

use percent_encoding::{AsciiSet, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest as _, Sha256};

use crate::oss::percent::{UNRESERVED, encode_pairs, join_query};
use crate::oss::timestamp::{format_compact, format_http_date};

use super::{SignableRequest, Signature, SigningContext, canonical_headers, header_lines, hmac};

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
/// The official SDKs sign this literal instead of a hash: TLS and Content-MD5 protect the body.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

pub(super) fn sign(request: &SignableRequest<'_>, context: &SigningContext<'_>) -> Signature {
    let SigningContext { credentials, time, region, product } = context;
    let (date, time_of_day) = format_compact(*time);
    let datetime = format!("{date}T{time_of_day}Z");
    let scope = format!("{date}/{region}/{product}/aliyun_v4_request");

    let mut added = vec![
        ("Date".to_owned(), format_http_date(*time)),
        ("x-oss-content-sha256".to_owned(), UNSIGNED_PAYLOAD.to_owned()),
        ("x-oss-date".to_owned(), datetime.clone()),
    ];
    if let Some(token) = &credentials.security_token {
        added.push(("x-oss-security-token".to_owned(), token.expose_secret().to_owned()));
    }

    let headers = canonical_headers(
        request.headers.iter().chain(&added).map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let additional = additional_headers(request, &headers);
    let canonical_request = canonical_request(request, &headers, &additional);
    let digest = hex(&Sha256::digest(canonical_request.as_bytes()));
    let string_to_sign = format!("{ALGORITHM}\n{datetime}\n{scope}\n{digest}");

    let secret = format!("aliyun_v4{}", credentials.access_key_secret.expose_secret());
    let signing_key = [date.as_str(), region, product, "aliyun_v4_request"]
        .iter()
        .fold(Zeroizing::new(secret.into_bytes()), |key, part| {
            Zeroizing::new(hmac::<Sha256>(&key, part.as_bytes()))
        });
    let signature = hex(&hmac::<Sha256>(&signing_key, string_to_sign.as_bytes()));

    // OSS rejects an empty field.
    let additional_field = match additional.join(";") {
        names if names.is_empty() => String::new(),
        names => format!(",AdditionalHeaders={names}"),
    };
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}{additional_field},Signature={signature}",
        credentials.access_key_id,
    );
    added.push(("Authorization".to_owned(), authorization.clone()));
    Signature {
        canonical_request: Some(canonical_request),
        string_to_sign,
        signature,
        authorization,
        headers: added,
    }
}

fn is_always_signed(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

/// The additional headers that are present and not always signed: lowercase, sorted, without duplicates.
fn additional_headers(request: &SignableRequest<'_>, headers: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<String> = request
        .additional_headers
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| !is_always_signed(name))
        .filter(|name| headers.iter().any(|(present, _)| present == name))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn canonical_request(
    request: &SignableRequest<'_>,
    headers: &[(String, String)],
    additional: &[String],
) -> String {
    let signed_headers = header_lines(headers, |name| {
        is_always_signed(name) || additional.iter().any(|additional| additional == name)
    });
    format!(
        "{}\n{}\n{}\n{signed_headers}\n{}\n{UNSIGNED_PAYLOAD}",
        request.method,
        canonical_uri(request),
        canonical_query(request.query),
        additional.join(";"),
    )
}

fn canonical_uri(request: &SignableRequest<'_>) -> String {
    let path = match request.bucket {
        Some(bucket) => format!("/{bucket}/{}", request.object_key.unwrap_or_default()),
        None => "/".to_owned(),
    };
    utf8_percent_encode(&path, PATH).to_string()
}

/// All parameters, encoded and sorted by encoded name.
fn canonical_query(query: &[(String, String)]) -> String {
    let mut pairs = encode_pairs(query);
    pairs.sort();
    join_query(&pairs)
}

fn hex(bytes: &[u8]) -> String {
    // Called for each request; a formatter is slow.
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
