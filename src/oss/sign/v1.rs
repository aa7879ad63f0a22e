//! Signature V1: HMAC-SHA1 over method, date, `x-oss-` headers and the canonicalized resource.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::ExposeSecret as _;
use sha1::Sha1;

use crate::oss::timestamp::format_http_date;

use super::{
    SignableRequest, Signature, SigningContext, canonical_headers, find_header, header_lines, hmac,
};

/// Query names that are always signed (V2 SDK for Go, `signer/v1.go`).
const SUB_RESOURCES: [&str; 30] = [
    "acl",
    "append",
    "bucketInfo",
    "callback",
    "callback-var",
    "cloudboxes",
    "continuation-token",
    "delete",
    "location",
    "objectMeta",
    "partNumber",
    "position",
    "regionList",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "stat",
    "symlink",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];

pub(super) fn sign(request: &SignableRequest<'_>, context: &SigningContext<'_>) -> Signature {
    let credentials = context.credentials;
    let mut added = vec![("Date".to_owned(), format_http_date(context.time))];
    if let Some(token) = &credentials.security_token {
        added.push(("x-oss-security-token".to_owned(), token.expose_secret().to_owned()));
    }
    let string_to_sign = string_to_sign(request, &added);
    let mac = hmac::<Sha1>(
        credentials.access_key_secret.expose_secret().as_bytes(),
        string_to_sign.as_bytes(),
    );
    let signature = BASE64_STANDARD.encode(mac);
    let authorization = format!("OSS {}:{signature}", credentials.access_key_id);
    added.push(("Authorization".to_owned(), authorization.clone()));
    Signature { canonical_request: None, string_to_sign, signature, authorization, headers: added }
}

fn string_to_sign(request: &SignableRequest<'_>, added: &[(String, String)]) -> String {
    let headers = canonical_headers(
        request.headers.iter().chain(added).map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let value = |name| find_header(&headers, name).unwrap_or_default();
    // An explicit x-oss-date takes the date line, and is signed as an x-oss- header as well.
    let date = find_header(&headers, "x-oss-date").unwrap_or_else(|| value("date"));
    let oss_headers = header_lines(&headers, |name| name.starts_with("x-oss-"));
    format!(
        "{}\n{}\n{}\n{date}\n{oss_headers}{}",
        request.method,
        value("content-md5"),
        value("content-type"),
        canonicalized_resource(request),
    )
}

/// `/{bucket}/{key}` as it is, then the signed sub-resources with decoded values.
fn canonicalized_resource(request: &SignableRequest<'_>) -> String {
    let mut resource = match request.bucket {
        Some(bucket) => format!("/{bucket}/{}", request.object_key.unwrap_or_default()),
        None => "/".to_owned(),
    };
    let is_signed = |name: &str| {
        SUB_RESOURCES.contains(&name)
            || request.sub_resources.contains(&name)
            || name.starts_with("x-oss-")
    };
    let mut signed: Vec<&(String, String)> =
        request.query.iter().filter(|(name, _)| is_signed(name)).collect();
    signed.sort_by(|left, right| left.0.cmp(&right.0));
    for (index, (name, value)) in signed.into_iter().enumerate() {
        resource.push(if index == 0 { '?' } else { '&' });
        resource.push_str(name);
        if !value.is_empty() {
            resource.push('=');
            resource.push_str(value);
        }
    }
    resource
}
