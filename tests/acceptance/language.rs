//! The resource with Terraform's language features and commands: modules, aliases, moves, conditions,
//! replacements.

use oss_emulator::{EncryptionRule, Fault};
use serde_json::{Value as Json, json};

use super::workspace::{KEYS, Workspace};

/// A resource with a name, a bucket, an algorithm and more arguments.
fn resource(name: &str, bucket: &str, algorithm: &str, more: &str) -> String {
    format!(
        "resource \"oss_bucket_encryption\" \"{name}\" {{\n  bucket = \"{bucket}\"\n  \
         sse_algorithm = \"{algorithm}\"\n{more}}}\n"
    )
}

/// The addresses in the state.
fn addresses(workspace: &Workspace) -> Vec<String> {
    let list = workspace.terraform(&["state", "list"]).succeeds().stdout;
    list.lines().map(str::to_owned).collect()
}

fn algorithm(workspace: &Workspace, bucket: &str) -> Option<String> {
    workspace.emulator.rule(bucket).map(|rule| rule.sse_algorithm)
}

#[test]
fn counted_modules_and_several_provider_blocks() {
    let add_far = |config: oss_emulator::Config| {
        config.with_bucket("one").with_bucket("two").with_bucket_in("far", "cn-beijing")
    };
    let Some(workspace) = Workspace::with(add_far) else { return };
    std::fs::create_dir(workspace.path("module")).unwrap();
    workspace.write(
        "module/main.tf",
        "terraform {\n  required_providers {\n    oss = { source = \"oss-tools/oss\" }\n  }\n}\n\
         variable \"bucket\" { type = string }\n\
         resource \"oss_bucket_encryption\" \"this\" {\n  bucket = var.bucket\n  \
         sse_algorithm = \"SM4\"\n}\n\
         output \"id\" { value = oss_bucket_encryption.this.id }\n",
    );
    workspace.configure(&format!(
        "provider \"oss\" {{\n  alias = \"north\"\n  region = \"cn-beijing\"\n  endpoint = {:?}\n}}\n\
         module \"near\" {{\n  source = \"./module\"\n  for_each = toset([\"one\", \"two\"])\n  \
         bucket = each.key\n}}\n\
         module \"far\" {{\n  source = \"./module\"\n  bucket = \"far\"\n  \
         providers = {{ oss = oss.north }}\n}}\n\
         output \"ids\" {{ value = [for near in module.near : near.id] }}\n",
        workspace.emulator.url(),
    ));
    workspace.terraform(&["get"]).succeeds();
    let apply = workspace.apply();
    assert!(apply.stdout.contains("3 added, 0 changed, 0 destroyed"), "{apply}");
    workspace.expect_no_changes();
    let is_rejected = |call: &String| call.ends_with(" 403");
    assert!(!workspace.calls().iter().any(is_rejected), "each is signed for its own region");
    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    assert_eq!(
        ["one", "two", "far"].map(|bucket| algorithm(&workspace, bucket)),
        [None, None, None]
    );
}

