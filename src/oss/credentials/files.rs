//! Reads the files of sources: profiles and OIDC tokens.

use std::path::Path;

use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;

use super::profile::{CurrentProfiles, ProfileFile};
use super::{CredentialsError, CredentialsErrorKind, LastResort, OidcToken, Profile};
use crate::oss::Region;

/// Maximum size of a file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Reads the region of a profile.
pub(in crate::oss) async fn profile_region(
    profile: &Profile,
    current: &CurrentProfiles,
) -> Result<Option<Region>, CredentialsError> {
    let origin = |kind| CredentialsError { origin: profile.to_string(), kind };
    let file = read_profiles(profile).await.map_err(origin)?;
    let name = profile.name.clone().or_else(|| current.of(&profile.path, &file));
    file.region(name.as_deref()).map_err(|error| origin(error.into()))
}

/// Reads the file of a profile.
pub(super) async fn read_profiles(profile: &Profile) -> Result<ProfileFile, CredentialsErrorKind> {
    let not_configured = |LastResort { hint, skipped, .. }: &LastResort| {
        CredentialsErrorKind::NotConfigured { hint: hint.clone(), skipped: skipped.clone() }
    };
    if let Some(resort) = profile.last_resort.as_ref().filter(|resort| resort.skipped.is_some()) {
        return Err(not_configured(resort));
    }
    let content = read(&profile.path).await;
    match (&content, &profile.last_resort) {
        (Err(error), Some(resort))
            if error.kind() == std::io::ErrorKind::NotFound && !resort.is_file_named =>
        {
            return Err(not_configured(resort));
        }
        _ => {}
    }
    let content = content.map_err(|error| file_error(&profile.path, &error))?;
    let file = ProfileFile::parse(&content, profile.name.as_deref())?;
    match &profile.last_resort {
        Some(resort) if !file.has_current() => Err(not_configured(resort)),
        _ => Ok(file),
    }
}

/// Reads the token of an OIDC role.
pub(super) async fn read_oidc_token(
    token: &OidcToken,
) -> Result<SecretString, CredentialsErrorKind> {
    let path = match token {
        OidcToken::Value(token) => return Ok(token.clone()),
        OidcToken::File(path) => path,
    };
    let unusable =
        |reason: &str| CredentialsErrorKind::File { path: path.clone(), reason: reason.to_owned() };
    let content = read(path).await.map_err(|error| file_error(path, &error))?;
    let text = String::from_utf8(content).map_err(|_| unusable("it is not text"))?;
    match text.trim() {
        "" => Err(unusable("it is empty")),
        token => Ok(token.into()),
    }
}

/// Reads a file on another thread: a pipe or a network drive may block.
async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(MAX_FILE + 1).read_to_end(&mut content).await?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(content)
    } else {
        Err(std::io::Error::other(format!("it is larger than {MAX_FILE} bytes")))
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> CredentialsErrorKind {
    CredentialsErrorKind::File { path: path.to_owned(), reason: error.to_string() }
}
