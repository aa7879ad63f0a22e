//! Whether, how, and after which delay a failed attempt is retried: a pure decision.
//!
//! Every call of this client is idempotent, so every transient error is retried. The conditions extend those of
//! the V2 SDKs (5xx, 408, 429, `BadRequest`, transport errors); the backoff is exponential with full jitter. A wrong
//! clock is corrected and expired credentials are refreshed: once each, and without a delay.

use std::time::Duration;

use time::OffsetDateTime;

use super::credentials::CredentialsErrorKind;
use super::error::ErrorKind;
use super::error_code::ErrorCode;
use super::transport_error::TransportError;

/// What a server may ask to wait: longer than any deadline, and far from where times overflow.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(365 * 24);

/// Limits of the retries of a call, in addition to its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included. Conflicts with other changes to the bucket do not count: they
    /// are retried until the deadline.
    pub max_attempts: u32,
    /// Maximum number of consecutive attempts without a connection: a wrong endpoint should fail soon.
    pub max_connect_attempts: u32,
    /// Upper bound of the first delay. It doubles with every attempt.
    pub initial_backoff: Duration,
    /// Upper bound of every delay, unless `Retry-After` is longer.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 12,
            max_connect_attempts: 6,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(20),
        }
    }
}

/// Earlier attempts of the same call, or of the same refresh of the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RetryState {
    /// Number of failed attempts, except those after which the clock or the credentials were replaced.
    pub(super) failed_attempts: u32,
    /// How many of the last ones in a row had no connection.
    pub(super) connect_failures: u32,
    /// The attempts that OSS rejected because of another change to the bucket. They do not count as failed.
    pub(super) conflicts: u32,
    /// The clock was corrected.
    pub(super) is_clock_corrected: bool,
    /// The credentials were replaced.
    pub(super) are_credentials_refreshed: bool,
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Retry after this delay.
    Retry(Duration),
    /// Use the server's time and retry.
    CorrectClock(OffsetDateTime),
    /// Get other credentials and retry.
    RefreshCredentials,
    /// The error is final, or no attempt is left.
    GiveUp,
}

/// What an error means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    class: FailureClass,
    /// The server's time, if the failure is that the machine's clock is too far off.
    server_time: Option<OffsetDateTime>,
    /// The delay from `Retry-After`.
    retry_after: Option<Duration>,
}

/// Whether the same request may succeed later, and what that depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureClass {
    Final,
    Transient,
    /// No connection was established.
    Unconnected,
    /// Another change to the bucket is in progress.
    Conflict,
    /// OSS considers the session of the credentials expired.
    TokenRejected,
}

impl From<FailureClass> for Failure {
    fn from(class: FailureClass) -> Self {
        Self { class, server_time: None, retry_after: None }
    }
}

impl From<&TransportError> for FailureClass {
    fn from(error: &TransportError) -> Self {
        match error {
            error if error.is_connect() => Self::Unconnected,
            error if error.is_transient() => Self::Transient,
            _ => Self::Final,
        }
    }
}

impl From<&ErrorKind> for Failure {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::Service(service) => {
                let code = &service.code;
                let class = if code.is_conflict() {
                    FailureClass::Conflict
                } else if code.is_token_rejected() {
                    FailureClass::TokenRejected
                } else if code.is_transient() || is_transient_status(service.status) {
                    FailureClass::Transient
                } else {
                    FailureClass::Final
                };
                let is_skewed = *code == ErrorCode::RequestTimeTooSkewed;
                let server_time = service.server_time.filter(|_| is_skewed);
                Self { class, server_time, retry_after: service.retry_after }
            }
            ErrorKind::Transport(error) => FailureClass::from(error).into(),
            // Credentials included: refreshing them was retried for all callers, see `CredentialsCache`.
            _ => FailureClass::Final.into(),
        }
    }
}

impl From<&CredentialsErrorKind> for Failure {
    fn from(kind: &CredentialsErrorKind) -> Self {
        match kind {
            CredentialsErrorKind::Service(service) => {
                let is_transient =
                    is_transient_status(service.status) || service.code.starts_with("Throttling");
                Self {
                    class: if is_transient { FailureClass::Transient } else { FailureClass::Final },
                    server_time: kind.server_time_for_skew(),
                    retry_after: service.retry_after,
                }
            }
            CredentialsErrorKind::Transport { error, .. } => FailureClass::from(error).into(),
            _ => FailureClass::Final.into(),
        }
    }
}

fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

