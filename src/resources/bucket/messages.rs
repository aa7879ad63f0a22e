//! The errors and warnings about writes. Pure.

use super::{BucketSetting, BucketTarget};
use crate::oss::Error;
use crate::resources::explain;
use crate::tfplugin::Diagnostic;

/// A warning for a write that replaces a setting.
pub(super) fn replaced<S: BucketSetting>(
    target: &BucketTarget<'_>,
    previous: &S,
    planned: &S,
) -> Diagnostic {
    Diagnostic::warning(
        format!("The existing {} of bucket {} was replaced", S::NAME, target.bucket),
        format!(
            "The bucket already had {}, which this resource did not manage. It was replaced with {planned}. To \
             keep an existing {} and manage it, import it and configure the resource to match.",
            previous.describe(planned),
            S::VALUE,
        ),
    )
}

/// An error for a resource whose bucket has another resource with another setting.
pub(super) fn second_resource<S: BucketSetting>(
    target: &BucketTarget<'_>,
    found: &S,
    planned: &S,
) -> Diagnostic {
    Diagnostic::error(
        format!("Another resource sets the {} of bucket {}", S::NAME, target.bucket),
        format!(
            "In this run another resource has set {found} for the same bucket; this one would replace it with \
             {planned}. A bucket has only one {}: remove one of the two resources.",
            S::VALUE,
        ),
    )
}

/// A warning for a write before which the setting could not be read.
pub(super) fn previous_unknown<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    error: &Error,
) -> Diagnostic {
    Diagnostic::warning(
        format!("The previous {} of bucket {} is unknown", S::NAME, target.bucket),
        format!(
            "Whether {planned} replaced another {} is unknown, because the bucket could not be read before: \
             {}",
            S::VALUE,
            explain::call_error(error).detail,
        ),
    )
}

/// An error for a create that ended before the write.
pub(super) fn not_read<S: BucketSetting>(target: &BucketTarget<'_>, error: &Error) -> Diagnostic {
    let mut diagnostic = explain::call_error(error);
    diagnostic.summary = format!("Cannot set the {} of bucket {}", S::NAME, target.bucket);
    if error.attempts == 0 {
        return diagnostic;
    }
    let note = format!(
        "Nothing was written: the {} that the bucket has is read before a new one is set.",
        S::VALUE,
    );
    diagnostic.with_paragraph(&note)
}

/// An error for a write after which another setting is read than the `previous` one and the written one.
pub(super) fn third_setting<S: BucketSetting>(
    target: &BucketTarget<'_>,
    previous: &str,
    written: &S,
    found: &S,
) -> Diagnostic {
    Diagnostic::error(
        format!("Something else sets the {} of bucket {}", S::NAME, target.bucket),
        format!(
            "The bucket had {previous}. OSS accepted {written}, but then returned {}, so something else has \
             changed it in between. {}",
            found.describe(written),
            S::CONFLICT_ADVICE,
        ),
    )
}

/// An error for a write that is not visible before the timeout.
pub(super) fn timed_out<S: BucketSetting>(
    target: &BucketTarget<'_>,
    written: &S,
    found: &str,
) -> Diagnostic {
    Diagnostic::error(
        format!("Bucket {} does not return the {} that was written", target.bucket, S::VALUE),
        format!(
            "OSS accepted {written}, but still returned {found} at the timeout. Either the change has not \
             propagated yet, or something else is changing the {}. If OSS needs more time, set a longer timeout in \
             the resource's `timeouts` block.",
            S::VALUE
        ),
    )
}

/// A warning for a write whose verification was cancelled.
pub(super) fn cancelled<S: BucketSetting>(
    target: &BucketTarget<'_>,
    written: &S,
    found: &str,
) -> Diagnostic {
    unverified(target, written)
        .with_paragraph(&format!("The operation was cancelled while OSS still returned {found}."))
        .with_paragraph(&in_state_note::<S>())
}

/// A warning for a write that cannot be read back.
pub(super) fn unreadable<S: BucketSetting>(
    target: &BucketTarget<'_>,
    written: &S,
    error: &Error,
) -> Diagnostic {
    unverified(target, written)
        .with_paragraph(&format!("Reading it back failed: {}", explain::call_error(error).detail))
        .with_paragraph(&in_state_note::<S>())
}

/// What else to report if OSS accepted a setting that the state now contains.
pub(super) fn in_state_note<S: BucketSetting>() -> String {
    format!(
        "The state contains the {} that was written. Run `terraform plan` to compare it with the bucket.",
        S::VALUE,
    )
}

fn unverified<S: BucketSetting>(target: &BucketTarget<'_>, written: &S) -> Diagnostic {
    Diagnostic::warning(
        format!("The {} of bucket {} was set, but not verified", S::NAME, target.bucket),
        format!("OSS accepted {written}."),
    )
}
