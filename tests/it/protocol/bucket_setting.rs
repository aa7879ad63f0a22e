//! A second setting of a bucket in one file, built on `resources::bucket`: the cipher of its objects.

use terraform_provider_oss::oss::EncryptionRule;
use terraform_provider_oss::resources::bucket::{self, BucketTarget};
use terraform_provider_oss::resources::{Context, ProviderData};
use terraform_provider_oss::tfplugin::{
    Applied, Attribute, Block, Diagnostic, Diagnostics, Failure, ImportTarget, Object, Plan,
    PlanRequest, Resource, Schema, async_trait,
};

pub(super) struct BucketCipher;

#[async_trait]
impl Resource<ProviderData> for BucketCipher {
    fn type_name(&self) -> &'static str {
        "oss_bucket_cipher"
    }

    fn schema(&self) -> Schema {
        let attributes = vec![
            Attribute::required("bucket", "Name of the bucket."),
            Attribute::required("cipher", "Cipher of the objects: `AES256` or `SM4`."),
            Attribute::optional_computed("region", "Region of the bucket."),
            Attribute::computed("id", "Name of the bucket."),
        ];
        let blocks = vec![bucket::timeouts_block(["", "", "", ""])];
        Schema { version: 0, block: Block { attributes, blocks, ..Block::default() } }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        bucket::validate(config, &[("cipher", "`AES256` or `SM4`")], |_| Diagnostics::new())
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        bucket::plan(request, &[])
    }

    async fn create(&self, context: &Context, planned: Object) -> Result<Applied, Failure> {
        let target = BucketTarget::from_state(context, &planned, "create")?;
        bucket::create(&target, &rule(&planned), planned).await
    }

    async fn read(&self, context: &Context, state: Object) -> Result<Option<Object>, Failure> {
        let target = BucketTarget::from_state(context, &state, "read")?;
        let rule: Option<EncryptionRule> = target.read().await?;
        Ok(rule.map(|rule| state.with("cipher", rule.sse_algorithm.as_str())))
    }

    async fn update(
        &self,
        context: &Context,
        prior: Object,
        planned: Object,
    ) -> Result<Applied, Failure> {
        let target = BucketTarget::from_state(context, &planned, "update")?;
        bucket::update(&target, Some(rule(&prior)), &rule(&planned), planned).await
    }

    async fn delete(&self, context: &Context, state: Object) -> Result<Diagnostics, Failure> {
        let target = BucketTarget::from_state(context, &state, "delete")?;
        Ok(target.delete::<EncryptionRule>().await?)
    }

    async fn import(
        &self,
        context: &Context,
        target: ImportTarget<'_>,
    ) -> Result<Object, Diagnostics> {
        let state = self.read(context, bucket::state_from_import(target)?).await?;
        state.ok_or_else(|| Diagnostic::error("The bucket has no cipher", "Create one.").into())
    }

    fn identity_schema(&self) -> Option<Schema> {
        Some(bucket::identity_schema())
    }

    fn identity(&self, state: &Object) -> Option<Object> {
        bucket::identity(state)
    }
}

fn rule(state: &Object) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: bucket::non_empty_string(state, "cipher").unwrap_or_default().into(),
        kms_master_key_id: None,
        kms_data_encryption: None,
    }
}
