//! The gRPC service: lists each RPC once and delegates.
//!
//! `provider`, `resource`, `list` and `data_source` implement the RPCs, `unsupported` those for features that no
//! provider here has, such as functions. `registered` are the resources and data sources with their schemas.
//! `respond` turns errors and panics into diagnostics.

mod data_source;
mod list;
mod provider;
mod registered;
mod resource;
mod respond;
mod unsupported;

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Streaming};

use super::context::{Context, ObjectId};
use super::diagnostics::{Diagnostic, Diagnostics};
use super::pb;
use super::pb::provider_server::{Provider as Service, ProviderServer};
use super::provider::Provider;
use super::schema::Schema;
use registered::{RegisteredDataSource, RegisteredList, RegisteredResource};
use respond::{RpcResult, respond, unknown_type_error};

/// The limit of Go providers; tonic's default is 4 MiB.
const MAX_MESSAGE_SIZE: usize = 256 * 1024 * 1024;

/// Serves a provider over the plugin protocol. Each connection gets its own server, so that one process can have
/// several configurations at once, as in debug mode.
pub struct Server<P: Provider> {
    provider: P,
    provider_schema: Schema,
    /// Shared with the list queries in progress.
    resources: Vec<Arc<RegisteredResource<P::Data>>>,
    data_sources: Vec<RegisteredDataSource<P::Data>>,
    configured: Mutex<Option<ConfiguredProvider<P::Data>>>,
    /// Cancelled when the process shuts down.
    process_stop: CancellationToken,
    /// Cancelled by `StopProvider`, to cancel the calls in flight.
    stop: Mutex<CancellationToken>,
}

/// The result of a successful `ConfigureProvider`.
struct ConfiguredProvider<Data> {
    provider_data: Arc<Data>,
    /// Whether changes can be deferred because parts of the configuration are unknown.
    may_defer: bool,
}

impl<P: Provider> std::fmt::Debug for Server<P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<P: Provider> Server<P> {
    /// Creates a server for a provider that is not configured yet. When `process_stop` is cancelled, calls in
    /// flight are cancelled and return the state they know.
    pub fn new(provider: P, process_stop: CancellationToken) -> Self {
        Self {
            provider_schema: provider.schema(),
            resources: provider
                .resources()
                .into_iter()
                .map(|resource| Arc::new(resource.into()))
                .collect(),
            data_sources: provider.data_sources().into_iter().map(Into::into).collect(),
            provider,
            configured: Mutex::default(),
            stop: Mutex::new(process_stop.child_token()),
            process_stop,
        }
    }

    /// Converts the server into a gRPC service.
    pub fn into_service(self) -> ProviderServer<Self> {
        ProviderServer::new(self).max_decoding_message_size(MAX_MESSAGE_SIZE)
    }

    fn resource(&self, type_name: &str) -> Result<&Arc<RegisteredResource<P::Data>>, Diagnostics> {
        self.resources
            .iter()
            .find(|registered| registered.resource.type_name() == type_name)
            .ok_or_else(|| unknown_type_error("resource type", type_name))
    }

    /// A resource that can be listed, with its list resource.
    fn list_resource(&self, type_name: &str) -> Result<RegisteredList<P::Data>, Diagnostics> {
        let registered = self.resource(type_name).ok();
        registered
            .and_then(|registered| {
                Some((Arc::clone(registered), registered.resource.list_resource()?))
            })
            .ok_or_else(|| unknown_type_error("list resource", type_name))
    }

    fn context(&self) -> Result<Context<P::Data>, Diagnostics> {
        let configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let data = configured.as_ref().map(|configured| Arc::clone(&configured.provider_data));
        let provider_data = data.ok_or_else(|| {
            Diagnostic::error(
                "Provider not configured",
                "The call requires a configured provider. This is a bug in Terraform or OpenTofu, not in \
                 your configuration.",
            )
        })?;
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Context { provider_data, cancellation: stop, object_id: ObjectId::default() })
    }

    /// See [`Provider::late_warnings`].
    fn late_warnings(&self) -> Diagnostics {
        self.context().map(|context| P::late_warnings(&context.provider_data)).unwrap_or_default()
    }

    /// Why a change is deferred, if the provider configuration is unknown and the client supports deferral.
    fn deferred(&self, capabilities: Option<pb::ClientCapabilities>) -> Option<pb::Deferred> {
        let is_allowed = capabilities.is_some_and(|capabilities| capabilities.deferral_allowed);
        let configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let may_defer = configured.as_ref().is_some_and(|configured| configured.may_defer);
        let reason = pb::deferred::Reason::ProviderConfigUnknown.into();
        (is_allowed && may_defer).then_some(pb::Deferred { reason })
    }
}

