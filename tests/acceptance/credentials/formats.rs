//! The formats of profiles, programs and services that people have.

use oss_emulator::{Credentials, Fault};
use serde_json::json;

use super::{APPLY, CREATE, ROLE, apply, workspace};
use crate::workspace::{KEY_ID, KEY_SECRET, Workspace};

/// A workspace that uses profile `ci` of a file with this text.
fn with_file(text: &str) -> Option<Workspace> {
    workspace(|workspace| {
        let path = workspace.write("config.json", text);
        format!("  profile = \"ci\"\n  shared_credentials_file = {path:?}\n")
    })
}

#[cfg(unix)]
#[test]
fn a_token_that_a_program_prints_is_used() {
    for printed in [
        json!({ "sts_token": "session-token" }),
        json!({ "sts_token": "session-token", "mode": "AK", "expiration": "2100-01-31 12:00:00" }),
        json!({ "sts_token": "session-token", "mode": "StsToken", "expiration": 4_102_444_800_i64 }),
        json!({ "sts_token": "session-token", "expiration": "2100-01-31T12:00:00+08:00" }),
    ] {
        let mut printed = printed;
        printed["access_key_id"] = json!("STS.SESSION");
        printed["access_key_secret"] = json!("session-secret");
        let Some(workspace) = workspace(|workspace| {
            let output = workspace.write("printed.json", &printed.to_string());
            let profile = json!({ "name": "ci", "mode": "External",
                "process_command": format!("cat {output}") });
            let file = json!({ "profiles": [profile] }).to_string();
            let path = workspace.write("config.json", &file);
            format!("  profile = \"ci\"\n  shared_credentials_file = {path:?}\n")
        }) else {
            return;
        };
        let session = Credentials::new("STS.SESSION", "session-secret");
        workspace.emulator.add_credentials(session.with_token("session-token", None));
        assert_eq!(apply(&workspace, &[]), CREATE, "{printed}");
    }
}

#[test]
fn a_profile_without_a_mode_that_has_a_role_assumes_it() {
    let profile = json!({ "name": "ci", "access_key_id": KEY_ID, "access_key_secret": KEY_SECRET,
        "ram_role_arn": ROLE, "external_id": "ticket-7" });
    let Some(workspace) = with_file(&json!({ "profiles": [profile] }).to_string()) else { return };
    assert_eq!(apply(&workspace, &[]), ["AssumeRole", CREATE[0], CREATE[1], CREATE[2]]);
}

#[test]
fn programs_are_not_run_where_they_are_disabled() {
    let profile = json!({ "name": "ci", "mode": "External", "process_command": "touch was-run" });
    let Some(workspace) = with_file(&json!({ "profiles": [profile] }).to_string()) else { return };
    let environment = [("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS", "true")];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    assert!(run.stderr.contains("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS disables"), "{run}");
    assert!(!workspace.path("was-run").exists());
}

#[test]
fn the_files_of_other_tools_are_recognized() {
    for (text, parts) in [
        (
            "[default]\ntype = access_key\naccess_key_id = id\naccess_key_secret = TOPSECRET\n",
            ["INI file of the Alibaba Cloud SDKs", "Run `aliyun configure`"],
        ),
        (
            "[ci]\ntype = ecs_ram_role\nrole_name = worker\n",
            ["INI file of the Alibaba Cloud SDKs", "set `ecs_role_name` in the provider block"],
        ),
        (
            "[ci]\ntype = sts\naccess_key_id = id\naccess_key_secret = s\nsecurity_token = TOPSECRET\n",
            ["INI file of the Alibaba Cloud SDKs", "\"StsToken\""],
        ),
        (
            "[Credentials]\naccessKeyID=id\naccessKeySecret=TOPSECRET\nstsToken=t\n",
            ["INI file of ossutil", "\"StsToken\""],
        ),
        (
            "[Credentials]\nlanguage=EN\naccessKeyID=id\naccessKeySecret=TOPSECRET\n",
            ["INI file of ossutil", "Run `aliyun configure`"],
        ),
    ] {
        let Some(workspace) = with_file(text) else { return };
        let run = workspace.terraform_in(&[], &APPLY).fails();
        for part in parts {
            assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        }
        assert_eq!(workspace.secrets_in(&run, &["TOPSECRET"]), Vec::<String>::new());
    }
    // By its variable, if nothing else is configured.
    let Some(workspace) = workspace(|_| String::new()) else { return };
    let path = workspace.write("credentials", "[default]\ntype = access_key\naccess_key_id = id\n");
    let environment = [("ALIBABA_CLOUD_CREDENTIALS_FILE", path.as_str())];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    assert!(run.stderr.contains("INI file of the Alibaba Cloud SDKs"), "{run}");
}

