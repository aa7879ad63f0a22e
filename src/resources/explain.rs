//! What failed calls mean to the person at the terminal, and what to do next.
//!
//! All wording about OSS is here. Sources: OSS documentation, the pages on HTTP status codes 400,
//! 403, 404 and 503 and the troubleshooting pages by EC.

use crate::oss::credentials::{CredentialServiceError, CredentialsError, CredentialsErrorKind};
use crate::oss::{BucketName, Endpoint, Error, ErrorKind, Operation, ServiceError, TransportError};
use crate::tfplugin::Diagnostic;

/// What to do about a time limit that the resource sets.
const RESOURCE_TIMEOUT_ADVICE: &str = "No further attempt fits into the time limit of this operation. A longer one can \
     be set in the `timeouts` block of the resource.";
/// The same where there is no such block to set it in.
const FIXED_TIMEOUT_ADVICE: &str = "No further attempt fits into the minute that an import, or one call of a \
     search, may take. Run again later.";

/// The message for a failed call about a resource.
pub(super) fn call_error(error: &Error) -> Diagnostic {
    message(error, RESOURCE_TIMEOUT_ADVICE)
}

/// The message for a failed call of a search.
pub(super) fn list_error(error: &Error) -> Diagnostic {
    message(error, FIXED_TIMEOUT_ADVICE)
}

fn message(error: &Error, time_limit: &str) -> Diagnostic {
    let bucket = bucket(error);
    let summary = match error.operation {
        Operation::PutBucketEncryption => format!("Cannot set the encryption of bucket {bucket}"),
        Operation::GetBucketEncryption => format!("Cannot read the encryption of bucket {bucket}"),
        Operation::DeleteBucketEncryption => {
            format!("Cannot remove the encryption of bucket {bucket}")
        }
        Operation::ListBuckets => "Cannot list buckets".to_owned(),
    };
    let paragraphs = match error.service_error() {
        Some(service) => {
            let mut paragraphs = vec![service_error_line(error, service)];
            if matches!(error.kind, ErrorKind::DeadlineExceeded { .. }) {
                paragraphs.push(time_limit.to_owned());
            }
            paragraphs.extend(advice(error, service));
            paragraphs
        }
        None => other_error(error, time_limit),
    };
    let diagnostic = Diagnostic::error(summary, paragraphs.join("\n\n"));
    match error.service_error().and_then(related_attribute) {
        Some(attribute) => diagnostic.with_attribute(attribute),
        None => diagnostic,
    }
}

/// The bucket's name; empty for calls on the account.
fn bucket(error: &Error) -> &str {
    error.bucket.as_ref().map(BucketName::as_str).unwrap_or_default()
}

/// What OSS said, in one paragraph.
fn service_error_line(error: &Error, service: &ServiceError) -> String {
    let ServiceError { status, code, message, .. } = service;
    let mut ids = Vec::new();
    if let Some(request_id) = &service.request_id {
        ids.push(format!("request id {request_id}"));
    }
    if let Some(ec) = &service.ec {
        ids.push(format!("EC {ec}"));
    }
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    let times = match error.attempts {
        0 | 1 => String::new(),
        attempts => format!(" to the last of {attempts} attempts"),
    };
    if code == "BadErrorResponse" {
        return format!(
            "{} was answered{times} with HTTP status {status} and a body that is not an OSS error: \
             {message}{ids}",
            error.operation,
        );
    }
    format!("OSS answered {}{times} with {status} {code}: {message}{ids}", error.operation)
}

