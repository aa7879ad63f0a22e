//! Clients that connect to the socket, and what they send.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use tonic::Code;
use tonic_health::ServingStatus;

use super::{
    Address, Client, End, Plugin, Start, Stream, assert_served, channel, channel_to, handshake,
    health, names, pem, plaintext, shut_down, within,
};

#[tokio::test]
async fn the_host_is_served_until_it_requests_a_shutdown() {
    for (version, negotiated) in
        [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)]
    {
        let client = Client::new();
        let plugin = Start::by_host_with(&client).serve().await;
        let stream = client.handshake(&plugin, version).await;
        let (_, connection) = stream.get_ref();
        assert_eq!(connection.protocol_version(), Some(negotiated));
        assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));

        let channel = channel(stream).await.unwrap();
        assert_served(&channel).await;
        assert_eq!(health(&channel, "").await.unwrap(), ServingStatus::Serving as i32);
        let unknown = health(&channel, "other").await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);

        let mut provider = ProviderClient::new(channel.clone());
        let request = pb::get_provider_schema::Request::default();
        let schema = within(provider.get_provider_schema(request)).await.unwrap().into_inner();
        assert!(schema.resource_schemas.contains_key("oss_bucket_encryption"));

        shut_down(&channel).await;
        plugin.end().await.assert_clean();
    }
}

/// Whether a client is served, which may have failed in the handshake already. With TLS 1.3, a client learns
/// only after the handshake that it was rejected.
async fn is_served(stream: std::io::Result<TlsStream<Box<dyn Stream>>>) -> bool {
    let Ok(stream) = stream else { return false };
    let Ok(channel) = channel(stream).await else { return false };
    health(&channel, "plugin").await.is_ok()
}

#[tokio::test]
async fn other_clients_are_rejected_and_do_not_disturb_the_host() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).with("TF_LOG_PROVIDER", "warn").serve().await;
    // The right certificate without its key.
    let thief = Client { certificate: client.certificate.clone(), ..Client::new() };
    for version in [&TLS13, &TLS12] {
        assert!(!is_served(handshake(&plugin, version, Some(&Client::new())).await).await);
        assert!(!is_served(handshake(&plugin, version, None).await).await);
        assert!(!is_served(handshake_with_stolen(&plugin, version, &thief).await).await);
    }
    if let Ok(channel) = channel(plugin.address().connect().await).await {
        assert!(health(&channel, "plugin").await.is_err(), "without TLS");
    }

    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    let end = plugin.end().await;
    end.assert_clean();
    // The log is the only place with the cause of a failed handshake.
    assert!(end.stderr.lines().count() >= 7, "{}", end.stderr);
    for line in end.stderr.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        assert_eq!(entry["@level"], "warn", "{line}");
        assert!(entry["@message"].is_string() && entry["@timestamp"].is_string(), "{line}");
    }
}

/// A handshake with a certificate and another key, which needs a custom resolver in rustls.
async fn handshake_with_stolen(
    plugin: &Plugin,
    version: &'static SupportedProtocolVersion,
    thief: &Client,
) -> std::io::Result<TlsStream<Box<dyn Stream>>> {
    use tokio_rustls::rustls::SignatureScheme;
    use tokio_rustls::rustls::client::ResolvesClientCert;
    use tokio_rustls::rustls::sign::CertifiedKey;

    #[derive(Debug)]
    struct Fixed(Arc<CertifiedKey>);

    impl ResolvesClientCert for Fixed {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    let key = PrivateKeyDer::Pkcs8(thief.key.serialize_der().into());
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let shown = CertifiedKey::new(vec![thief.certificate.clone()], key);
    let mut roots = RootCertStore::empty();
    roots.add(plugin.certificate()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Fixed(Arc::new(shown))));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = plugin.address().connect().await;
    let localhost = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(localhost, stream)).await
}

#[tokio::test]
async fn invalid_connections_do_not_disturb_the_host() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let address = plugin.address();
    drop(address.connect().await);
    let mut garbage = address.connect().await;
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // Clients that send nothing but stay connected.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(address.connect().await);
    }

    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
    drop((garbage, silent));
}

#[tokio::test]
async fn incomplete_handshakes_time_out() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    // The header of a TLS handshake record of 512 bytes, without the record.
    let mut silent = plugin.address().connect().await;
    silent.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    let mut rest = Vec::new();
    let ended = within(silent.read_to_end(&mut rest)).await;
    assert!(ended.is_err() || rest.len() < 10, "{rest:?}");
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

/// Peak memory of the process in megabytes.
#[cfg(target_os = "linux")]
fn peak_memory(plugin: &Plugin) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", plugin.child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn idle_clients_do_not_prevent_the_host_from_connecting() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let first = client.connect(&plugin).await;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(plugin.address().connect().await);
    }
    // An existing connection and a new one.
    assert_served(&first).await;
    assert_served(&client.connect(&plugin).await).await;
    // The oldest handshake was dropped at once, not after the handshake timeout.
    let process = format!("/proc/{}/fd", plugin.child.id().unwrap());
    let open_files = || names(Path::new(&process)).len();
    for _ in 0..50 {
        if open_files() < 300 {
            break;
        }
        assert_served(&first).await;
    }
    assert!(open_files() < 300, "{} open files", open_files());
    let memory = peak_memory(&plugin);
    assert!(memory < 100, "{memory} MB");
    shut_down(&first).await;
    plugin.end().await.assert_clean();
    drop(silent);
}

