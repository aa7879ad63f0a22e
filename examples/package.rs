//! Builds the release archive for one platform as the Terraform Registry requires it, the checksums,
//! and a local mirror that Terraform and OpenTofu can install from.
//!
//! ```text
//! cargo run --example package
//! ```

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

const HELP: &str = "\
Builds a release of the provider, and packages it for registries and mirrors:

  DIR/terraform-provider-oss_VERSION_OS_ARCH.zip
  DIR/terraform-provider-oss_VERSION_manifest.json
  DIR/terraform-provider-oss_VERSION_SHA256SUMS      checksums of all archives in DIR and the manifest
  DIR/mirror/                                        for `filesystem_mirror` and `-plugin-dir`

Usage: cargo run --example package -- [options]

  --target TRIPLE  Rust target to build for (default: this machine)
  --binary FILE    package this binary instead of building one
  --output DIR     output directory (default: dist in Cargo's target directory)
  --sums           only write the checksums of the archives in DIR again
  --help           print this help
";

const NAME: &str = "terraform-provider-oss";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The hosts of the source address `oss-tools/oss` in Terraform and OpenTofu.
const MIRRORED_HOSTS: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print_line(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            print_error(&format!("{error}\nTry --help."));
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The options as they were given.
#[derive(Default)]
struct Options {
    target: Option<String>,
    binary: Option<PathBuf>,
    output: Option<PathBuf>,
    only_sums: bool,
}

impl Options {
    /// Parses the arguments. Returns `None` for `--help`.
    fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, ValueExt as _};

        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("target") => options.target = Some(arguments.value()?.string()?),
                Long("binary") => options.binary = Some(arguments.value()?.into()),
                Long("output") => options.output = Some(arguments.value()?.into()),
                Long("sums") => options.only_sums = true,
                Long("help") | Short('h') => return Ok(None),
                unknown => return Err(unknown.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let output = match options.output {
        Some(directory) => directory,
        None => target_directory()?.join("dist"),
    };
    fs::create_dir_all(&output).map_err(|error| with_path(&output, &error))?;
    if options.only_sums {
        return write_sums(&output);
    }
    let platform = Platform::of(options.target.as_deref())?;
    let binary = match options.binary {
        Some(file) => file,
        None => build(options.target.as_deref())?,
    };
    let archive = output.join(format!("{NAME}_{VERSION}_{}_{}.zip", platform.os, platform.arch));
    pack(&binary, &platform, &archive)?;
    write_sums(&output)?;
    let mirror = output.join("mirror");
    for host in MIRRORED_HOSTS {
        let directory = mirror.join(host).join("oss-tools").join("oss");
        fs::create_dir_all(&directory)?;
        fs::copy(&archive, directory.join(archive.file_name().ok_or("the archive has no name")?))?;
    }
    let mirror = fs::canonicalize(mirror)?;
    // Without its host, an address is that of the default registry, which is another one in OpenTofu.
    let addresses = MIRRORED_HOSTS.map(|host| format!("\"{host}/oss-tools/oss\"")).join(", ");
    let addresses = format!("[{addresses}]");
    print_line(&format!(
        "Created {}.\n\nTo install the provider from the mirror, add this to ~/.terraformrc (OpenTofu: ~/.tofurc) or \
         to the file in TF_CLI_CONFIG_FILE:\n\n\
         provider_installation {{\n  filesystem_mirror {{\n    path    = {:?}\n    \
         include = {addresses}\n  }}\n  direct {{\n    exclude = {addresses}\n  }}\n}}",
        archive.display(),
        mirror.to_str().ok_or("the path of the output directory is not valid UTF-8")?,
    ));
    Ok(())
}

/// A platform, named as in Go and the registries.
struct Platform {
    os: &'static str,
    arch: &'static str,
}

impl Platform {
    /// The platform of a Rust target, or of this machine.
    fn of(target: Option<&str>) -> Result<Self, String> {
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

    fn binary_name(&self) -> String {
        let suffix = if self.os == "windows" { ".exe" } else { "" };
        format!("{NAME}_v{VERSION}{suffix}")
    }
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(ROOT);
    command
}

/// Cargo's target directory.
fn target_directory() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = cargo().args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let directory = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    Ok(directory.ok_or("cargo did not report its target directory")?.into())
}

/// Builds the release binary, and returns its path.
fn build(target: Option<&str>) -> Result<PathBuf, Box<dyn Error>> {
    let mut command = cargo();
    command.args(["build", "--locked", "--release", "--bin", NAME]);
    command.arg("--message-format=json-render-diagnostics");
    command.args(target.map(|target| format!("--target={target}")));
    let built = command.stderr(std::process::Stdio::inherit()).output()?;
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

/// Writes the archive, reproducibly. It has no directory entries: Terraform includes them in the hash
/// of the archive, but not in the hash of the unpacked directory.
fn pack(binary: &Path, platform: &Platform, archive: &Path) -> Result<(), Box<dyn Error>> {
    let entry = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .system(System::Unix);
    let mut zip =
        ZipWriter::new(File::create(archive).map_err(|error| with_path(archive, &error))?);
    for (name, file, mode) in [
        ("LICENSE.txt".to_owned(), Path::new(ROOT).join("LICENSE"), 0o644),
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
fn write_sums(output: &Path) -> Result<(), Box<dyn Error>> {
    let manifest = format!("{NAME}_{VERSION}_manifest.json");
    fs::copy(Path::new(ROOT).join("terraform-registry-manifest.json"), output.join(&manifest))?;
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

fn with_path(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn print_line(text: &str) {
    // Fails if the reader closed the pipe.
    let _ = writeln!(io::stdout(), "{text}");
}

fn print_error(text: &str) {
    let _ = writeln!(io::stderr(), "package: {text}");
}
