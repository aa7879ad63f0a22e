//! The RPCs of the protocol, called in-process with the messages that Terraform sends.

mod apply;
mod bucket_setting;
mod create;
mod data_source;
mod every_rpc;
mod handover;
mod panics;
mod plan;
mod provider;
mod provider_config;
mod results;
mod schema;
mod second_setting;
mod stored_state;
mod validation;

use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::{Provider, pb};

use super::support::{
    TYPE, TestClient, UNKNOWN, client_for, diagnostics, dynamic, from_dynamic, provider_config,
    resource, unconfigured,
};

const NO_DIAGNOSTICS: [&str; 0] = [];

async fn validate(attributes: Json) -> Vec<String> {
    let config = Some(dynamic(&resource(attributes)));
    let request = pb::validate_resource_config::Request {
        type_name: TYPE.into(),
        config,
        ..Default::default()
    };
    let response = unconfigured().validate_resource_config(request).await.unwrap().into_inner();
    diagnostics(&response.diagnostics)
}

async fn validate_provider(arguments: Json) -> Vec<String> {
    let request =
        pb::validate_provider_config::Request { config: Some(provider_config(arguments)) };
    let response = unconfigured().validate_provider_config(request).await.unwrap().into_inner();
    diagnostics(&response.diagnostics)
}

async fn configure(environment: &[(&str, &str)], arguments: Json) -> Vec<pb::Diagnostic> {
    let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
    let request = pb::configure_provider::Request {
        config: Some(provider_config(arguments)),
        ..Default::default()
    };
    let mut client = client_for(OssProvider::new(Environment::new(variables)));
    client.configure_provider(request).await.unwrap().into_inner().diagnostics
}

async fn plan(prior: Json, config: Json) -> pb::plan_resource_change::Response {
    let mut proposed = config.clone();
    if !config.is_null() && config["id"].is_null() {
        // Terraform proposes the prior value for a computed attribute, and unknown for a new one.
        proposed["id"] = if prior.is_null() { UNKNOWN.into() } else { prior["id"].clone() };
    }
    let request = pb::plan_resource_change::Request {
        type_name: TYPE.into(),
        prior_state: Some(dynamic(&prior)),
        proposed_new_state: Some(dynamic(&proposed)),
        config: Some(dynamic(&config)),
        ..Default::default()
    };
    let mut client = unconfigured();
    let once = client.plan_resource_change(request.clone()).await.unwrap().into_inner();
    let twice = client.plan_resource_change(request).await.unwrap().into_inner();
    assert_eq!(once, twice, "planned twice, the response is the same");
    once
}

async fn apply<P: Provider>(
    client: &mut TestClient<P>,
    prior: &Json,
    planned: &Json,
) -> (Json, Vec<pb::Diagnostic>) {
    apply_type(client, TYPE, prior, planned).await
}

async fn apply_type<P: Provider>(
    client: &mut TestClient<P>,
    type_name: &str,
    prior: &Json,
    planned: &Json,
) -> (Json, Vec<pb::Diagnostic>) {
    let request = pb::apply_resource_change::Request {
        type_name: type_name.into(),
        prior_state: Some(dynamic(prior)),
        planned_state: Some(dynamic(planned)),
        config: Some(dynamic(planned)),
        ..Default::default()
    };
    let response = client.apply_resource_change(request).await.unwrap().into_inner();
    (from_dynamic(response.new_state.as_ref()), response.diagnostics)
}

async fn read(client: &mut TestClient<OssProvider>, state: &Json) -> (Json, Vec<pb::Diagnostic>) {
    read_type(client, TYPE, state).await
}

async fn read_type<P: Provider>(
    client: &mut TestClient<P>,
    type_name: &str,
    state: &Json,
) -> (Json, Vec<pb::Diagnostic>) {
    let request = pb::read_resource::Request {
        type_name: type_name.into(),
        current_state: Some(dynamic(state)),
        ..Default::default()
    };
    let response = client.read_resource(request).await.unwrap().into_inner();
    (from_dynamic(response.new_state.as_ref()), response.diagnostics)
}

fn kms(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "KMS" }))
}

fn aes256(bucket: &str) -> Json {
    resource(json!({ "bucket": bucket, "id": bucket, "sse_algorithm": "AES256" }))
}
