//! Imports and stored states.

use oss_emulator::EncryptionRule;
use serde_json::{Value as Json, json};
use terraform_provider_oss::provider::OssProvider;
use terraform_provider_oss::tfplugin::pb;

use super::apply::calls;
use super::{NO_DIAGNOSTICS, kms};
use crate::support::{
    TYPE, TestClient, configured, diagnostics, emulator, from_dynamic, resource, unconfigured,
};

pub(super) async fn import(
    client: &mut TestClient<OssProvider>,
    id: &str,
) -> pb::import_resource_state::Response {
    let request = pb::import_resource_state::Request {
        type_name: TYPE.into(),
        id: id.into(),
        ..Default::default()
    };
    client.import_resource_state(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_import_id_is_a_bucket_with_an_optional_region() {
    let emulator = emulator(&["demo"]);
    emulator.set_rule("demo", EncryptionRule::new("SM4"));
    let mut client = configured(&emulator).await;
    for (id, region) in [("demo", Json::from("")), ("demo@cn-hangzhou", Json::from("cn-hangzhou"))]
    {
        let response = import(&mut client, id).await;
        assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
        let state = from_dynamic(response.imported_resources[0].state.as_ref());
        let expected = resource(json!({ "bucket": "demo", "id": "demo", "region": region,
            "sse_algorithm": "SM4", "kms_master_key_id": "", "kms_data_encryption": "" }));
        assert_eq!(state, expected);
    }
    calls(&emulator);
    for id in ["", "Bad_Name", "demo@", "demo@CN", "acs:oss:demo", "a@b@c"] {
        let response = import(&mut client, id).await;
        assert_eq!(diagnostics(&response.diagnostics), ["error: Invalid import ID"], "{id}");
        assert_eq!(response.imported_resources, []);
    }
    assert_eq!(calls(&emulator), Vec::<String>::new());
}

#[tokio::test]
async fn importing_a_missing_bucket_or_rule_is_an_error() {
    let emulator = emulator(&["demo"]);
    let mut client = configured(&emulator).await;
    for (id, expected) in [
        ("demo", "error: Bucket demo has no encryption to import"),
        ("no-such-bucket", "error: Bucket no-such-bucket does not exist"),
    ] {
        let response = import(&mut client, id).await;
        assert_eq!(diagnostics(&response.diagnostics), [expected]);
        assert_eq!(response.imported_resources, []);
    }
}

#[tokio::test]
async fn stored_states_of_other_versions_are_read() {
    let upgrade = |json: &str, version| {
        let raw_state = Some(pb::RawState { json: json.into(), ..Default::default() });
        let type_name = TYPE.into();
        pb::upgrade_resource_state::Request { type_name, version, raw_state }
    };
    let mut client = unconfigured();
    let stored = r#"{"bucket":"demo","id":"demo","sse_algorithm":"KMS","from_the_future":true}"#;
    let response = client.upgrade_resource_state(upgrade(stored, 0)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), NO_DIAGNOSTICS);
    assert_eq!(from_dynamic(response.upgraded_state.as_ref()), kms("demo"));
    let response = client.upgrade_resource_state(upgrade(stored, 7)).await.unwrap().into_inner();
    assert_eq!(
        diagnostics(&response.diagnostics),
        ["error: Resource instance managed by newer provider version"]
    );
    let response = client.upgrade_resource_state(upgrade("{", 0)).await.unwrap().into_inner();
    assert_eq!(diagnostics(&response.diagnostics), ["error: Invalid stored state"]);
}
