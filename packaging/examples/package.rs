//! Builds the release archive for one platform as the Terraform Registry requires it, the checksums,
//! and a local mirror that Terraform and OpenTofu can install from.
//!
//! ```text
//! cargo run --example package
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use packaging::{
    Error, Platform, build, create_mirror, installation, pack, target_directory, write_sums,
};

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

fn run(options: Options) -> Result<(), Error> {
    let output = match options.output {
        Some(directory) => directory,
        None => target_directory()?.join("dist"),
    };
    fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    if options.only_sums {
        return write_sums(&output);
    }
    let platform = Platform::of(options.target.as_deref())?;
    let binary = if let Some(file) = options.binary {
        file
    } else {
        print_error("building the release binary, which takes minutes unless it is up to date");
        build(options.target.as_deref())?
    };
    let archive = output.join(platform.archive_name());
    pack(&binary, &platform, &archive)?;
    write_sums(&output)?;
    let mirror = output.join("mirror");
    create_mirror(&mirror, &archive)?;
    print_line(&format!(
        "Created {}.\n\nTo install the provider from the mirror, add this to ~/.terraformrc (OpenTofu: ~/.tofurc) or \
         to the file in TF_CLI_CONFIG_FILE:\n\n{}",
        archive.display(),
        installation(&mirror)?,
    ));
    Ok(())
}

fn print_line(text: &str) {
    // Fails if the reader closed the pipe.
    let _ = writeln!(io::stdout(), "{text}");
}

fn print_error(text: &str) {
    let _ = writeln!(io::stderr(), "package: {text}");
}
