//! A refresh that has failed so far: when the next attempt may be made, and the result for callers until
//! then. Pure.

use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use crate::oss::credentials::{CredentialsError, CredentialsErrorKind};
use crate::oss::retry::{RetryDecision, RetryPolicy, RetryState};

/// The time from a failed refresh to the next one, during which the cached credentials are used, or, if there
/// are none, calls return the same error.
pub(super) const REFRESH_RETRY_DELAY: Duration = Duration::seconds(30);

/// Why there are no credentials for a call.
#[derive(Debug)]
pub(in crate::oss) enum GetError {
    /// The source failed for good.
    Failed(CredentialsError),
    /// The next attempt would be after the call's deadline.
    TooLate {
        /// Why the last attempt failed.
        last: CredentialsError,
        /// When the next attempt is due.
        resume: Instant,
    },
}

/// The failed attempts of a refresh.
#[derive(Debug, Clone)]
pub(super) struct FailedRefresh {
    retries: RetryState,
    /// Why the last attempt failed.
    pub(super) error: CredentialsError,
    delay: Delay,
}

/// When the next attempt may be made.
#[derive(Debug, Clone, Copy)]
enum Delay {
    /// The next attempt of the refresh is due at this time.
    Backoff(Instant),
    /// The refresh has failed for good: every call fails in this time.
    Final { from: OffsetDateTime, until: OffsetDateTime },
}

/// The next step of a caller without credentials.
#[derive(Debug)]
pub(super) enum Next {
    /// Sends a request to the source.
    Attempt,
    /// Waits until this time, then sends a request to the source.
    Wait(Instant),
    /// Fails.
    Fail(GetError),
}

impl FailedRefresh {
    /// The state after an attempt failed. `retries` is from [`begin`](Self::begin).
    pub(super) fn new(
        error: CredentialsError,
        mut retries: RetryState,
        policy: &RetryPolicy,
        jitter: f64,
        now: Instant,
        time: OffsetDateTime,
    ) -> Self {
        retries.record_failure(&error.kind);
        // The clock was corrected within the attempt.
        retries.is_clock_corrected = true;
        let delay = match policy.decide(retries, &error.kind, jitter) {
            RetryDecision::Retry(delay) => Delay::Backoff(now + delay),
            _ => Delay::Final { from: time, until: time.saturating_add(REFRESH_RETRY_DELAY) },
        };
        Self { retries, error, delay }
    }

    /// Whether there will be no next attempt.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.delay, Delay::Final { .. })
    }

    /// When the next attempt is due, if there is one.
    pub(super) fn resume(&self) -> Option<Instant> {
        match self.delay {
            Delay::Backoff(resume) => Some(resume),
            Delay::Final { .. } => None,
        }
    }

    /// Counts an attempt before it is made, since its caller may be cancelled during it. Returns the count without
    /// it.
    ///
    /// The last attempt of the policy is left to a caller that sees its end.
    pub(super) fn begin(
        failed: &mut Option<Self>,
        policy: &RetryPolicy,
        origin: &str,
        now: Instant,
    ) -> RetryState {
        let retries = failed.as_ref().map(|failed| failed.retries).unwrap_or_default();
        let mut abandoned = retries;
        if abandoned.failed_attempts + 1 < policy.max_attempts {
            abandoned.failed_attempts += 1;
        }
        let error = match failed.take() {
            Some(failed) => failed.error,
            None => {
                CredentialsError { origin: origin.to_owned(), kind: CredentialsErrorKind::Timeout }
            }
        };
        *failed = Some(Self { retries: abandoned, error, delay: Delay::Backoff(now) });
        retries
    }

    /// Returns the next step of a caller with this deadline. A refresh that failed long ago is forgotten.
    pub(super) fn next(
        failed: &mut Option<Self>,
        now: Instant,
        time: OffsetDateTime,
        deadline: Instant,
    ) -> Next {
        let Some(state) = failed else { return Next::Attempt };
        match state.delay {
            // A clock that was set back does not make it last longer.
            Delay::Final { from, until } if from <= time && time < until => {
                Next::Fail(GetError::Failed(state.error.clone()))
            }
            Delay::Backoff(resume) if now < resume && resume >= deadline => {
                Next::Fail(GetError::TooLate { last: state.error.clone(), resume })
            }
            Delay::Backoff(resume) if now < resume => Next::Wait(resume),
            // No caller continued it.
            Delay::Backoff(resume) if now - resume > REFRESH_RETRY_DELAY.unsigned_abs() => {
                *failed = None;
                Next::Attempt
            }
            Delay::Backoff(_) => Next::Attempt,
            Delay::Final { .. } => {
                *failed = None;
                Next::Attempt
            }
        }
    }
}
