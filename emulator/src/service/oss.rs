//! Requests to OSS: their checks, and the operations on buckets.

use time::OffsetDateTime;

use super::{Delivery, Service};
use crate::RecordedRequest;
use crate::address::{Address, Endpoint};
use crate::auth::{self, Authorization, Scope};
use crate::buckets::{self, ListBucketsRequest};
use crate::error::ServiceError;
use crate::fault::{Action, Target};
use crate::object;
use crate::objects::ListObjectsRequest;
use crate::operation::Operation;
use crate::regions;
use crate::request::Request;
use crate::response::Response;
use crate::rule::EncryptionRule;
use crate::store::{is_bucket_name, is_new_bucket_name};
use crate::xml::Element;

/// A request that passed all checks.
#[derive(Debug)]
struct AuthorizedRequest {
    operation: Operation,
    /// The location of the endpoint or of the bucket.
    location: String,
    fault: Option<Action>,
}

impl Service {
    pub(super) fn serve_oss(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Delivery {
        match self.authorize(request, now, record) {
            Ok(authorized) => Delivery::with_fault(authorized.fault.as_ref(), || {
                let result = self.execute(&authorized, request, now, record);
                into_response(result, now, record)
            }),
            Err(error) => Delivery::immediate(into_response(Err(error), now, record)),
        }
    }

    /// All checks before the operation: address, operation, signature, and faults.
    fn authorize(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Result<AuthorizedRequest, ServiceError> {
        let address = Address::resolve(&request.host, &request.path, &self.custom_domains)?;
        record.bucket.clone_from(&address.bucket);
        record.object_key = Some(address.key.clone()).filter(|key| !key.is_empty());
        record.rule_before = self.rule_of(record);
        let operation = Operation::of(request, &address);
        record.operation = operation.as_ref().ok().map(|operation| operation.name().to_owned());
        // Other bodies may contain an object or a token.
        if matches!(operation, Ok(Operation::PutBucketEncryption)) {
            record.keep_body(request);
        }
        address.check_style()?;
        let authorization = Authorization::of(request)?;
        record.access_key_id = Some(authorization.access_key_id().to_owned());
        record.signature_version = Some(authorization.version().to_owned());
        let location = self.location(&address);
        let scope = match &address.endpoint {
            Endpoint::CloudBox { id } => Scope { region: id.clone(), product: "oss-cloudbox" },
            _ => Scope { region: regions::region_of(&location).to_owned(), product: "oss" },
        };
        auth::verify(request, &address.resource, &authorization, self.keys.known(), &scope, now)?;
        auth::check_digest(request)?;
        if let (Err(_), Some(bucket)) = (&operation, &address.bucket) {
            self.store.objects(bucket)?;
        }
        let operation = operation?;
        self.check_bucket(operation, &address)?;
        if let Some(key) = &record.object_key {
            object::check_key(key)?;
        }
        object::check_headers(request)?;
        let rule = match operation {
            Operation::PutBucketEncryption => EncryptionRule::from_xml(&request.body).ok(),
            _ => None,
        };
        let target = Target::oss(&request.method, address.bucket.as_deref(), operation)
            .sets(rule.as_ref().map(|rule| rule.sse_algorithm.as_str()));
        let fault = self.take_fault(&target, now, record);
        match fault.as_ref().and_then(Action::error) {
            Some(error) => Err(error),
            None => Ok(AuthorizedRequest { operation, location, fault }),
        }
    }

    /// Checks that the operation can be sent to this endpoint, and that the bucket has a valid name.
    fn check_bucket(&self, operation: Operation, address: &Address) -> Result<(), ServiceError> {
        // Not documented: which error OSS returns.
        if operation == Operation::ListBuckets
            && address.endpoint == (Endpoint::Public { location: None })
        {
            let message = "Acceleration endpoints do not support this operation.";
            return Err(ServiceError::new(400, "OperationNotSupported", message));
        }
        if let Some(bucket) = &address.bucket {
            let is_valid = match operation {
                Operation::PutBucket => is_new_bucket_name(bucket),
                _ => is_bucket_name(bucket),
            };
            if !is_valid {
                let message = "The specified bucket is not valid.";
                return Err(ServiceError::new(400, "InvalidBucketName", message)
                    .detail("BucketName", bucket));
            }
            self.check_endpoint(bucket, &address.endpoint)?;
        }
        Ok(())
    }

    /// Where a request is processed: the location in the host name, else the bucket's, else the emulator's.
    /// Requests are signed for its region.
    fn location(&self, address: &Address) -> String {
        if let Endpoint::Public { location: Some(location) } = &address.endpoint {
            return location.clone();
        }
        let bucket = address.bucket.as_deref().unwrap_or_default();
        self.store.region(bucket).unwrap_or(&self.region).to_owned()
    }

    /// A bucket can only be accessed at an endpoint of its own region (page "OSS 403", and the error
    /// that the SDKs show). The error contains that endpoint.
    fn check_endpoint(&self, bucket: &str, endpoint: &Endpoint) -> Result<(), ServiceError> {
        match (endpoint, self.store.region(bucket)) {
            (Endpoint::Public { location: Some(used) }, Some(right)) if used != right => {
                let message = "The bucket you are attempting to access must be addressed using the \
                               specified endpoint. Please send all future requests to this \
                               endpoint.";
                Err(ServiceError::access_denied(message)
                    .detail("Bucket", bucket)
                    .detail("Endpoint", &*regions::hosts_of(right)[0]))
            }
            _ => Ok(()),
        }
    }

    fn execute(
        &mut self,
        authorized: &AuthorizedRequest,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Result<Response, ServiceError> {
        if record.object_key.is_some() {
            return self.execute_on_object(authorized.operation, request, now, record);
        }
        let bucket = record.bucket.as_deref().unwrap_or_default();
        let response = match authorized.operation {
            Operation::PutBucketEncryption => {
                let rule = EncryptionRule::from_xml(&request.body)?;
                self.store.put_encryption(bucket, rule)?;
                Response::empty(200)
            }
            Operation::GetBucketEncryption => {
                let rule = self.store.get_encryption(bucket)?;
                let response = Response::xml(200, &rule.to_xml());
                if self.store.rule(bucket) != Some(&rule) {
                    record.rule_returned = Some(Some(rule));
                }
                response
            }
            Operation::DeleteBucketEncryption => {
                self.store.delete_encryption(bucket)?;
                Response::empty(204)
            }
            Operation::PutBucket => {
                buckets::check_configuration(&request.body)?;
                self.store.put_bucket(bucket, &authorized.location)?;
                Response::empty(200).header("Location", format!("/{bucket}"))
            }
            Operation::DeleteBucket => {
                self.store.delete_bucket(bucket)?;
                Response::empty(204)
            }
            Operation::GetBucketLocation => {
                let region = self.store.region(bucket);
                let region = region.ok_or_else(|| ServiceError::no_such_bucket(bucket))?;
                let location = format!("oss-{region}");
                Response::xml(200, &Element::of_text("LocationConstraint", &location))
            }
            Operation::GetBucketInfo => {
                let rule = self.store.read_rule(bucket)?;
                let region = self.store.region(bucket).unwrap_or_default();
                Response::xml(200, &buckets::info(bucket, region, rule.as_ref()))
            }
            Operation::ListBuckets => {
                Response::xml(200, &ListBucketsRequest::of(request)?.to_xml(self.store.all()))
            }
            Operation::GetBucketAcl => {
                self.store.objects(bucket)?;
                Response::xml(200, &buckets::access())
            }
            Operation::DeleteMultipleObjects => self.delete_objects(bucket, request)?,
            Operation::ListObjects | Operation::ListObjectsV2 => {
                let list = ListObjectsRequest::of(request)?;
                Response::xml(200, &list.to_xml(bucket, self.store.objects(bucket)?))
            }
            // Handled above: these requests have an object key.
            Operation::PutObject
            | Operation::CopyObject
            | Operation::GetObject
            | Operation::HeadObject
            | Operation::GetObjectMeta
            | Operation::DeleteObject => return Err(ServiceError::no_such_key("")),
        };
        if let Some(Action::StaleReads(reads)) = authorized.fault {
            self.store.serve_stale_reads(bucket, record.rule_before.clone(), reads);
        }
        Ok(response)
    }
}

/// Converts the result into OSS's response. The code of an error is added to the record.
pub(super) fn into_response(
    result: Result<Response, ServiceError>,
    now: OffsetDateTime,
    record: &mut RecordedRequest,
) -> Response {
    let response = result.unwrap_or_else(|error| {
        record.code = Some(error.code.clone().into_owned());
        if record.method == "HEAD" {
            return error.to_bodiless_response(&record.request_id, &record.host);
        }
        error.to_response(&record.request_id, &record.host)
    });
    response.with_oss_headers(&record.request_id, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn buckets_are_created_in_the_signing_region() {
        let mut service = Service::new(&Config::default());
        let request = Request::default();
        let mut record =
            RecordedRequest { bucket: Some("made-here".to_owned()), ..RecordedRequest::default() };
        let mut execute = |operation| {
            let authorized =
                AuthorizedRequest { operation, location: "cn-beijing".to_owned(), fault: None };
            service
                .execute(&authorized, &request, OffsetDateTime::UNIX_EPOCH, &mut record)
                .map_err(|error| error.code)
        };
        assert_eq!(execute(Operation::GetBucketLocation), Err("NoSuchBucket".into()));
        assert_eq!(
            execute(Operation::PutBucket),
            Ok(Response::empty(200).header("Location", "/made-here"))
        );
        let location = execute(Operation::GetBucketLocation).unwrap();
        assert!(String::from_utf8(location.body).unwrap().contains("oss-cn-beijing"));
        assert_eq!(execute(Operation::DeleteBucket), Ok(Response::empty(204)));
        assert_eq!(execute(Operation::DeleteBucket), Err("NoSuchBucket".into()));
    }
}
