//! The record of a request and its response. It contains no secrets: no header values except the
//! user agent, no query values, and of a form only parameters that are not secret.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::request::Request;
use super::rule::EncryptionRule;

/// Bodies are recorded up to this length.
const MAX_BODY: usize = 4096;

/// A request that the emulator received, and the outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The request ID in the response: `x-oss-request-id`, or `RequestId` of STS.
    pub request_id: String,
    /// The service: `oss`, `sts`, `ecs-metadata`, `credentials-uri`, `login` or `control`.
    pub service: &'static str,
    /// The HTTP method.
    pub method: String,
    /// The `Host` header, which shows the addressing style.
    pub host: String,
    /// The path as sent.
    pub path: String,
    /// The names in the query, without their values.
    pub query_names: Vec<String>,
    /// The name of the API operation, if the emulator implements it. The emulator's own names are
    /// `EcsMetadataToken`, `EcsMetadataRole`, `EcsMetadataCredentials`, `CredentialsUri`,
    /// `CreateCloudCredential`, `OAuthExchange`, `OAuthToken`, and those of the control path.
    pub operation: Option<String>,
    /// The bucket.
    pub bucket: Option<String>,
    /// The object key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_key: Option<String>,
    /// The encryption of the object, if the response contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_encryption: Option<EncryptionRule>,
    /// The AccessKey ID, whether or not the signature is valid.
    pub access_key_id: Option<String>,
    /// `v1` or `v4`.
    pub signature_version: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The names of all headers, in the order received.
    pub header_names: Vec<String>,
    /// The parameters of an STS request that are not secret: `RoleArn`, `RoleSessionName`,
    /// `DurationSeconds`, `Policy`, `ExternalId`, `OIDCProviderArn`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The AccessKey ID of the temporary credentials in the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_access_key_id: Option<String>,
    /// The first 4096 bytes of the body of `PutBucketEncryption`. Other bodies are not recorded,
    /// because they may be objects.
    pub body: String,
    /// The response status; 0 if no response was sent.
    pub status: u16,
    /// The error code in the response.
    pub code: Option<String>,
    /// The fault that was applied.
    pub fault: Option<String>,
    /// The bucket's rule before the request.
    pub rule_before: Option<EncryptionRule>,
    /// The bucket's rule after the request.
    pub rule_after: Option<EncryptionRule>,
    /// The rule that a stale read returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_returned: Option<Option<EncryptionRule>>,
    /// Whether an operation on an object was executed.
    #[serde(skip)]
    pub(super) is_executed: bool,
}

impl RecordedRequest {
    /// Creates a record with what is known before the request is served.
    pub(super) fn new(request: &Request, request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            service: "oss",
            method: request.method.clone(),
            host: request.host.clone(),
            path: request.path.clone(),
            query_names: request.query.iter().map(|(name, _)| name.clone()).collect(),
            user_agent: request.header("user-agent"),
            header_names: request.headers.iter().map(|(name, _)| name.clone()).collect(),
            ..Self::default()
        }
    }

    /// Records the body too. Only for operations whose body contains no object and no token.
    pub(super) fn keep_body(&mut self, request: &Request) {
        let body = request.body.get(..MAX_BODY).unwrap_or(&request.body);
        self.body = String::from_utf8_lossy(body).into_owned();
    }

    /// The record as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers, arrays and maps with string keys always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for RecordedRequest {
    /// One line of text, such as `PUT    demo  PutBucketEncryption  200  none → AES256`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Object keys and names may contain line breaks.
        let mut line = String::new();
        self.write_line(&mut line)?;
        line.chars().try_for_each(|character| {
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())
            } else {
                formatter.write_char(character)
            }
        })
    }
}

impl RecordedRequest {
    fn write_line(&self, formatter: &mut impl fmt::Write) -> fmt::Result {
        let Self { method, status, rule_before, rule_after, .. } = self;
        let bucket = self.bucket.as_deref().unwrap_or("-");
        let object = self.object_key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
        let target = || match self.query_names.join("&") {
            names if names.is_empty() => self.path.clone(),
            names => format!("{}?{names}", self.path),
        };
        let operation = self.operation.clone().unwrap_or_else(target);
        write!(formatter, "{method:<6} {bucket}{object}  {operation}  ")?;
        match status {
            0 => formatter.write_str("no response")?,
            status => write!(formatter, "{status}")?,
        }
        if let Some(code) = &self.code {
            write!(formatter, "  {code}")?;
        }
        let describe = |rule: &Option<EncryptionRule>| {
            rule.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
        };
        if rule_before != rule_after {
            write!(formatter, "  {} → {}", describe(rule_before), describe(rule_after))?;
        } else if self.code.is_none() && operation.ends_with("Encryption") {
            write!(formatter, "  {}", describe(self.rule_returned.as_ref().unwrap_or(rule_after)))?;
            if self.rule_returned.is_some() {
                write!(formatter, " (stale; actual rule: {})", describe(rule_after))?;
            }
        } else if self.is_executed && reports_encryption(&operation) {
            match &self.object_encryption {
                Some(method) => write!(formatter, "  encrypted: {method}")?,
                None => formatter.write_str("  not encrypted")?,
            }
        }
        if let Some(role) = self.parameters.get("RoleArn") {
            let session = self.parameters.get("RoleSessionName").map_or("-", String::as_str);
            write!(formatter, "  {role} as {session}")?;
        }
        match &self.fault {
            Some(fault) => write!(formatter, "  [injected: {fault}]"),
            None => Ok(()),
        }
    }
}

