//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Measures the real terraform with this provider, with a bare plugin and with the builtin terraform_data,
against the local OSS emulator. Prints the results next to those of docs/performance.json, and writes
performance.json and performance.svg.

Usage: cargo bench --bench terraform -- [OPTIONS]

  --sizes 1,10,…    Numbers of resources (default 1,10,100,1000,10000). Above 100, update is left out and
                    providers are installed from a mirror only. Above 1000, the resources are not
                    created by terraform but generated, and only plan and validate run, once.
  --runs N          Runs of each command at each size (default 7; twice as many below 100 resources)
  --out DIRECTORY   Output directory (default docs)
  --draw            Only draw the plot again, from the existing performance.json
  --short           Only check that this benchmark works: few resources, few runs, and temporary
                    output files

Environment variables: TERRAFORM is the terraform executable, PROVIDER_BINARY a build of this provider.
PEERS=name=path,… adds binaries: a name that starts with null is HashiCorp's null provider, others are
builds of this provider; name=path;namespace/name;resource type;file is any other, whose resource has
bucket and sse_algorithm. The file has its blocks terraform, provider and variable \"endpoint\".";

pub(crate) struct Options {
    pub(crate) sizes: Vec<usize>,
    pub(crate) runs: usize,
    pub(crate) starts: usize,
    /// Numbers of resources, and parallelism.
    pub(crate) slow: Vec<(usize, usize)>,
    /// Buckets of a list query.
    pub(crate) listed: usize,
    /// The maximum size at which every command and installation is measured. Also the maximum number of
    /// resources in a block: Terraform's time grows with its square.
    pub(crate) few: usize,
    /// The maximum size at which terraform creates the resources.
    pub(crate) many: usize,
    pub(crate) out: PathBuf,
    pub(crate) only_draw: bool,
}

impl Options {
    /// Rounds in which time is measured.
    pub(crate) fn timed_rounds(&self, resources: usize) -> usize {
        match resources {
            _ if resources > self.many => 1,
            0..100 if self.runs > 1 => self.runs * 2,
            _ => self.runs,
        }
    }

    /// Rounds in which the resource usage of the processes is measured.
    pub(crate) fn recorded_rounds(&self, resources: usize) -> usize {
        if resources > self.few { 1 } else { self.runs.min(3) }
    }
}

/// The directory of the documentation.
pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Parses the command line. Returns `None` for `--help`.
pub(crate) fn options(scratch: &Path) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        sizes: vec![1, 10, 100, 1000, 10_000],
        runs: 7,
        starts: 100,
        slow: vec![(100, 10), (100, 50), (1000, 10)],
        listed: 10_000,
        few: 100,
        many: 1000,
        out: docs(),
        only_draw: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("sizes") => {
                let text = parser.value()?.string()?;
                let sizes = text.split(',').map(|size| OsString::from(size).parse());
                options.sizes = sizes.collect::<Result<_, _>>()?;
            }
            Long("runs") => options.runs = parser.value()?.parse()?,
            Long("out") => options.out = PathBuf::from(parser.value()?),
            Long("short") => {
                // One size of each kind; the last ones need several blocks.
                (options.sizes, options.few, options.many) = (vec![1, 6, 8], 4, 6);
                (options.runs, options.starts, options.slow) = (1, 3, vec![(8, 10)]);
                options.listed = 20;
                options.out = scratch.into();
            }
            Long("draw") => options.only_draw = true,
            // Added by cargo.
            Long("bench") => {}
            Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}
