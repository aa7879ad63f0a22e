//! Listing the objects of a bucket: `ListObjects` and `ListObjectsV2`.
//!
//! Follows the pages of the operations. The continuation token is the last key in base64; real ones
//! are opaque too.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::buckets::{max_keys, owner};
use super::error::ServiceError;
use super::object::Object;
use super::request::Request;
use super::timestamp;
use super::xml::Element;

/// Whether this is a query parameter of a list request.
pub(super) fn is_list_parameter(name: &str) -> bool {
    matches!(
        name,
        "list-type"
            | "prefix"
            | "delimiter"
            | "max-keys"
            | "marker"
            | "start-after"
            | "continuation-token"
            | "encoding-type"
            | "fetch-owner"
    )
}

/// A list request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListObjectsRequest {
    prefix: String,
    delimiter: String,
    max_keys: usize,
    start_after: String,
    /// The page starts after this name.
    after: String,
    continuation_token: Option<String>,
    is_url_encoded: bool,
    is_v2: bool,
    has_owner: bool,
}

/// An entry of the list: an object, or a common prefix up to the delimiter.
enum Entry<'o> {
    Object(&'o str, &'o Object),
    Prefix(String),
}

impl ListObjectsRequest {
    pub(super) fn of(request: &Request) -> Result<Self, ServiceError> {
        let invalid = |name: &str, message: &'static str| {
            ServiceError::invalid_argument(message)
                .detail("ArgumentName", name)
                .detail("ArgumentValue", request.query_value(name).unwrap_or_default())
        };
        let value = |name| request.query_value(name).unwrap_or_default().to_owned();
        let token = request.query_value("continuation-token").filter(|token| !token.is_empty());
        let is_v2 = request.query_value("list-type") == Some("2");
        let start_after = value(if is_v2 { "start-after" } else { "marker" });
        let after = match token {
            None => start_after.clone(),
            Some(token) => {
                let key = STANDARD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
                key.ok_or_else(|| {
                    invalid("continuation-token", "The continuation token provided is incorrect.")
                })?
            }
        };
        let is_url_encoded = match request.query_value("encoding-type") {
            None | Some("") => false,
            Some("url") => true,
            Some(_) => return Err(invalid("encoding-type", "Invalid Encoding Method.")),
        };
        Ok(Self {
            prefix: value("prefix"),
            delimiter: value("delimiter"),
            max_keys: max_keys(request)?,
            start_after,
            after,
            continuation_token: token.map(str::to_owned),
            is_url_encoded,
            is_v2,
            // Version 1 always returns the owner.
            has_owner: !is_v2 || request.query_value("fetch-owner") == Some("true"),
        })
    }

    /// The response body for the objects of a bucket.
    pub(super) fn to_xml(&self, bucket: &str, objects: &BTreeMap<String, Object>) -> Element {
        let mut entries = self.entries(objects);
        let is_truncated = entries.len() > self.max_keys;
        entries.truncate(self.max_keys);
        let encode = |text: &str| {
            if self.is_url_encoded {
                utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
            } else {
                text.to_owned()
            }
        };
        let mut result = Element::new("ListBucketResult")
            .with(Element::of_text("Name", bucket))
            .with(Element::of_text("Prefix", &encode(&self.prefix)))
            .with(Element::of_text(
                if self.is_v2 { "StartAfter" } else { "Marker" },
                &encode(&self.start_after),
            ))
            .with(Element::of_text("MaxKeys", &self.max_keys.to_string()))
            .with(Element::of_text("Delimiter", &encode(&self.delimiter)))
            .with(Element::of_text("IsTruncated", &is_truncated.to_string()));
        if self.is_v2 {
            result = result.with(Element::of_text("KeyCount", &entries.len().to_string()));
        }
        if self.is_url_encoded {
            result = result.with(Element::of_text("EncodingType", "url"));
        }
        if let Some(token) = &self.continuation_token {
            result = result.with(Element::of_text("ContinuationToken", token));
        }
        if let Some(last) = entries.last().filter(|_| is_truncated) {
            result = result.with(if self.is_v2 {
                Element::of_text("NextContinuationToken", &STANDARD.encode(last.name()))
            } else {
                Element::of_text("NextMarker", &encode(last.name()))
            });
        }
        entries.iter().fold(result, |result, entry| {
            result.with(match entry {
                Entry::Prefix(prefix) => {
                    Element::new("CommonPrefixes").with(Element::of_text("Prefix", &encode(prefix)))
                }
                Entry::Object(key, object) => {
                    let entry = Element::new("Contents")
                        .with(Element::of_text("Key", &encode(key)))
                        .with(Element::of_text(
                            "LastModified",
                            &timestamp::extended(object.last_modified),
                        ))
                        .with(Element::of_text("ETag", &object.etag))
                        .with(Element::of_text("Type", "Normal"))
                        .with(Element::of_text("Size", &object.size.to_string()))
                        .with(Element::of_text("StorageClass", "Standard"));
                    if self.has_owner { entry.with(owner()) } else { entry }
                }
            })
        })
    }

    /// The entries after `after`, up to one more than fits on the page.
    fn entries<'o>(&self, objects: &'o BTreeMap<String, Object>) -> Vec<Entry<'o>> {
        let mut entries: Vec<Entry<'o>> = Vec::new();
        for (key, object) in objects {
            let Some(rest) = key.strip_prefix(&self.prefix) else { continue };
            let end = Some(&self.delimiter).filter(|delimiter| !delimiter.is_empty());
            let end = end.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
            let entry = match end.and_then(|end| rest.get(..end)) {
                Some(common) => Entry::Prefix(format!("{}{common}", self.prefix)),
                None => Entry::Object(key, object),
            };
            let is_new = entries.last().is_none_or(|last| last.name() != entry.name());
            if entry.name() > self.after.as_str() && is_new {
                entries.push(entry);
            }
            if entries.len() > self.max_keys {
                break;
            }
        }
        entries
    }
}