/// What an error code means and what to do next.
fn advice(error: &Error, service: &ServiceError) -> Option<String> {
    let Error { operation, region, endpoint, credentials_origin: origin, .. } = error;
    let bucket = bucket(error);
    let text = match service.code.as_str() {
        "AccessDenied" | "PermanentRedirect" | "TemporaryRedirect"
            if service.endpoint.is_some() =>
        {
            let right = service.endpoint.as_deref().unwrap_or_default();
            let region = Endpoint::parse(right).ok().and_then(|endpoint| endpoint.region());
            let hint = match region {
                Some(region) => format!("set `region = \"{region}\"` on this resource"),
                None => "set the right `region` on this resource".to_owned(),
            };
            format!(
                "The bucket is not in the region that was asked: its endpoint is {right}, and the \
                 request went to {endpoint}. Correct the provider's `endpoint` if it has one, or \
                 {hint}, or correct the provider's `region`."
            )
        }
        "PermanentRedirect" | "TemporaryRedirect" => wrong_region(endpoint),
        "AccessDenied" if service.message.contains("specified endpoint") => wrong_region(endpoint),
        "AccessDenied" if *operation == Operation::ListBuckets => format!(
            "The access key from {origin} may not do this. Grant its RAM user or role the action {} \
             on acs:oss:*:*:*.",
            operation.ram_action(),
        ),
        "AccessDenied" => format!(
            "The access key from {origin} may not do this. Grant its RAM user or role the action {} on \
             acs:oss:*:*:{bucket}, and check that the bucket belongs to the same account and that \
             no bucket policy denies it.",
            operation.ram_action(),
        ),
        "NoSuchBucket" => format!(
            "There is no bucket of this name. Create it first (for example with a bucket resource \
             that this resource refers to), or correct `bucket`. A bucket of another account \
             would answer AccessDenied. The request went to {endpoint}."
        ),
        "InvalidAccessKeyId" => format!(
            "OSS does not know the access key id, it is disabled, it is a temporary one (STS.…) whose \
             security token is missing, or a permanent one that was sent with a token. The key came \
             from {origin}: check it there."
        ),
        "SignatureDoesNotMatch" => format!(
            "The secret key does not belong to the access key id, or something between here and OSS \
             changed the request. The key came from {origin}: check it there."
        ),
        "InvalidSecurityToken" | "AccessKeyIdAndSecurityTokenNotMatch" => format!(
            "The security token does not belong to the access key. Take key id, secret and token \
             from the same session. They came from {origin}."
        ),
        "SecurityTokenExpired" => format!(
            "The temporary credentials have expired, and {origin} has no newer ones. Obtain new ones \
             and run again; what was finished is in the state. A profile, a credentials URI or a \
             role to assume would be renewed during a run."
        ),
        "RequestTimeTooSkewed" => clock_skew(error.clock_skew_seconds, "OSS"),
        "InvalidArgument" if is_signing_region_error(service) => format!(
            "The request was signed for region {region:?}, which is not the region of the endpoint \
             {endpoint}. Make `region` and `endpoint` of the provider agree, or set `region` on \
             this resource."
        ),
        "SecondLevelDomainForbidden" => "Public OSS endpoints take the bucket as part of the host \
             name only. Remove `address_style = \"path\"` from the provider."
            .to_owned(),
        "KmsServiceNotEnabled" | "KmsUbsmsInvalidBid" => "The Key Management Service is not \
             activated for this account. Activate it in the console, or use `sse_algorithm = \
             \"AES256\"`."
            .to_owned(),
        "InvalidEncryptionAlgorithmError" | "InvalidDataEncryptionAlgorithmError" => {
            "OSS does not offer this encryption for the bucket: not every region and account has SM4 or \
             KMS. Choose another one, for example `sse_algorithm = \"AES256\"`."
                .to_owned()
        }
        "InvalidArgument" if service.message.contains("KMSMasterKeyID") => {
            "OSS does not take a KMS key here. It needs `sse_algorithm = \"KMS\"`; where the message \
             speaks of a white list, the account has to be admitted by Alibaba Cloud first."
                .to_owned()
        }
        "MetaOperationQpsLimitExceeded" | "TotalQpsLimitExceeded" | "ServiceUnavailable" => {
            "OSS limits how often bucket settings are called. Run again later, or with a smaller \
             `-parallelism`."
                .to_owned()
        }
        "BadErrorResponse" => format!(
            "Something other than OSS may have answered, such as a proxy or a captive portal. Check \
             the network and the provider's `endpoint`; the request went to {endpoint}."
        ),
        _ => {
            return recommended_page(service).or_else(|| {
                Some("Alibaba Cloud's support can tell more with the request id.".to_owned())
            });
        }
    };
    match recommended_page(service) {
        Some(page) => Some(format!("{text}\n\n{page}")),
        None => Some(text),
    }
}

/// The bucket is in another region, and the answer does not name it.
fn wrong_region(endpoint: &str) -> String {
    format!(
        "The bucket is not in the region that was asked, and OSS does not say where it is; the request went \
         to {endpoint}. The console shows the bucket's region: set it as `region` on this resource, or \
         correct the provider's `region`, or its `endpoint` if it has one."
    )
}

/// Whether the region that was signed for is not that of the endpoint.
fn is_signing_region_error(service: &ServiceError) -> bool {
    service.code == "InvalidArgument" && service.message.contains("region")
}

