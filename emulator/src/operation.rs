//! The API operation of a request, determined by method, sub-resource and address.

use super::address::Address;
use super::buckets::LIST_PARAMETERS;
use super::error::ServiceError;
use super::objects;
use super::request::Request;

/// The operations that the emulator implements, named as in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    PutBucketEncryption,
    GetBucketEncryption,
    DeleteBucketEncryption,
    PutBucket,
    DeleteBucket,
    GetBucketLocation,
    GetBucketInfo,
    ListBuckets,
    PutObject,
    CopyObject,
    GetObject,
    HeadObject,
    GetObjectMeta,
    DeleteObject,
    DeleteMultipleObjects,
    ListObjects,
    ListObjectsV2,
    GetBucketAcl,
}

impl Operation {
    pub(super) const ALL: [Self; 18] = [
        Self::PutBucketEncryption,
        Self::GetBucketEncryption,
        Self::DeleteBucketEncryption,
        Self::PutBucket,
        Self::DeleteBucket,
        Self::GetBucketLocation,
        Self::GetBucketInfo,
        Self::ListBuckets,
        Self::PutObject,
        Self::CopyObject,
        Self::GetObject,
        Self::HeadObject,
        Self::GetObjectMeta,
        Self::DeleteObject,
        Self::DeleteMultipleObjects,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::GetBucketAcl,
    ];

    /// Determines the operation of a request to this address.
    pub(super) fn of(request: &Request, address: &Address) -> Result<Self, ServiceError> {
        if address.bucket.is_none() {
            let is_known = |(name, _): &(String, String)| LIST_PARAMETERS.contains(&name.as_str());
            let is_list = request.method == "GET"
                && request.query.iter().all(is_known)
                && request.header("x-oss-resource-group-id").is_none();
            return if is_list { Ok(Self::ListBuckets) } else { Err(not_implemented(request)) };
        }
        if !address.key.is_empty() {
            return Self::on_object(request);
        }
        if request.method == "GET"
            && request.query.iter().all(|(name, _)| objects::is_list_parameter(name))
        {
            return match request.query_value("list-type") {
                None => Ok(Self::ListObjects),
                Some("2") => Ok(Self::ListObjectsV2),
                Some(_) => Err(not_implemented(request)),
            };
        }
        // An unknown sub-resource must not be treated as the bucket itself: `DELETE /?policy` is not
        // DeleteBucket.
        let sub_resource = ["encryption", "location", "bucketInfo", "acl", "delete"]
            .into_iter()
            .find(|name| request.has_query(name));
        let sub_resource = match sub_resource {
            None if !request.query.is_empty() => return Err(not_implemented(request)),
            found => found,
        };
        match (request.method.as_str(), sub_resource) {
            ("PUT", Some("encryption")) => Ok(Self::PutBucketEncryption),
            ("GET", Some("encryption")) => Ok(Self::GetBucketEncryption),
            ("DELETE", Some("encryption")) => Ok(Self::DeleteBucketEncryption),
            ("GET", Some("location")) => Ok(Self::GetBucketLocation),
            ("GET", Some("bucketInfo")) => Ok(Self::GetBucketInfo),
            ("GET", Some("acl")) => Ok(Self::GetBucketAcl),
            ("POST", Some("delete")) => Ok(Self::DeleteMultipleObjects),
            ("PUT", None) => Ok(Self::PutBucket),
            ("DELETE", None) => Ok(Self::DeleteBucket),
            _ => Err(not_implemented(request)),
        }
    }

    /// Determines the operation on an object. Sub-resources (`acl`, `tagging`, multipart uploads, …)
    /// are not implemented.
    fn on_object(request: &Request) -> Result<Self, ServiceError> {
        let only = |name: &str| request.query.iter().all(|(found, _)| found == name);
        if !request.query.is_empty() {
            let is_meta = request.method == "HEAD" && only("objectMeta");
            return if is_meta { Ok(Self::GetObjectMeta) } else { Err(not_implemented(request)) };
        }
        let is_copy = request.header("x-oss-copy-source").is_some();
        match request.method.as_str() {
            "PUT" if is_copy => Ok(Self::CopyObject),
            "PUT" => Ok(Self::PutObject),
            "GET" => Ok(Self::GetObject),
            "HEAD" => Ok(Self::HeadObject),
            "DELETE" => Ok(Self::DeleteObject),
            _ => Err(not_implemented(request)),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::DeleteObject => "DeleteObject",
            Self::GetObjectMeta => "GetObjectMeta",
            Self::DeleteMultipleObjects => "DeleteMultipleObjects",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::GetBucketAcl => "GetBucketAcl",
            Self::PutBucketEncryption => "PutBucketEncryption",
            Self::GetBucketEncryption => "GetBucketEncryption",
            Self::DeleteBucketEncryption => "DeleteBucketEncryption",
            Self::PutBucket => "PutBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketInfo => "GetBucketInfo",
            Self::ListBuckets => "ListBuckets",
        }
    }

