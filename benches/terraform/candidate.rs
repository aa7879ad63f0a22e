//! The resource types that are compared, and how terraform is run with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oss_emulator::{Config, Emulator, EncryptionRule};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::recorder::{self, Usage};

const KEY_ID: &str = "LTAI5tBENCHBENCHBENCHBEN";
const KEY_SECRET: &str = "BenchBenchBenchBenchBenchBench";

/// The measured commands, in this order: from create to destroy.
pub(crate) const STEPS: [Step; 5] = [
    Step { name: "create", calls: 3, arguments: &["apply", "-auto-approve"], algorithm: "AES256" },
    Step {
        name: "plan",
        calls: 1,
        arguments: &["plan", "-detailed-exitcode"],
        algorithm: "AES256",
    },
    Step { name: "validate", calls: 0, arguments: &["validate"], algorithm: "AES256" },
    Step { name: "update", calls: 3, arguments: &["apply", "-auto-approve"], algorithm: "KMS" },
    Step { name: "destroy", calls: 2, arguments: &["destroy", "-auto-approve"], algorithm: "KMS" },
];

/// A command, and the algorithm in the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) algorithm: &'static str,
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

/// The emulator, and the number of requests by operation and status.
pub(crate) struct Service {
    pub(crate) emulator: Emulator,
    calls: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Service {
    pub(crate) fn start(buckets: usize) -> Self {
        let calls = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&calls);
        let mut config =
            Config::default().with_credentials(KEY_ID, KEY_SECRET).with_observer(move |record| {
                let operation = record.operation.clone().unwrap_or_default();
                let what = format!("{operation} {}", record.status);
                *counted.lock().unwrap().entry(what).or_default() += 1;
            });
        for number in 0..buckets {
            config = config.with_bucket(&format!("b-{number:05}"));
        }
        Self { emulator: Emulator::start(config).unwrap(), calls }
    }
}

/// A resource type, and the directory in which terraform manages resources of it.
pub(crate) struct Candidate {
    pub(crate) name: String,
    /// Address and binary; `None` for a resource that terraform has builtin.
    provider: Option<(String, PathBuf)>,
    /// The configuration without the resources.
    header: String,
    directory: TempDir,
    terraform: PathBuf,
    /// The maximum number of resources in a `resource` block.
    pub(crate) largest_block: usize,
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
    /// The baseline: a resource that terraform has builtin.
    pub(crate) fn builtin(terraform: &Path) -> Self {
        Self::new("terraform_data", None, "", terraform)
    }

    /// This provider.
    pub(crate) fn this_provider(binary: &Path, terraform: &Path) -> Self {
        let header = "terraform {\n  required_providers {\n    oss = { source = \"oss-tools/oss\" }\n  }\n}\n\n\
                      variable \"endpoint\" {}\n\n\
                      provider \"oss\" {\n  region = \"cn-hangzhou\"\n  endpoint = var.endpoint\n}\n";
        let provider = ("oss-tools/oss".to_owned(), binary.to_owned());
        Self::new("oss_bucket_encryption", Some(provider), header, terraform)
    }

    /// Another provider, as `address=directory,resource_type,configuration file`. The file contains
    /// the configuration without the resources; it can declare and use `var.endpoint`.
    pub(crate) fn peer(text: &str, terraform: &Path) -> Option<Self> {
        let (address, rest) = text.split_once('=')?;
        let mut parts = rest.split(',');
        let (directory, kind, file) = (parts.next()?, parts.next()?, parts.next()?);
        let directory = std::path::absolute(directory).ok()?;
        let is_binary = |path: &PathBuf| {
            path.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.starts_with("terraform-provider-") && !name.ends_with(".d")
            })
        };
        let entries = fs::read_dir(&directory).ok()?.filter_map(Result::ok);
        let binary = entries.map(|entry| entry.path()).find(is_binary)?;
        let provider = Some((address.to_owned(), binary));
        let mut peer = Self::new(kind, provider, &fs::read_to_string(file).ok()?, terraform);
        peer.name = format!("{kind} ({address})");
        Some(peer)
    }

    fn new(
        kind: &str,
        provider: Option<(String, PathBuf)>,
        header: &str,
        terraform: &Path,
    ) -> Self {
        let directory = TempDir::new().unwrap();
        if let Some((address, binary)) = &provider {
            let recorded = recorder::install(directory.path(), binary);
            for (file, provider_directory) in
                [("timed.tfrc", binary.parent().unwrap()), ("recorded.tfrc", &recorded)]
            {
                let text = format!(
                    "provider_installation {{\n  dev_overrides {{\n    {address:?} = {:?}\n  }}\n  \
                     direct {{}}\n}}\n",
                    provider_directory.to_str().unwrap(),
                );
                fs::write(directory.path().join(file), text).unwrap();
            }
        }
        let header = format!("{header}\n# {kind}\n");
        Self {
            name: kind.to_owned(),
            provider,
            header,
            directory,
            terraform: terraform.to_owned(),
            largest_block: usize::MAX,
        }
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, resources: usize, algorithm: &str) {
        let kind = self.name.split(' ').next().unwrap_or_default();
        let mut text = self.header.clone();
        for (block, numbers) in blocks(resources, self.largest_block) {
            let bucket = format!("format(\"b-%05d\", {} + count.index)", numbers.start);
            let arguments = if self.provider.is_some() {
                format!("  bucket = {bucket}\n  sse_algorithm = {algorithm:?}\n")
            } else {
                format!("  input = {{ bucket = {bucket}, sse_algorithm = {algorithm:?} }}\n")
            };
            let count = numbers.len();
            let _ = write!(
                text,
                "resource \"{kind}\" \"{block}\" {{\n  count = {count}\n{arguments}}}\n\n",
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
            let text = first.replace("b-00000", &format!("b-{number:05}"));
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
        for number in 0..resources {
            let rule = EncryptionRule::new(create.algorithm);
            service.emulator.set_rule(&format!("b-{number:05}"), rule);
        }
    }

    /// Runs terraform, and expects success (with `-detailed-exitcode`: no changes).
    pub(crate) fn run(&self, service: &Service, arguments: &[&str], is_recorded: bool) -> Run {
        let path = |name: &str| self.directory.path().join(name);
        let record = path("record.txt");
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
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_VAR_endpoint", service.emulator.url())
            .env("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID)
            .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET);
        if let Some((_, binary)) = &self.provider {
            let file = if is_recorded { "recorded.tfrc" } else { "timed.tfrc" };
            command.env("TF_CLI_CONFIG_FILE", path(file));
            if is_recorded {
                recorder::enable(&mut command, binary, &record);
            }
        }
        service.emulator.clear_requests();
        service.calls.lock().unwrap().clear();
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
            processes: recorder::take(&record),
            calls: service.calls.lock().unwrap().clone(),
            connections: service.emulator.connections() - connections,
        }
    }
}