impl Entry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Object(key, _) => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::envelope::MasterKeys;
    use crate::object::ObjectMetadata;
    use crate::request::parse_query;

    fn objects() -> BTreeMap<String, Object> {
        let object = |key: &str| {
            let content = b"12345".to_vec();
            let mut keys = MasterKeys::default();
            Object::new(
                content,
                ObjectMetadata::default(),
                None,
                key,
                &mut keys,
                OffsetDateTime::UNIX_EPOCH,
            )
        };
        let keys = ["a b", "logs/1", "logs/2", "logs/old/3", "z"];
        keys.map(|key| (key.to_owned(), object(key))).into()
    }

    fn listing(query: &str) -> Result<ListObjectsRequest, ServiceError> {
        ListObjectsRequest::of(&Request { query: parse_query(query), ..Request::default() })
    }

    fn list(query: &str) -> String {
        let xml = listing(query).unwrap().to_xml("demo", &objects());
        String::from_utf8(xml.to_document()).unwrap()
    }

    fn texts<'b>(body: &'b str, name: &str) -> Vec<&'b str> {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        body.split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap()).collect()
    }

    #[test]
    fn a_complete_list() {
        let body = list("list-type=2");
        assert!(
            body.contains(
                "<ListBucketResult><Name>demo</Name><Prefix></Prefix><StartAfter></StartAfter>\
                 <MaxKeys>100</MaxKeys><Delimiter></Delimiter><IsTruncated>false</IsTruncated>\
                 <KeyCount>5</KeyCount><Contents><Key>a b</Key>\
                 <LastModified>1970-01-01T00:00:00.000Z</LastModified>\
                 <ETag>&quot;827CCB0EEA8A706C4C34A16891F84E7B&quot;</ETag><Type>Normal</Type>\
                 <Size>5</Size><StorageClass>Standard</StorageClass></Contents>"
            ),
            "{body}"
        );
    }

    #[test]
    fn a_list_is_filtered_and_grouped() {
        for (query, keys, prefixes) in [
            ("prefix=logs/", &["logs/1", "logs/2", "logs/old/3"][..], &["logs/"][..]),
            ("delimiter=/", &["a b", "z"], &["logs/"]),
            ("prefix=logs/&delimiter=/", &["logs/1", "logs/2"], &["logs/", "logs/old/"]),
            ("list-type=2&start-after=logs/1", &["logs/2", "logs/old/3", "z"], &[]),
            ("marker=logs/1", &["logs/2", "logs/old/3", "z"], &[]),
            ("encoding-type=url&max-keys=2", &["a%20b", "logs%2F1"], &[]),
        ] {
            let body = list(query);
            assert_eq!(texts(&body, "Key"), keys, "{query}");
            let common: Vec<&str> =
                texts(&body, "Prefix").into_iter().filter(|prefix| !prefix.is_empty()).collect();
            assert_eq!(common, prefixes, "{query}");
        }
    }

    #[test]
    fn each_page_continues_after_the_previous_one() {
        let mut query = "list-type=2&delimiter=/&max-keys=1".to_owned();
        let mut seen = Vec::new();
        loop {
            let body = list(&query);
            seen.extend(texts(&body, "Key").into_iter().map(str::to_owned));
            let prefixes = texts(&body, "Prefix").into_iter().filter(|prefix| !prefix.is_empty());
            seen.extend(prefixes.map(str::to_owned));
            match texts(&body, "NextContinuationToken").first() {
                Some(token) => {
                    assert!(body.contains("<IsTruncated>true</IsTruncated>"));
                    let token = utf8_percent_encode(token, NON_ALPHANUMERIC);
                    query =
                        format!("list-type=2&delimiter=/&max-keys=1&continuation-token={token}");
                }
                None => break,
            }
        }
        assert_eq!(seen, ["a b", "logs/", "z"]);
    }

    #[test]
    fn version_1_has_markers_and_owners() {
        let body = list("max-keys=2");
        assert!(body.contains("<Marker></Marker>") && !body.contains("KeyCount"), "{body}");
        assert!(body.contains("<NextMarker>logs/1</NextMarker>"), "{body}");
        assert_eq!(texts(&body, "Owner").len(), 2);
        assert_eq!(texts(&list("list-type=2"), "Owner").len(), 0);
        assert_eq!(texts(&list("list-type=2&fetch-owner=true"), "Owner").len(), 5);
    }

    #[test]
    fn invalid_parameters_are_rejected() {
        for query in
            ["max-keys=0", "max-keys=1001", "max-keys=x", "continuation-token=?", "encoding-type=x"]
        {
            let error = listing(query).unwrap_err();
            assert_eq!((error.status, &*error.code), (400, "InvalidArgument"), "{query}");
        }
    }
}
