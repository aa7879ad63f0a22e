//! Processes that are killed during an apply or a destroy.

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
/// Maximum time for a provider to exit after terraform is gone.
const EXIT_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts terraform in its own process group.
pub(super) fn start(workspace: &Workspace, arguments: &[&str]) -> Child {
    workspace
        .command(&KEYS, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}

/// Sends a signal to a process, or to a process group if the ID has a minus sign.
pub(super) fn signal(signal: &str, process: &str) -> bool {
    Command::new("kill")
        .args([signal, "--", process])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// The provider processes of this workspace, identified by name and temporary directory.
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

/// Waits until the emulator has received this number of requests, or the process has exited.
fn wait_for_requests(workspace: &Workspace, calls: usize, child: &mut Child) {
    while workspace.emulator.requests().len() < calls && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// Waits until all providers have exited.
pub(super) fn expect_no_orphans(workspace: &Workspace, what: &str) {
    let started = Instant::now();
    while !providers(workspace).is_empty() {
        assert!(started.elapsed() < EXIT_TIMEOUT, "{what}: a provider is orphaned");
        std::thread::yield_now();
    }
}

/// The number of sockets that providers left in the temporary directory.
fn leftovers(workspace: &Workspace) -> usize {
    let entries = fs::read_dir(workspace.path("")).unwrap().filter_map(Result::ok);
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("plugin")).count()
}

/// Kills a process during an apply, then during a destroy, and expects that the next run recovers.
fn kill_at_many_times(victim: fn(&Workspace, &mut Child), what: &str) {
    let rounds = short_or_long(6, 50);
    let random = &mut fastrand::Rng::with_seed(7);
    let (mut kills, mut lost_responses, mut truncated) = (0, 0, 0);
    for round in 0..rounds {
        let Some(workspace) = workspace_with_buckets(RESOURCES) else { return };
        // Keeps requests in flight when the process is killed.
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
            wait_for_requests(&workspace, calls, &mut terraform);
            victim(&workspace, &mut terraform);
            let status = terraform.wait().unwrap();
            kills += usize::from(!status.success());
            expect_no_orphans(&workspace, what);
            // Terraform writes the file in place. If it is killed then, the last valid file must be
            // restored, as users would do.
            let after = resources_in(&state_file(&workspace)).unwrap_or_else(|_| {
                truncated += 1;
                fs::write(workspace.path("terraform.tfstate"), &file_before).unwrap();
                before.clone()
            });
            // Resources that were in the state stay there as long as their rule exists.
            let rules_left = rules(&workspace, RESOURCES);
            for bucket in before.keys().filter(|bucket| rules_left.contains_key(*bucket)) {
                assert!(after.contains_key(bucket), "{what} {round}: {bucket} was lost");
            }
            lost_responses +=
                rules_left.keys().filter(|bucket| !after.contains_key(*bucket)).count();
            let (code, text) = run(&workspace, &arguments);
            assert_eq!(code, Some(0), "{what} {round}: {text}");
            let expected = if is_destroy { 0 } else { RESOURCES };
            assert_eq!(rules(&workspace, RESOURCES).len(), expected, "{what} {round}");
            assert_eq!(state(&workspace), rules(&workspace, RESOURCES), "{what} {round}");
        }
    }
    report(format!(
        "kills of {what}: {rounds} applies and {rounds} destroys, {kills} runs were aborted, every next run \
         recovered ({lost_responses} rules were set without a response, {truncated} state files were \
         truncated), no orphaned process",
    ));
}

#[test]
fn a_killed_provider_loses_nothing() {
    let victim = |workspace: &Workspace, _: &mut Child| {
        for process in providers(workspace) {
            signal("-KILL", &process);
        }
    };
    kill_at_many_times(victim, "the provider");
}

#[test]
fn a_killed_terraform_leaves_no_orphan() {
    let victim = |_: &Workspace, terraform: &mut Child| {
        signal("-KILL", &terraform.id().to_string());
    };
    kill_at_many_times(victim, "terraform");
}

#[test]
fn a_killed_terraform_leaves_no_socket() {
    let Some(workspace) = workspace_with_buckets(1) else { return };
    workspace.emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    configure(&workspace, 1, "AES256");
    let mut terraform = start(&workspace, &["apply", "-auto-approve"]);
    wait_for_requests(&workspace, 1, &mut terraform);
    assert_eq!((providers(&workspace).len(), leftovers(&workspace)), (1, 1), "it serves");
    signal("-KILL", &terraform.id().to_string());
    terraform.wait().unwrap();
    expect_no_orphans(&workspace, "terraform");
    assert_eq!(leftovers(&workspace), 0);
}
