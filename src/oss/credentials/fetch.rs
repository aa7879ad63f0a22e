//! Requests credentials from their sources: the only part of this module with IO, except `process`.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use tokio::io::AsyncReadExt as _;

use super::insecure::InsecureProfiles;
use super::profile::{CurrentProfiles, ProfileFile};
use super::response::CredentialsResponse;
use super::sts::{StsErrorResponse, StsRequest};
use super::{
    CredentialServiceError, CredentialSource, Credentials, CredentialsError, CredentialsErrorKind,
    CredentialsUri, EcsRole, LastResort, OidcRole, OidcToken, Profile, StsConfig, process, sts,
};
use crate::oss::clock::{Clock, TimeServer};
use crate::oss::http::{Http, HttpRequest, HttpResponse};
use crate::oss::request_body::SentFlag;
use crate::oss::sanitize::Sanitizer;
use crate::oss::service_error::retry_after;
use crate::oss::timestamp::parse_http_date;
use crate::oss::{Endpoint, Region, TransportError};

/// The fixed address of the metadata service in every ECS instance.
const METADATA: &str = "http://100.100.100.200";
/// Limits of credentials-go: 1 s to connect and 1 s to respond, 5 s and 10 s for the others.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
pub(super) const SERVICE_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum size of a file that is read here.
const MAX_FILE: u64 = 1024 * 1024;

type FetchFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CredentialsError>> + Send + 'a>>;

/// The parts of a client that requests for credentials need.
#[derive(Clone, Copy)]
pub(super) struct Fetcher<'a> {
    pub(super) http: &'a Http,
    pub(super) clock: &'a Clock,
    pub(super) current: &'a CurrentProfiles,
    pub(super) insecure: &'a InsecureProfiles,
}

impl<'a> Fetcher<'a> {
    /// Gets credentials from a source, and from its base sources.
    pub(super) fn fetch(self, source: &'a CredentialSource) -> FetchFuture<'a, Credentials> {
        Box::pin(async move {
            let credentials = self.fetch_unchecked(source).await?;
            match credentials.check_token() {
                Ok(()) => Ok(credentials),
                Err(mismatch) => {
                    let kind = CredentialsErrorKind::Token(mismatch);
                    Err(CredentialsError { origin: source.origin(), kind })
                }
            }
        })
    }

    fn fetch_unchecked(self, source: &'a CredentialSource) -> FetchFuture<'a, Credentials> {
        Box::pin(async move {
            let origin = |problem| CredentialsError { origin: source.origin(), kind: problem };
            let fetched = match source {
                CredentialSource::Static { credentials, .. } => Ok(credentials.clone()),
                CredentialSource::Profile(profile) => {
                    let file = read_profiles(profile).await.map_err(origin)?;
                    let resolved = file
                        .source(self.profile_name(profile, &file).as_deref(), &profile.defaults)
                        .map_err(|error| origin(error.into()))?;
                    self.insecure.note(profile, &resolved);
                    self.fetch_owned(resolved).await.map_err(|error| CredentialsError {
                        origin: format!("{profile} ({})", error.origin),
                        ..error
                    })
                }
                CredentialSource::EcsRole(role) => self.ecs_role(role).await.map_err(origin),
                CredentialSource::CredentialsUri(uri) => self.uri(uri).await.map_err(origin),
                CredentialSource::Process(command_line) => {
                    process::run(command_line.expose_secret(), self.sanitizer())
                        .await
                        .map_err(origin)
                }
                CredentialSource::Login(login) => self.login(login).await.map_err(origin),
                CredentialSource::AssumeRole { base, role, sts } => {
                    let caller = self.fetch(base).await?;
                    let nonce = format!("{:032x}", fastrand::u128(..));
                    let call = StsRequest::assume_role(role, &caller, self.sts_time(), &nonce);
                    let sts = sts_config_for(sts, base, self.current).await;
                    let credentials = self.sts(&sts, call).await.map_err(origin)?;
                    // Unlike the token of an identity provider, a signature is checked against the time.
                    self.clock.confirm(TimeServer::Sts);
                    Ok(credentials)
                }
                CredentialSource::AssumeRoleWithOidc(OidcRole {
                    role,
                    provider_arn,
                    token,
                    sts,
                }) => {
                    let token = oidc_token(token).await.map_err(origin)?;
                    self.sanitizer().remember("OIDC token", token.expose_secret());
                    let call = StsRequest::assume_role_with_oidc(
                        role,
                        provider_arn,
                        token.expose_secret(),
                        self.sts_time(),
                    );
                    self.sts(sts, call).await.map_err(origin)
                }
            };
            if let Ok(credentials) = &fetched {
                self.sanitizer().remember_credentials(credentials);
            }
            fetched
        })
    }

    pub(super) fn sanitizer(self) -> &'a Sanitizer {
        self.http.sanitizer()
    }

    /// Like [`fetch`](Self::fetch), for a source with a shorter lifetime.
    fn fetch_owned(self, source: CredentialSource) -> FetchFuture<'a, Credentials> {
        Box::pin(async move { Fetcher { ..self }.fetch(&source).await })
    }

