//! The lifecycle of the resource, from create to destroy.

use oss_emulator::EncryptionRule;
use serde_json::json;

use super::host::generating_import;
use super::workspace::{KEY_ID, KEY_SECRET, Workspace};

/// A resource with these arguments.
fn resource(arguments: &str) -> String {
    format!("resource \"oss_bucket_encryption\" \"this\" {{\n{arguments}\n}}\n")
}

fn rule(algorithm: &str, key: Option<&str>, cipher: Option<&str>) -> EncryptionRule {
    EncryptionRule {
        sse_algorithm: algorithm.to_owned(),
        kms_master_key_id: key.map(str::to_owned),
        kms_data_encryption: cipher.map(str::to_owned),
    }
}

#[test]
fn create_plan_again_and_destroy() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&resource("bucket = \"demo\"\nsse_algorithm = \"KMS\""));
    workspace.terraform(&["validate"]).succeeds();
    let plan = workspace.expect_changes();
    assert!(plan.contains("+ id            = \"demo\""), "{plan}");
    assert_eq!(workspace.calls(), Vec::<String>::new(), "planning something new needs no call");

    let apply = workspace.apply();
    assert!(apply.stdout.contains("1 added, 0 changed, 0 destroyed"), "{apply}");
    assert_eq!(workspace.calls(), ["GET demo 404", "PUT demo 200", "GET demo 200"]);
    assert_eq!(workspace.emulator.rule("demo"), Some(rule("KMS", None, None)));

    workspace.expect_no_changes();
    assert_eq!(workspace.calls(), ["GET demo 200"]);

    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    assert_eq!(workspace.calls(), ["GET demo 200", "DELETE demo 204"]);
    assert_eq!(workspace.emulator.rule("demo"), None);
    assert_eq!(workspace.state(), []);
}

#[test]
fn update_in_place_among_all_algorithms() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let key = "kms_master_key_id = \"9468da86\"";
    let cipher = "kms_data_encryption = \"SM4\"";
    let variants = [
        ("AES256", "", rule("AES256", None, None)),
        ("KMS", "", rule("KMS", None, None)),
        ("SM4", "", rule("SM4", None, None)),
        ("KMS", key, rule("KMS", Some("9468da86"), None)),
        ("KMS", &format!("{key}\n{cipher}"), rule("KMS", Some("9468da86"), Some("SM4"))),
        ("KMS", cipher, rule("KMS", None, Some("SM4"))),
        ("AES256", "", rule("AES256", None, None)),
    ];
    for (index, (algorithm, arguments, expected)) in variants.into_iter().enumerate() {
        workspace.configure(&resource(&format!(
            "bucket = \"demo\"\nsse_algorithm = \"{algorithm}\"\n{arguments}"
        )));
        let apply = workspace.apply();
        let counts = if index == 0 { "1 added, 0 changed" } else { "0 added, 1 changed" };
        assert!(apply.stdout.contains(counts), "{apply}");
        assert_eq!(workspace.emulator.rule("demo"), Some(expected));
        workspace.expect_no_changes();
    }
}

#[test]
fn another_bucket_name_replaces() {
    let Some(workspace) = Workspace::new(&["before", "after"]) else { return };
    workspace.configure(&resource("bucket = \"before\"\nsse_algorithm = \"AES256\""));
    workspace.apply();
    workspace.configure(&resource("bucket = \"after\"\nsse_algorithm = \"AES256\""));
    let plan = workspace.expect_changes();
    assert!(plan.contains("# forces replacement"), "{plan}");
    workspace.calls();
    workspace.apply();
    assert_eq!(
        workspace.calls(),
        ["GET before 200", "DELETE before 204", "GET after 404", "PUT after 200", "GET after 200"]
    );
    assert_eq!(workspace.emulator.rule("before"), None);
    assert!(workspace.emulator.rule("after").is_some());
}

