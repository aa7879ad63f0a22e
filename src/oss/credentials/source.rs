//! Credential sources: descriptions only, without IO. Pure.

use std::fmt;
use std::path::{PathBuf, is_separator};

use secrecy::SecretString;
use url::Url;

use super::{Credentials, Login, LoginMemory, OidcRole, Role, StsConfig};
use crate::oss::host::{is_loopback, is_metadata_address};

/// A source of credentials.
#[derive(Debug, Clone)]
pub enum CredentialSource {
    /// Static credentials.
    Static {
        /// The credentials.
        credentials: Credentials,
        /// Where they were found, for messages, e.g. `the environment variable OSS_ACCESS_KEY_ID`.
        origin: String,
    },
    /// A profile of the configuration file of Alibaba Cloud's CLI.
    Profile(Profile),
    /// The role of the ECS instance that this runs on, from its metadata service.
    EcsRole(EcsRole),
    /// A service that implements the credentials URI protocol.
    CredentialsUri(CredentialsUri),
    /// The command line of a program that prints a profile (mode `External` of the CLI). It may
    /// contain secrets, so it is not shown.
    Process(SecretString),
    /// A profile of the CLI with a login in a browser.
    Login(Box<Login>),
    /// A role that is assumed with the credentials of another source (STS `AssumeRole`).
    AssumeRole {
        /// The credentials that assume the role.
        base: Box<CredentialSource>,
        /// The role.
        role: Role,
        /// How to reach STS.
        sts: StsConfig,
    },
    /// A role that is assumed with the token of an identity provider (STS `AssumeRoleWithOIDC`).
    AssumeRoleWithOidc(OidcRole),
}

impl CredentialSource {
    /// Where the credentials come from, as a phrase for messages.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Static { origin, .. } => origin.clone(),
            Self::Profile(profile) => profile.to_string(),
            Self::EcsRole(EcsRole { name: Some(name), .. }) => {
                format!("role {name:?} of this ECS instance")
            }
            Self::EcsRole(_) => "the role of this ECS instance".to_owned(),
            Self::CredentialsUri(uri) => format!("the credentials URI at {}", uri.host()),
            Self::Process(_) => "its external process".to_owned(),
            Self::Login(login) => format!("profile {:?}", login.profile),
            Self::AssumeRole { base, role, .. } => {
                format!("role {}, assumed with credentials from {}", role.arn, base.origin())
            }
            Self::AssumeRoleWithOidc(OidcRole { role, .. }) => {
                format!("role {}, assumed with an OIDC token", role.arn)
            }
        }
    }
}

/// Static credentials, for tests and programs that already have them.
impl From<Credentials> for CredentialSource {
    fn from(credentials: Credentials) -> Self {
        Self::Static { credentials, origin: "static credentials".to_owned() }
    }
}

/// A profile of the CLI's configuration file, with the defaults of its modes.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The file, normally `~/.aliyun/config.json`.
    pub path: PathBuf,
    /// The profile's name; none means the one that the file marks as current.
    pub name: Option<String>,
    /// Defaults for what the profile does not set.
    pub defaults: SourceDefaults,
    /// Set if nothing is configured, and the profile is used because the CLI and the SDKs would.
    pub last_resort: Option<LastResort>,
}

/// What to report if a profile that is not configured does not exist.
#[derive(Debug, Clone, Default)]
pub struct LastResort {
    /// Whether the file is configured: then it must exist.
    pub is_file_named: bool,
    /// What is only partly configured, in sentences.
    pub hint: Option<String>,
    /// Why the profile is not used at all, as a clause.
    pub skipped: Option<String>,
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.name {
            Some(name) => write!(formatter, "profile {name:?} of {path}"),
            None => write!(formatter, "the current profile of {path}"),
        }
    }
}

