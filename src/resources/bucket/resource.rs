//! The resource of a setting: what does not depend on which setting it is.

use std::fmt;
use std::marker::PhantomData;

use super::{
    BucketSetting, BucketTarget, Operation, create, identity, identity_schema, is_same_bucket,
    non_empty_string, plan, state_from_import, update,
};
use crate::resources::{Context, ProviderData, explain};
use crate::tfplugin::{
    Applied, Diagnostics, Failure, ImportTarget, ListResource, MoveSource, Object, Plan,
    PlanRequest, Resource, Schema, async_trait, unsupported_move,
};

/// Manages the setting `S` of buckets.
pub struct SettingResource<S>(PhantomData<fn() -> S>);

impl<S> Default for SettingResource<S> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S: BucketSetting> fmt::Debug for SettingResource<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(S::TYPE_NAME)
    }
}

#[async_trait]
impl<S: BucketSetting + 'static> Resource<ProviderData> for SettingResource<S> {
    fn type_name(&self) -> &'static str {
        S::TYPE_NAME
    }

    fn schema(&self) -> Schema {
        S::schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        S::validate(config)
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        plan(request, S::OPTIONAL)
    }

    async fn create(&self, context: &Context, planned_state: Object) -> Result<Applied, Failure> {
        let target = BucketTarget::from_state(context, &planned_state, Operation::Create)?;
        create(&target, &S::from_state(&planned_state)?, planned_state).await
    }

    async fn read(
        &self,
        context: &Context,
        current_state: Object,
    ) -> Result<Option<Object>, Failure> {
        let target = BucketTarget::from_state(context, &current_state, Operation::Read)?;
        let setting: Option<S> = target.read().await?;
        Ok(setting.map(|setting| with_setting(current_state, &target, &setting)))
    }

    async fn update(
        &self,
        context: &Context,
        prior_state: Object,
        planned_state: Object,
    ) -> Result<Applied, Failure> {
        let target = BucketTarget::from_state(context, &planned_state, Operation::Update)?;
        let planned = S::from_state(&planned_state)?;
        let prior = if is_same_bucket(&prior_state, &planned_state) {
            S::from_state(&prior_state).ok()
        } else {
            None
        };
        update(&target, prior, &planned, planned_state).await
    }

    async fn delete(&self, context: &Context, prior_state: Object) -> Result<Diagnostics, Failure> {
        let target = BucketTarget::from_state(context, &prior_state, Operation::Delete)?;
        Ok(target.delete::<S>().await?)
    }

    async fn import(
        &self,
        context: &Context,
        target: ImportTarget<'_>,
    ) -> Result<Object, Diagnostics> {
        let state = S::without_setting(state_from_import(target)?);
        let has_region = non_empty_string(&state, "region").is_some();
        let bucket = BucketTarget::from_state(context, &state, Operation::Read)?;
        // Terraform reads the object after an import, but would report a missing setting as an object that
        // does not exist.
        let setting = S::get(bucket.client, &bucket.bucket, &bucket.call).await;
        let setting = setting.map_err(|error| explain::import_error(&error, target, has_region))?;
        Ok(with_setting(state, &bucket, &setting))
    }

    fn identity_schema(&self) -> Option<Schema> {
        Some(identity_schema())
    }

    fn identity(&self, state: &Object) -> Option<Object> {
        identity(state)
    }

    fn move_state(&self, source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
        S::move_state(source).unwrap_or_else(|| Err(unsupported_move(S::TYPE_NAME, source)))
    }

    fn list_resource(&self) -> Option<Box<dyn ListResource<ProviderData>>> {
        S::list_resource()
    }
}

fn with_setting<S: BucketSetting>(state: Object, target: &BucketTarget<'_>, setting: &S) -> Object {
    setting.add_to(state.with("id", target.bucket.as_str()))
}
