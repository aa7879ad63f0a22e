//! Records the resource usage of provider processes. Terraform starts this executable instead of the
//! provider; it runs the provider and queries its usage afterwards. This takes time, so timed runs do
//! not use it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::resource::{Usage as SystemUsage, UsageWho, getrusage};

/// Variable with the path of the provider.
const PROVIDER: &str = "BENCH_RECORDED_PROVIDER";
/// Variable with the path of the output file, which gets one line per process.
const RECORD: &str = "BENCH_RECORD";

/// The resource usage of one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// CPU time of the recorder itself.
    pub(crate) recorder_cpu: Duration,
    /// Peak memory of the provider or of the recorder, whichever is larger.
    pub(crate) peak_kib: u64,
}

/// Runs the provider if terraform started this process instead of it.
pub(crate) fn run_in_place() -> Option<ExitCode> {
    let provider = std::env::var_os(PROVIDER)?;
    let record = std::env::var_os(RECORD)?;
    let status = Command::new(provider).env_remove(PROVIDER).env_remove(RECORD).status();
    let status = status.expect("the provider can be started");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask about its own");
    let own = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask about itself");
    let (cpu, recorder_cpu) = (cpu(&usage).as_micros(), cpu(&own).as_micros());
    let line = format!("{cpu} {recorder_cpu} {}\n", usage.max_rss());
    let mut record = OpenOptions::new().append(true).create(true).open(record).unwrap();
    // In one write, because several processes may exit at once.
    record.write_all(line.as_bytes()).unwrap();
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes a command's provider processes write to this file.
pub(crate) fn enable(command: &mut Command, provider: &Path, record: &Path) {
    command.env(PROVIDER, provider).env(RECORD, record);
}

/// Reads and deletes the recorded usage.
pub(crate) fn take(record: &Path) -> Vec<Usage> {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    let _ = std::fs::remove_file(record);
    let usage = |line: &str| {
        let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
        let mut next = || numbers.next().unwrap();
        let (cpu, recorder_cpu) = (Duration::from_micros(next()), Duration::from_micros(next()));
        Usage { cpu, recorder_cpu, peak_kib: next() }
    };
    text.lines().map(usage).collect()
}

/// The CPU time of all finished child processes and their children.
pub(crate) fn cpu_of_children() -> Duration {
    cpu(&getrusage(UsageWho::RUSAGE_CHILDREN).unwrap())
}

/// The CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    cpu(&getrusage(UsageWho::RUSAGE_SELF).unwrap())
}

fn cpu(usage: &SystemUsage) -> Duration {
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = user.tv_sec() + system.tv_sec();
    let micros = seconds * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap())
}
