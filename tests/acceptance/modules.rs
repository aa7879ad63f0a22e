//! The modules in `examples/modules/`: formatted, valid, and tested with `terraform test`.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{blocks, read};
use super::workspace::Workspace;

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules/encrypted-buckets")
}

/// Copies the module into the workspace, as the root module.
fn copy(workspace: &Workspace) {
    for directory in ["", "tests", "tests/endpoint"] {
        fs::create_dir_all(workspace.path(directory)).unwrap();
        for entry in fs::read_dir(module().join(directory)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), workspace.path(directory).join(entry.file_name())).unwrap();
            }
        }
    }
}

#[test]
fn the_module_is_formatted_and_valid() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    copy(&workspace);
    let formatted = workspace.terraform(&["fmt", "-check", "-recursive"]);
    assert_eq!((formatted.code, formatted.stdout.as_str()), (Some(0), ""), "{formatted}");
    workspace.terraform(&["validate", "-no-color"]).succeeds();
}

#[test]
fn the_module_passes_its_own_tests_with_a_mocked_provider() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    copy(&workspace);
    let run = workspace.terraform_in(&[], &["test", "-no-color"]).succeeds();
    assert!(run.stdout.contains("Success! 10 passed, 0 failed."), "{run}");
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

#[test]
fn the_module_passes_its_own_tests_against_the_emulator() {
    let Some(workspace) = Workspace::new(&["module-logs", "module-invoices"]) else { return };
    copy(&workspace);
    // The address in the README.
    let file = "tests/endpoint/rules.tftest.hcl";
    let text = fs::read_to_string(workspace.path(file)).unwrap();
    let readme = read("examples/modules/encrypted-buckets/README.md");
    assert!(text.contains("\"http://127.0.0.1:8680\"") && readme.contains("--port 8680"));
    workspace.write(file, &text.replace("http://127.0.0.1:8680", &workspace.emulator.url()));
    let arguments = ["test", "-no-color", "-test-directory=tests/endpoint"];
    let run = workspace.terraform(&arguments).succeeds();
    assert!(run.stdout.contains("Success! 3 passed, 0 failed."), "{run}");
    let calls = workspace.calls();
    for call in ["PUT module-logs 200", "PUT module-invoices 200", "DELETE module-invoices 204"] {
        assert!(calls.contains(&call.to_owned()), "{call} is missing: {calls:?}");
    }
    for bucket in ["module-logs", "module-invoices"] {
        assert_eq!(workspace.emulator.rule(bucket), None, "the tests clean up behind themselves");
    }
}

#[test]
fn the_module_reports_the_offending_bucket() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    for (rule, part) in [
        ("My_Logs = {}", "not names of buckets: My_Logs. A name has 3 to 63"),
        (
            "my-logs = { sse_algorithm = \"aes256\" }",
            "\"AES256\", \"KMS\" or \"SM4\", in upper case. It is not for: my-logs.",
        ),
        ("my-logs = { kms_master_key_id = \"k\" }", "Remove them, or use KMS, for: my-logs."),
        (
            "my-logs = { sse_algorithm = \"KMS\", kms_data_encryption = \"AES256\" }",
            "which means AES-256. It is something else for: my-logs.",
        ),
    ] {
        workspace.configure(&format!(
            "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {{\n    fine-logs = {{}}\n    {rule}\n  }}\n}}\n",
            module().to_str().unwrap(),
        ));
        workspace.terraform(&["get"]).succeeds();
        let run = workspace.terraform(&["validate", "-no-color"]).fails();
        assert_eq!(run.stderr.matches("Error: ").count(), 1, "{run}");
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        assert!(!run.stderr.contains("fine-logs,"), "{run}");
    }
}

#[test]
fn the_examples_in_the_readme_work() {
    let Some(workspace) = Workspace::new(&["my-logs", "my-invoices", "my-backups"]) else { return };
    for block in blocks("examples/modules/encrypted-buckets/README.md", "hcl") {
        let source = "./modules/encrypted-buckets";
        assert!(block.contains(source), "{block}");
        let here = block.replace(source, module().to_str().unwrap());
        workspace.configure(&here);
        workspace.terraform(&["get"]).succeeds();
        workspace.apply();
        workspace.expect_no_changes();
        workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    }
}
