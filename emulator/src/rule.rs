//! A bucket's encryption rule: validation, and its XML.
//!
//! Follows the pages `PutBucketEncryption` and `GetBucketEncryption`, and what the live tests of the
//! official SDKs assert (oss2 `tests/test_bucket.py`, Java `BucketEncryptionTest`, Go
//! `TestBucketEncryption`).

use std::fmt;

use serde::Serialize;

use super::error::ServiceError;
use super::request::Request;
use super::xml::Element;

/// An encryption rule. `None` is an absent or empty element, which OSS does not distinguish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncryptionRule {
    /// `AES256`, `KMS` or `SM4` if it was set with a request; otherwise any text.
    pub sse_algorithm: String,
    /// ID of the customer master key (CMK); `None` for the default CMK.
    pub kms_master_key_id: Option<String>,
    /// `SM4`, or `None` for AES-256.
    pub kms_data_encryption: Option<String>,
}

impl EncryptionRule {
    /// Creates a rule with only an algorithm.
    #[must_use]
    pub fn new(sse_algorithm: &str) -> Self {
        Self {
            sse_algorithm: sse_algorithm.to_owned(),
            kms_master_key_id: None,
            kms_data_encryption: None,
        }
    }

    /// Parses and validates the body of `PutBucketEncryption`.
    pub(super) fn from_xml(body: &[u8]) -> Result<Self, ServiceError> {
        let root = Element::parse(body).ok_or_else(ServiceError::malformed_xml)?;
        let rule = Some(&root)
            .filter(|root| root.name == "ServerSideEncryptionRule")
            .and_then(|root| root.child("ApplyServerSideEncryptionByDefault"))
            .ok_or_else(ServiceError::malformed_xml)?;
        // Not confirmed: whether a missing SSEAlgorithm is a schema error or an algorithm error. The
        // page only says that the element is required.
        let algorithm = rule.child("SSEAlgorithm").ok_or_else(ServiceError::malformed_xml)?.text();
        let optional = |name| {
            rule.child(name).map(Element::text).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            sse_algorithm: algorithm.to_owned(),
            kms_master_key_id: optional("KMSMasterKeyID"),
            kms_data_encryption: optional("KMSDataEncryption"),
        }
        .checked()
    }

    /// Parses and validates the encryption headers of an upload (page `PutObject`), like a bucket's
    /// rule. Returns `None` if there are none.
    pub(super) fn from_headers(request: &Request) -> Result<Option<Self>, ServiceError> {
        let header = |name| request.header(name).filter(|value| !value.is_empty());
        let algorithm = header("x-oss-server-side-encryption");
        let kms_master_key_id = header("x-oss-server-side-encryption-key-id");
        let kms_data_encryption = header("x-oss-server-side-data-encryption");
        match algorithm {
            Some(sse_algorithm) => {
                Self { sse_algorithm, kms_master_key_id, kms_data_encryption }.checked().map(Some)
            }
            None if kms_master_key_id.is_none() && kms_data_encryption.is_none() => Ok(None),
            // Not confirmed: no page documents a key ID without an algorithm.
            None => Err(ServiceError::invalid_argument(
                "x-oss-server-side-encryption must be KMS if a key ID or a data encryption is set.",
            )),
        }
    }

    /// Returns the rule if OSS accepts it. The key ID itself is not checked: the SDKs' live tests set
    /// `123` and read it back.
    fn checked(self) -> Result<Self, ServiceError> {
        // Case-sensitive: the EC page says that other values are rejected.
        if !matches!(self.sse_algorithm.as_str(), "AES256" | "KMS" | "SM4") {
            let message = "The Encryption request you specified is not valid. Supported value: \
                           AES256/SM4/KMS.";
            return Err(ServiceError::new(400, "InvalidEncryptionAlgorithmError", message)
                .ec("0005-00000003"));
        }
        if self.kms_data_encryption.as_deref().is_some_and(|cipher| cipher != "SM4") {
            let message = "The KMS Data Encryption request you specified is not valid. Supported \
                           value:SM4";
            return Err(ServiceError::new(400, "InvalidDataEncryptionAlgorithmError", message)
                .ec("0005-00000203"));
        }
        let is_kms = self.sse_algorithm == "KMS";
        if self.kms_master_key_id.is_some() && !is_kms {
            let message =
                "KMSMasterKeyID is not applicable if the default sse algorithm is not KMS";
            return Err(ServiceError::invalid_argument(message).ec("0005-00000204"));
        }
        let has_control = |key: &String| key.contains(char::is_control);
        if self.kms_master_key_id.as_ref().is_some_and(has_control) {
            // Not confirmed, but such a key ID could not be sent in a response header.
            return Err(ServiceError::invalid_argument("KMSMasterKeyID is not valid."));
        }
        if self.kms_data_encryption.is_some() && !is_kms {
            // Not confirmed: the page says "valid only when KMS", but no source shows the error. OSS
            // may ignore the element instead. Clients must not rely on either.
            let message =
                "KMSDataEncryption is not applicable if the default sse algorithm is not KMS";
            return Err(ServiceError::invalid_argument(message));
        }
        Ok(self)
    }

