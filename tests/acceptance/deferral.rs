//! Changes that are deferred because the provider block is not known yet, with hosts that allow it.

use oss_emulator::EncryptionRule;
use serde_json::Value as Json;

use super::host::{Feature, has};
use super::workspace::{Run, Workspace};

/// A provider block whose arguments are known only after an apply.
pub(super) fn unknown_provider(workspace: &Workspace) -> String {
    format!(
        "resource \"terraform_data\" \"account\" {{\n  input = {{\n    region = \"cn-hangzhou\"\n    \
         endpoint = {:?}\n  }}\n}}\nprovider \"oss\" {{\n  \
         region = terraform_data.account.output.region\n  \
         endpoint = terraform_data.account.output.endpoint\n}}\n",
        workspace.emulator.url(),
    )
}

const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"SM4\"\n}\n";

/// Applies in a round that may defer changes. Returns the output, and the deferred addresses with the reason.
fn apply(workspace: &Workspace) -> (Run, Vec<String>) {
    let plan = ["plan", "-allow-deferral", "-out=plan", "-no-color"];
    workspace.terraform(&plan).succeeds();
    let shown = workspace.terraform(&["show", "-json", "plan"]).succeeds().stdout;
    let shown: Json = serde_json::from_str(&shown).unwrap();
    let changes = shown["deferred_changes"].as_array().cloned().unwrap_or_default();
    let line = |change: Json| {
        let (address, reason) = (&change["resource_change"]["address"], &change["reason"]);
        format!("{}: {}", address.as_str().unwrap(), reason.as_str().unwrap())
    };
    let deferred = changes.into_iter().map(line).collect();
    (workspace.terraform(&["apply", "-no-color", "plan"]).succeeds(), deferred)
}

const DEFERRED: [&str; 1] = ["oss_bucket_encryption.this: provider_config_unknown"];

#[test]
fn imports_are_deferred_until_the_provider_is_known() {
    for target in ["id = \"demo\"", "identity = { bucket = \"demo\" }"] {
        let Some(workspace) = Workspace::new(&["demo"]) else { return };
        if !has(Feature::Deferral, "a deferred import") {
            return;
        }
        workspace.emulator.set_rule("demo", EncryptionRule::new("SM4"));
        let import = format!("import {{\n  to = oss_bucket_encryption.this\n  {target}\n}}\n");
        workspace.configure_with(&unknown_provider(&workspace), &(import + RESOURCE));
        let (_, deferred) = apply(&workspace);
        assert_eq!(deferred, DEFERRED, "{target}");
        assert_eq!(workspace.calls(), Vec::<String>::new(), "{target}");
        let (run, deferred) = apply(&workspace);
        assert_eq!(deferred, Vec::<String>::new(), "{target}");
        assert!(
            run.stdout.contains("1 imported, 0 added, 0 changed, 0 destroyed"),
            "{target}: {run}"
        );
        assert!(workspace.calls().iter().all(|call| call.starts_with("GET")));
        workspace.expect_no_changes();
    }
}

#[test]
fn a_destroy_is_deferred_until_the_provider_is_known() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    if !has(Feature::Deferral, "a deferred destroy") {
        return;
    }
    workspace.configure(RESOURCE);
    workspace.apply();
    workspace.calls();
    workspace.configure_with(&unknown_provider(&workspace), "");
    let (_, deferred) = apply(&workspace);
    assert_eq!(deferred, DEFERRED);
    assert_eq!(workspace.calls(), Vec::<String>::new());
    let (run, deferred) = apply(&workspace);
    assert_eq!(deferred, Vec::<String>::new());
    assert!(run.stdout.contains("0 added, 0 changed, 1 destroyed"), "{run}");
    assert_eq!(workspace.emulator.rule("demo"), None);
}

#[test]
fn a_create_and_an_update_are_deferred_until_the_provider_is_known() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    if !has(Feature::Deferral, "a deferred create and update") {
        return;
    }
    workspace.configure_with(&unknown_provider(&workspace), RESOURCE);
    let (_, deferred) = apply(&workspace);
    assert_eq!(deferred, DEFERRED);
    assert_eq!(workspace.calls(), Vec::<String>::new());
    let (run, deferred) = apply(&workspace);
    assert_eq!(deferred, Vec::<String>::new());
    assert!(run.stdout.contains("1 added, 0 changed, 0 destroyed"), "{run}");
    workspace.calls();
    // The account is made again, and the provider is not known again.
    let changed = RESOURCE.replace("SM4", "AES256");
    let provider =
        unknown_provider(&workspace).replace("input = {", "triggers_replace = 2\n  input = {");
    workspace.configure_with(&provider, &changed);
    let (_, deferred) = apply(&workspace);
    assert_eq!(deferred, DEFERRED);
    assert_eq!(workspace.calls(), Vec::<String>::new());
    let (run, _) = apply(&workspace);
    assert!(run.stdout.contains("0 added, 1 changed, 0 destroyed"), "{run}");
    assert_eq!(workspace.emulator.rule("demo"), Some(EncryptionRule::new("AES256")));
}

#[test]
fn data_sources_are_deferred_until_the_provider_is_known() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    if !has(Feature::Deferral, "a deferred data source") {
        return;
    }
    let sources = "data \"oss_bucket_encryption\" \"one\" {\n  bucket = \"demo\"\n}\n\
                   data \"oss_bucket_encryptions\" \"all\" {}\n\
                   output \"buckets\" {\n  value = data.oss_bucket_encryptions.all.buckets[*].bucket\n}\n";
    workspace.configure_with(&unknown_provider(&workspace), sources);
    let (_, deferred) = apply(&workspace);
    assert_eq!(
        deferred,
        [
            "data.oss_bucket_encryption.one: provider_config_unknown",
            "data.oss_bucket_encryptions.all: provider_config_unknown"
        ]
    );
    assert_eq!(workspace.calls(), Vec::<String>::new());
    let (_, deferred) = apply(&workspace);
    assert_eq!(deferred, Vec::<String>::new());
    let output = workspace.terraform(&["output", "-json", "buckets"]).succeeds().stdout;
    assert_eq!(output.trim(), "[\"demo\"]");
}
