//! From the provider block and the environment to the configuration of the client.
//!
//! Each argument is read from the block, otherwise from its environment variables. Mistakes become
//! diagnostics at the offending argument, and arguments that are not known yet are collected by name.

use crate::oss::sign::SignatureVersion;
use crate::oss::{AddressStyle, ClientConfig, Endpoint, EndpointType, Region, RetryPolicy};
use crate::tfplugin::{AttributePath, AttributeValue, Diagnostic, Diagnostics, Object};

use super::environment::{self, Environment};
use super::read::{Read, Reader};
use super::{credentials, roles};

/// The configuration of the client.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: ClientConfig,
    /// Paths of arguments that are known only after apply.
    pub(super) unknown: Vec<String>,
}

/// Checks what is known of the provider block, without the environment.
pub(super) fn validate(block: &Object) -> Diagnostics {
    let Read { value: config, unknown, mut diagnostics } =
        read_config(Reader::without_environment(block));
    if unknown.is_empty() && !diagnostics.has_errors() {
        diagnostics.extend(check_address(&config));
    }
    diagnostics
}

/// Reads the whole configuration. Returns no settings if there are errors.
pub(super) fn resolve(
    block: &Object,
    environment: &Environment,
) -> (Option<Settings>, Diagnostics) {
    let not_unicode = check_unicode(environment);
    if not_unicode.has_errors() {
        // Whatever else is found may only be the consequence.
        return (None, not_unicode);
    }
    let reader = Reader::new(block, environment);
    let Read { value: config, unknown, mut diagnostics } = read_config(reader);
    if unknown.is_empty() {
        // These checks need every argument.
        diagnostics.extend(roles::check_required(reader));
        // After another error a missing region may only be its consequence.
        if !diagnostics.has_errors() {
            for check in [check_address, check_endpoint, check_region] {
                diagnostics.extend(check(&config));
            }
        }
    }
    let settings = Settings { config, unknown };
    (Some(settings).filter(|_| !diagnostics.has_errors()), diagnostics)
}

/// Rejects variables that are set to something that is not text. They must not count as absent: the
/// credentials of another source would be used.
fn check_unicode(environment: &Environment) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for name in environment.not_unicode() {
        let detail = format!(
            "The environment variable {name} is set, but its value is not valid UTF-8. Set it again, or unset \
             it to use another source."
        );
        diagnostics.push(Diagnostic::error("Invalid environment variable", detail));
    }
    diagnostics
}

pub(super) fn read_config(reader: Reader<'_>) -> Read<ClientConfig> {
    let mut read = Read::new(());
    let region = reader.lookup("region", environment::REGION);
    let region = read.take(region.parse("Invalid region", Region::parse));
    let endpoint_type = read.take(read_endpoint_type(reader));
    let endpoint = read.take(read_endpoint(reader, endpoint_type));
    let address_style = read.take(reader.parse_enum(
        "address_style",
        "Invalid address style",
        &[
            ("auto", AddressStyle::Auto),
            ("virtual", AddressStyle::Virtual),
            ("path", AddressStyle::Path),
            ("cname", AddressStyle::Cname),
        ],
    ));
    let signature_version = read.take(reader.parse_enum(
        "signature_version",
        "Invalid signature version",
        &[("v4", SignatureVersion::V4), ("v1", SignatureVersion::V1)],
    ));
    let known_region = region.clone().or_else(|| endpoint.as_ref().and_then(Endpoint::region));
    let selected = read.take(credentials::select(reader, known_region, endpoint_type));
    let defaults = ClientConfig::default();
    let config = ClientConfig {
        region,
        endpoint,
        endpoint_type: endpoint_type.unwrap_or_default(),
        address_style: address_style.unwrap_or_default(),
        signature_version: signature_version.unwrap_or_default(),
        credentials: selected.source,
        profile: selected.profile,
        retry: read.take(read_retry_policy(reader)),
        connect_timeout: read
            .take(reader.duration("connect_timeout"))
            .unwrap_or(defaults.connect_timeout),
        read_timeout: read.take(reader.duration("read_timeout")).unwrap_or(defaults.read_timeout),
        ..defaults
    };
    read.with(config)
}

fn read_retry_policy(reader: Reader<'_>) -> Read<RetryPolicy> {
    let expected = format!("must be an integer between 0 and {}", u32::MAX);
    let block = AttributeValue::Known(reader.block);
    let mut max_retries = Reader::number(block, &AttributePath::root("max_retries"), &expected);
    let policy = RetryPolicy::default();
    let policy = match max_retries.value.take() {
        Some(max_retries) => policy.with_max_retries(max_retries),
        None => policy,
    };
    max_retries.with(policy)
}

fn read_endpoint_type(reader: Reader<'_>) -> Read<Option<EndpointType>> {
    reader.parse_enum(
        "endpoint_type",
        "Invalid endpoint type",
        &[
            ("public", EndpointType::Public),
            ("internal", EndpointType::Internal),
            ("accelerate", EndpointType::Accelerate),
            ("accelerate_overseas", EndpointType::AccelerateOverseas),
            ("dual_stack", EndpointType::DualStack),
        ],
    )
}

