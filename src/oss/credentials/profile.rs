//! The configuration file of Alibaba Cloud's CLI, `~/.aliyun/config.json`: text in, source out.
//!
//! Rules: aliyun-cli, `config/profile.go` (modes and keys); credentials-go, `profile.go`. Unknown keys
//! are other tools' business. Values of the file never get into an error: some are secrets.

use serde_json::{Map, Value};
use thiserror::Error;
use time::OffsetDateTime;

use super::response::parse_json;
use super::{
    CredentialSource, Credentials, CredentialsUri, EcsRole, OidcRole, OidcToken, Role, RoleArn,
    RoleSession, SourceDefaults, StsConfig,
};
use crate::oss::timestamp::parse_iso8601;
use crate::oss::{Endpoint, Region};

/// More profiles than this on top of each other are a mistake.
const MAX_CHAIN: usize = 16;

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The file is not what the CLI writes.
    #[error("the file cannot be understood: {0}")]
    Syntax(String),
    /// The file has no profile of that name.
    #[error("there is no profile {name:?}; the file has {}", list(known))]
    NotFound {
        /// The name that was looked for.
        name: String,
        /// The names that the file has.
        known: Vec<String>,
    },
    /// The file marks no profile as current.
    #[error("the file marks no profile as current; name one")]
    NoCurrent,
    /// A key that the mode needs is not there.
    #[error("profile {profile:?} has mode {mode}, which needs `{key}`")]
    Missing {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be right. The text completes "… must".
    #[error("`{key}` of profile {profile:?} {must}")]
    Invalid {
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        must: String,
    },
    /// A mode that only a person at a browser can log in with, or that OSS does not take.
    #[error(
        "profile {profile:?} has mode {mode}, which this provider cannot use. Use a profile of mode \
         External whose process_command prints temporary keys, or export temporary keys as \
         ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and \
         ALIBABA_CLOUD_SECURITY_TOKEN"
    )]
    UnsupportedMode {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: String,
    },
    /// Profiles that refer to each other in a circle.
    #[error("the profiles refer to each other in a circle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// More profiles on top of each other than anybody needs.
    #[error("more than {MAX_CHAIN} profiles refer to each other, beginning with {0:?}")]
    ChainTooLong(String),
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// The file: a profile is looked at only when it is used, since the others are other tools' business.
pub(super) struct ProfileFile {
    current: Option<String>,
    profiles: Vec<Map<String, Value>>,
}

impl ProfileFile {
    pub(super) fn parse(text: &[u8]) -> Result<Self, ProfileError> {
        // Editors on Windows put a byte order mark in front.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut file: Map<String, Value> = parse_json(text).map_err(ProfileError::Syntax)?;
        let profiles = match file.remove("profiles") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(profiles)) => profiles,
            Some(_) => return Err(ProfileError::Syntax("`profiles` is no list".to_owned())),
        };
        let profile = |value| if let Value::Object(profile) = value { Some(profile) } else { None };
        let current = file.remove("current");
        Ok(Self {
            current: current.as_ref().and_then(Value::as_str).map(str::to_owned),
            profiles: profiles.into_iter().filter_map(profile).collect(),
        })
    }

    /// The source that a profile describes; without a name the current one.
    pub(super) fn source(
        &self,
        name: Option<&str>,
        defaults: &SourceDefaults,
    ) -> Result<CredentialSource, ProfileError> {
        self.resolve(self.name(name)?, defaults, &mut Vec::new())
    }

    /// The region that a profile names.
    pub(super) fn region(&self, name: Option<&str>) -> Result<Option<Region>, ProfileError> {
        let name = self.name(name)?;
        ProfileReader { entry: self.entry(name)?, name, mode: "" }.region("region_id")
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
        let is_circle = visited.iter().any(|visited| visited == name);
        visited.push(name.to_owned());
        if is_circle {
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
            "AK" => Ok(profile.static_source(profile.key_pair()?)),
            "StsToken" => {
                let token = profile.require("sts_token")?;
                Ok(profile.static_source(profile.key_pair()?.with_security_token(token)))
            }
            "RamRoleArn" => {
                let keys = profile.key_pair()?;
                assume(profile.static_source(match profile.text("sts_token")? {
                    Some(token) => keys.with_security_token(token),
                    None => keys,
                }))
            }
            "EcsRamRole" => profile.ecs_role(defaults),
            "RamRoleArnWithRoleName" => assume(profile.ecs_role(defaults)?),
            "ChainableRamRoleArn" => {
                let source = profile.require("source_profile")?;
                assume(self.resolve(source, defaults, visited)?)
            }
            "OIDC" => profile.oidc(defaults),
            "CredentialsURI" => {
                let uri = CredentialsUri::parse(profile.require("credentials_uri")?);
                uri.map(CredentialSource::CredentialsUri).ok_or_else(|| {
                    profile.invalid("credentials_uri", &"must be an http or https URL")
                })
            }
            _ => Ok(CredentialSource::Process(profile.require("process_command")?.into())),
        }
    }
}

