//! What the command prints: how to use the emulator, and a line for each request.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use oss_emulator::RecordedRequest;
use serde_json::Value;

use crate::options::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};

/// Everything that a client needs to use the emulator.
pub(crate) struct Introduction<'c> {
    pub(crate) url: String,
    pub(crate) region: String,
    /// The file with the certificate, with TLS only.
    pub(crate) certificate: Option<&'c Path>,
    pub(crate) roles: Vec<String>,
    pub(crate) oidc_providers: BTreeMap<String, String>,
    /// The instance's RAM role, and the base URL of the metadata service.
    pub(crate) metadata: Option<(String, String)>,
    pub(crate) credentials_uri: Option<String>,
    /// The CLI's configuration file with the logins.
    pub(crate) profile_file: Option<Value>,
    /// The proxy for the hosts of OAuth.
    pub(crate) proxy: Option<String>,
}

/// Where the printed commands write the logins, in the working directory.
const PROFILE_FILE: &str = "oss-emulator-profiles.json";

/// What Terraform and `OpenTofu` need to find the provider.
const REQUIRED_PROVIDERS: &str = "\
terraform {
  required_providers {
    oss = {
      source  = \"oss-tools/oss\"
      version = \"~> 0.1\"
    }
  }
}
";

impl Introduction<'_> {
    /// One line of JSON, without the services that are not enabled.
    pub(crate) fn to_json(&self) -> Value {
        let certificate = self.certificate.map(|path| path.display().to_string());
        let members = [
            ("endpoint", Some(self.url.as_str())),
            ("region", Some(&self.region)),
            ("access_key_id", Some(ACCESS_KEY_ID)),
            ("access_key_secret", Some(ACCESS_KEY_SECRET)),
            ("certificate_file", certificate.as_deref()),
            ("sts_endpoint", self.sts_endpoint()),
            ("ecs_metadata_endpoint", self.metadata.as_ref().map(|(_, url)| url.as_str())),
            ("credentials_uri", self.credentials_uri.as_deref()),
            ("proxy", self.proxy.as_deref()),
        ];
        let members = members.into_iter().map(|(name, value)| (name, value.map(Value::from)));
        members
            .chain([("profile_file", self.profile_file.clone())])
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect()
    }

    /// The endpoint of STS, which is that of OSS. Only printed if there is a role to assume.
    fn sts_endpoint(&self) -> Option<&str> {
        let has_sts = !self.roles.is_empty() || !self.oidc_providers.is_empty();
        has_sts.then_some(self.url.as_str())
    }

    /// The logins, as commands that write the CLI's configuration file and select a profile.
    fn write_logins(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(file) = &self.profile_file else { return Ok(()) };
        writeln!(
            formatter,
            "\n# Instead of the AccessKey pair, a profile of the CLI, after a login at a browser:\n\n\
             cat >{PROFILE_FILE} <<'END'\n{file:#}\nEND\n\
             export ALIBABA_CLOUD_CONFIG_FILE=$PWD/{PROFILE_FILE}"
        )?;
        for (index, profile) in file["profiles"].as_array().into_iter().flatten().enumerate() {
            let name = profile["name"].as_str().unwrap_or_default();
            let or = if index == 0 { "" } else { "# or: " };
            writeln!(formatter, "{or}export ALIBABA_CLOUD_PROFILE={name}")?;
        }
        if let Some(url) = &self.proxy {
            writeln!(
                formatter,
                "\n# The hosts of OAuth are fixed. The emulator is a proxy for them, and for no other host:\n\n\
                 export HTTPS_PROXY={url}"
            )?;
        }
        Ok(())
    }

    fn write_provider_block(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, .. } = self;
        // An AccessKey pair in the block would be used instead of the OIDC token.
        let has_access_key = self.roles.is_empty() || self.oidc_providers.is_empty();
        let access_key = [("access_key", ACCESS_KEY_ID), ("secret_key", ACCESS_KEY_SECRET)];
        let arguments = [("region", region.as_str()), ("endpoint", url)];
        let arguments =
            arguments.into_iter().chain(access_key.into_iter().filter(|_| has_access_key));
        let sts = self.sts_endpoint().map(|url| ("sts_endpoint", url));
        writeln!(formatter, "{REQUIRED_PROVIDERS}\nprovider \"oss\" {{")?;
        write_arguments(formatter, "  ", &arguments.chain(sts).collect::<Vec<_>>())?;
        if let Some(role) = self.roles.first() {
            let role = ("role_arn", role.as_str());
            let (block, arguments) = match self.oidc_providers.first_key_value() {
                None => ("assume_role", vec![role]),
                Some((provider, token)) => (
                    "assume_role_with_oidc",
                    vec![role, ("oidc_provider_arn", provider), ("oidc_token", token)],
                ),
            };
            writeln!(formatter, "\n  {block} {{")?;
            write_arguments(formatter, "    ", &arguments)?;
            writeln!(formatter, "  }}")?;
        }
        writeln!(formatter, "}}")
    }
}

