//! An emulator, and an SDK in a separate process that executes calls.

use std::fmt;
use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use oss_emulator::{Config, Emulator};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use terraform_provider_oss::oss::sign::SignatureVersion;
use terraform_provider_oss::oss::{
    BucketName, CallOptions, Client, ClientConfig, Credentials, EncryptionRule, Endpoint, Region,
    SseAlgorithm,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

pub(crate) const KEY_ID: &str = "LTAI5tTESTTESTTESTTEST01";
pub(crate) const KEY_SECRET: &str = "TestSecretTestSecretTestSecret";

const BUCKET: &str = "demo";
const REGION: &str = "cn-hangzhou";

/// The SDK versions that the tests are written for.
const REQUIREMENTS: &str = include_str!("requirements.txt");
const PACKAGE: &str = include_str!("package.json");

/// Imports the SDKs, and prints their versions in the format of `requirements.txt`.
const VERSIONS: &str = r#"
import alibabacloud_oss_v2, oss2
from importlib.metadata import version
for name in ["alibabacloud-oss-v2", "oss2"]:
    print(f"{name}=={version(name)}")
"#;

/// Maximum time for a call.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sdk {
    /// The Python package `oss2`, version 1 of the SDK.
    Oss2,
    /// The Python package `alibabacloud-oss-v2`, version 2 of the SDK.
    OssV2,
    /// The Node.js package `ali-oss`.
    AliOss,
}

impl Sdk {
    fn script(self) -> PathBuf {
        let name = match self {
            Self::Oss2 => "oss2_client.py",
            Self::OssV2 => "oss_v2_client.py",
            Self::AliOss => "ali_oss_client.js",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(name)
    }

    /// The beginning of its `User-Agent`.
    pub(crate) fn user_agent(self) -> &'static str {
        match self {
            Self::Oss2 => "aliyun-sdk-python/",
            Self::OssV2 => "alibabacloud-python-sdk-v2/",
            Self::AliOss => "aliyun-sdk-nodejs/",
        }
    }

    /// The interpreter, or `None` if it or the SDK is missing.
    fn interpreter(self) -> Option<Command> {
        // Importing the SDKs is slow, so it is checked once for all tests.
        static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let found = match self {
            Self::Oss2 | Self::OssV2 => {
                PYTHON.get_or_init(find_python).as_ref().map(|path| python(path))
            }
            Self::AliOss => NODE.get_or_init(find_node).as_ref().map(|path| node(path)),
        };
        found.map_err(|reason| report_missing(reason)).ok()
    }
}

/// An SDK process and its endpoint.
pub(crate) struct Session {
    pub(crate) sdk: Sdk,
    /// `None` if the endpoint is not the session's own.
    emulator: Option<Emulator>,
    url: String,
    /// Killed when the session is dropped.
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Home directory and standard error of the process.
    directory: TempDir,
}

/// An error that the SDK raised for an error response.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SdkError {
    class: String,
    status: u16,
    code: String,
}

impl fmt::Display for SdkError {
    /// Such as `NoSuchServerSideEncryptionRule: 404 NoSuchServerSideEncryptionRule`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} {}", self.class, self.status, self.code)
    }
}

impl Session {
    /// Starts an emulator and the SDK. Returns `None`, and prints a notice, if the SDK is missing.
    pub(crate) fn new(sdk: Sdk) -> Option<Self> {
        let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket(BUCKET);
        let emulator = Emulator::start(config).unwrap();
        let session = Self::at(sdk, &emulator.url())?;
        Some(Self { emulator: Some(emulator), ..session })
    }

