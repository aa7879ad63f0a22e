//! The archive and its checksums.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::{Error, NAME, Platform, VERSION, root, with_path};

/// Writes the archive, reproducibly. It has no directory entries: Terraform includes them in the hash
/// of the archive, but not in the hash of the unpacked directory.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn pack(binary: &Path, platform: &Platform, archive: &Path) -> Result<(), Error> {
    let entry = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .system(System::Unix);
    let mut zip =
        ZipWriter::new(File::create(archive).map_err(|error| with_path(archive, &error))?);
    for (name, file, mode) in [
        ("LICENSE.txt".to_owned(), root().join("LICENSE"), 0o644),
        (platform.binary_name(), binary.to_owned(), 0o755),
    ] {
        zip.start_file(name, entry.unix_permissions(mode))?;
        let mut content = File::open(&file).map_err(|error| with_path(&file, &error))?;
        io::copy(&mut content, &mut zip)?;
    }
    zip.finish()?.flush()?;
    Ok(())
}

/// Writes the manifest and the checksums of all archives of this version.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn write_sums(output: &Path) -> Result<(), Error> {
    let manifest = format!("{NAME}_{VERSION}_manifest.json");
    fs::copy(root().join("terraform-registry-manifest.json"), output.join(&manifest))?;
    let mut names = vec![manifest];
    for entry in fs::read_dir(output)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_archive = path.extension().is_some_and(|extension| extension == "zip");
        if is_archive && name.starts_with(&format!("{NAME}_{VERSION}_")) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let mut lines = Vec::new();
    for name in names {
        let sum = Sha256::digest(fs::read(output.join(&name))?);
        let sum: Vec<String> = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("{}  {name}\n", sum.concat()));
    }
    Ok(fs::write(output.join(format!("{NAME}_{VERSION}_SHA256SUMS")), lines.concat())?)
}
