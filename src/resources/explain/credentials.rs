//! Credentials that could not be obtained: the reason and what to do next.
//!
//! Source for STS: its API reference, error codes of `AssumeRole` and `AssumeRoleWithOIDC`.

use crate::oss::TransportError;
use crate::oss::credentials::{
    CredentialServiceError, CredentialsErrorKind, Mode, ProfileError, TokenMismatch,
};

use super::{clock_skew, transport};

/// What to do if no credential source is configured.
///
/// `skipped` is why the current profile of the CLI is not used.
pub(super) fn no_credentials(skipped: Option<&str>) -> String {
    let sources = "Set the environment variables ALIBABA_CLOUD_ACCESS_KEY_ID and \
        ALIBABA_CLOUD_ACCESS_KEY_SECRET, or configure one of these in the provider block: `access_key` and \
        `secret_key`, `profile`, `credentials_uri`, `ecs_role_name` or `assume_role_with_oidc`.";
    match skipped {
        None => format!(
            "{sources} Without any of them, the current profile of ~/.aliyun/config.json is used, which \
             `aliyun configure` writes."
        ),
        Some(reason) => format!(
            "{sources} The current profile of ~/.aliyun/config.json is not used because {reason}."
        ),
    }
}

/// The address of the metadata service, which exists on ECS instances only.
const METADATA_ADDRESS: &str = "100.100.100.200";

/// Why there are no credentials, in one paragraph.
pub(super) fn reason(kind: &CredentialsErrorKind) -> String {
    match kind {
        CredentialsErrorKind::Service(service) => response_line(service),
        CredentialsErrorKind::Login { profile, mode, error: Some(service) } => format!(
            "The {mode} login of profile {profile:?} is no longer accepted: {}",
            response_line(service)
        ),
        other => sentence(&other.to_string()),
    }
}

/// What the service returned, in the form that is used for OSS.
fn response_line(service: &CredentialServiceError) -> String {
    let CredentialServiceError { host, operation, status, code, message, .. } = service;
    let code = if code.is_empty() { String::new() } else { format!(" {code}") };
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    let line = format!("{host} returned {status}{code} for {operation}{message}");
    match &service.request_id {
        Some(request_id) => format!("{line} (request ID {request_id})"),
        None if line.ends_with('.') => line,
        None => line + ".",
    }
}

/// The text with a full stop. A plain word at its beginning is capitalized; the name of a host or a file is
/// not.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let mut letters = text.chars();
    let capitalized = match letters.next() {
        Some(first) if word.chars().all(|c| c.is_ascii_lowercase()) => {
            format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
        }
        _ => text.to_owned(),
    };
    if capitalized.ends_with('.') { capitalized } else { format!("{capitalized}.") }
}

/// What to do if a source gave no credentials.
pub(super) fn advice(kind: &CredentialsErrorKind, skew_seconds: Option<i64>) -> String {
    match kind {
        CredentialsErrorKind::Service(service) => service_advice(service, skew_seconds),
        CredentialsErrorKind::Transport { host, error } => transport_advice(host, error),
        CredentialsErrorKind::InvalidResponse { host, .. } => format!(
            "Check that {host} is the intended service. If a proxy or captive portal responded instead, add \
             the host to NO_PROXY."
        ),
        CredentialsErrorKind::Timeout => {
            "The provider was still waiting for credentials. Check that their source is reachable from \
             this machine."
                .to_owned()
        }
        CredentialsErrorKind::Login { profile, mode, error } => {
            login_advice(profile, *mode, error.as_deref())
        }
        CredentialsErrorKind::Token(TokenMismatch::Missing) => {
            "Set the security token that was issued with the AccessKey pair at the same place, or get new \
             temporary credentials."
                .to_owned()
        }
        CredentialsErrorKind::Token(TokenMismatch::Unexpected) => {
            "Remove the security token, or set the temporary AccessKey pair that it was issued with."
                .to_owned()
        }
        CredentialsErrorKind::NotConfigured { hint, skipped } => {
            hint.clone().unwrap_or_else(|| no_credentials(skipped.as_deref()))
        }
        CredentialsErrorKind::MetadataDisabled => "On an ECS instance, unset the variable. Elsewhere, use \
             another credential source."
            .to_owned(),
        CredentialsErrorKind::File { path, .. } if path.starts_with("~") => {
            "The home directory is unknown, so ~ cannot be resolved: set the environment variable HOME \
             (USERPROFILE on Windows), or write an absolute path."
                .to_owned()
        }
        CredentialsErrorKind::File { .. } => {
            "Check that the file exists and that the user running Terraform can read it.".to_owned()
        }
        CredentialsErrorKind::Profile(ProfileError::Ini(_)) => {
            "If the environment variable ALIBABA_CLOUD_CREDENTIALS_FILE must name the INI file, because the SDKs \
             read it there, set `shared_credentials_file` in the provider block to the CLI's file: it takes \
             precedence."
                .to_owned()
        }
        CredentialsErrorKind::Profile(ProfileError::Disabled { .. }) => {
            "Set `profile` to a profile of another mode, such as CloudSSO, OIDC or EcsRamRole.".to_owned()
        }
        CredentialsErrorKind::Profile(_) => "Correct the profile, for example with `aliyun configure`, or \
             set `profile` to another one."
            .to_owned(),
        CredentialsErrorKind::Process { .. } => {
            "Run the `process_command` of the profile manually: it must print one JSON object with `mode` \
             (AK or StsToken), `access_key_id`, `access_key_secret` and, for temporary credentials, \
             `sts_token`."
                .to_owned()
        }
    }
}

