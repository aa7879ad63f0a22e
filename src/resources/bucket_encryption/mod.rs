//! `oss_bucket_encryption`: the default server-side encryption of a bucket.
//!
//! `schema` is what users see, `validation` and `state` decide, `write` and `list` call OSS; wording about
//! failed calls is in `explain`.

mod list;
mod schema;
mod state;
mod validation;
mod write;

use crate::resources::bucket::{self, non_empty_string};
use crate::resources::{ProviderData, explain};
use crate::tfplugin::{
    AttributePath, BoxFuture, Context, Diagnostics, ImportTarget, ListResource, MoveSource, Object,
    Outcome, Plan, PlanRequest, Resource, Schema,
};

use list::BucketEncryptionList;
use state::{keeps_prior_unset, rule_from_state, state_with_rule};
use write::WriteError;

/// What Terraform does with an object whose creation failed half-way.
const TAINTED_NOTE: &str = "\n\nThe rule may be in place, so the resource is kept in the state. Terraform \
     marks it as tainted and would remove and set the rule again; if the bucket's rule is right, \
     `terraform untaint` with the address of the resource avoids that.";

/// What else may be true after a change or a removal that failed half-way.
const OUTCOME_UNKNOWN_NOTE: &str = "\n\nOSS may have done it all the same. The state keeps the resource as it was \
     before; the next plan reads the bucket and shows what is left to do.";

/// The resource type. It has no state of its own.
#[derive(Debug)]
pub(super) struct BucketEncryption;

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
        let PlanRequest { prior_state, config } = *request;
        let mut planned_state = config.clone();
        planned_state.set("id", config.get("bucket").clone());
        let Some(prior_state) = prior_state else {
            return Plan { planned_state, requires_replace: Vec::new() };
        };
        for name in ["kms_master_key_id", "kms_data_encryption", "region"] {
            if keeps_prior_unset(prior_state.get(name), config.get(name)) {
                planned_state.set(name, prior_state.get(name).clone());
            }
        }
        let moved = prior_state.get("bucket") != config.get("bucket");
        let requires_replace = if moved { vec![AttributePath::root("bucket")] } else { Vec::new() };
        Plan { planned_state, requires_replace }
    }

    fn create<'a>(
        &'a self,
        context: &'a Context<ProviderData>,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match write::target(context, &planned_state, "create") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            match write::put_and_verify(&target, &rule_from_state(&planned_state)).await {
                Ok(()) => Outcome::state(planned_state),
                Err(WriteError { diagnostic, may_have_changed: false, .. }) => {
                    Outcome::failed(None, diagnostic)
                }
                Err(WriteError { mut diagnostic, .. }) => {
                    diagnostic.detail.push_str(TAINTED_NOTE);
                    Outcome::failed(Some(planned_state), diagnostic)
                }
            }
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a Context<ProviderData>,
        current_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match write::target(context, &current_state, "read") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(current_state), diagnostic),
            };
            match write::get(&target).await {
                Ok(rule) => Outcome::state(state_with_rule(current_state, &target.bucket, &rule)),
                Err(error) if error.is_not_found() => {
                    tracing::warn!(bucket = target.bucket.as_str(), "{error}; removing from state");
                    Outcome::removed()
                }
                Err(error) => Outcome::failed(Some(current_state), explain::call_error(&error)),
            }
        })
    }

    fn update<'a>(
        &'a self,
        context: &'a Context<ProviderData>,
        prior_state: Object,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match write::target(context, &planned_state, "update") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(prior_state), diagnostic),
            };
            let written = rule_from_state(&planned_state);
            let same_place = ["bucket", "region"].into_iter().all(|name| {
                non_empty_string(&prior_state, name) == non_empty_string(&planned_state, name)
            });
            if same_place && rule_from_state(&prior_state) == written {
                // Only timeouts, or the spelling of "no key", have changed: nothing for OSS to do.
                return Outcome::state(planned_state);
            }
            match write::put_and_verify(&target, &written).await {
                Ok(()) => Outcome::state(planned_state),
                Err(WriteError { was_accepted: true, diagnostic, .. }) => {
                    Outcome::failed(Some(planned_state), diagnostic)
                }
                Err(WriteError { mut diagnostic, may_have_changed, .. }) => {
                    if may_have_changed {
                        diagnostic.detail.push_str(OUTCOME_UNKNOWN_NOTE);
                    }
                    Outcome::failed(Some(prior_state), diagnostic)
                }
            }
        })
    }

    fn delete<'a>(
        &'a self,
        context: &'a Context<ProviderData>,
        prior_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match write::target(context, &prior_state, "delete") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(prior_state), diagnostic),
            };
            match write::delete(&target).await {
                Ok(()) => Outcome::removed(),
                Err(error) => {
                    let mut diagnostic = explain::call_error(&error);
                    if error.may_have_taken_effect {
                        diagnostic.detail.push_str(OUTCOME_UNKNOWN_NOTE);
                    }
                    Outcome::failed(Some(prior_state), diagnostic)
                }
            }
        })
    }

    fn import<'a>(
        &'a self,
        context: &'a Context<ProviderData>,
        target: ImportTarget<'a>,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let state = match state::state_from_import(target) {
                Ok(state) => state,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            let target = match write::target(context, &state, "read") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            // Terraform reads again after this; but about a missing rule it could only say that
            // the object does not exist.
            match target.client.get_bucket_encryption(&target.bucket, &target.call).await {
                Ok(rule) => Outcome::state(state_with_rule(state, &target.bucket, &rule)),
                Err(error) => Outcome::failed(None, explain::import_error(&error)),
            }
        })
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
