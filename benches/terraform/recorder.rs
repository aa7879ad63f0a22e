//! What a provider process used: this program, started in its place, runs it and asks the system
//! about it afterwards. It is in the way of the clock, so that clocked runs go without.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::resource::{Usage as SystemUsage, UsageWho, getrusage};

/// The binary that is to run.
const PROVIDER: &str = "BENCH_RECORDED_PROVIDER";
/// The file that gets a line for each process.
const RECORD: &str = "BENCH_RECORD";

/// What one process used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// What asking about it took, in CPU time.
    pub(crate) asking: Duration,
    /// Or that of this program, if that was more.
    pub(crate) peak_kib: u64,
}

/// Runs the provider if this process was started in its place.
pub(crate) fn run_in_place() -> Option<ExitCode> {
    let provider = std::env::var_os(PROVIDER)?;
    let record = std::env::var_os(RECORD)?;
    let status = Command::new(provider).env_remove(PROVIDER).env_remove(RECORD).status();
    let status = status.expect("the provider can be started");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask about its own");
    let own = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask about itself");
    let (cpu, asking) = (cpu(&usage).as_micros(), cpu(&own).as_micros());
    let line = format!("{cpu} {asking} {}\n", usage.max_rss());
    let mut record = OpenOptions::new().append(true).create(true).open(record).unwrap();
    // In one piece: several may end at once.
    record.write_all(line.as_bytes()).unwrap();
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A folder with this program under the name of the provider.
pub(crate) fn install(folder: &Path, provider: &Path) -> PathBuf {
    let recorded = folder.join("recorded");
    std::fs::create_dir_all(&recorded).unwrap();
    let name = provider.file_name().unwrap_or(OsStr::new("terraform-provider"));
    let this = std::env::current_exe().unwrap();
    std::os::unix::fs::symlink(this, recorded.join(name)).unwrap();
    recorded
}

/// Makes the processes that a command starts leave their record in this file.
pub(crate) fn enable(command: &mut Command, provider: &Path, record: &Path) {
    command.env(PROVIDER, provider).env(RECORD, record);
}

/// Reads and forgets what is recorded.
pub(crate) fn take(record: &Path) -> Vec<Usage> {
    let text = std::fs::read_to_string(record).unwrap_or_default();
    let _ = std::fs::remove_file(record);
    let usage = |line: &str| {
        let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
        let mut next = || numbers.next().unwrap();
        let (cpu, asking) = (Duration::from_micros(next()), Duration::from_micros(next()));
        Usage { cpu, asking, peak_kib: next() }
    };
    text.lines().map(usage).collect()
}

/// The CPU time of all processes that this one has started and that have ended, theirs included.
pub(crate) fn cpu_of_children() -> Duration {
    cpu(&getrusage(UsageWho::RUSAGE_CHILDREN).unwrap())
}

fn cpu(usage: &SystemUsage) -> Duration {
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = user.tv_sec() + system.tv_sec();
    let micros = seconds * 1_000_000 + user.tv_usec() + system.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap())
}
