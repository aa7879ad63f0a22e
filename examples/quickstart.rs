//! Demonstrates the lifecycle of a bucket's encryption rule, step by step: the real `terraform` (or
//! `tofu`) with this provider against the local OSS emulator. Needs no account, and removes its files.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it prints the steps")]

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use oss_emulator::{Config, Emulator, EncryptionRule};
use tempfile::TempDir;
use terraform_provider_oss::oss::Credentials;
use terraform_provider_oss::oss::sign::{SignableRequest, SignatureVersion, SigningContext, sign};
use time::OffsetDateTime;

const BUCKET: &str = "quickstart-logs";
const KEY_ID: &str = "LTAI5tQUICKSTARTQUICKSTA";
const KEY_SECRET: &str = "QuickstartQuickstartQuickstart";
const CONTENT: &str = "the quick brown fox";

const HELP: &str = "\
Builds the provider, starts the local OSS emulator, and uses terraform (or tofu, or the executable in
the variable TERRAFORM) to create, change, repair, import and delete a bucket's encryption. It needs
no account, and removes its files.

Usage: cargo run --example quickstart";

const HOW_TO_GET_TERRAFORM: &str = "\
The quickstart requires terraform, but neither `terraform` nor `tofu` is on the PATH.

  Terraform: https://developer.hashicorp.com/terraform/install
  OpenTofu:  https://opentofu.org/docs/intro/install

Or set the variable TERRAFORM to the executable. Then run again: cargo run --example quickstart
";

fn main() -> ExitCode {
    // Before anything is built or started.
    match env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h") => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("quickstart: unexpected argument {other:?}. Try --help.");
            return ExitCode::from(2);
        }
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (terraform, version) = find_terraform()?;
    println!("Building the provider …");
    let provider = build_provider()?;
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET).with_bucket(BUCKET);
    let demo = Demo {
        emulator: Emulator::start(config)?,
        directory: TempDir::new()?,
        terraform,
        steps: std::cell::Cell::new(0),
    };
    demo.prepare(&provider)?;
    println!(
        "\nUsing {version} and the local OSS emulator at {}. It verifies\n\
         every signature, and has one empty bucket, {BUCKET}. Nothing leaves this machine.",
        demo.emulator.url(),
    );

    demo.step("Configure the encryption of new objects, and apply");
    demo.configure("KMS")?;
    demo.terraform(&["apply", "-auto-approve"], 0)?;

    demo.step("Upload an object that says nothing about encryption: the bucket's rule encrypts it");
    demo.put("hello.txt")?;

    demo.step("Plan again: no changes");
    demo.terraform(&["plan", "-detailed-exitcode"], 0)?;

    demo.step("Change the algorithm: an update in place, verified by reading it back");
    demo.configure("AES256")?;
    demo.terraform(&["apply", "-auto-approve"], 0)?;

    demo.step("SM4 is set outside Terraform: the plan shows the drift, …");
    let drift = EncryptionRule {
        sse_algorithm: "SM4".to_owned(),
        kms_master_key_id: None,
        kms_data_encryption: None,
    };
    demo.emulator.set_rule(BUCKET, drift);
    demo.terraform(&["plan", "-detailed-exitcode"], 2)?;

    demo.step("… and apply repairs it");
    demo.terraform(&["apply", "-auto-approve"], 0)?;

    demo.step("Delete the state and import the bucket: no changes");
    fs::remove_file(demo.directory.path().join("terraform.tfstate"))?;
    demo.terraform(&["import", "oss_bucket_encryption.logs", BUCKET], 0)?;
    demo.terraform(&["plan", "-detailed-exitcode"], 0)?;

    demo.step("An invalid value is reported before any request is sent");
    demo.configure("aes-256")?;
    demo.terraform(&["validate"], 1)?;

    demo.step("Destroy: the rule is deleted, the bucket is kept");
    demo.configure("AES256")?;
    demo.terraform(&["destroy", "-auto-approve"], 0)?;
    if let Some(rule) = demo.emulator.rule(BUCKET) {
        return Err(format!("the bucket still has the rule {rule:?}").into());
    }

    demo.step("Existing objects stay encrypted and readable; new ones are not encrypted");
    demo.get("hello.txt")?;
    demo.put("plain.txt")?;

    println!(
        "\nDone. To try it yourself, run `cargo run -p oss-emulator -- --bucket demo`, which starts\n\
         the emulator and prints a configuration to paste. README.md has the details."
    );
    Ok(())
}

