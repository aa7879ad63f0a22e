//! STS: `AssumeRole` and `AssumeRoleWithOIDC`, on the same port as OSS.
//!
//! Follows the pages of the two operations, "Request signatures" of RPC-style APIs, the list of
//! common errors of the API gateway (error centre, product "Public"), and for OIDC the errors on
//! the RRSA page of ACK. Guesses: the order of the checks, the statuses of the gateway's errors
//! (400, but 404 for a key or action that is not there), 401 for `AuthenticationFail.OIDCToken.*`
//! (documented for the SAML twin of the call) and 403 for `AuthenticationFail.NoPermission`, that
//! the time of an unsigned call is checked too, and every message without a source.

mod signature;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::config::Role;
use super::error::ServiceError;
use super::key_store::{KeyStore, Session};
use super::request::Request;
use super::response::Response;
use super::timestamp;

/// How far a request's time may be from the server's (error centre: "15 minutes").
const MAX_SKEW: Duration = Duration::minutes(15);

/// The shortest session, and the one that is minted where nothing is asked.
const MIN_SECONDS: u64 = 900;
const DEFAULT_SECONDS: u64 = 3600;

/// What may be remembered of a call: nothing that proves who somebody is.
const LOGGED_PARAMETERS: [&str; 6] =
    ["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId", "OIDCProviderArn"];

/// The calls of STS that the emulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    AssumeRole,
    AssumeRoleWithOidc,
}

impl Call {
    fn of(parameters: &Parameters) -> Result<Self, ServiceError> {
        match parameters.get("Action") {
            Some("AssumeRole") => Ok(Self::AssumeRole),
            Some("AssumeRoleWithOIDC") => Ok(Self::AssumeRoleWithOidc),
            _ => {
                let message = "Specified api is not found, please check your url and method.";
                Err(ServiceError::new(404, "InvalidAction.NotFound", message))
            }
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithOidc => "AssumeRoleWithOIDC",
        }
    }
}

/// The parameters of a call, from query and form. No `Debug`: there are tokens among them.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// What a request says to STS; nothing where it does not name an action.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let is_call = matches!(request.method.as_str(), "GET" | "POST") && request.path == "/";
        let all = || request.query.iter().cloned().chain(request.form()).collect();
        Some(())
            .filter(|()| is_call)
            .map(|()| Self(all()))
            .filter(|all| all.find("Action").is_some())
    }

    /// A value; an empty one counts as absent.
    fn get(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, ServiceError> {
        self.get(name).ok_or_else(|| {
            let message = format!("{name} is mandatory for this action.");
            ServiceError::new(400, format!("Missing{name}"), message)
        })
    }

    /// The call, if it is one that the emulator knows.
    pub(super) fn call(&self) -> Option<Call> {
        Call::of(self).ok()
    }

    /// Who says to have signed.
    pub(super) fn access_key_id(&self) -> Option<&str> {
        self.get("AccessKeyId")
    }

    /// What may be remembered.
    pub(super) fn public(&self) -> BTreeMap<String, String> {
        let is_public = |(name, _): &&(String, String)| LOGGED_PARAMETERS.contains(&name.as_str());
        self.0.iter().filter(is_public).cloned().collect()
    }
}

/// What STS knows besides access keys.
#[derive(Default)]
pub(super) struct Sts {
    roles: BTreeMap<String, Role>,
    providers: BTreeMap<String, OidcProvider>,
    nonces: BTreeSet<String>,
}

/// An identity provider, and the one token that it has given out.
struct OidcProvider {
    token: String,
    /// Tokens that were accepted before, and the accepted one where it came back.
    expired_tokens: BTreeSet<String>,
}

impl Sts {
    pub(super) fn add_role(&mut self, role: Role) {
        self.roles.insert(role.arn.clone(), role);
    }

    /// Every token of every provider.
    pub(super) fn oidc_tokens(&self) -> impl Iterator<Item = String> {
        let of = |provider: &OidcProvider| {
            let former = provider.expired_tokens.iter().cloned();
            former.chain([provider.token.clone()]).collect::<Vec<String>>()
        };
        self.providers.values().flat_map(of)
    }

