//! From the provider block and the environment to the settings of the client: a pure function.
//!
//! Every argument is looked for in the block, then in its environment variables. What is wrong
//! becomes a message at the argument to blame, and what is not known yet is remembered by name.

use std::fmt::Display;
use std::time::Duration;

use crate::oss::sign::SignatureVersion;
use crate::oss::{AddressStyle, ClientConfig, Endpoint, EndpointType, Region, RetryPolicy};
use crate::tfplugin::{
    AttributePath, AttributeValue, Diagnostic, Diagnostics, Object, Value, parse_duration,
};

use super::environment::{self, Environment};

/// What the block and the environment say.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: ClientConfig,
    /// Arguments that are known only after an apply.
    pub(super) unknown: Vec<String>,
}

/// A text that was found, and where.
#[derive(Debug, Clone)]
pub(super) struct ConfigValue<'a> {
    pub(super) text: &'a str,
    /// The place, for messages: "`region`" or the name of a variable.
    pub(super) origin: String,
    /// The argument to blame.
    pub(super) path: AttributePath,
}

/// Looks arguments up and collects what is wrong with them.
pub(super) struct Resolver<'a> {
    pub(super) block: &'a Object,
    pub(super) environment: &'a Environment,
    /// Whether variables stand in for arguments.
    pub(super) use_env: bool,
    pub(super) unknown: Vec<String>,
    pub(super) diagnostics: Diagnostics,
}

/// Reads the provider block on what is known of it, without an environment: for `validate`.
pub(super) fn validate(block: &Object) -> Diagnostics {
    let environment = Environment::default();
    let mut resolver = Resolver::new(block, &environment);
    let config = resolver.settings();
    if resolver.unknown.is_empty() && !resolver.diagnostics.has_errors() {
        resolver.check_address(&config);
    }
    resolver.diagnostics
}

/// Reads the whole configuration. No settings after an error.
pub(super) fn resolve(
    block: &Object,
    environment: &Environment,
) -> (Option<Settings>, Diagnostics) {
    let mut resolver = Resolver::new(block, environment);
    let config = resolver.settings();
    if resolver.unknown.is_empty() {
        // What only the whole configuration can tell.
        resolver.check_roles();
        // After another error a missing region may only be its consequence.
        if !resolver.diagnostics.has_errors() {
            resolver.check_address(&config);
            resolver.check_endpoint(&config);
            resolver.check_region(&config);
        }
    }
    let Resolver { unknown, diagnostics, .. } = resolver;
    let settings = Settings { config, unknown };
    (Some(settings).filter(|_| !diagnostics.has_errors()), diagnostics)
}

