//! The built binary as a plugin process: handshake line, mutual TLS, calls and shutdown. Needs no terraform: the
//! host is `Client`, with a client certificate like the one that go-plugin generates (`mtls.go`).

#![cfg(unix)]

mod calls;
mod clients;
mod debug_mode;
mod direct_run;
mod handshake;
mod list_endpoints;
mod shutdown;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P521_SHA512,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

const MAGIC_COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// Timeout for a process that hangs, so that the test fails.
const HANGS: Duration = Duration::from_secs(20);

/// The binary with an environment of only these variables.
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

    /// Sets the variables of a host without TLS.
    fn by_host() -> Self {
        Self::new(&[])
            .with("TF_PLUGIN_MAGIC_COOKIE", MAGIC_COOKIE)
            .with("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .with("PLUGIN_MIN_PORT", "10000")
            .with("PLUGIN_MAX_PORT", "25000")
    }

    /// Sets the variables of a host, with the certificate of `client`.
    fn by_host_with(client: &Client) -> Self {
        Self::by_host().with("PLUGIN_CLIENT_CERT", client.pem())
    }

    fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Ignores a signal from the start, as `nohup` does.
    fn ignoring(self, signal: &str) -> Self {
        self.through_shell(&format!("trap '' {signal}; exec \"$0\" \"$@\""))
    }

    /// Does not ignore a signal, even if the tests run with `nohup`.
    #[cfg(target_os = "linux")]
    fn not_ignoring(self, signal: &str) -> Self {
        self.through_shell(&format!("exec env --default-signal={signal} \"$0\" \"$@\""))
    }

    /// Starts the plugin as a child of a shell, which is the process that signals reach.
    fn under_a_shell(self) -> Self {
        self.through_shell("\"$0\" \"$@\" & wait")
    }

    fn through_shell(mut self, script: &str) -> Self {
        let plugin = self.command.as_std();
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script);
        shell.arg(plugin.get_program()).args(plugin.get_args()).env_clear();
        shell.envs(plugin.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(self.directory.path()).stdin(Stdio::null());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        self.command = shell;
        self
    }

    /// Runs a process that exits by itself.
    async fn run(mut self) -> (Option<i32>, String, String) {
        let child = self.command.spawn().unwrap();
        let output = within(child.wait_with_output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Starts the process and reads its first line.
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

/// A running plugin process.
struct Plugin {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<ChildStderr>,
    directory: TempDir,
    /// The handshake line, including the line break.
    line: String,
}

impl Plugin {
    async fn next_line(&mut self) -> String {
        let mut line = String::new();
        within(self.stdout.read_line(&mut line)).await.unwrap();
        line
    }

    /// The fields of the handshake line.
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

    /// The server's certificate from the handshake line.
    fn certificate(&self) -> CertificateDer<'static> {
        BASE64_STANDARD_NO_PAD.decode(self.fields()[5]).unwrap().into()
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits until the process exits. Returns its output after the first line, and the files that it left in its
    /// directory.
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
    /// Asserts that the process exits successfully, without output and leftover files.
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

/// A key and certificate like those that go-plugin generates for its client: P-521, self-signed, with the CA flag.
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

/// The TLS configuration of a host. Without `client`, it sends no certificate.
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

/// A gRPC channel over this stream.
async fn channel(stream: impl Stream + 'static) -> Result<Channel, tonic::transport::Error> {
    channel_to("localhost", stream).await
}

/// A gRPC channel over this stream that sends this `:authority`.
async fn channel_to(
    authority: &str,
    stream: impl Stream + 'static,
) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("connected once already"));
        std::future::ready(stream)
    });
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))?;
    within(endpoint.connect_with_connector(connector)).await
}

async fn plaintext(plugin: &Plugin) -> Channel {
    channel(plugin.address().connect().await).await.unwrap()
}

/// Queries the health of `service`.
async fn health(channel: &Channel, service: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = within(HealthClient::new(channel.clone()).check(request)).await?;
    Ok(response.into_inner().status)
}

async fn assert_served(channel: &Channel) {
    assert_eq!(health(channel, "plugin").await.unwrap(), ServingStatus::Serving as i32);
}

/// `/plugin.GRPCController/Shutdown`. Uses `()` for empty messages, to be independent of the plugin's generated
/// types.
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

/// `/plugin.GRPCBroker/StartStream`, with `offers` as the request stream.
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
