//! Access keys.

use std::fmt;

use secrecy::SecretString;

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
}

impl Credentials {
    /// A long-lived key pair.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            access_key_secret: SecretString::from(access_key_secret.into()),
            security_token: None,
        }
    }

    /// The same key pair with the token of its session.
    #[must_use]
    pub fn with_security_token(mut self, security_token: impl Into<String>) -> Self {
        self.security_token = Some(SecretString::from(security_token.into()));
        self
    }

    /// The first characters of the access key id, enough to recognise it.
    fn access_key_hint(&self) -> String {
        let shown: String = self.access_key_id.chars().take(8).collect();
        format!("{shown}…")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_hint())
            .field("temporary", &self.security_token.is_some())
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
        let shown = format!("{credentials:?}");
        assert!(shown.contains("LTAI5tFA"), "{shown}");
        for secret in ["LTAI5tFAKEID", "the-secret", "the-token"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
