//! The life of a bucket's encryption, told step by step: the real `terraform` (or `tofu`) drives
//! the provider against the local endpoint. Needs no account and leaves nothing behind.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "it tells a story")]

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
Builds the provider, starts a local endpoint that plays OSS, and shows the life of a bucket's
encryption with the real terraform (or tofu, or what the variable TERRAFORM names). It needs no
account and leaves nothing behind.

Usage: cargo run --example quickstart";

const HOW_TO_GET_TERRAFORM: &str = "\
The quickstart drives the real terraform, and neither `terraform` nor `tofu` is on the PATH.

  Terraform: https://developer.hashicorp.com/terraform/install
  OpenTofu:  https://opentofu.org/docs/intro/install

Or name the program in the variable TERRAFORM. Then run again: cargo run --example quickstart
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
            eprintln!("quickstart: {other:?} is no option; it takes none. Try --help.");
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
    let story = Story {
        emulator: Emulator::start(config)?,
        folder: TempDir::new()?,
        terraform,
        steps: std::cell::Cell::new(0),
    };
    story.prepare(&provider)?;
    println!(
        "\n{version} drives the provider. A local endpoint at {} plays OSS: it checks\n\
         every signature, and has one empty bucket, {BUCKET}. Nothing leaves this machine.",
        story.emulator.url(),
    );

    story.step("Say how new objects are to be encrypted, and apply");
    story.configure("KMS")?;
    story.terraform(&["apply", "-auto-approve"], 0)?;

    story
        .step("Upload an object that says nothing about encryption: the bucket's rule encrypts it");
    story.put("hello.txt")?;

    story.step("Plan again: nothing is to be done");
    story.terraform(&["plan", "-detailed-exitcode"], 0)?;

    story.step("Change the algorithm: one update in place, read back until OSS shows it");
    story.configure("AES256")?;
    story.terraform(&["apply", "-auto-approve"], 0)?;

    story.step("Someone sets SM4 behind terraform's back: the plan shows the drift, …");
    let theirs = EncryptionRule {
        sse_algorithm: "SM4".to_owned(),
        kms_master_key_id: None,
        kms_data_encryption: None,
    };
    story.emulator.set_rule(BUCKET, theirs);
    story.terraform(&["plan", "-detailed-exitcode"], 2)?;

    story.step("… and apply repairs it");
    story.terraform(&["apply", "-auto-approve"], 0)?;

    story.step("Forget the state and import the bucket as it is: nothing changes");
    fs::remove_file(story.folder.path().join("terraform.tfstate"))?;
    story.terraform(&["import", "oss_bucket_encryption.logs", BUCKET], 0)?;
    story.terraform(&["plan", "-detailed-exitcode"], 0)?;

    story.step("A mistake is found before anything is sent");
    story.configure("aes-256")?;
    story.terraform(&["validate"], 1)?;

    story.step("Destroy: the rule goes, the bucket stays");
    story.configure("AES256")?;
    story.terraform(&["destroy", "-auto-approve"], 0)?;
    if let Some(rule) = story.emulator.rule(BUCKET) {
        return Err(format!("the bucket still has the rule {rule:?}").into());
    }

    story
        .step("What was encrypted stays so and can be read; what is uploaded now is not encrypted");
    story.get("hello.txt")?;
    story.put("plain.txt")?;

    println!(
        "\nThat was all. To do it yourself: `cargo run -p oss-emulator -- --bucket demo` starts\n\
         the endpoint alone and prints a configuration to paste; README.md tells the rest."
    );
    Ok(())
}

/// `terraform` or `tofu`, with what it says its version is.
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
            format!("The variable TERRAFORM names {}, which cannot be run.", name.display())
        }
        None => HOW_TO_GET_TERRAFORM.to_owned(),
    })
}

