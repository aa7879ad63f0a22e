//! `terraform query` and imports by identity, with hosts that have them.

use std::fs;

use oss_emulator::{Config, EncryptionRule, Fault};

use super::host::{Feature, has};
use super::workspace::{Run, Workspace};

/// Buckets in two regions: three with a rule, one without.
fn account(config: Config) -> Config {
    ["app-a", "app-b", "app-plain"]
        .iter()
        .fold(config, |config, name| config.with_bucket(name))
        .with_bucket_in("app-far", "cn-beijing")
}

fn workspace() -> Option<Workspace> {
    let workspace = Workspace::with(account)?;
    workspace.emulator.set_rule("app-a", EncryptionRule::new("AES256"));
    workspace.emulator.set_rule("app-b", EncryptionRule::new("SM4"));
    workspace.emulator.set_rule("app-far", EncryptionRule::new("KMS"));
    Some(workspace)
}

/// Runs a query with these arguments in its `list` block.
fn query(workspace: &Workspace, arguments: &str, options: &[&str]) -> Run {
    workspace.configure("");
    let list =
        format!("list \"oss_bucket_encryption\" \"all\" {{\n  provider = oss\n{arguments}}}\n");
    workspace.write("all.tfquery.hcl", &list);
    workspace.terraform(&[&["query", "-no-color"], options].concat())
}

#[test]
fn a_query_lists_the_rules_of_all_regions() {
    let Some(workspace) = workspace() else { return };
    if !has(Feature::Queries, "a query") {
        return;
    }
    let run = query(&workspace, "", &[]).succeeds();
    for line in ["bucket=app-a,", "bucket=app-b,", "bucket=app-far,region=cn-beijing "] {
        assert!(run.stdout.contains(line), "{line:?} is missing: {run}");
    }
    assert!(!run.stdout.contains("app-plain"), "{run}");
    assert!(!run.stdout.contains("Query ended"), "{run}");
    let run = query(&workspace, "  config {\n    prefix = \"app-f\"\n  }\n", &[]).succeeds();
    assert!(run.stdout.contains("app-far") && !run.stdout.contains("app-a"), "{run}");
    assert!(run.log.contains("rpc=ListResource"), "the call is logged: {}", run.log);
}

#[test]
fn a_query_that_ends_at_its_limit_shows_a_warning() {
    let Some(workspace) = workspace() else { return };
    if !has(Feature::Queries, "a query with a limit") {
        return;
    }
    for (limit, is_cut_off) in [(1, true), (2, true), (3, true), (4, false)] {
        let run = query(&workspace, &format!("  limit = {limit}\n"), &[]).succeeds();
        let shown = run.stdout.matches("bucket=app-").count();
        assert_eq!(shown, limit.min(3), "{run}");
        // The bucket without a rule is the last one.
        let warned = run.stdout.contains(&format!("ended at its `limit` of {limit},"));
        assert_eq!(warned, is_cut_off, "{run}");
    }
}

#[test]
fn problems_of_a_query_are_shown_where_they_are() {
    let Some(workspace) = workspace() else { return };
    if !has(Feature::Queries, "a query with problems") {
        return;
    }
    let run = query(&workspace, "  config {\n    region = \"c/n\"\n  }\n", &[]).fails();
    for part in ["Invalid region", "all.tfquery.hcl line 4", "region = \"c/n\""] {
        assert!(run.stderr.contains(part), "{part:?} is missing: {run}");
    }
    for (filter, summary) in [
        ("prefix = \"apps-\"", "No bucket with prefix apps-"),
        ("region = \"cn-hangzou\"", "No bucket in region cn-hangzou"),
    ] {
        let run = query(&workspace, &format!("  config {{\n    {filter}\n  }}\n"), &[]).succeeds();
        assert!(run.stdout.contains(&format!("Warning: {summary}")), "{run}");
        // Terraform 1.16 shows the line of the `config` block for a diagnostic of a running query.
        let argument = format!(
            "all.tfquery.hcl line 4, in list \"oss_bucket_encryption\" \"all\":\n   4:     {filter}"
        );
        let block =
            "all.tfquery.hcl line 3, in list \"oss_bucket_encryption\" \"all\":\n   3:   config {";
        assert!(run.stdout.contains(&argument) || run.stdout.contains(block), "{run}");
    }
    let run = query(&workspace, "  config {\n    prefix = \"-x\"\n  }\n", &[]).fails();
    for part in ["Invalid prefix", "all.tfquery.hcl line 4"] {
        assert!(run.stderr.contains(part), "{part:?} is missing: {run}");
    }
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied").bucket("app-b"));
    let run = query(&workspace, "", &[]).succeeds();
    for part in ["Warning: Bucket app-b was skipped", "oss:GetBucketEncryption", "bucket=app-far"] {
        assert!(run.stdout.contains(part), "{part:?} is missing: {run}");
    }
    workspace.emulator.inject(Fault::error_response(404, "NoSuchBucket").bucket("app-b"));
    let run = query(&workspace, "", &[]).succeeds();
    for part in ["Warning: Bucket app-b was skipped", "OSS listed the bucket", "bucket=app-far"] {
        assert!(run.stdout.contains(part), "{part:?} is missing: {run}");
    }
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied").operation("ListBuckets"));
    let run = query(&workspace, "", &[]).fails();
    assert!(run.stderr.contains("Cannot list buckets"), "{run}");
}

#[test]
fn the_results_of_a_query_are_imported_with_generated_configuration() {
    let Some(workspace) = workspace() else { return };
    if !has(Feature::Queries, "an import of a query's results") {
        return;
    }
    query(&workspace, "  include_resource = true\n", &["-generate-config-out=found.tf"]).succeeds();
    let found = fs::read_to_string(workspace.path("found.tf")).unwrap();
    assert_eq!(found.matches("identity = {").count(), 3, "{found}");
    workspace.calls();
    let run = workspace.apply();
    assert!(run.stdout.contains("3 imported, 0 added, 0 changed, 0 destroyed"), "{run}");
    assert!(workspace.calls().iter().all(|call| call.starts_with("GET")));
    workspace.expect_no_changes();
    assert_eq!(workspace.state().len(), 3);
}

#[test]
fn a_rule_is_imported_by_its_identity() {
    let Some(workspace) = workspace() else { return };
    if !has(Feature::IdentityImports, "an import by identity") {
        return;
    }
    let import = |identity: &str, algorithm: &str, region: &str| {
        format!(
            "import {{\n  to = oss_bucket_encryption.this\n  identity = {{ {identity} }}\n}}\n\
             resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"{}\"\n  \
             sse_algorithm = \"{algorithm}\"\n{region}}}\n",
            identity.split('"').nth(1).unwrap(),
        )
    };
    let far = "  region = \"cn-beijing\"\n";
    for (identity, algorithm, region) in [
        ("bucket = \"app-a\"", "AES256", ""),
        ("bucket = \"app-far\", region = \"cn-beijing\"", "KMS", far),
    ] {
        workspace.configure(&import(identity, algorithm, region));
        let run = workspace.apply();
        assert!(run.stdout.contains("1 imported, 0 added, 0 changed, 0 destroyed"), "{run}");
        workspace.expect_no_changes();
        workspace.terraform(&["state", "rm", "oss_bucket_encryption.this"]).succeeds();
    }
    workspace.configure(&import("bucket = \"app-plain\"", "AES256", ""));
    let run = workspace.terraform(&["plan", "-no-color"]).fails();
    assert!(run.stderr.contains("Bucket app-plain has no encryption to import"), "{run}");
}
