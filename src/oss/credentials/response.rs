//! The JSON in which STS, the metadata service, credentials URIs and programs return credentials.
//!
//! Source: STS API reference (`AssumeRole`), ECS documentation ("Instance RAM roles"), credentials-go
//! (`uri.go`, `external.go`, `oauth.go`). Custom services differ in the spelling of names, in the
//! code of a success and in the format of times. Texts of a response never get into a reason: they may
//! be secrets.

use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::Credentials;
use super::profile::Mode;
use crate::oss::timestamp::parse_lenient;

/// The names of the security token: of STS, and of the CLI.
const TOKEN_NAMES: [&str; 2] = ["SecurityToken", "sts_token"];

/// The fields of a response. `AccessKeyId`, `accessKeyId` and `access_key_id` are the same name.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct CredentialsResponse(Map<String, Value>);

impl CredentialsResponse {
    /// Parses the response of the metadata service or of a credentials URI.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let response: Self = parse_json(body)?;
        let code = match response.field("Code") {
            None | Some(Value::Null) => return Ok(response),
            Some(Value::String(code)) => code.clone(),
            Some(Value::Number(code)) => code.to_string(),
            Some(_) => String::from("?"),
        };
        if code.is_empty() || code.eq_ignore_ascii_case("success") || code == "200" {
            return Ok(response);
        }
        // A code is a name; anything else is not shown.
        let is_part_of_secret = ["AccessKeyId", "AccessKeySecret", "SecurityToken"]
            .into_iter()
            .filter_map(|name| response.field(name).and_then(Value::as_str))
            .any(|secret| secret.contains(&code));
        let is_name = code.len() <= 64
            && code.chars().all(|c| c.is_ascii_alphanumeric())
            && !is_part_of_secret;
        let code = if is_name { &code } else { "something else" };
        Err(format!("its `Code` is {code}, not Success"))
    }

    /// Temporary credentials, which have all four parts.
    pub(super) fn into_session(self) -> Result<Credentials, String> {
        let token = self.required("SecurityToken")?;
        let expiration = self.expiration("Expiration")?;
        let expiration = expiration.ok_or("it has no `Expiration`")?;
        let pair = self.key_pair(["AccessKeyId", "AccessKeySecret"])?;
        Ok(pair.with_security_token(token).with_expiration(expiration))
    }

    /// Credentials of any kind: permanent ones have neither a token nor an expiration.
    pub(super) fn into_credentials(self) -> Result<Credentials, String> {
        self.credentials(["AccessKeyId", "AccessKeySecret", "Expiration"], TOKEN_NAMES)
    }

    /// The token is that of the first of `tokens` that is there.
    fn credentials(
        &self,
        [id, secret, expiration]: [&str; 3],
        tokens: [&str; 2],
    ) -> Result<Credentials, String> {
        let mut credentials = self.key_pair([id, secret])?;
        for name in tokens {
            if credentials.security_token.is_none()
                && let Some(token) = self.secret(name)?
            {
                credentials = credentials.with_security_token(token);
            }
        }
        Ok(match self.expiration(expiration)? {
            Some(expiration) => credentials.with_expiration(expiration),
            None => credentials,
        })
    }

    fn key_pair(&self, [id, secret]: [&str; 2]) -> Result<Credentials, String> {
        Ok(Credentials::new(self.required(id)?, self.required(secret)?))
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        self.secret(name)?.ok_or_else(|| format!("it has no `{name}`"))
    }

    /// A part of the credentials. A program that reads it from a file may pass a line break on, for which OSS
    /// would only report a wrong signature.
    fn secret(&self, name: &str) -> Result<Option<&str>, String> {
        match self.text(name)? {
            Some(text) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                Err(format!("its `{name}` contains whitespace or a line break"))
            }
            text => Ok(text),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.field(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("its `{name}` must be a string")),
        }
    }

    fn expiration(&self, name: &str) -> Result<Option<OffsetDateTime>, String> {
        parse_expiration(self.field(name)).map_err(|()| {
            format!(
                "its `{name}` is neither a time such as 2026-01-31T12:00:00Z nor a number of seconds \
                 since 1970"
            )
        })
    }

    /// A field, by a name in any spelling. The exact spelling takes precedence.
    fn field(&self, name: &str) -> Option<&Value> {
        fn letters(name: &str) -> impl Iterator<Item = char> {
            name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase())
        }
        self.0.get(name).or_else(|| {
            self.0
                .iter()
                .find(|(found, _)| letters(found).eq(letters(name)))
                .map(|(_, value)| value)
        })
    }
}

