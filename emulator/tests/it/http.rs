//! The emulator over real sockets, without the provider's client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oss_emulator::{Config, Emulator, EncryptionRule, Fault, MetadataMode};
use reqwest::{Certificate, Method, RequestBuilder, Response};
use serde_json::Value;

use super::support::{Key, PROVIDER, ROLE, http, start};

fn assume_role_with_oidc(
    http: &reqwest::Client,
    emulator: &Emulator,
    token: &str,
) -> RequestBuilder {
    let url =
        format!("{}/?Action=AssumeRoleWithOIDC&Format=JSON&Version=2015-04-01", emulator.url());
    let body =
        format!("RoleArn={ROLE}&RoleSessionName=ci&OIDCProviderArn={PROVIDER}&OIDCToken={token}");
    http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn assumed_role_credentials_work_until_the_session_expires() {
    let (emulator, http) = (start(Config::default()), http());
    let response = Key::permanent().assume_role(&http, &emulator, "1").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("date"));
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("x-oss-")));
    let session = Key::of(&json(response).await["Credentials"]);
    let no_rule = "404 NoSuchServerSideEncryptionRule";
    assert_eq!(session.get_rule(&http, &emulator).await, no_rule);

    // Role chaining: the second session is expired too.
    let response = session.assume_role(&http, &emulator, "2").send().await.unwrap();
    let chained = Key::of(&json(response).await["Credentials"]);
    assert_eq!(chained.get_rule(&http, &emulator).await, no_rule);

    emulator.expire_sessions();
    assert_eq!(chained.get_rule(&http, &emulator).await, "403 SecurityTokenExpired");
    let response = session.assume_role(&http, &emulator, "3").send().await.unwrap();
    assert_eq!(json(response).await["Code"], "InvalidSecurityToken.Expired");
    assert_eq!(Key::permanent().get_rule(&http, &emulator).await, no_rule);

    let requests = emulator.requests();
    assert_eq!(requests[0].issued_access_key_id, requests[1].access_key_id);
    let services: Vec<&str> = requests.iter().map(|record| record.service).collect();
    assert_eq!(services, ["sts", "oss", "sts", "oss", "oss", "sts", "oss"]);
}

#[tokio::test]
async fn tokens_rotate_and_session_durations_are_overridden() {
    let (emulator, http) = (start(Config::default()), http());
    let assume = async |token| {
        let response = assume_role_with_oidc(&http, &emulator, token).send().await.unwrap();
        json(response).await
    };
    emulator.set_session_seconds(Some(0));
    let session = Key::of(&assume("the-oidc-token").await["Credentials"]);
    assert_eq!(session.get_rule(&http, &emulator).await, "403 SecurityTokenExpired");
    emulator.set_session_seconds(None);
    let session = Key::of(&assume("the-oidc-token").await["Credentials"]);
    assert_eq!(session.get_rule(&http, &emulator).await, "404 NoSuchServerSideEncryptionRule");

    emulator.set_oidc_token(PROVIDER, "the-next-token");
    assert_eq!(assume("the-oidc-token").await["Code"], "AuthenticationFail.OIDCToken.Expired");
    assert!(assume("the-next-token").await["Credentials"].is_object());
}

#[tokio::test]
async fn a_request_for_credentials_is_throttled() {
    let (emulator, http) = (start(Config::default()), http());
    emulator.inject(
        Fault::error_response(429, "Throttling.User")
            .operation("AssumeRoleWithOIDC")
            .retry_after_text("Wed, 28 Dec 2022 10:27:41 GMT"),
    );
    let call = || assume_role_with_oidc(&http, &emulator, "the-oidc-token").send();
    let response = call().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "Wed, 28 Dec 2022 10:27:41 GMT");
    assert_eq!(json(response).await["Code"], "Throttling.User");
    assert_eq!(call().await.unwrap().status(), 200);
}

