//! The arguments that select buckets of the account, for list queries and data sources. Pure.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::oss::{Region, ScanRequest};
use crate::resources::bucket::{check_known, non_empty_string, validate_region};
use crate::tfplugin::{Attribute, Diagnostic, Diagnostics, Object};

pub(super) fn attributes() -> Vec<Attribute> {
    vec![
        Attribute::optional("prefix", "Prefix of the names of the buckets to list."),
        Attribute::optional(
            "region",
            "Region of the buckets to list, for example `cn-hangzhou`. Defaults to all regions.",
        ),
    ]
}

pub(super) fn validate(config: &Object) -> Diagnostics {
    let mut diagnostics = validate_region(config);
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if let Some(prefix) = non_empty_string(config, "prefix")
        && !prefix.chars().all(is_allowed)
    {
        let detail = format!(
            "No bucket name begins with {prefix:?}: names consist of lowercase letters, digits, hyphens \
             and, in names from before the current naming rules, underscores."
        );
        diagnostics.push(Diagnostic::error("Invalid prefix", detail).with_attribute("prefix"));
    }
    diagnostics
}

/// The scan of the selected buckets, or an error if the configuration is not known or not valid.
pub(super) fn scan_request(
    config: &Object,
    deadline: Option<Instant>,
    cancellation: CancellationToken,
) -> Result<ScanRequest, Diagnostics> {
    check_known(config)?;
    let diagnostics = validate(config);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    Ok(ScanRequest {
        prefix: non_empty_string(config, "prefix").unwrap_or_default().to_owned(),
        region: non_empty_string(config, "region").and_then(|region| Region::parse(region).ok()),
        deadline,
        cancellation,
        ..ScanRequest::default()
    })
}
