//! Importing and moving existing rules with the real terraform.

use std::fs;
use std::path::Path;

use oss_emulator::{EncryptionRule, Fault};
use serde_json::{Value as Json, json};

use super::host::generating_import;
use super::workspace::Workspace;

/// A state written by `aliyun/alicloud`.
fn alicloud_state(attributes: &str) -> String {
    format!(
        r#"{{
  "version": 4,
  "terraform_version": "1.11.4",
  "serial": 1,
  "lineage": "3f1b0a52-0000-0000-0000-000000000001",
  "outputs": {{}},
  "resources": [
    {{
      "mode": "managed",
      "type": "alicloud_oss_bucket_server_side_encryption",
      "name": "old",
      "provider": "provider[\"registry.terraform.io/aliyun/alicloud\"]",
      "instances": [
        {{
          "schema_version": 0,
          "attributes": {attributes},
          "sensitive_attributes": [],
          "private": "eyJlMmJmYjczMC1lY2FhLTExZTYtOGY4OC0zNDM2M2JjN2M0YzAiOnsiY3JlYXRlIjo2MDAwMDAwMDAwMDB9fQ=="
        }}
      ]
    }}
  ],
  "check_results": null
}}
"#
    )
}

#[test]
fn a_rule_of_the_alicloud_provider_moves_with_an_empty_plan() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    // Terraform requires the provider that wrote the state, although it only requests its schema. A
    // copy of this provider replaces it.
    let ours = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let directory = workspace.path("alicloud");
    fs::create_dir(&directory).unwrap();
    fs::copy(ours, directory.join("terraform-provider-alicloud")).unwrap();
    workspace
        .install(&[("oss-tools/oss", ours.parent().unwrap()), ("aliyun/alicloud", &directory)]);
    let kms = {
        let mut rule = EncryptionRule::new("KMS");
        rule.kms_master_key_id = Some("9468da86".to_owned());
        rule.kms_data_encryption = Some("SM4".to_owned());
        rule
    };
    for (stored, attributes, argument) in [
        (
            EncryptionRule::new("AES256"),
            r#"{"bucket":"demo","id":"demo","kms_data_encryption":"","kms_master_key_id":"",
                "sse_algorithm":"AES256","timeouts":null}"#,
            "sse_algorithm = \"AES256\"",
        ),
        (
            kms,
            r#"{"bucket":"demo","id":"demo","kms_data_encryption":"SM4",
                "kms_master_key_id":"9468da86","sse_algorithm":"KMS",
                "timeouts":{"create":"10m","delete":null,"update":null}}"#,
            "sse_algorithm = \"KMS\"\n  kms_master_key_id = \"9468da86\"\n  \
             kms_data_encryption = \"SM4\"\n  timeouts {\n    create = \"10m\"\n  }",
        ),
    ] {
        workspace.emulator.set_rule("demo", stored.clone());
        workspace.write("terraform.tfstate", &alicloud_state(attributes));
        workspace.configure(&format!(
            "resource \"oss_bucket_encryption\" \"new\" {{\n  bucket = \"demo\"\n  {argument}\n}}\n\
             moved {{\n  from = alicloud_oss_bucket_server_side_encryption.old\n  \
             to = oss_bucket_encryption.new\n}}\n"
        ));
        let plan = workspace.terraform(&["plan", "-no-color"]).succeeds();
        for part in
            ["has moved to oss_bucket_encryption.new", "0 to add, 0 to change, 0 to destroy"]
        {
            assert!(plan.stdout.contains(part), "{part:?} is missing:\n{plan}");
        }
        workspace.apply();
        workspace.expect_no_changes();
        assert_eq!(workspace.state()[0].0, "oss_bucket_encryption.new");
        assert_eq!(workspace.emulator.rule("demo"), Some(stored));
        let writes = workspace.calls().into_iter().filter(|call| !call.starts_with("GET"));
        assert_eq!(writes.count(), 0, "nothing is changed");
    }
}

/// The address and the attributes of the first resource.
fn first(workspace: &Workspace) -> (String, Json) {
    workspace.state().remove(0)
}

