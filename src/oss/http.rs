//! HTTP for this client: one request with a bounded response, over pooled connections.
//!
//! Independent of OSS. Redirects are not followed, because the signature covers the host.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls;
use url::{Host, Url};

use super::host::{is_loopback, is_loopback_or_link_local, is_metadata_address};
use super::proxy;
use super::request_body::{RequestBody, SentFlag};
use super::sanitize::Sanitizer;
use super::transport_error::TransportError;

/// Timeout for connecting to the metadata service, which is on the local network or does not exist (credentials-go).
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum size of a response body. The rest of a larger one is not read.
const MAX_BODY: usize = 1024 * 1024;

/// Timeouts and the user agent.
#[derive(Debug, Clone)]
pub(super) struct HttpSettings {
    /// Maximum time to establish a connection.
    pub(super) connect_timeout: Duration,
    /// Maximum time to wait for data from the server.
    pub(super) read_timeout: Duration,
    /// The `User-Agent` header.
    pub(super) user_agent: String,
}

/// How a destination is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ConnectionKind {
    /// Without TLS nothing is verified, so no trust store is needed.
    is_plaintext: bool,
    proxy_mode: ProxyMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyMode {
    /// Through a proxy, if one is configured.
    FromEnv,
    /// Without a proxy, which could not reach this machine.
    Direct,
    /// Without a proxy, which must not see an instance's metadata, and with a short timeout.
    Metadata,
}

impl ConnectionKind {
    fn to(url: &Url, is_metadata: bool) -> Self {
        let proxy_mode = match url.host() {
            _ if is_metadata => ProxyMode::Metadata,
            Some(host) if is_metadata_address(&host) => ProxyMode::Metadata,
            Some(host) if is_loopback_or_link_local(&host) => ProxyMode::Direct,
            _ => ProxyMode::FromEnv,
        };
        Self { is_plaintext: url.scheme() == "http", proxy_mode }
    }
}

/// Resolves the names of this machine, `localhost` and all below it, as RFC 6761 requires: no name server is queried,
/// so that none can return another address. Addresses are not resolved.
struct Loopback;

impl reqwest::dns::Resolve for Loopback {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let is_local = is_loopback(&Host::Domain(name.as_str()));
        Box::pin(std::future::ready(if is_local {
            let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as reqwest::dns::Addrs)
        } else {
            Err(io::Error::from(io::ErrorKind::NotFound).into())
        }))
    }
}

/// A request that is ready to be sent.
pub(super) struct HttpRequest<'a> {
    /// `GET`, `PUT`, …
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Vec<u8>,
    /// Set as soon as the request is handed to a connection.
    pub(super) sent: SentFlag,
    /// Maximum time for the whole request, in addition to the timeouts of [`HttpSettings`].
    pub(super) timeout: Option<Duration>,
    /// Whether it is a request to the metadata service, or to a replacement for it.
    pub(super) is_metadata: bool,
}

/// A complete response.
pub(super) struct HttpResponse {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl HttpResponse {
    /// A header that is text, by its lowercase name.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The HTTP clients, each created by the first request that needs it.
pub(super) struct Http {
    settings: HttpSettings,
    /// By [`ConnectionKind`]: the settings of a client cannot be changed for a single request.
    clients: [OnceLock<reqwest::Client>; 6],
    sanitizer: Sanitizer,
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(settings: HttpSettings) -> Self {
        Self { settings, clients: Default::default(), sanitizer: Sanitizer::default() }
    }

    /// Makes the texts of all servers printable.
    pub(super) fn sanitizer(&self) -> &Sanitizer {
        &self.sanitizer
    }

