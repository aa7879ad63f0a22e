//! A long-running provider in debug mode: repeated plans with expiring sessions.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oss_emulator::{EncryptionRule, Role};

use super::workspace::{KEY_ID, KEY_SECRET, Workspace};
use super::{report, short_or_long};

const ROLE: &str = "acs:ram::1234567890123456:role/deploy";

/// The provider in debug mode, which is killed when the value is dropped.
struct Served {
    process: Child,
    /// The value of `TF_REATTACH_PROVIDERS`.
    reattach: String,
}

impl Served {
    fn start(workspace: &Workspace) -> Self {
        let built = || PathBuf::from(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        // Can be another build, such as a released one.
        let binary = std::env::var_os("PROVIDER_BINARY").map_or_else(built, PathBuf::from);
        let mut process = Command::new(binary)
            .arg("--debug")
            .env_clear()
            .env("TMPDIR", workspace.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let value = lines.map_while(Result::ok).find_map(|line| {
            let value = line.trim().strip_prefix("TF_REATTACH_PROVIDERS=")?;
            Some(value.trim_matches('\'').to_owned())
        });
        Self { process, reattach: value.unwrap() }
    }

    /// Resident memory in kB, open files, and threads.
    fn usage(&self) -> [u64; 3] {
        let directory = PathBuf::from(format!("/proc/{}", self.process.id()));
        let status = fs::read_to_string(directory.join("status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let files = fs::read_dir(directory.join("fd")).unwrap().count() as u64;
        [number("VmRSS:"), files, number("Threads:")]
    }
}

impl Served {
    /// The usage once the connections of the last plan are closed, for which terraform does not wait.
    /// Files that are open after that, and were not at the start, are leaked.
    fn usage_at_rest(&self, files_at_start: u64) -> [u64; 3] {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let usage = self.usage();
            if usage[1] <= files_at_start || Instant::now() >= deadline {
                return usage;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_running_provider_leaks_nothing() {
    let Some(workspace) = Workspace::with(|config| {
        let names: Vec<String> = (0..20).map(|number| format!("b-{number:02}")).collect();
        let config = config.with_role(Role::new(ROLE));
        names.iter().fold(config, |config, name| config.with_bucket(name))
    }) else {
        return;
    };
    // Each session expires after one or two plans, in the long form after a minute.
    workspace.emulator.set_session_seconds(Some(short_or_long(2, 60) as u64));
    for number in 0..20 {
        workspace.emulator.set_rule(&format!("b-{number:02}"), EncryptionRule::new("AES256"));
    }
    let url = workspace.emulator.url();
    let provider = format!(
        "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {url:?}\n  sts_endpoint = {url:?}\n  \
         access_key = {KEY_ID:?}\n  secret_key = {KEY_SECRET:?}\n  assume_role {{\n    \
         role_arn = {ROLE:?}\n  }}\n}}\n"
    );
    let resources = "resource \"oss_bucket_encryption\" \"all\" {\n  count = 20\n  \
                     bucket = format(\"b-%02d\", count.index)\n  sse_algorithm = \"AES256\"\n}\n";
    workspace.configure_with(&provider, resources);
    let served = Served::start(&workspace);
    let run = |arguments: &[&str]| {
        let environment = [("TF_REATTACH_PROVIDERS", served.reattach.as_str())];
        let output = workspace.command(&environment, arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&text));
    };
    let [_, files_at_start, _] = served.usage();
    run(&["apply", "-auto-approve"]);
    // The first plans initialize everything that is created on first use.
    for _ in 0..5 {
        run(&["plan", "-detailed-exitcode"]);
    }
    let before = served.usage_at_rest(files_at_start);
    let length = Duration::from_secs(short_or_long(8, 30 * 60) as u64);
    let (started, mut plans) = (Instant::now(), 0);
    let mut highest = before;
    while started.elapsed() < length {
        run(&["plan", "-detailed-exitcode"]);
        plans += 1;
        workspace.emulator.clear_requests();
        let now = served.usage();
        highest = [0, 1, 2].map(|index| highest[index].max(now[index]));
    }
    let after = served.usage_at_rest(files_at_start);
    let sessions = workspace.emulator.secrets().len() / 2;
    report(format!(
        "endurance: {plans} plans of 20 resources in {:.0} s, {sessions} sessions: memory {} kB, then {} kB \
         (at most {}), open files {}, then {}, threads {}, then {}",
        started.elapsed().as_secs_f64(),
        before[0],
        after[0],
        highest[0],
        before[1],
        after[1],
        before[2],
        after[2],
    ));
    assert!(plans > 1);
    assert!(after[0] < before[0] + 4096, "memory grows: {before:?} {after:?}");
    assert!(after[1] <= files_at_start, "files stay open: {files_at_start} {before:?} {after:?}");
    assert!(after[2] <= before[2] + 1, "{before:?} {after:?}");
}
