//! What a fault does to a request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Fault, Target};
use crate::error::ServiceError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    ErrorResponse {
        status: u16,
        code: String,
        message: String,
        retry_after: Option<String>,
        endpoint: Option<String>,
        ec: Option<String>,
    },
    RawResponse {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
    ResetBefore,
    ResetAfter,
    TruncateBody,
    Delay(Duration),
    StaleReads(u32),
    Throttle(Throttle),
    Conflicts(Conflicts),
    Random(RandomFaults),
}

/// Random faults, the same for the same seed and order of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RandomFaults {
    random: fastrand::Rng,
    percent: u8,
}

impl RandomFaults {
    pub(super) fn new(seed: u64, percent: u8) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), percent }
    }

    /// The fault for the next request, if any.
    fn pick(&mut self, target: &Target<'_>) -> Option<Action> {
        if self.random.u8(0..100) >= self.percent {
            return None;
        }
        let error = |status, code: &str| Fault::error_response(status, code).action;
        Some(match self.random.u8(0..8) {
            0 => error(500, "InternalError"),
            1 => error(503, "ServiceUnavailable"),
            2 => error(503, "MetaOperationQpsLimitExceeded"),
            3 => Action::ResetBefore,
            4 => Action::ResetAfter,
            5 => Action::TruncateBody,
            6 if target.writes_encryption => Action::StaleReads(2),
            _ => Action::Delay(Duration::from_millis(20)),
        })
    }
}

/// A limit on the requests that are served in one second of the server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Throttle {
    per_second: u32,
    /// The current second, as a Unix timestamp.
    second: i64,
    served: u32,
}

impl Throttle {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, second: i64::MIN, served: 0 }
    }

    /// Whether one more request is within the limit; counts it if so.
    fn admits(&mut self, now: OffsetDateTime) -> bool {
        let second = now.unix_timestamp();
        if second != self.second {
            (self.second, self.served) = (second, 0);
        }
        let is_admitted = self.served < self.per_second;
        self.served += u32::from(is_admitted);
        is_admitted
    }
}

/// Changes to a bucket within a window after another one are rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflicts {
    window: Duration,
    /// When each bucket was changed last.
    changed: BTreeMap<String, OffsetDateTime>,
}

impl Conflicts {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, changed: BTreeMap::new() }
    }

    /// Whether the bucket may be changed now; remembers the change if so.
    fn admits(&mut self, bucket: &str, now: OffsetDateTime) -> bool {
        let is_admitted =
            self.changed.get(bucket).is_none_or(|changed| now - *changed >= self.window);
        if is_admitted {
            self.changed.insert(bucket.to_owned(), now);
        }
        is_admitted
    }
}

impl Action {
    /// The action for this request; `None` if it passes.
    pub(super) fn act(&mut self, target: &Target<'_>, now: OffsetDateTime) -> Option<Self> {
        match self {
            Self::Throttle(throttle) => (!throttle.admits(now)).then(|| self.clone()),
            Self::Conflicts(conflicts) => {
                let bucket = target.bucket.unwrap_or_default();
                (!conflicts.admits(bucket, now)).then(|| {
                    let message =
                        "Concurrent update bucket detected, please cooldown and retry later.";
                    let fault = Fault::error_response(409, "ConcurrentUpdateBucketFailed");
                    fault.message(message).action
                })
            }
            Self::Random(faults) => faults.pick(target),
            action => Some(action.clone()),
        }
    }

    /// The error that is returned instead of executing the operation, if this action is one.
    pub(crate) fn error(&self) -> Option<ServiceError> {
        let (status, code, message, retry_after, endpoint, ec) = match self {
            Self::ErrorResponse { status, code, message, retry_after, endpoint, ec } => {
                (status, code, message, retry_after, endpoint, ec)
            }
            Self::Throttle(_) => {
                let message = "Qps limit for the meta operation is exceeded.";
                return Some(ServiceError::new(503, "MetaOperationQpsLimitExceeded", message));
            }
            _ => return None,
        };
        let message = Cow::Owned(message.clone());
        let error = ServiceError::new(*status, code.clone(), message);
        let mut error = error.retry_after(retry_after.clone());
        if let Some(ec) = ec {
            error = error.ec(ec.clone());
        }
        Some(match endpoint {
            Some(endpoint) => error.detail("Endpoint", endpoint),
            None => error,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorResponse { status, code, .. } => {
                write!(formatter, "error response {status} {code}")
            }
            Self::RawResponse { status, .. } => write!(formatter, "raw response {status}"),
            Self::ResetBefore => formatter.write_str("reset before the change"),
            Self::ResetAfter => formatter.write_str("reset after the change"),
            Self::TruncateBody => formatter.write_str("truncated body"),
            Self::Delay(delay) => write!(formatter, "delay {delay:?}"),
            Self::StaleReads(reads) => write!(formatter, "{reads} stale reads"),
            Self::Conflicts(conflicts) => {
                write!(formatter, "one change of a bucket in {:?}", conflicts.window)
            }
            Self::Random(faults) => write!(formatter, "{}% random faults", faults.percent),
            Self::Throttle(throttle) => {
                write!(formatter, "throttled to {} requests/s", throttle.per_second)
            }
        }
    }
}
