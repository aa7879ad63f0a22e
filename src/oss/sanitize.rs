//! Texts of servers, made safe for terminals and logs.

/// Length of an element's text that is kept, in characters.
pub(super) const MAX_TEXT: usize = 1024;

/// Cuts a text of a server to a bound and replaces its control characters, so that it can be printed.
pub(super) fn sanitize(text: impl AsRef<str>) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.as_ref().chars().take(MAX_TEXT).map(printable).collect()
}
