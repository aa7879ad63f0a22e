//! What people read works: every configuration of the documentation is formatted and valid, and every
//! guide is played from its first command to its last, against the local endpoint.
//!
//! How a guide is played: a configuration whose first line is a comment with the name of a file is
//! written to that file; commands are run in a shell that keeps its variables and its folder; a block
//! of `text` behind commands is a part of what they printed, with `…` for anything.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use oss_emulator::{Config, EncryptionRule, Role};

use super::markdown::{Block, contains, page_at, pages};
use super::workspace::Workspace;

/// What is not run: the page, how its lines begin, and why.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("CONTRIBUTING.md", "cargo build", "`.ci/run` does it"),
    ("CONTRIBUTING.md", "cargo test", "that is this"),
    ("CONTRIBUTING.md", "cargo run -- --debug", "tests/it/process.rs serves for long"),
    (
        "CONTRIBUTING.md",
        "cargo run --example quickstart |",
        "`.ci/run` runs it; the rest needs a tool",
    ),
    ("CONTRIBUTING.md", "  term-transcript", "a tool that only makes the picture"),
    ("CONTRIBUTING.md", "    --scroll-len", "a tool that only makes the picture"),
    ("README.md", "cargo run --example bucket_encryption", "tests/it/examples.rs runs it"),
    ("README.md", "cargo run -p oss-emulator", "serves until Ctrl-C; emulator/tests runs it"),
    ("README.md", "cargo run --example package", "tests/acceptance/packages.rs runs it"),
    ("README.md", "cargo run --example quickstart", "builds the provider; `.ci/run` runs it"),
    ("README.md", "cargo run --example sign_request", "tests/it/examples.rs runs it"),
    ("README.md", "cargo test", "that is this"),
    ("README.md", "curl -X POST {endpoint}/-/faults", "emulator/tests sends such faults"),
    ("README.md", "export ALIBABA_CLOUD_ACCESS_KEY_", "the guide to getting started is played"),
    ("README.md", "terraform init", "the guide to getting started is played"),
    ("README.md", "terraform apply", "the guide to getting started is played"),
    (GETTING_STARTED, "cargo build --release", "takes minutes; `.ci/run` does it"),
    (GETTING_STARTED, "cargo run -p oss-emulator", "emulator/tests runs it"),
    (DISCOVERING, "terraform query", "needs Terraform 1.14; tests/it/docs.rs makes its calls"),
    ("docs/performance.md", "cargo bench", "takes minutes; `.ci/run` runs short forms"),
    ("docs/reliability.md", "mkdir -p fuzz/corpus/codec", "for the next line"),
    (
        "docs/reliability.md",
        "cargo +nightly fuzz",
        "needs a nightly compiler; `cargo test` runs the seeds",
    ),
    (MODULE, "cargo run -p oss-emulator", "tests/acceptance/modules.rs has an endpoint of its own"),
    (MODULE, "terraform test", "tests/acceptance/modules.rs runs it"),
    (RELEASE, "", "tests/acceptance/packages.rs takes them from there"),
];

const GETTING_STARTED: &str = "docs/guides/getting-started.md";
const AUTHENTICATION: &str = "docs/guides/authentication.md";
const MOVING: &str = "docs/guides/moving-from-alicloud.md";
const DISCOVERING: &str = "docs/guides/discovering-unencrypted-buckets.md";
const CHOOSING: &str = "docs/guides/choosing-an-algorithm.md";
const RELEASE: &str = "docs/guides/release.md";
const TROUBLESHOOTING: &str = "docs/guides/troubleshooting.md";
const MODULE: &str = "examples/modules/encrypted-buckets/README.md";
const RESOURCE: &str = "docs/resources/bucket_encryption.md";

/// What tests below play: a page, and how the titles of its sections begin.
const PLAYED: &[(&str, &[&str])] = &[
    (GETTING_STARTED, &[""]),
    (AUTHENTICATION, &SOURCES),
    (MOVING, &["The resource", "The inline rule"]),
    (DISCOVERING, &["Before Terraform 1.14"]),
    (CHOOSING, &[""]),
    (TROUBLESHOOTING, &["Looking closer"]),
    (RESOURCE, &["Import"]),
];

