//! Panic messages in the format that Terraform recognizes.
//!
//! The host collects the lines from one that begins with `panic: ` and shows them after the command's own
//! errors (Terraform, `internal/logging/panic.go`). It does not recognize Rust's own format.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::{PanicHookInfo, set_hook};

/// Maximum length of a message, in characters.
const MAX_MESSAGE: usize = 4096;

/// Prints panics to standard error in the format that the host collects.
pub fn install_panic_hook() {
    set_hook(Box::new(|info| {
        let text = format_panic(info, &Backtrace::capture());
        // `eprint!` would panic again if standard error is closed.
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

    /// The argument of the process that panics. The test harness takes it for a filter.
    const PANICS: &str = "this-process-panics";

    #[test]
    fn panics_are_truncated_and_printed_in_the_format_of_the_host() {
        if std::env::args().any(|argument| argument == PANICS) {
            install_panic_hook();
            panic!("{}", "é".repeat(100_000));
        }
        // In a separate process, because the hook applies to the whole process.
        let this =
            concat!(module_path!(), "::panics_are_truncated_and_printed_in_the_format_of_the_host");
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
