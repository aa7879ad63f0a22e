//! The data sources with the real terraform.

use oss_emulator::{EncryptionRule, Fault};
use serde_json::{Value as Json, json};

use super::files::read;
use super::workspace::{Run, Workspace};

const CHECK: &str = "examples/data-sources/oss_bucket_encryptions/data-source-check.tf";
const UNENCRYPTED: &str = "examples/data-sources/oss_bucket_encryptions/data-source.tf";

/// Three buckets in two regions; one of them has no rule.
fn account() -> Option<Workspace> {
    let workspace = Workspace::with(|config| {
        let config = config.with_bucket("my-company-logs").with_bucket("my-company-media");
        config.with_bucket_in("my-company-invoices", "cn-shanghai")
    })?;
    let mut kms = EncryptionRule::new("KMS");
    kms.kms_master_key_id = Some("9468da86".to_owned());
    workspace.emulator.set_rule("my-company-invoices", kms);
    workspace.emulator.set_rule("my-company-logs", EncryptionRule::new("AES256"));
    Some(workspace)
}

fn outputs(workspace: &Workspace) -> Json {
    let shown = workspace.terraform(&["output", "-json"]).succeeds().stdout;
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn both_data_sources_are_read_during_a_plan() {
    let Some(workspace) = account() else { return };
    workspace.configure(&format!(
        "{}data \"oss_bucket_encryption\" \"invoices\" {{\n  bucket = \"my-company-invoices\"\n  \
         region = \"cn-shanghai\"\n  timeouts {{\n    read = \"30s\"\n  }}\n}}\n\
         data \"oss_bucket_encryption\" \"media\" {{\n  bucket = \"my-company-media\"\n}}\n\
         output \"invoices\" {{\n  value = data.oss_bucket_encryption.invoices\n}}\n\
         output \"media\" {{\n  value = data.oss_bucket_encryption.media.sse_algorithm\n}}\n\
         output \"all\" {{\n  value = data.oss_bucket_encryptions.all.buckets\n}}\n",
        read(UNENCRYPTED),
    ));
    workspace.apply();
    workspace.expect_no_changes();
    let outputs = outputs(&workspace);
    let invoices = &outputs["invoices"]["value"];
    assert_eq!(
        *invoices,
        json!({ "bucket": "my-company-invoices", "region": "cn-shanghai", "sse_algorithm": "KMS",
            "kms_master_key_id": "9468da86", "kms_data_encryption": null,
            "id": "my-company-invoices", "timeouts": { "read": "30s" } })
    );
    assert_eq!(outputs["media"]["value"], Json::Null);
    assert_eq!(outputs["unencrypted"]["value"], json!(["my-company-media"]));
    let bucket = |name: &str, region: &str, algorithm: Option<&str>, key: Option<&str>| {
        json!({ "bucket": name, "region": region, "sse_algorithm": algorithm,
            "kms_master_key_id": key, "kms_data_encryption": null, "error": null })
    };
    assert_eq!(
        outputs["all"]["value"],
        json!([
            bucket("my-company-invoices", "cn-shanghai", Some("KMS"), Some("9468da86")),
            bucket("my-company-logs", "cn-hangzhou", Some("AES256"), None),
            bucket("my-company-media", "cn-hangzhou", None, None),
        ])
    );
    assert!(workspace.calls().iter().all(|call| call.starts_with("GET")));
}

#[test]
fn a_check_block_warns_of_unencrypted_buckets() {
    let Some(workspace) = account() else { return };
    workspace.configure(&read(CHECK));
    let plan = workspace.apply();
    for part in ["Check block assertion failed", "could not be read: my-company-media."] {
        assert!(plan.stdout.contains(part), "{part:?} is missing:\n{plan}");
    }
    workspace.emulator.set_rule("my-company-media", EncryptionRule::new("SM4"));
    let plan = workspace.apply();
    assert!(!plan.stdout.contains("Check block assertion failed"), "{plan}");
    // A bucket that cannot be read does not pass.
    for (status, code, reason) in [
        (403, "AccessDenied", "oss:GetBucketEncryption on"),
        (404, "NoSuchBucket", "OSS listed the bucket, but then returned"),
    ] {
        let fault = Fault::error_response(status, code).operation("GetBucketEncryption");
        workspace.emulator.inject(fault.bucket("my-company-logs").forever());
        let plan = workspace.apply();
        for part in ["could not be read: my-company-logs.", reason] {
            assert!(plan.stdout.contains(part), "{part:?} is missing:\n{plan}");
        }
        workspace.emulator.clear_faults();
    }
}

#[test]
fn a_listed_bucket_that_is_not_found_is_not_planned_for_destruction() {
    let Some(workspace) = account() else { return };
    workspace.configure(
        "data \"oss_bucket_encryptions\" \"all\" {}\n\
         resource \"oss_bucket_encryption\" \"all\" {\n  for_each = {\n    \
         for bucket in data.oss_bucket_encryptions.all.buckets : bucket.bucket => bucket\n  }\n  \
         bucket = each.key\n  region = each.value.region\n  \
         sse_algorithm = coalesce(each.value.sse_algorithm, \"AES256\")\n  \
         kms_master_key_id = each.value.kms_master_key_id\n}\n",
    );
    workspace.apply();
    // The data source is read first.
    let fault = Fault::error_response(404, "NoSuchBucket").operation("GetBucketEncryption");
    workspace.emulator.inject(fault.bucket("my-company-logs"));
    let plan = workspace.terraform(&["plan", "-detailed-exitcode", "-no-color"]);
    assert_eq!(plan.code, Some(0), "{plan}");
    let warning = "The encryption of 1 of 3 buckets could not be read";
    assert!(plan.stdout.contains(warning), "{plan}");
}

#[test]
fn a_check_is_not_drift() {
    let Some(workspace) = account() else { return };
    let resource = "resource \"oss_bucket_encryption\" \"media\" {\n  bucket = \"my-company-media\"\n  \
                    sse_algorithm = \"AES256\"\n}\n";
    workspace.configure(&(read(CHECK) + resource));
    let warns = |run: &Run| run.stdout.contains("Check block assertion failed");
    // The buckets are read before the changes.
    let run = workspace.apply();
    assert!(warns(&run), "{run}");
    let plan = || workspace.terraform(&["plan", "-detailed-exitcode", "-no-color"]);
    for algorithm in [Some("SM4"), None, Some("KMS")] {
        match algorithm {
            Some(name) => workspace.emulator.set_rule("my-company-logs", EncryptionRule::new(name)),
            None => workspace.emulator.remove_rule("my-company-logs"),
        }
        for _ in 0..2 {
            let plan = plan();
            assert!(plan.code == Some(0) && warns(&plan) == algorithm.is_none(), "{plan}");
            workspace.apply();
        }
    }
    workspace.emulator.remove_rule("my-company-media");
    assert_eq!(plan().code, Some(2), "drift is still drift");
}

#[test]
fn a_precondition_prevents_a_weaker_rule() {
    let Some(workspace) = account() else { return };
    let configure = |algorithm: &str| {
        workspace.configure(&format!(
            "data \"oss_bucket_encryption\" \"current\" {{\n  bucket = \"my-company-invoices\"\n  \
             region = \"cn-shanghai\"\n}}\n\
             resource \"oss_bucket_encryption\" \"invoices\" {{\n  bucket = \"my-company-invoices\"\n  \
             region = \"cn-shanghai\"\n  sse_algorithm = \"{algorithm}\"\n  lifecycle {{\n    \
             precondition {{\n      \
             condition = data.oss_bucket_encryption.current.sse_algorithm != \"KMS\"\n      \
             error_message = \"The bucket uses KMS.\"\n    }}\n  }}\n}}\n"
        ));
    };
    configure("AES256");
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    assert!(plan.stderr.contains("Resource precondition failed"), "{plan}");
    assert!(plan.stderr.contains("The bucket uses KMS."), "{plan}");
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("SM4"));
    workspace.terraform(&["plan", "-no-color"]).succeeds();
}

