//! Every diagnostic about a configuration, as the user reads it: see `snapshots/` next to this file.
//! Diagnostics about failed calls are in `src/resources/explain/`.

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::{Environment, OssProvider};
use terraform_provider_oss::tfplugin::pb;

use super::support::{
    TYPE, UNKNOWN, client_for, configured, dynamic, emulator, path, provider_config, resource,
    unconfigured,
};

macro_rules! check {
    ($messages:expr) => {
        let messages: Vec<String> = $messages;
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(messages.join("\n----\n\n"));
        });
    };
}

/// Diagnostics as Terraform prints them, without frames and line breaks.
fn rendered(diagnostics: &[pb::Diagnostic]) -> impl Iterator<Item = String> {
    diagnostics.iter().map(|diagnostic| {
        let severity = match diagnostic.severity() {
            pb::diagnostic::Severity::Warning => "Warning",
            _ => "Error",
        };
        let at = diagnostic.attribute.as_ref().map(|at| format!("  with {}\n\n", path(at)));
        let (at, summary) = (at.unwrap_or_default(), &diagnostic.summary);
        format!("{severity}: {summary}\n\n{at}{}\n", diagnostic.detail)
    })
}

#[tokio::test]
async fn about_a_resource() {
    let mut client = unconfigured();
    let mut messages = Vec::new();
    for attributes in [
        json!({}),
        json!({ "bucket": "Ab", "sse_algorithm": "AES256" }),
        json!({ "bucket": "ab", "sse_algorithm": "AES256" }),
        json!({ "bucket": "-ab", "sse_algorithm": "AES256" }),
        json!({ "bucket": "demo", "sse_algorithm": "aes256" }),
        json!({ "bucket": "demo", "sse_algorithm": "DES" }),
        json!({ "bucket": "demo", "sse_algorithm": "AES256", "kms_master_key_id": "k",
            "kms_data_encryption": "SM4" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "kms_master_key_id": "a b",
            "kms_data_encryption": "AES256" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "region": "CN" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "region": "oss-cn-hangzhou" }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "timeouts":
            { "create": "0s", "read": "soon", "update": null, "delete": null } }),
        json!({ "bucket": "demo", "sse_algorithm": "KMS", "id": "other" }),
    ] {
        let request = pb::validate_resource_config::Request {
            type_name: TYPE.into(),
            config: Some(dynamic(&resource(attributes))),
            ..Default::default()
        };
        let response = client.validate_resource_config(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    check!(messages);
}

#[tokio::test]
async fn about_the_provider_block() {
    let mut client = unconfigured();
    let mut messages = Vec::new();
    for arguments in [
        json!({ "region": "oss-cn-hangzhou" }),
        json!({ "region": "cn-hangzhou-internal" }),
        json!({ "endpoint": "https://user:password@host" }),
        json!({ "endpoint": "https://host/path" }),
        json!({ "endpoint": "ftp://host" }),
        json!({ "endpoint": "cn-hangzhou" }),
        json!({ "endpoint": "cn-hangzhou-internal" }),
        json!({ "endpoint": "s3.oss-cn-hangzhou.aliyuncs.com" }),
        json!({ "endpoint": "oss-cn-hangzhou-internal" }),
        json!({ "endpoint": "//oss-cn-hangzhou.aliyuncs.com" }),
        json!({ "endpoint": "http://demo.oss-cn-hangzhou.aliyuncs.com" }),
        json!({ "endpoint": "demo.oss-accelerate.aliyuncs.com" }),
        json!({ "endpoint": "http://oss.example.com" }),
        json!({ "endpoint": "oss.example.com", "endpoint_type": "internal" }),
        json!({ "endpoint_type": "vpc", "address_style": "x", "signature_version": "v2" }),
        json!({ "access_key": "id" }),
        json!({ "secret_key": "secret" }),
        json!({ "security_token": "token" }),
        json!({ "access_key": "id", "secret_key": "a secret" }),
        json!({ "credentials_uri": "ftp://host?key=secret", "ecs_role_name": "a/b" }),
        json!({ "sts_endpoint": "http://sts.example.com" }),
        json!({ "sts_endpoint": "cn-hangzhou" }),
        json!({ "max_retries": 99_999_999_999_i64, "connect_timeout": "0s", "read_timeout": "soon" }),
        json!({ "assume_role": { "role_arn": "deploy", "session_name": "x", "policy": "{",
            "external_id": "a b", "session_expiration": 60 } }),
        json!({ "assume_role_with_oidc": { "oidc_provider_arn": "pipeline",
            "session_expiration": -1 } }),
    ] {
        let config = Some(provider_config(arguments));
        let request = pb::validate_provider_config::Request { config };
        let response = client.validate_provider_config(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    check!(messages);
}

#[tokio::test]
async fn about_data_sources() {
    let mut client = unconfigured();
    let mut messages = Vec::new();
    let rule = json!({ "bucket": null, "region": null, "sse_algorithm": null, "id": null,
        "kms_master_key_id": null, "kms_data_encryption": null, "timeouts": null });
    let filter = json!({ "prefix": null, "region": null, "buckets": null, "timeouts": null });
    for (type_name, all, name, value) in [
        (TYPE, &rule, "bucket", Json::Null),
        (TYPE, &rule, "bucket", json!("Ab")),
        (TYPE, &rule, "sse_algorithm", json!("KMS")),
        ("oss_bucket_encryptions", &filter, "prefix", json!("Ab")),
        ("oss_bucket_encryptions", &filter, "prefix", json!("-x")),
        ("oss_bucket_encryptions", &filter, "prefix", json!("x".repeat(64))),
        ("oss_bucket_encryptions", &filter, "region", json!("oss-cn-hangzhou")),
        ("oss_bucket_encryptions", &filter, "timeouts", json!({ "read": "soon" })),
    ] {
        let mut config = all.clone();
        config[name] = value;
        let request = pb::validate_data_resource_config::Request {
            type_name: type_name.into(),
            config: Some(dynamic(&config)),
        };
        let response = client.validate_data_resource_config(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    check!(messages);
}

#[tokio::test]
async fn about_queries() {
    let emulator = emulator(&["one", "two"]);
    emulator.set_rule("one", EncryptionRule::new("AES256"));
    let mut client = configured(&emulator).await;
    let config = |prefix: Json| Some(dynamic(&json!({ "prefix": prefix, "region": null })));
    let request = pb::validate_list_resource_config::Request {
        type_name: TYPE.into(),
        config: config(json!("Ab")),
        ..Default::default()
    };
    let response = client.validate_list_resource_config(request).await.unwrap().into_inner();
    let mut messages: Vec<String> = rendered(&response.diagnostics).collect();
    let request = pb::list_resource::Request {
        type_name: TYPE.into(),
        config: config(Json::Null),
        limit: 1,
        ..Default::default()
    };
    let mut events = client.list_resource(request.clone()).await.unwrap().into_inner();
    messages.extend(rendered(&events.message().await.unwrap().unwrap().diagnostic));
    assert!(events.message().await.unwrap().is_none());
    for (prefix, region) in [("three", Json::Null), ("one", json!("cn-hangzou"))] {
        let config = dynamic(&json!({ "prefix": prefix, "region": region }));
        let request = pb::list_resource::Request { config: Some(config), ..request.clone() };
        let mut events = client.list_resource(request).await.unwrap().into_inner();
        messages.extend(rendered(&events.message().await.unwrap().unwrap().diagnostic));
    }
    check!(messages);
}

/// Diagnostics of `ConfigureProvider` in a process with this environment.
async fn configure(environment: &[(&str, &str)], arguments: Json) -> Vec<String> {
    let variables = environment.iter().map(|(name, value)| (name.into(), value.into()));
    let mut client = client_for(OssProvider::new(Environment::new(variables)));
    let config = Some(provider_config(arguments));
    let request = pb::configure_provider::Request { config, ..Default::default() };
    rendered(&client.configure_provider(request).await.unwrap().into_inner().diagnostics).collect()
}

#[tokio::test]
async fn about_the_whole_configuration() {
    let region = || json!({ "region": "cn-hangzhou" });
    let with = |name: &str, value: Json| {
        let mut arguments = region();
        arguments[name] = value;
        arguments
    };
    check!(
        [
            configure(&[], json!({})).await,
            configure(&[("OSS_ACCESS_KEY_ID", "id")], region()).await,
            configure(&[("ALICLOUD_SECRET_KEY", "secret")], region()).await,
            configure(
                &[("OSS_ACCESS_KEY_ID", "id"), ("OSS_ACCESS_KEY_SECRET", "sec\nret")],
                region()
            )
            .await,
            configure(&[("ALIBABA_CLOUD_REGION", "CN")], json!({})).await,
            configure(&[("OSS_ENDPOINT", "https://host/path")], region()).await,
            configure(&[], with("address_style", json!("cname"))).await,
            configure(&[], with("address_style", json!("path"))).await,
            configure(&[], with("endpoint", json!("oss-cn-beijing.aliyuncs.com"))).await,
            configure(&[], with("credentials_uri", json!("http://keys.example.com/x?key=secret")))
                .await,
            configure(
                &[("OSS_ENDPOINT", "http://127.0.0.1:1")],
                with("address_style", json!("virtual"))
            )
            .await,
            configure(&[], with("assume_role", json!({}))).await,
            configure(&[], with("assume_role_with_oidc", json!({}))).await,
            configure(&[("ALICLOUD_ASSUME_ROLE_ARN", "deploy")], with("assume_role", json!({})))
                .await,
        ]
        .concat()
    );
}

#[tokio::test]
async fn about_credentials_that_do_not_belong_together() {
    const ID: &str = "OSS_ACCESS_KEY_ID";
    let pair = |id: &'static str| [(ID, id), ("OSS_ACCESS_KEY_SECRET", "secret")];
    let token = ("ALIBABA_CLOUD_SECURITY_TOKEN", "token");
    let block = |arguments: Json| {
        let mut block = json!({ "region": "cn-hangzhou" });
        block.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        block
    };
    let keys = |id: &str| json!({ "access_key": id, "secret_key": "secret" });
    let permanent =
        json!({ "access_key": "LTAI5t", "secret_key": "secret", "security_token": "token" });
    check!(
        [
            configure(&pair("STS.id"), block(json!({}))).await,
            configure(&[&pair("LTAI5t")[..], &[token]].concat(), block(json!({}))).await,
            configure(&[], block(keys("STS.id"))).await,
            configure(&[token], block(keys("STS.id"))).await,
            configure(&[], block(permanent)).await,
            configure(&pair("id"), block(json!({ "profile": "ci" }))).await,
            configure(&pair("id"), block(json!({ "ecs_role_name": "worker" }))).await,
            configure(&[("ALIBABA_CLOUD_PROFILE", "ci")], block(json!({ "ecs_role_name": "r" })))
                .await,
        ]
        .concat()
    );
}

#[tokio::test]
async fn about_imports_moves_and_stored_states() {
    let mut client = unconfigured();
    let config = provider_config(json!({ "region": "cn-hangzhou", "endpoint": UNKNOWN }));
    let request = pb::configure_provider::Request { config: Some(config), ..Default::default() };
    client.configure_provider(request).await.unwrap();
    let mut messages = Vec::new();
    for id in ["Bad_Name", "demo@CN", "demo"] {
        let type_name = TYPE.into();
        let request =
            pb::import_resource_state::Request { type_name, id: id.into(), ..Default::default() };
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    for identity in [
        json!({ "bucket": "Bad_Name", "region": null }),
        json!({ "bucket": "demo", "region": "c/n" }),
    ] {
        let request = pb::import_resource_state::Request {
            type_name: TYPE.into(),
            identity: Some(pb::ResourceIdentityData { identity_data: Some(dynamic(&identity)) }),
            ..Default::default()
        };
        let response = client.import_resource_state(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    let raw = |json: &str| Some(pb::RawState { json: json.into(), ..Default::default() });
    for (provider, source_type, state) in [
        ("registry.terraform.io/hashicorp/aws", "aws_s3_bucket", "{}"),
        ("registry.terraform.io/aliyun/alicloud", "alicloud_oss_bucket", "{}"),
        (
            "registry.terraform.io/aliyun/alicloud",
            "alicloud_oss_bucket_server_side_encryption",
            r#"{"bucket":"Old_Name"}"#,
        ),
    ] {
        let request = pb::move_resource_state::Request {
            source_provider_address: provider.into(),
            source_type_name: source_type.into(),
            source_state: raw(state),
            target_type_name: TYPE.into(),
            ..Default::default()
        };
        let response = client.move_resource_state(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    for (json, version) in [("{}", 7), ("{", 0), ("", 0), (r#"{"bucket":1}"#, 0)] {
        let type_name = TYPE.into();
        let request =
            pb::upgrade_resource_state::Request { type_name, version, raw_state: raw(json) };
        let response = client.upgrade_resource_state(request).await.unwrap().into_inner();
        messages.extend(rendered(&response.diagnostics));
    }
    check!(messages);
}
