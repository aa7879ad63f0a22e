//! A provider without arguments for the tests that bring their own resource or data source.

use terraform_provider_oss::tfplugin::{
    Block, ConfigureResponse, DataSource, Diagnostics, Object, Provider, Resource, Schema,
};

type New<T> = fn() -> Box<T>;

/// What the provider offers; always configured.
#[derive(Default)]
pub(super) struct Offers {
    pub(super) resource: Option<New<dyn Resource<()>>>,
    pub(super) data_source: Option<New<dyn DataSource<()>>>,
}

impl Provider for Offers {
    type Data = ();

    fn schema(&self) -> Schema {
        Schema { version: 0, block: Block::default() }
    }

    fn validate(&self, _: &Object) -> Diagnostics {
        Diagnostics::new()
    }

    fn configure(&self, _: &Object, _: &str) -> ConfigureResponse<()> {
        let diagnostics = Diagnostics::new();
        ConfigureResponse { provider_data: Some(()), has_unknown_values: false, diagnostics }
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        self.resource.iter().map(|resource| resource()).collect()
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<()>>> {
        self.data_source.iter().map(|data_source| data_source()).collect()
    }
}
