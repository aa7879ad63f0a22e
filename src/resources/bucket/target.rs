//! The bucket that a state describes: reads and deletes a setting of it, in the region where OSS has the bucket.

use std::time::Duration;

use tokio::time::sleep;

use super::timeouts::{Operation, timeout};
use super::{BucketSetting, History, LastChange, check_known, non_empty_string};
use crate::oss::{BucketName, CallOptions, Client, Error, Region};
use crate::resources::{Context, explain};
use crate::tfplugin::{Diagnostic, Diagnostics, Object, ObjectId, RESTORE_STATE};

/// The delay before the second read of a setting that does not exist.
const CONFIRMATION_DELAY: Duration = Duration::from_millis(250);

/// What else to report if OSS did not respond to a change or deletion.
pub(super) const OUTCOME_UNKNOWN_NOTE: &str = "OSS may have applied the change anyway. The state is unchanged; the next \
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
    pub(super) object_id: ObjectId,
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
        operation: Operation,
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
    pub(super) async fn get<S: BucketSetting>(&self) -> Result<Option<S>, Error> {
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
            return Ok(kept::<S>(&self.bucket).into());
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
    pub(super) async fn lock<S: BucketSetting>(
        &self,
    ) -> Result<tokio::sync::OwnedMutexGuard<LastChange>, Diagnostic> {
        let lock = self.history.lock(S::TYPE_NAME, &self.bucket);
        tokio::time::timeout_at(self.call.deadline, lock)
            .await
            .map_err(|_| not_locked::<S>(&self.bucket))
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

/// An error for an operation whose timeout passed before another one on the same bucket ended.
fn not_locked<S: BucketSetting>(bucket: &BucketName) -> Diagnostic {
    Diagnostic::error(
        format!("The {} of bucket {bucket} is being changed", S::NAME),
        "No request was sent: another resource of this run was changing the same bucket until the timeout. Run again, \
         or set a longer timeout in the resource's `timeouts` block.",
    )
}

/// A warning for a delete that was left out.
fn kept<S: BucketSetting>(bucket: &BucketName) -> Diagnostic {
    let value = S::VALUE;
    Diagnostic::warning(
        format!("The {} of bucket {bucket} was kept", S::NAME),
        format!(
            "The {value} was not deleted, because another resource for the same bucket was created or changed in this run and \
             needs it. If the resource got another address, write a `moved` block, and Terraform keeps the object. \
             After a replacement with `create_before_destroy`, nothing needs to be done."
        ),
    )
}
