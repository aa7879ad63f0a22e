//! The endpoint without its sockets: a request and an instant in, an answer and how to deliver it
//! out. Here the pure parts come together.

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
use super::metadata::Metadata;
use super::object;
use super::operation::Operation;
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::rule::EncryptionRule;
use super::store::{Store, is_bucket_name};
use super::sts::Sts;
use super::xml::Element;
use super::{Config, RecordedRequest};

/// So many exchanges are remembered; then the oldest are forgotten.
const MAX_EXCHANGES: usize = 10_000;

/// Everything the endpoint knows.
pub(super) struct Service {
    pub(super) region: String,
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) clock_offset_seconds: i64,
    pub(super) keys: KeyStore,
    pub(super) sts: Sts,
    pub(super) master_keys: MasterKeys,
    metadata: Metadata,
    has_credentials_uri: bool,
    custom_domains: BTreeMap<String, String>,
    exchanges: VecDeque<Arc<RecordedRequest>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) exchange: Arc<RecordedRequest>,
    pub(super) delivery: Delivery,
}

/// How the answer reaches the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Complete { answer: Response, delay: Duration },
    Truncated(Response),
    Reset,
}

/// A request that may be carried out.
#[derive(Debug)]
struct AuthorizedRequest {
    operation: Operation,
    /// The region it was signed for.
    region: String,
    fault: Option<Action>,
}

impl Delivery {
    fn at_once(answer: Response) -> Self {
        Self::Complete { answer, delay: Duration::ZERO }
    }

    /// Carries something out, as far as the fault lets it.
    fn of(fault: Option<&Action>, carry_out: impl FnOnce() -> Response) -> Self {
        match fault {
            Some(Action::ResetBefore) => return Self::Reset,
            Some(Action::Garbage { status, content_type, body }) => {
                return Self::at_once(Response::raw(*status, content_type, body.clone()));
            }
            _ => {}
        }
        let answer = carry_out();
        match fault {
            Some(Action::ResetAfter) => Self::Reset,
            Some(Action::CutBody) => Self::Truncated(answer),
            Some(Action::Delay(delay)) => Self::Complete { answer, delay: *delay },
            _ => Self::at_once(answer),
        }
    }
}

