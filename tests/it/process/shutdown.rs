//! Shutdown of the process.

use std::process::Stdio;
use std::time::Duration;

use oss_emulator::Fault;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::{Client, End, Start, assert_served, names, plaintext, shut_down, within};
use crate::support::{TYPE, configuration, dynamic, emulator, from_dynamic, resource};

#[tokio::test]
async fn the_plugin_exits_when_the_host_disconnects() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).serve().await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    drop(channel);
    plugin.end().await.assert_clean();
}

/// A host without a client certificate, such as Crossplane's upjet, starts the plugin and lets others reattach.
#[tokio::test]
async fn without_a_client_certificate_the_plugin_serves_until_its_parent_exits() {
    let mut start = Start::by_host().with("TF_LOG_PROVIDER", "trace").under_a_shell();
    start.command.stderr(Stdio::piped());
    let mut plugin = start.serve().await;
    let mut log = BufReader::new(plugin.stderr.take().unwrap()).lines();
    for _ in 0..2 {
        let channel = plaintext(&plugin).await;
        assert_served(&channel).await;
        drop(channel);
        // Logged a second after the last client has disconnected.
        while !within(log.next_line()).await.unwrap().unwrap().contains("no client is connected") {}
    }
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    plugin.signal("KILL").await;
    assert_served(&channel).await;
    drop(channel);
    // The plugin has the same standard output as its parent, and closes it when it exits.
    let mut rest = String::new();
    within(plugin.stdout.read_to_string(&mut rest)).await.unwrap();
    assert_eq!((rest.as_str(), names(plugin.directory.path())), ("", vec![]));
}

#[tokio::test]
async fn sigint_is_ignored() {
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
async fn sigterm_removes_the_socket() {
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sighup_and_sigquit_remove_the_socket() {
    for signal in ["HUP", "QUIT"] {
        let client = Client::new();
        let idle = Start::by_host_with(&client).not_ignoring(signal).serve().await;
        idle.signal(signal).await;
        idle.end().await.assert_clean();

        let connected = Start::by_host_with(&client).not_ignoring(signal).serve().await;
        let channel = client.connect(&connected).await;
        assert_served(&channel).await;
        connected.signal(signal).await;
        connected.end().await.assert_clean();

        let mut debug = Start::new(&["--debug"]).not_ignoring(signal).spawn();
        while !debug.next_line().await.contains("TF_REATTACH_PROVIDERS=") {}
        debug.signal(signal).await;
        let End { status, left, .. } = debug.end().await;
        assert_eq!((status.code(), left), (Some(0), vec![]), "{signal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_plugin_of_a_host_that_ignores_sighup_keeps_serving() {
    let client = Client::new();
    let plugin = Start::by_host_with(&client).ignoring("HUP").serve().await;
    let channel = client.connect(&plugin).await;
    assert_served(&channel).await;
    plugin.signal("HUP").await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn calls_in_flight_return_their_state_on_sigterm() {
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
        while emulator.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    plugin.signal("TERM").await;
    let response = within(applied).await.unwrap().unwrap().into_inner();
    assert_eq!(from_dynamic(response.new_state.as_ref()), planned);
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn standard_input_is_not_read() {
    let mut start = Start::by_host();
    start.command.stdin(Stdio::piped());
    let mut plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    // The end of standard input has no meaning: it is the user's terminal.
    drop(plugin.child.stdin.take());
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}

#[tokio::test]
async fn the_plugin_keeps_serving_if_standard_error_is_closed() {
    let (nobody, stderr) = std::io::pipe().unwrap();
    drop(nobody);
    // A log line right at startup.
    let mut start =
        Start::by_host().with("TF_LOG", "trace").with("PLUGIN_PROTOCOL_VERSIONS", "six,6");
    start.command.stderr(stderr);
    let plugin = start.serve().await;
    let channel = plaintext(&plugin).await;
    assert_served(&channel).await;
    shut_down(&channel).await;
    plugin.end().await.assert_clean();
}
