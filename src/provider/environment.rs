//! The environment variables that this provider reads.
//!
//! Names and order are those of the `aliyun/alicloud` provider; the variables of Alibaba Cloud's own tools
//! follow, then the `OSS_*` names of the OSS tools.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Defines the variables of each argument or setting in order of precedence, and the list of all of them.
macro_rules! variables {
    ($($(#[$attribute:meta])* $name:ident: $($variable:literal),+;)+) => {
        $($(#[$attribute])* pub(super) const $name: &[&str] = &[$($variable),+];)+

        /// Every variable that the provider reads, except those of AccessKey pairs; others are dropped.
        const ALL_VARS: &[&[&str]] = &[$($name),+];
    };
}

variables! {
    REGION: "ALICLOUD_REGION", "ALIBABA_CLOUD_REGION";
    ENDPOINT: "ALIBABA_CLOUD_ENDPOINT_OSS", "OSS_ENDPOINT";
    PROFILE: "ALICLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE";
    SHARED_CREDENTIALS_FILE: "ALICLOUD_SHARED_CREDENTIALS_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE";
    CREDENTIALS_URI: "ALICLOUD_CREDENTIALS_URI", "ALIBABA_CLOUD_CREDENTIALS_URI";
    ECS_ROLE_NAME: "ALICLOUD_ECS_ROLE_NAME", "ALIBABA_CLOUD_ECS_METADATA";
    ASSUME_ROLE_ARN: "ALICLOUD_ASSUME_ROLE_ARN", "ALIBABA_CLOUD_ROLE_ARN";
    ASSUME_ROLE_SESSION_NAME: "ALICLOUD_ASSUME_ROLE_SESSION_NAME", "ALIBABA_CLOUD_ROLE_SESSION_NAME";
    ASSUME_ROLE_SESSION_EXPIRATION: "ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION";
    OIDC_ROLE_ARN: "ALIBABA_CLOUD_ROLE_ARN";
    OIDC_SESSION_NAME: "ALIBABA_CLOUD_ROLE_SESSION_NAME";
    OIDC_PROVIDER_ARN: "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
    OIDC_TOKEN: "ALIBABA_CLOUD_OIDC_TOKEN";
    OIDC_TOKEN_FILE: "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
    STS_ENDPOINT: "ALIBABA_CLOUD_ENDPOINT_STS", "STS_ENDPOINT", "ALIBABA_CLOUD_STS_ENDPOINT";
    STS_REGION: "ALIBABA_CLOUD_STS_REGION";
    VPC_ENDPOINT_ENABLED: "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED";
    METADATA_ENDPOINT: "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT";
    METADATA_V1_DISABLED: "ALIBABA_CLOUD_IMDSV1_DISABLED";
    APPEND_USER_AGENT: "TF_APPEND_USER_AGENT";
    /// The home directory on Unix.
    HOME: "HOME";
    /// The home directory on Windows.
    USER_PROFILE: "USERPROFILE";
}

/// Sets of variables for AccessKey ID, secret and security token. Only the first set that has an ID or a
/// secret is used; sets are never mixed.
pub(super) const ACCESS_KEY_VARS: [[&str; 3]; 4] = [
    ["ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"],
    [
        "ALIBABA_CLOUD_ACCESS_KEY_ID",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_SECURITY_TOKEN",
    ],
    ["ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABACLOUD_ACCESS_KEY_SECRET", "ALIBABACLOUD_SECURITY_TOKEN"],
    ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"],
];

/// A variable as a noun phrase for messages.
pub(super) fn describe(variable: &str) -> String {
    format!("the environment variable {variable}")
}

/// The environment variables, read once at the start of the process.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Names of variables that are set, but not to text.
    not_unicode: Vec<String>,
    /// The user's home directory, whose path need not be text.
    home: Option<PathBuf>,
}

impl Environment {
    /// Keeps the variables that this provider reads. Others are dropped: they may be secrets.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_read = |name: &String| {
            ALL_VARS
                .iter()
                .copied()
                .flatten()
                .chain(ACCESS_KEY_VARS.iter().flatten())
                .any(|known| known == name)
        };
        let home_name = if cfg!(windows) { USER_PROFILE } else { HOME };
        let mut environment = Self::default();
        for (name, value) in variables {
            let Some(name) = name.into_string().ok().filter(is_read) else { continue };
            if home_name.contains(&name.as_str()) {
                environment.home =
                    Some(PathBuf::from(value)).filter(|path| !path.as_os_str().is_empty());
                continue;
            }
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => environment.not_unicode.push(name),
            }
        }
        environment.not_unicode.sort();
        environment
    }

    /// The variables that are set to something that is not text, in the order of the alphabet.
    pub(super) fn not_unicode(&self) -> &[String] {
        &self.not_unicode
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the first of `names` that is set and not empty, with its name.
    pub(super) fn first_set(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// Whether the first of `names` that is set is `true` or `1`.
    pub(super) fn is_enabled(&self, names: &[&'static str]) -> bool {
        self.first_set(names)
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// Returns the user's home directory.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Environment").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrelated_variables_are_dropped() {
        let environment = Environment::new([
            ("CI_SECRET".into(), "x".into()),
            ("OSS_ENDPOINT".into(), "y".into()),
            ("OSS_SESSION_TOKEN".into(), "z".into()),
        ]);
        let kept: Vec<&String> = environment.variables.keys().collect();
        assert_eq!(kept, ["OSS_ENDPOINT", "OSS_SESSION_TOKEN"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_home_directory_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt as _;
        let home = OsString::from_vec(b"/home/\xff".to_vec());
        let environment = Environment::new([("HOME".into(), home.clone())]);
        assert_eq!(environment.home(), Some(PathBuf::from(home)));
        assert_eq!(environment.not_unicode(), <[String; 0]>::default());
    }
}
