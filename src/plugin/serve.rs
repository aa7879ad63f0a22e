//! The life of the process: bind, announce, serve, end.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::{Routes, RoutesBuilder};

use super::handshake::{HandshakeEnv, HandshakeParams, handshake_line};
use super::listener::{ByteStream, Listener};
use super::reattach;
use super::services::with_plugin_services;
use super::tls::{self, TlsError};

/// How long a host may take to connect; it kills a plugin that takes 60 s to start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(90);
/// How long to stay after the last connection has ended: the host is gone, or about to be.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many clients may be in a handshake at once. The oldest one makes room, so that silent clients
/// never keep the host out.
const MAX_HANDSHAKES: usize = 256;
/// How long calls in flight may take once the host asked to end; it kills after 2 s.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the process could not serve. Printed to standard error; Terraform shows that in its log.
#[derive(Debug, Error)]
pub enum Error {
    /// No socket, or the line to the host could not be written.
    #[error("the plugin could not open its socket")]
    Io(#[from] io::Error),
    /// No TLS.
    #[error("the plugin could not set up mutual TLS")]
    Tls(#[from] TlsError),
}

/// Adds the plugin's own services for one connection. The token is cancelled when the process is
/// to end: what is in flight then has half a second to answer.
pub trait Services: Fn(&mut RoutesBuilder, &CancellationToken) + Send + Sync + 'static {}

impl<T: Fn(&mut RoutesBuilder, &CancellationToken) + Send + Sync + 'static> Services for T {}

/// Serves a host until it asks to end or is gone (go-plugin, `server.go`, Serve). `announce` is
/// standard output, which gets exactly one line.
///
/// # Errors
///
/// No socket can be opened, the host's certificate is unreadable, or the line cannot be written.
pub async fn serve(
    session: &HandshakeParams,
    services: impl Services,
    mut announce: impl Write,
) -> Result<(), Error> {
    // A Ctrl-C at the terminal reaches the whole process group; Terraform then says what to do.
    let stop = CancellationToken::new();
    handle_signals(&stop, OnInterrupt::Ignore)?;
    let (acceptor, certificate) = match &session.client_certificate {
        Some(pem) => {
            let (acceptor, certificate) = tls::acceptor(pem)?;
            (Some(acceptor), certificate)
        }
        None => (None, Vec::new()),
    };
    let listener = Listener::bind(session).await?;
    let (network, address) = listener.address()?;
    announce.write_all(handshake_line(session, network, &address, &certificate).as_bytes())?;
    announce.flush()?;
    for version in &session.invalid_versions {
        tracing::warn!(version = version.as_str(), "not a protocol version");
    }
    if !session.supports_protocol {
        tracing::warn!("the host does not offer protocol version 6");
    }
    accept_connections(listener, acceptor, Arc::new(services), stop, OnIdle::Exit).await;
    Ok(())
}

/// Serves any number of hosts without TLS until Ctrl-C (Terraform, `main.go`,
/// `parseReattachProviders`). `print` gets the value of `TF_REATTACH_PROVIDERS` for
/// `provider_addresses`, ready to paste.
///
/// # Errors
///
/// No socket can be opened, or the text cannot be written.
pub async fn serve_debug(
    provider_addresses: &[&str],
    environment: &HandshakeEnv,
    services: impl Services,
    mut print: impl Write,
) -> Result<(), Error> {
    let stop = CancellationToken::new();
    handle_signals(&stop, OnInterrupt::Shutdown)?;
    let listener = Listener::bind(&HandshakeParams::standalone(environment)).await?;
    let (network, address) = listener.address()?;
    let text = reattach::instructions(provider_addresses, std::process::id(), network, &address);
    print.write_all(text.as_bytes())?;
    print.flush()?;
    accept_connections(listener, None, Arc::new(services), stop, OnIdle::KeepServing).await;
    Ok(())
}

/// What a Ctrl-C does.
#[derive(Clone, Copy, PartialEq)]
enum OnInterrupt {
    Ignore,
    Shutdown,
}

/// What happens when no client is left.
#[derive(Clone, Copy, PartialEq)]
enum OnIdle {
    Exit,
    KeepServing,
}

/// Listens for signals from now on.
#[cfg(unix)]
fn handle_signals(stop: &CancellationToken, interrupt: OnInterrupt) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => if interrupt == OnInterrupt::Shutdown { stop.cancel() },
                _ = terminations.recv() => stop.cancel(),
            }
        }
    });
    Ok(())
}

