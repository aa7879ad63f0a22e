//! The scripts of the pipelines in `examples/pipelines/`, run as GitHub, GitLab and Jenkins run them,
//! against the local OSS emulator and its STS.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use oss_emulator::{Config, EncryptionRule, Fault, Role};
use serde_json::Value as Json;

use super::files::{blocks, read, yaml};
use super::packages;
use super::pages::{Page, Pages, Post};
use super::workflow::{Workflow, pairs, texts};
use super::workspace::{KEY_ID, KEY_SECRET, Run, Workspace, runs};

mod tools;

const PLAN_ROLE: &str = "acs:ram::1234567890123456:role/plan";
const APPLY_ROLE: &str = "acs:ram::1234567890123456:role/apply";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/pipeline";
const OIDC_TOKEN: &str = "header.claims.signature-of-the-pipeline";

const NO_DRIFT: &str = "No drift.";
const DRIFT: &str = "Drift detected";
const CHECK_FAILED: &str = "Drift check failed.";

/// Where the pipelines download the mirror.
const MIRROR: &str = "/oss-mirror.tar.gz";

/// The archive of the mirror, made with the command in the guide.
fn mirror(workspace: &Workspace) -> Page {
    let commands = blocks("docs/guides/pipelines.md", "sh").concat();
    let command = commands.lines().find(|line| line.starts_with("tar ")).unwrap();
    let mirror = packages::dist().join("mirror");
    assert!(command.contains("target/dist/mirror"), "{command}");
    let command = command.replace("target/dist/mirror", mirror.to_str().unwrap());
    workspace.script(".", &["sh", "-e"], &command, &[]).succeeds();
    let archive = workspace.path(MIRROR.trim_start_matches('/'));
    let content = fs::read(&archive).unwrap();
    fs::remove_file(archive).unwrap();
    content.into()
}

/// Whether the tools that the pipelines use are on the `PATH`.
fn has_tools() -> bool {
    ["bash", "curl", "jq", "tar"].iter().all(runs)
}

/// The plan in the only comment that was posted.
fn comment(mut posts: Vec<Post>, path: &str, header: &str) -> String {
    assert_eq!(posts.len(), 1, "one comment");
    let post = posts.remove(0);
    assert_eq!(post.path, path);
    assert!(post.head.contains(header), "{}", post.head);
    let body: Json = serde_json::from_str(&post.body).unwrap();
    body["body"].as_str().unwrap().to_owned()
}

/// A workspace as a pipeline checks it out: a configuration with a lock file, and an emulator with roles
/// and an OIDC provider. Without a CLI configuration, terraform finds a mirror only in
/// `terraform.d/plugins`.
fn checkout() -> Option<Workspace> {
    let workspace = Workspace::with(|config: Config| {
        config
            .with_bucket("my-logs")
            .with_bucket("my-invoices")
            .with_role(Role::new(PLAN_ROLE))
            .with_role(Role::new(APPLY_ROLE))
            .with_oidc_provider(PROVIDER, OIDC_TOKEN)
    })?;
    workspace.install_from(&packages::dist().join("mirror"));
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules/encrypted-buckets");
    workspace.configure_with(
        "provider \"oss\" {\n  region = \"cn-hangzhou\"\n}\n",
        &format!(
            "module \"encrypted_buckets\" {{\n  source = {:?}\n  buckets = {{\n    \
             my-logs = {{ sse_algorithm = \"AES256\" }}\n    my-invoices = {{ sse_algorithm = \"KMS\" }}\n  }}\n}}\n",
            module.to_str().unwrap(),
        ),
    );
    workspace.terraform_in(&[], &["init", "-no-color"]).succeeds();
    fs::remove_dir_all(workspace.path(".terraform")).unwrap();
    workspace.write("cli.tfrc", "");
    Some(workspace)
}

/// A pipeline, ready to run one of its jobs.
struct Pipeline<'a> {
    workspace: &'a Workspace,
    run: &'a dyn Fn(&str) -> Run,
    /// Whether the jobs assume a role.
    has_roles: bool,
}