/// Builds the provider in the profile of this example, and returns the folder it is in.
fn build_provider() -> Result<PathBuf, Box<dyn Error>> {
    let this = env::current_exe()?;
    let folder = this.parent().and_then(Path::parent).ok_or("this program is not in target/")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // Together with an example cargo builds it from what is compiled already.
    command.args(["build", "--bin", "terraform-provider-oss", "--example", "quickstart"]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if !command.status()?.success() {
        return Err("the provider could not be built".into());
    }
    Ok(folder.to_owned())
}

/// A folder, an endpoint and a program, with a narrator.
struct Story {
    emulator: Emulator,
    folder: TempDir,
    terraform: PathBuf,
    steps: std::cell::Cell<u32>,
}

impl Story {
    fn prepare(&self, provider: &Path) -> Result<(), Box<dyn Error>> {
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"oss-tools/oss\" = {:?}\n  \
             }}\n  direct {{}}\n}}\n",
            provider.to_str().ok_or("the folder of this project is not text")?,
        );
        fs::write(self.folder.path().join("cli.tfrc"), overrides)?;
        let provider = format!(
            "terraform {{\n  required_providers {{\n    oss = {{\n      source = \"oss-tools/oss\"\n    \
             }}\n  }}\n}}\n\nprovider \"oss\" {{\n  region     = \"cn-hangzhou\"\n  endpoint   = {:?}\n  \
             access_key = {KEY_ID:?}\n  secret_key = {KEY_SECRET:?}\n}}\n",
            self.emulator.url(),
        );
        Ok(fs::write(self.folder.path().join("provider.tf"), provider)?)
    }

    fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!("\n── {}. {title}", self.steps.get());
    }

    /// Writes the resource, and shows it.
    fn configure(&self, algorithm: &str) -> Result<(), Box<dyn Error>> {
        let resource = format!(
            "resource \"oss_bucket_encryption\" \"logs\" {{\n  bucket        = {BUCKET:?}\n  \
             sse_algorithm = {algorithm:?}\n}}\n"
        );
        println!("\n{}", indent("   main.tf │ ", &resource));
        Ok(fs::write(self.folder.path().join("main.tf"), resource)?)
    }

    /// Uploads an object, and tells how OSS encrypted it and what it keeps.
    fn put(&self, key: &str) -> Result<(), Box<dyn Error>> {
        println!("\n   $ PUT {key} with {CONTENT:?}");
        let encryption = self.send("PUT", key)?.0;
        let stored = self.emulator.stored_object(BUCKET, key).ok_or("the object is not there")?;
        println!("   OSS answered: {}", encryption.as_deref().unwrap_or("no encryption"));
        println!("   OSS keeps:    {}", printable(&stored));
        if encryption.is_some() == (stored == CONTENT.as_bytes()) {
            return Err("what is kept is not what the answer says".into());
        }
        Ok(())
    }

    /// Downloads an object.
    fn get(&self, key: &str) -> Result<(), Box<dyn Error>> {
        println!("\n   $ GET {key}");
        let (encryption, content) = self.send("GET", key)?;
        println!("   OSS answered: {}", encryption.as_deref().unwrap_or("no encryption"));
        println!("   Content:      {content:?}");
        if content == CONTENT { Ok(()) } else { Err("the content is another one".into()) }
    }

    /// Sends a signed request about an object; returns the header about its encryption, and the body.
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
        let record = async {
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
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(record)
    }

    /// Runs terraform, tells what it and OSS said, and fails on another exit code.
    fn terraform(&self, arguments: &[&str], expected: i32) -> Result<(), Box<dyn Error>> {
        println!("\n   $ terraform {}", arguments.join(" "));
        self.emulator.clear_requests();
        let folder = self.folder.path();
        let output = Command::new(&self.terraform)
            .args(arguments)
            .arg("-no-color")
            .current_dir(folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .env("TF_CLI_CONFIG_FILE", folder.join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .output()?;
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(expected) {
            return Err(format!("terraform ended with {}:\n{out}\n{err}", output.status).into());
        }
        let said: Vec<&str> = out.lines().chain(err.lines()).filter(|line| is_news(line)).collect();
        println!("{}", indent("     ", &said.join("\n")));
        let seen: Vec<String> = self.emulator.requests().iter().map(ToString::to_string).collect();
        match seen.as_slice() {
            [] => println!("   OSS saw nothing."),
            seen => println!("   OSS saw:\n{}", indent("     ", &seen.join("\n"))),
        }
        Ok(())
    }
}

/// The lines of terraform's output that tell what is new.
fn is_news(line: &str) -> bool {
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

/// Bytes as they are where they are text, else in hexadecimal digits.
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
