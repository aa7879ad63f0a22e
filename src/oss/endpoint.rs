//! The destination of a request: endpoint, addressing style, URL.
//!
//! Rules: OSS documentation, "Regions and endpoints" and "Access OSS over …"; the V2 SDK for Go
//! (`endpoints.go`: path style for IP literals). The signature never depends on any of this.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

use super::host::is_loopback;
use super::names::{BucketName, Region};
use super::regions::{self, EndpointType};

/// Why a string is not an endpoint. The text completes the sentence "… must".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not a host, `host:port` or URL at all.
    #[error("must be a host name, host:port or URL, such as oss-cn-hangzhou.aliyuncs.com")]
    Invalid,
    /// A scheme other than `http` and `https`.
    #[error("must begin with https:// (or http:// for a local endpoint), or have no scheme")]
    Scheme,
    /// A user, path, query or fragment in addition to host and port.
    #[error("must contain only a host and an optional port, without user, path, query or fragment")]
    ExtraComponents,
    /// Slashes without a scheme before them, which browsers read as a host.
    #[error("must not begin with slashes: write `{0}`")]
    LeadingSlashes(String),
    /// A region instead of a host.
    #[error(
        "must be a host name, not a region: write `region = \"{region}\"` instead, or `endpoint = \"{}\"`",
        regions::host(region, EndpointType::Public)
    )]
    Region {
        /// The region.
        region: Region,
    },
    /// A region with the suffix of internal endpoints.
    #[error(
        "must be a host name, not a region: write `region = \"{region}\"` and `endpoint_type = \"internal\"` \
         instead, or `endpoint = \"{}\"`",
        regions::host(region, EndpointType::Internal)
    )]
    InternalRegion {
        /// The region.
        region: Region,
    },
    /// An endpoint of OSS without its domain.
    #[error("must be a complete host name: write `endpoint = \"{0}.aliyuncs.com\"`")]
    NoDomain(String),
}

/// How the bucket is put into the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressStyle {
    /// Path style for IP literals and `localhost`, virtual-hosted otherwise.
    #[default]
    Auto,
    /// `https://{bucket}.{endpoint}/`.
    Virtual,
    /// `https://{endpoint}/{bucket}/`; public OSS endpoints reject it.
    Path,
    /// `https://{endpoint}/`, where the endpoint is a custom domain bound to the bucket.
    Cname,
}

/// Scheme, host and port that requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    scheme: &'static str,
    host: Host<String>,
    port: Option<u16>,
}

