//! Every credential source with the real terraform; what is about one subject is in a file of its own.

mod formats;
mod logins;
mod roles;
mod variables;

use oss_emulator::{Config, Fault, Role};

use super::workspace::{KEY_ID, KEY_SECRET, Workspace};

const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"AES256\"\n}\n";
const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const PROVIDER: &str = "acs:ram::1234567890123456:oidc-provider/pipeline";
const OIDC_TOKEN: &str = "header.claims.signature-of-the-pipeline";

/// A workspace whose provider block has these arguments in addition to the endpoint.
fn workspace(arguments: impl FnOnce(&Workspace) -> String) -> Option<Workspace> {
    workspace_with(|config| config, arguments)
}

/// The same with changes to the emulator's configuration.
fn workspace_with(
    change: impl FnOnce(Config) -> Config,
    arguments: impl FnOnce(&Workspace) -> String,
) -> Option<Workspace> {
    let workspace = Workspace::with(|config: Config| {
        change(config)
            .with_bucket("demo")
            .with_role(Role::new(ROLE).with_external_id("ticket-7"))
            .with_oidc_provider(PROVIDER, OIDC_TOKEN)
            .with_ecs_role("instance-role")
            .with_credentials_uri()
    })?;
    let url = workspace.emulator.url();
    let arguments = arguments(&workspace);
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n  \
         sts_endpoint = {url:?}\n{arguments}}}\n"
    );
    workspace.configure_with(&provider, RESOURCE);
    Some(workspace)
}

/// Applies with this environment, and returns the operations that the emulator received.
#[track_caller]
fn apply(workspace: &Workspace, environment: &[(&str, &str)]) -> Vec<String> {
    workspace.terraform_in(environment, &APPLY).succeeds();
    assert!(workspace.emulator.rule("demo").is_some());
    let records = workspace.emulator.requests();
    workspace.emulator.clear_requests();
    records.iter().map(|record| record.operation.clone().unwrap_or_default()).collect()
}

/// The requests of a create.
const CREATE: [&str; 3] = ["GetBucketEncryption", "PutBucketEncryption", "GetBucketEncryption"];

const KEYS: [(&str, &str); 2] =
    [("OSS_ACCESS_KEY_ID", KEY_ID), ("OSS_ACCESS_KEY_SECRET", KEY_SECRET)];

#[test]
fn access_key_pair_in_the_environment() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    assert_eq!(apply(&workspace, &KEYS), CREATE);
}

#[test]
fn a_profile_sets_credentials_and_region() {
    let Some(workspace) = workspace(|workspace| {
        let file = format!(
            r#"{{ "current": "other", "profiles": [ {{ "name": "ci", "mode": "AK",
                "access_key_id": "{KEY_ID}", "access_key_secret": "{KEY_SECRET}",
                "region_id": "cn-hangzhou", "output_format": "json" }} ] }}"#
        );
        let path = workspace.write("config.json", &file);
        format!("  profile = \"ci\"\n  shared_credentials_file = {path:?}\n")
    }) else {
        return;
    };
    assert_eq!(apply(&workspace, &[]), CREATE);
}

#[test]
fn a_profile_in_the_default_file_selected_by_the_environment() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    std::fs::create_dir(workspace.path(".aliyun")).unwrap();
    let file = format!(
        r#"{{ "profiles": [ {{ "name": "base", "mode": "AK", "access_key_id": "{KEY_ID}",
             "access_key_secret": "{KEY_SECRET}" }},
             {{ "name": "top", "mode": "ChainableRamRoleArn", "source_profile": "base",
             "ram_role_arn": "{ROLE}", "ram_session_name": "cli", "external_id": "ticket-7" }} ] }}"#
    );
    workspace.write(".aliyun/config.json", &file);
    let url = workspace.emulator.url();
    let provider = format!("provider \"oss\" {{\n  endpoint = {url:?}\n}}\n");
    workspace.configure_with(&provider, RESOURCE);
    let environment = [
        ("ALIBABA_CLOUD_PROFILE", "top"),
        ("ALIBABA_CLOUD_REGION", "cn-hangzhou"),
        ("ALIBABA_CLOUD_ENDPOINT_STS", url.as_str()),
    ];
    assert_eq!(apply(&workspace, &environment), ["AssumeRole", CREATE[0], CREATE[1], CREATE[2]]);
}

