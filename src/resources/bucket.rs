//! What the resources for the settings of a bucket share: the bucket, region and timeout in their states,
//! redirects to the bucket's region, import IDs, identities and checks of these arguments.

use std::time::Duration;

use tokio::time::Instant;

use crate::oss::{BucketName, CallOptions, Client, Error, Region};
use crate::resources::ProviderData;
use crate::tfplugin::{
    Attribute, AttributePath, AttributeValue, Block, Context, Diagnostic, Diagnostics,
    ImportTarget, NestedBlock, Object, RESTORE_STATE, Schema, Value, parse_duration,
};

/// The operations that have a timeout.
const OPERATIONS: [&str; 4] = ["create", "read", "update", "delete"];

/// The bucket that a state describes, with everything a request to it needs.
#[derive(Debug)]
pub struct BucketTarget<'a> {
    /// The client of the configured provider.
    pub client: &'a Client,
    /// The bucket of the state.
    pub bucket: BucketName,
    /// The region of the state, the deadline of the operation and its cancellation.
    pub call: CallOptions,
}

impl<'a> BucketTarget<'a> {
    /// Reads the bucket, the region and the timeout of `operation` from a state.
    ///
    /// # Errors
    ///
    /// Unknown values, a bucket or region that is not valid, or a provider that is not fully configured.
    pub fn from_state(
        context: &'a Context<ProviderData>,
        state: &Object,
        operation: &str,
    ) -> Result<Self, Diagnostic> {
        check_known(state)?;
        let client = context.client.client()?;
        let invalid = |name: &str, reason: &dyn std::fmt::Display| {
            let text = state.string(name).known().unwrap_or_default();
            Diagnostic::error(
                format!("Invalid {name}"),
                format!(
                    "The {name} {text:?} in the state {reason}. No configuration is let through with \
                     it, so the state is broken. {RESTORE_STATE}"
                ),
            )
            .with_attribute(name)
        };
        let bucket = state.string("bucket").known().unwrap_or_default();
        let bucket = BucketName::parse(bucket).map_err(|error| invalid("bucket", &error))?;
        let region = non_empty_string(state, "region")
            .map(Region::parse)
            .transpose()
            .map_err(|error| invalid("region", &error))?;
        let deadline = Instant::now() + timeout(state, operation);
        let cancellation = context.cancellation.clone();
        Ok(Self { client, bucket, call: CallOptions { region, deadline, cancellation } })
    }

    /// Makes a call, and repeats it in the region that OSS redirects to, unless the state itself names a
    /// region. The provider's region may have changed since the state was written, and users cannot edit
    /// a state.
    ///
    /// # Errors
    ///
    /// The error of the last call; the first one's if the other region does not respond.
    pub async fn follow_redirect<T, F>(&self, call: impl Fn(CallOptions) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let error = match call(self.call.clone()).await {
            Err(error) if self.call.region.is_none() => error,
            result => return result,
        };
        let region = error.redirect_region().filter(|region| {
            self.client.can_reach_region(region) && region.as_str() != error.region
        });
        let Some(region) = region else { return Err(error) };
        tracing::info!(
            bucket = self.bucket.as_str(),
            region = region.as_str(),
            "bucket is in another region; retrying there",
        );
        match call(CallOptions { region: Some(region), ..self.call.clone() }).await {
            Err(other) if other.is_unresponsive() => Err(error),
            result => result,
        }
    }
}

/// A string attribute that is known and not empty; OSS treats an empty value as absent.
#[must_use]
pub fn non_empty_string<'a>(state: &'a Object, name: &str) -> Option<&'a str> {
    state.string(name).known().filter(|text| !text.is_empty())
}

/// Refuses an object with unknown values, since a request built from it could target something else.
///
/// # Errors
///
/// Names the first unknown attribute.
pub fn check_known(object: &Object) -> Result<(), Diagnostic> {
    let is_unknown = |value: &Value| match value {
        Value::Object(block) => block.iter().any(|(_, value)| *value == Value::Unknown),
        value => *value == Value::Unknown,
    };
    let Some((name, _)) = object.iter().find(|(_, value)| is_unknown(value)) else { return Ok(()) };
    let detail = format!(
        "`{name}` is not known, although Terraform asks for a call that needs it. This is a bug in the \
         caller of the provider."
    );
    Err(Diagnostic::error("Unknown value", detail).with_attribute(name))
}

