//! Checks the known values of a configuration. Each mistake is reported once, at the offending argument. Pure.

use crate::oss::SseAlgorithm;
use crate::resources::bucket::{self, non_empty_string};
use crate::tfplugin::{AttributeValue, Diagnostic, Diagnostics, Object};

const ALGORITHMS: &str = "`AES256`, `KMS` or `SM4`";

pub(super) fn validate(config: &Object) -> Diagnostics {
    bucket::validate(config, &[("sse_algorithm", ALGORITHMS)], validate_rule)
}

fn validate_rule(config: &Object) -> Diagnostics {
    let mut diagnostics = validate_algorithm(config);
    diagnostics.extend(validate_key(config));
    diagnostics.extend(validate_data_encryption(config));
    diagnostics.extend(validate_kms_only(config));
    diagnostics
}

fn algorithm(config: &Object) -> AttributeValue<SseAlgorithm> {
    config.string("sse_algorithm").map(SseAlgorithm::from)
}

fn validate_algorithm(config: &Object) -> Diagnostics {
    let AttributeValue::Known(SseAlgorithm::Other(name)) = algorithm(config) else {
        return Diagnostics::new();
    };
    let upper = name.to_uppercase();
    let hint = match SseAlgorithm::from(upper.as_str()) {
        SseAlgorithm::Other(_) => String::new(),
        _ => format!(" Use uppercase: `{upper}`."),
    };
    let detail = format!("`sse_algorithm` must be {ALGORITHMS}; got {name:?}.{hint}");
    Diagnostic::error("Invalid encryption algorithm", detail).with_attribute("sse_algorithm").into()
}

fn validate_key(config: &Object) -> Diagnostics {
    let key = config.string("kms_master_key_id").known().unwrap_or_default();
    if !key.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Diagnostics::new();
    }
    // Not repeated, because the ID may be sensitive.
    let detail = "`kms_master_key_id` must not contain whitespace or control characters. Use the key ID as \
                  shown in the KMS console.";
    Diagnostic::error("Invalid KMS key ID", detail).with_attribute("kms_master_key_id").into()
}

fn validate_data_encryption(config: &Object) -> Diagnostics {
    // Without KMS, no value is valid, see `validate_kms_only`.
    let is_kms = !matches!(
        algorithm(config),
        AttributeValue::Known(SseAlgorithm::Aes256 | SseAlgorithm::Sm4)
    );
    let cipher = config.string("kms_data_encryption").known().unwrap_or_default();
    if !is_kms || matches!(cipher, "" | "SM4") {
        return Diagnostics::new();
    }
    let detail = format!(
        "`kms_data_encryption` must be `SM4`; got {cipher:?}. For AES-256 data keys, omit it."
    );
    let error = Diagnostic::error("Invalid data encryption", detail);
    error.with_attribute("kms_data_encryption").into()
}

/// Checks that the arguments of KMS are used only with KMS.
fn validate_kms_only(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let AttributeValue::Known(algorithm @ (SseAlgorithm::Aes256 | SseAlgorithm::Sm4)) =
        algorithm(config)
    else {
        return diagnostics;
    };
    for name in ["kms_master_key_id", "kms_data_encryption"] {
        if non_empty_string(config, name).is_some() {
            let detail = format!(
                "`{name}` is only valid with `sse_algorithm = \"KMS\"`, not with {algorithm}. Remove it, or \
                 use KMS."
            );
            let error = Diagnostic::error("Invalid argument combination", detail);
            diagnostics.push(error.with_attribute(name));
        }
    }
    diagnostics
}
