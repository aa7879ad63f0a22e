//! `terraform-provider-oss`: a Terraform and OpenTofu provider for the default server-side
//! encryption of Alibaba Cloud OSS buckets.
//!
//! The library exists for the binary, the tests and the examples; its interface may change at any time.
//! Data flows one way: bytes → values → decision → request → signature → response → values → bytes.
//! `ARCHITECTURE.md` is the map.
//!
//! * [`plugin`]: the process as a plugin of Terraform: handshake, mutual TLS, shutdown, logging.
//! * [`tfplugin`]: plugin protocol 6: values, schemas, diagnostics, the gRPC service.
//! * [`provider`]: this provider: its configuration and its list of resources.
//! * [`resources`]: the resources and data sources, and what failed calls mean.
//! * [`oss`]: the OSS client, usable without Terraform.
//! * `fuzz`: everything that reads what others wrote, as functions of bytes (built for fuzzing and tests only).

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod oss;
pub mod plugin;
pub mod provider;
pub mod resources;
pub mod tfplugin;
