//! What the RPCs about managed resources do.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::respond::{panicked, required, unknown_type_error};
use super::{RegisteredResource, Server};
use crate::tfplugin::diagnostics::{Diagnostic, Diagnostics};
use crate::tfplugin::resource::{ImportTarget, MoveSource, Outcome, PlanRequest, Provider};
use crate::tfplugin::value::{Object, Value};
use crate::tfplugin::{pb, wire};

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: &pb::validate_resource_config::Request,
) -> Result<pb::validate_resource_config::Response, Diagnostics> {
    let RegisteredResource { resource, schema, .. } = &**server.resource(&request.type_name)?;
    let config =
        wire::from_dynamic_object(request.config.as_ref(), &schema.block, "configuration")?;
    let diagnostics = resource.validate(&required(config)?);
    Ok(pb::validate_resource_config::Response { diagnostics: wire::to_diagnostics(diagnostics) })
}

pub(super) fn upgrade_state<P: Provider>(
    server: &Server<P>,
    request: &pb::upgrade_resource_state::Request,
) -> Result<pb::upgrade_resource_state::Response, Diagnostics> {
    let RegisteredResource { schema, .. } = &**server.resource(&request.type_name)?;
    if request.version > schema.version {
        return Err(newer_version_error("state", request.version, schema.version));
    }
    let state = wire::from_raw_object(request.raw_state.as_ref(), &schema.block, "stored state")?;
    Ok(pb::upgrade_resource_state::Response {
        upgraded_state: Some(wire::to_dynamic_object(state)),
        ..Default::default()
    })
}

pub(super) async fn read<P: Provider>(
    server: &Server<P>,
    request: pb::read_resource::Request,
) -> Result<pb::read_resource::Response, Diagnostics> {
    let registered = server.resource(&request.type_name)?;
    let block = &registered.schema.block;
    let current = request.current_state.as_ref();
    let deferred = server.deferred(request.client_capabilities);
    let outcome = match wire::from_dynamic_object(current, block, "state")? {
        Some(state) if deferred.is_some() => Outcome::state(state),
        Some(state) => registered.resource.read(&server.context()?, state).await,
        None => Outcome::removed(),
    };
    let identity = registered.identity(outcome.state.as_ref());
    Ok(pb::read_resource::Response {
        new_identity: identity.or(request.current_identity),
        new_state: Some(wire::to_dynamic_object(outcome.state)),
        diagnostics: wire::to_diagnostics(outcome.diagnostics),
        private: request.private,
        deferred,
    })
}

pub(super) fn plan<P: Provider>(
    server: &Server<P>,
    request: pb::plan_resource_change::Request,
) -> Result<pb::plan_resource_change::Response, Diagnostics> {
    let registered = server.resource(&request.type_name)?;
    let object = |value: &Option<pb::DynamicValue>, what| {
        wire::from_dynamic_object(value.as_ref(), &registered.schema.block, what)
    };
    let prior_state = object(&request.prior_state, "prior state")?;
    let proposed = object(&request.proposed_new_state, "proposed state")?;
    let mut response = pb::plan_resource_change::Response {
        planned_private: request.prior_private,
        deferred: server.deferred(request.client_capabilities),
        ..Default::default()
    };
    if proposed.is_some() {
        let config = required(object(&request.config, "configuration")?)?;
        let plan = registered
            .resource
            .plan(&PlanRequest { prior_state: prior_state.as_ref(), config: &config });
        // An object that stays keeps its identity; only a read may correct it.
        let stays = prior_state.is_some() && plan.requires_replace.is_empty();
        response.planned_identity = request
            .prior_identity
            .filter(|_| stays)
            .or_else(|| registered.identity(Some(&plan.planned_state)));
        response.planned_state = Some(wire::to_dynamic_object(Some(plan.planned_state)));
        response.requires_replace = plan.requires_replace.iter().map(wire::to_path).collect();
    } else {
        response.planned_state = Some(wire::to_dynamic_object(None));
        response.planned_identity = request.prior_identity;
    }
    Ok(response)
}