/// Listens for signals from now on.
#[cfg(not(unix))]
fn handle_signals(stop: &CancellationToken, interrupt: OnInterrupt) -> io::Result<()> {
    let stop = stop.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if interrupt == OnInterrupt::Shutdown {
                stop.cancel();
            }
        }
    });
    Ok(())
}

async fn accept_connections(
    listener: Listener,
    acceptor: Option<TlsAcceptor>,
    services: Arc<impl Services>,
    stop: CancellationToken,
    host_gone: OnIdle,
) {
    // Those of the clients that came last; ended ones among them do no harm.
    let mut handshakes = VecDeque::with_capacity(MAX_HANDSHAKES + 1);
    let connections = TaskTracker::new();
    let (open, watcher) = watch::channel(0_usize);
    let abandoned = wait_until_idle(watcher, host_gone);
    tokio::pin!(abandoned);
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            () = &mut abandoned => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Such as too many open files: trying again at once would spin.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let handshake = CancellationToken::new();
        handshakes.push_back(handshake.clone().drop_guard());
        if handshakes.len() > MAX_HANDSHAKES {
            handshakes.pop_front();
        }
        let (acceptor, services) = (acceptor.clone(), Arc::clone(&services));
        let (stop, open) = (stop.clone(), open.clone());
        connections.spawn(async move {
            let stream = match acceptor {
                Some(acceptor) => tokio::select! {
                    stream = accept_tls(&acceptor, stream) => stream,
                    () = stop.cancelled() => None,
                    () = handshake.cancelled() => {
                        tracing::warn!("a TLS handshake made room for others");
                        None
                    }
                },
                None => Some(stream),
            };
            let Some(stream) = stream else { return };
            let _open = ConnectionGuard::count(open);
            let routes = with_plugin_services(|routes| services(routes, &stop), &stop).await;
            serve_connection(stream, routes, &stop).await;
        });
    }
    // No new calls; those in flight get a moment, then end with the process.
    stop.cancel();
    connections.close();
    let _ = timeout(DRAIN_TIMEOUT, connections.wait()).await;
}

/// Counts a connection as long as it lives, however it ends.
struct ConnectionGuard(watch::Sender<usize>);

impl ConnectionGuard {
    fn count(open: watch::Sender<usize>) -> Self {
        open.send_modify(|count| *count += 1);
        Self(open)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Completes when no client has come, or none is left.
async fn wait_until_idle(mut open: watch::Receiver<usize>, host_gone: OnIdle) {
    if host_gone == OnIdle::KeepServing {
        return std::future::pending().await;
    }
    if timeout(CONNECT_TIMEOUT, open.wait_for(|count| *count > 0)).await.is_err() {
        tracing::warn!("no host has connected");
        return;
    }
    loop {
        // The sender lives as long as the accept loop that waits for this.
        let _ = open.wait_for(|count| *count == 0).await;
        if timeout(IDLE_TIMEOUT, open.wait_for(|count| *count > 0)).await.is_err() {
            tracing::debug!("the host is gone");
            return;
        }
    }
}

/// The TLS stream of a client that proved to be the host.
async fn accept_tls(
    acceptor: &TlsAcceptor,
    stream: Box<dyn ByteStream>,
) -> Option<Box<dyn ByteStream>> {
    match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        // Hosts look whether somebody listens before they connect to a reattached provider.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!("a client left before the TLS handshake");
            None
        }
        // The host tells its user nothing but "did not respond": the cause is only known here.
        Ok(Err(error)) => {
            tracing::warn!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::warn!("a TLS handshake took too long");
            None
        }
    }
}

/// Serves one connection to its end. Once the host has asked to stop, no new calls are taken.
async fn serve_connection(stream: Box<dyn ByteStream>, routes: Routes, stop: &CancellationToken) {
    let connection = http2::Builder::new(TokioExecutor::new())
        // hyper's limit of 200 calls at once would make the next one wait, a StopProvider included;
        // Terraform's own limit is its -parallelism.
        .max_concurrent_streams(None)
        // No host looks at it.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Hosts close without the farewell of HTTP/2: this is how each connection ends.
        tracing::trace!(%error, "a connection ended");
    }
}
