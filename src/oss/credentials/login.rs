//! Logins of the CLI in a browser (modes `CloudSSO` and `OAuth`): the session that the CLI stored, and the
//! requests for the next one.
//!
//! Source: aliyun-cli, `config/profile.go`, `config/configure.go` and `cloudsso/refresh.go`; credentials-go,
//! `cloud_sso.go` and `oauth.go`. The CLI's file is not written: new sessions and tokens are kept until
//! the process ends.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::response::{CredentialsResponse, parse_json};
use super::{Credentials, Mode};
use crate::oss::Endpoint;

/// A token that expires sooner is not sent: it would have expired on arrival.
const MARGIN: Duration = Duration::seconds(30);

/// A profile with a login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The profile.
    pub(super) profile: String,
    /// `CloudSSO` or `OAuth`.
    pub(super) mode: Mode,
    /// The session that the CLI stored, with its expiration.
    pub(super) session: Option<Credentials>,
    /// How to get the next session.
    pub(super) renewal: Renewal,
    /// The sessions and tokens of this login that the process has used before.
    pub(super) memory: LoginMemory,
}

impl Login {
    /// The tokens of the login.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let (access, refresh) = match &self.renewal {
            Renewal::CloudSso { access_token, .. } => (access_token, None),
            Renewal::OAuth { access_token, refresh_token, .. } => {
                (access_token, refresh_token.as_ref())
            }
        };
        access.iter().map(|token| &token.value).chain(refresh)
    }
}

/// How to get a session without a browser.
#[derive(Debug, Clone)]
pub(super) enum Renewal {
    CloudSso {
        sign_in: Endpoint,
        account_id: String,
        access_configuration_id: String,
        access_token: Option<LoginToken>,
    },
    OAuth {
        site: OAuthSite,
        access_token: Option<LoginToken>,
        refresh_token: Option<SecretString>,
    },
}

/// A token of a login, which `Debug` does not show.
#[derive(Debug, Clone)]
pub(super) struct LoginToken {
    pub(super) value: SecretString,
    /// Its expiration, which the CLI always stores.
    pub(super) expiration: Option<OffsetDateTime>,
}

impl LoginToken {
    pub(super) fn lasts(&self, now: OffsetDateTime) -> bool {
        self.expiration.is_some_and(|expiration| now.saturating_add(MARGIN) < expiration)
    }
}

/// Alibaba Cloud's sites for logins with OAuth, and the CLI's client ID there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OAuthSite {
    Cn,
    Intl,
}

impl OAuthSite {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [("CN", Self::Cn), ("INTL", Self::Intl)]
            .into_iter()
            .find_map(|(name, site)| name.eq_ignore_ascii_case(text).then_some(site))
    }

    pub(super) fn host(self) -> &'static str {
        match self {
            Self::Cn => "https://oauth.aliyun.com",
            Self::Intl => "https://oauth.alibabacloud.com",
        }
    }

    fn client_id(self) -> &'static str {
        match self {
            Self::Cn => "4038181954557748008",
            Self::Intl => "4103531455503354461",
        }
    }
}

/// A `POST` for a session or a token.
pub(super) struct LoginRequest {
    pub(super) operation: &'static str,
    /// Scheme, host and port.
    pub(super) host: String,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl LoginRequest {
    /// A session of an account, with an access configuration of CloudSSO.
    pub(super) fn cloud_credential(
        sign_in: &Endpoint,
        account_id: &str,
        access_configuration_id: &str,
        token: &SecretString,
    ) -> Self {
        let body = json!({
            "AccountId": account_id,
            "AccessConfigurationId": access_configuration_id,
        });
        Self {
            operation: "CreateCloudCredential",
            host: sign_in.to_string(),
            path: "/cloud-credentials",
            headers: [bearer(token), header("Accept", "application/json")]
                .into_iter()
                .chain([header("Content-Type", "application/json")])
                .collect(),
            body: body.to_string().into_bytes(),
        }
    }

    /// A session of the account that the access token belongs to.
    pub(super) fn exchange(site: OAuthSite, access_token: &SecretString) -> Self {
        Self {
            operation: "the exchange of the access token",
            host: site.host().to_owned(),
            path: "/v1/exchange",
            headers: vec![bearer(access_token), header("Content-Type", "application/json")],
            body: Vec::new(),
        }
    }

    /// The next access token.
    pub(super) fn refresh(site: OAuthSite, refresh_token: &SecretString) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", refresh_token.expose_secret())
            .append_pair("client_id", site.client_id())
            .finish();
        Self {
            operation: "the refresh of the access token",
            host: site.host().to_owned(),
            path: "/v1/token",
            headers: vec![header("Content-Type", "application/x-www-form-urlencoded")],
            body: form.into_bytes(),
        }
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn bearer(token: &SecretString) -> (String, String) {
    header("Authorization", &format!("Bearer {}", token.expose_secret()))
}

/// The session in a response of either service.
pub(super) fn parse_session(body: &[u8]) -> Result<Credentials, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct CloudCredentialResponse {
        cloud_credential: Option<CredentialsResponse>,
    }
    let nested: CloudCredentialResponse = parse_json(body)?;
    match nested.cloud_credential {
        Some(credential) => credential.into_session(),
        None => CredentialsResponse::parse(body)?.into_session(),
    }
}

/// The tokens in a response.
pub(super) fn parse_tokens(body: &[u8], now: OffsetDateTime) -> Result<OAuthTokens, String> {
    #[derive(Deserialize)]
    struct TokenResponse {
        access_token: Option<String>,
        refresh_token: Option<String>,
        expires_in: Option<i64>,
    }
    let response: TokenResponse = parse_json(body)?;
    let access_token = response.access_token.filter(|token| !token.is_empty());
    let life = Duration::seconds(response.expires_in.unwrap_or_default());
    Ok(OAuthTokens {
        access_token: LoginToken {
            value: access_token.ok_or("it has no `access_token`")?.into(),
            expiration: Some(now.saturating_add(life)),
        },
        refresh_token: response.refresh_token.filter(|token| !token.is_empty()).map(Into::into),
    })
}

/// The tokens that a refresh returned.
#[derive(Debug, Clone)]
pub(super) struct OAuthTokens {
    pub(super) access_token: LoginToken,
    pub(super) refresh_token: Option<SecretString>,
}

impl OAuthTokens {
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        [&self.access_token.value].into_iter().chain(&self.refresh_token)
    }
}

