//! The OSS client, a library on its own: request → signature → HTTP → answer.
//!
//! [`Client`] offers the calls; everything else is the vocabulary of their arguments and answers.
//! Only `client.rs` does IO and reads the clock; signing, retry decisions, XML and addressing are
//! pure. It knows nothing of Terraform.
//!
//! Sources of the rules: the OSS API reference (`PutBucketEncryption`, `GetBucketEncryption`,
//! `DeleteBucketEncryption`, error responses) and the official V2 SDKs for Go and Python.

mod client;
mod credentials;
mod encryption;
mod endpoint;
mod error;
mod names;
mod request;
mod retry;
pub mod sign;
mod xml;

pub use client::{Call, Client, ClientConfig};
pub use credentials::Credentials;
pub use encryption::{EncryptionRule, SseAlgorithm};
pub use endpoint::{AddressStyle, Endpoint, EndpointError};
pub use error::{Error, ErrorKind, ServiceError, TransportError};
pub use names::{BucketName, NameError, Region};
pub use request::Operation;
pub use retry::RetryPolicy;
