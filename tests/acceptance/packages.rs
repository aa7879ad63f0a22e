//! The output of `cargo run --example package` is installed by the real terraform, from a mirror and
//! from a registry.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zip::ZipArchive;

use super::files::{blocks, read as read_file};
use super::pages::{Page, Pages};
use super::workflow::Workflow;
use super::workspace::{KEY_ID, KEY_SECRET, Workspace, runs};

const NAME: &str = "terraform-provider-oss";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const HOSTS: [&str; 2] = ["registry.terraform.io", "registry.opentofu.org"];

const GUIDE: &str = "docs/guides/release.md";

const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"KMS\"\n}\n";

/// Runs the example `package`. `cargo test` builds examples next to the binary.
fn package(arguments: &[&str]) -> Output {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let name = format!("package{}", std::env::consts::EXE_SUFFIX);
    let path = provider.parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
    Command::new(path).args(arguments).output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The directory with the packed binary, which is created once for all tests. The binary is stripped
/// like a release, and six times smaller: terraform unpacks it at each `init` and hashes it at each
/// command.
pub(crate) fn dist() -> &'static Path {
    static DIST: LazyLock<PathBuf> = LazyLock::new(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dist");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let stripped = directory.join("stripped");
        let strip = Command::new("strip")
            .arg("-o")
            .args([stripped.as_path(), Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"))])
            .output()
            .expect("strip is needed, which comes with the C compiler");
        succeeds(&strip);
        let (binary, output) = (stripped.to_str().unwrap(), directory.to_str().unwrap());
        let packed = package(&["--binary", binary, "--output", output]);
        succeeds(&packed);
        fs::write(directory.join("printed"), packed.stdout).unwrap();
        directory
    });
    &DIST
}

/// This machine's platform, as registries name it.
fn platform() -> (&'static str, &'static str) {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    (os, arch)
}

fn archive() -> PathBuf {
    let (os, arch) = platform();
    dist().join(format!("{NAME}_{VERSION}_{os}_{arch}.zip"))
}

fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}

/// The `h1` hash of an archive's content, as in a lock file.
fn h1(archive: &Path) -> String {
    let mut archive = ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    let mut names: Vec<String> =
        archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    let mut lines = Vec::new();
    for name in names {
        let mut content = Vec::new();
        archive.by_name(&name).unwrap().read_to_end(&mut content).unwrap();
        lines.push(format!("{}  {name}\n", sha256(&content)));
    }
    format!("h1:{}", BASE64.encode(Sha256::digest(lines.concat())))
}

#[test]
fn an_archive_meets_the_registries_requirements() {
    let mut zip = ZipArchive::new(fs::File::open(archive()).unwrap()).unwrap();
    let entries: Vec<(String, Option<u32>)> = (0..zip.len())
        .map(|index| {
            let entry = zip.by_index(index).unwrap();
            assert!(entry.is_file());
            let time = entry.last_modified().unwrap();
            assert_eq!((time.year(), time.month(), time.day()), (1980, 1, 1));
            (entry.name().unwrap().into_owned(), entry.unix_mode())
        })
        .collect();
    let binary = format!("{NAME}_v{VERSION}{}", std::env::consts::EXE_SUFFIX);
    // With the file type bits of regular files.
    let expected = [("LICENSE.txt".to_owned(), Some(0o100_644)), (binary, Some(0o100_755))];
    assert_eq!(entries, expected);

    // Exactly the expected checksums, without an empty line.
    let manifest = format!("{NAME}_{VERSION}_manifest.json");
    let sums = fs::read_to_string(dist().join(format!("{NAME}_{VERSION}_SHA256SUMS"))).unwrap();
    let line = |name: &str| format!("{}  {name}", sha256(&fs::read(dist().join(name)).unwrap()));
    let archive = archive();
    let archive = archive.file_name().unwrap().to_str().unwrap();
    assert_eq!(sums, format!("{}\n{}\n", line(archive), line(&manifest)));

    let manifest: Json = serde_json::from_slice(&fs::read(dist().join(manifest)).unwrap()).unwrap();
    assert_eq!(manifest, json!({ "version": 1, "metadata": { "protocol_versions": ["6.0"] } }));
}

