//! What a create leaves in the state, whatever happens: only a rule that was written or found in place, so that no
//! other one is deleted. `docs/reliability.md` has the table.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use oss_emulator::{EncryptionRule, Fault};

use super::workspace::Workspace;

const APPLY: [&str; 3] = ["apply", "-auto-approve", "-no-color"];

/// A bucket `demo` with this rule, set by hand.
fn workspace(by_hand: Option<&str>) -> Option<Workspace> {
    let workspace = Workspace::new(&["demo"])?;
    if let Some(algorithm) = by_hand {
        workspace.emulator.set_rule("demo", EncryptionRule::new(algorithm));
    }
    Some(workspace)
}

fn algorithm(workspace: &Workspace) -> Option<String> {
    workspace.emulator.rule("demo").map(|rule| rule.sse_algorithm)
}

/// The provider block with this endpoint, without retries.
fn provider(endpoint: &str) -> String {
    format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {endpoint:?}\n  max_retries = 0\n}}\n"
    )
}

/// Configures AES256 for the bucket.
fn configure(workspace: &Workspace, timeout: &str) {
    workspace.configure_with(&provider(&workspace.emulator.url()), &resource(timeout));
}

fn resource(timeout: &str) -> String {
    format!(
        "resource \"oss_bucket_encryption\" \"this\" {{\n  bucket = \"demo\"\n  sse_algorithm = \"AES256\"\n  \
         timeouts {{ create = \"{timeout}\" }}\n}}\n"
    )
}

/// After a failed create: removing the resource from the configuration deletes nothing, and the next apply
/// with it succeeds.
#[track_caller]
fn assert_nothing_in_state(workspace: &Workspace) {
    assert_eq!(workspace.state(), []);
    workspace.emulator.clear_faults();
    let before = algorithm(workspace);
    workspace.configure_with(&provider(&workspace.emulator.url()), "");
    workspace.calls();
    workspace.apply();
    assert_eq!((workspace.calls(), algorithm(workspace)), (vec![], before));
    configure(workspace, "5m");
    workspace.apply();
    assert!(!workspace.calls().iter().any(|call| call.starts_with("DELETE")));
    assert_eq!(algorithm(workspace).as_deref(), Some("AES256"));
    workspace.expect_no_changes();
}

/// After a create with a warning: the resource is in the state and not tainted.
#[track_caller]
fn is_kept(workspace: &Workspace) {
    workspace.emulator.clear_faults();
    assert_eq!(workspace.state().len(), 1);
    workspace.expect_no_changes();
    assert!(!workspace.calls().iter().any(|call| call.starts_with("DELETE")));
}

#[test]
fn a_rule_that_is_there_already_is_not_written_again() {
    let Some(workspace) = workspace(Some("AES256")) else { return };
    configure(&workspace, "5m");
    let run = workspace.apply();
    assert!(!run.stdout.contains("existing encryption"), "{run}");
    assert_eq!(workspace.calls(), ["GET demo 200"]);
    is_kept(&workspace);
}

#[test]
fn replacing_a_rule_warns_with_both() {
    let Some(workspace) = workspace(None) else { return };
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_master_key_id = Some("0c8a6ecc-3ed1-42c9-b8b0-07e1de0a0001".to_owned());
    workspace.emulator.set_rule("demo", rule);
    configure(&workspace, "5m");
    let run = workspace.apply();
    for part in ["Warning: The existing encryption of bucket demo was replaced", "07e1de0a0001"] {
        assert!(run.stdout.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.calls(), ["GET demo 200", "PUT demo 200", "GET demo 200"]);
    is_kept(&workspace);
}

#[test]
fn a_connection_that_is_never_made_leaves_nothing_in_the_state() {
    // The operating system accepts connections, but there is no response to the TLS hello.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("https://{}", listener.local_addr().unwrap());
    // Nothing listens here any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, timeout) in [(silent, "1s"), (format!("http://{closed}"), "5m")] {
        let Some(workspace) = workspace(Some("KMS")) else { return };
        workspace.configure_with(&provider(&endpoint), &resource(timeout));
        let run = workspace.terraform(&APPLY).fails();
        assert!(run.stderr.contains("Cannot set the encryption of bucket demo"), "{run}");
        assert_eq!(algorithm(&workspace).as_deref(), Some("KMS"));
        assert_nothing_in_state(&workspace);
    }
}