/// The keys that the documentation shows.
const KEY_ID: &str = "LTAI5tEXAMPLEEXAMPLE0001";
const KEY_SECRET: &str = "ExampleSecretThatOpensNothing1";
/// The hosts that a source without a host is short for.
const TERRAFORM_REGISTRY: &str = "registry.terraform.io";
const OPENTOFU_REGISTRY: &str = "registry.opentofu.org";
const ACCOUNT: &str = "acs:ram::1234567890123456";

// ---- configurations ----------------------------------------------------------------------------

/// What reads a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// The command line, as its own configuration.
    CommandLine,
    /// `terraform test`.
    Tests,
    /// A newer Terraform than the one at hand; `tests/it/docs.rs` checks what the provider sees of it.
    Newer,
    /// Terraform.
    Terraform,
}

impl Reader {
    fn of(block: &Block) -> Self {
        if block.has_top_level("provider_installation") {
            Self::CommandLine
        } else if block.has_top_level("mock_provider") || block.has_top_level("run") {
            Self::Tests
        } else if block.has_top_level("list")
            || (block.has_top_level("import") && block.text.contains("identity = {"))
        {
            Self::Newer
        } else {
            Self::Terraform
        }
    }
}

fn configurations() -> impl Iterator<Item = Block> {
    pages().into_iter().flat_map(|page| page.blocks).filter(Block::is_terraform)
}

#[test]
fn every_configuration_is_formatted() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    fs::create_dir(workspace.path("formatted")).unwrap();
    for (number, block) in configurations().enumerate() {
        // terraform does not format these: it takes their quoted names for a mistake.
        if Reader::of(&block) != Reader::CommandLine {
            let place = block.place.replace(['/', ':', '.'], "-");
            workspace.write(&format!("formatted/{number}-{place}.tf"), &block.text);
        }
    }
    workspace
        .terraform(&["fmt", "-check", "-diff", "-no-color", "-recursive", "formatted"])
        .succeeds();
}

#[test]
fn every_configuration_is_valid() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let folder = workspace.path("alicloud");
    fs::create_dir(&folder).unwrap();
    link(&stand_in(), &folder.join("terraform-provider-alicloud"));
    let installed = [("oss-tools/oss", provider.parent().unwrap()), ("aliyun/alicloud", &folder)];
    workspace.install(&installed);
    let mut numbers = [0; 4];
    for (number, block) in configurations().enumerate() {
        let reader = Reader::of(&block);
        numbers[reader as usize] += 1;
        let case = format!("case-{number}");
        fs::create_dir(workspace.path(&case)).unwrap();
        let write = |name: &str, text: &str| workspace.write(&format!("{case}/{name}"), text);
        match reader {
            Reader::Newer => continue,
            Reader::Terraform => write("main.tf", &block.text),
            Reader::Tests => write("main.tftest.hcl", &block.text),
            Reader::CommandLine => {
                workspace.write("cli.tfrc", &with_paths_of(&workspace, &block));
                write("main.tf", "provider \"oss\" {}\n")
            }
        };
        if !block.text.contains("required_providers") {
            write("terraform.tf", &required_providers(&block.text));
        }
        let folder = format!("-chdir={case}");
        if block.text.contains("filesystem_mirror") {
            workspace.terraform(&[&folder, "init", "-no-color"]).succeeds();
        }
        let run = workspace.terraform(&[&folder, "validate", "-no-color"]);
        assert_eq!(run.code, Some(0), "{}:\n{}\n{run}", block.place, block.text);
        workspace.install(&installed);
    }
    assert!(numbers.iter().all(|number| *number > 0), "every kind is there: {numbers:?}");
}

