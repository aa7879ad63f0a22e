//! The calls that hand out temporary credentials. OSS accepts those from then on.

#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use super::{Delivery, Service};
use crate::emulator::Exchange;
use crate::emulator::answer::Answer;
use crate::emulator::error::ServiceError;
use crate::emulator::fault::{Action, Target};
use crate::emulator::request::Request;
use crate::emulator::sts::{self, Call, Parameters};
use crate::emulator::timestamp;

impl Service {
    pub(super) fn serve_sts(
        &mut self,
        request: &Request,
        parameters: &Parameters,
        now: OffsetDateTime,
        exchange: &mut Exchange,
    ) -> Delivery {
        exchange.access_key_id = parameters.access_key_id().map(str::to_owned);
        exchange.operation = parameters.call().map(|call| call.name().to_owned());
        exchange.parameters = parameters.public();
        let finish = |outcome: Result<Answer, ServiceError>, exchange: &mut Exchange| {
            let answer = outcome.unwrap_or_else(|error| {
                exchange.code = Some(error.code.clone().into_owned());
                sts::error_answer(&error, &exchange.request_id, &exchange.host)
            });
            answer
                .header("Date", timestamp::http_date(now))
                .header("x-acs-request-id", exchange.request_id.as_str())
        };
        let method = request.method.as_str();
        let call = match self.sts.authenticate(method, parameters, &self.keys, now) {
            Ok(call) => call,
            Err(error) => return Delivery::at_once(finish(Err(error), exchange)),
        };
        let fault = self.take_fault(&Target::elsewhere(method, call.name()), exchange);
        if let Some(error) = fault.as_ref().and_then(Action::error) {
            return Delivery::at_once(finish(Err(error), exchange));
        }
        Delivery::of(fault.as_ref(), || {
            let outcome = self.assume(call, parameters, now, exchange);
            finish(outcome, exchange)
        })
    }

    fn assume(
        &mut self,
        call: Call,
        parameters: &Parameters,
        now: OffsetDateTime,
        exchange: &mut Exchange,
    ) -> Result<Answer, ServiceError> {
        let (role, seconds) = self.sts.assume(call, parameters)?;
        let session = self.keys.mint(&exchange.request_id, seconds, now);
        exchange.minted_access_key_id = Some(session.access_key_id.clone());
        Ok(role.to_answer(&session, &exchange.request_id))
    }
}
