//! The RPCs for the provider itself.

use std::sync::{Arc, PoisonError};

use secrecy::zeroize::Zeroize as _;

use super::registered::{RegisteredDataSource, RegisteredResource};
use super::respond::required;
use super::{ConfiguredProvider, Server};
use crate::tfplugin::diagnostics::Diagnostics;
use crate::tfplugin::provider::Provider;
use crate::tfplugin::value::Object;
use crate::tfplugin::{pb, wire};

pub(super) fn metadata<P: Provider>(server: &Server<P>) -> pb::get_metadata::Response {
    let metadata = |registered: &Arc<RegisteredResource<P::Data>>| {
        pb::get_metadata::ResourceMetadata { type_name: registered.resource.type_name().to_owned() }
    };
    let data_source_metadata = |registered: &RegisteredDataSource<P::Data>| {
        let type_name = registered.data_source.type_name().to_owned();
        pb::get_metadata::DataSourceMetadata { type_name }
    };
    let list_metadata = |registered: &Arc<RegisteredResource<P::Data>>| {
        registered.resource.list_resource()?;
        let type_name = registered.resource.type_name().to_owned();
        Some(pb::get_metadata::ListResourceMetadata { type_name })
    };
    pb::get_metadata::Response {
        server_capabilities: Some(capabilities()),
        resources: server.resources.iter().map(metadata).collect(),
        data_sources: server.data_sources.iter().map(data_source_metadata).collect(),
        list_resources: server.resources.iter().filter_map(list_metadata).collect(),
        ..Default::default()
    }
}

pub(super) fn schema<P: Provider>(server: &Server<P>) -> pb::get_provider_schema::Response {
    let entry = |registered: &Arc<RegisteredResource<P::Data>>| {
        let schema = wire::to_schema(&registered.schema);
        (registered.resource.type_name().to_owned(), schema)
    };
    let data_source_entry = |registered: &RegisteredDataSource<P::Data>| {
        let schema = wire::to_schema(&registered.schema);
        (registered.data_source.type_name().to_owned(), schema)
    };
    let list_entry = |registered: &Arc<RegisteredResource<P::Data>>| {
        let schema = wire::to_schema(&registered.resource.list_resource()?.schema());
        Some((registered.resource.type_name().to_owned(), schema))
    };
    pb::get_provider_schema::Response {
        provider: Some(wire::to_schema(&server.provider_schema)),
        resource_schemas: server.resources.iter().map(entry).collect(),
        data_source_schemas: server.data_sources.iter().map(data_source_entry).collect(),
        list_resource_schemas: server.resources.iter().filter_map(list_entry).collect(),
        server_capabilities: Some(capabilities()),
        ..Default::default()
    }
}

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: pb::validate_provider_config::Request,
) -> Result<pb::validate_provider_config::Response, Diagnostics> {
    let block = &server.provider_schema.block;
    let config = wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
    let mut config = required(config)?;
    let diagnostics = server.provider.validate(&config);
    zeroize(&mut config, request.config);
    Ok(pb::validate_provider_config::Response { diagnostics: wire::to_diagnostics(diagnostics) })
}

pub(super) fn configure<P: Provider>(
    server: &Server<P>,
    request: pb::configure_provider::Request,
) -> Result<pb::configure_provider::Response, Diagnostics> {
    let block = &server.provider_schema.block;
    let config = wire::from_dynamic_object(request.config.as_ref(), block, "configuration")?;
    let version = &request.terraform_version;
    let mut config = required(config)?;
    let configuration = server.provider.configure(&config, version);
    zeroize(&mut config, request.config);
    let may_defer = configuration.has_unknown_values && !misreports_deferral_support(version);
    let configured = configuration
        .provider_data
        .map(|data| ConfiguredProvider { provider_data: Arc::new(data), may_defer });
    *server.configured.lock().unwrap_or_else(PoisonError::into_inner) = configured;
    Ok(pb::configure_provider::Response {
        diagnostics: wire::to_diagnostics(configuration.diagnostics),
    })
}

/// Cancels the calls in flight. Later calls get a new token, as in Go providers.
pub(super) fn stop<P: Provider>(server: &Server<P>) {
    let mut stop = server.stop.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *stop, server.process_stop.child_token()).cancel();
}

fn capabilities() -> pb::ServerCapabilities {
    pb::ServerCapabilities {
        // Terraform requests a plan of a destroy only then, and only such a plan can be deferred. Without it,
        // an object that could not be read would be deleted.
        plan_destroy: true,
        // The schema never changes, so Terraform can cache it.
        get_provider_schema_optional: true,
        move_resource_state: true,
        generate_resource_config: true,
    }
}

/// Overwrites the provider block and its encoded form after use, because they contain secrets. The secrets that
/// the provider keeps are in types that do the same.
fn zeroize(config: &mut Object, encoded: Option<pb::DynamicValue>) {
    config.zeroize();
    if let Some(mut encoded) = encoded {
        encoded.msgpack.zeroize();
        encoded.json.zeroize();
    }
}

/// Whether the client claims to support deferral but does not: `OpenTofu` 1.11.0 to 1.11.3. Terraform with the
/// same version numbers only supports it in experimental builds, which have other version strings.
fn misreports_deferral_support(version: &str) -> bool {
    matches!(version, "1.11.0" | "1.11.1" | "1.11.2" | "1.11.3")
}
