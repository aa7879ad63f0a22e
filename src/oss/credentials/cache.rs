//! Keeps credentials until they have to be obtained again, one refresh at a time.
//!
//! The only place that retries a credential source: all calls that need credentials wait for the same
//! attempts, with the same backoff, and get the same error. So a source that never recovers costs the attempts of one
//! call, however many resources there are.

mod refresh;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use super::fetch::Fetcher;
use super::insecure::{InsecureProfile, InsecureProfiles};
use super::profile::CurrentProfiles;
use super::{CredentialSource, Credentials, CredentialsError};
use crate::oss::clock::{Clock, TimeServer};
use crate::oss::http::Http;
use crate::oss::retry::RetryPolicy;
use refresh::{FailedRefresh, Next, REFRESH_RETRY_DELAY};

pub(in crate::oss) use refresh::GetError;

/// Credentials are refreshed when this much of their life is left, or a sixth of it if that is less.
const REFRESH_MARGIN: Duration = Duration::minutes(5);
/// Maximum time that one caller waits for new credentials while the cached ones are still valid: the timeout
/// of a credential service.
const REFRESH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// A source, and the credentials that it returned last.
pub(in crate::oss) struct CredentialsCache {
    source: CredentialSource,
    retry: RetryPolicy,
    current: Arc<CurrentProfiles>,
    insecure: InsecureProfiles,
    state: Mutex<State>,
    /// Locked during a request to the source, and during the backoff before the next attempt.
    refresh: tokio::sync::Mutex<()>,
    /// See [`REFRESH_TIMEOUT`]; tests have less.
    refresh_timeout: std::time::Duration,
}

#[derive(Default)]
struct State {
    cached: Option<CachedCredentials>,
    /// How often the source returned credentials.
    refresh_count: u64,
    /// The refresh that has failed so far; none if the last one succeeded.
    failed: Option<FailedRefresh>,
}

/// Times are those of the machine's own clock, which is not affected by corrections.
#[derive(Clone)]
struct CachedCredentials {
    credentials: Arc<Credentials>,
    obtained: OffsetDateTime,
    /// The earliest time of the next refresh, after one has failed.
    not_before: Option<OffsetDateTime>,
    /// Whether the service rejected them.
    is_rejected: bool,
}

