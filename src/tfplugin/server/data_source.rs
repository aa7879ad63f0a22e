//! The RPCs for data sources.

use super::Server;
use super::registered::RegisteredDataSource;
use super::respond::{read_only_errors, required, unknown_type_error};
use crate::tfplugin::data_source::ReadData;
use crate::tfplugin::diagnostics::Diagnostics;
use crate::tfplugin::provider::Provider;
use crate::tfplugin::value::Value;
use crate::tfplugin::{pb, wire};

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: &pb::validate_data_resource_config::Request,
) -> Result<pb::validate_data_resource_config::Response, Diagnostics> {
    let RegisteredDataSource { data_source, schema } = find(server, &request.type_name)?;
    let config =
        wire::from_dynamic_object(request.config.as_ref(), &schema.block, "configuration")?;
    let config = required(config)?;
    let mut diagnostics = read_only_errors(&schema.block, &config);
    diagnostics.extend(data_source.validate(&config));
    Ok(pb::validate_data_resource_config::Response {
        diagnostics: wire::to_diagnostics(diagnostics),
    })
}

pub(super) async fn read<P: Provider>(
    server: &Server<P>,
    request: pb::read_data_source::Request,
) -> Result<pb::read_data_source::Response, Diagnostics> {
    let RegisteredDataSource { data_source, schema } = find(server, &request.type_name)?;
    let config =
        wire::from_dynamic_object(request.config.as_ref(), &schema.block, "configuration")?;
    let config = required(config)?;
    let deferred = server.deferred(request.client_capabilities);
    if deferred.is_some() {
        return Ok(pb::read_data_source::Response {
            // As in Go providers: Terraform does not use the value.
            state: Some(wire::to_dynamic(&Value::Unknown)),
            deferred,
            ..Default::default()
        });
    }
    let ReadData { state, mut warnings } = data_source.read(&server.context()?, config).await?;
    warnings.extend(server.late_warnings());
    Ok(pb::read_data_source::Response {
        state: Some(wire::to_dynamic_object(Some(state))),
        diagnostics: wire::to_diagnostics(warnings),
        ..Default::default()
    })
}

fn find<'a, P: Provider>(
    server: &'a Server<P>,
    type_name: &str,
) -> Result<&'a RegisteredDataSource<P::Data>, Diagnostics> {
    let mut registered = server.data_sources.iter();
    registered
        .find(|registered| registered.data_source.type_name() == type_name)
        .ok_or_else(|| unknown_type_error("data source", type_name))
}
