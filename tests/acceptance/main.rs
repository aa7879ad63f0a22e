//! Tests with the real `terraform` and the built provider against the local OSS emulator.
//!
//! `TERRAFORM` sets the executable (default `terraform`; `tofu` works too). If it, or another
//! executable that a test needs, is missing, the test prints a notice and passes; with
//! `REQUIRE_TERRAFORM=1` it fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod adopt;
mod conflicts;
mod create;
mod credentials;
mod data_sources;
mod deferral;
#[cfg(unix)]
mod docs;
mod endpoints;
mod errors;
mod files;
mod handover;
mod host;
mod hostile;
mod language;
mod lifecycle;
#[path = "../markdown/mod.rs"]
mod markdown;
mod meta;
mod modules;
#[cfg(unix)]
mod packages;
#[cfg(unix)]
mod pages;
#[cfg(unix)]
mod pipelines;
mod policies;
mod query;
#[cfg(unix)]
mod reattach;
mod refresh;
mod secrets;
mod transport;
mod tunnel;
#[cfg(unix)]
mod workflow;
mod workspace;