pub(super) async fn apply<P: Provider>(
    server: &Server<P>,
    request: pb::apply_resource_change::Request,
) -> Result<pb::apply_resource_change::Response, Diagnostics> {
    let registered = server.resource(&request.type_name)?;
    let object = |value: &Option<pb::DynamicValue>, what| {
        wire::from_dynamic_object(value.as_ref(), &registered.schema.block, what)
    };
    let prior_state = object(&request.prior_state, "prior state")?;
    let planned_state = object(&request.planned_state, "planned state")?;
    // When the operation cannot tell what happened, the object may exist: an error with the
    // state kept is repaired by the next refresh, a lost one never.
    let kept = prior_state.clone().or_else(|| planned_state.clone());
    let change = classify(prior_state.clone(), planned_state);
    let work = AssertUnwindSafe(run(server, registered, change)).catch_unwind();
    let outcome = match work.await {
        Ok(Ok(outcome)) => outcome,
        // Nothing was begun.
        Ok(Err(diagnostics)) => Outcome::failed(prior_state, diagnostics),
        Err(_) => Outcome::failed(kept, panicked("ApplyResourceChange")),
    };
    let identity = registered.identity(outcome.state.as_ref());
    Ok(pb::apply_resource_change::Response {
        new_identity: request.planned_identity.or(identity),
        new_state: Some(wire::to_dynamic_object(outcome.state)),
        diagnostics: wire::to_diagnostics(outcome.diagnostics),
        private: request.planned_private,
        ..Default::default()
    })
}

pub(super) async fn import<P: Provider>(
    server: &Server<P>,
    request: pb::import_resource_state::Request,
) -> Result<pb::import_resource_state::Response, Diagnostics> {
    let registered = server.resource(&request.type_name)?;
    let imported = |state: Value, identity| pb::import_resource_state::ImportedResource {
        type_name: request.type_name.clone(),
        state: Some(wire::to_dynamic(&state)),
        identity,
        ..Default::default()
    };
    let deferred = server.deferred(request.client_capabilities);
    if deferred.is_some() {
        return Ok(pb::import_resource_state::Response {
            imported_resources: vec![imported(Value::Unknown, request.identity.clone())],
            deferred,
            ..Default::default()
        });
    }
    let identity = registered.decode_identity(request.identity.as_ref())?;
    let target = match &identity {
        Some(identity) => ImportTarget::Identity(identity),
        None => ImportTarget::Id(&request.id),
    };
    let outcome = registered.resource.import(&server.context()?, target).await;
    let identity = registered.identity(outcome.state.as_ref());
    let state = outcome.state.map(Value::Object);
    Ok(pb::import_resource_state::Response {
        imported_resources: state.map(|state| imported(state, identity)).into_iter().collect(),
        diagnostics: wire::to_diagnostics(outcome.diagnostics),
        ..Default::default()
    })
}

pub(super) fn generate_config<P: Provider>(
    server: &Server<P>,
    request: &pb::generate_resource_config::Request,
) -> Result<pb::generate_resource_config::Response, Diagnostics> {
    let block = &server.resource(&request.type_name)?.schema.block;
    let state = wire::from_dynamic_object(request.state.as_ref(), block, "state")?;
    let config = state.map(|state| block.config_from_state(&state));
    Ok(pb::generate_resource_config::Response {
        config: Some(wire::to_dynamic_object(config)),
        ..Default::default()
    })
}

pub(super) fn move_state<P: Provider>(
    server: &Server<P>,
    request: &pb::move_resource_state::Request,
) -> Result<pb::move_resource_state::Response, Diagnostics> {
    let registered = server.resource(&request.target_type_name)?;
    let state = wire::from_raw_json(request.source_state.as_ref(), "source state")?;
    let state = registered.resource.move_state(&MoveSource {
        provider_address: &request.source_provider_address,
        type_name: &request.source_type_name,
        schema_version: request.source_schema_version,
        state: &state,
    })?;
    Ok(pb::move_resource_state::Response {
        target_identity: registered.identity(Some(&state)),
        target_state: Some(wire::to_dynamic_object(Some(state))),
        // Private bytes of another provider mean nothing here.
        ..Default::default()
    })
}

