//! A rule that one address gives up and another one takes in the same run: the bucket keeps it.

use std::time::Duration;

use oss_emulator::Fault;

use super::workspace::Workspace;

/// One resource for each key; both name the same buckets.
fn resources(keys: [&str; 2], algorithm: &str, lifecycle: &str) -> String {
    format!(
        r#"resource "oss_bucket_encryption" "all" {{
  for_each      = {{ {} = "demo-1", {} = "demo-2" }}
  bucket        = each.value
  sse_algorithm = "{algorithm}"
{lifecycle}}}
"#,
        keys[0], keys[1]
    )
}

fn algorithms(workspace: &Workspace) -> [Option<String>; 2] {
    ["demo-1", "demo-2"]
        .map(|bucket| workspace.emulator.rule(bucket).map(|rule| rule.sse_algorithm))
}

#[test]
fn a_rule_whose_address_changes_without_a_moved_block_is_there_afterwards() {
    let Some(workspace) = Workspace::new(&["demo-1", "demo-2"]) else { return };
    workspace.configure(&resources(["a", "b"], "AES256", ""));
    workspace.apply();
    for (keys, algorithm) in [(["c", "d"], "AES256"), (["e", "f"], "KMS")] {
        // Reads return the deleted rule for a while.
        workspace.emulator.inject(Fault::stale_reads(2).method("DELETE").times(2));
        workspace.configure(&resources(keys, algorithm, ""));
        workspace.apply();
        workspace.emulator.clear_faults();
        assert_eq!(algorithms(&workspace), [algorithm; 2].map(|name| Some(name.to_owned())));
        workspace.expect_no_changes();
    }
    workspace.emulator.inject(Fault::stale_reads(2).method("DELETE"));
    let replace = "-replace=oss_bucket_encryption.all[\"e\"]";
    workspace.terraform(&["apply", "-auto-approve", "-no-color", replace]).succeeds();
    workspace.emulator.clear_faults();
    assert_eq!(algorithms(&workspace), ["KMS"; 2].map(|name| Some(name.to_owned())));
}

/// `after` is destroyed before `old`, which it depends on, so that `new` is created before `old` is destroyed.
#[test]
fn a_rule_that_another_address_has_taken_over_is_kept() {
    let Some(workspace) = Workspace::new(&["demo-1", "demo-2"]) else { return };
    let resource = |name: &str, bucket: &str, more: &str| {
        format!(
            "resource \"oss_bucket_encryption\" {name:?} {{\n  bucket = {bucket:?}\n  sse_algorithm = \"AES256\"\n{more}}}\n"
        )
    };
    let depends = "  depends_on = [oss_bucket_encryption.old]\n";
    workspace.configure(&(resource("old", "demo-1", "") + &resource("after", "demo-2", depends)));
    workspace.apply();
    workspace.calls();
    let slow = Fault::delay(Duration::from_millis(500)).method("DELETE").bucket("demo-2");
    workspace.emulator.inject(slow);
    workspace.configure(&resource("new", "demo-1", ""));
    let run = workspace.apply();
    let warning = "Warning: The encryption of bucket demo-1 was kept";
    assert!(run.stdout.contains(warning), "{}", run.stdout);
    let calls = workspace.calls();
    assert!(!calls.iter().any(|call| call.starts_with("DELETE demo-1")), "{calls:?}");
    assert_eq!(algorithms(&workspace), [Some("AES256".to_owned()), None]);
    workspace.expect_no_changes();
}

#[test]
fn a_rule_that_is_created_before_it_is_destroyed_is_kept() {
    let Some(workspace) = Workspace::new(&["demo-1", "demo-2"]) else { return };
    let lifecycle = "  lifecycle {\n    create_before_destroy = true\n  }\n";
    workspace.configure(&resources(["a", "b"], "AES256", lifecycle));
    workspace.apply();
    workspace.calls();

    let replace = "-replace=oss_bucket_encryption.all[\"a\"]";
    let run = workspace.terraform(&["apply", "-auto-approve", "-no-color", replace]).succeeds();
    assert!(
        run.stdout.contains("Warning: The encryption of bucket demo-1 was kept"),
        "{}",
        run.stdout
    );
    assert!(workspace.calls().iter().all(|call| !call.starts_with("DELETE")));
    assert_eq!(algorithms(&workspace), ["AES256", "AES256"].map(|name| Some(name.to_owned())));
    workspace.expect_no_changes();

    // What was created in an earlier run is destroyed.
    workspace.terraform(&["destroy", "-auto-approve", "-no-color"]).succeeds();
    assert_eq!(algorithms(&workspace), [None, None]);
}

#[test]
fn two_resources_for_one_bucket_with_different_rules_are_an_error() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let resource = |name: &str, algorithm: &str| {
        format!(
            "resource \"oss_bucket_encryption\" {name:?} {{\n  bucket = \"demo\"\n  sse_algorithm = {algorithm:?}\n}}\n"
        )
    };
    workspace.configure(&(resource("one", "AES256") + &resource("other", "SM4")));
    let run = workspace.terraform(&["apply", "-auto-approve", "-no-color"]).fails();
    let error = "Error: Another resource sets the encryption of bucket demo";
    assert!(run.stderr.contains(error), "{}", run.stderr);
    let writes = workspace.calls().into_iter().filter(|call| !call.starts_with("GET"));
    assert_eq!(writes.collect::<Vec<_>>(), ["PUT demo 200"]);
}
