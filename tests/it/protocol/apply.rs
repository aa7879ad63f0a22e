//! Creating, reading, updating and deleting.

use std::time::Duration;

use oss_emulator::{Config, Emulator, EncryptionRule, Fault};
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, aes256, apply, kms, plan, read};
use crate::support::{
    KEY_ID, KEY_SECRET, UNKNOWN, configured, configured_without_retries, diagnostics, emulator,
    from_dynamic, provider_config, resource, unconfigured,
};

/// What OSS saw, as `PUT 200`.
pub(super) fn calls(emulator: &Emulator) -> Vec<String> {
    let calls = emulator.requests();
    emulator.clear_requests();
    calls.iter().map(|exchange| format!("{} {}", exchange.method, exchange.status)).collect()
}

#[tokio::test]
async fn the_life_of_a_rule_takes_the_fewest_calls() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;

    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);

    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["GET 200"]);

    let (state, found) = apply(&mut host, &aes256("demo"), &kms("demo")).await;
    assert_eq!((state, found), (kms("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);

    let (state, found) = apply(&mut host, &kms("demo"), &Json::Null).await;
    assert_eq!((state, found), (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 204"]);
    assert_eq!(emulator.rule("demo"), None);
    assert_eq!(emulator.connections(), 1, "connections are reused");
}

#[tokio::test]
async fn a_change_that_means_nothing_to_oss_sends_nothing() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut planned = kms("demo");
    planned["kms_master_key_id"] = "".into();
    planned["timeouts"] = json!({ "create": "9m", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &kms("demo"), &planned).await;
    assert_eq!((state, found), (planned, vec![]));
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn reading_keeps_the_spelling_of_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut state = kms("demo");
    state["kms_master_key_id"] = "".into();
    apply(&mut host, &Json::Null, &state).await;
    assert_eq!(read(&mut host, &state).await, (state.clone(), vec![]));
    state["kms_master_key_id"] = Json::Null;
    assert_eq!(read(&mut host, &state).await, (state, vec![]));
}

#[tokio::test]
async fn reading_shows_what_someone_else_changed() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let theirs = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
                                  "kms_master_key_id": "k", "kms_data_encryption": "SM4" }));
    apply(&mut host, &Json::Null, &theirs).await;
    assert_eq!(read(&mut host, &aes256("demo")).await, (theirs, vec![]));
}

#[tokio::test]
async fn a_missing_rule_or_bucket_is_gone_and_a_refusal_is_not() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    assert_eq!(read(&mut host, &aes256("demo")).await, (Json::Null, vec![]));
    assert_eq!(read(&mut host, &aes256("no-such-bucket")).await, (Json::Null, vec![]));

    emulator.inject(Fault::error_response(403, "AccessDenied").message("404 NoSuchBucket, or so"));
    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"), "a refusal leaves the state alone");
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of bucket demo"]);
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
}

#[tokio::test]
async fn deleting_what_is_gone_is_a_success_and_a_refusal_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    for bucket in ["demo", "no-such-bucket"] {
        let (state, found) = apply(&mut host, &aes256(bucket), &Json::Null).await;
        assert_eq!((state, found), (Json::Null, vec![]));
    }
    emulator.inject(Fault::error_response(403, "AccessDenied").message("request 404"));
    let (state, found) = apply(&mut host, &aes256("demo"), &Json::Null).await;
    assert_eq!(state, aes256("demo"));
    assert_eq!(diagnostics(&found), ["error: Cannot remove the encryption of bucket demo"]);
}

#[tokio::test]
async fn a_refused_create_leaves_no_state_and_a_doubtful_one_does() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let (state, found) = apply(&mut host, &Json::Null, &aes256("no-such-bucket")).await;
    assert_eq!(state, Json::Null);
    assert_eq!(
        diagnostics(&found),
        ["error at bucket: Cannot set the encryption of bucket no-such-bucket"]
    );

    // The rule is set, but the answer never comes: the state must not forget it.
    emulator.inject(Fault::reset_after().method("PUT").forever());
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &Json::Null, &planned).await;
    assert_eq!(state, planned);
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("`timeouts`"), "{}", found[0].detail);
    assert!(emulator.rule("demo").is_some());
}

