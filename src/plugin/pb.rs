//! The messages and services that `build.rs` generates from `proto/go_plugin/`.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::pedantic,
    reason = "generated code, documented in the proto files"
)]

tonic::include_proto!("plugin");
