//! The policies in `examples/policies/`, evaluated on plans of the real terraform.

use oss_emulator::{EncryptionRule, Fault};
use regorus::{Engine, Value};

use super::deferral::unknown_provider;
use super::files::read;
use super::host::{Feature, has};
use super::modules::{install_alicloud, require_alicloud};
use super::workspace::Workspace;

const POLICY: &str = "examples/policies/bucket_encryption.rego";
const KEY: &str = "kms_master_key_id = \"9468da86\"";
const KMS: &str = "sse_algorithm = \"KMS\"\n  kms_master_key_id = \"9468da86\"";
const AES256: &str = "sse_algorithm = \"AES256\"";
const MUST: &str = "must use sse_algorithm = \"KMS\" with a kms_master_key_id, not";
const IGNORE: &str = "lifecycle {\n    ignore_changes = [server_side_encryption_rule]\n  }";
/// A value that is known only after apply.
const NEW: &str = "resource \"terraform_data\" \"new\" {}\n";

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

/// A bucket of the provider `aliyun/alicloud`.
fn alicloud_bucket(name: &str, bucket: &str, more: &str) -> String {
    format!("resource \"alicloud_oss_bucket\" {name:?} {{\n  bucket = {bucket}\n  {more}\n}}\n")
}

fn inline(rule: &str) -> String {
    format!("server_side_encryption_rule {{\n    {rule}\n  }}")
}

/// The rule of a bucket, of the provider `aliyun/alicloud`.
fn alicloud_rule(name: &str, bucket: &str, rule: &str) -> String {
    format!(
        "resource \"alicloud_oss_bucket_server_side_encryption\" {name:?} {{\n  bucket = {bucket}\n  {rule}\n}}\n"
    )
}

fn configure(workspace: &Workspace, configuration: &str) {
    workspace.configure(configuration);
    if configuration.contains("alicloud") {
        require_alicloud(workspace);
    }
}

/// What a policy denies in an input.
fn evaluate(policy: String, input: &str) -> Vec<String> {
    let mut engine = Engine::new();
    engine.add_policy(POLICY.to_owned(), policy).unwrap();
    engine.set_input(Value::from_json_str(input).unwrap());
    let denied = engine.eval_rule("data.main.deny".to_owned()).unwrap();
    let denied = denied.as_set().unwrap().iter();
    denied.map(|message| message.as_string().unwrap().to_string()).collect()
}

/// The plan of this configuration, as JSON.
fn planned(workspace: &Workspace, configuration: &str, options: &[&str]) -> String {
    configure(workspace, configuration);
    let arguments = [&["plan", "-out=plan", "-no-color"], options].concat();
    workspace.terraform(&arguments).succeeds();
    workspace.terraform(&["show", "-json", "plan"]).succeeds().stdout
}

/// What the policy denies in the plan of this configuration.
fn denied(workspace: &Workspace, configuration: &str) -> Vec<String> {
    evaluate(read(POLICY), &planned(workspace, configuration, &[]))
}

#[test]
fn a_rule_must_use_kms_with_a_key_for_buckets_by_name() {
    let Some(workspace) = account() else { return };
    for (bucket, rule, expected) in [
        ("\"prod-media\"", KMS.to_owned(), None),
        ("\"test-logs\"", AES256.to_owned(), None),
        ("\"prod-media\"", AES256.to_owned(), Some(format!("bucket prod-media {MUST} AES256"))),
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"".to_owned(),
            Some(format!("bucket prod-media {MUST} KMS without a key")),
        ),
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"\n  kms_master_key_id = \"\"".to_owned(),
            Some(format!("bucket prod-media {MUST} KMS without a key")),
        ),
        // Known only after apply: the algorithm, the key, the name.
        (
            "\"prod-media\"",
            format!("sse_algorithm = terraform_data.new.id\n  {KEY}"),
            Some(format!("bucket prod-media {MUST} an algorithm that is known only after apply")),
        ),
        (
            "\"prod-media\"",
            "sse_algorithm = \"KMS\"\n  kms_master_key_id = substr(terraform_data.new.id, 0, 0)"
                .to_owned(),
            Some(format!("bucket prod-media {MUST} KMS with a key that is known only after apply")),
        ),
        (
            "terraform_data.new.id",
            "sse_algorithm = \"KMS\"".to_owned(),
            Some(format!(
                "the name of the bucket is known only after apply, so its rule {MUST} KMS without a key"
            )),
        ),
        ("terraform_data.new.id", KMS.to_owned(), None),
    ] {
        let found = denied(&workspace, &format!("{NEW}{}", resource("this", bucket, &rule)));
        let expected = expected.map(|message| format!("oss_bucket_encryption.this: {message}"));
        assert_eq!(found, Vec::from_iter(expected), "{bucket} with {rule}");
    }
}

