//! The built binary as a host starts it: a process, a line on standard output, mutual TLS, and the
//! end. Nothing here needs terraform: the host's side is `Client`, with a client certificate of the
//! shape that go-plugin makes (`mtls.go`).

#![cfg(unix)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use oss_emulator::{EncryptionRule, Fault};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P521_SHA512,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tokio::io::BufReader;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use super::support::{TYPE, configuration, dynamic, emulator, from_dynamic, resource};

const MAGIC_COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// What a process that hangs is given up after, so that a failure is a failure and no endless run.
const HANGS: Duration = Duration::from_secs(20);

// ---- the process -----------------------------------------------------------------------------

/// The binary with an empty environment, but for what is set here.
struct Start {
    command: Command,
    directory: TempDir,
}

impl Start {
    fn new(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        command
            .args(arguments)
            .env_clear()
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, directory }
    }

    /// As a host does it, without TLS.
    fn by_host() -> Self {
        Self::new(&[])
            .with("TF_PLUGIN_MAGIC_COOKIE", MAGIC_COOKIE)
            .with("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .with("PLUGIN_MIN_PORT", "10000")
            .with("PLUGIN_MAX_PORT", "25000")
    }

    /// As a host does it, with the certificate of `client`.
    fn by_host_with(client: &Client) -> Self {
        Self::by_host().with("PLUGIN_CLIENT_CERT", client.pem())
    }

    fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end, which comes by itself.
    async fn run(mut self) -> (Option<i32>, String, String) {
        let child = self.command.spawn().unwrap();
        let output = within(child.wait_with_output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Starts it, and reads its first line.
    async fn serve(self) -> Plugin {
        let mut plugin = self.spawn();
        plugin.line = plugin.next_line().await;
        plugin
    }

    fn spawn(mut self) -> Plugin {
        let mut child = self.command.spawn().unwrap();
        Plugin {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: child.stderr.take(),
            child,
            directory: self.directory,
            line: String::new(),
        }
    }
}

/// A process that serves.
struct Plugin {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
    directory: TempDir,
    /// The announcement, with its line break.
    line: String,
}

impl Plugin {
    async fn next_line(&mut self) -> String {
        let mut line = String::new();
        within(self.stdout.read_line(&mut line)).await.unwrap();
        line
    }

    /// The fields of the announcement.
    fn fields(&self) -> Vec<&str> {
        self.line.strip_suffix('\n').unwrap().split('|').collect()
    }

    fn address(&self) -> Address {
        let fields = self.fields();
        match fields[2] {
            "unix" => Address::Unix(fields[3].into()),
            "tcp" => Address::Tcp(fields[3].to_owned()),
            other => panic!("not a network: {other}"),
        }
    }

    /// The server's certificate, which the client has to trust.
    fn certificate(&self) -> CertificateDer<'static> {
        BASE64_STANDARD_NO_PAD.decode(self.fields()[5]).unwrap().into()
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for the end of the process; what it printed since its first line, and what it left
    /// behind in its directory.
    async fn end(mut self) -> End {
        let status = within(self.child.wait()).await.unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        within(self.stdout.read_to_string(&mut stdout)).await.unwrap();
        if let Some(pipe) = &mut self.stderr {
            within(pipe.read_to_string(&mut stderr)).await.unwrap();
        }
        End { status, stdout, stderr, left: names(self.directory.path()) }
    }
}

struct End {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    left: Vec<OsString>,
}

impl End {
    /// It ended by itself, without a word, and left nothing.
    fn assert_clean(&self) {
        assert_eq!(self.status.code(), Some(0), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert_eq!(self.left, Vec::<OsString>::new());
    }
}

fn names(directory: &Path) -> Vec<OsString> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, Box::pin(future)).await.expect("it hangs")
}

// ---- the host's side of the connection --------------------------------------------------------

enum Address {
    Unix(PathBuf),
    Tcp(String),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Address {
    async fn connect(&self) -> Box<dyn Stream> {
        match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await.unwrap()),
        }
    }
}

