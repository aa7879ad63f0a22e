//! The error codes of OSS that this client handles, and what each means for the request.
//!
//! Source: OSS documentation, "Error codes" and the pages on HTTP status codes 400, 403, 404, 409 and 503.

use std::fmt;

use super::sanitize::ServerText;

/// Defines [`ErrorCode`] with one variant for each code, named like it.
macro_rules! error_codes {
    ($($code:ident),+ $(,)?) => {
        /// The `Code` element of an error response.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the variants are named like the codes in the documentation of OSS")]
        pub enum ErrorCode {
            $($code,)+
            /// A code that this version does not know.
            Other(ServerText),
        }

        impl ErrorCode {
            /// The code as OSS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$code => stringify!($code),)+
                    Self::Other(code) => code,
                }
            }
        }

        impl From<ServerText> for ErrorCode {
            fn from(code: ServerText) -> Self {
                match code.as_str() {
                    $(stringify!($code) => Self::$code,)+
                    _ => Self::Other(code),
                }
            }
        }
    };
}

error_codes! {
    AbnormalBucketOwnerStatus,
    AccessDenied,
    AccessKeyIdAndSecurityTokenNotMatch,
    // Not a code of OSS: the V2 SDKs report it for a response without one.
    BadErrorResponse,
    BadRequest,
    BucketDisable,
    ConcurrentUpdateBucketFailed,
    InDebt,
    InDebtOverdue,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidBucketName,
    InvalidDataEncryptionAlgorithmError,
    InvalidEncryptionAlgorithmError,
    InvalidSecurityToken,
    KmsInDebt,
    KmsInDebtOverdue,
    KmsServiceNotEnabled,
    KmsUbsmsInvalidBid,
    MetaOperationQpsLimitExceeded,
    NoSuchBucket,
    NoSuchServerSideEncryptionRule,
    NonStandardHostForbidden,
    OperationAborted,
    PermanentRedirect,
    RequestTimeTooSkewed,
    RequestTimeout,
    SecondLevelDomainForbidden,
    SecurityTokenExpired,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    TemporaryRedirect,
    TotalQpsLimitExceeded,
    UbsmsInvalidBid,
    UserDisable,
}

impl ErrorCode {
    /// Whether the bucket or its encryption rule does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::NoSuchBucket | Self::NoSuchServerSideEncryptionRule)
    }

    /// Whether the same request may succeed later, whatever the HTTP status is.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::BadRequest | Self::MetaOperationQpsLimitExceeded | Self::RequestTimeout
        )
    }

    /// Whether OSS did not execute the request because of a rate limit.
    pub(super) fn is_throttling(&self) -> bool {
        matches!(self, Self::MetaOperationQpsLimitExceeded | Self::TotalQpsLimitExceeded)
    }

    /// Whether another change to the bucket was in progress. The same request succeeds once that is done.
    /// Other codes with status 409, such as `BucketAlreadyExists`, are final.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::ConcurrentUpdateBucketFailed | Self::OperationAborted => true,
            // The codes for settings that this version does not know.
            Self::Other(code) => code.starts_with("Concurrent"),
            _ => false,
        }
    }

    /// Whether the session of the credentials has ended, as far as OSS is concerned.
    pub(super) fn is_token_rejected(&self) -> bool {
        matches!(self, Self::SecurityTokenExpired | Self::InvalidSecurityToken)
    }

    /// Whether the credentials or the clock are wrong, so that requests to any bucket fail.
    pub(super) fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::InvalidAccessKeyId
                | Self::SignatureDoesNotMatch
                | Self::InvalidSecurityToken
                | Self::AccessKeyIdAndSecurityTokenNotMatch
                | Self::SecurityTokenExpired
                | Self::RequestTimeTooSkewed
        )
    }

    /// Whether OSS has suspended the caller's account, so that requests to any bucket fail.
    pub(super) fn is_about_account(&self) -> bool {
        matches!(self, Self::UserDisable | Self::InDebt | Self::InDebtOverdue)
    }

    /// Whether OSS serves the bucket to no user, or not at this address.
    pub(super) fn is_about_bucket_or_address(&self) -> bool {
        matches!(
            self,
            Self::AbnormalBucketOwnerStatus
                | Self::BucketDisable
                | Self::InvalidBucketName
                | Self::NonStandardHostForbidden
                | Self::PermanentRedirect
                | Self::SecondLevelDomainForbidden
                | Self::TemporaryRedirect
        )
    }
}

impl From<&'static str> for ErrorCode {
    fn from(code: &'static str) -> Self {
        ServerText::from(code).into()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_read() {
        for code in ["NoSuchBucket", "MetaOperationQpsLimitExceeded", "SomethingNew", ""] {
            assert_eq!(ErrorCode::from(code).as_str(), code);
        }
        assert_eq!(ErrorCode::from("NoSuchBucket"), ErrorCode::NoSuchBucket);
        assert_eq!(ErrorCode::from("nosuchbucket"), ErrorCode::Other("nosuchbucket".into()));
    }

    #[test]
    fn only_simultaneous_changes_are_conflicts() {
        for (code, expected) in [
            ("ConcurrentUpdateBucketFailed", true),
            ("ConcurrentUpdateBucketWormFailed", true),
            ("OperationAborted", true),
            ("BucketAlreadyExists", false),
            ("BucketNotEmpty", false),
            ("FileAlreadyExists", false),
            ("AccessDenied", false),
        ] {
            assert_eq!(ErrorCode::from(code).is_conflict(), expected, "{code}");
        }
    }
}
