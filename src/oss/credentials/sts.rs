//! Requests to the Security Token Service, and the parsing of its responses.
//!
//! Rules: STS API reference, `AssumeRole` and `AssumeRoleWithOIDC`, version 2015-04-01; the split into
//! query and form follows credentials-go. Pure: time and nonce are arguments.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use time::OffsetDateTime;

use super::response::{CredentialsResponse, parse_json};
use super::{Credentials, Role};
use crate::oss::percent::encode_form;
use crate::oss::sanitize::{Sanitizer, ServerText};
use crate::oss::sign::sign_rpc;
use crate::oss::timestamp::format_iso8601;

/// A `POST` to STS: query and form, encoded.
pub(super) struct StsRequest {
    pub(super) action: &'static str,
    pub(super) query: String,
    pub(super) form: String,
}

impl StsRequest {
    /// `AssumeRole`, signed by `caller`.
    pub(super) fn assume_role(
        role: &Role,
        caller: &Credentials,
        now: OffsetDateTime,
        nonce: &str,
    ) -> Self {
        let action = "AssumeRole";
        let mut query = common_parameters(action, now);
        query.extend(
            [
                ("AccessKeyId", caller.access_key_id.as_str()),
                ("SignatureMethod", "HMAC-SHA1"),
                ("SignatureNonce", nonce),
                ("SignatureVersion", "1.0"),
            ]
            .map(owned),
        );
        if let Some(token) = &caller.security_token {
            query.push(owned(("SecurityToken", token.expose_secret())));
        }
        let form = session_parameters(role);
        let all: Vec<(String, String)> = query.iter().chain(&form).cloned().collect();
        let signature = sign_rpc("POST", &all, &caller.access_key_secret);
        query.push(owned(("Signature", &signature)));
        Self { action, query: encode_form(&query), form: encode_form(&form) }
    }

    /// `AssumeRoleWithOIDC`, which is authenticated by the token instead of a signature.
    pub(super) fn assume_role_with_oidc(
        role: &Role,
        provider_arn: &str,
        token: &str,
        now: OffsetDateTime,
    ) -> Self {
        let action = "AssumeRoleWithOIDC";
        let mut form = session_parameters(role);
        form.extend([("OIDCProviderArn", provider_arn), ("OIDCToken", token)].map(owned));
        Self {
            action,
            query: encode_form(&common_parameters(action, now)),
            form: encode_form(&form),
        }
    }
}

fn common_parameters(action: &str, now: OffsetDateTime) -> Vec<(String, String)> {
    let timestamp = format_iso8601(now);
    [("Action", action), ("Format", "JSON"), ("Timestamp", &timestamp), ("Version", "2015-04-01")]
        .map(owned)
        .into()
}

fn session_parameters(role: &Role) -> Vec<(String, String)> {
    let Role { arn, session } = role;
    let seconds = session.duration_seconds.to_string();
    let optional = [("Policy", &session.policy), ("ExternalId", &session.external_id)];
    [
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", session.name.as_str()),
        ("DurationSeconds", seconds.as_str()),
    ]
    .into_iter()
    .chain(optional.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))))
    .map(owned)
    .collect()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The credentials in a successful response, or the reason why it has none.
pub(super) fn parse_credentials(body: &[u8]) -> Result<Credentials, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct AssumeRoleResponse {
        credentials: Option<CredentialsResponse>,
    }
    let response: AssumeRoleResponse = parse_json(body)?;
    response.credentials.ok_or("it has no `Credentials`")?.into_session()
}

/// Code, message and request ID of an error response; empty where it has none.
#[derive(Default)]
pub(super) struct StsErrorResponse {
    pub(super) code: Option<ServerText>,
    pub(super) message: Option<ServerText>,
    pub(super) request_id: Option<ServerText>,
}

