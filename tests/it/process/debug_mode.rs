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

/// The mode of the directory of a socket.
fn mode_of_directory(socket: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(socket.parent().unwrap()).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn debug_mode_never_serves_where_others_can_connect() {
    use std::os::unix::fs::PermissionsExt as _;
    let long = "long".repeat(30);
    for (name, mode) in [(long.as_str(), 0o700), ("a|b", 0o700), ("everybody", 0o777)] {
        let start = Start::new(&["--debug"]);
        let directory = start.directory.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let mut plugin = start.with("TMPDIR", &directory).spawn();
        let Address::Unix(path) = reattach(&mut plugin).await else { unreachable!() };
        assert_eq!(path.parent().unwrap().parent().unwrap(), std::path::Path::new("/tmp"));
        assert_eq!(mode_of_directory(&path), 0o700);
        let channel = channel(Address::Unix(path.clone()).connect().await).await.unwrap();
        assert_served(&channel).await;
        plugin.signal("INT").await;
        plugin.end().await;
        assert!(!path.parent().unwrap().exists(), "{path:?} is left");
    }
    // A directory that everybody can write to, but only rename what they own.
    let start = Start::new(&["--debug"]);
    let shared = start.directory.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut plugin = start.with("TMPDIR", &shared).spawn();
    let Address::Unix(path) = reattach(&mut plugin).await else { unreachable!() };
    assert!(path.starts_with(&shared), "{path:?}");
    assert_eq!(mode_of_directory(&path), 0o700);
    plugin.signal("INT").await;
    plugin.end().await;
}

#[tokio::test]
async fn a_host_without_tls_gets_a_socket_that_only_the_user_can_open() {
    let start = Start::by_host();
    let long = start.directory.path().join("long".repeat(30));
    fs::create_dir(&long).unwrap();
    let plugin = start.with("TMPDIR", &long).serve().await;
    let Address::Unix(path) = plugin.address() else { panic!("{}", plugin.line) };
    assert_eq!(mode_of_directory(&path), 0o700);
    let start = Start::by_host().with("PLUGIN_UNIX_SOCKET_GROUP", "0");
    let (code, stdout, stderr) = start.run().await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("PLUGIN_UNIX_SOCKET_GROUP would let a group open it"), "{stderr}");
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
