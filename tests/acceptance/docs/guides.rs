//! The guides, run block by block.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use oss_emulator::{EncryptionRule, Fault, Role};

use super::configurations::required_providers;
use super::player::{Guide, aes256, all, blocks, endpoint, link};
use super::{
    ACCOUNT, AUTHENTICATION, CHOOSING, DISCOVERING, GETTING_STARTED, KEY_ID, KEY_SECRET, MOVING,
    OPENTOFU_REGISTRY, POLICIES, RESOURCE, TERRAFORM_REGISTRY, TROUBLESHOOTING, UPGRADING,
};
use crate::host::{Feature, has};
use crate::markdown::Block;

#[test]
fn getting_started() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let mut guide = Guide::new(&workspace);
    let version = workspace.terraform_in(&[], &["version"]).succeeds().stdout;
    if version.starts_with("OpenTofu") {
        guide.replacements.push((TERRAFORM_REGISTRY, OPENTOFU_REGISTRY.to_owned()));
    }
    // In place of the build in the guide.
    let built = workspace.path("work/target/release");
    fs::create_dir_all(&built).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
    link(program, &built.join("terraform-provider-oss"));
    guide.play(&all(&blocks(GETTING_STARTED, None)));
    assert_eq!(workspace.emulator.rule("my-company-logs"), None, "it ends with a destroy");
    let puts = workspace.calls().into_iter().filter(|call| call.starts_with("PUT"));
    assert_eq!(puts.count(), 2, "a create and an update");
}

/// Runs the section of one credential source, which must set the rule.
fn authentication(section: &str, change: impl FnOnce(&mut Guide<'_>)) {
    let Some(workspace) = endpoint(|config| {
        config
            .with_bucket("my-company-logs")
            .with_role(Role::new(&format!("{ACCOUNT}:role/deploy")))
            .with_role(Role::new(&format!("{ACCOUNT}:role/audit")).with_external_id("ticket-7"))
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/github"), "token-of-github")
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/gitlab"), "token-of-gitlab")
            .with_oidc_provider(&format!("{ACCOUNT}:oidc-provider/cluster"), "token-of-the-pod")
            .with_ecs_role("terraform")
            .with_cloud_sso("token-of-the-login", "1234567890123456", "ac-1")
            .with_credentials_uri()
    }) else {
        return;
    };
    let mut guide = Guide::new(&workspace).with_providers();
    let metadata = workspace.emulator.metadata_url();
    guide.set("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", &metadata);
    change(&mut guide);
    workspace.write(
        "work/main.tf",
        "resource \"oss_bucket_encryption\" \"logs\" {\n  bucket        = \"my-company-logs\"\n  \
         sse_algorithm = \"AES256\"\n}\n",
    );
    workspace.write("work/terraform.tf", &required_providers(""));
    let mut blocks = blocks(AUTHENTICATION, Some(section));
    // The commands that all sections share.
    blocks.extend(self::blocks(AUTHENTICATION, Some("The commands")));
    guide.play(&all(&blocks));
    assert_eq!(workspace.emulator.rule("my-company-logs"), Some(aes256()), "{section}");
}

/// Every section that has a test, and the two that all sections share.
pub(super) const SOURCES: [&str; 14] = [
    "GitHub Actions",
    "GitLab CI",
    "Pods with RRSA",
    "Environment variables",
    "A profile",
    "The role of an ECS instance",
    "A credentials URI",
    "Assumed roles",
    "The provider block",
    "A login with the CLI",
    "An external program",
    "The current profile",
    "The commands",
    "Permissions",
];

#[test]
fn every_authentication_section_has_a_test() {
    for block in blocks(AUTHENTICATION, None) {
        let is_known = SOURCES.iter().any(|section| block.section.starts_with(section));
        assert!(is_known, "{}: no test runs the section {:?}", block.place, block.section);
    }
}

#[test]
fn authentication_in_github_actions() {
    authentication(SOURCES[0], |guide| {
        // In place of the runner's token service.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let is_right = request
                .starts_with("GET /token?api-version=2.0&audience=sts.aliyuncs.com ")
                && request.to_lowercase().contains("authorization: bearer token-of-the-job");
            let body = if is_right { "{\"value\":\"token-of-github\"}" } else { "{}" };
            let length = body.len();
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(response.as_bytes()).unwrap();
        });
        let directory = guide.workspace.path("runner");
        fs::create_dir(&directory).unwrap();
        guide.set("ACTIONS_ID_TOKEN_REQUEST_URL", &url);
        guide.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "token-of-the-job");
        guide.set("RUNNER_TEMP", directory.to_str().unwrap());
    });
}

#[test]
fn authentication_in_gitlab() {
    authentication(SOURCES[1], |guide| guide.set("ALIBABA_CLOUD_OIDC_TOKEN", "token-of-gitlab"));
}