/// A configuration of the command line with folders of this machine, where the provider is.
fn with_paths_of(workspace: &Workspace, block: &Block) -> String {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let mirror = workspace.path("mirror");
    if !mirror.exists() {
        put(&mirror, "oss-tools/oss", provider);
    }
    let shown = "/srv/terraform/mirror";
    assert!(block.text.contains(shown), "{}: where is the provider?", block.place);
    block.text.replace(shown, mirror.to_str().unwrap())
}

/// The `terraform` block that an excerpt leaves out.
fn required_providers(text: &str) -> String {
    let alicloud = if text.contains("\"alicloud") {
        "    alicloud = {\n      source = \"aliyun/alicloud\"\n    }\n"
    } else {
        ""
    };
    format!(
        "terraform {{\n  required_providers {{\n    oss = {{\n      source = \"oss-tools/oss\"\n    }}\n\
         {alicloud}  }}\n}}\n"
    )
}

// ---- commands ----------------------------------------------------------------------------------

#[test]
fn every_command_is_run_or_has_a_reason_not_to_be() {
    let mut stray = Vec::new();
    let mut pages = pages();
    pages.push(page_at(MODULE));
    let mut unused = NOT_RUN.to_vec();
    unused.retain(|(path, ..)| pages.iter().any(|page| page.path == *path));
    // The translation has the very same blocks, see `the_translation_shows_the_same`.
    for page in pages.into_iter().filter(|page| page.path != "README.zh-CN.md") {
        let played = PLAYED.iter().filter(|(path, _)| page.path == *path);
        let played: Vec<&str> = played.flat_map(|(_, sections)| sections.iter().copied()).collect();
        for block in page.blocks.iter().filter(|block| block.is_shell()) {
            let is_played = played.iter().any(|section| block.section.starts_with(section));
            for line in block.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                match not_run(&page.path, line) {
                    Some(entry) => unused.retain(|other| *other != entry),
                    None if is_played => {}
                    None => stray.push(format!("{}: {line}", block.place)),
                }
            }
        }
    }
    assert_eq!(
        stray,
        Vec::<String>::new(),
        "play the page in this file, or say in NOT_RUN why not"
    );
    assert_eq!(unused, Vec::new(), "these are not in the documentation any more");
}

#[test]
fn the_translation_shows_the_same() {
    let shown = |path: &str| {
        let page = page_at(path);
        let blocks: Vec<(String, String)> =
            page.blocks.into_iter().map(|block| (block.language, block.text)).collect();
        let titles = page.text.lines().filter(|line| line.starts_with("## ")).count();
        let rows = page.text.lines().filter(|line| line.starts_with("| ")).count();
        (blocks, titles, rows)
    };
    assert_eq!(shown("README.zh-CN.md"), shown("README.md"));
}

fn not_run(page: &str, line: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let mut entries = NOT_RUN.iter();
    entries.find(|(path, command, _)| page == *path && line.starts_with(command)).copied()
}

/// A guide that is being played.
struct Guide<'a> {
    workspace: &'a Workspace,
    environment: Vec<(String, String)>,
    /// What stands in the guide for something on this machine.
    stands_for: Vec<(&'static str, String)>,
}

impl<'a> Guide<'a> {
    /// A shell whose OSS and STS are the local endpoint.
    fn new(workspace: &'a Workspace) -> Self {
        let url = workspace.emulator.url();
        let environment = [
            ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
            ("ALIBABA_CLOUD_ENDPOINT_STS", url.as_str()),
            // Providers are where terraform looks by itself.
            ("TF_CLI_CONFIG_FILE", ""),
        ];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        fs::create_dir(workspace.path("work")).unwrap();
        fs::create_dir(workspace.path("shell")).unwrap();
        Self { workspace, environment, stands_for: vec![("linux_amd64", platform())] }
    }

