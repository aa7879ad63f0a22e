//! The external process of a profile: a program that prints credentials.
//!
//! Rule: aliyun-cli, mode `External`: the command line is split by `command_line`, without a
//! shell; its timeout is a minute. Its output never gets into a message or a log.
//!
//! A program that takes too long, or whose call is cancelled, is killed together with everything that it
//! started: on Unix it runs in a process group of its own. On Windows only the program itself is killed.

use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::command_line::{self, Rules};
use super::response::parse_process_output;
use super::{Credentials, CredentialsErrorKind};
use crate::oss::sanitize::Sanitizer;

const TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum time to wait for output after the program has ended: a process that it started may keep the pipe
/// open.
const GRACE: Duration = Duration::from_secs(1);
/// More output than this, in bytes, is no profile.
const MAX_OUTPUT: usize = 64 * 1024;

/// Runs a command line and reads the credentials that it prints.
pub(super) async fn run(
    command_line: &str,
    sanitizer: &Sanitizer,
) -> Result<Credentials, CredentialsErrorKind> {
    run_within(TIMEOUT, command_line, sanitizer).await
}

async fn run_within(
    limit: Duration,
    command_line: &str,
    sanitizer: &Sanitizer,
) -> Result<Credentials, CredentialsErrorKind> {
    let no_program = |reason: &str| CredentialsErrorKind::Process {
        program: "process_command".to_owned(),
        reason: sanitizer.text(format!("cannot be run: {reason}")),
    };
    let words = command_line::split(command_line, Rules::OF_THIS_SYSTEM)
        .ok_or_else(|| no_program("a quotation mark is not closed"))?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| no_program("it names no program"))?;
    // An assignment before the program is mistaken for it, and its value may be a secret.
    let shown = program.split('=').next().unwrap_or_default();
    let error = |reason: String| CredentialsErrorKind::Process {
        program: shown.to_owned(),
        reason: sanitizer.text(reason),
    };
    let mut group =
        spawn(program, arguments).map_err(|cause| error(format!("cannot be run: {cause}")))?;
    let (status, output) = timeout(limit, group.output())
        .await
        .map_err(|_| error(format!("did not end within {} seconds", limit.as_secs())))?
        .map_err(|cause| error(format!("failed: {cause}")))?
        .ok_or_else(|| error(format!("printed more than {MAX_OUTPUT} bytes: no profile")))?;
    if !status.success() {
        return Err(error(format!("failed ({status}); run it manually to see why")));
    }
    parse_process_output(&output)
        .map_err(|reason| error(format!("printed no usable credentials: {reason}")))
}

fn spawn(program: &str, arguments: &[String]) -> io::Result<Group> {
    let mut command = Command::new(program);
    #[cfg(unix)]
    command.process_group(0);
    command
        .args(arguments)
        // Standard input is Terraform's own, and its standard error would be logged.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map(Group)
}

/// A program with its process group, which is killed on drop unless the program has ended.
struct Group(Child);

impl Group {
    /// Waits for the end of the program, and returns its output. `None` if it prints more than a profile; it may
    /// then wait for a reader.
    async fn output(&mut self) -> io::Result<Option<(ExitStatus, Vec<u8>)>> {
        let child = &mut self.0;
        let mut stdout = child.stdout.take();
        let mut output = Vec::new();
        let mut reading = pin!(async {
            let Some(stdout) = &mut stdout else { return Ok(true) };
            while output.len() <= MAX_OUTPUT && stdout.read_buf(&mut output).await? > 0 {}
            Ok::<bool, io::Error>(output.len() <= MAX_OUTPUT)
        });
        let (is_bounded, status) = tokio::select! {
            is_bounded = &mut reading => {
                if !is_bounded? {
                    return Ok(None);
                }
                (true, child.wait().await?)
            }
            status = child.wait() => {
                (timeout(GRACE, &mut reading).await.unwrap_or(Ok(true))?, status?)
            }
        };
        Ok(is_bounded.then_some((status, output)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The group of a program that has ended may be gone, and its ID be in use again. A process that the
        // program left running on purpose continues.
        #[cfg(unix)]
        if let Some(leader) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            use nix::sys::signal::{Signal, killpg};
            // Fails if all have ended in this very moment.
            let _ = killpg(nix::unistd::Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};

    use super::*;

    #[tokio::test]
    async fn a_cancelled_program_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let pipe = path.display();
        // The shell waits for a process of its own, which reports itself and keeps the pipe open.
        let command =
            format!("sh -c 'sh -c \"echo started; exec sleep 60\" >{pipe} </dev/null & wait'");
        // Blocks until the process opens it.
        let started = tokio::task::spawn_blocking(move || {
            let mut reader = BufReader::new(std::fs::File::open(path).unwrap());
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "started\n");
            reader
        });
        let sanitizer = Sanitizer::default();
        let mut reader = tokio::select! {
            reader = started => reader.unwrap(),
            outcome = run_within(Duration::from_mins(1), &command, &sanitizer) => panic!("{outcome:?}"),
        };
        // The end comes when the last process closes the pipe.
        let end = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
        let end = timeout(Duration::from_secs(20), end).await;
        assert!(end.is_ok(), "the process that it started still runs");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_an_error_after_its_timeout() {
        let error = run_within(Duration::from_millis(20), "sleep 3600", &Sanitizer::default())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "\"sleep\" did not end within 0 seconds");
    }
}
