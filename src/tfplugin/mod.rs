//! Terraform plugin protocol 6: values, schemas, diagnostics, and the gRPC service.
//!
//! Independent of any resource and of Alibaba Cloud. A provider implements [`Provider`], a resource
//! [`Resource`] and possibly [`ListResource`], a data source [`DataSource`]; [`Server`] translates between them
//! and the messages of the protocol. The codec, schemas and conversions are pure.
//!
//! Contract: `docs/plugin-protocol` and `docs/resource-instance-change-lifecycle.md` of Terraform.

mod context;
mod data_source;
mod diagnostics;
mod duration;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod json;
mod list_resource;
mod message_codec;
mod msgpack;
mod path;
pub mod pb;
mod provider;
mod resource;
mod schema;
mod server;
mod value;
mod wire;

/// The macro for implementations of [`Resource`] and [`DataSource`].
pub use async_trait::async_trait;
pub use context::{Context, ObjectId};
pub use data_source::{DataSource, ReadData};
pub use diagnostics::{Diagnostic, Diagnostics, RESTORE_STATE, Severity, join_names};
pub use duration::parse_duration;
pub use list_resource::{BoxStream, ListEvent, ListResource};
pub use path::{AttributePath, PathStep};
pub use provider::{ConfigureResponse, Provider};
pub use resource::{
    Applied, Failure, ImportTarget, MoveSource, Plan, PlanRequest, Resource, unsupported_move,
};
pub use schema::{Attribute, AttributeType, Block, Configurability, NestedBlock, Schema};
pub use server::Server;
pub use value::{AttributeValue, Object, Value};
