//! Chains of roles, and where STS is.

use oss_emulator::{Config, Role};

use super::{APPLY, CREATE, KEYS, ROLE, apply, workspace_with};
use crate::tunnel::{tunnels_except, tunnels_to};

const FIRST: &str = "acs:ram::1234567890123456:role/hub";

#[test]
fn several_roles_are_assumed_in_the_order_written() {
    let change = |config: Config| config.with_role(Role::new(FIRST).with_external_id("a+b=c"));
    let Some(workspace) = workspace_with(change, |_| {
        format!(
            "  assume_role {{\n    role_arn = {FIRST:?}\n    session_name = \"hub\"\n    \
             external_id = \"a+b=c\"\n  }}\n  assume_role {{\n    role_arn = {ROLE:?}\n    \
             external_id = \"ticket-7\"\n  }}\n"
        )
    }) else {
        return;
    };
    workspace.terraform_in(&KEYS, &APPLY).succeeds();
    let requests = workspace.emulator.requests();
    let [first, second, read] = &requests[..3] else { panic!() };
    assert_eq!(first.parameters["RoleArn"], FIRST);
    assert_eq!(first.parameters["RoleSessionName"], "hub");
    assert_eq!(second.parameters["RoleArn"], ROLE);
    assert_eq!(second.access_key_id, first.issued_access_key_id);
    assert_eq!(read.access_key_id, second.issued_access_key_id);
}

#[test]
fn a_block_of_a_chain_without_a_role_is_an_error() {
    let Some(workspace) = workspace_with(
        |config| config,
        |_| format!("  assume_role {{\n    role_arn = {ROLE:?}\n  }}\n  assume_role {{}}\n"),
    ) else {
        return;
    };
    let arn = ("ALICLOUD_ASSUME_ROLE_ARN", ROLE);
    let run = workspace.terraform_in(&[KEYS[0], KEYS[1], arn], &["plan", "-no-color"]).fails();
    assert!(run.stderr.contains("`role_arn` is required in the `assume_role[1]` block"), "{run}");
}

#[test]
fn sts_is_reached_at_the_global_host_where_a_region_has_none() {
    let assume = |_: &_| {
        format!("  assume_role {{\n    role_arn = {ROLE:?}\n    external_id = \"ticket-7\"\n  }}\n")
    };
    for (region, is_resolved, expected) in [
        ("cn-hangzhou", true, &["sts.cn-hangzhou.aliyuncs.com"][..]),
        // One of the exceptions of the official endpoint map.
        ("cn-hangzhou-finance", true, &["sts.aliyuncs.com"]),
        ("cn-hangzhou", false, &["sts.cn-hangzhou.aliyuncs.com", "sts.aliyuncs.com"]),
    ] {
        let Some(workspace) = workspace_with(Config::with_tls, assume) else { return };
        let file = std::fs::read_to_string(workspace.path("main.tf")).unwrap();
        let lines: Vec<&str> = file.lines().filter(|line| !line.contains("sts_endpoint")).collect();
        workspace.write("main.tf", &lines.join("\n"));
        let certificate = workspace.emulator.certificate_pem().unwrap().to_owned();
        let certificate = workspace.write("ca.pem", &certificate);
        let port = workspace.emulator.port();
        let (proxy, requests) = if is_resolved {
            tunnels_to(port)
        } else {
            tunnels_except("sts.cn-hangzhou.aliyuncs.com", port)
        };
        let environment = [
            KEYS[0],
            KEYS[1],
            ("HTTPS_PROXY", proxy.as_str()),
            ("SSL_CERT_FILE", certificate.as_str()),
            ("ALIBABA_CLOUD_STS_REGION", region),
        ];
        assert_eq!(
            apply(&workspace, &environment),
            ["AssumeRole", CREATE[0], CREATE[1], CREATE[2]]
        );
        let requests = requests.lock().unwrap().clone();
        let hosts: Vec<&str> =
            requests.iter().map(|request| request.split([' ', ':']).nth(1).unwrap()).collect();
        assert_eq!(hosts, expected, "{region}");
    }
}