    /// Sets the token that a provider vouches for; the one before is an expired one from now on.
    pub(super) fn set_oidc_token(&mut self, provider_arn: &str, token: &str) {
        let former = self.providers.remove(provider_arn).map(
            |OidcProvider { token, expired_tokens: mut former }| {
                former.insert(token);
                former
            },
        );
        let former = former.unwrap_or_default();
        let provider = OidcProvider { token: token.to_owned(), expired_tokens: former };
        self.providers.insert(provider_arn.to_owned(), provider);
    }

    /// Everything before the call itself: that it is one, and who is calling.
    pub(super) fn authenticate(
        &mut self,
        method: &str,
        parameters: &Parameters,
        keys: &KeyStore,
        now: OffsetDateTime,
    ) -> Result<Call, ServiceError> {
        let call = Call::of(parameters)?;
        if parameters.required("Version")? != "2015-04-01" {
            return Err(invalid("Version"));
        }
        // Without it STS answers XML, which the emulator does not and no client should want.
        if parameters.get("Format").is_none_or(|format| !format.eq_ignore_ascii_case("JSON")) {
            let message = "The emulator answers JSON only: send Format=JSON.";
            return Err(ServiceError::new(400, "InvalidParameter.Format", message));
        }
        match call {
            Call::AssumeRole => {
                check_time(parameters.required("Timestamp")?, now)?;
                signature::verify(method, parameters, keys.known(), now)?;
                self.use_nonce(parameters.required("SignatureNonce")?)?;
            }
            Call::AssumeRoleWithOidc => {
                if let Some(time) = parameters.get("Timestamp") {
                    check_time(time, now)?;
                }
                self.check_oidc_token(parameters)?;
            }
        }
        Ok(call)
    }

    /// Carries out either call: the session to mint, for how long.
    pub(super) fn assume(
        &self,
        call: Call,
        parameters: &Parameters,
    ) -> Result<(AssumedRole, u64), ServiceError> {
        let arn = parameters.required("RoleArn")?;
        let session_name = parameters.required("RoleSessionName")?;
        if !is_role_arn(arn) {
            return Err(malformed("RoleArn"));
        }
        if !is_session_name(session_name) {
            return Err(malformed("RoleSessionName"));
        }
        if let Some(policy) = parameters.get("Policy") {
            check_policy(policy)?;
        }
        let role = self.roles.get(arn).ok_or_else(|| {
            let message = format!("The role not exists: {arn}. ");
            ServiceError::new(404, "EntityNotExist.Role", message)
        })?;
        // The other call has no such parameter: there the token says who is calling.
        if call == Call::AssumeRole {
            check_external_id(parameters.get("ExternalId"), role)?;
        }
        let seconds = match parameters.get("DurationSeconds") {
            None => DEFAULT_SECONDS.min(role.max_session_seconds),
            Some(text) => text
                .parse()
                .ok()
                .filter(|seconds| (MIN_SECONDS..=role.max_session_seconds).contains(seconds))
                .ok_or_else(|| {
                    let message =
                        "The Min/Max value of DurationSeconds is 15min/MaxSessionDuration.";
                    ServiceError::new(400, "InvalidParameter.DurationSeconds", message)
                })?,
        };
        Ok((AssumedRole { arn: arn.to_owned(), session_name: session_name.to_owned() }, seconds))
    }

    /// A nonce counts as used once its signature was right, whatever the call is answered with.
    fn use_nonce(&mut self, nonce: &str) -> Result<(), ServiceError> {
        if self.nonces.insert(nonce.to_owned()) {
            return Ok(());
        }
        let message = "Specified signature nonce was used already.";
        Err(ServiceError::new(400, "SignatureNonceUsed", message))
    }

    fn check_oidc_token(&self, parameters: &Parameters) -> Result<(), ServiceError> {
        let provider = parameters.required("OIDCProviderArn")?;
        let token = parameters.required("OIDCToken")?;
        if !(4..=20_000).contains(&token.len()) {
            return Err(malformed("OIDCToken"));
        }
        let provider = self.providers.get(provider).ok_or_else(|| {
            let message = "No such OIDC Provider registered.";
            ServiceError::new(403, "AuthenticationFail.NoPermission", message)
        })?;
        if provider.token == token {
            return Ok(());
        }
        let (code, message) = if provider.expired_tokens.contains(token) {
            ("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired.")
        } else {
            ("AuthenticationFail.OIDCToken.Invalid", "This JsonWebToken is invalid.")
        };
        Err(ServiceError::new(401, code, message))
    }
}

