//! A local HTTP endpoint that behaves as Alibaba Cloud OSS does for bucket encryption, and checks
//! every signature. On the same port it hands out temporary credentials as STS, the metadata
//! service of an ECS instance (below `/-/ecs`) and a credentials URI (`/-/credentials`) do.
//!
//! Data flows one way: bytes → `request` → `route` (which service) → for OSS `address` and
//! `operation` → `auth` (verdict) → `store` (change; content goes through `envelope` before it becomes
//! an `object`) → `answer` → bytes; for the others `sts` or `metadata` → `keys` (a new session, which
//! OSS accepts from then on) → `answer`. Everything but `server`, `http` and `tls` is pure: it knows no
//! socket and no clock, time is an argument; only `envelope` takes random numbers from the system.
//! `service` puts the pure parts together, `fault` decides when the endpoint misbehaves, `exchange`
//! is what it remembers of each request.
//!
//! The module imports nothing from the rest of the crate. It verifies signatures with code of its
//! own: an endpoint that shared the client's signer would accept the client's mistakes.
//!
//! Where OSS's behaviour could not be confirmed, a comment says so. Not confirmed either: the code
//! for bodies over 1 MiB (`EntityTooLarge`), the wording of `IncompleteBody` and
//! `NonStandardHostForbidden`, that a bucket of another region answers `BucketAlreadyExists`,
//! `CanonicalRequest` in the body of a V4 `SignatureDoesNotMatch`, and that the `ETag` of an encrypted
//! object is the MD5 of its content.
//!
//! ```
//! use oss_emulator::{Config, Emulator, EncryptionRule};
//!
//! let config = Config::default().with_credentials("LTAI5tFAKE", "not-a-secret").with_bucket("demo");
//! let emulator = Emulator::start(config)?;
//! // Point a client at emulator.url(), then look at what it did:
//! emulator.set_rule("demo", EncryptionRule::new("AES256"));
//! assert!(emulator.exchanges().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```

mod address;
mod auth;
mod buckets;
mod config;
mod envelope;
mod error;
mod fault;
mod http;
mod key_store;
mod metadata;
mod object;
mod objects;
mod operation;
mod recorded_request;
mod request;
mod response;
mod route;
mod rule;
mod server;
mod service;
mod store;
mod sts;
mod timestamp;
mod tls;
mod xml;

pub use auth::Credentials;
pub use config::{BucketConfig, Config, MetadataMode, Observer, Role};
pub use fault::Fault;
pub use recorded_request::RecordedRequest;
pub use rule::EncryptionRule;
pub use server::Emulator;
