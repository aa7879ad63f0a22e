//! The modes of profiles: where each takes its credentials from.
//!
//! Source: aliyun-cli, `config/profile.go`.

use std::fmt;

/// The mode of a profile that this provider supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// An AccessKey pair.
    Ak,
    /// Temporary credentials.
    StsToken,
    /// A role, assumed with an AccessKey pair.
    RamRoleArn,
    /// The role of the ECS instance.
    EcsRamRole,
    /// A role, assumed with the credentials of the ECS instance's role.
    RamRoleArnWithRoleName,
    /// A role, assumed with the credentials of another profile.
    ChainableRamRoleArn,
    /// A role, assumed with an OIDC token.
    Oidc,
    /// A URI that returns credentials.
    CredentialsUri,
    /// A command that prints credentials.
    External,
    /// A login to CloudSSO at a browser, with the session that it led to.
    CloudSso,
    /// A login to an Alibaba Cloud account at a browser, with the session that it led to.
    OAuth,
}

/// Why no mode was recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unrecognized {
    /// They are those of a mode that this provider does not support.
    Unsupported(&'static str),
    /// The profile has no credentials.
    Nothing,
}

impl Mode {
    const ALL: [Self; 11] = [
        Self::Ak,
        Self::StsToken,
        Self::RamRoleArn,
        Self::EcsRamRole,
        Self::RamRoleArnWithRoleName,
        Self::ChainableRamRoleArn,
        Self::Oidc,
        Self::CredentialsUri,
        Self::External,
        Self::CloudSso,
        Self::OAuth,
    ];

    /// Parses a mode. The CLI ignores case.
    pub(in crate::oss::credentials) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text))
    }

    /// The mode of a profile that names none, by the keys that it has: the order is the CLI's. A profile
    /// that names a role is never read as its base credentials alone.
    pub(super) fn recognize(has: impl Fn(&str) -> bool) -> Result<Self, Unrecognized> {
        let has_all = |keys: &[&str]| keys.iter().all(|key| has(key));
        let has_any = |keys: &[&str]| keys.iter().any(|key| has(key));
        Ok(if has_all(&["access_key_id", "access_key_secret"]) {
            if has("ram_role_arn") {
                Self::RamRoleArn
            } else if has("sts_token") {
                Self::StsToken
            } else {
                Self::Ak
            }
        } else if has_all(&["private_key", "key_pair_name"]) {
            return Err(Unrecognized::Unsupported("RsaKeyPair"));
        } else if has("ram_role_name") {
            if has("ram_role_arn") { Self::RamRoleArnWithRoleName } else { Self::EcsRamRole }
        } else if has("process_command") {
            Self::External
        } else if has_any(&["oidc_provider_arn", "oidc_token_file"]) {
            Self::Oidc
        } else if has("cloud_sso_sign_in_url") {
            Self::CloudSso
        } else if has("bearer_token") {
            return Err(Unrecognized::Unsupported("BearerToken"));
        } else if has("source_profile") {
            Self::ChainableRamRoleArn
        } else if has("credentials_uri") {
            Self::CredentialsUri
        } else if has("oauth_site_type") {
            Self::OAuth
        } else if has("ram_role_arn") {
            Self::RamRoleArn
        } else if has_any(&["access_key_id", "access_key_secret", "sts_token"]) {
            Self::Ak
        } else {
            return Err(Unrecognized::Nothing);
        })
    }

    /// The name in the CLI's spelling.
    fn name(self) -> &'static str {
        match self {
            Self::Ak => "AK",
            Self::StsToken => "StsToken",
            Self::RamRoleArn => "RamRoleArn",
            Self::EcsRamRole => "EcsRamRole",
            Self::RamRoleArnWithRoleName => "RamRoleArnWithRoleName",
            Self::ChainableRamRoleArn => "ChainableRamRoleArn",
            Self::Oidc => "OIDC",
            Self::CredentialsUri => "CredentialsURI",
            Self::External => "External",
            Self::CloudSso => "CloudSSO",
            Self::OAuth => "OAuth",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