    /// Starts the SDK for an existing endpoint.
    pub(crate) fn at(sdk: Sdk, url: &str) -> Option<Self> {
        let interpreter = sdk.interpreter()?;
        let directory = TempDir::new().unwrap();
        let mut command = tokio::process::Command::from(interpreter);
        let mut process = command
            .arg(sdk.script())
            // A `.netrc` in the user's home would replace the signature.
            .env("HOME", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A pipe that is only read at the end could fill up.
            .stderr(File::create(directory.path().join("stderr")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Some(Self {
            sdk,
            emulator: None,
            url: url.to_owned(),
            stdin: process.stdin.take().unwrap(),
            stdout: BufReader::new(process.stdout.take().unwrap()),
            process,
            directory,
        })
    }

    /// The session's own emulator.
    pub(crate) fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().unwrap()
    }

    /// The provider's client.
    pub(crate) fn client(
        &self,
        version: SignatureVersion,
        credentials: &Credentials,
    ) -> BucketClient {
        BucketClient(Client::new(ClientConfig {
            region: Some(Region::parse(REGION).unwrap()),
            endpoint: Some(Endpoint::parse(&self.url).unwrap()),
            signature_version: version,
            credentials: Some(credentials.clone().into()),
            ..ClientConfig::default()
        }))
    }

    /// Creates the SDK's client, which later calls use.
    pub(crate) async fn connect(&mut self, version: SignatureVersion, credentials: &Credentials) {
        let connect = json!({
            "call": "connect",
            "endpoint": self.url,
            "region": REGION,
            "signature": name(version),
            "key_id": credentials.access_key_id,
            "key_secret": credentials.access_key_secret.expose_secret(),
            "token": credentials.security_token.as_ref().map(ExposeSecret::expose_secret),
            "bucket": BUCKET,
        });
        self.send(connect).await.unwrap();
    }

    pub(crate) async fn put(&mut self, rule: &EncryptionRule) -> Result<(), SdkError> {
        let put = json!({
            "call": "put",
            "sse_algorithm": rule.sse_algorithm.as_str(),
            "kms_master_key_id": rule.kms_master_key_id,
            "kms_data_encryption": rule.kms_data_encryption,
        });
        self.send(put).await.map(drop)
    }

    pub(crate) async fn get(&mut self) -> Result<EncryptionRule, SdkError> {
        let rule = self.send(json!({ "call": "get" })).await?;
        let text = |name: &str| rule[name].as_str().map(str::to_owned);
        Ok(EncryptionRule {
            sse_algorithm: SseAlgorithm::from(rule["sse_algorithm"].as_str().unwrap()),
            kms_master_key_id: text("kms_master_key_id"),
            kms_data_encryption: text("kms_data_encryption"),
        })
    }

    pub(crate) async fn delete(&mut self) -> Result<(), SdkError> {
        self.send(json!({ "call": "delete" })).await.map(drop)
    }

    /// Executes any other call.
    pub(crate) async fn call(&mut self, call: &str, arguments: Json) -> Result<Json, SdkError> {
        let mut message = arguments;
        message["call"] = json!(call);
        self.send(message).await
    }

    /// Sends a line, and reads the response line.
    async fn send(&mut self, call: Json) -> Result<Json, SdkError> {
        let mut line = String::new();
        let round_trip = async {
            // Fails if the process has exited; then there is no response either.
            let _ = self.stdin.write_all(format!("{call}\n").as_bytes()).await;
            self.stdout.read_line(&mut line).await.unwrap()
        };
        tokio::time::timeout(CALL_TIMEOUT, round_trip).await.expect("the SDK responds");
        let Ok(mut response) = serde_json::from_str::<Json>(&line) else {
            // After the process has exited, its output is complete.
            let _ = self.process.kill().await;
            let stderr = fs::read_to_string(self.directory.path().join("stderr")).unwrap();
            panic!("{:?} returned {line:?}:\n{stderr}", self.sdk);
        };
        match response.get_mut("error") {
            Some(error) => Err(serde_json::from_value(error.take()).unwrap()),
            None => Ok(response["result"].take()),
        }
    }
}

/// The provider's client, for the bucket of the tests.
pub(crate) struct BucketClient(Client);

impl BucketClient {
    pub(crate) async fn put(&self, rule: &EncryptionRule) {
        self.0.put_bucket_encryption(&bucket(), rule, &call()).await.unwrap();
    }

    /// The bucket's rule, if it has one.
    pub(crate) async fn get(&self) -> Option<EncryptionRule> {
        match self.0.get_bucket_encryption(&bucket(), &call()).await {
            Ok(rule) => Some(rule),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn delete(&self) {
        self.0.delete_bucket_encryption(&bucket(), &call()).await.unwrap();
    }
}

fn bucket() -> BucketName {
    BucketName::parse(BUCKET).unwrap()
}

fn call() -> CallOptions {
    CallOptions::with_timeout(CALL_TIMEOUT)
}

/// The name in the SDKs and the emulator.
pub(crate) fn name(version: SignatureVersion) -> &'static str {
    match version {
        SignatureVersion::V1 => "v1",
        SignatureVersion::V4 => "v4",
    }
}

/// Prints that a test did not run, or fails if it is required.
fn report_missing(reason: &str) {
    let message = format!("{reason}: this test with an official SDK did NOT run");
    let is_required = std::env::var_os("REQUIRE_SDKS").is_some_and(|value| !value.is_empty());
    assert!(!is_required, "{message}");
    // Not with the macro, whose output is hidden if the test passes. In one write, because other tests
    // write too.
    let _ = std::io::stderr().write_all(format!("\n*** {message} ***\n").as_bytes());
}

/// The path in a variable, or the one that `.ci/run` installs to.
fn path_from(variable: &str, installed: &str) -> PathBuf {
    let named = std::env::var_os(variable).filter(|name| !name.is_empty());
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join(installed);
    named.map_or_else(installed, PathBuf::from)
}

/// `SDK_PYTHON`, or what `.ci/run` installs. The error is the reason why it cannot be used.
fn find_python() -> Result<PathBuf, String> {
    let path = path_from("SDK_PYTHON", "target/sdks/bin/python");
    let shown = path.display();
    let output = python(&path).args(["-c", VERSIONS]).output();
    let output = output.map_err(|error| format!("{shown} cannot be run ({error})"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let cause = stderr.lines().last().unwrap_or_default();
        return Err(format!("{shown} cannot import the SDKs ({cause})"));
    }
    let versions = String::from_utf8_lossy(&output.stdout);
    let is_there = |pin: &str| versions.lines().any(|version| version == pin);
    match pins().find(|pin| !is_there(pin)) {
        Some(pin) => Err(format!("{shown} does not have {pin}")),
        None => Ok(path),
    }
}

/// The directory with the Node.js packages: `SDK_NODE_MODULES`, or what `.ci/run` installs.
fn find_node() -> Result<PathBuf, String> {
    let path = path_from("SDK_NODE_MODULES", "target/node-sdks/node_modules");
    let shown = path.display();
    let script = "require('ali-oss'); console.log(require('ali-oss/package.json').version)";
    let output = node(&path).args(["-e", script]).output();
    let output = output.map_err(|error| format!("node cannot be run ({error})"))?;
    let pins: Json = serde_json::from_str(PACKAGE).unwrap();
    let pin = pins["dependencies"]["ali-oss"].as_str().unwrap();
    if output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == pin {
        return Ok(path);
    }
    Err(format!("{shown} does not have ali-oss {pin}"))
}

/// The required SDKs, such as `oss2==2.19.1`.
fn pins() -> impl Iterator<Item = &'static str> {
    let names = ["alibabacloud-oss-v2==", "oss2=="];
    REQUIREMENTS.lines().filter(move |line| names.iter().any(|name| line.starts_with(name)))
}

/// Python without the user's packages and proxies. It writes no bytecode next to the scripts.
fn python(path: &Path) -> Command {
    let mut command = isolated(path);
    command.args(["-B", "-s"]);
    command
}

/// Node.js with these packages.
fn node(modules: &Path) -> Command {
    let mut command = isolated(Path::new("node"));
    // The SDK prints deprecation warnings for old Node.js versions.
    command.env("NODE_PATH", modules).arg("--no-deprecation");
    command
}

fn isolated(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}
