//! Verifies the signature of a request, and its credentials, time and scope.
//!
//! Follows "Include signatures in the Authorization header" (V1) and "Include a V4 signature in the
//! Authorization header" of the OSS documentation, the EC pages 0002-000002xx, and the signers of
//! the official SDKs, which the tests use as vectors. The order of OSS's checks is not documented;
//! here: format, AccessKey ID, token, time, scope, signature.

mod authorization;
mod credentials;
mod v1;
mod v4;
#[cfg(test)]
pub(super) mod vectors;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use time::{Duration, OffsetDateTime};

pub(super) use authorization::Authorization;
pub use credentials::Credentials;

use super::error::ServiceError;
use super::request::Request;
use super::timestamp;

/// The maximum difference between a request's time and the server's (EC 0002-00000504).
const MAX_SKEW: Duration = Duration::minutes(15);

/// The region and product that a V4 signature must be made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) region: String,
    pub(super) product: &'static str,
}

/// The result of a signature check, with the stages for the error response.
struct SignatureCheck {
    string_to_sign: String,
    /// V4 only.
    canonical_request: Option<String>,
    matches: bool,
    ec: Option<&'static str>,
}

/// Verifies a signed request. `resource` is the canonical resource, which does not depend on the URL
/// style.
pub(super) fn verify(
    request: &Request,
    resource: &str,
    authorization: &Authorization,
    credentials: &BTreeMap<String, Credentials>,
    scope: &Scope,
    now: OffsetDateTime,
) -> Result<(), ServiceError> {
    let credentials = credentials
        .get(authorization.access_key_id())
        .ok_or_else(|| invalid_access_key_id(authorization.access_key_id()))?;
    check_token(request, credentials, now)?;
    let date = request.header("x-oss-date").or_else(|| request.header("date"));
    let time = date.as_deref().and_then(timestamp::parse).ok_or_else(|| {
        ServiceError::access_denied("OSS authentication requires a valid Date.").ec("0002-00000503")
    })?;
    let signed = match authorization {
        Authorization::V1(authorization) => {
            check_skew(time, now)?;
            v1::check(request, resource, authorization, credentials, &date.unwrap_or_default())
        }
        Authorization::V4(authorization) => {
            authorization.check_scope(scope, time)?;
            check_skew(time, now)?;
            v4::check(request, resource, authorization, credentials, time)?
        }
    };
    if signed.matches { Ok(()) } else { Err(signature_does_not_match(authorization, signed)) }
}

/// Compares the body with the `Content-MD5` header, if there is one.
pub(super) fn check_digest(request: &Request) -> Result<(), ServiceError> {
    let Some(claimed) = request.header("content-md5") else { return Ok(()) };
    if claimed == STANDARD.encode(Md5::digest(&request.body)) {
        return Ok(());
    }
    let message = "The Content-MD5 you specified was invalid.";
    Err(ServiceError::new(400, "InvalidDigest", message).detail("Content-MD5", claimed))
}

fn check_token(
    request: &Request,
    credentials: &Credentials,
    now: OffsetDateTime,
) -> Result<(), ServiceError> {
    let forbidden = |code, message| ServiceError::new(403, code, message);
    match (request.header("x-oss-security-token"), credentials.token()) {
        // Temporary credentials without their token, or permanent ones with any token.
        (None, Some(_)) => Err(invalid_access_key_id(&credentials.access_key_id)),
        (Some(_), None) => {
            Err(invalid_access_key_id(&credentials.access_key_id).ec("0002-00000002"))
        }
        (Some(sent), Some(token)) if sent != token.value => {
            Err(forbidden("InvalidSecurityToken", "The security token you provided is invalid."))
        }
        (Some(_), Some(token)) if token.expires_at.is_some_and(|expiry| expiry <= now) => {
            Err(forbidden("SecurityTokenExpired", "The security token you provided has expired."))
        }
        (None, None) | (Some(_), Some(_)) => Ok(()),
    }
}

fn check_skew(time: OffsetDateTime, now: OffsetDateTime) -> Result<(), ServiceError> {
    if (now - time).abs() <= MAX_SKEW {
        return Ok(());
    }
    let message = "The difference between the request time and the current time is too large.";
    Err(ServiceError::new(403, "RequestTimeTooSkewed", message)
        .ec("0002-00000504")
        .detail("MaxAllowedSkewMilliseconds", MAX_SKEW.whole_milliseconds().to_string())
        .detail("RequestTime", timestamp::extended(time))
        .detail("ServerTime", timestamp::extended(now)))
}

