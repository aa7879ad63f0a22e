//! Fuzz targets of this module.

use time::OffsetDateTime;

use super::profile::ProfileFile;
use super::response::{CredentialsResponse, parse_process_output};
use super::{SourceDefaults, login, sts};
use crate::oss::sanitize::Sanitizer;

/// Profile files: errors contain no values of the file except names.
pub(crate) fn profile_file(data: &[u8]) {
    let shown = |text: String| {
        assert!(text.chars().count() < 2 * data.len() + 1000, "a short file, a long error");
    };
    match ProfileFile::parse(data, None) {
        Err(error) => shown(error.to_string()),
        Ok(file) => {
            let defaults = SourceDefaults::default();
            for name in [None, Some("default"), Some("a"), Some("b")] {
                if let Err(error) = file.source(name, &defaults) {
                    shown(error.to_string());
                }
                if let Err(error) = file.region(name) {
                    shown(error.to_string());
                }
            }
        }
    }
}

/// Responses of STS, the metadata service, credentials URIs and programs: no secret is shown.
pub(crate) fn credentials_response(data: &[u8]) {
    const SECRET: &str = "SECRET-THAT-IS-NOT-SHOWN";
    let uri = CredentialsResponse::parse(data).and_then(CredentialsResponse::into_credentials);
    let instance = CredentialsResponse::parse(data).and_then(CredentialsResponse::into_session);
    let process = parse_process_output(data);
    let sts = sts::parse_credentials(data);
    let login = login::parse_session(data);
    for credentials in [uri, instance, sts, process, login] {
        let shown = match credentials {
            Ok(credentials) => format!("{credentials:?}"),
            Err(reason) => reason,
        };
        assert!(!shown.contains(SECRET), "{shown}");
    }
    if let Err(reason) = login::parse_tokens(data, OffsetDateTime::UNIX_EPOCH) {
        assert!(!reason.contains(SECRET), "{reason}");
    }
    drop(sts::StsErrorResponse::parse(data, &Sanitizer::default()));
}