#[test]
fn a_bucket_in_another_region_is_managed_and_imported_with_its_region() {
    let Some(workspace) = Workspace::with(|config| config.with_bucket_in("far", "cn-beijing"))
    else {
        return;
    };
    let resource = |region: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"far\" {{\n  bucket = \"far\"\n  \
             sse_algorithm = \"KMS\"\n  kms_master_key_id = \"9468da86\"\n{region}}}\n"
        )
    };
    let beijing = "  region = \"cn-beijing\"\n";
    workspace.configure(&resource(beijing));
    workspace.apply();
    workspace.expect_no_changes();
    assert_eq!(first(&workspace).1["region"], "cn-beijing");

    let forget = || workspace.terraform(&["state", "rm", "oss_bucket_encryption.far"]).succeeds();
    forget();
    workspace.terraform(&["import", "oss_bucket_encryption.far", "far@cn-beijing"]).succeeds();
    workspace.expect_no_changes();

    // Terraform generates the missing `resource` block.
    forget();
    let (import, import_after) = generating_import("found", "far@cn-beijing");
    workspace.configure(&import);
    workspace.terraform(&["plan", "-generate-config-out=found.tf", "-no-color"]).succeeds();
    workspace.configure(&import_after);
    let generated = fs::read_to_string(workspace.path("found.tf")).unwrap();
    for part in ["\"far\"", "\"KMS\"", "\"9468da86\"", "\"cn-beijing\""] {
        assert!(generated.contains(part), "{part} is missing:\n{generated}");
    }
    let apply = workspace.apply();
    assert!(apply.stdout.contains("1 imported, 0 added, 0 changed, 0 destroyed"), "{apply}");
    workspace.expect_no_changes();

    // Without its region the request goes to the wrong one, and the error contains the fix.
    fs::remove_file(workspace.path("found.tf")).unwrap();
    workspace.terraform(&["state", "rm", "oss_bucket_encryption.found"]).succeeds();
    workspace.configure(&resource(""));
    let import = ["import", "-no-color", "oss_bucket_encryption.far", "far"];
    let run = workspace.terraform(&import).fails();
    assert!(run.stderr.contains("signed for region \"cn-hangzhou\""), "{run}");
    assert!(run.stderr.contains("for example `far@cn-shanghai`"), "{run}");
    let import = ["import", "-no-color", "oss_bucket_encryption.far", "far@cn-shanghai"];
    let run = workspace.terraform(&import).fails();
    assert!(run.stderr.contains("The import names region cn-shanghai, which is not"), "{run}");
}

#[test]
fn an_empty_region_equals_an_unset_one() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let resource = |region: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  \
             sse_algorithm = \"SM4\"\n{region}}}\n"
        )
    };
    let (without, empty) = (resource(""), resource("  region = \"\"\n"));
    workspace.configure(&empty);
    workspace.apply();
    workspace.expect_no_changes();
    workspace.configure(&without);
    workspace.expect_no_changes();
    for configuration in [&without, &empty] {
        workspace.terraform(&["state", "rm", "oss_bucket_encryption.this"]).succeeds();
        workspace.configure(configuration);
        workspace.terraform(&["import", "oss_bucket_encryption.this", "demo"]).succeeds();
        workspace.expect_no_changes();
    }
}

#[test]
fn other_versions_and_addresses_of_the_alicloud_provider_move_too() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let ours = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let directory = workspace.path("alicloud");
    fs::create_dir(&directory).unwrap();
    fs::copy(ours, directory.join("terraform-provider-alicloud")).unwrap();
    let oss = ("oss-tools/oss", ours.parent().unwrap());
    workspace.install(&[oss, ("hashicorp/alicloud", &directory)]);
    let attributes = r#"{"bucket":"demo","id":"demo","kms_data_encryption":null,
        "kms_master_key_id":null,"sse_algorithm":"AES256","of_that_version":true}"#;
    let state = alicloud_state(attributes)
        .replace("aliyun/alicloud", "hashicorp/alicloud")
        .replace("\"schema_version\": 0", "\"schema_version\": 1");
    workspace.write("terraform.tfstate", &state);
    workspace.emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let moved = |from: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"new\" {{\n  bucket = \"demo\"\n  \
             sse_algorithm = \"AES256\"\n}}\n\
             moved {{\n  from = {from}\n  to = oss_bucket_encryption.new\n}}\n"
        )
    };
    workspace.configure(&moved("alicloud_oss_bucket_server_side_encryption.old"));
    workspace.apply();
    workspace.expect_no_changes();
    assert!(workspace.calls().iter().all(|call| call.starts_with("GET")), "nothing is changed");

    // Other resource types are rejected, with advice.
    let bucket = alicloud_state(attributes)
        .replace("aliyun/alicloud", "hashicorp/alicloud")
        .replace("alicloud_oss_bucket_server_side_encryption", "alicloud_oss_bucket");
    workspace.write("terraform.tfstate", &bucket);
    workspace.configure(&moved("alicloud_oss_bucket.old"));
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    // OpenTofu uses its own registry, regardless of the state; some versions send only the name.
    let named = plan.stderr.contains("alicloud_oss_bucket of alicloud.")
        || plan.stderr.contains("alicloud_oss_bucket of registry.")
            && plan.stderr.contains("/hashicorp/alicloud");
    assert!(named, "{plan}");
    for part in
        ["Unsupported resource move", "Only alicloud_oss_bucket_server_side_encryption from"]
    {
        assert!(plan.stderr.contains(part), "{part:?} is missing:\n{plan}");
    }
}