/// Finds `terraform` or `tofu`. Returns the path and the first line of its version.
fn find_terraform() -> Result<(PathBuf, String), String> {
    let named = env::var_os("TERRAFORM").filter(|name| !name.is_empty());
    let candidates = match &named {
        Some(name) => vec![name.as_os_str()],
        None => vec![OsStr::new("terraform"), OsStr::new("tofu")],
    };
    let found = candidates.into_iter().find_map(|name| {
        let output = Command::new(name).arg("version").env("CHECKPOINT_DISABLE", "1").output();
        let output = output.ok().filter(|output| output.status.success())?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned();
        Some((PathBuf::from(name), version))
    });
    found.ok_or_else(|| match &named {
        Some(name) => {
            format!("{} (from the variable TERRAFORM) cannot be run.", name.display())
        }
        None => HOW_TO_GET_TERRAFORM.to_owned(),
    })
}

/// Builds the provider in the profile of this example, and returns its directory.
fn build_provider() -> Result<PathBuf, Box<dyn Error>> {
    let this = env::current_exe()?;
    let directory = this.parent().and_then(Path::parent).ok_or("this program is not in target/")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // With the example, cargo can reuse the dependencies that are compiled already.
    command.args(["build", "--bin", "terraform-provider-oss", "--example", "quickstart"]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if directory.ends_with("release") {
        command.arg("--release");
    }
    if !command.status()?.success() {
        return Err("the provider could not be built".into());
    }
    Ok(directory.to_owned())
}

/// The demonstration: an emulator, a working directory and terraform.
struct Demo {
    emulator: Emulator,
    directory: TempDir,
    terraform: PathBuf,
    steps: std::cell::Cell<u32>,
}

impl Demo {
    fn prepare(&self, provider: &Path) -> Result<(), Box<dyn Error>> {
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"oss-tools/oss\" = {:?}\n  \
             }}\n  direct {{}}\n}}\n",
            provider.to_str().ok_or("the path of this project is not valid UTF-8")?,
        );
        fs::write(self.directory.path().join("cli.tfrc"), overrides)?;
        let provider = format!(
            "terraform {{\n  required_providers {{\n    oss = {{\n      source = \"oss-tools/oss\"\n    \
             }}\n  }}\n}}\n\nprovider \"oss\" {{\n  region     = \"cn-hangzhou\"\n  endpoint   = {:?}\n  \
             access_key = {KEY_ID:?}\n  secret_key = {KEY_SECRET:?}\n}}\n",
            self.emulator.url(),
        );
        Ok(fs::write(self.directory.path().join("provider.tf"), provider)?)
    }

    fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n── {}. {title}", self.steps.get());
    }

    /// Writes the resource, and prints it.
    fn configure(&self, algorithm: &str) -> Result<(), Box<dyn Error>> {
        let resource = format!(
            "resource \"oss_bucket_encryption\" \"logs\" {{\n  bucket        = {BUCKET:?}\n  \
             sse_algorithm = {algorithm:?}\n}}\n"
        );
        println!("\n{}", indent("   main.tf │ ", &resource));
        Ok(fs::write(self.directory.path().join("main.tf"), resource)?)
    }

    /// Uploads an object, and prints its encryption and the stored bytes.
    fn put(&self, key: &str) -> Result<(), Box<dyn Error>> {
        println!("\n   $ PUT {key} with {CONTENT:?}");
        let encryption = self.send("PUT", key)?.0;
        let stored = self.emulator.stored_object(BUCKET, key).ok_or("the object does not exist")?;
        println!("   OSS returned: {}", encryption.as_deref().unwrap_or("no encryption"));
        println!("   OSS stores:   {}", printable(&stored));
        if encryption.is_some() == (stored == CONTENT.as_bytes()) {
            return Err("the stored bytes do not match the response".into());
        }
        Ok(())
    }

    /// Downloads an object.
    fn get(&self, key: &str) -> Result<(), Box<dyn Error>> {
        println!("\n   $ GET {key}");
        let (encryption, content) = self.send("GET", key)?;
        println!("   OSS returned: {}", encryption.as_deref().unwrap_or("no encryption"));
        println!("   Content:      {content:?}");
        if content == CONTENT { Ok(()) } else { Err("the content is different".into()) }
    }

    /// Sends a signed request for an object. Returns the encryption header and the body.
    fn send(&self, method: &str, key: &str) -> Result<(Option<String>, String), Box<dyn Error>> {
        let credentials = Credentials::new(KEY_ID, KEY_SECRET);
        let context = SigningContext {
            credentials: &credentials,
            time: OffsetDateTime::now_utc(),
            region: "cn-hangzhou",
            product: "oss",
        };
        let request = SignableRequest {
            method,
            bucket: Some(BUCKET),
            object_key: Some(key),
            query: &[],
            headers: &[],
            sub_resources: &[],
            additional_headers: &[],
        };
        let signature = sign(SignatureVersion::V4, &request, &context);
        let url = format!("{}/{BUCKET}/{key}", self.emulator.url());
        let round_trip = async {
            let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
            let mut request = http.request(method.parse()?, url);
            for (name, value) in &signature.headers {
                request = request.header(name, value);
            }
            if method == "PUT" {
                request = request.body(CONTENT);
            }
            let response = request.send().await?.error_for_status()?;
            let name = "x-oss-server-side-encryption";
            let header = response.headers().get(name).and_then(|value| value.to_str().ok());
            let header = header.map(|value| format!("{name}: {value}"));
            Ok((header, response.text().await?))
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(round_trip)
    }

    /// Runs terraform, and prints its output and the requests to OSS. Fails on another exit code.
    fn terraform(&self, arguments: &[&str], expected: i32) -> Result<(), Box<dyn Error>> {
        println!("\n   $ terraform {}", arguments.join(" "));
        self.emulator.clear_requests();
        let directory = self.directory.path();
        let output = Command::new(&self.terraform)
            .args(arguments)
            .arg("-no-color")
            .current_dir(directory)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .env("TF_CLI_CONFIG_FILE", directory.join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .output()?;
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(expected) {
            return Err(format!("terraform exited with {}:\n{out}\n{err}", output.status).into());
        }
        let lines: Vec<&str> =
            out.lines().chain(err.lines()).filter(|line| is_relevant(line)).collect();
        println!("{}", indent("     ", &lines.join("\n")));
        let requests: Vec<String> =
            self.emulator.requests().iter().map(ToString::to_string).collect();
        match requests.as_slice() {
            [] => println!("   No requests to OSS."),
            requests => println!("   Requests to OSS:\n{}", indent("     ", &requests.join("\n"))),
        }
        Ok(())
    }
}

/// Whether a line of terraform's output shows a change or a result.
fn is_relevant(line: &str) -> bool {
    let text = line.trim_start_matches(['│', ' ']);
    let is_change =
        ["+ ", "~ ", "- "].iter().any(|mark| text.starts_with(mark)) && text.contains(" = ");
    let is_result = [
        "Plan: ",
        "No changes.",
        "Apply complete!",
        "Destroy complete!",
        "Import successful!",
        "Error: ",
        "on main.tf line ",
        "`sse_algorithm` must be ",
    ]
    .iter()
    .any(|start| text.starts_with(start));
    is_change || is_result
}

/// Formats bytes as text if possible, otherwise in hexadecimal.
fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => format!("{text:?}"),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat(),
    }
}

fn indent(margin: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{margin}{line}")).collect();
    lines.join("\n")
}
