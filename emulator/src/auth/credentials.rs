//! Credentials that the emulator accepts.

use std::fmt;
use std::time::SystemTime;

use time::OffsetDateTime;

/// Permanent or temporary credentials that requests can be signed with.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) access_key_secret: String,
    token: Option<Token>,
}

/// The security token of temporary credentials.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) value: String,
    pub(crate) expires_at: Option<OffsetDateTime>,
}

impl Credentials {
    /// Creates a permanent AccessKey pair.
    #[must_use]
    pub fn new(access_key_id: &str, access_key_secret: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            access_key_secret: access_key_secret.to_owned(),
            token: None,
        }
    }

    /// Makes the credentials temporary: requests must contain this token, and are rejected after it
    /// expires.
    #[must_use]
    pub fn with_token(mut self, security_token: &str, expires_at: Option<SystemTime>) -> Self {
        let expires_at = expires_at.map(OffsetDateTime::from);
        self.token = Some(Token { value: security_token.to_owned(), expires_at });
        self
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Expires temporary credentials at once.
    pub(crate) fn expire(&mut self) {
        if let Some(token) = &mut self.token {
            token.expires_at = Some(OffsetDateTime::UNIX_EPOCH);
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("is_temporary", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let credentials =
            Credentials::new("LTAI5tFAKE", "the-secret").with_token("the-token", None);
        let shown = format!("{credentials:?}");
        assert!(shown.contains("LTAI5tFAKE"));
        assert!(!shown.contains("the-secret") && !shown.contains("the-token"), "{shown}");
    }
}
