//! Run time and resource usage of terraform with this provider: `cargo bench --bench terraform -- --help`.
//! The real terraform runs against the local OSS emulator. The baseline is the builtin resource
//! `terraform_data`, which needs no provider.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints its results, and fails by panicking"
)]

#[cfg(unix)]
mod candidate;
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
mod results;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    recorder::run_in_place().unwrap_or_else(measure::main)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this benchmark requires a Unix system");
}
