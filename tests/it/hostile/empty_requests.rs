//! Every RPC with an empty request.

use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use crate::support::{TestClient, diagnostics, unconfigured};

/// Calls every RPC with an empty request. Returns the summaries of the diagnostics of each.
async fn call_every_rpc(client: &mut TestClient<OssProvider>) -> Vec<(&'static str, Vec<String>)> {
    let mut responses = Vec::new();
    macro_rules! unary {
        ($($method:ident: $message:ident),* $(,)?) => {
            $(
                let request = pb::$message::Request::default();
                let response = client.$method(request).await.expect(stringify!($method)).into_inner();
                responses.push((stringify!($method), diagnostics(&response.diagnostics)));
            )*
        };
    }
    unary!(
        get_metadata: get_metadata,
        get_provider_schema: get_provider_schema,
        validate_provider_config: validate_provider_config,
        configure_provider: configure_provider,
        validate_resource_config: validate_resource_config,
        upgrade_resource_state: upgrade_resource_state,
        read_resource: read_resource,
        plan_resource_change: plan_resource_change,
        apply_resource_change: apply_resource_change,
        import_resource_state: import_resource_state,
        generate_resource_config: generate_resource_config,
        move_resource_state: move_resource_state,
        get_resource_identity_schemas: get_resource_identity_schemas,
        upgrade_resource_identity: upgrade_resource_identity,
        validate_list_resource_config: validate_list_resource_config,
        validate_data_resource_config: validate_data_resource_config,
        read_data_source: read_data_source,
        validate_ephemeral_resource_config: validate_ephemeral_resource_config,
        open_ephemeral_resource: open_ephemeral_resource,
        renew_ephemeral_resource: renew_ephemeral_resource,
        close_ephemeral_resource: close_ephemeral_resource,
        get_functions: get_functions,
        validate_action_config: validate_action_config,
        plan_action: plan_action,
        validate_state_store_config: validate_state_store,
        configure_state_store: configure_state_store,
        lock_state: lock_state,
        unlock_state: unlock_state,
        get_states: get_states,
        delete_state: delete_state,
    );
    let stopped = client.stop_provider(pb::stop_provider::Request::default()).await.unwrap();
    responses.push(("stop_provider", vec![stopped.into_inner().error]));
    let called = client.call_function(pb::call_function::Request::default()).await.unwrap();
    let error = called.into_inner().error.unwrap();
    responses.push(("call_function", vec![error.text]));
    let mut listed =
        client.list_resource(pb::list_resource::Request::default()).await.unwrap().into_inner();
    let event = listed.message().await.unwrap().unwrap();
    responses.push(("list_resource", diagnostics(&event.diagnostic)));
    let mut invoked =
        client.invoke_action(pb::invoke_action::Request::default()).await.unwrap().into_inner();
    let event = invoked.message().await.unwrap().unwrap();
    let Some(pb::invoke_action::event::Type::Completed(completed)) = event.r#type else { panic!() };
    responses.push(("invoke_action", diagnostics(&completed.diagnostics)));
    let request = pb::read_state_bytes::Request::default();
    let mut chunks = client.read_state_bytes(request).await.unwrap().into_inner();
    let chunk = chunks.message().await.unwrap().unwrap();
    responses.push(("read_state_bytes", diagnostics(&chunk.diagnostics)));
    let nothing = futures_util::stream::empty::<pb::write_state_bytes::RequestChunk>();
    let written = client.write_state_bytes(nothing).await.unwrap().into_inner();
    responses.push(("write_state_bytes", diagnostics(&written.diagnostics)));
    responses
}

/// RPCs that succeed with an empty request.
const CONTENT: [&str; 5] = [
    "get_metadata",
    "get_provider_schema",
    "get_resource_identity_schemas",
    "get_functions",
    "stop_provider",
];

#[tokio::test]
async fn every_rpc_responds_to_an_empty_request() {
    let proto = include_str!("../../../proto/tfplugin6.proto");
    let rpcs = proto.lines().filter(|line| line.trim_start().starts_with("rpc ")).count();
    let mut client = unconfigured();
    let once = call_every_rpc(&mut client).await;
    assert_eq!(once.len(), rpcs, "an RPC is missing in the table");
    for (method, summaries) in &once {
        let text = summaries.join("; ");
        assert!(!text.contains("crashed"), "{method}: {text}");
        assert_eq!(text.is_empty(), CONTENT.contains(method), "{method}: {text}");
    }
    assert_eq!(call_every_rpc(&mut client).await, once, "asked twice, the response is the same");
}
