//! The configuration file of Alibaba Cloud's CLI, `~/.aliyun/config.json`: text in, source out. Pure.
//!
//! Rules: aliyun-cli, `config/profile.go` (modes and keys); credentials-go, `profile.go`. Unknown keys
//! belong to other tools and are ignored. Values of the file never get into an error: some are secrets.

use serde_json::{Map, Value};

use super::error::{MAX_CHAIN, ProfileError};
use super::ini::IniFile;
use super::mode::{Mode, Unrecognized};
use super::reader::{ProfileReader, recognize};
use crate::oss::Region;
use crate::oss::credentials::response::parse_json;
use crate::oss::credentials::{CredentialSource, SourceDefaults};

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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