/// Sessions and tokens of logins that are not written to the CLI's file.
#[derive(Clone, Default)]
pub struct LoginMemory(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// The AccessKey ID of the stored session that was used: it is requested again only if it can no
    /// longer be used.
    used: Option<String>,
    /// The refresh token in the file, and the tokens that came after it. A refresh token may be valid only once.
    refreshed: Option<(SecretString, OAuthTokens)>,
}

impl LoginMemory {
    /// Returns the stored session if it has not expired and was not used before.
    pub(super) fn use_once(
        &self,
        session: Option<&Credentials>,
        now: OffsetDateTime,
    ) -> Option<Credentials> {
        let session = session.filter(|session| lasts(session, now))?;
        let mut memory = self.lock();
        if memory.used.as_ref() == Some(&session.access_key_id) {
            return None;
        }
        memory.used = Some(session.access_key_id.clone());
        Some(session.clone())
    }

    /// Returns the tokens that replaced those of the file.
    pub(super) fn tokens_after(&self, refresh_token: &SecretString) -> Option<OAuthTokens> {
        let memory = self.lock();
        let (replaced, tokens) = memory.refreshed.as_ref()?;
        (replaced.expose_secret() == refresh_token.expose_secret()).then(|| tokens.clone())
    }

    pub(super) fn remember(&self, refresh_token: &SecretString, tokens: OAuthTokens) {
        self.lock().refreshed = Some((refresh_token.clone(), tokens));
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // No code panics while it holds the lock; if it did, the memory would still be consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a session has not expired yet.
pub(super) fn lasts(session: &Credentials, now: OffsetDateTime) -> bool {
    session.expiration.is_some_and(|expiration| now < expiration)
}

impl fmt::Debug for LoginMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LoginMemory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn session(id: &str, seconds: i64) -> Credentials {
        let session = Credentials::new(id, "secret").with_security_token("token");
        session.with_expiration(NOW + Duration::seconds(seconds))
    }

    #[test]
    fn a_stored_session_is_used_once_until_it_expires() {
        let memory = LoginMemory::default();
        let used = |session: &Credentials| memory.use_once(Some(session), NOW).is_some();
        assert!(!used(&session("STS.A", 0)) && memory.use_once(None, NOW).is_none());
        assert!(used(&session("STS.A", 1)));
        assert!(!used(&session("STS.A", 1)));
        // After a new login.
        assert!(used(&session("STS.B", 1)));
    }

    #[test]
    fn tokens_are_remembered_for_the_login_of_the_file() {
        let memory = LoginMemory::default();
        let body = br#"{"access_token":"a2","refresh_token":"r2","expires_in":3600}"#;
        memory.remember(&"r1".into(), parse_tokens(body, NOW).unwrap());
        let after = memory.tokens_after(&"r1".into()).unwrap();
        assert_eq!(after.refresh_token.unwrap().expose_secret(), "r2");
        assert!(after.access_token.lasts(NOW + Duration::seconds(3569)));
        assert!(!after.access_token.lasts(NOW + Duration::seconds(3570)));
        assert!(memory.tokens_after(&"another login".into()).is_none());
        assert_eq!(parse_tokens(b"{}", NOW).unwrap_err(), "it has no `access_token`");
    }

    #[test]
    fn both_services_return_a_session() {
        let cloud_sso = br#"{"RequestId":"x","CloudCredential":{"AccessKeyId":"STS.X",
            "AccessKeySecret":"s","SecurityToken":"t","Expiration":"2026-01-31T12:00:00Z"}}"#;
        let oauth = br#"{"requestId":"x","accessKeyId":"STS.X","accessKeySecret":"s",
            "securityToken":"t","expiration":"2026-01-31T12:00:00Z"}"#;
        for body in [&cloud_sso[..], &oauth[..]] {
            assert_eq!(parse_session(body).unwrap().access_key_id, "STS.X");
        }
        let no_token = br#"{"accessKeyId":"STS.X","accessKeySecret":"s"}"#;
        assert_eq!(parse_session(no_token).unwrap_err(), "it has no `SecurityToken`");
    }

    #[test]
    fn tokens_are_sent_in_headers_and_bodies_only() {
        let token = SecretString::from("the+token");
        let sign_in = Endpoint::parse("https://signin.example.com").unwrap();
        for request in [
            LoginRequest::cloud_credential(&sign_in, "1", "ac-1", &token),
            LoginRequest::exchange(OAuthSite::Intl, &token),
            LoginRequest::refresh(OAuthSite::Cn, &token),
        ] {
            assert!(!format!("{}{}", request.host, request.path).contains("the+token"));
        }
        let refresh = LoginRequest::refresh(OAuthSite::Cn, &token).body;
        assert_eq!(
            String::from_utf8(refresh).unwrap(),
            "grant_type=refresh_token&refresh_token=the%2Btoken&client_id=4038181954557748008"
        );
        let shown = format!("{:?}", LoginToken { value: token, expiration: None });
        assert!(!shown.contains("the+token"), "{shown}");
    }
}