#[test]
fn drift_is_shown_and_repaired() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&resource("bucket = \"demo\"\nsse_algorithm = \"KMS\""));
    workspace.apply();
    workspace.emulator.set_rule("demo", rule("AES256", None, None));
    let plan = workspace.expect_changes();
    assert!(plan.contains("~ sse_algorithm = \"AES256\" -> \"KMS\""), "{plan}");
    workspace.apply();
    assert_eq!(workspace.emulator.rule("demo"), Some(rule("KMS", None, None)));
    workspace.expect_no_changes();
}

#[test]
fn a_rule_or_bucket_deleted_outside_terraform_is_created_again() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&resource("bucket = \"demo\"\nsse_algorithm = \"KMS\""));
    workspace.apply();
    workspace.emulator.remove_rule("demo");
    let plan = workspace.expect_changes();
    assert!(plan.contains("1 to add, 0 to change, 0 to destroy"), "{plan}");
    workspace.apply();
    assert!(workspace.emulator.rule("demo").is_some());

    workspace.emulator.remove_bucket("demo");
    let plan = workspace.expect_changes();
    assert!(plan.contains("1 to add, 0 to change, 0 to destroy"), "{plan}");
}

#[test]
fn destroying_a_deleted_rule_or_bucket_succeeds() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&resource("bucket = \"demo\"\nsse_algorithm = \"KMS\""));
    workspace.apply();
    workspace.emulator.remove_rule("demo");
    workspace.terraform(&["destroy", "-auto-approve", "-refresh=false"]).succeeds();
    assert_eq!(workspace.state(), []);
}

#[test]
fn import_by_command_and_by_block() {
    let Some(workspace) = Workspace::new(&["demo", "other"]) else { return };
    workspace.emulator.set_rule("demo", rule("KMS", Some("9468da86"), None));
    workspace.configure(&resource(
        "bucket = \"demo\"\nsse_algorithm = \"KMS\"\nkms_master_key_id = \"9468da86\"",
    ));
    workspace.terraform(&["import", "oss_bucket_encryption.this", "demo"]).succeeds();
    workspace.expect_no_changes();

    let absent = workspace.terraform(&["import", "oss_bucket_encryption.other", "other"]).fails();
    assert!(absent.stderr.contains("oss_bucket_encryption.other"), "{absent}");
    workspace.configure(&format!(
        "{}{}",
        resource("bucket = \"demo\"\nsse_algorithm = \"KMS\"\nkms_master_key_id = \"9468da86\""),
        "resource \"oss_bucket_encryption\" \"other\" {\n bucket = \"other\"\n sse_algorithm = \"SM4\"\n}\n",
    ));
    let absent = workspace.terraform(&["import", "oss_bucket_encryption.other", "other"]).fails();
    assert!(absent.stderr.contains("Bucket other has no encryption to import"), "{absent}");
    let invalid = workspace.terraform(&["import", "oss_bucket_encryption.other", "Other!"]).fails();
    assert!(invalid.stderr.contains("Invalid import ID"), "{invalid}");

    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.emulator.set_rule("demo", rule("SM4", None, None));
    let (import, import_after) = generating_import("this", "demo");
    workspace.configure(&import);
    workspace
        .terraform(&["plan", "-generate-config-out=generated.tf", "-out=plan", "-no-color"])
        .succeeds();
    let apply = workspace.terraform(&["apply", "-no-color", "plan"]).succeeds();
    assert!(apply.stdout.contains("1 imported, 0 added, 0 changed, 0 destroyed"), "{apply}");
    workspace.configure(&import_after);
    workspace.expect_no_changes();
    let (address, values) = workspace.state().remove(0);
    assert_eq!(address, "oss_bucket_encryption.this");
    assert_eq!(values["sse_algorithm"], json!("SM4"));
    assert_eq!(values["id"], json!("demo"));
}

