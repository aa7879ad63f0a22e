//! The search for buckets that have a rule: the account's list page by page, each bucket asked at its own
//! region.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::oss::{Bucket, BucketName, CallOptions, Client, ListBucketsRequest, Region};
use crate::resources::bucket::{check_known, non_empty_string};
use crate::resources::{ProviderData, explain};
use crate::tfplugin::{
    BoxStream, Context, Diagnostic, Diagnostics, ListEvent, ListResource, Object, Schema,
};

use super::state::{bare_state, state_with_rule};
use super::{schema, validation};

/// How many buckets are asked at once.
const CONCURRENCY: usize = 8;
/// How many buckets a page has at most: as many as OSS gives.
const PAGE_SIZE: u16 = 1000;
/// How long one call may take, retries included.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// The search. It has no state of its own.
pub(super) struct BucketEncryptionList;

impl ListResource<ProviderData> for BucketEncryptionList {
    fn schema(&self) -> Schema {
        schema::list_schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        validation::validate_list(config)
    }

    fn list(&self, context: Context<ProviderData>, config: &Object) -> BoxStream<ListEvent> {
        if let Err(diagnostic) = check_known(config) {
            return Box::pin(stream::iter([ListEvent::Diagnostic(diagnostic)]));
        }
        let search = Arc::new(ListQuery {
            connection: context.client,
            stop: context.cancellation,
            prefix: non_empty_string(config, "prefix").unwrap_or_default().to_owned(),
            region: non_empty_string(config, "region").map(str::to_owned),
            silent: Mutex::default(),
        });
        let asking = Arc::clone(&search);
        let events = search
            .buckets()
            .map(move |found| {
                let search = Arc::clone(&asking);
                async move {
                    match found {
                        Ok(bucket) => search.list_event_for(&bucket).await,
                        Err(diagnostic) => Some(ListEvent::Diagnostic(diagnostic)),
                    }
                }
            })
            // In the order of the list, so that two searches tell the same.
            .buffered(CONCURRENCY)
            .filter_map(std::future::ready);
        Box::pin(events)
    }
}

struct ListQuery {
    connection: Arc<ProviderData>,
    stop: CancellationToken,
    prefix: String,
    region: Option<String>,
    /// Regions where nobody answered: their other buckets are skipped at once, instead of waiting for
    /// each of them.
    silent: Mutex<BTreeSet<Option<Region>>>,
}

/// Where the list goes on.
enum NextPage {
    After(Option<String>),
    End,
}

impl ListQuery {
    /// The account's buckets, or what kept them from being listed.
    fn buckets(self: Arc<Self>) -> BoxStream<Result<Bucket, Diagnostic>> {
        let pages = stream::unfold(NextPage::After(None), move |page| {
            let search = Arc::clone(&self);
            async move {
                let NextPage::After(marker) = page else { return None };
                match search.page(marker).await {
                    Ok((buckets, next)) => Some((buckets.into_iter().map(Ok).collect(), next)),
                    Err(diagnostic) => Some((vec![Err(diagnostic)], NextPage::End)),
                }
            }
        });
        Box::pin(pages.flat_map(stream::iter))
    }

    async fn page(&self, marker: Option<String>) -> Result<(Vec<Bucket>, NextPage), Diagnostic> {
        let list =
            ListBucketsRequest { prefix: self.prefix.clone(), marker, max_keys: Some(PAGE_SIZE) };
        let page = self.client()?.list_buckets(&list, &self.call(None)).await;
        let page = page.map_err(|error| explain::list_error(&error))?;
        let is_wanted = |bucket: &Bucket| match (&self.region, &bucket.region) {
            (Some(wanted), Some(region)) => wanted == region.as_str(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let next = page.next_marker.map_or(NextPage::End, |marker| NextPage::After(Some(marker)));
        Ok((page.buckets.into_iter().filter(is_wanted).collect(), next))
    }

    /// The rule of a bucket; none if it has none, or has gone meanwhile. What is wrong with one bucket is a
    /// warning, what is wrong with all of them an error, which ends the search.
    async fn list_event_for(&self, bucket: &Bucket) -> Option<ListEvent> {
        let warning = |detail: String| {
            let summary = format!("Bucket {} was skipped", bucket.name);
            Some(ListEvent::Diagnostic(Diagnostic::warning(summary, detail)))
        };
        let name = match BucketName::parse(&bucket.name) {
            Ok(name) => name,
            Err(error) => {
                return warning(format!(
                    "Its name {error}. This provider cannot manage buckets with names from before the \
                     current naming rules."
                ));
            }
        };
        let client = match self.client() {
            Ok(client) => client,
            Err(diagnostic) => return Some(ListEvent::Diagnostic(diagnostic)),
        };
        if self.unresponsive_regions().contains(&bucket.region) {
            return warning(
                "Its region did not respond to an earlier request; see the first warning for that region."
                    .to_owned(),
            );
        }
        match client.get_bucket_encryption(&name, &self.call(bucket.region.clone())).await {
            Ok(rule) => {
                let region =
                    bucket.region.as_ref().filter(|region| !client.is_default_region(region));
                let place = bare_state(&bucket.name, region.map(Region::as_str));
                Some(ListEvent::Result {
                    display_name: bucket.name.clone(),
                    state: state_with_rule(place, &name, &rule),
                })
            }
            Err(error) if error.is_not_found() => None,
            Err(error) if error.affects_all_buckets() => {
                Some(ListEvent::Diagnostic(explain::list_error(&error)))
            }
            Err(error) => {
                if error.is_unresponsive() {
                    self.unresponsive_regions().insert(bucket.region.clone());
                }
                warning(explain::list_error(&error).detail)
            }
        }
    }

    fn unresponsive_regions(&self) -> MutexGuard<'_, BTreeSet<Option<Region>>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<&Client, Diagnostic> {
        self.connection.client()
    }

    fn call(&self, region: Option<Region>) -> CallOptions {
        CallOptions {
            region,
            cancellation: self.stop.clone(),
            ..CallOptions::with_timeout(CALL_TIMEOUT)
        }
    }
}