    /// The body of `GetBucketEncryption`. Fields that are not set are absent, not empty (asserted by
    /// Java `BucketEncryptionTest` and the Node.js test).
    pub(super) fn to_xml(&self) -> Element {
        let mut rule = Element::new("ApplyServerSideEncryptionByDefault")
            .with(Element::of_text("SSEAlgorithm", &self.sse_algorithm));
        if let Some(key) = &self.kms_master_key_id {
            rule = rule.with(Element::of_text("KMSMasterKeyID", key));
        }
        if let Some(cipher) = &self.kms_data_encryption {
            rule = rule.with(Element::of_text("KMSDataEncryption", cipher));
        }
        Element::new("ServerSideEncryptionRule").with(rule)
    }
}

impl fmt::Display for EncryptionRule {
    /// Such as `KMS (key 9468…, data SM4)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sse_algorithm)?;
        let key = self.kms_master_key_id.as_deref().map(|key| match key.char_indices().nth(4) {
            Some((end, _)) => format!("key {}…", key.get(..end).unwrap_or_default()),
            None => format!("key {key}"),
        });
        let cipher = self.kms_data_encryption.as_deref().map(|cipher| format!("data {cipher}"));
        let more: Vec<String> = key.into_iter().chain(cipher).collect();
        if more.is_empty() { Ok(()) } else { write!(formatter, " ({})", more.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(inner: &str) -> Result<EncryptionRule, ServiceError> {
        let body = format!(
            "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>{inner}\
             </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>"
        );
        EncryptionRule::from_xml(body.as_bytes())
    }

    fn kms(key: Option<&str>, cipher: Option<&str>) -> EncryptionRule {
        EncryptionRule {
            kms_master_key_id: key.map(str::to_owned),
            kms_data_encryption: cipher.map(str::to_owned),
            ..EncryptionRule::new("KMS")
        }
    }

    #[test]
    fn accepts_what_the_sdks_send() {
        for (inner, expected) in [
            ("<SSEAlgorithm>AES256</SSEAlgorithm>", EncryptionRule::new("AES256")),
            ("<SSEAlgorithm>SM4</SSEAlgorithm>", EncryptionRule::new("SM4")),
            ("<SSEAlgorithm>KMS</SSEAlgorithm><KMSMasterKeyID/>", kms(None, None)),
            (
                "<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID></KMSMasterKeyID>",
                EncryptionRule::new("AES256"),
            ),
            (
                "<KMSMasterKeyID>123</KMSMasterKeyID><KMSDataEncryption>SM4</KMSDataEncryption>\
                 <SSEAlgorithm>KMS</SSEAlgorithm><Unknown/>",
                kms(Some("123"), Some("SM4")),
            ),
        ] {
            assert_eq!(parse(inner), Ok(expected), "{inner}");
        }
    }

    #[test]
    fn rejects_with_the_documented_codes() {
        let key = "<KMSMasterKeyID>k</KMSMasterKeyID>";
        for (inner, code, ec) in [
            (
                "<SSEAlgorithm>aes256</SSEAlgorithm>".to_owned(),
                "InvalidEncryptionAlgorithmError",
                Some("0005-00000003"),
            ),
            (
                "<SSEAlgorithm/>".to_owned(),
                "InvalidEncryptionAlgorithmError",
                Some("0005-00000003"),
            ),
            (
                "<SSEAlgorithm>KMS</SSEAlgorithm><KMSDataEncryption>AES256</KMSDataEncryption>"
                    .to_owned(),
                "InvalidDataEncryptionAlgorithmError",
                Some("0005-00000203"),
            ),
            (
                format!("<SSEAlgorithm>AES256</SSEAlgorithm>{key}"),
                "InvalidArgument",
                Some("0005-00000204"),
            ),
            (
                format!("<SSEAlgorithm>SM4</SSEAlgorithm>{key}"),
                "InvalidArgument",
                Some("0005-00000204"),
            ),
            (
                "<SSEAlgorithm>SM4</SSEAlgorithm><KMSDataEncryption>SM4</KMSDataEncryption>"
                    .to_owned(),
                "InvalidArgument",
                None,
            ),
            (String::new(), "MalformedXML", Some("0031-00000001")),
        ] {
            let error = parse(&inner).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, code), "{inner}");
            let response = error.to_response("", "");
            let found = response.headers.iter().find(|(name, _)| *name == "x-oss-ec");
            assert_eq!(found.map(|(_, value)| value.as_str()), ec, "{inner}");
        }
        for body in ["", "{}", "<A/>", "<ServerSideEncryptionRule/>", "<ServerSideEncryptionRule>"]
        {
            assert_eq!(EncryptionRule::from_xml(body.as_bytes()).unwrap_err().code, "MalformedXML");
        }
    }

    #[test]
    fn returns_only_fields_that_were_set() {
        let xml = |rule: EncryptionRule| String::from_utf8(rule.to_xml().to_document()).unwrap();
        assert!(!xml(EncryptionRule::new("AES256")).contains("KMS"));
        for rule in [EncryptionRule::new("SM4"), kms(None, Some("SM4")), kms(Some("a<&b"), None)] {
            assert_eq!(EncryptionRule::from_xml(xml(rule.clone()).as_bytes()), Ok(rule));
        }
    }

    #[test]
    fn is_displayed_with_a_shortened_key_id() {
        assert_eq!(
            kms(Some("9468da86-3509"), Some("SM4")).to_string(),
            "KMS (key 9468…, data SM4)"
        );
        assert_eq!(kms(Some("123"), None).to_string(), "KMS (key 123)");
        assert_eq!(EncryptionRule::new("AES256").to_string(), "AES256");
    }
}
