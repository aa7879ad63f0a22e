//! A request as it was received, before any checks.

use percent_encoding::percent_decode_str;

/// A complete HTTP request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// The `Host` header, port included.
    pub(super) host: String,
    /// The path as sent, still percent-encoded.
    pub(super) path: String,
    /// Decoded names and values of the query, in the order sent.
    pub(super) query: Vec<(String, String)>,
    /// Headers in the order received, with names in lowercase.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The trimmed value of a header. Several values are joined with `,`.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.trim())
            .collect();
        if values.is_empty() { None } else { Some(values.join(",")) }
    }

    /// The value of the first query parameter with this name.
    pub(super) fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The parameters in the body, if it is a form.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        let content_type = self.header("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Vec::new();
        }
        parse_query(&String::from_utf8_lossy(&self.body))
    }

    /// Whether the query has a parameter with this name, with or without a value.
    pub(super) fn has_query(&self, name: &str) -> bool {
        self.query.iter().any(|(found, _)| found == name)
    }
}

/// Decodes a query string. A `+` is a space: oss2 sends spaces that way (its HTTP library encodes
/// forms) although it signs them as `%20`, and OSS accepts it.
pub(super) fn parse_query(raw: &str) -> Vec<(String, String)> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Percent-decodes text. Invalid UTF-8 becomes replacement characters, because no client could have
/// signed it.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_decoded_and_values_are_optional() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse_query(""), []);
        assert_eq!(parse_query("encryption"), [pair("encryption", "")]);
        assert_eq!(parse_query("encryption="), [pair("encryption", "")]);
        assert_eq!(parse_query("a+=b%2B+c&%E4%B8%AD==d"), [pair("a ", "b+ c"), pair("中", "=d")]);
    }

    #[test]
    fn repeated_headers_are_joined() {
        let headers =
            vec![("a".into(), " 1 ".into()), ("b".into(), "x".into()), ("a".into(), "2".into())];
        let request = Request { headers, ..Request::default() };
        assert_eq!(request.header("a").as_deref(), Some("1,2"));
        assert_eq!(request.header("c"), None);
    }
}
