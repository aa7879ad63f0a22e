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
}

impl Mode {
    const ALL: [Self; 9] = [
        Self::Ak,
        Self::StsToken,
        Self::RamRoleArn,
        Self::EcsRamRole,
        Self::RamRoleArnWithRoleName,
        Self::ChainableRamRoleArn,
        Self::Oidc,
        Self::CredentialsUri,
        Self::External,
    ];

    /// Parses a mode. The CLI ignores case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text))
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
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
