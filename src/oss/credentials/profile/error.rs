//! Why a profile cannot be used.

use thiserror::Error;

use super::ini::IniFile;
use super::mode::Mode;

/// Maximum length of a chain of profiles that reference each other.
pub(super) const MAX_CHAIN: usize = 16;

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The file is not valid.
    #[error("the file cannot be parsed: {0}")]
    Syntax(String),
    /// The file is that of another tool.
    #[error("{0}")]
    Ini(IniFile),
    /// The file has no profile of that name.
    #[error("profile {name:?} not found; available profiles: {}", list(known))]
    NotFound {
        /// The name that was requested.
        name: String,
        /// The names in the file.
        known: Vec<String>,
    },
    /// The file sets no current profile.
    #[error("the file sets no current profile; set `profile`")]
    NoCurrent,
    /// A profile without a mode and without any credentials.
    #[error("profile {0:?} has no credentials: it has neither a `mode` nor an `access_key_id`")]
    NoCredentials(String),
    /// A key that the mode requires is missing.
    #[error("profile {profile:?} has mode {mode}, which needs `{key}`")]
    Missing {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: Mode,
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be right. The text completes "… must".
    #[error("`{key}` of profile {profile:?} {must}")]
    Invalid {
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        must: String,
    },
    /// A mode whose credentials OSS does not accept.
    #[error(
        "profile {profile:?} has mode {mode}, which this provider cannot use. Use a profile of another \
         mode, such as CloudSSO, OIDC or External"
    )]
    UnsupportedMode {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: String,
    },
    /// A mode that the environment forbids.
    #[error(
        "profile {profile:?} has mode {mode}, which the environment variable \
         ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS disables"
    )]
    Disabled {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: Mode,
    },
    /// Profiles that reference each other in a cycle.
    #[error("the profiles reference each other in a cycle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// A chain of profiles that is too long.
    #[error("more than {MAX_CHAIN} profiles reference each other, beginning with {0:?}")]
    ChainTooLong(String),
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}
