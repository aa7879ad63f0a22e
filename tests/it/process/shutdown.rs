//! How the process ends.

use std::process::Stdio;
use std::time::Duration;

use oss_emulator::Fault;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;

use super::{Client, Start, assert_served, plaintext, shut_down, within};
use crate::support::{TYPE, configuration, dynamic, emulator, from_dynamic, resource};

#[tokio::test]
async fn a_host_that_is_gone_ends_the_plugin() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    drop(channel);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn an_interrupt_is_the_hosts_business() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    plugin.signal("INT").await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    plugin.signal("INT").await;
    plugin.signal("INT").await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn a_demand_to_end_leaves_no_socket() {
    let client = Client::new();
    let idle = Start::by_host_with(&client).serve().await;
    idle.signal("TERM").await;
    idle.end().await.assert_clean();

    let connected = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&connected).await;
    assert_served(&channel).await;
    connected.signal("TERM").await;
    connected.end().await.assert_clean();
}

#[tokio::test]
async fn a_termination_lets_calls_in_flight_answer_with_their_state() {
    let emulator = emulator(&["demo"]);
    emulator.inject(Fault::delay(Duration::from_mins(5)).method("PUT"));
    let plugin = Start::by_host().serve().await;
    let mut provider = ProviderClient::new(plaintext(&plugin).await);
    within(provider.configure_provider(configuration(&emulator))).await.unwrap();
    let planned = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS" }));
    let request = pb::apply_resource_change::Request {
        type_name: TYPE.to_owned(),
        prior_state: Some(dynamic(&Json::Null)),
        planned_state: Some(dynamic(&planned)),
        config: Some(dynamic(&planned)),
        ..Default::default()
    };
    let applied = tokio::spawn(async move { provider.apply_resource_change(request).await });
    within(async {
        while emulator.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    plugin.signal("TERM").await;
    let answer = within(applied).await.unwrap().unwrap().into_inner();
    assert_eq!(from_dynamic(answer.new_state.as_ref()), planned);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn standard_input_is_left_alone() {
    let mut start = Start::by_host();
    start.command.stdin(Stdio::piped());
    let mut plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    // Its end means nothing: it is the terminal of the person who runs terraform.
    drop(plugin.child.stdin.take());
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn a_closed_standard_error_is_no_reason_to_stop() {
    let (nobody, stderr) = std::io::pipe().unwrap();
    drop(nobody);
    // Something to say at the very start.
    let mut start =
        Start::by_host().with("TF_LOG", "trace").with("PLUGIN_PROTOCOL_VERSIONS", "six,6");
    start.command.stderr(stderr);
    let plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}
