//! When and how the endpoint misbehaves: a script of faults, first in, first out.
//!
//! A fault acts on requests whose signature or token is right and whose operation is known, so that
//! it never hides a mistake of the client.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use super::error::ServiceError;
use super::operation::Operation;

/// One scripted misbehaviour: what happens, to which requests, and how often (once, unless
/// [`times`](Self::times) or [`forever`](Self::forever) say otherwise).
///
/// ```
/// use oss_emulator::Fault;
///
/// let throttled = Fault::answer(503, "MetaOperationQpsLimitExceeded").method("PUT").times(2);
/// let lost_answer = Fault::reset_after().bucket("demo");
/// # let _ = (throttled, lost_answer);
/// ```
///
/// As JSON, for the control path, it is an object with `action` (`answer`, `garbage`, `reset_before`,
/// `reset_after`, `cut_body`, `delay`, `stale_reads`, `throttle`, `storm` or `expired_token`), what that action needs (`status`,
/// `code`, `message`, `retry_after`, `endpoint`; `content_type`, `body`; `milliseconds`; `reads`; `per_second`; `percent`, `seed`), and
/// optionally `method`, `bucket`, `operation`, and `times`, a number or `"forever"`:
///
/// ```
/// use oss_emulator::Fault;
///
/// let fault = r#"{"action": "answer", "status": 503, "code": "ServiceUnavailable", "times": 2}"#;
/// assert_eq!(
///     serde_json::from_str::<Fault>(fault).unwrap(),
///     Fault::answer(503, "ServiceUnavailable").times(2)
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FaultSpec")]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    action: Action,
    method: Option<String>,
    bucket: Option<String>,
    operation: Option<String>,
    /// How often it still acts; none is forever.
    remaining: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Answer {
        status: u16,
        code: String,
        message: String,
        retry_after: Option<String>,
        endpoint: Option<String>,
    },
    Garbage {
        status: u16,
        content_type: String,
        body: Vec<u8>,
    },
    ResetBefore,
    ResetAfter,
    CutBody,
    Delay(Duration),
    StaleReads(u32),
    Throttle(Throttle),
    Storm(RandomFaults),
}

/// Misbehaviour at random, the same for the same seed and order of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RandomFaults {
    random: fastrand::Rng,
    percent: u8,
}

impl RandomFaults {
    /// What happens to a request, if anything does.
    fn pick(&mut self, target: &Target<'_>) -> Option<Action> {
        if self.random.u8(0..100) >= self.percent {
            return None;
        }
        let answer = |status, code: &str| Fault::error_response(status, code).action;
        Some(match self.random.u8(0..8) {
            0 => answer(500, "InternalError"),
            1 => answer(503, "ServiceUnavailable"),
            2 => answer(503, "MetaOperationQpsLimitExceeded"),
            3 => Action::ResetBefore,
            4 => Action::ResetAfter,
            5 => Action::CutBody,
            6 if target.writes_encryption => Action::StaleReads(2),
            _ => Action::Delay(Duration::from_millis(20)),
        })
    }
}

/// A limit on how many requests are served in a second of the server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Throttle {
    per_second: u32,
    /// The second that is counted, and its requests.
    second: i64,
    served: u32,
}

impl Throttle {
    /// Whether one more request is within the limit; counts it if so.
    fn admits(&mut self, now: OffsetDateTime) -> bool {
        let second = now.unix_timestamp();
        if second != self.second {
            (self.second, self.served) = (second, 0);
        }
        let is_admitted = self.served < self.per_second;
        self.served += u32::from(is_admitted);
        is_admitted
    }
}

impl Fault {
    /// An error answer in place of the operation, which is not carried out; in the shape that the
    /// service has for errors: XML of OSS, JSON of STS.
    pub fn error_response(status: u16, code: &str) -> Self {
        let message = "This error was injected into the emulator.".to_owned();
        let code = code.to_owned();
        Self::new(Action::Answer { status, code, message, retry_after: None, endpoint: None })
    }

    /// Any body in place of the operation, as a proxy in between would answer: without OSS's
    /// headers, with status 200 unless [`status`](Self::status) says otherwise.
    pub fn raw_response(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let content_type = content_type.to_owned();
        Self::new(Action::Garbage { status: 200, content_type, body: body.into() })
    }

    /// A connection reset in place of the operation, which is not carried out.
    pub fn reset_before() -> Self {
        Self::new(Action::ResetBefore)
    }

