//! The value: an AccessKey pair with or without a security token. Pure.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use time::OffsetDateTime;

/// An AccessKey pair, which is temporary if it has a security token.
///
/// Secret and token are zeroized on drop and never shown by `Debug`.
#[derive(Clone)]
pub struct Credentials {
    /// The AccessKey ID. Not a secret, but shown only in part.
    pub access_key_id: String,
    /// The AccessKey secret, used as UTF-8 bytes.
    pub access_key_secret: SecretString,
    /// The security token of a temporary AccessKey pair.
    pub security_token: Option<SecretString>,
    /// When they expire; none for never or unknown.
    pub expiration: Option<OffsetDateTime>,
}

impl Credentials {
    /// Creates a permanent AccessKey pair.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            access_key_secret: SecretString::from(access_key_secret.into()),
            security_token: None,
            expiration: None,
        }
    }

    /// Sets the security token.
    #[must_use]
    pub fn with_security_token(mut self, security_token: impl Into<String>) -> Self {
        self.security_token = Some(SecretString::from(security_token.into()));
        self
    }

    /// Sets the expiration.
    #[must_use]
    pub fn with_expiration(mut self, expiration: OffsetDateTime) -> Self {
        self.expiration = Some(expiration);
        self
    }

    /// Checks that a temporary AccessKey pair has a token and a permanent one has none, by the first
    /// letters of the ID: OSS would only return that the ID does not exist.
    ///
    /// # Errors
    ///
    /// Which of the two does not fit.
    pub fn check_token(&self) -> Result<(), TokenMismatch> {
        match &self.security_token {
            None if self.is_temporary_id() => Err(TokenMismatch::Missing),
            Some(_) if self.access_key_id.starts_with("LTAI") => Err(TokenMismatch::Unexpected),
            _ => Ok(()),
        }
    }

    /// Whether STS issued the AccessKey ID.
    #[must_use]
    pub(in crate::oss) fn is_temporary_id(&self) -> bool {
        self.access_key_id.starts_with("STS.")
    }

    /// Whether both are the same credentials.
    pub(in crate::oss) fn matches(&self, other: &Self) -> bool {
        let token = |credentials: &Self| {
            credentials.security_token.as_ref().map(|token| token.expose_secret().to_owned())
        };
        self.access_key_id == other.access_key_id
            && self.access_key_secret.expose_secret() == other.access_key_secret.expose_secret()
            && token(self) == token(other)
    }

    /// Returns the first characters of the AccessKey ID, enough to recognize it.
    #[must_use]
    pub fn masked_access_key_id(&self) -> String {
        let shown: String = self.access_key_id.chars().take(8).collect();
        format!("{shown}…")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.masked_access_key_id())
            .field("temporary", &self.security_token.is_some())
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// Why an AccessKey ID and a security token do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenMismatch {
    /// A temporary AccessKey pair without its token.
    #[error(
        "an AccessKey ID that begins with STS. is temporary and needs its security token, which is not set"
    )]
    Missing,
    /// A permanent AccessKey pair with a token.
    #[error(
        "an AccessKey ID that begins with LTAI is permanent, but a security token, which belongs to \
         another AccessKey pair, is set"
    )]
    Unexpected,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials =
            Credentials::new("LTAI5tFAKEID", "the-secret").with_security_token("the-token");
        assert_eq!(credentials.check_token(), Err(TokenMismatch::Unexpected));
        let shown = format!("{credentials:?}");
        assert!(shown.contains("LTAI5tFA"), "{shown}");
        for secret in ["LTAI5tFAKEID", "the-secret", "the-token"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
