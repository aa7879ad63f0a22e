//! Messages for the person at the terminal.

use super::path::AttributePath;

/// What to do about a state that is broken.
pub const RESTORE_STATE: &str = "Restore the state from a backup, or remove the resource from it with \
     `terraform state rm` and import it again.";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation goes on.
    Warning,
}

/// One message: what happened, why and what to do, and which attribute is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One short line without a full stop.
    pub summary: String,
    /// Sentences; an empty line separates paragraphs.
    pub detail: String,
    /// The attribute whose line Terraform prints.
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

    /// The same message, blaming an attribute.
    #[must_use]
    pub fn with_path(mut self, attribute: AttributePath) -> Self {
        self.attribute = Some(attribute);
        self
    }

    /// The same message, blaming an attribute at the root.
    #[must_use]
    pub fn with_attribute(self, name: &str) -> Self {
        self.with_path(AttributePath::root(name))
    }
}

/// The messages of one call, in the order they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message, unless the very same one is there already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Adds all messages of `other`.
    pub fn extend(&mut self, other: Self) {
        for diagnostic in other.0 {
            self.push(diagnostic);
        }
    }

    /// Whether any of them is an error.
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
