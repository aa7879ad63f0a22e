//! The configuration file of Alibaba Cloud's CLI, `~/.aliyun/config.json`: text in, source out.
//!
//! Rules: aliyun-cli, `config/profile.go` (modes and keys); credentials-go, `profile.go`. Unknown keys
//! are other tools' business. Values of the file never get into an error: some are secrets.

use serde::Deserialize;
use thiserror::Error;
use time::OffsetDateTime;

use super::answer::json;
use super::{
    Credentials, CredentialsUri, EcsRole, OidcRole, OidcToken, Role, RoleArn, Session, Source,
    StsPlace, Surroundings,
};
use crate::oss::timestamp::parse_iso8601;
use crate::oss::{Endpoint, Region};

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The file is not what the CLI writes.
    #[error("the file cannot be understood: {0}")]
    Syntax(String),
    /// The file has no profile of that name.
    #[error("there is no profile {name:?}; the file has {}", list(known))]
    Unknown {
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
    Mode {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: String,
    },
    /// Profiles that refer to each other in a circle.
    #[error("the profiles refer to each other in a circle: {}", .0.join(" → "))]
    Circle(Vec<String>),
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// The file.
#[derive(Deserialize)]
pub(super) struct ProfileFile {
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<Entry>,
}

/// A profile as the file has it. Absent, null and empty mean the same.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    name: Option<String>,
    mode: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    sts_token: Option<String>,
    sts_region: Option<String>,
    sts_endpoint: Option<String>,
    enable_vpc: Option<bool>,
    ram_role_name: Option<String>,
    ram_role_arn: Option<String>,
    ram_session_name: Option<String>,
    external_id: Option<String>,
    policy: Option<String>,
    source_profile: Option<String>,
    expired_seconds: Option<u32>,
    region_id: Option<String>,
    process_command: Option<String>,
    credentials_uri: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
}

impl ProfileFile {
    pub(super) fn parse(text: &[u8]) -> Result<Self, ProfileError> {
        // Editors on Windows put a byte order mark in front.
        json(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).map_err(ProfileError::Syntax)
    }

    /// The source that a profile describes; without a name the current one.
    pub(super) fn source(
        &self,
        name: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Source, ProfileError> {
        self.resolve(self.name(name)?, surroundings, &mut Vec::new())
    }

    /// The region that a profile names.
    pub(super) fn region(&self, name: Option<&str>) -> Result<Option<Region>, ProfileError> {
        let name = self.name(name)?;
        let profile = Reader { entry: self.entry(name)?, name, mode: "" };
        profile.region("region_id", profile.entry.region_id.as_deref())
    }

    fn name<'a>(&'a self, name: Option<&'a str>) -> Result<&'a str, ProfileError> {
        name.or(self.current.as_deref())
            .filter(|name| !name.is_empty())
            .ok_or(ProfileError::NoCurrent)
    }

    fn entry(&self, name: &str) -> Result<&Entry, ProfileError> {
        self.profiles.iter().find(|entry| entry.name.as_deref() == Some(name)).ok_or_else(|| {
            let known = self.profiles.iter().filter_map(|entry| entry.name.clone()).collect();
            ProfileError::Unknown { name: name.to_owned(), known }
        })
    }

    fn resolve(
        &self,
        name: &str,
        surroundings: &Surroundings,
        visited: &mut Vec<String>,
    ) -> Result<Source, ProfileError> {
        let is_circle = visited.iter().any(|visited| visited == name);
        visited.push(name.to_owned());
        if is_circle {
            return Err(ProfileError::Circle(std::mem::take(visited)));
        }
        let entry = self.entry(name)?;
        let mode = mode(name, entry)?;
        let profile = Reader { entry, name, mode };
        let assume = |base: Source| -> Result<Source, ProfileError> {
            let (role, sts) = (profile.role()?, profile.sts(surroundings)?);
            Ok(Source::AssumeRole { base: Box::new(base), role, sts })
        };
        match mode {
            "AK" => Ok(profile.keys(profile.key_pair()?)),
            "StsToken" => {
                let token = profile.need("sts_token", entry.sts_token.as_deref())?;
                Ok(profile.keys(profile.key_pair()?.with_security_token(token)))
            }
            "RamRoleArn" => {
                let keys = profile.key_pair()?;
                assume(profile.keys(match some(entry.sts_token.as_deref()) {
                    Some(token) => keys.with_security_token(token),
                    None => keys,
                }))
            }
            "EcsRamRole" => Ok(profile.ecs_role(surroundings)),
            "RamRoleArnWithRoleName" => assume(profile.ecs_role(surroundings)),
            "ChainableRamRoleArn" => {
                let source = profile.need("source_profile", entry.source_profile.as_deref())?;
                assume(self.resolve(source, surroundings, visited)?)
            }
            "OIDC" => profile.oidc(surroundings),
            "CredentialsURI" => {
                let uri = profile.need("credentials_uri", entry.credentials_uri.as_deref())?;
                let uri = CredentialsUri::parse(uri).ok_or_else(|| {
                    profile.invalid("credentials_uri", &"must be an http or https URL")
                })?;
                Ok(Source::Uri(uri))
            }
            _ => {
                let command = profile.need("process_command", entry.process_command.as_deref())?;
                Ok(Source::Process(command.into()))
            }
        }
    }
}

/// The mode of a profile, in the spelling of the CLI. The CLI takes any case; `External` is the last.
fn mode(name: &str, entry: &Entry) -> Result<&'static str, ProfileError> {
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
    let Some(mode) = some(entry.mode.as_deref()) else { return Ok("AK") };
    MODES.into_iter().find(|known| known.eq_ignore_ascii_case(mode)).ok_or_else(|| {
        ProfileError::Mode { profile: name.to_owned(), mode: mode.chars().take(64).collect() }
    })
}

