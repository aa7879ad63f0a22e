//! Creating, reading, updating and deleting.

use std::time::Duration;

use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, aes256, apply, kms, plan, read};
use crate::support::{
    KEY_ID, KEY_SECRET, UNKNOWN, configuration, configured, configured_without_retries,
    diagnostics, emulator, from_dynamic, provider_config, resource, unconfigured,
};

/// The requests that the emulator received since the last call, as `PUT 200`.
pub(super) fn calls(emulator: &Emulator) -> Vec<String> {
    let calls = emulator.requests();
    emulator.clear_requests();
    calls.iter().map(|request| format!("{} {}", request.method, request.status)).collect()
}

#[tokio::test]
async fn a_create_to_destroy_lifecycle_sends_the_minimum_of_requests() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;

    let (state, found) = apply(&mut client, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["GET 404", "PUT 200", "GET 200"]);

    let (state, found) = read(&mut client, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["GET 200"]);

    let (state, found) = apply(&mut client, &aes256("demo"), &kms("demo")).await;
    assert_eq!((state, found), (kms("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);
    assert_eq!(emulator.connections(), 1, "connections are reused");

    // The next run.
    client.configure_provider(configuration(&emulator)).await.unwrap();
    let (state, found) = apply(&mut client, &kms("demo"), &Json::Null).await;
    assert_eq!((state, found), (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 204"]);
    assert_eq!(emulator.rule("demo"), None);
}

#[tokio::test]
async fn a_change_without_effect_in_oss_sends_no_requests() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let mut planned = kms("demo");
    planned["kms_master_key_id"] = "".into();
    planned["timeouts"] = json!({ "create": "9m", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut client, &kms("demo"), &planned).await;
    assert_eq!((state, found), (planned, vec![]));
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn reading_keeps_null_or_empty_values_of_the_state() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let mut state = kms("demo");
    state["kms_master_key_id"] = "".into();
    apply(&mut client, &Json::Null, &state).await;
    assert_eq!(read(&mut client, &state).await, (state.clone(), vec![]));
    state["kms_master_key_id"] = Json::Null;
    assert_eq!(read(&mut client, &state).await, (state, vec![]));
}

#[tokio::test]
async fn reading_shows_external_changes() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let theirs = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
                                  "kms_master_key_id": "k", "kms_data_encryption": "SM4" }));
    apply(&mut client, &Json::Null, &theirs).await;
    assert_eq!(read(&mut client, &aes256("demo")).await, (theirs, vec![]));
}

#[tokio::test]
async fn a_missing_rule_or_bucket_is_removed_from_the_state_but_not_after_an_error() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    assert_eq!(read(&mut client, &aes256("demo")).await, (Json::Null, vec![]));
    assert_eq!(read(&mut client, &aes256("no-such-bucket")).await, (Json::Null, vec![]));

    emulator.inject(Fault::error_response(403, "AccessDenied").message("404 NoSuchBucket, or so"));
    let (state, found) = read(&mut client, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"), "a rejection does not change the state");
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of bucket demo"]);
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
}

#[tokio::test]
async fn deleting_a_missing_rule_succeeds_and_an_error_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    for bucket in ["demo", "no-such-bucket"] {
        let (state, found) = apply(&mut client, &aes256(bucket), &Json::Null).await;
        assert_eq!((state, found), (Json::Null, vec![]));
    }
    emulator.inject(Fault::error_response(403, "AccessDenied").message("request 404"));
    let (state, found) = apply(&mut client, &aes256("demo"), &Json::Null).await;
    assert_eq!(state, aes256("demo"));
    assert_eq!(diagnostics(&found), ["error: Cannot remove the encryption of bucket demo"]);
}

#[tokio::test]
async fn an_update_or_delete_with_unknown_outcome_keeps_the_prior_state() {
    let outcome_unknown_note = "OSS may have applied the change anyway";
    for (planned, method, rule) in
        [(kms("demo"), "PUT", Some(EncryptionRule::new("KMS"))), (Json::Null, "DELETE", None)]
    {
        let emulator = emulator(&["demo"]);
        emulator.set_rule("demo", EncryptionRule::new("AES256"));
        let mut client = configured_without_retries(&emulator).await;
        for (fault, is_outcome_unknown) in [
            (Fault::error_response(403, "AccessDenied"), false),
            (Fault::error_response(500, "InternalError"), true),
            (Fault::reset_after(), true),
        ] {
            emulator.inject(fault.method(method));
            let (state, found) = apply(&mut client, &aes256("demo"), &planned).await;
            assert_eq!(state, aes256("demo"));
            let detail = &found[0].detail;
            assert_eq!(
                detail.contains(outcome_unknown_note),
                is_outcome_unknown,
                "{method}: {detail}"
            );
        }
        assert_eq!(emulator.rule("demo"), rule, "it has been done");
    }
}