    /// A connection reset in place of the answer; the operation is carried out.
    pub fn reset_after() -> Self {
        Self::new(Action::ResetAfter)
    }

    /// The operation is carried out, but the connection ends in the middle of the body. Answers
    /// that have no body promise a byte and send none, but a 204 cannot: it comes whole.
    pub fn truncate_body() -> Self {
        Self::new(Action::CutBody)
    }

    /// The operation is carried out at once and answered later.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Action::Delay(delay))
    }

    /// The next write is carried out, but so many reads of its bucket still see what was before.
    pub fn stale_reads(reads: u32) -> Self {
        Self::new(Action::StaleReads(reads))
    }

    /// So many requests in a second are served, all others are answered with 503
    /// `MetaOperationQpsLimitExceeded`, as OSS does with calls on buckets; until the faults are cleared.
    pub fn throttle(per_second: u32) -> Self {
        let throttle = Throttle { per_second, second: i64::MIN, served: 0 };
        Self::new(Action::Throttle(throttle)).forever()
    }

    /// So many of a hundred requests fail at random: with 500, 503, throttling, resets before and after
    /// the change, cut bodies; or come late; or what they write is not read at once. Until the faults are
    /// cleared.
    pub fn random(seed: u64, percent: u8) -> Self {
        Self::new(Action::Storm(RandomFaults { random: fastrand::Rng::with_seed(seed), percent }))
            .forever()
    }

    /// The next request is told that its session has ended, 403 `SecurityTokenExpired`, whatever
    /// its credentials are.
    pub fn expired_token() -> Self {
        Self::error_response(403, "SecurityTokenExpired")
    }

    /// Only requests of this method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests to this bucket.
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    /// Only requests for this operation, by the name that an exchange shows. Without this filter a
    /// fault acts on operations of OSS only, never on calls for credentials.
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// So many requests, one after the other; none for 0.
    pub fn times(mut self, times: u32) -> Self {
        self.remaining = Some(times);
        self
    }

    /// Every request, until the faults are cleared.
    pub fn forever(mut self) -> Self {
        self.remaining = None;
        self
    }

    /// The message of an error answer.
    pub fn message(mut self, text: &str) -> Self {
        if let Action::Answer { message, .. } = &mut self.action {
            text.clone_into(message);
        }
        self
    }

    /// The endpoint that an error answer says the bucket is at.
    pub fn endpoint(mut self, host: &str) -> Self {
        if let Action::Answer { endpoint, .. } = &mut self.action {
            *endpoint = Some(host.to_owned());
        }
        self
    }

    /// The `Retry-After` header of an error answer, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.retry_after_text(&seconds.to_string())
    }

    /// The `Retry-After` header of an error answer, in any form: HTTP allows a date too.
    pub fn retry_after_text(mut self, value: &str) -> Self {
        if let Action::Answer { retry_after, .. } = &mut self.action {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// The status of [`garbage`](Self::garbage).
    pub fn status(mut self, code: u16) -> Self {
        if let Action::Garbage { status, .. } = &mut self.action {
            *status = code;
        }
        self
    }

    fn new(action: Action) -> Self {
        Self { action, method: None, bucket: None, operation: None, remaining: Some(1) }
    }

    fn applies(&self, target: &Target<'_>) -> bool {
        let wanted =
            |wanted: &Option<String>, found| wanted.is_none() || wanted.as_deref() == found;
        let is_write_only = matches!(self.action, Action::StaleReads(_));
        wanted(&self.method, Some(target.method))
            && wanted(&self.bucket, target.bucket)
            && wanted(&self.operation, Some(target.operation))
            && (self.operation.is_some() || target.is_oss)
            && (!is_write_only || target.writes_encryption)
            && self.remaining != Some(0)
    }
}

impl Action {
    /// What it comes to for this request; nothing where it lets it pass.
    fn act(&mut self, target: &Target<'_>, now: OffsetDateTime) -> Option<Self> {
        match self {
            Self::Throttle(throttle) => (!throttle.admits(now)).then(|| self.clone()),
            Self::Storm(storm) => storm.pick(target),
            action => Some(action.clone()),
        }
    }

    /// The error that is answered in place of the operation, if that is what it does.
    pub(super) fn error(&self) -> Option<ServiceError> {
        let (status, code, message, retry_after, endpoint) = match self {
            Self::Answer { status, code, message, retry_after, endpoint } => {
                (status, code, message, retry_after, endpoint)
            }
            Self::Throttle(_) => {
                let message = "Qps limit for the meta operation is exceeded.";
                return Some(ServiceError::new(503, "MetaOperationQpsLimitExceeded", message));
            }
            _ => return None,
        };
        let message = Cow::Owned(message.clone());
        let error = ServiceError::new(*status, code.clone(), message);
        let error = error.retry_after(retry_after.clone());
        Some(match endpoint {
            Some(endpoint) => error.detail("Endpoint", endpoint),
            None => error,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, code, .. } => write!(formatter, "answer {status} {code}"),
            Self::Garbage { .. } => formatter.write_str("garbage"),
            Self::ResetBefore => formatter.write_str("reset before the change"),
            Self::ResetAfter => formatter.write_str("reset after the change"),
            Self::CutBody => formatter.write_str("cut body"),
            Self::Delay(delay) => write!(formatter, "delay {delay:?}"),
            Self::StaleReads(reads) => write!(formatter, "{reads} stale reads"),
            Self::Storm(storm) => write!(formatter, "{} % at random", storm.percent),
            Self::Throttle(throttle) => {
                write!(formatter, "throttled to {} a second", throttle.per_second)
            }
        }
    }
}

/// A fault as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultSpec {
    action: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    retry_after: Option<String>,
    endpoint: Option<String>,
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

impl TryFrom<FaultSpec> for Fault {
    type Error = String;

    fn try_from(scripted: FaultSpec) -> Result<Self, String> {
        fn need<T>(name: &str, action: &str, value: Option<T>) -> Result<T, String> {
            value.ok_or_else(|| format!("the action {action} needs `{name}`"))
        }
        let action = scripted.action.as_str();
        let mut fault = match action {
            "answer" => {
                let status = need("status", action, scripted.status)?;
                if !(300..600).contains(&status) {
                    return Err(format!("an error has a status from 300 to 599, not {status}"));
                }
                let mut fault = Self::error_response(status, &need("code", action, scripted.code)?);
                if let Some(message) = &scripted.message {
                    fault = fault.message(message);
                }
                if let Some(endpoint) = &scripted.endpoint {
                    fault = fault.endpoint(endpoint);
                }
                match &scripted.retry_after {
                    Some(value) => fault.retry_after_text(value),
                    None => fault,
                }
            }
            "garbage" => {
                let content_type = scripted.content_type.unwrap_or_else(|| "text/html".to_owned());
                let status = scripted.status.unwrap_or(200);
                if !(200..600).contains(&status) {
                    return Err(format!("an answer has a status from 200 to 599, not {status}"));
                }
                Self::raw_response(&content_type, scripted.body.unwrap_or_default()).status(status)
            }
            "reset_before" => Self::reset_before(),
            "reset_after" => Self::reset_after(),
            "cut_body" => Self::truncate_body(),
            "delay" => {
                let milliseconds = need("milliseconds", action, scripted.milliseconds)?;
                Self::delay(Duration::from_millis(milliseconds))
            }
            "stale_reads" => Self::stale_reads(need("reads", action, scripted.reads)?),
            "throttle" => Self::throttle(need("per_second", action, scripted.per_second)?),
            "storm" => {
                let percent = need("percent", action, scripted.percent)?;
                Self::random(scripted.seed.unwrap_or_default(), percent)
            }
            "expired_token" => Self::expired_token(),
            other => return Err(format!("there is no action {other:?}")),
        };
        let upper = |method: String| method.to_ascii_uppercase();
        (fault.method, fault.bucket) = (scripted.method.map(upper), scripted.bucket);
        fault.operation = match scripted.operation {
            Some(operation) if !is_operation(&operation) => {
                return Err(format!("there is no operation {operation:?}"));
            }
            operation => operation,
        };
        Ok(match scripted.times {
            None => fault,
            Some(Times::Number(0)) => return Err("it would never act: `times` is 0".to_owned()),
            Some(Times::Number(times)) => fault.times(times),
            Some(Times::Word(Forever::Forever)) => fault.forever(),
        })
    }
}

/// The operations of the services beside OSS.
const OTHER_SERVICE_OPERATIONS: [&str; 6] = [
    "AssumeRole",
    "AssumeRoleWithOIDC",
    "EcsMetadataToken",
    "EcsMetadataRole",
    "EcsMetadataCredentials",
    "CredentialsUri",
];

/// Whether something has this name that a fault can act on: with any other one it would wait forever.
fn is_operation(name: &str) -> bool {
    Operation::ALL.iter().any(|operation| operation.name() == name)
        || OTHER_SERVICE_OPERATIONS.contains(&name)
}

/// What faults look at to tell requests apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'r> {
    method: &'r str,
    bucket: Option<&'r str>,
    /// The operation's name.
    operation: &'r str,
    is_oss: bool,
    writes_encryption: bool,
}