/// Whether the response shows the encryption of an object.
fn reports_encryption(operation: &str) -> bool {
    matches!(operation, "PutObject" | "CopyObject" | "GetObject" | "HeadObject")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded_request(method: &str, operation: &str, status: u16) -> RecordedRequest {
        RecordedRequest {
            method: method.to_owned(),
            operation: Some(operation.to_owned()),
            bucket: Some("demo-logs".to_owned()),
            status,
            ..RecordedRequest::default()
        }
    }

    #[test]
    fn is_displayed_as_one_line() {
        let mut rule = EncryptionRule::new("KMS");
        rule.kms_master_key_id = Some("9468da86-3509".to_owned());
        let mut put = recorded_request("PUT", "PutBucketEncryption", 200);
        put.rule_after = Some(rule.clone());
        assert_eq!(
            put.to_string(),
            "PUT    demo-logs  PutBucketEncryption  200  none → KMS (key 9468…)"
        );
        let mut get = recorded_request("GET", "GetBucketEncryption", 200);
        (get.rule_before, get.rule_after) = (Some(rule.clone()), Some(rule));
        assert_eq!(get.to_string(), "GET    demo-logs  GetBucketEncryption  200  KMS (key 9468…)");
        let mut missing = recorded_request("GET", "GetBucketEncryption", 404);
        missing.code = Some("NoSuchServerSideEncryptionRule".to_owned());
        assert_eq!(
            missing.to_string(),
            "GET    demo-logs  GetBucketEncryption  404  NoSuchServerSideEncryptionRule"
        );
        let mut unknown = recorded_request("GET", "", 400);
        (unknown.operation, unknown.path) = (None, "/demo-logs/".to_owned());
        unknown.query_names = vec!["acl".to_owned()];
        assert_eq!(unknown.to_string(), "GET    demo-logs  /demo-logs/?acl  400");
        unknown.query_names.clear();
        assert_eq!(unknown.to_string(), "GET    demo-logs  /demo-logs/  400");
        let mut upload = recorded_request("PUT", "PutObject", 200);
        upload.object_key = Some("a/b.txt".to_owned());
        upload.is_executed = true;
        assert_eq!(upload.to_string(), "PUT    demo-logs/a/b.txt  PutObject  200  not encrypted");
        upload.object_encryption = Some(EncryptionRule::new("SM4"));
        assert_eq!(upload.to_string(), "PUT    demo-logs/a/b.txt  PutObject  200  encrypted: SM4");
        upload.code = Some("NoSuchBucket".to_owned());
        upload.is_executed = false;
        assert_eq!(upload.to_string(), "PUT    demo-logs/a/b.txt  PutObject  200  NoSuchBucket");
        let mut sts = recorded_request("POST", "AssumeRole", 200);
        sts.bucket = None;
        for (name, value) in [("RoleArn", "acs:ram::1:role/x"), ("RoleSessionName", "tf")] {
            sts.parameters.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(sts.to_string(), "POST   -  AssumeRole  200  acs:ram::1:role/x as tf");
        let mut lost = recorded_request("DELETE", "DeleteBucketEncryption", 0);
        lost.fault = Some("reset before the change".to_owned());
        assert_eq!(
            lost.to_string(),
            "DELETE demo-logs  DeleteBucketEncryption  no response  none  \
             [injected: reset before the change]"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut upload = recorded_request("PUT", "PutObject", 200);
        upload.object_key = Some("evil\n\u{1b}[31mPUT demo".to_owned());
        let line = upload.to_string();
        assert!(line.contains("evil\\n\\u{1b}[31mPUT demo"), "{line}");
        let mut unknown = recorded_request("GET", "", 400);
        (unknown.operation, unknown.query_names) = (None, vec!["acl\nFAKE".to_owned()]);
        assert_eq!(unknown.to_string().lines().count(), 1);
    }

    #[test]
    fn a_stale_read_is_marked() {
        let mut get = recorded_request("GET", "GetBucketEncryption", 200);
        let rule = |algorithm| Some(EncryptionRule::new(algorithm));
        (get.rule_before, get.rule_after) = (rule("KMS"), rule("KMS"));
        get.rule_returned = Some(rule("AES256"));
        assert!(get.to_string().ends_with("200  AES256 (stale; actual rule: KMS)"), "{get}");
    }

    #[test]
    fn json_is_one_line_and_bodies_are_truncated() {
        let headers = vec![("authorization".to_owned(), "OSS id:secret-signature".to_owned())];
        let body = "x\n".repeat(10_000).into();
        let request = Request { headers, body, ..Request::default() };
        let mut record = RecordedRequest::new(&request, "ID");
        assert_eq!(record.body, "", "not recorded unless asked for");
        record.keep_body(&request);
        assert_eq!(record.body.len(), MAX_BODY);
        let json = record.to_json();
        assert!(!json.contains('\n') && !json.contains("secret-signature"), "{json}");
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["header_names"], serde_json::json!(["authorization"]));
    }
}