/// Defaults for what sources do not set themselves.
#[derive(Debug, Clone, Default)]
pub struct SourceDefaults {
    /// How to reach STS.
    pub sts: StsConfig,
    /// The address of the metadata service; none means its fixed address.
    pub metadata: Option<CredentialsUri>,
    /// Never send a request to the metadata service.
    pub is_metadata_disabled: bool,
    /// Never fall back to version 1 of the metadata service.
    pub is_metadata_v1_disabled: bool,
    /// The user's home directory, for `~/` in paths.
    pub home: Option<PathBuf>,
    /// The URL of a profile of mode `CredentialsURI` that has none.
    pub credentials_uri: Option<CredentialsUri>,
    /// Never run a program or call a URI that a profile names.
    pub are_external_sources_disabled: bool,
    /// Sessions and tokens of the CLI's logins that this process has used.
    pub logins: LoginMemory,
}

impl SourceDefaults {
    /// Expands `~/` at the beginning of a path.
    #[must_use]
    pub fn expand_home(&self, text: &str) -> PathBuf {
        let rest = text.strip_prefix('~').and_then(|rest| rest.strip_prefix(is_separator));
        match (rest, &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        }
    }
}

/// The RAM role of an ECS instance, whose credentials the metadata service returns.
#[derive(Debug, Clone, Default)]
pub struct EcsRole {
    /// The role's name; if none, it is requested from the service.
    pub name: Option<String>,
    /// Address of the service, and the modes to use.
    pub defaults: SourceDefaults,
}

/// The URL of a service that returns credentials. It may contain a secret itself, so only its host is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialsUri(Url);

impl CredentialsUri {
    /// Parses an `http` or `https` URL; none for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_usable = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        is_usable.then_some(Self(url))
    }

    /// Host and port, for messages.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether credentials would be sent over a network without TLS.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        let is_local =
            self.0.host().is_some_and(|host| is_loopback(&host) || is_metadata_address(&host));
        self.0.scheme() == "http" && !is_local
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The path and query, which may contain a secret.
    pub(super) fn secret_part(&self) -> &str {
        self.0.as_str().get(self.0[..url::Position::BeforePath].len()..).unwrap_or_default()
    }
}

impl fmt::Debug for CredentialsUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CredentialsUri({})", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_the_host_of_a_credentials_uri() {
        let uri = CredentialsUri::parse("http://127.0.0.1:8080/keys?token=the-secret").unwrap();
        assert_eq!(
            format!("{uri:?} {}", uri.host()),
            "CredentialsUri(127.0.0.1:8080) 127.0.0.1:8080"
        );
        for text in ["", "127.0.0.1", "file:///etc/passwd", "ftp://host"] {
            assert!(CredentialsUri::parse(text).is_none(), "{text:?}");
        }
        for (text, is_insecure) in [
            ("http://127.0.0.1:8080/keys", false),
            ("http://localhost/keys", false),
            ("http://169.254.170.2/keys", true),
            ("http://100.100.100.200/latest", false),
            ("http://[::ffff:100.100.100.200]/latest", false),
            ("http://localhost.:1/keys", false),
            ("http://[fe80::1]/keys", true),
            ("https://keys.example.com/", false),
            ("http://keys.example.com/", true),
        ] {
            let uri = CredentialsUri::parse(text).unwrap();
            assert_eq!(uri.is_insecure(), is_insecure, "{text}");
        }
    }

    #[test]
    fn a_command_line_is_not_shown() {
        let source = CredentialSource::Process("print-keys --password the-secret".into());
        assert!(!format!("{source:?} {}", source.origin()).contains("the-secret"));
    }

    #[test]
    fn a_tilde_is_replaced_with_the_home_directory() {
        let defaults =
            SourceDefaults { home: Some("/home/me".into()), ..SourceDefaults::default() };
        assert_eq!(defaults.expand_home("~/x"), PathBuf::from("/home/me/x"));
        assert_eq!(defaults.expand_home("/x/~/y"), PathBuf::from("/x/~/y"));
        assert_eq!(SourceDefaults::default().expand_home("~/x"), PathBuf::from("~/x"));
    }
}