#[tokio::test]
async fn a_corrupted_state_is_an_error_with_advice() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    for (name, value) in
        [("bucket", json!("Demo/")), ("bucket", Json::Null), ("region", json!("c/n"))]
    {
        let mut state = aes256("demo");
        state[name] = value;
        let (kept, found) = read(&mut client, &state).await;
        assert_eq!(kept, state);
        assert_eq!(diagnostics(&found), [format!("error at {name}: Invalid {name}")]);
        assert!(found[0].detail.contains("`terraform state rm`"), "{}", found[0].detail);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_never_becomes_visible_keeps_the_planned_state() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    apply(&mut client, &Json::Null, &aes256("demo")).await;
    emulator.inject(Fault::stale_reads(1_000_000));
    let mut planned = kms("demo");
    planned["timeouts"] = json!({ "create": null, "read": null, "update": "1s", "delete": null });
    let (state, found) = apply(&mut client, &aes256("demo"), &planned).await;
    assert_eq!(state, planned);
    let expected = "error: Bucket demo does not return the rule that was written";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("accepted KMS, but still returned AES256"));
}

#[tokio::test]
async fn stop_ends_a_retried_call_at_once_and_later_calls_work() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.inject(Fault::error_response(503, "ServiceUnavailable").retry_after(60).forever());
    let mut applying = client.clone();
    let apply_future =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    // The first error was returned: the provider is processing it or waiting to retry.
    while emulator.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let response = client.stop_provider(pb::stop_provider::Request {}).await.unwrap().into_inner();
    assert_eq!(response.error, "");
    let (_, found) = apply_future.await.unwrap();
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("cancelled"), "{}", found[0].detail);

    emulator.clear_faults();
    let (state, found) = apply(&mut client, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
}

#[tokio::test]
async fn every_timeout_is_respected_and_keeps_the_prior_state() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    // Without the timeout, the response would arrive.
    emulator.inject(Fault::delay(Duration::from_secs(2)).forever());
    let state = |operation: &str, attributes: &Json| {
        let mut limits = json!({ "create": "9m", "read": "9m", "update": "9m", "delete": "9m" });
        limits[operation] = "20ms".into();
        let mut state = attributes.clone();
        state["timeouts"] = limits;
        state
    };
    let (aes256, kms) = (aes256("demo"), kms("demo"));
    let of = |operation| state(operation, &aes256);
    for (operation, (kept, found)) in [
        ("read", read(&mut client, &of("read")).await),
        ("create", apply(&mut client, &Json::Null, &of("create")).await),
        ("update", apply(&mut client, &of("update"), &state("update", &kms)).await),
        // Another run.
        ("delete", apply(&mut configured(&emulator).await, &of("delete"), &Json::Null).await),
    ] {
        let expected = if operation == "create" { Json::Null } else { of(operation) };
        assert_eq!(kept, expected);
        assert!(found[0].detail.contains("`timeouts`"), "{operation}: {}", found[0].detail);
    }
}

#[tokio::test]
async fn an_unknown_algorithm_is_stored_as_returned() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("AES512"));
    let (state, found) = read(&mut client, &aes256("demo")).await;
    assert_eq!((&state["sse_algorithm"], found), (&Json::from("AES512"), vec![]));
}

#[tokio::test]
async fn missing_credentials_are_reported_by_the_first_call_that_needs_them() {
    let emulator = emulator(&["demo"]);
    let mut client = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url() }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    let response = client.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
    let (state, found) = apply(&mut client, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, Json::Null);
    assert!(found[0].detail.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn requests_are_signed_for_the_region_of_the_resource() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-shanghai".into();
    let (_, found) = apply(&mut client, &Json::Null, &planned).await;
    assert!(found[0].detail.contains("signed for region \"cn-shanghai\""), "{}", found[0].detail);
}