#[tokio::test]
async fn a_doubtful_update_or_delete_keeps_the_state_before_and_says_so() {
    let doubt = "OSS may have applied the change anyway";
    for (planned, method, rule) in
        [(kms("demo"), "PUT", Some(EncryptionRule::new("KMS"))), (Json::Null, "DELETE", None)]
    {
        let emulator = emulator(&["demo"]);
        emulator.set_rule("demo", EncryptionRule::new("AES256"));
        let mut host = configured_without_retries(&emulator).await;
        for (fault, is_doubtful) in [
            (Fault::error_response(403, "AccessDenied"), false),
            (Fault::error_response(500, "InternalError"), true),
            (Fault::reset_after(), true),
        ] {
            emulator.inject(fault.method(method));
            let (state, found) = apply(&mut host, &aes256("demo"), &planned).await;
            assert_eq!(state, aes256("demo"));
            let detail = &found[0].detail;
            assert_eq!(detail.contains(doubt), is_doubtful, "{method}: {detail}");
        }
        assert_eq!(emulator.rule("demo"), rule, "it has been done");
    }
}

#[tokio::test]
async fn a_doubtful_attempt_is_not_forgotten_when_a_later_one_is_refused() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::reset_after().method("PUT"));
    emulator.inject(Fault::error_response(403, "AccessDenied").method("PUT"));
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, aes256("demo"));
    assert!(found[0].detail.contains("403 AccessDenied"), "{}", found[0].detail);
    assert!(emulator.rule("demo").is_some());
}

#[tokio::test]
async fn a_broken_state_says_what_to_do_about_it() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    for (name, value) in
        [("bucket", json!("Demo/")), ("bucket", Json::Null), ("region", json!("c/n"))]
    {
        let mut state = aes256("demo");
        state[name] = value;
        let (kept, found) = read(&mut host, &state).await;
        assert_eq!(kept, state);
        assert_eq!(diagnostics(&found), [format!("error at {name}: Invalid {name}")]);
        assert!(found[0].detail.contains("`terraform state rm`"), "{}", found[0].detail);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn a_write_that_is_not_visible_yet_is_waited_for() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::stale_reads(2));
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 404", "GET 404", "GET 200"]);
}

#[tokio::test]
async fn a_write_that_never_becomes_visible_keeps_the_state_and_says_both_rules() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    apply(&mut host, &Json::Null, &aes256("demo")).await;
    emulator.inject(Fault::stale_reads(1_000_000));
    let mut planned = kms("demo");
    planned["timeouts"] = json!({ "create": null, "read": null, "update": "1s", "delete": null });
    let (state, found) = apply(&mut host, &aes256("demo"), &planned).await;
    assert_eq!(state, planned);
    let expected = "error: Bucket demo does not return the rule that was written";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("accepted KMS, but still returns AES256"));
}

#[tokio::test]
async fn stopping_ends_a_retried_call_at_once_and_later_calls_work() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.inject(Fault::error_response(503, "ServiceUnavailable").retry_after(60).forever());
    let mut applying = host.clone();
    let apply_future =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    // The first refusal has been answered: the provider takes it in, or waits for its retry already.
    while emulator.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = host.stop_provider(pb::stop_provider::Request {}).await.unwrap().into_inner();
    assert_eq!(answer.error, "");
    let (_, found) = apply_future.await.unwrap();
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("cancelled"), "{}", found[0].detail);

    emulator.clear_faults();
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!((state, found), (aes256("demo"), vec![]));
}

/// Starts creating, stops the provider once `calls` calls have come in, and returns the result.
async fn stopped_after(calls: usize, emulator: &Emulator) -> (Json, Vec<pb::Diagnostic>) {
    let mut host = configured(emulator).await;
    let mut applying = host.clone();
    let applied =
        tokio::spawn(async move { apply(&mut applying, &Json::Null, &aes256("demo")).await });
    while emulator.requests().len() < calls {
        tokio::task::yield_now().await;
    }
    host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    applied.await.unwrap()
}

#[tokio::test]
async fn stopping_in_the_middle_of_a_write_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("PUT"));
    let (state, found) = stopped_after(1, &emulator).await;
    assert_eq!(state, aes256("demo"), "OSS has set the rule, and nobody knows");
    assert_eq!(diagnostics(&found), ["error: Cannot set the encryption of bucket demo"]);
    assert!(found[0].detail.contains("was cancelled before OSS responded"), "{}", found[0].detail);
    assert!(found[0].detail.contains("terraform untaint"), "{}", found[0].detail);
}