#[test]
fn a_write_that_is_rejected_or_throttled_is_not_in_the_state() {
    for (status, code) in [
        (403, "AccessDenied"),
        (503, "MetaOperationQpsLimitExceeded"),
        (429, "Throttling"),
        (409, "OperationAborted"),
    ] {
        let Some(workspace) = workspace(Some("KMS")) else { return };
        configure(&workspace, "1s");
        workspace.emulator.inject(Fault::error_response(status, code).method("PUT").forever());
        workspace.terraform(&APPLY).fails();
        let calls = workspace.calls();
        assert_eq!(calls[0], "GET demo 200");
        assert!(calls[1..].iter().all(|call| *call == format!("PUT demo {status}")), "{calls:?}");
        assert_eq!(algorithm(&workspace).as_deref(), Some("KMS"));
        assert_nothing_in_state(&workspace);
    }
}

#[test]
fn a_write_that_cannot_be_read_back_is_kept_and_not_tainted() {
    for fault in [
        Fault::error_response(403, "AccessDenied"),
        Fault::raw_response("text/html", "<html>"),
        Fault::delay(Duration::from_mins(5)),
    ] {
        let Some(workspace) = workspace(None) else { return };
        configure(&workspace, "1s");
        // The read before the write succeeds.
        workspace.emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
        workspace.emulator.inject(fault.method("GET").forever());
        let run = workspace.apply();
        assert!(run.stdout.contains("was set, but not verified"), "{run}");
        is_kept(&workspace);
    }
}

