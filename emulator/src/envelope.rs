//! Envelope encryption, as the page "Server-side encryption" describes it: each object has its own
//! data key, which is wrapped with the master key of its method. After a rotation of the master keys,
//! existing objects stay readable.
//!
//! The encryption is real and uses `RustCrypto`: AES-256-GCM, or SM4-GCM (RFC 8998) if the method or
//! `KMSDataEncryption` is SM4. Which modes OSS uses is not documented.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead as _, Generate as _, Key, Payload};
use aes_gcm::{Aes256Gcm, AesGcm, KeyInit as _, Nonce};
use secrecy::{ExposeSecret as _, SecretSlice};
use sm4::Sm4;

use super::rule::EncryptionRule;

type Sm4Gcm = AesGcm<Sm4, U12>;

/// Length of the random nonce in front of each ciphertext.
const NONCE_BYTES: usize = 12;

/// All versions of the master keys by name, newest last: those managed by OSS, and those of KMS.
/// They are generated on first use.
#[derive(Default)]
pub(super) struct MasterKeys(BTreeMap<String, Vec<SecretSlice<u8>>>);

/// Encrypted content.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) method: EncryptionRule,
    /// The version of the master key that wrapped the data key.
    version: usize,
    wrapped_key: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self.0.iter().map(|(name, versions)| (name, versions.len()));
        formatter.debug_map().entries(versions).finish()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sealed")
            .field("method", &self.method)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl MasterKeys {
    /// Encrypts the content of an object. The ciphertext is bound to the object's name.
    pub(super) fn seal(&mut self, method: &EncryptionRule, name: &str, content: &[u8]) -> Sealed {
        let (master, data) = ciphers(method);
        let versions = self.0.entry(master_key_name(method)).or_default();
        if versions.is_empty() {
            versions.push(master.generate_key());
        }
        let version = versions.len() - 1;
        let data_key = data.generate_key();
        // Never empty, see above.
        let wrapped_key = versions.last().map_or_else(Vec::new, |master_key| {
            master.encrypt(master_key, name, data_key.expose_secret())
        });
        let ciphertext = data.encrypt(&data_key, name, content);
        Sealed { method: method.clone(), version, wrapped_key, ciphertext }
    }

    /// Decrypts the content of an object. Returns `None` if it was modified or belongs to another
    /// object.
    pub(super) fn open(&self, sealed: &Sealed, name: &str) -> Option<Vec<u8>> {
        let (master, data) = ciphers(&sealed.method);
        let master_key = self.0.get(&master_key_name(&sealed.method))?.get(sealed.version)?;
        let data_key = master.decrypt(master_key, name, &sealed.wrapped_key)?.into();
        data.decrypt(&data_key, name, &sealed.ciphertext)
    }

    /// Adds a version to every master key, which wraps new data keys from then on.
    pub(super) fn rotate(&mut self) {
        for (name, versions) in &mut self.0 {
            let cipher = if name == "SM4" { Cipher::Sm4 } else { Cipher::Aes256 };
            versions.push(cipher.generate_key());
        }
    }
}

/// The name of a method's master key.
fn master_key_name(method: &EncryptionRule) -> String {
    match (method.sse_algorithm.as_str(), &method.kms_master_key_id) {
        ("KMS", Some(id)) => format!("KMS {id}"),
        (algorithm, _) => algorithm.to_owned(),
    }
}

