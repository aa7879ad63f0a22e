//! What a failed call means to the user, and what to do next: one diagnostic an error.
//!
//! The detail is what was attempted, what was returned, what that means and what to do, a paragraph each;
//! advice about a timeout comes last. `service` explains the error codes of OSS, `address` those that depend
//! on where a request was sent, `import` failed imports, `credentials` the credential sources and STS,
//! `transport` calls without a complete response. Pure.

mod address;
mod credentials;
mod import;
mod service;
mod transport;

use std::time::Duration;

use crate::oss::credentials::{CredentialsErrorKind, InsecureProfile};
use crate::oss::{BucketName, Error, ErrorKind, Operation, ScanError, TransportError};
use crate::tfplugin::{Diagnostic, join_names};
pub(super) use import::import_error;

/// What sent the request. It decides which arguments the user can set.
#[derive(Clone, Copy)]
enum Caller {
    /// A resource or a data source, with arguments for the bucket and a `timeouts` block.
    Block(&'static str),
    /// An import or a list query: requests for many buckets, each with a timeout of its own.
    Query,
    /// The data source of the account: the same, with a timeout for all.
    Scan,
}

const RESOURCE: Caller = Caller::Block("resource");
const DATA_SOURCE: Caller = Caller::Block("data source");

/// Explains a failed call of a resource.
pub(super) fn call_error(error: &Error) -> Diagnostic {
    explain(error, RESOURCE)
}

/// Explains a failed call of a list query.
fn list_error(error: &Error) -> Diagnostic {
    explain(error, Caller::Query)
}

/// Explains a failed call of a data source.
pub(super) fn data_source_error(error: &Error) -> Diagnostic {
    explain(error, DATA_SOURCE)
}

/// Explains why a scan of the account ended, after this number of buckets.
pub(super) fn scan_failed(error: &Error, buckets: usize) -> Diagnostic {
    // The failed bucket is not one that the configuration names.
    let diagnostic = Diagnostic { attribute: None, ..explain(error, Caller::Scan) };
    match error.kind {
        ErrorKind::Cancelled => scan_cancelled(buckets),
        ErrorKind::DeadlineExceeded { .. } => {
            Diagnostic { summary: SCAN_FAILED.to_owned(), ..diagnostic }
                .with_paragraph(&format!("At least {buckets} buckets were read before that."))
        }
        _ => diagnostic,
    }
}

/// Explains why a list query ended, after this number of buckets.
pub(super) fn list_failed(error: &Error, buckets: usize) -> Diagnostic {
    match error.kind {
        ErrorKind::Cancelled => scan_cancelled(buckets),
        _ => list_error(error),
    }
}

const SCAN_FAILED: &str = "Cannot read the encryption of all buckets";

/// The user cancelled it: the bucket of the request that was cancelled does not matter.
fn scan_cancelled(buckets: usize) -> Diagnostic {
    let plural = if buckets == 1 { "" } else { "s" };
    let detail = format!(
        "Reading was cancelled after {buckets} bucket{plural}. Run Terraform again to read all of them."
    );
    Diagnostic::error(SCAN_FAILED, detail)
}

/// Why one bucket of a scan could not be read, in paragraphs.
pub(super) fn scan_error(error: &ScanError) -> String {
    match error {
        ScanError::Call(error) => list_error(error).detail,
        ScanError::RegionUnresponsive => {
            "No request was sent, because its region did not respond to an \
             earlier one; see the first message about that region."
                .to_owned()
        }
        ScanError::InvalidName(error) => {
            format!("Its name {error}. This provider cannot manage buckets with such names.")
        }
    }
}

/// The same in one paragraph without request IDs, for a value that should not differ in each run.
pub(super) fn scan_error_without_ids(error: &ScanError) -> String {
    let ScanError::Call(call) = error else { return scan_error(error) };
    match call.service_error() {
        Some(service) => {
            let code = format!("OSS returned {} {}.", service.status, service.code);
            let advice = service::explain(call, service, Caller::Query).advice;
            [code, advice].join(" ").trim_end().to_owned()
        }
        None => without_service_error(call).join(" "),
    }
}

impl Caller {
    /// What to do if the timeout passed.
    fn timeout_advice(self, error: &Error) -> String {
        match (self, error.retry_after().zip(error.needed_timeout)) {
            (Self::Block(owner), None) => format!(
                "There is no time left for another attempt. Set a longer timeout in the {owner}'s `timeouts` \
                 block."
            ),
            (Self::Scan, None) => "There is no time left. Set a longer timeout in the data source's `timeouts` block, or \
                 select fewer buckets with `prefix` or `region`."
                .to_owned(),
            (Self::Query, None) => {
                "There is no time left for another attempt: each request of an import, a list query or \
                 `oss_bucket_encryptions` may take one minute."
                    .to_owned()
            }
            (Self::Scan, Some(_)) => DATA_SOURCE.timeout_advice(error),
            (Self::Block(owner), Some((delay, needed))) => format!(
                "{} asked to wait {} seconds before the next attempt, but the timeout of this operation ends \
                 before that. Run again later, or set the timeout to `{}m` or longer in the {owner}'s \
                 `timeouts` block.",
                server_name(error),
                delay.as_secs(),
                minutes(needed),
            ),
            (Self::Query, Some((delay, _))) => format!(
                "{} asked to wait {} seconds before the next attempt, but each request of an import, a list \
                 query or `oss_bucket_encryptions` may take one minute. Run again later.",
                server_name(error),
                delay.as_secs(),
            ),
        }
    }
}

/// The server whose response was the last.
fn server_name(error: &Error) -> &str {
    match &error.kind {
        ErrorKind::DeadlineExceeded { last: Some(last) } => match last.as_ref() {
            ErrorKind::Credentials(error) => error.kind.server(),
            _ => "OSS",
        },
        _ => "OSS",
    }
}

/// The whole minutes of a timeout that leaves time for a request after a delay ends.
fn minutes(needed: Duration) -> u64 {
    const REQUEST: u64 = 15;
    needed.as_secs().saturating_add(REQUEST).div_ceil(60)
}

fn explain(error: &Error, caller: Caller) -> Diagnostic {
    let bucket = bucket_name(error);
    let summary = match error.operation {
        Operation::PutBucketEncryption => format!("Cannot set the encryption of bucket {bucket}"),
        Operation::GetBucketEncryption => format!("Cannot read the encryption of bucket {bucket}"),
        Operation::DeleteBucketEncryption => {
            format!("Cannot remove the encryption of bucket {bucket}")
        }
        Operation::ListBuckets => "Cannot list buckets".to_owned(),
    };
    let (mut paragraphs, attribute) = match error.service_error() {
        Some(service) => {
            let explanation = service::explain(error, service, caller);
            let mut paragraphs = vec![service::response_line(error, service), explanation.advice];
            paragraphs.extend(service::recommended_page(service));
            (paragraphs, explanation.attribute)
        }
        None => (without_service_error(error), None),
    };
    if matches!(error.kind, ErrorKind::DeadlineExceeded { .. }) {
        paragraphs.push(caller.timeout_advice(error));
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    let diagnostic = Diagnostic::error(summary, paragraphs.join("\n\n"));
    match attribute {
        Some(attribute) => diagnostic.with_attribute(attribute),
        None => diagnostic,
    }
}

/// The bucket's name; empty for calls on the account.
fn bucket_name(error: &Error) -> &str {
    error.bucket.as_ref().map(BucketName::as_str).unwrap_or_default()
}

/// Explains an error other than one that OSS returned.
fn without_service_error(error: &Error) -> Vec<String> {
    let Error { operation, endpoint, attempts, .. } = error;
    match &error.kind {
        // Explained by its code, see `service`.
        ErrorKind::Service(service) => vec![service.to_string()],
        ErrorKind::Transport(cause) => vec![
            format!("{operation} to {endpoint} failed{}: {cause}.", attempts_suffix(*attempts)),
            transport_advice(error, cause),
        ],
        ErrorKind::UnexpectedResponse(reason) => vec![
            format!("{operation} returned a success status, but {reason}."),
            transport::not_oss_advice(endpoint),
        ],
        ErrorKind::NoCredentials => not_configured(*operation, credentials::no_credentials(None)),
        ErrorKind::Credentials(cause) | ErrorKind::RegionFromProfile(cause)
            if matches!(cause.kind, CredentialsErrorKind::NotConfigured { .. }) =>
        {
            not_configured(*operation, credentials::advice(&cause.kind, None))
        }
        ErrorKind::Credentials(cause) => vec![
            format!("Could not get credentials for {operation} from {}.", cause.origin),
            credentials::reason(&cause.kind),
            credentials::advice(&cause.kind, error.clock_skew_seconds),
        ],
        ErrorKind::NoRegion => vec![
            format!("{operation} must be signed for a region, and none is configured."),
            "Set `region` on the resource or in the provider block, or set the environment variable \
             ALIBABA_CLOUD_REGION."
                .to_owned(),
        ],
        ErrorKind::RegionFromProfile(cause) => vec![
            format!(
                "{operation} must be signed for a region, and none could be read from {}.",
                cause.origin,
            ),
            credentials::reason(&cause.kind),
            format!(
                "{} Alternatively, set `region` in the provider block or the environment variable \
                 ALIBABA_CLOUD_REGION.",
                credentials::advice(&cause.kind, None),
            ),
        ],
        ErrorKind::EndpointContainsBucket { endpoint } => vec![
            format!(
                "No request was sent. The provider's `endpoint` already contains the bucket, which is added \
                 to it: requests would go to {}.",
                error.endpoint,
            ),
            format!(
                "Write `endpoint = \"{}\"` in the provider configuration.",
                endpoint.to_config(),
            ),
        ],
        ErrorKind::EndpointOfOtherBucket { bucket } => vec![
            format!(
                "No request was sent. The provider's `endpoint` {endpoint} is the host of bucket {bucket} \
                 (`address_style = \"cname\"`).",
            ),
            format!(
                "Manage {} with another provider configuration (`alias`) that has neither `endpoint` nor \
                 `address_style`.",
                bucket_name(error),
            ),
        ],
        ErrorKind::DeadlineExceeded { last } => deadline_exceeded(error, last.as_deref()),
        ErrorKind::Cancelled => vec![
            format!("{operation} was cancelled before OSS responded."),
            "Run Terraform again to complete the operation.".to_owned(),
        ],
    }
}

fn transport_advice(error: &Error, cause: &TransportError) -> String {
    let bucket = bucket_name(error);
    match cause {
        TransportError::InvalidRequest(_) if bucket.starts_with("xn--") => {
            transport::PUNYCODE_BUCKET_ADVICE.to_owned()
        }
        TransportError::Connect(_) if has_bucket_twice(error) => format!(
            "The host contains the bucket twice. The provider adds the bucket to `endpoint`: remove \
             `{bucket}.` from it.",
        ),
        _ => transport::advice(cause, &error.endpoint),
    }
}

fn deadline_exceeded(error: &Error, last: Option<&ErrorKind>) -> Vec<String> {
    let Error { operation, endpoint, .. } = error;
    let mut paragraphs = vec![format!("{operation} to {endpoint} timed out.")];
    if let Some(last) = last {
        paragraphs.push(format!("Last error: {last}."));
    }
    match last {
        Some(ErrorKind::Transport(cause)) => paragraphs.push(transport::advice(cause, endpoint)),
        Some(ErrorKind::Credentials(cause)) => {
            paragraphs.push(credentials::advice(&cause.kind, error.clock_skew_seconds));
        }
        _ => {}
    }
    paragraphs
}

/// Whether the configured endpoint may contain the bucket already.
fn has_bucket_twice(error: &Error) -> bool {
    let bucket = bucket_name(error);
    !bucket.is_empty() && error.endpoint.contains(&format!("//{bucket}.{bucket}."))
}

/// The advice begins with what is only partly configured: the user wants to use that.
fn not_configured(operation: Operation, advice: String) -> Vec<String> {
    vec![format!("{operation} needs credentials, and none are configured."), advice]
}

/// How many attempts failed, from two on.
fn attempts_suffix(attempts: u32) -> String {
    if attempts < 2 { String::new() } else { format!(" after {attempts} attempts") }
}

/// The difference that OSS and STS allow.
const MAX_CLOCK_SKEW: Duration = Duration::from_mins(15);

/// How far the clock is off, and what to do about it.
fn clock_skew(skew_seconds: Option<i64>, server: &str) -> String {
    let difference = match skew_seconds {
        Some(seconds) if seconds.unsigned_abs() > MAX_CLOCK_SKEW.as_secs() => {
            let side = if seconds > 0 { "behind" } else { "ahead of" };
            let (minutes, seconds) = (seconds.unsigned_abs() / 60, seconds.unsigned_abs() % 60);
            let (hours, minutes) = (minutes / 60, minutes % 60);
            format!("is {hours} h {minutes} min {seconds} s {side} {server}")
        }
        // A smaller difference, even if one was measured, contradicts the response.
        _ => format!("differs too much from that of {server}"),
    };
    format!(
        "This machine's clock {difference}; at most 15 minutes are allowed. Synchronize it (for example \
         with NTP) and run again."
    )
}

/// Explains that a call is needed while the provider configuration is still unknown.
pub(super) fn unknown_configuration(arguments: &[String]) -> Diagnostic {
    let names: Vec<String> = arguments.iter().map(|name| format!("`{name}`")).collect();
    let (depend, their) = if names.len() == 1 { ("depends", "its") } else { ("depend", "their") };
    let names = join_names(&names, "and");
    Diagnostic::error(
        "Unknown provider configuration",
        format!(
            "The provider's {names} {depend} on values that are known only after apply, but an existing \
             bucket must be read now. Apply {their} dependencies first, for example with `terraform \
             apply -target=…`, or use known values.",
        ),
    )
}

/// Warns about a profile whose credentials travel without TLS.
pub(super) fn insecure_profile(insecure: &InsecureProfile) -> Diagnostic {
    let InsecureProfile { profile, host } = insecure;
    Diagnostic::warning(
        "Unencrypted credentials",
        format!(
            "Credentials from {host} ({profile}) are sent without TLS and can be read in transit. Use https://."
        ),
    )
}

#[cfg(test)]
mod tests;
