//! The client against the local OSS emulator, which checks every signature with code of its own.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use oss_emulator::{Config, Emulator, Fault};
use terraform_provider_oss::oss::sign::SignatureVersion;
use terraform_provider_oss::oss::{
    AddressStyle, BucketName, CallOptions, Client, ClientConfig, Credentials, EncryptionRule,
    Endpoint, Error, ErrorKind, ListBucketsRequest, Region, RetryPolicy, SseAlgorithm,
    TransportError,
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[cfg(target_os = "linux")]
use super::support::UnresponsiveListener;
use super::support::{KEY_ID, KEY_SECRET, emulator as start};

fn config(emulator: &Emulator) -> ClientConfig {
    ClientConfig {
        region: Some(Region::parse("cn-hangzhou").unwrap()),
        endpoint: Some(Endpoint::parse(&emulator.url()).unwrap()),
        credentials: Some(Credentials::new(KEY_ID, KEY_SECRET).into()),
        // Retries at once: the waits are tested as a table, without waiting.
        retry: RetryPolicy { initial_backoff: Duration::ZERO, ..RetryPolicy::default() },
        ..ClientConfig::default()
    }
}

fn client(emulator: &Emulator) -> Client {
    Client::new(config(emulator))
}

fn bucket() -> BucketName {
    BucketName::parse("demo").unwrap()
}

fn call() -> CallOptions {
    CallOptions::with_timeout(Duration::from_mins(1))
}

fn kms() -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: SseAlgorithm::Kms,
        kms_master_key_id: Some("9468da86".to_owned()),
        kms_data_encryption: Some("SM4".to_owned()),
    }
}

async fn put(client: &Client) -> Result<(), Error> {
    client.put_bucket_encryption(&bucket(), &kms(), &call()).await.map(drop)
}

async fn get(client: &Client) -> Result<EncryptionRule, Error> {
    client.get_bucket_encryption(&bucket(), &call()).await
}

/// The error response, as `403 AccessDenied`.
fn status_and_code(error: &Error) -> String {
    let service = error.service_error().unwrap_or_else(|| panic!("no error response: {error}"));
    format!("{} {}", service.status, service.code)
}

/// A server with the same response for any request.
async fn respond_with(status: &str, headers: &str, body: &str) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let length = body.len();
    let response = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(response.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    endpoint
}

/// Asks a server of that kind for the rule.
async fn get_from(endpoint: Endpoint) -> Error {
    let emulator = start(&[]);
    let config = ClientConfig { endpoint: Some(endpoint), ..config(&emulator) };
    get(&Client::new(config)).await.unwrap_err()
}

#[tokio::test]
async fn puts_gets_and_deletes_with_both_signatures() {
    for signature_version in [SignatureVersion::V1, SignatureVersion::V4] {
        let emulator = start(&["demo"]);
        let client = Client::new(ClientConfig { signature_version, ..config(&emulator) });
        put(&client).await.unwrap();
        assert_eq!(get(&client).await.unwrap(), kms());
        client.delete_bucket_encryption(&bucket(), &call()).await.unwrap();
        assert!(get(&client).await.unwrap_err().is_not_found());
        client.delete_bucket_encryption(&bucket(), &call()).await.unwrap();
        assert_eq!(emulator.connections(), 1, "connections are reused");
    }
}

#[tokio::test]
async fn signs_temporary_credentials_with_their_token() {
    let emulator = start(&["demo"]);
    emulator.add_credentials(
        oss_emulator::Credentials::new("STS.TEST", "temporary-secret")
            .with_token("the-token", None),
    );
    for signature_version in [SignatureVersion::V1, SignatureVersion::V4] {
        let temporary = Credentials::new("STS.TEST", "temporary-secret");
        let config = ClientConfig { signature_version, ..config(&emulator) };
        let with = |credentials: Credentials| {
            Client::new(ClientConfig { credentials: Some(credentials.into()), ..config.clone() })
        };
        put(&with(temporary.clone().with_security_token("the-token"))).await.unwrap();
        let error = put(&with(temporary.clone().with_security_token("another"))).await.unwrap_err();
        assert_eq!(status_and_code(&error), "403 InvalidSecurityToken");
        // OSS would only say that the ID is unknown.
        let sent = emulator.requests().len();
        let error = put(&with(temporary)).await.unwrap_err();
        assert!(error.to_string().contains("needs its security token"), "{error}");
        let permanent = Credentials::new(KEY_ID, KEY_SECRET).with_security_token("the-token");
        let error = put(&with(permanent)).await.unwrap_err();
        assert!(error.to_string().contains("is permanent"), "{error}");
        assert_eq!(emulator.requests().len(), sent);
    }
}

