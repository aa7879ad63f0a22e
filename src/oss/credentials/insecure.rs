//! Profiles whose credentials travel without TLS. A profile is read when a request needs it, so the user is told then.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{CredentialSource, Profile};

/// A profile whose credentials travel without TLS.
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

/// What was found, each profile once, and what the user was not told yet.
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
            let (known, untold) = &mut *state;
            if known.insert(insecure.clone()) {
                tracing::warn!("{insecure}");
                untold.push(insecure);
            }
        }
    }

    /// What the user was not told yet.
    pub(in crate::oss) fn take(&self) -> Vec<InsecureProfile> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// The host that sends credentials without TLS. STS is never asked that way.
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
