//! The modules in `examples/modules/`: formatted, valid, and tested with `terraform test`.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{blocks, read};
use super::workspace::{Run, Workspace};

const NEW_BUCKETS: &str = "modules/new-buckets";
const NEW_BUCKETS_TESTS: &str = "modules/new-buckets/tests";

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules/encrypted-buckets")
}

/// Copies the module into the workspace, as the root module.
fn copy(workspace: &Workspace) {
    copy_to(workspace, "");
}

/// Copies the module into a directory of the workspace.
fn copy_to(workspace: &Workspace, to: &str) {
    let to = workspace.path(to);
    for directory in ["", "tests", "tests/endpoint", "modules", NEW_BUCKETS, NEW_BUCKETS_TESTS] {
        fs::create_dir_all(to.join(directory)).unwrap();
        for entry in fs::read_dir(module().join(directory)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(directory).join(entry.file_name())).unwrap();
            }
        }
    }
}

/// Every run of this file of the module passed, and nothing else was run.
#[track_caller]
fn all_passed(run: &Run, file: &str) {
    let text = read(&format!("examples/modules/encrypted-buckets/{file}"));
    let runs = text.lines().filter(|line| line.starts_with("run ")).count();
    assert!(run.stdout.contains(&format!("Success! {runs} passed, 0 failed.")), "{runs}: {run}");
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
    all_passed(&run, "tests/rules.tftest.hcl");
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
    all_passed(&run, "tests/endpoint/rules.tftest.hcl");
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
        (
            "My_Logs = { sse_algorithm = \"KMS\" }",
            "Invalid bucket names: My_Logs. A name has 3 to 63",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", bucket = [\"a\"] }",
            "Every attribute of a rule is a string. A list or an object is in: my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", region = [\"a\"] }",
            "Every attribute of a rule is a string. A list or an object is in: my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", kms_master_key_id = [\"a\"] }\n    his-logs = { sse_algorithm = [] }",
            "A list or an object is in: his-logs, my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", kms_data_encryption = {} }",
            "A list or an object is in: my-logs.",
        ),
        ("my-logs = {}", "sse_algorithm is required and must be"),
        (
            "my-logs = { sse_algorithm = \"aes256\" }",
            "\"KMS\" or \"SM4\", in uppercase. It is missing or invalid for: my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", kms_key = \"k\", regoin = \"x\" }",
            "Unsupported attributes: my-logs: kms_key, regoin. A rule has the attributes",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", bucket = \"fine-logs\" }",
            "but these keys name the same bucket: fine-logs, my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", region = \"oss-cn-hangzhou\" }",
            "Invalid regions: my-logs. Use a region ID",
        ),
        (
            "my-logs = { sse_algorithm = \"AES256\", kms_master_key_id = \"k\" }",
            "Remove them, or use KMS, for: my-logs.",
        ),
        (
            "my-logs = { sse_algorithm = \"KMS\", kms_data_encryption = \"AES256\" }",
            "which means AES-256. It is something else for: my-logs.",
        ),
        ("my-logs = \"KMS\"", "buckets must be a map of objects, for example"),
    ] {
        workspace.configure(&format!(
            "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {{\n    fine-logs = {{ sse_algorithm = \"AES256\" }}\n    {rule}\n  }}\n}}\n",
            module().to_str().unwrap(),
        ));
        workspace.terraform(&["get"]).succeeds();
        let run = workspace.terraform(&["validate", "-no-color"]).fails();
        assert_eq!(run.stderr.matches("Error: ").count(), 1, "{run}");
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    // Twice wrong: Terraform reports both, OpenTofu only the first.
    workspace.configure(&format!(
        "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {{\n    my-logs = {{ sse_algoritm = \
         \"KMS\" }}\n  }}\n}}\n",
        module().to_str().unwrap(),
    ));
    let run = workspace.terraform(&["validate", "-no-color"]).fails();
    assert!(run.stderr.contains("Unsupported attributes: my-logs: sse_algoritm."), "{run}");
}

/// A sensitive value is not shown, and the message still names the key: without care, Terraform replaces the
/// message with "Error message refers to sensitive values".
#[test]
fn the_module_reports_sensitive_values_by_their_key() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    for (rule, part) in [
        ("bucket = sensitive(\"My_Secret\")", "Invalid bucket names: my-logs."),
        ("bucket = sensitive(\"fine-logs\")", "name the same bucket: fine-logs, my-logs."),
        ("region = sensitive(\"oss-my-secret\")", "Invalid regions: my-logs."),
        ("kms_master_key_id = sensitive([\"my-secret\"])", "A list or an object is in: my-logs."),
        ("kms_data_encryption = sensitive(\"my-secret\")", "It is something else for: my-logs."),
        ("sse_algorithm = sensitive(\"my-secret\")", "missing or invalid for: my-logs."),
        (
            "sse_algorithm = \"SM4\", kms_master_key_id = sensitive(\"my-secret\")",
            "or use KMS, for: my-logs.",
        ),
        ("regoin = sensitive(\"my-secret\")", "Unsupported attributes: my-logs: regoin."),
    ] {
        let algorithm = if rule.contains("sse_") { "" } else { "sse_algorithm = \"KMS\", " };
        let mine = format!("{{ {algorithm}{rule} }}");
        let fine = "fine-logs = { sse_algorithm = \"AES256\" }";
        for buckets in [
            format!("{{ {fine}, my-logs = {mine} }}"),
            format!("{{ {fine}, my-logs = sensitive({mine}) }}"),
            format!("sensitive({{ {fine}, my-logs = {mine} }})"),
        ] {
            workspace.configure(&format!(
                "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {buckets}\n}}\n",
                module().to_str().unwrap(),
            ));
            workspace.terraform(&["get"]).succeeds();
            let run = workspace.terraform(&["validate", "-no-color"]).fails();
            assert!(run.stderr.contains(part), "{buckets}: {part:?} is missing:\n{run}");
            for never in ["refers to sensitive values", "-secret", "_Secret"] {
                let message = run.stderr.split("\n\n").filter(|part| !part.contains(" line "));
                assert!(
                    !message.collect::<String>().contains(never),
                    "{buckets}: {never:?}\n{run}"
                );
            }
        }
    }
    // A sensitive key ID is no problem.
    workspace.configure(&format!(
        "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {{ my-logs = {{ sse_algorithm = \"KMS\", \
         kms_master_key_id = sensitive(\"my-secret\") }} }}\n}}\n",
        module().to_str().unwrap(),
    ));
    workspace.terraform(&["validate", "-no-color"]).succeeds();
}

