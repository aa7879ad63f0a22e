//! States of a setting: how they are planned, imported and identified. Pure.

use crate::oss::{BucketName, Region};
use crate::tfplugin::{
    Attribute, AttributePath, Block, Diagnostic, ImportTarget, Object, Plan, PlanRequest, Schema,
    Value,
};

/// The planned state of a setting: the configuration with the bucket name as `id`. `region` and the
/// arguments in `optional`, which must be computed, keep their prior value where it means the same as the
/// configured one. Another bucket requires a replacement.
#[must_use]
pub fn plan(request: &PlanRequest<'_>, optional: &[&str]) -> Plan {
    let PlanRequest { prior_state, config } = *request;
    let mut planned_state = config.clone();
    planned_state.set("id", config.get("bucket").clone());
    let Some(prior_state) = prior_state else {
        return Plan { planned_state, requires_replace: Vec::new() };
    };
    for name in optional.iter().copied().chain(["region"]) {
        if keeps_prior_unset(prior_state.get(name), config.get(name)) {
            planned_state.set(name, prior_state.get(name).clone());
        }
    }
    let is_other_bucket = prior_state.get("bucket") != config.get("bucket");
    let requires_replace =
        if is_other_bucket { vec![AttributePath::root("bucket")] } else { Vec::new() };
    Plan { planned_state, requires_replace }
}

/// Whether the prior value and the configured one both mean "not set", so that keeping the prior one shows
/// no difference. Terraform rejects a planned null for a configured value, even for `""`.
fn keeps_prior_unset(prior: &Value, configured: &Value) -> bool {
    let may_keep = *prior != Value::Null || *configured == Value::Null;
    may_keep && is_unset(prior) && is_unset(configured)
}

/// Whether a value is null or an empty string, which mean the same to OSS.
#[must_use]
pub fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether two states have the same bucket and region.
#[must_use]
pub fn is_same_bucket(one: &Object, other: &Object) -> bool {
    ["bucket", "region"]
        .into_iter()
        .all(|name| non_empty_string(one, name) == non_empty_string(other, name))
}

/// The state of a setting of which only the bucket and its region are known. An unset region is `""`, which
/// fits configurations with and without the argument.
#[must_use]
pub fn bare_state(bucket: &str, region: Option<&str>) -> Object {
    Object::new()
        .with("bucket", bucket)
        .with("region", region.unwrap_or_default())
        .with("id", bucket)
        .with("timeouts", Value::Null)
}

/// A string attribute that is known and not empty; OSS treats an empty value as absent.
#[must_use]
pub fn non_empty_string<'a>(state: &'a Object, name: &str) -> Option<&'a str> {
    state.string(name).known().filter(|text| !text.is_empty())
}

/// Rejects an object with unknown values, because a request built from it could affect another bucket.
///
/// # Errors
///
/// Reports the first unknown attribute.
pub fn check_known(object: &Object) -> Result<(), Diagnostic> {
    let is_unknown = |value: &Value| match value {
        Value::Object(block) => block.iter().any(|(_, value)| *value == Value::Unknown),
        value => *value == Value::Unknown,
    };
    let Some((name, _)) = object.iter().find(|(_, value)| is_unknown(value)) else { return Ok(()) };
    let detail = format!(
        "`{name}` is unknown, but this request requires a known value. This is a bug in Terraform or \
         OpenTofu, not in your configuration."
    );
    Err(Diagnostic::error("Unknown value", detail).with_attribute(name))
}

/// The identity (bucket, region) of a setting, or `None` while a part of it is unknown.
#[must_use]
pub fn identity(state: &Object) -> Option<Object> {
    let bucket = non_empty_string(state, "bucket")?;
    if *state.get("region") == Value::Unknown {
        return None;
    }
    Some(Object::new().with("bucket", bucket).with("region", non_empty_string(state, "region")))
}

/// The state of the bucket that an import names as `bucket`, `bucket@region` or an identity, without the
/// setting.
///
/// # Errors
///
/// Unknown values, or a bucket or region that is not valid.
pub fn state_from_import(target: ImportTarget<'_>) -> Result<Object, Diagnostic> {
    let (bucket, region) = match target {
        ImportTarget::Id(id) => match id.split_once('@') {
            Some((bucket, region)) => (bucket, Some(region)),
            None => (id, None),
        },
        ImportTarget::Identity(identity) => {
            check_known(identity)?;
            (
                non_empty_string(identity, "bucket").unwrap_or_default(),
                non_empty_string(identity, "region"),
            )
        }
    };
    let invalid = |what: &str, reason: &dyn std::fmt::Display| match target {
        ImportTarget::Id(id) => Diagnostic::error(
            "Invalid import ID",
            format!(
                "The {what} in import ID {id:?} {reason}. Use the bucket name, for example `my-bucket`, \
                 or `my-bucket@cn-shanghai` if the bucket is not in the provider's region."
            ),
        ),
        ImportTarget::Identity(_) => Diagnostic::error(
            "Invalid identity",
            format!(
                "The {what} in the import identity {reason}; got {:?}. Use for example `identity = {{ bucket \
                 = \"my-bucket\" }}`, and add `region = \"cn-shanghai\"` if the bucket is not in the \
                 provider's region.",
                if what == "region" { region.unwrap_or_default() } else { bucket },
            ),
        ),
    };
    BucketName::parse(bucket).map_err(|error| invalid("bucket name", &error))?;
    if let Some(region) = region {
        Region::parse(region).map_err(|error| invalid("region", &error))?;
    }
    Ok(bare_state(bucket, region))
}

/// The schema of [`identity`]. Bucket names are globally unique; the region only decides where requests are
/// sent.
#[must_use]
pub fn identity_schema() -> Schema {
    Schema {
        version: 0,
        block: Block {
            attributes: vec![
                Attribute::required("bucket", "Name of the bucket."),
                Attribute::optional(
                    "region",
                    "Region of the bucket. Defaults to the provider's region.",
                ),
            ],
            ..Block::default()
        },
    }
}
