//! The HTTP/1.1 server on the loopback address, with or without TLS. Only this file uses sockets, a
//! thread and the clock.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::http::{Reset, ResponseBody, read_request, to_hyper_response};
use super::service::{Delivery, Handled, Service};
use super::tls::Identity;
use super::tunnel;
use super::{Config, Credentials, EncryptionRule, Fault, Observer, RecordedRequest};

/// A running emulator. It stops when this value is dropped.
///
/// It runs on its own thread, so both blocking and asynchronous clients can use it.
pub struct Emulator {
    port: u16,
    certificate_pem: Option<String>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    service: Mutex<Service>,
    observer: Option<Observer>,
    connections: AtomicUsize,
    /// With TLS only.
    acceptor: Option<TlsAcceptor>,
    /// Whether to be the proxy of the hosts of OAuth.
    has_tunnels: bool,
}

impl Emulator {
    /// Starts an emulator on 127.0.0.1, never on another address.
    ///
    /// # Errors
    ///
    /// The port is taken, or a region, bucket name or role ARN is invalid.
    pub fn start(config: Config) -> io::Result<Self> {
        config.validate().map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let domains = config.custom_domains.keys().map(String::as_str);
        let regions = config.buckets.iter().filter_map(|bucket| bucket.region.as_deref());
        let regions = regions.chain([config.region.as_str()]);
        let identity = config.tls.then(|| Identity::new(regions, domains)).transpose()?;
        let (acceptor, certificate_pem) =
            identity.map(|identity| (identity.acceptor, identity.certificate_pem)).unzip();
        let shared = Arc::new(Shared {
            service: Mutex::new(Service::new(&config)),
            observer: config.observer,
            connections: AtomicUsize::new(0),
            acceptor,
            has_tunnels: config.login.oauth.is_some(),
        });
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name("oss-emulator".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(listener, &shared, stopped, &ready)
        })?;
        let ended = || Err(io::Error::other("the emulator's thread ended during startup"));
        started.recv().unwrap_or_else(|_| ended())?;
        Ok(Self { port, certificate_pem, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The endpoint: `http://127.0.0.1:{port}`, with TLS `https://127.0.0.1:{port}`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificate_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The certificate that clients must trust, with TLS only. It is self-signed, for `localhost`,
    /// `127.0.0.1`, `::1`, and the host names of the region and the custom domains.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// The base URL of the metadata service; its paths begin with `/latest/`.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        format!("{}/-/ecs", self.url())
    }

    /// The credentials URI, even if it is not enabled.
    #[must_use]
    pub fn credentials_uri(&self) -> String {
        format!("{}/-/credentials", self.url())
    }

    /// The URL of the proxy for requests to the hosts of OAuth, with TLS and OAuth only.
    #[must_use]
    pub fn proxy_url(&self) -> Option<String> {
        let has_proxy = self.shared.has_tunnels && self.certificate_pem.is_some();
        has_proxy.then(|| format!("http://127.0.0.1:{}", self.port))
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of TCP connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Adds credentials, or replaces those with the same AccessKey ID.
    pub fn add_credentials(&self, credentials: Credentials) {
        self.service().keys.add(credentials);
    }

    /// Sets the duration of all sessions issued from now on, whatever the request says. `None`
    /// restores the requested duration.
    pub fn set_session_seconds(&self, seconds: Option<u64>) {
        self.service().keys.session_seconds = seconds;
    }

    /// Expires all sessions issued so far.
    pub fn expire_sessions(&self) {
        self.service().keys.expire_sessions();
    }

    /// Sets the token that `AssumeRoleWithOIDC` accepts from this provider, as when a token file is
    /// rotated. The previous token is expired from then on. Adds the provider if it is unknown.
    pub fn set_oidc_token(&self, provider_arn: &str, token: &str) {
        self.service().sts.set_oidc_token(provider_arn, token);
    }

    /// All secrets and tokens that the emulator issued or accepts, so that tests can check that none
    /// of them is leaked.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.service().secrets()
    }

    /// Sets how many seconds the emulator's clock is ahead of the machine's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.service().clock_offset_seconds = seconds;
    }

    /// Sets how many seconds the clock of STS is ahead of that of OSS. Sessions last as long as without it.
    pub fn set_sts_clock_offset(&self, seconds: i64) {
        self.service().sts_clock_offset_seconds = seconds;
    }

    /// Adds a fault after those that are already waiting.
    pub fn inject(&self, fault: Fault) {
        self.service().faults.push(fault);
    }

    /// Removes all faults, and ends stale reads.
    pub fn clear_faults(&self) {
        self.service().clear_faults();
    }

    /// The bucket's actual rule, even while reads are stale.
    #[must_use]
    pub fn rule(&self, bucket: &str) -> Option<EncryptionRule> {
        self.service().store.rule(bucket).cloned()
    }