fn some(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A profile that is being read.
struct Reader<'a> {
    entry: &'a Entry,
    name: &'a str,
    mode: &'static str,
}

impl Reader<'_> {
    fn need<'v>(&self, key: &'static str, value: Option<&'v str>) -> Result<&'v str, ProfileError> {
        let profile = || self.name.to_owned();
        some(value).ok_or_else(|| ProfileError::Missing {
            profile: profile(),
            mode: self.mode,
            key,
        })
    }

    fn invalid(&self, key: &'static str, must: &dyn ToString) -> ProfileError {
        ProfileError::Invalid { profile: self.name.to_owned(), key, must: must.to_string() }
    }

    fn key_pair(&self) -> Result<Credentials, ProfileError> {
        let id = self.need("access_key_id", self.entry.access_key_id.as_deref())?;
        let secret = self.need("access_key_secret", self.entry.access_key_secret.as_deref())?;
        Ok(Credentials::new(id, secret))
    }

    fn keys(&self, credentials: Credentials) -> Source {
        Source::Keys { credentials, origin: format!("profile {:?}", self.name) }
    }

    fn ecs_role(&self, surroundings: &Surroundings) -> Source {
        let name = some(self.entry.ram_role_name.as_deref()).map(str::to_owned);
        Source::EcsRole(EcsRole { name, surroundings: surroundings.clone() })
    }

    fn region(
        &self,
        key: &'static str,
        text: Option<&str>,
    ) -> Result<Option<Region>, ProfileError> {
        some(text).map(Region::parse).transpose().map_err(|error| self.invalid(key, &error))
    }

    fn role(&self) -> Result<Role, ProfileError> {
        let entry = self.entry;
        let arn = self.need("ram_role_arn", entry.ram_role_arn.as_deref())?;
        let arn = RoleArn::parse(arn).map_err(|error| self.invalid("ram_role_arn", &error))?;
        let mut session = Session::default();
        if let Some(name) = some(entry.ram_session_name.as_deref()) {
            session = session
                .with_name(name)
                .map_err(|error| self.invalid("ram_session_name", &error))?;
        }
        // The CLI writes 0 where nothing was chosen.
        if let Some(seconds) = entry.expired_seconds.filter(|seconds| *seconds != 0) {
            session = session
                .with_seconds(seconds)
                .map_err(|error| self.invalid("expired_seconds", &error))?;
        }
        if let Some(policy) = some(entry.policy.as_deref()) {
            session =
                session.with_policy(policy).map_err(|error| self.invalid("policy", &error))?;
        }
        if let Some(id) = some(entry.external_id.as_deref()) {
            session = session
                .with_external_id(id)
                .map_err(|error| self.invalid("external_id", &error))?;
        }
        Ok(Role { arn, session })
    }

    /// Where STS is asked: what the provider says explicitly, then what the profile says.
    fn sts(&self, surroundings: &Surroundings) -> Result<StsPlace, ProfileError> {
        let mut sts = surroundings.sts.clone();
        if sts.endpoint.is_none() {
            sts.endpoint = some(self.entry.sts_endpoint.as_deref())
                .map(Endpoint::parse)
                .transpose()
                .map_err(|error| self.invalid("sts_endpoint", &error))?;
        }
        if let Some(region) = self.region("sts_region", self.entry.sts_region.as_deref())? {
            sts.region = Some(region);
        } else if sts.region.is_none() {
            sts.region = self.region("region_id", self.entry.region_id.as_deref())?;
        }
        sts.is_internal |= self.entry.enable_vpc.unwrap_or_default();
        Ok(sts)
    }

    fn oidc(&self, surroundings: &Surroundings) -> Result<Source, ProfileError> {
        let provider_arn =
            self.need("oidc_provider_arn", self.entry.oidc_provider_arn.as_deref())?;
        OidcRole::check_provider_arn(provider_arn)
            .map_err(|error| self.invalid("oidc_provider_arn", &error))?;
        let file = self.need("oidc_token_file", self.entry.oidc_token_file.as_deref())?;
        Ok(Source::AssumeRoleWithOidc(OidcRole {
            role: self.role()?,
            provider_arn: provider_arn.to_owned(),
            token: OidcToken::File(surroundings.path(file)),
            sts: self.sts(surroundings)?,
        }))
    }
}

