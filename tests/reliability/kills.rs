//! Processes that are killed in the middle of their work.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oss_emulator::Fault;

use super::workspace::{KEYS, Workspace};
use super::{
    configure, report, resources_in, rules, run, short_or_long, state, state_file,
    workspace_with_buckets,
};

const RESOURCES: usize = 20;
/// So long a process may take to see that its host is gone, before this is a failure.
const HANGS: Duration = Duration::from_secs(20);

/// Starts terraform in a process group of its own.
pub(super) fn start(workspace: &Workspace, arguments: &[&str]) -> Child {
    workspace
        .command(&KEYS, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// Sends a signal to a process, or with a minus to a process group.
pub(super) fn signal(signal: &str, process: &str) -> bool {
    Command::new("kill")
        .args([signal, "--", process])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// The providers that this workspace's terraform has started: by their parent or, once that is gone,
/// by their folder for temporary files.
fn providers(workspace: &Workspace) -> Vec<String> {
    let home = workspace.path("");
    let home = home.to_str().unwrap().trim_end_matches('/').to_owned();
    let is_ours = |process: &Path| {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let temporary = format!("TMPDIR={home}");
        name.starts_with("terraform-provi")
            && environment.split(|byte| *byte == 0).any(|entry| entry == temporary.as_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter(|entry| is_ours(&entry.path()))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// Waits until the endpoint has seen so many calls, or the process has ended.
fn wait_for_calls(workspace: &Workspace, calls: usize, child: &mut Child) {
    while workspace.emulator.requests().len() < calls && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// Waits until no provider is left, and fails if one stays.
pub(super) fn expect_no_orphans(workspace: &Workspace, what: &str) {
    let started = Instant::now();
    while !providers(workspace).is_empty() {
        assert!(started.elapsed() < HANGS, "{what}: an orphan stays");
        std::thread::yield_now();
    }
}

/// What providers leave behind in the folder for temporary files.
fn leftovers(workspace: &Workspace) -> usize {
    let entries = fs::read_dir(workspace.path("")).unwrap().filter_map(Result::ok);
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("plugin")).count()
}

/// Kills at a moment of an apply, then of a destroy, and expects that the next run mends it.
fn kill_at_many_moments(victim: fn(&Workspace, &mut Child), what: &str) {
    let moments = short_or_long(6, 50);
    let random = &mut fastrand::Rng::with_seed(7);
    let (mut kills, mut lost_answers, mut torn) = (0, 0, 0);
    for moment in 0..moments {
        let Some(workspace) = workspace_with_buckets(RESOURCES) else { return };
        // So that a kill meets calls in flight.
        workspace.emulator.inject(Fault::delay(Duration::from_millis(5)).forever());
        configure(&workspace, RESOURCES, "AES256");
        let apply = ["apply", "-auto-approve", "-no-color"];
        let destroy = ["destroy", "-auto-approve", "-no-color"];
        for arguments in [apply, destroy] {
            let is_destroy = arguments == destroy;
            // A destroy reads first.
            let calls = random.usize(0..2 * RESOURCES);
            workspace.emulator.clear_requests();
            let (file_before, before) = (state_file(&workspace), state(&workspace));
            let mut terraform = start(&workspace, &arguments);
            wait_for_calls(&workspace, calls, &mut terraform);
            victim(&workspace, &mut terraform);
            let status = terraform.wait().unwrap();
            kills += usize::from(!status.success());
            expect_no_orphans(&workspace, what);
            // Terraform writes the file in place. Who kills it in that moment puts the last good one back,
            // as its users do.
            let after = resources_in(&state_file(&workspace)).unwrap_or_else(|_| {
                torn += 1;
                fs::write(workspace.path("terraform.tfstate"), &file_before).unwrap();
                before.clone()
            });
            // What the state knew before is in it as long as its rule is there.
            let rules_left = rules(&workspace, RESOURCES);
            for bucket in before.keys().filter(|bucket| rules_left.contains_key(*bucket)) {
                assert!(after.contains_key(bucket), "{what} {moment}: {bucket} was lost");
            }
            lost_answers += rules_left.keys().filter(|bucket| !after.contains_key(*bucket)).count();
            let (code, text) = run(&workspace, &arguments);
            assert_eq!(code, Some(0), "{what} {moment}: {text}");
            let expected = if is_destroy { 0 } else { RESOURCES };
            assert_eq!(rules(&workspace, RESOURCES).len(), expected, "{what} {moment}");
            assert_eq!(state(&workspace), rules(&workspace, RESOURCES), "{what} {moment}");
        }
    }
    report(format!(
        "kills of {what}: {moments} moments of an apply and of a destroy, {kills} runs were broken off, each \
         next run mended it ({lost_answers} rules were set without an answer, {torn} times half a state file \
         was left), no orphan",
    ));
}

#[test]
fn a_killed_provider_loses_nothing() {
    let victim = |workspace: &Workspace, _: &mut Child| {
        for process in providers(workspace) {
            signal("-KILL", &process);
        }
    };
    kill_at_many_moments(victim, "the provider");
}

#[test]
fn a_killed_terraform_leaves_no_orphan() {
    let victim = |_: &Workspace, terraform: &mut Child| {
        signal("-KILL", &terraform.id().to_string());
    };
    kill_at_many_moments(victim, "terraform");
}

#[test]
fn a_host_that_is_killed_leaves_no_socket() {
    let Some(workspace) = workspace_with_buckets(1) else { return };
    workspace.emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    configure(&workspace, 1, "AES256");
    let mut terraform = start(&workspace, &["apply", "-auto-approve"]);
    wait_for_calls(&workspace, 1, &mut terraform);
    assert_eq!((providers(&workspace).len(), leftovers(&workspace)), (1, 1), "it serves");
    signal("-KILL", &terraform.id().to_string());
    terraform.wait().unwrap();
    expect_no_orphans(&workspace, "terraform");
    assert_eq!(leftovers(&workspace), 0);
}
