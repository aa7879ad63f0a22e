//! The gRPC service: one short method per RPC.
//!
//! Each method reads the request, asks the provider or the resource, and writes the answer. What
//! goes wrong becomes a diagnostic, a panic included: a gRPC error would tell the person at the
//! terminal nothing. Kinds of things that no provider here has answer as a Go provider without them
//! does: empty lists, and a diagnostic that names the unknown type.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::diagnostics::{Diagnostic, Diagnostics};
use super::lifecycle::{Change, classify};
use super::pb;
use super::pb::provider_server::{Provider as Service, ProviderServer};
use super::resource::{Context, Outcome, PlanRequest, Provider, Resource};
use super::schema::Schema;
use super::value::Object;
use super::wire;

/// Go providers accept messages of this size; tonic's own limit is 4 MiB.
const MAX_MESSAGE_SIZE: usize = 256 * 1024 * 1024;

/// A provider as Terraform sees it. Each connection gets its own, so that several configurations
/// can be in use at once in one process, as in debug mode.
pub struct Server<P: Provider> {
    provider: P,
    provider_schema: Schema,
    resources: Vec<Registered<P::Client>>,
    client: Mutex<Option<Arc<P::Client>>>,
    /// Cancelled when the process is to end.
    process_stop: CancellationToken,
    /// Cancelled when what is in flight is to end.
    stop: Mutex<CancellationToken>,
}

/// A resource with its schema, built once.
struct Registered<Client> {
    resource: Box<dyn Resource<Client>>,
    schema: Schema,
}

impl<P: Provider> std::fmt::Debug for Server<P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<P: Provider> Server<P> {
    /// A server for `provider`, not configured yet. Calls in flight end, with what state they can
    /// answer, when `process_stop` is cancelled.
    pub fn new(provider: P, process_stop: CancellationToken) -> Self {
        let register = |resource: Box<dyn Resource<P::Client>>| Registered {
            schema: resource.schema(),
            resource,
        };
        Self {
            provider_schema: provider.schema(),
            resources: provider.resources().into_iter().map(register).collect(),
            provider,
            client: Mutex::default(),
            stop: Mutex::new(process_stop.child_token()),
            process_stop,
        }
    }

    /// The gRPC service around this server.
    pub fn into_service(self) -> ProviderServer<Self> {
        ProviderServer::new(self).max_decoding_message_size(MAX_MESSAGE_SIZE)
    }

    fn resource(&self, type_name: &str) -> Result<&Registered<P::Client>, Diagnostics> {
        self.resources
            .iter()
            .find(|registered| registered.resource.type_name() == type_name)
            .ok_or_else(|| unknown("resource type", type_name))
    }

    fn context(&self) -> Result<Context<P::Client>, Diagnostics> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let client = client.ok_or_else(|| {
            Diagnostic::error(
                "Provider not configured",
                "A call that needs the provider's configuration came before the configuration. \
                 This is a bug in the caller of the provider.",
            )
        })?;
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Context { client, stop })
    }

    /// Runs the operation that the states mean, and returns the state to store.
    async fn apply(
        &self,
        registered: &Registered<P::Client>,
        change: Change,
    ) -> Result<Outcome, Diagnostics> {
        let context = self.context()?;
        let resource = &registered.resource;
        Ok(match change {
            Change::Create { planned_state } => resource.create(&context, planned_state).await,
            Change::Update { prior_state, planned_state } => {
                resource.update(&context, prior_state, planned_state).await
            }
            Change::Delete { prior_state } => resource.delete(&context, prior_state).await,
            Change::Nothing => Outcome::gone(),
        })
    }
}

fn unknown(kind: &str, name: &str) -> Diagnostics {
    Diagnostic::error(format!("Unknown {kind}"), format!("This provider has no {kind} {name:?}."))
        .into()
}

/// A configuration that must not be null.
fn required(object: Option<Object>) -> Result<Object, Diagnostics> {
    object.ok_or_else(|| {
        Diagnostic::error("Missing configuration", "Terraform sent a null configuration.").into()
    })
}

/// An answer that can carry diagnostics instead of a result.
trait Answer: Default {
    fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self;
}

macro_rules! answers_with_diagnostics {
    ($($message:ident),* $(,)?) => {
        $(impl Answer for pb::$message::Response {
            #[allow(clippy::needless_update, reason = "some answers have nothing else")]
            fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self {
                Self { diagnostics, ..Self::default() }
            }
        })*
    };
}

