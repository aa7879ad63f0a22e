//! The services that issue temporary credentials: STS, the metadata service, a credentials URI, and those
//! behind the CLI's logins. OSS accepts the credentials from then on.

#[cfg(test)]
mod tests;

use serde_json::json;
use time::OffsetDateTime;

use super::{Delivery, Service};
use crate::RecordedRequest;
use crate::error::ServiceError;
use crate::fault::{Action, Target};
use crate::key_store::Session;
use crate::login;
use crate::metadata::{self, SESSION_SECONDS};
use crate::request::Request;
use crate::response::Response;
use crate::sts::{self, Parameters};
use crate::timestamp;

/// Session duration of the credentials URI.
const URI_SESSION_SECONDS: u64 = 3600;

impl Service {
    pub(super) fn serve_sts(
        &mut self,
        request: &Request,
        parameters: &Parameters,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Delivery {
        record.access_key_id = parameters.access_key_id().map(str::to_owned);
        record.operation = parameters.call().map(|call| call.name().to_owned());
        record.parameters = parameters.public();
        let offset = time::Duration::seconds(self.sts_clock_offset_seconds);
        let sts_now = now.saturating_add(offset);
        let admitted = self.sts.authenticate(&request.method, parameters, &self.keys, sts_now);
        self.serve_credentials(
            request,
            sts_now,
            record,
            sts_error,
            admitted,
            |service, call, record| {
                let (role, seconds) = service.sts.assume(call, parameters)?;
                // OSS, which checks the session, has another clock.
                let mut session = service.issue_session(seconds, now, record);
                session.expires_at = session.expires_at.saturating_add(offset);
                Ok(role.to_response(&session, &record.request_id))
            },
        )
    }

    pub(super) fn serve_metadata(
        &mut self,
        request: &Request,
        call: &metadata::Call,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Delivery {
        record.operation = call.name().map(str::to_owned);
        let admitted = self.metadata.admit(call, request, now);
        self.serve_credentials(
            request,
            now,
            record,
            plain_error,
            admitted,
            |service, (), record| {
                let text = |text: &str| Response::raw(200, "text/plain", text.as_bytes().to_vec());
                match call {
                    metadata::Call::Token => {
                        let id = &record.request_id;
                        service.metadata.issue_token(request, id, now).map(|token| text(&token))
                    }
                    metadata::Call::Role => service.metadata.role().map(text),
                    // The real service returns the same credentials for hours. Clients must not rely
                    // on either.
                    metadata::Call::Credentials(role) => {
                        service.metadata.check_role(role)?;
                        let session = service.issue_session(SESSION_SECONDS, now, record);
                        Ok(credentials(&session, now))
                    }
                    metadata::Call::Unknown => Ok(Response::empty(404)),
                }
            },
        )
    }

    /// The protocol of `ALIBABA_CLOUD_CREDENTIALS_URI`, which needs no authentication.
    pub(super) fn serve_credentials_uri(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Delivery {
        record.operation = Some("CredentialsUri".to_owned());
        let admitted = match (self.has_credentials_uri, request.method.as_str()) {
            (true, "GET") => Ok(()),
            (true, _) => {
                let message = "The method is not allowed.";
                Err(ServiceError::new(405, "MethodNotAllowed", message))
            }
            (false, _) => Err(ServiceError::new(404, "NotFound", "Not found.")),
        };
        self.serve_credentials(
            request,
            now,
            record,
            plain_error,
            admitted,
            |service, (), record| {
                let session = service.issue_session(URI_SESSION_SECONDS, now, record);
                Ok(credentials(&session, now))
            },
        )
    }

    /// The services behind the CLI's logins at a browser.
    pub(super) fn serve_login(
        &mut self,
        request: &Request,
        call: login::Call,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Delivery {
        record.operation = Some(call.name().to_owned());
        let admitted = self.login.authenticate(call, request);
        self.serve_credentials(
            request,
            now,
            record,
            |error, record| login::error_response(error, call, &record.request_id),
            admitted,
            |service, (), record| {
                if call == login::Call::OAuthToken {
                    return Ok(service.login.refresh(&record.request_id));
                }
                let session = service.issue_session(login::SESSION_SECONDS, now, record);
                Ok(login::session_response(call, &session, &record.request_id))
            },
        )
    }

    /// Common to all services: applies faults to an admitted request, and executes it.
    fn serve_credentials<T>(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
        format_error: impl Fn(&ServiceError, &RecordedRequest) -> Response,
        admitted: Result<T, ServiceError>,
        execute: impl FnOnce(&mut Self, T, &mut RecordedRequest) -> Result<Response, ServiceError>,
    ) -> Delivery {
        let into_response = |result: Result<Response, ServiceError>,
                             record: &mut RecordedRequest| {
            let response = result.unwrap_or_else(|error| {
                record.code = Some(error.code.clone().into_owned());
                error.with_retry_after(format_error(&error, record))
            });
            let response = response.header("Date", timestamp::http_date(now));
            if record.service == "sts" {
                return response.header("x-acs-request-id", record.request_id.as_str());
            }
            response
        };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Delivery::immediate(into_response(Err(error), record)),
        };
        let operation = record.operation.clone().unwrap_or_default();
        let fault =
            self.take_fault(&Target::other_service(&request.method, &operation), now, record);
        if let Some(error) = fault.as_ref().and_then(Action::error) {
            return Delivery::immediate(into_response(Err(error), record));
        }
        Delivery::with_fault(fault.as_ref(), || {
            let result = execute(self, admitted, record);
            into_response(result, record)
        })
    }

    fn issue_session(
        &mut self,
        seconds: u64,
        now: OffsetDateTime,
        record: &mut RecordedRequest,
    ) -> Session {
        let session = self.keys.issue_session(&record.request_id, seconds, now);
        record.issued_access_key_id = Some(session.access_key_id.clone());
        session
    }
}

/// The response of the metadata service and of credentials URIs.
fn credentials(session: &Session, now: OffsetDateTime) -> Response {
    let body = json!({
        "Code": "Success",
        "AccessKeyId": session.access_key_id,
        "AccessKeySecret": session.access_key_secret,
        "SecurityToken": session.security_token,
        "Expiration": timestamp::seconds(session.expires_at),
        "LastUpdated": timestamp::seconds(now),
    });
    Response::json(200, &body)
}

fn sts_error(error: &ServiceError, record: &RecordedRequest) -> Response {
    sts::error_response(error, &record.request_id, &record.host)
}

fn plain_error(error: &ServiceError, _: &RecordedRequest) -> Response {
    let body = json!({ "Code": error.code, "Message": error.message });
    Response::json(error.status, &body)
}
