//! Keeps credentials until they have to be obtained again, one refresh at a time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use super::fetch::Fetcher;
use super::{CredentialSource, Credentials, CredentialsError};
use crate::oss::clock::Clock;
use crate::oss::http::Http;

/// Credentials are refreshed when this much of their life is left, or a sixth of it if that is less.
const REFRESH_MARGIN: Duration = Duration::minutes(5);
/// After a failed refresh the old credentials are used for so long before the next one.
const REFRESH_RETRY_DELAY: Duration = Duration::seconds(30);
/// How long one caller waits for new credentials while those at hand still hold: as long as a service may
/// take to answer.
const REFRESH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// A source, and the credentials that it gave last.
pub(in crate::oss) struct CredentialsCache {
    source: CredentialSource,
    state: Mutex<State>,
    /// Held while the source is asked.
    refresh: tokio::sync::Mutex<()>,
    /// See [`REFRESH_TIMEOUT`]; tests have less.
    refresh_timeout: std::time::Duration,
}

#[derive(Default)]
struct State {
    held: Option<CachedCredentials>,
    /// How often the source was asked, and why it gave nothing the last time.
    fetch_count: u64,
    failure: Option<CredentialsError>,
}

/// Instants are those of the machine's own clock: what servers say may correct it in between.
#[derive(Clone)]
struct CachedCredentials {
    credentials: Arc<Credentials>,
    obtained: OffsetDateTime,
    /// A failed refresh is not repeated before.
    not_before: Option<OffsetDateTime>,
    /// The service did not take them.
    rejected: bool,
}

/// What credentials are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// To be used.
    Fresh,
    /// To be used, and to be refreshed.
    RefreshDue,
    /// Of no use any more.
    Expired,
}

