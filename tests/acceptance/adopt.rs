//! How rules that exist already get under the care of the real terraform.

use std::fs;
use std::path::Path;

use super::workspace::Workspace;

/// A state as `aliyun/alicloud` writes it.
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
fn a_rule_of_the_alicloud_provider_moves_over_with_an_empty_plan() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    // Terraform wants to have the provider that wrote the state, though all it asks of it is a schema.
    // Ours stands in for it under its name.
    let ours = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    let folder = workspace.path("alicloud");
    fs::create_dir(&folder).unwrap();
    fs::copy(ours, folder.join("terraform-provider-alicloud")).unwrap();
    workspace.install(&[("oss-tools/oss", ours.parent().unwrap()), ("aliyun/alicloud", &folder)]);
    let rule = |algorithm: &str| terraform_provider_oss::emulator::EncryptionRule::new(algorithm);
    let kms = {
        let mut rule = rule("KMS");
        rule.kms_master_key_id = Some("9468da86".to_owned());
        rule.kms_data_encryption = Some("SM4".to_owned());
        rule
    };
    for (stored, attributes, argument) in [
        (
            rule("AES256"),
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
