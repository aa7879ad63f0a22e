//! Finds credentials in a text, however they are encoded, without keeping them.
//!
//! Of each secret only hashes of fragments are kept: of every twelve characters in a row, and of the last twelve. Any
//! text that repeats the secret, or 23 characters of it, contains such a fragment. A text is searched as it is and
//! with its escapes decoded (percent-encoding, JSON, character references of HTML, also one in another), in upper and
//! lower case, and for the Base64 form at every alignment.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::zeroize::Zeroizing;

/// Length of a fragment, in bytes; a shorter secret is one fragment.
const FRAGMENT: usize = 12;
/// Secrets that are shorter are words, as test environments use them; replacing them would garble messages.
const MIN_SECRET: usize = 8;
/// How many secrets are kept; sessions replace each other for as long as the process runs.
const MAX_SECRETS: usize = 32;
/// What an escape begins with.
const ESCAPES: &[u8] = b"%\\&";
/// How many escapes may be around each other.
const MAX_DECODINGS: usize = 3;

/// The secrets that are known, the one that was used last at the end.
#[derive(Default)]
pub(super) struct KnownSecrets {
    hasher: RandomState,
    secrets: VecDeque<Vec<(u64, Fragment)>>,
    /// The fragments of all secrets by hash.
    fragments: HashMap<u64, Fragment>,
    /// The lengths that fragments have.
    lengths: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fragment {
    label: &'static str,
    length: usize,
    is_start: bool,
    is_end: bool,
}

/// A byte of a decoded text, and where it is in the original: from `start` up to `end`.
#[derive(Clone, Copy)]
struct Decoded {
    byte: u8,
    start: usize,
    end: usize,
}

impl KnownSecrets {
    /// Adds a secret. `label` replaces it in texts.
    pub(super) fn add(&mut self, label: &'static str, secret: &str) {
        if secret.len() < MIN_SECRET {
            return;
        }
        let mut fragments = self.split(label, secret.as_bytes());
        for offset in 0..3 {
            let aligned = secret.as_bytes().get(offset..).unwrap_or_default();
            // The last characters of an incomplete group depend on what follows.
            let groups = aligned.get(..aligned.len() - aligned.len() % 3).unwrap_or_default();
            let encoded = Zeroizing::new(BASE64_STANDARD.encode(groups));
            if encoded.len() >= FRAGMENT {
                fragments.extend(self.split(label, encoded.as_bytes()).into_iter().map(
                    |(hash, fragment)| {
                        (hash, Fragment { is_start: false, is_end: false, ..fragment })
                    },
                ));
            }
        }
        match self.secrets.iter().position(|known| *known == fragments) {
            Some(known) => drop(self.secrets.remove(known)),
            None if self.secrets.len() == MAX_SECRETS => drop(self.secrets.pop_front()),
            None => {}
        }
        self.secrets.push_back(fragments);
        self.fragments = self.secrets.iter().flatten().copied().collect();
        self.lengths = self.fragments.values().map(|fragment| fragment.length).collect();
        self.lengths.sort_unstable();
        self.lengths.dedup();
    }

    fn split(&self, label: &'static str, secret: &[u8]) -> Vec<(u64, Fragment)> {
        let secret: Zeroizing<Vec<u8>> =
            Zeroizing::new(secret.iter().copied().map(normalize).collect());
        let length = secret.len().min(FRAGMENT);
        let last = secret.len() - length;
        let starts = (0..last).step_by(FRAGMENT).chain([last]);
        let fragment = |start: usize| {
            let bytes = secret.get(start..start + length)?;
            let (is_start, is_end) = (start == 0, start == last);
            Some((self.hasher.hash_one(bytes), Fragment { label, length, is_start, is_end }))
        };
        starts.filter_map(fragment).collect()
    }

