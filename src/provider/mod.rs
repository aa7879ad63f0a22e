//! This provider: its arguments, where each may come from, and its resources.
//!
//! `schema` is what users see, `environment` the variables that stand in for arguments, `settings` and
//! `sources` turn both into the configuration of the client. Pure: nothing is asked or read here.

mod credentials;
mod environment;
mod schema;
mod settings;

use crate::oss::Client;
use crate::resources::{self, ProviderData};
use crate::tfplugin::{ConfigureResponse, Diagnostics, Object, Provider, Resource, Schema};

pub use environment::Environment;

/// The provider `oss`.
#[derive(Debug)]
pub struct OssProvider {
    environment: Environment,
}

impl OssProvider {
    /// The provider in a process with this environment.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl Provider for OssProvider {
    type Client = ProviderData;

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
        let is_partial = settings.as_ref().is_some_and(|settings| !settings.unknown.is_empty());
        let client = settings.map(|mut settings| {
            if settings.unknown.is_empty() {
                settings.config.user_agent = self.user_agent(terraform_version);
                ProviderData::Ready(Box::new(Client::new(settings.config)))
            } else {
                // An error only if a call needs it.
                ProviderData::Unknown(settings.unknown)
            }
        });
        ConfigureResponse { client, has_unknown_values: is_partial, diagnostics }
    }

    fn resources(&self) -> Vec<Box<dyn Resource<ProviderData>>> {
        resources::all()
    }
}

impl OssProvider {
    /// Who calls: this provider, Terraform, the platform, and what `TF_APPEND_USER_AGENT` adds.
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
mod tests {
    use super::*;

    #[test]
    fn the_user_agent_takes_only_what_a_header_can_hold() {
        let appended = ("TF_APPEND_USER_AGENT".into(), "ci/7 é\r\n(a: b)".into());
        let user_agent = OssProvider::new(Environment::new([appended])).user_agent("1.11.4\n");
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let own = concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION"));
        assert_eq!(user_agent, format!("{own} Terraform/1.11.4 ({os}; {arch}) ci/7 (a: b)"));
        let plain = OssProvider::new(Environment::default()).user_agent("1.11.4");
        assert_eq!(plain, format!("{own} Terraform/1.11.4 ({os}; {arch})"));
    }
}
