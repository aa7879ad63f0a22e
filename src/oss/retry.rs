//! Whether, and after how long, a failed attempt is made again: a pure decision.
//!
//! Every call of this client is idempotent, so whatever may pass by itself is tried again.
//! The conditions extend those of the V2 SDKs (5xx, 408, 429, `BadRequest`, transport failures);
//! the wait is exponential with full jitter.

use std::time::Duration;

use super::error::{ErrorKind, TransportError};

/// How often and how long a call is tried. The deadline of the call bounds it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// Attempts when nobody can be connected to: a wrong endpoint is not worth a minute.
    pub max_connect_attempts: u32,
    /// Upper bound of the first wait; it doubles with every attempt.
    pub base_wait: Duration,
    /// Upper bound of every wait.
    pub max_wait: Duration,
    /// How much of a `Retry-After` is respected.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 12,
            max_connect_attempts: 6,
            base_wait: Duration::from_millis(200),
            max_wait: Duration::from_secs(20),
            max_retry_after: Duration::from_mins(1),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait this long, then sign and send again.
    Retry(Duration),
    /// The failure is final, or the attempts are used up.
    GiveUp,
}

impl RetryPolicy {
    /// Decides after `attempt` (counted from 1) failed with `kind`. `jitter` is a random number in
    /// `0.0..1.0`.
    pub(super) fn decide(&self, attempt: u32, kind: &ErrorKind, jitter: f64) -> Decision {
        let max_attempts = match kind {
            ErrorKind::Transport(TransportError::Connect(_)) => self.max_connect_attempts,
            _ => self.max_attempts,
        };
        if attempt >= max_attempts || !is_transient(kind) {
            return Decision::GiveUp;
        }
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let ceiling = self.base_wait.saturating_mul(doubled).min(self.max_wait);
        let wait = ceiling.mul_f64(jitter.clamp(0.0, 1.0));
        let asked = match kind {
            ErrorKind::Service(service) => service.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        Decision::Retry(wait.max(asked.min(self.max_retry_after)))
    }
}

/// Whether the same request may succeed later.
fn is_transient(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Service(service) => {
            matches!(service.status, 408 | 429 | 500..=599)
                || matches!(
                    service.code.as_str(),
                    "BadRequest" | "MetaOperationQpsLimitExceeded" | "RequestTimeout"
                )
        }
        ErrorKind::Transport(
            TransportError::Connect(_)
            | TransportError::Timeout(_)
            | TransportError::Interrupted(_),
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::ServiceError;
    use super::*;

    fn service(status: u16, code: &str, retry_after: Option<u64>) -> ErrorKind {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let header = |name: &str| {
            retry_after.filter(|_| name == "retry-after").map(|seconds| seconds.to_string())
        };
        ErrorKind::Service(Box::new(ServiceError::parse(status, header, body.as_bytes())))
    }

    fn wait(attempt: u32, kind: &ErrorKind, jitter: f64) -> Option<Duration> {
        match RetryPolicy::default().decide(attempt, kind, jitter) {
            Decision::Retry(wait) => Some(wait),
            Decision::GiveUp => None,
        }
    }

    #[test]
    fn retries_what_may_pass_by_itself() {
        let text = String::new;
        let cases = [
            (service(500, "InternalError", None), true),
            (service(503, "ServiceUnavailable", None), true),
            (service(503, "MetaOperationQpsLimitExceeded", None), true),
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
            (ErrorKind::Transport(TransportError::Timeout(text())), true),
            (ErrorKind::Transport(TransportError::Interrupted(text())), true),
            (ErrorKind::Transport(TransportError::Tls(text())), false),
            (ErrorKind::Transport(TransportError::TooLarge(1)), false),
            (ErrorKind::Transport(TransportError::Setup(text())), false),
            (ErrorKind::UnexpectedAnswer(text()), false),
            (ErrorKind::NoCredentials, false),
            (ErrorKind::Cancelled, false),
        ];
        for (kind, expected) in cases {
            assert_eq!(wait(1, &kind, 0.5).is_some(), expected, "{kind:?}");
        }
    }

    #[test]
    fn waits_twice_as_long_each_time_up_to_a_cap() {
        let kind = service(500, "InternalError", None);
        let policy = RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() };
        let full = |attempt| match policy.decide(attempt, &kind, 1.0) {
            Decision::Retry(wait) => wait.as_millis(),
            Decision::GiveUp => panic!("gave up"),
        };
        assert_eq!([1, 2, 3, 4].map(full), [200, 400, 800, 1600]);
        assert_eq!([8, 40, u32::MAX - 1].map(full), [20_000, 20_000, 20_000]);
        assert_eq!(wait(3, &kind, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(3, &kind, 0.25), Some(Duration::from_millis(200)));
    }

    #[test]
    fn gives_up_when_the_attempts_are_used() {
        let kind = service(500, "InternalError", None);
        assert!(wait(11, &kind, 0.5).is_some());
        assert!(wait(12, &kind, 0.5).is_none());
        let kind = ErrorKind::Transport(TransportError::Connect(String::new()));
        assert!(wait(5, &kind, 0.5).is_some());
        assert!(wait(6, &kind, 0.5).is_none());
    }

    #[test]
    fn respects_retry_after_up_to_a_cap() {
        let asked = |seconds| wait(1, &service(503, "ServiceUnavailable", Some(seconds)), 0.5);
        assert_eq!(asked(3), Some(Duration::from_secs(3)));
        assert_eq!(asked(100_000), Some(Duration::from_mins(1)));
        assert_eq!(asked(0), Some(Duration::from_millis(100)));
    }
}
