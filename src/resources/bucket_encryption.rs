//! `oss_bucket_encryption`: the default server-side encryption of a bucket.
//!
//! State and plan decisions are pure; calls go through [`Client`]; wording about failed calls
//! is in `explain.rs`.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::oss::{
    BucketName, Call, Client, EncryptionRule, Error, ErrorKind, Region, SseAlgorithm,
};
use crate::tfplugin::{
    Attr, Attribute, AttributePath, Block, BoxFuture, Context, Diagnostic, Diagnostics,
    NestedBlock, Object, Outcome, Plan, PlanRequest, Resource, Schema, Value, parse_duration,
};

use super::Connection;
use super::explain;

/// The first pause between two reads while a write is not visible yet; it doubles up to the second.
const VISIBILITY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What Terraform does with an object whose creation failed half-way.
const TAINTED: &str = "\n\nThe rule may be in place, so the resource is kept in the state. Terraform \
     marks it as tainted and would remove and set the rule again; if the bucket's rule is right, \
     `terraform untaint` with the address of the resource avoids that.";

const ALGORITHMS: &str = "`AES256`, `KMS` or `SM4`";

/// The resource type. It has no state of its own.
#[derive(Debug)]
pub(super) struct BucketEncryption;

impl Resource<Connection> for BucketEncryption {
    fn type_name(&self) -> &'static str {
        "oss_bucket_encryption"
    }

    fn schema(&self) -> Schema {
        Schema {
            version: 0,
            block: Block {
                description: "The default server-side encryption of an OSS bucket: how objects are \
                    encrypted that are uploaded without encryption headers of their own. Existing \
                    objects are not re-encrypted. Destroying the resource removes the rule; the \
                    bucket and its objects stay as they are.",
                attributes: vec![
                    Attribute::required(
                        "bucket",
                        "Name of the bucket. Changing it replaces the resource.",
                    ),
                    Attribute::required(
                        "sse_algorithm",
                        "How new objects are encrypted: `AES256` (keys that OSS manages), `KMS` \
                         (keys of the Key Management Service) or `SM4` (keys that OSS manages, with \
                         the SM4 cipher).",
                    ),
                    // Computed as well, so that a state may keep `""` when the argument is removed.
                    Attribute::optional_computed(
                        "kms_master_key_id",
                        "Id of the customer master key to use with `sse_algorithm = \"KMS\"`. Not set or \
                         empty: the key that OSS manages in KMS. OSS does not check the id here: a \
                         wrong one is noticed at the next upload.",
                    ),
                    Attribute::optional_computed(
                        "kms_data_encryption",
                        "Cipher of the data keys with `sse_algorithm = \"KMS\"`: `SM4`. Not set: AES-256.",
                    ),
                    Attribute::optional(
                        "region",
                        "Region of the bucket, for example `cn-hangzhou`, when it is not the \
                         provider's region.",
                    ),
                    Attribute::computed("id", "Name of the bucket."),
                ],
                blocks: vec![NestedBlock {
                    name: "timeouts",
                    block: Block {
                        description: "How long an operation may take, retries included.",
                        attributes: vec![
                            Attribute::optional("create", "For example `30s`. Default `5m`."),
                            Attribute::optional("read", "For example `30s`. Default `1m`."),
                            Attribute::optional("update", "For example `30s`. Default `5m`."),
                            Attribute::optional("delete", "For example `30s`. Default `5m`."),
                        ],
                        blocks: Vec::new(),
                    },
                }],
            },
        }
    }

    fn validate(&self, config: &Object) -> Diagnostics {
        let mut diagnostics = validate_required(config);
        diagnostics.extend(validate_bucket(config));
        diagnostics.extend(validate_region(config));
        diagnostics.extend(validate_rule(config));
        diagnostics.extend(validate_timeouts(config));
        diagnostics
    }

    fn plan(&self, request: &PlanRequest<'_>) -> Plan {
        let PlanRequest { prior_state, config } = *request;
        let mut planned_state = config.clone();
        planned_state.set("id", config.get("bucket").clone());
        let Some(prior_state) = prior_state else {
            return Plan { planned_state, requires_replace: Vec::new() };
        };
        for name in ["kms_master_key_id", "kms_data_encryption"] {
            if keeps_prior_spelling(prior_state.get(name), config.get(name)) {
                planned_state.set(name, prior_state.get(name).clone());
            }
        }
        let moved = prior_state.get("bucket") != config.get("bucket");
        let requires_replace = if moved { vec![AttributePath::root("bucket")] } else { Vec::new() };
        Plan { planned_state, requires_replace }
    }

    fn create<'a>(
        &'a self,
        context: &'a Context<Connection>,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match Target::read(context, &planned_state, "create") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            match target.write(&rule(&planned_state)).await {
                Ok(()) => Outcome::state(planned_state),
                Err(Failure { diagnostic, may_have_changed: false, .. }) => {
                    Outcome::failed(None, diagnostic)
                }
                Err(Failure { mut diagnostic, .. }) => {
                    diagnostic.detail.push_str(TAINTED);
                    Outcome::failed(Some(planned_state), diagnostic)
                }
            }
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a Context<Connection>,
        current_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match Target::read(context, &current_state, "read") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(current_state), diagnostic),
            };
            match target.client.get_bucket_encryption(&target.bucket, &target.call).await {
                Ok(rule) => Outcome::state(with_rule(current_state, &target.bucket, &rule)),
                Err(error) if error.is_not_found() => {
                    tracing::warn!(bucket = target.bucket.as_str(), "{error}; removing from state");
                    Outcome::gone()
                }
                Err(error) => Outcome::failed(Some(current_state), explain::failed_call(&error)),
            }
        })
    }

    fn update<'a>(
        &'a self,
        context: &'a Context<Connection>,
        prior_state: Object,
        planned_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let written = rule(&planned_state);
            let same_place = text(&prior_state, "region") == text(&planned_state, "region");
            if same_place && rule(&prior_state) == written {
                // Only timeouts, or the spelling of "no key", have changed: nothing for OSS to do.
                return Outcome::state(planned_state);
            }
            let target = match Target::read(context, &planned_state, "update") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(prior_state), diagnostic),
            };
            match target.write(&written).await {
                Ok(()) => Outcome::state(planned_state),
                Err(failure) => {
                    let state = if failure.was_accepted { planned_state } else { prior_state };
                    Outcome::failed(Some(state), failure.diagnostic)
                }
            }
        })
    }

    fn delete<'a>(
        &'a self,
        context: &'a Context<Connection>,
        prior_state: Object,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = match Target::read(context, &prior_state, "delete") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(Some(prior_state), diagnostic),
            };
            match target.client.delete_bucket_encryption(&target.bucket, &target.call).await {
                Ok(_) => Outcome::gone(),
                Err(error) => Outcome::failed(Some(prior_state), explain::failed_call(&error)),
            }
        })
    }

    fn import<'a>(
        &'a self,
        context: &'a Context<Connection>,
        id: &'a str,
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let state = match imported_state(id) {
                Ok(state) => state,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            let target = match Target::read(context, &state, "read") {
                Ok(target) => target,
                Err(diagnostic) => return Outcome::failed(None, diagnostic),
            };
            // Terraform reads again after this; but about a missing rule it could only say that
            // the object does not exist.
            match target.client.get_bucket_encryption(&target.bucket, &target.call).await {
                Ok(rule) => Outcome::state(with_rule(state, &target.bucket, &rule)),
                Err(error) => Outcome::failed(None, explain::failed_import(&error)),
            }
        })
    }
}

