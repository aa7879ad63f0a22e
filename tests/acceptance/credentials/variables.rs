//! Credentials and regions in environment variables of every family, and what is used if there are none.

use oss_emulator::Credentials;

use super::{APPLY, CREATE, KEYS, RESOURCE, ROLE, apply, workspace};
use crate::workspace::{KEY_ID, KEY_SECRET, Workspace};

/// A workspace whose provider block has no region, and sends requests to the emulator.
fn without_region() -> Option<Workspace> {
    let workspace = workspace(|_| String::new())?;
    let url = workspace.emulator.url();
    let provider =
        format!("provider \"oss\" {{\n  endpoint = {url:?}\n  sts_endpoint = {url:?}\n}}\n");
    workspace.configure_with(&provider, RESOURCE);
    Some(workspace)
}

fn add_session(workspace: &Workspace) {
    let session =
        Credentials::new("STS.SESSION", "session-secret").with_token("session-token", None);
    workspace.emulator.add_credentials(session);
}

#[test]
fn every_family_of_variables_is_read() {
    for (id, secret, region) in [
        ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_REGION"),
        ("ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY_SECRET", "ALICLOUD_REGION_ID"),
        (
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
            "ALIBABA_CLOUD_REGION_ID",
        ),
        ("ALIBABACLOUD_ACCESS_KEY_ID", "ALIBABACLOUD_ACCESS_KEY_SECRET", "ALIBABACLOUD_REGION_ID"),
        ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_REGION"),
    ] {
        let Some(workspace) = without_region() else { return };
        let environment = [(id, KEY_ID), (secret, KEY_SECRET), (region, "cn-hangzhou")];
        assert_eq!(apply(&workspace, &environment), CREATE, "{id}");
    }
}

#[test]
fn a_role_of_a_pod_in_the_variables_of_the_cli() {
    let Some(workspace) = without_region() else { return };
    let token = workspace.write("token", super::OIDC_TOKEN);
    let environment = [
        ("ALIBABACLOUD_ROLE_ARN", ROLE),
        ("ALIBABACLOUD_OIDC_PROVIDER_ARN", super::PROVIDER),
        ("ALIBABACLOUD_OIDC_TOKEN_FILE", token.as_str()),
        ("OSS_REGION", "cn-hangzhou"),
    ];
    assert_eq!(
        apply(&workspace, &environment),
        ["AssumeRoleWithOIDC", CREATE[0], CREATE[1], CREATE[2]]
    );
}

#[test]
fn a_token_in_the_variable_of_another_family_is_not_lost() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    add_session(&workspace);
    let session = [
        ("ALICLOUD_ACCESS_KEY", "STS.SESSION"),
        ("ALICLOUD_SECRET_KEY", "session-secret"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "session-token"),
    ];
    assert_eq!(apply(&workspace, &session), CREATE);
}

#[test]
fn an_id_and_a_token_that_do_not_belong_together_are_reported_before_any_request() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    for (environment, parts) in [
        (
            vec![("OSS_ACCESS_KEY_ID", "STS.SESSION"), ("OSS_ACCESS_KEY_SECRET", "x-secret")],
            ["Missing security token", "OSS_SESSION_TOKEN is not set"],
        ),
        (
            [&KEYS[..], &[("ALICLOUD_SECURITY_TOKEN", "left-over-token")]].concat(),
            ["Unexpected security token", "ALICLOUD_SECURITY_TOKEN is set"],
        ),
    ] {
        let run = workspace.terraform_in(&environment, &APPLY).fails();
        for part in parts {
            assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        }
        let secrets = ["left-over-token", "x-secret"];
        assert_eq!(workspace.secrets_in(&run, &secrets), Vec::<String>::new());
    }
    assert!(workspace.emulator.requests().is_empty());
}