/// The mode of a profile, in the spelling of the CLI. The CLI takes any case; `External` is the last.
fn mode(name: &str, mode: Option<&str>) -> Result<&'static str, ProfileError> {
    const MODES: [&str; 9] = [
        "AK",
        "StsToken",
        "RamRoleArn",
        "EcsRamRole",
        "RamRoleArnWithRoleName",
        "ChainableRamRoleArn",
        "OIDC",
        "CredentialsURI",
        "External",
    ];
    // The CLI's first versions wrote no mode: they knew only one.
    let Some(mode) = mode else { return Ok("AK") };
    MODES.into_iter().find(|known| known.eq_ignore_ascii_case(mode)).ok_or_else(|| {
        ProfileError::UnsupportedMode {
            profile: name.to_owned(),
            mode: mode.chars().take(64).collect(),
        }
    })
}

/// A profile that is being read. Absent, null and empty mean the same.
struct ProfileReader<'a> {
    entry: &'a Map<String, Value>,
    name: &'a str,
    mode: &'static str,
}

impl<'a> ProfileReader<'a> {
    fn new(entry: &'a Map<String, Value>, name: &'a str) -> Result<Self, ProfileError> {
        let mut reader = Self { entry, name, mode: "" };
        reader.mode = mode(name, reader.text("mode")?)?;
        Ok(reader)
    }

