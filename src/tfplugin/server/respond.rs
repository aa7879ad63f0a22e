//! Responses of RPCs. Errors and panics become diagnostics, because Terraform does not show the text of gRPC
//! errors in a useful form.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tonic::{Response, Status};

use crate::tfplugin::diagnostics::{Diagnostic, Diagnostics};
use crate::tfplugin::schema::Block;
use crate::tfplugin::value::Object;
use crate::tfplugin::{pb, wire};

/// A response that can contain diagnostics instead of a result.
pub(super) trait DiagnosticsResponse: Default {
    fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self;
}

macro_rules! impl_diagnostics_response {
    ($($message:ident),* $(,)?) => {
        $(impl DiagnosticsResponse for pb::$message::Response {
            #[allow(clippy::needless_update, reason = "some responses have no other fields")]
            fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self {
                Self { diagnostics, ..Self::default() }
            }
        })*
    };
}

impl_diagnostics_response!(
    apply_resource_change,
    close_ephemeral_resource,
    configure_provider,
    configure_state_store,
    delete_state,
    generate_resource_config,
    get_functions,
    get_metadata,
    get_provider_schema,
    get_resource_identity_schemas,
    get_states,
    import_resource_state,
    lock_state,
    move_resource_state,
    open_ephemeral_resource,
    plan_action,
    plan_resource_change,
    read_data_source,
    read_resource,
    read_state_bytes,
    renew_ephemeral_resource,
    unlock_state,
    upgrade_resource_identity,
    upgrade_resource_state,
    validate_action_config,
    validate_data_resource_config,
    validate_ephemeral_resource_config,
    validate_list_resource_config,
    validate_provider_config,
    validate_resource_config,
    validate_state_store,
    write_state_bytes,
);

impl DiagnosticsResponse for pb::call_function::Response {
    fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self {
        let text = diagnostics.into_iter().map(|diagnostic| diagnostic.detail).collect();
        let error = pb::FunctionError { text, function_argument: None };
        Self { error: Some(error), result: None }
    }
}

pub(super) type RpcResult<T> = Result<Response<T>, Status>;

/// Completes an RPC. Errors and panics become a response with diagnostics.
pub(super) async fn respond<T: DiagnosticsResponse>(
    rpc: &'static str,
    work: impl Future<Output = Result<T, Diagnostics>>,
) -> RpcResult<T> {
    tracing::trace!(rpc, "call received");
    let diagnostics = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(response)) => return Ok(Response::new(response)),
        Ok(Err(diagnostics)) => diagnostics,
        Err(_) => panicked(rpc),
    };
    tracing::debug!(rpc, "call failed");
    Ok(Response::new(T::failed(wire::to_diagnostics(diagnostics))))
}

pub(super) fn panicked(rpc: &str) -> Diagnostics {
    Diagnostic::error(
        "The provider crashed",
        format!(
            "{rpc} failed with an internal error. This is a bug in the provider, not in your \
             configuration. Please report it, with the lines after \"panic:\" in the log \
             (TF_LOG=debug)."
        ),
    )
    .into()
}

pub(super) fn unknown_type_error(kind: &str, name: &str) -> Diagnostics {
    Diagnostic::error(format!("Unknown {kind}"), format!("This provider has no {kind} {name:?}."))
        .into()
}

/// Rejects a null configuration.
pub(super) fn required(object: Option<Object>) -> Result<Object, Diagnostics> {
    object.ok_or_else(|| {
        Diagnostic::error("Missing configuration", "Terraform sent a null configuration.").into()
    })
}

/// Errors about attributes that only the provider can set: Terraform accepts them in a configuration, and ignores
/// their values.
pub(super) fn read_only_errors(block: &Block, config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for name in block.configured_read_only(config) {
        let detail = format!(
            "`{name}` is set by the provider, so its value here would be ignored. Remove it."
        );
        diagnostics.push(Diagnostic::error("Read-only attribute", detail).with_attribute(name));
    }
    diagnostics
}