/// By how much the clock is wrong.
fn clock_skew(skew_seconds: Option<i64>, server: &str) -> String {
    let by = match skew_seconds {
        None | Some(0) => format!("too far from that of {server}"),
        Some(seconds) => {
            let side = if seconds > 0 { "behind" } else { "ahead of" };
            let (minutes, seconds) = (seconds.unsigned_abs() / 60, seconds.unsigned_abs() % 60);
            let (hours, minutes) = (minutes / 60, minutes % 60);
            format!("{hours} h {minutes} min {seconds} s {side} that of {server}")
        }
    };
    format!(
        "The clock of this machine is {by}, and 15 minutes are allowed. Set it (for example with NTP) \
         and run again."
    )
}

fn recommended_page(service: &ServiceError) -> Option<String> {
    service.recommend_doc.as_ref().map(|page| format!("OSS recommends: {page}"))
}

fn related_attribute(service: &ServiceError) -> Option<&'static str> {
    match service.code.as_str() {
        "NoSuchBucket" | "InvalidBucketName" => Some("bucket"),
        "InvalidEncryptionAlgorithmError" | "KmsServiceNotEnabled" => Some("sse_algorithm"),
        "InvalidDataEncryptionAlgorithmError" => Some("kms_data_encryption"),
        "InvalidArgument" if service.message.contains("KMSMasterKeyID") => {
            Some("kms_master_key_id")
        }
        _ => None,
    }
}

/// What happened when OSS did not answer, and what to do next, a paragraph each.
fn other_error(error: &Error, time_limit: &str) -> Vec<String> {
    let Error { operation, endpoint, attempts, .. } = error;
    match &error.kind {
        // Explained by its code, see `meaning`.
        ErrorKind::Service(service) => vec![service.to_string()],
        ErrorKind::Transport(transport) => vec![
            format!("{operation} to {endpoint} failed{}: {transport}.", attempts_suffix(*attempts)),
            match transport {
                TransportError::InvalidRequest(_) if bucket(error).starts_with("xn--") => {
                    punycode_bucket()
                }
                _ => transport_advice(transport, endpoint),
            },
        ],
        ErrorKind::UnexpectedResponse(reason) => vec![
            format!("{operation} was answered with success, but {reason}."),
            format!(
                "Something other than OSS may have answered, such as a proxy or a captive portal. \
                 Check the network and the provider's `endpoint`; the request went to {endpoint}."
            ),
        ],
        ErrorKind::NoCredentials => vec![
            format!("{operation} needs an access key, and none was found."),
            "Set the environment variables ALIBABA_CLOUD_ACCESS_KEY_ID and \
             ALIBABA_CLOUD_ACCESS_KEY_SECRET, or one of these in the provider block: `access_key` \
             with `secret_key`, `profile`, `credentials_uri`, `ecs_role_name`, or \
             `assume_role_with_oidc`."
                .to_owned(),
        ],
        ErrorKind::Credentials(problem) => vec![
            format!("{operation} needs an access key, which was to come from {}.", problem.origin),
            sentence(&problem.kind.to_string()),
            credentials_advice(problem, error.clock_skew_seconds),
        ],
        ErrorKind::NoRegion => vec![
            format!("{operation} needs a region to sign for, and none is known."),
            "Set `region` on the resource or in the provider block, or the environment variable \
             ALIBABA_CLOUD_REGION."
                .to_owned(),
        ],
        ErrorKind::RegionFromProfile(error) => vec![
            format!(
                "{operation} needs a region to sign for, which was to come from {}.",
                error.origin
            ),
            sentence(&error.kind.to_string()),
            format!(
                "{} Or set `region` in the provider block, or the environment variable \
                 ALIBABA_CLOUD_REGION.",
                credentials_advice(error, None),
            ),
        ],
        ErrorKind::DeadlineExceeded { last } => {
            let mut paragraphs =
                vec![format!("{operation} to {endpoint} did not succeed in time.")];
            if let Some(last) = last {
                paragraphs.push(format!("The last failure was: {last}."));
            }
            match last.as_deref() {
                Some(ErrorKind::Transport(transport)) => {
                    paragraphs.push(transport_advice(transport, endpoint));
                }
                Some(ErrorKind::Credentials(problem)) => {
                    paragraphs.push(credentials_advice(problem, error.clock_skew_seconds));
                }
                _ => {}
            }
            paragraphs.push(time_limit.to_owned());
            paragraphs
        }
        ErrorKind::Cancelled => vec![
            format!("{operation} was stopped on request before OSS had answered."),
            "Run again to finish the work.".to_owned(),
        ],
    }
}

/// OSS allows names that the domain name system reads as encoded ones, and not every one can be decoded.
fn punycode_bucket() -> String {
    "Nothing was sent. In a host name, xn-- announces an international name in an encoded form, and what \
     follows it in the bucket's name is none. Such a bucket can only be reached where the bucket stands in \
     the path: `address_style = \"path\"`, which OSS's own endpoints refuse."
        .to_owned()
}

