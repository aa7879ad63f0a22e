//! `data "oss_bucket_encryption"`.

use std::time::Duration;

use oss_emulator::Fault;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, account, config, timeouts};
use crate::support::{
    TYPE, UNKNOWN, configured, diagnostics, dynamic, from_dynamic, provider_config, unconfigured,
};

fn bucket(given: Json) -> pb::DynamicValue {
    let names = [
        "bucket",
        "region",
        "sse_algorithm",
        "kms_master_key_id",
        "kms_data_encryption",
        "id",
        "timeouts",
    ];
    config(&names, given)
}

async fn read(
    client: &mut crate::support::TestClient<terraform_provider_oss::provider::OssProvider>,
    given: Json,
) -> (Json, Vec<pb::Diagnostic>) {
    super::read(client, TYPE, bucket(given)).await
}

#[tokio::test]
async fn the_rule_of_a_bucket_is_read() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, json!({ "bucket": "app-a" })).await;
    assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
    assert_eq!(
        state,
        json!({ "bucket": "app-a", "region": null, "sse_algorithm": "AES256",
            "kms_master_key_id": null, "kms_data_encryption": null, "id": "app-a",
            "timeouts": null })
    );
    let far = json!({ "bucket": "app-far", "region": "cn-beijing" });
    let (state, found) = read(&mut client, far).await;
    assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
    assert_eq!(
        state,
        json!({ "bucket": "app-far", "region": "cn-beijing", "sse_algorithm": "KMS",
            "kms_master_key_id": "9468da86", "kms_data_encryption": "SM4", "id": "app-far",
            "timeouts": null })
    );
    assert_eq!(emulator.requests().len(), 2, "one request each");
}

#[tokio::test]
async fn a_bucket_without_a_rule_has_null_attributes() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, json!({ "bucket": "app-plain" })).await;
    assert_eq!(diagnostics(&found), NO_DIAGNOSTICS);
    assert_eq!(
        state,
        json!({ "bucket": "app-plain", "region": null, "sse_algorithm": null,
            "kms_master_key_id": null, "kms_data_encryption": null, "id": "app-plain",
            "timeouts": null })
    );
}

#[tokio::test]
async fn a_missing_or_forbidden_bucket_is_an_error() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (state, found) = read(&mut client, json!({ "bucket": "missing" })).await;
    assert_eq!(
        diagnostics(&found),
        ["error at bucket: Cannot read the encryption of bucket missing"]
    );
    assert!(found[0].detail.contains("The bucket does not exist."), "{}", found[0].detail);
    assert_eq!(state, Json::Null);

    emulator.inject(Fault::error_response(403, "AccessDenied").bucket("app-a"));
    let (_, found) = read(&mut client, json!({ "bucket": "app-a" })).await;
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of bucket app-a"]);
    let action = "oss:GetBucketEncryption on acs:oss:*:*:app-a";
    assert!(found[0].detail.contains(action), "{}", found[0].detail);
}

#[tokio::test]
async fn only_the_code_for_a_missing_rule_means_that_there_is_none() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for (status, code) in [
        (404, "NoSuchKey"),
        (404, "NoSuchBucket"),
        (403, "NoSuchServerSideEncryptionRule"),
        (404, "SomethingNew"),
    ] {
        emulator.inject(Fault::error_response(status, code).message("no rule, no bucket"));
        let (state, found) = read(&mut client, json!({ "bucket": "app-plain" })).await;
        assert_eq!(found.len(), 1, "{status} {code}");
        assert_eq!(state, Json::Null);
    }
}

#[tokio::test]
async fn the_timeout_of_a_read_can_be_set() {
    let emulator = account();
    emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    let mut client = configured(&emulator).await;
    let mut given = timeouts("1ms");
    given["bucket"] = "app-a".into();
    let (_, found) = read(&mut client, given).await;
    assert_eq!(diagnostics(&found), ["error: Cannot read the encryption of bucket app-a"]);
    assert!(found[0].detail.contains("the data source's `timeouts` block"), "{}", found[0].detail);
}

