//! Faults in JSON, as the control path takes them.

use std::time::Duration;

use serde::Deserialize;

use super::Fault;
use crate::operation::Operation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultSpec {
    action: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    retry_after: Option<String>,
    endpoint: Option<String>,
    ec: Option<String>,
    content_type: Option<String>,
    body: Option<String>,
    milliseconds: Option<u64>,
    reads: Option<u32>,
    per_second: Option<u32>,
    seed: Option<u64>,
    percent: Option<u8>,
    method: Option<String>,
    bucket: Option<String>,
    operation: Option<String>,
    algorithm: Option<String>,
    times: Option<Times>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Times {
    Number(u32),
    Word(Forever),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Forever {
    Forever,
}

impl FaultSpec {
    /// The action, for any request.
    fn without_conditions(&self) -> Result<Fault, String> {
        fn require<T>(name: &str, action: &str, value: Option<T>) -> Result<T, String> {
            value.ok_or_else(|| format!("action {action:?} requires `{name}`"))
        }
        let action = self.action.as_str();
        Ok(match action {
            "error_response" => {
                let status = require("status", action, self.status)?;
                if !(300..600).contains(&status) {
                    return Err(format!(
                        "`status` of an error response must be between 300 and 599, not {status}"
                    ));
                }
                let mut fault =
                    Fault::error_response(status, require("code", action, self.code.as_deref())?);
                if let Some(message) = &self.message {
                    fault = fault.message(message);
                }
                if let Some(endpoint) = &self.endpoint {
                    fault = fault.endpoint(endpoint);
                }
                if let Some(ec) = &self.ec {
                    fault = fault.ec(ec);
                }
                match &self.retry_after {
                    Some(value) => fault.retry_after_text(value),
                    None => fault,
                }
            }
            "raw_response" => {
                let content_type = self.content_type.as_deref().unwrap_or("text/html");
                let status = self.status.unwrap_or(200);
                if !(200..600).contains(&status) {
                    return Err(format!(
                        "`status` of a raw response must be between 200 and 599, not {status}"
                    ));
                }
                Fault::raw_response(content_type, self.body.clone().unwrap_or_default())
                    .status(status)
            }
            "reset_before" => Fault::reset_before(),
            "reset_after" => Fault::reset_after(),
            "truncate_body" => Fault::truncate_body(),
            "delay" => {
                let milliseconds = require("milliseconds", action, self.milliseconds)?;
                Fault::delay(Duration::from_millis(milliseconds))
            }
            "stale_reads" => Fault::stale_reads(require("reads", action, self.reads)?),
            "throttle" => Fault::throttle(require("per_second", action, self.per_second)?),
            "conflicts" => {
                let milliseconds = require("milliseconds", action, self.milliseconds)?;
                Fault::conflicts(Duration::from_millis(milliseconds))
            }
            "random" => {
                let percent = require("percent", action, self.percent)?;
                Fault::random(self.seed.unwrap_or_default(), percent)
            }
            "expired_token" => Fault::expired_token(),
            other => return Err(format!("unknown action {other:?}")),
        })
    }
}

impl TryFrom<FaultSpec> for Fault {
    type Error = String;

    fn try_from(spec: FaultSpec) -> Result<Self, String> {
        let mut fault = spec.without_conditions()?;
        let upper = |method: String| method.to_ascii_uppercase();
        (fault.method, fault.bucket) = (spec.method.map(upper), spec.bucket);
        fault.algorithm = spec.algorithm;
        fault.operation = match spec.operation {
            Some(operation) if !is_operation(&operation) => {
                return Err(format!("unknown operation {operation:?}"));
            }
            operation => operation,
        };
        Ok(match spec.times {
            None => fault,
            Some(Times::Number(0)) => return Err("`times` must be at least 1".to_owned()),
            Some(Times::Number(times)) => fault.times(times),
            Some(Times::Word(Forever::Forever)) => fault.forever(),
        })
    }
}

/// The operations of the services other than OSS.
const OTHER_SERVICE_OPERATIONS: [&str; 9] = [
    "AssumeRole",
    "AssumeRoleWithOIDC",
    "EcsMetadataToken",
    "EcsMetadataRole",
    "EcsMetadataCredentials",
    "CredentialsUri",
    "CreateCloudCredential",
    "OAuthExchange",
    "OAuthToken",
];

/// Whether this is an operation. A fault with a misspelled one would never apply.
fn is_operation(name: &str) -> bool {
    Operation::ALL.iter().any(|operation| operation.name() == name)
        || OTHER_SERVICE_OPERATIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{login, metadata, sts};

    fn parse(text: &str) -> Result<Fault, String> {
        serde_json::from_str::<Fault>(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_action_can_be_written_as_json() {
        for (text, expected) in [
            (
                r#"{"action":"error_response","status":500,"code":"InternalError","message":"m","endpoint":"e","ec":"1","retry_after":"7","method":"PUT","bucket":"demo","times":"forever"}"#,
                Fault::error_response(500, "InternalError")
                    .message("m")
                    .endpoint("e")
                    .ec("1")
                    .retry_after(7)
                    .method("PUT")
                    .bucket("demo")
                    .forever(),
            ),
            (
                r#"{"action":"raw_response","body":"x","status":403}"#,
                Fault::raw_response("text/html", "x").status(403),
            ),
            (
                r#"{"action":"reset_before","operation":"AssumeRole"}"#,
                Fault::reset_before().operation("AssumeRole"),
            ),
            (
                r#"{"action":"reset_before","operation":"PutObject"}"#,
                Fault::reset_before().operation("PutObject"),
            ),
            (
                r#"{"action":"reset_before","algorithm":"KMS"}"#,
                Fault::reset_before().algorithm("KMS"),
            ),
            (r#"{"action":"reset_after","times":3}"#, Fault::reset_after().times(3)),
            (r#"{"action":"truncate_body"}"#, Fault::truncate_body()),
            (r#"{"action":"delay","milliseconds":250}"#, Fault::delay(Duration::from_millis(250))),
            (r#"{"action":"stale_reads","reads":2}"#, Fault::stale_reads(2)),
            (r#"{"action":"throttle","per_second":5}"#, Fault::throttle(5)),
            (
                r#"{"action":"conflicts","milliseconds":50}"#,
                Fault::conflicts(Duration::from_millis(50)),
            ),
            (r#"{"action":"random","percent":30,"seed":7}"#, Fault::random(7, 30)),
            (r#"{"action":"expired_token"}"#, Fault::error_response(403, "SecurityTokenExpired")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_fault_can_name_an_operation_of_any_service() {
        let sts = [sts::Call::AssumeRole, sts::Call::AssumeRoleWithOidc].map(sts::Call::name);
        let metadata = [
            metadata::Call::Token,
            metadata::Call::Role,
            metadata::Call::Credentials(String::new()),
        ]
        .map(|call| call.name().unwrap());
        let login =
            [login::Call::CloudCredential, login::Call::OAuthExchange, login::Call::OAuthToken]
                .map(login::Call::name);
        for name in sts.into_iter().chain(metadata).chain(login) {
            let text = format!(r#"{{"action":"reset_before","operation":"{name}"}}"#);
            assert_eq!(parse(&text), Ok(Fault::reset_before().operation(name)));
        }
    }

    #[test]
    fn invalid_json_faults_are_rejected() {
        for (text, expected) in [
            (
                r#"{"action":"error_response","status":500}"#,
                "action \"error_response\" requires `code`",
            ),
            (r#"{"action":"error_response","status":204,"code":"x"}"#, "between 300 and 599"),
            (r#"{"action":"raw_response","status":103}"#, "between 200 and 599"),
            (r#"{"action":"truncate_body","times":0}"#, "`times` must be at least 1"),
            (r#"{"action":"explode"}"#, "unknown action \"explode\""),
            (
                r#"{"action":"truncate_body","operation":"PutObjct"}"#,
                "unknown operation \"PutObjct\"",
            ),
            (r#"{"action":"truncate_body","often":1}"#, "unknown field `often`"),
            (r#"{"action":"truncate_body","times":"always"}"#, "did not match any variant"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
