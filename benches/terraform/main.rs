//! Run time and resource usage of terraform with this provider: `cargo bench --bench terraform -- --help`.
//! The real terraform runs against the local OSS emulator. The baseline is the builtin resource
//! `terraform_data`, which needs no provider; a bare plugin and a bare loop show what is left to gain.
//!
//! This executable is also what it measures: the recorder, the bare plugin and the bare loop are processes of it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints its results, and fails by panicking"
)]

#[cfg(unix)]
mod bare;
#[cfg(unix)]
mod candidate;
#[cfg(unix)]
mod compare;
#[cfg(unix)]
mod exchange;
#[cfg(unix)]
#[path = "../host/mod.rs"]
mod host;
#[cfg(unix)]
mod install;
#[cfg(unix)]
mod list;
#[cfg(unix)]
mod machine;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod options;
mod page;
#[cfg(unix)]
mod pinned;
#[cfg(unix)]
mod plot;
#[cfg(unix)]
mod provider;
#[cfg(unix)]
mod recorder;
#[cfg(unix)]
mod results;
#[cfg(unix)]
mod service;
#[cfg(unix)]
mod slow;
#[cfg(unix)]
mod steps;
#[cfg(unix)]
mod tables;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    // The recorder first: it can start a bare plugin.
    recorder::run_in_place()
        .or_else(bare::run_in_place)
        .or_else(exchange::run_in_place)
        .unwrap_or_else(measure::main)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this benchmark requires a Unix system");
}