#[tokio::test]
async fn reaches_a_bucket_at_its_own_domain() {
    let mut options = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    options = options.with_bucket("demo");
    options.custom_domains.insert("localhost".to_owned(), "demo".to_owned());
    let emulator = Emulator::start(options).unwrap();
    let endpoint = Endpoint::parse(&format!("http://localhost:{}", emulator.port())).unwrap();
    let config = ClientConfig {
        endpoint: Some(endpoint),
        address_style: AddressStyle::Cname,
        ..config(&emulator)
    };
    put(&Client::new(config)).await.unwrap();
    assert!(emulator.rule("demo").is_some());
    assert_eq!(emulator.requests()[0].path, "/");
}

#[tokio::test]
async fn a_wrong_key_or_region_is_reported_with_its_code() {
    let emulator = start(&["demo"]);
    let with = |change: fn(&mut ClientConfig)| {
        let mut config = config(&emulator);
        change(&mut config);
        Client::new(config)
    };
    let unknown =
        with(|config| config.credentials = Some(Credentials::new("nobody", KEY_SECRET).into()));
    assert_eq!(status_and_code(&get(&unknown).await.unwrap_err()), "403 InvalidAccessKeyId");
    let wrong = with(|config| config.credentials = Some(Credentials::new(KEY_ID, "wrong").into()));
    assert_eq!(status_and_code(&get(&wrong).await.unwrap_err()), "403 SignatureDoesNotMatch");
    let elsewhere = with(|config| config.region = Some(Region::parse("cn-shanghai").unwrap()));
    assert_eq!(status_and_code(&get(&elsewhere).await.unwrap_err()), "400 InvalidArgument");
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once_and_stays_corrected() {
    for seconds in [3600, -86_400] {
        let emulator = start(&["demo"]);
        emulator.set_clock_offset(seconds);
        let client = client(&emulator);
        put(&client).await.unwrap();
        let statuses = |emulator: &Emulator| -> Vec<u16> {
            emulator.requests().iter().map(|exchange| exchange.status).collect()
        };
        assert_eq!(statuses(&emulator), [403, 200]);
        put(&client).await.unwrap();
        assert_eq!(statuses(&emulator), [403, 200, 200]);
    }
}

#[tokio::test]
async fn a_clock_that_cannot_be_corrected_reports_by_how_much_it_is_off() {
    let emulator = start(&["demo"]);
    emulator.set_clock_offset(7200);
    emulator.inject(Fault::error_response(403, "RequestTimeTooSkewed").forever());
    let error = get(&client(&emulator)).await.unwrap_err();
    assert_eq!(status_and_code(&error), "403 RequestTimeTooSkewed");
    assert_eq!(emulator.requests().len(), 2);
    let skew = error.clock_skew_seconds.unwrap();
    assert!((7190..=7210).contains(&skew), "{skew}");
}

#[tokio::test]
async fn buckets_are_listed_page_by_page() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let config =
        ["app-a", "app-c", "other"].iter().fold(config, |config, name| config.with_bucket(name));
    let emulator = Emulator::start(config.with_bucket_in("app-b", "cn-beijing")).unwrap();
    for signature_version in [SignatureVersion::V1, SignatureVersion::V4] {
        let client = Client::new(ClientConfig { signature_version, ..self::config(&emulator) });
        let mut list = ListBucketsRequest {
            prefix: "app-".to_owned(),
            max_keys: Some(2),
            ..ListBucketsRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = client.list_buckets(&list, &call()).await.unwrap();
            assert!(page.buckets.len() <= 2);
            found.extend(
                page.buckets
                    .into_iter()
                    .map(|bucket| format!("{} {}", bucket.name, bucket.region.unwrap())),
            );
            list.marker = page.next_marker;
            if list.marker.is_none() {
                break;
            }
        }
        assert_eq!(found, ["app-a cn-hangzhou", "app-b cn-beijing", "app-c cn-hangzhou"]);
        let all = client.list_buckets(&ListBucketsRequest::default(), &call()).await.unwrap();
        assert_eq!((all.buckets.len(), all.next_marker), (4, None));
    }
    assert_eq!(emulator.requests().len(), 6);

    let cname = ClientConfig { address_style: AddressStyle::Cname, ..self::config(&emulator) };
    let error =
        Client::new(cname).list_buckets(&ListBucketsRequest::default(), &call()).await.unwrap_err();
    assert!(error.to_string().starts_with("ListBuckets failed: "), "{error}");
    assert_eq!(emulator.requests().len(), 6, "nothing is sent");
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let faults: [fn() -> Fault; 9] = [
        || Fault::error_response(408, "RequestTimeout"),
        || Fault::error_response(400, "RequestTimeout"),
        || Fault::error_response(400, "BadRequest"),
        || Fault::error_response(500, "InternalError"),
        || Fault::error_response(503, "MetaOperationQpsLimitExceeded"),
        || Fault::error_response(429, "Throttling"),
        Fault::reset_before,
        Fault::reset_after,
        Fault::truncate_body,
    ];
    for fault in faults {
        let emulator = start(&["demo"]);
        let client = client(&emulator);
        put(&client).await.unwrap();
        emulator.clear_requests();
        emulator.inject(fault().times(3));
        assert_eq!(get(&client).await.unwrap(), kms(), "{:?}", fault());
        assert_eq!(emulator.requests().len(), 4, "{:?}", fault());
    }
}

