//! A stored object: its content, encrypted or not, and its metadata.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_64_XZ, Crc};
use md5::{Digest as _, Md5};
use time::OffsetDateTime;

use super::envelope::{MasterKeys, Sealed};
use super::error::ServiceError;
use super::request::Request;
use super::response::Response;
use super::rule::EncryptionRule;
use super::timestamp;

/// The headers of an upload that are returned with the object, in addition to `x-oss-meta-*`.
const METADATA_HEADERS: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

/// Headers that change the meaning of an operation. They are rejected rather than ignored.
const UNSUPPORTED_HEADERS: [&str; 10] = [
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "x-oss-forbid-overwrite",
    "x-oss-tagging",
    "x-oss-copy-source-if-match",
    "x-oss-copy-source-if-none-match",
    "x-oss-copy-source-if-modified-since",
    "x-oss-copy-source-if-unmodified-since",
];

/// An object. Its encryption is decided when it is written, and never changes.
#[derive(Debug, Clone)]
pub(super) struct Object {
    content: Content,
    metadata: ObjectMetadata,
    pub(super) size: usize,
    /// With the quotation marks.
    pub(super) etag: String,
    crc64: u64,
    pub(super) last_modified: OffsetDateTime,
}

#[derive(Debug, Clone)]
enum Content {
    Plain(Vec<u8>),
    Sealed(Sealed),
}

/// The headers that are stored with an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ObjectMetadata {
    content_type: Option<String>,
    /// Names in lowercase.
    headers: Vec<(String, String)>,
}

impl ObjectMetadata {
    pub(super) fn of(request: &Request) -> Self {
        let is_stored =
            |name: &str| METADATA_HEADERS.contains(&name) || name.starts_with("x-oss-meta-");
        let headers = request.headers.iter().filter(|(name, _)| is_stored(name)).cloned().collect();
        Self { content_type: request.header("content-type"), headers }
    }
}

impl Object {
    /// Creates an object, encrypted if there is a `method`. `name` is `{bucket}/{key}`.
    pub(super) fn new(
        content: Vec<u8>,
        metadata: ObjectMetadata,
        method: Option<&EncryptionRule>,
        name: &str,
        keys: &mut MasterKeys,
        now: OffsetDateTime,
    ) -> Self {
        let md5: Vec<String> =
            Md5::digest(&content).iter().map(|byte| format!("{byte:02X}")).collect();
        Self {
            size: content.len(),
            etag: format!("\"{}\"", md5.concat()),
            // The SDKs call it "crc64 ecma", and compare it with their result.
            crc64: Crc::<u64>::new(&CRC_64_XZ).checksum(&content),
            content: match method {
                Some(method) => Content::Sealed(keys.seal(method, name, &content)),
                None => Content::Plain(content),
            },
            metadata,
            // Responses have no fractions of a second, and oss2 rejects them.
            last_modified: now.replace_nanosecond(0).unwrap_or(now),
        }
    }

