//! Fuzz targets of this module.

use std::ffi::OsString;

use super::handshake::{HandshakeEnv, negotiate};

const VARIABLES: [&str; 8] = [
    "PLUGIN_PROTOCOL_VERSIONS",
    "PLUGIN_CLIENT_CERT",
    "PLUGIN_UNIX_SOCKET_DIR",
    "PLUGIN_UNIX_SOCKET_GROUP",
    "PLUGIN_MIN_PORT",
    "PLUGIN_MAX_PORT",
    "PLUGIN_MULTIPLEX_GRPC",
    "TF_PLUGIN_MAGIC_COOKIE",
];

/// The environment of a plugin: the values of the variables, separated by zero bytes.
pub(crate) fn handshake(data: &[u8]) {
    let values: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    let lookup = |name: &str| -> Option<OsString> {
        let position = VARIABLES.iter().position(|variable| *variable == name)?;
        let value = values.get(position).copied();
        // The cookie is valid unless the input contains one.
        let value =
            value.or((position == 7).then_some(super::handshake::MAGIC_COOKIE.as_bytes()))?;
        Some(String::from_utf8_lossy(value).into_owned().into())
    };
    let environment = HandshakeEnv::read(lookup);
    let params = negotiate(&environment);
    if let Some(certificate) = params.and_then(|params| params.client_certificate) {
        drop(super::tls::acceptor(&certificate));
    }
}