#[test]
fn authentication_in_pods() {
    authentication(SOURCES[2], |guide| {
        let token = guide.workspace.write("token", "token-of-the-pod");
        let path = "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token";
        guide.replacements.push((path, token));
    });
}

#[test]
fn authentication_with_variables() {
    authentication(SOURCES[3], |_| {});
}

#[test]
fn authentication_with_a_profile() {
    authentication(SOURCES[4], |guide| configure_cli(guide, "default"));
}

/// Writes what `aliyun configure` writes.
fn configure_cli(guide: &Guide<'_>, current: &str) {
    let file = format!(
        r#"{{ "current": "{current}", "profiles": [ {{ "name": "production", "mode": "AK",
           "access_key_id": "{KEY_ID}", "access_key_secret": "{KEY_SECRET}",
           "region_id": "cn-hangzhou" }} ] }}"#
    );
    write_cli_file(guide, &file);
}

fn write_cli_file(guide: &Guide<'_>, text: &str) {
    fs::create_dir(guide.workspace.path(".aliyun")).unwrap();
    guide.workspace.write(".aliyun/config.json", text);
}

#[test]
fn authentication_with_the_provider_block() {
    authentication(SOURCES[8], |_| {});
}

#[test]
fn authentication_with_a_login() {
    authentication(SOURCES[9], |guide| {
        let url = guide.workspace.emulator.url();
        let file = format!(
            r#"{{ "current": "sso", "profiles": [ {{ "name": "sso", "mode": "CloudSSO",
               "cloud_sso_sign_in_url": "{url}/start", "cloud_sso_account_id": "1234567890123456",
               "cloud_sso_access_config": "ac-1", "access_token": "token-of-the-login",
               "cloud_sso_access_token_expire": 4102444800 }} ] }}"#
        );
        write_cli_file(guide, &file);
    });
}

#[cfg(unix)]
#[test]
fn authentication_with_an_external_program() {
    authentication(SOURCES[10], |guide| {
        let printed =
            format!(r#"{{"access_key_id":"{KEY_ID}","access_key_secret":"{KEY_SECRET}"}}"#);
        let printed = guide.workspace.write("printed.json", &printed);
        let blocks = blocks(AUTHENTICATION, Some(SOURCES[10]));
        let file = blocks.iter().find(|block| block.language == "json").unwrap();
        let command = "oss-credentials --role deploy";
        assert!(file.text.contains(command));
        write_cli_file(guide, &file.text.replace(command, &format!("cat {printed}")));
    });
}

#[test]
fn authentication_with_the_current_profile() {
    authentication(SOURCES[11], |guide| configure_cli(guide, "production"));
}

#[test]
fn authentication_with_an_ecs_ram_role() {
    authentication(SOURCES[5], |_| {});
}

#[test]
fn authentication_with_a_credentials_uri() {
    authentication(SOURCES[6], |guide| {
        let uri = guide.workspace.emulator.credentials_uri();
        guide.replacements.push(("http://localhost:7002/credentials", uri));
    });
}

#[test]
fn authentication_with_an_assumed_role() {
    authentication(SOURCES[7], |_| {});
}

/// Runs a section on moving from the provider `alicloud`, whose first configuration that provider has
/// applied.
fn moving(section: &str) {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    workspace.emulator.set_rule("my-company-logs", aes256());
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    let blocks = blocks(MOVING, Some(section));
    let (before, steps) = blocks.split_first().unwrap();
    workspace.write("work/main.tf", &before.text);
    guide.run(&before.place, "terraform init\nterraform apply -auto-approve");
    guide.play(&all(steps));
    let writes = workspace.calls().into_iter().filter(|call| !call.starts_with("GET"));
    assert_eq!(writes.count(), 0, "nothing is changed");
}

#[test]
fn moving_the_resource() {
    moving("The resource");
}

#[test]
fn moving_the_inline_rule() {
    moving("The inline rule");
}

#[test]
fn discovering() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-drafts", "my-company-media"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    guide.play(&all(&blocks(DISCOVERING, Some("Before Terraform 1.14"))));
    for name in names {
        assert!(workspace.emulator.rule(name).is_some(), "{name}");
    }
}