pub(super) fn identity_schemas<P: Provider>(
    server: &Server<P>,
) -> pb::get_resource_identity_schemas::Response {
    let entry = |registered: &Arc<RegisteredResource<P::Client>>| {
        let schema = wire::to_identity_schema(registered.identity_schema.as_ref()?);
        Some((registered.resource.type_name().to_owned(), schema))
    };
    pb::get_resource_identity_schemas::Response {
        identity_schemas: server.resources.iter().filter_map(entry).collect(),
        ..Default::default()
    }
}

pub(super) fn upgrade_identity<P: Provider>(
    server: &Server<P>,
    request: &pb::upgrade_resource_identity::Request,
) -> Result<pb::upgrade_resource_identity::Response, Diagnostics> {
    let registered = server.resource(&request.type_name)?;
    let Some(schema) = &registered.identity_schema else {
        return Err(unknown_type_error("identity of resource type", &request.type_name));
    };
    if request.version > schema.version {
        return Err(newer_version_error("identity", request.version, schema.version));
    }
    let identity =
        wire::from_raw_object(request.raw_identity.as_ref(), &schema.block, "stored identity")?;
    Ok(pb::upgrade_resource_identity::Response {
        upgraded_identity: identity.map(wire::to_identity),
        ..Default::default()
    })
}

/// Runs the operation that the states mean, and returns the state to store.
async fn run<P: Provider>(
    server: &Server<P>,
    registered: &RegisteredResource<P::Client>,
    change: Change,
) -> Result<Outcome, Diagnostics> {
    let context = server.context()?;
    let resource = &registered.resource;
    Ok(match change {
        Change::Create { planned_state } => resource.create(&context, planned_state).await,
        Change::Update { prior_state, planned_state } => {
            resource.update(&context, prior_state, planned_state).await
        }
        Change::Delete { prior_state } => resource.delete(&context, prior_state).await,
        Change::NoOp => Outcome::removed(),
    })
}

/// What `ApplyResourceChange` is to do.
#[derive(Debug, PartialEq)]
enum Change {
    Create {
        planned_state: Object,
    },
    Update {
        prior_state: Object,
        planned_state: Object,
    },
    Delete {
        prior_state: Object,
    },
    /// Neither before nor after there is an object.
    NoOp,
}

/// Reads the change off the two states.
fn classify(prior_state: Option<Object>, planned_state: Option<Object>) -> Change {
    match (prior_state, planned_state) {
        (None, Some(planned_state)) => Change::Create { planned_state },
        (Some(prior_state), Some(planned_state)) => Change::Update { prior_state, planned_state },
        (Some(prior_state), None) => Change::Delete { prior_state },
        (None, None) => Change::NoOp,
    }
}

fn newer_version_error(what: &str, stored: i64, supported: i64) -> Diagnostics {
    Diagnostic::error(
        "State of a newer provider version",
        format!(
            "The stored {what} has schema version {stored}; this version of the provider knows \
             versions up to {supported}. Use the provider version that wrote the state, or a newer \
             one."
        ),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullness_decides() {
        let prior = || Object::new().with("bucket", "before");
        let planned = || Object::new().with("bucket", "after");
        assert_eq!(classify(None, Some(planned())), Change::Create { planned_state: planned() });
        assert_eq!(
            classify(Some(prior()), Some(planned())),
            Change::Update { prior_state: prior(), planned_state: planned() }
        );
        assert_eq!(classify(Some(prior()), None), Change::Delete { prior_state: prior() });
        assert_eq!(classify(None, None), Change::NoOp);
    }
}
