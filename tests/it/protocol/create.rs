//! What a create leaves in the state. Terraform deletes what a create leaves there together with an error.

use std::time::Duration;

use oss_emulator::{Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::apply::calls;
use super::{aes256, apply};
use crate::support::{configured, configured_without_retries, diagnostics, emulator};

const NOT_CONFIRMED: &str = "warning: The encryption of bucket demo was set, but not confirmed";
const NOT_VERIFIED: &str = "warning: The encryption of bucket demo was set, but not verified";
const NOT_SET: &str = "error: Cannot set the encryption of bucket demo";

/// Lets the next GET, which is the one before the write, pass the faults that are injected after this.
fn spare_the_first_read(emulator: &Emulator) {
    emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
}

fn with_timeout(mut state: Json, limit: &str) -> Json {
    state["timeouts"] = json!({ "create": limit, "read": null, "update": null, "delete": null });
    state
}

/// Creates a rule for bucket `demo`. Returns whether the state has it, and the diagnostics.
async fn create(emulator: &Emulator, limit: &str) -> (bool, Vec<pb::Diagnostic>) {
    let planned = with_timeout(aes256("demo"), limit);
    let (state, found) =
        apply(&mut configured_without_retries(emulator).await, &Json::Null, &planned).await;
    assert!(state.is_null() || state == planned, "{state}");
    let has_error =
        found.iter().any(|diagnostic| diagnostic.severity() == pb::diagnostic::Severity::Error);
    assert_eq!(state.is_null(), has_error, "a state with an error would be tainted");
    (!state.is_null(), found)
}

#[tokio::test]
async fn a_rule_that_is_there_already_is_kept_and_not_written() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    assert_eq!(create(&emulator, "5m").await, (true, vec![]));
    assert_eq!(calls(&emulator), ["GET 200"]);
}

#[tokio::test]
async fn another_rule_is_replaced_with_a_warning_that_names_both() {
    let emulator = emulator(&["demo"]);
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_master_key_id = Some("key-of-the-bank".to_owned());
    emulator.set_rule("demo", rule);
    let (is_kept, found) = create(&emulator, "5m").await;
    assert!(is_kept);
    let expected = ["warning: The existing encryption of bucket demo was replaced"];
    assert_eq!(diagnostics(&found), expected);
    for part in ["already had KMS with key key-of-the-bank", "replaced with AES256"] {
        assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
    }
    assert_eq!(calls(&emulator), ["GET 200", "PUT 200", "GET 200"]);
}

#[tokio::test]
async fn a_write_is_verified_until_it_is_visible() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::stale_reads(2));
    assert_eq!(create(&emulator, "5m").await, (true, vec![]));
    assert_eq!(calls(&emulator), ["GET 404", "PUT 200", "GET 404", "GET 404", "GET 200"]);
}

#[tokio::test]
async fn a_write_that_cannot_be_read_back_is_kept_with_a_warning() {
    for (fault, part) in [
        (Fault::error_response(403, "AccessDenied"), "oss:GetBucketEncryption"),
        (Fault::raw_response("text/html", "<html>"), "captive portal"),
        (Fault::truncate_body(), "is reachable from this machine"),
    ] {
        let emulator = emulator(&["demo"]);
        spare_the_first_read(&emulator);
        emulator.inject(fault.method("GET").forever());
        let (is_kept, found) = create(&emulator, "5m").await;
        assert!(is_kept);
        assert_eq!(diagnostics(&found), [NOT_VERIFIED]);
        for part in ["OSS accepted AES256", part, "The state contains the rule"] {
            assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
        }
    }
}

#[tokio::test]
async fn a_read_back_without_a_response_before_the_timeout_is_a_warning() {
    let emulator = emulator(&["demo"]);
    spare_the_first_read(&emulator);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let (is_kept, found) = create(&emulator, "1s").await;
    assert!(is_kept);
    assert_eq!(diagnostics(&found), [NOT_VERIFIED]);
    assert!(found[0].detail.contains("timed out"), "{}", found[0].detail);
}