    /// The encryption of the object.
    pub(super) fn method(&self) -> Option<&EncryptionRule> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Sealed(sealed) => Some(&sealed.method),
        }
    }

    /// The bytes as they are stored.
    pub(super) fn stored_bytes(&self) -> &[u8] {
        match &self.content {
            Content::Plain(content) => content,
            Content::Sealed(sealed) => &sealed.ciphertext,
        }
    }

    pub(super) fn metadata(&self) -> &ObjectMetadata {
        &self.metadata
    }

    /// The content as it was uploaded.
    pub(super) fn open(&self, name: &str, keys: &MasterKeys) -> Result<Vec<u8>, ServiceError> {
        match &self.content {
            Content::Plain(content) => Ok(content.clone()),
            // Only a bug in the emulator can lead here.
            Content::Sealed(sealed) => keys.open(sealed, name).ok_or_else(|| {
                ServiceError::new(500, "InternalError", "The object cannot be decrypted.")
            }),
        }
    }

    /// The response to an upload (page `PutObject`).
    pub(super) fn to_upload_response(&self, content_md5: &[u8]) -> Response {
        self.with_encryption(Response::empty(200))
            .header("ETag", self.etag.as_str())
            .header("Content-MD5", STANDARD.encode(content_md5))
            .header("x-oss-hash-crc64ecma", self.crc64.to_string())
    }

    /// The response to a download (pages `GetObject` and `HeadObject`).
    pub(super) fn to_response(&self, content: Vec<u8>) -> Response {
        let content_type =
            self.metadata.content_type.as_deref().unwrap_or("application/octet-stream");
        let mut response = self
            .with_encryption(Response::raw(200, content_type, content))
            .header("ETag", self.etag.as_str())
            .header("Last-Modified", timestamp::http_date(self.last_modified))
            .header("x-oss-hash-crc64ecma", self.crc64.to_string())
            .header("x-oss-object-type", "Normal")
            .header("x-oss-storage-class", "Standard");
        for (name, value) in &self.metadata.headers {
            response = response.header(name.clone(), value.as_str());
        }
        response
    }

    /// The response to `HEAD`: the same headers without the content. `Content-Length` is set explicitly,
    /// because the server would omit a length of zero.
    pub(super) fn to_head_response(&self) -> Response {
        self.to_response(Vec::new()).header("Content-Length", self.size.to_string())
    }

    /// The response to a range request.
    pub(super) fn to_range_response(
        &self,
        content: &[u8],
        range: RangeInclusive<usize>,
    ) -> Response {
        let (first, last) = (*range.start(), *range.end());
        let part = content.get(range).unwrap_or_default().to_vec();
        let mut response = self.to_response(part);
        response.status = 206;
        response.header("Content-Range", format!("bytes {first}-{last}/{}", content.len()))
    }

    /// Adds the headers about the object's encryption. The key ID is only returned if it was
    /// specified: the emulator does not generate an ID for the default CMK.
    pub(super) fn with_encryption(&self, mut response: Response) -> Response {
        let Some(method) = self.method() else { return response };
        response = response.header("x-oss-server-side-encryption", method.sse_algorithm.as_str());
        if let Some(key) = &method.kms_master_key_id {
            response = response.header("x-oss-server-side-encryption-key-id", key.as_str());
        }
        if let Some(cipher) = &method.kms_data_encryption {
            response = response.header("x-oss-server-side-data-encryption", cipher.as_str());
        }
        response
    }
}

/// The bytes that a `Range` header requests. `None` if it is not a single satisfiable range: then the
/// whole object is returned (page `GetObject`).
pub(super) fn range(header: &str, size: usize) -> Option<RangeInclusive<usize>> {
    let last_of_all = size.checked_sub(1)?;
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (first, last) {
        ("", length) => (size.saturating_sub(length.parse().ok()?), last_of_all),
        (first, "") => (first.parse().ok()?, last_of_all),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(last_of_all)),
    };
    (first <= last).then_some(first..=last)
}

/// Whether an object may have this key (page "Object naming conventions").
pub(super) fn check_key(key: &str) -> Result<(), ServiceError> {
    if (1..=1023).contains(&key.len()) && !key.starts_with(['/', '\\']) {
        return Ok(());
    }
    Err(ServiceError::new(400, "InvalidObjectName", "The specified object is not valid."))
}

/// Rejects headers for features of objects and buckets that the emulator does not implement.
pub(super) fn check_headers(request: &Request) -> Result<(), ServiceError> {
    // The only values that the emulator supports.
    let known = [
        ("x-oss-storage-class", "Standard"),
        ("x-oss-acl", "private"),
        ("x-oss-object-acl", "default"),
    ];
    let other = known.into_iter().find(|(name, value)| {
        request.header(name).is_some_and(|found| !found.is_empty() && found != *value)
    });
    let unsupported = UNSUPPORTED_HEADERS.into_iter().find(|name| request.header(name).is_some());
    match other.map(|(name, _)| name).or(unsupported) {
        None => Ok(()),
        Some(name) => {
            let message = format!("The emulator does not implement the header {name}.");
            Err(ServiceError::new(400, "NotImplemented", message).detail("Header", name))
        }
    }
}