/// A key that is created by the same plan is known only after apply.
#[test]
fn an_unknown_key_must_come_from_a_resource_for_keys() {
    let Some(workspace) = account() else { return };
    install_alicloud(&workspace);
    let keys = format!(
        "{NEW}resource \"alicloud_kms_key\" \"one\" {{}}\nresource \"alicloud_kms_key\" \"each\" {{\n  \
         for_each = toset([\"this\"])\n}}\n"
    );
    let with = |key: &str| format!("sse_algorithm = \"KMS\"\n  kms_master_key_id = {key}");
    let each = "for_each = toset([\"this\"])\n  ";
    for (rule, is_denied) in [
        (with("alicloud_kms_key.one.id"), false),
        (format!("{each}{}", with("alicloud_kms_key.each[each.key].id")), false),
        (with("terraform_data.new.id == \"\" ? \"\" : alicloud_kms_key.one.id"), true),
        (with("terraform_data.new.id"), true),
    ] {
        for resource in [
            resource("this", "\"prod-media\"", &rule),
            alicloud_rule("this", "\"prod-media\"", &rule),
            // The block has no `for_each`.
            alicloud_bucket("this", "\"prod-media\"", &inline(&rule.replace(each, "")))
                .replace("[each.key]", "[\"this\"]"),
        ] {
            let found = denied(&workspace, &format!("{keys}{resource}"));
            assert_eq!(found.len(), usize::from(is_denied), "{resource}: {found:#?}");
            let says = |message: &String| {
                message.ends_with("not KMS with a key that is known only after apply")
            };
            assert!(found.iter().all(says), "{resource}: {found:#?}");
        }
    }
    // Only the one that is denied, although both are known only after apply.
    let two = [("this", "alicloud_kms_key.one.id"), ("other", "terraform_data.new.id")]
        .map(|(name, key)| resource(name, &format!("\"prod-{name}\""), &with(key)));
    let found = denied(&workspace, &format!("{keys}{}", two.concat()));
    let is_other = |message: &String| message.starts_with("oss_bucket_encryption.other: ");
    assert!(found.len() == 1 && found.iter().all(is_other), "{found:#?}");
    // The reference must be in the argument.
    let elsewhere = format!(
        "{}\n  depends_on = [alicloud_kms_key.one]\n  region = alicloud_kms_key.one.description",
        with("terraform_data.new.id")
    );
    let elsewhere = resource("this", "\"prod-media\"", &elsewhere);
    assert_eq!(denied(&workspace, &format!("{keys}{elsewhere}")).len(), 1);
    // The configuration of a module does not show what its variables are, so they need the option.
    let name = "module/main.tf";
    std::fs::create_dir(workspace.path("module")).unwrap();
    let rule = resource("this", "\"prod-media\"", &with("var.key"));
    let required =
        "terraform {\n  required_providers {\n    oss = { source = \"oss-tools/oss\" }\n  }\n}\n";
    workspace.write(name, &format!("{required}variable \"key\" {{}}\n{rule}"));
    let module = "module \"rule\" {\n  source = \"./module\"\n  key = alicloud_kms_key.one.id\n}\n";
    configure(&workspace, &format!("{keys}{module}"));
    workspace.terraform(&["get"]).succeeds();
    let plan = planned(&workspace, &format!("{keys}{module}"), &[]);
    let strict = read(POLICY);
    assert_eq!(evaluate(strict.clone(), &plan).len(), 1);
    let lenient = strict.replace("allow_unknown_keys := false", "allow_unknown_keys := true");
    assert_ne!(strict, lenient);
    assert_eq!(evaluate(lenient, &plan), Vec::<String>::new());
}