impl RetryState {
    /// Counts an attempt that failed.
    pub(super) fn record_failure(&mut self, failure: impl Into<Failure>) {
        let failure = failure.into();
        match failure.class {
            FailureClass::Conflict => {
                self.conflicts += 1;
                return;
            }
            FailureClass::Unconnected => self.connect_failures += 1,
            _ => self.connect_failures = 0,
        }
        self.failed_attempts += 1;
    }

    /// Does not count the last failure, because its cause was corrected.
    pub(super) fn uncount_failure(&mut self) {
        self.failed_attempts = self.failed_attempts.saturating_sub(1);
    }
}

impl RetryPolicy {
    /// A policy of this many attempts after the first one.
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_attempts = max_retries.saturating_add(1);
        self.max_connect_attempts = self.max_connect_attempts.min(self.max_attempts);
        self
    }

    /// Decides after an attempt failed, which is recorded in `state`. `jitter` is a random number in
    /// `0.0..1.0`.
    pub(super) fn decide(
        &self,
        state: RetryState,
        failure: impl Into<Failure>,
        jitter: f64,
    ) -> RetryDecision {
        let failure = failure.into();
        if let Some(server_time) = failure.server_time
            && !state.is_clock_corrected
        {
            return RetryDecision::CorrectClock(server_time);
        }
        if failure.class == FailureClass::TokenRejected && !state.are_credentials_refreshed {
            return RetryDecision::RefreshCredentials;
        }
        let is_used_up = state.failed_attempts >= self.max_attempts
            || state.connect_failures >= self.max_connect_attempts;
        let failures = match failure.class {
            // Only the deadline ends the attempts of a change that has to wait for another one.
            FailureClass::Conflict => state.conflicts,
            FailureClass::Transient | FailureClass::Unconnected if !is_used_up => {
                state.failed_attempts
            }
            _ => return RetryDecision::GiveUp,
        };
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let ceiling = self.initial_backoff.saturating_mul(doubled).min(self.max_backoff);
        let backoff = ceiling.mul_f64(jitter.clamp(0.0, 1.0));
        let requested = failure.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        RetryDecision::Retry(backoff.max(requested))
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::CredentialServiceError;
    use super::super::credentials::CredentialsError;
    use super::super::sanitize::ServerText;
    use super::super::service_error::ServiceError;
    use super::*;

    fn service(status: u16, code: &str, retry_after: Option<u64>) -> ErrorKind {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let header = |name: &str| {
            retry_after.filter(|_| name == "retry-after").map(|seconds| seconds.to_string())
        };
        ErrorKind::Service(Box::new(ServiceError::parse(status, header, body.as_bytes())))
    }

    fn service_error(status: u16, code: &'static str) -> CredentialServiceError {
        CredentialServiceError {
            host: String::new(),
            operation: "",
            status,
            code: code.into(),
            message: ServerText::default(),
            request_id: None,
            server_time: Some(OffsetDateTime::UNIX_EPOCH),
            retry_after: Some(Duration::from_secs(3)),
        }
    }

    fn service_kind(status: u16, code: &'static str) -> CredentialsErrorKind {
        CredentialsErrorKind::Service(Box::new(service_error(status, code)))
    }

    /// After so many attempts that all failed with `kind`.
    fn decide(attempts: u32, failure: impl Into<Failure>, jitter: f64) -> RetryDecision {
        let failure = failure.into();
        let mut retry_state = RetryState::default();
        (0..attempts).for_each(|_| retry_state.record_failure(failure));
        RetryPolicy::default().decide(retry_state, failure, jitter)
    }

    fn wait(attempt: u32, failure: impl Into<Failure>, jitter: f64) -> Option<Duration> {
        match decide(attempt, failure, jitter) {
            RetryDecision::Retry(wait) => Some(wait),
            RetryDecision::GiveUp => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn retries_transient_errors() {
        let text = ServerText::default;
        let cases = [
            (service(500, "InternalError", None), true),
            (service(503, "ServiceUnavailable", None), true),
            (service(503, "MetaOperationQpsLimitExceeded", None), true),
            (service(504, "GatewayTimeout", None), true),
            (service(599, "Unknown", None), true),
            (service(600, "Unknown", None), false),
            (service(499, "Unknown", None), false),
            (service(429, "Throttling", None), true),
            (service(408, "BadErrorResponse", None), true),
            (service(400, "RequestTimeout", None), true),
            (service(400, "BadRequest", None), true),
            (service(400, "InvalidArgument", None), false),
            (service(403, "AccessDenied", None), false),
            (service(403, "SignatureDoesNotMatch", None), false),
            (service(404, "NoSuchBucket", None), false),
            (service(301, "BadErrorResponse", None), false),
            (ErrorKind::Transport(TransportError::Connect(text())), true),
            (ErrorKind::Transport(TransportError::Proxy(text())), true),
            (ErrorKind::Transport(TransportError::Timeout(text())), true),
            (ErrorKind::Transport(TransportError::Interrupted(text())), true),
            (ErrorKind::Transport(TransportError::Tls(text())), false),
            (ErrorKind::Transport(TransportError::BodyTooLarge(1)), false),
            (ErrorKind::Transport(TransportError::InvalidProxy(text())), false),
            (ErrorKind::Transport(TransportError::ClientSetup(text())), false),
            (ErrorKind::Transport(TransportError::InvalidRequest(text())), false),
            (ErrorKind::UnexpectedResponse(text()), false),
            (ErrorKind::NoCredentials, false),
            (ErrorKind::Cancelled, false),
        ];
        for (kind, expected) in cases {
            assert_eq!(wait(1, &kind, 0.5).is_some(), expected, "{kind:?}");
        }
    }

    #[test]
    fn credential_sources_are_retried_like_oss_by_the_cache_alone() {
        let text = ServerText::default;
        let transport = |error| CredentialsErrorKind::Transport { host: String::new(), error };
        for (kind, expected) in [
            (service_kind(500, "InternalError"), true),
            (service_kind(400, "Throttling.User"), true),
            (service_kind(429, ""), true),
            (service_kind(599, ""), true),
            (service_kind(408, ""), true),
            (service_kind(403, "NoPermission"), false),
            (service_kind(400, "InvalidParameter.RoleArn"), false),
            (transport(TransportError::Timeout(text())), true),
            (transport(TransportError::Tls(text())), false),
            (CredentialsErrorKind::InvalidResponse { host: String::new(), reason: text() }, false),
        ] {
            assert_eq!(wait(1, &kind, 0.5).is_some(), expected, "{kind:?}");
            let error = CredentialsError { origin: String::new(), kind };
            assert_eq!(wait(1, &ErrorKind::Credentials(Box::new(error)), 0.5), None);
        }
    }

    #[test]
    fn conflicts_are_retried_however_often_they_come() {
        let policy = RetryPolicy::default().with_max_retries(0);
        for code in ["ConcurrentUpdateBucketFailed", "OperationAborted"] {
            let conflict = service(409, code, None);
            let mut retry_state = RetryState::default();
            for expected in [200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000] {
                retry_state.record_failure(&conflict);
                let wait = RetryDecision::Retry(Duration::from_millis(expected));
                assert_eq!(policy.decide(retry_state, &conflict, 1.0), wait, "{code}");
            }
            assert_eq!(retry_state.failed_attempts, 0, "no other failure has fewer attempts");
        }
        for code in ["BucketAlreadyExists", "FileAlreadyExists"] {
            assert_eq!(decide(1, &service(409, code, None), 0.5), RetryDecision::GiveUp, "{code}");
        }
    }

    #[test]
    fn waits_twice_as_long_each_time_up_to_a_cap() {
        let kind = service(500, "InternalError", None);
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        let full = |attempt| match policy.decide(
            RetryState { failed_attempts: attempt, ..RetryState::default() },
            &kind,
            1.0,
        ) {
            RetryDecision::Retry(wait) => wait.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 4].map(full), [200, 400, 800, 1600]);
        assert_eq!([8, 40, u32::MAX - 1].map(full), [20_000, 20_000, 20_000]);
        assert_eq!(wait(3, &kind, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(3, &kind, 0.25), Some(Duration::from_millis(200)));
    }

    #[test]
    fn the_default_policy_bounds_the_total_delay_of_a_call() {
        let total =
            |kind: &ErrorKind| -> Duration { (1..).map_while(|n| wait(n, kind, 1.0)).sum() };
        let busy = service(500, "InternalError", None);
        assert_eq!(total(&busy), Duration::from_millis(105_400));
        let unconnected = ErrorKind::Transport(TransportError::Connect("".into()));
        assert_eq!(total(&unconnected), Duration::from_millis(6_200));
    }

    #[test]
    fn gives_up_when_the_attempts_are_used() {
        let kind = service(500, "InternalError", None);
        assert!(wait(11, &kind, 0.5).is_some());
        assert!(wait(12, &kind, 0.5).is_none());
        let unconnected = || TransportError::Connect(ServerText::default());
        let sts = CredentialsErrorKind::Transport { host: String::new(), error: unconnected() };
        for failure in [Failure::from(&ErrorKind::Transport(unconnected())), Failure::from(&sts)] {
            assert!(wait(5, failure, 0.5).is_some());
            assert!(wait(6, failure, 0.5).is_none());
        }
    }

    #[test]
    fn only_consecutive_connect_failures_count() {
        let busy = service(503, "ServiceUnavailable", None);
        let unconnected = ErrorKind::Transport(TransportError::Connect(ServerText::default()));
        let decide = |failures: &[&ErrorKind]| {
            let mut retry_state = RetryState::default();
            for kind in failures.iter().copied() {
                retry_state.record_failure(kind);
            }
            RetryPolicy::default().decide(retry_state, *failures.last().unwrap(), 0.5)
        };
        let [row, late] = [[&unconnected; 6], [&busy, &busy, &busy, &busy, &busy, &unconnected]];
        assert_eq!(decide(&row), RetryDecision::GiveUp);
        assert!(matches!(decide(&late), RetryDecision::Retry(_)));
        let broken = [&row[..5], &[&busy], &row[..5]].concat();
        assert!(matches!(decide(&broken), RetryDecision::Retry(_)));
        assert_eq!(decide(&[&broken[..], &[&unconnected]].concat()), RetryDecision::GiveUp);
    }

    #[test]
    fn max_retries_bounds_every_kind_of_attempt() {
        for (max_retries, expected) in
            [(0, (1, 1)), (3, (4, 4)), (9, (10, 6)), (u32::MAX, (u32::MAX, 6))]
        {
            let policy = RetryPolicy::default().with_max_retries(max_retries);
            assert_eq!((policy.max_attempts, policy.max_connect_attempts), expected);
        }
    }

    #[test]
    fn a_wrong_clock_is_corrected_once() {
        let body = b"<Error><Code>RequestTimeTooSkewed</Code>
            <ServerTime>1970-01-01T00:00:00.000Z</ServerTime></Error>";
        let skewed =
            |body: &[u8]| ErrorKind::Service(Box::new(ServiceError::parse(403, |_| None, body)));
        let sts = service_kind(400, "InvalidTimeStamp.Expired");
        for failure in [Failure::from(&skewed(body)), Failure::from(&sts)] {
            // Also when no other attempt is left.
            assert_eq!(
                decide(12, failure, 0.5),
                RetryDecision::CorrectClock(OffsetDateTime::UNIX_EPOCH)
            );
            let retry_state = RetryState { is_clock_corrected: true, ..RetryState::default() };
            assert_eq!(
                RetryPolicy::default().decide(retry_state, failure, 0.5),
                RetryDecision::GiveUp,
                "{failure:?}"
            );
        }
        let timeless = skewed(b"<Error><Code>RequestTimeTooSkewed</Code></Error>");
        assert_eq!(decide(1, &timeless, 0.5), RetryDecision::GiveUp);
    }

    #[test]
    fn rejected_credentials_are_replaced_once() {
        for code in ["SecurityTokenExpired", "InvalidSecurityToken"] {
            let kind = service(403, code, None);
            assert_eq!(decide(12, &kind, 0.5), RetryDecision::RefreshCredentials);
            let retry_state =
                RetryState { are_credentials_refreshed: true, ..RetryState::default() };
            assert_eq!(
                RetryPolicy::default().decide(retry_state, &kind, 0.5),
                RetryDecision::GiveUp
            );
        }
        assert_eq!(
            decide(1, &service(403, "InvalidAccessKeyId", None), 0.5),
            RetryDecision::GiveUp
        );
    }

    #[test]
    fn waits_as_long_as_the_server_requests() {
        let wait_for = |seconds| wait(1, &service(503, "ServiceUnavailable", Some(seconds)), 0.5);
        assert_eq!(wait_for(3), Some(Duration::from_secs(3)));
        assert_eq!(wait_for(100_000), Some(Duration::from_secs(100_000)));
        assert_eq!(wait_for(u64::MAX), Some(MAX_RETRY_AFTER));
        assert_eq!(wait_for(0), Some(Duration::from_millis(100)));
        assert_eq!(wait(1, &service_kind(429, ""), 0.5), Some(Duration::from_secs(3)));
    }
}