/// The credentials in what an external program prints: a profile of mode `AK` or `StsToken`. A token is
/// used whatever the mode is, as in credentials-go.
pub(super) fn parse_process_output(output: &[u8]) -> Result<Credentials, String> {
    let printed: CredentialsResponse = parse_json(output)?;
    let mode = match printed.text("mode")? {
        None => None,
        Some(mode) => Some(Mode::parse(mode).ok_or("its `mode` is unknown")?),
    };
    if let Some(mode) = mode.filter(|mode| !matches!(mode, Mode::Ak | Mode::StsToken)) {
        return Err(format!("its `mode` is {mode}; only AK and StsToken can be printed"));
    }
    // The OSS SDKs have programs that print the names of STS.
    let [sts_name, cli_name] = TOKEN_NAMES;
    let names = ["access_key_id", "access_key_secret", "expiration"];
    let credentials = printed.credentials(names, [cli_name, sts_name])?;
    if mode == Some(Mode::StsToken) && credentials.security_token.is_none() {
        return Err("it has no `sts_token`".to_owned());
    }
    Ok(credentials)
}

/// A time as text or as a number since 1970; `None` if there is none.
pub(super) fn parse_expiration(value: Option<&Value>) -> Result<Option<OffsetDateTime>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => match text.trim().parse() {
            Ok(number) => from_number(number),
            Err(_) => parse_lenient(text).map(Some).ok_or(()),
        },
        Some(Value::Number(number)) => from_number(number.as_f64().ok_or(())?),
        Some(_) => Err(()),
    }
}

