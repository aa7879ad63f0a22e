//! Checks the arguments that every setting of a bucket has. Pure.

use super::{non_empty_string, validate_timeouts};
use crate::oss::{BucketName, Region};
use crate::tfplugin::{Diagnostic, Diagnostics, Object, Value};

/// Checks the known values of a configuration: the required arguments `bucket` and those in `required`, each
/// with a description of its values; `bucket` and `region`; with `validate_setting`, the arguments of the
/// setting; and `timeouts`.
#[must_use]
pub fn validate(
    config: &Object,
    required: &[(&str, &str)],
    validate_setting: impl Fn(&Object) -> Diagnostics,
) -> Diagnostics {
    let mut diagnostics = validate_required(config, "bucket", "the name of a bucket");
    for (name, values) in required {
        diagnostics.extend(validate_required(config, name, values));
    }
    diagnostics.extend(validate_bucket(config));
    diagnostics.extend(validate_region(config));
    diagnostics.extend(validate_setting(config));
    diagnostics.extend(validate_timeouts(config));
    diagnostics
}

/// Checks that a required argument is not null, which Terraform allows, for example from a variable without
/// a value.
fn validate_required(config: &Object, name: &str, values: &str) -> Diagnostics {
    if *config.get(name) != Value::Null {
        return Diagnostics::new();
    }
    let detail = format!("`{name}` is null. Set it to {values}.");
    Diagnostic::error("Missing argument", detail).with_attribute(name).into()
}

fn validate_bucket(config: &Object) -> Diagnostics {
    let Some(bucket) = config.string("bucket").known() else { return Diagnostics::new() };
    let Err(error) = BucketName::parse(bucket) else { return Diagnostics::new() };
    let detail = format!("`bucket` {error}; got {bucket:?}.");
    Diagnostic::error("Invalid bucket name", detail).with_attribute("bucket").into()
}

/// Checks the syntax of `region`, if it is known.
#[must_use]
pub fn validate_region(config: &Object) -> Diagnostics {
    let Some(region) = non_empty_string(config, "region") else { return Diagnostics::new() };
    let Err(error) = Region::parse(region) else { return Diagnostics::new() };
    let detail = format!("`region` {error}; got {region:?}.");
    Diagnostic::error("Invalid region", detail).with_attribute("region").into()
}