/// The ciphers of a method's master key and of its data keys.
fn ciphers(method: &EncryptionRule) -> (Cipher, Cipher) {
    match (method.sse_algorithm.as_str(), method.kms_data_encryption.as_deref()) {
        ("SM4", _) => (Cipher::Sm4, Cipher::Sm4),
        (_, Some("SM4")) => (Cipher::Aes256, Cipher::Sm4),
        _ => (Cipher::Aes256, Cipher::Aes256),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Aes256,
    Sm4,
}

impl Cipher {
    fn generate_key(self) -> SecretSlice<u8> {
        match self {
            Self::Aes256 => Key::<Aes256Gcm>::generate().to_vec().into(),
            Self::Sm4 => Key::<Sm4Gcm>::generate().to_vec().into(),
        }
    }

    /// Returns the nonce followed by the ciphertext.
    fn encrypt(self, key: &SecretSlice<u8>, name: &str, text: &[u8]) -> Vec<u8> {
        let nonce = Nonce::<U12>::generate();
        let payload = Payload { msg: text, aad: name.as_bytes() };
        let key = key.expose_secret();
        let ciphertext = match self {
            Self::Aes256 => {
                Aes256Gcm::new_from_slice(key).ok().map(|cipher| cipher.encrypt(&nonce, payload))
            }
            Self::Sm4 => {
                Sm4Gcm::new_from_slice(key).ok().map(|cipher| cipher.encrypt(&nonce, payload))
            }
        };
        // Cannot fail: the key has the right length, and no text is longer than 64 GB.
        let ciphertext = ciphertext.and_then(Result::ok).unwrap_or_default();
        [nonce.as_slice(), &ciphertext].concat()
    }

    fn decrypt(self, key: &SecretSlice<u8>, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::<U12>::try_from(nonce).ok()?;
        let payload = Payload { msg: ciphertext, aad: name.as_bytes() };
        let key = key.expose_secret();
        match self {
            Self::Aes256 => Aes256Gcm::new_from_slice(key).ok()?.decrypt(&nonce, payload).ok(),
            Self::Sm4 => Sm4Gcm::new_from_slice(key).ok()?.decrypt(&nonce, payload).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"the quick brown fox";

    fn methods() -> Vec<EncryptionRule> {
        let mut with_key = EncryptionRule::new("KMS");
        with_key.kms_master_key_id = Some("9468da86".to_owned());
        let mut with_cipher = with_key.clone();
        with_cipher.kms_data_encryption = Some("SM4".to_owned());
        let plain = ["AES256", "SM4", "KMS", "FUTURE"].map(EncryptionRule::new);
        plain.into_iter().chain([with_key, with_cipher]).collect()
    }

    fn contains(bytes: &[u8], text: &[u8]) -> bool {
        bytes.windows(text.len()).any(|window| window == text)
    }

    #[test]
    fn every_method_seals_and_opens() {
        for method in methods() {
            let mut keys = MasterKeys::default();
            let one = keys.seal(&method, "demo/a", TEXT);
            assert_eq!(keys.open(&one, "demo/a").as_deref(), Some(TEXT), "{method}");
            assert!(!contains(&one.ciphertext, b"quick"), "{method}");
            // The same content is encrypted differently each time.
            let two = keys.seal(&method, "demo/a", TEXT);
            assert_ne!(one.ciphertext, two.ciphertext, "{method}");
            assert_ne!(one.wrapped_key, two.wrapped_key, "{method}");
            // Each object has its own data key.
            let swapped = Sealed { wrapped_key: two.wrapped_key, ..one };
            assert!(keys.open(&swapped, "demo/a").is_none(), "{method}");
            assert_eq!(keys.0.len(), 1);
            let empty = keys.seal(&method, "demo/a", b"");
            assert_eq!(keys.open(&empty, "demo/a").as_deref(), Some(&b""[..]));
        }
    }

    #[test]
    fn rotation_wraps_with_a_new_key_and_keeps_the_old_ones() {
        for method in methods() {
            let mut keys = MasterKeys::default();
            let before = keys.seal(&method, "demo/a", TEXT);
            keys.rotate();
            let after = keys.seal(&method, "demo/a", TEXT);
            assert_eq!((before.version, after.version), (0, 1));
            for sealed in [&before, &after] {
                assert_eq!(keys.open(sealed, "demo/a").as_deref(), Some(TEXT), "{method}");
            }
            // The new version cannot unwrap keys of the old one.
            let confused = Sealed { version: 1, ..before };
            assert!(keys.open(&confused, "demo/a").is_none());
        }
    }

    #[test]
    fn opening_requires_the_key_the_name_and_unmodified_content() {
        let mut keys = MasterKeys::default();
        let [aes, kms] = ["AES256", "KMS"].map(EncryptionRule::new);
        let sealed = keys.seal(&aes, "demo/a", TEXT);
        keys.seal(&kms, "demo/a", TEXT);
        assert!(keys.open(&sealed, "demo/b").is_none());
        let confused = Sealed { method: kms, ..sealed.clone() };
        assert!(keys.open(&confused, "demo/a").is_none());
        for index in [0, NONCE_BYTES, sealed.ciphertext.len() - 1] {
            let mut tampered = sealed.clone();
            tampered.ciphertext[index] ^= 1;
            assert!(keys.open(&tampered, "demo/a").is_none(), "{index}");
        }
        let mut truncation = sealed.clone();
        truncation.ciphertext.truncate(NONCE_BYTES - 1);
        assert!(keys.open(&truncation, "demo/a").is_none());
        assert!(MasterKeys::default().open(&sealed, "demo/a").is_none());
    }

    /// RFC 8998, appendix A.1.
    #[test]
    fn sm4_gcm_matches_the_standard() {
        let hex = |text: &str| -> Vec<u8> {
            let digits = text.as_bytes().chunks(2);
            digits
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let cipher = Sm4Gcm::new_from_slice(&hex("0123456789ABCDEFFEDCBA9876543210")).unwrap();
        let nonce = Nonce::<U12>::try_from(hex("00001234567800000000ABCD").as_slice()).unwrap();
        let text: Vec<u8> =
            [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0xee, 0xaa].iter().flat_map(|b| [*b; 8]).collect();
        let aad = hex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2");
        let sealed = cipher.encrypt(&nonce, Payload { msg: &text, aad: &aad }).unwrap();
        assert_eq!(
            sealed,
            hex("17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735\
                 D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D\
                 83DE3541E4C2B58177E065A9BF7B62EC")
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let mut keys = MasterKeys::default();
        let sealed = keys.seal(&EncryptionRule::new("AES256"), "demo/a", TEXT);
        assert_eq!(format!("{keys:?}"), "{\"AES256\": 1}");
        assert!(!format!("{sealed:?}").contains("key:"), "{sealed:?}");
    }
}
