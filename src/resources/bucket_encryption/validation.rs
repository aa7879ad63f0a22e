//! What can be known to be wrong before anything is sent, on known values only: each mistake once, at
//! the attribute to blame.

use crate::oss::{BucketName, Region, SseAlgorithm};
use crate::tfplugin::{
    AttributePath, AttributeValue, Diagnostic, Diagnostics, Object, Value, parse_duration,
};

use super::state::non_empty_string;

const ALGORITHMS: &str = "`AES256`, `KMS` or `SM4`";

/// Checks a configuration.
pub(super) fn validate(config: &Object) -> Diagnostics {
    let mut diagnostics = validate_required(config);
    diagnostics.extend(validate_bucket(config));
    diagnostics.extend(validate_region(config));
    diagnostics.extend(validate_rule(config));
    diagnostics.extend(validate_timeouts(config));
    diagnostics
}

/// Checks the configuration of a search.
pub(super) fn validate_list(config: &Object) -> Diagnostics {
    let mut diagnostics = validate_region(config);
    if let Some(prefix) = non_empty_string(config, "prefix")
        && !prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        let detail = format!(
            "No bucket's name begins with {prefix:?}: names consist of lower-case letters, digits and \
             hyphens."
        );
        diagnostics.push(Diagnostic::error("Invalid prefix", detail).with_attribute("prefix"));
    }
    diagnostics
}

/// Terraform lets a null pass for an argument that must be set, such as a variable without value.
fn validate_required(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for (name, what) in
        [("bucket", "the name of a bucket".to_owned()), ("sse_algorithm", ALGORITHMS.to_owned())]
    {
        if *config.get(name) == Value::Null {
            let detail = format!("`{name}` is null. Set it to {what}.");
            diagnostics.push(Diagnostic::error("Missing argument", detail).with_attribute(name));
        }
    }
    diagnostics
}

fn validate_bucket(config: &Object) -> Diagnostics {
    let Some(bucket) = config.string("bucket").known() else { return Diagnostics::new() };
    let Err(error) = BucketName::parse(bucket) else { return Diagnostics::new() };
    let detail = format!("The name of a bucket {error}; got {bucket:?}.");
    Diagnostic::error("Invalid bucket name", detail).with_attribute("bucket").into()
}

fn validate_region(config: &Object) -> Diagnostics {
    let Some(region) = non_empty_string(config, "region") else { return Diagnostics::new() };
    let Err(error) = Region::parse(region) else { return Diagnostics::new() };
    let detail = format!("The region {error}; got {region:?}.");
    Diagnostic::error("Invalid region", detail).with_attribute("region").into()
}

fn validate_rule(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let algorithm = config.string("sse_algorithm").map(SseAlgorithm::from);
    if let AttributeValue::Known(SseAlgorithm::Other(name)) = &algorithm {
        let upper = name.to_uppercase();
        let hint = match SseAlgorithm::from(upper.as_str()) {
            SseAlgorithm::Other(_) => String::new(),
            _ => format!(" Write it in upper case: `{upper}`."),
        };
        diagnostics.push(
            Diagnostic::error(
                "Invalid encryption algorithm",
                format!("`sse_algorithm` must be {ALGORITHMS}; got {name:?}.{hint}"),
            )
            .with_attribute("sse_algorithm"),
        );
    }
    if let AttributeValue::Known(key) = config.string("kms_master_key_id")
        && key.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        diagnostics.push(
            Diagnostic::error(
                "Invalid KMS key id",
                // The id may be sensitive: it is not repeated.
                "`kms_master_key_id` must not contain white space or control characters. Write the \
                 id of the key as the KMS console shows it.",
            )
            .with_attribute("kms_master_key_id"),
        );
    }
    // Without KMS the cipher is wrong whatever it is, which is said below.
    let is_kms =
        !matches!(algorithm, AttributeValue::Known(SseAlgorithm::Aes256 | SseAlgorithm::Sm4));
    if let AttributeValue::Known(cipher) = config.string("kms_data_encryption")
        && is_kms
        && !matches!(cipher, "" | "SM4")
    {
        diagnostics.push(
            Diagnostic::error(
                "Invalid data encryption",
                format!(
                    "`kms_data_encryption` must be `SM4`; got {cipher:?}. For AES-256 data keys \
                         leave it out."
                ),
            )
            .with_attribute("kms_data_encryption"),
        );
    }
    if let AttributeValue::Known(algorithm @ (SseAlgorithm::Aes256 | SseAlgorithm::Sm4)) =
        &algorithm
    {
        for name in ["kms_master_key_id", "kms_data_encryption"] {
            if non_empty_string(config, name).is_some() {
                diagnostics.push(
                    Diagnostic::error(
                        "KMS argument without KMS",
                        format!(
                            "`{name}` has a meaning only with `sse_algorithm = \"KMS\"`, not with \
                             {algorithm}. Remove it, or use KMS."
                        ),
                    )
                    .with_attribute(name),
                );
            }
        }
    }
    diagnostics
}

fn validate_timeouts(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let AttributeValue::Known(timeouts) = config.block("timeouts") else { return diagnostics };
    for operation in ["create", "read", "update", "delete"] {
        let AttributeValue::Known(text) = timeouts.string(operation) else { continue };
        if parse_duration(text).is_none() {
            diagnostics.push(
                Diagnostic::error(
                    "Invalid timeout",
                    format!(
                        "`{operation}` must be a positive duration such as `30s`, `5m` or `1h30m`, at \
                         most a year; got {text:?}."
                    ),
                )
                .with_path(AttributePath::root("timeouts").attribute(operation)),
            );
        }
    }
    diagnostics
}
