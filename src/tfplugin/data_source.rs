//! The trait that a data source implements.

use async_trait::async_trait;

use super::context::Context;
use super::diagnostics::Diagnostics;
use super::schema::Schema;
use super::value::Object;

/// A data source type: reads objects that Terraform does not manage.
#[async_trait]
pub trait DataSource<Data>: Send + Sync {
    /// The name in configurations, for example `oss_bucket_encryption`.
    fn type_name(&self) -> &'static str;

    /// The attributes and nested blocks of configurations and results.
    fn schema(&self) -> Schema;

    /// Checks the known values of a configuration. Must not do IO.
    fn validate(&self, config: &Object) -> Diagnostics;

    /// Reads the data. `config` is known and conforms to [`DataSource::schema`], with computed attributes null.
    async fn read(&self, context: &Context<Data>, config: Object) -> Result<ReadData, Diagnostics>;
}

/// The result of [`DataSource::read`].
#[derive(Debug)]
pub struct ReadData {
    /// The configuration with the computed attributes set.
    pub state: Object,
    /// What the user should know about it.
    pub warnings: Diagnostics,
}

impl From<Object> for ReadData {
    fn from(state: Object) -> Self {
        Self { state, warnings: Diagnostics::new() }
    }
}