/// The timeout of an operation: from the `timeouts` block, or the documented default.
#[must_use]
pub fn timeout(state: &Object, operation: &str) -> Duration {
    let configured = state
        .block("timeouts")
        .known()
        .and_then(|timeouts| timeouts.string(operation).known())
        .and_then(parse_duration);
    let default = if operation == "read" { Duration::from_mins(1) } else { Duration::from_mins(5) };
    configured.unwrap_or(default)
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

/// The bucket and region that an import names as `bucket`, `bucket@region` or an identity.
///
/// # Errors
///
/// Unknown values, or a bucket or region that is not valid.
pub fn parse_import(target: ImportTarget<'_>) -> Result<(&str, Option<&str>), Diagnostic> {
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
            "Invalid import id",
            format!(
                "The {what} in the import id {id:?} {reason}. Write the name of the bucket, for \
                 example `my-bucket`, or `my-bucket@cn-shanghai` when it is not in the provider's \
                 region."
            ),
        ),
        ImportTarget::Identity(_) => Diagnostic::error(
            "Invalid identity",
            format!(
                "The {what} in the identity of the import {reason}; got {:?}. Write for example `identity \
                 = {{ bucket = \"my-bucket\" }}`, with `region = \"cn-shanghai\"` beside it when the \
                 bucket is not in the provider's region.",
                if what == "region" { region.unwrap_or_default() } else { bucket },
            ),
        ),
    };
    BucketName::parse(bucket).map_err(|error| invalid("bucket name", &error))?;
    if let Some(region) = region {
        Region::parse(region).map_err(|error| invalid("region", &error))?;
    }
    Ok((bucket, region))
}

/// The identity of a bucket setting. Bucket names are globally unique; the region says where requests are
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

/// The `timeouts` block, with the descriptions of `create`, `read`, `update` and `delete`.
#[must_use]
pub fn timeouts_block(descriptions: [&'static str; 4]) -> NestedBlock {
    let attributes = OPERATIONS.into_iter().zip(descriptions);
    NestedBlock {
        name: "timeouts",
        block: Block {
            description: "Maximum duration of each operation, including retries, for example `30s`, `5m` or \
                `1h30m`.",
            attributes: attributes
                .map(|(operation, description)| Attribute::optional(operation, description))
                .collect(),
            blocks: Vec::new(),
        },
    }
}

/// Checks that a required argument is set: Terraform accepts null for one, such as a variable without a
/// value. `what` says what to set it to.
#[must_use]
pub fn validate_required(config: &Object, name: &str, what: &str) -> Diagnostics {
    if *config.get(name) != Value::Null {
        return Diagnostics::new();
    }
    let detail = format!("`{name}` is null. Set it to {what}.");
    Diagnostic::error("Missing argument", detail).with_attribute(name).into()
}

/// Checks the syntax of `bucket`, if it is known.
#[must_use]
pub fn validate_bucket(config: &Object) -> Diagnostics {
    let Some(bucket) = config.string("bucket").known() else { return Diagnostics::new() };
    let Err(error) = BucketName::parse(bucket) else { return Diagnostics::new() };
    let detail = format!("The name of a bucket {error}; got {bucket:?}.");
    Diagnostic::error("Invalid bucket name", detail).with_attribute("bucket").into()
}

/// Checks the syntax of `region`, if it is known.
#[must_use]
pub fn validate_region(config: &Object) -> Diagnostics {
    let Some(region) = non_empty_string(config, "region") else { return Diagnostics::new() };
    let Err(error) = Region::parse(region) else { return Diagnostics::new() };
    let detail = format!("The region {error}; got {region:?}.");
    Diagnostic::error("Invalid region", detail).with_attribute("region").into()
}

/// Checks the durations in the `timeouts` block.
#[must_use]
pub fn validate_timeouts(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let AttributeValue::Known(timeouts) = config.block("timeouts") else { return diagnostics };
    for operation in OPERATIONS {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_those_of_the_block_or_the_documented_defaults() {
        let minutes = |state: &Object| {
            ["create", "read", "update", "delete"]
                .map(|operation| timeout(state, operation).as_secs() / 60)
        };
        assert_eq!(minutes(&Object::new()), [5, 1, 5, 5]);
        let timeouts = Object::new().with("create", "9m").with("read", Value::Null);
        assert_eq!(minutes(&Object::new().with("timeouts", timeouts)), [9, 1, 5, 5]);
    }
}
