//! Profiles whose credentials are sent without TLS. A profile is read when a request needs it, so the warning is
//! reported then.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{CredentialSource, Profile};

/// A profile whose credentials are sent without TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InsecureProfile {
    /// The profile, for messages.
    pub profile: String,
    /// Host and port of the service that sends the credentials.
    pub host: String,
}

impl fmt::Display for InsecureProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, host } = self;
        write!(
            formatter,
            "credentials from {host} ({profile}) are sent without TLS and can be read in transit"
        )
    }
}

/// The profiles found so far, each once, and those that were not reported yet.
#[derive(Debug, Default)]
pub(in crate::oss) struct InsecureProfiles(
    Mutex<(BTreeSet<InsecureProfile>, Vec<InsecureProfile>)>,
);

impl InsecureProfiles {
    /// Notes the services without TLS that a profile uses.
    pub(super) fn note(&self, profile: &Profile, source: &CredentialSource) {
        if let Some(host) = insecure_host(source) {
            let insecure = InsecureProfile { profile: profile.to_string(), host };
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (known, unreported) = &mut *state;
            if known.insert(insecure.clone()) {
                tracing::warn!("{insecure}");
                unreported.push(insecure);
            }
        }
    }

    /// Returns the profiles that were not reported yet.
    pub(in crate::oss) fn take(&self) -> Vec<InsecureProfile> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// The host that sends credentials without TLS. STS is only called with TLS.
fn insecure_host(source: &CredentialSource) -> Option<String> {
    let uri = match source {
        CredentialSource::CredentialsUri(uri) => uri,
        CredentialSource::EcsRole(role) => role.defaults.metadata.as_ref()?,
        CredentialSource::AssumeRole { base, .. } => return insecure_host(base),
        CredentialSource::Static { .. }
        | CredentialSource::Login(_)
        | CredentialSource::Profile(_)
        | CredentialSource::Process(_)
        | CredentialSource::AssumeRoleWithOidc(_) => return None,
    };
    uri.is_insecure().then(|| uri.host())
}
