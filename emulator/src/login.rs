//! The services behind the CLI's logins at a browser: CloudSSO, at any host with the path
//! `/cloud-credentials`, and OAuth, at its hosts, for which the emulator is a proxy (`tunnel`).
//!
//! Follows the requests of aliyun-cli and credentials-go, and the types that they parse responses into.
//! Guesses: that a refresh token serves once (RFC 6749 recommends it), the statuses 401 for access tokens
//! and 400 for refresh tokens (RFC 6749), and the codes of CloudSSO.

use serde_json::{Value, json};

use super::error::ServiceError;
use super::key_store::Session;
use super::request::Request;
use super::response::Response;
use super::timestamp;

/// The hosts of OAuth, for accounts in China and elsewhere.
pub(super) const OAUTH_HOSTS: [&str; 2] = ["oauth.aliyun.com", "oauth.alibabacloud.com"];

/// Duration of a session.
pub(super) const SESSION_SECONDS: u64 = 3600;

/// How long a new access token of OAuth lasts.
const TOKEN_SECONDS: u64 = 3600;

/// A login that the emulator accepts.
#[derive(Clone, Default)]
pub(super) struct Login {
    /// The access token of CloudSSO, with account and access configuration.
    pub(super) cloud_sso: Option<[String; 3]>,
    /// The access token and the refresh token of OAuth that are accepted now.
    pub(super) oauth: Option<[String; 2]>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    CloudCredential,
    OAuthExchange,
    OAuthToken,
}

impl Call {
    /// Recognizes a request by its host and path.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let host = request.host.split(':').next().unwrap_or_default();
        let is_oauth = OAUTH_HOSTS.contains(&host);
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/cloud-credentials") if request.query.is_empty() => {
                Some(Self::CloudCredential)
            }
            ("POST", "/v1/exchange") if is_oauth => Some(Self::OAuthExchange),
            ("POST", "/v1/token") if is_oauth => Some(Self::OAuthToken),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CloudCredential => "CreateCloudCredential",
            Self::OAuthExchange => "OAuthExchange",
            Self::OAuthToken => "OAuthToken",
        }
    }
}

impl Login {
    /// Checks the token of a request.
    pub(super) fn authenticate(&self, call: Call, request: &Request) -> Result<(), ServiceError> {
        let bearer = request.header("authorization").unwrap_or_default();
        let bearer = bearer.strip_prefix("Bearer ");
        let form = request.form();
        let field = |name: &str| {
            let field = form.iter().find(|(found, _)| found == name);
            field.map(|(_, value)| value.as_str())
        };
        match call {
            Call::CloudCredential => {
                let [token, account, configuration] =
                    self.cloud_sso.as_ref().ok_or_else(invalid_access_token)?;
                if bearer != Some(token) {
                    return Err(invalid_access_token());
                }
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                if body.get("AccountId") == Some(&json!(account))
                    && body.get("AccessConfigurationId") == Some(&json!(configuration))
                {
                    return Ok(());
                }
                let message = "The access configuration is not provisioned in the account.";
                Err(ServiceError::new(404, "EntityNotExists.AccessConfiguration", message))
            }
            Call::OAuthExchange => match &self.oauth {
                Some([token, _]) if bearer == Some(token) => Ok(()),
                _ => {
                    let message = "The access token is expired.";
                    Err(ServiceError::new(401, "expired_token", message))
                }
            },
            Call::OAuthToken => match &self.oauth {
                Some([_, token])
                    if field("grant_type") == Some("refresh_token")
                        && field("client_id").is_some()
                        && field("refresh_token") == Some(token) =>
                {
                    Ok(())
                }
                _ => {
                    let message = "The refresh token is invalid or was used before.";
                    Err(ServiceError::new(400, "invalid_grant", message))
                }
            },
        }
    }

    /// Replaces both tokens of OAuth, and returns the new ones.
    pub(super) fn refresh(&mut self, request_id: &str) -> Response {
        let tokens = ["access", "refresh"].map(|kind| format!("{kind}-token-{request_id}"));
        let [access, refresh] = &tokens;
        let body = json!({
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": TOKEN_SECONDS,
            "token_type": "Bearer",
        });
        self.oauth = Some(tokens);
        Response::json(200, &body)
    }

    /// The tokens that are accepted now.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        let cloud_sso = self.cloud_sso.iter().map(|[token, ..]| token);
        cloud_sso.chain(self.oauth.iter().flatten()).cloned()
    }
}

fn invalid_access_token() -> ServiceError {
    ServiceError::new(401, "InvalidAccessToken", "The access token is invalid or has expired.")
}

/// The response with a session.
pub(super) fn session_response(call: Call, session: &Session, request_id: &str) -> Response {
    let expiration = timestamp::seconds(session.expires_at);
    Response::json(
        200,
        &match call {
            Call::CloudCredential => json!({
                "RequestId": request_id,
                "CloudCredential": {
                    "AccessKeyId": session.access_key_id,
                    "AccessKeySecret": session.access_key_secret,
                    "SecurityToken": session.security_token,
                    "Expiration": expiration,
                    "ExpirationInt64": session.expires_at.unix_timestamp(),
                },
            }),
            Call::OAuthExchange | Call::OAuthToken => json!({
                "requestId": request_id,
                "accessKeyId": session.access_key_id,
                "accessKeySecret": session.access_key_secret,
                "securityToken": session.security_token,
                "expiration": expiration,
            }),
        },
    )
}

/// An error response, in the form of the service.
pub(super) fn error_response(error: &ServiceError, call: Call, request_id: &str) -> Response {
    let body = match call {
        Call::CloudCredential => json!({
            "ErrorCode": error.code,
            "ErrorMessage": error.message,
            "RequestId": request_id,
        }),
        Call::OAuthExchange | Call::OAuthToken => json!({
            "error": error.code,
            "error_description": error.message,
            "requestId": request_id,
        }),
    };
    Response::json(error.status, &body)
}
