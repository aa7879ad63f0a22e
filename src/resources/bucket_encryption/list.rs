//! Lists buckets that have a rule: reads the account's list of buckets page by page, and the rule of each bucket
//! in its region.

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

/// Maximum number of concurrent requests.
const CONCURRENCY: usize = 8;
/// Buckets per page; the maximum of OSS.
const PAGE_SIZE: u16 = 1000;
/// Timeout of each request, including retries.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// The list resource.
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
        let query = Arc::new(ListQuery {
            provider_data: context.client,
            cancellation: context.cancellation,
            prefix: non_empty_string(config, "prefix").unwrap_or_default().to_owned(),
            region: non_empty_string(config, "region").map(str::to_owned),
            unresponsive_regions: Mutex::default(),
        });
        let buckets = Arc::clone(&query).buckets();
        let events = buckets
            .map(move |bucket| {
                let query = Arc::clone(&query);
                async move {
                    match bucket {
                        Ok(bucket) => query.list_event_for(&bucket).await,
                        Err(diagnostic) => Some(ListEvent::Diagnostic(diagnostic)),
                    }
                }
            })
            // Keeps the order of the list, so that the output of a query is reproducible.
            .buffered(CONCURRENCY)
            .filter_map(std::future::ready);
        Box::pin(events)
    }
}

struct ListQuery {
    provider_data: Arc<ProviderData>,
    cancellation: CancellationToken,
    prefix: String,
    region: Option<String>,
    /// Regions that did not respond. Their other buckets are skipped, to avoid a timeout for each of them.
    unresponsive_regions: Mutex<BTreeSet<Option<Region>>>,
}

/// The next page of the list.
enum NextPage {
    After(Option<String>),
    End,
}

impl ListQuery {
    /// The buckets of the account. Ends with an error if a page cannot be read.
    fn buckets(self: Arc<Self>) -> BoxStream<Result<Bucket, Diagnostic>> {
        let pages = stream::unfold(NextPage::After(None), move |page| {
            let query = Arc::clone(&self);
            async move {
                let NextPage::After(marker) = page else { return None };
                match query.page(marker).await {
                    Ok((buckets, next)) => Some((buckets.into_iter().map(Ok).collect(), next)),
                    Err(diagnostic) => Some((vec![Err(diagnostic)], NextPage::End)),
                }
            }
        });
        Box::pin(pages.flat_map(stream::iter))
    }

    async fn page(&self, marker: Option<String>) -> Result<(Vec<Bucket>, NextPage), Diagnostic> {
        let request =
            ListBucketsRequest { prefix: self.prefix.clone(), marker, max_keys: Some(PAGE_SIZE) };
        let page = self.client()?.list_buckets(&request, &self.call()).await;
        let page = page.map_err(|error| explain::list_error(&error))?;
        let matches_region = |bucket: &Bucket| match (&self.region, &bucket.region) {
            (Some(configured), Some(region)) => configured == region.as_str(),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let next = page.next_marker.map_or(NextPage::End, |marker| NextPage::After(Some(marker)));
        Ok((page.buckets.into_iter().filter(matches_region).collect(), next))
    }

    /// Reads the rule of a bucket. `None` if it has no rule, or was deleted in the meantime. A problem of one bucket
    /// is a warning; one that affects all buckets is an error, which ends the query.
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
        if self.unresponsive().contains(&bucket.region) {
            return warning(
                "Its region did not respond to an earlier request; see the first warning for that region."
                    .to_owned(),
            );
        }
        match client.get_bucket_encryption(&name, &self.call_for(bucket)).await {
            Ok(rule) => {
                let region =
                    bucket.region.as_ref().filter(|region| !client.is_default_region(region));
                let state = bare_state(&bucket.name, region.map(Region::as_str));
                Some(ListEvent::Result {
                    display_name: bucket.name.clone(),
                    state: state_with_rule(state, &name, &rule),
                })
            }
            Err(error) if error.is_not_found() => None,
            Err(error) if error.affects_all_buckets() => {
                Some(ListEvent::Diagnostic(explain::list_error(&error)))
            }
            Err(error) => {
                if error.is_unresponsive() {
                    self.unresponsive().insert(bucket.region.clone());
                }
                warning(explain::list_error(&error).detail)
            }
        }
    }

    fn unresponsive(&self) -> MutexGuard<'_, BTreeSet<Option<Region>>> {
        self.unresponsive_regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Result<&Client, Diagnostic> {
        self.provider_data.client()
    }

    fn call_for(&self, bucket: &Bucket) -> CallOptions {
        CallOptions {
            region: bucket.region.clone(),
            endpoints: bucket.endpoints.clone(),
            ..self.call()
        }
    }

    fn call(&self) -> CallOptions {
        CallOptions {
            cancellation: self.cancellation.clone(),
            ..CallOptions::with_timeout(CALL_TIMEOUT)
        }
    }
}
