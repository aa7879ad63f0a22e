//! Creates that fail in every way at once: nothing is in the state that was not written, and nothing is deleted that
//! a configuration contains.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oss_emulator::{EncryptionRule, Fault};

use super::workspace::Workspace;
use super::{buckets, report, rules, run, short_or_long, state, workspace_with_buckets};

const APPLY: [&str; 4] = ["apply", "-auto-approve", "-no-color", "-parallelism=50"];

/// What can go wrong with the requests for one bucket. Each choice is a row of the table in
/// `docs/reliability.md`, or a healthy bucket.
fn inject(workspace: &Workspace, bucket: &str, random: &mut fastrand::Rng) {
    let put = |fault: Fault| fault.method("PUT").forever();
    let get = |fault: Fault| fault.method("GET").forever();
    let denied = || Fault::error_response(403, "AccessDenied");
    let throttled = || Fault::error_response(503, "MetaOperationQpsLimitExceeded");
    let long = Duration::from_mins(5);
    let fault = match random.u8(0..14) {
        0 => put(denied()),
        1 => put(throttled()),
        2 => put(Fault::error_response(409, "OperationAborted")),
        3 => put(Fault::error_response(500, "InternalError")),
        4 => put(Fault::reset_before()),
        5 => put(Fault::reset_after()),
        6 => put(Fault::delay(long)),
        7 => get(denied()),
        8 => get(throttled()),
        9 => get(Fault::raw_response("text/html", "<html>")),
        10 => get(Fault::delay(long)),
        11 => Fault::stale_reads(1_000_000).forever(),
        _ => return,
    };
    if random.bool() {
        // The read before the write succeeds.
        workspace.emulator.inject(Fault::delay(Duration::ZERO).method("GET").bucket(bucket));
    }
    workspace.emulator.inject(fault.bucket(bucket));
}

/// Configures AES256 for these buckets.
fn configure(workspace: &Workspace, buckets: &[&String]) {
    workspace.configure_with(
        &format!(
            "provider \"oss\" {{\n  region = \"cn-hangzhou\"\n  endpoint = {:?}\n  max_retries = 2\n}}\n",
            workspace.emulator.url(),
        ),
        &format!(
            "resource \"oss_bucket_encryption\" \"all\" {{\n  for_each = toset({buckets:?})\n  \
             bucket = each.key\n  sse_algorithm = \"AES256\"\n  timeouts {{ create = \"2s\" }}\n}}\n"
        ),
    );
}

#[test]
fn failed_creates_are_not_in_the_state_and_delete_nothing() {
    let (seeds, count) = (short_or_long(1, 20), short_or_long(60, 200));
    let started = Instant::now();
    let (mut kept, mut failed) = (0, 0);
    for seed in 0..seeds as u64 {
        let Some(workspace) = workspace_with_buckets(count) else { return };
        let mut random = fastrand::Rng::with_seed(seed);
        let all = buckets(count);
        for bucket in &all {
            match random.u8(0..3) {
                0 => workspace.emulator.set_rule(bucket, EncryptionRule::new("KMS")),
                1 => workspace.emulator.set_rule(bucket, EncryptionRule::new("AES256")),
                _ => {}
            }
            inject(&workspace, bucket, &mut random);
        }
        configure(&workspace, &all.iter().collect::<Vec<_>>());
        run(&workspace, &APPLY);
        workspace.emulator.clear_faults();

        // What is in the state was written.
        let in_state = state(&workspace);
        let written = rules(&workspace, count);
        assert!(in_state.iter().all(|(bucket, rule)| written.get(bucket) == Some(rule)));
        kept += in_state.len();
        failed += count - in_state.len();

        // Everything that failed is taken out of the configuration, which changes nothing.
        configure(&workspace, &in_state.keys().collect::<Vec<_>>());
        let (code, text) = run(&workspace, &APPLY);
        assert_eq!(code, Some(0), "seed {seed}: {text}");
        assert_eq!((rules(&workspace, count), state(&workspace)), (written, in_state));

        // A healthy apply of the whole configuration.
        configure(&workspace, &all.iter().collect::<Vec<_>>());
        let (code, text) = run(&workspace, &APPLY);
        assert_eq!(code, Some(0), "seed {seed}: {text}");
        let expected: BTreeMap<String, String> =
            all.iter().map(|bucket| (bucket.clone(), "AES256".to_owned())).collect();
        assert_eq!((&rules(&workspace, count), &state(&workspace)), (&expected, &expected));
        let deletes = workspace.emulator.requests().iter().filter(|r| r.method == "DELETE").count();
        assert_eq!(deletes, 0, "seed {seed}");
    }
    report(format!(
        "claims: {seeds} seeds with {count} resources, {kept} creates kept, {failed} failed, no DELETE, all \
         rules right after the next apply, {:.0} s",
        started.elapsed().as_secs_f64(),
    ));
}
