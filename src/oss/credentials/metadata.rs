//! Requests the credentials of an ECS instance's RAM role from the metadata service.

use std::time::Duration;

use super::fetch::Fetcher;
use super::response::CredentialsResponse;
use super::{Credentials, CredentialsErrorKind, CredentialsUri, EcsRole};
use crate::oss::TransportError;
use crate::oss::http::HttpRequest;
use crate::oss::request_body::SentFlag;

/// The fixed address of the metadata service in every ECS instance.
const METADATA: &str = "http://100.100.100.200";
/// Limits of credentials-go: 1 s to connect (`oss/http.rs`) and 1 s to respond.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

impl Fetcher<'_> {
    /// ECS documentation, "Instance metadata": with a token (security hardening mode), or without one if that
    /// fails for any reason (normal mode).
    pub(super) async fn ecs_role(
        self,
        role: &EcsRole,
    ) -> Result<Credentials, CredentialsErrorKind> {
        if role.defaults.is_metadata_disabled {
            return Err(CredentialsErrorKind::MetadataDisabled);
        }
        let base = role.defaults.metadata.as_ref().map_or(METADATA, CredentialsUri::as_str);
        let base = base.trim_end_matches('/');
        // The address may contain a secret, so messages name only its host.
        let host = role.defaults.metadata.as_ref().map(CredentialsUri::host);
        let host = host.as_deref().unwrap_or(METADATA);
        let token = match self.metadata_token(base, host).await {
            // Not reachable: normal mode would not be either.
            Err(
                error @ CredentialsErrorKind::Transport {
                    error: TransportError::Connect(_) | TransportError::InvalidRequest(_),
                    ..
                },
            ) => return Err(error),
            token => token,
        };
        let name = role.name.as_deref();
        let with_token = match token {
            Ok(token) => self.metadata_credentials(base, host, name, &[token]).await,
            Err(error) if role.defaults.is_metadata_v1_disabled => return Err(error),
            Err(_) => return self.metadata_credentials(base, host, name, &[]).await,
        };
        match with_token {
            Err(error) if !role.defaults.is_metadata_v1_disabled => {
                // If both fail, the error of the preferred mode is more useful.
                self.metadata_credentials(base, host, name, &[]).await.map_err(|_| error)
            }
            with_token => with_token,
        }
    }

    /// Requests a token for the metadata service; returns it as a header.
    async fn metadata_token(
        self,
        base: &str,
        host: &str,
    ) -> Result<(String, String), CredentialsErrorKind> {
        let lifetime = ("X-aliyun-ecs-metadata-token-ttl-seconds".to_owned(), "21600".to_owned());
        let url = format!("{base}/latest/api/token");
        let token = self.metadata("PUT", host, &url, &[lifetime]).await?;
        let token = token.trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(self.invalid_response(host, "it is no token"));
        }
        self.sanitizer().remember("metadata token", token);
        Ok(("X-aliyun-ecs-metadata-token".to_owned(), token.to_owned()))
    }

    async fn metadata_credentials(
        self,
        base: &str,
        host: &str,
        name: Option<&str>,
        headers: &[(String, String)],
    ) -> Result<Credentials, CredentialsErrorKind> {
        let roles = format!("{base}/latest/meta-data/ram/security-credentials/");
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.metadata("GET", host, &roles, headers).await?.trim().to_owned(),
        };
        let unusable = |reason: String| self.invalid_response(host, &reason);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err(unusable("the name of the role is none that RAM allows".to_owned()));
        }
        let body = self.metadata("GET", host, &format!("{roles}{name}"), headers).await?;
        CredentialsResponse::parse(body.as_bytes())
            .and_then(CredentialsResponse::into_session)
            .map_err(unusable)
    }

    async fn metadata(
        self,
        method: &str,
        host: &str,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<String, CredentialsErrorKind> {
        let request = HttpRequest {
            method,
            url,
            headers,
            body: Vec::new(),
            sent: SentFlag::default(),
            timeout: Some(METADATA_TIMEOUT),
            is_metadata: true,
        };
        let response = self.execute(host, request).await?;
        if !response.is_success() {
            return Err(self
                .service_error(host.to_owned(), "the request for the instance's role", &response)
                .into());
        }
        String::from_utf8(response.body).map_err(|_| self.invalid_response(host, "it is not text"))
    }
}
