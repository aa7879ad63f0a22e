//! How terraform finds the binary of a provider.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version under which binaries are put into the mirror, which needs one.
const VERSION: &str = "0.0.1";

/// A way of installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Installation {
    /// `dev_overrides`: no `terraform init`, no lock file, no checksum.
    #[default]
    DevOverrides,
    /// `terraform init` from a mirror. Each command checks the package against the lock file.
    Mirror,
    /// The same, with a plugin cache.
    MirrorWithCache,
}

impl fmt::Display for Installation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DevOverrides => "dev_overrides",
            Self::Mirror => "mirror",
            Self::MirrorWithCache => "mirror and cache",
        })
    }
}

/// Writes a configuration of the CLI that finds the binary of the provider `namespace/name`. Returns its path.
pub(crate) fn prepare(
    installation: Installation,
    address: &str,
    binary: &Path,
    directory: &Path,
) -> PathBuf {
    fs::create_dir_all(directory).unwrap();
    let name = address.rsplit('/').next().unwrap();
    let program = format!("terraform-provider-{name}");
    let text = match installation {
        Installation::DevOverrides => {
            let programs = directory.join("programs");
            place(binary, &programs.join(program));
            format!(
                "provider_installation {{\n  dev_overrides {{\n    {address:?} = {}\n  }}\n  \
                 direct {{}}\n}}\n",
                quoted(&programs),
            )
        }
        Installation::Mirror | Installation::MirrorWithCache => {
            let mirror = directory.join("mirror");
            let package =
                mirror.join("registry.terraform.io").join(address).join(VERSION).join(platform());
            place(binary, &package.join(format!("{program}_v{VERSION}")));
            let cache = directory.join("cache");
            fs::create_dir_all(&cache).unwrap();
            let cache = match installation {
                Installation::MirrorWithCache => {
                    format!("plugin_cache_dir = {}\n\n", quoted(&cache))
                }
                _ => String::new(),
            };
            format!(
                "{cache}provider_installation {{\n  filesystem_mirror {{\n    path = {}\n  }}\n}}\n",
                quoted(&mirror),
            )
        }
    };
    let file = directory.join("terraform.tfrc");
    fs::write(&file, text).unwrap();
    file
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_str().unwrap())
}

/// Copies a program, by a link if they are on the same file system.
fn place(program: &Path, target: &Path) {
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let program = fs::canonicalize(program).unwrap();
    if fs::hard_link(&program, target).is_err() {
        fs::copy(&program, target).unwrap();
    }
}

/// The platform as Terraform names it.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}_{architecture}")
}
