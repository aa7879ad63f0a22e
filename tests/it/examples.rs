//! The examples that people run by hand, as processes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use terraform_provider_oss::emulator::{Config, Emulator};

use super::support::{KEY_ID, KEY_SECRET};

/// `cargo test` builds the examples next to the binary; with `--test` it takes those that are there.
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
fn bucket_encryption_calls_the_endpoint_that_is_named() {
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
    assert_eq!(emulator.exchanges().len(), 3);
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
fn sign_request_takes_the_least_and_refuses_less() {
    let least = json!({ "version": "v1", "access_key_id": "id", "access_key_secret": "secret",
        "unix_time": 0, "method": "GET" });
    assert!(sign(&least.to_string()).status.success());
    let Output { status, stderr, .. } = sign("{}");
    assert_eq!(status.code(), Some(1));
    assert!(text(&stderr).contains("missing field `version`"), "{}", text(&stderr));
}

/// The endpoint as a process, ended with the value.
struct Running {
    process: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        use std::io::BufRead as _;
        let mut process = example("emulator")
            .args(["--port", "0", "--bucket", "mine"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        Self { process, lines: std::io::BufReader::new(stdout).lines() }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// What it prints before the first request.
    fn introduction(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.starts_with("# Requests")) {
            lines.push(self.line());
        }
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn set_and_remove_a_rule(endpoint: &str, key_id: &str, key_secret: &str) {
    let arguments = ["--bucket", "mine", "--region", "cn-hangzhou", "--endpoint", endpoint];
    let Output { status, stderr, .. } = example("bucket_encryption")
        .args(arguments)
        .env("OSS_ACCESS_KEY_ID", key_id)
        .env("OSS_ACCESS_KEY_SECRET", key_secret)
        .output()
        .unwrap();
    assert!(status.success(), "{}", text(&stderr));
}

#[test]
fn the_emulator_prints_what_to_paste_and_a_line_for_each_request() {
    let mut emulator = Running::start(&[]);
    let introduction = emulator.introduction();
    // As a shell would take it.
    let exported = |name: &str| {
        let start = format!("export {name}=");
        let found = introduction.iter().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name} is missing: {introduction:?}")).to_owned()
    };
    let key_id = exported("ALIBABA_CLOUD_ACCESS_KEY_ID");
    let secret = exported("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    set_and_remove_a_rule(&exported("ALIBABA_CLOUD_ENDPOINT_OSS"), &key_id, &secret);
    for expected in [
        "PUT    mine  PutBucketEncryption  200  none → AES256  by LTAI5tEM… with ",
        "GET    mine  GetBucketEncryption  200  AES256  by LTAI5tEM… with ",
        "DELETE mine  DeleteBucketEncryption  204  AES256 → none  by LTAI5tEM… with ",
    ] {
        let line = emulator.line();
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn the_emulator_prints_a_block_that_uses_the_token_where_there_is_one() {
    let role = ["--role", "acs:ram::1:role/deploy"];
    let provider = ["--oidc-provider", "acs:ram::1:oidc-provider/gh=the-token"];
    for (arguments, has_keys) in [([&role[..], &provider].concat(), false), (role.to_vec(), true)] {
        let introduction = Running::start(&arguments).introduction().join("\n");
        let (block, environment) = introduction.split_once("\n}\n").unwrap();
        assert_eq!(block.contains("access_key"), has_keys, "{block}");
        assert_eq!(block.contains("the-token"), !has_keys, "{block}");
        assert!(environment.contains("\nexport ALIBABA_CLOUD_ROLE_ARN=acs:ram::1:role/deploy\n"));
        for line in [
            "export ALIBABA_CLOUD_OIDC_PROVIDER_ARN=acs:ram::1:oidc-provider/gh",
            "export ALIBABA_CLOUD_OIDC_TOKEN=the-token",
        ] {
            assert_eq!(environment.contains(line), !has_keys, "{environment}");
        }
    }
}

#[test]
fn the_emulator_answers_for_the_domain_of_a_bucket() {
    use std::io::Read as _;
    let mut emulator = Running::start(&["--domain", "Assets.example.com=mine", "--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let address = introduction["endpoint"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request =
        "GET /?encryption HTTP/1.1\r\nHost: assets.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let exchange: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&exchange["bucket"], &exchange["operation"]),
        (&json!("mine"), &json!("GetBucketEncryption"))
    );
}

#[test]
fn the_emulator_speaks_json_to_machines() {
    let mut emulator = Running::start(&["--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let text = |name: &str| introduction[name].as_str().unwrap();
    set_and_remove_a_rule(text("endpoint"), text("access_key_id"), text("access_key_secret"));
    let exchange: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&exchange["operation"], &exchange["status"]),
        (&json!("PutBucketEncryption"), &json!(200))
    );
    assert_eq!(exchange["rule_after"]["sse_algorithm"], "AES256");
}