    fn text(&self, key: &'static str) -> Result<Option<&'a str>, ProfileError> {
        match self.entry.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.invalid(key, &"must be a text")),
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

    fn key_pair(&self) -> Result<Credentials, ProfileError> {
        Ok(Credentials::new(self.require("access_key_id")?, self.require("access_key_secret")?))
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

    /// The session's length. The CLI writes 0 where nothing was chosen.
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
        let endpoint = Endpoint::parse(text).map_err(|error| self.invalid(key, &error))?;
        if endpoint.is_insecure() {
            return Err(self.invalid(key, &"must begin with https://: STS answers with keys"));
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

    /// Where STS is asked: what the provider says explicitly, then what the profile says.
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

/// The credentials in what an external process prints: a profile of mode `AK` or `StsToken`.
pub(super) fn parse_process_output(output: &[u8]) -> Result<Credentials, String> {
    let entry: Map<String, Value> = parse_json(output)?;
    // It has no name, so the texts of `ProfileError` would not fit.
    let said = |error| match error {
        ProfileError::Missing { key, .. } => format!("it has no `{key}`"),
        ProfileError::Invalid { key, must, .. } => format!("its `{key}` {must}"),
        _ => "its `mode` is unknown".to_owned(),
    };
    let printed = ProfileReader::new(&entry, "").map_err(said)?;
    if !matches!(printed.mode, "AK" | "StsToken") {
        return Err(format!("its `mode` is {}; only AK and StsToken can be printed", printed.mode));
    }
    let mut credentials = printed.key_pair().map_err(said)?;
    if printed.mode == "StsToken" {
        credentials = credentials.with_security_token(printed.require("sts_token").map_err(said)?);
    }
    match parse_expiration(entry.get("expiration")) {
        Ok(Some(expiration)) => Ok(credentials.with_expiration(expiration)),
        Ok(None) => Ok(credentials),
        Err(()) => Err("its `expiration` is neither an instant such as 2026-01-31T12:00:00Z nor \
                        a number of seconds since 1970"
            .to_owned()),
    }
}

/// An instant as text or in seconds since 1970; none where the program knows none.
fn parse_expiration(value: Option<&Value>) -> Result<Option<OffsetDateTime>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => parse_iso8601(text).map(Some).ok_or(()),
        Some(value) => match value.as_i64() {
            Some(0) => Ok(None),
            Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds).map(Some).map_err(drop),
            None => Err(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn file(profiles: &Value) -> ProfileFile {
        let text = json!({ "current": "default", "profiles": profiles, "meta_path": "" });
        ProfileFile::parse(text.to_string().as_bytes()).unwrap()
    }

    /// The source of profile `x`, which has these keys.
    fn source(profile: Value) -> Result<CredentialSource, ProfileError> {
        let mut profile = profile;
        profile["name"] = json!("x");
        file(&json!([profile])).source(Some("x"), &SourceDefaults::default())
    }

    fn error(profile: Value) -> String {
        source(profile).expect_err("a profile that cannot be used").to_string()
    }

    fn role_profile(mode: &str) -> Value {
        json!({
            "mode": mode,
            "access_key_id": "id",
            "access_key_secret": "secret",
            "ram_role_name": "ecs",
            "ram_role_arn": "acs:ram::1:role/r",
            "ram_session_name": "session",
            "expired_seconds": 900,
            "external_id": "ext",
            "region_id": "cn-hangzhou",
        })
    }

    #[test]
    fn keys_with_and_without_a_token() {
        let keys = json!({ "mode": "AK", "access_key_id": "id", "access_key_secret": "secret",
            "sts_token": "ignored" });
        let Ok(CredentialSource::Static { credentials, origin }) = source(keys.clone()) else {
            panic!()
        };
        assert_eq!((credentials.access_key_id.as_str(), origin.as_str()), ("id", "profile \"x\""));
        assert!(credentials.security_token.is_none());

        let mut temporary = keys;
        temporary["mode"] = json!("ststoken");
        temporary["sts_token"] = json!("token");
        let Ok(CredentialSource::Static { credentials, .. }) = source(temporary) else { panic!() };
        assert_eq!(credentials.security_token.unwrap().expose_secret(), "token");
    }

    #[test]
    fn roles_on_top_of_keys_instances_and_other_profiles() {
        let Ok(CredentialSource::AssumeRole { base, role, sts }) =
            source(role_profile("RamRoleArn"))
        else {
            panic!()
        };
        assert!(matches!(*base, CredentialSource::Static { .. }));
        assert_eq!(
            (role.arn.as_str(), role.session.name.as_str(), role.session.duration_seconds),
            ("acs:ram::1:role/r", "session", 900)
        );
        assert_eq!(role.session.external_id.as_deref(), Some("ext"));
        // Where nothing was chosen the CLI writes 0.
        let mut unchosen = role_profile("RamRoleArn");
        unchosen["expired_seconds"] = json!(0);
        assert!(matches!(
            source(unchosen),
            Ok(CredentialSource::AssumeRole { role, .. }) if role.session.duration_seconds == 3600
        ));
        assert_eq!(sts.resolve_endpoint().to_string(), "https://sts.cn-hangzhou.aliyuncs.com");

        let Ok(CredentialSource::AssumeRole { base, .. }) =
            source(role_profile("RamRoleArnWithRoleName"))
        else {
            panic!()
        };
        assert!(
            matches!(*base, CredentialSource::EcsRole(EcsRole { name: Some(name), .. }) if name == "ecs")
        );

        let mut chained = role_profile("ChainableRamRoleArn");
        chained["name"] = json!("top");
        chained["source_profile"] = json!("base");
        chained["sts_region"] = json!("cn-beijing");
        chained["enable_vpc"] = json!(true);
        let mut base = role_profile("EcsRamRole");
        base["name"] = json!("base");
        let file = file(&json!([chained, base]));
        let Ok(CredentialSource::AssumeRole { base, sts, .. }) =
            file.source(Some("top"), &SourceDefaults::default())
        else {
            panic!()
        };
        assert!(matches!(*base, CredentialSource::EcsRole(_)));
        assert_eq!(sts.resolve_endpoint().to_string(), "https://sts-vpc.cn-beijing.aliyuncs.com");
        assert_eq!(file.region(Some("top")).unwrap().unwrap().as_str(), "cn-hangzhou");
    }

    #[test]
    fn tokens_uris_and_processes() {
        let mut oidc = role_profile("OIDC");
        oidc["oidc_provider_arn"] = json!("acs:ram::1:oidc-provider/gh");
        oidc["oidc_token_file"] = json!("/var/run/token");
        let Ok(CredentialSource::AssumeRoleWithOidc(in_pod)) = source(oidc.clone()) else {
            panic!()
        };
        assert!(
            matches!(&in_pod.token, OidcToken::File(path) if path == Path::new("/var/run/token"))
        );
        oidc["oidc_token_file"] = json!("~/token");
        oidc["name"] = json!("x");
        let defaults =
            SourceDefaults { home: Some("/home/me".into()), ..SourceDefaults::default() };
        let Ok(CredentialSource::AssumeRoleWithOidc(at_home)) =
            file(&json!([oidc])).source(Some("x"), &defaults)
        else {
            panic!()
        };
        assert!(
            matches!(&at_home.token, OidcToken::File(path) if path == Path::new("/home/me/token"))
        );

        let uri = json!({ "mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:1/x" });
        assert!(
            matches!(source(uri), Ok(CredentialSource::CredentialsUri(uri)) if uri.host() == "127.0.0.1:1")
        );
        let process = json!({ "mode": "External", "process_command": "print-keys --all" });
        assert!(
            matches!(source(process), Ok(CredentialSource::Process(line)) if line.expose_secret() == "print-keys --all")
        );
    }

    #[test]
    fn the_current_profile_is_taken_when_none_is_named() {
        let keys = json!({ "name": "default", "access_key_id": "id", "access_key_secret": "s" });
        let Ok(CredentialSource::Static { origin, .. }) =
            file(&json!([keys])).source(None, &SourceDefaults::default())
        else {
            panic!()
        };
        assert_eq!(origin, "profile \"default\"");
        let nameless = ProfileFile::parse(b"{\"profiles\":[]}").unwrap();
        assert_eq!(
            nameless.source(None, &SourceDefaults::default()).err(),
            Some(ProfileError::NoCurrent)
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_profile() {
        for (profile, expected) in [
            (
                json!({ "mode": "AK", "access_key_id": "id" }),
                "has mode AK, which needs `access_key_secret`",
            ),
            (json!({ "mode": "OIDC" }), "has mode OIDC, which needs `oidc_provider_arn`"),
            (json!({ "mode": "External" }), "has mode External, which needs `process_command`"),
            (json!({ "mode": "ChainableRamRoleArn" }), "needs `source_profile`"),
            (
                json!({ "mode": "CredentialsURI", "credentials_uri": "nothing" }),
                "`credentials_uri` of profile \"x\" must be an http or https URL",
            ),
        ] {
            let error = error(profile);
            assert!(error.contains(expected), "{error}");
        }
        for mode in ["CloudSSO", "OAuth", "RsaKeyPair", "BearerToken", "Anonymous", "New"] {
            let error = error(json!({ "mode": mode }));
            assert!(
                error.contains(&format!("has mode {mode}, which this provider cannot use. Use ")),
                "{error}"
            );
        }
        let mut role = role_profile("RamRoleArn");
        role["ram_role_arn"] = json!("deploy");
        assert!(error(role).contains("`ram_role_arn` of profile \"x\" must have the form"));
    }

    #[test]
    fn circles_and_unknown_names_are_named() {
        let chained = |name: &str, source: &str| {
            json!({ "name": name, "mode": "ChainableRamRoleArn", "source_profile": source,
                "ram_role_arn": "acs:ram::1:role/r" })
        };
        let file = file(&json!([chained("a", "b"), chained("b", "a"), chained("c", "d")]));
        let error = |name: &str| {
            file.source(Some(name), &SourceDefaults::default()).unwrap_err().to_string()
        };
        assert!(error("a").ends_with("in a circle: a → b → a"), "{}", error("a"));
        assert_eq!(error("c"), "there is no profile \"d\"; the file has a, b, c");
    }

    #[test]
    fn what_other_profiles_hold_is_their_business() {
        let keys = json!({ "name": "x", "access_key_id": "id", "access_key_secret": "s",
            "expired_seconds": "not asked for" });
        let odd = json!({ "name": 7, "mode": [], "expired_seconds": -1 });
        let file = file(&json!([odd, "nothing", null, keys]));
        assert!(file.source(Some("x"), &SourceDefaults::default()).is_ok());
        assert_eq!(
            file.source(Some("y"), &SourceDefaults::default()).unwrap_err().to_string(),
            "there is no profile \"y\"; the file has x"
        );
        let none = ProfileFile::parse(b"{\"current\":\"x\",\"profiles\":null}").unwrap();
        assert_eq!(
            none.source(None, &SourceDefaults::default()).unwrap_err().to_string(),
            "there is no profile \"x\"; the file has none"
        );
        assert!(ProfileFile::parse(b"{\"profiles\":{}}").is_err());
    }

    #[test]
    fn long_chains_end() {
        let chained = |number: usize| {
            json!({ "name": format!("p{number}"), "mode": "ChainableRamRoleArn",
                "source_profile": format!("p{}", number + 1), "ram_role_arn": "acs:ram::1:role/r" })
        };
        let mut profiles: Vec<Value> = (0..20_000).map(chained).collect();
        profiles.push(json!({ "name": "p20000", "access_key_id": "i", "access_key_secret": "s" }));
        let file = file(&json!(profiles));
        let source = |name| file.source(Some(name), &SourceDefaults::default());
        assert_eq!(source("p0").unwrap_err(), ProfileError::ChainTooLong("p0".to_owned()));
        assert!(source("p19985").is_ok(), "15 roles on top of keys");
        assert!(source("p19984").is_err());
    }

    #[test]
    fn a_profile_says_where_sts_is_and_what_the_session_may_do() {
        let mut profile = role_profile("RamRoleArn");
        profile["sts_endpoint"] = json!("sts.example.com");
        profile["sts_token"] = json!("token");
        profile["policy"] = json!("{}");
        let Ok(CredentialSource::AssumeRole { base, role, sts }) = source(profile.clone()) else {
            panic!()
        };
        assert_eq!(sts.resolve_endpoint().to_string(), "https://sts.example.com");
        assert_eq!(role.session.policy.as_deref(), Some("{}"));
        assert!(matches!(*base, CredentialSource::Static { credentials, .. }
            if credentials.security_token.as_ref().is_some_and(|t| t.expose_secret() == "token")));
        // What the provider block says wins.
        let mut defaults = SourceDefaults::default();
        defaults.sts.endpoint = Endpoint::parse("other.example.com").ok();
        profile["name"] = json!("x");
        let Ok(CredentialSource::AssumeRole { sts, .. }) =
            file(&json!([profile])).source(Some("x"), &defaults)
        else {
            panic!()
        };
        assert_eq!(sts.resolve_endpoint().to_string(), "https://other.example.com");
        // Its own region is the last resort.
        let mut defaults = SourceDefaults::default();
        defaults.sts.region = Region::parse("cn-beijing").ok();
        for (sts_region, expected) in [
            (None, "https://sts.cn-beijing.aliyuncs.com"),
            (Some("cn-shanghai"), "https://sts.cn-shanghai.aliyuncs.com"),
        ] {
            let mut profile = role_profile("RamRoleArn");
            profile["name"] = json!("x");
            profile["sts_region"] = json!(sts_region);
            let Ok(CredentialSource::AssumeRole { sts, .. }) =
                file(&json!([profile])).source(Some("x"), &defaults)
            else {
                panic!()
            };
            assert_eq!(sts.resolve_endpoint().to_string(), expected);
        }
        for (key, value, expected) in [
            ("sts_endpoint", json!("http://sts.example.com"), "must begin with https://"),
            ("sts_endpoint", json!("ftp://x"), "must begin with https://"),
            ("policy", json!("[]"), "must be a policy in JSON"),
            ("expired_seconds", json!(10), "must be between 900 and 43200 seconds"),
            ("expired_seconds", json!("900"), "must be a number of seconds"),
            ("ram_session_name", json!("a b"), "must have 2 to 64 characters"),
            ("external_id", json!("a b"), "must have 2 to 1224 characters"),
            ("sts_region", json!("cn hangzhou"), "must"),
        ] {
            let mut profile = role_profile("RamRoleArn");
            profile[key] = value;
            let error = error(profile);
            assert!(error.starts_with(&format!("`{key}` of profile \"x\" {expected}")), "{error}");
        }
    }

    #[test]
    fn no_value_of_the_file_gets_into_an_error() {
        for text in ["[\"TOPSECRET\"]", "TOPSECRET", "{"] {
            let Err(ProfileError::Syntax(reason)) = ProfileFile::parse(text.as_bytes()) else {
                panic!("{text}")
            };
            assert!(reason.contains("line 1") && !reason.contains("TOPSECRET"), "{reason}");
        }
        let error = error(json!({ "access_key_id": "id", "access_key_secret": ["TOPSECRET"] }));
        assert_eq!(error, "`access_key_secret` of profile \"x\" must be a text");
        assert!(ProfileFile::parse(b"\xef\xbb\xbf{}").is_ok(), "a byte order mark is fine");
    }

    #[test]
    fn a_process_prints_a_profile() {
        let printed = parse_process_output(
            br#"{"mode":"StsToken","access_key_id":"STS.X","access_key_secret":"s","sts_token":"t",
                 "expiration":"2026-01-31T12:00:00Z","region_id":"x"}"#,
        )
        .unwrap();
        assert_eq!(printed.expiration, parse_iso8601("2026-01-31T12:00:00Z"));
        let seconds = br#"{"access_key_id":"i","access_key_secret":"s","expiration":1700000000}"#;
        assert!(parse_process_output(seconds).unwrap().expiration.is_some());
        for none in ["null", "0", "\"\""] {
            let output = format!(
                "{{\"access_key_id\":\"i\",\"access_key_secret\":\"s\",\"expiration\":{none}}}"
            );
            assert_eq!(parse_process_output(output.as_bytes()).unwrap().expiration, None);
        }
        for (output, expected) in [
            ("", "not the JSON"),
            ("{}", "no `access_key_id`"),
            ("{\"mode\":\"OIDC\"}", "only AK and StsToken"),
            ("{\"mode\":\"New\"}", "its `mode` is unknown"),
            ("{\"access_key_id\":7}", "its `access_key_id` must be a text"),
            (
                "{\"access_key_id\":\"i\",\"access_key_secret\":\"s\",\"expiration\":\"soon\"}",
                "its `expiration` is neither",
            ),
            (
                "{\"access_key_id\":\"i\",\"access_key_secret\":\"s\",\"expiration\":1.5}",
                "its `expiration` is neither",
            ),
            (
                "{\"mode\":\"StsToken\",\"access_key_id\":\"i\",\"access_key_secret\":\"s\"}",
                "no `sts_token`",
            ),
        ] {
            let reason = parse_process_output(output.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
