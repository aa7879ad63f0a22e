//! A provider that another program has started, as Crossplane's upjet does (`pkg/terraform/provider_runner.go` and
//! `workspace.go` of crossplane/upjet): without a client certificate and without a list of protocol versions. Many
//! workspaces use one process, each with its own configuration in JSON.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};

use super::workspace::{KEY_ID, KEY_SECRET, Run, Workspace};

/// A running provider, which is killed when the value is dropped.
struct Shared(Child);

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the provider, and returns it with the value of `TF_REATTACH_PROVIDERS`.
fn start() -> (Shared, String) {
    let mut provider = Shared(
        Command::new(env!("CARGO_BIN_EXE_terraform-provider-oss"))
            .env(
                "TF_PLUGIN_MAGIC_COOKIE",
                "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(provider.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (_, rest) = line.split_once("unix|").unwrap_or_else(|| panic!("{line:?}"));
    let (path, _) = rest.rsplit_once("|grpc").unwrap_or_else(|| panic!("{line:?}"));
    let entry = json!({ "Protocol": "grpc", "ProtocolVersion": 6, "Pid": std::process::id(), "Test": true,
        "Addr": { "Network": "unix", "String": path } });
    let value = json!({ "registry.terraform.io/oss-tools/oss": entry });
    (provider, value.to_string())
}

/// A managed resource: its directory, its bucket, and its arguments.
struct Managed<'a> {
    workspace: &'a Workspace,
    reattach: &'a str,
    bucket: &'a str,
}

impl Managed<'_> {
    fn configure(&self, algorithm: &str) {
        let directory = self.workspace.path(self.bucket);
        std::fs::create_dir_all(&directory).unwrap();
        let configuration = json!({
            "terraform": { "required_providers": { "oss":
                { "source": "registry.terraform.io/oss-tools/oss", "version": "0.1.0" } } },
            "provider": { "oss": { "region": "cn-hangzhou", "endpoint": self.workspace.emulator.url(),
                "access_key": KEY_ID, "secret_key": KEY_SECRET } },
            "resource": { "oss_bucket_encryption": { "this":
                { "bucket": self.bucket, "sse_algorithm": algorithm,
                  "lifecycle": { "prevent_destroy": false } } } },
        });
        self.workspace.write(&format!("{}/main.tf.json", self.bucket), &configuration.to_string());
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let directory = format!("-chdir={}", self.bucket);
        let options = ["-input=false", "-lock=false"];
        let arguments = [&[directory.as_str(), command], &options[..], arguments].concat();
        self.workspace
            .terraform_in(&[("TF_REATTACH_PROVIDERS", self.reattach)], &arguments)
            .succeeds()
    }

    fn apply(&self) {
        self.run("apply", &["-auto-approve", "-json"]);
    }

    /// The numbers of changes in the summary of a plan.
    fn planned(&self) -> Json {
        let run = self.run("plan", &["-refresh=false", "-json"]);
        let lines = run.stdout.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let mut summaries = lines.filter(|line| line["type"] == "change_summary");
        let mut changes = summaries.next().unwrap_or_else(|| panic!("{run}"))["changes"].take();
        changes
            .as_object_mut()
            .unwrap()
            .retain(|name, _| matches!(name.as_str(), "add" | "change" | "remove"));
        changes
    }

    fn forget(&self) {
        for name in ["terraform.tfstate", "terraform.tfstate.backup"] {
            let _ = std::fs::remove_file(self.workspace.path(self.bucket).join(name));
        }
    }
}

#[test]
fn a_provider_that_another_program_started_serves_several_workspaces() {
    let buckets = ["one", "two"].map(|name| format!("{name}-logs"));
    let names: Vec<&str> = buckets.iter().map(String::as_str).collect();
    let Some(workspace) = Workspace::new(&names) else { return };
    workspace.install(&[]);
    let (provider, reattach) = start();
    let (workspace, reattach) = (&workspace, reattach.as_str());
    for bucket in &buckets {
        let managed = Managed { workspace, reattach, bucket };
        managed.configure("KMS");
        assert_eq!(managed.planned(), json!({ "add": 1, "change": 0, "remove": 0 }));
        managed.apply();
        assert_eq!(managed.planned(), json!({ "add": 0, "change": 0, "remove": 0 }));
        // Someone else changes the rule, which a refresh notices.
        workspace.emulator.set_rule(bucket, EncryptionRule::new("AES256"));
        managed.run("apply", &["-refresh-only", "-auto-approve", "-json"]);
        assert_eq!(managed.planned(), json!({ "add": 0, "change": 1, "remove": 0 }));
        managed.configure("SM4");
        managed.apply();
        assert_eq!(workspace.emulator.rule(bucket), Some(EncryptionRule::new("SM4")));
        // The resource is found again by its ID.
        managed.forget();
        managed.run("import", &["oss_bucket_encryption.this", bucket]);
        assert_eq!(managed.planned(), json!({ "add": 0, "change": 0, "remove": 0 }));
    }
    for bucket in &buckets {
        let managed = Managed { workspace, reattach, bucket };
        managed.run("destroy", &["-auto-approve", "-json"]);
        assert_eq!(workspace.emulator.rule(bucket), None);
    }
    drop(provider);
}
