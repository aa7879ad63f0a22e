//! The real `terraform` drives the built provider against the local endpoint.
//!
//! `TERRAFORM` names the program (default `terraform`). Where it is absent these tests say so and
//! pass; with `REQUIRE_TERRAFORM=1` they fail.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod adopt;
mod credentials;
#[cfg(unix)]
mod docs;
mod errors;
mod files;
mod language;
mod lifecycle;
#[cfg(unix)]
#[path = "../markdown/mod.rs"]
mod markdown;
mod meta;
mod modules;
mod packages;
mod pages;
mod pipelines;
mod secrets;
mod transport;
mod workflow;
mod workspace;