/// Who somebody becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AssumedRole {
    arn: String,
    session_name: String,
}

impl AssumedRole {
    /// The answer that hands a session out.
    pub(super) fn to_answer(&self, session: &Session, request_id: &str) -> Response {
        let Self { arn, session_name } = self;
        let body = json!({
            "RequestId": request_id,
            "AssumedRoleUser": {
                "Arn": format!("{arn}/{session_name}"),
                "AssumedRoleId": format!("300000000000000000:{session_name}"),
            },
            "Credentials": {
                "AccessKeyId": session.access_key_id,
                "AccessKeySecret": session.access_key_secret,
                "SecurityToken": session.security_token,
                "Expiration": timestamp::seconds(session.expires_at),
            },
        });
        Response::json(200, &body)
    }
}

/// The error as STS writes it.
pub(super) fn error_answer(error: &ServiceError, request_id: &str, host_id: &str) -> Response {
    let code = &error.code;
    let recommend =
        format!("https://api.aliyun.com/troubleshoot?q={code}&product=Sts&requestId={request_id}");
    let body = json!({
        "RequestId": request_id,
        "HostId": host_id,
        "Code": code,
        "Message": error.message,
        "Recommend": recommend,
    });
    Response::json(error.status, &body)
}

fn check_time(text: &str, now: OffsetDateTime) -> Result<(), ServiceError> {
    let time = timestamp::parse_seconds(text).ok_or_else(|| {
        let message = "Specified time stamp or date value is not well formatted.";
        ServiceError::new(400, "InvalidTimeStamp.Format", message)
    })?;
    if (now - time).abs() <= MAX_SKEW {
        return Ok(());
    }
    let message = "Specified time stamp or date value is expired.";
    Err(ServiceError::new(400, "InvalidTimeStamp.Expired", message))
}

fn check_external_id(sent: Option<&str>, role: &Role) -> Result<(), ServiceError> {
    let is_allowed = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '=' | ',' | '.' | '@' | ':' | '/' | '-' | '_')
    };
    if let Some(id) = sent
        && !((2..=1224).contains(&id.len()) && id.chars().all(is_allowed))
    {
        return Err(malformed("ExternalId"));
    }
    // A trust policy with a condition on the external id refuses any other; one without ignores it.
    if role.external_id.is_none() || role.external_id.as_deref() == sent {
        return Ok(());
    }
    let message = "You are not authorized to do this action. You should be authorized by RAM.";
    Err(ServiceError::new(403, "NoPermission", message))
}

fn check_policy(policy: &str) -> Result<(), ServiceError> {
    if policy.len() > 2048 {
        let message = "The size of Policy must be smaller than 2048 bytes.";
        return Err(ServiceError::new(400, "InvalidParameter.PolicySize", message));
    }
    let parsed: Result<serde_json::Map<String, serde_json::Value>, _> =
        serde_json::from_str(policy);
    parsed.map(|_| ()).map_err(|_| {
        let message = "The parameter Policy has not passed grammar check.";
        ServiceError::new(400, "InvalidParameter.PolicyGrammar", message)
    })
}

/// `acs:ram::{account}:role/{name}`.
fn is_role_arn(text: &str) -> bool {
    let parts = text.strip_prefix("acs:ram::").and_then(|rest| rest.split_once(":role/"));
    parts.is_some_and(|(account, name)| {
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        is_number && !name.is_empty()
    })
}

/// 2 to 64 characters (an older page: to 32).
fn is_session_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '-' | '_');
    (2..=64).contains(&text.len()) && text.chars().all(is_allowed)
}

fn invalid(name: &str) -> ServiceError {
    let message = format!("Specified parameter {name} is not valid.");
    ServiceError::new(400, format!("Invalid{name}"), message)
}

