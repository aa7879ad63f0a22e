//! What Atlantis and Terragrunt run, taken from their files. Neither of them is run.

use std::collections::BTreeMap;
use std::fs;

use super::super::files::{read, yaml};
use super::super::packages;
use super::super::pages::Pages;
use super::super::workspace::Workspace;
use super::{
    APPLY_ROLE, Json, KEY_ID, KEY_SECRET, MIRROR, OIDC_TOKEN, PLAN_ROLE, PROVIDER, Pipeline,
    checkout, has_tools, mirror,
};
use oss_emulator::EncryptionRule;

/// A step of an Atlantis workflow as a line of a shell script.
fn atlantis_step(step: &Json) -> String {
    // Atlantis runs its built-in steps with these arguments. Source: its documentation, "Custom Workflows".
    if let Some(name) = step.as_str() {
        return match name {
            "plan" => "terraform plan -input=false -out=default.tfplan".to_owned(),
            "apply" => "terraform apply -input=false default.tfplan".to_owned(),
            _ => panic!("{name} is not known"),
        };
    }
    let (name, value) = step.as_object().unwrap().iter().next().unwrap();
    let text = |key: &str| value[key].as_str().unwrap();
    match name.as_str() {
        "env" => format!("export {}=\"$({})\"", text("name"), text("command")),
        "run" => value.as_str().unwrap().to_owned(),
        "init" => {
            let arguments = value["extra_args"].as_array().unwrap().iter();
            let arguments: Vec<&str> = arguments.map(|text| text.as_str().unwrap()).collect();
            format!("terraform init -input=false {}", arguments.join(" "))
        }
        _ => panic!("{name} is not known"),
    }
}

#[test]
fn atlantis() {
    if !has_tools() {
        return;
    }
    let Some(workspace) = checkout() else { return };
    let pages = BTreeMap::from([(MIRROR.to_owned(), mirror(&workspace))]);
    let server = Pages::start(|_| pages);
    let file = yaml("examples/pipelines/atlantis.yaml");
    let workflow = file["projects"][0]["workflow"].as_str().unwrap();
    let workflow = &file["workflows"][workflow];
    let token = workspace.write("token", OIDC_TOKEN);
    let (url, archive) = (workspace.emulator.url(), format!("{}{MIRROR}", server.url()));
    let environment = [
        ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", url.as_str()),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token.as_str()),
        ("PLAN_ROLE_ARN", PLAN_ROLE),
        ("APPLY_ROLE_ARN", APPLY_ROLE),
        ("PROVIDER_MIRROR_URL", archive.as_str()),
    ];
    let run = |job: &str| {
        let steps = workflow[job]["steps"].as_array().unwrap().iter();
        let script = steps.map(atlantis_step).collect::<Vec<_>>().join("\n");
        workspace.script(".", &["sh", "-e"], &script, &environment)
    };
    Pipeline { workspace: &workspace, run: &run, has_roles: true }.plan_and_apply();

    // Another archive than the one in the lock file is rejected.
    let lock = fs::read_to_string(workspace.path(".terraform.lock.hcl")).unwrap();
    let (before, rest) = lock.split_once("\"h1:").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let other = format!("{before}\"h1:{}=\"{after}", "A".repeat(43));
    workspace.write(".terraform.lock.hcl", &other);
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    let rejected = run("plan").fails();
    assert!(rejected.stderr.contains("checksums"), "{rejected}");
}

#[test]
fn terragrunt() {
    let Some(workspace) = Workspace::new(&["my-logs", "my-invoices"]) else { return };
    workspace.write("cli.tfrc", "");
    let file = hcl::parse(&read("examples/pipelines/terragrunt.hcl")).unwrap();
    let block = |name: &str| {
        let mut blocks = file.blocks();
        blocks.find(|block| block.identifier() == name).unwrap().body()
    };
    let attribute = |body: &hcl::Body, name: &str| {
        let mut attributes = body.attributes();
        attributes.find(|attribute| attribute.key() == name).unwrap().expr().clone()
    };
    // `get_repo_root()` is a function of Terragrunt.
    let root = workspace.path("repository");
    let text = |expression: &hcl::Expression| match expression {
        hcl::Expression::String(text) => text.clone(),
        hcl::Expression::TemplateExpr(template) => match template.as_ref() {
            hcl::TemplateExpr::QuotedString(text) => {
                text.replace("${get_repo_root()}", root.to_str().unwrap())
            }
            hcl::TemplateExpr::Heredoc(heredoc) => heredoc.template.clone(),
        },
        other => panic!("{other:?}"),
    };
    // The working directory: a copy of the module with the generated file, and the inputs as variables.
    let module = root.join("modules/encrypted-buckets");
    fs::create_dir_all(&module).unwrap();
    let source = crate::markdown::root().join("examples/modules/encrypted-buckets");
    for name in ["main.tf", "outputs.tf", "variables.tf", "versions.tf"] {
        fs::copy(source.join(name), module.join(name)).unwrap();
    }
    let source = text(&attribute(block("terraform"), "source")).replace("//", "/");
    assert_eq!(std::path::Path::new(&source), module);
    let [provider, generated] =
        ["path", "contents"].map(|name| text(&attribute(block("generate"), name)));
    fs::write(module.join(provider), generated).unwrap();
    let inputs = file.attributes().find(|attribute| attribute.key() == "inputs").unwrap();
    let inputs = serde_json::to_string(&hcl::Value::from(inputs.expr().clone())).unwrap();
    fs::write(module.join("inputs.auto.tfvars.json"), inputs).unwrap();

    // The arguments of `init`.
    let extra = block("terraform").blocks().next().unwrap().body();
    let hcl::Expression::Array(arguments) = attribute(extra, "arguments") else { panic!() };
    let arguments: Vec<String> = arguments.iter().map(text).collect();
    std::os::unix::fs::symlink(packages::dist().join("mirror"), root.join("mirror")).unwrap();
    let url = workspace.emulator.url();
    let environment = [
        ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
    ];
    let script = format!("terraform init {}\nterraform apply -auto-approve", arguments.join(" "));
    workspace.script(&module, &["sh", "-e"], &script, &environment).succeeds();
    assert_eq!(workspace.emulator.rule("my-logs"), Some(EncryptionRule::new("AES256")));
    assert_eq!(workspace.emulator.rule("my-invoices"), Some(EncryptionRule::new("KMS")));
}
