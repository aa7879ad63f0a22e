//! The configuration file of Alibaba Cloud's CLI, `~/.aliyun/config.json`: text in, source out.
//!
//! Rules: aliyun-cli, `config/profile.go` (modes and keys); credentials-go, `profile.go`. Unknown keys
//! belong to other tools and are ignored. Values of the file never get into an error: some are secrets.

use secrecy::SecretString;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::error::{MAX_CHAIN, ProfileError};
use super::ini::IniFile;
use super::mode::{Mode, Unrecognized};
use crate::oss::credentials::login::{LoginToken, OAuthSite, Renewal};
use crate::oss::credentials::response::{parse_expiration, parse_json};
use crate::oss::credentials::{
    CredentialSource, Credentials, CredentialsUri, EcsRole, Login, OidcRole, OidcToken, Role,
    RoleArn, RoleSession, SourceDefaults, StsConfig,
};
use crate::oss::{Endpoint, Region};

/// The file. A profile is parsed only if it is used, since the others may be for other tools.
pub(in crate::oss::credentials) struct ProfileFile {
    current: Option<String>,
    profiles: Vec<Map<String, Value>>,
}

impl ProfileFile {
    /// Parses a file. The name of the profile only matters for files of other tools.
    pub(in crate::oss::credentials) fn parse(
        text: &[u8],
        name: Option<&str>,
    ) -> Result<Self, ProfileError> {
        let file: Result<Map<String, Value>, String> = parse_json(text);
        let mut file = file.map_err(|reason| {
            IniFile::recognize(text, name).map_or(ProfileError::Syntax(reason), ProfileError::Ini)
        })?;
        let profiles = match file.remove("profiles") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(profiles)) => profiles,
            Some(_) => return Err(ProfileError::Syntax("`profiles` must be an array".to_owned())),
        };
        let profile = |value| if let Value::Object(profile) = value { Some(profile) } else { None };
        let current = file.remove("current");
        Ok(Self {
            current: current.as_ref().and_then(Value::as_str).map(str::to_owned),
            profiles: profiles.into_iter().filter_map(profile).collect(),
        })
    }

    /// The profile that the file marks as current.
    pub(in crate::oss::credentials) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The source that a profile describes; without a name the current one.
    pub(in crate::oss::credentials) fn source(
        &self,
        name: Option<&str>,
        defaults: &SourceDefaults,
    ) -> Result<CredentialSource, ProfileError> {
        self.resolve(self.name(name)?, defaults, &mut Vec::new())
    }

    /// Whether the file marks a profile as current, and that profile has credentials: the CLI writes one
    /// without any before it is configured.
    pub(in crate::oss::credentials) fn has_current(&self) -> bool {
        let Ok(name) = self.name(None) else { return false };
        match self.entry(name) {
            Ok(entry) => {
                let mode = entry.get("mode").and_then(Value::as_str).unwrap_or_default();
                let needs_keys = mode.is_empty() || Mode::parse(mode) == Some(Mode::Ak);
                !needs_keys || recognize(entry) != Err(Unrecognized::Nothing)
            }
            Err(_) => !self.profiles.is_empty(),
        }
    }

    /// The region that a profile names.
    pub(in crate::oss::credentials) fn region(
        &self,
        name: Option<&str>,
    ) -> Result<Option<Region>, ProfileError> {
        let name = self.name(name)?;
        // The region does not depend on the mode.
        ProfileReader { entry: self.entry(name)?, name, mode: Mode::Ak }.region("region_id")
    }

    fn name<'a>(&'a self, name: Option<&'a str>) -> Result<&'a str, ProfileError> {
        name.or(self.current.as_deref())
            .filter(|name| !name.is_empty())
            .ok_or(ProfileError::NoCurrent)
    }

    fn entry(&self, name: &str) -> Result<&Map<String, Value>, ProfileError> {
        fn name_of(entry: &Map<String, Value>) -> Option<&str> {
            entry.get("name").and_then(Value::as_str)
        }
        self.profiles.iter().find(|entry| name_of(entry) == Some(name)).ok_or_else(|| {
            let known = self.profiles.iter().filter_map(name_of).map(str::to_owned).collect();
            ProfileError::NotFound { name: name.to_owned(), known }
        })
    }

    fn resolve(
        &self,
        name: &str,
        defaults: &SourceDefaults,
        visited: &mut Vec<String>,
    ) -> Result<CredentialSource, ProfileError> {
        let is_cycle = visited.iter().any(|visited| visited == name);
        visited.push(name.to_owned());
        if is_cycle {
            return Err(ProfileError::Cycle(std::mem::take(visited)));
        }
        if visited.len() > MAX_CHAIN {
            return Err(ProfileError::ChainTooLong(visited.swap_remove(0)));
        }
        let profile = ProfileReader::new(self.entry(name)?, name)?;
        let assume = |base: CredentialSource| -> Result<CredentialSource, ProfileError> {
            let (role, sts) = (profile.role()?, profile.sts(defaults)?);
            Ok(CredentialSource::AssumeRole { base: Box::new(base), role, sts })
        };
        match profile.mode {
            // The token of a permanent AccessKey pair is left over from another mode, as for the CLI.
            Mode::Ak => {
                let keys = profile.key_pair()?;
                Ok(profile.static_source(match profile.text("sts_token")? {
                    Some(token) if keys.is_temporary_id() => keys.with_security_token(token),
                    _ => keys,
                }))
            }
            Mode::StsToken => {
                let token = profile.secret("sts_token")?;
                Ok(profile.static_source(profile.key_pair()?.with_security_token(token)))
            }
            Mode::RamRoleArn => {
                let keys = profile.key_pair()?;
                assume(profile.static_source(match profile.text("sts_token")? {
                    Some(token) => keys.with_security_token(token),
                    None => keys,
                }))
            }
            Mode::EcsRamRole => profile.ecs_role(defaults),
            Mode::RamRoleArnWithRoleName => assume(profile.ecs_role(defaults)?),
            Mode::ChainableRamRoleArn => {
                let source = profile.require("source_profile")?;
                let base = self.resolve(source, defaults, visited);
                assume(base.map_err(|error| match error {
                    ProfileError::NotFound { name, .. } => profile.invalid(
                        "source_profile",
                        &format!("must name a profile of the file, which has no {name:?}"),
                    ),
                    error => error,
                })?)
            }
            Mode::Oidc => profile.oidc(defaults),
            Mode::CredentialsUri | Mode::External if defaults.are_external_sources_disabled => {
                Err(ProfileError::Disabled { profile: name.to_owned(), mode: profile.mode })
            }
            Mode::CredentialsUri => profile.credentials_uri(defaults),
            Mode::External => {
                Ok(CredentialSource::Process(profile.require("process_command")?.into()))
            }
            Mode::CloudSso | Mode::OAuth => profile.login(defaults),
        }
    }
}