    /// A shell that has keys already.
    fn with_keys(mut self) -> Self {
        self.set("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID);
        self.set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET);
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Puts providers where terraform looks by itself.
    fn with_providers(self) -> Self {
        let oss = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        let plugins = self.workspace.path(".terraform.d/plugins");
        put(&plugins, "oss-tools/oss", oss);
        put(&plugins, "aliyun/alicloud", &stand_in());
        self
    }

    /// The folder that the shell is in.
    fn folder(&self) -> PathBuf {
        let kept = fs::read_to_string(self.workspace.path("shell/folder"));
        kept.map_or_else(|_| self.workspace.path("work"), |path| PathBuf::from(path.trim_end()))
    }

    fn read(&self, text: &str) -> String {
        let replaced = |text: String, (shown, real): &(&str, String)| text.replace(shown, real);
        self.stands_for.iter().fold(text.to_owned(), replaced)
    }

    /// Plays these blocks, in their order.
    #[track_caller]
    fn play(&mut self, blocks: &[&Block]) {
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
                        fs::write(self.folder().join(name), text).unwrap();
                    }
                }
                // A pipeline's variables.
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

    /// Runs commands where the last ones ended; returns what they printed.
    #[track_caller]
    fn run(&self, place: &str, text: &str) -> String {
        let page = place.split(':').next().unwrap();
        let is_run = |line: &&str| not_run(page, line).is_none();
        let lines: Vec<&str> = text.lines().filter(is_run).collect();
        // Where the shell's variables and its folder outlive it.
        let shell = self.workspace.path("shell");
        let shell = shell.to_str().unwrap();
        let script = format!(
            "exec 2>&1\n[ -e {shell}/variables ] && . {shell}/variables\nset -eu\n{}\nexport -p \
             >{shell}/variables\npwd >{shell}/folder\n",
            lines.join("\n"),
        );
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let run = self.workspace.script(self.folder(), &["sh"], &script, &environment);
        assert_eq!(run.code, Some(0), "{place}: {run}");
        run.stdout
            .lines()
            .map(|line| line.trim_start_matches(['│', '╷', '╵']))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The name of the file in the first line, and the whole text.
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

/// As Terraform names this platform.
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

/// The program that stands in for `aliyun/alicloud`.
fn stand_in() -> PathBuf {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let path = provider.parent().unwrap().join("examples/alicloud_stand_in");
    assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
    path
}

/// Puts a provider into a mirror, under the addresses that Terraform and OpenTofu give it.
fn put(mirror: &Path, name: &str, program: &Path) {
    let kind = name.split('/').next_back().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let platform = platform();
    for host in [TERRAFORM_REGISTRY, OPENTOFU_REGISTRY] {
        let folder = mirror.join(format!("{host}/{name}/{version}/{platform}"));
        fs::create_dir_all(&folder).unwrap();
        link(program, &folder.join(format!("terraform-provider-{kind}_v{version}")));
    }
}

/// The same file under another name, or a copy on another disk.
fn link(file: &Path, name: &Path) {
    fs::hard_link(file, name).or_else(|_| fs::copy(file, name).map(drop)).unwrap();
}

fn endpoint(change: impl FnOnce(Config) -> Config) -> Option<Workspace> {
    Workspace::with(|config| change(config.with_credentials(KEY_ID, KEY_SECRET)))
}

fn aes256() -> EncryptionRule {
    EncryptionRule::new("AES256")
}

/// The blocks of a page, or of one section of it.
fn blocks(path: &str, section: Option<&str>) -> Vec<Block> {
    let is_wanted =
        |block: &Block| section.is_none_or(|section| block.section.starts_with(section));
    let blocks: Vec<Block> = page_at(path).blocks.into_iter().filter(is_wanted).collect();
    assert!(!blocks.is_empty(), "{path} has no section {section:?}");
    blocks
}

fn all(blocks: &[Block]) -> Vec<&Block> {
    blocks.iter().collect()
}

// ---- guides ------------------------------------------------------------------------------------

#[test]
fn getting_started() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let mut guide = Guide::new(&workspace);
    let version = workspace.terraform_in(&[], &["version"]).succeeds().stdout;
    if version.starts_with("OpenTofu") {
        guide.stands_for.push((TERRAFORM_REGISTRY, OPENTOFU_REGISTRY.to_owned()));
    }
    // As if it had been built here.
    let built = workspace.path("work/target/release");
    fs::create_dir_all(&built).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    link(program, &built.join("terraform-provider-oss"));
    guide.play(&all(&blocks(GETTING_STARTED, None)));
    assert_eq!(workspace.emulator.rule("my-company-logs"), None, "it ends with a destroy");
    let puts = workspace.calls().into_iter().filter(|call| call.starts_with("PUT"));
    assert_eq!(puts.count(), 2, "a create and an update");
}

/// Each way to get keys is played by itself, and ends with a rule that is set.
fn authentication(section: &str, change: impl FnOnce(&mut Guide<'_>)) {
    let Some(workspace) = endpoint(|config| {
        config
            .with_bucket("my-company-logs")
            .with_role(Role::new(&format!("{ACCOUNT}:role/deploy")))
            .with_role(Role::new(&format!("{ACCOUNT}:role/audit")).with_external_id("ticket-7"))
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/github"), "token-of-github")
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/gitlab"), "token-of-gitlab")
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/cluster"), "token-of-the-pod")
            .with_ecs_role("terraform")
            .with_credentials_uri()
    }) else {
        return;
    };
    let mut guide = Guide::new(&workspace).with_providers();
    let metadata = workspace.emulator.metadata_url();
    guide.set("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &metadata);
    change(&mut guide);
    workspace.write(
        "work/main.tf",
        "resource \"oss_bucket_encryption\" \"logs\" {\n  bucket        = \"my-company-logs\"\n  \
         sse_algorithm = \"AES256\"\n}\n",
    );
    workspace.write("work/terraform.tf", &required_providers(""));
    let mut blocks = blocks(AUTHENTICATION, Some(section));
    // Every section ends with the same commands, which are said once.
    blocks.extend(self::blocks(AUTHENTICATION, Some("The commands")));
    guide.play(&all(&blocks));
    assert_eq!(workspace.emulator.rule("my-company-logs"), Some(aes256()), "{section}");
}

/// Every section that has a test, and the two that say what they share.
const SOURCES: [&str; 10] = [
    "GitHub Actions",
    "GitLab CI",
    "Pods with RRSA",
    "Environment variables",
    "A profile",
    "The role of an ECS instance",
    "A credentials URI",
    "A role on top",
    "The commands",
    "What a key may do",
];

#[test]
fn every_way_to_authenticate_is_played() {
    for block in blocks(AUTHENTICATION, None) {
        let is_known = SOURCES.iter().any(|section| block.section.starts_with(section));
        assert!(is_known, "{}: no test plays the section {:?}", block.place, block.section);
    }
}

#[test]
fn authentication_in_github_actions() {
    authentication(SOURCES[0], |guide| {
        // What a runner has: a service that gives tokens to the steps of a job.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let is_right = request
                .starts_with("GET /token?api-version=2.0&audience=sts.aliyuncs.com ")
                && request.to_lowercase().contains("authorization: bearer token-of-the-job");
            let body = if is_right { "{\"value\":\"token-of-github\"}" } else { "{}" };
            let length = body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let folder = guide.workspace.path("runner");
        fs::create_dir(&folder).unwrap();
        guide.set("ACTIONS_ID_TOKEN_REQUEST_URL", &url);
        guide.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "token-of-the-job");
        guide.set("RUNNER_TEMP", folder.to_str().unwrap());
    });
}

#[test]
fn authentication_in_gitlab() {
    authentication(SOURCES[1], |guide| guide.set("ALIBABA_CLOUD_OIDC_TOKEN", "token-of-gitlab"));
}

#[test]
fn authentication_in_pods() {
    authentication(SOURCES[2], |guide| {
        let token = guide.workspace.write("token", "token-of-the-pod");
        let path = "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token";
        guide.stands_for.push((path, token));
    });
}

#[test]
fn authentication_with_variables() {
    authentication(SOURCES[3], |_| {});
}

#[test]
fn authentication_with_a_profile() {
    authentication(SOURCES[4], |guide| {
        // What `aliyun configure` writes.
        fs::create_dir(guide.workspace.path(".aliyun")).unwrap();
        let file = format!(
            r#"{{ "current": "default", "profiles": [ {{ "name": "production", "mode": "AK",
               "access_key_id": "{KEY_ID}", "access_key_secret": "{KEY_SECRET}",
               "region_id": "cn-hangzhou" }} ] }}"#
        );
        guide.workspace.write(".aliyun/config.json", &file);
    });
}