    /// The profile's name, or that of the file's current one.
    fn profile_name(self, profile: &Profile, file: &ProfileFile) -> Option<String> {
        profile.name.clone().or_else(|| self.current.of(&profile.path, file))
    }

    /// The time of STS, which issues the sessions of every service.
    pub(super) fn sts_time(self) -> OffsetDateTime {
        self.clock.time_of(TimeServer::Sts)
    }

    async fn sts(
        self,
        config: &StsConfig,
        call: StsRequest,
    ) -> Result<Credentials, CredentialsErrorKind> {
        let regional = self.sts_at(&config.resolve_endpoint(), &call).await;
        match (&regional, config.fallback_endpoint()) {
            (Err(CredentialsErrorKind::Transport { error, host }), Some(global))
                if error.is_unknown_host() =>
            {
                tracing::debug!("{host} does not resolve; sending the request to {global}");
                // If neither can be reached, the error of the region's own endpoint is more useful.
                self.sts_at(&global, &call).await.or_else(|error| match error {
                    CredentialsErrorKind::Transport { .. } => regional,
                    error => Err(error),
                })
            }
            _ => regional,
        }
    }

    async fn sts_at(
        self,
        endpoint: &Endpoint,
        call: &StsRequest,
    ) -> Result<Credentials, CredentialsErrorKind> {
        let host = endpoint.to_string();
        let url = format!("{host}/?{}", call.query);
        let form = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        let response = self
            .execute(
                &host,
                HttpRequest {
                    method: "POST",
                    url: &url,
                    headers: &[form],
                    body: call.form.clone().into_bytes(),
                    sent: SentFlag::default(),
                    timeout: Some(SERVICE_TIMEOUT),
                    is_metadata: false,
                },
            )
            .await?;
        if !response.is_success() {
            return Err(self.service_error(host, call.action, &response).into());
        }
        sts::parse_credentials(&response.body)
            .map_err(|reason| self.invalid_response(&host, &reason))
    }

    async fn uri(self, uri: &CredentialsUri) -> Result<Credentials, CredentialsErrorKind> {
        self.sanitizer().remember("credentials URI", uri.secret_part());
        let response = self
            .execute(
                &uri.host(),
                HttpRequest {
                    method: "GET",
                    url: uri.as_str(),
                    headers: &[],
                    body: Vec::new(),
                    sent: SentFlag::default(),
                    timeout: Some(SERVICE_TIMEOUT),
                    is_metadata: false,
                },
            )
            .await?;
        if !response.is_success() {
            return Err(self
                .service_error(uri.host(), "the request for credentials", &response)
                .into());
        }
        CredentialsResponse::parse(&response.body)
            .and_then(CredentialsResponse::into_credentials)
            .map_err(|reason| self.invalid_response(&uri.host(), &reason))
    }

