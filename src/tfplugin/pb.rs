//! The messages and services that `build.rs` generates from `proto/tfplugin6.proto`.
//!
//! Only `wire.rs`, `server` and the protocol tests use them.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated code, documented in the proto file"
)]

tonic::include_proto!("tfplugin6");
