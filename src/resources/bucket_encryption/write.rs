//! The encryption rule as a setting of a bucket. How it is set is in `resources::bucket`.

use crate::oss::{BucketName, CallOptions, Client, EncryptionRule, Error};
use crate::resources::Context;
use crate::resources::bucket::{BucketSetting, BucketTarget, check_known, non_empty_string};
use crate::tfplugin::{Diagnostic, Object};

impl BucketSetting for EncryptionRule {
    const NAME: &'static str = "encryption";
    const VALUE: &'static str = "rule";
    const SECOND_OWNER: &'static str = "Usually this is `server_side_encryption_rule` of an `alicloud_oss_bucket` \
         resource: remove it there and add `lifecycle { ignore_changes = [server_side_encryption_rule] }`, or \
         remove this resource.";

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
        client.put_bucket_encryption(bucket, self, options).await?;
        Ok(())
    }

    async fn delete(
        client: &Client,
        bucket: &BucketName,
        options: &CallOptions,
    ) -> Result<(), Error> {
        client.delete_bucket_encryption(bucket, options).await?;
        Ok(())
    }
}

/// The target of an operation. The state must contain a rule if the operation sets one.
pub(super) fn target<'a>(
    context: &'a Context,
    state: &Object,
    operation: &str,
) -> Result<BucketTarget<'a>, Diagnostic> {
    check_known(state)?;
    if non_empty_string(state, "sse_algorithm").is_none()
        && matches!(operation, "create" | "update")
    {
        let detail = "`sse_algorithm` is not set, but it is required to set the rule. This is a bug in \
                      Terraform or OpenTofu, not in your configuration.";
        return Err(Diagnostic::error("Missing value", detail).with_attribute("sse_algorithm"));
    }
    BucketTarget::from_state(context, state, operation)
}
