//! The credentials that requests can be signed with: configured ones, and sessions that the emulator
//! issues.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::Credentials;

/// All known credentials.
#[derive(Debug, Default)]
pub(super) struct KeyStore {
    known: BTreeMap<String, Credentials>,
    /// The AccessKey IDs of the sessions.
    issued: BTreeSet<String>,
    /// Duration of new sessions, instead of the requested one.
    pub(super) session_seconds: Option<u64>,
}

/// Temporary credentials that were just issued. No `Debug`, because they are secret.
pub(super) struct Session {
    pub(super) access_key_id: String,
    pub(super) access_key_secret: String,
    pub(super) security_token: String,
    pub(super) expires_at: OffsetDateTime,
}

impl KeyStore {
    /// Adds credentials, or replaces those with the same AccessKey ID.
    pub(super) fn add(&mut self, credentials: Credentials) {
        self.known.insert(credentials.access_key_id.clone(), credentials);
    }

    /// All credentials by AccessKey ID.
    pub(super) fn known(&self) -> &BTreeMap<String, Credentials> {
        &self.known
    }

    /// All secrets and tokens.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.known.values().flat_map(|credentials| {
            let secret = Some(credentials.access_key_secret.clone());
            [secret, credentials.token().map(|token| token.value.clone())].into_iter().flatten()
        })
    }

    /// Issues credentials for a session. They are derived from the request ID, which is random, so
    /// this function stays pure.
    pub(super) fn issue_session(
        &mut self,
        request_id: &str,
        seconds: u64,
        now: OffsetDateTime,
    ) -> Session {
        let serial = self.issued.len();
        let seed = format!("{request_id} {serial}");
        let seconds = self.session_seconds.unwrap_or(seconds);
        let session = Session {
            access_key_id: format!("STS.NU{request_id}{serial}"),
            access_key_secret: URL_SAFE_NO_PAD.encode(derive("secret", &seed)),
            // Real tokens are base64 and much longer. These always contain the three characters that
            // clients must encode in a query or a form.
            security_token: format!("CAIS+/{}", STANDARD.encode(derive("token", &seed))),
            expires_at: after(now, seconds),
        };
        let credentials = Credentials::new(&session.access_key_id, &session.access_key_secret)
            .with_token(&session.security_token, Some(session.expires_at.into()));
        self.issued.insert(session.access_key_id.clone());
        self.add(credentials);
        session
    }

    /// Expires all sessions.
    pub(super) fn expire_sessions(&mut self) {
        for id in &self.issued {
            if let Some(credentials) = self.known.get_mut(id) {
                credentials.expire();
            }
        }
    }
}

/// Derives bytes that cannot be predicted without the seed.
pub(super) fn derive(purpose: &str, seed: &str) -> Vec<u8> {
    Sha256::digest(format!("{purpose} {seed}")).to_vec()
}

/// Adds seconds. The result has no fraction of a second, as in responses.
pub(super) fn after(now: OffsetDateTime, seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let timestamp = now.unix_timestamp().saturating_add(seconds);
    OffsetDateTime::from_unix_timestamp(timestamp).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(keys: &KeyStore, session: &Session) -> OffsetDateTime {
        keys.known()[&session.access_key_id].token().unwrap().expires_at.unwrap()
    }

    #[test]
    fn sessions_are_known_unique_and_expire() {
        let now = OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap();
        let mut keys = KeyStore::default();
        keys.add(Credentials::new("LTAI5tFAKE", "secret"));
        let (one, two) = (keys.issue_session("ID", 900, now), keys.issue_session("ID", 60, now));
        assert_ne!(one.access_key_id, two.access_key_id);
        assert_ne!(one.access_key_secret, two.access_key_secret);
        assert_ne!(one.security_token, two.security_token);
        assert_ne!(keys.issue_session("OTHER", 60, now).security_token, two.security_token);
        assert!(one.access_key_id.starts_with("STS."), "{}", one.access_key_id);
        assert!(['+', '/', '='].iter().all(|c| one.security_token.contains(*c)));
        assert_eq!(one.expires_at, now + time::Duration::seconds(900));
        assert_eq!(expiry(&keys, &one), one.expires_at);
        assert_eq!(expiry(&keys, &two), now + time::Duration::seconds(60));
        keys.expire_sessions();
        assert!(expiry(&keys, &one) < now && expiry(&keys, &two) < now);
        assert!(
            keys.known()["LTAI5tFAKE"].token().is_none(),
            "permanent credentials do not expire"
        );
    }

    #[test]
    fn the_session_duration_can_be_overridden() {
        let now = OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap();
        let mut keys = KeyStore { session_seconds: Some(2), ..KeyStore::default() };
        assert_eq!(keys.issue_session("ID", 900, now).expires_at, now + time::Duration::seconds(2));
        keys.session_seconds = None;
        assert_eq!(
            keys.issue_session("ID", 900, now).expires_at,
            now + time::Duration::seconds(900)
        );
        keys.session_seconds = Some(u64::MAX);
        assert_eq!(keys.issue_session("ID", 900, now).expires_at, now, "beyond the calendar");
    }
}