#[cfg(unix)]
#[test]
fn other_output_of_a_credential_process_is_not_shown() {
    let Some(workspace) = workspace(|workspace| {
        let keys = format!(r#"{{"access_key_id":"{KEY_ID}","access_key_secret":"{KEY_SECRET}"}}"#);
        let printed = workspace.write("keys.json", &keys);
        // It also tries to read terraform's standard input.
        let script = format!("echo \"using $1 and {KEY_SECRET}\" >&2\ncat\ncat {printed}\n");
        let script = workspace.write("print-keys.sh", &script);
        let file = format!(
            r#"{{ "current": "ci", "profiles": [ null, {{ "name": "ci", "mode": "External",
                "process_command": "sh {script} argument-secret" }} ] }}"#
        );
        let path = workspace.write("config.json", &file);
        format!("  shared_credentials_file = {path:?}\n")
    }) else {
        return;
    };
    let run = workspace.terraform_in(&[], &APPLY).succeeds();
    assert_eq!(workspace.secrets_in(&run, &["argument-secret"]), Vec::<String>::new());
    // If it fails, the error contains only its name.
    std::fs::remove_file(workspace.path("keys.json")).unwrap();
    let run = workspace.terraform_in(&[], &["plan", "-no-color"]).fails();
    assert!(
        run.stderr.contains("\"sh\" failed (exit status: 1); run it manually to see why"),
        "{run}"
    );
    assert_eq!(workspace.secrets_in(&run, &["argument-secret"]), Vec::<String>::new());
}

#[test]
fn an_assumed_role() {
    let Some(workspace) = workspace(|_| {
        format!(
            "  assume_role {{\n    role_arn = {ROLE:?}\n    session_name = \"apply\"\n    \
             session_expiration = 1800\n    external_id = \"ticket-7\"\n    \
             policy = jsonencode({{ Version = \"1\", Statement = [] }})\n  }}\n"
        )
    }) else {
        return;
    };
    workspace.terraform_in(&KEYS, &APPLY).succeeds();
    let sts = &workspace.emulator.requests()[0];
    assert_eq!(sts.operation.as_deref(), Some("AssumeRole"));
    assert_eq!(sts.parameters["RoleSessionName"], "apply");
    assert_eq!(sts.parameters["DurationSeconds"], "1800");
    assert!(workspace.emulator.rule("demo").is_some());
}

#[test]
fn an_oidc_token_file_in_a_pipeline() {
    let Some(workspace) = workspace(|workspace| {
        let path = workspace.write("token", &format!("{OIDC_TOKEN}\n"));
        format!(
            "  assume_role_with_oidc {{\n    role_arn = {ROLE:?}\n    \
             oidc_provider_arn = {PROVIDER:?}\n    oidc_token_file = {path:?}\n    \
             role_session_name = \"pipeline\"\n  }}\n"
        )
    }) else {
        return;
    };
    assert_eq!(apply(&workspace, &[]), ["AssumeRoleWithOIDC", CREATE[0], CREATE[1], CREATE[2]]);
}

#[test]
fn an_oidc_token_file_in_a_pod() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    let path = workspace.write("token", OIDC_TOKEN);
    let environment = [
        ("ALIBABA_CLOUD_ROLE_ARN", ROLE),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", PROVIDER),
        ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", path.as_str()),
    ];
    assert_eq!(
        apply(&workspace, &environment),
        ["AssumeRoleWithOIDC", CREATE[0], CREATE[1], CREATE[2]]
    );
}

#[test]
fn a_credentials_uri() {
    let Some(workspace) = workspace(|workspace| {
        format!("  credentials_uri = {:?}\n", workspace.emulator.credentials_uri())
    }) else {
        return;
    };
    assert_eq!(apply(&workspace, &[]), ["CredentialsUri", CREATE[0], CREATE[1], CREATE[2]]);
}

#[test]
fn the_ram_role_of_an_ecs_instance() {
    let Some(workspace) = workspace(|_| "  ecs_role_name = \"instance-role\"\n".to_owned()) else {
        return;
    };
    let metadata = workspace.emulator.metadata_url();
    let environment = [("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", metadata.as_str())];
    assert_eq!(
        apply(&workspace, &environment),
        ["EcsMetadataToken", "EcsMetadataCredentials", CREATE[0], CREATE[1], CREATE[2]]
    );
}