#[tokio::test]
async fn reads_and_deletes_follow_a_redirect_if_the_state_has_no_region() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let emulator = Emulator::start(config.with_bucket_in("far", "cn-beijing")).unwrap();
    emulator.set_rule("far", EncryptionRule::new("AES256"));
    // V1 signatures contain no region, so the emulator accepts both calls; the fault simulates the redirect.
    let mut client = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url(),
        "signature_version": "v1", "access_key": KEY_ID, "secret_key": KEY_SECRET, "max_retries": 0 }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    let elsewhere =
        || Fault::error_response(403, "AccessDenied").endpoint("oss-cn-beijing.aliyuncs.com");
    for region in [Json::Null, Json::from("")] {
        let mut state = aes256("far");
        state["region"] = region;
        emulator.inject(elsewhere());
        assert_eq!(read(&mut client, &state).await, (state.clone(), vec![]));
        assert_eq!(calls(&emulator), ["GET 403", "GET 200"]);
    }
    // If the state has a region, the error is reported.
    let mut state = aes256("far");
    state["region"] = "cn-shanghai".into();
    emulator.inject(elsewhere());
    let (kept, found) = read(&mut client, &state).await;
    assert_eq!(kept, state);
    assert!(found[0].detail.contains("must be accessed at oss-cn-beijing"), "{}", found[0].detail);
    // An error of the other region is reported.
    emulator.inject(elsewhere());
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let (_, found) = read(&mut client, &aes256("far")).await;
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
    calls(&emulator);
    // If the other region does not respond, the first error is reported.
    let mut hasty = aes256("far");
    hasty["timeouts"] = json!({ "create": null, "read": "1s", "update": null, "delete": null });
    for silence in [Fault::reset_before(), Fault::delay(Duration::from_mins(5))] {
        emulator.inject(elsewhere());
        emulator.inject(silence);
        let (_, found) = read(&mut client, &hasty).await;
        assert!(
            found[0].detail.contains("must be accessed at oss-cn-beijing"),
            "{}",
            found[0].detail
        );
        assert_eq!(calls(&emulator)[0], "GET 403");
    }

    emulator.inject(elsewhere());
    assert_eq!(apply(&mut client, &aes256("far"), &Json::Null).await, (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 403", "DELETE 204"]);
    assert_eq!(emulator.rule("far"), None);
    // A rule that is missing in the other region is removed from the state.
    emulator.inject(elsewhere());
    assert_eq!(read(&mut client, &aes256("far")).await, (Json::Null, vec![]));
}

#[tokio::test]
async fn an_update_to_another_region_or_bucket_writes_the_rule() {
    let emulator = emulator(&["demo", "other"]);
    let mut client = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-hangzhou".into();
    assert_eq!(apply(&mut client, &aes256("demo"), &planned).await, (planned, vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);
    let other = aes256("other");
    assert_eq!(apply(&mut client, &aes256("demo"), &other).await, (other, vec![]));
    assert!(emulator.rule("other").is_some());
}

#[tokio::test]
async fn no_request_is_sent_for_an_incomplete_plan() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let mut unknown_limit = aes256("demo");
    unknown_limit["timeouts"] =
        json!({ "create": UNKNOWN, "read": null, "update": null, "delete": null });
    let mut no_algorithm = aes256("demo");
    no_algorithm["sse_algorithm"] = Json::Null;
    for (planned, expected) in [
        (unknown_limit, "error at timeouts: Unknown value"),
        (no_algorithm, "error at sse_algorithm: Missing value"),
    ] {
        let (state, found) = apply(&mut client, &Json::Null, &planned).await;
        assert_eq!((state, diagnostics(&found)), (Json::Null, vec![expected.to_owned()]));
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn an_unset_region_keeps_its_prior_value() {
    for (prior, config, expected) in [("", None, ""), ("", Some(""), "")] {
        let mut state = aes256("demo");
        state["region"] = prior.into();
        let mut configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
        configured["region"] = config.into();
        let planned = plan(state.clone(), configured).await;
        assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], expected);
    }
    // Removing the key from the configuration is a change.
    let mut state = aes256("demo");
    state["region"] = "cn-beijing".into();
    let configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
    let planned = plan(state, configured).await;
    assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], Json::Null);
}

#[tokio::test]
async fn a_key_that_oss_no_longer_returns_becomes_unset() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("KMS"));
    let mut state = kms("demo");
    state["kms_master_key_id"] = "9468da86".into();
    let (found, messages) = read(&mut client, &state).await;
    assert_eq!((&found["kms_master_key_id"], messages), (&json!(""), vec![]));
    // An absent cipher means AES-256, so a bucket that returns AES256 has the same rule.
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_data_encryption = Some("AES256".to_owned());
    emulator.set_rule("demo", rule);
    assert_eq!(read(&mut client, &kms("demo")).await, (kms("demo"), vec![]));
}
