//! The process as a plugin of Terraform or OpenTofu: handshake, mutual TLS, shutdown, logging.
//!
//! Independent of providers: the caller passes the gRPC services. Each connection gets its own services, so that
//! several configurations can be used at once in debug mode.
//!
//! Contract: go-plugin, `docs/internals.md`, `server.go` and `client.go`; Terraform,
//! `internal/plugin6/serve.go`.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod handshake;
mod listener;
pub mod log;
mod panic;
mod pb;
mod reattach;
mod serve;
mod services;
mod tls;

pub use handshake::{DIRECT_RUN_MESSAGE, HandshakeEnv, HandshakeParams, negotiate};
pub use panic::install_panic_hook;
pub use serve::{Error, serve, serve_debug};
