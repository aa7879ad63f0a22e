//! A second setting of a bucket in one file, built on `resources::bucket`: the cipher of its objects.

use std::fmt;

use terraform_provider_oss::oss::{BucketName, CallOptions, Client, EncryptionRule, Error};
use terraform_provider_oss::resources::bucket::{self, BucketSetting};
use terraform_provider_oss::tfplugin::{Attribute, Block, Diagnostic, Diagnostics, Object, Schema};

#[derive(PartialEq)]
pub(super) struct Cipher(String);

impl fmt::Display for Cipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl BucketSetting for Cipher {
    const TYPE_NAME: &'static str = "oss_bucket_cipher";
    const NAME: &'static str = "default";
    const VALUE: &'static str = "cipher";
    const CONFLICT_ADVICE: &'static str = "Usually this is `oss_bucket_encryption`.";

    fn schema() -> Schema {
        let attributes = vec![
            Attribute::required("bucket", "Name of the bucket."),
            Attribute::required("cipher", "Cipher of the objects: `AES256` or `SM4`."),
            Attribute::optional_computed("region", "Region of the bucket."),
            Attribute::computed("id", "Name of the bucket."),
        ];
        let blocks = vec![bucket::timeouts_block(["", "", "", ""])];
        Schema { version: 0, block: Block { attributes, blocks, ..Block::default() } }
    }

    fn validate(config: &Object) -> Diagnostics {
        bucket::validate(config, &[("cipher", "`AES256` or `SM4`")], |_| Diagnostics::new())
    }

    fn from_state(state: &Object) -> Result<Self, Diagnostic> {
        let cipher = bucket::non_empty_string(state, "cipher");
        let cipher = cipher.ok_or_else(|| Diagnostic::error("No cipher", "The state has none."))?;
        Ok(Self(cipher.to_owned()))
    }

    fn add_to(&self, state: Object) -> Object {
        state.with("cipher", self.0.as_str())
    }

    async fn get(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<Self, Error> {
        let rule = client.get_bucket_encryption(bucket, options).await?;
        Ok(Self(rule.sse_algorithm.as_str().to_owned()))
    }

    async fn put(
        &self,
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<(), Error> {
        let rule = EncryptionRule {
            sse_algorithm: self.0.as_str().into(),
            kms_master_key_id: None,
            kms_data_encryption: None,
        };
        client.put_bucket_encryption(bucket, &rule, options).await.map(drop)
    }

    async fn delete(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<(), Error> {
        client.delete_bucket_encryption(bucket, options).await.map(drop)
    }
}