#[test]
fn a_missing_or_forbidden_bucket_fails_the_plan() {
    let Some(workspace) = account() else { return };
    let source = |bucket: &str| {
        format!("data \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"{bucket}\"\n}}\n")
    };
    workspace.configure(&source("missing"));
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    for part in ["Cannot read the encryption of bucket missing", "main.tf line", "NoSuchBucket"] {
        assert!(plan.stderr.contains(part), "{part:?} is missing:\n{plan}");
    }
    workspace.configure(&source("my-company-logs"));
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied"));
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    assert!(plan.stderr.contains("perform oss:GetBucketEncryption on"), "{plan}");
    workspace.configure("data \"oss_bucket_encryptions\" \"all\" {}\n");
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied"));
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    assert!(plan.stderr.contains("perform oss:ListBuckets on acs:oss:*:*:*"), "{plan}");
}

#[test]
fn impossible_values_fail_the_validation_at_their_line() {
    let Some(workspace) = account() else { return };
    for (source, line) in [
        (
            "data \"oss_bucket_encryption\" \"this\" {\n  bucket = \"My_Logs\"\n}",
            "bucket = \"My_Logs\"",
        ),
        (
            "data \"oss_bucket_encryption\" \"this\" {\n  bucket = \"logs\"\n  region = \"oss-cn-x\"\n}",
            "region = \"oss-cn-x\"",
        ),
        // Not a filter.
        (
            "data \"oss_bucket_encryption\" \"this\" {\n  bucket = \"logs\"\n  sse_algorithm = \"KMS\"\n}",
            "sse_algorithm = \"KMS\"",
        ),
        ("data \"oss_bucket_encryptions\" \"this\" {\n  buckets = []\n}", "buckets = []"),
        (
            "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"logs\"\n  id = \"other\"\n  \
             sse_algorithm = \"KMS\"\n}",
            "id = \"other\"",
        ),
        ("data \"oss_bucket_encryptions\" \"this\" {\n  region = \"c/n\"\n}", "region = \"c/n\""),
        ("data \"oss_bucket_encryptions\" \"this\" {\n  prefix = \"My\"\n}", "prefix = \"My\""),
        ("data \"oss_bucket_encryptions\" \"this\" {\n  prefix = \"-x\"\n}", "prefix = \"-x\""),
    ] {
        workspace.configure(source);
        let run = workspace.terraform(&["validate", "-no-color"]).fails();
        assert_eq!(run.stderr.matches("Error: ").count(), 1, "{run}");
        assert!(run.stderr.contains(&format!(": {line}")), "{line:?} is missing:\n{run}");
    }
    // The same when a value becomes known during an apply; nothing is sent.
    workspace.configure(
        "resource \"terraform_data\" \"name\" {\n  input = \"My_Logs\"\n}\n\
         data \"oss_bucket_encryption\" \"this\" {\n  bucket = terraform_data.name.output\n}\n",
    );
    workspace.terraform(&["validate", "-no-color"]).succeeds();
    let run = workspace.terraform(&["apply", "-auto-approve", "-no-color"]).fails();
    assert!(run.stderr.contains("Invalid bucket name"), "{run}");
    assert_eq!(workspace.calls(), Vec::<String>::new());
}