fn read_endpoint(
    reader: Reader<'_>,
    endpoint_type: Option<EndpointType>,
) -> Read<Option<Endpoint>> {
    let mut found = reader.lookup("endpoint", &[]);
    if let (Some(in_block), Some(_)) = (&found.value, endpoint_type) {
        let detail = format!(
            "`endpoint_type` conflicts with {}: it selects one of the region's own endpoints. Remove one \
             of them.",
            in_block.origin(),
        );
        found.diagnostics.push(
            Diagnostic::error("Conflicting endpoints", detail).with_attribute("endpoint_type"),
        );
    }
    // Both arguments of the block take precedence over the environment.
    let is_unknown = !found.unknown.is_empty();
    if endpoint_type.is_none() && !is_unknown {
        found = found.or_else(|| reader.lookup("endpoint", environment::ENDPOINT));
    }
    let variable = found.value.as_ref().filter(|found| found.is_from_environment());
    let origin = variable.map(|found| format!(" (from {})", found.origin())).unwrap_or_default();
    let mut read = found.parse("Invalid endpoint", Endpoint::parse_oss);
    if let Some(endpoint) = &read.value
        && endpoint.is_insecure()
    {
        let detail = format!(
            "Requests to {endpoint}{origin} are sent without TLS and can be read and modified in transit. \
             Use https:// except for tests."
        );
        let warning = Diagnostic::warning("Unencrypted endpoint", detail);
        read.diagnostics.push(warning.with_attribute("endpoint"));
    }
    read
}

/// What the hosts for S3-compatible tools begin with. No bucket has this name: it is too short.
const S3_PREFIX: &str = "s3";

/// Finds contradictions, as far as an endpoint is known.
fn check_address(config: &ClientConfig) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let Some(endpoint) = &config.endpoint else { return diagnostics };
    let style = match config.address_style {
        AddressStyle::Virtual if endpoint.is_ip_address() => Some(format!(
            "`address_style = \"virtual\"` requires a host name, but {endpoint} is an IP address. Use \
             `path`, or omit `address_style`."
        )),
        AddressStyle::Path if endpoint.is_aliyuncs() => Some(format!(
            "{endpoint} accepts only virtual-hosted-style requests. Omit `address_style`."
        )),
        _ => None,
    };
    if let Some(detail) = style {
        let error = Diagnostic::error("Unsupported address style", detail);
        diagnostics.push(error.with_attribute("address_style"));
    }
    // With `cname`, the host of a bucket can be used like a custom domain.
    if let Some((bucket, right)) = endpoint.split_bucket()
        && config.address_style != AddressStyle::Cname
    {
        let region = match right.region() {
            Some(region) => format!(", or only `region = \"{region}\"`"),
            None => String::new(),
        };
        let reason = if bucket == S3_PREFIX {
            "is for S3-compatible tools; this provider uses the API of OSS".to_owned()
        } else {
            format!("already contains the bucket {bucket}, which is added to the endpoint")
        };
        let detail = format!(
            "{endpoint} {reason}. Write `endpoint = \"{}\"`{region}.",
            // OSS's own endpoints support TLS.
            right.to_config().trim_start_matches("http://"),
        );
        diagnostics.push(Diagnostic::error("Invalid endpoint", detail).with_attribute("endpoint"));
    }
    if let (Some(region), Some(of_endpoint)) = (&config.region, endpoint.region())
        && *region != of_endpoint
        && config.signature_version == SignatureVersion::V4
    {
        // Only a warning: resources may set their own region.
        let detail = format!(
            "Requests are sent to {endpoint} but signed for {region}. OSS rejects such requests, except for \
             resources that set `region = \"{of_endpoint}\"`. Make `region` and `endpoint` match, or \
             remove one of them."
        );
        let warning = Diagnostic::warning("Region does not match endpoint", detail);
        diagnostics.push(warning.with_attribute("region"));
    }
    diagnostics
}

/// Checks that address styles that need an `endpoint` have one.
fn check_endpoint(config: &ClientConfig) -> Diagnostics {
    let error = match (&config.endpoint, config.address_style) {
        (None, AddressStyle::Cname) => Diagnostic::error(
            "Missing endpoint",
            "`address_style = \"cname\"` requires the custom domain in `endpoint`.",
        ),
        (None, AddressStyle::Path) => Diagnostic::error(
            "Unsupported address style",
            "Public OSS endpoints accept only virtual-hosted-style requests. Omit `address_style`, or set \
             `endpoint` to an endpoint that supports path-style requests.",
        ),
        _ => return Diagnostics::new(),
    };
    error.with_attribute("address_style").into()
}

/// Checks that requests can be signed.
fn check_region(config: &ClientConfig) -> Diagnostics {
    let endpoint = config.endpoint.as_ref();
    let is_known = config.region.is_some() || endpoint.and_then(Endpoint::region).is_some();
    // V1 signatures contain no region, and a profile is read only when it is needed.
    let needs_none = config.signature_version == SignatureVersion::V1 && endpoint.is_some();
    if is_known || needs_none || config.profile.is_some() {
        return Diagnostics::new();
    }
    Diagnostic::error(
        "Missing region",
        "Requests must be signed for a region, and none is configured. Set `region` in the provider block, \
         or set the environment variable ALIBABA_CLOUD_REGION (or ALICLOUD_REGION), use a `profile` that \
         has a `region_id`, or use an `endpoint` of the form oss-cn-hangzhou.aliyuncs.com, which contains \
         the region. Resources can override it with their own `region`.",
    )
    .with_attribute("region")
    .into()
}
