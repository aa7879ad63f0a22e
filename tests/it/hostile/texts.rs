//! Services that return malicious texts: control characters, text without end, and the credentials that they
//! received or returned, in every place of a response and in every form.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use terraform_provider_oss::oss::credentials::{
    CredentialSource, CredentialsUri, EcsRole, Role, RoleArn, RoleSession, SourceDefaults,
    StsConfig,
};
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Credentials, Endpoint, Error, ErrorKind,
    ListBucketsRequest, Region, RetryPolicy,
};
use tokio::io::AsyncWriteExt as _;

use super::service::server;
use crate::support::KEY_SECRET;

/// A temporary one, because it is used with a token.
const KEY_ID: &str = "STS.NUtestTESTtestTEST0001";
const TOKEN: &str = "CAISrwN1q6Ft5B2yfSjIr5/QJ9nsuKhL9L+fcnTFgVIDQa8V3aXZ1Tz2IHFKf3lvsnAW==";
const SESSION_ID: &str = "STS.NUfakeFAKEfakeFAKE0001";
const SESSION_SECRET: &str = "SessionSecretSessionSecret+/01";
const SESSION_TOKEN: &str = "CAIS8QF1q6Ft5B2yfSjIr4n2Lt3Lo5ZP5/bbW3DbpTQ1fs5Kjvf/jDz2IHlEf3do==";
const METADATA_TOKEN: &str = "AQAAAPx4metadata+token/4567890==";
const URI_KEY: &str = "a-key-in-the-address-of-credentials";

/// Every secret of this file.
const SECRETS: [&str; 8] =
    [KEY_ID, KEY_SECRET, TOKEN, SESSION_ID, SESSION_SECRET, SESSION_TOKEN, METADATA_TOKEN, URI_KEY];

/// The forms in which a server can repeat a secret.
fn forms(secret: &str) -> Vec<String> {
    let percent = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    vec![
        secret.to_owned(),
        percent(secret),
        percent(secret).to_lowercase(),
        percent(&percent(secret)),
        secret.replace('+', "%2B").replace('/', "%2f"),
        secret.replace('/', "\\/"),
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD.encode(format!("user:{secret}")),
    ]
}

/// A text that repeats these secrets in every form, with control characters, and 900 kB long.
fn harmful(secrets: &[&str]) -> String {
    let secrets: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    format!("\u{1b}[2J\u{7}{}\u{202e}{}", secrets.join(" "), "y".repeat(900_000))
}

/// Checks what a person or a log would see.
#[track_caller]
fn assert_harmless(text: &str) {
    assert!(text.len() < 10_000, "{} bytes", text.len());
    let is_harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(is_harmful), "{text:?}");
    for secret in SECRETS {
        for form in forms(secret) {
            let parts = [form.as_str(), form.get(4..form.len() - 4).unwrap()];
            assert!(!parts.iter().any(|part| text.contains(part)), "{form} is in {text}");
        }
    }
}

#[track_caller]
fn assert_harmless_error(error: &Error) {
    assert_harmless(&error.to_string());
    assert_harmless(&format!("{error:?}"));
}

