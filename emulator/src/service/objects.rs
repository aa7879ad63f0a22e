//! Operations on objects: what encrypts them is decided when they are written.

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
    pub(super) fn carry_out_on_object(
        &mut self,
        operation: Operation,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Result<Response, ServiceError> {
        let bucket = exchange.bucket.clone().unwrap_or_default();
        let key = exchange.object_key.clone().unwrap_or_default();
        let answer = match operation {
            Operation::PutObject => {
                let (content, about) = (request.body.clone(), ObjectMetadata::of(request));
                let content_md5 = Md5::digest(&content);
                self.write(request, &bucket, &key, content, about, now)?;
                self.store.object(&bucket, &key)?.to_upload_answer(&content_md5)
            }
            Operation::CopyObject => {
                let (content, about) = self.copied(request)?;
                self.write(request, &bucket, &key, content, about, now)?;
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
                self.store.object(&bucket, &key)?.to_head_answer()
            }
            _ => {
                let object = self.store.object(&bucket, &key)?;
                let content = object.open(&name(&bucket, &key), &self.master_keys)?;
                match request.header("range").and_then(|range| object::range(&range, content.len()))
                {
                    Some(range) => object.to_range_response(&content, range),
                    None => object.to_answer(content),
                }
            }
        };
        exchange.executed = true;
        exchange.object_encryption = self.store.object(&bucket, &key)?.method().cloned();
        Ok(answer)
    }

    /// Removes the objects that the body names (page `DeleteMultipleObjects`); those that are not there count
    /// as removed.
    pub(super) fn delete_objects(
        &mut self,
        bucket: &str,
        request: &Request,
    ) -> Result<Response, ServiceError> {
        let body = Element::parse(&request.body).filter(|root| root.name == "Delete");
        let body = body.ok_or_else(ServiceError::malformed_xml)?;
        // The page's limit; that this is the code for it is a guess.
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

    /// Writes an object. What the request says about encryption wins, else the bucket's rule counts
    /// ("Configure bucket encryption" in the documentation of every SDK).
    fn write(
        &mut self,
        request: &Request,
        bucket: &str,
        key: &str,
        content: Vec<u8>,
        about: ObjectMetadata,
        now: OffsetDateTime,
    ) -> Result<(), ServiceError> {
        self.store.objects(bucket)?;
        let of_object = EncryptionRule::from_headers(request)?;
        let method = of_object.or_else(|| self.store.rule(bucket).cloned());
        let name = name(bucket, key);
        let keys = &mut self.master_keys;
        let object = Object::new(content, about, method.as_ref(), &name, keys, now);
        self.store.put_object(bucket, key, object)
    }

    /// What a copy is made of (page `CopyObject`): the content, decrypted, and what was said about it
    /// unless the request replaces that. How the source is encrypted does not carry over.
    fn copied(&self, request: &Request) -> Result<(Vec<u8>, ObjectMetadata), ServiceError> {
        let source = request.header("x-oss-copy-source").unwrap_or_default();
        let (bucket, key) = copy_source(&source)?;
        let object = self.store.object(&bucket, &key)?;
        let content = object.open(&name(&bucket, &key), &self.master_keys)?;
        match request.header("x-oss-metadata-directive").as_deref() {
            None | Some("COPY") => Ok((content, object.about().clone())),
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

/// What an object is sealed under.
fn name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
