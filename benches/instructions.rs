//! Instructions of the parts without IO and of one start, counted with callgrind: the same on a busy machine.
//! `cargo bench --bench instructions`. With `-- --short` each part is called only a few times.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints its results, and fails by panicking"
)]

#[cfg(unix)]
#[allow(dead_code, reason = "another benchmark uses all of it")]
mod host;
mod parts;

use std::process::{Command, Stdio};

use parts::ALL;

/// The variable with the number of a part and of its calls, for the process that is counted.
const COUNTED: &str = "BENCH_COUNTED_PART";

fn main() {
    if let Some(text) = std::env::var_os(COUNTED) {
        let text = text.into_string().unwrap();
        let (part, calls) = text.split_once(' ').unwrap();
        let mut call = (ALL[part.parse::<usize>().unwrap()].prepare)();
        (0..calls.parse::<usize>().unwrap()).for_each(|_| call());
        return;
    }
    let valgrind = Command::new("valgrind").arg("--version").output();
    if !valgrind.is_ok_and(|output| output.status.success()) {
        eprintln!("valgrind is not installed: no instructions are counted");
        return;
    }
    let is_short = std::env::args().any(|argument| argument == "--short");
    let calls: u64 = if is_short { 2 } else { 500 };
    let this = std::env::current_exe().unwrap();
    println!("| part | instructions |\n|---|--:|");
    for (number, part) in ALL.iter().enumerate() {
        // The difference has neither the start of the process nor what happens only once.
        let count = |calls: u64| {
            counted(&this, |command| {
                let command = command.env(COUNTED, format!("{number} {calls}"));
                assert!(command.status().unwrap().success());
            })
        };
        println!("| {part} | {} |", (count(2 * calls) - count(calls)) / calls);
    }
    #[cfg(unix)]
    {
        let (host, binary) = (host::Host::new(), host::shipped_provider());
        let start = counted(&binary, |command| drop(host.connect(host.start_command(command))));
        println!("| a process from its start to its end, with the schema | {start} |");
    }
}

/// The number of instructions of a process that `run` starts with the command and waits for.
fn counted(program: &std::path::Path, run: impl FnOnce(&mut Command)) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).stderr(Stdio::null());
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(program);
    run(&mut command);
    let text = std::fs::read_to_string(file).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.expect("callgrind writes a total").trim().parse().unwrap()
}