fn malformed(name: &str) -> ServiceError {
    let message = format!("The parameter {name} is wrongly formed.");
    ServiceError::new(400, format!("InvalidParameter.{name}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "acs:ram::1:role/deployer";
    const PROVIDER: &str = "acs:ram::1:oidc-provider/gh";

    fn sts() -> Sts {
        let mut sts = Sts::default();
        sts.add_role(Role::new(ROLE).with_max_session(7200));
        sts.add_role(Role::new("acs:ram::1:role/guarded").with_external_id("the-id"));
        sts.set_oidc_token(PROVIDER, "first-token");
        sts
    }

    fn parameters(changes: &[(&str, &str)]) -> Parameters {
        let mut all = BTreeMap::from([
            ("Action", "AssumeRoleWithOIDC"),
            ("Version", "2015-04-01"),
            ("Format", "JSON"),
            ("Timestamp", "2022-12-28T10:27:41Z"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "terraform"),
            ("OIDCProviderArn", PROVIDER),
            ("OIDCToken", "first-token"),
        ]);
        all.extend(changes.iter().copied());
        Parameters(all.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_672_223_261).unwrap()
    }

    fn shown<T>(result: Result<T, ServiceError>) -> String {
        let error = |error: ServiceError| format!("{} {}", error.status, error.code);
        result.map_or_else(error, |_| "accepted".to_owned())
    }

    #[test]
    fn what_is_no_call_of_sts() {
        let request = |method: &str, path: &str, query: &str| Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: crate::request::parse_query(query),
            ..Request::default()
        };
        assert!(Parameters::of(&request("GET", "/", "Action=AssumeRole")).is_some());
        assert!(Parameters::of(&request("POST", "/", "Action")).is_some());
        assert!(Parameters::of(&request("PUT", "/", "Action=AssumeRole")).is_none());
        assert!(Parameters::of(&request("GET", "/demo/", "Action=AssumeRole")).is_none());
        assert!(Parameters::of(&request("GET", "/", "prefix=Action")).is_none());
        let mut form = request("POST", "/", "");
        form.body = b"Action=AssumeRole&RoleSessionName=a%20b".to_vec();
        assert!(Parameters::of(&form).is_none(), "a body of another type is no form");
        form.headers.push(("content-type".into(), "application/x-www-form-urlencoded".into()));
        assert_eq!(Parameters::of(&form).unwrap().get("RoleSessionName"), Some("a b"));
    }

    #[test]
    fn calls_are_checked_for_form_time_and_token() {
        let long = "x".repeat(20_001);
        for (changes, expected) in [
            (&[][..], "accepted"),
            (&[("Action", "GetCallerIdentity")], "404 InvalidAction.NotFound"),
            (&[("Version", "")], "400 MissingVersion"),
            (&[("Version", "2014-05-26")], "400 InvalidVersion"),
            (&[("Format", "XML")], "400 InvalidParameter.Format"),
            (&[("Timestamp", "")], "accepted"),
            (&[("Timestamp", "20221228T102741Z")], "400 InvalidTimeStamp.Format"),
            (&[("Timestamp", "2022-12-28T10:42:41Z")], "accepted"),
            (&[("Timestamp", "2022-12-28T10:42:42Z")], "400 InvalidTimeStamp.Expired"),
            (&[("Timestamp", "2022-12-28T10:12:40Z")], "400 InvalidTimeStamp.Expired"),
            (&[("OIDCToken", "")], "400 MissingOIDCToken"),
            (&[("OIDCToken", "abc")], "400 InvalidParameter.OIDCToken"),
            (&[("OIDCToken", &long)], "400 InvalidParameter.OIDCToken"),
            (&[("OIDCToken", "another")], "401 AuthenticationFail.OIDCToken.Invalid"),
            (&[("OIDCProviderArn", "")], "400 MissingOIDCProviderArn"),
            (&[("OIDCProviderArn", "acs:x")], "403 AuthenticationFail.NoPermission"),
        ] {
            let parameters = parameters(changes);
            let result = sts().authenticate("POST", &parameters, &KeyStore::default(), now());
            assert_eq!(shown(result), expected, "{changes:?}");
        }
    }

    #[test]
    fn a_token_that_was_replaced_is_an_expired_one() {
        let mut sts = sts();
        sts.set_oidc_token(PROVIDER, "second-token");
        let mut ask = |token: &str| {
            let parameters = parameters(&[("OIDCToken", token)]);
            shown(sts.authenticate("POST", &parameters, &KeyStore::default(), now()))
        };
        assert_eq!(ask("first-token"), "401 AuthenticationFail.OIDCToken.Expired");
        assert_eq!(ask("second-token"), "accepted");
        assert_eq!(ask("third-token"), "401 AuthenticationFail.OIDCToken.Invalid");
        sts.set_oidc_token(PROVIDER, "first-token");
        let parameters = parameters(&[]);
        assert_eq!(
            shown(sts.authenticate("POST", &parameters, &KeyStore::default(), now())),
            "accepted"
        );
    }

    #[test]
    fn roles_are_assumed_within_their_limits() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        let big = format!("{{\"a\":\"{}\"}}", "x".repeat(2048));
        let guarded = ("RoleArn", "acs:ram::1:role/guarded");
        for (changes, expected) in [
            (&[][..], "3600"),
            (&[("DurationSeconds", "900")], "900"),
            (&[("DurationSeconds", "7200")], "7200"),
            (&[("DurationSeconds", "899")], "400 InvalidParameter.DurationSeconds"),
            (&[("DurationSeconds", "7201")], "400 InvalidParameter.DurationSeconds"),
            (&[("DurationSeconds", "1h")], "400 InvalidParameter.DurationSeconds"),
            (&[("RoleArn", "")], "400 MissingRoleArn"),
            (&[("RoleArn", "acs:ram::1:role/other")], "404 EntityNotExist.Role"),
            (&[("RoleArn", "acs:ram::1:user/deployer")], "400 InvalidParameter.RoleArn"),
            (&[("RoleArn", "acs:ram:::role/deployer")], "400 InvalidParameter.RoleArn"),
            (&[("RoleSessionName", "")], "400 MissingRoleSessionName"),
            (&[("RoleSessionName", "a")], "400 InvalidParameter.RoleSessionName"),
            (&[("RoleSessionName", "a b")], "400 InvalidParameter.RoleSessionName"),
            (&[("RoleSessionName", &longest)], "3600"),
            (&[("RoleSessionName", &too_long)], "400 InvalidParameter.RoleSessionName"),
            (&[("Policy", "{\"Version\":\"1\"}")], "3600"),
            (&[("Policy", "Version: 1")], "400 InvalidParameter.PolicyGrammar"),
            (&[("Policy", &big)], "400 InvalidParameter.PolicySize"),
            (&[("ExternalId", "any")], "3600"),
            (&[("ExternalId", "a b")], "400 InvalidParameter.ExternalId"),
            (&[guarded], "403 NoPermission"),
            (&[guarded, ("ExternalId", "another")], "403 NoPermission"),
            (&[guarded, ("ExternalId", "the-id")], "3600"),
        ] {
            let result = sts().assume(Call::AssumeRole, &parameters(changes));
            let result = result.map(|(_, seconds)| seconds.to_string());
            let result = result.unwrap_or_else(|error| shown::<()>(Err(error)));
            assert_eq!(result, expected, "{changes:?}");
        }
        let oidc = sts().assume(Call::AssumeRoleWithOidc, &parameters(&[guarded]));
        assert_eq!(oidc.unwrap().1, 3600, "a token needs no external id");
        let mut short = Sts::default();
        short.add_role(Role::new(ROLE).with_max_session(1800));
        assert_eq!(short.assume(Call::AssumeRole, &parameters(&[])).unwrap().1, 1800);
    }

    #[test]
    fn errors_are_the_gateways_json() {
        let error = ServiceError::new(400, "Throttling.User", "Request was denied.");
        let answer = error_answer(&error, "ID", "127.0.0.1:1");
        assert_eq!(answer.status, 400);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            body,
            json!({
                "RequestId": "ID",
                "HostId": "127.0.0.1:1",
                "Code": "Throttling.User",
                "Message": "Request was denied.",
                "Recommend":
                    "https://api.aliyun.com/troubleshoot?q=Throttling.User&product=Sts&requestId=ID",
            })
        );
    }

    #[test]
    fn only_what_proves_nothing_is_remembered() {
        let public = parameters(&[("AccessKeyId", "id"), ("SecurityToken", "t")]).public();
        let names: Vec<&str> = public.keys().map(String::as_str).collect();
        assert_eq!(names, ["OIDCProviderArn", "RoleArn", "RoleSessionName"]);
    }
}
