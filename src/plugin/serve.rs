//! The lifetime of the plugin process: bind a socket, print the handshake line, serve, shut down.

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

/// Maximum time until a client connects. Hosts kill a plugin that takes 60 s to start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(90);
/// How long to keep serving without connections: the host has exited or is about to.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of calls that the host may cancel before they are accepted. hyper's limit of 20 would end the
/// connection, and with it the applies in flight, when many calls are cancelled at once. Clients are authenticated.
const MAX_CANCELLED_CALLS: usize = 10_000;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of concurrent handshakes. Beyond it the oldest one is dropped, so that clients that send
/// nothing cannot lock the host out.
const MAX_HANDSHAKES: usize = 256;
/// Maximum time for calls in flight after a shutdown request. The host kills the process after 2 s.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the process could not serve. Printed to standard error, which Terraform shows in its log.
#[derive(Debug, Error)]
pub enum Error {
    /// The socket could not be opened, or the handshake line could not be written.
    #[error("the plugin could not open its socket")]
    Io(#[from] io::Error),
    /// Mutual TLS could not be set up.
    #[error("the plugin could not set up mutual TLS")]
    Tls(#[from] TlsError),
}

/// Adds the plugin's own services for one connection. The token is cancelled on shutdown: calls in flight
/// then have half a second to respond.
pub trait Services: Fn(&mut RoutesBuilder, &CancellationToken) + Send + Sync + 'static {}

impl<T: Fn(&mut RoutesBuilder, &CancellationToken) + Send + Sync + 'static> Services for T {}

/// Serves a host until it requests a shutdown or disconnects (go-plugin, `server.go`, Serve). `stdout` gets
/// exactly one line.
///
/// # Errors
///
/// No socket can be opened, the host's certificate is invalid, or the line cannot be written.
pub async fn serve(
    params: &HandshakeParams,
    services: impl Services,
    mut stdout: impl Write,
) -> Result<(), Error> {
    // Ctrl-C reaches the whole process group; Terraform then sends `StopProvider`.
    let stop = CancellationToken::new();
    handle_signals(&stop, OnInterrupt::Ignore)?;
    let (acceptor, certificate) = match &params.client_certificate {
        Some(pem) => {
            let (acceptor, certificate) = tls::acceptor(pem)?;
            (Some(acceptor), certificate)
        }
        None => (None, Vec::new()),
    };
    let listener = match acceptor {
        Some(_) => Listener::bind(params).await?,
        None => Listener::bind_private(params)?,
    };
    let (network, address) = listener.address()?;
    stdout.write_all(handshake_line(params, network, &address, &certificate).as_bytes())?;
    stdout.flush()?;
    for version in &params.invalid_versions {
        tracing::warn!(version = version.as_str(), "invalid protocol version");
    }
    if !params.supports_protocol {
        tracing::warn!("the host does not support protocol version 6");
    }
    let on_idle = if acceptor.is_some() { OnIdle::Exit } else { OnIdle::with_parent() };
    accept_connections(listener, acceptor, Arc::new(services), stop, on_idle).await;
    Ok(())
}

/// Serves any number of hosts without TLS, on a socket that only this user can open, until Ctrl-C (Terraform,
/// `main.go`, `parseReattachProviders`).
///
/// `stdout` gets instructions with the value of `TF_REATTACH_PROVIDERS` for `provider_addresses`.
///
/// # Errors
///
/// No socket can be opened, or the instructions cannot be written.
pub async fn serve_debug(
    provider_addresses: &[&str],
    environment: &HandshakeEnv,
    services: impl Services,
    mut stdout: impl Write,
) -> Result<(), Error> {
    let stop = CancellationToken::new();
    handle_signals(&stop, OnInterrupt::Shutdown)?;
    let listener = Listener::bind_private(&HandshakeParams::standalone(environment))?;
    let (network, address) = listener.address()?;
    let text = reattach::instructions(provider_addresses, std::process::id(), network, &address);
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    accept_connections(listener, None, Arc::new(services), stop, OnIdle::KeepServing).await;
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum OnInterrupt {
    Ignore,
    Shutdown,
}

#[derive(Clone, Copy, PartialEq)]
enum OnIdle {
    Exit,
    /// Without a client certificate, any number of hosts can reattach, one after the other, as Crossplane's upjet
    /// does. go-plugin serves them until it is killed; this plugin also exits when the process with this ID,
    /// which started it, has exited.
    #[cfg(unix)]
    ExitWithParent(u32),
    KeepServing,
}

impl OnIdle {
    #[cfg(unix)]
    fn with_parent() -> Self {
        Self::ExitWithParent(std::os::unix::process::parent_id())
    }

    #[cfg(not(unix))]
    fn with_parent() -> Self {
        Self::Exit
    }
}

/// Listens for signals from now on: none ends the process before it has removed its socket.
#[cfg(unix)]
fn handle_signals(stop: &CancellationToken, interrupt: OnInterrupt) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored = ignored_signals();
    let stops =
        |kind: SignalKind| ignored.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 0);
    let (stops_on_hangup, stops_on_quit) = (stops(SignalKind::hangup()), stops(SignalKind::quit()));
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let mut quits = signal(SignalKind::quit())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupts.recv() => if interrupt == OnInterrupt::Shutdown { stop.cancel() },
                _ = terminations.recv() => stop.cancel(),
                _ = hangups.recv() => if stops_on_hangup { stop.cancel() },
                _ = quits.recv() => if stops_on_quit { stop.cancel() },
            }
        }
    });
    Ok(())
}

