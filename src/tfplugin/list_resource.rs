//! The trait that a list resource implements: listing the objects of a resource type for `terraform query`.

use std::pin::Pin;

use futures_util::Stream;

use super::context::Context;
use super::diagnostics::{Diagnostic, Diagnostics};
use super::schema::Schema;
use super::value::Object;

/// A boxed stream, so that the trait can be used as `dyn ListResource`.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// Lists the objects of a resource type that has an identity.
pub trait ListResource<Data>: Send + Sync {
    /// The schema of the `config` block of a list query.
    fn schema(&self) -> Schema;

    /// Checks the known values of a configuration. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Lists objects. Requests are sent only while the stream is polled.
    fn list(&self, context: Context<Data>, config: &Object) -> BoxStream<ListEvent>;
}

/// An item of a list query.
#[derive(Debug)]
pub enum ListEvent {
    /// An object.
    Result {
        /// The name to show to users.
        display_name: String,
        /// The state of the object.
        state: Object,
    },
    /// An object that is not part of the result. Shows that the query is still running.
    Unlisted,
    /// A diagnostic. An error ends the query, a warning does not.
    Diagnostic(Diagnostic),
}
