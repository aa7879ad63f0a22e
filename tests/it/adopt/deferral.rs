//! Changes that are deferred because the provider is not configured yet.

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, aes256, identity};
use crate::support::{
    TYPE, TestClient, UNKNOWN, configured, diagnostics, dynamic, emulator, from_dynamic,
    provider_config, unconfigured,
};

/// A client whose provider configuration is unknown.
async fn partial(terraform_version: &str) -> TestClient<OssProvider> {
    let mut client = unconfigured();
    let arguments = json!({ "region": "cn-hangzhou", "endpoint": UNKNOWN });
    let request = pb::configure_provider::Request {
        config: Some(provider_config(arguments)),
        terraform_version: terraform_version.into(),
        ..Default::default()
    };
    let response = client.configure_provider(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
    client
}

fn deferral_allowed() -> pb::ClientCapabilities {
    pb::ClientCapabilities { deferral_allowed: true, ..Default::default() }
}

#[tokio::test]
async fn changes_are_deferred_if_the_client_supports_it() {
    let mut client = partial("1.14.0-alpha").await;
    let state = dynamic(&aes256("demo", None));
    let reason = |deferred: Option<pb::Deferred>| {
        deferred.map(|deferred| deferred.reason().as_str_name().to_owned())
    };
    let expected = Some("PROVIDER_CONFIG_UNKNOWN".to_owned());

    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(state.clone()),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let response = client.read_resource(read.clone()).await.unwrap().into_inner();
    assert_eq!(reason(response.deferred), expected);
    assert_eq!(response.new_state, Some(state.clone()));
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);

    let plan = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&Json::Null)),
        proposed_new_state: Some(state.clone()),
        config: Some(state.clone()),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let response = client.plan_resource_change(plan.clone()).await.unwrap().into_inner();
    assert_eq!(reason(response.deferred), expected);
    assert_eq!(response.planned_state, Some(state));

    let import = pb::import_resource_state::Request {
        type_name: TYPE.into(),
        id: "demo".into(),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let response = client.import_resource_state(import.clone()).await.unwrap().into_inner();
    assert_eq!(reason(response.deferred), expected);
    let imported = &response.imported_resources[0];
    assert_eq!((from_dynamic(imported.state.as_ref()), &imported.identity), (Json::Null, &None));
    let by_identity = pb::import_resource_state::Request {
        id: String::new(),
        identity: Some(identity("demo", None)),
        ..import
    };
    let response = client.import_resource_state(by_identity).await.unwrap().into_inner();
    assert_eq!(reason(response.deferred), expected);
    let imported = &response.imported_resources[0];
    assert_eq!(from_dynamic(imported.state.as_ref()), Json::Null);
    assert_eq!(imported.identity, Some(identity("demo", None)));

    // Terraform asks for the plan of a destroy only if the provider says that it plans them.
    let metadata = client.get_metadata(pb::get_metadata::Request {}).await.unwrap().into_inner();
    assert!(metadata.server_capabilities.unwrap().plan_destroy);
    let destroy = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: plan.proposed_new_state.clone(),
        proposed_new_state: Some(dynamic(&Json::Null)),
        config: Some(dynamic(&Json::Null)),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let response = client.plan_resource_change(destroy).await.unwrap().into_inner();
    assert_eq!(reason(response.deferred), expected);
    assert_eq!(from_dynamic(response.planned_state.as_ref()), Json::Null);

    // Never without support by the client, or with OpenTofu versions that claim it by mistake.
    let mut hosts = vec![(client, None)];
    for version in ["1.11.0", "1.11.1", "1.11.2", "1.11.3"] {
        hosts.push((partial(version).await, Some(deferral_allowed())));
    }
    for (mut client, capabilities) in hosts {
        let read = pb::read_resource::Request { client_capabilities: capabilities, ..read.clone() };
        let response = client.read_resource(read).await.unwrap().into_inner();
        assert_eq!(response.deferred, None);
        assert_eq!(diagnostics(&response.diagnostics), ["error: Unknown provider configuration"]);
        let plan =
            pb::plan_resource_change::Request { client_capabilities: capabilities, ..plan.clone() };
        assert_eq!(client.plan_resource_change(plan).await.unwrap().into_inner().deferred, None);
    }
}

#[tokio::test]
async fn nothing_is_deferred_when_everything_is_known() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("AES256"));
    let mut client = configured(&emulator).await;
    let read = pb::read_resource::Request {
        type_name: TYPE.into(),
        current_state: Some(dynamic(&aes256("demo", None))),
        client_capabilities: Some(deferral_allowed()),
        ..Default::default()
    };
    let response = client.read_resource(read).await.unwrap().into_inner();
    assert_eq!(response.deferred, None);
    assert_eq!(emulator.requests().len(), 1);
}
