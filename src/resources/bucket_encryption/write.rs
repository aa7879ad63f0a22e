//! Sets the rule of a bucket, then reads it until it is visible.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::oss::{EncryptionRule, Error, ErrorKind};
use crate::resources::bucket::{BucketTarget, WriteError, check_known, non_empty_string};
use crate::resources::{Context, explain};
use crate::tfplugin::{Diagnostic, Object};

/// The first delay between two reads while the rule is not visible yet. It doubles up to [`MAX_VERIFY_BACKOFF`].
const INITIAL_VERIFY_BACKOFF: Duration = Duration::from_millis(100);
const MAX_VERIFY_BACKOFF: Duration = Duration::from_secs(2);

/// The target of an operation. The state must contain a rule if the operation sets one.
pub(super) fn target<'a>(
    context: &'a Context,
    state: &Object,
    operation: &str,
) -> Result<BucketTarget<'a>, Diagnostic> {
    check_known(state)?;
    if non_empty_string(state, "sse_algorithm").is_none()
        && matches!(operation, "create" | "update")
    {
        let detail = "`sse_algorithm` is not set, but it is required to set the rule. This is a bug in \
                      Terraform or OpenTofu, not in your configuration.";
        return Err(Diagnostic::error("Missing value", detail).with_attribute("sse_algorithm"));
    }
    BucketTarget::from_state(context, state, operation)
}

/// Sets the rule, then reads it until it is visible, because OSS is eventually consistent.
pub(super) async fn put_and_verify(
    target: &BucketTarget<'_>,
    rule: &EncryptionRule,
) -> Result<(), WriteError> {
    target.client.put_bucket_encryption(&target.bucket, rule, &target.call).await?;
    wait_until_visible(target, rule).await.map_err(WriteError::NotVerified)
}

async fn wait_until_visible(
    target: &BucketTarget<'_>,
    written: &EncryptionRule,
) -> Result<(), Diagnostic> {
    let mut backoff = INITIAL_VERIFY_BACKOFF;
    let mut last: Option<String> = None;
    loop {
        let found = match target.client.get_bucket_encryption(&target.bucket, &target.call).await {
            Ok(rule) if rule == *written => return Ok(()),
            Ok(rule) => rule.to_string(),
            Err(error) if error.is_not_found() => "no rule".to_owned(),
            // A read that was interrupted: report what the one before it returned.
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
        let resume = Instant::now() + backoff;
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
        backoff = (backoff * 2).min(MAX_VERIFY_BACKOFF);
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
        format!("Bucket {bucket} does not return the rule that was written"),
        format!(
            "OSS accepted {written}, but still returns {found}. Either the change has not propagated yet, \
             or something else is changing the rule.\n\nThe state contains the rule that was written. \
             Run `terraform plan` to compare it with the bucket. If OSS needs more time, set a longer \
             timeout in the resource's `timeouts` block."
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
        "OSS accepted {written}. Reading it back failed:\n\n{}\n\nThe state contains the rule that \
         was written.",
        diagnostic.detail,
    );
    if matches!(error.kind, ErrorKind::Service(_)) {
        diagnostic.attribute = None;
    }
    diagnostic
}
