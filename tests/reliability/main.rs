//! The provider's behavior under failures, with the real terraform and the local OSS emulator. Each test
//! prints its result, which `docs/reliability.md` lists together with the command.
//!
//! By default the tests run in a short form; `RELIABILITY=long` runs them as documented.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod claims;
mod endurance;
mod interrupts;
mod kills;
mod random_faults;
#[expect(dead_code, reason = "only some of it is needed here")]
#[path = "../acceptance/workspace.rs"]
mod workspace;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write as _;

use oss_emulator::EncryptionRule;
use serde_json::Value as Json;
use workspace::{KEYS, Workspace};

/// The first number, or the second one in the long form.
fn short_or_long(short: usize, long: usize) -> usize {
    if std::env::var_os("RELIABILITY").is_some_and(|value| value == "long") { long } else { short }
}

/// Prints a result, even if the test passes.
fn report(result: impl Display) {
    // Not with the macro, whose output is hidden if the test passes.
    let _ = writeln!(std::io::stderr(), "reliability: {result}");
}

/// Buckets `b-0000`, `b-0001`, ….
fn buckets(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("b-{number:04}")).collect()
}

/// A workspace whose emulator has this number of buckets.
fn workspace_with_buckets(count: usize) -> Option<Workspace> {
    Workspace::with(|config| {
        buckets(count).iter().fold(config, |config, name| config.with_bucket(name))
    })
}

/// Configures a rule for each of the first `count` buckets.
fn configure(workspace: &Workspace, count: usize, algorithm: &str) {
    workspace.configure(&format!(
        "resource \"oss_bucket_encryption\" \"all\" {{\n  count = {count}\n  \
         bucket = format(\"b-%04d\", count.index)\n  sse_algorithm = \"{algorithm}\"\n}}\n"
    ));
}

/// Runs terraform without a log, which would take most of the time. Returns the exit code and the
/// output.
fn run(workspace: &Workspace, arguments: &[&str]) -> (Option<i32>, String) {
    let output = workspace.command(&KEYS, arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Bucket and algorithm of every resource in the state file.
fn state(workspace: &Workspace) -> BTreeMap<String, String> {
    resources_in(&state_file(workspace)).unwrap()
}

/// The content of the state file; empty if there is none.
fn state_file(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.path("terraform.tfstate")).unwrap_or_default()
}

/// Bucket and algorithm of every resource in the content of a state file.
///
/// # Errors
///
/// The file is truncated, because terraform was killed while writing it.
fn resources_in(state_file: &str) -> serde_json::Result<BTreeMap<String, String>> {
    // Terraform creates the file at the start, and writes it at the end or every 20 seconds.
    if state_file.is_empty() {
        return Ok(BTreeMap::new());
    }
    let state: Json = serde_json::from_str(state_file)?;
    let instances = state["resources"].as_array().into_iter().flatten();
    let instances =
        instances.flat_map(|resource| resource["instances"].as_array().unwrap().clone());
    let resources = instances.map(|instance| {
        let text = |name: &str| instance["attributes"][name].as_str().unwrap().to_owned();
        (text("bucket"), text("sse_algorithm"))
    });
    Ok(resources.collect())
}

/// Bucket and algorithm of every rule in the emulator.
fn rules(workspace: &Workspace, count: usize) -> BTreeMap<String, String> {
    let rule = |name: &String| workspace.emulator.rule(name);
    let algorithm = |EncryptionRule { sse_algorithm, .. }| sse_algorithm;
    buckets(count).iter().filter_map(|name| Some((name.clone(), algorithm(rule(name)?)))).collect()
}