#[test]
fn an_empty_key_id_equals_an_unset_one() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let without = "bucket = \"demo\"\nsse_algorithm = \"KMS\"";
    let with_empty = &format!("{without}\nkms_master_key_id = \"\"\nkms_data_encryption = \"\"");
    workspace.configure(&resource(with_empty));
    workspace.apply();
    workspace.expect_no_changes();
    workspace.configure(&resource(without));
    workspace.expect_no_changes();

    // An import, which does not see the configuration, matches both.
    for arguments in [without, with_empty] {
        workspace.terraform(&["state", "rm", "oss_bucket_encryption.this"]).succeeds();
        workspace.configure(&resource(arguments));
        workspace.terraform(&["import", "oss_bucket_encryption.this", "demo"]).succeeds();
        workspace.expect_no_changes();
    }
}

#[test]
fn count_for_each_and_names_known_only_after_apply() {
    let names = ["list-0", "list-1", "map-a", "map-b", "later"];
    let Some(workspace) = Workspace::new(&names) else { return };
    workspace.configure(
        r#"
resource "oss_bucket_encryption" "list" {
  count         = 2
  bucket        = "list-${count.index}"
  sse_algorithm = "AES256"
}

resource "oss_bucket_encryption" "map" {
  for_each      = { map-a = "KMS", map-b = "SM4" }
  bucket        = each.key
  sse_algorithm = each.value
}

resource "terraform_data" "name" {
  input = "later"
}

resource "oss_bucket_encryption" "later" {
  bucket        = terraform_data.name.output
  sse_algorithm = "KMS"
}
"#,
    );
    let plan = workspace.expect_changes();
    assert!(plan.contains("6 to add"), "{plan}");
    assert!(plan.contains("(known after apply)"), "{plan}");
    workspace.apply();
    for name in names {
        assert!(workspace.emulator.rule(name).is_some(), "{name}");
    }
    workspace.expect_no_changes();
    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    for name in names {
        assert_eq!(workspace.emulator.rule(name), None, "{name}");
    }
}

#[test]
fn both_signature_versions_and_arguments_instead_of_the_environment() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    for version in ["v1", "v4"] {
        let provider = format!(
            "provider \"oss\" {{\n region = \"cn-hangzhou\"\n endpoint = {:?}\n \
             signature_version = {version:?}\n access_key = {:?}\n secret_key = {:?}\n}}\n",
            workspace.emulator.url(),
            KEY_ID,
            KEY_SECRET,
        );
        workspace
            .configure_with(&provider, &resource("bucket = \"demo\"\nsse_algorithm = \"AES256\""));
        workspace.terraform_in(&[], &["apply", "-auto-approve"]).succeeds();
        workspace.terraform_in(&[], &["destroy", "-auto-approve"]).succeeds();
        let records = workspace.emulator.requests();
        assert!(
            records.iter().all(|record| record.signature_version.as_deref() == Some(version)),
            "{records:?}"
        );
        workspace.emulator.clear_requests();
    }
}

#[test]
fn a_virtual_hosted_bucket_behind_a_proxy() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure_with(
        "provider \"oss\" {\n endpoint = \"http://oss-cn-hangzhou.aliyuncs.com\"\n}\n",
        &resource("bucket = \"demo\"\nsse_algorithm = \"AES256\""),
    );
    let url = workspace.emulator.url();
    let environment = [
        ("HTTP_PROXY", url.as_str()),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
    ];
    let apply = workspace.terraform_in(&environment, &["apply", "-auto-approve"]).succeeds();
    assert!(apply.stdout.contains("Unencrypted endpoint"), "{apply}");
    assert_eq!(workspace.emulator.requests()[0].host, "demo.oss-cn-hangzhou.aliyuncs.com");
    assert!(workspace.emulator.rule("demo").is_some());
}

#[test]
fn a_loopback_endpoint_needs_neither_proxy_nor_trust_store() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(&resource("bucket = \"demo\"\nsse_algorithm = \"AES256\""));
    let environment = [
        // No process listens on this port.
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("SSL_CERT_FILE", "/no/such/file"),
        ("SSL_CERT_DIR", "/no/such/folder"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
    ];
    workspace.terraform_in(&environment, &["apply", "-auto-approve"]).succeeds();
    assert!(workspace.emulator.rule("demo").is_some());
}