/// Whether credentials can be used, and whether they must be refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Valid.
    Fresh,
    /// Valid, but about to expire.
    RefreshDue,
    /// Expired or rejected.
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
    pub(in crate::oss) fn new(
        source: CredentialSource,
        retry: RetryPolicy,
        current: Arc<CurrentProfiles>,
    ) -> Self {
        Self {
            source,
            retry,
            current,
            insecure: InsecureProfiles::default(),
            state: Mutex::default(),
            refresh: tokio::sync::Mutex::default(),
            refresh_timeout: REFRESH_TIMEOUT,
        }
    }

    /// Profiles whose credentials travel without TLS, and that were not returned before.
    pub(in crate::oss) fn take_insecure_profiles(&self) -> Vec<InsecureProfile> {
        self.insecure.take()
    }

    /// Where the credentials come from, as a phrase for messages.
    pub(in crate::oss) fn origin(&self) -> String {
        self.source.origin()
    }

    /// Why the last attempt of the current refresh failed, and when the next one is due.
    pub(in crate::oss) fn last_failure(&self) -> Option<(CredentialsError, Option<Instant>)> {
        let state = self.state();
        state.failed.as_ref().map(|failed| (failed.error.clone(), failed.resume()))
    }

    /// Returns valid credentials. If there are none, they are requested from the source; if they are about to
    /// expire, one caller refreshes them and the others use the cached ones.
    ///
    /// Waits until the deadline at most if the caller stops polling then.
    pub(in crate::oss) async fn get(
        &self,
        http: &Http,
        clock: &Clock,
        deadline: Instant,
    ) -> Result<Arc<Credentials>, GetError> {
        let seen = match self.snapshot(clock) {
            (Some(cached), Freshness::Fresh, _) => return Ok(cached.credentials),
            (Some(cached), Freshness::RefreshDue, _) => {
                return Ok(self.refresh_early(cached, http, clock).await);
            }
            (_, _, count) => count,
        };
        let _refreshing = self.refresh.lock().await;
        // Another caller may have finished a refresh while this one waited: its result counts for both.
        match self.snapshot(clock) {
            (Some(cached), Freshness::Fresh | Freshness::RefreshDue, _) => {
                return Ok(cached.credentials);
            }
            (Some(cached), _, count)
                if count != seen && !cached.is_rejected && self.state().failed.is_none() =>
            {
                return Ok(cached.credentials);
            }
            _ => {}
        }
        self.refresh(http, clock, deadline).await
    }

    /// Marks credentials that the service rejected: the next caller refreshes them.
    pub(in crate::oss) fn mark_rejected(&self, rejected: &Credentials) {
        if let Some(cached) = &mut self.state().cached
            && cached.credentials.matches(rejected)
        {
            cached.is_rejected = true;
        }
    }

    /// Returns new credentials, or the cached ones if that fails or if another caller is refreshing them.
    async fn refresh_early(
        &self,
        cached: CachedCredentials,
        http: &Http,
        clock: &Clock,
    ) -> Arc<Credentials> {
        let Ok(_refreshing) = self.refresh.try_lock() else { return cached.credentials };
        // Another caller may have finished a refresh before this one got the lock.
        if let (Some(cached), Freshness::Fresh, _) = self.snapshot(clock) {
            return cached.credentials;
        }
        // Before the request: a caller that is cancelled during it has failed as well.
        if let Some(cached) = &mut self.state().cached {
            cached.not_before = Some(clock.system_time().saturating_add(REFRESH_RETRY_DELAY));
        }
        match tokio::time::timeout(self.refresh_timeout, self.fetch(http, clock)).await {
            Ok(Ok(credentials)) => credentials,
            Ok(Err(error)) => {
                tracing::warn!("{error}; using the cached credentials until they expire");
                cached.credentials
            }
            Err(_) => cached.credentials,
        }
    }

    /// Sends requests to the source until it returns credentials, fails for good, or the deadline is too close.
    /// Continues the refresh of a caller with an earlier deadline.
    async fn refresh(
        &self,
        http: &Http,
        clock: &Clock,
        deadline: Instant,
    ) -> Result<Arc<Credentials>, GetError> {
        loop {
            let next = {
                let failed = &mut self.state().failed;
                FailedRefresh::next(failed, Instant::now(), clock.system_time(), deadline)
            };
            match next {
                Next::Attempt => {}
                Next::Wait(resume) => tokio::time::sleep_until(resume).await,
                Next::Fail(error) => return Err(error),
            }
            let retries = {
                let failed = &mut self.state().failed;
                FailedRefresh::begin(failed, &self.retry, &self.source.origin(), Instant::now())
            };
            match self.fetch(http, clock).await {
                Ok(credentials) => return Ok(credentials),
                Err(error) => {
                    let (now, time) = (Instant::now(), clock.system_time());
                    let failed =
                        FailedRefresh::new(error, retries, &self.retry, fastrand::f64(), now, time);
                    let result = failed.is_final().then(|| failed.error.clone());
                    self.state().failed = Some(failed);
                    if let Some(error) = result {
                        return Err(GetError::Failed(error));
                    }
                }
            }
        }
    }

    /// Sends one request to the source, and another one if the first failed because of the machine's clock.
    async fn fetch(
        &self,
        http: &Http,
        clock: &Clock,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let fetcher = Fetcher { http, clock, current: &self.current, insecure: &self.insecure };
        let mut outcome = fetcher.fetch(&self.source).await;
        if let Err(error) = &outcome
            && let Some(server_time) = error.kind.server_time_for_skew()
        {
            clock.adjust_to(TimeServer::Sts, server_time, error.kind.server());
            outcome = fetcher.fetch(&self.source).await;
        }
        let credentials = outcome.inspect_err(|error| tracing::debug!("{error}"))?;
        tracing::debug!(
            origin = self.origin(),
            access_key = credentials.masked_access_key_id(),
            expiration = credentials.expiration.map(|expiration| expiration.to_string()),
            "obtained credentials",
        );
        let credentials = Arc::new(credentials);
        let mut state = self.state();
        state.refresh_count += 1;
        state.failed = None;
        state.cached = Some(CachedCredentials {
            credentials: Arc::clone(&credentials),
            obtained: clock.system_time(),
            not_before: None,
            is_rejected: false,
        });
        Ok(credentials)
    }

    fn snapshot(&self, clock: &Clock) -> (Option<CachedCredentials>, Freshness, u64) {
        // STS names the end of a session. Where another service does, the clock of STS is that of OSS.
        let (now, correction) = (clock.system_time(), clock.offset(TimeServer::Sts));
        let state = self.state();
        let freshness = |cached: &CachedCredentials| cached.freshness(now, correction);
        let freshness = state.cached.as_ref().map_or(Freshness::Expired, freshness);
        (state.cached.clone(), freshness, state.refresh_count)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the state would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedCredentials {
    /// `correction` is how far the service's clock is ahead of the machine's.
    fn freshness(&self, now: OffsetDateTime, correction: Duration) -> Freshness {
        if self.is_rejected {
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
            is_rejected: false,
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
                let entry = cached(Some(day + 3600), None);
                let freshness = entry.freshness(at(second), Duration::seconds(day));
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
    fn credentials_without_expiration_stay_fresh_until_they_are_rejected() {
        let mut entry = cached(None, None);
        let later = EPOCH + Duration::weeks(5000);
        assert_eq!(entry.freshness(later, Duration::ZERO), Freshness::Fresh);
        entry.is_rejected = true;
        assert_eq!(entry.freshness(EPOCH, Duration::ZERO), Freshness::Expired);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn an_early_refresh_is_awaited_until_its_timeout() {
        let http = Http::new(crate::oss::http::HttpSettings {
            connect_timeout: REFRESH_TIMEOUT,
            read_timeout: REFRESH_TIMEOUT,
            user_agent: String::new(),
        });
        let mut cache = CredentialsCache::new(
            CredentialSource::Process("sleep 3600".to_owned().into()),
            RetryPolicy::default(),
            Arc::default(),
        );
        cache.refresh_timeout = std::time::Duration::from_millis(20);
        let due = cached(Some(3600), None);
        cache.state().cached = Some(due.clone());
        let clock = Clock::new(|| at(3400));
        let used = cache.get(&http, &clock, Instant::now()).await.unwrap();
        assert!(Arc::ptr_eq(&used, &due.credentials));
        // And not again for a while.
        assert_eq!(cache.snapshot(&clock).1, Freshness::Fresh);
    }

    #[test]
    fn only_identical_credentials_are_marked_as_rejected() {
        let cache = CredentialsCache::new(
            Credentials::new("id", "secret").into(),
            RetryPolicy::default(),
            Arc::default(),
        );
        let keys = || Credentials::new("id", "secret").with_security_token("token");
        let is_rejected = |rejected: &Credentials| {
            let credentials = Arc::new(keys());
            cache.state().cached = Some(CachedCredentials { credentials, ..cached(None, None) });
            cache.mark_rejected(rejected);
            cache.state().cached.as_ref().is_some_and(|entry| entry.is_rejected)
        };
        assert!(is_rejected(&keys()));
        for other in [
            Credentials::new("other", "secret").with_security_token("token"),
            Credentials::new("id", "other").with_security_token("token"),
            Credentials::new("id", "secret").with_security_token("other"),
            Credentials::new("id", "secret"),
        ] {
            assert!(!is_rejected(&other), "{other:?}");
        }
    }
}
