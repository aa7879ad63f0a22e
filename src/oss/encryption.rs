//! The default encryption rule of a bucket, and its XML both ways.
//!
//! Rules: OSS API reference, `PutBucketEncryption` and `GetBucketEncryption`.

use std::fmt;

use quick_xml::escape::escape;

use super::xml::{Element, XmlError};

/// How OSS encrypts new objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SseAlgorithm {
    /// `AES256`: keys that OSS manages entirely (SSE-OSS).
    Aes256,
    /// `KMS`: keys of the Key Management Service (SSE-KMS).
    Kms,
    /// `SM4`: keys that OSS manages entirely, with the SM4 cipher.
    Sm4,
    /// An algorithm that a newer OSS may return, unchanged.
    Other(String),
}

impl SseAlgorithm {
    /// The value of the `SSEAlgorithm` element.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "KMS",
            Self::Sm4 => "SM4",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for SseAlgorithm {
    fn from(name: &str) -> Self {
        match name {
            "AES256" => Self::Aes256,
            "KMS" => Self::Kms,
            "SM4" => Self::Sm4,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for SseAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The default encryption of a bucket. `None` stands for an absent or empty element: OSS makes no
/// difference between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionRule {
    /// How new objects are encrypted.
    pub sse_algorithm: SseAlgorithm,
    /// The customer master key; none means the key that OSS manages. Only with `KMS`.
    pub kms_master_key_id: Option<String>,
    /// The cipher of the data keys, `SM4`; none means AES-256. Only with `KMS`.
    pub kms_data_encryption: Option<String>,
}

impl EncryptionRule {
    /// The body of `PutBucketEncryption`. Empty elements are left out, as the SDKs for Go and Java
    /// do; OSS takes any order.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let element = |name: &str, value: Option<&str>| match value {
            Some(value) if !value.is_empty() => format!("<{name}>{}</{name}>", escape(value)),
            _ => String::new(),
        };
        format!(
            "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>{}{}{}\
             </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>",
            element("SSEAlgorithm", Some(self.sse_algorithm.as_str())),
            element("KMSMasterKeyID", self.kms_master_key_id.as_deref()),
            element("KMSDataEncryption", self.kms_data_encryption.as_deref()),
        )
    }

    /// The values by element.
    pub(super) fn texts(&self) -> Vec<(&'static str, &str)> {
        let optional = [
            ("KMSMasterKeyID", &self.kms_master_key_id),
            ("KMSDataEncryption", &self.kms_data_encryption),
        ];
        let optional =
            optional.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        std::iter::once(("SSEAlgorithm", self.sse_algorithm.as_str())).chain(optional).collect()
    }

    /// Reads the body of `GetBucketEncryption`.
    ///
    /// # Errors
    ///
    /// Describes what is missing or malformed.
    pub fn from_xml(body: &[u8]) -> Result<Self, String> {
        let root = Element::parse(body).map_err(|error: XmlError| error.to_string())?;
        let rule = match root.name.as_str() {
            "ServerSideEncryptionRule" => root.child("ApplyServerSideEncryptionByDefault"),
            other => {
                return Err(format!(
                    "the body is not a <ServerSideEncryptionRule> but a <{other}>"
                ));
            }
        };
        let rule = rule.ok_or("the body has no <ApplyServerSideEncryptionByDefault>")?;
        let sse_algorithm =
            rule.child_text("SSEAlgorithm").ok_or("the body has no <SSEAlgorithm>")?;
        Ok(Self {
            sse_algorithm: SseAlgorithm::from(sse_algorithm.as_str()),
            kms_master_key_id: rule.child_text("KMSMasterKeyID"),
            // No page shows it, but it is what none means.
            kms_data_encryption: rule
                .child_text("KMSDataEncryption")
                .filter(|cipher| cipher != "AES256"),
        })
    }
}

impl EncryptionRule {
    /// A phrase for messages about a rule that OSS returned, with the whole key ID, unless it is that of the
    /// `configured` rule, which may be sensitive.
    #[must_use]
    pub fn describe(&self, configured: &Self) -> String {
        if self.kms_master_key_id == configured.kms_master_key_id {
            return self.to_string();
        }
        self.phrase(self.kms_master_key_id.as_deref())
    }

    fn phrase(&self, key: Option<&str>) -> String {
        let key = key.map(|key| format!("key {key}"));
        let cipher =
            self.kms_data_encryption.as_ref().map(|cipher| format!("{cipher} data encryption"));
        let parts: Vec<String> = key.into_iter().chain(cipher).collect();
        let algorithm = &self.sse_algorithm;
        if parts.is_empty() {
            algorithm.to_string()
        } else {
            format!("{algorithm} with {}", parts.join(" and "))
        }
    }
}

impl fmt::Display for EncryptionRule {
    /// A phrase for messages, for example `KMS with key 9468da86… and SM4 data encryption`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough to recognize it: the ID may come from a variable that is sensitive.
        let key = self.kms_master_key_id.as_deref().map(|key| match key.char_indices().nth(8) {
            Some((end, _)) => format!("{}…", key.get(..end).unwrap_or_default()),
            None => key.to_owned(),
        });
        formatter.write_str(&self.phrase(key.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(algorithm: &str, key: Option<&str>, cipher: Option<&str>) -> EncryptionRule {
        EncryptionRule {
            sse_algorithm: SseAlgorithm::from(algorithm),
            kms_master_key_id: key.map(str::to_owned),
            kms_data_encryption: cipher.map(str::to_owned),
        }
    }

    #[test]
    fn writes_what_the_sdk_for_go_writes() {
        assert_eq!(
            rule("AES256", None, None).to_xml(),
            "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
             </SSEAlgorithm></ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>",
        );
        assert_eq!(
            rule("KMS", Some("a<b&c"), Some("SM4")).to_xml(),
            "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>KMS\
             </SSEAlgorithm><KMSMasterKeyID>a&lt;b&amp;c</KMSMasterKeyID><KMSDataEncryption>SM4\
             </KMSDataEncryption></ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>",
        );
    }

    #[test]
    fn reads_back_what_it_writes() {
        for written in [
            rule("AES256", None, None),
            rule("SM4", None, None),
            rule("KMS", None, None),
            rule("KMS", Some("alias/<&>\"'"), None),
            rule("KMS", None, Some("SM4")),
            rule("KMS", Some("9468da86"), Some("SM4")),
            rule("NEW-CIPHER", None, None),
        ] {
            assert_eq!(EncryptionRule::from_xml(written.to_xml().as_bytes()), Ok(written));
        }
    }

    #[test]
    fn reads_empty_elements_as_absent() {
        let body = b"<?xml version=\"1.0\"?><ServerSideEncryptionRule>
            <ApplyServerSideEncryptionByDefault>
              <KMSDataEncryption/> <KMSMasterKeyID> </KMSMasterKeyID>
              <SSEAlgorithm>KMS</SSEAlgorithm> <New>1</New>
            </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";
        assert_eq!(EncryptionRule::from_xml(body), Ok(rule("KMS", None, None)));
    }

    #[test]
    fn the_error_describes_what_is_wrong_with_a_body() {
        for (body, expected) in [
            ("<html/>", "the body is not a <ServerSideEncryptionRule> but a <html>"),
            ("<ServerSideEncryptionRule/>", "the body has no <ApplyServerSideEncryptionByDefault>"),
            (
                "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault/>\
                 </ServerSideEncryptionRule>",
                "the body has no <SSEAlgorithm>",
            ),
        ] {
            assert_eq!(EncryptionRule::from_xml(body.as_bytes()), Err(expected.to_owned()));
        }
    }
}
