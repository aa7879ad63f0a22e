//! Why there are no credentials.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use super::TokenMismatch;
use super::profile::{Mode, ProfileError};
use crate::oss::{ServerText, TransportError};

/// Credentials could not be obtained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no credentials from {origin}: {kind}")]
pub struct CredentialsError {
    /// The source, see [`CredentialSource::origin`](super::CredentialSource::origin).
    pub origin: String,
    /// Why.
    pub kind: CredentialsErrorKind,
}

/// Why a source returned no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialsErrorKind {
    /// The service returned an error response.
    #[error("{0}")]
    Service(Box<CredentialServiceError>),
    /// There was no complete response from the service.
    #[error("{host}: {error}")]
    Transport {
        /// Host and port, or scheme, host and port.
        host: String,
        /// The error.
        error: TransportError,
    },
    /// The service returned a response without usable credentials.
    #[error("{host} returned no usable credentials: {reason}")]
    InvalidResponse {
        /// Host and port, or scheme, host and port.
        host: String,
        /// What is wrong with the response; never its text.
        reason: ServerText,
    },
    /// The call's deadline passed before the source responded.
    #[error("it did not respond in time")]
    Timeout,
    /// Nothing is configured, and there is no current profile of the CLI either.
    #[error("none are configured")]
    NotConfigured {
        /// What is only partly configured, in sentences.
        hint: Option<String>,
        /// Why the profile is not used at all, as a clause.
        skipped: Option<String>,
    },
    /// The credentials are those of an ECS instance's role, but the environment forbids requests for them.
    #[error(
        "the environment variable ALIBABA_CLOUD_ECS_METADATA_DISABLED disables the ECS metadata service"
    )]
    MetadataDisabled,
    /// A file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        reason: String,
    },
    /// The profile cannot be used.
    #[error("{0}")]
    Profile(#[from] ProfileError),
    /// A login of the CLI has ended or is not accepted; only a new login helps.
    #[error("{}", login_text(profile, *mode, error.as_deref()))]
    Login {
        /// The profile.
        profile: String,
        /// Its mode.
        mode: Mode,
        /// The error response; none if the login has ended.
        error: Option<Box<CredentialServiceError>>,
    },
    /// The AccessKey ID and the security token do not belong together.
    #[error("{0}")]
    Token(TokenMismatch),
    /// The external process returned no credentials.
    #[error("{program:?} {reason}")]
    Process {
        /// The program, without its arguments.
        program: String,
        /// The reason; never its output.
        reason: ServerText,
    },
}

fn login_text(profile: &str, mode: Mode, error: Option<&CredentialServiceError>) -> String {
    let ended = format!("the {mode} login of profile {profile:?} has ended");
    match error {
        Some(error) => format!("{ended}: {error}"),
        None => ended,
    }
}

/// An error response of STS, of the metadata service, or of a credentials URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialServiceError {
    /// Host and port, or scheme, host and port.
    pub host: String,
    /// The operation, e.g. `AssumeRole`.
    pub operation: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The error code; empty if the response has none.
    pub code: ServerText,
    /// The message, bounded.
    pub message: ServerText,
    /// The request ID, for a support ticket.
    pub request_id: Option<ServerText>,
    /// The server's time, from the `Date` header.
    pub server_time: Option<OffsetDateTime>,
    /// The delay that the service requested with `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for CredentialServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, operation, status, code, message, .. } = self;
        let code = if code.is_empty() { String::new() } else { format!(" {code}") };
        write!(formatter, "{host} returned {status}{code} for {operation}")?;
        if !message.is_empty() {
            write!(formatter, ": {message}")?;
        }
        match &self.request_id {
            Some(request_id) => write!(formatter, " (request ID {request_id})"),
            None => Ok(()),
        }
    }
}

impl From<CredentialServiceError> for CredentialsErrorKind {
    fn from(error: CredentialServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

impl CredentialsErrorKind {
    /// The server that returned the error, for messages.
    #[must_use]
    pub fn server(&self) -> &str {
        match self {
            Self::Service(error) => &error.host,
            _ => "the source of the credentials",
        }
    }

    /// The time of the server that returned the error, if the response contains it.
    pub(in crate::oss) fn server_time(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Service(error) => error.server_time,
            _ => None,
        }
    }

    /// The delay that the service requested with `Retry-After`.
    pub(in crate::oss) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(error) => error.retry_after,
            _ => None,
        }
    }

    /// The server's time, if it rejected the request because of its timestamp.
    pub(in crate::oss) fn server_time_for_skew(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Service(error) if error.code == "InvalidTimeStamp.Expired" => error.server_time,
            _ => None,
        }
    }
}
