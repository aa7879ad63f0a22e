//! Which credential source is used: the first one that is configured. Sources are never mixed.
//!
//! The order is that of `aliyun/alicloud`: credentials in the block, credentials in the environment, a
//! profile, a credentials URI, the role of the ECS instance, an OIDC token. A role to assume uses the
//! credentials of that source.

use crate::oss::credentials::{
    CredentialSource, CredentialsUri, EcsRole, Profile, SourceDefaults, StsConfig,
};
use crate::oss::{Credentials, Endpoint, Region};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics};

use super::environment::{self, ACCESS_KEY_VARS, Environment};
use super::read::{ConfigValue, Read, Reader};
use super::roles;

const CREDENTIAL_ARGUMENTS: [&str; 3] = ["access_key", "secret_key", "security_token"];

type SourceReader = fn(Reader<'_>, &SourceDefaults) -> Read<Option<CredentialSource>>;

/// The credential source, and the profile that may name the region.
pub(super) struct Selected {
    pub(super) source: Option<CredentialSource>,
    pub(super) profile: Option<Profile>,
}

/// The services that a source may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequiredServices {
    sts: bool,
    metadata: bool,
}

impl RequiredServices {
    fn of(source: Option<&CredentialSource>) -> Self {
        match source {
            None
            | Some(
                CredentialSource::Static { .. }
                | CredentialSource::CredentialsUri(_)
                | CredentialSource::Process(_),
            ) => Self { sts: false, metadata: false },
            // The mode of a profile is known only when the file is read.
            Some(CredentialSource::Profile(_)) => Self { sts: true, metadata: true },
            Some(CredentialSource::EcsRole(_)) => Self { sts: false, metadata: true },
            Some(CredentialSource::AssumeRoleWithOidc(_)) => Self { sts: true, metadata: false },
            Some(CredentialSource::AssumeRole { base, .. }) => {
                Self { sts: true, ..Self::of(Some(base)) }
            }
        }
    }
}

/// Selects the credential source. `region` is the region of the provider, as far as it is known.
///
/// All blocks are read, so that a mistake is reported even if another source is used. What is unknown about
/// a source that is not used does not count, and neither do its environment variables: they may be meant
/// for other tools.
pub(super) fn select(
    reader: Reader<'_>,
    region: Option<Region>,
    is_internal: bool,
) -> Read<Selected> {
    let has_region = region.is_some();
    let mut sts_endpoint = parse_sts_endpoint(reader.lookup("sts_endpoint", &[]));
    let endpoint = sts_endpoint.value.take();
    let sts = read_sts_config(reader, endpoint, region, is_internal);
    let metadata = reader
        .variable(environment::METADATA_ENDPOINT, AttributePath::root("ecs_role_name"))
        .parse("Invalid metadata endpoint", parse_credentials_uri);
    let defaults = SourceDefaults {
        sts: sts.value.clone(),
        metadata: metadata.value.clone(),
        is_metadata_v1_disabled: reader.is_enabled(environment::METADATA_V1_DISABLED),
        home: reader.environment().and_then(Environment::home),
    };
    let mut profile = read_profile(reader, &defaults);

    let mut credentials = block_credentials(reader).or_else(|| env_credentials(reader));
    let has_credentials = credentials.value.is_some();
    // Credentials that are still unknown are the source as well.
    let is_unknown = !credentials.unknown.is_empty();
    let from_profile = || profile.value.clone().map(CredentialSource::Profile);
    let mut base = credentials.value.take().or_else(from_profile);
    let others: [SourceReader; 3] = [credentials_uri, ecs_role, roles::oidc_role];
    let others = others.map(|read_source| {
        let mut read = if base.is_some() || is_unknown {
            read_source(Reader::without_environment(reader.block), &defaults).without_warnings()
        } else {
            read_source(reader, &defaults)
        };
        if base.is_some() {
            read.unknown.clear();
        } else {
            base = read.value.take();
        }
        read
    });
    let mut role = roles::role_to_assume(reader);
    let source = match (base, role.value.take()) {
        (Some(base), Some(role)) => {
            Some(CredentialSource::AssumeRole { base: Box::new(base), role, sts: defaults.sts })
        }
        (base, _) => base,
    };

    let required = RequiredServices::of(source.as_ref());
    if source.is_some() && !required.sts {
        sts_endpoint.unknown.clear();
    }
    if has_credentials && has_region {
        // The profile would only be needed for its region.
        profile.unknown.clear();
    }
    let mut read = Read::new(());
    read.take(sts_endpoint);
    let profile = read.take(profile);
    read.take(credentials);
    for other in others {
        read.take(other);
    }
    read.take(role);
    if required.sts {
        read.take(sts);
    }
    if required.metadata {
        read.take(metadata);
    }
    read.with(Selected { source, profile })
}

