//! `data "oss_bucket_encryptions"`: the rules of all buckets of the account.

use std::time::Duration;

use futures_util::TryStreamExt as _;

use crate::oss::{Region, ScannedBucket};
use crate::resources::{Context, ProviderData, bucket, explain};
use crate::tfplugin::{
    Attribute, AttributeType, Block, DataSource, Diagnostic, Diagnostics, Object, ReadData, Schema,
    Value, async_trait,
};

use super::data_source::{rule_attributes, with_rule};
use super::filter;

/// Reading 10,000 buckets takes minutes, depending on the latency.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(20);
/// Number of buckets whose problem the warning describes. `error` has all of them.
const MAX_DESCRIBED: usize = 10;

/// The data source.
#[derive(Debug)]
pub(in crate::resources) struct AccountEncryptionDataSource;

#[async_trait]
impl DataSource<ProviderData> for AccountEncryptionDataSource {
    fn type_name(&self) -> &'static str {
        "oss_bucket_encryptions"
    }

    fn schema(&self) -> Schema {
        let bucket = [
            Attribute::computed("bucket", "Name of the bucket."),
            Attribute::computed("region", "Region of the bucket. Null if OSS did not return one."),
        ];
        let error = Attribute::computed(
            "error",
            "Why the encryption of the bucket could not be read. Null if it was read.",
        );
        let bucket = bucket.into_iter().chain(rule_attributes()).chain([error]).collect();
        let mut attributes = filter::attributes();
        attributes.push(
            Attribute::computed("buckets", "All buckets, with and without a rule, sorted by name.")
                .of_type(AttributeType::ObjectList(bucket)),
        );
        Schema {
            version: 0,
            block: Block {
                description: "Reads the default server-side encryption of all buckets of the account, for \
                    audits, `check` blocks, preconditions and `for_each`. The rule of each bucket is read at \
                    the endpoint of its region.\n\n\
                    ~> **Note:** A bucket is unencrypted only if both `sse_algorithm` and `error` are null. A \
                    bucket that could not be read produces a warning and has the reason in `error`. If the \
                    list of buckets itself cannot be read, or the credentials are rejected, reading the data \
                    source fails.\n\n\
                    Requires the RAM actions `oss:ListBuckets` on `acs:oss:*:*:*` and \
                    `oss:GetBucketEncryption` on the buckets.",
                attributes,
                blocks: vec![bucket::read_timeout_block(
                    "Timeout for reading all buckets. Defaults to `20m`.",
                )],
            },
        }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        let mut diagnostics = filter::validate(config);
        diagnostics.extend(bucket::validate_timeouts(config));
        diagnostics
    }

    async fn read(&self, context: &Context, config: Object) -> Result<ReadData, Diagnostics> {
        let diagnostics = self.validate(&config);
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let deadline = bucket::deadline(&config, bucket::Operation::Read, DEFAULT_TIMEOUT);
        let request = filter::scan_request(&config, Some(deadline), context.cancellation.clone())?;
        let scanned = context.provider_data.client()?.scan_bucket_encryption(request.clone());
        let (mut buckets, mut unread) = (Vec::new(), Unread::default());
        let mut scanned = std::pin::pin!(scanned);
        while let Some(ScannedBucket { bucket, rule }) =
            scanned.try_next().await.map_err(|error| explain::scan_failed(&error, buckets.len()))?
        {
            let reason = rule.as_ref().err().map(|error| {
                unread.add(&bucket.name, || explain::scan_error(error));
                explain::scan_error_without_ids(error)
            });
            let object = Object::new()
                .with("bucket", bucket.name.as_str())
                .with("region", bucket.region.as_ref().map(Region::as_str))
                .with("error", reason.as_deref());
            buckets.push(with_rule(object, rule.as_ref().ok().and_then(Option::as_ref)));
        }
        let mut warnings = unread.warning(buckets.len()).map(Diagnostics::from).unwrap_or_default();
        if buckets.is_empty()
            && let Some(warning) = filter::nothing_selected(&request)
        {
            warnings.push(warning);
        }
        buckets.sort_by(|one, other| {
            one.string("bucket").known().cmp(&other.string("bucket").known())
        });
        let buckets = Value::List(buckets.into_iter().map(Value::Object).collect());
        Ok(ReadData { state: config.with("buckets", buckets), warnings })
    }
}

/// The buckets that could not be read.
#[derive(Default)]
struct Unread {
    count: usize,
    /// A paragraph for each of the first ones.
    described: Vec<String>,
}

impl Unread {
    fn add(&mut self, bucket: &str, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.described.len() < MAX_DESCRIBED {
            self.described.push(format!("Bucket {bucket}: {}", reason()));
        }
    }

    /// One warning about all of them, because Terraform shows only the first of several similar ones.
    fn warning(self, total: usize) -> Option<Diagnostic> {
        let Self { count, described } = self;
        if count == 0 {
            return None;
        }
        let summary = format!("The encryption of {count} of {total} buckets could not be read");
        let more = match count - described.len() {
            0 => String::new(),
            more => format!(
                "\n\n{more} more buckets could not be read; `error` in `buckets` has the reasons."
            ),
        };
        let detail = format!(
            "Their rule is null and `error` is set: do not take them for unencrypted.\n\n{}{more}",
            described.join("\n\n"),
        );
        Some(Diagnostic::warning(summary, detail))
    }
}
