//! The provider block: its arguments and how they become the configuration of the client.
//!
//! `schema` has the arguments, `environment` the variables that can set them. `read` reads one argument;
//! `settings` reads all of them, `credentials` selects the credential source, `access_keys` reads AccessKey
//! pairs and `roles` the roles to assume. Pure: no requests are sent and no files are read here.

mod access_keys;
mod credentials;
mod environment;
mod read;
mod roles;
mod schema;
mod settings;
mod unused;

use crate::oss::Client;
use crate::resources::{self, ProviderData};
use crate::tfplugin::{
    ConfigureResponse, DataSource, Diagnostics, Object, Provider, Resource, Schema,
};

pub use environment::Environment;

/// The provider `oss`.
#[derive(Debug)]
pub struct OssProvider {
    environment: Environment,
}

impl OssProvider {
    /// Creates the provider; arguments that are not set are read from `environment`.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl Provider for OssProvider {
    type Data = ProviderData;

    fn schema(&self) -> Schema {
        schema::schema()
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        settings::validate(config)
    }

    fn configure(
        &self,
        config: &Object,
        terraform_version: &str,
    ) -> ConfigureResponse<ProviderData> {
        let (settings, diagnostics) = settings::resolve(config, &self.environment);
        let has_unknown_values =
            settings.as_ref().is_some_and(|settings| !settings.unknown.is_empty());
        let provider_data = settings.map(|mut settings| {
            if settings.unknown.is_empty() {
                settings.config.user_agent = self.user_agent(terraform_version);
                ProviderData::ready(Client::new(settings.config))
            } else {
                // Reported only if a request must be sent.
                ProviderData::Unknown(settings.unknown)
            }
        });
        ConfigureResponse { provider_data, has_unknown_values, diagnostics }
    }

    fn late_warnings(provider_data: &ProviderData) -> Diagnostics {
        resources::late_warnings(provider_data)
    }

    fn resources(&self) -> Vec<Box<dyn Resource<ProviderData>>> {
        resources::all()
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<ProviderData>>> {
        resources::all_data_sources()
    }
}

impl OssProvider {
    /// The `User-Agent` header: provider, Terraform, platform, and the value of `TF_APPEND_USER_AGENT`.
    fn user_agent(&self, terraform_version: &str) -> String {
        let is_safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let terraform_version: String = terraform_version.chars().filter(is_safe).collect();
        let appended = self.environment.first_set(environment::APPEND_USER_AGENT);
        let appended = appended.map(|(_, text)| text).unwrap_or_default();
        let printable = appended.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        let user_agent = format!(
            "terraform-provider-oss/{} Terraform/{terraform_version} ({}; {}) {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            printable.collect::<String>(),
        );
        user_agent.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests;