#[tokio::test]
async fn without_permission_to_read_the_rule_is_written_with_warnings() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("KMS"));
    emulator.inject(Fault::error_response(403, "AccessDenied").method("GET").forever());
    let (is_kept, found) = create(&emulator, "5m").await;
    assert!(is_kept);
    let unknown = "warning: The previous encryption of bucket demo is unknown";
    assert_eq!(diagnostics(&found), [unknown, NOT_VERIFIED]);
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), ["GET 403", "PUT 200", "GET 403"]);
}

#[tokio::test]
async fn a_third_rule_ends_the_verification_at_once() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("KMS"));
    // The read before the write finds no rule, those after it find KMS.
    emulator.inject(Fault::error_response(404, "NoSuchServerSideEncryptionRule").method("GET"));
    emulator.inject(Fault::stale_reads(1_000_000));
    let (is_kept, found) = create(&emulator, "5m").await;
    assert!(!is_kept);
    assert_eq!(diagnostics(&found), ["error: Something else sets the encryption of bucket demo"]);
    for part in [
        "The bucket had no rule. OSS accepted AES256, but then returned KMS",
        "`server_side_encryption_rule` of an `alicloud_oss_bucket`",
        "Running apply again is safe",
    ] {
        assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
    }
    assert_eq!(calls(&emulator), ["GET 404", "PUT 200", "GET 200"]);
}

#[tokio::test]
async fn a_write_that_is_not_visible_before_the_timeout_is_not_in_the_state() {
    for (rule, found_rule) in [(None, "no rule"), (Some("SM4"), "SM4")] {
        let emulator = emulator(&["demo"]);
        if let Some(algorithm) = rule {
            emulator.set_rule("demo", EncryptionRule::new(algorithm));
        }
        emulator.inject(Fault::stale_reads(1_000_000));
        let (is_kept, found) = create(&emulator, "1s").await;
        assert!(!is_kept);
        let expected = ["error: Bucket demo does not return the rule that was written"];
        assert_eq!(diagnostics(&found), expected);
        for part in [&format!("still returned {found_rule}"), "Running apply again is safe"] {
            assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
        }
        // The last read gets no response: the one before it is reported.
        emulator.clear_faults();
        emulator.clear_requests();
        emulator.set_rule("demo", EncryptionRule::new("KMS"));
        emulator.inject(Fault::stale_reads(1_000_000));
        spare_the_first_read(&emulator);
        spare_the_first_read(&emulator);
        emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
        let (is_kept, found) = create(&emulator, "1s").await;
        assert!(!is_kept && found[0].detail.contains("still returned KMS"), "{found:?}");
    }
}

