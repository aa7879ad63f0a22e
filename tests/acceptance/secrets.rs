//! Secrets and signatures must not be in plans, states and process lists. Output and logs are checked
//! by every acceptance test.

use std::process::Stdio;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use oss_emulator::{Fault, Role};

use super::workspace::{KEYS, Workspace};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";
const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"KMS\"\n}\n";

/// An assumed role: permanent credentials, and a session with secret and token.
fn workspace() -> Option<Workspace> {
    let workspace =
        Workspace::with(|config| config.with_bucket("demo").with_role(Role::new(ROLE)))?;
    let url = workspace.emulator.url();
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n  sts_endpoint = {url:?}\n  \
         assume_role {{\n    role_arn = {ROLE:?}\n  }}\n}}\n"
    );
    workspace.configure_with(&provider, RESOURCE);
    Some(workspace)
}

#[test]
fn no_secret_is_in_a_plan_or_a_state() {
    let Some(workspace) = workspace() else { return };
    workspace.apply();
    workspace.emulator.remove_rule("demo");
    // This plan sends requests, so there are sessions. Every run checks all files except plans, which
    // are compressed: terraform prints them.
    workspace.terraform(&["plan", "-out=plan", "-no-color"]).succeeds();
    workspace.terraform(&["show", "-json", "plan"]).succeeds();
    workspace.terraform(&["apply", "-no-color", "plan"]).succeeds();
    let state = workspace.terraform(&["state", "pull"]).succeeds().stdout;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let instance = &state["resources"][0]["instances"][0];
    assert_eq!(instance["attributes"]["bucket"], "demo");
    // The provider's private data, which terraform does not print, is only the random ID of the object.
    let private = BASE64_STANDARD.decode(instance["private"].as_str().unwrap()).unwrap();
    assert_eq!(private.len(), 16, "{instance}");
    assert!(private.iter().all(u8::is_ascii_hexdigit), "{instance}");
    assert_eq!(workspace.emulator.secrets().len(), 1 + 3 * 2, "the key, and three sessions");
}

/// The command lines of a process and of its children: others on this machine may have the same test keys.
#[cfg(target_os = "linux")]
fn command_lines(parent: u32) -> Vec<String> {
    let read = |process: u32| {
        let text = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let is_child = |process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    let children =
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child);
    children.chain([parent]).map(read).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn no_secret_is_in_the_process_list() {
    let Some(workspace) = workspace() else { return };
    workspace.emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    let mut terraform = workspace
        .command(&KEYS, &["apply", "-auto-approve"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The session was issued, and a request signed with it is in flight.
    while workspace.emulator.requests().len() < 2 {
        assert!(terraform.try_wait().unwrap().is_none(), "terraform exited early");
        std::thread::yield_now();
    }
    let lists = command_lines(terraform.id());
    terraform.kill().unwrap();
    terraform.wait().unwrap();
    assert!(lists.iter().any(|list| list.contains("terraform-provider-oss")), "{lists:?}");
    let secrets = workspace.emulator.secrets();
    assert_eq!(secrets.len(), 3);
    for list in lists {
        assert!(!secrets.iter().any(|secret| list.contains(secret)), "{list}");
    }
}
