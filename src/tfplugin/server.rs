//! The gRPC service: one short method per RPC.
//!
//! Each method reads the request, asks the provider or the resource, and writes the answer. What
//! goes wrong becomes a diagnostic, a panic included: a gRPC error would tell the person at the
//! terminal nothing. Kinds of things that no provider here has answer as a Go provider without them
//! does: empty lists, and a diagnostic that names the unknown type.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use secrecy::zeroize::Zeroize as _;
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::diagnostics::{Diagnostic, Diagnostics, Severity};
use super::lifecycle::{Change, classify};
use super::pb;
use super::pb::provider_server::{Provider as Service, ProviderServer};
use super::resource::{
    Context, ImportTarget, ListEvent, ListResource, MoveSource, Outcome, PlanRequest, Provider,
    Resource,
};
use super::schema::Schema;
use super::value::{Object, Value};
use super::wire;

/// Go providers accept messages of this size; tonic's own limit is 4 MiB.
const MAX_MESSAGE_SIZE: usize = 256 * 1024 * 1024;

/// A provider as Terraform sees it. Each connection gets its own, so that several configurations
/// can be in use at once in one process, as in debug mode.
pub struct Server<P: Provider> {
    provider: P,
    provider_schema: Schema,
    /// Shared with the searches that are under way.
    resources: Vec<Arc<RegisteredResource<P::Client>>>,
    configured: Mutex<Option<ConfiguredProvider<P::Client>>>,
    /// Cancelled when the process is to end.
    process_stop: CancellationToken,
    /// Cancelled when what is in flight is to end.
    stop: Mutex<CancellationToken>,
}

/// A resource with its schemas, built once.
struct RegisteredResource<Client> {
    resource: Box<dyn Resource<Client>>,
    schema: Schema,
    identity_schema: Option<Schema>,
}

/// What the configuration of the provider came to.
struct ConfiguredProvider<Client> {
    client: Arc<Client>,
    /// Changes may be deferred: parts of the configuration are not known yet, and the host copes.
    may_defer: bool,
}

type Searchable<Client> = (Arc<RegisteredResource<Client>>, Box<dyn ListResource<Client>>);

impl<Client> RegisteredResource<Client> {
    /// The identity of the object with this state, ready to be sent.
    fn identity(&self, state: Option<&Object>) -> Option<pb::ResourceIdentityData> {
        self.resource.identity(state?).map(wire::to_identity)
    }

