//! Injected faults: which requests they apply to, how often, and in which order.
//!
//! A fault only applies to requests with a valid signature or token and a known operation, so it
//! never hides a client's mistake.

mod action;
mod json;
mod queue;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Deserialize;

pub(super) use action::Action;
use action::{Conflicts, RandomFaults, Throttle};
use json::FaultSpec;
pub(super) use queue::{Faults, Target};

/// A fault to inject: what happens, to which requests, and how often (once, unless
/// [`times`](Self::times) or [`forever`](Self::forever) say otherwise).
///
/// ```
/// use oss_emulator::Fault;
///
/// let throttled =
///     Fault::error_response(503, "MetaOperationQpsLimitExceeded").method("PUT").times(2);
/// let lost_response = Fault::reset_after().bucket("demo");
/// # let _ = (throttled, lost_response);
/// ```
///
/// In JSON, as `POST /-/faults` takes it, a fault is an object with an `action`, the fields of that
/// action, and optionally `method`, `bucket`, `operation`, `algorithm` and `times` (a number or
/// `"forever"`):
///
/// | `action` | fields |
/// |---|---|
/// | `error_response` | `status`, `code`; optional: `message`, `retry_after`, `endpoint`, `ec` |
/// | `raw_response` | optional: `status`, `content_type`, `body` |
/// | `reset_before`, `reset_after`, `truncate_body`, `expired_token` | none |
/// | `delay` | `milliseconds` |
/// | `stale_reads` | `reads` |
/// | `throttle` | `per_second` |
/// | `conflicts` | `milliseconds` |
/// | `random` | `percent`; optional: `seed` |
///
/// ```
/// use oss_emulator::Fault;
///
/// let fault =
///     r#"{"action": "error_response", "status": 503, "code": "ServiceUnavailable", "times": 2}"#;
/// assert_eq!(
///     serde_json::from_str::<Fault>(fault).unwrap(),
///     Fault::error_response(503, "ServiceUnavailable").times(2)
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FaultSpec")]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    action: Action,
    method: Option<String>,
    bucket: Option<String>,
    operation: Option<String>,
    algorithm: Option<String>,
    /// How often it still applies; `None` means forever.
    remaining: Option<u32>,
}

impl Fault {
    /// Returns an error response and does not execute the operation. The body has the format of the
    /// service's errors: XML for OSS, JSON for STS.
    pub fn error_response(status: u16, code: &str) -> Self {
        let message = "This error was injected into the emulator.".to_owned();
        let code = code.to_owned();
        Self::new(Action::ErrorResponse {
            status,
            code,
            message,
            retry_after: None,
            endpoint: None,
            ec: None,
        })
    }

    /// Returns any body, without OSS's headers, as a proxy might, and does not execute the
    /// operation. The status is 200 unless [`status`](Self::status) sets another one.
    pub fn raw_response(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self::new(Action::RawResponse { status: 200, content_type, body: body.into() })
    }

    /// Resets the connection and does not execute the operation.
    pub fn reset_before() -> Self {
        Self::new(Action::ResetBefore)
    }

    /// Executes the operation, and resets the connection instead of sending the response.
    pub fn reset_after() -> Self {
        Self::new(Action::ResetAfter)
    }

    /// Executes the operation, and closes the connection in the middle of the response body. A
    /// response without a body announces one byte and sends none, except a 204, which is sent
    /// complete because it cannot announce a length.
    pub fn truncate_body() -> Self {
        Self::new(Action::TruncateBody)
    }

