//! A working directory for terraform, with an emulator.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use oss_emulator::{Config, Emulator};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) const KEY_ID: &str = "LTAI5tTESTTESTTESTTEST01";
pub(crate) const KEY_SECRET: &str = "TestSecretTestSecretTestSecret";

/// The test's AccessKey pair, as environment variables.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID), ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET)];

/// The characters that URLs and forms encode.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The beginning of every test's configuration.
const HEADER: &str = r#"
terraform {
  required_providers {
    oss = { source = "oss-tools/oss" }
  }
}
"#;

pub(crate) struct Workspace {
    pub(crate) emulator: Emulator,
    directory: TempDir,
    terraform: PathBuf,
    /// Files written by the test, which may contain secrets: configurations, profiles, tokens.
    written: RefCell<BTreeSet<PathBuf>>,
}

/// The result of a command.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    /// With the line breaks and frames of terraform's messages replaced by single spaces.
    pub(crate) stderr: String,
    /// The trace log of terraform and the provider.
    pub(crate) log: String,
    what: String,
}

impl Workspace {
    /// Creates a workspace. Returns `None`, and prints a notice, if there is no terraform.
    pub(crate) fn new(buckets: &[&str]) -> Option<Self> {
        let config =
            |config| buckets.iter().fold(config, |config: Config, name| config.with_bucket(name));
        Self::with(config)
    }

    /// Like [`new`](Self::new), with changes to the emulator's configuration.
    pub(crate) fn with(change: impl FnOnce(Config) -> Config) -> Option<Self> {
        let terraform = terraform()?;
        let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
        let workspace = Self {
            emulator: Emulator::start(change(config)).unwrap(),
            directory: TempDir::new().unwrap(),
            terraform,
            written: RefCell::default(),
        };
        let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        workspace.install(&[("oss-tools/oss", provider.parent().unwrap())]);
        Some(workspace)
    }

    /// Makes terraform use these providers from these directories.
    pub(crate) fn install(&self, providers: &[(&str, &Path)]) {
        let overrides: Vec<String> = providers
            .iter()
            .map(|(name, directory)| format!("    {name:?} = {:?}\n", directory.to_str().unwrap()))
            .collect();
        let overrides = overrides.concat();
        let cli_config = format!(
            "provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n"
        );
        self.write("cli.tfrc", &cli_config);
    }

