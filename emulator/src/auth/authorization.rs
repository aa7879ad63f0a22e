//! Parses the `Authorization` header of both signature versions.
//!
//! Follows the EC pages 0002-00000202 to 0002-00000214 (V4) and 0002-00000062 (V1), which do not
//! show OSS's messages.

use time::OffsetDateTime;

use super::Scope;
use crate::error::ServiceError;
use crate::request::Request;
use crate::timestamp;

/// A well-formed `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authorization {
    V1(V1),
    V4(V4),
}

/// `OSS {access key id}:{signature}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V1 {
    pub(super) access_key_id: String,
    pub(super) signature: String,
}

/// `OSS4-HMAC-SHA256 Credential={access key id}/{scope}[,AdditionalHeaders=a;b],Signature={hex}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V4 {
    pub(super) access_key_id: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) product: String,
    /// In lowercase and sorted, as they are signed.
    pub(super) additional_headers: Vec<String>,
    pub(super) signature: String,
}

impl Authorization {
    /// Parses the header of a request. Anonymous requests, which have none, are rejected.
    pub(crate) fn of(request: &Request) -> Result<Self, ServiceError> {
        let header = request.header("authorization").ok_or_else(|| {
            if request.has_query("x-oss-signature") || request.has_query("Signature") {
                let message = "The emulator does not implement presigned URLs.";
                return ServiceError::new(400, "NotImplemented", message);
            }
            ServiceError::access_denied("Anonymous access is forbidden for this operation.")
        })?;
        match header.split_once(' ') {
            Some(("OSS", rest)) => V1::parse(rest).map(Self::V1),
            Some(("OSS4-HMAC-SHA256", rest)) => V4::parse(rest).map(Self::V4),
            _ => Err(malformed("it begins with neither OSS nor OSS4-HMAC-SHA256")),
        }
    }

    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::V1(_) => "v1",
            Self::V4(_) => "v4",
        }
    }

    pub(crate) fn access_key_id(&self) -> &str {
        match self {
            Self::V1(authorization) => &authorization.access_key_id,
            Self::V4(authorization) => &authorization.access_key_id,
        }
    }

    pub(super) fn signature(&self) -> &str {
        match self {
            Self::V1(authorization) => &authorization.signature,
            Self::V4(authorization) => &authorization.signature,
        }
    }
}

impl V1 {
    fn parse(text: &str) -> Result<Self, ServiceError> {
        match text.split_once(':') {
            Some((id, signature)) if !id.is_empty() && !signature.is_empty() => {
                Ok(Self { access_key_id: id.to_owned(), signature: signature.to_owned() })
            }
            _ => Err(malformed("it is not OSS id:signature").ec("0002-00000062")),
        }
    }
}

impl V4 {
    /// Fields come in any order, separated by a comma with or without a space: the V2 SDKs send no
    /// space, oss2 sends one and puts `AdditionalHeaders` last.
    fn parse(text: &str) -> Result<Self, ServiceError> {
        let (mut credential, mut additional_headers, mut signature) = (None, None, None);
        for field in text.split(',') {
            let (name, value) = field
                .trim()
                .split_once('=')
                .ok_or_else(|| malformed("a field has no equals sign").ec("0002-00000203"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "AdditionalHeaders" => &mut additional_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed("a field is unknown").ec("0002-00000204")),
            };
            if slot.replace(value).is_some() {
                return Err(malformed("a field is repeated").ec("0002-00000202"));
            }
        }
        let (Some(credential), Some(signature)) = (credential, signature) else {
            return Err(malformed("Credential or Signature is missing").ec("0002-00000202"));
        };
        let parts: Vec<&str> = credential.split('/').collect();
        let [id, date, region, product, "aliyun_v4_request"] = parts.as_slice() else {
            return Err(malformed("Credential is not id/date/region/product/aliyun_v4_request")
                .ec("0002-00000213"));
        };
        Ok(Self {
            access_key_id: (*id).to_owned(),
            date: (*date).to_owned(),
            region: (*region).to_owned(),
            product: (*product).to_owned(),
            additional_headers: parse_additional_headers(additional_headers)?,
            signature: signature.to_owned(),
        })
    }

    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/aliyun_v4_request", self.date, self.region, self.product)
    }

    /// Checks the signing scope and date. The error for the region is the one in the SDKs' live tests
    /// (Go V2 `client_integration_test.go`); those for product and date are guesses.
    pub(super) fn check_scope(
        &self,
        scope: &Scope,
        time: OffsetDateTime,
    ) -> Result<(), ServiceError> {
        if self.region != scope.region {
            let message = "Invalid signing region in Authorization header.";
            return Err(ServiceError::invalid_argument(message).ec("0002-00000226"));
        }
        if self.product != scope.product {
            return Err(malformed("it is signed for another product"));
        }
        if timestamp::basic(time).get(..8) != Some(&self.date) {
            return Err(malformed("its date is not that of the request"));
        }
        Ok(())
    }
}