impl Endpoint {
    /// Parses a host, `host:port` or URL; without a scheme it is `https`.
    ///
    /// # Errors
    ///
    /// It is none of these, or has another part, such as a path.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.starts_with('/') {
            let endpoint = Self::parse(text.trim_start_matches('/'))?;
            return Err(EndpointError::LeadingSlashes(endpoint.to_config()));
        }
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let has_other = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if with_scheme.chars().any(has_other) || with_scheme.contains(":///") {
            return Err(EndpointError::Invalid);
        }
        let url = Url::parse(&with_scheme).map_err(|_| EndpointError::Invalid)?;
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            _ => return Err(EndpointError::Scheme),
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err(EndpointError::ExtraComponents);
        }
        let host = url.host().ok_or(EndpointError::Invalid)?.to_owned();
        Ok(Self { scheme, host, port: url.port() })
    }

    /// Parses an endpoint of OSS like [`parse`](Self::parse), but not a region or a part of a host, which
    /// could be a host only on a local network.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), or it is a region or a part of a host.
    pub fn parse_oss(text: &str) -> Result<Self, EndpointError> {
        let endpoint = Self::parse(text)?;
        let Some(label) = endpoint.single_label() else { return Ok(endpoint) };
        if label.starts_with("oss-") {
            return Err(EndpointError::NoDomain(label.to_owned()));
        }
        let region = Region::parse(label.trim_end_matches("-internal"));
        match region.ok().filter(Region::has_geography) {
            Some(region) if label.ends_with("-internal") => {
                Err(EndpointError::InternalRegion { region })
            }
            Some(region) => Err(EndpointError::Region { region }),
            None => Ok(endpoint),
        }
    }

    /// The host, if it has neither a dot nor a port.
    pub(super) fn single_label(&self) -> Option<&str> {
        self.domain().filter(|domain| self.port.is_none() && !domain.contains('.'))
    }

    /// The endpoint of OSS for a region (OSS documentation, "Regions and endpoints"). Requests are
    /// signed for the region even where the host does not name it.
    #[must_use]
    pub fn for_region(region: &Region, endpoint_type: EndpointType) -> Self {
        Self::https(regions::host(region, endpoint_type))
    }

    /// `https` at a domain that is built from valid names.
    pub(super) fn https(domain: String) -> Self {
        Self { scheme: "https", host: Host::Domain(domain), port: None }
    }

    /// The region of an endpoint of OSS such as `oss-{region}[-internal].aliyuncs.com` or
    /// `{region}.oss.aliyuncs.com`.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        regions::region_of_host(self.domain()?)
    }

    /// Whether it is an acceleration endpoint, which has the buckets of all regions but no list of them.
    #[must_use]
    pub fn is_acceleration(&self) -> bool {
        self.domain().is_some_and(regions::is_acceleration)
    }

    /// The bucket in a host such as `demo.oss-cn-hangzhou.aliyuncs.com`, and the endpoint without it.
    #[must_use]
    pub fn split_bucket(&self) -> Option<(&str, Self)> {
        let (bucket, rest) = self.domain()?.split_once('.')?;
        if regions::region_of_host(rest).is_none() && !regions::is_acceleration(rest) {
            return None;
        }
        let host = Host::Domain(rest.to_owned());
        Some((bucket, Self { scheme: self.scheme, host, port: self.port }))
    }

    /// The endpoint without the name of this bucket, if the host begins with it and the rest is that of OSS,
    /// also of a private one: `demo.oss.example.com`.
    pub(super) fn without_bucket(&self, bucket: &BucketName) -> Option<Self> {
        let rest = self.domain()?.strip_prefix(bucket.as_str())?.strip_prefix('.')?;
        let host = Host::Domain(rest.to_owned());
        let endpoint = Self { scheme: self.scheme, host, port: self.port };
        rest.starts_with("oss").then_some(endpoint)
    }

    /// The endpoint of another region's or type's host, with the same scheme.
    pub(super) fn at_host_of(&self, region: &Region, endpoint_type: EndpointType) -> Self {
        Self { scheme: self.scheme, ..Self::for_region(region, endpoint_type) }
    }

    /// As it can be written in a configuration: without `https://`.
    #[must_use]
    pub fn to_config(&self) -> String {
        let text = self.to_string();
        text.strip_prefix("https://").map_or(text.clone(), str::to_owned)
    }

    pub(super) fn domain(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(domain) => Some(domain),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// Whether it is one of OSS's own: those take a bucket only as part of the host name.
    #[must_use]
    pub fn is_aliyuncs(&self) -> bool {
        matches!(&self.host, Host::Domain(domain) if domain.ends_with(".aliyuncs.com"))
    }

    /// Whether requests are sent without TLS.
    fn is_plaintext(&self) -> bool {
        self.scheme == "http"
    }

    /// Whether credentials and rules would be sent to another machine in plaintext.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.is_plaintext() && !self.is_loopback()
    }

    /// Whether virtual-hosted addressing is impossible: there is no sub-domain of an IP address.
    #[must_use]
    pub fn is_ip_address(&self) -> bool {
        !matches!(self.host, Host::Domain(_))
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The URL of a request about a bucket, or about the account: the slash after a bucket in path
    /// style is required, and `encoded_query` is taken as it is.
    pub(super) fn url(
        &self,
        style: AddressStyle,
        bucket: Option<&BucketName>,
        encoded_query: &str,
    ) -> String {
        let address = self.address(style, bucket);
        match (self.resolve_style(style), bucket) {
            (AddressStyle::Path, Some(bucket)) => format!("{address}/{bucket}/?{encoded_query}"),
            _ => format!("{address}/?{encoded_query}"),
        }
    }

    /// Scheme, host and port that a request is sent to.
    pub(super) fn address(&self, style: AddressStyle, bucket: Option<&BucketName>) -> String {
        let Self { scheme, host, .. } = self;
        match (self.resolve_style(style), bucket) {
            (AddressStyle::Virtual, Some(bucket)) => {
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{scheme}://{bucket}.{host}{port}")
            }
            _ => self.to_string(),
        }
    }

    /// What `Auto` means here.
    pub(super) fn resolve_style(&self, style: AddressStyle) -> AddressStyle {
        match style {
            AddressStyle::Auto if self.is_ip_address() || self.is_loopback() => AddressStyle::Path,
            AddressStyle::Auto => AddressStyle::Virtual,
            style => style,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: &str, style: AddressStyle) -> String {
        let bucket = BucketName::parse("demo").unwrap();
        Endpoint::parse(endpoint).unwrap().url(style, Some(&bucket), "encryption")
    }

    #[test]
    fn every_region_has_its_endpoints() {
        use EndpointType::{Accelerate, AccelerateOverseas, DualStack, Internal, Public};
        let region = Region::parse("cn-hangzhou").unwrap();
        for (endpoint_type, expected) in [
            (Public, "https://oss-cn-hangzhou.aliyuncs.com"),
            (Internal, "https://oss-cn-hangzhou-internal.aliyuncs.com"),
            (Accelerate, "https://oss-accelerate.aliyuncs.com"),
            (AccelerateOverseas, "https://oss-accelerate-overseas.aliyuncs.com"),
            (DualStack, "https://cn-hangzhou.oss.aliyuncs.com"),
        ] {
            assert_eq!(Endpoint::for_region(&region, endpoint_type).to_string(), expected);
        }
    }

    #[test]
    fn calls_about_the_account_name_no_bucket() {
        for (endpoint, style) in [
            ("oss-cn-hangzhou.aliyuncs.com", AddressStyle::Auto),
            ("127.0.0.1:9000", AddressStyle::Path),
        ] {
            let url = Endpoint::parse(endpoint).unwrap().url(style, None, "prefix=a");
            assert_eq!(url, format!("https://{endpoint}/?prefix=a"));
        }
    }

    #[test]
    fn puts_the_bucket_into_host_or_path() {
        use AddressStyle::{Auto, Cname, Path, Virtual};
        let public = "oss-cn-hangzhou.aliyuncs.com";
        let cases = [
            (public, Auto, "https://demo.oss-cn-hangzhou.aliyuncs.com/?encryption"),
            (public, Path, "https://oss-cn-hangzhou.aliyuncs.com/demo/?encryption"),
            ("https://assets.example.com", Cname, "https://assets.example.com/?encryption"),
            ("http://127.0.0.1:9000", Auto, "http://127.0.0.1:9000/demo/?encryption"),
            ("http://[::1]:9000", Auto, "http://[::1]:9000/demo/?encryption"),
            ("http://localhost:9000", Auto, "http://localhost:9000/demo/?encryption"),
            ("http://localhost:9000", Virtual, "http://demo.localhost:9000/?encryption"),
            ("oss.example.com:8443", Auto, "https://demo.oss.example.com:8443/?encryption"),
        ];
        for (endpoint, style, expected) in cases {
            assert_eq!(url(endpoint, style), expected, "{endpoint} {style:?}");
        }
    }

    #[test]
    fn rejects_what_is_no_endpoint() {
        let cases = [
            ("", EndpointError::Invalid),
            ("not a host", EndpointError::Invalid),
            ("https://", EndpointError::Invalid),
            ("host:notaport", EndpointError::Invalid),
            ("ftp://host", EndpointError::Scheme),
            ("https://host/path", EndpointError::ExtraComponents),
            ("https://host/?x", EndpointError::ExtraComponents),
            ("https://user@host", EndpointError::ExtraComponents),
            ("https://:password@host", EndpointError::ExtraComponents),
            ("https://host/#x", EndpointError::ExtraComponents),
            ("host\\evil", EndpointError::Invalid),
            ("//host", EndpointError::LeadingSlashes("host".to_owned())),
            ("https:///host", EndpointError::Invalid),
            ("//user:secret@host", EndpointError::ExtraComponents),
            ("//", EndpointError::Invalid),
        ];
        for (endpoint, expected) in cases {
            assert_eq!(Endpoint::parse(endpoint), Err(expected), "{endpoint:?}");
        }
    }

    #[test]
    fn a_region_is_no_endpoint_of_oss() {
        for (text, expected) in [
            ("cn-hangzhou", "write `region = \"cn-hangzhou\"` instead"),
            ("https://ap-southeast-1", "or `endpoint = \"oss-ap-southeast-1.aliyuncs.com\"`"),
            ("cn-hangzhou-finance", "or `endpoint = \"oss-cn-hzfinance.aliyuncs.com\"`"),
            ("rg-china-mainland", "not a region"),
            (
                "cn-hangzhou-internal",
                "write `region = \"cn-hangzhou\"` and `endpoint_type = \"internal\"` instead, or `endpoint = \
                 \"oss-cn-hangzhou-internal.aliyuncs.com\"`",
            ),
            (
                "oss-cn-hangzhou-internal",
                "write `endpoint = \"oss-cn-hangzhou-internal.aliyuncs.com\"`",
            ),
        ] {
            let error = Endpoint::parse_oss(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["localhost", "minio", "my-service", "cn-hangzhou:9", "cn-hangzhou.example"] {
            assert!(Endpoint::parse_oss(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_may_contain_the_bucket() {
        let split = |text: &str| {
            let endpoint = Endpoint::parse(text).unwrap();
            endpoint.split_bucket().map(|(bucket, rest)| format!("{bucket} {}", rest.to_config()))
        };
        for (text, expected) in [
            ("demo.oss-cn-hangzhou.aliyuncs.com", Some("demo oss-cn-hangzhou.aliyuncs.com")),
            (
                "http://demo.oss-cn-hzfinance.aliyuncs.com:80",
                Some("demo http://oss-cn-hzfinance.aliyuncs.com"),
            ),
            ("demo.cn-hangzhou.oss.aliyuncs.com", Some("demo cn-hangzhou.oss.aliyuncs.com")),
            (
                "demo.oss-accelerate.aliyuncs.com:8443",
                Some("demo oss-accelerate.aliyuncs.com:8443"),
            ),
            ("oss-cn-hangzhou.aliyuncs.com", None),
            ("cn-hangzhou.oss.aliyuncs.com", None),
            ("cb-1.cn-hangzhou.oss-cloudbox.aliyuncs.com", None),
            ("demo.oss.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(split(text).as_deref(), expected, "{text}");
        }
        let without = |text: &str| {
            let bucket = BucketName::parse("demo").unwrap();
            let endpoint = Endpoint::parse(text).unwrap().without_bucket(&bucket);
            endpoint.map(|endpoint| endpoint.to_config())
        };
        assert_eq!(without("demo.oss.example.com").as_deref(), Some("oss.example.com"));
        for other in ["demo.example.com", "demo2.oss.example.com", "oss.example.com", "[::1]"] {
            assert_eq!(without(other), None, "{other}");
        }
    }

    #[test]
    fn finds_the_region_in_official_hosts_only() {
        let cases = [
            ("oss-cn-hangzhou.aliyuncs.com", Some("cn-hangzhou")),
            ("https://oss-ap-southeast-1-internal.aliyuncs.com", Some("ap-southeast-1")),
            ("cn-hangzhou.oss.aliyuncs.com", Some("cn-hangzhou")),
            ("demo.cn-hangzhou.oss.aliyuncs.com", None),
            ("oss-accelerate.aliyuncs.com", None),
            ("oss-accelerate-overseas.aliyuncs.com", None),
            ("oss-cn-hangzhou.aliyuncs.com.evil.example", None),
            ("127.0.0.1", None),
        ];
        for (endpoint, expected) in cases {
            let region = Endpoint::parse(endpoint).unwrap().region();
            assert_eq!(region.as_ref().map(Region::as_str), expected, "{endpoint}");
        }
    }

    #[test]
    fn plain_http_is_secure_on_loopback_only() {
        for (endpoint, insecure) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]", false),
            ("http://localhost", false),
            ("http://localhost.", false),
            ("http://x.localhost", false),
            ("http://[::ffff:127.0.0.1]", false),
            ("http://[::ffff:10.0.0.1]", true),
            ("http://localhost.example.com", true),
            ("http://oss.example.com", true),
            ("https://oss.example.com", false),
        ] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().is_insecure(), insecure, "{endpoint}");
        }
    }

    #[test]
    fn shows_itself_without_default_port() {
        let shown = |text: &str| Endpoint::parse(text).unwrap().to_string();
        assert_eq!(shown("https://oss.example.com:443/"), "https://oss.example.com");
        assert_eq!(shown("http://127.0.0.1:80"), "http://127.0.0.1");
        assert_eq!(shown("[::1]:8080"), "https://[::1]:8080");
    }
}
