//! Shared parts of the resources that manage a setting of a bucket.
//!
//! They all have the arguments `bucket`, `region` and `timeouts` and the attribute `id`: this module plans
//! and checks them, and derives request targets, import IDs and identities from them. `setting` is what differs, `resource`
//! what does not, `write` how a setting is created and updated.

mod history;
mod resource;
mod setting;
mod write;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::oss::{BucketName, CallOptions, Client, Error, Region};
use crate::resources::{Context, explain};
use crate::tfplugin::{
    Attribute, AttributePath, AttributeValue, Block, Diagnostic, Diagnostics, ImportTarget,
    NestedBlock, Object, ObjectId, Plan, PlanRequest, RESTORE_STATE, Schema, Value, parse_duration,
};

pub use history::{History, LastChange};
pub use resource::SettingResource;
pub use setting::BucketSetting;
pub use write::{create, update};

/// The operations that have a timeout.
pub const OPERATIONS: [&str; 4] = ["create", "read", "update", "delete"];

/// The delay before the second read of a setting that does not exist.
const CONFIRMATION_DELAY: Duration = Duration::from_millis(250);

/// What else to report if OSS did not respond to a change or deletion.
const OUTCOME_UNKNOWN_NOTE: &str = "OSS may have applied the change anyway. The state is unchanged; the next \
     plan reads the bucket and shows any remaining difference.";

/// A method of the client for a setting of a bucket, such as [`Client::get_bucket_encryption`].
pub trait ClientCall<T>:
    AsyncFn(&Client, &BucketName, &CallOptions) -> Result<T, Error> + Send + Sync
{
}

impl<T, F> ClientCall<T> for F where
    F: AsyncFn(&Client, &BucketName, &CallOptions) -> Result<T, Error> + Send + Sync
{
}

/// The bucket that a state describes, with everything a request to it needs.
#[derive(Debug)]
pub struct BucketTarget<'a> {
    /// The client of the configured provider.
    pub client: &'a Client,
    /// The bucket of the state.
    pub bucket: BucketName,
    /// The region of the state, the deadline of the operation and its cancellation.
    pub call: CallOptions,
    object_id: ObjectId,
    history: &'a History,
}