#[test]
fn a_line_break_in_a_profile_is_named() {
    let profile = json!({ "name": "ci", "mode": "AK", "access_key_id": KEY_ID,
        "access_key_secret": "TOPSECRET\n" });
    let Some(workspace) = with_file(&json!({ "profiles": [profile] }).to_string()) else { return };
    let run = workspace.terraform_in(&[], &APPLY).fails();
    let expected =
        "`access_key_secret` of profile \"ci\" must not contain whitespace or a line break";
    assert!(run.stderr.contains(expected), "{run}");
    assert!(!run.stderr.contains("trimspace"), "no file is read by the configuration:\n{run}");
    assert_eq!(workspace.secrets_in(&run, &["TOPSECRET"]), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_line_break_in_what_a_program_prints_is_named() {
    let printed = json!({ "access_key_id": KEY_ID, "access_key_secret": "TOPSECRET\n" });
    let Some(workspace) = workspace(|workspace| {
        let output = workspace.write("printed.json", &printed.to_string());
        let profile = json!({ "name": "ci", "mode": "External",
            "process_command": format!("cat {output}") });
        let path = workspace.write("config.json", &json!({ "profiles": [profile] }).to_string());
        format!("  profile = \"ci\"\n  shared_credentials_file = {path:?}\n")
    }) else {
        return;
    };
    let run = workspace.terraform_in(&[], &APPLY).fails();
    let expected = "\"cat\" printed no usable credentials: its `access_key_secret` contains \
                    whitespace or a line break";
    assert!(run.stderr.contains(expected), "{run}");
    assert_eq!(workspace.secrets_in(&run, &["TOPSECRET"]), Vec::<String>::new());
    assert!(workspace.emulator.requests().is_empty());
}

#[test]
fn a_credentials_uri_can_respond_in_many_ways() {
    for response in [
        json!({ "AccessKeyId": KEY_ID, "AccessKeySecret": KEY_SECRET }),
        json!({ "Code": "200", "AccessKeyId": KEY_ID, "AccessKeySecret": KEY_SECRET }),
        json!({ "accessKeyId": "STS.SESSION", "accessKeySecret": "session-secret",
            "securityToken": "session-token", "expiration": "2100-01-31T12:00:00Z" }),
        json!({ "code": "Success", "access_key_id": "STS.SESSION",
            "access_key_secret": "session-secret", "security_token": "session-token" }),
        json!({ "AccessKeyId": "STS.SESSION", "AccessKeySecret": "session-secret",
            "sts_token": "session-token" }),
    ] {
        // An empty argument stands for none, as modules pass it on.
        let Some(workspace) = workspace(|_| "  credentials_uri = \"\"\n".to_owned()) else {
            return;
        };
        let session = Credentials::new("STS.SESSION", "session-secret");
        workspace.emulator.add_credentials(session.with_token("session-token", None));
        let fault = Fault::raw_response("application/json", response.to_string()).status(200);
        workspace.emulator.inject(fault.operation("CredentialsUri").forever());
        let uri = workspace.emulator.credentials_uri();
        let environment = [("ALIBABA_CLOUD_CREDENTIALS_URI", uri.as_str())];
        let calls = apply(&workspace, &environment);
        assert_eq!(calls, ["CredentialsUri", CREATE[0], CREATE[1], CREATE[2]], "{response}");
    }
}