/// The signals that this process was started to ignore, as a mask: `nohup` ignores SIGHUP, and then the host goes on
/// and needs its plugin. `None` if the system does not report it; the process then ends when the host disconnects.
#[cfg(unix)]
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
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
    on_idle: OnIdle,
) {
    // The latest handshakes; some may have completed.
    let mut handshakes = VecDeque::with_capacity(MAX_HANDSHAKES + 1);
    let connections = TaskTracker::new();
    let (open, watcher) = watch::channel(0_usize);
    let idle = wait_until_idle(watcher, on_idle);
    tokio::pin!(idle);
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            () = &mut idle => break,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    // For example, too many open files: retrying at once would spin.
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
                        tracing::warn!("dropped the oldest pending TLS handshake");
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
    // New calls are rejected. Calls in flight can complete within the timeout.
    stop.cancel();
    connections.close();
    let _ = timeout(DRAIN_TIMEOUT, connections.wait()).await;
}

/// Counts an open connection until it is dropped.
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

/// Completes if no client connects in time, or when all have disconnected.
async fn wait_until_idle(mut open: watch::Receiver<usize>, on_idle: OnIdle) {
    match on_idle {
        OnIdle::KeepServing => return std::future::pending().await,
        #[cfg(unix)]
        OnIdle::ExitWithParent(parent) => return wait_for_parent(open, parent).await,
        OnIdle::Exit => {}
    }
    if timeout(CONNECT_TIMEOUT, open.wait_for(|count| *count > 0)).await.is_err() {
        tracing::warn!("no client connected in time");
        return;
    }
    loop {
        // Cannot fail: the accept loop, which waits for this function, owns a sender.
        let _ = open.wait_for(|count| *count == 0).await;
        if timeout(IDLE_TIMEOUT, open.wait_for(|count| *count > 0)).await.is_err() {
            tracing::debug!("all clients disconnected");
            return;
        }
    }
}

/// Completes when the parent has exited and no client is connected.
#[cfg(unix)]
async fn wait_for_parent(mut open: watch::Receiver<usize>, parent: u32) {
    loop {
        // Cannot fail: the accept loop, which waits for this function, owns a sender.
        let _ = open.wait_for(|count| *count == 0).await;
        if std::os::unix::process::parent_id() != parent {
            tracing::debug!("the parent process has exited");
            return;
        }
        if timeout(IDLE_TIMEOUT, open.wait_for(|count| *count > 0)).await.is_err() {
            tracing::trace!("no client is connected");
        }
    }
}

/// The TLS stream of a client that authenticated as the host.
async fn accept_tls(
    acceptor: &TlsAcceptor,
    stream: Box<dyn ByteStream>,
) -> Option<Box<dyn ByteStream>> {
    match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        // Hosts test whether the port is open before they connect to a reattached provider.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!("a client disconnected before the TLS handshake");
            None
        }
        // The host only reports "did not respond", so the cause must be logged here.
        Ok(Err(error)) => {
            tracing::warn!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::warn!("TLS handshake timed out");
            None
        }
    }
}

/// Serves one connection until it closes. After a shutdown request, new calls are rejected.
async fn serve_connection(stream: Box<dyn ByteStream>, routes: Routes, stop: &CancellationToken) {
    let connection = http2::Builder::new(TokioExecutor::new())
        // hyper's limit of 200 concurrent calls would delay others, including StopProvider. Terraform limits
        // them with -parallelism.
        .max_concurrent_streams(None)
        .max_pending_accept_reset_streams(MAX_CANCELLED_CALLS)
        .max_local_error_reset_streams(MAX_CANCELLED_CALLS)
        // Hosts ignore the header.
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
        // Expected: hosts close connections without an HTTP/2 GOAWAY.
        tracing::trace!(%error, "connection closed");
    }
}
