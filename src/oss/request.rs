//! A request before it is addressed and signed.

use std::fmt;

use percent_encoding::utf8_percent_encode;

use super::names::BucketName;
use super::sign::UNRESERVED;

/// The calls of the OSS API that this client makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Sets the bucket's default encryption.
    PutBucketEncryption,
    /// Reads the bucket's default encryption.
    GetBucketEncryption,
    /// Removes the bucket's default encryption.
    DeleteBucketEncryption,
    /// Lists the buckets of the account.
    ListBuckets,
}

impl Operation {
    /// The name in the API reference, e.g. `PutBucketEncryption`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PutBucketEncryption => "PutBucketEncryption",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::DeleteBucketEncryption => "DeleteBucketEncryption",
            Self::ListBuckets => "ListBuckets",
        }
    }

    /// The permission that a RAM policy must grant for it, e.g. `oss:PutBucketEncryption`.
    #[must_use]
    pub fn ram_action(self) -> String {
        format!("oss:{}", self.name())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What is to be sent: method, bucket, query, headers and body, all within the limits of OSS.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// `GET`, `PUT` or `DELETE`.
    pub(super) method: &'static str,
    /// None for calls on the account.
    pub(super) bucket: Option<BucketName>,
    /// Decoded names and values; an empty value stands for a name alone.
    pub(super) query: Vec<(String, String)>,
    /// V1: the query names that are signed though they are not among those that always are.
    pub(super) sub_resources: &'static [&'static str],
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The query as it stands in the URL.
    pub(super) fn encoded_query(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let pairs: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| match value.as_str() {
                "" => encode(name),
                value => format!("{}={}", encode(name), encode(value)),
            })
            .collect();
        pairs.join("&")
    }
}
