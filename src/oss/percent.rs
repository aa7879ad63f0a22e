//! Percent-encoded queries and forms, as they are sent and signed (RFC 3986).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Encodes everything but `A-Za-z0-9-._~`.
pub(super) const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a name or a value.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Encodes names and values.
pub(super) fn encode_pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (encode(name), encode(value))).collect()
}

/// Joins encoded pairs to a query of OSS, in which a name without a value stands alone (`?encryption`).
pub(super) fn join_query(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| match value.as_str() {
        "" => name.clone(),
        value => format!("{name}={value}"),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Encodes pairs as a form, in which every name has a value.
pub(super) fn encode_form(pairs: &[(String, String)]) -> String {
    let pairs = encode_pairs(pairs);
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_forms_differ_in_names_without_a_value() {
        let pairs = [("a b", "ü~"), ("encryption", "")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(join_query(&encode_pairs(&pairs)), "a%20b=%C3%BC~&encryption");
        assert_eq!(encode_form(&pairs), "a%20b=%C3%BC~&encryption=");
    }
}