impl<'a> Resolver<'a> {
    fn new(block: &'a Object, environment: &'a Environment) -> Self {
        Self {
            block,
            environment,
            use_env: true,
            unknown: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    fn settings(&mut self) -> ClientConfig {
        let region = self.lookup("region", environment::REGION);
        let region = self.parse(region, "Invalid region", Region::parse);
        let endpoint_type = self.endpoint_type();
        let endpoint = self.endpoint(endpoint_type);
        let address_style = self.parse_enum(
            "address_style",
            "Invalid address style",
            &[
                ("auto", AddressStyle::Auto),
                ("virtual", AddressStyle::Virtual),
                ("path", AddressStyle::Path),
                ("cname", AddressStyle::Cname),
            ],
        );
        let signature_version = self.parse_enum(
            "signature_version",
            "Invalid signature version",
            &[("v4", SignatureVersion::V4), ("v1", SignatureVersion::V1)],
        );
        let is_internal = endpoint_type == Some(EndpointType::Internal);
        let sts_region = region.clone().or_else(|| endpoint.as_ref().and_then(Endpoint::region));
        let (defaults, problems) = self.source_defaults(sts_region, is_internal);
        let profile = self.profile(&defaults);
        let has_region = region.is_some() || endpoint.as_ref().and_then(Endpoint::region).is_some();
        let credentials = self.source(profile.clone(), defaults, problems, has_region);
        let defaults = ClientConfig::default();
        ClientConfig {
            region,
            endpoint,
            endpoint_type: endpoint_type.unwrap_or_default(),
            address_style: address_style.unwrap_or_default(),
            signature_version: signature_version.unwrap_or_default(),
            credentials,
            profile,
            retry: self.retry_policy(),
            connect_timeout: self.duration("connect_timeout").unwrap_or(defaults.connect_timeout),
            read_timeout: self.duration("read_timeout").unwrap_or(defaults.read_timeout),
            ..defaults
        }
    }

    /// An argument of the block; else the first of `variables` that is set.
    pub(super) fn lookup(
        &mut self,
        name: &'static str,
        variables: &[&'static str],
    ) -> Option<ConfigValue<'a>> {
        let (block, path) = (AttributeValue::Known(self.block), AttributePath::root(name));
        self.find_in(block, path, name, variables)
    }

    /// The same for an argument of a nested block.
    pub(super) fn find_nested(
        &mut self,
        block: &'static str,
        name: &'static str,
        variables: &[&'static str],
    ) -> Option<ConfigValue<'a>> {
        let path = AttributePath::root(block).attribute(name);
        self.find_in(self.block.block(block), path, name, variables)
    }

    fn find_in(
        &mut self,
        block: AttributeValue<&'a Object>,
        path: AttributePath,
        name: &str,
        variables: &[&'static str],
    ) -> Option<ConfigValue<'a>> {
        // An empty string is how modules pass an argument on that was not given to them.
        match block.known().map_or(AttributeValue::Null, |block| block.string(name)) {
            AttributeValue::Known(text) if !text.is_empty() => {
                return Some(ConfigValue { text, origin: format!("`{path}`"), path });
            }
            AttributeValue::Unknown => {
                self.mark_unknown(&path);
                return None;
            }
            AttributeValue::Known(_) | AttributeValue::Null => {}
        }
        let variables = if self.use_env { variables } else { &[] };
        let (variable, text) = self.environment.first_set(variables)?;
        Some(ConfigValue { text, origin: format!("The environment variable {variable}"), path })
    }

    pub(super) fn mark_unknown(&mut self, path: &AttributePath) {
        let name = path.to_string();
        if !self.unknown.contains(&name) {
            self.unknown.push(name);
        }
    }

    /// A whole number of the block, or of a nested one. `expected` completes the sentence "`max_retries`
    /// must".
    pub(super) fn number(&mut self, path: &AttributePath, expected: &str) -> Option<u32> {
        let mut value = &Value::Null;
        let mut block = Some(self.block);
        for name in path.names() {
            value = block.map_or(&Value::Null, |block| block.get(name));
            block = if let Value::Object(nested) = value { Some(nested) } else { None };
        }
        let number = match value {
            Value::Number(number) => number,
            Value::Unknown => {
                self.mark_unknown(path);
                return None;
            }
            _ => return None,
        };
        let whole = number.as_u64().and_then(|number| u32::try_from(number).ok());
        if whole.is_none() {
            let detail = format!("`{path}` {expected}; got {number}.");
            self.diagnostics
                .push(Diagnostic::error("Invalid number", detail).with_path(path.clone()));
        }
        whole
    }

    /// Parses what was found. An error's text completes the sentence "`region` must".
    pub(super) fn parse<T, E: Display>(
        &mut self,
        found: Option<ConfigValue<'_>>,
        summary: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let ConfigValue { text, origin: label, path } = found?;
        parse(text)
            .map_err(|error| {
                // A user or a query of a URL may hold a key, and some texts are nobody's business.
                let is_private = text.contains(['@', '?', '#'])
                    || path.names().iter().any(|name| name == "external_id" || name == "policy");
                let got = if is_private { String::new() } else { format!("; got {text:?}") };
                let detail = format!("{label} {error}{got}.");
                self.diagnostics.push(Diagnostic::error(summary, detail).with_path(path));
            })
            .ok()
    }

    fn parse_enum<T: Copy>(
        &mut self,
        name: &'static str,
        summary: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let found = self.lookup(name, &[]);
        self.parse(found, summary, |text| {
            let chosen = choices.iter().find(|(choice, _)| *choice == text);
            let names: Vec<String> =
                choices.iter().map(|(choice, _)| format!("`{choice}`")).collect();
            chosen.map(|(_, value)| *value).ok_or_else(|| match names.as_slice() {
                [all @ .., last] => format!("must be {} or {last}", all.join(", ")),
                [] => "cannot be set".to_owned(),
            })
        })
    }

    fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let found = self.lookup(name, &[]);
        self.parse(found, "Invalid duration", |text| {
            parse_duration(text)
                .ok_or("must be a positive duration such as `10s` or `1m30s`, at most a year")
        })
    }

    fn retry_policy(&mut self) -> RetryPolicy {
        let policy = RetryPolicy::default();
        let expected = format!("must be a whole number from 0 to {}", u32::MAX);
        match self.number(&AttributePath::root("max_retries"), &expected) {
            Some(max_retries) => policy.with_max_retries(max_retries),
            None => policy,
        }
    }

    fn endpoint_type(&mut self) -> Option<EndpointType> {
        self.parse_enum(
            "endpoint_type",
            "Invalid endpoint type",
            &[
                ("public", EndpointType::Public),
                ("internal", EndpointType::Internal),
                ("accelerate", EndpointType::Accelerate),
                ("dual_stack", EndpointType::DualStack),
            ],
        )
    }

    fn endpoint(&mut self, endpoint_type: Option<EndpointType>) -> Option<Endpoint> {
        let in_block = self.lookup("endpoint", &[]);
        if let (Some(found), Some(_)) = (&in_block, endpoint_type) {
            let detail = format!(
                "`endpoint_type` picks an endpoint of the region, and {} names another one. Remove one \
                 of them.",
                found.origin,
            );
            self.diagnostics.push(
                Diagnostic::error("Conflicting endpoints", detail).with_attribute("endpoint_type"),
            );
        }
        // What the block says about the endpoint wins over the environment, in either form.
        let is_open =
            endpoint_type.is_none() && !self.unknown.iter().any(|name| name == "endpoint");
        let found = in_block.or_else(|| {
            if is_open { self.lookup("endpoint", environment::ENDPOINT) } else { None }
        });
        let label = found.as_ref().map(|found| found.origin.clone()).unwrap_or_default();
        let endpoint = self.parse(found, "Invalid endpoint", Endpoint::parse)?;
        if endpoint.is_insecure() {
            let detail = format!(
                "Requests to {endpoint} ({label}) are not protected by TLS: everyone on the way can \
                 read and change them. Use https://, unless this is a test."
            );
            self.diagnostics.push(
                Diagnostic::warning("Unencrypted endpoint", detail).with_attribute("endpoint"),
            );
        }
        Some(endpoint)
    }

    /// What cannot be true together, as far as an endpoint is known.
    fn check_address(&mut self, config: &ClientConfig) {
        let Some(endpoint) = &config.endpoint else { return };
        let style = match config.address_style {
            AddressStyle::Virtual if endpoint.is_ip_address() => Some(format!(
                "`virtual` puts the bucket in front of a host name, and {endpoint} is an IP address. \
                 Use `path`, or leave `address_style` out."
            )),
            AddressStyle::Path if endpoint.is_aliyuncs() => Some(format!(
                "{endpoint} takes the bucket as part of the host name only. Leave `address_style` out."
            )),
            _ => None,
        };
        if let Some(detail) = style {
            let problem = Diagnostic::error("Impossible address style", detail);
            self.diagnostics.push(problem.with_attribute("address_style"));
        }
        if let (Some(region), Some(of_endpoint)) = (&config.region, endpoint.region())
            && *region != of_endpoint
            && config.signature_version == SignatureVersion::V4
        {
            // A resource may name a region of its own, so it may still be right.
            let detail = format!(
                "Requests go to {endpoint}, and are signed for {region}: OSS refuses that, except for \
                 resources that name `region = \"{of_endpoint}\"` themselves. Make `region` and \
                 `endpoint` agree, or remove one of them."
            );
            let problem = Diagnostic::warning("Region and endpoint disagree", detail);
            self.diagnostics.push(problem.with_attribute("region"));
        }
    }

    /// What needs an endpoint of its own.
    fn check_endpoint(&mut self, config: &ClientConfig) {
        let problem = match (&config.endpoint, config.address_style) {
            (None, AddressStyle::Cname) => Diagnostic::error(
                "Missing endpoint",
                "`address_style = \"cname\"` needs the custom domain as `endpoint`.",
            ),
            (None, AddressStyle::Path) => Diagnostic::error(
                "Impossible address style",
                "OSS takes the bucket as part of the host name only. Leave `address_style` out, or name \
                 the `endpoint` that takes it in the path.",
            ),
            _ => return,
        };
        self.diagnostics.push(problem.with_attribute("address_style"));
    }

    /// Without a region nothing can be signed.
    fn check_region(&mut self, config: &ClientConfig) {
        let endpoint = config.endpoint.as_ref();
        let is_known = config.region.is_some() || endpoint.and_then(Endpoint::region).is_some();
        // V1 signs no region, and a profile is read only when it is needed.
        let signs_none = config.signature_version == SignatureVersion::V1 && endpoint.is_some();
        if is_known || signs_none || config.profile.is_some() {
            return;
        }
        self.diagnostics.push(
            Diagnostic::error(
                "Missing region",
                "Requests are signed for a region, and none is configured. Set `region` in the \
                 provider block, or the environment variable ALIBABA_CLOUD_REGION (or \
                 ALICLOUD_REGION), or name a `profile` that has a `region_id`, or use an `endpoint` \
                 of the form oss-cn-hangzhou.aliyuncs.com, which tells the region. A resource may \
                 then name another `region` of its own.",
            )
            .with_attribute("region"),
        );
    }
}

#[cfg(test)]
mod tests;
