//! Reads the encryption rules of all buckets of an account: the list of buckets page by page, and the rule of
//! each bucket in its region.
//!
//! One page and the requests in flight are all that is kept in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future, stream};
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::buckets::{Bucket, BucketEndpoints, ListBucketsRequest};
use super::call::CallOptions;
use super::client::Client;
use super::encryption::EncryptionRule;
use super::error::{Error, ErrorKind};
use super::names::{BucketName, NameError, Region};

/// Maximum number of concurrent requests.
const CONCURRENCY: usize = 8;
/// Buckets per page; the maximum of OSS.
const PAGE_SIZE: u16 = 1000;
/// Timeout of each request, including retries.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Buckets between two log lines about the progress.
const LOG_INTERVAL: usize = 100;

/// Which buckets to read, and for how long.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    /// Prefix of the bucket names; empty for all buckets.
    pub prefix: String,
    /// Region of the buckets; none for all regions. Buckets whose region OSS did not return are read as well.
    pub region: Option<Region>,
    /// When the whole scan must have ended. The request for a bucket, and without a deadline that for a page of
    /// the list, may take a minute at most.
    pub deadline: Option<Instant>,
    /// The regions of the buckets that were left out because of `region`.
    pub other_regions: OtherRegions,
    /// Ends the scan at once when cancelled.
    pub cancellation: CancellationToken,
}

/// The regions of buckets that a scan left out, which is filled while the scan runs.
#[derive(Debug, Clone, Default)]
pub struct OtherRegions(Arc<Mutex<BTreeSet<Region>>>);

impl OtherRegions {
    /// The regions so far, in alphabetical order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Region> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Region>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bucket of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedBucket {
    /// The bucket.
    pub bucket: Bucket,
    /// Its rule, none if it has no rule, or why the rule could not be read.
    pub rule: Result<Option<EncryptionRule>, ScanError>,
}

/// Why the rule of one bucket could not be read. The scan continues.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScanError {
    /// No request can be sent for a bucket with this name. Completes the sentence "The name …".
    #[error("its name {0}")]
    InvalidName(NameError),
    /// No request was sent, because an earlier one to the same region got no response.
    #[error("its region did not respond to an earlier request")]
    RegionUnresponsive,
    /// The request failed.
    #[error("{0}")]
    Call(Box<Error>),
}

impl Client {
    /// Reads the rules of all buckets, in the order of the list. Requests are sent only while the stream is
    /// polled, and a bounded number at once.
    ///
    /// An error ends the stream: a page of the list could not be read, the deadline passed, or the next bucket
    /// would fail in the same way, see [`Error::affects_all_buckets`].
    pub fn scan_bucket_encryption(
        self: &Arc<Self>,
        request: ScanRequest,
    ) -> impl Stream<Item = Result<ScannedBucket, Error>> + Send + 'static {
        let scan = Arc::new(Scan {
            client: Arc::clone(self),
            request,
            unresponsive_regions: Mutex::default(),
        });
        let reading = Arc::clone(&scan);
        let scanned = scan
            .buckets()
            .map(move |bucket| {
                let scan = Arc::clone(&reading);
                async move { scan.read(bucket?).await }
            })
            // Keeps the order of the list, so that the results are reproducible.
            .buffered(CONCURRENCY);
        stream::unfold(Some((Box::pin(scanned), 0)), async |state| {
            let (mut scanned, count) = state?;
            let Some(result) = scanned.next().await else {
                tracing::info!(buckets = count, "read the encryption of all buckets");
                return None;
            };
            if let Err(error) = result {
                tracing::info!(
                    buckets = count,
                    "stopped reading the encryption of buckets: {error}"
                );
                return Some((Err(error), None));
            }
            let count = count + 1;
            if count % LOG_INTERVAL == 0 {
                tracing::info!(buckets = count, "reading the encryption of buckets");
            }
            Some((result, Some((scanned, count))))
        })
    }
}

/// Where a bucket is reached: some regions have several endpoints, which serve different buckets.
type Location = (Option<Region>, BucketEndpoints);

fn location(bucket: &Bucket) -> Location {
    (bucket.region.clone(), bucket.endpoints.clone())
}

