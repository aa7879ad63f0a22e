//! The RPCs for managed resources.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Server;
use super::registered::RegisteredResource;
use super::respond::{panicked, read_only_errors, required, unknown_type_error};
use crate::tfplugin::context::{Context, ObjectId};
use crate::tfplugin::diagnostics::{Diagnostic, Diagnostics};
use crate::tfplugin::provider::Provider;
use crate::tfplugin::resource::{Failure, ImportTarget, MoveSource, PlanRequest};
use crate::tfplugin::value::{Object, Value};
use crate::tfplugin::{pb, wire};

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: &pb::validate_resource_config::Request,
) -> Result<pb::validate_resource_config::Response, Diagnostics> {
    let RegisteredResource { resource, schema, .. } = &**server.resource(&request.type_name)?;
    let config =
        wire::from_dynamic_object(request.config.as_ref(), &schema.block, "configuration")?;
    let config = required(config)?;
    let mut diagnostics = read_only_errors(&schema.block, &config);
    diagnostics.extend(resource.validate(&config));
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
    let current_state = wire::from_dynamic_object(current, block, "state")?;
    let result = match current_state.clone() {
        Some(state) if deferred.is_none() => {
            registered.resource.read(&server.context()?, state).await
        }
        state => Ok(state),
    };
    let (state, mut diagnostics) = match result {
        Ok(state) => (state, Diagnostics::new()),
        Err(failure) => (failure.state.or(current_state), failure.diagnostics),
    };
    diagnostics.extend(server.late_warnings());
    let identity = registered.identity(state.as_ref());
    Ok(pb::read_resource::Response {
        new_identity: identity.or(request.current_identity),
        new_state: Some(wire::to_dynamic_object(state)),
        diagnostics: wire::to_diagnostics(diagnostics),
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
        // An object that is not replaced keeps its identity; only a read may correct it.
        let is_kept = prior_state.is_some() && plan.requires_replace.is_empty();
        response.planned_identity = request
            .prior_identity
            .filter(|_| is_kept)
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
    let change = classify(prior_state.clone(), planned_state.clone());
    let object_id = match change {
        // The private data of a replacement is that of the object that it replaces.
        Change::Create { .. } => ObjectId::random(),
        Change::Update { .. } if request.planned_private.is_empty() => ObjectId::random(),
        _ => ObjectId(request.planned_private),
    };
    let private = object_id.0.clone();
    let operation = AssertUnwindSafe(run(server, registered, change, object_id)).catch_unwind();
    let (state, mut diagnostics) = match operation.await {
        Ok(Ok((state, warnings))) => (state, warnings),
        Ok(Err(failure)) => (failure.state.or(prior_state), failure.diagnostics),
        // After a panic the object may exist. If it does not, the next refresh corrects the state; an object
        // that is missing from the state would be lost.
        Err(_) => (prior_state.or(planned_state), panicked("ApplyResourceChange")),
    };
    diagnostics.extend(server.late_warnings());
    let identity = registered.identity(state.as_ref());
    Ok(pb::apply_resource_change::Response {
        new_identity: request.planned_identity.or(identity),
        new_state: Some(wire::to_dynamic_object(state)),
        diagnostics: wire::to_diagnostics(diagnostics),
        private,
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
            // Terraform reads an imported object, and rejects an unknown one. It crashes without one if the
            // import names an identity.
            imported_resources: vec![imported(Value::Null, request.identity.clone())],
            deferred,
            ..Default::default()
        });
    }
    let identity = registered.decode_identity(request.identity.as_ref())?;
    let target = match &identity {
        Some(identity) => ImportTarget::Identity(identity),
        None => ImportTarget::Id(&request.id),
    };
    let state = registered.resource.import(&server.context()?, target).await?;
    let identity = registered.identity(Some(&state));
    Ok(pb::import_resource_state::Response {
        imported_resources: vec![imported(state.into(), identity)],
        diagnostics: wire::to_diagnostics(server.late_warnings()),
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
    if is_own(&request.source_provider_address, &request.source_type_name)
        && request.source_type_name == request.target_type_name
    {
        return move_own_state(registered, request);
    }
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
        // The private data of another provider is of no use here.
        ..Default::default()
    })
}

/// Whether an address such as `host/namespace/oss` is that of this provider, possibly from another registry or
/// mirror. The prefix of a resource type is the type of its provider. Some versions of `OpenTofu` send only the
/// type.
fn is_own(provider_address: &str, type_name: &str) -> bool {
    let own = type_name.split('_').next().unwrap_or_default();
    match provider_address.split('/').collect::<Vec<_>>().as_slice() {
        [_host, _namespace, provider] => *provider == own,
        [provider] => *provider == own,
        _ => false,
    }
}

/// Moves an object of the same resource type unchanged: only the address of the provider differs.
fn move_own_state<Data>(
    registered: &RegisteredResource<Data>,
    request: &pb::move_resource_state::Request,
) -> Result<pb::move_resource_state::Response, Diagnostics> {
    let schema = &registered.schema;
    if request.source_schema_version > schema.version {
        return Err(newer_version_error("state", request.source_schema_version, schema.version));
    }
    let state =
        wire::from_raw_object(request.source_state.as_ref(), &schema.block, "source state")?;
    let identity = match (&registered.identity_schema, &request.source_identity) {
        (Some(schema), Some(identity)) if !identity.json.is_empty() => {
            let version = request.source_identity_schema_version;
            if version > schema.version {
                return Err(newer_version_error("identity", version, schema.version));
            }
            wire::from_raw_object(Some(identity), &schema.block, "source identity")?
        }
        _ => None,
    };
    Ok(pb::move_resource_state::Response {
        target_identity: identity
            .map(wire::to_identity)
            .or_else(|| registered.identity(state.as_ref())),
        target_state: Some(wire::to_dynamic_object(state)),
        target_private: request.source_private.clone(),
        ..Default::default()
    })
}

pub(super) fn identity_schemas<P: Provider>(
    server: &Server<P>,
) -> pb::get_resource_identity_schemas::Response {
    let entry = |registered: &Arc<RegisteredResource<P::Data>>| {
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

/// Makes a change. Returns the state to store and warnings.
async fn run<P: Provider>(
    server: &Server<P>,
    registered: &RegisteredResource<P::Data>,
    change: Change,
    object_id: ObjectId,
) -> Result<(Option<Object>, Diagnostics), Failure> {
    let context = Context { object_id, ..server.context()? };
    let resource = &registered.resource;
    let applied = match change {
        Change::Create { planned_state } => resource.create(&context, planned_state).await?,
        Change::Update { prior_state, planned_state } => {
            resource.update(&context, prior_state, planned_state).await?
        }
        Change::Delete { prior_state } => {
            return Ok((None, resource.delete(&context, prior_state).await?));
        }
        Change::NoOp => return Ok((None, Diagnostics::new())),
    };
    Ok((Some(applied.state), applied.warnings))
}

/// The operation of an `ApplyResourceChange` request.
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
    /// There is no object before or after.
    NoOp,
}

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
        "Resource instance managed by newer provider version",
        format!(
            "The stored {what} has schema version {stored}; this version of the provider supports \
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
    fn the_own_provider_is_recognized_from_any_registry() {
        for (address, expected) in [
            ("registry.terraform.io/oss-tools/oss", true),
            ("registry.example.com/mirror/oss", true),
            ("oss", true),
            ("registry.example.com/mirror/evil-oss", false),
            ("registry.example.com/oss/alicloud", false),
            ("mirror/oss", false),
            ("a/b/c/oss", false),
            ("", false),
        ] {
            assert_eq!(is_own(address, "oss_bucket_encryption"), expected, "{address}");
        }
    }

    #[test]
    fn null_states_decide_the_change() {
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
