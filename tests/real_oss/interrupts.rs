//! Ctrl-C and other requests to end: the running command is interrupted, and its test fails, so that the bucket is
//! restored as after any failed test.

use std::collections::BTreeSet;
use std::process::{Child, Command, Output};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::service::report;

struct Commands {
    is_interrupted: bool,
    /// Process IDs of the commands that are running.
    running: BTreeSet<i32>,
}

static COMMANDS: Mutex<Commands> =
    Mutex::new(Commands { is_interrupted: false, running: BTreeSet::new() });

fn commands() -> MutexGuard<'static, Commands> {
    COMMANDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles the signals of this process from now on.
pub(crate) fn handle() {
    static HANDLED: Once = Once::new();
    HANDLED.call_once(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let guard = runtime.enter();
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [mut interrupt, mut terminate, mut hangup] = kinds.map(|kind| signal(kind).unwrap());
        drop(guard);
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    interrupt_commands();
                }
            });
        });
    });
}

fn interrupt_commands() {
    let mut commands = commands();
    report("interrupted: what was found is restored, which can take a minute");
    if commands.is_interrupted {
        // A second signal would end terraform before the provider has reported what it did.
        return;
    }
    commands.is_interrupted = true;
    for id in &commands.running {
        let _ = kill(Pid::from_raw(*id), Signal::SIGINT);
    }
}

/// Runs a command. Panics if this process was interrupted before the command ended.
pub(crate) fn run(command: &mut Command) -> Output {
    let (child, id) = {
        let mut commands = commands();
        assert!(!commands.is_interrupted, "interrupted");
        let child = spawn(command);
        let id = i32::try_from(child.id()).unwrap();
        commands.running.insert(id);
        (child, id)
    };
    let output = child.wait_with_output().unwrap();
    let mut commands = commands();
    commands.running.remove(&id);
    let is_interrupted = commands.is_interrupted;
    drop(commands);
    assert!(!is_interrupted, "interrupted");
    output
}

/// Runs a command to its end, in spite of signals.
pub(crate) fn run_to_the_end(command: &mut Command) -> Output {
    spawn(command).wait_with_output().unwrap()
}

/// Starts a command in its own process group, which Ctrl-C in the terminal does not reach.
fn spawn(command: &mut Command) -> Child {
    use std::os::unix::process::CommandExt as _;
    use std::process::Stdio;

    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}
