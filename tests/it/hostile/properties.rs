//! Properties that hold for generated values.

use oss_emulator::Emulator;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;

use super::malformed_values::{call_with, json_value, msgpack};
use crate::support::{
    TYPE, UNKNOWN, configured, diagnostics, dynamic, emulator, from_dynamic, resource, unconfigured,
};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Nothing listens on this port, and no request must be sent to it.
fn nowhere() -> Emulator {
    emulator(&[])
}

fn text_or_nothing(texts: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        Just(json!(UNKNOWN)),
        proptest::sample::select(texts).prop_map(|text| json!(text)),
    ]
}

fn configurations() -> impl Strategy<Value = Json> {
    let bucket = prop_oneof![Just(json!(UNKNOWN)), Just(json!("demo")), Just(json!("other"))];
    (
        bucket,
        text_or_nothing(&["", "9468da86", "alias/x"]),
        text_or_nothing(&["", "SM4"]),
        text_or_nothing(&["", "cn-hangzhou", "cn-beijing"]),
    )
        .prop_map(|(bucket, key, cipher, region)| {
            resource(json!({ "bucket": bucket, "sse_algorithm": "KMS", "kms_master_key_id": key,
                "kms_data_encryption": cipher, "region": region }))
        })
}

/// A state without unknown values.
fn states() -> impl Strategy<Value = Json> {
    configurations().prop_map(|mut state| {
        for value in state.as_object_mut().unwrap().values_mut() {
            if *value == json!(UNKNOWN) {
                *value = json!("demo");
            }
        }
        // The only valid cipher.
        if state["kms_data_encryption"] == "demo" {
            state["kms_data_encryption"] = json!("SM4");
        }
        state["id"] = state["bucket"].clone();
        state
    })
}

async fn plan(prior: &Json, config: &Json) -> pb::plan_resource_change::Response {
    let request = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(prior)),
        proposed_new_state: Some(dynamic(config)),
        config: Some(dynamic(config)),
        ..Default::default()
    };
    let mut client = unconfigured();
    let once = client.plan_resource_change(request.clone()).await.unwrap().into_inner();
    assert_eq!(client.plan_resource_change(request).await.unwrap().into_inner(), once);
    once
}

/// The configuration that leads to a state.
fn config_of(state: &Json) -> Json {
    let mut config = state.clone();
    config["id"] = Json::Null;
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_crash_an_rpc(bytes: Vec<u8>, is_json: bool) {
        let value = if is_json { json_value(bytes) } else { msgpack(bytes) };
        let emulator = nowhere();
        for (method, summaries) in block_on(async {
            let mut client = configured(&emulator).await;
            call_with(&mut client, &value).await
        }) {
            prop_assert!(!summaries.join("").contains("crashed"), "{method}");
        }
        prop_assert!(emulator.requests().is_empty());
    }

    #[test]
    fn a_plan_keeps_configured_values(prior in states(), config in configurations()) {
        let response = block_on(plan(&prior, &config));
        let planned = from_dynamic(response.planned_state.as_ref());
        prop_assert_eq!(&planned["id"], &config["bucket"], "the id follows the bucket");
        for (name, value) in config.as_object().unwrap() {
            let kept_spelling = (name.starts_with("kms_") || name == "region") && planned[name] == prior[name]
                && [value, &prior[name]].iter().all(|value| value.is_null() || **value == json!(""));
            prop_assert!(
                name == "id" || planned[name] == *value || kept_spelling,
                "{name}: {value} became {}", planned[name]
            );
        }
        let replaces = response.requires_replace.len();
        prop_assert_eq!(replaces, usize::from(prior["bucket"] != config["bucket"]));
    }

    #[test]
    fn an_unchanged_configuration_plans_no_change(state in states()) {
        let response = block_on(plan(&state, &config_of(&state)));
        prop_assert_eq!(from_dynamic(response.planned_state.as_ref()), state);
        prop_assert!(response.requires_replace.is_empty());
    }

    #[test]
    fn unknown_values_are_never_validation_errors(config in configurations()) {
        let request = pb::validate_resource_config::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&config)),
            ..Default::default()
        };
        let response = block_on(async {
            unconfigured().validate_resource_config(request).await.unwrap().into_inner()
        });
        prop_assert_eq!(diagnostics(&response.diagnostics), Vec::<String>::new());
    }
}
