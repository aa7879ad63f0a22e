//! The RPCs for list resources.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use tonic::codegen::BoxStream;

use super::Server;
use super::respond::panicked;
use crate::tfplugin::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::tfplugin::list_resource::{ListEvent, ListResource};
use crate::tfplugin::provider::Provider;
use crate::tfplugin::value::Object;
use crate::tfplugin::{pb, wire};

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: &pb::validate_list_resource_config::Request,
) -> Result<pb::validate_list_resource_config::Response, Diagnostics> {
    let (_, list_resource) = server.list_resource(&request.type_name)?;
    let config = list_config(&*list_resource, request.config.as_ref())?;
    // A `list` block has the arguments in a nested block.
    let mut diagnostics = Diagnostics::new();
    for mut diagnostic in list_resource.validate(&config) {
        diagnostic.attribute = diagnostic.attribute.map(|path| path.within("config"));
        diagnostics.push(diagnostic);
    }
    Ok(pb::validate_list_resource_config::Response {
        diagnostics: wire::to_diagnostics(diagnostics),
    })
}

/// Runs a list query. Errors and panics become events of the stream.
pub(super) async fn list<P: Provider>(
    server: &Server<P>,
    request: pb::list_resource::Request,
) -> BoxStream<pb::list_resource::Event> {
    tracing::trace!(rpc = "ListResource", "call received");
    let result = AssertUnwindSafe(async { list_events(server, &request) }).catch_unwind().await;
    let result = result.unwrap_or_else(|_| Err(panicked("ListResource")));
    let events = result.unwrap_or_else(|diagnostics| {
        Box::pin(stream::iter(diagnostics.into_iter().map(diagnostic_event)))
    });
    // A panic ends the query with a diagnostic instead of a broken connection.
    let events = AssertUnwindSafe(events).catch_unwind().map(|event| {
        let panicked = || pb::list_resource::Event {
            diagnostic: wire::to_diagnostics(panicked("ListResource")),
            ..Default::default()
        };
        Ok(event.unwrap_or_else(|_| panicked()))
    });
    Box::pin(events)
}

/// Lists objects, up to the limit in the request.
fn list_events<P: Provider>(
    server: &Server<P>,
    request: &pb::list_resource::Request,
) -> Result<crate::tfplugin::BoxStream<pb::list_resource::Event>, Diagnostics> {
    let (registered, list_resource) = server.list_resource(&request.type_name)?;
    let config = list_config(&*list_resource, request.config.as_ref())?;
    let context = server.context()?;
    let client = std::sync::Arc::clone(&context.client);
    let events = list_resource.list(context, &config);
    let include_object = request.include_resource_object;
    let to_event = move |event| match event {
        ListEvent::Diagnostic(diagnostic) => diagnostic_event(diagnostic),
        ListEvent::Result { display_name, state } => pb::list_resource::Event {
            identity: registered.identity(Some(&state)),
            display_name,
            resource_object: include_object.then(|| wire::to_dynamic_object(Some(state))),
            ..Default::default()
        },
    };
    let limit = u64::try_from(request.limit).ok().filter(|limit| *limit > 0);
    let events = stream::unfold((events, limit), |(mut events, remaining)| async move {
        if remaining == Some(0) {
            return None;
        }
        let event = events.next().await?;
        let remaining = match &event {
            ListEvent::Result { .. } => remaining.map(|remaining| remaining - 1),
            // Terraform ignores events after an error.
            ListEvent::Diagnostic(diagnostic) if diagnostic.severity == Severity::Error => Some(0),
            ListEvent::Diagnostic(_) => remaining,
        };
        Some((event, (events, remaining)))
    });
    let late_warnings = stream::once(async move { P::late_warnings(&client) });
    let late_warnings =
        late_warnings.flat_map(|warnings| stream::iter(warnings).map(diagnostic_event));
    Ok(Box::pin(events.map(to_event).chain(late_warnings)))
}

fn diagnostic_event(diagnostic: Diagnostic) -> pb::list_resource::Event {
    pb::list_resource::Event {
        diagnostic: wire::to_diagnostics(diagnostic.into()),
        ..Default::default()
    }
}

/// The configuration of a list query. Null, which early versions of Terraform send without a `config` block,
/// counts as an empty one.
fn list_config<Client>(
    list_resource: &dyn ListResource<Client>,
    config: Option<&pb::DynamicValue>,
) -> Result<Object, Diagnostics> {
    let block = list_resource.schema().block;
    let config = wire::from_dynamic_object(config, &block, "configuration")?;
    Ok(config.unwrap_or_default())
}
