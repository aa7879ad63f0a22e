//! RPCs in memory, without a transport.

use rmpv::Value as Wire;
use serde_json::json;
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::pb::provider_client::ProviderClient;
use terraform_provider_oss::tfplugin::pb::provider_server::ProviderServer;
use terraform_provider_oss::tfplugin::{Server, pb};
use tokio_util::sync::CancellationToken;

use super::Call;

const TYPE: &str = "oss_bucket_encryption";

type Provider = ProviderClient<ProviderServer<Server<OssProvider>>>;

/// An object in MessagePack, as Terraform sends it.
fn resource(algorithm: &str, id: Option<&str>) -> pb::DynamicValue {
    let attributes = [
        ("bucket", Some("my-bucket")),
        ("sse_algorithm", Some(algorithm)),
        ("kms_master_key_id", None),
        ("kms_data_encryption", None),
        ("region", None),
        ("id", id),
        ("timeouts", None),
    ];
    let entries = attributes
        .into_iter()
        .map(|(name, value)| (Wire::from(name), value.map_or(Wire::Nil, Wire::from)));
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, &Wire::Map(entries.collect())).unwrap();
    pb::DynamicValue { msgpack, json: Vec::new() }
}

/// Repeats a call.
fn repeat(call: impl AsyncFn(&mut Provider) + 'static) -> Call {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = OssProvider::new(Environment::default());
    let server = Server::new(provider, CancellationToken::new());
    let mut client = ProviderClient::new(server.into_service());
    Box::new(move || runtime.block_on(call(&mut client)))
}

/// Terraform's first request.
pub(super) fn schema() -> Call {
    repeat(async |provider| {
        let request = pb::get_provider_schema::Request::default();
        let response = provider.get_provider_schema(request).await.unwrap().into_inner();
        assert!(response.resource_schemas.contains_key(TYPE));
    })
}

/// Decodes and validates an object.
pub(super) fn validate() -> Call {
    let config = resource("KMS", None);
    repeat(async move |provider| {
        let request = pb::validate_resource_config::Request {
            type_name: TYPE.to_owned(),
            config: Some(config.clone()),
            ..Default::default()
        };
        let response = provider.validate_resource_config(request).await.unwrap().into_inner();
        assert!(response.diagnostics.is_empty(), "{response:?}");
    })
}

/// Converts JSON to MessagePack, as for each resource in a state.
pub(super) fn upgrade() -> Call {
    let state = json!({
        "bucket": "my-bucket", "sse_algorithm": "KMS", "kms_master_key_id": null,
        "kms_data_encryption": null, "region": null, "id": "my-bucket", "timeouts": null,
    });
    let json = state.to_string().into_bytes();
    repeat(async move |provider| {
        let raw = pb::RawState { json: json.clone(), ..Default::default() };
        let request = pb::upgrade_resource_state::Request {
            type_name: TYPE.to_owned(),
            raw_state: Some(raw),
            ..Default::default()
        };
        let response = provider.upgrade_resource_state(request).await.unwrap().into_inner();
        assert!(response.diagnostics.is_empty(), "{response:?}");
    })
}

/// Decodes three objects and encodes one.
pub(super) fn plan() -> Call {
    let prior = resource("AES256", Some("my-bucket"));
    let proposed = resource("KMS", Some("my-bucket"));
    let config = resource("KMS", None);
    repeat(async move |provider| {
        let request = pb::plan_resource_change::Request {
            type_name: TYPE.to_owned(),
            prior_state: Some(prior.clone()),
            proposed_new_state: Some(proposed.clone()),
            config: Some(config.clone()),
            ..Default::default()
        };
        let response = provider.plan_resource_change(request).await.unwrap().into_inner();
        assert!(response.diagnostics.is_empty(), "{response:?}");
    })
}
