//! What the author of a provider implements.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::path::AttributePath;
use super::schema::Schema;
use super::value::{Object, Value};

/// A future behind a pointer, so that resources of different types fit into one list.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same for what comes one by one.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// A provider: its configuration and its resources.
pub trait Provider: Send + Sync + 'static {
    /// What a configured provider hands to its resources.
    type Client: Send + Sync + 'static;

    /// The schema of the provider block.
    fn schema(&self) -> Schema;

    /// Checks a configuration on what is known of it. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Makes the client. During a plan parts of the configuration may be unknown; that is an error
    /// only once a call needs them. Must not do IO: that waits until a call needs it.
    fn configure(
        &self,
        config: &Object,
        terraform_version: &str,
    ) -> ConfigureResponse<Self::Client>;

    /// All resources, one line each.
    fn resources(&self) -> Vec<Box<dyn Resource<Self::Client>>>;
}

/// The result of configuring a provider.
#[derive(Debug)]
pub struct ConfigureResponse<Client> {
    /// The client; none after an error.
    pub client: Option<Client>,
    /// Parts of the configuration are known only after an apply, so calls cannot be made yet.
    pub has_unknown_values: bool,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

/// A resource type. The state that a method gets conforms to [`Resource::schema`].
pub trait Resource<Client>: Send + Sync {
    /// The name in configurations, e.g. `oss_bucket_encryption`.
    fn type_name(&self) -> &'static str;

    /// The schema.
    fn schema(&self) -> Schema;

    /// Checks a configuration on what is known of it. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Decides what applying would lead to. A pure function: Terraform calls it several times and
    /// compares the answers.
    fn plan(&self, request: &PlanRequest<'_>) -> Plan;

    /// Creates what `planned_state` describes.
    fn create<'a>(
        &'a self,
        context: &'a Context<Client>,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome>;

    /// Reads the real object. No state without an error means that it is gone.
    fn read<'a>(
        &'a self,
        context: &'a Context<Client>,
        current_state: Object,
    ) -> BoxFuture<'a, Outcome>;

    /// Changes the object in place.
    fn update<'a>(
        &'a self,
        context: &'a Context<Client>,
        prior_state: Object,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome>;

    /// Deletes the object. On error the state has to be returned with it.
    fn delete<'a>(
        &'a self,
        context: &'a Context<Client>,
        prior_state: Object,
    ) -> BoxFuture<'a, Outcome>;

    /// Reads the object that an import names. No state without an error is refused by Terraform.
    fn import<'a>(
        &'a self,
        context: &'a Context<Client>,
        target: ImportTarget<'a>,
    ) -> BoxFuture<'a, Outcome>;

    /// What tells one object from all others, as a schema of strings: required ones an import has to
    /// give, optional ones it may give. None: objects have no identity.
    fn identity_schema(&self) -> Option<Schema> {
        None
    }

    /// The identity of the object with this state; none while a part of it is unknown.
    fn identity(&self, _state: &Object) -> Option<Object> {
        None
    }

    /// The state of an object that another resource type, maybe of another provider, managed so far.
    /// Called without a configuration. Must not do IO.
    fn move_state(&self, source: &MoveSource<'_>) -> Result<Object, Diagnostics> {
        Err(Diagnostic::error(
            "Move not supported",
            format!(
                "No other resource type can be moved to {}; {source} cannot.",
                self.type_name()
            ),
        )
        .into())
    }

    /// How objects of this type are searched for; none: they cannot be.
    fn list_resource(&self) -> Option<Box<dyn ListResource<Client>>> {
        None
    }
}

/// The search for objects of a resource type that has an identity.
pub trait ListResource<Client>: Send + Sync {
    /// The schema of the search's `config` block.
    fn schema(&self) -> Schema;

    /// Checks a configuration on what is known of it. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Searches, for as long as the stream is asked for more.
    fn list(&self, context: Context<Client>, config: &Object) -> BoxStream<ListEvent>;
}

/// Something that a search has to tell.
#[derive(Debug)]
pub enum ListEvent {
    /// An object.
    Result {
        /// What people call it.
        display_name: String,
        /// Its state.
        state: Object,
    },
    /// A message. An error ends the search, a warning does not.
    Diagnostic(Diagnostic),
}

/// What an import names.
#[derive(Debug, Clone, Copy)]
pub enum ImportTarget<'a> {
    /// The id, as the user wrote it.
    Id(&'a str),
    /// The identity; conforms to [`Resource::identity_schema`].
    Identity(&'a Object),
}

/// A state that another resource type has stored.
#[derive(Debug, Clone, Copy)]
pub struct MoveSource<'a> {
    /// The provider in full: `host/namespace/type`.
    pub provider_address: &'a str,
    /// The resource type.
    pub type_name: &'a str,
    /// The version of its schema.
    pub schema_version: i64,
    /// The state.
    pub state: &'a Value,
}

impl std::fmt::Display for MoveSource<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.type_name, self.provider_address)
    }
}

/// What a call that does IO works with.
#[derive(Debug)]
pub struct Context<Client> {
    /// The configured client.
    pub client: Arc<Client>,
    /// Cancelled when the person at the terminal asks Terraform to stop.
    pub cancellation: CancellationToken,
}

/// What a plan is made from. Destroying is planned without asking the resource.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The state before; none when the object is to be created.
    pub prior_state: Option<&'a Object>,
    /// The configuration, with computed attributes null.
    pub config: &'a Object,
}

/// A plan.
#[derive(Debug)]
pub struct Plan {
    /// The state to expect after applying.
    pub planned_state: Object,
    /// The attributes whose change cannot be made in place.
    pub requires_replace: Vec<AttributePath>,
}

/// The result of a call: the state as it is now, together with what there is to say. Both, because
/// an operation can fail half-way.
#[derive(Debug)]
pub struct Outcome {
    /// The state; none when the object does not exist.
    pub state: Option<Object>,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

impl Outcome {
    /// The object exists in this state.
    #[must_use]
    pub fn state(state: Object) -> Self {
        Self { state: Some(state), diagnostics: Diagnostics::new() }
    }

    /// The object does not exist.
    #[must_use]
    pub fn removed() -> Self {
        Self { state: None, diagnostics: Diagnostics::new() }
    }

    /// The call failed; `state` is what is known to exist.
    #[must_use]
    pub fn failed(state: Option<Object>, diagnostics: impl Into<Diagnostics>) -> Self {
        Self { state, diagnostics: diagnostics.into() }
    }
}
