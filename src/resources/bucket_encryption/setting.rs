//! The encryption rule as a setting of a bucket.

use super::list::BucketEncryptionList;
use super::{schema, state, validation};
use crate::oss::{BucketName, CallOptions, Client, EncryptionRule, Error};
use crate::resources::ProviderData;
use crate::resources::bucket::{BucketSetting, non_empty_string};
use crate::tfplugin::{Diagnostic, Diagnostics, ListResource, MoveSource, Object, Schema};

impl BucketSetting for EncryptionRule {
    const TYPE_NAME: &'static str = "oss_bucket_encryption";
    const NAME: &'static str = "encryption";
    const VALUE: &'static str = "rule";
    const CONFLICT_ADVICE: &'static str = "Usually this is `server_side_encryption_rule` of an `alicloud_oss_bucket` \
         resource: remove it there and add `lifecycle { ignore_changes = [server_side_encryption_rule] }`, or \
         remove this resource.";
    const OPTIONAL: &'static [&'static str] = &["kms_master_key_id", "kms_data_encryption"];

    fn schema() -> Schema {
        schema::schema()
    }

    fn validate(config: &Object) -> Diagnostics {
        validation::validate(config)
    }

    fn from_state(state: &Object) -> Result<Self, Diagnostic> {
        if non_empty_string(state, "sse_algorithm").is_none() {
            let detail = "`sse_algorithm` is not set, but it is required to set the rule. This is a bug in \
                          Terraform or OpenTofu, not in your configuration.";
            return Err(Diagnostic::error("Missing value", detail).with_attribute("sse_algorithm"));
        }
        Ok(state::rule_from_state(state))
    }

    fn add_to(&self, state: Object) -> Object {
        state::state_with_rule(state, self)
    }

    fn without_setting(state: Object) -> Object {
        state::without_rule(state)
    }

    fn move_state(source: &MoveSource<'_>) -> Option<Result<Object, Diagnostics>> {
        Some(state::state_from_move(source))
    }

    fn list_resource() -> Option<Box<dyn ListResource<ProviderData>>> {
        Some(Box::new(BucketEncryptionList))
    }

    fn describe(&self, configured: &Self) -> String {
        self.describe(configured)
    }

    async fn get(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<Self, Error> {
        client.get_bucket_encryption(bucket, options).await
    }

    async fn put(
        &self,
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<(), Error> {
        client.put_bucket_encryption(bucket, self, options).await.map(drop)
    }

    async fn delete(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<(), Error> {
        client.delete_bucket_encryption(bucket, options).await.map(drop)
    }
}
