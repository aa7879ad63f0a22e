//! Gets the next session of a login of the CLI if that needs no browser.

use secrecy::ExposeSecret as _;

use super::fetch::{Fetcher, SERVICE_TIMEOUT};
use super::login::{LoginRequest, Renewal, lasts, parse_session, parse_tokens};
use super::{Credentials, CredentialsErrorKind, Login};
use crate::oss::http::HttpRequest;
use crate::oss::request_body::SentFlag;

impl Fetcher<'_> {
    /// Returns the stored session until it expires, then a new one. A stored session that is requested again,
    /// because it is about to expire or was rejected, is replaced if possible.
    pub(super) async fn login(self, login: &Login) -> Result<Credentials, CredentialsErrorKind> {
        let stored = login.session.as_ref();
        for secret in login.secrets() {
            self.sanitizer().remember("login token", secret.expose_secret());
        }
        if let Some(session) = login.memory.use_once(stored, self.sts_time()) {
            return Ok(session);
        }
        match self.renew(login).await {
            Err(error) => {
                let session = stored.filter(|session| lasts(session, self.sts_time()));
                session.cloned().ok_or(error)
            }
            renewed => renewed,
        }
    }

    async fn renew(self, login: &Login) -> Result<Credentials, CredentialsErrorKind> {
        let ended = || CredentialsErrorKind::Login {
            profile: login.profile.clone(),
            mode: login.mode,
            error: None,
        };
        match &login.renewal {
            Renewal::CloudSso { sign_in, account_id, access_configuration_id, access_token } => {
                let token = access_token.as_ref().filter(|token| token.lasts(self.sts_time()));
                let token = &token.ok_or_else(ended)?.value;
                let (account, configuration) = (account_id, access_configuration_id);
                let request =
                    LoginRequest::cloud_credential(sign_in, account, configuration, token);
                self.send_login(login, request, parse_session).await
            }
            Renewal::OAuth { site, access_token, refresh_token } => {
                let remembered =
                    refresh_token.as_ref().and_then(|token| login.memory.tokens_after(token));
                let access_token = remembered
                    .as_ref()
                    .map(|tokens| &tokens.access_token)
                    .or(access_token.as_ref());
                // Unlike a refresh, this leaves the login in the CLI's file valid.
                if let Some(token) = access_token.filter(|token| token.lasts(self.sts_time())) {
                    let request = LoginRequest::exchange(*site, &token.value);
                    return self.send_login(login, request, parse_session).await;
                }
                let in_file = refresh_token.as_ref().ok_or_else(ended)?;
                let current = remembered.as_ref().and_then(|tokens| tokens.refresh_token.as_ref());
                let request = LoginRequest::refresh(*site, current.unwrap_or(in_file));
                let now = self.sts_time();
                let parse = |body: &[u8]| parse_tokens(body, now);
                let tokens = self.send_login(login, request, parse).await?;
                for secret in tokens.secrets() {
                    self.sanitizer().remember("login token", secret.expose_secret());
                }
                let request = LoginRequest::exchange(*site, &tokens.access_token.value);
                login.memory.remember(in_file, tokens);
                self.send_login(login, request, parse_session).await
            }
        }
    }

    async fn send_login<T>(
        self,
        login: &Login,
        request: LoginRequest,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, CredentialsErrorKind> {
        let LoginRequest { operation, host, path, headers, body } = request;
        let url = format!("{host}{path}");
        let request = HttpRequest {
            method: "POST",
            url: &url,
            headers: &headers,
            body,
            sent: SentFlag::default(),
            timeout: Some(SERVICE_TIMEOUT),
            is_metadata: false,
        };
        let response = self.execute(&host, request).await?;
        match response.status {
            200..=299 => {
                parse(&response.body).map_err(|reason| self.invalid_response(&host, &reason))
            }
            status => {
                let error = Box::new(self.service_error(host, operation, &response));
                let is_rejected = (400..500).contains(&status)
                    && !matches!(status, 408 | 429)
                    && !error.code.starts_with("Throttling");
                Err(if is_rejected {
                    // The token, the account or the access configuration is no longer accepted: only a new
                    // login helps.
                    CredentialsErrorKind::Login {
                        profile: login.profile.clone(),
                        mode: login.mode,
                        error: Some(error),
                    }
                } else {
                    CredentialsErrorKind::Service(error)
                })
            }
        }
    }
}