#[test]
fn authentication_with_the_role_of_an_instance() {
    authentication(SOURCES[5], |_| {});
}

#[test]
fn authentication_with_a_credentials_uri() {
    authentication(SOURCES[6], |guide| {
        let uri = guide.workspace.emulator.credentials_uri();
        guide.stands_for.push(("http://localhost:7002/credentials", uri));
    });
}

#[test]
fn authentication_with_a_role_on_top() {
    authentication(SOURCES[7], |_| {});
}

/// A way from the provider `alicloud`, whose first configuration has been applied by that provider.
fn moving(section: &str) {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    workspace.emulator.set_rule("my-company-logs", aes256());
    let mut guide = Guide::new(&workspace).with_keys().with_providers();
    let blocks = blocks(MOVING, Some(section));
    let (before, steps) = blocks.split_first().unwrap();
    workspace.write("work/main.tf", &before.text);
    guide.run(&before.place, "terraform init\nterraform apply -auto-approve");
    guide.play(&all(steps));
    let writes = workspace.calls().into_iter().filter(|call| !call.starts_with("GET"));
    assert_eq!(writes.count(), 0, "nothing is changed");
}

#[test]
fn moving_the_resource() {
    moving("The resource");
}

#[test]
fn moving_the_inline_rule() {
    moving("The inline rule");
}

