//! The handshake of host and plugin before gRPC. Pure.
//!
//! The host sets environment variables; the plugin prints one line to standard output.
//! Rules: go-plugin, `server.go` (Serve), `client.go` (Start); Terraform, `internal/plugin/serve.go`.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};

/// The value of `TF_PLUGIN_MAGIC_COOKIE`: proves that Terraform, not a user, has started the process.
pub(super) const MAGIC_COOKIE: &str =
    "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
/// Version of the handshake itself.
const CORE_PROTOCOL_VERSION: u32 = 1;
/// Version of the plugin protocol that the gRPC services implement.
pub(super) const PROTOCOL_VERSION: u32 = 6;

/// What a user who runs the binary directly sees.
pub const DIRECT_RUN_MESSAGE: &str = "\
This binary is a Terraform and OpenTofu plugin and is not meant to be run directly.

Add it to a configuration, and Terraform starts it when needed:

  terraform {
    required_providers {
      oss = { source = \"oss-tools/oss\", version = \"~> 0.1\" }
    }
  }

Run it with --help for other options.
";

/// The environment variables that a host sets for a plugin.
#[derive(Debug, Clone, Default)]
pub struct HandshakeEnv {
    magic_cookie: Option<String>,
    protocol_versions: Option<String>,
    client_certificate: Option<String>,
    socket_directory: Option<OsString>,
    socket_group: Option<String>,
    min_port: Option<String>,
    max_port: Option<String>,
    multiplex: Option<String>,
}

impl HandshakeEnv {
    /// Looks the variables up; an empty one counts as absent. Invalid UTF-8 is replaced, not dropped: an
    /// invalid certificate must cause an error later, not disable TLS.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let raw = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let get = |name: &str| Some(raw(name)?.to_string_lossy().into_owned());
        Self {
            magic_cookie: get("TF_PLUGIN_MAGIC_COOKIE"),
            protocol_versions: get("PLUGIN_PROTOCOL_VERSIONS"),
            client_certificate: get("PLUGIN_CLIENT_CERT"),
            socket_directory: raw("PLUGIN_UNIX_SOCKET_DIR").or_else(|| raw("TMPDIR")),
            socket_group: get("PLUGIN_UNIX_SOCKET_GROUP"),
            min_port: get("PLUGIN_MIN_PORT"),
            max_port: get("PLUGIN_MAX_PORT"),
            multiplex: get("PLUGIN_MULTIPLEX_GRPC"),
        }
    }

    fn socket_directory(&self) -> PathBuf {
        self.socket_directory.clone().unwrap_or_else(|| "/tmp".into()).into()
    }
}

/// What the host requests in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeParams {
    /// The PEM certificate of the host's client, or `None` to serve without TLS.
    pub(super) client_certificate: Option<String>,
    pub(super) socket_directory: PathBuf,
    /// Another group, by name or number, that can connect to the socket.
    pub(super) socket_group: Option<String>,
    /// Ports to try for a TCP socket; 0 means any.
    pub(super) ports: RangeInclusive<u16>,
    /// Whether the handshake line must report that the broker does not multiplex.
    pub(super) report_multiplexing: bool,
    /// Parts of `PLUGIN_PROTOCOL_VERSIONS` that are not versions, for the log.
    pub(super) invalid_versions: Vec<String>,
    /// Whether the host supports protocol version 6. If not, the host reports it better than the plugin could.
    pub(super) supports_protocol: bool,
}

impl HandshakeParams {
    /// Parameters of debug mode, in which there is no handshake and no TLS.
    pub(super) fn standalone(environment: &HandshakeEnv) -> Self {
        Self {
            client_certificate: None,
            socket_directory: environment.socket_directory(),
            socket_group: None,
            ports: 0..=0,
            report_multiplexing: false,
            invalid_versions: Vec::new(),
            supports_protocol: true,
        }
    }
}

/// Reads what the host requests, or returns `None` if the process was not started by a host.
#[must_use]
pub fn negotiate(environment: &HandshakeEnv) -> Option<HandshakeParams> {
    if environment.magic_cookie.as_deref() != Some(MAGIC_COOKIE) {
        return None;
    }
    let versions = environment.protocol_versions.as_deref().unwrap_or_default();
    let parts = versions.split(',').map(str::trim).filter(|part| !part.is_empty());
    let (valid, invalid): (Vec<&str>, Vec<&str>) =
        parts.partition(|part| part.parse::<u32>().is_ok());
    let port = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    let min_port = port(&environment.min_port).unwrap_or(0);
    let max_port = port(&environment.max_port).unwrap_or(if min_port == 0 { 0 } else { u16::MAX });
    Some(HandshakeParams {
        client_certificate: environment.client_certificate.clone(),
        socket_directory: environment.socket_directory(),
        socket_group: environment.socket_group.clone(),
        ports: min_port..=max_port,
        report_multiplexing: environment.multiplex.is_some(),
        invalid_versions: invalid.into_iter().map(str::to_owned).collect(),
        supports_protocol: valid.iter().any(|part| part.parse() == Ok(PROTOCOL_VERSION)),
    })
}