struct Scan {
    client: Arc<Client>,
    request: ScanRequest,
    /// Regions that did not respond. Their other buckets are skipped, to avoid a timeout for each of them.
    unresponsive_regions: Mutex<BTreeSet<Location>>,
}

/// The next page of the list.
enum NextPage {
    After(Option<String>),
    End,
}

impl Scan {
    /// The buckets of the account. Ends with an error if a page cannot be read.
    fn buckets(self: Arc<Self>) -> impl Stream<Item = Result<Bucket, Error>> + Send + 'static {
        let pages = stream::unfold(NextPage::After(None), move |page| {
            let scan = Arc::clone(&self);
            async move {
                let NextPage::After(marker) = page else { return None };
                match scan.page(marker).await {
                    Ok((buckets, next)) => Some((buckets.into_iter().map(Ok).collect(), next)),
                    Err(error) => Some((vec![Err(error)], NextPage::End)),
                }
            }
        });
        // A page that begins with its marker repeats the last bucket of the page before it.
        let mut last = None;
        pages.flat_map(stream::iter).filter(move |bucket| {
            let name = bucket.as_ref().ok().map(|bucket| bucket.name.clone());
            let is_repeated = name.is_some() && name == last;
            last = name;
            future::ready(!is_repeated)
        })
    }

    async fn page(&self, marker: Option<String>) -> Result<(Vec<Bucket>, NextPage), Error> {
        let ScanRequest { prefix, region, deadline, other_regions, .. } = &self.request;
        let list = ListBucketsRequest { prefix: prefix.clone(), marker, max_keys: Some(PAGE_SIZE) };
        let call = self.call();
        // A page that fails ends the scan.
        let call = CallOptions { deadline: deadline.unwrap_or(call.deadline), ..call };
        let page = self.client.list_buckets(&list, &call).await?;
        tracing::info!(
            buckets = page.buckets.len(),
            is_last = page.next_marker.is_none(),
            "listed a page of buckets",
        );
        let is_wanted = |bucket: &Bucket| match (region, &bucket.region) {
            (Some(wanted), Some(region)) if wanted != region => {
                other_regions.lock().insert(region.clone());
                false
            }
            _ => true,
        };
        let next = page.next_marker.map_or(NextPage::End, |marker| NextPage::After(Some(marker)));
        Ok((page.buckets.into_iter().filter(is_wanted).collect(), next))
    }

    async fn read(&self, bucket: Bucket) -> Result<ScannedBucket, Error> {
        let rule = match BucketName::parse(&bucket.name) {
            Ok(name) => self.rule(&name, &bucket).await?,
            Err(error) => Err(ScanError::InvalidName(error)),
        };
        Ok(ScannedBucket { bucket, rule })
    }

    async fn rule(
        &self,
        name: &BucketName,
        bucket: &Bucket,
    ) -> Result<Result<Option<EncryptionRule>, ScanError>, Error> {
        if self.unresponsive_regions().contains(&location(bucket)) {
            return Ok(Err(ScanError::RegionUnresponsive));
        }
        let call = CallOptions {
            region: bucket.region.clone(),
            endpoints: bucket.endpoints.clone(),
            ..self.call()
        };
        match self.client.get_bucket_encryption(name, &call).await {
            Ok(rule) => Ok(Ok(Some(rule))),
            Err(error) if error.is_rule_not_found() => Ok(Ok(None)),
            Err(error) if error.affects_all_buckets() || self.has_ended(&call, &error) => {
                Err(error)
            }
            Err(error) => {
                if error.is_unresponsive() {
                    self.unresponsive_regions().insert(location(bucket));
                }
                Ok(Err(ScanError::Call(Box::new(error))))
            }
        }
    }

    /// Whether the deadline that passed is that of the whole scan.
    fn has_ended(&self, call: &CallOptions, error: &Error) -> bool {
        matches!(error.kind, ErrorKind::DeadlineExceeded { .. })
            && self.request.deadline == Some(call.deadline)
    }

    fn unresponsive_regions(&self) -> MutexGuard<'_, BTreeSet<Location>> {
        self.unresponsive_regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> CallOptions {
        let call = CallOptions::with_timeout(CALL_TIMEOUT);
        let deadline = self.request.deadline.map_or(call.deadline, |end| end.min(call.deadline));
        CallOptions { deadline, cancellation: self.request.cancellation.clone(), ..call }
    }
}
