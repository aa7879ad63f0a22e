//! The resources and data sources, and what they share.
//!
//! To add a resource, add a module and a line to [`all`]; for a data source, to [`all_data_sources`]. [`bucket`] has
//! the resource of any setting of a bucket, which [`bucket::BucketSetting`] describes.

pub mod bucket;
mod bucket_encryption;
mod explain;

use std::sync::Arc;

use crate::oss::{self, EncryptionRule};
use crate::tfplugin::{self, DataSource, Diagnostic, Diagnostics, Resource};

/// What the methods of a resource or data source that send requests work with.
pub type Context = tfplugin::Context<ProviderData>;

/// What the configured provider hands to its resources.
#[derive(Debug)]
pub enum ProviderData {
    /// The client, and what was changed with it.
    Ready(Arc<oss::Client>, bucket::History),
    /// These provider arguments are known only after an apply; until then no request can be sent.
    Unknown(Vec<String>),
}

impl ProviderData {
    /// The data of a provider whose configuration is known.
    #[must_use]
    pub fn ready(client: oss::Client) -> Self {
        Self::Ready(Arc::new(client), bucket::History::default())
    }

    /// The client, or an error while provider arguments are unknown.
    fn client(&self) -> Result<&Arc<oss::Client>, Diagnostic> {
        self.parts().map(|(client, _)| client)
    }

    fn parts(&self) -> Result<(&Arc<oss::Client>, &bucket::History), Diagnostic> {
        match self {
            Self::Ready(client, history) => Ok((client, history)),
            Self::Unknown(arguments) => Err(explain::unknown_configuration(arguments)),
        }
    }
}

/// Warnings about profiles, which are read only when a request needs them.
#[must_use]
pub fn late_warnings(provider_data: &ProviderData) -> Diagnostics {
    let ProviderData::Ready(client, _) = provider_data else { return Diagnostics::new() };
    let mut diagnostics = Diagnostics::new();
    for insecure in client.take_insecure_profiles() {
        diagnostics.push(explain::insecure_profile(&insecure));
    }
    diagnostics
}

/// All resources of the provider.
#[must_use]
pub fn all() -> Vec<Box<dyn Resource<ProviderData>>> {
    vec![Box::new(bucket::SettingResource::<EncryptionRule>::default())]
}

/// All data sources of the provider.
#[must_use]
pub fn all_data_sources() -> Vec<Box<dyn DataSource<ProviderData>>> {
    vec![
        Box::new(bucket_encryption::BucketEncryptionDataSource),
        Box::new(bucket_encryption::AccountEncryptionDataSource),
    ]
}
