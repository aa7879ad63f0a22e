//! The HMAC-SHA1 of the older signatures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Whether a signature in Base64 is the HMAC-SHA1 of a text. Compares in constant time.
pub(crate) fn verify_hmac_sha1(key: &[u8], text: &str, base64: &str) -> bool {
    let signature = STANDARD.decode(base64).unwrap_or_default();
    Hmac::<Sha1>::new_from_slice(key)
        .is_ok_and(|mac| mac.chain_update(text).verify_slice(&signature).is_ok())
}
