//! The RPC signature, version 1.0: HMAC-SHA1 over all parameters.

use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;
use time::OffsetDateTime;

use super::{Parameters, invalid};
use crate::Credentials;
use crate::error::ServiceError;
use crate::hmac_sha1::verify_hmac_sha1;
use crate::percent::RESERVED;

/// Checks AccessKey ID, token and signature, in this order.
pub(super) fn verify(
    method: &str,
    parameters: &Parameters,
    known: &BTreeMap<String, Credentials>,
    now: OffsetDateTime,
) -> Result<(), ServiceError> {
    let credentials = known.get(parameters.required("AccessKeyId")?).ok_or_else(|| {
        let message = "Specified access key is not found.";
        ServiceError::new(404, "InvalidAccessKeyId.NotFound", message)
    })?;
    check_token(parameters, credentials, now)?;
    for (name, supported) in [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")] {
        if parameters.required(name)? != supported {
            return Err(invalid(name));
        }
    }
    let signature = parameters.required("Signature")?;
    let string_to_sign = string_to_sign(method, parameters);
    let key = format!("{}&", credentials.access_key_secret);
    if verify_hmac_sha1(key.as_bytes(), &string_to_sign, signature) {
        return Ok(());
    }
    // The gateway returns its string to sign, including a security token (the Node.js and Java SDKs
    // compare it with their own). Clients must not log this body.
    let message = format!(
        "Specified signature is not matched with our calculation. server string to sign \
         is:{string_to_sign}"
    );
    Err(ServiceError::new(400, "SignatureDoesNotMatch", message))
}

fn check_token(
    parameters: &Parameters,
    credentials: &Credentials,
    now: OffsetDateTime,
) -> Result<(), ServiceError> {
    let rejected =
        |code: &'static str, message: &'static str| Err(ServiceError::new(400, code, message));
    match (parameters.get("SecurityToken"), credentials.token()) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            rejected("MissingSecurityToken", "SecurityToken is mandatory for this action.")
        }
        (Some(sent), Some(token)) if sent == token.value => {
            if token.expires_at.is_some_and(|expiry| expiry <= now) {
                return rejected(
                    "InvalidSecurityToken.Expired",
                    "Specified SecurityToken is expired.",
                );
            }
            Ok(())
        }
        (Some(_), _) => rejected(
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with the AccessKey.",
        ),
    }
}

/// Method, path (`/`), and the sorted and encoded parameters, encoded again.
pub(super) fn string_to_sign(method: &str, parameters: &Parameters) -> String {
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let signed = parameters.0.iter().filter(|(name, _)| name != "Signature");
    let mut pairs: Vec<(String, String)> =
        signed.map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    [method, "%2F", &encode(&pairs.join("&"))].join("&")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const VECTORS: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/oss-signing.json"));

    /// A request signed by an official SDK.
    struct Case {
        method: String,
        parameters: Parameters,
        credentials: Credentials,
        string_to_sign: String,
    }

    fn cases() -> Vec<Case> {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        let vectors = vectors["sts_rpc_signature_v1"]["vectors"].as_array().unwrap();
        let cases: Vec<Case> = vectors.iter().map(case).collect();
        assert!(cases.len() >= 5, "all cases are there");
        cases
    }

    fn case(vector: &Value) -> Case {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let parameters = vector["params"].as_object().unwrap();
        let mut parameters: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        parameters.push(("Signature".to_owned(), text(&vector["expected"]["signature"])));
        let parameters = Parameters(parameters);
        let id = parameters.access_key_id().unwrap().to_owned();
        let credentials = Credentials::new(&id, &text(&vector["access_key_secret"]));
        let credentials = match parameters.get("SecurityToken") {
            Some(token) => credentials.with_token(token, None),
            None => credentials,
        };
        Case {
            method: text(&vector["method"]),
            parameters,
            credentials,
            string_to_sign: text(&vector["expected"]["string_to_sign"]),
        }
    }

    impl Case {
        fn verify(&self) -> String {
            let Self { method, parameters, credentials, .. } = self;
            let known = BTreeMap::from([(credentials.access_key_id.clone(), credentials.clone())]);
            let result = verify(method, parameters, &known, OffsetDateTime::UNIX_EPOCH);
            let shown = |error: ServiceError| format!("{} {}", error.status, error.code);
            result.map_or_else(shown, |()| "accepted".to_owned())
        }

        fn set(&mut self, name: &str, value: &str) {
            self.parameters.0.retain(|(found, _)| found != name);
            self.parameters.0.push((name.to_owned(), value.to_owned()));
        }
    }

    #[test]
    fn every_case_is_accepted_and_matches_the_sdk_byte_for_byte() {
        for case in cases() {
            assert_eq!(string_to_sign(&case.method, &case.parameters), case.string_to_sign);
            assert_eq!(case.verify(), "accepted", "{}", case.string_to_sign);
        }
    }

    #[test]
    fn any_change_is_rejected() {
        let rejected = "400 SignatureDoesNotMatch";
        for index in 0..cases().len() {
            let changed = |change: &dyn Fn(&mut Case)| {
                let mut case = cases().swap_remove(index);
                change(&mut case);
                case.verify()
            };
            assert_eq!(changed(&|case| case.method = "PUT".to_owned()), rejected);
            for name in ["RoleArn", "RoleSessionName", "Timestamp", "SignatureNonce", "Added"] {
                assert_eq!(changed(&|case| case.set(name, "changed")), rejected, "{name}");
            }
            assert_eq!(changed(&|case| case.set("Signature", "AAAA")), rejected);
            assert_eq!(changed(&|case| case.set("Signature", "")), "400 MissingSignature");
            assert_eq!(
                changed(&|case| case.set("SignatureMethod", "HMAC-SHA256")),
                "400 InvalidSignatureMethod"
            );
            assert_eq!(
                changed(&|case| case.set("SignatureVersion", "2.0")),
                "400 InvalidSignatureVersion"
            );
            assert_eq!(
                changed(&|case| case.set("AccessKeyId", "other")),
                "404 InvalidAccessKeyId.NotFound"
            );
            let another_secret = |case: &mut Case| {
                case.credentials.access_key_secret = "another".to_owned();
            };
            assert_eq!(changed(&another_secret), rejected);
        }
    }

    #[test]
    fn tokens() {
        let case = |sent: &str, token: Option<&str>, is_expired: bool| {
            let mut case = cases().swap_remove(0);
            case.set("SecurityToken", sent);
            if let Some(token) = token {
                case.credentials = case.credentials.with_token(token, None);
            }
            if is_expired {
                case.credentials.expire();
            }
            case.verify()
        };
        let mismatch = "400 InvalidSecurityToken.MismatchWithAccessKey";
        assert_eq!(case("", Some("right"), false), "400 MissingSecurityToken");
        assert_eq!(case("wrong", Some("right"), false), mismatch);
        assert_eq!(case("any", None, false), mismatch);
        assert_eq!(case("right", Some("right"), true), "400 InvalidSecurityToken.Expired");
        // The token is accepted, but the request was signed without it.
        assert_eq!(case("right", Some("right"), false), "400 SignatureDoesNotMatch");
    }
}