fn invalid_access_key_id(access_key_id: &str) -> ServiceError {
    let message = "The OSS Access Key Id you provided does not exist in our records.";
    ServiceError::new(403, "InvalidAccessKeyId", message).detail("OSSAccessKeyId", access_key_id)
}

/// OSS returns its string to sign, which contains the security token. Clients must not log this body.
fn signature_does_not_match(authorization: &Authorization, signed: SignatureCheck) -> ServiceError {
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    let bytes: Vec<String> =
        signed.string_to_sign.bytes().map(|byte| format!("{byte:02X}")).collect();
    let mut error = ServiceError::new(403, "SignatureDoesNotMatch", message)
        .detail("OSSAccessKeyId", authorization.access_key_id())
        .detail("SignatureProvided", authorization.signature())
        .detail("StringToSign", signed.string_to_sign)
        .detail("StringToSignBytes", bytes.join(" "));
    if let Some(canonical_request) = signed.canonical_request {
        error = error.detail("CanonicalRequest", canonical_request);
    }
    if let Some(ec) = signed.ec { error.ec(ec) } else { error }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration as StdDuration, SystemTime};

    use super::*;

    const NOW: i64 = 1_672_223_261;
    const TOKEN: &str = "CAISFakeToken";

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).unwrap()
    }

    fn request(headers: &[(&str, &str)], body: &str) -> Request {
        Request {
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    fn code(result: Result<(), ServiceError>) -> String {
        result.map_or_else(|error| error.code.into_owned(), |()| "accepted".to_owned())
    }

    #[test]
    fn tokens() {
        let permanent = Credentials::new("LTAI5tFAKE", "secret");
        let temporary = Credentials::new("STS.FAKE", "secret").with_token(TOKEN, None);
        let expires = |seconds: u64| {
            let expiry = SystemTime::UNIX_EPOCH + StdDuration::from_secs(seconds);
            Credentials::new("STS.FAKE", "secret").with_token(TOKEN, Some(expiry))
        };
        let none = request(&[], "");
        let right = request(&[("x-oss-security-token", TOKEN)], "");
        let wrong = request(&[("x-oss-security-token", "other")], "");
        for (request, credentials, expected) in [
            (&none, &permanent, "accepted"),
            (&right, &permanent, "InvalidAccessKeyId"),
            (&none, &temporary, "InvalidAccessKeyId"),
            (&right, &temporary, "accepted"),
            (&wrong, &temporary, "InvalidSecurityToken"),
            (&right, &expires(1_672_223_262), "accepted"),
            (&right, &expires(1_672_223_261), "SecurityTokenExpired"),
        ] {
            assert_eq!(code(check_token(request, credentials, now())), expected);
        }
    }

    #[test]
    fn a_clock_skew_of_15_minutes_is_tolerated() {
        for (seconds, expected) in [
            (0, "accepted"),
            (900, "accepted"),
            (-900, "accepted"),
            (901, "RequestTimeTooSkewed"),
            (-901, "RequestTimeTooSkewed"),
        ] {
            assert_eq!(code(check_skew(now() + Duration::seconds(seconds), now())), expected);
        }
        let error = check_skew(now() - Duration::HOUR, now()).unwrap_err();
        let body = String::from_utf8(error.to_response("", "").body).unwrap();
        for element in [
            "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
            "<RequestTime>2022-12-28T09:27:41.000Z</RequestTime>",
            "<ServerTime>2022-12-28T10:27:41.000Z</ServerTime>",
        ] {
            assert!(body.contains(element), "{body}");
        }
    }

    #[test]
    fn content_md5_must_be_the_bodys() {
        let empty = "1B2M2Y8AsgTpgAmY7PhCfg==";
        assert_eq!(code(check_digest(&request(&[], "any"))), "accepted");
        assert_eq!(code(check_digest(&request(&[("content-md5", empty)], ""))), "accepted");
        assert_eq!(code(check_digest(&request(&[("content-md5", empty)], "x"))), "InvalidDigest");
        assert_eq!(code(check_digest(&request(&[("content-md5", "?")], ""))), "InvalidDigest");
    }
}