#[test]
fn unknown_attributes_in_a_stored_state_are_dropped() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let resource = |algorithm: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  \
             sse_algorithm = \"{algorithm}\"\n}}\n"
        )
    };
    workspace.configure(&resource("SM4"));
    workspace.apply();
    let state = fs::read_to_string(workspace.path("terraform.tfstate")).unwrap();
    let mut state: Json = serde_json::from_str(&state).unwrap();
    state["resources"][0]["instances"][0]["attributes"]["of_a_newer_version"] = json!([1, 2]);
    workspace.write("terraform.tfstate", &state.to_string());
    workspace.expect_no_changes();
    workspace.configure(&resource("AES256"));
    workspace.apply();
    assert!(first(&workspace).1.get("of_a_newer_version").is_none());
}

/// An update that OSS accepted, but that could not be read back, is a warning.
#[test]
fn an_update_that_cannot_be_read_back_is_in_the_state() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n  max_retries = 0\n}}\n",
        workspace.emulator.url(),
    );
    let resource = |algorithm: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  \
             sse_algorithm = \"{algorithm}\"\n}}\n"
        )
    };
    workspace.configure_with(&provider, &resource("SM4"));
    workspace.apply();
    workspace.configure_with(&provider, &resource("AES256"));
    workspace.emulator.inject(Fault::delay(std::time::Duration::ZERO).method("GET"));
    workspace.emulator.inject(Fault::error_response(500, "InternalError").method("GET"));
    let run = workspace.terraform(&["apply", "-auto-approve", "-no-color"]).succeeds();
    assert!(run.stdout.contains("was set, but not verified"), "{run}");
    assert_eq!(first(&workspace).1["sse_algorithm"], "AES256");
    workspace.expect_no_changes();
}

/// A mirror's or private registry's address, changed together with a move.
#[test]
fn a_resource_is_moved_to_another_address_of_the_provider() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let directory = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss")).parent().unwrap();
    let private = "registry.example.com/storage/oss";
    workspace.install(&[("oss-tools/oss", directory), (private, directory)]);
    let configure = |source: &str, rest: &str| {
        workspace.write(
            "main.tf",
            &format!(
                "terraform {{\n  required_providers {{\n    oss = {{ source = \"{source}\" }}\n  }}\n}}\n\
                 provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n}}\n{rest}",
                workspace.emulator.url(),
            ),
        );
    };
    let resource = |name: &str| {
        format!(
            "resource \"oss_bucket_encryption\" \"{name}\" {{\n  bucket = \"demo\"\n  sse_algorithm = \"SM4\"\n  \
             timeouts {{ read = \"30s\" }}\n}}\n"
        )
    };
    configure("oss-tools/oss", &resource("before"));
    workspace.apply();
    workspace.calls();
    let moved =
        "moved {\n  from = oss_bucket_encryption.before\n  to = oss_bucket_encryption.after\n}\n";
    configure(private, &(resource("after") + moved));
    let run = workspace.apply();
    assert!(run.stdout.contains("0 added, 0 changed, 0 destroyed"), "{run}");
    assert!(workspace.calls().iter().all(|call| call == "GET demo 200"));
    assert_eq!(first(&workspace).1["timeouts"]["read"], "30s");
    workspace.expect_no_changes();
}