#[test]
fn the_rule_of_such_a_bucket_must_not_be_deleted_or_weakened() {
    let Some(workspace) = account() else { return };
    let kept = resource("this", "\"prod-logs\"", KMS);
    // Without the prefix it may be deleted.
    workspace.configure(&format!("{kept}{}", resource("test", "\"test-logs\"", KMS)));
    workspace.apply();
    let none = Vec::<String>::new();
    assert_eq!(denied(&workspace, &kept), none);
    let replaced = planned(&workspace, &kept, &["-replace=oss_bucket_encryption.this"]);
    assert_eq!(evaluate(read(POLICY), &replaced), none);
    let deleted = "oss_bucket_encryption.this: the rule of bucket prod-logs must not be deleted";
    assert_eq!(denied(&workspace, ""), [deleted]);
    // A replacement for another bucket deletes the rule of the first.
    assert_eq!(denied(&workspace, &resource("this", "\"test-logs\"", KMS)), [deleted]);
    let weaker = resource("this", "\"prod-logs\"", AES256);
    assert_eq!(denied(&workspace, &weaker).len(), 1);
}

#[test]
fn a_bucket_of_alicloud_must_be_created_with_a_rule() {
    let Some(workspace) = account() else { return };
    install_alicloud(&workspace);
    let bucket = |more: &str| alicloud_bucket("new", "\"prod-new\"", more);
    let nameless = |more: &str| alicloud_bucket("new", "terraform_data.new.id", more);
    let with = |rule: String| bucket(IGNORE) + &rule;
    let of = |bucket: &str| resource("new", bucket, KMS);
    let unknown_block = format!(
        "dynamic \"server_side_encryption_rule\" {{\n    for_each = terraform_data.new.id == \"\" ? [] : [1]\n    \
         content {{\n    {KMS}\n    }}\n  }}"
    );
    let without =
        "has no rule after this plan: set one with an oss_bucket_encryption in the same plan";
    let without = format!("bucket prod-new {without}");
    let nameless_without = "the name of the bucket is known only after apply, and not every such bucket gets a rule in the same \
                            plan";
    let rule_of_alicloud = alicloud_rule("new", "alicloud_oss_bucket.new.bucket", KMS);
    for (configuration, expected) in [
        (bucket(&inline(KMS)), None),
        (bucket(&inline(AES256)), Some(format!("bucket prod-new {MUST} AES256"))),
        (
            bucket(&unknown_block),
            Some(format!("bucket prod-new {MUST} an algorithm that is known only after apply")),
        ),
        (bucket(""), Some(without.clone())),
        (with(of("alicloud_oss_bucket.new.bucket")), None),
        (with(of("alicloud_oss_bucket.new.id")), None),
        (with(rule_of_alicloud), None),
        // The separate rule may be set first.
        (
            bucket(&inline(AES256)) + &of("alicloud_oss_bucket.new.bucket"),
            Some(format!("bucket prod-new {MUST} AES256")),
        ),
        // It may be another bucket.
        (with(of("terraform_data.new.id")), Some(without)),
        (nameless(""), Some(nameless_without.to_owned())),
        (nameless(IGNORE) + &of("alicloud_oss_bucket.new.bucket"), None),
        (alicloud_bucket("new", "\"test-logs\"", ""), None),
    ] {
        let found = denied(&workspace, &format!("{NEW}{configuration}"));
        let expected = expected.map(|message| format!("alicloud_oss_bucket.new: {message}"));
        assert_eq!(found, Vec::from_iter(expected), "{configuration}");
    }
}

