//! Calls in the wrong order, and concurrent calls.

use futures_util::future::join_all;
use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::aes256;
use crate::support::{
    TYPE, TestClient, configuration, configured, diagnostics, dynamic, emulator, from_dynamic,
    provider_config,
};

async fn read(mut client: TestClient<OssProvider>) -> (Json, Vec<String>) {
    let request = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(&aes256("demo"))),
        ..Default::default()
    };
    let response = client.read_resource(request).await.unwrap().into_inner();
    (from_dynamic(response.new_state.as_ref()), diagnostics(&response.diagnostics))
}

#[tokio::test]
async fn the_last_configuration_takes_effect() {
    let (first, second) = (emulator(&["demo"]), emulator(&["demo"]));
    first.set_rule("demo", EncryptionRule::new("SM4"));
    second.set_rule("demo", EncryptionRule::new("KMS"));
    let mut client = configured(&first).await;
    assert_eq!(read(client.clone()).await.0["sse_algorithm"], "SM4");
    client.configure_provider(configuration(&second)).await.unwrap();
    assert_eq!(read(client.clone()).await.0["sse_algorithm"], "KMS");
    // An invalid configuration also drops the previous one.
    let config = Some(provider_config(json!({ "region": "c/n" })));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    client.configure_provider(request).await.unwrap();
    assert_eq!(read(client).await.1, ["error: Provider not configured"]);
}

#[tokio::test]
async fn concurrent_calls_return_correct_states_despite_a_stop() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let client = configured(&emulator).await;
    let calls = (0..50).map(|number| {
        let mut client = client.clone();
        async move {
            if number == 25 {
                client.stop_provider(pb::stop_provider::Request {}).await.unwrap();
            }
            if number % 2 == 0 {
                let mut config = aes256("demo");
                config["id"] = Json::Null;
                let request = pb::validate_resource_config::Request {
                    type_name: TYPE.into(),
                    config: Some(dynamic(&config)),
                    ..Default::default()
                };
                let response = client.validate_resource_config(request).await.unwrap().into_inner();
                assert_eq!(response.diagnostics, []);
                return;
            }
            let (state, messages) = read(client).await;
            // Either the rule was read, or the call was cancelled; the state is never removed.
            if messages.is_empty() {
                assert_eq!(state, aes256("demo"));
            } else {
                assert_eq!(messages, ["error: Cannot read the encryption of bucket demo"]);
                assert_eq!(state, aes256("demo"));
            }
        }
    });
    join_all(calls).await;
    assert_eq!(read(client).await, (aes256("demo"), vec![]), "later calls work");
}
