//! A resource type with a way of installation, and how terraform is run with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::install::{self, Installation};
use super::provider::{BUILTIN_ARGUMENTS, Provider};
use super::recorder::{self, Usage};
use super::service::{KEY_ID, KEY_SECRET, Service, bucket};

/// The measured commands, in this order: from create to destroy.
pub(crate) const STEPS: [Step; 6] = [
    Step { name: "create", calls: 3, arguments: APPLY, algorithm: "AES256", has_state: false },
    Step {
        name: "plan",
        calls: 1,
        arguments: &["plan", "-detailed-exitcode"],
        algorithm: "AES256",
        has_state: true,
    },
    Step {
        name: "validate",
        calls: 0,
        arguments: &["validate"],
        algorithm: "AES256",
        has_state: true,
    },
    Step { name: "update", calls: 3, arguments: APPLY, algorithm: "KMS", has_state: true },
    // The rules are those of the update already.
    Step { name: "adopt", calls: 1, arguments: APPLY, algorithm: "KMS", has_state: false },
    Step {
        name: "destroy",
        calls: 2,
        arguments: &["destroy", "-auto-approve"],
        algorithm: "KMS",
        has_state: true,
    },
];
const APPLY: &[&str] = &["apply", "-auto-approve"];

/// A command, and the algorithm in the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) algorithm: &'static str,
    /// Whether the resources are in the state before the command.
    pub(crate) has_state: bool,
    /// The number of requests that this provider sends for each resource.
    pub(crate) calls: usize,
}

/// The names and bucket numbers of the `resource` blocks for this number of resources. Terraform's time
/// for a block grows with the square of its `count`, so no block is larger than `largest`.
fn blocks(resources: usize, largest: usize) -> impl Iterator<Item = (String, Range<usize>)> {
    (0..resources)
        .step_by(largest)
        .enumerate()
        .map(move |(index, start)| (format!("all_{index}"), start..resources.min(start + largest)))
}

/// A resource type, and the directory in which terraform manages resources of it.
pub(crate) struct Candidate {
    /// Its name in the results.
    pub(crate) name: String,
    /// `None` for a resource that terraform has builtin.
    pub(crate) provider: Option<Provider>,
    pub(crate) installation: Installation,
    directory: TempDir,
    terraform: PathBuf,
    /// The maximum number of resources in a `resource` block.
    largest_block: usize,
}

/// The measurements of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) time: Duration,
    /// CPU time of terraform and its providers.
    pub(crate) cpu: Duration,
    /// Usage of each provider process; empty in a timed run.
    pub(crate) processes: Vec<Usage>,
    /// Number of requests by operation and status.
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) connections: usize,
}

