//! Calls in the wrong order, and many at once.

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

async fn read(mut host: TestClient<OssProvider>) -> (Json, Vec<String>) {
    let request = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(&aes256("demo"))),
        ..Default::default()
    };
    let answer = host.read_resource(request).await.unwrap().into_inner();
    (from_dynamic(answer.new_state.as_ref()), diagnostics(&answer.diagnostics))
}

#[tokio::test]
async fn the_last_configuration_counts() {
    let (first, second) = (emulator(&["demo"]), emulator(&["demo"]));
    first.set_rule("demo", EncryptionRule::new("SM4"));
    second.set_rule("demo", EncryptionRule::new("KMS"));
    let mut host = configured(&first).await;
    assert_eq!(read(host.clone()).await.0["sse_algorithm"], "SM4");
    host.configure_provider(configuration(&second)).await.unwrap();
    assert_eq!(read(host.clone()).await.0["sse_algorithm"], "KMS");
    // One that is refused leaves nothing to work with, instead of the one before.
    let config = Some(provider_config(json!({ "region": "c/n" })));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    host.configure_provider(request).await.unwrap();
    assert_eq!(read(host).await.1, ["error: Provider not configured"]);
}

#[tokio::test]
async fn fifty_calls_at_once_answer_rightly_while_a_stop_comes_between() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let host = configured(&emulator).await;
    let calls = (0..50).map(|number| {
        let mut host = host.clone();
        async move {
            if number == 25 {
                host.stop_provider(pb::stop_provider::Request {}).await.unwrap();
            }
            if number % 2 == 0 {
                let request = pb::validate_resource_config::Request {
                    type_name: TYPE.into(),
                    config: Some(dynamic(&aes256("demo"))),
                    ..Default::default()
                };
                let answer = host.validate_resource_config(request).await.unwrap().into_inner();
                assert_eq!(answer.diagnostics, []);
                return;
            }
            let (state, messages) = read(host).await;
            // Either it was read, or it was stopped and says so; never a state that is gone.
            if messages.is_empty() {
                assert_eq!(state, aes256("demo"));
            } else {
                assert_eq!(messages, ["error: Cannot read the encryption of bucket demo"]);
                assert_eq!(state, aes256("demo"));
            }
        }
    });
    join_all(calls).await;
    assert_eq!(read(host).await, (aes256("demo"), vec![]), "later calls work");
}