/// Sends a gRPC message header with a length, then bytes until there is a response. Returns the gRPC status and
/// the megabytes that were sent.
async fn endless_message(
    plugin: &Plugin,
    client: &Client,
    method: &str,
    length: u32,
) -> (String, usize) {
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    use hyper_util::rt::TokioExecutor;
    const CHUNK: usize = 64 * 1024;

    let stream = client.handshake(plugin, &TLS13).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let prefix = [&[0], &length.to_be_bytes()[..]].concat();
    let chunks = futures_util::stream::repeat_with(move || {
        counted.fetch_add(CHUNK, std::sync::atomic::Ordering::SeqCst);
        Bytes::from(vec![0_u8; CHUNK])
    });
    let chunks = futures_util::stream::once(std::future::ready(Bytes::from(prefix))).chain(chunks);
    let body =
        StreamBody::new(chunks.map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(chunk))));
    let request = hyper::Request::post(format!("https://localhost/tfplugin6.Provider/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    let status = response.headers().get("grpc-status");
    let status = status.map(|status| status.to_str().unwrap().to_owned()).unwrap_or_default();
    connection.abort();
    (status, sent.load(std::sync::atomic::Ordering::SeqCst) / 1024 / 1024)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_endless_message_is_rejected_before_it_is_read() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let host = client.connect(&plugin).await;
    let (status, sent) =
        endless_message(&plugin, &client, "ValidateProviderConfig", 300 * 1024 * 1024).await;
    assert_eq!(status, (Code::OutOfRange as i32).to_string());
    assert!(sent < 20, "{sent} MB were taken");
    let memory = peak_memory(&plugin);
    assert!(memory < 100, "{memory} MB");
    assert_served(&host).await;
    shut_down(&host).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn tls_is_off_without_a_client_certificate() {
    let plugin = Start::by_host().serve().await;
    assert!(plugin.line.ends_with("|grpc|\n"), "{}", plugin.line);
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

/// A host that is interrupted cancels all its calls at once. That must not end the connection, because applies in
/// flight would lose their result.
#[tokio::test]
async fn a_burst_of_cancelled_calls_does_not_end_the_connection() {
    // Types of HTTP/2 frames.
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;

    let plugin = Start::by_host().serve().await;
    let mut stream = plugin.address().connect().await;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, &[]));
    // In HPACK: `:method: POST`, `:scheme: http`, `:path: /`, `:authority: x`.
    let headers = [0x83, 0x86, 0x84, 0x41, 1, b'x'];
    for number in 0..1000 {
        sent.extend(frame(HEADERS, 4, 2 * number + 1, &headers));
        sent.extend(frame(RESET, 0, 2 * number + 1, &8_u32.to_be_bytes()));
    }
    sent.extend(frame(PING, 0, 0, b"the-ping"));
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let write = async { writer.write_all(&sent).await };
    let read = async {
        let mut kinds = Vec::new();
        while !kinds.contains(&PING) && !kinds.contains(&GOAWAY) {
            let mut head = [0; 9];
            if reader.read_exact(&mut head).await.is_err() {
                break;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            reader.read_exact(&mut vec![0; length]).await.unwrap();
            kinds.push(head[3]);
        }
        kinds
    };
    let (_, kinds) = within(async { tokio::join!(write, read) }).await;
    assert!(kinds.contains(&PING) && !kinds.contains(&GOAWAY), "frames: {kinds:?}");
    drop(stream);
    plugin.signal("TERM").await;
    plugin.end().await.assert_clean();
}

async fn assert_certificate_is_rejected(value: impl AsRef<OsStr>) {
    let plugin = Start::by_host().with("PLUGIN_CLIENT_CERT", value).serve().await;
    assert_eq!(plugin.line, "", "it announced itself");
    let End { status, stderr, left, .. } = plugin.end().await;
    assert_eq!((status.code(), left), (Some(1), vec![]));
    assert!(stderr.contains("PLUGIN_CLIENT_CERT"), "{stderr}");
}

#[tokio::test]
async fn a_certificate_that_is_not_pem_is_an_error_and_does_not_disable_tls() {
    assert_certificate_is_rejected("garbage").await;
    let good = Client::new().pem();
    assert_certificate_is_rejected(good.replace("BEGIN CERTIFICATE", "BEGIN SECRETS")).await;
    assert_certificate_is_rejected(&good[..good.len() / 2]).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_utf8_is_an_error_and_does_not_disable_tls() {
    let mut damaged = Client::new().pem().into_bytes();
    damaged[100] = 0xff;
    assert_certificate_is_rejected(OsString::from_vec(damaged)).await;
}

#[tokio::test]
async fn pem_without_a_certificate_is_an_error() {
    assert_certificate_is_rejected(pem(b"not a certificate")).await;
}

/// Clients that are built on gRPC core (Python, Ruby, C++) send the path of the socket as `:authority`. Source: gRPC core,
/// `PercentEncodeAuthority`.
#[tokio::test]
async fn the_path_of_the_socket_is_accepted_as_authority() {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@');
    for name in ["plain", "with space", "with@sign", "100%", "größe"] {
        let start = Start::by_host();
        let directory = start.directory.path().join(name);
        fs::create_dir(&directory).unwrap();
        let plugin = start.with("TMPDIR", &directory).serve().await;
        let Address::Unix(path) = plugin.address() else { panic!("{}", plugin.line) };
        assert!(path.starts_with(&directory), "{path:?}");
        let authority = utf8_percent_encode(path.to_str().unwrap(), ENCODED).to_string();
        let channel = channel_to(&authority, plugin.address().connect().await).await.unwrap();
        assert_served(&channel).await;
        shut_down(&channel).await;
        let End { status, left, .. } = plugin.end().await;
        assert_eq!((status.code(), left), (Some(0), vec![OsString::from(name)]));
    }
}
