//! Operations on objects. Their encryption is decided when they are written.

#[cfg(test)]
mod tests;

use md5::{Digest as _, Md5};
use time::OffsetDateTime;

use super::Service;
use crate::RecordedRequest;
use crate::error::ServiceError;
use crate::object::{self, Object, ObjectMetadata, copy_source};
use crate::operation::Operation;
use crate::request::Request;
use crate::response::Response;
use crate::rule::EncryptionRule;
use crate::timestamp;
use crate::xml::Element;

impl Service {
    pub(super) fn execute_on_object(
        &mut self,
        operation: Operation,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Result<Response, ServiceError> {
        let bucket = record.bucket.clone().unwrap_or_default();
        let key = record.object_key.clone().unwrap_or_default();
        let response = match operation {
            Operation::PutObject => {
                let (content, metadata) = (request.body.clone(), ObjectMetadata::of(request));
                let content_md5 = Md5::digest(&content);
                self.write(request, &bucket, &key, content, metadata, now)?;
                self.store.object(&bucket, &key)?.to_upload_response(&content_md5)
            }
            Operation::CopyObject => {
                let (content, metadata) = self.copy_content(request)?;
                self.write(request, &bucket, &key, content, metadata, now)?;
                let object = self.store.object(&bucket, &key)?;
                let result = Element::new("CopyObjectResult")
                    .with(Element::of_text("ETag", &object.etag))
                    .with(Element::of_text(
                        "LastModified",
                        &timestamp::extended(object.last_modified),
                    ));
                object.with_encryption(Response::xml(200, &result))
            }
            Operation::DeleteObject => {
                self.store.delete_object(&bucket, &key)?;
                return Ok(Response::empty(204));
            }
            Operation::HeadObject | Operation::GetObjectMeta => {
                self.store.object(&bucket, &key)?.to_head_response()
            }
            _ => {
                let object = self.store.object(&bucket, &key)?;
                let content = object.open(&name(&bucket, &key), &self.master_keys)?;
                match request.header("range").and_then(|range| object::range(&range, content.len()))
                {
                    Some(range) => object.to_range_response(&content, range),
                    None => object.to_response(content),
                }
            }
        };
        record.is_executed = true;
        record.object_encryption = self.store.object(&bucket, &key)?.method().cloned();
        Ok(response)
    }

    /// Deletes the objects listed in the body (page `DeleteMultipleObjects`). Missing objects count as
    /// deleted.
    pub(super) fn delete_objects(
        &mut self,
        bucket: &str,
        request: &Request,
    ) -> Result<Response, ServiceError> {
        let body = Element::parse(&request.body).filter(|root| root.name == "Delete");
        let body = body.ok_or_else(ServiceError::malformed_xml)?;
        // The limit is documented, the error code is a guess.
        if body.children("Object").count() > 1000 {
            return Err(ServiceError::malformed_xml());
        }
        let is_quiet = body.child("Quiet").is_some_and(|quiet| quiet.text() == "true");
        let mut result = Element::new("DeleteResult");
        for object in body.children("Object") {
            let key = object.child("Key").ok_or_else(ServiceError::malformed_xml)?.whole_text();
            self.store.delete_object(bucket, key)?;
            if !is_quiet {
                result = result.with(Element::new("Deleted").with(Element::of_text("Key", key)));
            }
        }
        Ok(Response::xml(200, &result))
    }

    /// Writes an object. The encryption headers of the request take precedence over the bucket's rule
    /// ("Configure bucket encryption" in the documentation of every SDK).
    fn write(
        &mut self,
        request: &Request,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
        metadata: ObjectMetadata,
        now: OffsetDateTime,
    ) -> Result<(), ServiceError> {
        self.store.objects(bucket)?;
        let method = EncryptionRule::from_headers(request)?;
        let method = method.or_else(|| self.store.rule(bucket).cloned());
        let name = name(bucket, key);
        let keys = &mut self.master_keys;
        let object = Object::new(content, metadata, method.as_ref(), &name, keys, now);
        self.store.put_object(bucket, key, object)
    }

    /// The decrypted content and the metadata of a copy (page `CopyObject`). The request can replace
    /// the metadata. The encryption of the source is not copied.
    fn copy_content(&self, request: &Request) -> Result<(Vec<u8>, ObjectMetadata), ServiceError> {
        let source = request.header("x-oss-copy-source").unwrap_or_default();
        let (bucket, key) = copy_source(&source)?;
        let object = self.store.object(&bucket, &key)?;
        let content = object.open(&name(&bucket, &key), &self.master_keys)?;
        match request.header("x-oss-metadata-directive").as_deref() {
            None | Some("COPY") => Ok((content, object.metadata().clone())),
            Some("REPLACE") => Ok((content, ObjectMetadata::of(request))),
            Some(other) => {
                let message = "The metadata directive must be COPY or REPLACE.";
                Err(ServiceError::invalid_argument(message)
                    .detail("ArgumentName", "x-oss-metadata-directive")
                    .detail("ArgumentValue", other))
            }
        }
    }
}

/// The name that an object's ciphertext is bound to.
fn name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
