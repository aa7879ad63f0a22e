//! The emulator from the outside: over sockets, and as a command.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod command;
mod http;
mod support;
