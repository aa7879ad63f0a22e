//! The examples, run as processes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oss_emulator::{Config, Emulator};
use serde_json::{Value as Json, json};

use super::support::{KEY_ID, KEY_SECRET};

/// The executable of an example. `cargo test` builds examples next to the binary; with `--test` it does
/// not rebuild them.
fn example(name: &str) -> Command {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path: PathBuf = provider.parent().unwrap().join("examples").join(file);
    assert!(path.exists(), "{} is missing: run `cargo build --examples`", path.display());
    let mut command = Command::new(path);
    command.env_clear();
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const PRINTED: &str =
    "http status: 200\nssealgorithm: AES256\nkmsmasterkeyid: None\nhttp status: 204\n";

#[test]
fn bucket_encryption_needs_no_account() {
    let Output { status, stdout, stderr } = example("bucket_encryption").output().unwrap();
    assert!(status.success(), "{}", text(&stderr));
    assert_eq!(text(&stdout), PRINTED);
}

#[test]
fn bucket_encryption_uses_the_given_endpoint() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket("mine");
    let emulator = Emulator::start(config).unwrap();
    let run = |bucket: &str| {
        let arguments =
            ["--bucket", bucket, "--region", "cn-hangzhou", "--endpoint", &emulator.url()];
        example("bucket_encryption")
            .args(arguments)
            .env("OSS_ACCESS_KEY_ID", KEY_ID)
            .env("OSS_ACCESS_KEY_SECRET", KEY_SECRET)
            .output()
            .unwrap()
    };
    let Output { status, stdout, stderr } = run("mine");
    assert!(status.success(), "{}", text(&stderr));
    assert_eq!(text(&stdout), PRINTED);
    assert_eq!(emulator.requests().len(), 3);
    let Output { status, stderr, .. } = run("absent");
    assert_eq!(status.code(), Some(1));
    assert!(text(&stderr).contains("404 NoSuchBucket"), "{}", text(&stderr));
}

fn sign(input: &str) -> Output {
    let mut child = example("sign_request")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn sign_request_prints_the_stages_of_every_vector() {
    let vectors: Json = serde_json::from_str(include_str!("../vectors/oss-signing.json")).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let mut input = case["input"].clone();
        input["version"] = case["version"].clone();
        let Output { status, stdout, stderr } = sign(&input.to_string());
        assert!(status.success(), "{}: {}", case["id"], text(&stderr));
        let printed: Json = serde_json::from_slice(&stdout).unwrap();
        for stage in ["canonical_request", "string_to_sign", "signature", "authorization"] {
            assert_eq!(printed[stage], case["expected"][stage], "{}: {stage}", case["id"]);
        }
    }
}

#[test]
fn sign_request_requires_only_the_mandatory_fields() {
    let minimal = json!({ "version": "v1", "access_key_id": "id", "access_key_secret": "secret",
        "unix_time": 0, "method": "GET" });
    assert!(sign(&minimal.to_string()).status.success());
    let Output { status, stderr, .. } = sign("{}");
    assert_eq!(status.code(), Some(1));
    assert!(text(&stderr).contains("missing field `version`"), "{}", text(&stderr));
}

/// The recording in the README shows what the program prints now: each step, and each line about OSS.
#[test]
fn the_recording_of_the_quickstart_is_current() {
    let read = |path| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let source: String = read("examples/quickstart.rs");
    let recording = read("docs/quickstart.svg").replace("&#x27;", "'");
    let steps: Vec<&str> = source
        .split(".step(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once("\");").map(|(title, _)| title))
        .collect();
    assert!(steps.len() > 5, "{steps:?}");
    let lines = ["Requests to OSS:", "No requests to OSS.", "OSS returned:", "OSS stores:"];
    assert!(lines.iter().all(|line| source.contains(line)), "a line of the program has changed");
    let mut missing = steps;
    missing.extend(lines);
    missing.retain(|text| !recording.contains(text));
    assert!(missing.is_empty(), "docs/quickstart.svg: renew it, {missing:?} is missing");
}
