//! The error codes of OSS: what each means and what to do next.
//!
//! Source: OSS documentation, the pages on HTTP status codes 400, 403, 404, 409 and 503 and the troubleshooting
//! pages by EC.

use crate::oss::{BucketName, Error, ErrorCode, Operation, ServiceError};

use super::{Caller, address, attempts_suffix, bucket_name, clock_skew, transport};

/// What an error means and what to do.
pub(super) struct Explanation {
    /// The meaning and the next step; empty if the page that OSS recommends is enough.
    pub(super) advice: String,
    /// The offending argument.
    pub(super) attribute: Option<&'static str>,
}

impl Explanation {
    fn new(advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), attribute: None }
    }

    fn with_attribute(self, attribute: &'static str) -> Self {
        Self { attribute: Some(attribute), ..self }
    }
}

/// What OSS returned, in one paragraph.
pub(super) fn response_line(error: &Error, service: &ServiceError) -> String {
    let ServiceError { status, code, message, .. } = service;
    let (operation, attempts) = (error.operation, attempts_suffix(error.attempts));
    let request_id = service.request_id.as_ref().map(|id| format!("request ID {id}"));
    let ec = service.ec.as_ref().map(|ec| format!("EC {ec}"));
    let ids: Vec<String> = request_id.into_iter().chain(ec).collect();
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    if is_not_oss(service) {
        format!(
            "{operation} returned HTTP {status}{attempts} with a body that is not an OSS error response: \
             {message}{ids}"
        )
    } else {
        format!("OSS returned {status} {code} for {operation}{attempts}: {message}{ids}")
    }
}

/// The request was signed with V1, which OSS no longer accepts (page "0002-00000080").
const V1_REJECTED: &str = "0002-00000080";

/// Explains an error: by its EC if the error code has several causes, otherwise by its code.
pub(super) fn explain(error: &Error, service: &ServiceError, caller: Caller) -> Explanation {
    if service.ec.as_deref() == Some(V1_REJECTED) {
        return Explanation::new(
            "OSS no longer accepts V1 signatures. Remove `signature_version = \"v1\"` from the provider, so \
             that requests are signed with V4.",
        );
    }
    match address::advice(error, service, caller) {
        Some(advice) => Explanation::new(advice),
        None => explain_code(error, service, caller),
    }
}