impl<'r> Target<'r> {
    /// An operation of OSS.
    pub(super) fn oss(method: &'r str, bucket: Option<&'r str>, operation: Operation) -> Self {
        let writes_encryption = operation.writes_encryption();
        Self { method, bucket, operation: operation.name(), is_oss: true, writes_encryption }
    }

    /// An operation of another service.
    pub(super) fn other_service(method: &'r str, operation: &'r str) -> Self {
        Self { method, bucket: None, operation, is_oss: false, writes_encryption: false }
    }
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    script: Vec<Fault>,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.script.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.script.clear();
    }

    /// What is to happen to this request: the first fault that applies to it, once less.
    pub(super) fn take(&mut self, target: &Target<'_>, now: OffsetDateTime) -> Option<Action> {
        let (fault, action) = self.script.iter_mut().find_map(|fault| {
            let action = fault.applies(target).then(|| fault.action.act(target, now)).flatten()?;
            Some((fault, action))
        })?;
        fault.remaining = fault.remaining.map(|remaining| remaining - 1);
        self.script.retain(|fault| fault.remaining != Some(0));
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn take(faults: &mut Faults, method: &str, bucket: &str) -> Option<String> {
        let operation = match method {
            "PUT" => Operation::PutBucketEncryption,
            _ => Operation::GetBucketEncryption,
        };
        let target = Target::oss(method, Some(bucket), operation);
        faults.take(&target, NOW).map(|action| action.to_string())
    }

    #[test]
    fn only_a_fault_that_names_it_acts_on_a_call_elsewhere() {
        let mut faults = Faults::default();
        faults.push(Fault::reset_before());
        faults.push(Fault::error_response(429, "Throttling").operation("AssumeRole"));
        faults.push(Fault::truncate_body().operation("GetBucketEncryption"));
        let assume_role = Target::other_service("POST", "AssumeRole");
        assert!(faults.take(&Target::other_service("POST", "AssumeRoleWithOIDC"), NOW).is_none());
        assert_eq!(faults.take(&assume_role, NOW).unwrap().to_string(), "answer 429 Throttling");
        assert!(faults.take(&assume_role, NOW).is_none());
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("reset before the change"));
        assert_eq!(take(&mut faults, "PUT", "demo"), None);
        assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("cut body"));
    }

    #[test]
    fn what_a_client_is_told_to_wait_is_seconds_or_a_date() {
        let header = |fault: Fault| {
            let answer = fault.action.error().unwrap().to_response("", "");
            answer.headers.into_iter().find(|(name, _)| *name == "Retry-After").unwrap().1
        };
        let fault = || Fault::error_response(503, "ServiceUnavailable");
        assert_eq!(header(fault().retry_after(7)), "7");
        let date = "Wed, 28 Dec 2022 10:27:41 GMT";
        assert_eq!(header(fault().retry_after_text(date)), date);
    }

    #[test]
    fn act_in_order_and_only_on_what_they_match() {
        let mut faults = Faults::default();
        faults.push(Fault::error_response(500, "InternalError").method("PUT").times(2));
        faults.push(Fault::reset_before().bucket("other"));
        faults.push(Fault::truncate_body());
        faults.push(Fault::reset_after().times(0));
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("answer 500 InternalError"));
        assert_eq!(take(&mut faults, "GET", "demo").as_deref(), Some("cut body"));
        assert_eq!(take(&mut faults, "GET", "demo"), None);
        assert_eq!(take(&mut faults, "PUT", "other").as_deref(), Some("answer 500 InternalError"));
        assert_eq!(take(&mut faults, "PUT", "other").as_deref(), Some("reset before the change"));
        assert_eq!(take(&mut faults, "PUT", "other"), None);
    }

    #[test]
    fn forever_ends_with_clear() {
        let mut faults = Faults::default();
        faults.push(Fault::reset_after().forever());
        for _ in 0..3 {
            assert!(take(&mut faults, "GET", "demo").is_some());
        }
        faults.clear();
        assert_eq!(take(&mut faults, "GET", "demo"), None);
    }

    #[test]
    fn stale_reads_wait_for_a_write() {
        let mut faults = Faults::default();
        faults.push(Fault::stale_reads(2));
        assert_eq!(take(&mut faults, "GET", "demo"), None);
        assert_eq!(take(&mut faults, "PUT", "demo").as_deref(), Some("2 stale reads"));
    }

    #[test]
    fn a_throttle_counts_the_requests_of_a_second() {
        let mut faults = Faults::default();
        faults.push(Fault::throttle(2).method("GET"));
        faults.push(Fault::truncate_body().bucket("other"));
        let mut take = |bucket: &str, milliseconds: i64| {
            let target = Target::oss("GET", Some(bucket), Operation::GetBucketEncryption);
            let action = faults.take(&target, NOW + time::Duration::milliseconds(milliseconds));
            action.map(|action| action.error().map_or(0, |error| error.status))
        };
        // What is within the limit goes on to the next fault.
        assert_eq!([take("demo", 0), take("other", 999)], [None, Some(0)]);
        assert_eq!([take("demo", 999), take("demo", 999)], [Some(503); 2]);
        assert_eq!([take("demo", 1000), take("demo", 1001)], [None; 2]);
        assert_eq!(take("demo", 1999), Some(503));
    }

    #[test]
    fn a_storm_is_as_heavy_as_it_says_and_the_same_for_the_same_seed() {
        let strikes = |seed| -> Vec<String> {
            let mut faults = Faults::default();
            faults.push(Fault::random(seed, 30));
            let shown = |action: Option<String>| action.unwrap_or_default();
            (0..1000).map(|_| shown(take(&mut faults, "PUT", "demo"))).collect()
        };
        let (one, other) = (strikes(1), strikes(2));
        assert_eq!(one, strikes(1));
        assert_ne!(one, other);
        let hits = one.iter().filter(|strike| !strike.is_empty()).count();
        assert!((250..350).contains(&hits), "{hits}");
        let kinds: std::collections::BTreeSet<&String> = one.iter().collect();
        assert_eq!(kinds.len(), 9, "eight kinds and none: {kinds:?}");
    }

    #[test]
    fn faults_come_as_json_too() {
        let fault = |text: &str| serde_json::from_str::<Fault>(text).map_err(|e| e.to_string());
        for (text, expected) in [
            (
                r#"{"action":"answer","status":500,"code":"InternalError","message":"m","endpoint":"e","retry_after":"7","method":"PUT","bucket":"demo","times":"forever"}"#,
                Fault::error_response(500, "InternalError")
                    .message("m")
                    .endpoint("e")
                    .retry_after(7)
                    .method("PUT")
                    .bucket("demo")
                    .forever(),
            ),
            (
                r#"{"action":"garbage","body":"x","status":403}"#,
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
            (r#"{"action":"reset_after","times":3}"#, Fault::reset_after().times(3)),
            (r#"{"action":"cut_body"}"#, Fault::truncate_body()),
            (r#"{"action":"delay","milliseconds":250}"#, Fault::delay(Duration::from_millis(250))),
            (r#"{"action":"stale_reads","reads":2}"#, Fault::stale_reads(2)),
            (r#"{"action":"throttle","per_second":5}"#, Fault::throttle(5)),
            (r#"{"action":"storm","percent":30,"seed":7}"#, Fault::random(7, 30)),
            (r#"{"action":"expired_token"}"#, Fault::error_response(403, "SecurityTokenExpired")),
        ] {
            assert_eq!(fault(text), Ok(expected), "{text}");
        }
        for (text, expected) in [
            (r#"{"action":"answer","status":500}"#, "the action answer needs `code`"),
            (r#"{"action":"answer","status":204,"code":"x"}"#, "a status from 300 to 599"),
            (r#"{"action":"garbage","status":103}"#, "a status from 200 to 599"),
            (r#"{"action":"cut_body","times":0}"#, "it would never act"),
            (r#"{"action":"sulk"}"#, "there is no action \"sulk\""),
            (
                r#"{"action":"cut_body","operation":"PutObjct"}"#,
                "there is no operation \"PutObjct\"",
            ),
            (r#"{"action":"cut_body","often":1}"#, "unknown field `often`"),
            (r#"{"action":"cut_body","times":"always"}"#, "did not match any variant"),
        ] {
            let error = fault(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