#[test]
fn a_write_without_permission_to_read_is_kept_and_not_tainted() {
    let Some(workspace) = workspace(Some("KMS")) else { return };
    configure(&workspace, "5m");
    workspace.emulator.inject(Fault::error_response(403, "AccessDenied").method("GET").forever());
    let run = workspace.apply();
    for part in ["The previous encryption of bucket demo is unknown", "was set, but not verified"] {
        assert!(run.stdout.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.calls(), ["GET demo 403", "PUT demo 200", "GET demo 403"]);
    is_kept(&workspace);
}

#[test]
fn a_read_that_no_request_can_pass_ends_a_create() {
    let Some(workspace) = workspace(Some("KMS")) else { return };
    configure(&workspace, "5m");
    let rejected = |status, code| Fault::error_response(status, code);
    let denied = || rejected(403, "AccessDenied");
    let elsewhere = "oss-cn-shanghai.aliyuncs.com";
    for (fault, advice) in [
        // The signature and the credentials.
        (denied().ec("0002-00000080"), "so that requests are signed with V4"),
        (rejected(400, "InvalidArgument").ec("0002-00000227"), "belongs to a CloudBox"),
        (rejected(403, "InvalidAccessKeyId"), "does not exist or is disabled"),
        (rejected(403, "InvalidAccessKeyId").ec("0002-00000904"), "does not exist or is disabled"),
        (rejected(403, "SignatureDoesNotMatch"), "does not match the AccessKey ID"),
        (rejected(403, "SecurityTokenExpired").forever(), "have expired"),
        (rejected(403, "SomethingNew").ec("0002-00000999"), "OSS recommends: https://"),
        // The accounts of caller and bucket.
        (rejected(403, "UserDisable"), "usually because of an overdue payment"),
        (rejected(403, "InDebt"), "overdue payment"),
        (rejected(403, "InDebtOverdue"), "overdue payment"),
        (rejected(403, "AbnormalBucketOwnerStatus"), "owns the bucket"),
        (rejected(403, "BucketDisable"), "has disabled the bucket"),
        // The address.
        (denied().endpoint(elsewhere), "must be accessed at oss-cn-shanghai"),
        (rejected(301, "PermanentRedirect").endpoint(elsewhere), "must be accessed at"),
        (rejected(403, "NonStandardHostForbidden"), "OSS does not serve"),
        (rejected(403, "SecondLevelDomainForbidden"), "virtual-hosted-style"),
        // Not OSS at all.
        (Fault::raw_response("text/html", "<html>Blocked").status(403), "captive portal"),
    ] {
        workspace.emulator.clear_faults();
        workspace.emulator.inject(fault.method("GET"));
        let run = workspace.terraform(&APPLY).fails();
        let text = run.stderr.replace(['\n', '│'], " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["Cannot set the encryption of bucket demo", "Nothing was written", advice] {
            assert!(text.contains(part), "{part:?} is missing:\n{run}");
        }
        let calls = workspace.calls();
        assert!(calls.iter().all(|call| call.starts_with("GET demo")), "{calls:?}\n{run}");
    }
    assert_eq!(algorithm(&workspace).as_deref(), Some("KMS"));
    assert_nothing_in_state(&workspace);
}

#[test]
fn a_write_that_stays_invisible_is_not_in_the_state() {
    for by_hand in [None, Some("KMS")] {
        let Some(workspace) = workspace(by_hand) else { return };
        configure(&workspace, "1s");
        workspace.emulator.inject(Fault::stale_reads(1_000_000));
        let run = workspace.terraform(&APPLY).fails();
        assert!(run.stderr.contains("does not return the rule that was written"), "{run}");
        assert!(run.stderr.contains("Running apply again is safe"), "{run}");
        assert_nothing_in_state(&workspace);
    }
}

#[test]
fn a_setting_that_something_else_changes_ends_a_create_at_once() {
    let Some(workspace) = workspace(Some("KMS")) else { return };
    configure(&workspace, "5m");
    // The read before the write finds no rule, and those after it another one than the written.
    let missing = Fault::error_response(404, "NoSuchServerSideEncryptionRule");
    workspace.emulator.inject(missing.method("GET"));
    workspace.emulator.inject(Fault::stale_reads(1_000_000));
    let run = workspace.terraform(&APPLY).fails();
    for part in [
        "Something else sets the encryption of bucket demo",
        "OSS accepted AES256, but then returned KMS",
        "server_side_encryption_rule",
    ] {
        assert!(run.stderr.contains(part), "{part:?} is missing:\n{run}");
    }
    assert_eq!(workspace.calls(), ["GET demo 404", "PUT demo 200", "GET demo 200"]);
    assert_nothing_in_state(&workspace);
}

#[test]
fn a_write_with_unknown_outcome_is_read_once() {
    for (fault, is_set) in [
        (Fault::reset_after(), true),
        (Fault::delay(Duration::from_mins(5)), true),
        (Fault::reset_before(), false),
        (Fault::error_response(500, "InternalError"), false),
    ] {
        let Some(workspace) = workspace(Some("KMS")) else { return };
        configure(&workspace, "1s");
        workspace.emulator.inject(fault.method("PUT"));
        let run = workspace.terraform(&APPLY);
        let calls = workspace.calls();
        assert_eq!((calls.len(), &*calls[2]), (3, "GET demo 200"), "{calls:?}");
        if is_set {
            let run = run.succeeds();
            assert!(run.stdout.contains("was set, but not confirmed"), "{run}");
            assert_eq!(algorithm(&workspace).as_deref(), Some("AES256"));
            is_kept(&workspace);
        } else {
            let run = run.fails();
            assert!(run.stderr.contains("Running apply again is safe"), "{run}");
            assert_eq!(algorithm(&workspace).as_deref(), Some("KMS"));
            assert_nothing_in_state(&workspace);
        }
    }
}

/// Sends Ctrl-C while this request is waiting for its response.
#[cfg(unix)]
fn interrupted_during(workspace: &Workspace, method: &str) {
    use std::process::{Command, Stdio};

    let mut terraform = workspace.command(&super::workspace::KEYS, &APPLY);
    let mut terraform = terraform.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !workspace.emulator.requests().iter().any(|request| request.method == method) {
        assert!(terraform.try_wait().unwrap().is_none(), "terraform has ended");
        thread::yield_now();
    }
    let pid = terraform.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    terraform.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_only_what_was_written_in_the_state() {
    for (method, is_set) in [("GET", false), ("PUT", true)] {
        let Some(workspace) = workspace(Some("KMS")) else { return };
        configure(&workspace, "5m");
        workspace.emulator.inject(Fault::delay(Duration::from_mins(5)).method(method));
        interrupted_during(&workspace, method);
        if is_set {
            assert_eq!(algorithm(&workspace).as_deref(), Some("AES256"));
            is_kept(&workspace);
        } else {
            assert_eq!(workspace.calls(), ["GET demo 200"]);
            assert_nothing_in_state(&workspace);
        }
    }
}

#[test]
fn a_stale_read_before_a_destroy_does_not_drop_the_rule() {
    let Some(workspace) = workspace(None) else { return };
    configure(&workspace, "5m");
    workspace.apply();
    workspace.calls();
    workspace.emulator.inject(Fault::error_response(404, "NoSuchServerSideEncryptionRule"));
    workspace.terraform(&["destroy", "-auto-approve"]).succeeds();
    assert_eq!(workspace.calls(), ["GET demo 404", "GET demo 200", "DELETE demo 204"]);
    assert_eq!(algorithm(&workspace), None);
}