#[tokio::test]
async fn a_read_is_cancelled_by_stop_provider() {
    let emulator = account();
    emulator.inject(Fault::delay(Duration::from_mins(5)).forever());
    let mut client = configured(&emulator).await;
    let mut reading = client.clone();
    let read = tokio::spawn(async move { read(&mut reading, json!({ "bucket": "app-a" })).await });
    while emulator.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    client.stop_provider(pb::stop_provider::Request {}).await.unwrap();
    let (_, found) = read.await.unwrap();
    assert!(found[0].detail.contains("cancelled"), "{}", found[0].detail);
}

#[tokio::test]
async fn impossible_values_are_reported_at_their_attribute() {
    for (given, expected) in [
        (json!({ "bucket": "app-a" }), vec![]),
        (json!({ "bucket": UNKNOWN, "region": UNKNOWN }), vec![]),
        (json!({ "bucket": null }), vec!["error at bucket: Missing argument"]),
        (json!({ "bucket": "Upper" }), vec!["error at bucket: Invalid bucket name"]),
        (json!({ "bucket": "a.evil.example/" }), vec!["error at bucket: Invalid bucket name"]),
        (
            json!({ "bucket": "demo", "region": "oss-cn-hangzhou" }),
            vec!["error at region: Invalid region"],
        ),
        (
            json!({ "bucket": "demo", "timeouts": { "read": "soon" } }),
            vec!["error at timeouts.read: Invalid timeout"],
        ),
    ] {
        assert_eq!(super::validate(TYPE, bucket(given.clone())).await, expected, "{given}");
    }
    // The same before a request is sent, if the value was unknown when it was validated.
    let emulator = account();
    let mut client = configured(&emulator).await;
    let (_, found) = read(&mut client, json!({ "bucket": "a.evil.example/" })).await;
    assert_eq!(diagnostics(&found), ["error at bucket: Invalid bucket name"]);
    let (_, found) = read(&mut client, json!({ "bucket": UNKNOWN })).await;
    assert_eq!(diagnostics(&found), ["error at bucket: Unknown value"]);
    assert_eq!(emulator.requests().len(), 0);
}

#[tokio::test]
async fn a_read_is_deferred_while_the_provider_is_unknown() {
    let mut client = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": UNKNOWN });
    let request = pb::configure_provider::Request {
        config: Some(provider_config(arguments)),
        terraform_version: "1.14.0-alpha".into(),
        ..Default::default()
    };
    client.configure_provider(request).await.unwrap();
    let request = |deferral_allowed| pb::read_data_source::Request {
        type_name: TYPE.into(),
        config: Some(bucket(json!({ "bucket": "demo" }))),
        client_capabilities: Some(pb::ClientCapabilities {
            deferral_allowed,
            ..Default::default()
        }),
        ..Default::default()
    };
    let response = client.read_data_source(request(true)).await.unwrap().into_inner();
    let reason = response.deferred.map(|deferred| deferred.reason().as_str_name().to_owned());
    assert_eq!(reason.as_deref(), Some("PROVIDER_CONFIG_UNKNOWN"));
    assert_eq!(from_dynamic(response.state.as_ref()), UNKNOWN);
    let response = client.read_data_source(request(false)).await.unwrap().into_inner();
    assert_eq!(response.deferred, None);
    assert_eq!(diagnostics(&response.diagnostics), ["error: Unknown provider configuration"]);
}

#[tokio::test]
async fn absent_and_null_configurations_are_errors() {
    let emulator = account();
    let mut client = configured(&emulator).await;
    for value in [None, Some(dynamic(&Json::Null)), Some(dynamic(&json!({ "bucket": "demo" })))] {
        let request = pb::read_data_source::Request {
            type_name: TYPE.into(),
            config: value,
            ..Default::default()
        };
        let response = client.read_data_source(request).await.unwrap().into_inner();
        assert_eq!(response.diagnostics.len(), 1);
        assert_eq!(response.state, None);
    }
    let (_, found) = read(&mut unconfigured(), json!({ "bucket": "demo" })).await;
    assert_eq!(diagnostics(&found), ["error: Provider not configured"]);
    assert_eq!(emulator.requests().len(), 0);
}
