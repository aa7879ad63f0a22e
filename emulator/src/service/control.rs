//! The control path, below `/-/`: the methods of [`Emulator`](crate::Emulator) over HTTP, without
//! authentication.
//!
//! | request | effect |
//! |---|---|
//! | `POST /-/faults` with a fault as JSON | adds a fault, see [`Fault`] |
//! | `DELETE /-/faults` | removes all faults, and ends stale reads |
//! | `POST /-/sessions/expire` | expires all sessions |
//! | `POST /-/master-keys/rotate` | rotates all master keys |
//! | `PUT /-/clock` with `{"offset_seconds": 1200}` | sets how far the emulator's clock is ahead |
//! | `PUT /-/clock` with `{"offset_seconds": 0, "sts_offset_seconds": 86400}` | the same, and how far the clock of STS is ahead of that |
//! | `GET /-/objects/{bucket}/{key}` | returns the bytes of an object as they are stored |

use serde::Deserialize;
use serde_json::json;

use super::{Delivery, Service};
use crate::RecordedRequest;
use crate::fault::Fault;
use crate::request::{Request, decode};
use crate::response::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    offset_seconds: i64,
    #[serde(default)]
    sts_offset_seconds: i64,
}

impl Service {
    /// Serves a request to `/-/{path}`.
    pub(super) fn serve_control(
        &mut self,
        request: &Request,
        path: &str,
        record: &mut RecordedRequest,
    ) -> Delivery {
        let (operation, response) = self.control(request, path);
        record.operation = operation.map(str::to_owned);
        let response = response
            .unwrap_or_else(|(status, reason)| Response::json(status, &json!({ "error": reason })));
        Delivery::immediate(response)
    }

    fn control(
        &mut self,
        request: &Request,
        path: &str,
    ) -> (Option<&'static str>, Result<Response, (u16, String)>) {
        let done = || Ok(Response::empty(204));
        let bad = |error: serde_json::Error| (400, error.to_string());
        match (request.method.as_str(), path) {
            ("POST", "faults") => {
                let fault = serde_json::from_slice::<Fault>(&request.body).map_err(bad);
                let response = fault.map(|fault| {
                    self.faults.push(fault);
                    Response::empty(204)
                });
                (Some("AddFault"), response)
            }
            ("DELETE", "faults") => {
                self.clear_faults();
                (Some("ClearFaults"), done())
            }
            ("POST", "sessions/expire") => {
                self.keys.expire_sessions();
                (Some("ExpireSessions"), done())
            }
            ("POST", "master-keys/rotate") => {
                self.master_keys.rotate();
                (Some("RotateMasterKeys"), done())
            }
            ("PUT", "clock") => {
                let clock = serde_json::from_slice::<Clock>(&request.body).map_err(bad);
                let response = clock.map(|clock| {
                    self.clock_offset_seconds = clock.offset_seconds;
                    self.sts_clock_offset_seconds = clock.sts_offset_seconds;
                    Response::empty(204)
                });
                (Some("SetClock"), response)
            }
            ("GET", path) if path.starts_with("objects/") => {
                let name = decode(path.strip_prefix("objects/").unwrap_or_default());
                let (bucket, key) = name.split_once('/').unwrap_or((&name, ""));
                let response = match self.store.object(bucket, key) {
                    Ok(object) => {
                        let stored = object.stored_bytes().to_vec();
                        Ok(Response::raw(200, "application/octet-stream", stored))
                    }
                    Err(error) => Err((404, error.message.into_owned())),
                };
                (Some("GetStoredObject"), response)
            }
            _ => (None, Err((404, "unknown control request".to_owned()))),
        }
    }
}
