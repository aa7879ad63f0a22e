//! A mirror of the provider, and how to install from it.

use std::fs;
use std::path::Path;

use super::Error;

/// The hosts of the source address `oss-tools/oss` in Terraform and OpenTofu.
const HOSTS: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];

/// Copies the archive into a mirror for both hosts.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn create_mirror(mirror: &Path, archive: &Path) -> Result<(), Error> {
    let name = archive.file_name().ok_or("the archive has no name")?;
    for host in HOSTS {
        let directory = mirror.join(host).join("oss-tools").join("oss");
        fs::create_dir_all(&directory)?;
        fs::copy(archive, directory.join(name))?;
    }
    Ok(())
}

/// The block of a CLI configuration file that installs the provider from the mirror.
///
/// # Errors
///
/// The path does not exist or is not valid UTF-8.
pub fn installation(mirror: &Path) -> Result<String, Error> {
    let mirror = fs::canonicalize(mirror)?;
    let path = mirror.to_str().ok_or("the path of the output directory is not valid UTF-8")?;
    // Without its host, an address is that of the default registry, which is another one in OpenTofu.
    let addresses = HOSTS.map(|host| format!("\"{host}/oss-tools/oss\"")).join(", ");
    Ok(format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path    = {path:?}\n    \
         include = [{addresses}]\n  }}\n  direct {{\n    exclude = [{addresses}]\n  }}\n}}"
    ))
}