    /// ECS documentation, "Instance metadata": with a token (security hardening mode), or without one if that
    /// fails for any reason (normal mode).
    async fn ecs_role(self, role: &EcsRole) -> Result<Credentials, CredentialsErrorKind> {
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
                problem @ CredentialsErrorKind::Transport {
                    error: TransportError::Connect(_) | TransportError::InvalidRequest(_),
                    ..
                },
            ) => return Err(problem),
            token => token,
        };
        let name = role.name.as_deref();
        let with_token = match token {
            Ok(token) => self.metadata_credentials(base, host, name, &[token]).await,
            Err(problem) if role.defaults.is_metadata_v1_disabled => return Err(problem),
            Err(_) => return self.metadata_credentials(base, host, name, &[]).await,
        };
        match with_token {
            Err(problem) if !role.defaults.is_metadata_v1_disabled => {
                // If both fail, the error of the preferred mode is more useful.
                self.metadata_credentials(base, host, name, &[]).await.map_err(|_| problem)
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

    pub(super) async fn execute(
        self,
        host: &str,
        request: HttpRequest<'_>,
    ) -> Result<HttpResponse, CredentialsErrorKind> {
        self.http
            .execute(request)
            .await
            .map_err(|error| CredentialsErrorKind::Transport { host: host.to_owned(), error })
    }

    pub(super) fn service_error(
        self,
        host: String,
        action: &'static str,
        response: &HttpResponse,
    ) -> CredentialServiceError {
        let StsErrorResponse { code, message, request_id } =
            StsErrorResponse::parse(&response.body, self.sanitizer());
        let server_time = response.header("date").as_deref().and_then(parse_http_date);
        CredentialServiceError {
            host,
            operation: action,
            status: response.status,
            code: code.unwrap_or_default(),
            message: message.unwrap_or_default(),
            request_id,
            server_time,
            retry_after: response
                .header("retry-after")
                .and_then(|value| retry_after(&value, server_time)),
        }
    }

    pub(super) fn invalid_response(self, host: &str, reason: &str) -> CredentialsErrorKind {
        let reason = self.sanitizer().text(reason);
        CredentialsErrorKind::InvalidResponse { host: host.to_owned(), reason }
    }
}

/// Reads the region of a profile.
pub(in crate::oss) async fn profile_region(
    profile: &Profile,
    current: &CurrentProfiles,
) -> Result<Option<Region>, CredentialsError> {
    let origin = |problem| CredentialsError { origin: profile.to_string(), kind: problem };
    let file = read_profiles(profile).await.map_err(origin)?;
    let name = profile.name.clone().or_else(|| current.of(&profile.path, &file));
    file.region(name.as_deref()).map_err(|error| origin(error.into()))
}

/// Configuration of STS for a role that is assumed with a profile: the region of the profile if no other is
/// configured.
async fn sts_config_for(
    sts: &StsConfig,
    base: &CredentialSource,
    current: &CurrentProfiles,
) -> StsConfig {
    let mut config = sts.clone();
    if let (None, None, CredentialSource::Profile(profile)) = (&sts.endpoint, &sts.region, base) {
        // It was already read for the credentials.
        config.region = profile_region(profile, current).await.ok().flatten();
    }
    config
}

async fn read_profiles(profile: &Profile) -> Result<ProfileFile, CredentialsErrorKind> {
    let not_configured = |LastResort { hint, skipped, .. }: &LastResort| {
        CredentialsErrorKind::NotConfigured { hint: hint.clone(), skipped: skipped.clone() }
    };
    if let Some(resort) = profile.last_resort.as_ref().filter(|resort| resort.skipped.is_some()) {
        return Err(not_configured(resort));
    }
    let content = read(&profile.path).await;
    match (&content, &profile.last_resort) {
        (Err(error), Some(resort))
            if error.kind() == std::io::ErrorKind::NotFound && !resort.is_file_named =>
        {
            return Err(not_configured(resort));
        }
        _ => {}
    }
    let content = content.map_err(|error| file_error(&profile.path, &error))?;
    let file = ProfileFile::parse(&content, profile.name.as_deref())?;
    match &profile.last_resort {
        Some(resort) if !file.has_current() => Err(not_configured(resort)),
        _ => Ok(file),
    }
}

async fn oidc_token(token: &OidcToken) -> Result<SecretString, CredentialsErrorKind> {
    let path = match token {
        OidcToken::Value(token) => return Ok(token.clone()),
        OidcToken::File(path) => path,
    };
    let unusable =
        |reason: &str| CredentialsErrorKind::File { path: path.clone(), reason: reason.to_owned() };
    let content = read(path).await.map_err(|error| file_error(path, &error))?;
    let text = String::from_utf8(content).map_err(|_| unusable("it is not text"))?;
    match text.trim() {
        "" => Err(unusable("it is empty")),
        token => Ok(token.into()),
    }
}

/// Reads a file on another thread: a pipe or a network drive may block.
async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(MAX_FILE + 1).read_to_end(&mut content).await?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(content)
    } else {
        Err(std::io::Error::other(format!("it is larger than {MAX_FILE} bytes")))
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> CredentialsErrorKind {
    CredentialsErrorKind::File { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oss::Credentials;
    use crate::oss::credentials::SourceDefaults;

    #[tokio::test]
    async fn sts_is_called_in_the_region_of_the_profile_if_no_other_is_configured() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let file = r#"{"current":"x","profiles":[{"name":"x","region_id":"cn-hangzhou"}]}"#;
        std::fs::write(&path, file).unwrap();
        let profile = |path| {
            let defaults = SourceDefaults::default();
            CredentialSource::Profile(Profile {
                path,
                name: Some("x".to_owned()),
                defaults,
                last_resort: None,
            })
        };
        let internal = || StsConfig { use_vpc_endpoint: true, ..StsConfig::default() };
        let region = || Region::parse("cn-beijing").ok();
        let endpoint = || Endpoint::parse("sts.example.com").ok();
        for (config, base, expected) in [
            (internal(), profile(path.clone()), "https://sts-vpc.cn-hangzhou.aliyuncs.com"),
            (
                StsConfig { region: region(), ..internal() },
                profile(path.clone()),
                "https://sts-vpc.cn-beijing.aliyuncs.com",
            ),
            (
                StsConfig { endpoint: endpoint(), ..internal() },
                profile(path.clone()),
                "https://sts.example.com",
            ),
            (internal(), profile("/none".into()), "https://sts.aliyuncs.com"),
            (internal(), Credentials::new("id", "secret").into(), "https://sts.aliyuncs.com"),
        ] {
            assert_eq!(
                sts_config_for(&config, &base, &CurrentProfiles::default())
                    .await
                    .resolve_endpoint()
                    .to_string(),
                expected
            );
        }
    }
}
