//! Responses of a malicious service, or of an attacker in its place: an error each, in bounded time and memory,
//! and no credential goes anywhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Credentials, Endpoint, Error, ErrorKind, Region,
    RetryPolicy, TransportError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{KEY_ID, KEY_SECRET};

/// What every response of OSS has, up to the length of its body.
const HEAD: &str = "HTTP/1.1 200 OK\r\nx-oss-request-id: ID\r\nContent-Type: application/xml\r\n";

/// A server that does this with each connection, after it has read the request; and its address.
pub(crate) async fn server<F>(
    behave: impl Fn(String, TcpStream) -> F + Send + Sync + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            if read > 0 {
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                tokio::spawn(behave(request, stream));
            }
        }
    });
    address
}

/// A server whose only response is this.
async fn respond_with(response: String) -> String {
    server(move |_, mut stream| {
        let response = response.clone();
        async move {
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// A server that begins like this and then repeats that until nobody listens; and how many bytes were
/// taken.
async fn endless(
    start: String,
    repeated: &'static [u8],
    pause: Duration,
) -> (String, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let address = server(move |_, mut stream| {
        let (start, counted) = (start.clone(), Arc::clone(&counted));
        async move {
            let _ = stream.write_all(start.as_bytes()).await;
            while stream.write_all(repeated).await.is_ok() {
                counted.fetch_add(repeated.len(), Ordering::SeqCst);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
        }
    })
    .await;
    (address, taken)
}

/// Reads the rule from there, once.
async fn get(address: &str, limit: Duration) -> Error {
    let client = Client::new(ClientConfig {
        region: Some(Region::parse("cn-hangzhou").unwrap()),
        endpoint: Some(Endpoint::parse(&format!("http://{address}")).unwrap()),
        credentials: Some(Credentials::new(KEY_ID, KEY_SECRET).into()),
        retry: RetryPolicy::default().with_max_retries(0),
        ..ClientConfig::default()
    });
    let bucket = BucketName::parse("demo").unwrap();
    client.get_bucket_encryption(&bucket, &CallOptions::with_timeout(limit)).await.unwrap_err()
}

const LONG: Duration = Duration::from_mins(1);

/// A response of OSS with this body.
pub(crate) fn with_body(body: &str) -> String {
    format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn entities_are_never_expanded() {
    let laughs: Vec<String> = (1..10)
        .map(|number| {
            format!("<!ENTITY l{number} \"{}\">", format!("&l{};", number - 1).repeat(10))
        })
        .collect();
    let laughs = laughs.concat();
    for body in [
        format!(
            "<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><ServerSideEncryptionRule>&l9;</ServerSideEncryptionRule>"
        ),
        "<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/x\"><ServerSideEncryptionRule/>".to_owned(),
        "<ServerSideEncryptionRule>&l9;</ServerSideEncryptionRule>".to_owned(),
        "<a>".repeat(100_000),
    ] {
        let error = get(&respond_with(with_body(&body)).await, LONG).await;
        assert!(matches!(error.kind, ErrorKind::UnexpectedResponse(_)), "{error}");
    }
}

#[tokio::test]
async fn bodies_and_headers_without_end_are_not_read_to_their_end() {
    static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
    const MEGABYTES: usize = 1024 * 1024;
    let start = format!("{HEAD}Content-Length: 10737418240\r\n\r\n");
    let (address, taken) = endless(start, &CHUNK, Duration::ZERO).await;
    let error = get(&address, LONG).await;
    assert!(matches!(error.kind, ErrorKind::Transport(TransportError::BodyTooLarge(_))), "{error}");
    let body = taken.load(Ordering::SeqCst);
    let (address, taken) =
        endless(HEAD.to_owned(), b"x-oss-meta-more: and more\r\n", Duration::ZERO).await;
    let error = get(&address, LONG).await;
    assert!(matches!(error.kind, ErrorKind::Transport(_)), "{error}");
    let headers = taken.load(Ordering::SeqCst);
    // What stands in the buffers of the system counts as well.
    assert!(body < 20 * MEGABYTES && headers < 20 * MEGABYTES, "{body} {headers}");
}

#[tokio::test]
async fn a_slow_response_ends_at_the_deadline() {
    let start = format!("{HEAD}Content-Length: 1000000\r\n\r\n");
    for start in [start, HEAD.to_owned()] {
        let (address, _) = endless(start, b"x", Duration::from_millis(10)).await;
        let error = get(&address, Duration::from_millis(300)).await;
        assert!(matches!(error.kind, ErrorKind::DeadlineExceeded { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_length_that_is_wrong_is_an_error() {
    let rule = "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                </SSEAlgorithm></ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";
    for length in ["99999".to_owned(), "10".to_owned(), "-1".to_owned(), "1, 2".to_owned()] {
        let error =
            get(&respond_with(format!("{HEAD}Content-Length: {length}\r\n\r\n{rule}")).await, LONG)
                .await;
        assert!(
            matches!(error.kind, ErrorKind::Transport(_) | ErrorKind::UnexpectedResponse(_)),
            "{length}: {error}"
        );
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let elsewhere = server(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    })
    .await;
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        for target in
            [format!("http://{elsewhere}/"), "http://100.100.100.200/latest/meta-data/".to_owned()]
        {
            let response =
                format!("HTTP/1.1 {status}\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
            let error = get(&respond_with(response).await, LONG).await;
            let service = error.service_error().unwrap_or_else(|| panic!("{error}"));
            assert_eq!(service.status.to_string(), status[..3]);
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the signed request goes nowhere else");
}