#[tokio::test]
async fn client_errors_are_not_retried() {
    for (status, code) in [
        (400, "InvalidArgument"),
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
        (409, "Conflict"),
        (301, "PermanentRedirect"),
    ] {
        let emulator = start(&["demo"]);
        emulator.inject(Fault::error_response(status, code));
        let error = get(&client(&emulator)).await.unwrap_err();
        assert_eq!(status_and_code(&error), format!("{status} {code}"));
        assert_eq!((error.attempts, emulator.requests().len()), (1, 1));
        assert!(!error.may_have_taken_effect);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = start(&["demo"]);
    let location = format!("Location: {}/demo/?encryption\r\n", elsewhere.url());
    let endpoint = respond_with("307 Temporary Redirect", &location, "").await;
    let config = ClientConfig { endpoint: Some(endpoint), ..config(&elsewhere) };
    let error = get(&Client::new(config)).await.unwrap_err();
    assert_eq!(status_and_code(&error), "307 BadErrorResponse");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_error_without_a_body_is_read_from_its_header() {
    let body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let encoded = BASE64_STANDARD.encode(body);
    let headers = format!("x-oss-err: {encoded}\r\nx-oss-request-id: R1\r\nx-oss-ec: 0003-1\r\n");
    let error = get_from(respond_with("403 Forbidden", &headers, "").await).await;
    assert_eq!(status_and_code(&error), "403 AccessDenied");
    let service = error.service_error().unwrap();
    assert_eq!((service.message.as_str(), service.request_id.as_deref()), ("no", Some("R1")));
    assert_eq!(service.ec.as_deref(), Some("0003-1"));

    let error = get_from(respond_with("403 Forbidden", "x-oss-request-id: R2\r\n", "").await).await;
    assert_eq!(status_and_code(&error), "403 BadErrorResponse");
    assert_eq!(error.service_error().unwrap().request_id.as_deref(), Some("R2"));
}

#[tokio::test]
async fn a_bucket_in_another_region_is_reported_with_its_endpoint() {
    let body = "<Error><Code>AccessDenied</Code><Message>wrong endpoint</Message>
        <Bucket>demo</Bucket><Endpoint>oss-cn-shanghai.aliyuncs.com</Endpoint></Error>";
    let error = get_from(respond_with("403 Forbidden", "", body).await).await;
    let endpoint = error.service_error().unwrap().endpoint.as_deref();
    assert_eq!(endpoint, Some("oss-cn-shanghai.aliyuncs.com"));
}

#[tokio::test]
async fn document_types_are_rejected() {
    let laughs = "<!DOCTYPE Error [<!ENTITY l \"ha\">]>";
    let body = format!("{laughs}<Error><Code>&l;</Code></Error>");
    let error = get_from(respond_with("403 Forbidden", "", &body).await).await;
    assert_eq!(status_and_code(&error), "403 BadErrorResponse");
    let body = format!("{laughs}<ServerSideEncryptionRule/>");
    let error = get_from(respond_with("200 OK", "x-oss-request-id: R\r\n", &body).await).await;
    let ErrorKind::UnexpectedResponse(reason) = &error.kind else { panic!("{error}") };
    assert!(reason.contains("document type definition"), "{reason}");
}

#[tokio::test]
async fn a_wait_ends_at_once_when_the_call_is_cancelled() {
    let (sent, mut is_sent) = tokio::sync::mpsc::unbounded_channel();
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket("demo");
    let emulator = Emulator::start(config.with_observer(move |_| sent.send(()).unwrap())).unwrap();
    // Longer than any test would wait, and within the limits of the policy and of the call.
    emulator.inject(Fault::error_response(503, "ServiceUnavailable").retry_after(59).forever());
    let call = call();
    let cancel = async {
        is_sent.recv().await.unwrap();
        call.cancellation.cancel();
    };
    let client = client(&emulator);
    let bucket = bucket();
    let (outcome, ()) = tokio::join!(client.get_bucket_encryption(&bucket, &call), cancel);
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Cancelled);
    assert_eq!(emulator.requests().len(), 1);
}

#[tokio::test]
async fn attempts_are_counted_and_end() {
    let emulator = start(&["demo"]);
    emulator.inject(Fault::error_response(500, "InternalError").forever());
    let error = put(&client(&emulator)).await.unwrap_err();
    assert_eq!(status_and_code(&error), "500 InternalError");
    assert_eq!((error.attempts, emulator.requests().len()), (12, 12));
    assert!(error.may_have_taken_effect, "a 500 says nothing about the change");
}

#[tokio::test]
async fn a_failed_connection_has_a_known_outcome() {
    let gone = start(&[]);
    let config = config(&gone);
    drop(gone);
    let error = put(&Client::new(config)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::Connect(_))), "{error}");
    assert!(!error.may_have_taken_effect);
}

