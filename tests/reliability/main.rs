//! What the provider promises when everything around it goes wrong: through the real terraform, against
//! the local endpoint. Each test prints its figure, which `docs/reliability.md` lists with the command
//! that makes it.
//!
//! These are the short forms; the variable `RELIABILITY=long` makes them as long as the document says.

#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

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

/// Tells a figure, also when the test passes.
fn report(figure: impl Display) {
    // Not through the macro: its output is hidden when a test passes.
    let _ = writeln!(std::io::stderr(), "reliability: {figure}");
}

/// Buckets `b-0000`, `b-0001`, ….
fn buckets(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("b-{number:04}")).collect()
}

/// An endpoint with so many buckets, and a folder for terraform.
fn workspace_with_buckets(count: usize) -> Option<Workspace> {
    Workspace::with(|config| {
        buckets(count).iter().fold(config, |config, name| config.with_bucket(name))
    })
}

/// A rule for each of the first `count` buckets.
fn configure(workspace: &Workspace, count: usize, algorithm: &str) {
    workspace.configure(&format!(
        "resource \"oss_bucket_encryption\" \"all\" {{\n  count = {count}\n  \
         bucket = format(\"b-%04d\", count.index)\n  sse_algorithm = \"{algorithm}\"\n}}\n"
    ));
}

/// Terraform's exit code, without a log: writing it would take most of the time.
fn run(workspace: &Workspace, arguments: &[&str]) -> (Option<i32>, String) {
    let output = workspace.command(&KEYS, arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// Bucket and algorithm of every resource in the state file.
fn state(workspace: &Workspace) -> BTreeMap<String, String> {
    resources_in(&state_file(workspace)).unwrap()
}

/// The state file's text; empty when there is none.
fn state_file(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.path("terraform.tfstate")).unwrap_or_default()
}

/// Bucket and algorithm of every resource in a state file's text.
///
/// # Errors
///
/// The text is cut off: a terraform that is killed while it writes leaves half a file.
fn resources_in(state_file: &str) -> serde_json::Result<BTreeMap<String, String>> {
    // Terraform makes the file when it begins, and writes it at the end or every twenty seconds.
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

/// Bucket and algorithm of every rule that the endpoint has.
fn rules(workspace: &Workspace, count: usize) -> BTreeMap<String, String> {
    let rule = |name: &String| workspace.emulator.rule(name);
    let algorithm = |EncryptionRule { sse_algorithm, .. }| sse_algorithm;
    buckets(count).iter().filter_map(|name| Some((name.clone(), algorithm(rule(name)?)))).collect()
}