/// What to do if a service that issues credentials did not respond.
fn transport_advice(host: &str, error: &TransportError) -> String {
    if host.contains(METADATA_ADDRESS) {
        return "The metadata service is only available on ECS instances. Elsewhere, use another credential \
             source: remove `ecs_role_name`, and unset the environment variables ALICLOUD_ECS_ROLE_NAME \
             and ALIBABA_CLOUD_ECS_METADATA."
            .to_owned();
    }
    if matches!(error, TransportError::Proxy(_)) || !error.is_transient() {
        return transport::advice(error, host);
    }
    let vpc = if host.contains("://sts.") {
        " Inside a VPC, you may need to set `sts_endpoint` to the VPC endpoint of STS."
    } else {
        ""
    };
    format!(
        "Check that {host} is reachable from this machine, and check the proxy variables (HTTPS_PROXY, \
         NO_PROXY).{vpc}"
    )
}

/// What to do if a login of the CLI has ended, or was rejected with `error`.
fn login_advice(profile: &str, mode: Mode, error: Option<&CredentialServiceError>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let quote = if profile.chars().all(is_plain) { "" } else { "'" };
    let profile = format!("{quote}{profile}{quote}");
    // Terraform starts the provider several times, and the CLI's file keeps the token that was used.
    let is_used_up = error.is_some_and(|error| error.code.as_str() == "invalid_grant");
    let renewal = if is_used_up {
        format!(
            " A refresh token may be valid only once, and the provider does not write the CLI's file: \
             from then on, let the CLI renew the login with `aliyun sts GetCallerIdentity --profile \
             {profile}` before you run Terraform."
        )
    } else {
        String::new()
    };
    format!(
        "Log in again with `aliyun configure --mode {mode} --profile {profile}`, then \
         run Terraform again. Where no one can log in, such as in a pipeline, use \
         `assume_role_with_oidc`.{renewal}"
    )
}

/// What an error code of STS, or of another service that issues credentials, means and what to do next.
fn service_advice(service: &CredentialServiceError, skew_seconds: Option<i64>) -> String {
    let is = |prefix: &str| service.code.starts_with(prefix);
    let text = if is("InvalidTimeStamp") {
        return clock_skew(skew_seconds, &service.host);
    } else if is("NoPermission") {
        "The caller is not allowed to assume the role. Grant it sts:AssumeRole and add it to the role's \
         trust policy. If the policy requires an external ID, set `external_id`."
    } else if is("EntityNotExist") {
        "The role or identity provider does not exist. Check the account ID and the name in the ARN."
    } else if is("InvalidAccessKeyId") || is("SignatureDoesNotMatch") || is("IncompleteSignature") {
        "The credentials used to assume the role are invalid, disabled or incomplete. Check them at their \
         source."
    } else if is("InvalidSecurityToken") {
        "The security token used to assume the role is invalid or has expired. Get new credentials."
    } else if is("AuthenticationFail") {
        "The identity provider's token was rejected. Check that it has not expired, that its issuer matches \
         the OIDC provider in RAM, that its audience is one of the provider's client IDs, and that the \
         role's trust policy allows its subject."
    } else if is("InvalidParameter") {
        "Correct the argument that the message names. A session cannot be longer than the role's maximum \
         session duration."
    } else if is("Throttling") || service.status == 429 {
        "The service limits the request rate. Run again later."
    } else if service.status >= 500 {
        "The service failed to process the request. Run again later."
    } else if service.status == 404 {
        "The requested credentials do not exist. On an ECS instance, check that the role is attached to the \
         instance."
    } else {
        "Check the credential source and the error that the service returned."
    };
    text.to_owned()
}
