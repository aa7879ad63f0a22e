//! A local emulator of Alibaba Cloud OSS for bucket encryption that verifies every signature. On
//! the same port it emulates what issues temporary credentials: STS, the metadata service of an ECS
//! instance (below `/-/ecs`), a credentials URI (`/-/credentials`), and the services behind the CLI's logins
//! at a browser.
//!
//! Data flows one way: bytes → `request` → `route` (which service) → for OSS `address` and
//! `operation` → `auth` (signature) → `store` (state; content is encrypted by `envelope` before it
//! becomes an `object`) → `response` → bytes; for the other services `sts`, `metadata` or `login` →
//! `key_store` (a new session, which OSS accepts from then on) → `response`. Everything except
//! `server`, `http` and `tls` is pure: no sockets, no clock (time is an argument); only `envelope`
//! uses the system's random numbers. `service` combines the pure parts, `fault` decides which
//! faults apply, and `recorded_request` is what is kept of each request.
//!
//! The crate uses nothing of the provider: an emulator that shared the client's signer would accept
//! the client's mistakes.
//!
//! Comments mark where the behavior of OSS could not be confirmed. Also unconfirmed: the code for
//! bodies over 1 MiB (`EntityTooLarge`), the messages of `IncompleteBody` and
//! `NonStandardHostForbidden`, `BucketAlreadyExists` for a bucket in another region,
//! `CanonicalRequest` in the body of a V4 `SignatureDoesNotMatch`, and that the `ETag` of an
//! encrypted object is the MD5 of its content.
//!
//! ```
//! use oss_emulator::{Config, Emulator, EncryptionRule};
//!
//! let config = Config::default().with_credentials("LTAI5tFAKE", "not-a-secret").with_bucket("demo");
//! let emulator = Emulator::start(config)?;
//! emulator.set_rule("demo", EncryptionRule::new("AES256"));
//! // Point a client at emulator.url(), then inspect its requests:
//! assert!(emulator.requests().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```

mod address;
mod auth;
mod buckets;
mod config;
mod envelope;
mod error;
mod fault;
mod hmac_sha1;
mod http;
mod key_store;
mod login;
mod metadata;
mod object;
mod objects;
mod operation;
mod percent;
mod recorded_request;
mod regions;
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
mod tunnel;
mod xml;

pub use auth::Credentials;
pub use config::{BucketConfig, Config, MetadataMode, Observer, Role};
pub use fault::Fault;
pub use recorded_request::RecordedRequest;
pub use rule::EncryptionRule;
pub use server::Emulator;
