//! STS without signatures, which have their own tests.

use super::*;
use crate::request::{Request, parse_query};

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

fn outcome<T>(result: Result<T, ServiceError>) -> String {
    let error = |error: ServiceError| format!("{} {}", error.status, error.code);
    result.map_or_else(error, |_| "accepted".to_owned())
}

#[test]
fn requests_are_recognized_by_their_action() {
    let request = |method: &str, path: &str, query: &str| Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: parse_query(query),
        ..Request::default()
    };
    assert!(Parameters::of(&request("GET", "/", "Action=AssumeRole")).is_some());
    assert!(Parameters::of(&request("POST", "/", "Action")).is_some());
    assert!(Parameters::of(&request("PUT", "/", "Action=AssumeRole")).is_none());
    assert!(Parameters::of(&request("GET", "/demo/", "Action=AssumeRole")).is_none());
    assert!(Parameters::of(&request("GET", "/", "prefix=Action")).is_none());
    let mut form = request("POST", "/", "");
    form.body = b"Action=AssumeRole&RoleSessionName=a%20b".to_vec();
    assert!(Parameters::of(&form).is_none(), "a body of another type is not a form");
    form.headers.push(("content-type".into(), "application/x-www-form-urlencoded".into()));
    assert_eq!(Parameters::of(&form).unwrap().get("RoleSessionName"), Some("a b"));
}

#[test]
fn format_time_and_token_are_checked() {
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
        assert_eq!(outcome(result), expected, "{changes:?}");
    }
}

#[test]
fn a_replaced_token_is_expired() {
    let mut sts = sts();
    sts.set_oidc_token(PROVIDER, "second-token");
    let mut authenticate = |token: &str| {
        let parameters = parameters(&[("OIDCToken", token)]);
        outcome(sts.authenticate("POST", &parameters, &KeyStore::default(), now()))
    };
    assert_eq!(authenticate("first-token"), "401 AuthenticationFail.OIDCToken.Expired");
    assert_eq!(authenticate("second-token"), "accepted");
    assert_eq!(authenticate("third-token"), "401 AuthenticationFail.OIDCToken.Invalid");
    sts.set_oidc_token(PROVIDER, "first-token");
    let parameters = parameters(&[]);
    assert_eq!(
        outcome(sts.authenticate("POST", &parameters, &KeyStore::default(), now())),
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
        let result = result.unwrap_or_else(|error| outcome::<()>(Err(error)));
        assert_eq!(result, expected, "{changes:?}");
    }
    let oidc = sts().assume(Call::AssumeRoleWithOidc, &parameters(&[guarded]));
    assert_eq!(oidc.unwrap().1, 3600, "AssumeRoleWithOIDC has no external ID");
    let mut short = Sts::default();
    short.add_role(Role::new(ROLE).with_max_session(1800));
    assert_eq!(short.assume(Call::AssumeRole, &parameters(&[])).unwrap().1, 1800);
}

#[test]
fn errors_have_the_gateways_json_format() {
    let error = ServiceError::new(400, "Throttling.User", "Request was denied.");
    let response = error_response(&error, "ID", "127.0.0.1:1");
    assert_eq!(response.status, 400);
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
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
fn only_parameters_that_are_not_secret_are_recorded() {
    let public = parameters(&[("AccessKeyId", "id"), ("SecurityToken", "t")]).public();
    let names: Vec<&str> = public.keys().map(String::as_str).collect();
    assert_eq!(names, ["OIDCProviderArn", "RoleArn", "RoleSessionName"]);
}
