//! What fuzzing and its kept inputs drive in this module.

use super::profile::{ProfileFile, parse_process_output};
use super::response::CredentialsResponse;
use super::{SourceDefaults, sts};
use crate::oss::sanitize::Sanitizer;

/// Profile files: no value of the file is told in an error but names.
pub(crate) fn profile_file(data: &[u8]) {
    let told = |text: String| {
        assert!(text.chars().count() < 2 * data.len() + 1000, "a short file, a long error");
    };
    match ProfileFile::parse(data) {
        Err(error) => told(error.to_string()),
        Ok(file) => {
            let defaults = SourceDefaults::default();
            for name in [None, Some("default"), Some("a"), Some("b")] {
                if let Err(error) = file.source(name, &defaults) {
                    told(error.to_string());
                }
                if let Err(error) = file.region(name) {
                    told(error.to_string());
                }
            }
        }
    }
}

/// Answers of STS, the metadata service, credentials URIs and programs: no secret is shown.
pub(crate) fn credentials_response(data: &[u8]) {
    const SECRET: &str = "SECRET-THAT-NOBODY-SEES";
    let keys = CredentialsResponse::parse(data).and_then(CredentialsResponse::into_credentials);
    for credentials in [keys, sts::parse_credentials(data), parse_process_output(data)] {
        let told = match credentials {
            Ok(credentials) => format!("{credentials:?}"),
            Err(reason) => reason,
        };
        assert!(!told.contains(SECRET), "{told}");
    }
    drop(sts::StsErrorResponse::parse(data, &Sanitizer::default()));
}