#[test]
fn discovering_shows_every_bucket_that_was_not_imported() {
    let Some(workspace) = endpoint(|config| {
        let config = config.with_bucket("my-company-logs").with_bucket("my-company-drafts");
        config.with_bucket_in("my-company-invoices", "cn-shanghai")
    }) else {
        return;
    };
    workspace.emulator.set_rule("my-company-logs", aes256());
    let denied = Fault::error_response(403, "AccessDenied").bucket("my-company-logs");
    workspace.emulator.inject(denied.forever());
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    let blocks = blocks(DISCOVERING, Some("Before Terraform 1.14"));
    guide.play(&all(&blocks[..2]));
    // Again, for its output.
    let shown = guide.run(&blocks[1].place, &blocks[1].text);
    let shown: Vec<&str> = shown.lines().filter(|line| line.starts_with("Error: ")).collect();
    assert_eq!(
        shown,
        [
            "Error: Bucket my-company-drafts has no encryption to import",
            "Error: Bucket my-company-media does not exist",
            "Error: Cannot read the encryption of bucket my-company-invoices",
            "Error: Cannot read the encryption of bucket my-company-logs",
        ]
    );
}

#[test]
fn discovering_with_a_query() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-drafts"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    if !has(Feature::Queries, "the guide to queries") {
        return;
    }
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    let provider = "provider \"oss\" {\n  region = \"cn-hangzhou\"\n}\n";
    workspace.write("work/main.tf", &(required_providers("") + provider));
    guide.run(DISCOVERING, "terraform init");
    guide.play(&all(&blocks(DISCOVERING, Some("Terraform 1.14 and later"))));
    assert!(workspace.calls().iter().all(|call| !call.starts_with("PUT")), "nothing is changed");
}

#[test]
fn discovering_with_data_sources() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-drafts", "my-company-media"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    let kms = EncryptionRule::new("KMS");
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", kms.clone());
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    for section in ["List them", "Warn about them", "Encrypt them all"] {
        guide.play(&all(&blocks(DISCOVERING, Some(section))));
    }
    let puts = workspace.calls().into_iter().filter(|call| call.starts_with("PUT"));
    assert_eq!(puts.count(), 2, "existing rules are not written");
    assert_eq!(workspace.emulator.rule("my-company-media"), Some(aes256()));
    assert_eq!(workspace.emulator.rule("my-company-invoices"), Some(kms));

    // As in the warning.
    workspace.emulator.remove_rule("my-company-invoices");
    workspace.emulator.set_rule("my-company-media", EncryptionRule::new("SM4"));
    guide.run(DISCOVERING, "terraform apply -auto-approve");
    assert_eq!(workspace.emulator.rule("my-company-invoices"), Some(aes256()), "not KMS");
    assert_eq!(workspace.emulator.rule("my-company-media"), Some(EncryptionRule::new("SM4")));
    let fault = Fault::error_response(404, "NoSuchBucket").operation("GetBucketEncryption");
    workspace.emulator.inject(fault.bucket("my-company-logs"));
    let plan = guide.run(DISCOVERING, "terraform plan || true");
    assert!(plan.contains("A bucket could not be read."), "{plan}");
    let main = fs::read_to_string(workspace.path("work/main.tf")).unwrap();
    workspace.write("work/main.tf", &main.replace("my-company-", "my-compnay-"));
    let plan = guide.run(DISCOVERING, "terraform plan || true");
    assert!(plan.contains("All rules would be deleted."), "{plan}");
    let page = fs::read_to_string(DISCOVERING).unwrap();
    let warnings = page.split("\n\n").filter(|paragraph| paragraph.starts_with("!> **Warning:**"));
    let has_sentence = |text: &&str| {
        let text = text.replace('\n', " ");
        text.contains("If a rule is deleted outside Terraform, the next apply sets `AES256`, even if it was `KMS`")
    };
    assert_eq!(warnings.filter(has_sentence).count(), 1);
    assert!(!page.contains("is set again"));
}