#[tokio::test]
async fn a_write_that_was_rejected_throttled_or_never_sent_is_not_in_the_state() {
    let put = |status, code: &str| Fault::error_response(status, code).method("PUT").forever();
    for (fault, last) in [
        (put(403, "AccessDenied"), "PUT 403"),
        (put(503, "MetaOperationQpsLimitExceeded"), "PUT 503"),
        (put(429, "Throttling"), "PUT 429"),
        (Fault::error_response(500, "InternalError").method("GET").forever(), "GET 500"),
        (Fault::delay(Duration::from_mins(5)).method("GET").forever(), "GET 404"),
    ] {
        let emulator = emulator(&["demo"]);
        emulator.inject(fault);
        let (is_kept, found) = create(&emulator, "1s").await;
        assert_eq!((is_kept, diagnostics(&found)), (false, vec![NOT_SET.to_owned()]));
        assert_eq!(calls(&emulator).last().unwrap(), last);
        assert_eq!(emulator.rule("demo"), None);
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_one_read() {
    let put = |fault: Fault| fault.method("PUT").forever();
    for (fault, limit, is_set) in [
        (put(Fault::reset_after()), "5m", true),
        (put(Fault::reset_before()), "5m", false),
        (put(Fault::delay(Duration::from_mins(5))), "1s", true),
        (put(Fault::error_response(500, "InternalError")), "5m", false),
        (put(Fault::raw_response("text/html", "<html>")), "5m", false),
    ] {
        let emulator = emulator(&["demo"]);
        emulator.inject(fault);
        let (is_kept, found) = create(&emulator, limit).await;
        let expected = if is_set { NOT_CONFIRMED } else { NOT_SET };
        assert_eq!((is_kept, diagnostics(&found)), (is_set, vec![expected.to_owned()]));
        let part = if is_set { "has AES256, as planned" } else { "Running apply again is safe" };
        assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
        let calls = calls(&emulator);
        assert_eq!((calls.len(), &*calls[2]), (3, if is_set { "GET 200" } else { "GET 404" }));
    }
}

#[tokio::test]
async fn an_unknown_outcome_that_cannot_be_read_is_not_in_the_state() {
    let emulator = emulator(&["demo"]);
    spare_the_first_read(&emulator);
    emulator.inject(Fault::error_response(403, "AccessDenied").method("GET").forever());
    emulator.inject(Fault::reset_after().method("PUT"));
    let (is_kept, found) = create(&emulator, "5m").await;
    assert_eq!((is_kept, diagnostics(&found)), (false, vec![NOT_SET.to_owned()]));
    for part in ["is unknown, because the bucket could not be read either", "again is safe"] {
        assert!(found[0].detail.contains(part), "{part:?} is missing: {}", found[0].detail);
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_even_if_a_retry_is_rejected() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.inject(Fault::reset_after().method("PUT"));
    emulator.inject(Fault::error_response(403, "AccessDenied").method("PUT"));
    let (state, found) = apply(&mut client, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"));
    assert_eq!(diagnostics(&found), [NOT_CONFIRMED]);
    assert!(found[0].detail.contains("403 AccessDenied"), "{}", found[0].detail);
}

/// Starts a create, stops the provider after this many requests, and returns the result.
async fn stopped_after(calls: usize, emulator: &Emulator) -> (Json, Vec<pb::Diagnostic>) {
    let mut client = configured(emulator).await;
    let mut applying = client.clone();
    let applied =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    while emulator.requests().len() < calls {
        tokio::task::yield_now().await;
    }
    client.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    applied.await.unwrap()
}

#[tokio::test]
async fn stop_before_the_write_leaves_no_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET"));
    let (state, found) = stopped_after(1, &emulator).await;
    assert_eq!((state, diagnostics(&found)), (Json::Null, vec![NOT_SET.to_owned()]));
    assert!(found[0].detail.contains("was cancelled before OSS responded"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), ["GET 404"]);
}

#[tokio::test]
async fn stop_during_a_write_reads_whether_it_took_effect() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("PUT"));
    let (state, found) = stopped_after(2, &emulator).await;
    assert_eq!((state, diagnostics(&found)), (aes256("demo"), vec![NOT_CONFIRMED.to_owned()]));
    assert!(found[0].detail.contains("was cancelled before OSS responded"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), ["GET 404", "PUT 200", "GET 200"]);
}

#[tokio::test]
async fn stop_during_verification_keeps_the_state_with_a_warning() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::stale_reads(1_000_000));
    let (state, found) = stopped_after(3, &emulator).await;
    assert_eq!((state, diagnostics(&found)), (aes256("demo"), vec![NOT_VERIFIED.to_owned()]));
    assert!(found[0].detail.contains("was cancelled"), "{}", found[0].detail);

    // The last read gets no response: the one before it is reported.
    emulator.clear_faults();
    emulator.clear_requests();
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.inject(Fault::stale_reads(1_000_000));
    spare_the_first_read(&emulator);
    spare_the_first_read(&emulator);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let (state, found) = stopped_after(4, &emulator).await;
    assert_eq!(state, aes256("demo"));
    assert!(found[1].detail.contains("still returned SM4"), "{}", found[1].detail);
}

#[tokio::test]
async fn a_rule_that_one_read_misses_stays_in_the_state() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    emulator.inject(Fault::error_response(404, "NoSuchServerSideEncryptionRule"));
    let (state, found) = super::read(&mut client, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["GET 404", "GET 200"]);
}
