//! Terraform's tools: schema, tests, debug mode.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use super::workspace::Workspace;

#[test]
fn the_schema_is_shown() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    workspace.configure("");
    let shown = workspace.terraform(&["providers", "schema", "-json"]).succeeds().stdout;
    let schemas: Json = serde_json::from_str(&shown).unwrap();
    let (_, schema) =
        schemas["provider_schemas"].as_object().unwrap().iter().next().expect("one provider");
    let attributes = &schema["resource_schemas"]["oss_bucket_encryption"]["block"]["attributes"];
    assert_eq!(attributes["bucket"]["required"], true);
    assert_eq!(attributes["id"]["computed"], true);
    let attributes = |data_source: &str| {
        schema["data_source_schemas"][data_source]["block"]["attributes"].clone()
    };
    let rule = attributes("oss_bucket_encryption");
    assert_eq!(rule["bucket"]["required"], true);
    assert_eq!(rule["sse_algorithm"]["computed"], true);
    let buckets = &attributes("oss_bucket_encryptions")["buckets"];
    assert_eq!(buckets["computed"], true);
    assert_eq!(buckets["nested_type"]["nesting_mode"], "list");
    assert_eq!(buckets["nested_type"]["attributes"]["error"]["type"], "string");
    let arguments = &schema["provider"]["block"]["attributes"];
    assert_eq!(arguments["secret_key"]["sensitive"], true);
}

#[test]
fn a_module_is_tested_with_a_mocked_provider() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    workspace.configure(
        "variable \"bucket\" { type = string }\n\
         resource \"oss_bucket_encryption\" \"this\" {\n  bucket = var.bucket\n  \
         sse_algorithm = \"AES256\"\n}\n\
         output \"id\" { value = oss_bucket_encryption.this.id }\n",
    );
    workspace.write(
        "module.tftest.hcl",
        "mock_provider \"oss\" {\n  mock_resource \"oss_bucket_encryption\" {\n    defaults = {\n      \
         kms_master_key_id   = \"\"\n      kms_data_encryption = \"\"\n      region              = \"\"\n    \
         }\n  }\n}\n\
         variables { bucket = \"demo\" }\n\
         run \"plan\" {\n  command = plan\n  assert {\n    \
         condition = oss_bucket_encryption.this.sse_algorithm == \"AES256\"\n    \
         error_message = \"not AES256\"\n  }\n}\n\
         run \"apply\" {\n  assert {\n    condition = output.id != \"\"\n    \
         error_message = \"no id\"\n  }\n  assert {\n    \
         condition = oss_bucket_encryption.this.kms_master_key_id == \"\"\n    \
         error_message = \"a key ID was generated\"\n  }\n}\n",
    );
    // Without credentials and requests: only the provider's schema is used.
    let run = workspace.terraform_in(&[], &["test", "-no-color"]).succeeds();
    assert!(run.stdout.contains("Success! 2 passed, 0 failed."), "{run}");
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

#[test]
fn a_module_is_tested_against_the_emulator() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(
        "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  \
         sse_algorithm = \"KMS\"\n}\n",
    );
    workspace.write(
        "module.tftest.hcl",
        "run \"apply\" {\n  assert {\n    condition = oss_bucket_encryption.this.id == \"demo\"\n    \
         error_message = \"another id\"\n  }\n}\n",
    );
    let run = workspace.terraform(&["test", "-no-color"]).succeeds();
    assert!(run.stdout.contains("Success! 1 passed, 0 failed."), "{run}");
    assert!(workspace.calls().contains(&"PUT demo 200".to_owned()));
    assert!(workspace.emulator.rule("demo").is_none(), "the test cleans up behind itself");
}

/// A provider in debug mode, which is killed when the value is dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `oss-tools/oss` stands for different addresses in Terraform and OpenTofu, which can also be written
/// in full.
#[test]
fn debug_mode_is_found_under_both_addresses() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    workspace.install(&[]);
    let mut provider = Served(
        Command::new(env!("CARGO_BIN_EXE_terraform-provider-oss"))
            .arg("--debug")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let printed = BufReader::new(provider.0.stdout.take().unwrap()).lines();
    let value = printed.map(Result::unwrap).find_map(|line| {
        let value = line.trim().strip_prefix("TF_REATTACH_PROVIDERS='")?.strip_suffix('\'')?;
        Some(value.to_owned())
    });
    let environment = [("TF_REATTACH_PROVIDERS", value.as_deref().unwrap())];
    for source in [
        "oss-tools/oss",
        "registry.terraform.io/oss-tools/oss",
        "registry.opentofu.org/oss-tools/oss",
    ] {
        workspace.write(
            "main.tf",
            &format!(
                "terraform {{\n  required_providers {{\n    oss = {{ source = {source:?} }}\n  }}\n}}\n\
                 resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  \
                 sse_algorithm = \"SM4\"\n}}\n"
            ),
        );
        workspace.terraform_in(&environment, &["validate", "-no-color"]).succeeds();
    }
}