/// Reads how STS is reached. The findings are about environment variables only.
fn read_sts_config(
    reader: Reader<'_>,
    endpoint: Option<Endpoint>,
    region: Option<Region>,
    is_internal: bool,
) -> Read<StsConfig> {
    let endpoint = Read::new(endpoint).or_else(|| {
        let path = AttributePath::root("sts_endpoint");
        parse_sts_endpoint(reader.variable(environment::STS_ENDPOINT, path))
    });
    let sts_region = reader
        .variable(environment::STS_REGION, AttributePath::root("region"))
        .parse("Invalid region", Region::parse);
    let mut read = Read::new(());
    let endpoint = read.take(endpoint);
    let region = read.take(sts_region).or(region);
    let use_vpc_endpoint = is_internal || reader.is_enabled(environment::VPC_ENDPOINT_ENABLED);
    read.with(StsConfig { endpoint, region, use_vpc_endpoint })
}

fn parse_sts_endpoint(found: Read<Option<ConfigValue<'_>>>) -> Read<Option<Endpoint>> {
    let mut read = found.parse("Invalid endpoint", Endpoint::parse);
    if let Some(endpoint) = &read.value
        && endpoint.is_insecure()
    {
        // An error, unlike for OSS: the response contains secrets.
        let detail = format!(
            "STS returns credentials, which could be read in transit to {endpoint}. Use https://."
        );
        let error = Diagnostic::error("Unencrypted STS endpoint", detail);
        read.diagnostics.push(error.with_attribute("sts_endpoint"));
    }
    read
}

fn block_credentials(reader: Reader<'_>) -> Read<Option<CredentialSource>> {
    let mut read = Read::new(());
    let arguments = CREDENTIAL_ARGUMENTS.map(|name| {
        let argument = reader.lookup(name, &[]);
        let is_unknown = !argument.unknown.is_empty();
        (read.take(argument), is_unknown)
    });
    for (argument, _) in &arguments {
        if let Some(argument) = argument {
            let name = argument.path.clone();
            read.diagnostics.extend(check_characters(argument.text, &argument.subject(), name));
        }
    }
    let is_unknown = arguments.each_ref().map(|(_, is_unknown)| *is_unknown);
    let [id, secret, token] = arguments.map(|(argument, _)| argument.map(|found| found.text));
    let incomplete = |missing: &str, present: &'static str| {
        let present_in_block = format!("`{present}` is set in the provider block");
        incomplete_pair(&present_in_block, &format!("`{missing}`"), present)
    };
    let error = match (id, secret, token, is_unknown) {
        (Some(id), Some(secret), token, _) => {
            return read.with(Some(static_source(id, secret, token, "the provider block")));
        }
        (Some(_), None, _, [_, false, _]) => incomplete("secret_key", "access_key"),
        (None, Some(_), _, [false, ..]) => incomplete("access_key", "secret_key"),
        (None, None, Some(_), [false, false, _]) => Diagnostic::error(
            "Security token without AccessKey pair",
            "`security_token` is set in the provider block, but `access_key` and `secret_key` are not. A \
             security token belongs to one AccessKey pair: set all three, or none to use another source.",
        )
        .with_attribute("security_token"),
        _ => return read.with(None),
    };
    read.diagnostics.push(error);
    read.with(None)
}

/// Reads the first set of variables that is set. Ignored if the block has any credentials.
fn env_credentials(reader: Reader<'_>) -> Read<Option<CredentialSource>> {
    let is_set = |name: &str| {
        !matches!(reader.block.string(name), AttributeValue::Null | AttributeValue::Known(""))
    };
    let mut read = Read::new(None);
    let Some(environment) = reader.environment() else { return read };
    if CREDENTIAL_ARGUMENTS.into_iter().any(is_set) {
        return read;
    }
    for [id_name, secret_name, token_name] in ACCESS_KEY_VARS {
        let (missing, present, argument) =
            match (environment.get(id_name), environment.get(secret_name)) {
                (None, None) => continue,
                (Some(id), Some(secret)) => {
                    let token = environment.get(token_name);
                    for (name, text, argument) in [
                        (id_name, Some(id), "access_key"),
                        (secret_name, Some(secret), "secret_key"),
                        (token_name, token, "security_token"),
                    ] {
                        let subject = format!("The environment variable {name}");
                        let path = AttributePath::root(argument);
                        let text = text.unwrap_or_default();
                        read.diagnostics.extend(check_characters(text, &subject, path));
                    }
                    let origin = environment::describe(id_name);
                    return read.with(Some(static_source(id, secret, token, &origin)));
                }
                (Some(_), None) => (secret_name, id_name, "access_key"),
                (None, Some(_)) => (id_name, secret_name, "secret_key"),
            };
        let present = format!("The environment variable {present} is set");
        read.diagnostics.push(incomplete_pair(&present, missing, argument));
        return read;
    }
    read
}