#[test]
fn the_current_profile_of_the_cli_is_used_if_nothing_is_configured() {
    let Some(workspace) = without_region() else { return };
    std::fs::create_dir(workspace.path(".aliyun")).unwrap();
    let file = format!(
        r#"{{ "current": "mine", "profiles": [ {{ "name": "other" }}, {{ "name": "mine", "mode": "AK",
            "access_key_id": "{KEY_ID}", "access_key_secret": "{KEY_SECRET}",
            "region_id": "cn-hangzhou" }} ] }}"#
    );
    workspace.write(".aliyun/config.json", &file);
    assert_eq!(apply(&workspace, &[]), CREATE);
    // Not if the CLI has written it before it was configured.
    let blank = file.replace(KEY_ID, "").replace(KEY_SECRET, "");
    workspace.write(".aliyun/config.json", &blank);
    let region = ("OSS_REGION", "cn-hangzhou");
    let run = workspace.terraform_in(&[region], &["plan", "-no-color"]).fails();
    assert!(run.stderr.contains("needs credentials, and none are configured"), "{run}");
    workspace.write(".aliyun/config.json", &file);
    // Not if it is forbidden, and the region is the profile's as well.
    let disabled = ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true");
    let run = workspace.terraform_in(&[disabled], &["plan", "-no-color"]).fails();
    assert!(run.stderr.contains("Missing region"), "{run}");
    let run = workspace.terraform_in(&[disabled, region], &["plan", "-no-color"]).fails();
    for part in
        ["needs credentials, and none are configured", "ALIBABA_CLOUD_CLI_PROFILE_DISABLED is set"]
    {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_token_without_a_pair_is_named_if_nothing_else_is_configured() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    let token = ("ALIBABA_CLOUD_SECURITY_TOKEN", "left-over-token");
    let run = workspace.terraform_in(&[token], &APPLY).fails();
    let expected = "ALIBABA_CLOUD_SECURITY_TOKEN is set, but ALIBABA_CLOUD_ACCESS_KEY_ID and \
                    ALIBABA_CLOUD_ACCESS_KEY_SECRET are not";
    assert!(run.stderr.contains(expected), "{run}");
    assert_eq!(workspace.secrets_in(&run, &["left-over-token"]), Vec::<String>::new());
}

#[test]
fn the_external_id_of_a_role_comes_from_the_variable_of_the_cli() {
    for variable in ["ALIBABA_CLOUD_EXTERNAL_ID", "ALIBABACLOUD_EXTERNAL_ID"] {
        let role = format!("  assume_role {{\n    role_arn = {ROLE:?}\n  }}\n");
        let Some(workspace) = workspace(|_| role) else { return };
        let environment = [KEYS[0], KEYS[1], (variable, "ticket-7")];
        assert_eq!(
            apply(&workspace, &environment),
            ["AssumeRole", CREATE[0], CREATE[1], CREATE[2]],
            "{variable}"
        );
    }
}

#[test]
fn no_request_is_sent_to_a_metadata_service_that_is_disabled() {
    let disabled = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    // A role in the environment is not used, as in the SDKs; one in the block is an error.
    for (argument, expected) in [
        ("", "needs credentials, and none are configured"),
        (
            "  ecs_role_name = \"instance-role\"\n",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED disables the ECS metadata service",
        ),
    ] {
        let Some(workspace) = workspace(|_| argument.to_owned()) else { return };
        let metadata = workspace.emulator.metadata_url();
        let environment = [
            disabled,
            ("ALIBABA_CLOUD_ECS_METADATA", "instance-role"),
            ("ALIBABA_CLOUD_ECS_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
        ];
        let run = workspace.terraform_in(&environment, &APPLY).fails();
        assert!(run.stderr.contains(expected), "{expected:?} is missing:\n{run}");
        assert!(workspace.emulator.requests().is_empty());
    }
}

#[test]
fn the_error_for_an_incomplete_oidc_role_names_the_variable() {
    let Some(workspace) = workspace(|_| String::new()) else { return };
    let environment =
        [("ALIBABA_CLOUD_ROLE_ARN", ROLE), ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/token")];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    let expected = "ALIBABA_CLOUD_ROLE_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE are set, but \
                    ALIBABA_CLOUD_OIDC_PROVIDER_ARN is not";
    assert!(run.stderr.contains(expected), "{run}");
    assert!(!run.stderr.contains("ACCESS_KEY"), "stored keys are not the way:\n{run}");
}

#[test]
fn a_profile_that_loses_to_the_environment_is_a_warning() {
    let Some(workspace) = workspace(|_| "  profile = \"ci\"\n".to_owned()) else { return };
    let run = workspace.terraform_in(&KEYS, &APPLY).succeeds();
    for part in ["Profile is not used", "OSS_ACCESS_KEY_ID", "\"ci\""] {
        assert!(run.stdout.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_role_in_the_block_that_loses_to_the_environment_is_a_warning() {
    let Some(workspace) = workspace(|workspace| {
        let token = workspace.write("token", super::OIDC_TOKEN);
        format!(
            "  assume_role_with_oidc {{\n    role_arn = {ROLE:?}\n    oidc_provider_arn = {:?}\n    \
             oidc_token_file = {token:?}\n  }}\n",
            super::PROVIDER,
        )
    }) else {
        return;
    };
    let run = workspace.terraform_in(&KEYS, &APPLY).succeeds();
    for part in
        ["Credential source is not used", "OSS_ACCESS_KEY_ID", "over `assume_role_with_oidc`"]
    {
        let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn a_home_directory_that_is_unknown_is_named() {
    let Some(workspace) = workspace(|_| "  profile = \"ci\"\n".to_owned()) else { return };
    let run = workspace.terraform_in(&[("HOME", "")], &APPLY).fails();
    for part in ["~/.aliyun/config.json cannot be read", "set the environment variable HOME"] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}
