//! Packages the provider as the Terraform Registry requires it, and as a mirror that Terraform and OpenTofu
//! install from.
//!
//! A crate of its own, because an example of the provider would compile all its test dependencies first.

mod archive;
mod build;
mod mirror;
mod platform;

use std::io;
use std::path::{Path, PathBuf};

pub use archive::{pack, write_sums};
pub use build::{build, target_directory};
pub use mirror::{create_mirror, installation};
pub use platform::Platform;

/// The name of the provider's binary and of its archives.
pub const NAME: &str = "terraform-provider-oss";
/// The version of the provider: all packages of the workspace have the same.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The error of any step, as text for the user.
pub type Error = Box<dyn std::error::Error>;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn with_path(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
