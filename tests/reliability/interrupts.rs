//! Interrupting a run that is waiting for a retry.

use std::time::Instant;

use oss_emulator::Fault;

use super::kills::{expect_no_orphans, signal, start};
use super::{configure, report, rules, run, state, workspace_with_buckets};

/// Ctrl-C is sent to the process group, a service manager's signal to terraform alone.
fn stop_during_a_retried_request(name: &str, to_group: bool) {
    let Some(workspace) = workspace_with_buckets(5) else { return };
    configure(&workspace, 5, "AES256");
    // After a 503 the outcome would be unknown, and the bucket would be read once more.
    let throttled = || Fault::error_response(429, "Throttling").retry_after(60);
    workspace.emulator.inject(throttled().bucket("b-0003").forever());
    let mut terraform = start(&workspace, &["apply", "-auto-approve", "-no-color"]);
    // The other four are finished, and the fifth was throttled.
    while rules(&workspace, 5).len() < 4 || workspace.emulator.requests().len() < 9 {
        assert!(terraform.try_wait().unwrap().is_none(), "terraform exited early");
        std::thread::yield_now();
    }
    let group = if to_group { "-" } else { "" };
    let stopped = Instant::now();
    assert!(signal(name, &format!("{group}{}", terraform.id())));
    let status = terraform.wait().unwrap();
    let took = stopped.elapsed();
    assert_eq!(status.code(), Some(1));
    expect_no_orphans(&workspace, name);
    // The state contains the finished resources only.
    assert_eq!(state(&workspace), rules(&workspace, 5));
    assert_eq!(state(&workspace).len(), 4);
    // It did not wait for the retry, which is due in a minute.
    assert!(took.as_secs() < 30, "{took:?}");
    workspace.emulator.clear_faults();
    let (code, text) = run(&workspace, &["apply", "-auto-approve", "-no-color"]);
    assert_eq!((code, state(&workspace).len()), (Some(0), 5), "{text}");
    let target = if to_group { "the process group" } else { "terraform" };
    report(format!("interrupts: {name} to {target}: ended after {:.2} s", took.as_secs_f64()));
}

#[test]
fn an_interrupt_ends_a_retried_request() {
    stop_during_a_retried_request("-INT", true);
}

#[test]
fn a_termination_ends_a_retried_request() {
    stop_during_a_retried_request("-TERM", false);
}

#[test]
fn a_termination_of_the_process_group_ends_a_retried_request() {
    stop_during_a_retried_request("-TERM", true);
}