#[tokio::test]
async fn stopping_while_a_write_is_not_visible_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::stale_reads(1_000_000));
    let (state, found) = stopped_after(2, &emulator).await;
    assert_eq!(state, aes256("demo"));
    let expected = "error: The encryption of bucket demo was set, but not verified";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("was cancelled"), "{}", found[0].detail);
}

#[tokio::test]
async fn every_time_limit_is_respected_and_keeps_the_state() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    // Without the limit the answer would come.
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
        ("read", read(&mut host, &of("read")).await),
        ("create", apply(&mut host, &Json::Null, &of("create")).await),
        ("update", apply(&mut host, &of("update"), &state("update", &kms)).await),
        ("delete", apply(&mut host, &of("delete"), &Json::Null).await),
    ] {
        assert_eq!(kept, of(operation));
        assert!(found[0].detail.contains("`timeouts`"), "{operation}: {}", found[0].detail);
    }
}

#[tokio::test]
async fn an_algorithm_of_the_future_is_stored_as_oss_says_it() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("AES512"));
    let (state, found) = read(&mut host, &aes256("demo")).await;
    assert_eq!((&state["sse_algorithm"], found), (&Json::from("AES512"), vec![]));
}

#[tokio::test]
async fn missing_credentials_are_named_by_the_first_call_that_needs_them() {
    let emulator = emulator(&["demo"]);
    let mut host = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url() }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    let answer = host.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&answer.diagnostics), NO_DIAGNOSTICS);
    let (state, found) = apply(&mut host, &Json::Null, &aes256("demo")).await;
    assert_eq!(state, Json::Null);
    assert!(found[0].detail.contains("ALIBABA_CLOUD_ACCESS_KEY_ID"), "{}", found[0].detail);
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn another_region_on_the_resource_is_signed_for() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-shanghai".into();
    let (_, found) = apply(&mut host, &Json::Null, &planned).await;
    assert!(found[0].detail.contains("signed for region \"cn-shanghai\""), "{}", found[0].detail);
}

#[tokio::test]
async fn a_state_whose_region_was_the_providers_is_read_and_deleted_where_the_bucket_is() {
    let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
    let emulator = Emulator::start(config.with_bucket_in("far", "cn-beijing")).unwrap();
    emulator.set_rule("far", EncryptionRule::new("AES256"));
    // V1 signs no region, so the endpoint takes both calls; that they differ is for the fault to say.
    let mut host = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": emulator.url(),
        "signature_version": "v1", "access_key": KEY_ID, "secret_key": KEY_SECRET, "max_retries": 0 }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    host.configure_provider(request).await.unwrap();
    let elsewhere =
        || Fault::error_response(403, "AccessDenied").endpoint("oss-cn-beijing.aliyuncs.com");
    for region in [Json::Null, Json::from("")] {
        let mut state = aes256("far");
        state["region"] = region;
        emulator.inject(elsewhere());
        assert_eq!(read(&mut host, &state).await, (state.clone(), vec![]));
        assert_eq!(calls(&emulator), ["GET 403", "GET 200"]);
    }
    // A region that the state itself names is what the user wants to hear about.
    let mut state = aes256("far");
    state["region"] = "cn-shanghai".into();
    emulator.inject(elsewhere());
    let (kept, found) = read(&mut host, &state).await;
    assert_eq!(kept, state);
    assert!(found[0].detail.contains("must be accessed at oss-cn-beijing"), "{}", found[0].detail);
    // What is refused there is told.
    emulator.inject(elsewhere());
    emulator.inject(Fault::error_response(403, "AccessDenied"));
    let (_, found) = read(&mut host, &aes256("far")).await;
    assert!(found[0].detail.contains("oss:GetBucketEncryption"), "{}", found[0].detail);
    calls(&emulator);
    // Where nobody answers there, the first answer is told.
    let mut hasty = aes256("far");
    hasty["timeouts"] = json!({ "create": null, "read": "1s", "update": null, "delete": null });
    for silence in [Fault::reset_before(), Fault::delay(Duration::from_mins(5))] {
        emulator.inject(elsewhere());
        emulator.inject(silence);
        let (_, found) = read(&mut host, &hasty).await;
        assert!(
            found[0].detail.contains("must be accessed at oss-cn-beijing"),
            "{}",
            found[0].detail
        );
        assert_eq!(calls(&emulator)[0], "GET 403");
    }

    emulator.inject(elsewhere());
    assert_eq!(apply(&mut host, &aes256("far"), &Json::Null).await, (Json::Null, vec![]));
    assert_eq!(calls(&emulator), ["DELETE 403", "DELETE 204"]);
    assert_eq!(emulator.rule("far"), None);
    // And a rule that is gone there is gone.
    emulator.inject(elsewhere());
    assert_eq!(read(&mut host, &aes256("far")).await, (Json::Null, vec![]));
}