#[test]
fn resources_of_alicloud_must_not_change_the_rule_either() {
    let Some(workspace) = account() else { return };
    install_alicloud(&workspace);
    let bucket = |more: &str| alicloud_bucket("logs", "\"prod-logs\"", more);
    let rule = |rule: &str| alicloud_rule("media", "\"prod-media\"", rule);
    let (logs, media) = (bucket(&inline(KMS)), rule(KMS));
    // What was read back before another rule was set.
    let old = |more: &str| alicloud_bucket("old", "\"prod-old\"", more);
    let stale = old(&format!("{}\n  {IGNORE}", inline(AES256)));
    let bare = alicloud_bucket("bare", "\"prod-bare\"", "");
    // A bucket without the prefix may have any rule, or none.
    let fine = alicloud_bucket("fine", "\"test-logs\"", &inline(AES256));
    configure(&workspace, &format!("{logs}{media}{stale}{bare}{fine}"));
    workspace.apply();
    let fine = alicloud_bucket("fine", "\"test-logs\"", "");
    let others = format!("{}{fine}{}", old(IGNORE), resource("old", "\"prod-old\"", KMS));
    let [our_logs, our_media] =
        ["logs", "media"].map(|name| resource(name, &format!("\"prod-{name}\""), KMS));
    let from = "from = alicloud_oss_bucket_server_side_encryption.media";
    let moved = format!("moved {{\n  {from}\n  to = oss_bucket_encryption.media\n}}\n");
    let removed = format!("removed {{\n  {from}\n  lifecycle {{\n    destroy = false\n  }}\n}}\n");
    let must_stay = "alicloud_oss_bucket.logs: the rule of bucket prod-logs must not be removed: add ignore_changes = \
                   [server_side_encryption_rule]";
    let rule_of_media = "alicloud_oss_bucket_server_side_encryption.media:";
    let aes256 =
        |address: &str, bucket: &str| Some(format!("{address} bucket {bucket} {MUST} AES256"));
    for (configuration, expected) in [
        (format!("{logs}{media}"), None),
        // The bucket is deleted with its rule.
        (media.clone(), None),
        (format!("{media}{}", bucket("")), Some(must_stay.to_owned())),
        (format!("{media}{our_logs}{}", bucket("")), Some(must_stay.to_owned())),
        (format!("{media}{our_logs}{}", bucket(IGNORE)), None),
        (format!("{media}{}", bucket(IGNORE)), None),
        (
            format!("{media}{}", bucket(&inline(AES256))),
            aes256("alicloud_oss_bucket.logs:", "prod-logs"),
        ),
        (
            format!("{media}{our_logs}{}", bucket(&inline(AES256))),
            aes256("alicloud_oss_bucket.logs:", "prod-logs"),
        ),
        (
            format!("{logs}{media}{bare}"),
            Some(
                "alicloud_oss_bucket.bare: bucket prod-bare has no rule after this plan: set one with an \
                 oss_bucket_encryption in the same plan"
                    .to_owned(),
            ),
        ),
        (format!("{logs}{}", rule(AES256)), aes256(rule_of_media, "prod-media")),
        (
            format!("{logs}{our_media}"),
            Some(format!("{rule_of_media} the rule of bucket prod-media must not be deleted")),
        ),
        (format!("{logs}{our_media}{moved}"), None),
        (format!("{logs}{our_media}{removed}"), None),
    ] {
        let found = denied(&workspace, &format!("{configuration}{others}"));
        assert_eq!(found, Vec::from_iter(expected), "{configuration}");
    }
    // Without a resource that sets it, the old rule stays.
    let found = denied(&workspace, &format!("{logs}{media}{stale}{fine}"));
    assert_eq!(found, Vec::from_iter(aes256("alicloud_oss_bucket.old:", "prod-old")));
}