impl Pipeline<'_> {
    /// Runs a job. Returns its result and the operations that the emulator received.
    fn job(&self, name: &str) -> (Run, Vec<String>) {
        self.workspace.emulator.clear_requests();
        let run = (self.run)(name);
        let mut operations = Vec::new();
        for record in self.workspace.emulator.requests() {
            let operation = record.operation.clone().unwrap_or_default();
            if operation == "AssumeRoleWithOIDC" {
                let role = if name == "apply" { APPLY_ROLE } else { PLAN_ROLE };
                assert_eq!(record.parameters["RoleArn"], role, "{name}");
                assert_eq!(record.parameters["OIDCProviderArn"], PROVIDER, "{name}");
            }
            operations.push(operation);
        }
        operations.sort();
        operations.dedup();
        (run, operations)
    }

    /// The expected operations: `operations`, after assuming the role.
    fn with_role<'a>(&self, operations: &[&'a str]) -> Vec<&'a str> {
        let role = self.has_roles.then_some("AssumeRoleWithOIDC");
        role.into_iter().chain(operations.iter().copied()).collect()
    }

    /// Plans and applies in an empty account, then detects drift.
    fn run_all(&self) {
        self.plan_and_apply();
        self.detect_drift();
    }

    fn plan_and_apply(&self) {
        let workspace = self.workspace;
        let (plan, operations) = self.job("plan");
        let plan = plan.succeeds();
        assert!(plan.stdout.contains("2 to add, 0 to change, 0 to destroy"), "{plan}");
        assert_eq!(operations, [""; 0]);

        let (apply, operations) = self.job("apply");
        let apply = apply.succeeds();
        assert!(apply.stdout.contains("2 added, 0 changed, 0 destroyed"), "{apply}");
        assert_eq!(operations, self.with_role(&["GetBucketEncryption", "PutBucketEncryption"]));
        assert_eq!(workspace.emulator.rule("my-logs"), Some(EncryptionRule::new("AES256")));
        assert_eq!(workspace.emulator.rule("my-invoices"), Some(EncryptionRule::new("KMS")));

        let (plan, _) = self.job("plan");
        assert!(plan.succeeds().stdout.contains("No changes."));
    }

    fn detect_drift(&self) {
        let workspace = self.workspace;
        for (job, expected) in [("plan", "No changes."), ("drift", NO_DRIFT)] {
            let (run, operations) = self.job(job);
            let run = run.succeeds();
            assert!(run.stdout.contains(expected), "{run}");
            assert_eq!(operations, self.with_role(&["GetBucketEncryption"]));
        }

        workspace.emulator.set_rule("my-invoices", EncryptionRule::new("AES256"));
        let (drift, operations) = self.job("drift");
        let drift = drift.fails();
        assert!(drift.stdout.contains("\"AES256\" -> \"KMS\""), "{drift}");
        assert!(drift.stdout.contains(DRIFT), "{drift}");
        assert_eq!(operations, self.with_role(&["GetBucketEncryption"]));

        // A failed read is not drift.
        workspace
            .emulator
            .inject(Fault::error_response(403, "AccessDenied").method("GET").forever());
        let (drift, _) = self.job("drift");
        let drift = drift.fails();
        assert!(drift.stdout.contains(CHECK_FAILED), "{drift}");
        assert!(!drift.stdout.contains(DRIFT), "{drift}");
        assert!(drift.stderr.contains("Cannot read the encryption of bucket"), "{drift}");
    }
}

