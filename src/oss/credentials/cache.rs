//! Keeps credentials until they have to be obtained again, one refresh at a time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use super::fetch::Fetcher;
use super::{Credentials, CredentialsError, Source};
use crate::oss::clock::Clock;
use crate::oss::http::Http;

/// Credentials are refreshed when this much of their life is left, or a sixth of it if that is less.
const REFRESH_MARGIN: Duration = Duration::minutes(5);
/// After a failed refresh the old credentials are used for so long before the next one.
const PAUSE: Duration = Duration::seconds(30);
/// How long a caller waits for new credentials while those at hand still hold.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// A source, and the credentials that it gave last.
pub(in crate::oss) struct CredentialsCache {
    source: Source,
    state: Mutex<State>,
    /// Held while the source is asked.
    refresh: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// How often the source was asked, and why it gave nothing the last time.
    asked: u64,
    failure: Option<CredentialsError>,
}

#[derive(Clone)]
struct Held {
    credentials: Arc<Credentials>,
    obtained: OffsetDateTime,
    /// A failed refresh is not repeated before.
    not_before: Option<OffsetDateTime>,
}

/// What credentials are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// To be used.
    Fresh,
    /// To be used, and to be refreshed.
    Due,
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
    pub(in crate::oss) fn new(source: Source) -> Self {
        Self { source, state: Mutex::default(), refresh: tokio::sync::Mutex::default() }
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
        let asked = match self.look(clock.now()) {
            (Some(held), Freshness::Fresh, _) => return Ok(held.credentials),
            (Some(held), Freshness::Due, _) => {
                let Ok(_refreshing) = self.refresh.try_lock() else { return Ok(held.credentials) };
                // Before asking: a caller that is given up in the middle has failed as well.
                self.state().held =
                    Some(Held { not_before: Some(clock.now() + PAUSE), ..held.clone() });
                let asking = tokio::time::timeout(PATIENCE, self.ask(http, clock));
                return Ok(match asking.await {
                    Ok(Ok(credentials)) => credentials,
                    Err(_) => held.credentials,
                    Ok(Err(error)) => {
                        tracing::warn!(
                            "{error}; the credentials at hand are used until they expire"
                        );
                        held.credentials
                    }
                });
            }
            (_, _, asked) => asked,
        };
        let _refreshing = self.refresh.lock().await;
        // Someone else may have asked while this caller waited: for both.
        match self.look(clock.now()) {
            (Some(held), Freshness::Fresh | Freshness::Due, _) => Ok(held.credentials),
            (_, _, now_asked) if now_asked != asked => {
                let failure = self.state().failure.clone();
                match failure {
                    Some(failure) => Err(failure),
                    None => self.ask(http, clock).await,
                }
            }
            _ => self.ask(http, clock).await,
        }
    }

    /// Other credentials than `refused`, which the service did not take: those that were obtained
    /// since, or new ones. None if the source has no others.
    pub(in crate::oss) async fn replace(
        &self,
        refused: &Arc<Credentials>,
        http: &Http,
        clock: &Clock,
    ) -> Result<Option<Arc<Credentials>>, CredentialsError> {
        let asked = self.state().asked;
        let _refreshing = self.refresh.lock().await;
        {
            let state = self.state();
            match (&state.held, &state.failure) {
                (Some(held), _) if !Arc::ptr_eq(&held.credentials, refused) => {
                    return Ok(Some(Arc::clone(&held.credentials)));
                }
                // Someone else has asked in vain while this caller waited: for both.
                (_, Some(failure)) if state.asked != asked => return Err(failure.clone()),
                _ => {}
            }
        }
        let credentials = self.ask(http, clock).await?;
        Ok((!credentials.is_same(refused)).then_some(credentials))
    }

    async fn ask(&self, http: &Http, clock: &Clock) -> Result<Arc<Credentials>, CredentialsError> {
        let outcome = Fetcher { http, clock }.fetch(&self.source).await;
        let obtained = clock.now();
        let mut state = self.state();
        state.asked += 1;
        match outcome {
            Ok(credentials) => {
                tracing::debug!(
                    origin = self.origin(),
                    access_key = credentials.access_key_hint(),
                    expiration = credentials.expiration.map(|expiration| expiration.to_string()),
                    "obtained credentials",
                );
                let credentials = Arc::new(credentials);
                state.failure = None;
                state.held = Some(Held {
                    credentials: Arc::clone(&credentials),
                    obtained,
                    not_before: None,
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

    fn look(&self, now: OffsetDateTime) -> (Option<Held>, Freshness, u64) {
        let state = self.state();
        let freshness = state.held.as_ref().map_or(Freshness::Expired, |held| held.freshness(now));
        (state.held.clone(), freshness, state.asked)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn freshness(&self, now: OffsetDateTime) -> Freshness {
        let Some(expiration) = self.credentials.expiration else { return Freshness::Fresh };
        let life = expiration - self.obtained;
        let margin = REFRESH_MARGIN.min(life / 6).max(Duration::ZERO);
        if now >= expiration {
            Freshness::Expired
        } else if now >= expiration - margin
            && self.not_before.is_none_or(|not_before| now >= not_before)
        {
            Freshness::Due
        } else {
            Freshness::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How fresh credentials are at a second of their life.
    fn freshness(life: i64, second: i64, not_before: Option<i64>) -> Freshness {
        let at = |second| OffsetDateTime::UNIX_EPOCH + Duration::seconds(second);
        let credentials = Credentials::new("id", "secret").with_expiration(at(life));
        let not_before = not_before.map(at);
        Held { credentials: Arc::new(credentials), obtained: at(0), not_before }
            .freshness(at(second))
    }

    #[test]
    fn credentials_are_refreshed_before_they_expire() {
        use Freshness::{Due, Expired, Fresh};
        for (life, second, expected) in [
            (3600, 0, Fresh),
            (3600, 3299, Fresh),
            (3600, 3300, Due),
            (3600, 3599, Due),
            (3600, 3600, Expired),
            // A short life is not spent on refreshing.
            (60, 49, Fresh),
            (60, 50, Due),
            (60, 60, Expired),
            // Expired when they came, and from a clock that runs ahead.
            (0, 0, Expired),
            (-10, 0, Expired),
        ] {
            assert_eq!(freshness(life, second, None), expected, "{life} {second}");
        }
    }

    #[test]
    fn a_failed_refresh_waits_before_the_next_one_but_not_beyond_the_end() {
        assert_eq!(freshness(3600, 3310, Some(3330)), Freshness::Fresh);
        assert_eq!(freshness(3600, 3330, Some(3330)), Freshness::Due);
        assert_eq!(freshness(3600, 3600, Some(3700)), Freshness::Expired);
    }

    #[test]
    fn keys_without_an_end_stay_fresh() {
        let held = Held {
            credentials: Arc::new(Credentials::new("id", "secret")),
            obtained: OffsetDateTime::UNIX_EPOCH,
            not_before: None,
        };
        assert_eq!(
            held.freshness(OffsetDateTime::UNIX_EPOCH + Duration::weeks(5000)),
            Freshness::Fresh
        );
    }
}