#[test]
fn archives_are_reproducible_on_every_platform() {
    let directory = TempDir::new().unwrap();
    let binary = directory.path().join("binary");
    fs::write(&binary, "a program").unwrap();
    let pack = |output: &str, target: &str| {
        let output = directory.path().join(output);
        let (binary, output) = (binary.to_str().unwrap(), output.to_str().unwrap());
        package(&["--target", target, "--binary", binary, "--output", output])
    };
    let targets = [
        ("x86_64-unknown-linux-musl", "linux_amd64", ""),
        ("aarch64-unknown-linux-musl", "linux_arm64", ""),
        ("x86_64-apple-darwin", "darwin_amd64", ""),
        ("aarch64-apple-darwin", "darwin_arm64", ""),
        ("x86_64-pc-windows-msvc", "windows_amd64", ".exe"),
        ("aarch64-pc-windows-msvc", "windows_arm64", ".exe"),
    ];
    for (target, platform, suffix) in targets {
        for output in ["first", "second"] {
            succeeds(&pack(output, target));
        }
        let name = format!("{NAME}_{VERSION}_{platform}.zip");
        let read = |output: &str| fs::read(directory.path().join(output).join(&name)).unwrap();
        assert!(read("first") == read("second"), "{name} differs");
        let zip = ZipArchive::new(std::io::Cursor::new(read("first"))).unwrap();
        let binary = format!("{NAME}_v{VERSION}{suffix}");
        assert!(zip.file_names().any(|name| name.unwrap() == binary), "{name} has no {binary}");
        for host in HOSTS {
            let mirrored = format!("first/mirror/{host}/oss-tools/oss/{name}");
            assert!(directory.path().join(&mirrored).exists(), "{mirrored} is missing");
        }
    }

    // As in a release: the checksums of all archives, and of nothing else.
    let first = directory.path().join("first");
    let sums = first.join(format!("{NAME}_{VERSION}_SHA256SUMS"));
    fs::remove_file(&sums).unwrap();
    fs::write(first.join(format!("{NAME}_0.0.9_linux_amd64.zip")), "of another release").unwrap();
    succeeds(&package(&["--sums", "--output", first.to_str().unwrap()]));
    let text = fs::read_to_string(&sums).unwrap();
    let names: Vec<&str> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let mut expected: Vec<String> =
        targets.iter().map(|(_, platform, _)| format!("{NAME}_{VERSION}_{platform}.zip")).collect();
    expected.push(format!("{NAME}_{VERSION}_manifest.json"));
    expected.sort();
    assert_eq!(names, expected);

    let rejected = pack("third", "riscv64gc-unknown-linux-gnu");
    assert_eq!(rejected.status.code(), Some(1));
    let stderr = String::from_utf8(rejected.stderr).unwrap();
    assert!(stderr.contains("unsupported platform riscv64gc-unknown-linux-gnu"), "{stderr}");
}

/// Runs init, apply, and init again with the lock file. Returns the lock file.
fn install_and_use(workspace: &Workspace) -> String {
    workspace.configure(RESOURCE);
    let init = workspace.terraform(&["init", "-no-color"]).succeeds();
    assert!(init.stdout.contains(&format!("Installed oss-tools/oss v{VERSION}")), "{init}");
    let lock = fs::read_to_string(workspace.path(".terraform.lock.hcl")).unwrap();
    workspace.apply();
    assert!(workspace.emulator.rule("demo").is_some());
    workspace.expect_no_changes();

    // As in another checkout: with the lock file, without the provider.
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    workspace.terraform(&["init", "-no-color", "-lockfile=readonly"]).succeeds();
    workspace.terraform(&["destroy", "-auto-approve", "-no-color"]).succeeds();
    lock
}

/// The hashes in a lock file, sorted.
fn hashes(lock: &str) -> Vec<&str> {
    let mut hashes: Vec<&str> = lock
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect();
    hashes.sort_unstable();
    hashes
}