#[test]
fn preventing_a_weaker_rule() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-invoices")) else {
        return;
    };
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    guide.play(&all(&blocks(POLICIES, Some("Reject a weaker rule"))));

    // What the text before the configuration says. `""` is no argument to the provider.
    let main = fs::read_to_string(workspace.path("work/main.tf")).unwrap();
    let (kms, key, sm4) = ("KMS", "your own", "SM4.");
    for (now, planned, rejected) in [
        (["KMS", "", ""], ["KMS", "", ""], ""),
        (["KMS", "", ""], ["SM4", "", ""], kms),
        (["KMS", "key-1", ""], ["KMS", "", ""], key),
        (["KMS", "key-1", ""], ["KMS", "key-2", ""], ""),
        (["KMS", "key-1", "SM4"], ["KMS", "key-1", "SM4"], ""),
        (["KMS", "key-1", "SM4"], ["KMS", "key-1", ""], sm4),
        (["KMS", "", "SM4"], ["KMS", "", ""], sm4),
        (["SM4", "", ""], ["AES256", "", ""], sm4),
        (["SM4", "", ""], ["KMS", "", ""], sm4),
        (["SM4", "", ""], ["KMS", "", "SM4"], ""),
        (["AES256", "", ""], ["KMS", "key-1", "SM4"], ""),
        (["", "", ""], ["AES256", "", ""], ""),
    ] {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let mut rule = EncryptionRule::new(now[0]);
        (rule.kms_master_key_id, rule.kms_data_encryption) = (some(now[1]), some(now[2]));
        match now[0] {
            "" => workspace.emulator.remove_rule("my-company-invoices"),
            _ => workspace.emulator.set_rule("my-company-invoices", rule),
        }
        let argument = |line: &str| match line.trim_start().split_once(" = ") {
            Some(("sse_algorithm      ", "\"AES256\"")) => Some(planned[0]),
            Some(("kms_master_key_id  ", "null")) => Some(planned[1]),
            Some(("kms_data_encryption", "null")) => Some(planned[2]),
            _ => None,
        };
        let lines = main.lines().map(|line| match (argument(line), line.split_once(" = ")) {
            (Some(value), Some((name, _))) => format!("{name} = {value:?}\n"),
            _ => format!("{line}\n"),
        });
        workspace.write("work/main.tf", &lines.collect::<String>());
        let plan = guide.run(POLICIES, "terraform plan -no-color || true");
        let is_planned = plan.contains("Plan: ") || plan.contains("No changes.");
        assert_eq!(is_planned, rejected.is_empty(), "{now:?} -> {planned:?}\n{plan}");
        assert!(plan.contains(rejected), "{now:?} -> {planned:?}\n{plan}");
    }
}

#[test]
fn choosing() {
    let names = ["my-company-logs", "my-company-invoices", "my-company-records"];
    let Some(workspace) =
        endpoint(|config| names.iter().fold(config, |config, name| config.with_bucket(name)))
    else {
        return;
    };
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    workspace.write("work/terraform.tf", &required_providers(""));
    guide.set("ALIBABA_CLOUD_REGION", "cn-hangzhou");
    guide.play(&all(&blocks(CHOOSING, None)));
    assert!(workspace.emulator.rule("my-company-invoices").is_some());
}

#[test]
fn troubleshooting() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    workspace.write("work/main.tf", &format!("{}provider \"oss\" {{\n  region = \"cn-hangzhou\"\n}}\nresource \"oss_bucket_encryption\" \"logs\" {{\n  bucket        = \"my-company-logs\"\n  sse_algorithm = \"AES256\"\n}}\n", required_providers("")));
    guide.run(TROUBLESHOOTING, "terraform init");
    // Its messages are checked by tests/it/docs.rs.
    guide.play(&all(&blocks(TROUBLESHOOTING, Some("Logs and support"))));
}

#[test]
fn upgrading() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    guide.play(&all(&blocks(UPGRADING, None)));
}

#[test]
fn the_first_example_of_the_resource() {
    let Some(workspace) = endpoint(|config| config.with_bucket("my-company-logs")) else { return };
    let guide = Guide::new(&workspace).with_credentials().with_providers();
    let first = blocks(RESOURCE, Some("Example Usage")).remove(0);
    workspace.write("work/main.tf", &first.text);
    guide.run(RESOURCE, "terraform init");
    guide.run(RESOURCE, "terraform apply -auto-approve");
    let rule = workspace.emulator.rule("my-company-logs").unwrap();
    assert_eq!(rule.sse_algorithm, "KMS");
    assert!(rule.kms_master_key_id.is_some(), "the ID of the key that was created");
    let plan = guide.run(RESOURCE, "terraform plan");
    assert!(plan.contains("No changes."), "{plan}");
}

#[test]
fn the_import_commands_of_the_resource() {
    let Some(workspace) = endpoint(|config| {
        config.with_bucket("my-company-logs").with_bucket_in("my-company-invoices", "cn-shanghai")
    }) else {
        return;
    };
    workspace.emulator.set_rule("my-company-logs", aes256());
    workspace.emulator.set_rule("my-company-invoices", EncryptionRule::new("KMS"));
    let mut guide = Guide::new(&workspace).with_credentials().with_providers();
    guide.set("ALIBABA_CLOUD_REGION", "cn-hangzhou");
    workspace.write("work/terraform.tf", &required_providers(""));
    let blocks = blocks(RESOURCE, None);
    let example = blocks.iter().find(|block| block.heading == "Existing buckets").unwrap();
    workspace.write("work/main.tf", &example.text);
    guide.run(RESOURCE, "terraform init");
    let is_command = |block: &&Block| block.is_shell() && block.section == "Import";
    guide.play(&blocks.iter().filter(is_command).collect::<Vec<_>>());
    let imported = guide.run(RESOURCE, "terraform state list");
    for name in ["oss_bucket_encryption.logs", "oss_bucket_encryption.invoices"] {
        assert!(imported.contains(name), "{imported}");
    }
}
