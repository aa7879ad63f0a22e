//! Moves from another provider.

use serde_json::json;
use terraform_provider_oss::tfplugin::pb;

use super::{NO_DIAGNOSTICS, identity, shown};
use crate::support::{TYPE, diagnostics, from_dynamic, resource, unconfigured};

fn move_request(
    provider: &str,
    source_type: &str,
    state: &str,
) -> pb::move_resource_state::Request {
    pb::move_resource_state::Request {
        source_provider_address: provider.into(),
        source_type_name: source_type.into(),
        source_state: Some(pb::RawState { json: state.into(), ..Default::default() }),
        source_private: b"timeouts of another provider".to_vec(),
        target_type_name: TYPE.into(),
        ..Default::default()
    }
}

const ALICLOUD: &str = "registry.terraform.io/aliyun/alicloud";
const ALICLOUD_TYPE: &str = "alicloud_oss_bucket_server_side_encryption";

#[tokio::test]
async fn a_rule_of_the_alicloud_provider_is_moved_without_a_configured_provider() {
    let mut client = unconfigured();
    let state = r#"{"bucket":"demo","id":"demo","kms_data_encryption":"SM4",
        "kms_master_key_id":"9468da86","sse_algorithm":"KMS","timeouts":{"create":"10m"}}"#;
    let request = move_request(ALICLOUD, ALICLOUD_TYPE, state);
    let response = client.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
    let timeouts = json!({ "create": "10m", "read": null, "update": null, "delete": null });
    let expected =
        resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS", "region": "",
        "kms_master_key_id": "9468da86", "kms_data_encryption": "SM4", "timeouts": timeouts }));
    assert_eq!(from_dynamic(response.target_state.as_ref()), expected);
    assert_eq!(shown(response.target_identity.as_ref()), "demo@-");
    assert!(response.target_private.is_empty());
}

#[tokio::test]
async fn states_of_every_alicloud_version_are_moved() {
    let mut client = unconfigured();
    for (provider, source_schema_version) in [
        (ALICLOUD, 1),
        ("registry.terraform.io/hashicorp/alicloud", 0),
        ("mirror.example.com/aliyun/alicloud", 3),
    ] {
        let state = r#"{"id":"demo","sse_algorithm":"AES256","of_that_version":[1]}"#;
        let request = move_request(provider, ALICLOUD_TYPE, state);
        let request = pb::move_resource_state::Request { source_schema_version, ..request };
        let response = client.move_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
        let state = from_dynamic(response.target_state.as_ref());
        assert_eq!((&state["bucket"], &state["sse_algorithm"]), (&json!("demo"), &json!("AES256")));
    }
}

#[tokio::test]
async fn the_own_resource_is_moved_from_another_registry_unchanged() {
    let mut client = unconfigured();
    let timeouts = json!({ "create": "10m", "read": null, "update": null, "delete": null });
    let state = resource(json!({ "bucket": "demo", "id": "demo", "sse_algorithm": "KMS",
        "region": "cn-beijing", "kms_master_key_id": "9468da86", "timeouts": timeouts }));
    for provider in ["registry.example.com/oss-tools/oss", "mirror.example.com/storage/oss", "oss"]
    {
        let stored = identity("demo", Some("cn-hangzhou")).identity_data.unwrap();
        let stored = from_dynamic(Some(&stored)).to_string();
        let request = pb::move_resource_state::Request {
            source_identity: Some(pb::RawState { json: stored.into(), ..Default::default() }),
            ..move_request(provider, TYPE, &state.to_string())
        };
        let response = client.move_resource_state(request.clone()).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS, "{provider}");
        assert_eq!(from_dynamic(response.target_state.as_ref()), state);
        assert_eq!(shown(response.target_identity.as_ref()), "demo@cn-hangzhou", "it is kept");
        assert_eq!(response.target_private, request.source_private);
        let newer_identity = pb::move_resource_state::Request {
            source_identity_schema_version: 99,
            ..request.clone()
        };
        let request = pb::move_resource_state::Request { source_identity: None, ..request };
        let response = client.move_resource_state(request.clone()).await.unwrap().into_inner();
        assert_eq!(shown(response.target_identity.as_ref()), "demo@cn-beijing");
        let newer = pb::move_resource_state::Request { source_schema_version: 99, ..request };
        for newer in [newer, newer_identity] {
            let response = client.move_resource_state(newer).await.unwrap().into_inner();
            let expected = ["error: Resource instance managed by newer provider version"];
            assert_eq!(diagnostics(&response.diagnostics), expected);
        }
    }
    for provider in ["registry.example.com/storage/not-oss", "storage/oss"] {
        let request = move_request(provider, TYPE, &state.to_string());
        let response = client.move_resource_state(request).await.unwrap().into_inner();
        let expected = ["error: Unsupported resource move"];
        assert_eq!(diagnostics(&response.diagnostics), expected, "{provider}");
    }
}

/// A state in the format of Terraform 0.11 and older.
#[tokio::test]
async fn flatmap_states_are_rejected() {
    let mut client = unconfigured();
    let raw = || {
        let flatmap = [("bucket".to_owned(), "demo".to_owned())].into();
        Some(pb::RawState { flatmap, ..Default::default() })
    };
    let request = pb::move_resource_state::Request {
        source_state: raw(),
        ..move_request(ALICLOUD, ALICLOUD_TYPE, "")
    };
    let moved = client.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&moved.diagnostics), ["error: Unsupported source state"]);
    let type_name = TYPE.to_owned();
    let request = pb::upgrade_resource_state::Request { type_name, version: 0, raw_state: raw() };
    let upgraded = client.upgrade_resource_state(request).await.unwrap().into_inner();
    assert_eq!(diagnostics(&upgraded.diagnostics), ["error: Unsupported stored state"]);
    let detail = &upgraded.diagnostics[0].detail;
    assert!(detail.contains("Terraform 0.11 or older"), "{detail}");
}

#[tokio::test]
async fn unsupported_moves_name_the_supported_ones() {
    let mut client = unconfigured();
    for (provider, source_type, state, expected) in [
        (ALICLOUD, "alicloud_oss_bucket", "{}", "error: Unsupported resource move"),
        (
            "registry.terraform.io/hashicorp/aws",
            "aws_s3_bucket_server_side_encryption_configuration",
            "{}",
            "error: Unsupported resource move",
        ),
        (ALICLOUD, ALICLOUD_TYPE, "null", "error: Unsupported resource move"),
        (ALICLOUD, ALICLOUD_TYPE, "{", "error: Invalid source state"),
        (ALICLOUD, ALICLOUD_TYPE, "", "error: Unsupported source state"),
    ] {
        let request = move_request(provider, source_type, state);
        let response = client.move_resource_state(request).await.unwrap().into_inner();
        assert_eq!(diagnostics(&response.diagnostics), [expected]);
        assert_eq!(response.target_state, None);
    }
    let absent =
        pb::move_resource_state::Request { target_type_name: TYPE.into(), ..Default::default() };
    let response = client.move_resource_state(absent).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), ["error: Missing source state"]);
}