#[test]
fn an_archive_in_a_mirror_is_installed() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    // With the printed configuration, which the guide contains too.
    let printed = fs::read_to_string(dist().join("printed")).unwrap();
    let start = printed.find("provider_installation").unwrap();
    workspace.write("cli.tfrc", &printed[start..]);
    let mirror = fs::canonicalize(dist().join("mirror")).unwrap();
    let in_guide = printed[start..].replace(mirror.to_str().unwrap(), "/srv/terraform/mirror");
    assert_eq!(blocks(GUIDE, "hcl"), [in_guide]);
    let lock = install_and_use(&workspace);
    assert_eq!(hashes(&lock), [h1(&archive())]);

    // Different content with the same version is rejected.
    let forged = lock.replace(&h1(&archive()), &format!("h1:{}", BASE64.encode([7; 32])));
    assert_ne!(forged, lock);
    workspace.write(".terraform.lock.hcl", &forged);
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    let rejected = workspace.terraform(&["init", "-no-color"]).fails();
    assert!(rejected.stderr.contains("checksum"), "{rejected}");

    // Terraform and OpenTofu complete `oss-tools/oss` with different hosts. Written in full, both
    // addresses come from the mirror in both.
    for host in HOSTS {
        let _ = fs::remove_file(workspace.path(".terraform.lock.hcl"));
        let _ = fs::remove_dir_all(workspace.path(".terraform"));
        workspace.write(
            "main.tf",
            &format!(
                "terraform {{\n  required_providers {{\n    oss = {{ source = \"{host}/oss-tools/oss\" }}\n  }}\n}}\n"
            ),
        );
        workspace.terraform(&["init", "-no-color"]).succeeds();
        let lock = fs::read_to_string(workspace.path(".terraform.lock.hcl")).unwrap();
        assert!(lock.contains(&format!("provider \"{host}/oss-tools/oss\"")), "{lock}");
    }
}

/// The quick start in the README, with the lines that the emulator prints: the mirror, the configuration, `init`, `apply`.
#[test]
fn the_quick_start_works_with_the_emulator() {
    let Some(workspace) = Workspace::new(&["my-bucket"]) else { return };
    let printed = fs::read_to_string(dist().join("printed")).unwrap();
    workspace.write("cli.tfrc", &printed[printed.find("provider_installation").unwrap()..]);
    let configuration = blocks("README.md", "hcl");
    let configuration = configuration.iter().find(|block| block.contains("\"my-bucket\"")).unwrap();
    workspace.write("main.tf", configuration);
    let url = workspace.emulator.url();
    let environment = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
        ("ALIBABA_CLOUD_REGION", "cn-hangzhou"),
        ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
    ];
    let introduction = read_file("emulator/src/introduction.rs");
    for (name, _) in environment {
        assert!(introduction.contains(&format!("export {name}=")), "{name}");
    }
    workspace.terraform_in(&environment, &["init", "-no-color"]).succeeds();
    workspace.terraform_in(&environment, &["apply", "-auto-approve", "-no-color"]).succeeds();
    assert_eq!(workspace.emulator.rule("my-bucket").unwrap().sse_algorithm, "KMS");
}

/// A signing key in a temporary directory. The gpg agent is stopped when the value is dropped.
struct Keyring(TempDir);

impl Keyring {
    const PASSPHRASE: &str = "a passphrase of the test";

    fn new() -> Self {
        let keyring = Self(TempDir::new().unwrap());
        let user = "Release <release@example.com>";
        keyring.gpg(&["--quick-generate-key", user, "rsa3072", "sign", "never"]);
        keyring
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let output = Command::new("gpg")
            .args(["--homedir", self.path(), "--batch", "--pinentry-mode", "loopback"])
            .args(["--passphrase", Self::PASSPHRASE])
            .args(arguments)
            .output()
            .unwrap();
        succeeds(&output);
        String::from_utf8(output.stdout).unwrap()
    }

    fn key_id(&self) -> String {
        let listed = self.gpg(&["--list-keys", "--with-colons"]);
        let key = listed.lines().find(|line| line.starts_with("pub:")).unwrap();
        key.split(':').nth(4).unwrap().to_owned()
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let agent = ["--homedir", self.path(), "--kill", "gpg-agent"];
        let _ = Command::new("gpgconf").args(agent).output();
    }
}

/// The registry's responses for the files in `dist`.
fn registry(url: &str, dist: &Path, keyring: &Keyring) -> BTreeMap<String, Page> {
    let (os, arch) = platform();
    let read = |name: &str| fs::read(dist.join(name)).unwrap();
    let archive = archive();
    let archive = archive.file_name().unwrap().to_str().unwrap();
    let sums = format!("{NAME}_{VERSION}_SHA256SUMS");
    let manifest: Json =
        serde_json::from_slice(&read(&format!("{NAME}_{VERSION}_manifest.json"))).unwrap();
    let protocols = &manifest["metadata"]["protocol_versions"];
    let versions = json!({ "versions": [{
        "version": VERSION, "protocols": protocols, "platforms": [{ "os": os, "arch": arch }],
    }]});
    let download = json!({
        "protocols": protocols,
        "os": os,
        "arch": arch,
        "filename": archive,
        "download_url": format!("{url}/{archive}"),
        "shasum": sha256(&read(archive)),
        "shasums_url": format!("{url}/{sums}"),
        "shasums_signature_url": format!("{url}/{sums}.sig"),
        "signing_keys": { "gpg_public_keys": [{
            "key_id": keyring.key_id(),
            "ascii_armor": keyring.gpg(&["--armor", "--export"]),
        }]},
    });
    let provider = "/v1/providers/oss-tools/oss";
    BTreeMap::from([
        (format!("{provider}/versions"), versions.to_string().into()),
        (format!("{provider}/{VERSION}/download/{os}/{arch}"), download.to_string().into()),
        (format!("/{archive}"), read(archive).into()),
        (format!("/{sums}"), read(&sums).into()),
        (format!("/{sums}.sig"), read(&format!("{sums}.sig")).into()),
    ])
}

