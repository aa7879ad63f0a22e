//! What host and plugin tell each other before they speak gRPC. Pure.
//!
//! The host passes environment variables; the plugin answers with one line on standard output.
//! Rules: go-plugin, `server.go` (Serve), `client.go` (Start); Terraform, `internal/plugin/serve.go`.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};

/// Terraform's proof that it, and not a person, has started the process.
pub(super) const MAGIC_COOKIE: &str =
    "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
/// Version of the handshake itself.
const CORE_PROTOCOL_VERSION: u32 = 1;
/// Version of the plugin protocol that the gRPC services implement.
pub(super) const PROTOCOL_VERSION: u32 = 6;

/// What a person sees who runs the program by hand.
pub const DIRECT_RUN_MESSAGE: &str = "\
This program is a plugin of Terraform and OpenTofu: it does nothing on its own.

Name it in a configuration, and terraform or tofu starts it when it is needed:

  terraform {
    required_providers {
      oss = { source = \"oss-tools/oss\" }
    }
  }

Run it with --help to see what else it can do.
";

/// The variables with which a host starts a plugin.
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
    /// Looks the variables up; an empty one counts as absent. Text that is damaged is kept as far as
    /// it is text: a damaged certificate must be an error later, not the absence of TLS.
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

    /// Where sockets go.
    fn socket_directory(&self) -> PathBuf {
        self.socket_directory.clone().unwrap_or_else(|| "/tmp".into()).into()
    }
}

/// What the host asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeParams {
    /// The PEM certificate that the host's client will show; none means no TLS at all.
    pub(super) client_certificate: Option<String>,
    /// Where to put the socket.
    pub(super) socket_directory: PathBuf,
    /// Group, by name or number, that may connect to the socket as well.
    pub(super) socket_group: Option<String>,
    /// Ports to try when the socket is TCP; 0 means any.
    pub(super) ports: RangeInclusive<u16>,
    /// Whether the host wants to hear if the broker multiplexes.
    pub(super) report_multiplexing: bool,
    /// Parts of `PLUGIN_PROTOCOL_VERSIONS` that are no versions, for the log.
    pub(super) invalid_versions: Vec<String>,
    /// Whether the host knows our protocol version. If not, it says so itself, and better.
    pub(super) supports_protocol: bool,
}

impl HandshakeParams {
    /// A session without a host: no TLS.
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

/// Reads the environment as a host's; none where it is not.
#[must_use]
pub fn negotiate(environment: &HandshakeEnv) -> Option<HandshakeParams> {
    if environment.magic_cookie.as_deref() != Some(MAGIC_COOKIE) {
        return None;
    }
    let versions = environment.protocol_versions.as_deref().unwrap_or_default();
    let parts = versions.split(',').map(str::trim).filter(|part| !part.is_empty());
    let (readable, unreadable): (Vec<&str>, Vec<&str>) =
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
        invalid_versions: unreadable.into_iter().map(str::to_owned).collect(),
        supports_protocol: readable.iter().any(|part| part.parse() == Ok(PROTOCOL_VERSION)),
    })
}

/// The line that tells the host where and how to connect, with its line break.
///
/// `network` is `unix` or `tcp`; `certificate` is the server's, in DER, empty without TLS. Its
/// base64 has no padding: the host decodes without.
pub(super) fn handshake_line(
    session: &HandshakeParams,
    network: &str,
    address: &str,
    certificate: &[u8],
) -> String {
    let certificate = BASE64_STANDARD_NO_PAD.encode(certificate);
    // Older hosts take a seventh field for a part of the certificate.
    let multiplexing = if session.report_multiplexing { "|false" } else { "" };
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

    fn session(variables: &[(&str, &str)]) -> HandshakeParams {
        negotiate(&environment(variables)).unwrap()
    }

    #[test]
    fn without_the_cookie_nobody_is_served() {
        for cookie in
            ["", "wrong", "D602BF8F470BC67CA7FAA0386276BBDD4330EFAF76D1A219CB4D6991CA9872B2"]
        {
            assert_eq!(negotiate(&environment(&[("TF_PLUGIN_MAGIC_COOKIE", cookie)])), None);
        }
        assert!(negotiate(&environment(&[])).is_some());
    }

    #[test]
    fn versions_come_in_any_order() {
        for (versions, known, unreadable) in [
            ("5,6", true, vec![]),
            ("6,5", true, vec![]),
            (" 6 ", true, vec![]),
            ("5", false, vec![]),
            ("", false, vec![]),
            ("six,6,-1", true, vec!["six", "-1"]),
        ] {
            let session = session(&[("PLUGIN_PROTOCOL_VERSIONS", versions)]);
            assert_eq!(session.supports_protocol, known, "{versions:?}");
            assert_eq!(session.invalid_versions, unreadable, "{versions:?}");
        }
    }

    #[test]
    fn the_socket_goes_where_the_host_says() {
        let directory = |variables: &[_]| session(variables).socket_directory;
        assert_eq!(directory(&[]), PathBuf::from("/tmp"));
        assert_eq!(directory(&[("TMPDIR", "/t")]), PathBuf::from("/t"));
        let both = [("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "/s")];
        assert_eq!(directory(&both), PathBuf::from("/s"));
        assert_eq!(directory(&[("PLUGIN_UNIX_SOCKET_DIR", "")]), PathBuf::from("/tmp"));
    }

    #[test]
    fn unreadable_ports_mean_any() {
        let ports = |min, max| session(&[("PLUGIN_MIN_PORT", min), ("PLUGIN_MAX_PORT", max)]).ports;
        assert_eq!(ports("10000", "25000"), 10000..=25000);
        assert_eq!(ports("", "nonsense"), 0..=0);
        assert_eq!(ports("10000", ""), 10000..=u16::MAX);
    }

    #[test]
    fn the_certificate_is_announced_without_padding() {
        let line = |certificate: &[u8]| handshake_line(&session(&[]), "unix", "/s", certificate);
        assert_eq!(line(b""), "1|6|unix|/s|grpc|\n");
        assert_eq!(line(b"a"), "1|6|unix|/s|grpc|YQ\n");
        assert_eq!(line(b"ab"), "1|6|unix|/s|grpc|YWI\n");
        assert_eq!(line(b"abc"), "1|6|unix|/s|grpc|YWJj\n");
    }

    #[test]
    fn multiplexing_is_announced_only_when_asked_for() {
        let asked = session(&[("PLUGIN_MULTIPLEX_GRPC", "true")]);
        let line = handshake_line(&asked, "tcp", "127.0.0.1:1", b"");
        assert_eq!(line, "1|6|tcp|127.0.0.1:1|grpc||false\n");
    }
}