    /// Executes the operation at once, and delays the response.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Action::Delay(delay))
    }

    /// Executes the next write, but lets this many reads of its bucket return the previous rule.
    pub fn stale_reads(reads: u32) -> Self {
        Self::new(Action::StaleReads(reads))
    }

    /// Serves this many requests a second and returns 503 `MetaOperationQpsLimitExceeded` for all
    /// others, as OSS does for bucket operations, until the faults are cleared.
    pub fn throttle(per_second: u32) -> Self {
        let throttle = Throttle::new(per_second);
        Self::new(Action::Throttle(throttle)).forever()
    }

    /// Returns 409 `ConcurrentUpdateBucketFailed` for a write to a bucket within this window after the
    /// previous one, as OSS does when several settings of a bucket are changed at once, until the faults
    /// are cleared.
    pub fn conflicts(window: Duration) -> Self {
        Self::new(Action::Conflicts(Conflicts::new(window))).forever()
    }

    /// Lets this percentage of requests fail at random, until the faults are cleared: with status
    /// 500 or 503, throttling, a connection reset before or after the change, a truncated body, a
    /// delay, or stale reads of what the request wrote.
    pub fn random(seed: u64, percent: u8) -> Self {
        Self::new(Action::Random(RandomFaults::new(seed, percent))).forever()
    }

    /// Returns 403 `SecurityTokenExpired` for the next request, whatever its credentials are.
    pub fn expired_token() -> Self {
        Self::error_response(403, "SecurityTokenExpired")
    }

    /// Applies only to requests with this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Applies only to requests for this bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    /// Applies only to this operation, named as in
    /// [`RecordedRequest::operation`](super::RecordedRequest::operation). Without this filter a
    /// fault applies to OSS operations only, not to requests for credentials.
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Applies only to requests that set a rule with this `SSEAlgorithm`.
    pub fn algorithm(mut self, algorithm: &str) -> Self {
        self.algorithm = Some(algorithm.to_owned());
        self
    }

    /// Applies to this many requests; 0 means none.
    pub fn times(mut self, times: u32) -> Self {
        self.remaining = Some(times);
        self
    }

    /// Applies to every request until the faults are cleared.
    pub fn forever(mut self) -> Self {
        self.remaining = None;
        self
    }

    /// Sets the message of an error response.
    pub fn message(mut self, text: &str) -> Self {
        if let Action::ErrorResponse { message, .. } = &mut self.action {
            text.clone_into(message);
        }
        self
    }

    /// Sets the `Endpoint` element of an error response: the endpoint of the bucket's region.
    pub fn endpoint(mut self, host: &str) -> Self {
        if let Action::ErrorResponse { endpoint, .. } = &mut self.action {
            *endpoint = Some(host.to_owned());
        }
        self
    }

    /// Sets the `EC` element and header of an error response of OSS.
    pub fn ec(mut self, value: &str) -> Self {
        if let Action::ErrorResponse { ec, .. } = &mut self.action {
            *ec = Some(value.to_owned());
        }
        self
    }

    /// Sets the `Retry-After` header of an error response, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.retry_after_text(&seconds.to_string())
    }

    /// Sets the `Retry-After` header of an error response to any text, such as an HTTP date.
    pub fn retry_after_text(mut self, value: &str) -> Self {
        if let Action::ErrorResponse { retry_after, .. } = &mut self.action {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// Sets the status of a [`raw_response`](Self::raw_response).
    pub fn status(mut self, code: u16) -> Self {
        if let Action::RawResponse { status, .. } = &mut self.action {
            *status = code;
        }
        self
    }

    fn new(action: Action) -> Self {
        Self {
            action,
            method: None,
            bucket: None,
            operation: None,
            algorithm: None,
            remaining: Some(1),
        }
    }

    fn applies(&self, target: &Target<'_>) -> bool {
        let matches =
            |wanted: &Option<String>, found| wanted.is_none() || wanted.as_deref() == found;
        let is_write_only = matches!(self.action, Action::StaleReads(_) | Action::Conflicts(_));
        matches(&self.method, Some(target.method))
            && matches(&self.bucket, target.bucket)
            && matches(&self.operation, Some(target.operation))
            && matches(&self.algorithm, target.algorithm)
            && (self.operation.is_some() || target.is_oss)
            && (!is_write_only || target.writes_encryption)
            && self.remaining != Some(0)
    }
}