    /// Reads an identity that the host sent.
    fn decode_identity(
        &self,
        identity: Option<&pb::ResourceIdentityData>,
    ) -> Result<Option<Object>, Diagnostics> {
        match &self.identity_schema {
            Some(schema) => Ok(wire::from_identity(identity, schema)?),
            None => Ok(None),
        }
    }
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
        let register = |resource: Box<dyn Resource<P::Client>>| {
            Arc::new(RegisteredResource {
                schema: resource.schema(),
                identity_schema: resource.identity_schema(),
                resource,
            })
        };
        Self {
            provider_schema: provider.schema(),
            resources: provider.resources().into_iter().map(register).collect(),
            provider,
            configured: Mutex::default(),
            stop: Mutex::new(process_stop.child_token()),
            process_stop,
        }
    }

    /// The gRPC service around this server.
    pub fn into_service(self) -> ProviderServer<Self> {
        ProviderServer::new(self).max_decoding_message_size(MAX_MESSAGE_SIZE)
    }

    fn resource(
        &self,
        type_name: &str,
    ) -> Result<&Arc<RegisteredResource<P::Client>>, Diagnostics> {
        self.resources
            .iter()
            .find(|registered| registered.resource.type_name() == type_name)
            .ok_or_else(|| unknown_type_error("resource type", type_name))
    }

    /// A resource that can be searched for, and how.
    fn list_resource(&self, type_name: &str) -> Result<Searchable<P::Client>, Diagnostics> {
        let registered = self.resource(type_name).ok();
        registered
            .and_then(|registered| {
                Some((Arc::clone(registered), registered.resource.list_resource()?))
            })
            .ok_or_else(|| unknown_type_error("list resource", type_name))
    }

    fn context(&self) -> Result<Context<P::Client>, Diagnostics> {
        let configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let client = configured.as_ref().map(|configured| Arc::clone(&configured.client));
        let client = client.ok_or_else(|| {
            Diagnostic::error(
                "Provider not configured",
                "A call that needs the provider's configuration came before the configuration. \
                 This is a bug in the caller of the provider.",
            )
        })?;
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Context { client, cancellation: stop })
    }

    /// The reason to put a change off until more is known, where the host of this call copes with it.
    fn deferred(&self, capabilities: Option<pb::ClientCapabilities>) -> Option<pb::Deferred> {
        let is_allowed = capabilities.is_some_and(|capabilities| capabilities.deferral_allowed);
        let configured = self.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let may_defer = configured.as_ref().is_some_and(|configured| configured.may_defer);
        let reason = pb::deferred::Reason::ProviderConfigUnknown.into();
        (is_allowed && may_defer).then_some(pb::Deferred { reason })
    }

    /// Searches for objects, until as many are found as the host wants.
    fn list_events(
        &self,
        request: &pb::list_resource::Request,
    ) -> Result<super::BoxStream<pb::list_resource::Event>, Diagnostics> {
        let (registered, list_resource) = self.list_resource(&request.type_name)?;
        let config = list_config(&*list_resource, request.config.as_ref())?;
        let events = list_resource.list(self.context()?, &config);
        let with_object = request.include_resource_object;
        let to_event = move |event| match event {
            ListEvent::Diagnostic(diagnostic) => message(diagnostic),
            ListEvent::Result { display_name, state } => pb::list_resource::Event {
                identity: registered.identity(Some(&state)),
                display_name,
                resource_object: with_object.then(|| wire::to_dynamic_object(Some(state))),
                ..Default::default()
            },
        };
        let wanted = u64::try_from(request.limit).ok().filter(|limit| *limit > 0);
        let events = stream::unfold((events, wanted), |(mut events, wanted)| async move {
            if wanted == Some(0) {
                return None;
            }
            let event = events.next().await?;
            let wanted = match &event {
                ListEvent::Result { .. } => wanted.map(|wanted| wanted - 1),
                // The host takes nothing that comes after an error.
                ListEvent::Diagnostic(message) if message.severity == Severity::Error => Some(0),
                ListEvent::Diagnostic(_) => wanted,
            };
            Some((event, (events, wanted)))
        });
        Ok(Box::pin(events.map(to_event)))
    }

    /// Runs the operation that the states mean, and returns the state to store.
    async fn apply(
        &self,
        registered: &RegisteredResource<P::Client>,
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
            Change::NoOp => Outcome::removed(),
        })
    }
}

/// An event of a search that is only a message.
fn message(diagnostic: Diagnostic) -> pb::list_resource::Event {
    pb::list_resource::Event {
        diagnostic: wire::to_diagnostics(diagnostic.into()),
        ..Default::default()
    }
}

fn unknown_type_error(kind: &str, name: &str) -> Diagnostics {
    Diagnostic::error(format!("Unknown {kind}"), format!("This provider has no {kind} {name:?}."))
        .into()
}

/// A configuration that must not be null.
fn required(object: Option<Object>) -> Result<Object, Diagnostics> {
    object.ok_or_else(|| {
        Diagnostic::error("Missing configuration", "Terraform sent a null configuration.").into()
    })
}

/// Overwrites a provider block that is done with, and what it was read from: there are keys in it. Those that
/// the provider keeps are in types that do the same.
fn wipe(config: &mut Object, sent: Option<pb::DynamicValue>) {
    config.zeroize();
    if let Some(mut sent) = sent {
        sent.msgpack.zeroize();
        sent.json.zeroize();
    }
}

/// The configuration of a search. Null, as the first hosts sent it for an absent `config` block, is one
/// that sets nothing.
fn list_config<Client>(
    list_resource: &dyn ListResource<Client>,
    config: Option<&pb::DynamicValue>,
) -> Result<Object, Diagnostics> {
    let block = list_resource.schema().block;
    let config = wire::from_dynamic_object(config, &block, "configuration")?;
    Ok(config.unwrap_or_default())
}

/// An answer that can carry diagnostics instead of a result.
trait DiagnosticsResponse: Default {
    fn failed(diagnostics: Vec<pb::Diagnostic>) -> Self;
}

