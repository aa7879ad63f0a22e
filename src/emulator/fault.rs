//! When and how the endpoint misbehaves: a script of faults, first in, first out.
//!
//! A fault acts on requests whose signature or token is right and whose operation is known, so that
//! it never hides a mistake of the client.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::error::ServiceError;
use super::operation::Operation;

/// One scripted misbehaviour: what happens, to which requests, and how often (once, unless
/// [`times`](Self::times) or [`forever`](Self::forever) say otherwise).
///
/// ```
/// use terraform_provider_oss::emulator::Fault;
///
/// let throttled = Fault::answer(503, "MetaOperationQpsLimitExceeded").method("PUT").times(2);
/// let lost_answer = Fault::reset_after().bucket("demo");
/// # let _ = (throttled, lost_answer);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    action: Action,
    method: Option<String>,
    bucket: Option<String>,
    operation: Option<String>,
    /// How often it still acts; none is forever.
    remaining: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Answer { status: u16, code: String, message: String, retry_after: Option<String> },
    Garbage { status: u16, content_type: String, body: Vec<u8> },
    ResetBefore,
    ResetAfter,
    CutBody,
    Delay(Duration),
    StaleReads(u32),
}

impl Fault {
    /// An error answer in place of the operation, which is not carried out; in the shape that the
    /// service has for errors: XML of OSS, JSON of STS.
    pub fn answer(status: u16, code: &str) -> Self {
        let message = "This error was injected into the emulator.".to_owned();
        let code = code.to_owned();
        Self::new(Action::Answer { status, code, message, retry_after: None })
    }

    /// Any body in place of the operation, as a proxy in between would answer: without OSS's
    /// headers, with status 200 unless [`status`](Self::status) says otherwise.
    pub fn garbage(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self::new(Action::Garbage { status: 200, content_type, body: body.into() })
    }

    /// A connection reset in place of the operation, which is not carried out.
    pub fn reset_before() -> Self {
        Self::new(Action::ResetBefore)
    }

    /// A connection reset in place of the answer; the operation is carried out.
    pub fn reset_after() -> Self {
        Self::new(Action::ResetAfter)
    }

    /// The operation is carried out, but the connection ends in the middle of the body. Answers
    /// that have no body promise a byte and send none, but a 204 cannot: it comes whole.
    pub fn cut_body() -> Self {
        Self::new(Action::CutBody)
    }

    /// The operation is carried out at once and answered later.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Action::Delay(delay))
    }

    /// The next write is carried out, but so many reads of its bucket still see what was before.
    pub fn stale_reads(reads: u32) -> Self {
        Self::new(Action::StaleReads(reads))
    }

    /// Only requests of this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests to this bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    /// Only requests for this operation, by the name that an exchange shows. Without this filter a
    /// fault acts on operations of OSS only, never on calls for credentials.
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// So many requests, one after the other; none for 0.
    pub fn times(mut self, times: u32) -> Self {
        self.remaining = Some(times);
        self
    }

    /// Every request, until the faults are cleared.
    pub fn forever(mut self) -> Self {
        self.remaining = None;
        self
    }

    /// The message of an error answer.
    pub fn message(mut self, text: &str) -> Self {
        if let Action::Answer { message, .. } = &mut self.action {
            text.clone_into(message);
        }
        self
    }

    /// The `Retry-After` header of an error answer, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.retry_after_text(&seconds.to_string())
    }

    /// The `Retry-After` header of an error answer, in any form: HTTP allows a date too.
    pub fn retry_after_text(mut self, value: &str) -> Self {
        if let Action::Answer { retry_after, .. } = &mut self.action {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// The status of [`garbage`](Self::garbage).
    pub fn status(mut self, code: u16) -> Self {
        if let Action::Garbage { status, .. } = &mut self.action {
            *status = code;
        }
        self
    }

    fn new(action: Action) -> Self {
        Self { action, method: None, bucket: None, operation: None, remaining: Some(1) }
    }

    fn applies(&self, target: &Target<'_>) -> bool {
        let wanted =
            |wanted: &Option<String>, found| wanted.is_none() || wanted.as_deref() == found;
        let is_write_only = matches!(self.action, Action::StaleReads(_));
        wanted(&self.method, Some(target.method))
            && wanted(&self.bucket, target.bucket)
            && wanted(&self.operation, Some(target.operation))
            && (self.operation.is_some() || target.is_oss)
            && (!is_write_only || target.writes_encryption)
            && self.remaining != Some(0)
    }
}

impl Action {
    /// The error that is answered in place of the operation, if that is what it does.
    pub(super) fn error(&self) -> Option<ServiceError> {
        let Self::Answer { status, code, message, retry_after } = self else { return None };
        let message = Cow::Owned(message.clone());
        Some(ServiceError::new(*status, code.clone(), message).retry_after(retry_after.clone()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, code, .. } => write!(formatter, "answer {status} {code}"),
            Self::Garbage { .. } => formatter.write_str("garbage"),
            Self::ResetBefore => formatter.write_str("reset before the change"),
            Self::ResetAfter => formatter.write_str("reset after the change"),
            Self::CutBody => formatter.write_str("cut body"),
            Self::Delay(delay) => write!(formatter, "delay {delay:?}"),
            Self::StaleReads(reads) => write!(formatter, "{reads} stale reads"),
        }
    }
}

/// What faults look at to tell requests apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'r> {
    method: &'r str,
    bucket: Option<&'r str>,
    /// The operation's name.
    operation: &'r str,
    is_oss: bool,
    writes_encryption: bool,
}

