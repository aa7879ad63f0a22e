//! Sets a setting of a bucket, then reads it until it is visible, because OSS is eventually consistent.
//!
//! Terraform destroys what a failed create leaves in the state: the object is "tainted". A create therefore
//! returns a state only without errors, and only if OSS accepted the setting or has it:
//!
//! | what happens | state | diagnostic |
//! |---|---|---|
//! | the planned setting is there already | planned; nothing is written | none |
//! | another setting is there | planned | warning with the old and the new one |
//! | another setting is there, created by another resource in this run | none; nothing is written | error |
//! | this run has deleted the setting before | as below; it is written without reading it first | as below |
//! | what is there cannot be read, because OSS rejects the read | planned | warning; it is written anyway |
//! | OSS rejects the credentials, the signature, the account or the address, or the response is not from OSS | none; nothing is written | error |
//! | written and visible | planned | none |
//! | written, but reading it back fails | planned | warning |
//! | written, but a third setting is read | none | error, at once |
//! | written, but not visible before the timeout | none | error |
//! | not written | none | error |
//! | written or not: unknown | read once: planned if it is there, else none | warning, else error |
//!
//! An update keeps the prior state unless OSS accepted the new setting.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::target::OUTCOME_UNKNOWN_NOTE;
use super::{BucketSetting, BucketTarget, LastChange, messages};
use crate::oss::{CallOptions, Error, ErrorKind};
use crate::resources::explain;
use crate::tfplugin::{Applied, Diagnostic, Diagnostics, Failure, Object, Severity};

/// The first delay between two reads while the setting is not visible yet. It doubles up to [`MAX_BACKOFF`].
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Minimum time for finding out whether a write took effect: there may be none left, and after a
/// cancellation the user does not want to wait longer.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// What else to report if the object is not in the state although OSS may have the setting.
const APPLY_AGAIN_NOTE: &str = "The resource is not in the state, so nothing will be deleted. Running apply \
     again is safe.";

/// The setting before a write.
enum Previous<S> {
    Setting(S),
    None,
    Unknown,
}

/// How the verification of a write that OSS accepted ended.
enum Verification {
    Visible,
    /// The setting could not be read: a warning.
    Unverified(Diagnostic),
    /// Another setting was read: an error.
    Different(Diagnostic),
}

/// Creates the object of `planned_state`, whose setting is `planned`.
///
/// # Errors
///
/// As in the table above, always without a state.
pub async fn create<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    planned_state: Object,
) -> Result<Applied, Failure> {
    let mut last_change = target.lock::<S>().await?;
    let warnings = set(target, planned, &mut last_change).await?;
    Ok(Applied { state: planned_state, warnings })
}

/// Sets what the bucket does not have already, and returns warnings.
async fn set<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    last_change: &mut LastChange,
) -> Result<Diagnostics, Diagnostic> {
    let (previous, mut warnings) = if *last_change == LastChange::Deleted {
        // A read may still return what was deleted.
        (Previous::Unknown, Diagnostics::new())
    } else {
        let Some(previous) = read_previous(target, planned, last_change).await? else {
            *last_change = LastChange::Set(target.object_id.clone());
            return Ok(Diagnostics::new());
        };
        previous
    };
    if let Err(error) = put(target, planned, last_change).await {
        if !error.may_have_taken_effect {
            return Err(explain::call_error(&error));
        }
        warnings.push(find_outcome(target, planned, &error).await?);
        return Ok(warnings);
    }
    match verify(target, planned, &previous).await {
        Verification::Visible => {}
        Verification::Unverified(warning) => warnings.push(warning),
        Verification::Different(error) => {
            return Err(error.with_paragraph(APPLY_AGAIN_NOTE));
        }
    }
    Ok(warnings)
}

/// The setting before a write, with warnings about it; `None` if it is the planned one already.
async fn read_previous<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    last_change: &LastChange,
) -> Result<Option<(Previous<S>, Diagnostics)>, Diagnostic> {
    let is_set = matches!(last_change, LastChange::Set(_));
    Ok(Some(match target.get::<S>().await {
        Ok(Some(previous)) if previous == *planned => return Ok(None),
        Ok(Some(previous)) if is_set => {
            return Err(messages::second_resource(target, &previous, planned));
        }
        Ok(Some(previous)) => {
            let warning = messages::replaced(target, &previous, planned);
            (Previous::Setting(previous), warning.into())
        }
        Ok(None) => (Previous::None, Diagnostics::new()),
        // Reading is not a condition of writing: a caller who may only write gets a warning.
        Err(error) if is_about_reading(&error) => {
            (Previous::Unknown, messages::previous_unknown(target, planned, &error).into())
        }
        Err(error) => return Err(messages::not_read::<S>(target, &error)),
    }))
}