fn incomplete_pair(present: &str, missing: &str, argument: &str) -> Diagnostic {
    let detail = format!(
        "{present}, but {missing} is not. ID and secret must come from the same source: set both, or neither \
         to use another source."
    );
    Diagnostic::error("Incomplete AccessKey pair", detail).with_attribute(argument)
}

/// Finds copying mistakes, for which OSS would only report a wrong signature. The value is a secret and not
/// shown.
fn check_characters(text: &str, subject: &str, path: AttributePath) -> Diagnostics {
    if !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Diagnostics::new();
    }
    let detail = format!(
        "{subject} contains whitespace or control characters. Values read from files often end with a line \
         break; remove it with `trimspace(file(…))`."
    );
    Diagnostic::error("Invalid credentials", detail).with_path(path).into()
}

fn static_source(id: &str, secret: &str, token: Option<&str>, origin: &str) -> CredentialSource {
    let credentials = Credentials::new(id, secret);
    let credentials = match token {
        Some(token) => credentials.with_security_token(token),
        None => credentials,
    };
    CredentialSource::Static { credentials, origin: origin.to_owned() }
}

fn read_profile(reader: Reader<'_>, defaults: &SourceDefaults) -> Read<Option<Profile>> {
    let mut read = Read::new(());
    let name = read.take(reader.lookup("profile", environment::PROFILE));
    let variables = environment::SHARED_CREDENTIALS_FILE;
    let file = read.take(reader.lookup("shared_credentials_file", variables));
    // The variable alone may be meant for other tools, which use another format.
    let is_file_in_block = file.as_ref().is_some_and(|file| !file.is_from_environment());
    if name.is_none() && !is_file_in_block {
        return read.with(None);
    }
    let path = file.map_or("~/.aliyun/config.json", |file| file.text);
    let path = defaults.expand_home(path);
    let name = name.map(|name| name.text.to_owned());
    read.with(Some(Profile { path, name, defaults: defaults.clone() }))
}

fn credentials_uri(reader: Reader<'_>, _: &SourceDefaults) -> Read<Option<CredentialSource>> {
    let mut found = reader.lookup("credentials_uri", environment::CREDENTIALS_URI);
    let Some(text) = found.value.take() else { return found.with(None) };
    // A URI may contain a secret, so only its host is shown.
    let Some(uri) = CredentialsUri::parse(text.text) else {
        let detail = format!("{} must be an http or https URL.", text.subject());
        let error = Diagnostic::error("Invalid credentials URI", detail);
        return Read::error(error.with_path(text.path));
    };
    if uri.is_insecure() {
        let detail = format!(
            "Credentials from {} ({}) are sent without TLS and can be read in transit. Use https://.",
            uri.host(),
            text.origin(),
        );
        let warning = Diagnostic::warning("Unencrypted credentials URI", detail);
        found.diagnostics.push(warning.with_path(text.path));
    }
    found.with(Some(CredentialSource::CredentialsUri(uri)))
}

fn ecs_role(reader: Reader<'_>, defaults: &SourceDefaults) -> Read<Option<CredentialSource>> {
    let found = reader.lookup("ecs_role_name", environment::ECS_ROLE_NAME);
    let name = found.parse("Invalid role name", |text| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.chars().all(is_allowed) {
            Ok(text.to_owned())
        } else {
            Err("must be the name of a RAM role: letters, digits and any of . _ -")
        }
    });
    let defaults = defaults.clone();
    name.map(|name| CredentialSource::EcsRole(EcsRole { name: Some(name), defaults }))
}

fn parse_credentials_uri(text: &str) -> Result<CredentialsUri, &'static str> {
    CredentialsUri::parse(text).ok_or("must be an http or https URL")
}