/// A key, and the certificate of the shape that go-plugin makes for its client: P-521, self-signed,
/// an authority.
struct Client {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl Client {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "localhost");
        parameters.distinguished_name.push(DnType::OrganizationName, "HashiCorp");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
            KeyUsagePurpose::KeyCertSign,
        ];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key).unwrap().into();
        Self { key, certificate }
    }

    fn pem(&self) -> String {
        pem(&self.certificate)
    }

    async fn handshake(
        &self,
        plugin: &Plugin,
        version: &'static SupportedProtocolVersion,
    ) -> TlsStream<Box<dyn Stream>> {
        handshake(plugin, version, Some(self)).await.unwrap()
    }

    async fn connect(&self, plugin: &Plugin) -> Channel {
        channel(self.handshake(plugin, &TLS13).await).await.unwrap()
    }
}

fn pem(der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// TLS as the host speaks it; without `client` it shows no certificate.
async fn handshake(
    plugin: &Plugin,
    version: &'static SupportedProtocolVersion,
    client: Option<&Client>,
) -> std::io::Result<TlsStream<Box<dyn Stream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(plugin.certificate()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        Some(client) => {
            let key = PrivateKeyDer::Pkcs8(client.key.serialize_der().into());
            builder.with_client_auth_cert(vec![client.certificate.clone()], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = plugin.address().connect().await;
    let localhost = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(localhost, stream)).await
}

/// gRPC over one given stream.
async fn channel(stream: impl Stream + 'static) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("connected once already"));
        std::future::ready(stream)
    });
    within(Endpoint::from_static("http://localhost").connect_with_connector(connector)).await
}

async fn plaintext(plugin: &Plugin) -> Channel {
    channel(plugin.address().connect().await).await.unwrap()
}

/// Asks for the health of `service`; the error is the transport's or the server's.
async fn health(channel: &Channel, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = within(HealthClient::new(channel.clone()).check(request)).await?;
    Ok(answer.into_inner().status)
}

async fn assert_served(channel: &Channel) {
    assert_eq!(health(channel, "plugin").await.unwrap(), ServingStatus::Serving as i32);
}

/// `/plugin.GRPCController/Shutdown`. Messages without fields are `()`, so that this file does not
/// depend on the names that the plugin gives them.
async fn shut_down(channel: &Channel) {
    let mut grpc = Grpc::new(channel.clone());
    within(grpc.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
    let codec = ProstCodec::<(), ()>::default();
    within(grpc.unary(tonic::Request::new(()), path, codec)).await.unwrap();
}

/// `/plugin.GRPCStdio/StreamStdio`.
async fn standard_streams(channel: &Channel) -> Streaming<()> {
    let mut grpc = Grpc::new(channel.clone());
    within(grpc.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/plugin.GRPCStdio/StreamStdio");
    let codec = ProstCodec::<(), ()>::default();
    within(grpc.server_streaming(tonic::Request::new(()), path, codec)).await.unwrap().into_inner()
}

/// `/plugin.GRPCBroker/StartStream`, with `offers` as the host's side.
async fn broker(
    channel: &Channel,
    offers: impl futures_util::Stream<Item = ()> + Send + 'static,
) -> Streaming<()> {
    let mut grpc = Grpc::new(channel.clone());
    within(grpc.ready()).await.unwrap();
    let path = PathAndQuery::from_static("/plugin.GRPCBroker/StartStream");
    let codec = ProstCodec::<(), ()>::default();
    within(grpc.streaming(tonic::Request::new(offers), path, codec)).await.unwrap().into_inner()
}

// ---- by hand ----------------------------------------------------------------------------------

#[tokio::test]
async fn without_the_cookie_a_person_is_told_what_this_is() {
    for start in [Start::new(&[]), Start::new(&[]).with("TF_PLUGIN_MAGIC_COOKIE", "guess")] {
        let (code, stdout, stderr) = start.run().await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.contains("Terraform") && stderr.contains("plugin"), "{stderr}");
    }
}

#[tokio::test]
async fn the_version_and_the_help_need_no_host() {
    let (code, stdout, stderr) = Start::new(&["--version"]).run().await;
    let expected = format!("terraform-provider-oss {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, stdout, stderr), (Some(0), expected, String::new()));

    let (code, stdout, stderr) = Start::new(&["--help"]).run().await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("--debug") && stdout.contains("--version"), "{stdout}");
}

#[tokio::test]
async fn an_unknown_argument_is_an_error_with_the_help() {
    for arguments in [&["--verison"][..], &["serve"], &["--debug", "--debug"]] {
        let (code, stdout, stderr) = Start::new(arguments).run().await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("--debug"), "{stderr}");
    }
}

