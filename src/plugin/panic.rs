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
        let text = describe(info, &Backtrace::capture());
        // Not through a macro: those panic again when nobody reads standard error any more.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }));
}

fn describe(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let message = info.payload_as_str().unwrap_or("of unknown cause");
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => format!("{backtrace}\n"),
        _ => String::new(),
    };
    format!("panic: {message}\n\nat {location}\n{backtrace}")
}
