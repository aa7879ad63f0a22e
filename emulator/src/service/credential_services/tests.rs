//! Requests for credentials without sockets. Signed ones are vectors, sent at their own time.

use serde_json::Value;
use time::OffsetDateTime;

use crate::request::Request;
use crate::response::Response;
use crate::service::{Delivery, Handled, Service};
use crate::{Config, Credentials, Fault, MetadataMode, Role};

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/oss-signing.json"));
const ROLE: &str = "acs:ram::1234567890123456:role/terraform-fake";
const PROVIDER: &str = "acs:ram::1:oidc-provider/gh";
/// When the vectors were signed: `2026-11-23T08:00:00Z`.
const NOW: i64 = 1_795_420_800;

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

fn service() -> Service {
    let config = Config::default()
        .with_credentials("LTAI5tFAKEFAKEFAKEFAKE01", "FakeSecretFakeSecretFakeSecret")
        .with_role(Role::new(ROLE))
        .with_oidc_provider(PROVIDER, "the-oidc-token");
    Service::new(&config)
}

/// A vector as an SDK sends it: authentication in the query, parameters in the form.
fn signed(id: &str) -> Request {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["sts_rpc_signature_v1"]["vectors"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut parameters: Vec<(String, String)> = vector["params"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    parameters.push(("Signature".to_owned(), text(&vector["expected"]["signature"])));
    if vector["method"] == "GET" {
        return request("GET", parameters, &[]);
    }
    let in_form = ["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "ExternalId"];
    let (form, query): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(name, _)| in_form.contains(&name.as_str()));
    let form: Vec<(&str, &str)> =
        form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    request("POST", query, &form)
}

fn oidc(token: &str) -> Request {
    let query = [("Action", "AssumeRoleWithOIDC"), ("Version", "2015-04-01"), ("Format", "JSON")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let form = [
        ("RoleArn", ROLE),
        ("RoleSessionName", "ci"),
        ("OIDCProviderArn", PROVIDER),
        ("OIDCToken", token),
    ];
    request("POST", query, &form)
}

fn request(method: &str, query: Vec<(String, String)>, form: &[(&str, &str)]) -> Request {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let content_type = "application/x-www-form-urlencoded".to_owned();
    Request {
        method: method.to_owned(),
        host: "127.0.0.1:8080".to_owned(),
        path: "/".to_owned(),
        query,
        headers: vec![("content-type".to_owned(), content_type)],
        body: body.into_bytes(),
    }
}

fn send(service: &mut Service, request: &Request) -> Handled {
    service.serve(request, now(), "REQUEST-ID")
}

fn response(handled: &Handled) -> (&Response, Value) {
    let Delivery::Complete { response, .. } = &handled.delivery else {
        panic!("no response: {handled:?}")
    };
    (response, serde_json::from_slice(&response.body).unwrap())
}

/// Status and code, such as `200` or `400 SignatureNonceUsed`.
fn outcome(handled: &Handled) -> String {
    let (response, body) = response(handled);
    assert_eq!(handled.record.status, response.status);
    let code = body["Code"].as_str().filter(|code| *code != "Success");
    assert_eq!(handled.record.code.as_deref(), code);
    match code {
        Some(code) => format!("{} {code}", response.status),
        None => response.status.to_string(),
    }
}

#[test]
fn a_role_is_assumed_with_an_access_key_pair() {
    for id in ["sts-assume-role-post", "sts-assume-role-get"] {
        let mut service = service();
        let handled = send(&mut service, &signed(id));
        let (response, body) = response(&handled);
        assert_eq!(response.status, 200, "{body}");
        assert_eq!(body["RequestId"], "REQUEST-ID");
        assert_eq!(body["AssumedRoleUser"]["Arn"], format!("{ROLE}/terraform"));
        assert_eq!(body["Credentials"]["Expiration"], "2026-11-23T09:00:00Z");
        let id = body["Credentials"]["AccessKeyId"].as_str().unwrap();
        let known = &service.keys.known()[id];
        assert_eq!(body["Credentials"]["AccessKeySecret"], known.access_key_secret.as_str());
        assert_eq!(body["Credentials"]["SecurityToken"], known.token().unwrap().value.as_str());

        let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(
            names,
            ["Content-Type", "Date", "x-acs-request-id"],
            "without the headers of OSS"
        );
        assert_eq!(response.headers[1].1, "Mon, 23 Nov 2026 08:00:00 GMT");

        let record = &handled.record;
        assert_eq!((record.service, record.operation.as_deref()), ("sts", Some("AssumeRole")));
        assert_eq!(record.access_key_id.as_deref(), Some("LTAI5tFAKEFAKEFAKEFAKE01"));
        assert_eq!(record.issued_access_key_id.as_deref(), Some(id));
        assert_eq!(record.parameters["RoleArn"], ROLE);
        assert_eq!(record.parameters["RoleSessionName"], "terraform");
        assert_eq!(record.parameters["DurationSeconds"], "3600");
    }
}

#[test]
fn a_role_is_assumed_with_an_oidc_token() {
    let mut service = service();
    assert_eq!(outcome(&send(&mut service, &oidc("the-oidc-token"))), "200");
    let wrong = send(&mut service, &oidc("another"));
    assert_eq!(outcome(&wrong), "401 AuthenticationFail.OIDCToken.Invalid");
    assert_eq!(wrong.record.operation.as_deref(), Some("AssumeRoleWithOIDC"));
    assert_eq!(wrong.record.issued_access_key_id, None);
    assert_eq!(
        wrong.record.to_string(),
        "POST   -  AssumeRoleWithOIDC  401  AuthenticationFail.OIDCToken.Invalid  \
         acs:ram::1234567890123456:role/terraform-fake as ci"
    );
}

#[test]
fn late_repeated_and_unknown_calls_are_rejected() {
    let mut service = service();
    let call = signed("sts-assume-role-post");
    service.clock_offset_seconds = 901;
    let late = send(&mut service, &call);
    assert_eq!(outcome(&late), "400 InvalidTimeStamp.Expired");
    assert!(
        response(&late)
            .0
            .headers
            .contains(&("Date".into(), "Mon, 23 Nov 2026 08:15:01 GMT".to_owned())),
        "clients can correct their clock with it"
    );
    service.clock_offset_seconds = 0;
    let mut changed = call.clone();
    changed.body.extend(b"&Policy={}");
    assert_eq!(outcome(&send(&mut service, &changed)), "400 SignatureDoesNotMatch");
    assert_eq!(outcome(&send(&mut service, &call)), "200");
    assert_eq!(outcome(&send(&mut service, &call)), "400 SignatureNonceUsed");
    let other = request("GET", vec![("Action".to_owned(), "GetCallerIdentity".to_owned())], &[]);
    let other = send(&mut service, &other);
    assert_eq!(outcome(&other), "404 InvalidAction.NotFound");
    assert_eq!((other.record.service, &other.record.operation), ("sts", &None));
}

#[test]
fn a_session_assumes_a_role_until_it_expires() {
    let mut service = service();
    let call = signed("sts-assume-role-post-with-token");
    let source = |expiry: i64| {
        let expiry = OffsetDateTime::from_unix_timestamp(expiry).unwrap();
        Credentials::new("STS.NUFakeFakeFakeFakeFake01", "FakeTempSecret/+=FakeTempSecret")
            .with_token("CAISFakeToken0123456789+/abcDEF==FAKE", Some(expiry.into()))
    };
    assert_eq!(outcome(&send(&mut service, &call)), "404 InvalidAccessKeyId.NotFound");
    service.keys.add(source(NOW));
    assert_eq!(outcome(&send(&mut service, &call)), "400 InvalidSecurityToken.Expired");
    service.keys.add(source(NOW + 1));
    assert_eq!(outcome(&send(&mut service, &call)), "200");
}

#[test]
fn faults_have_the_shape_of_sts_and_use_the_nonce() {
    let mut service = service();
    let call = signed("sts-assume-role-post");
    service.faults.push(Fault::error_response(500, "InternalError"));
    service.faults.push(Fault::reset_before().operation("AssumeRole"));
    service.faults.push(Fault::reset_after().operation("AssumeRoleWithOIDC"));
    let throttled =
        Fault::error_response(429, "Throttling.User").message("slow down").retry_after(3);
    service.faults.push(throttled.operation("AssumeRoleWithOIDC"));

    assert_eq!(send(&mut service, &call).delivery, Delivery::Reset);
    assert_eq!(outcome(&send(&mut service, &call)), "400 SignatureNonceUsed", "it had arrived");
    let lost = send(&mut service, &oidc("the-oidc-token"));
    assert_eq!(lost.delivery, Delivery::Reset);
    assert!(lost.record.issued_access_key_id.is_some(), "the session is there");
    assert_eq!(
        outcome(&send(&mut service, &oidc("another"))),
        "401 AuthenticationFail.OIDCToken.Invalid",
        "a fault hides no mistake"
    );
    let handled = send(&mut service, &oidc("the-oidc-token"));
    assert_eq!(outcome(&handled), "429 Throttling.User");
    let (response, body) = response(&handled);
    assert_eq!(body["Message"], "slow down");
    assert!(response.headers.contains(&("Retry-After".into(), "3".to_owned())), "{response:?}");
    assert_eq!(handled.record.fault.as_deref(), Some("error response 429 Throttling.User"));
}

#[test]
fn no_secret_is_recorded() {
    let mut service = service();
    let mut without_type = oidc("the-oidc-token");
    without_type.headers.clear();
    let mut misspelt = oidc("the-oidc-token");
    misspelt.query.retain(|(name, _)| name != "Action");
    let mut secrets = vec!["the-oidc-token".to_owned(), "CAISFakeToken".to_owned()];
    for call in [
        signed("sts-assume-role-post"),
        signed("sts-assume-role-post-with-token"),
        oidc("the-oidc-token"),
        without_type,
        misspelt,
    ] {
        secrets.extend(
            call.query.iter().find(|(name, _)| name == "Signature").map(|(_, s)| s.clone()),
        );
        let handled = send(&mut service, &call);
        let Delivery::Complete { response, .. } = &handled.delivery else { panic!("{handled:?}") };
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        for name in ["AccessKeySecret", "SecurityToken"] {
            secrets.extend(body["Credentials"][name].as_str().map(str::to_owned));
        }
    }
    assert_eq!(secrets.len(), 2 + 2 + 4, "{secrets:?}");
    for record in service.requests() {
        let text = format!("{record:?} {record} {}", record.to_json());
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
}

/// A request to a path below `/-/`.
fn local(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = request(method, Vec::new(), &[]);
    path.clone_into(&mut request.path);
    request.body.clear();
    request.headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    request
}

fn text(handled: &Handled) -> String {
    let Delivery::Complete { response, .. } = &handled.delivery else { panic!("{handled:?}") };
    assert_eq!(response.status, 200);
    let content_type = ("Content-Type".into(), "text/plain".to_owned());
    assert!(response.headers.contains(&content_type), "{response:?}");
    String::from_utf8(response.body.clone()).unwrap()
}

fn assert_issues_credentials(service: &Service, handled: &Handled, expiration: &str) {
    let (response, body) = response(handled);
    assert_eq!((response.status, &body["Code"]), (200, &Value::from("Success")));
    assert_eq!(
        (&body["Expiration"], &body["LastUpdated"]),
        (&Value::from(expiration), &Value::from("2026-11-23T08:00:00Z"),)
    );
    let id = body["AccessKeyId"].as_str().unwrap();
    assert_eq!(handled.record.issued_access_key_id.as_deref(), Some(id));
    let known = &service.keys.known()[id];
    assert_eq!(body["AccessKeySecret"], known.access_key_secret.as_str());
    assert_eq!(body["SecurityToken"], known.token().unwrap().value.as_str());
    let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["Content-Type", "Date"]);
}

#[test]
fn the_metadata_service_issues_credentials_of_the_role() {
    let config = Config::default().with_ecs_role("the role");
    let mut service = Service::new(&config.with_metadata_mode(MetadataMode::V2Required));
    let ttl = [("x-aliyun-ecs-metadata-token-ttl-seconds", "60")];
    let handled = send(&mut service, &local("PUT", "/-/ecs/latest/api/token", &ttl));
    assert_eq!(handled.record.to_string(), "PUT    -  EcsMetadataToken  200");
    assert_eq!(handled.record.service, "ecs-metadata");
    let token = text(&handled);
    let roles = "/-/ecs/latest/meta-data/ram/security-credentials/";
    let mut get = |path: &str, token: &str| {
        let headers = [("x-aliyun-ecs-metadata-token", token)];
        send(&mut service, &local("GET", path, &headers))
    };
    let handled = get(roles, &token);
    assert_eq!(text(&handled), "the role");
    assert_eq!(handled.record.operation.as_deref(), Some("EcsMetadataRole"));
    assert_eq!(outcome(&get(roles, "wrong")), "401 Unauthorized");
    assert_eq!(outcome(&get(&format!("{roles}other"), &token)), "404 NotFound");
    let handled = get(&format!("{roles}the%20role"), &token);
    assert_eq!(handled.record.operation.as_deref(), Some("EcsMetadataCredentials"));
    assert_issues_credentials(&service, &handled, "2026-11-23T14:00:00Z");
    for record in service.requests() {
        assert!(!format!("{record:?}").contains(&token), "{record:?}");
    }
    let unknown = send(&mut service, &local("GET", "/-/ecs/latest/meta-data/", &[]));
    assert_eq!(outcome(&unknown), "404 NotFound");
    assert_eq!(unknown.record.operation, None);
}

#[test]
fn a_credentials_uri_issues_credentials_if_it_is_enabled() {
    let get = local("GET", "/-/credentials", &[]);
    let off = send(&mut service(), &get);
    assert_eq!(outcome(&off), "404 NotFound");
    let mut service = Service::new(&Config::default().with_credentials_uri());
    let handled = send(&mut service, &get);
    assert_eq!(handled.record.to_string(), "GET    -  CredentialsUri  200");
    assert_eq!(handled.record.service, "credentials-uri");
    assert_issues_credentials(&service, &handled, "2026-11-23T09:00:00Z");
    let post = send(&mut service, &local("POST", "/-/credentials", &[]));
    assert_eq!(outcome(&post), "405 MethodNotAllowed");
    service.faults.push(Fault::error_response(200, "Failed").operation("CredentialsUri"));
    assert_eq!(outcome(&send(&mut service, &get)), "200 Failed");
    assert_eq!(outcome(&send(&mut service, &get)), "200");
}