#[tonic::async_trait]
impl<P: Provider> Service for Server<P> {
    type ListResourceStream = BoxStream<pb::list_resource::Event>;
    type InvokeActionStream = BoxStream<pb::invoke_action::Event>;
    type ReadStateBytesStream = BoxStream<pb::read_state_bytes::Response>;

    async fn get_metadata(
        &self,
        _: Request<pb::get_metadata::Request>,
    ) -> RpcResult<pb::get_metadata::Response> {
        respond("GetMetadata", async { Ok(provider::metadata(self)) }).await
    }

    async fn get_provider_schema(
        &self,
        _: Request<pb::get_provider_schema::Request>,
    ) -> RpcResult<pb::get_provider_schema::Response> {
        respond("GetProviderSchema", async { Ok(provider::schema(self)) }).await
    }

    async fn validate_provider_config(
        &self,
        request: Request<pb::validate_provider_config::Request>,
    ) -> RpcResult<pb::validate_provider_config::Response> {
        respond("ValidateProviderConfig", async { provider::validate(self, request.into_inner()) })
            .await
    }

    async fn configure_provider(
        &self,
        request: Request<pb::configure_provider::Request>,
    ) -> RpcResult<pb::configure_provider::Response> {
        respond("ConfigureProvider", async { provider::configure(self, request.into_inner()) })
            .await
    }