answers_with_diagnostics!(
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

impl Answer for pb::call_function::Response {
    fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self {
        let text = diagnostics.into_iter().map(|diagnostic| diagnostic.detail).collect();
        let error = pb::FunctionError { text, function_argument: None };
        Self { error: Some(error), result: None }
    }
}

type Answered<T> = Result<Response<T>, Status>;

/// Completes an RPC: an error becomes an answer with diagnostics, and so does a panic.
async fn answer<T: Answer>(
    rpc: &'static str,
    work: impl Future<Output = Result<T, Diagnostics>>,
) -> Answered<T> {
    tracing::trace!(rpc, "call received");
    let diagnostics = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(answer)) => return Ok(Response::new(answer)),
        Ok(Err(diagnostics)) => diagnostics,
        Err(_) => panicked(rpc),
    };
    tracing::debug!(rpc, "call failed");
    Ok(Response::new(T::failed(wire::to_diagnostics(diagnostics))))
}

fn panicked(rpc: &str) -> Diagnostics {
    Diagnostic::error(
        "The provider crashed",
        format!(
            "An internal error stopped {rpc}. This is a bug in the provider, not in the \
             configuration. Please report it together with the lines after \"panic:\" in the log \
             (TF_LOG=debug)."
        ),
    )
    .into()
}

#[tonic::async_trait]
impl<P: Provider> Service for Server<P> {
    type ListResourceStream = BoxStream<pb::list_resource::Event>;
    type InvokeActionStream = BoxStream<pb::invoke_action::Event>;
    type ReadStateBytesStream = BoxStream<pb::read_state_bytes::Response>;

    async fn get_metadata(
        &self,
        _: Request<pb::get_metadata::Request>,
    ) -> Answered<pb::get_metadata::Response> {
        let metadata = |registered: &Registered<P::Client>| pb::get_metadata::ResourceMetadata {
            type_name: registered.resource.type_name().to_owned(),
        };
        answer("GetMetadata", async {
            Ok(pb::get_metadata::Response {
                server_capabilities: Some(capabilities()),
                resources: self.resources.iter().map(metadata).collect(),
                ..Default::default()
            })
        })
        .await
    }

    async fn get_provider_schema(
        &self,
        _: Request<pb::get_provider_schema::Request>,
    ) -> Answered<pb::get_provider_schema::Response> {
        let entry = |registered: &Registered<P::Client>| {
            let schema = wire::to_schema(&registered.schema);
            (registered.resource.type_name().to_owned(), schema)
        };
        answer("GetProviderSchema", async {
            Ok(pb::get_provider_schema::Response {
                provider: Some(wire::to_schema(&self.provider_schema)),
                resource_schemas: self.resources.iter().map(entry).collect(),
                server_capabilities: Some(capabilities()),
                ..Default::default()
            })
        })
        .await
    }

