//! Hostile peers. Clients that send invalid requests: every RPC returns a diagnostic, nothing crashes, hangs or is
//! sent to OSS, and no state is lost. Services that send malicious responses (`service`, `texts`).

mod concurrency;
mod empty_requests;
mod malformed_values;
mod properties;
pub(crate) mod service;
mod texts;

use serde_json::{Value as Json, json};

use super::support::resource;

fn aes256(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256" }))
}
