//! Setting, reading and deleting the rule of a bucket. After setting it, reads until the rule is visible.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::oss::{EncryptionRule, Error, ErrorKind};
use crate::resources::bucket::{BucketTarget, check_known, non_empty_string};
use crate::resources::{ProviderData, explain};
use crate::tfplugin::{Context, Diagnostic, Object};

/// The first pause between two reads while a write is not visible yet; it doubles up to the second.
const VERIFY_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A write that did not end well.
pub(super) struct WriteError {
    pub(super) diagnostic: Diagnostic,
    /// OSS answered that the rule is set; only reading it back failed.
    pub(super) was_accepted: bool,
    /// The bucket's rule may be another one than before.
    pub(super) may_have_changed: bool,
}

/// The bucket of a state, which must also have a rule if `operation` sets one.
pub(super) fn target<'a>(
    context: &'a Context<ProviderData>,
    state: &Object,
    operation: &str,
) -> Result<BucketTarget<'a>, Diagnostic> {
    check_known(state)?;
    if non_empty_string(state, "sse_algorithm").is_none()
        && matches!(operation, "create" | "update")
    {
        let detail = "`sse_algorithm` is not set, although Terraform asks to set the rule. This is \
                      a bug in the caller of the provider.";
        return Err(Diagnostic::error("Missing value", detail).with_attribute("sse_algorithm"));
    }
    BucketTarget::from_state(context, state, operation)
}

/// Reads the rule.
pub(super) async fn get(target: &BucketTarget<'_>) -> Result<EncryptionRule, Error> {
    let (client, bucket) = (target.client, &target.bucket);
    target
        .follow_redirect(|call| async move { client.get_bucket_encryption(bucket, &call).await })
        .await
}

/// Deletes the rule.
pub(super) async fn delete(target: &BucketTarget<'_>) -> Result<(), Error> {
    let (client, bucket) = (target.client, &target.bucket);
    target
        .follow_redirect(|call| async move {
            client.delete_bucket_encryption(bucket, &call).await.map(drop)
        })
        .await
}

/// Sets the rule, then reads until it is visible: OSS is eventually consistent.
pub(super) async fn put_and_verify(
    target: &BucketTarget<'_>,
    rule: &EncryptionRule,
) -> Result<(), WriteError> {
    target.client.put_bucket_encryption(&target.bucket, rule, &target.call).await.map_err(
        |error| WriteError {
            diagnostic: explain::call_error(&error),
            was_accepted: false,
            may_have_changed: error.may_have_taken_effect,
        },
    )?;
    wait_until_visible(target, rule).await.map_err(|diagnostic| WriteError {
        diagnostic,
        was_accepted: true,
        may_have_changed: true,
    })
}

async fn wait_until_visible(
    target: &BucketTarget<'_>,
    written: &EncryptionRule,
) -> Result<(), Diagnostic> {
    let (mut wait, longest) = VERIFY_BACKOFF;
    let mut last: Option<String> = None;
    loop {
        let found = match target.client.get_bucket_encryption(&target.bucket, &target.call).await {
            Ok(rule) if rule == *written => return Ok(()),
            Ok(rule) => rule.to_string(),
            Err(error) if error.is_not_found() => "no rule".to_owned(),
            // Cut off in the middle of a read: what the one before found still counts.
            Err(error) => {
                return Err(match (&error.kind, last) {
                    (ErrorKind::DeadlineExceeded { last: None }, Some(found)) => {
                        verification_timed_out(target, written, &found)
                    }
                    (ErrorKind::Cancelled, Some(found)) => {
                        verification_cancelled(target, written, &found)
                    }
                    _ => verification_failed(target, written, &error),
                });
            }
        };
        let resume = Instant::now() + wait;
        if resume >= target.call.deadline {
            return Err(verification_timed_out(target, written, &found));
        }
        tokio::select! {
            biased;
            () = target.call.cancellation.cancelled() => {
                return Err(verification_cancelled(target, written, &found));
            }
            () = sleep_until(resume) => {}
        }
        wait = (wait * 2).min(longest);
        last = Some(found);
    }
}

fn verification_timed_out(
    target: &BucketTarget<'_>,
    written: &EncryptionRule,
    found: &str,
) -> Diagnostic {
    let bucket = &target.bucket;
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

fn verification_cancelled(
    target: &BucketTarget<'_>,
    written: &EncryptionRule,
    found: &str,
) -> Diagnostic {
    Diagnostic::error(
        format!("The encryption of bucket {} was set, but not verified", target.bucket),
        format!(
            "OSS accepted {written}. The operation was cancelled while OSS still returned {found}. \
             The state contains the rule that was written."
        ),
    )
}

fn verification_failed(
    target: &BucketTarget<'_>,
    written: &EncryptionRule,
    error: &Error,
) -> Diagnostic {
    let mut diagnostic = explain::call_error(error);
    diagnostic.summary =
        format!("The encryption of bucket {} was set, but not verified", target.bucket);
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
