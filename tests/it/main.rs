//! Everything below the real terraform: the client against the local OSS emulator, the protocol in
//! memory, the built binary as a process, and the rules of the layout.
//!
//! One binary, because each one links the whole TLS stack.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod adopt;
mod client;
mod conflicts;
mod credentials;
mod data_sources;
mod docs;
mod examples;
mod hostile;
mod layering;
#[path = "../markdown/mod.rs"]
mod markdown;
mod messages;
mod process;
mod protocol;
mod support;
mod tampering;
