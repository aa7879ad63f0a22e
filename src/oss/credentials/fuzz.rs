//! What fuzzing and its kept inputs drive in this module.

use super::answer::Keys;
use super::profile::{ProfileFile, printed_credentials};
use super::{Surroundings, sts};

/// Profile files: no value of the file is told in an error but names.
pub(crate) fn profile_file(data: &[u8]) {
    let told = |text: String| {
        assert!(text.chars().count() < 2 * data.len() + 1000, "a short file, a long error");
    };
    match ProfileFile::parse(data) {
        Err(error) => told(error.to_string()),
        Ok(file) => {
            let surroundings = Surroundings::default();
            for name in [None, Some("default"), Some("a"), Some("b")] {
                if let Err(error) = file.source(name, &surroundings) {
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
pub(crate) fn credentials_answer(data: &[u8]) {
    const SECRET: &str = "SECRET-THAT-NOBODY-SEES";
    let keys = Keys::parse(data).and_then(Keys::credentials);
    for credentials in [keys, sts::credentials(data), printed_credentials(data)] {
        let told = match credentials {
            Ok(credentials) => format!("{credentials:?}"),
            Err(reason) => reason,
        };
        assert!(!told.contains(SECRET), "{told}");
    }
    drop(sts::ErrorAnswer::parse(data));
}
