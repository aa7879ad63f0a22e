//! Every RPC of the protocol, including those for unsupported features.

use serde_json::Value as Json;
use terraform_provider_oss::tfplugin::pb;

use super::apply::calls;
use super::{aes256, apply, read};
use crate::support::{TYPE, configured, diagnostics, dynamic, emulator, unconfigured};

#[tokio::test]
async fn unsupported_features_are_named_in_the_error() {
    let mut client = unconfigured();
    let name = || "oss_nothing".to_owned();
    macro_rules! check {
        ($method:ident, $request:expr, $summary:literal) => {
            let response = client.$method($request).await.unwrap().into_inner();
            assert_eq!(diagnostics(&response.diagnostics), [concat!("error: ", $summary)]);
            assert!(response.diagnostics[0].detail.contains("oss_nothing"), stringify!($method));
        };
    }
    macro_rules! check_type {
        ($($method:ident: $message:ident { $field:ident } => $summary:literal;)*) => {
            $(check!($method, pb::$message::Request { $field: name(), ..Default::default() }, $summary);)*
        };
    }
    check_type! {
        validate_resource_config: validate_resource_config { type_name } => "Unknown resource type";
        upgrade_resource_state: upgrade_resource_state { type_name } => "Unknown resource type";
        read_resource: read_resource { type_name } => "Unknown resource type";
        plan_resource_change: plan_resource_change { type_name } => "Unknown resource type";
        apply_resource_change: apply_resource_change { type_name } => "Unknown resource type";
        import_resource_state: import_resource_state { type_name } => "Unknown resource type";
        generate_resource_config: generate_resource_config { type_name } => "Unknown resource type";
        move_resource_state: move_resource_state { target_type_name } => "Unknown resource type";
        upgrade_resource_identity: upgrade_resource_identity { type_name } => "Unknown resource type";
        validate_list_resource_config: validate_list_resource_config { type_name } => "Unknown list resource";
        validate_data_resource_config: validate_data_resource_config { type_name } => "Unknown data source";
        read_data_source: read_data_source { type_name } => "Unknown data source";
        validate_ephemeral_resource_config: validate_ephemeral_resource_config { type_name } => "Unknown ephemeral resource";
        open_ephemeral_resource: open_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        renew_ephemeral_resource: renew_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        close_ephemeral_resource: close_ephemeral_resource { type_name } => "Unknown ephemeral resource";
        validate_action_config: validate_action_config { type_name } => "Unknown action";
        plan_action: plan_action { action_type } => "Unknown action";
        validate_state_store_config: validate_state_store { type_name } => "Unknown state store";
        configure_state_store: configure_state_store { type_name } => "Unknown state store";
        lock_state: lock_state { type_name } => "Unknown state store";
        unlock_state: unlock_state { type_name } => "Unknown state store";
        delete_state: delete_state { type_name } => "Unknown state store";
    }
    check!(get_states, pb::get_states::Request { type_name: name() }, "Unknown state store");
    let meta = pb::RequestChunkMeta { type_name: name(), state_id: String::new() };
    let chunk = pb::write_state_bytes::RequestChunk { meta: Some(meta), ..Default::default() };
    check!(write_state_bytes, futures_util::stream::iter([chunk]), "Unknown state store");

    let request = pb::call_function::Request { name: name(), ..Default::default() };
    let response = client.call_function(request).await.unwrap().into_inner();
    assert!(response.error.unwrap().text.contains("oss_nothing"));

    let request = pb::list_resource::Request { type_name: name(), ..Default::default() };
    let mut events = client.list_resource(request).await.unwrap().into_inner();
    let event = events.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&event.diagnostic), ["error: Unknown list resource"]);
    assert_eq!(events.message().await.unwrap(), None);

    let request = pb::invoke_action::Request { action_type: name(), ..Default::default() };
    let mut events = client.invoke_action(request).await.unwrap().into_inner();
    let Some(pb::invoke_action::event::Type::Completed(completed)) =
        events.message().await.unwrap().unwrap().r#type
    else {
        panic!("the action did not complete");
    };
    assert_eq!(diagnostics(&completed.diagnostics), ["error: Unknown action"]);

    let request = pb::read_state_bytes::Request { type_name: name(), ..Default::default() };
    let mut chunks = client.read_state_bytes(request).await.unwrap().into_inner();
    let chunk = chunks.message().await.unwrap().unwrap();
    assert_eq!(diagnostics(&chunk.diagnostics), ["error: Unknown state store"]);
}

#[tokio::test]
async fn rpcs_that_list_types_succeed() {
    let mut client = unconfigured();
    let metadata = client.get_metadata(pb::get_metadata::Request {}).await.unwrap().into_inner();
    let names: Vec<&str> =
        metadata.resources.iter().map(|resource| resource.type_name.as_str()).collect();
    assert_eq!(names, [TYPE]);
    let names: Vec<&str> =
        metadata.data_sources.iter().map(|source| source.type_name.as_str()).collect();
    assert_eq!(names, [TYPE, "oss_bucket_encryptions"]);
    let functions = client.get_functions(pb::get_functions::Request {}).await.unwrap().into_inner();
    assert!(functions.functions.is_empty() && functions.diagnostics.is_empty());
    let identities = client
        .get_resource_identity_schemas(pb::get_resource_identity_schemas::Request {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(identities.diagnostics, []);
}

#[tokio::test]
async fn absent_and_malformed_values_are_errors_and_change_nothing() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    let malformed =
        |msgpack: &[u8]| Some(pb::DynamicValue { msgpack: msgpack.to_vec(), json: Vec::new() });
    for value in [None, malformed(b""), malformed(b"\xc1"), malformed(b"\x80"), malformed(b"\xa1")]
    {
        let request = pb::apply_resource_change::Request {
            type_name: TYPE.into(),
            prior_state: Some(dynamic(&aes256("demo"))),
            planned_state: value.clone(),
            config: value.clone(),
            ..Default::default()
        };
        let response = client.apply_resource_change(request).await.unwrap().into_inner();
        assert_eq!(response.diagnostics.len(), 1, "{value:?}");
        let request = pb::read_resource::Request {
            type_name: TYPE.into(),
            current_state: value.clone(),
            ..Default::default()
        };
        let response = client.read_resource(request).await.unwrap().into_inner();
        assert_eq!(response.diagnostics.len(), 1, "{value:?}");
        let request = pb::validate_provider_config::Request { config: value };
        let response = client.validate_provider_config(request).await.unwrap().into_inner();
        assert_eq!(response.diagnostics.len(), 1);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn calls_before_configure_are_rejected() {
    let mut client = unconfigured();
    let (state, found) = read(&mut client, &aes256("demo")).await;
    assert_eq!(diagnostics(&found), ["error: Provider not configured"]);
    assert_eq!(state, Json::Null);
    let (state, found) = apply(&mut client, &aes256("demo"), &Json::Null).await;
    assert_eq!(diagnostics(&found), ["error: Provider not configured"]);
    assert_eq!(state, aes256("demo"), "what could not be deleted stays in the state");
}
