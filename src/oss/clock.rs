//! The one clock of a client: the machine's, corrected by the servers' times.
//!
//! OSS rejects signatures that are more than 15 minutes off. Instead of failing on a machine with a wrong
//! clock, the client uses the server's time from the error response (V2 SDK for Go, `client.go`), and signs
//! every later request with it. The clocks of OSS and STS may differ, so each has its own offset.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime, UtcOffset};

/// The offset of a server that has not returned its time yet.
const UNKNOWN: i64 = i64::MIN;

/// A clock that can be corrected. Clones share the corrections.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>,
    /// How many seconds the clock of each kind of server is ahead of the machine's.
    offsets: Arc<[AtomicI64; 2]>,
}

/// A kind of server, whose machines share a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeServer {
    Oss,
    Sts,
}

impl Clock {
    /// A clock that reads the time from `read`, for tests.
    pub fn new(read: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        let offsets = [AtomicI64::new(UNKNOWN), AtomicI64::new(UNKNOWN)];
        Self { read: Arc::new(read), offsets: Arc::new(offsets) }
    }

    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
        Self::new(|| OffsetDateTime::from(std::time::SystemTime::now()))
    }

    /// The estimated time of a server, in UTC.
    pub(super) fn time_of(&self, server: TimeServer) -> OffsetDateTime {
        self.system_time().saturating_add(self.offset(server))
    }

    /// How far the server's clock is ahead of the machine's, as far as it is known. A server that has
    /// not returned its time is assumed to agree with the other one: more often the machine's clock is wrong.
    pub(super) fn offset(&self, server: TimeServer) -> Duration {
        let (own, other) = self.offsets_of(server);
        let known = [own, other].map(|offset| offset.load(Ordering::Relaxed));
        Duration::seconds(known.into_iter().find(|seconds| *seconds != UNKNOWN).unwrap_or(0))
    }

    /// The time of the machine, in UTC.
    pub(super) fn system_time(&self) -> OffsetDateTime {
        (self.read)().to_offset(UtcOffset::UTC)
    }

    /// How far `server_time` is ahead of the machine's clock, whatever was corrected before.
    pub(super) fn skew(&self, server_time: OffsetDateTime) -> Duration {
        server_time - self.system_time()
    }

    /// Uses the time of a server from now on, for requests to servers of its kind. `name` is for the log.
    pub(super) fn adjust_to(&self, server: TimeServer, server_time: OffsetDateTime, name: &str) {
        let skew = self.skew(server_time).whole_seconds();
        let side = if skew > 0 { "behind" } else { "ahead of" };
        tracing::warn!(
            "clock skew detected: this machine is {} s {side} {name}; signing with the server's time from now on",
            skew.unsigned_abs(),
        );
        self.offsets_of(server).0.store(skew, Ordering::Relaxed);
    }

    /// Keeps the offset that a server accepted, so that a correction by the other does not change it.
    pub(super) fn confirm(&self, server: TimeServer) {
        let seconds = self.offset(server).whole_seconds();
        let own = self.offsets_of(server).0;
        // Fails if the server's offset is already known.
        let _ = own.compare_exchange(UNKNOWN, seconds, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The server's own offset, and that of the other.
    fn offsets_of(&self, server: TimeServer) -> (&AtomicI64, &AtomicI64) {
        let [oss, sts] = &*self.offsets;
        match server {
            TimeServer::Oss => (oss, sts),
            TimeServer::Sts => (sts, oss),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::TimeServer::{Oss, Sts};
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn a_correction_replaces_the_one_before_and_is_shared() {
        let clock = Clock::new(|| OffsetDateTime::UNIX_EPOCH);
        let shared = clock.clone();
        for server_time in [at(3600), at(-7200)] {
            clock.adjust_to(Oss, server_time, "OSS");
            assert_eq!(shared.time_of(Oss), server_time);
            assert_eq!(shared.skew(at(60)), Duration::MINUTE);
        }
    }

    #[test]
    fn each_server_has_its_own_time() {
        let clock = Clock::new(|| OffsetDateTime::UNIX_EPOCH);
        clock.adjust_to(Sts, at(86_400), "STS");
        assert_eq!(clock.time_of(Oss), at(86_400), "a guess, until OSS says something else");
        clock.adjust_to(Oss, at(5), "OSS");
        assert_eq!((clock.time_of(Oss), clock.time_of(Sts)), (at(5), at(86_400)));
    }

    #[test]
    fn a_time_that_was_accepted_stays() {
        let clock = Clock::new(|| OffsetDateTime::UNIX_EPOCH);
        clock.confirm(Oss);
        clock.adjust_to(Sts, at(86_400), "STS");
        assert_eq!((clock.time_of(Oss), clock.time_of(Sts)), (at(0), at(86_400)));
        clock.confirm(Sts);
        assert_eq!(clock.time_of(Sts), at(86_400));
    }

    #[test]
    fn the_time_is_utc_wherever_the_machine_is() {
        let offset = UtcOffset::from_hms(8, 0, 0).unwrap();
        let clock = Clock::new(move || OffsetDateTime::UNIX_EPOCH.to_offset(offset));
        assert_eq!(clock.system_time().hour(), 0);
        assert_eq!(clock.system_time().offset(), UtcOffset::UTC);
    }
}
