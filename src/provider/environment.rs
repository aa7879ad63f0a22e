//! The environment variables that this provider reads.
//!
//! Names and order are those of the `aliyun/alicloud` provider; the variables of Alibaba Cloud's own tools
//! follow, then the `OSS_*` names of the OSS tools.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// An argument or another setting, and the variables that set it.
pub(super) struct Setting {
    /// For the documentation, in Markdown.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test reads the documentation"))]
    name: &'static str,
    /// The variables in order of precedence, each with the tools that read it as well.
    variables: &'static [(&'static str, &'static str)],
}

/// Defines the variables of each argument or setting in order of precedence, and the table of all of them.
macro_rules! variables {
    ($($name:ident, $setting:literal: $($variable:literal by $readers:literal),+;)+) => {
        $(pub(super) const $name: &[&str] = &[$($variable),+];)+

        /// Every variable that the provider reads; others are dropped. The same table is in
        /// `docs/guides/authentication.md`.
        const TABLE: &[Setting] =
            &[$(Setting { name: $setting, variables: &[$(($variable, $readers)),+] }),+];
    };
}

// Sources: the `aliyun/alicloud` provider (`provider.go`), aliyun-cli (`config/profile.go`), credentials-go,
// and the documentation of ossutil 2.0.
variables! {
    REGION, "`region`":
        "ALICLOUD_REGION" by "alicloud",
        "ALIBABA_CLOUD_REGION" by "alicloud",
        "ALIBABA_CLOUD_REGION_ID" by "CLI",
        "ALIBABACLOUD_REGION_ID" by "CLI",
        "ALICLOUD_REGION_ID" by "CLI",
        "OSS_REGION" by "ossutil";
    ENDPOINT, "`endpoint`":
        "ALIBABA_CLOUD_ENDPOINT_OSS" by "alicloud",
        "OSS_ENDPOINT" by "alicloud, ossutil";
    ACCESS_KEY, "`access_key`":
        "ALICLOUD_ACCESS_KEY" by "alicloud",
        "ALIBABA_CLOUD_ACCESS_KEY_ID" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_ACCESS_KEY_ID" by "alicloud, CLI",
        "ALICLOUD_ACCESS_KEY_ID" by "CLI",
        "OSS_ACCESS_KEY_ID" by "OSS SDKs, ossutil";
    SECRET_KEY, "`secret_key`":
        "ALICLOUD_SECRET_KEY" by "alicloud",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_ACCESS_KEY_SECRET" by "alicloud, CLI",
        "ALICLOUD_ACCESS_KEY_SECRET" by "CLI",
        "OSS_ACCESS_KEY_SECRET" by "OSS SDKs, ossutil";
    SECURITY_TOKEN, "`security_token`":
        "ALICLOUD_SECURITY_TOKEN" by "alicloud, CLI",
        "ALIBABA_CLOUD_SECURITY_TOKEN" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_SECURITY_TOKEN" by "alicloud, CLI",
        "OSS_SESSION_TOKEN" by "OSS SDKs, ossutil";
    PROFILE, "`profile`":
        "ALICLOUD_PROFILE" by "alicloud, CLI",
        "ALIBABA_CLOUD_PROFILE" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_PROFILE" by "CLI";
    SHARED_CREDENTIALS_FILE, "`shared_credentials_file`":
        "ALICLOUD_SHARED_CREDENTIALS_FILE" by "alicloud",
        "ALIBABA_CLOUD_CREDENTIALS_FILE" by "alicloud, SDKs (their INI file)",
        "ALIBABA_CLOUD_CONFIG_FILE" by "SDKs";
    CREDENTIALS_URI, "`credentials_uri`":
        "ALICLOUD_CREDENTIALS_URI" by "alicloud",
        "ALIBABA_CLOUD_CREDENTIALS_URI" by "alicloud, CLI, SDKs";
    ECS_ROLE_NAME, "`ecs_role_name`":
        "ALICLOUD_ECS_ROLE_NAME" by "alicloud",
        "ALIBABA_CLOUD_ECS_METADATA" by "alicloud, SDKs";
    ASSUME_ROLE_ARN, "`assume_role`: `role_arn`":
        "ALICLOUD_ASSUME_ROLE_ARN" by "alicloud",
        "ALIBABA_CLOUD_ROLE_ARN" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_ROLE_ARN" by "CLI";
    ASSUME_ROLE_SESSION_NAME, "`assume_role`: `session_name`":
        "ALICLOUD_ASSUME_ROLE_SESSION_NAME" by "alicloud",
        "ALIBABA_CLOUD_ROLE_SESSION_NAME" by "alicloud, SDKs",
        "ALIBABACLOUD_ROLE_SESSION_NAME" by "none";
    ASSUME_ROLE_SESSION_EXPIRATION, "`assume_role`: `session_expiration`":
        "ALICLOUD_ASSUME_ROLE_SESSION_EXPIRATION" by "alicloud";
    ASSUME_ROLE_EXTERNAL_ID, "`assume_role`: `external_id`":
        "ALIBABA_CLOUD_EXTERNAL_ID" by "CLI",
        "ALIBABACLOUD_EXTERNAL_ID" by "CLI";
    OIDC_PROVIDER_ARN, "`assume_role_with_oidc`: `oidc_provider_arn`":
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_OIDC_PROVIDER_ARN" by "CLI";
    OIDC_ROLE_ARN, "`assume_role_with_oidc`: `role_arn`":
        "ALIBABA_CLOUD_ROLE_ARN" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_ROLE_ARN" by "CLI";
    OIDC_TOKEN, "`assume_role_with_oidc`: `oidc_token`":
        "ALIBABA_CLOUD_OIDC_TOKEN" by "alicloud",
        "ALIBABACLOUD_OIDC_TOKEN" by "none";
    OIDC_TOKEN_FILE, "`assume_role_with_oidc`: `oidc_token_file`":
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE" by "alicloud, CLI, SDKs",
        "ALIBABACLOUD_OIDC_TOKEN_FILE" by "CLI";
    OIDC_SESSION_NAME, "`assume_role_with_oidc`: `role_session_name`":
        "ALIBABA_CLOUD_ROLE_SESSION_NAME" by "alicloud, SDKs",
        "ALIBABACLOUD_ROLE_SESSION_NAME" by "none";
    STS_ENDPOINT, "`sts_endpoint`":
        "ALIBABA_CLOUD_ENDPOINT_STS" by "alicloud",
        "STS_ENDPOINT" by "alicloud",
        "ALIBABA_CLOUD_STS_ENDPOINT" by "CLI";
    STS_REGION, "Region of STS":
        "ALIBABA_CLOUD_STS_REGION" by "SDKs";
    VPC_ENDPOINT_ENABLED, "Use the STS host of the VPC (`true`)":
        "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED" by "SDKs";
    METADATA_ENDPOINT, "Address of the ECS metadata service":
        "ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT" by "none";
    METADATA_DISABLED, "Do not use the ECS metadata service (`true`)":
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED" by "SDKs";
    METADATA_V1_DISABLED, "Do not read ECS metadata without a token (`true`)":
        "ALIBABA_CLOUD_IMDSV1_DISABLED" by "SDKs";
    EXTERNAL_SOURCES_DISABLED, "Reject profiles of mode External or CredentialsURI (`true`)":
        "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS" by "CLI";
    CLI_PROFILE_DISABLED, "Do not use the current profile as the last resort (`true`)":
        "ALIBABA_CLOUD_CLI_PROFILE_DISABLED" by "SDKs",
        "ALIBABA_CLOUD_IGNORE_PROFILE" by "CLI",
        "ALIBABACLOUD_IGNORE_PROFILE" by "CLI";
    APPEND_USER_AGENT, "Appended to the `User-Agent` header":
        "TF_APPEND_USER_AGENT" by "alicloud, other providers";
    HOME, "Home directory, except on Windows":
        "HOME" by "CLI, SDKs";
    USER_PROFILE, "Home directory on Windows":
        "USERPROFILE" by "CLI, SDKs";
}

