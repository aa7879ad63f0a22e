//! Errors and warnings for the user.

use super::path::AttributePath;

/// What to do about a corrupted state.
pub const RESTORE_STATE: &str = "Restore the state from a backup, or remove the resource from it with \
     `terraform state rm` and import it again.";

/// Severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation continues.
    Warning,
}

/// An error or warning: what happened, why, what to do, and the offending attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A short line without a full stop.
    pub summary: String,
    /// Sentences; paragraphs are separated by an empty line.
    pub detail: String,
    /// The offending attribute, whose line in the configuration Terraform shows.
    pub attribute: Option<AttributePath>,
}

impl Diagnostic {
    /// An error about the operation as a whole.
    #[must_use]
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            attribute: None,
        }
    }

    /// A warning about the operation as a whole.
    #[must_use]
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary, detail) }
    }

    /// Adds a paragraph to the detail.
    #[must_use]
    pub fn with_paragraph(mut self, paragraph: &str) -> Self {
        self.detail.push_str("\n\n");
        self.detail.push_str(paragraph);
        self
    }

    /// Sets the offending attribute.
    #[must_use]
    pub fn with_path(mut self, attribute: AttributePath) -> Self {
        self.attribute = Some(attribute);
        self
    }

    /// Sets the offending attribute, which is at the root.
    #[must_use]
    pub fn with_attribute(self, name: &str) -> Self {
        self.with_path(AttributePath::root(name))
    }
}

/// The diagnostics of one call, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a diagnostic, unless the list contains an equal one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Adds all diagnostics of `other`.
    pub fn extend(&mut self, other: Self) {
        for diagnostic in other.0 {
            self.push(diagnostic);
        }
    }

    /// Whether the list contains an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
