//! The emulator without sockets: takes a request and the time, and returns the response and how to
//! deliver it. Combines the pure parts: `oss` and `objects` serve OSS, `credential_services` the services that
//! issue credentials, `control` the control path.

mod control;
mod credential_services;
mod objects;
mod oss;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::envelope::MasterKeys;
use super::error::ServiceError;
use super::fault::{Action, Faults, Target};
use super::key_store::KeyStore;
use super::login::Login;
use super::metadata::Metadata;
use super::regions;
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::rule::EncryptionRule;
use super::store::Store;
use super::sts::Sts;
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
        Handled { record: self.add_record(record), delivery }
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
        let response = oss::into_response(Err(error), self.server_time(now), &mut record);
        record.status = response.status;
        let delivery = Delivery::immediate(response);
        Handled { record: self.add_record(record), delivery }
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

    fn rule_of(&self, record: &RecordedRequest) -> Option<EncryptionRule> {
        self.store.rule(record.bucket.as_deref()?).cloned()
    }

    fn server_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        now.checked_add(time::Duration::seconds(self.clock_offset_seconds)).unwrap_or(now)
    }

    fn add_record(&mut self, record: RecordedRequest) -> Arc<RecordedRequest> {
        let record = Arc::new(record);
        if self.requests.len() == MAX_RECORDED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(Arc::clone(&record));
        record
    }
}
