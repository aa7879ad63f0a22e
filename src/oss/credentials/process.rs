//! The external process of a profile: a program that prints keys.
//!
//! Rule: aliyun-cli, mode `External`: the command line is split as a POSIX shell does, without any
//! shell; a minute at most. What it prints never gets into a message or a log.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::profile::printed_credentials;
use super::{Credentials, CredentialsProblem};

const TIME_LIMIT: Duration = Duration::from_mins(1);
/// More output than this is no profile.
const MAX_OUTPUT: u64 = 64 * 1024;

/// Runs a command line and reads the credentials that it prints.
pub(super) async fn run(command_line: &str) -> Result<Credentials, CredentialsProblem> {
    let words = shlex::split(command_line).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        return Err(CredentialsProblem::Process {
            program: String::new(),
            reason: "cannot be run: the quotes of `process_command` are not closed".to_owned(),
        });
    };
    // An assignment in front is taken for the program, and its value may be a key.
    let shown = program.split('=').next().unwrap_or_default();
    let problem =
        |reason: String| CredentialsProblem::Process { program: shown.to_owned(), reason };
    let mut child = Command::new(program)
        .args(arguments)
        // Standard input is Terraform's own, and what goes to standard error would be logged.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| problem(format!("cannot be run: {error}")))?;
    let stdout = child.stdout.take();
    let run = async {
        let mut output = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
        }
        Ok((child.wait().await?, output))
    };
    let outcome: Result<_, std::io::Error> = tokio::time::timeout(TIME_LIMIT, run)
        .await
        .map_err(|_| problem(format!("did not end within {} seconds", TIME_LIMIT.as_secs())))?;
    let (status, output) = outcome.map_err(|error| problem(format!("failed: {error}")))?;
    if !status.success() {
        return Err(problem(format!("failed ({status}); run it by hand to see why")));
    }
    printed_credentials(&output)
        .map_err(|reason| problem(format!("printed no usable credentials: {reason}")))
}
