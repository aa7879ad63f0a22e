//! STS: `AssumeRole` and `AssumeRoleWithOIDC`, on the same port as OSS.
//!
//! Follows the pages of the two operations, "Request signatures" of RPC-style APIs, the list of
//! common errors of the API gateway (error center, product "Public"), and for OIDC the errors on
//! the RRSA page of ACK. Guesses: the order of the checks, the statuses of the gateway's errors
//! (400, but 404 for an unknown AccessKey ID or action), 401 for `AuthenticationFail.OIDCToken.*`
//! (documented for `AssumeRoleWithSAML`), 403 for `AuthenticationFail.NoPermission`, that the time
//! of an unsigned request is checked too, and every message without a source.

mod parameters;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::config::Role;
use super::error::ServiceError;
use super::key_store::{KeyStore, Session};
use super::response::Response;
use super::timestamp;

pub(super) use parameters::{Call, Parameters};

/// The maximum difference between a request's time and the server's (error center: "15 minutes").
const MAX_SKEW: Duration = Duration::minutes(15);

/// The minimum and the default session duration.
const MIN_SECONDS: u64 = 900;
const DEFAULT_SECONDS: u64 = 3600;

/// The state of STS, except credentials.
#[derive(Default)]
pub(super) struct Sts {
    roles: BTreeMap<String, Role>,
    providers: BTreeMap<String, OidcProvider>,
    nonces: BTreeSet<String>,
}

/// An OIDC provider and the only token that it accepts.
struct OidcProvider {
    token: String,
    /// Tokens that were accepted before. May contain the current token if it was set twice.
    expired_tokens: BTreeSet<String>,
}

impl Sts {
    pub(super) fn add_role(&mut self, role: Role) {
        self.roles.insert(role.arn.clone(), role);
    }

    /// Every token of every provider.
    pub(super) fn oidc_tokens(&self) -> impl Iterator<Item = String> {
        self.providers.values().flat_map(|provider| {
            let expired = provider.expired_tokens.iter().cloned();
            expired.chain([provider.token.clone()]).collect::<Vec<String>>()
        })
    }

    /// Sets the token that a provider accepts. The previous one is expired from then on.
    pub(super) fn set_oidc_token(&mut self, provider_arn: &str, token: &str) {
        let expired_tokens = self.providers.remove(provider_arn).map(
            |OidcProvider { token, mut expired_tokens }| {
                expired_tokens.insert(token);
                expired_tokens
            },
        );
        let expired_tokens = expired_tokens.unwrap_or_default();
        let provider = OidcProvider { token: token.to_owned(), expired_tokens };
        self.providers.insert(provider_arn.to_owned(), provider);
    }

    /// Checks operation, version, format, time, and the signature or token.
    pub(super) fn authenticate(
        &mut self,
        method: &str,
        parameters: &Parameters,
        keys: &KeyStore,
        now: OffsetDateTime,
    ) -> Result<Call, ServiceError> {
        let call = Call::of(parameters)?;
        if parameters.required("Version")? != "2015-04-01" {
            return Err(invalid("Version"));
        }
        // Without Format=JSON, STS returns XML, which the emulator does not implement.
        if parameters.get("Format").is_none_or(|format| !format.eq_ignore_ascii_case("JSON")) {
            let message = "The emulator only supports Format=JSON.";
            return Err(ServiceError::new(400, "InvalidParameter.Format", message));
        }
        match call {
            Call::AssumeRole => {
                check_time(parameters.required("Timestamp")?, now)?;
                signature::verify(method, parameters, keys.known(), now)?;
                self.use_nonce(parameters.required("SignatureNonce")?)?;
            }
            Call::AssumeRoleWithOidc => {
                if let Some(time) = parameters.get("Timestamp") {
                    check_time(time, now)?;
                }
                self.check_oidc_token(parameters)?;
            }
        }
        Ok(call)
    }