impl fmt::Debug for CredentialsCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CredentialsCache")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl CredentialsCache {
    pub(in crate::oss) fn new(source: CredentialSource) -> Self {
        Self {
            source,
            state: Mutex::default(),
            refresh: tokio::sync::Mutex::default(),
            refresh_timeout: REFRESH_TIMEOUT,
        }
    }

    /// Where the credentials come from, as a phrase for messages.
    pub(in crate::oss) fn origin(&self) -> String {
        self.source.origin()
    }

    /// Credentials that can be used now. Asks the source if there are none; if they are about to
    /// expire, one caller asks and the others go on with those that are held.
    pub(in crate::oss) async fn get(
        &self,
        http: &Http,
        clock: &Clock,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let asked = match self.snapshot(clock) {
            (Some(held), Freshness::Fresh, _) => return Ok(held.credentials),
            (Some(held), Freshness::RefreshDue, _) => {
                return Ok(self.refresh(held, http, clock).await);
            }
            (_, _, asked) => asked,
        };
        let _refreshing = self.refresh.lock().await;
        // Someone else may have asked while this caller waited: for both, whatever came of it.
        match self.snapshot(clock) {
            (Some(held), Freshness::Fresh | Freshness::RefreshDue, _) => {
                return Ok(held.credentials);
            }
            (held, _, now_asked) if now_asked != asked => {
                let failure = self.state().failure.clone();
                match (failure, held) {
                    (Some(failure), _) => return Err(failure),
                    (None, Some(held)) if !held.rejected => return Ok(held.credentials),
                    _ => {}
                }
            }
            _ => {}
        }
        self.fetch(http, clock).await
    }

    /// Remembers that the service did not take these: the next caller asks the source again.
    pub(in crate::oss) fn mark_rejected(&self, refused: &Credentials) {
        if let Some(held) = &mut self.state().held
            && held.credentials.matches(refused)
        {
            held.rejected = true;
        }
    }

    /// New credentials, or those at hand if there are none, or if someone else is asking.
    async fn refresh(
        &self,
        held: CachedCredentials,
        http: &Http,
        clock: &Clock,
    ) -> Arc<Credentials> {
        let Ok(_refreshing) = self.refresh.try_lock() else { return held.credentials };
        // Another caller may have finished between the look and the lock.
        if let (Some(held), Freshness::Fresh, _) = self.snapshot(clock) {
            return held.credentials;
        }
        // Before asking: a caller that is given up in the middle has failed as well.
        if let Some(held) = &mut self.state().held {
            held.not_before = Some(clock.system_time().saturating_add(REFRESH_RETRY_DELAY));
        }
        match tokio::time::timeout(self.refresh_timeout, self.fetch(http, clock)).await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => {
                tracing::warn!("{error}; the credentials at hand are used until they expire");
                held.credentials
            }
            Err(_) => held.credentials,
        }
    }

    async fn fetch(
        &self,
        http: &Http,
        clock: &Clock,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let outcome = Fetcher { http, clock }.fetch(&self.source).await;
        let obtained = clock.system_time();
        let mut state = self.state();
        state.fetch_count += 1;
        match outcome {
            Ok(credentials) => {
                tracing::debug!(
                    origin = self.origin(),
                    access_key = credentials.masked_access_key_id(),
                    expiration = credentials.expiration.map(|expiration| expiration.to_string()),
                    "obtained credentials",
                );
                let credentials = Arc::new(credentials);
                state.failure = None;
                state.held = Some(CachedCredentials {
                    credentials: Arc::clone(&credentials),
                    obtained,
                    not_before: None,
                    rejected: false,
                });
                Ok(credentials)
            }
            Err(error) => {
                tracing::debug!("{error}");
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn snapshot(&self, clock: &Clock) -> (Option<CachedCredentials>, Freshness, u64) {
        let (now, correction) = (clock.system_time(), clock.offset());
        let state = self.state();
        let freshness = |held: &CachedCredentials| held.freshness(now, correction);
        let freshness = state.held.as_ref().map_or(Freshness::Expired, freshness);
        (state.held.clone(), freshness, state.fetch_count)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedCredentials {
    /// `correction` is how far the service's clock is ahead of the machine's.
    fn freshness(&self, now: OffsetDateTime, correction: Duration) -> Freshness {
        if self.rejected {
            return Freshness::Expired;
        }
        let Some(expiration) = self.credentials.expiration else { return Freshness::Fresh };
        let expiration = expiration.saturating_sub(correction);
        let life = expiration - self.obtained;
        let margin = REFRESH_MARGIN.min(life / 6).max(Duration::ZERO);
        if now >= expiration {
            Freshness::Expired
        } else if now >= expiration - margin
            && self.not_before.is_none_or(|not_before| now >= not_before)
        {
            Freshness::RefreshDue
        } else {
            Freshness::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn at(second: i64) -> OffsetDateTime {
        EPOCH + Duration::seconds(second)
    }

    fn cached(expiration: Option<i64>, not_before: Option<i64>) -> CachedCredentials {
        let credentials = Credentials::new("id", "secret");
        let credentials = match expiration {
            Some(second) => credentials.with_expiration(at(second)),
            None => credentials,
        };
        CachedCredentials {
            credentials: Arc::new(credentials),
            obtained: EPOCH,
            not_before: not_before.map(at),
            rejected: false,
        }
    }

    /// How fresh credentials are at a second of their life.
    fn freshness(life: i64, second: i64, not_before: Option<i64>) -> Freshness {
        cached(Some(life), not_before).freshness(at(second), Duration::ZERO)
    }

    #[test]
    fn credentials_are_refreshed_before_they_expire() {
        use Freshness::{Expired, Fresh, RefreshDue};
        for (life, second, expected) in [
            (3600, 0, Fresh),
            (3600, 3299, Fresh),
            (3600, 3300, RefreshDue),
            (3600, 3599, RefreshDue),
            (3600, 3600, Expired),
            // A short life is not spent on refreshing.
            (60, 49, Fresh),
            (60, 50, RefreshDue),
            (60, 60, Expired),
            // Expired when they came, and from a clock that runs ahead.
            (0, 0, Expired),
            (-10, 0, Expired),
        ] {
            assert_eq!(freshness(life, second, None), expected, "{life} {second}");
        }
    }

    #[test]
    fn a_corrected_clock_changes_no_age() {
        use Freshness::{Expired, Fresh, RefreshDue};
        // Obtained with the machine's clock at 0, which was a day off to either side.
        for day in [86_400, -86_400] {
            for (second, expected) in
                [(3299, Fresh), (3300, RefreshDue), (3599, RefreshDue), (3600, Expired)]
            {
                let held = cached(Some(day + 3600), None);
                let freshness = held.freshness(at(second), Duration::seconds(day));
                assert_eq!(freshness, expected, "{day} {second}");
            }
        }
    }

    #[test]
    fn a_failed_refresh_waits_before_the_next_one_but_not_beyond_the_end() {
        assert_eq!(freshness(3600, 3310, Some(3330)), Freshness::Fresh);
        assert_eq!(freshness(3600, 3330, Some(3330)), Freshness::RefreshDue);
        assert_eq!(freshness(3600, 3600, Some(3700)), Freshness::Expired);
    }

    #[test]
    fn keys_without_an_end_stay_fresh_until_they_are_refused() {
        let mut held = cached(None, None);
        let later = EPOCH + Duration::weeks(5000);
        assert_eq!(held.freshness(later, Duration::ZERO), Freshness::Fresh);
        held.rejected = true;
        assert_eq!(held.freshness(EPOCH, Duration::ZERO), Freshness::Expired);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_renewal_is_awaited_for_so_long() {
        let http = Http::new(crate::oss::http::HttpSettings {
            connect_timeout: REFRESH_TIMEOUT,
            read_timeout: REFRESH_TIMEOUT,
            user_agent: String::new(),
        });
        let mut cache =
            CredentialsCache::new(CredentialSource::Process("sleep 3600".to_owned().into()));
        cache.refresh_timeout = std::time::Duration::from_millis(20);
        let due = cached(Some(3600), None);
        cache.state().held = Some(due.clone());
        let clock = Clock::new(|| at(3400));
        let used = cache.get(&http, &clock).await.unwrap();
        assert!(Arc::ptr_eq(&used, &due.credentials));
        // And not again for a while.
        assert_eq!(cache.snapshot(&clock).1, Freshness::Fresh);
    }

    #[test]
    fn only_the_very_same_credentials_are_refused() {
        let cache = CredentialsCache::new(Credentials::new("id", "secret").into());
        let keys = || Credentials::new("id", "secret").with_security_token("token");
        let is_refused = |refused: &Credentials| {
            let credentials = Arc::new(keys());
            cache.state().held = Some(CachedCredentials { credentials, ..cached(None, None) });
            cache.mark_rejected(refused);
            cache.state().held.as_ref().is_some_and(|held| held.rejected)
        };
        assert!(is_refused(&keys()));
        for other in [
            Credentials::new("other", "secret").with_security_token("token"),
            Credentials::new("id", "other").with_security_token("token"),
            Credentials::new("id", "secret").with_security_token("other"),
            Credentials::new("id", "secret"),
        ] {
            assert!(!is_refused(&other), "{other:?}");
        }
    }
}