/// What an import id says: `bucket` or `bucket@region`.
fn imported_state(id: &str) -> Result<Object, Diagnostic> {
    let (bucket, region) = match id.split_once('@') {
        Some((bucket, region)) => (bucket, Some(region)),
        None => (id, None),
    };
    let invalid = |what: &str, reason: &dyn std::fmt::Display| {
        Diagnostic::error(
            "Invalid import id",
            format!(
                "The {what} in the import id {id:?} {reason}. Write the name of the bucket, for \
                 example `my-bucket`, or `my-bucket@cn-shanghai` when it is not in the provider's \
                 region."
            ),
        )
    };
    BucketName::parse(bucket).map_err(|error| invalid("bucket name", &error))?;
    if let Some(region) = region {
        Region::parse(region).map_err(|error| invalid("region", &error))?;
    }
    Ok(Object::new()
        .with("bucket", bucket)
        .with("sse_algorithm", Value::Null)
        // How the configuration spells "not set" is not known, and this fits both ways.
        .with("kms_master_key_id", "")
        .with("kms_data_encryption", "")
        .with("region", region)
        .with("id", bucket)
        .with("timeouts", Value::Null))
}

/// The bucket that a state describes, with everything that a call about it needs.
struct Target<'a> {
    client: &'a Client,
    bucket: BucketName,
    call: Call,
}

/// A write that did not end well.
struct Failure {
    diagnostic: Diagnostic,
    /// OSS answered that the rule is set; only reading it back failed.
    was_accepted: bool,
    /// The bucket's rule may be another one than before.
    may_have_changed: bool,
}

