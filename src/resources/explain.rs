//! What failed calls mean to the person at the terminal, and what to do next.
//!
//! All wording about OSS is here. Sources: OSS documentation, the pages on HTTP status codes 400,
//! 403, 404 and 503 and the troubleshooting pages by EC.

use crate::oss::{Endpoint, Error, ErrorKind, Operation, ServiceError, TransportError};
use crate::tfplugin::Diagnostic;

/// The message for a failed call.
pub(super) fn failed_call(error: &Error) -> Diagnostic {
    let verb = match error.operation {
        Operation::PutBucketEncryption => "set",
        Operation::GetBucketEncryption => "read",
        Operation::DeleteBucketEncryption => "remove",
    };
    let summary = format!("Cannot {verb} the encryption of bucket {}", error.bucket);
    let paragraphs = match error.service() {
        Some(service) => {
            let mut paragraphs = vec![answered(error, service)];
            if matches!(error.kind, ErrorKind::DeadlineExceeded { .. }) {
                paragraphs.push(time_limit_passed());
            }
            paragraphs.extend(meaning(error, service));
            paragraphs
        }
        None => unanswered(error),
    };
    let diagnostic = Diagnostic::error(summary, paragraphs.join("\n\n"));
    match error.service().and_then(attribute_to_blame) {
        Some(attribute) => diagnostic.at_attribute(attribute),
        None => diagnostic,
    }
}