#[test]
fn counted_resources_are_moved_removed_and_imported() {
    let Some(workspace) = Workspace::new(&["one", "two"]) else { return };
    workspace.configure(&format!(
        "{}{}",
        resource("one", "one", "SM4", ""),
        resource("two", "two", "SM4", ""),
    ));
    workspace.apply();
    // One is moved to an instance of another block, the other is removed from the state.
    let all = "resource \"oss_bucket_encryption\" \"all\" {\n  for_each = local.buckets\n  \
               bucket = each.key\n  sse_algorithm = \"SM4\"\n}\n";
    workspace.configure(&format!(
        "locals {{ buckets = toset([\"one\"]) }}\n{all}\
         moved {{\n  from = oss_bucket_encryption.one\n  \
         to = oss_bucket_encryption.all[\"one\"]\n}}\n\
         removed {{\n  from = oss_bucket_encryption.two\n  lifecycle {{ destroy = false }}\n}}\n",
    ));
    workspace.calls();
    workspace.apply();
    assert!(workspace.calls().iter().all(|call| call.starts_with("GET")), "nothing is changed");
    assert_eq!(addresses(&workspace), ["oss_bucket_encryption.all[\"one\"]"]);
    // And imported again.
    workspace.configure(&format!(
        "locals {{ buckets = toset([\"one\", \"two\"]) }}\n{all}\
         import {{\n  for_each = toset([\"two\"])\n  \
         to = oss_bucket_encryption.all[each.key]\n  id = each.key\n}}\n",
    ));
    let apply = workspace.apply();
    assert!(apply.stdout.contains("1 imported, 0 added, 0 changed, 0 destroyed"), "{apply}");
    workspace.expect_no_changes();
    workspace.terraform(&["state", "rm", "oss_bucket_encryption.all[\"two\"]"]).succeeds();
    assert_eq!(addresses(&workspace), ["oss_bucket_encryption.all[\"one\"]"]);
    assert_eq!(algorithm(&workspace, "two").as_deref(), Some("SM4"));
}

#[test]
fn ignore_changes_prevent_destroy_and_conditions() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let with = |algorithm: &str, lifecycle: &str| {
        resource("this", "demo", algorithm, &format!("  lifecycle {{\n{lifecycle}\n  }}\n"))
    };
    workspace.configure(&with("KMS", "ignore_changes = [sse_algorithm, kms_master_key_id]"));
    workspace.apply();
    let mut theirs = EncryptionRule::new("KMS");
    theirs.kms_master_key_id = Some("9468da86".to_owned());
    workspace.emulator.set_rule("demo", theirs);
    workspace.expect_no_changes();
    workspace.configure(&with("AES256", "ignore_changes = all"));
    workspace.expect_no_changes();

    workspace.configure(&with("KMS", "prevent_destroy = true"));
    workspace.apply();
    let run = workspace.terraform(&["destroy", "-auto-approve", "-no-color"]).fails();
    // As Terraform, and as OpenTofu puts it.
    let messages = ["lifecycle.prevent_destroy set", "has prevent_destroy set"];
    assert!(messages.iter().any(|text| run.stderr.contains(text)), "{run}");

    let condition = |expression: &str, when: &str| {
        format!("{when} {{\n  condition = {expression}\n  error_message = \"not as agreed\"\n}}\n")
    };
    for failing in [
        condition("self.sse_algorithm == \"SM4\"", "postcondition"),
        condition("local.algorithm == \"SM4\"", "precondition"),
    ] {
        let agreed = "locals { algorithm = \"KMS\" }\n";
        workspace.configure(&(with("KMS", &failing) + agreed));
        let run = workspace.terraform(&["plan", "-no-color"]).fails();
        assert!(run.stderr.contains("not as agreed"), "{run}");
    }
    workspace.configure(&with("KMS", &condition("self.id == \"demo\"", "postcondition")));
    workspace.expect_no_changes();
}

#[test]
fn create_before_destroy_with_another_bucket() {
    let Some(workspace) = Workspace::new(&["before", "after"]) else { return };
    let lifecycle = "  lifecycle { create_before_destroy = true }\n";
    workspace.configure(&resource("this", "before", "AES256", lifecycle));
    workspace.apply();
    workspace.calls();
    workspace.configure(&resource("this", "after", "AES256", lifecycle));
    workspace.apply();
    assert_eq!(
        workspace.calls(),
        ["GET before 200", "GET after 404", "PUT after 200", "GET after 200", "DELETE before 204"]
    );
    workspace.expect_no_changes();
}