/// Seconds since 1970, or milliseconds if the number is too large for those; 0 stands for no expiration.
fn from_number(number: f64) -> Result<Option<OffsetDateTime>, ()> {
    /// In seconds, the year 5138.
    const FIRST_MILLISECONDS: f64 = 1e11;
    if number == 0.0 {
        return Ok(None);
    }
    let milliseconds = if number < FIRST_MILLISECONDS { number * 1000.0 } else { number };
    if !milliseconds.is_finite() {
        return Err(());
    }
    // The conversion saturates, and values out of range are rejected below.
    #[expect(clippy::cast_possible_truncation, reason = "fractions of a millisecond are dropped")]
    let nanoseconds = (milliseconds as i128).saturating_mul(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map(Some).map_err(drop)
}

/// Parses JSON; the reason names a position only, since the parser's messages repeat values.
pub(super) fn parse_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(without_byte_order_mark(body)).map_err(|error| {
        format!(
            "it is not the JSON that was expected (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

/// The text without the mark that editors and programs on Windows put in front.
pub(super) fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;
    use crate::oss::timestamp::parse_iso8601;

    const WHOLE: &str = r#"{"Code":"Success","AccessKeyId":"STS.X","AccessKeySecret":"the-secret",
        "SecurityToken":"the-token","Expiration":"2026-01-31T12:00:00Z","LastUpdated":"x"}"#;

    fn parse(body: &str) -> Result<Credentials, String> {
        CredentialsResponse::parse(body.as_bytes()).and_then(CredentialsResponse::into_session)
    }

    #[test]
    fn codes_and_names_differ_between_services() {
        for body in [
            WHOLE.to_owned(),
            format!("\u{feff}{WHOLE}"),
            WHOLE.replace("\"Code\":\"Success\",", ""),
            WHOLE.replace("Success", "200"),
            WHOLE.replace("\"Success\"", "200"),
            WHOLE.replace("\"Success\"", "null"),
            WHOLE.replace("AccessKey", "accessKey").replace("SecurityToken", "securityToken"),
            WHOLE
                .replace("AccessKeyId", "access_key_id")
                .replace("AccessKeySecret", "access_key_secret")
                .replace("SecurityToken", "security_token")
                .replace("Expiration", "expiration"),
        ] {
            let credentials = parse(&body).unwrap();
            assert_eq!(credentials.access_key_id, "STS.X");
            assert_eq!(credentials.access_key_secret.expose_secret(), "the-secret");
            assert_eq!(credentials.expiration, parse_iso8601("2026-01-31T12:00:00Z"));
            assert!(credentials.security_token.is_some());
        }
    }

    #[test]
    fn permanent_credentials_have_neither_token_nor_expiration() {
        let body = br#"{"AccessKeyId":"id","AccessKeySecret":"secret"}"#;
        let response = || CredentialsResponse::parse(body).unwrap();
        let credentials = response().into_credentials().unwrap();
        assert!(credentials.security_token.is_none() && credentials.expiration.is_none());
        assert_eq!(response().into_session().unwrap_err(), "it has no `SecurityToken`");
    }

    #[test]
    fn a_token_is_found_by_the_name_of_the_cli() {
        for name in ["sts_token", "StsToken", "stsToken"] {
            let body = format!(
                r#"{{"AccessKeyId":"STS.X","AccessKeySecret":"s","{name}":"t","SecurityToken":""}}"#
            );
            let response = CredentialsResponse::parse(body.as_bytes()).unwrap();
            let token = response.into_credentials().unwrap().security_token.unwrap();
            assert_eq!(token.expose_secret(), "t", "{name}");
        }
    }

    #[test]
    fn whitespace_in_credentials_is_reported() {
        for (from, to, name) in [
            ("STS.X", "STS.X\\n", "AccessKeyId"),
            ("the-secret", "the secret", "AccessKeySecret"),
            ("the-token", " the-token", "SecurityToken"),
        ] {
            let body = WHOLE.replace(from, to);
            let expected = format!("its `{name}` contains whitespace or a line break");
            assert_eq!(parse(&body).unwrap_err(), expected);
            let uri = CredentialsResponse::parse(body.as_bytes());
            let uri = uri.and_then(CredentialsResponse::into_credentials);
            assert_eq!(uri.unwrap_err(), expected);
        }
    }

    #[test]
    fn an_expiration_can_have_many_formats() {
        let noon = parse_iso8601("2030-01-31T12:00:00Z");
        for value in [
            json!("2030-01-31T12:00:00Z"),
            json!("2030-01-31 12:00:00"),
            json!("2030-01-31T12:00:00"),
            json!("2030-01-31T20:00:00+08:00"),
            json!("2030-01-31 20:00:00 +0800"),
            json!(1_896_091_200),
            json!(1_896_091_200_000_i64),
            json!(1_896_091_200.0),
            json!("1896091200"),
        ] {
            assert_eq!(parse_expiration(Some(&value)), Ok(noon), "{value}");
        }
        for value in [json!(null), json!(0), json!(""), json!("0")] {
            assert_eq!(parse_expiration(Some(&value)), Ok(None), "{value}");
        }
        for value in
            [json!("soon"), json!(true), json!([]), json!(1e300), json!("inf"), json!("NaN")]
        {
            assert_eq!(parse_expiration(Some(&value)), Err(()), "{value}");
        }
    }

    #[test]
    fn errors_name_what_is_missing_without_repeating_values() {
        for (from, to, expected) in [
            ("Success", "Failed", "its `Code` is Failed, not Success"),
            ("\"Success\"", "[\"the-secret\"]", "its `Code` is something else, not Success"),
            ("\"STS.X\"", "null", "it has no `AccessKeyId`"),
            ("\"the-token\"", "\"\"", "it has no `SecurityToken`"),
            (
                "2026-01-31T12:00:00Z",
                "tomorrow",
                "its `Expiration` is neither a time such as 2026-01-31T12:00:00Z nor a number of \
                 seconds since 1970",
            ),
            ("\"the-secret\"", "[\"the-secret\"]", "its `AccessKeySecret` must be a string"),
        ] {
            let reason = parse(&WHOLE.replace(from, to)).unwrap_err();
            assert_eq!(reason, expected);
            assert!(!reason.contains("the-"), "{reason}");
        }
        assert!(parse("<html>").unwrap_err().contains("not the JSON"));
    }

    #[test]
    fn a_program_prints_a_profile() {
        let printed = parse_process_output(
            br#"{"mode":"StsToken","access_key_id":"STS.X","access_key_secret":"s","sts_token":"t",
                 "expiration":"2026-01-31T12:00:00Z","region_id":"x"}"#,
        )
        .unwrap();
        assert_eq!(printed.expiration, parse_iso8601("2026-01-31T12:00:00Z"));
        // The token belongs to the AccessKey pair, whatever the mode is.
        for mode in ["\"mode\":\"AK\",", "\"mode\":\"\",", ""] {
            for token in ["sts_token", "SecurityToken"] {
                let output = format!(
                    r#"{{{mode}"access_key_id":"STS.X","access_key_secret":"s","{token}":"t"}}"#
                );
                let printed = parse_process_output(output.as_bytes()).unwrap();
                assert_eq!(printed.security_token.unwrap().expose_secret(), "t", "{output}");
            }
        }
        for (output, expected) in [
            ("", "not the JSON"),
            ("{}", "no `access_key_id`"),
            ("{\"mode\":\"OIDC\"}", "only AK and StsToken"),
            ("{\"mode\":\"New\"}", "its `mode` is unknown"),
            ("{\"access_key_id\":7}", "its `access_key_id` must be a string"),
            (
                "{\"access_key_id\":\"i\",\"access_key_secret\":\"s\",\"expiration\":\"soon\"}",
                "its `expiration` is neither",
            ),
            (
                "{\"mode\":\"StsToken\",\"access_key_id\":\"i\",\"access_key_secret\":\"s\"}",
                "no `sts_token`",
            ),
        ] {
            let reason = parse_process_output(output.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
