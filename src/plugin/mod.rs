//! The process as a plugin of Terraform or OpenTofu: handshake, mutual TLS, shutdown, logging.
//!
//! It knows nothing of providers: the caller passes the gRPC services to offer. Each connection
//! gets services of its own, so that several configurations can be in use at once in debug mode.
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
