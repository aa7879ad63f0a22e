//! The trait that a provider implements.

use super::data_source::DataSource;
use super::diagnostics::Diagnostics;
use super::resource::Resource;
use super::schema::Schema;
use super::value::Object;

/// A provider: its configuration, its resources and its data sources.
pub trait Provider: Send + Sync + 'static {
    /// What a configured provider hands to its resources and data sources.
    type Data: Send + Sync + 'static;

    /// The schema of the provider block.
    fn schema(&self) -> Schema;

    /// Checks the known values of a configuration. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Creates what the resources and data sources work with. During a plan, parts of the configuration may be unknown;
    /// that is an error only if a request must be sent. Must not do IO.
    fn configure(&self, config: &Object, terraform_version: &str) -> ConfigureResponse<Self::Data>;

    /// Warnings about the configuration that were found only while requests were sent. Each is returned once, and
    /// is shown with the result of the operation that ran.
    fn late_warnings(_provider_data: &Self::Data) -> Diagnostics {
        Diagnostics::new()
    }

    /// All resources, one line each.
    fn resources(&self) -> Vec<Box<dyn Resource<Self::Data>>>;

    /// All data sources, one line each.
    fn data_sources(&self) -> Vec<Box<dyn DataSource<Self::Data>>> {
        Vec::new()
    }
}

/// The result of [`Provider::configure`].
#[derive(Debug)]
pub struct ConfigureResponse<Data> {
    /// What the resources and data sources work with, or `None` after an error.
    pub provider_data: Option<Data>,
    /// Whether parts of the configuration are known only after an apply, so that no request can be sent yet.
    pub has_unknown_values: bool,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}