impl<'a> Target<'a> {
    /// Reads bucket, region and time limit from a state.
    fn read(
        context: &'a Context<Connection>,
        state: &Object,
        operation: &str,
    ) -> Result<Self, Diagnostic> {
        let client = context.client.client()?;
        let invalid = |name: &str, reason: &dyn std::fmt::Display| {
            let text = state.string(name).known().unwrap_or_default();
            Diagnostic::error(
                format!("Invalid {name}"),
                format!("The {name} {text:?} in the state {reason}."),
            )
            .at_attribute(name)
        };
        let bucket = state.string("bucket").known().unwrap_or_default();
        let bucket = BucketName::parse(bucket).map_err(|error| invalid("bucket", &error))?;
        let region = text(state, "region")
            .map(Region::parse)
            .transpose()
            .map_err(|error| invalid("region", &error))?;
        let deadline = Instant::now() + time_limit(state, operation);
        let cancellation = context.stop.clone();
        Ok(Self { client, bucket, call: Call { region, deadline, cancellation } })
    }

    /// Sets the rule, then reads until it is visible: OSS is eventually consistent.
    async fn write(&self, rule: &EncryptionRule) -> Result<(), Failure> {
        self.client.put_bucket_encryption(&self.bucket, rule, &self.call).await.map_err(
            |error| Failure {
                diagnostic: explain::failed_call(&error),
                was_accepted: false,
                may_have_changed: error.may_have_taken_effect,
            },
        )?;
        self.wait_until_visible(rule).await.map_err(|diagnostic| Failure {
            diagnostic,
            was_accepted: true,
            may_have_changed: true,
        })
    }

    async fn wait_until_visible(&self, written: &EncryptionRule) -> Result<(), Diagnostic> {
        let (mut wait, longest) = VISIBILITY_WAIT;
        loop {
            let found = match self.client.get_bucket_encryption(&self.bucket, &self.call).await {
                Ok(rule) if rule == *written => return Ok(()),
                Ok(rule) => rule.to_string(),
                Err(error) if error.is_not_found() => "no rule".to_owned(),
                Err(error) => return Err(self.not_verified(written, &error)),
            };
            let resume = Instant::now() + wait;
            if resume >= self.call.deadline {
                return Err(self.not_visible(written, &found));
            }
            tokio::select! {
                biased;
                () = self.call.cancellation.cancelled() => {
                    return Err(self.not_waited_for(written, &found));
                }
                () = sleep_until(resume) => {}
            }
            wait = (wait * 2).min(longest);
        }
    }

    fn not_visible(&self, written: &EncryptionRule, found: &str) -> Diagnostic {
        let bucket = &self.bucket;
        Diagnostic::error(
            format!("The encryption of bucket {bucket} does not read back as written"),
            format!(
                "OSS accepted {written}, but reading the rule back still gives {found}. Either OSS \
                 needs more time, or something else changes the rule of this bucket at the same \
                 time.\n\nThe written rule is kept in the state. Run `terraform plan` to compare it \
                 with the bucket. A longer limit can be set in the `timeouts` block."
            ),
        )
    }

    fn not_waited_for(&self, written: &EncryptionRule, found: &str) -> Diagnostic {
        Diagnostic::error(
            format!("The encryption of bucket {} was set, but not verified", self.bucket),
            format!(
                "OSS accepted {written}. The operation was stopped on request while reading the \
                 rule back still gave {found}. The written rule is kept in the state."
            ),
        )
    }

    fn not_verified(&self, written: &EncryptionRule, error: &Error) -> Diagnostic {
        let mut diagnostic = explain::failed_call(error);
        diagnostic.summary =
            format!("The encryption of bucket {} was set, but not verified", self.bucket);
        diagnostic.detail = format!(
            "OSS accepted {written}. Reading it back failed:\n\n{}\n\nThe written rule is kept in \
             the state.",
            diagnostic.detail,
        );
        if matches!(error.kind, ErrorKind::Service(_)) {
            diagnostic.attribute = None;
        }
        diagnostic
    }
}

/// An attribute that is known and not empty: to OSS, empty is the same as absent.
fn text<'a>(state: &'a Object, name: &str) -> Option<&'a str> {
    state.string(name).known().filter(|text| !text.is_empty())
}

/// How long an operation may take: what the `timeouts` block says, else the defaults that it
/// documents.
fn time_limit(state: &Object, operation: &str) -> Duration {
    let configured = state
        .block("timeouts")
        .known()
        .and_then(|timeouts| timeouts.string(operation).known())
        .and_then(parse_duration);
    let default = if operation == "read" { Duration::from_mins(1) } else { Duration::from_mins(5) };
    configured.unwrap_or(default)
}

/// The rule that a known state describes.
fn rule(state: &Object) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: SseAlgorithm::from(text(state, "sse_algorithm").unwrap_or_default()),
        kms_master_key_id: text(state, "kms_master_key_id").map(str::to_owned),
        kms_data_encryption: text(state, "kms_data_encryption").map(str::to_owned),
    }
}