/// What OSS said, in one paragraph.
fn answered(error: &Error, service: &ServiceError) -> String {
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
fn meaning(error: &Error, service: &ServiceError) -> Option<String> {
    let Error { operation, bucket, region, endpoint, .. } = error;
    let text = match service.code.as_str() {
        "AccessDenied" if service.endpoint.is_some() => {
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
        "AccessDenied" => format!(
            "The access key may not do this. Grant its RAM user or role the action {} on \
             acs:oss:*:*:{bucket}, and check that the bucket belongs to the same account and that \
             no bucket policy denies it.",
            operation.ram_action(),
        ),
        "NoSuchBucket" => format!(
            "There is no bucket of this name. Create it first (for example with a bucket resource \
             that this resource refers to), or correct `bucket`. A bucket of another account \
             would answer AccessDenied. Asked was {endpoint}."
        ),
        "InvalidAccessKeyId" => "OSS does not know the access key id, it is disabled, or it is a \
             temporary one (STS.…) whose security token is missing. Check `access_key` and \
             `security_token` of the provider, or the environment variables they come from."
            .to_owned(),
        "SignatureDoesNotMatch" => "The secret key does not belong to the access key id, or \
             something between here and OSS changed the request. Check `secret_key` of the \
             provider, or the environment variable it comes from."
            .to_owned(),
        "InvalidSecurityToken" | "AccessKeyIdAndSecurityTokenNotMatch" => {
            "The security token does \
             not belong to the access key. Take key id, secret and token from the same session."
                .to_owned()
        }
        "SecurityTokenExpired" => {
            "The temporary credentials have expired. Obtain new ones and run \
             again; what was finished is in the state."
                .to_owned()
        }
        "RequestTimeTooSkewed" => "The clock of this machine is more than 15 minutes off. Set it \
             (for example with NTP) and run again."
            .to_owned(),
        "InvalidArgument" if service.message.contains("region") => format!(
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
            "OSS does not offer this encryption for the bucket.".to_owned()
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
        _ => return recommended_page(service),
    };
    match recommended_page(service) {
        Some(page) => Some(format!("{text}\n\n{page}")),
        None => Some(text),
    }
}

fn recommended_page(service: &ServiceError) -> Option<String> {
    service.recommend_doc.as_ref().map(|page| format!("OSS recommends: {page}"))
}

fn attribute_to_blame(service: &ServiceError) -> Option<&'static str> {
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
fn unanswered(error: &Error) -> Vec<String> {
    let Error { operation, endpoint, attempts, .. } = error;
    match &error.kind {
        // Explained by its code, see `meaning`.
        ErrorKind::Service(service) => vec![service.to_string()],
        ErrorKind::Transport(transport) => vec![
            format!("{operation} to {endpoint} failed after {attempts} attempt(s): {transport}."),
            transport_advice(transport, endpoint),
        ],
        ErrorKind::UnexpectedAnswer(reason) => vec![
            format!("{operation} was answered with success, but {reason}."),
            format!(
                "Something other than OSS may have answered, such as a proxy or a captive portal. \
                 Check the network and the provider's `endpoint`; the request went to {endpoint}."
            ),
        ],
        ErrorKind::NoCredentials => vec![
            format!("{operation} needs an access key, and none was found."),
            "Set `access_key` and `secret_key` in the provider block, or the environment variables \
             ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET."
                .to_owned(),
        ],
        ErrorKind::NoRegion => vec![
            format!("{operation} needs a region to sign for, and none is known."),
            "Set `region` on the resource or in the provider block, or the environment variable \
             ALIBABA_CLOUD_REGION."
                .to_owned(),
        ],
        ErrorKind::DeadlineExceeded { last } => {
            let mut paragraphs =
                vec![format!("{operation} to {endpoint} did not succeed in time.")];
            if let Some(last) = last {
                paragraphs.push(format!("The last failure was: {last}."));
            }
            if let Some(ErrorKind::Transport(transport)) = last.as_deref() {
                paragraphs.push(transport_advice(transport, endpoint));
            }
            paragraphs.push(time_limit_passed());
            paragraphs
        }
        ErrorKind::Cancelled => vec![
            format!("{operation} was stopped on request before OSS had answered."),
            "Run again to finish the work.".to_owned(),
        ],
    }
}

/// What to check when there was no whole answer.
fn transport_advice(transport: &TransportError, endpoint: &str) -> String {
    match transport {
        TransportError::Tls(_) => format!(
            "{endpoint} did not prove to be trusted, or does not speak TLS at all. If a proxy \
             re-signs traffic, add its certificate authority to the system's trust store or name it \
             in SSL_CERT_FILE. A local endpoint without TLS is written with http://."
        ),
        TransportError::Setup(_) => "Nothing was sent. If no CA certificates were found, install \
             them (the package is usually named ca-certificates) or name a file in SSL_CERT_FILE."
            .to_owned(),
        TransportError::TooLarge(_) => {
            format!("OSS never answers this call at such length. Check what {endpoint} is.")
        }
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

fn time_limit_passed() -> String {
    "No further attempt fits into the time limit of this operation. A longer one can be set in the \
     `timeouts` block of the resource."
        .to_owned()
}

/// The message for an import of a bucket that could not be read or has no rule.
pub(super) fn failed_import(error: &Error) -> Diagnostic {
    let bucket = &error.bucket;
    match error.service() {
        Some(service) if service.code == "NoSuchServerSideEncryptionRule" => Diagnostic::error(
            format!("Bucket {bucket} has no encryption to import"),
            format!(
                "{}\n\nThe bucket exists, but no default encryption is set on it. Remove the import \
                 and apply: that sets the encryption that the configuration describes.",
                answered(error, service),
            ),
        ),
        _ => {
            let mut diagnostic = failed_call(error);
            // The configuration may not even have the resource yet.
            diagnostic.attribute = None;
            diagnostic
        }
    }
}

/// A call is needed, but the provider's configuration is not known yet.
pub(super) fn unknown_configuration(arguments: &[&str]) -> Diagnostic {
    let names: Vec<String> = arguments.iter().map(|name| format!("`{name}`")).collect();
    Diagnostic::error(
        "The provider configuration is not known yet",
        format!(
            "The provider argument(s) {} depend on something that is only known after apply, but \
             an existing bucket has to be read now. Apply what they depend on first, for example \
             with `terraform apply -target=…`, or give them as values that are known.",
            names.join(", "),
        ),
    )
}