/// Replaces the setting of an object. `prior` is the one that the bucket has according to the state; `None` if
/// the state does not contain it.
///
/// # Errors
///
/// Keeps the planned state if OSS accepted the setting, the prior state otherwise.
pub async fn update<S: BucketSetting>(
    target: &BucketTarget<'_>,
    prior: Option<S>,
    planned: &S,
    planned_state: Object,
) -> Result<Applied, Failure> {
    let mut last_change = target.lock::<S>().await?;
    if prior.as_ref() == Some(planned) {
        // Only the timeouts changed, or an unset argument from null to "".
        *last_change = LastChange::Set(target.object_id.clone());
        return Ok(planned_state.into());
    }
    if let Err(error) = put(target, planned, &mut last_change).await {
        let diagnostic = explain::call_error(&error);
        return Err(if error.may_have_taken_effect {
            diagnostic.with_paragraph(OUTCOME_UNKNOWN_NOTE).into()
        } else {
            diagnostic.into()
        });
    }
    match verify(target, planned, &prior.map_or(Previous::Unknown, Previous::Setting)).await {
        Verification::Visible => Ok(planned_state.into()),
        Verification::Unverified(warning) => {
            Ok(Applied { state: planned_state, warnings: warning.into() })
        }
        Verification::Different(error) => {
            Err(Failure::from(error.with_paragraph(&messages::in_state_note::<S>()))
                .with_state(planned_state))
        }
    }
}

/// Writes the setting, and records that OSS has it or may have it.
async fn put<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    last_change: &mut LastChange,
) -> Result<(), Error> {
    let result = planned.put(target.client, &target.bucket, &target.call).await;
    if result.as_ref().map_or_else(|error| error.may_have_taken_effect, |()| true) {
        *last_change = LastChange::Set(target.object_id.clone());
    }
    result
}

/// Whether a read failed for a reason that does not concern a write: OSS rejected this operation, or the response is not
/// a setting.
fn is_about_reading(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Service(service) => {
            (400..500).contains(&service.status) && !service.rejects_every_request()
        }
        ErrorKind::UnexpectedResponse(_) => true,
        _ => false,
    }
}

/// Reads once whether a write took effect that OSS did not respond to. Returns a warning if it did.
async fn find_outcome<S: BucketSetting>(
    target: &BucketTarget<'_>,
    planned: &S,
    error: &Error,
) -> Result<Diagnostic, Diagnostic> {
    let minimum = Instant::now() + OUTCOME_TIMEOUT;
    let is_cancelled = target.call.cancellation.is_cancelled();
    let deadline = if is_cancelled { minimum } else { target.call.deadline.max(minimum) };
    let options = CallOptions {
        deadline,
        // The cancelled one would end the read at once.
        cancellation: CancellationToken::new(),
        ..target.call.clone()
    };
    let diagnostic = explain::call_error(error);
    let found = match S::get(target.client, &target.bucket, &options).await {
        Ok(found) if found == *planned => {
            let mut warning = diagnostic;
            warning.severity = Severity::Warning;
            warning.summary =
                format!("The {} of bucket {} was set, but not confirmed", S::NAME, target.bucket);
            return Ok(warning.with_paragraph(&format!(
                "The bucket has {planned}, as planned, so the resource is in the state."
            )));
        }
        Ok(found) => format!("The bucket has {}.", found.describe(planned)),
        Err(error) if error.is_not_found() => format!("The bucket has no {}.", S::VALUE),
        Err(error) => format!(
            "Whether OSS set {planned} is unknown, because the bucket could not be read either: {error}."
        ),
    };
    Err(diagnostic.with_paragraph(&found).with_paragraph(APPLY_AGAIN_NOTE))
}

/// Reads the setting until it is the written one. A third one, if the previous one is known, ends the wait.
async fn verify<S: BucketSetting>(
    target: &BucketTarget<'_>,
    written: &S,
    previous: &Previous<S>,
) -> Verification {
    let mut backoff = INITIAL_BACKOFF;
    let mut last: Option<String> = None;
    loop {
        let found = match S::get(target.client, &target.bucket, &target.call).await {
            Ok(found) if found == *written => return Verification::Visible,
            Ok(found) if previous.excludes(&found) => {
                let error = messages::third_setting(target, &previous.describe(), written, &found);
                return Verification::Different(error);
            }
            Ok(found) => found.to_string(),
            Err(error) if error.is_not_found() => format!("no {}", S::VALUE),
            // A read that was interrupted: report what the one before it returned.
            Err(error) => {
                return match (&error.kind, last) {
                    (ErrorKind::DeadlineExceeded { last: None }, Some(found)) => {
                        Verification::Different(messages::timed_out(target, written, &found))
                    }
                    (ErrorKind::Cancelled, Some(found)) => {
                        Verification::Unverified(messages::cancelled(target, written, &found))
                    }
                    _ => Verification::Unverified(messages::unreadable(target, written, &error)),
                };
            }
        };
        let resume = Instant::now() + backoff;
        if resume >= target.call.deadline {
            return Verification::Different(messages::timed_out(target, written, &found));
        }
        tokio::select! {
            biased;
            () = target.call.cancellation.cancelled() => {
                return Verification::Unverified(messages::cancelled(target, written, &found));
            }
            () = sleep_until(resume) => {}
        }
        backoff = (backoff * 2).min(MAX_BACKOFF);
        last = Some(found);
    }
}

impl<S: BucketSetting> Previous<S> {
    /// The setting as a noun phrase, for messages.
    fn describe(&self) -> String {
        match self {
            Self::Setting(previous) => previous.to_string(),
            Self::None | Self::Unknown => format!("no {}", S::VALUE),
        }
    }

    /// Whether a setting that is read after the write cannot be this one.
    fn excludes(&self, found: &S) -> bool {
        match self {
            Self::Setting(previous) => previous != found,
            Self::None => true,
            Self::Unknown => false,
        }
    }
}
