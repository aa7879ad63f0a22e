//! The limit of the CPU time for each refreshed resource: a process that exchanges as many bytes as a provider,
//! over the same kinds of sockets, and does nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use super::recorder;
use super::results::{Exchange, Spread};

/// The variable with the path of the socket, the port of the service, and whether TLS is used.
const EXCHANGE: &str = "BENCH_EXCHANGE";
const SOCKET: &str = "exchange";
/// Exchanged resources, and processes that do it.
const RESOURCES: usize = 2000;
const PROCESSES: usize = 7;

/// Resources that Terraform reads at once; a provider gets and sends their messages together.
const AT_ONCE: usize = 10;

/// Bytes for `UpgradeResourceState`, `ReadResource`, `ValidateResourceConfig` and `PlanResourceChange`, whose sum
/// is that of a plan of 100 resources: 1050 bytes received and 440 sent for each (strace).
const RPCS: [(usize, usize); 4] = [(270, 110), (270, 140), (180, 40), (330, 150)];
/// Bytes of a signed GET and its response.
const HTTP: (usize, usize) = (442, 393);

/// Measures with and without TLS.
pub(crate) fn measure(directory: &Path) -> Exchange {
    eprintln!("bare loop …");
    let run = |tls| Spread::of((0..PROCESSES).map(|_| exchange(directory, tls)));
    Exchange { plain: run(false), tls: run(true) }
}

/// Milliseconds of CPU time for each resource.
fn exchange(directory: &Path, tls: bool) -> f64 {
    let socket = directory.join(SOCKET);
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(certificate_file(&socket), certificate.der()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(EXCHANGE, format!("{} {port} {tls}", socket.display()));
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = service.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for _ in 0..RESOURCES {
                receive(&mut stream, HTTP.0);
                send(&mut stream, HTTP.1);
            }
        });
        scope.spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            if tls {
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                let config =
                    ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
                        .with_safe_default_protocol_versions()
                        .unwrap()
                        .with_no_client_auth()
                        .with_single_cert(vec![certificate.der().clone()], key)
                        .unwrap();
                let connection = ServerConnection::new(Arc::new(config)).unwrap();
                request(&mut StreamOwned::new(connection, stream));
            } else {
                request(&mut { stream });
            }
        });
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    })
}

fn certificate_file(socket: &Path) -> PathBuf {
    socket.with_extension("der")
}

/// Terraform's side.
fn request(stream: &mut (impl Read + Write)) {
    for _ in 0..RESOURCES / AT_ONCE {
        for (request, response) in RPCS {
            send(stream, request * AT_ONCE);
            receive(stream, response * AT_ONCE);
        }
    }
}

/// The provider's side, if this process was started for it. Prints the CPU time.
pub(crate) fn run_in_place() -> Option<ExitCode> {
    let text = std::env::var_os(EXCHANGE)?.into_string().unwrap();
    let mut parts = text.rsplitn(3, ' ');
    let mut next = || parts.next().unwrap();
    let (tls, port, socket) = (next(), next().parse::<u16>().unwrap(), next());
    let mut service = TcpStream::connect(("127.0.0.1", port)).unwrap();
    service.set_nodelay(true).unwrap();
    let stream = UnixStream::connect(socket).unwrap();
    let cpu = if tls == "true" {
        let certificate = std::fs::read(certificate_file(Path::new(socket))).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.into()).unwrap();
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        respond(&mut StreamOwned::new(connection, stream), &mut service)
    } else {
        respond(&mut { stream }, &mut service)
    };
    println!("{cpu}");
    Some(ExitCode::SUCCESS)
}

fn respond(stream: &mut (impl Read + Write), service: &mut TcpStream) -> f64 {
    let before = recorder::own_cpu();
    for _ in 0..RESOURCES / AT_ONCE {
        for (index, (request, response)) in RPCS.into_iter().enumerate() {
            receive(stream, request * AT_ONCE);
            if index == 1 {
                for _ in 0..AT_ONCE {
                    send(service, HTTP.0);
                    receive(service, HTTP.1);
                }
            }
            send(stream, response * AT_ONCE);
        }
    }
    let cpu = recorder::own_cpu().saturating_sub(before);
    cpu.as_secs_f64() * 1000.0 / super::tables::count(RESOURCES)
}

fn send(stream: &mut impl Write, bytes: usize) {
    stream.write_all(&[b'x'; 4096][..bytes]).unwrap();
    stream.flush().unwrap();
}

fn receive(stream: &mut impl Read, bytes: usize) {
    stream.read_exact(&mut [0; 4096][..bytes]).unwrap();
}