#[test]
fn discovering() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-drafts", "my-company-media"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_keys().with_providers();
    guide.play(&all(&blocks(DISCOVERING, Some("Before Terraform 1.14"))));
    for name in names {
        assert!(workspace.emulator.rule(name).is_some(), "{name}");
    }
}

#[test]
fn choosing() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-records"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    let mut guide = Guide::new(&workspace).with_keys().with_providers();
    workspace.write("work/terraform.tf", &required_providers(""));
    guide.set("ALIBABA_CLOUD_REGION", "cn-hangzhou");
    guide.play(&all(&blocks(CHOOSING, None)));
    assert!(workspace.emulator.rule("my-company-invoices").is_some());
}

#[test]
fn troubleshooting() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let mut guide = Guide::new(&workspace).with_keys().with_providers();
    workspace.write("work/main.tf", &format!("{}provider \"oss\" {{\n  region = \"cn-hangzhou\"\n}}\nresource \"oss_bucket_encryption\" \"logs\" {{\n  bucket        = \"my-company-logs\"\n  sse_algorithm = \"AES256\"\n}}\n", required_providers("")));
    guide.run(TROUBLESHOOTING, "terraform init");
    // Its messages are checked by tests/it/docs.rs.
    guide.play(&all(&blocks(TROUBLESHOOTING, Some("Looking closer"))));
}

#[test]
fn the_import_commands_of_the_resource() {
    let Some(workspace) = endpoint(|config| {
        config.with_bucket("my-company-logs").with_bucket_in("my-company-invoices", "cn-shanghai")
    }) else {
        return;
    };
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_keys().with_providers();
    guide.set("ALIBABA_CLOUD_REGION", "cn-hangzhou");
    workspace.write("work/terraform.tf", &required_providers(""));
    let blocks = blocks(RESOURCE, None);
    let example = blocks.iter().find(|block| block.section == "Example Usage").unwrap();
    workspace.write("work/main.tf", &example.text);
    guide.run(RESOURCE, "terraform init");
    let is_command = |block: &&Block| block.is_shell() && block.section == "Import";
    guide.play(&blocks.iter().filter(is_command).collect::<Vec<_>>());
    let imported = guide.run(RESOURCE, "terraform state list");
    for name in ["oss_bucket_encryption.logs", "oss_bucket_encryption.invoices"] {
        assert!(imported.contains(name), "{imported}");
    }
}