    /// The text with a label in place of each secret.
    pub(super) fn redact(&self, text: &str) -> String {
        let escaped = text.bytes().any(|byte| ESCAPES.contains(&byte));
        // The texts of almost every response.
        if !escaped && !self.is_in(text.as_bytes()) {
            return text.to_owned();
        }
        let mut labels: Vec<Option<&'static str>> = vec![None; text.len()];
        let mut decoded: Vec<Decoded> = text
            .bytes()
            .enumerate()
            .map(|(start, byte)| Decoded { byte, start, end: start + 1 })
            .collect();
        for _ in 0..=MAX_DECODINGS {
            self.mark(&decoded, &mut labels);
            let next = decode(&decoded);
            if next.len() == decoded.len() {
                break;
            }
            decoded = next;
        }
        let mut redacted = String::with_capacity(text.len());
        let mut previous = None;
        for (start, c) in text.char_indices() {
            let bytes = labels.get(start..start + c.len_utf8()).unwrap_or_default();
            let label = bytes.iter().find_map(|label| *label);
            match label {
                None => redacted.push(c),
                Some(label) if previous != Some(label) => {
                    redacted.push('[');
                    redacted.push_str(label);
                    redacted.push(']');
                }
                Some(_) => {}
            }
            previous = label;
        }
        redacted
    }

    /// Whether a text without escapes contains a secret, or a part of one.
    fn is_in(&self, text: &[u8]) -> bool {
        // The lengths are sorted.
        if self.lengths.first().is_none_or(|shortest| text.len() < *shortest) {
            return false;
        }
        let normalized: Vec<u8> = text.iter().copied().map(normalize).collect();
        self.lengths.iter().any(|length| {
            let mut windows = normalized.windows(*length);
            windows.any(|window| self.fragments.contains_key(&self.hasher.hash_one(window)))
        })
    }

    /// Labels the bytes of the original that belong to a secret.
    fn mark(&self, decoded: &[Decoded], labels: &mut [Option<&'static str>]) {
        let normalized: Vec<u8> = decoded.iter().map(|decoded| normalize(decoded.byte)).collect();
        // A part of a secret may begin and end within fragments.
        let is_token = |at: &usize| {
            normalized
                .get(*at)
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
        };
        for length in &self.lengths {
            for (start, window) in normalized.windows(*length).enumerate() {
                let Some(fragment) = self.fragments.get(&self.hasher.hash_one(window)) else {
                    continue;
                };
                let end = start + length;
                let before = if fragment.is_start { start } else { start.saturating_sub(FRAGMENT) };
                let after = if fragment.is_end { end } else { end + FRAGMENT };
                let before = (before..start).rev().take_while(is_token);
                let after = (end..after).take_while(is_token);
                for at in before.chain(start..end).chain(after) {
                    let Some(Decoded { start, end, .. }) = decoded.get(at) else { continue };
                    if let Some(labels) = labels.get_mut(*start..*end) {
                        labels.fill(Some(fragment.label));
                    }
                }
            }
        }
    }
}

/// The form in which bytes are compared: without case, and the same in both alphabets of Base64.
fn normalize(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte.to_ascii_lowercase(),
    }
}

/// Decodes every escape once.
fn decode(text: &[Decoded]) -> Vec<Decoded> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let (byte, length) = escape(rest).unwrap_or((first.byte, 1));
        let end = rest.get(length - 1).map_or(first.end, |last| last.end);
        decoded.push(Decoded { byte, start: first.start, end });
        rest = rest.get(length..).unwrap_or(others);
    }
    decoded
}