#[test]
fn a_filter_that_selects_nothing_is_reported_at_its_line() {
    let Some(workspace) = account() else { return };
    for (filter, summary) in [
        ("prefix = \"my-compnay-\"", "No bucket with prefix my-compnay-"),
        ("region = \"cn-hangzou\"", "No bucket in region cn-hangzou"),
    ] {
        workspace
            .configure(&format!("data \"oss_bucket_encryptions\" \"all\" {{\n  {filter}\n}}\n"));
        let plan = workspace.terraform(&["plan", "-no-color"]).succeeds();
        for part in [&format!("Warning: {summary}"), "on main.tf line", filter] {
            assert!(plan.stdout.contains(part), "{part:?} is missing:\n{plan}");
        }
    }
    // The check warns as well.
    workspace.configure(&read(CHECK).replace("my-company-", "my-compnay-"));
    let plan = workspace.terraform(&["plan", "-no-color"]).succeeds();
    assert!(plan.stdout.contains("There is no bucket to check."), "{plan}");
}

#[test]
fn a_thousand_buckets_take_a_request_each() {
    let Some(workspace) = Workspace::with(|config| {
        (0..1001).fold(config, |config, number| config.with_bucket(&format!("b-{number:04}")))
    }) else {
        return;
    };
    workspace.configure(
        "data \"oss_bucket_encryptions\" \"all\" {}\n\
         output \"count\" {\n  value = length(data.oss_bucket_encryptions.all.buckets)\n}\n",
    );
    let run = workspace.apply();
    assert_eq!(outputs(&workspace)["count"]["value"], 1001);
    let calls = workspace.calls();
    // Two pages, and the buckets.
    assert_eq!(calls.iter().filter(|call| call.starts_with("GET - ")).count(), 2);
    assert_eq!(calls.len(), 2 + 1001);
    let logged = |message: &str, field: &str| {
        let is_wanted = |line: &&str| line.contains(message) && line.contains(field);
        run.log.lines().filter(is_wanted).count()
    };
    assert_eq!(logged("listed a page of buckets: ", ""), 2);
    assert_eq!(logged("reading the encryption of buckets: ", ""), 10);
    assert_eq!(logged("reading the encryption of buckets: ", "buckets=100 "), 1);
    assert_eq!(logged("read the encryption of all buckets: ", "buckets=1001 "), 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_read_at_once() {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let Some(workspace) = Workspace::with(|config| {
        (0..100).fold(config, |config, number| config.with_bucket(&format!("b-{number:04}")))
    }) else {
        return;
    };
    workspace.emulator.inject(Fault::delay(Duration::from_mins(10)).bucket("b-0020").forever());
    workspace.configure("data \"oss_bucket_encryptions\" \"all\" {}\n");
    let mut command = workspace.command(&super::workspace::KEYS, &["plan", "-no-color"]);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terraform = command.spawn().unwrap();
    while workspace.emulator.requests().len() < 1 + 20 + 8 {
        assert!(terraform.try_wait().unwrap().is_none(), "terraform exited early");
        std::thread::yield_now();
    }
    // To the process group, as a terminal does.
    let group = format!("-{}", terraform.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    let output = terraform.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("was cancelled after 20 buckets"), "{stderr}");
    assert!(!stderr.contains("b-00"), "no bucket is to blame: {stderr}");
    assert_eq!(workspace.emulator.requests().len(), 1 + 20 + 8, "no further request was sent");
}
