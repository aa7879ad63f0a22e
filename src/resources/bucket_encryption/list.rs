//! Lists the buckets of the account that have a rule.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use crate::oss::{Client, Error, Region, ScanRequest, ScannedBucket};
use crate::resources::{ProviderData, explain};
use crate::tfplugin::{
    BoxStream, Context, Diagnostic, Diagnostics, ListEvent, ListResource, Object, Schema,
};

use super::state::{bare_state, state_with_rule};
use super::{filter, schema};

/// The list resource.
pub(super) struct BucketEncryptionList;

impl ListResource<ProviderData> for BucketEncryptionList {
    fn schema(&self) -> Schema {
        schema::list_schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        filter::validate(config)
    }

    fn list(&self, context: Context<ProviderData>, config: &Object) -> BoxStream<ListEvent> {
        let (client, request) = match prepare(context, config) {
            Ok(ready) => ready,
            Err(diagnostics) => {
                return Box::pin(stream::iter(diagnostics).map(ListEvent::Diagnostic));
            }
        };
        let query = Query {
            scanned: Box::pin(client.scan_bucket_encryption(request.clone())),
            client,
            request,
            found: 0,
        };
        Box::pin(stream::unfold(Some(query), async |query| query?.next().await))
    }
}

/// A query in progress.
struct Query {
    scanned: BoxStream<Result<ScannedBucket, Error>>,
    client: Arc<Client>,
    request: ScanRequest,
    /// Number of buckets so far, with and without a rule.
    found: usize,
}

impl Query {
    /// The next event, and the query unless it has ended.
    async fn next(mut self) -> Option<(ListEvent, Option<Self>)> {
        match self.scanned.next().await {
            Some(Ok(scanned)) => {
                self.found += 1;
                Some((to_event(&self.client, scanned), Some(self)))
            }
            Some(Err(error)) => {
                let failed = explain::list_failed(&error, self.found);
                Some((ListEvent::Diagnostic(failed), None))
            }
            None if self.found == 0 => {
                let warning = filter::nothing_selected(&self.request)?;
                Some((ListEvent::Diagnostic(warning), None))
            }
            None => None,
        }
    }
}

fn prepare(
    context: Context<ProviderData>,
    config: &Object,
) -> Result<(Arc<Client>, ScanRequest), Diagnostics> {
    let request = filter::scan_request(config, None, context.cancellation)?;
    Ok((Arc::clone(context.provider_data.client()?), request))
}

/// A bucket that has no rule is not listed. A problem of one bucket is a warning, also if OSS no longer finds the
/// bucket.
fn to_event(client: &Client, scanned: ScannedBucket) -> ListEvent {
    let ScannedBucket { bucket, rule } = scanned;
    match rule {
        Ok(None) => ListEvent::Unlisted,
        Ok(Some(rule)) => {
            let region = bucket.region.as_ref().filter(|region| !client.is_default_region(region));
            let state = bare_state(&bucket.name, region.map(Region::as_str));
            let state = state_with_rule(state, &rule);
            ListEvent::Result { display_name: bucket.name, state }
        }
        Err(error) => {
            let summary = format!("Bucket {} was skipped", bucket.name);
            let detail = explain::scan_error(&error);
            ListEvent::Diagnostic(Diagnostic::warning(summary, detail))
        }
    }
}
