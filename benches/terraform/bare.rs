//! A plugin that does nothing but what Terraform demands of any: the handshake, mutual TLS with a certificate
//! that was made before, HTTP/2, and canned responses. What Terraform spends on it, it spends on every provider.

use std::convert::Infallible;
use std::fs;
use std::future::ready;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use terraform_provider_oss::tfplugin::pb;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::host::Host;
use super::pinned::OnlyThisClient;

/// The variable with the directory of the plugin's files.
pub(crate) const FILES: &str = "BENCH_BARE_PLUGIN";
const CERTIFICATE: &str = "certificate.der";
const KEY: &str = "key.der";
const SCHEMA: &str = "schema.bin";

/// Writes the files: a certificate, and the schema of the provider.
pub(crate) fn prepare(directory: &Path, host: &Host, provider: &Path) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(directory.join(CERTIFICATE), certificate.der()).unwrap();
    fs::write(directory.join(KEY), key.serialize_der()).unwrap();
    let connected = host.connect(host.start(provider));
    fs::write(directory.join(SCHEMA), connected.schema.encode_to_vec()).unwrap();
}

/// Serves if terraform started this process as a plugin.
pub(crate) fn run_in_place() -> Option<ExitCode> {
    let files = PathBuf::from(std::env::var_os(FILES)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(&files));
    Some(ExitCode::SUCCESS)
}

async fn serve(files: &Path) {
    let certificate = fs::read(files.join(CERTIFICATE)).unwrap();
    let key = fs::read(files.join(KEY)).unwrap();
    let schema = Bytes::from(fs::read(files.join(SCHEMA)).unwrap());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let client = std::env::var_os("PLUGIN_CLIENT_CERT").unwrap().into_string().unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(OnlyThisClient::new(&client, provider)))
        .with_single_cert(vec![certificate.clone().into()], PrivateKeyDer::Pkcs8(key.into()))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;

    let socket = std::env::temp_dir().join(format!("bare-{}", std::process::id()));
    let listener = UnixListener::bind(&socket).unwrap();
    let certificate = BASE64_STANDARD_NO_PAD.encode(certificate);
    let line = format!("1|6|unix|{}|grpc|{certificate}\n", socket.display());
    std::io::stdout().write_all(line.as_bytes()).unwrap();

    let (stream, _) = listener.accept().await.unwrap();
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
    let is_shut_down = Arc::new(Notify::new());
    let shutdown = Arc::clone(&is_shut_down);
    let service = service_fn(move |request: Request<Incoming>| {
        let (schema, shutdown) = (schema.clone(), Arc::clone(&shutdown));
        async move {
            if request.uri().path().ends_with("/Shutdown") {
                shutdown.notify_one();
            }
            Ok::<_, Infallible>(serve_rpc(request, schema).await)
        }
    });
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => {}
        () = is_shut_down.notified() => {
            connection.as_mut().graceful_shutdown();
            // Not longer than a client needs to read the response: some do not close the connection.
            let _ = timeout(Duration::from_millis(5), connection).await;
        }
    }
    let _ = fs::remove_file(socket);
}

/// A gRPC response: the message, and the status in the trailers.
async fn serve_rpc(
    request: Request<Incoming>,
    schema: Bytes,
) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let path = request.uri().path().to_owned();
    let message = if path.starts_with("/plugin.GRPCBroker/") {
        // Its body has no end.
        None
    } else {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        respond(path.rsplit('/').next().unwrap(), body.get(5..).unwrap_or_default(), schema)
    };
    let mut trailers = HeaderMap::new();
    // 12: unimplemented.
    let status = if message.is_some() { "0" } else { "12" };
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let bytes = message.map_or_else(Bytes::new, |message| {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), &message].concat().into()
    });
    let body = Full::new(bytes).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// The message, or `None` for an RPC that this plugin does not have.
fn respond(method: &str, request: &[u8], schema: Bytes) -> Option<Bytes> {
    let bytes = match method {
        "GetProviderSchema" => return Some(schema),
        "ValidateProviderConfig"
        | "ConfigureProvider"
        | "ValidateResourceConfig"
        | "StopProvider"
        | "GetResourceIdentitySchemas"
        | "Shutdown" => Vec::new(),
        "UpgradeResourceState" => {
            let request = pb::upgrade_resource_state::Request::decode(request).unwrap();
            let json = request.raw_state.unwrap_or_default().json;
            let upgraded_state = Some(pb::DynamicValue { json, ..Default::default() });
            pb::upgrade_resource_state::Response { upgraded_state, ..Default::default() }
                .encode_to_vec()
        }
        "ReadResource" => {
            let request = pb::read_resource::Request::decode(request).unwrap();
            let new_state = request.current_state;
            pb::read_resource::Response { new_state, ..Default::default() }.encode_to_vec()
        }
        "PlanResourceChange" => {
            let request = pb::plan_resource_change::Request::decode(request).unwrap();
            let planned_state = request.proposed_new_state;
            pb::plan_resource_change::Response { planned_state, ..Default::default() }
                .encode_to_vec()
        }
        "ApplyResourceChange" => {
            let request = pb::apply_resource_change::Request::decode(request).unwrap();
            let new_state = request.planned_state;
            pb::apply_resource_change::Response { new_state, ..Default::default() }.encode_to_vec()
        }
        _ => return None,
    };
    Some(bytes.into())
}