// ---- the handshake ----------------------------------------------------------------------------

#[tokio::test]
async fn one_line_announces_the_socket_and_the_certificate() {
    let plugin = Start::by_host_with(&Client::new()).serve().await;
    let fields = plugin.fields();
    assert_eq!(fields.len(), 6, "{fields:?}");
    assert_eq!((fields[0], fields[1], fields[2], fields[4]), ("1", "6", "unix", "grpc"));
    assert!(Path::new(fields[3]).starts_with(plugin.directory.path()), "{fields:?}");
    assert!(fields[5].len() > 50 && !fields[5].contains('='), "{fields:?}");
}

#[tokio::test]
async fn nobody_else_can_reach_the_socket() {
    let plugin = Start::by_host().serve().await;
    let socket = PathBuf::from(plugin.fields()[3]);
    let mode = fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // Nor can another user, where this one may become one; elsewhere the mode has to say it.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        fs::set_permissions(plugin.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let is_seen = async |user: u32| {
            let mut command = Command::new("test");
            command.args(["-S".as_ref(), socket.as_os_str()]).uid(user).gid(user);
            command.status().await.unwrap().success()
        };
        assert_eq!((is_seen(0).await, is_seen(65_534).await), (true, false));
    }
}

#[tokio::test]
async fn the_socket_goes_where_a_special_host_wants_it() {
    let wanted = tempfile::tempdir().unwrap();
    let plugin = Start::by_host().with("PLUGIN_UNIX_SOCKET_DIR", wanted.path()).serve().await;
    assert!(Path::new(plugin.fields()[3]).starts_with(wanted.path()), "{}", plugin.line);
    let channel = plaintext(&plugin).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
    assert_eq!(names(wanted.path()), Vec::<OsString>::new());
}

#[tokio::test]
async fn multiplexing_is_answered_only_if_asked() {
    let plugin = Start::by_host().with("PLUGIN_MULTIPLEX_GRPC", "true").serve().await;
    assert!(plugin.line.ends_with("|grpc||false\n"), "{}", plugin.line);
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_means_tcp() {
    let client = Client::new();
    let start = Start::by_host_with(&client);
    let long = start.directory.path().join("long".repeat(30));
    fs::create_dir(&long).unwrap();
    let plugin = start.with("TMPDIR", &long).serve().await;
    let fields = plugin.fields();
    assert_eq!(fields[2], "tcp");
    let port: u16 = fields[3].strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!((10000..=25000).contains(&port), "{port}");

    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    assert_eq!(names(&long), Vec::<OsString>::new());
    assert_eq!(plugin.end().await.status.code(), Some(0));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let (code, stdout, stderr) = Start::by_host().with("TMPDIR", "/no/such/place").run().await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("/no/such/place"), "{stderr}");
}

#[tokio::test]
async fn the_announced_path_is_absolute() {
    let start = Start::by_host();
    fs::create_dir(start.directory.path().join("here")).unwrap();
    let plugin = start.with("TMPDIR", "here").serve().await;
    assert!(plugin.fields()[3].starts_with('/'), "{}", plugin.line);
}

#[tokio::test]
async fn a_directory_cannot_break_the_line() {
    for name in ["a|b", "a\nb"] {
        let start = Start::by_host();
        let odd = start.directory.path().join(name);
        fs::create_dir(&odd).unwrap();
        let plugin = start.with("TMPDIR", &odd).serve().await;
        assert_eq!(plugin.line.matches('|').count(), 5, "{:?}", plugin.line);
        assert_served(&plaintext(&plugin).await).await;
    }
}

// ---- who may connect --------------------------------------------------------------------------

