//! Requests credentials from their sources.

use std::pin::Pin;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use time::OffsetDateTime;

use super::files::{profile_region, read_oidc_token, read_profiles};
use super::insecure::InsecureProfiles;
use super::profile::{CurrentProfiles, ProfileFile};
use super::response::CredentialsResponse;
use super::sts::{StsErrorResponse, StsRequest};
use super::{
    CredentialServiceError, CredentialSource, Credentials, CredentialsError, CredentialsErrorKind,
    CredentialsUri, OidcRole, Profile, StsConfig, process, sts,
};
use crate::oss::Endpoint;
use crate::oss::clock::{Clock, TimeServer};
use crate::oss::http::{Http, HttpRequest, HttpResponse};
use crate::oss::request_body::SentFlag;
use crate::oss::sanitize::Sanitizer;
use crate::oss::service_error::retry_after;
use crate::oss::timestamp::parse_http_date;

/// Limit of credentials-go: 5 s to connect and 10 s to respond.
pub(super) const SERVICE_TIMEOUT: Duration = Duration::from_secs(15);

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
            let origin = |kind| CredentialsError { origin: source.origin(), kind };
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
                    let token = read_oidc_token(token).await.map_err(origin)?;
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
        operation: &'static str,
        response: &HttpResponse,
    ) -> CredentialServiceError {
        let StsErrorResponse { code, message, request_id } =
            StsErrorResponse::parse(&response.body, self.sanitizer());
        let server_time = response.header("date").as_deref().and_then(parse_http_date);
        CredentialServiceError {
            host,
            operation,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oss::Region;
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
