//! The emulator without sockets: takes a request and the time, and returns the response and how to
//! deliver it. Combines the pure parts.

mod control;
mod credential_services;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::address::{Address, Endpoint};
use super::auth::{self, Authorization, Scope};
use super::buckets::{self, ListBucketsRequest};
use super::envelope::MasterKeys;
use super::error::ServiceError;
use super::fault::{Action, Faults, Target};
use super::key_store::KeyStore;
use super::login::Login;
use super::metadata::Metadata;
use super::object;
use super::operation::Operation;
use super::regions;
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::rule::EncryptionRule;
use super::store::{Store, is_bucket_name, is_new_bucket_name};
use super::sts::Sts;
use super::xml::Element;
use super::{Config, RecordedRequest};

/// Older records are dropped.
const MAX_RECORDED_REQUESTS: usize = 10_000;

/// The state of the emulator.
pub(super) struct Service {
    pub(super) region: String,
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) clock_offset_seconds: i64,
    /// How far the clock of STS is ahead of that of OSS.
    pub(super) sts_clock_offset_seconds: i64,
    pub(super) keys: KeyStore,
    pub(super) sts: Sts,
    pub(super) login: Login,
    pub(super) master_keys: MasterKeys,
    metadata: Metadata,
    has_credentials_uri: bool,
    custom_domains: BTreeMap<String, String>,
    requests: VecDeque<Arc<RecordedRequest>>,
}

/// The result of serving a request.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) record: Arc<RecordedRequest>,
    pub(super) delivery: Delivery,
}

/// How the response is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Complete { response: Response, delay: Duration },
    Truncated(Response),
    Reset,
}

/// A request that passed all checks.
#[derive(Debug)]
struct AuthorizedRequest {
    operation: Operation,
    /// The location of the endpoint or of the bucket.
    location: String,
    fault: Option<Action>,
}

impl Delivery {
    fn immediate(response: Response) -> Self {
        Self::Complete { response, delay: Duration::ZERO }
    }

    /// Executes an operation and delivers its response, unless the fault prevents it.
    fn with_fault(fault: Option<&Action>, execute: impl FnOnce() -> Response) -> Self {
        match fault {
            Some(Action::ResetBefore) => return Self::Reset,
            Some(Action::RawResponse { status, content_type, body }) => {
                return Self::immediate(Response::raw(*status, content_type, body.clone()));
            }
            _ => {}
        }
        let response = execute();
        match fault {
            Some(Action::ResetAfter) => Self::Reset,
            Some(Action::TruncateBody) => Self::Truncated(response),
            Some(Action::Delay(delay)) => Self::Complete { response, delay: *delay },
            _ => Self::immediate(response),
        }
    }
}

impl Service {
    pub(super) fn new(config: &Config) -> Self {
        let mut service = Self {
            region: regions::location_named(&config.region).to_owned(),
            store: Store::default(),
            faults: Faults::default(),
            clock_offset_seconds: config.clock_offset_seconds,
            sts_clock_offset_seconds: 0,
            keys: KeyStore::default(),
            sts: Sts::default(),
            login: config.login.clone(),
            master_keys: MasterKeys::default(),
            metadata: Metadata::new(config.ecs_role.clone(), config.metadata_mode),
            has_credentials_uri: config.credentials_uri,
            custom_domains: config.custom_domains.clone(),
            requests: VecDeque::new(),
        };
        for bucket in &config.buckets {
            let region = bucket.region.as_deref().unwrap_or(&config.region);
            let region = regions::location_named(region);
            // The first region wins if a bucket is configured twice.
            let _ = service.store.put_bucket(&bucket.name, region);
        }
        for credentials in &config.credentials {
            service.keys.add(credentials.clone());
        }
        for role in &config.roles {
            service.sts.add_role(role.clone());
        }
        for (arn, token) in &config.oidc_providers {
            service.sts.set_oidc_token(arn, token);
        }
        service
    }

    /// Sets a rule without a request and without checks. Creates the bucket if it does not exist.
    pub(super) fn set_rule(&mut self, bucket: &str, rule: EncryptionRule) {
        if self.store.region(bucket).is_none() {
            let _ = self.store.put_bucket(bucket, &self.region);
        }
        let _ = self.store.put_encryption(bucket, rule);
    }

    /// Removes all faults, and ends stale reads.
    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
        self.store.clear_stale_reads();
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        let keys = self.keys.secrets().chain(self.sts.oidc_tokens());
        keys.chain(self.login.secrets()).collect()
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.requests.iter().map(|record| RecordedRequest::clone(record)).collect()
    }

    pub(super) fn clear_requests(&mut self) {
        self.requests.clear();
    }

    /// Serves a request that arrives at `now` on the machine's clock.
    pub(super) fn serve(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        request_id: &str,
    ) -> Handled {
        let now = self.server_time(now);
        let mut record = RecordedRequest::new(request, request_id);
        let route = Route::of(request, &self.custom_domains);
        record.service = route.service();
        let delivery = match &route {
            Route::Oss => self.serve_oss(request, now, &mut record),
            Route::Sts(parameters) => self.serve_sts(request, parameters, now, &mut record),
            Route::Metadata(call) => self.serve_metadata(request, call, now, &mut record),
            Route::CredentialsUri => self.serve_credentials_uri(request, now, &mut record),
            Route::Login(call) => self.serve_login(request, *call, now, &mut record),
            Route::Control(path) => self.serve_control(request, path, &mut record),
        };
        match &delivery {
            Delivery::Complete { response, .. } | Delivery::Truncated(response) => {
                record.status = response.status;
            }
            Delivery::Reset => record.code = None,
        }
        record.rule_after = self.rule_of(&record);
        Handled { record: self.remember(record), delivery }
    }

    /// Returns an error response for a request that could not be read.
    pub(super) fn reject(
        &mut self,
        request: &Request,
        error: ServiceError,
        now: OffsetDateTime,
        request_id: &str,
    ) -> Handled {
        let mut record = RecordedRequest::new(request, request_id);
        let response = into_response(Err(error), self.server_time(now), &mut record);
        record.status = response.status;
        let delivery = Delivery::immediate(response);
        Handled { record: self.remember(record), delivery }
    }

    fn serve_oss(
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
        if let Some(key) = &record.object_key {
            object::check_key(key)?;
        }
        object::check_headers(request)?;
        let target = Target::oss(&request.method, address.bucket.as_deref(), operation);
        let fault = self.take_fault(&target, now, record);
        match fault.as_ref().and_then(Action::error) {
            Some(error) => Err(error),
            None => Ok(AuthorizedRequest { operation, location, fault }),
        }
    }

    /// Takes the fault that applies to a request, and records it.
    fn take_fault(
        &mut self,
        target: &Target<'_>,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Option<Action> {
        let fault = self.faults.take(target, now);
        record.fault = fault.as_ref().map(ToString::to_string);
        fault
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
                let list = super::objects::ListObjectsRequest::of(request)?;
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

    fn rule_of(&self, record: &RecordedRequest) -> Option<EncryptionRule> {
        self.store.rule(record.bucket.as_deref()?).cloned()
    }

    fn server_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        now.checked_add(time::Duration::seconds(self.clock_offset_seconds)).unwrap_or(now)
    }

    fn remember(&mut self, record: RecordedRequest) -> Arc<RecordedRequest> {
        let record = Arc::new(record);
        if self.requests.len() == MAX_RECORDED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(Arc::clone(&record));
        record
    }
}

/// Converts the result into OSS's response. The code of an error is added to the record.
fn into_response(
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