#[tokio::test]
async fn the_right_client_is_served_until_it_says_so() {
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

/// Whether a client that did or did not pass the handshake gets an answer. A TLS 1.3 client learns
/// of its refusal only after the handshake.
async fn is_served(stream: std::io::Result<TlsStream<Box<dyn Stream>>>) -> bool {
    let Ok(stream) = stream else { return false };
    let Ok(channel) = channel(stream).await else { return false };
    health(&channel, "plugin").await.is_ok()
}

#[tokio::test]
async fn any_other_client_is_refused_and_does_no_harm() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).with("TF_LOG_PROVIDER", "warn").serve().await;
    // The right certificate in the hands of someone without its key.
    let thief = Client { certificate: client.certificate.clone(), ..Client::new() };
    for version in [&TLS13, &TLS12] {
        assert!(!is_served(handshake(&plugin, version, Some(&Client::new())).await).await);
        assert!(!is_served(handshake(&plugin, version, None).await).await);
        assert!(!is_served(handshake_with_stolen(&plugin, version, &thief).await).await);
    }
    match channel(plugin.address().connect().await).await {
        Ok(channel) => assert!(health(&channel, "plugin").await.is_err(), "without TLS"),
        Err(_refused) => {}
    }

    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    let end = plugin.end().await;
    end.assert_clean();
    // Nobody else can say why a handshake failed.
    assert!(end.stderr.lines().count() >= 7, "{}", end.stderr);
    for line in end.stderr.lines() {
        let entry: Json = serde_json::from_str(line).unwrap();
        assert_eq!(entry["@level"], "warn", "{line}");
        assert!(entry["@message"].is_string() && entry["@timestamp"].is_string(), "{line}");
    }
}

/// A handshake with a certificate and a key that do not belong together, which rustls makes only
/// if asked in detail.
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
async fn connections_without_sense_do_no_harm() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let address = plugin.address();
    drop(address.connect().await);
    let mut garbage = address.connect().await;
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // Said nothing, and still there.
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
async fn a_handshake_that_never_ends_is_given_up() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    // It begins as TLS does: a record of a handshake, 512 bytes long, of which nothing more comes.
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

/// The most memory that the process has had so far, in megabytes.
#[cfg(target_os = "linux")]
fn peak_memory(plugin: &Plugin) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", plugin.child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thousand_silent_clients_do_not_keep_the_host_out() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let first = client.connect(&plugin).await;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(plugin.address().connect().await);
    }
    // The one that is connected, and one that comes now.
    assert_served(&first).await;
    assert_served(&client.connect(&plugin).await).await;
    // The oldest made room at once: it is no matter of the time that a handshake may take.
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

