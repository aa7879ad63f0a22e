//! The configuration of an emulator.

use std::collections::BTreeMap;
use std::fmt;

use super::login::Login;
use super::store::is_bucket_name;
use super::{Credentials, RecordedRequest};

/// A callback that runs for each request, before its response is sent.
pub type Observer = Box<dyn Fn(&RecordedRequest) + Send + Sync>;

/// The configuration of an emulator.
pub struct Config {
    /// The port on 127.0.0.1; 0 selects any free port.
    pub port: u16,
    /// The region of the emulator, because `127.0.0.1` and `localhost` do not contain one.
    pub region: String,
    /// The buckets to create at startup.
    pub buckets: Vec<BucketConfig>,
    /// The credentials that requests can be signed with.
    pub credentials: Vec<Credentials>,
    /// The roles that exist in STS.
    pub roles: Vec<Role>,
    /// The OIDC providers in STS: ARN to the only token that is accepted.
    pub oidc_providers: BTreeMap<String, String>,
    /// The RAM role of the emulated ECS instance, if it has one.
    pub ecs_role: Option<String>,
    /// Which requests the metadata service accepts.
    pub metadata_mode: MetadataMode,
    /// Whether `/-/credentials` serves credentials.
    pub credentials_uri: bool,
    /// The logins of the CLI at a browser that are accepted.
    pub(super) login: Login,
    /// Whether to serve HTTPS, with a generated certificate.
    pub tls: bool,
    /// Custom domains (CNAME): domain to bucket.
    pub custom_domains: BTreeMap<String, String>,
    /// How many seconds the emulator's clock is ahead of the machine's.
    pub clock_offset_seconds: i64,
    /// Called for each request.
    pub observer: Option<Observer>,
}

/// A bucket to create at startup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Name of the bucket.
    pub name: String,
    /// Region of the bucket. Defaults to the emulator's region.
    pub region: Option<String>,
}

/// Which requests the metadata service accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetadataMode {
    /// With and without a token: an instance's default.
    #[default]
    Any,
    /// Only with a token: security hardening mode.
    V2Required,
    /// Without a token only: requests for a token return 404.
    V1Only,
}

/// A RAM role that can be assumed with any credentials of the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) max_session_seconds: u64,
}

impl Role {
    /// Creates a role with this ARN, `acs:ram::{account}:role/{name}`, and a maximum session
    /// duration of one hour.
    #[must_use]
    pub fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), external_id: None, max_session_seconds: 3600 }
    }

    /// Requires this external ID from callers of `AssumeRole`.
    #[must_use]
    pub fn with_external_id(mut self, external_id: &str) -> Self {
        self.external_id = Some(external_id.to_owned());
        self
    }

    /// Sets the maximum session duration.
    #[must_use]
    pub fn with_max_session(mut self, seconds: u64) -> Self {
        self.max_session_seconds = seconds;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            region: "cn-hangzhou".to_owned(),
            buckets: Vec::new(),
            credentials: Vec::new(),
            roles: Vec::new(),
            oidc_providers: BTreeMap::new(),
            ecs_role: None,
            metadata_mode: MetadataMode::default(),
            credentials_uri: false,
            login: Login::default(),
            tls: false,
            custom_domains: BTreeMap::new(),
            clock_offset_seconds: 0,
            observer: None,
        }
    }
}

impl Config {
    /// Checks names and ARNs. With invalid ones the emulator would only return errors.
    pub(super) fn validate(&self) -> Result<(), String> {
        let is_region = |region: &str| {
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !region.is_empty() && region.chars().all(is_allowed)
        };
        let regions = self.buckets.iter().filter_map(|bucket| bucket.region.as_ref());
        if let Some(region) = regions.chain([&self.region]).find(|region| !is_region(region)) {
            return Err(format!("invalid region {region:?}; use for example cn-hangzhou"));
        }
        if let Some(bucket) = self.buckets.iter().find(|bucket| !is_bucket_name(&bucket.name)) {
            let name = &bucket.name;
            return Err(format!(
                "invalid bucket name {name:?}; use 3 to 63 lowercase letters, digits and hyphens"
            ));
        }
        let is_role =
            |role: &Role| role.arn.starts_with("acs:ram::") && role.arn.contains(":role/");
        match self.roles.iter().find(|role| !is_role(role)) {
            Some(role) => Err(format!(
                "invalid role ARN {:?}; use for example acs:ram::1234567890123456:role/name",
                role.arn
            )),
            None => Ok(()),
        }
    }

