//! The policies in `examples/policies/`, evaluated on plans of the real terraform.

use oss_emulator::{EncryptionRule, Fault};
use regorus::{Engine, Value};

use super::files::read;
use super::workspace::Workspace;

const POLICY: &str = "examples/policies/bucket_encryption.rego";
const KEY: &str = "kms_master_key_id = \"9468da86\"";

fn account() -> Option<Workspace> {
    let workspace = Workspace::new(&["prod-logs", "prod-media", "test-logs"])?;
    let mut kms = EncryptionRule::new("KMS");
    kms.kms_master_key_id = Some("9468da86".to_owned());
    workspace.emulator.set_rule("prod-logs", kms);
    Some(workspace)
}

fn resource(name: &str, bucket: &str, rule: &str) -> String {
    format!("resource \"oss_bucket_encryption\" {name:?} {{\n  bucket = {bucket}\n  {rule}\n}}\n")
}

/// What the policy denies in the plan of this configuration.
fn denied(workspace: &Workspace, configuration: &str) -> Vec<String> {
    workspace.configure(configuration);
    workspace.terraform(&["plan", "-out=plan", "-no-color"]).succeeds();
    let plan = workspace.terraform(&["show", "-json", "plan"]).succeeds().stdout;
    let mut engine = Engine::new();
    engine.add_policy(POLICY.to_owned(), read(POLICY)).unwrap();
    engine.set_input(Value::from_json_str(&plan).unwrap());
    let denied = engine.eval_rule("data.main.deny".to_owned()).unwrap();
    let denied = denied.as_set().unwrap().iter();
    denied.map(|message| message.as_string().unwrap().to_string()).collect()
}

#[test]
fn a_rule_must_use_kms_with_a_key_for_buckets_by_name() {
    let Some(workspace) = account() else { return };
    let must = "must use sse_algorithm = \"KMS\" with a kms_master_key_id, not";
    for (bucket, rule, expected) in [
        ("\"prod-media\"", format!("sse_algorithm = \"KMS\"\n  {KEY}"), None),
        ("\"test-logs\"", "sse_algorithm = \"AES256\"".to_owned(), None),
        (
            "\"prod-media\"",
            "sse_algorithm = \"AES256\"".to_owned(),
            Some(format!("bucket prod-media {must} AES256")),
        ),
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"".to_owned(),
            Some(format!("bucket prod-media {must} KMS")),
        ),
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"\n  kms_master_key_id = \"\"".to_owned(),
            Some(format!("bucket prod-media {must} KMS")),
        ),
        // The key, or the bucket, is created by the same plan.
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"\n  kms_master_key_id = terraform_data.new.id".to_owned(),
            None,
        ),
        (
            "terraform_data.new.id",
            "sse_algorithm = \"KMS\"".to_owned(),
            Some("the name of the bucket is known only after apply".to_owned()),
        ),
        ("terraform_data.new.id", format!("sse_algorithm = \"KMS\"\n  {KEY}"), None),
    ] {
        let configuration = format!(
            "resource \"terraform_data\" \"new\" {{}}\n{}",
            resource("this", bucket, &rule)
        );
        let found = denied(&workspace, &configuration);
        let is_expected = match &expected {
            None => found.is_empty(),
            Some(part) => {
                found.len() == 1
                    && found[0].starts_with("oss_bucket_encryption.this: ")
                    && found[0].contains(part)
            }
        };
        assert!(is_expected, "{bucket} with {rule}: {found:#?} in place of {expected:?}");
    }
}

#[test]
fn the_rule_of_such_a_bucket_must_not_be_deleted_or_weakened() {
    let Some(workspace) = account() else { return };
    let kms = format!("sse_algorithm = \"KMS\"\n  {KEY}");
    workspace.configure(&resource("this", "\"prod-logs\"", &kms));
    workspace.apply();
    let none = Vec::<String>::new();
    assert_eq!(denied(&workspace, &resource("this", "\"prod-logs\"", &kms)), none);
    let deleted = "oss_bucket_encryption.this: the rule of bucket prod-logs must not be deleted";
    assert_eq!(denied(&workspace, ""), [deleted]);
    // A replacement for another bucket deletes the rule of the first.
    assert_eq!(denied(&workspace, &resource("this", "\"test-logs\"", &kms)), [deleted]);
    let weaker = resource("this", "\"prod-logs\"", "sse_algorithm = \"AES256\"");
    assert_eq!(denied(&workspace, &weaker).len(), 1);
}

#[test]
fn buckets_that_a_data_source_finds_must_be_encrypted() {
    let Some(workspace) = account() else { return };
    let all = "data \"oss_bucket_encryptions\" \"all\" {}\n";
    let unencrypted = "data.oss_bucket_encryptions.all: bucket prod-media must use KMS with a \
                       specified key, but it has no rule";
    assert_eq!(denied(&workspace, all), [unencrypted]);
    let one = "data \"oss_bucket_encryption\" \"one\" {\n  bucket = \"prod-media\"\n}\n";
    assert_eq!(denied(&workspace, one), [unencrypted.replace("encryptions.all", "encryption.one")]);
    // The same plan sets its rule.
    let kms = format!("sse_algorithm = \"KMS\"\n  {KEY}");
    let fixed = format!("{all}{}", resource("media", "\"prod-media\"", &kms));
    assert_eq!(denied(&workspace, &fixed), Vec::<String>::new());
    let fault = Fault::error_response(403, "AccessDenied").bucket("prod-logs").forever();
    workspace.emulator.inject(fault);
    let found = denied(&workspace, &fixed);
    assert_eq!(found.len(), 1, "{found:#?}");
    let part = "bucket prod-logs could not be read: OSS returned 403 AccessDenied.";
    assert!(found[0].contains(part), "{found:#?}");
}
