//! The arguments that select buckets of the account, for list queries and data sources. Pure.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::oss::{BucketName, NameError, Region, ScanRequest};
use crate::resources::bucket::{check_known, non_empty_string, validate_region};
use crate::tfplugin::{Attribute, Diagnostic, Diagnostics, Object, join_names};

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
    if let Some(prefix) = non_empty_string(config, "prefix")
        && let Err(error) = BucketName::check_prefix(prefix)
    {
        let rule = match error {
            NameError::BucketCharacters => {
                "names consist of lowercase letters, digits, hyphens and, in names from before the current \
                 naming rules, underscores"
                    .to_owned()
            }
            error => format!("a bucket name {error}"),
        };
        let detail = format!("No bucket name begins with {prefix:?}: {rule}.");
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

/// A warning about a scan that found no bucket, because a misspelt filter would look like a clean account.
pub(super) fn nothing_selected(request: &ScanRequest) -> Option<Diagnostic> {
    let warning = |what: String, name: &str, hint: &str| {
        let detail = format!(
            "The result is empty. If that is not intended, check the spelling of `{name}`{hint}."
        );
        Diagnostic::warning(format!("No bucket {what}"), detail).with_attribute(name)
    };
    let others = request.other_regions.to_vec();
    let others: Vec<&str> = others.iter().map(Region::as_str).collect();
    match &request.region {
        Some(region) if !others.is_empty() => {
            let hint = format!(": there are buckets in {}", join_names(&others, "and"));
            Some(warning(format!("in region {region}"), "region", &hint))
        }
        _ if !request.prefix.is_empty() => {
            Some(warning(format!("with prefix {}", request.prefix), "prefix", ""))
        }
        // The account has no buckets.
        _ => None,
    }
}