#[test]
fn github_actions() {
    // Installed on GitHub's runners.
    if !has_tools() {
        return;
    }
    let Some(workspace) = checkout() else { return };
    let page = Page {
        content: serde_json::json!({ "value": OIDC_TOKEN }).to_string().into(),
        authorization: Some("Bearer of-this-run".to_owned()),
    };
    let path = "/token?api-version=2.0&audience=sts.aliyuncs.com";
    let comments = "/repos/my-company/my-repository/issues/7/comments";
    let pages = [
        (path.to_owned(), page),
        (comments.to_owned(), "{}".into()),
        (MIRROR.to_owned(), mirror(&workspace)),
    ];
    let github = Pages::start(|_| BTreeMap::from(pages));
    let server = github.url();
    let token_url = format!("{}/token?api-version=2.0", github.url());
    let url = workspace.emulator.url();
    let temporary = workspace.path("runner");
    fs::create_dir(&temporary).unwrap();
    let environment = [
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-this-run"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", token_url.as_str()),
        ("GITHUB_API_URL", server.as_str()),
        ("GITHUB_REPOSITORY", "my-company/my-repository"),
        ("RUNNER_TEMP", temporary.to_str().unwrap()),
        ("ALIBABA_CLOUD_ENDPOINT_OSS", url.as_str()),
        ("ALIBABA_CLOUD_STS_ENDPOINT", url.as_str()),
    ];
    let contexts = [
        ("vars.OIDC_PROVIDER_ARN", PROVIDER.to_owned()),
        ("vars.PLAN_ROLE_ARN", PLAN_ROLE.to_owned()),
        ("vars.APPLY_ROLE_ARN", APPLY_ROLE.to_owned()),
        ("vars.PROVIDER_MIRROR_URL", format!("{server}{MIRROR}")),
        ("github.token", "of-the-repository".to_owned()),
        ("github.event.number", "7".to_owned()),
    ];
    let changes = Workflow::read("examples/pipelines/github-actions.yml");
    let drift = Workflow::read("examples/pipelines/github-drift.yml");
    let run = |job: &str| {
        let workflow = if job == "drift" { &drift } else { &changes };
        let run = workflow.run_job(&workspace, job, &contexts, &environment);
        let posts = github.take_posts();
        if job == "plan" {
            let comment = comment(posts, comments, "Authorization: Bearer of-the-repository\r\n");
            let expected = ["2 to add", "No changes."];
            assert!(expected.iter().any(|text| comment.contains(text)), "{comment}");
            assert!(!comment.contains('\u{1b}'), "no colors: {comment}");
        } else {
            assert!(posts.is_empty(), "{job}");
        }
        run
    };
    Pipeline { workspace: &workspace, run: &run, has_roles: true }.run_all();

    // Without a token the plan fails.
    let rejected = [("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another-run")];
    let environment = [&environment[1..], &rejected].concat();
    let rejected = changes.run_job(&workspace, "plan", &contexts, &environment);
    assert_ne!(rejected.code, Some(0), "{rejected}");
    assert!(rejected.stderr.contains("401"), "{rejected}");
}

#[test]
fn gitlab() {
    if !has_tools() {
        return;
    }
    let Some(workspace) = checkout() else { return };
    let file = yaml("examples/pipelines/gitlab-ci.yml");
    let url = workspace.emulator.url();
    let project = [
        ("PLAN_ROLE_ARN", PLAN_ROLE),
        ("APPLY_ROLE_ARN", APPLY_ROLE),
        ("OIDC_PROVIDER_ARN", PROVIDER),
    ];
    let comments = "/api/v4/projects/12/merge_requests/7/notes";
    let pages = [(comments.to_owned(), "{}".into()), (MIRROR.to_owned(), mirror(&workspace))];
    let server = Pages::start(|_| BTreeMap::from(pages));
    let temporary = workspace.path("job").into_os_string().into_string().unwrap();
    fs::create_dir(&temporary).unwrap();
    let run = |job: &str| {
        let lines = |value: &Json| -> Vec<String> {
            let lines = value.as_array().unwrap().iter();
            lines.map(|line| line.as_str().unwrap().to_owned()).collect()
        };
        let mut script = lines(&file["default"]["before_script"]);
        script.extend(lines(&file[job]["script"]));
        let mut environment = texts(&file["variables"]);
        environment.extend(texts(&file[job]["variables"]));
        for value in environment.values_mut() {
            if let Some(name) = value.strip_prefix('$') {
                let found = project.iter().find(|(known, _)| *known == name);
                *value = found.unwrap_or_else(|| panic!("{name} is not known")).1.to_owned();
            }
        }
        for name in file["default"]["id_tokens"].as_object().unwrap().keys() {
            environment.insert(name.clone(), OIDC_TOKEN.to_owned());
        }
        for name in ["ALIBABA_CLOUD_ENDPOINT_OSS", "ALIBABA_CLOUD_STS_ENDPOINT"] {
            environment.insert(name.to_owned(), url.clone());
        }
        // The directory of the job's token file.
        environment.insert("TMPDIR".to_owned(), temporary.clone());
        let predefined = [
            ("PROVIDER_MIRROR_URL", format!("{}{MIRROR}", server.url())),
            ("COMMENT_TOKEN", "of-the-project".to_owned()),
            ("CI_API_V4_URL", format!("{}/api/v4", server.url())),
            ("CI_PROJECT_ID", "12".to_owned()),
            ("CI_MERGE_REQUEST_IID", "7".to_owned()),
        ];
        environment.extend(predefined.map(|(name, value)| (name.to_owned(), value)));
        // In place of the image's package manager: curl and jq are there.
        let script =
            format!("apk() {{ test \"$*\" = 'add --no-cache curl jq'; }}\n{}", script.join("\n"));
        let run = workspace.script(".", &["sh", "-e"], &script, &pairs(&environment));
        let posts = server.take_posts();
        if job == "plan" {
            let comment = comment(posts, comments, "PRIVATE-TOKEN: of-the-project\r\n");
            let expected = ["2 to add", "No changes."];
            assert!(expected.iter().any(|text| comment.contains(text)), "{comment}");
        } else {
            assert!(posts.is_empty(), "{job}");
        }
        run
    };
    Pipeline { workspace: &workspace, run: &run, has_roles: true }.run_all();
}