/// The state with what OSS answered. Where that means the same, the state's spelling stays.
fn with_rule(mut state: Object, bucket: &BucketName, rule: &EncryptionRule) -> Object {
    state.set("id", bucket.as_str());
    state.set("sse_algorithm", rule.sse_algorithm.as_str());
    for (name, answered) in [
        ("kms_master_key_id", &rule.kms_master_key_id),
        ("kms_data_encryption", &rule.kms_data_encryption),
    ] {
        let answered = Value::from(answered.as_deref());
        let stored = state.get(name);
        if !(is_unset(stored) && is_unset(&answered)) {
            state.set(name, answered);
        }
    }
    state
}

/// Absent and empty are the same to OSS.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether the prior value means the same as the configured one, and may stay so that the plan shows
/// no difference. Terraform takes a planned null for nothing that is configured, not even for `""`.
fn keeps_prior_spelling(prior: &Value, configured: &Value) -> bool {
    let may_stay = *prior != Value::Null || *configured == Value::Null;
    may_stay && is_unset(prior) && is_unset(configured)
}

/// Terraform lets a null pass for an argument that must be set, such as a variable without value.
fn validate_required(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    for (name, what) in
        [("bucket", "the name of a bucket".to_owned()), ("sse_algorithm", ALGORITHMS.to_owned())]
    {
        if *config.get(name) == Value::Null {
            let detail = format!("`{name}` is null. Set it to {what}.");
            diagnostics.push(Diagnostic::error("Missing argument", detail).at_attribute(name));
        }
    }
    diagnostics
}

fn validate_bucket(config: &Object) -> Diagnostics {
    let Some(bucket) = config.string("bucket").known() else { return Diagnostics::new() };
    let Err(error) = BucketName::parse(bucket) else { return Diagnostics::new() };
    let detail = format!("The name of a bucket {error}; got {bucket:?}.");
    Diagnostic::error("Invalid bucket name", detail).at_attribute("bucket").into()
}

fn validate_region(config: &Object) -> Diagnostics {
    let Some(region) = text(config, "region") else { return Diagnostics::new() };
    let Err(error) = Region::parse(region) else { return Diagnostics::new() };
    let detail = format!("The region {error}; got {region:?}.");
    Diagnostic::error("Invalid region", detail).at_attribute("region").into()
}

fn validate_rule(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let algorithm = config.string("sse_algorithm").map(SseAlgorithm::from);
    if let Attr::Known(SseAlgorithm::Other(name)) = &algorithm {
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
            .at_attribute("sse_algorithm"),
        );
    }
    if let Attr::Known(key) = config.string("kms_master_key_id")
        && key.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        diagnostics.push(
            Diagnostic::error(
                "Invalid KMS key id",
                // The id may be sensitive: it is not repeated.
                "`kms_master_key_id` must not contain white space or control characters. Write the \
                 id of the key as the KMS console shows it.",
            )
            .at_attribute("kms_master_key_id"),
        );
    }
    if let Attr::Known(cipher) = config.string("kms_data_encryption")
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
            .at_attribute("kms_data_encryption"),
        );
    }
    if let Attr::Known(algorithm @ (SseAlgorithm::Aes256 | SseAlgorithm::Sm4)) = &algorithm {
        for name in ["kms_master_key_id", "kms_data_encryption"] {
            if text(config, name).is_some() {
                diagnostics.push(
                    Diagnostic::error(
                        "KMS argument without KMS",
                        format!(
                            "`{name}` has a meaning only with `sse_algorithm = \"KMS\"`, not with \
                             {algorithm}. Remove it, or use KMS."
                        ),
                    )
                    .at_attribute(name),
                );
            }
        }
    }
    diagnostics
}

fn validate_timeouts(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let Attr::Known(timeouts) = config.block("timeouts") else { return diagnostics };
    for operation in ["create", "read", "update", "delete"] {
        let Attr::Known(text) = timeouts.string(operation) else { continue };
        if parse_duration(text).is_none() {
            diagnostics.push(
                Diagnostic::error(
                    "Invalid timeout",
                    format!(
                        "`{operation}` must be a positive duration such as `30s`, `5m` or `1h30m`; \
                         got {text:?}."
                    ),
                )
                .at(AttributePath::root("timeouts").attribute(operation)),
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
                .map(|operation| time_limit(state, operation).as_secs() / 60)
        };
        assert_eq!(minutes(&Object::new()), [5, 1, 5, 5]);
        let timeouts = Object::new().with("create", "9m").with("read", Value::Null);
        assert_eq!(minutes(&Object::new().with("timeouts", timeouts)), [9, 1, 5, 5]);
    }
}