#[test]
fn replace_target_and_refresh_only() {
    let Some(workspace) = Workspace::new(&["one", "two"]) else { return };
    let both = |algorithm: &str| {
        resource("one", "one", algorithm, "") + &resource("two", "two", algorithm, "")
    };
    workspace.configure(&both("SM4"));
    workspace.apply();
    workspace.calls();
    let replace = "-replace=oss_bucket_encryption.one";
    let run =
        workspace.terraform(&["apply", "-auto-approve", replace, "-refresh=false"]).succeeds();
    assert!(run.stdout.contains("1 added, 0 changed, 1 destroyed"), "{run}");
    assert_eq!(workspace.calls(), ["DELETE one 204", "PUT one 200", "GET one 200"]);

    workspace.terraform(&["taint", "oss_bucket_encryption.one"]).succeeds();
    let plan = workspace.expect_changes();
    // As Terraform, and as OpenTofu puts it.
    let replaced = ["so must be replaced", "so it must be replaced"]
        .map(|end| format!("oss_bucket_encryption.one is tainted, {end}"));
    assert!(replaced.iter().any(|text| plan.contains(text)), "{plan}");
    workspace.terraform(&["untaint", "oss_bucket_encryption.one"]).succeeds();
    workspace.expect_no_changes();

    workspace.configure(&both("AES256"));
    let target = "-target=oss_bucket_encryption.two";
    let run = workspace.terraform(&["apply", "-auto-approve", target]).succeeds();
    assert!(run.stdout.contains("0 added, 1 changed, 0 destroyed"), "{run}");
    assert_eq!(algorithm(&workspace, "one").as_deref(), Some("SM4"));
    assert_eq!(algorithm(&workspace, "two").as_deref(), Some("AES256"));

    // A change made outside Terraform is accepted into the state.
    workspace.configure(&both("KMS"));
    workspace.apply();
    workspace.emulator.set_rule("one", EncryptionRule::new("AES256"));
    workspace.calls();
    let run = workspace.terraform(&["apply", "-refresh-only", "-auto-approve", "-no-color"]);
    let run = run.succeeds();
    assert!(run.stdout.contains("\"KMS\" -> \"AES256\""), "{run}");
    assert!(workspace.calls().iter().all(|call| call.starts_with("GET")));
    let plan = workspace.expect_changes();
    assert!(plan.contains("\"AES256\" -> \"KMS\""), "{plan}");
}

#[test]
fn a_partially_failed_replacement_is_completed_by_the_next_apply() {
    let Some(workspace) = Workspace::new(&["before", "after"]) else { return };
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n  max_retries = 0\n}}\n",
        workspace.emulator.url(),
    );
    let apply = || workspace.terraform(&["apply", "-auto-approve", "-no-color"]);
    workspace.configure_with(&provider, &resource("this", "before", "AES256", ""));
    apply().succeeds();
    workspace.configure_with(&provider, &resource("this", "after", "AES256", ""));

    // The rule is deleted, but the response is lost: the state is unchanged.
    workspace.emulator.inject(Fault::reset_after().method("DELETE"));
    let run = apply().fails();
    assert!(run.stderr.contains("OSS may have applied the change anyway"), "{run}");
    assert_eq!(workspace.state()[0].1["bucket"], "before");
    assert_eq!(algorithm(&workspace, "before"), None);

    // The new rule is rejected: it was not created, and the old one is deleted.
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied").method("PUT"));
    let run = apply().fails();
    assert!(run.stderr.contains("oss:PutBucketEncryption"), "{run}");
    assert_eq!(addresses(&workspace), Vec::<String>::new());

    // The new rule is set, but the response is lost: the rule is read, and the resource is kept.
    workspace.emulator.inject(Fault::reset_after().method("PUT"));
    let run = apply().succeeds();
    assert!(run.stdout.contains("was set, but not confirmed"), "{run}");
    assert_eq!(workspace.state()[0].1["bucket"], "after");
    workspace.terraform(&["plan", "-detailed-exitcode"]).succeeds();
    assert_eq!(algorithm(&workspace, "after").as_deref(), Some("AES256"));

    // A change was applied, but the response is lost: the next plan shows no changes.
    workspace.configure_with(&provider, &resource("this", "after", "KMS", ""));
    workspace.emulator.inject(Fault::reset_after().method("PUT"));
    let run = apply().fails();
    assert!(run.stderr.contains("OSS may have applied the change anyway"), "{run}");
    assert_eq!(workspace.state()[0].1["sse_algorithm"], "AES256");
    workspace.expect_no_changes();
}

