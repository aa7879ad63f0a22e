//! RAM roles to assume, and their sessions. Pure.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use thiserror::Error;

use super::StsConfig;

/// A role to assume with the token of an identity provider.
#[derive(Debug, Clone)]
pub struct OidcRole {
    /// The role.
    pub role: Role,
    /// The ARN of the identity provider in RAM, e.g. `acs:ram::1234567890123456:oidc-provider/gh`.
    pub provider_arn: String,
    /// The token.
    pub token: OidcToken,
    /// How to reach STS.
    pub sts: StsConfig,
}

/// The token of the identity provider, or its location.
#[derive(Debug, Clone)]
pub enum OidcToken {
    /// The token itself.
    Value(SecretString),
    /// A file that contains it, read again at each refresh, because pods and pipelines rotate it.
    File(PathBuf),
}

/// Why a role cannot be assumed as it is described. The text completes the sentence "… must".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoleError {
    /// Not the ARN of a role.
    #[error("must have the form acs:ram::1234567890123456:role/name")]
    RoleArn,
    /// Not the ARN of an identity provider.
    #[error("must have the form acs:ram::1234567890123456:oidc-provider/name")]
    ProviderArn,
    /// Not a session name.
    #[error("must have 2 to 64 characters: letters, digits and any of . @ _ -")]
    SessionName,
    /// Not a session duration that any role allows.
    #[error("must be between 900 and 43200 seconds")]
    SessionDuration,
    /// Not an external ID.
    #[error("must have 2 to 1224 characters: letters, digits and any of + = , . @ : / _ -")]
    ExternalId,
    /// Not a policy.
    #[error("must be a policy in JSON of at most 2048 characters")]
    Policy,
}

/// The ARN of a RAM role, `acs:ram::{account}:role/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn(String);

impl RoleArn {
    /// Checks the form of an ARN.
    ///
    /// # Errors
    ///
    /// [`RoleError::RoleArn`].
    pub fn parse(arn: &str) -> Result<Self, RoleError> {
        if is_ram_arn(arn, "role/") { Ok(Self(arn.to_owned())) } else { Err(RoleError::RoleArn) }
    }

    /// The ARN as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A RAM role and the session to open with it.
#[derive(Debug, Clone)]
pub struct Role {
    /// The role.
    pub arn: RoleArn,
    /// The session.
    pub session: RoleSession,
}

/// A session with a role (STS API reference, parameters of `AssumeRole`).
#[derive(Debug, Clone)]
pub struct RoleSession {
    pub(super) name: String,
    pub(super) duration_seconds: u32,
    pub(super) policy: Option<String>,
    pub(super) external_id: Option<String>,
}

impl Default for RoleSession {
    /// A session called `terraform`, of one hour.
    fn default() -> Self {
        Self {
            name: "terraform".to_owned(),
            duration_seconds: 3600,
            policy: None,
            external_id: None,
        }
    }
}

impl RoleSession {
    /// Sets the name, which is shown in audit logs.
    ///
    /// # Errors
    ///
    /// [`RoleError::SessionName`].
    pub fn with_name(mut self, name: &str) -> Result<Self, RoleError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".@_-".contains(c);
        if !(2..=64).contains(&name.len()) || !name.chars().all(is_allowed) {
            return Err(RoleError::SessionName);
        }
        name.clone_into(&mut self.name);
        Ok(self)
    }

    /// Sets the duration. STS rejects one that is longer than the role's own maximum.
    ///
    /// # Errors
    ///
    /// [`RoleError::SessionDuration`].
    pub fn with_duration_seconds(mut self, seconds: u32) -> Result<Self, RoleError> {
        if !(900..=43200).contains(&seconds) {
            return Err(RoleError::SessionDuration);
        }
        self.duration_seconds = seconds;
        Ok(self)
    }

    /// Sets a policy that further restricts the session.
    ///
    /// # Errors
    ///
    /// [`RoleError::Policy`].
    pub fn with_policy(mut self, policy: &str) -> Result<Self, RoleError> {
        let is_object =
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy).is_ok();
        if !is_object || policy.chars().count() > 2048 {
            return Err(RoleError::Policy);
        }
        self.policy = Some(policy.to_owned());
        Ok(self)
    }

    /// Sets the ID that the role's trust policy requires. STS API reference: `[\w+=,.@:/-]*`.
    ///
    /// # Errors
    ///
    /// [`RoleError::ExternalId`].
    pub fn with_external_id(mut self, external_id: &str) -> Result<Self, RoleError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@:/_-".contains(c);
        if !(2..=1224).contains(&external_id.len()) || !external_id.chars().all(is_allowed) {
            return Err(RoleError::ExternalId);
        }
        self.external_id = Some(external_id.to_owned());
        Ok(self)
    }
}

impl OidcRole {
    /// Checks the ARN of an identity provider.
    ///
    /// # Errors
    ///
    /// [`RoleError::ProviderArn`].
    pub fn check_provider_arn(arn: &str) -> Result<(), RoleError> {
        if is_ram_arn(arn, "oidc-provider/") { Ok(()) } else { Err(RoleError::ProviderArn) }
    }
}

/// Whether it is `acs:ram::{account}:{kind}{name}`. The name is not validated further: RAM does that.
fn is_ram_arn(arn: &str, kind: &str) -> bool {
    let Some((account, resource)) = arn.strip_prefix("acs:ram::").and_then(|a| a.split_once(':'))
    else {
        return false;
    };
    let is_name = |name: &str| {
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    !account.is_empty()
        && account.chars().all(|c| c.is_ascii_digit())
        && resource.strip_prefix(kind).is_some_and(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "acs:ram::1234567890123456:role/deploy";

    #[test]
    fn accepts_only_what_sts_accepts() {
        let session = RoleSession::default;
        for arn in [
            "",
            "deploy",
            "acs:ram::x:role/a",
            "acs:ram::1:role/",
            "acs:ram::1:user/a",
            "acs:ram::1:role/a b",
        ] {
            assert_eq!(RoleArn::parse(arn), Err(RoleError::RoleArn), "{arn:?}");
        }
        for (name, is_valid) in
            [("ci", true), ("a@b.c_d-e", true), ("a", false), ("with space", false)]
        {
            assert_eq!(session().with_name(name).is_ok(), is_valid, "{name:?}");
        }
        assert!(session().with_name(&"x".repeat(65)).is_err());
        for (seconds, is_valid) in [(899, false), (900, true), (43200, true), (43201, false)] {
            assert_eq!(session().with_duration_seconds(seconds).is_ok(), is_valid, "{seconds}");
        }
        for (policy, is_valid) in
            [("{\"Version\":\"1\"}", true), ("", false), ("[]", false), ("{", false)]
        {
            assert_eq!(session().with_policy(policy).is_ok(), is_valid, "{policy:?}");
        }
        for (id, is_valid) in [("a1", true), ("x+=,.@:/_-", true), ("a", false), ("a b", false)] {
            assert_eq!(session().with_external_id(id).is_ok(), is_valid, "{id:?}");
        }
        assert!(OidcRole::check_provider_arn("acs:ram::1:oidc-provider/gh").is_ok());
        assert!(OidcRole::check_provider_arn(ARN).is_err());
        assert!(RoleArn::parse(ARN).is_ok());
    }
}