impl Candidate {
    /// A resource that terraform has builtin, or one of a provider.
    pub(crate) fn new(
        provider: Option<Provider>,
        installation: Installation,
        terraform: &Path,
        largest_block: usize,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        if let Some(provider) = &provider {
            let path = |name: &str| directory.path().join(name);
            let Provider { address, binary, .. } = provider;
            install::prepare(installation, address, binary, &path("timed"));
            // Where the binary is installed does not matter for what it uses.
            let recorder = std::env::current_exe().unwrap();
            install::prepare(Installation::DevOverrides, address, &recorder, &path("recorded"));
        }
        let name = provider.as_ref().map_or("terraform_data", |provider| &provider.name).to_owned();
        let terraform = terraform.to_owned();
        let candidate = Self { name, provider, installation, directory, terraform, largest_block };
        if installation != Installation::DevOverrides {
            candidate.configure(1, "AES256");
            let mut command = candidate.command(&["init", "-input=false"], false);
            let output = command.output().expect("terraform can be started");
            assert!(
                output.status.success(),
                "{}: terraform init: {}",
                candidate.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        candidate
    }

    /// Whether this is the measured build, whose requests are known. Other builds may send others.
    pub(crate) fn is_this_provider(&self) -> bool {
        self.name == "oss_bucket_encryption"
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, resources: usize, algorithm: &str) {
        let (header, resource_type, arguments) = match &self.provider {
            Some(Provider { header, resource_type, arguments, .. }) => {
                (header.as_str(), resource_type.as_str(), *arguments)
            }
            None => ("", "terraform_data", BUILTIN_ARGUMENTS),
        };
        let mut text = header.to_owned();
        for (block, numbers) in blocks(resources, self.largest_block) {
            let bucket = format!("format(\"b-%05d\", {} + count.index)", numbers.start);
            let arguments = arguments
                .replace("BUCKET", &bucket)
                .replace("ALGORITHM", &format!("{algorithm:?}"));
            let count = numbers.len();
            let _ = write!(
                text,
                "resource \"{resource_type}\" \"{block}\" {{\n  count = {count}\n{arguments}}}\n\n",
            );
        }
        fs::write(self.directory.path().join("main.tf"), text).unwrap();
    }

    /// Deletes the state, because the next apply would destroy its resources one by one. Returns the
    /// path of the state file.
    pub(crate) fn delete_state(&self) -> PathBuf {
        let file = self.directory.path().join("terraform.tfstate");
        let _ = fs::remove_file(&file);
        file
    }

    /// Adds this number of resources to the state and the service, as copies of one that terraform
    /// created. Creating all of them would take minutes.
    pub(crate) fn seed(&self, service: &Service, resources: usize, create: &Step) {
        let file = self.delete_state();
        self.configure(1, create.algorithm);
        self.run(service, create.arguments, false);
        let mut state: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let created = state["resources"][0].clone();
        let first = created["instances"][0].to_string();
        let instance = |index: usize, number: usize| -> Json {
            let text = first.replace("b-00000", &bucket(number));
            let mut instance: Json = serde_json::from_str(&text).unwrap();
            instance["index_key"] = index.into();
            instance
        };
        let resource = |(block, numbers): (String, Range<usize>)| {
            let mut resource = created.clone();
            let numbers = numbers.enumerate();
            resource["instances"] =
                numbers.map(|(index, number)| instance(index, number)).collect();
            resource["name"] = block.into();
            resource
        };
        state["resources"] = blocks(resources, self.largest_block).map(resource).collect();
        fs::write(file, state.to_string()).unwrap();
        service.set_rules(resources, create.algorithm);
    }

    fn command(&self, arguments: &[&str], is_recorded: bool) -> Command {
        let mut command = Command::new(&self.terraform);
        command
            .args(arguments)
            .arg("-no-color")
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1");
        if let Some(provider) = &self.provider {
            let directory = if is_recorded { "recorded" } else { "timed" };
            let file = self.directory.path().join(directory).join("terraform.tfrc");
            command.env("TF_CLI_CONFIG_FILE", file);
            command.envs(provider.variables.iter().cloned());
            if is_recorded {
                recorder::enable(&mut command, &provider.binary, &self.record());
            }
        }
        command
    }

    /// The file with what the recorder recorded.
    fn record(&self) -> PathBuf {
        self.directory.path().join("record.txt")
    }

    /// Runs terraform, and expects success (with `-detailed-exitcode`: no changes).
    pub(crate) fn run(&self, service: &Service, arguments: &[&str], is_recorded: bool) -> Run {
        let mut command = self.command(arguments, is_recorded);
        command
            .env("TF_VAR_endpoint", service.emulator.url())
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET);
        service.take_calls();
        let (cpu, connections) = (recorder::cpu_of_children(), service.emulator.connections());
        let started = Instant::now();
        let output = command.output().expect("terraform can be started");
        let time = started.elapsed();
        assert!(
            output.status.success(),
            "{}: terraform {} ended with {}\n{}\n{}",
            self.name,
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        Run {
            time,
            cpu: recorder::cpu_of_children().saturating_sub(cpu),
            processes: recorder::take(&self.record()),
            calls: service.take_calls(),
            connections: service.emulator.connections() - connections,
        }
    }
}