    /// Sends a request and reads the whole response, whatever its status.
    pub(super) async fn execute(
        &self,
        request: HttpRequest<'_>,
    ) -> Result<HttpResponse, TransportError> {
        let unusable = |error: &dyn fmt::Display| {
            TransportError::InvalidRequest(self.sanitizer.text(error.to_string()))
        };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| unusable(&error))?;
        let url = Url::parse(request.url).map_err(|error| unusable(&error))?;
        let mut builder = self
            .client(ConnectionKind::to(&url, request.is_metadata))?
            .request(method, url)
            .headers(header_map(request.headers).map_err(|error| unusable(&error))?)
            .body(reqwest::Body::wrap(RequestBody::new(request.body, request.sent)));
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        let mut response = builder.send().await.map_err(|error| self.classify(error))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.classify(error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(TransportError::BodyTooLarge(MAX_BODY));
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status().as_u16();
        Ok(HttpResponse { status, headers: std::mem::take(response.headers_mut()), body })
    }

    fn client(&self, kind: ConnectionKind) -> Result<&reqwest::Client, TransportError> {
        let [from_env_tls, from_env_plain, direct_tls, direct_plain, metadata_tls, metadata_plain] =
            &self.clients;
        let client = match (kind.proxy_mode, kind.is_plaintext) {
            (ProxyMode::FromEnv, false) => from_env_tls,
            (ProxyMode::FromEnv, true) => from_env_plain,
            (ProxyMode::Direct, false) => direct_tls,
            (ProxyMode::Direct, true) => direct_plain,
            (ProxyMode::Metadata, false) => metadata_tls,
            (ProxyMode::Metadata, true) => metadata_plain,
        };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        if kind.proxy_mode == ProxyMode::FromEnv {
            let lookup = |name: &str| std::env::var_os(name);
            let user = proxy::check(kind.is_plaintext, lookup).map_err(|error| {
                TransportError::InvalidProxy(self.sanitizer.text(error.to_string()))
            })?;
            if let Some(user) = user {
                self.sanitizer.remember("proxy password", &user);
                let password = user.split_once(':').map_or("", |(_, password)| password);
                self.sanitizer.remember("proxy password", password);
            }
        }
        let made = self.builder(kind).build();
        // Without TLS, trusted certificates are needed only for a proxy that uses TLS.
        let made = match made {
            Err(_) if kind.is_plaintext => self.builder(kind).tls_certs_only([]).build(),
            made => made,
        };
        let made = made.map_err(|error| {
            TransportError::ClientSetup(self.sanitizer.text(error_chain(&error)))
        })?;
        Ok(client.get_or_init(|| made))
    }

    fn builder(&self, kind: ConnectionKind) -> reqwest::ClientBuilder {
        let HttpSettings { connect_timeout, read_timeout, user_agent } = &self.settings;
        let builder = reqwest::Client::builder()
            .user_agent(user_agent.as_str())
            .connect_timeout(*connect_timeout)
            .read_timeout(*read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Otherwise the library copies every request, for retries that it makes over HTTP/2 only.
            .retry(reqwest::retry::never().max_retries_per_request(0));
        let builder = match kind.proxy_mode {
            ProxyMode::FromEnv => return builder,
            ProxyMode::Direct => builder.no_proxy().dns_resolver(Loopback),
            ProxyMode::Metadata => builder.no_proxy().connect_timeout(METADATA_CONNECT_TIMEOUT),
        };
        // Reading the trust store takes milliseconds.
        if kind.is_plaintext { builder.tls_certs_only([]) } else { builder }
    }

    /// Classifies an error by whether it can be retried and whether the request may have been executed: not without a
    /// connection.
    fn classify(&self, error: reqwest::Error) -> TransportError {
        // A URL can contain credentials.
        let error = error.without_url();
        let chain = error_chain(&error);
        // A certificate's names are in it.
        let text = self.sanitizer.text(&chain);
        if error.is_connect() {
            match chain.strip_prefix(TUNNEL_ERROR_PREFIX) {
                _ if is_tls_error(&error) => TransportError::Tls(text),
                Some(reason) => TransportError::Proxy(self.sanitizer.text(reason)),
                None => TransportError::Connect(text),
            }
        } else if error.is_timeout() {
            TransportError::Timeout(text)
        } else if error.is_builder() {
            TransportError::InvalidRequest(text)
        } else {
            TransportError::Interrupted(text)
        }
    }
}

/// Converts headers. A value may be a secret, so an error contains only the name.
fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let unusable = |what| format!("the {name} header has an invalid {what}");
        let header = HeaderName::try_from(name.as_str()).map_err(|_| unusable("name"))?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable("value"))?;
        value.set_sensitive(true);
        map.insert(header, value);
    }
    Ok(map)
}