#[test]
fn a_key_id_from_a_sensitive_variable_is_not_shown() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let key = "9468da86-3509-4f8d-a61e-6eab1eac0001";
    workspace.configure(&format!(
        "variable \"key\" {{\n  type = string\n  sensitive = true\n}}\n{}",
        resource("this", "demo", "KMS", "  kms_master_key_id = var.key\n"),
    ));
    let [id, secret] = KEYS;
    let environment = [id, secret, ("TF_VAR_key", key)];
    let terraform = |arguments: &[&str]| workspace.terraform_in(&environment, arguments);
    // Reading back fails, and the warning contains the rule.
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied").method("GET").times(2));
    let run = terraform(&["apply", "-auto-approve", "-no-color"]).succeeds();
    assert!(run.stdout.contains("OSS accepted KMS with key 9468da86…"), "{run}");
    assert!(!run.stdout.contains(key) && !run.stderr.contains(key), "{run}");
    let plan = terraform(&["plan", "-no-color"]).succeeds();
    let shown = terraform(&["show", "-no-color"]).succeeds();
    for text in [&plan.stdout, &plan.stderr, &shown.stdout] {
        assert!(!text.contains(key), "{text}");
    }
    assert!(shown.stdout.contains("(sensitive value)"), "{shown}");
    assert_eq!(workspace.state()[0].1["kms_master_key_id"], key);
}

#[test]
fn a_provider_block_that_depends_on_a_resource() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let provider = "provider \"oss\" {\n  region = terraform_data.place.output.region\n  \
                    endpoint = terraform_data.place.output.endpoint\n}\n";
    let configure = |version: u8| {
        let place = format!(
            "resource \"terraform_data\" \"place\" {{\n  triggers_replace = {version}\n  \
             input = {{ region = \"cn-hangzhou\", endpoint = {:?} }}\n}}\n",
            workspace.emulator.url(),
        );
        workspace.configure_with(provider, &(place + &resource("this", "demo", "AES256", "")));
    };
    // New resources need no requests until then.
    configure(1);
    workspace.apply();
    workspace.expect_no_changes();
    // Existing ones must be read.
    configure(2);
    let run = workspace.terraform(&["plan", "-no-color"]).fails();
    let expected = "The provider's `region` and `endpoint` depend on values that are known only";
    assert!(run.stderr.contains(expected), "{run}");
    let first = ["apply", "-auto-approve", "-target=terraform_data.place"];
    workspace.terraform(&first).succeeds();
    workspace.expect_no_changes();
}

/// hashicorp/terraform#28340. ARCHITECTURE.md says why `timeouts` is a block all the same.
#[test]
fn a_timeout_that_is_known_after_apply() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    let configure = |limit: &str, timeouts: &str| {
        let limit =
            format!("resource \"terraform_data\" \"limit\" {{\n  input = \"{limit}\"\n}}\n");
        workspace.configure(&(limit + &resource("this", "demo", "SM4", timeouts)));
    };
    let value = "terraform_data.limit.output";
    // A static block holds in every case: null is the default of each timeout.
    let block = format!("  timeouts {{\n    create = {value} == \"\" ? null : {value}\n  }}\n");
    let dynamic = format!(
        "  dynamic \"timeouts\" {{\n    for_each = {value} == \"\" ? toset([]) : toset([{value}])\n    \
         content {{\n      create = timeouts.value\n    }}\n  }}\n"
    );
    for (limit, timeouts, is_consistent) in
        [("", &block, true), ("10m", &block, true), ("10m", &dynamic, true), ("", &dynamic, false)]
    {
        configure(limit, timeouts);
        let run = workspace.terraform(&["apply", "-auto-approve", "-no-color"]);
        if !is_consistent {
            let run = run.fails();
            assert!(run.stderr.contains("produced inconsistent final plan"), "{run}");
            assert!(run.stderr.contains(".timeouts: was present, but now absent"), "{run}");
            assert_eq!(workspace.emulator.rule("demo"), None, "nothing was written");
            // By now the value is known.
            workspace.apply();
        }
        workspace.expect_no_changes();
        let state = workspace.state();
        let (_, values) = state.iter().find(|(address, _)| address.contains("oss_")).unwrap();
        let expected = if limit.is_empty() { Json::Null } else { limit.into() };
        assert_eq!(values["timeouts"]["create"], expected, "{timeouts}");
        workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    }
}