macro_rules! impl_diagnostics_response {
    ($($message:ident),* $(,)?) => {
        $(impl DiagnosticsResponse for pb::$message::Response {
            #[allow(clippy::needless_update, reason = "some answers have nothing else")]
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

type RpcResult<T> = Result<Response<T>, Status>;

/// Completes an RPC: an error becomes an answer with diagnostics, and so does a panic.
async fn respond<T: DiagnosticsResponse>(
    rpc: &'static str,
    work: impl Future<Output = Result<T, Diagnostics>>,
) -> RpcResult<T> {
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
    ) -> RpcResult<pb::get_metadata::Response> {
        let metadata =
            |registered: &Arc<RegisteredResource<P::Client>>| pb::get_metadata::ResourceMetadata {
                type_name: registered.resource.type_name().to_owned(),
            };
        let list_metadata = |registered: &Arc<RegisteredResource<P::Client>>| {
            registered.resource.list_resource()?;
            let type_name = registered.resource.type_name().to_owned();
            Some(pb::get_metadata::ListResourceMetadata { type_name })
        };
        respond("GetMetadata", async {
            Ok(pb::get_metadata::Response {
                server_capabilities: Some(capabilities()),
                resources: self.resources.iter().map(metadata).collect(),
                list_resources: self.resources.iter().filter_map(list_metadata).collect(),
                ..Default::default()
            })
        })
        .await
    }

    async fn get_provider_schema(
        &self,
        _: Request<pb::get_provider_schema::Request>,
    ) -> RpcResult<pb::get_provider_schema::Response> {
        let entry = |registered: &Arc<RegisteredResource<P::Client>>| {
            let schema = wire::to_schema(&registered.schema);
            (registered.resource.type_name().to_owned(), schema)
        };
        let list_entry = |registered: &Arc<RegisteredResource<P::Client>>| {
            let schema = wire::to_schema(&registered.resource.list_resource()?.schema());
            Some((registered.resource.type_name().to_owned(), schema))
        };
        respond("GetProviderSchema", async {
            Ok(pb::get_provider_schema::Response {
                provider: Some(wire::to_schema(&self.provider_schema)),
                resource_schemas: self.resources.iter().map(entry).collect(),
                list_resource_schemas: self.resources.iter().filter_map(list_entry).collect(),
                server_capabilities: Some(capabilities()),
                ..Default::default()
            })
        })
        .await
    }

    async fn validate_provider_config(
        &self,
        request: Request<pb::validate_provider_config::Request>,
    ) -> RpcResult<pb::validate_provider_config::Response> {
        let request = request.into_inner();
        respond("ValidateProviderConfig", async {
            let block = &self.provider_schema.block;
            let config =
                wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
            let mut config = required(config)?;
            let diagnostics = self.provider.validate(&config);
            wipe(&mut config, request.config);
            Ok(pb::validate_provider_config::Response {
                diagnostics: wire::to_diagnostics(diagnostics),
            })
        })
        .await
    }

    async fn configure_provider(
        &self,
        request: Request<pb::configure_provider::Request>,
    ) -> RpcResult<pb::configure_provider::Response> {
        let request = request.into_inner();
        respond("ConfigureProvider", async {
            let block = &self.provider_schema.block;
            let config =
                wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
            let version = &request.terraform_version;
            let mut config = required(config)?;
            let configuration = self.provider.configure(&config, version);
            wipe(&mut config, request.config);
            let may_defer =
                configuration.has_unknown_values && !misreports_deferral_support(version);
            let configured = configuration
                .client
                .map(|client| ConfiguredProvider { client: Arc::new(client), may_defer });
            *self.configured.lock().unwrap_or_else(PoisonError::into_inner) = configured;
            Ok(pb::configure_provider::Response {
                diagnostics: wire::to_diagnostics(configuration.diagnostics),
            })
        })
        .await
    }

    async fn stop_provider(
        &self,
        _: Request<pb::stop_provider::Request>,
    ) -> RpcResult<pb::stop_provider::Response> {
        // What is in flight ends; what comes later starts with a fresh token, as in Go.
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stop, self.process_stop.child_token()).cancel();
        Ok(Response::new(pb::stop_provider::Response::default()))
    }

    async fn validate_resource_config(
        &self,
        request: Request<pb::validate_resource_config::Request>,
    ) -> RpcResult<pb::validate_resource_config::Response> {
        let request = request.into_inner();
        respond("ValidateResourceConfig", async {
            let RegisteredResource { resource, schema, .. } =
                &**self.resource(&request.type_name)?;
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
    ) -> RpcResult<pb::upgrade_resource_state::Response> {
        let request = request.into_inner();
        respond("UpgradeResourceState", async {
            let RegisteredResource { schema, .. } = &**self.resource(&request.type_name)?;
            if request.version > schema.version {
                return Err(newer_version_error("state", request.version, schema.version));
            }
            let state =
                wire::from_raw_object(request.raw_state.as_ref(), &schema.block, "stored state")?;
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
    ) -> RpcResult<pb::read_resource::Response> {
        let request = request.into_inner();
        respond("ReadResource", async {
            let registered = self.resource(&request.type_name)?;
            let block = &registered.schema.block;
            let current = request.current_state.as_ref();
            let deferred = self.deferred(request.client_capabilities);
            let outcome = match wire::from_dynamic_object(current, block, "state")? {
                Some(state) if deferred.is_some() => Outcome::state(state),
                Some(state) => registered.resource.read(&self.context()?, state).await,
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
        })
        .await
    }

    async fn plan_resource_change(
        &self,
        request: Request<pb::plan_resource_change::Request>,
    ) -> RpcResult<pb::plan_resource_change::Response> {
        let request = request.into_inner();
        respond("PlanResourceChange", async {
            let registered = self.resource(&request.type_name)?;
            let object = |value: &Option<pb::DynamicValue>, what| {
                wire::from_dynamic_object(value.as_ref(), &registered.schema.block, what)
            };
            let prior_state = object(&request.prior_state, "prior state")?;
            let proposed = object(&request.proposed_new_state, "proposed state")?;
            let mut response = pb::plan_resource_change::Response {
                planned_private: request.prior_private,
                deferred: self.deferred(request.client_capabilities),
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
                response.requires_replace =
                    plan.requires_replace.iter().map(wire::to_path).collect();
            } else {
                response.planned_state = Some(wire::to_dynamic_object(None));
                response.planned_identity = request.prior_identity;
            }
            Ok(response)
        })
        .await
    }

    async fn apply_resource_change(
        &self,
        request: Request<pb::apply_resource_change::Request>,
    ) -> RpcResult<pb::apply_resource_change::Response> {
        let request = request.into_inner();
        respond("ApplyResourceChange", async {
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
            let identity = registered.identity(outcome.state.as_ref());
            Ok(pb::apply_resource_change::Response {
                new_identity: request.planned_identity.or(identity),
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
    ) -> RpcResult<pb::import_resource_state::Response> {
        let request = request.into_inner();
        respond("ImportResourceState", async {
            let registered = self.resource(&request.type_name)?;
            let imported = |state: Value, identity| pb::import_resource_state::ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(wire::to_dynamic(&state)),
                identity,
                ..Default::default()
            };
            let deferred = self.deferred(request.client_capabilities);
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
            let outcome = registered.resource.import(&self.context()?, target).await;
            let identity = registered.identity(outcome.state.as_ref());
            let state = outcome.state.map(Value::Object);
            Ok(pb::import_resource_state::Response {
                imported_resources: state
                    .map(|state| imported(state, identity))
                    .into_iter()
                    .collect(),
                diagnostics: wire::to_diagnostics(outcome.diagnostics),
                ..Default::default()
            })
        })
        .await
    }

    async fn generate_resource_config(
        &self,
        request: Request<pb::generate_resource_config::Request>,
    ) -> RpcResult<pb::generate_resource_config::Response> {
        let request = request.into_inner();
        respond("GenerateResourceConfig", async {
            let block = &self.resource(&request.type_name)?.schema.block;
            let state = wire::from_dynamic_object(request.state.as_ref(), block, "state")?;
            let config = state.map(|state| block.config_from_state(&state));
            Ok(pb::generate_resource_config::Response {
                config: Some(wire::to_dynamic_object(config)),
                ..Default::default()
            })
        })
        .await
    }

    async fn move_resource_state(
        &self,
        request: Request<pb::move_resource_state::Request>,
    ) -> RpcResult<pb::move_resource_state::Response> {
        let request = request.into_inner();
        respond("MoveResourceState", async {
            let registered = self.resource(&request.target_type_name)?;
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
        })
        .await
    }

    async fn get_resource_identity_schemas(
        &self,
        _: Request<pb::get_resource_identity_schemas::Request>,
    ) -> RpcResult<pb::get_resource_identity_schemas::Response> {
        respond("GetResourceIdentitySchemas", async {
            let entry = |registered: &Arc<RegisteredResource<P::Client>>| {
                let schema = wire::to_identity_schema(registered.identity_schema.as_ref()?);
                Some((registered.resource.type_name().to_owned(), schema))
            };
            Ok(pb::get_resource_identity_schemas::Response {
                identity_schemas: self.resources.iter().filter_map(entry).collect(),
                ..Default::default()
            })
        })
        .await
    }

    async fn upgrade_resource_identity(
        &self,
        request: Request<pb::upgrade_resource_identity::Request>,
    ) -> RpcResult<pb::upgrade_resource_identity::Response> {
        let request = request.into_inner();
        respond("UpgradeResourceIdentity", async {
            let registered = self.resource(&request.type_name)?;
            let Some(schema) = &registered.identity_schema else {
                return Err(unknown_type_error("identity of resource type", &request.type_name));
            };
            if request.version > schema.version {
                return Err(newer_version_error("identity", request.version, schema.version));
            }
            let identity = wire::from_raw_object(
                request.raw_identity.as_ref(),
                &schema.block,
                "stored identity",
            )?;
            Ok(pb::upgrade_resource_identity::Response {
                upgraded_identity: identity.map(wire::to_identity),
                ..Default::default()
            })
        })
        .await
    }

    async fn validate_list_resource_config(
        &self,
        request: Request<pb::validate_list_resource_config::Request>,
    ) -> RpcResult<pb::validate_list_resource_config::Response> {
        let request = request.into_inner();
        respond("ValidateListResourceConfig", async {
            let (_, list_resource) = self.list_resource(&request.type_name)?;
            let config = list_config(&*list_resource, request.config.as_ref())?;
            let diagnostics = list_resource.validate(&config);
            Ok(pb::validate_list_resource_config::Response {
                diagnostics: wire::to_diagnostics(diagnostics),
            })
        })
        .await
    }

    async fn list_resource(
        &self,
        request: Request<pb::list_resource::Request>,
    ) -> RpcResult<Self::ListResourceStream> {
        let request = request.into_inner();
        let found = AssertUnwindSafe(async { self.list_events(&request) }).catch_unwind().await;
        let found = found.unwrap_or_else(|_| Err(panicked("ListResource")));
        let events = found.unwrap_or_else(|diagnostics| {
            Box::pin(stream::iter(diagnostics.into_iter().map(message)))
        });
        // A panic ends the search with a message instead of a broken connection.
        let events = AssertUnwindSafe(events).catch_unwind().map(|event| {
            let panicked = || pb::list_resource::Event {
                diagnostic: wire::to_diagnostics(panicked("ListResource")),
                ..Default::default()
            };
            Ok(event.unwrap_or_else(|_| panicked()))
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<pb::validate_data_resource_config::Request>,
    ) -> RpcResult<pb::validate_data_resource_config::Response> {
        let type_name = request.into_inner().type_name;
        respond("ValidateDataResourceConfig", async {
            Err(unknown_type_error("data source", &type_name))
        })
        .await
    }

    async fn read_data_source(
        &self,
        request: Request<pb::read_data_source::Request>,
    ) -> RpcResult<pb::read_data_source::Response> {
        let type_name = request.into_inner().type_name;
        respond("ReadDataSource", async { Err(unknown_type_error("data source", &type_name)) })
            .await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<pb::validate_ephemeral_resource_config::Request>,
    ) -> RpcResult<pb::validate_ephemeral_resource_config::Response> {
        let name = request.into_inner().type_name;
        respond("ValidateEphemeralResourceConfig", async {
            Err(unknown_type_error("ephemeral resource", &name))
        })
        .await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<pb::open_ephemeral_resource::Request>,
    ) -> RpcResult<pb::open_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        respond("OpenEphemeralResource", async {
            Err(unknown_type_error("ephemeral resource", &name))
        })
        .await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<pb::renew_ephemeral_resource::Request>,
    ) -> RpcResult<pb::renew_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        respond("RenewEphemeralResource", async {
            Err(unknown_type_error("ephemeral resource", &name))
        })
        .await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<pb::close_ephemeral_resource::Request>,
    ) -> RpcResult<pb::close_ephemeral_resource::Response> {
        let name = request.into_inner().type_name;
        respond("CloseEphemeralResource", async {
            Err(unknown_type_error("ephemeral resource", &name))
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
        let name = request.into_inner().name;
        respond("CallFunction", async { Err(unknown_type_error("function", &name)) }).await
    }

    async fn validate_action_config(
        &self,
        request: Request<pb::validate_action_config::Request>,
    ) -> RpcResult<pb::validate_action_config::Response> {
        let name = request.into_inner().type_name;
        respond("ValidateActionConfig", async { Err(unknown_type_error("action", &name)) }).await
    }

    async fn plan_action(
        &self,
        request: Request<pb::plan_action::Request>,
    ) -> RpcResult<pb::plan_action::Response> {
        let name = request.into_inner().action_type;
        respond("PlanAction", async { Err(unknown_type_error("action", &name)) }).await
    }

    async fn invoke_action(
        &self,
        request: Request<pb::invoke_action::Request>,
    ) -> RpcResult<Self::InvokeActionStream> {
        use pb::invoke_action::{Event, event};
        let diagnostics = unknown_type_error("action", &request.into_inner().action_type);
        let completed = event::Completed { diagnostics: wire::to_diagnostics(diagnostics) };
        Ok(Response::new(once(Event { r#type: Some(event::Type::Completed(completed)) })))
    }

    async fn validate_state_store_config(
        &self,
        request: Request<pb::validate_state_store::Request>,
    ) -> RpcResult<pb::validate_state_store::Response> {
        let name = request.into_inner().type_name;
        respond("ValidateStateStoreConfig", async { Err(unknown_type_error("state store", &name)) })
            .await
    }

    async fn configure_state_store(
        &self,
        request: Request<pb::configure_state_store::Request>,
    ) -> RpcResult<pb::configure_state_store::Response> {
        let name = request.into_inner().type_name;
        respond("ConfigureStateStore", async { Err(unknown_type_error("state store", &name)) })
            .await
    }

    async fn read_state_bytes(
        &self,
        request: Request<pb::read_state_bytes::Request>,
    ) -> RpcResult<Self::ReadStateBytesStream> {
        let diagnostics = unknown_type_error("state store", &request.into_inner().type_name);
        Ok(Response::new(once(DiagnosticsResponse::failed(wire::to_diagnostics(diagnostics)))))
    }

    async fn write_state_bytes(
        &self,
        request: Request<Streaming<pb::write_state_bytes::RequestChunk>>,
    ) -> RpcResult<pb::write_state_bytes::Response> {
        let mut chunks = request.into_inner();
        respond("WriteStateBytes", async {
            // The first chunk names the state store; the rest is not read.
            let meta = match chunks.next().await {
                Some(Ok(chunk)) => chunk.meta.unwrap_or_default(),
                _ => pb::RequestChunkMeta::default(),
            };
            Err(unknown_type_error("state store", &meta.type_name))
        })
        .await
    }

    async fn lock_state(
        &self,
        request: Request<pb::lock_state::Request>,
    ) -> RpcResult<pb::lock_state::Response> {
        let name = request.into_inner().type_name;
        respond("LockState", async { Err(unknown_type_error("state store", &name)) }).await
    }

    async fn unlock_state(
        &self,
        request: Request<pb::unlock_state::Request>,
    ) -> RpcResult<pb::unlock_state::Response> {
        let name = request.into_inner().type_name;
        respond("UnlockState", async { Err(unknown_type_error("state store", &name)) }).await
    }

    async fn get_states(
        &self,
        request: Request<pb::get_states::Request>,
    ) -> RpcResult<pb::get_states::Response> {
        let name = request.into_inner().type_name;
        respond("GetStates", async { Err(unknown_type_error("state store", &name)) }).await
    }

    async fn delete_state(
        &self,
        request: Request<pb::delete_state::Request>,
    ) -> RpcResult<pb::delete_state::Response> {
        let name = request.into_inner().type_name;
        respond("DeleteState", async { Err(unknown_type_error("state store", &name)) }).await
    }
}

fn capabilities() -> pb::ServerCapabilities {
    pb::ServerCapabilities {
        // There is nothing to say about a plan that destroys; it is answered all the same.
        plan_destroy: false,
        // The schema never changes: Terraform may ask for it once per command.
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: true,
    }
}

/// `OpenTofu` 1.11.0 to 1.11.3 says that it copes with deferral and does not; Terraform of the same
/// version only copes when built for experiments, which its version tells.
fn misreports_deferral_support(version: &str) -> bool {
    matches!(version, "1.11.0" | "1.11.1" | "1.11.2" | "1.11.3")
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

fn once<T: Send + 'static>(item: T) -> BoxStream<T> {
    Box::pin(stream::once(async { Ok(item) }))
}
