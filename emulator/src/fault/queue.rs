//! The faults that are waiting, and how they are matched with requests.

use time::OffsetDateTime;

use super::{Action, Fault};
use crate::operation::Operation;

/// The properties of a request that faults filter by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'r> {
    pub(super) method: &'r str,
    pub(super) bucket: Option<&'r str>,
    pub(super) operation: &'r str,
    /// The algorithm of the rule that the request sets.
    pub(super) algorithm: Option<&'r str>,
    pub(super) is_oss: bool,
    pub(super) writes_encryption: bool,
}

impl<'r> Target<'r> {
    /// An operation of OSS.
    pub(crate) fn oss(method: &'r str, bucket: Option<&'r str>, operation: Operation) -> Self {
        let writes_encryption = operation.writes_encryption();
        let operation = operation.name();
        Self { method, bucket, operation, algorithm: None, is_oss: true, writes_encryption }
    }

    /// The same request, which sets a rule with this algorithm.
    pub(crate) fn sets(self, algorithm: Option<&'r str>) -> Self {
        Self { algorithm, ..self }
    }

    /// An operation of another service.
    pub(crate) fn other_service(method: &'r str, operation: &'r str) -> Self {
        Self {
            method,
            bucket: None,
            operation,
            algorithm: None,
            is_oss: false,
            writes_encryption: false,
        }
    }
}

/// The waiting faults, in the order in which they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queue: Vec<Fault>,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.queue.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    /// The action of the first fault that applies to this request. Counts as one of its `times`.
    pub(crate) fn take(&mut self, target: &Target<'_>, now: OffsetDateTime) -> Option<Action> {
        let (fault, action) = self.queue.iter_mut().find_map(|fault| {
            let action = fault.applies(target).then(|| fault.action.act(target, now)).flatten()?;
            Some((fault, action))
        })?;
        fault.remaining = fault.remaining.map(|remaining| remaining - 1);
        self.queue.retain(|fault| fault.remaining != Some(0));
        Some(action)
    }
}
