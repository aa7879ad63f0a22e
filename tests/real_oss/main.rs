//! One suite for two services: the lifecycle of an encryption rule with the real terraform.
//!
//! By default against the emulator, addressed as OSS is: virtual-hosted, over TLS, at the endpoint of the region.
//! With `OSS_ACC=1` against OSS itself, with the credentials and the region in the environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `OSS_ACC_BUCKET` | an existing bucket; its rule is changed, and restored at the end |
//! | `OSS_ACC_OVERWRITE=1` | allows a bucket that has a rule; the rule is printed before anything is written |
//! | `OSS_ACC_KMS_KEY_ID` | a key to use with `KMS`, in addition to the default CMK |
//!
//! `OSS_ACC` and `OSS_ACC_OVERWRITE` are `1` or unset; another value is an error.
//!
//! What OSS returns where the emulator returns something else is printed. Ctrl-C restores the rule, too.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod interrupts;
mod processes;
mod service;
#[path = "../acceptance/tunnel.rs"]
mod tunnel;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};

use service::{RESTORE, Run, Service, report, reported};

const GONE: &str = "GET 404 NoSuchServerSideEncryptionRule";
const CREATE: &[&str] = &[GONE, "PUT 200", "GET 200"];
const UPDATE: &[&str] = &["GET 200", "PUT 200", "GET 200"];
/// The refresh reads twice before it reports that a rule is gone, and the create looks for one.
const REPAIR_OF_DELETED: &[&str] = &[GONE, GONE, GONE, "PUT 200", "GET 200"];
const ADDRESS: &str = "oss_bucket_encryption.this";

/// The attributes of each rule that is tried.
fn rules(service: &Service) -> Vec<String> {
    let kms = "sse_algorithm = \"KMS\"";
    let mut rules = vec!["sse_algorithm = \"AES256\"".to_owned(), kms.to_owned()];
    if let Some(key) = &service.kms_key_id {
        rules.push(format!("{kms}\n  kms_master_key_id = {key:?}"));
    }
    rules.push(format!("{kms}\n  kms_data_encryption = \"SM4\""));
    rules.push("sse_algorithm = \"SM4\"".to_owned());
    rules
}

fn resource(bucket: &str, rule: &str) -> String {
    format!("resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = {bucket:?}\n  {rule}\n}}\n")
}

fn data_source(bucket: &str) -> String {
    format!(
        "data \"oss_bucket_encryption\" \"found\" {{\n  bucket = {bucket:?}\n}}\n\
         output \"found\" {{\n  value = data.oss_bucket_encryption.found\n}}\n"
    )
}

/// The rule that the data source returns, as arguments of the resource; `None` if there is none.
fn found(service: &Service) -> Option<String> {
    let work = service.directory("look");
    work.configure(&data_source(&service.bucket));
    work.apply().succeeds();
    let found: Json =
        serde_json::from_str(&work.run(&["output", "-json", "found"]).stdout).unwrap();
    let argument = |name: &str| Some(format!("{name} = {:?}", found[name].as_str()?));
    argument("sse_algorithm")?;
    let names = ["sse_algorithm", "kms_master_key_id", "kms_data_encryption"];
    Some(names.into_iter().filter_map(argument).collect::<Vec<_>>().join("\n  "))
}

/// Restores the rule that was found, also after a failed test. A test whose restore fails is a failed test.
struct Restore<'a> {
    service: &'a Service,
    rule: Option<String>,
}

impl<'a> Restore<'a> {
    /// Reads the rule of the bucket and prints it. An error if the bucket has one that must not be changed, or that
    /// could not be restored.
    fn after_look(service: &'a Service) -> Result<Self, String> {
        let rule = found(service);
        if rule.is_some() && !service.may_overwrite {
            return Err(format!(
                "bucket {} has a rule: choose another bucket, or set OSS_ACC_OVERWRITE=1",
                service.bucket,
            ));
        }
        if let Some(rule) = &rule {
            let work = service.directory(RESTORE);
            work.configure(&resource(&service.bucket, rule));
            let run = work.run(&["validate", "-no-color"]);
            if run.code != Some(0) {
                return Err(format!(
                    "bucket {} has a rule that this version cannot set, so it could not be restored: choose another \
                     bucket\n{rule}\n{run}",
                    service.bucket,
                ));
            }
        }
        let what = rule.as_deref().unwrap_or("no rule");
        report(format!("found on bucket {}, to be restored: {what}", service.bucket));
        Ok(Self { service, rule })
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let work = self.service.directory(RESTORE);
        // A rule can be deleted after it is created: creating it is idempotent.
        let rule = self.rule.as_deref().unwrap_or("sse_algorithm = \"AES256\"");
        work.configure(&resource(&self.service.bucket, rule));
        let mut run = work.apply();
        if self.rule.is_none() && run.code == Some(0) {
            run = work.run(&["destroy", "-auto-approve", "-no-color"]);
        }
        let rule = self.rule.as_deref().unwrap_or("no rule");
        if run.code == Some(0) {
            report(format!("restored: {rule}"));
            return;
        }
        let message = format!("the bucket could NOT be restored to: {rule}\n{run}");
        report(&message);
        // A second panic would abort the process and hide the first one.
        assert!(std::thread::panicking(), "{message}");
    }
}

