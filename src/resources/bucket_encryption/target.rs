//! The bucket that a call is about: setting its rule, and waiting until that is visible.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::oss::{BucketName, CallOptions, Client, EncryptionRule, Error, ErrorKind, Region};
use crate::resources::{ProviderData, explain};
use crate::tfplugin::{Context, Diagnostic, Object, RESTORE_STATE};

use super::state::{check_known, non_empty_string, timeout};

/// The first pause between two reads while a write is not visible yet; it doubles up to the second.
const VERIFY_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The bucket that a state describes, with everything that a call about it needs.
pub(super) struct Target<'a> {
    pub(super) client: &'a Client,
    pub(super) bucket: BucketName,
    pub(super) call: CallOptions,
}

/// A write that did not end well.
pub(super) struct WriteError {
    pub(super) diagnostic: Diagnostic,
    /// OSS answered that the rule is set; only reading it back failed.
    pub(super) was_accepted: bool,
    /// The bucket's rule may be another one than before.
    pub(super) may_have_changed: bool,
}

impl<'a> Target<'a> {
    /// Reads bucket, region and time limit from a state.
    pub(super) fn from_state(
        context: &'a Context<ProviderData>,
        state: &Object,
        operation: &str,
    ) -> Result<Self, Diagnostic> {
        // Nothing may be sent that only looks like what was planned.
        check_known(state)?;
        if non_empty_string(state, "sse_algorithm").is_none()
            && matches!(operation, "create" | "update")
        {
            let detail = "`sse_algorithm` is not set, although Terraform asks to set the rule. This is \
                          a bug in the caller of the provider.";
            return Err(Diagnostic::error("Missing value", detail).with_attribute("sse_algorithm"));
        }
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

    /// Reads the rule.
    pub(super) async fn get(&self) -> Result<EncryptionRule, Error> {
        let (client, bucket) = (self.client, &self.bucket);
        let here = client.get_bucket_encryption(bucket, &self.call).await;
        self.retry_in_redirect_region(here, async |call| {
            client.get_bucket_encryption(bucket, &call).await
        })
        .await
    }

    /// Removes the rule.
    pub(super) async fn delete(&self) -> Result<(), Error> {
        let (client, bucket) = (self.client, &self.bucket);
        let here = client.delete_bucket_encryption(bucket, &self.call).await.map(drop);
        let there = async |call| client.delete_bucket_encryption(bucket, &call).await.map(drop);
        self.retry_in_redirect_region(here, there).await
    }

    /// Calls once more where OSS says that the bucket is, unless the state itself names a region. The
    /// provider's region may have changed since the state was written, and a state cannot be edited.
    async fn retry_in_redirect_region<T>(
        &self,
        here: Result<T, Error>,
        there: impl AsyncFnOnce(CallOptions) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let error = match here {
            Err(error) if self.call.region.is_none() => error,
            here => return here,
        };
        let region = error.redirect_region().filter(|region| {
            self.client.can_reach_region(region) && region.as_str() != error.region
        });
        let Some(region) = region else { return Err(error) };
        tracing::info!(
            bucket = self.bucket.as_str(),
            region = region.as_str(),
            "the bucket is in another region than the provider; asking there",
        );
        match there(CallOptions { region: Some(region), ..self.call.clone() }).await {
            // The first answer tells more.
            Err(other) if other.is_unresponsive() => Err(error),
            there => there,
        }
    }

    /// Sets the rule, then reads until it is visible: OSS is eventually consistent.
    pub(super) async fn write(&self, rule: &EncryptionRule) -> Result<(), WriteError> {
        self.client.put_bucket_encryption(&self.bucket, rule, &self.call).await.map_err(
            |error| WriteError {
                diagnostic: explain::call_error(&error),
                was_accepted: false,
                may_have_changed: error.may_have_taken_effect,
            },
        )?;
        self.wait_until_visible(rule).await.map_err(|diagnostic| WriteError {
            diagnostic,
            was_accepted: true,
            may_have_changed: true,
        })
    }

    async fn wait_until_visible(&self, written: &EncryptionRule) -> Result<(), Diagnostic> {
        let (mut wait, longest) = VERIFY_BACKOFF;
        let mut last: Option<String> = None;
        loop {
            let found = match self.client.get_bucket_encryption(&self.bucket, &self.call).await {
                Ok(rule) if rule == *written => return Ok(()),
                Ok(rule) => rule.to_string(),
                Err(error) if error.is_not_found() => "no rule".to_owned(),
                // Cut off in the middle of a read: what the one before found still counts.
                Err(error) => {
                    return Err(match (&error.kind, last) {
                        (ErrorKind::DeadlineExceeded { last: None }, Some(found)) => {
                            self.verification_timed_out(written, &found)
                        }
                        (ErrorKind::Cancelled, Some(found)) => {
                            self.verification_cancelled(written, &found)
                        }
                        _ => self.verification_failed(written, &error),
                    });
                }
            };
            let resume = Instant::now() + wait;
            if resume >= self.call.deadline {
                return Err(self.verification_timed_out(written, &found));
            }
            tokio::select! {
                biased;
                () = self.call.cancellation.cancelled() => {
                    return Err(self.verification_cancelled(written, &found));
                }
                () = sleep_until(resume) => {}
            }
            wait = (wait * 2).min(longest);
            last = Some(found);
        }
    }

    fn verification_timed_out(&self, written: &EncryptionRule, found: &str) -> Diagnostic {
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

    fn verification_cancelled(&self, written: &EncryptionRule, found: &str) -> Diagnostic {
        Diagnostic::error(
            format!("The encryption of bucket {} was set, but not verified", self.bucket),
            format!(
                "OSS accepted {written}. The operation was cancelled while OSS still returned {found}. \
                 The state contains the rule that was written."
            ),
        )
    }

    fn verification_failed(&self, written: &EncryptionRule, error: &Error) -> Diagnostic {
        let mut diagnostic = explain::call_error(error);
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