/// Parses `x-oss-copy-source: /{bucket}/{key}`, encoded, to bucket and key.
pub(super) fn copy_source(header: &str) -> Result<(String, String), ServiceError> {
    let source = super::request::decode(header);
    let path = source.strip_prefix('/').unwrap_or(&source);
    match path.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok((bucket.to_owned(), key.to_owned()))
        }
        _ => Err(ServiceError::invalid_argument(
            "Copy Source must mention the source bucket and key.",
        )
        .detail("ArgumentName", "x-oss-copy-source")
        .detail("ArgumentValue", header)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(method: Option<&EncryptionRule>) -> (Object, MasterKeys) {
        let mut keys = MasterKeys::default();
        let headers = [
            ("content-type", "text/plain"),
            ("cache-control", "no-cache"),
            ("x-oss-meta-owner", "me"),
            ("authorization", "secret"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let metadata = ObjectMetadata::of(&Request { headers, ..Request::default() });
        let now = OffsetDateTime::UNIX_EPOCH;
        (Object::new(b"123456789".to_vec(), metadata, method, "demo/a", &mut keys, now), keys)
    }

    fn headers(response: &Response) -> Vec<String> {
        response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn a_download_has_the_metadata_and_the_encryption() {
        let mut method = EncryptionRule::new("KMS");
        method.kms_master_key_id = Some("9468da86".to_owned());
        method.kms_data_encryption = Some("SM4".to_owned());
        let (object, keys) = object(Some(&method));
        let content = object.open("demo/a", &keys).unwrap();
        let response = object.to_response(content);
        assert_eq!(response.body, b"123456789");
        assert_ne!(object.stored_bytes(), b"123456789");
        assert_eq!(
            headers(&response),
            [
                "Content-Type: text/plain",
                "x-oss-server-side-encryption: KMS",
                "x-oss-server-side-encryption-key-id: 9468da86",
                "x-oss-server-side-data-encryption: SM4",
                "ETag: \"25F9E794323B453885F5181F1B624D0B\"",
                "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT",
                // The check value of CRC-64/XZ.
                &format!("x-oss-hash-crc64ecma: {}", 0x995d_c9bb_df19_39fa_u64),
                "x-oss-object-type: Normal",
                "x-oss-storage-class: Standard",
                "cache-control: no-cache",
                "x-oss-meta-owner: me",
            ]
        );
        assert!(object.open("demo/b", &keys).is_err(), "the content is bound to the object's name");
    }

    #[test]
    fn without_encryption_the_content_is_stored_in_plaintext() {
        let (object, keys) = object(None);
        assert_eq!(object.stored_bytes(), b"123456789");
        let response = object.to_response(object.open("demo/a", &keys).unwrap());
        assert!(!headers(&response).iter().any(|header| header.contains("encryption")));
    }

    #[test]
    fn object_keys_are_validated() {
        for key in ["a", "a/b", "中", &"x".repeat(1023)] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "/a", "\\a", &"x".repeat(1024)] {
            assert_eq!(check_key(key).unwrap_err().code, "InvalidObjectName", "{key}");
        }
    }

    #[test]
    fn ranges_of_an_object() {
        for (header, expected) in [
            ("bytes=0-3", Some(0..=3)),
            ("bytes=2-", Some(2..=8)),
            ("bytes=-2", Some(7..=8)),
            ("bytes=-99", Some(0..=8)),
            ("bytes=5-99", Some(5..=8)),
            ("bytes=9-", None),
            ("bytes=3-2", None),
            ("bytes=0-1,3-4", None),
            ("chars=0-1", None),
        ] {
            assert_eq!(range(header, 9), expected, "{header}");
        }
        assert_eq!(range("bytes=0-", 0), None);
        let (object, keys) = object(Some(&EncryptionRule::new("SM4")));
        let content = object.open("demo/a", &keys).unwrap();
        let part = object.to_range_response(&content, 2..=4);
        assert_eq!((part.status, part.body.as_slice()), (206, &b"345"[..]));
        assert!(headers(&part).contains(&"Content-Range: bytes 2-4/9".to_owned()));
    }

    #[test]
    fn unsupported_headers_are_rejected() {
        let check = |name: &str, value: &str| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            check_headers(&Request { headers, ..Request::default() }).map_err(|error| error.code)
        };
        for (name, value) in
            [("x-oss-storage-class", "Standard"), ("x-oss-object-acl", "default"), ("range", "x")]
        {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        for (name, value) in
            [("x-oss-storage-class", "IA"), ("x-oss-acl", "public-read"), ("if-match", "x")]
        {
            assert_eq!(check(name, value), Err("NotImplemented".into()), "{name}");
        }
    }

    #[test]
    fn copy_sources_are_parsed() {
        let found = |header| copy_source(header).ok();
        let source = |bucket: &str, key: &str| Some((bucket.to_owned(), key.to_owned()));
        assert_eq!(found("/demo/a%20b/c"), source("demo", "a b/c"));
        assert_eq!(found("demo/a"), source("demo", "a"));
        for header in ["", "/", "/demo", "/demo/", "//a"] {
            assert_eq!(found(header), None, "{header}");
        }
    }
}