#[test]
fn an_apply_refreshes_a_rejected_session() {
    let Some(workspace) = workspace(|_| {
        format!("  assume_role {{\n    role_arn = {ROLE:?}\n    external_id = \"ticket-7\"\n  }}\n")
    }) else {
        return;
    };
    workspace.emulator.inject(Fault::error_response(403, "SecurityTokenExpired").method("GET"));
    assert_eq!(
        apply(&workspace, &KEYS),
        ["AssumeRole", CREATE[0], "AssumeRole", CREATE[0], CREATE[1], CREATE[2]]
    );
}

#[test]
fn a_plan_of_new_resources_needs_no_credentials() {
    let Some(workspace) = workspace(|_| {
        "  profile = \"absent\"\n  shared_credentials_file = \"/no/such/file\"\n".to_owned()
    }) else {
        return;
    };
    workspace.terraform_in(&[], &["validate", "-no-color"]).succeeds();
    workspace.terraform_in(&[], &["plan", "-no-color"]).succeeds();
    let run = workspace.terraform_in(&[], &APPLY).fails();
    for part in [
        "Could not get credentials for GetBucketEncryption from profile \"absent\" of /no/such/file",
        "cannot be read: No such file or directory",
        "the user running Terraform can read it",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    assert!(workspace.emulator.requests().is_empty());
}

#[test]
fn the_error_for_a_role_that_cannot_be_assumed_names_the_permission() {
    let Some(workspace) =
        workspace(|_| format!("  assume_role {{\n    role_arn = {ROLE:?}\n  }}\n"))
    else {
        return;
    };
    let run = workspace.terraform_in(&KEYS, &APPLY).fails();
    for part in [
        "Cannot set the encryption of bucket demo",
        &format!(
            "Could not get credentials for GetBucketEncryption from role {ROLE}, assumed with credentials from the environment variable OSS_ACCESS_KEY_ID"
        ),
        "returned 403 NoPermission for AssumeRole",
        "request ID",
        "Grant it sts:AssumeRole",
        "set `external_id`",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn the_error_for_missing_credentials_lists_the_sources() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    let run = workspace.terraform_in(&[], &APPLY).fails();
    for part in
        ["needs credentials, and none are configured", "ALIBABA_CLOUD_ACCESS_KEY_ID", "`profile`"]
    {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_switched_profile_is_not_used_by_a_run_that_has_begun() {
    use oss_emulator::Credentials;

    let session =
        |id: &str| Credentials::new(id, "temporary-secret").with_token("temporary-token", None);
    let file = |current: &str, id: &str| {
        let profile = |name: &str, id: &str| {
            format!(
                r#"{{ "name": "{name}", "mode": "StsToken", "access_key_id": "{id}",
                    "access_key_secret": "temporary-secret", "sts_token": "temporary-token" }}"#
            )
        };
        let profiles = [profile("ci", id), profile("other", "STS.OTHER")].join(", ");
        format!(r#"{{ "current": "{current}", "profiles": [ {profiles} ] }}"#)
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, file("ci", "STS.FIRST")).unwrap();
    // While the first bucket is written, someone switches to another account and logs in again.
    let (switched, switched_file) = (path.clone(), file("other", "STS.SECOND"));
    let workspace = Workspace::with(|mut config| {
        config.credentials.extend(["STS.FIRST", "STS.SECOND", "STS.OTHER"].map(session));
        config.with_bucket("demo").with_bucket("second").with_observer(move |record| {
            if record.method == "PUT" {
                std::fs::write(&switched, &switched_file).unwrap();
            }
        })
    });
    let Some(workspace) = workspace else { return };
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n  \
         shared_credentials_file = {path:?}\n}}\n",
        workspace.emulator.url(),
    );
    let second = RESOURCE
        .replace("\"this\"", "\"second\"")
        .replace("\"demo\"", "\"second\"\n  depends_on = [oss_bucket_encryption.this]");
    workspace.configure_with(&provider, &format!("{RESOURCE}{second}"));
    workspace.emulator.inject(Fault::expired_token().bucket("second"));
    workspace.terraform_in(&[], &APPLY).succeeds();
    let used = |bucket: &str| {
        let records = workspace.emulator.requests().into_iter();
        let of_bucket = records.filter(|record| record.bucket.as_deref() == Some(bucket));
        of_bucket.filter_map(|record| record.access_key_id).collect::<Vec<String>>()
    };
    assert_eq!(used("demo"), ["STS.FIRST"; 3]);
    assert_eq!(used("second"), ["STS.FIRST", "STS.SECOND", "STS.SECOND", "STS.SECOND"]);
}