#[tokio::test]
async fn metadata_service_and_credentials_uri_issue_valid_credentials() {
    let config = Config::default().with_ecs_role("the-role").with_credentials_uri();
    let emulator = start(config.with_metadata_mode(MetadataMode::V2Required));
    let http = http();
    let base = format!("{}/latest", emulator.metadata_url());
    let ttl = "X-aliyun-ecs-metadata-token-ttl-seconds";
    let token = http.put(format!("{base}/api/token")).header(ttl, "21600").send().await.unwrap();
    assert_eq!((token.status().as_u16(), token.headers().contains_key("date")), (200, true));
    let token = token.text().await.unwrap();
    let roles = format!("{base}/meta-data/ram/security-credentials/");
    let get = async |url: String| {
        let request = http.get(url).header("X-aliyun-ecs-metadata-token", &token);
        request.send().await.unwrap()
    };
    let role = get(roles.clone()).await.text().await.unwrap();
    assert_eq!(role, "the-role");
    let session = Key::of(&json(get(format!("{roles}{role}")).await).await);
    assert_eq!(session.get_rule(&http, &emulator).await, "404 NoSuchServerSideEncryptionRule");
    assert_eq!(http.get(roles).send().await.unwrap().status(), 403, "not without the token");

    let session = Key::of(&json(get(emulator.credentials_uri()).await).await);
    assert_eq!(session.get_rule(&http, &emulator).await, "404 NoSuchServerSideEncryptionRule");
    emulator.expire_sessions();
    assert_eq!(session.get_rule(&http, &emulator).await, "403 SecurityTokenExpired");
}