    /// Sets the bucket's rule without a request and without checks. Creates the bucket if it does not
    /// exist.
    pub fn set_rule(&self, bucket: &str, rule: EncryptionRule) {
        self.service().set_rule(bucket, rule);
    }

    /// Removes the bucket's rule without a request.
    pub fn remove_rule(&self, bucket: &str) {
        // A missing bucket has no rule either.
        let _ = self.service().store.delete_encryption(bucket);
    }

    /// Creates a bucket in the emulator's region. An existing bucket is not changed.
    pub fn create_bucket(&self, bucket: &str) {
        let mut service = self.service();
        let region = service.region.clone();
        let _ = service.store.put_bucket(bucket, &region);
    }

    /// Removes a bucket with its rule and objects.
    pub fn remove_bucket(&self, bucket: &str) {
        self.service().store.remove_bucket_unchecked(bucket);
    }

    /// The bytes of an object as they are stored, that is, encrypted unless nothing encrypts it.
    #[must_use]
    pub fn stored_object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.service().store.object(bucket, key).ok().map(|object| object.stored_bytes().to_vec())
    }

    /// Rotates all master keys. Existing objects stay readable.
    pub fn rotate_master_keys(&self) {
        self.service().master_keys.rotate();
    }

    /// The last 10,000 requests, oldest first. A request is recorded before its response is sent.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service().requests()
    }

    /// Deletes the recorded requests.
    pub fn clear_requests(&self) {
        self.service().clear_requests();
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        self.shared.service()
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Emulator").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn service(&self) -> MutexGuard<'_, Service> {
        // Nothing panics while it holds the lock, and the state would be consistent even then.
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs on the emulator's thread. The runtime ends with the thread and closes all connections.
fn run(
    listener: TcpListener,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
    ready: &mpsc::Sender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.and_then(|runtime| {
        let context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(context);
        Ok((runtime, listener))
    });
    let (started, running) = match result {
        Ok(running) => (Ok(()), Some(running)),
        Err(error) => (Err(error), None),
    };
    // `start` waits for this.
    let _ = ready.send(started);
    if let Some((runtime, listener)) = running {
        runtime.block_on(accept(&listener, shared, stopped));
    }
}

async fn accept(
    listener: &tokio::net::TcpListener,
    shared: &Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(shared)));
            }
            // Most likely out of file descriptors: wait until other connections are closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves the requests of one connection.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    // Otherwise small responses wait for the client's delayed ACK.
    let _ = stream.set_nodelay(true);
    let (stream, end) = match &shared.acceptor {
        None => serve_http1(stream, &shared).await,
        Some(acceptor) => {
            let mut first = [0];
            let is_tunnel = shared.has_tunnels
                && stream.peek(&mut first).await.is_ok()
                && tunnel::is_request(first[0]);
            if is_tunnel && tunnel::open(&mut stream).await.is_err() {
                return;
            }
            // A client that does not use TLS has received an alert by now.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let (mut stream, end) = serve_http1(stream, &shared).await;
            if end == End::Regular {
                // The client may be gone already.
                let _ = stream.shutdown().await;
            }
            (stream.into_inner().0, end)
        }
    };
    if end == End::Reset {
        // With a linger time of zero, closing sends RST instead of FIN.
        let _ = stream.set_zero_linger();
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Regular,
    /// By the client, or in the middle of a body that a fault truncated.
    Aborted,
    Reset,
}

async fn serve_http1<S>(stream: S, shared: &Shared) -> (S, End)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_reset = AtomicBool::new(false);
    let service = service_fn(|request| {
        let is_reset = &is_reset;
        Box::pin(async move {
            handle(request, shared)
                .await
                .inspect_err(|Reset| is_reset.store(true, Ordering::SeqCst))
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let end = match ended {
        _ if is_reset.load(Ordering::SeqCst) => End::Reset,
        Ok(()) => End::Regular,
        Err(_) => End::Aborted,
    };
    (stream, end)
}

async fn handle(
    request: hyper::Request<Incoming>,
    shared: &Shared,
) -> Result<hyper::Response<ResponseBody>, Reset> {
    let since = Instant::now();
    let received = read_request(request).await;
    let now = OffsetDateTime::now_utc();
    let request_id = format!("{:024X}", fastrand::u128(..) >> 32);
    let Handled { record, delivery } = match received {
        Ok(request) => shared.service().serve(&request, now, &request_id),
        Err((request, error)) => shared.service().reject(&request, error, now, &request_id),
    };
    if let Some(observer) = &shared.observer {
        observer(&record);
    }
    match delivery {
        Delivery::Complete { response, delay } => {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(to_hyper_response(response, since, false))
        }
        Delivery::Truncated(response) => Ok(to_hyper_response(response, since, true)),
        Delivery::Reset => Err(Reset),
    }
}
