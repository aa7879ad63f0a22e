//! The RPC signature 1.0 of Alibaba Cloud's `OpenAPI` gateway, which STS uses: HMAC-SHA1 over the sorted
//! parameters.
//!
//! Rule: RAM documentation, "Signature method"; compared with `aliyun-python-sdk-core`
//! (`rpc_signature_composer`). `alibabacloud_credentials` for Python encodes spaces differently, and
//! its signatures of parameters with spaces are rejected.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;

use super::hmac;
use crate::oss::percent::{encode, encode_form};

/// Returns the `Signature` parameter for a request. `parameters` are those of the query and the form, not
/// encoded.
#[must_use]
pub fn sign_rpc(method: &str, parameters: &[(String, String)], secret: &SecretString) -> String {
    let string_to_sign = string_to_sign(method, parameters);
    let key = Zeroizing::new(format!("{}&", secret.expose_secret()));
    BASE64_STANDARD.encode(hmac::<Sha1>(key.as_bytes(), string_to_sign.as_bytes()))
}

fn string_to_sign(method: &str, parameters: &[(String, String)]) -> String {
    let mut sorted = parameters.to_vec();
    sorted.sort();
    format!("{method}&%2F&{}", encode(&encode_form(&sorted)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        sts_rpc_signature_v1: Vectors,
    }

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        method: String,
        access_key_secret: String,
        params: BTreeMap<String, String>,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Expected {
        string_to_sign: String,
        signature: String,
    }

    #[test]
    fn equals_the_official_sdk_in_every_vector() {
        let text = include_str!("../../../tests/vectors/oss-signing.json");
        let vectors = serde_json::from_str::<File>(text).unwrap().sts_rpc_signature_v1.vectors;
        assert!(vectors.len() >= 5, "{}", vectors.len());
        for Vector { id, method, access_key_secret, params, expected } in vectors {
            let parameters: Vec<_> = params.into_iter().rev().collect();
            assert_eq!(string_to_sign(&method, &parameters), expected.string_to_sign, "{id}");
            let signature = sign_rpc(&method, &parameters, &access_key_secret.into());
            assert_eq!(signature, expected.signature, "{id}");
        }
    }
}