    /// Makes `terraform init` install the provider from this mirror.
    pub(crate) fn install_from(&self, mirror: &Path) {
        let path = mirror.to_str().unwrap();
        let cli_config = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = {path:?}\n  }}\n}}\n"
        );
        self.write("cli.tfrc", &cli_config);
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the working directory, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        self.written.borrow_mut().insert(path.clone());
        path.into_os_string().into_string().unwrap()
    }

    /// Writes a configuration that uses the emulator, with `resources`.
    pub(crate) fn configure(&self, resources: &str) {
        let provider = format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n}}\n",
            self.emulator.url(),
        );
        self.configure_with(&provider, resources);
    }

    /// Writes a configuration with another provider block.
    pub(crate) fn configure_with(&self, provider: &str, resources: &str) {
        self.write("main.tf", &format!("{HEADER}{provider}{resources}"));
    }

    /// Runs terraform with the test's credentials in the environment.
    pub(crate) fn terraform(&self, arguments: &[&str]) -> Run {
        self.terraform_in(&KEYS, arguments)
    }

    /// A terraform command with this environment, isolated from the user's.
    pub(crate) fn command(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = self.program(self.terraform.as_os_str(), environment);
        command.args(arguments);
        command
    }

    /// A command with this environment, isolated from the user's.
    fn program(&self, program: &OsStr, environment: &[(&str, &str)]) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let home = self.directory.path();
        let mut command = Command::new(program);
        command
            .current_dir(home)
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("TF_CLI_CONFIG_FILE", home.join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .envs(environment.iter().copied());
        command
    }

    /// Runs terraform with this environment, isolated from the user's. Fails if a secret is in its
    /// output, its log, or any file that it leaves.
    #[track_caller]
    pub(crate) fn terraform_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Run {
        self.run(self.command(environment, arguments), format!("terraform {}", arguments.join(" ")))
    }

    /// Runs a script with this shell in a directory of the workspace, as a terminal or a pipeline does.
    /// The executable under test is called `terraform` there.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn script(
        &self,
        directory: impl AsRef<Path>,
        shell: &[&str],
        script: &str,
        environment: &[(&str, &str)],
    ) -> Run {
        let programs = self.path("bin");
        let name = programs.join("terraform");
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !name.exists() {
            let found =
                std::env::split_paths(&path).map(|directory| directory.join(&self.terraform));
            let found = found.into_iter().find(|file| file.is_file());
            fs::create_dir(&programs).unwrap();
            std::os::unix::fs::symlink(found.unwrap(), name).unwrap();
        }
        let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path)));
        let mut command = self.program(OsStr::new(shell[0]), environment);
        command.args(&shell[1..]).arg(self.write("script", script));
        command.current_dir(self.directory.path().join(directory));
        command.env("PATH", path.unwrap()).env("TF_CLI_ARGS", "-no-color");
        self.run(command, script.to_owned())
    }

    #[track_caller]
    fn run(&self, mut command: Command, what: String) -> Run {
        let log = self.path("trace.log");
        let output = command.env("TF_LOG", "trace").env("TF_LOG_PATH", &log).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        // A script may not have run terraform.
        let log = fs::read_to_string(&log).unwrap_or_default();
        let run = Run { code: output.status.code(), stderr: fold(&stderr), stdout, what, log };
        assert_eq!(self.secrets_in(&run, &[]), Vec::<String>::new(), "{run}");
        run
    }

    /// The secrets of the emulator, and those in `more`, that were printed, logged, or left in a file.
    pub(crate) fn secrets_in(&self, run: &Run, more: &[&str]) -> Vec<String> {
        let known = self.emulator.secrets();
        let known = known.iter().map(String::as_str).chain(more.iter().copied());
        // Fragments of signatures.
        let signed = ["OSS4-HMAC-SHA256", "Signature=", "aliyun_v4_request"];
        let texts = [&run.stdout, &run.stderr, &run.log];
        let files = self.files();
        let texts: Vec<&str> = texts.into_iter().chain(&files).map(String::as_str).collect();
        // Verbatim, and encoded as in a URL or a form.
        let is_shown = |secret: &&str| {
            let encoded = utf8_percent_encode(secret, ENCODED).to_string();
            texts.iter().any(|text| text.contains(secret) || text.contains(&encoded))
        };
        known.chain(signed).filter(is_shown).map(str::to_owned).collect()
    }

    /// The content of files that the test did not write: states, their backups, crash logs.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let is_foreign = |path: &PathBuf| path.is_file() && !self.written.borrow().contains(path);
        entries
            .map(|entry| entry.unwrap().path())
            .filter(is_foreign)
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect()
    }

    /// Applies, and expects success.
    pub(crate) fn apply(&self) -> Run {
        self.terraform(&["apply", "-auto-approve", "-no-color"]).succeeds()
    }

    /// Plans, and expects no changes.
    pub(crate) fn expect_no_changes(&self) {
        let plan = self.terraform(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(plan.code, Some(0), "{plan}");
    }

    /// Plans, and expects changes. Returns terraform's output.
    pub(crate) fn expect_changes(&self) -> String {
        let plan = self.terraform(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(plan.code, Some(2), "{plan}");
        plan.stdout
    }

    /// The attributes of all resources in the state, by address.
    pub(crate) fn state(&self) -> Vec<(String, Json)> {
        let shown = self.terraform(&["show", "-json"]).succeeds().stdout;
        let state: Json = serde_json::from_str(&shown).unwrap();
        let none = Vec::new();
        let resources =
            state["values"]["root_module"]["resources"].as_array().unwrap_or(&none).clone();
        resources
            .into_iter()
            .map(|resource| {
                (resource["address"].as_str().unwrap().to_owned(), resource["values"].clone())
            })
            .collect()
    }

    /// The requests to the emulator since the last call of this function, such as `PUT demo 200`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.emulator.requests();
        self.emulator.clear_requests();
        let line = |record: &oss_emulator::RecordedRequest| {
            let bucket = record.bucket.as_deref().unwrap_or("-");
            format!("{} {bucket} {}", record.method, record.status)
        };
        calls.iter().map(line).collect()
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        assert_eq!(self.code, Some(1), "{self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, what, .. } = self;
        write!(formatter, "{what} ended with {code:?}\n{stdout}\n{stderr}")
    }
}

/// The terraform executable, or `None` if it cannot be run.
fn terraform() -> Option<PathBuf> {
    let name = std::env::var_os("TERRAFORM").filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| OsString::from("terraform"));
    runs(&name).then(|| PathBuf::from(name))
}

/// Whether an executable that a test needs can be run. If not, prints a notice, or fails if it is
/// required.
pub(crate) fn runs(program: impl AsRef<OsStr>) -> bool {
    let program = program.as_ref();
    let found = Command::new(program).arg("--version").env("CHECKPOINT_DISABLE", "1").output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let message = format!("{} cannot be run: this acceptance test did NOT run", program.display());
    let is_required = std::env::var_os("REQUIRE_TERRAFORM").is_some_and(|value| !value.is_empty());
    assert!(!is_required, "{message}");
    // Not with the macro, whose output is hidden if the test passes.
    let _ = writeln!(std::io::stderr(), "\n*** {message} ***");
    false
}

/// Terraform wraps its messages and draws a frame around them.
fn fold(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !"│╷╵".contains(word)).collect();
    words.join(" ")
}