/// Why this account cannot use a rule, if that is the reason of a failure.
fn unavailable(run: &Run) -> Option<&'static str> {
    let codes = [
        "InvalidEncryptionAlgorithmError",
        "InvalidDataEncryptionAlgorithmError",
        "KmsServiceNotEnabled",
        "KmsUbsmsInvalidBid",
        "KMS.UbSMS.INVALID_BID",
        "KmsInDebt",
        "KMSMasterKeyID",
    ];
    codes.into_iter().find(|code| run.stderr.contains(code))
}

#[test]
fn the_lifecycle_of_a_rule() {
    let Some(service) = Service::start() else { return };
    let restore = Restore::after_look(&service).unwrap();
    lifecycle(&service, &restore);
}

#[test]
fn a_rule_that_was_there_is_only_changed_if_allowed_and_is_restored() {
    let Some(mut service) = Service::start() else { return };
    let Some(emulator) = service.emulator.take() else {
        report("not against OSS: a rule that was there is only changed if allowed and is restored");
        return;
    };
    let mut kms = EncryptionRule::new("KMS");
    kms.kms_data_encryption = Some("SM4".to_owned());
    emulator.set_rule(&service.bucket, kms.clone());
    let error = Restore::after_look(&service).map(drop).unwrap_err();
    assert!(error.contains("OSS_ACC_OVERWRITE"), "{error}");
    service.may_overwrite = true;
    let restore = Restore::after_look(&service).unwrap();
    let found = "sse_algorithm = \"KMS\"\n  kms_data_encryption = \"SM4\"";
    let is_found = |line: &String| line.starts_with("found on bucket") && line.ends_with(found);
    assert_eq!(reported().iter().filter(|line| is_found(line)).count(), 1, "{:?}", reported());
    lifecycle(&service, &restore);
    assert_eq!(emulator.rule(&service.bucket), None);
    drop(restore);
    assert_eq!(emulator.rule(&service.bucket), Some(kms));
}

#[test]
fn a_rule_that_cannot_be_restored_is_not_touched() {
    let Some(mut service) = Service::start() else { return };
    let Some(emulator) = service.emulator.take() else {
        report("not against OSS: a rule that cannot be restored is not touched");
        return;
    };
    service.may_overwrite = true;
    let mut cipher = EncryptionRule::new("KMS");
    cipher.kms_data_encryption = Some("SM9".to_owned());
    let mut key = EncryptionRule::new("AES256");
    key.kms_master_key_id = Some("key-1".to_owned());
    for rule in [EncryptionRule::new("AES512"), cipher, key] {
        emulator.set_rule(&service.bucket, rule.clone());
        let error = Restore::after_look(&service).map(std::mem::forget).unwrap_err();
        assert!(error.contains("this version cannot set"), "{error}");
        assert_eq!(emulator.rule(&service.bucket), Some(rule));
    }
}

#[test]
fn a_failed_restore_fails_the_test() {
    let Some(mut service) = Service::start() else { return };
    let Some(emulator) = service.emulator.take() else {
        report("not against OSS: a failed restore fails the test");
        return;
    };
    service.may_overwrite = true;
    let fails = |rule: Option<EncryptionRule>, before: &dyn Fn()| {
        emulator.create_bucket(&service.bucket);
        match rule {
            Some(rule) => emulator.set_rule(&service.bucket, rule),
            None => emulator.remove_rule(&service.bucket),
        }
        let restore = Restore::after_look(&service).unwrap();
        emulator.remove_bucket(&service.bucket);
        catch_unwind(AssertUnwindSafe(move || {
            let _restore = restore;
            before();
        }))
        .unwrap_err()
    };
    for (rule, what) in [(Some(EncryptionRule::new("SM4")), "SM4"), (None, "no rule")] {
        let message = fails(rule, &|| {});
        let message = message.downcast_ref::<String>().unwrap();
        assert!(message.starts_with("the bucket could NOT be restored to: "), "{message}");
        assert!(message.contains(what), "{message}");
    }
    // The test that fails anyway keeps its own message.
    let message = fails(None, &|| panic!("the test itself"));
    assert_eq!(message.downcast_ref::<&str>(), Some(&"the test itself"));
}

