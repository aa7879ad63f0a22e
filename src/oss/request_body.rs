//! A request body that records whether the request was handed to a connection.
//!
//! A request that waits for a connection (name resolution, connect, TLS handshake, a pool) cannot have been
//! executed. hyper looks at a body only once it has an established connection to write the request to.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Whether a request was handed to a connection. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub(super) struct SentFlag(Arc<AtomicBool>);

impl SentFlag {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The bytes of a request body, which may be empty.
#[derive(Debug)]
pub(super) struct RequestBody {
    bytes: Bytes,
    sent: SentFlag,
}

impl RequestBody {
    pub(super) fn new(bytes: Vec<u8>, sent: SentFlag) -> Self {
        Self { bytes: bytes.into(), sent }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.set();
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    /// Also called for an empty body, which is never polled.
    fn is_end_stream(&self) -> bool {
        self.sent.set();
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
