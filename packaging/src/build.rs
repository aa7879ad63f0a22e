//! Builds the release binary with Cargo.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Error, NAME, root};

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Cargo's target directory.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn target_directory() -> Result<PathBuf, Error> {
    let metadata = cargo().args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let directory = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    Ok(directory.ok_or("cargo did not report its target directory")?.into())
}

/// Builds the release binary for a Rust target or this machine, and returns its path. Cargo prints its progress. The
/// features are those of the provider alone, so a few crates may be compiled again after a plain
/// `cargo build --release`, which builds the whole workspace.
///
/// # Errors
///
/// The binary could not be built.
pub fn build(target: Option<&str>) -> Result<PathBuf, Error> {
    let mut command = cargo();
    command.args(["build", "--locked", "--release", "--package", NAME]);
    command.arg("--message-format=json-render-diagnostics");
    command.args(target.map(|target| format!("--target={target}")));
    let built = command.stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err("the provider could not be built".into());
    }
    let messages = String::from_utf8(built.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.ok_or_else(|| "cargo did not report the path of the binary".into())
}
