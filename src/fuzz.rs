//! Fuzz targets for all parsers of external input, as functions of bytes. `cargo fuzz` calls them with
//! generated inputs (`fuzz/`), `cargo test` with the seed corpus (`fuzz/seeds/`).
//!
//! Only built for these two. A target panics if an invariant is violated, not only if the code crashes.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a target fails by panicking")]

use std::cell::RefCell;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use prost::Message as _;
use serde_json::{Map, Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service as _;

use crate::provider::{Environment, OssProvider};
use crate::tfplugin::{Provider as _, Server, pb};

/// A fuzz target: its name, which its files in `fuzz/` share, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 11] = [
    ("codec", crate::tfplugin::fuzz::codec),
    ("duration", crate::tfplugin::fuzz::duration),
    ("rpc", rpc),
    ("handshake", crate::plugin::fuzz::handshake),
    ("encryption_rule", crate::oss::fuzz::encryption_rule),
    ("bucket_page", crate::oss::fuzz::bucket_page),
    ("error_response", crate::oss::fuzz::error_response),
    ("endpoint", crate::oss::fuzz::endpoint),
    ("timestamp", crate::oss::fuzz::timestamp),
    ("profile_file", crate::oss::fuzz::profile_file),
    ("credentials_response", crate::oss::fuzz::credentials_response),
];

/// Runs the target with this name.
///
/// # Panics
///
/// If an invariant is violated, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    target(data);
}

/// Every RPC. The first byte of an input selects one, the rest is its message.
const RPCS: [&str; 36] = [
    "GetMetadata",
    "GetProviderSchema",
    "ValidateProviderConfig",
    "ConfigureProvider",
    "StopProvider",
    "ValidateResourceConfig",
    "UpgradeResourceState",
    "ReadResource",
    "PlanResourceChange",
    "ApplyResourceChange",
    "ImportResourceState",
    "GenerateResourceConfig",
    "MoveResourceState",
    "GetResourceIdentitySchemas",
    "UpgradeResourceIdentity",
    "ValidateListResourceConfig",
    "ListResource",
    "ValidateDataResourceConfig",
    "ReadDataSource",
    "ValidateEphemeralResourceConfig",
    "OpenEphemeralResource",
    "RenewEphemeralResource",
    "CloseEphemeralResource",
    "GetFunctions",
    "CallFunction",
    "ValidateActionConfig",
    "PlanAction",
    "InvokeAction",
    "ValidateStateStoreConfig",
    "ConfigureStateStore",
    "ReadStateBytes",
    "WriteStateBytes",
    "LockState",
    "UnlockState",
    "GetStates",
    "DeleteState",
];

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

/// Calls an RPC with any bytes as its message: there is a response, and no handler has crashed.
///
/// # Panics
///
/// If an invariant is violated.
pub fn rpc(data: &[u8]) {
    let Some((&choice, message)) = data.split_first() else { return };
    let name = RPCS[usize::from(choice) % RPCS.len()];
    RUNTIME.with_borrow(|runtime| runtime.block_on(call(name, message)));
}

async fn call(name: &str, message: &[u8]) {
    let (status, response) = respond(name, message).await;
    // OK, UNIMPLEMENTED as in a Go provider, or INTERNAL from the transport for invalid messages.
    assert!(["0", "12", "13"].contains(&status.as_str()), "{name}: status {status}");
    let crash = b"The provider crashed";
    assert!(!response.windows(crash.len()).any(|window| window == crash), "{name} crashed");
}

/// Calls an RPC of a new provider, which is configured before. Returns the status and the response body.
async fn respond(name: &str, message: &[u8]) -> (String, Bytes) {
    let server = Server::new(OssProvider::new(Environment::default()), CancellationToken::new());
    let service = server.into_service();
    // A generated configuration is not used for other calls, because it could name any host.
    if name != "ConfigureProvider" {
        let configuration = configuration().encode_to_vec();
        let (status, response) = send(&service, "ConfigureProvider", &configuration).await;
        // An empty message: no diagnostics.
        assert_eq!((status.as_str(), response.len()), ("0", 5), "the configuration is valid");
    }
    send(&service, name, message).await
}

