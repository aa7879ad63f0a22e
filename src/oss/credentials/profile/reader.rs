//! Reads the values of one profile. Pure.
//!
//! Rules: aliyun-cli, `config/profile.go`; credentials-go, `profile.go`. Values never get into an error: some
//! are secrets.

use secrecy::SecretString;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::error::ProfileError;
use super::mode::{Mode, Unrecognized};
use crate::oss::credentials::login::{LoginToken, OAuthSite, Renewal};
use crate::oss::credentials::response::parse_expiration;
use crate::oss::credentials::{
    CredentialSource, Credentials, CredentialsUri, EcsRole, Login, OidcRole, OidcToken, Role,
    RoleArn, RoleSession, SourceDefaults, StsConfig,
};
use crate::oss::{Endpoint, Region};

/// The mode of a profile that names none.
pub(super) fn recognize(entry: &Map<String, Value>) -> Result<Mode, Unrecognized> {
    Mode::recognize(|key| {
        entry.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    })
}

/// A profile that is being read. Absent, null and empty mean the same.
pub(super) struct ProfileReader<'a> {
    pub(super) entry: &'a Map<String, Value>,
    pub(super) name: &'a str,
    pub(super) mode: Mode,
}

impl<'a> ProfileReader<'a> {
    pub(super) fn new(entry: &'a Map<String, Value>, name: &'a str) -> Result<Self, ProfileError> {
        let mut reader = Self { entry, name, mode: Mode::Ak };
        let unsupported = |mode: &str| ProfileError::UnsupportedMode {
            profile: name.to_owned(),
            mode: mode.chars().filter(|c| !c.is_control()).take(64).collect(),
        };
        reader.mode = match reader.text("mode")? {
            Some(mode) => Mode::parse(mode).ok_or_else(|| unsupported(mode))?,
            // The CLI's first versions wrote no mode, and it is often omitted in hand-written files.
            None => recognize(entry).map_err(|error| match error {
                Unrecognized::Unsupported(mode) => unsupported(mode),
                Unrecognized::Nothing => ProfileError::NoCredentials(name.to_owned()),
            })?,
        };
        Ok(reader)
    }