/// A server with a response for each path.
async fn respond_with(response: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let response = std::sync::Arc::new(response);
    let address = server(move |request, mut stream| {
        let response = std::sync::Arc::clone(&response);
        async move {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(response(path).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    format!("http://{address}")
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn client(endpoint: &str, source: CredentialSource) -> Client {
    Client::new(ClientConfig {
        region: Some(Region::parse("cn-hangzhou").unwrap()),
        endpoint: Some(Endpoint::parse(endpoint).unwrap()),
        credentials: Some(source),
        retry: RetryPolicy::default().with_max_retries(0),
        ..ClientConfig::default()
    })
}

fn static_source() -> CredentialSource {
    Credentials::new(KEY_ID, KEY_SECRET).with_security_token(TOKEN).into()
}

fn call() -> CallOptions {
    CallOptions::with_timeout(std::time::Duration::from_mins(1))
}

async fn get(client: &Client) -> Result<(), Error> {
    client.get_bucket_encryption(&BucketName::parse("demo").unwrap(), &call()).await.map(drop)
}

fn xml(text: &str) -> String {
    // Control characters cannot be written as they are.
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    escaped.replace('\u{1b}', "&#x1b;").replace('\u{7}', "&#7;")
}

#[tokio::test]
async fn texts_of_oss_are_harmless() {
    let used = [KEY_ID, KEY_SECRET, TOKEN];
    let text = xml(&harmful(&used));
    let short: String = used.iter().flat_map(|secret| forms(secret)).collect::<Vec<_>>().join(" ");
    let mut responses = Vec::new();
    for element in ["Code", "Message", "RequestId", "EC", "RecommendDoc", "Endpoint", "ServerTime"]
    {
        let body = format!("<Error><{element}>{text}</{element}></Error>");
        responses.push(response("403 Forbidden", "", &body));
    }
    for header in ["x-oss-request-id", "x-oss-ec", "Retry-After", "Date", "Location"] {
        responses.push(response("403 Forbidden", &format!("{header}: {short}\r\n"), "<Error/>"));
        responses.push(response("200 OK", &format!("{header}: {short}\r\n"), "<x/>"));
    }
    let error_header =
        BASE64_STANDARD.encode(format!("<Error><Code>X</Code><Message>{short}</Message></Error>"));
    responses.push(response("403 Forbidden", &format!("x-oss-err: {error_header}\r\n"), ""));
    let id = "x-oss-request-id: 1\r\n";
    for secret in used {
        for form in forms(secret) {
            // Not every form is a name in XML; then the parser rejects it.
            let name = form.replace(['%', '+', '/', '=', '\\'], "-");
            responses.push(response("200 OK", id, &format!("<a{name}>")));
            responses.push(response("200 OK", id, &format!("<{form}/>")));
            responses.push(response("200 OK", id, &format!("<x>&{form};</x>")));
            responses.push(response("200 OK", id, &format!("<x></{form}>")));
        }
    }
    for root in [KEY_ID.to_owned(), KEY_SECRET.to_owned(), "x".repeat(900_000)] {
        responses.push(response("200 OK", id, &format!("<{root}/>")));
    }
    for status in ["200 OK", "502 Bad Gateway", "403 Forbidden", "307 Temporary Redirect"] {
        responses.push(response(status, id, &format!("a proxy says: {}", harmful(&used))));
    }
    for element in ["SSEAlgorithm", "KMSMasterKeyID", "KMSDataEncryption"] {
        for value in [text.as_str(), KEY_ID, TOKEN, "&#x1b;[2J"] {
            let algorithm =
                if element == "SSEAlgorithm" { "" } else { "<SSEAlgorithm>KMS</SSEAlgorithm>" };
            responses.push(response("200 OK", id, &format!(
                "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>{algorithm}<{element}>{value}\
                 </{element}></ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>"
            )));
        }
    }
    assert!(responses.len() > 100);
    for sent in responses {
        let shown: String = sent.chars().take(300).collect();
        let endpoint = respond_with(move |_| sent.clone()).await;
        let error = get(&client(&endpoint, static_source())).await.expect_err(&shown);
        assert_harmless_error(&error);
    }
}

#[tokio::test]
async fn names_of_buckets_are_harmless() {
    let list = |name: &str| {
        let body = format!(
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name></Bucket></Buckets>\
             </ListAllMyBucketsResult>"
        );
        response("200 OK", "x-oss-request-id: 1\r\n", &body)
    };
    for name in [xml(&harmful(&[KEY_ID])), TOKEN.to_owned(), "a&#x1b;".to_owned()] {
        let sent = list(&name);
        let client = client(&respond_with(move |_| sent.clone()).await, static_source());
        let error = client.list_buckets(&ListBucketsRequest::default(), &call()).await.unwrap_err();
        assert_harmless_error(&error);
        assert!(error.to_string().contains("the <Name> in the body"), "{error}");
    }
}

fn session() -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{SESSION_ID}","AccessKeySecret":"{SESSION_SECRET}",
        "SecurityToken":"{SESSION_TOKEN}","Expiration":"2099-01-31T12:00:00Z"}}"#
    )
}

fn assume_role(endpoint: &str, base: CredentialSource) -> CredentialSource {
    CredentialSource::AssumeRole {
        base: Box::new(base),
        role: Role {
            arn: RoleArn::parse("acs:ram::1:role/x").unwrap(),
            session: RoleSession::default(),
        },
        sts: StsConfig { endpoint: Endpoint::parse(endpoint).ok(), ..StsConfig::default() },
    }
}

/// A body of STS with this text in a member.
fn member(name: &str, text: &str) -> String {
    serde_json::json!({ name: text }).to_string()
}

#[tokio::test]
async fn texts_of_sts_are_harmless() {
    for name in ["Code", "Message", "RequestId", "HostId"] {
        let text = harmful(&[KEY_ID, KEY_SECRET, TOKEN]);
        for (status, body) in [
            ("403 Forbidden", member(name, &text)),
            ("403 Forbidden", text.clone()),
            ("200 OK", member(name, &text)),
            ("200 OK", text.clone()),
        ] {
            let sent = response(status, "", &body);
            let endpoint = respond_with(move |_| sent.clone()).await;
            let error =
                get(&client(&endpoint, assume_role(&endpoint, static_source()))).await.unwrap_err();
            assert_harmless_error(&error);
        }
    }
}

/// OSS does not know the caller's own credentials, but who is on the way of both may.
#[tokio::test]
async fn oss_cannot_repeat_credentials_that_sts_received_or_returned() {
    let endpoint = respond_with(|path| {
        if path.contains("Action=") {
            return response("200 OK", "", &format!(r#"{{"Credentials":{}}}"#, session()));
        }
        let text = harmful(&[KEY_ID, KEY_SECRET, TOKEN, SESSION_ID, SESSION_SECRET, SESSION_TOKEN]);
        let body =
            format!("<Error><Code>AccessDenied</Code><Message>{}</Message></Error>", xml(&text));
        response("403 Forbidden", "", &body)
    })
    .await;
    let error = get(&client(&endpoint, assume_role(&endpoint, static_source()))).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert!(error.to_string().contains("[AccessKey ID]"), "{error}");
    assert_harmless_error(&error);
}

#[tokio::test]
async fn texts_of_the_metadata_service_and_of_a_credentials_uri_are_harmless() {
    let last = |secret: &str| {
        [
            response("403 Forbidden", "", &member("Message", &harmful(&[secret]))),
            response("404 Not Found", "", &harmful(&[secret])),
            response("200 OK", "", &session().replace("Success", SESSION_SECRET)),
            response("200 OK", "", &session().replace("Success", "SessionSecretSession")),
            response("200 OK", "", &session().replace("Expiration", "Expired")),
            response("200 OK", "", &session().replace("2099-01-31T12:00:00Z", SESSION_TOKEN)),
        ]
    };
    let respond_last_with = |sent: String| {
        respond_with(move |path| match path {
            "/latest/api/token" => response("200 OK", "", METADATA_TOKEN),
            _ => sent.clone(),
        })
    };
    for sent in last(METADATA_TOKEN) {
        let endpoint = respond_last_with(sent).await;
        let metadata = CredentialsUri::parse(&endpoint);
        let defaults = SourceDefaults { metadata, ..SourceDefaults::default() };
        let name = Some("role".to_owned());
        let instance = CredentialSource::EcsRole(EcsRole { name, defaults });
        assert_harmless_error(&get(&client(&endpoint, instance)).await.unwrap_err());
    }
    for sent in last(URI_KEY) {
        let endpoint = respond_last_with(sent).await;
        let uri = CredentialsUri::parse(&format!("{endpoint}/keys?key={URI_KEY}")).unwrap();
        let source = CredentialSource::CredentialsUri(uri);
        assert_harmless_error(&get(&client(&endpoint, source)).await.unwrap_err());
    }
}

#[tokio::test]
async fn redirects_of_credential_services_are_not_followed() {
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let elsewhere = respond_with(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        response("200 OK", "", &session())
    })
    .await;
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let sent = response(status, &format!("Location: {elsewhere}/\r\n"), "");
        let endpoint = respond_with(move |_| sent.clone()).await;
        let metadata = CredentialsUri::parse(&endpoint);
        let defaults = SourceDefaults { metadata, ..SourceDefaults::default() };
        for source in [
            assume_role(&endpoint, static_source()),
            CredentialSource::EcsRole(EcsRole { name: Some("role".to_owned()), defaults }),
            CredentialSource::CredentialsUri(CredentialsUri::parse(&endpoint).unwrap()),
        ] {
            let error = get(&client(&endpoint, source)).await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::Credentials(_)), "{status}: {error}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn the_output_of_a_program_is_harmless() {
    for command in [
        format!("printf '%s' '{{\"mode\":\"{KEY_SECRET}\\u001b\"}}'"),
        format!("printf '%s' '{{\"mode\":\"AK\",\"access_key_id\":[\"{KEY_SECRET}\"]}}'"),
        format!("printf '%s' '{KEY_SECRET}'"),
        format!("sh -c 'echo {KEY_SECRET} >&2; exit 1'"),
        format!("no-such-program-here {KEY_SECRET}"),
    ] {
        let source = CredentialSource::Process(command.into());
        let error = get(&client("http://127.0.0.1:1", source)).await.unwrap_err();
        assert_harmless_error(&error);
        assert!(matches!(error.kind, terraform_provider_oss::oss::ErrorKind::Credentials(_)));
    }
}