#[test]
fn a_switch_that_is_not_1_is_an_error() {
    for name in ["OSS_ACC", "OSS_ACC_OVERWRITE"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_lifecycle_of_a_rule", "--nocapture"]);
        let output = command.env_remove("OSS_ACC").env(name, "0").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{printed}");
        let message = format!("{name} is \"0\": set it to 1, or unset it");
        assert!(printed.contains(&message), "{printed}");
    }
}

fn lifecycle(service: &Service, restore: &Restore<'_>) {
    let bucket = service.bucket.clone();
    let work = service.directory("work");
    if restore.rule.is_some() {
        work.configure(&resource(&bucket, "sse_algorithm = \"AES256\""));
        work.apply().succeeds();
        work.run(&["destroy", "-auto-approve"]).succeeds();
    }

    let mut usable = Vec::new();
    for rule in rules(service) {
        work.configure(&resource(&bucket, &rule));
        let run = work.apply();
        match unavailable(&run) {
            Some(code) if service.is_real && run.code != Some(0) => {
                report(format!("this account cannot use {rule:?}: {code}"));
                continue;
            }
            _ => {
                let expected = if usable.is_empty() { CREATE } else { UPDATE };
                run.succeeds().expect_requests(&format!("apply {rule:?}"), expected);
            }
        }
        work.expect_no_changes();
        usable.push(rule);
    }
    let last = usable.pop().expect("at least one algorithm is available");
    work.configure(&resource(&bucket, &last));
    work.expect_no_changes();

    // Drift: another configuration changes the rule, or deletes it if the account can use no other one.
    let other = service.directory("other");
    if let Some(drifted) = usable.first() {
        other.configure(&resource(&bucket, drifted));
        other.apply().succeeds().expect_requests("take over", UPDATE);
    } else {
        other.configure(&resource(&bucket, &last));
        other.apply().succeeds();
        other.run(&["destroy", "-auto-approve", "-no-color"]).succeeds();
    }
    let plan = work.run(&["plan", "-detailed-exitcode", "-no-color"]);
    assert_eq!(plan.code, Some(2), "{plan}");
    let (drift, repair) = match usable.first() {
        Some(rule) => (rule.split('"').nth(1).unwrap(), UPDATE),
        None => ("will be created", REPAIR_OF_DELETED),
    };
    assert!(plan.stdout.contains(drift), "{plan}");
    work.apply().succeeds().expect_requests("repair", repair);
    work.expect_no_changes();

    work.run(&["state", "rm", ADDRESS]).succeeds();
    work.run(&["import", "-no-color", ADDRESS, &bucket])
        .succeeds()
        .expect_requests("import", &["GET 200", "GET 200"]);
    work.expect_no_changes();

    data_sources(service, &last);

    let destroyed = work.run(&["destroy", "-auto-approve", "-no-color"]).succeeds();
    destroyed.expect_requests("destroy", &["GET 200", "DELETE 204"]);
    assert_eq!(found(service), None);
    if !usable.is_empty() {
        // The other configuration still has the rule in its state.
        let destroyed = other.run(&["destroy", "-auto-approve", "-no-color"]).succeeds();
        destroyed.expect_requests("destroy what is gone", &[GONE, GONE]);
    }
}

/// Both data sources return the rule.
fn data_sources(service: &Service, rule: &str) {
    assert_eq!(found(service).as_deref(), Some(rule), "the data source returns what is set");
    let work = service.directory("all");
    work.configure(&format!(
        "data \"oss_bucket_encryptions\" \"all\" {{\n  prefix = {:?}\n}}\n\
         output \"all\" {{\n  value = {{ for bucket in data.oss_bucket_encryptions.all.buckets : \
         bucket.bucket => bucket.sse_algorithm }}\n}}\n",
        service.bucket,
    ));
    let run = work.apply();
    if service.is_real && run.code != Some(0) && run.stderr.contains("oss:ListBuckets") {
        report("these credentials may not list buckets: oss_bucket_encryptions was not tested");
        return;
    }
    run.succeeds().expect_requests("all buckets", &["GET 200", "GET 200"]);
    let all: Json = serde_json::from_str(&work.run(&["output", "-json", "all"]).stdout).unwrap();
    let algorithm = rule.split('"').nth(1);
    assert_eq!(all[&service.bucket], json!(algorithm));
}

#[test]
fn a_missing_bucket_is_an_error() {
    let Some(service) = Service::start() else { return };
    let work = service.directory("missing");
    // Derived from an existing name, so that hardly anyone has it. If another account does, OSS returns 403 instead,
    // and that is printed.
    let missing = format!("{}-does-not-exist", &service.bucket[..service.bucket.len().min(48)]);
    work.configure(&data_source(&missing));
    let run = work.apply();
    assert_eq!(run.code, Some(1), "{run}");
    run.expect_requests("a missing bucket", &["GET 404 NoSuchBucket"]);
}
