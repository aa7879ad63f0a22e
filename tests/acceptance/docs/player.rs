//! Runs the shell blocks of a guide, as a user would type them.

use std::fs;
use std::path::{Path, PathBuf};

use oss_emulator::{Config, EncryptionRule};

use super::commands::not_run;
use super::{KEY_ID, KEY_SECRET, OPENTOFU_REGISTRY, TERRAFORM_REGISTRY};
use crate::markdown::{Block, contains, page_at};
use crate::workspace::Workspace;

/// A guide that is being run.
pub(super) struct Guide<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) environment: Vec<(String, String)>,
    /// Text in the guides, and its replacement on this machine.
    pub(super) replacements: Vec<(&'static str, String)>,
}

impl<'a> Guide<'a> {
    /// A shell that uses the emulator as OSS and STS.
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        let url = workspace.emulator.url();
        let environment = [
            ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
            ("ALIBABA_CLOUD_ENDPOINT_STS", url.as_str()),
            // Providers are in terraform's default directory.
            ("TF_CLI_CONFIG_FILE", ""),
        ];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        fs::create_dir(workspace.path("work")).unwrap();
        fs::create_dir(workspace.path("shell")).unwrap();
        Self { workspace, environment, replacements: vec![("linux_amd64", platform())] }
    }

    /// Sets the AccessKey pair of the documentation.
    pub(super) fn with_credentials(mut self) -> Self {
        self.set("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID);
        self.set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET);
        self
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Installs the providers in terraform's default directory.
    pub(super) fn with_providers(self) -> Self {
        let oss = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        let plugins = self.workspace.path(".terraform.d/plugins");
        put(&plugins, "oss-tools/oss", oss);
        put(&plugins, "aliyun/alicloud", &stand_in());
        self
    }

    /// The current directory of the shell.
    pub(super) fn directory(&self) -> PathBuf {
        let kept = fs::read_to_string(self.workspace.path("shell/directory"));
        kept.map_or_else(|_| self.workspace.path("work"), |path| PathBuf::from(path.trim_end()))
    }

    pub(super) fn read(&self, text: &str) -> String {
        let replaced = |text: String, (shown, real): &(&str, String)| text.replace(shown, real);
        self.replacements.iter().fold(text.to_owned(), replaced)
    }

    /// Runs these blocks in order.
    #[track_caller]
    pub(super) fn play(&mut self, blocks: &[&Block]) {
        assert!(blocks.iter().any(|block| block.is_shell()), "there is nothing to run");
        let mut printed: Option<String> = None;
        for block in blocks {
            let text = self.read(&block.text);
            match block.language.as_str() {
                "text" => {
                    let printed = printed
                        .as_ref()
                        .unwrap_or_else(|| panic!("{}: no command is before this", block.place));
                    let is_printed = contains(printed, &text);
                    assert!(
                        is_printed,
                        "{}: says\n{text}\nbut the command printed\n{printed}",
                        block.place
                    );
                }
                "terraform" | "json" => {
                    if let Some((name, text)) = named(&text) {
                        fs::write(self.directory().join(name), text).unwrap();
                    }
                }
                // The variables of a pipeline.
                "yaml" => {
                    for (name, value) in text.lines().filter_map(variable) {
                        self.set(name, value);
                    }
                }
                "shell" => printed = Some(self.run(&block.place, &text)),
                other => panic!("{}: what is {other:?}?", block.place),
            }
        }
    }

    /// Runs commands in the current directory, and returns their output.
    #[track_caller]
    pub(super) fn run(&self, place: &str, text: &str) -> String {
        let page = place.split(':').next().unwrap();
        let is_run = |line: &&str| not_run(page, line).is_none();
        let lines: Vec<&str> = text.lines().filter(is_run).collect();
        // Stores the shell's variables and directory for the next commands.
        let shell = self.workspace.path("shell");
        let shell = shell.to_str().unwrap();
        let script = format!(
            "exec 2>&1\n[ -e {shell}/variables ] && . {shell}/variables\nset -eu\n{}\nexport -p \
             >{shell}/variables\npwd >{shell}/directory\n",
            lines.join("\n"),
        );
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let run = self.workspace.script(self.directory(), &["sh"], &script, &environment);
        assert_eq!(run.code, Some(0), "{place}: {run}");
        run.stdout
            .lines()
            .map(|line| line.trim_start_matches(['│', '╷', '╵']))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The file name in the first line, and the complete text.
fn named(text: &str) -> Option<(&str, &str)> {
    let name = text.lines().next()?.strip_prefix("# ")?;
    let is_name = name.contains('.') && !name.contains(' ') && !name.ends_with('.');
    is_name.then_some((name, text))
}

/// `NAME: value`, as pipelines write it.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().split_once(": ")?;
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name.then_some((name, value.trim_matches('"')))
}

/// This platform, as Terraform names it.
fn platform() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        architecture => architecture,
    };
    format!("{os}_{architecture}")
}

/// The stub of `aliyun/alicloud`.
pub(super) fn stand_in() -> PathBuf {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let path = provider.parent().unwrap().join("examples/alicloud_stand_in");
    assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
    path
}

/// Adds a provider to a mirror, under its addresses in Terraform and OpenTofu.
pub(super) fn put(mirror: &Path, name: &str, program: &Path) {
    let kind = name.split('/').next_back().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let platform = platform();
    for host in [TERRAFORM_REGISTRY, OPENTOFU_REGISTRY] {
        let directory = mirror.join(format!("{host}/{name}/{version}/{platform}"));
        fs::create_dir_all(&directory).unwrap();
        link(program, &directory.join(format!("terraform-provider-{kind}_v{version}")));
    }
}

/// Links a file, or copies it to another file system.
pub(super) fn link(file: &Path, name: &Path) {
    fs::hard_link(file, name).or_else(|_| fs::copy(file, name).map(drop)).unwrap();
}

pub(super) fn endpoint(change: impl FnOnce(Config) -> Config) -> Option<Workspace> {
    Workspace::with(|config| change(config.with_credentials(KEY_ID, KEY_SECRET)))
}

pub(super) fn aes256() -> EncryptionRule {
    EncryptionRule::new("AES256")
}

/// The blocks of a page, or of one section of it.
pub(super) fn blocks(path: &str, section: Option<&str>) -> Vec<Block> {
    let is_wanted =
        |block: &Block| section.is_none_or(|section| block.section.starts_with(section));
    let blocks: Vec<Block> = page_at(path).blocks.into_iter().filter(is_wanted).collect();
    assert!(!blocks.is_empty(), "{path} has no section {section:?}");
    blocks
}

pub(super) fn all(blocks: &[Block]) -> Vec<&Block> {
    blocks.iter().collect()
}
