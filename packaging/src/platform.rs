//! Platforms, as Rust and as the registries name them.

use super::{NAME, VERSION};

/// A platform, named as in Go and the registries.
#[derive(Debug)]
pub struct Platform {
    os: &'static str,
    arch: &'static str,
}

impl Platform {
    /// The platform of a Rust target such as `aarch64-apple-darwin`, or of this machine.
    ///
    /// # Errors
    ///
    /// No releases are made for the platform.
    pub fn of(target: Option<&str>) -> Result<Self, String> {
        let (system, machine) = match target {
            None => (std::env::consts::OS, std::env::consts::ARCH),
            // Such as `aarch64-apple-darwin`.
            Some(triple) => (triple, triple.split_once('-').map_or(triple, |(machine, _)| machine)),
        };
        let named = |names: &[(&str, &'static str)], text: &str| {
            names.iter().find(|(theirs, _)| text.contains(theirs)).map(|(_, ours)| *ours)
        };
        let systems =
            [("linux", "linux"), ("darwin", "darwin"), ("macos", "darwin"), ("windows", "windows")];
        let machines = [("x86_64", "amd64"), ("aarch64", "arm64")];
        match (named(&systems, system), named(&machines, machine)) {
            (Some(os), Some(arch)) => Ok(Self { os, arch }),
            _ => Err(format!(
                "unsupported platform {}: releases are for Linux, macOS and Windows on x86_64 and \
                 aarch64",
                target.map_or_else(|| format!("{system} on {machine}"), str::to_owned),
            )),
        }
    }

    /// The file name of the archive.
    #[must_use]
    pub fn archive_name(&self) -> String {
        format!("{NAME}_{VERSION}_{}_{}.zip", self.os, self.arch)
    }

    /// The file name of the binary in the archive.
    pub(super) fn binary_name(&self) -> String {
        let suffix = if self.os == "windows" { ".exe" } else { "" };
        format!("{NAME}_v{VERSION}{suffix}")
    }
}
