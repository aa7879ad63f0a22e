//! How an emulator is set up.

use std::collections::BTreeMap;
use std::fmt;

use super::{Credentials, Exchange};

/// Called after each request, before its answer leaves.
pub type Observer = Box<dyn Fn(&Exchange) + Send + Sync>;

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

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            region: "cn-hangzhou".to_owned(),
            buckets: Vec::new(),
            credentials: Vec::new(),
            custom_domains: BTreeMap::new(),
            clock_offset_seconds: 0,
            observer: None,
        }
    }
}

impl Config {
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

    /// With an observer.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
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
            .field("custom_domains", &self.custom_domains)
            .field("clock_offset_seconds", &self.clock_offset_seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let config =
            Config::default().with_credentials("LTAI5tFAKE", "the-secret").with_bucket("demo");
        let shown = format!("{config:?}");
        assert!(shown.contains("LTAI5tFAKE") && shown.contains("demo"), "{shown}");
        assert!(!shown.contains("the-secret"), "{shown}");
    }
}
