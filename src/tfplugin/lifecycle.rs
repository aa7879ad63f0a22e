//! Which operation a request means: a pure decision by which states are null.
//!
//! Contract: Terraform, `docs/resource-instance-change-lifecycle.md`.

use super::value::Object;

/// What `ApplyResourceChange` is to do.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Create {
        planned_state: Object,
    },
    Update {
        prior_state: Object,
        planned_state: Object,
    },
    Delete {
        prior_state: Object,
    },
    /// Neither before nor after there is an object.
    NoOp,
}

/// Reads the change off the two states.
pub(super) fn classify(prior_state: Option<Object>, planned_state: Option<Object>) -> Change {
    match (prior_state, planned_state) {
        (None, Some(planned_state)) => Change::Create { planned_state },
        (Some(prior_state), Some(planned_state)) => Change::Update { prior_state, planned_state },
        (Some(prior_state), None) => Change::Delete { prior_state },
        (None, None) => Change::NoOp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullness_decides() {
        let prior = || Object::new().with("bucket", "before");
        let planned = || Object::new().with("bucket", "after");
        assert_eq!(classify(None, Some(planned())), Change::Create { planned_state: planned() });
        assert_eq!(
            classify(Some(prior()), Some(planned())),
            Change::Update { prior_state: prior(), planned_state: planned() }
        );
        assert_eq!(classify(Some(prior()), None), Change::Delete { prior_state: prior() });
        assert_eq!(classify(None, None), Change::NoOp);
    }
}
