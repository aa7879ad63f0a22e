//! Texts of servers, made safe for terminals and logs.
//!
//! Errors and log lines take such a text only as a [`ServerText`], and only a [`Sanitizer`] makes one from what a
//! server sent. Each HTTP client has a sanitizer of its own, to which every credential is added that the client sends
//! or receives.

use std::fmt;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret as _;

use super::credentials::Credentials;
use super::known_secrets::KnownSecrets;

/// Length of a text that is kept, in characters.
pub(super) const MAX_TEXT: usize = 1024;
/// Length of a body that is not an error response that is kept, in characters.
const MAX_SNIPPET: usize = 256;
/// What follows is never shown, so it is not read either: 16 times [`MAX_TEXT`], because a credential in it is
/// replaced by a shorter text.
const MAX_READ: usize = 16 * MAX_TEXT;
/// From the first of these on, a body that cannot be parsed may repeat what was signed.
const SECRET_MARKERS: [&str; 4] = ["stringtosign", "security-token", "authorization", "signature"];

/// A text of a server that can be printed: bounded, without control characters and without credentials.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ServerText(String);

impl ServerText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for ServerText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ServerText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl PartialEq<&str> for ServerText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// A text of the program itself, which is no secret.
impl From<&'static str> for ServerText {
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

/// Makes the texts of servers printable, and removes the credentials that were added to it.
#[derive(Default)]
pub(super) struct Sanitizer {
    known: Mutex<KnownSecrets>,
}

impl fmt::Debug for Sanitizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sanitizer").finish_non_exhaustive()
    }
}

impl Sanitizer {
    /// Learns credentials that are about to be sent, or were just received.
    pub(super) fn remember_credentials(&self, credentials: &Credentials) {
        self.remember("AccessKey ID", &credentials.access_key_id);
        self.remember("AccessKey secret", credentials.access_key_secret.expose_secret());
        if let Some(token) = &credentials.security_token {
            self.remember("security token", token.expose_secret());
        }
    }

    /// Learns another secret. `label` is shown in its place.
    pub(super) fn remember(&self, label: &'static str, secret: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(label, secret);
    }

    /// The printable form of a text.
    pub(super) fn text(&self, text: impl AsRef<str>) -> ServerText {
        self.bounded(text.as_ref(), MAX_TEXT)
    }

    /// The beginning of a body that is not what was expected, up to where it may repeat what was signed.
    pub(super) fn snippet(&self, body: &[u8]) -> ServerText {
        // A character takes up to four bytes.
        let start = String::from_utf8_lossy(body.get(..4 * MAX_READ).unwrap_or(body));
        // Only ASCII letters change, so positions stay the same.
        let lower = start.to_ascii_lowercase();
        let secret = SECRET_MARKERS.iter().filter_map(|marker| lower.find(marker)).min();
        let start = start.get(..secret.unwrap_or(start.len())).unwrap_or_default();
        match self.bounded(start, MAX_SNIPPET).trim() {
            "" => "the response has no body".into(),
            start => ServerText(start.to_owned()),
        }
    }

    /// Whether a text can be shown as it is.
    pub(super) fn is_printable(&self, text: &str) -> bool {
        self.text(text) == text
    }

    fn bounded(&self, text: &str, max_length: usize) -> ServerText {
        let printable = |c: char| if is_invisible(c) { ' ' } else { c };
        let text: String = text.chars().take(MAX_READ).map(printable).collect();
        // Credentials first: the beginning of one that is cut off would not be recognized.
        let text = self.known.lock().unwrap_or_else(PoisonError::into_inner).redact(&text);
        ServerText(text.chars().take(max_length).collect())
    }
}

/// Whether a character can change what a terminal shows of others: control characters, and those that hide text or
/// change its direction.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_printable() {
        let sanitizer = Sanitizer::default();
        assert_eq!(sanitizer.text("\u{1b}[31mred\u{7}\r\n"), " [31mred   ");
        assert_eq!(sanitizer.text("a\u{202e}b\u{200b}c"), "a b c");
        assert_eq!(sanitizer.text("ä".repeat(900_000)).chars().count(), MAX_TEXT);
        assert_eq!(sanitizer.snippet("ä".repeat(900_000).as_bytes()).chars().count(), MAX_SNIPPET);
        assert_eq!(sanitizer.snippet(b" \xff\x1b "), "\u{fffd}");
        assert_eq!(sanitizer.snippet(b" \r\n"), "the response has no body");
    }

    #[test]
    fn a_credential_at_the_bound_is_not_cut_into_a_part_that_is_shown() {
        let sanitizer = Sanitizer::default();
        let token = "0123456789abcdef".repeat(64);
        sanitizer.remember("security token", &token);
        for length in MAX_TEXT - 40..=MAX_TEXT + 1 {
            let text = format!("{}{token}", "x ".repeat(length / 2));
            let shown = sanitizer.text(text);
            assert!(!shown.contains("0123"), "{shown}");
        }
        // So many that what is read ends in the middle of one.
        let shown = sanitizer.text(format!("{token} ").repeat(64));
        assert!(!shown.contains("0123456789ab"), "{shown}");
    }

    #[test]
    fn a_body_is_shown_up_to_what_was_signed() {
        let sanitizer = Sanitizer::default();
        assert_eq!(sanitizer.snippet(b"proxy: Authorization: X"), "proxy:");
        assert_eq!(sanitizer.snippet(b"<Signature>X"), "<");
    }
}
