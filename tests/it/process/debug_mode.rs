//! Debug mode: `--debug` and reattaching.

use std::fs;

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::tfplugin::pb;
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;

use super::{Address, End, Plugin, Start, assert_served, channel, within};
use crate::support::{TYPE, configuration, dynamic, emulator, from_dynamic, resource};

/// The address in the JSON that debug mode prints.
async fn reattach(plugin: &mut Plugin) -> Address {
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("TF_REATTACH_PROVIDERS")) {
        let line = plugin.next_line().await;
        assert_ne!(line, "", "ended after {lines:?}");
        lines.push(line);
    }
    assert_eq!(lines[lines.len() - 2], "\n", "{lines:?}");
    let assignment = lines.last().unwrap().trim();
    let json = assignment.strip_prefix("TF_REATTACH_PROVIDERS='").unwrap();
    let json: Json = serde_json::from_str(json.strip_suffix('\'').unwrap()).unwrap();
    let entry = &json["registry.terraform.io/oss-tools/oss"];
    // The address of `oss-tools/oss` in OpenTofu.
    assert_eq!(&json["registry.opentofu.org/oss-tools/oss"], entry);
    assert_eq!(entry["Protocol"], "grpc");
    assert_eq!(entry["ProtocolVersion"], 6);
    assert_eq!(entry["Test"], true);
    assert_eq!(entry["Pid"], plugin.child.id().unwrap());
    assert_eq!(entry["Addr"]["Network"], "unix");
    Address::Unix(entry["Addr"]["String"].as_str().unwrap().into())
}

#[tokio::test]
async fn debug_mode_serves_one_host_after_another_until_interrupted() {
    let mut plugin = Start::new(&["--debug"]).spawn();
    let address = reattach(&mut plugin).await;
    // Hosts open and close a connection as a probe before each real one.
    drop(address.connect().await);
    for _ in 0..2 {
        let channel = channel(address.connect().await).await.unwrap();
        assert_served(&channel).await;
    }
    let channel = channel(address.connect().await).await.unwrap();
    assert_served(&channel).await;
    plugin.signal("INT").await;
    let End { status, left, .. } = plugin.end().await;
    assert_eq!((status.code(), left), (Some(0), vec![]));
}

#[tokio::test]
async fn debug_mode_separates_the_configurations_of_connections() {
    let mut plugin = Start::new(&["--debug"]).spawn();
    let address = reattach(&mut plugin).await;
    let mut hosts = Vec::new();
    for algorithm in ["KMS", "SM4"] {
        let emulator = emulator(&["demo"]);
        emulator.set_rule("demo", EncryptionRule::new(algorithm));
        let mut provider = ProviderClient::new(channel(address.connect().await).await.unwrap());
        let response = within(provider.configure_provider(configuration(&emulator))).await.unwrap();
        assert_eq!(response.into_inner().diagnostics, vec![]);
        hosts.push((provider, emulator, algorithm));
    }
    for (provider, _emulator, algorithm) in &mut hosts {
        let state = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "AES256" }));
        let request = pb::read_resource::Request {
            type_name: TYPE.to_owned(),
            current_state: Some(dynamic(&state)),
            ..Default::default()
        };
        let response = within(provider.read_resource(request)).await.unwrap().into_inner();
        assert_eq!(from_dynamic(response.new_state.as_ref())["sse_algorithm"], *algorithm);
    }
    drop(hosts);
    plugin.signal("INT").await;
    assert_eq!(plugin.end().await.status.code(), Some(0));
}

#[tokio::test]
async fn debug_mode_prints_an_absolute_address() {
    for temporary in ["", "here"] {
        let start = Start::new(&["--debug"]).with("TMPDIR", temporary);
        fs::create_dir(start.directory.path().join("here")).unwrap();
        let mut plugin = start.spawn();
        let Address::Unix(path) = reattach(&mut plugin).await else { unreachable!() };
        assert!(path.is_absolute(), "{temporary:?}: {path:?}");
        plugin.signal("INT").await;
        plugin.end().await;
        assert!(!path.exists(), "{path:?} is left");
    }
}