impl Service {
    pub(super) fn new(config: &Config) -> Self {
        let mut service = Self {
            region: config.region.clone(),
            store: Store::default(),
            faults: Faults::default(),
            clock_offset_seconds: config.clock_offset_seconds,
            keys: KeyStore::default(),
            sts: Sts::default(),
            master_keys: MasterKeys::default(),
            metadata: Metadata::new(config.ecs_role.clone(), config.metadata_mode),
            has_credentials_uri: config.credentials_uri,
            custom_domains: config.custom_domains.clone(),
            exchanges: VecDeque::new(),
        };
        for bucket in &config.buckets {
            let region = bucket.region.as_deref().unwrap_or(&config.region);
            // A name given twice keeps its first region.
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

    /// Sets a rule past the API, unchecked; creates the bucket where it is missing.
    pub(super) fn set_rule(&mut self, bucket: &str, rule: EncryptionRule) {
        if self.store.region(bucket).is_none() {
            let _ = self.store.put_bucket(bucket, &self.region);
        }
        let _ = self.store.put_encryption(bucket, rule);
    }

    /// Ends all misbehaviour, stale reads included.
    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
        self.store.clear_stale_reads();
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        self.keys.secrets().chain(self.sts.oidc_tokens()).collect()
    }

    pub(super) fn exchanges(&self) -> Vec<RecordedRequest> {
        self.exchanges.iter().map(|exchange| RecordedRequest::clone(exchange)).collect()
    }

    pub(super) fn clear_exchanges(&mut self) {
        self.exchanges.clear();
    }

    /// Serves a request that arrives at `now` by the machine's clock.
    pub(super) fn serve(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        request_id: &str,
    ) -> Handled {
        let now = self.server_time(now);
        let mut exchange = RecordedRequest::new(request, request_id);
        let route = Route::of(request, &self.custom_domains);
        exchange.service = route.service();
        let delivery = match &route {
            Route::Oss => self.serve_oss(request, now, &mut exchange),
            Route::Sts(parameters) => self.serve_sts(request, parameters, now, &mut exchange),
            Route::Metadata(call) => self.serve_metadata(request, call, now, &mut exchange),
            Route::CredentialsUri => self.serve_credentials_uri(request, now, &mut exchange),
            Route::Control(path) => self.serve_control(request, path, &mut exchange),
        };
        match &delivery {
            Delivery::Complete { answer, .. } | Delivery::Truncated(answer) => {
                exchange.status = answer.status;
            }
            Delivery::Reset => exchange.code = None,
        }
        exchange.rule_after = self.rule_of(&exchange);
        Handled { exchange: self.remember(exchange), delivery }
    }

    /// The answer to a request that could not even be read.
    pub(super) fn reject(
        &mut self,
        request: &Request,
        error: ServiceError,
        now: OffsetDateTime,
        request_id: &str,
    ) -> Handled {
        let mut exchange = RecordedRequest::new(request, request_id);
        let answer = into_response(Err(error), self.server_time(now), &mut exchange);
        exchange.status = answer.status;
        let delivery = Delivery::at_once(answer);
        Handled { exchange: self.remember(exchange), delivery }
    }

    fn serve_oss(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Delivery {
        match self.authorize(request, now, exchange) {
            Ok(accepted) => Delivery::of(accepted.fault.as_ref(), || {
                let outcome = self.execute(&accepted, request, now, exchange);
                into_response(outcome, now, exchange)
            }),
            Err(error) => Delivery::at_once(into_response(Err(error), now, exchange)),
        }
    }

    /// Everything before the operation itself: where to, what, by whom, and whether a fault acts.
    fn authorize(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Result<AuthorizedRequest, ServiceError> {
        let address = Address::resolve(&request.host, &request.path, &self.custom_domains)?;
        exchange.bucket.clone_from(&address.bucket);
        exchange.object_key = Some(address.key.clone()).filter(|key| !key.is_empty());
        exchange.rule_before = self.rule_of(exchange);
        let operation = Operation::of(request, &address);
        exchange.operation = operation.as_ref().ok().map(|operation| operation.name().to_owned());
        // Any other body may be an object, or a token.
        if matches!(operation, Ok(Operation::PutBucketEncryption)) {
            exchange.keep_body(request);
        }
        if let Some(refusal) = address.refusal() {
            return Err(refusal);
        }
        let authorization = Authorization::of(request)?;
        exchange.access_key_id = Some(authorization.access_key_id().to_owned());
        exchange.signature_version = Some(authorization.version().to_owned());
        let scope = self.scope(&address);
        auth::verify(request, &address.resource, &authorization, self.keys.known(), &scope, now)?;
        auth::check_digest(request)?;
        if let (Err(_), Some(bucket)) = (&operation, &address.bucket) {
            self.store.objects(bucket)?;
        }
        let operation = operation?;
        if let Some(bucket) = &address.bucket {
            if !is_bucket_name(bucket) {
                let message = "The specified bucket is not valid.";
                return Err(ServiceError::new(400, "InvalidBucketName", message)
                    .detail("BucketName", bucket));
            }
            self.check_endpoint(bucket, &address.endpoint)?;
        }
        if let Some(key) = &exchange.object_key {
            object::check_key(key)?;
        }
        object::check_headers(request)?;
        let target = Target::oss(&request.method, address.bucket.as_deref(), operation);
        let fault = self.take_fault(&target, now, exchange);
        match fault.as_ref().and_then(Action::error) {
            Some(error) => Err(error),
            None => Ok(AuthorizedRequest { operation, region: scope.region, fault }),
        }
    }

    /// The fault that acts on a request, if one does.
    fn take_fault(
        &mut self,
        target: &Target<'_>,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Option<Action> {
        let fault = self.faults.take(target, now);
        exchange.fault = fault.as_ref().map(ToString::to_string);
        fault
    }

    /// What a signature must be made for: the region in the host's name, where there is one, else
    /// the bucket's, else this endpoint's.
    fn scope(&self, address: &Address) -> Scope {
        let of_bucket = || {
            let bucket = address.bucket.as_deref().unwrap_or_default();
            self.store.region(bucket).unwrap_or(&self.region).to_owned()
        };
        match &address.endpoint {
            Endpoint::CloudBox { id } => Scope { region: id.clone(), product: "oss-cloudbox" },
            Endpoint::Public { region: Some(region) } => {
                Scope { region: region.clone(), product: "oss" }
            }
            _ => Scope { region: of_bucket(), product: "oss" },
        }
    }

    /// A bucket answers only at an endpoint of its own region (page "OSS 403", and the error that
    /// the SDKs show for it); the error names the right one.
    fn check_endpoint(&self, bucket: &str, endpoint: &Endpoint) -> Result<(), ServiceError> {
        match (endpoint, self.store.region(bucket)) {
            (Endpoint::Public { region: Some(asked) }, Some(right)) if asked != right => {
                let message = "The bucket you are attempting to access must be addressed using the \
                               specified endpoint. Please send all future requests to this \
                               endpoint.";
                Err(ServiceError::access_denied(message)
                    .detail("Bucket", bucket)
                    .detail("Endpoint", format!("oss-{right}.aliyuncs.com")))
            }
            _ => Ok(()),
        }
    }

    fn execute(
        &mut self,
        accepted: &AuthorizedRequest,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Result<Response, ServiceError> {
        if exchange.object_key.is_some() {
            return self.carry_out_on_object(accepted.operation, request, now, exchange);
        }
        let bucket = exchange.bucket.as_deref().unwrap_or_default();
        let answer = match accepted.operation {
            Operation::PutBucketEncryption => {
                let rule = EncryptionRule::from_xml(&request.body)?;
                self.store.put_encryption(bucket, rule)?;
                Response::empty(200)
            }
            Operation::GetBucketEncryption => {
                let rule = self.store.get_encryption(bucket)?;
                let answer = Response::xml(200, &rule.to_xml());
                if self.store.rule(bucket) != Some(&rule) {
                    exchange.rule_returned = Some(Some(rule));
                }
                answer
            }
            Operation::DeleteBucketEncryption => {
                self.store.delete_encryption(bucket)?;
                Response::empty(204)
            }
            Operation::PutBucket => {
                buckets::check_configuration(&request.body)?;
                self.store.put_bucket(bucket, &accepted.region)?;
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
            // They have an object's key, see above.
            Operation::PutObject
            | Operation::CopyObject
            | Operation::GetObject
            | Operation::HeadObject
            | Operation::GetObjectMeta
            | Operation::DeleteObject => return Err(ServiceError::no_such_key("")),
        };
        if let Some(Action::StaleReads(reads)) = accepted.fault {
            self.store.serve_stale_reads(bucket, exchange.rule_before.clone(), reads);
        }
        Ok(answer)
    }

    fn rule_of(&self, exchange: &RecordedRequest) -> Option<EncryptionRule> {
        self.store.rule(exchange.bucket.as_deref()?).cloned()
    }

    fn server_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        now.checked_add(time::Duration::seconds(self.clock_offset_seconds)).unwrap_or(now)
    }

    fn remember(&mut self, exchange: RecordedRequest) -> Arc<RecordedRequest> {
        let exchange = Arc::new(exchange);
        if self.exchanges.len() == MAX_EXCHANGES {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(Arc::clone(&exchange));
        exchange
    }
}

/// The answer as OSS sends it; an error leaves its code in the exchange.
fn into_response(
    outcome: Result<Response, ServiceError>,
    now: OffsetDateTime,
    exchange: &mut RecordedRequest,
) -> Response {
    let answer = outcome.unwrap_or_else(|error| {
        exchange.code = Some(error.code.clone().into_owned());
        if exchange.method == "HEAD" {
            return error.to_bodiless_answer(&exchange.request_id, &exchange.host);
        }
        error.to_response(&exchange.request_id, &exchange.host)
    });
    answer.with_oss_headers(&exchange.request_id, now)
}
