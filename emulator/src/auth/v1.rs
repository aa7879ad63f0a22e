//! Signature V1: HMAC-SHA1 over a few headers and the signed sub-resources.

use std::collections::BTreeMap;

use super::authorization::V1;
use super::{Credentials, SignatureCheck};
use crate::hmac_sha1::verify_hmac_sha1;
use crate::request::Request;

/// The query parameters that are signed in addition to `x-oss-*`, from oss2 2.19 and the Go SDK V1.
/// Others, such as `prefix` of `ListBuckets`, are not signed.
const SUB_RESOURCES: &[&str] = &[
    "accessPoint",
    "accessPointPolicy",
    "acl",
    "append",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "bucketInfo",
    "callback",
    "callback-var",
    "cloudboxes",
    "cname",
    "comp",
    "continuation-token",
    "cors",
    "delete",
    "encryption",
    "endTime",
    "group",
    "httpsConfig",
    "inventory",
    "inventoryId",
    "lifecycle",
    "link",
    "live",
    "location",
    "logging",
    "metaQuery",
    "objectInfo",
    "objectMeta",
    "partNumber",
    "policy",
    "position",
    "publicAccessBlock",
    "qos",
    "qosInfo",
    "qosRequester",
    "redundancyTransition",
    "referer",
    "regionList",
    "replication",
    "replicationLocation",
    "replicationProgress",
    "requestPayment",
    "requesterQosInfo",
    "resourceGroup",
    "resourcePool",
    "resourcePoolBuckets",
    "resourcePoolInfo",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "transferAcceleration",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vod",
    "website",
    "worm",
    "wormExtend",
    "wormId",
];

pub(super) fn check(
    request: &Request,
    resource: &str,
    authorization: &V1,
    credentials: &Credentials,
    date: &str,
) -> SignatureCheck {
    let string_to_sign = string_to_sign(request, resource, date);
    let secret = credentials.access_key_secret.as_bytes();
    let matches = verify_hmac_sha1(secret, &string_to_sign, &authorization.signature);
    SignatureCheck { string_to_sign, canonical_request: None, matches, ec: Some("0002-00000040") }
}

/// `date` is the value of `x-oss-date`, or else of `Date`.
pub(super) fn string_to_sign(request: &Request, resource: &str, date: &str) -> String {
    let header = |name| request.header(name).unwrap_or_default();
    let mut text =
        [&request.method, &header("content-md5"), &header("content-type"), date, ""].join("\n");
    let oss_headers: BTreeMap<&str, String> = request
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-oss-"))
        .map(|(name, _)| (name.as_str(), header(name)))
        .collect();
    for (name, value) in oss_headers {
        text.extend([name, ":", &value, "\n"]);
    }
    text.push_str(resource);
    let mut signed: Vec<&(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| SUB_RESOURCES.contains(&name.as_str()) || name.starts_with("x-oss-"))
        .collect();
    signed.sort();
    for (index, (name, value)) in signed.into_iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.extend(["=", value]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::parse_query;

    #[test]
    fn only_known_sub_resources_are_signed_sorted_and_decoded() {
        let query = parse_query("x-oss-process=b&prefix=p&versionId=1%2B2&acl&max-keys=1");
        let request = Request { method: "GET".to_owned(), query, ..Request::default() };
        assert_eq!(
            string_to_sign(&request, "/demo/", "DATE"),
            "GET\n\n\nDATE\n/demo/?acl&versionId=1+2&x-oss-process=b"
        );
    }
}