/// The mode of a profile that names none.
fn recognize(entry: &Map<String, Value>) -> Result<Mode, Unrecognized> {
    Mode::recognize(|key| {
        entry.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    })
}

/// A profile that is being read. Absent, null and empty mean the same.
struct ProfileReader<'a> {
    entry: &'a Map<String, Value>,
    name: &'a str,
    mode: Mode,
}

impl<'a> ProfileReader<'a> {
    fn new(entry: &'a Map<String, Value>, name: &'a str) -> Result<Self, ProfileError> {
        let mut reader = Self { entry, name, mode: Mode::Ak };
        let unsupported = |mode: &str| ProfileError::UnsupportedMode {
            profile: name.to_owned(),
            mode: mode.chars().filter(|c| !c.is_control()).take(64).collect(),
        };
        reader.mode = match reader.text("mode")? {
            Some(mode) => Mode::parse(mode).ok_or_else(|| unsupported(mode))?,
            // The CLI's first versions wrote no mode, and it is often omitted in hand-written files.
            None => recognize(entry).map_err(|problem| match problem {
                Unrecognized::Unsupported(mode) => unsupported(mode),
                Unrecognized::Nothing => ProfileError::NoCredentials(name.to_owned()),
            })?,
        };
        Ok(reader)
    }

    fn text(&self, key: &'static str) -> Result<Option<&'a str>, ProfileError> {
        match self.entry.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.invalid(key, &"must be a string")),
        }
    }

    fn require(&self, key: &'static str) -> Result<&'a str, ProfileError> {
        self.text(key)?.ok_or_else(|| ProfileError::Missing {
            profile: self.name.to_owned(),
            mode: self.mode,
            key,
        })
    }

    fn invalid(&self, key: &'static str, must: &dyn ToString) -> ProfileError {
        ProfileError::Invalid { profile: self.name.to_owned(), key, must: must.to_string() }
    }

    /// A value that is copied from elsewhere, often with a line break.
    fn secret(&self, key: &'static str) -> Result<&'a str, ProfileError> {
        let text = self.require(key)?;
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(self.invalid(key, &"must not contain whitespace or a line break"));
        }
        Ok(text)
    }

    fn key_pair(&self) -> Result<Credentials, ProfileError> {
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

    fn credentials_uri(&self, defaults: &SourceDefaults) -> Result<CredentialSource, ProfileError> {
        let uri = match (self.text("credentials_uri")?, &defaults.credentials_uri) {
            (None, Some(uri)) => Some(uri.clone()),
            _ => CredentialsUri::parse(self.require("credentials_uri")?),
        };
        uri.map(CredentialSource::CredentialsUri)
            .ok_or_else(|| self.invalid("credentials_uri", &"must be an http or https URL"))
    }

    /// A login of the CLI: its session, and the token for the next one.
    fn login(&self, defaults: &SourceDefaults) -> Result<CredentialSource, ProfileError> {
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

    fn static_source(&self, credentials: Credentials) -> CredentialSource {
        CredentialSource::Static { credentials, origin: format!("profile {:?}", self.name) }
    }

    fn ecs_role(&self, defaults: &SourceDefaults) -> Result<CredentialSource, ProfileError> {
        let name = self.text("ram_role_name")?.map(str::to_owned);
        Ok(CredentialSource::EcsRole(EcsRole { name, defaults: defaults.clone() }))
    }

    fn region(&self, key: &'static str) -> Result<Option<Region>, ProfileError> {
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

    fn role(&self) -> Result<Role, ProfileError> {
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
    fn sts(&self, defaults: &SourceDefaults) -> Result<StsConfig, ProfileError> {
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

    fn oidc(&self, defaults: &SourceDefaults) -> Result<CredentialSource, ProfileError> {
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
