//! Terraform plugin protocol 6: values, schemas, diagnostics, and the gRPC service.
//!
//! Knows no resource and no service of Alibaba Cloud. A provider implements [`Provider`], a resource
//! implements [`Resource`], and [`Server`] translates between them and the wire. The pure parts
//! (codec, conformance, conversions) do no IO.
//!
//! Contract: `docs/plugin-protocol` and `docs/resource-instance-change-lifecycle.md` of Terraform.

mod diagnostics;
mod duration;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod json;
mod message_codec;
mod msgpack;
mod path;
pub mod pb;
mod resource;
mod schema;
mod server;
mod value;
mod wire;

pub use diagnostics::{Diagnostic, Diagnostics, RESTORE_STATE, Severity};
pub use duration::parse_duration;
pub use path::AttributePath;
pub use resource::{
    BoxFuture, BoxStream, ConfigureResponse, Context, ImportTarget, ListEvent, ListResource,
    MoveSource, Outcome, Plan, PlanRequest, Provider, Resource,
};
pub use schema::{Attribute, AttributeType, Block, Configurability, NestedBlock, Schema};
pub use server::Server;
pub use value::{AttributeValue, Object, Value};