#[tokio::test]
async fn another_region_or_bucket_is_written_to() {
    let emulator = emulator(&["demo", "other"]);
    let mut host = configured(&emulator).await;
    let mut planned = aes256("demo");
    planned["region"] = "cn-hangzhou".into();
    assert_eq!(apply(&mut host, &aes256("demo"), &planned).await, (planned, vec![]));
    assert_eq!(calls(&emulator), ["PUT 200", "GET 200"]);
    let other = aes256("other");
    assert_eq!(apply(&mut host, &aes256("demo"), &other).await, (other, vec![]));
    assert!(emulator.rule("other").is_some());
}

#[tokio::test]
async fn nothing_is_sent_for_a_plan_that_is_not_whole() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    let mut unknown_limit = aes256("demo");
    unknown_limit["timeouts"] =
        json!({ "create": UNKNOWN, "read": null, "update": null, "delete": null });
    let mut no_algorithm = aes256("demo");
    no_algorithm["sse_algorithm"] = Json::Null;
    for (planned, expected) in [
        (unknown_limit, "error at timeouts: Unknown value"),
        (no_algorithm, "error at sse_algorithm: Missing value"),
    ] {
        let (state, found) = apply(&mut host, &Json::Null, &planned).await;
        assert_eq!((state, diagnostics(&found)), (Json::Null, vec![expected.to_owned()]));
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_read_last_is_told_when_the_time_is_up_in_the_middle_of_a_read() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.inject(Fault::stale_reads(1_000_000));
    emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let mut planned = aes256("demo");
    planned["timeouts"] = json!({ "create": "1s", "read": null, "update": null, "delete": null });
    let (state, found) = apply(&mut host, &Json::Null, &planned).await;
    assert_eq!(state, planned);
    let expected = "error: Bucket demo does not return the rule that was written";
    assert_eq!(diagnostics(&found), [expected]);
    assert!(found[0].detail.contains("still returns SM4"), "{}", found[0].detail);

    emulator.clear_faults();
    emulator.clear_requests();
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    emulator.inject(Fault::stale_reads(1_000_000));
    emulator.inject(Fault::delay(Duration::ZERO).method("GET"));
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("GET").forever());
    let (state, found) = stopped_after(3, &emulator).await;
    assert_eq!(state, aes256("demo"));
    assert!(found[0].detail.contains("still returned SM4"), "{}", found[0].detail);
}

#[tokio::test]
async fn no_region_is_spelled_as_before() {
    for (prior, config, expected) in [("", None, ""), ("", Some(""), "")] {
        let mut state = aes256("demo");
        state["region"] = prior.into();
        let mut configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
        configured["region"] = config.into();
        let planned = plan(state.clone(), configured).await;
        assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], expected);
    }
    // One that was named and is named no longer is a change.
    let mut state = aes256("demo");
    state["region"] = "cn-beijing".into();
    let configured = resource(json!({ "bucket": "demo", "sse_algorithm": "AES256" }));
    let planned = plan(state, configured).await;
    assert_eq!(from_dynamic(planned.planned_state.as_ref())["region"], Json::Null);
}

#[tokio::test]
async fn a_key_that_oss_no_longer_tells_is_not_set() {
    let emulator = emulator(&["demo"]);
    let mut host = configured(&emulator).await;
    emulator.set_rule("demo", EncryptionRule::new("KMS"));
    let mut state = kms("demo");
    state["kms_master_key_id"] = "9468da86".into();
    let (found, messages) = read(&mut host, &state).await;
    assert_eq!((&found["kms_master_key_id"], messages), (&json!(""), vec![]));
    // What is absent means AES-256 data keys, so a bucket that says so has the same rule.
    let mut rule = EncryptionRule::new("KMS");
    rule.kms_data_encryption = Some("AES256".to_owned());
    emulator.set_rule("demo", rule);
    assert_eq!(read(&mut host, &kms("demo")).await, (kms("demo"), vec![]));
}