#[test]
fn a_signed_release_is_installed_from_a_registry() {
    if !["bash", "gpg", "sha256sum"].iter().all(runs) {
        return;
    }
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    // The signing step of the release workflow, with an exported key.
    let (keyring, fresh) = (Keyring::new(), Keyring(TempDir::new().unwrap()));
    let sums = format!("{NAME}_{VERSION}_SHA256SUMS");
    let directory = workspace.path("dist");
    fs::create_dir(&directory).unwrap();
    for entry in fs::read_dir(dist()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
        }
    }
    let contexts = [
        ("secrets.GPG_PRIVATE_KEY", keyring.gpg(&["--armor", "--export-secret-keys"])),
        ("secrets.GPG_PASSPHRASE", Keyring::PASSPHRASE.to_owned()),
    ];
    let signed = Workflow::read(".github/workflows/release.yml")
        .run_step(&workspace, "publish", "Sign", &contexts, &[("GNUPGHOME", fresh.path())])
        .succeeds();
    for text in [&signed.stdout, &signed.stderr] {
        assert!(!text.contains(Keyring::PASSPHRASE), "{signed}");
    }

    // The checks from the guide.
    let check = blocks(GUIDE, "sh").into_iter().find(|block| block.contains("gpg --verify"));
    let import = keyring.gpg(&["--armor", "--export"]);
    workspace.write("dist/key", &import);
    let check = format!("gpg --import key\n{}", check.unwrap());
    let reader = Keyring(TempDir::new().unwrap());
    let environment = [("GNUPGHOME", reader.path())];
    let checked = workspace.script("dist", &["sh", "-e"], &check, &environment).succeeds();
    assert!(checked.stderr.contains("Good signature"), "{checked}");
    let archive_is_fine = format!("{}: OK", archive().file_name().unwrap().to_str().unwrap());
    assert!(checked.stdout.contains(&archive_is_fine), "{checked}");

    let registry = Pages::start(|url| registry(url, &directory, &keyring));
    let services = format!("{}/v1/providers/", registry.url());
    let host = |host: &str| {
        format!("host {host:?} {{\n  services = {{ \"providers.v1\" = {services:?} }}\n}}\n")
    };
    workspace.write("cli.tfrc", &HOSTS.map(host).concat());
    let lock = install_and_use(&workspace);
    // Every line of the signed checksums.
    let sums = fs::read_to_string(directory.join(sums)).unwrap();
    let mut expected: Vec<String> =
        sums.lines().map(|line| format!("zh:{}", line.split(' ').next().unwrap())).collect();
    expected.push(h1(&archive()));
    expected.sort_unstable();
    assert_eq!(hashes(&lock), expected);

    // The lock file from the registry matches the mirror.
    workspace.install_from(&dist().join("mirror"));
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    workspace.terraform(&["init", "-no-color", "-lockfile=readonly"]).succeeds();
}

#[test]
fn the_guide_matches_the_version_and_the_command() {
    let guide = read_file(GUIDE);
    let commands = blocks(GUIDE, "sh");
    assert_eq!(commands[0], "cargo run --example package\n");
    let help = package(&["--help"]);
    succeeds(&help);
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Usage: cargo run --example package"), "{help}");
    for name in [
        format!("{NAME}_{VERSION}_linux_amd64.zip"),
        format!("{NAME}_v{VERSION}"),
        format!("{NAME}_{VERSION}_manifest.json"),
        format!("{NAME}_{VERSION}_SHA256SUMS"),
    ] {
        assert!(guide.contains(&format!("`{name}`")), "the guide does not mention {name}");
    }
    // The secrets and settings of the release workflow.
    let workflow = read_file(".github/workflows/release.yml");
    for name in ["GPG_PRIVATE_KEY", "GPG_PASSPHRASE"] {
        assert!(workflow.contains(&format!("secrets.{name}")) && guide.contains(name), "{name}");
    }
}
