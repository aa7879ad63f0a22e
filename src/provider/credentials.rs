//! Which credential source is used: the first one that is configured. Sources are never mixed.
//!
//! The order is that of `aliyun/alicloud`: credentials in the block, credentials in the environment, a
//! profile, a credentials URI, the role of the ECS instance, an OIDC token. If none is configured, it is the
//! current profile of the CLI, as for the CLI and the SDKs. A role to assume uses the credentials of that
//! source.

use std::path::PathBuf;

use crate::oss::credentials::{
    CredentialSource, CredentialsUri, EcsRole, LastResort, LoginMemory, Profile, Role,
    SourceDefaults, StsConfig,
};
use crate::oss::{Endpoint, EndpointType, Region};
use crate::tfplugin::{AttributePath, Diagnostic};

use super::access_keys::{block_credentials, env_credentials};
use super::environment::{self, Environment};
use super::read::{ConfigValue, Read, Reader};
use super::{roles, unused};

/// The CLI's own file.
const DEFAULT_FILE: &str = "~/.aliyun/config.json";

type SourceReader = fn(Reader<'_>, &SourceDefaults) -> Read<Option<CredentialSource>>;

/// The sources that come after AccessKey pairs and profiles, in order.
const OTHER_SOURCES: [SourceReader; 3] = [credentials_uri, ecs_role, roles::oidc_role];

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
                | CredentialSource::Process(_)
                | CredentialSource::Login(_),
            ) => Self { sts: false, metadata: false },
            Some(CredentialSource::Profile(profile)) if profile.path.as_os_str().is_empty() => {
                Self { sts: false, metadata: false }
            }
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
    endpoint_type: Option<EndpointType>,
) -> Read<Selected> {
    let has_region = region.is_some();
    let mut sts_endpoint = parse_sts_endpoint(reader.lookup("sts_endpoint", &[]));
    let endpoint = sts_endpoint.value.take();
    let sts = read_sts_config(reader, endpoint, region, endpoint_type);
    let metadata = read_metadata_endpoint(reader);
    let defaults = source_defaults(reader, sts.value.clone(), metadata.value.clone());
    let mut profile = read_profile(reader, &defaults);

    let mut credentials = block_credentials(reader).or_else(|| env_credentials(reader));
    let has_credentials = credentials.value.is_some();
    // Credentials that are still unknown are the source as well.
    let is_unknown = !credentials.unknown.is_empty();
    let from_profile = || profile.value.clone().map(CredentialSource::Profile);
    let mut base = credentials.value.take().or_else(from_profile);
    let others = OTHER_SOURCES.map(|read_source| {
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
    let is_unknown = is_unknown || others.iter().any(|read| !read.unknown.is_empty());
    if base.is_none() && !is_unknown && profile.unknown.is_empty() {
        let last_resort = last_resort(reader, &defaults);
        base = last_resort.clone().map(CredentialSource::Profile);
        // Without a path it has no region either.
        profile.value = last_resort.filter(|profile| !profile.path.as_os_str().is_empty());
    }
    let unused = unused::check(reader, base.as_ref());
    let mut roles = roles::roles_to_assume(reader);
    // A role that is missing here is an error or not known yet.
    let roles_to_assume = std::mem::take(&mut roles.value).into_iter().flatten();
    let source = base.map(|base| assume_roles(base, roles_to_assume, &defaults.sts));

    let required = RequiredServices::of(source.as_ref());
    if source.is_some() && !required.sts {
        sts_endpoint.unknown.clear();
    }
    if has_credentials && has_region {
        // The profile would only be needed for its region.
        profile.unknown.clear();
    }
    let mut read = Read::new(());
    read.diagnostics.extend(unused);
    read.take(sts_endpoint);
    let profile = read.take(profile);
    read.take(credentials);
    for other in others {
        read.take(other);
    }
    read.take(roles);
    if required.sts {
        read.take(sts);
    }
    if required.metadata {
        // Whether a profile uses it is known only when the profile is read, which then causes the warning.
        let is_certain = !matches!(base_of(source.as_ref()), Some(CredentialSource::Profile(_)));
        read.take(if is_certain { metadata } else { metadata.without_warnings() });
    }
    read.with(Selected { source, profile })
}

/// The values that a profile and the sources behind it share.
fn source_defaults(
    reader: Reader<'_>,
    sts: StsConfig,
    metadata: Option<CredentialsUri>,
) -> SourceDefaults {
    let credentials_uri = reader
        .environment()
        .and_then(|environment| environment.first_set(environment::CREDENTIALS_URI))
        .and_then(|(_, text)| CredentialsUri::parse(text));
    SourceDefaults {
        sts,
        metadata,
        is_metadata_disabled: reader.is_enabled(environment::METADATA_DISABLED),
        is_metadata_v1_disabled: reader.is_enabled(environment::METADATA_V1_DISABLED),
        home: reader.environment().and_then(Environment::home),
        credentials_uri,
        are_external_sources_disabled: reader.is_enabled(environment::EXTERNAL_SOURCES_DISABLED),
        logins: LoginMemory::default(),
    }
}

/// The chain of `roles`: the first is assumed with the credentials of `base`, each other one with those of the
/// role before it.
fn assume_roles(
    base: CredentialSource,
    roles: impl Iterator<Item = Role>,
    sts: &StsConfig,
) -> CredentialSource {
    roles.fold(base, |base, role| CredentialSource::AssumeRole {
        base: Box::new(base),
        role,
        sts: sts.clone(),
    })
}

/// Reads where the metadata service of ECS is, which only an environment variable can change.
fn read_metadata_endpoint(reader: Reader<'_>) -> Read<Option<CredentialsUri>> {
    let variable =
        reader.variable(environment::METADATA_ENDPOINT, AttributePath::root("ecs_role_name"));
    let origin = variable.value.as_ref().map(ConfigValue::origin).unwrap_or_default();
    let mut read = variable.parse("Invalid metadata endpoint", |text| {
        CredentialsUri::parse(text).ok_or("must be an http or https URL")
    });
    if let Some(uri) = read.value.as_ref().filter(|uri| uri.is_insecure()) {
        let warning = insecure_uri(uri, &origin).with_attribute("ecs_role_name");
        read.diagnostics.push(warning);
    }
    read
}

/// Reads how STS is reached. The findings are about environment variables only.
fn read_sts_config(
    reader: Reader<'_>,
    endpoint: Option<Endpoint>,
    region: Option<Region>,
    endpoint_type: Option<EndpointType>,
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
    let use_vpc_endpoint = endpoint_type == Some(EndpointType::Internal)
        || reader.is_enabled(environment::VPC_ENDPOINT_ENABLED);
    read.with(StsConfig { endpoint, region, use_vpc_endpoint })
}

fn parse_sts_endpoint(found: Read<Option<ConfigValue<'_>>>) -> Read<Option<Endpoint>> {
    let mut read = found.parse("Invalid endpoint", StsConfig::parse_endpoint);
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
    let path = file.map_or(DEFAULT_FILE, |file| file.text);
    let path = defaults.expand_home(path);
    let name = name.map(|name| name.text.to_owned());
    read.with(Some(Profile { path, name, defaults: defaults.clone(), last_resort: None }))
}

/// The current profile of the CLI, which the CLI and the SDKs use if nothing is configured. Without a path
/// it only describes why there are no credentials.
fn last_resort(reader: Reader<'_>, defaults: &SourceDefaults) -> Option<Profile> {
    let environment = reader.environment()?;
    let hint = roles::incomplete_oidc(environment).or_else(|| token_alone(environment));
    let named = environment.first_set(environment::SHARED_CREDENTIALS_FILE);
    let is_enabled = |name: &&&'static str| environment.is_enabled(&[name]);
    let path = if let Some(name) = environment::CLI_PROFILE_DISABLED.iter().find(is_enabled) {
        Err(format!("the environment variable {name} is set"))
    } else if let Some((_, path)) = named {
        Ok(defaults.expand_home(path))
    } else if defaults.home.is_some() {
        Ok(defaults.expand_home(DEFAULT_FILE))
    } else {
        let name = if cfg!(windows) { environment::USER_PROFILE } else { environment::HOME };
        Err(format!("the environment variable {} is not set", name.concat()))
    };
    let (path, skipped) = match path {
        Ok(path) => (path, None),
        Err(reason) => (PathBuf::new(), Some(reason)),
    };
    let resort = LastResort { is_file_named: named.is_some() && skipped.is_none(), hint, skipped };
    Some(Profile { path, name: None, defaults: defaults.clone(), last_resort: Some(resort) })
}

/// Describes a security token in the environment without the AccessKey pair that it belongs to.
fn token_alone(environment: &Environment) -> Option<String> {
    let (token, _) = environment.stray_token("")?;
    let [id, secret, _] = environment::ACCESS_KEY_VARS.into_iter().find(|set| set[2] == token)?;
    Some(format!(
        "The environment variable {token} is set, but {id} and {secret} are not. Set all three to the \
         credentials of one session."
    ))
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
        found.diagnostics.push(insecure_uri(&uri, &text.origin()).with_path(text.path));
    }
    found.with(Some(CredentialSource::CredentialsUri(uri)))
}

fn ecs_role(reader: Reader<'_>, defaults: &SourceDefaults) -> Read<Option<CredentialSource>> {
    // Like the SDKs, which skip the service then. A role in the block is an error when it is used.
    let variables = if defaults.is_metadata_disabled { &[] } else { environment::ECS_ROLE_NAME };
    let found = reader.lookup("ecs_role_name", variables);
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

fn insecure_uri(uri: &CredentialsUri, origin: &str) -> Diagnostic {
    let detail = format!(
        "Credentials from {} ({origin}) are sent without TLS and can be read in transit. Use https://.",
        uri.host(),
    );
    Diagnostic::warning("Unencrypted credentials URI", detail)
}

/// The source at the beginning of a chain of roles.
fn base_of(source: Option<&CredentialSource>) -> Option<&CredentialSource> {
    match source? {
        CredentialSource::AssumeRole { base, .. } => base_of(Some(base)),
        source => Some(source),
    }
}
