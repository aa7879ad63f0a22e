//! How an emulator is set up.

use std::collections::BTreeMap;
use std::fmt;

use super::store::is_bucket_name;
use super::{Credentials, RecordedRequest};

/// Called after each request, before its answer leaves.
pub type Observer = Box<dyn Fn(&RecordedRequest) + Send + Sync>;

/// What an emulator starts with.
pub struct Config {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The region of the endpoint, as `127.0.0.1` and `localhost` have none in their name.
    pub region: String,
    /// The buckets that are there from the start.
    pub buckets: Vec<BucketConfig>,
    /// The access keys that may sign.
    pub credentials: Vec<Credentials>,
    /// The roles that STS knows.
    pub roles: Vec<Role>,
    /// The identity providers that STS knows: ARN to the one token it takes.
    pub oidc_providers: BTreeMap<String, String>,
    /// The role of the ECS instance that the metadata service speaks for, if it has one.
    pub ecs_role: Option<String>,
    /// Which requests the metadata service takes.
    pub metadata_mode: MetadataMode,
    /// Whether `/-/credentials` hands out credentials.
    pub credentials_uri: bool,
    /// Whether it speaks TLS, with a certificate that it makes itself.
    pub tls: bool,
    /// Custom domains (CNAME): domain to bucket.
    pub custom_domains: BTreeMap<String, String>,
    /// By how many seconds the server's clock is ahead of the machine's.
    pub clock_offset_seconds: i64,
    /// Is told of each request.
    pub observer: Option<Observer>,
}

/// A bucket that is there from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// The bucket's name.
    pub name: String,
    /// Where it is; none is the endpoint's region.
    pub region: Option<String>,
}

/// Which requests the metadata service takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetadataMode {
    /// With a token or without one, as an instance is by default.
    #[default]
    Any,
    /// Only with a token: security hardening mode.
    V2Required,
    /// It has no tokens: asking for one is answered with 404.
    V1Only,
}

/// A role of RAM that can be assumed by whoever the emulator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) max_session_seconds: u64,
}

impl Role {
    /// A role of this ARN, `acs:ram::{account}:role/{name}`, for sessions of up to an hour.
    #[must_use]
    pub fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), external_id: None, max_session_seconds: 3600 }
    }

    /// The same role for callers of `AssumeRole` who know this.
    #[must_use]
    pub fn with_external_id(mut self, external_id: &str) -> Self {
        self.external_id = Some(external_id.to_owned());
        self
    }

    /// The same role for sessions of up to so many seconds.
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
            tls: false,
            custom_domains: BTreeMap::new(),
            clock_offset_seconds: 0,
            observer: None,
        }
    }
}

impl Config {
    /// What cannot be right about it, for people: such an endpoint would only answer with errors.
    pub(super) fn validate(&self) -> Result<(), String> {
        let is_region = |region: &str| {
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !region.is_empty() && region.chars().all(is_allowed)
        };
        let regions = self.buckets.iter().filter_map(|bucket| bucket.region.as_ref());
        if let Some(region) = regions.chain([&self.region]).find(|region| !is_region(region)) {
            return Err(format!("{region:?} is no region, such as cn-hangzhou"));
        }
        if let Some(bucket) = self.buckets.iter().find(|bucket| !is_bucket_name(&bucket.name)) {
            let name = &bucket.name;
            return Err(format!("{name:?} is no name of a bucket: 3 to 63 of a-z, 0-9 and -"));
        }
        let is_role =
            |role: &Role| role.arn.starts_with("acs:ram::") && role.arn.contains(":role/");
        match self.roles.iter().find(|role| !is_role(role)) {
            Some(role) => Err(format!(
                "{:?} is no role, such as acs:ram::1234567890123456:role/name",
                role.arn
            )),
            None => Ok(()),
        }
    }

    /// With a permanent access key.
    #[must_use]
    pub fn with_credentials(mut self, access_key_id: &str, access_key_secret: &str) -> Self {
        self.credentials.push(Credentials::new(access_key_id, access_key_secret));
        self
    }

    /// With a bucket in the endpoint's region.
    #[must_use]
    pub fn with_bucket(mut self, name: &str) -> Self {
        self.buckets.push(BucketConfig { name: name.to_owned(), region: None });
        self
    }

    /// With a bucket in this region.
    #[must_use]
    pub fn with_bucket_in(mut self, name: &str, region: &str) -> Self {
        self.buckets.push(BucketConfig { name: name.to_owned(), region: Some(region.to_owned()) });
        self
    }

    /// With a role that can be assumed.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// With an identity provider and the one token that it vouches for.
    #[must_use]
    pub fn with_oidc_provider(mut self, arn: &str, token: &str) -> Self {
        self.oidc_providers.insert(arn.to_owned(), token.to_owned());
        self
    }

    /// With an instance that has this role: its credentials are at
    /// `/-/ecs/latest/meta-data/ram/security-credentials/`.
    #[must_use]
    pub fn with_ecs_role(mut self, name: &str) -> Self {
        self.ecs_role = Some(name.to_owned());
        self
    }

    /// With a metadata service that takes these requests.
    #[must_use]
    pub fn with_metadata_mode(mut self, mode: MetadataMode) -> Self {
        self.metadata_mode = mode;
        self
    }

    /// With credentials for whoever asks at `/-/credentials`.
    #[must_use]
    pub fn with_credentials_uri(mut self) -> Self {
        self.credentials_uri = true;
        self
    }

    /// With TLS in place of plain HTTP: [`certificate_pem`](super::Emulator::certificate_pem) is
    /// what a client has to trust.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// With an observer.
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
            .field("has_credentials_uri", &self.credentials_uri)
            .field("has_tls", &self.tls)
            .field("custom_domains", &self.custom_domains)
            .field("clock_offset_seconds", &self.clock_offset_seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_right_is_told() {
        let region = |region: &str| Config { region: region.to_owned(), ..Config::default() };
        for (config, expected) in [
            (region(""), "\"\" is no region"),
            (Config::default().with_bucket("Bad_Name"), "\"Bad_Name\" is no name of a bucket"),
            (Config::default().with_bucket_in("demo", "c/n"), "\"c/n\" is no region"),
            (Config::default().with_role(Role::new("deploy")), "\"deploy\" is no role"),
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
