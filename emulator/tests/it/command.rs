//! The output of the emulator command, as text and as JSON.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::support::Key;

/// The emulator as a process, which is killed when the value is dropped.
struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_oss-emulator"))
            .env_clear()
            .args(["--port", "0", "--bucket", "mine"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        Self { process, lines: BufReader::new(stdout).lines() }
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

/// Sets, reads and deletes the rule of the bucket `mine`.
async fn set_and_delete_a_rule(endpoint: &str, id: &str, secret: &str) {
    const RULE: &str = "<ServerSideEncryptionRule><ApplyServerSideEncryptionByDefault>\
        <SSEAlgorithm>AES256</SSEAlgorithm>\
        </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";
    let key = Key { id: id.to_owned(), secret: secret.to_owned(), token: None };
    let http = reqwest::Client::builder().no_proxy().user_agent("tests/1.0").build().unwrap();
    for (method, body, expected) in
        [(Method::PUT, RULE, "200 "), (Method::GET, "", "200 "), (Method::DELETE, "", "204 ")]
    {
        let resource = "/mine/?encryption";
        let url = format!("{endpoint}{resource}");
        assert_eq!(key.send(&http, method, &url, resource, body).await, expected);
    }
}

#[tokio::test]
async fn prints_a_configuration_and_a_line_for_each_request() {
    let mut emulator = Running::start(&[]);
    let introduction = emulator.introduction();
    let exported = |name: &str| {
        let start = format!("export {name}=");
        let found = introduction.iter().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name} is missing: {introduction:?}")).to_owned()
    };
    let key_id = exported("ALIBABA_CLOUD_ACCESS_KEY_ID");
    let secret = exported("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    set_and_delete_a_rule(&exported("ALIBABA_CLOUD_ENDPOINT_OSS"), &key_id, &secret).await;
    for expected in [
        "PUT    mine  PutBucketEncryption  200  none → AES256  by LTAI5tEM… with tests/1.0",
        "GET    mine  GetBucketEncryption  200  AES256  by LTAI5tEM… with tests/1.0",
        "DELETE mine  DeleteBucketEncryption  204  AES256 → none  by LTAI5tEM… with tests/1.0",
    ] {
        let line = emulator.line();
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn prints_a_provider_block_that_uses_the_oidc_token_if_there_is_one() {
    let role = ["--role", "acs:ram::1:role/deploy"];
    let provider = ["--oidc-provider", "acs:ram::1:oidc-provider/gh=the-token"];
    for (arguments, has_keys) in [([&role[..], &provider].concat(), false), (role.to_vec(), true)] {
        let introduction = Running::start(&arguments).introduction().join("\n");
        let (block, environment) = introduction.split_once("\n}\n\n# ").unwrap();
        assert!(block.contains("version = \"~> 0.1\""), "{block}");
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
fn serves_the_custom_domain_of_a_bucket() {
    let mut emulator = Running::start(&["--domain", "Assets.example.com=mine", "--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let address = introduction["endpoint"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        "GET /?encryption HTTP/1.1\r\nHost: assets.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    let record: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&record["bucket"], &record["operation"]),
        (&json!("mine"), &json!("GetBucketEncryption"))
    );
}

#[tokio::test]
async fn prints_json() {
    let mut emulator = Running::start(&["--json"]);
    let introduction: Json = serde_json::from_str(&emulator.line()).unwrap();
    let text = |name: &str| introduction[name].as_str().unwrap();
    set_and_delete_a_rule(text("endpoint"), text("access_key_id"), text("access_key_secret")).await;
    let record: Json = serde_json::from_str(&emulator.line()).unwrap();
    assert_eq!(
        (&record["operation"], &record["status"]),
        (&json!("PutBucketEncryption"), &json!(200))
    );
    assert_eq!(record["rule_after"]["sse_algorithm"], "AES256");
}
