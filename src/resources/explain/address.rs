//! Requests that OSS does not serve where they were sent: another region, endpoint or host.

use crate::oss::{AddressStyle, Endpoint, Error, ErrorCode, ServiceError};

use super::{Caller, bucket_name};

/// The request was signed for OSS, but the endpoint or the bucket is on a cloud box (page "0002-00000227").
const CLOUD_BOX: &str = "0002-00000227";

/// What to do in the provider block.
const CORRECT_PROVIDER: &str = "correct the provider's `region` (or `endpoint`, if set)";

/// Explains an error that depends on where the request was sent.
pub(super) fn advice(error: &Error, service: &ServiceError, caller: Caller) -> Option<String> {
    let Error { region, endpoint, .. } = error;
    Some(match &service.code {
        _ if service.ec.as_deref() == Some(CLOUD_BOX) => format!(
            "{endpoint} belongs to a CloudBox, which requires signatures of its own. This provider does not \
             support buckets on a CloudBox. For a bucket of a region, remove `endpoint` from the provider and \
             set `region`."
        ),
        ErrorCode::AccessDenied
        | ErrorCode::PermanentRedirect
        | ErrorCode::TemporaryRedirect
        | ErrorCode::NonStandardHostForbidden
            if let Some(right) = &service.endpoint =>
        {
            wrong_endpoint(right, error, caller)
        }
        ErrorCode::PermanentRedirect | ErrorCode::TemporaryRedirect => {
            wrong_region(endpoint, caller)
        }
        ErrorCode::AccessDenied if service.message.contains("specified endpoint") => {
            wrong_region(endpoint, caller)
        }
        ErrorCode::NonStandardHostForbidden => wrong_host(endpoint),
        ErrorCode::SignatureDoesNotMatch if error.address_style == AddressStyle::Cname => {
            wrong_custom_domain(error)
        }
        ErrorCode::InvalidArgument if is_signing_region_error(service) => {
            wrong_signing_region(region, endpoint, caller)
        }
        ErrorCode::SecondLevelDomainForbidden => {
            "Public OSS endpoints accept only virtual-hosted-style \
             requests. Remove `address_style = \"path\"` from the provider."
                .to_owned()
        }
        _ => return None,
    })
}

/// The request was signed for another region than that of the endpoint.
fn wrong_signing_region(region: &str, endpoint: &str, caller: Caller) -> String {
    let parsed = Endpoint::parse(endpoint).ok();
    let without_bucket = parsed.as_ref().and_then(|endpoint| Some(endpoint.split_bucket()?.1));
    let right = without_bucket.or(parsed).and_then(|endpoint| endpoint.region());
    match right.filter(|right| right.as_str() != region) {
        Some(right) => format!(
            "The request was signed for region {region:?}, but {endpoint} belongs to region {right}. Set \
             `region = \"{right}\"` {}.",
            match caller {
                Caller::Block(block) => format!("on this {block} or in the provider block"),
                Caller::Query | Caller::Scan => "in the provider block".to_owned(),
            },
        ),
        None => format!(
            "The request was signed for region {region:?}, but {endpoint} belongs to another region. Make \
             the provider's `region` and `endpoint` match{}.",
            match caller {
                Caller::Block(block) => format!(", or set `region` on this {block}"),
                Caller::Query | Caller::Scan => String::new(),
            },
        ),
    }
}

/// A custom domain contains no bucket: OSS verifies the signature for the bucket that it is bound to.
fn wrong_custom_domain(error: &Error) -> String {
    let (endpoint, bucket, origin) =
        (&error.endpoint, bucket_name(error), &error.credentials_origin);
    format!(
        "{endpoint} is a custom domain (`address_style = \"cname\"`), and a custom domain is bound to one \
         bucket. If it is not bound to {bucket}, manage {bucket} with another provider configuration \
         (`alias`) that has neither `endpoint` nor `address_style`. If it is, the AccessKey secret does not \
         match the AccessKey ID. Check {origin}."
    )
}

/// Whether the request was signed for a region other than that of the endpoint.
pub(super) fn is_signing_region_error(service: &ServiceError) -> bool {
    service.code == ErrorCode::InvalidArgument && service.message.contains("region")
}

/// The bucket is somewhere else, and OSS names the endpoint.
fn wrong_endpoint(right: &str, error: &Error, caller: Caller) -> String {
    let region = Endpoint::parse(right).ok().and_then(|endpoint| endpoint.region());
    let hint = match (region, caller) {
        // Some regions have several endpoints that serve different buckets.
        (Some(region), _) if region.as_str() == error.region => {
            format!("Set `endpoint = \"{right}\"` in the provider configuration of this bucket.")
        }
        (Some(region), Caller::Block(block)) => {
            format!("Set `region = \"{region}\"` on this {block}, or {CORRECT_PROVIDER}.")
        }
        (None, Caller::Block(block)) => format!(
            "Set `region` on this {block} to the region of the bucket, or {CORRECT_PROVIDER}."
        ),
        (_, Caller::Query | Caller::Scan) => CORRECT_PROVIDER.replacen('c', "C", 1) + ".",
    };
    format!(
        "The bucket must be accessed at {right}, but the request was sent to {}. {hint}",
        error.endpoint,
    )
}

/// The bucket is in another region, and OSS does not name it.
fn wrong_region(endpoint: &str, caller: Caller) -> String {
    let hint = match caller {
        Caller::Block(block) => format!(
            "Look up the bucket's region in the OSS console and set it as `region` on this {block}, or \
             {CORRECT_PROVIDER}."
        ),
        Caller::Query | Caller::Scan => CORRECT_PROVIDER.replacen('c', "C", 1) + ".",
    };
    format!(
        "The bucket is in another region, and OSS did not say which one; the request was sent to {endpoint}. \
         {hint}"
    )
}

/// OSS does not serve requests to this host.
fn wrong_host(endpoint: &str) -> String {
    format!(
        "OSS does not serve {endpoint}: it is neither an endpoint of a region nor a custom domain that is \
         bound to the bucket. For the endpoint of a region, set `region` and remove `endpoint` and \
         `address_style` from the provider, or unset the environment variables ALIBABA_CLOUD_ENDPOINT_OSS \
         and OSS_ENDPOINT. For a custom domain, bind it to the bucket in the OSS console and set \
         `address_style = \"cname\"`."
    )
}