    /// Adds a permanent AccessKey pair.
    #[must_use]
    pub fn with_credentials(mut self, access_key_id: &str, access_key_secret: &str) -> Self {
        self.credentials.push(Credentials::new(access_key_id, access_key_secret));
        self
    }

    /// Adds a bucket in the emulator's region.
    #[must_use]
    pub fn with_bucket(mut self, name: &str) -> Self {
        self.buckets.push(BucketConfig { name: name.to_owned(), region: None });
        self
    }

    /// Adds a bucket in this region, or in this location of a region that has several, such as `cn-hzjbp`.
    #[must_use]
    pub fn with_bucket_in(mut self, name: &str, region: &str) -> Self {
        self.buckets.push(BucketConfig { name: name.to_owned(), region: Some(region.to_owned()) });
        self
    }

    /// Adds a role that can be assumed.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// Adds an OIDC provider and the only token that it accepts.
    #[must_use]
    pub fn with_oidc_provider(mut self, arn: &str, token: &str) -> Self {
        self.oidc_providers.insert(arn.to_owned(), token.to_owned());
        self
    }

    /// Sets the RAM role of the emulated instance, whose credentials are served at
    /// `/-/ecs/latest/meta-data/ram/security-credentials/`.
    #[must_use]
    pub fn with_ecs_role(mut self, name: &str) -> Self {
        self.ecs_role = Some(name.to_owned());
        self
    }

    /// Sets which requests the metadata service accepts.
    #[must_use]
    pub fn with_metadata_mode(mut self, mode: MetadataMode) -> Self {
        self.metadata_mode = mode;
        self
    }

    /// Serves credentials at `/-/credentials`, without authentication.
    #[must_use]
    pub fn with_credentials_uri(mut self) -> Self {
        self.credentials_uri = true;
        self
    }

    /// Accepts this access token of CloudSSO, for an account and an access configuration, in
    /// `POST /cloud-credentials`.
    #[must_use]
    pub fn with_cloud_sso(
        mut self,
        access_token: &str,
        account: &str,
        configuration: &str,
    ) -> Self {
        self.login.cloud_sso = Some([access_token, account, configuration].map(str::to_owned));
        self
    }

    /// Accepts these tokens at the hosts of OAuth, for which the emulator is a proxy if it serves HTTPS
    /// ([`proxy_url`](super::Emulator::proxy_url)). A refresh replaces both.
    #[must_use]
    pub fn with_oauth(mut self, access_token: &str, refresh_token: &str) -> Self {
        self.login.oauth = Some([access_token, refresh_token].map(str::to_owned));
        self
    }

    /// Serves HTTPS instead of HTTP. Clients must trust
    /// [`certificate_pem`](super::Emulator::certificate_pem).
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets a callback that runs for each request, before its response is sent.
    #[must_use]
    pub fn with_observer(
        mut self,
        observer: impl Fn(&RecordedRequest) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("port", &self.port)
            .field("region", &self.region)
            .field("buckets", &self.buckets)
            .field("credentials", &self.credentials)
            .field("roles", &self.roles)
            .field("oidc_providers", &self.oidc_providers.keys())
            .field("ecs_role", &self.ecs_role)
            .field("metadata_mode", &self.metadata_mode)
            .field("credentials_uri", &self.credentials_uri)
            .field("tls", &self.tls)
            .field("custom_domains", &self.custom_domains)
            .field("clock_offset_seconds", &self.clock_offset_seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_rejected() {
        let region = |region: &str| Config { region: region.to_owned(), ..Config::default() };
        for (config, expected) in [
            (region(""), "invalid region \"\""),
            (Config::default().with_bucket("Bad_Name"), "invalid bucket name \"Bad_Name\""),
            (Config::default().with_bucket_in("demo", "c/n"), "invalid region \"c/n\""),
            (Config::default().with_role(Role::new("deploy")), "invalid role ARN \"deploy\""),
        ] {
            let error = config.validate().unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let role = Role::new("acs:ram::1:role/deploy");
        assert_eq!(Config::default().with_bucket("demo").with_role(role).validate(), Ok(()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = Config::default()
            .with_credentials("LTAI5tFAKE", "the-secret")
            .with_oidc_provider("acs:ram::1:oidc-provider/gh", "the-token")
            .with_bucket("demo");
        let shown = format!("{config:?}");
        assert!(shown.contains("LTAI5tFAKE") && shown.contains("demo"), "{shown}");
        assert!(shown.contains("oidc-provider/gh"), "{shown}");
        assert!(!shown.contains("the-secret") && !shown.contains("the-token"), "{shown}");
    }
}
