//! The host of a plugin process: starts it as Terraform does, connects with mutual TLS, requests the
//! schema, and stops it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

const MAGIC_COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The release build of the provider, or the one in the variable `PROVIDER_BINARY`. Built here, because
/// benchmarks do not depend on the binary of another package.
pub(crate) fn shipped_provider() -> PathBuf {
    if let Some(binary) = std::env::var_os("PROVIDER_BINARY") {
        return std::path::absolute(binary).unwrap();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "terraform-provider-oss"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the provider could not be built");
    let messages = output.stdout.lines().map_while(Result::ok);
    let executable = messages.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(&line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.last().expect("cargo reports the path of the binary")
}

/// A host, with a key and certificate like those that Terraform generates for each process.
pub(crate) struct Host {
    key: KeyPair,
    certificate: CertificateDer<'static>,
    pem: String,
    runtime: tokio::runtime::Runtime,
}

/// A process that has printed its handshake line.
pub(crate) struct Started {
    process: Option<Child>,
    line: String,
}

/// A process that has responded.
pub(crate) struct Connected<'host> {
    host: &'host Host,
    process: Child,
    channel: Channel,
    pub(crate) schema: pb::get_provider_schema::Response,
}

impl Host {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate: CertificateDer<'_> = parameters.self_signed(&key).unwrap().into();
        let base64 = BASE64_STANDARD.encode(&certificate);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { key, certificate, pem, runtime }
    }

    /// Starts the process and reads its handshake line.
    pub(crate) fn start(&self, binary: &Path) -> Started {
        self.start_command(Command::new(binary).env_clear())
    }

    /// The same, with a command that has more arguments and variables.
    pub(crate) fn start_command(&self, command: &mut Command) -> Started {
        let mut process = command
            .env("TMPDIR", std::env::temp_dir())
            .env("TF_PLUGIN_MAGIC_COOKIE", MAGIC_COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "6,5")
            .env("PLUGIN_MIN_PORT", "10000")
            .env("PLUGIN_MAX_PORT", "25000")
            .env("PLUGIN_CLIENT_CERT", &self.pem)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Started { process: Some(process), line }
    }

    /// Connects with mutual TLS and requests the schema, which is Terraform's first request.
    pub(crate) fn connect(&self, mut started: Started) -> Connected<'_> {
        let process = started.process.take().unwrap();
        let fields: Vec<&str> = started.line.trim_end().split('|').collect();
        assert_eq!(fields[2], "unix", "{}", started.line);
        let certificate = BASE64_STANDARD_NO_PAD.decode(fields[5]).unwrap();
        let config = self.tls(certificate.into());
        let (channel, schema) = self.runtime.block_on(async {
            let stream = UnixStream::connect(fields[3]).await.unwrap();
            let localhost = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(Arc::new(config)).connect(localhost, stream).await;
            let mut stream = Some(TokioIo::new(stream.unwrap()));
            let connector = tower::service_fn(move |_| {
                let stream = stream.take().ok_or_else(|| std::io::Error::other("it ended"));
                std::future::ready(stream)
            });
            let endpoint = Endpoint::from_static("http://localhost");
            let channel = endpoint.connect_with_connector(connector).await.unwrap();
            let request = pb::get_provider_schema::Request::default();
            let response = ProviderClient::new(channel.clone()).get_provider_schema(request).await;
            let schema = response.unwrap().into_inner();
            assert!(!schema.resource_schemas.is_empty());
            (channel, schema)
        });
        Connected { host: self, process, channel, schema }
    }

    fn tls(&self, server: CertificateDer<'static>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(server).unwrap();
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .with_root_certificates(roots)
                .with_client_auth_cert(vec![self.certificate.clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Connected<'_> {
    /// Calls the provider.
    pub(crate) fn call<T>(&self, call: impl AsyncFnOnce(ProviderClient<Channel>) -> T) -> T {
        self.host.runtime.block_on(call(ProviderClient::new(self.channel.clone())))
    }

    /// The ID of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Started {
    /// Kills the process if no connection was made.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Connected<'_> {
    /// Stops the process as Terraform does: calls `Shutdown`, and waits for the exit.
    fn drop(&mut self) {
        self.host.runtime.block_on(async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.unwrap();
            let path = PathAndQuery::from_static("/plugin.GRPCController/Shutdown");
            let codec = ProstCodec::<(), ()>::default();
            grpc.unary(tonic::Request::new(()), path, codec).await.unwrap();
        });
        assert!(self.process.wait().unwrap().success());
    }
}
