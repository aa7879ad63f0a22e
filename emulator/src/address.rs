//! Resolves the `Host` header and the path of a request to a bucket and an object.
//!
//! Follows "Regions and endpoints" of the OSS documentation and the URL styles of the official
//! SDKs. Accepts OSS host names, this machine, and the configured custom domains.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::error::ServiceError;
use super::regions;
use super::request::decode;

/// The target of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) bucket: Option<String>,
    /// The object key; empty for the bucket itself.
    pub(super) key: String,
    /// The canonical resource to sign, decoded: `/`, `/{bucket}/` or `/{bucket}/{key}`. It does not
    /// depend on the style, except that a path-style URL without the trailing slash signs
    /// `/{bucket}`: clients must send the slash (change log of the Go SDK, 1.1.0).
    pub(super) resource: String,
    pub(super) endpoint: Endpoint,
    is_path_style: bool,
}

/// The endpoint part of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// This machine: an IP literal, `localhost` or a name under it.
    Local,
    /// An OSS host; acceleration endpoints have no location.
    Public { location: Option<String> },
    /// A cloud box, which uses its ID as the signing region.
    CloudBox { id: String },
    /// A domain bound to a bucket (CNAME).
    CustomDomain,
}

impl Address {
    /// Resolves host and path. `custom_domains` maps domains to buckets.
    pub(super) fn resolve(
        host: &str,
        path: &str,
        custom_domains: &BTreeMap<String, String>,
    ) -> Result<Self, ServiceError> {
        let host = &without_port(host).to_ascii_lowercase();
        let host = host.as_str();
        // The name with its root label; names of OSS itself are not resolved here, so they keep it.
        let host = if host.ends_with("localhost.") { host.trim_end_matches('.') } else { host };
        if let Some(bucket) = custom_domains.get(host) {
            return Ok(Self::in_host(Some(bucket), path, Endpoint::CustomDomain));
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if host == "localhost" || literal.parse::<IpAddr>().is_ok() {
            return Ok(Self::in_path(path, Endpoint::Local));
        }
        let (bucket, endpoint) = split_host(host).ok_or_else(|| {
            let message = "The host is neither an endpoint of OSS nor a custom domain of a bucket.";
            ServiceError::new(403, "NonStandardHostForbidden", message)
        })?;
        if bucket.is_none() && path != "/" {
            return Ok(Self::in_path(path, endpoint));
        }
        Ok(Self::in_host(bucket, path, endpoint))
    }

    /// Rejects path-style requests to public endpoints.
    pub(super) fn check_style(&self) -> Result<(), ServiceError> {
        let is_public =
            matches!(self.endpoint, Endpoint::Public { .. } | Endpoint::CloudBox { .. });
        if self.is_path_style && is_public {
            let message = "Please use virtual hosted style to access.";
            return Err(ServiceError::new(403, "SecondLevelDomainForbidden", message));
        }
        Ok(())
    }

    fn in_host(bucket: Option<&str>, path: &str, endpoint: Endpoint) -> Self {
        let key = decode(path.strip_prefix('/').unwrap_or(path));
        let resource = bucket.map_or_else(|| "/".to_owned(), |bucket| format!("/{bucket}/{key}"));
        Self { bucket: bucket.map(str::to_owned), key, resource, endpoint, is_path_style: false }
    }

    fn in_path(path: &str, endpoint: Endpoint) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let bucket = Some(decode(bucket)).filter(|bucket| !bucket.is_empty());
        let resource = format!("/{}", decode(path));
        Self { bucket, key: decode(key), resource, endpoint, is_path_style: true }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Splits `{bucket}.{endpoint}`.
fn split_host(host: &str) -> Option<(Option<&str>, Endpoint)> {
    let labels: Vec<&str> = host.split('.').collect();
    let (before, endpoint) = match labels.as_slice() {
        [before @ .., "localhost"] => (before, Endpoint::Local),
        [before @ .., id, _region, "oss-cloudbox", "aliyuncs", "com"] => {
            (before, Endpoint::CloudBox { id: (*id).to_owned() })
        }
        [before @ .., region, "oss", "aliyuncs", "com"] => {
            let location = regions::location_of_dual_stack_host(region).to_owned();
            (before, Endpoint::Public { location: Some(location) })
        }
        [before @ .., name, "aliyuncs", "com"] => {
            let name = name.strip_prefix("oss-")?;
            let location = match name {
                "accelerate" | "accelerate-overseas" => None,
                name => Some(regions::location_of_host(name)?.to_owned()),
            };
            (before, Endpoint::Public { location })
        }
        _ => return None,
    };
    match before {
        // With an IP address as its endpoint, the Node.js SDK sends a leading dot if there is no bucket.
        [] | [""] => Some((None, endpoint)),
        [bucket] => Some((Some(*bucket), endpoint)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(host: &str, path: &str) -> Result<Address, ServiceError> {
        let domains = BTreeMap::from([("assets.example.com".to_owned(), "demo".to_owned())]);
        Address::resolve(host, path, &domains)
    }

    fn public(region: &str) -> Endpoint {
        Endpoint::Public { location: Some(region.to_owned()) }
    }

    #[test]
    fn every_style_resolves_to_the_same_bucket() {
        for (host, path, endpoint) in [
            ("127.0.0.1:8080", "/demo/", Endpoint::Local),
            ("[::1]:8080", "/demo/", Endpoint::Local),
            ("[::1]", "/demo/", Endpoint::Local),
            ("localhost", "/demo/", Endpoint::Local),
            ("demo.localhost:8080", "/", Endpoint::Local),
            ("demo.LocalHost:8080", "/", Endpoint::Local),
            ("localhost.:8080", "/demo/", Endpoint::Local),
            ("demo.localhost.", "/", Endpoint::Local),
            ("assets.example.com", "/", Endpoint::CustomDomain),
            ("demo.oss-cn-hangzhou.aliyuncs.com", "/", public("cn-hangzhou")),
            ("demo.oss-cn-hangzhou-internal.aliyuncs.com:80", "/", public("cn-hangzhou")),
            ("demo.cn-hangzhou.oss.aliyuncs.com", "/", public("cn-hangzhou")),
            ("demo.oss-cn-hzfinance.aliyuncs.com", "/", public("cn-hzfinance")),
            ("demo.cn-hangzhou-finance.oss.aliyuncs.com", "/", public("cn-hzfinance")),
            ("demo.oss-cn-hzjbp-a-internal.aliyuncs.com", "/", public("cn-hzjbp")),
            ("demo.oss-accelerate.aliyuncs.com", "/", Endpoint::Public { location: None }),
            (
                "demo.cb-1.cn-hangzhou.oss-cloudbox.aliyuncs.com",
                "/",
                Endpoint::CloudBox { id: "cb-1".to_owned() },
            ),
        ] {
            let address = resolve(host, path).unwrap();
            assert_eq!(address.bucket.as_deref(), Some("demo"), "{host}");
            assert_eq!((address.key.as_str(), address.resource.as_str()), ("", "/demo/"), "{host}");
            assert_eq!(address.endpoint, endpoint, "{host}");
            assert_eq!(address.check_style(), Ok(()), "{host}");
        }
    }

    #[test]
    fn keys_are_decoded() {
        for (host, path) in [("127.0.0.1", "/demo/a%20b/c%2B"), ("demo.localhost", "/a%20b/c%2B")] {
            let address = resolve(host, path).unwrap();
            assert_eq!((&*address.key, &*address.resource), ("a b/c+", "/demo/a b/c+"));
        }
    }

    #[test]
    fn the_service_itself_has_no_bucket() {
        let dotted = ".oss-cn-hangzhou.aliyuncs.com";
        for host in ["127.0.0.1:1", "localhost", "oss-cn-hangzhou.aliyuncs.com", dotted] {
            let address = resolve(host, "/").unwrap();
            assert_eq!((address.bucket, &*address.resource), (None, "/"), "{host}");
        }
    }

    #[test]
    fn path_style_on_public_endpoints_and_unknown_hosts_are_rejected() {
        let address = resolve("oss-cn-hangzhou.aliyuncs.com", "/demo/").unwrap();
        assert_eq!(address.resource, "/demo/");
        assert_eq!(address.check_style().unwrap_err().code, "SecondLevelDomainForbidden");
        for host in [
            "",
            "example.com",
            "demo.example.com",
            "demo.ecs.aliyuncs.com",
            "a.b.localhost",
            "demo.oss-cn-hangzhou-finance.aliyuncs.com",
        ] {
            assert_eq!(resolve(host, "/").unwrap_err().code, "NonStandardHostForbidden", "{host}");
        }
    }

    #[test]
    fn a_path_style_url_without_trailing_slash_signs_another_resource() {
        let address = resolve("127.0.0.1", "/demo").unwrap();
        assert_eq!((address.bucket.as_deref(), &*address.resource), (Some("demo"), "/demo"));
    }
}