    async fn validate_provider_config(
        &self,
        request: Request<pb::validate_provider_config::Request>,
    ) -> Answered<pb::validate_provider_config::Response> {
        let request = request.into_inner();
        answer("ValidateProviderConfig", async {
            let block = &self.provider_schema.block;
            let config =
                wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
            let diagnostics = self.provider.validate(&required(config)?);
            Ok(pb::validate_provider_config::Response {
                diagnostics: wire::to_diagnostics(diagnostics),
            })
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<pb::configure_provider::Request>,
    ) -> Answered<pb::configure_provider::Response> {
        let request = request.into_inner();
        answer("ConfigureProvider", async {
            let block = &self.provider_schema.block;
            let config =
                wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
            let configuration =
                self.provider.configure(&required(config)?, &request.terraform_version);
            let client = configuration.client.map(Arc::new);
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
            Ok(pb::configure_provider::Response {
                diagnostics: wire::to_diagnostics(configuration.diagnostics),
            })
        })
        .await
    }

    async fn stop_provider(
        &self,
        _: Request<pb::stop_provider::Request>,
    ) -> Answered<pb::stop_provider::Response> {
        // What is in flight ends; what comes later starts with a fresh token, as in Go.
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stop, self.process_stop.child_token()).cancel();
        Ok(Response::new(pb::stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<pb::validate_resource_config::Request>,
    ) -> Answered<pb::validate_resource_config::Response> {
        let request = request.into_inner();
        answer("ValidateResourceConfig", async {
            let Registered { resource, schema } = self.resource(&request.type_name)?;
            let config =
                wire::from_dynamic_object(request.config.as_ref(), &schema.block, "configuration")?;
            let diagnostics = resource.validate(&required(config)?);
            Ok(pb::validate_resource_config::Response {
                diagnostics: wire::to_diagnostics(diagnostics),
            })
        })
        .await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<pb::upgrade_resource_state::Request>,
    ) -> Answered<pb::upgrade_resource_state::Response> {
        let request = request.into_inner();
        answer("UpgradeResourceState", async {
            let Registered { schema, .. } = self.resource(&request.type_name)?;
            if request.version > schema.version {
                return Err(newer_state(request.version, schema.version));
            }
            let state = wire::from_raw_state(request.raw_state.as_ref(), &schema.block)?;
            Ok(pb::upgrade_resource_state::Response {
                upgraded_state: Some(wire::to_dynamic_object(state)),
                ..Default::default()
            })
        })
        .await
    }

    async fn read_resource(
        &self,
        request: Request<pb::read_resource::Request>,
    ) -> Answered<pb::read_resource::Response> {
        let request = request.into_inner();
        answer("ReadResource", async {
            let Registered { resource, schema } = self.resource(&request.type_name)?;
            let current = request.current_state.as_ref();
            let outcome = match wire::from_dynamic_object(current, &schema.block, "state")? {
                Some(state) => resource.read(&self.context()?, state).await,
                None => Outcome::gone(),
            };
            Ok(pb::read_resource::Response {
                new_state: Some(wire::to_dynamic_object(outcome.state)),
                diagnostics: wire::to_diagnostics(outcome.diagnostics),
                private: request.private,
                ..Default::default()
            })
        })
        .await
    }

    async fn plan_resource_change(
        &self,
        request: Request<pb::plan_resource_change::Request>,
    ) -> Answered<pb::plan_resource_change::Response> {
        let request = request.into_inner();
        answer("PlanResourceChange", async {
            let Registered { resource, schema } = self.resource(&request.type_name)?;
            let object = |value: &Option<pb::DynamicValue>, what| {
                wire::from_dynamic_object(value.as_ref(), &schema.block, what)
            };
            let prior_state = object(&request.prior_state, "prior state")?;
            let proposed = object(&request.proposed_new_state, "proposed state")?;
            let mut response = pb::plan_resource_change::Response {
                planned_private: request.prior_private,
                ..Default::default()
            };
            if proposed.is_some() {
                let config = required(object(&request.config, "configuration")?)?;
                let plan = resource
                    .plan(&PlanRequest { prior_state: prior_state.as_ref(), config: &config });
                response.planned_state = Some(wire::to_dynamic_object(Some(plan.planned_state)));
                response.requires_replace =
                    plan.requires_replace.iter().map(wire::to_path).collect();
            } else {
                response.planned_state = Some(wire::to_dynamic_object(None));
            }
            Ok(response)
        })
        .await
    }

    async fn apply_resource_change(
        &self,
        request: Request<pb::apply_resource_change::Request>,
    ) -> Answered<pb::apply_resource_change::Response> {
        let request = request.into_inner();
        answer("ApplyResourceChange", async {
            let registered = self.resource(&request.type_name)?;
            let object = |value: &Option<pb::DynamicValue>, what| {
                wire::from_dynamic_object(value.as_ref(), &registered.schema.block, what)
            };
            let prior_state = object(&request.prior_state, "prior state")?;
            let planned_state = object(&request.planned_state, "planned state")?;
            // When the operation cannot tell what happened, the object may exist: an error with the
            // state kept is repaired by the next refresh, a lost one never.
            let kept = prior_state.clone().or_else(|| planned_state.clone());
            let change = classify(prior_state.clone(), planned_state);
            let work = AssertUnwindSafe(self.apply(registered, change)).catch_unwind();
            let outcome = match work.await {
                Ok(Ok(outcome)) => outcome,
                // Nothing was begun.
                Ok(Err(diagnostics)) => Outcome::failed(prior_state, diagnostics),
                Err(_) => Outcome::failed(kept, panicked("ApplyResourceChange")),
            };
            Ok(pb::apply_resource_change::Response {
                new_state: Some(wire::to_dynamic_object(outcome.state)),
                diagnostics: wire::to_diagnostics(outcome.diagnostics),
                private: request.planned_private,
                ..Default::default()
            })
        })
        .await
    }

    async fn import_resource_state(
        &self,
        request: Request<pb::import_resource_state::Request>,
    ) -> Answered<pb::import_resource_state::Response> {
        let request = request.into_inner();
        answer("ImportResourceState", async {
            let Registered { resource, .. } = self.resource(&request.type_name)?;
            let outcome = resource.import(&self.context()?, &request.id).await;
            let imported = |state| pb::import_resource_state::ImportedResource {
                type_name: request.type_name,
                state: Some(wire::to_dynamic_object(Some(state))),
                ..Default::default()
            };
            Ok(pb::import_resource_state::Response {
                imported_resources: outcome.state.map(imported).into_iter().collect(),
                diagnostics: wire::to_diagnostics(outcome.diagnostics),
                ..Default::default()
            })
        })
        .await
    }

    async fn generate_resource_config(
        &self,
        request: Request<pb::generate_resource_config::Request>,
    ) -> Answered<pb::generate_resource_config::Response> {
        let type_name = request.into_inner().type_name;
        answer("GenerateResourceConfig", async {
            self.resource(&type_name)?;
            Err(unsupported("generate configuration for", &type_name))
        })
        .await
    }

    async fn move_resource_state(
        &self,
        request: Request<pb::move_resource_state::Request>,
    ) -> Answered<pb::move_resource_state::Response> {
        let request = request.into_inner();
        answer("MoveResourceState", async {
            self.resource(&request.target_type_name)?;
            Err(unsupported("move other resource types to", &request.target_type_name))
        })
        .await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<pb::get_resource_identity_schemas::Request>,
    ) -> Answered<pb::get_resource_identity_schemas::Response> {
        answer("GetResourceIdentitySchemas", async {
            Ok(pb::get_resource_identity_schemas::Response::default())
        })
        .await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<pb::upgrade_resource_identity::Request>,
    ) -> Answered<pb::upgrade_resource_identity::Response> {
        let type_name = request.into_inner().type_name;
        answer("UpgradeResourceIdentity", async {
            self.resource(&type_name)?;
            Err(unsupported("keep an identity for", &type_name))
        })
        .await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<pb::validate_list_resource_config::Request>,
    ) -> Answered<pb::validate_list_resource_config::Response> {
        let type_name = request.into_inner().type_name;
        answer("ValidateListResourceConfig", async { Err(unknown("list resource", &type_name)) })
            .await
    }

    async fn list_resource(
        &self,
        request: Request<pb::list_resource::Request>,
    ) -> Answered<Self::ListResourceStream> {
        let diagnostics = unknown("list resource", &request.into_inner().type_name);
        let event = pb::list_resource::Event {
            diagnostic: wire::to_diagnostics(diagnostics),
            ..Default::default()
        };
        Ok(Response::new(once(event)))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<pb::validate_data_resource_config::Request>,
    ) -> Answered<pb::validate_data_resource_config::Response> {
        let type_name = request.into_inner().type_name;
        answer("ValidateDataResourceConfig", async { Err(unknown("data source", &type_name)) })
            .await
    }

    async fn read_data_source(
        &self,
        request: Request<pb::read_data_source::Request>,
    ) -> Answered<pb::read_data_source::Response> {
        let type_name = request.into_inner().type_name;
        answer("ReadDataSource", async { Err(unknown("data source", &type_name)) }).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<pb::validate_ephemeral_resource_config::Request>,
    ) -> Answered<pb::validate_ephemeral_resource_config::Response> {
        let name = request.into_inner().type_name;
        answer("ValidateEphemeralResourceConfig", async {
            Err(unknown("ephemeral resource", &name))
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<pb::open_ephemeral_resource::Request>,
    ) -> Answered<pb::open_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        answer("OpenEphemeralResource", async { Err(unknown("ephemeral resource", &name)) }).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<pb::renew_ephemeral_resource::Request>,
    ) -> Answered<pb::renew_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        answer("RenewEphemeralResource", async { Err(unknown("ephemeral resource", &name)) }).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<pb::close_ephemeral_resource::Request>,
    ) -> Answered<pb::close_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        answer("CloseEphemeralResource", async { Err(unknown("ephemeral resource", &name)) }).await
    }

    async fn get_functions(
        &self,
        _: Request<pb::get_functions::Request>,
    ) -> Answered<pb::get_functions::Response> {
        answer("GetFunctions", async { Ok(pb::get_functions::Response::default()) }).await
    }

    async fn call_function(
        &self,
        request: Request<pb::call_function::Request>,
    ) -> Answered<pb::call_function::Response> {
        let name = request.into_inner().name;
        answer("CallFunction", async { Err(unknown("function", &name)) }).await
    }

    async fn validate_action_config(
        &self,
        request: Request<pb::validate_action_config::Request>,
    ) -> Answered<pb::validate_action_config::Response> {
        let name = request.into_inner().type_name;
        answer("ValidateActionConfig", async { Err(unknown("action", &name)) }).await
    }

    async fn plan_action(
        &self,
        request: Request<pb::plan_action::Request>,
    ) -> Answered<pb::plan_action::Response> {
        let name = request.into_inner().action_type;
        answer("PlanAction", async { Err(unknown("action", &name)) }).await
    }

    async fn invoke_action(
        &self,
        request: Request<pb::invoke_action::Request>,
    ) -> Answered<Self::InvokeActionStream> {
        use pb::invoke_action::{Event, event};
        let diagnostics = unknown("action", &request.into_inner().action_type);
        let completed = event::Completed { diagnostics: wire::to_diagnostics(diagnostics) };
        Ok(Response::new(once(Event { r#type: Some(event::Type::Completed(completed)) })))
    }

    async fn validate_state_store_config(
        &self,
        request: Request<pb::validate_state_store::Request>,
    ) -> Answered<pb::validate_state_store::Response> {
        let name = request.into_inner().type_name;
        answer("ValidateStateStoreConfig", async { Err(unknown("state store", &name)) }).await
    }

    async fn configure_state_store(
        &self,
        request: Request<pb::configure_state_store::Request>,
    ) -> Answered<pb::configure_state_store::Response> {
        let name = request.into_inner().type_name;
        answer("ConfigureStateStore", async { Err(unknown("state store", &name)) }).await
    }

    async fn read_state_bytes(
        &self,
        request: Request<pb::read_state_bytes::Request>,
    ) -> Answered<Self::ReadStateBytesStream> {
        let diagnostics = unknown("state store", &request.into_inner().type_name);
        Ok(Response::new(once(Answer::failed(wire::to_diagnostics(diagnostics)))))
    }

    async fn write_state_bytes(
        &self,
        request: Request<Streaming<pb::write_state_bytes::RequestChunk>>,
    ) -> Answered<pb::write_state_bytes::Response> {
        let mut chunks = request.into_inner();
        answer("WriteStateBytes", async {
            // The first chunk names the state store; the rest is not read.
            let meta = match chunks.next().await {
                Some(Ok(chunk)) => chunk.meta.unwrap_or_default(),
                _ => pb::RequestChunkMeta::default(),
            };
            Err(unknown("state store", &meta.type_name))
        })
        .await
    }

    async fn lock_state(
        &self,
        request: Request<pb::lock_state::Request>,
    ) -> Answered<pb::lock_state::Response> {
        let name = request.into_inner().type_name;
        answer("LockState", async { Err(unknown("state store", &name)) }).await
    }

    async fn unlock_state(
        &self,
        request: Request<pb::unlock_state::Request>,
    ) -> Answered<pb::unlock_state::Response> {
        let name = request.into_inner().type_name;
        answer("UnlockState", async { Err(unknown("state store", &name)) }).await
    }

    async fn get_states(
        &self,
        request: Request<pb::get_states::Request>,
    ) -> Answered<pb::get_states::Response> {
        let name = request.into_inner().type_name;
        answer("GetStates", async { Err(unknown("state store", &name)) }).await
    }

    async fn delete_state(
        &self,
        request: Request<pb::delete_state::Request>,
    ) -> Answered<pb::delete_state::Response> {
        let name = request.into_inner().type_name;
        answer("DeleteState", async { Err(unknown("state store", &name)) }).await
    }
}

fn capabilities() -> pb::ServerCapabilities {
    pb::ServerCapabilities {
        // There is nothing to say about a plan that destroys; it is answered all the same.
        plan_destroy: false,
        // The schema never changes: Terraform may ask for it once per command.
        get_provider_schema_optional: true,
        move_resource_state: false,
        generate_resource_config: false,
    }
}

fn unsupported(what: &str, type_name: &str) -> Diagnostics {
    Diagnostic::error("Not supported", format!("This provider cannot {what} {type_name}.")).into()
}

fn newer_state(stored: i64, supported: i64) -> Diagnostics {
    Diagnostic::error(
        "State of a newer provider version",
        format!(
            "The stored state has schema version {stored}; this version of the provider knows \
             versions up to {supported}. Use the provider version that wrote the state, or a newer \
             one."
        ),
    )
    .into()
}

fn once<T: Send + 'static>(item: T) -> BoxStream<T> {
    Box::pin(stream::once(async { Ok(item) }))
}