    async fn stop_provider(
        &self,
        _: Request<pb::stop_provider::Request>,
    ) -> RpcResult<pb::stop_provider::Response> {
        provider::stop(self);
        Ok(Response::new(pb::stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<pb::validate_resource_config::Request>,
    ) -> RpcResult<pb::validate_resource_config::Response> {
        respond("ValidateResourceConfig", async { resource::validate(self, &request.into_inner()) })
            .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<pb::upgrade_resource_state::Request>,
    ) -> RpcResult<pb::upgrade_resource_state::Response> {
        respond("UpgradeResourceState", async {
            resource::upgrade_state(self, &request.into_inner())
        })
        .await
    }

    async fn read_resource(
        &self,
        request: Request<pb::read_resource::Request>,
    ) -> RpcResult<pb::read_resource::Response> {
        respond("ReadResource", resource::read(self, request.into_inner())).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<pb::plan_resource_change::Request>,
    ) -> RpcResult<pb::plan_resource_change::Response> {
        respond("PlanResourceChange", async { resource::plan(self, request.into_inner()) }).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<pb::apply_resource_change::Request>,
    ) -> RpcResult<pb::apply_resource_change::Response> {
        respond("ApplyResourceChange", resource::apply(self, request.into_inner())).await
    }

    async fn import_resource_state(
        &self,
        request: Request<pb::import_resource_state::Request>,
    ) -> RpcResult<pb::import_resource_state::Response> {
        respond("ImportResourceState", resource::import(self, request.into_inner())).await
    }

    async fn generate_resource_config(
        &self,
        request: Request<pb::generate_resource_config::Request>,
    ) -> RpcResult<pb::generate_resource_config::Response> {
        respond("GenerateResourceConfig", async {
            resource::generate_config(self, &request.into_inner())
        })
        .await
    }

    async fn move_resource_state(
        &self,
        request: Request<pb::move_resource_state::Request>,
    ) -> RpcResult<pb::move_resource_state::Response> {
        respond("MoveResourceState", async { resource::move_state(self, &request.into_inner()) })
            .await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<pb::get_resource_identity_schemas::Request>,
    ) -> RpcResult<pb::get_resource_identity_schemas::Response> {
        respond("GetResourceIdentitySchemas", async { Ok(resource::identity_schemas(self)) }).await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<pb::upgrade_resource_identity::Request>,
    ) -> RpcResult<pb::upgrade_resource_identity::Response> {
        respond("UpgradeResourceIdentity", async {
            resource::upgrade_identity(self, &request.into_inner())
        })
        .await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<pb::validate_list_resource_config::Request>,
    ) -> RpcResult<pb::validate_list_resource_config::Response> {
        respond("ValidateListResourceConfig", async { list::validate(self, &request.into_inner()) })
            .await
    }

    async fn list_resource(
        &self,
        request: Request<pb::list_resource::Request>,
    ) -> RpcResult<Self::ListResourceStream> {
        Ok(Response::new(list::list(self, request.into_inner()).await))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<pb::validate_data_resource_config::Request>,
    ) -> RpcResult<pb::validate_data_resource_config::Response> {
        respond("ValidateDataResourceConfig", async {
            data_source::validate(self, &request.into_inner())
        })
        .await
    }

    async fn read_data_source(
        &self,
        request: Request<pb::read_data_source::Request>,
    ) -> RpcResult<pb::read_data_source::Response> {
        respond("ReadDataSource", data_source::read(self, request.into_inner())).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<pb::validate_ephemeral_resource_config::Request>,
    ) -> RpcResult<pb::validate_ephemeral_resource_config::Response> {
        respond("ValidateEphemeralResourceConfig", async {
            unsupported::unknown("ephemeral resource", &request.into_inner().type_name)
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<pb::open_ephemeral_resource::Request>,
    ) -> RpcResult<pb::open_ephemeral_resource::Response> {
        respond("OpenEphemeralResource", async {
            unsupported::unknown("ephemeral resource", &request.into_inner().type_name)
        })
        .await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<pb::renew_ephemeral_resource::Request>,
    ) -> RpcResult<pb::renew_ephemeral_resource::Response> {
        respond("RenewEphemeralResource", async {
            unsupported::unknown("ephemeral resource", &request.into_inner().type_name)
        })
        .await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<pb::close_ephemeral_resource::Request>,
    ) -> RpcResult<pb::close_ephemeral_resource::Response> {
        respond("CloseEphemeralResource", async {
            unsupported::unknown("ephemeral resource", &request.into_inner().type_name)
        })
        .await
    }

    async fn get_functions(
        &self,
        _: Request<pb::get_functions::Request>,
    ) -> RpcResult<pb::get_functions::Response> {
        respond("GetFunctions", async { Ok(pb::get_functions::Response::default()) }).await
    }

    async fn call_function(
        &self,
        request: Request<pb::call_function::Request>,
    ) -> RpcResult<pb::call_function::Response> {
        respond("CallFunction", async {
            unsupported::unknown("function", &request.into_inner().name)
        })
        .await
    }

    async fn validate_action_config(
        &self,
        request: Request<pb::validate_action_config::Request>,
    ) -> RpcResult<pb::validate_action_config::Response> {
        respond("ValidateActionConfig", async {
            unsupported::unknown("action", &request.into_inner().type_name)
        })
        .await
    }

    async fn plan_action(
        &self,
        request: Request<pb::plan_action::Request>,
    ) -> RpcResult<pb::plan_action::Response> {
        respond("PlanAction", async {
            unsupported::unknown("action", &request.into_inner().action_type)
        })
        .await
    }

    async fn invoke_action(
        &self,
        request: Request<pb::invoke_action::Request>,
    ) -> RpcResult<Self::InvokeActionStream> {
        Ok(Response::new(unsupported::invoke_action(&request.into_inner().action_type)))
    }

    async fn validate_state_store_config(
        &self,
        request: Request<pb::validate_state_store::Request>,
    ) -> RpcResult<pb::validate_state_store::Response> {
        respond("ValidateStateStoreConfig", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }

    async fn configure_state_store(
        &self,
        request: Request<pb::configure_state_store::Request>,
    ) -> RpcResult<pb::configure_state_store::Response> {
        respond("ConfigureStateStore", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }

    async fn read_state_bytes(
        &self,
        request: Request<pb::read_state_bytes::Request>,
    ) -> RpcResult<Self::ReadStateBytesStream> {
        Ok(Response::new(unsupported::read_state_bytes(&request.into_inner().type_name)))
    }

    async fn write_state_bytes(
        &self,
        request: Request<Streaming<pb::write_state_bytes::RequestChunk>>,
    ) -> RpcResult<pb::write_state_bytes::Response> {
        respond("WriteStateBytes", unsupported::write_state_bytes(request.into_inner())).await
    }

    async fn lock_state(
        &self,
        request: Request<pb::lock_state::Request>,
    ) -> RpcResult<pb::lock_state::Response> {
        respond("LockState", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }

    async fn unlock_state(
        &self,
        request: Request<pb::unlock_state::Request>,
    ) -> RpcResult<pb::unlock_state::Response> {
        respond("UnlockState", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }

    async fn get_states(
        &self,
        request: Request<pb::get_states::Request>,
    ) -> RpcResult<pb::get_states::Response> {
        respond("GetStates", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }

    async fn delete_state(
        &self,
        request: Request<pb::delete_state::Request>,
    ) -> RpcResult<pb::delete_state::Response> {
        respond("DeleteState", async {
            unsupported::unknown("state store", &request.into_inner().type_name)
        })
        .await
    }
}
