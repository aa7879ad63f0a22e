//! The environment variables that this provider reads.
//!
//! Names and order are those that users of the provider `aliyun/alicloud` have in their pipelines;
//! then come those of Alibaba Cloud's own tools, and the `OSS_*` names of the OSS tools last.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Families of variables for a key pair: id, secret, token. The first family that has an id or a
/// secret is taken, whole.
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
pub(super) const REGION: &[&str] = &["ALICLOUD_REGION", "ALIBABA_CLOUD_REGION"];
pub(super) const ENDPOINT: &[&str] = &["ALIBABA_CLOUD_ENDPOINT_OSS", "OSS_ENDPOINT"];
pub(super) const PROFILE: &[&str] = &["ALICLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE"];
pub(super) const SHARED_CREDENTIALS_FILE: &[&str] =
    &["ALICLOUD_SHARED_CREDENTIALS_FILE", "ALIBABA_CLOUD_CREDENTIALS_FILE"];
pub(super) const ECS_ROLE_NAME: &[&str] = &["ALICLOUD_ECS_ROLE_NAME", "ALIBABA_CLOUD_ECS_METADATA"];
pub(super) const CREDENTIALS_URI: &[&str] =
    &["ALICLOUD_CREDENTIALS_URI", "ALIBABA_CLOUD_CREDENTIALS_URI"];
pub(super) const ASSUME_ROLE_ARN: &[&str] = &["ALICLOUD_ASSUME_ROLE_ARN", "ALIBABA_CLOUD_ROLE_ARN"];
pub(super) const ASSUME_ROLE_SESSION_NAME: &[&str] =
    &["ALICLOUD_ASSUME_ROLE_SESSION_NAME", "ALIBABA_CLOUD_ROLE_SESSION_NAME"];
pub(super) const ASSUME_ROLE_SESSION_EXPIRATION: &[&str] =
    &["ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION"];
pub(super) const OIDC_ROLE_ARN: &[&str] = &["ALIBABA_CLOUD_ROLE_ARN"];
pub(super) const OIDC_SESSION_NAME: &[&str] = &["ALIBABA_CLOUD_ROLE_SESSION_NAME"];
pub(super) const OIDC_PROVIDER_ARN: &[&str] = &["ALIBABA_CLOUD_OIDC_PROVIDER_ARN"];
pub(super) const OIDC_TOKEN: &[&str] = &["ALIBABA_CLOUD_OIDC_TOKEN"];
pub(super) const OIDC_TOKEN_FILE: &[&str] = &["ALIBABA_CLOUD_OIDC_TOKEN_FILE"];
pub(super) const STS_ENDPOINT: &[&str] =
    &["ALIBABA_CLOUD_ENDPOINT_STS", "STS_ENDPOINT", "ALIBABA_CLOUD_STS_ENDPOINT"];
pub(super) const STS_REGION: &[&str] = &["ALIBABA_CLOUD_STS_REGION"];
pub(super) const VPC_ENDPOINT_ENABLED: &[&str] = &["ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"];
pub(super) const METADATA_ENDPOINT: &[&str] = &["ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT"];
pub(super) const METADATA_V1_DISABLED: &[&str] = &["ALIBABA_CLOUD_IMDSV1_DISABLED"];
pub(super) const APPEND_USER_AGENT: &[&str] = &["TF_APPEND_USER_AGENT"];
const HOME: &[&str] = if cfg!(windows) { &["USERPROFILE"] } else { &["HOME"] };

/// All of them.
const ALL_VARS: [&[&str]; 25] = [
    ACCESS_KEY_VARS[0].as_slice(),
    ACCESS_KEY_VARS[1].as_slice(),
    ACCESS_KEY_VARS[2].as_slice(),
    ACCESS_KEY_VARS[3].as_slice(),
    REGION,
    ENDPOINT,
    PROFILE,
    SHARED_CREDENTIALS_FILE,
    ECS_ROLE_NAME,
    CREDENTIALS_URI,
    ASSUME_ROLE_ARN,
    ASSUME_ROLE_SESSION_NAME,
    ASSUME_ROLE_SESSION_EXPIRATION,
    OIDC_ROLE_ARN,
    OIDC_SESSION_NAME,
    OIDC_PROVIDER_ARN,
    OIDC_TOKEN,
    OIDC_TOKEN_FILE,
    STS_ENDPOINT,
    STS_REGION,
    VPC_ENDPOINT_ENABLED,
    METADATA_ENDPOINT,
    METADATA_V1_DISABLED,
    APPEND_USER_AGENT,
    HOME,
];

/// The environment variables, read once at the start of the process.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Keeps the variables that this provider reads, and no others: they may be secrets of others.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_read =
            |name: &String| ALL_VARS.iter().flat_map(|names| *names).any(|known| known == name);
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok().filter(is_read)?;
            Some((name, value.into_string().ok()?))
        };
        Self(variables.into_iter().filter_map(text).collect())
    }

    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set and not empty, with its name.
    pub(super) fn first_set(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// Whether one of `names` is switched on.
    pub(super) fn is_enabled(&self, names: &[&'static str]) -> bool {
        self.first_set(names)
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The user's home directory.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.first_set(HOME).map(|(_, path)| PathBuf::from(path))
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
        ]);
        assert_eq!(environment.0.len(), 1);
    }
}