/// Beginning of the HTTP library's error for a proxy that opened no tunnel; the type of that error is private.
const TUNNEL_ERROR_PREFIX: &str = "tunnel error: ";

/// The innermost causes, which say more than "error sending request" and "client error (Connect)".
fn error_chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Wrappers often print their cause as well; a repeated text is kept once.
        if let Some(earlier) = texts.iter_mut().find(|earlier| earlier.ends_with(&text)) {
            let kept = earlier.trim_end_matches(text.as_str()).trim_end_matches([':', ' ']);
            *earlier = kept.to_owned();
        }
        texts.push(text);
        source = cause.source();
    }
    texts.retain(|text| !text.is_empty() && !text.starts_with("client error ("));
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// Whether an error of rustls is the cause, at any depth: IO errors hide the error that they wrap from `source`.
fn is_tls_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls_error(wrapped))
        || error.source().is_some_and(is_tls_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_for_other_machines_only() {
        let cases = [
            ("https://demo.oss-cn-hangzhou.aliyuncs.com/?encryption", false, ProxyMode::FromEnv),
            ("http://oss.example.com/", true, ProxyMode::FromEnv),
            ("http://127.0.0.1:9000/demo/?encryption", true, ProxyMode::Direct),
            ("https://[::1]:9000/", false, ProxyMode::Direct),
            ("http://demo.localhost:9000/", true, ProxyMode::Direct),
            ("http://169.254.170.2/keys", true, ProxyMode::Direct),
            ("http://[fe80::1]/keys", true, ProxyMode::Direct),
            ("http://[::ffff:127.0.0.1]:9000/", true, ProxyMode::Direct),
            ("http://[::ffff:7f01:203]:9000/", true, ProxyMode::Direct),
            ("http://[::ffff:169.254.170.2]/keys", true, ProxyMode::Direct),
            ("http://localhost.:9000/", true, ProxyMode::Direct),
            ("https://demo.localhost./", false, ProxyMode::Direct),
            ("http://LOCALHOST/", true, ProxyMode::Direct),
            ("http://0x7f.1/", true, ProxyMode::Direct),
            ("http://127.0.0.1./", true, ProxyMode::Direct),
            ("http://notlocalhost/", true, ProxyMode::FromEnv),
            ("http://localhost.example.com/", true, ProxyMode::FromEnv),
            ("http://[::ffff:10.0.0.1]/", true, ProxyMode::FromEnv),
            ("http://[::ffff:100.100.100.200]/latest/api/token", true, ProxyMode::Metadata),
            ("http://[::ffff:6464:64c8]/", true, ProxyMode::Metadata),
            ("http://100.100.100.200/latest/api/token", true, ProxyMode::Metadata),
            ("http://100.100.100.201/", true, ProxyMode::FromEnv),
        ];
        for (url, is_plaintext, proxy_mode) in cases {
            let url = Url::parse(url).unwrap();
            assert_eq!(
                ConnectionKind::to(&url, false),
                ConnectionKind { is_plaintext, proxy_mode },
                "{url}"
            );
            assert_eq!(
                ConnectionKind::to(&url, true),
                ConnectionKind { is_plaintext, proxy_mode: ProxyMode::Metadata },
                "{url}"
            );
        }
    }

    #[test]
    fn a_header_is_named_but_not_shown() {
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let usable = header_map(&header("x-oss-security-token", "the-token")).unwrap();
        let shown = format!("{usable:?}");
        assert!(shown.contains("x-oss-security-token") && !shown.contains("the-token"), "{shown}");
        let error = header_map(&header("x-oss-security-token", "the\ntoken")).unwrap_err();
        assert_eq!(error.as_str(), "the x-oss-security-token header has an invalid value");
    }
}