/// The escape that a text begins with: its value, and its length. Secrets are ASCII, so no other values matter.
fn escape(text: &[Decoded]) -> Option<(u8, usize)> {
    if !text.first().is_some_and(|first| ESCAPES.contains(&first.byte)) {
        return None;
    }
    let bytes: Vec<u8> = text.iter().take(8).map(|decoded| decoded.byte).collect();
    let digits = |digits: &[u8], radix| {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        u8::from_str_radix(digits, radix).ok()
    };
    match bytes.as_slice() {
        [b'%', high, low, ..] => Some((digits(&[*high, *low], 16)?, 3)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => Some((digits(&[*high, *low], 16)?, 6)),
        [b'\\', escaped @ (b'/' | b'\\' | b'"'), ..] => Some((*escaped, 2)),
        [b'&', b'#', reference @ ..] => {
            let length = reference.iter().position(|byte| *byte == b';')?;
            let value = match reference.get(..length)? {
                [b'x' | b'X', hexadecimal @ ..] => digits(hexadecimal, 16)?,
                decimal => digits(decimal, 10)?,
            };
            Some((value, length + 3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "CAISrwN1q6Ft5B2yfSjIr5/QJ9nsuKhL9L+fcnTFgVIDQa8V3aXZ1Tz2IHFKf3lv==";

    fn known() -> KnownSecrets {
        let mut known = KnownSecrets::default();
        known.add("AccessKey ID", "LTAI5tTESTTESTTESTTEST01");
        known.add("AccessKey secret", "TestSecretTestSecretTestSecret");
        known.add("security token", TOKEN);
        known
    }

    fn encode(text: &str, encode: impl Fn(char) -> String) -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { encode(c) })
            .collect()
    }

    #[test]
    fn secrets_are_found_in_every_form() {
        let known = known();
        let percent = |text: &str| encode(text, |c| format!("%{:02X}", u32::from(c)));
        for form in [
            TOKEN.to_owned(),
            percent(TOKEN),
            percent(TOKEN).to_lowercase(),
            percent(&percent(TOKEN)),
            // Encoders differ in what they encode.
            TOKEN.replace('+', "%2B"),
            TOKEN.replace('=', "%3d"),
            TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat(),
            TOKEN.replace('/', "\\/"),
            TOKEN.replace('=', "\\u003d"),
            encode(TOKEN, |c| format!("&#{};", u32::from(c))),
            encode(TOKEN, |c| format!("&#x{:X};", u32::from(c))),
            TOKEN.to_uppercase(),
            TOKEN.trim_end_matches('=').replace('+', "-").replace('/', "_"),
        ] {
            let redacted = known.redact(&format!("the \"{form}\", ä"));
            assert_eq!(redacted.replace("]==", "]"), "the \"[security token]\", ä", "{form}");
        }
        for text in [
            "LTAI5tTESTTESTTESTTEST01".to_owned(),
            "https://x/?a=LTAI5tTESTTESTTESTTEST01&b".to_owned(),
            "Credential=LTAI5tTESTTESTTESTTEST01/20260131/cn-hangzhou".to_owned(),
        ] {
            let expected = text.replace("LTAI5tTESTTESTTESTTEST01", "[AccessKey ID]");
            assert_eq!(known.redact(&text), expected);
        }
    }

    #[test]
    fn secrets_are_found_in_base64_at_every_alignment() {
        let known = known();
        for before in ["", "a", "ab", "user:"] {
            let encoded = BASE64_STANDARD.encode(format!("{before}{TOKEN}{before}"));
            for encoded in [encoded.clone(), encoded.replace('+', "-").replace('/', "_")] {
                let redacted = known.redact(&format!("Basic {encoded} end"));
                let left = redacted.replace("[security token]", "");
                assert!(redacted.len() > left.len() && left.len() < 24, "{redacted}");
            }
        }
    }

    #[test]
    fn parts_of_secrets_are_found() {
        let known = known();
        for start in 0..20 {
            let part = &TOKEN[start..start + 23];
            assert_eq!(known.redact(&format!("({part}…)")), "([security token]…)");
        }
        assert_eq!(known.redact("CAISrwN"), "CAISrwN", "which every token begins with");
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let known = known();
        for text in [
            "",
            "The OSS Access Key Id you provided does not exist in our records.",
            "100% of %zz and &#; &#999; &#xZZ; \\u00 \\",
            "TestSecret",
            "ä→😀",
        ] {
            assert_eq!(known.redact(text), text);
        }
        let mut known = KnownSecrets::default();
        known.add("AccessKey secret", "secret");
        assert_eq!(known.redact("a secret"), "a secret");
        known.add("AccessKey secret", "12345678");
        assert_eq!(known.redact("a 123456789"), "a [AccessKey secret]9");
    }

    #[test]
    fn only_the_latest_secrets_are_kept() {
        let mut known = KnownSecrets::default();
        let secret = |number: usize| format!("{number:04}").repeat(4);
        known.add("a", &secret(0));
        for number in 1..100 {
            known.add("a", &secret(number));
            known.add("a", &secret(0));
        }
        assert_eq!(known.secrets.len(), MAX_SECRETS);
        for number in [0, 99, 99 + 2 - MAX_SECRETS] {
            assert_eq!(known.redact(&secret(number)), "[a]", "{number}");
        }
        assert_ne!(known.redact(&secret(1)), "[a]");
    }
}
