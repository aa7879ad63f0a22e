//! `oss_bucket_encryption`: the default server-side encryption of a bucket.
//!
//! `schema` has the arguments and their documentation. `validation` and `state` are pure: they check
//! configurations and convert states. `write` and `list` send requests to OSS. Failed requests are explained
//! in `resources::explain`.
//!
//! `data_source` is the data source of one bucket, `account_data_source` that of all buckets; `filter` has the
//! arguments that select buckets.

mod account_data_source;
mod data_source;
mod filter;
mod list;
mod schema;
mod state;
mod validation;
mod write;

use crate::oss::EncryptionRule;
use crate::resources::{Context, ProviderData, bucket, explain};
use crate::tfplugin::{
    Applied, Diagnostics, Failure, ImportTarget, ListResource, MoveSource, Object, Plan,
    PlanRequest, Resource, Schema, async_trait,
};

pub(super) use account_data_source::BucketEncryptionsData;
pub(super) use data_source::BucketEncryptionData;
use list::BucketEncryptionList;
use state::{rule_from_state, state_with_rule};

/// The resource type.
#[derive(Debug)]
pub(super) struct BucketEncryption;

#[async_trait]
impl Resource<ProviderData> for BucketEncryption {
    fn type_name(&self) -> &'static str {
        "oss_bucket_encryption"
    }

    fn schema(&self) -> Schema {
        schema::schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        validation::validate(config)
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        bucket::plan(request, &["kms_master_key_id", "kms_data_encryption"])
    }

    async fn create(&self, context: &Context, planned_state: Object) -> Result<Applied, Failure> {
        let target = write::target(context, &planned_state, "create")?;
        bucket::create(&target, &rule_from_state(&planned_state), planned_state).await
    }

    async fn read(
        &self,
        context: &Context,
        current_state: Object,
    ) -> Result<Option<Object>, Failure> {
        let target = write::target(context, &current_state, "read")?;
        let rule = target.read().await?;
        Ok(rule.map(|rule| state_with_rule(current_state, &target.bucket, &rule)))
    }

    async fn update(
        &self,
        context: &Context,
        prior_state: Object,
        planned_state: Object,
    ) -> Result<Applied, Failure> {
        let target = write::target(context, &planned_state, "update")?;
        let rule = rule_from_state(&planned_state);
        let is_same_bucket = bucket::is_same_bucket(&prior_state, &planned_state);
        let prior_rule = is_same_bucket.then(|| rule_from_state(&prior_state));
        if prior_rule.as_ref() == Some(&rule) {
            // Only the timeouts changed, or an unset argument from null to "".
            return Ok(planned_state.into());
        }
        bucket::update(&target, prior_rule, &rule, planned_state).await
    }

    async fn delete(&self, context: &Context, prior_state: Object) -> Result<Diagnostics, Failure> {
        let target = write::target(context, &prior_state, "delete")?;
        Ok(target.delete::<EncryptionRule>().await?)
    }

    async fn import(
        &self,
        context: &Context,
        target: ImportTarget<'_>,
    ) -> Result<Object, Diagnostics> {
        let state = state::state_from_import(target)?;
        let target = write::target(context, &state, "read")?;
        // Terraform reads the object after an import, but would report a missing rule as an object that
        // does not exist.
        let rule = target.client.get_bucket_encryption(&target.bucket, &target.call).await;
        let rule = rule.map_err(|error| explain::import_error(&error))?;
        Ok(state_with_rule(state, &target.bucket, &rule))
    }

    fn identity_schema(&self) -> Option<Schema> {
        Some(bucket::identity_schema())
    }

    fn identity(&self, state: &Object) -> Option<Object> {
        bucket::identity(state)
    }

    fn move_state(&self, source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
        state::state_from_move(source)
    }

    fn list_resource(&self) -> Option<Box<dyn ListResource<ProviderData>>> {
        Some(Box::new(BucketEncryptionList))
    }
}
