//! How long people wait for terraform with this provider, and what its processes use: `cargo bench
//! --bench terraform -- --help`. The real terraform runs against the local endpoint, beside the builtin
//! `terraform_data`, which needs no provider: what that takes is the floor.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints its figures, and fails by panicking"
)]

#[cfg(unix)]
mod candidate;
#[cfg(unix)]
mod results;
#[cfg(unix)]
#[path = "../host/mod.rs"]
mod host;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod plot;
#[cfg(unix)]
mod recorder;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    recorder::run_in_place().unwrap_or_else(measure::main)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this benchmark asks a Unix system what processes used");
}