/// How often it was tried, if that is worth telling.
fn attempts_suffix(attempts: u32) -> String {
    if attempts < 2 { String::new() } else { format!(" after {attempts} attempts") }
}

/// The text with a full stop, unless it has one. A plain word at its beginning gets a capital letter; the
/// name of a host or a file does not.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let mut letters = text.chars();
    let begun = match letters.next() {
        Some(first) if word.chars().all(|c| c.is_ascii_lowercase()) => {
            format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
        }
        _ => text.to_owned(),
    };
    if begun.ends_with('.') { begun } else { format!("{begun}.") }
}

/// What to do when a source gave no keys.
fn credentials_advice(error: &CredentialsError, skew_seconds: Option<i64>) -> String {
    match &error.kind {
        CredentialsErrorKind::Service(refusal) if refusal.code.starts_with("InvalidTimeStamp") => {
            clock_skew(skew_seconds, &refusal.host)
        }
        CredentialsErrorKind::Service(refusal) => credential_service_advice(refusal),
        CredentialsErrorKind::Transport { host, .. } if host.contains("100.100.100.200") => {
            "That address answers only on ECS instances. Elsewhere use another source: remove \
             `ecs_role_name`, and the variables ALICLOUD_ECS_ROLE_NAME and \
             ALIBABA_CLOUD_ECS_METADATA."
                .to_owned()
        }
        CredentialsErrorKind::Transport { host, error: error @ TransportError::Proxy(_) } => {
            transport_advice(error, host)
        }
        CredentialsErrorKind::Transport { host, error } if error.is_transient() => format!(
            "Check that {host} can be reached from this machine, and the proxy variables (HTTPS_PROXY, \
             NO_PROXY).{}",
            if host.contains("://sts.") {
                " Inside a VPC another STS endpoint may be the one to use: `sts_endpoint`."
            } else {
                ""
            },
        ),
        CredentialsErrorKind::Transport { host, error } => transport_advice(error, host),
        CredentialsErrorKind::InvalidResponse { host, .. } => format!(
            "Check that {host} is the service that was meant. If a proxy or a captive portal answered \
             in its place, name the host in NO_PROXY."
        ),
        CredentialsErrorKind::Timeout => {
            "The time was spent on waiting for the access key. Check that its source can be reached \
             from this machine."
                .to_owned()
        }
        CredentialsErrorKind::File { .. } => {
            "Check that the file exists and that the user who runs Terraform may read it.".to_owned()
        }
        CredentialsErrorKind::Profile(_) => {
            "Correct the profile, for example with `aliyun configure`, or name another one in `profile`."
                .to_owned()
        }
        CredentialsErrorKind::Process { .. } => {
            "Run the `process_command` of the profile by hand: it has to print one JSON object with \
             `mode` (AK or StsToken), `access_key_id`, `access_key_secret` and, for StsToken, \
             `sts_token`."
                .to_owned()
        }
    }
}

/// What an error code of STS (or of a metadata service) means and what to do next. Source: STS API
/// reference, error codes of `AssumeRole` and `AssumeRoleWithOIDC`.
fn credential_service_advice(refusal: &CredentialServiceError) -> String {
    let code = refusal.code.as_str();
    let is = |prefix: &str| code.starts_with(prefix);
    let text = if is("NoPermission") {
        "The identity that assumes the role may not do that. Grant it the action sts:AssumeRole, and name \
         it in the role's trust policy; where that asks for an external id, set `external_id`."
    } else if is("EntityNotExist") {
        "There is no such role or identity provider in that account. Check the ARN, letter by letter."
    } else if is("InvalidAccessKeyId") || is("SignatureDoesNotMatch") || is("IncompleteSignature") {
        "The keys that assume the role are wrong, disabled or incomplete. Check them where they come from."
    } else if is("InvalidSecurityToken") {
        "The security token of the keys that assume the role is wrong or has expired. Obtain new keys."
    } else if is("AuthenticationFail") {
        "The identity provider's token was refused. Check that it has not expired, that its issuer is that \
         of the OIDC provider in RAM, that its audience is one of the provider's client ids, and that \
         the role's trust policy allows its subject."
    } else if is("InvalidParameter") {
        "Correct the argument that the message names. A session cannot last longer than the role's \
         maximum session duration allows."
    } else if is("Throttling") || refusal.status == 429 {
        "The service limits how often it is called. Run again later."
    } else if refusal.status >= 500 {
        "The service failed. Run again later."
    } else if refusal.status == 404 {
        "There is nothing of that name. On an ECS instance, check that the role is attached to it."
    } else {
        "Check the source of the credentials, and what the service says about the refusal."
    };
    text.to_owned()
}

