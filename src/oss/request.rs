//! A request before it is addressed and signed.

use std::fmt;

use super::names::BucketName;
use super::percent::{encode_pairs, join_query};

/// The operations of the OSS API that this client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Sets the bucket's default encryption.
    PutBucketEncryption,
    /// Reads the bucket's default encryption.
    GetBucketEncryption,
    /// Deletes the bucket's default encryption.
    DeleteBucketEncryption,
    /// Lists the buckets of the account.
    ListBuckets,
}

impl Operation {
    /// Returns the name in the API reference, for example `PutBucketEncryption`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PutBucketEncryption => "PutBucketEncryption",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::DeleteBucketEncryption => "DeleteBucketEncryption",
            Self::ListBuckets => "ListBuckets",
        }
    }

    /// Returns the RAM action that it requires, for example `oss:PutBucketEncryption`.
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

/// A request to OSS: method, bucket, query, headers and body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// `GET`, `PUT` or `DELETE`.
    pub(super) method: &'static str,
    /// `None` for operations on the account.
    pub(super) bucket: Option<BucketName>,
    /// Decoded names and values; a name with an empty value stands alone.
    pub(super) query: Vec<(String, String)>,
    /// V1: query names to sign in addition to those that are always signed.
    pub(super) sub_resources: &'static [&'static str],
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The query of the URL.
    pub(super) fn encoded_query(&self) -> String {
        join_query(&encode_pairs(&self.query))
    }
}
