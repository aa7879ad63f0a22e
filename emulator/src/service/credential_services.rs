//! The calls that hand out temporary credentials: STS, the metadata service, a credentials URI.
//! OSS accepts what they mint from then on.

#[cfg(test)]
mod tests;

use serde_json::json;
use time::OffsetDateTime;

use super::{Delivery, Service};
use crate::RecordedRequest;
use crate::error::ServiceError;
use crate::fault::{Action, Target};
use crate::key_store::Session;
use crate::metadata::{self, SESSION_SECONDS};
use crate::request::Request;
use crate::response::Response;
use crate::sts::{self, Parameters};
use crate::timestamp;

/// How long the sessions of the credentials URI live.
const URI_SESSION_SECONDS: u64 = 3600;

/// How a service writes its errors.
type ErrorFormat = fn(&ServiceError, &RecordedRequest) -> Response;

impl Service {
    pub(super) fn serve_sts(
        &mut self,
        request: &Request,
        parameters: &Parameters,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Delivery {
        exchange.access_key_id = parameters.access_key_id().map(str::to_owned);
        exchange.operation = parameters.call().map(|call| call.name().to_owned());
        exchange.parameters = parameters.public();
        let admitted = self.sts.authenticate(&request.method, parameters, &self.keys, now);
        self.serve_credentials(
            request,
            now,
            exchange,
            sts_error,
            admitted,
            |service, call, exchange| {
                let (role, seconds) = service.sts.assume(call, parameters)?;
                let session = service.mint(seconds, now, exchange);
                Ok(role.to_answer(&session, &exchange.request_id))
            },
        )
    }

    pub(super) fn serve_metadata(
        &mut self,
        request: &Request,
        call: &metadata::Call,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Delivery {
        exchange.operation = call.name().map(str::to_owned);
        let admitted = self.metadata.admit(call, request, now);
        self.serve_credentials(
            request,
            now,
            exchange,
            plain_error,
            admitted,
            |service, (), exchange| {
                let text = |text: &str| Response::raw(200, "text/plain", text.as_bytes().to_vec());
                match call {
                    metadata::Call::Token => {
                        let id = &exchange.request_id;
                        service.metadata.issue_token(request, id, now).map(|token| text(&token))
                    }
                    metadata::Call::Role => service.metadata.role().map(text),
                    // The real service hands out the same ones for hours; a client must not mind.
                    metadata::Call::Credentials(role) => {
                        service.metadata.check_role(role)?;
                        let session = service.mint(SESSION_SECONDS, now, exchange);
                        Ok(credentials(&session, now))
                    }
                    metadata::Call::Unknown => Ok(Response::empty(404)),
                }
            },
        )
    }

    /// The protocol of `ALIBABA_CLOUD_CREDENTIALS_URI`: whoever can ask gets credentials.
    pub(super) fn serve_credentials_uri(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Delivery {
        exchange.operation = Some("CredentialsUri".to_owned());
        let admitted = match (self.has_credentials_uri, request.method.as_str()) {
            (true, "GET") => Ok(()),
            (true, _) => {
                let message = "The method is not allowed here.";
                Err(ServiceError::new(405, "MethodNotAllowed", message))
            }
            (false, _) => Err(ServiceError::new(404, "NotFound", "There is nothing here.")),
        };
        self.serve_credentials(
            request,
            now,
            exchange,
            plain_error,
            admitted,
            |service, (), exchange| {
                let session = service.mint(URI_SESSION_SECONDS, now, exchange);
                Ok(credentials(&session, now))
            },
        )
    }

    /// What all of them have in common: a fault acts on what was admitted, and then it is carried
    /// out.
    fn serve_credentials<T>(
        &mut self,
        request: &Request,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
        shape: ErrorFormat,
        admitted: Result<T, ServiceError>,
        carry_out: impl FnOnce(&mut Self, T, &mut RecordedRequest) -> Result<Response, ServiceError>,
    ) -> Delivery {
        let finish = |outcome: Result<Response, ServiceError>, exchange: &mut RecordedRequest| {
            let answer = outcome.unwrap_or_else(|error| {
                exchange.code = Some(error.code.clone().into_owned());
                error.with_retry_after(shape(&error, exchange))
            });
            let answer = answer.header("Date", timestamp::http_date(now));
            if exchange.service == "sts" {
                return answer.header("x-acs-request-id", exchange.request_id.as_str());
            }
            answer
        };
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return Delivery::at_once(finish(Err(error), exchange)),
        };
        let operation = exchange.operation.clone().unwrap_or_default();
        let fault =
            self.take_fault(&Target::other_service(&request.method, &operation), now, exchange);
        if let Some(error) = fault.as_ref().and_then(Action::error) {
            return Delivery::at_once(finish(Err(error), exchange));
        }
        Delivery::of(fault.as_ref(), || {
            let outcome = carry_out(self, admitted, exchange);
            finish(outcome, exchange)
        })
    }

    fn mint(
        &mut self,
        seconds: u64,
        now: OffsetDateTime,
        exchange: &mut RecordedRequest,
    ) -> Session {
        let session = self.keys.issue_session(&exchange.request_id, seconds, now);
        exchange.issued_access_key_id = Some(session.access_key_id.clone());
        session
    }
}

/// A session as the metadata service and credentials URIs write it.
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

fn sts_error(error: &ServiceError, exchange: &RecordedRequest) -> Response {
    sts::error_answer(error, &exchange.request_id, &exchange.host)
}

fn plain_error(error: &ServiceError, _: &RecordedRequest) -> Response {
    let body = json!({ "Code": error.code, "Message": error.message });
    Response::json(error.status, &body)
}
