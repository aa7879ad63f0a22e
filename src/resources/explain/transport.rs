//! Calls without a complete response: what to check.

use crate::oss::{Endpoint, TransportError};

/// OSS allows bucket names that are invalid in a host name.
pub(super) const PUNYCODE_BUCKET_ADVICE: &str = "No request was sent. A host name label that starts with \
     xn-- must be valid punycode, and this bucket name is not. Such a bucket is only reachable with \
     path-style requests (`address_style = \"path\"`), which OSS's own endpoints reject.";

/// What to do if a response cannot be from OSS.
pub(super) fn not_oss_advice(endpoint: &str) -> String {
    format!(
        "The response may have come from a proxy or captive portal instead of OSS. Check the network and the \
         provider's `endpoint`; the request was sent to {endpoint}."
    )
}

/// What to do about a transport error. `endpoint` is where the request was sent: OSS, or a service that
/// issues credentials.
pub(super) fn advice(transport: &TransportError, endpoint: &str) -> String {
    match transport {
        TransportError::Tls(_) => format!(
            "The certificate of {endpoint} is not trusted, or the endpoint does not support TLS. Behind a \
             TLS-inspecting proxy, add its CA certificate to the system trust store or set SSL_CERT_FILE.{}",
            // Elsewhere, credentials and rules could be read and changed in transit.
            match Endpoint::parse(endpoint) {
                Ok(endpoint) if endpoint.is_loopback() => {
                    " For an endpoint on this machine without TLS, use http://."
                }
                _ => "",
            },
        ),
        TransportError::ClientSetup(_) => "No request was sent. If no CA certificates were found, install \
             them (the package is usually named ca-certificates) or set SSL_CERT_FILE. If you use a proxy, \
             check HTTPS_PROXY and HTTP_PROXY."
            .to_owned(),
        TransportError::InvalidProxy(_) => "Without a proxy, the request would have gone to the network \
             directly. Correct the variable (http://host:port, or http://user:password@host:port), or \
             unset it. Hosts listed in NO_PROXY bypass the proxy."
            .to_owned(),
        TransportError::InvalidRequest(_) => "No request was sent. Check the bucket name, the provider's \
             `endpoint`, and the credentials at their source."
            .to_owned(),
        TransportError::BodyTooLarge(_) => format!(
            "Responses to this request are never this large. Check that {endpoint} is the intended service."
        ),
        TransportError::Proxy(_) => format!(
            "The proxy is set by HTTPS_PROXY. Check that it is reachable, that it allows connections to \
             {endpoint}, and that the variable contains the user name and password if the proxy requires \
             them (http://user:password@host:port). Hosts listed in NO_PROXY bypass the proxy."
        ),
        TransportError::Connect(_)
        | TransportError::Timeout(_)
        | TransportError::Interrupted(_) => format!(
            "Check that {endpoint} is reachable from this machine, and check the provider's `endpoint` and \
             `region` and the proxy variables (HTTPS_PROXY, NO_PROXY)."
        ),
    }
}