/// A provider block whose endpoint is a port of this machine that refuses connections.
fn configuration() -> pb::configure_provider::Request {
    let block = OssProvider::new(Environment::default()).schema().block;
    let attributes = block.attributes.iter().map(|attribute| attribute.name);
    let names = attributes.chain(block.blocks.iter().map(|nested| nested.name));
    let mut config: Map<String, Json> = names.map(|name| (name.to_owned(), Json::Null)).collect();
    for (name, value) in [
        ("region", json!("cn-hangzhou")),
        ("endpoint", json!("http://127.0.0.1:1")),
        ("access_key", json!("id")),
        ("secret_key", json!("secret")),
        ("max_retries", json!(0)),
    ] {
        config.insert(name.to_owned(), value);
    }
    let json = Json::Object(config).to_string().into_bytes();
    let config = Some(pb::DynamicValue { json, ..Default::default() });
    pb::configure_provider::Request { config, ..Default::default() }
}

/// Sends a message in a gRPC frame. Returns the status and the response body.
async fn send(
    service: &pb::provider_server::ProviderServer<Server<OssProvider>>,
    rpc: &str,
    message: &[u8],
) -> (String, Bytes) {
    let length = u32::try_from(message.len()).expect("inputs are small").to_be_bytes();
    let frame = [&[0], length.as_slice(), message].concat();
    let request = Request::post(format!("/tfplugin6.Provider/{rpc}"))
        .header("content-type", "application/grpc")
        .body(Body::new(Full::from(frame).map_err(|never| match never {})))
        .expect("a request");
    let response = service.clone().call(request).await.expect("a service always responds");
    assert_eq!(response.status(), StatusCode::OK);
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body always ends");
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
    let status = status.or_else(|| head.headers.get("grpc-status")).expect("a status");
    (status.to_str().expect("a number").to_owned(), body.to_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The seed corpus of a target: examples, and inputs that once violated an invariant.
    fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let entries =
            fs::read_dir(&directory).unwrap_or_else(|_| panic!("{}", directory.display()));
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// A mutation of an input: bytes are changed, removed, duplicated, or taken from another input.
    fn mutated(input: &[u8], other: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(0..=input.len());
            let end = random.usize(at..=input.len());
            match random.u8(0..5) {
                0 => input.insert(at, random.u8(..)),
                1 => drop(input.drain(at..end)),
                2 => input.extend_from_within(at..end),
                3 => input.extend_from_slice(&other[random.usize(0..=other.len())..]),
                _ if at < input.len() => input[at] ^= 1 << random.u8(0..8),
                _ => {}
            }
        }
        input
    }

    /// A seed of an RPC, unless it is an empty message, is read as what it is meant to be.
    #[test]
    fn seeds_of_rpcs_can_be_decoded() {
        let mut count = 0;
        for (path, input) in seeds("rpc") {
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.ends_with("_empty") {
                continue;
            }
            let rpc = RPCS[usize::from(input[0])];
            assert_eq!(name.split('_').next(), Some(rpc), "the first byte selects the RPC");
            let (status, response) =
                RUNTIME.with_borrow(|runtime| runtime.block_on(respond(rpc, &input[1..])));
            let response = String::from_utf8_lossy(&response);
            assert_eq!(status, "0", "{name}");
            for complaint in ["could not be decoded", "does not conform"] {
                assert!(!response.contains(complaint), "{name}: {response}");
            }
            count += 1;
        }
        assert!(count > 15, "only {count}");
    }

    #[test]
    fn seeds_and_mutations_hold_invariants() {
        let random = &mut fastrand::Rng::with_seed(6);
        for (name, target) in TARGETS {
            let inputs = seeds(name);
            assert!(!inputs.is_empty(), "{name}");
            for (path, input) in &inputs {
                assert!(catch_unwind(|| target(input)).is_ok(), "{}", path.display());
                for _ in 0..20 {
                    let other = &inputs[random.usize(0..inputs.len())].1;
                    let input = mutated(input, other, random);
                    let shown = input.escape_ascii().to_string();
                    assert!(catch_unwind(|| target(&input)).is_ok(), "{name}: {shown}");
                }
            }
        }
    }
}