impl StsErrorResponse {
    /// Parses an error response. Of any other body nothing is kept: it may repeat the request,
    /// which contains tokens.
    pub(super) fn parse(body: &[u8], sanitizer: &Sanitizer) -> Self {
        // The aliases are the names of CloudSSO and OAuth.
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Body {
            #[serde(alias = "ErrorCode", alias = "error")]
            code: Option<String>,
            #[serde(alias = "ErrorMessage", alias = "error_description")]
            message: Option<String>,
            #[serde(alias = "requestId")]
            request_id: Option<String>,
        }
        let body: Body = parse_json(body).unwrap_or_default();
        // The response to a wrong signature contains the string to sign.
        let unsigned = |message: &str| {
            let end = message.to_ascii_lowercase().find("string to sign").unwrap_or(message.len());
            message.get(..end).map(str::to_owned)
        };
        Self {
            code: body.code.map(|code| sanitizer.text(code)),
            message: body.message.as_deref().and_then(unsigned).map(|text| sanitizer.text(text)),
            request_id: body.request_id.map(|request_id| sanitizer.text(request_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RoleArn, RoleSession};
    use super::*;

    fn pairs(encoded: &str) -> Vec<(&str, &str)> {
        encoded.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
    }

    fn role() -> Role {
        let session = RoleSession::default().with_external_id("a/b").unwrap();
        Role { arn: RoleArn::parse("acs:ram::1:role/x").unwrap(), session }
    }

    #[test]
    fn assume_role_is_signed_and_complete() {
        let caller = Credentials::new("STS.X", "secret").with_security_token("to+ken");
        let mut role = role();
        role.session = role.session.with_policy("{ }").unwrap();
        let call = StsRequest::assume_role(&role, &caller, OffsetDateTime::UNIX_EPOCH, "n");
        assert_eq!(
            pairs(&call.query),
            [
                ("Action", "AssumeRole"),
                ("Format", "JSON"),
                ("Timestamp", "1970-01-01T00%3A00%3A00Z"),
                ("Version", "2015-04-01"),
                ("AccessKeyId", "STS.X"),
                ("SignatureMethod", "HMAC-SHA1"),
                ("SignatureNonce", "n"),
                ("SignatureVersion", "1.0"),
                ("SecurityToken", "to%2Bken"),
                ("Signature", pairs(&call.query)[9].1),
            ]
        );
        assert_eq!(
            pairs(&call.form),
            [
                ("RoleArn", "acs%3Aram%3A%3A1%3Arole%2Fx"),
                ("RoleSessionName", "terraform"),
                ("DurationSeconds", "3600"),
                ("Policy", "%7B%20%7D"),
                ("ExternalId", "a%2Fb"),
            ]
        );
    }

    #[test]
    fn assume_role_with_oidc_contains_no_access_key_id() {
        let call = StsRequest::assume_role_with_oidc(
            &role(),
            "acs:ram::1:oidc-provider/gh",
            "the.token",
            OffsetDateTime::UNIX_EPOCH,
        );
        assert!(!call.query.contains("AccessKeyId") && !call.query.contains("Signature"));
        assert!(call.form.ends_with("&OIDCToken=the.token"), "{}", call.form);
        assert!(!call.query.contains("the.token"), "a token in a URL would be logged in transit");
    }

    #[test]
    fn an_error_response_is_kept_without_the_string_to_sign() {
        let parse = |body: &[u8]| StsErrorResponse::parse(body, &Sanitizer::default());
        let body = br#"{"RequestId":"R","HostId":"h","Code":"SignatureDoesNotMatch","Message":
            "Specified signature is not matched. server string to sign is:POST&TOKEN"}"#;
        let error = parse(body);
        assert_eq!(error.code.as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(error.message.as_deref(), Some("Specified signature is not matched. server "));
        assert_eq!(error.request_id.as_deref(), Some("R"));
        let other = br#"{"Code":"X","Message":"Server String To Sign: POST&TOKEN"}"#;
        assert_eq!(parse(other).message.as_deref(), Some("Server "));
        assert!(parse(b"<html>TOKEN").message.is_none());
    }
}