/// The credentials in what an external process prints: a profile of mode `AK` or `StsToken`.
pub(super) fn printed_credentials(output: &[u8]) -> Result<Credentials, String> {
    #[derive(Deserialize)]
    struct Printed {
        #[serde(flatten)]
        profile: Entry,
        expiration: Option<serde_json::Value>,
    }
    let Printed { profile: entry, expiration } = json(output)?;
    let missing = |key: &str| format!("it has no `{key}`");
    let mode = mode("", &entry).map_err(|_| "its `mode` is unknown".to_owned())?;
    if !matches!(mode, "AK" | "StsToken") {
        return Err(format!("its `mode` is {mode}; only AK and StsToken can be printed"));
    }
    let part =
        |key, value: Option<&str>| some(value).map(str::to_owned).ok_or_else(|| missing(key));
    let id = part("access_key_id", entry.access_key_id.as_deref())?;
    let secret = part("access_key_secret", entry.access_key_secret.as_deref())?;
    let mut credentials = Credentials::new(id, secret);
    if mode == "StsToken" {
        let token = part("sts_token", entry.sts_token.as_deref())?;
        credentials = credentials.with_security_token(token);
    }
    match expiration.as_ref().and_then(expiration_of) {
        Some(expiration) => Ok(credentials.with_expiration(expiration)),
        None => Ok(credentials),
    }
}