/// The handshake line: where and how the host connects, including the line break.
///
/// `network` is `unix` or `tcp`. `certificate` is the server's in DER, empty without TLS; it is encoded without
/// padding because the host decodes it so.
pub(super) fn handshake_line(
    params: &HandshakeParams,
    network: &str,
    address: &str,
    certificate: &[u8],
) -> String {
    let certificate = BASE64_STANDARD_NO_PAD.encode(certificate);
    // Older hosts would read a seventh field as part of the certificate.
    let multiplexing = if params.report_multiplexing { "|false" } else { "" };
    format!(
        "{CORE_PROTOCOL_VERSION}|{PROTOCOL_VERSION}|{network}|{address}|grpc|{certificate}\
         {multiplexing}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> HandshakeEnv {
        HandshakeEnv::read(|name| {
            let cookie = ("TF_PLUGIN_MAGIC_COOKIE", MAGIC_COOKIE);
            variables
                .iter()
                .chain([&cookie])
                .find(|(candidate, _)| *candidate == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    fn params(variables: &[(&str, &str)]) -> HandshakeParams {
        negotiate(&environment(variables)).unwrap()
    }

    #[test]
    fn there_is_no_handshake_without_the_cookie() {
        for cookie in
            ["", "wrong", "D602BF8F470BC67CA7FAA0386276BBDD4330EFAF76D1A219CB4D6991CA9872B2"]
        {
            assert_eq!(negotiate(&environment(&[("TF_PLUGIN_MAGIC_COOKIE", cookie)])), None);
        }
        assert!(negotiate(&environment(&[])).is_some());
    }

    #[test]
    fn protocol_versions_are_read_in_any_order() {
        for (versions, supported, invalid) in [
            ("5,6", true, vec![]),
            ("6,5", true, vec![]),
            (" 6 ", true, vec![]),
            ("5", false, vec![]),
            ("", false, vec![]),
            ("six,6,-1", true, vec!["six", "-1"]),
        ] {
            let params = params(&[("PLUGIN_PROTOCOL_VERSIONS", versions)]);
            assert_eq!(params.supports_protocol, supported, "{versions:?}");
            assert_eq!(params.invalid_versions, invalid, "{versions:?}");
        }
    }

    #[test]
    fn the_host_chooses_the_socket_directory() {
        let directory = |variables: &[_]| params(variables).socket_directory;
        assert_eq!(directory(&[]), PathBuf::from("/tmp"));
        assert_eq!(directory(&[("TMPDIR", "/t")]), PathBuf::from("/t"));
        let both = [("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "/s")];
        assert_eq!(directory(&both), PathBuf::from("/s"));
        assert_eq!(directory(&[("PLUGIN_UNIX_SOCKET_DIR", "")]), PathBuf::from("/tmp"));
    }

    #[test]
    fn invalid_ports_mean_any_port() {
        let ports = |min, max| params(&[("PLUGIN_MIN_PORT", min), ("PLUGIN_MAX_PORT", max)]).ports;
        assert_eq!(ports("10000", "25000"), 10000..=25000);
        assert_eq!(ports("", "nonsense"), 0..=0);
        assert_eq!(ports("10000", ""), 10000..=u16::MAX);
    }

    #[test]
    fn the_certificate_is_encoded_without_padding() {
        let line = |certificate: &[u8]| handshake_line(&params(&[]), "unix", "/s", certificate);
        assert_eq!(line(b""), "1|6|unix|/s|grpc|\n");
        assert_eq!(line(b"a"), "1|6|unix|/s|grpc|YQ\n");
        assert_eq!(line(b"ab"), "1|6|unix|/s|grpc|YWI\n");
        assert_eq!(line(b"abc"), "1|6|unix|/s|grpc|YWJj\n");
    }

    #[test]
    fn multiplexing_is_reported_only_on_request() {
        let params = params(&[("PLUGIN_MULTIPLEX_GRPC", "true")]);
        let line = handshake_line(&params, "tcp", "127.0.0.1:1", b"");
        assert_eq!(line, "1|6|tcp|127.0.0.1:1|grpc||false\n");
    }
}