/// A client that only trusts this emulator.
fn https(emulator: &Emulator) -> reqwest::Client {
    let pem = emulator.certificate_pem().unwrap();
    let certificate = Certificate::from_pem(pem.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap()
}

#[tokio::test]
async fn every_service_is_available_over_tls() {
    let emulator = start(Config::default().with_tls().with_credentials_uri());
    assert!(emulator.url().starts_with("https://127.0.0.1:"), "{}", emulator.url());
    let http = https(&emulator);
    let no_rule = "404 NoSuchServerSideEncryptionRule";
    assert_eq!(Key::permanent().get_rule(&http, &emulator).await, no_rule);
    let response = Key::permanent().assume_role(&http, &emulator, "1").send().await.unwrap();
    assert_eq!(response.version(), reqwest::Version::HTTP_11);
    let session = Key::of(&json(response).await["Credentials"]);
    assert_eq!(session.get_rule(&http, &emulator).await, no_rule);
    assert_eq!(emulator.connections(), 1, "connections are reused");

    let by_name = format!("https://localhost:{}/-/credentials", emulator.port());
    assert_eq!(http.get(by_name).send().await.unwrap().status(), 200);
    let another = start(Config::default().with_tls());
    let url = emulator.credentials_uri();
    assert!(https(&another).get(&url).send().await.unwrap_err().is_connect(), "not trusted");
    assert_eq!(http.get(url).send().await.unwrap().status(), 200, "it keeps serving");
}

#[tokio::test]
async fn tls_connections_are_reset_and_truncated_too() {
    let emulator = start(Config::default().with_tls().with_credentials_uri());
    let http = https(&emulator);
    let get = || http.get(emulator.credentials_uri()).send();
    emulator.inject(Fault::reset_before().operation("CredentialsUri"));
    assert!(get().await.is_err());
    emulator.inject(Fault::truncate_body().operation("CredentialsUri"));
    let response = get().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    let statuses: Vec<u16> = emulator.requests().iter().map(|record| record.status).collect();
    assert_eq!(statuses, [0, 200]);
}

#[test]
fn plain_http_to_a_tls_port_gets_an_alert() {
    let emulator = start(Config::default().with_tls());
    let mut stream = TcpStream::connect(("127.0.0.1", emulator.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    // A TLS alert is 7 bytes long.
    assert_eq!((response.first(), response.len()), (Some(&21), 7));
    assert!(emulator.requests().is_empty());
}

#[test]
fn without_tls_there_is_no_certificate() {
    let emulator = start(Config::default());
    assert_eq!(emulator.certificate_pem(), None);
    assert!(emulator.url().starts_with("http://127.0.0.1:"), "{}", emulator.url());
}

// ---- the control path ------------------------------------------------------------------------

#[tokio::test]
async fn the_emulator_is_controlled_over_http() {
    let emulator = start(Config::default());
    let http = http();
    let control = async |method: Method, path: &str, body: &str| {
        let url = format!("{}/-/{path}", emulator.url());
        let response = http.request(method, url).body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    let key = Key::permanent();
    let fault =
        r#"{"action": "error_response", "status": 503, "code": "ServiceUnavailable", "times": 9}"#;
    assert_eq!(control(Method::POST, "faults", fault).await.0, 204);
    assert_eq!(key.get_rule(&http, &emulator).await, "503 ServiceUnavailable");
    assert_eq!(control(Method::DELETE, "faults", "").await.0, 204);
    let missing = "404 NoSuchServerSideEncryptionRule";
    assert_eq!(key.get_rule(&http, &emulator).await, missing);

    let clock = |seconds: i64| format!("{{\"offset_seconds\": {seconds}}}");
    assert_eq!(control(Method::PUT, "clock", &clock(3600)).await.0, 204);
    assert_eq!(key.get_rule(&http, &emulator).await, "403 RequestTimeTooSkewed");
    assert_eq!(control(Method::PUT, "clock", &clock(0)).await.0, 204);

    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let url = format!("{}/demo/a%20b/%C3%BC", emulator.url());
    let uploaded = key.send(&http, Method::PUT, &url, "/demo/a b/ü", "some content").await;
    assert_eq!(uploaded, "200 ");
    let (status, stored) = control(Method::GET, "objects/demo/a%20b/%C3%BC", "").await;
    assert_eq!((status, Some(stored.to_vec())), (200, emulator.stored_object("demo", "a b/ü")));
    assert_eq!(control(Method::POST, "master-keys/rotate", "").await.0, 204);
    assert_eq!(control(Method::POST, "sessions/expire", "").await.0, 204);

    for (method, path, body, status, expected) in [
        (Method::POST, "faults", "{", 400, "EOF while parsing"),
        (Method::POST, "faults", r#"{"action": "explode"}"#, 400, "unknown action"),
        (Method::PUT, "clock", "{}", 400, "missing field `offset_seconds`"),
        (Method::GET, "clock", "", 404, "unknown control request"),
        (Method::GET, "objects/demo/none", "", 404, "The specified key does not exist."),
    ] {
        let (found, text) = control(method, path, body).await;
        let error: Value = serde_json::from_slice(&text).unwrap();
        let error = error["error"].as_str().unwrap();
        assert!(found == status && error.contains(expected), "{path}: {found} {error}");
    }
}

#[tokio::test]
async fn sessions_expire_on_request() {
    let emulator = start(Config::default().with_credentials_uri());
    let http = http();
    let keys = json(http.get(emulator.credentials_uri()).send().await.unwrap()).await;
    let key = Key::of(&keys);
    assert_eq!(key.get_rule(&http, &emulator).await, "404 NoSuchServerSideEncryptionRule");
    let url = format!("{}/-/sessions/expire", emulator.url());
    assert_eq!(http.post(url).send().await.unwrap().status(), 204);
    assert_eq!(key.get_rule(&http, &emulator).await, "403 SecurityTokenExpired");
}

#[tokio::test]
async fn an_error_without_a_body_is_in_a_header() {
    let emulator = start(Config::default());
    let response = http().head(format!("{}/demo/none", emulator.url())).send().await.unwrap();
    assert_eq!(response.status(), 403);
    let header = response.headers()["x-oss-err"].to_str().unwrap();
    let error = String::from_utf8(STANDARD.decode(header).unwrap()).unwrap();
    assert!(error.contains("<Code>AccessDenied</Code>"), "{error}");
}
