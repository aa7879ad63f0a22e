//! The search for buckets that have a rule: the account's list page by page, each bucket asked at its own
//! region.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::oss::{Bucket, BucketName, Call, Client, ListBuckets, Region};
use crate::resources::{Connection, explain};
use crate::tfplugin::{
    BoxStream, Context, Diagnostic, Diagnostics, ListEvent, ListResource, Object, Schema,
};

use super::state::{at_place, check_known, text, with_rule};
use super::{schema, validation};

/// How many buckets are asked at once.
const CONCURRENCY: usize = 8;
/// How many buckets a page has at most: as many as OSS gives.
const PAGE: u16 = 1000;
/// How long one call may take, retries included.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// The search. It has no state of its own.
pub(super) struct BucketEncryptions;

impl ListResource<Connection> for BucketEncryptions {
    fn schema(&self) -> Schema {
        schema::list_schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        validation::validate_list(config)
    }

    fn list(&self, context: Context<Connection>, config: &Object) -> BoxStream<ListEvent> {
        if let Err(diagnostic) = check_known(config) {
            return Box::pin(stream::iter([ListEvent::Message(diagnostic)]));
        }
        let search = Arc::new(Search {
            connection: context.client,
            stop: context.stop,
            prefix: text(config, "prefix").unwrap_or_default().to_owned(),
            region: text(config, "region").map(str::to_owned),
            silent: Mutex::default(),
        });
        let asking = Arc::clone(&search);
        let events = search
            .buckets()
            .map(move |found| {
                let search = Arc::clone(&asking);
                async move {
                    match found {
                        Ok(bucket) => search.rule_of(&bucket).await,
                        Err(diagnostic) => Some(ListEvent::Message(diagnostic)),
                    }
                }
            })
            // In the order of the list, so that two searches tell the same.
            .buffered(CONCURRENCY)
            .filter_map(std::future::ready);
        Box::pin(events)
    }
}

struct Search {
    connection: Arc<Connection>,
    stop: CancellationToken,
    prefix: String,
    region: Option<String>,
    /// Regions where nobody answered: their other buckets are skipped at once, instead of waiting for
    /// each of them.
    silent: Mutex<BTreeSet<Option<Region>>>,
}

/// Where the list goes on.
enum Page {
    After(Option<String>),
    End,
}

impl Search {
    /// The account's buckets, or what kept them from being listed.
    fn buckets(self: Arc<Self>) -> BoxStream<Result<Bucket, Diagnostic>> {
        let pages = stream::unfold(Page::After(None), move |page| {
            let search = Arc::clone(&self);
            async move {
                let Page::After(marker) = page else { return None };
                match search.page(marker).await {
                    Ok((buckets, next)) => Some((buckets.into_iter().map(Ok).collect(), next)),
                    Err(diagnostic) => Some((vec![Err(diagnostic)], Page::End)),
                }
            }
        });
        Box::pin(pages.flat_map(stream::iter))
    }

    async fn page(&self, marker: Option<String>) -> Result<(Vec<Bucket>, Page), Diagnostic> {
        let list = ListBuckets { prefix: self.prefix.clone(), marker, max_keys: Some(PAGE) };
        let page = self.client()?.list_buckets(&list, &self.call(None)).await;
        let page = page.map_err(|error| explain::failed_search(&error))?;
        let is_wanted = |bucket: &Bucket| match (&self.region, &bucket.region) {
            (Some(wanted), Some(region)) => wanted == region.as_str(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let next = page.next_marker.map_or(Page::End, |marker| Page::After(Some(marker)));
        Ok((page.buckets.into_iter().filter(is_wanted).collect(), next))
    }

    /// The rule of a bucket; none if it has none, or has gone meanwhile. What is wrong with one bucket is a
    /// warning, what is wrong with all of them an error, which ends the search.
    async fn rule_of(&self, bucket: &Bucket) -> Option<ListEvent> {
        let warning = |detail: String| {
            let summary = format!("Bucket {} was skipped", bucket.name);
            Some(ListEvent::Message(Diagnostic::warning(summary, detail)))
        };
        let name = match BucketName::parse(&bucket.name) {
            Ok(name) => name,
            Err(error) => {
                return warning(format!(
                    "The name of a bucket {error}. Buckets with older names cannot be managed by this \
                     provider."
                ));
            }
        };
        let client = match self.client() {
            Ok(client) => client,
            Err(diagnostic) => return Some(ListEvent::Message(diagnostic)),
        };
        if self.silent().contains(&bucket.region) {
            return warning(
                "Its region did not answer when another bucket was asked for, see the first such \
                 warning."
                    .to_owned(),
            );
        }
        match client.get_bucket_encryption(&name, &self.call(bucket.region.clone())).await {
            Ok(rule) => {
                let region = bucket.region.as_ref().filter(|region| !client.is_default(region));
                let place = at_place(&bucket.name, region.map(Region::as_str));
                Some(ListEvent::Found {
                    display_name: bucket.name.clone(),
                    state: with_rule(place, &name, &rule),
                })
            }
            Err(error) if error.is_not_found() => None,
            Err(error) if error.concerns_every_call() => {
                Some(ListEvent::Message(explain::failed_search(&error)))
            }
            Err(error) => {
                if error.is_unanswered() {
                    self.silent().insert(bucket.region.clone());
                }
                warning(explain::failed_search(&error).detail)
            }
        }
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<Option<Region>>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<&Client, Diagnostic> {
        self.connection.client()
    }

    fn call(&self, region: Option<Region>) -> Call {
        Call { region, cancellation: self.stop.clone(), ..Call::within(TIME_LIMIT) }
    }
}
