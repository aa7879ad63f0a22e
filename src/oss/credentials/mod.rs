//! Access keys, and where they come from.
//!
//! [`CredentialSource`] describes a place, `profile` turns a file into one, `sts` and `response` are the formats of
//! the services, `login` the sessions of people who logged in with the CLI: all pure. `fetch` asks them (with
//! `process` for programs and `renew` for logins), and `cache` keeps what came back until it has to be asked
//! again.

mod cache;
mod command_line;
mod error;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod insecure;
mod login;
mod process;
mod profile;
mod renew;
mod response;
mod source;
mod sts;
mod sts_endpoint;

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;

pub(super) use cache::{CredentialsCache, GetError};
pub use error::{CredentialServiceError, CredentialsError, CredentialsErrorKind, TokenMismatch};
pub(super) use fetch::profile_region;
pub use insecure::InsecureProfile;
pub use login::{Login, LoginMemory};
pub(super) use profile::CurrentProfiles;
pub use profile::{IniFile, Mode, ProfileError};
pub use source::{
    CredentialSource, CredentialsUri, EcsRole, LastResort, OidcRole, OidcToken, Profile, Role,
    RoleArn, RoleError, RoleSession, SourceDefaults,
};
pub use sts_endpoint::{StsConfig, StsEndpointError};

/// An access key pair, temporary when it has a security token.
///
/// The secret parts are wiped on drop and never shown by `Debug`.
#[derive(Clone)]
pub struct Credentials {
    /// The access key id. Not a secret, yet shown only in part.
    pub access_key_id: String,
    /// The access key secret, used as UTF-8 bytes.
    pub access_key_secret: SecretString,
    /// The STS token that belongs to a temporary key pair.
    pub security_token: Option<SecretString>,
    /// When the service stops taking them; none when that is never, or not known.
    pub expiration: Option<OffsetDateTime>,
}

impl Credentials {
    /// A long-lived key pair.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            access_key_secret: SecretString::from(access_key_secret.into()),
            security_token: None,
            expiration: None,
        }
    }

    /// The same key pair with the token of its session.
    #[must_use]
    pub fn with_security_token(mut self, security_token: impl Into<String>) -> Self {
        self.security_token = Some(SecretString::from(security_token.into()));
        self
    }

    /// The same key pair with the end of its session.
    #[must_use]
    pub fn with_expiration(mut self, expiration: OffsetDateTime) -> Self {
        self.expiration = Some(expiration);
        self
    }

    /// Checks that a temporary AccessKey pair has a token and a permanent one has none, by the first
    /// letters of the ID: OSS only says that the ID does not exist.
    pub fn check_token(&self) -> Result<(), TokenMismatch> {
        match &self.security_token {
            None if self.is_temporary_id() => Err(TokenMismatch::Missing),
            Some(_) if self.access_key_id.starts_with("LTAI") => Err(TokenMismatch::Unexpected),
            _ => Ok(()),
        }
    }

    /// Whether STS issued the AccessKey ID.
    #[must_use]
    pub(super) fn is_temporary_id(&self) -> bool {
        self.access_key_id.starts_with("STS.")
    }

    /// Whether it is the very same session.
    pub(super) fn matches(&self, other: &Self) -> bool {
        let token = |credentials: &Self| {
            credentials.security_token.as_ref().map(|token| token.expose_secret().to_owned())
        };
        self.access_key_id == other.access_key_id
            && self.access_key_secret.expose_secret() == other.access_key_secret.expose_secret()
            && token(self) == token(other)
    }

    /// The first characters of the access key id, enough to recognise it.
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
