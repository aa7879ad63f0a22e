//! HTTP as this client needs it: one bounded exchange, over connections that are reused.
//!
//! Knows nothing of OSS. Redirects are not followed: they would change the host that was signed for.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_rustls::rustls;
use url::{Host, Url};

use super::endpoint::is_loopback;
use super::error::TransportError;

/// The metadata service of every ECS instance.
const METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// No answer that is expected here is larger; the rest of a larger body is not read.
const MAX_BODY: usize = 1024 * 1024;

/// Limits, and how the client introduces itself.
#[derive(Debug, Clone)]
pub(super) struct HttpSettings {
    /// Limit for establishing a connection.
    pub(super) connect_timeout: Duration,
    /// Limit for each silence of the other side.
    pub(super) read_timeout: Duration,
    /// The `User-Agent` header.
    pub(super) user_agent: String,
}

/// What the way to a destination does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    /// No TLS: there is nothing to verify, a machine without any trusted authority is fine.
    is_plain: bool,
    /// No proxy: none knows the way to this machine, and none may see the metadata of an instance.
    is_direct: bool,
}

impl Route {
    fn to(url: &Url, may_use_proxy: bool) -> Self {
        let is_near = match url.host() {
            Some(Host::Ipv4(METADATA)) => true,
            Some(host) => is_loopback(&host),
            None => false,
        };
        Self { is_plain: url.scheme() == "http", is_direct: is_near || !may_use_proxy }
    }
}

/// A request that is ready to be sent.
pub(super) struct HttpRequest<'a> {
    /// `GET`, `PUT`, …
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Vec<u8>,
    /// Limit for the whole exchange, beside those of [`HttpSettings`].
    pub(super) timeout: Option<Duration>,
    /// Whether a proxy may see it, where one is configured for the destination.
    pub(super) may_use_proxy: bool,
}

/// A whole answer.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl HttpAnswer {
    /// A header that is text, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The HTTP clients, each made by the first exchange that needs it.
pub(super) struct Http {
    settings: HttpSettings,
    /// By [`Route`]: the setting of a client cannot be changed for a single request.
    clients: [OnceLock<reqwest::Client>; 4],
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(settings: HttpSettings) -> Self {
        Self { settings, clients: Default::default() }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(super) async fn exchange(
        &self,
        request: HttpRequest<'_>,
    ) -> Result<HttpAnswer, TransportError> {
        let setup = |error: &dyn fmt::Display| TransportError::Setup(error.to_string());
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| setup(&error))?;
        let url = Url::parse(request.url).map_err(|error| setup(&error))?;
        let mut builder = self
            .client(Route::to(&url, request.may_use_proxy))?
            .request(method, url)
            .headers(header_map(request.headers)?)
            .body(request.body);
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        let mut answer = builder.send().await.map_err(classify)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(TransportError::TooLarge(MAX_BODY));
            }
            body.extend_from_slice(&chunk);
        }
        let status = answer.status().as_u16();
        Ok(HttpAnswer { status, headers: std::mem::take(answer.headers_mut()), body })
    }

    fn client(&self, route: Route) -> Result<&reqwest::Client, TransportError> {
        let [proxied_tls, proxied_plain, direct_tls, direct_plain] = &self.clients;
        let client = match (route.is_direct, route.is_plain) {
            (false, false) => proxied_tls,
            (false, true) => proxied_plain,
            (true, false) => direct_tls,
            (true, true) => direct_plain,
        };
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let mut builder = reqwest::Client::builder();
        if route.is_plain {
            builder = builder.tls_certs_only([]);
        }
        if route.is_direct {
            builder = builder.no_proxy();
        }
        let made = builder
            .user_agent(self.settings.user_agent.as_str())
            .connect_timeout(self.settings.connect_timeout)
            .read_timeout(self.settings.read_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| TransportError::Setup(chain(&error)))?;
        Ok(client.get_or_init(|| made))
    }
}

/// Headers as the HTTP library has them. A value may be a secret: an error only tells its name.
fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, TransportError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let unusable =
            |what| TransportError::Setup(format!("the {name} header has an invalid {what}"));
        let header = HeaderName::try_from(name.as_str()).map_err(|_| unusable("name"))?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable("value"))?;
        value.set_sensitive(true);
        map.insert(header, value);
    }
    Ok(map)
}

/// Sorts a failure of the HTTP client by what it means for trying again, and for what OSS may have
/// done: nothing, as long as there was no connection.
fn classify(error: reqwest::Error) -> TransportError {
    // A URL may hold a key of its own.
    let error = error.without_url();
    let text = chain(&error);
    if error.is_connect() {
        if is_tls_error(&error) { TransportError::Tls(text) } else { TransportError::Connect(text) }
    } else if error.is_timeout() {
        TransportError::Timeout(text)
    } else if error.is_builder() {
        TransportError::Setup(text)
    } else {
        TransportError::Interrupted(text)
    }
}

/// The innermost causes, which tell more than "error sending request".
fn chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Wrappers often print their cause as well; a text within another one is told once.
        if let Some(earlier) = texts.iter_mut().find(|earlier| earlier.ends_with(&text)) {
            let kept = earlier.trim_end_matches(text.as_str()).trim_end_matches([':', ' ']);
            *earlier = kept.to_owned();
        }
        texts.push(text);
        source = cause.source();
    }
    texts.retain(|text| !text.is_empty());
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

/// Whether rustls is behind an error, at any depth: errors are wrapped in IO errors, which hide
/// what they wrap from `source`.
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
            ("https://demo.oss-cn-hangzhou.aliyuncs.com/?encryption", false, false),
            ("http://oss.example.com/", true, false),
            ("http://127.0.0.1:9000/demo/?encryption", true, true),
            ("https://[::1]:9000/", false, true),
            ("http://demo.localhost:9000/", true, true),
            ("http://100.100.100.200/latest/api/token", true, true),
            ("http://100.100.100.201/", true, false),
        ];
        for (url, is_plain, is_direct) in cases {
            let url = Url::parse(url).unwrap();
            assert_eq!(Route::to(&url, true), Route { is_plain, is_direct }, "{url}");
            assert_eq!(Route::to(&url, false), Route { is_plain, is_direct: true }, "{url}");
        }
    }

    #[test]
    fn an_unusable_header_is_named_but_not_shown() {
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let error = header_map(&header("x-oss-security-token", "the\ntoken")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the request could not be made: the x-oss-security-token header has an invalid value"
        );
    }
}
