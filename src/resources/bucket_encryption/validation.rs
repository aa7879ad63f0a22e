//! Checks the known values of a configuration. Each mistake is reported once, at the offending argument. Pure.

use crate::oss::SseAlgorithm;
use crate::resources::bucket::{self, non_empty_string, validate_region};
use crate::tfplugin::{AttributeValue, Diagnostic, Diagnostics, Object};

const ALGORITHMS: &str = "`AES256`, `KMS` or `SM4`";

pub(super) fn validate(config: &Object) -> Diagnostics {
    bucket::validate(config, &[("sse_algorithm", ALGORITHMS)], validate_rule)
}

pub(super) fn validate_list(config: &Object) -> Diagnostics {
    let mut diagnostics = validate_region(config);
    if let Some(prefix) = non_empty_string(config, "prefix")
        && !prefix
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
    {
        let detail = format!(
            "No bucket name begins with {prefix:?}: names consist of lowercase letters, digits and \
             hyphens."
        );
        diagnostics.push(Diagnostic::error("Invalid prefix", detail).with_attribute("prefix"));
    }
    diagnostics
}

fn validate_rule(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let algorithm = config.string("sse_algorithm").map(SseAlgorithm::from);
    if let AttributeValue::Known(SseAlgorithm::Other(name)) = &algorithm {
        let upper = name.to_uppercase();
        let hint = match SseAlgorithm::from(upper.as_str()) {
            SseAlgorithm::Other(_) => String::new(),
            _ => format!(" Use uppercase: `{upper}`."),
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
                "Invalid KMS key ID",
                // Not repeated, because the ID may be sensitive.
                "`kms_master_key_id` must not contain whitespace or control characters. Use the key ID as \
                 shown in the KMS console.",
            )
            .with_attribute("kms_master_key_id"),
        );
    }
    // Without KMS, no cipher is valid; that is reported below.
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
                    "`kms_data_encryption` must be `SM4`; got {cipher:?}. For AES-256 data keys, \
                     omit it."
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
                        "Invalid argument combination",
                        format!(
                            "`{name}` is only valid with `sse_algorithm = \"KMS\"`, not with {algorithm}. Remove \
                             it, or use KMS."
                        ),
                    )
                    .with_attribute(name),
                );
            }
        }
    }
    diagnostics
}