/// The form that CDK for Terraform writes: metadata in `//` keys, a list of provider blocks, expressions in strings. The guide
/// "Pulumi and CDK for Terraform" says which versions wrote it.
#[test]
fn a_synthesized_configuration_in_json() {
    let Some(workspace) = Workspace::new(&["logs", "app-a", "app-b"]) else { return };
    let about = |name: &str| json!({ "metadata": { "path": name, "uniqueId": name } });
    let url = workspace.emulator.url();
    let configure = |algorithm: &str| {
        let stack = json!({
            "//": { "metadata": { "backend": "local", "stackName": "rules", "version": "0.21.0" },
                "outputs": { "rules": { "algorithm": "algorithm" } } },
            "data": { "oss_bucket_encryption": { "read": { "//": about("read"),
                "bucket": "${oss_bucket_encryption.logs.bucket}",
                "depends_on": ["oss_bucket_encryption.logs"] } } },
            "import": [{ "id": "app-a", "to": "oss_bucket_encryption.imported" }],
            "output": { "algorithm": { "value": "${data.oss_bucket_encryption.read.sse_algorithm}" } },
            "provider": { "oss": [{ "endpoint": url, "max_retries": 5, "region": "cn-hangzhou" }] },
            "resource": { "oss_bucket_encryption": {
                "logs": { "//": about("logs"), "bucket": "logs", "sse_algorithm": algorithm,
                    "lifecycle": { "prevent_destroy": false }, "timeouts": { "create": "2m" } },
                "imported": { "//": about("imported"), "bucket": "app-a", "sse_algorithm": "AES256" },
                "more": { "//": about("more"), "bucket": "${each.key}",
                    "for_each": "${toset([\"app-b\"])}", "sse_algorithm": "AES256" } } },
            "terraform": { "required_providers": { "oss": { "source": "oss-tools/oss", "version": "0.1.0" } } },
        });
        let text = serde_json::to_string_pretty(&stack).unwrap();
        workspace.write("cdk.tf.json", &text);
        text
    };
    workspace.emulator.set_rule("app-a", EncryptionRule::new("AES256"));
    configure("KMS");
    let apply = workspace.apply().stdout;
    assert!(apply.contains("1 imported, 2 added, 0 changed, 0 destroyed"), "{apply}");
    assert!(apply.contains("algorithm = \"KMS\""), "{apply}");
    workspace.expect_no_changes();
    let text = configure("aes256");
    let line = text.lines().position(|line| line.contains("aes256")).unwrap() + 1;
    let plan = workspace.terraform(&["plan", "-no-color"]).fails();
    assert!(plan.stderr.contains(&format!("on cdk.tf.json line {line}, in")), "{plan}");
    configure("SM4");
    let apply = workspace.apply().stdout;
    assert!(apply.contains("0 added, 1 changed, 0 destroyed"), "{apply}");
    assert!(apply.contains("algorithm = \"SM4\""), "{apply}");
    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    assert_eq!(
        ["logs", "app-a", "app-b"].map(|bucket| algorithm(&workspace, bucket)),
        [None, None, None]
    );
}
