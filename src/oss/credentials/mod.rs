//! Credentials and their sources.
//!
//! [`Credentials`] are the value, [`CredentialSource`] describes a source, `profile` parses the CLI's file into one,
//! `sts` and `response` are the formats of the services, `login` the sessions of users who logged in with the CLI:
//! all pure. `fetch` sends the requests (with `files` for files, `process` for programs, `metadata` for the metadata
//! service and `renew` for logins), and `cache` keeps the credentials until they must be refreshed.

mod access_key_pair;
mod cache;
mod command_line;
mod error;
mod fetch;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod insecure;
mod login;
mod metadata;
mod process;
mod profile;
mod renew;
mod response;
mod role;
mod source;
mod sts;
mod sts_endpoint;

pub use access_key_pair::{Credentials, TokenMismatch};
pub(super) use cache::{CredentialsCache, GetError};
pub use error::{CredentialServiceError, CredentialsError, CredentialsErrorKind};
pub(super) use files::profile_region;
pub use insecure::InsecureProfile;
pub use login::{Login, LoginMemory};
pub(super) use profile::CurrentProfiles;
pub use profile::{IniFile, IniKind, IniTool, Mode, ProfileError};
pub use role::{OidcRole, OidcToken, Role, RoleArn, RoleError, RoleSession};
pub use source::{CredentialSource, CredentialsUri, EcsRole, LastResort, Profile, SourceDefaults};
pub use sts_endpoint::{StsConfig, StsEndpointError};