/// An empty field and an empty item have different errors (EC 0002-00000209, -210).
fn parse_additional_headers(field: Option<&str>) -> Result<Vec<String>, ServiceError> {
    let Some(field) = field else { return Ok(Vec::new()) };
    if field.is_empty() {
        return Err(malformed("AdditionalHeaders is empty").ec("0002-00000209"));
    }
    let mut names: Vec<String> = field.split(';').map(str::to_ascii_lowercase).collect();
    if names.iter().any(String::is_empty) {
        return Err(malformed("AdditionalHeaders has an empty item").ec("0002-00000210"));
    }
    names.sort();
    Ok(names)
}

fn malformed(why: &str) -> ServiceError {
    ServiceError::invalid_argument(format!("The Authorization header is invalid: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<Authorization, ServiceError> {
        let headers = vec![("authorization".to_owned(), header.to_owned())];
        Authorization::of(&Request { headers, ..Request::default() })
    }

    #[test]
    fn v4_fields_in_any_order_and_spacing() {
        let expected = Authorization::V4(V4 {
            access_key_id: "AK".to_owned(),
            date: "20221228".to_owned(),
            region: "cn-hangzhou".to_owned(),
            product: "oss".to_owned(),
            additional_headers: vec!["content-length".to_owned(), "host".to_owned()],
            signature: "00".to_owned(),
        });
        let credential = "Credential=AK/20221228/cn-hangzhou/oss/aliyun_v4_request";
        for header in [
            format!(
                "OSS4-HMAC-SHA256 {credential},AdditionalHeaders=content-length;host,Signature=00"
            ),
            format!(
                "OSS4-HMAC-SHA256 {credential}, Signature=00, AdditionalHeaders=Host;content-length"
            ),
        ] {
            assert_eq!(parse(&header), Ok(expected.clone()), "{header}");
        }
    }

    #[test]
    fn malformed_headers_have_specific_error_codes() {
        let credential = "Credential=AK/20221228/cn-hangzhou/oss/aliyun_v4_request";
        for (header, ec) in [
            ("OSS4-HMAC-SHA256 Signature=00".to_owned(), Some("0002-00000202")),
            (
                format!("OSS4-HMAC-SHA256 {credential},{credential},Signature=00"),
                Some("0002-00000202"),
            ),
            ("OSS4-HMAC-SHA256 CredentialAK,Signature=00".to_owned(), Some("0002-00000203")),
            (
                format!("OSS4-HMAC-SHA256 {credential},Signature=00,Unknown=1"),
                Some("0002-00000204"),
            ),
            (
                format!("OSS4-HMAC-SHA256 {credential},AdditionalHeaders=,Signature=00"),
                Some("0002-00000209"),
            ),
            (
                format!("OSS4-HMAC-SHA256 {credential},AdditionalHeaders=a;;b,Signature=00"),
                Some("0002-00000210"),
            ),
            (
                "OSS4-HMAC-SHA256 Credential=AK/20221228/cn-hangzhou/oss/abc,Signature=00"
                    .to_owned(),
                Some("0002-00000213"),
            ),
            (
                "OSS4-HMAC-SHA256 Credential=AK/20221228/cn-hangzhou,Signature=00".to_owned(),
                Some("0002-00000213"),
            ),
            ("OSS AK".to_owned(), Some("0002-00000062")),
            ("Bearer x".to_owned(), None),
            ("OSS".to_owned(), None),
        ] {
            let error = parse(&header).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, "InvalidArgument"), "{header}");
            assert_eq!(error.ec.as_deref(), ec, "{header}");
        }
    }

    #[test]
    fn a_request_without_the_header_is_denied() {
        let error = Authorization::of(&Request::default()).unwrap_err();
        assert_eq!((error.status, &*error.code), (403, "AccessDenied"));
    }
}