/// What to check when there was no whole answer.
fn transport_advice(transport: &TransportError, endpoint: &str) -> String {
    match transport {
        TransportError::Tls(_) => format!(
            "{endpoint} did not prove to be trusted, or does not speak TLS at all. If a proxy \
             re-signs traffic, add its certificate authority to the system's trust store or name it \
             in SSL_CERT_FILE. A local endpoint without TLS is written with http://."
        ),
        TransportError::ClientSetup(_) => "Nothing was sent. If no CA certificates were found, install \
             them (the package is usually named ca-certificates) or name a file in SSL_CERT_FILE. If \
             a proxy is meant, check HTTPS_PROXY and HTTP_PROXY."
            .to_owned(),
        TransportError::InvalidRequest(_) => {
            "Nothing was sent. Check the bucket's name, the provider's `endpoint`, and the access key \
             where it comes from."
                .to_owned()
        }
        TransportError::BodyTooLarge(_) => {
            format!("OSS never answers this call at such length. Check what {endpoint} is.")
        }
        TransportError::Proxy(_) => format!(
            "The proxy is the one that HTTPS_PROXY names. Check that it can be reached, that it lets this \
             machine through to {endpoint}, and that the variable holds the user and the password if it asks \
             for them (http://user:password@host:port). Hosts in NO_PROXY are reached without it."
        ),
        TransportError::Connect(_)
        | TransportError::Timeout(_)
        | TransportError::Interrupted(_) => {
            format!(
                "Check that {endpoint} can be reached from this machine, the provider's `endpoint` \
                 and `region`, and the proxy variables (HTTPS_PROXY, NO_PROXY)."
            )
        }
    }
}

/// The message for an import of a bucket that could not be read or has no rule.
pub(super) fn import_error(error: &Error) -> Diagnostic {
    let bucket = bucket(error);
    match error.service_error() {
        Some(service) if service.code == "NoSuchServerSideEncryptionRule" => Diagnostic::error(
            format!("Bucket {bucket} has no encryption to import"),
            format!(
                "{}\n\nThe bucket exists, but no default encryption is set on it. Remove the import \
                 and apply: that sets the encryption that the configuration describes.",
                service_error_line(error, service),
            ),
        ),
        Some(service) if service.code == "NoSuchBucket" => Diagnostic::error(
            format!("There is no bucket {bucket} to import"),
            format!(
                "{}\n\nCheck the name in the import. A bucket of another account would answer \
                 AccessDenied. The request went to {}.",
                service_error_line(error, service),
                error.endpoint,
            ),
        ),
        Some(service) if let Some(region) = error.redirect_region() => Diagnostic::error(
            format!("Bucket {bucket} is in another region"),
            format!(
                "{}\n\nThe bucket is in {region}. Import it as `{bucket}@{region}`, or with `region = \
                 \"{region}\"` in the identity, and set `region = \"{region}\"` on the resource; or \
                 correct the provider's `region`, or its `endpoint` if it has one.",
                service_error_line(error, service),
            ),
        ),
        _ => {
            let mut diagnostic = message(error, FIXED_TIMEOUT_ADVICE);
            // The configuration may not even have the resource yet.
            diagnostic.attribute = None;
            if error.service_error().is_some_and(is_signing_region_error) {
                let hint = format!(
                    "\n\nA bucket of another region is imported with its region, for example as \
                     `{bucket}@cn-shanghai`."
                );
                diagnostic.detail.push_str(&hint);
            }
            diagnostic
        }
    }
}

/// A call is needed, but the provider's configuration is not known yet.
pub(super) fn unknown_configuration(arguments: &[String]) -> Diagnostic {
    let names: Vec<String> = arguments.iter().map(|name| format!("`{name}`")).collect();
    let (depend, they) = if names.len() == 1 { ("depends", "it") } else { ("depend", "they") };
    let names = match names.as_slice() {
        [all @ .., one, last] => [all, &[format!("{one} and {last}")]].concat().join(", "),
        names => names.concat(),
    };
    Diagnostic::error(
        "The provider configuration is not known yet",
        format!(
            "The provider's {names} {depend} on something that is only known after apply, but an \
             existing bucket has to be read now. Apply what {they} {depend} on first, for example \
             with `terraform apply -target=…`, or use values that are known.",
        ),
    )
}

#[cfg(test)]
mod tests;