#[tokio::test]
async fn an_endpoint_without_tls_is_not_retried() {
    let emulator = start(&["demo"]);
    let endpoint = Endpoint::parse(&emulator.url().replace("http://", "https://")).unwrap();
    let config = ClientConfig { endpoint: Some(endpoint), ..config(&emulator) };
    let error = put(&Client::new(config)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::Tls(_))), "{error}");
    assert_eq!(error.attempts, 1);
}

#[tokio::test]
async fn untrusted_certificates_are_rejected() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket("demo");
    let emulator = Emulator::start(config.with_tls()).unwrap();
    let error = put(&client(&emulator)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::Tls(_))), "{error}");
    assert_eq!(error.attempts, 1);
    assert!(!error.may_have_taken_effect);
    assert!(emulator.requests().is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connect_timeout_has_a_known_outcome() {
    let deaf = UnresponsiveListener::start().await;
    let emulator = start(&[]);
    let config = ClientConfig {
        endpoint: Some(Endpoint::parse(&format!("http://{}", deaf.address)).unwrap()),
        connect_timeout: Duration::from_millis(50),
        ..config(&emulator)
    };
    let error = put(&Client::new(config)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::Connect(_))), "{error}");
    assert!(!error.may_have_taken_effect);
    assert_eq!(error.attempts, 6);
}

#[tokio::test]
async fn a_request_that_waits_for_a_connection_has_not_taken_effect() {
    let emulator = start(&["demo"]);
    // The operating system accepts connections, but there is no response to the TLS hello.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}", silent.local_addr().unwrap());
    emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    for (endpoint, may_have_taken_effect) in [(silent, false), (emulator.url(), true)] {
        let endpoint = Some(Endpoint::parse(&endpoint).unwrap());
        let client = Client::new(ClientConfig { endpoint, ..config(&emulator) });
        let (bucket, options) =
            (bucket(), || CallOptions::with_timeout(Duration::from_millis(300)));
        for error in [
            client.put_bucket_encryption(&bucket, &kms(), &options()).await.unwrap_err(),
            client.delete_bucket_encryption(&bucket, &options()).await.unwrap_err(),
        ] {
            assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
            assert_eq!(error.may_have_taken_effect, may_have_taken_effect, "{error}");
        }
    }
}

#[tokio::test]
async fn a_read_timeout_has_an_unknown_outcome() {
    let emulator = start(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    let config = ClientConfig {
        read_timeout: Duration::from_millis(20),
        retry: RetryPolicy {
            max_attempts: 2,
            initial_backoff: Duration::ZERO,
            ..RetryPolicy::default()
        },
        ..config(&emulator)
    };
    let error = put(&Client::new(config)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::Timeout(_))), "{error}");
    assert_eq!(error.attempts, 2);
    assert!(error.may_have_taken_effect);
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_waits_for_a_response() {
    let emulator = start(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)));
    let call = CallOptions::with_timeout(Duration::from_millis(50));
    let client = client(&emulator);
    let error = client.put_bucket_encryption(&bucket(), &kms(), &call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded { last: None });
    assert!(error.may_have_taken_effect);
}