/// Sets of variables for AccessKey ID, secret and security token. Only the first set that has an ID or a
/// secret is used; IDs and secrets of sets are never mixed.
#[expect(clippy::indexing_slicing, reason = "the compiler checks constants")]
pub(super) const ACCESS_KEY_VARS: [[&str; 3]; 5] = [
    [ACCESS_KEY[0], SECRET_KEY[0], SECURITY_TOKEN[0]],
    [ACCESS_KEY[1], SECRET_KEY[1], SECURITY_TOKEN[1]],
    [ACCESS_KEY[2], SECRET_KEY[2], SECURITY_TOKEN[2]],
    [ACCESS_KEY[3], SECRET_KEY[3], SECURITY_TOKEN[0]],
    [ACCESS_KEY[4], SECRET_KEY[4], SECURITY_TOKEN[3]],
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
            TABLE.iter().flat_map(|setting| setting.variables).any(|(known, _)| known == name)
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

    /// A security token without an ID and a secret in its own set of variables, next to the AccessKey pair of another
    /// set.
    pub(super) fn stray_token(&self, own: &str) -> Option<(&'static str, &str)> {
        let has_pair = |token: &str| {
            ACCESS_KEY_VARS.iter().any(|[id, secret, other]| {
                *other == token && (self.get(id).is_some() || self.get(secret).is_some())
            })
        };
        let tokens = SECURITY_TOKEN.iter().filter(|token| **token != own && !has_pair(token));
        tokens.copied().find_map(|token| Some((token, self.get(token)?)))
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
    fn the_documentation_has_the_same_table() {
        let mut table = String::from(
            "| Argument or setting | Environment variable | Also read by |\n|---|---|---|\n",
        );
        for Setting { name, variables } in TABLE {
            for (index, (variable, readers)) in variables.iter().enumerate() {
                let name = if index == 0 { name } else { "" };
                let readers = readers.replace("none", "");
                let row = format!("| {name} | `{variable}` | {readers} |\n");
                table.push_str(&row.replace("  ", " "));
            }
        }
        let guide = include_str!("../../docs/guides/authentication.md");
        assert!(guide.contains(&table), "docs/guides/authentication.md needs this table:\n{table}");
    }

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
    fn a_home_directory_that_is_not_utf8_is_accepted() {
        use std::os::unix::ffi::OsStringExt as _;
        let home = OsString::from_vec(b"/home/\xff".to_vec());
        let environment = Environment::new([("HOME".into(), home.clone())]);
        assert_eq!(environment.home(), Some(PathBuf::from(home)));
        assert_eq!(environment.not_unicode(), <[String; 0]>::default());
    }
}
