//! Terraform with a service that fails for 30% of all requests.

use std::collections::BTreeMap;
use std::time::Instant;

use oss_emulator::Fault;

use super::workspace::Workspace;
use super::{configure, report, rules, run, short_or_long, state, workspace_with_buckets};

const PERCENT: u8 = 30;
/// The limit of the retry policy, see `oss/retry.rs`.
const MAX_ATTEMPTS: usize = 12;
const APPLY: [&str; 4] = ["apply", "-auto-approve", "-no-color", "-parallelism=50"];

/// The maximum number of consecutive failed attempts of one request.
fn longest_failure(workspace: &Workspace) -> usize {
    let mut failing: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut longest = 0;
    for record in workspace.emulator.requests() {
        let key = (record.bucket.unwrap_or_default(), record.method);
        let is_failed = !(200..300).contains(&record.status) || record.fault.is_some();
        let count = failing.entry(key).or_default();
        *count = if is_failed { *count + 1 } else { 0 };
        longest = longest.max(*count);
    }
    longest
}

#[test]
fn applies_succeed_despite_random_faults() {
    let (seeds, count) = (short_or_long(2, 20), short_or_long(50, 500));
    let started = Instant::now();
    let (mut calls, mut failed, mut longest) = (0, 0, 0);
    for seed in 0..seeds as u64 {
        let Some(workspace) = workspace_with_buckets(count) else { return };
        workspace.emulator.inject(Fault::random(seed, PERCENT));
        let mut check_round = |what: &str| {
            let records = workspace.emulator.requests();
            calls += records.len();
            failed += records.iter().filter(|record| record.fault.is_some()).count();
            let attempts = longest_failure(&workspace);
            assert!(attempts <= MAX_ATTEMPTS, "seed {seed}, {what}: {attempts} attempts");
            longest = longest.max(attempts);
            workspace.emulator.clear_requests();
        };
        for algorithm in ["AES256", "SM4"] {
            configure(&workspace, count, algorithm);
            let (code, text) = run(&workspace, &APPLY);
            assert_eq!(code, Some(0), "seed {seed}: {text}");
            check_round("apply");
            assert_eq!(state(&workspace), rules(&workspace, count), "seed {seed}");
            assert_eq!(state(&workspace).len(), count, "seed {seed}");
            assert!(state(&workspace).values().all(|found| found == algorithm), "seed {seed}");
            let (code, text) =
                run(&workspace, &["plan", "-detailed-exitcode", "-no-color", "-parallelism=50"]);
            assert_eq!(code, Some(0), "seed {seed}: {text}");
            check_round("plan");
        }
        let (code, text) =
            run(&workspace, &["destroy", "-auto-approve", "-no-color", "-parallelism=50"]);
        assert_eq!(code, Some(0), "seed {seed}: {text}");
        check_round("destroy");
        assert!(rules(&workspace, count).is_empty() && state(&workspace).is_empty());
    }
    report(format!(
        "random faults: {seeds} seeds with {count} resources, {calls} requests, {failed} of them with a \
         fault, at most {longest} consecutive, no resource lost, no drift after each apply, {:.0} s",
        started.elapsed().as_secs_f64(),
    ));
}
