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
        let scanned = client.scan_bucket_encryption(request);
        Box::pin(scanned.map(move |scanned| to_event(&client, scanned)))
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
/// bucket; one that affects all buckets is an error, which ends the query.
fn to_event(client: &Client, scanned: Result<ScannedBucket, Error>) -> ListEvent {
    let ScannedBucket { bucket, rule } = match scanned {
        Ok(scanned) => scanned,
        Err(error) => return ListEvent::Diagnostic(explain::list_error(&error)),
    };
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