/// Replaces `aliyun/alicloud` with its stub.
pub(super) fn install_alicloud(workspace: &Workspace) {
    let ours = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss")).parent().unwrap();
    let stub = ours.join("examples/alicloud_stand_in");
    assert!(stub.exists(), "{} is missing: run `cargo build --examples`", stub.display());
    let directory = workspace.path("alicloud");
    fs::create_dir(&directory).unwrap();
    fs::copy(stub, directory.join("terraform-provider-alicloud")).unwrap();
    workspace.install(&[("oss-tools/oss", ours), ("aliyun/alicloud", &directory)]);
}

/// Adds `aliyun/alicloud` to the required providers of the configuration.
pub(super) fn require_alicloud(workspace: &Workspace) {
    let main = fs::read_to_string(workspace.path("main.tf")).unwrap();
    let oss = "oss = { source = \"oss-tools/oss\" }";
    let both = format!("{oss}\n    alicloud = {{ source = \"aliyun/alicloud\" }}");
    workspace.write("main.tf", &main.replace(oss, &both));
}

#[test]
fn the_module_for_new_buckets_is_valid_and_passes_its_own_tests() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    copy(&workspace);
    install_alicloud(&workspace);
    let chdir = format!("-chdir={NEW_BUCKETS}");
    workspace.terraform(&[&chdir, "get"]).succeeds();
    workspace.terraform(&[&chdir, "validate", "-no-color"]).succeeds();
    let run = workspace.terraform_in(&[], &[&chdir, "test", "-no-color"]).succeeds();
    all_passed(&run, &format!("{NEW_BUCKETS_TESTS}/new-buckets.tftest.hcl"));
    let main = read("examples/modules/encrypted-buckets/modules/new-buckets/main.tf");
    assert!(main.contains("ignore_changes = [server_side_encryption_rule]"));
}