impl<'a> BucketTarget<'a> {
    /// Reads the bucket, the region and the timeout of `operation` from a state.
    ///
    /// # Errors
    ///
    /// Unknown values, a bucket or region that is not valid, or a provider that is not fully configured.
    pub fn from_state(
        context: &'a Context,
        state: &Object,
        operation: &str,
    ) -> Result<Self, Diagnostic> {
        check_known(state)?;
        let (client, history) = context.provider_data.parts()?;
        let invalid = |name: &str, reason: &dyn std::fmt::Display| {
            let text = state.string(name).known().unwrap_or_default();
            Diagnostic::error(
                format!("Invalid {name}"),
                format!(
                    "The {name} {text:?} in the state {reason}. No configuration with this value is \
                     valid, so the state is corrupted. {RESTORE_STATE}"
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
        let call = CallOptions {
            region,
            cancellation: context.cancellation.clone(),
            ..CallOptions::with_timeout(timeout(state, operation))
        };
        Ok(Self { client, bucket, call, object_id: context.object_id.clone(), history })
    }

    /// Reads the setting; the request can be retried in another region. `None` if the bucket or the setting
    /// does not exist.
    ///
    /// OSS is eventually consistent: right after a write a read may still miss the setting. What is removed
    /// from the state is never deleted, so "does not exist" counts only if a second read returns it too.
    ///
    /// # Errors
    ///
    /// Explains why the setting could not be read.
    pub async fn read<S: BucketSetting>(&self) -> Result<Option<S>, Diagnostic> {
        for is_confirmed in [false, true] {
            match self.follow_redirect(S::get).await {
                Ok(setting) => return Ok(Some(setting)),
                Err(error) if error.is_not_found() && is_confirmed => {
                    tracing::warn!(bucket = self.bucket.as_str(), "{error}; removing from state");
                }
                Err(error) if error.is_not_found() => {
                    // A cancellation or the deadline ends the second read instead.
                    tokio::select! {
                        () = self.call.cancellation.cancelled() => {}
                        () = sleep(CONFIRMATION_DELAY) => {}
                    }
                }
                Err(error) => return Err(explain::call_error(&error)),
            }
        }
        Ok(None)
    }

    /// Reads the setting in the region of the state. `None` if the bucket or the setting does not exist.
    async fn get<S: BucketSetting>(&self) -> Result<Option<S>, Error> {
        match S::get(self.client, &self.bucket, &self.call).await {
            Ok(setting) => Ok(Some(setting)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the setting; the request can be retried in another region. Returns a warning if the setting was kept,
    /// because it was set for another object in the same run.
    ///
    /// # Errors
    ///
    /// Explains why the setting could not be deleted, and whether OSS may have deleted it anyway.
    pub async fn delete<S: BucketSetting>(&self) -> Result<Diagnostics, Diagnostic> {
        let mut last_change = self.lock::<S>().await?;
        if matches!(&*last_change, LastChange::Set(object_id) if *object_id != self.object_id) {
            return Ok(write::kept::<S>(&self.bucket).into());
        }
        match self.follow_redirect(S::delete).await {
            Ok(()) => {
                *last_change = LastChange::Deleted;
                Ok(Diagnostics::new())
            }
            Err(error) if error.may_have_taken_effect => {
                *last_change = LastChange::Deleted;
                Err(explain::call_error(&error).with_paragraph(OUTCOME_UNKNOWN_NOTE))
            }
            Err(error) => Err(explain::call_error(&error)),
        }
    }

    /// Waits until no other operation of this run changes the setting, or until the deadline.
    async fn lock<S: BucketSetting>(
        &self,
    ) -> Result<tokio::sync::OwnedMutexGuard<LastChange>, Diagnostic> {
        let lock = self.history.lock(S::TYPE_NAME, &self.bucket);
        tokio::time::timeout_at(self.call.deadline, lock)
            .await
            .map_err(|_| write::not_locked::<S>(&self.bucket))
    }

    /// Makes a call, and retries it in the region that OSS redirects to, unless the state has a region. The
    /// provider's region may have changed since the state was written, and users cannot edit a state.
    ///
    /// Returns the error of the last call, or of the first one if the other region does not respond.
    ///
    /// # Errors
    ///
    /// The error of the client, also if the bucket or the setting does not exist.
    pub async fn follow_redirect<T>(&self, call: impl ClientCall<T>) -> Result<T, Error> {
        let error = match call(self.client, &self.bucket, &self.call).await {
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
        let options = CallOptions { region: Some(region), ..self.call.clone() };
        match call(self.client, &self.bucket, &options).await {
            Err(other) if other.is_unresponsive() => Err(error),
            result => result,
        }
    }
}

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

/// The timeout of an operation: from the `timeouts` block, or the documented default.
#[must_use]
pub fn timeout(state: &Object, operation: &str) -> Duration {
    configured_timeout(state, operation).unwrap_or_else(|| default_timeout(operation))
}

fn default_timeout(operation: &str) -> Duration {
    if operation == "read" { Duration::from_mins(1) } else { Duration::from_mins(5) }
}

fn configured_timeout(state: &Object, operation: &str) -> Option<Duration> {
    let timeouts = state.block("timeouts").known()?;
    timeouts.string(operation).known().and_then(parse_duration)
}

/// When an operation that starts now must have ended: after the timeout in the `timeouts` block, or else after
/// `default`.
#[must_use]
pub fn deadline(state: &Object, operation: &str, default: Duration) -> Instant {
    Instant::now() + configured_timeout(state, operation).unwrap_or(default)
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
        is_repeatable: false,
    }
}

/// The `timeouts` block of a data source, with the description of `read`.
#[must_use]
pub fn read_timeout_block(description: &'static str) -> NestedBlock {
    NestedBlock {
        name: "timeouts",
        block: Block {
            description: "Maximum duration, including retries, for example `30s`, `5m` or `1h30m`.",
            attributes: vec![Attribute::optional("read", description)],
            blocks: Vec::new(),
        },
        is_repeatable: false,
    }
}

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

/// Checks the durations in `timeouts`, if they are known.
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
    fn timeouts_are_configured_or_the_documented_defaults() {
        let minutes = |state: &Object| {
            ["create", "read", "update", "delete"]
                .map(|operation| timeout(state, operation).as_secs() / 60)
        };
        assert_eq!(minutes(&Object::new()), [5, 1, 5, 5]);
        let timeouts = Object::new().with("create", "9m").with("read", Value::Null);
        assert_eq!(minutes(&Object::new().with("timeouts", timeouts)), [9, 1, 5, 5]);
    }
}