/// The state has the rule, but the bucket that replaces the old one has none.
#[test]
fn a_bucket_that_is_replaced_needs_its_rule_again() {
    let Some(workspace) = account() else { return };
    install_alicloud(&workspace);
    let bucket = alicloud_bucket("logs", "\"prod-logs\"", IGNORE);
    let both = format!("{bucket}{}", resource("logs", "\"prod-logs\"", KMS));
    configure(&workspace, &both);
    workspace.apply();
    assert_eq!(denied(&workspace, &both), Vec::<String>::new());
    let replace = "-replace=alicloud_oss_bucket.logs";
    let found = evaluate(read(POLICY), &planned(&workspace, &both, &[replace]));
    let part = "alicloud_oss_bucket.logs: bucket prod-logs has no rule after this plan";
    assert!(found.len() == 1 && found[0].starts_with(part), "{found:#?}");
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
    // Terraform reads the data source of a check during the plan, and once more during the apply.
    let check = format!(
        "check \"buckets\" {{\n  {all}  assert {{\n    condition = length(data.oss_bucket_encryptions.all.buckets) > 0\n    \
         error_message = \"None.\"\n  }}\n}}\n"
    );
    assert_eq!(denied(&workspace, &check), [unencrypted]);
    // The same plan sets its rule.
    let fixed = format!("{all}{}", resource("media", "\"prod-media\"", KMS));
    assert_eq!(denied(&workspace, &fixed), Vec::<String>::new());
    let fault = Fault::error_response(403, "AccessDenied").bucket("prod-logs").forever();
    workspace.emulator.inject(fault);
    let found = denied(&workspace, &fixed);
    assert_eq!(found.len(), 1, "{found:#?}");
    let part = "bucket prod-logs could not be read: OSS returned 403 AccessDenied.";
    assert!(found[0].contains(part), "{found:#?}");
}

/// A resource whose rule is right in the state does not set it again.
#[test]
fn what_a_data_source_finds_counts_more_than_an_old_state() {
    let Some(workspace) = account() else { return };
    let rules = ["logs", "media"].map(|name| resource(name, &format!("\"prod-{name}\""), KMS));
    let both = format!("data \"oss_bucket_encryptions\" \"all\" {{}}\n{}", rules.concat());
    workspace.configure(&both);
    workspace.apply();
    workspace.emulator.set_rule("prod-logs", EncryptionRule::new("AES256"));
    workspace.emulator.remove_rule("prod-media");
    let found = evaluate(read(POLICY), &planned(&workspace, &both, &["-refresh=false"]));
    let has = |bucket, rule| {
        format!(
            "data.oss_bucket_encryptions.all: bucket {bucket} must use KMS with a specified key, but it has {rule}"
        )
    };
    assert_eq!(found, [has("prod-logs", "AES256"), has("prod-media", "no rule")]);
    // After a refresh, the plan sets both rules.
    assert_eq!(denied(&workspace, &both), Vec::<String>::new());
}

#[test]
fn data_sources_that_are_read_only_during_the_apply_are_denied() {
    let Some(workspace) = account() else { return };
    let unread = |address: &str| {
        format!(
            "{address}: the data source is read only during the apply, so its result is not in the plan: remove \
             depends_on, or use only arguments that are known"
        )
    };
    let all = "data \"oss_bucket_encryptions\" \"all\" {\n  depends_on = [terraform_data.new]\n}\n";
    let all = (all.to_owned(), Some(unread("data.oss_bucket_encryptions.all")));
    let one = |bucket: &str, more: &str| {
        format!(
            "data \"oss_bucket_encryption\" \"one\" {{\n  bucket = {bucket}\n  depends_on = [{more}]\n}}\n"
        )
    };
    let is_unread = || Some(unread("data.oss_bucket_encryption.one"));
    let media = resource("media", "\"prod-media\"", KMS);
    for (source, expected) in [
        all,
        (one("\"prod-media\"", "terraform_data.new"), is_unread()),
        (one("terraform_data.new.id", ""), is_unread()),
        (one("\"test-logs\"", "terraform_data.new"), None),
        // The plan sets the rule that is read afterwards.
        (format!("{media}{}", one("oss_bucket_encryption.media.id", "terraform_data.new")), None),
    ] {
        let found = denied(&workspace, &format!("{NEW}{source}"));
        assert_eq!(found, Vec::from_iter(expected), "{source}");
    }
}