    /// Whether it changes a bucket's encryption rule.
    pub(super) fn writes_encryption(self) -> bool {
        matches!(self, Self::PutBucketEncryption | Self::DeleteBucketEncryption)
    }
}

/// The error for operations that OSS has and the emulator does not: OSS's status and code for
/// features that are not implemented.
fn not_implemented(request: &Request) -> ServiceError {
    let names: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
    let what = format!("{} {}?{}", request.method, request.path, names.join("&"));
    ServiceError::new(400, "NotImplemented", format!("The emulator does not implement {what}."))
        .detail("Header", names.first().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::request::parse_query;

    fn operation(method: &str, path: &str, query: &str) -> Result<Operation, ServiceError> {
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: parse_query(query),
            ..Request::default()
        };
        let address = Address::resolve("127.0.0.1", path, &BTreeMap::new()).unwrap();
        Operation::of(&request, &address)
    }

    #[test]
    fn bucket_operations_are_recognized() {
        for (method, query, expected) in [
            ("PUT", "encryption", Operation::PutBucketEncryption),
            ("GET", "encryption=", Operation::GetBucketEncryption),
            ("DELETE", "zz=1&encryption", Operation::DeleteBucketEncryption),
            ("PUT", "", Operation::PutBucket),
            ("DELETE", "", Operation::DeleteBucket),
            ("GET", "location", Operation::GetBucketLocation),
            ("GET", "bucketInfo", Operation::GetBucketInfo),
        ] {
            assert_eq!(operation(method, "/demo/", query), Ok(expected), "{method} {query}");
        }
        for query in ["", "prefix=a&marker=b&max-keys=1"] {
            assert_eq!(operation("GET", "/", query), Ok(Operation::ListBuckets), "{query}");
        }
    }

    #[test]
    fn object_operations_are_recognized() {
        for (method, expected) in [
            ("PUT", Operation::PutObject),
            ("GET", Operation::GetObject),
            ("HEAD", Operation::HeadObject),
            ("DELETE", Operation::DeleteObject),
        ] {
            assert_eq!(operation(method, "/demo/a/b", ""), Ok(expected), "{method}");
        }
        assert_eq!(operation("HEAD", "/demo/a", "objectMeta"), Ok(Operation::GetObjectMeta));
        assert_eq!(operation("POST", "/demo/", "delete"), Ok(Operation::DeleteMultipleObjects));
        assert_eq!(operation("GET", "/demo/", "acl"), Ok(Operation::GetBucketAcl));
        for query in ["", "prefix=a&delimiter=/&marker=b&max-keys=1&encoding-type=url"] {
            assert_eq!(operation("GET", "/demo/", query), Ok(Operation::ListObjects), "{query}");
        }
        for query in ["list-type=2", "list-type=2&prefix=a&delimiter=/&fetch-owner=true"] {
            assert_eq!(operation("GET", "/demo/", query), Ok(Operation::ListObjectsV2), "{query}");
        }
    }

    #[test]
    fn other_operations_are_not_implemented() {
        for (method, path, query) in [
            ("PUT", "/", ""),
            ("GET", "/", "tag-key=a"),
            ("GET", "/", "tagging"),
            ("GET", "/", "prefix=a&regions"),
            ("PUT", "/demo/", "bucketInfo"),
            ("POST", "/demo/", "encryption"),
            ("DELETE", "/demo/", "policy"),
            ("PUT", "/demo/", "acl"),
            ("PUT", "/demo/", "location"),
            ("GET", "/demo/", "list-type=1"),
            ("POST", "/demo/key", ""),
            ("PUT", "/demo/key", "encryption"),
            ("PUT", "/demo/key", "partNumber=1&uploadId=x"),
            ("GET", "/demo/key", "acl"),
        ] {
            let error = operation(method, path, query).unwrap_err();
            assert_eq!(
                (error.status, &*error.code),
                (400, "NotImplemented"),
                "{method} {path} {query}"
            );
        }
    }
}
