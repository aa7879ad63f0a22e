//! The RPCs for list resources.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Peekable};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::timeout;
use tonic::codegen::BoxStream;

use super::Server;
use super::registered::RegisteredResource;
use super::respond::panicked;
use crate::tfplugin::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::tfplugin::list_resource::{ListEvent, ListResource};
use crate::tfplugin::provider::Provider;
use crate::tfplugin::value::Object;
use crate::tfplugin::{pb, wire};

/// How long the last result waits for the next event, which shows whether there is more than the limit.
const NEXT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn validate<P: Provider>(
    server: &Server<P>,
    request: &pb::validate_list_resource_config::Request,
) -> Result<pb::validate_list_resource_config::Response, Diagnostics> {
    let (_, list_resource) = server.list_resource(&request.type_name)?;
    let config = list_config(&*list_resource, request.config.as_ref())?;
    let mut diagnostics = Diagnostics::new();
    for diagnostic in list_resource.validate(&config) {
        diagnostics.push(within_config(diagnostic));
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
    let events = result
        .unwrap_or_else(|diagnostics| Box::pin(stream::iter([diagnostic_event(diagnostics)])));
    // A panic ends the query with a diagnostic instead of a broken connection.
    let events = AssertUnwindSafe(events)
        .catch_unwind()
        .map(|event| Ok(event.unwrap_or_else(|_| diagnostic_event(panicked("ListResource")))));
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
    let provider_data = Arc::clone(&context.provider_data);
    let query = Query::<P> {
        events: list_resource.list(context, &config).peekable(),
        include_object: request.include_resource_object,
        // A negative or missing limit is none.
        limit: u64::try_from(request.limit).ok().filter(|limit| *limit > 0),
        found: 0,
        is_complete: false,
        registered,
        provider_data,
    };
    let events =
        stream::unfold(query, |mut query| async move { Some((query.next().await?, query)) });
    Ok(Box::pin(events))
}

/// A list query in progress.
struct Query<P: Provider> {
    events: Peekable<crate::tfplugin::BoxStream<ListEvent>>,
    include_object: bool,
    limit: Option<u64>,
    /// Number of results so far.
    found: u64,
    is_complete: bool,
    registered: Arc<RegisteredResource<P::Data>>,
    provider_data: Arc<P::Data>,
}

impl<P: Provider> Query<P> {
    async fn next(&mut self) -> Option<pb::list_resource::Event> {
        while !self.is_complete {
            match self.events.next().await {
                Some(ListEvent::Unlisted) => {}
                Some(ListEvent::Result { display_name, state }) => {
                    self.found += 1;
                    let mut warnings = Diagnostics::new();
                    // Terraform reads no event after this one.
                    if self.limit == Some(self.found) {
                        self.is_complete = true;
                        let next = Pin::new(&mut self.events).peek();
                        // It may not respond for minutes: then there may be more.
                        if !matches!(timeout(NEXT_TIMEOUT, next).await, Ok(None)) {
                            warnings.push(limit_reached(self.found));
                        }
                        warnings.extend(P::late_warnings(&self.provider_data));
                    }
                    return Some(pb::list_resource::Event {
                        identity: self.registered.identity(Some(&state)),
                        display_name,
                        resource_object: self
                            .include_object
                            .then(|| wire::to_dynamic_object(Some(state))),
                        diagnostic: wire::to_diagnostics(warnings),
                    });
                }
                Some(ListEvent::Diagnostic(diagnostic)) => {
                    let mut diagnostics = Diagnostics::new();
                    // Terraform ignores events after an error.
                    if diagnostic.severity == Severity::Error {
                        self.is_complete = true;
                        diagnostics = P::late_warnings(&self.provider_data);
                    }
                    diagnostics.push(within_config(diagnostic));
                    return Some(diagnostic_event(diagnostics));
                }
                None => {
                    self.is_complete = true;
                    let warnings = P::late_warnings(&self.provider_data);
                    return (!warnings.is_empty()).then(|| diagnostic_event(warnings));
                }
            }
        }
        None
    }
}

/// A `list` block has the arguments in a nested block.
fn within_config(diagnostic: Diagnostic) -> Diagnostic {
    let attribute = diagnostic.attribute.map(|path| path.within("config"));
    Diagnostic { attribute, ..diagnostic }
}

/// The warning of a query that ended at its limit. Terraform shows none, even if the limit is its default.
fn limit_reached(limit: u64) -> Diagnostic {
    let detail = format!(
        "The query ended at its `limit` of {limit}, so there may be more results. To \
         list them, set a higher `limit` in the `list` block. The default is 100."
    );
    Diagnostic::warning("Query ended at its limit", detail)
}

fn diagnostic_event(diagnostics: Diagnostics) -> pb::list_resource::Event {
    pb::list_resource::Event { diagnostic: wire::to_diagnostics(diagnostics), ..Default::default() }
}

/// The configuration of a list query. Null, which early versions of Terraform send without a `config` block,
/// counts as an empty one.
fn list_config<Data>(
    list_resource: &dyn ListResource<Data>,
    config: Option<&pb::DynamicValue>,
) -> Result<Object, Diagnostics> {
    let block = list_resource.schema().block;
    let config = wire::from_dynamic_object(config, &block, "configuration")?;
    Ok(config.unwrap_or_default())
}