#[test]
fn the_module_for_new_buckets_reports_a_region() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    copy_to(&workspace, "modules/encrypted-buckets");
    install_alicloud(&workspace);
    for (region, is_rejected) in [
        ("\"cn-shanghai\"", true),
        ("sensitive(\"cn-shanghai\")", true),
        ("[\"cn-shanghai\"]", true),
        ("\"\"", false),
    ] {
        workspace.configure(&format!(
            "module \"new_buckets\" {{\n  source = \"./modules/encrypted-buckets/{NEW_BUCKETS}\"\n  buckets = {{\n    \
             fine-logs = {{ sse_algorithm = \"KMS\" }}\n    my-logs = {{ sse_algorithm = \"KMS\", region = {region} \
             }}\n  }}\n}}\n",
        ));
        workspace.terraform(&["get"]).succeeds();
        let run = workspace.terraform(&["validate", "-no-color"]);
        assert_eq!(run.code, Some(i32::from(is_rejected)), "{region}: {run}");
        let is_reported = run.stderr.contains("remove the attribute region from: my-logs.");
        assert_eq!(is_reported, is_rejected, "{region}: {run}");
    }
}

/// The name of the bucket is overwritten before the inner module sees it.
#[test]
fn the_module_for_new_buckets_reports_attributes_of_another_type() {
    let Some(workspace) = Workspace::new(&[]) else { return };
    copy_to(&workspace, "modules/encrypted-buckets");
    install_alicloud(&workspace);
    let names = ["bucket", "sse_algorithm", "kms_master_key_id", "kms_data_encryption"];
    for name in names {
        for value in ["[\"KMS\"]", "{ id = \"KMS\" }", "sensitive([\"KMS\"])"] {
            let algorithm = if name == "sse_algorithm" { "" } else { "sse_algorithm = \"KMS\", " };
            workspace.configure(&format!(
                "module \"new_buckets\" {{\n  source = \"./modules/encrypted-buckets/{NEW_BUCKETS}\"\n  buckets = {{\n    \
                 fine-logs = {{ sse_algorithm = \"KMS\" }}\n    my-logs = {{ {algorithm}{name} = {value} }}\n  }}\n}}\n",
            ));
            workspace.terraform(&["get"]).succeeds();
            let run = workspace.terraform(&["validate", "-no-color"]).fails();
            let part = "Every attribute of a rule is a string. A list or an object is in: my-logs.";
            assert!(run.stderr.contains(part), "{name} = {value}: {run}");
        }
    }
    // A name that no bucket can have, and one bucket under two keys.
    for (rule, part) in [
        ("logs = { sse_algorithm = \"KMS\", bucket = \"My_Logs\" }", "Invalid bucket names: logs."),
        (
            "logs = { sse_algorithm = \"KMS\", bucket = \"fine-logs\" }",
            "these keys name the same bucket: fine-logs, logs.",
        ),
    ] {
        workspace.configure(&format!(
            "module \"new_buckets\" {{\n  source = \"./modules/encrypted-buckets/{NEW_BUCKETS}\"\n  buckets = {{\n    \
             fine-logs = {{ sse_algorithm = \"KMS\" }}\n    {rule}\n  }}\n}}\n",
        ));
        let run = workspace.terraform(&["plan", "-no-color"]).fails();
        assert!(run.stderr.contains(part), "{rule}: {run}");
    }
}

#[test]
fn the_examples_in_the_readme_work() {
    let Some(workspace) = Workspace::new(&["my-logs", "my-invoices", "my-backups"]) else { return };
    install_alicloud(&workspace);
    copy_to(&workspace, "modules/encrypted-buckets");
    for block in blocks("examples/modules/encrypted-buckets/README.md", "hcl") {
        workspace.configure(&block);
        if block.contains("alicloud") {
            require_alicloud(&workspace);
        }
        workspace.terraform(&["get"]).succeeds();
        workspace.apply();
        workspace.expect_no_changes();
        let rules = [workspace.emulator.rule("my-logs"), workspace.emulator.rule("my-invoices")];
        assert!(rules.iter().any(Option::is_some), "{block}");
        workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    }
}