/// An instant as text or in seconds since 1970. Anything else means that none is known.
fn expiration_of(value: &serde_json::Value) -> Option<OffsetDateTime> {
    match value {
        serde_json::Value::String(text) => parse_iso8601(text),
        value => OffsetDateTime::from_unix_timestamp(value.as_i64().filter(|at| *at > 0)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;
    use serde_json::{Value, json};

    use super::*;

    fn file(profiles: &Value) -> ProfileFile {
        let text = json!({ "current": "default", "profiles": profiles, "meta_path": "" });
        ProfileFile::parse(text.to_string().as_bytes()).unwrap()
    }

    /// The source of profile `x`, which has these keys.
    fn source(profile: Value) -> Result<Source, ProfileError> {
        let mut profile = profile;
        profile["name"] = json!("x");
        file(&json!([profile])).source(Some("x"), &Surroundings::default())
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
        let Ok(Source::Keys { credentials, origin }) = source(keys.clone()) else { panic!() };
        assert_eq!((credentials.access_key_id.as_str(), origin.as_str()), ("id", "profile \"x\""));
        assert!(credentials.security_token.is_none());

        let mut temporary = keys;
        temporary["mode"] = json!("ststoken");
        temporary["sts_token"] = json!("token");
        let Ok(Source::Keys { credentials, .. }) = source(temporary) else { panic!() };
        assert_eq!(credentials.security_token.unwrap().expose_secret(), "token");
    }

    #[test]
    fn roles_on_top_of_keys_instances_and_other_profiles() {
        let Ok(Source::AssumeRole { base, role, sts }) = source(role_profile("RamRoleArn")) else {
            panic!()
        };
        assert!(matches!(*base, Source::Keys { .. }));
        assert_eq!(
            (role.arn.as_str(), role.session.name.as_str(), role.session.seconds),
            ("acs:ram::1:role/r", "session", 900)
        );
        assert_eq!(role.session.external_id.as_deref(), Some("ext"));
        // Where nothing was chosen the CLI writes 0.
        let mut unchosen = role_profile("RamRoleArn");
        unchosen["expired_seconds"] = json!(0);
        assert!(matches!(
            source(unchosen),
            Ok(Source::AssumeRole { role, .. }) if role.session.seconds == 3600
        ));
        assert_eq!(sts.endpoint().to_string(), "https://sts.cn-hangzhou.aliyuncs.com");

        let Ok(Source::AssumeRole { base, .. }) = source(role_profile("RamRoleArnWithRoleName"))
        else {
            panic!()
        };
        assert!(
            matches!(*base, Source::EcsRole(EcsRole { name: Some(name), .. }) if name == "ecs")
        );

        let mut chained = role_profile("ChainableRamRoleArn");
        chained["name"] = json!("top");
        chained["source_profile"] = json!("base");
        chained["sts_region"] = json!("cn-beijing");
        chained["enable_vpc"] = json!(true);
        let mut base = role_profile("EcsRamRole");
        base["name"] = json!("base");
        let file = file(&json!([chained, base]));
        let Ok(Source::AssumeRole { base, sts, .. }) =
            file.source(Some("top"), &Surroundings::default())
        else {
            panic!()
        };
        assert!(matches!(*base, Source::EcsRole(_)));
        assert_eq!(sts.endpoint().to_string(), "https://sts-vpc.cn-beijing.aliyuncs.com");
        assert_eq!(file.region(Some("top")).unwrap().unwrap().as_str(), "cn-hangzhou");
    }

    #[test]
    fn tokens_uris_and_processes() {
        let mut oidc = role_profile("OIDC");
        oidc["oidc_provider_arn"] = json!("acs:ram::1:oidc-provider/gh");
        oidc["oidc_token_file"] = json!("/var/run/token");
        let Ok(Source::AssumeRoleWithOidc(oidc)) = source(oidc) else { panic!() };
        assert!(
            matches!(&oidc.token, OidcToken::File(path) if path == Path::new("/var/run/token"))
        );

        let uri = json!({ "mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:1/x" });
        assert!(matches!(source(uri), Ok(Source::Uri(uri)) if uri.host() == "127.0.0.1:1"));
        let process = json!({ "mode": "External", "process_command": "print-keys --all" });
        assert!(
            matches!(source(process), Ok(Source::Process(line)) if line.expose_secret() == "print-keys --all")
        );
    }

    #[test]
    fn the_current_profile_is_taken_when_none_is_named() {
        let keys = json!({ "name": "default", "access_key_id": "id", "access_key_secret": "s" });
        let Ok(Source::Keys { origin, .. }) =
            file(&json!([keys])).source(None, &Surroundings::default())
        else {
            panic!()
        };
        assert_eq!(origin, "profile \"default\"");
        let nameless = ProfileFile::parse(b"{\"profiles\":[]}").unwrap();
        assert_eq!(
            nameless.source(None, &Surroundings::default()).err(),
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
        let error =
            |name: &str| file.source(Some(name), &Surroundings::default()).unwrap_err().to_string();
        assert!(error("a").ends_with("in a circle: a → b → a"), "{}", error("a"));
        assert_eq!(error("c"), "there is no profile \"d\"; the file has a, b, c");
    }

    #[test]
    fn no_value_of_the_file_gets_into_an_error() {
        for text in ["{\"profiles\":[{\"access_key_secret\":[\"TOPSECRET\"]}]}", "TOPSECRET", "{"] {
            let Err(ProfileError::Syntax(reason)) = ProfileFile::parse(text.as_bytes()) else {
                panic!("{text}")
            };
            assert!(reason.contains("line 1") && !reason.contains("TOPSECRET"), "{reason}");
        }
        assert!(ProfileFile::parse(b"\xef\xbb\xbf{}").is_ok(), "a byte order mark is fine");
    }

    #[test]
    fn a_process_prints_a_profile() {
        let printed = printed_credentials(
            br#"{"mode":"StsToken","access_key_id":"STS.X","access_key_secret":"s","sts_token":"t",
                 "expiration":"2026-01-31T12:00:00Z","region_id":"x"}"#,
        )
        .unwrap();
        assert_eq!(printed.expiration, parse_iso8601("2026-01-31T12:00:00Z"));
        let seconds = br#"{"access_key_id":"i","access_key_secret":"s","expiration":1700000000}"#;
        assert!(printed_credentials(seconds).unwrap().expiration.is_some());
        for (output, expected) in [
            ("", "not the JSON"),
            ("{}", "no `access_key_id`"),
            ("{\"mode\":\"OIDC\"}", "only AK and StsToken"),
            (
                "{\"mode\":\"StsToken\",\"access_key_id\":\"i\",\"access_key_secret\":\"s\"}",
                "no `sts_token`",
            ),
        ] {
            let reason = printed_credentials(output.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
