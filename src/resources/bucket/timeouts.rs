//! The `timeouts` block: its schema, its checks, and the timeout of each operation.

use std::time::Duration;

use tokio::time::Instant;

use crate::tfplugin::{
    Attribute, AttributePath, AttributeValue, Block, Diagnostic, Diagnostics, NestedBlock, Object,
    parse_duration,
};

/// An operation that has a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates an object.
    Create,
    /// Reads or imports an object, or reads a data source.
    Read,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
}

impl Operation {
    /// All operations, in the order of the schema.
    pub const ALL: [Self; 4] = [Self::Create, Self::Read, Self::Update, Self::Delete];

    /// The name of its argument in the `timeouts` block.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn default_timeout(self) -> Duration {
        match self {
            Self::Read => Duration::from_mins(1),
            Self::Create | Self::Update | Self::Delete => Duration::from_mins(5),
        }
    }
}

/// The timeout of an operation: from the `timeouts` block, or the documented default.
#[must_use]
pub fn timeout(state: &Object, operation: Operation) -> Duration {
    configured_timeout(state, operation).unwrap_or_else(|| operation.default_timeout())
}

fn configured_timeout(state: &Object, operation: Operation) -> Option<Duration> {
    let timeouts = state.block("timeouts").known()?;
    timeouts.string(operation.name()).known().and_then(parse_duration)
}

/// When an operation that starts now must have ended: after the timeout in the `timeouts` block, or else after
/// `default`.
#[must_use]
pub fn deadline(state: &Object, operation: Operation, default: Duration) -> Instant {
    Instant::now() + configured_timeout(state, operation).unwrap_or(default)
}

/// The `timeouts` block, with the descriptions of `create`, `read`, `update` and `delete`.
#[must_use]
pub fn timeouts_block(descriptions: [&'static str; 4]) -> NestedBlock {
    let attributes = Operation::ALL.into_iter().zip(descriptions);
    NestedBlock {
        name: "timeouts",
        block: Block {
            description: "Maximum duration of each operation, including retries, for example `30s`, `5m` or \
                `1h30m`.",
            attributes: attributes
                .map(|(operation, description)| Attribute::optional(operation.name(), description))
                .collect(),
            blocks: Vec::new(),
        },
        is_repeatable: false,
    }
}

/// The `timeouts` block of a data source, with the description of `read`.
#[must_use]
pub fn read_timeout_block(description: &'static str) -> NestedBlock {
    NestedBlock {
        name: "timeouts",
        block: Block {
            description: "Maximum duration, including retries, for example `30s`, `5m` or `1h30m`.",
            attributes: vec![Attribute::optional("read", description)],
            blocks: Vec::new(),
        },
        is_repeatable: false,
    }
}

/// Checks the durations in `timeouts`, if they are known.
#[must_use]
pub fn validate_timeouts(config: &Object) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let AttributeValue::Known(timeouts) = config.block("timeouts") else { return diagnostics };
    for name in Operation::ALL.map(Operation::name) {
        let AttributeValue::Known(text) = timeouts.string(name) else { continue };
        if parse_duration(text).is_none() {
            diagnostics.push(
                Diagnostic::error(
                    "Invalid timeout",
                    format!(
                        "`{name}` must be a positive duration such as `30s`, `5m` or `1h30m`, at \
                         most a year; got {text:?}."
                    ),
                )
                .with_path(AttributePath::root("timeouts").attribute(name)),
            );
        }
    }
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfplugin::Value;

    #[test]
    fn timeouts_are_configured_or_the_documented_defaults() {
        let minutes = |state: &Object| {
            Operation::ALL.map(|operation| timeout(state, operation).as_secs() / 60)
        };
        assert_eq!(minutes(&Object::new()), [5, 1, 5, 5]);
        let timeouts = Object::new().with("create", "9m").with("read", Value::Null);
        assert_eq!(minutes(&Object::new().with("timeouts", timeouts)), [9, 1, 5, 5]);
    }
}
