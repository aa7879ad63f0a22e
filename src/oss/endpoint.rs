//! Where a request goes: endpoint, addressing style, URL.
//!
//! Rules: OSS documentation, "Regions and endpoints" and "Access OSS over …"; the V2 SDK for Go
//! (`endpoints.go`: path style for IP literals). The signature never depends on any of this.

use std::fmt;

use thiserror::Error;
use url::{Host, Url};

use super::names::{BucketName, Region};

/// Why a string is not an endpoint. The text completes the sentence "… must".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not a host, `host:port` or URL at all.
    #[error("must be a host name, host:port or URL, such as oss-cn-hangzhou.aliyuncs.com")]
    Invalid,
    /// A scheme other than `http` and `https`.
    #[error("must begin with https:// (or http:// for a local endpoint), or have no scheme")]
    Scheme,
    /// A user, path, query or fragment beside host and port.
    #[error("must name only a host and a port: no user, path, query or fragment")]
    ExtraComponents,
}

/// How the bucket is put into the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressStyle {
    /// Path style for IP literals and `localhost`, virtual-hosted otherwise.
    #[default]
    Auto,
    /// `https://{bucket}.{endpoint}/`.
    Virtual,
    /// `https://{endpoint}/{bucket}/`; public OSS endpoints refuse it.
    Path,
    /// `https://{endpoint}/`, where the endpoint is a custom domain bound to the bucket.
    Cname,
}

/// The endpoints that OSS has for a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndpointType {
    /// `oss-{region}.aliyuncs.com`, from everywhere.
    #[default]
    Public,
    /// `oss-{region}-internal.aliyuncs.com`, from inside the region only.
    Internal,
    /// `oss-accelerate.aliyuncs.com`, for buckets with transfer acceleration.
    Accelerate,
    /// `{region}.oss.aliyuncs.com`, over IPv4 and IPv6.
    DualStack,
}

/// Scheme, host and port that requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: &'static str,
    host: Host<String>,
    port: Option<u16>,
}

impl Endpoint {
    /// Parses a host, `host:port` or URL; without a scheme it is `https`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        if with_scheme.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
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

    /// The endpoint of OSS for a region (OSS documentation, "Regions and endpoints"). Requests are
    /// signed for the region even where the host does not name it.
    #[must_use]
    pub fn for_region(region: &Region, endpoint_type: EndpointType) -> Self {
        Self::https(match endpoint_type {
            EndpointType::Public => format!("oss-{region}.aliyuncs.com"),
            EndpointType::Internal => format!("oss-{region}-internal.aliyuncs.com"),
            EndpointType::Accelerate => "oss-accelerate.aliyuncs.com".to_owned(),
            EndpointType::DualStack => format!("{region}.oss.aliyuncs.com"),
        })
    }

    /// `https` at a domain that is built from valid names.
    pub(super) fn https(domain: String) -> Self {
        Self { scheme: "https", host: Host::Domain(domain), port: None }
    }

    /// The region in a host of the form `oss-{region}[-internal].aliyuncs.com` or
    /// `{region}.oss.aliyuncs.com`.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        let Host::Domain(domain) = &self.host else { return None };
        if let Some(region) = domain.strip_suffix(".oss.aliyuncs.com") {
            return Region::parse(region).ok();
        }
        let label = domain.strip_prefix("oss-")?.strip_suffix(".aliyuncs.com")?;
        // The accelerate endpoints have the same shape, but serve every region.
        if label.starts_with("accelerate") {
            return None;
        }
        Region::parse(label.strip_suffix("-internal").unwrap_or(label)).ok()
    }

    /// Whether it is one of OSS's own: those take a bucket only as part of the host name.
    #[must_use]
    pub fn is_aliyuncs(&self) -> bool {
        matches!(&self.host, Host::Domain(domain) if domain.ends_with(".aliyuncs.com"))
    }

    /// Whether requests travel without TLS.
    fn is_plaintext(&self) -> bool {
        self.scheme == "http"
    }

    /// Whether keys and rules would travel in the clear to another machine.
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

/// Whether a host is this machine.
pub(super) fn is_loopback<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(domain) => {
            let domain = domain.as_ref();
            domain == "localhost" || domain.ends_with(".localhost")
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether a host is this machine, or at a link-local address, which clouds give to a machine's own
/// services: keys are not seen by anyone on the way, and no proxy knows it.
pub(super) fn is_loopback_or_link_local<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback() || address.is_link_local(),
        Host::Ipv6(address) => address.is_loopback() || address.is_unicast_link_local(),
        Host::Domain(_) => is_loopback(host),
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
        use EndpointType::{Accelerate, DualStack, Internal, Public};
        let region = Region::parse("cn-hangzhou").unwrap();
        for (endpoint_type, expected) in [
            (Public, "https://oss-cn-hangzhou.aliyuncs.com"),
            (Internal, "https://oss-cn-hangzhou-internal.aliyuncs.com"),
            (Accelerate, "https://oss-accelerate.aliyuncs.com"),
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
    fn puts_the_bucket_where_the_style_says() {
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
    fn refuses_what_is_no_endpoint() {
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
        ];
        for (endpoint, expected) in cases {
            assert_eq!(Endpoint::parse(endpoint), Err(expected), "{endpoint:?}");
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
    fn plain_http_is_fine_on_loopback_only() {
        for (endpoint, insecure) in [
            ("http://127.0.0.1:1", false),
            ("http://[::1]", false),
            ("http://localhost", false),
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