impl<'r> Target<'r> {
    /// An operation of OSS.
    pub(super) fn oss(method: &'r str, bucket: Option<&'r str>, operation: Operation) -> Self {
        let writes_encryption = operation.writes_encryption();
        Self { method, bucket, operation: operation.name(), is_oss: true, writes_encryption }
    }

    /// An operation of another service.
    pub(super) fn elsewhere(method: &'r str, operation: &'r str) -> Self {
        Self { method, bucket: None, operation, is_oss: false, writes_encryption: false }
    }
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    script: Vec<Fault>,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.script.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.script.clear();
    }

    /// What is to happen to this request: the first fault that applies to it, once less.
    pub(super) fn take(&mut self, target: &Target<'_>) -> Option<Action> {
        let fault = self.script.iter_mut().find(|fault| fault.applies(target))?;
        let action = fault.action.clone();
        fault.remaining = fault.remaining.map(|remaining| remaining - 1);
        self.script.retain(|fault| fault.remaining != Some(0));
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(faults: &mut Faults, method: &str, bucket: &str) -> Option<String> {
        let operation = match method {
            "PUT" => Operation::PutBucketEncryption,
            _ => Operation::GetBucketEncryption,
        };
        let target = Target::oss(method, Some(bucket), operation);
        faults.take(&target).map(|action| action.to_string())
    }

    #[test]
    fn only_a_fault_that_names_it_acts_on_a_call_elsewhere() {
        let mut faults = Faults::default();
        faults.push(Fault::reset_before());
        faults.push(Fault::answer(429, "Throttling").operation("AssumeRole"));
        faults.push(Fault::cut_body().operation("GetBucketEncryption"));
        let assume_role = Target::elsewhere("POST", "AssumeRole");
        assert!(faults.take(&Target::elsewhere("POST", "AssumeRoleWithOIDC")).is_none());
        assert_eq!(faults.take(&assume_role).unwrap().to_string(), "answer 429 Throttling");
        assert!(faults.take(&assume_role).is_none());
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("reset before the change"));
        assert_eq!(take(&mut faults, "PUT", "demo"), None);
        assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("cut body"));
    }

    #[test]
    fn what_a_client_is_told_to_wait_is_seconds_or_a_date() {
        let header = |fault: Fault| {
            let answer = fault.action.error().unwrap().to_answer("", "");
            answer.headers.into_iter().find(|(name, _)| *name == "Retry-After").unwrap().1
        };
        let fault = || Fault::answer(503, "ServiceUnavailable");
        assert_eq!(header(fault().retry_after(7)), "7");
        let date = "Wed, 28 Dec 2022 10:27:41 GMT";
        assert_eq!(header(fault().retry_after_text(date)), date);
    }

    #[test]
    fn act_in_order_and_only_on_what_they_match() {
        let mut faults = Faults::default();
        faults.push(Fault::answer(500, "InternalError").method("PUT").times(2));
        faults.push(Fault::reset_before().bucket("other"));
        faults.push(Fault::cut_body());
        faults.push(Fault::reset_after().times(0));
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("answer 500 InternalError"));
        assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("cut body"));
        assert_eq!(take(&mut faults, "GET", "demo"), None);
        assert_eq!(take(&mut faults, "PUT", "other").as_deref(), Some("answer 500 InternalError"));
        assert_eq!(take(&mut faults, "PUT", "other").as_deref(), Some("reset before the change"));
        assert_eq!(take(&mut faults, "PUT", "other"), None);
    }

    #[test]
    fn forever_ends_with_clear() {
        let mut faults = Faults::default();
        faults.push(Fault::reset_after().forever());
        for _ in 0..3 {
            assert!(take(&mut faults, "GET", "demo").is_some());
        }
        faults.clear();
        assert_eq!(take(&mut faults, "GET", "demo"), None);
    }

    #[test]
    fn stale_reads_wait_for_a_write() {
        let mut faults = Faults::default();
        faults.push(Fault::stale_reads(2));
        assert_eq!(take(&mut faults, "GET", "demo"), None);
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("2 stale reads"));
    }
}