#[tokio::test]
async fn the_deadline_ends_everything_and_reports_the_last_failure() {
    let emulator = start(&["demo"]);
    let unavailable = || Fault::error_response(503, "ServiceUnavailable");
    for fault in [
        unavailable().retry_after(3600),
        unavailable().retry_after(u64::MAX),
        unavailable().retry_after_text("Fri, 31 Dec 2100 23:59:59 GMT"),
    ] {
        emulator.inject(fault);
        let error = get(&client(&emulator)).await.unwrap_err();
        let ErrorKind::DeadlineExceeded { last: Some(_) } = &error.kind else { panic!("{error}") };
        assert_eq!(status_and_code(&error), "503 ServiceUnavailable");
        assert_eq!(error.attempts, 1, "the wait that was sent for is beyond the deadline");
    }
}

#[tokio::test]
async fn a_cancelled_call_is_not_sent() {
    let emulator = start(&["demo"]);
    let call = call();
    call.cancellation.cancel();
    let client = client(&emulator);
    let error = client.put_bucket_encryption(&bucket(), &kms(), &call).await.unwrap_err();
    assert_eq!((error.kind, error.attempts), (ErrorKind::Cancelled, 0));
    assert!(!error.may_have_taken_effect);
    assert!(emulator.requests().is_empty());
}

#[tokio::test]
async fn a_response_that_is_not_from_oss_is_reported() {
    let emulator = start(&["demo"]);
    let client = client(&emulator);
    emulator.inject(Fault::raw_response("text/html", "<html>Please log in</html>"));
    let error = get(&client).await.unwrap_err();
    let ErrorKind::UnexpectedResponse(reason) = &error.kind else { panic!("{error}") };
    assert!(reason.contains("status 200 has no x-oss-request-id"), "{reason}");

    put(&client).await.unwrap();
    emulator
        .inject(Fault::raw_response("text/html", "<html>Please log in</html>").method("DELETE"));
    let error = client.delete_bucket_encryption(&bucket(), &call()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::UnexpectedResponse(_)), "{error}");
    assert!(emulator.rule("demo").is_some(), "a page is no deletion");

    emulator.inject(Fault::raw_response("text/html", "x".repeat(2 * 1024 * 1024)));
    let error = get(&client).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::BodyTooLarge(_))), "{error}");
}

#[tokio::test]
async fn a_key_that_cannot_be_a_header_is_an_error_that_hides_it() {
    let emulator = start(&["demo"]);
    let credentials = Credentials::new("id", "secret").with_security_token("line\nbreak");
    let config = ClientConfig { credentials: Some(credentials.into()), ..config(&emulator) };
    let error = get(&Client::new(config)).await.unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Transport(TransportError::InvalidRequest(_))),
        "{error}"
    );
    assert!(!error.to_string().contains("break"), "{error}");
}

#[tokio::test]
async fn the_configuration_shows_no_secret() {
    let emulator = start(&[]);
    let shown = format!("{:?}", client(&emulator));
    assert!(shown.contains("cn-hangzhou"), "{shown}");
    assert!(!shown.contains(KEY_SECRET), "{shown}");
}

#[tokio::test]
async fn an_unknown_outcome_stays_unknown() {
    let emulator = start(&["demo"]);
    emulator.inject(Fault::error_response(500, "InternalError"));
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let error = put(&client(&emulator)).await.unwrap_err();
    assert_eq!(status_and_code(&error), "403 AccessDenied");
    assert!(error.may_have_taken_effect, "the first attempt may have been carried out");
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    assert!(!put(&client(&emulator)).await.unwrap_err().may_have_taken_effect);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let emulator = start(&["demo"]);
    let client = client(&emulator);
    let error = client
        .delete_bucket_encryption(&bucket(), &CallOptions::with_timeout(Duration::ZERO))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded { last: None });
    assert!(!error.may_have_taken_effect);
    assert!(emulator.requests().is_empty());
    // And no limit is too long.
    client
        .delete_bucket_encryption(&bucket(), &CallOptions::with_timeout(Duration::MAX))
        .await
        .unwrap();
}