/// Sends a gRPC message to a method: the length that it announces, then bytes until the answer is
/// there. Returns the status of gRPC, and how many megabytes were taken.
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
    let answer = within(sender.send_request(request)).await.unwrap();
    let status = answer.headers().get("grpc-status");
    let status = status.map(|status| status.to_str().unwrap().to_owned()).unwrap_or_default();
    connection.abort();
    (status, sent.load(std::sync::atomic::Ordering::SeqCst) / 1024 / 1024)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_message_without_end_is_refused_before_it_is_read() {
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
async fn without_a_certificate_from_the_host_there_is_no_tls() {
    let plugin = Start::by_host().serve().await;
    assert!(plugin.line.ends_with("|grpc|\n"), "{}", plugin.line);
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

async fn assert_refuses_the_certificate(value: impl AsRef<OsStr>) {
    let plugin = Start::by_host().with("PLUGIN_CLIENT_CERT", value).serve().await;
    assert_eq!(plugin.line, "", "it announced itself");
    let End { status, stderr, left, .. } = plugin.end().await;
    assert_eq!((status.code(), left), (Some(1), vec![]));
    assert!(stderr.contains("PLUGIN_CLIENT_CERT"), "{stderr}");
}

#[tokio::test]
async fn a_certificate_that_is_not_pem_is_an_error_and_not_the_end_of_tls() {
    assert_refuses_the_certificate("garbage").await;
    let good = Client::new().pem();
    assert_refuses_the_certificate(good.replace("BEGIN CERTIFICATE", "BEGIN SECRETS")).await;
    assert_refuses_the_certificate(&good[..good.len() / 2]).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_text_is_an_error_and_not_the_end_of_tls() {
    let mut damaged = Client::new().pem().into_bytes();
    damaged[100] = 0xff;
    assert_refuses_the_certificate(OsString::from_vec(damaged)).await;
}

#[tokio::test]
async fn pem_without_a_certificate_in_it_is_an_error() {
    assert_refuses_the_certificate(pem(b"not a certificate")).await;
}

// ---- calls ------------------------------------------------------------------------------------

#[tokio::test]
async fn messages_may_be_larger_than_grpc_expects() {
    let plugin = Start::by_host().serve().await;
    let mut provider = ProviderClient::new(plaintext(&plugin).await);
    // One text of 6 MiB, as MessagePack; 4 MiB is the usual limit.
    let mut msgpack = vec![0xdb];
    msgpack.extend(6_291_456_u32.to_be_bytes());
    msgpack.resize(5 + 6_291_456, b'x');
    let config = Some(pb::DynamicValue { msgpack, ..Default::default() });
    let request = pb::validate_provider_config::Request { config };
    let answer = within(provider.validate_provider_config(request)).await.unwrap().into_inner();
    assert_eq!(answer.diagnostics[0].summary, "Unexpected configuration");
}

#[tokio::test]
async fn open_streams_end_with_the_plugin_and_do_not_delay_it() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    let mut streams = standard_streams(&channel).await;
    let mut offers = broker(&channel, futures_util::stream::pending()).await;
    shut_down(&channel).await;
    // An orderly end of each stream: the server did not have to be cut off.
    assert_eq!(within(streams.message()).await.unwrap(), None);
    assert_eq!(within(offers.message()).await.unwrap(), None);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn a_call_without_end_does_not_keep_the_plugin() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    let request = HealthCheckRequest { service: "plugin".to_owned() };
    let watch = within(HealthClient::new(channel.clone()).watch(request)).await.unwrap();
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
    drop(watch);
}

#[tokio::test]
async fn many_open_calls_do_not_keep_the_next_one_waiting() {
    // What `StopProvider` needs at `terraform apply -parallelism=300`.
    let plugin = Start::by_host().serve().await;
    let channel = plaintext(&plugin).await;
    let mut watches = Vec::new();
    for _ in 0..300 {
        let request = HealthCheckRequest { service: "plugin".to_owned() };
        watches.push(within(HealthClient::new(channel.clone()).watch(request)).await.unwrap());
    }
    assert_served(&channel).await;
}

#[tokio::test]
async fn the_broker_stays_until_the_host_closes_its_side() {
    let plugin = Start::by_host().serve().await;
    let channel = plaintext(&plugin).await;
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let offers = futures_util::stream::once(async { drop(closed.await) });
    let mut answers = broker(&channel, offers).await;
    {
        let mut answer = std::pin::pin!(answers.message());
        assert!(futures_util::poll!(&mut answer).is_pending());
        // The server has had its say about the stream by the time it answers this.
        assert_served(&channel).await;
        assert!(futures_util::poll!(&mut answer).is_pending());
    }
    drop(close);
    assert_eq!(within(answers.message()).await.unwrap(), None);
}

// ---- the end ----------------------------------------------------------------------------------

#[tokio::test]
async fn a_host_that_is_gone_ends_the_plugin() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    drop(channel);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn an_interrupt_is_the_hosts_business() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    plugin.signal("INT").await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    plugin.signal("INT").await;
    plugin.signal("INT").await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn a_demand_to_end_leaves_no_socket() {
    let client = Client::new();
    let idle = Start::by_host_with(&client).serve().await;
    idle.signal("TERM").await;
    idle.end().await.assert_clean();

    let connected = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&connected).await;
    assert_served(&channel).await;
    connected.signal("TERM").await;
    connected.end().await.assert_clean();
}

#[tokio::test]
async fn a_termination_lets_calls_in_flight_answer_with_their_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("PUT"));
    let plugin = Start::by_host().serve().await;
    let mut provider = ProviderClient::new(plaintext(&plugin).await);
    within(provider.configure_provider(configuration(&emulator))).await.unwrap();
    let planned = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS" }));
    let request = pb::apply_resource_change::Request {
        type_name: TYPE.to_owned(),
        prior_state: Some(dynamic(&Json::Null)),
        planned_state: Some(dynamic(&planned)),
        config: Some(dynamic(&planned)),
        ..Default::default()
    };
    let applied = tokio::spawn(async move { provider.apply_resource_change(request).await });
    within(async {
        while emulator.exchanges().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    plugin.signal("TERM").await;
    let answer = within(applied).await.unwrap().unwrap().into_inner();
    assert_eq!(from_dynamic(answer.new_state.as_ref()), planned);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn standard_input_is_left_alone() {
    let mut start = Start::by_host();
    start.command.stdin(Stdio::piped());
    let mut plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    // Its end means nothing: it is the terminal of the person who runs terraform.
    drop(plugin.child.stdin.take());
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn a_closed_standard_error_is_no_reason_to_stop() {
    let (nobody, stderr) = std::io::pipe().unwrap();
    drop(nobody);
    // Something to say at the very start.
    let mut start =
        Start::by_host().with("TF_LOG", "trace").with("PLUGIN_PROTOCOL_VERSIONS", "six,6");
    start.command.stderr(stderr);
    let plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

// ---- debug mode -------------------------------------------------------------------------------

/// The address in the JSON that debug mode prints for a person to paste.
async fn reattach(plugin: &mut Plugin) -> Address {
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("TF_REATTACH_PROVIDERS")) {
        let line = plugin.next_line().await;
        assert_ne!(line, "", "ended after {lines:?}");
        lines.push(line);
    }
    assert_eq!(lines[lines.len() - 2], "\n", "{lines:?}");
    let assignment = lines.last().unwrap().trim();
    let json = assignment.strip_prefix("TF_REATTACH_PROVIDERS='").unwrap();
    let json: Json = serde_json::from_str(json.strip_suffix('\'').unwrap()).unwrap();
    let entry = &json["registry.terraform.io/oss-tools/oss"];
    // What OpenTofu takes `oss-tools/oss` for.
    assert_eq!(&json["registry.opentofu.org/oss-tools/oss"], entry);
    assert_eq!(entry["Protocol"], "grpc");
    assert_eq!(entry["ProtocolVersion"], 6);
    assert_eq!(entry["Test"], true);
    assert_eq!(entry["Pid"], plugin.child.id().unwrap());
    assert_eq!(entry["Addr"]["Network"], "unix");
    Address::Unix(entry["Addr"]["String"].as_str().unwrap().into())
}

#[tokio::test]
async fn debug_mode_serves_one_host_after_another_until_interrupted() {
    let mut plugin = Start::new(&["--debug"]).spawn();
    let address = reattach(&mut plugin).await;
    // The probe that hosts open and close before each real connection.
    drop(address.connect().await);
    for _ in 0..2 {
        let channel = channel(address.connect().await).await.unwrap();
        assert_served(&channel).await;
    }
    let channel = channel(address.connect().await).await.unwrap();
    assert_served(&channel).await;
    plugin.signal("INT").await;
    let End { status, left, .. } = plugin.end().await;
    assert_eq!((status.code(), left), (Some(0), vec![]));
}

#[tokio::test]
async fn debug_mode_keeps_configurations_apart() {
    let mut plugin = Start::new(&["--debug"]).spawn();
    let address = reattach(&mut plugin).await;
    let mut hosts = Vec::new();
    for algorithm in ["KMS", "SM4"] {
        let emulator = emulator(&["demo"]);
        emulator.set_rule("demo", EncryptionRule::new(algorithm));
        let mut provider = ProviderClient::new(channel(address.connect().await).await.unwrap());
        let answer = within(provider.configure_provider(configuration(&emulator))).await.unwrap();
        assert_eq!(answer.into_inner().diagnostics, vec![]);
        hosts.push((provider, emulator, algorithm));
    }
    for (provider, _emulator, algorithm) in &mut hosts {
        let state = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "AES256" }));
        let request = pb::read_resource::Request {
            type_name: TYPE.to_owned(),
            current_state: Some(dynamic(&state)),
            ..Default::default()
        };
        let answer = within(provider.read_resource(request)).await.unwrap().into_inner();
        assert_eq!(from_dynamic(answer.new_state.as_ref())["sse_algorithm"], *algorithm);
    }
    drop(hosts);
    plugin.signal("INT").await;
    assert_eq!(plugin.end().await.status.code(), Some(0));
}

#[tokio::test]
async fn debug_mode_prints_an_address_that_holds_in_every_directory() {
    for temporary in ["", "here"] {
        let start = Start::new(&["--debug"]).with("TMPDIR", temporary);
        fs::create_dir(start.directory.path().join("here")).unwrap();
        let mut plugin = start.spawn();
        let Address::Unix(path) = reattach(&mut plugin).await else { unreachable!() };
        assert!(path.is_absolute(), "{temporary:?}: {path:?}");
        plugin.signal("INT").await;
        plugin.end().await;
        assert!(!path.exists(), "{path:?} is left");
    }
}
