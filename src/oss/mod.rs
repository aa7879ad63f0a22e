//! The OSS client, a library on its own: request → signature → HTTP → response.
//!
//! [`Client`] offers the calls; the other types are arguments and responses. Signing, retry decisions, XML, addressing
//! and the formats of credential services are pure; IO is in `http`, `credentials` and `send`. It does not
//! depend on Terraform.
//!
//! Sources of the rules: the OSS API reference (`PutBucketEncryption`, `GetBucketEncryption`,
//! `DeleteBucketEncryption`, `ListBuckets`, error responses) and the official V2 SDKs for Go and
//! Python.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use terraform_provider_oss::oss::{BucketName, CallOptions, Client, ClientConfig, Credentials, Region};
//!
//! let client = Client::new(ClientConfig {
//!     region: Some(Region::parse("cn-hangzhou")?),
//!     credentials: Some(Credentials::new("LTAI5t…", "…").into()),
//!     ..ClientConfig::default()
//! });
//! let bucket = BucketName::parse("my-bucket")?;
//! let options = CallOptions::with_timeout(Duration::from_mins(1));
//! let rule = client.get_bucket_encryption(&bucket, &options).await?;
//! println!("{rule}");
//! # Ok(())
//! # }
//! ```

mod buckets;
mod call;
mod client;
mod clock;
pub mod credentials;
mod destination;
mod encryption;
mod endpoint;
mod error;
mod error_code;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod host;
mod http;
mod known_secrets;
mod names;
mod percent;
mod proxy;
mod regions;
mod request;
mod request_body;
mod retry;
mod sanitize;
mod scan;
mod send;
mod service_error;
pub mod sign;
mod timestamp;
mod transport_error;
mod xml;

pub use buckets::{Bucket, BucketEndpoints, BucketPage, ListBucketsRequest};
pub use call::{CallOptions, ResponseMetadata};
pub use client::{Client, ClientConfig};
pub use clock::Clock;
pub use credentials::Credentials;
pub use encryption::{EncryptionRule, SseAlgorithm};
pub use endpoint::{AddressStyle, Endpoint, EndpointError};
pub use error::{Error, ErrorKind};
pub use error_code::ErrorCode;
pub use names::{BucketName, NameError, Region};
pub use regions::EndpointType;
pub use request::Operation;
pub use retry::RetryPolicy;
pub use sanitize::ServerText;
pub use scan::{OtherRegions, ScanError, ScanRequest, ScannedBucket};
pub use service_error::ServiceError;
pub use transport_error::TransportError;