/// The scripts of a Jenkinsfile's stages, by the stage's name in lowercase.
fn stages(jenkinsfile: &str) -> BTreeMap<String, String> {
    let mut stages = BTreeMap::new();
    for stage in jenkinsfile.split("stage('").skip(1) {
        let (name, rest) = stage.split_once("')").unwrap();
        let mut scripts = rest.split("'''");
        assert!(scripts.next().unwrap().ends_with("sh "), "{name}");
        stages.insert(name.to_lowercase(), scripts.next().unwrap().to_owned());
        assert_eq!(scripts.count(), 1, "{name} has one script");
    }
    stages
}

#[test]
fn jenkins() {
    if !has_tools() {
        return;
    }
    let Some(workspace) = checkout() else { return };
    let pages = BTreeMap::from([(MIRROR.to_owned(), mirror(&workspace))]);
    let server = Pages::start(|_| pages);
    let jenkinsfile = read("examples/pipelines/Jenkinsfile");
    let stages = stages(&jenkinsfile);
    let url = workspace.emulator.url();
    let mut environment = BTreeMap::new();
    let credentials = [("oss-access-key-id", KEY_ID), ("oss-access-key-secret", KEY_SECRET)];
    let (_, rest) = jenkinsfile.split_once("environment {").unwrap();
    for line in rest.split_once('}').unwrap().0.trim().lines() {
        let (name, value) = line.split_once('=').unwrap();
        // Such as `'1'`, or `credentials('id')`.
        let (function, text) = value.trim().split_once('\'').unwrap();
        let text = text.split_once('\'').unwrap().0;
        let value = match function {
            "credentials(" => credentials.iter().find(|(id, _)| *id == text).unwrap().1,
            _ => text,
        };
        environment.insert(name.trim().to_owned(), value.to_owned());
    }
    environment.insert("ALIBABA_CLOUD_ENDPOINT_OSS".to_owned(), url);
    let example =
        environment.insert("PROVIDER_MIRROR_URL".to_owned(), format!("{}{MIRROR}", server.url()));
    assert!(example.unwrap().ends_with(MIRROR));
    let run = |job: &str| workspace.script(".", &["sh", "-xe"], &stages[job], &pairs(&environment));
    Pipeline { workspace: &workspace, run: &run, has_roles: false }.run_all();
}

/// Names of branches and titles of pull requests must not be expanded in scripts.
#[test]
fn scripts_have_no_expressions() {
    for path in [
        "examples/pipelines/github-actions.yml",
        "examples/pipelines/github-drift.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
    ] {
        let workflow = Workflow::read(path);
        for job in workflow.jobs() {
            for step in workflow.steps(job) {
                let script = step["run"].as_str().unwrap_or_default();
                assert!(!script.contains("${{"), "{path}, {job}: {script}");
            }
        }
    }
}

#[test]
fn the_guide_matches_these_files() {
    let path = "docs/guides/pipelines.md";
    let guide = read(path);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines");
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(guide.contains(&format!("\n| `{name}` |")), "{name} is missing");
    }
    let policies = blocks(path, "json");
    for policy in policies {
        let policy: Json = serde_json::from_str(&policy).unwrap();
        assert_eq!(policy["Version"], "1");
    }
    // The variables and secrets in the guide are used by the files.
    let names =
        ["github-actions.yml", "github-drift.yml", "gitlab-ci.yml", "Jenkinsfile", "atlantis.yaml"];
    let files = names.map(|name| read(&format!("examples/pipelines/{name}"))).concat();
    for name in [
        "OIDC_PROVIDER_ARN",
        "PLAN_ROLE_ARN",
        "APPLY_ROLE_ARN",
        "PROVIDER_MIRROR_URL",
        "COMMENT_TOKEN",
        "OIDC_TOKEN",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
        "ALIBABA_CLOUD_ROLE_ARN",
        "ALIBABA_CLOUD_ECS_METADATA",
        "oss-access-key-id",
        "oss-access-key-secret",
        "sts.aliyuncs.com",
    ] {
        assert!(guide.contains(&format!("`{name}`")), "the guide does not mention {name}");
        assert!(files.contains(name), "no file uses {name}");
    }
}
