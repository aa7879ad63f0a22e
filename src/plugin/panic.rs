//! Panics as Terraform recognises them.
//!
//! The host collects lines from one that begins with `panic: ` and shows them after the command's
//! own errors (Terraform, `internal/logging/panic.go`); Rust's own form is not recognised.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::{PanicHookInfo, set_hook};

/// The longest message printed, in characters.
const MAX_MESSAGE: usize = 4096;

/// Makes panics print to standard error in the form that the host collects.
pub fn install_panic_hook() {
    set_hook(Box::new(|info| {
        let text = format_panic(info, &Backtrace::capture());
        // Not through a macro: those panic again when nobody reads standard error any more.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }));
}

fn format_panic(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let message = info.payload_as_str().unwrap_or("of unknown cause");
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => format!("{backtrace}\n"),
        _ => String::new(),
    };
    format!("panic: {message}\n\nat {location}\n{backtrace}")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Says to this test that it is the process that is to panic: to the harness, one more name of a test.
    const PANICS: &str = "this-process-panics";

    #[test]
    fn a_panic_is_told_in_the_form_that_the_host_collects_and_no_longer_than_that() {
        if std::env::args().any(|argument| argument == PANICS) {
            install_panic_hook();
            panic!("{}", "é".repeat(100_000));
        }
        // In a process of its own: a hook is for the whole process.
        let this = concat!(
            module_path!(),
            "::a_panic_is_told_in_the_form_that_the_host_collects_and_no_longer_than_that"
        );
        let this = this.split_once("::").map(|(_, path)| path).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", this, PANICS, "--nocapture"])
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let place = concat!("\n\nat ", file!(), ":");
        let expected = format!("panic: {}{place}", "é".repeat(MAX_MESSAGE));
        assert!(stderr.contains(&expected), "{stderr}");
    }
}
