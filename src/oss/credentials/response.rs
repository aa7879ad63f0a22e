//! The JSON in which STS, the metadata service and credentials URIs give keys.
//!
//! Rules: STS API reference (`AssumeRole`), ECS documentation ("Instance RAM roles"), credentials-go
//! (`uri_credential.go`). Texts of an answer never get into a reason: they may be keys.

use serde::Deserialize;

use super::Credentials;
use crate::oss::timestamp::parse_iso8601;

/// The keys, as all of these services name them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct CredentialsResponse {
    code: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    security_token: Option<String>,
    expiration: Option<String>,
}

impl CredentialsResponse {
    /// Parses the answer of the metadata service or of a credentials URI.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let keys: Self = parse_json(body)?;
        match keys.code.as_deref() {
            None | Some("Success") => Ok(keys),
            Some(code) => {
                // A code is a name; whatever else stands there is not shown.
                let is_key = [&keys.access_key_id, &keys.access_key_secret, &keys.security_token]
                    .into_iter()
                    .flatten()
                    .any(|key| key.contains(code));
                let is_name =
                    code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric()) && !is_key;
                let code = if is_name { code } else { "something else" };
                Err(format!("its `Code` is {code}, not Success"))
            }
        }
    }

    /// The credentials, if the answer has all four parts of them.
    pub(super) fn into_credentials(self) -> Result<Credentials, String> {
        let part = |name: &str, value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("it has no `{name}`"))
        };
        let id = part("AccessKeyId", self.access_key_id)?;
        let secret = part("AccessKeySecret", self.access_key_secret)?;
        let token = part("SecurityToken", self.security_token)?;
        let expiration = part("Expiration", self.expiration)?;
        let expiration = parse_iso8601(&expiration)
            .ok_or("its `Expiration` is not an instant such as 2026-01-31T12:00:00Z")?;
        Ok(Credentials::new(id, secret).with_security_token(token).with_expiration(expiration))
    }
}

/// Parses JSON; the reason names a position only, since the parser's own words repeat values.
pub(super) fn parse_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "it is not the JSON that was expected (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"Code":"Success","AccessKeyId":"STS.X","AccessKeySecret":"the-secret",
        "SecurityToken":"the-token","Expiration":"2026-01-31T12:00:00Z","LastUpdated":"x"}"#;

    fn parse(body: &str) -> Result<Credentials, String> {
        CredentialsResponse::parse(body.as_bytes()).and_then(CredentialsResponse::into_credentials)
    }

    #[test]
    fn takes_keys_with_and_without_a_code() {
        for body in [WHOLE.to_owned(), WHOLE.replace("\"Code\":\"Success\",", "")] {
            let credentials = parse(&body).unwrap();
            assert_eq!(credentials.access_key_id, "STS.X");
            assert_eq!(credentials.expiration, parse_iso8601("2026-01-31T12:00:00Z"));
            assert!(credentials.security_token.is_some());
        }
    }

    #[test]
    fn says_what_is_missing_without_repeating_values() {
        for (from, to, expected) in [
            ("Success", "Failed", "its `Code` is Failed, not Success"),
            ("\"STS.X\"", "null", "it has no `AccessKeyId`"),
            ("\"the-token\"", "\"\"", "it has no `SecurityToken`"),
            (
                "2026-01-31T12:00:00Z",
                "tomorrow",
                "its `Expiration` is not an instant such as 2026-01-31T12:00:00Z",
            ),
            (
                "\"the-secret\"",
                "[\"the-secret\"]",
                "it is not the JSON that was expected (line 1, column 58)",
            ),
        ] {
            let reason = parse(&WHOLE.replace(from, to)).unwrap_err();
            assert_eq!(reason, expected);
            assert!(!reason.contains("the-"), "{reason}");
        }
        assert!(parse("<html>").unwrap_err().contains("not the JSON"));
    }
}
