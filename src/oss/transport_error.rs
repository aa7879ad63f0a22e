//! Failures of a request without a complete response.

use thiserror::Error;

use super::sanitize::ServerText;

/// Why there was no complete response.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No connection: name resolution, refused, unreachable.
    #[error("connection failed: {0}")]
    Connect(ServerText),
    /// The proxy could not be reached, or did not open a tunnel.
    #[error("proxy connection failed: {0}")]
    Proxy(ServerText),
    /// The TLS handshake failed before anything was sent. Not transient.
    #[error("TLS connection failed: {0}")]
    Tls(ServerText),
    /// No response within the timeouts of the connection.
    #[error("no response in time: {0}")]
    Timeout(ServerText),
    /// The connection was lost, or the body is truncated.
    #[error("connection lost: {0}")]
    Interrupted(ServerText),
    /// The body is larger than any expected response.
    #[error("the response is larger than {0} bytes")]
    BodyTooLarge(usize),
    /// A proxy variable cannot be used. Without it the request would bypass the proxy.
    #[error("no request was sent, because {0}")]
    InvalidProxy(ServerText),
    /// The HTTP client could not be created.
    #[error("the HTTP client could not be created: {0}")]
    ClientSetup(ServerText),
    /// The request is not valid HTTP.
    #[error("the request is invalid: {0}")]
    InvalidRequest(ServerText),
}

impl TransportError {
    /// Whether it is transient.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.is_connect() || matches!(self, Self::Timeout(_) | Self::Interrupted(_))
    }

    /// Whether the host name could not be resolved. A proxy resolves names itself, and its errors have other texts.
    pub(super) fn is_unknown_host(&self) -> bool {
        match self {
            Self::Connect(text) => text.contains("dns error"),
            Self::Proxy(text) => !text.contains("authorization"),
            _ => false,
        }
    }

    /// Whether no connection was established.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Proxy(_))
    }
}
