//! RPCs for features without an implementation. As in Go providers, they return empty lists, or a diagnostic that
//! names the unknown type.

use futures_util::{StreamExt as _, stream};
use tonic::Streaming;
use tonic::codegen::BoxStream;

use super::respond::{DiagnosticsResponse as _, unknown_type_error};
use crate::tfplugin::diagnostics::Diagnostics;
use crate::tfplugin::{pb, wire};

/// The error for a type that this provider does not have.
pub(super) fn unknown<T>(kind: &str, name: &str) -> Result<T, Diagnostics> {
    Err(unknown_type_error(kind, name))
}

pub(super) fn invoke_action(action_type: &str) -> BoxStream<pb::invoke_action::Event> {
    use pb::invoke_action::{Event, event};
    let diagnostics = unknown_type_error("action", action_type);
    let completed = event::Completed { diagnostics: wire::to_diagnostics(diagnostics) };
    once(Event { r#type: Some(event::Type::Completed(completed)) })
}

pub(super) fn read_state_bytes(type_name: &str) -> BoxStream<pb::read_state_bytes::Response> {
    let diagnostics = unknown_type_error("state store", type_name);
    once(pb::read_state_bytes::Response::failed(wire::to_diagnostics(diagnostics)))
}

pub(super) async fn write_state_bytes(
    mut chunks: Streaming<pb::write_state_bytes::RequestChunk>,
) -> Result<pb::write_state_bytes::Response, Diagnostics> {
    // The first chunk names the state store; the others are ignored.
    let meta = match chunks.next().await {
        Some(Ok(chunk)) => chunk.meta.unwrap_or_default(),
        _ => pb::RequestChunkMeta::default(),
    };
    Err(unknown_type_error("state store", &meta.type_name))
}

fn once<T: Send + 'static>(item: T) -> BoxStream<T> {
    Box::pin(stream::once(async { Ok(item) }))
}
