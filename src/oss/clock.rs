//! The one clock of a client: the machine's, corrected by what the servers say.
//!
//! OSS refuses signatures that are more than 15 minutes off. Instead of failing on a machine with a
//! wrong clock, the client takes over the time that such an answer names (V2 SDK for Go,
//! `client.go`), and signs everything with it from then on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime, UtcOffset};

/// A clock that can be corrected. Clones share the correction.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>,
    correction_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that reads the time from `read`: tests move it as they like.
    pub fn new(read: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read), correction_seconds: Arc::default() }
    }

    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
        Self::new(|| OffsetDateTime::from(std::time::SystemTime::now()))
    }

    /// The time as far as it is known, in UTC.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.system_time().saturating_add(self.offset())
    }

    /// How far the servers' clock is ahead of the machine's, as far as it is known.
    pub(super) fn offset(&self) -> Duration {
        Duration::seconds(self.correction_seconds.load(Ordering::Relaxed))
    }

    /// The time of the machine, in UTC.
    pub(super) fn system_time(&self) -> OffsetDateTime {
        (self.read)().to_offset(UtcOffset::UTC)
    }

    /// How far `server_time` is ahead of the machine's clock, whatever was corrected before.
    pub(super) fn skew(&self, server_time: OffsetDateTime) -> Duration {
        server_time - self.system_time()
    }

    /// Takes over the time of a server.
    pub(super) fn adjust_to(&self, server_time: OffsetDateTime) {
        let skew = self.skew(server_time).whole_seconds();
        self.correction_seconds.store(skew, Ordering::Relaxed);
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
    use super::*;

    #[test]
    fn a_correction_replaces_the_one_before_and_is_shared() {
        let clock = Clock::new(|| OffsetDateTime::UNIX_EPOCH);
        let shared = clock.clone();
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        for server_time in [at(3600), at(-7200)] {
            clock.adjust_to(server_time);
            assert_eq!(shared.now(), server_time);
            assert_eq!(shared.skew(at(60)), Duration::MINUTE);
        }
    }

    #[test]
    fn the_time_is_utc_wherever_the_machine_is() {
        let offset = UtcOffset::from_hms(8, 0, 0).unwrap();
        let clock = Clock::new(move || OffsetDateTime::UNIX_EPOCH.to_offset(offset));
        assert_eq!(clock.now().hour(), 0);
        assert_eq!(clock.now().offset(), UtcOffset::UTC);
    }
}
