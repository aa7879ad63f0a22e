//! What lies between here and OSS: clocks, certificates, proxies, endpoints.

use terraform_provider_oss::emulator::{Config, Fault};

use super::workspace::{KEY_ID, KEY_SECRET, Workspace};

const RESOURCE: &str = "resource \"oss_bucket_encryption\" \"this\" {\n  bucket = \"demo\"\n  sse_algorithm = \"AES256\"\n}\n";
const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];
const KEYS: [(&str, &str); 2] =
    [("OSS_ACCESS_KEY_ID", KEY_ID), ("OSS_ACCESS_KEY_SECRET", KEY_SECRET)];

#[test]
fn a_wrong_clock_does_not_matter() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.set_clock_offset(-7 * 86_400);
    workspace.apply();
    assert_eq!(workspace.calls(), ["PUT demo 403", "PUT demo 200", "GET demo 200"]);
}

#[test]
fn a_clock_that_stays_wrong_is_told_by_how_much() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.set_clock_offset(7210);
    workspace.emulator.inject(Fault::answer(403, "RequestTimeTooSkewed").forever());
    let run = workspace.terraform(&APPLY).fails();
    assert!(run.stderr.contains("The clock of this machine is 2 h 0 min"), "{run}");
    assert!(run.stderr.contains("s behind that of OSS"), "{run}");
}

#[test]
fn a_trusted_certificate_is_enough_for_https() {
    let Some(workspace) = Workspace::with(|config: Config| config.with_bucket("demo").with_tls())
    else {
        return;
    };
    workspace.configure(RESOURCE);
    let run = workspace.terraform(&APPLY).fails();
    assert!(run.stderr.contains("no trusted connection could be made"), "{run}");
    assert!(run.stderr.contains("name it in SSL_CERT_FILE"), "{run}");

    let path = workspace.write("authority.pem", workspace.emulator.certificate_pem().unwrap());
    let environment = [KEYS[0], KEYS[1], ("SSL_CERT_FILE", path.as_str())];
    workspace.terraform_in(&environment, &APPLY).succeeds();
    assert!(workspace.emulator.rule("demo").is_some());
    assert_eq!(workspace.emulator.connections(), 2, "one was refused, one served both calls");
}

/// The endpoint takes requests for OSS's own hosts as their proxy.
fn behind_a_proxy(arguments: &str) -> Option<(Workspace, String)> {
    let workspace = Workspace::with(|config: Config| config.with_bucket_in("demo", "cn-shanghai"))?;
    let provider = format!("provider \"oss\" {{\n{arguments}}}\n");
    workspace.configure_with(&provider, RESOURCE);
    let url = workspace.emulator.url();
    Some((workspace, url))
}

#[test]
fn a_bucket_elsewhere_is_told_with_the_region_to_set() {
    let arguments = "  endpoint = \"http://oss-cn-hangzhou.aliyuncs.com\"\n";
    let Some((workspace, proxy)) = behind_a_proxy(arguments) else { return };
    let environment = [KEYS[0], KEYS[1], ("HTTP_PROXY", proxy.as_str())];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    for part in [
        "403 AccessDenied",
        "its endpoint is oss-cn-shanghai.aliyuncs.com",
        "the request went to http://demo.oss-cn-hangzhou.aliyuncs.com",
        "set `region = \"cn-shanghai\"` on this resource",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
}

#[test]
fn hosts_in_no_proxy_are_reached_directly() {
    let arguments =
        "  region = \"cn-shanghai\"\n  endpoint = \"http://oss.invalid\"\n  max_retries = 0\n";
    let Some((workspace, proxy)) = behind_a_proxy(arguments) else { return };
    let environment =
        [KEYS[0], KEYS[1], ("HTTP_PROXY", proxy.as_str()), ("NO_PROXY", "oss.invalid")];
    let run = workspace.terraform_in(&environment, &APPLY).fails();
    assert!(run.stderr.contains("no connection could be made"), "{run}");
    assert!(workspace.emulator.exchanges().is_empty());
}

#[test]
fn requests_say_who_makes_them() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    let environment = [KEYS[0], KEYS[1], ("TF_APPEND_USER_AGENT", "pipeline/7 (team storage)")];
    workspace.terraform_in(&environment, &APPLY).succeeds();
    let exchanges = workspace.emulator.exchanges();
    let user_agent = exchanges[0].user_agent.as_deref().unwrap();
    let expected = concat!("terraform-provider-oss/", env!("CARGO_PKG_VERSION"), " Terraform/1.");
    assert!(user_agent.starts_with(expected), "{user_agent}");
    assert!(user_agent.ends_with(") pipeline/7 (team storage)"), "{user_agent}");
    assert!(user_agent.contains(std::env::consts::OS), "{user_agent}");
}

#[test]
fn every_attempt_is_logged() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    workspace.emulator.inject(Fault::answer(503, "MetaOperationQpsLimitExceeded"));
    let run = workspace.terraform(&APPLY).succeeds();
    let lines: Vec<&str> = run.log.lines().filter(|line| line.contains("called OSS")).collect();
    assert_eq!(lines.len(), 3, "{run}");
    let exchanges = workspace.emulator.exchanges();
    for (line, (exchange, attempt)) in lines.iter().zip(exchanges.iter().zip([1, 2, 1])) {
        for part in [
            "[DEBUG] provider".to_owned(),
            format!("method={}", exchange.method),
            "bucket=demo".to_owned(),
            format!("status={}", exchange.status),
            format!("code={}", exchange.code.as_deref().unwrap_or("\"\"")),
            format!("request_id={}", exchange.request_id),
            format!("attempt={attempt}"),
            "duration_ms=".to_owned(),
        ] {
            assert!(line.contains(&part), "{part:?} is missing: {line}");
        }
    }
}

#[test]
fn a_captive_portal_is_recognised() {
    let Some(workspace) = Workspace::new(&["demo"]) else { return };
    workspace.configure(RESOURCE);
    for (status, expected) in [
        (200, "has no x-oss-request-id"),
        (302, "HTTP status 302 and a body that is not an OSS error"),
        (403, "HTTP status 403 and a body that is not an OSS error"),
    ] {
        let page = Fault::garbage("text/html", "<html>Please log in</html>").status(status);
        workspace.emulator.inject(page.forever());
        let run = workspace.terraform(&APPLY).fails();
        for part in [expected, "such as a proxy or a captive portal"] {
            assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
        }
        workspace.emulator.clear_faults();
    }
}
