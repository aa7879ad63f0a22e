//! Errors and warnings for the user.

use super::path::AttributePath;

/// What to do about a corrupted state.
pub const RESTORE_STATE: &str = "Restore the state from a backup, or remove the resource from it with \
     `terraform state rm` and import it again.";

/// Maximum number of characters of a word in a message, which may be a value of the user.
const MAX_WORD: usize = 500;
/// Maximum number of characters of a message.
const MAX_TEXT: usize = 20_000;

/// Shortens words, and the text itself, if they are too long to read: a message may repeat a value of any length.
pub(super) fn shorten(text: String) -> String {
    if text.len() <= MAX_WORD {
        return text;
    }
    let words: String = text.split_inclusive(char::is_whitespace).map(shorten_word).collect();
    match words.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{} … (shortened)", &words[..end]),
        None => words,
    }
}

/// Keeps the beginning and the end, which may be a quotation mark and a full stop.
fn shorten_word(word: &str) -> std::borrow::Cow<'_, str> {
    const HEAD: usize = 100;
    const TAIL: usize = 10;
    let length = word.trim_end().chars().count();
    if length <= MAX_WORD {
        return word.into();
    }
    let at = |number| word.char_indices().nth(number).map_or(word.len(), |(index, _)| index);
    format!("{}… ({length} characters) …{}", &word[..at(HEAD)], &word[at(length - TAIL)..]).into()
}

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

    /// Whether there is no diagnostic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// Joins names for a sentence: `a`, `a or b`, `a, b or c`. Empty without names.
#[must_use]
pub fn join_names<T: AsRef<str>>(names: &[T], conjunction: &str) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [others @ .., last] if !others.is_empty() => {
            format!("{} {conjunction} {last}", others.join(", "))
        }
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened() {
        for kept in ["got \"demo\".", &format!("{}\n\nmore", "word ".repeat(200))] {
            assert_eq!(shorten(kept.to_owned()), kept);
        }
        let long = format!("got \"{}\". Next.", "é".repeat(5_000_000));
        let expected =
            format!("got \"{}… (5000003 characters) …{}\". Next.", "é".repeat(99), "é".repeat(8));
        assert_eq!(shorten(long), expected);
        let many = shorten("word ".repeat(1_000_000));
        assert!(many.len() < 20_050 && many.ends_with("(shortened)"), "{}", many.len());
    }
}
