//! The trait that a resource implements, and the results of its methods.

use async_trait::async_trait;

use super::context::Context;
use super::diagnostics::{Diagnostic, Diagnostics};
use super::list_resource::ListResource;
use super::path::AttributePath;
use super::schema::Schema;
use super::value::{Object, Value};

/// A resource type. The states that its methods receive conform to [`Resource::schema`].
///
/// A method that fails can return its error with `?`: the state from before the call is kept, unless the
/// [`Failure`] has another.
#[async_trait]
pub trait Resource<Data>: Send + Sync {
    /// The name in configurations, for example `oss_bucket_encryption`.
    fn type_name(&self) -> &'static str;

    /// The attributes and nested blocks of configurations and states.
    fn schema(&self) -> Schema;

    /// Checks the known values of a configuration. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Plans a change. A pure function: Terraform calls it several times and compares the results.
    fn plan(&self, request: &PlanRequest<'_>) -> Plan;

    /// Creates the object that `planned_state` describes. After a failure with a state, Terraform marks the
    /// object as tainted; after one without, it assumes that nothing was created.
    async fn create(
        &self,
        context: &Context<Data>,
        planned_state: Object,
    ) -> Result<Applied, Failure>;

    /// Reads the object. `None` if it no longer exists.
    async fn read(
        &self,
        context: &Context<Data>,
        current_state: Object,
    ) -> Result<Option<Object>, Failure>;

    /// Changes the object in place.
    async fn update(
        &self,
        context: &Context<Data>,
        prior_state: Object,
        planned_state: Object,
    ) -> Result<Applied, Failure>;

    /// Deletes the object. Returns warnings.
    async fn delete(
        &self,
        context: &Context<Data>,
        prior_state: Object,
    ) -> Result<Diagnostics, Failure>;

    /// Reads the object that an import names.
    async fn import(
        &self,
        context: &Context<Data>,
        target: ImportTarget<'_>,
    ) -> Result<Object, Diagnostics>;

    /// The identity of objects as a schema of strings: an import must set the required ones and can set the
    /// optional ones. `None` if objects have no identity.
    fn identity_schema(&self) -> Option<Schema> {
        None
    }

    /// The identity of the object with this state, or `None` while a part of it is unknown.
    fn identity(&self, _state: &Object) -> Option<Object> {
        None
    }

    /// Converts the state of another resource type, possibly of another provider. Called without a
    /// configuration. Must not do IO.
    ///
    /// # Errors
    ///
    /// States of that type cannot be converted, which is the default, or this one is not valid.
    fn move_state(&self, source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
        Err(unsupported_move(self.type_name(), source))
    }

    /// The list resource of this type, or `None` if its objects cannot be listed.
    fn list_resource(&self) -> Option<Box<dyn ListResource<Data>>> {
        None
    }
}

/// The error for a resource type to which no other can be moved.
#[must_use]
pub fn unsupported_move(type_name: &str, source: &MoveSource<'_>) -> Diagnostics {
    let detail = format!("No other resource type can be moved to {type_name}; {source} cannot.");
    Diagnostic::error("Move not supported", detail).into()
}

/// What a plan is based on. The deletion of an object is planned without calling the resource.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The state before the change, or `None` if the object is to be created.
    pub prior_state: Option<&'a Object>,
    /// The configuration, with computed attributes null.
    pub config: &'a Object,
}

/// The result of [`Resource::plan`].
#[derive(Debug)]
pub struct Plan {
    /// The expected state after the change.
    pub planned_state: Object,
    /// The attributes whose change cannot be made in place.
    pub requires_replace: Vec<AttributePath>,
}

/// The result of a successful create or update.
#[derive(Debug)]
pub struct Applied {
    /// The state to store.
    pub state: Object,
    /// What the user should know about it.
    pub warnings: Diagnostics,
}

impl From<Object> for Applied {
    fn from(state: Object) -> Self {
        Self { state, warnings: Diagnostics::new() }
    }
}

/// A failed operation on an object.
#[derive(Debug)]
pub struct Failure {
    /// The state to store, or `None` to keep the one from before the operation, which for a create is none.
    pub state: Option<Object>,
    /// At least one error.
    pub diagnostics: Diagnostics,
}

impl Failure {
    /// Stores `state`, because the operation may have taken effect.
    #[must_use]
    pub fn with_state(self, state: Object) -> Self {
        Self { state: Some(state), ..self }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { state: None, diagnostics }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics::from(diagnostic).into()
    }
}

impl From<Failure> for Diagnostics {
    /// For operations without a state to keep, such as an import.
    fn from(failure: Failure) -> Self {
        failure.diagnostics
    }
}

/// The object to import.
#[derive(Debug, Clone, Copy)]
pub enum ImportTarget<'a> {
    /// The import ID, as written by the user.
    Id(&'a str),
    /// The identity; conforms to [`Resource::identity_schema`].
    Identity(&'a Object),
}

/// A state that another resource type has stored.
#[derive(Debug, Clone, Copy)]
pub struct MoveSource<'a> {
    /// The full provider address: `host/namespace/type`.
    pub provider_address: &'a str,
    /// The resource type.
    pub type_name: &'a str,
    /// The version of its schema.
    pub schema_version: i64,
    /// The stored state.
    pub state: &'a Value,
}

impl std::fmt::Display for MoveSource<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.type_name, self.provider_address)
    }
}
