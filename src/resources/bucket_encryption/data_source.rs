//! `data "oss_bucket_encryption"`: the rule of one bucket.

use crate::oss::{Client, EncryptionRule, SseAlgorithm};
use crate::resources::bucket::{self, BucketTarget, Operation};
use crate::resources::{Context, ProviderData, explain};
use crate::tfplugin::{
    Attribute, Block, DataSource, Diagnostics, Object, ReadData, Schema, async_trait,
};

/// The data source.
#[derive(Debug)]
pub(in crate::resources) struct BucketEncryptionDataSource;

#[async_trait]
impl DataSource<ProviderData> for BucketEncryptionDataSource {
    fn type_name(&self) -> &'static str {
        "oss_bucket_encryption"
    }

    fn schema(&self) -> Schema {
        let bucket = Attribute::required("bucket", "Name of the bucket.");
        let region = Attribute::optional(
            "region",
            "Region of the bucket, for example `cn-hangzhou`. Defaults to the provider's region.",
        );
        let id = Attribute::computed("id", "Name of the bucket.");
        Schema {
            version: 0,
            block: Block {
                description: "Reads the default server-side encryption of an OSS bucket.\n\n\
                    If the bucket has no encryption rule, the attributes of the rule are null; this is not an \
                    error. A bucket that does not exist, or that the credentials cannot read, is an error.\n\n\
                    Requires the RAM action `oss:GetBucketEncryption` on the resource `acs:oss:*:*:{bucket}`.",
                attributes: [bucket, region]
                    .into_iter()
                    .chain(rule_attributes())
                    .chain([id])
                    .collect(),
                blocks: vec![bucket::read_timeout_block(
                    "Timeout for reading the rule. Defaults to `1m`.",
                )],
            },
        }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        bucket::validate(config, &[], |_| Diagnostics::new())
    }

    async fn read(&self, context: &Context, config: Object) -> Result<ReadData, Diagnostics> {
        let diagnostics = self.validate(&config);
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let target = BucketTarget::from_state(context, &config, Operation::Read)?;
        let rule = match target.follow_redirect(Client::get_bucket_encryption).await {
            Ok(rule) => Some(rule),
            Err(error) if error.is_rule_not_found() => None,
            Err(error) => return Err(explain::data_source_error(&error).into()),
        };
        Ok(with_rule(config, rule.as_ref()).with("id", target.bucket.as_str()).into())
    }
}

/// The computed attributes of a rule.
pub(super) fn rule_attributes() -> [Attribute; 3] {
    [
        Attribute::computed(
            "sse_algorithm",
            "Encryption algorithm: `AES256`, `KMS` or `SM4`. Null if the bucket has no encryption rule.",
        ),
        Attribute::computed(
            "kms_master_key_id",
            "ID of the customer master key (CMK). Null if the rule does not specify one.",
        ),
        Attribute::computed(
            "kms_data_encryption",
            "Cipher of the data keys, `SM4`. Null if the rule does not specify one.",
        ),
    ]
}

/// Sets the attributes of a rule; null if there is none.
pub(super) fn with_rule(object: Object, rule: Option<&EncryptionRule>) -> Object {
    let algorithm = rule.map(|rule| &rule.sse_algorithm).map(SseAlgorithm::as_str);
    let key = rule.and_then(|rule| rule.kms_master_key_id.as_deref());
    let cipher = rule.and_then(|rule| rule.kms_data_encryption.as_deref());
    object
        .with("sse_algorithm", algorithm)
        .with("kms_master_key_id", key)
        .with("kms_data_encryption", cipher)
}