    /// Executes either operation: returns the assumed role and the session duration.
    pub(super) fn assume(
        &self,
        call: Call,
        parameters: &Parameters,
    ) -> Result<(AssumedRole, u64), ServiceError> {
        let arn = parameters.required("RoleArn")?;
        let session_name = parameters.required("RoleSessionName")?;
        if !is_role_arn(arn) {
            return Err(malformed("RoleArn"));
        }
        if !is_session_name(session_name) {
            return Err(malformed("RoleSessionName"));
        }
        if let Some(policy) = parameters.get("Policy") {
            check_policy(policy)?;
        }
        let role = self.roles.get(arn).ok_or_else(|| {
            let message = format!("The role not exists: {arn}. ");
            ServiceError::new(404, "EntityNotExist.Role", message)
        })?;
        // AssumeRoleWithOIDC has no such parameter: the token identifies the caller.
        if call == Call::AssumeRole {
            check_external_id(parameters.get("ExternalId"), role)?;
        }
        let seconds = match parameters.get("DurationSeconds") {
            None => DEFAULT_SECONDS.min(role.max_session_seconds),
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| (MIN_SECONDS..=role.max_session_seconds).contains(seconds))
                .ok_or_else(|| {
                    let message =
                        "The Min/Max value of DurationSeconds is 15min/MaxSessionDuration.";
                    ServiceError::new(400, "InvalidParameter.DurationSeconds", message)
                })?,
        };
        Ok((AssumedRole { arn: arn.to_owned(), session_name: session_name.to_owned() }, seconds))
    }

    /// A nonce is used once its signature was valid, even if the operation fails.
    fn use_nonce(&mut self, nonce: &str) -> Result<(), ServiceError> {
        if self.nonces.insert(nonce.to_owned()) {
            return Ok(());
        }
        let message = "Specified signature nonce was used already.";
        Err(ServiceError::new(400, "SignatureNonceUsed", message))
    }

    fn check_oidc_token(&self, parameters: &Parameters) -> Result<(), ServiceError> {
        let provider = parameters.required("OIDCProviderArn")?;
        let token = parameters.required("OIDCToken")?;
        if !(4..=20_000).contains(&token.len()) {
            return Err(malformed("OIDCToken"));
        }
        let provider = self.providers.get(provider).ok_or_else(|| {
            let message = "No such OIDC Provider registered.";
            ServiceError::new(403, "AuthenticationFail.NoPermission", message)
        })?;
        if provider.token == token {
            return Ok(());
        }
        let (code, message) = if provider.expired_tokens.contains(token) {
            ("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired.")
        } else {
            ("AuthenticationFail.OIDCToken.Invalid", "This JsonWebToken is invalid.")
        };
        Err(ServiceError::new(401, code, message))
    }
}

/// The role that a caller assumed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AssumedRole {
    arn: String,
    session_name: String,
}

impl AssumedRole {
    /// The response with the session's credentials.
    pub(super) fn to_response(&self, session: &Session, request_id: &str) -> Response {
        let Self { arn, session_name } = self;
        let body = json!({
            "RequestId": request_id,
            "AssumedRoleUser": {
                "Arn": format!("{arn}/{session_name}"),
                "AssumedRoleId": format!("300000000000000000:{session_name}"),
            },
            "Credentials": {
                "AccessKeyId": session.access_key_id,
                "AccessKeySecret": session.access_key_secret,
                "SecurityToken": session.security_token,
                "Expiration": timestamp::seconds(session.expires_at),
            },
        });
        Response::json(200, &body)
    }
}

/// An error response of STS.
pub(super) fn error_response(error: &ServiceError, request_id: &str, host_id: &str) -> Response {
    let code = &error.code;
    let recommend =
        format!("https://api.aliyun.com/troubleshoot?q={code}&product=Sts&requestId={request_id}");
    let body = json!({
        "RequestId": request_id,
        "HostId": host_id,
        "Code": code,
        "Message": error.message,
        "Recommend": recommend,
    });
    Response::json(error.status, &body)
}

fn check_time(text: &str, now: OffsetDateTime) -> Result<(), ServiceError> {
    let time = timestamp::parse_seconds(text).ok_or_else(|| {
        let message = "Specified time stamp or date value is not well formatted.";
        ServiceError::new(400, "InvalidTimeStamp.Format", message)
    })?;
    if (now - time).abs() <= MAX_SKEW {
        return Ok(());
    }
    let message = "Specified time stamp or date value is expired.";
    Err(ServiceError::new(400, "InvalidTimeStamp.Expired", message))
}

fn check_external_id(sent: Option<&str>, role: &Role) -> Result<(), ServiceError> {
    let is_allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '+' | '=' | ',' | '.' | '@' | ':' | '/' | '-' | '_')
    };
    if let Some(id) = sent
        && !((2..=1224).contains(&id.len()) && id.chars().all(is_allowed))
    {
        return Err(malformed("ExternalId"));
    }
    // A trust policy with an external ID rejects any other; one without ignores it.
    if role.external_id.is_none() || role.external_id.as_deref() == sent {
        return Ok(());
    }
    let message = "You are not authorized to do this action. You should be authorized by RAM.";
    Err(ServiceError::new(403, "NoPermission", message))
}

fn check_policy(policy: &str) -> Result<(), ServiceError> {
    if policy.len() > 2048 {
        let message = "The size of Policy must be smaller than 2048 bytes.";
        return Err(ServiceError::new(400, "InvalidParameter.PolicySize", message));
    }
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_json::from_str(policy);
    parsed.map(|_| ()).map_err(|_| {
        let message = "The parameter Policy has not passed grammar check.";
        ServiceError::new(400, "InvalidParameter.PolicyGrammar", message)
    })
}

/// `acs:ram::{account}:role/{name}`.
fn is_role_arn(text: &str) -> bool {
    let parts = text.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
    parts.is_some_and(|(account, name)| {
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        is_number && !name.is_empty()
    })
}

/// 2 to 64 characters (an older page: to 32).
fn is_session_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '-' | '_');
    (2..=64).contains(&text.len()) && text.chars().all(is_allowed)
}

fn invalid(name: &str) -> ServiceError {
    let message = format!("Specified parameter {name} is not valid.");
    ServiceError::new(400, format!("Invalid{name}"), message)
}

fn malformed(name: &str) -> ServiceError {
    let message = format!("The parameter {name} is wrongly formed.");
    ServiceError::new(400, format!("InvalidParameter.{name}"), message)
}