fn explain_code(error: &Error, service: &ServiceError, caller: Caller) -> Explanation {
    let Error { operation, endpoint, credentials_origin: origin, .. } = error;
    let bucket = bucket_name(error);
    match &service.code {
        ErrorCode::AccessDenied if *operation == Operation::ListBuckets => Explanation::new(format!(
            "The credentials from {origin} are not authorized to perform {} on acs:oss:*:*:*. Grant this \
             action to the RAM user or role.",
            operation.ram_action(),
        )),
        ErrorCode::AccessDenied => Explanation::new(format!(
            "The credentials from {origin} are not authorized to perform {} on acs:oss:*:*:{bucket}. Grant \
             this action to the RAM user or role, and check that the bucket belongs to the same account \
             and that no bucket policy denies the request.",
            operation.ram_action(),
        )),
        ErrorCode::NoSuchBucket if matches!(caller, Caller::Query | Caller::Scan) => Explanation::new(format!(
            "OSS listed the bucket, but then returned that it does not exist: it was deleted in the meantime, or \
             {endpoint} does not serve it. Run again. If the bucket is listed again, check its region in the OSS \
             console."
        )),
        ErrorCode::NoSuchBucket | ErrorCode::InvalidBucketName
            if error.bucket.as_ref().is_some_and(BucketName::is_old) =>
        {
            Explanation::new(format!(
                "The bucket does not exist, and OSS creates no new bucket with an underscore in its name: only \
                 old buckets have such names. Correct `bucket`. The request was sent to {endpoint}."
            ))
            .with_attribute("bucket")
        }
        ErrorCode::NoSuchBucket => Explanation::new(format!(
            "The bucket does not exist. Create it first (if Terraform manages it, reference the bucket \
             resource in `bucket`), or correct `bucket`. For a bucket in another account, OSS would return \
             AccessDenied. The request was sent to {endpoint}."
        ))
        .with_attribute("bucket"),
        ErrorCode::InvalidBucketName => unknown_code(service).with_attribute("bucket"),
        ErrorCode::InvalidAccessKeyId => Explanation::new(format!(
            "The AccessKey ID does not exist or is disabled, is temporary (STS.…) but was sent without its \
             security token, or is permanent but was sent with one. Check {origin}."
        )),
        ErrorCode::SignatureDoesNotMatch => Explanation::new(format!(
            "The AccessKey secret does not match the AccessKey ID, or the request was modified in transit. \
             Check {origin}."
        )),
        ErrorCode::InvalidSecurityToken | ErrorCode::AccessKeyIdAndSecurityTokenNotMatch => Explanation::new(format!(
            "The security token does not belong to the AccessKey pair. Use the AccessKey ID, secret and \
             security token of the same session. They came from {origin}."
        )),
        ErrorCode::SecurityTokenExpired => Explanation::new(format!(
            "The temporary credentials have expired, and {origin} provides no newer ones. Get new \
             credentials and run again; completed changes are in the state. Other sources, such as OIDC, the role \
             of an ECS instance, a credentials URI or an assumed role, are refreshed automatically."
        )),
        ErrorCode::RequestTimeTooSkewed => Explanation::new(clock_skew(error.clock_skew_seconds, "OSS")),
        ErrorCode::InvalidArgument if service.message.contains("KMSMasterKeyID") => Explanation::new(
            "OSS rejected the KMS key ID. It requires `sse_algorithm = \"KMS\"`. If the message mentions a \
             whitelist, ask Alibaba Cloud to enable the feature for your account.",
        )
        .with_attribute("kms_master_key_id"),
        ErrorCode::UserDisable => suspended("OSS has disabled the account, usually because of an overdue payment."),
        ErrorCode::InDebt | ErrorCode::InDebtOverdue => {
            suspended("OSS has suspended its service for the account because of an overdue payment.")
        }
        ErrorCode::KmsInDebt | ErrorCode::KmsInDebtOverdue => suspended(
            "Key Management Service (KMS) is suspended for the account because of an overdue payment, and OSS \
             encrypts nothing with KMS meanwhile.",
        ),
        ErrorCode::AbnormalBucketOwnerStatus => Explanation::new(
            "OSS is not available to the account that owns the bucket: it has an overdue payment, is restricted \
             for security reasons, or was deleted. Ask the owner of the bucket to resolve that, then run again. \
             The configuration does not need a change.",
        ),
        ErrorCode::BucketDisable => Explanation::new(format!(
            "Alibaba Cloud has disabled the bucket for security reasons, and rejects all requests for it. Contact \
             Alibaba Cloud support with the request ID to have {bucket} enabled, then run again."
        )),
        ErrorCode::KmsServiceNotEnabled => kms_not_activated().with_attribute("sse_algorithm"),
        ErrorCode::KmsUbsmsInvalidBid | ErrorCode::UbsmsInvalidBid => kms_not_activated(),
        ErrorCode::InvalidEncryptionAlgorithmError => {
            unsupported_algorithm().with_attribute("sse_algorithm")
        }
        ErrorCode::InvalidDataEncryptionAlgorithmError => {
            unsupported_algorithm().with_attribute("kms_data_encryption")
        }
        ErrorCode::MetaOperationQpsLimitExceeded | ErrorCode::TotalQpsLimitExceeded | ErrorCode::ServiceUnavailable => {
            let advice = match caller {
                Caller::Block(_) => "Run again later, or lower `-parallelism`.",
                // `terraform query` has no such option.
                Caller::Query | Caller::Scan => "Run again later.",
            };
            Explanation::new(format!("OSS limits the request rate for bucket operations. {advice}"))
        }
        ErrorCode::ConcurrentUpdateBucketFailed | ErrorCode::OperationAborted => conflict(),
        code if code.is_conflict() => conflict(),
        _ if is_not_oss(service) => Explanation::new(transport::not_oss_advice(endpoint)),
        _ => unknown_code(service),
    }
}

/// Whether the response has no error code: a proxy or another service may have sent it.
fn is_not_oss(service: &ServiceError) -> bool {
    service.code == ErrorCode::BadErrorResponse
}

fn unknown_code(service: &ServiceError) -> Explanation {
    Explanation::new(match service.recommend_doc {
        Some(_) => "",
        None => "Contact Alibaba Cloud support with the request ID.",
    })
}

/// A service that is suspended for the account.
fn suspended(what: &str) -> Explanation {
    Explanation::new(format!(
        "{what} Pay the bill in the Expenses and Costs console, or contact Alibaba Cloud support with the request \
         ID, then run again. The configuration does not need a change."
    ))
}

fn conflict() -> Explanation {
    Explanation::new(
        "OSS was changing another setting of this bucket at each attempt. It accepts one change to a bucket at a \
         time, so the provider retries until the timeout. Run again when the other changes are complete.",
    )
}

fn kms_not_activated() -> Explanation {
    Explanation::new(
        "Key Management Service (KMS) is not activated for this account, and OSS does not accept encryption \
         with KMS without it. Activate it in the KMS console and run again.",
    )
}

fn unsupported_algorithm() -> Explanation {
    Explanation::new(
        "OSS does not support this algorithm for the bucket: SM4 and KMS are not available in every region \
         or account. Ask Alibaba Cloud to enable it for your account, or keep the data in a bucket of a \
         region that supports it.",
    )
}

/// The page that OSS names for the error.
pub(super) fn recommended_page(service: &ServiceError) -> Option<String> {
    service.recommend_doc.as_ref().map(|page| format!("OSS recommends: {page}"))
}