    pub(super) fn text(&self, key: &'static str) -> Result<Option<&'a str>, ProfileError> {
        match self.entry.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.invalid(key, &"must be a string")),
        }
    }

    pub(super) fn require(&self, key: &'static str) -> Result<&'a str, ProfileError> {
        self.text(key)?.ok_or_else(|| ProfileError::Missing {
            profile: self.name.to_owned(),
            mode: self.mode,
            key,
        })
    }

    pub(super) fn invalid(&self, key: &'static str, must: &dyn ToString) -> ProfileError {
        ProfileError::Invalid { profile: self.name.to_owned(), key, must: must.to_string() }
    }

    /// A value that is copied from elsewhere, often with a line break.
    pub(super) fn secret(&self, key: &'static str) -> Result<&'a str, ProfileError> {
        let text = self.require(key)?;
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(self.invalid(key, &"must not contain whitespace or a line break"));
        }
        Ok(text)
    }

    pub(super) fn key_pair(&self) -> Result<Credentials, ProfileError> {
        Ok(Credentials::new(self.secret("access_key_id")?, self.secret("access_key_secret")?))
    }

    fn time(&self, key: &'static str) -> Result<Option<OffsetDateTime>, ProfileError> {
        parse_expiration(self.entry.get(key))
            .map_err(|()| self.invalid(key, &"must be a number of seconds since 1970"))
    }

    /// A URL of which only scheme, host and port are used.
    fn origin(&self, key: &'static str) -> Result<Endpoint, ProfileError> {
        let url = url::Url::parse(self.require(key)?).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| self.invalid(key, &"must be an https URL"))?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let endpoint = Endpoint::parse(&format!("{}://{host}{port}", url.scheme()));
        match endpoint {
            Ok(endpoint) if endpoint.is_insecure() => {
                Err(self.invalid(key, &"must begin with https://: it returns credentials"))
            }
            endpoint => endpoint.map_err(|error| self.invalid(key, &error)),
        }
    }

    pub(super) fn credentials_uri(
        &self,
        defaults: &SourceDefaults,
    ) -> Result<CredentialSource, ProfileError> {
        let uri = match (self.text("credentials_uri")?, &defaults.credentials_uri) {
            (None, Some(uri)) => Some(uri.clone()),
            _ => CredentialsUri::parse(self.require("credentials_uri")?),
        };
        uri.map(CredentialSource::CredentialsUri)
            .ok_or_else(|| self.invalid("credentials_uri", &"must be an http or https URL"))
    }

    /// A login of the CLI: its session, and the token for the next one.
    pub(super) fn login(
        &self,
        defaults: &SourceDefaults,
    ) -> Result<CredentialSource, ProfileError> {
        let token = |key, expiration| -> Result<Option<LoginToken>, ProfileError> {
            let Some(value) = self.text(key)? else { return Ok(None) };
            Ok(Some(LoginToken { value: value.into(), expiration: self.time(expiration)? }))
        };
        let renewal = if self.mode == Mode::OAuth {
            let site = self.require("oauth_site_type")?;
            let site = OAuthSite::parse(site)
                .ok_or_else(|| self.invalid("oauth_site_type", &"must be CN or INTL"))?;
            Renewal::OAuth {
                site,
                access_token: token("oauth_access_token", "oauth_access_token_expire")?,
                refresh_token: self.text("oauth_refresh_token")?.map(SecretString::from),
            }
        } else {
            Renewal::CloudSso {
                sign_in: self.origin("cloud_sso_sign_in_url")?,
                account_id: self.require("cloud_sso_account_id")?.to_owned(),
                access_configuration_id: self.require("cloud_sso_access_config")?.to_owned(),
                access_token: token("access_token", "cloud_sso_access_token_expire")?,
            }
        };
        let mut has_session = true;
        for key in ["access_key_id", "access_key_secret", "sts_token"] {
            has_session &= self.text(key)?.is_some();
        }
        let session = match self.time("sts_expiration")? {
            Some(expiration) if has_session => {
                let token = self.secret("sts_token")?;
                Some(self.key_pair()?.with_security_token(token).with_expiration(expiration))
            }
            _ => None,
        };
        Ok(CredentialSource::Login(Box::new(Login {
            profile: self.name.to_owned(),
            mode: self.mode,
            session,
            renewal,
            memory: defaults.logins.clone(),
        })))
    }

    pub(super) fn static_source(&self, credentials: Credentials) -> CredentialSource {
        CredentialSource::Static { credentials, origin: format!("profile {:?}", self.name) }
    }

    pub(super) fn ecs_role(
        &self,
        defaults: &SourceDefaults,
    ) -> Result<CredentialSource, ProfileError> {
        let name = self.text("ram_role_name")?.map(str::to_owned);
        Ok(CredentialSource::EcsRole(EcsRole { name, defaults: defaults.clone() }))
    }

    pub(super) fn region(&self, key: &'static str) -> Result<Option<Region>, ProfileError> {
        let region = self.text(key)?.map(Region::parse).transpose();
        region.map_err(|error| self.invalid(key, &error))
    }

    /// The session's duration. The CLI writes 0 if none was chosen.
    fn seconds(&self) -> Result<Option<u32>, ProfileError> {
        let key = "expired_seconds";
        let number = match self.entry.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value.as_u64().and_then(|seconds| u32::try_from(seconds).ok()),
        };
        let number = number.ok_or_else(|| self.invalid(key, &"must be a number of seconds"))?;
        Ok(Some(number).filter(|seconds| *seconds != 0))
    }

    fn sts_endpoint(&self) -> Result<Option<Endpoint>, ProfileError> {
        let key = "sts_endpoint";
        let Some(text) = self.text(key)? else { return Ok(None) };
        let endpoint =
            StsConfig::parse_endpoint(text).map_err(|error| self.invalid(key, &error))?;
        if endpoint.is_insecure() {
            return Err(self.invalid(key, &"must begin with https://: STS returns credentials"));
        }
        Ok(Some(endpoint))
    }

    pub(super) fn role(&self) -> Result<Role, ProfileError> {
        let arn = RoleArn::parse(self.require("ram_role_arn")?)
            .map_err(|error| self.invalid("ram_role_arn", &error))?;
        let mut session = RoleSession::default();
        if let Some(name) = self.text("ram_session_name")? {
            session = session
                .with_name(name)
                .map_err(|error| self.invalid("ram_session_name", &error))?;
        }
        if let Some(seconds) = self.seconds()? {
            session = session
                .with_duration_seconds(seconds)
                .map_err(|error| self.invalid("expired_seconds", &error))?;
        }
        if let Some(policy) = self.text("policy")? {
            session =
                session.with_policy(policy).map_err(|error| self.invalid("policy", &error))?;
        }
        if let Some(id) = self.text("external_id")? {
            session = session
                .with_external_id(id)
                .map_err(|error| self.invalid("external_id", &error))?;
        }
        Ok(Role { arn, session })
    }

    /// How to reach STS: explicit settings of the provider, then those of the profile.
    pub(super) fn sts(&self, defaults: &SourceDefaults) -> Result<StsConfig, ProfileError> {
        let mut sts = defaults.sts.clone();
        if sts.endpoint.is_none() {
            sts.endpoint = self.sts_endpoint()?;
        }
        if let Some(region) = self.region("sts_region")? {
            sts.region = Some(region);
        } else if sts.region.is_none() {
            sts.region = self.region("region_id")?;
        }
        sts.use_vpc_endpoint |= self.entry.get("enable_vpc").and_then(Value::as_bool) == Some(true);
        Ok(sts)
    }

    pub(super) fn oidc(&self, defaults: &SourceDefaults) -> Result<CredentialSource, ProfileError> {
        let provider_arn = self.require("oidc_provider_arn")?;
        OidcRole::check_provider_arn(provider_arn)
            .map_err(|error| self.invalid("oidc_provider_arn", &error))?;
        let file = self.require("oidc_token_file")?;
        Ok(CredentialSource::AssumeRoleWithOidc(OidcRole {
            role: self.role()?,
            provider_arn: provider_arn.to_owned(),
            token: OidcToken::File(defaults.expand_home(file)),
            sts: self.sts(defaults)?,
        }))
    }
}
