//! What a call of the client takes besides its arguments, and what it returns besides its result.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::buckets::BucketEndpoints;
use super::names::Region;
use super::sanitize::ServerText;

/// Options of one call: region, deadline and cancellation.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// The bucket's region, when it is not the client's: the request is signed for it and, unless
    /// the client has an explicit endpoint, sent there.
    pub region: Option<Region>,
    /// Where the bucket is reached, from the list that it is in: without an explicit endpoint of the client,
    /// the request is sent there.
    pub endpoints: BucketEndpoints,
    /// When the operation of the call started.
    pub started: Instant,
    /// When the call times out, including retries.
    pub deadline: Instant,
    /// Cancels the call.
    pub cancellation: CancellationToken,
}

impl CallOptions {
    /// A call in the client's region that may take `limit`, a year at most.
    #[must_use]
    pub fn with_timeout(limit: Duration) -> Self {
        let started = Instant::now();
        Self {
            region: None,
            endpoints: BucketEndpoints::default(),
            started,
            deadline: started + limit.min(Duration::from_hours(365 * 24)),
            cancellation: CancellationToken::new(),
        }
    }
}

/// Metadata of a success response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMetadata {
    /// The HTTP status.
    pub status: u16,
    /// The request ID, for a support ticket.
    pub request_id: ServerText,
}