const INCOMPLETE: &str = "the plan does not contain all changes: make it without -target, -exclude and -allow-deferral, and \
     without errors";

#[test]
fn a_plan_without_all_changes_is_denied() {
    let Some(workspace) = account() else { return };
    let configuration = format!("{NEW}{}", resource("media", "\"prod-media\"", AES256));
    let plan = planned(&workspace, &configuration, &["-target=terraform_data.new"]);
    let denied = evaluate(read(POLICY), &plan);
    if plan.contains("\"complete\"") {
        assert_eq!(denied, [INCOMPLETE]);
    } else {
        // OpenTofu does not say whether the plan is complete; the guide does.
        assert_eq!(denied, Vec::<String>::new());
        assert!(read("docs/guides/policies.md").contains("`tofu plan -target`"));
    }
    // A plan that failed can be saved, but not applied. Few hosts can defer changes.
    let complete = plan.replace("\"complete\":false", "\"complete\":true");
    assert_eq!(evaluate(read(POLICY), &complete), Vec::<String>::new());
    let errored = complete.replace("\"errored\":false", "\"errored\":true");
    let deferred = complete.replacen('{', "{\"deferred_changes\":[{}],", 1);
    for plan in [errored, deferred] {
        assert_eq!(evaluate(read(POLICY), &plan), [INCOMPLETE], "{plan}");
    }
}

#[test]
fn a_plan_with_deferred_changes_is_denied() {
    let Some(workspace) = account() else { return };
    if !has(Feature::Deferral, "a policy on deferred changes") {
        return;
    }
    let provider = unknown_provider(&workspace);
    workspace.configure_with(&provider, &resource("media", "\"prod-media\"", AES256));
    let arguments = ["plan", "-out=plan", "-no-color", "-allow-deferral"];
    workspace.terraform(&arguments).succeeds();
    let plan = workspace.terraform(&["show", "-json", "plan"]).succeeds().stdout;
    assert_eq!(evaluate(read(POLICY), &plan), [INCOMPLETE]);
}

#[test]
fn an_input_that_is_not_a_plan_is_denied() {
    let Some(workspace) = account() else { return };
    let deny = ["the input is not a plan: evaluate the output of `terraform show -json PLANFILE`"];
    let plan = planned(&workspace, &resource("logs", "\"prod-logs\"", KMS), &[]);
    assert_eq!(evaluate(read(POLICY), &plan), Vec::<String>::new());
    workspace.apply();
    let state = workspace.terraform(&["show", "-json"]).succeeds().stdout;
    let lines = workspace.terraform(&["plan", "-json"]).succeeds().stdout;
    let newer = plan.replacen("\"format_version\":\"1.", "\"format_version\":\"2.", 1);
    let combined = format!("[{{\"path\":\"plan.json\",\"contents\":{plan}}}]");
    let others = ["{}", "[]", "null", "\"plan\"", &state, &newer, &combined];
    for input in others.into_iter().chain(lines.lines()) {
        assert_eq!(evaluate(read(POLICY), input), deny, "{input}");
    }
    // Nothing is planned, and nothing is there.
    let other = Workspace::new(&[]).unwrap();
    assert_eq!(denied(&other, ""), Vec::<String>::new());
}