impl fmt::Display for Introduction<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, .. } = self;
        writeln!(formatter, "# Listening on {url}. In a Terraform configuration:\n")?;
        self.write_provider_block(formatter)?;
        write!(
            formatter,
            "
# Or in the environment:

export ALIBABA_CLOUD_ACCESS_KEY_ID={ACCESS_KEY_ID}
export ALIBABA_CLOUD_ACCESS_KEY_SECRET={ACCESS_KEY_SECRET}
export ALIBABA_CLOUD_REGION={region}
export ALIBABA_CLOUD_ENDPOINT_OSS={url}
"
        )?;
        if let Some(url) = self.sts_endpoint() {
            writeln!(formatter, "export ALIBABA_CLOUD_STS_ENDPOINT={url}")?;
        }
        if let Some(role) = self.roles.first() {
            writeln!(formatter, "export ALIBABA_CLOUD_ROLE_ARN={role}")?;
        }
        if let Some((provider, token)) = self.oidc_providers.first_key_value() {
            writeln!(formatter, "\n# Instead of the AccessKey pair:\n")?;
            writeln!(formatter, "export ALIBABA_CLOUD_OIDC_PROVIDER_ARN={provider}")?;
            writeln!(formatter, "export ALIBABA_CLOUD_OIDC_TOKEN={token}")?;
        }
        if let Some(path) = self.certificate {
            let path = path.display();
            writeln!(
                formatter,
                "\n# Clients must trust the certificate. Use a separate shell: these variables replace the \
                 system's\n# trusted certificates.\n"
            )?;
            for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
                writeln!(formatter, "export {variable}={path}")?;
            }
        }
        if let Some((role, base)) = &self.metadata {
            writeln!(
                formatter,
                "\n# Instead of the AccessKey pair, ecs_role_name = \"{role}\", or:\n"
            )?;
            writeln!(formatter, "export ALIBABA_CLOUD_ECS_METADATA={role}")?;
            writeln!(formatter, "export ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT={base}")?;
        }
        if let Some(uri) = &self.credentials_uri {
            writeln!(
                formatter,
                "\n# Instead of the AccessKey pair, credentials_uri = \"{uri}\", or:\n"
            )?;
            writeln!(formatter, "export ALIBABA_CLOUD_CREDENTIALS_URI={uri}")?;
        }
        self.write_logins(formatter)?;
        write!(formatter, "\n# Requests, until Ctrl-C:")
    }
}

/// Writes arguments of a block, aligned as `terraform fmt` does.
fn write_arguments(
    formatter: &mut fmt::Formatter<'_>,
    indent: &str,
    arguments: &[(&str, &str)],
) -> fmt::Result {
    let width = arguments.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in arguments {
        writeln!(formatter, "{indent}{name:<width$} = \"{value}\"")?;
    }
    Ok(())
}

/// The line for a request: what it did, the beginning of its AccessKey ID, and its client.
pub(crate) fn request_line(record: &RecordedRequest) -> String {
    let key = record.access_key_id.as_ref().map(|id| id.chars().take(8).collect::<String>());
    let client = record.user_agent.as_deref().and_then(|agent| agent.split(' ').next());
    match (key, client) {
        (Some(key), Some(client)) => format!("{record}  by {key}… with {client}"),
        (Some(key), None) => format!("{record}  by {key}…"),
        (None, Some(client)) => format!("{record}  with {client}"),
        (None, None) => record.to_string(),
    }
}
